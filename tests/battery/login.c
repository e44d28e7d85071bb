/* C_Login, C_LoginUser, C_Logout, C_SetPIN: PKCS#11 v3.1, 5.6.8 to 5.6.10 and 5.5.9, and the codes of design §3. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>
#include <time.h>

#define UNKNOWN_TOKEN "srt_aaaaaaaaaaaaaaaaaaaaaaaaaaa"

static CK_RV login_user(CK_SESSION_HANDLE session, const char *name, const char *pin)
{
	return p11->C_LoginUser(
		session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin), (CK_UTF8CHAR_PTR)name, strlen(name));
}

/* -- who gets in
 * ------------------------------------------------------------------------------------------------------- */
START_TEST(with_a_token)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_uint_eq(strlen(sr_place.reader), SR_TOKEN_LEN);
	ck_assert_int_eq(strncmp(sr_place.reader, "srt_", 4), 0);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

START_TEST(as_a_member)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	sr_is(session, sr_find(session, SR_STAGING), CKA_VALUE, SR_STAGING_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(login_user(session, SR_ADMIN, SR_PASSPHRASE), CKR_OK);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(login_user(session, SR_ADMIN, "wrong horse battery staple"), CKR_PIN_INCORRECT);
	ck_assert_rv(login_user(session, "nobody", SR_PASSPHRASE), CKR_PIN_INCORRECT);
	ck_assert_rv(
		p11->C_LoginUser(session, CKU_USER, (CK_UTF8CHAR_PTR)SR_PASSPHRASE, 4, NULL, 5), CKR_ARGUMENTS_BAD);
	ck_assert_rv(login_user(session, "", sr_place.reader), CKR_OK); /* a token has no name */
}
END_TEST

static const char *const refused[] = { UNKNOWN_TOKEN, "srt_", "srk_aaaaaaaaaaaaaaaaaaaaaaaaaaa", "", ":",
	"admin:", "admin", "1234", ":" SR_PASSPHRASE, "nobody:" SR_PASSPHRASE, "admin:wrong horse battery staple",
	"admin:" SR_PASSPHRASE " ", "Admin:" SR_PASSPHRASE, "\xff\xfe", "admin:" SR_PASSPHRASE "\n" };

/* One code and one device error: only the audit tells who it was not. */
START_TEST(refusals)
{
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(sr_login(session, refused[_i]), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_LOGIN_REFUSED);
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
}
END_TEST

START_TEST(part_of_a_token)
{
	CK_SESSION_HANDLE session = sr_rw();
	for (CK_ULONG len = 0; len < SR_TOKEN_LEN; len += 5)
		ck_assert_rv(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)sr_place.reader, len), CKR_PIN_INCORRECT);
	ck_assert_rv(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)sr_place.reader, SR_TOKEN_LEN + 1),
		CKR_PIN_INCORRECT); /* with its NUL */
}
END_TEST

START_TEST(bad_arguments)
{
	CK_SESSION_HANDLE session = sr_rw();
	CK_UTF8CHAR_PTR pin = (CK_UTF8CHAR_PTR)sr_place.reader;
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 31), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_Login(session, CKU_SO, pin, SR_TOKEN_LEN), CKR_USER_TYPE_INVALID);
	ck_assert_rv(p11->C_Login(session, 17, pin, SR_TOKEN_LEN), CKR_USER_TYPE_INVALID);
	ck_assert_rv(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, pin, SR_TOKEN_LEN), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_LoginUser(session, CKU_SO, pin, SR_TOKEN_LEN, NULL, 0), CKR_USER_TYPE_INVALID);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	ck_assert_rv(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, pin, SR_TOKEN_LEN), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(once)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader), other = sr_rw();
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_USER_ALREADY_LOGGED_IN);
	ck_assert_rv(sr_login(other, sr_place.reader), CKR_USER_ALREADY_LOGGED_IN);
	ck_assert_rv_in(
		sr_login(other, sr_place.staging), CKR_USER_ALREADY_LOGGED_IN, CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
	ck_assert_uint_eq(sr_find(other, SR_STAGING), 0);
	ck_assert_uint_ne(sr_find(other, SR_STRIPE), 0);
}
END_TEST

/* -- tokens that are over
 * ------------------------------------------------------------------------------------------------ */
START_TEST(expired_token)
{
	char token[SR_TOKEN_LEN + 1];
	CK_SESSION_HANDLE session = sr_rw();
	sr_token("secrets:read:production/*", "1", NULL, token);
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
	ck_assert_rv(sr_login(session, token), CKR_PIN_EXPIRED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_LOGIN_REFUSED);
}
END_TEST

START_TEST(revoked_token)
{
	char token[SR_TOKEN_LEN + 1];
	CK_SESSION_HANDLE session = sr_rw();
	sr_revoke(sr_token("secrets:read:production/*", "3600", NULL, token));
	ck_assert_rv(sr_login(session, token), CKR_PIN_LOCKED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_LOGIN_REFUSED);
}
END_TEST

START_TEST(used_up_token)
{
	char token[SR_TOKEN_LEN + 1];
	CK_SESSION_HANDLE session = sr_rw();
	sr_token("secrets:read:production/*", "3600", "1", token);
	ck_assert_rv(sr_login(session, token), CKR_OK);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, token), CKR_PIN_LOCKED);
}
END_TEST

