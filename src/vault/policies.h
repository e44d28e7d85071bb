/* The policies as they are at a moment. Private to this folder. */
#ifndef SR_VAULT_POLICIES_H
#define SR_VAULT_POLICIES_H

#include "policy/need.h"
#include "vault/core.h"

/** struct sr_policies: the active ones as rules (their globs are the rows'). */
struct sr_policies {
	struct sr_policy_row *rows;
	struct sr_rule *rules;
	size_t count;
};

/** sr_policies_load(vault, at, policies, err): each row verified, and as many as there must be: one that was taken out
 *  of the database is missed (CKR_DEVICE_ERROR / ROW_MISSING). sr_policies_clear(policies) in any case. */
CK_RV sr_policies_load(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_policies *policies, struct sr_error *err);
void sr_policies_clear(struct sr_policies *policies);

/** sr_policies_approvers(vault, at, count, err): the active members whose role may approve. */
CK_RV sr_policies_approvers(struct sr_vault *vault, const struct sr_moment *at, unsigned *count, struct sr_error *err);

/** sr_policy_row_need(row): what it says. */
struct sr_need sr_policy_row_need(const struct sr_policy_row *row);

#endif
