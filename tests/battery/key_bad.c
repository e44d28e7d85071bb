/* Bad input to the calls with keys: mechanisms and parameters, templates, handles, lengths, NULL pointers. The code of
 * the standard, and nothing changed: after each refusal the session works. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE aes, hmac, ec_public, ec;
static CK_BYTE text[64], out[512];
static CK_ULONG len;

static void start(void)
{
	sr_start();
	session = sr_as(SR_ADMIN_PIN);
	len = sizeof out;
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &aes), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_HMAC, NULL, &hmac), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_P256, NULL, &ec_public, &ec), CKR_OK);
}

/* Whatever was refused before: this goes on working. */
static void still_works(void)
{
	CK_ULONG n = sizeof out;
	ck_assert_rv(sr_sign(session, CKM_SHA256_HMAC, hmac, text, sizeof text, out, &n), CKR_OK);
	ck_assert_uint_eq(n, 32);
}

/* -- mechanism parameters ------------------------------------------------------------------------------------------ */

static CK_BYTE iv[32];
static CK_GCM_PARAMS gcm_no_iv = { NULL, 12, 96, NULL, 0, 128 }, gcm_no_aad = { iv, 12, 96, NULL, 9, 128 },
		     gcm_tag = { iv, 12, 96, NULL, 0, 7 }, gcm_tag_long = { iv, 12, 96, NULL, 0, 136 },
		     gcm_empty_iv = { iv, 0, 0, NULL, 0, 128 }, gcm_huge = { iv, 12, 96, iv, (CK_ULONG)-1, 128 };
static CK_AES_CTR_PARAMS ctr_bits = { 0, { 0 } }, ctr_many = { 129, { 0 } };

static const struct {
	CK_MECHANISM mechanism;
} parameters[] = {
	{ { CKM_AES_CBC, NULL, 0 } },
	{ { CKM_AES_CBC, NULL, 16 } },
	{ { CKM_AES_CBC, iv, 15 } },
	{ { CKM_AES_CBC, iv, 17 } },
	{ { CKM_AES_CBC, iv, 0 } },
	{ { CKM_AES_CBC_PAD, iv, (CK_ULONG)-1 } },
	{ { CKM_AES_ECB, iv, 16 } },
	{ { CKM_AES_CTR, NULL, 0 } },
	{ { CKM_AES_CTR, iv, 16 } },
	{ { CKM_AES_CTR, &ctr_bits, sizeof ctr_bits } },
	{ { CKM_AES_CTR, &ctr_many, sizeof ctr_many } },
	{ { CKM_AES_GCM, NULL, 0 } },
	{ { CKM_AES_GCM, iv, 12 } },
	{ { CKM_AES_GCM, &gcm_no_iv, sizeof gcm_no_iv } },
	{ { CKM_AES_GCM, &gcm_no_aad, sizeof gcm_no_aad } },
	{ { CKM_AES_GCM, &gcm_tag, sizeof gcm_tag } },
	{ { CKM_AES_GCM, &gcm_tag_long, sizeof gcm_tag_long } },
	{ { CKM_AES_GCM, &gcm_empty_iv, sizeof gcm_empty_iv } },
	{ { CKM_AES_GCM, &gcm_huge, sizeof gcm_huge } },
	{ { CKM_AES_GCM, &gcm_tag, sizeof gcm_tag - 1 } },
};

