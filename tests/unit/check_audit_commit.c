/* What a commit that fails leaves behind, and what follows one that holds: time, checkpoints, the anchor. */
#include "tests/unit/audit_place.h"
#include "tests/unit/suites.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define T0 1795452253000

static struct audit_place place;
static int64_t wall_ms, boot_ms;

static void moved_clock(struct sr_now *now)
{
	*now = (struct sr_now){ .wall_ms = wall_ms, .boot_ms = boot_ms, .boot_id = "one" };
}

static void pass(int64_t ms)
{
	wall_ms += ms;
	boot_ms += ms;
}

static void setup(void)
{
	place_make(&place);
}

static void clock_setup(void)
{
	wall_ms = T0;
	boot_ms = 100000;
	sr_clock_replace(moved_clock);
	setup();
}

static void teardown(void)
{
	place_remove(&place);
}

static CK_RV rename_vault(struct sr_moment *moment, void *arg, struct sr_error *err)
{
	return place.store->ops->meta_put(moment->tx, "vault-name", arg, err);
}

static CK_RV try_name(const char *name, struct sr_error *err)
{
	struct sr_event event = event_of(SR_EVENT_SECRET_UPDATED, "a/b");
	char text[32];
	struct sr_job job = { .event = &event, .run = rename_vault, .arg = text };
	snprintf(text, sizeof text, "%s", name);
	return sr_writer_run(place.writer, &job, err);
}

/* -- failures --------------------------------------------------------------------------------------------------- */

static const struct sr_store_ops *real_ops;
static struct sr_store_ops bad_ops;
static CK_RV bad_rv;

static CK_RV fail_now(struct sr_error *err)
{
	return sr_fail(err, bad_rv, bad_rv == CKR_DEVICE_MEMORY ? SR_REASON_STORE_FULL : SR_REASON_STORE_FAILED,
		"made to fail");
}

static CK_RV bad_begin(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	(void)store;
	(void)tx;
	return fail_now(err);
}

static CK_RV bad_commit(struct sr_tx *tx, struct sr_error *err)
{
	real_ops->rollback(tx);
	return fail_now(err);
}

static CK_RV bad_savepoint(struct sr_tx *tx, struct sr_error *err)
{
	(void)tx;
	return fail_now(err);
}

static CK_RV bad_event_put(
	struct sr_tx *tx, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	(void)tx;
	(void)event;
	(void)hash;
	return fail_now(err);
}

static CK_RV bad_event_head(struct sr_tx *tx, struct sr_head *head, int64_t *newest_ms, struct sr_error *err)
{
	(void)tx;
	(void)head;
	(void)newest_ms;
	return fail_now(err);
}

static CK_RV older_head(struct sr_tx *tx, struct sr_head *head, int64_t *newest_ms, struct sr_error *err)
{
	uint8_t hash[SR_HASH_LEN];
	struct sr_event event;
	bool found;
	CK_RV rv = real_ops->event_head(tx, head, newest_ms, err);
	head->seq--;
	if (rv == CKR_OK)
		rv = real_ops->event_get(tx, head->seq, &event, hash, &found, err);
	memcpy(head->hash, hash, sizeof hash);
	return rv;
}

static CK_RV other_head(struct sr_tx *tx, struct sr_head *head, int64_t *newest_ms, struct sr_error *err)
{
	CK_RV rv = real_ops->event_head(tx, head, newest_ms, err);
	head->hash[0] ^= 1;
	return rv;
}

/* Each puts one bad operation into the table; REASON 0: what the bad operation's code stands for. */
static const struct {
	struct sr_store_ops bad;
	CK_ULONG reason;
} injections[] = {
	{ { .begin_write = bad_begin }, 0 },
	{ { .commit = bad_commit }, 0 },
	{ { .mark = bad_savepoint }, 0 },
	{ { .keep = bad_savepoint }, 0 },
	{ { .event_put = bad_event_put }, 0 },
	{ { .event_head = bad_event_head }, 0 },
	{ { .event_head = older_head }, SR_REASON_ROLLED_BACK },
	{ { .event_head = other_head }, SR_REASON_CHAIN_BROKEN },
};

