/* Durations. */
#include "suites.h"

#include "policy/duration.h"

#include <string.h>

static const struct duration {
	const char *text;
	uint64_t seconds;
	const char *shortest;
} good[] = {
	{ "90s", 90, "90s" },
	{ "30m", 1800, "30m" },
	{ "24h", 86400, "1d" },
	{ "7d", 604800, "7d" },
	{ "60s", 60, "1m" },
	{ "3600s", 3600, "1h" },
	{ "61m", 3660, "61m" },
	{ "1s", 1, "1s" },
	{ "0s", 0, "0s" },
	{ "0d", 0, "0s" },
	{ "3650d", 315360000, "3650d" },
	{ "315360000s", 315360000, "3650d" },
	{ "5256000m", 315360000, "3650d" },
	{ "87600h", 315360000, "3650d" },
};

static const char *const bad[] = {
	"",
	"s",
	"1",
	"10",
	"1x",
	"1S",
	"1D",
	"-1s",
	"+1s",
	" 1s",
	"1s ",
	"1 s",
	"01s",
	"00s",
	"1.5h",
	"1h30m",
	"1ss",
	"3651d",
	"315360001s",
	"5256001m",
	"87601h",
	"9999999999d",
	"18446744073709551616s",
	"99999999999999999999999d",
	"0x1s",
	"1e3s",
};

START_TEST(parsed)
{
	uint64_t seconds = 1;
	char text[24];

	ck_assert(sr_duration_parse(good[_i].text, strlen(good[_i].text), &seconds));
	ck_assert_uint_eq(seconds, good[_i].seconds);
	sr_duration_text(seconds, text);
	ck_assert_str_eq(text, good[_i].shortest);
}
END_TEST

START_TEST(refused)
{
	uint64_t seconds = 77;

	ck_assert(!sr_duration_parse(bad[_i], strlen(bad[_i]), &seconds));
	ck_assert_uint_eq(seconds, 77);
}
END_TEST

START_TEST(length_is_what_counts)
{
	uint64_t seconds;

	ck_assert(sr_duration_parse("12sxyz", 3, &seconds));
	ck_assert_uint_eq(seconds, 12);
	ck_assert(!sr_duration_parse("1\0s", 3, &seconds));
	ck_assert(!sr_duration_parse("1s\0", 3, &seconds));
}
END_TEST

START_TEST(text_of_the_largest_number_fits)
{
	char text[24];

	sr_duration_text(UINT64_MAX, text);
	ck_assert_str_eq(text, "18446744073709551615s");
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_duration(void)
{
	Suite *suite = suite_create("policy/duration");
	TCase *tcase = tcase_create("duration");

	tcase_add_loop_test(tcase, parsed, 0, ROWS(good));
	tcase_add_loop_test(tcase, refused, 0, ROWS(bad));
	tcase_add_test(tcase, length_is_what_counts);
	tcase_add_test(tcase, text_of_the_largest_number_fits);
	suite_add_tcase(suite, tcase);
	return suite;
}
