/* Operations with users' keys in the HSM: each mechanism whole and in parts, against OpenSSL where that tells more than
 * the way back; what is refused, and how an operation ends. */
#define _GNU_SOURCE 1

#include "tests/unit/hsm_rig.h"
#include "tests/unit/suites.h"
#include "util/crypto.h"

#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig_key aes, secret, rsa;
static uint8_t data[4096];

static void set_up(void)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, "aes");
	hsm_rig_set_up();
	assert_ok(rig_make(KIND_AES, &place, false, &aes));
	place = rig_of(SR_HSM_RESIDENT, "secret");
	assert_ok(rig_make(KIND_SECRET, &place, false, &secret));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
}

static void set_up_rsa(void)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, "rsa");
	set_up();
	assert_ok(rig_make(KIND_RSA, &place, false, &rsa));
}

static void tear_down(void)
{
	rig_key_clear(&aes);
	rig_key_clear(&secret);
	rig_key_clear(&rsa);
	hsm_rig_tear_down();
}

/* PARTS bytes at a time, with an empty part at either end. */
static CK_RV in_parts(enum sr_hsm_function function, struct sr_hsm_key *key, CK_MECHANISM *mechanism, const void *in,
	size_t len, size_t part, struct sr_buf *out)
{
	struct sr_hsm_use *use = NULL;
	const uint8_t *at = in;
	CK_RV rv = sr_hsm_use_begin(rig_hsm, function, key, mechanism, &use, &rig_err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_update(use, NULL, 0, out, &rig_err);
	while (rv == CKR_OK && len > 0) {
		size_t now = len < part ? len : part;
		rv = sr_hsm_use_update(use, at, now, out, &rig_err);
		at += now;
		len -= now;
	}
	if (rv == CKR_OK)
		rv = sr_hsm_use_update(use, NULL, 0, out, &rig_err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_final(use, out, &rig_err);
	sr_hsm_use_end(use);
	return rv;
}

static void assert_same(const struct sr_buf *a, const void *b, size_t len)
{
	ck_assert_uint_eq(a->len, len);
	ck_assert(len == 0 || memcmp(a->data, b, len) == 0);
}

/* -- ciphers --------------------------------------------------------------------------------------------------- */

static uint8_t iv[16] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
static uint8_t additional[] = "additional";
static CK_GCM_PARAMS gcm = { iv, 12, 96, additional, sizeof(additional), 128 };
static CK_GCM_PARAMS gcm_bare = { iv, 12, 96, NULL, 0, 128 };
static CK_GCM_PARAMS gcm_short = { iv, 12, 96, additional, sizeof(additional), 96 };
static CK_AES_CTR_PARAMS ctr = { 64, { 1, 2, 3 } };

static const struct {
	const char *name;
	CK_MECHANISM mechanism;
	size_t block, expands; /* BLOCK 1: any length */
	bool padded, authenticated;
} ciphers[] = {
	{ "ecb", { CKM_AES_ECB, NULL, 0 }, 16, 0, false, false },
	{ "cbc", { CKM_AES_CBC, iv, 16 }, 16, 0, false, false },
	{ "cbc-pad", { CKM_AES_CBC_PAD, iv, 16 }, 16, 16, true, false },
	{ "ctr", { CKM_AES_CTR, &ctr, sizeof(ctr) }, 1, 0, false, false },
	{ "gcm", { CKM_AES_GCM, &gcm, sizeof(gcm) }, 1, 16, false, true },
	{ "gcm without additional data", { CKM_AES_GCM, &gcm_bare, sizeof(gcm_bare) }, 1, 16, false, true },
	{ "gcm with a short tag", { CKM_AES_GCM, &gcm_short, sizeof(gcm_short) }, 1, 12, false, true },
};
#define CIPHERS ((int)(sizeof(ciphers) / sizeof(ciphers[0])))

START_TEST(ciphers_go_there_and_back)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 32, 1000, 4096 };
	static const size_t parts[] = { 1, 7, 16, 33, 4096 };
	CK_MECHANISM mechanism = ciphers[_i].mechanism;
	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		struct sr_buf once = SR_BUF_INIT, back = SR_BUF_INIT;
		size_t len = lengths[l];
		if (!ciphers[_i].padded && len % ciphers[_i].block != 0)
			continue;
		assert_ok(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &mechanism, data, len, &once));
		ck_assert_uint_eq(once.len, ciphers[_i].padded ? (len / 16 + 1) * 16 : len + ciphers[_i].expands);
		assert_ok(rig_operate(SR_HSM_DECRYPT, aes.private.key, &mechanism, once.data, once.len, &back));
		assert_same(&back, data, len);
		for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
			struct sr_buf out = SR_BUF_INIT, plain = SR_BUF_INIT;
			assert_ok(in_parts(SR_HSM_ENCRYPT, aes.private.key, &mechanism, data, len, parts[p], &out));
			assert_same(&out, once.data, once.len);
			assert_ok(in_parts(
				SR_HSM_DECRYPT, aes.private.key, &mechanism, out.data, out.len, parts[p], &plain));
			assert_same(&plain, data, len);
			sr_buf_clear(&out);
			sr_buf_clear(&plain);
		}
		sr_buf_clear(&once);
		sr_buf_clear(&back);
	}
}
END_TEST

