/* src/wire/client_sign.c: C_SignInit that is answered by the client, for as long as the server has promised, and what
 * becomes of it. */
#include "tests/unit/suites.h"

#include "tests/unit/fake_calls.h"
#include "tests/unit/wire_client_fixture.h"
#include "util/clock.h"

#include <string.h>

#define KEY 5
static CK_SESSION_HANDLE session;
static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };

static CK_RV begin(CK_OBJECT_HANDLE key)
{
	return calls->C_SignInit(client, session, &ecdsa, key);
}

static struct sr_signing *signing(void)
{
	struct sr_remote_session *found;
	HASH_FIND(hh, client->sessions, &session, sizeof session, found);
	return &found->signing;
}

static CK_RV sign(void)
{
	CK_BYTE data[32] = { 7 }, signature[64];
	CK_ULONG len = sizeof signature;
	return calls->C_Sign(client, session, data, sizeof data, signature, &len);
}

/* However slow the machine is, the moment is not over yet. */
static CK_RV sign_and_stretch(void)
{
	CK_RV rv = sign();
	if (signing()->until_ms)
		signing()->until_ms += 3600 * 1000;
	return rv;
}

static size_t requests(void)
{
	return sr_script_seen().request_count;
}

/* The server has given a signature and promised. */
static void set_up(void)
{
	wire_client_begin();
	session = wire_session(71);
	sr_fake.signs_again = true;
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	sr_script_clear(false);
	sr_fake.calls = 0;
}

/* -- kept ------------------------------------------------------------------------------------------------------------
 */
START_TEST(a_signature_takes_one_round_trip)
{
	for (int i = 1; i <= 3; i++) {
		ck_assert_uint_eq(begin(KEY), CKR_OK);
		ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
		ck_assert_uint_eq(requests(), i);
		ck_assert_uint_eq(sr_script_seen().requests[i - 1].number, SR_ID_C_SignInit);
		ck_assert_uint_eq(sr_fake.calls, 2 * i);
		ck_assert_uint_eq(sr_fake.last, SR_ID_C_Sign);
	}
}
END_TEST

START_TEST(the_first_part_begins_it_too)
{
	CK_BYTE data[8] = { 1 }, signature[64];
	CK_ULONG len = sizeof signature;
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(calls->C_SignUpdate(client, session, data, sizeof data), CKR_OK);
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(sr_fake.calls, 2);
	ck_assert_uint_eq(calls->C_SignUpdate(client, session, data, sizeof data), CKR_OK);
	ck_assert_uint_eq(calls->C_SignFinal(client, session, signature, &len), CKR_OK);
	ck_assert_uint_eq(requests(), 3);
	ck_assert_uint_eq(sr_fake.calls, 4);
}
END_TEST

/* -- not kept --------------------------------------------------------------------------------------------------------
 */
static void ck_server_is_asked(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	size_t before = requests();
	ck_assert_uint_eq(calls->C_SignInit(client, session, mechanism, key), CKR_OK);
	ck_assert_uint_eq(requests(), before + 1);
}

START_TEST(another_key_is_asked_for)
{
	ck_server_is_asked(&ecdsa, KEY + 1);
}
END_TEST

START_TEST(another_mechanism_is_asked_for)
{
	CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	CK_MECHANISM other = { CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof pss };
	ck_server_is_asked(&other, KEY);
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	pss.sLen = 20;
	ck_server_is_asked(&other, KEY);
}
END_TEST

