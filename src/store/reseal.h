/* What re-sealing asks of the store, beside store.h. Any thread, within a transaction. */
#ifndef SR_STORE_RESEAL_H
#define SR_STORE_RESEAL_H

#include "store/store.h"

/** struct sr_stale: a version that an older generation of the seal key has sealed. ROW numbers it: they grow. */
struct sr_stale {
	uint64_t row;
	char path[SR_PATH_MAX + 1];
	uint64_t version;
};
typedef bool (*sr_stale_each)(const struct sr_stale *stale, void *ctx);
typedef bool (*sr_sealed_each)(unsigned generation, uint64_t rows, void *ctx);

/** sr_store_stale(tx, generation, after, limit, each, ctx, err): versions whose sealed value is of another generation
 *  than GENERATION, behind row AFTER, LIMIT at most. */
CK_RV sr_store_stale(struct sr_tx *tx, unsigned generation, uint64_t after, unsigned limit, sr_stale_each each,
	void *ctx, struct sr_error *err);

/** sr_store_sealed(tx, each, ctx, err): how many versions each generation has sealed, by one scan. */
CK_RV sr_store_sealed(struct sr_tx *tx, sr_sealed_each each, void *ctx, struct sr_error *err);

/** sr_store_reseal(tx, row, was, err): ROW's sealed value in the place of WAS; DONE false where the version is gone, or
 *  has another value than WAS. */
CK_RV sr_store_reseal(
	struct sr_tx *tx, const struct sr_version_row *row, const struct sr_buf *was, bool *done, struct sr_error *err);

#endif
