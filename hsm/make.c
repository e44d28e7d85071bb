/* Making users' keys: generated, imported, unwrapped, derived or copied, and put where they are to live. */
#include "hsm/cache.h"
#include "util/crypto.h"

#include <stdio.h>
#include <string.h>

/* A generic secret of any length would do for SoftHSM2, which ends the process when it has no memory for one. */
#define VALUE_LEN_MAX (64u << 10)
#define COMPONENT_MAX (4u << 10)

enum making_kind { MAKING_GENERATE, MAKING_PAIR, MAKING_IMPORT, MAKING_UNWRAP, MAKING_DERIVE, MAKING_COPY };

/** struct kind_row: HANDLE: what the standard calls a SOURCE that is not there. */
static const struct {
	const char *doing;
	enum sr_template_for purpose;
	enum sr_code_of code;
	CK_RV handle;
} kind_rows[] = {
	[MAKING_GENERATE] = { "generate a key", SR_FOR_GENERATE, SR_CODE_GENERATE, CKR_OK },
	[MAKING_PAIR] = { "generate a key pair", SR_FOR_GENERATE, SR_CODE_GENERATE, CKR_OK },
	[MAKING_IMPORT] = { "take a key", SR_FOR_CREATE, SR_CODE_IMPORT, CKR_OK },
	[MAKING_UNWRAP] = { "unwrap a key", SR_FOR_UNWRAP, SR_CODE_UNWRAP, CKR_UNWRAPPING_KEY_HANDLE_INVALID },
	[MAKING_DERIVE] = { "derive a key", SR_FOR_DERIVE, SR_CODE_DERIVE, CKR_KEY_HANDLE_INVALID },
	[MAKING_COPY] = { "copy a key", SR_FOR_GENERATE, SR_CODE_COPY, CKR_OBJECT_HANDLE_INVALID },
};

/** struct making: one key on its way. SOURCE unwraps, derives or is copied. CLOSED: no material, so never extractable
 *  for a moment. TRIES counts runs of the work: an earlier one may have left an object. WHY: what is final. */
struct making {
	struct sr_hsm *hsm;
	const struct sr_hsm_place *place;
	enum making_kind kind;
	const CK_MECHANISM *mechanism;
	struct sr_hsm_key *source;
	const void *wrapped;
	size_t wrapped_len;
	const struct sr_attrs *template, *public_template;
	CK_OBJECT_CLASS object_class;
	char vault_id[SR_HSM_VAULT_ID_MAX + 1];
	struct sr_hsm_made *made, *public_made;
	bool closed;
	int tries;
	struct sr_error why;
};

/** struct fresh: objects that were just made, in SESSION. */
struct fresh {
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object, public;
	bool wrappable; /* it is extractable now */
	bool to_close;  /* but only so that it can be wrapped */
};

void sr_hsm_made_clear(struct sr_hsm_made *made)
{
	sr_hsm_key_unref(made->key);
	made->key = NULL;
	sr_buf_clear(&made->blob);
	sr_attrs_clear(&made->attrs);
	sr_buf_clear(&made->material);
}

static bool is_resident(const struct making *making)
{
	return making->place->custody == SR_HSM_RESIDENT;
}

/* A copy of a wrapped key has its original's blob. */
static bool has_blob(const struct making *making)
{
	return making->kind == MAKING_COPY && making->source->kind == SR_KEY_WRAPPED;
}

static bool wants_blob(const struct making *making)
{
	if (making->object_class == CKO_PUBLIC_KEY || has_blob(making))
		return false;
	return making->place->custody == SR_HSM_WRAPPED || (making->place->with_material && !making->closed);
}

/* Writing a token object is alone in SoftHSM2's directory. */
static int lock_place(const struct sr_hsm_turn *turn, const struct making *making)
{
	return is_resident(making) ? sr_softhsm_lock(turn->softhsm_conf, true) : -1;
}

/* -- the call itself ------------------------------------------------------------------------------------------- */

