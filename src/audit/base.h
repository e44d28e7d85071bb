/* Where the audit of this database begins, once old records have been removed: behind a sealed record, the base. Its
 * number is in the state tree, so under the HSM's MAC with the standing; its head, which the first record that is kept
 * goes on from, is in the checkpoint over it, which the audit key has signed. Records up to the base that are still
 * there are left over, and count for nothing. */
#ifndef SR_AUDIT_BASE_H
#define SR_AUDIT_BASE_H

#include "audit/writer.h"

#define SR_BASE_SUBJECT "audit:base"
#define SR_PRUNED_SUBJECT "audit:pruned" /* subject of the record that made the base what it is */

/** struct sr_base: HEAD is the base's, that of the chain's start (SEQ 0) where nothing was removed. EVENT_ID: the
 * record that says so. CHECKPOINT: over it. */
struct sr_base {
	struct sr_head head;
	uint64_t event_id;
	struct sr_checkpoint_row checkpoint;
};

/** sr_base_number(store, at, seq, err): the base's number alone; the HSM is not asked. */
CK_RV sr_base_number(struct sr_store *store, const struct sr_moment *at, uint64_t *seq, struct sr_error *err);

/** sr_base_get(store, hsm, at, base, err): the base, proven. CKR_DEVICE_ERROR / CHAIN_BROKEN where the state tree, the
 *  checkpoint and the audit keys do not bear each other out. */
CK_RV sr_base_get(struct sr_store *store, struct sr_hsm *hsm, const struct sr_moment *at, struct sr_base *base,
	struct sr_error *err);

/** sr_base_choose(store, hsm, at, before_ms, last, was, next, err): the newest sealed record up to LAST before which
 *  all are older than BEFORE_MS; NEXT is WAS where there is none. LAST becomes the last record that is old enough. All
 *  from WAS to NEXT has to be a sound chain (CHAIN_BROKEN): whoever removes what was changed removes the proof. It
 *  costs a pass over these records. */
CK_RV sr_base_choose(struct sr_store *store, struct sr_hsm *hsm, const struct sr_moment *at, int64_t before_ms,
	uint64_t *last, const struct sr_base *was, struct sr_base *next, struct sr_error *err);

/** sr_base_put(store, at, base, event, err): in a job: BASE is the base from EVENT on, which gets its subject. */
CK_RV sr_base_put(struct sr_store *store, struct sr_moment *at, const struct sr_base *base, struct sr_event *event,
	struct sr_error *err);

#endif
