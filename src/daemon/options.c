#include "daemon/options.h"

#include <errno.h>

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "the configuration, with dir = and [listen]", 0 },
	{ "listen", 'l', "WHERE", 0, "also listen here: unix:PATH or tls:ADDRESS:PORT", 0 },
	{ "check", 'k', NULL, 0, "look whether configuration and certificates can be used, and end", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct sr_arguments *arguments = state->input;
	switch (key) {
	case 'c':
		arguments->config = arg;
		return 0;
	case 'k':
		arguments->check = true;
		return 0;
	case 'l':
		if (arguments->listener_count == SR_LISTENERS_MAX)
			argp_error(state, "more than %d listeners", SR_LISTENERS_MAX);
		arguments->listeners[arguments->listener_count++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s is too much: there are options only", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!arguments->config)
			argp_error(state, "--config FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp sr_daemon_argp = { options, parse, NULL,
	"Serves a Strongroom vault to PKCS#11 clients."
	"\vExample:\n  strongroomd --config /etc/strongroom/strongroomd.conf --check\n\nstrongroomd(8) and "
	"strongroom.conf(5) tell more.",
	NULL, NULL, NULL };
