/* src/wire/client*.c against servers that answer rightly, wrongly, twice, in part or not at all: the application gets a
 * code and what is in its buffers stays in them, and with the next server everything is as before. */
#include "tests/unit/suites.h"

#include "tests/unit/fake_calls.h"
#include "tests/unit/wire_rows.h"
#include "tests/unit/wire_client_fixture.h"
#include "wire/argument.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The server is tried again at once. */
static void no_rest(void)
{
	client->next_try_ms = 0;
}

static void ck_good_again(CK_SESSION_HANDLE session)
{
	CK_ULONG size = 0;
	no_rest();
	sr_script_clear(false);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_OK);
	ck_assert_uint_ne(size, 0);
}

static void trick_welcome(enum sr_trick_what what, size_t at, uint64_t value, size_t width)
{
	sr_script_set(&(struct sr_trick){ .what = what, .on_welcome = true, .at = at, .value = value, .width = width });
}

static bool is_code(CK_RV rv)
{
	return strncmp(sr_rv_name(rv), "CKR_0x", 6) != 0;
}

/* -- right answers ---------------------------------------------------------------------------------------------------
 */
START_TEST(every_call_gives_what_the_server_gave)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		CK_SESSION_HANDLE session = wire_session(71);
		sr_fake_reset();
		ck_assert_uint_eq(sr_row_call(id, &sr_fake_calls, NULL, session), CKR_OK);
		uint64_t direct = sr_row_sum();
		ck_assert(sr_row_end());
		sr_fake_reset();
		ck_assert_msg(sr_row_call(id, calls, client, session) == CKR_OK, "%s: %s", sr_call_rows[id].name,
			sr_remote_last_error()->text);
		ck_assert_uint_eq(sr_fake.calls, 1);
		ck_assert_uint_eq(sr_fake.last, id);
		ck_assert_msg(sr_row_sum() == direct, "%s gives something else", sr_call_rows[id].name);
		ck_assert_msg(sr_row_end(), "%s", sr_call_rows[id].name);
	}
}
END_TEST

START_TEST(a_failure_arrives_with_its_reason)
{
	CK_SESSION_HANDLE session = wire_session(71);
	sr_fake.rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
	sr_fail(&sr_fake.last_error, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_OUT_OF_SCOPE, "not for you");
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		ck_assert_uint_eq(sr_row_call(id, calls, client, session), CKR_KEY_FUNCTION_NOT_PERMITTED);
		ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_OUT_OF_SCOPE);
		ck_assert_str_eq(sr_remote_last_error()->text, "not for you");
		ck_assert(sr_row_end());
	}
}
END_TEST

/* -- wrong answers
 * ----------------------------------------------------------------------------------------------------- */
static void attacked(unsigned id, CK_SESSION_HANDLE session, size_t at)
{
	CK_RV rv = sr_row_call(id, calls, client, session);
	ck_assert_msg(is_code(rv) || at < 8, "%s, byte %zu: 0x%lx", sr_call_rows[id].name, at, rv);
	ck_assert_msg(sr_row_end(), "%s, byte %zu", sr_call_rows[id].name, at);
}

static size_t answer_len(unsigned id, CK_SESSION_HANDLE session)
{
	sr_row_call(id, calls, client, session);
	sr_row_end();
	return sr_script_seen().answer_len;
}

/* Each answer is cut at each of its bytes, the frame's header too. */
START_TEST(a_cut_answer_is_none)
{
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		CK_SESSION_HANDLE session = wire_session(71);
		size_t len = answer_len(id, session) + SR_FRAME_HEADER_LEN;
		for (size_t at = 0; at < len; at += at < 40 ? 1 : 5) {
			wire_trick((uint16_t)id, SR_TRICK_CUT, at, 0, 0);
			attacked(id, session, at + 8);
		}
		ck_good_again(session);
		calls->C_CloseSession(client, session);
	}
}
END_TEST

START_TEST(a_short_answer_is_none)
{
	struct sr_trick shorter = { .what = SR_TRICK_INSTEAD };
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		CK_SESSION_HANDLE session = wire_session(71);
		shorter.number = (uint16_t)id;
		shorter.body = (struct sr_buf)SR_BUF_INIT;
		sr_put_ulong(&shorter.body, CKR_OK); /* no reason, no line */
		sr_script_set(&shorter);
		ck_assert_msg(sr_row_call(id, calls, client, session) == CKR_DEVICE_ERROR, "%s", sr_call_rows[id].name);
		ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_SERVER_REFUSED);
		ck_assert(sr_row_end());
		ck_good_again(session);
		calls->C_CloseSession(client, session);
	}
}
END_TEST

