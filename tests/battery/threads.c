/* Several threads in one application (PKCS#11 v3.1, 5.4.1): calls side by side give the answers that some order of them
 * would give, and no other. Assertions stand in the main thread; a worker keeps the first answer that it does not like.
 */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WORKERS 8
#define ROUNDS 25

struct worker {
	pthread_t thread;
	int number;
	CK_SESSION_HANDLE session; /* 0: its own */
	atomic_ulong delivered;    /* looked at while the worker goes on */
	const char *call;          /* NULL: nothing to complain of */
	CK_RV rv;
};

static struct worker workers[WORKERS];
static atomic_bool stop;
static CK_SLOT_ID slot;

static void prepare(void)
{
	memset(workers, 0, sizeof workers);
	for (int i = 0; i < WORKERS; i++)
		workers[i].number = i;
	atomic_store(&stop, false);
	slot = sr_slot(SR_VAULT);
}

static void start(int count, void *(*work)(void *))
{
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
}

static void join(int count)
{
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
	for (int i = 0; i < count; i++)
		ck_assert_msg(!workers[i].call, "thread %d, %s: %s", i, workers[i].call, sr_code(workers[i].rv));
}

/* True when RV is as wanted. */
static bool good(struct worker *worker, const char *call, CK_RV rv, const CK_RV *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (rv == wanted[i])
			return true;
	}
	if (!worker->call) {
		worker->call = call;
		worker->rv = rv;
	}
	return false;
}

static bool ok(struct worker *worker, const char *call, CK_RV rv)
{
	static const CK_RV wanted[] = { CKR_OK };
	return good(worker, call, rv, wanted, 1);
}

/* -- one round of everything
 * ------------------------------------------------------------------------------------------------- */
static bool read_stripe(struct worker *worker, CK_SESSION_HANDLE session)
{
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, SR_STRIPE);
	CK_OBJECT_HANDLE object = 0;
	CK_ULONG count = 0, len = 64;
	char value[64] = "";
	return ok(worker, "C_FindObjectsInit", p11->C_FindObjectsInit(session, &label, 1)) &&
	       ok(worker, "C_FindObjects", p11->C_FindObjects(session, &object, 1, &count)) &&
	       ok(worker, "C_FindObjectsFinal", p11->C_FindObjectsFinal(session)) &&
	       ok(worker, "C_GetAttributeValue", sr_get(session, object, CKA_VALUE, value, &len)) &&
	       ok(worker, "the value", strcmp(value, SR_STRIPE_VALUE) == 0 ? CKR_OK : CKR_DEVICE_ERROR);
}

static bool digest_something(struct worker *worker, CK_SESSION_HANDLE session)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_BYTE once[32], parts[32];
	CK_ULONG len = sizeof once;
	return ok(worker, "C_DigestInit", p11->C_DigestInit(session, &sha256)) &&
	       ok(worker, "C_Digest", p11->C_Digest(session, (CK_BYTE_PTR) "abcdef", 6, once, &len)) &&
	       ok(worker, "C_DigestInit", p11->C_DigestInit(session, &sha256)) &&
	       ok(worker, "C_DigestUpdate", p11->C_DigestUpdate(session, (CK_BYTE_PTR) "abc", 3)) &&
	       ok(worker, "C_DigestUpdate", p11->C_DigestUpdate(session, (CK_BYTE_PTR) "def", 3)) &&
	       ok(worker, "C_DigestFinal", p11->C_DigestFinal(session, parts, &len)) &&
	       ok(worker, "the digest", memcmp(once, parts, sizeof once) == 0 ? CKR_OK : CKR_DEVICE_ERROR);
}

static bool write_own(struct worker *worker, CK_SESSION_HANDLE session, int round)
{
	char path[64], value[64], got[64] = "";
	CK_ULONG len = sizeof got;
	CK_OBJECT_HANDLE object;
	snprintf(path, sizeof path, "production/threads/%d", worker->number);
	snprintf(value, sizeof value, "round %d", round);
	return ok(worker, "C_CreateObject", sr_put(session, path, value, &object)) &&
	       ok(worker, "C_GetAttributeValue", sr_get(session, object, CKA_VALUE, got, &len)) &&
	       ok(worker, "one's own value", strcmp(got, value) == 0 ? CKR_OK : CKR_DEVICE_ERROR);
}

static bool one_round(struct worker *worker, int round)
{
	CK_SESSION_HANDLE session;
	CK_BYTE random[16];
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_TEXT(CKA_VALUE, "scratch") };
	CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
	return ok(worker, "C_OpenSession", p11->C_OpenSession(slot, flags, NULL, NULL, &session)) &&
	       read_stripe(worker, session) && digest_something(worker, session) && write_own(worker, session, round) &&
	       ok(worker, "C_GenerateRandom", p11->C_GenerateRandom(session, random, sizeof random)) &&
	       ok(worker, "C_CreateObject", p11->C_CreateObject(session, template, 2, &object)) &&
	       ok(worker, "C_DestroyObject", p11->C_DestroyObject(session, object)) &&
	       ok(worker, "C_CloseSession", p11->C_CloseSession(session));
}

