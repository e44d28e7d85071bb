/* Rows of keys in somebody else's hands: moved, widened, put back, deleted; at the look and at `audit verify`. */
#include "vault_place.h"
#include "suites.h"

#include "audit/verify.h"
#include "hsm/key.h"
#include "vault/core.h"
#include "vault/report.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct vault_place place;

static void start(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
}

static void stop(void)
{
	vault_place_remove(&place);
}

static struct sr_key_row key_row(const char *path, enum sr_part part)
{
	struct sr_key_row row = { .part = part, .key_type = CKK_EC, .custody = SR_CUSTODY_WRAPPED };
	snprintf(row.path, sizeof row.path, "%s", path);
	snprintf(row.uid, sizeof row.uid, "%.10s-%.10s", path, sr_part_word(part));
	sr_buf_text(&row.id, "id");
	sr_buf_text(&row.attrs, "sign=no");
	sr_buf_text(&row.blob, "wrapped");
	sr_buf_text(&row.material, "01234567890123456789012345678901");
	return row;
}

/* ROWS of one event. */
struct rows {
	struct sr_key_row *list;
	size_t count;
};

static CK_RV put_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct rows *rows = act->arg;
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < rows->count; i++)
		rv = sr_rows_put_key(act->caller->vault, at, &act->event, &rows->list[i], err);
	return rv;
}

static CK_RV put_rows(struct sr_key_row *list, size_t count)
{
	struct rows rows = { list, count };
	struct sr_act act;
	sr_act_begin(&act, &place.caller, SR_EVENT_KEY_GENERATED, list->path);
	act.run = put_run;
	act.arg = &rows;
	sr_error_clear(&place.err);
	CK_RV rv = sr_act_commit(&act, &place.err);
	for (size_t i = 0; i < count; i++)
		sr_key_row_clear(&list[i]);
	return rv;
}

/* A row whose attributes are TEXT. */
static void put(const char *path, enum sr_part part, const char *text)
{
	struct sr_key_row row = key_row(path, part);
	sr_buf_clear(&row.attrs);
	sr_buf_text(&row.attrs, text);
	CK_RV rv = put_rows(&row, 1);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
}

