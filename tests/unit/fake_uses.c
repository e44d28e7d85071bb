/* Operations with the keys of the vault in memory: see fake_vault.h. The "crypto" is trivial, and as long and as short
 * as the real one: AES is an exclusive or, an RSA block holds its data behind their length, a MAC counts. */
#include "tests/unit/fake_vault.h"

#include "vault/identity.h"
#include "vault/keys.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 16
#define RSA_LEN 64
#define RSA_ROOM (RSA_LEN - 11)
#define MAC_LEN 32
#define TAG_MAX 16

/** struct sr_use: FED: what was given in parts and is not out yet. SUM: of a GCM's IV and additional data, or a MAC's
 * data. */
struct sr_use {
	enum sr_function function;
	struct sr_key *key;
	CK_MECHANISM_TYPE type;
	struct sr_buf fed;
	size_t tag_len;
	uint8_t sum;
	bool counted;
};

static void lock(void)
{
	pthread_mutex_lock(&fake_state()->lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&fake_state()->lock);
}

static uint8_t sum_of(uint8_t sum, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(3 * sum + ((const uint8_t *)data)[i] + 1);
	return sum;
}

static void flip(const uint8_t *in, size_t len, struct sr_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = in[i] ^ 0xaa;
		sr_buf_append(out, &byte, 1);
	}
}

/* -- beginning and end -------------------------------------------------------------------------------------------- */

static const CK_ATTRIBUTE_TYPE rights[SR_FUNCTIONS] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY,
	CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER };

/* A code that the test has laid down, once. */
static CK_RV laid_down(CK_RV *rv, struct sr_error *err)
{
	lock();
	CK_RV next = *rv;
	*rv = CKR_OK;
	unlock();
	return next == CKR_OK ? next : sr_fail(err, next, SR_REASON_OUT_OF_SCOPE, "laid down by the test");
}

static CK_RV check(const struct sr_caller *caller, CK_RV *next, struct sr_error *err)
{
	CK_RV rv = laid_down(next, err);
	return rv == CKR_OK && caller->identity ? sr_identity_check(caller, err) : rv;
}

CK_RV sr_use_begin(const struct sr_caller *caller, enum sr_function function, struct sr_key *key,
	const CK_MECHANISM *mechanism, struct sr_use **use, struct sr_error *err)
{
	CK_RV rv = check(caller, &fake_state()->begin_rv, err);
	if (rv != CKR_OK)
		return rv;
	if (!caller->identity && sr_attrs_bool(&key->attrs, CKA_PRIVATE, true))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the call layer lets nobody use that");
	if (!sr_attrs_bool(&key->attrs, rights[function], false))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_RIGHTS, "no right");
	struct sr_use *made = calloc(1, sizeof *made);
	made->function = function;
	made->key = sr_key_ref(key);
	made->type = mechanism->mechanism;
	if (made->type == CKM_AES_GCM) {
		const CK_GCM_PARAMS *gcm = mechanism->pParameter;
		made->tag_len = gcm->tag_bits / 8;
		made->sum = sum_of(sum_of(0, gcm->iv_ptr, gcm->iv_len), gcm->aad_ptr, gcm->aad_len);
	}
	lock();
	fake_state()->uses_open++;
	unlock();
	*use = made;
	return CKR_OK;
}

void sr_use_end(struct sr_use *use)
{
	if (!use)
		return;
	lock();
	fake_state()->uses_open--;
	unlock();
	sr_key_unref(use->key);
	sr_buf_clear(&use->fed);
	free(use);
}

static void count(struct sr_use *use)
{
	lock();
	fake_state()->uses += !use->counted;
	unlock();
	use->counted = true;
}

/* -- lengths ------------------------------------------------------------------------------------------------------ */

static bool opens(const struct sr_use *use)
{
	return use->function == SR_DECRYPT || use->function == SR_VERIFY_RECOVER;
}

size_t sr_use_bound(const struct sr_use *use, size_t in_len)
{
	size_t all = use->fed.len + in_len;
	switch (use->type) {
	case CKM_AES_CBC_PAD:
		return opens(use) ? all : all / BLOCK * BLOCK + BLOCK;
	case CKM_AES_GCM:
		return opens(use) ? all : all + use->tag_len;
	case CKM_AES_CBC:
		return all;
	case CKM_RSA_PKCS:
	case CKM_RSA_X_509:
		return opens(use) ? RSA_ROOM : RSA_LEN;
	default:
		return use->type == CKM_ECDSA ? RSA_LEN : MAC_LEN;
	}
}

/* -- the crypto --------------------------------------------------------------------------------------------------- */

static CK_RV bad_length(const struct sr_use *use, struct sr_error *err)
{
	CK_RV rv = use->function == SR_VERIFY_RECOVER ? CKR_SIGNATURE_LEN_RANGE
		   : opens(use)                       ? CKR_ENCRYPTED_DATA_LEN_RANGE
						      : CKR_DATA_LEN_RANGE;
	return sr_fail(err, rv, SR_REASON_NONE, "a length that the mechanism does not take");
}

static CK_RV bad_data(const struct sr_use *use, struct sr_error *err)
{
	CK_RV rv = use->function == SR_VERIFY_RECOVER ? CKR_SIGNATURE_INVALID : CKR_ENCRYPTED_DATA_INVALID;
	return sr_fail(err, rv, SR_REASON_NONE, "not made here");
}

