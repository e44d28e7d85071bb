/* What is done to users' keys that are there: wrapped out, read, restricted, destroyed, looked for. */
#include "hsm/cache.h"

#include <string.h>

#define WRAPPED_ROOM (16u << 10)
#define VALUE_ROOM (4u << 10)
#define ROOM_MAX (128u << 10)

/** struct change: a job with one key, or two: KEY is wrapped by WRAPPING. WHY: what is final. */
struct change {
	struct sr_hsm *hsm;
	struct sr_hsm_key *key, *wrapping;
	const CK_MECHANISM *mechanism;
	CK_ATTRIBUTE_TYPE type;
	const struct sr_attrs *changes;
	struct sr_buf *out;
	char vault_id[SR_HSM_VAULT_ID_MAX + 1];
	bool exists;
	struct sr_error why;
};

/** change_call: with the handles held. */
typedef CK_RV change_call(const struct sr_hsm_turn *turn, struct change *change, const struct sr_held *key,
	const struct sr_held *wrapping);

static CK_RV hold_both(const struct sr_hsm_turn *turn, struct change *change, enum sr_hold how, struct sr_held *key,
	struct sr_held *wrapping)
{
	memset(wrapping, 0, sizeof(*wrapping));
	CK_RV rv = sr_cache_hold(change->hsm, turn, change->key, how, key, &change->why);
	if (rv != CKR_OK || !change->wrapping)
		return rv;
	rv = sr_cache_hold(change->hsm, turn, change->wrapping, SR_HOLD_USE, wrapping, &change->why);
	if (rv == CKR_OK)
		return CKR_OK;
	if (change->why.rv == CKR_KEY_HANDLE_INVALID)
		change->why.rv = CKR_WRAPPING_KEY_HANDLE_INVALID;
	sr_cache_release(change->hsm, key);
	return rv;
}

static bool is_nest(const struct sr_hsm_key *key)
{
	return key && key->kind == SR_KEY_NEST;
}

/* CKR_WRAPPING_KEY_HANDLE_INVALID is about the one key, every other handle code about the other. */
static bool is_gone(const struct change *change, CK_RV rv)
{
	return is_nest(rv == CKR_WRAPPING_KEY_HANDLE_INVALID ? change->wrapping : change->key);
}

static CK_RV with_keys(const struct sr_hsm_turn *turn, struct change *change, enum sr_hold how, change_call *call)
{
	CK_RV rv = CKR_OK;
	sr_error_clear(&change->why);
	for (int tries = 0; tries < 2; tries++) {
		struct sr_held key, wrapping;
		rv = hold_both(turn, change, how, &key, &wrapping);
		if (rv != CKR_OK)
			return change->why.rv == CKR_OK ? rv : CKR_FUNCTION_FAILED;
		rv = call(turn, change, &key, &wrapping);
		if (!sr_code_is_handle(rv)) {
			sr_cache_release(change->hsm, &key);
			sr_cache_release(change->hsm, &wrapping);
			return rv;
		}
		sr_cache_evict(change->hsm, &key);
		sr_cache_evict(change->hsm, &wrapping);
		if (is_gone(change, rv)) {
			sr_fail(&change->why, rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv,
				SR_REASON_NOT_FOUND, "the session object is gone; make it anew");
			return CKR_FUNCTION_FAILED;
		}
	}
	return rv;
}

static CK_RV run(
	struct change *change, sr_hsm_work *work, enum sr_code_of code, const char *doing, struct sr_error *err)
{
	struct sr_error lost = SR_ERROR_INIT;
	CK_RV rv = sr_hsm_need_keys(change->hsm, err);
	if (rv != CKR_OK)
		return rv;
	sr_hsm_vault_id(change->hsm, change->vault_id);
	rv = sr_hsm_try(change->hsm, work, change, &lost);
	if (rv == CKR_OK)
		return CKR_OK;
	const struct sr_error *why = lost.rv != CKR_OK ? &lost : &change->why;
	/* what is read or changed is an object (5.7.5, 5.7.6) */
	bool object = why->rv == CKR_KEY_HANDLE_INVALID && code != SR_CODE_WRAP;
	if (why->rv != CKR_OK)
		return sr_fail(err, object ? CKR_OBJECT_HANDLE_INVALID : why->rv, why->reason, "%s", why->text);
	return sr_code_fail(err, code, rv, doing);
}

/* -- wrapping out ---------------------------------------------------------------------------------------------- */

static CK_RV wrap_call(const struct sr_hsm_turn *turn, struct change *change, const struct sr_held *key,
	const struct sr_held *wrapping)
{
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	for (CK_ULONG room = WRAPPED_ROOM; rv == CKR_BUFFER_TOO_SMALL && room <= ROOM_MAX; room *= 8) {
		CK_ULONG len = room;
		uint8_t *out = sr_buf_reserve(change->out, room);
		if (!out)
			return CKR_HOST_MEMORY;
		rv = turn->module->C_WrapKey(turn->session, (CK_MECHANISM *)(uintptr_t)change->mechanism,
			wrapping->handle, key->handle, out, &len);
		if (rv == CKR_OK && len > room)
			return CKR_FUNCTION_FAILED;
		if (rv == CKR_OK)
			change->out->len += len;
	}
	return rv;
}

static CK_RV wrap_work(const struct sr_hsm_turn *turn, void *job)
{
	return with_keys(turn, job, SR_HOLD_USE, wrap_call);
}

