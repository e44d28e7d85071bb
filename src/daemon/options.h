/* The daemon's command line. */
#ifndef SR_DAEMON_OPTIONS_H
#define SR_DAEMON_OPTIONS_H

#include "config/config.h"

#include <argp.h>

/** struct sr_arguments: the texts belong to argv. */
struct sr_arguments {
	const char *config;
	const char *listeners[SR_LISTENERS_MAX];
	size_t listener_count;
	bool check;
};

/** sr_daemon_argp: its input is a struct sr_arguments. Its doc has an example behind '\v'. */
extern const struct argp sr_daemon_argp;

#endif
