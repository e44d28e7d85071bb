/* The audit chain's records. */
#include "store/sqlite.h"

#include <string.h>

_Static_assert(sizeof(enum sr_event_kind) == sizeof(unsigned), "words are read and written as unsigned");

static const char *event_word(unsigned number)
{
	return sr_event_name((enum sr_event_kind)number);
}

static const char *status_word(unsigned number)
{
	return sr_status_name((enum sr_status)number);
}

struct record {
	struct sr_event event;
	uint8_t hash[SR_HASH_LEN];
};

#define AT(field) .name = #field, .offset = offsetof(struct sr_event, field)
#define TEXT(field)                                                                                                   \
	{                                                                                                             \
		AT(field), .kind = SR_COLUMN_TEXT, .size = sizeof(((struct sr_event *)NULL)->field), .optional = true \
	}
#define HASH(type)                                                                                           \
	{                                                                                                    \
		.name = "hash", .kind = SR_COLUMN_BYTES, .offset = offsetof(type, hash), .size = SR_HASH_LEN \
	}
static const struct sr_column record_list[] = {
	{ AT(id), .kind = SR_COLUMN_U64, .min = 1 },
	{ AT(timestamp_ms), .kind = SR_COLUMN_I64 },
	{ AT(kind), .kind = SR_COLUMN_WORD, .word = event_word, .words = SR_EVENT_COUNT },
	{ AT(status), .kind = SR_COLUMN_WORD, .word = status_word, .words = SR_STATUS_ERROR + 1 },
	TEXT(actor_type),
	TEXT(actor_id),
	TEXT(token_id),
	TEXT(ip),
	TEXT(peer),
	TEXT(function),
	TEXT(rv),
	TEXT(reason),
	TEXT(path),
	TEXT(tier),
	{ AT(version), .kind = SR_COLUMN_U64 },
	TEXT(subject),
	{ AT(counted), .kind = SR_COLUMN_BOOL },
	TEXT(metadata),
	HASH(struct record),
};
#undef TEXT
#undef AT
static const struct sr_columns record_columns = { "event", record_list, sizeof record_list / sizeof record_list[0], 1,
	sizeof(struct record) };

CK_RV sr_sqlite_event_put(
	struct sr_tx *tx, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	struct record record = { .event = *event };
	memcpy(record.hash, hash, sizeof record.hash);
	return sr_query_put(tx, SR_SQL_EVENT_PUT, &record_columns, &record, err);
}

struct newest {
	uint64_t id;
	int64_t timestamp_ms;
	uint8_t hash[SR_HASH_LEN];
};

static const struct sr_column newest_list[] = {
	{ .name = "id", .kind = SR_COLUMN_U64, .offset = offsetof(struct newest, id), .min = 1 },
	{ .name = "timestamp_ms", .kind = SR_COLUMN_I64, .offset = offsetof(struct newest, timestamp_ms) },
	HASH(struct newest),
};
#undef HASH
static const struct sr_columns newest_columns = { "event", newest_list, 3, 1, sizeof(struct newest) };

CK_RV sr_sqlite_event_head(struct sr_tx *tx, struct sr_head *head, int64_t *timestamp_ms, struct sr_error *err)
{
	struct sr_query query;
	struct newest newest;
	bool found;
	*head = (struct sr_head){ 0 };
	*timestamp_ms = 0;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_EVENT_HEAD, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_query_only(&query, &newest_columns, &newest, &found, err);
	if (rv != CKR_OK || !found)
		return rv;
	head->seq = newest.id;
	memcpy(head->hash, newest.hash, sizeof head->hash);
	*timestamp_ms = newest.timestamp_ms;
	return CKR_OK;
}

CK_RV sr_sqlite_event_get(struct sr_tx *tx, uint64_t id, struct sr_event *event, uint8_t hash[SR_HASH_LEN], bool *found,
	struct sr_error *err)
{
	struct sr_query query;
	struct record record;
	*found = false;
	*event = (struct sr_event){ 0 };
	memset(hash, 0, SR_HASH_LEN);
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_EVENT_GET, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, id);
	rv = sr_query_only(&query, &record_columns, &record, found, err);
	if (rv != CKR_OK || !*found)
		return rv;
	*event = record.event;
	memcpy(hash, record.hash, SR_HASH_LEN);
	return CKR_OK;
}

/* -- queries ---------------------------------------------------------------------------------------------------- */

