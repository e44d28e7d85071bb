/* Removing old records: what may go, who may have it done, and that nobody else can. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"
#include "tests/unit/vault_place.h"

#include "audit/file.h"
#include "hsm/hsm.h"
#include "store/prune.h"
#include "util/text.h"
#include "vault/core.h"
#include "vault/identity.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY (24ll * 60 * 60 * 1000)

static struct vault_place place;

/* What the heads file has held: before the last old record, and after it. */
static char heads[2][160];

static void read_heads(char text[160])
{
	FILE *file = fopen(place.vault->heads, "r");
	ck_assert_ptr_nonnull(file);
	size_t len = fread(text, 1, 159, file);
	text[len] = '\0';
	fclose(file);
}

static void seal(void)
{
	ck_assert_uint_eq(sr_writer_seal(place.vault->writer, &place.err), CKR_OK);
}

/* Ten secrets' records and more, sealed, and 40 days go by. */
static void start(void)
{
	char path[16];
	vault_place_make(&place);
	vault_login_admin(&place);
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "a/%d", i);
		read_heads(heads[0]);
		ck_assert_uint_eq(vault_put(&place, path, "value", NULL), CKR_OK);
	}
	seal();
	read_heads(heads[1]);
	vault_clock_move(40 * DAY, 0, false);
	ck_assert_uint_eq(vault_put(&place, "b/new", "value", NULL), CKR_OK);
}

static void stop(void)
{
	vault_place_remove(&place);
}

/* -- jobs -------------------------------------------------------------------------------------------------------- */

/** struct option: one more attribute of a job's template. */
struct option {
	CK_ATTRIBUTE_TYPE type;
	const char *text;
};

static json_t *job(const char *kind, const struct option *options, size_t count, CK_RV *code)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_JOB);
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	for (size_t i = 0; i < count; i++)
		sr_attrs_put_text(&template, options[i].type, options[i].text);
	sr_error_clear(&place.err);
	*code = sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err);
	const struct sr_attr *text = sr_attrs_find(&created.held, CKA_SR_RESULT);
	json_t *result = text ? json_loadb((const char *)text->value, text->len, 0, NULL) : NULL;
	ck_assert_int_eq(result != NULL, *code == CKR_OK);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return result;
}

#define JOB(kind, code, ...)                              \
	job(kind, (const struct option[]){ __VA_ARGS__ }, \
		sizeof((const struct option[]){ __VA_ARGS__ }) / sizeof(struct option), code)

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static json_t *done(const char *kind)
{
	CK_RV rv;
	json_t *result = job(kind, NULL, 0, &rv);
	ck_assert_msg(rv == CKR_OK, "%s: %s", kind, place.err.text);
	return result;
}

static void days_ago(int64_t days, char text[SR_TIME_TEXT])
{
	struct sr_now now;
	sr_clock_now(&now);
	sr_text_time(now.wall_ms - days * DAY, text);
}

/* How many records it was about; the beginning in BASE. */
static json_int_t begin(json_int_t *base, json_int_t *left)
{
	char before[SR_TIME_TEXT];
	CK_RV rv;
	days_ago(35, before);
	json_t *begun = JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	json_int_t records = number(begun, "records");
	*base = number(begun, "base");
	*left = number(begun, "left");
	json_decref(begun);
	return records;
}

static json_int_t prune(void)
{
	json_int_t base, left;
	begin(&base, &left);
	while (left > 0) {
		json_t *step = done("audit-prune-step");
		left = number(step, "left");
		json_decref(step);
	}
	return base;
}

static void expect(CK_RV rv, CK_RV code, CK_ULONG reason)
{
	ck_assert_msg(rv == code, "%s: %s", sr_rv_name(rv), place.err.text);
	ck_assert_msg(place.err.reason == reason, "%s: %s", sr_reason_name(place.err.reason), place.err.text);
}

/* -- what verify says -------------------------------------------------------------------------------------------- */

static void expect_sound(json_int_t base)
{
	json_t *verdict = done("audit-verify");
	ck_assert_msg(json_is_true(json_object_get(verdict, "ok")), "%s",
		json_string_value(json_object_get(verdict, "detail")));
	ck_assert_int_eq(number(verdict, "first"), base + 1);
	ck_assert_int_eq(number(json_object_get(verdict, "removed"), "through"), base);
	json_decref(verdict);
}

