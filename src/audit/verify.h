/* Verification: one pass over the chain, its checkpoints, the heads file and the anchor. */
#ifndef SR_AUDIT_VERIFY_H
#define SR_AUDIT_VERIFY_H

#include "audit/writer.h"

/** struct sr_verdict: what a verification found. OK with FIRST_BAD 0; else the first bad record's id and what is wrong
 *  with it in DETAIL ("record 17 was changed", "records 40 to 43 are missing", "the end was cut off after record 50,
 *  the anchor knows 57"). TAIL: records after the last checkpoint. RECORDS is the newest record's number. Those up to
 *  BASE were removed, as record PRUNED_BY says; 0 where none were. */
struct sr_verdict {
	bool ok;
	uint64_t base, pruned_by;
	uint64_t first_bad;
	uint64_t records;
	uint64_t checkpoints;
	uint64_t sealed;
	uint64_t tail;
	char detail[256];
};

/** sr_audit_verify(config, verdict, err): CKR_OK when it could look, whatever it found. Finds edits, deletions,
 *  reordering, truncation of the tail, a recomputed chain and records that somebody else appended. Deciding rows
 *  are looked at by vault/report.h. */
CK_RV sr_audit_verify(const struct sr_writer_config *config, struct sr_verdict *verdict, struct sr_error *err);

#endif
