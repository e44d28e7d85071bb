/* What opening refuses, and what verification finds: somebody has been at the files. */
#include "tests/unit/audit_place.h"
#include "tests/unit/suites.h"

#include "audit/anchor.h"
#include "audit/heads.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct audit_place place;

/* Ten records, sealed and anchored at 4, sealed at 8. */
static void setup(void)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(SR_EVENT_TOKEN_ISSUED, "");
	struct sr_job job = { .event = &event, .policy_change = true };
	place_make(&place);
	put_events(&place, 3);
	ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), CKR_OK);
	put_events(&place, 4);
	ck_assert_uint_eq(sr_writer_seal(place.writer, &err), CKR_OK);
	put_events(&place, 2);
}

static void teardown(void)
{
	place_remove(&place);
}

/* -- opening ---------------------------------------------------------------------------------------------------- */

/* The writer goes without sealing, as in a crash; a new one is asked for. */
static CK_RV open_again(struct sr_error *err)
{
	sr_writer_abandon(place.writer);
	return sr_writer_open(&place.config, &place.writer, err);
}

static void assert_refused(CK_ULONG reason, const char *text)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(open_again(&err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, reason);
	ck_assert_msg(strstr(err.text, text), "%s", err.text);
	ck_assert_ptr_null(place.writer);
}

START_TEST(opens_after_a_crash)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(open_again(&err), CKR_OK);
	put_events(&place, 1); /* the tail left behind is due at once */
	put_events(&place, 1);
	ck_assert_uint_eq(last_checkpoint(&place), 11);
	ck_assert(verify(&place).ok);
}
END_TEST

START_TEST(opens_with_witnesses_behind)
{
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_int_eq(unlink(place.heads), 0);
	ck_assert_uint_eq(open_again(&err), CKR_OK);
	ck_assert(!verify(&place).ok);
	put_events(&place, 1);
	ck_assert(verify(&place).ok);
	ck_assert_uint_eq(anchored(&place), 4);
}
END_TEST

START_TEST(refuses_heads_ahead)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head = { .seq = 57 };
	ck_assert_uint_eq(sr_heads_write(place.heads, CHAIN_ID, &head, &err), CKR_OK);
	assert_refused(SR_REASON_ROLLED_BACK, "ends at record 10, the heads file knows record 57");
}
END_TEST

START_TEST(refuses_anchor_ahead)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_anchor anchor = { .head = { .seq = 57 } };
	ck_assert_uint_eq(sr_anchor_write(place.hsm, VAULT_ID, CHAIN_ID, &anchor, &err), CKR_OK);
	assert_refused(SR_REASON_ROLLED_BACK, "ends at record 10, the HSM's anchor knows record 57");
}
END_TEST

START_TEST(refuses_other_witnesses)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_anchor anchor = { .head = { .seq = 7 } };
	struct sr_head head = { .seq = 9 };
	ck_assert_int_eq(unlink(place.heads), 0);
	ck_assert_uint_eq(sr_heads_write(place.heads, CHAIN_ID, &head, &err), CKR_OK);
	assert_refused(SR_REASON_CHAIN_BROKEN, "the heads file knows another record 9");
	ck_assert_int_eq(unlink(place.heads), 0);
	ck_assert_uint_eq(sr_anchor_write(place.hsm, VAULT_ID, CHAIN_ID, &anchor, &err), CKR_OK);
	assert_refused(SR_REASON_CHAIN_BROKEN, "the HSM's anchor knows another record 7");
	anchor.head.seq = 8;
	ck_assert_uint_eq(sr_anchor_write(place.hsm, VAULT_ID, "another", &anchor, &err), CKR_OK);
	assert_refused(SR_REASON_CHAIN_BROKEN, "belongs to another audit chain");
	place.config.vault_id = "a-vault-without-anchor";
	assert_refused(SR_REASON_CHAIN_BROKEN, "holds no anchor");
}
END_TEST

