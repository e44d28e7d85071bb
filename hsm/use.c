/* Operations with users' keys: one HSM session each, from beginning to end.
 *
 * The backend's lengths are never believed. It gets room for more than it can need, and what it says that it wrote is
 * checked against that room; SoftHSM2 wants room for the tag of what it decrypts, and for all that it has taken so far.
 * It also ends the whole process for some input (raw RSA longer than the modulus): that input is refused here. */
#include "hsm/cache.h"

#include <stdlib.h>
#include <string.h>

#define ROOM 64             /* a block of every cipher and a tag, generously */
#define SIGNATURE_ROOM 1024 /* of what is not RSA */
#define ROOM_MAX (1u << 20) /* that a backend may ask for beyond the input */

/** struct sr_hsm_use: GIVEN: bytes in parts so far. OVER: the operation has ended in the HSM; CLEAN: as it should. */
struct sr_hsm_use {
	struct sr_hsm_use *next, **link; /* among the HSM's */
	struct sr_hsm *hsm;
	struct sr_hsm_key *key;
	struct sr_held held;
	struct sr_hsm_turn turn;
	enum sr_hsm_function function;
	CK_MECHANISM_TYPE mechanism;
	size_t overhead; /* of RSA: bytes that its padding needs beside the data */
	uint64_t given;
	bool parts, over, clean;
};

/* -- the calls of each function -------------------------------------------------------------------------------- */

