/* What is needed: the table of tiers, rules and how specific they are, and against brute force that nothing is missed.
 */
#include "suites.h"

#include "policy/need.h"

#include <string.h>

#define MINUTE 60000ll
#define N(count, delay, timeout, glass, each)                                                               \
	{                                                                                                   \
		.approvals = (count), .delay_ms = (delay), .timeout_ms = (timeout), .break_glass = (glass), \
		.each_use = (each)                                                                          \
	}
#define NEED(...) ((struct sr_need)N(__VA_ARGS__))
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void assert_need(struct sr_need is, struct sr_need want)
{
	ck_assert_uint_eq(is.approvals, want.approvals);
	ck_assert_int_eq(is.delay_ms, want.delay_ms);
	ck_assert_int_eq(is.timeout_ms, want.timeout_ms);
	ck_assert_int_eq(is.break_glass, want.break_glass);
	ck_assert_int_eq(is.each_use, want.each_use);
}

START_TEST(defaults_of_the_tiers)
{
	assert_need(sr_need_default(SR_TIER_STANDARD), NEED(0, 0, 60 * MINUTE, false, false));
	assert_need(sr_need_default(SR_TIER_SENSITIVE), NEED(1, 0, 60 * MINUTE, false, false));
	assert_need(sr_need_default(SR_TIER_CRITICAL), NEED(2, 5 * MINUTE, 60 * MINUTE, false, false));
	assert_need(sr_need_default((enum sr_tier)7), sr_need_default(SR_TIER_CRITICAL));
}
END_TEST

START_TEST(the_stricter_of_both)
{
	static const struct {
		struct sr_need a, b, both;
	} rows[] = {
		{ N(1, 5, 90, true, false), N(2, 3, 60, true, false), N(2, 5, 60, true, false) },
		{ N(1, 0, 90, true, false), N(1, 0, 90, false, false), N(1, 0, 90, false, false) },
		{ N(1, 0, 90, false, true), N(1, 0, 90, false, false), N(1, 0, 90, false, true) },
		/* what needs nothing has nothing to say of timeout and break-glass */
		{ N(0, 0, 60, false, false), N(1, 0, 90, true, false), N(1, 0, 90, true, false) },
		{ N(0, 0, 60, true, false), N(0, 0, 90, true, false), N(0, 0, 60, false, false) },
	};
	assert_need(sr_need_join(&rows[_i].a, &rows[_i].b), rows[_i].both);
	assert_need(sr_need_join(&rows[_i].b, &rows[_i].a), rows[_i].both);
	ck_assert(!sr_need_looser(&rows[_i].both, &rows[_i].a));
	ck_assert(!sr_need_looser(&rows[_i].both, &rows[_i].b));
}
END_TEST

START_TEST(looser_in_any_respect)
{
	static const struct {
		struct sr_need next, was;
		bool looser;
	} rows[] = {
		{ N(1, 0, 9, false, false), N(1, 0, 9, false, false), false },
		{ N(1, 0, 9, false, false), N(2, 0, 9, false, false), true },
		{ N(9, 4, 9, false, false), N(2, 5, 9, false, false), true },
		{ N(1, 0, 9, true, false), N(1, 0, 9, false, false), true },
		{ N(1, 0, 9, true, false), N(1, 0, 9, true, false), false },
		{ N(1, 0, 9, true, false), N(0, 0, 9, false, false), false },
		{ N(3, 9, 9, false, false), N(1, 0, 9, false, true), true },
		{ N(1, 0, 1, false, false), N(1, 0, 9, false, false), false },
	};
	ck_assert_int_eq(sr_need_looser(&rows[_i].next, &rows[_i].was), rows[_i].looser);
}
END_TEST

static const struct sr_rule rules[] = {
	{ "*", SR_TIER_SENSITIVE, N(2, 0, 60, false, false) },
	{ "prod/*", SR_TIER_SENSITIVE, N(3, 0, 60, false, false) },
	{ "prod/pay/*", SR_TIER_SENSITIVE, N(1, 0, 60, true, false) },
	{ "*/pay/key", SR_TIER_SENSITIVE, N(1, 7, 60, true, false) },
	{ "*o*d/pay/*", SR_TIER_SENSITIVE, N(4, 0, 60, true, false) },
	{ "prod/*", SR_TIER_CRITICAL, N(5, 0, 60, false, false) },
};

