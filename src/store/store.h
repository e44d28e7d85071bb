/* The store: everything with SQL is behind this interface. SQLite is the first implementation (store/sqlite_*.c); the
 * next one fills the same table of operations.
 *
 * A transaction is one database connection for as long as it lives; any number of read transactions run beside one
 * write transaction. A store is for any thread, a transaction for one thread at a time. Functions that fill a row leave
 * it empty (safe to clear) when they fail or find nothing.
 *
 * Errors: CKR_DEVICE_MEMORY / STORE_FULL (disk full), CKR_DEVICE_ERROR / STORE_FAILED, VAULT_BUSY (waited 10 s for
 * another process), VAULT_CORRUPT (a row that cannot be: bounded and validated when read), VAULT_SCHEMA (newer). */
#ifndef SR_STORE_STORE_H
#define SR_STORE_STORE_H

#include "store/rows.h"
#include "util/error.h"

#define SR_STORE_SCHEMA 6

struct sr_tx;

/** enum sr_event_by: the index that a query of events goes by. All but SR_EVENT_BY_ID know the records up to
 *  sr_store_ops.event_indexed alone. */
enum sr_event_by {
	SR_EVENT_BY_ID,
	SR_EVENT_BY_TIME,  /* in the order of time, which is that of the ids but where an admin accepted a clock */
	SR_EVENT_BY_PATH,  /* KEY is the path */
	SR_EVENT_BY_PATHS, /* KEY is what the path begins with; in no order */
	SR_EVENT_BY_ACTOR,
	SR_EVENT_BY_TOKEN,
	SR_EVENT_BY_WORD,  /* KEY is one of event=NAME, status=, tier=, ip=; not of status=allowed nor tier=standard */
	SR_EVENT_BY_WORDS, /* KEY is what the word begins with; in no order */
};

/** struct sr_event_query: what sr_store_ops.event_query narrows by index or by id order; finer criteria (globs, CIDR,
 *  lists) are the caller's. AFTER and BEFORE are ids, exclusive; 0 is open. Times are inclusive; 0 is open. DECIDING:
 *  those alone that have made a row or counted a use; by id, the oldest first. */
struct sr_event_query {
	uint64_t after, before;
	int64_t since_ms, until_ms;
	bool newest_first;
	bool deciding;
	enum sr_event_by by;
	const char *key;
};

/** struct sr_counts: what status shows: live secrets, live key objects, tokens, events, bytes on disk. */
struct sr_counts {
	uint64_t secrets, keys, tokens, events, bytes;
};

struct sr_store {
	const struct sr_store_ops *ops;
};

/* A callback answers true to go on. */
typedef bool (*sr_secret_each)(const struct sr_secret_row *row, void *ctx);
typedef bool (*sr_version_each)(const struct sr_version_place *place, void *ctx);
typedef bool (*sr_rotation_each)(const struct sr_rotation_row *row, void *ctx);
typedef bool (*sr_key_each)(const struct sr_key_row *row, void *ctx);
typedef bool (*sr_token_each)(const struct sr_token_row *row, void *ctx);
typedef bool (*sr_member_each)(const struct sr_member_row *row, void *ctx);
typedef bool (*sr_agent_each)(const struct sr_agent_row *row, void *ctx);
typedef bool (*sr_policy_each)(const struct sr_policy_row *row, void *ctx);
typedef bool (*sr_freeze_each)(const struct sr_freeze_row *row, void *ctx);
typedef bool (*sr_approval_each)(const struct sr_approval_row *row, void *ctx);
typedef bool (*sr_path_each)(const char *path, enum sr_tier tier, void *ctx);
typedef bool (*sr_event_each)(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx);
typedef bool (*sr_state_each)(const uint8_t key[SR_HASH_LEN], uint64_t value, void *ctx);
typedef bool (*sr_checkpoint_each)(const struct sr_checkpoint_row *row, void *ctx);
typedef bool (*sr_audit_key_each)(const struct sr_audit_key_row *row, void *ctx);

struct sr_store_ops {
	void (*close)(struct sr_store *store);
	void (*abandon)(struct sr_store *store); /* in a forked child: touches no file, lock or connection */

