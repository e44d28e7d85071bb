/* The writer: the only way anything is changed or released. Every job runs inside a write transaction together with
 * other threads' jobs (group commit), and leaves exactly one event, allowed or refused. */
#ifndef SR_AUDIT_WRITER_H
#define SR_AUDIT_WRITER_H

#include "audit/chain.h"
#include "audit/sinks.h"
#include "hsm/hsm.h"
#include "store/store.h"

struct sr_writer;
struct sr_proven;

/** struct sr_writer_config: borrowed for the writer's life, texts copied. LAZY: `audit-sync = lazy` (docs/audit.md).
 *  ALONE: nobody else commits to the database as long as the writer lives. SINKS: where records go besides; its DIR
 *  NULL: nowhere. */
struct sr_writer_config {
	struct sr_store *store;
	struct sr_hsm *hsm;
	const char *vault_id;
	const char *heads_path;
	bool lazy;
	bool alone;
	struct sr_sinks_config sinks;
};

/** sr_writer_open(config, writer, err): checks before anything is served (design §4, Rollback): the anchor in the HSM
 *  and the heads file must be heads of this chain, not ahead of it (SR_REASON_ROLLED_BACK: the database is older;
 *  SR_REASON_CHAIN_BROKEN: it is another history), the last checkpoint's signature must be the HSM audit key's, and the
 *  records after it must chain (the first bad one is named). Cost: bounded by the unsealed tail. */
CK_RV sr_writer_open(const struct sr_writer_config *config, struct sr_writer **writer, struct sr_error *err);

/** sr_writer_close(writer): seals the tail with a checkpoint, renews a stale anchor, frees. No job may be inside. */
void sr_writer_close(struct sr_writer *writer);

/** sr_writer_abandon(writer): in a forked child: frees memory, touches nothing shared. */
void sr_writer_abandon(struct sr_writer *writer);

/** struct sr_moment: a transaction, and what holds in it: the clock's reading, the newest record's time (NOT_BEFORE_MS)
 * and the root of the state tree (audit/state.h), which moves with what a job changes. EVENT_ID: the id that the job's
 * event will have (what row MACs are bound to); 0 where it is only looked. PROVEN: what has been proven under a root
 * before (audit/proven.h); NULL has everything walked. GENERATION: of the mac key that vouches for it, and makes the
 * MACs of rows that are written; a job that begins a newer one moves it. */
struct sr_moment {
	struct sr_tx *tx;
	struct sr_now now;
	int64_t not_before_ms;
	uint64_t event_id;
	const char *chain_id;
	uint8_t root[SR_HASH_LEN];
	struct sr_proven *proven;
	unsigned generation;
};

/** sr_writer_look(writer, moment, err): begins a read transaction whose root the HSM has confirmed (once for each
 * commit of another process); sr_writer_look_end ends it. Any thread. */
CK_RV sr_writer_look(struct sr_writer *writer, struct sr_moment *moment, struct sr_error *err);
void sr_writer_look_end(struct sr_writer *writer, struct sr_moment *moment);

/** sr_writer_glance(writer, moment, err): the same without a transaction: nothing can be read in it, TX is NULL. It
 * tells whether anything has changed: what was found in a look under the same root is still so. Costs one row,
 * and nothing where the writer is ALONE. Any thread. */
CK_RV sr_writer_glance(struct sr_writer *writer, struct sr_moment *moment, struct sr_error *err);

/** struct sr_job: one change or release.
 *
 *  event: filled by the owner but for id, timestamp, status, rv and reason. RUN may refine it (path, version, subject,
 *  counted, metadata).
 *
 *  run: checks again what the owner checked before, and makes its changes through moment->tx. Any code but CKR_OK
 * undoes its changes (not its neighbours'), clears subject and counted, puts back the version that the owner filled in,
 * and the event becomes the record of the refusal: status denied, or error for CKR_DEVICE_*, CKR_HOST_MEMORY,
 *  CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_ENCRYPTED_DATA_INVALID. It runs on whichever thread leads the commit,
 *  holding the writer's place: no waiting in it, and HSM calls only for row MACs. NULL: the event alone.
 *
 *  refuse: when not CKR_OK, run is not called; the refusal with this code is recorded.
 *
 *  audit_reason: what the audit says instead of err->reason when run (or refuse) fails; 0: the same.
 *
 *  lazy: this record may lag behind the disk where the vault is configured so. It does if the job, and each other of
 *  its batch, ends allowed and has moved nothing in the state tree: no row was made and no use counted.
 *
 *  mute: where it is denied there is no record; all else is recorded as ever.
 *
 *  policy_change: a checkpoint and the anchor follow the commit before sr_writer_run answers.
 *
 *  An event with a text that is not UTF-8 or has control characters is refused as CKR_GENERAL_ERROR, the text left
 *  out of the record. */
