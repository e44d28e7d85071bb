/* Approvals. */
#include "store/sqlite.h"

#define NEEDED_MAX 10

#define AT(field) .name = #field, .offset = offsetof(struct sr_approval_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_approval_row *)NULL)->field)
static const struct sr_column approval_list[] = {
	{ SIZED(id), .kind = SR_COLUMN_TEXT },
	{ AT(kind), .kind = SR_COLUMN_WORD, .word = sr_approval_kind_word, .words = SR_APPROVAL_KIND_COUNT },
	{ SIZED(target), .kind = SR_COLUMN_TEXT },
	{ SIZED(change), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(base), .kind = SR_COLUMN_U64 },
	{ SIZED(path), .kind = SR_COLUMN_TEXT, .valid = sr_glob_valid, .optional = true },
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ AT(needed), .kind = SR_COLUMN_U32, .min = 1, .max = NEEDED_MAX },
	{ AT(delay_ms), .kind = SR_COLUMN_I64 },
	{ AT(ttl_ms), .kind = SR_COLUMN_I64, .min = 1 },
	{ SIZED(requester), .kind = SR_COLUMN_TEXT },
	{ SIZED(owner), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ SIZED(reason), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(deadline.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(deadline.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(deadline.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(ready.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(ready.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(ready.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(end.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(end.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(end.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(state), .kind = SR_COLUMN_WORD, .word = sr_approval_state_word, .words = SR_APPROVAL_STATE_COUNT },
	{ SIZED(votes), .kind = SR_COLUMN_TEXT, .valid = sr_lines_valid, .optional = true },
	{ SIZED(decided_by), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid, .optional = true },
	{ SIZED(decision), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(break_glass), .kind = SR_COLUMN_BOOL },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns approval_columns = { "approval", approval_list,
	sizeof approval_list / sizeof approval_list[0], 1, sizeof(struct sr_approval_row) };

CK_RV sr_sqlite_approval_get(
	struct sr_tx *tx, const char *id, struct sr_approval_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_approval_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_APPROVAL_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, id);
	return sr_query_only(&query, &approval_columns, row, found, err);
}

CK_RV sr_sqlite_approval_put(struct sr_tx *tx, const struct sr_approval_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_APPROVAL_PUT, &approval_columns, row, err);
}

static CK_RV give_all(struct sr_query *query, sr_approval_each each, void *ctx, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (bool more = true; more;) {
		struct sr_approval_row row;
		rv = sr_query_next(query, &approval_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	sr_query_end(query);
	return rv;
}

CK_RV sr_sqlite_approval_list(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_APPROVAL_LIST, err);
	return rv == CKR_OK ? give_all(&query, each, ctx, err) : rv;
}

CK_RV sr_sqlite_approval_open(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_APPROVAL_OPEN, err);
	return rv == CKR_OK ? give_all(&query, each, ctx, err) : rv;
}

CK_RV sr_sqlite_approval_of(
	struct sr_tx *tx, const char *target, sr_approval_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_APPROVAL_OF, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, target);
	return give_all(&query, each, ctx, err);
}
