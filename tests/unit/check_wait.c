/* src/pkcs11/wait.c over the fake vault: a login that waits for an approval. The token in the file is "wait". */
#include "tests/unit/pkcs11_fixture.h"
#include "tests/unit/suites.h"

#include <time.h>

#define CALL(function, ...) fix.calls->function(fix.client, __VA_ARGS__)
#define ck_rv(call, want) ck_assert_uint_eq((call), (want))
#define WAIT_S 60
#define PARKED 4 /* calls that may wait at once */

static void open_waiting(void)
{
	fixture_load();
	fix.wait_s = WAIT_S;
	write_token_file("wait\n");
	fixture_client();
	fix.rw = open_session(fix.file_slot, CKF_RW_SESSION);
	fix.ro = open_session(fix.file_slot, 0);
	fix.vault->waits = true;
}

/* -- one that waits, in a thread of its own ---------------------------------------------------------------------- */
struct parked {
	pthread_t thread;
	CK_SESSION_HANDLE session;
	CK_RV rv;
	CK_ULONG reason;
};

static void *wait_here(void *arg)
{
	struct parked *parked = arg;
	parked->rv = CALL(C_Login, parked->session, CKU_USER, NULL, 0);
	parked->reason = fix.backend->last_error()->reason;
	return NULL;
}

static void park(struct parked *parked, CK_SESSION_HANDLE session)
{
	parked->session = session;
	ck_assert_int_eq(pthread_create(&parked->thread, NULL, wait_here, parked), 0);
}

static unsigned waiting_now(void)
{
	pthread_mutex_lock(&fix.vault->lock);
	unsigned waiting = fix.vault->waiting;
	pthread_mutex_unlock(&fix.vault->lock);
	return waiting;
}

static void until_parked(unsigned count)
{
	while (waiting_now() != count)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void decide(bool approved)
{
	pthread_mutex_lock(&fix.vault->lock);
	fix.vault->waits = false;
	fix.vault->approved = approved;
	pthread_mutex_unlock(&fix.vault->lock);
}

static void join(struct parked *parked, CK_RV rv, CK_ULONG reason)
{
	pthread_join(parked->thread, NULL);
	ck_rv(parked->rv, rv);
	if (rv != CKR_OK)
		ck_rv(parked->reason, reason);
}

/* -- how it ends ------------------------------------------------------------------------------------------------- */
START_TEST(approved)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	decide(true);
	join(&one, CKR_OK, SR_REASON_NONE);
	ck_rv(fix.vault->logins, 2); /* at its beginning and at its end: what is between leaves no event */
	ck_rv(state_of(fix.ro), CKS_RO_USER_FUNCTIONS);
}
END_TEST

START_TEST(denied)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	decide(false);
	join(&one, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_DENIED);
	ck_rv(fix.vault->logins, 2);
	ck_rv(state_of(fix.ro), CKS_RO_PUBLIC_SESSION);
}
END_TEST

START_TEST(time_over)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	__atomic_add_fetch(&fix.vault->boot_ms, WAIT_S * 1000 - 1, __ATOMIC_SEQ_CST);
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	ck_rv(waiting_now(), 1);
	__atomic_add_fetch(&fix.vault->boot_ms, 1, __ATOMIC_SEQ_CST);
	join(&one, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED);
	ck_rv(fix.vault->logins, 1);
}
END_TEST

START_TEST(session_closed)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	ck_rv(CALL(C_CloseSession, fix.rw), CKR_OK);
	join(&one, CKR_FUNCTION_CANCELED, SR_REASON_NONE);
	decide(true);
	ck_rv(CALL(C_Login, fix.ro, CKU_USER, NULL, 0), CKR_OK);
}
END_TEST

START_TEST(all_sessions_closed)
{
	struct parked one, two;
	park(&one, fix.rw);
	park(&two, fix.ro);
	until_parked(2);
	ck_rv(CALL(C_CloseAllSessions, fix.file_slot), CKR_OK);
	join(&one, CKR_FUNCTION_CANCELED, SR_REASON_NONE);
	join(&two, CKR_FUNCTION_CANCELED, SR_REASON_NONE);
}
END_TEST

START_TEST(application_ends)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	fix.backend->interrupt(fix.client);
	join(&one, CKR_FUNCTION_CANCELED, SR_REASON_NONE);
	ck_rv(CALL(C_Login, fix.ro, CKU_USER, NULL, 0), CKR_FUNCTION_CANCELED); /* nobody waits any more */
}
END_TEST

