/* src/wire/server.c over calls that touch whatever they get: what arrives is what was asked, and nothing that a client
 * sends makes the server read or write where it must not. */
#include "tests/unit/suites.h"

#include "tests/unit/fake_calls.h"
#include "tests/unit/wire_rows.h"
#include "wire/argument.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SESSION 0x4001u

static struct sr_buf question;
static struct sr_buf answer;
static struct sr_arena arena;
static uint8_t *block;
static size_t block_size;
static const struct sr_peer peer = { .kind = SR_PEER_UNIX };

static void set_up(void)
{
	question = answer = (struct sr_buf)SR_BUF_INIT;
	arena = (struct sr_arena)SR_ARENA_INIT;
	block = NULL;
	block_size = 0;
	sr_row_nulls(0);
	sr_fake_reset();
}

static void tear_down(void)
{
	free(block);
	sr_row_end();
	sr_arena_clear(&arena);
	sr_buf_clear(&question);
	sr_buf_clear(&answer);
}

static void ask_again(void)
{
	sr_buf_clear(&question);
	sr_row_end();
}

/* The first LEN bytes of the question in a block of their own size; AT of them is replaced. */
static bool serve_changed(size_t len, size_t at, const void *with, size_t with_len)
{
	if (block_size != len) {
		free(block);
		block = malloc(len ? len : 1);
		ck_assert_ptr_nonnull(block);
		block_size = len;
	}
	if (len)
		memcpy(block, question.data, len);
	if (with_len)
		memcpy(block + at, with, with_len);
	struct sr_buf request = { .data = block, .len = len, .cap = len };
	sr_buf_clear(&answer);
	return sr_serve(&sr_fake_service, NULL, &peer, &request, &answer);
}

static bool serve(void)
{
	ck_assert(!question.failed);
	return serve_changed(question.len, 0, NULL, 0);
}

static struct sr_in read_answer(void)
{
	sr_arena_clear(&arena);
	return (struct sr_in){ answer.data, answer.len, false, &arena };
}

/* The code of an answer; IN stands behind it. */
static CK_RV code_of(struct sr_in *in)
{
	struct sr_error told = SR_ERROR_INIT;
	sr_error_get(in, &told);
	ck_assert(!in->failed);
	return told.rv;
}

static void ck_well_formed(void)
{
	struct sr_in in = read_answer();
	ck_assert(!answer.failed && answer.len && answer.len <= SR_WIRE_BODY_MAX);
	ck_assert_uint_eq(code_of(&in), sr_fake.rv);
}

/* -- what arrives ---------------------------------------------------------------------------------------------------
 */
/* Made directly and over the wire, a call sees the same. */
static void ck_arrives(unsigned id, unsigned nulls)
{
	ask_again();
	sr_row_nulls(nulls);
	sr_row_call(id, &sr_fake_calls, NULL, SESSION);
	struct sr_fake direct = sr_fake;
	sr_fake_reset();
	sr_row_request(id, SESSION, &question);
	ck_assert_msg(serve(), "%s, NULLs %x", sr_call_rows[id].name, nulls);
	ck_well_formed();
	ck_assert_uint_eq(sr_fake.calls, 1);
	ck_assert_uint_eq(sr_fake.last, id);
	ck_assert_uint_eq(sr_fake.session, direct.session);
	ck_assert_uint_eq(sr_fake.pointers, direct.pointers);
	ck_assert_msg(
		sr_fake.nulls == nulls, "%s: NULLs %x have become %x", sr_call_rows[id].name, nulls, sr_fake.nulls);
	ck_assert_msg(sr_fake.seen == direct.seen, "%s saw something else, NULLs %x", sr_call_rows[id].name, nulls);
}

START_TEST(a_call_sees_what_was_asked)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (sr_row_has(id))
			ck_arrives(id, 0);
	}
}
END_TEST

