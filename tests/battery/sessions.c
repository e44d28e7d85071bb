/* Session management: PKCS#11 v3.1, 5.6.1 to 5.6.7. Login is in login.c. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

#define NO_SLOT 0x7ffffffeUL

START_TEST(open_flags)
{
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_SESSION_HANDLE session;
	ck_assert_rv(
		p11->C_OpenSession(slot, CKF_RW_SESSION, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	ck_assert_rv(p11->C_OpenSession(slot, 0, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	ck_assert_rv(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_OpenSession(NO_SLOT, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SLOT_ID_INVALID);
}
END_TEST

static CK_RV notify(CK_SESSION_HANDLE session, CK_NOTIFICATION event, CK_VOID_PTR application)
{
	(void)session;
	(void)event;
	(void)application;
	return CKR_OK;
}

START_TEST(session_info)
{
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_SESSION_HANDLE ro, rw;
	CK_SESSION_INFO info;
	int application;
	ck_assert_rv(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, &application, notify, &ro), CKR_OK);
	ck_assert_rv(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &rw), CKR_OK);
	ck_assert_uint_ne(ro, CK_INVALID_HANDLE);
	ck_assert_uint_ne(rw, CK_INVALID_HANDLE);
	ck_assert_uint_ne(ro, rw);
	ck_assert_rv(p11->C_GetSessionInfo(ro, &info), CKR_OK);
	ck_assert_uint_eq(info.slotID, slot);
	ck_assert_uint_eq(info.state, CKS_RO_PUBLIC_SESSION);
	ck_assert_uint_eq(info.flags, CKF_SERIAL_SESSION);
	ck_assert_rv(p11->C_GetSessionInfo(rw, &info), CKR_OK);
	ck_assert_uint_eq(info.state, CKS_RW_PUBLIC_SESSION);
	ck_assert_uint_eq(info.flags, CKF_SERIAL_SESSION | CKF_RW_SESSION);
	ck_assert_uint_eq(info.ulDeviceError, 0);
	ck_assert_rv(p11->C_GetSessionInfo(rw, NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

START_TEST(states)
{
	CK_SESSION_HANDLE ro = sr_open(SR_VAULT, 0), rw = sr_rw(), other = sr_open(SR_ADMIN, 0);
	ck_assert_rv(sr_login(ro, sr_place.reader), CKR_OK);
	ck_assert_uint_eq(sr_state(ro), CKS_RO_USER_FUNCTIONS);
	ck_assert_uint_eq(sr_state(rw), CKS_RW_USER_FUNCTIONS);
	ck_assert_uint_eq(sr_state(other), CKS_RO_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_state(sr_open(SR_VAULT, 0)), CKS_RO_USER_FUNCTIONS);
	ck_assert_rv(p11->C_Logout(rw), CKR_OK);
	ck_assert_uint_eq(sr_state(ro), CKS_RO_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_state(rw), CKS_RW_PUBLIC_SESSION);
}
END_TEST

START_TEST(close_session)
{
	CK_SESSION_HANDLE session = sr_rw(), next;
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(session), CKR_SESSION_HANDLE_INVALID);
	next = sr_rw();
	ck_assert_uint_ne(next, session); /* a stale handle hits nothing */
	ck_assert_rv(p11->C_CloseSession(next), CKR_OK);
}
END_TEST

