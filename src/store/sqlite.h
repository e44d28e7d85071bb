/* What the files of the SQLite store share with each other, and with nobody else (the unit tests look in). */
#ifndef SR_STORE_SQLITE_H
#define SR_STORE_SQLITE_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SR_SQLITE_FILE "vault.db"
#define SR_SQLITE_APPLICATION_ID 0x53724d31 /* "SrM1": what file(1) and PRAGMA application_id show */
#define SR_SQLITE_READERS 8
#define SR_SQLITE_WAIT_MS 10000
#define SR_SEALED_MAX (66u << 10) /* a value of 64 KiB, its seal's header, IV and tag */

/* -- statements: one text each, prepared once a connection (sqlite_sql.c) -- */

enum sr_sql {
	SR_SQL_BEGIN_READ,
	SR_SQL_BEGIN_WRITE,
	SR_SQL_SHAPE,
	SR_SQL_COMMIT,
	SR_SQL_ROLLBACK,
	SR_SQL_MARK,
	SR_SQL_UNDO,
	SR_SQL_KEEP,
	SR_SQL_META_GET,
	SR_SQL_META_PUT,
	SR_SQL_SECRET_GET,
	SR_SQL_SECRET_PUT,
	SR_SQL_SECRET_LIST,
	SR_SQL_VERSION_GET,
	SR_SQL_VERSION_LEN,
	SR_SQL_VERSION_PUT,
	SR_SQL_VERSION_LIST,
	SR_SQL_VERSION_DROP,
	SR_SQL_ROTATION_GET,
	SR_SQL_ROTATION_PUT,
	SR_SQL_ROTATION_LIST,
	SR_SQL_VERSION_STALE,
	SR_SQL_VERSION_SEALED,
	SR_SQL_VERSION_RESEAL,
	SR_SQL_KEY_GET,
	SR_SQL_KEY_PUT,
	SR_SQL_KEY_LIST,
	SR_SQL_KEY_LIST_PART,
	SR_SQL_KEY_BY_TYPE,
	SR_SQL_KEY_PARTS,
	SR_SQL_KEY_BY_ID,
	SR_SQL_KEY_BY_MATERIAL,
	SR_SQL_TOKEN_GET,
	SR_SQL_TOKEN_BY_HASH,
	SR_SQL_TOKEN_PUT,
	SR_SQL_TOKEN_LIST,
	SR_SQL_TOKEN_CHILDREN,
	SR_SQL_TOKEN_REACH_PUT,
	SR_SQL_TOKEN_REACH_DROP,
	SR_SQL_TOKEN_REACH_HAS,
	SR_SQL_TOKEN_NEAR,
	SR_SQL_MEMBER_GET,
	SR_SQL_MEMBER_PUT,
	SR_SQL_MEMBER_LIST,
	SR_SQL_AGENT_GET,
	SR_SQL_AGENT_BY_HASH,
	SR_SQL_AGENT_PUT,
	SR_SQL_AGENT_LIST,
	SR_SQL_POLICY_GET,
	SR_SQL_POLICY_PUT,
	SR_SQL_POLICY_LIST,
	SR_SQL_POLICY_LIST_TIER,
	SR_SQL_APPROVAL_GET,
	SR_SQL_APPROVAL_PUT,
	SR_SQL_APPROVAL_LIST,
	SR_SQL_APPROVAL_OPEN,
	SR_SQL_APPROVAL_OF,
	SR_SQL_FREEZE_GET,
	SR_SQL_FREEZE_PUT,
	SR_SQL_FREEZE_LIST,
	SR_SQL_TIER_LIST,
	SR_SQL_EVENT_PUT,
	SR_SQL_EVENT_HEAD,
	SR_SQL_EVENT_GET,
	SR_SQL_EVENT_UP,
	SR_SQL_EVENT_DOWN,
	SR_SQL_EVENT_DECIDING,
	SR_SQL_EVENT_TIME_UP,
	SR_SQL_EVENT_TIME_DOWN,
	SR_SQL_EVENT_PATH_UP,
	SR_SQL_EVENT_PATH_DOWN,
	SR_SQL_EVENT_PATHS,
	SR_SQL_EVENT_ACTOR_UP,
	SR_SQL_EVENT_ACTOR_DOWN,
	SR_SQL_EVENT_TOKEN_UP,
	SR_SQL_EVENT_TOKEN_DOWN,
	SR_SQL_EVENT_WORD_UP,
	SR_SQL_EVENT_WORD_DOWN,
	SR_SQL_EVENT_WORDS,
	SR_SQL_EVENT_INDEXED,
	SR_SQL_EVENT_INDEX_MARK,
	SR_SQL_EVENT_INDEX_TIME,
	SR_SQL_EVENT_INDEX_PATH,
	SR_SQL_EVENT_INDEX_ACTOR,
	SR_SQL_EVENT_INDEX_TOKEN,
	SR_SQL_EVENT_INDEX_WORD,
	SR_SQL_STATE_BUCKET,
	SR_SQL_STATE_PUT,
	SR_SQL_NODE_GET,
	SR_SQL_NODE_PUT,
	SR_SQL_STANDING_GET,
	SR_SQL_STANDING_PUT,
	SR_SQL_STANDING_NOW,
	SR_SQL_CHECKPOINT_PUT,
	SR_SQL_CHECKPOINT_LAST,
	SR_SQL_CHECKPOINT_FROM,
	SR_SQL_CHECKPOINT_LIST,
	SR_SQL_CHECKPOINT_UPTO,
	SR_SQL_PRUNE_LAST,
	SR_SQL_PRUNE_LEFT,
	SR_SQL_PRUNE_TIME,
	SR_SQL_PRUNE_PATH,
	SR_SQL_PRUNE_ACTOR,
	SR_SQL_PRUNE_TOKEN,
	SR_SQL_PRUNE_WORD,
	SR_SQL_PRUNE_EVENT,
	SR_SQL_PRUNE_CHECKPOINT,
	SR_SQL_ENDED,
	SR_SQL_AUDIT_KEY_PUT,
	SR_SQL_AUDIT_KEY_LIST,
	SR_SQL_COUNTS,
	SR_SQL_DECIDING_SECRET,
	SR_SQL_DECIDING_KEY,
	SR_SQL_DECIDING_TOKEN,
	SR_SQL_DECIDING_AGENT,
	SR_SQL_DECIDING_MEMBER,
	SR_SQL_DECIDING_POLICY,
	SR_SQL_DECIDING_APPROVAL,
	SR_SQL_DECIDING_ROTATION,
	SR_SQL_DECIDING_FREEZE,
	SR_SQL_COUNT
};