START_TEST(the_most_specific_rule_of_a_path)
{
	static const struct {
		const char *path;
		enum sr_tier tier;
		struct sr_need need;
	} rows[] = {
		{ "test/a", SR_TIER_SENSITIVE, N(2, 0, 60, false, false) },
		{ "prod/a", SR_TIER_SENSITIVE, N(3, 0, 60, false, false) },
		{ "prod/pay/a", SR_TIER_SENSITIVE, N(1, 0, 60, true, false) },
		/* nine bytes against eight */
		{ "prod/pay/key", SR_TIER_SENSITIVE, N(1, 0, 60, true, false) },
		{ "test/pay/key", SR_TIER_SENSITIVE, N(1, 7, 60, true, false) },
		{ "prod/a", SR_TIER_CRITICAL, N(5, 0, 60, false, false) },
		{ "test/a", SR_TIER_CRITICAL, N(2, 5 * MINUTE, 60 * MINUTE, false, false) },
		{ "prod/a", SR_TIER_STANDARD, N(0, 0, 60 * MINUTE, false, false) },
	};
	assert_need(sr_need_of_path(rules, COUNT(rules), rows[_i].tier, rows[_i].path), rows[_i].need);
}
END_TEST

START_TEST(equals_are_joined)
{
	static const struct sr_rule equal[] = {
		{ "a*", SR_TIER_STANDARD, N(3, 0, 60, true, false) },
		{ "*a", SR_TIER_STANDARD, N(1, 9, 60, false, false) },
	};
	assert_need(sr_need_of_path(equal, 2, SR_TIER_STANDARD, "aa"), NEED(3, 9, 60, false, false));
	assert_need(sr_need_of_path(equal, 2, SR_TIER_STANDARD, "ab"), NEED(3, 0, 60, true, false));
	assert_need(sr_need_of_path(equal, 2, SR_TIER_STANDARD, "ba"), NEED(1, 9, 60, false, false));
	assert_need(sr_need_of_path(equal, 2, SR_TIER_STANDARD, "bb"), sr_need_default(SR_TIER_STANDARD));
}
END_TEST

START_TEST(a_glob_is_covered)
{
	static const struct {
		const char *glob;
		unsigned approvals;
	} rows[] = {
		{ "test/a", 2 },
		{ "test/*", 4 },
		{ "prod/*", 4 },
		{ "prod/pay/*", 1 },
		{ "prod/pay/key", 1 },
		{ "prod/other", 3 },
		{ "*", 4 },
	};
	struct sr_need need = sr_need_of_glob(rules, COUNT(rules), SR_TIER_SENSITIVE, rows[_i].glob);
	ck_assert_uint_eq(need.approvals, rows[_i].approvals);
}
END_TEST

static struct sr_need of_scopes(const char *text, enum sr_tier highest)
{
	struct sr_scopes scopes;
	const char *why;
	ck_assert(sr_scopes_parse(text, strlen(text), &scopes, &why));
	struct sr_need need = sr_need_of_scopes(rules, COUNT(rules), highest, &scopes);
	sr_scopes_clear(&scopes);
	return need;
}

START_TEST(scopes_need_what_their_tiers_need)
{
	ck_assert_uint_eq(of_scopes("secrets:read:prod/a", SR_TIER_STANDARD).approvals, 0);
	ck_assert_uint_eq(of_scopes("secrets:read:prod/a", SR_TIER_SENSITIVE).approvals, 3);
	ck_assert_uint_eq(of_scopes("secrets:read:prod/a", SR_TIER_CRITICAL).approvals, 5);
	ck_assert_uint_eq(of_scopes("secrets:list:*", SR_TIER_CRITICAL).approvals, 0);
	ck_assert_uint_eq(of_scopes("tokens:issue:*", SR_TIER_CRITICAL).approvals, 0);
	ck_assert_uint_eq(of_scopes("secrets:list:prod/*\nkeys:sign:test/x", SR_TIER_SENSITIVE).approvals, 2);
	ck_assert_uint_eq(of_scopes("secrets:*:test/x\nkeys:sign:prod/a", SR_TIER_SENSITIVE).approvals, 3);
}
END_TEST

