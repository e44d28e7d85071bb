/* The standing: the newest record, its time and the state tree's root, under the HSM's MAC. One row, written with each
 * commit; whoever trusts it trusts nothing else of the database. Internal to src/audit. */
#ifndef SR_AUDIT_STANDING_H
#define SR_AUDIT_STANDING_H

#include "audit/place.h"

#include <pthread.h>

/** struct sr_trust: the newest standing that the HSM has confirmed to this process, so that it is asked once for each
 *  commit of another process and never for our own. SINCE: the first record that was seen to stand under GENERATION of
 *  the mac key; what stands before it may be under the one before, where a thread reads what was. Any thread. */
struct sr_trust {
	pthread_mutex_t lock;
	bool any; /* ROW is one: what is all zeros is not confirmed by that */
	struct sr_standing_row row;
	uint64_t since;
	unsigned generation;
};

/** sr_standing_seal(place, row, err): computes ROW's MAC by ROW's generation; where that is 0, by the HSM's newest:
 * twice, since a wrong one refuses the whole vault. sr_standing_seal_once: where it is soon made anew (ledger.h, ONCE).
 */
CK_RV sr_standing_seal(const struct sr_place *place, struct sr_standing_row *row, struct sr_error *err);
CK_RV sr_standing_seal_once(const struct sr_place *place, struct sr_standing_row *row, struct sr_error *err);

/** sr_standing_same(a, b): in all but the generation, which no row of the database tells. */
bool sr_standing_same(const struct sr_standing_row *a, const struct sr_standing_row *b);

/** sr_standing_read(trust, place, tx, row, err): the row, confirmed; CHAIN_BROKEN where it is missing or forged. */
CK_RV sr_standing_read(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, struct sr_error *err);

/** sr_standing_confirm(trust, place, tx, row, found, err): the same for a row that was read already, in TX or (NULL)
 *  without one. Where it is under a newer generation of the mac key than this process knows, and the database says so,
 *  that is the newest from then on. ROW gets its generation. */
CK_RV sr_standing_confirm(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, bool found, struct sr_error *err);

/** sr_standing_fits(place, tx, row, err): the chain ends where ROW says: ROLLED_BACK where records are missing at its
 * end, CHAIN_BROKEN where the last one is another or there are more. */
CK_RV sr_standing_fits(
	const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *row, struct sr_error *err);

/** sr_trust_head(trust): the newest head that was ever confirmed here; SEQ 0 before the first. */
struct sr_head sr_trust_head(struct sr_trust *trust);

/** sr_trust_row(trust, row): the newest row that was ever confirmed here; false before the first. */
bool sr_trust_row(struct sr_trust *trust, struct sr_standing_row *row);

/** sr_standing_kept(trust, place, row): ROW is ours, and committed. */
void sr_standing_kept(struct sr_trust *trust, const struct sr_place *place, const struct sr_standing_row *row);

#endif