struct sr_job {
	struct sr_event *event;
	CK_RV (*run)(struct sr_moment *moment, void *arg, struct sr_error *err);
	void *arg;
	CK_RV refuse;
	CK_ULONG audit_reason;
	bool lazy;
	bool policy_change;
	bool mute;
};

/** sr_refusal_status(rv): what a record says of a refusal with RV: SR_STATUS_ERROR for the codes named above. */
enum sr_status sr_refusal_status(CK_RV rv);

/** sr_writer_run(writer, job, err): blocks until the job's event is durable (a lagging one: committed, so that
 *  the end of this process does not lose it); then answers run's code (ERR as run left
 *  it). Where the event could not be committed, nothing of the job holds and the answer is CKR_DEVICE_MEMORY
 *  (STORE_FULL) or CKR_DEVICE_ERROR (AUDIT_FAILED; ROLLED_BACK or CHAIN_BROKEN where the database is not the one that
 *  this process last saw): release nothing. Any thread. */
CK_RV sr_writer_run(struct sr_writer *writer, struct sr_job *job, struct sr_error *err);

/** struct sr_writer_counts: of this process, since the writer was opened: COMMITS, RECORDS in them, and among these
 *  VALUES that were released, uses of KEYS, what was DENIED and what ended in an ERROR. sr_writer_counts(writer,
 *  counts): any thread; waits for nothing. */
struct sr_writer_counts {
	unsigned long commits, records, values, keys, denied, error;
};
void sr_writer_counts(const struct sr_writer *writer, struct sr_writer_counts *counts);

/** sr_writer_trouble(writer, err): what failed behind the last commit (heads file, checkpoint, anchor), CKR_OK for
 *  nothing. The commit holds all the same; each later commit tries again. */
CK_RV sr_writer_trouble(struct sr_writer *writer, struct sr_error *err);

/** sr_writer_tend(writer): gives sinks that fell behind what they have not had, where no commit does it. For a process
 *  that has a moment now and then. Any thread. */
void sr_writer_tend(struct sr_writer *writer);

/** sr_writer_sinks(writer, states): how the sinks fare; how many there are. Any thread. */
size_t sr_writer_sinks(struct sr_writer *writer, struct sr_sink_state states[SR_SINKS_MAX]);

/** sr_writer_seal(writer, err): a checkpoint over everything committed, now (stop, export). */
CK_RV sr_writer_seal(struct sr_writer *writer, struct sr_error *err);

/** struct sr_restored: a chain that goes on from a backup: WAS, where it ended there; KNOWN, what the HSM's anchor knew
 *  at KNOWN_MS, if FOUND; EPOCH, the new one. */
struct sr_restored {
	struct sr_head was, known;
	int64_t known_ms;
	bool found;
	uint64_t epoch;
};

/** sr_writer_restore_chain(config, expected, restored, err): restore only, before sr_writer_open: checks the chain in
 * the database as that does, but for the witnesses; it must end at EXPECTED (CHAIN_BROKEN). What the anchor knows of
 * the same epoch must be in it, as far as it goes. Then begins the epoch after both of theirs, in database, heads file
 * and anchor: whoever has the vault that the backup was made of is refused from now on. sr_writer_restore_undo(config,
 * restored): the anchor as it was, where nothing came of it. */
CK_RV sr_writer_restore_chain(const struct sr_writer_config *config, const struct sr_head *expected,
	struct sr_restored *restored, struct sr_error *err);
void sr_writer_restore_undo(const struct sr_writer_config *config, const struct sr_restored *restored);

/** sr_writer_look_copy(config, expected, moment, err): a move only: a database that was copied, and that nobody else
 * has: checked inside by CONFIG's HSM, which is the one that it comes from; it must end at EXPECTED. MOMENT: what its
 * HSM vouches for, without a transaction. CHAIN_ID is not filled in.
 *
 *  sr_writer_move_chain(config, to, expected, restored, err): the same checks, and that of
 *  the anchor; then the audit key of TO, signed by the one before, is the newest of the chain, which goes on in a new
 * epoch under TO's keys: in database, heads file and TO's anchor. */
CK_RV sr_writer_look_copy(const struct sr_writer_config *config, const struct sr_head *expected,
	struct sr_moment *moment, struct sr_error *err);
CK_RV sr_writer_move_chain(const struct sr_writer_config *config, struct sr_hsm *to, const struct sr_head *expected,
	struct sr_restored *restored, struct sr_error *err);

/** sr_writer_start_chain(config, chain_id, err): init only: stores the audit key's row and the chain id, and makes the
 *  first anchor and heads line (sequence 0). */
CK_RV sr_writer_start_chain(const struct sr_writer_config *config, const char *chain_id, struct sr_error *err);

#endif
