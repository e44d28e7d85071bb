/* src/pkcs11 over the fake vault: slots, sessions, login and its lapse, threads. */
#include "tests/unit/suites.h"

#include "tests/unit/pkcs11_fixture.h"

#include <openssl/engineerr.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define ck_rv ck_assert_uint_eq

/* -- slots ------------------------------------------------------------------------------------------------------ */

START_TEST(slots_have_names_and_serials)
{
	static const char *const labels[] = { "file", "env", "fake" };
	CK_SLOT_ID ids[3];
	CK_ULONG count = 3;
	CK_TOKEN_INFO infos[3];
	ck_rv(CALL(C_GetSlotList, CK_TRUE, ids, &count), CKR_OK);
	for (size_t i = 0; i < 3; i++) {
		CK_SLOT_INFO slot;
		ck_assert_uint_ne(ids[i], 0);
		ck_assert_uint_le(ids[i], 0x7fffffff);
		ck_rv(CALL(C_GetSlotInfo, ids[i], &slot), CKR_OK);
		ck_rv(slot.flags, CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE);
		ck_rv(CALL(C_GetTokenInfo, ids[i], &infos[i]), CKR_OK);
		ck_assert_int_eq(memcmp(infos[i].label, labels[i], strlen(labels[i])), 0);
		ck_assert_int_eq(infos[i].label[31], ' ');
		ck_assert_int_eq(memcmp(infos[i].serialNumber, "01234567", 8), 0);
		ck_assert_int_eq((infos[i].flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0, i < 2);
		ck_assert(infos[i].flags & CKF_LOGIN_REQUIRED && infos[i].flags & CKF_RNG);
	}
	ck_assert_int_ne(memcmp(infos[0].serialNumber, infos[1].serialNumber, 16), 0);
	ck_rv(infos[2].ulSessionCount, 2);
	ck_rv(infos[2].ulRwSessionCount, 1);
	CK_SLOT_ID before = fix.slot;
	fix.backend->close(fix.client);
	fixture_client();
	ck_rv(fix.slot, before);
}
END_TEST

START_TEST(slot_arguments)
{
	CK_ULONG count = 1;
	CK_SLOT_ID one;
	CK_TOKEN_INFO info;
	CK_MECHANISM_INFO mechanism;
	CK_MECHANISM_TYPE types[128];
	ck_rv(CALL(C_GetSlotList, CK_TRUE, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GetSlotList, CK_TRUE, &one, &count), CKR_BUFFER_TOO_SMALL);
	ck_rv(count, 3);
	ck_rv(CALL(C_GetTokenInfo, 0, &info), CKR_SLOT_ID_INVALID);
	ck_rv(CALL(C_GetTokenInfo, fix.slot, NULL), CKR_ARGUMENTS_BAD);
	count = COUNT(types);
	ck_rv(CALL(C_GetMechanismList, fix.slot, types, &count), CKR_OK);
	ck_rv(types[0], CKM_RSA_PKCS_KEY_PAIR_GEN);
	for (CK_ULONG i = 0; i < count; i++)
		ck_rv(CALL(C_GetMechanismInfo, fix.slot, types[i], &mechanism), CKR_OK);
	ck_rv(CALL(C_GetMechanismInfo, fix.slot, CKM_SHA256, &mechanism), CKR_OK);
	ck_rv(mechanism.flags, CKF_DIGEST);
	ck_rv(CALL(C_GetMechanismInfo, fix.slot, CKM_MD5, &mechanism), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_InitToken, fix.slot, GOOD, 4, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_InitToken, fix.slot, GOOD, 4, GOOD), CKR_SESSION_EXISTS);
	ck_rv(CALL(C_InitToken, fix.file_slot, GOOD, 4, GOOD), CKR_FUNCTION_NOT_SUPPORTED);
	ck_rv(CALL(C_InitPIN, fix.rw, GOOD, 4), CKR_FUNCTION_NOT_SUPPORTED);
	ck_rv(CALL(C_InitPIN, fix.rw, NULL, 4), CKR_ARGUMENTS_BAD);
}
END_TEST

