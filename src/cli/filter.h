/* The criteria of `audit query`, `export` and `tail`. */
#ifndef SR_CLI_FILTER_H
#define SR_CLI_FILTER_H

#include "cli/objects.h"
#include "util/buf.h"
#include "util/text.h"

/** struct sr_filter: texts are passed on as they are: the vault checks them. EVENTS: one a line. IN_EVENTS: a word
 * without an option of its own is one more event. */
struct sr_filter {
	struct sr_buf events;
	bool in_events;
	const char *status, *path, *actor, *token, *tier, *ip, *limit;
	char since[SR_TIME_TEXT], until[SR_TIME_TEXT];
};

/** sr_filter_argp: a child of a command's argp that is parsed ARGP_IN_ORDER; its input is a struct sr_filter. */
extern const struct argp sr_filter_argp;

/** sr_take_time(out, arg, state): RFC 3339, or how long ago, as RFC 3339. */
error_t sr_take_time(char out[SR_TIME_TEXT], const char *arg, const struct argp_state *state);

/** sr_filter_fill(filter, template): adds what was given. TEMPLATE points into FILTER. */
void sr_filter_fill(struct sr_filter *filter, struct sr_template *template);
void sr_filter_clear(struct sr_filter *filter);

#endif
