/* Checkpoints of the audit chain, and the public keys that they are checked with. */
#include "store/sqlite.h"

#define SPKI_MAX 1024
#define SIGNATURE_MAX 256

#define AT(field) .name = #field, .offset = offsetof(struct sr_checkpoint_row, field)
#define SIZED(field) AT(field), .size = sizeof(((struct sr_checkpoint_row *)NULL)->field)
static const struct sr_column checkpoint_list[] = {
	{ AT(seq), .kind = SR_COLUMN_U64 },
	{ SIZED(head), .kind = SR_COLUMN_BYTES },
	{ AT(generation), .kind = SR_COLUMN_U32, .min = 1, .max = UINT32_MAX },
	{ SIZED(signature), .kind = SR_COLUMN_BYTES },
	{ AT(created_ms), .kind = SR_COLUMN_I64 },
};
#undef SIZED
#undef AT
static const struct sr_columns checkpoint_columns = { "checkpoint", checkpoint_list,
	sizeof checkpoint_list / sizeof checkpoint_list[0], 1, sizeof(struct sr_checkpoint_row) };

#define AT(field) .name = #field, .offset = offsetof(struct sr_audit_key_row, field)
static const struct sr_column audit_key_list[] = {
	{ AT(generation), .kind = SR_COLUMN_U32, .min = 1, .max = UINT32_MAX },
	{ AT(spki), .kind = SR_COLUMN_BLOB, .size = SPKI_MAX },
	{ AT(signature), .kind = SR_COLUMN_BLOB, .size = SIGNATURE_MAX, .optional = true },
};
#undef AT
static const struct sr_columns audit_key_columns = { "audit_key", audit_key_list,
	sizeof audit_key_list / sizeof audit_key_list[0], 1, sizeof(struct sr_audit_key_row) };

CK_RV sr_sqlite_checkpoint_put(struct sr_tx *tx, const struct sr_checkpoint_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_CHECKPOINT_PUT, &checkpoint_columns, row, err);
}

CK_RV sr_sqlite_checkpoint_last(struct sr_tx *tx, struct sr_checkpoint_row *row, bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_checkpoint_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_CHECKPOINT_LAST, err);
	return rv == CKR_OK ? sr_query_only(&query, &checkpoint_columns, row, found, err) : rv;
}

CK_RV sr_sqlite_checkpoint_by(struct sr_tx *tx, enum sr_sql sql, uint64_t seq, struct sr_checkpoint_row *row,
	bool *found, struct sr_error *err)
{
	struct sr_query query;
	*found = false;
	*row = (struct sr_checkpoint_row){ 0 };
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, seq);
	return sr_query_only(&query, &checkpoint_columns, row, found, err);
}

CK_RV sr_sqlite_checkpoint_from(
	struct sr_tx *tx, uint64_t seq, struct sr_checkpoint_row *row, bool *found, struct sr_error *err)
{
	return sr_sqlite_checkpoint_by(tx, SR_SQL_CHECKPOINT_FROM, seq, row, found, err);
}

CK_RV sr_sqlite_checkpoint_list(struct sr_tx *tx, sr_checkpoint_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_CHECKPOINT_LIST, err);
	if (rv != CKR_OK)
		return rv;
	for (bool more = true; more;) {
		struct sr_checkpoint_row row;
		rv = sr_query_next(&query, &checkpoint_columns, &row, &more, err);
		more = more && each(&row, ctx);
	}
	sr_query_end(&query);
	return rv;
}

CK_RV sr_sqlite_audit_key_put(struct sr_tx *tx, const struct sr_audit_key_row *row, struct sr_error *err)
{
	return sr_query_put(tx, SR_SQL_AUDIT_KEY_PUT, &audit_key_columns, row, err);
}

CK_RV sr_sqlite_audit_key_list(struct sr_tx *tx, sr_audit_key_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_AUDIT_KEY_LIST, err);
	if (rv != CKR_OK)
		return rv;
	for (bool more = true; more;) {
		struct sr_audit_key_row row;
		rv = sr_query_next(&query, &audit_key_columns, &row, &more, err);
		more = more && each(&row, ctx);
		sr_audit_key_row_clear(&row);
	}
	sr_query_end(&query);
	return rv;
}