CK_RV sr_hsm_wrap_key(struct sr_hsm *hsm, const CK_MECHANISM *mechanism, struct sr_hsm_key *wrapping,
	struct sr_hsm_key *key, struct sr_buf *wrapped, struct sr_error *err)
{
	struct change change = { .hsm = hsm, .key = key, .wrapping = wrapping, .mechanism = mechanism, .out = wrapped };
	return run(&change, wrap_work, SR_CODE_WRAP, "wrap a key", err);
}

/* -- reading --------------------------------------------------------------------------------------------------- */

static CK_RV read_call(const struct sr_hsm_turn *turn, struct change *change, const struct sr_held *key,
	const struct sr_held *wrapping)
{
	(void)wrapping;
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	for (size_t room = VALUE_ROOM; rv == CKR_BUFFER_TOO_SMALL && room <= ROOM_MAX; room *= 32) {
		size_t len = 0;
		uint8_t *out = sr_buf_reserve(change->out, room);
		if (!out)
			return CKR_HOST_MEMORY;
		rv = sr_object_bytes(turn, key->handle, change->type, out, room, &len);
		if (rv == CKR_OK)
			change->out->len += len;
	}
	return rv;
}

static CK_RV read_work(const struct sr_hsm_turn *turn, void *job)
{
	return with_keys(turn, job, SR_HOLD_OBJECT, read_call);
}

CK_RV sr_hsm_key_read(
	struct sr_hsm *hsm, struct sr_hsm_key *key, CK_ATTRIBUTE_TYPE type, struct sr_buf *value, struct sr_error *err)
{
	struct change change = { .hsm = hsm, .key = key, .type = type, .out = value };
	return run(&change, read_work, SR_CODE_READ, "show a component of a key", err);
}

/* -- restricting ----------------------------------------------------------------------------------------------- */

static CK_RV set_call(const struct sr_hsm_turn *turn, struct change *change, const struct sr_held *key,
	const struct sr_held *wrapping)
{
	(void)wrapping;
	struct sr_template changes;
	CK_RV rv = sr_template_changes(turn, key->handle, change->changes, &changes);
	if (rv != CKR_OK || changes.count == 0)
		return rv;
	bool on_token = change->key->kind == SR_KEY_RESIDENT;
	int lock = on_token ? sr_softhsm_lock(turn->softhsm_conf, true) : -1;
	rv = turn->module->C_SetAttributeValue(turn->session, key->handle, changes.rows, changes.count);
	sr_softhsm_unlock(lock);
	return rv;
}

static CK_RV set_work(const struct sr_hsm_turn *turn, void *job)
{
	return with_keys(turn, job, SR_HOLD_OBJECT, set_call);
}

CK_RV sr_hsm_key_restrict(
	struct sr_hsm *hsm, struct sr_hsm_key *key, const struct sr_attrs *changes, struct sr_error *err)
{
	struct change change = { .hsm = hsm, .key = key, .changes = changes };
	if (key->kind == SR_KEY_WRAPPED || key->kind == SR_KEY_OPEN)
		return CKR_OK;
	CK_RV rv = run(&change, set_work, SR_CODE_SET, "change a key", err);
	if (key->kind == SR_KEY_RESIDENT) {
		sr_cache_forget(hsm, key->uid); /* copies as the key was before */
		sr_softhsm_tighten(hsm->backend.softhsm_conf);
	}
	return rv;
}

/* -- destroying ------------------------------------------------------------------------------------------------ */

static CK_RV destroy_work(const struct sr_hsm_turn *turn, void *job)
{
	struct change *change = job;
	const struct sr_hsm_key *key = change->key;
	if (key->kind == SR_KEY_RESIDENT)
		return sr_resident_destroy(turn, change->vault_id, key->uid, key->object_class);
	if (atomic_load(&key->nest->closed) || key->epoch != turn->epoch)
		return CKR_OK;
	CK_RV rv = turn->module->C_DestroyObject(turn->session, key->handle);
	return sr_code_is_handle(rv) ? CKR_OK : rv;
}

CK_RV sr_hsm_key_destroy(struct sr_hsm *hsm, struct sr_hsm_key *key, struct sr_error *err)
{
	struct change change = { .hsm = hsm, .key = key };
	if (*key->uid)
		sr_cache_forget(hsm, key->uid);
	if (key->kind == SR_KEY_WRAPPED || key->kind == SR_KEY_OPEN)
		return CKR_OK;
	return run(&change, destroy_work, SR_CODE_SET, "destroy a key", err);
}

/* -- looking --------------------------------------------------------------------------------------------------- */

static CK_RV exists_work(const struct sr_hsm_turn *turn, void *job)
{
	struct change *change = job;
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count = 0;
	int lock = sr_softhsm_lock(turn->softhsm_conf, false);
	CK_RV rv =
		sr_resident_find(turn, change->vault_id, change->key->uid, change->key->object_class, found, 2, &count);
	sr_softhsm_unlock(lock);
	change->exists = count == 1;
	return rv;
}

CK_RV sr_hsm_key_exists(struct sr_hsm *hsm, struct sr_hsm_key *key, bool *exists, struct sr_error *err)
{
	struct change change = { .hsm = hsm, .key = key };
	*exists = key->kind != SR_KEY_RESIDENT;
	if (*exists)
		return CKR_OK;
	CK_RV rv = run(&change, exists_work, SR_CODE_READ, "look for a key", err);
	*exists = rv == CKR_OK && change.exists;
	return rv;
}
