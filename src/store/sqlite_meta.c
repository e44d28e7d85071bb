/* The vault's own names, and what status shows. */
#include "store/sqlite.h"
#include "util/text.h"

#include <string.h>
#include <sys/stat.h>

#define META_MAX 4096

struct meta {
	struct sr_buf value;
};

static const struct sr_column meta_list[] = {
	{ .name = "value", .kind = SR_COLUMN_BUF, .offset = offsetof(struct meta, value), .size = META_MAX },
};
static const struct sr_columns meta_columns = { "vault_meta", meta_list, 1, 0, sizeof(struct meta) };

CK_RV sr_sqlite_meta_get(struct sr_tx *tx, const char *name, struct sr_buf *text, struct sr_error *err)
{
	struct sr_query query;
	struct meta meta;
	bool found;
	sr_buf_clear(text);
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_META_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, name);
	rv = sr_query_only(&query, &meta_columns, &meta, &found, err);
	if (rv == CKR_OK && found)
		*text = meta.value;
	return rv;
}

CK_RV sr_sqlite_meta_put(struct sr_tx *tx, const char *name, const char *text, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	size_t len = strlen(text);
	if (len == 0 || len > META_MAX || !sr_text_utf8(text, len))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
			"%s was not written: its text cannot be stored", name);
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_META_PUT, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, name);
	sr_query_text(&query, 2, text);
	rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	return rv;
}

#define TOTAL(field)                                                                               \
	{                                                                                          \
		.name = #field, .kind = SR_COLUMN_U64, .offset = offsetof(struct sr_counts, field) \
	}
static const struct sr_column totals_list[] = { TOTAL(secrets), TOTAL(keys), TOTAL(tokens), TOTAL(events) };
#undef TOTAL
static const struct sr_columns totals_columns = { "totals", totals_list, 4, 0, sizeof(struct sr_counts) };

/* The database's pages and the log beside them. */
static uint64_t bytes_on_disk(const struct sr_sqlite *store)
{
	static const char *const endings[] = { "", "-wal", "-shm" };
	uint64_t bytes = 0;
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		struct stat st;
		char *path = sqlite3_mprintf("%s%s", store->path, endings[i]);
		if (path && stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
		sqlite3_free(path);
	}
	return bytes;
}

CK_RV sr_sqlite_counts(struct sr_tx *tx, struct sr_counts *counts, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_COUNTS, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_query_only(&query, &totals_columns, counts, &found, err);
	if (rv == CKR_OK)
		counts->bytes = bytes_on_disk(tx->store);
	return rv;
}
