/* Removing old records. */
#include "store/prune.h"

#include "store/sqlite.h"

struct sr_pruned {
	uint64_t count, last;
};

static const struct sr_column pruned_list[] = {
	{ .name = "count", .kind = SR_COLUMN_U64, .offset = offsetof(struct sr_pruned, count) },
	{ .name = "last", .kind = SR_COLUMN_U64, .offset = offsetof(struct sr_pruned, last) },
};
static const struct sr_columns pruned_columns = { "event", pruned_list, 2, 0, sizeof(struct sr_pruned) };

/* LIMIT 0: all of them. */
static CK_RV look(struct sr_tx *tx, uint64_t seq, unsigned limit, struct sr_pruned *pruned, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	*pruned = (struct sr_pruned){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, limit ? SR_SQL_PRUNE_LAST : SR_SQL_PRUNE_LEFT, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, seq);
	if (limit)
		sr_query_u64(&query, 2, limit);
	return sr_query_only(&query, &pruned_columns, pruned, &found, err);
}

static CK_RV remove_upto(struct sr_tx *tx, enum sr_sql sql, uint64_t last, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, last);
	rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	return rv;
}

static CK_RV remove_checkpoints(struct sr_tx *tx, uint64_t last, uint64_t but, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_PRUNE_CHECKPOINT, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, last);
	sr_query_u64(&query, 2, but);
	rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	return rv;
}

CK_RV sr_store_old(struct sr_tx *tx, uint64_t seq, uint64_t *count, struct sr_error *err)
{
	struct sr_pruned pruned;
	CK_RV rv = look(tx, seq, 0, &pruned, err);
	*count = pruned.count;
	return rv;
}

CK_RV sr_store_prune(struct sr_tx *tx, uint64_t seq, unsigned limit, uint64_t *count, struct sr_error *err)
{
	/* The indexes first: they are found by the records. */
	static const enum sr_sql removals[] = { SR_SQL_PRUNE_TIME, SR_SQL_PRUNE_PATH, SR_SQL_PRUNE_ACTOR,
		SR_SQL_PRUNE_TOKEN, SR_SQL_PRUNE_WORD, SR_SQL_PRUNE_EVENT };
	struct sr_pruned pruned;
	CK_RV rv = look(tx, seq, limit, &pruned, err);
	*count = pruned.count;
	if (rv != CKR_OK || pruned.count == 0)
		return rv;
	for (size_t i = 0; rv == CKR_OK && i < sizeof removals / sizeof removals[0]; i++)
		rv = remove_upto(tx, removals[i], pruned.last, err);
	if (rv == CKR_OK && sqlite3_changes64(tx->db) != (sqlite3_int64)pruned.count)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"records of the audit were not removed: the table was altered; restore the database from a "
			"backup");
	return rv == CKR_OK ? remove_checkpoints(tx, pruned.last, seq, err) : rv;
}

CK_RV sr_store_checkpoint_upto(
	struct sr_tx *tx, uint64_t seq, struct sr_checkpoint_row *row, bool *found, struct sr_error *err)
{
	return sr_sqlite_checkpoint_by(tx, SR_SQL_CHECKPOINT_UPTO, seq, row, found, err);
}

struct ended {
	char subject[SR_SUBJECT_MAX];
};

static const struct sr_column ended_list[] = {
	{ .name = "subject",
		.kind = SR_COLUMN_TEXT,
		.offset = offsetof(struct ended, subject),
		.size = SR_SUBJECT_MAX },
};
static const struct sr_columns ended_columns = { "policy", ended_list, 1, 1, sizeof(struct ended) };

CK_RV sr_store_ended(struct sr_tx *tx, sr_ended_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	struct ended row;
	bool more = true;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_ENDED, err);
	if (rv != CKR_OK)
		return rv;
	while (more) {
		rv = sr_query_next(&query, &ended_columns, &row, &more, err);
		more = more && each(row.subject, ctx);
	}
	sr_query_end(&query);
	return rv;
}
