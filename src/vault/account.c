/* Every row of every table, counted against the state tree. */
#include "vault/account.h"

#include "audit/base.h"
#include "audit/state.h"
#include "store/prune.h"
#include "vault/rekey.h"
#include "vault/rekey_keys.h"
#include "vault/secret.h"
#include "vault/secret_version.h"

#include <stdarg.h>
#include <stdio.h>

/** struct accounting: COUNT: how many subjects of the tree are accounted for. */
struct accounting {
	struct sr_vault *vault;
	const struct sr_moment *at;
	uint64_t base, count;
	sr_account_each each;
	void *ctx;
	CK_RV rv;
	struct sr_error *err;
};

/* VALUE is 0 for what the tree does not know: that decides nothing, and is refused when it is used. */
static uint64_t count_subject(struct accounting *accounting, const char *subject)
{
	uint64_t value = 0;
	if (accounting->rv == CKR_OK)
		accounting->rv =
			sr_state_get(accounting->vault->store, accounting->at, subject, &value, accounting->err);
	accounting->count += accounting->rv == CKR_OK && value > 0;
	return value;
}

/* What is keyed of a row may be noted to be by another generation of the HSM's keys than the first. */
static void count_noted(struct accounting *accounting, enum sr_hashed what, const char *name)
{
	unsigned generation = 0;
	if (accounting->rv == CKR_OK)
		accounting->rv =
			sr_keys_noted(accounting->vault, accounting->at, what, name, &generation, accounting->err);
	accounting->count += accounting->rv == CKR_OK && generation > 0;
}

static bool account(struct accounting *accounting, const char *subject)
{
	uint64_t value = count_subject(accounting, subject);
	if (accounting->rv == CKR_OK && value > 0 && value <= accounting->base)
		accounting->rv = accounting->each(subject, accounting->ctx);
	return accounting->rv == CKR_OK;
}