START_TEST(a_changed_answer_hurts_nobody)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		CK_SESSION_HANDLE session = wire_session(71);
		size_t len = answer_len(id, session);
		for (size_t at = 0; at < len; at++) {
			wire_trick((uint16_t)id, SR_TRICK_CHANGE, at, values[at % COUNT(values)], 1);
			attacked(id, session, at);
			wire_trick((uint16_t)id, SR_TRICK_CHANGE, at, values[(at + 2 + id) % COUNT(values)], 1);
			attacked(id, session, at);
		}
		ck_good_again(session);
		calls->C_CloseSession(client, session);
	}
}
END_TEST

START_TEST(changed_lengths_hurt_nobody)
{
	static const uint64_t values[] = { 0, 1, UINT64_MAX };
	for (unsigned id = 0; id < SR_CALL_COUNT; id++) {
		if (!sr_row_has(id))
			continue;
		CK_SESSION_HANDLE session = wire_session(71);
		size_t len = answer_len(id, session);
		for (size_t at = 8; at < len; at++) {
			wire_trick((uint16_t)id, SR_TRICK_CHANGE, at, values[at % COUNT(values)], 4);
			attacked(id, session, at);
			wire_trick((uint16_t)id, SR_TRICK_CHANGE, at, values[(at + 1) % COUNT(values)], 8);
			attacked(id, session, at);
		}
		ck_good_again(session);
		calls->C_CloseSession(client, session);
	}
}
END_TEST

/* What is told of CKR_OK is used: a server that says so and gives nothing is not believed. */
static CK_RV ok_without(uint16_t number, size_t zeros, CK_SESSION_HANDLE session)
{
	struct sr_trick bare = { .what = SR_TRICK_INSTEAD, .number = number };
	struct sr_error ok = SR_ERROR_INIT;
	sr_error_put(&bare.body, &ok);
	for (size_t i = 0; i < zeros; i++)
		sr_put_u8(&bare.body, 0);
	sr_script_set(&bare);
	CK_RV rv = sr_row_call(number, calls, client, session);
	ck_assert(sr_row_end());
	return rv;
}

START_TEST(ok_without_a_result_is_no_answer)
{
	static const struct {
		uint16_t number;
		size_t zeros; /* what says that nothing is given */
	} rows[] = { { SR_ID_C_OpenSession, 1 }, { SR_ID_C_GetSlotList, 9 }, { SR_ID_C_GetMechanismList, 9 },
		{ SR_ID_C_GetSlotInfo, 1 }, { SR_ID_C_GetTokenInfo, 1 }, { SR_ID_C_GetMechanismInfo, 1 },
		{ SR_ID_C_GetSessionInfo, 1 }, { SR_ID_C_GetObjectSize, 1 }, { SR_ID_C_CreateObject, 1 },
		{ SR_ID_C_GenerateKeyPair, 2 }, { SR_ID_C_FindObjects, 9 }, { SR_ID_C_SignFinal, 9 },
		{ SR_ID_C_Encrypt, 9 }, { SR_ID_C_GenerateRandom, 1 } };
	CK_SESSION_HANDLE session = wire_session(71);
	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(ok_without(rows[i].number, rows[i].zeros, session) == CKR_DEVICE_ERROR, "%s",
			sr_call_rows[rows[i].number].name);
		ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_SERVER_REFUSED);
		ck_good_again(session);
	}
}
END_TEST

/* An application that gave no place asks for trouble, and gets a code. */
START_TEST(ok_without_a_place_hurts_nobody)
{
	static const struct {
		uint16_t number;
		size_t zeros;
	} rows[] = { { SR_ID_C_OpenSession, 1 }, { SR_ID_C_GetSlotList, 9 }, { SR_ID_C_GetSessionInfo, 1 },
		{ SR_ID_C_GetSlotInfo, 1 }, { SR_ID_C_FindObjects, 9 }, { SR_ID_C_SignFinal, 9 } };
	CK_SESSION_HANDLE session = wire_session(71);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned nulls = 1; nulls < 4; nulls++) {
			sr_row_nulls(nulls);
			ck_assert(is_code(ok_without(rows[i].number, rows[i].zeros, session)));
			sr_row_nulls(0);
			ck_good_again(session);
		}
	}
}
END_TEST

static void put_long_output(struct sr_buf *body, bool given)
{
	struct sr_error ok = SR_ERROR_INIT;
	sr_error_put(body, &ok);
	sr_put_ulong(body, 21); /* the application has room for 20 */
	sr_put_u8(body, given);
	sr_buf_append(body, "123456789012345678901", given ? 21 : 0);
}

