/* The table of return codes. That nothing answers another is asserted in every build with sanitizers. */
#include "tests/unit/suites.h"

#include "pkcs11/codes.h"
#include "util/error.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One row for each call, in the order of the calls. */
START_TEST(every_call_has_its_row)
{
	ck_assert_uint_eq(sr_code_row_count, SR_CALL_COUNT);
	for (size_t i = 0; i < sr_code_row_count; i++)
		ck_assert_msg(sr_code_rows[i].id == i, "row %zu: %s", i, sr_call_rows[sr_code_rows[i].id].name);
}
END_TEST

/* A code is said once: by the group, by the standard, or by us. */
START_TEST(no_code_twice)
{
	for (size_t i = 0; i < sr_code_row_count; i++) {
		const struct sr_code_row *row = &sr_code_rows[i];
		size_t count = row->listed_count + row->ours_count;
		for (size_t k = 0; k < count; k++) {
			CK_RV rv = k < row->listed_count ? row->listed[k] : row->ours[k - row->listed_count];
			ck_assert_msg(
				!sr_code_is_common(row->id, rv), "%s: %s", sr_call_rows[row->id].name, sr_rv_name(rv));
			ck_assert_msg(strncmp(sr_rv_name(rv), "CKR_0x", 6) != 0, "%s: 0x%lx has no name",
				sr_call_rows[row->id].name, rv);
			for (size_t j = 0; j < k; j++)
				ck_assert_msg(rv != (j < row->listed_count ? row->listed[j]
									   : row->ours[j - row->listed_count]),
					"%s: %s", sr_call_rows[row->id].name, sr_rv_name(rv));
		}
	}
}
END_TEST

START_TEST(answers)
{
	static const struct {
		enum sr_call_id id;
		CK_RV rv;
		bool allowed;
	} rows[] = {
		{ SR_ID_C_Sign, CKR_OK, true },
		{ SR_ID_C_Sign, CKR_SESSION_HANDLE_INVALID, true },
		{ SR_ID_C_Sign, CKR_BUFFER_TOO_SMALL, true },
		{ SR_ID_C_Sign, CKR_KEY_FUNCTION_NOT_PERMITTED, false },
		{ SR_ID_C_SignInit, CKR_KEY_FUNCTION_NOT_PERMITTED, true },
		{ SR_ID_C_SignInit, CKR_ACTION_PROHIBITED, false },
		{ SR_ID_C_SignInit, CKR_TOKEN_NOT_PRESENT, false },
		{ SR_ID_C_Verify, CKR_SIGNATURE_INVALID, true },
		{ SR_ID_C_Verify, CKR_BUFFER_TOO_SMALL, false },
		{ SR_ID_C_DestroyObject, CKR_ACTION_PROHIBITED, true },
		{ SR_ID_C_GetAttributeValue, CKR_USER_NOT_LOGGED_IN, true }, /* ours */
		{ SR_ID_C_GetSlotList, CKR_SESSION_HANDLE_INVALID, false },
		{ SR_ID_C_GetSlotList, CKR_DEVICE_MEMORY, false },
		{ SR_ID_C_GetTokenInfo, CKR_TOKEN_NOT_PRESENT, true },
		{ SR_ID_C_GetInfo, ~0UL, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_msg(sr_code_allowed(rows[i].id, rows[i].rv) == rows[i].allowed, "row %zu", i);
}
END_TEST

START_TEST(the_assertion_lets_pass)
{
	sr_code_assert(SR_ID_C_Sign, CKR_DATA_LEN_RANGE);
}
END_TEST

/* In a child of its own, because valgrind wants Check not to fork. */
START_TEST(the_assertion_ends_the_process)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		sr_code_assert(SR_ID_C_Sign, CKR_PIN_INCORRECT);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

Suite *sr_suite_codes(void)
{
	Suite *suite = suite_create("codes");
	TCase *table = tcase_create("table");
	tcase_add_test(table, every_call_has_its_row);
	tcase_add_test(table, no_code_twice);
	tcase_add_test(table, answers);
	tcase_add_test(table, the_assertion_lets_pass);
	tcase_add_test(table, the_assertion_ends_the_process);
	suite_add_tcase(suite, table);
	return suite;
}
