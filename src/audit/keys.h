/* The audit key's generations as the database tells them, checked against the HSM. */
#ifndef SR_AUDIT_KEYS_H
#define SR_AUDIT_KEYS_H

#include "audit/chain.h"
#include "hsm/hsm.h"
#include "store/store.h"

#define SR_GENERATIONS_MAX 1000

/** struct sr_audit_keys: ITEMS[i] is the SubjectPublicKeyInfo of generation i + 1. */
struct sr_audit_keys {
	size_t count;
	struct sr_buf *items;
};

/** sr_keys_said(store, tx, generation, err): what SR_KEYS_META says. */
CK_RV sr_keys_said(struct sr_store *store, struct sr_tx *tx, unsigned *generation, struct sr_error *err);

/** sr_audit_keys_load(store, tx, hsm, chain_id, keys, err): every generation from 1 to the one that is said to be the
 *  newest, without a gap, each signed by the one before, the last the HSM's own key. CKR_DEVICE_ERROR /
 *  SR_REASON_CHAIN_BROKEN otherwise. KEYS is empty on failure. Whether it is the newest shows the standing. */
CK_RV sr_audit_keys_load(struct sr_store *store, struct sr_tx *tx, struct sr_hsm *hsm, const char *chain_id,
	struct sr_audit_keys *keys, struct sr_error *err);

void sr_audit_keys_clear(struct sr_audit_keys *keys);

/** sr_audit_keys_fit(keys, chain_id, checkpoint): whether the checkpoint's signature is its generation's. */
bool sr_audit_keys_fit(
	const struct sr_audit_keys *keys, const char *chain_id, const struct sr_checkpoint_row *checkpoint);

#endif
