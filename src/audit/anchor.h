/* The anchor: the chain's head in the HSM, where whoever can write the database cannot put it back (design §4). */
#ifndef SR_AUDIT_ANCHOR_H
#define SR_AUDIT_ANCHOR_H

#include "audit/chain.h"
#include "hsm/hsm.h"

/** struct sr_anchor: HEAD was committed when WALL_MS was the time. */
struct sr_anchor {
	struct sr_head head;
	int64_t wall_ms;
};

/** sr_anchor_read(hsm, vault_id, chain_id, anchor, found, err): FOUND false where the HSM has none; one of another
 * chain or one that does not parse is CKR_DEVICE_ERROR / SR_REASON_CHAIN_BROKEN. */
CK_RV sr_anchor_read(struct sr_hsm *hsm, const char *vault_id, const char *chain_id, struct sr_anchor *anchor,
	bool *found, struct sr_error *err);

/** sr_anchor_write(hsm, vault_id, chain_id, anchor, err): ANCHOR's head must be committed already. */
CK_RV sr_anchor_write(struct sr_hsm *hsm, const char *vault_id, const char *chain_id, const struct sr_anchor *anchor,
	struct sr_error *err);

#endif
