/* The writer: what becomes of a job, and many jobs at once. */
#include "tests/unit/audit_place.h"
#include "tests/unit/suites.h"

#include "audit/heads.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct audit_place place;

static void setup(void)
{
	place_make(&place);
}

static void teardown(void)
{
	place_remove(&place);
}

/* -- outcomes --------------------------------------------------------------------------------------------------- */

static CK_RV set_name(struct sr_moment *moment, const char *name, struct sr_error *err)
{
	return place.store->ops->meta_put(moment->tx, "vault-name", name, err);
}

struct plan {
	const char *name;
	CK_RV answer;
	CK_ULONG reason;
	struct sr_event *event;
	uint64_t event_id;
	int64_t not_before_ms;
};

static CK_RV follow(struct sr_moment *moment, void *arg, struct sr_error *err)
{
	struct plan *plan = arg;
	plan->event_id = moment->event_id;
	plan->not_before_ms = moment->not_before_ms;
	plan->event->version = 9;
	plan->event->counted = true;
	snprintf(plan->event->subject, sizeof plan->event->subject, "secret:%s", plan->event->path);
	CK_RV rv = set_name(moment, plan->name, err);
	if (rv != CKR_OK || plan->answer == CKR_OK)
		return rv;
	return sr_fail(err, plan->answer, plan->reason, "refused by plan");
}

static CK_RV run_plan(struct plan *plan, struct sr_event *event, CK_ULONG audit_reason, struct sr_error *err)
{
	struct sr_job job = { .event = event, .run = follow, .arg = plan, .audit_reason = audit_reason };
	plan->event = event;
	return sr_writer_run(place.writer, &job, err);
}

START_TEST(allowed_job_holds)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_SECRET_UPDATED, "a/b");
	struct plan plan = { .name = "first" };
	char name[32];
	ck_assert_uint_eq(run_plan(&plan, &event, 0, &err), CKR_OK);
	struct sr_event stored = get_event(&place, 1);
	ck_assert_uint_eq(plan.event_id, 1);
	ck_assert_uint_eq(stored.id, 1);
	ck_assert_int_eq(stored.status, SR_STATUS_ALLOWED);
	ck_assert_str_eq(stored.rv, "CKR_OK");
	ck_assert_str_eq(stored.reason, "");
	ck_assert_str_eq(stored.subject, "secret:a/b");
	ck_assert_uint_eq(stored.version, 9);
	ck_assert(stored.counted);
	get_meta(&place, name, sizeof name);
	ck_assert_str_eq(name, "first");
	ck_assert_int_eq(newest_time(&place), stored.timestamp_ms);
	ck_assert(verify(&place).ok);
}
END_TEST

static const struct {
	CK_RV answer;
	CK_ULONG reason, audit_reason;
	enum sr_status status;
	const char *rv, *word;
} refusals[] = {
	{ CKR_PIN_EXPIRED, SR_REASON_EXPIRED, 0, SR_STATUS_DENIED, "CKR_PIN_EXPIRED", "expired" },
	{ CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED, SR_REASON_WRONG_PASSPHRASE, SR_STATUS_DENIED, "CKR_PIN_INCORRECT",
		"wrong_passphrase" },
	{ CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED, 0, SR_STATUS_ERROR, "CKR_DEVICE_ERROR", "row_forged" },
	{ CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING, 0, SR_STATUS_ERROR, "CKR_DEVICE_REMOVED", "hsm_missing" },
	{ CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL, 0, SR_STATUS_ERROR, "CKR_DEVICE_MEMORY", "store_full" },
	{ CKR_HOST_MEMORY, SR_REASON_MEMORY, 0, SR_STATUS_ERROR, "CKR_HOST_MEMORY", "memory" },
	{ CKR_GENERAL_ERROR, SR_REASON_INTERNAL, 0, SR_STATUS_ERROR, "CKR_GENERAL_ERROR", "internal" },
	{ CKR_FUNCTION_FAILED, SR_REASON_INTERNAL, 0, SR_STATUS_ERROR, "CKR_FUNCTION_FAILED", "internal" },
	{ CKR_ENCRYPTED_DATA_INVALID, SR_REASON_SEAL_BROKEN, 0, SR_STATUS_ERROR, "CKR_ENCRYPTED_DATA_INVALID",
		"seal_broken" },
};

