/* What an identity may do, and whether it still holds. */
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

uint32_t sr_who_actions(const struct sr_identity *identity, enum sr_resource resource, const char *path)
{
	if (identity->type == SR_IDENTITY_MEMBER)
		return sr_role_actions(identity->member.role, resource);
	return sr_scopes_actions(&identity->scopes, resource, path);
}

uint32_t sr_who_duties(const struct sr_identity *identity)
{
	return identity->type == SR_IDENTITY_MEMBER ? sr_role_duties(identity->member.role) : 0;
}

enum sr_tier sr_who_clearance(const struct sr_identity *identity)
{
	return identity->type == SR_IDENTITY_TOKEN ? identity->token.clearance : SR_TIER_STANDARD;
}

void sr_who_name(const struct sr_identity *identity, char out[SR_NAME_MAX + 8])
{
	if (identity->type == SR_IDENTITY_MEMBER)
		snprintf(out, SR_NAME_MAX + 8, "member:%s", identity->member.name);
	else
		snprintf(out, SR_NAME_MAX + 8, "token:%s", identity->token.id);
}

static size_t common_prefix(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t n = 0;
	while (n < alen && n < blen && a[n] == b[n])
		n++;
	return n;
}

void sr_who_prefix(const struct sr_identity *identity, enum sr_resource resource, char *out)
{
	const char *first = NULL;
	size_t len = 0;
	for (size_t i = 0; identity->type == SR_IDENTITY_TOKEN && i < identity->scopes.count; i++) {
		const struct sr_scope *scope = &identity->scopes.items[i];
		if (scope->resource != resource)
			continue;
		size_t literal = sr_glob_literal_prefix(scope->glob);
		len = first ? common_prefix(first, len, scope->glob, literal) : literal;
		first = scope->glob;
	}
	if (first)
		memcpy(out, first, len);
	out[len] = '\0';
}

CK_RV sr_need_duty(const struct sr_caller *caller, uint32_t duty, const char *what, struct sr_error *err)
{
	if ((sr_who_duties(caller->identity) & duty) == duty)
		return CKR_OK;
	return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_ROLE_NOT_ALLOWED,
		"your login may not %s; log in as a member whose role may (docs/roles)", what);
}

/* -- does it still hold? ---------------------------------------------------------------------------------------- */

static CK_RV lapsed(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_USER_NOT_LOGGED_IN, reason, "the login has ended: %s; log in with another token", why);
}

static CK_RV count_uses(struct sr_vault *vault, struct sr_tx *tx, const struct sr_token_row *token, uint64_t *used,
	struct sr_error *err)
{
	*used = 0;
	return token->max_uses ? vault->store->ops->use_count(tx, token->id, used, err) : CKR_OK;
}

/* One token of the line from the login's own up to the first ancestor. */
static CK_RV token_holds(struct sr_vault *vault, struct sr_tx *tx, const struct sr_token_row *token,
	const struct sr_now *now, int64_t not_before_ms, struct sr_error *err)
{
	uint64_t used;
	if (token->state != SR_TOKEN_ACTIVE)
		return lapsed(err, SR_REASON_REVOKED, "the token was revoked");
	if (sr_end_passed(&token->end, now, not_before_ms))
		return lapsed(err, SR_REASON_EXPIRED, "the token has expired");
	CK_RV rv = count_uses(vault, tx, token, &used, err);
	if (rv == CKR_OK && token->max_uses && used >= token->max_uses)
		return lapsed(err, SR_REASON_USED_UP, "the token is used up");
	return rv;
}

/* Every ancestor, from the parent up, each verified; VISIT says whether to go on. */
typedef CK_RV (*ancestor_fn)(struct sr_vault *vault, const struct sr_token_row *ancestor, void *ctx, struct sr_error *err);

static CK_RV each_ancestor(struct sr_vault *vault, struct sr_tx *tx, const struct sr_token_row *token, ancestor_fn visit,
	void *ctx, struct sr_error *err)
{
	char parent[SR_ID_MAX];
	memcpy(parent, token->parent, sizeof(parent));
	for (int depth = 0; parent[0]; depth++) {
		struct sr_token_row row = { 0 };
		bool found = false;
		if (depth == 4)
			return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "a token has too many ancestors");
		CK_RV rv = sr_rows_token(vault, tx, parent, &row, &found, err);
		if (rv == CKR_OK && !found)
			rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "a token's parent is gone");
		if (rv == CKR_OK)
			rv = visit(vault, &row, ctx, err);
		memcpy(parent, row.parent, sizeof(parent));
		sr_token_row_clear(&row);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

struct holding {
	struct sr_tx *tx;
	const struct sr_now *now;
	int64_t not_before_ms;
};

static CK_RV ancestor_holds(struct sr_vault *vault, const struct sr_token_row *ancestor, void *ctx, struct sr_error *err)
{
	const struct holding *at = ctx;
	return token_holds(vault, at->tx, ancestor, at->now, at->not_before_ms, err);
}

