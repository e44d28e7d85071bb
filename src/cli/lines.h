/* Options that take several values, as `--scope A B`: what the vault gets is one a line. */
#ifndef SR_CLI_LINES_H
#define SR_CLI_LINES_H

#include "util/buf.h"

#include <argp.h>

/** sr_add_line(list, arg, state): appends ARG as a line. An empty one, and one with a line break, is a usage error: the
 *  first is a variable that was not set and must not end as no restriction at all, the second would be two. */
error_t sr_add_line(struct sr_buf *list, const char *arg, const struct argp_state *state);

/** sr_take_seconds(option, arg, text, state): a duration as the vault takes it, in seconds; the vault decides whether
 *  they are too many or too few. */
error_t sr_take_seconds(const char *option, const char *arg, char text[24], const struct argp_state *state);

#endif