#define INJECTIONS ((int)(sizeof injections / sizeof injections[0]))
#define PUT_IN(op) bad_ops.op = bad->op ? bad->op : bad_ops.op

static void inject(const struct sr_store_ops *bad)
{
	real_ops = place.store->ops;
	bad_ops = *real_ops;
	PUT_IN(begin_write);
	PUT_IN(commit);
	PUT_IN(mark);
	PUT_IN(keep);
	PUT_IN(event_put);
	PUT_IN(event_head);
	place.store->ops = &bad_ops;
}

static CK_ULONG expected_reason(int what)
{
	if (injections[what].reason)
		return injections[what].reason;
	return bad_rv == CKR_DEVICE_MEMORY ? SR_REASON_STORE_FULL : SR_REASON_AUDIT_FAILED;
}

START_TEST(nothing_holds_without_its_record)
{
	int what = _i / 2;
	struct sr_error err = SR_ERROR_INIT;
	char name[32];
	put_events(&place, 3);
	bad_rv = _i % 2 ? CKR_DEVICE_MEMORY : CKR_DEVICE_ERROR;
	inject(&injections[what].bad);
	CK_RV rv = try_name("never", &err);
	ck_assert_uint_eq(rv, injections[what].reason ? CKR_DEVICE_ERROR : bad_rv);
	ck_assert_uint_eq(err.rv, rv);
	ck_assert_uint_eq(err.reason, expected_reason(what));
	place.store->ops = real_ops;
	ck_assert_uint_eq(get_head(&place).seq, 3);
	get_meta(&place, name, sizeof name);
	ck_assert_str_eq(name, "");
	ck_assert_uint_eq(try_name("after", &err), CKR_OK);
	get_meta(&place, name, sizeof name);
	ck_assert_str_eq(name, "after");
	ck_assert(verify(&place).ok);
}
END_TEST

/* Before each commit the heads file is asked; where it cannot answer, nothing is committed. */
START_TEST(without_heads_nothing_is_committed)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_SECRET_READ, "a/b");
	struct sr_job job = { .event = &event };
	char aside[128];
	put_events(&place, 2);
	snprintf(aside, sizeof aside, "%s.aside", place.heads);
	ck_assert_int_eq(rename(place.heads, aside), 0);
	ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), CKR_DEVICE_ERROR);
	ck_assert_msg(strstr(err.text, "heads"), "%s", err.text);
	ck_assert_int_eq(mkdir(place.heads, 0700), 0);
	ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), CKR_DEVICE_ERROR);
	ck_assert_int_eq(rmdir(place.heads), 0);
	ck_assert_int_eq(rename(aside, place.heads), 0);
	put_events(&place, 1);
	ck_assert(verify(&place).ok);
}
END_TEST

/* -- time, checkpoints, anchor ---------------------------------------------------------------------------------- */

START_TEST(time_never_runs_back)
{
	put_events(&place, 1);
	wall_ms -= 60000;
	put_events(&place, 1);
	ck_assert_int_eq(get_event(&place, 2).timestamp_ms, T0);
	ck_assert_int_eq(newest_time(&place), T0);
	wall_ms += 60001;
	put_events(&place, 1);
	ck_assert_int_eq(get_event(&place, 3).timestamp_ms, T0 + 1);
	ck_assert_uint_eq(get_head(&place).seq, 3);
}
END_TEST

