/* The beginning of a new epoch, in a vault that was made from another one's database: restored, or moved. Who held
 * grants before holds none: nobody knows what was revoked since. Private to this folder. */
#ifndef SR_VAULT_EPOCH_H
#define SR_VAULT_EPOCH_H

#include "vault/core.h"

/** struct sr_epoch: CALLER: of the new vault, without an identity. RESTORED: where the chain goes on (audit/writer.h).
 *  KIND: of the first record, whose metadata call the head where it ended WAS, and have MORE (",\"name\":value", "" for
 *  none) behind it; ALSO: what else that record does, NULL for nothing. DECISION: what is said of approvals that it
 *  cancelled. APPROVALS, AGENTS: how many were ended. */
struct sr_epoch {
	const struct sr_caller *caller;
	struct sr_restored restored;
	enum sr_event_kind kind;
	const char *was;
	char more[512];
	CK_RV (*also)(struct sr_moment *at, void *ctx, struct sr_error *err);
	void *ctx;
	const char *decision;
	size_t approvals, agents;
};

/** sr_epoch_record(epoch, err): the first record, by which all tokens of before are void. sr_epoch_end_grants(epoch,
 * err): approvals that are open or in effect are cancelled, active agents suspended; a record for each. */
CK_RV sr_epoch_record(struct sr_epoch *epoch, struct sr_error *err);
CK_RV sr_epoch_end_grants(struct sr_epoch *epoch, struct sr_error *err);

#endif