typedef CK_RV through(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV into(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
typedef CK_RV out_of(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);

/** struct calls: what a function's parts are called; NULL: there is none. */
struct calls {
	CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
	through *once, *update;
	into *take;
	out_of *final;
};

static struct calls calls_of(const CK_FUNCTION_LIST *module, enum sr_hsm_function function)
{
	switch (function) {
	case SR_HSM_ENCRYPT:
		return (struct calls){ module->C_EncryptInit, module->C_Encrypt, module->C_EncryptUpdate, NULL,
			module->C_EncryptFinal };
	case SR_HSM_DECRYPT:
		return (struct calls){ module->C_DecryptInit, module->C_Decrypt, module->C_DecryptUpdate, NULL,
			module->C_DecryptFinal };
	case SR_HSM_SIGN:
		return (struct calls){ module->C_SignInit, module->C_Sign, NULL, module->C_SignUpdate,
			module->C_SignFinal };
	case SR_HSM_VERIFY:
		return (struct calls){ .init = module->C_VerifyInit, .take = module->C_VerifyUpdate };
	case SR_HSM_SIGN_RECOVER:
		return (struct calls){ .init = module->C_SignRecoverInit, .once = module->C_SignRecover };
	case SR_HSM_VERIFY_RECOVER:
		return (struct calls){ .init = module->C_VerifyRecoverInit, .once = module->C_VerifyRecover };
	case SR_HSM_FUNCTIONS:
		break;
	}
	return (struct calls){ .init = NULL };
}

static const char *const doing[SR_HSM_FUNCTIONS] = {
	[SR_HSM_ENCRYPT] = "encrypt",
	[SR_HSM_DECRYPT] = "decrypt",
	[SR_HSM_SIGN] = "sign",
	[SR_HSM_VERIFY] = "verify a signature",
	[SR_HSM_SIGN_RECOVER] = "sign with recovery",
	[SR_HSM_VERIFY_RECOVER] = "verify with recovery",
};

/* -- all uses of an HSM ---------------------------------------------------------------------------------------- */

static CK_RV enlist(struct sr_hsm *hsm, struct sr_hsm_use *use, struct sr_error *err)
{
	pthread_mutex_lock(&hsm->lock);
	bool room = hsm->use_count < SR_HSM_USES_MAX;
	if (room) {
		hsm->use_count++;
		use->next = hsm->uses;
		use->link = &hsm->uses;
		if (hsm->uses)
			hsm->uses->link = &use->next;
		hsm->uses = use;
	}
	pthread_mutex_unlock(&hsm->lock);
	return room ? CKR_OK
		    : sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
			      "more than %d operations at once; end some of those begun", SR_HSM_USES_MAX);
}

static void strike_off(struct sr_hsm_use *use)
{
	pthread_mutex_lock(&use->hsm->lock);
	use->hsm->use_count--;
	*use->link = use->next;
	if (use->next)
		use->next->link = use->link;
	pthread_mutex_unlock(&use->hsm->lock);
}

static void free_use(struct sr_hsm_use *use)
{
	sr_hsm_key_unref(use->key);
	sr_cleanse(use, sizeof(*use));
	free(use);
}

void sr_uses_drop(struct sr_hsm *hsm, bool touch)
{
	while (hsm->uses) {
		struct sr_hsm_use *use = hsm->uses;
		hsm->uses = use->next;
		if (touch && use->turn.session && use->turn.restarts == hsm->restarts)
			(void)use->turn.module->C_CloseSession(use->turn.session);
		free_use(use);
	}
	hsm->use_count = 0;
}

/* -- beginning ------------------------------------------------------------------------------------------------- */

/* PKCS#1: what the padding takes of the modulus. OAEP's hash is in its parameter. */
static size_t overhead(const CK_MECHANISM *mechanism)
{
	if (mechanism->mechanism == CKM_RSA_PKCS)
		return 11;
	if (mechanism->mechanism != CKM_RSA_PKCS_OAEP || mechanism->ulParameterLen != sizeof(CK_RSA_PKCS_OAEP_PARAMS) ||
		!mechanism->pParameter)
		return 0;
	switch (((const CK_RSA_PKCS_OAEP_PARAMS *)mechanism->pParameter)->hash_alg) {
	case CKM_SHA_1:
		return 42;
	case CKM_SHA224:
		return 58;
	case CKM_SHA256:
		return 66;
	case CKM_SHA384:
		return 98;
	case CKM_SHA512:
		return 130;
	default:
		return 2;
	}
}

static CK_RV init(struct sr_hsm_use *use, const CK_MECHANISM *mechanism, struct sr_error *why)
{
	struct calls calls = calls_of(use->turn.module, use->function);
	CK_RV rv = sr_cache_hold(use->hsm, &use->turn, use->key, SR_HOLD_USE, &use->held, why);
	if (rv != CKR_OK)
		return rv;
	rv = sr_key_fits(mechanism->mechanism, use->held.facts.type);
	if (rv == CKR_OK)
		rv = calls.init(use->turn.session, (CK_MECHANISM *)(uintptr_t)mechanism, use->held.handle);
	if (rv == CKR_OK)
		return CKR_OK;
	if (sr_code_is_handle(rv))
		sr_cache_evict(use->hsm, &use->held);
	else
		sr_cache_release(use->hsm, &use->held);
	return rv;
}

/* One try: a session, the key, C_*Init. GONE: a handle that the HSM does not know, and that is not found anew. */
static CK_RV try_begin(struct sr_hsm_use *use, const CK_MECHANISM *mechanism, struct sr_error *why)
{
	struct sr_hsm *hsm = use->hsm;
	CK_RV rv = sr_pool_take_own(hsm, NULL, &use->turn, why);
	if (rv != CKR_OK)
		return rv;
	rv = sr_pool_enter(hsm, &use->turn);
	if (rv == CKR_OK) {
		CK_RV said = init(use, mechanism, why);
		rv = sr_pool_doubt(hsm, &use->turn, said);
		if (rv != said)
			sr_error_clear(why); /* it was about a key that is gone with its session */
		sr_pool_leave(hsm);
	}
	if (rv == CKR_OK)
		return CKR_OK;
	sr_pool_give_own(hsm, &use->turn, false);
	use->turn.session = 0;
	return rv;
}

static CK_RV begin(struct sr_hsm_use *use, const CK_MECHANISM *mechanism, struct sr_error *err)
{
	bool looked_again = false, reconnected = false;
	for (;;) {
		struct sr_error why = SR_ERROR_INIT;
		CK_RV rv = try_begin(use, mechanism, &why);
		if (rv == CKR_OK)
			return CKR_OK;
		if (why.rv != CKR_OK)
			return sr_fail(err, why.rv, why.reason, "%s", why.text);
		if (sr_code_is_handle(rv) && use->key->kind == SR_KEY_NEST)
			return sr_fail(err, CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND,
				"the session object is gone; make it anew");
		if (sr_code_is_handle(rv) && !looked_again) {
			looked_again = true;
		} else if (sr_hsm_is_lost(rv) && !reconnected) {
			reconnected = true;
			sr_pool_lose(use->hsm, use->turn.epoch, rv);
		} else {
			return sr_code_fail(err, SR_CODE_BEGIN, rv, doing[use->function]);
		}
	}
}

CK_RV sr_hsm_use_begin(struct sr_hsm *hsm, enum sr_hsm_function function, struct sr_hsm_key *key,
	const CK_MECHANISM *mechanism, struct sr_hsm_use **out, struct sr_error *err)
{
	*out = NULL;
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_hsm_use *use = calloc(1, sizeof(*use));
	if (!use)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	use->hsm = hsm;
	use->function = function;
	use->mechanism = mechanism->mechanism;
	use->overhead = overhead(mechanism);
	rv = enlist(hsm, use, err);
	if (rv != CKR_OK) {
		free(use);
		return rv;
	}
	use->key = sr_hsm_key_ref(key);
	rv = begin(use, mechanism, err);
	if (rv != CKR_OK) {
		strike_off(use);
		free_use(use);
		return rv;
	}
	*out = use;
	return CKR_OK;
}

/* -- going on -------------------------------------------------------------------------------------------------- */

static CK_RV fail_use(struct sr_hsm_use *use, CK_RV rv, struct sr_error *err)
{
	use->over = true;
	use->clean = false;
	if (!sr_hsm_is_lost(rv))
		return sr_code_fail(err, (enum sr_code_of)use->function, rv, doing[use->function]);
	sr_pool_lose(use->hsm, use->turn.epoch, rv);
	return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
		"the HSM was lost while it was to %s (%s); begin anew once it is there", doing[use->function],
		sr_rv_name(rv));
}

