/* A token gets no more of a key by another call than its scope names: not by a copy, not by wrapping and unwrapping,
 * not by the raw operation, not by another token in the same slot. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_SESSION_HANDLE admin;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;
static CK_ULONG key_len = 32;
static CK_MECHANISM generate_aes = { CKM_AES_KEY_GEN, NULL, 0 }, key_wrap = { CKM_AES_KEY_WRAP, NULL, 0 },
		    raw = { CKM_RSA_X_509, NULL, 0 }, pkcs = { CKM_RSA_PKCS, NULL, 0 };

#define YES(type)                \
	{                        \
		type, &sr_yes, 1 \
	}
#define NO(type)                \
	{                       \
		type, &sr_no, 1 \
	}

static void start(void)
{
	sr_start();
	admin = sr_admin();
}

static CK_SESSION_HANDLE as(const char *scopes, const char *uses)
{
	char token[SR_TOKEN_LEN + 1];
	sr_token(scopes, "3600", uses, token);
	return sr_as(token);
}

static CK_OBJECT_HANDLE make_aes(const char *path, const CK_ATTRIBUTE *extra, CK_ULONG count)
{
	CK_ATTRIBUTE template[12] = { SR_ATTR(CKA_VALUE_LEN, key_len), YES(CKA_TOKEN), SR_STRING(CKA_LABEL, path) };
	CK_OBJECT_HANDLE key = 0;
	memcpy(template + 3, extra, count * sizeof *extra);
	ck_assert_rv(p11->C_GenerateKey(admin, &generate_aes, template, 3 + count, &key), CKR_OK);
	return key;
}

/* -- raw RSA --------------------------------------------------------------------------------------------------------
 */

