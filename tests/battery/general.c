/* General purpose functions: PKCS#11 v3.1, 5.4, and the legacy pair of 5.20. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* -- C_Initialize, C_Finalize ----------------------------------------------------------------------------------------
 */
START_TEST(initialise_once)
{
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
}
END_TEST

START_TEST(reserved_is_null)
{
	int something;
	CK_C_INITIALIZE_ARGS args = { .pReserved = &something };
	CK_INFO info;
	ck_assert_rv(p11->C_Initialize(&args), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	ck_assert_rv(p11->C_Finalize(&something), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetInfo(&info), CKR_OK);
}
END_TEST

/* An application's mutexes, that count. */
static int created, destroyed, locked, unlocked;

static CK_RV create_mutex(void **mutex)
{
	*mutex = &created;
	created++;
	return CKR_OK;
}

static CK_RV create_no_mutex(void **mutex)
{
	(void)mutex;
	return CKR_HOST_MEMORY;
}

static CK_RV destroy_mutex(void *mutex)
{
	ck_assert_ptr_eq(mutex, &created);
	destroyed++;
	return CKR_OK;
}

static CK_RV lock_mutex(void *mutex)
{
	ck_assert_ptr_eq(mutex, &created);
	locked++;
	return CKR_OK;
}

static CK_RV unlock_mutex(void *mutex)
{
	ck_assert_ptr_eq(mutex, &created);
	unlocked++;
	return CKR_OK;
}

/* Bit by bit of MASK: which of the four are given. */
static CK_C_INITIALIZE_ARGS args_with(int mask, CK_FLAGS flags)
{
	return (CK_C_INITIALIZE_ARGS){ .CreateMutex = mask & 1 ? create_mutex : NULL,
		.DestroyMutex = mask & 2 ? destroy_mutex : NULL,
		.LockMutex = mask & 4 ? lock_mutex : NULL,
		.UnlockMutex = mask & 8 ? unlock_mutex : NULL,
		.flags = flags };
}

static void log_in_and_out(void)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
}

/* The four cases of 5.4.1: OS locking or not, four functions or none. */
START_TEST(four_locking_cases)
{
	static const CK_FLAGS flags[] = { 0, CKF_OS_LOCKING_OK };
	CK_C_INITIALIZE_ARGS args = args_with(_i & 1 ? 15 : 0, flags[_i >> 1]);
	ck_assert_rv(p11->C_Initialize(&args), CKR_OK);
	log_in_and_out();
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_int_eq(created, destroyed);
	ck_assert_int_eq(locked, unlocked);
	if (_i == 1) { /* functions and no CKF_OS_LOCKING_OK: these and no others */
		ck_assert_int_gt(created, 0);
		ck_assert_int_gt(locked, 0);
	}
}
END_TEST

START_TEST(some_mutex_functions)
{
	CK_INFO info;
	CK_C_INITIALIZE_ARGS args = args_with(_i, 0);
	ck_assert_rv(p11->C_Initialize(&args), CKR_ARGUMENTS_BAD);
	args.flags = CKF_OS_LOCKING_OK;
	ck_assert_rv(p11->C_Initialize(&args), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
}
END_TEST

START_TEST(no_mutex_to_be_had)
{
	CK_INFO info;
	CK_C_INITIALIZE_ARGS args = args_with(15, 0);
	args.CreateMutex = create_no_mutex;
	ck_assert_rv_in(p11->C_Initialize(&args), CKR_HOST_MEMORY, CKR_GENERAL_ERROR);
	ck_assert_rv(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
}
END_TEST

START_TEST(no_threads_of_our_own)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK };
	ck_assert_rv(p11->C_Initialize(&args), CKR_OK);
	log_in_and_out();
}
END_TEST

/* 5.1.1 goes before everything else that is wrong with a call. */
START_TEST(nothing_before_initialise)
{
	const struct sr_row *row = &sr_rows[_i];
	static const char *const allowed[] = { "C_Initialize", "C_GetFunctionList", "C_GetInterfaceList",
		"C_GetInterface" };
	for (size_t i = 0; i < SR_COUNT(allowed); i++) {
		if (strcmp(row->name, allowed[i]) == 0)
			return;
	}
	CK_RV rv = sr_call_words(row, 0);
	ck_assert_msg(rv == CKR_CRYPTOKI_NOT_INITIALIZED, "%s: %s", row->name, sr_code(rv));
}
END_TEST

START_TEST(again_and_again)
{
	CK_SESSION_HANDLE old = 0;
	CK_SESSION_INFO info;
	for (int i = 0; i < 10; i++) {
		ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
		if (old)
			ck_assert_rv(p11->C_GetSessionInfo(old, &info), CKR_SESSION_HANDLE_INVALID);
		old = sr_as(sr_place.reader);
		ck_assert_uint_ne(sr_find(old, SR_STRIPE), 0);
		ck_assert_rv(p11->C_Finalize(NULL), CKR_OK); /* with the session open */
	}
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(sr_state(sr_rw()), CKS_RW_PUBLIC_SESSION);
}
END_TEST

