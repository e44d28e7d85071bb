/* Tokens as objects: shown, searched, revoked. */
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/* -- showing ---------------------------------------------------------------------------------------------------- */

static const char *state_word(CK_ULONG reason)
{
	switch (reason) {
	case SR_REASON_NONE:
		return "active";
	case SR_REASON_EXPIRED:
		return "expired";
	case SR_REASON_USED_UP:
		return "used_up";
	case SR_REASON_APPROVAL_REQUIRED:
		return "pending";
	case SR_REASON_APPROVAL_DENIED:
		return "denied";
	case SR_REASON_APPROVAL_TIMED_OUT:
		return "timed_out";
	default:
		return "revoked";
	}
}

/* Its own, or what became of an ancestor. */
static CK_RV token_state(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *row,
	const char **state, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_who_line_stands(vault, at, row, NULL, &why);
	if (rv != CKR_OK && rv != CKR_USER_NOT_LOGGED_IN) {
		*err = why;
		return rv;
	}
	*state = state_word(rv == CKR_OK ? SR_REASON_NONE : why.reason);
	return CKR_OK;
}

/* An approved token ends when its approval does. */
static CK_RV token_end(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *row,
	int64_t *wall_ms, struct sr_error *err)
{
	struct sr_approval_row approval;
	bool found = false;
	*wall_ms = row->end.wall_ms;
	if (!row->approval[0])
		return CKR_OK;
	CK_RV rv = sr_rows_approval(vault, at, row->approval, &approval, &found, err);
	if (rv == CKR_OK && found && approval.end.wall_ms && approval.end.wall_ms < *wall_ms)
		*wall_ms = approval.end.wall_ms;
	return rv;
}

static void put_buf(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const struct sr_buf *buf)
{
	if (buf->len)
		sr_attrs_put(attrs, type, buf->data, buf->len);
}

/* What is not always the same. */
static CK_RV put_standing(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	uint64_t uses = 0;
	int64_t end_ms;
	const char *state;
	CK_RV rv;
	if ((rv = sr_who_uses(vault, at, row->id, &uses, err)) != CKR_OK ||
		(rv = token_state(vault, at, row, &state, err)) != CKR_OK ||
		(rv = token_end(vault, at, row, &end_ms, err)) != CKR_OK)
		return rv;
	sr_attrs_put_text(attrs, CKA_SR_STATE, state);
	sr_attrs_put_number(attrs, CKA_SR_USES, uses);
	sr_attrs_put_time(attrs, CKA_SR_EXPIRES_AT, end_ms);
	return CKR_OK;
}

static void put_text(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text[0])
		sr_attrs_put_text(attrs, type, text);
}

static CK_RV token_attrs(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	CK_RV rv = put_standing(vault, at, row, attrs, err);
	if (rv != CKR_OK)
		return rv;
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_TOKEN);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_text(attrs, CKA_LABEL, row->id);
	sr_attrs_put_text(attrs, CKA_SR_ID, row->id);
	put_buf(attrs, CKA_SR_SCOPES, &row->scopes);
	sr_attrs_put_number(attrs, CKA_SR_TTL, (uint64_t)row->ttl_ms / 1000);
	if (row->max_uses)
		sr_attrs_put_number(attrs, CKA_SR_MAX_USES, row->max_uses);
	put_buf(attrs, CKA_SR_ALLOWED_IPS, &row->allowed_ips);
	put_buf(attrs, CKA_SR_DESCRIPTION, &row->description);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_text(attrs, CKA_SR_ISSUER, row->issuer);
	put_text(attrs, CKA_SR_PARENT, row->parent);
	put_text(attrs, CKA_SR_OWNER, row->owner);
	put_text(attrs, CKA_SR_APPROVAL, row->approval);
	sr_attrs_put_text(attrs, CKA_SR_CLEARANCE, sr_tier_name(row->clearance));
	return attrs->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a token") : CKR_OK;
}

