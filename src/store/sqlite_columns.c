/* Rows in and out by their table of columns: what is bound and what is read passes the same checks. */
#include "store/sqlite.h"

#include "policy/lines.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(enum sr_tier) == sizeof(unsigned), "words are read and written as unsigned");

const char *sr_tier_word(unsigned number)
{
	return sr_tier_name((enum sr_tier)number);
}

bool sr_lines_valid(const char *text, size_t len)
{
	struct sr_lines lines = { text, len };
	const char *line;
	size_t line_len;
	while (sr_lines_next(&lines, &line, &line_len)) {
		if (!sr_text_utf8(line, line_len))
			return false;
	}
	return true;
}

void sr_row_clear(const struct sr_columns *columns, void *row)
{
	for (int i = 0; i < columns->count; i++) {
		const struct sr_column *column = &columns->list[i];
		if (column->kind == SR_COLUMN_BUF || column->kind == SR_COLUMN_BLOB)
			sr_buf_clear((struct sr_buf *)((char *)row + column->offset));
	}
	memset(row, 0, columns->row_size);
}

/* -- what may stand in a column -- */

static bool text_fits(const struct sr_column *column, const char *text, size_t len, size_t max)
{
	if (len == 0)
		return column->optional;
	return len <= max && (column->valid ? column->valid(text, len) : sr_text_utf8(text, len));
}

static bool blob_fits(const struct sr_column *column, size_t len)
{
	return len == 0 ? column->optional : len <= column->size && (int64_t)len >= column->min;
}

static bool number_fits(const struct sr_column *column, int64_t number)
{
	switch (column->kind) {
	case SR_COLUMN_BOOL:
		return number == 0 || number == 1;
	case SR_COLUMN_U32:
		return number >= column->min && number <= column->max;
	default:
		return number >= column->min;
	}
}

/* -- binding -- */