static CK_RV pad_or_unpad(
	const struct sr_use *use, const uint8_t *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	uint8_t pad = (uint8_t)(BLOCK - len % BLOCK);
	if (!opens(use)) {
		flip(in, len, out);
		for (uint8_t i = 0; i < pad; i++)
			flip(&pad, 1, out);
		return CKR_OK;
	}
	if (!len || len % BLOCK)
		return bad_length(use, err);
	pad = in[len - 1] ^ 0xaa;
	if (!pad || pad > BLOCK)
		return bad_data(use, err);
	flip(in, len - pad, out);
	return CKR_OK;
}

static CK_RV gcm(const struct sr_use *use, const uint8_t *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	uint8_t tag[TAG_MAX];
	if (opens(use) && len < use->tag_len)
		return bad_length(use, err);
	size_t plain = opens(use) ? len - use->tag_len : len;
	flip(in, plain, out);
	memset(tag, sum_of(use->sum, opens(use) ? out->data : in, plain), sizeof tag);
	if (!opens(use))
		sr_buf_append(out, tag, use->tag_len);
	else if (memcmp(tag, in + plain, use->tag_len) != 0)
		return bad_data(use, err);
	return CKR_OK;
}

static CK_RV rsa(const struct sr_use *use, const uint8_t *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	uint8_t block[RSA_LEN] = { 0 };
	if (opens(use)) {
		if (len != RSA_LEN)
			return bad_length(use, err);
		if (in[0] > RSA_ROOM)
			return bad_data(use, err);
		sr_buf_append(out, in + 1, in[0]);
		return CKR_OK;
	}
	if (len > RSA_ROOM)
		return bad_length(use, err);
	block[0] = (uint8_t)len;
	if (len)
		memcpy(block + 1, in, len);
	sr_buf_append(out, block, sizeof block);
	return CKR_OK;
}

/* IN is all there is. */
static CK_RV compute(const struct sr_use *use, const uint8_t *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	uint8_t mac[RSA_LEN];
	switch (use->type) {
	case CKM_AES_CBC:
		if (len % BLOCK)
			return bad_length(use, err);
		flip(in, len, out);
		return CKR_OK;
	case CKM_AES_CBC_PAD:
		return pad_or_unpad(use, in, len, out, err);
	case CKM_AES_GCM:
		return gcm(use, in, len, out, err);
	case CKM_RSA_PKCS:
	case CKM_RSA_X_509:
		return rsa(use, in, len, out, err);
	default:
		memset(mac, sum_of(7, in, len), sizeof mac);
		sr_buf_append(out, mac, use->type == CKM_ECDSA ? RSA_LEN : MAC_LEN);
		return CKR_OK;
	}
}

/* -- steps -------------------------------------------------------------------------------------------------------- */

CK_RV sr_use_once(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err)
{
	CK_RV rv = check(caller, &fake_state()->use_rv, err);
	if (rv == CKR_OK)
		rv = compute(use, in, len, out, err);
	if (rv != CKR_OK)
		sr_buf_clear(out);
	else
		count(use);
	return rv;
}

/* Whole blocks go out; a padding may be in the last, and a tag is asked first. */
CK_RV sr_use_update(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err)
{
	CK_RV rv = check(caller, &fake_state()->use_rv, err);
	if (rv != CKR_OK)
		return rv;
	lock();
	fake_state()->fed += len;
	unlock();
	sr_buf_append(&use->fed, in, len);
	if (use->type != CKM_AES_CBC && use->type != CKM_AES_CBC_PAD)
		return CKR_OK;
	size_t held = use->type == CKM_AES_CBC_PAD && opens(use) ? 1 : 0;
	if (use->fed.len < BLOCK + held)
		return CKR_OK;
	size_t ready = (use->fed.len - held) / BLOCK * BLOCK;
	flip(use->fed.data, ready, out);
	memmove(use->fed.data, use->fed.data + ready, use->fed.len - ready);
	use->fed.len -= ready;
	count(use);
	return CKR_OK;
}

CK_RV sr_use_final(const struct sr_caller *caller, struct sr_use *use, struct sr_buf *out, struct sr_error *err)
{
	return sr_use_once(caller, use, use->fed.data, use->fed.len, out, err);
}

CK_RV sr_use_verify(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len,
	const void *signature, size_t signature_len, struct sr_error *err)
{
	struct sr_buf all = SR_BUF_INIT, right = SR_BUF_INIT;
	CK_RV rv = check(caller, &fake_state()->use_rv, err);
	if (rv != CKR_OK)
		return rv;
	sr_buf_append(&all, use->fed.data, use->fed.len);
	if (!use->fed.len)
		sr_buf_append(&all, in, len);
	rv = compute(use, all.data, all.len, &right, err);
	if (rv == CKR_OK && signature_len != right.len)
		rv = sr_fail(err, CKR_SIGNATURE_LEN_RANGE, SR_REASON_NONE, "another length");
	if (rv == CKR_OK && memcmp(signature, right.data, right.len) != 0)
		rv = sr_fail(err, CKR_SIGNATURE_INVALID, SR_REASON_NONE, "another signature");
	count(use);
	sr_buf_clear(&all);
	sr_buf_clear(&right);
	return rv;
}