static const char *kind_name(CK_KEY_TYPE type)
{
	switch (type) {
	case CKK_RSA:
		return "RSA";
	case CKK_EC:
		return "EC";
	case CKK_EC_EDWARDS:
		return "Ed25519";
	case CKK_AES:
		return "AES";
	case CKK_GENERIC_SECRET:
		return "generic secret";
	default:
		return "of this kind";
	}
}

static CK_RV refuse_custody(struct making *making, const char *why)
{
	CK_KEY_TYPE type = sr_attrs_ulong(&making->made->attrs, CKA_KEY_TYPE, CKK_VENDOR_DEFINED);
	return sr_fail(&making->why, CKR_TEMPLATE_INCONSISTENT, SR_REASON_CUSTODY,
		"key not made: the HSM cannot keep a key (%s) wrapped: %s; use --custody resident", kind_name(type),
		why);
}

static CK_RV copy_object(
	const struct sr_hsm_turn *turn, const struct making *making, CK_OBJECT_HANDLE source, struct fresh *fresh)
{
	struct sr_template changes;
	CK_RV rv = sr_template_changes(turn, source, making->template, &changes);
	if (rv == CKR_OK)
		rv = sr_object_bool(turn, source, CKA_EXTRACTABLE, &fresh->wrappable);
	if (rv != CKR_OK)
		return rv;
	fresh->to_close = fresh->wrappable && wants_blob(making) && sr_template_drop(&changes, CKA_EXTRACTABLE);
	sr_template_place(&changes, making->vault_id, is_resident(making) ? making->place->uid : NULL);
	int lock = lock_place(turn, making);
	rv = turn->module->C_CopyObject(fresh->session, source, changes.rows, changes.count, &fresh->object);
	sr_softhsm_unlock(lock);
	return rv;
}

static CK_RV call(const struct sr_hsm_turn *turn, const struct making *making, CK_OBJECT_HANDLE source,
	struct sr_template *template, struct sr_template *public, struct fresh *fresh)
{
	CK_FUNCTION_LIST *module = turn->module;
	CK_MECHANISM *mechanism = (CK_MECHANISM *)(uintptr_t)making->mechanism;
	switch (making->kind) {
	case MAKING_GENERATE:
		return module->C_GenerateKey(
			fresh->session, mechanism, template->rows, template->count, &fresh->object);
	case MAKING_PAIR:
		return module->C_GenerateKeyPair(fresh->session, mechanism, public->rows, public->count, template->rows,
			template->count, &fresh->public, &fresh->object);
	case MAKING_IMPORT:
		return module->C_CreateObject(fresh->session, template->rows, template->count, &fresh->object);
	case MAKING_UNWRAP:
		return module->C_UnwrapKey(fresh->session, mechanism, source, (CK_BYTE *)(uintptr_t)making->wrapped,
			making->wrapped_len, template->rows, template->count, &fresh->object);
	case MAKING_DERIVE:
		return module->C_DeriveKey(
			fresh->session, mechanism, source, template->rows, template->count, &fresh->object);
	case MAKING_COPY:
		break;
	}
	return CKR_FUNCTION_FAILED;
}

static CK_RV make_object(
	const struct sr_hsm_turn *turn, const struct making *making, CK_OBJECT_HANDLE source, struct fresh *fresh)
{
	struct sr_template template, public;
	if (making->kind == MAKING_COPY)
		return copy_object(turn, making, source, fresh);
	sr_template_fill(&template, making->template, making->object_class, kind_rows[making->kind].purpose);
	sr_template_place(&template, making->vault_id, is_resident(making) ? making->place->uid : NULL);
	fresh->wrappable = wants_blob(making);
	if (fresh->wrappable) {
		fresh->to_close = !sr_attrs_bool(making->template, CKA_EXTRACTABLE, false);
		sr_template_flag(&template, CKA_EXTRACTABLE, true);
	}
	if (making->kind == MAKING_PAIR) {
		sr_template_fill(&public, making->public_template, CKO_PUBLIC_KEY, SR_FOR_GENERATE);
		sr_template_place(&public, NULL, NULL);
	}
	int lock = lock_place(turn, making);
	CK_RV rv = call(turn, making, source, &template, &public, fresh);
	sr_softhsm_unlock(lock);
	return rv;
}

