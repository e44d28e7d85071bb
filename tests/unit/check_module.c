/* The thin module as an application sees it: loaded, initialised, forked, finalised, unloaded.
 *
 * SR_TEST_MODULE names the built strongroom-pkcs11.so, SR_TEST_FAKE_BACKEND the library made of fake_backend.c; what
 * needs one that is not named is left out. Each test has a directory of its own with copies of both, so it has a module
 * of its own. */
#define _GNU_SOURCE 1
#include "tests/common/sanitizer.h"
#include "tests/unit/suites.h"

#include "pkcs11/calls.h"
#include "pkcs11/strongroom.h"
#include "tests/unit/fake_backend.h"
#include "vault/lock.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define THREADS 4

static struct {
	char dir[64];
	char conf[100];
	void *handle;
	CK_FUNCTION_LIST_3_0 *p11;
	const SR_INTERFACE *vendor;
} module;

static struct {
	int created, destroyed, locked, unlocked;
	CK_RV create_rv, lock_rv;
} callbacks;
static pthread_mutex_t application_mutex = PTHREAD_MUTEX_INITIALIZER;

/* -- a module of one's own ------------------------------------------------------------------------------------- */
static void copy(const char *from, const char *name)
{
	char command[600];
	snprintf(command, sizeof command, "cp '%s' '%s/%s'", from, module.dir, name);
	ck_assert_int_eq(system(command), 0);
}

