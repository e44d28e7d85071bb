/* Agents. */
#include "store/sqlite.h"

#define SCOPES_MAX 32768
#define ALLOWED_MAX 8192
#define DESCRIPTION_MAX 1024

#define AT(field) .name = #field, .offset = offsetof(struct sr_agent_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_agent_row *)NULL)->field)
static const struct sr_column agent_list[] = {
	{ SIZED(name), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ SIZED(hash), .kind = SR_COLUMN_BYTES },
	{ SIZED(old_hash), .kind = SR_COLUMN_BYTES },
	{ AT(old_end.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(old_end.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(old_end.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(scopes), .kind = SR_COLUMN_BUF, .size = SCOPES_MAX, .valid = sr_lines_valid },
	{ AT(allowed_ips), .kind = SR_COLUMN_BUF, .size = ALLOWED_MAX, .valid = sr_lines_valid, .optional = true },
	{ AT(description), .kind = SR_COLUMN_BUF, .size = DESCRIPTION_MAX, .optional = true },
	{ AT(max_ttl_ms), .kind = SR_COLUMN_I64 },
	{ AT(max_uses), .kind = SR_COLUMN_U64 },
	{ AT(end.wall_ms), .kind = SR_COLUMN_I64 },
	{ AT(end.boot_ms), .kind = SR_COLUMN_I64 },
	{ SIZED(end.boot_id), .kind = SR_COLUMN_TEXT, .optional = true },
	{ AT(state), .kind = SR_COLUMN_WORD, .word = sr_agent_state_word, .words = SR_AGENT_STATE_COUNT },
	{ SIZED(owner), .kind = SR_COLUMN_TEXT, .valid = sr_name_valid },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
	{ AT(cut), .kind = SR_COLUMN_U64 },
	{ AT(mark.event_id), .kind = SR_COLUMN_U64, .min = 1 },
	{ SIZED(mark.mac), .kind = SR_COLUMN_BYTES },
};
#undef SIZED
#undef AT
static const struct sr_columns agent_columns = { "agent", agent_list, sizeof agent_list / sizeof agent_list[0], 1,
	sizeof(struct sr_agent_row) };

CK_RV sr_sqlite_agent_get(
	struct sr_tx *tx, const char *name, struct sr_agent_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_agent_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_AGENT_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, name);
	return sr_query_only(&query, &agent_columns, row, found, err);
}

CK_RV sr_sqlite_agent_by_hash(
	struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_agent_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_agent_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_AGENT_BY_HASH, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_bytes(&query, 1, hash, SR_HASH_LEN);
	return sr_query_only(&query, &agent_columns, row, found, err);
}

CK_RV sr_sqlite_agent_put(struct sr_tx *tx, const struct sr_agent_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_AGENT_PUT, &agent_columns, row, err);
}

CK_RV sr_sqlite_agent_list(struct sr_tx *tx, sr_agent_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_AGENT_LIST, err);
	if (rv != CKR_OK)
		return rv;
	for (bool more = true; more;) {
		struct sr_agent_row row;
		rv = sr_query_next(&query, &agent_columns, &row, &more, err);
		more = more && each(&row, ctx);
		sr_agent_row_clear(&row);
	}
	sr_query_end(&query);
	return rv;
}