/* Both ways of being refused: by run, which had changed something, and by the owner before it. */
START_TEST(refused_job_leaves_its_record_alone)
{
	for (size_t i = 0; i < 2 * sizeof refusals / sizeof refusals[0]; i++) {
		size_t row = i / 2;
		bool by_run = i % 2 == 0;
		struct sr_error err = SR_ERROR_INIT;
		struct sr_event event = event_of(SR_EVENT_SECRET_UPDATED, "a/b");
		struct plan plan = {
			.name = "never", .answer = refusals[row].answer, .reason = refusals[row].reason, .event = &event
		};
		struct sr_job job = {
			.event = &event, .run = follow, .arg = &plan, .audit_reason = refusals[row].audit_reason
		};
		char name[32];
		event.version = 4;
		if (!by_run)
			job.refuse = sr_fail(&err, refusals[row].answer, refusals[row].reason, "refused by plan");
		ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), refusals[row].answer);
		ck_assert_uint_eq(err.reason, refusals[row].reason);
		ck_assert_str_eq(err.text, "refused by plan");
		ck_assert_uint_eq(plan.event_id, by_run ? i + 1 : 0);
		struct sr_event stored = get_event(&place, i + 1);
		ck_assert_int_eq(stored.status, refusals[row].status);
		ck_assert_str_eq(stored.rv, refusals[row].rv);
		ck_assert_str_eq(stored.reason, refusals[row].word);
		ck_assert_str_eq(stored.subject, "");
		ck_assert_str_eq(stored.path, "a/b");
		ck_assert_uint_eq(stored.version, 4);
		ck_assert(!stored.counted);
		get_meta(&place, name, sizeof name);
		ck_assert_str_eq(name, "");
	}
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(bad_texts_stay_out_of_the_chain)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_SECRET_UPDATED, "a\nb");
	struct plan plan = { .name = "never" };
	char name[32];
	memset(event.peer, 'x', sizeof event.peer);
	ck_assert_uint_eq(run_plan(&plan, &event, 0, &err), CKR_GENERAL_ERROR);
	struct sr_event stored = get_event(&place, 1);
	ck_assert_int_eq(stored.status, SR_STATUS_ERROR);
	ck_assert_str_eq(stored.path, "");
	ck_assert_str_eq(stored.peer, "");
	get_meta(&place, name, sizeof name);
	ck_assert_str_eq(name, "");
	ck_assert(verify(&place).ok);
}
END_TEST

/* -- many at once ----------------------------------------------------------------------------------------------- */

#define THREADS 50
#define ROUNDS 20

/* Every seventh is refused after its change, which the others must not see undone with theirs. */
static CK_RV count_up(struct sr_moment *moment, void *arg, struct sr_error *err)
{
	const int *number = arg;
	struct sr_buf text = SR_BUF_INIT;
	char name[32];
	unsigned count = 0;
	CK_RV rv = place.store->ops->meta_get(moment->tx, "vault-name", &text, err);
	if (rv == CKR_OK)
		sscanf(sr_buf_string(&text), "n%u", &count);
	sr_buf_clear(&text);
	snprintf(name, sizeof name, "n%u", count + 1);
	if (rv == CKR_OK)
		rv = set_name(moment, name, err);
	if (rv == CKR_OK && *number % 7 == 0)
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_OUT_OF_SCOPE, "every seventh");
	return rv;
}

static void *run_rounds(void *arg)
{
	static const char failed[] = "failed";
	int first = *(int *)arg * ROUNDS;
	for (int number = first; number < first + ROUNDS; number++) {
		struct sr_error err = SR_ERROR_INIT;
		char path[32];
		snprintf(path, sizeof path, "job/%d", number);
		struct sr_event event = event_of(SR_EVENT_SECRET_UPDATED, path);
		struct sr_job job = { .event = &event, .run = count_up, .arg = &number };
		if (sr_writer_run(place.writer, &job, &err) != (number % 7 == 0 ? CKR_ACTION_PROHIBITED : CKR_OK))
			return (void *)(uintptr_t)failed;
		if (number % 50 == 0 && sr_writer_seal(place.writer, &err) != CKR_OK)
			return (void *)(uintptr_t)failed;
	}
	return NULL;
}

static void assert_each_job_once(unsigned jobs, unsigned expected_refused)
{
	static bool seen[10000];
	unsigned refused = 0;
	memset(seen, 0, sizeof seen);
	for (unsigned id = 1; id <= jobs; id++) {
		struct sr_event event = get_event(&place, id);
		unsigned number;
		ck_assert_int_eq(sscanf(event.path, "job/%u", &number), 1);
		ck_assert(number < jobs && !seen[number]);
		seen[number] = true;
		ck_assert_int_eq(event.status, number % 7 == 0 ? SR_STATUS_DENIED : SR_STATUS_ALLOWED);
		refused += number % 7 == 0;
	}
	ck_assert_uint_eq(refused, expected_refused);
}

START_TEST(threads_share_commits)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];
	char name[32];
	void *failed;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_rounds, &numbers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(get_head(&place).seq, THREADS * ROUNDS);
	assert_each_job_once(THREADS * ROUNDS, 143);
	get_meta(&place, name, sizeof name);
	ck_assert_str_eq(name, "n857");
	struct sr_verdict verdict = verify(&place);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_eq(verdict.records, THREADS * ROUNDS);
}
END_TEST

