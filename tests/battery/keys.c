/* Keys as objects: PKCS#11 v3.1, 4.7 to 4.10 and 5.18.1, 5.18.2: made, seen, changed, copied, destroyed, and what a
 * token's scope lets each session see. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <string.h>

static const CK_BYTE data[32] = "thirty-two bytes to be signed...";

/* -- made and seen ------------------------------------------------------------------------------------------------ */

START_TEST(a_pair_is_two_objects_of_one_path)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE public, private;
	CK_BYTE id[64], other[64];
	CK_ULONG len = sizeof id, other_len = sizeof other;
	ck_assert_rv(sr_pair(session, SR_P256, "keys/made/pair", &public, &private), CKR_OK);
	ck_assert_uint_eq(sr_key(session, CKO_PUBLIC_KEY, "keys/made/pair"), public);
	ck_assert_uint_eq(sr_key(session, CKO_PRIVATE_KEY, "keys/made/pair"), private);
	ck_assert_rv(sr_get(session, public, CKA_ID, id, &len), CKR_OK);
	ck_assert_rv(sr_get(session, private, CKA_ID, other, &other_len), CKR_OK);
	ck_assert_uint_eq(len, 20);
	ck_assert_uint_eq(other_len, len);
	ck_assert_mem_eq(id, other, len);
	CK_ATTRIBUTE by_id[] = { { CKA_ID, id, len } };
	ck_assert_uint_eq(sr_find_all(session, by_id, 1, NULL, 0), 2);
	ck_assert_uint_eq(sr_events("key.generated", "allowed", "keys/made/pair"), 1);
}
END_TEST

/* 4.9, 4.10, 4.7: what a key that was made here says of itself. */
START_TEST(what_a_generated_key_says)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		CK_BBOOL value;
	} flags[] = { { CKA_TOKEN, CK_TRUE }, { CKA_PRIVATE, CK_TRUE }, { CKA_SENSITIVE, CK_TRUE },
		{ CKA_EXTRACTABLE, CK_FALSE }, { CKA_ALWAYS_SENSITIVE, CK_TRUE }, { CKA_NEVER_EXTRACTABLE, CK_TRUE },
		{ CKA_LOCAL, CK_TRUE }, { CKA_SIGN, CK_TRUE }, { CKA_UNWRAP, CK_FALSE },
		{ CKA_ALWAYS_AUTHENTICATE, CK_FALSE }, { CKA_WRAP_WITH_TRUSTED, CK_FALSE } };
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE public, private;
	ck_assert_rv(sr_pair(session, SR_RSA, "keys/made/says", &public, &private), CKR_OK);
	for (size_t i = 0; i < SR_COUNT(flags); i++)
		ck_assert_msg(sr_flag(session, private, flags[i].type) == flags[i].value, "0x%lx", flags[i].type);
	ck_assert_uint_eq(sr_number(session, private, CKA_KEY_TYPE), CKK_RSA);
	ck_assert_uint_eq(sr_number(session, private, CKA_KEY_GEN_MECHANISM), CKM_RSA_PKCS_KEY_PAIR_GEN);
	ck_assert_uint_eq(sr_number(session, public, CKA_MODULUS_BITS), 2048);
	ck_assert(sr_flag(session, public, CKA_VERIFY));
	ck_assert(!sr_flag(session, public, CKA_PRIVATE));
}
END_TEST

static const CK_ATTRIBUTE_TYPE secrets[] = { CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1,
	CKA_EXPONENT_2, CKA_COEFFICIENT };

