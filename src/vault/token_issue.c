/* Issuing a token: what is asked for, its approval, and the act. */
#include "policy/duration.h"
#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/grant.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/* -- the template ------------------------------------------------------------------------------------------------ */

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "token not issued: bad %s: %s", what, why);
}

static CK_RV take_ttl(struct sr_order *order, const struct sr_attrs *template, int64_t max_ms, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_TTL);
	uint64_t seconds, max = (uint64_t)max_ms / 1000;
	char longest[24], why[96];
	sr_duration_text(max, longest);
	snprintf(why, sizeof(why), "it must be between 1s and %s%s", longest,
		max_ms < SR_TOKEN_TTL_MAX_MS ? ", this vault's max-ttl" : "");
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_DURATION,
			"token not issued: it has no TTL; %s", why);
	if (!sr_text_u64((const char *)attr->value, attr->len, max, &seconds) || seconds == 0)
		return bad(err, SR_REASON_BAD_DURATION, "TTL", why);
	order->row.ttl_ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static bool is_word(const struct sr_attr *attr, const char *word)
{
	return attr->len == strlen(word) && memcmp(attr->value, word, attr->len) == 0;
}

static CK_RV take_wish(struct sr_order *order, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_REQUIRE_APPROVAL);
	order->wants_approval = attr && is_word(attr, "true");
	if (attr && !order->wants_approval && !is_word(attr, "false"))
		return bad(err, SR_REASON_BAD_TEMPLATE, "wish for approval", "it is true or false");
	return CKR_OK;
}

/* ORDER's texts, parsed: they are what was just written. */
static CK_RV parse_texts(struct sr_order *order, struct sr_error *err)
{
	const struct sr_buf *scopes = &order->row.scopes, *allowed = &order->row.allowed_ips;
	const char *why;
	if (sr_scopes_parse((const char *)scopes->data, scopes->len, &order->scopes, &why) &&
		sr_allowed_parse((const char *)allowed->data, allowed->len, &order->allowed, &why))
		return CKR_OK;
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to issue a token");
}

static CK_RV take_template(
	struct sr_order *order, const struct sr_attrs *template, int64_t max_ttl_ms, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_SCOPES, CKA_SR_TTL,
		CKA_SR_MAX_USES, CKA_SR_ALLOWED_IPS, CKA_SR_DESCRIPTION, CKA_SR_REQUIRE_APPROVAL };
	const struct sr_grant grant = { template, "token not issued" };
	struct sr_token_row *row = &order->row;
	CK_RV rv;
	if ((rv = sr_grant_only(&grant, types, sizeof(types) / sizeof(*types), err)) != CKR_OK ||
		(rv = sr_grant_scopes(&grant, &row->scopes, err)) != CKR_OK ||
		(rv = take_ttl(order, template, max_ttl_ms, err)) != CKR_OK ||
		(rv = sr_grant_number(&grant, CKA_SR_MAX_USES, SR_GRANT_USES_MAX, SR_REASON_BAD_NUMBER, &row->max_uses,
			 err)) != CKR_OK ||
		(rv = sr_grant_allowed(&grant, &row->allowed_ips, err)) != CKR_OK ||
		(rv = sr_grant_description(&grant, &row->description, err)) != CKR_OK ||
		(rv = take_wish(order, template, err)) != CKR_OK)
		return rv;
	return parse_texts(order, err);
}

/* -- the approval ------------------------------------------------------------------------------------------------ */

