/* Tokens over the real vault: what they wait for, who sees them, how they are found. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_tokens_fixture.h"

#include "audit/verify.h"
#include "vault/report.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/* -- approvals --------------------------------------------------------------------------------------------------- */

static void guard(const char *path, const char *tier)
{
	vault_login_admin(&tokens_place);
	expect(vault_put(&tokens_place, path, "v", tier), CKR_OK, NONE);
}

static void approval_of(const char *id, char approval[256])
{
	expect(people_text(&tokens_place, id, CKA_SR_APPROVAL, approval), CKR_OK, NONE);
}

START_TEST(what_reaches_above_standard_waits)
{
	char id[SR_ID_MAX], pin[64], approval[256];
	guard("a/b", "sensitive");
	tokens_issue("secrets:read:a/*", "600", id, pin);
	tokens_text(id, CKA_SR_STATE, "pending");
	tokens_text(id, CKA_SR_CLEARANCE, "sensitive");
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 1);
	ck_assert_uint_ne(vault_login(&tokens_place, pin), CKR_OK);
	approval_of(id, approval);
	people_decide(&tokens_place, approval, SR_APPROVAL_IN_EFFECT, 600 * SECOND);
	tokens_text(id, CKA_SR_STATE, "active");
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(what_was_decided_shows)
{
	static const struct {
		enum sr_approval_state state;
		const char *word;
	} rows[] = { { SR_APPROVAL_DENIED, "denied" }, { SR_APPROVAL_CANCELED, "denied" },
		{ SR_APPROVAL_TIMED_OUT, "timed_out" }, { SR_APPROVAL_EXPIRED, "expired" } };
	char id[SR_ID_MAX], approval[256], pin[64];
	guard("a/b", "sensitive");
	tokens_issue("secrets:read:a/*", "600", id, pin);
	approval_of(id, approval);
	people_decide(&tokens_place, approval, rows[_i].state, 600 * SECOND);
	tokens_text(id, CKA_SR_STATE, rows[_i].word);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
	ck_assert_uint_ne(vault_login(&tokens_place, pin), CKR_OK);
}
END_TEST

/* Listing alone needs nothing; nor does what lies elsewhere, or the same path of another resource. */
START_TEST(what_does_not_reach_it_does_not_wait)
{
	static const char *const scopes[] = { "secrets:list:a/*", "secrets:read:b/*", "tokens:issue:a/*" };
	char id[SR_ID_MAX], approval[256];
	guard("a/b", "critical");
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		tokens_issue(scopes[i], "600", id, NULL);
		tokens_text(id, CKA_SR_STATE, "active");
		tokens_text(id, CKA_SR_CLEARANCE, "standard");
		approval_of(id, approval);
		ck_assert_str_eq(approval, "");
	}
}
END_TEST

