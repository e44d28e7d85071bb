/* Approval policies, and what is above the standard tier. */
#include "store/sqlite.h"

#define APPROVALS_MAX 10

#define AT(field) .name = #field, .offset = offsetof(struct sr_policy_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_policy_row *)NULL)->field)
static const struct sr_column policy_list[] = {
	{ AT(tier), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ SIZED(glob), .kind = SR_COLUMN_TEXT, .valid = sr_glob_valid },
	{ AT(active), .kind = SR_COLUMN_BOOL },
	{ AT(approvals), .kind = SR_COLUMN_U32, .max = APPROVALS_MAX },
	{ AT(delay_ms), .kind = SR_COLUMN_I64 },
	{ AT(timeout_ms), .kind = SR_COLUMN_I64, .min = 1 },
	{ AT(break_glass), .kind = SR_COLUMN_BOOL },
	{ AT(each_use), .kind = SR_COLUMN_BOOL },
	{ SIZED(author), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(updated_ms), .kind = SR_COLUMN_I64 },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns policy_columns = { "policy", policy_list, sizeof policy_list / sizeof policy_list[0], 2,
	sizeof(struct sr_policy_row) };

CK_RV sr_sqlite_policy_get(struct sr_tx *tx, enum sr_tier tier, const char *glob, struct sr_policy_row *row,
	bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_policy_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_POLICY_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, sr_tier_name(tier));
	sr_query_text(&query, 2, glob);
	return sr_query_only(&query, &policy_columns, row, found, err);
}

CK_RV sr_sqlite_policy_put(struct sr_tx *tx, const struct sr_policy_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_POLICY_PUT, &policy_columns, row, err);
}

CK_RV sr_sqlite_policy_list(struct sr_tx *tx, enum sr_tier tier, sr_policy_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	bool all = tier == SR_TIER_COUNT;
	CK_RV rv = sr_query_begin(&query, tx, all ? SR_SQL_POLICY_LIST : SR_SQL_POLICY_LIST_TIER, err);
	if (rv != CKR_OK)
		return rv;
	if (!all)
		sr_query_text(&query, 1, sr_tier_name(tier));
	for (bool more = true; more;) {
		struct sr_policy_row row;
		rv = sr_query_next(&query, &policy_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	sr_query_end(&query);
	return rv;
}

struct place {
	char path[SR_PATH_MAX + 1];
	enum sr_tier tier;
};

static const struct sr_column place_list[] = {
	{ .name = "path",
		.kind = SR_COLUMN_TEXT,
		.offset = offsetof(struct place, path),
		.size = SR_PATH_MAX + 1,
		.valid = sr_path_valid },
	{ .name = "tier",
		.kind = SR_COLUMN_WORD,
		.offset = offsetof(struct place, tier),
		.word = sr_tier_word,
		.words = SR_TIER_COUNT },
};
static const struct sr_columns place_columns = { "secret or key", place_list, 2, 1, sizeof(struct place) };

CK_RV sr_sqlite_tier_list(struct sr_tx *tx, const char *prefix, sr_path_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	char end[SR_PATH_MAX + 2];
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TIER_LIST, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_prefix_end(prefix, end);
	sr_query_text(&query, 1, prefix);
	sr_query_text(&query, 2, end);
	for (bool more = true; more;) {
		struct place place;
		rv = sr_query_next(&query, &place_columns, &place, &more, err);
		more = more && each(place.path, place.tier, ctx);
	}
	sr_query_end(&query);
	return rv;
}
