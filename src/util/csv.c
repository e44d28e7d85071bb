#include "util/csv.h"

#include <string.h>

static bool is_formula(const char *text, size_t len)
{
	static const char begins[] = { '=', '+', '-', '@', '\t', '\r', '\n' };
	return len > 0 && memchr(begins, text[0], sizeof begins);
}

/* Quotes around every text: then there is nothing to decide. */
void sr_csv_text(struct sr_buf *out, const char *text, size_t len)
{
	sr_buf_text(out, is_formula(text, len) ? "\"'" : "\"");
	for (size_t i = 0; i < len; i++)
		sr_buf_append(out, text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
	sr_buf_text(out, "\"");
}
