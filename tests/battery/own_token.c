/* Slots that log themselves in, from a token file or the environment, and several of them at once (design §3). */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PRODUCTION "secrets:read:production/*"

static CK_SESSION_HANDLE log_in(const char *label)
{
	CK_SESSION_HANDLE session = sr_open(label, CKF_RW_SESSION);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
	return session;
}

static void start(void)
{
	sr_start();
	unlink(sr_place.first);
	unlink(sr_place.second);
}

static void let_expire(void)
{
	nanosleep(&(struct timespec){ .tv_sec = 2, .tv_nsec = 100000000 }, NULL);
}

/* -- the first login
 * -------------------------------------------------------------------------------------------------------- */
START_TEST(no_pin)
{
	sr_place_write(sr_place.first, sr_place.reader);
	CK_SESSION_HANDLE session = log_in("first");
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(p11->C_LoginUser(session, CKU_USER, NULL, 0, NULL, 0), CKR_OK);
}
END_TEST

/* pkcs11-tool sends a PIN all the same. */
START_TEST(pin_is_ignored)
{
	char line[SR_TOKEN_LEN + 2];
	strcat(strcpy(line, sr_place.reader), "\n");
	sr_place_write(sr_place.first, line);
	CK_SESSION_HANDLE session = sr_open("first", 0);
	ck_assert_rv(sr_login(session, "1234"), CKR_OK);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
}
END_TEST

START_TEST(no_file)
{
	CK_SESSION_HANDLE session = sr_open("first", 0);
	ck_assert_rv_in(p11->C_Login(session, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED, CKR_PIN_INCORRECT);
	ck_assert_rv_in(sr_login(session, sr_place.reader), CKR_FUNCTION_FAILED, CKR_PIN_INCORRECT);
	sr_place_write(sr_place.first, "");
	ck_assert_rv_in(p11->C_Login(session, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED, CKR_PIN_INCORRECT);
	sr_place_write(sr_place.first, "srt_nothing");
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_PIN_INCORRECT);
	sr_place_write(sr_place.first, sr_place.reader);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
}
END_TEST

START_TEST(from_the_environment)
{
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	setenv(SR_TOKEN_ENV, sr_place.staging, 1);
	ck_assert_rv(sr_initialize(), CKR_OK);
	CK_SESSION_HANDLE session = log_in("environment");
	sr_is(session, sr_find(session, SR_STAGING), CKA_VALUE, SR_STAGING_VALUE);
}
END_TEST

START_TEST(nobody_is_logged_in_unasked)
{
	sr_place_write(sr_place.first, sr_place.reader);
	CK_SESSION_HANDLE session = sr_open("first", 0);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_state(session), CKS_RO_PUBLIC_SESSION);
}
END_TEST

/* -- after a lapse
 * ------------------------------------------------------------------------------------------------------------ */
static CK_OBJECT_HANDLE issue_to_file(const char *scopes, const char *ttl, const char *uses)
{
	char token[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE handle = sr_token(scopes, ttl, uses, token);
	sr_place_write(sr_place.first, token);
	return handle;
}

/* As nginx does it: never a second C_Login. Handles keep their numbers. */
START_TEST(again_after_expiry)
{
	issue_to_file(PRODUCTION, "2", NULL);
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	let_expire();
	sr_place_write(sr_place.first, sr_place.reader);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), object);
}
END_TEST

