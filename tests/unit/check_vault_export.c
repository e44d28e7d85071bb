/* Exports and tails page by page: who gets which, and what the file is worth (audit/file.h). */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"
#include "tests/unit/vault_place.h"

#include "audit/file.h"
#include "hsm/hsm.h"
#include "util/text.h"
#include "vault/core.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vault_place place;

static void start(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(vault_put(&place, i % 2 ? "a/odd" : "a/even", "value", NULL), CKR_OK);
}

static void stop(void)
{
	vault_place_remove(&place);
}

/** struct option: one more attribute of a job's template. */
struct option {
	CK_ATTRIBUTE_TYPE type;
	const char *text;
};

/* The job's result, for the caller to give back; NULL where it was refused with CODE. */
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

static void number(const json_t *result, const char *name, char out[24])
{
	snprintf(out, 24, "%lld", (long long)json_integer_value(json_object_get(result, name)));
}

/* Begins one, and gives its id. */
static void begin(const char *kind, struct option option, char id[24])
{
	CK_RV rv;
	json_t *result = JOB(kind, &rv, option);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	number(result, "id", id);
	json_decref(result);
}

/* The pages of an export one after the other, and of a CSV what seals it. */
static void gather(const char *id, struct sr_buf *text, struct sr_buf *sidecar)
{
	char after[24] = "";
	for (bool done = false; !done;) {
		CK_RV rv;
		struct option more = { CKA_SR_AFTER, after };
		json_t *page = after[0] ? JOB("audit-export", &rv, { CKA_SR_EVENT_ID, id }, more)
					: JOB("audit-export", &rv, { CKA_SR_EVENT_ID, id });
		ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
		sr_buf_text(text, json_string_value(json_object_get(page, "text")));
		sr_buf_text(sidecar, json_string_value(json_object_get(page, "sidecar")));
		number(page, "after", after);
		done = json_is_true(json_object_get(page, "done"));
		json_decref(page);
	}
}

static struct sr_file_verdict check(const void *text, size_t len, const struct sr_buf *content)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_file_check check = { .in = fmemopen((void *)(uintptr_t)text, len, "r") };
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

/* -- files ------------------------------------------------------------------------------------------------------- */

/* More than a page of them, so that it goes over borders. */
START_TEST(a_file_of_many_pages)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	char id[24];
	for (int i = 0; i < 400; i++)
		ck_assert_uint_eq(vault_put(&place, "a/even", "value", NULL), CKR_OK);
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "jsonl" }, id);
	gather(id, &text, &sidecar);
	struct sr_file_verdict verdict = check(text.data, text.len, NULL);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	ck_assert_uint_gt(text.len, 128u << 10);
	ck_assert_uint_eq(verdict.full, verdict.records);
	ck_assert_uint_eq(sidecar.len, 0);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

/* Whichever byte it is. */
START_TEST(any_byte_changed)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	char id[24];
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "jsonl" }, id);
	gather(id, &text, &sidecar);
	for (size_t at = 0; at < text.len; at += 7) {
		text.data[at] ^= 1;
		struct sr_file_verdict verdict = check(text.data, text.len, NULL);
		/* of a number or a digit at the very end that says the same there are none */
		ck_assert_msg(!verdict.ok, "byte %zu of %zu", at, text.len);
		text.data[at] ^= 1;
	}
	ck_assert(check(text.data, text.len, NULL).ok);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

START_TEST(cut_anywhere)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	char id[24];
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "jsonl" }, id);
	gather(id, &text, &sidecar);
	for (size_t len = 1; len < text.len; len += 101)
		ck_assert(!check(text.data, len, NULL).ok);
	ck_assert(!check(text.data, text.len - 1, NULL).ok);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

START_TEST(a_csv_and_its_seal)
{
	struct sr_buf text = SR_BUF_INIT, sidecar = SR_BUF_INIT;
	char id[24];
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "csv" }, id);
	gather(id, &text, &sidecar);
	ck_assert_msg(check(sidecar.data, sidecar.len, &text).ok, "%s", check(sidecar.data, sidecar.len, &text).detail);
	ck_assert(!check(sidecar.data, sidecar.len, NULL).ok);
	text.data[text.len / 2] ^= 1;
	ck_assert(!check(sidecar.data, sidecar.len, &text).ok);
	sr_buf_clear(&text);
	sr_buf_clear(&sidecar);
}
END_TEST