static void *mix(void *arg)
{
	for (int i = 0; i < ROUNDS && one_round(arg, i); i++)
		;
	return NULL;
}

START_TEST(mixed)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	char version[16];
	prepare();
	start(WORKERS, mix);
	join(WORKERS);
	snprintf(version, sizeof version, "%d", ROUNDS);
	sr_is(session, sr_find(session, "production/threads/0"), CKA_SR_VERSION, version);
	CK_TOKEN_INFO info;
	ck_assert_rv(p11->C_GetTokenInfo(slot, &info), CKR_OK);
	ck_assert_uint_eq(info.ulSessionCount, 1);
}
END_TEST

/* -- the application's own mutex, which serialises everything
 * ------------------------------------------------------------------ */
static pthread_mutex_t own_mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int inside;

static CK_RV create_mutex(void **mutex)
{
	*mutex = &own_mutex;
	return CKR_OK;
}

static CK_RV destroy_mutex(void *mutex)
{
	(void)mutex;
	return CKR_OK;
}

static CK_RV lock_mutex(void *mutex)
{
	pthread_mutex_lock(mutex);
	return atomic_fetch_add(&inside, 1) == 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV unlock_mutex(void *mutex)
{
	atomic_fetch_sub(&inside, 1);
	pthread_mutex_unlock(mutex);
	return CKR_OK;
}

START_TEST(own_locking)
{
	CK_C_INITIALIZE_ARGS args = { create_mutex, destroy_mutex, lock_mutex, unlock_mutex, 0, NULL };
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(p11->C_Initialize(&args), CKR_OK);
	sr_as(sr_place.writer);
	prepare();
	start(4, mix);
	join(4);
	ck_assert_int_eq(atomic_load(&inside), 0);
}
END_TEST

/* -- one session, two threads
 * --------------------------------------------------------------------------------------------------- */
static void *share(void *arg)
{
	static const CK_RV wanted[] = { CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED,
		CKR_FUNCTION_FAILED };
	struct worker *worker = arg;
	CK_SESSION_HANDLE session = worker->session;
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_BYTE digest[32];
	CK_OBJECT_HANDLE object;
	for (int i = 0; i < 4 * ROUNDS; i++) {
		CK_ULONG len = sizeof digest, count = 0;
		good(worker, "C_DigestInit", p11->C_DigestInit(session, &sha256), wanted, 4);
		good(worker, "C_DigestUpdate", p11->C_DigestUpdate(session, (CK_BYTE_PTR) "abc", 3), wanted, 4);
		good(worker, "C_FindObjectsInit", p11->C_FindObjectsInit(session, NULL, 0), wanted, 4);
		good(worker, "C_FindObjects", p11->C_FindObjects(session, &object, 1, &count), wanted, 4);
		good(worker, "C_DigestFinal", p11->C_DigestFinal(session, digest, &len), wanted, 4);
		good(worker, "C_FindObjectsFinal", p11->C_FindObjectsFinal(session), wanted, 4);
	}
	return NULL;
}

START_TEST(one_session)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	prepare();
	workers[0].session = workers[1].session = session;
	start(2, share);
	join(2);
	ck_assert_rv(p11->C_SessionCancel(session, CKF_DIGEST | CKF_FIND_OBJECTS), CKR_OK);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* -- C_CloseAllSessions, C_Logout and C_Finalize while others work
 * ----------------------------------------------------------------- */
static const CK_RV disturbed[] = { CKR_OK, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN,
	CKR_USER_ALREADY_LOGGED_IN, CKR_OBJECT_HANDLE_INVALID, CKR_OPERATION_NOT_INITIALIZED,
	CKR_CRYPTOKI_NOT_INITIALIZED, CKR_ATTRIBUTE_SENSITIVE };

static bool fine(struct worker *worker, const char *call, CK_RV rv)
{
	return good(worker, call, rv, disturbed, SR_COUNT(disturbed));
}

static void *be_disturbed(void *arg)
{
	struct worker *worker = arg;
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, SR_STRIPE);
	CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
	while (!atomic_load(&stop) && !worker->call) {
		CK_SESSION_HANDLE session = 0;
		CK_OBJECT_HANDLE object = 0;
		CK_ULONG count = 0, len = 64;
		char value[64] = "";
		if (!fine(worker, "C_OpenSession", p11->C_OpenSession(slot, flags, NULL, NULL, &session)))
			break;
		fine(worker, "C_Login", sr_login(session, sr_place.reader));
		fine(worker, "C_FindObjectsInit", p11->C_FindObjectsInit(session, &label, 1));
		fine(worker, "C_FindObjects", p11->C_FindObjects(session, &object, 1, &count));
		fine(worker, "C_FindObjectsFinal", p11->C_FindObjectsFinal(session));
		CK_RV rv = sr_get(session, object, CKA_VALUE, value, &len);
		fine(worker, "C_GetAttributeValue", rv);
		if (rv == CKR_OK && strcmp(value, SR_STRIPE_VALUE) != 0)
			ok(worker, "the value", CKR_DEVICE_ERROR);
		atomic_fetch_add(&worker->delivered, rv == CKR_OK);
		fine(worker, "C_CloseSession", p11->C_CloseSession(session));
	}
	return NULL;
}