static CK_RV token_still(const struct sr_caller *caller, struct sr_tx *tx, const struct holding *at,
	struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	struct sr_token_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_token(caller->vault, tx, who->token.id, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = lapsed(err, SR_REASON_REVOKED, "the token is gone");
	if (rv == CKR_OK && !sr_allowed_peer(&who->allowed, caller->peer))
		rv = lapsed(err, SR_REASON_ADDRESS_NOT_ALLOWED, "the token may not be used from here");
	if (rv == CKR_OK)
		rv = token_holds(caller->vault, tx, &row, at->now, at->not_before_ms, err);
	if (rv == CKR_OK && row.mark.event_id != who->token.mark.event_id)
		rv = lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the token was changed");
	if (rv == CKR_OK)
		rv = each_ancestor(caller->vault, tx, &row, ancestor_holds, (void *)at, err);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV member_still(const struct sr_caller *caller, struct sr_tx *tx, struct sr_error *err)
{
	const struct sr_member_row *known = &caller->identity->member;
	struct sr_member_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_member(caller->vault, tx, known->name, &row, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || !row.active)
		return lapsed(err, SR_REASON_REVOKED, "the member was removed");
	if (row.role != known->role)
		return lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the member's role was changed");
	return CKR_OK;
}

CK_RV sr_who_still(const struct sr_caller *caller, struct sr_tx *tx, const struct sr_now *now, int64_t not_before_ms,
	struct sr_error *err)
{
	struct holding at = { tx, now, not_before_ms };
	if (caller->identity->type == SR_IDENTITY_MEMBER)
		return member_still(caller, tx, err);
	return token_still(caller, tx, &at, err);
}

/* -- uses ------------------------------------------------------------------------------------------------------- */

static CK_RV count_one(struct sr_vault *vault, struct sr_write *write, const struct sr_token_row *token, uint64_t *used,
	struct sr_error *err)
{
	CK_RV rv = count_uses(vault, write->tx, token, used, err);
	if (rv != CKR_OK || token->max_uses == 0)
		return rv;
	if (*used >= token->max_uses)
		return lapsed(err, SR_REASON_USED_UP, "the token is used up");
	(*used)++;
	return vault->store->ops->use_put(write->tx, token->id, *used, write->event_id, err);
}

static CK_RV count_ancestor(struct sr_vault *vault, const struct sr_token_row *ancestor, void *ctx, struct sr_error *err)
{
	uint64_t used;
	return count_one(vault, ctx, ancestor, &used, err);
}

/* Uses only grow: a smaller count than this process has seen committed is somebody else's hand in the database. */
static CK_RV check_growth(struct sr_identity *who, uint64_t used, struct sr_error *err)
{
	if (used > atomic_load(&who->most_uses))
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_STALE,
		"token:%s: a use was taken out of the database; run: strongroom audit verify", who->token.id);
}

CK_RV sr_who_count_use(const struct sr_caller *caller, struct sr_write *write, uint64_t *used, struct sr_error *err)
{
	struct sr_identity *who = caller->identity;
	*used = 0;
	if (who->type != SR_IDENTITY_TOKEN)
		return CKR_OK;
	CK_RV rv = count_one(caller->vault, write, &who->token, used, err);
	if (rv == CKR_OK && *used)
		rv = check_growth(who, *used, err);
	if (rv == CKR_OK)
		rv = each_ancestor(caller->vault, write->tx, &who->token, count_ancestor, write, err);
	return rv;
}

void sr_who_remember_uses(struct sr_identity *who, uint64_t used)
{
	uint64_t most = atomic_load(&who->most_uses);
	while (used > most && !atomic_compare_exchange_weak(&who->most_uses, &most, used))
		;
}

struct used_below {
	struct sr_vault *vault;
	struct sr_tx *tx;
	struct sr_error *err;
	int depth;
	uint64_t events;
	CK_RV rv;
};

static bool add_used_by(const struct sr_token_row *token, void *ctx)
{
	struct used_below *sum = ctx;
	uint64_t own = 0;
	sum->rv = sum->depth > 4 ? sr_fail(sum->err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "tokens nest too deep")
				 : sum->vault->store->ops->use_events(sum->tx, token->id, &own, sum->err);
	if (sum->rv != CKR_OK)
		return false;
	sum->events += own;
	sum->depth++;
	CK_RV rv = sum->vault->store->ops->token_children(sum->tx, token->id, add_used_by, sum, sum->err);
	sum->depth--;
	if (sum->rv == CKR_OK)
		sum->rv = rv;
	return sum->rv == CKR_OK;
}

CK_RV sr_who_uses_agree(struct sr_vault *vault, struct sr_tx *tx, const struct sr_token_row *token, struct sr_error *err)
{
	struct used_below sum = { vault, tx, err, 0, 0, CKR_OK };
	uint64_t used;
	if (token->max_uses == 0)
		return CKR_OK;
	CK_RV rv = count_uses(vault, tx, token, &used, err);
	if (rv != CKR_OK)
		return rv;
	add_used_by(token, &sum);
	if (sum.rv == CKR_OK && sum.events != used)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_STALE,
			"token:%s: the audit counts %llu uses and the use table %llu; run: strongroom audit verify", token->id,
			(unsigned long long)sum.events, (unsigned long long)used);
	return sum.rv;
}
