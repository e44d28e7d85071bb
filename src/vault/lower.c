/* Lowering a tier. */
#include "vault/lower.h"

#include "vault/approval.h"
#include "vault/policies.h"

#define LOWER_TTL_MS (24ll * 60 * 60 * 1000) /* how long what was approved may wait to be done */

static struct sr_request request_of(const struct sr_lowering *lowering)
{
	return (struct sr_request){ .kind = SR_APPROVAL_TIER,
		.target = lowering->subject,
		.change = sr_tier_name(lowering->to),
		.base = lowering->base,
		.path = lowering->path,
		.tier = lowering->from,
		.ttl_ms = LOWER_TTL_MS,
		.reason = "" };
}

static CK_RV need_at(struct sr_vault *vault, const struct sr_moment *at, const struct sr_lowering *lowering,
	struct sr_need *need, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	CK_RV rv = sr_policies_load(vault, at, &policies, err);
	if (rv == CKR_OK)
		*need = sr_need_of_path(policies.rules, policies.count, lowering->from, lowering->path);
	sr_policies_clear(&policies);
	return rv;
}

CK_RV sr_lower_gate(const struct sr_caller *caller, const struct sr_lowering *lowering, struct sr_error *err)
{
	struct sr_request request = request_of(lowering);
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = need_at(caller->vault, &at, lowering, &request.need, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv == CKR_OK ? sr_approval_gate(caller, &request, err) : rv;
}

CK_RV sr_lower_passes(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_lowering *lowering,
	struct sr_error *err)
{
	struct sr_request request = request_of(lowering);
	char id[SR_ID_MAX];
	CK_RV rv = need_at(caller->vault, at, lowering, &request.need, err);
	return rv == CKR_OK ? sr_approval_passes(caller, at, &request, id, err) : rv;
}
