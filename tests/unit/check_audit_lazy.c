/* audit-sync = lazy: which commits may lag behind the disk, what does not, and what a power failure leaves. */
#include "tests/unit/audit_place.h"
#include "tests/unit/lying_hsm.h"
#include "tests/unit/suites.h"

#include "audit/heads.h"
#include "audit/proven.h"
#include "audit/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct audit_place place;
static const struct sr_store_ops *real_ops;
static struct sr_store_ops counting_ops;
static unsigned firm, lagging; /* commits begun so */
static bool disk_refuses;
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

static CK_RV count_firm(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	firm++;
	if (disk_refuses)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "made to fail");
	return real_ops->begin_write(store, tx, err);
}

static CK_RV count_lagging(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	lagging++;
	return real_ops->begin_lazy(store, tx, err);
}

static void count_commits(void)
{
	real_ops = place.store->ops;
	counting_ops = *real_ops;
	counting_ops.begin_write = count_firm;
	counting_ops.begin_lazy = count_lagging;
	place.store->ops = &counting_ops;
	firm = lagging = 0;
}

static void be_lazy(bool lazy)
{
	struct sr_error err = SR_ERROR_INIT;
	place.config.lazy = lazy;
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
}

static void setup(void)
{
	wall_ms = 1795452253000;
	boot_ms = 100000;
	disk_refuses = false;
	sr_clock_replace(moved_clock);
	place_make(&place);
	be_lazy(true);
	count_commits();
	put_events(&place, 1); /* the newest head that is known to be on the disk */
	ck_assert_uint_eq(firm, 1);
	firm = 0;
}

static void teardown(void)
{
	disk_refuses = false;
	place.store->ops = real_ops;
	place_remove(&place);
}

/* What a job may do. */
static CK_RV look_only(struct sr_moment *at, void *arg, struct sr_error *err)
{
	uint64_t value;
	(void)arg;
	return sr_state_get(place.store, at, "secret:a", &value, err);
}

static CK_RV move(struct sr_moment *at, void *arg, struct sr_error *err)
{
	(void)arg;
	return sr_state_put(place.store, at, "use:t-a", 1 + at->event_id, err);
}

static CK_RV refuse(struct sr_moment *at, void *arg, struct sr_error *err)
{
	CK_RV rv = move(at, arg, err);
	return rv == CKR_OK ? sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_OUT_OF_SCOPE, "refused by the test") : rv;
}

static CK_RV run_job(struct sr_job job)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_KEY_USED, "a/k");
	job.event = &event;
	return sr_writer_run(place.writer, &job, &err);
}

static void lag(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(run_job((struct sr_job){ .run = look_only, .lazy = true }), CKR_OK);
}

static uint64_t heads_seq(void)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head;
	bool found;
	ck_assert_uint_eq(sr_heads_read(place.heads, CHAIN_ID, &head, &found, &err), CKR_OK);
	ck_assert(found);
	return head.seq;
}

/* -- what may lag ------------------------------------------------------------------------------------------------ */

static const struct {
	struct sr_job job;
	CK_RV rv;
	unsigned lagging, firm;
} jobs[] = {
	{ { .lazy = true }, CKR_OK, 1, 0 },
	{ { .lazy = true, .run = look_only }, CKR_OK, 1, 0 },
	{ { .lazy = false, .run = look_only }, CKR_OK, 0, 1 },
	{ { .lazy = true, .policy_change = true }, CKR_OK, 0, 2 }, /* its seal is the second */
	{ { .lazy = true, .refuse = CKR_PIN_INCORRECT }, CKR_PIN_INCORRECT, 0, 1 },
	/* found out by running it: what was begun lazily is made durable before anybody is answered */
	{ { .lazy = true, .run = refuse }, CKR_ATTRIBUTE_SENSITIVE, 1, 1 },
	{ { .lazy = true, .run = move }, CKR_OK, 1, 1 },
};

