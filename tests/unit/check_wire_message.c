/* src/wire/message.c: frames and the messages that are no calls, as they are written and as a peer may write them. */
#include "tests/unit/suites.h"

#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct sr_buf out;
static struct sr_buf body;
static struct sr_buf message;
static struct sr_assembly assembly;
static struct sr_arena arena;
static enum sr_message_kind kind;
static uint8_t *block;

static void set_up(void)
{
	out = body = message = (struct sr_buf)SR_BUF_INIT;
	assembly = (struct sr_assembly){ 0 };
	arena = (struct sr_arena)SR_ARENA_INIT;
	block = NULL;
}

static void tear_down(void)
{
	free(block);
	sr_arena_clear(&arena);
	sr_assembly_clear(&assembly);
	sr_buf_clear(&out);
	sr_buf_clear(&body);
	sr_buf_clear(&message);
}

/* LEN bytes in a block of their own size, so that a sanitizer sees who reads on. */
static struct sr_in read_from(const void *bytes, size_t len)
{
	free(block);
	sr_arena_clear(&arena);
	block = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(block);
	if (len)
		memcpy(block, bytes, len);
	return (struct sr_in){ block, len, false, &arena };
}

static int take(void)
{
	sr_buf_clear(&message);
	return sr_assembly_take(&assembly, SR_WIRE_BODY_MAX, &message, &kind);
}

static void arrive(const void *bytes, size_t len)
{
	sr_buf_append(&assembly.in, bytes, len);
	ck_assert(!assembly.in.failed);
}

static void put_header(uint32_t len, uint8_t of, uint8_t flags, uint16_t zero)
{
	sr_put_u32(&out, len);
	sr_put_u8(&out, of);
	sr_put_u8(&out, flags);
	sr_put_u16(&out, zero);
}

static void put_zeros(struct sr_buf *to, size_t len)
{
	uint8_t *at = sr_buf_reserve(to, len);
	ck_assert_ptr_nonnull(at);
	memset(at, 0, len);
	to->len += len;
}

/* -- headers --------------------------------------------------------------------------------------------------------
 */
START_TEST(a_header_is_read)
{
	static const uint8_t header[] = { 0, 0, 1, 2, SR_MESSAGE_REQUEST, 0, 0, 0 };
	static const uint8_t full[] = { 0, 0x10, 0, 0, SR_MESSAGE_ANSWER, SR_FRAME_MORE, 0, 0 };
	struct sr_frame frame;
	ck_assert(sr_frame_read(header, &frame));
	ck_assert_uint_eq(frame.len, 0x102);
	ck_assert_int_eq(frame.kind, SR_MESSAGE_REQUEST);
	ck_assert(!frame.more);
	ck_assert(sr_frame_read(full, &frame));
	ck_assert_uint_eq(frame.len, SR_WIRE_FRAME_MAX);
	ck_assert(frame.more);
}
END_TEST

START_TEST(other_headers_are_refused)
{
	static const uint8_t headers[][SR_FRAME_HEADER_LEN] = {
		{ 0, 0, 0, 1, 0, 0, 0, 0 },                              /* no kind */
		{ 0, 0, 0, 1, SR_MESSAGE_KIND_END, 0, 0, 0 },            /* none yet */
		{ 0, 0, 0, 1, 0xff, 0, 0, 0 },                           /* never one */
		{ 0, 0, 0, 1, SR_MESSAGE_REQUEST, 2, 0, 0 },             /* an unknown flag */
		{ 0, 0, 0, 1, SR_MESSAGE_REQUEST, 0x80, 0, 0 },          /* another */
		{ 0, 0, 0, 1, SR_MESSAGE_REQUEST, 0, 1, 0 },             /* not zero */
		{ 0, 0, 0, 1, SR_MESSAGE_REQUEST, 0, 0, 1 },             /* not zero */
		{ 0, 0x10, 0, 1, SR_MESSAGE_REQUEST, 0, 0, 0 },          /* too long */
		{ 0xff, 0xff, 0xff, 0xff, SR_MESSAGE_REQUEST, 0, 0, 0 }, /* much too long */
		{ 0, 0, 0, 0, SR_MESSAGE_REQUEST, SR_FRAME_MORE, 0, 0 }, /* empty, and more follow */
		{ 0, 0, 0, 1, SR_MESSAGE_REQUEST, SR_FRAME_MORE, 0, 0 }, /* short, and more follow */
		{ 0, 0x0f, 0xff, 0xff, SR_MESSAGE_REQUEST, SR_FRAME_MORE, 0, 0 },
	};
	struct sr_frame frame;
	for (size_t i = 0; i < COUNT(headers); i++) {
		ck_assert_msg(!sr_frame_read(headers[i], &frame), "header %zu", i);
		sr_assembly_clear(&assembly);
		arrive(headers[i], sizeof headers[i]);
		ck_assert_int_eq(take(), -1);
	}
}
END_TEST