START_TEST(cipher_parameters)
{
	CK_MECHANISM mechanism = parameters[_i].mechanism;
	ck_assert_rv(p11->C_EncryptInit(session, &mechanism, aes), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_rv(p11->C_DecryptInit(session, &mechanism, aes), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_rv(p11->C_Encrypt(session, text, 64, out, &len), CKR_OPERATION_NOT_INITIALIZED);
	still_works();
}
END_TEST

START_TEST(signature_parameters)
{
	CK_RSA_PKCS_PSS_PARAMS other_hash = { CKM_SHA384, CKG_MGF1_SHA256, 32 }, other_mgf = { CKM_SHA256, 99, 32 },
			       long_salt = { CKM_SHA256, CKG_MGF1_SHA256, 100000 };
	CK_OBJECT_HANDLE public, rsa;
	ck_assert_rv(sr_pair(session, SR_RSA, NULL, &public, &rsa), CKR_OK);
	CK_MECHANISM bad[] = { { CKM_SHA256_RSA_PKCS_PSS, NULL, 0 },
		{ CKM_SHA256_RSA_PKCS_PSS, &other_hash, sizeof other_hash },
		{ CKM_SHA256_RSA_PKCS_PSS, &other_mgf, sizeof other_mgf },
		{ CKM_SHA256_RSA_PKCS_PSS, &long_salt, sizeof long_salt },
		{ CKM_SHA256_RSA_PKCS_PSS, &long_salt, sizeof long_salt - 1 }, { CKM_SHA256_RSA_PKCS, text, 1 },
		{ CKM_RSA_PKCS_OAEP, NULL, 0 } };
	for (size_t i = 0; i < SR_COUNT(bad) - 1; i++)
		ck_assert_rv(p11->C_SignInit(session, &bad[i], rsa), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_rv(p11->C_DecryptInit(session, &bad[SR_COUNT(bad) - 1], rsa), CKR_MECHANISM_PARAM_INVALID);
	still_works();
}
END_TEST

/* -- the wrong key, the wrong mechanism -----------------------------------------------------------------------------
 */

START_TEST(the_wrong_key)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 }, mac = { CKM_SHA256_HMAC, NULL, 0 }, ecb = { CKM_AES_ECB, NULL, 0 },
		     nonsense = { 0x7fff1234, NULL, 0 }, digest = { CKM_SHA256, NULL, 0 };
	CK_OBJECT_HANDLE object;
	ck_assert_rv(sr_put(session, "bad/secret", "value", &object), CKR_OK);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, aes), CKR_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, ec_public), CKR_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_SignInit(session, &mac, ec), CKR_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_VerifyInit(session, &ecdsa, ec), CKR_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, hmac), CKR_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, object), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, 0), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, (CK_OBJECT_HANDLE)-1), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_SignInit(session, &nonsense, ec), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_SignInit(session, &digest, ec), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_EncryptInit(session, &ecdsa, ec_public), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_SignInit(session, NULL, ec), CKR_ARGUMENTS_BAD);
	still_works();
}
END_TEST

START_TEST(allowed_mechanisms)
{
	CK_MECHANISM_TYPE only[] = { CKM_AES_CBC };
	CK_ATTRIBUTE extra[] = { { CKA_ALLOWED_MECHANISMS, only, sizeof only }, { CKA_ENCRYPT, &sr_yes, 1 } };
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 }, cbc = { CKM_AES_CBC, iv, 16 };
	CK_OBJECT_HANDLE key;
	ck_assert_rv(sr_import_aes(session, text, 32, extra, 2, &key), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_EncryptInit(session, &cbc, key), CKR_OK);
}
END_TEST

START_TEST(a_right_that_the_key_has_not)
{
	CK_ATTRIBUTE extra[] = { { CKA_ENCRYPT, &sr_yes, 1 } };
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	CK_OBJECT_HANDLE key;
	ck_assert_rv(sr_import_aes(session, text, 32, extra, 1, &key), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_OK);
	ck_assert_rv(p11->C_DecryptInit(session, &ecb, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
}
END_TEST

/* -- data --------------------------------------------------------------------------------------------------------- */

START_TEST(data_that_does_not_fit)
{
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, aes), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, text, 17, out, &len), CKR_DATA_LEN_RANGE);
	ck_assert_rv(p11->C_DecryptInit(session, &ecb, aes), CKR_OK);
	len = sizeof out;
	ck_assert_rv(p11->C_Decrypt(session, text, 17, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, ec, text, 32, out, &len), CKR_OK);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, ec_public, text, 32, out, 63), CKR_SIGNATURE_LEN_RANGE);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, ec_public, text, 32, out, 65), CKR_SIGNATURE_LEN_RANGE);
	ck_assert_rv(sr_verify(session, CKM_SHA256_HMAC, hmac, text, 32, out, 31), CKR_SIGNATURE_LEN_RANGE);
	still_works();
}
END_TEST