static void expect_found(const char *what)
{
	json_t *verdict = done("audit-verify");
	const char *detail = json_string_value(json_object_get(verdict, "detail"));
	ck_assert(!json_is_true(json_object_get(verdict, "ok")));
	ck_assert_msg(strstr(detail, what), "%s", detail);
	json_decref(verdict);
}

static int count(const char *path)
{
	return vault_count(&place, CKO_SR_EVENT, CKA_SR_PATH, path);
}

static bool has_record(json_int_t id)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)id);
	struct sr_view view = { .attrs = SR_ATTRS_INIT };
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_class_find(CKO_SR_EVENT)->view(&place.caller, text, &view, &err);
	sr_attrs_clear(&view.attrs);
	return rv == CKR_OK;
}

START_TEST(old_records_go)
{
	char value[256];
	ck_assert_int_eq(count("a/3"), 1);
	json_int_t base = prune();
	ck_assert_int_gt(base, 10);
	ck_assert(!has_record(1));
	ck_assert(!has_record(base));
	ck_assert(has_record(base + 1));
	ck_assert_int_eq(count("a/3"), 0);
	ck_assert_int_eq(count("b/new"), 1);
	ck_assert_uint_eq(vault_get(&place, "a/3", value), CKR_OK);
	expect_sound(base);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect_sound(base);
	ck_assert_int_eq(prune(), base); /* once is enough */
}
END_TEST

START_TEST(it_is_said_by_whom)
{
	json_int_t base = prune();
	json_t *verdict = done("audit-verify"), *status = done("status");
	const json_t *removed = json_object_get(verdict, "removed");
	ck_assert_str_eq(json_string_value(json_object_get(removed, "by")), "admin");
	ck_assert_int_gt(number(removed, "record"), base);
	ck_assert_int_eq(number(json_object_get(status, "audit"), "first"), base + 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "audit.pruned"), 2);
	json_decref(verdict);
	json_decref(status);
}
END_TEST

/* Again and again, each from where the last one ended. */
START_TEST(a_second_time)
{
	json_int_t first = prune();
	seal();
	vault_clock_move(40 * DAY, 0, false);
	ck_assert_uint_eq(vault_put(&place, "c/newer", "value", NULL), CKR_OK);
	json_int_t second = prune();
	ck_assert_int_gt(second, first);
	expect_sound(second);
}
END_TEST

/* That a secret expired is a number of the state tree without a row: it is accounted for, told before the base or not.
 */
START_TEST(what_expired_is_accounted_for)
{
	struct sr_attrs change = SR_ATTRS_INIT;
	char when[SR_TIME_TEXT];
	days_ago(-1, when);
	sr_attrs_put_text(&change, CKA_SR_EXPIRES_AT, when);
	ck_assert_uint_eq(sr_class_find(CKO_DATA)->set(&place.caller, "b/new", &change, &place.err), CKR_OK);
	sr_attrs_clear(&change);
	vault_clock_move(2 * DAY, 0, false);
	json_t *swept = done("sweep-versions");
	ck_assert_int_eq(number(swept, "expired"), 1);
	json_decref(swept);
	expect_sound(prune());
	seal();
	vault_clock_move(40 * DAY, 0, false);
	ck_assert_uint_eq(vault_put(&place, "c/newer", "value", NULL), CKR_OK);
	expect_sound(prune());
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "secret.expired"), 0);
}
END_TEST

START_TEST(the_configured_time)
{
	CK_RV rv;
	place.vault->audit_keep_ms = 39 * DAY;
	json_t *begun = job("audit-prune", NULL, 0, &rv);
	ck_assert_uint_eq(rv, CKR_OK);
	ck_assert_int_gt(number(begun, "records"), 10);
	json_decref(begun);
}
END_TEST

/* -- nothing goes ------------------------------------------------------------------------------------------------ */