/* Whether its padding was right must not show, neither in whether the token is looked at after a failure, nor in the
 * session, since one that is closed takes longer than one that is kept: after this none is kept. */
static bool hides_outcome(const struct sr_hsm_use *use)
{
	return use->function == SR_HSM_DECRYPT && use->mechanism == CKM_RSA_PKCS;
}

/* After a call that sr_pool_enter let in. */
static CK_RV come_out(const struct sr_hsm_use *use, CK_RV rv)
{
	if (!hides_outcome(use))
		rv = sr_pool_doubt(use->hsm, &use->turn, rv);
	sr_pool_leave(use->hsm);
	return rv;
}

static bool is_decryption(const struct sr_hsm_use *use)
{
	return use->function == SR_HSM_DECRYPT || use->function == SR_HSM_VERIFY_RECOVER;
}

static CK_RV refuse_length(struct sr_hsm_use *use, struct sr_error *err)
{
	CK_RV rv = use->function == SR_HSM_DECRYPT          ? CKR_ENCRYPTED_DATA_LEN_RANGE
		   : use->function == SR_HSM_VERIFY_RECOVER ? CKR_SIGNATURE_LEN_RANGE
							    : CKR_DATA_LEN_RANGE;
	use->over = true;
	use->clean = false;
	return sr_fail(err, rv, SR_REASON_TOO_LARGE, "the HSM was not asked to %s: input of this length is refused",
		doing[use->function]);
}

static bool is_raw_rsa(CK_MECHANISM_TYPE type)
{
	return type == CKM_RSA_PKCS || type == CKM_RSA_X_509 || type == CKM_RSA_PKCS_OAEP;
}

/* Lengths that no HSM can take. A key without a modulus, which is no RSA key, takes none. */
static bool is_length_ok(const struct sr_hsm_use *use, size_t len)
{
	size_t modulus = use->held.facts.modulus_len;
	if (len > SR_BUF_MAX / 2)
		return false;
	if (!is_raw_rsa(use->mechanism))
		return true;
	if (is_decryption(use))
		return len > 0 && len == modulus;
	return len <= modulus && use->overhead <= modulus - len;
}

/* Ciphers that give nothing of a plain text before all of it was authenticated. */
static bool is_aead(CK_MECHANISM_TYPE type)
{
	return type == CKM_AES_GCM || type == CKM_AES_CCM || type == CKM_CHACHA20_POLY1305;
}

/* Room for whatever comes of LEN bytes more. */
static size_t room_for(const struct sr_hsm_use *use, size_t len)
{
	size_t room = len + ROOM + use->held.facts.modulus_len;
	if (use->function == SR_HSM_SIGN || use->function == SR_HSM_SIGN_RECOVER)
		return SIGNATURE_ROOM + use->held.facts.modulus_len;
	if (use->function == SR_HSM_DECRYPT && is_aead(use->mechanism))
		room += (size_t)use->given;
	return room;
}

static CK_BYTE *bytes(const void *in, size_t len)
{
	static uint8_t nothing[1];
	return len ? (CK_BYTE *)(uintptr_t)in : nothing;
}

/** struct io: one call that gives something. */
struct io {
	through *through; /* or */
	out_of *out_of;
	const void *in;
	size_t len;
};

static CK_RV call_once(const struct sr_hsm_use *use, const struct io *io, uint8_t *out, CK_ULONG *len)
{
	if (io->through)
		return io->through(use->turn.session, bytes(io->in, io->len), io->len, out, len);
	return io->out_of(use->turn.session, out, len);
}

/* CKR_BUFFER_TOO_SMALL leaves the operation as it was (PKCS#11 v3.1, 5.2): once more, with what it asks for if that is
 * within reason. */
static CK_RV call_inside(struct sr_hsm_use *use, const struct io *io, struct sr_buf *out)
{
	size_t room = room_for(use, io->len);
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	for (int tries = 0; rv == CKR_BUFFER_TOO_SMALL && tries < 2; tries++) {
		CK_ULONG len = room;
		uint8_t *place = sr_buf_reserve(out, room);
		if (!place)
			return CKR_HOST_MEMORY;
		rv = call_once(use, io, place, &len);
		if (rv == CKR_OK && len > room)
			return CKR_DEVICE_ERROR;
		if (rv == CKR_OK)
			out->len += len;
		if (rv == CKR_BUFFER_TOO_SMALL && (len <= room || len > room + ROOM_MAX))
			break;
		room = len;
	}
	/* SoftHSM2 asks for 2^64 - 1 bytes when padded data ends before its first byte. */
	return rv == CKR_BUFFER_TOO_SMALL && use->function == SR_HSM_DECRYPT ? CKR_ENCRYPTED_DATA_LEN_RANGE : rv;
}

