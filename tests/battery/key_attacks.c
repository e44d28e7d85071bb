/* The attacks on the API that the literature knows (Clulow 2003; Delaune, Kremer, Steel 2008; Bardou et al. 2012), each
 * tried as an application would. docs/keys.md has the rules. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_SESSION_HANDLE session;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;
static CK_ULONG key_len = 32;
static CK_MECHANISM generate_aes = { CKM_AES_KEY_GEN, NULL, 0 }, generate_rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 },
		    key_wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
static CK_BYTE wrapped[512];
static CK_ULONG wrapped_len;

static void start(void)
{
	sr_start();
	session = sr_as(SR_ADMIN_PIN);
	wrapped_len = sizeof wrapped;
}

#define YES(type)                \
	{                        \
		type, &sr_yes, 1 \
	}
#define NO(type)                \
	{                       \
		type, &sr_no, 1 \
	}

static CK_RV make_aes(const CK_ATTRIBUTE *extra, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	CK_ATTRIBUTE template[12] = { SR_ATTR(CKA_VALUE_LEN, key_len), NO(CKA_TOKEN) };
	memcpy(template + 2, extra, count * sizeof *extra);
	return p11->C_GenerateKey(session, &generate_aes, template, 2 + count, key);
}

/* -- conflicting rights on one key --------------------------------------------------------------------------------- */

static const CK_ATTRIBUTE conflicts[][2] = { { YES(CKA_WRAP), YES(CKA_DECRYPT) }, { YES(CKA_UNWRAP), YES(CKA_ENCRYPT) },
	{ YES(CKA_WRAP), YES(CKA_EXTRACTABLE) }, { YES(CKA_UNWRAP), YES(CKA_EXTRACTABLE) } };

