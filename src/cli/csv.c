#include "cli/csv.h"

#include "util/csv.h"

#include <stdlib.h>
#include <string.h>

void sr_csv_field(struct sr_buf *out, bool first, const json_t *value)
{
	if (!first)
		sr_buf_text(out, ",");
	if (json_is_string(value)) {
		sr_csv_text(out, json_string_value(value), json_string_length(value));
	} else if (value && !json_is_null(value)) {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (text)
			sr_csv_text(out, text, strlen(text));
		free(text);
	}
}
