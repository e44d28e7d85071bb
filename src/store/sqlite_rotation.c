/* How often secrets want a new value, by glob. */
#include "store/sqlite.h"

#define AT(field) .name = #field, .offset = offsetof(struct sr_rotation_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_rotation_row *)NULL)->field)
static const struct sr_column rotation_list[] = {
	{ SIZED(glob), .kind = SR_COLUMN_TEXT, .valid = sr_glob_valid },
	{ AT(active), .kind = SR_COLUMN_BOOL },
	{ AT(period_ms), .kind = SR_COLUMN_I64, .min = 1 },
	{ SIZED(author), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(updated_ms), .kind = SR_COLUMN_I64 },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns rotation_columns = { "rotation", rotation_list,
	sizeof rotation_list / sizeof rotation_list[0], 1, sizeof(struct sr_rotation_row) };

CK_RV sr_sqlite_rotation_get(
	struct sr_tx *tx, const char *glob, struct sr_rotation_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_rotation_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_ROTATION_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, glob);
	return sr_query_only(&query, &rotation_columns, row, found, err);
}

CK_RV sr_sqlite_rotation_put(struct sr_tx *tx, const struct sr_rotation_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_ROTATION_PUT, &rotation_columns, row, err);
}

CK_RV sr_sqlite_rotation_list(struct sr_tx *tx, sr_rotation_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_ROTATION_LIST, err);
	for (bool more = rv == CKR_OK; more;) {
		struct sr_rotation_row row;
		rv = sr_query_next(&query, &rotation_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	if (rv == CKR_OK)
		sr_query_end(&query);
	return rv;
}