static int child_main(int child)
{
	place_open(&place);
	int number = child;
	void *failed = run_rounds(&number);
	place_close(&place);
	return failed ? 1 : 0;
}

#define CHILDREN 4

START_TEST(processes_interleave)
{
	pid_t children[CHILDREN];
	place_close(&place);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(child_main(i));
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
	place_open(&place);
	assert_each_job_once(CHILDREN * ROUNDS, 12);
	struct sr_verdict verdict = verify(&place);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_eq(verdict.tail, 0);
}
END_TEST

/* Two writers in one process, as two processes see each other, one job each in turn. */
START_TEST(writers_take_turns)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_writer *mine = place.writer, *theirs;
	ck_assert_uint_eq(sr_writer_open(&place.config, &theirs, &err), CKR_OK);
	for (int i = 0; i < 10; i++) {
		place.writer = i % 2 ? mine : theirs;
		put_events(&place, 1);
		if (i == 4)
			ck_assert_uint_eq(sr_writer_seal(mine, &err), CKR_OK);
	}
	ck_assert_uint_ge(last_checkpoint(&place), 5);
	sr_writer_close(theirs);
	place.writer = mine;
	ck_assert_uint_eq(get_head(&place).seq, 10);
	ck_assert_uint_eq(last_checkpoint(&place), 9); /* all that the one that closed knew */
	ck_assert(verify(&place).ok);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* -- glances ----------------------------------------------------------------------------------------------------- */

static CK_RV glance_after_tampering(bool alone, struct sr_error *err)
{
	struct sr_moment at;
	struct sr_error opened = SR_ERROR_INIT;
	place.config.alone = alone;
	ck_assert_uint_eq(place_reopen(&place, &opened), CKR_OK);
	put_events(&place, 2);
	ck_assert_uint_eq(sr_writer_glance(place.writer, &at, err), CKR_OK);
	ck_assert_int_eq(at.not_before_ms, newest_time(&place));
	tamper(&place, "UPDATE standing SET newest_ms = newest_ms + 1");
	return sr_writer_glance(place.writer, &at, err);
}

START_TEST(a_glance_reads_what_others_may_have_written)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(glance_after_tampering(false, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_CHAIN_BROKEN);
}
END_TEST

/* Nobody but this process commits: what it knows is how it is. Before anything is released the database is read. */
START_TEST(alone_a_glance_reads_nothing)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_moment at;
	struct sr_event event = event_of(SR_EVENT_SECRET_READ, "a/b");
	struct plan plan = { .name = "x" };
	ck_assert_uint_eq(glance_after_tampering(true, &err), CKR_OK);
	ck_assert_uint_eq(sr_writer_look(place.writer, &at, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_CHAIN_BROKEN);
	ck_assert_uint_eq(run_plan(&plan, &event, SR_REASON_NONE, &err), CKR_DEVICE_ERROR);
	tamper(&place, "UPDATE standing SET newest_ms = newest_ms - 1");
	ck_assert_uint_eq(run_plan(&plan, &event, SR_REASON_NONE, &err), CKR_OK);
	ck_assert_uint_eq(sr_writer_glance(place.writer, &at, &err), CKR_OK);
	ck_assert_int_eq(at.not_before_ms, newest_time(&place));
}
END_TEST

/* It would learn of another process there. */
START_TEST(alone_the_heads_file_is_read_now_and_then)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head;
	bool found;
	place.config.alone = true;
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
	put_events(&place, 1);
	unlink(place.heads);
	put_events(&place, 1);
	ck_assert_uint_eq(sr_heads_read(place.heads, CHAIN_ID, &head, &found, &err), CKR_OK);
	ck_assert(found);
	ck_assert_uint_eq(head.seq, get_head(&place).seq);
	unlink(place.heads);
	usleep(1100 * 1000);
	struct sr_event event = event_of(SR_EVENT_SECRET_READ, "a/b");
	struct plan plan = { .name = "x" };
	ck_assert_uint_eq(run_plan(&plan, &event, SR_REASON_NONE, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_CHAIN_BROKEN);
}
END_TEST

Suite *sr_suite_audit_writer(void)
{
	Suite *suite = suite_create("audit_writer");
	TCase *outcomes = add_case(suite, "outcomes");
	tcase_add_test(outcomes, allowed_job_holds);
	tcase_add_test(outcomes, refused_job_leaves_its_record_alone);
	tcase_add_test(outcomes, bad_texts_stay_out_of_the_chain);
	tcase_add_test(outcomes, a_glance_reads_what_others_may_have_written);
	tcase_add_test(outcomes, alone_a_glance_reads_nothing);
	tcase_add_test(outcomes, alone_the_heads_file_is_read_now_and_then);
	tcase_add_test(add_case(suite, "threads"), threads_share_commits);
	TCase *processes = add_case(suite, "processes");
	tcase_add_test(processes, processes_interleave);
	tcase_add_test(processes, writers_take_turns);
	return suite;
}