/* With the source key, if there is one: its handle is looked for anew where the HSM does not know it any more. */
static CK_RV make_from(const struct sr_hsm_turn *turn, struct making *making, struct fresh *fresh)
{
	CK_RV rv = CKR_OK;
	if (!making->source)
		return make_object(turn, making, 0, fresh);
	for (int tries = 0; tries < 2; tries++) {
		struct sr_held held;
		enum sr_hold how = making->kind == MAKING_COPY ? SR_HOLD_OBJECT : SR_HOLD_USE;
		rv = sr_cache_hold(making->hsm, turn, making->source, how, &held, &making->why);
		if (rv != CKR_OK)
			return rv;
		if (making->kind == MAKING_DERIVE)
			rv = sr_key_fits(making->mechanism->mechanism, held.facts.type);
		if (rv == CKR_OK)
			rv = make_object(turn, making, held.handle, fresh);
		if (!sr_code_is_handle(rv)) {
			sr_cache_release(making->hsm, &held);
			return rv;
		}
		sr_cache_evict(making->hsm, &held);
		if (making->source->kind == SR_KEY_NEST)
			return sr_fail(&making->why, CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND,
				"the session object is gone; make it anew");
	}
	return rv;
}

/* -- what came of it ------------------------------------------------------------------------------------------- */

static void destroy(const struct sr_hsm_turn *turn, const struct making *making, struct fresh *fresh)
{
	if (fresh->object) {
		int lock = lock_place(turn, making);
		(void)turn->module->C_DestroyObject(fresh->session, fresh->object);
		sr_softhsm_unlock(lock);
	}
	if (fresh->public)
		(void)turn->module->C_DestroyObject(fresh->session, fresh->public);
	fresh->object = fresh->public = 0;
}

static CK_RV take_component(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct sr_attrs *attrs)
{
	uint8_t bytes[COMPONENT_MAX];
	size_t len = 0;
	CK_RV rv = sr_object_bytes(turn, object, type, bytes, sizeof(bytes), &len);
	if (rv == CKR_OK && len > 0)
		sr_attrs_put(attrs, type, bytes, len);
	/* what this kind of key does not have */
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ? CKR_OK : rv;
}

static CK_RV take_attrs(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_OBJECT_CLASS object_class, struct sr_attrs *attrs)
{
	static const CK_ATTRIBUTE_TYPE parts[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT };
	CK_ULONG number = 0;
	CK_RV rv = sr_object_number(turn, object, CKA_KEY_TYPE, &number);
	if (rv != CKR_OK)
		return rv;
	sr_attrs_put_ulong(attrs, CKA_KEY_TYPE, number);
	if (object_class == CKO_SECRET_KEY) {
		/* SoftHSM2 says 0 of a key that it has unwrapped */
		if (sr_object_number(turn, object, CKA_VALUE_LEN, &number) == CKR_OK && number > 0)
			sr_attrs_put_ulong(attrs, CKA_VALUE_LEN, number);
		return CKR_OK;
	}
	for (size_t i = 0; rv == CKR_OK && i < 4; i++)
		rv = take_component(turn, object, parts[i], attrs);
	return rv;
}

/* An AES key's length shows in the wrapped key's; a generic secret's does not. */
static void learn_length(struct sr_hsm_made *made, const struct sr_buf *blob)
{
	bool aes = sr_attrs_ulong(&made->attrs, CKA_KEY_TYPE, CKK_GENERIC_SECRET) == CKK_AES;
	if (aes && !sr_attrs_find(&made->attrs, CKA_VALUE_LEN) && blob->len > 8)
		sr_attrs_put_ulong(&made->attrs, CKA_VALUE_LEN, blob->len - 8);
}

