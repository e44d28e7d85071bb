/* Running a prepared statement: the cache, the binding, the stepping, and what SQLite's codes mean to us. */
#include "store/sqlite.h"

#include <errno.h>
#include <string.h>

static const struct {
	int rc;
	CK_RV rv;
	CK_ULONG reason;
	const char *text;
} meanings[] = {
	{ SQLITE_FULL, CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL,
		"the disk that holds the vault is full; nothing was changed; free some space and try again" },
	{ SQLITE_BUSY, CKR_DEVICE_ERROR, SR_REASON_VAULT_BUSY,
		"another process kept the vault's database locked; try again, or look who uses it" },
	{ SQLITE_LOCKED, CKR_DEVICE_ERROR, SR_REASON_VAULT_BUSY, "the vault's database is locked; try again" },
	{ SQLITE_CORRUPT, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the vault's database is damaged; restore it from a backup" },
	{ SQLITE_NOTADB, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"vault.db is not a database; restore it from a backup" },
	{ SQLITE_ERROR, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the vault's database lacks a table, a column or an index; restore it from a backup" },
	{ SQLITE_SCHEMA, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "the tables of the vault's database changed" },
	{ SQLITE_NOMEM, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory" },
	{ SQLITE_READONLY, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
		"the vault's database cannot be written; check the owner and the mode of the vault's directory" },
	{ SQLITE_PERM, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "access to the vault's database was refused" },
};

CK_RV sr_sqlite_fail(sqlite3 *db, int rc, const char *what, struct sr_error *err)
{
	int error = db ? sqlite3_system_errno(db) : 0;
	int basic = rc & 0xff;
	/* growing the -shm file on a full disk is an I/O error to SQLite */
	if (basic == SQLITE_IOERR && (error == ENOSPC || error == EDQUOT))
		basic = SQLITE_FULL;
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		if (meanings[i].rc == basic)
			return sr_fail(err, meanings[i].rv, meanings[i].reason, "%s: %s", what, meanings[i].text);
	}
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "%s: %s (SQLite %d, system error %d)", what,
		sqlite3_errstr(rc), rc, error);
}

/* An error in the middle may have rolled everything back; what came later would then be committed by itself. */
static CK_RV fail_query(const struct sr_query *query, int rc, struct sr_error *err)
{
	struct sr_tx *tx = query->tx;
	if (tx->lost == SQLITE_OK && sqlite3_get_autocommit(tx->db))
		tx->lost = rc;
	return sr_sqlite_fail(tx->db, rc, tx->write ? "writing the vault" : "reading the vault", err);
}

/* What needs no transaction around it. */
static bool stands_alone(enum sr_sql sql)
{
	return sql == SR_SQL_BEGIN_READ || sql == SR_SQL_BEGIN_WRITE || sql == SR_SQL_STANDING_NOW;
}

CK_RV sr_query_begin(struct sr_query *query, struct sr_tx *tx, enum sr_sql sql, struct sr_error *err)
{
	*query = (struct sr_query){ .tx = tx, .sql = sql };
	if (!stands_alone(sql) && sqlite3_get_autocommit(tx->db))
		return sr_sqlite_fail(NULL, tx->lost ? tx->lost : SQLITE_ABORT, "the transaction was rolled back", err);
	sqlite3_stmt *cached = tx->statements[sql];
	if (cached && !sqlite3_stmt_busy(cached)) {
		query->stmt = cached;
		return CKR_OK;
	}
	unsigned flags = cached ? 0 : SQLITE_PREPARE_PERSISTENT;
	int rc = sqlite3_prepare_v3(tx->db, sr_sqlite_sql(sql), -1, flags, &query->stmt, NULL);
	if (rc != SQLITE_OK)
		return fail_query(query, rc, err);
	if (!cached)
		tx->statements[sql] = query->stmt;
	return CKR_OK;
}

static void keep_failure(struct sr_query *query, int rc)
{
	if (query->rc == SQLITE_OK)
		query->rc = rc;
}

/* What is bound outlives the run: sr_query_end unbinds. */
void sr_query_text(struct sr_query *query, int n, const char *text)
{
	keep_failure(query, sqlite3_bind_text(query->stmt, n, text, -1, SQLITE_STATIC));
}

void sr_query_bytes(struct sr_query *query, int n, const void *data, size_t len)
{
	keep_failure(query, sqlite3_bind_blob64(query->stmt, n, data, len, SQLITE_STATIC));
}

void sr_query_u64(struct sr_query *query, int n, uint64_t number)
{
	int64_t stored = number > INT64_MAX ? INT64_MAX : (int64_t)number;
	keep_failure(query, sqlite3_bind_int64(query->stmt, n, stored));
}

CK_RV sr_query_step(struct sr_query *query, bool *row, struct sr_error *err)
{
	*row = false;
	if (query->rc != SQLITE_OK)
		return fail_query(query, query->rc, err);
	int rc = sqlite3_step(query->stmt);
	*row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? CKR_OK : fail_query(query, rc, err);
}

void sr_query_end(struct sr_query *query)
{
	if (!query->stmt)
		return;
	if (query->stmt == query->tx->statements[query->sql]) {
		sqlite3_reset(query->stmt);
		sqlite3_clear_bindings(query->stmt);
	} else {
		sqlite3_finalize(query->stmt);
	}
	query->stmt = NULL;
}

CK_RV sr_query_next(
	struct sr_query *query, const struct sr_columns *columns, void *row, bool *found, struct sr_error *err)
{
	memset(row, 0, columns->row_size);
	CK_RV rv = sr_query_step(query, found, err);
	if (rv != CKR_OK || !*found)
		return rv;
	rv = sr_row_read(columns, query->stmt, row, err);
	*found = rv == CKR_OK;
	return rv;
}

CK_RV sr_query_only(
	struct sr_query *query, const struct sr_columns *columns, void *row, bool *found, struct sr_error *err)
{
	CK_RV rv = sr_query_next(query, columns, row, found, err);
	sr_query_end(query);
	return rv;
}

CK_RV sr_query_put(
	struct sr_tx *tx, enum sr_sql sql, const struct sr_columns *columns, const void *row, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_row_bind(columns, row, query.stmt, err);
	if (rv == CKR_OK)
		rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	/* Tables that somebody has altered may swallow a row without a word. */
	if (rv == CKR_OK && sqlite3_changes(tx->db) != 1 && sql != SR_SQL_CHECKPOINT_PUT)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"a row of table %s was not taken: the table was altered; restore the database from a backup",
			columns->table);
	return rv;
}

/* Byte by byte. 0xff is in no UTF-8, so it ends what has no other end;
 * the result need not be UTF-8 itself, SQLite compares bytes. */
void sr_query_prefix_end(const char *prefix, char end[SR_PATH_MAX + 2])
{
	size_t len = strlen(prefix);
	memcpy(end, prefix, len + 1);
	if (len > 0 && (unsigned char)end[len - 1] < 0xff) {
		end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
		return;
	}
	end[len] = (char)0xff;
	end[len + 1] = '\0';
}

CK_RV sr_query_run(struct sr_tx *tx, enum sr_sql sql, struct sr_error *err)
{
	struct sr_query query;
	bool found;
	CK_RV rv = sr_query_begin(&query, tx, sql, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_query_step(&query, &found, err);
	sr_query_end(&query);
	return rv;
}
