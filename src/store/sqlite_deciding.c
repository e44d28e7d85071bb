/* The keys of deciding rows, table by table. */
#include "store/deciding.h"

#include "store/sqlite.h"

#define COLUMN(field)                                                     \
	{                                                                 \
		.name = #field, .kind = SR_COLUMN_TEXT, .optional = true, \
		.offset = offsetof(struct sr_deciding_key, field),        \
		.size = sizeof(((struct sr_deciding_key *)NULL)->field),  \
	}
static const struct sr_column key_list[] = { COLUMN(first), COLUMN(second) };
#undef COLUMN

static const struct {
	const char *table;
	enum sr_sql sql;
} tables[SR_DECIDING_COUNT] = {
	[SR_DECIDING_SECRET] = { "secret", SR_SQL_DECIDING_SECRET },
	[SR_DECIDING_KEY] = { "key", SR_SQL_DECIDING_KEY },
	[SR_DECIDING_TOKEN] = { "token", SR_SQL_DECIDING_TOKEN },
	[SR_DECIDING_AGENT] = { "agent", SR_SQL_DECIDING_AGENT },
	[SR_DECIDING_MEMBER] = { "member", SR_SQL_DECIDING_MEMBER },
	[SR_DECIDING_POLICY] = { "policy", SR_SQL_DECIDING_POLICY },
	[SR_DECIDING_APPROVAL] = { "approval", SR_SQL_DECIDING_APPROVAL },
	[SR_DECIDING_ROTATION] = { "rotation", SR_SQL_DECIDING_ROTATION },
	[SR_DECIDING_FREEZE] = { "freeze", SR_SQL_DECIDING_FREEZE },
};

CK_RV sr_store_deciding(struct sr_tx *tx, enum sr_deciding table, const struct sr_deciding_key *after, unsigned limit,
	sr_deciding_each each, void *ctx, struct sr_error *err)
{
	const struct sr_columns columns = { tables[table].table, key_list, 2, 1, sizeof(struct sr_deciding_key) };
	struct sr_deciding_key key;
	struct sr_query query;
	bool more = true;
	CK_RV rv = sr_query_begin(&query, tx, tables[table].sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, after->first);
	sr_query_text(&query, 2, after->second);
	sr_query_u64(&query, 3, limit);
	while (more) {
		rv = sr_query_next(&query, &columns, &key, &more, err);
		more = more && each(&key, ctx);
	}
	sr_query_end(&query);
	return rv;
}