/* Before anybody is asked to approve it, it must be one that may be issued. */
static CK_RV look_first(const struct sr_caller *caller, struct sr_order *order, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_mint_check(caller, &at, order, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

static CK_RV ask_approval(const struct sr_caller *caller, struct sr_order *order, struct sr_error *err)
{
	struct sr_token_row *row = &order->row;
	char target[SR_ID_MAX + 8];
	struct sr_request request = { .kind = SR_APPROVAL_TOKEN,
		.target = target,
		.change = "",
		.path = order->scopes.items[0].glob,
		.tier = row->clearance,
		.need = order->need,
		.ttl_ms = row->ttl_ms,
		.reason = sr_buf_string(&row->description) };
	if (order->need.approvals == 0)
		return CKR_OK;
	snprintf(target, sizeof(target), "token:%s", row->id);
	return sr_approval_request(caller, &request, row->approval, err);
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

/* What it was asked with must still do: by what it reaches now, and by the policies now. */
static CK_RV check_unchanged(
	const struct sr_order *order, const struct sr_need *asked, enum sr_tier cleared, struct sr_error *err)
{
	const struct sr_need *now = &order->need;
	if (order->row.clearance <= cleared &&
		(now->approvals == 0 || (asked->approvals > 0 && !sr_need_looser(asked, now))))
		return CKR_OK;
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_CHANGED_MEANWHILE,
		"token not issued: a tier or policy was changed meanwhile, and it needs more now; ask again");
}

/* With an approval the TTL starts when that is in effect, and the approval's row ends it; this is the latest then. */
static void set_ends(struct sr_order *order, const struct sr_moment *at, const struct sr_need *asked)
{
	struct sr_token_row *row = &order->row;
	const struct sr_now now = sr_moment_now(at);
	row->created_ms = now.wall_ms;
	row->end = sr_end_after(&now, row->ttl_ms + (row->approval[0] ? asked->timeout_ms + asked->delay_ms : 0));
	for (size_t i = 0; i < order->line.count; i++)
		sr_end_cut(&row->end, &order->line.ends[i], &now);
}

/* How a search by path finds it (docs/store.md). */
static CK_RV put_reach(struct sr_vault *vault, struct sr_moment *at, const struct sr_order *order, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < order->scopes.count; i++) {
		struct sr_scope *scope = &order->scopes.items[i];
		char prefix[SR_PATH_MAX + 1];
		if (!sr_token_reaches_by(scope))
			continue;
		sr_token_reach_prefix(scope->glob, prefix);
		rv = vault->store->ops->token_reach_put(at->tx, order->row.id, prefix, err);
	}
	return rv;
}

static CK_RV issue_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_order *order = act->arg;
	const struct sr_need asked = order->need;
	enum sr_tier cleared = order->row.clearance;
	CK_RV rv = sr_mint_check(act->caller, at, order, err);
	if (rv == CKR_OK)
		rv = check_unchanged(order, &asked, cleared, err);
	if (rv != CKR_OK)
		return rv;
	set_ends(order, at, &asked);
	snprintf(act->event.token_id, sizeof(act->event.token_id), "%s", order->row.id);
	rv = sr_rows_put_token(vault, at, &act->event, &order->row, err);
	return rv == CKR_OK ? put_reach(vault, at, order, err) : rv;
}

static CK_RV may_give(const struct sr_caller *caller, const struct sr_order *order, struct sr_error *err)
{
	if (sr_who_may_give(caller->identity, &order->scopes))
		return CKR_OK;
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED,
		"token not issued: it would read values or use keys, and in this vault admins do not "
		"([vault] separation); let an editor issue it");
}

CK_RV sr_token_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct sr_order order = { .row = { .state = SR_TOKEN_ACTIVE } };
	struct sr_act act;
	CK_RV rv;
	sr_act_begin(&act, caller, SR_EVENT_TOKEN_ISSUED, NULL);
	act.run = issue_run;
	act.arg = &order;
	if ((rv = sr_mint_may(caller, err)) == CKR_OK &&
		(rv = take_template(&order, template, caller->vault->max_ttl_ms, err)) == CKR_OK &&
		(rv = may_give(caller, &order, err)) == CKR_OK &&
		(rv = sr_mint_inherit(caller, &order, err)) == CKR_OK &&
		(rv = look_first(caller, &order, err)) == CKR_OK &&
		(rv = sr_token_draw(caller->vault, &order.row, &created->once, err)) == CKR_OK)
		rv = ask_approval(caller, &order, err);
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		memcpy(created->id, order.row.id, sizeof(order.row.id));
	else
		sr_buf_clear(&created->once);
	sr_order_clear(&order);
	return rv;
}
