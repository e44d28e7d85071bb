/* Members. */
#include "store/sqlite.h"

static const char *role_word(unsigned number)
{
	return sr_role_name((enum sr_role)number);
}

#define AT(field) .name = #field, .offset = offsetof(struct sr_member_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_member_row *)NULL)->field)
static const struct sr_column member_list[] = {
	{ SIZED(name), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ AT(role), .kind = SR_COLUMN_WORD, .word = role_word, .words = SR_ROLE_COUNT },
	{ AT(active), .kind = SR_COLUMN_BOOL },
	{ AT(log2n), .kind = SR_COLUMN_U32, .min = 1, .max = 63 },
	{ AT(r), .kind = SR_COLUMN_U32, .min = 1, .max = 1024 },
	{ AT(p), .kind = SR_COLUMN_U32, .min = 1, .max = 1024 },
	{ SIZED(salt), .kind = SR_COLUMN_BYTES },
	{ SIZED(hash), .kind = SR_COLUMN_BYTES },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(allowed_ips), .kind = SR_COLUMN_TEXT, .valid = sr_lines_valid, .optional = true },
	{ SIZED(made_by), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid, .optional = true },
	{ AT(fresh.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(fresh.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(fresh.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(cut), .kind = SR_COLUMN_U64 },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns member_columns = { "member", member_list, sizeof member_list / sizeof member_list[0], 1,
	sizeof(struct sr_member_row) };

CK_RV sr_sqlite_member_get(
	struct sr_tx *tx, const char *name, struct sr_member_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_member_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_MEMBER_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, name);
	return sr_query_only(&query, &member_columns, row, found, err);
}

CK_RV sr_sqlite_member_put(struct sr_tx *tx, const struct sr_member_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_MEMBER_PUT, &member_columns, row, err);
}

CK_RV sr_sqlite_member_list(struct sr_tx *tx, sr_member_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_MEMBER_LIST, err);
	if (rv != CKR_OK)
		return rv;
	for (bool more = true; more;) {
		struct sr_member_row row;
		rv = sr_query_next(&query, &member_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	sr_query_end(&query);
	return rv;
}