START_TEST(null_stays_null)
{
	unsigned cases = 0;
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		ck_arrives(id, 0);
		unsigned all = 1u << sr_fake.pointers;
		for (unsigned nulls = 1; nulls < all; nulls++, cases++)
			ck_arrives(id, nulls);
	}
	ck_assert_uint_gt(cases, 300);
}
END_TEST

static void ck_row_exists(unsigned id)
{
	bool ours = sr_call_rows[id].where == SR_WHERE_MODULE || sr_call_rows[id].where == SR_WHERE_PARALLEL;
	ck_assert_int_eq(sr_row_has(id), !ours);
	if (!ours)
		return;
	ask_again();
	sr_row_request(id, SESSION, &question);
	ck_assert_msg(!serve(), "%s is no call for a server", sr_call_rows[id].name);
	sr_buf_clear(&question);
	sr_put_u16(&question, (uint16_t)id);
	sr_put_ulong(&question, SESSION);
	sr_put_u8(&question, SR_OFFER_NONE);
	ck_assert_msg(!serve(), "%s is no call for a server", sr_call_rows[id].name);
	ck_assert_uint_eq(sr_fake.calls, 0);
}

START_TEST(what_the_module_answers_is_refused)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++)
		ck_row_exists(id);
}
END_TEST

START_TEST(unknown_numbers_are_refused)
{
	static const uint16_t numbers[] = { SR_CALL_COUNT, SR_CALL_COUNT + 1, 0xff, SR_WIRE_CALL_END, 0x7fff, 0xffff };
	for (size_t i = 0; i < COUNT(numbers); i++) {
		sr_buf_clear(&question);
		sr_put_u16(&question, numbers[i]);
		sr_put_ulong(&question, SESSION);
		sr_put_u8(&question, SR_OFFER_NONE);
		ck_assert_msg(!serve(), "number %x", numbers[i]);
	}
	sr_buf_clear(&question);
	ck_assert(!serve());
}
END_TEST

/* -- what comes back ------------------------------------------------------------------------------------------------
 */
START_TEST(a_failure_brings_its_reason_and_nothing_else)
{
	sr_fake.rv = CKR_KEY_HANDLE_INVALID;
	sr_fail(&sr_fake.last_error, CKR_KEY_HANDLE_INVALID, SR_REASON_OUT_OF_SCOPE, "not yours");
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		struct sr_error told = SR_ERROR_INIT;
		if (!sr_row_has(id))
			continue;
		ask_again();
		sr_row_request(id, SESSION, &question);
		ck_assert(serve());
		struct sr_in in = read_answer();
		sr_error_get(&in, &told);
		ck_assert(!in.failed);
		ck_assert_uint_eq(told.rv, CKR_KEY_HANDLE_INVALID);
		ck_assert_uint_eq(told.reason, SR_REASON_OUT_OF_SCOPE);
		ck_assert_str_eq(told.text, "not yours");
	}
}
END_TEST

START_TEST(the_reason_of_another_call_is_not_told)
{
	struct sr_error told = SR_ERROR_INIT;
	sr_fake.rv = CKR_DATA_INVALID;
	sr_fail(&sr_fake.last_error, CKR_KEY_HANDLE_INVALID, SR_REASON_OUT_OF_SCOPE, "of another call");
	sr_row_request(SR_ID_C_Sign, SESSION, &question);
	ck_assert(serve());
	struct sr_in in = read_answer();
	sr_error_get(&in, &told);
	ck_assert_uint_eq(told.rv, CKR_DATA_INVALID);
	ck_assert_uint_eq(told.reason, SR_REASON_NONE);
	ck_assert_str_eq(told.text, "");
}
END_TEST