static CK_ULONG all_delivered(void)
{
	CK_ULONG sum = 0;
	for (int i = 0; i < WORKERS; i++)
		sum += atomic_load(&workers[i].delivered);
	return sum;
}

START_TEST(close_all_sessions)
{
	prepare();
	start(WORKERS, be_disturbed);
	for (int i = 0; i < 20; i++)
		ck_assert_rv(p11->C_CloseAllSessions(slot), CKR_OK);
	atomic_store(&stop, true);
	join(WORKERS);
	ck_assert_rv(p11->C_CloseAllSessions(slot), CKR_OK);
	CK_TOKEN_INFO info;
	ck_assert_rv(p11->C_GetTokenInfo(slot, &info), CKR_OK);
	ck_assert_uint_eq(info.ulSessionCount, 0);
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

START_TEST(login_and_logout)
{
	CK_SESSION_HANDLE session = sr_rw();
	prepare();
	start(WORKERS, be_disturbed);
	for (int i = 0; i < 200; i++)
		ck_assert_rv_in(p11->C_Logout(session), CKR_OK, CKR_USER_NOT_LOGGED_IN);
	while (all_delivered() == 0)
		ck_assert_rv_in(sr_login(session, sr_place.reader), CKR_OK, CKR_USER_ALREADY_LOGGED_IN);
	atomic_store(&stop, true);
	join(WORKERS);
}
END_TEST

/* 5.4.2 leaves this undefined; a module that crashed a program on its way out would be the worse for it. */
START_TEST(finalize_beside_calls)
{
	for (int i = 0; i < 5; i++) {
		prepare();
		start(WORKERS, be_disturbed);
		ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
		atomic_store(&stop, true);
		join(WORKERS);
		ck_assert_rv(sr_initialize(), CKR_OK);
	}
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

static void *initialise(void *arg)
{
	static const CK_RV wanted[] = { CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED };
	struct worker *worker = arg;
	CK_RV rv = sr_initialize();
	good(worker, "C_Initialize", rv, wanted, 2);
	worker->delivered = rv == CKR_OK;
	return NULL;
}

START_TEST(one_initialises)
{
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	memset(workers, 0, sizeof workers);
	start(WORKERS, initialise);
	join(WORKERS);
	ck_assert_uint_eq(all_delivered(), 1);
}
END_TEST

/* -- uses
 * ---------------------------------------------------------------------------------------------------------------------------
 */
static CK_OBJECT_HANDLE stripe;

static void *read_once(void *arg)
{
	static const CK_RV wanted[] = { CKR_OK, CKR_USER_NOT_LOGGED_IN, CKR_OBJECT_HANDLE_INVALID };
	struct worker *worker = arg;
	for (int i = 0; i < 3; i++) {
		CK_RV rv = sr_value(worker->session, stripe);
		good(worker, "C_GetAttributeValue", rv, wanted, 3);
		atomic_fetch_add(&worker->delivered, rv == CKR_OK);
	}
	return NULL;
}

/* MAX_USES of 1 and of 5: so many values are delivered, to whichever threads. */
START_TEST(uses)
{
	static const char *const most[] = { "1", "5" };
	char token[SR_TOKEN_LEN + 1];
	sr_token("secrets:read:production/*", "60", most[_i], token);
	CK_SESSION_HANDLE session = sr_as(token);
	stripe = sr_find(session, SR_STRIPE);
	prepare();
	for (int i = 0; i < WORKERS; i++)
		workers[i].session = sr_rw();
	start(WORKERS, read_once);
	join(WORKERS);
	ck_assert_uint_eq(all_delivered(), (CK_ULONG)(most[_i][0] - '0'));
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
}
END_TEST

/* A revocation that has returned wins: nothing is delivered to a call that begins after it. */
START_TEST(revocation_wins)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE token = sr_token("secrets:read:production/*", "60", NULL, string);
	CK_SESSION_HANDLE session = sr_as(string);
	stripe = sr_find(session, SR_STRIPE);
	prepare();
	for (int i = 0; i < WORKERS; i++)
		workers[i].session = sr_rw();
	start(WORKERS, read_once);
	sr_revoke(token);
	ck_assert_rv_in(sr_value(session, stripe), CKR_USER_NOT_LOGGED_IN, CKR_OBJECT_HANDLE_INVALID);
	join(WORKERS);
}
END_TEST

Suite *sr_battery_threads(void)
{
	Suite *suite = suite_create("battery: threads");
	TCase *tcase = sr_chapter(suite, "threads", sr_start, sr_stop);
	tcase_add_test(tcase, mixed);
	tcase_add_test(tcase, own_locking);
	tcase_add_test(tcase, one_session);
	tcase_add_test(tcase, close_all_sessions);
	tcase_add_test(tcase, login_and_logout);
	tcase_add_test(tcase, finalize_beside_calls);
	tcase_add_test(tcase, one_initialises);
	tcase_add_loop_test(tcase, uses, 0, 2);
	tcase_add_test(tcase, revocation_wins);
	return suite;
}