START_TEST(more_than_there_is_room_for_is_no_answer)
{
	CK_SESSION_HANDLE session = wire_session(71);
	for (int given = 0; given < 2; given++) {
		struct sr_trick longer = { .what = SR_TRICK_INSTEAD, .number = SR_ID_C_SignFinal };
		put_long_output(&longer.body, given);
		sr_script_set(&longer);
		ck_assert_uint_eq(sr_row_call(SR_ID_C_SignFinal, calls, client, session), CKR_DEVICE_ERROR);
		ck_assert(sr_row_end());
		ck_good_again(session);
	}
}
END_TEST

/* The answer to C_FindObjectsInit and PEEK of a server that lies, and what the application hears: RV. */
struct lie {
	const char *name;
	CK_RV found, peeked;
	bool has_peek;
	uint8_t told, count, has_length;
	unsigned handles;
	size_t id_len; /* that is said; 1 is there */
	uint64_t length;
	size_t behind; /* bytes that are nobody's */
	CK_RV rv;
};

static void put_lie(struct sr_buf *body, const struct lie *lie)
{
	struct sr_error answer = SR_ERROR_INIT;
	answer.rv = lie->found;
	sr_error_put(body, &answer);
	if (lie->has_peek) {
		answer.rv = lie->peeked;
		sr_error_put(body, &answer);
		sr_put_u8(body, lie->told);
		sr_put_u8(body, lie->count);
		for (unsigned i = 0; i < lie->handles; i++) {
			sr_put_ulong(body, 0x2001 + i);
			sr_put_ulong(body, CKO_DATA);
			sr_put_u8(body, 1);
			sr_put_u16(body, (uint16_t)lie->id_len);
			sr_put_u8(body, 'a');
		}
		sr_put_u8(body, lie->has_length);
		sr_put_u64(body, lie->length);
	}
	for (size_t i = 0; i < lie->behind; i++)
		sr_put_u8(body, 0);
}

/* Whatever it is told, the application has what fits into its buffers. */
static void ck_search_goes_on(const struct lie *lie, CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE *found = malloc(3 * sizeof *found);
	CK_ATTRIBUTE value = { CKA_VALUE, NULL, 0 };
	CK_ULONG count = 0;
	ck_assert_ptr_nonnull(found);
	CK_RV rv = calls->C_FindObjects(client, session, found, 3, &count);
	ck_assert_msg(is_code(rv) && (rv != CKR_OK || count <= 3), "%s: 0x%lx, %lu", lie->name, rv, count);
	ck_assert_msg(is_code(calls->C_GetAttributeValue(client, session, 0x2001, &value, 1)), "%s", lie->name);
	ck_assert_msg(is_code(calls->C_FindObjectsFinal(client, session)), "%s", lie->name);
	free(found);
}

START_TEST(lies_about_what_a_search_will_give)
{
	static const struct lie lies[] = {
		{ "the truth", 0, 0, true, 1, 1, 1, 1, 1, 5, 0, CKR_OK },
		{ "nothing told", 0, 0, true, 0, 0, 0, 0, 1, 0, 0, CKR_OK },
		{ "more than eight", 0, 0, true, 1, 9, 0, 9, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "a count without handles", 0, 0, true, 1, 255, 0, 0, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "a handle less", 0, 0, true, 1, 3, 0, 2, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "a handle more", 0, 0, true, 1, 1, 0, 2, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "no handle, and one", 0, 0, true, 1, 0, 1, 1, 1, 5, 0, CKR_DEVICE_ERROR },
		{ "an id of no length", 0, 0, true, 1, 1, 0, 1, 0, 0, 0, CKR_DEVICE_ERROR },
		{ "an id that goes on", 0, 0, true, 1, 1, 0, 1, 65535, 0, 0, CKR_DEVICE_ERROR },
		{ "told is no flag", 0, 0, true, 2, 1, 0, 1, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "a length is no flag", 0, 0, true, 1, 1, 2, 1, 1, 0, 0, CKR_DEVICE_ERROR },
		{ "a length of nothing", 0, 0, true, 1, 0, 1, 0, 1, 5, 0, CKR_OK },
		{ "a length of two", 0, 0, true, 1, 2, 1, 2, 1, 5, 0, CKR_OK },
		{ "a length without end", 0, 0, true, 1, 1, 1, 1, 1, UINT64_MAX, 0, CKR_OK },
		{ "a byte more", 0, 0, true, 1, 1, 0, 1, 1, 0, 1, CKR_DEVICE_ERROR },
		{ "a page more", 0, 0, true, 1, 1, 0, 1, 1, 0, 4096, CKR_DEVICE_ERROR },
		{ "no second answer", 0, 0, false, 0, 0, 0, 0, 0, 0, 0, CKR_DEVICE_ERROR },
		{ "a third of it", 0, 0, false, 0, 0, 0, 0, 0, 0, 3, CKR_DEVICE_ERROR },
		{ "refused, and told", CKR_FUNCTION_FAILED, 0, true, 1, 1, 0, 1, 1, 0, 0, CKR_DEVICE_ERROR },
	};
	for (size_t i = 0; i < COUNT(lies); i++) {
		CK_SESSION_HANDLE session = wire_session(71); /* nothing of the search before */
		struct sr_trick trick = { .what = SR_TRICK_INSTEAD, .number = SR_ID_C_FindObjectsInit };
		put_lie(&trick.body, &lies[i]);
		sr_script_set(&trick);
		CK_RV rv = calls->C_FindObjectsInit(client, session, NULL, 0);
		ck_assert_msg(rv == lies[i].rv, "%s: %s", lies[i].name, sr_rv_name(rv));
		no_rest();
		ck_search_goes_on(&lies[i], session);
		ck_good_again(session);
		calls->C_CloseSession(client, session);
	}
}
END_TEST