START_TEST(gcm_is_the_standard_one)
{
	static const uint8_t key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL);
	struct sr_attrs template = SR_ATTRS_INIT, none = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	rig_template(KIND_AES, false, &template, &none);
	sr_attrs_put(&template, CKA_VALUE, key, sizeof(key));
	assert_ok(sr_hsm_import(rig_hsm, &nest, &template, &made, &rig_err));
	for (int i = 0; i < 2; i++) {
		CK_GCM_PARAMS *params = i ? &gcm : &gcm_bare;
		CK_MECHANISM mechanism = { CKM_AES_GCM, params, sizeof(*params) };
		struct sr_buf out = SR_BUF_INIT;
		uint8_t want[100 + 16];
		int len = 0;
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(sr_crypto_ctx(), "AES-128-GCM", NULL);
		EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
		ck_assert(EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL));
		if (i)
			ck_assert(EVP_EncryptUpdate(ctx, NULL, &len, additional, sizeof(additional)));
		ck_assert(EVP_EncryptUpdate(ctx, want, &len, data, 100) && EVP_EncryptFinal_ex(ctx, want + len, &len));
		ck_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, want + 100));
		EVP_CIPHER_CTX_free(ctx);
		EVP_CIPHER_free(cipher);
		assert_ok(rig_operate(SR_HSM_ENCRYPT, made.key, &mechanism, data, 100, &out));
		assert_same(&out, want, sizeof(want));
		sr_buf_clear(&out);
	}
	sr_hsm_made_clear(&made);
	sr_attrs_clear(&template);
	sr_crypto_free();
}
END_TEST

/* One code for all that may be wrong with a cipher text of the right length. */
START_TEST(changed_ciphertext_is_refused)
{
	for (int i = 0; i < CIPHERS; i++) {
		CK_MECHANISM mechanism = ciphers[i].mechanism;
		struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
		if (!ciphers[i].authenticated && !ciphers[i].padded)
			continue;
		assert_ok(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &mechanism, data, 32, &sealed));
		sealed.data[ciphers[i].padded ? 31 : 3] ^= 0x40; /* padding 0x10 becomes 0x50 */
		assert_refused(
			rig_operate(SR_HSM_DECRYPT, aes.private.key, &mechanism, sealed.data, sealed.len, &plain),
			CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE);
		assert_refused(in_parts(SR_HSM_DECRYPT, aes.private.key, &mechanism, sealed.data, sealed.len,
				       ciphers[i].padded ? 48 : 5, &plain),
			CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE);
		if (ciphers[i].authenticated) {
			ck_assert_uint_eq(plain.len, 0); /* nothing is released before the tag was seen */
			assert_refused(rig_operate(SR_HSM_DECRYPT, aes.private.key, &mechanism, sealed.data, 5, &plain),
				CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE);
		}
		sr_buf_clear(&sealed);
		sr_buf_clear(&plain);
	}
}
END_TEST

START_TEST(lengths_are_refused)
{
	CK_MECHANISM cbc = { CKM_AES_CBC, iv, 16 }, padded = { CKM_AES_CBC_PAD, iv, 16 };
	CK_AES_CTR_PARAMS last = { 32, { 0 } };
	CK_MECHANISM counter = { CKM_AES_CTR, &last, sizeof(last) };
	struct sr_buf out = SR_BUF_INIT;
	struct sr_hsm_key *key = aes.private.key;
	assert_refused(rig_operate(SR_HSM_ENCRYPT, key, &cbc, data, 15, &out), CKR_DATA_LEN_RANGE, SR_REASON_NONE);
	assert_refused(in_parts(SR_HSM_ENCRYPT, key, &cbc, data, 15, 4, &out), CKR_DATA_LEN_RANGE, SR_REASON_NONE);
	assert_refused(
		rig_operate(SR_HSM_DECRYPT, key, &cbc, data, 15, &out), CKR_ENCRYPTED_DATA_LEN_RANGE, SR_REASON_NONE);
	assert_refused(rig_operate(SR_HSM_DECRYPT, key, &padded, data, 15, &out), CKR_ENCRYPTED_DATA_LEN_RANGE,
		SR_REASON_NONE);
	assert_refused(
		in_parts(SR_HSM_DECRYPT, key, &padded, data, 0, 1, &out), CKR_ENCRYPTED_DATA_LEN_RANGE, SR_REASON_NONE);
	memset(last.cb, 0xff, 16); /* a counter that would wrap around */
	assert_refused(rig_operate(SR_HSM_ENCRYPT, key, &counter, data, 17, &out), CKR_DATA_LEN_RANGE, SR_REASON_NONE);
	assert_refused(rig_operate(SR_HSM_ENCRYPT, key, &counter, data, SR_BUF_MAX, &out), CKR_DATA_LEN_RANGE,
		SR_REASON_TOO_LARGE);
	ck_assert_uint_eq(out.len, 0);
	sr_buf_clear(&out);
}
END_TEST

