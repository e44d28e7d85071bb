/* Scopes, one and several. */
#include "suites.h"

#include "policy/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sr_scope scope_of(const char *text)
{
	struct sr_scope scope;
	const char *why = NULL;

	ck_assert_msg(sr_scope_parse(text, strlen(text), &scope, &why), "%s: %s", text, why);
	return scope;
}

static struct sr_scopes scopes_of(const char *text)
{
	struct sr_scopes scopes;
	const char *why = NULL;

	ck_assert_msg(sr_scopes_parse(text, strlen(text), &scopes, &why), "%s: %s", text, why);
	return scopes;
}

/* -- one scope ------------------------------------------------------------------------------------------------- */
static const struct good {
	const char *text;
	enum sr_resource resource;
	uint32_t actions;
	const char *glob;
} good[] = {
	{ "secrets:read:production/payments/*", SR_RESOURCE_SECRETS, SR_ACTION_READ, "production/payments/*" },
	{ "secrets:use:a", SR_RESOURCE_SECRETS, SR_ACTION_USE, "a" },
	{ "secrets:write:a", SR_RESOURCE_SECRETS, SR_ACTION_WRITE, "a" },
	{ "secrets:delete:a", SR_RESOURCE_SECRETS, SR_ACTION_DELETE, "a" },
	{ "secrets:list:*", SR_RESOURCE_SECRETS, SR_ACTION_LIST, "*" },
	{ "secrets:*:*", SR_RESOURCE_SECRETS, SR_ACTIONS_SECRETS, "*" },
	{ "keys:sign:a:b", SR_RESOURCE_KEYS, SR_ACTION_SIGN, "a:b" },
	{ "keys:verify:a", SR_RESOURCE_KEYS, SR_ACTION_VERIFY, "a" },
	{ "keys:encrypt:a", SR_RESOURCE_KEYS, SR_ACTION_ENCRYPT, "a" },
	{ "keys:decrypt:a", SR_RESOURCE_KEYS, SR_ACTION_DECRYPT, "a" },
	{ "keys:wrap:a", SR_RESOURCE_KEYS, SR_ACTION_WRAP, "a" },
	{ "keys:unwrap:a", SR_RESOURCE_KEYS, SR_ACTION_UNWRAP, "a" },
	{ "keys:derive:a", SR_RESOURCE_KEYS, SR_ACTION_DERIVE, "a" },
	{ "keys:create:a", SR_RESOURCE_KEYS, SR_ACTION_CREATE, "a" },
	{ "keys:delete:a", SR_RESOURCE_KEYS, SR_ACTION_DELETE, "a" },
	{ "keys:list:a", SR_RESOURCE_KEYS, SR_ACTION_LIST, "a" },
	{ "keys:*:a", SR_RESOURCE_KEYS, SR_ACTIONS_KEYS, "a" },
	{ "tokens:issue:a/*", SR_RESOURCE_TOKENS, SR_ACTION_ISSUE, "a/*" },
};

static const struct bad {
	const char *text;
	const char *why;
} bad[] = {
	{ "", "not of the form resource:action:glob" },
	{ "secrets", "not of the form resource:action:glob" },
	{ "secrets:*", "not of the form resource:action:glob" },
	{ "secrets:read", "not of the form resource:action:glob" },
	{ "*", "not of the form resource:action:glob" },
	{ "::", "an unknown resource (there are secrets, keys and tokens)" },
	{ "*:*:*", "an unknown resource (there are secrets, keys and tokens)" },
	{ "secret:read:a", "an unknown resource (there are secrets, keys and tokens)" },
	{ "Secrets:read:a", "an unknown resource (there are secrets, keys and tokens)" },
	{ " secrets:read:a", "an unknown resource (there are secrets, keys and tokens)" },
	{ "secrets:sign:a", "an action that its resource does not have" },
	{ "secrets::a", "an action that its resource does not have" },
	{ "secrets:rea:a", "an action that its resource does not have" },
	{ "secrets:reads:a", "an action that its resource does not have" },
	{ "secrets:READ:a", "an action that its resource does not have" },
	{ "secrets:**:a", "an action that its resource does not have" },
	{ "secrets:read,use:a", "an action that its resource does not have" },
	{ "secrets:issue:a", "an action that its resource does not have" },
	{ "keys:read:a", "an action that its resource does not have" },
	{ "keys:issue:a", "an action that its resource does not have" },
	{ "tokens:read:a", "an action that its resource does not have" },
	{ "tokens:*:a", "tokens:*, where the one action, issue, is to be named" },
	{ "secrets:read:", "no text at all" },
	{ "secrets:read:/a", "an empty segment (a '/' at an end, or two in a row)" },
	{ "secrets:read:a/../b", "a \".\" or \"..\" segment" },
	{ "secrets:read:a\nb", "a control character" },
};

START_TEST(parsed)
{
	struct sr_scope scope = scope_of(good[_i].text);
	char text[SR_SCOPE_TEXT_MAX];

	ck_assert_int_eq(scope.resource, good[_i].resource);
	ck_assert_uint_eq(scope.actions, good[_i].actions);
	ck_assert_str_eq(scope.glob, good[_i].glob);
	sr_scope_text(&scope, text);
	ck_assert_str_eq(text, good[_i].text);
}
END_TEST

