/* src/util/text.c and src/util/csv.c. */
#include "tests/unit/suites.h"

#include "util/csv.h"
#include "util/nearest.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* A small generator of its own, so that every run sees the same "random" input. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

START_TEST(numbers)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t number;
	} rows[] = {
		{ "0", 0, true, 0 },
		{ "7", 10, true, 7 },
		{ "86400", 86400, true, 86400 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "86401", 86400, false, 0 },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "", 9, false, 0 },
		{ "00", 9, false, 0 },
		{ "07", 9, false, 0 },
		{ "+7", 9, false, 0 },
		{ "-7", 9, false, 0 },
		{ " 7", 9, false, 0 },
		{ "7 ", 9, false, 0 },
		{ "0x7", 9, false, 0 },
		{ "7a", 99, false, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t number = 123;
		ck_assert_msg(sr_text_u64(rows[i].text, strlen(rows[i].text), rows[i].max, &number) == rows[i].good,
			"number \"%s\"", rows[i].text);
		ck_assert_uint_eq(number, rows[i].good ? rows[i].number : 123);
	}
	uint64_t number;
	ck_assert(sr_text_u64("123", 2, 99, &number));
	ck_assert_uint_eq(number, 12);
}
END_TEST

START_TEST(utf8)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", true },
		{ "plain ~ text", true },
		{ "\xc2\xa0", true },
		{ "\xc3\xa9\xdf\xbf", true },
		{ "\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true },
		{ "a\tb", false },
		{ "a\nb", false },
		{ "\x1f", false },
		{ "\x7f", false },
		{ "\xc2\x80", false },
		{ "\xc2\x9f", false },
		{ "\x80", false },
		{ "\xbf", false },
		{ "\xc0\xaf", false },
		{ "\xc1\xbf", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xc3", false },
		{ "\xe2\x82", false },
		{ "\xf0\x90\x80", false },
		{ "\xe2\x28\xa1", false },
		{ "\xe2\x82\x28", false },
		{ "\xf0\x90\x80\x28", false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = malloc(len + (len == 0));
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, rows[i].text, len);
		ck_assert_msg(sr_text_utf8(copy, len) == rows[i].good, "row %zu", i);
		free(copy);
	}
	ck_assert(!sr_text_utf8("a\0b", 3));
}
END_TEST

/* Every code point, encoded here: good unless it is a surrogate or a control character. */
START_TEST(utf8_of_every_code_point)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		static const uint8_t lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
		size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint8_t text[4];
		text[0] = (uint8_t)(lead[len] | c >> (6 * (len - 1)));
		for (size_t i = 1; i < len; i++)
			text[i] = (uint8_t)(0x80 | (c >> (6 * (len - 1 - i)) & 0x3f));
		bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		bool surrogate = c >= 0xd800 && c < 0xe000;
		if (sr_text_utf8(text, len) == (control || surrogate))
			ck_abort_msg("U+%04X", c);
	}
}
END_TEST

START_TEST(hex_digits)
{
	static const uint8_t bytes[] = { 0x00, 0x1f, 0xab, 0xff };
	char text[9];
	sr_text_hex(bytes, sizeof bytes, text);
	ck_assert_str_eq(text, "001fabff");
	sr_text_hex(NULL, 0, text);
	ck_assert_str_eq(text, "");
	uint8_t back[4] = { 0 };
	ck_assert(sr_text_unhex("001fABff", back, 4));
	ck_assert_mem_eq(back, bytes, 4);
	ck_assert(sr_text_unhex("", back, 0));
	static const char *const bad[] = { "", "001fabf", "001fabff0", "001fabff00", "001fabfg", "001fab f", "0x1fabff",
		"001fab/:", "001fab@`" };
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!sr_text_unhex(bad[i], back, 4), "\"%s\"", bad[i]);
}
END_TEST

START_TEST(base32)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		/* RFC 4648, 10, without padding and in lower case */
		{ "", "" },
		{ "f", "my" },
		{ "fo", "mzxq" },
		{ "foo", "mzxw6" },
		{ "foob", "mzxw6yq" },
		{ "fooba", "mzxw6ytb" },
		{ "foobar", "mzxw6ytboi" },
		{ "\xff\xff\xff\xff\xff", "77777777" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].in);
		char *out = malloc((len * 8 + 4) / 5 + 1);
		ck_assert_ptr_nonnull(out);
		sr_text_base32(rows[i].in, len, out);
		ck_assert_str_eq(out, rows[i].out);
		free(out);
	}
}
END_TEST