START_TEST(what_lags)
{
	ck_assert_uint_eq(run_job(jobs[_i].job), jobs[_i].rv);
	ck_assert_uint_eq(lagging, jobs[_i].lagging);
	ck_assert_uint_eq(firm, jobs[_i].firm);
	ck_assert_uint_eq(heads_seq(), jobs[_i].firm ? 2 : 1);
	ck_assert_uint_eq(get_head(&place).seq, 2);
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(nothing_lags_where_it_is_not_configured)
{
	be_lazy(false);
	firm = lagging = 0;
	lag(3);
	ck_assert_uint_eq(lagging, 0);
	ck_assert_uint_eq(firm, 3);
	ck_assert_uint_eq(heads_seq(), 4);
}
END_TEST

START_TEST(a_clock_that_jumps_is_durable)
{
	wall_ms += 3600000;
	lag(1);
	ck_assert_uint_eq(lagging, 1);
	ck_assert_uint_eq(firm, 1);
	ck_assert_int_eq(get_event(&place, 2).kind, SR_EVENT_VAULT_CLOCK);
	ck_assert_uint_eq(heads_seq(), 3);
}
END_TEST

/* By time and by number; the checkpoint that is due makes the next commit durable. */
/* -- an HSM that errs ------------------------------------------------------------------------------------------- */

/* The MAC of a standing that lags is made once; before it is the last it is made again. */
START_TEST(a_wrong_mac_that_lags_does_not_stay)
{
	struct sr_error err = SR_ERROR_INIT;
	lying_hsm_begin(place.hsm);
	lie_at(LIE_SIGN, 1);
	lag(1);
	ck_assert_uint_ge(answers_since(), 1);
	if (_i == 0)
		ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	if (_i == 1)
		lag(1);
	lying_hsm_end(place.hsm);
	place.store->ops = real_ops;
	ck_assert_msg(place_reopen(&place, &err) == CKR_OK, "%s", err.text);
	ck_assert(verify(&place).ok);
}
END_TEST

/* One that is durable is made twice: it is refused, and nothing was done. */
START_TEST(a_wrong_mac_is_not_kept)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_verdict before = verify(&place);
	lying_hsm_begin(place.hsm);
	lie_at(LIE_SIGN, 1);
	ck_assert_uint_eq(run_job((struct sr_job){ .run = move, .lazy = _i }), CKR_DEVICE_ERROR);
	ck_assert_uint_ge(answers_since(), 1);
	lying_hsm_end(place.hsm);
	place.store->ops = real_ops;
	ck_assert_msg(place_reopen(&place, &err) == CKR_OK, "%s", err.text);
	struct sr_verdict after = verify(&place);
	ck_assert(after.ok);
	ck_assert_uint_eq(after.records, before.records);
}
END_TEST

START_TEST(nothing_lags_for_long)
{
	lag(5);
	pass(1000);
	lag(1);
	ck_assert_uint_eq(firm, 0);
	lag(1);
	ck_assert_uint_eq(firm, 1);
	ck_assert_uint_eq(last_checkpoint(&place), 7);
	ck_assert_uint_eq(heads_seq(), 8);
	lag(999);
	ck_assert_uint_eq(firm, 1);
	lag(2);
	ck_assert_uint_eq(firm, 2);
	ck_assert_uint_gt(heads_seq(), 1000);
}
END_TEST

START_TEST(a_seal_and_a_stop_leave_nothing_behind)
{
	struct sr_error err = SR_ERROR_INIT;
	lag(3);
	ck_assert_uint_eq(heads_seq(), 1);
	ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	ck_assert_uint_eq(heads_seq(), 4);
	ck_assert_uint_eq(last_checkpoint(&place), 4);
	lag(2);
	ck_assert_uint_eq(heads_seq(), 4);
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
	ck_assert_uint_eq(heads_seq(), 6);
}
END_TEST