/* SoftHSM2 2.6.1 fills a key up with zeros to a multiple of 8 bytes before it wraps it, and gives back the longer one.
 */
static bool has_whole_blocks(const struct making *making)
{
	CK_ULONG len = sr_attrs_ulong(&making->made->attrs, CKA_VALUE_LEN, 0);
	return making->object_class != CKO_SECRET_KEY || (len > 0 && len % 8 == 0);
}

static CK_RV take_blob(const struct sr_hsm_turn *turn, struct making *making, const struct fresh *fresh)
{
	struct sr_hsm_made *made = making->made;
	struct sr_buf blob = SR_BUF_INIT;
	bool wrapped = making->place->custody == SR_HSM_WRAPPED;
	CK_RV rv = sr_wrap_with_vault(turn, turn->keys.generation, fresh->object, &blob);
	if (rv == CKR_OK)
		learn_length(made, &blob);
	if (wrapped && rv == CKR_OK && !has_whole_blocks(making))
		rv = refuse_custody(making, "its length must be known and a multiple of 8 bytes");
	else if (wrapped && rv != CKR_OK && rv != CKR_HOST_MEMORY && !sr_hsm_is_lost(rv))
		rv = refuse_custody(making, sr_rv_name(rv));
	if (rv == CKR_OK && making->place->with_material)
		rv = sr_wrap_material(turn, fresh->object, &blob, &made->material);
	if (rv == CKR_OK && wrapped)
		sr_wrapped_tag(turn->keys.generation, &blob, &made->blob);
	made->generation = turn->keys.generation;
	sr_buf_clear(&blob);
	return wrapped || sr_hsm_is_lost(rv) || rv == CKR_HOST_MEMORY ? rv : CKR_OK;
}

/* False: the HSM does not, so the key must be made again without ever having been extractable. */
static bool make_unextractable(const struct sr_hsm_turn *turn, const struct making *making, const struct fresh *fresh)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE extractable = { CKA_EXTRACTABLE, &no, sizeof(no) };
	bool still = true;
	int lock = lock_place(turn, making);
	CK_RV rv = turn->module->C_SetAttributeValue(fresh->session, fresh->object, &extractable, 1);
	sr_softhsm_unlock(lock);
	return rv == CKR_OK && sr_object_bool(turn, fresh->object, CKA_EXTRACTABLE, &still) == CKR_OK && !still;
}

/* TEMPLATE with what a reference cannot do without. */
static CK_RV complete(const struct sr_attrs *template, CK_OBJECT_CLASS object_class, const struct sr_attrs *components,
	struct sr_attrs *all)
{
	for (size_t i = 0; i < template->count; i++)
		sr_attrs_put(all, template->items[i].type, template->items[i].value, template->items[i].len);
	for (size_t i = 0; i < components->count; i++)
		sr_attrs_put(all, components->items[i].type, components->items[i].value, components->items[i].len);
	sr_attrs_put_ulong(all, CKA_CLASS, object_class);
	return all->failed ? CKR_HOST_MEMORY : CKR_OK;
}

static struct sr_hsm_key *wrapped_reference(const struct making *making)
{
	struct sr_attrs all = SR_ATTRS_INIT;
	struct sr_hsm_key *key = NULL;
	if (complete(making->template, making->object_class, &making->made->attrs, &all) == CKR_OK)
		key = sr_hsm_key_wrapped(making->place->uid, 0, &making->made->blob, &all);
	sr_attrs_clear(&all);
	return key;
}

/* What the vault asked of the public half, and its components. */
static struct sr_hsm_key *open_reference(const struct making *making)
{
	struct sr_attrs all = SR_ATTRS_INIT;
	struct sr_hsm_key *key = NULL;
	if (complete(making->public_template, CKO_PUBLIC_KEY, &making->public_made->attrs, &all) == CKR_OK)
		key = sr_hsm_key_open("", 0, &all);
	sr_attrs_clear(&all);
	return key;
}

