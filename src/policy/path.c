#include "policy/path.h"

#include "util/text.h"

#include <string.h>

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

/* What paths and globs have in common: their length and their characters. */
static const char *characters_why(const char *text, size_t len)
{
	if (len == 0)
		return "no text at all";
	if (len > SR_PATH_MAX)
		return "more than 512 bytes";
	if (has_control(text, len))
		return "a control character";
	/* C1 controls are two bytes each, so they are found here. */
	if (!sr_text_utf8(text, len))
		return "bytes that are not UTF-8, or a control character";
	return NULL;
}

static const char *segment_why(const char *segment, size_t len)
{
	if (len == 0)
		return "an empty segment (a '/' at an end, or two in a row)";
	if ((len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.'))
		return "a \".\" or \"..\" segment";
	return NULL;
}

static const char *segments_why(const char *text, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '/')
			continue;
		const char *why = segment_why(text + start, i - start);
		if (why)
			return why;
		start = i + 1;
	}
	return NULL;
}

const char *sr_path_why(const char *path, size_t len)
{
	const char *why = characters_why(path, len);

	if (why)
		return why;
	if (memchr(path, '*', len))
		return "a '*', which only globs have";
	return segments_why(path, len);
}

bool sr_path_valid(const char *path, size_t len)
{
	return sr_path_why(path, len) == NULL;
}

size_t sr_path_namespace_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

const char *sr_glob_why(const char *glob, size_t len)
{
	const char *why = characters_why(glob, len);

	/* A segment with a '*' in it is never empty, "." or "..": the same check serves. */
	return why ? why : segments_why(glob, len);
}

bool sr_glob_valid(const char *glob, size_t len)
{
	return sr_glob_why(glob, len) == NULL;
}