/* The code; FOUND and the attributes of what is there. */
static CK_RV get(const char *path, enum sr_part part, bool *found, char attrs[16])
{
	struct sr_key_row row;
	struct sr_moment at;
	attrs[0] = '\0';
	sr_error_clear(&place.err);
	CK_RV rv = sr_writer_look(place.vault->writer, &at, &place.err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_key(place.vault, &at, path, part, &row, found, &place.err);
	if (row.attrs.len)
		snprintf(attrs, 16, "%.*s", (int)row.attrs.len, (const char *)row.attrs.data);
	sr_writer_look_end(place.vault->writer, &at);
	sr_key_row_clear(&row);
	return rv;
}

static void expect_row(const char *path, enum sr_part part, const char *attrs)
{
	bool found;
	char got[16];
	CK_RV rv = get(path, part, &found, got);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	ck_assert_int_eq(found, attrs != NULL);
	ck_assert_str_eq(got, attrs ? attrs : "");
}

static void expect_refused(const char *path, enum sr_part part, CK_ULONG reason, const char *named)
{
	bool found;
	char got[16];
	ck_assert_uint_eq(get(path, part, &found, got), CKR_DEVICE_ERROR);
	ck_assert_msg(place.err.reason == reason, "%s", place.err.text);
	ck_assert_msg(strstr(place.err.text, named), "%s", place.err.text);
	ck_assert_str_eq(got, "");
}

/* What `audit verify` says of the rows: "" for nothing. */
static const char *verdict(void)
{
	static struct sr_verdict verdict;
	verdict = (struct sr_verdict){ .ok = true };
	sr_error_clear(&place.err);
	CK_RV rv = sr_report_check_rows(place.vault, &verdict, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	return verdict.ok ? "" : verdict.detail;
}

START_TEST(put_and_get)
{
	expect_row("a/k", SR_PART_PRIVATE, NULL);
	put("a/k", SR_PART_PRIVATE, "sign=no");
	put("a/s", SR_PART_SECRET, "aes");
	expect_row("a/k", SR_PART_PRIVATE, "sign=no");
	expect_row("a/k", SR_PART_PUBLIC, NULL);
	expect_row("a/s", SR_PART_SECRET, "aes");
	put("a/k", SR_PART_PRIVATE, "sign=yes");
	expect_row("a/k", SR_PART_PRIVATE, "sign=yes");
	ck_assert_str_eq(verdict(), "");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect_row("a/k", SR_PART_PRIVATE, "sign=yes");
}
END_TEST

START_TEST(subjects)
{
	static const struct {
		const char *subject, *path;
		enum sr_part part;
	} cases[] = {
		{ "private:a/b", "a/b", SR_PART_PRIVATE },
		{ "public:a", "a", SR_PART_PUBLIC },
		{ "secret-key:a:b", "a:b", SR_PART_SECRET },
		{ "certificate:x", "x", SR_PART_CERTIFICATE },
		{ "secret:a", NULL, 0 },
		{ "token:private:a", NULL, 0 },
		{ "private", NULL, 0 },
		{ "", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum sr_part part = SR_PART_COUNT;
		const char *path = sr_rows_key_subject(cases[i].subject, &part);
		ck_assert_int_eq(path == NULL, cases[i].path == NULL);
		if (!path)
			continue;
		ck_assert_str_eq(path, cases[i].path);
		ck_assert_int_eq(part, cases[i].part);
	}
}
END_TEST

/* Each leaves a row that this vault did not make. */
static const struct {
	const char *sql;
	CK_ULONG reason;
	const char *named;
} hands[] = {
	{ "UPDATE key SET attrs = CAST('sign=yes' AS BLOB)", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET tier = 'critical'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET custody = 'resident'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET state = 'deleted'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET uid = 'another'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET key_type = 0", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET created_ms = 1", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET updated_ms = 1", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET id = x'01'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET id = NULL, attrs = CAST('idsign=no' AS BLOB)", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET blob = x'01'", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET material = zeroblob(32)", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET event_id = event_id + 1", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "UPDATE key SET mac = zeroblob(32)", SR_REASON_ROW_FORGED, "private:a/k" },
	{ "DELETE FROM key", SR_REASON_ROW_MISSING, "private:a/k" },
	{ "UPDATE key SET path = 'a/moved'", SR_REASON_ROW_MISSING, "private:a/k" },
	{ "UPDATE key SET part = 'public'", SR_REASON_ROW_MISSING, "private:a/k" },
};

START_TEST(altered_rows_are_refused_by_name)
{
	put("a/k", SR_PART_PRIVATE, "sign=no");
	ck_assert_str_eq(verdict(), "");
	vault_sql(&place, "%s", hands[_i].sql);
	expect_refused("a/k", SR_PART_PRIVATE, hands[_i].reason, hands[_i].named);
	ck_assert_msg(strstr(verdict(), hands[_i].named), "%s", verdict());
}
END_TEST

/* What the row became at its new place is nobody's either. */
START_TEST(a_moved_row_opens_nothing)
{
	put("open/k", SR_PART_PRIVATE, "mine");
	put("secret/k", SR_PART_PRIVATE, "theirs");
	vault_sql(&place, "UPDATE key SET path = 'gone' WHERE path = 'open/k'; "
			  "UPDATE key SET path = 'open/k' WHERE path = 'secret/k'");
	expect_refused("open/k", SR_PART_PRIVATE, SR_REASON_ROW_FORGED, "private:open/k");
	expect_refused("gone", SR_PART_PRIVATE, SR_REASON_ROW_FORGED, "private:gone");
	vault_sql(&place, "UPDATE key SET path = 'open/k', part = 'public' WHERE path = 'gone'");
	expect_refused("open/k", SR_PART_PUBLIC, SR_REASON_ROW_FORGED, "public:open/k");
	ck_assert_ptr_nonnull(strstr(verdict(), "open/k"));
}
END_TEST

START_TEST(an_old_row_put_back_is_refused)
{
	put("a/k", SR_PART_SECRET, "wide");
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM key");
	put("a/k", SR_PART_SECRET, "narrow");
	vault_sql(&place, "DELETE FROM key; INSERT INTO key SELECT * FROM kept.t");
	expect_refused("a/k", SR_PART_SECRET, SR_REASON_ROW_STALE, "secret-key:a/k");
	ck_assert_ptr_nonnull(strstr(verdict(), "secret-key:a/k"));
}
END_TEST

START_TEST(a_deleted_key_put_back_is_refused)
{
	put("a/k", SR_PART_CERTIFICATE, "there");
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM key");
	struct sr_key_row gone = { .part = SR_PART_CERTIFICATE, .state = SR_KEY_DELETED };
	strcpy(gone.path, "a/k");
	strcpy(gone.uid, "uid");
	ck_assert_uint_eq(put_rows(&gone, 1), CKR_OK);
	expect_row("a/k", SR_PART_CERTIFICATE, "");
	vault_sql(&place, "DELETE FROM key; INSERT INTO key SELECT * FROM kept.t");
	expect_refused("a/k", SR_PART_CERTIFICATE, SR_REASON_ROW_STALE, "certificate:a/k");
}
END_TEST

/* Both halves of a pair are one event's; each is looked at, also after one of them was changed alone. */
START_TEST(a_pair_is_one_event)
{
	struct sr_key_row pair[] = { key_row("a/k", SR_PART_PRIVATE), key_row("a/k", SR_PART_PUBLIC) };
	ck_assert_uint_eq(put_rows(pair, 2), CKR_OK);
	expect_row("a/k", SR_PART_PRIVATE, "sign=no");
	expect_row("a/k", SR_PART_PUBLIC, "sign=no");
	ck_assert_str_eq(verdict(), "");
	if (_i == 1)
		put("a/k", SR_PART_PRIVATE, "sign=yes");
	vault_sql(&place, "DELETE FROM key WHERE part = 'public'");
	expect_row("a/k", SR_PART_PRIVATE, _i == 1 ? "sign=yes" : "sign=no");
	expect_refused("a/k", SR_PART_PUBLIC, SR_REASON_ROW_MISSING, "public:a/k");
	ck_assert_ptr_nonnull(strstr(verdict(), "public:a/k"));
}
END_TEST

START_TEST(one_event_one_path)
{
	struct sr_key_row rows[] = { key_row("a/k", SR_PART_PRIVATE), key_row("a/other", SR_PART_PUBLIC) };
	ck_assert_uint_eq(put_rows(rows, 2), CKR_GENERAL_ERROR);
	ck_assert_uint_eq(place.err.reason, SR_REASON_INTERNAL);
	expect_row("a/k", SR_PART_PRIVATE, NULL); /* all or nothing */
}
END_TEST

/* An object of the HSM that the row of path a/k stands for. */
static void make_object(struct sr_hsm_made *made)
{
	const struct sr_hsm_place where = { .custody = SR_HSM_RESIDENT, .uid = "resident" };
	const CK_MECHANISM mechanism = { .mechanism = CKM_AES_KEY_GEN };
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SECRET_KEY);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_AES);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 32);
	sr_attrs_put_bool(&template, CKA_ENCRYPT, true);
	CK_RV rv = sr_hsm_generate(place.vault->hsm, &where, &mechanism, &template, made, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	sr_attrs_clear(&template);
}

static void put_resident(enum sr_key_state state)
{
	struct sr_key_row row = { .part = SR_PART_SECRET, .custody = SR_CUSTODY_RESIDENT, .state = state };
	strcpy(row.path, "a/k");
	strcpy(row.uid, "resident");
	ck_assert_uint_eq(put_rows(&row, 1), CKR_OK);
}

START_TEST(a_resident_key_is_in_the_hsm_once)
{
	static const char finding[] = "secret key a/k: the HSM has not exactly one object of it";
	struct sr_hsm_made made = { .key = NULL }, double_made = { .key = NULL };
	put_resident(SR_KEY_ACTIVE);
	ck_assert_str_eq(verdict(), finding);
	make_object(&made);
	ck_assert_str_eq(verdict(), "");
	make_object(&double_made);
	ck_assert_str_eq(verdict(), finding);
	ck_assert_uint_eq(sr_hsm_key_destroy(place.vault->hsm, made.key, &place.err), CKR_OK);
	ck_assert_str_eq(verdict(), finding);
	put_resident(SR_KEY_DELETED);
	ck_assert_str_eq(verdict(), "");
	sr_hsm_made_clear(&made);
	sr_hsm_made_clear(&double_made);
}
END_TEST

/* A listing gives rows as they are; each is checked before anything is said of it. */
static bool check_listed(const struct sr_key_row *row, void *ctx)
{
	struct sr_moment *at = ctx;
	ck_assert_uint_eq(sr_rows_check_key(place.vault, at, row, &place.err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(place.err.reason, SR_REASON_ROW_FORGED);
	return true;
}

START_TEST(listed_rows_are_checked)
{
	struct sr_moment at;
	put("a/k", SR_PART_PRIVATE, "sign=no");
	vault_sql(&place, "UPDATE key SET id = x'7777'");
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	ck_assert_uint_eq(
		place.vault->store->ops->key_by_id(at.tx, "\x77\x77", 2, check_listed, &at, &place.err), CKR_OK);
	ck_assert_uint_eq(place.err.reason, SR_REASON_ROW_FORGED);
	sr_writer_look_end(place.vault->writer, &at);
}
END_TEST

Suite *sr_suite_rows_key(void)
{
	Suite *suite = suite_create("rows_key");
	TCase *c = tcase_create("rows");
	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, put_and_get);
	tcase_add_test(c, subjects);
	tcase_add_loop_test(c, altered_rows_are_refused_by_name, 0, sizeof hands / sizeof hands[0]);
	tcase_add_test(c, a_moved_row_opens_nothing);
	tcase_add_test(c, an_old_row_put_back_is_refused);
	tcase_add_test(c, a_deleted_key_put_back_is_refused);
	tcase_add_loop_test(c, a_pair_is_one_event, 0, 2);
	tcase_add_test(c, one_event_one_path);
	tcase_add_test(c, a_resident_key_is_in_the_hsm_once);
	tcase_add_test(c, listed_rows_are_checked);
	suite_add_tcase(suite, c);
	return suite;
}