static const struct {
	const char *sql;
	CK_ULONG reason;
	const char *text;
} refused[] = {
	{ "UPDATE event SET path = 'other' WHERE id = 10", SR_REASON_CHAIN_BROKEN, "record 10 was changed" },
	{ "UPDATE event SET path = 'other' WHERE id = 9", SR_REASON_CHAIN_BROKEN, "record 9 was changed" },
	{ "DELETE FROM event WHERE id = 9", SR_REASON_CHAIN_BROKEN, "record 9 is missing" },
	{ "DELETE FROM event WHERE id = 10", SR_REASON_ROLLED_BACK,
		"ends at record 9, the heads file knows record 10" },
	{ "UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 8", SR_REASON_CHAIN_BROKEN,
		"over record 8 is not signed" },
	{ "UPDATE audit_key SET spki = x'00'", SR_REASON_CHAIN_BROKEN, "audit keys" },
	{ "INSERT INTO audit_key SELECT 2, spki, zeroblob(64) FROM audit_key", SR_REASON_CHAIN_BROKEN, "audit keys" },
	{ "UPDATE audit_key SET signature = zeroblob(64)", SR_REASON_CHAIN_BROKEN, "audit keys" },
	{ "UPDATE event SET event = 'no.such' WHERE id = 9", SR_REASON_CHAIN_BROKEN, "record 9 was changed" },
	{ "DELETE FROM vault_meta WHERE name = 'chain-id'", SR_REASON_VAULT_INCOMPLETE, "no audit chain" },
};

START_TEST(refuses_a_tampered_tail)
{
	tamper(&place, refused[_i].sql);
	assert_refused(refused[_i].reason, refused[_i].text);
}
END_TEST

/* -- verifying -------------------------------------------------------------------------------------------------- */

START_TEST(verify_of_a_good_chain)
{
	struct sr_verdict verdict = verify(&place);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_eq(verdict.first_bad, 0);
	ck_assert_uint_eq(verdict.records, 10);
	ck_assert_uint_eq(verdict.checkpoints, 2);
	ck_assert_uint_eq(verdict.sealed, 8);
	ck_assert_uint_eq(verdict.tail, 2);
}
END_TEST

START_TEST(verify_of_an_empty_chain)
{
	struct audit_place fresh;
	place_make(&fresh);
	struct sr_verdict verdict = verify(&fresh);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_eq(verdict.records, 0);
	place_remove(&fresh);
}
END_TEST

#define SWAP(a, b)                                                                             \
	"UPDATE event SET id = 99 WHERE id = " a "; UPDATE event SET id = " a " WHERE id = " b \
	"; UPDATE event SET id = " b " WHERE id = 99"

/* One byte of a hash: to A, or to B where it is A. */
#define FIRST_BYTE(id, a, b)                                                             \
	"UPDATE event SET hash = CAST(iif(substr(hash, 1, 1) = x'" a "', x'" b "', x'" a \
	"') || substr(hash, 2) AS BLOB) "                                                \
	"WHERE id = " id
#define LAST_BYTE(id, a, b)                                                                                   \
	"UPDATE event SET hash = CAST(substr(hash, 1, 31) || iif(substr(hash, 32) = x'" a "', x'" b "', x'" a \
	"') AS BLOB) "                                                                                        \
	"WHERE id = " id

static const struct {
	const char *sql;
	uint64_t first_bad;
	const char *detail;
} findings[] = {
	{ "UPDATE event SET timestamp_ms = timestamp_ms + 1 WHERE id = 3", 3, "record 3 was changed" },
	{ "UPDATE event SET status = 'denied' WHERE id = 1", 1, "record 1 was changed" },
	{ "UPDATE event SET event = 'secret.deleted' WHERE id = 7", 7, "record 7 was changed" },
	{ "UPDATE event SET actor_id = NULL WHERE id = 10", 10, "record 10 was changed" },
	{ "UPDATE event SET counted = 1 WHERE id = 2", 2, "record 2 was changed" },
	{ "UPDATE event SET metadata = '{}' WHERE id = 2", 2, "record 2 was changed" },
	{ "UPDATE event SET subject = 'secret:a' WHERE id = 2", 2, "record 2 was changed" },
	{ "UPDATE event SET version = 2 WHERE id = 2", 2, "record 2 was changed" },
	{ "UPDATE event SET hash = zeroblob(32) WHERE id = 6", 6, "record 6 was changed" },
	{ LAST_BYTE("6", "00", "01"), 6, "record 6 was changed" },
	{ FIRST_BYTE("6", "00", "01"), 6, "record 6 was changed" },
	{ "UPDATE event SET event = 'no.such' WHERE id = 6", 6, "record 6 was changed" },
	{ "UPDATE event SET path = CAST(x'ff' AS TEXT) WHERE id = 6", 6, "record 6 was changed" },
	{ "UPDATE event SET ip = 'x' WHERE id IN (5, 8)", 5, "record 5 was changed" },
	{ SWAP("5", "6"), 5, "record 5 was changed" },
	{ "DELETE FROM event WHERE id = 1", 1, "record 1 is missing" },
	{ "DELETE FROM event WHERE id = 5", 5, "record 5 is missing" },
	{ "DELETE FROM event WHERE id BETWEEN 5 AND 7", 5, "records 5 to 7 are missing" },
	{ "DELETE FROM event WHERE id > 9", 10, "cut off after record 9, the heads file knows record 10" },
	{ "DELETE FROM event WHERE id > 6", 7, "cut off after record 6, a checkpoint knows record 8" },
	{ "DELETE FROM event", 1, "cut off after record 0, a checkpoint knows record 4" },
	{ "DELETE FROM checkpoint; DELETE FROM event WHERE id > 3", 4, "cut off after record 3, the heads file knows" },
	{ "UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 4", 4, "over record 4 is not signed" },
	{ "UPDATE checkpoint SET head = zeroblob(32) WHERE seq = 8", 8, "over record 8 is not signed" },
	{ "UPDATE checkpoint SET seq = 7 WHERE seq = 8", 7, "over record 7 is not signed" },
	{ "UPDATE checkpoint SET generation = 2 WHERE seq = 8", 8, "over record 8 is not signed" },
	{ "UPDATE audit_key SET spki = x'00'", 0, "audit keys" },
	{ "UPDATE audit_key SET spki = x'00'; UPDATE event SET ip = 'x' WHERE id = 8", 8, "record 8 was changed" },
};