/* A length that a failed call left is told, its bytes are not: they may be of anything. */
START_TEST(a_failed_call_gives_no_bytes)
{
	CK_ULONG len = 20;
	uint8_t room[20];
	sr_fake.rv = CKR_BUFFER_TOO_SMALL;
	sr_row_request(SR_ID_C_SignFinal, SESSION, &question);
	ck_assert(serve());
	struct sr_in in = read_answer();
	ck_assert_uint_eq(code_of(&in), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(sr_get_ulong(&in), 20);
	ck_assert_uint_eq(sr_get_u8(&in), 0);
	ck_assert(!in.failed && !in.left);
	sr_fake.rv = CKR_OK;
	ck_assert(serve());
	in = read_answer();
	ck_assert_uint_eq(code_of(&in), CKR_OK);
	sr_get_output(&in, room, &len, CKR_OK);
	ck_assert(!in.failed && !in.left);
	ck_assert_uint_eq(len, 20);
	ck_assert_uint_eq(room[19], 0x5a);
}
END_TEST

/* -- requests that nobody writes --------------------------------------------------------------------------------------
 */
/* Each is refused, or answered as it should be. */
static void ck_survives(size_t len, size_t at, const void *with, size_t with_len)
{
	if (serve_changed(len, at, with, with_len))
		ck_well_formed();
}

static void cut(const char *name)
{
	for (size_t len = 0; len < question.len; len++)
		ck_assert_msg(
			!serve_changed(len, 0, NULL, 0), "%s: %zu of %zu bytes are a request", name, len, question.len);
}

static void change_bytes(void)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	for (size_t at = 0; at < question.len; at++) {
		for (size_t i = 0; i < COUNT(values); i++)
			ck_survives(question.len, at, &values[i], 1);
	}
}

/* Any four or eight bytes may be a length, so all of them are taken for one. */
static void change_lengths(void)
{
	static const uint8_t values[][8] = { { 0 }, { 0, 0, 0, 0, 0, 0, 0, 1 }, { 0, 0, 0, 0, 1, 0, 0, 0 },
		{ 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const uint8_t short_values[][4] = { { 0 }, { 0, 0, 0, 1 }, { 1, 0, 0, 0 }, { 0x7f, 0xff, 0xff, 0xff },
		{ 0xff, 0xff, 0xff, 0xff } };
	for (size_t i = 0; i < COUNT(values); i++) {
		for (size_t at = 0; at + 8 <= question.len; at++)
			ck_survives(question.len, at, values[i], 8);
	}
	for (size_t i = 0; i < COUNT(short_values); i++) {
		for (size_t at = 0; at + 4 <= question.len; at++)
			ck_survives(question.len, at, short_values[i], 4);
	}
}

START_TEST(a_cut_request_is_none)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		ask_again();
		sr_row_request(id, SESSION, &question);
		cut(sr_call_rows[id].name);
	}
}
END_TEST

START_TEST(a_changed_request_hurts_nobody)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		ask_again();
		sr_row_request(id, SESSION, &question);
		change_bytes();
		change_lengths();
	}
}
END_TEST

START_TEST(a_changed_request_that_fails_hurts_nobody)
{
	static const CK_RV codes[] = { CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE, CKR_GENERAL_ERROR };
	sr_fake.rv = codes[_i];
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		ask_again();
		sr_row_request(id, SESSION, &question);
		change_bytes();
	}
}
END_TEST

/* -- large rooms ------------------------------------------------------------------------------------------------------
 */
static void ask_room(CK_ULONG asked)
{
	sr_put_u16(&question, SR_ID_C_SignFinal);
	sr_put_ulong(&question, SESSION);
	sr_put_u8(&question, SR_OFFER_NONE);
	sr_put_room(&question, "there", &asked);
}

START_TEST(a_room_is_never_more_than_an_answer_holds)
{
	static const CK_ULONG asked[] = { SR_WIRE_ROOM_MAX, SR_WIRE_ROOM_MAX + 1, CK_UNAVAILABLE_INFORMATION - 1,
		CK_UNAVAILABLE_INFORMATION };
	for (size_t i = 0; i < COUNT(asked); i++) {
		sr_buf_clear(&question);
		ask_room(asked[i]);
		ck_assert(serve());
		ck_well_formed();
	}
}
END_TEST

