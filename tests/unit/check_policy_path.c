/* Paths and the form of globs. */
#include "suites.h"

#include "policy/path.h"

#include <string.h>

struct text {
	const char *text;
	size_t len;
};

#define TEXT(literal)                        \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static const struct text good_paths[] = {
	TEXT("a"),
	TEXT("production/payments/stripe/secret-key"),
	TEXT("a b/c:d"),
	TEXT("..."),
	TEXT(".a/..b/c."),
	TEXT("k\xc3\xa4se/\xe2\x82\xac/\xf0\x9f\x94\x91"),
	TEXT("\\?[x]"),
};

static const struct text bad_paths[] = {
	TEXT(""),
	TEXT("/"),
	TEXT("/a"),
	TEXT("a/"),
	TEXT("a//b"),
	TEXT("."),
	TEXT(".."),
	TEXT("a/./b"),
	TEXT("a/../b"),
	TEXT("./a"),
	TEXT("a/.."),
	TEXT("a*"),
	TEXT("*"),
	TEXT("a\0b"),
	TEXT("\0"),
	TEXT("a\nb"),
	TEXT("a\tb"),
	TEXT("a\x7f"),
	TEXT("a\xc2\x85"),
	TEXT("\xff"),
	TEXT("a\xc3"),
	TEXT("\xc0\xaf"),
	TEXT("\xed\xa0\x80"),
	TEXT("\xf4\x90\x80\x80"),
};

static const struct text good_globs[] = {
	TEXT("*"),
	TEXT("**"),
	TEXT("a"),
	TEXT("a/*"),
	TEXT("*/a"),
	TEXT("a*/b"),
	TEXT("a/.*"),
	TEXT("a/*./b"),
	TEXT("a/.*./b"),
	TEXT("*..*"),
	TEXT("\xc3\xa4*\xc3\xa4"),
};

static const struct text bad_globs[] = {
	TEXT(""),
	TEXT("/*"),
	TEXT("*/"),
	TEXT("*//*"),
	TEXT("a/./*"),
	TEXT("*/.."),
	TEXT("../*"),
	TEXT("\xc3*\xa4"),
	TEXT("*\n"),
	TEXT("*\0"),
};

START_TEST(path_valid)
{
	const struct text *row = &good_paths[_i];

	ck_assert(sr_path_valid(row->text, row->len));
	ck_assert_ptr_null(sr_path_why(row->text, row->len));
	ck_assert(sr_glob_valid(row->text, row->len));
}
END_TEST

START_TEST(path_refused)
{
	const struct text *row = &bad_paths[_i];

	ck_assert(!sr_path_valid(row->text, row->len));
	ck_assert_uint_gt(strlen(sr_path_why(row->text, row->len)), 0);
}
END_TEST

START_TEST(glob_valid)
{
	const struct text *row = &good_globs[_i];

	ck_assert(sr_glob_valid(row->text, row->len));
	ck_assert_ptr_null(sr_glob_why(row->text, row->len));
}
END_TEST

START_TEST(glob_refused)
{
	const struct text *row = &bad_globs[_i];

	ck_assert(!sr_glob_valid(row->text, row->len));
	ck_assert_uint_gt(strlen(sr_glob_why(row->text, row->len)), 0);
}
END_TEST

START_TEST(length_limit)
{
	char text[SR_PATH_MAX + 2];

	memset(text, 'x', sizeof text);
	ck_assert(sr_path_valid(text, SR_PATH_MAX));
	ck_assert(!sr_path_valid(text, SR_PATH_MAX + 1));
	ck_assert_str_eq(sr_path_why(text, SR_PATH_MAX + 1), "more than 512 bytes");
	memset(text, '*', sizeof text);
	ck_assert(sr_glob_valid(text, SR_PATH_MAX));
	ck_assert(!sr_glob_valid(text, SR_PATH_MAX + 1));
}
END_TEST

START_TEST(each_refusal_has_its_phrase)
{
	ck_assert_str_eq(sr_path_why("", 0), "no text at all");
	ck_assert_str_eq(sr_path_why("a\nb", 3), "a control character");
	ck_assert_str_eq(sr_path_why("\x01", 1), "a control character");
	ck_assert_str_eq(sr_path_why("a\x1f", 2), "a control character");
	ck_assert_str_eq(sr_path_why("a\x7f", 2), "a control character");
	ck_assert_str_eq(sr_path_why("\xff", 1), "bytes that are not UTF-8, or a control character");
	ck_assert_str_eq(sr_path_why("a*", 2), "a '*', which only globs have");
	ck_assert_str_eq(sr_path_why("a//b", 4), "an empty segment (a '/' at an end, or two in a row)");
	ck_assert_str_eq(sr_path_why("a/..", 4), "a \".\" or \"..\" segment");
}
END_TEST

START_TEST(namespace_is_all_but_the_last_segment)
{
	ck_assert_uint_eq(sr_path_namespace_len("a"), 0);
	ck_assert_uint_eq(sr_path_namespace_len("a/b"), 1);
	ck_assert_uint_eq(sr_path_namespace_len("production/payments/key"), strlen("production/payments"));
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_path(void)
{
	Suite *suite = suite_create("policy/path");
	TCase *tcase = tcase_create("path");

	tcase_add_loop_test(tcase, path_valid, 0, ROWS(good_paths));
	tcase_add_loop_test(tcase, path_refused, 0, ROWS(bad_paths));
	tcase_add_loop_test(tcase, glob_valid, 0, ROWS(good_globs));
	tcase_add_loop_test(tcase, glob_refused, 0, ROWS(bad_globs));
	tcase_add_test(tcase, length_limit);
	tcase_add_test(tcase, each_refusal_has_its_phrase);
	tcase_add_test(tcase, namespace_is_all_but_the_last_segment);
	suite_add_tcase(suite, tcase);
	return suite;
}
