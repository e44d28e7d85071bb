/* check_strongroom [SUITE...]: runs the suites named, or all. Check's own variables (CK_FORK, CK_VERBOSITY,
 * CK_RUN_CASE, CK_TIMEOUT_MULTIPLIER) work as its manual says. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_COUNT (sizeof rows / sizeof *rows)

static const struct {
	const char *name;
	Suite *(*make)(void);
} rows[] = {
#define SR_SUITE(name) { #name, sr_suite_##name },
#include "tests/unit/suites.h"
};

static bool add_suite(SRunner *runner, const char *name)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		srunner_add_suite(runner, rows[i].make());
		return true;
	}
	return false;
}

static int refuse(const char *name)
{
	fprintf(stderr, "check_strongroom: there is no suite %s; these are:", name);
	for (size_t i = 0; i < ROW_COUNT; i++)
		fprintf(stderr, " %s", rows[i].name);
	fputc('\n', stderr);
	return 2;
}

int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);

	for (int i = 1; i < argc; i++) {
		if (!add_suite(runner, argv[i])) {
			srunner_free(runner);
			return refuse(argv[i]);
		}
	}
	for (size_t i = 0; argc == 1 && i < ROW_COUNT; i++)
		srunner_add_suite(runner, rows[i].make());
	vault_template_begin();
	srunner_run_all(runner, CK_ENV);
	vault_template_end();
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