/* 5.6.2: the last session takes the login with it. */
START_TEST(last_session_logs_out)
{
	CK_SESSION_HANDLE first = sr_as(sr_place.reader), second = sr_rw();
	CK_OBJECT_HANDLE object = sr_find(first, SR_STRIPE);
	ck_assert_rv(p11->C_CloseSession(first), CKR_OK);
	ck_assert_uint_eq(sr_state(second), CKS_RW_USER_FUNCTIONS);
	ck_assert_rv(p11->C_CloseSession(second), CKR_OK);
	second = sr_rw();
	ck_assert_uint_eq(sr_state(second), CKS_RW_PUBLIC_SESSION);
	ck_assert_rv(sr_login(second, sr_place.reader), CKR_OK);
	ck_assert_rv(sr_value(second, object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(close_all_sessions)
{
	CK_SESSION_HANDLE first = sr_as(sr_place.reader), second = sr_rw(), other = sr_open("first", 0);
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE object = sr_find(first, SR_STRIPE);
	ck_assert_rv(p11->C_CloseAllSessions(NO_SLOT), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_CloseAllSessions(sr_slot(SR_VAULT)), CKR_OK);
	ck_assert_rv(p11->C_GetSessionInfo(first, &info), CKR_SESSION_HANDLE_INVALID);
	ck_assert_rv(p11->C_GetSessionInfo(second, &info), CKR_SESSION_HANDLE_INVALID);
	ck_assert_uint_eq(sr_state(other), CKS_RO_PUBLIC_SESSION);
	ck_assert_rv(p11->C_CloseAllSessions(sr_slot(SR_VAULT)), CKR_OK);
	first = sr_rw();
	ck_assert_uint_eq(sr_state(first), CKS_RW_PUBLIC_SESSION);
	ck_assert_rv_in(sr_value(first, object), CKR_OBJECT_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* 5.1.2: a bad session handle goes before everything that may be wrong with the arguments after it. */
START_TEST(dead_handle)
{
	const struct sr_row *row = &sr_rows[_i];
	static const char *const any_answer[] = { "C_GetFunctionStatus", "C_CancelFunction" };
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
	if (!row->session || strcmp(row->name, any_answer[0]) == 0 || strcmp(row->name, any_answer[1]) == 0)
		return;
	const CK_ULONG dead[] = { CK_INVALID_HANDLE, session, session + 1, ~0UL };
	for (size_t i = 0; i < SR_COUNT(dead); i++) {
		CK_RV rv = sr_call_words(row, dead[i]);
		ck_assert_msg(
			rv == CKR_SESSION_HANDLE_INVALID, "%s with session 0x%lx: %s", row->name, dead[i], sr_code(rv));
	}
}
END_TEST

/* -- C_SessionCancel
 * --------------------------------------------------------------------------------------------------- */
static void begin_both(CK_SESSION_HANDLE session)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
}

START_TEST(cancel)
{
	CK_SESSION_HANDLE session = sr_rw();
	begin_both(session);
	ck_assert_rv(p11->C_SessionCancel(session, 0), CKR_OK);
	ck_assert_rv(p11->C_DigestUpdate(session, (CK_BYTE_PTR) "a", 1), CKR_OK);
	ck_assert_rv(p11->C_SessionCancel(session, CKF_FIND_OBJECTS), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestUpdate(session, (CK_BYTE_PTR) "a", 1), CKR_OK);
	ck_assert_rv(p11->C_SessionCancel(session, CKF_DIGEST), CKR_OK);
	ck_assert_rv(p11->C_DigestUpdate(session, (CK_BYTE_PTR) "a", 1), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(
		p11->C_SessionCancel(session, CKF_DIGEST | CKF_SIGN | CKF_ENCRYPT), CKR_OK); /* nothing is active */
	begin_both(session);
	ck_assert_rv(p11->C_SessionCancel(session, CKF_DIGEST | CKF_FIND_OBJECTS), CKR_OK);
	begin_both(session);
}
END_TEST

START_TEST(cancel_is_for_one_session)
{
	CK_SESSION_HANDLE one = sr_rw(), other = sr_rw();
	begin_both(one);
	begin_both(other);
	ck_assert_rv(p11->C_SessionCancel(one, CKF_DIGEST | CKF_FIND_OBJECTS), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsFinal(other), CKR_OK);
	ck_assert_rv(p11->C_DigestUpdate(other, (CK_BYTE_PTR) "a", 1), CKR_OK);
}
END_TEST

/* -- saved states
 * -------------------------------------------------------------------------------------------------------- */
START_TEST(operation_state)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_SESSION_HANDLE session = sr_rw();
	CK_BYTE state[256] = { 0 }, digest[32];
	CK_ULONG len = sizeof state;
	ck_assert_rv(p11->C_GetOperationState(session, state, &len), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_GetOperationState(session, state, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_GetOperationState(session, NULL, &len), CKR_STATE_UNSAVEABLE);
	len = sizeof digest;
	ck_assert_rv(p11->C_DigestFinal(session, digest, &len), CKR_OK); /* still there */
	ck_assert_rv(p11->C_SetOperationState(session, state, sizeof state, 0, 0), CKR_SAVED_STATE_INVALID);
	ck_assert_rv(p11->C_SetOperationState(session, NULL, sizeof state, 0, 0), CKR_ARGUMENTS_BAD);
	ck_assert_rv_in(p11->C_SetOperationState(session, NULL, 0, 0, 0), CKR_SAVED_STATE_INVALID, CKR_ARGUMENTS_BAD);
}
END_TEST

/* ulDeviceError is the reason of the last call that failed in this session, and of no other. */
START_TEST(device_error)
{
	CK_SESSION_HANDLE one = sr_rw(), other = sr_rw();
	ck_assert_rv(sr_login(one, "srt_aaaaaaaaaaaaaaaaaaaaaaaaaa"), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(sr_device_error(one), SR_REASON_LOGIN_REFUSED);
	ck_assert_uint_eq(sr_device_error(other), SR_REASON_NONE);
}
END_TEST

/* 5.4.2: C_Finalize takes sessions, searches and digests with it. */
START_TEST(finalize_with_everything_open)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_SESSION_HANDLE session = 0;
	sr_as(sr_place.reader);
	for (int i = 0; i < 64; i++) {
		session = sr_rw();
		ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
		ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	}
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(session), CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_rv(sr_initialize(), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(session), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

Suite *sr_battery_sessions(void)
{
	Suite *suite = suite_create("battery: sessions");
	TCase *tcase = sr_chapter(suite, "5.6", sr_start, sr_stop);
	tcase_add_test(tcase, open_flags);
	tcase_add_test(tcase, session_info);
	tcase_add_test(tcase, states);
	tcase_add_test(tcase, close_session);
	tcase_add_test(tcase, last_session_logs_out);
	tcase_add_test(tcase, close_all_sessions);
	tcase_add_loop_test(tcase, dead_handle, 0, (int)sr_row_count);
	tcase_add_test(tcase, cancel);
	tcase_add_test(tcase, cancel_is_for_one_session);
	tcase_add_test(tcase, operation_state);
	tcase_add_test(tcase, device_error);
	tcase_add_test(tcase, finalize_with_everything_open);
	return suite;
}