static CK_RV make_reference(const struct sr_hsm_turn *turn, struct making *making, struct fresh *fresh)
{
	struct sr_hsm_made *made = making->made;
	const struct sr_hsm_place *place = making->place;
	struct sr_key_facts facts;
	CK_RV rv = sr_object_facts(turn, fresh->object, &facts);
	if (rv != CKR_OK)
		return rv;
	if (place->custody == SR_HSM_RESIDENT)
		made->key = sr_hsm_key_resident(place->uid, 0, making->object_class);
	else if (place->custody == SR_HSM_WRAPPED)
		made->key = wrapped_reference(making);
	else
		made->key = sr_key_in_nest(place->nest, fresh->object, making->object_class, &facts);
	if (!made->key || made->attrs.failed || made->blob.failed || made->material.failed)
		return CKR_HOST_MEMORY;
	if (place->custody == SR_HSM_RESIDENT)
		sr_cache_known(making->hsm, turn, place->uid, making->object_class, fresh->object, &facts);
	else if (place->custody == SR_HSM_WRAPPED)
		destroy(turn, making, fresh);
	return CKR_OK;
}

static CK_RV finish_public(const struct sr_hsm_turn *turn, struct making *making, struct fresh *fresh)
{
	struct sr_hsm_made *made = making->public_made;
	struct sr_key_facts facts;
	CK_RV rv = take_attrs(turn, fresh->public, CKO_PUBLIC_KEY, &made->attrs);
	if (rv == CKR_OK)
		rv = sr_object_facts(turn, fresh->public, &facts);
	if (rv != CKR_OK)
		return rv;
	if (making->place->custody == SR_HSM_NEST) {
		made->key = sr_key_in_nest(making->place->nest, fresh->public, CKO_PUBLIC_KEY, &facts);
	} else {
		made->key = open_reference(making);
		(void)turn->module->C_DestroyObject(fresh->session, fresh->public);
		fresh->public = 0;
	}
	return made->key && !made->attrs.failed ? CKR_OK : CKR_HOST_MEMORY;
}

/* Of a wrapped key that is copied: its own blob tells, whichever generation that is under. */
static CK_RV take_material(const struct sr_hsm_turn *turn, struct making *making)
{
	const struct sr_hsm_key *source = making->source;
	struct sr_buf wrapped = SR_BUF_INIT;
	CK_RV rv = sr_rewrap_in(turn, &source->blob, source->object_class, &source->template, &wrapped,
		&making->made->material, &making->why);
	making->made->generation = turn->keys.generation;
	sr_buf_clear(&wrapped);
	return rv;
}

static CK_RV finish(const struct sr_hsm_turn *turn, struct making *making, struct fresh *fresh)
{
	const struct sr_hsm_place *place = making->place;
	struct sr_hsm_made *made = making->made;
	CK_RV rv = take_attrs(turn, fresh->object, making->object_class, &made->attrs);
	if (rv == CKR_OK && wants_blob(making) && fresh->wrappable)
		rv = take_blob(turn, making, fresh);
	else if (rv == CKR_OK && place->custody == SR_HSM_WRAPPED)
		rv = refuse_custody(making, "it is not extractable");
	else if (rv == CKR_OK && place->with_material && has_blob(making))
		rv = take_material(turn, making);
	if (rv == CKR_OK && place->custody != SR_HSM_WRAPPED && fresh->to_close &&
		!make_unextractable(turn, making, fresh)) {
		making->closed = true;
		return CKR_ATTRIBUTE_READ_ONLY;
	}
	if (rv == CKR_OK && making->kind == MAKING_PAIR)
		rv = finish_public(turn, making, fresh);
	return rv == CKR_OK ? make_reference(turn, making, fresh) : rv;
}