/* An hour of parts costs no memory; what has a tag at its end is bounded, because the HSM keeps all of it. */
START_TEST(streams_have_no_end)
{
	enum { PART = 1 << 20, PARTS = 40 };
	CK_MECHANISM mechanisms[] = { ciphers[3].mechanism, ciphers[4].mechanism };
	uint8_t *part = calloc(1, PART);
	for (int i = 0; i < 2; i++) {
		struct sr_hsm_use *use;
		CK_RV rv = CKR_OK;
		size_t total = 0;
		int n = 0;
		assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_DECRYPT, aes.private.key, &mechanisms[i], &use, &rig_err));
		for (n = 0; rv == CKR_OK && n < PARTS; n++) {
			struct sr_buf out = SR_BUF_INIT;
			rv = sr_hsm_use_update(use, part, PART, &out, &rig_err);
			total += out.len;
			sr_buf_clear(&out);
		}
		ck_assert_uint_eq(rv, i ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_OK);
		ck_assert_uint_eq(total, i ? 0 : (size_t)PART * PARTS);
		sr_hsm_use_end(use);
	}
	free(part);
}
END_TEST

/* -- MACs and signatures --------------------------------------------------------------------------------------- */

static CK_RSA_PKCS_PSS_PARAMS pss256 = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
static CK_RSA_PKCS_PSS_PARAMS pss512 = { CKM_SHA512, CKG_MGF1_SHA512, 20 };

static const struct {
	CK_MECHANISM mechanism;
	int kind;
	size_t len; /* of the signature */
	size_t in;  /* that it takes, 0: any */
	bool multi;
} signs[] = {
	{ { CKM_SHA_1_HMAC, NULL, 0 }, KIND_SECRET, 20, 0, true },
	{ { CKM_SHA224_HMAC, NULL, 0 }, KIND_SECRET, 28, 0, true },
	{ { CKM_SHA256_HMAC, NULL, 0 }, KIND_SECRET, 32, 0, true },
	{ { CKM_SHA384_HMAC, NULL, 0 }, KIND_SECRET, 48, 0, true },
	{ { CKM_SHA512_HMAC, NULL, 0 }, KIND_SECRET, 64, 0, true },
	{ { CKM_AES_CMAC, NULL, 0 }, KIND_AES, 16, 0, true },
	{ { CKM_RSA_PKCS, NULL, 0 }, KIND_RSA, 256, 51, false },
	{ { CKM_RSA_X_509, NULL, 0 }, KIND_RSA, 256, 100, false },
	{ { CKM_SHA256_RSA_PKCS, NULL, 0 }, KIND_RSA, 256, 0, true },
	{ { CKM_SHA512_RSA_PKCS, NULL, 0 }, KIND_RSA, 256, 0, true },
	{ { CKM_RSA_PKCS_PSS, &pss256, sizeof(pss256) }, KIND_RSA, 256, 32, false },
	{ { CKM_SHA256_RSA_PKCS_PSS, &pss256, sizeof(pss256) }, KIND_RSA, 256, 0, true },
	{ { CKM_SHA512_RSA_PKCS_PSS, &pss512, sizeof(pss512) }, KIND_RSA, 256, 0, true },
	{ { CKM_ECDSA, NULL, 0 }, KIND_P256, 64, 32, false },
	{ { CKM_ECDSA, NULL, 0 }, KIND_P384, 96, 48, false },
	{ { CKM_ECDSA, NULL, 0 }, KIND_P521, 132, 64, false },
	{ { CKM_EDDSA, NULL, 0 }, KIND_ED25519, 64, 1000, false },
};