START_TEST(an_approval_may_be_wished_for)
{
	static const struct wish yes = { .scopes = EVERYTHING, .ttl = "60", .approval = "true", .description = "why" },
				 no = { .scopes = EVERYTHING, .ttl = "60", .approval = "false" },
				 bad = { .scopes = EVERYTHING, .ttl = "60", .approval = "yes" };
	char id[SR_ID_MAX], approval[256], pin[64];
	vault_login_admin(&tokens_place);
	expect(people_issue(&tokens_place, &no, id, NULL), CKR_OK, NONE);
	tokens_text(id, CKA_SR_STATE, "active");
	expect(people_issue(&tokens_place, &bad, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(people_issue(&tokens_place, &yes, id, pin), CKR_OK, NONE);
	tokens_text(id, CKA_SR_STATE, "pending");
	tokens_text(id, CKA_SR_CLEARANCE, "standard");
	approval_of(id, approval);
	people_decide(&tokens_place, approval, SR_APPROVAL_IN_EFFECT, 60 * SECOND);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	/* a child too */
	const struct wish child = { .scopes = "secrets:read:a/*", .ttl = "60", .approval = "true" };
	expect(people_issue(&tokens_place, &child, id, NULL), CKR_OK, NONE);
	tokens_text(id, CKA_SR_STATE, "pending");
}
END_TEST

START_TEST(a_childs_clearance_is_not_above_its_parents)
{
	const struct wish child = { .scopes = "secrets:read:a/*", .ttl = "60" };
	char id[SR_ID_MAX], approval[256], pin[64];
	vault_login_admin(&tokens_place);
	tokens_step_down(EVERYTHING, "600", id);
	struct sr_identity *parent = sr_identity_ref(tokens_place.caller.identity);
	guard("a/b", "sensitive");
	people_as(&tokens_place, parent);
	expect(people_issue(&tokens_place, &child, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, APPROVAL_REQUIRED);
	tokens_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_APPROVAL_REQUIRED);
	/* Its parent approved, a child needs no approval, and ends with that of its parent. */
	vault_login_admin(&tokens_place);
	tokens_issue(EVERYTHING, "3600", id, pin);
	approval_of(id, approval);
	people_decide(&tokens_place, approval, SR_APPROVAL_IN_EFFECT, 30 * SECOND);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	expect(people_issue(&tokens_place, &child, id, pin), CKR_OK, NONE);
	tokens_text(id, CKA_SR_STATE, "active");
	tokens_text(id, CKA_SR_CLEARANCE, "sensitive");
	struct sr_token_row row = { .ttl_ms = 0 };
	struct sr_now now;
	people_row(&tokens_place, id, &row);
	sr_clock_now(&now);
	ck_assert_str_eq(row.approval, "");
	ck_assert_int_le(row.end.boot_ms - now.boot_ms, 30 * SECOND);
	sr_token_row_clear(&row);
	vault_login_admin(&tokens_place);
	people_decide(&tokens_place, approval, SR_APPROVAL_CANCELED, 0);
	tokens_text(id, CKA_SR_STATE, "denied");
	expect(vault_login(&tokens_place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
}
END_TEST

/* While the request is looked at somebody raises the tier: the first reading of the clock is after the look began. */
static bool raised;

static void raising_clock(struct sr_now *now)
{
	sr_clock_replace(NULL);
	sr_clock_now(now);
	if (raised)
		return;
	raised = true;
	struct sr_error err = tokens_place.err;
	ck_assert_uint_eq(vault_put(&tokens_place, "a/b", "w", "sensitive"), CKR_OK);
	tokens_place.err = err;
}

START_TEST(a_need_that_grew_meanwhile_is_refused)
{
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "60" };
	guard("a/b", "standard");
	raised = false;
	sr_clock_replace(raising_clock);
	expect(people_issue(&tokens_place, &wish, NULL, NULL), CKR_TEMPLATE_INCONSISTENT, CHANGED_MEANWHILE);
	tokens_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_CHANGED_MEANWHILE);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, 0, NULL), 0);
}
END_TEST

/* -- max-ttl ----------------------------------------------------------------------------------------------------- */

