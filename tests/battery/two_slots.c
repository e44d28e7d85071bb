/* Two programs' worth of slots in one process: two [slot] sections, each with a token file of its own. Each slot is a
 * vault of other objects than its neighbour, at the same time and from many threads (design §3). */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WORKERS 8
#define ROUNDS 20

/* What one side sees, and what it must not. */
struct side {
	const char *label;
	const char *path, *value;
	const char *hidden;
	const char *under; /* where it may write */
	CK_ULONG count;
};

static const struct side sides[] = {
	{ "first", SR_STRIPE, SR_STRIPE_VALUE, SR_STAGING, "production", 2 },
	{ "second", SR_STAGING, SR_STAGING_VALUE, SR_STRIPE, "staging", 1 },
};

static CK_SESSION_HANDLE log_in(const struct side *side)
{
	CK_SESSION_HANDLE session = sr_open(side->label, CKF_RW_SESSION);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
	return session;
}

static CK_ULONG count_all(CK_SESSION_HANDLE session)
{
	CK_ATTRIBUTE any = SR_ATTR(CKA_CLASS, sr_data);
	return sr_find_all(session, &any, 1, NULL, 0);
}

static void start(void)
{
	sr_start();
	sr_place_write(sr_place.first, sr_place.reader);
	sr_place_write(sr_place.second, sr_place.staging);
}

START_TEST(each_slot_is_another_vault)
{
	CK_SESSION_HANDLE session[2];
	CK_OBJECT_HANDLE object[2];
	for (int i = 0; i < 2; i++)
		session[i] = log_in(&sides[i]);
	for (int i = 0; i < 2; i++) {
		object[i] = sr_find(session[i], sides[i].path);
		ck_assert_uint_eq(count_all(session[i]), sides[i].count);
		ck_assert_uint_eq(sr_find(session[i], sides[i].hidden), 0);
		sr_is(session[i], object[i], CKA_VALUE, sides[i].value);
	}
	for (int i = 0; i < 2; i++) /* a handle is its slot's */
		ck_assert_rv(sr_value(session[i], object[1 - i]), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_ne(sr_slot(sides[0].label), sr_slot(sides[1].label));
}
END_TEST

/* The end of one login is nothing to the other. */
START_TEST(one_ends_alone)
{
	char token[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE handle = sr_token("secrets:read:production/*", "3600", NULL, token);
	sr_place_write(sr_place.first, token);
	CK_SESSION_HANDLE first = log_in(&sides[0]), second = log_in(&sides[1]);
	CK_OBJECT_HANDLE object = sr_find(second, SR_STAGING);
	sr_revoke(handle);
	ck_assert_uint_eq(sr_find(first, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_state(first), CKS_RW_PUBLIC_SESSION);
	sr_is(second, object, CKA_VALUE, SR_STAGING_VALUE);
	ck_assert_uint_eq(sr_state(second), CKS_RW_USER_FUNCTIONS);
}
END_TEST

/* -- in threads ---------------------------------------------------------------------------------------------------- */

/* Assertions stand in the main thread: a worker keeps what it was at when something was not as it should be. */
struct worker {
	pthread_t thread;
	int number;
	const struct side *side;
	const char *wrong;
};

static struct worker workers[WORKERS];

static CK_OBJECT_HANDLE look_for(CK_SESSION_HANDLE session, const char *path)
{
	CK_ATTRIBUTE label = SR_STRING(CKA_LABEL, path);
	CK_OBJECT_HANDLE object = 0;
	CK_ULONG count = 0;
	if (p11->C_FindObjectsInit(session, &label, 1) != CKR_OK)
		return ~0UL;
	CK_RV rv = p11->C_FindObjects(session, &object, 1, &count);
	p11->C_FindObjectsFinal(session);
	return rv != CKR_OK ? ~0UL : count ? object : 0;
}

static bool has_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, const char *value)
{
	char got[64] = "";
	CK_ULONG len = sizeof got - 1;
	return sr_get(session, object, CKA_VALUE, got, &len) == CKR_OK && strcmp(got, value) == 0;
}

static const char *one_round(const struct worker *worker, CK_SESSION_HANDLE session, int round)
{
	const struct side *side = worker->side;
	CK_OBJECT_HANDLE object = look_for(session, side->path);
	char path[64], value[32];
	if (object == 0 || object == ~0UL || !has_value(session, object, side->value))
		return "one's own secret";
	if (look_for(session, side->hidden) != 0)
		return "the other's secret is seen";
	snprintf(value, sizeof value, "%d of %d", round, worker->number);
	snprintf(path, sizeof path, "%s/threads/%d", side->under, worker->number);
	if (sr_put(session, path, value, &object) != CKR_OK || !has_value(session, object, value))
		return "a secret of one's own";
	snprintf(path, sizeof path, "%s/threads/%d", sides[side == sides].under, worker->number);
	return sr_put(session, path, value, &object) == CKR_OK ? "a secret of the other's was written" : NULL;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	CK_SESSION_HANDLE session = 0;
	CK_SLOT_ID slot;
	if (sr_slot_find(worker->side->label, &slot) != CKR_OK ||
		p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK)
		worker->wrong = "a session";
	for (int i = 0; i < ROUNDS && !worker->wrong; i++)
		worker->wrong = one_round(worker, session, i);
	p11->C_CloseSession(session);
	return NULL;
}

START_TEST(in_many_threads)
{
	static const char *const scopes[] = { "secrets:read:production/*\nsecrets:write:production/*",
		"secrets:read:staging/*\nsecrets:write:staging/*" };
	const char *const files[] = { sr_place.first, sr_place.second };
	for (int i = 0; i < 2; i++) {
		char token[SR_TOKEN_LEN + 1];
		sr_token(scopes[i], "3600", NULL, token);
		sr_place_write(files[i], token);
		log_in(&sides[i]);
	}
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .number = i, .side = &sides[i % 2] };
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++)
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_msg(!workers[i].wrong, "thread %d: %s", i, workers[i].wrong);
}
END_TEST

Suite *sr_battery_two_slots(void)
{
	Suite *suite = suite_create("battery: two slots, two vaults");
	TCase *tcase = sr_chapter(suite, "two slots", start, sr_stop);
	tcase_add_test(tcase, each_slot_is_another_vault);
	tcase_add_test(tcase, one_ends_alone);
	tcase_add_test(tcase, in_many_threads);
	return suite;
}
