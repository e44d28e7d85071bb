/* What an agent or a token passes on when it issues a token: never more than it has (docs/scopes.md, Delegation). */
#include "vault/approval.h"
#include "vault/freeze.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/* -- who issues tokens ------------------------------------------------------------------------------------------- */

static bool is_issue(const struct sr_scope *scope)
{
	return scope->resource == SR_RESOURCE_TOKENS && (scope->actions & SR_ACTION_ISSUE) != 0;
}

static CK_RV token_may(const struct sr_identity *who, struct sr_error *err)
{
	for (size_t i = 0; i < who->scopes.count; i++) {
		if (is_issue(&who->scopes.items[i]))
			return CKR_OK;
	}
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_OUT_OF_SCOPE,
		"token not issued: your token has no scope tokens:issue; ask for one that has");
}

CK_RV sr_mint_may(const struct sr_caller *caller, struct sr_error *err)
{
	switch (caller->identity->type) {
	case SR_IDENTITY_MEMBER:
		return sr_need_duty(caller, SR_DUTY_TOKENS, CKR_TOKEN_WRITE_PROTECTED, "issue tokens", err);
	case SR_IDENTITY_TOKEN:
		return token_may(caller->identity, err);
	default:
		return CKR_OK;
	}
}

/* -- the ceiling ------------------------------------------------------------------------------------------------- */

/* What an issuer has, and so can give. No bound: MAX_USES 0, MAX_TTL_MS 0. WHOSE NULL: a member, who has no ceiling. */
struct ceiling {
	const char *whose;
	uint64_t max_uses;
	int64_t max_ttl_ms;
	const struct sr_buf *allowed_ips;
};

static struct ceiling ceiling_of(const struct sr_identity *who)
{
	const struct sr_agent_row *agent = &who->agent;
	const struct sr_token_row *token = &who->token;
	switch (who->type) {
	case SR_IDENTITY_AGENT:
		return (struct ceiling){ "the agent", agent->max_uses, agent->max_ttl_ms, &agent->allowed_ips };
	case SR_IDENTITY_TOKEN:
		return (struct ceiling){ "the token that issues it", token->max_uses, 0, &token->allowed_ips };
	default:
		return (struct ceiling){ .whose = NULL };
	}
}

static CK_RV inherit_bounds(struct sr_order *order, const struct ceiling *ceiling, struct sr_error *err)
{
	struct sr_token_row *row = &order->row;
	const char *why;
	if (row->max_uses == 0)
		row->max_uses = ceiling->max_uses;
	if (row->allowed_ips.len > 0 || ceiling->allowed_ips->len == 0)
		return CKR_OK;
	sr_buf_append(&row->allowed_ips, ceiling->allowed_ips->data, ceiling->allowed_ips->len);
	if (row->allowed_ips.failed ||
		!sr_allowed_parse((const char *)row->allowed_ips.data, row->allowed_ips.len, &order->allowed, &why))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to issue a token");
	return CKR_OK;
}

CK_RV sr_mint_inherit(const struct sr_caller *caller, struct sr_order *order, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	struct sr_token_row *row = &order->row;
	const struct ceiling ceiling = ceiling_of(who);
	sr_who_name(who, row->issuer);
	snprintf(row->owner, sizeof(row->owner), "%s", sr_who_owner(who));
	if (who->type == SR_IDENTITY_TOKEN)
		memcpy(row->parent, who->token.id, sizeof(row->parent));
	return ceiling.whose ? inherit_bounds(order, &ceiling, err) : CKR_OK;
}

static CK_RV wider(struct sr_error *err, const char *what, const struct ceiling *ceiling)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING,
		"token not issued: %s %s may give; ask for less", what, ceiling->whose);
}

/* One scope tokens:issue lets the glob pass, and another one has what is passed on: so the right to issue is passed on
 * only where it is held twice. */
static bool may_pass_on(const struct sr_scopes *has, const struct sr_scope *scope)
{
	for (size_t i = 0; i < has->count; i++) {
		if (!is_issue(&has->items[i]) || !sr_glob_contains(has->items[i].glob, scope->glob))
			continue;
		for (size_t k = 0; k < has->count; k++) {
			if (k != i && sr_scope_contains(&has->items[k], scope))
				return true;
		}
	}
	return false;
}

static CK_RV check_scopes(const struct sr_identity *who, const struct sr_order *order, const struct ceiling *ceiling,
	struct sr_error *err)
{
	for (size_t i = 0; i < order->scopes.count; i++) {
		struct sr_scope *scope = &order->scopes.items[i];
		const struct sr_scopes alone = { 1, scope };
		char text[SR_SCOPE_TEXT_MAX], what[160];
		if (who->type == SR_IDENTITY_TOKEN ? may_pass_on(&who->scopes, scope)
						   : sr_scopes_contain(&who->scopes, &alone))
			continue;
		sr_scope_text(scope, text);
		snprintf(what, sizeof(what), "scope %.120s is more than", text);
		return wider(err, what, ceiling);
	}
	return CKR_OK;
}