static CK_RV verify_in_parts(
	struct sr_hsm_key *key, CK_MECHANISM *mechanism, size_t len, const struct sr_buf *signature)
{
	struct sr_hsm_use *use = NULL;
	CK_RV rv = sr_hsm_use_begin(rig_hsm, SR_HSM_VERIFY, key, mechanism, &use, &rig_err);
	for (size_t at = 0; rv == CKR_OK && at < len; at += 100)
		rv = sr_hsm_use_update(use, data + at, len - at < 100 ? len - at : 100, NULL, &rig_err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_verify(use, NULL, 0, signature->data, signature->len, &rig_err);
	sr_hsm_use_end(use);
	return rv;
}

START_TEST(signatures_verify)
{
	static const enum sr_hsm_custody custodies[] = { SR_HSM_NEST, SR_HSM_RESIDENT };
	rig_look_away(signs[_i].kind == KIND_ED25519);
	for (int c = 0; c < 2; c++) {
		struct sr_hsm_place place = rig_of(custodies[c], "signer");
		struct rig_key key;
		CK_MECHANISM mechanism = signs[_i].mechanism;
		struct sr_buf signature = SR_BUF_INIT, parts = SR_BUF_INIT;
		size_t len = signs[_i].in ? signs[_i].in : 1000;
		assert_ok(rig_make(signs[_i].kind, &place, false, &key));
		struct sr_hsm_key *verifier = key.public.key ? key.public.key : key.private.key;
		assert_ok(rig_operate(SR_HSM_SIGN, key.private.key, &mechanism, data, len, &signature));
		ck_assert_uint_eq(signature.len, signs[_i].len);
		assert_ok(rig_verify(verifier, &mechanism, data, len, &signature));
		if (signs[_i].multi) {
			assert_ok(in_parts(SR_HSM_SIGN, key.private.key, &mechanism, data, len, 33, &parts));
			ck_assert_uint_eq(parts.len, signs[_i].len);
			assert_ok(rig_verify(verifier, &mechanism, data, len, &parts));
			assert_ok(verify_in_parts(verifier, &mechanism, len, &signature));
			parts.data[7] ^= 1;
			assert_refused(verify_in_parts(verifier, &mechanism, len, &parts), CKR_SIGNATURE_INVALID,
				SR_REASON_NONE);
		}
		data[1] ^= 1;
		assert_refused(
			rig_verify(verifier, &mechanism, data, len, &signature), CKR_SIGNATURE_INVALID, SR_REASON_NONE);
		data[1] ^= 1;
		signature.len--;
		assert_refused(rig_verify(verifier, &mechanism, data, len, &signature), CKR_SIGNATURE_LEN_RANGE,
			SR_REASON_NONE);
		signature.len = 0;
		assert_refused(rig_verify(verifier, &mechanism, data, len, &signature), CKR_SIGNATURE_LEN_RANGE,
			SR_REASON_NONE);
		sr_buf_clear(&signature);
		sr_buf_clear(&parts);
		rig_key_clear(&key);
	}
}
END_TEST

/* -- RSA ------------------------------------------------------------------------------------------------------- */

START_TEST(rsa_encrypts)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
	const struct {
		CK_MECHANISM mechanism;
		size_t most;
	} rows[] = {
		{ { CKM_RSA_PKCS, NULL, 0 }, 245 },
		{ { CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep) }, 214 },
		{ { CKM_RSA_X_509, NULL, 0 }, 256 },
	};
	data[0] = 0; /* raw: less than the modulus */
	for (size_t i = 0; i < 3; i++) {
		CK_MECHANISM mechanism = rows[i].mechanism;
		struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
		assert_ok(rig_operate(SR_HSM_ENCRYPT, rsa.public.key, &mechanism, data, rows[i].most, &sealed));
		ck_assert_uint_eq(sealed.len, 256);
		assert_ok(rig_operate(SR_HSM_DECRYPT, rsa.private.key, &mechanism, sealed.data, sealed.len, &plain));
		assert_same(&plain, data, rows[i].most);
		plain.len = 0;
		assert_refused(rig_operate(SR_HSM_ENCRYPT, rsa.public.key, &mechanism, data, rows[i].most + 1, &plain),
			CKR_DATA_LEN_RANGE, SR_REASON_TOO_LARGE);
		for (size_t len = 0; len <= 512; len += 51)
			assert_refused(rig_operate(SR_HSM_DECRYPT, rsa.private.key, &mechanism, data, len, &plain),
				CKR_ENCRYPTED_DATA_LEN_RANGE, SR_REASON_TOO_LARGE);
		if (mechanism.mechanism != CKM_RSA_X_509) {
			sealed.data[9] ^= 1;
			assert_refused(rig_operate(SR_HSM_DECRYPT, rsa.private.key, &mechanism, sealed.data, sealed.len,
					       &plain),
				CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE);
		}
		sr_buf_clear(&sealed);
		sr_buf_clear(&plain);
	}
}
END_TEST

/* SoftHSM2 2.6.1 ends the process for raw RSA of more than the modulus: it is never asked. */
START_TEST(raw_rsa_longer_than_the_modulus)
{
	CK_MECHANISM raw = { CKM_RSA_X_509, NULL, 0 }, pkcs = { CKM_RSA_PKCS, NULL, 0 };
	CK_MECHANISM pss = { CKM_RSA_PKCS_PSS, &pss256, sizeof(pss256) };
	struct sr_buf out = SR_BUF_INIT, signature = SR_BUF_INIT;
	assert_ok(rig_operate(SR_HSM_SIGN, rsa.private.key, &pkcs, data, 245, &signature));
	assert_refused(rig_operate(SR_HSM_SIGN, rsa.private.key, &raw, data, 257, &out), CKR_DATA_LEN_RANGE,
		SR_REASON_TOO_LARGE);
	assert_refused(rig_operate(SR_HSM_ENCRYPT, rsa.public.key, &raw, data, 4096, &out), CKR_DATA_LEN_RANGE,
		SR_REASON_TOO_LARGE);
	assert_refused(
		rig_verify(rsa.public.key, &raw, data, 257, &signature), CKR_DATA_LEN_RANGE, SR_REASON_TOO_LARGE);
	assert_refused(rig_operate(SR_HSM_SIGN, rsa.private.key, &pkcs, data, 246, &out), CKR_DATA_LEN_RANGE,
		SR_REASON_TOO_LARGE);
	memset(data, 0xff, 256); /* a number beyond the modulus */
	assert_refused(
		rig_operate(SR_HSM_SIGN, rsa.private.key, &raw, data, 256, &out), CKR_DATA_INVALID, SR_REASON_NONE);
	assert_refused(
		rig_operate(SR_HSM_SIGN, rsa.private.key, &pss, data, 31, &out), CKR_DATA_INVALID, SR_REASON_NONE);
	ck_assert_uint_eq(out.len, 0);
	sr_buf_clear(&out);
	sr_buf_clear(&signature);
}
END_TEST