START_TEST(verify_names_the_first_bad_record)
{
	tamper(&place, findings[_i].sql);
	struct sr_verdict verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_msg(strstr(verdict.detail, findings[_i].detail), "%s", verdict.detail);
	ck_assert_uint_eq(verdict.first_bad, findings[_i].first_bad);
}
END_TEST

/* Whoever has the database but not the HSM: a record changed, and every hash from there on made new. */
struct forging {
	struct sr_head head;
	uint64_t from;
	char sql[4096];
};

static bool forge_one(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct forging *forging = ctx;
	struct sr_event forged = *event;
	(void)hash;
	if (event->id == forging->from)
		snprintf(forged.path, sizeof forged.path, "forged");
	ck_assert(sr_chain_next(&forging->head, &forged));
	if (event->id < forging->from)
		return true;
	size_t len = strlen(forging->sql);
	len += (size_t)snprintf(
		forging->sql + len, sizeof forging->sql - len, "UPDATE event SET path = '%s', hash = x'", forged.path);
	for (size_t i = 0; i < SR_HASH_LEN; i++)
		len += (size_t)snprintf(forging->sql + len, sizeof forging->sql - len, "%02x", forging->head.hash[i]);
	snprintf(forging->sql + len, sizeof forging->sql - len, "' WHERE id = %lu; ", (unsigned long)event->id);
	return true;
}

static void forge_from(uint64_t from)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event_query query = { .after = 0 };
	struct forging forging = { .from = from };
	struct sr_tx *tx;
	ck_assert(sr_chain_start(CHAIN_ID, &forging.head));
	ck_assert_uint_eq(place.store->ops->begin_read(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->event_query(tx, &query, forge_one, &forging, &err), CKR_OK);
	place.store->ops->rollback(tx);
	tamper(&place, forging.sql);
}

static const struct {
	uint64_t from;
	bool no_checkpoints;
	uint64_t first_bad;
	const char *detail, *refusal;
} forgeries[] = {
	{ 2, false, 1, "records 1 to 4 are not those that were sealed: the chain was recomputed", "the heads file" },
	{ 6, false, 5, "records 5 to 8 are not those that were sealed", "the heads file" },
	{ 9, false, 9, "the heads file knows another record 10 than the database", "the heads file" },
	{ 10, false, 9, "the heads file knows another record 10", "the heads file" },
	{ 2, true, 1, "the heads file knows another record 10", "the heads file" },
};

START_TEST(verify_finds_a_recomputed_chain)
{
	forge_from(forgeries[_i].from);
	if (forgeries[_i].no_checkpoints)
		tamper(&place, "DELETE FROM checkpoint");
	struct sr_verdict verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_msg(strstr(verdict.detail, forgeries[_i].detail), "%s", verdict.detail);
	ck_assert_uint_eq(verdict.first_bad, forgeries[_i].first_bad);
	assert_refused(SR_REASON_CHAIN_BROKEN, forgeries[_i].refusal);
}
END_TEST