START_TEST(no_component_of_a_sensitive_key_is_told)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE public, rsa, ec, aes;
	CK_BYTE buffer[1024];
	ck_assert_rv(sr_pair(session, SR_RSA, "keys/quiet/rsa", &public, &rsa), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/quiet/ec", &public, &ec), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_AES, "keys/quiet/aes", &aes), CKR_OK);
	for (size_t i = 1; i < SR_COUNT(secrets); i++) {
		CK_ULONG len = sizeof buffer;
		ck_assert_rv(sr_get(session, rsa, secrets[i], buffer, &len), CKR_ATTRIBUTE_SENSITIVE);
		ck_assert_uint_eq(len, CK_UNAVAILABLE_INFORMATION);
	}
	ck_assert_rv(sr_value(session, ec), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_rv(sr_value(session, aes), CKR_ATTRIBUTE_SENSITIVE);
	CK_ATTRIBUTE guess[] = { { CKA_VALUE, buffer, 32 } };
	ck_assert_uint_eq(sr_find_all(session, guess, 1, NULL, 0), 0);
}
END_TEST

/* -- one-way ------------------------------------------------------------------------------------------------------ */

static CK_RV set_flag(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
	CK_ATTRIBUTE change = { type, &value, sizeof value };
	return p11->C_SetAttributeValue(session, object, &change, 1);
}

START_TEST(sensitive_and_unextractable_are_for_good)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE key;
	ck_assert_rv(sr_secret_key(session, SR_AES, "keys/one-way", &key), CKR_OK);
	ck_assert_rv(set_flag(session, key, CKA_SENSITIVE, CK_FALSE), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv(set_flag(session, key, CKA_EXTRACTABLE, CK_TRUE), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv(set_flag(session, key, CKA_TRUSTED, CK_TRUE), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert(sr_flag(session, key, CKA_SENSITIVE));
	ck_assert(!sr_flag(session, key, CKA_EXTRACTABLE));
}
END_TEST

START_TEST(what_cannot_be_given)
{
	static const CK_ATTRIBUTE_TYPE never[] = { CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE };
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_MECHANISM mechanism = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ULONG len = 32;
	CK_OBJECT_HANDLE key = 0;
	for (size_t i = 0; i < SR_COUNT(never); i++) {
		CK_ATTRIBUTE template[] = { SR_ATTR(CKA_VALUE_LEN, len), { never[i], &sr_yes, 1 } };
		ck_assert_rv_in(p11->C_GenerateKey(session, &mechanism, template, 2, &key), CKR_ATTRIBUTE_READ_ONLY,
			CKR_TEMPLATE_INCONSISTENT);
	}
	CK_ATTRIBUTE value[] = { SR_ATTR(CKA_VALUE_LEN, len), SR_TEXT(CKA_VALUE, "0123456789abcdef") };
	ck_assert_rv_in(p11->C_GenerateKey(session, &mechanism, value, 2, &key), CKR_ATTRIBUTE_READ_ONLY,
		CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_GenerateKey(session, &mechanism, value, 0, &key), CKR_TEMPLATE_INCOMPLETE);
	len = 17;
	ck_assert_rv_in(p11->C_GenerateKey(session, &mechanism, value, 1, &key), CKR_KEY_SIZE_RANGE,
		CKR_ATTRIBUTE_VALUE_INVALID);
}
END_TEST

/* -- paths -------------------------------------------------------------------------------------------------------- */

START_TEST(a_path_is_taken_once)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE public, private, key, object;
	ck_assert_rv(sr_pair(session, SR_P256, "keys/taken", &public, &private), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/taken", &key, &object), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(sr_secret_key(session, SR_AES, "keys/taken", &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(sr_put(session, "keys/taken", "value", &object), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(sr_secret_key(session, SR_AES, SR_STRIPE, &key), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_DestroyObject(session, private), CKR_OK);
	ck_assert_uint_eq(sr_key(session, CKO_PRIVATE_KEY, "keys/taken"), 0);
	ck_assert_rv(p11->C_DestroyObject(session, public), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/taken", &public, &private), CKR_OK);
}
END_TEST

START_TEST(a_key_does_not_move)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, "keys/elsewhere");
	ck_assert_rv(sr_secret_key(session, SR_AES, "keys/still", &key), CKR_OK);
	ck_assert_rv(p11->C_SetAttributeValue(session, key, &label, 1), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_key(session, CKO_SECRET_KEY, "keys/still"), key);
}
END_TEST

/* -- scope -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *action;
	CK_ATTRIBUTE_TYPE right;
	CK_OBJECT_CLASS class;
} actions[] = { { "sign", CKA_SIGN, CKO_PRIVATE_KEY }, { "decrypt", CKA_DECRYPT, CKO_PRIVATE_KEY },
	{ "verify", CKA_VERIFY, CKO_SECRET_KEY }, { "encrypt", CKA_ENCRYPT, CKO_SECRET_KEY },
	{ "sign", CKA_SIGN, CKO_SECRET_KEY }, { "decrypt", CKA_DECRYPT, CKO_SECRET_KEY } };

/* A right reads true in the view of the one token whose scope names it, and in no other. */
START_TEST(a_right_is_what_the_scope_says)
{
	CK_SESSION_HANDLE admin = sr_admin(), session;
	CK_OBJECT_HANDLE public, private, key;
	char token[SR_TOKEN_LEN + 1], scope[64], rsa_path[64], aes_path[64];
	snprintf(rsa_path, sizeof rsa_path, "keys/scope/%d/rsa", _i);
	snprintf(aes_path, sizeof aes_path, "keys/scope/%d/aes", _i);
	snprintf(scope, sizeof scope, "keys:%s:keys/scope/*", actions[_i].action);
	ck_assert_rv(sr_pair(admin, SR_RSA, rsa_path, &public, &private), CKR_OK);
	ck_assert_rv(sr_secret_key(admin, SR_AES, aes_path, &key), CKR_OK);
	sr_token(scope, "600", NULL, token);
	session = sr_as(token);
	for (size_t i = 0; i < SR_COUNT(actions); i++) {
		bool rsa = actions[i].class == CKO_PRIVATE_KEY;
		key = sr_key(session, actions[i].class, rsa ? rsa_path : aes_path);
		ck_assert_uint_ne(key, 0);
		ck_assert_msg(
			sr_flag(session, key, actions[i].right) == (strcmp(actions[i].action, actions[_i].action) == 0),
			"%s, 0x%lx", scope, actions[i].right);
	}
}
END_TEST

START_TEST(what_the_scope_does_not_name_is_refused_and_recorded)
{
	CK_SESSION_HANDLE admin = sr_admin(), session;
	CK_OBJECT_HANDLE public, private;
	CK_MECHANISM sign = { CKM_ECDSA, NULL, 0 };
	CK_ULONG len = 64;
	CK_BYTE signature[64];
	char token[SR_TOKEN_LEN + 1];
	ck_assert_rv(sr_pair(admin, SR_P256, "keys/refused", &public, &private), CKR_OK);
	sr_token("keys:list:keys/refused", "600", NULL, token);
	session = sr_as(token);
	private = sr_key(session, CKO_PRIVATE_KEY, "keys/refused");
	ck_assert_rv(p11->C_SignInit(session, &sign, private), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_rv(p11->C_DestroyObject(session, private), CKR_ACTION_PROHIBITED);
	ck_assert_rv(set_flag(session, private, CKA_SIGN, CK_FALSE), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_events("key.used", "denied", "keys/refused"), 1);
	ck_assert_uint_eq(sr_events("key.deleted", "denied", "keys/refused"), 1);
	/* what anybody who sees the key may do with its public half */
	public = sr_key(session, CKO_PUBLIC_KEY, "keys/refused");
	ck_assert_rv(
		sr_sign(admin, CKM_ECDSA, sr_key(admin, CKO_PRIVATE_KEY, "keys/refused"), data, 32, signature, &len),
		CKR_OK);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, public, data, 32, signature, len), CKR_OK);
}
END_TEST

START_TEST(out_of_scope_there_is_no_key)
{
	CK_SESSION_HANDLE admin = sr_admin(), session;
	CK_OBJECT_HANDLE public, private;
	CK_BYTE id[64];
	CK_ULONG len = sizeof id;
	char token[SR_TOKEN_LEN + 1];
	ck_assert_rv(sr_pair(admin, SR_P256, "keys/hidden/one", &public, &private), CKR_OK);
	ck_assert_rv(sr_get(admin, public, CKA_ID, id, &len), CKR_OK);
	sr_token("keys:*:keys/elsewhere/*", "600", NULL, token);
	session = sr_as(token);
	CK_ATTRIBUTE by_id[] = { { CKA_ID, id, len } };
	ck_assert_uint_eq(sr_find_all(session, by_id, 1, NULL, 0), 0);
	ck_assert_uint_eq(sr_key(session, CKO_PRIVATE_KEY, "keys/hidden/one"), 0);
	ck_assert_uint_eq(sr_key(session, CKO_PUBLIC_KEY, "keys/hidden/one"), 0);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/hidden/two", &public, &private), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/elsewhere/two", &public, &private), CKR_OK);
	ck_assert_uint_eq(sr_events("key.used", "denied", "keys/hidden/one"), 2);
}
END_TEST