/* A wrapped key copied to a wrapped one: under the newest generation, and unwrapped with other rights from now on. */
static CK_RV copy_blob(const struct sr_hsm_turn *turn, struct making *making)
{
	struct sr_held held;
	struct sr_hsm_made *made = making->made;
	CK_RV rv = sr_cache_hold(making->hsm, turn, making->source, SR_HOLD_USE, &held, &making->why);
	if (rv != CKR_OK)
		return rv;
	rv = take_attrs(turn, held.handle, making->object_class, &made->attrs);
	sr_cache_release(making->hsm, &held);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rewrap_in(turn, &making->source->blob, making->object_class, &making->source->template, &made->blob,
		&made->material, &making->why);
	if (rv != CKR_OK)
		return rv;
	made->generation = turn->keys.generation;
	if (!making->place->with_material)
		sr_buf_clear(&made->material);
	made->key = wrapped_reference(making);
	return made->key && !made->attrs.failed && !made->blob.failed && !made->material.failed ? CKR_OK
												: CKR_HOST_MEMORY;
}

/* -- the work -------------------------------------------------------------------------------------------------- */

static CK_RV attempt(const struct sr_hsm_turn *turn, struct making *making)
{
	struct fresh fresh = { .session = turn->session };
	CK_RV rv = CKR_OK;
	if (making->place->custody == SR_HSM_NEST)
		rv = sr_nest_ready(turn, making->place->nest, &fresh.session, &making->why);
	if (rv == CKR_OK && has_blob(making) && making->place->custody == SR_HSM_WRAPPED)
		rv = copy_blob(turn, making);
	else if (rv == CKR_OK && (rv = make_from(turn, making, &fresh)) == CKR_OK)
		rv = finish(turn, making, &fresh);
	if (rv == CKR_OK)
		return CKR_OK;
	destroy(turn, making, &fresh);
	sr_hsm_made_clear(making->made);
	if (making->public_made)
		sr_hsm_made_clear(making->public_made);
	return rv;
}

static CK_RV make_work(const struct sr_hsm_turn *turn, void *job)
{
	struct making *making = job;
	CK_RV rv = CKR_OK;
	sr_error_clear(&making->why);
	if (making->tries++ > 0 && is_resident(making))
		rv = sr_resident_destroy(turn, making->vault_id, making->place->uid, making->object_class);
	if (rv != CKR_OK)
		return rv;
	bool closed = making->closed;
	rv = attempt(turn, making);
	if (rv != CKR_OK && making->closed && !closed)
		rv = attempt(turn, making); /* extractable for a moment is not to be had: without material then */
	return making->why.rv == CKR_OK ? rv : CKR_FUNCTION_FAILED;
}

static bool is_sized(const struct sr_attrs *template)
{
	return sr_attrs_ulong(template, CKA_VALUE_LEN, 0) <= VALUE_LEN_MAX;
}

/* A curve that we know and the HSM does not: SoftHSM2 has one word for it. */
static CK_RV explain(const struct making *making, CK_RV rv)
{
	bool curve = making->kind == MAKING_PAIR && sr_attrs_find(making->public_template, CKA_EC_PARAMS);
	return curve && rv == CKR_GENERAL_ERROR ? CKR_CURVE_NOT_SUPPORTED : rv;
}

static CK_RV check_parts(const struct making *making, struct sr_error *err)
{
	if (making->kind == MAKING_IMPORT)
		return sr_components_check(making->template, making->object_class, err);
	if (making->kind != MAKING_PAIR)
		return CKR_OK;
	CK_KEY_TYPE type = making->mechanism->mechanism == CKM_EC_EDWARDS_KEY_PAIR_GEN      ? CKK_EC_EDWARDS
			   : making->mechanism->mechanism == CKM_EC_MONTGOMERY_KEY_PAIR_GEN ? CKK_EC_MONTGOMERY
											    : CKK_EC;
	return sr_curve_check(making->public_template, type, err);
}

