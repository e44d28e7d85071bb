/* Opening, closing and abandoning a store, and how each of its connections is set up. */
#include "store/sqlite.h"

#include "util/fork.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_US 100
#define LONGEST_PAUSE_US 2000

/* Counts what it slept instead of asking for the time. */
bool sr_sqlite_pause(int n)
{
	const int ramp = LONGEST_PAUSE_US / FIRST_PAUSE_US;
	if (n >= ramp + SR_SQLITE_WAIT_MS * 1000 / LONGEST_PAUSE_US)
		return false;
	int us = n < ramp ? FIRST_PAUSE_US * (n + 1) : LONGEST_PAUSE_US;
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000L }, NULL);
	return true;
}

/* SQLite's own handler sleeps up to 100 ms at a time, which starves whoever waits beside a busy writer. */
static int wait_for_lock(void *unused, int n)
{
	(void)unused;
	return sr_sqlite_pause(n);
}

/* The file may come from anywhere: no trigger, view or function in it runs, nothing is attached, no row is huge. */
static void confine(sqlite3 *db)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
	};
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		sqlite3_db_config(db, options[i].option, options[i].value, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
}

static CK_RV set_up(sqlite3 *db, bool write, struct sr_error *err)
{
	CK_RV rv = sr_sqlite_exec(db,
		"PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; "
		"PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216",
		"opening the vault's database", err);
	if (rv != CKR_OK)
		return rv;
	if (write)
		return sr_sqlite_exec(db, "PRAGMA journal_mode = WAL", "opening the vault's database", err);
	return sr_sqlite_exec(db, "PRAGMA query_only = ON", "opening the vault's database", err);
}

CK_RV sr_sqlite_connect(struct sr_sqlite *store, struct sr_tx *tx, struct sr_error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
			  SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	int rc = sr_sqlite_open_file(store, flags, &tx->db);
	CK_RV rv = rc == SQLITE_OK ? CKR_OK : sr_sqlite_fail(tx->db, rc, "opening the vault's database", err);
	if (rv == CKR_OK && sqlite3_db_readonly(tx->db, "main") != 0)
		rv = sr_sqlite_fail(tx->db, SQLITE_READONLY, "opening the vault's database", err);
	if (rv == CKR_OK) {
		sqlite3_busy_handler(tx->db, wait_for_lock, NULL);
		confine(tx->db);
		rv = set_up(tx->db, tx->write, err);
	}
	if (rv != CKR_OK)
		sr_sqlite_disconnect(tx);
	return rv;
}

void sr_sqlite_disconnect(struct sr_tx *tx)
{
	for (int i = 0; i < SR_SQL_COUNT; i++) {
		sqlite3_finalize(tx->statements[i]);
		tx->statements[i] = NULL;
	}
	sqlite3_close(tx->db);
	tx->db = NULL;
	tx->lazy = false; /* what the next connection begins with */
}

/* -- the store -- */

/* In a forked child the memory is ours alone, and nothing else is: the connections are left as they are (SQLite's close
 * would write and unlock), the mutex may be held by a thread that is not here. Closing our copy of the lock file's
 * descriptor leaves the parent's lock where it is; keeping it would keep that lock after the parent is gone. */
static void abandon_store(struct sr_store *base)
{
	struct sr_sqlite *store = (struct sr_sqlite *)base;
	if (!store)
		return;
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store->path);
	free(store);
}

static void close_store(struct sr_store *base)
{
	struct sr_sqlite *store = (struct sr_sqlite *)base;
	if (!store)
		return;
	if (store->generation == sr_forks()) {
		for (int i = 0; i < SR_SQLITE_READERS; i++)
			sr_sqlite_disconnect(&store->readers[i]);
		sr_sqlite_disconnect(&store->writer); /* last: it may write the log back and remove it */
		pthread_cond_destroy(&store->freed);
		pthread_mutex_destroy(&store->mutex);
	}
	abandon_store(base);
}