START_TEST(nothing_is_that_old)
{
	char before[SR_TIME_TEXT];
	CK_RV rv;
	days_ago(400, before);
	json_t *begun = JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	ck_assert_uint_eq(rv, CKR_OK);
	ck_assert_int_eq(number(begun, "records"), 0);
	ck_assert_int_eq(number(begun, "base"), 0);
	ck_assert(has_record(1));
	expect_sound(0);
	json_decref(begun);
}
END_TEST

START_TEST(nothing_is_sealed)
{
	json_int_t base, left;
	vault_sql(&place, "DELETE FROM checkpoint WHERE seq < (SELECT max(seq) FROM checkpoint)");
	vault_sql(&place, "DELETE FROM checkpoint WHERE created_ms < (SELECT max(timestamp_ms) FROM event) - 1000000");
	ck_assert_int_eq(begin(&base, &left), 0);
	ck_assert_int_eq(base, 0);
	ck_assert(has_record(1));
}
END_TEST

/* A record that says that it is young stays, and so does all behind it. */
START_TEST(what_looks_young_stays)
{
	json_int_t base, left;
	vault_clock_move(-30 * DAY, 0, false);
	ck_assert_int_eq(begin(&base, &left), 0); /* time does not run back in the chain, and 35 days ago is earlier */
	ck_assert(has_record(1));
}
END_TEST

static const char *const no_times[] = { "", "0", "ever", "400d", "99999999999999999999", "2026-13-01T00:00:00Z",
	"1969-12-31T23:59:59Z", "1970-01-01T00:00:00.000Z", "-1", "2020-01-01" };

START_TEST(no_time)
{
	CK_RV rv;
	JOB("audit-prune", &rv, { CKA_SR_BEFORE, no_times[_i] });
	expect(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE);
	expect_sound(0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "audit.pruned"), 1);
}
END_TEST

START_TEST(no_time_and_none_configured)
{
	CK_RV rv;
	job("audit-prune", NULL, 0, &rv);
	expect(rv, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE);
}
END_TEST

/* KEEP days are configured, 0: none. */
static const struct {
	int64_t keep, days;
} young[] = { { 0, 29 }, { 0, 0 }, { 0, -1 }, { 0, -40000 }, { 39, 35 }, { 41, 40 } };

START_TEST(too_young)
{
	char before[SR_TIME_TEXT];
	CK_RV rv;
	place.vault->audit_keep_ms = young[_i].keep * DAY;
	days_ago(young[_i].days, before);
	JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	expect(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_AUDIT_KEPT);
	ck_assert(has_record(1));
	expect_sound(0);
}
END_TEST

static const enum sr_role others[] = { SR_ROLE_EDITOR, SR_ROLE_VIEWER, SR_ROLE_AUDITOR };

START_TEST(not_an_admin)
{
	static const char *const kinds[] = { "audit-prune", "audit-prune-step" };
	char before[SR_TIME_TEXT];
	CK_RV rv;
	days_ago(35, before);
	people_as(&place, people_member(&place, "other", others[_i]));
	for (size_t i = 0; i < 2; i++) {
		JOB(kinds[i], &rv, { CKA_SR_BEFORE, before });
		expect(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
	}
	vault_login_admin(&place);
	ck_assert(has_record(1));
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "audit.pruned"), 2);
}
END_TEST

START_TEST(not_a_token)
{
	char before[SR_TIME_TEXT], pin[64];
	CK_RV rv;
	days_ago(35, before);
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_OK);
	JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	expect(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
}
END_TEST

/* Whoever removes what was changed removes the proof. */
START_TEST(what_was_changed_stays)
{
	char before[SR_TIME_TEXT];
	CK_RV rv;
	days_ago(35, before);
	vault_sql(&place, "UPDATE event SET actor_id = 'nobody' WHERE id = 3");
	JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	expect(rv, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN);
	ck_assert(has_record(1));
	expect_found("record 3 was changed");
}
END_TEST

static int count_rows(const char *table)
{
	char sql[160], path[128];
	sqlite3_stmt *stmt;
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/vault.db", place.dir);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	int count = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return count;
}

/* -- killed between ---------------------------------------------------------------------------------------------- */