/* A record with a hash that fits, but of a time before the one before: only an accepted clock goes back. */
static void append_older(enum sr_event_kind kind, enum sr_status status)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(kind, "");
	struct sr_head head;
	struct sr_tx *tx;
	ck_assert_uint_eq(place.store->ops->begin_write(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->event_head(tx, &head, &event.timestamp_ms, &err), CKR_OK);
	event.id = head.seq + 1;
	event.timestamp_ms -= 1;
	event.status = status;
	ck_assert(sr_chain_next(&head, &event));
	ck_assert_uint_eq(place.store->ops->event_put(tx, &event, head.hash, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->commit(tx, &err), CKR_OK);
}

static const struct {
	enum sr_event_kind kind;
	enum sr_status status;
	const char *detail;
} older[] = {
	{ SR_EVENT_SECRET_READ, SR_STATUS_ALLOWED, "record 11 is older than the one before it" },
	{ SR_EVENT_VAULT_CLOCK, SR_STATUS_ALLOWED, "record 11 is older than the one before it" },
	{ SR_EVENT_VAULT_CLOCK_ACCEPTED, SR_STATUS_DENIED, "record 11 is older than the one before it" },
	{ SR_EVENT_VAULT_CLOCK_ACCEPTED, SR_STATUS_ALLOWED, "some were not written by Strongroom" },
};

START_TEST(verify_finds_time_that_runs_back)
{
	append_older(older[_i].kind, older[_i].status);
	struct sr_verdict verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_uint_eq(verdict.first_bad, 11);
	ck_assert_msg(strstr(verdict.detail, older[_i].detail), "%s", verdict.detail);
}
END_TEST

/* The heads file is gone too: the anchor still knows. */
START_TEST(verify_asks_the_anchor)
{
	forge_from(2);
	tamper(&place, "DELETE FROM checkpoint");
	ck_assert_int_eq(unlink(place.heads), 0);
	struct sr_verdict verdict = verify(&place);
	ck_assert_uint_eq(verdict.first_bad, 1);
	ck_assert_msg(strstr(verdict.detail, "the HSM's anchor knows another record 4"), "%s", verdict.detail);
	tamper(&place, "DELETE FROM event WHERE id > 3");
	verdict = verify(&place);
	ck_assert_uint_eq(verdict.first_bad, 4);
	ck_assert_msg(strstr(verdict.detail, "the HSM's anchor knows record 4"), "%s", verdict.detail);
}
END_TEST

START_TEST(verify_reports_broken_witnesses)
{
	struct sr_verdict verdict;
	int fd = open(place.heads, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_uint_eq(verdict.first_bad, 0);
	ck_assert_msg(strstr(verdict.detail, "is damaged"), "%s", verdict.detail);
	ck_assert_int_eq(unlink(place.heads), 0);
	verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_msg(strstr(verdict.detail, "heads file is missing"), "%s", verdict.detail);
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK); /* a start makes it anew where the anchor fits */
	put_events(&place, 1);
	place.config.vault_id = "a-vault-without-anchor";
	verdict = verify(&place);
	ck_assert(!verdict.ok);
	ck_assert_msg(strstr(verdict.detail, "no anchor"), "%s", verdict.detail);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *sr_suite_audit_verify(void)
{
	Suite *suite = suite_create("audit_verify");
	TCase *opening = add_case(suite, "opening");
	tcase_add_test(opening, opens_after_a_crash);
	tcase_add_test(opening, opens_with_witnesses_behind);
	tcase_add_test(opening, refuses_heads_ahead);
	tcase_add_test(opening, refuses_anchor_ahead);
	tcase_add_test(opening, refuses_other_witnesses);
	tcase_add_loop_test(opening, refuses_a_tampered_tail, 0, COUNT(refused));
	TCase *verifying = add_case(suite, "verifying");
	tcase_add_test(verifying, verify_of_a_good_chain);
	tcase_add_test(verifying, verify_of_an_empty_chain);
	tcase_add_loop_test(verifying, verify_names_the_first_bad_record, 0, COUNT(findings));
	tcase_add_loop_test(verifying, verify_finds_a_recomputed_chain, 0, COUNT(forgeries));
	tcase_add_loop_test(verifying, verify_finds_time_that_runs_back, 0, COUNT(older));
	tcase_add_test(verifying, verify_asks_the_anchor);
	tcase_add_test(verifying, verify_reports_broken_witnesses);
	return suite;
}
