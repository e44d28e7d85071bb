/* Paths that are frozen. */
#include "store/sqlite.h"

#define AT(field) .name = #field, .offset = offsetof(struct sr_freeze_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_freeze_row *)NULL)->field)
static const struct sr_column freeze_list[] = {
	{ SIZED(path), .kind = SR_COLUMN_TEXT, .valid = sr_path_valid },
	{ AT(active), .kind = SR_COLUMN_BOOL },
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ SIZED(author), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ SIZED(reason), .kind = SR_COLUMN_TEXT },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(updated_ms), .kind = SR_COLUMN_I64 },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns freeze_columns = { "freeze", freeze_list, sizeof freeze_list / sizeof freeze_list[0], 1,
	sizeof(struct sr_freeze_row) };

CK_RV sr_sqlite_freeze_get(
	struct sr_tx *tx, const char *path, struct sr_freeze_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_freeze_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_FREEZE_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, path);
	return sr_query_only(&query, &freeze_columns, row, found, err);
}

CK_RV sr_sqlite_freeze_put(struct sr_tx *tx, const struct sr_freeze_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_FREEZE_PUT, &freeze_columns, row, err);
}

CK_RV sr_sqlite_freeze_list(struct sr_tx *tx, sr_freeze_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_FREEZE_LIST, err);
	if (rv != CKR_OK)
		return rv;
	for (bool more = true; more;) {
		struct sr_freeze_row row;
		rv = sr_query_next(&query, &freeze_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	sr_query_end(&query);
	return rv;
}