__attribute__((format(printf, 2, 3))) static bool account_for(struct accounting *accounting, const char *format, ...)
{
	char subject[SR_SUBJECT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(subject, sizeof(subject), format, args);
	va_end(args);
	return account(accounting, subject);
}

/* -- the tables -------------------------------------------------------------------------------------------------- */

/* A version that was destroyed is known by its number; one that is there needs none. */
static bool add_secret(const struct sr_secret_row *row, void *ctx)
{
	struct accounting *accounting = ctx;
	char expired[SR_SUBJECT_MAX];
	sr_secret_expired_subject(row->path, expired);
	account_for(accounting, "secret:%s", row->path);
	count_subject(accounting, expired);
	for (uint64_t number = 1; accounting->rv == CKR_OK && number <= row->version; number++) {
		char subject[SR_VERSION_GONE_MAX];
		sr_version_gone_subject(row->path, number, subject);
		count_subject(accounting, subject);
	}
	return accounting->rv == CKR_OK;
}

static bool add_key(const struct sr_key_row *row, void *ctx)
{
	char subject[SR_SUBJECT_MAX];
	sr_rows_subject_of_key(row->part, row->path, subject);
	count_noted(ctx, SR_HASHED_MATERIAL, subject);
	return account(ctx, subject);
}

static bool add_token(const struct sr_token_row *row, void *ctx)
{
	struct accounting *accounting = ctx;
	char uses[SR_ID_MAX + 8];
	snprintf(uses, sizeof(uses), "use:%s", row->id);
	count_subject(accounting, uses);
	count_noted(accounting, SR_HASHED_TOKEN, row->id);
	return account_for(accounting, "token:%s", row->id);
}

static bool add_member(const struct sr_member_row *row, void *ctx)
{
	count_noted(ctx, SR_HASHED_MEMBER, row->name);
	return account_for(ctx, "member:%s", row->name);
}

static bool add_agent(const struct sr_agent_row *row, void *ctx)
{
	count_noted(ctx, SR_HASHED_AGENT, row->name);
	count_noted(ctx, SR_HASHED_AGENT_OLD, row->name);
	return account_for(ctx, "agent:%s", row->name);
}

static bool add_policy(const struct sr_policy_row *row, void *ctx)
{
	char subject[SR_SUBJECT_MAX];
	sr_rows_policy_subject(row->tier, row->glob, subject);
	return account(ctx, subject);
}

static bool add_approval(const struct sr_approval_row *row, void *ctx)
{
	return account_for(ctx, "approval:%s", row->id);
}

static bool add_rotation(const struct sr_rotation_row *row, void *ctx)
{
	return account_for(ctx, "rotation:%s", row->glob);
}

static bool add_freeze(const struct sr_freeze_row *row, void *ctx)
{
	return account_for(ctx, "freeze:%s", row->path);
}

static bool add_ended(const char *subject, void *ctx)
{
	return account(ctx, subject);
}

static CK_RV add_policies(struct accounting *accounting)
{
	const struct sr_store_ops *ops = accounting->vault->store->ops;
	CK_RV rv = CKR_OK;
	for (unsigned tier = 0; rv == CKR_OK && tier < SR_TIER_COUNT; tier++)
		rv = ops->policy_list(accounting->at->tx, tier, add_policy, accounting, accounting->err);
	return rv;
}

static CK_RV add_tables(struct accounting *accounting)
{
	const struct sr_store_ops *ops = accounting->vault->store->ops;
	struct sr_tx *tx = accounting->at->tx;
	struct sr_error *err = accounting->err;
	CK_RV rv = ops->secret_list(tx, "", add_secret, accounting, err);
	if (rv == CKR_OK)
		rv = ops->key_list(tx, "", SR_PART_COUNT, add_key, accounting, err);
	if (rv == CKR_OK)
		rv = ops->token_list(tx, add_token, accounting, err);
	if (rv == CKR_OK)
		rv = ops->member_list(tx, add_member, accounting, err);
	if (rv == CKR_OK)
		rv = ops->agent_list(tx, add_agent, accounting, err);
	if (rv == CKR_OK)
		rv = add_policies(accounting);
	if (rv == CKR_OK)
		rv = ops->approval_list(tx, add_approval, accounting, err);
	if (rv == CKR_OK)
		rv = ops->rotation_list(tx, add_rotation, accounting, err);
	if (rv == CKR_OK)
		rv = ops->freeze_list(tx, add_freeze, accounting, err);
	if (rv == CKR_OK)
		rv = sr_store_ended(tx, add_ended, accounting, err);
	return rv == CKR_OK ? accounting->rv : rv;
}

/* -- what has no row --------------------------------------------------------------------------------------------- */

static CK_RV add_numbers(struct accounting *accounting)
{
	static const char *const subjects[] = { SR_POLICIES_SUBJECT, SR_ROTATIONS_SUBJECT, SR_FREEZES_SUBJECT,
		SR_CUT_TOKENS, SR_BASE_SUBJECT, SR_PRUNED_SUBJECT };
	uint64_t generations = 0;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		count_subject(accounting, subjects[i]);
	if (accounting->rv == CKR_OK)
		accounting->rv = sr_seal_numbers(accounting->vault, accounting->at, &generations, accounting->err);
	accounting->count += generations;
	if (accounting->rv == CKR_OK)
		accounting->rv = sr_keys_numbers(accounting->vault, accounting->at, &generations, accounting->err);
	accounting->count += generations;
	return accounting->rv;
}

CK_RV sr_account_check(struct sr_vault *vault, const struct sr_moment *at, uint64_t base, sr_account_each each,
	void *ctx, struct sr_error *err)
{
	struct accounting accounting = {
		.vault = vault, .at = at, .base = base, .each = each, .ctx = ctx, .rv = CKR_OK, .err = err
	};
	uint64_t known = 0;
	CK_RV rv = add_tables(&accounting);
	if (rv == CKR_OK)
		rv = add_numbers(&accounting);
	if (rv == CKR_OK)
		rv = sr_state_count(vault->store, at, &known, err);
	if (rv != CKR_OK || known == accounting.count)
		return rv;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
		"%llu rows that removed records made are gone; restore them from a backup",
		(unsigned long long)(known - accounting.count));
}
