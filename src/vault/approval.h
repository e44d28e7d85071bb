/* Approvals: what a request stands at, and how it is asked for, decided and settled. Private to this folder. */
#ifndef SR_VAULT_APPROVAL_H
#define SR_VAULT_APPROVAL_H

#include "policy/need.h"
#include "vault/core.h"
#include "vault/objects.h"

/* What an approval row means at a moment. READY: the votes are there and the delay is over, but nobody has looked again
 * (sr_approval_settle); DELAYED: the delay runs. */
enum sr_stand {
	SR_STAND_PENDING,
	SR_STAND_DELAYED,
	SR_STAND_READY,
	SR_STAND_IN_EFFECT,
	SR_STAND_DENIED,
	SR_STAND_CANCELED,
	SR_STAND_TIMED_OUT,
	SR_STAND_EXPIRED,
	SR_STAND_COUNT
};

/** sr_approval_stand(row, at): from the row and the clock alone. */
enum sr_stand sr_approval_stand(const struct sr_approval_row *row, const struct sr_moment *at);

/** sr_stand_word(stand): what CKA_SR_STATE says: "pending", "approved" (DELAYED, READY and IN_EFFECT), "denied", … */
const char *sr_stand_word(enum sr_stand stand);

/** sr_approval_need(vault, at, scopes, clearance, need, err): what a token with SCOPES needs, and the highest tier that
 *  it reaches: from the policies and the secrets and keys as they are at AT. */
CK_RV sr_approval_need(struct sr_vault *vault, const struct sr_moment *at, const struct sr_scopes *scopes,
	enum sr_tier *clearance, struct sr_need *need, struct sr_error *err);

/** struct sr_request: what is asked for; the fields as in struct sr_approval_row (store/rows.h). CHANGE and REASON may
 *  be "". TTL_MS: how long what is approved lasts (a token's TTL; a day for a change). */
struct sr_request {
	enum sr_approval_kind kind;
	const char *target;
	const char *change;
	uint64_t base;
	const char *path;
	enum sr_tier tier;
	struct sr_need need;
	int64_t ttl_ms;
	const char *reason;
};

/** sr_approval_request(caller, request, id, err): makes the row, pending: one approval.requested event, durable. */
CK_RV sr_approval_request(
	const struct sr_caller *caller, const struct sr_request *request, char id[SR_ID_MAX], struct sr_error *err);

/** sr_approval_gate(caller, request, err): before an act that needs approval: CKR_OK where one of the same kind,
 * target, change, base and owner is in effect (settles it where that is due). Else CKR_FUNCTION_REJECTED /
 * APPROVAL_REQUIRED, and the line names the request: the one that is open, or one that is made now. A denied or
 * timed-out one is told once (APPROVAL_DENIED; CKR_FUNCTION_CANCELED / APPROVAL_TIMED_OUT) for as long as it is the
 * newest and less than an hour old; then a new one is made. */
CK_RV sr_approval_gate(const struct sr_caller *caller, const struct sr_request *request, struct sr_error *err);

/** sr_approval_passes(caller, at, request, id, err): the same question inside the act's transaction, without making
 *  anything: CKR_OK and the ID of the approval that is in effect, whose approvers still may approve; or
 *  CKR_FUNCTION_REJECTED / APPROVAL_REQUIRED. */
CK_RV sr_approval_passes(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_request *request,
	char id[SR_ID_MAX], struct sr_error *err);

/** sr_approval_settle(caller, id, stand, err): takes the step that is due: READY becomes IN_EFFECT if the approvers
 * still may approve (DENIED by "system" otherwise), a timeout is recorded, a delay of another boot starts again. Its
 * own event where it changes anything. STAND: what it stands at then. */
CK_RV sr_approval_settle(const struct sr_caller *caller, const char *id, enum sr_stand *stand, struct sr_error *err);

/** sr_approval_spend(caller, at, event, id, err): inside a job: an approval of one use becomes EXPIRED: it was used. */
CK_RV sr_approval_spend(const struct sr_caller *caller, struct sr_moment *at, struct sr_event *event, const char *id,
	struct sr_error *err);

extern const struct sr_class sr_approval_class; /* vault/approval_class.c */
extern const struct sr_class sr_policy_class;   /* vault/policy.c */

#endif