/* A policy alone decides what one admin may let pass; standard, which needs nothing, does not stand in its way. */
START_TEST(break_glass_is_not_taken_away_by_what_needs_nothing)
{
	struct sr_need need = of_scopes("secrets:read:prod/pay/a", SR_TIER_SENSITIVE);
	ck_assert(need.break_glass);
	ck_assert_int_eq(need.timeout_ms, 60);
}
END_TEST

/* -- refused rules ----------------------------------------------------------------------------------------------- */

START_TEST(rules_refused)
{
	static const struct {
		enum sr_tier tier;
		struct sr_need need;
		const char *why;
	} rows[] = {
		{ SR_TIER_STANDARD, N(0, 0, 60 * MINUTE, false, false), NULL },
		{ SR_TIER_SENSITIVE, N(1, 0, 60 * MINUTE, true, true), NULL },
		{ SR_TIER_CRITICAL, N(4, SR_DELAY_MAX_MS, SR_TIMEOUT_MAX_MS, false, false), NULL },
		{ SR_TIER_SENSITIVE, N(0, 0, 60 * MINUTE, false, false), "at least one" },
		{ SR_TIER_CRITICAL, N(0, 0, 60 * MINUTE, false, false), "at least one" },
		{ SR_TIER_CRITICAL, N(11, 0, 60 * MINUTE, false, false), "at most 10" },
		{ SR_TIER_CRITICAL, N(5, 0, 60 * MINUTE, false, false), "more approvals than" },
		{ SR_TIER_CRITICAL, N(1, SR_DELAY_MAX_MS + 1, 60 * MINUTE, false, false), "delay" },
		{ SR_TIER_CRITICAL, N(1, -1, 60 * MINUTE, false, false), "delay" },
		{ SR_TIER_CRITICAL, N(1, 0, SR_TIMEOUT_MIN_MS - 1, false, false), "timeout" },
		{ SR_TIER_CRITICAL, N(1, 0, SR_TIMEOUT_MAX_MS + 1, false, false), "timeout" },
		{ SR_TIER_CRITICAL, N(1, 0, 0, false, false), "timeout" },
		{ SR_TIER_STANDARD, N(0, 1, 60 * MINUTE, false, false), "where no approval" },
		{ SR_TIER_STANDARD, N(0, 0, 60 * MINUTE, true, false), "where no approval" },
		{ SR_TIER_STANDARD, N(0, 0, 60 * MINUTE, false, true), "where no approval" },
		{ SR_TIER_COUNT, N(1, 0, 60 * MINUTE, false, false), "cannot be" },
	};
	struct sr_rule rule = { "a/*", rows[_i].tier, rows[_i].need };
	const char *why = sr_rule_why(&rule, NULL, 0, 4);
	if (rows[_i].why)
		ck_assert_msg(why && strstr(why, rows[_i].why), "row %d: %s", _i, why ? why : "fine");
	else
		ck_assert_msg(!why, "row %d: %s", _i, why);
}
END_TEST

START_TEST(no_higher_tier_is_easier)
{
	static const struct sr_rule beside[] = { { "a/*", SR_TIER_SENSITIVE,
		N(2, MINUTE, 60 * MINUTE, false, false) } };
	struct sr_rule rule = { "a/*", SR_TIER_CRITICAL, N(2, MINUTE, 60 * MINUTE, false, false) };
	ck_assert_ptr_null(sr_rule_why(&rule, beside, 1, 4));
	rule.need.approvals = 1;
	ck_assert_ptr_nonnull(strstr(sr_rule_why(&rule, beside, 1, 4), "lower tier"));
	rule.need = NEED(2, MINUTE, 60 * MINUTE, true, false);
	ck_assert_ptr_nonnull(strstr(sr_rule_why(&rule, beside, 1, 4), "lower tier"));
	rule.glob = "a/b*";
	ck_assert_ptr_null(sr_rule_why(&rule, beside, 1, 4));
	rule = (struct sr_rule){ "a/*", SR_TIER_STANDARD, N(3, 0, 60 * MINUTE, false, false) };
	ck_assert_ptr_nonnull(strstr(sr_rule_why(&rule, beside, 1, 4), "higher tier"));
	rule = (struct sr_rule){ "a/*", SR_TIER_SENSITIVE, N(1, 0, 60 * MINUTE, false, false) }; /* replaced */
	ck_assert_ptr_null(sr_rule_why(&rule, beside, 1, 4));
}
END_TEST