START_TEST(unload_and_load)
{
	ck_assert_rv(sr_initialize(), CKR_OK);
	log_in_and_out();
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	sr_unload();
	sr_load();
	ck_assert_rv(sr_initialize(), CKR_OK);
	log_in_and_out();
}
END_TEST

/* -- configuration ----------------------------------------------------------------------------------------------------
 */
START_TEST(no_configuration)
{
	CK_ULONG count = 7;
	CK_SLOT_INFO info;
	CK_SESSION_HANDLE session;
	unsetenv("STRONGROOM_CONF");
	setenv("XDG_CONFIG_HOME", sr_place.dir, 1);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_rv(p11->C_GetSlotInfo(1, &info), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_Logout(1), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

static const SR_INTERFACE *vendor(void)
{
	CK_VERSION version = { 1, 0 };
	CK_INTERFACE *interface;
	ck_assert_rv(p11->C_GetInterface((CK_UTF8CHAR_PTR)SR_INTERFACE_NAME, &version, &interface, 0), CKR_OK);
	return interface->pFunctionList;
}

START_TEST(configuration_that_is_not_there)
{
	const char *text = NULL;
	CK_INFO info;
	setenv("STRONGROOM_CONF", "/nowhere/strongroom.conf", 1);
	ck_assert_rv_in(p11->C_Initialize(NULL), CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED);
	ck_assert_uint_eq(vendor()->sr_last_error(&text), SR_REASON_BAD_CONFIG);
	ck_assert_ptr_nonnull(strstr(text, "/nowhere/strongroom.conf"));
	ck_assert_rv(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	setenv("STRONGROOM_CONF", sr_place.conf, 1);
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
}
END_TEST

/* -- C_GetInfo, the function lists ------------------------------------------------------------------------------------
 */
static void check_padded(const CK_UTF8CHAR *field, size_t size)
{
	ck_assert_ptr_null(memchr(field, '\0', size));
	ck_assert_int_ne(field[0], ' ');
}

START_TEST(info)
{
	CK_INFO got;
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	memset(&got, 0, sizeof got);
	ck_assert_rv(p11->C_GetInfo(&got), CKR_OK);
	ck_assert_int_eq(got.cryptokiVersion.major, 3);
	ck_assert_int_eq(got.cryptokiVersion.minor, 1);
	ck_assert_uint_eq(got.flags, 0);
	check_padded(got.manufacturerID, sizeof got.manufacturerID);
	check_padded(got.libraryDescription, sizeof got.libraryDescription);
	ck_assert_rv(p11->C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

static void check_list(const void *list, int since)
{
	for (size_t i = 0; i < sr_row_count; i++) {
		sr_any function;
		if (sr_rows[i].since > since)
			continue;
		memcpy(&function, (const char *)list + sr_rows[i].offset, sizeof function);
		ck_assert_msg(function, "%s is NULL", sr_rows[i].name);
		ck_assert_msg(
			(void *)function == sr_symbol(sr_rows[i].name), "%s is another than exported", sr_rows[i].name);
	}
}

/* 5.4.4: this way leads to 2.40 only, and the list of 3.x begins with the same functions. */
START_TEST(function_list)
{
	CK_FUNCTION_LIST *list = NULL;
	ck_assert_rv(p11->C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetFunctionList(&list), CKR_OK);
	ck_assert_int_eq(list->version.major, 2);
	ck_assert_int_eq(list->version.minor, 40);
	check_list(list, 240);
	ck_assert_uint_eq(sr_row_count, 92);
}
END_TEST

START_TEST(interface_list)
{
	CK_INTERFACE list[16];
	CK_ULONG count = 0;
	ck_assert_rv(p11->C_GetInterfaceList(NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetInterfaceList(NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, 4); /* 3.1, 3.0, 2.40, ours */
	CK_ULONG too_few = count - 1;
	ck_assert_rv(p11->C_GetInterfaceList(list, &too_few), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(too_few, count);
	CK_ULONG room = SR_COUNT(list);
	ck_assert_rv(p11->C_GetInterfaceList(list, &room), CKR_OK);
	ck_assert_uint_eq(room, count);
	for (CK_ULONG i = 0; i < count; i++) {
		const CK_VERSION *version = list[i].pFunctionList;
		bool standard = strcmp(list[i].pInterfaceName, "PKCS 11") == 0;
		ck_assert(standard || strcmp(list[i].pInterfaceName, SR_INTERFACE_NAME) == 0);
		if (standard)
			check_list(list[i].pFunctionList, version->major == 2 ? 240 : 300);
	}
}
END_TEST

/* MAJOR 0: no version asked for. GIVEN 0: there is none. */
static const struct {
	const char *name;
	CK_BYTE major, minor;
	CK_FLAGS flags;
	CK_BYTE given_major, given_minor;
} asked[] = {
	{ NULL, 0, 0, 0, 3, 1 },
	{ "PKCS 11", 0, 0, 0, 3, 1 },
	{ NULL, 3, 0, 0, 3, 0 },
	{ "PKCS 11", 2, 40, 0, 2, 40 },
	{ "PKCS 11", 3, 0, 0, 3, 0 },
	{ "PKCS 11", 3, 1, 0, 3, 1 },
	{ "PKCS 11", 3, 2, 0, 0, 0 },
	{ "PKCS 11", 2, 20, 0, 0, 0 },
	{ "PKCS 11", 3, 1, CKF_INTERFACE_FORK_SAFE, 0, 0 },
	{ "PKCS 11", 3, 1, 1UL << 30, 0, 0 },
	{ "pkcs 11", 0, 0, 0, 0, 0 },
	{ "PKCS 1", 0, 0, 0, 0, 0 },
	{ "", 0, 0, 0, 0, 0 },
	{ "Vendor Somebody", 0, 0, 0, 0, 0 },
	{ SR_INTERFACE_NAME, 0, 0, 0, 1, 0 },
	{ SR_INTERFACE_NAME, 1, 0, 0, 1, 0 },
	{ SR_INTERFACE_NAME, 3, 1, 0, 0, 0 },
};

START_TEST(interfaces)
{
	CK_VERSION version = { asked[_i].major, asked[_i].minor };
	CK_INTERFACE *interface = NULL;
	CK_RV rv = p11->C_GetInterface(
		(CK_UTF8CHAR_PTR)asked[_i].name, version.major ? &version : NULL, &interface, asked[_i].flags);
	if (asked[_i].given_major == 0) {
		ck_assert_rv_in(rv, CKR_FUNCTION_FAILED, CKR_ARGUMENTS_BAD);
		return;
	}
	ck_assert_rv(rv, CKR_OK);
	const CK_VERSION *given = interface->pFunctionList;
	ck_assert_int_eq(given->major, asked[_i].given_major);
	ck_assert_int_eq(given->minor, asked[_i].given_minor);
	ck_assert_str_eq(interface->pInterfaceName, asked[_i].name ? asked[_i].name : "PKCS 11");
	ck_assert_rv(p11->C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
}
END_TEST

/* The vendor interface is there before C_Initialize and tells why a call failed; it never says more than the code. */
START_TEST(last_error)
{
	const char *text = NULL;
	CK_INFO got;
	ck_assert_rv(p11->C_GetInfo(&got), CKR_CRYPTOKI_NOT_INITIALIZED);
	vendor()->sr_last_error(&text);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_ne(text[0], '\0');
	ck_assert_ptr_null(strchr(text, '\n'));
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(vendor()->sr_last_error(&text), SR_REASON_NONE);
	ck_assert_str_eq(text, "");
	vendor()->sr_last_error(NULL);
}
END_TEST

/* A module of an HSM leaves errors in OpenSSL's queue, which is the thread's; the host would take them for its own. */
START_TEST(openssl_errors_are_the_hosts)
{
	void *openssl = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(openssl, "%s", dlerror());
	unsigned long (*peek)(void);
	*(void **)&peek = dlsym(openssl, "ERR_peek_error");
	CK_SESSION_HANDLE session;
	ck_assert_rv(sr_initialize(), CKR_OK);
	ck_assert_uint_eq(peek(), 0);
	session = sr_rw();
	ck_assert_rv(sr_login(session, "not the passphrase"), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(peek(), 0);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
	ck_assert_uint_eq(peek(), 0);
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_uint_eq(peek(), 0);
	dlclose(openssl);
}
END_TEST

START_TEST(parallel_functions)
{
	ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(p11->C_GetFunctionStatus(session), CKR_FUNCTION_NOT_PARALLEL);
	ck_assert_rv(p11->C_CancelFunction(session), CKR_FUNCTION_NOT_PARALLEL);
	ck_assert_rv_in(p11->C_GetFunctionStatus(session + 1), CKR_FUNCTION_NOT_PARALLEL, CKR_SESSION_HANDLE_INVALID);
}
END_TEST

Suite *sr_battery_general(void)
{
	Suite *suite = suite_create("battery: general");
	TCase *tcase = sr_chapter(suite, "5.4", sr_load, sr_stop);
	tcase_add_test(tcase, initialise_once);
	tcase_add_test(tcase, reserved_is_null);
	tcase_add_loop_test(tcase, four_locking_cases, 0, 4);
	tcase_add_loop_test(tcase, some_mutex_functions, 1, 15);
	tcase_add_test(tcase, no_mutex_to_be_had);
	tcase_add_test(tcase, no_threads_of_our_own);
	tcase_add_loop_test(tcase, nothing_before_initialise, 0, (int)sr_row_count);
	tcase_add_test(tcase, again_and_again);
	tcase_add_test(tcase, unload_and_load);
	tcase_add_test(tcase, openssl_errors_are_the_hosts);
	tcase_add_test(tcase, no_configuration);
	tcase_add_test(tcase, configuration_that_is_not_there);
	tcase_add_test(tcase, info);
	tcase_add_test(tcase, function_list);
	tcase_add_test(tcase, interface_list);
	tcase_add_loop_test(tcase, interfaces, 0, (int)SR_COUNT(asked));
	tcase_add_test(tcase, last_error);
	tcase_add_test(tcase, parallel_functions);
	return suite;
}