START_TEST(left_over)
{
	json_int_t base, left, again;
	ck_assert_int_gt(begin(&base, &left), 10);
	ck_assert_int_eq(left, base);
	expect_sound(base);
	vault_sql(&place, "DELETE FROM event WHERE id <= 3");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect_sound(base);
	ck_assert_int_eq(begin(&again, &left), 0);
	ck_assert_int_eq(again, base);
	ck_assert_int_eq(left, base - 3);
	ck_assert_int_eq(prune(), base);
	ck_assert(!has_record(base));
	expect_sound(base);
}
END_TEST

START_TEST(nothing_left_to_step)
{
	json_t *step = done("audit-prune-step");
	ck_assert_int_eq(number(step, "removed"), 0);
	ck_assert(has_record(1));
	json_decref(step);
}
END_TEST

/* In pieces of three: all that belongs to a record goes with it, and the rest stays. */
START_TEST(piece_by_piece)
{
	const struct sr_store_ops *ops = place.vault->store->ops;
	json_int_t base, left;
	uint64_t count, old;
	struct sr_tx *tx;
	begin(&base, &left);
	ck_assert_uint_eq(ops->begin_write(place.vault->store, &tx, &place.err), CKR_OK);
	ck_assert_uint_eq(ops->event_index(tx, (uint64_t)base + 1, &place.err), CKR_OK);
	ck_assert_uint_eq(sr_store_prune(tx, (uint64_t)base, 3, &count, &place.err), CKR_OK);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(sr_store_old(tx, (uint64_t)base, &old, &place.err), CKR_OK);
	ck_assert_uint_eq(old, (uint64_t)base - 3);
	ck_assert_uint_eq(ops->commit(tx, &place.err), CKR_OK);
	expect_sound(base);
	ck_assert_int_eq(prune(), base);
	ck_assert_int_eq(count_rows("event_time"), 1);
	ck_assert_int_eq(count_rows("event_path"), 0);
	ck_assert_int_eq(count_rows("event_word"), 1); /* event=, of the one that stays */
	ck_assert_int_eq(
		count_rows("checkpoint"), count_rows("checkpoint WHERE seq >= (SELECT min(id) FROM event) - 1"));
	expect_sound(base);
}
END_TEST

/* The heads file of then was put back: it can say nothing any more, and nothing against it. */
START_TEST(a_heads_file_of_then)
{
	json_int_t base = prune();
	char path[256];
	snprintf(path, sizeof(path), "%s", place.vault->heads);
	sr_identity_unref(place.caller.identity);
	place.caller.identity = NULL;
	sr_vault_close(place.vault);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(heads[_i], file);
	fclose(file);
	ck_assert_msg(sr_vault_open(&place.config, &place.vault, &place.err) == CKR_OK, "%s", place.err.text);
	place.caller.vault = place.vault;
	vault_login_admin(&place);
	expect_sound(base);
}
END_TEST

/* -- by hand ----------------------------------------------------------------------------------------------------- */

START_TEST(removed_by_hand)
{
	vault_sql(&place, "DELETE FROM event WHERE id <= 5; DELETE FROM checkpoint WHERE seq <= 5");
	expect_found("records 1 to 5 are missing");
}
END_TEST

START_TEST(more_removed_by_hand)
{
	json_int_t base = prune();
	vault_sql(&place, "DELETE FROM event WHERE id <= %lld", (long long)base + 1);
	expect_found("is missing");
}
END_TEST

static const char *const hands[] = {
	"DELETE FROM checkpoint WHERE seq",
	"UPDATE checkpoint SET head = zeroblob(32) WHERE seq",
	"UPDATE checkpoint SET signature = zeroblob(64) WHERE seq",
	"UPDATE checkpoint SET seq = seq + 1 WHERE seq",
	"UPDATE state SET value = value + 1 WHERE value",
	"UPDATE state SET value = value - 1 WHERE value",
	"DELETE FROM state WHERE value",
};

static CK_RV open_again(void)
{
	sr_identity_unref(place.caller.identity);
	place.caller.identity = NULL;
	sr_vault_close(place.vault);
	place.vault = NULL;
	sr_error_clear(&place.err);
	return sr_vault_open(&place.config, &place.vault, &place.err);
}