static void configure(const char *text)
{
	FILE *file = fopen(module.conf, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(module.conf, 0600);
	setenv("STRONGROOM_CONF", module.conf, 1);
}

static void load(void)
{
	char path[100];
	snprintf(path, sizeof path, "%s/strongroom-pkcs11.so", module.dir);
	module.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(module.handle != NULL, "%s", dlerror());
	CK_C_GetInterface get;
	*(void **)&get = dlsym(module.handle, "C_GetInterface");
	CK_INTERFACE *interface;
	ck_assert_uint_eq(get(NULL, NULL, &interface, 0), CKR_OK);
	module.p11 = interface->pFunctionList;
	ck_assert_uint_eq(get((CK_UTF8CHAR *)SR_INTERFACE_NAME, NULL, &interface, 0), CKR_OK);
	module.vendor = interface->pFunctionList;
}

static void make_dir(void)
{
	memset(&module, 0, sizeof module);
	memset(&callbacks, 0, sizeof callbacks);
	strcpy(module.dir, "/tmp/check-module-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(module.dir));
	snprintf(module.conf, sizeof module.conf, "%s/strongroom.conf", module.dir);
	copy(getenv("SR_TEST_MODULE"), "strongroom-pkcs11.so");
}

/* No configuration anywhere, whatever the account has. */
static void set_up_unconfigured(void)
{
	make_dir();
	unsetenv("STRONGROOM_CONF");
	setenv("XDG_CONFIG_HOME", module.dir, 1);
	load();
}

static void set_up_configured(void)
{
	make_dir();
	copy(getenv("SR_TEST_FAKE_BACKEND"), "libstrongroom-vault.so");
	configure("[vault]\ndir = /fake\n");
	load();
}

static void tear_down(void)
{
	char command[100];
	if (module.handle) {
		module.p11->C_Finalize(NULL);
		dlclose(module.handle);
	}
	snprintf(command, sizeof command, "rm -rf '%s'", module.dir);
	ck_assert_int_eq(system(command), 0);
}

static void *fake_library(void)
{
	char path[100];
	snprintf(path, sizeof path, "%s/libstrongroom-vault.so", module.dir);
	return dlopen(path, RTLD_NOW | RTLD_NOLOAD);
}

/* Only once the module has loaded it. */
static struct fake_state *fake(void)
{
	void *library = fake_library();
	ck_assert_ptr_nonnull(library);
	struct fake_state *state = dlsym(library, "fake_state");
	dlclose(library); /* the module still holds it */
	ck_assert_ptr_nonnull(state);
	return state;
}

static void assert_last_error(CK_ULONG reason, const char *needle)
{
	const char *text;
	ck_assert_uint_eq(module.vendor->sr_last_error(&text), reason);
	ck_assert_msg(strstr(text, needle) != NULL, "\"%s\" does not say \"%s\"", text, needle);
}

/* In a child, Check's assertions do not reach the runner: the line that failed is the exit status. */
#define MUST(condition) must(condition, __LINE__)

static void must(bool holds, int line)
{
	if (!holds)
		_exit(line % 255 + 1);
}

static int run_child(void (*check)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		check();
		_exit(0);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return status;
}

static void assert_child(void (*check)(void))
{
	int status = run_child(check);
	ck_assert_msg(status == 0, "the child's status is %#x: line %d modulo 255", (unsigned)status,
		WEXITSTATUS(status) - 1);
}

/* -- every row ------------------------------------------------------------------------------------------------- */
/* Calls a function of any row with zeros. The longest has 9 arguments, all of them integers or pointers, which the
 * calling conventions of our platforms pass alike; the called function ignores what it has no parameter for. */
typedef CK_RV (*any_call)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG);

static CK_RV call_row(int row)
{
	any_call call;
	*(void **)&call = dlsym(module.handle, sr_call_rows[row].name);
	return call(0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static bool is_open_to_all(int row)
{
	return row == SR_ID_C_Initialize || row == SR_ID_C_GetFunctionList || row == SR_ID_C_GetInterfaceList ||
	       row == SR_ID_C_GetInterface;
}

/* Whether every call that needs C_Initialize says so. */
static bool all_refuse(void)
{
	for (int row = 0; row < SR_CALL_COUNT; row++) {
		if (!is_open_to_all(row) && call_row(row) != CKR_CRYPTOKI_NOT_INITIALIZED)
			return false;
	}
	return true;
}

static void child_refuses(void)
{
	MUST(all_refuse());
}

START_TEST(every_row_before_and_after)
{
	ck_assert(all_refuse());
	assert_last_error(SR_REASON_NONE, "C_Initialize has not been called");
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert(all_refuse());
}
END_TEST

START_TEST(every_row_unconfigured)
{
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	for (int row = 0; row < SR_CALL_COUNT; row++) {
		if (sr_call_rows[row].where == SR_WHERE_MODULE)
			continue;
		CK_RV want = sr_call_rows[row].where == SR_WHERE_SESSION  ? CKR_SESSION_HANDLE_INVALID
			     : sr_call_rows[row].where == SR_WHERE_CLIENT ? CKR_SLOT_ID_INVALID
									  : CKR_FUNCTION_NOT_PARALLEL;
		if (row == SR_ID_C_GetSlotList)
			want = CKR_ARGUMENTS_BAD;
		CK_RV rv = call_row(row);
		ck_assert_msg(rv == want, "%s answers %#lx", sr_call_rows[row].name, rv);
	}
	CK_ULONG count = 5;
	ck_assert_uint_eq(module.p11->C_GetSlotList(CK_TRUE, NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(module.p11->C_GetSlotInfo(0, NULL), CKR_SLOT_ID_INVALID);
	assert_last_error(SR_REASON_NOT_CONFIGURED, "no configuration was found");
	assert_child(child_refuses);
}
END_TEST

START_TEST(information)
{
	CK_INFO info;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_GetInfo(&info), CKR_OK);
	ck_assert_int_eq(info.cryptokiVersion.major, 3);
	ck_assert_int_eq(info.cryptokiVersion.minor, 1);
	ck_assert_int_eq(memcmp(info.manufacturerID, "Strongroom                      ", 32), 0);
	ck_assert_int_eq(memcmp(info.libraryDescription, "Strongroom vault                ", 32), 0);
	ck_assert_uint_eq(info.flags, 0);
}
END_TEST

/* -- interfaces ------------------------------------------------------------------------------------------------- */
START_TEST(interface_requests)
{
	static CK_VERSION v31 = { 3, 1 }, v30 = { 3, 0 }, v240 = { 2, 40 }, v32 = { 3, 2 }, v10 = { 1, 0 };
	static const struct {
		const char *name;
		CK_VERSION *version;
		CK_FLAGS flags;
		CK_RV rv;
		CK_BYTE major, minor;
	} rows[] = {
		{ NULL, NULL, 0, CKR_OK, 3, 1 },
		{ NULL, &v240, 0, CKR_OK, 2, 40 },
		{ "PKCS 11", NULL, 0, CKR_OK, 3, 1 },
		{ "PKCS 11", &v31, 0, CKR_OK, 3, 1 },
		{ "PKCS 11", &v30, 0, CKR_OK, 3, 0 },
		{ "PKCS 11", &v240, 0, CKR_OK, 2, 40 },
		{ "PKCS 11", &v32, 0, CKR_FUNCTION_FAILED, 0, 0 },
		{ "PKCS 11", NULL, CKF_INTERFACE_FORK_SAFE, CKR_FUNCTION_FAILED, 0, 0 },
		{ "PKCS 12", NULL, 0, CKR_FUNCTION_FAILED, 0, 0 },
		{ "", NULL, 0, CKR_FUNCTION_FAILED, 0, 0 },
		{ SR_INTERFACE_NAME, NULL, 0, CKR_OK, 1, 0 },
		{ SR_INTERFACE_NAME, &v10, 0, CKR_OK, 1, 0 },
		{ SR_INTERFACE_NAME, &v30, 0, CKR_FUNCTION_FAILED, 0, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_INTERFACE *interface = NULL;
		CK_RV rv = module.p11->C_GetInterface(
			(CK_UTF8CHAR *)rows[i].name, rows[i].version, &interface, rows[i].flags);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %#lx", i, rv);
		if (rv != CKR_OK)
			continue;
		const CK_VERSION *version = interface->pFunctionList;
		ck_assert_int_eq(version->major, rows[i].major);
		ck_assert_int_eq(version->minor, rows[i].minor);
	}
	ck_assert_uint_eq(module.p11->C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
}
END_TEST

START_TEST(interface_list)
{
	CK_INTERFACE list[8];
	CK_ULONG count = 0;
	ck_assert_uint_eq(module.p11->C_GetInterfaceList(list, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_GetInterfaceList(NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, 4);
	count = 3;
	ck_assert_uint_eq(module.p11->C_GetInterfaceList(list, &count), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(count, 4);
	count = 8;
	ck_assert_uint_eq(module.p11->C_GetInterfaceList(list, &count), CKR_OK);
	ck_assert_uint_eq(count, 4);
	ck_assert_str_eq(list[0].pInterfaceName, "PKCS 11");
	ck_assert_str_eq(list[3].pInterfaceName, SR_INTERFACE_NAME);
	CK_FUNCTION_LIST *old;
	ck_assert_uint_eq(module.p11->C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_GetFunctionList(&old), CKR_OK);
	ck_assert_int_eq(old->version.major, 2);
	ck_assert_int_eq(old->version.minor, 40);
	ck_assert_ptr_eq((void *)old->C_CancelFunction, (void *)module.p11->C_CancelFunction);
	ck_assert_ptr_eq((void *)old->C_WaitForSlotEvent, (void *)module.p11->C_WaitForSlotEvent);
}
END_TEST

/* -- C_Initialize's arguments ----------------------------------------------------------------------------------- */
static CK_RV create_mutex(CK_VOID_PTR_PTR mutex)
{
	if (callbacks.create_rv != CKR_OK)
		return callbacks.create_rv;
	callbacks.created++;
	*mutex = &callbacks;
	return CKR_OK;
}

static CK_RV destroy_mutex(CK_VOID_PTR mutex)
{
	callbacks.destroyed += mutex == &callbacks;
	return CKR_OK;
}

static CK_RV lock_mutex(CK_VOID_PTR mutex)
{
	if (mutex != &callbacks || callbacks.lock_rv != CKR_OK)
		return CKR_GENERAL_ERROR;
	pthread_mutex_lock(&application_mutex);
	callbacks.locked++;
	return CKR_OK;
}

static CK_RV unlock_mutex(CK_VOID_PTR mutex)
{
	callbacks.unlocked += mutex == &callbacks;
	pthread_mutex_unlock(&application_mutex);
	return CKR_OK;
}

#define ALL create_mutex, destroy_mutex, lock_mutex, unlock_mutex

START_TEST(arguments)
{
	static int reserved;
	static const struct {
		CK_C_INITIALIZE_ARGS args;
		CK_RV rv;
	} rows[] = {
		{ { NULL, NULL, NULL, NULL, 0, NULL }, CKR_OK },
		{ { NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL }, CKR_OK },
		{ { NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS, NULL }, CKR_OK },
		{ { ALL, 0, NULL }, CKR_OK },
		{ { ALL, CKF_OS_LOCKING_OK, NULL }, CKR_OK },
		{ { NULL, NULL, NULL, NULL, 0, &reserved }, CKR_ARGUMENTS_BAD },
		{ { ALL, 0, &reserved }, CKR_ARGUMENTS_BAD },
		{ { NULL, destroy_mutex, lock_mutex, unlock_mutex, 0, NULL }, CKR_ARGUMENTS_BAD },
		{ { create_mutex, NULL, lock_mutex, unlock_mutex, 0, NULL }, CKR_ARGUMENTS_BAD },
		{ { create_mutex, destroy_mutex, NULL, unlock_mutex, 0, NULL }, CKR_ARGUMENTS_BAD },
		{ { create_mutex, destroy_mutex, lock_mutex, NULL, CKF_OS_LOCKING_OK, NULL }, CKR_ARGUMENTS_BAD },
		{ { create_mutex, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL }, CKR_ARGUMENTS_BAD },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_C_INITIALIZE_ARGS args = rows[i].args;
		CK_RV rv = module.p11->C_Initialize(&args);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %#lx", i, rv);
		ck_assert_uint_eq(module.p11->C_Finalize(NULL), rv == CKR_OK ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED);
	}
	ck_assert_int_eq(callbacks.created, 1); /* with the flag, the system's locks serve */
	ck_assert_int_eq(callbacks.destroyed, 1);
}
END_TEST

START_TEST(twice)
{
	int reserved;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
	ck_assert_uint_eq(module.p11->C_Finalize(&reserved), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
}
END_TEST

/* -- threads ---------------------------------------------------------------------------------------------------- */
static pthread_barrier_t start_line;

static void run_threads(int count, void *(*body)(void *), CK_RV *results)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, &results[i]), 0);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void *initialise_together(void *result)
{
	pthread_barrier_wait(&start_line);
	*(CK_RV *)result = module.p11->C_Initialize(NULL);
	return NULL;
}

START_TEST(threads_that_initialise_together)
{
	pthread_barrier_init(&start_line, NULL, THREADS);
	for (int round = 0; round < 200; round++) {
		CK_RV results[THREADS];
		int won = 0;
		run_threads(THREADS, initialise_together, results);
		for (int i = 0; i < THREADS; i++) {
			won += results[i] == CKR_OK;
			ck_assert(results[i] == CKR_OK || results[i] == CKR_CRYPTOKI_ALREADY_INITIALIZED);
		}
		ck_assert_int_eq(won, 1);
		ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	}
	ck_assert_int_eq(fake()->opened, 200);
	ck_assert_int_eq(fake()->closed, 200);
}
END_TEST

static void *call_slowly(void *result)
{
	*(CK_RV *)result = CKR_OK;
	for (int i = 0; i < 5 && *(CK_RV *)result == CKR_OK; i++)
		*(CK_RV *)result = module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 10);
	return NULL;
}

static const struct {
	CK_C_INITIALIZE_ARGS args;
	bool one_at_a_time;
} locking_cases[] = {
	{ { ALL, 0, NULL }, true },
	{ { ALL, CKF_OS_LOCKING_OK, NULL }, false },
	{ { NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL }, false },
	{ { NULL, NULL, NULL, NULL, 0, NULL }, false },
};

START_TEST(who_serialises)
{
	CK_C_INITIALIZE_ARGS args = locking_cases[_i].args;
	CK_RV results[THREADS];
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	run_threads(THREADS, call_slowly, results);
	for (int i = 0; i < THREADS; i++)
		ck_assert_uint_eq(results[i], CKR_OK);
	if (locking_cases[_i].one_at_a_time) {
		ck_assert_int_eq(fake()->most_inside, 1);
		ck_assert_int_eq(callbacks.locked, 5 * THREADS);
		ck_assert_int_eq(callbacks.unlocked, 5 * THREADS);
	} else {
		ck_assert_int_gt(fake()->most_inside, 1);
		ck_assert_int_eq(callbacks.locked, 0);
	}
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_int_eq(callbacks.destroyed, callbacks.created);
}
END_TEST

/* It may wait for a person: the application's mutex would keep every other call out. C_Finalize sends it home. */
START_TEST(a_login_is_not_serialised)
{
	CK_C_INITIALIZE_ARGS args = { ALL, 0, NULL };
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Login(FAKE_SESSION, CKU_USER, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_int_eq(callbacks.locked, 0);
	ck_assert_uint_eq(module.p11->C_Logout(FAKE_SESSION), CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_int_eq(callbacks.locked, 1);
	ck_assert_int_eq(callbacks.unlocked, 1);
	ck_assert_int_eq(fake()->interrupted, 0);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_int_eq(fake()->interrupted, 1);
}
END_TEST

START_TEST(callbacks_that_fail)
{
	CK_C_INITIALIZE_ARGS args = { ALL, 0, NULL };
	callbacks.create_rv = CKR_HOST_MEMORY;
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_HOST_MEMORY);
	callbacks.create_rv = CKR_MUTEX_BAD;
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_GENERAL_ERROR);
	assert_last_error(SR_REASON_NONE, "CreateMutex failed");
	callbacks.create_rv = CKR_OK;
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	callbacks.lock_rv = CKR_GENERAL_ERROR;
	ck_assert_uint_eq(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0), CKR_GENERAL_ERROR);
	assert_last_error(SR_REASON_NONE, "LockMutex failed");
	callbacks.lock_rv = CKR_OK;
	ck_assert_uint_eq(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0), CKR_OK);
}
END_TEST

/* -- C_Finalize against others ---------------------------------------------------------------------------------- */
static CK_RV event(void)
{
	CK_SLOT_ID slot = 0;
	CK_RV rv = module.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL);
	ck_assert(rv != CKR_OK || slot == FAKE_SLOT);
	return rv;
}

START_TEST(events_of_a_slot)
{
	CK_C_INITIALIZE_ARGS args = { ALL, 0, NULL };
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	struct fake_state *now = fake();
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->absent = true;
	ck_assert_uint_eq(event(), CKR_OK);
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->absent = false;
	ck_assert_uint_eq(event(), CKR_OK);
	now->waits = true;
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->waits = false;
	now->unsure = true; /* not seen is not decided */
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->unsure = false;
	ck_assert_uint_eq(event(), CKR_OK);
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->waits = true; /* decided while the token is away: told when it is back */
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->absent = true;
	now->waits = false;
	ck_assert_uint_eq(event(), CKR_OK);
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
	now->absent = false;
	ck_assert_uint_eq(event(), CKR_OK);
	ck_assert_uint_eq(event(), CKR_NO_EVENT);
}
END_TEST

static void *wait_for_event(void *result)
{
	CK_SLOT_ID slot;
	*(CK_RV *)result = module.p11->C_WaitForSlotEvent(0, &slot, NULL);
	return NULL;
}

START_TEST(slot_events)
{
	CK_SLOT_ID slot;
	CK_C_INITIALIZE_ARGS args = { ALL, 0, NULL };
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	ck_assert_uint_eq(module.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
	ck_assert_uint_eq(module.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK | 2, &slot, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.p11->C_WaitForSlotEvent(2, &slot, NULL), CKR_ARGUMENTS_BAD);
	pthread_t threads[THREADS];
	CK_RV results[THREADS];
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_event, &results[i]), 0);
	usleep(20000);
	ck_assert_uint_eq(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0), CKR_OK); /* not in anybody's way */
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(results[i], CKR_CRYPTOKI_NOT_INITIALIZED);
	}
}
END_TEST

static void *call_until_refused(void *result)
{
	CK_RV rv;
	do {
		rv = module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 1);
	} while (rv == CKR_OK);
	*(CK_RV *)result = rv;
	return NULL;
}