	/* begin_write takes the one writer's place (waits up to 10 s). commit ends the transaction whatever it answers;
	 * rollback too. mark/undo/keep are one level of savepoint inside a write transaction.
	 * begin_lazy is begin_write, but commit does not wait for the disk: what it wrote outlives the process and is
	 * seen by all others, but a power failure may take it, until the next commit of a begin_write (by whomever) or
	 * the system's own writing makes it durable, with everything before it. Never the middle of a history. */
	CK_RV (*begin_read)(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
	CK_RV (*begin_write)(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
	CK_RV (*begin_lazy)(struct sr_store *store, struct sr_tx **tx, struct sr_error *err);
	CK_RV (*commit)(struct sr_tx *tx, struct sr_error *err);
	void (*rollback)(struct sr_tx *tx);
	CK_RV (*mark)(struct sr_tx *tx, struct sr_error *err);
	CK_RV (*undo)(struct sr_tx *tx, struct sr_error *err);
	CK_RV (*keep)(struct sr_tx *tx, struct sr_error *err);

	/* names: "vault-id", "vault-name", "chain-id", "ready"; TEXT is empty when absent */
	CK_RV (*meta_get)(struct sr_tx *tx, const char *name, struct sr_buf *text, struct sr_error *err);
	CK_RV (*meta_put)(struct sr_tx *tx, const char *name, const char *text, struct sr_error *err);

	CK_RV(*secret_get)
	(struct sr_tx *tx, const char *path, struct sr_secret_row *row, bool *found, struct sr_error *err);
	CK_RV(*secret_put)
	(struct sr_tx *tx, const struct sr_secret_row *row, struct sr_error *err); /* insert or replace */
	/* in path order, paths that begin with PREFIX (an index range) */
	CK_RV(*secret_list)
	(struct sr_tx *tx, const char *prefix, sr_secret_each each, void *ctx, struct sr_error *err);
	CK_RV(*version_get)
	(struct sr_tx *tx, const char *path, uint64_t version, struct sr_version_row *row, bool *found,
		struct sr_error *err);
	/* the sealed length alone: what a length query needs */
	CK_RV(*version_len)
	(struct sr_tx *tx, const char *path, uint64_t version, size_t *sealed_len, bool *found, struct sr_error *err);
	CK_RV(*version_put)
	(struct sr_tx *tx, const struct sr_version_row *row, struct sr_error *err); /* insert only */
	/* which versions a path has, the oldest first; version_drop: the sealed value is overwritten (secure_delete) */
	CK_RV(*version_list)
	(struct sr_tx *tx, const char *path, sr_version_each each, void *ctx, struct sr_error *err);
	CK_RV (*version_drop)(struct sr_tx *tx, const char *path, uint64_t version, struct sr_error *err);

	/* rotation periods, by glob; a list gives the active ones */
	CK_RV(*rotation_get)
	(struct sr_tx *tx, const char *glob, struct sr_rotation_row *row, bool *found, struct sr_error *err);
	CK_RV (*rotation_put)(struct sr_tx *tx, const struct sr_rotation_row *row, struct sr_error *err);
	CK_RV (*rotation_list)(struct sr_tx *tx, sr_rotation_each each, void *ctx, struct sr_error *err);

	/* keys, by (path, part); key_put inserts or replaces. key_list: in path order, paths that begin with PREFIX;
	 * PART SR_PART_COUNT is all. key_by_type: the same of one key type. key_by_id, key_by_material: active rows
	 * with that CKA_ID, that material. key_parts: every row of one path. Each is by an index. */
	CK_RV(*key_get)
	(struct sr_tx *tx, const char *path, enum sr_part part, struct sr_key_row *row, bool *found,
		struct sr_error *err);
	CK_RV (*key_put)(struct sr_tx *tx, const struct sr_key_row *row, struct sr_error *err);
	CK_RV(*key_list)
	(struct sr_tx *tx, const char *prefix, enum sr_part part, sr_key_each each, void *ctx, struct sr_error *err);
	CK_RV(*key_by_type)
	(struct sr_tx *tx, const char *prefix, uint64_t key_type, sr_key_each each, void *ctx, struct sr_error *err);
	CK_RV (*key_parts)(struct sr_tx *tx, const char *path, sr_key_each each, void *ctx, struct sr_error *err);
	CK_RV(*key_by_id)
	(struct sr_tx *tx, const void *id, size_t len, sr_key_each each, void *ctx, struct sr_error *err);
	CK_RV(*key_by_material)
	(struct sr_tx *tx, const void *material, size_t len, sr_key_each each, void *ctx, struct sr_error *err);

	CK_RV(*token_get)
	(struct sr_tx *tx, const char *id, struct sr_token_row *row, bool *found, struct sr_error *err);
	CK_RV(*token_by_hash)
	(struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_token_row *row, bool *found,
		struct sr_error *err);
	CK_RV (*token_put)(struct sr_tx *tx, const struct sr_token_row *row, struct sr_error *err);
	CK_RV (*token_list)(struct sr_tx *tx, sr_token_each each, void *ctx, struct sr_error *err); /* newest first */
	CK_RV(*token_children)
	(struct sr_tx *tx, const char *parent, sr_token_each each, void *ctx, struct sr_error *err);

	CK_RV(*member_get)
	(struct sr_tx *tx, const char *name, struct sr_member_row *row, bool *found, struct sr_error *err);
	CK_RV (*member_put)(struct sr_tx *tx, const struct sr_member_row *row, struct sr_error *err);
	CK_RV (*member_list)(struct sr_tx *tx, sr_member_each each, void *ctx, struct sr_error *err);

	/* agents, by name; by_hash: whose key or key before this is. agent_of: those that OWNER answers for */
	CK_RV(*agent_get)
	(struct sr_tx *tx, const char *name, struct sr_agent_row *row, bool *found, struct sr_error *err);
	CK_RV(*agent_by_hash)
	(struct sr_tx *tx, const uint8_t hash[SR_HASH_LEN], struct sr_agent_row *row, bool *found,
		struct sr_error *err);
	CK_RV (*agent_put)(struct sr_tx *tx, const struct sr_agent_row *row, struct sr_error *err);
	CK_RV (*agent_list)(struct sr_tx *tx, sr_agent_each each, void *ctx, struct sr_error *err); /* by name */

	/* policies, by (tier, glob); a list gives the active ones, of one tier or (SR_TIER_COUNT) of all */
	CK_RV(*policy_get)
	(struct sr_tx *tx, enum sr_tier tier, const char *glob, struct sr_policy_row *row, bool *found,
		struct sr_error *err);
	CK_RV (*policy_put)(struct sr_tx *tx, const struct sr_policy_row *row, struct sr_error *err);
	CK_RV(*policy_list)
	(struct sr_tx *tx, enum sr_tier tier, sr_policy_each each, void *ctx, struct sr_error *err);

	/* approvals, by id; open: those in state pending or approved; of: those about TARGET; lists newest first */
	CK_RV(*approval_get)
	(struct sr_tx *tx, const char *id, struct sr_approval_row *row, bool *found, struct sr_error *err);
	CK_RV (*approval_put)(struct sr_tx *tx, const struct sr_approval_row *row, struct sr_error *err);
	CK_RV (*approval_list)(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err);
	CK_RV (*approval_open)(struct sr_tx *tx, sr_approval_each each, void *ctx, struct sr_error *err);
	CK_RV(*approval_of)
	(struct sr_tx *tx, const char *target, sr_approval_each each, void *ctx, struct sr_error *err);

	/* frozen paths; a list gives the active ones, by path */
	CK_RV(*freeze_get)
	(struct sr_tx *tx, const char *path, struct sr_freeze_row *row, bool *found, struct sr_error *err);
	CK_RV (*freeze_put)(struct sr_tx *tx, const struct sr_freeze_row *row, struct sr_error *err);
	CK_RV (*freeze_list)(struct sr_tx *tx, sr_freeze_each each, void *ctx, struct sr_error *err);

	/* live secrets and key objects above standard whose path begins with PREFIX: an index range for each */
	CK_RV (*tier_list)(struct sr_tx *tx, const char *prefix, sr_path_each each, void *ctx, struct sr_error *err);

	/* which tokens may reach: one entry for each scope of a token that was not revoked, by its literal prefix.
	 * token_near: tokens with a scope whose prefix begins PREFIX, or with which PREFIX begins; each once, newest
	 * first; more than reach it. */
	CK_RV(*token_reach_put)
	(struct sr_tx *tx, const char *id, const char *prefix, struct sr_error *err);
	CK_RV (*token_reach_drop)(struct sr_tx *tx, const char *id, struct sr_error *err);
	CK_RV(*token_reach_has)
	(struct sr_tx *tx, const char *id, const char *prefix, bool *found, struct sr_error *err);
	CK_RV(*token_near)
	(struct sr_tx *tx, const char *prefix, sr_token_each each, void *ctx, struct sr_error *err);

	/* the chain: append-only; HASH is the head after the event */
	CK_RV(*event_put)
	(struct sr_tx *tx, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], struct sr_error *err);
	/* the newest event's id, time and head; SEQ 0 where there is none */
	CK_RV (*event_head)(struct sr_tx *tx, struct sr_head *head, int64_t *timestamp_ms, struct sr_error *err);
	CK_RV(*event_get)
	(struct sr_tx *tx, uint64_t id, struct sr_event *event, uint8_t hash[SR_HASH_LEN], bool *found,
		struct sr_error *err);
	CK_RV(*event_query)
	(struct sr_tx *tx, const struct sr_event_query *query, sr_event_each each, void *ctx, struct sr_error *err);
	/* The indexes trail: event_indexed tells the last record that they know, event_index brings them up to the
	 * record UPTO. */
	CK_RV (*event_indexed)(struct sr_tx *tx, uint64_t *last, struct sr_error *err);
	CK_RV (*event_index)(struct sr_tx *tx, uint64_t upto, struct sr_error *err);
	/* the state tree (audit/state.h): entries by key, and nodes; a node that was never put is not found */
	CK_RV (*state_bucket)(struct sr_tx *tx, uint16_t bucket, sr_state_each each, void *ctx, struct sr_error *err);
	CK_RV (*state_put)(struct sr_tx *tx, const uint8_t key[SR_HASH_LEN], uint64_t value, struct sr_error *err);
	CK_RV (*node_get)(struct sr_tx *tx, uint64_t id, struct sr_node_row *row, bool *found, struct sr_error *err);
	CK_RV (*node_put)(struct sr_tx *tx, const struct sr_node_row *row, struct sr_error *err);
	CK_RV (*standing_get)(struct sr_tx *tx, struct sr_standing_row *row, bool *found, struct sr_error *err);
	CK_RV (*standing_put)(struct sr_tx *tx, const struct sr_standing_row *row, struct sr_error *err);
	/* standing_get without a transaction: the row as it is committed now */
	CK_RV(*standing_now)
	(struct sr_store *store, struct sr_standing_row *row, bool *found, struct sr_error *err);

	CK_RV(*checkpoint_put)
	(struct sr_tx *tx, const struct sr_checkpoint_row *row, struct sr_error *err); /* a double is kept */
	CK_RV (*checkpoint_last)(struct sr_tx *tx, struct sr_checkpoint_row *row, bool *found, struct sr_error *err);
	/* the first over record SEQ or a later one */
	CK_RV(*checkpoint_from)
	(struct sr_tx *tx, uint64_t seq, struct sr_checkpoint_row *row, bool *found, struct sr_error *err);
	CK_RV(*checkpoint_list)
	(struct sr_tx *tx, sr_checkpoint_each each, void *ctx, struct sr_error *err); /* by seq */
	CK_RV (*audit_key_put)(struct sr_tx *tx, const struct sr_audit_key_row *row, struct sr_error *err);
	CK_RV (*audit_key_list)(struct sr_tx *tx, sr_audit_key_each each, void *ctx, struct sr_error *err);

	CK_RV (*counts)(struct sr_tx *tx, struct sr_counts *counts, struct sr_error *err);

	/* what a read transaction sees, as a database of its own, into the file PATH, which is there, empty, and
	 * nobody else's. Where it fails the file may have part of it. */
	CK_RV (*copy)(struct sr_tx *tx, const char *path, struct sr_error *err);
};

/** sr_sqlite_create(dir, err): a new database DIR/vault.db, 0600, with the newest schema; refuses an existing one. */
CK_RV sr_sqlite_create(const char *dir, struct sr_error *err);

/** sr_sqlite_open(dir, store, err): opens DIR/vault.db. Refuses (with the reason and the cure in the text) a directory
 *  that is missing (VAULT_MISSING), not 0700 or not the user's own (VAULT_PERMISSIONS), a file readable by others or
 * not writable, a newer schema (VAULT_SCHEMA), a file that is no database (VAULT_CORRUPT). Migrates an older schema
 * forward in one transaction. */
CK_RV sr_sqlite_open(const char *dir, struct sr_store **store, struct sr_error *err);

/** sr_sqlite_look(dir, dir_fd, err): refuses what sr_sqlite_open refuses of a directory and its files before it opens
 *  one. DIR_FD is the directory's descriptor, -1 on failure. */
CK_RV sr_sqlite_look(const char *dir, int *dir_fd, struct sr_error *err);

#endif
