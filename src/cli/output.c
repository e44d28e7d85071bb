#define _GNU_SOURCE 1 /* vasprintf */
#include "cli/output.h"

#include "cli/tool.h"
#include "util/buf.h"
#include "util/text.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- text that cannot steer a terminal ------------------------------------------------------------------------ */
/* U+2028 to U+202E and U+2066 to U+2069: line and paragraph separators, and what reorders the text around it. */
static bool turns_writing(const unsigned char *at, size_t len)
{
	return len == 3 && at[0] == 0xe2 &&
	       ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) || (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* The length of the harmless character at AT, 0 for anything else. */
static size_t harmless_length(const unsigned char *at, size_t left)
{
	for (size_t len = 1; len <= 4 && len <= left; len++) {
		if (sr_text_utf8(at, len))
			return turns_writing(at, len) ? 0 : len;
	}
	return 0;
}

char *sr_safe_text(const void *text, size_t len)
{
	const unsigned char *at = text;
	char *copy = malloc(len + 1);
	if (!copy)
		return NULL;
	size_t used = 0;
	while (len > 0) {
		size_t taken = harmless_length(at, len);
		if (taken > 0)
			memcpy(copy + used, at, taken);
		else
			copy[used] = '?';
		used += taken > 0 ? taken : 1;
		at += taken > 0 ? taken : 1;
		len -= taken > 0 ? taken : 1;
	}
	copy[used] = '\0';
	return copy;
}

/* -- standard error ------------------------------------------------------------------------------------------- */
static void put_line(const char *before, const char *format, va_list args)
{
	char *line = NULL;
	if (vasprintf(&line, format, args) < 0)
		return;
	char *safe = sr_safe_text(line, strlen(line));
	if (safe)
		fprintf(stderr, "%s%s\n", before, safe);
	/* a generated passphrase is said this way */
	if (safe)
		sr_cleanse(safe, strlen(safe));
	sr_cleanse(line, strlen(line));
	free(safe);
	free(line);
}

void sr_complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_line("strongroom: ", format, args);
	va_end(args);
}

void sr_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_line("", format, args);
	va_end(args);
}

/* -- standard output ------------------------------------------------------------------------------------------ */
static int no_memory(void)
{
	sr_complain("there is no memory for the output");
	return SR_EXIT_FAILED;
}

int sr_put_bytes(const void *data, size_t len)
{
	const char *at = data;
	while (len > 0) {
		ssize_t written = write(STDOUT_FILENO, at, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			sr_complain("standard output could not be written: %s", strerror(errno));
			return SR_EXIT_FAILED;
		}
		at += written;
		len -= (size_t)written;
	}
	return SR_EXIT_DONE;
}

int sr_put_json(const json_t *value)
{
	/* A program gets the text as it is; a terminal gets nothing that could steer it. */
	size_t ascii = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;
	char *text = json_dumps(value, JSON_INDENT(2) | ascii);
	if (!text)
		return no_memory();
	size_t len = strlen(text);
	int exit_code = sr_put_bytes(text, len);
	sr_cleanse(text, len);
	free(text);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

/* -- tables --------------------------------------------------------------------------------------------------- */
static void append_cell(struct sr_buf *cell, const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		sr_buf_append(cell, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		sr_buf_printf(cell, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		sr_buf_text(cell, json_is_true(value) ? "yes" : "no");
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (i > 0)
				sr_buf_text(cell, ", ");
			append_cell(cell, json_array_get(value, i));
		}
		break;
	case JSON_NULL:
		break;
	default: {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		sr_buf_text(cell, text ? text : "");
		free(text);
	}
	}
}

static int set_cell(struct libscols_line *line, size_t number, struct sr_buf *cell)
{
	if (cell->len == 0)
		sr_buf_text(cell, "-"); /* so that every line has as many words as the heading */
	char *safe = cell->failed ? NULL : sr_safe_text(cell->data, cell->len);
	int failed = safe ? scols_line_refer_data(line, number, safe) : -1; /* SAFE is the line's now */
	if (failed)
		free(safe);
	return failed;
}

static int add_row(struct libscols_table *table, const json_t *row, const struct sr_column *columns, size_t count)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	int failed = line ? 0 : -1;
	for (size_t i = 0; i < count && !failed; i++) {
		struct sr_buf cell = SR_BUF_INIT;
		append_cell(&cell, json_object_get(row, columns[i].key));
		const json_t *more = columns[i].more ? json_object_get(row, columns[i].more) : NULL;
		if (more && !json_is_null(more)) {
			sr_buf_text(&cell, ":");
			append_cell(&cell, more);
		}
		failed = set_cell(line, i, &cell);
		sr_buf_clear(&cell);
	}
	return failed;
}

static int print_table(struct libscols_table *table)
{
	char *text = NULL;
	if (scols_print_table_to_string(table, &text) != 0)
		return no_memory();
	int exit_code = sr_put_bytes(text, strlen(text));
	free(text);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code; /* the last line comes without one */
}

static int put_rows(const json_t *rows, const struct sr_column *columns, size_t count, bool headings)
{
	struct libscols_table *table = scols_new_table();
	if (!table)
		return no_memory();
	scols_table_enable_noheadings(table, !headings);
	int failed = 0;
	for (size_t i = 0; i < count && !failed; i++)
		failed = scols_table_new_column(table, columns[i].title, 0, 0) ? 0 : -1;
	for (size_t i = 0; i < json_array_size(rows) && !failed; i++)
		failed = add_row(table, json_array_get(rows, i), columns, count);
	int exit_code = failed ? no_memory() : print_table(table);
	scols_unref_table(table);
	return exit_code;
}

int sr_put_table(const json_t *rows, const struct sr_column *columns, size_t count)
{
	return json_array_size(rows) > 0 ? put_rows(rows, columns, count, true) : SR_EXIT_DONE;
}

#define DEPTH_MAX 4 /* deeper objects stay JSON in their cell */

static void flatten(json_t *rows, const json_t *object, const char *before, int depth)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value)
	{
		struct sr_buf name = SR_BUF_INIT;
		sr_buf_printf(&name, "%s%s", before, key);
		if (json_is_object(value) && json_object_size(value) > 0 && depth < DEPTH_MAX) {
			sr_buf_text(&name, ".");
			flatten(rows, value, sr_buf_string(&name), depth + 1);
		} else {
			json_array_append_new(
				rows, json_pack("{s:s, s:O}", "key", sr_buf_string(&name), "value", value));
		}
		sr_buf_clear(&name);
	}
}

int sr_put_pairs(const json_t *object)
{
	static const struct sr_column columns[] = { { "key", "key", NULL }, { "value", "value", NULL } };
	json_t *rows = json_array();
	flatten(rows, object, "", 0);
	int exit_code = put_rows(rows, columns, 2, false);
	json_decref(rows);
	return exit_code;
}

/* -- JSON from the module ------------------------------------------------------------------------------------- */
json_t *sr_load_object(const char *text, size_t len)
{
	json_error_t why;
	json_t *object = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &why) : NULL;
	if (json_is_object(object))
		return object;
	json_decref(object);
	sr_complain("the module's answer could not be read; tool and module may be of different versions");
	return NULL;
}

const char *sr_json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}