static CK_RV check_bounds(const struct sr_identity *who, const struct sr_order *order, const struct ceiling *ceiling,
	struct sr_error *err)
{
	const struct sr_token_row *row = &order->row;
	if (ceiling->max_ttl_ms && row->ttl_ms > ceiling->max_ttl_ms)
		return wider(err, "its TTL is longer than", ceiling);
	if (ceiling->max_uses && (row->max_uses == 0 || row->max_uses > ceiling->max_uses))
		return wider(err, "it has more uses than", ceiling);
	if (!sr_allowed_contain(&who->allowed, &order->allowed))
		return wider(err, "it may be used from more addresses than", ceiling);
	return CKR_OK;
}

/* -- the line ---------------------------------------------------------------------------------------------------- */

static bool count_child(const struct sr_token_row *row, void *count)
{
	(void)row;
	return ++*(size_t *)count < SR_CHILDREN_MAX;
}

static CK_RV check_children(const struct sr_caller *caller, const struct sr_moment *at, struct sr_error *err)
{
	size_t count = 0;
	CK_RV rv =
		caller->vault->store->ops->token_children(at->tx, caller->identity->token.id, count_child, &count, err);
	if (rv == CKR_OK && count >= SR_CHILDREN_MAX)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_BEYOND_CEILING,
			"token not issued: your token has issued %d already; ask for another one", SR_CHILDREN_MAX);
	return rv;
}

/* The whole line above stands, and its ends are the child's. */
static CK_RV check_line(
	const struct sr_caller *caller, struct sr_moment *at, struct sr_order *order, struct sr_error *err)
{
	const struct sr_token_row *parent = &caller->identity->token;
	CK_RV rv = sr_who_line_stands(caller->vault, at, parent, &order->line, err);
	if (rv == CKR_OK && order->line.tokens >= SR_LINE_MAX)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_BEYOND_CEILING,
			"token not issued: your token is the last of a line of %d; ask for one that was issued to "
			"somebody nearer",
			SR_LINE_MAX);
	return rv == CKR_OK ? check_children(caller, at, err) : rv;
}

static CK_RV check_ceiling(
	const struct sr_caller *caller, struct sr_moment *at, struct sr_order *order, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	const struct ceiling ceiling = ceiling_of(who);
	CK_RV rv;
	if (!ceiling.whose)
		return CKR_OK;
	if ((rv = check_scopes(who, order, &ceiling, err)) != CKR_OK ||
		(rv = check_bounds(who, order, &ceiling, err)) != CKR_OK)
		return rv;
	if (who->type == SR_IDENTITY_TOKEN)
		return check_line(caller, at, order, err);
	if (who->agent.end.wall_ms)
		order->line.ends[order->line.count++] = who->agent.end;
	return CKR_OK;
}

/* -- the need ---------------------------------------------------------------------------------------------------- */

/* A child rests on what its parent was approved for, and needs no approval of its own. */
static CK_RV check_need(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_order *order, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	enum sr_tier *clearance = &order->row.clearance;
	struct sr_need *need = &order->need;
	CK_RV rv = sr_approval_need(caller->vault, at, &order->scopes, clearance, need, err);
	if (rv != CKR_OK)
		return rv;
	bool child = who->type == SR_IDENTITY_TOKEN;
	if (child && *clearance > who->token.clearance)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_APPROVAL_REQUIRED,
			"token not issued: its scopes reach what is %s, and your token is cleared for %s; ask for an "
			"approved one",
			sr_tier_name(*clearance), sr_tier_name(who->token.clearance));
	if (child && !order->wants_approval)
		need->approvals = 0;
	else if (need->approvals == 0 && (order->wants_approval || *clearance > SR_TIER_STANDARD))
		need->approvals = 1;
	return CKR_OK;
}

CK_RV sr_mint_check(const struct sr_caller *caller, struct sr_moment *at, struct sr_order *order, struct sr_error *err)
{
	CK_RV rv;
	order->line = (struct sr_line){ .count = 0 };
	if ((rv = sr_mint_may(caller, err)) != CKR_OK || (rv = check_ceiling(caller, at, order, err)) != CKR_OK ||
		(rv = sr_freeze_check_scopes(caller->vault, at, &order->scopes, CKR_TOKEN_WRITE_PROTECTED, err)) !=
			CKR_OK)
		return rv;
	return check_need(caller, at, order, err);
}