/* The anchor is renewed behind a lazy commit, too, but never with a head that a power failure could take. */
START_TEST(no_witness_is_ahead_of_the_disk)
{
	lag(1);
	pass(60000);
	lag(1);
	ck_assert_uint_eq(heads_seq(), 1);
	ck_assert_uint_eq(anchored(&place), 1);
	lag(1);
	ck_assert_uint_eq(heads_seq(), 4);
}
END_TEST

/* What was released in the belief that it is durable must be; else the caller gets nothing. */
START_TEST(a_disk_that_refuses_releases_nothing)
{
	disk_refuses = true;
	ck_assert_uint_eq(run_job((struct sr_job){ .run = move, .lazy = true }), CKR_DEVICE_ERROR);
	lag(1);
	ck_assert_uint_eq(heads_seq(), 1);
	disk_refuses = false;
	put_events(&place, 1);
	ck_assert_uint_eq(heads_seq(), 4);
	ck_assert(verify(&place).ok);
}
END_TEST

/* -- witnesses --------------------------------------------------------------------------------------------------- */

START_TEST(a_later_witness_is_heard_within_a_second)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head later = { .seq = 1000, .hash = { 1 } };
	ck_assert_uint_eq(sr_heads_write(place.heads, CHAIN_ID, &later, &err), CKR_OK);
	lag(1);
	pass(1000);
	ck_assert_uint_eq(run_job((struct sr_job){ .lazy = true }), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(run_job((struct sr_job){ .lazy = true }), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(run_job((struct sr_job){ .lazy = false }), CKR_DEVICE_ERROR);
	unlink(place.heads);
}
END_TEST

/* -- ends -------------------------------------------------------------------------------------------------------- */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* The directory as the disk and as the next process would find it, once at each moment. */
static void keep_copy(const char *name)
{
	shell("rm -rf '%1$s-%2$s' && cp -a '%1$s' '%1$s-%2$s'", place.dir, name);
}

static CK_RV start_again(struct sr_error *err)
{
	CK_RV rv = place_start(&place, err);
	real_ops = place.store->ops;
	return rv;
}

static void drop_copies(void)
{
	shell("rm -rf '%s'-*", place.dir);
}

/* A process that is killed leaves what it has committed, lazily or not: the files are as they are. */
START_TEST(a_killed_process_loses_nothing)
{
	struct sr_error err = SR_ERROR_INIT;
	lag(5);
	keep_copy("killed");
	place.store->ops = real_ops;
	place_close(&place);
	shell("rm -rf '%1$s' && cp -a '%1$s-%2$s' '%1$s'", place.dir, "killed");
	drop_copies();
	ck_assert_uint_eq(start_again(&err), CKR_OK);
	ck_assert_uint_eq(get_head(&place).seq, 6);
	ck_assert(verify(&place).ok);
}
END_TEST

/* The worst that a power failure does: the database is as of the last durable commit, all else as of the moment. With
 * records that were durable the same is an older copy put back, and refused. */
START_TEST(a_power_failure_takes_the_tail_and_no_more)
{
	struct sr_error err = SR_ERROR_INIT;
	be_lazy(_i == 0);
	put_events(&place, 1);
	keep_copy("synced");
	lag(5);
	keep_copy("failed");
	place.store->ops = real_ops;
	place_close(&place);
	shell("rm -rf '%1$s' && cp -a '%1$s-%2$s' '%1$s' && rm '%1$s'/vault.db*", place.dir, "failed");
	shell("cp -a '%1$s-%2$s'/vault.db* '%1$s'", place.dir, "synced");
	drop_copies();
	CK_RV rv = start_again(&err);
	if (_i == 0) {
		ck_assert_msg(rv == CKR_OK, "%s", err.text);
		ck_assert_uint_eq(get_head(&place).seq, 2);
		lag(1);
		ck_assert(verify(&place).ok);
		return;
	}
	ck_assert_uint_eq(rv, CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_ROLLED_BACK);
}
END_TEST

/* -- the proven -------------------------------------------------------------------------------------------------- */

START_TEST(a_root_vouches_for_one_number)
{
	uint8_t root[SR_HASH_LEN] = { 0 }, other[SR_HASH_LEN] = { 1 }, key[SR_HASH_LEN] = { 0 },
		same_place[SR_HASH_LEN] = { 9 };
	uint64_t value = 77;
	struct sr_proven *proven = sr_proven_new();
	ck_assert(!sr_proven_get(proven, root, key, &value)); /* zeros are no entry */
	sr_proven_add(proven, root, key, 5);
	ck_assert(sr_proven_get(proven, root, key, &value));
	ck_assert_uint_eq(value, 5);
	ck_assert(!sr_proven_get(proven, other, key, &value));
	ck_assert(!sr_proven_get(proven, root, same_place, &value));
	sr_proven_add(proven, root, same_place, 6);
	ck_assert(!sr_proven_get(proven, root, key, &value));
	ck_assert(sr_proven_get(proven, root, same_place, &value));
	ck_assert_uint_eq(value, 6);
	ck_assert(!sr_proven_get(NULL, root, key, &value));
	sr_proven_add(NULL, root, key, 1);
	sr_proven_free(proven);
}
END_TEST

static CK_RV look(const char *subject, bool walk, uint64_t *value, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(place.writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	if (walk)
		at.proven = NULL;
	rv = sr_state_get(place.store, &at, subject, value, err);
	sr_writer_look_end(place.writer, &at);
	return rv;
}

/* What was proven stays true whatever is done to the tables; what is not yet proven under the new root is walked. */
START_TEST(an_altered_tree_changes_no_answer)
{
	struct sr_error err = SR_ERROR_INIT;
	uint64_t value = 0, before;
	ck_assert_uint_eq(run_job((struct sr_job){ .run = move }), CKR_OK);
	ck_assert_uint_eq(look("use:t-a", false, &before, &err), CKR_OK);
	tamper(&place, "UPDATE state SET value = value + 1");
	ck_assert_uint_eq(look("use:t-a", false, &value, &err), CKR_OK);
	ck_assert_uint_eq(value, before);
	ck_assert_uint_eq(look("use:t-a", true, &value, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_ROW_FORGED);
	ck_assert_uint_eq(run_job((struct sr_job){ .run = move }), CKR_DEVICE_ERROR); /* a change walks always */
	tamper(&place, "UPDATE state SET value = value - 1");
	ck_assert_uint_eq(run_job((struct sr_job){ .run = move }), CKR_OK);
	ck_assert_uint_eq(look("use:t-a", false, &value, &err), CKR_OK);
	ck_assert_uint_gt(value, before);
}
END_TEST

#define ADD(tcase, ...)                                                                             \
	for (const TTest *const *test = (const TTest *const[]){ __VA_ARGS__, NULL }; *test; test++) \
	tcase_add_test(tcase, *test)

Suite *sr_suite_audit_lazy(void)
{
	Suite *suite = suite_create("audit_lazy");
	TCase *tcase = tcase_create("lazy");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, what_lags, 0, sizeof jobs / sizeof jobs[0]);
	tcase_add_loop_test(tcase, a_power_failure_takes_the_tail_and_no_more, 0, 2);
	ADD(tcase, nothing_lags_where_it_is_not_configured, a_clock_that_jumps_is_durable, nothing_lags_for_long,
		a_seal_and_a_stop_leave_nothing_behind, no_witness_is_ahead_of_the_disk,
		a_disk_that_refuses_releases_nothing, a_later_witness_is_heard_within_a_second,
		a_killed_process_loses_nothing, a_root_vouches_for_one_number, an_altered_tree_changes_no_answer);
	tcase_add_loop_test(tcase, a_wrong_mac_that_lags_does_not_stay, 0, 3);
	tcase_add_loop_test(tcase, a_wrong_mac_is_not_kept, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