/* -- messages in pieces ----------------------------------------------------------------------------------------------
 */
START_TEST(byte_by_byte)
{
	sr_buf_text(&body, "hello there");
	sr_frames_put(&out, SR_MESSAGE_HELLO, &body);
	for (size_t i = 0; i < out.len; i++) {
		ck_assert_int_eq(take(), 0);
		ck_assert_uint_ge(sr_assembly_wanted(&assembly), 1);
		ck_assert_uint_le(sr_assembly_wanted(&assembly), out.len - i);
		arrive(out.data + i, 1);
	}
	ck_assert_uint_eq(sr_assembly_wanted(&assembly), 0);
	ck_assert_int_eq(take(), 1);
	ck_assert_int_eq(kind, SR_MESSAGE_HELLO);
	ck_assert_uint_eq(message.len, body.len);
	ck_assert_mem_eq(message.data, body.data, body.len);
	ck_assert_int_eq(take(), 0);
}
END_TEST

START_TEST(two_in_one_read)
{
	sr_buf_text(&body, "first");
	sr_frames_put(&out, SR_MESSAGE_REQUEST, &body);
	sr_buf_text(&body, " second");
	sr_frames_put(&out, SR_MESSAGE_ANSWER, &body);
	arrive(out.data, out.len);
	ck_assert_int_eq(take(), 1);
	ck_assert_int_eq(kind, SR_MESSAGE_REQUEST);
	ck_assert_str_eq(sr_buf_string(&message), "first");
	ck_assert_int_eq(take(), 1);
	ck_assert_int_eq(kind, SR_MESSAGE_ANSWER);
	ck_assert_str_eq(sr_buf_string(&message), "first second");
	ck_assert_int_eq(take(), 0);
}
END_TEST

START_TEST(an_empty_message)
{
	sr_frames_put(&out, SR_MESSAGE_REQUEST, &body);
	ck_assert_uint_eq(out.len, SR_FRAME_HEADER_LEN);
	arrive(out.data, out.len);
	ck_assert_int_eq(take(), 1);
	ck_assert_uint_eq(message.len, 0);
}
END_TEST

/* One byte more or less than whole frames, and the most that there may be. */
START_TEST(in_several_frames)
{
	static const size_t sizes[] = { SR_WIRE_FRAME_MAX - 1, SR_WIRE_FRAME_MAX, SR_WIRE_FRAME_MAX + 1,
		2 * SR_WIRE_FRAME_MAX, SR_WIRE_BODY_MAX };
	size_t frames = (sizes[_i] + SR_WIRE_FRAME_MAX - 1) / SR_WIRE_FRAME_MAX;
	put_zeros(&body, sizes[_i]);
	body.data[sizes[_i] - 1] = 0x5a;
	sr_frames_put(&out, SR_MESSAGE_ANSWER, &body);
	ck_assert_uint_eq(out.len, sizes[_i] + frames * SR_FRAME_HEADER_LEN);
	arrive(out.data, out.len - 1);
	ck_assert_int_eq(take(), 0);
	arrive(out.data + out.len - 1, 1);
	ck_assert_int_eq(take(), 1);
	ck_assert_uint_eq(message.len, sizes[_i]);
	ck_assert_uint_eq(message.data[sizes[_i] - 1], 0x5a);
}
END_TEST

