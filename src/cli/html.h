/* A page that needs nothing but itself: escaped text, tables and bars. */
#ifndef SR_CLI_HTML_H
#define SR_CLI_HTML_H

#include "util/buf.h"

#include <jansson.h>

/** sr_html_text(out, text): TEXT as content or as an attribute's value between quotes; what could steer a terminal or
 * turn the direction of writing is a '?'. */
void sr_html_text(struct sr_buf *out, const char *text);

/** sr_html_begin(out, title), sr_html_end(out): the page's beginning, its style included, and its end. */
void sr_html_begin(struct sr_buf *out, const char *title);
void sr_html_end(struct sr_buf *out);

/** sr_html_section(out, title, said): a heading, and a line below it; SAID may be NULL. */
void sr_html_section(struct sr_buf *out, const char *title, const char *said);

/** sr_html_row(out, cells, count, heading): one row of a table. */
void sr_html_row(struct sr_buf *out, const char *const *cells, size_t count, bool heading);

/** sr_html_counts(out, what, counts, most): a table of the MOST largest of COUNTS, a number for each key, each with a
 * bar; "none" where there are none. */
void sr_html_counts(struct sr_buf *out, const char *what, json_t *counts, size_t most);

/** struct sr_html_bar: one moment of a time line. */
struct sr_html_bar {
	char label[40];
	unsigned long allowed, denied, error;
};

/** sr_html_timeline(out, bars, count): stacked bars over time, as SVG; what each stands for is its title. */
void sr_html_timeline(struct sr_buf *out, const struct sr_html_bar *bars, size_t count);

#endif
