#include "vault/each_use.h"

#include "vault/key.h"
#include "vault/policies.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

#define USE_TTL_MS (60ll * 60 * 1000) /* how long an approval waits for its use */

static CK_RV load_need(struct sr_vault *vault, const struct sr_moment *at, const char *path, enum sr_tier tier,
	struct sr_need *need, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	CK_RV rv = sr_policies_load(vault, at, &policies, err);
	if (rv == CKR_OK)
		*need = sr_need_of_path(policies.rules, policies.count, tier, path);
	sr_policies_clear(&policies);
	return rv;
}

static CK_RV look_up_need(struct sr_vault *vault, const struct sr_key *key, struct sr_need *need, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = load_need(vault, &at, key->path, key->inside->tier, need, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

CK_RV sr_each_use_asked(struct sr_vault *vault, const struct sr_moment *at, const struct sr_key_row *row, bool *asked,
	struct sr_error *err)
{
	struct sr_need need = { .each_use = false };
	CK_RV rv = sr_part_base(row->part) == SR_PART_PRIVATE ? load_need(vault, at, row->path, row->tier, &need, err)
							      : CKR_OK;
	*asked = rv == CKR_OK && need.each_use;
	return rv;
}

/* What names one use: the key as it is, and who asks. */
static void fill_request(struct sr_each_use *use, const struct sr_caller *caller, const struct sr_need *need)
{
	const struct sr_key *key = use->key;
	snprintf(use->target, sizeof(use->target), "private:%s", key->path);
	sr_who_name(caller->identity, use->change);
	use->request = (struct sr_request){ .kind = SR_APPROVAL_USE,
		.target = use->target,
		.change = use->change,
		.base = key->inside->made_by,
		.path = key->path,
		.tier = key->inside->tier,
		.need = *need,
		.ttl_ms = USE_TTL_MS,
		.reason = "one use of this private key" };
}

/* A slot with a token of its own goes on under another one: nobody asks for what their scope does not cover. */
static bool may_ask(const struct sr_caller *caller, const struct sr_key *key)
{
	return sr_key_actions(caller, key->path) && key->inside->tier <= sr_who_clearance(caller->identity);
}

CK_RV sr_each_use_gate(
	const struct sr_caller *caller, const struct sr_key *key, struct sr_each_use *use, struct sr_error *err)
{
	struct sr_need need;
	*use = (struct sr_each_use){ .key = key };
	if (!key->path[0] || key->object_class != CKO_PRIVATE_KEY)
		return CKR_OK;
	CK_RV rv = look_up_need(caller->vault, key, &need, err);
	if (rv != CKR_OK || !need.each_use)
		return rv;
	if (!may_ask(caller, key))
		return sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_OUT_OF_SCOPE,
			"not asked for: your login does not cover this key");
	use->needed = true;
	fill_request(use, caller, &need);
	return sr_approval_gate(caller, &use->request, err);
}

/* -- inside the job ---------------------------------------------------------------------------------------------- */

static CK_RV spend(const struct sr_caller *caller, struct sr_moment *at, struct sr_event *event,
	const struct sr_each_use *use, struct sr_error *err)
{
	char id[SR_ID_MAX];
	CK_RV rv = sr_approval_passes(caller, at, &use->request, id, err);
	return rv == CKR_OK ? sr_approval_spend(caller, at, event, id, err) : rv;
}

static CK_RV check_unasked(
	const struct sr_caller *caller, struct sr_moment *at, const struct sr_key *key, struct sr_error *err)
{
	struct sr_need need = { .each_use = false };
	CK_RV rv = CKR_OK;
	if (key->path[0] && key->object_class == CKO_PRIVATE_KEY)
		rv = load_need(caller->vault, at, key->path, key->inside->tier, &need, err);
	if (rv == CKR_OK && need.each_use)
		rv = sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED,
			"not done: a policy has just come to ask for an approval of each use; try again");
	return rv;
}

CK_RV sr_each_use_spend(const struct sr_caller *caller, struct sr_moment *at, struct sr_event *event,
	const struct sr_each_use *use, struct sr_error *err)
{
	return use->needed ? spend(caller, at, event, use, err) : check_unasked(caller, at, use->key, err);
}

/* Under the root that the key was opened under the policies are what they were then. */
CK_RV sr_each_use_unasked(
	const struct sr_caller *caller, struct sr_moment *at, const struct sr_key *key, struct sr_error *err)
{
	if (key->always_authenticate || memcmp(key->inside->root, at->root, sizeof(at->root)) == 0)
		return CKR_OK;
	return check_unasked(caller, at, key, err);
}