static const struct sr_store_ops operations = {
	.close = close_store,
	.abandon = abandon_store,
	.begin_read = sr_sqlite_begin_read,
	.begin_write = sr_sqlite_begin_write,
	.begin_lazy = sr_sqlite_begin_lazy,
	.commit = sr_sqlite_commit,
	.rollback = sr_sqlite_rollback,
	.mark = sr_sqlite_mark,
	.undo = sr_sqlite_undo,
	.keep = sr_sqlite_keep,
	.meta_get = sr_sqlite_meta_get,
	.meta_put = sr_sqlite_meta_put,
	.secret_get = sr_sqlite_secret_get,
	.secret_put = sr_sqlite_secret_put,
	.secret_list = sr_sqlite_secret_list,
	.version_get = sr_sqlite_version_get,
	.version_len = sr_sqlite_version_len,
	.version_put = sr_sqlite_version_put,
	.version_list = sr_sqlite_version_list,
	.version_drop = sr_sqlite_version_drop,
	.rotation_get = sr_sqlite_rotation_get,
	.rotation_put = sr_sqlite_rotation_put,
	.rotation_list = sr_sqlite_rotation_list,
	.key_get = sr_sqlite_key_get,
	.key_put = sr_sqlite_key_put,
	.key_list = sr_sqlite_key_list,
	.key_by_type = sr_sqlite_key_by_type,
	.key_parts = sr_sqlite_key_parts,
	.key_by_id = sr_sqlite_key_by_id,
	.key_by_material = sr_sqlite_key_by_material,
	.token_get = sr_sqlite_token_get,
	.token_by_hash = sr_sqlite_token_by_hash,
	.token_put = sr_sqlite_token_put,
	.token_list = sr_sqlite_token_list,
	.token_children = sr_sqlite_token_children,
	.token_reach_put = sr_sqlite_token_reach_put,
	.token_reach_drop = sr_sqlite_token_reach_drop,
	.token_reach_has = sr_sqlite_token_reach_has,
	.token_near = sr_sqlite_token_near,
	.member_get = sr_sqlite_member_get,
	.member_put = sr_sqlite_member_put,
	.member_list = sr_sqlite_member_list,
	.agent_get = sr_sqlite_agent_get,
	.agent_by_hash = sr_sqlite_agent_by_hash,
	.agent_put = sr_sqlite_agent_put,
	.agent_list = sr_sqlite_agent_list,
	.policy_get = sr_sqlite_policy_get,
	.policy_put = sr_sqlite_policy_put,
	.policy_list = sr_sqlite_policy_list,
	.approval_get = sr_sqlite_approval_get,
	.approval_put = sr_sqlite_approval_put,
	.approval_list = sr_sqlite_approval_list,
	.approval_open = sr_sqlite_approval_open,
	.approval_of = sr_sqlite_approval_of,
	.freeze_get = sr_sqlite_freeze_get,
	.freeze_put = sr_sqlite_freeze_put,
	.freeze_list = sr_sqlite_freeze_list,
	.tier_list = sr_sqlite_tier_list,
	.event_put = sr_sqlite_event_put,
	.event_head = sr_sqlite_event_head,
	.event_get = sr_sqlite_event_get,
	.event_query = sr_sqlite_event_query,
	.event_indexed = sr_sqlite_event_indexed,
	.event_index = sr_sqlite_event_index,
	.state_bucket = sr_sqlite_state_bucket,
	.state_put = sr_sqlite_state_put,
	.node_get = sr_sqlite_node_get,
	.node_put = sr_sqlite_node_put,
	.standing_get = sr_sqlite_standing_get,
	.standing_put = sr_sqlite_standing_put,
	.standing_now = sr_sqlite_standing_now,
	.checkpoint_put = sr_sqlite_checkpoint_put,
	.checkpoint_last = sr_sqlite_checkpoint_last,
	.checkpoint_from = sr_sqlite_checkpoint_from,
	.checkpoint_list = sr_sqlite_checkpoint_list,
	.audit_key_put = sr_sqlite_audit_key_put,
	.audit_key_list = sr_sqlite_audit_key_list,
	.counts = sr_sqlite_counts,
	.copy = sr_sqlite_copy,
};

static struct sr_sqlite *new_store(void)
{
	struct sr_sqlite *store = calloc(1, sizeof *store);
	if (!store)
		return NULL;
	store->base.ops = &operations;
	store->generation = sr_forks();
	store->lock_fd = -1;
	store->writer = (struct sr_tx){ .store = store, .write = true };
	for (int i = 0; i < SR_SQLITE_READERS; i++)
		store->readers[i].store = store;
	pthread_mutex_init(&store->mutex, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->freed, &attr);
	pthread_condattr_destroy(&attr);
	return store;
}

/* Nobody else may be inside while tables change under prepared statements. */
static CK_RV bring_up_to_date(struct sr_sqlite *store, struct sr_error *err)
{
	int64_t version = 0;
	CK_RV rv = sr_sqlite_check_schema(store->writer.db, &version, err);
	if (rv != CKR_OK || version == SR_STORE_SCHEMA)
		return rv;
	rv = sr_sqlite_lock_alone(store->lock_fd, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_sqlite_migrate(store->writer.db, sr_sqlite_steps, SR_STORE_SCHEMA, err);
	sr_sqlite_lock_share(store->lock_fd);
	return rv;
}

static CK_RV open_in(struct sr_sqlite *store, const char *dir, int dir_fd, struct sr_error *err)
{
	struct stat db;
	CK_RV rv = sr_sqlite_path(dir, &store->path, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_check_files(dir_fd, &db, err);
	if (rv == CKR_OK) {
		store->dev = db.st_dev;
		store->ino = db.st_ino;
	}
	if (rv == CKR_OK)
		rv = sr_sqlite_lock(dir_fd, &store->lock_fd, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_connect(store, &store->writer, err);
	if (rv == CKR_OK)
		rv = bring_up_to_date(store, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_check_shape(store->writer.db, err);
	return rv == CKR_OK ? sr_sqlite_number(store->writer.db, "PRAGMA schema_version", &store->shape, err) : rv;
}

CK_RV sr_sqlite_open(const char *dir, struct sr_store **out, struct sr_error *err)
{
	*out = NULL;
	int dir_fd;
	CK_RV rv = sr_sqlite_usable(err);
	if (rv == CKR_OK)
		rv = sr_sqlite_open_dir(dir, &dir_fd, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_sqlite *store = new_store();
	rv = store ? open_in(store, dir, dir_fd, err)
		   : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	close(dir_fd);
	if (rv == CKR_OK)
		*out = &store->base;
	else if (store)
		close_store(&store->base);
	return rv;
}
