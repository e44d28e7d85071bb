#include "cli/stop.h"

#include <stddef.h>

volatile sig_atomic_t sr_stop;

static void on_signal(int number)
{
	(void)number;
	sr_stop = 1;
}

void sr_stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}