START_TEST(a_frame_of_another_kind_does_not_continue)
{
	put_header(SR_WIRE_FRAME_MAX, SR_MESSAGE_REQUEST, SR_FRAME_MORE, 0);
	put_zeros(&out, SR_WIRE_FRAME_MAX);
	arrive(out.data, out.len);
	ck_assert_int_eq(take(), 0);
	sr_buf_clear(&out);
	put_header(1, SR_MESSAGE_ANSWER, 0, 0);
	arrive(out.data, out.len);
	ck_assert_int_eq(take(), -1);
}
END_TEST

START_TEST(too_much_is_refused)
{
	put_header(17, SR_MESSAGE_HELLO, 0, 0);
	arrive(out.data, out.len);
	ck_assert_int_eq(sr_assembly_take(&assembly, 16, &message, &kind), -1);
	ck_assert_int_eq(sr_assembly_take(&assembly, 17, &message, &kind), 0);
	sr_assembly_clear(&assembly);
	sr_buf_clear(&out);
	put_header(SR_WIRE_FRAME_MAX, SR_MESSAGE_REQUEST, SR_FRAME_MORE, 0);
	put_zeros(&out, SR_WIRE_FRAME_MAX);
	for (size_t at = 0; at < SR_WIRE_BODY_MAX; at += SR_WIRE_FRAME_MAX) {
		arrive(out.data, out.len);
		ck_assert_int_eq(take(), 0);
	}
	arrive(out.data, SR_FRAME_HEADER_LEN); /* the next is not even waited for */
	ck_assert_int_eq(take(), -1);
}
END_TEST

START_TEST(too_much_is_not_written)
{
	put_zeros(&body, SR_WIRE_BODY_MAX + 1);
	sr_frames_put(&out, SR_MESSAGE_ANSWER, &body);
	ck_assert(out.failed);
	ck_assert_uint_eq(out.len, 0);
	sr_buf_clear(&out);
	body.failed = true;
	sr_frames_put(&out, SR_MESSAGE_ANSWER, &body);
	ck_assert(out.failed);
}
END_TEST

/* -- the greeting -----------------------------------------------------------------------------------------------------
 */
static const uint8_t secret[SR_WIRE_SECRET_LEN] = "0123456789abcdef0123456789abcde";

static void put_hello(size_t slots, bool joins)
{
	struct sr_hello hello = { 1, 3, joins ? secret : NULL, 0x4001, 0x2001, slots, { { "", false } } };
	for (size_t i = 0; i < slots; i++)
		hello.slots[i] = (struct sr_hello_slot){ i ? "another" : "deploy", i == 0 };
	sr_hello_put(&body, &hello);
	ck_assert(!body.failed);
}

static void read_hello(struct sr_in *in)
{
	struct sr_hello hello;
	sr_hello_get(in, &hello);
	for (size_t i = 0; !in->failed && i < hello.slot_count; i++)
		ck_assert_uint_le(strlen(hello.slots[i].name), body.len);
}

static void read_welcome(struct sr_in *in)
{
	struct sr_welcome welcome;
	sr_welcome_get(in, &welcome);
	ck_assert(in->failed || welcome.slot_count <= SR_WIRE_SLOTS_MAX);
	ck_assert(in->failed || strlen(welcome.vault) <= body.len);
}

static void read_error(struct sr_in *in)
{
	struct sr_error told = SR_ERROR_INIT;
	sr_error_get(in, &told);
	ck_assert(memchr(told.text, '\0', sizeof told.text));
}