/* sr_sqlite_sql(sql): its text. */
const char *sr_sqlite_sql(enum sr_sql sql);

/* -- connections -- */

/* A transaction is a connection: taken from the store at begin, given back at its end. DB is NULL until the connection
 * is first needed. LAZY: its commits do not wait for the disk now (PRAGMA synchronous). LOST: the SQLite code after
 * which SQLite itself rolled the transaction back; SQLITE_OK otherwise. */
struct sr_tx {
	struct sr_sqlite *store;
	sqlite3 *db;
	sqlite3_stmt *statements[SR_SQL_COUNT];
	bool write;
	bool lazy;
	bool busy;
	int lost;
};

/* BASE is first: a struct sr_store * is a struct sr_sqlite *. MUTEX guards the busy flags and who may open a
 * connection; SHAPE moves with every change of a table; FREED is signalled when a busy flag falls. */
struct sr_sqlite {
	struct sr_store base;
	char *path;
	dev_t dev;
	ino_t ino;
	int64_t shape; /* PRAGMA schema_version when the shape was checked */
	unsigned generation;
	int lock_fd;
	pthread_mutex_t mutex;
	pthread_cond_t freed;
	struct sr_tx writer;
	struct sr_tx readers[SR_SQLITE_READERS];
};

/* sr_sqlite_connect(store, tx, err): opens TX's connection with every pragma set; sr_sqlite_disconnect closes it. */
CK_RV sr_sqlite_connect(struct sr_sqlite *store, struct sr_tx *tx, struct sr_error *err);
void sr_sqlite_disconnect(struct sr_tx *tx);

/* sr_sqlite_pause(n): sleeps before the Nth try (0.1 ms, growing to 2 ms); false when the tries make up
 * SR_SQLITE_WAIT_MS. */
