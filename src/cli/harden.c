/* strongroom: what the tool takes from its own process, and gives back to a command that it becomes. */
#include "cli/tool.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* PINs, values and keys pass through this process: it leaves no core, and nobody but root attaches to it. */
static struct rlimit core_limit;

void sr_harden(void)
{
	getrlimit(RLIMIT_CORE, &core_limit);
	const struct rlimit none = { 0, core_limit.rlim_max }; /* the hard limit could not be raised again */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sr_soften(void)
{
	setrlimit(RLIMIT_CORE, &core_limit);
}