START_TEST(another_kind_is_no_answer)
{
	CK_SESSION_HANDLE session = wire_session(71);
	for (uint64_t kind = 0; kind < 8; kind++) {
		if (kind == SR_MESSAGE_ANSWER)
			continue;
		wire_trick(SR_ID_C_Sign, SR_TRICK_KIND, 0, kind, 0);
		CK_RV rv = sr_row_call(SR_ID_C_Sign, calls, client, session);
		ck_assert(rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_REMOVED);
		ck_assert(sr_row_end());
		ck_good_again(session);
	}
}
END_TEST

/* The second is nobody's: were it taken for that of the next call, every answer from then on would be another's. */
START_TEST(a_second_answer_is_nobodys)
{
	CK_SESSION_HANDLE session = wire_session(71);
	CK_ULONG size = 0;
	sr_fake.result = 0x100;
	wire_trick(SR_ID_C_GetObjectSize, SR_TRICK_TWICE, 0, 0, 0);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_OK);
	ck_assert_uint_eq(size, 0x100);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_OK);
	ck_assert_uint_eq(size, 0x101);
	ck_assert_uint_eq(sr_script_seen().contexts, 2); /* another connection, and so another context */
}
END_TEST

START_TEST(an_answer_before_the_question_is_nobodys)
{
	CK_SESSION_HANDLE session = wire_session(71);
	CK_ULONG size = 0;
	struct sr_trick speak = { .what = SR_TRICK_SPEAK, .on_welcome = true };
	sr_error_put(&speak.body, &(struct sr_error)SR_ERROR_INIT);
	sr_put_u8(&speak.body, 1);
	sr_put_ulong(&speak.body, 0x666);
	sr_script_drop();
	sr_script_set(&speak);
	/* what comes with the welcome is the answer to the first that the new context is told, and no harm: a session
	 * is restored; what follows is not that of the call */
	calls->C_GetObjectSize(client, session, 1, &size);
	ck_good_again(session);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_OK);
	ck_assert_uint_ne(size, 0x666);
}
END_TEST

START_TEST(silence_is_no_answer)
{
	CK_SESSION_HANDLE session = wire_session(71);
	wire_trick(SR_ID_C_Sign, SR_TRICK_CLOSE, 0, 0, 0);
	ck_assert_uint_eq(sr_row_call(SR_ID_C_Sign, calls, client, session), CKR_DEVICE_REMOVED);
	ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_SERVER_AWAY);
	ck_assert(sr_row_end());
	/* whether it was carried out is not known, so nobody asks a second time */
	struct sr_script seen = sr_script_seen();
	unsigned asked = 0;
	for (size_t i = 0; i < seen.request_count; i++)
		asked += seen.requests[i].number == SR_ID_C_Sign;
	ck_assert_uint_eq(asked, 1);
	ck_good_again(session);
}
END_TEST

/* -- wrong greetings
 * ---------------------------------------------------------------------------------------------------- */
static CK_RV greeted_by(enum sr_trick_what what, size_t at, uint64_t value, size_t width, CK_SESSION_HANDLE session)
{
	CK_ULONG size;
	sr_script_drop();
	trick_welcome(what, at, value, width);
	no_rest();
	return calls->C_GetObjectSize(client, session, 1, &size);
}

START_TEST(a_wrong_greeting_hurts_nobody)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	CK_SESSION_HANDLE session = wire_session(71);
	sr_script_drop();
	ck_good_again(session);
	const size_t len = 4 + SR_WIRE_SECRET_LEN + 2 + 5 + 1 + 3 * 8;
	for (size_t at = 0; at < len + SR_FRAME_HEADER_LEN; at++)
		ck_assert(is_code(greeted_by(SR_TRICK_CUT, at, 0, 0, session)));
	for (size_t at = 0; at < len; at++) {
		for (size_t i = 0; i < COUNT(values); i++)
			ck_assert(is_code(greeted_by(SR_TRICK_CHANGE, at, values[i], 1, session)));
	}
	for (uint64_t kind = 0; kind < 8; kind++)
		ck_assert(is_code(greeted_by(SR_TRICK_KIND, 0, kind, 0, session)));
	ck_good_again(session);
}
END_TEST