bool sr_sqlite_pause(int n);

/* sr_sqlite_fail(db, rc, what, err): the code and reason for SQLite's RC; WHAT was being done ("reading secret"). */
CK_RV sr_sqlite_fail(sqlite3 *db, int rc, const char *what, struct sr_error *err);

/* -- forks (sqlite_fork.c) -- */

/* sr_sqlite_open_file(store, flags, db): sqlite3_open_v2, such that lock state inherited over a fork is never taken for
 * this process's own. */
int sr_sqlite_open_file(const struct sr_sqlite *store, int flags, sqlite3 **db);

/* sr_sqlite_usable(err): refuses in a child that was forked while another thread was inside SQLite. */
CK_RV sr_sqlite_usable(struct sr_error *err);

/* -- schema (sqlite_schema.c) -- */

/* sr_sqlite_exec(db, sql, what, err): statements without parameters and results. */
CK_RV sr_sqlite_exec(sqlite3 *db, const char *sql, const char *what, struct sr_error *err);

/* sr_sqlite_number(db, sql, number, err): the one number that SQL selects. */
CK_RV sr_sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct sr_error *err);

/* sr_sqlite_check_schema(db, version, err): that this is a vault of ours, no newer than we are. */
CK_RV sr_sqlite_check_schema(sqlite3 *db, int64_t *version, struct sr_error *err);

/* sr_sqlite_check_shape(db, err): that tables and indexes are word for word those that our steps make. An altered table
 * could swallow rows, or give others than were asked for. */
CK_RV sr_sqlite_check_shape(sqlite3 *db, struct sr_error *err);

/* sr_sqlite_shape(db, shape, err): them as text, sr_sqlite_knows_shape(shape, knows, err): whether that is the
 * text of this schema by its digest, so that our steps need not make it anew at each start, which takes longer than all
 * else of it. */
CK_RV sr_sqlite_shape(sqlite3 *db, struct sr_buf *shape, struct sr_error *err);
CK_RV sr_sqlite_knows_shape(const struct sr_buf *shape, bool *knows, struct sr_error *err);

/* sr_sqlite_migrate(db, steps, count, err): STEPS[n] leads from schema n to n + 1; runs what is missing up to COUNT in
 * one transaction. The library's own steps are sr_sqlite_steps, SR_STORE_SCHEMA of them. */
CK_RV sr_sqlite_migrate(sqlite3 *db, const char *const *steps, int64_t count, struct sr_error *err);
extern const char *const sr_sqlite_steps[SR_STORE_SCHEMA];

/* -- files (sqlite_files.c) -- */

/* sr_sqlite_open_dir(dir, fd, err): the vault's directory, checked: its kind, owner, mode, and that we may write it. */
CK_RV sr_sqlite_open_dir(const char *dir, int *fd, struct sr_error *err);

/* sr_sqlite_check_files(dir_fd, db, err): the database, its companions and the lock file, by fstatat alone: opening and
 * closing one of them would drop this process's POSIX locks on it. DB is what the database's file is. */
CK_RV sr_sqlite_check_files(int dir_fd, struct stat *db, struct sr_error *err);

/* sr_sqlite_lock(dir_fd, lock_fd, err): opens DIR/lock and holds it shared. sr_sqlite_lock_alone: holds it exclusively.
 */
CK_RV sr_sqlite_lock(int dir_fd, int *lock_fd, struct sr_error *err);
CK_RV sr_sqlite_lock_alone(int lock_fd, struct sr_error *err);
void sr_sqlite_lock_share(int lock_fd);

/* sr_sqlite_path(dir, path, err): the absolute path of the database in DIR, malloc'ed. */
CK_RV sr_sqlite_path(const char *dir, char **path, struct sr_error *err);

/* -- rows (sqlite_columns.c) -- */

enum sr_column_kind {
	SR_COLUMN_TEXT,  /* char[size], NUL-terminated; "" is NULL where optional, refused elsewhere */
	SR_COLUMN_BYTES, /* uint8_t[size], exactly */
	SR_COLUMN_BUF,   /* struct sr_buf with text, at most SIZE bytes; empty is NULL where optional */
	SR_COLUMN_BLOB,  /* struct sr_buf with bytes, the same; at least MIN where not empty */
	SR_COLUMN_I64,   /* int64_t, MIN to INT64_MAX */
	SR_COLUMN_U64,   /* uint64_t, MIN to INT64_MAX: SQLite's integers are signed */
	SR_COLUMN_U32,   /* uint32_t, MIN to MAX */
	SR_COLUMN_WORD,  /* an enum, stored as its word */
	SR_COLUMN_BOOL   /* 0 or 1 */
};

