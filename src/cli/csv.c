#include "cli/csv.h"

#include <stdlib.h>
#include <string.h>

static void put_quoted(struct sr_buf *out, const char *text, size_t len)
{
	bool formula = len > 0 && memchr("=+-@\t\r\n", text[0], 7);
	bool quoted = formula;
	for (size_t i = 0; i < len && !quoted; i++)
		quoted = memchr(",\"\r\n", text[i], 4) != NULL;
	sr_buf_text(out, quoted ? "\"" : "");
	sr_buf_text(out, formula ? "'" : "");
	for (size_t i = 0; i < len; i++)
		sr_buf_append(out, text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
	sr_buf_text(out, quoted ? "\"" : "");
}

void sr_csv_field(struct sr_buf *out, bool first, const json_t *value)
{
	if (!first)
		sr_buf_text(out, ",");
	if (json_is_string(value)) {
		put_quoted(out, json_string_value(value), json_string_length(value));
	} else if (value && !json_is_null(value)) {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (text)
			put_quoted(out, text, strlen(text));
		free(text);
	}
}