static void ck_not_welcome(size_t at, uint64_t value, size_t width)
{
	CK_SESSION_HANDLE session = wire_session(71);
	ck_assert_uint_eq(greeted_by(SR_TRICK_CHANGE, at, value, width, session), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_SERVER_REFUSED);
	ck_good_again(session);
}

START_TEST(another_version_is_not_spoken)
{
	ck_not_welcome(0, SR_WIRE_VERSION + 1, 4);
	ck_not_welcome(0, 0, 4);
}
END_TEST

START_TEST(another_number_of_slots_is_refused)
{
	const size_t at = 4 + SR_WIRE_SECRET_LEN + 2 + 5;
	ck_not_welcome(at, 2, 1);
	ck_not_welcome(at, 4, 1);
	ck_not_welcome(at, SR_WIRE_SLOTS_MAX + 1, 1);
	ck_not_welcome(at, 0xff, 1);
}
END_TEST

/* A number that no server would begin from would lock the client out of every one. */
START_TEST(numbers_out_of_reach_are_not_remembered)
{
	CK_SESSION_HANDLE session = wire_session(71);
	sr_fake.result = CK_UNAVAILABLE_INFORMATION - 2;
	ck_assert_uint_eq(sr_row_call(SR_ID_C_CreateObject, calls, client, session), CKR_OK);
	ck_assert(sr_row_end());
	sr_fake.result = CK_UNAVAILABLE_INFORMATION / 2;
	CK_SESSION_HANDLE high = wire_session(71);
	ck_assert_uint_eq(high, CK_UNAVAILABLE_INFORMATION / 2);
	sr_fake_reset();
	sr_script_drop();
	ck_good_again(session);
}
END_TEST

/* -- without a server
 * ----------------------------------------------------------------------------------------------------- */
START_TEST(without_a_server)
{
	CK_SESSION_HANDLE session = wire_session(71), other;
	CK_SLOT_ID list[8];
	CK_ULONG count = COUNT(list), size;
	CK_SLOT_INFO info;
	sr_script_stop();
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_DEVICE_REMOVED);
	ck_assert_uint_eq(sr_remote_last_error()->reason, SR_REASON_SERVER_AWAY);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session + 1, 1, &size), CKR_SESSION_HANDLE_INVALID);
	ck_assert_uint_eq(
		calls->C_OpenSession(client, 71, CKF_SERIAL_SESSION, NULL, NULL, &other), CKR_TOKEN_NOT_PRESENT);
	ck_assert_uint_eq(calls->C_GetSlotList(client, CK_FALSE, list, &count), CKR_OK);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(list[0], 71);
	count = COUNT(list);
	ck_assert_uint_eq(calls->C_GetSlotList(client, CK_TRUE, list, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(calls->C_GetSlotInfo(client, 72, &info), CKR_OK);
	ck_assert(!(info.flags & CKF_TOKEN_PRESENT));
	ck_assert_uint_eq(calls->C_GetSlotInfo(client, 99, &info), CKR_SLOT_ID_INVALID);
	ck_assert(sr_script_start(path));
	ck_good_again(session);
}
END_TEST

/* -- what is brought back
 * --------------------------------------------------------------------------------------------------- */
static bool holds(const struct sr_script_request *at, const char *text)
{
	return memmem(at->arguments, at->len, text, strlen(text));
}

static void log_in(CK_SESSION_HANDLE session, const char *pin)
{
	ck_assert_uint_eq(calls->C_Login(client, session, CKU_USER, (CK_BYTE *)pin, strlen(pin)), CKR_OK);
}

static struct sr_script after_a_loss(CK_SESSION_HANDLE session)
{
	CK_ULONG size;
	sr_script_drop();
	sr_script_clear(false);
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_OK);
	struct sr_script seen = sr_script_seen();
	ck_assert_uint_eq(seen.contexts, 1);
	return seen;
}

