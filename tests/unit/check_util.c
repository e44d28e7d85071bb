/* src/util: errors, buffers, packing and clock; and the numbers in cryptoki3.h. */
#include "tests/unit/suites.h"

#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/pack.h"
#include "util/text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* -- errors --------------------------------------------------------------------------------------------------- */
START_TEST(fail_fills_the_error)
{
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_fail(&err, CKR_PIN_INCORRECT, SR_REASON_EXPIRED, "token %s: expired", "t-1");
	ck_assert_uint_eq(rv, CKR_PIN_INCORRECT);
	ck_assert_uint_eq(err.rv, CKR_PIN_INCORRECT);
	ck_assert_uint_eq(err.reason, SR_REASON_EXPIRED);
	ck_assert_str_eq(err.text, "token t-1: expired");
	sr_fail(&err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "again: %s", err.text);
	ck_assert_str_eq(err.text, "again: token t-1: expired");
	sr_error_clear(&err);
	ck_assert_uint_eq(err.rv, CKR_OK);
	ck_assert_uint_eq(err.reason, SR_REASON_NONE);
	ck_assert_str_eq(err.text, "");
	ck_assert_uint_eq(sr_fail(NULL, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory"), CKR_HOST_MEMORY);
}
END_TEST

START_TEST(fail_texts_are_one_printable_line)
{
	struct sr_error err = SR_ERROR_INIT;
	sr_fail(&err, CKR_DATA_INVALID, SR_REASON_BAD_PATH, "a\nb\x1b[1m\x7f%s", "caf\xc3\xa9");
	ck_assert_str_eq(err.text, "a?b?[1m?caf\xc3\xa9");
	sr_fail(&err, CKR_DATA_INVALID, SR_REASON_BAD_PATH, "%s", "x\xc2\x9by\xff");
	ck_assert_str_eq(err.text, "x??y?");
	char lengthy[600];
	memset(lengthy, 'a', sizeof lengthy);
	memcpy(lengthy + SR_ERROR_TEXT_MAX - 2, "\xc3\xa9", 2); /* the limit cuts this one in two */
	lengthy[sizeof lengthy - 1] = '\0';
	sr_fail(&err, CKR_DATA_INVALID, SR_REASON_BAD_PATH, "%s", lengthy);
	ck_assert_uint_eq(strlen(err.text), SR_ERROR_TEXT_MAX - 1);
	ck_assert(sr_text_utf8(err.text, strlen(err.text)));
}
END_TEST

START_TEST(codes_have_names)
{
	static const struct {
		CK_RV rv; /* the numbers of the standard, so that a wrong header shows */
		const char *name;
	} rows[] = {
		{ 0x0, "CKR_OK" },
		{ 0x1b, "CKR_ACTION_PROHIBITED" },
		{ 0x42, "CKR_AEAD_DECRYPT_FAILED" },
		{ 0xa4, "CKR_PIN_LOCKED" },
		{ 0x190, "CKR_CRYPTOKI_NOT_INITIALIZED" },
		{ 0x1b5, "CKR_EXCEEDED_MAX_ITERATIONS" },
		{ 0x1b8, "CKR_PIN_TOO_WEAK" },
		{ 0x1b9, "CKR_PUBLIC_KEY_INVALID" },
		{ 0x200, "CKR_FUNCTION_REJECTED" },
		{ 0x201, "CKR_TOKEN_RESOURCE_EXCEEDED" },
		{ 0x202, "CKR_OPERATION_CANCEL_FAILED" },
		{ 0x203, "CKR_KEY_EXHAUSTED" },
		{ 0x4, "CKR_0x4" },
		{ 0x80000001, "CKR_0x80000001" },
		{ ~0UL, "CKR_0xffffffffffffffff" },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_str_eq(sr_rv_name(rows[i].rv), rows[i].name);
}
END_TEST

START_TEST(every_reason_has_its_own_word)
{
#define NUMBER(name, number, word) number,
	static const CK_ULONG all[] = { SR_REASONS(NUMBER) };
#undef NUMBER
	for (size_t i = 0; i < COUNT(all); i++) {
		const char *word = sr_reason_name(all[i]);
		ck_assert_str_ne(word, "unknown");
		ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
		for (size_t j = 0; j < i; j++) {
			ck_assert_uint_ne(all[i], all[j]);
			ck_assert_str_ne(word, sr_reason_name(all[j]));
		}
	}
	ck_assert_str_eq(sr_reason_name(SR_REASON_OUT_OF_SCOPE), "out_of_scope");
	ck_assert_str_eq(sr_reason_name(59), "unknown");
	ck_assert_str_eq(sr_reason_name(~0UL), "unknown");
}
END_TEST

/* -- buffers -------------------------------------------------------------------------------------------------- */
START_TEST(buffer_grows_and_clears)
{
	struct sr_buf buf = SR_BUF_INIT;
	ck_assert_str_eq(sr_buf_string(&buf), "");
	sr_buf_append(&buf, NULL, 0);
	sr_buf_text(&buf, "one");
	sr_buf_append(&buf, "\0two", 4);
	sr_buf_printf(&buf, "-%d-%s", 3, "");
	ck_assert_uint_eq(buf.len, 10);
	ck_assert_mem_eq(buf.data, "one\0two-3-", 10);
	for (int i = 0; i < 5000; i++)
		sr_buf_printf(&buf, "%04d", i);
	ck_assert(!buf.failed);
	ck_assert_uint_eq(buf.len, 10 + 5000 * 4);
	ck_assert_str_eq(sr_buf_string(&buf) + buf.len - 8, "49984999");
	sr_buf_clear(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len + buf.cap, 0);
	sr_buf_clear(&buf);
}
END_TEST

START_TEST(buffer_reserve_leaves_the_length)
{
	struct sr_buf buf = SR_BUF_INIT;
	uint8_t *to = sr_buf_reserve(&buf, 100);
	ck_assert_ptr_nonnull(to);
	ck_assert_uint_eq(buf.len, 0);
	memset(to, 'x', 100);
	buf.len += 100;
	ck_assert_uint_eq(strlen(sr_buf_string(&buf)), 100);
	ck_assert_ptr_nonnull(sr_buf_reserve(&buf, 0));
	sr_buf_clear(&buf);
}
END_TEST

START_TEST(buffer_failure_is_sticky)
{
	struct sr_buf buf = SR_BUF_INIT;
	sr_buf_text(&buf, "kept");
	ck_assert_ptr_null(sr_buf_reserve(&buf, SR_BUF_MAX - 3));
	ck_assert(buf.failed);
	ck_assert_ptr_null(sr_buf_reserve(&buf, 1));
	sr_buf_text(&buf, "more");
	sr_buf_printf(&buf, "%d", 1);
	ck_assert_uint_eq(buf.len, 4);
	ck_assert_str_eq(sr_buf_string(&buf), "");
	sr_buf_clear(&buf);
	ck_assert(!buf.failed);
	ck_assert_ptr_null(sr_buf_reserve(&buf, SIZE_MAX));
	sr_buf_clear(&buf);
	ck_assert_ptr_nonnull(sr_buf_reserve(&buf, SR_BUF_MAX));
	sr_buf_clear(&buf);
}
END_TEST

START_TEST(wiping_and_comparing)
{
	char secret[] = "secret";
	sr_cleanse(secret, 3);
	ck_assert_mem_eq(secret, "\0\0\0ret", 7);
	sr_cleanse(NULL, 5);
	ck_assert(sr_equal("same", "same", 4));
	ck_assert(sr_equal("samE", "same", 3));
	ck_assert(!sr_equal("samE", "same", 4));
	ck_assert(!sr_equal("Same", "same", 4));
	ck_assert(sr_equal(NULL, NULL, 0));
}
END_TEST

/* -- packing -------------------------------------------------------------------------------------------------- */
START_TEST(pack_has_these_bytes)
{
	static const uint8_t want[] = { 0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 8, 1, 2, 3,
		4, 5, 6, 7, 8, 0, 0, 0, 1, 0 };
	struct sr_buf buf = SR_BUF_INIT;
	sr_pack_text(&buf, "ab");
	sr_pack_text(&buf, NULL);
	sr_pack_text(&buf, "");
	sr_pack_u64(&buf, UINT64_C(0x0102030405060708));
	sr_pack_bytes(&buf, "", 1);
	ck_assert_uint_eq(buf.len, sizeof want);
	ck_assert_mem_eq(buf.data, want, sizeof want);

	struct sr_unpack in = { buf.data, buf.len, false };
	size_t len;
	const uint8_t *data = sr_unpack_bytes(&in, &len);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(data, "ab", 2);
	ck_assert_ptr_null(sr_unpack_bytes(&in, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_nonnull(sr_unpack_bytes(&in, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(sr_unpack_u64(&in), UINT64_C(0x0102030405060708));
	ck_assert(!sr_unpack_done(&in));
	ck_assert_ptr_nonnull(sr_unpack_bytes(&in, &len));
	ck_assert_uint_eq(len, 1);
	ck_assert(sr_unpack_done(&in));
	ck_assert_ptr_null(sr_unpack_bytes(&in, &len));
	ck_assert(!sr_unpack_done(&in));
	sr_buf_clear(&buf);
}
END_TEST

START_TEST(pack_refuses_what_is_too_long)
{
	struct sr_buf buf = SR_BUF_INIT;
	sr_pack_bytes(&buf, "", (size_t)SR_BUF_MAX + 1);
	ck_assert(buf.failed);
	sr_buf_clear(&buf);
}
END_TEST

START_TEST(unpack_failure_is_sticky)
{
	static const struct {
		uint8_t bytes[20];
		size_t len;
	} rows[] = {
		{ { 0 }, 0 },
		{ { 0, 0, 0 }, 3 },
		{ { 0, 0, 0, 1 }, 4 },
		{ { 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8 }, 12 },
		{ { 0xff, 0xff, 0xff, 0xfe, 1 }, 5 },
		{ { 0x7f, 0xff, 0xff, 0xff }, 4 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* a copy of exactly this size, so that valgrind sees a byte too many */
		uint8_t *copy = malloc(rows[i].len + (rows[i].len == 0));
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, rows[i].bytes, rows[i].len);
		struct sr_unpack in = { copy, rows[i].len, false };
		size_t len = 7;
		ck_assert_ptr_null(sr_unpack_bytes(&in, &len));
		ck_assert_uint_eq(len, 0);
		ck_assert(in.failed);
		ck_assert_uint_eq(sr_unpack_u64(&in), 0);
		ck_assert(!sr_unpack_done(&in));
		free(copy);
	}
}
END_TEST

START_TEST(unpack_number_has_eight_bytes)
{
	static const uint8_t seven[] = { 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7 };
	struct sr_unpack in = { seven, sizeof seven, false };
	ck_assert_uint_eq(sr_unpack_u64(&in), 0);
	ck_assert(in.failed);
	static const uint8_t absent[] = { 0xff, 0xff, 0xff, 0xff };
	in = (struct sr_unpack){ absent, sizeof absent, false };
	ck_assert_uint_eq(sr_unpack_u64(&in), 0);
	ck_assert(in.failed);
}
END_TEST

/* -- clock ---------------------------------------------------------------------------------------------------- */
static struct sr_now test_now;

static void test_clock(struct sr_now *now)
{
	*now = test_now;
}

START_TEST(clock_reads_the_system)
{
	struct sr_now now, later;
	sr_clock_now(&now);
	sr_clock_now(&later);
	ck_assert_int_gt(now.wall_ms, INT64_C(1600000000000));
	ck_assert_int_gt(now.boot_ms, 0);
	ck_assert_int_ge(later.boot_ms, now.boot_ms);
	ck_assert_uint_eq(strlen(now.boot_id), 36);
	ck_assert_str_eq(now.boot_id, later.boot_id);
}
END_TEST

START_TEST(clock_can_be_replaced)
{
	struct sr_now now;
	test_now = (struct sr_now){ 5, 6, "boot" };
	sr_clock_replace(test_clock);
	sr_clock_now(&now);
	ck_assert_int_eq(now.wall_ms, 5);
	ck_assert_int_eq(now.boot_ms, 6);
	ck_assert_int_eq(sr_clock_boot_ms(), 6);
	ck_assert_str_eq(now.boot_id, "boot");
	sr_clock_replace(NULL);
	sr_clock_now(&now);
	ck_assert_int_gt(now.wall_ms, 5);
}
END_TEST

START_TEST(ends)
{
	const struct sr_now start = { 1000000, 5000, "a" };
	const struct sr_now no_id = { 1000000, 5000, "" };
	static const struct {
		const char *what;
		bool with_id;
		struct sr_now now;
		int64_t not_before;
		bool passed;
	} rows[] = {
		{ "just before", true, { 1000099, 5099, "a" }, 0, false },
		{ "exactly", true, { 1000100, 5100, "a" }, 0, true },
		{ "wall set back does not prolong", true, { 1, 5100, "a" }, 0, true },
		{ "wall set forward does not end", true, { 9000000, 5099, "a" }, 0, false },
		{ "a sealed record does not count within the boot", true, { 1000000, 5099, "a" }, 9000000, false },
		{ "after a reboot, before", true, { 1000099, 9, "b" }, 0, false },
		{ "after a reboot, passed", true, { 1000100, 9, "b" }, 0, true },
		{ "after a reboot with the wall set back", true, { 1, 9, "b" }, 1000100, true },
		{ "after a reboot with an older record", true, { 999999, 9, "b" }, 1000099, false },
		{ "after a reboot, the wall five minutes back", true, { 700099, 9, "b" }, 1000099, false },
		{ "after a reboot, the wall further back: no clock to go by", true, { 700098, 9, "b" }, 1000099, true },
		{ "the id has become unreadable", true, { 1000099, 9000, "" }, 0, false },
		{ "two empty ids are not the same boot", false, { 1000100, 5001, "" }, 0, true },
		{ "two empty ids, wall before the end", false, { 1000099, 9000, "" }, 0, false },
		{ "a longer id is another boot", true, { 1000000, 9000, "ab" }, 0, false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_end end = sr_end_after(rows[i].with_id ? &start : &no_id, 100);
		ck_assert_msg(
			sr_end_passed(&end, &rows[i].now, rows[i].not_before) == rows[i].passed, "%s", rows[i].what);
	}
	struct sr_end never = sr_end_after(&start, INT64_MAX);
	ck_assert_int_eq(never.boot_ms, INT64_MAX);
	ck_assert(!sr_end_passed(&never, &start, 0));
	const struct sr_now early = { -5, -5, "a" };
	struct sr_end past = sr_end_after(&early, INT64_MIN);
	ck_assert_int_eq(past.wall_ms, INT64_MIN);
	ck_assert(sr_end_passed(&past, &early, 0));
}
END_TEST

/* What must not come early: the other way round. OVER: of a delay, WAITED: of what the wall clock may end too. */
START_TEST(delays)
{
	const struct sr_now start = { 1000000, 5000, "a" };
	const struct sr_now no_id = { 1000000, 5000, "" };
	static const struct {
		const char *what;
		bool with_id;
		struct sr_now now;
		int64_t not_before;
		bool over, waited;
	} rows[] = {
		{ "just before", true, { 1000099, 5099, "a" }, 0, false, false },
		{ "exactly", true, { 1000100, 5100, "a" }, 0, true, true },
		{ "wall set forward does not shorten", true, { 9000000, 5099, "a" }, 0, false, false },
		{ "wall set back does not prolong", true, { 1, 5100, "a" }, 0, true, true },
		{ "a record of the future does not shorten", true, { 1000000, 5099, "a" }, 9000000, false, false },
		{ "a record of the future does not prolong", true, { 1000000, 5100, "a" }, 9000000, true, true },
		{ "after a reboot, before", true, { 1000099, 9000, "b" }, 0, false, false },
		{ "after a reboot, reached", true, { 1000100, 9, "b" }, 0, false, true },
		{ "after a reboot, far ahead", true, { 9000000, 9000, "b" }, 0, false, true },
		{ "after a reboot, a newer record alone", true, { 1000099, 9, "b" }, 1000200, false, false },
		{ "after a reboot, the wall five minutes back", true, { 1000100, 9, "b" }, 1300100, false, true },
		{ "after a reboot, the wall further back", true, { 1000100, 9, "b" }, 1300101, false, false },
		{ "the id has become unreadable", true, { 1000100, 9000, "" }, 0, false, true },
		{ "two empty ids are not the same boot", false, { 1000099, 9000, "" }, 0, false, false },
		{ "two empty ids, the wall reached", false, { 1000100, 5000, "" }, 0, false, true },
		{ "a longer id is another boot", true, { 1000099, 9000, "ab" }, 0, false, false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_end end = sr_end_after(rows[i].with_id ? &start : &no_id, 100);
		ck_assert_msg(sr_delay_over(&end, &rows[i].now) == rows[i].over, "%s", rows[i].what);
		ck_assert_msg(
			sr_wait_over(&end, &rows[i].now, rows[i].not_before) == rows[i].waited, "%s", rows[i].what);
	}
	struct sr_end never = sr_end_after(&start, INT64_MAX);
	ck_assert(!sr_delay_over(&never, &start) && !sr_wait_over(&never, &start, INT64_MIN));
	struct sr_end none = { .wall_ms = 0 }; /* of no boot: no delay that has run */
	ck_assert(!sr_delay_over(&none, &start) && !sr_delay_over(&none, &no_id));
}
END_TEST

/* -- the standard's header ------------------------------------------------------------------------------------ */
/* An end made now, 100 ms from here, that is not to outlive another one. */
START_TEST(an_end_is_cut)
{
	static const struct {
		struct sr_end limit;
		int64_t wall_ms, boot_ms;
	} rows[] = {
		{ { 1000050, 150, "a" }, 1000050, 150 },
		{ { 1000500, 150, "a" }, 1000100, 150 }, /* in one boot its clock alone decides */
		{ { 1000050, 900, "a" }, 1000050, 200 },
		{ { 1000500, 900, "a" }, 1000100, 200 },
		{ { 999000, 50, "a" }, 999000, 100 }, /* it has passed */
		{ { 1000050, 7, "b" }, 1000050, 150 },
		{ { 1000500, 7, "b" }, 1000100, 200 },
		{ { 999000, 900, "b" }, 999000, 100 },
		{ { 1000050, 900, "" }, 1000050, 150 },
	};
	const struct sr_now now = { 1000000, 100, "a" };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sr_end end = sr_end_after(&now, 100);
		sr_end_cut(&end, &rows[i].limit, &now);
		ck_assert_msg(end.wall_ms == rows[i].wall_ms && end.boot_ms == rows[i].boot_ms, "row %zu", i);
		ck_assert_str_eq(end.boot_id, "a");
	}
}
END_TEST

START_TEST(function_list_3_0_has_92_calls)
{
	ck_assert_uint_eq(sizeof(CK_FUNCTION_LIST), sizeof(void *) * (68 + 1));
	ck_assert_uint_eq(sizeof(CK_FUNCTION_LIST_3_0), sizeof(void *) * (92 + 1));
	ck_assert_uint_eq(
		offsetof(CK_FUNCTION_LIST_3_0, C_WaitForSlotEvent), offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent));
	ck_assert_uint_eq(offsetof(CK_FUNCTION_LIST_3_0, C_GetInterfaceList), sizeof(void *) * (68 + 1));
	ck_assert_uint_eq(offsetof(CK_FUNCTION_LIST_3_0, C_MessageVerifyFinal), sizeof(void *) * 92);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 120); /* under valgrind */
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *sr_suite_util(void)
{
	Suite *suite = suite_create("util");
	TCase *error = add_case(suite, "error");
	tcase_add_test(error, fail_fills_the_error);
	tcase_add_test(error, fail_texts_are_one_printable_line);
	tcase_add_test(error, codes_have_names);
	tcase_add_test(error, every_reason_has_its_own_word);
	TCase *buf = add_case(suite, "buf");
	tcase_add_test(buf, buffer_grows_and_clears);
	tcase_add_test(buf, buffer_reserve_leaves_the_length);
	tcase_add_test(buf, buffer_failure_is_sticky);
	tcase_add_test(buf, wiping_and_comparing);
	TCase *pack = add_case(suite, "pack");
	tcase_add_test(pack, pack_has_these_bytes);
	tcase_add_test(pack, pack_refuses_what_is_too_long);
	tcase_add_test(pack, unpack_failure_is_sticky);
	tcase_add_test(pack, unpack_number_has_eight_bytes);
	TCase *clock = add_case(suite, "clock");
	tcase_add_test(clock, clock_reads_the_system);
	tcase_add_test(clock, clock_can_be_replaced);
	tcase_add_test(clock, ends);
	tcase_add_test(clock, an_end_is_cut);
	tcase_add_test(clock, delays);
	TCase *header = add_case(suite, "header");
	tcase_add_test(header, function_list_3_0_has_92_calls);
	return suite;
}