START_TEST(rules_are_bounded)
{
	static char globs[SR_POLICIES_MAX][8];
	static struct sr_rule many[SR_POLICIES_MAX];
	struct sr_rule rule = { "new", SR_TIER_CRITICAL, N(1, 0, 60 * MINUTE, false, false) };
	for (size_t i = 0; i < SR_POLICIES_MAX; i++) {
		globs[i][0] = (char)('a' + i / 26);
		globs[i][1] = (char)('a' + i % 26);
		many[i] = (struct sr_rule){ globs[i], SR_TIER_CRITICAL, N(1, 0, 60 * MINUTE, false, false) };
	}
	ck_assert_ptr_null(sr_rule_why(&rule, many, SR_POLICIES_MAX - 1, 4));
	ck_assert_ptr_nonnull(strstr(sr_rule_why(&rule, many, SR_POLICIES_MAX, 4), "256"));
	rule.glob = globs[3];
	ck_assert_ptr_null(sr_rule_why(&rule, many, SR_POLICIES_MAX, 4));
	ck_assert(sr_rule_loosens(many, SR_POLICIES_MAX + 1, &rule, &rule.need));
}
END_TEST

/* -- against brute force ----------------------------------------------------------------------------------------- */

#define ROUNDS 3000
#define RULES 4
#define GLOB_MAX 3
#define PATHS 62 /* a, b, aa, … over two letters, five at most */

static unsigned seed;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void pick_glob(char glob[GLOB_MAX + 1])
{
	unsigned len = 1 + pick(GLOB_MAX);
	for (unsigned i = 0; i < len; i++)
		glob[i] = "ab*"[pick(3)];
	glob[len] = '\0';
}

static struct sr_need pick_need(void)
{
	unsigned approvals = pick(4);
	return NEED(approvals, pick(3), 1 + pick(3), approvals && pick(2), pick(2));
}

static void path_of(unsigned number, char path[8])
{
	unsigned len = 1, first = 2;
	while (number >= first) {
		number -= first;
		first *= 2;
		len++;
	}
	for (unsigned i = 0; i < len; i++)
		path[i] = number >> i & 1 ? 'b' : 'a';
	path[len] = '\0';
}

struct random_rules {
	char globs[RULES][GLOB_MAX + 1];
	struct sr_rule list[RULES];
	size_t count;
};

static void pick_rules(struct random_rules *some)
{
	size_t wanted = pick(RULES + 1);
	some->count = 0;
	for (size_t i = 0; i < wanted; i++) {
		struct sr_rule *rule = &some->list[some->count];
		pick_glob(some->globs[some->count]);
		*rule = (struct sr_rule){ some->globs[some->count], (enum sr_tier)pick(2), pick_need() };
		bool twice = false;
		for (size_t k = 0; k < some->count; k++)
			twice = twice ||
				(some->list[k].tier == rule->tier && strcmp(some->list[k].glob, rule->glob) == 0);
		some->count += !twice;
	}
}

START_TEST(no_path_of_a_glob_needs_more)
{
	struct random_rules some;
	char glob[GLOB_MAX + 1], path[8];
	seed = 1;
	for (int round = 0; round < ROUNDS; round++) {
		pick_rules(&some);
		pick_glob(glob);
		enum sr_tier tier = (enum sr_tier)pick(2);
		struct sr_need need = sr_need_of_glob(some.list, some.count, tier, glob);
		for (unsigned i = 0; i < PATHS; i++) {
			path_of(i, path);
			struct sr_need one = sr_need_of_path(some.list, some.count, tier, path);
			if (sr_glob_match(glob, path))
				ck_assert_msg(!sr_need_looser(&need, &one), "round %d: %s in %s", round, path, glob);
		}
	}
}
END_TEST