/* -- beginning and ending -------------------------------------------------------------------------------------- */

static CK_GCM_PARAMS gcm_bad = { iv, 12, 96, NULL, 0, 129 };
static CK_RSA_PKCS_OAEP_PARAMS oaep_bad = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0 };

START_TEST(beginnings_are_refused)
{
	const struct {
		enum sr_hsm_function function;
		struct sr_hsm_key *key;
		CK_MECHANISM mechanism;
		CK_RV rv;
	} rows[] = {
		{ SR_HSM_ENCRYPT, secret.private.key, { CKM_AES_ECB, NULL, 0 }, CKR_KEY_TYPE_INCONSISTENT },
		{ SR_HSM_ENCRYPT, aes.private.key, { CKM_SHA256, NULL, 0 }, CKR_MECHANISM_INVALID },
		{ SR_HSM_ENCRYPT, aes.private.key, { CKM_AES_CBC, NULL, 0 }, CKR_MECHANISM_PARAM_INVALID },
		{ SR_HSM_ENCRYPT, aes.private.key, { CKM_AES_GCM, &gcm_bad, sizeof(gcm_bad) },
			CKR_MECHANISM_PARAM_INVALID },
		{ SR_HSM_ENCRYPT, rsa.public.key, { CKM_RSA_PKCS_OAEP, &oaep_bad, sizeof(oaep_bad) },
			CKR_MECHANISM_PARAM_INVALID },
		{ SR_HSM_SIGN_RECOVER, rsa.private.key, { CKM_RSA_PKCS, NULL, 0 }, CKR_MECHANISM_INVALID },
		{ SR_HSM_VERIFY_RECOVER, rsa.public.key, { CKM_RSA_PKCS, NULL, 0 }, CKR_MECHANISM_INVALID },
		{ SR_HSM_DECRYPT, rsa.public.key, { CKM_RSA_PKCS, NULL, 0 }, CKR_KEY_FUNCTION_NOT_PERMITTED },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sr_hsm_use *use = (void *)&use;
		CK_RV rv = sr_hsm_use_begin(rig_hsm, rows[i].function, rows[i].key, &rows[i].mechanism, &use, &rig_err);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %s", i, rig_err.text);
		ck_assert_ptr_null(use);
	}
	ck_assert_uint_eq(rig_hsm->use_count, 0);
	ck_assert_uint_eq(rig_hsm->own_open, 1 + rig_hsm->own_idle_count); /* the nest's, and those at rest */
}
END_TEST

/* Too short a key for HMAC: 2.6.1 wants as many bytes as the hash has. */
START_TEST(short_hmac_key)
{
	struct sr_hsm_place place = rig_of(SR_HSM_NEST, NULL);
	struct sr_attrs template = SR_ATTRS_INIT, none = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	rig_template(KIND_SECRET, false, &template, &none);
	sr_attrs_put(&template, CKA_VALUE, data, 31);
	assert_ok(sr_hsm_import(rig_hsm, &place, &template, &made, &rig_err));
	assert_refused(
		rig_operate(SR_HSM_SIGN, made.key, &hmac, data, 9, &out), CKR_KEY_SIZE_RANGE, SR_REASON_MECHANISM);
	sr_hsm_made_clear(&made);
	sr_attrs_clear(&template);
}
END_TEST

static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };

START_TEST(sessions_are_used_again)
{
	struct rig_raw raw = rig_raw_open();
	struct sr_buf out = SR_BUF_INIT;
	assert_ok(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &ecb, data, 16, &out));
	size_t before = rig_sessions(&raw);
	for (int i = 0; i < 50; i++) {
		assert_ok(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &ecb, data, 16, &out));
		CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
		struct sr_buf mac = SR_BUF_INIT;
		assert_ok(rig_operate(SR_HSM_SIGN, secret.private.key, &hmac, data, 16, &mac));
		mac.data[0] ^= 1;
		ck_assert_uint_eq(rig_verify(secret.private.key, &hmac, data, 16, &mac), CKR_SIGNATURE_INVALID);
		sr_buf_clear(&mac);
	}
	ck_assert_uint_eq(rig_sessions(&raw), before);
	/* one left in the middle, or that failed, is closed, and its operation with it */
	struct sr_hsm_use *use;
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &use, &rig_err));
	assert_ok(sr_hsm_use_update(use, data, 16, &out, &rig_err));
	sr_hsm_use_end(use);
	ck_assert_uint_eq(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &ecb, data, 15, &out), CKR_DATA_LEN_RANGE);
	assert_ok(rig_operate(SR_HSM_ENCRYPT, aes.private.key, &ecb, data, 16, &out));
	ck_assert_uint_le(rig_sessions(&raw), before);
	sr_buf_clear(&out);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(out_of_turn)
{
	struct sr_hsm_use *use;
	struct sr_buf out = SR_BUF_INIT;
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &use, &rig_err));
	assert_ok(sr_hsm_use_update(use, data, 16, &out, &rig_err));
	assert_refused(sr_hsm_use_once(use, data, 16, &out, &rig_err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	assert_refused(sr_hsm_use_final(use, &out, &rig_err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	assert_refused(sr_hsm_use_update(use, data, 16, &out, &rig_err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	assert_refused(sr_hsm_use_verify(use, data, 16, data, 16, &rig_err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	sr_hsm_use_end(use);
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_VERIFY, secret.private.key, &hmac, &use, &rig_err));
	assert_refused(sr_hsm_use_once(use, data, 16, &out, &rig_err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	sr_hsm_use_end(use);
	sr_buf_clear(&out);
}
END_TEST

START_TEST(uses_are_bounded)
{
	static struct sr_hsm_use *uses[SR_HSM_USES_MAX];
	struct sr_hsm_use *more;
	struct sr_buf out = SR_BUF_INIT;
	uint8_t mac[SR_HSM_MAC_LEN];
	for (int i = 0; i < SR_HSM_USES_MAX; i++)
		assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &uses[i], &rig_err));
	assert_refused(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &more, &rig_err),
		CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE);
	assert_ok(sr_hsm_mac(rig_hsm, "x", 1, mac, &rig_err)); /* the vault goes on */
	sr_hsm_use_end(uses[5]);
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &uses[5], &rig_err));
	for (int i = 0; i < SR_HSM_USES_MAX; i++) {
		assert_ok(sr_hsm_use_once(uses[i], data, 16, &out, &rig_err));
		sr_hsm_use_end(uses[i]);
	}
	ck_assert_uint_eq(rig_hsm->use_count, 0);
	sr_buf_clear(&out);
}
END_TEST

/* A token with few sessions: uses and nests get what the pool can do without. */
START_TEST(token_with_few_sessions)
{
	struct sr_hsm_use *one, *other;
	struct sr_hsm_nest *nest;
	struct sr_buf out = SR_BUF_INIT;
	rig_hsm->own_limit = 2; /* one is the rig's nest */
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &one, &rig_err));
	assert_refused(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &other, &rig_err),
		CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE);
	assert_refused(sr_hsm_nest_open(rig_hsm, &nest, &rig_err), CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE);
	assert_ok(sr_hsm_use_once(one, data, 16, &out, &rig_err));
	sr_hsm_use_end(one);
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &other, &rig_err));
	sr_hsm_use_end(other);
	sr_buf_clear(&out);
}
END_TEST

/* _i: how it is lost under an operation that has begun. */
START_TEST(loss_ends_what_has_begun)
{
	struct rig_raw raw = rig_raw_open();
	struct sr_hsm_use *use;
	struct sr_buf out = SR_BUF_INIT;
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &use, &rig_err));
	assert_ok(sr_hsm_use_update(use, data, 16, &out, &rig_err));
	if (_i == 0)
		ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	else
		ck_assert_uint_eq(raw.module->C_Finalize(NULL), CKR_OK);
	assert_refused(sr_hsm_use_update(use, data, 16, &out, &rig_err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	struct sr_hsm_use *next;
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &next, &rig_err));
	sr_hsm_use_end(use); /* its session's number may be the other's now */
	assert_ok(sr_hsm_use_once(next, data, 16, &out, &rig_err));
	sr_hsm_use_end(next);
	ck_assert_uint_eq(rig_hsm->use_count, 0);
	sr_buf_clear(&out);
	p11_kit_module_release(raw.module);
}
END_TEST