static const char *const garbage[] = { "", "\n", "{}\n", "[]\n", "{\"strongroom\":\"export/1\"}\n",
	"{\"strongroom\":1}\n", "{\"strongroom\":\"export/1\",\"chain\":\"\",\"format\":\"jsonl\",\"export\":1}\n",
	"{\"strongroom\":\"export/1\",\"chain\":\"c\",\"format\":\"jsonl\",\"export\":-1}\n",
	"{\"strongroom\":\"export/1\",\"chain\":\"c\",\"format\":\"jsonl\",\"export\":1}\n{\"end\":{\"seq\":0}}\n",
	"{\"strongroom\":\"export/"
	"1\",\"chain\":\"c\",\"format\":\"jsonl\",\"export\":1}\n{\"key\":{\"generation\":1,\"spki\":"
	"\"00\",\"signature\":\"\"}}\n" };

START_TEST(no_file_at_all)
{
	const char *text = garbage[_i][0] ? garbage[_i] : " ";
	ck_assert(!check(text, strlen(text), NULL).ok);
}
END_TEST

/* -- who gets it ------------------------------------------------------------------------------------------------- */

static void refused(CK_RV rv, CK_RV code, CK_ULONG reason)
{
	ck_assert_msg(rv == code, "%s: %s", sr_rv_name(rv), place.err.text);
	ck_assert_msg(place.err.reason == reason, "%s", sr_reason_name(place.err.reason));
}

static void add_auditor(void)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_MEMBER);
	sr_attrs_put_bool(&template, CKA_TOKEN, true);
	sr_attrs_put_text(&template, CKA_SR_NAME, "auditor");
	sr_attrs_put_text(&template, CKA_SR_ROLE, "auditor");
	sr_attrs_put_text(&template, CKA_VALUE, PASSPHRASE);
	CK_RV rv = sr_class_find(CKO_SR_MEMBER)->create(&place.caller, &template, &created, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

/* What one has begun is nobody else's, whatever his role. */
START_TEST(pages_are_for_who_began)
{
	char id[24], tail[24];
	CK_RV rv;
	add_auditor();
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "jsonl" }, id);
	begin("audit-tail", (struct option){ CKA_SR_PATH, "a/*" }, tail);
	JOB("audit-export", &rv, { CKA_SR_EVENT_ID, tail });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
	JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, "0" });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
	JOB("audit-export", &rv, { CKA_SR_EVENT_ID, "1" });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
	ck_assert_uint_eq(vault_login(&place, "auditor:" PASSPHRASE), CKR_OK);
	JOB("audit-export", &rv, { CKA_SR_EVENT_ID, id });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
	JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, tail }, { CKA_SR_AFTER, "0" });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
}
END_TEST