START_TEST(another_token)
{
	struct parked one;
	park(&one, fix.rw);
	until_parked(1);
	write_token_file("good");
	join(&one, CKR_OK, SR_REASON_NONE);
}
END_TEST

/* -- meanwhile --------------------------------------------------------------------------------------------------- */
START_TEST(others_go_on)
{
	struct parked one;
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE elsewhere = open_session(fix.slot, 0);
	park(&one, fix.rw);
	until_parked(1);
	ck_rv(state_of(fix.rw), CKS_RW_PUBLIC_SESSION); /* the very session */
	ck_rv(create_data(fix.rw, "mine", "x", false, false, &object), CKR_OK);
	ck_rv(find_label(fix.ro, "mine"), object);
	log_in(elsewhere);
	ck_assert_uint_ne(find_label(elsewhere, "a/one"), 0);
	ck_rv(CALL(C_Logout, fix.ro), CKR_USER_NOT_LOGGED_IN);
	ck_rv(waiting_now(), 1);
	decide(true);
	join(&one, CKR_OK, SR_REASON_NONE);
}
END_TEST

START_TEST(four_at_most)
{
	struct parked parked[PARKED];
	for (size_t i = 0; i < PARKED; i++)
		park(&parked[i], open_session(fix.file_slot, 0));
	until_parked(PARKED);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, NULL, 0), CKR_FUNCTION_REJECTED);
	decide(true);
	unsigned in = 0;
	for (size_t i = 0; i < PARKED; i++) {
		pthread_join(parked[i].thread, NULL);
		in += parked[i].rv == CKR_OK;
		ck_assert(parked[i].rv == CKR_OK || parked[i].rv == CKR_USER_ALREADY_LOGGED_IN);
	}
	ck_rv(in, 1);
}
END_TEST

/* -- who does not wait ------------------------------------------------------------------------------------------- */
START_TEST(a_pin_does_not_wait)
{
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, (CK_UTF8CHAR_PTR) "1234", 4), CKR_FUNCTION_REJECTED);
	ck_rv(reason_of(fix.rw), SR_REASON_APPROVAL_REQUIRED);
	ck_rv(fix.vault->glances, 0);
}
END_TEST

START_TEST(without_wait)
{
	fix.backend->close(fix.client);
	fix.wait_s = 0;
	fixture_client();
	fix.rw = open_session(fix.file_slot, 0);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, NULL, 0), CKR_FUNCTION_REJECTED);
	ck_rv(fix.vault->glances, 0);
}
END_TEST

/* A slot that logs itself in again does not keep the program: it tries when the token waits no longer. */
START_TEST(again_by_itself)
{
	write_token_file("good");
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, NULL, 0), CKR_OK);
	CK_OBJECT_HANDLE one = find_label(fix.rw, "a/one");
	write_token_file("wait");
	ck_rv(find_label(fix.rw, "a/one"), one); /* the login there is goes on */
	ck_rv(fix.vault->logins, 2);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(find_label(fix.rw, "a/one"), 0);
	unsigned tried = fix.vault->logins;
	ck_rv(find_label(fix.rw, "a/one"), 0);
	ck_rv(fix.vault->logins, tried); /* asked without a login */
	decide(true);
	ck_rv(find_label(fix.rw, "a/one"), one);
	ck_rv(state_of(fix.ro), CKS_RO_USER_FUNCTIONS);
}
END_TEST

Suite *sr_suite_wait(void)
{
	Suite *suite = suite_create("wait");
	TCase *tcase = tcase_create("wait");
	tcase_add_checked_fixture(tcase, open_waiting, fixture_close);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, approved);
	tcase_add_test(tcase, denied);
	tcase_add_test(tcase, time_over);
	tcase_add_test(tcase, session_closed);
	tcase_add_test(tcase, all_sessions_closed);
	tcase_add_test(tcase, application_ends);
	tcase_add_test(tcase, another_token);
	tcase_add_test(tcase, others_go_on);
	tcase_add_test(tcase, four_at_most);
	tcase_add_test(tcase, a_pin_does_not_wait);
	tcase_add_test(tcase, without_wait);
	tcase_add_test(tcase, again_by_itself);
	suite_add_tcase(suite, tcase);
	return suite;
}
