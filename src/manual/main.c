/* manual TEMPLATE: a manual page, or a shell's completion, on standard output, from a template and the tables that the
 * programs parse with. Runs while the tree is built. */
#include "manual/page.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: manual TEMPLATE\n", stderr);
		return 2;
	}
	if (!sr_page(argv[1]))
		return EXIT_FAILURE;
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
