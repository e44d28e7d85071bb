/* The table of calls, row by row. */
#include "tests/unit/suites.h"

#include "pkcs11/calls.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of the standard's chapters follow each other without a gap, so a row that is missing, doubled or out of
 * order shows. */
START_TEST(sections_follow_each_other)
{
	int chapter = 4, item = 0;
	for (int i = 0; i < SR_CALL_COUNT; i++) {
		const struct sr_call_row *row = &sr_call_rows[i];
		int row_chapter = 0, row_item = 0, end = 0;
		ck_assert_int_eq(sscanf(row->section, "5.%d.%d%n", &row_chapter, &row_item, &end), 2);
		ck_assert_int_eq(end, (int)strlen(row->section));
		bool next_item = row_chapter == chapter && row_item == item + 1;
		bool next_chapter = row_chapter == chapter + 1 && row_item == 1;
		ck_assert_msg(
			next_item || next_chapter, "%s: %s after 5.%d.%d", row->name, row->section, chapter, item);
		chapter = row_chapter;
		item = row_item;
	}
	ck_assert_int_eq(chapter, 20);
}
END_TEST

START_TEST(names_are_calls_and_differ)
{
	for (int i = 0; i < SR_CALL_COUNT; i++) {
		ck_assert_int_eq(strncmp(sr_call_rows[i].name, "C_", 2), 0);
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(sr_call_rows[i].name, sr_call_rows[j].name);
	}
}
END_TEST

START_TEST(the_standard_counts_68_and_92)
{
	int old = 0;
	for (int i = 0; i < SR_CALL_COUNT; i++) {
		ck_assert(sr_call_rows[i].since == 240 || sr_call_rows[i].since == 300);
		old += sr_call_rows[i].since == 240;
	}
	ck_assert_int_eq(old, 68);
	ck_assert_int_eq(SR_CALL_COUNT, 92);
	ck_assert_uint_eq(sizeof(CK_FUNCTION_LIST_3_0), (SR_CALL_COUNT + 1) * sizeof(void *)); /* and the version */
	ck_assert_uint_eq(sizeof(CK_FUNCTION_LIST), (68 + 1) * sizeof(void *));
}
END_TEST

START_TEST(a_client_has_a_function_for_each_row_that_needs_one)
{
	size_t functions = 0;
	for (int i = 0; i < SR_CALL_COUNT; i++)
		functions += sr_call_rows[i].where == SR_WHERE_CLIENT || sr_call_rows[i].where == SR_WHERE_SESSION;
	ck_assert_uint_eq(sizeof(struct sr_calls), functions * sizeof(void *));
}
END_TEST

START_TEST(what_the_module_answers_is_done_and_no_event)
{
	for (int i = 0; i < SR_CALL_COUNT; i++) {
		const struct sr_call_row *row = &sr_call_rows[i];
		if (row->where == SR_WHERE_CLIENT || row->where == SR_WHERE_SESSION)
			continue;
		ck_assert_int_eq(row->status, SR_STATUS_DONE);
		ck_assert_int_eq(row->audit, SR_AUDIT_NONE);
	}
}
END_TEST

/* With SR_TEST_MODULE: the module exports each row, and both lists hold what it exports. */
START_TEST(the_module_exports_every_row)
{
	void *module = dlopen(getenv("SR_TEST_MODULE"), RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(module != NULL, "%s", dlerror());
	for (int i = 0; i < SR_CALL_COUNT; i++)
		ck_assert_msg(dlsym(module, sr_call_rows[i].name) != NULL, "%s is not exported", sr_call_rows[i].name);
	CK_C_GetInterface get;
	*(void **)&get = dlsym(module, "C_GetInterface");
	CK_INTERFACE *interface;
	ck_assert_uint_eq(get(NULL, NULL, &interface, 0), CKR_OK);
	CK_FUNCTION_LIST_3_0 *list = interface->pFunctionList;
#define SR_CALL(name, section, since, where, status, audit, params, args) \
	ck_assert_ptr_eq((void *)list->name, dlsym(module, #name));
#include "pkcs11/calls.def"
#undef SR_CALL
	dlclose(module);
}
END_TEST

Suite *sr_suite_calls(void)
{
	Suite *suite = suite_create("calls");
	TCase *tcase = tcase_create("table");
	tcase_add_test(tcase, sections_follow_each_other);
	tcase_add_test(tcase, names_are_calls_and_differ);
	tcase_add_test(tcase, the_standard_counts_68_and_92);
	tcase_add_test(tcase, a_client_has_a_function_for_each_row_that_needs_one);
	tcase_add_test(tcase, what_the_module_answers_is_done_and_no_event);
	if (getenv("SR_TEST_MODULE"))
		tcase_add_test(tcase, the_module_exports_every_row);
	suite_add_tcase(suite, tcase);
	return suite;
}