START_TEST(finalize_waits_for_calls)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[THREADS];
		CK_RV results[THREADS];
		ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
		for (int i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, call_until_refused, &results[i]), 0);
		usleep(5000);
		ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			ck_assert_uint_eq(results[i], CKR_CRYPTOKI_NOT_INITIALIZED);
		}
	}
	ck_assert_int_eq(fake()->closed, 20);
	ck_assert_int_eq(fake()->closed_too_early, 0);
	ck_assert_int_eq(fake()->bad_client, 0);
}
END_TEST

/* -- fork --------------------------------------------------------------------------------------------------------- */
static void child_starts_anew(void)
{
	MUST(all_refuse());
	MUST(fake()->abandoned == 0 && fake()->closed == 0);
	MUST(module.p11->C_Initialize(NULL) == CKR_OK);
	MUST(fake()->abandoned == 1 && fake()->closed == 0 && fake()->opened == 2);
	MUST(module.p11->C_Initialize(NULL) == CKR_CRYPTOKI_ALREADY_INITIALIZED);
	MUST(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0) == CKR_OK);
	MUST(fake()->bad_client == 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(all_refuse() ? 0 : 1);
	int status;
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	MUST(module.p11->C_Finalize(NULL) == CKR_OK);
	MUST(fake()->closed == 1);
}

