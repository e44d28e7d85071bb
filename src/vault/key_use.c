/* One operation with one key: asked, done in the HSM, recorded, and only then released. */
#include "vault/key.h"

#include "vault/each_use.h"
#include "vault/keyinfo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AES_BLOCK 16

/** struct sr_use: IN and OUT count the bytes so far. RECORDED: the event that counts the use is durable. NEST: where a
 * secret that is used as a key lives meanwhile. EXTRA: the length of a tag, or of a MAC that the parameter shortens. */
struct sr_use {
	struct sr_key *key;
	enum sr_function function;
	CK_MECHANISM_TYPE mechanism;
	size_t extra;
	struct sr_hsm_use *hsm;
	struct sr_hsm_nest *nest;
	uint64_t in, out;
	bool recorded;
};

static const struct {
	const char *name;
	CK_ATTRIBUTE_TYPE right;
	enum sr_hsm_function hsm;
} functions[SR_FUNCTIONS] = {
	[SR_ENCRYPT] = { "encrypt", CKA_ENCRYPT, SR_HSM_ENCRYPT },
	[SR_DECRYPT] = { "decrypt", CKA_DECRYPT, SR_HSM_DECRYPT },
	[SR_SIGN] = { "sign", CKA_SIGN, SR_HSM_SIGN },
	[SR_VERIFY] = { "verify", CKA_VERIFY, SR_HSM_VERIFY },
	[SR_SIGN_RECOVER] = { "sign-recover", CKA_SIGN_RECOVER, SR_HSM_SIGN_RECOVER },
	[SR_VERIFY_RECOVER] = { "verify-recover", CKA_VERIFY_RECOVER, SR_HSM_VERIFY_RECOVER },
};

/* -- beginning --------------------------------------------------------------------------------------------------- */

static CK_RV refuse(const struct sr_caller *caller, enum sr_function function, const struct sr_key *key,
	const CK_MECHANISM *mechanism, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_key_act(&act, caller, SR_EVENT_KEY_USED, key);
	sr_key_note(&act.event,
		json_pack("{s:s, s:s, s:s}", "function", functions[function].name, "mechanism",
			sr_mechanism_name(mechanism->mechanism), "key_type", sr_key_type_word(key->key_type)));
	return sr_act_record(&act, rv, err);
}

/* The lengths that the parameter sets; it was checked by pkcs11/mechanism.c. */
static size_t extra_of(const CK_MECHANISM *mechanism)
{
	if (mechanism->mechanism == CKM_AES_GCM && mechanism->ulParameterLen == sizeof(CK_GCM_PARAMS))
		return (((const CK_GCM_PARAMS *)mechanism->pParameter)->ulTagBits + 7) / 8;
	if (mechanism->mechanism == CKM_AES_CCM && mechanism->ulParameterLen == sizeof(CK_CCM_PARAMS))
		return ((const CK_CCM_PARAMS *)mechanism->pParameter)->ulMACLen;
	if (mechanism->pParameter && mechanism->ulParameterLen == sizeof(CK_ULONG))
		return *(const CK_ULONG *)mechanism->pParameter;
	return 0;
}

/* Where the HSM failed: it may be that the key was rotated, and the HSM has it no more, or with fewer rights. */
static CK_RV tell_rotated(const struct sr_caller *caller, enum sr_function function, const struct sr_key *key, CK_RV rv,
	struct sr_error *err)
{
	struct sr_error still = SR_ERROR_INIT;
	struct sr_moment at;
	bool looks = rv != CKR_OK && key->path[0] && !key->inside->of_secret;
	if (!looks || sr_writer_look(caller->vault->writer, &at, &still) != CKR_OK)
		return rv;
	CK_RV now = sr_key_still(caller, &at, key, functions[function].right, &still);
	sr_writer_look_end(caller->vault->writer, &at);
	if (now == CKR_OK || still.reason != SR_REASON_KEY_ROTATED)
		return rv;
	*err = still;
	return now;
}

