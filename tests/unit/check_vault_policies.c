/* Policies over the real vault, what a token needs by them, and tiers that are lowered. */
#include "tests/unit/approvals_expect.h"
#include "tests/unit/suites.h"

#include "vault/policies.h"

#include <stdio.h>
#include <string.h>

/* -- setting ----------------------------------------------------------------------------------------------------- */

/* What a template says, in this order; NULL: nothing. */
static const CK_ATTRIBUTE_TYPE settings[] = { CKA_SR_PATH, CKA_SR_TIER, CKA_SR_APPROVALS, CKA_SR_DELAY, CKA_SR_TIMEOUT,
	CKA_SR_BREAK_GLASS, CKA_SR_EACH_USE };
#define SETTINGS (sizeof(settings) / sizeof(*settings))

static CK_RV set_policy(const struct sr_caller *who, const char *const texts[SETTINGS])
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_POLICY);
	for (size_t i = 0; i < SETTINGS; i++) {
		if (texts[i])
			sr_attrs_put_text(&template, settings[i], texts[i]);
	}
	CK_RV rv = sr_class_find(CKO_SR_POLICY)->create(who, &template, &created, &team.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}
#define SET(who, ...) set_policy(as(who), (const char *const[SETTINGS]){ __VA_ARGS__ })

static CK_RV delete_policy(const char *who, const char *id)
{
	return sr_class_find(CKO_SR_POLICY)->destroy(as(who), id, &team.err);
}

#define POLICY(id, type) shown(as("bob"), CKO_SR_POLICY, id, type)

/* The one request that is open gets the approvals that it needs. */
static void let_pass(void)
{
	char id[SR_OBJECT_ID_MAX];
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	int needed = (int)approval_row(id).needed;
	static const char *const who[] = { "bob", "carol", "dave", "erin" };
	for (int i = 0; i < needed; i++)
		expect(decide(as(who[i]), id, "approved", NULL), CKR_OK, NONE);
	vault_login_admin(&team);
}

static void more_editors(void)
{
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_EDITOR });
	team_put((struct team_member){ .name = "erin", .role = SR_ROLE_EDITOR });
}

