/* tests/bench/histogram.c: what the benchmarks judge by. */
#include "tests/unit/suites.h"

#include "tests/bench/histogram.h"

#include <stdbool.h>
#include <string.h>

static struct histogram histogram, other;

static void clear(void)
{
	memset(&histogram, 0, sizeof(histogram));
	memset(&other, 0, sizeof(other));
}

/* Within a bin, which is 1/256 wide. */
static bool about(double us, double ns)
{
	return us * 1e3 > ns * (1 - 1.0 / 256) && us * 1e3 < ns * (1 + 1.0 / 256);
}

START_TEST(one_value)
{
	static const uint64_t values[] = { 1, 2, 255, 256, 257, 511, 512, 1000, 4095, 4096, 123456789, 8000000000000 };
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		clear();
		histogram_add(&histogram, values[i]);
		for (int percent = 0; percent <= 100; percent += 10)
			ck_assert_msg(about(histogram_percentile_us(&histogram, percent), (double)values[i]), "%lu: %f",
				(unsigned long)values[i], histogram_percentile_us(&histogram, percent));
	}
}
END_TEST

START_TEST(percentiles)
{
	for (uint64_t ns = 1; ns <= 100000; ns++)
		histogram_add(ns % 2 ? &histogram : &other, ns);
	histogram_merge(&histogram, &other);
	ck_assert_uint_eq(histogram.count, 100000);
	for (int percent = 1; percent <= 100; percent++)
		ck_assert(about(histogram_percentile_us(&histogram, percent), 1000.0 * percent));
}
END_TEST

START_TEST(order)
{
	double last = 0;
	for (uint64_t ns = 1; ns < UINT64_MAX / 3; ns = ns + ns / 100 + 1) {
		clear();
		histogram_add(&histogram, ns);
		double now = histogram_percentile_us(&histogram, 50);
		ck_assert(now >= last);
		last = now;
	}
}
END_TEST

START_TEST(bounds)
{
	ck_assert_double_eq(histogram_percentile_us(&histogram, 50), 0);
	histogram_add(&histogram, 0);
	ck_assert_double_eq(histogram_percentile_us(&histogram, 50), 0);
	histogram_add(&histogram, UINT64_MAX);
	ck_assert_uint_eq(histogram.count, 2);
	ck_assert_uint_eq(histogram.bins[HISTOGRAM_POWERS * HISTOGRAM_FINE - 1], 1);
}
END_TEST

Suite *sr_suite_histogram(void)
{
	Suite *suite = suite_create("histogram");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, clear, NULL);
	suite_add_tcase(suite, all);
	tcase_add_test(all, one_value);
	tcase_add_test(all, percentiles);
	tcase_add_test(all, order);
	tcase_add_test(all, bounds);
	return suite;
}