START_TEST(vault_absent_and_back)
{
	static const struct {
		CK_ULONG reason;
		CK_RV rv;
	} rows[] = {
		{ SR_REASON_VAULT_MISSING, CKR_TOKEN_NOT_PRESENT },
		{ SR_REASON_HSM_MISSING, CKR_DEVICE_REMOVED },
		{ SR_REASON_ROLLED_BACK, CKR_DEVICE_ERROR },
		{ SR_REASON_ROW_FORGED, CKR_DEVICE_ERROR },
	};
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO info;
	CK_SLOT_INFO slot;
	CK_ULONG count = 0;
	fixture_load();
	for (size_t i = 0; i < COUNT(rows); i++) {
		fix.vault->open_rv = CKR_GENERAL_ERROR;
		fix.vault->open_reason = rows[i].reason;
		fixture_client();
		ck_rv(CALL(C_OpenSession, fix.slot, CKF_SERIAL_SESSION, NULL, NULL, &session), rows[i].rv);
		ck_rv(CALL(C_GetTokenInfo, fix.slot, &info), rows[i].rv);
		ck_rv(fix.backend->last_error()->reason, rows[i].reason);
		ck_rv(CALL(C_GetSlotInfo, fix.slot, &slot), CKR_OK);
		ck_assert(!(slot.flags & CKF_TOKEN_PRESENT));
		ck_rv(CALL(C_GetSlotList, CK_TRUE, NULL, &count), CKR_OK);
		ck_rv(count, 0);
		fix.backend->close(fix.client);
	}
	fixture_client();
	unsigned opens = fix.vault->opens;
	fix.vault->open_rv = CKR_OK;
	ck_rv(CALL(C_GetTokenInfo, fix.slot, &info), CKR_DEVICE_ERROR);
	ck_rv(fix.vault->opens, opens); /* once a second at most */
	fix.vault->boot_ms += 1000;
	ck_rv(CALL(C_GetTokenInfo, fix.slot, &info), CKR_OK); /* under the id that the program knows */
	ck_assert_int_eq(memcmp(info.serialNumber, "01234567", 8), 0);
	ck_rv(CALL(C_GetSlotList, CK_TRUE, NULL, &count), CKR_OK);
	ck_rv(count, 3);
	ck_rv(fix.vault->opens, opens + 1);
}
END_TEST

START_TEST(backend_functions)
{
	struct sr_vault_plan plan = { 0 };
	struct sr_error err = SR_ERROR_INIT;
	char *result = NULL;
	ck_rv(fix.backend->abi, SR_BACKEND_ABI);
	ck_rv(fix.backend->create(&plan, NULL, &result, &err), CKR_FUNCTION_FAILED);
	ck_rv(fix.backend->last_error()->reason, SR_REASON_PATH_TAKEN);
	ck_assert_str_eq(fix.backend->last_error()->text, err.text);
	ck_rv(fix.backend->probe(NULL, NULL, &result, &err), CKR_OK);
	ck_assert_str_eq(result, "{}");
	free(result);
	ck_rv(fix.backend->doctor(NULL, &result, &err), CKR_OK);
	free(result);
	ck_rv(fix.backend->last_error()->reason, SR_REASON_PATH_TAKEN); /* the last failure's */
	fix.backend->abandon(fix.client); /* closed by the fixture all the same: there is no fork here */
	fix.backend->abandon(NULL);
}
END_TEST

/* -- sessions --------------------------------------------------------------------------------------------------- */