/* A use is counted when it is done, not when it is begun or measured. */
START_TEST(uses_are_counted)
{
	CK_SESSION_HANDLE admin = sr_admin(), session;
	CK_OBJECT_HANDLE public, private;
	CK_MECHANISM sign = { CKM_ECDSA, NULL, 0 };
	CK_BYTE signature[64];
	CK_ULONG len = 0;
	char token[SR_TOKEN_LEN + 1];
	ck_assert_rv(sr_pair(admin, SR_P256, "keys/counted", &public, &private), CKR_OK);
	sr_token("keys:sign:keys/counted", "600", "2", token);
	session = sr_as(token);
	private = sr_key(session, CKO_PRIVATE_KEY, "keys/counted");
	for (int i = 0; i < 2; i++) {
		ck_assert_rv(p11->C_SignInit(session, &sign, private), CKR_OK);
		ck_assert_rv(p11->C_Sign(session, (CK_BYTE *)data, 32, NULL, &len), CKR_OK);
		ck_assert_uint_eq(len, 64);
		len = 63;
		ck_assert_rv(p11->C_Sign(session, (CK_BYTE *)data, 32, signature, &len), CKR_BUFFER_TOO_SMALL);
		ck_assert_rv(p11->C_Sign(session, (CK_BYTE *)data, 32, signature, &len), CKR_OK);
	}
	ck_assert_rv(p11->C_SignInit(session, &sign, private), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_events("key.used", "allowed", "keys/counted"), 2);
}
END_TEST