START_TEST(no_use_without_the_vault_keys)
{
	struct sr_hsm_use *use;
	struct sr_hsm_made made;
	struct sr_attrs none = SR_ATTRS_INIT;
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, "x");
	ck_assert_uint_ne(sr_hsm_load_keys(rig_hsm, "another", 1, &rig_err), CKR_OK);
	assert_refused(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &use, &rig_err),
		CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_generate(rig_hsm, &place, &ecb, &none, &made, &rig_err), CKR_DEVICE_ERROR,
		SR_REASON_HSM_KEY_REFUSED);
	assert_refused(
		sr_hsm_key_destroy(rig_hsm, secret.private.key, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
}
END_TEST

/* -- keys that are none ---------------------------------------------------------------------------------------- */

/* Components as an application may give them, whatever they are: nothing of it ends the process. */
static const struct {
	const char *bytes;
	size_t len;
} garbage[] = {
	{ "", 0 },
	{ "\0", 1 },
	{ "\1", 1 },
	{ "\4\1", 2 },
	{ "\4\xff\xff", 3 },
	{ "\4\x41\4", 3 },
	{ "\x06\x03\x2b\x65\x70", 5 },
	{ "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
	{ "\x04\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 34 },
	{ "\4\x41\4" /* no point of P-256 */
	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		67 },
	{ "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20 },
};
#define GARBAGE (sizeof(garbage) / sizeof(garbage[0]))

static void try_all(struct sr_hsm_key *key, CK_OBJECT_CLASS class)
{
	static const CK_MECHANISM_TYPE types[] = { CKM_RSA_PKCS, CKM_RSA_X_509, CKM_RSA_PKCS_OAEP, CKM_SHA256_RSA_PKCS,
		CKM_ECDSA, CKM_EDDSA };
	CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
	const struct sr_buf signature = { data, 64, 64, false };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		CK_MECHANISM mechanism = { types[i], NULL, 0 };
		struct sr_buf out = SR_BUF_INIT;
		if (types[i] == CKM_RSA_PKCS_OAEP)
			mechanism = (CK_MECHANISM){ types[i], &oaep, sizeof(oaep) };
		bool public = class == CKO_PUBLIC_KEY;
		CK_RV used = rig_operate(public ? SR_HSM_ENCRYPT : SR_HSM_DECRYPT, key, &mechanism, data, 32, &out);
		CK_RV proved = public ? rig_verify(key, &mechanism, data, 32, &signature)
				      : rig_operate(SR_HSM_SIGN, key, &mechanism, data, 32, &out);
		ck_assert(!public || proved != CKR_OK);
		(void)used;
		sr_buf_clear(&out);
	}
}

static void try_key(CK_OBJECT_CLASS class, CK_KEY_TYPE type, size_t a, size_t b)
{
	static const CK_ATTRIBUTE_TYPE rights[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP,
		CKA_DERIVE };
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL);
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	sr_attrs_put_ulong(&template, CKA_CLASS, class);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, type);
	for (size_t i = 0; i < 6; i++)
		sr_attrs_put_bool(&template, rights[i], true);
	sr_attrs_put(&template, type == CKK_RSA ? CKA_MODULUS : CKA_EC_PARAMS, garbage[a].bytes, garbage[a].len);
	CK_ATTRIBUTE_TYPE other = type == CKK_RSA ? CKA_PUBLIC_EXPONENT : CKA_EC_POINT;
	sr_attrs_put(&template,
		class == CKO_PUBLIC_KEY ? other
		: type == CKK_RSA       ? CKA_PRIVATE_EXPONENT
					: CKA_VALUE,
		garbage[b].bytes, garbage[b].len);
	static const CK_ATTRIBUTE_TYPE others[] = { CKA_PUBLIC_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1,
		CKA_EXPONENT_2, CKA_COEFFICIENT };
	for (size_t i = 0; class == CKO_PRIVATE_KEY && type == CKK_RSA && i < 6; i++)
		sr_attrs_put(&template, others[i], garbage[i % 2 ? a : b].bytes, garbage[i % 2 ? a : b].len);
	if (sr_hsm_import(rig_hsm, &nest, &template, &made, &rig_err) == CKR_OK) {
		try_all(made.key, class);
		sr_hsm_made_clear(&made);
	}
	if (class == CKO_PUBLIC_KEY) {
		struct sr_hsm_key *open = sr_hsm_key_open("", 0, &template);
		try_all(open, class);
		sr_hsm_key_unref(open);
	}
	sr_attrs_clear(&template);
}

/* _i: the kind */
START_TEST(garbage_is_no_key)
{
	static const CK_KEY_TYPE types[] = { CKK_RSA, CKK_EC, CKK_EC_EDWARDS };
	rig_look_away(true);
	for (size_t a = getenv("GA") ? atoi(getenv("GA")) : 0; a < GARBAGE; a++) {
		for (size_t b = 0; b < GARBAGE; b++)
			try_key(_i % 2 ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY, types[_i / 2], a, b);
	}
	uint8_t mac[SR_HSM_MAC_LEN];
	assert_ok(sr_hsm_mac(rig_hsm, "x", 1, mac, &rig_err));
}
END_TEST

/* Every mechanism with every key: what does not belong together is refused, and refused by us where SoftHSM2 does not
 * look. */
static const struct {
	CK_MECHANISM_TYPE type;
	CK_KEY_TYPE key;
} others[] = {
	{ CKM_AES_ECB, CKK_AES },
	{ CKM_AES_CMAC, CKK_AES },
	{ CKM_RSA_PKCS, CKK_RSA },
	{ CKM_RSA_X_509, CKK_RSA },
	{ CKM_SHA256_RSA_PKCS, CKK_RSA },
	{ CKM_SHA512_RSA_PKCS, CKK_RSA },
	{ CKM_ECDSA, CKK_EC },
	{ CKM_EDDSA, CKK_EC_EDWARDS },
	{ CKM_DSA, CKK_DSA },
	{ CKM_DSA_SHA1, CKK_DSA },
	{ CKM_DES3_ECB, CKK_DES3 },
};

/* _i: the kind of key */
START_TEST(mechanism_of_another_key)
{
	static const enum sr_hsm_function functions[] = { SR_HSM_ENCRYPT, SR_HSM_DECRYPT, SR_HSM_SIGN, SR_HSM_VERIFY };
	struct sr_hsm_place place = rig_of(SR_HSM_NEST, NULL);
	struct rig_key key;
	const struct sr_buf signature = { data, 64, 64, false };
	rig_look_away(true);
	assert_ok(rig_make(_i, &place, false, &key));
	for (size_t m = 0; m < sizeof(others) / sizeof(others[0]); m++) {
		for (size_t f = 0; others[m].key != rig_kinds[_i].type && f < 8; f++) {
			CK_MECHANISM mechanism = { others[m].type, NULL, 0 };
			struct sr_hsm_key *with = f / 4 ? key.public.key : key.private.key;
			struct sr_buf out = SR_BUF_INIT;
			if (!with)
				continue;
			CK_RV rv = functions[f % 4] == SR_HSM_VERIFY
					   ? rig_verify(with, &mechanism, data, 32, &signature)
					   : rig_operate(functions[f % 4], with, &mechanism, data, 32, &out);
			ck_assert_msg(rv != CKR_OK, "%lx with %s", others[m].type, rig_kinds[_i].name);
			sr_buf_clear(&out);
		}
	}
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, 32, data };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof(params) };
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	CK_RV rv = sr_hsm_derive(rig_hsm, &place, &ecdh, key.private.key, &template, &made, &rig_err);
	ck_assert_uint_ne(rv, CKR_DEVICE_REMOVED);
	if (rv == CKR_OK)
		sr_hsm_made_clear(&made);
	sr_attrs_clear(&template);
	rig_key_clear(&key);
}
END_TEST

