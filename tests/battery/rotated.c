/* A key that is rotated while programs use it: handles stay, what is asked for anew is done with the new key, and what
 * was signed before is verified. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static const CK_BYTE data[32] = { 1 };

static CK_RV rotate(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const char *grace)
{
	CK_ATTRIBUTE change[] = { SR_STRING(CKA_SR_GRACE, grace) };
	return p11->C_SetAttributeValue(session, key, change, 1);
}

/* Of CLASS, in the order that a search gives. */
static void find_two(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *path, CK_OBJECT_HANDLE found[2])
{
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, class), SR_STRING(CKA_LABEL, path) };
	ck_assert_uint_eq(sr_find_all(session, query, SR_COUNT(query), found, 2), 2);
}

START_TEST(handles_stay)
{
	static const char path[] = "production/rotated/handles";
	CK_OBJECT_HANDLE public, private, found[2];
	CK_BYTE old[128], new[128];
	CK_ULONG old_len = sizeof old, new_len = sizeof new;
	CK_SESSION_HANDLE session = sr_admin();
	ck_assert_rv(sr_pair(session, SR_P256, path, &public, &private), CKR_OK);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, private, data, sizeof data, old, &old_len), CKR_OK);
	ck_assert_rv(rotate(session, private, "3600"), CKR_OK);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, private, data, sizeof data, new, &new_len), CKR_OK);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, public, data, sizeof data, new, new_len), CKR_OK);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, public, data, sizeof data, old, old_len), CKR_SIGNATURE_INVALID);
	find_two(session, CKO_PUBLIC_KEY, path, found);
	ck_assert_uint_eq(found[0], public);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, found[1], data, sizeof data, old, old_len), CKR_OK);
	ck_assert(!sr_flag(session, found[1], CKA_MODIFIABLE));
	find_two(session, CKO_PRIVATE_KEY, path, found); /* it derives */
	ck_assert_uint_eq(found[0], private);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, found[1], data, sizeof data, new, &new_len),
		CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_rv(rotate(session, found[1], "0"), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_FORMER_KEY);
	ck_assert_rv(p11->C_DestroyObject(session, found[1]), CKR_OK);
	ck_assert_uint_ge(sr_events("key.rotated", "allowed", path), 1);
	ck_assert_uint_ge(sr_events("key.rotated", "denied", path), 1);
}
END_TEST

/* Begun before the rotation, done after it: one call does it anew; what was given in parts is lost. */
START_TEST(in_the_middle)
{
	static const char path[] = "production/rotated/middle";
	CK_OBJECT_HANDLE public, private, mine;
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 }, hmac = { CKM_SHA256_HMAC, NULL, 0 };
	CK_BYTE signature[128], mac[32];
	CK_ULONG len = sizeof signature, mac_len = sizeof mac;
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN), other = sr_admin();
	ck_assert_rv(sr_pair(other, SR_P256, path, &public, &private), CKR_OK);
	mine = sr_key(session, CKO_PRIVATE_KEY, path);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, mine), CKR_OK);
	ck_assert_rv(rotate(other, private, "0"), CKR_OK);
	ck_assert_rv(p11->C_Sign(session, (CK_BYTE *)data, sizeof data, signature, &len), CKR_OK);
	ck_assert_rv(sr_verify(other, CKM_ECDSA, public, data, sizeof data, signature, len), CKR_OK);
	CK_OBJECT_HANDLE key;
	ck_assert_rv(sr_secret_key(other, SR_HMAC, "production/rotated/middle/mac", &key), CKR_OK);
	mine = sr_key(session, CKO_SECRET_KEY, "production/rotated/middle/mac");
	ck_assert_rv(p11->C_SignInit(session, &hmac, mine), CKR_OK);
	ck_assert_rv(p11->C_SignUpdate(session, (CK_BYTE *)data, sizeof data), CKR_OK);
	ck_assert_rv(rotate(other, key, "3600"), CKR_OK);
	ck_assert_rv(p11->C_SignFinal(session, mac, &mac_len), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_KEY_ROTATED);
	ck_assert_rv(sr_sign(session, CKM_SHA256_HMAC, mine, data, sizeof data, mac, &mac_len), CKR_OK);
}
END_TEST

/* What a former key may do is done to its end, whoever began it before. */
START_TEST(verified_in_the_middle)
{
	static const char path[] = "production/rotated/verified";
	CK_OBJECT_HANDLE public, private, mine;
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_BYTE signature[128];
	CK_ULONG len = sizeof signature;
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN), other = sr_admin();
	ck_assert_rv(sr_pair(other, SR_P256, path, &public, &private), CKR_OK);
	mine = sr_key(session, CKO_PUBLIC_KEY, path);
	ck_assert_rv(sr_sign(other, CKM_ECDSA, private, data, sizeof data, signature, &len), CKR_OK);
	ck_assert_rv(p11->C_VerifyInit(session, &ecdsa, mine), CKR_OK);
	ck_assert_rv(rotate(other, private, "3600"), CKR_OK);
	ck_assert_rv(p11->C_Verify(session, (CK_BYTE *)data, sizeof data, signature, len), CKR_OK);
	ck_assert_rv(p11->C_VerifyInit(session, &ecdsa, mine), CKR_OK);
	ck_assert_rv(rotate(other, private, "0"), CKR_OK);
	ck_assert_rv(p11->C_Verify(session, (CK_BYTE *)data, sizeof data, signature, len), CKR_FUNCTION_CANCELED);
}
END_TEST

START_TEST(refused)
{
	static const char path[] = "production/rotated/refused";
	CK_OBJECT_HANDLE public, private;
	char token[SR_TOKEN_LEN + 1];
	CK_SESSION_HANDLE session = sr_admin();
	ck_assert_rv(sr_pair(session, SR_P256, path, &public, &private), CKR_OK);
	ck_assert_rv(rotate(session, public, "0"), CKR_ACTION_PROHIBITED);
	ck_assert_rv(rotate(session, private, "31536001"), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_rv(rotate(session, private, "soon"), CKR_ATTRIBUTE_VALUE_INVALID);
	CK_ATTRIBUTE both[] = { SR_TEXT(CKA_SR_GRACE, "0"), SR_ATTR(CKA_DERIVE, sr_no) };
	ck_assert_rv(p11->C_SetAttributeValue(session, private, both, 2), CKR_TEMPLATE_INCONSISTENT);
	sr_token("keys:sign:production/*", "600", NULL, token);
	session = sr_as(token);
	private = sr_key(session, CKO_PRIVATE_KEY, path);
	ck_assert_rv(rotate(session, private, "0"), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
}
END_TEST

Suite *sr_battery_rotated(void)
{
	Suite *suite = suite_create("battery: rotated");
	TCase *c = sr_chapter(suite, "rotated", sr_start, sr_stop);
	tcase_add_test(c, handles_stay);
	tcase_add_test(c, in_the_middle);
	tcase_add_test(c, verified_in_the_middle);
	tcase_add_test(c, refused);
	return suite;
}