START_TEST(another_beginning)
{
	json_int_t base = prune();
	vault_sql(
		&place, "CREATE TABLE kept.c AS SELECT * FROM checkpoint; CREATE TABLE kept.s AS SELECT * FROM state");
	vault_sql(&place, "%s = %lld", hands[_i], (long long)base);
	expect_found("");
	expect(open_again(), CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN);
	vault_sql(&place, "DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM kept.c;"
			  "DELETE FROM state; INSERT INTO state SELECT * FROM kept.s");
	expect(open_again(), CKR_OK, SR_REASON_NONE);
}
END_TEST

/* A checkpoint that is genuine, and not the base. */
START_TEST(a_beginning_for_which_nobody_vouches)
{
	vault_sql(&place, "DELETE FROM event WHERE id <= (SELECT min(seq) FROM checkpoint WHERE seq > 0)");
	expect_found("missing");
}
END_TEST

/* -- rows that removed records made ------------------------------------------------------------------------------ */

static const struct {
	const char *sql, *what;
} rows[] = {
	{ "DELETE FROM secret_version WHERE path = 'a/3'; DELETE FROM secret WHERE path = 'a/3'", "1 rows" },
	{ "UPDATE secret SET created_ms = created_ms - 1 WHERE path = 'a/3'", "a/3" },
	{ "UPDATE secret SET path = 'a/x' WHERE path = 'a/3'; UPDATE secret_version SET path = 'a/x' WHERE path = "
	  "'a/3'",
		"1 rows" },
	{ "DELETE FROM secret_version WHERE path = 'a/3'", "a/3" },
	{ "DELETE FROM member", "rows" },
};

START_TEST(old_rows_are_looked_at)
{
	json_int_t base = prune();
	ck_assert_uint_eq(vault_put(&place, "a/5", "changed since", NULL), CKR_OK);
	expect_sound(base);
	vault_sql(&place, "CREATE TABLE kept.m AS SELECT * FROM member");
	if (_i == 4) { /* nobody can log in without it, so not the caller's own row */
		sr_identity_unref(people_member(&place, "one-more", SR_ROLE_VIEWER));
		seal();
		vault_clock_move(40 * DAY, 0, false);
		ck_assert_uint_eq(vault_put(&place, "b/new", "value", NULL), CKR_OK);
		prune();
		vault_sql(&place, "DELETE FROM member WHERE name = 'one-more'");
	} else {
		vault_sql(&place, "%s", rows[_i].sql);
	}
	expect_found(rows[_i].what);
}
END_TEST

/* A limited token that has used some before and some after. */
START_TEST(uses_of_a_live_token)
{
	char pin[64];
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:a/*", "3600", "5", NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_OK);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(vault_get(&place, "a/1", NULL), CKR_OK);
	vault_login_admin(&place);
	seal();
	expect_sound(0);
	vault_clock_move(40 * DAY, 0, false);
	ck_assert_uint_eq(vault_put(&place, "b/new", "value", NULL), CKR_OK);
	json_int_t base = prune();
	expect_sound(base);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(vault_get(&place, "a/1", NULL), CKR_OK);
	expect(vault_get(&place, "a/1", NULL), CKR_USER_NOT_LOGGED_IN, SR_REASON_USED_UP);
	vault_login_admin(&place);
	expect_sound(base);
}
END_TEST

/* -- files ------------------------------------------------------------------------------------------------------- */

static struct sr_file_verdict check(const struct sr_buf *text, const struct sr_buf *content)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_file_check check = { .in = fmemopen(text->data, text->len, "r") };
	struct sr_file_verdict verdict;
	struct sr_buf spki = SR_BUF_INIT;
	ck_assert_uint_eq(sr_hsm_audit_key(place.vault->hsm, &spki, &err), CKR_OK);
	ck_assert(sr_sha256(spki.data, spki.len, check.fingerprint));
	if (content)
		check.content = fmemopen(content->data, content->len, "r");
	ck_assert_uint_eq(sr_audit_file_verify(&check, &verdict, &err), CKR_OK);
	fclose(check.in);
	if (content)
		fclose(check.content);
	sr_buf_clear(&spki);
	return verdict;
}

