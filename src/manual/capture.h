/* What a command takes, as its own table of options says it: each command is run with an sr_parse that notes the table
 * and ends it. */
#ifndef SR_MANUAL_CAPTURE_H
#define SR_MANUAL_CAPTURE_H

#include "cli/commands.h"

#define SR_CAPTURED_OPTIONS 48

/** struct sr_captured: OPTIONS in the order of their tables; those of every command are not among them. ARGS: the first
 *  line of what follows the options, "" for nothing. All live as long as the process. */
struct sr_captured {
	const struct argp_option *options[SR_CAPTURED_OPTIONS];
	size_t count;
	char args[128];
	char doc[1024];
};

/** sr_capture(row, captured), sr_capture_argp(argp, captured): false: there are more options than fit, or the command
 * has not parsed. sr_capture_global(captured): the options of every command. */
bool sr_capture(const struct sr_command *row, struct sr_captured *captured);
bool sr_capture_argp(const struct argp *argp, struct sr_captured *captured);
bool sr_capture_global(struct sr_captured *captured);

#endif
