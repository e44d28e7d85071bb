/* The lines of a list kept as text: scopes and allowed addresses. Pure; any thread. */
#ifndef SR_POLICY_LINES_H
#define SR_POLICY_LINES_H

#include <stdbool.h>
#include <stddef.h>

/** struct sr_lines: what is left of a text. Lines end with '\n', the last one with or without. */
struct sr_lines {
	const char *text;
	size_t len;
};

/** sr_lines_count(lines): how many lines are left; 0 for an empty text. */
size_t sr_lines_count(const struct sr_lines *lines);

/** sr_lines_next(lines, line, len): takes the next line, without its '\n'; false when none is left. LINE points into
 * the text and is not NUL-terminated. */
bool sr_lines_next(struct sr_lines *lines, const char **line, size_t *len);

#endif