START_TEST(rights_that_do_not_go_together)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[32] = "a value that the attacker knows";
	ck_assert_rv(make_aes(conflicts[_i], 2, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(sr_import_aes(session, value, sizeof value, conflicts[_i], 2, &key), CKR_TEMPLATE_INCONSISTENT);
	/* one now, the other later */
	ck_assert_rv(make_aes(conflicts[_i] + 1, 1, &key), CKR_OK);
	CK_ATTRIBUTE later = conflicts[_i][0];
	CK_RV rv = p11->C_SetAttributeValue(session, key, &later, 1);
	ck_assert(rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_ATTRIBUTE_READ_ONLY);
	CK_OBJECT_HANDLE copy;
	rv = p11->C_CopyObject(session, key, &later, 1, &copy);
	ck_assert(rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_ATTRIBUTE_READ_ONLY);
}
END_TEST

START_TEST(an_rsa_key_that_would_decrypt_and_unwrap)
{
	CK_ULONG bits = 2048;
	CK_OBJECT_HANDLE public, private;
	CK_ATTRIBUTE public_template[] = { SR_ATTR(CKA_MODULUS_BITS, bits), YES(CKA_WRAP) };
	CK_ATTRIBUTE private_template[] = { YES(CKA_DECRYPT), YES(CKA_UNWRAP) };
	ck_assert_rv(p11->C_GenerateKeyPair(
			     session, &generate_rsa, public_template, 2, private_template, 2, &public, &private),
		CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

/* -- wrapping ----------------------------------------------------------------------------------------------------- */

static CK_OBJECT_HANDLE wrapping_key(void)
{
	static const CK_ATTRIBUTE rights[] = { YES(CKA_WRAP), YES(CKA_UNWRAP) };
	CK_OBJECT_HANDLE key = 0;
	ck_assert_rv(make_aes(rights, 2, &key), CKR_OK);
	return key;
}

static CK_RV unwrap(CK_OBJECT_HANDLE with, const CK_ATTRIBUTE *extra, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	CK_ATTRIBUTE template[8] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, aes_type), NO(CKA_TOKEN) };
	memcpy(template + 3, extra, count * sizeof *extra);
	return p11->C_UnwrapKey(session, &key_wrap, with, wrapped, wrapped_len, template, 3 + count, key);
}

START_TEST(what_is_not_extractable_stays)
{
	static const CK_ATTRIBUTE none[] = { NO(CKA_EXTRACTABLE) },
				  trusted[] = { YES(CKA_EXTRACTABLE), YES(CKA_WRAP_WITH_TRUSTED) };
	CK_OBJECT_HANDLE wrapping = wrapping_key(), key;
	ck_assert_rv(make_aes(none, 1, &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_KEY_UNEXTRACTABLE);
	ck_assert_rv(make_aes(trusted, 2, &key), CKR_OK);
	wrapped_len = sizeof wrapped;
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_KEY_NOT_WRAPPABLE);
}
END_TEST

START_TEST(unwrapped_as_readable)
{
	static const CK_ATTRIBUTE leaves[] = { YES(CKA_EXTRACTABLE), YES(CKA_SENSITIVE), YES(CKA_ENCRYPT) };
	static const CK_ATTRIBUTE readable[] = { NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE) };
	CK_OBJECT_HANDLE wrapping = wrapping_key(), key, back = 0;
	ck_assert_rv(make_aes(leaves, 3, &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_OK);
	ck_assert_uint_eq(wrapped_len, 40);
	ck_assert_rv(unwrap(wrapping, readable, 1, &back), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(wrapping, readable + 1, 1, &back), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(wrapping, readable, 0, &back), CKR_OK);
	ck_assert(sr_flag(session, back, CKA_SENSITIVE));
	ck_assert(!sr_flag(session, back, CKA_EXTRACTABLE));
	ck_assert(!sr_flag(session, back, CKA_LOCAL));
	ck_assert(!sr_flag(session, back, CKA_ALWAYS_SENSITIVE));
	ck_assert(!sr_flag(session, back, CKA_NEVER_EXTRACTABLE));
	ck_assert_rv(sr_value(session, back), CKR_ATTRIBUTE_SENSITIVE);
}
END_TEST

START_TEST(unwrapped_with_rights_to_wrap)
{
	static const CK_ATTRIBUTE leaves[] = { YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT) };
	static const CK_ATTRIBUTE wraps[] = { YES(CKA_WRAP) }, unwraps[] = { YES(CKA_UNWRAP) };
	CK_OBJECT_HANDLE wrapping = wrapping_key(), key, back;
	ck_assert_rv(make_aes(leaves, 2, &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_OK);
	ck_assert_rv(unwrap(wrapping, wraps, 1, &back), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(wrapping, unwraps, 1, &back), CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

/* The same material again, as a key of the vault with rights that the first has not. */
START_TEST(re_imported_with_other_rights)
{
	CK_ATTRIBUTE made[] = { SR_ATTR(CKA_VALUE_LEN, key_len), YES(CKA_TOKEN), SR_TEXT(CKA_LABEL, "attacks/first"),
		YES(CKA_EXTRACTABLE), YES(CKA_SIGN), YES(CKA_VERIFY) };
	CK_ATTRIBUTE again[] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, aes_type), YES(CKA_TOKEN),
		SR_TEXT(CKA_LABEL, "attacks/second"), YES(CKA_DECRYPT) };
	CK_OBJECT_HANDLE wrapping = wrapping_key(), key, back;
	ck_assert_rv(p11->C_GenerateKey(session, &generate_aes, made, SR_COUNT(made), &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_OK);
	ck_assert_rv(
		p11->C_UnwrapKey(session, &key_wrap, wrapping, wrapped, wrapped_len, again, SR_COUNT(again), &back),
		CKR_TEMPLATE_INCONSISTENT);
	again[4].type = CKA_SIGN;
	ck_assert_rv(
		p11->C_UnwrapKey(session, &key_wrap, wrapping, wrapped, wrapped_len, again, SR_COUNT(again), &back),
		CKR_OK);
	ck_assert_uint_eq(sr_events("key.wrapped", "allowed", "attacks/first"), 1);
	ck_assert_uint_eq(sr_events("key.unwrapped", "allowed", "attacks/second"), 1);
	ck_assert_uint_eq(sr_events("key.unwrapped", "denied", "attacks/second"), 1);
}
END_TEST

/* What pkcs11-tool --derive asks for: all rights on a session key that it can read. Such a key wraps no secret of the
 * vault, and the rights go no further. */
START_TEST(derived_with_every_right)
{
	CK_BYTE point[128];
	CK_ULONG point_len = sizeof point;
	CK_OBJECT_HANDLE base, peer, public, derived, copy, key;
	ck_assert_rv(sr_pair(session, SR_P256, NULL, &public, &base), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_P256, NULL, &public, &peer), CKR_OK);
	ck_assert_rv(sr_get(session, public, CKA_EC_POINT, point, &point_len), CKR_OK);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, point_len, point };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof params };
	CK_ATTRIBUTE wanted[] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, aes_type),
		SR_ATTR(CKA_VALUE_LEN, key_len), YES(CKA_ENCRYPT), YES(CKA_DECRYPT), YES(CKA_WRAP), YES(CKA_UNWRAP),
		YES(CKA_EXTRACTABLE), NO(CKA_SENSITIVE), NO(CKA_TOKEN) };
	CK_ATTRIBUTE *extractable = wanted + 7, *sensitive = wanted + 8, *token = wanted + 9;
	ck_assert_rv(p11->C_DeriveKey(session, &ecdh, base, wanted, SR_COUNT(wanted), &derived), CKR_OK);
	ck_assert_rv(sr_value(session, derived), CKR_OK);
	ck_assert_rv(p11->C_CopyObject(session, derived,
			     (CK_ATTRIBUTE[]){ YES(CKA_TOKEN), SR_TEXT(CKA_LABEL, "attacks/derived") }, 2, &copy),
		CKR_TEMPLATE_INCONSISTENT);
	CK_ATTRIBUTE leaves[] = { SR_ATTR(CKA_VALUE_LEN, key_len), YES(CKA_TOKEN), SR_TEXT(CKA_LABEL, "attacks/leaves"),
		YES(CKA_EXTRACTABLE) };
	ck_assert_rv(p11->C_GenerateKey(session, &generate_aes, leaves, SR_COUNT(leaves), &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, derived, key, wrapped, &wrapped_len), CKR_KEY_NOT_WRAPPABLE);

	sensitive->pValue = &sr_yes;
	ck_assert_rv(p11->C_DeriveKey(session, &ecdh, base, wanted, SR_COUNT(wanted), &key), CKR_TEMPLATE_INCONSISTENT);
	sensitive->pValue = &sr_no;
	extractable->pValue = &sr_no;
	ck_assert_rv(p11->C_DeriveKey(session, &ecdh, base, wanted, SR_COUNT(wanted), &key), CKR_TEMPLATE_INCONSISTENT);
	extractable->pValue = &sr_yes;
	token->pValue = &sr_yes;
	ck_assert_rv(p11->C_DeriveKey(session, &ecdh, base, wanted, SR_COUNT(wanted), &key), CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

START_TEST(a_changed_wrapped_key_does_not_open)
{
	static const CK_ATTRIBUTE leaves[] = { YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT) };
	CK_OBJECT_HANDLE wrapping = wrapping_key(), key, back;
	ck_assert_rv(make_aes(leaves, 2, &key), CKR_OK);
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, wrapping, key, wrapped, &wrapped_len), CKR_OK);
	wrapped[7] ^= 1;
	ck_assert_rv(unwrap(wrapping, leaves, 0, &back), CKR_WRAPPED_KEY_INVALID);
	wrapped_len--;
	ck_assert_rv_in(unwrap(wrapping, leaves, 0, &back), CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID);
}
END_TEST