static int bind_text(sqlite3_stmt *stmt, int n, const char *text, size_t len)
{
	return len == 0 ? sqlite3_bind_null(stmt, n)
			: sqlite3_bind_text64(stmt, n, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_blob(sqlite3_stmt *stmt, int n, const void *data, size_t len)
{
	return len == 0 ? sqlite3_bind_null(stmt, n) : sqlite3_bind_blob64(stmt, n, data, len, SQLITE_STATIC);
}

static int bind_number(const struct sr_column *column, sqlite3_stmt *stmt, int n, const void *from)
{
	int64_t number = 0;
	if (column->kind == SR_COLUMN_BOOL)
		number = *(const bool *)from;
	else if (column->kind == SR_COLUMN_U32)
		number = *(const uint32_t *)from;
	else
		memcpy(&number, from, sizeof number); /* a u64 beyond INT64_MAX turns negative and does not fit */
	return number_fits(column, number) ? sqlite3_bind_int64(stmt, n, number) : SQLITE_MISMATCH;
}

static int bind_word(const struct sr_column *column, sqlite3_stmt *stmt, int n, const void *from)
{
	unsigned number = *(const unsigned *)from;
	if (number >= column->words)
		return SQLITE_MISMATCH;
	return sqlite3_bind_text(stmt, n, column->word(number), -1, SQLITE_STATIC);
}

static int bind_column(const struct sr_column *column, sqlite3_stmt *stmt, int n, const void *from)
{
	const struct sr_buf *buf = from;
	size_t len;
	switch (column->kind) {
	case SR_COLUMN_TEXT:
		len = strnlen(from, column->size);
		return text_fits(column, from, len, column->size - 1) ? bind_text(stmt, n, from, len) : SQLITE_MISMATCH;
	case SR_COLUMN_BUF:
		if (buf->failed || !text_fits(column, (const char *)buf->data, buf->len, column->size))
			return SQLITE_MISMATCH;
		return bind_text(stmt, n, (const char *)buf->data, buf->len);
	case SR_COLUMN_BLOB:
		if (buf->failed || !blob_fits(column, buf->len))
			return SQLITE_MISMATCH;
		return bind_blob(stmt, n, buf->data, buf->len);
	case SR_COLUMN_BYTES:
		return sqlite3_bind_blob64(stmt, n, from, column->size, SQLITE_STATIC);
	case SR_COLUMN_WORD:
		return bind_word(column, stmt, n, from);
	default:
		return bind_number(column, stmt, n, from);
	}
}

CK_RV sr_row_bind(const struct sr_columns *columns, const void *row, sqlite3_stmt *stmt, struct sr_error *err)
{
	for (int i = 0; i < columns->count; i++) {
		const struct sr_column *column = &columns->list[i];
		int rc = bind_column(column, stmt, i + 1, (const char *)row + column->offset);
		if (rc == SQLITE_MISMATCH)
			return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
				"a row of table %s was not written: its %s cannot be stored", columns->table,
				column->name);
		if (rc != SQLITE_OK)
			return sr_sqlite_fail(NULL, rc, columns->table, err);
	}
	return CKR_OK;
}

/* -- reading -- */

enum outcome { FITS, WRONG, NO_MEMORY };

static enum outcome read_text(const struct sr_column *column, sqlite3_stmt *stmt, int n, char *to)
{
	const char *text = (const char *)sqlite3_column_text(stmt, n);
	size_t len = (size_t)sqlite3_column_bytes(stmt, n);
	if (!text || !text_fits(column, text, len, column->size - 1))
		return WRONG;
	memcpy(to, text, len);
	to[len] = '\0';
	return FITS;
}

static enum outcome read_buf(const struct sr_column *column, sqlite3_stmt *stmt, int n, struct sr_buf *to)
{
	const void *data = sqlite3_column_blob(stmt, n);
	size_t len = (size_t)sqlite3_column_bytes(stmt, n);
	bool text = column->kind == SR_COLUMN_BUF;
	if (text ? !text_fits(column, data, len, column->size) : !blob_fits(column, len))
		return WRONG;
	sr_buf_append(to, data, len);
	return to->failed ? NO_MEMORY : FITS;
}

static enum outcome read_bytes(const struct sr_column *column, sqlite3_stmt *stmt, int n, uint8_t *to)
{
	const void *data = sqlite3_column_blob(stmt, n);
	if (!data || (size_t)sqlite3_column_bytes(stmt, n) != column->size)
		return WRONG;
	memcpy(to, data, column->size);
	return FITS;
}

static enum outcome read_word(const struct sr_column *column, sqlite3_stmt *stmt, int n, unsigned *to)
{
	const char *text = (const char *)sqlite3_column_text(stmt, n);
	size_t len = (size_t)sqlite3_column_bytes(stmt, n);
	for (unsigned i = 0; text && i < column->words; i++) {
		if (strlen(column->word(i)) == len && memcmp(column->word(i), text, len) == 0) {
			*to = i;
			return FITS;
		}
	}
	return WRONG;
}

static enum outcome read_number(const struct sr_column *column, sqlite3_stmt *stmt, int n, void *to)
{
	int64_t number = sqlite3_column_int64(stmt, n);
	if (!number_fits(column, number))
		return WRONG;
	if (column->kind == SR_COLUMN_BOOL)
		*(bool *)to = number != 0;
	else if (column->kind == SR_COLUMN_U32)
		*(uint32_t *)to = (uint32_t)number;
	else
		memcpy(to, &number, sizeof number);
	return FITS;
}

/* SQLite would convert any type into any other: STRICT tables keep types, but the file may come from anywhere. */
static int expected_type(enum sr_column_kind kind)
{
	switch (kind) {
	case SR_COLUMN_TEXT:
	case SR_COLUMN_BUF:
	case SR_COLUMN_WORD:
		return SQLITE_TEXT;
	case SR_COLUMN_BYTES:
	case SR_COLUMN_BLOB:
		return SQLITE_BLOB;
	default:
		return SQLITE_INTEGER;
	}
}

static enum outcome read_column(const struct sr_column *column, sqlite3_stmt *stmt, int n, void *to)
{
	int type = sqlite3_column_type(stmt, n);
	if (type == SQLITE_NULL)
		return column->optional ? FITS : WRONG;
	if (type != expected_type(column->kind))
		return WRONG;
	switch (column->kind) {
	case SR_COLUMN_TEXT:
		return read_text(column, stmt, n, to);
	case SR_COLUMN_BUF:
	case SR_COLUMN_BLOB:
		return read_buf(column, stmt, n, to);
	case SR_COLUMN_BYTES:
		return read_bytes(column, stmt, n, to);
	case SR_COLUMN_WORD:
		return read_word(column, stmt, n, to);
	default:
		return read_number(column, stmt, n, to);
	}
}

static CK_RV refuse_row(const struct sr_columns *columns, sqlite3_stmt *stmt, int column, struct sr_error *err)
{
	char key[120] = "";
	size_t used = 0;
	for (int i = 0; i < columns->keys && used < sizeof key; i++) {
		const unsigned char *text = sqlite3_column_text(stmt, i);
		int len = snprintf(
			key + used, sizeof key - used, "%s%.90s", i ? " " : "", text ? (const char *)text : "NULL");
		used += len > 0 ? (size_t)len : 0;
	}
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the vault's database is damaged or was changed: table %s, row %s: %s is not possible", columns->table,
		key, sqlite3_column_name(stmt, column));
}

CK_RV sr_row_read(const struct sr_columns *columns, sqlite3_stmt *stmt, void *row, struct sr_error *err)
{
	for (int i = 0; i < columns->count; i++) {
		const struct sr_column *column = &columns->list[i];
		enum outcome outcome = read_column(column, stmt, i, (char *)row + column->offset);
		if (outcome == FITS)
			continue;
		sr_row_clear(columns, row);
		if (outcome == NO_MEMORY || sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM)
			return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
		return refuse_row(columns, stmt, i, err);
	}
	return CKR_OK;
}
