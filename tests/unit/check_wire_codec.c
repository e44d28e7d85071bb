/* src/wire/codec.c: numbers, texts and byte strings, and what is refused of them. */
#include "tests/unit/suites.h"

#include "wire/codec.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define MAX 16u

static struct sr_buf out;
static struct sr_arena arena;
static uint8_t *block;

static void set_up(void)
{
	out = (struct sr_buf)SR_BUF_INIT;
	arena = (struct sr_arena)SR_ARENA_INIT;
	block = NULL;
}

static void tear_down(void)
{
	free(block);
	sr_arena_clear(&arena);
	sr_buf_clear(&out);
}

/* LEN bytes in a block of their own size, so that a sanitizer sees who reads on. */
static struct sr_in read_from(const void *bytes, size_t len)
{
	free(block);
	block = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(block);
	if (len)
		memcpy(block, bytes, len);
	return (struct sr_in){ block, len, false, &arena };
}

static struct sr_in read_back(void)
{
	ck_assert(!out.failed);
	return read_from(out.data, out.len);
}

/* -- numbers ------------------------------------------------------------------------------------------------------ */
START_TEST(numbers_are_big_endian)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	sr_put_u8(&out, 0x01);
	sr_put_u16(&out, 0x0203);
	sr_put_u32(&out, 0x04050607);
	sr_put_u64(&out, 0x08090a0b0c0d0e0f);
	ck_assert_uint_eq(out.len, sizeof bytes);
	ck_assert_mem_eq(out.data, bytes, sizeof bytes);
	struct sr_in in = read_back();
	ck_assert_uint_eq(sr_get_u8(&in), 0x01);
	ck_assert_uint_eq(sr_get_u16(&in), 0x0203);
	ck_assert_uint_eq(sr_get_u32(&in), 0x04050607);
	ck_assert_uint_eq(sr_get_u64(&in), 0x08090a0b0c0d0e0f);
	ck_assert(!in.failed && !in.left);
}
END_TEST

START_TEST(failure_is_sticky)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct sr_in in = read_from(bytes, sizeof bytes);
	ck_assert_uint_eq(sr_get_u32(&in), 0);
	ck_assert(in.failed);
	ck_assert_uint_eq(in.left, 3);
	ck_assert_uint_eq(sr_get_u8(&in), 0);
	ck_assert_uint_eq(sr_get_u16(&in), 0);
	ck_assert_uint_eq(sr_get_u64(&in), 0);
	ck_assert_uint_eq(sr_get_ulong(&in), 0);
	ck_assert_ptr_null(sr_get_raw(&in, 0));
	ck_assert_ptr_null(sr_get_text(&in));
	in = read_from(bytes, sizeof bytes);
	ck_assert_ptr_null(sr_get_raw(&in, SIZE_MAX));
	ck_assert(in.failed);
}
END_TEST

START_TEST(a_ulong_has_any_width)
{
	static const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	sr_put_ulong(&out, CK_UNAVAILABLE_INFORMATION);
	ck_assert_uint_eq(out.len, sizeof ones);
	ck_assert_mem_eq(out.data, ones, sizeof ones);
	sr_put_ulong(&out, 0x01020304);
	sr_put_u64(&out, UINT64_MAX - 1);
	struct sr_in in = read_back();
	ck_assert_uint_eq(sr_get_ulong(&in), CK_UNAVAILABLE_INFORMATION);
	ck_assert_uint_eq(sr_get_ulong(&in), 0x01020304);
	CK_ULONG last = sr_get_ulong(&in);
	if (sizeof(CK_ULONG) == 8)
		ck_assert(!in.failed && last == (CK_ULONG)(UINT64_MAX - 1));
	else
		ck_assert(in.failed && !last);
}
END_TEST

/* -- texts -------------------------------------------------------------------------------------------------------- */
START_TEST(texts)
{
	sr_put_text(&out, "");
	sr_put_text(&out, "a text");
	struct sr_in in = read_back();
	ck_assert_str_eq(sr_get_text(&in), "");
	ck_assert_str_eq(sr_get_text(&in), "a text");
	ck_assert(!in.failed && !in.left);
	for (size_t len = 2; len < out.len; len++) {
		in = read_from(out.data, len);
		sr_get_text(&in);
		ck_assert_ptr_null(sr_get_text(&in));
		ck_assert(in.failed);
	}
}
END_TEST

START_TEST(texts_that_are_none)
{
	struct sr_in in = read_from("\0\3a\0b", 5);
	ck_assert_ptr_null(sr_get_text(&in));
	ck_assert(in.failed);
	char *lengthy = calloc(1, UINT16_MAX + 2);
	ck_assert_ptr_nonnull(lengthy);
	memset(lengthy, 'x', UINT16_MAX);
	sr_put_text(&out, lengthy);
	ck_assert(!out.failed);
	lengthy[UINT16_MAX] = 'x';
	sr_put_text(&out, lengthy);
	ck_assert(out.failed);
	free(lengthy);
}
END_TEST

/* -- byte strings ------------------------------------------------------------------------------------------------- */
START_TEST(bytes_stay_what_they_were)
{
	static const uint8_t bytes[MAX + 1] = "0123456789abcdef";
	static const struct {
		const void *at;
		CK_ULONG len;
	} rows[] = { { bytes, MAX }, { bytes, 1 }, { bytes, 0 }, { NULL, 0 }, { NULL, 7 }, { NULL, ~0UL } };
	for (size_t i = 0; i < COUNT(rows); i++)
		sr_put_bytes(&out, rows[i].at, rows[i].len, MAX);
	struct sr_in in = read_back();
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_ULONG len = 99;
		const uint8_t *at = sr_get_bytes(&in, &len, MAX);
		ck_assert_uint_eq(len, rows[i].len);
		ck_assert_int_eq(!at, !rows[i].at);
		if (at)
			ck_assert_mem_eq(at, bytes, len);
	}
	ck_assert(!in.failed && !in.left);
}
END_TEST

