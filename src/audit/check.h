/* Looking at a stored chain: what opening and verifying have in common. Internal to src/audit. */
#ifndef SR_AUDIT_CHECK_H
#define SR_AUDIT_CHECK_H

#include "audit/anchor.h"
#include "audit/base.h"
#include "audit/keys.h"
#include "audit/place.h"
#include "audit/standing.h"

/** struct sr_witness: someone outside the database who knows a head. NAME as in "the HSM's anchor". A heads file of an
 * epoch before the database's is not FOUND. */
struct sr_witness {
	const char *name;
	bool found;
	struct sr_head head;
};

/** sr_witness_heads(place, witness, err), sr_witness_anchor(place, witness, wall_ms, err): asks them. To be asked
 *  before the transaction begins that they are compared with: what they know was committed by then, so that another
 *  process's commits in between never look like a rollback. */
CK_RV sr_witness_heads(const struct sr_place *place, struct sr_witness *witness, struct sr_error *err);
CK_RV sr_witness_anchor(
	const struct sr_place *place, struct sr_witness *witness, int64_t *wall_ms, struct sr_error *err);

/** sr_place_base(place, tx, row, base, err): where the chain begins, by the standing ROW, which is confirmed. */
CK_RV sr_place_base(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *row,
	struct sr_base *base, struct sr_error *err);

/** sr_witness_check(place, tx, stands, end, witness, err): whether what WITNESS knows is in a chain that ends at record
 *  END: ROLLED_BACK where it knows a later record or epoch, CHAIN_BROKEN where it knows another one. One that knows a
 *  record that was removed since vouches for nothing. STANDS: the standing, confirmed, which tells what was removed. */
CK_RV sr_witness_check(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *stands,
	uint64_t end, const struct sr_witness *witness, struct sr_error *err);

/** sr_head_stored(place, tx, seq, head, found, err): the database's head after record SEQ, 0 included. */
CK_RV sr_head_stored(const struct sr_place *place, struct sr_tx *tx, uint64_t seq, struct sr_head *head, bool *found,
	struct sr_error *err);

#define SR_FINDING_MAX 256

/** struct sr_scan: a walk over the records behind HEAD, which moves with it, as does the time of the newest; to record
 *  UPTO, 0: to the end. BAD: the first record that does not fit, 0 for none, and in FINDING what is wrong there. */
struct sr_scan {
	struct sr_head head;
	uint64_t upto;
	int64_t newest_ms;
	uint64_t bad;
	char finding[SR_FINDING_MAX];
};

/** sr_scan_run(place, tx, scan, err): to the end, or to the first bad record. A row that the store cannot read counts
 *  as changed. CKR_OK when it could look, whatever it found. */
CK_RV sr_scan_run(const struct sr_place *place, struct sr_tx *tx, struct sr_scan *scan, struct sr_error *err);

/** sr_head_kept(place, tx, base, seq, head, found, err): the database's head after record SEQ, or the base's; FOUND
 *  false where it was removed. */
CK_RV sr_head_kept(const struct sr_place *place, struct sr_tx *tx, const struct sr_base *base, uint64_t seq,
	struct sr_head *head, bool *found, struct sr_error *err);

/** struct sr_standing: how a chain stood when it was opened: the head that the HSM vouches for, what is sealed of it,
 * and the anchor. */
struct sr_standing {
	struct sr_head head;
	int64_t newest_ms;
	uint64_t sealed;
	unsigned generation; /* of the audit key: how many of them the database tells */
	struct sr_anchor anchor;
};

/** sr_audit_look(place, trust, standing, err): the checks of sr_writer_open. */
CK_RV sr_audit_look(
	const struct sr_place *place, struct sr_trust *trust, struct sr_standing *standing, struct sr_error *err);

/** sr_audit_look_inside(place, trust, standing, err): the same of the database alone, whatever heads file and anchor
 *  know. */
CK_RV sr_audit_look_inside(
	const struct sr_place *place, struct sr_trust *trust, struct sr_standing *standing, struct sr_error *err);

#endif