START_TEST(sessions_come_back_with_their_numbers)
{
	sr_fake.result = 0x51;
	CK_SESSION_HANDLE first = wire_session(71), second = wire_session(73), closed = wire_session(71);
	ck_assert_uint_eq(calls->C_CloseSession(client, closed), CKR_OK);
	struct sr_script seen = after_a_loss(second);
	ck_assert_uint_eq(seen.slots, 2);
	ck_assert_uint_eq(seen.first_session, closed); /* so that no number is given twice */
	ck_assert_uint_eq(seen.request_count, 3);
	const struct sr_script_request *of = seen.requests;
	ck_assert_uint_eq(of[0].number, SR_WIRE_RESTORE_SESSION);
	ck_assert_uint_eq(of[0].session, first);
	ck_assert_uint_eq(of[0].arguments[1 + 7], 71);
	ck_assert_uint_eq(of[0].arguments[1 + 15], CKF_SERIAL_SESSION);
	ck_assert_uint_eq(of[0].arguments[1 + 16], 0);
	ck_assert_uint_eq(of[1].number, SR_WIRE_RESTORE_SESSION);
	ck_assert_uint_eq(of[1].session, second);
	ck_assert_uint_eq(of[1].arguments[1 + 7], 73);
	ck_assert_uint_eq(of[2].number, SR_ID_C_GetObjectSize);
	ck_assert_uint_eq(of[2].session, second);
}
END_TEST

START_TEST(a_kept_token_is_presented_again)
{
	CK_SESSION_HANDLE session = wire_session(71);
	log_in(session, "srt_0123456789");
	struct sr_script seen = after_a_loss(session);
	const struct sr_script_request *restored = wire_request(&seen, SR_WIRE_RESTORE_SESSION);
	const struct sr_script_request *login = wire_request(&seen, SR_ID_C_Login);
	ck_assert_ptr_nonnull(restored);
	ck_assert_uint_eq(restored->arguments[1 + 16], 1);
	ck_assert_ptr_nonnull(login);
	ck_assert_uint_eq(login->session, session);
	ck_assert(holds(login, "srt_0123456789"));
	ck_assert_uint_eq(calls->C_Logout(client, session), CKR_OK);
	seen = after_a_loss(session);
	ck_assert_ptr_null(wire_request(&seen, SR_ID_C_Login));
}
END_TEST

START_TEST(a_passphrase_is_not_kept)
{
	static const char *const pins[] = { "correct horse", "srt_", "srt", "" };
	for (size_t i = 0; i < COUNT(pins); i++) {
		CK_SESSION_HANDLE session = wire_session(71);
		log_in(session, pins[i]);
		struct sr_script seen = after_a_loss(session);
		ck_assert_uint_eq(wire_request(&seen, SR_WIRE_RESTORE_SESSION)->arguments[1 + 16], 1);
		ck_assert_ptr_null(wire_request(&seen, SR_ID_C_Login));
		for (size_t at = 0; at < sizeof *client->slots[0].kept; at++)
			ck_assert_uint_eq(((uint8_t *)client->slots[0].kept)[at], 0);
		ck_assert_uint_eq(calls->C_CloseAllSessions(client, 71), CKR_OK);
	}
}
END_TEST

START_TEST(a_login_by_name_is_not_kept)
{
	CK_SESSION_HANDLE session = wire_session(71);
	ck_assert_uint_eq(
		calls->C_LoginUser(client, session, CKU_USER, (CK_BYTE *)"srt_0123456789", 14, (CK_BYTE *)"anna", 4),
		CKR_OK);
	struct sr_script seen = after_a_loss(session);
	ck_assert_ptr_null(wire_request(&seen, SR_ID_C_Login));
	ck_assert_ptr_null(wire_request(&seen, SR_ID_C_LoginUser));
}
END_TEST

START_TEST(a_login_that_failed_is_not_kept)
{
	CK_SESSION_HANDLE session = wire_session(71);
	sr_fake.rv = CKR_PIN_INCORRECT;
	ck_assert_uint_eq(
		calls->C_Login(client, session, CKU_USER, (CK_BYTE *)"srt_0123456789", 14), CKR_PIN_INCORRECT);
	sr_fake.rv = CKR_OK;
	struct sr_script seen = after_a_loss(session);
	ck_assert_ptr_null(wire_request(&seen, SR_ID_C_Login));
}
END_TEST

START_TEST(handles_come_back_with_their_numbers)
{
	CK_SESSION_HANDLE session = wire_session(71);
	CK_OBJECT_HANDLE found[4];
	CK_ULONG count = 0;
	sr_fake.result = 0x2001;
	ck_assert_uint_eq(calls->C_FindObjects(client, session, found, COUNT(found), &count), CKR_OK);
	ck_assert_uint_eq(count, 4);
	struct sr_script seen = after_a_loss(session);
	ck_assert_uint_eq(seen.first_object, 0x2004);
	const struct sr_script_request *restored = wire_request(&seen, SR_WIRE_RESTORE_OBJECTS);
	ck_assert_ptr_nonnull(restored);
	ck_assert_uint_eq(restored->session, session);
	ck_assert_uint_eq(restored->arguments[1 + 3], 2); /* every second stands for something that lasts */
	ck_assert(memmem(restored->arguments, restored->len, "\x20\x01", 2));
	ck_assert(memmem(restored->arguments, restored->len, "\x20\x03", 2));
	ck_assert(holds(restored, "key"));
	ck_assert_uint_eq(sr_fake.restored_objects, 2);
}
END_TEST