/* One column: where it lies in the row's struct, and what it may hold. The same table binds and reads, so nothing can
 * be written that would be refused when read. VALID NULL: UTF-8 without control characters. */
struct sr_column {
	const char *name;
	enum sr_column_kind kind;
	size_t offset;
	size_t size;
	bool optional;
	int64_t min, max;
	bool (*valid)(const char *text, size_t len);
	const char *(*word)(unsigned number);
	unsigned words;
};

/* The columns of a SELECT or INSERT, in its order. The first KEYS of them name the row in an error. */
struct sr_columns {
	const char *table;
	const struct sr_column *list;
	int count;
	int keys;
	size_t row_size;
};

/* sr_row_clear(columns, row): frees what its columns own, and zeroes it. */
void sr_row_clear(const struct sr_columns *columns, void *row);

/* sr_row_bind(columns, row, stmt, err), sr_row_read(columns, stmt, row, err): all columns, from parameter 1 or column
 * 0. A row that cannot be: CKR_GENERAL_ERROR / INTERNAL when written, CKR_DEVICE_ERROR / VAULT_CORRUPT when read,
 * naming table, key and column. */
CK_RV sr_row_bind(const struct sr_columns *columns, const void *row, sqlite3_stmt *stmt, struct sr_error *err);
CK_RV sr_row_read(const struct sr_columns *columns, sqlite3_stmt *stmt, void *row, struct sr_error *err);

const char *sr_tier_word(unsigned number);

/* sr_lines_valid(text, len): a VALID for lists: UTF-8 without control characters but the line feeds. */
bool sr_lines_valid(const char *text, size_t len);

/* -- queries (sqlite_query.c) -- */

/* One run of a statement. Begin, bind (1 is the first parameter; failures are kept until the step), step, end. A
 * statement that is in the middle of a run (a callback that asks the same again) gets a second copy for as long as it
 * is needed. */
struct sr_query {
	struct sr_tx *tx;
	enum sr_sql sql;
	sqlite3_stmt *stmt;
	int rc;
};

CK_RV sr_query_begin(struct sr_query *query, struct sr_tx *tx, enum sr_sql sql, struct sr_error *err);
void sr_query_text(struct sr_query *query, int n, const char *text);
void sr_query_bytes(struct sr_query *query, int n, const void *data, size_t len);
void sr_query_u64(struct sr_query *query, int n, uint64_t number);
/* sr_query_step(query, row, err): ROW tells whether there is one. */
CK_RV sr_query_step(struct sr_query *query, bool *row, struct sr_error *err);
void sr_query_end(struct sr_query *query);

/* sr_query_next(query, columns, row, found, err): steps, and reads a row if there is one; ROW is empty otherwise. */
CK_RV sr_query_next(
	struct sr_query *query, const struct sr_columns *columns, void *row, bool *found, struct sr_error *err);

/* sr_query_only(query, columns, row, found, err): the same for a query of one row; ends it. */
CK_RV sr_query_only(
	struct sr_query *query, const struct sr_columns *columns, void *row, bool *found, struct sr_error *err);

/* sr_query_put(tx, sql, columns, row, err): binds ROW and runs. */
CK_RV sr_query_put(
	struct sr_tx *tx, enum sr_sql sql, const struct sr_columns *columns, const void *row, struct sr_error *err);

/* sr_query_prefix_end(prefix, end): the first text after all that begin with PREFIX (SR_PATH_MAX bytes at most). */
void sr_query_prefix_end(const char *prefix, char end[SR_PATH_MAX + 2]);

/* sr_query_run(tx, sql, err): a statement without parameters and results. */
CK_RV sr_query_run(struct sr_tx *tx, enum sr_sql sql, struct sr_error *err);

/* sr_sqlite_take_any(store, tx, err): a connection for one statement outside any transaction; sr_sqlite_give_back ends
 * it. The writer's where nobody writes, since its pages need not be read again after our own commits. */
