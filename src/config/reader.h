/* Hands a configuration text to libinih line by line, so that what inih would pass over in silence is seen. */
#ifndef SR_CONFIG_READER_H
#define SR_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

/** struct sr_reader: LEFT bytes of text at AT, which it does not own. While inih calls its handler:
 *  line  the line that the handler is called for, from 1
 *  more  the value goes on: the next call brings its next part (inih takes 197 bytes of a line at once)
 *  mark  the call is for a section line, not for a key */
struct sr_reader {
	const char *at;
	size_t left;
	unsigned line;
	bool more;
	bool mark;
	const char *rest; /* of a line that did not fit */
	size_t rest_len;
	bool mark_next;
};

/** sr_reader_next(to, size, reader): an ini_reader. Each section line is followed by an assignment of nothing to
 * nothing, so that the handler hears of a section without keys. Blanks at both ends and comments are gone. */
char *sr_reader_next(char *to, int size, void *reader);

/** sr_reader_line(text, len, size, reads): the line in which read number READS (from 1) was, with buffers of SIZE. */
unsigned sr_reader_line(const char *text, size_t len, int size, int reads);

#endif
