/* The state tree's entries and nodes, and the standing. */
#include "store/sqlite.h"

#include <string.h>

struct entry {
	uint8_t key[SR_HASH_LEN];
	uint64_t value;
};

#define BYTES(type, field, column)                                                        \
	{                                                                                 \
		.name = column, .kind = SR_COLUMN_BYTES, .offset = offsetof(type, field), \
		.size = sizeof(((type *)NULL)->field)                                     \
	}
#define NUMBER(type, field, column, least)                                                           \
	{                                                                                            \
		.name = column, .kind = SR_COLUMN_U64, .offset = offsetof(type, field), .min = least \
	}
static const struct sr_column entry_list[] = {
	BYTES(struct entry, key, "key"),
	NUMBER(struct entry, value, "value", 1),
};
static const struct sr_columns entry_columns = { "state", entry_list, 2, 0, sizeof(struct entry) };

static const struct sr_column node_list[] = {
	NUMBER(struct sr_node_row, id, "id", 1),
	BYTES(struct sr_node_row, digests, "digests"),
};
static const struct sr_columns node_columns = { "state_node", node_list, 2, 1, sizeof(struct sr_node_row) };

static const struct sr_column standing_list[] = {
	NUMBER(struct sr_standing_row, head.seq, "seq", 0),
	BYTES(struct sr_standing_row, head.hash, "head"),
	{ .name = "newest_ms", .kind = SR_COLUMN_I64, .offset = offsetof(struct sr_standing_row, newest_ms) },
	BYTES(struct sr_standing_row, root, "root"),
	BYTES(struct sr_standing_row, mac, "mac"),
};
static const struct sr_columns standing_columns = { "standing", standing_list, 5, 0, sizeof(struct sr_standing_row) };
#undef BYTES
#undef NUMBER

/* A bucket is every key with the same first two bytes: a range of the primary key. */
CK_RV sr_sqlite_state_bucket(struct sr_tx *tx, uint16_t bucket, sr_state_each each, void *ctx, struct sr_error *err)
{
	uint8_t first[SR_HASH_LEN] = { (uint8_t)(bucket >> 8), (uint8_t)bucket }, last[SR_HASH_LEN];
	struct sr_query query;
	struct entry entry;
	bool more = true;
	memset(last, 0xff, sizeof last);
	memcpy(last, first, 2);
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_STATE_BUCKET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_bytes(&query, 1, first, sizeof first);
	sr_query_bytes(&query, 2, last, sizeof last);
	while (more) {
		rv = sr_query_next(&query, &entry_columns, &entry, &more, err);
		more = more && each(entry.key, entry.value, ctx);
	}
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_state_put(struct sr_tx *tx, const uint8_t key[SR_HASH_LEN], uint64_t value, struct sr_error *err)
{
	struct entry entry = { .value = value };
	memcpy(entry.key, key, sizeof entry.key);
	return sr_query_put(tx, SR_SQL_STATE_PUT, &entry_columns, &entry, err);
}

CK_RV sr_sqlite_node_get(struct sr_tx *tx, uint64_t id, struct sr_node_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	memset(row, 0, sizeof *row);
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_NODE_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, id);
	return sr_query_only(&query, &node_columns, row, found, err);
}

CK_RV sr_sqlite_node_put(struct sr_tx *tx, const struct sr_node_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_NODE_PUT, &node_columns, row, err);
}

static CK_RV read_standing(
	struct sr_tx *tx, enum sr_sql sql, struct sr_standing_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	return rv == CKR_OK ? sr_query_only(&query, &standing_columns, row, found, err) : rv;
}

CK_RV sr_sqlite_standing_get(struct sr_tx *tx, struct sr_standing_row *row, bool *found, struct sr_error *err)
{
	*found = false;
	memset(row, 0, sizeof *row);
	return read_standing(tx, SR_SQL_STANDING_GET, row, found, err);
}

CK_RV sr_sqlite_standing_now(struct sr_store *store, struct sr_standing_row *row, bool *found, struct sr_error *err)
{
	struct sr_tx *tx;
	*found = false;
	memset(row, 0, sizeof *row);
	CK_RV rv = sr_sqlite_take_any((struct sr_sqlite *)store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = read_standing(tx, SR_SQL_STANDING_NOW, row, found, err);
	sr_sqlite_give_back(tx);
	return rv;
}

CK_RV sr_sqlite_standing_put(struct sr_tx *tx, const struct sr_standing_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_STANDING_PUT, &standing_columns, row, err);
}
