/* The state tree and the standing: what is proven, and what every hand in the database leads to. */
#include "tests/unit/audit_place.h"
#include "tests/unit/suites.h"

#include "audit/state.h"
#include "util/crypto.h"
#include "util/pack.h"

#include <stdio.h>
#include <string.h>

static struct audit_place place;

static void setup(void)
{
	place_make(&place);
}

static void teardown(void)
{
	place_remove(&place);
}

struct change {
	const char *subject;
	uint64_t value;
	CK_RV answer;
};

static CK_RV put(struct sr_moment *at, void *arg, struct sr_error *err)
{
	const struct change *change = arg;
	CK_RV rv = sr_state_put(place.store, at, change->subject, change->value, err);
	return rv == CKR_OK && change->answer != CKR_OK
		       ? sr_fail(err, change->answer, SR_REASON_OUT_OF_SCOPE, "refused by the test")
		       : rv;
}

static CK_RV change(const char *subject, uint64_t value, CK_ULONG answer)
{
	struct change change = { subject, value, answer };
	struct sr_event event = { .kind = SR_EVENT_SECRET_UPDATED, .actor_type = "system" };
	struct sr_job job = { .event = &event, .run = put, .arg = &change };
	struct sr_error err = SR_ERROR_INIT;
	return sr_writer_run(place.writer, &job, &err);
}