START_TEST(session_arguments)
{
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_BYTE byte;
	CK_ULONG len = 1;
	ck_rv(CALL(C_OpenSession, fix.slot, 0, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	ck_rv(CALL(C_OpenSession, fix.slot, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_OpenSession, 0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SLOT_ID_INVALID);
	ck_rv(CALL(C_GetSessionInfo, fix.rw, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GetSessionInfo, 0, &info), CKR_SESSION_HANDLE_INVALID);
	ck_rv(CALL(C_GetOperationState, fix.rw, &byte, &len), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_SetOperationState, fix.rw, &byte, 1, 0, 0), CKR_SAVED_STATE_INVALID);
	ck_rv(CALL(C_SignInit, fix.rw, NULL, 0), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_SignInit, 0, NULL, 0), CKR_SESSION_HANDLE_INVALID);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_SESSION_HANDLE_INVALID);
	ck_rv(CALL(C_CloseAllSessions, 0), CKR_SLOT_ID_INVALID);
	ck_rv(CALL(C_CloseAllSessions, fix.slot), CKR_OK);
	ck_rv(CALL(C_GetSessionInfo, fix.rw, &info), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

START_TEST(session_limit)
{
	CK_SESSION_HANDLE session;
	for (int i = 0; i < 1022; i++)
		open_session(fix.slot, 0);
	ck_rv(CALL(C_OpenSession, fix.file_slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SESSION_COUNT);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK);
	ck_rv(CALL(C_OpenSession, fix.file_slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
}
END_TEST

/* -- login ------------------------------------------------------------------------------------------------------ */

START_TEST(login_arguments)
{
	CK_UTF8CHAR pin[256] = { 0 };
	ck_rv(CALL(C_Login, fix.rw, CKU_SO, GOOD, 4), CKR_USER_TYPE_INVALID);
	ck_rv(CALL(C_Login, fix.rw, CKU_CONTEXT_SPECIFIC, GOOD, 4), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_Login, fix.rw, 7, GOOD, 4), CKR_USER_TYPE_INVALID);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, NULL, 4), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, NULL, 0), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, pin, 256), CKR_PIN_INCORRECT);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, pin, 255), CKR_PIN_INCORRECT);
	ck_rv(reason_of(fix.rw), SR_REASON_LOGIN_REFUSED);
	ck_rv(CALL(C_LoginUser, fix.rw, CKU_USER, GOOD, 4, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_Logout, fix.rw), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_SetPIN, fix.rw, GOOD, 4, GOOD, 4), CKR_OK);
	ck_rv(CALL(C_LoginUser, fix.rw, CKU_USER, GOOD, 4, GOOD, 4), CKR_OK);
	ck_rv(CALL(C_SetPIN, fix.ro, GOOD, 4, GOOD, 4), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_SetPIN, fix.rw, NULL, 0, GOOD, 4), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_SetPIN, fix.rw, GOOD, 256, GOOD, 4), CKR_PIN_LEN_RANGE);
	ck_rv(CALL(C_SetPIN, fix.rw, GOOD, 3, GOOD, 4), CKR_PIN_INCORRECT);
	ck_rv(CALL(C_SetPIN, fix.rw, GOOD, 4, GOOD, 4), CKR_OK);
}
END_TEST

START_TEST(login_is_the_slots)
{
	CK_SESSION_HANDLE other = open_session(fix.env_slot, 0);
	ck_rv(state_of(fix.rw), CKS_RW_PUBLIC_SESSION);
	ck_rv(state_of(fix.ro), CKS_RO_PUBLIC_SESSION);
	log_in(fix.ro);
	ck_rv(state_of(fix.rw), CKS_RW_USER_FUNCTIONS);
	ck_rv(state_of(fix.ro), CKS_RO_USER_FUNCTIONS);
	ck_rv(state_of(other), CKS_RO_PUBLIC_SESSION);
	ck_rv(CALL(C_Login, fix.rw, CKU_USER, GOOD, 4), CKR_USER_ALREADY_LOGGED_IN);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK);
	ck_rv(state_of(fix.rw), CKS_RW_USER_FUNCTIONS);
	ck_rv(fix.vault->logouts, 0);
	ck_rv(CALL(C_CloseSession, fix.rw), CKR_OK); /* the last one logs out */
	ck_rv(fix.vault->logouts, 1);
	ck_rv(fix.vault->living, 0);
	ck_rv(state_of(open_session(fix.slot, 0)), CKS_RO_PUBLIC_SESSION);
}
END_TEST