static CK_RV call(struct sr_hsm_use *use, const struct io *io, struct sr_buf *out)
{
	CK_RV rv = sr_pool_enter(use->hsm, &use->turn);
	return rv == CKR_OK ? come_out(use, call_inside(use, io, out)) : rv;
}

static CK_RV refuse_order(struct sr_hsm_use *use, struct sr_error *err)
{
	use->over = true;
	use->clean = false;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the HSM was not asked to %s: out of turn",
		doing[use->function]);
}

CK_RV sr_hsm_use_once(struct sr_hsm_use *use, const void *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	const struct io io = { .through = calls_of(use->turn.module, use->function).once, .in = in, .len = len };
	size_t before = out->len;
	if (use->over || use->parts || !io.through)
		return refuse_order(use, err);
	if (!is_length_ok(use, len))
		return refuse_length(use, err);
	CK_RV rv = call(use, &io, out);
	use->over = true;
	use->clean = rv == CKR_OK && !hides_outcome(use);
	if (rv == CKR_OK)
		return CKR_OK;
	out->len = before;
	return fail_use(use, rv, err);
}

static CK_RV take(struct sr_hsm_use *use, into *take_in, const void *in, size_t len)
{
	CK_RV rv = sr_pool_enter(use->hsm, &use->turn);
	return rv == CKR_OK ? come_out(use, take_in(use->turn.session, bytes(in, len), len)) : rv;
}

/* Nothing more to do for no bytes: SoftHSM2 answers an empty part of padded data with CKR_BUFFER_TOO_SMALL. */
CK_RV sr_hsm_use_update(struct sr_hsm_use *use, const void *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	struct calls calls = calls_of(use->turn.module, use->function);
	const struct io io = { .through = calls.update, .in = in, .len = len };
	CK_RV rv;
	if (use->over || (!calls.update && !calls.take))
		return refuse_order(use, err);
	if (!is_length_ok(use, len) ||
		(is_decryption(use) && is_aead(use->mechanism) && use->given + len > SR_BUF_MAX / 2))
		return refuse_length(use, err);
	use->parts = true;
	if (len == 0)
		return CKR_OK;
	if (calls.take)
		rv = take(use, calls.take, in, len);
	else
		rv = call(use, &io, out);
	use->given += len;
	return rv == CKR_OK ? CKR_OK : fail_use(use, rv, err);
}

CK_RV sr_hsm_use_final(struct sr_hsm_use *use, struct sr_buf *out, struct sr_error *err)
{
	const struct io io = { .out_of = calls_of(use->turn.module, use->function).final };
	if (use->over || !io.out_of)
		return refuse_order(use, err);
	CK_RV rv = call(use, &io, out);
	use->over = true;
	use->clean = rv == CKR_OK;
	return rv == CKR_OK ? CKR_OK : fail_use(use, rv, err);
}

static CK_RV verify(
	const struct sr_hsm_use *use, const void *in, size_t len, const void *signature, size_t signature_len)
{
	CK_FUNCTION_LIST *module = use->turn.module;
	CK_BYTE *given = bytes(signature, signature_len);
	if (use->parts)
		return module->C_VerifyFinal(use->turn.session, given, signature_len);
	return module->C_Verify(use->turn.session, bytes(in, len), len, given, signature_len);
}

CK_RV sr_hsm_use_verify(struct sr_hsm_use *use, const void *in, size_t len, const void *signature, size_t signature_len,
	struct sr_error *err)
{
	if (use->over || use->function != SR_HSM_VERIFY)
		return refuse_order(use, err);
	if (!use->parts && !is_length_ok(use, len))
		return refuse_length(use, err);
	CK_RV rv = sr_pool_enter(use->hsm, &use->turn);
	if (rv == CKR_OK)
		rv = come_out(use, verify(use, in, len, signature, signature_len));
	use->over = true;
	/* a signature that does not fit is the end that there should be */
	use->clean = rv == CKR_OK || rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE;
	if (rv == CKR_OK)
		return CKR_OK;
	bool clean = use->clean;
	rv = fail_use(use, rv, err);
	use->clean = clean;
	return rv;
}

void sr_hsm_use_end(struct sr_hsm_use *use)
{
	if (!use)
		return;
	sr_cache_release(use->hsm, &use->held);
	sr_pool_give_own(use->hsm, &use->turn, use->over && use->clean);
	strike_off(use);
	free_use(use);
}
