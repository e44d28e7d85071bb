/* Versions of a secret: rotation and its grace, rollback, deletion and back, destruction, retention; and the rotation
 * periods. What is refused leaves everything as it was. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "util/clock.h"
#include "util/text.h"
#include "vault/core.h"
#include "vault/grace.h"
#include "vault/report.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vault_place place;

static void setup(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
}

static void teardown(void)
{
	vault_place_remove(&place);
}

#define expect(call, code, why)                                                                     \
	do {                                                                                        \
		sr_error_clear(&place.err);                                                         \
		CK_RV rv_ = (call);                                                                 \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), place.err.text); \
		ck_assert_msg(place.err.reason == SR_REASON_##why, "%s: reason %s", #call,          \
			sr_reason_name(place.err.reason));                                          \
	} while (0)

#define HOUR 3600000ll
#define DAY (24 * HOUR)

/* -- the calls ---------------------------------------------------------------------------------------------------- */

/* Pairs of attribute and text, up to one with type 0. */
struct pair {
	CK_ATTRIBUTE_TYPE type;
	const char *text;
};

static void fill(struct sr_attrs *attrs, const struct pair *pairs)
{
	for (; pairs->type; pairs++)
		sr_attrs_put_text(attrs, pairs->type, pairs->text);
}

static CK_RV alter(const char *id, const struct pair *pairs)
{
	struct sr_attrs change = SR_ATTRS_INIT;
	fill(&change, pairs);
	CK_RV rv = sr_class_find(CKO_DATA)->set(&place.caller, id, &change, &place.err);
	sr_attrs_clear(&change);
	return rv;
}
#define alter(id, ...) alter(id, (const struct pair[]){ __VA_ARGS__, { 0, NULL } })

static CK_RV make(CK_OBJECT_CLASS object_class, const struct pair *pairs)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, object_class);
	sr_attrs_put_bool(&template, CKA_TOKEN, true);
	fill(&template, pairs);
	CK_RV rv = sr_class_find(object_class)->create(&place.caller, &template, &created, &place.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}
#define make(object_class, ...) make(object_class, (const struct pair[]){ __VA_ARGS__, { 0, NULL } })

static CK_RV rotate(const char *path, const char *value, const char *grace)
{
	return alter(path, { CKA_VALUE, value }, { CKA_SR_GRACE, grace });
}

static CK_RV destroy(const char *id)
{
	return sr_class_find(CKO_DATA)->destroy(&place.caller, id, &place.err);
}

static CK_RV undelete(const char *path)
{
	return make(CKO_DATA, { CKA_LABEL, path }, { CKA_SR_STATE, "active" });
}

static void reads(const char *id, const char *expected)
{
	char value[256];
	expect(vault_get(&place, id, value), CKR_OK, NONE);
	ck_assert_str_eq(value, expected);
}

/* The attribute as text, "" where there is none. */
static const char *shown(const char *id, CK_ATTRIBUTE_TYPE type)
{
	static char text[600];
	struct sr_view view = { .value = SR_VALUE_NONE };
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_DATA)->view(&place.caller, id, &view, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s: %s", id, place.err.text);
	const struct sr_attr *attr = sr_attrs_find(&view.attrs, type);
	snprintf(text, sizeof(text), "%.*s", attr ? (int)attr->len : 0, attr ? (const char *)attr->value : "");
	sr_view_clear(&view);
	return text;
}

static bool take_id(const char *id, void *ctx)
{
	snprintf(ctx, SR_OBJECT_ID_MAX, "%s", id);
	return true;
}

/* What a search for that version of the path finds, "" for nothing. */
static const char *found(const char *path, const char *version)
{
	static char id[SR_OBJECT_ID_MAX];
	struct sr_attrs query = SR_ATTRS_INIT;
	id[0] = '\0';
	sr_attrs_put_ulong(&query, CKA_CLASS, CKO_DATA);
	sr_attrs_put_text(&query, CKA_LABEL, path);
	sr_attrs_put_text(&query, CKA_SR_VERSION, version);
	expect(sr_class_find(CKO_DATA)->find(&place.caller, &query, take_id, id, &place.err), CKR_OK, NONE);
	sr_attrs_clear(&query);
	return id;
}

static void log_in(const char *pin)
{
	expect(vault_login(&place, pin), CKR_OK, NONE);
}

static void issue(const char *scope, char *pin)
{
	expect(vault_issue(&place, scope, "86400", NULL, NULL, pin), CKR_OK, NONE);
}

