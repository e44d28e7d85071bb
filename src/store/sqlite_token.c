/* Tokens and the count of their uses. */
#include "store/sqlite.h"

#define SCOPES_MAX 32768
#define ALLOWED_MAX 8192
#define DESCRIPTION_MAX 1024

static const char *state_word(unsigned number)
{
	return number == SR_TOKEN_ACTIVE ? "active" : "revoked";
}

#define AT(field) .name = #field, .offset = offsetof(struct sr_token_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_token_row *)NULL)->field)
static const struct sr_column token_list[] = {
	{ SIZED(id), .kind = SR_COLUMN_TEXT },
	{ SIZED(hash), .kind = SR_COLUMN_BYTES },
	{ AT(scopes), .kind = SR_COLUMN_BUF, .size = SCOPES_MAX, .valid = sr_lines_valid },
	{ AT(allowed_ips), .kind = SR_COLUMN_BUF, .size = ALLOWED_MAX, .valid = sr_lines_valid, .optional = true },
	{ AT(description), .kind = SR_COLUMN_BUF, .size = DESCRIPTION_MAX, .optional = true },
	{ SIZED(issuer), .kind = SR_COLUMN_TEXT },
	{ SIZED(parent), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(clearance), .kind = SR_COLUMN_WORD, .word = sr_tier_word, .words = SR_TIER_COUNT },
	{ AT(state), .kind = SR_COLUMN_WORD, .word = state_word, .words = SR_TOKEN_REVOKED + 1 },
	{ AT(max_uses), .kind = SR_COLUMN_U64 },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(ttl_ms), .kind = SR_COLUMN_I64 },
	{ AT(end.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(end.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(end.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ SIZED(owner), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid, .optional = true },
	{ SIZED(approval), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns token_columns = { "token", token_list, sizeof token_list / sizeof token_list[0], 1,
	sizeof(struct sr_token_row) };

static CK_RV get_token(struct sr_query *query, struct sr_token_row *row, bool *found, struct sr_error *err)
{
	return sr_query_only(query, &token_columns, row, found, err);
}

CK_RV sr_sqlite_token_get(struct sr_tx *tx, const char *id, struct sr_token_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_token_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, id);
	return get_token(&query, row, found, err);
}

CK_RV sr_sqlite_token_by_hash(
	struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_token_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_token_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_BY_HASH, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_bytes(&query, 1, hash, SR_HASH_LEN);
	return get_token(&query, row, found, err);
}

CK_RV sr_sqlite_token_put(struct sr_tx *tx, const struct sr_token_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_TOKEN_PUT, &token_columns, row, err);
}

static CK_RV list_tokens(struct sr_query *query, sr_token_each each, void *ctx, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (bool more = true; more;) {
		struct sr_token_row row;
		rv = sr_query_next(query, &token_columns, &row, &more, err);
		more = more && each(&row, ctx);
		sr_token_row_clear(&row);
	}
	sr_query_end(query);
	return rv;
}

CK_RV sr_sqlite_token_list(struct sr_tx *tx, sr_token_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_LIST, err);
	return rv == CKR_OK ? list_tokens(&query, each, ctx, err) : rv;
}

CK_RV sr_sqlite_token_children(
	struct sr_tx *tx, const char *parent, sr_token_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_CHILDREN, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, parent);
	return list_tokens(&query, each, ctx, err);
}

CK_RV sr_sqlite_token_reach_put(struct sr_tx *tx, const char *id, const char *prefix, struct sr_error *err)
{
	struct sr_query query;
	bool row;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_REACH_PUT, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, id);
	sr_query_text(&query, 2, prefix);
	rv = sr_query_step(&query, &row, err);
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_token_reach_drop(struct sr_tx *tx, const char *id, struct sr_error *err)
{
	struct sr_query query;
	bool row;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_REACH_DROP, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, id);
	rv = sr_query_step(&query, &row, err);
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_token_reach_has(struct sr_tx *tx, const char *id, const char *prefix, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_REACH_HAS, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, id);
	sr_query_text(&query, 2, prefix);
	rv = sr_query_step(&query, found, err);
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_token_near(struct sr_tx *tx, const char *prefix, sr_token_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	char end[SR_PATH_MAX + 2];
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_TOKEN_NEAR, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_prefix_end(prefix, end);
	sr_query_text(&query, 1, prefix);
	sr_query_text(&query, 2, end);
	return list_tokens(&query, each, ctx, err);
}
