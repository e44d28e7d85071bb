/* An identity from the inside, and what it may do. Private to this folder. */
#ifndef SR_VAULT_WHO_H
#define SR_VAULT_WHO_H

#include "policy/address.h"
#include "vault/core.h"
#include "vault/identity.h"

enum sr_identity_type { SR_IDENTITY_MEMBER, SR_IDENTITY_TOKEN };

/** struct sr_identity: fixed at login. MEMBER or TOKEN is the row as it was verified then; SCOPES and ALLOWED are a
 *  token's, parsed. MOST_USES: the greatest count of this token's uses ever seen here, so that a count that shrinks is
 *  noticed. */
struct sr_identity {
	atomic_uint refs;
	enum sr_identity_type type;
	struct sr_member_row member;
	struct sr_token_row token;
	struct sr_scopes scopes;
	struct sr_allowed allowed;
	_Atomic uint64_t most_uses;
};

/** sr_who_actions(identity, resource, path): the SR_ACTION_* bits on this path. */
uint32_t sr_who_actions(const struct sr_identity *identity, enum sr_resource resource, const char *path);

/** sr_who_duties(identity): SR_DUTY_* bits; none for a token. */
uint32_t sr_who_duties(const struct sr_identity *identity);

/** sr_who_clearance(identity): the highest tier it gets values of. Members have no more than standard: sensitive and
 *  critical values want an approved token (design §6). */
enum sr_tier sr_who_clearance(const struct sr_identity *identity);

/** sr_who_name(identity, out): "member:NAME" or "token:ID". */
void sr_who_name(const struct sr_identity *identity, char out[SR_NAME_MAX + 8]);

/** sr_who_prefix(identity, resource): the longest literal prefix that every path it may touch has; "" for anything. OUT
 *  holds SR_PATH_MAX + 1. */
void sr_who_prefix(const struct sr_identity *identity, enum sr_resource resource, char *out);

/** sr_who_still(caller, tx, now, not_before_ms, err): whether the identity holds now: the row is what it was at login,
 *  nothing has ended, no ancestor was revoked, uses are left. CKR_USER_NOT_LOGGED_IN with the reason, or the store's
 *  trouble. */
CK_RV sr_who_still(const struct sr_caller *caller, struct sr_tx *tx, const struct sr_now *now, int64_t not_before_ms,
	struct sr_error *err);

/** sr_who_count_use(caller, write, used, err): one use of the token and of each ancestor that has a limit, in this
 *  transaction; SR_REASON_USED_UP when one has none left. USED is the token's own count then (0: it has no limit), which
 *  sr_who_remember_uses keeps once the transaction is committed. */
CK_RV sr_who_count_use(const struct sr_caller *caller, struct sr_write *write, uint64_t *used, struct sr_error *err);
void sr_who_remember_uses(struct sr_identity *identity, uint64_t used);

/** sr_who_uses_agree(vault, tx, token, err): the use table agrees with the events that counted (a use that was "given
 *  back" is refused as ROW_STALE). Linear in the uses: asked at login, not at each call. */
CK_RV sr_who_uses_agree(struct sr_vault *vault, struct sr_tx *tx, const struct sr_token_row *token, struct sr_error *err);

/** sr_need_duty(caller, duty, what, err): CKR_OK, or CKR_ACTION_PROHIBITED / ROLE_NOT_ALLOWED with WHAT in the line. */
CK_RV sr_need_duty(const struct sr_caller *caller, uint32_t duty, const char *what, struct sr_error *err);

#endif