/* Four calls share the memory of one request. */
START_TEST(rooms_have_a_bound_together)
{
	ask_room(SR_WIRE_ROOM_MAX);
	ask_room(SR_WIRE_ROOM_MAX);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.calls, 2);
	ask_room(SR_WIRE_ROOM_MAX);
	ck_assert(!serve());
	ck_assert_uint_eq(sr_fake.calls, 4); /* two of the first request, two of the second */
}
END_TEST

/* -- several calls in one request
 * -------------------------------------------------------------------------------------- */
START_TEST(calls_are_answered_in_turn)
{
	for (unsigned i = 0; i < SR_WIRE_CALLS_MAX; i++)
		sr_row_request(SR_ID_C_MessageSignFinal, SESSION, &question);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.calls, SR_WIRE_CALLS_MAX);
	struct sr_in in = read_answer();
	for (unsigned i = 0; i < SR_WIRE_CALLS_MAX; i++)
		ck_assert_uint_eq(code_of(&in), CKR_OK);
	ck_assert_uint_eq(in.left, 0);
}
END_TEST

START_TEST(the_first_that_fails_is_the_last)
{
	sr_fake.rv = CKR_OPERATION_NOT_INITIALIZED;
	sr_row_request(SR_ID_C_MessageSignFinal, SESSION, &question);
	sr_row_request(SR_ID_C_MessageSignFinal, SESSION, &question);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.calls, 1);
	struct sr_in in = read_answer();
	ck_assert_uint_eq(code_of(&in), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_uint_eq(in.left, 0);
}
END_TEST

START_TEST(more_calls_are_refused)
{
	for (unsigned i = 0; i <= SR_WIRE_CALLS_MAX; i++)
		sr_row_request(SR_ID_C_MessageSignFinal, SESSION, &question);
	ck_assert(!serve());
	ck_assert_uint_eq(sr_fake.calls, SR_WIRE_CALLS_MAX);
}
END_TEST

START_TEST(what_follows_a_call_is_a_call)
{
	sr_row_request(SR_ID_C_MessageSignFinal, SESSION, &question);
	sr_put_u8(&question, 0);
	ck_assert(!serve());
}
END_TEST

/* -- what a call brings of its slot's token
 * ---------------------------------------------------------------------------- */
static void ask_offering(uint8_t state)
{
	sr_put_u16(&question, SR_ID_C_Logout);
	sr_put_ulong(&question, SESSION);
	sr_put_u8(&question, state);
}

START_TEST(a_token_arrives)
{
	ask_offering(SR_OFFER_TOKEN);
	sr_put_u64(&question, 7);
	sr_put_bytes(&question, "srt_x", 5, SR_OFFER_MAX);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.offers, 1);
	ck_assert_uint_eq(sr_fake.offer.generation, 7);
	ck_assert_uint_eq(sr_fake.offer.len, 5);
	cut("an offer");
	change_bytes();
	change_lengths();
}
END_TEST

START_TEST(an_unreadable_token_arrives)
{
	ask_offering(SR_OFFER_UNREADABLE);
	sr_put_text(&question, "no such file");
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.offers, 1);
	ck_assert_ptr_null(sr_fake.offer.pin);
	ck_assert_uint_eq(sr_fake.offer.len, 0);
	cut("why there is no offer");
	change_bytes();
}
END_TEST