/* -- session objects ---------------------------------------------------------------------------------------------- */

START_TEST(a_session_key_goes_with_its_session)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader), other = sr_rw();
	CK_OBJECT_HANDLE key;
	CK_BYTE buffer[64];
	CK_ULONG len = sizeof buffer;
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	ck_assert_rv(sr_secret_key(other, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_OK); /* any session of the application sees it */
	ck_assert_rv(p11->C_Encrypt(session, (CK_BYTE *)data, 32, buffer, &len), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(other), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* Java does this before it logs in. */
START_TEST(a_public_session_key_needs_no_login)
{
	CK_SESSION_HANDLE admin = sr_admin(), session = sr_rw();
	CK_OBJECT_HANDLE public, private, copy;
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_KEY_TYPE type = CKK_EC;
	CK_BYTE point[128], params[32], signature[64];
	CK_ULONG point_len = sizeof point, params_len = sizeof params, len = sizeof signature;
	ck_assert_rv(sr_pair(admin, SR_P256, "keys/public", &public, &private), CKR_OK);
	ck_assert_rv(sr_get(admin, public, CKA_EC_POINT, point, &point_len), CKR_OK);
	ck_assert_rv(sr_get(admin, public, CKA_EC_PARAMS, params, &params_len), CKR_OK);
	ck_assert_rv(sr_sign(admin, CKM_ECDSA, private, data, 32, signature, &len), CKR_OK);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_KEY_TYPE, type), SR_ATTR(CKA_PRIVATE, sr_no),
		{ CKA_EC_PARAMS, params, params_len }, { CKA_EC_POINT, point, point_len } };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &copy), CKR_OK);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, copy, data, 32, signature, len), CKR_OK);
	signature[5] ^= 1;
	ck_assert_rv(sr_verify(session, CKM_ECDSA, copy, data, 32, signature, len), CKR_SIGNATURE_INVALID);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, copy, data, 32, signature, len - 1), CKR_SIGNATURE_LEN_RANGE);
}
END_TEST