static CK_RV run(struct making *making, struct sr_error *err)
{
	struct sr_error lost = SR_ERROR_INIT;
	CK_RV rv = sr_hsm_need_keys(making->hsm, err);
	if (rv != CKR_OK)
		return rv;
	if (!is_sized(making->template))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
			"key not made: CKA_VALUE_LEN is more than 65536");
	rv = check_parts(making, err);
	if (rv != CKR_OK)
		return rv;
	if (making->place->custody != SR_HSM_NEST &&
		(!*making->place->uid || strlen(making->place->uid) >= SR_HSM_UID_MAX))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "key not made: no unique id given");
	sr_hsm_vault_id(making->hsm, making->vault_id);
	memset(making->made, 0, sizeof(*making->made));
	if (making->public_made)
		memset(making->public_made, 0, sizeof(*making->public_made));
	rv = sr_hsm_try(making->hsm, make_work, making, &lost);
	if (is_resident(making))
		sr_softhsm_tighten(making->hsm->backend.softhsm_conf);
	if (rv == CKR_OK)
		return CKR_OK;
	const struct sr_error *why = lost.rv != CKR_OK ? &lost : &making->why;
	if (why->rv != CKR_OK)
		return sr_fail(err, why->rv == CKR_KEY_HANDLE_INVALID ? kind_rows[making->kind].handle : why->rv,
			why->reason, "%s", why->text);
	return sr_code_fail(err, kind_rows[making->kind].code, explain(making, rv), kind_rows[making->kind].doing);
}

/* -- the calls ------------------------------------------------------------------------------------------------- */

CK_RV sr_hsm_generate(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err)
{
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_GENERATE,
		.mechanism = mechanism,
		.template = template,
		.object_class = CKO_SECRET_KEY,
		.made = made };
	return run(&making, err);
}

CK_RV sr_hsm_generate_pair(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	const struct sr_attrs *public_template, const struct sr_attrs *private_template,
	struct sr_hsm_made *public_made, struct sr_hsm_made *private_made, struct sr_error *err)
{
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_PAIR,
		.mechanism = mechanism,
		.template = private_template,
		.public_template = public_template,
		.object_class = CKO_PRIVATE_KEY,
		.made = private_made,
		.public_made = public_made };
	return run(&making, err);
}

CK_RV sr_hsm_import(struct sr_hsm *hsm, const struct sr_hsm_place *place, const struct sr_attrs *template,
	struct sr_hsm_made *made, struct sr_error *err)
{
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_IMPORT,
		.template = template,
		.object_class = sr_attrs_ulong(template, CKA_CLASS, CKO_SECRET_KEY),
		.made = made };
	return run(&making, err);
}

CK_RV sr_hsm_unwrap_key(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	struct sr_hsm_key *unwrapping, const void *wrapped, size_t wrapped_len, const struct sr_attrs *template,
	struct sr_hsm_made *made, struct sr_error *err)
{
	static const uint8_t nothing[1];
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_UNWRAP,
		.mechanism = mechanism,
		.source = unwrapping,
		.wrapped = wrapped_len ? wrapped : nothing,
		.wrapped_len = wrapped_len,
		.template = template,
		.object_class = sr_attrs_ulong(template, CKA_CLASS, CKO_SECRET_KEY),
		.made = made };
	return run(&making, err);
}

CK_RV sr_hsm_derive(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	struct sr_hsm_key *base, const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err)
{
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_DERIVE,
		.mechanism = mechanism,
		.source = base,
		.template = template,
		.object_class = CKO_SECRET_KEY,
		.made = made };
	return run(&making, err);
}

CK_RV sr_hsm_copy_key(struct sr_hsm *hsm, const struct sr_hsm_place *place, struct sr_hsm_key *key,
	const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err)
{
	struct making making = { .hsm = hsm,
		.place = place,
		.kind = MAKING_COPY,
		.source = key,
		.template = template,
		.object_class = key->object_class,
		.made = made };
	return run(&making, err);
}
