/* A path that is frozen, as programs meet it: no value, no signature, no token, until it is released. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

#define KEY "production/signing"

static CK_OBJECT_CLASS freeze_class = CKO_SR_FREEZE;
static CK_OBJECT_HANDLE freeze;

static CK_RV freeze_path(CK_SESSION_HANDLE session, const char *path)
{
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, freeze_class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_STRING(CKA_SR_PATH, path), SR_TEXT(CKA_SR_REASON, "it was in a log") };
	return p11->C_CreateObject(session, template, SR_COUNT(template), &freeze);
}

static CK_RV release(CK_SESSION_HANDLE session)
{
	CK_ATTRIBUTE changes[] = { SR_TEXT(CKA_SR_STATE, "released"), SR_TEXT(CKA_SR_REASON, "it was none") };
	return p11->C_SetAttributeValue(session, freeze, changes, SR_COUNT(changes));
}

START_TEST(a_value)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE secret = sr_find(session, SR_STRIPE);
	ck_assert_rv(sr_value(session, secret), CKR_OK);
	ck_assert_rv(freeze_path(sr_admin(), SR_STRIPE), CKR_OK);
	sr_is(sr_admin(), freeze, CKA_SR_STATE, "frozen");
	sr_is(sr_admin(), freeze, CKA_SR_REASON, "it was in a log");
	ck_assert_rv(sr_value(session, secret), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_FROZEN);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0); /* it is there, and has its other attributes */
	ck_assert_rv(sr_value(session, sr_find(session, SR_PAYPAL)), CKR_OK);
	ck_assert_uint_ge(sr_events("secret.read", "denied", SR_STRIPE), 1);
	CK_OBJECT_HANDLE there = freeze;
	ck_assert_rv(freeze_path(sr_admin(), SR_STRIPE), CKR_TEMPLATE_INCONSISTENT);
	freeze = there;
	ck_assert_rv(p11->C_DestroyObject(sr_admin(), freeze), CKR_ACTION_PROHIBITED);
	ck_assert_rv(release(sr_admin()), CKR_OK);
	ck_assert_rv(sr_value(session, secret), CKR_OK);
	ck_assert_rv(release(sr_admin()), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(a_token)
{
	char token[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE handle;
	ck_assert_rv(freeze_path(sr_admin(), SR_STRIPE), CKR_OK);
	ck_assert_rv(sr_issue(sr_admin(), "secrets:read:production/*", "60", NULL, token, &handle),
		CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_uint_eq(sr_device_error(sr_admin()), SR_REASON_FROZEN);
	ck_assert_rv(sr_issue(sr_admin(), "secrets:read:staging/*", "60", NULL, token, &handle), CKR_OK);
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(sr_put(session, SR_STRIPE, "mine", &handle), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_rv(freeze_path(session, SR_PAYPAL), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_rv(release(session), CKR_OBJECT_HANDLE_INVALID);
	/* the handle is the admin's */
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, freeze_class) };
	ck_assert_uint_eq(sr_find_all(session, query, 1, NULL, 0), 0);
	ck_assert_uint_eq(sr_find_all(sr_admin(), query, 1, &freeze, 1), 1);
	ck_assert_rv(release(sr_admin()), CKR_OK);
	ck_assert_rv(sr_issue(sr_admin(), "secrets:read:production/*", "60", NULL, token, &handle), CKR_OK);
}
END_TEST

/* One that was begun before ends; none begins; what was signed is verified. */
START_TEST(a_signature)
{
	static const CK_BYTE digest[32] = { 1 };
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_BYTE signature[128];
	CK_ULONG len = sizeof signature, more = sizeof signature;
	CK_OBJECT_HANDLE public, private;
	char token[SR_TOKEN_LEN + 1];
	ck_assert_rv(sr_pair(sr_admin(), SR_P256, KEY, &public, &private), CKR_OK);
	sr_token("keys:*:production/*", "600", NULL, token);
	CK_SESSION_HANDLE session = sr_as(token);
	private = sr_key(session, CKO_PRIVATE_KEY, KEY);
	public = sr_key(session, CKO_PUBLIC_KEY, KEY);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, private, digest, sizeof digest, signature, &len), CKR_OK);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, private), CKR_OK);
	ck_assert_rv(freeze_path(sr_admin(), KEY), CKR_OK);
	CK_BYTE late[128] = { 0 };
	ck_assert_rv(p11->C_Sign(session, (CK_BYTE *)digest, sizeof digest, late, &more), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_FROZEN);
	for (size_t i = 0; i < sizeof late; i++)
		ck_assert_uint_eq(late[i], 0);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, private), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_FROZEN);
	ck_assert_rv(sr_verify(session, CKM_ECDSA, public, digest, sizeof digest, signature, len), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(session, private), CKR_ACTION_PROHIBITED);
	ck_assert_rv(release(sr_admin()), CKR_OK);
	ck_assert_rv(sr_sign(session, CKM_ECDSA, private, digest, sizeof digest, signature, &len), CKR_OK);
}
END_TEST

Suite *sr_battery_frozen(void)
{
	Suite *suite = suite_create("battery: frozen");
	TCase *c = sr_chapter(suite, "frozen", sr_start, sr_stop);
	tcase_add_test(c, a_value);
	tcase_add_test(c, a_token);
	tcase_add_test(c, a_signature);
	return suite;
}