static void sound(void)
{
	struct sr_verdict verdict = { .ok = true };
	expect(sr_report_check_rows(place.vault, &verdict, &place.err), CKR_OK, NONE);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
}

/* -- rotation and grace ------------------------------------------------------------------------------------------- */

START_TEST(what_was_issued_before_reads_the_old_version_in_its_grace)
{
	char before[64], after[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", before);
	expect(rotate("a/b", "two", "3600"), CKR_OK, NONE);
	issue("secrets:read:a/*", after);
	log_in(before);
	reads("a/b", "two"); /* the new one for everybody */
	ck_assert_str_eq(found("a/b", "1"), "a/b*1");
	reads("a/b*1", "one");
	reads("a/b*2", "two");
	ck_assert_str_ne(shown("a/b", CKA_SR_GRACE_UNTIL), "");
	log_in(after);
	reads("a/b", "two");
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	log_in(before);
	vault_clock_move(HOUR + 1, HOUR + 1, false);
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	ck_assert_str_eq(shown("a/b", CKA_SR_GRACE_UNTIL), "");
	reads("a/b", "two");
	sound();
}
END_TEST

START_TEST(each_grace_runs_for_itself_and_none_closes_all)
{
	char one[64], two[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", one);
	expect(rotate("a/b", "two", "7200"), CKR_OK, NONE);
	issue("secrets:read:a/*", two);
	expect(rotate("a/b", "three", "3600"), CKR_OK, NONE);
	log_in(one);
	reads("a/b*1", "one");
	reads("a/b*2", "two");
	log_in(two);
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	reads("a/b*2", "two");
	vault_clock_move(HOUR + 1, HOUR + 1, false);
	expect(vault_get(&place, "a/b*2", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	log_in(one);
	reads("a/b*1", "one");
	vault_login_admin(&place);
	expect(rotate("a/b", "four", "0"), CKR_OK, NONE);
	log_in(one);
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	reads("a/b", "four");
}
END_TEST

START_TEST(a_plain_new_version_has_no_grace)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	log_in(pin);
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED);
	vault_login_admin(&place);
	reads("a/b*1", "one"); /* a member may look back */
}
END_TEST

START_TEST(a_switch_gives_each_token_the_version_of_its_time)
{
	char before[64], after[64];
	place.vault->grace_reads_old = true;
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", before);
	expect(rotate("a/b", "a longer one", "3600"), CKR_OK, NONE);
	issue("secrets:read:a/*", after);
	log_in(before);
	reads("a/b", "one");
	ck_assert_str_eq(shown("a/b", CKA_SR_VERSION), "1");
	reads("a/b*2", "a longer one");
	log_in(after);
	reads("a/b", "a longer one");
	log_in(before);
	vault_clock_move(HOUR + 1, HOUR + 1, false);
	reads("a/b", "a longer one");
	vault_login_admin(&place);
	reads("a/b", "a longer one");
}
END_TEST

START_TEST(bad_rotations_are_refused)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(rotate("a/b", "two", "86401"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("a/b", "two", "-1"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("a/b", "two", "99999999999999999999999"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("a/b", "two", ""), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("a/b", "", "0"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(alter("a/b", { CKA_SR_GRACE, "60" }), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(alter("a/b", { CKA_VALUE, "two" }, { CKA_SR_GRACE, "60" }, { CKA_SR_IF_VERSION, "7" }),
		CKR_ACTION_PROHIBITED, VERSION_MISMATCH);
	expect(alter("a/b", { CKA_VALUE, "two" }, { CKA_SR_EXPIRES_AT, "tomorrow" }), CKR_ATTRIBUTE_VALUE_INVALID,
		BAD_TEMPLATE);
	expect(alter("a/b", { CKA_VALUE, "two" }, { CKA_SR_EXPIRES_AT, "1999-01-01T00:00:00Z" }),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(make(CKO_DATA, { CKA_LABEL, "a/b" }, { CKA_VALUE, "two" }, { CKA_SR_GRACE, "60" }),
		CKR_ATTRIBUTE_TYPE_INVALID, BAD_TEMPLATE);
	expect(alter("a/b*1", { CKA_VALUE, "two" }), CKR_ACTION_PROHIBITED, BAD_TEMPLATE);
	log_in(pin);
	expect(rotate("a/b", "two", "60"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	reads("a/b", "one");
	ck_assert_str_eq(shown("a/b", CKA_SR_VERSION), "1");
}
END_TEST

START_TEST(too_many_graces_are_refused)
{
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	for (int i = 0; i < SR_GRACES_MAX; i++)
		expect(rotate("a/b", "w", "3600"), CKR_OK, NONE);
	expect(rotate("a/b", "x", "3600"), CKR_ACTION_PROHIBITED, GRACES_FULL);
	reads("a/b", "w");
	expect(rotate("a/b", "x", "0"), CKR_OK, NONE);
	expect(rotate("a/b", "y", "3600"), CKR_OK, NONE);
}
END_TEST

/* Whoever owns the database cannot prolong a grace or open another. */
START_TEST(a_grace_is_under_the_mac)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(rotate("a/b", "two", "60"), CKR_OK, NONE);
	vault_sql(&place, "UPDATE secret SET graces = replace(graces, '1 ', '1 9')");
	vault_place_reopen(&place);
	log_in(pin);
	expect(vault_get(&place, "a/b*1", NULL), CKR_DEVICE_ERROR, ROW_FORGED);
}
END_TEST

/* -- rollback ----------------------------------------------------------------------------------------------------- */

START_TEST(a_rollback_takes_no_right_to_read)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	issue("secrets:write:a/*", pin);
	log_in(pin);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, OUT_OF_SCOPE);
	ck_assert_str_eq(shown("a/b", CKA_SR_VERSION), "3");
	vault_login_admin(&place);
	reads("a/b", "one");
	reads("a/b*2", "two");
	sound();
}
END_TEST

START_TEST(bad_rollbacks_are_refused)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(alter("a/b", { CKA_SR_VERSION, "2" }), CKR_ACTION_PROHIBITED, VERSION_CURRENT);
	expect(alter("a/b", { CKA_SR_VERSION, "3" }), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(alter("a/b", { CKA_SR_VERSION, "0" }), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(alter("a/b", { CKA_SR_VERSION, "one" }), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }, { CKA_VALUE, "x" }), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }, { CKA_SR_IF_VERSION, "1" }), CKR_ACTION_PROHIBITED,
		VERSION_MISMATCH);
	log_in(pin);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	reads("a/b", "two");
}
END_TEST

/* -- deletion and back -------------------------------------------------------------------------------------------- */

START_TEST(what_was_deleted_comes_back_with_its_versions)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(rotate("a/b", "two", "3600"), CKR_OK, NONE);
	expect(destroy("a/b"), CKR_OK, NONE);
	expect(vault_get(&place, "a/b*1", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(undelete("a/b"), CKR_OK, NONE);
	reads("a/b", "two");
	reads("a/b*1", "one");
	log_in(pin);
	expect(vault_get(&place, "a/b*1", NULL), CKR_ATTRIBUTE_SENSITIVE, VERSION_CLOSED); /* no grace comes back */
	sound();
}
END_TEST

START_TEST(bad_undeletes_are_refused)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*\nsecrets:delete:a/*", pin);
	expect(undelete("a/b"), CKR_TEMPLATE_INCONSISTENT, NOT_DELETED);
	expect(undelete("a/none"), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(make(CKO_DATA, { CKA_SR_STATE, "active" }), CKR_TEMPLATE_INCOMPLETE, BAD_PATH);
	expect(make(CKO_DATA, { CKA_LABEL, "a/b" }, { CKA_SR_STATE, "deleted" }), CKR_ATTRIBUTE_VALUE_INVALID,
		BAD_TEMPLATE);
	expect(make(CKO_DATA, { CKA_LABEL, "a/b" }, { CKA_SR_STATE, "active" }, { CKA_VALUE, "x" }),
		CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	log_in(pin);
	expect(destroy("a/b"), CKR_OK, NONE);
	expect(undelete("a/b"), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect(vault_get(&place, "a/b", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
}
END_TEST

START_TEST(a_new_secret_at_the_path_ends_the_old_ones_versions)
{
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(destroy("a/b"), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	ck_assert_str_eq(found("a/b", "1"), "");
	expect(vault_get(&place, "a/b*1", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	sound();
}
END_TEST

/* -- destruction -------------------------------------------------------------------------------------------------- */

START_TEST(a_destroyed_version_is_gone_even_when_it_is_put_back)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*", pin);
	expect(rotate("a/b", "two", "3600"), CKR_OK, NONE);
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM secret_version WHERE version = 1");
	expect(destroy("a/b*1"), CKR_OK, NONE);
	ck_assert_str_eq(found("a/b", "1"), "");
	ck_assert_str_eq(shown("a/b", CKA_SR_GRACE_UNTIL), "");
	vault_sql(&place, "INSERT INTO secret_version SELECT * FROM kept.t");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(vault_get(&place, "a/b*1", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(alter("a/b", { CKA_SR_VERSION, "1" }), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	reads("a/b", "two");
	sound();
}
END_TEST

START_TEST(bad_destructions_are_refused)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	issue("secrets:read:a/*\nsecrets:write:a/*", pin);
	expect(destroy("a/b*2"), CKR_ACTION_PROHIBITED, VERSION_CURRENT);
	expect(destroy("a/b*3"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(destroy("a/b*x"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	log_in(pin);
	expect(destroy("a/b*1"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	vault_login_admin(&place);
	reads("a/b*1", "one");
}
END_TEST

START_TEST(of_a_deleted_secret_any_version_is_destroyed)
{
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(destroy("a/b"), CKR_OK, NONE);
	ck_assert_str_eq(found("a/b", "1"), "a/b*1");
	expect(destroy("a/b*1"), CKR_OK, NONE);
	expect(undelete("a/b"), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	reads("a/b", "two");
	sound();
}
END_TEST

/* -- retention ---------------------------------------------------------------------------------------------------- */

static CK_RV sweep(const char **result)
{
	static char text[200];
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_JOB);
	sr_attrs_put_text(&template, CKA_SR_KIND, "sweep-versions");
	CK_RV rv = sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err);
	const struct sr_attr *attr = sr_attrs_find(&created.held, CKA_SR_RESULT);
	snprintf(text, sizeof(text), "%.*s", attr ? (int)attr->len : 0, attr ? (const char *)attr->value : "");
	*result = text;
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

START_TEST(old_versions_are_destroyed_after_their_time)
{
	const char *result;
	char pin[64];
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "c/d", "x", NULL), CKR_OK, NONE);
	expect(destroy("c/d"), CKR_OK, NONE);
	vault_clock_move(29 * DAY, 29 * DAY, false);
	vault_login_admin(&place);
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, "{\"secrets\":0,\"versions\":0,\"former_keys\":0,\"expired\":0}");
	reads("a/b*1", "one");
	vault_clock_move(2 * DAY, 2 * DAY, false);
	vault_login_admin(&place);
	issue("secrets:read:*", pin);
	log_in(pin);
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result,
		"{\"secrets\":0,\"versions\":0,\"former_keys\":0,\"expired\":0}"); /* nothing that it may destroy */
	vault_login_admin(&place);
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, "{\"secrets\":2,\"versions\":2,\"former_keys\":0,\"expired\":0}");
	expect(vault_get(&place, "a/b*1", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	reads("a/b", "two");
	expect(undelete("c/d"), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, "{\"secrets\":0,\"versions\":0,\"former_keys\":0,\"expired\":0}");
	sound();
}
END_TEST

static void freeze(const char *path)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_FREEZE);
	sr_attrs_put_text(&template, CKA_SR_PATH, path);
	sr_attrs_put_text(&template, CKA_SR_REASON, "it was seen");
	expect(sr_class_find(CKO_SR_FREEZE)->create(&place.caller, &template, &created, &place.err), CKR_OK, NONE);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

static void release(const char *path)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	char id[SR_OBJECT_ID_MAX];
	vault_find_one(&place, CKO_SR_FREEZE, CKA_SR_PATH, path, id);
	sr_attrs_put_text(&changes, CKA_SR_STATE, "released");
	sr_attrs_put_text(&changes, CKA_SR_REASON, "over");
	expect(sr_class_find(CKO_SR_FREEZE)->set(&place.caller, id, &changes, &place.err), CKR_OK, NONE);
	sr_attrs_clear(&changes);
}

/* They may be what an incident is about. */
START_TEST(a_frozen_path_keeps_its_old_versions)
{
	const char *result;
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "c/d", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "c/d", "two", NULL), CKR_OK, NONE);
	vault_clock_move(31 * DAY, 31 * DAY, false);
	vault_login_admin(&place);
	freeze("a/b");
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, "{\"secrets\":1,\"versions\":1,\"former_keys\":0,\"expired\":0}");
	release("a/b");
	reads("a/b*1", "one");
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, "{\"secrets\":1,\"versions\":1,\"former_keys\":0,\"expired\":0}");
	sound();
}
END_TEST

static void sweep_tells(unsigned expired)
{
	const char *result;
	char text[80];
	snprintf(text, sizeof(text), "{\"secrets\":0,\"versions\":0,\"former_keys\":0,\"expired\":%u}", expired);
	expect(sweep(&result), CKR_OK, NONE);
	ck_assert_str_eq(result, text);
}

static void expires_in(const char *path, int64_t ms)
{
	char when[SR_TIME_TEXT];
	struct sr_now now;
	sr_clock_now(&now);
	sr_text_time(now.wall_ms + ms, when);
	expect(alter(path, { CKA_SR_EXPIRES_AT, when }), CKR_OK, NONE);
}

/* Once, and once more where the secret was changed since and has expired still. */
START_TEST(what_expired_is_told_once)
{
	char list[64], read[64];
	expect(vault_put(&place, "a/oauth", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/plain", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/gone", "one", NULL), CKR_OK, NONE);
	expires_in("a/oauth", DAY);
	expires_in("a/gone", DAY);
	expect(destroy("a/gone"), CKR_OK, NONE);
	issue("secrets:list:*/other", list);
	issue("secrets:list:a/*", read);
	sweep_tells(0);
	vault_clock_move(DAY + 1000, DAY + 1000, false);
	vault_login_admin(&place);
	issue("secrets:list:*/other", list);
	issue("secrets:list:a/*", read);
	log_in(list);
	sweep_tells(0);
	log_in(read);
	sweep_tells(1);
	sweep_tells(0);
	vault_login_admin(&place);
	sweep_tells(0);
	reads("a/oauth", "one");
	expect(alter("a/oauth", { CKA_SR_TYPE, "api" }), CKR_OK, NONE);
	sweep_tells(1);
	sweep_tells(0);
	expires_in("a/oauth", DAY);
	sweep_tells(0);
	sound();
}
END_TEST

START_TEST(a_new_version_sweeps_its_own_path)
{
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	vault_clock_move(31 * DAY, 31 * DAY, false);
	vault_login_admin(&place);
	expect(rotate("a/b", "three", "3600"), CKR_OK, NONE);
	expect(vault_get(&place, "a/b*1", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	reads("a/b*2", "two"); /* it was replaced now */
	sound();
}
END_TEST

/* -- when it is due ----------------------------------------------------------------------------------------------- */

static int64_t due_days(const char *path)
{
	int64_t rotated_ms, due_ms;
	char due[40];
	snprintf(due, sizeof(due), "%s", shown(path, CKA_SR_ROTATION_DUE));
	if (!due[0])
		return 0;
	ck_assert(sr_text_parse_time(due, &due_ms));
	ck_assert(sr_text_parse_time(shown(path, CKA_SR_ROTATED_AT), &rotated_ms));
	return (due_ms - rotated_ms) / DAY;
}

static CK_RV set_period(const char *glob, const char *seconds)
{
	return make(CKO_SR_ROTATION, { CKA_SR_PATH, glob }, { CKA_SR_PERIOD, seconds });
}

START_TEST(type_and_path_say_when_a_secret_is_due)
{
	expect(make(CKO_DATA, { CKA_LABEL, "pay/a" }, { CKA_VALUE, "v" }, { CKA_SR_TYPE, "payment" }), CKR_OK, NONE);
	expect(vault_put(&place, "pay/b", "v", NULL), CKR_OK, NONE);
	ck_assert_int_eq(due_days("pay/a"), 14);
	ck_assert_int_eq(due_days("pay/b"), 0);
	expect(set_period("pay/*", "172800"), CKR_OK, NONE);
	ck_assert_int_eq(due_days("pay/a"), 2);
	ck_assert_int_eq(due_days("pay/b"), 2);
	expect(set_period("pay/b", "259200"), CKR_OK, NONE);
	ck_assert_int_eq(due_days("pay/a"), 2);
	ck_assert_int_eq(due_days("pay/b"), 3);
	expect(sr_class_find(CKO_SR_ROTATION)->destroy(&place.caller, "pay/*", &place.err), CKR_OK, NONE);
	ck_assert_int_eq(due_days("pay/a"), 14);
	ck_assert_int_eq(vault_count(&place, CKO_SR_ROTATION, CKA_SR_PATH, NULL), 1);
	sound();
}
END_TEST

START_TEST(the_end_that_the_provider_set_comes_first)
{
	struct sr_now now;
	char end[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms + 5 * DAY + HOUR, end);
	expect(make(CKO_DATA, { CKA_LABEL, "o" }, { CKA_VALUE, "v" }, { CKA_SR_TYPE, "oauth" },
		       { CKA_SR_EXPIRES_AT, end }),
		CKR_OK, NONE);
	ck_assert_int_eq(due_days("o"), 5);
	expect(rotate("o", "w", "0"), CKR_OK, NONE); /* the end belonged to the value */
	ck_assert_int_eq(due_days("o"), 60);
}
END_TEST

START_TEST(bad_periods_are_refused)
{
	char pin[64];
	issue("secrets:*:*", pin);
	expect(set_period("pay/*", "0"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(set_period("pay/*", "315360001"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(set_period("pay/*", "1d"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(set_period("pay//*", "60"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_PATH);
	expect(make(CKO_SR_ROTATION, { CKA_SR_PATH, "pay/*" }), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	expect(make(CKO_SR_ROTATION, { CKA_SR_PATH, "a" }, { CKA_SR_PERIOD, "60" }, { CKA_SR_TTL, "1" }),
		CKR_ATTRIBUTE_TYPE_INVALID, BAD_TEMPLATE);
	expect(sr_class_find(CKO_SR_ROTATION)->destroy(&place.caller, "pay/*", &place.err), CKR_OBJECT_HANDLE_INVALID,
		NOT_FOUND);
	log_in(pin);
	expect(set_period("pay/*", "60"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	ck_assert_int_eq(vault_count(&place, CKO_SR_ROTATION, CKA_SR_PATH, NULL), 0);
}
END_TEST

START_TEST(a_period_that_was_changed_or_taken_away_is_noticed)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	char id[SR_OBJECT_ID_MAX];
	expect(vault_put(&place, "pay/a", "v", NULL), CKR_OK, NONE);
	expect(set_period("pay/*", "60"), CKR_OK, NONE);
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM rotation; DELETE FROM rotation");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(sr_class_find(CKO_SR_ROTATION)->find(&place.caller, &query, take_id, id, &place.err), CKR_DEVICE_ERROR,
		ROW_MISSING);
	vault_sql(&place, "INSERT INTO rotation SELECT * FROM kept.t; UPDATE rotation SET period_ms = 99999000");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(sr_class_find(CKO_SR_ROTATION)->find(&place.caller, &query, take_id, id, &place.err), CKR_DEVICE_ERROR,
		ROW_FORGED);
}
END_TEST

Suite *sr_suite_vault_versions(void)
{
	Suite *suite = suite_create("vault_versions");
	TCase *c = tcase_create("versions");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_was_issued_before_reads_the_old_version_in_its_grace);
	tcase_add_test(c, each_grace_runs_for_itself_and_none_closes_all);
	tcase_add_test(c, a_plain_new_version_has_no_grace);
	tcase_add_test(c, a_switch_gives_each_token_the_version_of_its_time);
	tcase_add_test(c, bad_rotations_are_refused);
	tcase_add_test(c, too_many_graces_are_refused);
	tcase_add_test(c, a_grace_is_under_the_mac);
	tcase_add_test(c, a_rollback_takes_no_right_to_read);
	tcase_add_test(c, bad_rollbacks_are_refused);
	tcase_add_test(c, what_was_deleted_comes_back_with_its_versions);
	tcase_add_test(c, bad_undeletes_are_refused);
	tcase_add_test(c, a_new_secret_at_the_path_ends_the_old_ones_versions);
	tcase_add_test(c, a_destroyed_version_is_gone_even_when_it_is_put_back);
	tcase_add_test(c, bad_destructions_are_refused);
	tcase_add_test(c, of_a_deleted_secret_any_version_is_destroyed);
	tcase_add_test(c, old_versions_are_destroyed_after_their_time);
	tcase_add_test(c, a_frozen_path_keeps_its_old_versions);
	tcase_add_test(c, what_expired_is_told_once);
	tcase_add_test(c, a_new_version_sweeps_its_own_path);
	tcase_add_test(c, type_and_path_say_when_a_secret_is_due);
	tcase_add_test(c, the_end_that_the_provider_set_comes_first);
	tcase_add_test(c, bad_periods_are_refused);
	tcase_add_test(c, a_period_that_was_changed_or_taken_away_is_noticed);
	suite_add_tcase(suite, c);
	return suite;
}