START_TEST(logout_ends_private_handles)
{
	CK_OBJECT_HANDLE held, open, one;
	char value[16];
	CK_ULONG len = sizeof value;
	log_in(fix.rw);
	one = find_label(fix.rw, "a/one");
	ck_assert_uint_ne(one, 0);
	ck_rv(find_label(fix.ro, "a/one"), one); /* one object, one number */
	ck_rv(create_data(fix.rw, "p", "x", false, true, &held), CKR_OK);
	ck_rv(create_data(fix.rw, "q", "y", false, false, &open), CKR_OK);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 0), CKR_OK);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_rv(CALL(C_Logout, fix.rw), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(get_value(fix.rw, one, value, &len), CKR_OBJECT_HANDLE_INVALID);
	len = sizeof value;
	ck_rv(get_value(fix.rw, held, value, &len), CKR_OBJECT_HANDLE_INVALID);
	len = sizeof value;
	ck_rv(get_value(fix.rw, open, value, &len), CKR_OK);
	log_in(fix.rw);
	ck_rv(get_value(fix.rw, one, value, &len), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_ne(find_label(fix.rw, "a/one"), one);
}
END_TEST

START_TEST(logout_that_cannot_be_recorded)
{
	log_in(fix.rw);
	fix.vault->logout_rv = CKR_DEVICE_ERROR;
	ck_rv(CALL(C_Logout, fix.rw), CKR_DEVICE_ERROR);
	ck_rv(state_of(fix.rw), CKS_RW_PUBLIC_SESSION);
}
END_TEST

/* -- lapse ------------------------------------------------------------------------------------------------------ */

START_TEST(lapse)
{
	CK_OBJECT_HANDLE held, one, two, found[4];
	CK_ULONG count = 9;
	char value[16];
	CK_ULONG len = sizeof value;
	log_in(fix.rw);
	one = find_label(fix.rw, "a/one");
	two = find_label(fix.rw, "a/two");
	ck_rv(create_data(fix.rw, "p", "x", false, true, &held), CKR_OK);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 0), CKR_OK);
	fix.vault->lapsed = 1;
	ck_rv(get_value(fix.rw, one, value, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(reason_of(fix.rw), SR_REASON_EXPIRED);
	ck_rv(fix.vault->living, 0);
	ck_rv(state_of(fix.ro), CKS_RO_PUBLIC_SESSION);
	len = sizeof value;
	ck_rv(get_value(fix.rw, one, value, &len), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(CALL(C_DestroyObject, fix.rw, held), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_DestroyObject, fix.rw, held), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(find_label(fix.rw, "a/two"), 0);
	ck_rv(fix.vault->refused, 0);
	ck_rv(CALL(C_FindObjects, fix.ro, found, 4, &count), CKR_OK);
	ck_rv(count, 0);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OK);
	ck_rv(create_data(fix.rw, "p", "x", false, true, &held), CKR_USER_NOT_LOGGED_IN);
	log_in(fix.rw);
	len = sizeof value;
	ck_rv(get_value(fix.rw, two, value, &len), CKR_OBJECT_HANDLE_INVALID);
	fix.vault->lapsed = 2;
	ck_rv(state_of(fix.rw), CKS_RW_PUBLIC_SESSION);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_rv(CALL(C_Logout, fix.rw), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->logouts, 0);
}
END_TEST

START_TEST(lapse_seen_by_login)
{
	log_in(fix.rw);
	fix.vault->lapsed = 1;
	log_in(fix.rw);
	ck_rv(state_of(fix.rw), CKS_RW_USER_FUNCTIONS);
	fix.vault->check_rv = CKR_DEVICE_ERROR; /* no lapse, and no access either */
	CK_SESSION_INFO info;
	ck_rv(CALL(C_GetSessionInfo, fix.rw, &info), CKR_DEVICE_ERROR);
	fix.vault->check_rv = CKR_OK;
	ck_rv(state_of(fix.rw), CKS_RW_USER_FUNCTIONS);
}
END_TEST

/* -- the host's OpenSSL ---------------------------------------------------------------------------------------------
 */

static void leave_an_error(void)
{
	ERR_raise(ERR_LIB_ENGINE, ENGINE_R_NO_SUCH_ENGINE); /* as SoftHSM2 does when it is loaded */
}

/* A TLS library that finds an error there takes it for its own. */
START_TEST(the_error_queue_is_the_hosts)
{
	ERR_clear_error();
	for (int i = 0; i < 2; i++) {
		unsigned long before = ERR_peek_last_error();
		log_in(fix.rw);
		fix.vault->on_release = leave_an_error;
		ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
		ck_assert_ptr_null(fix.vault->on_release);
		ck_rv(ERR_peek_last_error(), before);
		ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR); /* the host's own stays */
	}
	ck_rv(ERR_GET_LIB(ERR_get_error()), ERR_LIB_SSL);
}
END_TEST

