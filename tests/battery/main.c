/* check_battery [CHAPTER...]: runs the chapters named, or all, over the module that STRONGROOM_MODULE names, with the
 * tool that STRONGROOM names. Check's own variables (CK_FORK, CK_VERBOSITY, CK_TIMEOUT_MULTIPLIER) work as its manual
 * says. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAPTERS (sizeof chapters / sizeof *chapters)

static const struct {
	const char *name;
	Suite *(*make)(void);
} chapters[] = {
#define SR_CHAPTER(name) { #name, sr_battery_##name },
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"
};

static bool add_chapter(SRunner *runner, const char *name)
{
	for (size_t i = 0; i < CHAPTERS; i++) {
		if (strcmp(chapters[i].name, name) != 0)
			continue;
		srunner_add_suite(runner, chapters[i].make());
		return true;
	}
	return false;
}

static int refuse(const char *name)
{
	fprintf(stderr, "check_battery: there is no chapter %s; these are:", name);
	for (size_t i = 0; i < CHAPTERS; i++)
		fprintf(stderr, " %s", chapters[i].name);
	fputc('\n', stderr);
	return 2;
}

int main(int argc, char **argv)
{
	if (!getenv("STRONGROOM_MODULE") || !getenv("STRONGROOM")) {
		fprintf(stderr,
			"check_battery: STRONGROOM_MODULE and STRONGROOM name the module and the tool; set them\n");
		return 2;
	}
	SRunner *runner = srunner_create(NULL);
	for (int i = 1; i < argc; i++) {
		if (!add_chapter(runner, argv[i])) {
			srunner_free(runner);
			return refuse(argv[i]);
		}
	}
	for (size_t i = 0; argc == 1 && i < CHAPTERS; i++)
		srunner_add_suite(runner, chapters[i].make());
	srunner_run_all(runner, CK_ENV);
	sr_place_end();
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