START_TEST(a_child_starts_anew)
{
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	assert_child(child_starts_anew);
	ck_assert_uint_eq(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0), CKR_OK);
	ck_assert_int_eq(fake()->abandoned, 0);
	ck_assert_int_eq(fake()->opened, 1);
}
END_TEST

static void child_after_callbacks(void)
{
	MUST(module.p11->C_Initialize(NULL) == CKR_OK);
	MUST(callbacks.destroyed == 0); /* the parent's mutex is the parent's */
	MUST(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0) == CKR_OK);
	MUST(module.p11->C_Finalize(NULL) == CKR_OK);
	MUST(callbacks.destroyed == 0);
}

START_TEST(a_child_forgets_the_parents_mutex)
{
	CK_C_INITIALIZE_ARGS args = { ALL, 0, NULL };
	ck_assert_uint_eq(module.p11->C_Initialize(&args), CKR_OK);
	assert_child(child_after_callbacks);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_int_eq(callbacks.destroyed, 1);
}
END_TEST

#if SR_FORKS_AMONG_THREADS
static void child_initialises_and_ends(void)
{
	alarm(10); /* a lock that nobody gives back */
	CK_RV rv = module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0);
	MUST(rv == CKR_CRYPTOKI_NOT_INITIALIZED);
	MUST(module.p11->C_Initialize(NULL) == CKR_OK);
	MUST(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0) == CKR_OK);
	MUST(module.p11->C_Finalize(NULL) == CKR_OK);
}

