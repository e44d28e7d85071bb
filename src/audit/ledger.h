/* What the writer's leader does: one transaction for a batch of jobs, and what has to follow its commit. One thread at
 * a time (whoever leads); writer.c sees to that. Internal to src/audit. */
#ifndef SR_AUDIT_LEDGER_H
#define SR_AUDIT_LEDGER_H

#include "audit/check.h"

#include <stdatomic.h>

#define SR_BATCH_MAX 64
#define SR_SEAL_RECORDS 1000
#define SR_INDEX_RECORDS 1000
#define SR_SEAL_MS 1000
#define SR_ANCHOR_MS 60000
#define SR_ANCHOR_CHANGE_MS 1000
#define SR_JUMP_MS 300000

/** struct sr_tally: what has been committed (struct sr_writer_counts). */
struct sr_tally {
	atomic_ulong commits, records, values, keys, denied, error;
};

/** struct sr_ledger: STANDING is what we know to be committed: by others when we opened, by us since. SIGNED_SEQ and
 *  SIGNED_BOOT_MS: the newest checkpoint that we signed or found, and when. WAITING: NEXT is signed but not stored yet;
 *  the next transaction takes it along. ANCHOR_OWED: a renewal failed.
 *  LAZY, ALONE: as configured. SYNCED: the newest head that is known to outlive a power failure: no witness is told of
 * a later one, or it would take the vault for an older copy afterwards. CHANGED: a use was counted or a deciding row
 * made since the anchor, so that it is renewed sooner. PROVEN: shared with every look (audit/proven.h). ASKED_BOOT_MS:
 * when the heads file was read last. CLOCK: the reading at the last batch, its boot_id
 *  "" before the first. ONCE: the newest standing lags, and its MAC was made once: the next commit makes it anew, or
 * the stop. */
struct sr_ledger {
	struct sr_place place;
	struct sr_trust trust;
	struct sr_proven *proven;
	struct sr_standing standing;
	uint64_t signed_seq;
	int64_t signed_boot_ms;
	bool waiting;
	struct sr_checkpoint_row next;
	bool lazy, alone, once;
	struct sr_head synced;
	int64_t asked_boot_ms;
	uint64_t indexed;                       /* at least so many records are in the indexes of queries */
	bool anchor_owed, changed, heads_known; /* HEADS_KNOWN: we have written the heads file */
	struct sr_error broken; /* the anchor knows another history than the database: nothing is committed any more */
	struct sr_now clock;
	struct sr_tally tally;
};

/** struct sr_entry: one caller's place in a batch. ERR is the caller's. JOB NULL: it asks for a checkpoint only. */
struct sr_entry {
	struct sr_job *job;
	struct sr_error *err;
	CK_RV rv;
};

/** sr_ledger_begin(ledger): after sr_audit_look filled place and standing. */
void sr_ledger_begin(struct sr_ledger *ledger);

/** sr_ledger_commit(ledger, entries, count, err): runs the jobs and commits their events. CKR_OK: each entry has its
 *  job's code. Otherwise nothing of any of them holds: CKR_DEVICE_MEMORY / STORE_FULL, or CKR_DEVICE_ERROR with
 *  ROLLED_BACK, CHAIN_BROKEN (the database is not the one that we last saw) or AUDIT_FAILED. (Where a lazy commit had
 * to be made durable after all and the disk refused, the records stay, and no caller gets what they tell of.) */
CK_RV sr_ledger_commit(struct sr_ledger *ledger, struct sr_entry *const *entries, size_t count, struct sr_error *err);

/** sr_ledger_continues(ledger, tx, row, err): how the vault stands now, refused unless it is as we know or a later
 * moment of the same history. */
CK_RV sr_ledger_continues(
	struct sr_ledger *ledger, struct sr_tx *tx, struct sr_standing_row *row, struct sr_error *err);

/** sr_ledger_heads(ledger, err): the heads file, after a commit; nothing where that lags. */
CK_RV sr_ledger_heads(struct sr_ledger *ledger, struct sr_error *err);

/** sr_ledger_refresh(ledger, err): STANDING up to what other processes have committed. */
CK_RV sr_ledger_refresh(struct sr_ledger *ledger, struct sr_error *err);

/** sr_ledger_stage(ledger, tx, err), sr_ledger_staged(ledger): a waiting checkpoint into TX; and once TX is committed.
 */
CK_RV sr_ledger_stage(const struct sr_ledger *ledger, struct sr_tx *tx, struct sr_error *err);
void sr_ledger_staged(struct sr_ledger *ledger);

/** sr_ledger_seal(ledger, err): a checkpoint over STANDING, stored by its own transaction; nothing to do where one is.
 *  sr_ledger_seal_due(ledger, err): signs one if it is time, for the next transaction. */
CK_RV sr_ledger_seal(struct sr_ledger *ledger, struct sr_error *err);
CK_RV sr_ledger_seal_due(struct sr_ledger *ledger, struct sr_error *err);

/** sr_ledger_anchor(ledger, always, err): the anchor, if it is stale (sooner where something CHANGED) or owed, or
 * ALWAYS. */
CK_RV sr_ledger_anchor(struct sr_ledger *ledger, bool always, struct sr_error *err);

#endif