CK_RV sr_sqlite_take_any(struct sr_sqlite *store, struct sr_tx **tx, struct sr_error *err);
void sr_sqlite_give_back(struct sr_tx *tx);

/* -- the operations, one file a subject -- */

CK_RV sr_sqlite_begin_read(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
CK_RV sr_sqlite_begin_write(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
CK_RV sr_sqlite_begin_lazy(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
CK_RV sr_sqlite_commit(struct sr_tx *tx, struct sr_error *err);
void sr_sqlite_rollback(struct sr_tx *tx);
CK_RV sr_sqlite_mark(struct sr_tx *tx, struct sr_error *err);
CK_RV sr_sqlite_undo(struct sr_tx *tx, struct sr_error *err);
CK_RV sr_sqlite_keep(struct sr_tx *tx, struct sr_error *err);

CK_RV sr_sqlite_meta_get(struct sr_tx *tx, const char *name, struct sr_buf *text, struct sr_error *err);
CK_RV sr_sqlite_meta_put(struct sr_tx *tx, const char *name, const char *text, struct sr_error *err);
CK_RV sr_sqlite_counts(struct sr_tx *tx, struct sr_counts *counts, struct sr_error *err);

CK_RV sr_sqlite_secret_get(
	struct sr_tx *tx, const char *path, struct sr_secret_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_secret_put(struct sr_tx *tx, const struct sr_secret_row *row, struct sr_error *err);
CK_RV sr_sqlite_secret_list(struct sr_tx *tx, const char *prefix, sr_secret_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_version_get(struct sr_tx *tx, const char *path, uint64_t version, struct sr_version_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_sqlite_version_len(
	struct sr_tx *tx, const char *path, uint64_t version, size_t *sealed_len, bool *found, struct sr_error *err);
CK_RV sr_sqlite_version_put(struct sr_tx *tx, const struct sr_version_row *row, struct sr_error *err);
CK_RV sr_sqlite_version_list(struct sr_tx *tx, const char *path, sr_version_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_version_drop(struct sr_tx *tx, const char *path, uint64_t version, struct sr_error *err);
CK_RV sr_sqlite_rotation_get(
	struct sr_tx *tx, const char *glob, struct sr_rotation_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_rotation_put(struct sr_tx *tx, const struct sr_rotation_row *row, struct sr_error *err);
CK_RV sr_sqlite_rotation_list(struct sr_tx *tx, sr_rotation_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_key_get(struct sr_tx *tx, const char *path, enum sr_part part, struct sr_key_row *row, bool *found,
	struct sr_error *err);
CK_RV sr_sqlite_key_put(struct sr_tx *tx, const struct sr_key_row *row, struct sr_error *err);
CK_RV sr_sqlite_key_list(
	struct sr_tx *tx, const char *prefix, enum sr_part part, sr_key_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_key_by_type(
	struct sr_tx *tx, const char *prefix, uint64_t key_type, sr_key_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_key_parts(struct sr_tx *tx, const char *path, sr_key_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_key_by_id(
	struct sr_tx *tx, const void *id, size_t len, sr_key_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_key_by_material(
	struct sr_tx *tx, const void *material, size_t len, sr_key_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_token_get(
	struct sr_tx *tx, const char *id, struct sr_token_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_token_by_hash(
	struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_token_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_token_put(struct sr_tx *tx, const struct sr_token_row *row, struct sr_error *err);
CK_RV sr_sqlite_token_list(struct sr_tx *tx, sr_token_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_token_children(
	struct sr_tx *tx, const char *parent, sr_token_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_member_get(
	struct sr_tx *tx, const char *name, struct sr_member_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_member_put(struct sr_tx *tx, const struct sr_member_row *row, struct sr_error *err);
CK_RV sr_sqlite_member_list(struct sr_tx *tx, sr_member_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_token_reach_put(struct sr_tx *tx, const char *id, const char *prefix, struct sr_error *err);
CK_RV sr_sqlite_token_reach_drop(struct sr_tx *tx, const char *id, struct sr_error *err);
CK_RV sr_sqlite_token_reach_has(
	struct sr_tx *tx, const char *id, const char *prefix, bool *found, struct sr_error *err);
CK_RV sr_sqlite_token_near(struct sr_tx *tx, const char *prefix, sr_token_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_agent_get(
	struct sr_tx *tx, const char *name, struct sr_agent_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_agent_by_hash(
	struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_agent_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_agent_put(struct sr_tx *tx, const struct sr_agent_row *row, struct sr_error *err);
CK_RV sr_sqlite_agent_list(struct sr_tx *tx, sr_agent_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_policy_get(struct sr_tx *tx, enum sr_tier tier, const char *glob, struct sr_policy_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_sqlite_policy_put(struct sr_tx *tx, const struct sr_policy_row *row, struct sr_error *err);
CK_RV sr_sqlite_policy_list(struct sr_tx *tx, enum sr_tier tier, sr_policy_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_freeze_get(
	struct sr_tx *tx, const char *path, struct sr_freeze_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_freeze_put(struct sr_tx *tx, const struct sr_freeze_row *row, struct sr_error *err);
CK_RV sr_sqlite_freeze_list(struct sr_tx *tx, sr_freeze_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_approval_get(
	struct sr_tx *tx, const char *id, struct sr_approval_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_approval_put(struct sr_tx *tx, const struct sr_approval_row *row, struct sr_error *err);
CK_RV sr_sqlite_approval_list(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_approval_open(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_approval_of(
	struct sr_tx *tx, const char *target, sr_approval_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_tier_list(struct sr_tx *tx, const char *prefix, sr_path_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_event_put(
	struct sr_tx *tx, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], struct sr_error *err);
CK_RV sr_sqlite_event_head(struct sr_tx *tx, struct sr_head *head, int64_t *timestamp_ms, struct sr_error *err);
CK_RV sr_sqlite_event_get(struct sr_tx *tx, uint64_t id, struct sr_event *event, uint8_t hash[SR_HASH_LEN], bool *found,
	struct sr_error *err);
CK_RV sr_sqlite_event_indexed(struct sr_tx *tx, uint64_t *last, struct sr_error *err);
CK_RV sr_sqlite_event_index(struct sr_tx *tx, uint64_t upto, struct sr_error *err);
CK_RV sr_sqlite_event_query(
	struct sr_tx *tx, const struct sr_event_query *query, sr_event_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_state_bucket(struct sr_tx *tx, uint16_t bucket, sr_state_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_state_put(struct sr_tx *tx, const uint8_t key[SR_HASH_LEN], uint64_t value, struct sr_error *err);
CK_RV sr_sqlite_node_get(struct sr_tx *tx, uint64_t id, struct sr_node_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_node_put(struct sr_tx *tx, const struct sr_node_row *row, struct sr_error *err);
CK_RV sr_sqlite_standing_get(struct sr_tx *tx, struct sr_standing_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_standing_put(struct sr_tx *tx, const struct sr_standing_row *row, struct sr_error *err);
CK_RV sr_sqlite_standing_now(struct sr_store *store, struct sr_standing_row *row, bool *found, struct sr_error *err);

CK_RV sr_sqlite_checkpoint_put(struct sr_tx *tx, const struct sr_checkpoint_row *row, struct sr_error *err);
CK_RV sr_sqlite_checkpoint_last(struct sr_tx *tx, struct sr_checkpoint_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_checkpoint_by(struct sr_tx *tx, enum sr_sql sql, uint64_t seq, struct sr_checkpoint_row *row,
	bool *found, struct sr_error *err); /* by a statement of one number */
CK_RV sr_sqlite_checkpoint_from(
	struct sr_tx *tx, uint64_t seq, struct sr_checkpoint_row *row, bool *found, struct sr_error *err);
CK_RV sr_sqlite_checkpoint_list(struct sr_tx *tx, sr_checkpoint_each each, void *ctx, struct sr_error *err);
CK_RV sr_sqlite_audit_key_put(struct sr_tx *tx, const struct sr_audit_key_row *row, struct sr_error *err);
CK_RV sr_sqlite_audit_key_list(struct sr_tx *tx, sr_audit_key_each each, void *ctx, struct sr_error *err);

CK_RV sr_sqlite_copy(struct sr_tx *tx, const char *path, struct sr_error *err);

#endif