/* -- slots that log in by themselves ------------------------------------------------------------------------------ */

static void log_in_by_token(CK_SESSION_HANDLE session)
{
	ck_rv(CALL(C_Login, session, CKU_USER, (CK_UTF8CHAR_PTR) "ignored", 7), CKR_OK);
}

START_TEST(own_token)
{
	char value[16];
	CK_ULONG len = sizeof value;
	CK_SESSION_HANDLE session = open_session(fix.file_slot, CKF_RW_SESSION);
	ck_rv(find_label(session, "a/one"), 0); /* it was never logged in */
	ck_rv(CALL(C_LoginUser, session, CKU_USER, NULL, 0, GOOD, 4), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 1), CKR_ARGUMENTS_BAD);
	log_in_by_token(session);
	CK_OBJECT_HANDLE one = find_label(session, "a/one");
	fix.vault->lapsed = 1;
	ck_rv(get_value(session, one, value, &len), CKR_OK); /* logged in again, under the same handle */
	ck_rv(len, 5);
	ck_rv(fix.vault->logins, 2);
	write_token_file("good");
	len = sizeof value;
	ck_rv(get_value(session, one, value, &len), CKR_OK);
	ck_rv(fix.vault->logins, 3);
	ck_rv(find_label(session, "a/one"), one);
	ck_rv(fix.vault->logins, 3);
	write_token_file(""); /* being written: the login there is goes on */
	ck_rv(find_label(session, "a/one"), one);
	write_token_file("bad");
	len = sizeof value;
	ck_rv(get_value(session, one, value, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->logins, 4);
	ck_rv(find_label(session, "a/two"), 0);
	ck_rv(fix.vault->logins, 4); /* once for each token */
	write_token_file("good\n");
	ck_assert_uint_ne(find_label(session, "a/two"), 0);
	ck_rv(CALL(C_Logout, session), CKR_OK);
	write_token_file("good");
	ck_rv(find_label(session, "a/one"), 0); /* who logs out stays out */
}
END_TEST

static CK_SESSION_HANDLE logs_out;
static CK_RV logout_rv;

static void log_out(void)
{
	logout_rv = CALL(C_Logout, logs_out);
}

/* The login lapses after the call has checked it, so that the call meets it inside the vault. */
static void lapse_and_log_out(void)
{
	fix.vault->lapsed = fix.vault->logins;
	fix.vault->on_release = log_out;
}