START_TEST(a_read_only_session_makes_session_keys_alone)
{
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE key, other;
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_AES, "keys/read-only", &key), CKR_SESSION_READ_ONLY);
	ck_assert_rv(sr_pair(session, SR_P256, "keys/read-only", &key, &other), CKR_SESSION_READ_ONLY);
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(session, key), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(session, key), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(a_copy_has_no_more_rights)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	CK_OBJECT_HANDLE key, copy;
	CK_ATTRIBUTE opens[] = { SR_ATTR(CKA_SENSITIVE, sr_no), SR_ATTR(CKA_EXTRACTABLE, sr_yes) };
	CK_ATTRIBUTE plain[] = { SR_TEXT(CKA_LABEL, "copy") };
	CK_BYTE buffer[64], other[64];
	CK_ULONG len = sizeof buffer, other_len = sizeof other;
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &key), CKR_OK);
	ck_assert_rv_in(
		p11->C_CopyObject(session, key, opens, 1, &copy), CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv_in(p11->C_CopyObject(session, key, opens + 1, 1, &copy), CKR_ATTRIBUTE_READ_ONLY,
		CKR_TEMPLATE_INCONSISTENT);
	ck_assert_rv(p11->C_CopyObject(session, key, plain, 1, &copy), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, key), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, (CK_BYTE *)data, 32, buffer, &len), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &ecb, copy), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, (CK_BYTE *)data, 32, other, &other_len), CKR_OK);
	ck_assert_mem_eq(buffer, other, 32);
	ck_assert(sr_flag(session, copy, CKA_SENSITIVE));
}
END_TEST

Suite *sr_battery_keys(void)
{
	Suite *suite = suite_create("battery: keys");
	TCase *tcase = sr_chapter(suite, "made", sr_start, sr_stop);
	tcase_add_test(tcase, a_pair_is_two_objects_of_one_path);
	tcase_add_test(tcase, what_a_generated_key_says);
	tcase_add_test(tcase, no_component_of_a_sensitive_key_is_told);
	tcase_add_test(tcase, sensitive_and_unextractable_are_for_good);
	tcase_add_test(tcase, what_cannot_be_given);
	tcase_add_test(tcase, a_path_is_taken_once);
	tcase_add_test(tcase, a_key_does_not_move);
	tcase = sr_chapter(suite, "scope", sr_start, sr_stop);
	tcase_add_loop_test(tcase, a_right_is_what_the_scope_says, 0, 4);
	tcase_add_test(tcase, what_the_scope_does_not_name_is_refused_and_recorded);
	tcase_add_test(tcase, out_of_scope_there_is_no_key);
	tcase_add_test(tcase, uses_are_counted);
	tcase = sr_chapter(suite, "session keys", sr_start, sr_stop);
	tcase_add_test(tcase, a_session_key_goes_with_its_session);
	tcase_add_test(tcase, a_public_session_key_needs_no_login);
	tcase_add_test(tcase, a_read_only_session_makes_session_keys_alone);
	tcase_add_test(tcase, a_copy_has_no_more_rights);
	return suite;
}