/* RULE as it would be among the rules afterwards. */
static void change_rule(struct random_rules *some, const struct sr_rule *rule, const struct sr_need *next)
{
	size_t i = 0;
	while (i < some->count && (some->list[i].tier != rule->tier || strcmp(some->list[i].glob, rule->glob) != 0))
		i++;
	if (next) {
		some->list[i] = *rule;
		some->list[i].need = *next;
		some->count += i == some->count;
	} else if (i < some->count) {
		some->list[i] = some->list[--some->count];
	}
}

START_TEST(no_change_loosens_unnoticed)
{
	char glob[GLOB_MAX + 1], path[8];
	int noticed = 0, quiet = 0;
	seed = 2;
	for (int round = 0; round < ROUNDS; round++) {
		struct {
			struct random_rules now;
			struct sr_rule room;
		} before, after;
		pick_rules(&before.now);
		if (before.now.count == RULES)
			before.now.count--;
		pick_glob(glob);
		if (before.now.count && pick(2))
			strcpy(glob, before.now.globs[0]);
		struct sr_rule rule = { glob, (enum sr_tier)pick(2), pick_need() };
		const struct sr_need *next = pick(3) ? &rule.need : NULL;
		bool says = sr_rule_loosens(before.now.list, before.now.count, &rule, next);
		after = before;
		change_rule(&after.now, &rule, next);
		bool any = false;
		for (unsigned i = 0; i < PATHS; i++) {
			path_of(i, path);
			struct sr_need was = sr_need_of_path(before.now.list, before.now.count, rule.tier, path);
			struct sr_need is = sr_need_of_path(after.now.list, after.now.count, rule.tier, path);
			any = any || sr_need_looser(&is, &was);
		}
		ck_assert_msg(says || !any, "round %d: %s", round, glob);
		noticed += says && any;
		quiet += !says;
	}
	ck_assert_int_gt(noticed, ROUNDS / 10);
	ck_assert_int_gt(quiet, ROUNDS / 10);
}
END_TEST

START_TEST(joins_are_monotone)
{
	seed = 3;
	for (int round = 0; round < ROUNDS; round++) {
		struct sr_need a = pick_need(), b = pick_need(), c = pick_need();
		struct sr_need ab = sr_need_join(&a, &b), ba = sr_need_join(&b, &a), bc = sr_need_join(&b, &c);
		struct sr_need abc = sr_need_join(&ab, &c), other = sr_need_join(&a, &bc);
		ck_assert(!sr_need_looser(&ab, &a) && !sr_need_looser(&ab, &b));
		assert_need(ab, ba);
		assert_need(abc, other);
		struct sr_need ac = sr_need_join(&a, &c);
		ck_assert(!sr_need_looser(&abc, &ac));
	}
}
END_TEST

Suite *sr_suite_policy_need(void)
{
	Suite *suite = suite_create("policy_need");
	TCase *tables = tcase_create("tables"), *refused = tcase_create("refused"), *brute = tcase_create("brute");
	tcase_add_test(tables, defaults_of_the_tiers);
	tcase_add_loop_test(tables, the_stricter_of_both, 0, 5);
	tcase_add_loop_test(tables, looser_in_any_respect, 0, 8);
	tcase_add_loop_test(tables, the_most_specific_rule_of_a_path, 0, 8);
	tcase_add_test(tables, equals_are_joined);
	tcase_add_loop_test(tables, a_glob_is_covered, 0, 7);
	tcase_add_test(tables, scopes_need_what_their_tiers_need);
	tcase_add_test(tables, break_glass_is_not_taken_away_by_what_needs_nothing);
	tcase_add_loop_test(refused, rules_refused, 0, 16);
	tcase_add_test(refused, no_higher_tier_is_easier);
	tcase_add_test(refused, rules_are_bounded);
	tcase_add_test(brute, no_path_of_a_glob_needs_more);
	tcase_add_test(brute, no_change_loosens_unnoticed);
	tcase_add_test(brute, joins_are_monotone);
	suite_add_tcase(suite, tables);
	suite_add_tcase(suite, refused);
	suite_add_tcase(suite, brute);
	return suite;
}