START_TEST(refused)
{
	struct sr_scope scope;
	const char *why = NULL;

	ck_assert(!sr_scope_parse(bad[_i].text, strlen(bad[_i].text), &scope, &why));
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(longest_glob)
{
	char text[SR_SCOPE_TEXT_MAX + 1] = "secrets:delete:", back[SR_SCOPE_TEXT_MAX];
	size_t head = strlen(text);
	struct sr_scope scope;
	const char *why;

	memset(text + head, 'x', SR_PATH_MAX + 1);
	ck_assert(!sr_scope_parse(text, head + SR_PATH_MAX + 1, &scope, &why));
	ck_assert_str_eq(why, "more than 512 bytes");
	ck_assert(sr_scope_parse(text, head + SR_PATH_MAX, &scope, &why));
	sr_scope_text(&scope, back);
	ck_assert_uint_eq(strlen(back), head + SR_PATH_MAX);
}
END_TEST

START_TEST(allows)
{
	struct sr_scope scope = scope_of("secrets:read:a/*");

	ck_assert(sr_scope_allows(&scope, SR_RESOURCE_SECRETS, SR_ACTION_READ, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_SECRETS, SR_ACTION_READ, "b/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_SECRETS, SR_ACTION_WRITE, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_SECRETS, SR_ACTION_READ | SR_ACTION_WRITE, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_SECRETS, 0, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_KEYS, SR_ACTION_READ, "a/b"));
	scope = scope_of("keys:*:*");
	ck_assert(sr_scope_allows(&scope, SR_RESOURCE_KEYS, SR_ACTION_CREATE, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_KEYS, SR_ACTION_ISSUE, "a/b"));
	ck_assert(!sr_scope_allows(&scope, SR_RESOURCE_KEYS, SR_ACTION_READ, "a/b"));
}
END_TEST

static const struct pair {
	const char *outer, *inner;
	bool yes;
} pairs[] = {
	{ "secrets:read:a/*", "secrets:read:a/b", true },
	{ "secrets:read:a/*", "secrets:read:a/*", true },
	{ "secrets:read:a/b", "secrets:read:a/*", false },
	{ "secrets:*:a/*", "secrets:delete:a/b/*", true },
	{ "secrets:read:a/*", "secrets:*:a/b", false },
	{ "secrets:*:*", "keys:list:a", false },
	{ "keys:*:*", "tokens:issue:a", false },
	{ "secrets:list:*", "keys:list:*", false },
};

START_TEST(contains)
{
	struct sr_scope outer = scope_of(pairs[_i].outer), inner = scope_of(pairs[_i].inner);

	ck_assert_int_eq(sr_scope_contains(&outer, &inner), pairs[_i].yes);
}
END_TEST

/* -- several --------------------------------------------------------------------------------------------------- */
START_TEST(list_parsed)
{
	static const char *const texts[] = { "secrets:read:a\nkeys:sign:b", "secrets:read:a\nkeys:sign:b\n" };
	struct sr_scopes scopes = scopes_of(texts[_i]);

	ck_assert_uint_eq(scopes.count, 2);
	ck_assert_str_eq(scopes.items[0].glob, "a");
	ck_assert_int_eq(scopes.items[1].resource, SR_RESOURCE_KEYS);
	sr_scopes_clear(&scopes);
	ck_assert_uint_eq(scopes.count, 0);
	sr_scopes_clear(&scopes);
}
END_TEST

static const struct bad bad_lists[] = {
	{ "", "no scope at all" },
	{ "\n", "an empty line" },
	{ "secrets:read:a\n\n", "an empty line" },
	{ "secrets:read:a\n\nkeys:sign:b", "an empty line" },
	{ "\nsecrets:read:a", "an empty line" },
	{ "secrets:read:a\nsecrets:read:a", "the same scope twice" },
	{ "secrets:read:a\nkeys:read:a", "an action that its resource does not have" },
	{ "secrets:read:a\r\nkeys:sign:a", "a control character" },
};

START_TEST(list_refused)
{
	struct sr_scopes scopes = { 7, NULL };
	const char *why = NULL;

	ck_assert(!sr_scopes_parse(bad_lists[_i].text, strlen(bad_lists[_i].text), &scopes, &why));
	ck_assert_str_eq(why, bad_lists[_i].why);
	ck_assert_uint_eq(scopes.count, 0);
	ck_assert_ptr_null(scopes.items);
}
END_TEST

START_TEST(list_limit)
{
	char text[(SR_SCOPES_MAX + 1) * 24] = "";
	struct sr_scopes scopes;
	const char *why;

	for (int i = 0; i < SR_SCOPES_MAX; i++)
		sprintf(text + strlen(text), "secrets:read:a%d\n", i);
	scopes = scopes_of(text);
	ck_assert_uint_eq(scopes.count, SR_SCOPES_MAX);
	sr_scopes_clear(&scopes);
	strcat(text, "secrets:read:b\n");
	ck_assert(!sr_scopes_parse(text, strlen(text), &scopes, &why));
	ck_assert_str_eq(why, "more than 32 scopes");
}
END_TEST

START_TEST(list_allows_what_any_allows)
{
	struct sr_scopes scopes = scopes_of("secrets:read:a/*\nsecrets:list:*\nkeys:sign:a/*\n");

	ck_assert(sr_scopes_allow(&scopes, SR_RESOURCE_SECRETS, SR_ACTION_READ, "a/b"));
	ck_assert(sr_scopes_allow(&scopes, SR_RESOURCE_SECRETS, SR_ACTION_LIST, "b"));
	ck_assert(!sr_scopes_allow(&scopes, SR_RESOURCE_SECRETS, SR_ACTION_READ, "b"));
	ck_assert(!sr_scopes_allow(&scopes, SR_RESOURCE_SECRETS, SR_ACTION_USE, "a/b"));
	ck_assert(!sr_scopes_allow(&scopes, SR_RESOURCE_SECRETS, 0, "a/b"));
	ck_assert_uint_eq(sr_scopes_actions(&scopes, SR_RESOURCE_SECRETS, "a/b"), SR_ACTION_READ | SR_ACTION_LIST);
	ck_assert_uint_eq(sr_scopes_actions(&scopes, SR_RESOURCE_SECRETS, "b"), SR_ACTION_LIST);
	ck_assert_uint_eq(sr_scopes_actions(&scopes, SR_RESOURCE_KEYS, "a/b"), SR_ACTION_SIGN);
	ck_assert_uint_eq(sr_scopes_actions(&scopes, SR_RESOURCE_TOKENS, "a/b"), 0);
	sr_scopes_clear(&scopes);
}
END_TEST

static const struct pair list_pairs[] = {
	{ "secrets:*:a/*", "secrets:read:a/b\nsecrets:list:a/*", true },
	{ "secrets:read:a/*\nsecrets:list:*", "secrets:read:a/b\nsecrets:list:b", true },
	{ "secrets:read:a/*\nsecrets:list:*", "secrets:read:b", false },
	{ "secrets:read:a/*", "secrets:read:a/b\nkeys:sign:a/b", false },
	/* Every action by name, each in a scope of its own, is what `*` is. */
	{ "secrets:read:*\nsecrets:use:*\nsecrets:write:*\nsecrets:delete:*\nsecrets:list:*", "secrets:*:a", true },
	{ "secrets:read:*\nsecrets:use:*\nsecrets:write:*\nsecrets:delete:*", "secrets:*:a", false },
	/* Each outer glob holds a part of the inner one: no. */
	{ "secrets:read:a\nsecrets:read:a*", "secrets:read:a*", true },
	{ "secrets:read:a\nsecrets:read:a/*", "secrets:read:a*", false },
	{ "secrets:*:*\nkeys:*:*", "tokens:issue:a", false },
};

START_TEST(list_contains)
{
	struct sr_scopes outer = scopes_of(list_pairs[_i].outer), inner = scopes_of(list_pairs[_i].inner);

	ck_assert_int_eq(sr_scopes_contain(&outer, &inner), list_pairs[_i].yes);
	ck_assert(sr_scopes_contain(&inner, &inner));
	sr_scopes_clear(&outer);
	ck_assert(!sr_scopes_contain(&outer, &inner));
	sr_scopes_clear(&inner);
}
END_TEST

static const struct pair reaches[] = {
	{ "secrets:read:a/*", "a/b", true },
	{ "secrets:read:a/*", "*/key", true },
	{ "secrets:read:a/*", "b/*", false },
	{ "secrets:list:*", "*", false },
	{ "keys:list:*", "*", false },
	{ "keys:list:*\nkeys:verify:a", "*", true },
	{ "secrets:*:a/*", "a/b", true },
	{ "tokens:issue:*", "*", false },
};

START_TEST(list_reaches)
{
	struct sr_scopes scopes = scopes_of(reaches[_i].outer);

	ck_assert_int_eq(sr_scopes_reach(&scopes, reaches[_i].inner), reaches[_i].yes);
	sr_scopes_clear(&scopes);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_scope(void)
{
	Suite *suite = suite_create("policy/scope");
	TCase *one = tcase_create("one"), *several = tcase_create("several");

	tcase_add_loop_test(one, parsed, 0, ROWS(good));
	tcase_add_loop_test(one, refused, 0, ROWS(bad));
	tcase_add_test(one, longest_glob);
	tcase_add_test(one, allows);
	tcase_add_loop_test(one, contains, 0, ROWS(pairs));
	suite_add_tcase(suite, one);
	tcase_add_loop_test(several, list_parsed, 0, 2);
	tcase_add_loop_test(several, list_refused, 0, ROWS(bad_lists));
	tcase_add_test(several, list_limit);
	tcase_add_test(several, list_allows_what_any_allows);
	tcase_add_loop_test(several, list_contains, 0, ROWS(list_pairs));
	tcase_add_loop_test(several, list_reaches, 0, ROWS(reaches));
	suite_add_tcase(suite, several);
	return suite;
}