/* Cut at each byte, and each byte changed. */
static void attack(void (*reads)(struct sr_in *in))
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	for (size_t len = 0; len < body.len; len++) {
		struct sr_in in = read_from(body.data, len);
		reads(&in);
		ck_assert_msg(in.failed, "%zu of %zu bytes are a message", len, body.len);
	}
	for (size_t i = 0; i < body.len; i++) {
		for (size_t j = 0; j < COUNT(values); j++) {
			struct sr_in in = read_from(body.data, body.len);
			in.at[i] = values[j];
			reads(&in);
		}
	}
}

START_TEST(a_hello)
{
	struct sr_hello hello;
	put_hello(2, false);
	struct sr_in in = read_from(body.data, body.len);
	sr_hello_get(&in, &hello);
	ck_assert(!in.failed);
	ck_assert_uint_eq(hello.version_min, 1);
	ck_assert_uint_eq(hello.version_max, 3);
	ck_assert_ptr_null(hello.secret);
	ck_assert_uint_eq(hello.first_session, 0x4001);
	ck_assert_uint_eq(hello.first_object, 0x2001);
	ck_assert_uint_eq(hello.slot_count, 2);
	ck_assert_str_eq(hello.slots[0].name, "deploy");
	ck_assert(hello.slots[0].offered && !hello.slots[1].offered);
	ck_assert_str_eq(hello.slots[1].name, "another");
	attack(read_hello);
}
END_TEST

START_TEST(a_hello_of_something_else)
{
	struct sr_hello hello;
	put_hello(1, false);
	struct sr_in in = read_from(body.data, body.len);
	in.at[_i] ^= 1;
	sr_hello_get(&in, &hello);
	ck_assert(in.failed);
}
END_TEST

START_TEST(a_hello_that_joins)
{
	struct sr_hello hello;
	put_hello(0, true);
	struct sr_in in = read_from(body.data, body.len);
	sr_hello_get(&in, &hello);
	ck_assert(!in.failed);
	ck_assert_mem_eq(hello.secret, secret, sizeof secret);
	attack(read_hello);
}
END_TEST

static void ck_no_hello(void)
{
	struct sr_hello hello;
	struct sr_in in = read_from(body.data, body.len);
	sr_hello_get(&in, &hello);
	ck_assert(in.failed);
}

/* The default slot, which is not told, is the thirty-third. */
START_TEST(a_hello_has_32_slots)
{
	struct sr_hello hello;
	put_hello(SR_WIRE_SLOTS_MAX - 1, false);
	struct sr_in in = read_from(body.data, body.len);
	sr_hello_get(&in, &hello);
	ck_assert(!in.failed);
	ck_assert_uint_eq(hello.slot_count, 32);
	sr_buf_clear(&body);
	put_hello(SR_WIRE_SLOTS_MAX, false);
	ck_no_hello();
}
END_TEST

START_TEST(other_hellos_are_refused)
{
	put_hello(1, false);
	sr_put_u8(&body, 0);
	ck_no_hello(); /* something follows */
	sr_buf_clear(&body);
	put_hello(1, false);
	memcpy(memmem(body.data, body.len, "deploy", 6), "dep\0oy", 6);
	ck_no_hello(); /* a NUL in a name */
	sr_buf_clear(&body);
	sr_buf_text(&body, "GET / HTTP/1.1\r\n\r\n");
	ck_no_hello();
}
END_TEST

static void put_welcome(size_t slots)
{
	struct sr_welcome welcome = { .version = 1, .vault = "a-vault", .slot_count = slots };
	memcpy(welcome.secret, secret, sizeof secret);
	for (size_t i = 0; i < slots; i++)
		welcome.slots[i] = 70 + i;
	sr_welcome_put(&body, &welcome);
	ck_assert(!body.failed);
}