START_TEST(the_vault_bounds_the_ttl)
{
	static const struct wish longest = { .scopes = EVERYTHING, .ttl = "90" },
				 longer = { .scopes = EVERYTHING, .ttl = "91" }, none = { .scopes = EVERYTHING };
	vault_login_admin(&tokens_place);
	tokens_place.vault->max_ttl_ms = 90 * SECOND;
	expect(people_issue(&tokens_place, &longest, NULL, NULL), CKR_OK, NONE);
	expect(people_issue(&tokens_place, &longer, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	ck_assert_ptr_nonnull(strstr(tokens_place.err.text, "90s, this vault's max-ttl"));
	expect(people_issue(&tokens_place, &none, NULL, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_DURATION);
	ck_assert_ptr_nonnull(strstr(tokens_place.err.text, "90s"));
}
END_TEST

/* -- who sees it ------------------------------------------------------------------------------------------------- */

static CK_RV see(const char *id)
{
	char text[256];
	return people_text(&tokens_place, id, CKA_SR_STATE, text);
}

static CK_RV try_revoke(const char *id)
{
	return sr_class_find(CKO_SR_TOKEN)->destroy(&tokens_place.caller, id, &tokens_place.err);
}

START_TEST(a_token_sees_and_ends_what_it_issued)
{
	char own[SR_ID_MAX], child[SR_ID_MAX], pin[64], grandchild[SR_ID_MAX], other[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	tokens_issue("secrets:read:a/*", "600", other, NULL);
	tokens_step_down(ENDLESS, "600", own);
	struct sr_identity *parent = sr_identity_ref(tokens_place.caller.identity);
	tokens_issue(EVERYTHING, "600", child, pin);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	tokens_issue("secrets:read:a/*", "600", grandchild, NULL);
	expect(see(own), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(see(child), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(see(grandchild), CKR_OK, NONE);
	expect(try_revoke(child), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	tokens_recorded(SR_EVENT_TOKEN_REVOKED, SR_STATUS_DENIED, SR_REASON_NOT_FOUND);

	people_as(&tokens_place, parent);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, 0, NULL), 1);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 1);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_ID, child), 1);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_ID, other), 0);
	expect(see(grandchild), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke("t-unknown"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(grandchild), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(child), CKR_OK, NONE);
	tokens_text(child, CKA_SR_STATE, "revoked");
	vault_login_admin(&tokens_place);
	tokens_text(grandchild, CKA_SR_STATE, "revoked");
	tokens_text(other, CKA_SR_STATE, "active");
}
END_TEST

START_TEST(an_agent_sees_and_ends_what_it_issued)
{
	char id[SR_ID_MAX], other[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	tokens_issue("secrets:read:a/*", "600", other, NULL);
	tokens_make_owner();
	tokens_as_agent("builder");
	tokens_issue("secrets:read:a/*", "60", id, NULL);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, 0, NULL), 1);
	expect(see(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	tokens_as_agent("cleaner");
	expect(see(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	vault_login_admin(&tokens_place);
	tokens_text(id, CKA_SR_STATE, "active");
}
END_TEST

/* By role: a viewer sees and does not revoke, an auditor does neither, an editor does both. */
START_TEST(members_see_by_their_role)
{
	char id[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	tokens_issue("secrets:read:a/*", "600", id, NULL);
	people_as(&tokens_place, people_member(&tokens_place, "viewer", SR_ROLE_VIEWER));
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "60" };
	expect(people_issue(&tokens_place, &wish, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(see(id), CKR_OK, NONE);
	expect(try_revoke(id), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	people_as(&tokens_place, people_member(&tokens_place, "auditor", SR_ROLE_AUDITOR));
	expect(see(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, 0, NULL), 0);
	expect(try_revoke(id), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	people_as(&tokens_place, people_member(&tokens_place, "editor", SR_ROLE_EDITOR));
	expect(try_revoke(id), CKR_OK, NONE);
	tokens_text(id, CKA_SR_STATE, "revoked");
}
END_TEST

/* -- searching --------------------------------------------------------------------------------------------------- */

START_TEST(found_by_what_they_reach)
{
	static const struct {
		const char *path;
		int count;
	} rows[] = { { "a/b", 4 }, { "a/b/c", 3 }, { "a/*", 4 }, { "b/x", 2 }, { "c", 1 }, { "*", 5 }, { "*/b", 5 },
		{ "\xc3\xa4/x", 2 }, { "\xc3\xb6/x", 1 } };
	static const char *const scopes[] = { "secrets:read:a/*", "secrets:read:a/b\nkeys:sign:a/*\nkeys:sign:b/*",
		"secrets:*:*", "keys:verify:a/b", "secrets:list:a/*", "tokens:issue:a/*", "secrets:read:\xc3\xa4/*" };
	char id[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++)
		tokens_issue(scopes[i], "600", id, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, rows[i].path) == rows[i].count,
			"%s: %d", rows[i].path, vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, rows[i].path));
}
END_TEST

struct order_seen {
	int count;
	char ids[8][SR_ID_MAX];
};

static bool note_id(const char *id, void *ctx)
{
	struct order_seen *seen = ctx;
	ck_assert_int_lt(seen->count, 8);
	snprintf(seen->ids[seen->count++], SR_ID_MAX, "%s", id);
	return true;
}

/* All, by path, and a token's own. */
START_TEST(the_newest_come_first)
{
	static const char *const reaches[] = { NULL, "a/b", NULL };
	struct order_seen seen = { .count = 0 };
	struct sr_attrs query = SR_ATTRS_INIT;
	char ids[4][SR_ID_MAX], parent[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	if (_i == 2)
		tokens_step_down(EVERYTHING, "6000", parent);
	for (int i = 0; i < 4; i++) {
		vault_clock_move(SECOND, SECOND, false);
		tokens_issue("secrets:read:a/*", "600", ids[i], NULL);
	}
	if (reaches[_i])
		sr_attrs_put_text(&query, CKA_SR_REACHES, reaches[_i]);
	expect(sr_class_find(CKO_SR_TOKEN)->find(&tokens_place.caller, &query, note_id, &seen, &tokens_place.err),
		CKR_OK, NONE);
	ck_assert_int_eq(seen.count, 4);
	for (int i = 0; i < 4; i++)
		ck_assert_str_eq(seen.ids[i], ids[3 - i]);
	sr_attrs_clear(&query);
}
END_TEST

/* By id the row is asked for, so one that was taken away is missed. */
START_TEST(found_by_id)
{
	struct order_seen seen = { .count = 0 };
	struct sr_attrs query = SR_ATTRS_INIT;
	char id[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	tokens_issue("secrets:read:a/*", "600", id, NULL);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_ID, id), 1);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_ID, "t-unknown"), 0);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_ID, "t-much-longer-than-any-id-can-be"), 0);
	sr_attrs_put_text(&query, CKA_SR_ID, id);
	sr_attrs_put_text(&query, CKA_SR_STATE, "revoked");
	expect(sr_class_find(CKO_SR_TOKEN)->find(&tokens_place.caller, &query, note_id, &seen, &tokens_place.err),
		CKR_OK, NONE);
	ck_assert_int_eq(seen.count, 0);
	sr_attrs_clear(&query);
	vault_sql(&tokens_place, "PRAGMA foreign_keys = OFF; DELETE FROM token");
	sr_attrs_put_text(&query, CKA_SR_ID, id);
	expect(sr_class_find(CKO_SR_TOKEN)->find(&tokens_place.caller, &query, note_id, &seen, &tokens_place.err),
		CKR_DEVICE_ERROR, ROW_MISSING);
	sr_attrs_clear(&query);
}
END_TEST

/* A live token is not hidden from a search by path without audit verify telling. */
START_TEST(what_lists_a_token_is_verified)
{
	struct sr_verdict verdict = { .ok = true };
	char ids[2][SR_ID_MAX];
	vault_login_admin(&tokens_place);
	for (int i = 0; i < 2; i++)
		tokens_issue(EVERYTHING, "600", ids[i], NULL);
	tokens_revoke(ids[0]);
	expect(sr_report_check_rows(tokens_place.vault, &verdict, &tokens_place.err), CKR_OK, NONE);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	vault_sql(&tokens_place, "DELETE FROM token_reach");
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
	expect(sr_report_check_rows(tokens_place.vault, &verdict, &tokens_place.err), CKR_OK, NONE);
	ck_assert(!verdict.ok);
	ck_assert_ptr_nonnull(strstr(verdict.detail, ids[1]));
}
END_TEST

Suite *sr_suite_vault_tokens_seen(void)
{
	Suite *suite = suite_create("vault_tokens_seen");
	TCase *c = tcase_create("tokens");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, tokens_setup, tokens_teardown);
	tcase_add_test(c, what_reaches_above_standard_waits);
	tcase_add_loop_test(c, what_was_decided_shows, 0, 4);
	tcase_add_test(c, what_does_not_reach_it_does_not_wait);
	tcase_add_test(c, an_approval_may_be_wished_for);
	tcase_add_test(c, a_childs_clearance_is_not_above_its_parents);
	tcase_add_test(c, a_need_that_grew_meanwhile_is_refused);
	tcase_add_test(c, the_vault_bounds_the_ttl);
	tcase_add_test(c, a_token_sees_and_ends_what_it_issued);
	tcase_add_test(c, an_agent_sees_and_ends_what_it_issued);
	tcase_add_test(c, members_see_by_their_role);
	tcase_add_test(c, found_by_what_they_reach);
	tcase_add_loop_test(c, the_newest_come_first, 0, 3);
	tcase_add_test(c, found_by_id);
	tcase_add_test(c, what_lists_a_token_is_verified);
	suite_add_tcase(suite, c);
	return suite;
}