START_TEST(a_null_mechanism_is_the_servers)
{
	ck_server_is_asked(NULL, KEY);
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

START_TEST(without_a_promise_the_server_is_asked)
{
	sr_fake.signs_again = false;
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

START_TEST(when_the_moment_is_over_the_server_is_asked)
{
	signing()->until_ms = sr_clock_boot_ms();
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

START_TEST(another_session_has_no_promise)
{
	CK_SESSION_HANDLE other = wire_session(71);
	size_t before = requests();
	ck_assert_uint_eq(calls->C_SignInit(client, other, &ecdsa, KEY), CKR_OK);
	ck_assert_uint_eq(requests(), before + 1);
}
END_TEST

/* What may change a key, or the login. */
START_TEST(a_change_ends_the_promise)
{
	CK_SESSION_HANDLE other = wire_session(71);
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE template = { CKA_SIGN, &no, sizeof no };
	switch (_i) {
	case 0:
		calls->C_SetAttributeValue(client, other, KEY, &template, 1);
		break;
	case 1:
		calls->C_DestroyObject(client, other, KEY);
		break;
	case 2:
		calls->C_Logout(client, other);
		break;
	case 3:
		calls->C_Login(client, other, CKU_USER, (CK_BYTE *)"srt_1", 5);
		break;
	default:
		sr_script_drop(); /* another context */
		ck_assert_uint_eq(calls->C_GetObjectSize(client, other, KEY, &(CK_ULONG){ 0 }), CKR_OK);
	}
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

START_TEST(other_signatures_leave_it)
{
	CK_SESSION_HANDLE other = wire_session(71);
	size_t before = requests();
	ck_assert_uint_eq(calls->C_SignInit(client, other, &ecdsa, KEY), CKR_OK);
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(requests(), before + 1);
}
END_TEST

/* -- begun here, and then --------------------------------------------------------------------------------------------
 */
START_TEST(a_second_beginning_is_the_servers_to_refuse)
{
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	sr_fake.rv = CKR_OPERATION_ACTIVE;
	ck_assert_uint_eq(begin(KEY), CKR_OPERATION_ACTIVE);
	ck_assert_uint_eq(requests(), 2); /* the first was told to it before */
	ck_assert_uint_eq(sr_fake.calls, 2);
}
END_TEST

START_TEST(the_server_learns_of_it_before_what_needs_it)
{
	CK_BYTE in[16] = { 1 }, out[64];
	CK_ULONG len = sizeof out;
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	switch (_i) {
	case 0:
		calls->C_SignFinal(client, session, out, &len);
		break;
	case 1:
		calls->C_SessionCancel(client, session, CKF_SIGN);
		break;
	case 2:
		calls->C_SignEncryptUpdate(client, session, in, sizeof in, out, &len);
		break;
	default:
		calls->C_DestroyObject(client, session, KEY);
	}
	ck_assert_uint_eq(requests(), 2);
	ck_assert_uint_eq(sr_script_seen().requests[0].number, SR_ID_C_SignInit);
	ck_assert_uint_eq(sr_fake.calls, 2);
}
END_TEST

/* As without a wire: it has ended with the login. */
START_TEST(with_the_login_it_is_forgotten)
{
	CK_SESSION_HANDLE other = wire_session(71);
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(calls->C_Logout(client, other), CKR_OK);
	sr_script_clear(false);
	sr_fake.rv = CKR_OPERATION_NOT_INITIALIZED;
	ck_assert_uint_eq(sign(), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_uint_eq(sr_script_seen().requests[0].number, SR_ID_C_Sign);
}
END_TEST

START_TEST(a_refused_beginning_has_a_code_of_c_sign)
{
	static const struct {
		CK_RV init, sign;
	} codes[] = {
		{ CKR_KEY_HANDLE_INVALID, CKR_FUNCTION_CANCELED },
		{ CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_FUNCTION_CANCELED },
		{ CKR_MECHANISM_INVALID, CKR_FUNCTION_FAILED },
		{ CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_LOGGED_IN },
		{ CKR_FUNCTION_REJECTED, CKR_FUNCTION_REJECTED },
		{ CKR_DEVICE_REMOVED, CKR_DEVICE_REMOVED },
		{ CKR_SESSION_HANDLE_INVALID, CKR_SESSION_HANDLE_INVALID },
	};
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	sr_fake.rv = codes[_i].init;
	ck_assert_uint_eq(sign(), codes[_i].sign);
	ck_assert_uint_eq(sr_remote_last_error()->rv, codes[_i].sign);
	sr_fake.rv = CKR_OK;
	sr_fake.calls = 0;
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

START_TEST(a_failed_signature_promises_nothing)
{
	sr_fake.rv = CKR_DATA_LEN_RANGE;
	ck_assert_uint_eq(sign(), CKR_DATA_LEN_RANGE);
	sr_fake.rv = CKR_OK;
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

/* -- wrong answers ---------------------------------------------------------------------------------------------------
 */
START_TEST(a_cut_answer_is_an_error)
{
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	size_t len = sr_script_seen().answer_len;
	for (size_t at = 0; at < len; at++) {
		client->next_try_ms = 0;
		ck_assert_uint_eq(begin(KEY), CKR_OK);
		wire_trick(SR_ID_C_SignInit, SR_TRICK_CUT, at, 0, 0);
		signing()->begun = true; /* however the last ended */
		ck_assert_uint_ne(sign(), CKR_OK);
	}
}
END_TEST

START_TEST(changed_answers_hurt_nobody)
{
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	size_t len = sr_script_seen().answer_len;
	for (size_t at = 0; at < len; at++) {
		client->next_try_ms = 0;
		signing()->begun = true;
		wire_trick(SR_ID_C_SignInit, SR_TRICK_CHANGE, at, 0xff, 1);
		sign();
		ck_assert(signing()->until_ms <= sr_clock_boot_ms() + SR_WIRE_LEASE_MS);
	}
}
END_TEST

START_TEST(a_promise_beyond_the_limit_is_none)
{
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	size_t last = 0;
	ck_assert_uint_eq(sign_and_stretch(), CKR_OK);
	last = sr_script_seen().answer_len - 2;
	ck_assert_uint_eq(begin(KEY), CKR_OK);
	wire_trick(SR_ID_C_SignInit, SR_TRICK_CHANGE, last, SR_WIRE_LEASE_MS + 1, 2);
	ck_assert_uint_eq(sign(), CKR_DEVICE_ERROR);
	ck_server_is_asked(&ecdsa, KEY);
}
END_TEST

Suite *sr_suite_wire_sign(void)
{
	Suite *suite = suite_create("wire_sign");
	TCase *tcase = tcase_create("all");
	tcase_add_checked_fixture(tcase, set_up, wire_client_end);
	tcase_add_test(tcase, a_signature_takes_one_round_trip);
	tcase_add_test(tcase, the_first_part_begins_it_too);
	tcase_add_test(tcase, another_key_is_asked_for);
	tcase_add_test(tcase, another_mechanism_is_asked_for);
	tcase_add_test(tcase, a_null_mechanism_is_the_servers);
	tcase_add_test(tcase, without_a_promise_the_server_is_asked);
	tcase_add_test(tcase, when_the_moment_is_over_the_server_is_asked);
	tcase_add_test(tcase, another_session_has_no_promise);
	tcase_add_loop_test(tcase, a_change_ends_the_promise, 0, 5);
	tcase_add_test(tcase, other_signatures_leave_it);
	tcase_add_test(tcase, a_second_beginning_is_the_servers_to_refuse);
	tcase_add_loop_test(tcase, the_server_learns_of_it_before_what_needs_it, 0, 4);
	tcase_add_test(tcase, with_the_login_it_is_forgotten);
	tcase_add_loop_test(tcase, a_refused_beginning_has_a_code_of_c_sign, 0, 7);
	tcase_add_test(tcase, a_failed_signature_promises_nothing);
	tcase_add_test(tcase, a_cut_answer_is_an_error);
	tcase_add_test(tcase, changed_answers_hurt_nobody);
	tcase_add_test(tcase, a_promise_beyond_the_limit_is_none);
	suite_add_tcase(suite, tcase);
	return suite;
}