START_TEST(bytes_over_the_limit_are_a_length)
{
	static const uint8_t bytes[MAX + 1] = { 1 };
	CK_ULONG len;
	sr_put_bytes(&out, bytes, MAX + 1, MAX);
	sr_put_bytes(&out, bytes, ~0UL, MAX);
	ck_assert_uint_eq(out.len, 2 * (1 + 8));
	struct sr_in in = read_back();
	const uint8_t *zeros = sr_get_bytes(&in, &len, MAX);
	ck_assert_ptr_nonnull(zeros);
	ck_assert_uint_eq(len, MAX + 1);
	ck_assert_uint_eq(zeros[0], 0);
	ck_assert_uint_eq(zeros[SR_WITHHELD_LEN - 1], 0);
	ck_assert_ptr_eq(sr_get_bytes(&in, &len, MAX), zeros);
	ck_assert_uint_eq(len, SR_WITHHELD_LEN);
	ck_assert(!in.failed && !in.left);
}
END_TEST

/* Forms: 0 NULL, 1 bytes, 2 withheld. */
START_TEST(bytes_that_are_forged)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "", 0 },
		{ "\3\0\0\0\0\0\0\0\1", 9 },
		{ "\0\0\0\0\0\0\0\0", 8 },
		{ "\1\0\0\0\2x", 6 },                       /* more than is there */
		{ "\1\xff\xff\xff\xffx", 6 },               /* and much more */
		{ "\1\0\0\0\x11xxxxxxxxxxxxxxxxxxxx", 25 }, /* over the limit */
		{ "\2\0\0\0\0\0\0\0\x10", 9 },              /* would have been sent */
		{ "\2\0\0\0\0\0\0\0", 8 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_ULONG len;
		struct sr_in in = read_from(rows[i].bytes, rows[i].len);
		sr_get_bytes(&in, &len, MAX);
		ck_assert_msg(in.failed, "row %zu", i);
	}
}
END_TEST

/* -- the arena ---------------------------------------------------------------------------------------------------- */
START_TEST(memory_is_zero_and_aligned)
{
	static const size_t sizes[] = { 0, 1, 17, 4096, 200u << 10 };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint8_t *at = sr_arena_take(&arena, sizes[i]);
		ck_assert_ptr_nonnull(at);
		ck_assert_uint_eq((uintptr_t)at % alignof(max_align_t), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			ck_assert_uint_eq(at[j], 0);
		memset(at, 0xff, sizes[i]);
	}
	sr_arena_clear(&arena);
	ck_assert(!arena.blocks && !arena.failed && arena.left == SR_ARENA_MAX);
}
END_TEST

START_TEST(memory_has_an_end)
{
	ck_assert_ptr_null(sr_arena_take(&arena, SIZE_MAX));
	ck_assert(arena.failed);
	ck_assert_ptr_null(sr_arena_take(&arena, 1));
	sr_arena_clear(&arena);
	ck_assert_ptr_nonnull(sr_arena_take(&arena, SR_ARENA_MAX / 2));
	ck_assert_ptr_null(sr_arena_take(&arena, SR_ARENA_MAX / 2));
	ck_assert(arena.failed);
	struct sr_in in = read_from("\0\1a", 3);
	ck_assert_ptr_null(sr_get_text(&in));
	ck_assert(in.failed);
}
END_TEST

/* Of all requests together: of large pieces, which are given back with them. */
START_TEST(memory_of_all_has_an_end)
{
	static struct sr_arena arenas[SR_ARENAS_MAX / SR_ARENA_MAX];
	const size_t count = COUNT(arenas), most = SR_ARENA_MAX - 4096;
	atomic_size_t shared = 0;
	for (size_t i = 0; i < count; i++) {
		arenas[i] = (struct sr_arena)SR_ARENA_INIT;
		arenas[i].shared = &shared;
		ck_assert_ptr_nonnull(sr_arena_take(&arenas[i], most));
	}
	arena.shared = &shared;
	ck_assert_ptr_nonnull(sr_arena_take(&arena, 4096));
	ck_assert_ptr_null(sr_arena_take(&arena, most));
	ck_assert(arena.failed);
	sr_arena_clear(&arena);
	sr_arena_clear(&arenas[0]);
	arena.shared = &shared;
	ck_assert_ptr_nonnull(sr_arena_take(&arena, most));
	sr_arena_clear(&arena);
	for (size_t i = 0; i < count; i++)
		sr_arena_clear(&arenas[i]);
	ck_assert_uint_eq(shared, 0);
}
END_TEST

Suite *sr_suite_wire_codec(void)
{
	Suite *suite = suite_create("wire_codec");
	TCase *tcase = tcase_create("codec");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, numbers_are_big_endian);
	tcase_add_test(tcase, failure_is_sticky);
	tcase_add_test(tcase, a_ulong_has_any_width);
	tcase_add_test(tcase, texts);
	tcase_add_test(tcase, texts_that_are_none);
	tcase_add_test(tcase, bytes_stay_what_they_were);
	tcase_add_test(tcase, bytes_over_the_limit_are_a_length);
	tcase_add_test(tcase, bytes_that_are_forged);
	tcase_add_test(tcase, memory_is_zero_and_aligned);
	tcase_add_test(tcase, memory_has_an_end);
	tcase_add_test(tcase, memory_of_all_has_an_end);
	suite_add_tcase(suite, tcase);
	return suite;
}
