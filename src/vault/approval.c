/* What a request stands at, and what a token needs before it is good. */
#include "vault/approval.h"

#include "vault/policies.h"

#include <string.h>

enum sr_stand sr_approval_stand(const struct sr_approval_row *row, const struct sr_moment *at)
{
	switch (row->state) {
	case SR_APPROVAL_PENDING:
		return sr_end_passed(&row->deadline, &at->now, at->not_before_ms) ? SR_STAND_TIMED_OUT
										  : SR_STAND_PENDING;
	case SR_APPROVAL_APPROVED:
		if (sr_end_passed(&row->end, &at->now, at->not_before_ms))
			return SR_STAND_EXPIRED;
		return row->delay_ms == 0 || sr_delay_over(&row->ready, &at->now) ? SR_STAND_READY : SR_STAND_DELAYED;
	case SR_APPROVAL_IN_EFFECT:
		return sr_end_passed(&row->end, &at->now, at->not_before_ms) ? SR_STAND_EXPIRED : SR_STAND_IN_EFFECT;
	case SR_APPROVAL_DENIED:
		return SR_STAND_DENIED;
	case SR_APPROVAL_CANCELED:
		return SR_STAND_CANCELED;
	case SR_APPROVAL_TIMED_OUT:
		return SR_STAND_TIMED_OUT;
	default:
		return SR_STAND_EXPIRED;
	}
}

const char *sr_stand_word(enum sr_stand stand)
{
	static const char *const words[SR_STAND_COUNT] = { "pending", "approved", "approved", "approved", "denied",
		"canceled", "timed_out", "expired" };
	return (unsigned)stand < SR_STAND_COUNT ? words[stand] : "unknown";
}

/* -- what a token needs ------------------------------------------------------------------------------------------ */

/** struct reach: the search for the highest tier that one scope reaches. */
struct reach {
	struct sr_vault *vault;
	const struct sr_moment *at;
	const struct sr_scope *scope;
	enum sr_tier *highest;
	CK_RV rv;
	struct sr_error *err;
};

static void raise_tier(struct reach *reach, enum sr_tier tier)
{
	if (tier > *reach->highest)
		*reach->highest = tier;
}

static void reach_secret(struct reach *reach, const char *path)
{
	struct sr_secret_row row = { .version = 0 };
	bool found = false;
	reach->rv = sr_rows_secret(reach->vault, reach->at, path, &row, &found, reach->err);
	if (reach->rv == CKR_OK && found && row.state == SR_SECRET_ACTIVE)
		raise_tier(reach, row.tier);
	sr_secret_row_clear(&row);
}

static bool reach_part(const struct sr_key_row *row, void *ctx)
{
	struct reach *reach = ctx;
	reach->rv = sr_rows_check_key(reach->vault, reach->at, row, reach->err);
	if (reach->rv == CKR_OK && row->state == SR_KEY_ACTIVE)
		raise_tier(reach, row->tier);
	return reach->rv == CKR_OK;
}

/* What the index says can only raise what is needed, and only where the row itself, verified, says so too. Who hides a
 * row from the index, or has it say a lower tier, gets a token of a lower clearance, and that is compared with the
 * verified row at each use: nothing is gained. */
static bool reach_path(const char *path, enum sr_tier tier, void *ctx)
{
	struct reach *reach = ctx;
	if (tier <= *reach->highest || !sr_glob_match(reach->scope->glob, path))
		return true;
	if (reach->scope->resource == SR_RESOURCE_SECRETS) {
		reach_secret(reach, path);
	} else {
		CK_RV rv = reach->vault->store->ops->key_parts(reach->at->tx, path, reach_part, reach, reach->err);
		reach->rv = reach->rv != CKR_OK ? reach->rv : rv;
	}
	return reach->rv == CKR_OK && *reach->highest < SR_TIER_CRITICAL;
}

static CK_RV reach_scope(struct sr_vault *vault, const struct sr_moment *at, const struct sr_scope *scope,
	enum sr_tier *highest, struct sr_error *err)
{
	struct reach reach = { vault, at, scope, highest, CKR_OK, err };
	char prefix[SR_PATH_MAX + 1];
	size_t len = sr_glob_literal_prefix(scope->glob);
	if (scope->resource == SR_RESOURCE_TOKENS || !(scope->actions & ~(uint32_t)SR_ACTION_LIST))
		return CKR_OK;
	memcpy(prefix, scope->glob, len);
	prefix[len] = '\0';
	CK_RV rv = vault->store->ops->tier_list(at->tx, prefix, reach_path, &reach, err);
	return reach.rv != CKR_OK ? reach.rv : rv;
}

CK_RV sr_approval_need(struct sr_vault *vault, const struct sr_moment *at, const struct sr_scopes *scopes,
	enum sr_tier *clearance, struct sr_need *need, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	CK_RV rv = CKR_OK;
	*clearance = SR_TIER_STANDARD;
	for (size_t i = 0; rv == CKR_OK && i < scopes->count; i++)
		rv = reach_scope(vault, at, &scopes->items[i], clearance, err);
	if (rv == CKR_OK)
		rv = sr_policies_load(vault, at, &policies, err);
	if (rv == CKR_OK)
		*need = sr_need_of_scopes(policies.rules, policies.count, *clearance, scopes);
	sr_policies_clear(&policies);
	return rv;
}
