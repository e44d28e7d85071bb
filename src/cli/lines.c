#include "cli/lines.h"

#include "cli/tool.h"
#include "policy/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

error_t sr_add_line(struct sr_buf *list, const char *arg, const struct argp_state *state)
{
	if (arg[0] == '\0') {
		sr_usage(state, "an empty scope or address is refused");
		return EINVAL;
	}
	if (strchr(arg, '\n')) {
		sr_usage(state, "a scope or address with a line break is refused");
		return EINVAL;
	}
	if (list->len > 0)
		sr_buf_text(list, "\n");
	sr_buf_text(list, arg);
	return list->failed ? ENOMEM : 0;
}

error_t sr_take_seconds(const char *option, const char *arg, char text[24], const struct argp_state *state)
{
	uint64_t seconds;
	if (!sr_duration_parse(arg, strlen(arg), &seconds)) {
		sr_usage(state, "--%s '%s' is no duration; give a number and one of s, m, h, d, as 30m", option, arg);
		return EINVAL;
	}
	snprintf(text, 24, "%" PRIu64, seconds);
	return 0;
}