static atomic_bool stop;

static void *initialise_over_and_over(void *result)
{
	while (!stop) {
		CK_RV rv = module.p11->C_Initialize(NULL);
		if (rv == CKR_OK)
			rv = module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0);
		if (rv == CKR_OK)
			rv = module.p11->C_Finalize(NULL);
		*(CK_RV *)result = rv;
	}
	return NULL;
}

static void *call_over_and_over(void *result)
{
	while (!stop)
		*(CK_RV *)result = module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0);
	return NULL;
}

/* Forks while other threads are anywhere in the module, but for its first C_Initialize: that one is in dlopen, and a
 * child forked then finds the C library's own loader half-way. */
START_TEST(forks_among_threads)
{
	pthread_t threads[3];
	CK_RV results[3] = { CKR_OK, CKR_OK, CKR_OK };
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	stop = false;
	pthread_create(&threads[0], NULL, initialise_over_and_over, &results[0]);
	pthread_create(&threads[1], NULL, call_over_and_over, &results[1]);
	pthread_create(&threads[2], NULL, call_over_and_over, &results[2]);
	int status = 0;
	for (int i = 0; i < 200 && status == 0; i++)
		status = run_child(child_initialises_and_ends);
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ck_assert_msg(
		status == 0, "a child's status is %#x: line %d modulo 255", (unsigned)status, WEXITSTATUS(status) - 1);
	ck_assert_uint_eq(results[0], CKR_OK);
	ck_assert_int_eq(fake()->bad_client, 0);
}
END_TEST
#endif

/* -- unloading ---------------------------------------------------------------------------------------------------- */
static void unload_module(void)
{
	char path[100];
	snprintf(path, sizeof path, "%s/strongroom-pkcs11.so", module.dir);
	dlclose(module.handle);
	module.handle = NULL;
	ck_assert_ptr_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}

static void nothing(void)
{
}

START_TEST(unload_then_fork)
{
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	void *still = fake_library();
	ck_assert_ptr_nonnull(still); /* it stays through C_Finalize */
	dlclose(still);
	unload_module();
	ck_assert_ptr_null(fake_library()); /* and goes with the module */
	assert_child(nothing);
}
END_TEST