/* A raw signature of a ciphertext is its plain text, a raw decryption of a padded digest is a signature. */
START_TEST(raw_rsa_takes_both_rights)
{
	static const char *const scopes[] = { "keys:sign:scope/raw", "keys:decrypt:scope/raw" };
	CK_OBJECT_HANDLE public, private;
	if (!sr_key(admin, CKO_PRIVATE_KEY, "scope/raw"))
		ck_assert_rv(sr_pair(admin, SR_RSA, "scope/raw", &public, &private), CKR_OK);
	CK_SESSION_HANDLE session = as(scopes[_i], NULL);
	private = sr_key(session, CKO_PRIVATE_KEY, "scope/raw");
	ck_assert_uint_ne(private, 0);
	ck_assert_rv(p11->C_SignInit(session, &pkcs, private), _i ? CKR_KEY_FUNCTION_NOT_PERMITTED : CKR_OK);
	ck_assert_rv(p11->C_DecryptInit(session, &pkcs, private), _i ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_rv(p11->C_SessionCancel(session, CKF_SIGN | CKF_DECRYPT), CKR_OK);
	CK_ULONG denied = sr_events("key.used", "denied", "scope/raw");
	ck_assert_rv(p11->C_SignInit(session, &raw, private), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_rv(p11->C_DecryptInit(session, &raw, private), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_uint_eq(sr_events("key.used", "denied", "scope/raw"), denied + 2);
}
END_TEST

START_TEST(raw_rsa_with_both_rights)
{
	CK_BYTE block[256] = { 0, 1, 2 }, out[256];
	CK_ULONG len = sizeof out;
	CK_OBJECT_HANDLE public, private;
	CK_SESSION_HANDLE session = as("keys:sign:scope/both\nkeys:decrypt:scope/both", NULL);
	ck_assert_rv(sr_pair(admin, SR_RSA, "scope/both", &public, &private), CKR_OK);
	private = sr_key(session, CKO_PRIVATE_KEY, "scope/both");
	ck_assert_rv(sr_sign(session, CKM_RSA_X_509, private, block, sizeof block, out, &len), CKR_OK);
	/* a key that signs only, in the session too */
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ULONG bits = 2048;
	CK_ATTRIBUTE public_template[] = { SR_ATTR(CKA_MODULUS_BITS, bits) }, signs[] = { YES(CKA_SIGN) };
	ck_assert_rv(
		p11->C_GenerateKeyPair(session, &generate, public_template, 1, signs, 1, &public, &private), CKR_OK);
	ck_assert_rv(p11->C_SignInit(session, &raw, private), CKR_KEY_FUNCTION_NOT_PERMITTED);
}
END_TEST

/* -- copies ---------------------------------------------------------------------------------------------------------
 */

/* keys:create over there, every right here: the copy has none that its maker has not over there. */
START_TEST(a_copy_brings_no_right)
{
	static const CK_ATTRIBUTE rights[] = { YES(CKA_ENCRYPT), YES(CKA_DECRYPT), YES(CKA_EXTRACTABLE) };
	make_aes("scope/theirs/key", rights, 3);
	CK_SESSION_HANDLE session =
		as("keys:create:scope/theirs/*\nkeys:encrypt:scope/theirs/*\nkeys:*:scope/mine/*", NULL);
	CK_OBJECT_HANDLE key = sr_key(session, CKO_SECRET_KEY, "scope/theirs/key"), copy;
	CK_ATTRIBUTE mine[] = { SR_TEXT(CKA_LABEL, "scope/mine/copy"), YES(CKA_DECRYPT) };
	ck_assert_rv(p11->C_CopyObject(session, key, mine, 2, &copy), CKR_ATTRIBUTE_READ_ONLY);
	mine[1].type = CKA_EXTRACTABLE;
	ck_assert_rv(p11->C_CopyObject(session, key, mine, 2, &copy), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv(p11->C_CopyObject(session, key, mine, 1, &copy), CKR_OK);
	ck_assert(sr_flag(session, copy, CKA_ENCRYPT));
	ck_assert(!sr_flag(session, copy, CKA_DECRYPT));
	ck_assert(!sr_flag(session, copy, CKA_EXTRACTABLE));
	/* nor did the row get what the session only does not see */
	copy = sr_key(admin, CKO_SECRET_KEY, "scope/mine/copy");
	ck_assert(!sr_flag(admin, copy, CKA_DECRYPT));
	ck_assert(!sr_flag(admin, copy, CKA_EXTRACTABLE));
}
END_TEST

/* -- out and in again -----------------------------------------------------------------------------------------------
 */

static CK_RV unwrap(CK_SESSION_HANDLE session, CK_BYTE *wrapped, CK_ULONG len, const char *path,
	const CK_ATTRIBUTE *extra, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	CK_ATTRIBUTE template[12] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, aes_type),
		{ CKA_TOKEN, path ? &sr_yes : &sr_no, 1 }, { CKA_LABEL, (void *)path, path ? strlen(path) : 0 } };
	memcpy(template + 4, extra, count * sizeof *extra);
	CK_OBJECT_HANDLE with = sr_key(session, CKO_SECRET_KEY, "scope/wrapping");
	return p11->C_UnwrapKey(session, &key_wrap, with, wrapped, len, template, 4 + count, key);
}

START_TEST(out_and_in_again_brings_no_right)
{
	static CK_MECHANISM_TYPE cbc = CKM_AES_CBC, ecb = CKM_AES_ECB;
	static const CK_ATTRIBUTE wraps[] = { YES(CKA_WRAP), YES(CKA_UNWRAP) }, encrypts[] = { YES(CKA_ENCRYPT) },
				  listed[] = { YES(CKA_ENCRYPT), SR_ATTR(CKA_ALLOWED_MECHANISMS, cbc) },
				  unlisted[] = { YES(CKA_ENCRYPT), SR_ATTR(CKA_ALLOWED_MECHANISMS, ecb) };
	CK_ATTRIBUTE leaves[] = { YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT), SR_ATTR(CKA_ALLOWED_MECHANISMS, cbc) };
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	CK_OBJECT_HANDLE key;
	make_aes("scope/wrapping", wraps, 2);
	make_aes("scope/theirs/leaves", leaves, 3);
	/* to wrap it is not to encrypt with it */
	CK_SESSION_HANDLE session = as("keys:wrap:scope/*\nkeys:unwrap:scope/wrapping\nkeys:*:scope/mine/*", "20");
	key = sr_key(session, CKO_SECRET_KEY, "scope/theirs/leaves");
	CK_OBJECT_HANDLE with = sr_key(session, CKO_SECRET_KEY, "scope/wrapping");
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, with, key, out, &len), CKR_OK);
	ck_assert_rv(unwrap(session, out, len, NULL, listed, 2, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(session, out, len, "scope/mine/1", listed, 2, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	/* who may encrypt with it may, at a path, with the mechanisms that it has */
	session = as("keys:encrypt:scope/theirs/*\nkeys:unwrap:scope/wrapping\nkeys:*:scope/mine/*", "20");
	ck_assert_rv(unwrap(session, out, len, NULL, listed, 2, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(session, out, len, "scope/mine/1", encrypts, 1, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(session, out, len, "scope/mine/1", unlisted, 2, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(unwrap(session, out, len, "scope/mine/1", listed, 2, &key), CKR_OK);
}
END_TEST

/* -- derived --------------------------------------------------------------------------------------------------------
 */

/* Short keys are guessed one byte after the other. */
START_TEST(nothing_short_is_derived)
{
	static const CK_ATTRIBUTE derives[] = { YES(CKA_DERIVE) };
	CK_BYTE block[32] = { 0 };
	CK_KEY_DERIVATION_STRING_DATA params = { block, sizeof block };
	CK_MECHANISM ecb = { CKM_AES_ECB_ENCRYPT_DATA, &params, sizeof params };
	CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
	CK_ULONG len = 15;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, generic),
		SR_ATTR(CKA_VALUE_LEN, len), NO(CKA_TOKEN), YES(CKA_SIGN) };
	CK_OBJECT_HANDLE base = make_aes("scope/base", derives, 1), key;
	ck_assert_rv(
		p11->C_DeriveKey(admin, &ecb, base, template, SR_COUNT(template), &key), CKR_ATTRIBUTE_VALUE_INVALID);
	len = 16;
	ck_assert_rv(p11->C_DeriveKey(admin, &ecb, base, template, SR_COUNT(template), &key), CKR_OK);
}
END_TEST

/* C_DeriveKey has no operation that C_Login(CKU_CONTEXT_SPECIFIC) could be for. */
START_TEST(a_key_that_asks_each_time_does_not_derive)
{
	static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	CK_MECHANISM generate = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_template[] = { { CKA_EC_PARAMS, (void *)p256, sizeof p256 } };
	CK_ATTRIBUTE asks[] = { YES(CKA_ALWAYS_AUTHENTICATE), YES(CKA_DERIVE) };
	CK_BYTE point[128];
	CK_ULONG len = sizeof point;
	CK_OBJECT_HANDLE public, private, key;
	ck_assert_rv(p11->C_GenerateKeyPair(admin, &generate, public_template, 1, asks, 2, &public, &private), CKR_OK);
	ck_assert_rv(sr_get(admin, public, CKA_EC_POINT, point, &len), CKR_OK);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, len, point };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof params };
	CK_ATTRIBUTE template[] = { NO(CKA_TOKEN) };
	ck_assert_rv(p11->C_DeriveKey(admin, &ecdh, private, template, 1, &key), CKR_KEY_FUNCTION_NOT_PERMITTED);
}
END_TEST

/* -- another token --------------------------------------------------------------------------------------------------
 */

/* An operation that one token began is not ended by another that may not do it. */
START_TEST(a_token_that_took_the_place_of_another)
{
	char narrow[SR_TOKEN_LEN + 1], wide[SR_TOKEN_LEN + 1];
	CK_BYTE digest[32] = { 0 }, signature[128];
	CK_ULONG len = sizeof signature;
	CK_OBJECT_HANDLE public, private;
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	ck_assert_rv(sr_pair(admin, SR_P256, "scope/slot", &public, &private), CKR_OK);
	sr_token("keys:sign:scope/slot", "3600", NULL, wide);
	sr_token("keys:list:scope/slot", "3600", NULL, narrow);
	sr_place_write(sr_place.first, wide);
	CK_SESSION_HANDLE session = sr_open("first", CKF_RW_SESSION);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
	private = sr_key(session, CKO_PRIVATE_KEY, "scope/slot");
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, private), CKR_OK);
	sr_place_write(sr_place.first, narrow);
	ck_assert_rv(p11->C_Sign(session, digest, sizeof digest, signature, &len), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(sr_events("key.used", "denied", "scope/slot"), 1);
	ck_assert_uint_eq(sr_events("key.used", "allowed", "scope/slot"), 0);
}
END_TEST

Suite *sr_battery_key_scope(void)
{
	Suite *suite = suite_create("battery: key scope");
	TCase *tcase = sr_chapter(suite, "scope", start, sr_stop);
	tcase_add_loop_test(tcase, raw_rsa_takes_both_rights, 0, 2);
	tcase_add_test(tcase, raw_rsa_with_both_rights);
	tcase_add_test(tcase, a_copy_brings_no_right);
	tcase_add_test(tcase, out_and_in_again_brings_no_right);
	tcase_add_test(tcase, nothing_short_is_derived);
	tcase_add_test(tcase, a_key_that_asks_each_time_does_not_derive);
	tcase_add_test(tcase, a_token_that_took_the_place_of_another);
	return suite;
}