/* -- codes ----------------------------------------------------------------------------------------------------- */

static const struct {
	enum sr_code_of of;
	CK_RV from, to;
	CK_ULONG reason;
} codes[] = {
	{ SR_CODE_DECRYPT, CKR_GENERAL_ERROR, CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE },
	{ SR_CODE_DECRYPT, CKR_AEAD_DECRYPT_FAILED, CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE },
	{ SR_CODE_VERIFY, CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_BEGIN, CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_BEGIN, CKR_OPERATION_ACTIVE, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_SIGN, CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ SR_CODE_SIGN, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ SR_CODE_SIGN, CKR_HOST_MEMORY, CKR_HOST_MEMORY, SR_REASON_MEMORY },
	{ SR_CODE_SIGN, CKR_VENDOR_DEFINED | 7, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_SIGN, CKR_PIN_LOCKED, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_SIGN, CKR_SIGNATURE_INVALID, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
	{ SR_CODE_IMPORT, CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE },
	{ SR_CODE_WRAP, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_WRAPPING_KEY_TYPE_INCONSISTENT, SR_REASON_RIGHTS },
	{ SR_CODE_COPY, CKR_ACTION_PROHIBITED, CKR_ACTION_PROHIBITED, SR_REASON_BAD_TEMPLATE },
	{ SR_CODE_GENERATE, CKR_ACTION_PROHIBITED, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED },
};

START_TEST(code_is_mapped)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(sr_code_fail(&err, codes[_i].of, codes[_i].from, "do it"), codes[_i].to);
	ck_assert_uint_eq(err.rv, codes[_i].to);
	ck_assert_uint_eq(err.reason, codes[_i].reason);
	ck_assert(err.text[0]);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- */

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static TCase *add_case(Suite *suite, const char *name, void (*up)(void))
{
	TCase *tests = tcase_create(name);
	tcase_add_checked_fixture(tests, up, tear_down);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return tests;
}

Suite *sr_suite_hsm_use(void)
{
	Suite *suite = suite_create("hsm_use");
	TCase *cipher = add_case(suite, "cipher", set_up);
	tcase_add_loop_test(cipher, ciphers_go_there_and_back, 0, CIPHERS);
	tcase_add_test(cipher, gcm_is_the_standard_one);
	tcase_add_test(cipher, changed_ciphertext_is_refused);
	tcase_add_test(cipher, lengths_are_refused);
	tcase_add_test(cipher, streams_have_no_end);
	TCase *sign = add_case(suite, "sign", set_up);
	tcase_add_loop_test(sign, signatures_verify, 0, ROWS(signs));
	tcase_add_test(sign, short_hmac_key);
	TCase *of_rsa = add_case(suite, "rsa", set_up_rsa);
	tcase_add_test(of_rsa, rsa_encrypts);
	tcase_add_test(of_rsa, raw_rsa_longer_than_the_modulus);
	tcase_add_test(of_rsa, beginnings_are_refused);
	TCase *end = add_case(suite, "end", set_up);
	tcase_add_test(end, sessions_are_used_again);
	tcase_add_test(end, out_of_turn);
	tcase_add_test(end, uses_are_bounded);
	tcase_add_test(end, token_with_few_sessions);
	tcase_add_loop_test(end, loss_ends_what_has_begun, 0, 2);
	tcase_add_test(end, no_use_without_the_vault_keys);
	tcase_add_loop_test(end, garbage_is_no_key, 0, 6);
	tcase_add_loop_test(end, mechanism_of_another_key, 0, KINDS);
	TCase *code = tcase_create("code");
	tcase_add_loop_test(code, code_is_mapped, 0, ROWS(codes));
	suite_add_tcase(suite, code);
	return suite;
}
