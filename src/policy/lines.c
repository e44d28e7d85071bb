#include "policy/lines.h"

#include <string.h>

size_t sr_lines_count(const struct sr_lines *lines)
{
	struct sr_lines left = *lines;
	const char *line;
	size_t len, count = 0;

	while (sr_lines_next(&left, &line, &len))
		count++;
	return count;
}

bool sr_lines_next(struct sr_lines *lines, const char **line, size_t *len)
{
	if (lines->len == 0)
		return false;
	const char *end = memchr(lines->text, '\n', lines->len);
	size_t taken = end ? (size_t)(end - lines->text) + 1 : lines->len;
	*line = lines->text;
	*len = end ? taken - 1 : taken;
	lines->text += taken;
	lines->len -= taken;
	return true;
}