/* -- oracles ------------------------------------------------------------------------------------------------------ */

/* Bleichenbacher: the code tells nothing of the padding, and the same cipher text gives the same bytes. */
START_TEST(rsa_padding_is_not_told)
{
	CK_MECHANISM raw = { CKM_RSA_X_509, NULL, 0 }, pkcs = { CKM_RSA_PKCS, NULL, 0 };
	CK_OBJECT_HANDLE public, private;
	CK_BYTE block[256] = { 0, 2 }, cipher[256], one[256], two[256];
	CK_ULONG len = sizeof cipher, one_len = sizeof one, two_len = sizeof two;
	memset(block + 2, 0x55, sizeof block - 2); /* no zero byte ever comes: not a padding */
	ck_assert_rv(sr_pair(session, SR_RSA, NULL, &public, &private), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &raw, public), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, block, sizeof block, cipher, &len), CKR_OK);
	ck_assert_rv(p11->C_DecryptInit(session, &pkcs, private), CKR_OK);
	ck_assert_rv(p11->C_Decrypt(session, cipher, len, one, &one_len), CKR_OK);
	ck_assert_rv(p11->C_DecryptInit(session, &pkcs, private), CKR_OK);
	ck_assert_rv(p11->C_Decrypt(session, cipher, len, two, &two_len), CKR_OK);
	ck_assert_uint_eq(one_len, two_len);
	ck_assert_uint_le(one_len, 245);
	ck_assert_mem_eq(one, two, one_len);
	ck_assert_rv(p11->C_DecryptInit(session, &pkcs, private), CKR_OK);
	ck_assert_rv(p11->C_Decrypt(session, cipher, 255, one, &one_len), CKR_ENCRYPTED_DATA_LEN_RANGE);
}
END_TEST