START_TEST(not_for_a_token)
{
	char pin[64], id[24];
	CK_RV rv;
	begin("audit-export", (struct option){ CKA_SR_FORMAT, "jsonl" }, id);
	ck_assert_uint_eq(vault_issue(&place, "secrets:*:*", "60", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_OK);
	JOB("audit-export", &rv, { CKA_SR_FORMAT, "jsonl" });
	refused(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
	JOB("audit-export", &rv, { CKA_SR_EVENT_ID, id });
	refused(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
	JOB("audit-tail", &rv, { CKA_SR_PATH, "*" });
	refused(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
	JOB("audit-key", &rv, { CKA_SR_PATH, "*" });
	refused(rv, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
}
END_TEST

static const struct {
	const char *kind;
	struct option options[2];
	CK_RV code;
} bad[] = {
	{ "audit-export", { { CKA_SR_FORMAT, "xml" } }, CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-export", { { CKA_SR_FORMAT, "csv" }, { CKA_SR_EVENT, "secret.stolen" } },
		CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-export", { { CKA_SR_PATH, "a/*" } }, CKR_TEMPLATE_INCOMPLETE },
	{ "audit-export", { { CKA_SR_EVENT_ID, "one" } }, CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-export", { { CKA_SR_EVENT_ID, "1" }, { CKA_SR_AFTER, "-1" } }, CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-export", { { CKA_SR_EVENT_ID, "9223372036854775807" } }, CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-export", { { CKA_SR_EVENT_ID, "1" }, { CKA_SR_PATH, "a/*" } }, CKR_TEMPLATE_INCONSISTENT },
	{ "audit-export", { { CKA_SR_FORMAT, "csv" }, { CKA_LABEL, "a" } }, CKR_ATTRIBUTE_TYPE_INVALID },
	{ "audit-tail", { { CKA_SR_EVENT_ID, "1" } }, CKR_TEMPLATE_INCOMPLETE },
	{ "audit-tail", { { CKA_SR_LIMIT, "3" } }, CKR_ATTRIBUTE_VALUE_INVALID },
	{ "audit-tail", { { CKA_SR_PATH, "/a" } }, CKR_ATTRIBUTE_VALUE_INVALID },
};

START_TEST(bad_templates)
{
	CK_RV rv;
	job(bad[_i].kind, bad[_i].options, bad[_i].options[1].text ? 2 : 1, &rv);
	refused(rv, bad[_i].code, SR_REASON_BAD_TEMPLATE);
}
END_TEST

/* What only a job says of itself is no criterion of a search. */
START_TEST(a_search_is_no_job)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	sr_attrs_put_ulong(&query, CKA_CLASS, CKO_SR_EVENT);
	sr_attrs_put_text(&query, CKA_SR_FORMAT, "csv");
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_SR_EVENT)->find(&place.caller, &query, NULL, NULL, &place.err);
	refused(rv, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE);
	sr_attrs_clear(&query);
}
END_TEST

/* -- the tail ---------------------------------------------------------------------------------------------------- */

/* Only what fits, from where it is told; a day later it has to be begun again. */
START_TEST(a_tail_goes_on)
{
	char id[24], after[24];
	CK_RV rv;
	json_t *begun = JOB("audit-tail", &rv, { CKA_SR_PATH, "a/new" });
	ck_assert_uint_eq(rv, CKR_OK);
	number(begun, "id", id);
	number(begun, "after", after);
	json_decref(begun);
	ck_assert_uint_eq(vault_put(&place, "a/new", "value", NULL), CKR_OK);
	ck_assert_uint_eq(vault_put(&place, "a/other", "value", NULL), CKR_OK);
	json_t *page = JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, after });
	ck_assert_uint_eq(rv, CKR_OK);
	const char *text = json_string_value(json_object_get(page, "text"));
	ck_assert_msg(strstr(text, "a/new") && !strstr(text, "a/other"), "%s", text);
	number(page, "after", after);
	json_decref(page);
	page = JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, after });
	ck_assert_uint_eq(rv, CKR_OK);
	ck_assert_str_eq(json_string_value(json_object_get(page, "text")), "");
	json_decref(page);
	vault_clock_move(25ll * 60 * 60 * 1000, 25ll * 60 * 60 * 1000, false);
	vault_login_admin(&place);
	JOB("audit-tail", &rv, { CKA_SR_EVENT_ID, id }, { CKA_SR_AFTER, after });
	refused(rv, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_vault_export(void)
{
	Suite *suite = suite_create("vault_export");
	TCase *c = tcase_create("export");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, a_file_of_many_pages);
	tcase_add_test(c, any_byte_changed);
	tcase_add_test(c, cut_anywhere);
	tcase_add_test(c, a_csv_and_its_seal);
	tcase_add_loop_test(c, no_file_at_all, 0, ROWS(garbage));
	tcase_add_test(c, pages_are_for_who_began);
	tcase_add_test(c, not_for_a_token);
	tcase_add_loop_test(c, bad_templates, 0, ROWS(bad));
	tcase_add_test(c, a_search_is_no_job);
	tcase_add_test(c, a_tail_goes_on);
	suite_add_tcase(suite, c);
	return suite;
}
