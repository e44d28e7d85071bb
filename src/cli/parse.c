/* strongroom: argv, by a command's table of options. Apart from the rest because the manual's generator reads the same
 * tables with an sr_parse of its own (src/manual/capture.c). */
#include "cli/output.h"
#include "cli/tool.h"

#include <string.h>

/* argp says every error in two lines or three; ours are one line, so it is kept silent. */
int sr_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
	const struct argp_state state = { .name = argv[0] };
	error_t error = argp_parse(argp, argc, argv, flags | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, input);
	if (error == 0)
		return SR_EXIT_DONE;
	if (error == EINVAL)
		sr_usage(&state, "an option is not known here, or lacks its value");
	sr_complain("the command line could not be read: %s", strerror(error));
	return SR_EXIT_FAILED;
}