START_TEST(again_after_revocation)
{
	CK_OBJECT_HANDLE token = issue_to_file(PRODUCTION, "3600", NULL);
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_revoke(token);
	sr_place_write(sr_place.first, sr_place.reader);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

START_TEST(again_when_used_up)
{
	issue_to_file(PRODUCTION, "3600", "1");
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	issue_to_file(PRODUCTION, "3600", "1");
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* nginx keeps its handles and tries again at each handshake, however long the next token takes. */
START_TEST(again_after_a_while)
{
	CK_OBJECT_HANDLE token = issue_to_file(PRODUCTION, "3600", NULL);
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_revoke(token);
	for (int i = 0; i < 3; i++)
		ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	issue_to_file("secrets:read:staging/*", "3600", NULL);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
	sr_place_write(sr_place.first, sr_place.reader);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

START_TEST(no_new_token)
{
	CK_OBJECT_HANDLE token = issue_to_file(PRODUCTION, "3600", NULL);
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_revoke(token);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	sr_place_write(sr_place.first, sr_place.reader); /* later there is one */
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
}
END_TEST

/* -- when the file changes
 * ------------------------------------------------------------------------------------------------------ */
START_TEST(file_changes)
{
	sr_place_write(sr_place.first, sr_place.reader);
	CK_SESSION_HANDLE session = log_in("first");
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_uint_ne(object, 0);
	sr_place_write(sr_place.first, sr_place.staging);
	ck_assert_uint_ne(sr_find(session, SR_STAGING), 0);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

/* An update that is no atomic rename leaves the file away for a moment. */
START_TEST(file_goes_and_comes)
{
	sr_place_write(sr_place.first, sr_place.reader);
	CK_SESSION_HANDLE session = log_in("first");
	unlink(sr_place.first);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	sr_place_write(sr_place.first, "");
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	sr_place_write(sr_place.first, sr_place.staging);
	ck_assert_uint_ne(sr_find(session, SR_STAGING), 0);
}
END_TEST

START_TEST(logout_is_meant)
{
	sr_place_write(sr_place.first, sr_place.reader);
	CK_SESSION_HANDLE session = log_in("first");
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	sr_place_write(sr_place.first, sr_place.staging);
	ck_assert_uint_eq(sr_find(session, SR_STAGING), 0);
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
}
END_TEST

START_TEST(last_session_is_meant)
{
	sr_place_write(sr_place.first, sr_place.reader);
	ck_assert_rv(p11->C_CloseSession(log_in("first")), CKR_OK);
	CK_SESSION_HANDLE session = sr_open("first", 0);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_state(session), CKS_RO_PUBLIC_SESSION);
}
END_TEST

/* -- several at once
 * ------------------------------------------------------------------------------------------------------------ */
START_TEST(several_tokens)
{
	sr_place_write(sr_place.first, sr_place.reader);
	sr_place_write(sr_place.second, sr_place.staging);
	CK_SESSION_HANDLE first = log_in("first"), second = log_in("second"), third = sr_as(sr_place.lister);
	CK_OBJECT_HANDLE live = sr_find(first, SR_STRIPE), test = sr_find(second, SR_STAGING);
	sr_is(first, live, CKA_VALUE, SR_STRIPE_VALUE);
	sr_is(second, test, CKA_VALUE, SR_STAGING_VALUE);
	ck_assert_uint_eq(sr_find(first, SR_STAGING), 0);
	ck_assert_uint_eq(sr_find(second, SR_STRIPE), 0);
	ck_assert_rv(sr_value(third, sr_find(third, SR_STRIPE)), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_rv(sr_value(second, live), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(sr_value(first, test), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_Logout(first), CKR_OK);
	sr_is(second, test, CKA_VALUE, SR_STAGING_VALUE);
	ck_assert_rv(p11->C_CloseAllSessions(sr_slot("second")), CKR_OK);
	ck_assert_uint_ne(sr_find(third, SR_STRIPE), 0);
}
END_TEST

START_TEST(session_objects_of_their_own)
{
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_PRIVATE, sr_no),
		SR_TEXT(CKA_LABEL, "mine") };
	CK_SESSION_HANDLE first = sr_open("first", 0), second = sr_open("second", 0);
	ck_assert_rv(p11->C_CreateObject(first, template, 3, &object), CKR_OK);
	ck_assert_uint_eq(sr_find(first, "mine"), object);
	ck_assert_uint_eq(sr_find(second, "mine"), 0);
	ck_assert_rv(p11->C_DestroyObject(second, object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

Suite *sr_battery_own_token(void)
{
	Suite *suite = suite_create("battery: slots with a token of their own");
	TCase *tcase = sr_chapter(suite, "own token", start, sr_stop);
	tcase_add_test(tcase, no_pin);
	tcase_add_test(tcase, pin_is_ignored);
	tcase_add_test(tcase, no_file);
	tcase_add_test(tcase, from_the_environment);
	tcase_add_test(tcase, nobody_is_logged_in_unasked);
	tcase_add_test(tcase, again_after_expiry);
	tcase_add_test(tcase, again_after_revocation);
	tcase_add_test(tcase, again_when_used_up);
	tcase_add_test(tcase, again_after_a_while);
	tcase_add_test(tcase, no_new_token);
	tcase_add_test(tcase, file_changes);
	tcase_add_test(tcase, file_goes_and_comes);
	tcase_add_test(tcase, logout_is_meant);
	tcase_add_test(tcase, last_session_is_meant);
	tcase_add_test(tcase, several_tokens);
	tcase_add_test(tcase, session_objects_of_their_own);
	return suite;
}
