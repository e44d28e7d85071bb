/* Frozen paths: nothing that reaches one is issued, approved or delivered, until it is released with its approvals. */
#include "tests/unit/approvals_expect.h"
#include "tests/unit/suites.h"

#include "vault/freeze.h"
#include "vault/report.h"

#include <stdio.h>
#include <string.h>

static CK_RV freeze(const struct sr_caller *who, const char *path, const char *reason)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_FREEZE);
	if (path)
		sr_attrs_put_text(&template, CKA_SR_PATH, path);
	if (reason)
		sr_attrs_put_text(&template, CKA_SR_REASON, reason);
	CK_RV rv = sr_class_find(CKO_SR_FREEZE)->create(who, &template, &created, &team.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV set_state(const struct sr_caller *who, const char *path, const char *state, const char *reason)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	sr_attrs_put_text(&changes, CKA_SR_STATE, state);
	if (reason)
		sr_attrs_put_text(&changes, CKA_SR_REASON, reason);
	CK_RV rv = sr_class_find(CKO_SR_FREEZE)->set(who, path, &changes, &team.err);
	sr_attrs_clear(&changes);
	return rv;
}

static CK_RV release(const char *who, const char *path)
{
	return set_state(as(who), path, "released", "it was a false alarm");
}

static CK_RV read_path(const char *path)
{
	char value[256];
	return vault_get(&team, path, value);
}

static CK_RV issue(const char *scope)
{
	char pin[64];
	return vault_issue(&team, scope, "60", NULL, NULL, pin);
}

static void begin(void)
{
	team_setup();
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_put(&team, "a/b", "value", NULL), CKR_OK);
	ck_assert_uint_eq(vault_put(&team, "c/d", "value", NULL), CKR_OK);
}

/* -- freezing and releasing -------------------------------------------------------------------------------------- */