static void begin_export(const char *format, char id[24])
{
	CK_RV rv;
	json_t *begun = JOB("audit-export", &rv, { CKA_SR_FORMAT, format });
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	snprintf(id, 24, "%lld", (long long)number(begun, "id"));
	json_decref(begun);
}

static void export(const char *format, struct sr_buf *text, struct sr_buf *sidecar)
{
	char id[24], after[24] = "";
	begin_export(format, id);
	for (bool more = true; more;) {
		CK_RV rv;
		const struct option options[] = { { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, after } };
		json_t *page = job("audit-export", options, after[0] ? 2 : 1, &rv);
		ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
		sr_buf_text(text, json_string_value(json_object_get(page, "text")));
		sr_buf_text(sidecar, json_string_value(json_object_get(page, "sidecar")));
		snprintf(after, sizeof(after), "%lld", (long long)number(page, "after"));
		more = !json_is_true(json_object_get(page, "done"));
		json_decref(page);
	}
}

/* Also while old records are left over. */
START_TEST(a_file_begins_at_the_base)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	json_int_t base, left;
	begin(&base, &left);
	if (_i)
		prune();
	export("jsonl", &text, &sidecar);
	struct sr_file_verdict verdict = check(&text, NULL);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_eq(verdict.base, (uint64_t)base);
	ck_assert_uint_eq(verdict.full, verdict.records - verdict.base);
	const char *end = memchr(text.data, '\n', text.len);
	for (size_t at = 0; at < (size_t)(end - (const char *)text.data); at++) {
		text.data[at] ^= 1;
		ck_assert_msg(!check(&text, NULL).ok, "byte %zu", at);
		text.data[at] ^= 1;
	}
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

START_TEST(a_csv_begins_at_the_base)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	prune();
	export("csv", &text, &sidecar);
	struct sr_file_verdict verdict = check(&sidecar, &text);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	const char *head = strstr(sr_buf_string(&sidecar), "\"base\":{\"seq\":");
	ck_assert_ptr_nonnull(head);
	sidecar.data[(const uint8_t *)head - sidecar.data + strlen("\"base\":{\"seq\":")] ^= 1;
	ck_assert(!check(&sidecar, &text).ok);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

/* What stands in the first line in the place of its base. */
static const char *const bases[] = { "\"base\":{}", "\"base\":1",
	"\"base\":{\"seq\":0,\"head\":\"\",\"generation\":1,"
	"\"signature\":\"\"}",
	"\"base\":{\"seq\":-1,\"head\":\"00\",\"generation\":1,\"signature\":\"00\"}",
	"\"base\":{\"seq\":3,\"head\":\"0000000000000000000000000000000000000000000000000000000000000000\","
	"\"generation\":1,\"signature\":\"00\"}",
	"\"base\":null" };

START_TEST(no_base)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT, made = SR_BUF_INIT;
	prune();
	export("jsonl", &text, &sidecar);
	const char *all = sr_buf_string(&text), *at = strstr(all, "\"base\":"), *end = strchr(at, '}') + 1;
	sr_buf_append(&made, all, (size_t)(at - all));
	sr_buf_text(&made, bases[_i]);
	sr_buf_text(&made, end);
	ck_assert(!check(&made, NULL).ok);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
	sr_buf_clear(&made);
}
END_TEST

START_TEST(an_export_loses_its_beginning)
{
	char id[24];
	CK_RV rv;
	begin_export("jsonl", id);
	prune();
	JOB("audit-export", &rv, { CKA_SR_EVENT_ID, id });
	expect(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE);
}
END_TEST

START_TEST(a_tail_goes_on_behind_the_base)
{
	CK_RV rv;
	char id[24], first[32];
	json_int_t base = prune();
	json_t *begun = done("audit-tail");
	ck_assert_int_eq(number(begun, "first"), base + 1);
	snprintf(id, sizeof(id), "%lld", (long long)number(begun, "id"));
	json_t *page = JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, "0" });
	ck_assert_uint_eq(rv, CKR_OK);
	snprintf(first, sizeof(first), "{\"id\":%lld,", (long long)base + 1);
	const char *text = json_string_value(json_object_get(page, "text"));
	ck_assert_msg(strncmp(text, first, strlen(first)) == 0, "%.80s", text);
	json_decref(begun);
	json_decref(page);
}
END_TEST

