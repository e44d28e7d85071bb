/* What removing old records asks of the store, beside store.h. Any thread, within a transaction. */
#ifndef SR_STORE_PRUNE_H
#define SR_STORE_PRUNE_H

#include "store/store.h"

/** sr_store_checkpoint_upto(tx, seq, row, found, err): the newest checkpoint over record SEQ or an earlier one. */
CK_RV sr_store_checkpoint_upto(
	struct sr_tx *tx, uint64_t seq, struct sr_checkpoint_row *row, bool *found, struct sr_error *err);

/** sr_store_old(tx, seq, count, err): how many records there are up to SEQ, by their numbers alone. */
CK_RV sr_store_old(struct sr_tx *tx, uint64_t seq, uint64_t *count, struct sr_error *err);

/** sr_store_prune(tx, seq, limit, count, err): removes the LIMIT oldest of the records up to SEQ, what queries know of
 *  them, and the checkpoints over them but the one over SEQ; COUNT of them. Whoever else needs them is not asked. */
CK_RV sr_store_prune(struct sr_tx *tx, uint64_t seq, unsigned limit, uint64_t *count, struct sr_error *err);

/** sr_store_ended(tx, each, ctx, err): policies, rotation periods and freezes that were deleted or released, whose rows
 *  stay and which the listings leave out: by their subjects in the state tree. */
typedef bool (*sr_ended_each)(const char *subject, void *ctx);
CK_RV sr_store_ended(struct sr_tx *tx, sr_ended_each each, void *ctx, struct sr_error *err);

#endif