START_TEST(other_offers_are_refused)
{
	static const uint8_t states[] = { SR_OFFER_UNREADABLE + 1, 0x7f, 0xff };
	static uint8_t longer[SR_OFFER_MAX + 1];
	for (size_t i = 0; i < COUNT(states); i++) {
		sr_buf_clear(&question);
		ask_offering(states[i]);
		sr_put_u64(&question, 7);
		sr_put_bytes(&question, "srt_x", 5, SR_OFFER_MAX);
		ck_assert_msg(!serve(), "state %u", states[i]);
	}
	sr_buf_clear(&question);
	ask_offering(SR_OFFER_TOKEN);
	sr_put_u64(&question, 7);
	sr_put_bytes(&question, longer, sizeof longer, sizeof longer);
	ck_assert(!serve());
	sr_buf_clear(&question);
	ask_offering(SR_OFFER_TOKEN);
	sr_put_u64(&question, 7);
	sr_put_bytes(&question, NULL, 5, SR_OFFER_MAX);
	ck_assert(!serve());
	sr_buf_clear(&question);
	ask_offering(SR_OFFER_TOKEN);
	sr_put_u64(&question, 7);
	sr_put_bytes(&question, longer, sizeof longer, SR_OFFER_MAX); /* its length alone */
	ck_assert(!serve());
	ck_assert_uint_eq(sr_fake.calls, 0);
}
END_TEST

/* -- the calls of the wire itself
 * ---------------------------------------------------------------------------------------- */
static void ask_wire(uint16_t number)
{
	sr_put_u16(&question, number);
	sr_put_ulong(&question, SESSION);
	sr_put_u8(&question, SR_OFFER_NONE);
}

START_TEST(whether_it_waits)
{
	ask_wire(SR_WIRE_WAITS);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.session, SESSION);
	struct sr_in in = read_answer();
	ck_assert_uint_eq(code_of(&in), CKR_OK);
	ck_assert_uint_eq(sr_get_u8(&in), 1);
	ck_assert(!in.failed && !in.left);
	cut("waits");
	change_bytes();
}
END_TEST

static void serve_counted(struct sr_outcomes *outcomes)
{
	struct sr_service service = sr_fake_service;
	service.outcomes = outcomes;
	sr_buf_clear(&answer);
	ck_assert(sr_serve(&service, NULL, &peer, &question, &answer));
	ask_again();
}

START_TEST(outcomes_are_counted)
{
	static const struct {
		CK_RV rv;
		unsigned long ok, refused, failed;
	} rows[] = { { CKR_OK, 1, 0, 0 }, { CKR_PIN_INCORRECT, 0, 1, 0 }, { CKR_BUFFER_TOO_SMALL, 0, 1, 0 },
		{ CKR_FUNCTION_FAILED, 0, 1, 0 }, { CKR_DEVICE_ERROR, 0, 0, 1 }, { CKR_DEVICE_MEMORY, 0, 0, 1 },
		{ CKR_DEVICE_REMOVED, 0, 0, 1 }, { CKR_HOST_MEMORY, 0, 0, 1 }, { CKR_GENERAL_ERROR, 0, 0, 1 } };
	struct sr_outcomes outcomes = { 0 };
	for (size_t i = 0; i < COUNT(rows); i++) {
		outcomes = (struct sr_outcomes){ 0 };
		sr_fake.rv = rows[i].rv;
		sr_row_request(SR_ID_C_Logout, SESSION, &question);
		serve_counted(&outcomes);
		ck_assert_msg(outcomes.ok == rows[i].ok && outcomes.refused == rows[i].refused &&
				      outcomes.failed == rows[i].failed && outcomes.waited == 0,
			"%s", sr_rv_name(rows[i].rv));
	}
	outcomes = (struct sr_outcomes){ 0 };
	sr_fake.rv = CKR_OK;
	ask_wire(SR_WIRE_WAITS);
	serve_counted(&outcomes);
	ck_assert(outcomes.ok == 1 && outcomes.waited == 1);
}
END_TEST

START_TEST(a_session_is_restored)
{
	ask_wire(SR_WIRE_RESTORE_SESSION);
	sr_put_ulong(&question, 77);
	sr_put_ulong(&question, CKF_SERIAL_SESSION);
	sr_put_u8(&question, 1);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.restored_sessions, 1);
	cut("a session to restore");
	change_bytes();
	change_lengths();
}
END_TEST