/* The address is looked at before the state: a revoked token from the wrong place is as unknown as any. */
START_TEST(wrong_address)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_OBJECT_HANDLE handle;
	char token[SR_TOKEN_LEN + 1] = "";
	CK_ULONG len = SR_TOKEN_LEN;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_SR_SCOPES, "secrets:read:*"), SR_TEXT(CKA_SR_TTL, "60"),
		SR_TEXT(CKA_SR_ALLOWED_IPS, "203.0.113.7") };
	ck_assert_rv(p11->C_CreateObject(sr_admin(), template, SR_COUNT(template), &handle), CKR_OK);
	ck_assert_rv(sr_get(sr_admin(), handle, CKA_VALUE, token, &len), CKR_OK);
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(sr_login(session, token), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_LOGIN_REFUSED);
	sr_revoke(handle);
	ck_assert_rv(sr_login(session, token), CKR_PIN_INCORRECT);
}
END_TEST

/* -- C_Logout
 * -------------------------------------------------------------------------------------------------------------- */
START_TEST(logout)
{
	CK_SESSION_HANDLE session = sr_rw(), other = sr_rw();
	ck_assert_rv(p11->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	ck_assert_rv(p11->C_Logout(other), CKR_OK); /* any session of the slot will do */
	ck_assert_rv(p11->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* 5.6.10: handles of private objects stay invalid, whoever logs in later. */
START_TEST(logout_ends_handles)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv_in(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
	CK_OBJECT_HANDLE again = sr_find(session, SR_STRIPE);
	ck_assert_uint_ne(again, object);
	ck_assert_rv(sr_value(session, again), CKR_OK);
}
END_TEST

static CK_OBJECT_HANDLE session_object(CK_SESSION_HANDLE session, CK_BBOOL *private)
{
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_no),
		SR_ATTR(CKA_PRIVATE, *private), SR_TEXT(CKA_LABEL, "logout"), SR_TEXT(CKA_VALUE, "kept") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &object), CKR_OK);
	return object;
}

START_TEST(logout_destroys_private_session_objects)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE private = session_object(session, &sr_yes), public = session_object(session, &sr_no);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	sr_is(session, public, CKA_VALUE, "kept");
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	ck_assert_rv(sr_value(session, private), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_find(session, "logout"), public);
}
END_TEST

/* -- C_SetPIN
 * ---------------------------------------------------------------------------------------------------------------- */
static CK_RV set_pin(CK_SESSION_HANDLE session, const char *from, const char *to)
{
	return p11->C_SetPIN(session, (CK_UTF8CHAR_PTR)from, strlen(from), (CK_UTF8CHAR_PTR)to, strlen(to));
}

START_TEST(set_pin_refusals)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN), ro = sr_open(SR_VAULT, 0);
	char too_long[202];
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	const char *fresh = "a fresh passphrase";
	ck_assert_rv(set_pin(ro, SR_PASSPHRASE, fresh), CKR_SESSION_READ_ONLY);
	ck_assert_rv(set_pin(session, "wrong horse battery staple", fresh), CKR_PIN_INCORRECT);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, "eleven char"), CKR_PIN_LEN_RANGE);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, ""), CKR_PIN_LEN_RANGE);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, too_long), CKR_PIN_LEN_RANGE);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, "aaaaaaaaaaaaaaaa"), CKR_PIN_TOO_WEAK);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, "not \xff utf-8 at all"), CKR_PIN_INVALID);
	ck_assert_rv(p11->C_SetPIN(session, NULL, 28, (CK_UTF8CHAR_PTR)fresh, 18), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_SetPIN(session, (CK_UTF8CHAR_PTR)SR_PASSPHRASE, 28, NULL, 18), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
}
END_TEST

/* 5.5.9 lists no CKR_USER_NOT_LOGGED_IN: without a login it is the PIN that does not fit. */
START_TEST(set_pin_without_login)
{
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(set_pin(session, "wrong horse battery staple", "a fresh passphrase"), CKR_PIN_INCORRECT);
}
END_TEST

START_TEST(set_pin_of_a_token)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_rv(set_pin(session, sr_place.reader, "a fresh passphrase"), CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
}
END_TEST

START_TEST(set_pin_of_a_member)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	const char *fresh = "wachtwoord met \xc3\xa9\xc3\xa9n accent";
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, fresh), CKR_OK);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
	ck_assert_rv(set_pin(session, SR_PASSPHRASE, fresh), CKR_PIN_INCORRECT);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_PIN_INCORRECT);
	ck_assert_rv(login_user(session, SR_ADMIN, fresh), CKR_OK);
	ck_assert_rv(set_pin(session, fresh, SR_PASSPHRASE), CKR_OK);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
}
END_TEST

Suite *sr_battery_login(void)
{
	Suite *suite = suite_create("battery: login");
	TCase *tcase = sr_chapter(suite, "5.6.8", sr_start, sr_stop);
	tcase_add_test(tcase, with_a_token);
	tcase_add_test(tcase, as_a_member);
	tcase_add_loop_test(tcase, refusals, 0, (int)SR_COUNT(refused));
	tcase_add_test(tcase, part_of_a_token);
	tcase_add_test(tcase, bad_arguments);
	tcase_add_test(tcase, once);
	tcase_add_test(tcase, expired_token);
	tcase_add_test(tcase, revoked_token);
	tcase_add_test(tcase, used_up_token);
	tcase_add_test(tcase, wrong_address);
	tcase_add_test(tcase, logout);
	tcase_add_test(tcase, logout_ends_handles);
	tcase_add_test(tcase, logout_destroys_private_session_objects);
	tcase_add_test(tcase, set_pin_refusals);
	tcase_add_test(tcase, set_pin_without_login);
	tcase_add_test(tcase, set_pin_of_a_token);
	tcase_add_test(tcase, set_pin_of_a_member);
	return suite;
}
