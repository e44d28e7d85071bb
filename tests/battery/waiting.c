/* A login that waits for a person (design §3, `wait ='): the slot "waiting" has a token that another member approves
 * while C_Login is inside. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char token[SR_TOKEN_LEN + 1];
static char request[SR_REQUEST_MAX];

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* A token of the admin's that waits, in the slot's file. */
static void start(void)
{
	sr_start();
	sr_approver_add();
	sr_token_asked("secrets:read:production/*", token, request);
	sr_place_write(sr_place.waiting, token);
}

/* -- one that waits ------------------------------------------------------------------------------------------------ */
static struct {
	pthread_t thread;
	CK_SESSION_HANDLE session;
	CK_RV rv;
	bool back;
} waiter;

static void *wait_here(void *unused)
{
	(void)unused;
	waiter.rv = p11->C_Login(waiter.session, CKU_USER, NULL, 0);
	__atomic_store_n(&waiter.back, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static CK_ULONG refused_logins(void)
{
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, class), SR_TEXT(CKA_SR_EVENT, "session.login"),
		SR_TEXT(CKA_SR_STATUS, "denied") };
	return sr_find_all(sr_admin(), query, SR_COUNT(query), NULL, 0);
}

/* Its first question is in the audit when it waits. */
static void park(void)
{
	CK_ULONG before = refused_logins();
	waiter.session = sr_open("waiting", CKF_RW_SESSION);
	waiter.back = false;
	ck_assert_int_eq(pthread_create(&waiter.thread, NULL, wait_here, NULL), 0);
	while (refused_logins() == before)
		pause_ms(10);
	pause_ms(50);
	ck_assert(!__atomic_load_n(&waiter.back, __ATOMIC_SEQ_CST));
}

static void returns(CK_RV rv)
{
	pthread_join(waiter.thread, NULL);
	ck_assert_rv(waiter.rv, rv);
}

