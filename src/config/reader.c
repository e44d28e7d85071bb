/* What inih does with a text that it reads itself, and what is done about it here: it cuts a line at 197 bytes and goes
 * on with the rest as if that were a line (parts are joined); it takes an indented line as part of the value above
 * (indents are dropped); it is silent about an empty section (a mark) and about what follows "[section]" (refused). */
#include "config/reader.h"

#include <string.h>

#define BAD_LINE "["    /* what inih refuses: a section without its end */
#define MARK_LINE "=\n" /* nothing assigned to nothing */
#define AROUND_A_PART 3 /* the blank before, the line feed and the NUL after it */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

/* The next line without blanks around it and without its comment, which begins the line, or a ';' after a blank. */
static const char *take_line(struct sr_reader *in, size_t *len)
{
	const char *line = in->at;
	const char *feed = memchr(line, '\n', in->left);
	size_t taken = feed ? (size_t)(feed - line) : in->left;
	in->at += taken + (feed != NULL);
	in->left -= taken + (feed != NULL);
	in->line++;
	while (taken > 0 && is_blank(*line)) {
		line++;
		taken--;
	}
	if (taken > 0 && is_comment(*line))
		taken = 0;
	for (size_t i = 1; i < taken; i++) {
		if (line[i] == ';' && is_blank(line[i - 1]))
			taken = i;
	}
	while (taken > 0 && is_blank(line[taken - 1]))
		taken--;
	*len = taken;
	return line;
}

/* How much of LEN bytes goes into a part of at most MAX. The cut is where inih neither strips a blank nor sees a
 * comment; 0 when there is no such place. */
static size_t part_length(const char *line, size_t len, size_t max)
{
	if (len <= max)
		return len;
	for (size_t cut = max; cut > 0; cut--) {
		if (!is_blank(line[cut - 1]) && !is_blank(line[cut]) && !is_comment(line[cut]))
			return cut;
	}
	return 0;
}

static char *give_text(char *to, const char *text)
{
	return strcpy(to, text);
}

/* A first part begins its line, later ones are indented: for inih they continue the value. */
static char *give_part(struct sr_reader *in, char *to, size_t size, bool first)
{
	size_t len = part_length(in->rest, in->rest_len, size - AROUND_A_PART);
	if (len == 0 && in->rest_len > 0) {
		in->rest_len = 0;
		in->more = false;
		return give_text(to, BAD_LINE);
	}
	char *end = to;
	if (!first)
		*end++ = ' ';
	memcpy(end, in->rest, len);
	end += len;
	*end++ = '\n';
	*end = '\0';
	in->rest += len;
	in->rest_len -= len;
	in->more = in->rest_len > 0;
	return to;
}

char *sr_reader_next(char *to, int size, void *reader)
{
	struct sr_reader *in = reader;
	if (size < 16)
		return NULL;
	in->mark = in->mark_next;
	in->mark_next = false;
	if (in->mark)
		return give_text(to, MARK_LINE);
	if (in->more)
		return give_part(in, to, (size_t)size, false);
	if (in->left == 0)
		return NULL;
	in->rest = take_line(in, &in->rest_len);
	if (in->rest_len > 0 && in->rest[0] == '[') {
		bool whole = memchr(in->rest, ']', in->rest_len) == in->rest + in->rest_len - 1;
		if (!whole || in->rest_len > (size_t)size - AROUND_A_PART)
			return give_text(to, BAD_LINE);
		in->mark_next = true;
	}
	return give_part(in, to, (size_t)size, true);
}

unsigned sr_reader_line(const char *text, size_t len, int size, int reads)
{
	struct sr_reader in = { .at = text, .left = len };
	char part[256];
	if (size > (int)sizeof part)
		size = (int)sizeof part;
	for (int i = 0; i < reads; i++) {
		if (!sr_reader_next(part, size, &in))
			break;
	}
	return in.line;
}