/* The slot has just logged itself in again under a call, and another thread logs out before the call goes on. */
START_TEST(logout_under_a_login_of_its_own)
{
	char value[16];
	CK_ULONG len = sizeof value;
	CK_SESSION_HANDLE session = open_session(fix.file_slot, CKF_RW_SESSION);
	logs_out = open_session(fix.file_slot, 0);
	for (int i = 0; i < 2; i++) {
		log_in_by_token(session);
		CK_OBJECT_HANDLE one = find_label(session, "a/one");
		logout_rv = CKR_FUNCTION_FAILED;
		fix.vault->on_check = lapse_and_log_out;
		if (i == 0)
			ck_rv(find_label(session, "a/one"), 0);
		else
			ck_rv(get_value(session, one, value, &len), CKR_USER_NOT_LOGGED_IN);
		ck_rv(logout_rv, CKR_OK);
		ck_rv(fix.vault->logins, 2 * (i + 1));
		ck_rv(state_of(session), CKS_RW_PUBLIC_SESSION);
	}
}
END_TEST

START_TEST(own_token_unreadable)
{
	static char long_token[300];
	CK_SESSION_HANDLE session = open_session(fix.file_slot, 0);
	CK_SESSION_HANDLE env = open_session(fix.env_slot, 0);
	memset(long_token, 'x', sizeof long_token - 1);
	write_token_file(long_token);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED);
	ck_rv(reason_of(session), SR_REASON_BAD_CONFIG);
	remove(fix.token_file);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED);
	unsetenv("SR_TEST_TOKEN");
	ck_rv(CALL(C_Login, env, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED);
	setenv("SR_TEST_TOKEN", "good", 1);
	ck_rv(CALL(C_Login, env, CKU_USER, NULL, 0), CKR_OK);
	fix.vault->lapsed = 1;
	ck_rv(state_of(env), CKS_RO_USER_FUNCTIONS);
	setenv("SR_TEST_TOKEN", "bad", 1);
	fix.vault->lapsed = 2;
	ck_rv(state_of(env), CKS_RO_PUBLIC_SESSION);
}
END_TEST

/* -- threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 8

static void run_threads(void *(*body)(void *))
{
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static unsigned logged_in, already;

static void *try_login(void *unused)
{
	(void)unused;
	CK_SESSION_HANDLE session = open_session(fix.slot, 0);
	CK_RV rv = CALL(C_Login, session, CKU_USER, GOOD, 4);
	__atomic_fetch_add(rv == CKR_OK ? &logged_in : &already, 1, __ATOMIC_SEQ_CST);
	ck_assert(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN);
	return NULL;
}

START_TEST(logins_at_once)
{
	logged_in = already = 0;
	fix.vault->login_ms = 20;
	run_threads(try_login);
	ck_rv(logged_in, 1);
	ck_rv(already, THREADS - 1);
	ck_rv(fix.vault->logins, 1);
}
END_TEST

static void *log_in_slowly(void *unused)
{
	(void)unused;
	log_in(fix.ro);
	return NULL;
}

START_TEST(login_keeps_nobody_waiting)
{
	pthread_t thread;
	fix.vault->login_ms = 500;
	ck_assert_int_eq(pthread_create(&thread, NULL, log_in_slowly, NULL), 0);
	ck_rv(state_of(fix.rw), CKS_RW_PUBLIC_SESSION);
	ck_rv(find_label(fix.rw, "a/one"), 0);
	pthread_mutex_lock(&fix.vault->lock);
	ck_rv(fix.vault->logins, 0);
	pthread_mutex_unlock(&fix.vault->lock);
	pthread_join(thread, NULL);
	ck_rv(state_of(fix.rw), CKS_RW_USER_FUNCTIONS);
}
END_TEST

static void *read_by_own_token(void *unused)
{
	(void)unused;
	char value[16];
	CK_ULONG len = sizeof value;
	CK_SESSION_HANDLE session = open_session(fix.file_slot, 0);
	ck_rv(get_value(session, find_label(session, "a/one"), value, &len), CKR_OK);
	return NULL;
}

START_TEST(own_token_for_all_threads)
{
	CK_SESSION_HANDLE session = open_session(fix.file_slot, 0);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_OK);
	fix.vault->lapsed = 1;
	fix.vault->login_ms = 20;
	run_threads(read_by_own_token);
	ck_rv(fix.vault->logins, 2); /* one of them for all */
}
END_TEST

