/* A forked child is another application (PKCS#11 v3.1, 6.6.1 of the usage guide): it initialises for itself, and what
 * it inherited is its parent's. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child no assertion of Check's works; the line that failed is its exit code. */
#define must(holds)                      \
	do {                             \
		if (!(holds))            \
			_exit(__LINE__); \
	} while (0)

static void check_child(pid_t pid)
{
	int status;
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "the child was killed by signal %d", WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0, "the child failed at line %d", WEXITSTATUS(status));
}

static CK_RV read_as_child(const char *token)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE found = 0;
	CK_ULONG count;
	CK_ATTRIBUTE template = SR_TEXT(CKA_LABEL, SR_STRIPE);
	CK_RV rv = sr_slot_find(SR_VAULT, &slot);
	if (rv == CKR_OK)
		rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
	if (rv == CKR_OK)
		rv = sr_login(session, token);
	if (rv == CKR_OK)
		rv = p11->C_FindObjectsInit(session, &template, 1);
	if (rv == CKR_OK)
		rv = p11->C_FindObjects(session, &found, 1, &count);
	return rv == CKR_OK ? sr_value(session, found) : rv;
}

START_TEST(child_must_initialise)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	pid_t pid = fork();
	if (pid == 0) {
		CK_SESSION_INFO info;
		must(p11->C_GetSessionInfo(session, &info) == CKR_CRYPTOKI_NOT_INITIALIZED);
		must(p11->C_Logout(session) == CKR_CRYPTOKI_NOT_INITIALIZED);
		must(sr_value(session, object) == CKR_CRYPTOKI_NOT_INITIALIZED);
		must(p11->C_Finalize(NULL) == CKR_CRYPTOKI_NOT_INITIALIZED);
		must(sr_initialize() == CKR_OK);
		must(p11->C_GetSessionInfo(session, &info) == CKR_SESSION_HANDLE_INVALID);
		must(read_as_child(sr_place.reader) == CKR_OK);
		must(p11->C_Finalize(NULL) == CKR_OK);
		_exit(0);
	}
	check_child(pid);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* As nginx and sshd do: the child leaves without a word, or goes on without ever touching the module. */
START_TEST(child_just_exits)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	check_child(pid);
	pid = fork();
	if (pid == 0) {
		must(sr_initialize() == CKR_OK);
		_exit(0); /* without C_Finalize */
	}
	check_child(pid);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
}
END_TEST

START_TEST(both_work_on)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	pid_t pid = fork();
	if (pid == 0) {
		must(sr_initialize() == CKR_OK);
		must(read_as_child(sr_place.reader) == CKR_OK);
		for (int i = 0; i < 20; i++) {
			must(p11->C_Finalize(NULL) == CKR_OK);
			must(sr_initialize() == CKR_OK);
			must(read_as_child(sr_place.reader) == CKR_OK);
		}
		_exit(0);
	}
	for (int i = 0; i < 20; i++)
		sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	check_child(pid);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
}
END_TEST

START_TEST(child_of_a_child)
{
	sr_as(sr_place.reader);
	pid_t pid = fork();
	if (pid == 0) {
		must(sr_initialize() == CKR_OK);
		must(read_as_child(sr_place.reader) == CKR_OK);
		pid_t inner = fork();
		if (inner == 0) {
			must(p11->C_Finalize(NULL) == CKR_CRYPTOKI_NOT_INITIALIZED);
			must(sr_initialize() == CKR_OK);
			must(read_as_child(sr_place.reader) == CKR_OK);
			_exit(0);
		}
		int status = 1;
		must(waitpid(inner, &status, 0) == inner && WIFEXITED(status) && WEXITSTATUS(status) == 0);
		must(p11->C_Finalize(NULL) == CKR_OK);
		_exit(0);
	}
	check_child(pid);
}
END_TEST

/* A child that inherits nothing open initialises as if it were the first. */
START_TEST(fork_before_initialise)
{
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	pid_t pid = fork();
	if (pid == 0) {
		must(sr_initialize() == CKR_OK);
		must(read_as_child(sr_place.reader) == CKR_OK);
		must(p11->C_Finalize(NULL) == CKR_OK);
		_exit(0);
	}
	check_child(pid);
	ck_assert_rv(sr_initialize(), CKR_OK);
}
END_TEST

START_TEST(random_differs)
{
	CK_BYTE ours[32], theirs[32];
	int ends[2];
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CK_SLOT_ID slot;
		must(sr_initialize() == CKR_OK && sr_slot_find(SR_VAULT, &slot) == CKR_OK);
		must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK);
		must(p11->C_GenerateRandom(session, theirs, sizeof theirs) == CKR_OK);
		must(write(ends[1], theirs, sizeof theirs) == (ssize_t)sizeof theirs);
		_exit(0);
	}
	ck_assert_rv(p11->C_GenerateRandom(session, ours, sizeof ours), CKR_OK);
	ck_assert_int_eq(read(ends[0], theirs, sizeof theirs), (ssize_t)sizeof theirs);
	check_child(pid);
	ck_assert_mem_ne(ours, theirs, sizeof ours);
}
END_TEST

Suite *sr_battery_fork(void)
{
	Suite *suite = suite_create("battery: fork");
	TCase *tcase = sr_chapter(suite, "fork", sr_start, sr_stop);
	tcase_add_test(tcase, child_must_initialise);
	tcase_add_test(tcase, child_just_exits);
	tcase_add_test(tcase, both_work_on);
	tcase_add_test(tcase, child_of_a_child);
	tcase_add_test(tcase, fork_before_initialise);
	tcase_add_test(tcase, random_differs);
	return suite;
}