START_TEST(a_policy_is_set_seen_and_deleted)
{
	expect(SET("admin", "prod/*", "sensitive", "2", "60", "7200", "false", "true"), CKR_OK, NONE);
	expect_event(POLICY_CHANGED, ALLOWED, "");
	struct sr_event event = newest_event(SR_EVENT_POLICY_CHANGED);
	ck_assert_str_eq(event.path, "prod/*");
	ck_assert_str_eq(event.tier, "sensitive");
	ck_assert_str_eq(event.subject, "policy:1:prod/*");
	ck_assert_ptr_nonnull(strstr(event.metadata, "approvals=2 delay=60 timeout=7200 break-glass=no each-use=yes"));
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_PATH), "prod/*");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_TIER), "sensitive");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_APPROVALS), "2");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_DELAY), "60");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_TIMEOUT), "7200");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_BREAK_GLASS), "false");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_EACH_USE), "true");
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_ISSUER), "member:admin");
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, CKA_SR_TIER, "sensitive"), 1);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, CKA_SR_TIER, "critical"), 0);
	expect(SET("bob", "prod/*", "standard"), CKR_OK, NONE);
	ck_assert_str_eq(POLICY("0:prod/*", CKA_SR_APPROVALS), "0");
	ck_assert_str_eq(POLICY("0:prod/*", CKA_SR_TIMEOUT), "3600");
	expect(delete_policy("bob", "0:prod/*"), CKR_OK, NONE);
	expect_event(POLICY_CHANGED, ALLOWED, "");
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, 0, NULL), 1);
	struct sr_view view = { .value = SR_VALUE_NONE };
	const struct sr_class *class = sr_class_find(CKO_SR_POLICY);
	expect(class->view(as("bob"), "0:prod/*", &view, &team.err), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(delete_policy("bob", "0:prod/*"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(delete_policy("bob", "3:prod/*"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
}
END_TEST

START_TEST(policies_that_cannot_be_are_refused)
{
	static const struct {
		const char *texts[SETTINGS];
		CK_RV rv;
		CK_ULONG reason;
	} rows[] = {
		{ { NULL, "critical", "2" }, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_POLICY },
		{ { "a/*", NULL, "2" }, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_POLICY },
		{ { "a//*", "critical", "2" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH },
		{ { "a/*", "secret", "2" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ { "a/*", "critical", NULL }, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_POLICY },
		{ { "a/*", "critical", "0" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_POLICY },
		{ { "a/*", "sensitive", "0" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_POLICY },
		{ { "a/*", "critical", "11" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
		{ { "a/*", "critical", "-1" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
		{ { "a/*", "critical", "" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
		{ { "a/*", "critical", "3" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_POLICY }, /* two besides */
		{ { "a/*", "critical", "2", "604801" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ { "a/*", "critical", "2", "60", "604801" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ { "a/*", "critical", "2", "60", "0" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_POLICY },
		{ { "a/*", "critical", "2", "60", "99999999999999999999" }, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_BAD_DURATION },
		{ { "a/*", "critical", "2", "60", "60", "yes" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ { "a/*", "standard", "0", "60" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_POLICY },
	};
	sr_error_clear(&team.err);
	CK_RV rv = set_policy(as("admin"), rows[_i].texts);
	ck_assert_msg(rv == rows[_i].rv, "row %d: %s: %s", _i, sr_rv_name(rv), team.err.text);
	ck_assert_msg(team.err.reason == rows[_i].reason, "row %d: %s", _i, team.err.text);
	expect_event(POLICY_CHANGED, DENIED, sr_reason_name(rows[_i].reason));
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, 0, NULL), 0);
}
END_TEST

START_TEST(only_those_whose_role_may_set_policies)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	char pin[64];
	team_put((struct team_member){ .name = "vera", .role = SR_ROLE_VIEWER });
	team_put((struct team_member){ .name = "otto", .role = SR_ROLE_AUDITOR });
	expect(SET("vera", "a/*", "critical", "2"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect_event(POLICY_CHANGED, DENIED, "role_not_allowed");
	expect(SET("bob", "a/*", "critical", "2", "600"), CKR_OK, NONE);
	expect(delete_policy("vera", "2:a/*"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(delete_policy("otto", "2:a/*"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(count_as(as("vera"), CKO_SR_POLICY, 0, NULL), 1);
	ck_assert_int_eq(count_as(as("otto"), CKO_SR_POLICY, 0, NULL), 0);
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	expect(set_policy(&team.caller, (const char *const[SETTINGS]){ "b/*", "critical", "2" }),
		CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	sr_attrs_put_text(&template, CKA_SR_PATH, "b");
	sr_attrs_put_text(&template, CKA_SR_TIER, "critical");
	sr_attrs_put_text(&template, CKA_SR_SCOPES, "critical");
	expect(sr_class_find(CKO_SR_POLICY)->create(as("admin"), &template, &created, &team.err),
		CKR_ATTRIBUTE_TYPE_INVALID, BAD_TEMPLATE);
	sr_attrs_clear(&template);
}
END_TEST

/* -- looser ------------------------------------------------------------------------------------------------------ */

START_TEST(stricter_goes_at_once_and_looser_waits)
{
	char id[SR_OBJECT_ID_MAX];
	more_editors();
	expect(SET("admin", "prod/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "prod/*", "sensitive", "3"), CKR_OK, NONE);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 0);
	expect(SET("admin", "prod/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect_event(POLICY_CHANGED, DENIED, "approval_required");
	as("admin");
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_KIND), "policy");
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_NEEDED), "3"); /* the stricter side's */
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_PATH), "prod/*");
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_CHANGE),
		"approvals=1 delay=0 timeout=3600 break-glass=no each-use=no");
	expect(SET("admin", "prod/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 1);
	let_pass();
	/* another change, and another member's, are other requests */
	expect(SET("admin", "prod/*", "sensitive", "1", "0", "60"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(SET("bob", "prod/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(SET("admin", "prod/*", "sensitive", "1"), CKR_OK, NONE);
	ck_assert_str_eq(POLICY("1:prod/*", CKA_SR_APPROVALS), "1");
	/* once made, it is worth nothing more */
	expect(SET("admin", "prod/*", "sensitive", "3"), CKR_OK, NONE);
	expect(SET("admin", "prod/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(what_is_looser_than_the_default_waits_too)
{
	static const char *const rows[][SETTINGS] = {
		{ "a/*", "critical", "1" },
		{ "a/*", "critical", "2", "0" },
		{ "a/*", "critical", "2", "300", NULL, "true" },
		{ "a/*", "sensitive", NULL, NULL, NULL, "true" },
	};
	expect(set_policy(as("admin"), rows[_i]), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_KIND, "policy"), 1);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, 0, NULL), 0);
}
END_TEST

START_TEST(deleting_a_strict_one_waits)
{
	more_editors();
	expect(SET("admin", "prod/*", "sensitive", "2"), CKR_OK, NONE);
	expect(delete_policy("admin", "1:prod/*"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_CHANGE, "delete"), 1);
	let_pass();
	expect(delete_policy("admin", "1:prod/*"), CKR_OK, NONE);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_POLICY, 0, NULL), 0);
	expect(SET("admin", "prod/*", "sensitive", "1"), CKR_OK, NONE); /* as the default */
}
END_TEST

/* A stricter rule on some of the paths does not hide that the others get less. */
START_TEST(a_stricter_neighbour_hides_nothing)
{
	more_editors();
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "a/deep/*", "sensitive", "4"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(SET("admin", "a/d*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

/* Approved for what was needed then; what has become stricter needs more. */
START_TEST(an_approval_for_less_is_not_enough)
{
	more_editors();
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	let_pass();
	expect(SET("bob", "a/b/*", "sensitive", "3"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_NEEDED, "3"), 1);
}
END_TEST

/* Between what makes an approval good and the change a day may lie: who approved must still be one who may. */
START_TEST(an_approver_who_goes_before_the_change_counts_no_more)
{
	char id[SR_OBJECT_ID_MAX];
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	as("admin");
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	let_pass();
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	team_put((struct team_member){ .name = "carol", .role = SR_ROLE_VIEWER, .cut = true });
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_EDITOR });
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_str_eq(POLICY("1:a/*", CKA_SR_APPROVALS), "2");
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_STATE, "pending"), 1); /* it is asked anew */
}
END_TEST

START_TEST(a_refusal_is_told_for_an_hour)
{
	char id[SR_OBJECT_ID_MAX];
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	if (_i == 0)
		expect(decide(as("bob"), id, "denied", "no"), CKR_OK, NONE);
	if (_i == 1)
		expect(decide(as("bob"), id, "canceled", NULL), CKR_OK, NONE);
	if (_i == 2)
		team_move(HOUR + MINUTE, false);
	for (int i = 0; i < 2; i++) {
		if (_i < 2)
			expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_DENIED);
		else
			expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_CANCELED, APPROVAL_TIMED_OUT);
	}
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_TIMED_OUT), _i == 2);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 1);
	team_move(HOUR + MINUTE, false);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 2);
}
END_TEST

START_TEST(who_takes_a_request_back_may_ask_at_once)
{
	char id[SR_OBJECT_ID_MAX];
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	expect(decide(as("admin"), id, "canceled", NULL), CKR_OK, NONE);
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 2);
}
END_TEST

/* -- the database ------------------------------------------------------------------------------------------------ */

START_TEST(a_policy_taken_away_is_missed)
{
	static const char *const sql[] = {
		"DELETE FROM policy WHERE glob = 'a/*'",
		"UPDATE policy SET active = 0 WHERE glob = 'a/*'",
		"UPDATE policy SET approvals = 1",
		"DELETE FROM policy; INSERT INTO policy SELECT * FROM kept.t",
	};
	static const CK_ULONG reasons[] = { SR_REASON_ROW_MISSING, SR_REASON_ROW_MISSING, SR_REASON_ROW_FORGED,
		SR_REASON_ROW_STALE };
	struct sr_policies policies;
	struct sr_moment at;
	expect(SET("admin", "a/*", "sensitive", "1"), CKR_OK, NONE);
	vault_sql(&team, "CREATE TABLE kept.t AS SELECT * FROM policy");
	expect(SET("admin", "a/*", "sensitive", "2"), CKR_OK, NONE);
	vault_sql(&team, "%s", sql[_i]);
	ck_assert_uint_eq(sr_writer_look(team.vault->writer, &at, &team.err), CKR_OK);
	ck_assert_uint_eq(sr_policies_load(team.vault, &at, &policies, &team.err), CKR_DEVICE_ERROR);
	ck_assert_msg(team.err.reason == reasons[_i], "%s", team.err.text);
	sr_policies_clear(&policies);
	sr_writer_look_end(team.vault->writer, &at);
	sr_error_clear(&team.err);
	ck_assert_uint_eq(SET("admin", "b/*", "sensitive", "2"), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(team.err.reason, reasons[_i]);
}
END_TEST

/* -- what a token needs ------------------------------------------------------------------------------------------ */

static CK_RV need_of(const char *text, enum sr_tier *clearance, struct sr_need *need)
{
	struct sr_scopes scopes;
	struct sr_moment at;
	const char *why;
	ck_assert(sr_scopes_parse(text, strlen(text), &scopes, &why));
	ck_assert_uint_eq(sr_writer_look(team.vault->writer, &at, &team.err), CKR_OK);
	CK_RV rv = sr_approval_need(team.vault, &at, &scopes, clearance, need, &team.err);
	sr_writer_look_end(team.vault->writer, &at);
	sr_scopes_clear(&scopes);
	return rv;
}

static void put_tiers(void)
{
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_put(&team, "a/standard", "v", NULL), CKR_OK);
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "v", "sensitive"), CKR_OK);
	ck_assert_uint_eq(vault_put(&team, "a/critical", "v", "critical"), CKR_OK);
	ck_assert_uint_eq(vault_put(&team, "a/deleted", "v", "critical"), CKR_OK);
	expect(sr_class_find(CKO_DATA)->destroy(&team.caller, "a/deleted", &team.err), CKR_OK, NONE);
}

START_TEST(the_clearance_is_what_the_scopes_reach)
{
	static const struct {
		const char *scopes;
		enum sr_tier clearance;
		unsigned approvals;
	} rows[] = {
		{ "secrets:read:a/standard", SR_TIER_STANDARD, 0 },
		{ "secrets:read:a/sensitive", SR_TIER_SENSITIVE, 1 },
		{ "secrets:read:a/s*", SR_TIER_SENSITIVE, 1 },
		{ "secrets:read:*", SR_TIER_CRITICAL, 2 },
		{ "secrets:read:*/critical", SR_TIER_CRITICAL, 2 },
		{ "secrets:read:a/standard\nsecrets:write:a/c*", SR_TIER_CRITICAL, 2 },
		{ "secrets:list:*", SR_TIER_STANDARD, 0 },
		{ "keys:sign:*", SR_TIER_STANDARD, 0 }, /* they are no keys */
		{ "tokens:issue:*", SR_TIER_STANDARD, 0 },
		{ "secrets:read:a/deleted", SR_TIER_STANDARD, 0 },
		{ "secrets:read:b/*", SR_TIER_STANDARD, 0 },
	};
	enum sr_tier clearance;
	struct sr_need need;
	put_tiers();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		expect(need_of(rows[i].scopes, &clearance, &need), CKR_OK, NONE);
		ck_assert_msg(clearance == rows[i].clearance, "%s", rows[i].scopes);
		ck_assert_msg(need.approvals == rows[i].approvals, "%s", rows[i].scopes);
	}
	more_editors();
	expect(SET("admin", "a/*", "critical", "4", "600"), CKR_OK, NONE);
	expect(SET("admin", "a/*", "standard", "1"), CKR_OK, NONE);
	expect(need_of("secrets:read:a/c*", &clearance, &need), CKR_OK, NONE);
	ck_assert_uint_eq(need.approvals, 4);
	ck_assert_int_eq(need.delay_ms, 10 * MINUTE);
	expect(need_of("secrets:read:a/standard", &clearance, &need), CKR_OK, NONE);
	ck_assert_uint_eq(need.approvals, 1);
}
END_TEST

START_TEST(a_raised_row_counts_only_where_it_is_genuine)
{
	enum sr_tier clearance;
	struct sr_need need;
	put_tiers();
	vault_sql(&team, "UPDATE secret SET tier = 'critical' WHERE path = 'a/standard'");
	expect(need_of("secrets:read:a/standard", &clearance, &need), CKR_DEVICE_ERROR, ROW_FORGED);
	expect(need_of("secrets:read:a/sens*", &clearance, &need), CKR_OK, NONE);
	ck_assert_int_eq(clearance, SR_TIER_SENSITIVE);
}
END_TEST

/* -- break-glass ------------------------------------------------------------------------------------------------- */

static CK_RV set_tier(const char *who, const char *path, const char *tier)
{
	struct sr_attrs change = SR_ATTRS_INIT;
	sr_attrs_put_text(&change, CKA_SR_TIER, tier);
	CK_RV rv = sr_class_find(CKO_DATA)->set(as(who), path, &change, &team.err);
	sr_attrs_clear(&change);
	return rv;
}

/* bob asks for a token that reaches a/sensitive; one admin alone is to let it pass. */
static void ask_token(const char *ttl, char pin[64], char id[SR_OBJECT_ID_MAX])
{
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "v", "sensitive"), CKR_OK);
	ck_assert_uint_eq(vault_login(&team, "bob:" PASSPHRASE), CKR_OK);
	ck_assert_uint_eq(vault_issue(&team, "secrets:read:a/*", ttl, NULL, NULL, pin), CKR_OK);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
}

START_TEST(one_admin_alone_only_where_a_policy_allows_it)
{
	char pin[64], id[SR_OBJECT_ID_MAX];
	expect(SET("bob", "a/*", "sensitive", "2", "600"), CKR_OK, NONE);
	ask_token("600", pin, id);
	expect(decide(as("admin"), id, "broken_glass", "all is on fire"), CKR_ACTION_PROHIBITED, BAD_POLICY);
	expect_event(APPROVAL_GRANTED, DENIED, "bad_policy");
	expect(decide(as("bob"), id, "broken_glass", "all is on fire"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	ck_assert_int_eq(stand_of(id), SR_STAND_PENDING);
}
END_TEST

/* The policy of sensitive under a/ allows it: a longer request is cut to an hour, without a delay. */
static void allow_glass(void)
{
	char id[SR_OBJECT_ID_MAX];
	expect(SET("bob", "a/*", "sensitive", "2", "600", NULL, "true"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	expect(decide(as("admin"), id, "approved", NULL), CKR_OK, NONE);
	expect(SET("bob", "a/*", "sensitive", "2", "600", NULL, "true"), CKR_OK, NONE);
}

START_TEST(a_broken_glass_lasts_an_hour)
{
	char pin[64], id[SR_OBJECT_ID_MAX];
	allow_glass();
	ask_token("7200", pin, id);
	expect(decide(as("admin"), id, "broken_glass", "all is on fire"), CKR_OK, NONE);
	struct sr_event event = newest_event(SR_EVENT_COUNT);
	ck_assert_str_eq(sr_event_name(event.kind), "approval.granted");
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"break_glass\":true"));
	ck_assert_ptr_nonnull(strstr(event.metadata, "all is on fire"));
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_DECIDED_BY), "admin");
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_BREAK_GLASS), "true");
	struct sr_approval_row row = approval_row(id);
	ck_assert_int_le(row.end.wall_ms - row.ready.wall_ms, SR_BREAK_GLASS_MAX_MS);
	if (_i == 0) {
		expect(vault_login(&team, pin), CKR_OK, NONE);
	} else if (_i == 1) {
		expect(vault_login(&team, pin), CKR_OK, NONE);
		team_move(HOUR + MINUTE, false);
		ck_assert_int_eq(stand_of(id), SR_STAND_EXPIRED);
		ck_assert_uint_eq(vault_login(&team, pin), CKR_PIN_EXPIRED);
	} else {
		team_put((struct team_member){ .name = "admin", .role = SR_ROLE_EDITOR, .cut = true });
		ck_assert_int_eq(settle(id), SR_STAND_DENIED);
		ck_assert_uint_eq(vault_login(&team, pin), CKR_FUNCTION_REJECTED);
	}
}
END_TEST

/* It lasts for an hour, and a policy or a tier that was changed would last for good. */
START_TEST(no_glass_is_broken_for_what_stays)
{
	char id[SR_OBJECT_ID_MAX];
	allow_glass();
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "v", "sensitive"), CKR_OK);
	if (_i == 0)
		expect(SET("bob", "a/*", "sensitive", "1", "600", NULL, "true"), CKR_FUNCTION_REJECTED,
			APPROVAL_REQUIRED);
	else
		expect(set_tier("bob", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	vault_login_admin(&team);
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	expect(decide(as("admin"), id, "broken_glass", "all is on fire"), CKR_ACTION_PROHIBITED, BAD_POLICY);
	ck_assert_int_eq(stand_of(id), SR_STAND_PENDING);
}
END_TEST

/* -- a lower tier ------------------------------------------------------------------------------------------------ */

START_TEST(a_tier_is_lowered_when_that_was_approved)
{
	char value[256], id[SR_OBJECT_ID_MAX];
	put_tiers();
	expect(set_tier("admin", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect_event(SECRET_UPDATED, DENIED, "approval_required");
	vault_find_one(&team, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_KIND), "tier");
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_TIER), "sensitive");
	ck_assert_str_eq(shown(as("bob"), CKO_SR_APPROVAL, id, CKA_SR_CHANGE), "standard");
	ck_assert_str_eq(approval_row(id).target, "secret:a/sensitive");
	let_pass();
	expect(set_tier("bob", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(set_tier("admin", "a/sensitive", "standard"), CKR_OK, NONE);
	ck_assert_str_eq(newest_event(SR_EVENT_SECRET_UPDATED).tier, "standard");
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_get(&team, "a/sensitive", value), CKR_OK);
	ck_assert_str_eq(value, "v");
	ck_assert_str_eq(shown(as("admin"), CKO_DATA, "a/sensitive", CKA_SR_VERSION), "2");
	/* and not again by the same approval */
	expect(set_tier("admin", "a/sensitive", "sensitive"), CKR_OK, NONE);
	expect(set_tier("admin", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(a_tier_is_lowered_with_a_new_value)
{
	char value[256];
	put_tiers();
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "w", "standard"), CKR_FUNCTION_REJECTED);
	let_pass();
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "w", "standard"), CKR_OK);
	ck_assert_uint_eq(vault_get(&team, "a/sensitive", value), CKR_OK);
	ck_assert_str_eq(value, "w");
	ck_assert_str_eq(shown(as("admin"), CKO_DATA, "a/sensitive", CKA_SR_VERSION), "2");
}
END_TEST

/* What was sealed under the lower tier already needs no other version. */
START_TEST(a_tier_that_was_raised_alone_goes_back)
{
	put_tiers();
	expect(set_tier("admin", "a/standard", "sensitive"), CKR_OK, NONE);
	expect(set_tier("admin", "a/standard", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	let_pass();
	expect(set_tier("admin", "a/standard", "standard"), CKR_OK, NONE);
	ck_assert_str_eq(shown(as("admin"), CKO_DATA, "a/standard", CKA_SR_VERSION), "1");
	ck_assert_uint_eq(vault_get(&team, "a/standard", NULL), CKR_OK);
}
END_TEST

/* Approved for the secret as it was: a new version is another. */
START_TEST(a_secret_that_changed_meanwhile_is_not_lowered)
{
	put_tiers();
	expect(set_tier("admin", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	let_pass();
	vault_login_admin(&team);
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "w", NULL), CKR_OK);
	expect(set_tier("admin", "a/sensitive", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(a_critical_tier_waits_for_two_and_a_delay)
{
	put_tiers();
	expect(set_tier("admin", "a/critical", "sensitive"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	let_pass();
	expect(set_tier("admin", "a/critical", "sensitive"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	team_move(6 * MINUTE, false);
	expect(set_tier("admin", "a/critical", "sensitive"), CKR_OK, NONE);
	ck_assert_str_eq(shown(as("admin"), CKO_DATA, "a/critical", CKA_SR_TIER), "sensitive");
}
END_TEST

/* A request that could come to nothing is not made. */
START_TEST(who_may_not_lower_asks_for_nothing)
{
	char pin[64];
	vault_login_admin(&team); /* as long as nothing asks for an approval */
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	put_tiers();
	ck_assert_uint_eq(vault_put(&team, "a/deleted", "v", "standard"), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_uint_eq(team.err.reason, SR_REASON_TIER_LOWERED);
	team_put((struct team_member){ .name = "vera", .role = SR_ROLE_VIEWER });
	expect(set_tier("vera", "a/sensitive", "standard"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	ck_assert_uint_eq(vault_put(&team, "a/sensitive", "w", "standard"), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 0);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, team_setup, team_teardown);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *sr_suite_vault_policies(void)
{
	Suite *suite = suite_create("vault_policies");
	TCase *set = add_case(suite, "set"), *looser = add_case(suite, "looser"), *need = add_case(suite, "need");
	TCase *glass = add_case(suite, "glass"), *lower = add_case(suite, "lower");
	tcase_add_test(set, a_policy_is_set_seen_and_deleted);
	tcase_add_loop_test(set, policies_that_cannot_be_are_refused, 0, 16);
	tcase_add_test(set, only_those_whose_role_may_set_policies);
	tcase_add_loop_test(set, a_policy_taken_away_is_missed, 0, 4);
	tcase_add_test(looser, stricter_goes_at_once_and_looser_waits);
	tcase_add_loop_test(looser, what_is_looser_than_the_default_waits_too, 0, 4);
	tcase_add_test(looser, deleting_a_strict_one_waits);
	tcase_add_test(looser, a_stricter_neighbour_hides_nothing);
	tcase_add_test(looser, an_approval_for_less_is_not_enough);
	tcase_add_test(looser, an_approver_who_goes_before_the_change_counts_no_more);
	tcase_add_loop_test(looser, a_refusal_is_told_for_an_hour, 0, 3);
	tcase_add_test(looser, who_takes_a_request_back_may_ask_at_once);
	tcase_add_test(need, the_clearance_is_what_the_scopes_reach);
	tcase_add_test(need, a_raised_row_counts_only_where_it_is_genuine);
	tcase_add_test(glass, one_admin_alone_only_where_a_policy_allows_it);
	tcase_add_loop_test(glass, a_broken_glass_lasts_an_hour, 0, 3);
	tcase_add_loop_test(glass, no_glass_is_broken_for_what_stays, 0, 2);
	tcase_add_test(lower, a_tier_is_lowered_when_that_was_approved);
	tcase_add_test(lower, a_tier_is_lowered_with_a_new_value);
	tcase_add_test(lower, a_tier_that_was_raised_alone_goes_back);
	tcase_add_test(lower, a_secret_that_changed_meanwhile_is_not_lowered);
	tcase_add_test(lower, a_critical_tier_waits_for_two_and_a_delay);
	tcase_add_test(lower, who_may_not_lower_asks_for_nothing);
	return suite;
}