static void ask_restore(uint32_t count, uint32_t written, size_t id_len)
{
	char id[SR_DESCRIBED_ID_MAX + 8];
	memset(id, 'k', sizeof id);
	id[id_len] = '\0';
	ask_wire(SR_WIRE_RESTORE_OBJECTS);
	sr_put_u32(&question, count);
	for (uint32_t i = 0; i < written; i++) {
		sr_put_ulong(&question, 0x2001 + i);
		sr_put_ulong(&question, CKO_SECRET_KEY);
		sr_put_u8(&question, 1);
		sr_put_text(&question, id);
	}
}

START_TEST(handles_are_restored)
{
	ask_restore(3, 3, 10);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.restored_objects, 3);
	cut("handles to restore");
	change_bytes();
	change_lengths();
}
END_TEST

START_TEST(handles_that_cannot_be_are_not_restored)
{
	ask_restore(SR_WIRE_FOUND_MAX + 1, 1, 10);
	ck_assert(!serve());
	ck_assert_uint_eq(sr_fake.restored_objects, 0);
	sr_buf_clear(&question);
	ask_restore(1, 1, SR_DESCRIBED_ID_MAX);
	ck_assert(!serve());
	ck_assert_uint_eq(sr_fake.restored_objects, 0);
	sr_buf_clear(&question);
	ask_restore(1, 1, SR_DESCRIBED_ID_MAX - 1);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.restored_objects, 1);
}
END_TEST

START_TEST(as_many_handles_as_may_be)
{
	ask_restore(SR_WIRE_FOUND_MAX, SR_WIRE_FOUND_MAX, SR_DESCRIBED_ID_MAX - 1);
	ck_assert(serve());
	ck_assert_uint_eq(sr_fake.restored_objects, SR_WIRE_FOUND_MAX);
}
END_TEST

Suite *sr_suite_wire_server(void)
{
	Suite *suite = suite_create("wire_server");
	TCase *tcase = tcase_create("all");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_call_sees_what_was_asked);
	tcase_add_test(tcase, null_stays_null);
	tcase_add_test(tcase, what_the_module_answers_is_refused);
	tcase_add_test(tcase, unknown_numbers_are_refused);
	tcase_add_test(tcase, a_failure_brings_its_reason_and_nothing_else);
	tcase_add_test(tcase, the_reason_of_another_call_is_not_told);
	tcase_add_test(tcase, a_failed_call_gives_no_bytes);
	tcase_add_test(tcase, a_cut_request_is_none);
	tcase_add_test(tcase, a_changed_request_hurts_nobody);
	tcase_add_loop_test(tcase, a_changed_request_that_fails_hurts_nobody, 0, 3);
	tcase_add_test(tcase, a_room_is_never_more_than_an_answer_holds);
	tcase_add_test(tcase, rooms_have_a_bound_together);
	tcase_add_test(tcase, calls_are_answered_in_turn);
	tcase_add_test(tcase, the_first_that_fails_is_the_last);
	tcase_add_test(tcase, more_calls_are_refused);
	tcase_add_test(tcase, what_follows_a_call_is_a_call);
	tcase_add_test(tcase, a_token_arrives);
	tcase_add_test(tcase, an_unreadable_token_arrives);
	tcase_add_test(tcase, other_offers_are_refused);
	tcase_add_test(tcase, whether_it_waits);
	tcase_add_test(tcase, outcomes_are_counted);
	tcase_add_test(tcase, a_session_is_restored);
	tcase_add_test(tcase, handles_are_restored);
	tcase_add_test(tcase, handles_that_cannot_be_are_not_restored);
	tcase_add_test(tcase, as_many_handles_as_may_be);
	suite_add_tcase(suite, tcase);
	return suite;
}