/* -- others ------------------------------------------------------------------------------------------------------ */

/* A process that has last looked at what is removed now. */
START_TEST(another_process_goes_on)
{
	struct sr_vault *mine = place.vault, *other = NULL;
	struct sr_identity *me = place.caller.identity;
	vault_clock_move(-40 * DAY, 0, false); /* as it was */
	ck_assert_uint_eq(sr_vault_open(&place.config, &other, &place.err), CKR_OK);
	vault_clock_move(40 * DAY, 0, false);
	seal();
	vault_clock_move(40 * DAY, 0, false);
	ck_assert_uint_eq(vault_put(&place, "b/new", "value", NULL), CKR_OK);
	json_int_t base = prune();
	place.caller.vault = place.vault = other;
	place.caller.identity = NULL;
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_put(&place, "b/other", "value", NULL), CKR_OK);
	expect_sound(base);
	sr_identity_unref(place.caller.identity);
	sr_vault_close(other);
	place.caller.vault = place.vault = mine;
	place.caller.identity = me;
}
END_TEST

/* What a sink has not had yet stays. */
START_TEST(a_sink_that_is_behind)
{
	json_int_t base, left;
	char before[SR_TIME_TEXT], file[128];
	CK_RV rv;
	snprintf(file, sizeof(file), "%s/no/such/directory", place.dir);
	place.config.sink_file = strdup(file);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	days_ago(35, before);
	json_t *begun = JOB("audit-prune", &rv, { CKA_SR_BEFORE, before });
	ck_assert_uint_eq(rv, CKR_OK);
	ck_assert_int_eq(number(begun, "records"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(begun, "sink")), "file");
	json_decref(begun);
	ck_assert(has_record(1));
	snprintf(place.config.sink_file, strlen(file) + 1, "%s/sink", place.dir);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	ck_assert_int_gt(begin(&base, &left), 10);
}
END_TEST

Suite *sr_suite_audit_prune(void)
{
	Suite *s = suite_create("audit_prune");
	TCase *tc = tcase_create("removing");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, old_records_go);
	tcase_add_test(tc, it_is_said_by_whom);
	tcase_add_test(tc, a_second_time);
	tcase_add_test(tc, the_configured_time);
	tcase_add_test(tc, nothing_is_that_old);
	tcase_add_test(tc, nothing_is_sealed);
	tcase_add_test(tc, what_looks_young_stays);
	tcase_add_loop_test(tc, no_time, 0, sizeof(no_times) / sizeof(*no_times));
	tcase_add_test(tc, no_time_and_none_configured);
	tcase_add_loop_test(tc, too_young, 0, sizeof(young) / sizeof(*young));
	tcase_add_loop_test(tc, not_an_admin, 0, sizeof(others) / sizeof(*others));
	tcase_add_test(tc, not_a_token);
	tcase_add_test(tc, what_was_changed_stays);
	tcase_add_test(tc, left_over);
	tcase_add_test(tc, nothing_left_to_step);
	tcase_add_test(tc, piece_by_piece);
	tcase_add_loop_test(tc, a_heads_file_of_then, 0, 2);
	tcase_add_test(tc, removed_by_hand);
	tcase_add_test(tc, more_removed_by_hand);
	tcase_add_loop_test(tc, another_beginning, 0, sizeof(hands) / sizeof(*hands));
	tcase_add_test(tc, a_beginning_for_which_nobody_vouches);
	tcase_add_loop_test(tc, old_rows_are_looked_at, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(tc, what_expired_is_accounted_for);
	tcase_add_test(tc, uses_of_a_live_token);
	tcase_add_loop_test(tc, a_file_begins_at_the_base, 0, 2);
	tcase_add_test(tc, a_csv_begins_at_the_base);
	tcase_add_loop_test(tc, no_base, 0, sizeof(bases) / sizeof(*bases));
	tcase_add_test(tc, an_export_loses_its_beginning);
	tcase_add_test(tc, a_tail_goes_on_behind_the_base);
	tcase_add_test(tc, another_process_goes_on);
	tcase_add_test(tc, a_sink_that_is_behind);
	suite_add_tcase(s, tc);
	return s;
}
