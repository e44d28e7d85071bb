/* Refusals make so many records and no more; what is beyond is counted, and the count is recorded. What is allowed is
 * recorded whatever was refused. */
#include "tests/unit/no_memory.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "vault/core.h"
#include "vault/denied.h"
#include "vault/slow.h"

#include <stdio.h>
#include <string.h>

static struct vault_place place;
static char reader[64], other[64];

static void wait(int64_t ms)
{
	(void)ms;
}

static void setup(void)
{
	vault_place_make(&place);
	sr_slow_replace(wait);
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_put(&place, "mine/a", "value", NULL), CKR_OK);
	ck_assert_uint_eq(vault_issue(&place, "secrets:*:mine/*", "86400", NULL, NULL, reader), CKR_OK);
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:mine/*", "86400", NULL, NULL, other), CKR_OK);
	ck_assert_uint_eq(vault_login(&place, reader), CKR_OK);
}

static void teardown(void)
{
	vault_place_remove(&place);
	sr_slow_replace(NULL);
}

static uint64_t newest(struct sr_event *event)
{
	return vault_event(&place, 0, event);
}

/* Known before the transaction: another's path. Known inside it alone: that there is nothing to delete. */
static uint64_t refuse(bool inside, unsigned times, struct sr_event *event)
{
	uint64_t before = newest(event);
	for (unsigned i = 0; i < times; i++) {
		CK_RV rv = inside ? sr_class_find(CKO_DATA)->destroy(&place.caller, "mine/none", &place.err)
				  : vault_put(&place, "theirs/a", "x", NULL);
		ck_assert_uint_ne(rv, CKR_OK);
	}
	return newest(event) - before;
}

/* Records of its own while there are any left, then none; a while later one for all that were counted. */
START_TEST(refusals_are_recorded_and_then_counted)
{
	struct sr_event event;
	ck_assert_uint_eq(refuse(_i, SR_DENIED_BURST, &event), SR_DENIED_BURST);
	ck_assert_str_eq(event.metadata, "");
	enum sr_event_kind kind = event.kind;
	char reason[sizeof(event.reason)];
	memcpy(reason, event.reason, sizeof(reason));
	ck_assert_uint_eq(refuse(_i, 7, &event), 0);
	vault_clock_move(2 * SR_DENIED_EVERY_MS, 2 * SR_DENIED_EVERY_MS, false);
	ck_assert_uint_eq(refuse(_i, 1, &event), 2);
	ck_assert_str_eq(event.metadata, "");
	ck_assert_uint_eq(refuse(_i, 3, &event), 0);
	vault_clock_move(SR_DENIED_EVERY_MS, SR_DENIED_EVERY_MS, false);
	ck_assert_uint_eq(refuse(_i, 1, &event), 1); /* the one that there is tells of the three */
	ck_assert_str_eq(event.metadata, "{\"count\":3}");
	ck_assert_str_eq(event.path, "");
	ck_assert_str_eq(event.reason, reason);
	ck_assert_str_eq(event.actor_type, "token");
	ck_assert_str_eq(event.token_id, event.actor_id);
	ck_assert_str_eq(event.ip, "local");
	ck_assert_int_eq(event.kind, kind);
	ck_assert_int_eq(event.status, SR_STATUS_DENIED);
	vault_clock_move(SR_DENIED_BURST * SR_DENIED_EVERY_MS, SR_DENIED_BURST * SR_DENIED_EVERY_MS, false);
	ck_assert_uint_eq(refuse(_i, SR_DENIED_BURST + 9, &event), SR_DENIED_BURST);
}
END_TEST

START_TEST(a_refusal_without_memory_is_one_all_the_same)
{
	struct sr_event event;
	size_t answered = 0;
	bool ran_out;
	do {
		no_memory_after(answered++);
		CK_RV rv = vault_put(&place, "theirs/a", "x", NULL);
		ran_out = memory_again();
		ck_assert_uint_ne(rv, CKR_OK);
	} while (ran_out);
	ck_assert_uint_ge(answered, 3);
	vault_clock_move(SR_DENIED_BURST * SR_DENIED_EVERY_MS, SR_DENIED_BURST * SR_DENIED_EVERY_MS, false);
	ck_assert_uint_ge(refuse(false, SR_DENIED_BURST + 1, &event), SR_DENIED_BURST);
	ck_assert_uint_eq(refuse(false, 1, &event), 0);
}
END_TEST

START_TEST(what_is_allowed_is_recorded_all_the_same)
{
	struct sr_event event;
	char value[256];
	refuse(false, SR_DENIED_BURST + 5, &event);
	uint64_t before = newest(&event);
	ck_assert_uint_eq(vault_get(&place, "mine/a", value), CKR_OK);
	ck_assert_uint_eq(newest(&event), before + 1);
	ck_assert_int_eq(event.kind, SR_EVENT_SECRET_READ);
	ck_assert_int_eq(event.status, SR_STATUS_ALLOWED);
	ck_assert_uint_eq(vault_login(&place, other), CKR_OK); /* who was not refused has all of theirs */
	ck_assert_uint_eq(refuse(false, 3, &event), 3);
}
END_TEST

START_TEST(what_is_counted_is_recorded_at_the_close)
{
	struct sr_event event;
	refuse(false, SR_DENIED_BURST + 5, &event);
	uint64_t before = newest(&event);
	vault_place_reopen(&place);
	newest(&event);
	ck_assert_uint_ge(newest(&event), before + 1);
	ck_assert_str_eq(event.metadata, "{\"count\":5}");
	ck_assert_str_eq(event.actor_type, "token");
}
END_TEST

/* A token that may not come from here: whoever holds it is refused before there is a login. */
START_TEST(a_known_token_that_is_refused_is_bounded_too)
{
	struct sr_event event;
	char away[64];
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:*", "600", NULL, "192.0.2.1", away), CKR_OK);
	uint64_t before = newest(&event);
	for (int i = 0; i < SR_DENIED_BURST + 20; i++)
		ck_assert_uint_eq(vault_login(&place, away), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(newest(&event) - before, SR_DENIED_BURST);
	ck_assert_str_eq(event.reason, "address_not_allowed");
}
END_TEST

Suite *sr_suite_denied(void)
{
	Suite *suite = suite_create("denied");
	TCase *c = tcase_create("denied");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, refusals_are_recorded_and_then_counted, 0, 2);
	tcase_add_test(c, a_refusal_without_memory_is_one_all_the_same);
	tcase_add_test(c, what_is_allowed_is_recorded_all_the_same);
	tcase_add_test(c, what_is_counted_is_recorded_at_the_close);
	tcase_add_test(c, a_known_token_that_is_refused_is_bounded_too);
	suite_add_tcase(suite, c);
	return suite;
}
