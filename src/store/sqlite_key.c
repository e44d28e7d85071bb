/* Keys: private, public and secret keys and certificates, by path and part. */
#include "store/sqlite.h"

#include <string.h>

static const char *state_word(unsigned number)
{
	return number == SR_KEY_ACTIVE ? "active" : "deleted";
}

#define AT(field) .name = #field, .offset = offsetof(struct sr_key_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_key_row *)NULL)->field)
static const struct sr_column key_list[] = {
	{ SIZED(path), .kind = SR_COLUMN_TEXT, .valid = sr_path_valid },
	{ AT(part), .kind = SR_COLUMN_WORD, .word = sr_part_word, .words = SR_PART_COUNT },
	{ SIZED(uid), .kind = SR_COLUMN_TEXT },
	{ AT(key_type), .kind = SR_COLUMN_U64 },
	{ AT(custody), .kind = SR_COLUMN_WORD, .word = sr_custody_word, .words = SR_CUSTODY_COUNT },
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ AT(state), .kind = SR_COLUMN_WORD, .word = state_word, .words = SR_KEY_DELETED + 1 },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(updated_ms), .kind = SR_COLUMN_I64 },
	{ AT(id), .kind = SR_COLUMN_BLOB, .size = SR_KEY_ID_MAX, .optional = true },
	{ AT(attrs), .kind = SR_COLUMN_BLOB, .size = SR_KEY_ATTRS_MAX, .optional = true },
	{ AT(blob), .kind = SR_COLUMN_BLOB, .size = SR_KEY_BLOB_MAX, .optional = true },
	{ AT(material), .kind = SR_COLUMN_BLOB, .size = SR_HASH_LEN, .min = SR_HASH_LEN, .optional = true },
	{ AT(grace.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(grace.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(grace.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns key_columns = { "key", key_list, sizeof key_list / sizeof key_list[0], 2,
	sizeof(struct sr_key_row) };

CK_RV sr_sqlite_key_get(struct sr_tx *tx, const char *path, enum sr_part part, struct sr_key_row *row, bool *found,
	struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_key_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_KEY_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	sr_query_text(&query, 2, sr_part_word(part));
	return sr_query_only(&query, &key_columns, row, found, err);
}

CK_RV sr_sqlite_key_put(struct sr_tx *tx, const struct sr_key_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_KEY_PUT, &key_columns, row, err);
}

/* Runs QUERY, which has its parameters, to its end or until EACH has enough. */
static CK_RV give_keys(struct sr_query *query, sr_key_each each, void *ctx, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (bool more = true; more;) {
		struct sr_key_row row;
		rv = sr_query_next(query, &key_columns, &row, &more, err);
		more = more && each(&row, ctx);
		sr_key_row_clear(&row);
	}
	sr_query_end(query);
	return rv;
}

/* A range of paths; the caller binds what else SQL asks for, from parameter 3. END is to live as long as QUERY. */
static CK_RV begin_range(struct sr_query *query, struct sr_tx *tx, enum sr_sql sql, const char *prefix,
	char end[SR_PATH_MAX + 2], struct sr_error *err)
{
	CK_RV rv = sr_query_begin(query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_prefix_end(prefix, end);
	sr_query_text(query, 1, prefix);
	sr_query_text(query, 2, end);
	return CKR_OK;
}

CK_RV sr_sqlite_key_list(
	struct sr_tx *tx, const char *prefix, enum sr_part part, sr_key_each each, void *ctx, struct sr_error *err)
{
	char end[SR_PATH_MAX + 2];
	struct sr_query query;
	bool all = part == SR_PART_COUNT;
	if (strlen(prefix) > SR_PATH_MAX)
		return CKR_OK; /* longer than any path */
	CK_RV rv = begin_range(&query, tx, all ? SR_SQL_KEY_LIST : SR_SQL_KEY_LIST_PART, prefix, end, err);
	if (rv != CKR_OK)
		return rv;
	if (!all)
		sr_query_text(&query, 3, sr_part_word(part));
	return give_keys(&query, each, ctx, err);
}

CK_RV sr_sqlite_key_by_type(
	struct sr_tx *tx, const char *prefix, uint64_t key_type, sr_key_each each, void *ctx, struct sr_error *err)
{
	char end[SR_PATH_MAX + 2];
	struct sr_query query;
	if (strlen(prefix) > SR_PATH_MAX || key_type > INT64_MAX)
		return CKR_OK; /* no row has it */
	CK_RV rv = begin_range(&query, tx, SR_SQL_KEY_BY_TYPE, prefix, end, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 3, key_type);
	return give_keys(&query, each, ctx, err);
}

CK_RV sr_sqlite_key_parts(struct sr_tx *tx, const char *path, sr_key_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_KEY_PARTS, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	return give_keys(&query, each, ctx, err);
}

static CK_RV list_by_bytes(struct sr_tx *tx, enum sr_sql sql, const void *data, size_t len, sr_key_each each, void *ctx,
	struct sr_error *err)
{
	struct sr_query query;
	if (len == 0)
		return CKR_OK; /* no row has an empty one */
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_bytes(&query, 1, data, len);
	return give_keys(&query, each, ctx, err);
}

CK_RV sr_sqlite_key_by_id(
	struct sr_tx *tx, const void *id, size_t len, sr_key_each each, void *ctx, struct sr_error *err)
{
	return list_by_bytes(tx, SR_SQL_KEY_BY_ID, id, len, each, ctx, err);
}

CK_RV sr_sqlite_key_by_material(
	struct sr_tx *tx, const void *material, size_t len, sr_key_each each, void *ctx, struct sr_error *err)
{
	return list_by_bytes(tx, SR_SQL_KEY_BY_MATERIAL, material, len, each, ctx, err);
}
