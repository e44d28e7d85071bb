/* When a secret is due. */
#include "tests/unit/suites.h"

#include "policy/rotation.h"

#include <check.h>

#define DAY (24ll * 60 * 60 * 1000)

START_TEST(each_type_has_its_schedule)
{
	static const struct {
		const char *type;
		int64_t days;
	} rows[] = { { "payment", 14 }, { "production-database", 30 }, { "ssh", 30 }, { "production-api", 90 },
		{ "oauth", 60 }, { "staging", 180 }, { "webhook", 180 }, { "read-only", 365 }, { "generic", 0 },
		{ "", 0 }, { "Payment", 0 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(sr_rotation_of_type(rows[i].type), rows[i].days * DAY);
}
END_TEST

START_TEST(the_most_particular_glob_decides)
{
	static const struct sr_period periods[] = { { "*", 1 }, { "a/*", 2 }, { "a/*x", 3 }, { "a/b/*", 4 },
		{ "*/very/long/tail/of/it", 5 } };
	static const struct {
		const char *path;
		int64_t ms;
	} rows[] = { { "z", 1 }, { "a/c", 2 }, { "a/cx", 3 }, { "a/b/cx", 4 }, { "z/very/long/tail/of/it", 5 },
		{ "a/very/long/tail/of/it", 2 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(sr_rotation_period("payment", rows[i].path, periods, 5), rows[i].ms);
	ck_assert_int_eq(sr_rotation_period("payment", "a", periods, 0), 14 * DAY);
	ck_assert_int_eq(sr_rotation_period("payment", "a", periods + 1, 4), 14 * DAY);
}
END_TEST

START_TEST(what_ends_first_is_due)
{
	ck_assert_int_eq(sr_rotation_due(100, 0, 0), 0);
	ck_assert_int_eq(sr_rotation_due(100, 50, 0), 150);
	ck_assert_int_eq(sr_rotation_due(100, 0, 120), 120);
	ck_assert_int_eq(sr_rotation_due(100, 50, 120), 120);
	ck_assert_int_eq(sr_rotation_due(100, 50, 170), 150);
}
END_TEST

Suite *sr_suite_policy_rotation(void)
{
	Suite *suite = suite_create("policy_rotation");
	TCase *c = tcase_create("rotation");
	tcase_add_test(c, each_type_has_its_schedule);
	tcase_add_test(c, the_most_particular_glob_decides);
	tcase_add_test(c, what_ends_first_is_due);
	suite_add_tcase(suite, c);
	return suite;
}
