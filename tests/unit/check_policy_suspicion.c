/* What `audit check' takes for suspicious. */
#include "suites.h"

#include "policy/suspicion.h"

#include <check.h>

static const struct {
	unsigned from, to, hour;
	bool late;
} hours[] = { { 9, 18, 8, true }, { 9, 18, 9, false }, { 9, 18, 12, false }, { 9, 18, 18, false }, { 9, 18, 19, true },
	{ 9, 18, 0, true }, { 9, 18, 23, true }, { 22, 6, 22, false }, { 22, 6, 23, false }, { 22, 6, 0, false },
	{ 22, 6, 6, false }, { 22, 6, 7, true }, { 22, 6, 21, true }, { 0, 23, 0, false }, { 0, 23, 23, false },
	{ 5, 5, 5, false }, { 5, 5, 4, true }, { 5, 5, 6, true } };

START_TEST(late_hours)
{
	struct sr_check check = { .from_hour = hours[_i].from, .to_hour = hours[_i].to };
	ck_assert_msg(sr_check_late(&check, hours[_i].hour) == hours[_i].late, "row %d", _i);
}
END_TEST

static const struct {
	const char *ip;
	bool unknown;
} addresses[] = { { "10.1.2.3", false }, { "11.1.2.3", true }, { "2001:db8::1", false }, { "2001:db9::1", true },
	{ "::ffff:10.1.2.3", false }, { "local", false }, { "unix", false }, { "", false },
	{ "not an address", false } };

START_TEST(unknown_addresses)
{
	struct sr_check check = { .network_count = 2 }, none = { .network_count = 0 };
	const char *why;
	ck_assert(sr_cidr_parse("10.0.0.0/8", 10, &check.networks[0], &why));
	ck_assert(sr_cidr_parse("2001:db8::/32", 13, &check.networks[1], &why));
	ck_assert_msg(sr_check_unknown(&check, addresses[_i].ip) == addresses[_i].unknown, "row %d", _i);
	ck_assert(!sr_check_unknown(&none, addresses[_i].ip));
}
END_TEST

Suite *sr_suite_policy_suspicion(void)
{
	Suite *suite = suite_create("policy_suspicion");
	TCase *c = tcase_create("suspicion");
	tcase_add_loop_test(c, late_hours, 0, sizeof hours / sizeof hours[0]);
	tcase_add_loop_test(c, unknown_addresses, 0, sizeof addresses / sizeof addresses[0]);
	suite_add_tcase(suite, c);
	return suite;
}
