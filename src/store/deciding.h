/* The deciding rows of every table, deleted and inactive ones too, in the order of their keys: for whoever goes through
 * them all in bounded steps. Beside store.h. Any thread, within a transaction. */
#ifndef SR_STORE_DECIDING_H
#define SR_STORE_DECIDING_H

#include "store/store.h"

/* In the order in which they are gone through. */
enum sr_deciding {
	SR_DECIDING_SECRET,
	SR_DECIDING_KEY,
	SR_DECIDING_TOKEN,
	SR_DECIDING_AGENT,
	SR_DECIDING_MEMBER,
	SR_DECIDING_POLICY,
	SR_DECIDING_APPROVAL,
	SR_DECIDING_ROTATION,
	SR_DECIDING_FREEZE,
	SR_DECIDING_COUNT
};

/** struct sr_deciding_key: what a row is looked up by. SECOND: of a key its part, of a policy its glob (FIRST is the
 *  tier, as a word); "" elsewhere. */
struct sr_deciding_key {
	char first[SR_PATH_MAX + 1];
	char second[SR_PATH_MAX + 1];
};
typedef bool (*sr_deciding_each)(const struct sr_deciding_key *key, void *ctx);

/** sr_store_deciding(tx, table, after, limit, each, ctx, err): the keys of TABLE's rows behind AFTER (both empty: from
 *  the beginning), LIMIT at most. */
CK_RV sr_store_deciding(struct sr_tx *tx, enum sr_deciding table, const struct sr_deciding_key *after, unsigned limit,
	sr_deciding_each each, void *ctx, struct sr_error *err);

#endif