START_TEST(clock_jumps_are_events)
{
	put_events(&place, 1);
	pass(86400000);
	put_events(&place, 1); /* a day later: no jump */
	wall_ms += 300000;
	put_events(&place, 1); /* five minutes: not yet */
	wall_ms += 300001;
	put_events(&place, 1);
	wall_ms -= 7200000;
	put_events(&place, 1);
	ck_assert_uint_eq(get_head(&place).seq, 7);
	struct sr_event event = get_event(&place, 4);
	ck_assert_int_eq(event.kind, SR_EVENT_VAULT_CLOCK);
	ck_assert_str_eq(event.actor_type, "system");
	ck_assert_str_eq(event.metadata, "{\"jump_s\":300}");
	ck_assert_str_eq(get_event(&place, 6).metadata, "{\"jump_s\":-7200}");
	ck_assert_int_eq(get_event(&place, 7).kind, SR_EVENT_SECRET_READ);
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(a_clock_that_was_set_back_between_two_processes_is_an_event)
{
	struct sr_error err = SR_ERROR_INIT;
	put_events(&place, 1);
	wall_ms -= 3600000;
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
	put_events(&place, 2);
	ck_assert_uint_eq(get_head(&place).seq, 4);
	ck_assert_int_eq(get_event(&place, 2).kind, SR_EVENT_VAULT_CLOCK);
	ck_assert_str_eq(get_event(&place, 2).metadata, "{\"jump_s\":-3600}");
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(checkpoints_by_time)
{
	put_events(&place, 5);
	ck_assert_uint_eq(last_checkpoint(&place), 0);
	pass(1000);
	put_events(&place, 1); /* signs over 6 */
	ck_assert_uint_eq(last_checkpoint(&place), 0);
	put_events(&place, 1); /* takes it along */
	ck_assert_uint_eq(last_checkpoint(&place), 6);
	ck_assert_uint_eq(verify(&place).tail, 1);
	put_events(&place, 3);
	ck_assert_uint_eq(last_checkpoint(&place), 6);
}
END_TEST

START_TEST(checkpoints_by_number)
{
	put_events(&place, 1000);
	ck_assert_uint_eq(last_checkpoint(&place), 0);
	put_events(&place, 1);
	ck_assert_uint_eq(last_checkpoint(&place), 1000);
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(checkpoints_on_demand)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	ck_assert_uint_eq(last_checkpoint(&place), 0);
	put_events(&place, 2);
	ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	ck_assert_uint_eq(last_checkpoint(&place), 2);
	ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	put_events(&place, 1);
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
	ck_assert_uint_eq(last_checkpoint(&place), 3);
	struct sr_verdict verdict = verify(&place);
	ck_assert(verdict.ok);
	ck_assert_uint_eq(verdict.checkpoints, 2);
	ck_assert_uint_eq(verdict.sealed, 3);
}
END_TEST

START_TEST(policy_changes_seal_and_anchor)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_TOKEN_REVOKED, "");
	struct sr_job job = { .event = &event, .policy_change = true };
	put_events(&place, 2);
	ck_assert_uint_eq(anchored(&place), 0);
	ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), CKR_OK);
	ck_assert_uint_eq(anchored(&place), 3);
	ck_assert_uint_eq(last_checkpoint(&place), 3);
	ck_assert_uint_eq(sr_writer_trouble(place.writer, &err), CKR_OK);
}
END_TEST

START_TEST(anchor_each_minute)
{
	struct sr_error err = SR_ERROR_INIT;
	pass(59999);
	put_events(&place, 1);
	ck_assert_uint_eq(anchored(&place), 0);
	pass(1);
	put_events(&place, 1);
	ck_assert_uint_eq(anchored(&place), 2);
	put_events(&place, 1);
	pass(60000);
	ck_assert_uint_eq(anchored(&place), 2);
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK); /* the close renews it */
	ck_assert_uint_eq(anchored(&place), 3);
}
END_TEST

#define ADD(tcase, ...)                                                                             \
	for (const TTest *const *test = (const TTest *const[]){ __VA_ARGS__, NULL }; *test; test++) \
	tcase_add_test(tcase, *test)

static TCase *add_case(Suite *suite, const char *name, SFun before)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, before, teardown);
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *sr_suite_audit_commit(void)
{
	Suite *suite = suite_create("audit_commit");
	TCase *failures = add_case(suite, "failures", setup);
	tcase_add_loop_test(failures, nothing_holds_without_its_record, 0, 2 * INJECTIONS);
	ADD(failures, without_heads_nothing_is_committed);
	TCase *moved = add_case(suite, "clock", clock_setup);
	ADD(moved, time_never_runs_back, clock_jumps_are_events,
		a_clock_that_was_set_back_between_two_processes_is_an_event, checkpoints_by_time, checkpoints_by_number,
		checkpoints_on_demand, policy_changes_seal_and_anchor, anchor_each_minute);
	return suite;
}
