/* Transactions: taking a connection, beginning, ending, giving it back. */
#include "store/sqlite.h"

#include "util/fork.h"

#include <errno.h>
#include <time.h>

/* The end of a wait, not the time of day: the one clock that a condition variable can wait by and nobody can move. */
static struct timespec wait_end(void)
{
	struct timespec end = { 0, 0 };
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SR_SQLITE_WAIT_MS / 1000;
	return end;
}

/* One that is connected if there is one, else one to connect; NULL when all are out. */
static struct sr_tx *free_one(struct sr_sqlite *store, bool write)
{
	struct sr_tx *all = write ? &store->writer : store->readers;
	int count = write ? 1 : SR_SQLITE_READERS;
	struct sr_tx *fresh = NULL;
	for (int i = 0; i < count; i++) {
		if (all[i].busy)
			continue;
		if (all[i].db)
			return &all[i];
		if (!fresh)
			fresh = &all[i];
	}
	return fresh;
}

static struct sr_tx *take(struct sr_sqlite *store, bool write)
{
	struct timespec end = wait_end();
	struct sr_tx *tx;
	int failed = 0;
	pthread_mutex_lock(&store->mutex);
	while (!(tx = free_one(store, write)) && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&store->freed, &store->mutex, &end);
	if (tx)
		tx->busy = true;
	pthread_mutex_unlock(&store->mutex);
	return tx;
}

void sr_sqlite_give_back(struct sr_tx *tx)
{
	struct sr_sqlite *store = tx->store;
	if (tx->db && !sqlite3_get_autocommit(tx->db))
		sr_query_run(tx, SR_SQL_ROLLBACK, NULL);
	if (tx->db && !sqlite3_get_autocommit(tx->db))
		sr_sqlite_disconnect(tx); /* it cannot even roll back: the next one starts afresh */
	pthread_mutex_lock(&store->mutex);
	tx->busy = false;
	pthread_cond_broadcast(&store->freed);
	pthread_mutex_unlock(&store->mutex);
}

/* What was checked at open must hold while we write: somebody may have altered a table since. */
static CK_RV check_shape(struct sr_tx *tx, struct sr_error *err)
{
	struct sr_query query;
	bool row;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_SHAPE, err);
	if (rv == CKR_OK)
		rv = sr_query_step(&query, &row, err);
	bool same = rv == CKR_OK && row && sqlite3_column_int64(query.stmt, 0) == tx->store->shape;
	sr_query_end(&query);
	if (rv != CKR_OK || same)
		return rv;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the vault's tables were altered while it was open; restore the database from a backup");
}

/* Between transactions only: SQLite does not change it inside one. */
static CK_RV set_lazy(struct sr_tx *tx, bool lazy, struct sr_error *err)
{
	if (tx->lazy == lazy)
		return CKR_OK;
	CK_RV rv = sr_sqlite_exec(
		tx->db, lazy ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", "writing the vault", err);
	if (rv == CKR_OK)
		tx->lazy = lazy;
	return rv;
}

static CK_RV forked(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED,
		"this process was forked and has to open the vault anew");
}

static CK_RV all_busy(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_BUSY,
		"other threads of this process kept the vault busy for %d s; try again", SR_SQLITE_WAIT_MS / 1000);
}

CK_RV sr_sqlite_take_any(struct sr_sqlite *store, struct sr_tx **out, struct sr_error *err)
{
	if (store->generation != sr_forks())
		return forked(err);
	pthread_mutex_lock(&store->mutex);
	bool idle = store->writer.db && !store->writer.busy;
	store->writer.busy = store->writer.busy || idle;
	pthread_mutex_unlock(&store->mutex);
	struct sr_tx *tx = idle ? &store->writer : take(store, false);
	if (!tx)
		return all_busy(err);
	tx->lost = SQLITE_OK;
	CK_RV rv = tx->db ? CKR_OK : sr_sqlite_connect(store, tx, err);
	if (rv == CKR_OK)
		*out = tx;
	else
		sr_sqlite_give_back(tx);
	return rv;
}

static CK_RV begin(struct sr_store *base, bool write, bool lazy, struct sr_tx **out, struct sr_error *err)
{
	struct sr_sqlite *store = (struct sr_sqlite *)base;
	*out = NULL;
	if (store->generation != sr_forks())
		return forked(err);
	struct sr_tx *tx = take(store, write);
	if (!tx)
		return all_busy(err);
	tx->lost = SQLITE_OK;
	CK_RV rv = tx->db ? CKR_OK : sr_sqlite_connect(store, tx, err);
	if (rv == CKR_OK)
		rv = set_lazy(tx, lazy, err);
	if (rv == CKR_OK)
		rv = sr_query_run(tx, write ? SR_SQL_BEGIN_WRITE : SR_SQL_BEGIN_READ, err);
	if (rv == CKR_OK && write)
		rv = check_shape(tx, err);
	if (rv != CKR_OK) {
		sr_sqlite_give_back(tx);
		return rv;
	}
	*out = tx;
	return CKR_OK;
}

CK_RV sr_sqlite_begin_read(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	return begin(store, false, false, tx, err);
}

CK_RV sr_sqlite_begin_write(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	return begin(store, true, false, tx, err);
}

CK_RV sr_sqlite_begin_lazy(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	return begin(store, true, true, tx, err);
}

CK_RV sr_sqlite_commit(struct sr_tx *tx, struct sr_error *err)
{
	CK_RV rv = sr_query_run(tx, SR_SQL_COMMIT, err);
	sr_sqlite_give_back(tx);
	return rv;
}

void sr_sqlite_rollback(struct sr_tx *tx)
{
	sr_sqlite_give_back(tx);
}

CK_RV sr_sqlite_mark(struct sr_tx *tx, struct sr_error *err)
{
	return sr_query_run(tx, SR_SQL_MARK, err);
}

CK_RV sr_sqlite_undo(struct sr_tx *tx, struct sr_error *err)
{
	CK_RV rv = sr_query_run(tx, SR_SQL_UNDO, err);
	return rv == CKR_OK ? sr_query_run(tx, SR_SQL_KEEP, err)
			    : rv; /* what is rolled back to stays open until released */
}

CK_RV sr_sqlite_keep(struct sr_tx *tx, struct sr_error *err)
{
	return sr_query_run(tx, SR_SQL_KEEP, err);
}
