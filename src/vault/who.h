/* An identity from the inside, and what it may do. Private to this folder. */
#ifndef SR_VAULT_WHO_H
#define SR_VAULT_WHO_H

#include "policy/address.h"
#include "vault/core.h"
#include "vault/identity.h"
#include "vault/kept.h"

enum sr_identity_type { SR_IDENTITY_MEMBER, SR_IDENTITY_TOKEN, SR_IDENTITY_AGENT };

/** struct sr_identity: fixed at login. MEMBER, TOKEN or AGENT is the row as it was verified then; SCOPES are a token's,
 *  or an agent's ceiling, and ALLOWED where the login may come from, parsed. KNOWN is the event that made the row, as
 * known here: another one ends the login. A member's login has an END, and ends when it is not used for
 * SR_MEMBER_IDLE_MS; an agent's has one when it came with the key before the present one: the end of its grace. KEPT:
 * what was found and need not be asked again. */
struct sr_identity {
	atomic_uint refs;
	enum sr_identity_type type;
	struct sr_member_row member;
	struct sr_token_row token;
	struct sr_agent_row agent;
	struct sr_scopes scopes;
	struct sr_allowed allowed;
	bool separated;
	struct sr_end end;
	_Atomic uint64_t known;
	_Atomic int64_t used_boot_ms;
	struct sr_kept kept;
};

#define SR_MEMBER_SESSION_MS (8ll * 60 * 60 * 1000)
#define SR_MEMBER_IDLE_MS (15ll * 60 * 1000)
#define SR_AGENT_GRACE_MAX_MS (24ll * 60 * 60 * 1000)

/** sr_who_actions(identity, resource, path): the SR_ACTION_* bits on this path. */
uint32_t sr_who_actions(const struct sr_identity *identity, enum sr_resource resource, const char *path);

/** sr_who_may_give(identity, scopes): whether nothing in SCOPES is beyond what IDENTITY's role may do itself: where
 *  admins are kept apart from values and keys, so are the tokens that they issue. A token's own bounds are another
 *  matter. */
bool sr_who_may_give(const struct sr_identity *identity, const struct sr_scopes *scopes);

/** sr_who_duties(identity): SR_DUTY_* bits; none for a token. */
uint32_t sr_who_duties(const struct sr_identity *identity);

/** sr_who_clearance(identity): the highest tier it gets values of. Members have no more than standard: sensitive and
 *  critical values want an approved token (design §6). */
enum sr_tier sr_who_clearance(const struct sr_identity *identity);

/** sr_who_owner(identity): the member who answers for it: itself, or the token's or agent's owner. */
const char *sr_who_owner(const struct sr_identity *identity);

/** sr_who_token_stands(vault, at, token, err): whether TOKEN itself stands at this moment (its ancestors apart): not
 *  revoked, approved where it must be, its owner and the agent that asked for it what they were. CKR_USER_NOT_LOGGED_IN
 *  with the reason: REVOKED, EXPIRED, USED_UP, APPROVAL_REQUIRED (pending, or the delay runs, or it is to be settled:
 *  vault/approval.h), APPROVAL_DENIED, APPROVAL_TIMED_OUT. LINE takes its ends; NULL: nobody wants them. */
CK_RV sr_who_token_stands(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err);

/** sr_who_line_stands(vault, at, token, line, err): the same of TOKEN and of each of its ancestors. LINE's TOKENS: how
 *  many they are. */
CK_RV sr_who_line_stands(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err);
/** sr_who_owner_stands(vault, at, owner, since, err): whether the member OWNER still answers for what the event SINCE
 *  made: CKR_USER_NOT_LOGGED_IN / REVOKED where they were removed, or demoted after it. */
CK_RV sr_who_owner_stands(
	struct sr_vault *vault, const struct sr_moment *at, const char *owner, uint64_t since, struct sr_error *err);

/** sr_who_ended(end, at): whether END has passed; one with wall_ms 0 never does. */
bool sr_who_ended(const struct sr_end *end, const struct sr_moment *at);

/** sr_who_agent_ended(row, at): whether the agent's own end has passed, or means nothing. */
bool sr_who_agent_ended(const struct sr_agent_row *row, const struct sr_moment *at);

/** sr_who_name(identity, out): "member:NAME", "token:ID" or "agent:NAME". */
void sr_who_name(const struct sr_identity *identity, char out[SR_NAME_MAX + 8]);

/** sr_who_prefix(identity, resource): the longest literal prefix that every path it may touch has; "" for anything. OUT
 *  holds SR_PATH_MAX + 1. */
void sr_who_prefix(const struct sr_identity *identity, enum sr_resource resource, char *out);

/** sr_who_still(caller, at, err): whether the identity holds at this moment: the row is what it was at login, nothing
 * has ended, no ancestor was revoked, uses are left. CKR_USER_NOT_LOGGED_IN with the reason, or the store's trouble. */
CK_RV sr_who_still(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err);

/** sr_who_uses(vault, at, token_id, uses, err): the uses counted so far, as the state tree proves them. */
CK_RV sr_who_uses(
	struct sr_vault *vault, const struct sr_moment *at, const char *token_id, uint64_t *uses, struct sr_error *err);

/** sr_who_count_use(caller, at, err): one use of the token and of each ancestor that has a limit, in this job;
 *  SR_REASON_USED_UP when one has none left. */
CK_RV sr_who_count_use(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err);

/** sr_need_duty(caller, duty, refusal, what, err): CKR_OK, or REFUSAL (which differs from function to function) with
 *  ROLE_NOT_ALLOWED, and WHAT in the line. */
CK_RV sr_need_duty(
	const struct sr_caller *caller, uint32_t duty, CK_RV refusal, const char *what, struct sr_error *err);

#endif