static void *fail_once(void *result)
{
	*(CK_RV *)result = module.p11->C_SeedRandom(FAKE_SESSION, NULL, 0);
	pthread_barrier_wait(&start_line); /* used the module's thread-local storage */
	pthread_barrier_wait(&start_line); /* the module is gone */
	return NULL;
}

START_TEST(unload_before_a_thread_ends)
{
	pthread_t thread;
	CK_RV rv;
	pthread_barrier_init(&start_line, NULL, 2);
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	pthread_create(&thread, NULL, fail_once, &rv);
	pthread_barrier_wait(&start_line);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	unload_module();
	pthread_barrier_wait(&start_line);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(rv, CKR_RANDOM_SEED_NOT_SUPPORTED);
}
END_TEST

/* Whoever forgets C_Finalize keeps the library, and what was open in it, but crashes nowhere. */
static void child_unloads_while_open(void)
{
	MUST(module.p11->C_Initialize(NULL) == CKR_OK);
	dlclose(module.handle);
	MUST(fake_library() != NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int status;
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

START_TEST(unload_while_open)
{
	assert_child(child_unloads_while_open);
}
END_TEST

static void *wait_forever(void *unused)
{
	CK_SLOT_ID slot;
	module.p11->C_WaitForSlotEvent(0, &slot, NULL);
	return unused;
}

/* The child leaves by exit(), with destructors, a waiting thread and everything open. */
START_TEST(exit_without_finalize)
{
	fflush(NULL);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		pthread_t thread;
		if (module.p11->C_Initialize(NULL) != CKR_OK || pthread_create(&thread, NULL, wait_forever, NULL) != 0)
			_exit(1);
		usleep(10000);
		exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "status %#x", (unsigned)status);
}
END_TEST

/* -- reasons ------------------------------------------------------------------------------------------------------ */
START_TEST(the_backends_reason_comes_through)
{
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_SeedRandom(FAKE_SESSION, NULL, 0), CKR_RANDOM_SEED_NOT_SUPPORTED);
	CK_INTERFACE *interface;
	ck_assert_uint_eq(module.p11->C_GetInterface(NULL, NULL, &interface, 0), CKR_OK); /* leaves it alone */
	assert_last_error(SR_REASON_HSM_FAILED, "no seed is wanted");
	ck_assert_uint_eq(module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0), CKR_OK);
	ck_assert_uint_eq(module.vendor->sr_last_error(NULL), SR_REASON_NONE);
	ck_assert_uint_eq(module.p11->C_SeedRandom(FAKE_SESSION, NULL, 0), CKR_RANDOM_SEED_NOT_SUPPORTED);
	ck_assert_uint_eq(module.p11->C_GetSlotInfo(9, NULL), CKR_SLOT_ID_INVALID); /* fails without a reason */
	ck_assert_uint_eq(module.vendor->sr_last_error(NULL), SR_REASON_NONE);
	ck_assert_uint_eq(module.p11->C_GetFunctionStatus(FAKE_SESSION), CKR_FUNCTION_NOT_PARALLEL);
	ck_assert_uint_eq(module.p11->C_Sign(FAKE_SESSION, NULL, 0, NULL, NULL), CKR_FUNCTION_NOT_SUPPORTED);
}
END_TEST

static void *see_no_reason(void *result)
{
	*(CK_RV *)result = module.vendor->sr_last_error(NULL);
	return NULL;
}

START_TEST(a_reason_is_its_threads_own)
{
	CK_RV reason;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_SeedRandom(FAKE_SESSION, NULL, 0), CKR_RANDOM_SEED_NOT_SUPPORTED);
	run_threads(1, see_no_reason, &reason);
	ck_assert_uint_eq(reason, SR_REASON_NONE);
	assert_last_error(SR_REASON_HSM_FAILED, "no seed");
}
END_TEST

START_TEST(what_does_not_open)
{
	configure("[vault]\ndir = /fake\nfoo = 1\n");
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_GENERAL_ERROR);
	assert_last_error(SR_REASON_BAD_CONFIG, "strongroom.conf:3: foo: unknown key");
	configure("[vault]\ndir = /fail\n");
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_HOST_MEMORY);
	assert_last_error(SR_REASON_MEMORY, "told to fail");
	configure("; nothing yet\n");
	CK_ULONG count = 1;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	configure("[vault]\ndir = /fake\n");
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
}
END_TEST

/* -- a vault that strongroomd holds ------------------------------------------------------------------------------- */
/* The vault backend is the fake one, and counts; the server is away, and says so. */
static void assert_goes_to_vault(int times)
{
	char *result;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_int_eq(fake()->opened, times);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_uint_eq(module.vendor->sr_doctor(&result), CKR_OK);
	ck_assert_str_eq(result, "config");
	module.vendor->sr_free(result);
}