START_TEST(times_written)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999, "1970-01-01T00:00:00.999Z" },
		{ INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ INT64_C(951868800000), "2000-03-01T00:00:00.000Z" },
		{ INT64_C(1795451953123), "2026-11-23T16:39:13.123Z" },
		{ INT64_C(4107542399999), "2100-02-28T23:59:59.999Z" },
		{ INT64_C(4107542400000), "2100-03-01T00:00:00.000Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ -1, "1970-01-01T00:00:00.000Z" },
		{ INT64_MIN, "1970-01-01T00:00:00.000Z" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[SR_TIME_TEXT];
		sr_text_time(rows[i].ms, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(times_read)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.5Z", 500 },
		{ "1970-01-01T00:00:00.05Z", 50 },
		{ "1970-01-01T00:00:00.123456789Z", 123 },
		{ "2026-11-23T16:39:13.123Z", INT64_C(1795451953123) },
		{ "2026-11-23T18:09:13.123+01:30", INT64_C(1795451953123) },
		{ "2026-11-23T08:39:13.123-08:00", INT64_C(1795451953123) },
		{ "2026-11-23T16:39:13-00:00", INT64_C(1795451953000) },
		{ "2000-02-29T00:00:00Z", INT64_C(951782400000) },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
		{ "1970-01-01T00:30:00+00:30", 0 },
		{ "1970-01-01T00:00:00+00:01", -1 },
		{ "9999-12-31T23:59:59-00:01", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "", -1 },
		{ "2026", -1 },
		{ "2026-11-23", -1 },
		{ "2026-11-23T16:39", -1 },
		{ "2026-11-23T16:39:13", -1 },
		{ "2026-11-23 16:39:13Z", -1 },
		{ "2026-11-23t16:39:13Z", -1 },
		{ "2026-11-23T16:39:13z", -1 },
		{ "2026-11-23T16:39:13Z ", -1 },
		{ " 2026-11-23T16:39:13Z", -1 },
		{ "2026-11-23T16:39:13.Z", -1 },
		{ "2026-11-23T16:39:13.1234567890Z", -1 },
		{ "2026-11-23T16:39:13,5Z", -1 },
		{ "2026-11-23T16:39:60Z", -1 },
		{ "2026-11-23T16:60:13Z", -1 },
		{ "2026-11-23T24:00:00Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-00-01T00:00:00Z", -1 },
		{ "2026-01-00T00:00:00Z", -1 },
		{ "2026-04-31T00:00:00Z", -1 },
		{ "2026-02-29T00:00:00Z", -1 },
		{ "2100-02-29T00:00:00Z", -1 },
		{ "2026-11-23T16:39:13+24:00", -1 },
		{ "2026-11-23T16:39:13+01:60", -1 },
		{ "2026-11-23T16:39:13+0100", -1 },
		{ "2026-11-23T16:39:13+01", -1 },
		{ "2026-11-23T16:39:13*01:00", -1 },
		{ "2026-11-23T16:39:13+01:00Z", -1 },
		{ "+026-11-23T16:39:13Z", -1 },
		{ "2026-1-23T16:39:13Z", -1 },
		{ "10000-01-01T00:00:00Z", -1 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t ms = -7;
		ck_assert_msg(sr_text_parse_time(rows[i].text, &ms) == (rows[i].ms >= 0), "\"%s\"", rows[i].text);
		ck_assert_int_eq(ms, rows[i].ms >= 0 ? rows[i].ms : -7);
	}
}
END_TEST

/* Against the C library's calendar, and back again. */
START_TEST(times_round_trip)
{
	uint64_t state = 42;
	for (int i = 0; i < 20000; i++) {
		int64_t ms = (int64_t)(next_random(&state) % UINT64_C(253402300800000));
		char text[SR_TIME_TEXT];
		sr_text_time(ms, text);
		time_t seconds = ms / 1000;
		struct tm tm;
		char want[64];
		gmtime_r(&seconds, &tm);
		snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
			tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
		ck_assert_str_eq(text, want);
		int64_t back = -1;
		ck_assert(sr_text_parse_time(text, &back));
		ck_assert_int_eq(back, ms);
	}
}
END_TEST

START_TEST(padded)
{
	char field[8];
	memset(field, 'x', sizeof field);
	sr_text_pad(field, 6, "abc");
	ck_assert_mem_eq(field, "abc   xx", 8);
	sr_text_pad(field, 6, "abcdefgh");
	ck_assert_mem_eq(field, "abcdefxx", 8);
	sr_text_pad(field, 6, "");
	ck_assert_mem_eq(field, "      xx", 8);
	sr_text_pad(field, 0, "abc");
	ck_assert_mem_eq(field, "      xx", 8);
}
END_TEST

/* Quotes are doubled, line breaks stay; what a spreadsheet would compute is a text. */
START_TEST(csv)
{
	static const char *const rows[][2] = { { "", "\"\"" }, { "a", "\"a\"" }, { "a,b", "\"a,b\"" },
		{ "a\"b", "\"a\"\"b\"" }, { "a\r\nb", "\"a\r\nb\"" }, { "=cmd()", "\"'=cmd()\"" }, { "+1", "\"'+1\"" },
		{ "-1", "\"'-1\"" }, { "@x", "\"'@x\"" }, { "\tx", "\"'\tx\"" }, { "\rx", "\"'\rx\"" },
		{ "\nx", "\"'\nx\"" }, { "a=b", "\"a=b\"" }, { "'x", "\"'x\"" } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sr_buf out = SR_BUF_INIT;
		sr_csv_text(&out, rows[i][0], strlen(rows[i][0]));
		ck_assert_str_eq(sr_buf_string(&out), rows[i][1]);
		sr_buf_clear(&out);
	}
}
END_TEST

/* Damaged texts: whatever is still accepted means the same when it is written and read again. */
START_TEST(times_damaged)
{
	static const char letters[] = "0123456789-+:.TZ \n\xff";
	uint64_t state = 4711;
	for (int i = 0; i < 50000; i++) {
		char text[SR_TIME_TEXT];
		sr_text_time((int64_t)(next_random(&state) % UINT64_C(253402300800000)), text);
		for (uint64_t n = next_random(&state) % 3 + 1; n > 0; n--)
			text[next_random(&state) % 24] = letters[next_random(&state) % sizeof letters];
		int64_t ms, back;
		if (!sr_text_parse_time(text, &ms))
			continue;
		ck_assert_int_ge(ms, 0);
		sr_text_time(ms, text);
		ck_assert(sr_text_parse_time(text, &back));
		ck_assert_int_eq(ms, back);
	}
}
END_TEST

START_TEST(slips)
{
	static const struct {
		const char *typed, *meant;
		size_t slips;
		bool likely;
	} rows[] = {
		{ "", "", 0, false },
		{ "dir", "dir", 0, true },
		{ "dri", "dir", 1, true },
		{ "maxttl", "max-ttl", 1, true },
		{ "kitten", "sitting", 3, true },
		{ "uri", "dir", 2, false },
		{ "", "dir", 3, false },
		{ "ca", "ac", 1, false },
		{ "surprise", "uri", 5, false },
		{ "12345678901234567890123456789012", "1", 31, false },
		{ "123456789012345678901234567890123", "1", SIZE_MAX, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_msg(sr_nearest_slips(rows[i].typed, rows[i].meant) == rows[i].slips, "row %zu", i);
		ck_assert_msg(sr_nearest_slips(rows[i].meant, rows[i].typed) == rows[i].slips, "row %zu", i);
		ck_assert_msg(sr_nearest_is_slip(rows[i].typed, rows[i].meant) == rows[i].likely, "row %zu", i);
	}
}
END_TEST

Suite *sr_suite_text(void)
{
	Suite *suite = suite_create("text");
	TCase *text = tcase_create("text");
	tcase_set_timeout(text, 120); /* under valgrind */
	suite_add_tcase(suite, text);
	tcase_add_test(text, numbers);
	tcase_add_test(text, slips);
	tcase_add_test(text, padded);
	tcase_add_test(text, csv);
	tcase_add_test(text, utf8);
	tcase_add_test(text, utf8_of_every_code_point);
	tcase_add_test(text, hex_digits);
	tcase_add_test(text, base32);
	tcase_add_test(text, times_written);
	tcase_add_test(text, times_read);
	tcase_add_test(text, times_round_trip);
	tcase_add_test(text, times_damaged);
	return suite;
}
