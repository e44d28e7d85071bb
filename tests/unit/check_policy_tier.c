/* Tiers, roles, and the names of things. */
#include "suites.h"

#include "policy/tier.h"

#include <string.h>

START_TEST(tier_names)
{
	static const char *const names[] = { "standard", "sensitive", "critical" };
	enum sr_tier tier;

	ck_assert_int_eq(SR_TIER_COUNT, 3);
	ck_assert(sr_tier_parse(names[_i], strlen(names[_i]), &tier));
	ck_assert_int_eq(tier, _i);
	ck_assert_str_eq(sr_tier_name(tier), names[_i]);
}
END_TEST

START_TEST(role_names)
{
	static const char *const names[] = { "admin", "editor", "viewer", "auditor" };
	enum sr_role role;

	ck_assert_int_eq(SR_ROLE_COUNT, 4);
	ck_assert(sr_role_parse(names[_i], strlen(names[_i]), &role));
	ck_assert_int_eq(role, _i);
	ck_assert_str_eq(sr_role_name(role), names[_i]);
}
END_TEST

START_TEST(other_names_refused)
{
	static const char *const names[] = { "", "Standard", "standard ", "criticalx", "crit", "Admin", "root",
		"view" };
	enum sr_tier tier;
	enum sr_role role;

	ck_assert(!sr_tier_parse(names[_i], strlen(names[_i]), &tier));
	ck_assert(!sr_role_parse(names[_i], strlen(names[_i]), &role));
}
END_TEST

static const struct role_case {
	uint32_t secrets, keys, tokens, duties;
} roles[] = {
	[SR_ROLE_ADMIN] = { SR_ACTIONS_SECRETS, SR_ACTIONS_KEYS, SR_ACTION_ISSUE,
		SR_DUTY_MEMBERS | SR_DUTY_AGENTS | SR_DUTY_TOKENS | SR_DUTY_TOKENS_SEE | SR_DUTY_POLICIES |
			SR_DUTY_APPROVE | SR_DUTY_APPROVALS_SEE | SR_DUTY_FREEZE | SR_DUTY_AUDIT | SR_DUTY_STATUS |
			SR_DUTY_HSM },
	[SR_ROLE_EDITOR] = { SR_ACTIONS_SECRETS, SR_ACTIONS_KEYS, SR_ACTION_ISSUE,
		SR_DUTY_TOKENS | SR_DUTY_TOKENS_SEE | SR_DUTY_POLICIES | SR_DUTY_APPROVE | SR_DUTY_APPROVALS_SEE |
			SR_DUTY_FREEZE | SR_DUTY_STATUS },
	[SR_ROLE_VIEWER] = { SR_ACTION_LIST, SR_ACTION_LIST, 0,
		SR_DUTY_TOKENS_SEE | SR_DUTY_APPROVALS_SEE | SR_DUTY_STATUS },
	[SR_ROLE_AUDITOR] = { 0, 0, 0, SR_DUTY_AUDIT | SR_DUTY_STATUS },
};

START_TEST(role_table)
{
	enum sr_role role = (enum sr_role)_i;

	ck_assert_uint_eq(sr_role_actions(role, SR_RESOURCE_SECRETS), roles[role].secrets);
	ck_assert_uint_eq(sr_role_actions(role, SR_RESOURCE_KEYS), roles[role].keys);
	ck_assert_uint_eq(sr_role_actions(role, SR_RESOURCE_TOKENS), roles[role].tokens);
	ck_assert_uint_eq(sr_role_duties(role), roles[role].duties);
}
END_TEST

START_TEST(out_of_range_may_nothing)
{
	ck_assert_uint_eq(sr_role_actions(SR_ROLE_COUNT, SR_RESOURCE_SECRETS), 0);
	ck_assert_uint_eq(sr_role_actions((enum sr_role) - 1, SR_RESOURCE_SECRETS), 0);
	ck_assert_uint_eq(sr_role_actions(SR_ROLE_ADMIN, SR_RESOURCE_COUNT), 0);
	ck_assert_uint_eq(sr_role_duties(SR_ROLE_COUNT), 0);
	ck_assert_str_eq(sr_role_name(SR_ROLE_COUNT), "unknown");
	ck_assert_str_eq(sr_tier_name(SR_TIER_COUNT), "unknown");
}
END_TEST

static const struct name_case {
	const char *text;
	bool type, name;
} names[] = {
	{ "a", true, true },
	{ "api-key", true, true },
	{ "7", true, true },
	{ "abcdefghijklmnopqrstuvwxyz012345", true, true },
	{ "abcdefghijklmnopqrstuvwxyz0123456", false, false },
	{ "", false, false },
	{ "-a", false, false },
	{ "a-", false, true },
	{ "a.b", false, true },
	{ "a_b", false, true },
	{ ".a", false, false },
	{ "_a", false, false },
	{ "A", false, false },
	{ "a b", false, false },
	{ "a:b", false, false },
	{ "a/b", false, false },
	{ "\xc3\xa4", false, false },
};

START_TEST(name_table)
{
	ck_assert_int_eq(sr_type_valid(names[_i].text, strlen(names[_i].text)), names[_i].type);
	ck_assert_int_eq(sr_name_valid(names[_i].text, strlen(names[_i].text)), names[_i].name);
}
END_TEST

START_TEST(names_hold_no_nul)
{
	ck_assert(!sr_type_valid("a\0b", 3));
	ck_assert(!sr_name_valid("a\0b", 3));
	ck_assert(!sr_name_valid("a\n", 2));
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_tier(void)
{
	Suite *suite = suite_create("policy/tier");
	TCase *tcase = tcase_create("tier");

	tcase_add_loop_test(tcase, tier_names, 0, SR_TIER_COUNT);
	tcase_add_loop_test(tcase, role_names, 0, SR_ROLE_COUNT);
	tcase_add_loop_test(tcase, other_names_refused, 0, 8);
	tcase_add_loop_test(tcase, role_table, 0, ROWS(roles));
	tcase_add_test(tcase, out_of_range_may_nothing);
	tcase_add_loop_test(tcase, name_table, 0, ROWS(names));
	tcase_add_test(tcase, names_hold_no_nul);
	suite_add_tcase(suite, tcase);
	return suite;
}
