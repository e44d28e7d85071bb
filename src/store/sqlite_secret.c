/* Secrets and their versions. */
#include "store/sqlite.h"

#include <string.h>

static const char *state_word(unsigned number)
{
	return number == SR_SECRET_ACTIVE ? "active" : "deleted";
}

#define AT(field) .name = #field, .offset = offsetof(struct sr_secret_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_secret_row *)NULL)->field)
static const struct sr_column secret_list[] = {
	{ SIZED(path), .kind = SR_COLUMN_TEXT, .valid = sr_path_valid },
	{ SIZED(uid), .kind = SR_COLUMN_TEXT },
	{ SIZED(type), .kind = SR_COLUMN_TEXT, .valid = sr_type_valid },
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ AT(state), .kind = SR_COLUMN_WORD, .word = state_word, .words = SR_SECRET_DELETED + 1 },
	{ AT(version), .kind = SR_COLUMN_U64, .min = 1 },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(updated_ms), .kind = SR_COLUMN_I64 },
	{ AT(application), .kind = SR_COLUMN_BLOB, .size = SR_ATTRIBUTE_MAX, .optional = true },
	{ AT(object_id), .kind = SR_COLUMN_BLOB, .size = SR_ATTRIBUTE_MAX, .optional = true },
	{ AT(rotated_ms), .kind = SR_COLUMN_I64 },
	{ AT(expires_ms), .kind = SR_COLUMN_I64 },
	{ AT(oldest), .kind = SR_COLUMN_U64 },
	{ SIZED(graces), .kind = SR_COLUMN_TEXT, .valid = sr_lines_valid, .optional = true },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns secret_columns = { "secret", secret_list, sizeof secret_list / sizeof secret_list[0], 1,
	sizeof(struct sr_secret_row) };

#define AT(field) .name = #field, .offset = offsetof(struct sr_version_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_version_row *)NULL)->field)
static const struct sr_column version_list[] = {
	{ SIZED(path), .kind = SR_COLUMN_TEXT, .valid = sr_path_valid },
	{ AT(version), .kind = SR_COLUMN_U64, .min = 1 },
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ SIZED(type), .kind = SR_COLUMN_TEXT, .valid = sr_type_valid },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(sealed), .kind = SR_COLUMN_BLOB, .size = SR_SEALED_MAX },
};
#undef SIZED
#undef AT
static const struct sr_columns version_columns = { "secret_version", version_list,
	sizeof version_list / sizeof version_list[0], 2, sizeof(struct sr_version_row) };

CK_RV sr_sqlite_secret_get(
	struct sr_tx *tx, const char *path, struct sr_secret_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_secret_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_SECRET_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	return sr_query_only(&query, &secret_columns, row, found, err);
}

CK_RV sr_sqlite_secret_put(struct sr_tx *tx, const struct sr_secret_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_SECRET_PUT, &secret_columns, row, err);
}

CK_RV sr_sqlite_secret_list(struct sr_tx *tx, const char *prefix, sr_secret_each each, void *ctx, struct sr_error *err)
{
	char end[SR_PATH_MAX + 2];
	if (strlen(prefix) > SR_PATH_MAX)
		return CKR_OK; /* longer than any path */
	sr_query_prefix_end(prefix, end);
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_SECRET_LIST, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, prefix);
	sr_query_text(&query, 2, end);
	for (bool more = true; more;) {
		struct sr_secret_row row;
		rv = sr_query_next(&query, &secret_columns, &row, &more, err);
		more = more && each(&row, ctx);
		sr_secret_row_clear(&row);
	}
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_version_get(struct sr_tx *tx, const char *path, uint64_t version, struct sr_version_row *row,
	bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_version_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	sr_query_u64(&query, 2, version);
	return sr_query_only(&query, &version_columns, row, found, err);
}

struct length {
	uint64_t len;
};
static const struct sr_column length_list[] = {
	{ .name = "sealed", .kind = SR_COLUMN_U64, .min = 1 },
};
static const struct sr_columns length_columns = { "secret_version", length_list, 1, 0, sizeof(struct length) };

CK_RV sr_sqlite_version_len(
	struct sr_tx *tx, const char *path, uint64_t version, size_t *sealed_len, bool *found, struct sr_error *err)
{
	struct sr_query query;
	struct length length;
	*found = false;
	*sealed_len = 0;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_LEN, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	sr_query_u64(&query, 2, version);
	rv = sr_query_only(&query, &length_columns, &length, found, err);
	if (rv == CKR_OK && *found && length.len > SR_SEALED_MAX) {
		*found = false;
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's database is damaged or was changed: table secret_version, row %s: sealed is not "
			"possible",
			path);
	}
	*sealed_len = (size_t)length.len;
	return rv;
}

CK_RV sr_sqlite_version_put(struct sr_tx *tx, const struct sr_version_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_VERSION_PUT, &version_columns, row, err);
}

CK_RV sr_sqlite_version_drop(struct sr_tx *tx, const char *path, uint64_t version, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_DROP, err);
	if (rv != CKR_OK)
		return rv;
	bool row;
	sr_query_text(&query, 1, path);
	sr_query_u64(&query, 2, version);
	rv = sr_query_step(&query, &row, err);
	sr_query_end(&query);
	return rv;
}

#define AT(field) .name = #field, .offset = offsetof(struct sr_version_place, field)
static const struct sr_column version_place_list[] = {
	{ AT(version), .kind = SR_COLUMN_U64, .min = 1 },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
};
#undef AT
static const struct sr_columns version_place_columns = { "secret_version", version_place_list, 2, 0,
	sizeof(struct sr_version_place) };

CK_RV sr_sqlite_version_list(struct sr_tx *tx, const char *path, sr_version_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_LIST, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	for (bool more = true; more;) {
		struct sr_version_place place;
		rv = sr_query_next(&query, &version_place_columns, &place, &more, err);
		more = more && each(&place, ctx);
	}
	sr_query_end(&query);
	return rv;
}