/* Vaudenay: every cipher text that does not decrypt has the one code. */
START_TEST(cbc_padding_has_one_code)
{
	CK_BYTE iv[16] = { 0 }, cipher[32], plain[64];
	CK_MECHANISM pad = { CKM_AES_CBC_PAD, iv, sizeof iv };
	CK_OBJECT_HANDLE key;
	CK_ULONG len = sizeof cipher, plain_len;
	int refused = 0;
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &pad, key), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, iv, 16, cipher, &len), CKR_OK);
	for (int i = 0; i < 64; i++) {
		cipher[15] ^= (CK_BYTE)i;
		plain_len = sizeof plain;
		ck_assert_rv(p11->C_DecryptInit(session, &pad, key), CKR_OK);
		CK_RV rv = p11->C_Decrypt(session, cipher, 32, plain, &plain_len);
		ck_assert(rv == CKR_OK || rv == CKR_ENCRYPTED_DATA_INVALID);
		refused += rv != CKR_OK;
		cipher[15] ^= (CK_BYTE)i;
	}
	ck_assert_int_gt(refused, 0);
}
END_TEST

static const CK_MECHANISM_TYPE no_unwrap[] = { CKM_RSA_PKCS, CKM_AES_CBC_PAD };

START_TEST(no_oracle_to_unwrap_by)
{
	CK_MECHANISM_INFO info;
	ck_assert_rv(p11->C_GetMechanismInfo(sr_slot(SR_VAULT), no_unwrap[_i], &info), CKR_OK);
	ck_assert_uint_eq(info.flags & CKF_UNWRAP, 0);
}
END_TEST

START_TEST(no_digest_of_a_key)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_OBJECT_HANDLE key;
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_DigestKey(session, key), CKR_KEY_INDIGESTIBLE);
}
END_TEST

START_TEST(off_is_off)
{
	static const CK_MECHANISM_TYPE off[] = { CKM_MD5, CKM_MD5_HMAC, CKM_MD5_RSA_PKCS, CKM_DES3_CBC, CKM_DES_ECB,
		CKM_DES3_KEY_GEN, CKM_SHA1_RSA_PKCS };
	CK_MECHANISM_INFO info;
	for (size_t i = 0; i < SR_COUNT(off); i++)
		ck_assert_rv(p11->C_GetMechanismInfo(sr_slot(SR_VAULT), off[i], &info), CKR_MECHANISM_INVALID);
	CK_MECHANISM md5 = { CKM_MD5, NULL, 0 };
	ck_assert_rv(p11->C_DigestInit(session, &md5), CKR_MECHANISM_INVALID);
}
END_TEST

Suite *sr_battery_key_attacks(void)
{
	Suite *suite = suite_create("battery: key attacks");
	TCase *tcase = sr_chapter(suite, "rights", start, sr_stop);
	tcase_add_loop_test(tcase, rights_that_do_not_go_together, 0, SR_COUNT(conflicts));
	tcase_add_test(tcase, an_rsa_key_that_would_decrypt_and_unwrap);
	tcase = sr_chapter(suite, "wrapping", start, sr_stop);
	tcase_add_test(tcase, what_is_not_extractable_stays);
	tcase_add_test(tcase, unwrapped_as_readable);
	tcase_add_test(tcase, unwrapped_with_rights_to_wrap);
	tcase_add_test(tcase, re_imported_with_other_rights);
	tcase_add_test(tcase, derived_with_every_right);
	tcase_add_test(tcase, a_changed_wrapped_key_does_not_open);
	tcase = sr_chapter(suite, "oracles", start, sr_stop);
	tcase_add_test(tcase, rsa_padding_is_not_told);
	tcase_add_test(tcase, cbc_padding_has_one_code);
	tcase_add_loop_test(tcase, no_oracle_to_unwrap_by, 0, SR_COUNT(no_unwrap));
	tcase_add_test(tcase, no_digest_of_a_key);
	tcase_add_test(tcase, off_is_off);
	return suite;
}