START_TEST(a_welcome)
{
	struct sr_welcome welcome;
	put_welcome(3);
	struct sr_in in = read_from(body.data, body.len);
	sr_welcome_get(&in, &welcome);
	ck_assert(!in.failed);
	ck_assert_uint_eq(welcome.version, 1);
	ck_assert_mem_eq(welcome.secret, secret, sizeof secret);
	ck_assert_str_eq(welcome.vault, "a-vault");
	ck_assert_uint_eq(welcome.slot_count, 3);
	ck_assert_uint_eq(welcome.slots[2], 72);
	attack(read_welcome);
}
END_TEST

START_TEST(a_welcome_has_33_slots)
{
	struct sr_welcome welcome;
	put_welcome(SR_WIRE_SLOTS_MAX);
	struct sr_in in = read_from(body.data, body.len);
	sr_welcome_get(&in, &welcome);
	ck_assert(!in.failed);
	uint8_t *count = (uint8_t *)body.data + body.len - 8 * SR_WIRE_SLOTS_MAX - 1;
	ck_assert_uint_eq(*count, SR_WIRE_SLOTS_MAX);
	(*count)++;
	sr_put_u64(&body, 103);
	in = read_from(body.data, body.len);
	sr_welcome_get(&in, &welcome);
	ck_assert(in.failed);
}
END_TEST

/* -- failures ---------------------------------------------------------------------------------------------------------
 */
START_TEST(a_failure)
{
	struct sr_error err = SR_ERROR_INIT, told = SR_ERROR_INIT;
	sr_fail(&err, CKR_PIN_INCORRECT, SR_REASON_OUT_OF_SCOPE, "a line");
	sr_error_put(&body, &err);
	struct sr_in in = read_from(body.data, body.len);
	sr_error_get(&in, &told);
	ck_assert(!in.failed && !in.left);
	ck_assert_uint_eq(told.rv, err.rv);
	ck_assert_uint_eq(told.reason, err.reason);
	ck_assert_str_eq(told.text, "a line");
	attack(read_error);
}
END_TEST

/* A terminal is not written to by a peer. */
START_TEST(the_line_of_a_failure_is_cut_and_clean)
{
	struct sr_error told = SR_ERROR_INIT;
	char line[1001];
	memset(line, 'x', sizeof line);
	line[0] = '\033';
	line[1000] = '\0';
	sr_put_ulong(&body, CKR_GENERAL_ERROR);
	sr_put_ulong(&body, SR_REASON_INTERNAL);
	sr_put_text(&body, line);
	struct sr_in in = read_from(body.data, body.len);
	sr_error_get(&in, &told);
	ck_assert(!in.failed);
	ck_assert_uint_eq(strlen(told.text), SR_ERROR_TEXT_MAX - 1);
	ck_assert_int_eq(told.text[0], '?');
}
END_TEST

Suite *sr_suite_wire_message(void)
{
	Suite *suite = suite_create("wire_message");
	TCase *tcase = tcase_create("all");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_header_is_read);
	tcase_add_test(tcase, other_headers_are_refused);
	tcase_add_test(tcase, byte_by_byte);
	tcase_add_test(tcase, two_in_one_read);
	tcase_add_test(tcase, an_empty_message);
	tcase_add_loop_test(tcase, in_several_frames, 0, 5);
	tcase_add_test(tcase, a_frame_of_another_kind_does_not_continue);
	tcase_add_test(tcase, too_much_is_refused);
	tcase_add_test(tcase, too_much_is_not_written);
	tcase_add_test(tcase, a_hello);
	tcase_add_loop_test(tcase, a_hello_of_something_else, 0, 8);
	tcase_add_test(tcase, a_hello_that_joins);
	tcase_add_test(tcase, a_hello_has_32_slots);
	tcase_add_test(tcase, other_hellos_are_refused);
	tcase_add_test(tcase, a_welcome);
	tcase_add_test(tcase, a_welcome_has_33_slots);
	tcase_add_test(tcase, a_failure);
	tcase_add_test(tcase, the_line_of_a_failure_is_cut_and_clean);
	suite_add_tcase(suite, tcase);
	return suite;
}