static CK_RV enter_hsm(
	const struct sr_caller *caller, struct sr_use *use, const CK_MECHANISM *mechanism, struct sr_error *err)
{
	enum sr_hsm_function function = functions[use->function].hsm;
	struct sr_hsm_key *entered = NULL;
	if (!use->key->inside->of_secret)
		return sr_hsm_use_begin(caller->vault->hsm, function, use->key->inside->hsm, mechanism, &use->hsm, err);
	CK_RV rv = sr_hmac_enter(caller, use->key, &use->nest, &entered, err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_begin(caller->vault->hsm, function, entered, mechanism, &use->hsm, err);
	sr_hsm_key_unref(entered);
	return rv;
}

/* Raw RSA with a private key is one operation under two names: a signature of a ciphertext is its plain text, a
 * decrypted digest is a signature. So it asks for both rights, which no key to unwrap by has (keyattrs.c). */
static bool is_raw_private(const struct sr_key *key, CK_MECHANISM_TYPE mechanism)
{
	return mechanism == CKM_RSA_X_509 && key->object_class == CKO_PRIVATE_KEY;
}

static CK_RV may_use(const struct sr_caller *caller, enum sr_function function, const struct sr_key *key,
	const CK_MECHANISM *mechanism, bool *record, struct sr_error *err)
{
	CK_RV rv = sr_key_may(caller, key, functions[function].right, record, err);
	bool raw = is_raw_private(key, mechanism->mechanism);
	if (rv == CKR_OK && raw)
		rv = sr_key_may(caller, key, CKA_SIGN, record, err);
	return rv == CKR_OK && raw ? sr_key_may(caller, key, CKA_DECRYPT, record, err) : rv;
}

CK_RV sr_use_begin(const struct sr_caller *caller, enum sr_function function, struct sr_key *key,
	const CK_MECHANISM *mechanism, struct sr_use **use, struct sr_error *err)
{
	bool record = false;
	*use = NULL;
	CK_RV rv = may_use(caller, function, key, mechanism, &record, err);
	if (rv != CKR_OK)
		return record ? refuse(caller, function, key, mechanism, rv, err) : rv;
	struct sr_use *begun = calloc(1, sizeof(*begun));
	if (!begun)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to use a key");
	begun->key = sr_key_ref(key);
	begun->function = function;
	begun->mechanism = mechanism->mechanism;
	begun->extra = extra_of(mechanism);
	rv = enter_hsm(caller, begun, mechanism, err);
	rv = tell_rotated(caller, function, key, rv, err);
	if (rv == CKR_OK)
		*use = begun;
	else
		sr_use_end(begun);
	return rv;
}

void sr_use_end(struct sr_use *use)
{
	if (!use)
		return;
	sr_hsm_use_end(use->hsm);
	sr_hsm_nest_close(use->nest);
	sr_key_unref(use->key);
	free(use);
}

/* -- the record -------------------------------------------------------------------------------------------------- */

static CK_RV use_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_use *use = act->arg;
	bool raw = is_raw_private(use->key, use->mechanism);
	CK_RV rv = sr_key_still(act->caller, at, use->key, functions[use->function].right, err);
	if (rv == CKR_OK && raw)
		rv = sr_key_still(act->caller, at, use->key, CKA_SIGN, err);
	if (rv == CKR_OK && raw)
		rv = sr_key_still(act->caller, at, use->key, CKA_DECRYPT, err);
	return rv == CKR_OK ? sr_each_use_unasked(act->caller, at, use->key, err) : rv;
}

/* As sr_key_note writes it, keys in their order; none of the names has a character that JSON escapes. */
static void note(struct sr_event *event, const struct sr_use *use, CK_RV result)
{
	snprintf(event->metadata, sizeof(event->metadata),
		"{\"function\":\"%s\",\"key_type\":\"%s\",\"length_in\":%" PRIu64 ",\"length_out\":%" PRIu64
		",\"mechanism\":\"%s\",\"result\":\"%s\"}",
		functions[use->function].name, sr_key_type_word(use->key->key_type), use->in, use->out,
		sr_mechanism_name(use->mechanism), sr_rv_name(result));
}