/* -- who sees it ------------------------------------------------------------------------------------------------- */

static bool has_duty(const struct sr_caller *caller, uint32_t duty)
{
	return (sr_who_duties(caller->identity) & duty) == duty;
}

/* An agent or a token, and what was issued with it. */
static bool is_issuer(const struct sr_caller *caller, const struct sr_token_row *row)
{
	char name[SR_NAME_MAX + 8];
	if (caller->identity->type == SR_IDENTITY_MEMBER)
		return false;
	sr_who_name(caller->identity, name);
	return strcmp(name, row->issuer) == 0;
}

static bool may_see_some(const struct sr_caller *caller)
{
	return caller->identity->type != SR_IDENTITY_MEMBER || has_duty(caller, SR_DUTY_TOKENS_SEE);
}

static bool may_see(const struct sr_caller *caller, const struct sr_token_row *row)
{
	return has_duty(caller, SR_DUTY_TOKENS_SEE) || is_issuer(caller, row);
}

static CK_RV no_token(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such token for you");
}

static CK_RV token_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_token_row row = { 0 };
	struct sr_moment at;
	bool found = false;
	CK_RV rv = may_see_some(caller) ? sr_writer_look(caller->vault->writer, &at, err) : no_token(err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_token(caller->vault, &at, id, &row, &found, err);
	if (rv == CKR_OK && (!found || !may_see(caller, &row)))
		rv = no_token(err);
	if (rv == CKR_OK)
		rv = token_attrs(caller->vault, &at, &row, &view->attrs, err);
	/* The string was shown once, in the session that issued it; nothing here could show it again. */
	view->value = SR_VALUE_SENSITIVE;
	sr_writer_look_end(caller->vault->writer, &at);
	sr_token_row_clear(&row);
	return rv;
}

/* -- searching -------------------------------------------------------------------------------------------------- */

struct token_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	char reaches[SR_PATH_MAX + 1];
	struct sr_moment at;
	sr_found found;
	void *ctx;
	CK_RV rv;
	struct sr_error *err;
};

/* What is good, or may become so. */
static bool is_live(const struct sr_attrs *attrs)
{
	static const char *const live[] = { "active", "pending" };
	const struct sr_attr *state = sr_attrs_find(attrs, CKA_SR_STATE);
	for (size_t i = 0; state && i < sizeof(live) / sizeof(*live); i++) {
		if (state->len == strlen(live[i]) && memcmp(state->value, live[i], state->len) == 0)
			return true;
	}
	return false;
}

static bool token_reaches(const struct sr_token_row *row, const struct sr_attrs *attrs, const char *path)
{
	struct sr_scopes scopes = { 0 };
	const char *why;
	if (!is_live(attrs) || !sr_scopes_parse((const char *)row->scopes.data, row->scopes.len, &scopes, &why))
		return false;
	bool reaches = sr_scopes_reach(&scopes, path);
	sr_scopes_clear(&scopes);
	return reaches;
}