static void assert_goes_to_server(void)
{
	static const char says[] = "is strongroomd running";
	CK_TOKEN_INFO info;
	CK_SLOT_ID slot;
	CK_ULONG count = 1;
	char *result;
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_OK);
	ck_assert_uint_eq(module.p11->C_GetSlotList(CK_FALSE, &slot, &count), CKR_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(module.p11->C_GetTokenInfo(slot, &info), CKR_TOKEN_NOT_PRESENT);
	assert_last_error(SR_REASON_SERVER_AWAY, says);
	ck_assert_uint_eq(module.p11->C_Finalize(NULL), CKR_OK);
	ck_assert_uint_eq(module.vendor->sr_doctor(&result), CKR_OK);
	ck_assert_ptr_nonnull(strstr(result, "{\"checks\":[{\"check\":\"server\",\"ok\":false,"));
	ck_assert_ptr_nonnull(strstr(result, says));
	module.vendor->sr_free(result);
}

START_TEST(a_server_that_is_away)
{
	configure("[vault]\nserver = unix:/nowhere/at/all\n");
	assert_goes_to_server();
	ck_assert_ptr_null(fake_library()); /* nor is the vault's library loaded */
}
END_TEST

/* A directory that the lock takes for a vault's. */
static void make_vault_dir(char dir[80])
{
	char text[200];
	snprintf(dir, 80, "%s/vault", module.dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(text, sizeof text, "%s/vault.db", dir);
	int fd = open(text, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
	snprintf(text, sizeof text, "[vault]\ndir = %s\n", dir);
	configure(text);
}

/* A child that holds DIR as strongroomd does, until RELEASE is closed. */
static pid_t hold_vault(const char *dir, int *release)
{
	int ready[2], hold[2], fd;
	char byte;
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC) | pipe2(hold, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(hold[1]);
		MUST(sr_vault_lock(dir, true, &fd, NULL) == CKR_OK);
		MUST(write(ready[1], "", 1) == 1);
		MUST(read(hold[0], &byte, 1) == 0);
		_exit(0);
	}
	close(ready[1]);
	close(hold[0]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*release = hold[1];
	return pid;
}

/* Where nobody listens. */
static void record_socket(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", module.dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	ck_assert_uint_eq(sr_vault_record_socket(dir, address.sun_path, NULL), CKR_OK);
}

START_TEST(a_held_vault)
{
	char dir[80];
	int release, status;
	make_vault_dir(dir);
	assert_goes_to_vault(1);
	pid_t pid = hold_vault(dir, &release);
	assert_goes_to_vault(2); /* no socket is recorded: the vault's own refusal is the answer */
	record_socket(dir);
	assert_goes_to_server();
	ck_assert_uint_eq(sr_vault_record_socket(dir, "/nowhere/at/all", NULL), CKR_OK);
	assert_goes_to_vault(3);
	close(release);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	assert_goes_to_vault(4);
}
END_TEST

/* An unconfigured module's directory has no private library; a file that is none stands in for a broken one. */
START_TEST(a_broken_library)
{
	char path[100];
	char *result = NULL;
	configure("[vault]\ndir = /fake\n");
	snprintf(path, sizeof path, "%s/libstrongroom-vault.so", module.dir);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_GENERAL_ERROR);
	assert_last_error(SR_REASON_INTERNAL, "the private library was not loaded");
	ck_assert_uint_eq(module.vendor->sr_doctor(&result), CKR_OK);
	ck_assert_ptr_nonnull(strstr(result, "{\"checks\":[{\"check\":\"library\",\"ok\":false,"));
	module.vendor->sr_free(result);
	copy(getenv("SR_TEST_MODULE"), "libstrongroom-vault.so"); /* a library, but not that one */
	ck_assert_uint_eq(module.p11->C_Initialize(NULL), CKR_GENERAL_ERROR);
	assert_last_error(SR_REASON_INTERNAL, "another version");
}
END_TEST

START_TEST(vendor_functions)
{
	char *result;
	struct sr_vault_plan plan = {
		.dir = "/d", .passphrase = (const unsigned char *)"123456789012", .passphrase_len = 12
	};
	ck_assert_uint_eq(module.vendor->sr_vault_create(&plan, &result), CKR_OK);
	ck_assert_str_eq(result, "{\"vault_id\":\"v\"}");
	module.vendor->sr_free(result);
	plan.passphrase_len = 3;
	ck_assert_uint_eq(module.vendor->sr_vault_create(&plan, &result), CKR_PIN_TOO_WEAK);
	ck_assert_ptr_null(result);
	assert_last_error(SR_REASON_WEAK_PASSPHRASE, "too short");
	ck_assert_uint_eq(module.vendor->sr_vault_create(NULL, &result), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.vendor->sr_vault_create(&plan, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(module.vendor->sr_hsm_probe("pkcs11:", &result), CKR_OK);
	ck_assert_str_eq(result, "uri");
	module.vendor->sr_free(result);
	ck_assert_uint_eq(module.vendor->sr_hsm_probe(NULL, &result), CKR_OK);
	ck_assert_str_eq(result, "config");
	module.vendor->sr_free(result);
	ck_assert_uint_eq(module.vendor->sr_doctor(&result), CKR_OK);
	ck_assert_str_eq(result, "config");
	module.vendor->sr_free(result);
	configure("[vault]\n\"\\\" = 1\n");
	ck_assert_uint_eq(module.vendor->sr_hsm_probe(NULL, &result), CKR_GENERAL_ERROR);
	ck_assert_uint_eq(module.vendor->sr_doctor(&result), CKR_OK);
	ck_assert_ptr_nonnull(strstr(result, "{\"checks\":[{\"check\":\"configuration\",\"ok\":false,\"detail\":\""));
	ck_assert_ptr_nonnull(strstr(result, ":2: \\\"\\\\\\\": unknown key"));
	module.vendor->sr_free(result);
	module.vendor->sr_free(NULL);
}
END_TEST

/* -- what is printed ---------------------------------------------------------------------------------------------- */
static char printed[4096];

/* A program that loads the module anew, with standard error in a file. */
static void run_program(void)
{
	char path[100];
	snprintf(path, sizeof path, "%s/stderr", module.dir);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
		dup2(fd, STDERR_FILENO);
		dlclose(module.handle);
		load();
		module.p11->C_Initialize(NULL);
		module.p11->C_SeedRandom(FAKE_SESSION, (CK_BYTE_PTR) "secret", 6);
		module.p11->C_GenerateRandom(FAKE_SESSION, NULL, 0);
		module.p11->C_Finalize(NULL);
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, printed, sizeof printed - 1);
	close(fd);
	ck_assert_int_ge(len, 0);
	printed[len] = '\0';
}

START_TEST(debug_lines)
{
	unsetenv("STRONGROOM_DEBUG");
	run_program();
	ck_assert_str_eq(printed, "");
	setenv("STRONGROOM_DEBUG", "1", 1);
	run_program();
	ck_assert_ptr_nonnull(strstr(printed, "strongroom: C_Initialize -> CKR_OK ("));
	ck_assert_ptr_nonnull(strstr(printed, "strongroom: C_SeedRandom -> CKR_RANDOM_SEED_NOT_SUPPORTED ("));
	ck_assert_ptr_nonnull(strstr(printed, " us): no seed is wanted\n"));
	ck_assert_ptr_nonnull(strstr(printed, "strongroom: C_GenerateRandom -> CKR_OK ("));
	ck_assert_ptr_nonnull(strstr(printed, "strongroom: C_Finalize -> CKR_OK ("));
	ck_assert_ptr_null(strstr(printed, "secret"));
	unsetenv("STRONGROOM_DEBUG");
}
END_TEST

/* -- suite ----------------------------------------------------------------------------------------------------------
 */
static void add_unconfigured(Suite *suite)
{
	TCase *tcase = tcase_create("unconfigured");
	tcase_add_checked_fixture(tcase, set_up_unconfigured, tear_down);
	tcase_add_test(tcase, every_row_before_and_after);
	tcase_add_test(tcase, every_row_unconfigured);
	tcase_add_test(tcase, information);
	tcase_add_test(tcase, interface_requests);
	tcase_add_test(tcase, interface_list);
	tcase_add_test(tcase, arguments);
	tcase_add_test(tcase, twice);
	tcase_add_test(tcase, a_broken_library);
	suite_add_tcase(suite, tcase);
}

static void add_configured(Suite *suite)
{
	TCase *tcase = tcase_create("configured");
	tcase_add_checked_fixture(tcase, set_up_configured, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, threads_that_initialise_together);
	tcase_add_loop_test(tcase, who_serialises, 0, (int)COUNT(locking_cases));
	tcase_add_test(tcase, a_login_is_not_serialised);
	tcase_add_test(tcase, callbacks_that_fail);
	tcase_add_test(tcase, slot_events);
	tcase_add_test(tcase, events_of_a_slot);
	tcase_add_test(tcase, finalize_waits_for_calls);
	tcase_add_test(tcase, a_child_starts_anew);
	tcase_add_test(tcase, a_child_forgets_the_parents_mutex);
#if SR_FORKS_AMONG_THREADS
	tcase_add_test(tcase, forks_among_threads);
#endif
	tcase_add_test(tcase, unload_then_fork);
	tcase_add_test(tcase, unload_before_a_thread_ends);
	tcase_add_test(tcase, unload_while_open);
	tcase_add_test(tcase, exit_without_finalize);
	tcase_add_test(tcase, the_backends_reason_comes_through);
	tcase_add_test(tcase, a_reason_is_its_threads_own);
	tcase_add_test(tcase, what_does_not_open);
	tcase_add_test(tcase, a_server_that_is_away);
	tcase_add_test(tcase, a_held_vault);
	tcase_add_test(tcase, vendor_functions);
	tcase_add_test(tcase, debug_lines);
	suite_add_tcase(suite, tcase);
}

Suite *sr_suite_module(void)
{
	Suite *suite = suite_create("module");
	if (getenv("SR_TEST_MODULE"))
		add_unconfigured(suite);
	if (getenv("SR_TEST_MODULE") && getenv("SR_TEST_FAKE_BACKEND"))
		add_configured(suite);
	return suite;
}