START_TEST(pointers_that_are_missing)
{
	CK_MECHANISM mac = { CKM_SHA256_HMAC, NULL, 0 };
	CK_OBJECT_HANDLE key;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 }, wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
	ck_assert_rv(p11->C_SignInit(session, &mac, hmac), CKR_OK);
	ck_assert_rv(p11->C_SignUpdate(session, NULL, 5), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_SignInit(session, &mac, hmac), CKR_OK);
	ck_assert_rv(p11->C_SignUpdate(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_SignFinal(session, out, &len), CKR_OK);
	ck_assert_rv(p11->C_GenerateKey(session, NULL, NULL, 0, &key), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GenerateKey(session, &generate, NULL, 1, &key), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GenerateKey(session, &generate, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GenerateKeyPair(session, NULL, NULL, 0, NULL, 0, &key, &key), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GenerateKeyPair(session, &generate, NULL, 0, NULL, 0, &key, &key), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_WrapKey(session, NULL, aes, hmac, out, &len), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_WrapKey(session, &wrap, aes, hmac, out, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_UnwrapKey(session, &wrap, aes, NULL, 5, NULL, 0, &key), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_DeriveKey(session, NULL, ec, NULL, 0, &key), CKR_ARGUMENTS_BAD);
	still_works();
}
END_TEST

START_TEST(handles_of_wrapping_and_unwrapping)
{
	CK_MECHANISM wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_KEY_TYPE, type) };
	CK_OBJECT_HANDLE key;
	ck_assert_rv(p11->C_WrapKey(session, &wrap, 0, aes, out, &len), CKR_WRAPPING_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_WrapKey(session, &wrap, aes, 0, out, &len), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_WrapKey(session, &wrap, ec_public, aes, out, &len), CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(p11->C_WrapKey(session, &wrap, aes, hmac, out, &len), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_rv(
		p11->C_UnwrapKey(session, &wrap, 0, text, 40, template, 2, &key), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
	ck_assert_rv(p11->C_UnwrapKey(session, &wrap, ec, text, 40, template, 2, &key),
		CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
	ck_assert_rv(
		p11->C_UnwrapKey(session, &wrap, aes, text, 40, template, 2, &key), CKR_KEY_FUNCTION_NOT_PERMITTED);
	still_works();
}
END_TEST

/* -- templates of new keys ------------------------------------------------------------------------------------------
 */

START_TEST(templates_that_do_not_fit)
{
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY, public_class = CKO_PUBLIC_KEY, nonsense = 77;
	CK_KEY_TYPE aes_type = CKK_AES, rsa_type = CKK_RSA;
	CK_OBJECT_HANDLE key;
	CK_ULONG small = 5;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ATTRIBUTE no_value[] = { SR_ATTR(CKA_CLASS, secret), SR_ATTR(CKA_KEY_TYPE, aes_type) };
	CK_ATTRIBUTE no_type[] = { SR_ATTR(CKA_CLASS, secret), { CKA_VALUE, text, 32 } };
	CK_ATTRIBUTE odd_value[] = { SR_ATTR(CKA_CLASS, secret), SR_ATTR(CKA_KEY_TYPE, aes_type),
		{ CKA_VALUE, text, 17 } };
	CK_ATTRIBUTE half_public[] = { SR_ATTR(CKA_CLASS, public_class), SR_ATTR(CKA_KEY_TYPE, rsa_type),
		{ CKA_MODULUS, text, 64 } };
	CK_ATTRIBUTE wrong_class[] = { SR_ATTR(CKA_CLASS, nonsense), { CKA_VALUE, text, 32 } };
	CK_ATTRIBUTE foreign[] = { SR_ATTR(CKA_CLASS, secret), SR_ATTR(CKA_KEY_TYPE, aes_type), { CKA_VALUE, text, 32 },
		{ CKA_MODULUS, text, 64 } };
	CK_ATTRIBUTE other_type[] = { SR_ATTR(CKA_KEY_TYPE, rsa_type), SR_ATTR(CKA_VALUE_LEN, small) };
	ck_assert_rv(p11->C_CreateObject(session, no_value, 2, &key), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv(p11->C_CreateObject(session, no_type, 2, &key), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv_in(p11->C_CreateObject(session, odd_value, 3, &key), CKR_ATTRIBUTE_VALUE_INVALID,
		CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_CreateObject(session, half_public, 3, &key), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv(p11->C_CreateObject(session, wrong_class, 2, &key), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_rv_in(
		p11->C_CreateObject(session, foreign, 4, &key), CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_GenerateKey(session, &generate, other_type, 2, &key), CKR_TEMPLATE_INCONSISTENT);
	still_works();
}
END_TEST

START_TEST(pairs_that_cannot_be)
{
	CK_MECHANISM rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 }, ecc = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ULONG small = 512, huge = 1 << 20;
	CK_BYTE no_curve[] = { 0x06, 0x03, 0x01, 0x02, 0x03 }, garbage[] = { 0x30, 0x7f };
	CK_OBJECT_HANDLE public, private;
	CK_ATTRIBUTE bits = SR_ATTR(CKA_MODULUS_BITS, small), many = SR_ATTR(CKA_MODULUS_BITS, huge);
	CK_ATTRIBUTE curve = { CKA_EC_PARAMS, no_curve, sizeof no_curve },
		     junk = { CKA_EC_PARAMS, garbage, sizeof garbage };
	ck_assert_rv_in(p11->C_GenerateKeyPair(session, &rsa, &bits, 1, NULL, 0, &public, &private), CKR_KEY_SIZE_RANGE,
		CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_rv_in(p11->C_GenerateKeyPair(session, &rsa, &many, 1, NULL, 0, &public, &private), CKR_KEY_SIZE_RANGE,
		CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_rv(
		p11->C_GenerateKeyPair(session, &rsa, NULL, 0, NULL, 0, &public, &private), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv(
		p11->C_GenerateKeyPair(session, &ecc, NULL, 0, NULL, 0, &public, &private), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv_in(p11->C_GenerateKeyPair(session, &ecc, &curve, 1, NULL, 0, &public, &private),
		CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID);
	CK_RV rv = p11->C_GenerateKeyPair(session, &ecc, &junk, 1, NULL, 0, &public, &private);
	ck_assert(
		rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID);
	still_works();
}
END_TEST

START_TEST(points_that_are_not_on_the_curve)
{
	CK_BYTE params[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 },
		point[67] = { 0x04, 0x41, 0x04 };
	CK_ECDH1_DERIVE_PARAMS ecdh = { CKD_NULL, 0, NULL, sizeof point, point }, none = { CKD_NULL, 0, NULL, 0, NULL };
	CK_MECHANISM derive = { CKM_ECDH1_DERIVE, &ecdh, sizeof ecdh },
		     empty = { CKM_ECDH1_DERIVE, &none, sizeof none };
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY, secret = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_EC, generic = CKK_GENERIC_SECRET;
	CK_OBJECT_HANDLE key;
	CK_ULONG bytes = 32;
	memset(point + 3, 0x11, 64);
	CK_ATTRIBUTE public[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_KEY_TYPE, type),
		{ CKA_EC_PARAMS, params, sizeof params }, { CKA_EC_POINT, point, sizeof point } };
	CK_ATTRIBUTE derived[] = { SR_ATTR(CKA_CLASS, secret), SR_ATTR(CKA_KEY_TYPE, generic),
		SR_ATTR(CKA_VALUE_LEN, bytes) };
	CK_RV rv = p11->C_CreateObject(session, public, 4, &key);
	ck_assert_msg(
		rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_DOMAIN_PARAMS_INVALID,
		"%s", sr_code(rv));
	ck_assert_rv(p11->C_DeriveKey(session, &empty, ec, derived, 3, &key), CKR_MECHANISM_PARAM_INVALID);
	rv = p11->C_DeriveKey(session, &derive, ec, derived, 3, &key);
	ck_assert_msg(rv != CKR_OK && rv != CKR_GENERAL_ERROR, "%s", sr_code(rv));
	still_works();
}
END_TEST

Suite *sr_battery_key_bad(void)
{
	Suite *suite = suite_create("battery: bad input to keys");
	TCase *tcase = sr_chapter(suite, "mechanisms", start, sr_stop);
	tcase_add_loop_test(tcase, cipher_parameters, 0, SR_COUNT(parameters));
	tcase_add_test(tcase, signature_parameters);
	tcase_add_test(tcase, the_wrong_key);
	tcase_add_test(tcase, allowed_mechanisms);
	tcase_add_test(tcase, a_right_that_the_key_has_not);
	tcase = sr_chapter(suite, "data", start, sr_stop);
	tcase_add_test(tcase, data_that_does_not_fit);
	tcase_add_test(tcase, pointers_that_are_missing);
	tcase_add_test(tcase, handles_of_wrapping_and_unwrapping);
	tcase = sr_chapter(suite, "templates", start, sr_stop);
	tcase_add_test(tcase, templates_that_do_not_fit);
	tcase_add_test(tcase, pairs_that_cannot_be);
	tcase_add_test(tcase, points_that_are_not_on_the_curve);
	return suite;
}