static bool match_token(const struct sr_token_row *row, void *ctx)
{
	struct token_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	if (!may_see(search->caller, row))
		return true;
	search->rv = sr_rows_check_token(search->caller->vault, &search->at, row, search->err);
	if (search->rv == CKR_OK)
		search->rv = token_attrs(search->caller->vault, &search->at, row, &attrs, search->err);
	bool matches = search->rv == CKR_OK && (!search->reaches[0] || token_reaches(row, &attrs, search->reaches));
	if (matches && search->reaches[0])
		sr_attrs_put(&attrs, CKA_SR_REACHES, search->reaches, strlen(search->reaches));
	bool more = search->rv == CKR_OK;
	if (matches && sr_attrs_match(search->query, &attrs))
		more = search->found(row->id, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

static CK_RV take_reaches(struct token_search *search, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(search->query, CKA_SR_REACHES);
	if (!attr)
		return CKR_OK;
	if (!sr_glob_valid((const char *)attr->value, attr->len))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH, "bad path: %s",
			sr_glob_why((const char *)attr->value, attr->len));
	memcpy(search->reaches, attr->value, attr->len);
	return CKR_OK;
}

static CK_RV search_one(struct token_search *search, const struct sr_attr *id)
{
	struct sr_token_row row = { 0 };
	char text[SR_ID_MAX];
	bool found = false;
	if (id->len == 0 || id->len >= sizeof(text))
		return CKR_OK;
	memcpy(text, id->value, id->len);
	text[id->len] = '\0';
	CK_RV rv = sr_rows_token(search->caller->vault, &search->at, text, &row, &found, search->err);
	if (rv == CKR_OK && found)
		match_token(&row, search);
	sr_token_row_clear(&row);
	return rv;
}

/* By id, by what it may reach, by parent: each an index look-up; the query itself is checked for each row. */
static CK_RV search_rows(struct token_search *search)
{
	const struct sr_store_ops *ops = search->caller->vault->store->ops;
	const struct sr_identity *who = search->caller->identity;
	const struct sr_attr *id = sr_attrs_find(search->query, CKA_SR_ID);
	char prefix[SR_PATH_MAX + 1];
	if (id)
		return search_one(search, id);
	if (search->reaches[0]) {
		sr_token_reach_prefix(search->reaches, prefix);
		return ops->token_near(search->at.tx, prefix, match_token, search, search->err);
	}
	if (who->type == SR_IDENTITY_TOKEN)
		return ops->token_children(search->at.tx, who->token.id, match_token, search, search->err);
	return ops->token_list(search->at.tx, match_token, search, search->err);
}

static CK_RV token_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct token_search search = { .caller = caller, .query = query, .found = found, .ctx = ctx, .err = err };
	CK_RV rv = take_reaches(&search, err);
	if (rv != CKR_OK || !may_see_some(caller))
		return rv;
	rv = sr_writer_look(caller->vault->writer, &search.at, err);
	if (rv != CKR_OK)
		return rv;
	rv = search_rows(&search);
	sr_writer_look_end(caller->vault->writer, &search.at);
	return search.rv != CKR_OK ? search.rv : rv;
}

/* -- revoking --------------------------------------------------------------------------------------------------- */

/* Whoever may not see it does not learn that it is there. */
static CK_RV may_revoke(
	const struct sr_caller *caller, const struct sr_token_row *row, bool found, struct sr_error *err)
{
	bool may = has_duty(caller, SR_DUTY_TOKENS) || (found && is_issuer(caller, row));
	return found && may ? CKR_OK : no_token(err);
}

static CK_RV revoke_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_token_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_token(vault, at, act->arg, &row, &found, err);
	if (rv == CKR_OK)
		rv = may_revoke(act->caller, &row, found, err);
	row.state = SR_TOKEN_REVOKED;
	if (rv == CKR_OK)
		rv = sr_rows_put_token(vault, at, &act->event, &row, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->token_reach_drop(at->tx, row.id, err);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV token_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct sr_act act;
	CK_RV rv = CKR_OK;
	sr_act_begin(&act, caller, SR_EVENT_TOKEN_REVOKED, NULL);
	snprintf(act.event.token_id, sizeof(act.event.token_id), "%s", id);
	act.run = revoke_run;
	act.arg = (void *)id;
	act.policy_change = true;
	if (caller->identity->type == SR_IDENTITY_MEMBER)
		rv = sr_need_duty(caller, SR_DUTY_TOKENS, CKR_ACTION_PROHIBITED, "revoke tokens", err);
	return sr_act_record(&act, rv, err);
}

const struct sr_class sr_token_class = {
	.object_class = CKO_SR_TOKEN,
	.only_by_class = true,
	.needs_rw = true,
	.find = token_find,
	.view = token_view,
	.create = sr_token_create,
	.destroy = token_destroy,
};