static CK_RV look(const char *subject, uint64_t *value, struct sr_error *err)
{
	struct sr_moment at;
	sr_error_clear(err);
	CK_RV rv = sr_writer_look(place.writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_state_get(place.store, &at, subject, value, err);
	sr_writer_look_end(place.writer, &at);
	return rv;
}

static void expect(const char *subject, uint64_t expected)
{
	struct sr_error err;
	uint64_t value;
	ck_assert_msg(look(subject, &value, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(value, expected);
}

START_TEST(numbers_are_kept)
{
	char subject[32];
	expect("secret:a", 0);
	ck_assert(change("secret:a", 1, CKR_OK) == CKR_OK);
	ck_assert(change("use:t", 5, CKR_OK) == CKR_OK);
	ck_assert(change("secret:a", 3, CKR_OK) == CKR_OK);
	expect("secret:a", 3);
	expect("use:t", 5);
	expect("secret:b", 0);
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(subject, sizeof subject, "secret:many/%u", i);
		ck_assert(change(subject, i, CKR_OK) == CKR_OK);
	}
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(subject, sizeof subject, "secret:many/%u", i);
		expect(subject, i);
	}
	place_close(&place);
	place_open(&place);
	expect("secret:a", 3);
	expect("secret:many/300", 300);
}
END_TEST

/* -- subjects in one bucket ---------------------------------------------------------------------------------------- */

#define NEIGHBOURS 3
#define TRIES 100000

static unsigned bucket_of(const char *subject)
{
	struct sr_buf packed = SR_BUF_INIT;
	uint8_t key[SR_SHA256_LEN];
	sr_pack_text(&packed, "strongroom/state-key/1");
	sr_pack_text(&packed, CHAIN_ID);
	sr_pack_text(&packed, subject);
	ck_assert(sr_sha256(packed.data, packed.len, key));
	sr_buf_clear(&packed);
	return (unsigned)key[0] << 8 | key[1];
}

/* Three numbers whose subjects have the same bucket. */
static void find_neighbours(unsigned numbers[NEIGHBOURS])
{
	unsigned char count[1 << 16] = { 0 };
	char subject[32];
	unsigned i = 0, full = 0, found = 0;
	do {
		ck_assert_uint_lt(++i, TRIES);
		snprintf(subject, sizeof subject, "secret:near/%u", i);
		full = bucket_of(subject);
	} while (++count[full] < NEIGHBOURS);
	for (unsigned j = 1; j <= i; j++) {
		snprintf(subject, sizeof subject, "secret:near/%u", j);
		if (bucket_of(subject) == full)
			numbers[found++] = j;
	}
	ck_assert_uint_eq(found, NEIGHBOURS);
}

START_TEST(neighbours_do_not_disturb)
{
	unsigned numbers[NEIGHBOURS];
	uint64_t values[NEIGHBOURS] = { 0 };
	char subjects[NEIGHBOURS][32];
	find_neighbours(numbers);
	for (size_t i = 0; i < NEIGHBOURS; i++)
		snprintf(subjects[i], sizeof subjects[i], "secret:near/%u", numbers[i]);
	for (size_t round = 0; round < 3 * NEIGHBOURS; round++) {
		size_t now = (round + (size_t)_i) % NEIGHBOURS;
		values[now] = round + 1;
		ck_assert(change(subjects[now], values[now], CKR_OK) == CKR_OK);
		for (size_t i = 0; i < NEIGHBOURS; i++)
			expect(subjects[i], values[i]);
	}
}
END_TEST

START_TEST(a_refused_job_changes_nothing)
{
	ck_assert(change("secret:a", 1, CKR_OK) == CKR_OK);
	ck_assert(change("secret:a", 2, CKR_ACTION_PROHIBITED) == CKR_ACTION_PROHIBITED);
	expect("secret:a", 1);
	ck_assert(change("secret:a", 4, CKR_OK) == CKR_OK);
	expect("secret:a", 4);
}
END_TEST

/* Whatever is changed, the subject whose way it is on is refused; REASON says by which check. */
static const struct {
	const char *text;
	CK_ULONG reason;
} hands[] = {
	{ "UPDATE state SET value = 1", SR_REASON_ROW_FORGED },
	{ "DELETE FROM state", SR_REASON_ROW_FORGED },
	{ "UPDATE state_node SET digests = zeroblob(512) WHERE id = 1", SR_REASON_ROW_FORGED },
	{ "DELETE FROM state_node", SR_REASON_ROW_FORGED },
	{ "DELETE FROM state; DELETE FROM state_node", SR_REASON_ROW_FORGED },
	{ "DELETE FROM state; DELETE FROM state_node; UPDATE standing SET root = zeroblob(32)",
		SR_REASON_CHAIN_BROKEN },
	{ "UPDATE standing SET newest_ms = newest_ms + 1", SR_REASON_CHAIN_BROKEN },
	{ "UPDATE standing SET seq = seq + 1", SR_REASON_CHAIN_BROKEN },
	{ "UPDATE standing SET mac = zeroblob(32)", SR_REASON_CHAIN_BROKEN },
	{ "UPDATE standing SET seq = 0, head = zeroblob(32), newest_ms = 0, root = zeroblob(32), mac = zeroblob(32)",
		SR_REASON_CHAIN_BROKEN },
	{ "DELETE FROM standing", SR_REASON_CHAIN_BROKEN },
};

START_TEST(a_hand_in_the_database_is_noticed)
{
	struct sr_error err;
	uint64_t value;
	ck_assert(change("secret:a", 2, CKR_OK) == CKR_OK);
	tamper(&place, hands[_i].text);
	CK_RV rv = look("secret:a", &value, &err);
	ck_assert_msg(rv == CKR_DEVICE_ERROR && err.reason == hands[_i].reason, "%s: %s", hands[_i].text, err.text);
	ck_assert_uint_eq(value * (rv == CKR_OK), 0);
}
END_TEST

START_TEST(an_older_standing_does_not_vouch_for_a_newer_tree)
{
	struct sr_error err;
	uint64_t value;
	ck_assert(change("use:t", 1, CKR_OK) == CKR_OK);
	tamper(&place, "CREATE TABLE kept.t AS SELECT * FROM standing; UPDATE kept.t SET seq = seq");
	ck_assert(change("use:t", 2, CKR_OK) == CKR_OK);
	tamper(&place, "DELETE FROM standing; INSERT INTO standing SELECT * FROM kept.t");
	ck_assert(look("use:t", &value, &err) == CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_ROLLED_BACK);
	ck_assert(change("use:t", 3, CKR_OK) == CKR_DEVICE_ERROR);
	ck_assert(place_reopen(&place, &err) == CKR_DEVICE_ERROR);
}
END_TEST

START_TEST(records_that_somebody_else_appends_are_refused)
{
	ck_assert(change("secret:a", 1, CKR_OK) == CKR_OK);
	tamper(&place, "INSERT INTO event SELECT id + 1, timestamp_ms, event, status, actor_type, actor_id, token_id, "
		       "ip, peer, function, "
		       "rv, reason, path, tier, version, subject, counted, metadata, hash FROM event ORDER BY id DESC "
		       "LIMIT 1");
	ck_assert(change("secret:a", 2, CKR_OK) == CKR_DEVICE_ERROR);
	expect("secret:a", 1);
}
END_TEST

/* A whole older moment put back under a running process: what it has only looked at counts, and the heads file too. */
START_TEST(a_running_process_does_not_go_back)
{
	struct sr_error err;
	uint64_t value;
	ck_assert(change("use:t", 1, CKR_OK) == CKR_OK);
	tamper(&place, "CREATE TABLE kept.s AS SELECT * FROM standing; CREATE TABLE kept.t AS SELECT * FROM state; "
		       "CREATE TABLE kept.n AS SELECT * FROM state_node; UPDATE kept.s SET seq = seq");
	ck_assert(change("use:t", 2, CKR_OK) == CKR_OK);
	expect("use:t", 2);
	tamper(&place,
		"DELETE FROM event WHERE id = (SELECT max(id) FROM event); DELETE FROM standing; DELETE FROM state; "
		"DELETE FROM state_node; INSERT INTO state SELECT * FROM kept.t; INSERT INTO state_node SELECT * FROM "
		"kept.n; "
		"INSERT INTO standing SELECT * FROM kept.s");
	ck_assert(look("use:t", &value, &err) == CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_ROLLED_BACK);
	ck_assert(change("use:t", 2, CKR_OK) == CKR_DEVICE_ERROR);
	ck_assert(place_reopen(&place, &err) == CKR_DEVICE_ERROR);
}
END_TEST

/* Tables that swallow what is put into them. */
START_TEST(an_altered_table_is_noticed)
{
	static const char *const alterations[] = {
		"CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM state; END; UPDATE standing SET seq = seq",
		"DROP TABLE state; CREATE TABLE state (key BLOB PRIMARY KEY, value INTEGER, d INTEGER DEFAULT 1 UNIQUE "
		"ON CONFLICT "
		"IGNORE) WITHOUT ROWID; INSERT INTO state VALUES (x'00', 1, 1)",
		"ALTER TABLE state ADD COLUMN more INTEGER; UPDATE standing SET seq = seq",
		"CREATE INDEX more ON event (subject); UPDATE standing SET seq = seq",
	};
	struct sr_store *again;
	struct sr_error err = SR_ERROR_INIT;
	tamper(&place, alterations[_i]);
	if (_i == 1)
		ck_assert(change("use:t", 1, CKR_OK) == CKR_DEVICE_ERROR);
	ck_assert(sr_sqlite_open(place.dir, &again, &err) == CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_VAULT_CORRUPT);
}
END_TEST

Suite *sr_suite_state(void)
{
	Suite *suite = suite_create("state");
	TCase *c = tcase_create("state");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, numbers_are_kept);
	tcase_add_loop_test(c, neighbours_do_not_disturb, 0, NEIGHBOURS);
	tcase_add_test(c, a_refused_job_changes_nothing);
	tcase_add_loop_test(c, a_hand_in_the_database_is_noticed, 0, sizeof hands / sizeof hands[0]);
	tcase_add_test(c, an_older_standing_does_not_vouch_for_a_newer_tree);
	tcase_add_test(c, a_running_process_does_not_go_back);
	tcase_add_loop_test(c, an_altered_table_is_noticed, 0, 4);
	tcase_add_test(c, records_that_somebody_else_appends_are_refused);
	suite_add_tcase(suite, c);
	return suite;
}