START_TEST(a_path_is_frozen_shown_and_released)
{
	expect(freeze(as("bob"), "a/b", "the value was in a log"), CKR_OK, NONE);
	expect_event(PATH_FROZEN, ALLOWED, "");
	struct sr_event event = newest_event(SR_EVENT_PATH_FROZEN);
	ck_assert_str_eq(event.path, "a/b");
	ck_assert_str_eq(event.tier, "standard");
	ck_assert_str_eq(event.subject, "freeze:a/b");
	ck_assert_str_eq(event.metadata, "{\"reason\":\"the value was in a log\"}");
	ck_assert_str_eq(shown(as("carol"), CKO_SR_FREEZE, "a/b", CKA_SR_STATE), "frozen");
	ck_assert_str_eq(shown(as("carol"), CKO_SR_FREEZE, "a/b", CKA_SR_REASON), "the value was in a log");
	ck_assert_str_eq(shown(as("carol"), CKO_SR_FREEZE, "a/b", CKA_SR_ISSUER), "member:bob");
	ck_assert_int_eq(count_as(as("carol"), CKO_SR_FREEZE, CKA_SR_PATH, "a/b"), 1);
	ck_assert_int_eq(count_as(as("carol"), CKO_SR_FREEZE, CKA_SR_PATH, "c/d"), 0);
	expect(freeze(as("carol"), "a/b", "again"), CKR_TEMPLATE_INCONSISTENT, FROZEN);
	expect_event(PATH_FROZEN, DENIED, "frozen");
	expect(release("carol", "a/b"), CKR_OK, NONE);
	expect_event(PATH_RELEASED, ALLOWED, "");
	ck_assert_str_eq(newest_event(SR_EVENT_PATH_RELEASED).metadata, "{\"reason\":\"it was a false alarm\"}");
	ck_assert_int_eq(count_as(as("carol"), CKO_SR_FREEZE, 0, NULL), 0);
	expect(release("carol", "a/b"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect_event(PATH_RELEASED, DENIED, "not_found");
	expect(freeze(as("bob"), "a/b", "once more"), CKR_OK, NONE);
	expect(freeze(as("bob"), "not/there/yet", "a path without anything"), CKR_OK, NONE);
	ck_assert_int_eq(count_as(as("carol"), CKO_SR_FREEZE, 0, NULL), 2);
}
END_TEST

static const struct {
	const char *path, *reason;
	CK_RV rv;
	CK_ULONG why;
} bad[] = {
	{ NULL, "r", CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_PATH },
	{ "", "r", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH },
	{ "a/*", "r", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH },
	{ "a//b", "r", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH },
	{ "a/b\n", "r", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH },
	{ "a/b", NULL, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE },
	{ "a/b", "", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
	{ "a/b", "two\nlines", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
	{ "a/b", "\033[2J", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
};

START_TEST(what_is_no_freeze_is_refused)
{
	sr_error_clear(&team.err);
	CK_RV rv = freeze(as("bob"), bad[_i].path, bad[_i].reason);
	ck_assert_msg(rv == bad[_i].rv, "row %d: %s: %s", _i, sr_rv_name(rv), team.err.text);
	ck_assert_msg(team.err.reason == bad[_i].why, "row %d: %s", _i, team.err.text);
	expect_event(PATH_FROZEN, DENIED, sr_reason_name(bad[_i].why));
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_FREEZE, 0, NULL), 0);
}
END_TEST

START_TEST(a_release_says_so_and_why)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	char longest[258];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	expect(freeze(as("bob"), "a/b", "r"), CKR_OK, NONE);
	expect(set_state(as("bob"), "a/b", "frozen", "r"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(set_state(as("bob"), "a/b", "released", NULL), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	expect(set_state(as("bob"), "a/b", "released", ""), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(set_state(as("bob"), "a/b", "released", longest), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	sr_attrs_put_text(&changes, CKA_SR_STATE, "released");
	sr_attrs_put_text(&changes, CKA_SR_REASON, "r");
	sr_attrs_put_text(&changes, CKA_SR_TIER, "standard");
	expect(sr_class_find(CKO_SR_FREEZE)->set(as("bob"), "a/b", &changes, &team.err), CKR_ATTRIBUTE_TYPE_INVALID,
		BAD_TEMPLATE);
	sr_attrs_clear(&changes);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_FREEZE, 0, NULL), 1);
}
END_TEST

START_TEST(only_those_whose_role_may)
{
	char pin[64];
	team_put((struct team_member){ .name = "vera", .role = SR_ROLE_VIEWER });
	team_put((struct team_member){ .name = "otto", .role = SR_ROLE_AUDITOR });
	expect(freeze(as("vera"), "a/b", "r"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(freeze(as("otto"), "a/b", "r"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect_event(PATH_FROZEN, DENIED, "role_not_allowed");
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "60", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(freeze(&team.caller, "a/b", "r"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(freeze(as("bob"), "a/b", "r"), CKR_OK, NONE);
	ck_assert_int_eq(count_as(as("vera"), CKO_SR_FREEZE, 0, NULL), 1);
	ck_assert_int_eq(count_as(as("otto"), CKO_SR_FREEZE, 0, NULL), 0);
	expect(release("vera", "a/b"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(release("otto", "a/b"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(count_as(as("vera"), CKO_SR_FREEZE, 0, NULL), 1);
}
END_TEST

/* -- delivered, issued, approved ---------------------------------------------------------------------------------- */

START_TEST(nothing_is_delivered)
{
	char pin[64];
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	expect(freeze(&team.caller, "a/b", "r"), CKR_OK, NONE);
	expect(read_path("a/b"), CKR_ATTRIBUTE_SENSITIVE, FROZEN);
	expect_event(SECRET_READ, DENIED, "frozen");
	ck_assert_str_eq(newest_event(SR_EVENT_COUNT).path, "a/b");
	expect(read_path("c/d"), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(read_path("a/b"), CKR_ATTRIBUTE_SENSITIVE, FROZEN);
	expect(read_path("c/d"), CKR_OK, NONE);
	vault_place_reopen(&team);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(read_path("a/b"), CKR_ATTRIBUTE_SENSITIVE, FROZEN);
	forget();
	expect(release("bob", "a/b"), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(read_path("a/b"), CKR_OK, NONE);
}
END_TEST

START_TEST(only_members_write_to_it)
{
	char pin[64];
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	expect(freeze(&team.caller, "a/b", "r"), CKR_OK, NONE);
	expect(vault_put(&team, "a/b", "another", NULL), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(vault_put(&team, "a/b", "mine", NULL), CKR_TOKEN_WRITE_PROTECTED, FROZEN);
	expect(sr_class_find(CKO_DATA)->destroy(&team.caller, "a/b", &team.err), CKR_ACTION_PROHIBITED, FROZEN);
	expect_event(SECRET_DELETED, DENIED, "frozen");
	expect(vault_put(&team, "c/d", "mine", NULL), CKR_OK, NONE);
	vault_login_admin(&team);
	expect(sr_class_find(CKO_DATA)->destroy(&team.caller, "a/b", &team.err), CKR_OK, NONE);
}
END_TEST

static CK_RV undelete(const char *path)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_DATA);
	sr_attrs_put_bool(&template, CKA_TOKEN, true);
	sr_attrs_put_text(&template, CKA_LABEL, path);
	sr_attrs_put_text(&template, CKA_SR_STATE, "active");
	sr_error_clear(&team.err);
	CK_RV rv = sr_class_find(CKO_DATA)->create(&team.caller, &template, &created, &team.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

/* An old version is no way round, nor is a secret that was deleted before. */
START_TEST(its_versions_are_frozen_too)
{
	char pin[64];
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	expect(vault_put(&team, "a/b", "another", NULL), CKR_OK, NONE);
	expect(read_path("a/b*1"), CKR_OK, NONE);
	expect(freeze(&team.caller, "a/b", "r"), CKR_OK, NONE);
	expect(read_path("a/b*1"), CKR_ATTRIBUTE_SENSITIVE, FROZEN);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(sr_class_find(CKO_DATA)->destroy(&team.caller, "a/b*1", &team.err), CKR_ACTION_PROHIBITED, FROZEN);
	vault_login_admin(&team);
	expect(sr_class_find(CKO_DATA)->destroy(&team.caller, "a/b", &team.err), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(undelete("a/b"), CKR_TOKEN_WRITE_PROTECTED, FROZEN);
	vault_login_admin(&team);
	expect(undelete("a/b"), CKR_OK, NONE);
}
END_TEST

START_TEST(nothing_that_reaches_it_is_issued)
{
	expect(freeze(as("bob"), "a/b", "r"), CKR_OK, NONE);
	vault_login_admin(&team);
	expect(issue("secrets:read:a/*"), CKR_TOKEN_WRITE_PROTECTED, FROZEN);
	expect_event(TOKEN_ISSUED, DENIED, "frozen");
	expect(issue("secrets:write:a/b"), CKR_TOKEN_WRITE_PROTECTED, FROZEN);
	expect(issue("keys:sign:*"), CKR_TOKEN_WRITE_PROTECTED, FROZEN);
	expect(issue("secrets:list:*"), CKR_OK, NONE);
	expect(issue("secrets:read:c/*"), CKR_OK, NONE);
	expect(issue("secrets:read:a/bc"), CKR_OK, NONE);
	expect(release("bob", "a/b"), CKR_OK, NONE);
	expect(issue("secrets:read:a/*"), CKR_OK, NONE);
}
END_TEST

static void become(const char *name)
{
	struct sr_caller who = *as(name);
	sr_identity_ref(who.identity);
	sr_identity_unref(team.caller.identity);
	team.caller = who;
}

/* A token that waits for its approval, by carol. */
static void ask_token(const char *scope, char id[SR_OBJECT_ID_MAX])
{
	char pin[64];
	become("carol");
	ck_assert_uint_eq(vault_issue(&team, scope, "600", NULL, NULL, pin), CKR_OK);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
}

START_TEST(nothing_that_reaches_it_is_approved)
{
	char token[SR_OBJECT_ID_MAX], tier[SR_ID_MAX], other[SR_ID_MAX];
	ck_assert_uint_eq(vault_put(&team, "a/s", "value", "sensitive"), CKR_OK);
	ask_token("secrets:read:a/*", token);
	ask_for(as("carol"), 1, 0, tier); /* to lower secret:a/b */
	expect(freeze(as("carol"), "a/b", "r"), CKR_OK, NONE);
	expect(decide(as("bob"), token, "approved", NULL), CKR_ACTION_PROHIBITED, FROZEN);
	expect_event(APPROVAL_GRANTED, DENIED, "frozen");
	expect(decide(as("bob"), tier, "approved", NULL), CKR_ACTION_PROHIBITED, FROZEN);
	expect(decide(as("bob"), tier, "denied", "no"), CKR_OK, NONE);
	expect(release("carol", "a/b"), CKR_OK, NONE);
	expect(freeze(as("carol"), "c/d", "r"), CKR_OK, NONE);
	ask_for(as("carol"), 1, 0, other);
	expect(decide(as("bob"), other, "approved", NULL), CKR_OK, NONE);
	expect(decide(as("bob"), token, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* What was approved before is not delivered. */
START_TEST(an_approval_from_before_delivers_nothing)
{
	char token[SR_OBJECT_ID_MAX], pin[64];
	ck_assert_uint_eq(vault_put(&team, "a/s", "value", "sensitive"), CKR_OK);
	become("carol");
	ck_assert_uint_eq(vault_issue(&team, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", token);
	expect(decide(as("bob"), token, "approved", NULL), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(read_path("a/s"), CKR_OK, NONE);
	expect(freeze(as("bob"), "a/s", "r"), CKR_OK, NONE);
	expect(read_path("a/s"), CKR_ATTRIBUTE_SENSITIVE, FROZEN);
	expect(read_path("a/b"), CKR_OK, NONE);
}
END_TEST

/* -- the path's approvals ------------------------------------------------------------------------------------------ */

START_TEST(a_release_needs_the_path_s_approvals)
{
	char id[SR_OBJECT_ID_MAX];
	ck_assert_uint_eq(vault_put(&team, "a/s", "value", "critical"), CKR_OK);
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_EDITOR });
	expect(freeze(as("bob"), "a/s", "r"), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_KIND, "release", id);
	ck_assert_uint_eq(approval_row(id).needed, 2);
	ck_assert_str_eq(approval_row(id).target, "freeze:a/s");
	ck_assert_str_eq(approval_row(id).reason, "it was a false alarm");
	expect(decide(as("bob"), id, "approved", NULL), CKR_ACTION_PROHIBITED, SELF_APPROVAL);
	expect(decide(as("admin"), id, "broken_glass", "quick"), CKR_ACTION_PROHIBITED, BAD_POLICY);
	expect(decide(as("carol"), id, "approved", NULL), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(decide(as("dave"), id, "approved", NULL), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED); /* the delay */
	team_move(6 * MINUTE, false);
	expect(release("bob", "a/s"), CKR_OK, NONE);
	/* it was for that freeze, and for no later one */
	expect(freeze(as("bob"), "a/s", "r"), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(a_denied_release_stays_denied)
{
	char id[SR_OBJECT_ID_MAX];
	ck_assert_uint_eq(vault_put(&team, "a/s", "value", "sensitive"), CKR_OK);
	expect(freeze(as("bob"), "a/s", "r"), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_KIND, "release", id);
	expect(decide(as("carol"), id, "denied", "not yet"), CKR_OK, NONE);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_DENIED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_FREEZE, 0, NULL), 1);
}
END_TEST

/* A secret that is deleted meanwhile leaves its tier to the path. */
START_TEST(a_deleted_secret_is_released_with_its_tier_s_approvals)
{
	ck_assert_uint_eq(vault_put(&team, "a/s", "value", "sensitive"), CKR_OK);
	expect(freeze(as("bob"), "a/s", "r"), CKR_OK, NONE);
	ck_assert_uint_eq(sr_class_find(CKO_DATA)->destroy(as("bob"), "a/s", &team.err), CKR_OK);
	expect(release("bob", "a/s"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

/* -- a hand in the database ---------------------------------------------------------------------------------------- */

static const char *verdict(void)
{
	static struct sr_verdict verdict;
	verdict = (struct sr_verdict){ .ok = true };
	sr_error_clear(&team.err);
	ck_assert_uint_eq(sr_report_check_rows(team.vault, &verdict, &team.err), CKR_OK);
	return verdict.ok ? "" : verdict.detail;
}

START_TEST(a_freeze_is_not_taken_out_of_the_database)
{
	expect(freeze(as("bob"), "a/b", "r"), CKR_OK, NONE);
	ck_assert_str_eq(verdict(), "");
	vault_login_admin(&team);
	vault_sql(&team, "CREATE TABLE kept.freeze AS SELECT * FROM freeze; DELETE FROM freeze");
	expect(read_path("a/b"), CKR_DEVICE_ERROR, ROW_MISSING);
	expect(issue("secrets:read:c/*"), CKR_DEVICE_ERROR, ROW_MISSING);
	ck_assert_ptr_nonnull(strstr(verdict(), "freeze:a/b"));
	vault_sql(&team, "INSERT INTO freeze SELECT * FROM kept.freeze; UPDATE freeze SET active = 0");
	expect(read_path("a/b"), CKR_DEVICE_ERROR, ROW_FORGED);
	expect(issue("secrets:read:a/*"), CKR_DEVICE_ERROR, ROW_MISSING);
	vault_sql(&team, "UPDATE freeze SET active = 1, tier = 'critical'");
	expect(read_path("a/b"), CKR_DEVICE_ERROR, ROW_FORGED);
	expect(issue("secrets:read:a/*"), CKR_DEVICE_ERROR, ROW_FORGED);
}
END_TEST

START_TEST(an_old_release_is_not_put_back)
{
	expect(freeze(as("bob"), "a/b", "r"), CKR_OK, NONE);
	expect(release("bob", "a/b"), CKR_OK, NONE);
	vault_sql(&team, "CREATE TABLE kept.freeze AS SELECT * FROM freeze");
	expect(freeze(as("bob"), "a/b", "again"), CKR_OK, NONE);
	vault_sql(&team, "DELETE FROM freeze; INSERT INTO freeze SELECT * FROM kept.freeze");
	vault_login_admin(&team);
	expect(read_path("a/b"), CKR_DEVICE_ERROR, ROW_STALE);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *sr_suite_vault_freeze(void)
{
	Suite *suite = suite_create("vault_freeze");
	TCase *c = tcase_create("freeze");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, begin, team_teardown);
	tcase_add_test(c, a_path_is_frozen_shown_and_released);
	tcase_add_loop_test(c, what_is_no_freeze_is_refused, 0, ROWS(bad));
	tcase_add_test(c, a_release_says_so_and_why);
	tcase_add_test(c, only_those_whose_role_may);
	tcase_add_test(c, nothing_is_delivered);
	tcase_add_test(c, only_members_write_to_it);
	tcase_add_test(c, its_versions_are_frozen_too);
	tcase_add_test(c, nothing_that_reaches_it_is_issued);
	tcase_add_test(c, nothing_that_reaches_it_is_approved);
	tcase_add_test(c, an_approval_from_before_delivers_nothing);
	tcase_add_test(c, a_release_needs_the_path_s_approvals);
	tcase_add_test(c, a_denied_release_stays_denied);
	tcase_add_test(c, a_deleted_secret_is_released_with_its_tier_s_approvals);
	tcase_add_test(c, a_freeze_is_not_taken_out_of_the_database);
	tcase_add_test(c, an_old_release_is_not_put_back);
	suite_add_tcase(suite, c);
	return suite;
}