/* Everything at once, and any code that the standard allows: what counts is what the sanitizers see. */
static void *do_anything(void *unused)
{
	(void)unused;
	for (int i = 0; i < 60; i++) {
		CK_SESSION_HANDLE session = open_session(i % 3 ? fix.slot : fix.file_slot, CKF_RW_SESSION);
		CK_OBJECT_HANDLE found[4], made;
		CK_ULONG count = 0;
		CK_SESSION_INFO info;
		char value[16];
		CK_ULONG len = sizeof value;
		CALL(C_Login, session, CKU_USER, GOOD, 4);
		if (CALL(C_FindObjectsInit, session, NULL, 0) == CKR_OK)
			CALL(C_FindObjects, session, found, 4, &count);
		for (CK_ULONG at = 0; at < count; at++)
			get_value(session, found[at], value, &len);
		create_data(session, "shared", "x", i % 2, i % 5, &made);
		CALL(C_GetSessionInfo, fix.rw, &info);
		if (i % 7 == 0)
			CALL(C_Logout, session);
		if (i % 11 == 0) {
			pthread_mutex_lock(&fix.vault->lock);
			fix.vault->lapsed = fix.vault->identities;
			pthread_mutex_unlock(&fix.vault->lock);
		}
		if (i % 13 == 0)
			CALL(C_CloseAllSessions, fix.file_slot);
		CALL(C_CloseSession, session);
	}
	return NULL;
}

START_TEST(threads)
{
	run_threads(do_anything);
	ck_assert_uint_gt(fix.vault->logins, 0);
}
END_TEST

static void *use_shared_session(void *unused)
{
	(void)unused;
	CK_SESSION_INFO info;
	CK_RV rv;
	while ((rv = CALL(C_GetSessionInfo, fix.rw, &info)) == CKR_OK)
		continue;
	ck_assert_uint_eq(rv, CKR_SESSION_HANDLE_INVALID);
	return NULL;
}

START_TEST(close_under_calls)
{
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, use_shared_session, NULL), 0);
	ck_rv(CALL(C_CloseSession, fix.rw), CKR_OK);
	pthread_join(thread, NULL);
}
END_TEST

Suite *sr_suite_pkcs11(void)
{
	Suite *suite = suite_create("pkcs11");
	TCase *absent = tcase_create("absent");
	tcase_add_checked_fixture(absent, NULL, fixture_close);
	tcase_add_test(absent, vault_absent_and_back);
	suite_add_tcase(suite, absent);
	TCase *calls = tcase_create("calls");
	tcase_add_checked_fixture(calls, fixture_open, fixture_close);
	tcase_set_timeout(calls, 60);
	tcase_add_test(calls, slots_have_names_and_serials);
	tcase_add_test(calls, slot_arguments);
	tcase_add_test(calls, backend_functions);
	tcase_add_test(calls, session_arguments);
	tcase_add_test(calls, session_limit);
	tcase_add_test(calls, login_arguments);
	tcase_add_test(calls, login_is_the_slots);
	tcase_add_test(calls, logout_ends_private_handles);
	tcase_add_test(calls, logout_that_cannot_be_recorded);
	tcase_add_test(calls, lapse);
	tcase_add_test(calls, lapse_seen_by_login);
	tcase_add_test(calls, the_error_queue_is_the_hosts);
	tcase_add_test(calls, own_token);
	tcase_add_test(calls, own_token_unreadable);
	tcase_add_test(calls, logout_under_a_login_of_its_own);
	tcase_add_test(calls, logins_at_once);
	tcase_add_test(calls, login_keeps_nobody_waiting);
	tcase_add_test(calls, own_token_for_all_threads);
	tcase_add_test(calls, threads);
	tcase_add_test(calls, close_under_calls);
	suite_add_tcase(suite, calls);
	return suite;
}
