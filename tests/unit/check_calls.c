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

START_TEST(what_the_module_answers_is_no_event)
{
	for (int i = 0; i < SR_CALL_COUNT; i++) {
		const struct sr_call_row *row = &sr_call_rows[i];
		if (row->where == SR_WHERE_CLIENT || row->where == SR_WHERE_SESSION)
			continue;
		ck_assert_int_ne(row->status, SR_STATUS_BACKEND);
		ck_assert_int_eq(row->audit, SR_AUDIT_NONE);
	}
}
END_TEST

/* One row of the page's table: | `name` | section | since | status | why |, the last column at CELLS[4]. False: the
 * line is no row of it. */
#define CELLS 5
static bool split_row(char *line, char *cells[CELLS])
{
	if (strncmp(line, "| `C_", 5) != 0)
		return false;
	char *rest = line + 1;
	for (int i = 0; i < CELLS; i++) {
		char *end = strchr(rest, '|');
		if (!end)
			return false;
		*end = '\0';
		cells[i] = rest + strspn(rest, " ");
		for (char *last = end - 1; last >= cells[i] && *last == ' '; last--)
			*last = '\0';
		rest = end + 1;
	}
	return true;
}

static void check_row(const struct sr_call_row *row, char *cells[CELLS])
{
	static const char *const words[] = {
		[SR_STATUS_DONE] = "done", [SR_STATUS_REFUSED] = "refused", [SR_STATUS_BACKEND] = "backend"
	};
	char name[64];
	snprintf(name, sizeof name, "`%s`", row->name);
	ck_assert_str_eq(cells[0], name);
	ck_assert_msg(strcmp(cells[1], row->section) == 0, "%s: section %s", row->name, cells[1]);
	ck_assert_msg(strcmp(cells[2], row->since == 240 ? "2.40" : "3.0") == 0, "%s: since %s", row->name, cells[2]);
	ck_assert_msg(strcmp(cells[3], words[row->status]) == 0, "%s: %s", row->name, cells[3]);
	ck_assert_msg(row->status == SR_STATUS_DONE || *cells[4], "%s: no reason is given", row->name);
}

/* docs/pkcs11.md lists all of them, in this order, and says why where something is not done. */
START_TEST(the_page_has_every_row)
{
	char path[512], line[1024], *cells[CELLS];
	int rows = 0;
	bool inside = false;
	snprintf(path, sizeof path, "%s/docs/pkcs11.md", getenv("SR_SRC"));
	FILE *page = fopen(path, "r");
	ck_assert_msg(page != NULL, "%s cannot be opened", path);
	while (fgets(line, sizeof line, page)) {
		if (strncmp(line, "## ", 3) == 0)
			inside = strstr(line, "All 92 functions");
		if (!inside || !split_row(line, cells))
			continue;
		ck_assert_int_lt(rows, SR_CALL_COUNT);
		check_row(&sr_call_rows[rows++], cells);
	}
	fclose(page);
	ck_assert_int_eq(rows, SR_CALL_COUNT);
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
#define SR_CALL(name, section, since, where, status, audit, signature) \
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
	tcase_add_test(tcase, what_the_module_answers_is_no_event);
	if (getenv("SR_SRC"))
		tcase_add_test(tcase, the_page_has_every_row);
	if (getenv("SR_TEST_MODULE"))
		tcase_add_test(tcase, the_module_exports_every_row);
	suite_add_tcase(suite, tcase);
	return suite;
}
