/* The policies as they are, none left out; and how many may approve. */
#include "vault/policies.h"

#include "audit/state.h"

#include <stdlib.h>

struct sr_need sr_policy_row_need(const struct sr_policy_row *row)
{
	return (struct sr_need){ .approvals = row->approvals,
		.delay_ms = row->delay_ms,
		.timeout_ms = row->timeout_ms,
		.break_glass = row->break_glass,
		.each_use = row->each_use };
}

struct listing {
	struct sr_vault *vault;
	const struct sr_moment *at;
	struct sr_policies *policies;
	unsigned approvers;
	CK_RV rv;
	struct sr_error *err;
};

static bool take_policy(const struct sr_policy_row *row, void *ctx)
{
	struct listing *listing = ctx;
	struct sr_policies *policies = listing->policies;
	listing->rv = sr_rows_check_policy(listing->vault, listing->at, row, listing->err);
	if (listing->rv == CKR_OK && policies->count == SR_POLICIES_MAX)
		listing->rv = sr_fail(listing->err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"there are more than %d policies; restore the database from a backup", SR_POLICIES_MAX);
	if (listing->rv != CKR_OK)
		return false;
	struct sr_policy_row *kept = &policies->rows[policies->count];
	*kept = *row;
	policies->rules[policies->count++] = (struct sr_rule){ kept->glob, kept->tier, sr_policy_row_need(kept) };
	return true;
}

/* A list shows what is there. What somebody took out of the database, or out of the active ones, is missing in the
 * count alone. */
static CK_RV check_count(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_policies *policies, struct sr_error *err)
{
	uint64_t count = 0;
	CK_RV rv = sr_state_get(vault->store, at, SR_POLICIES_SUBJECT, &count, err);
	if (rv == CKR_OK && policies->count + 1 != (count ? count : 1))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
			"there are %zu policies and should be %llu; run: strongroom audit verify", policies->count,
			(unsigned long long)(count ? count - 1 : 0));
	return rv;
}

CK_RV sr_policies_load(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_policies *policies, struct sr_error *err)
{
	struct listing listing = { .vault = vault, .at = at, .policies = policies, .rv = CKR_OK, .err = err };
	*policies = (struct sr_policies){ .rows = calloc(SR_POLICIES_MAX, sizeof(*policies->rows)),
		.rules = calloc(SR_POLICIES_MAX, sizeof(*policies->rules)) };
	if (!policies->rows || !policies->rules)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look at the policies");
	CK_RV rv = vault->store->ops->policy_list(at->tx, SR_TIER_COUNT, take_policy, &listing, err);
	if (listing.rv != CKR_OK)
		return listing.rv;
	return rv == CKR_OK ? check_count(vault, at, policies, err) : rv;
}

void sr_policies_clear(struct sr_policies *policies)
{
	free(policies->rows);
	free(policies->rules);
	*policies = (struct sr_policies){ .count = 0 };
}

static bool count_approver(const struct sr_member_row *row, void *ctx)
{
	struct listing *listing = ctx;
	listing->rv = sr_rows_check_member(listing->vault, listing->at, row, listing->err);
	listing->approvers += row->active && (sr_role_duties(row->role) & SR_DUTY_APPROVE);
	return listing->rv == CKR_OK;
}

CK_RV sr_policies_approvers(struct sr_vault *vault, const struct sr_moment *at, unsigned *count, struct sr_error *err)
{
	struct listing listing = { .vault = vault, .at = at, .rv = CKR_OK, .err = err };
	CK_RV rv = vault->store->ops->member_list(at->tx, count_approver, &listing, err);
	*count = listing.approvers;
	return listing.rv != CKR_OK ? listing.rv : rv;
}