/* Each index upwards and downwards; what begins with the key has no order. */
static const enum sr_sql by[][2] = {
	[SR_EVENT_BY_ID] = { SR_SQL_EVENT_UP, SR_SQL_EVENT_DOWN },
	[SR_EVENT_BY_TIME] = { SR_SQL_EVENT_TIME_UP, SR_SQL_EVENT_TIME_DOWN },
	[SR_EVENT_BY_PATH] = { SR_SQL_EVENT_PATH_UP, SR_SQL_EVENT_PATH_DOWN },
	[SR_EVENT_BY_PATHS] = { SR_SQL_EVENT_PATHS, SR_SQL_EVENT_PATHS },
	[SR_EVENT_BY_ACTOR] = { SR_SQL_EVENT_ACTOR_UP, SR_SQL_EVENT_ACTOR_DOWN },
	[SR_EVENT_BY_TOKEN] = { SR_SQL_EVENT_TOKEN_UP, SR_SQL_EVENT_TOKEN_DOWN },
	[SR_EVENT_BY_WORD] = { SR_SQL_EVENT_WORD_UP, SR_SQL_EVENT_WORD_DOWN },
	[SR_EVENT_BY_WORDS] = { SR_SQL_EVENT_WORDS, SR_SQL_EVENT_WORDS },
};

static void bind_range(struct sr_query *query, const struct sr_event_query *criteria)
{
	sr_query_u64(query, 1, criteria->after);
	sr_query_u64(query, 2, criteria->before ? criteria->before : INT64_MAX);
	sr_query_u64(query, 3, criteria->since_ms > 0 ? (uint64_t)criteria->since_ms : 0);
	sr_query_u64(query, 4, criteria->until_ms > 0 ? (uint64_t)criteria->until_ms : INT64_MAX);
}

CK_RV sr_sqlite_event_query(
	struct sr_tx *tx, const struct sr_event_query *criteria, sr_event_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	char end[SR_PATH_MAX + 2];
	enum sr_sql sql = criteria->deciding ? SR_SQL_EVENT_DECIDING : by[criteria->by][criteria->newest_first];
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	bind_range(&query, criteria);
	if (criteria->by >= SR_EVENT_BY_PATH)
		sr_query_text(&query, 5, criteria->key);
	if (criteria->by == SR_EVENT_BY_PATHS || criteria->by == SR_EVENT_BY_WORDS) {
		sr_query_prefix_end(criteria->key, end);
		sr_query_text(&query, 6, end);
	}
	for (bool more = true; more;) {
		struct record record;
		rv = sr_query_next(&query, &record_columns, &record, &more, err);
		more = more && each(&record.event, record.hash, ctx);
	}
	sr_query_end(&query);
	return rv;
}

/* -- the indexes, which trail ----------------------------------------------------------------------------------- */

struct indexed {
	uint64_t seq;
};

static const struct sr_column indexed_list[] = {
	{ .name = "seq", .kind = SR_COLUMN_U64, .offset = offsetof(struct indexed, seq) },
};
static const struct sr_columns indexed_columns = { "event_indexed", indexed_list, 1, 1, sizeof(struct indexed) };

CK_RV sr_sqlite_event_indexed(struct sr_tx *tx, uint64_t *last, struct sr_error *err)
{
	struct sr_query query;
	struct indexed row = { 0 };
	bool found;
	*last = 0;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_EVENT_INDEXED, err);
	if (rv == CKR_OK)
		rv = sr_query_only(&query, &indexed_columns, &row, &found, err);
	*last = row.seq;
	return rv;
}

static CK_RV index_by(struct sr_tx *tx, enum sr_sql sql, uint64_t after, uint64_t upto, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, after);
	sr_query_u64(&query, 2, upto);
	rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_event_index(struct sr_tx *tx, uint64_t upto, struct sr_error *err)
{
	static const enum sr_sql indexes[] = { SR_SQL_EVENT_INDEX_TIME, SR_SQL_EVENT_INDEX_PATH,
		SR_SQL_EVENT_INDEX_ACTOR, SR_SQL_EVENT_INDEX_TOKEN, SR_SQL_EVENT_INDEX_WORD };
	struct indexed row = { .seq = upto };
	uint64_t last;
	CK_RV rv = sr_sqlite_event_indexed(tx, &last, err);
	if (rv != CKR_OK || upto <= last)
		return rv;
	for (size_t i = 0; rv == CKR_OK && i < sizeof indexes / sizeof indexes[0]; i++)
		rv = index_by(tx, indexes[i], last, upto, err);
	return rv == CKR_OK ? sr_query_put(tx, SR_SQL_EVENT_INDEX_MARK, &indexed_columns, &row, err) : rv;
}