START_TEST(another_vault_has_nothing_of_the_old)
{
	CK_SESSION_HANDLE session = wire_session(71);
	CK_ULONG size;
	log_in(session, "srt_0123456789");
	greeted_by(SR_TRICK_CHANGE, 4 + SR_WIRE_SECRET_LEN + 2, 'w', 1, session);
	struct sr_script seen = sr_script_seen();
	ck_assert_ptr_null(wire_request(&seen, SR_WIRE_RESTORE_SESSION));
	ck_assert_uint_eq(client->slots[0].kept->len, 0);
	sr_script_stop();
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

/* -- several connections
 * ------------------------------------------------------------------------------------------------------ */
START_TEST(a_second_connection_joins)
{
	struct sr_link *first, *second;
	ck_assert_uint_eq(sr_link_take(client, &first, &err), CKR_OK);
	ck_assert_uint_eq(sr_link_take(client, &second, &err), CKR_OK);
	ck_assert_uint_eq(sr_script_seen().joins, 1);
	ck_assert_uint_eq(sr_script_seen().contexts, 1);
	ck_assert_uint_eq(first->generation, second->generation);
	sr_link_give(client, first, true);
	sr_link_give(client, second, true);
	ck_assert_uint_eq(client->links, 2);
}
END_TEST

START_TEST(a_context_that_has_ended_is_made_anew)
{
	struct sr_link *first, *second;
	CK_SESSION_HANDLE session = wire_session(71);
	ck_assert_uint_eq(sr_link_take(client, &first, &err), CKR_OK);
	sr_script_clear(true);
	ck_assert_uint_eq(sr_link_take(client, &second, &err), CKR_OK);
	struct sr_script seen = sr_script_seen();
	ck_assert_uint_eq(seen.refusals, 1);
	ck_assert_uint_eq(seen.joins, 0);
	ck_assert_uint_eq(seen.contexts, 1);
	ck_assert_uint_eq(wire_request(&seen, SR_WIRE_RESTORE_SESSION)->session, session);
	ck_assert_uint_gt(second->generation, first->generation);
	sr_link_give(client, first, true); /* of the old context: closed */
	sr_link_give(client, second, true);
	ck_assert_uint_eq(client->links, 1);
	ck_assert_ptr_eq(client->idle, second);
	ck_good_again(session);
}
END_TEST

START_TEST(a_join_that_is_refused_otherwise_changes_nothing)
{
	struct sr_link *first, *second = NULL;
	CK_SESSION_HANDLE session = wire_session(71);
	ck_assert_uint_eq(sr_link_take(client, &first, &err), CKR_OK);
	trick_welcome(SR_TRICK_CLOSE, 0, 0, 0);
	ck_assert_uint_eq(sr_link_take(client, &second, &err), CKR_DEVICE_REMOVED);
	ck_assert_ptr_null(second);
	ck_assert_uint_eq(client->links, 1);
	sr_link_give(client, first, true);
	ck_good_again(session);
}
END_TEST

/* -- tokens of slots
 * ------------------------------------------------------------------------------------------------------------ */
static void write_token(const char *text)
{
	FILE *file = fopen(token_file, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(a_slots_token_goes_with_each_call)
{
	CK_SESSION_HANDLE session = wire_session(72), other = wire_session(71);
	write_token("srt_of_the_file\n");
	ck_good_again(session);
	ck_assert_uint_eq(sr_fake.offers, 1);
	ck_assert_uint_eq(sr_fake.offer.len, 15);
	uint64_t generation = sr_fake.offer.generation;
	ck_good_again(session);
	ck_assert_uint_eq(sr_fake.offer.generation, generation);
	write_token("srt_another\n");
	ck_good_again(session);
	ck_assert_uint_ne(sr_fake.offer.generation, generation);
	ck_assert_uint_eq(sr_fake.offers, 3);
	ck_good_again(other); /* that slot has none */
	ck_assert_uint_eq(sr_fake.offers, 3);
	unlink(token_file);
	ck_good_again(session);
	ck_assert_uint_eq(sr_fake.offers, 4);
	ck_assert_ptr_null(sr_fake.offer.pin);
}
END_TEST

/* -- events of slots
 * ------------------------------------------------------------------------------------------------------------ */
static void ck_view(bool present, bool was_absent, struct sr_slot_view views[SR_SLOTS_MAX + 1])
{
	ck_assert_uint_eq(sr_remote_view(client, views), 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(views[i].id, 71 + i);
		ck_assert_int_eq(views[i].present, present);
		ck_assert_int_eq(views[i].was_absent, was_absent);
	}
}

START_TEST(a_view_of_the_slots)
{
	struct sr_slot_view views[SR_SLOTS_MAX + 1];
	write_token("srt_of_the_file\n");
	sr_script_clear(false);
	ck_view(true, false, views);
	struct sr_script seen = sr_script_seen();
	ck_assert_uint_eq(seen.request_count, 1); /* of the one that logs itself in */
	ck_assert_uint_eq(seen.requests[0].number, SR_WIRE_SLOT_WAITS);
	ck_assert_uint_eq(seen.requests[0].session, 0);
	ck_assert(holds(&seen.requests[0], "srt_of_the_file"));
	ck_assert(views[1].waits && !views[1].unsure);
	ck_assert(!views[0].waits && !views[0].unsure);
	sr_fake.rv = CKR_DEVICE_REMOVED;
	ck_view(true, false, views);
	ck_assert(views[1].unsure);
	sr_fake.rv = CKR_OK;
	unlink(token_file);
}
END_TEST

START_TEST(a_view_of_a_server_that_goes_and_comes)
{
	struct sr_slot_view views[SR_SLOTS_MAX + 1];
	ck_view(true, false, views);
	sr_script_stop();
	ck_view(false, false, views);
	ck_view(false, true, views);
	ck_assert(sr_script_start(path));
	client->next_try_ms = 0;
	ck_view(true, true, views);
	ck_view(true, false, views);
	sr_script_drop(); /* and is back before anybody looks: another context */
	ck_view(true, true, views);
	ck_view(true, false, views);
}
END_TEST

START_TEST(a_view_after_a_call_that_met_nobody)
{
	struct sr_slot_view views[SR_SLOTS_MAX + 1];
	CK_SESSION_HANDLE session = wire_session(71);
	CK_ULONG size;
	sr_script_stop();
	ck_assert_uint_eq(calls->C_GetObjectSize(client, session, 1, &size), CKR_DEVICE_REMOVED);
	ck_assert(sr_script_start(path));
	ck_good_again(session);
	ck_view(true, true, views); /* the first */
	ck_view(true, false, views);
}
END_TEST

Suite *sr_suite_wire_client(void)
{
	Suite *suite = suite_create("wire_client");
	TCase *tcase = tcase_create("all");
	tcase_add_checked_fixture(tcase, wire_client_begin, wire_client_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_call_gives_what_the_server_gave);
	tcase_add_test(tcase, a_failure_arrives_with_its_reason);
	tcase_add_test(tcase, a_cut_answer_is_none);
	tcase_add_test(tcase, a_short_answer_is_none);
	tcase_add_test(tcase, a_changed_answer_hurts_nobody);
	tcase_add_test(tcase, changed_lengths_hurt_nobody);
	tcase_add_test(tcase, ok_without_a_result_is_no_answer);
	tcase_add_test(tcase, ok_without_a_place_hurts_nobody);
	tcase_add_test(tcase, more_than_there_is_room_for_is_no_answer);
	tcase_add_test(tcase, lies_about_what_a_search_will_give);
	tcase_add_test(tcase, another_kind_is_no_answer);
	tcase_add_test(tcase, a_second_answer_is_nobodys);
	tcase_add_test(tcase, an_answer_before_the_question_is_nobodys);
	tcase_add_test(tcase, silence_is_no_answer);
	tcase_add_test(tcase, a_wrong_greeting_hurts_nobody);
	tcase_add_test(tcase, another_version_is_not_spoken);
	tcase_add_test(tcase, another_number_of_slots_is_refused);
	tcase_add_test(tcase, numbers_out_of_reach_are_not_remembered);
	tcase_add_test(tcase, without_a_server);
	tcase_add_test(tcase, sessions_come_back_with_their_numbers);
	tcase_add_test(tcase, a_kept_token_is_presented_again);
	tcase_add_test(tcase, a_passphrase_is_not_kept);
	tcase_add_test(tcase, a_login_by_name_is_not_kept);
	tcase_add_test(tcase, a_login_that_failed_is_not_kept);
	tcase_add_test(tcase, handles_come_back_with_their_numbers);
	tcase_add_test(tcase, another_vault_has_nothing_of_the_old);
	tcase_add_test(tcase, a_second_connection_joins);
	tcase_add_test(tcase, a_context_that_has_ended_is_made_anew);
	tcase_add_test(tcase, a_join_that_is_refused_otherwise_changes_nothing);
	tcase_add_test(tcase, a_slots_token_goes_with_each_call);
	tcase_add_test(tcase, a_view_of_the_slots);
	tcase_add_test(tcase, a_view_of_a_server_that_goes_and_comes);
	tcase_add_test(tcase, a_view_after_a_call_that_met_nobody);
	suite_add_tcase(suite, tcase);
	return suite;
}