START_TEST(approve_ends_it)
{
	park();
	sr_decide(request, "approved");
	returns(CKR_OK);
	sr_is(waiter.session, sr_find(waiter.session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

START_TEST(deny_ends_it)
{
	park();
	sr_decide(request, "denied");
	returns(CKR_FUNCTION_REJECTED);
	ck_assert_uint_eq(sr_device_error(waiter.session), SR_REASON_APPROVAL_DENIED);
	ck_assert_uint_eq(sr_state(waiter.session), CKS_RW_PUBLIC_SESSION);
}
END_TEST

START_TEST(finalize_ends_it)
{
	park();
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	returns(CKR_FUNCTION_CANCELED);
	ck_assert_rv(sr_initialize(), CKR_OK);
}
END_TEST

START_TEST(closing_its_session_ends_it)
{
	park();
	ck_assert_rv(p11->C_CloseSession(waiter.session), CKR_OK);
	returns(CKR_FUNCTION_CANCELED);
	park();
	ck_assert_rv(p11->C_CloseAllSessions(sr_slot("waiting")), CKR_OK);
	returns(CKR_FUNCTION_CANCELED);
}
END_TEST

START_TEST(others_go_on)
{
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_PRIVATE, sr_no),
		SR_TEXT(CKA_LABEL, "mine") };
	CK_SESSION_HANDLE beside = sr_open("waiting", 0);
	park();
	ck_assert_uint_eq(sr_state(waiter.session), CKS_RW_PUBLIC_SESSION);
	ck_assert_rv(p11->C_CreateObject(waiter.session, template, 3, &object), CKR_OK);
	ck_assert_uint_eq(sr_find(beside, "mine"), object);
	CK_SESSION_HANDLE reader = sr_as(sr_place.reader);
	sr_is(reader, sr_find(reader, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(p11->C_Logout(reader), CKR_OK);
	sr_decide(request, "approved");
	returns(CKR_OK);
	ck_assert_uint_eq(sr_state(beside), CKS_RO_USER_FUNCTIONS);
}
END_TEST

START_TEST(another_token_ends_it)
{
	park();
	sr_place_write(sr_place.waiting, sr_place.reader);
	returns(CKR_OK);
}
END_TEST

START_TEST(a_pin_does_not_wait)
{
	CK_SESSION_HANDLE session = sr_open("waiting", 0);
	ck_assert_rv(sr_login(session, "1234"), CKR_FUNCTION_REJECTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_APPROVAL_REQUIRED);
	ck_assert_rv(sr_login(sr_rw(), token), CKR_FUNCTION_REJECTED); /* nor does a slot without `wait =' */
}
END_TEST

/* -- C_WaitForSlotEvent -------------------------------------------------------------------------------------------- */
static struct {
	pthread_t thread;
	CK_SLOT_ID slot;
	CK_RV rv;
	bool back;
} watcher;

static void *watch_here(void *unused)
{
	(void)unused;
	watcher.rv = p11->C_WaitForSlotEvent(0, &watcher.slot, NULL);
	__atomic_store_n(&watcher.back, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void no_event(void)
{
	CK_SLOT_ID slot;
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
}

static void event_of(const char *label)
{
	CK_SLOT_ID slot = 0;
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_OK);
	ck_assert_uint_eq(slot, sr_slot(label));
	no_event();
}

/* _i: how it is decided. No session is open in that slot, and nobody has tried to log in. */
START_TEST(an_event_tells_of_it)
{
	watcher.back = false;
	ck_assert_int_eq(pthread_create(&watcher.thread, NULL, watch_here, NULL), 0);
	pause_ms(600);
	ck_assert(!__atomic_load_n(&watcher.back, __ATOMIC_SEQ_CST));
	sr_decide(request, _i ? "denied" : "approved");
	pthread_join(watcher.thread, NULL);
	ck_assert_rv(watcher.rv, CKR_OK);
	ck_assert_uint_eq(watcher.slot, sr_slot("waiting"));
	no_event();
	CK_SESSION_HANDLE session = sr_open("waiting", 0);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), _i ? CKR_FUNCTION_REJECTED : CKR_OK);
	no_event();
}
END_TEST

/* What is decided between the login that was refused and the first wait is not missed. */
START_TEST(an_event_since_the_login)
{
	sr_place_write(sr_place.first, token);
	CK_SESSION_HANDLE session = sr_open("first", 0);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_FUNCTION_REJECTED);
	sr_place_write(sr_place.waiting, sr_place.reader); /* one slot alone waits */
	sr_decide(request, "approved");
	event_of("first");
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
	no_event();
	unlink(sr_place.first);
}
END_TEST

START_TEST(an_event_for_each_slot)
{
	CK_SLOT_ID slots[2] = { 0, 0 };
	sr_place_write(sr_place.first, token);
	no_event();
	sr_decide(request, "approved");
	for (int i = 0; i < 2; i++)
		ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slots[i], NULL), CKR_OK);
	no_event();
	bool waiting_first = slots[0] == sr_slot("waiting");
	ck_assert_uint_eq(slots[waiting_first ? 0 : 1], sr_slot("waiting"));
	ck_assert_uint_eq(slots[waiting_first ? 1 : 0], sr_slot("first"));
	unlink(sr_place.first);
}
END_TEST

START_TEST(no_event_without_a_decision)
{
	no_event();
	sr_place_write(sr_place.waiting, token); /* the same */
	no_event();
	sr_place_write(sr_place.waiting, sr_place.reader);
	event_of("waiting");
	sr_place_write(sr_place.waiting, token);
	no_event();
	sr_decide(request, "approved");
	event_of("waiting");
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(sr_initialize(), CKR_OK);
	no_event();
}
END_TEST

START_TEST(finalize_ends_a_watcher)
{
	ck_assert_int_eq(pthread_create(&watcher.thread, NULL, watch_here, NULL), 0);
	pause_ms(300);
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	pthread_join(watcher.thread, NULL);
	ck_assert_rv(watcher.rv, CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_rv(sr_initialize(), CKR_OK);
}
END_TEST

Suite *sr_battery_waiting(void)
{
	Suite *suite = suite_create("battery: logins that wait for an approval");
	TCase *tcase = sr_chapter(suite, "waiting", start, sr_stop);
	tcase_add_test(tcase, approve_ends_it);
	tcase_add_test(tcase, deny_ends_it);
	tcase_add_test(tcase, finalize_ends_it);
	tcase_add_test(tcase, closing_its_session_ends_it);
	tcase_add_test(tcase, others_go_on);
	tcase_add_test(tcase, another_token_ends_it);
	tcase_add_test(tcase, a_pin_does_not_wait);
	tcase_add_loop_test(tcase, an_event_tells_of_it, 0, 2);
	tcase_add_test(tcase, an_event_since_the_login);
	tcase_add_test(tcase, an_event_for_each_slot);
	tcase_add_test(tcase, no_event_without_a_decision);
	tcase_add_test(tcase, finalize_ends_a_watcher);
	return suite;
}