/* RESULT: what the operation came to; a signature that does not fit is a result, not a failure. */
static CK_RV record(const struct sr_caller *caller, struct sr_use *use, CK_RV rv, CK_RV result, struct sr_error *err)
{
	struct sr_act act;
	if (!use->key->path[0])
		return rv;
	sr_key_act(&act, caller, SR_EVENT_KEY_USED, use->key);
	note(&act.event, use, result);
	act.run = use_run;
	act.arg = use;
	act.counts = act.counts && !use->recorded;
	rv = sr_act_record(&act, rv, err);
	use->recorded = use->recorded || rv == CKR_OK;
	return rv;
}

/* One result: nothing of it leaves where it failed, or could not be recorded. */
static CK_RV release(
	const struct sr_caller *caller, struct sr_use *use, CK_RV rv, struct sr_buf *out, struct sr_error *err)
{
	if (rv == CKR_OK && out->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a result");
	if (rv == CKR_OK)
		use->out += out->len;
	rv = record(caller, use, rv, rv, err);
	if (rv != CKR_OK)
		sr_buf_clear(out);
	return rv;
}

/* -- codes that would tell --------------------------------------------------------------------------------------- */

/* What the HSM answers to a ciphertext that does not decrypt (hsm/code.c): which says more than anybody needs. */
static bool is_bad_ciphertext(CK_RV rv)
{
	return rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_ENCRYPTED_DATA_LEN_RANGE;
}

/* Padding and tags: one code for every failure (docs/keys.md). */
static CK_RV one_code(const struct sr_use *use, CK_RV rv, struct sr_error *err)
{
	bool told = use->mechanism == CKM_AES_CBC_PAD || use->mechanism == CKM_DES3_CBC_PAD ||
		    use->mechanism == CKM_AES_GCM || use->mechanism == CKM_AES_CCM ||
		    use->mechanism == CKM_RSA_PKCS_OAEP;
	if (use->function != SR_DECRYPT || !told || !is_bad_ciphertext(rv))
		return rv;
	return sr_fail(err, CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE, "the ciphertext does not decrypt");
}

/* The other plain text is there before the HSM is asked, and what is chosen takes the same steps either way. */
static CK_RV decrypt_rsa_pkcs(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len,
	struct sr_buf *out, struct sr_error *err)
{
	struct sr_buf other = SR_BUF_INIT;
	struct sr_error failure = SR_ERROR_INIT;
	if (len != sr_keyinfo_signature_len(CKK_RSA, &use->key->inside->own))
		return sr_fail(err, CKR_ENCRYPTED_DATA_LEN_RANGE, SR_REASON_NONE,
			"the ciphertext has not the length of the modulus");
	CK_RV rv = sr_reject_plain(caller->vault, use->key->inside->uid, in, len, &other, err);
	if (rv == CKR_OK) {
		rv = sr_hsm_use_once(use->hsm, in, len, out, &failure);
		if (out->len > len) /* no HSM has more to give */
			out->len = 0;
		if (rv == CKR_OK || is_bad_ciphertext(rv)) {
			sr_reject_select(out, &other, rv == CKR_OK, len);
			rv = CKR_OK;
		} else {
			*err = failure;
		}
	}
	sr_buf_clear(&other);
	return rv;
}

static CK_RV once_in_hsm(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len,
	struct sr_buf *out, struct sr_error *err)
{
	if (use->mechanism == CKM_RSA_PKCS && use->function == SR_DECRYPT)
		return decrypt_rsa_pkcs(caller, use, in, len, out, err);
	return one_code(use, sr_hsm_use_once(use->hsm, in, len, out, err), err);
}

/* -- the operation ----------------------------------------------------------------------------------------------- */

CK_RV sr_use_once(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err)
{
	use->in += len;
	CK_RV rv = once_in_hsm(caller, use, in, len, out, err);
	rv = tell_rotated(caller, use->function, use->key, rv, err);
	return release(caller, use, rv, out, err);
}

CK_RV sr_use_update(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err)
{
	use->in += len;
	CK_RV rv = one_code(use, sr_hsm_use_update(use->hsm, in, len, out, err), err);
	if (rv != CKR_OK || (out->len && !use->recorded))
		return release(caller, use, rv, out, err);
	use->out += out->len;
	return out->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a result") : CKR_OK;
}

CK_RV sr_use_final(const struct sr_caller *caller, struct sr_use *use, struct sr_buf *out, struct sr_error *err)
{
	CK_RV rv = one_code(use, sr_hsm_use_final(use->hsm, out, err), err);
	return release(caller, use, rv, out, err);
}

CK_RV sr_use_verify(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len,
	const void *signature, size_t signature_len, struct sr_error *err)
{
	use->in += len;
	struct sr_error verdict = SR_ERROR_INIT;
	CK_RV result = sr_hsm_use_verify(use->hsm, in, len, signature, signature_len, &verdict);
	bool complete = result == CKR_OK || result == CKR_SIGNATURE_INVALID || result == CKR_SIGNATURE_LEN_RANGE;
	if (!complete)
		*err = verdict;
	CK_RV rv = record(caller, use, complete ? CKR_OK : result, result, err);
	if (rv != CKR_OK || !complete || result == CKR_OK)
		return rv;
	*err = verdict;
	return result;
}

/* -- lengths ----------------------------------------------------------------------------------------------------- */

/* Of HMACs and block cipher MACs; 0 for what is none. The _GENERAL ones have theirs in the parameter. */
static const struct {
	CK_MECHANISM_TYPE mechanism;
	size_t len;
} macs[] = {
	{ CKM_MD5_HMAC, 16 },
	{ CKM_SHA_1_HMAC, 20 },
	{ CKM_SHA224_HMAC, 28 },
	{ CKM_SHA256_HMAC, 32 },
	{ CKM_SHA384_HMAC, 48 },
	{ CKM_SHA512_HMAC, 64 },
	{ CKM_SHA512_224_HMAC, 28 },
	{ CKM_SHA512_256_HMAC, 32 },
	{ CKM_SHA3_224_HMAC, 28 },
	{ CKM_SHA3_256_HMAC, 32 },
	{ CKM_SHA3_384_HMAC, 48 },
	{ CKM_SHA3_512_HMAC, 64 },
	{ CKM_AES_CMAC, 16 },
	{ CKM_AES_MAC, 8 },
	{ CKM_DES3_CMAC, 8 },
};

#define MAC_LEN_MAX 64

static size_t signature_bound(const struct sr_use *use)
{
	const struct sr_key *key = use->key;
	if (key->object_class != CKO_SECRET_KEY) {
		size_t len = sr_keyinfo_signature_len(key->key_type, &key->inside->own);
		return len ? len : 2 * MAC_LEN_MAX + 4; /* a P-521 signature: no curve here has a longer one */
	}
	for (size_t i = 0; i < sizeof(macs) / sizeof(*macs); i++) {
		if (macs[i].mechanism == use->mechanism)
			return macs[i].len;
	}
	return use->extra ? use->extra : MAC_LEN_MAX;
}

/* What the whole operation gives for LEN bytes. */
static size_t whole_bound(const struct sr_use *use, size_t len)
{
	bool encrypts = use->function == SR_ENCRYPT;
	switch (use->mechanism) {
	case CKM_AES_CBC_PAD:
		return encrypts ? (len / AES_BLOCK + 1) * AES_BLOCK : len;
	case CKM_DES3_CBC_PAD:
		return encrypts ? (len / 8 + 1) * 8 : len;
	case CKM_AES_GCM:
	case CKM_AES_CCM:
		return encrypts ? len + use->extra : len;
	case CKM_AES_KEY_WRAP:
		return len + 8;
	case CKM_AES_KEY_WRAP_PAD:
		return (len / 8 + 2) * 8;
	default:
		return len;
	}
}

size_t sr_use_bound(const struct sr_use *use, size_t in_len)
{
	if (use->function == SR_SIGN || use->function == SR_VERIFY)
		return signature_bound(use);
	if (use->key->key_type == CKK_RSA)
		return sr_keyinfo_signature_len(CKK_RSA, &use->key->inside->own);
	size_t whole = whole_bound(use, (size_t)use->in + in_len);
	return whole > use->out ? whole - (size_t)use->out : 0;
}
