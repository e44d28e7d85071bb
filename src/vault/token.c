/* Scoped tokens: issued, shown, revoked. */
#include "vault/token.h"

#include "util/pack.h"
#include "util/text.h"
#include "vault/objects.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_MAX 256
#define MAX_USES_MAX 1000000000u

bool sr_token_looks_like(const void *pin, size_t len)
{
	return len == SR_TOKEN_STRING_LEN && memcmp(pin, SR_TOKEN_PREFIX, strlen(SR_TOKEN_PREFIX)) == 0;
}

CK_RV sr_token_hash(
	struct sr_vault *vault, const void *string, size_t len, uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, "strongroom/token-string/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_bytes(&packed, string, len);
	CK_RV rv = packed.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login")
				 : sr_hsm_mac(vault->hsm, packed.data, packed.len, hash, err);
	sr_buf_clear(&packed);
	return rv;
}

CK_RV sr_random_text(struct sr_vault *vault, size_t bytes, char *out, struct sr_error *err)
{
	uint8_t random[16];
	CK_RV rv = sr_hsm_random(vault->hsm, random, bytes, err);
	if (rv == CKR_OK)
		sr_text_base32(random, bytes, out);
	sr_cleanse(random, sizeof(random));
	return rv;
}

/* -- issuing: the template --------------------------------------------------------------------------------------- */

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "token not issued: %s: %s", what, why);
}

static CK_RV take_scopes(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_SCOPES);
	struct sr_scopes scopes = { 0 };
	const char *why = NULL;
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_SCOPE,
			"token not issued: it has no scope; give one such as secrets:read:production/payments/*");
	if (!sr_scopes_parse((const char *)attr->value, attr->len, &scopes, &why))
		return bad(err, SR_REASON_BAD_SCOPE, "bad scope", why);
	for (size_t i = 0; i < scopes.count; i++) {
		char text[SR_SCOPE_TEXT_MAX];
		sr_scope_text(&scopes.items[i], text);
		sr_buf_printf(&row->scopes, "%s%s", i ? "\n" : "", text);
	}
	sr_scopes_clear(&scopes);
	return CKR_OK;
}

static CK_RV take_ttl(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_TTL);
	uint64_t seconds;
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_DURATION,
			"token not issued: it has no TTL; give one between 1s and 24h");
	if (!sr_text_u64((const char *)attr->value, attr->len, SR_TOKEN_TTL_MAX_MS / 1000, &seconds) || seconds == 0)
		return bad(err, SR_REASON_BAD_DURATION, "bad TTL", "it must be between 1s and 24h");
	row->ttl_ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static CK_RV take_max_uses(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_MAX_USES);
	if (attr && (!sr_text_u64((const char *)attr->value, attr->len, MAX_USES_MAX, &row->max_uses) ||
			    row->max_uses == 0))
		return bad(err, SR_REASON_BAD_NUMBER, "bad max-uses", "it must be a number from 1 to 1000000000");
	return CKR_OK;
}

static CK_RV take_allowed(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_ALLOWED_IPS);
	struct sr_allowed allowed = { 0 };
	const char *why = "the list is empty";
	if (!attr)
		return CKR_OK;
	/* An empty list would be no restriction at all: nobody who names addresses means that. */
	if (attr->len == 0 || !sr_allowed_parse((const char *)attr->value, attr->len, &allowed, &why))
		return bad(err, SR_REASON_BAD_ADDRESS, "bad address", why);
	bool any = allowed.count > 0;
	sr_allowed_clear(&allowed);
	if (!any)
		return bad(err, SR_REASON_BAD_ADDRESS, "bad address", "the list is empty");
	sr_buf_append(&row->allowed_ips, attr->value, attr->len);
	return CKR_OK;
}

static CK_RV take_description(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_DESCRIPTION);
	if (!attr)
		return CKR_OK;
	if (attr->len > DESCRIPTION_MAX || !sr_text_utf8(attr->value, attr->len))
		return bad(err, SR_REASON_BAD_TEMPLATE, "bad description",
			"it must be UTF-8 text without control characters, 256 bytes at most");
	sr_buf_append(&row->description, attr->value, attr->len);
	return CKR_OK;
}

static const CK_ATTRIBUTE_TYPE issue_attributes[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_SCOPES, CKA_SR_TTL,
	CKA_SR_MAX_USES, CKA_SR_ALLOWED_IPS, CKA_SR_DESCRIPTION };

static CK_RV only_issue_attributes(const struct sr_attrs *template, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		size_t k = 0, n = sizeof(issue_attributes) / sizeof(*issue_attributes);
		while (k < n && issue_attributes[k] != template->items[i].type)
			k++;
		if (k == n)
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"token not issued: attribute 0x%lx does not belong to a token",
				template->items[i].type);
	}
	return CKR_OK;
}

static CK_RV take_template(struct sr_token_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv;
	if ((rv = only_issue_attributes(template, err)) != CKR_OK || (rv = take_scopes(row, template, err)) != CKR_OK ||
		(rv = take_ttl(row, template, err)) != CKR_OK || (rv = take_max_uses(row, template, err)) != CKR_OK ||
		(rv = take_allowed(row, template, err)) != CKR_OK ||
		(rv = take_description(row, template, err)) != CKR_OK)
		return rv;
	if (row->scopes.failed || row->allowed_ips.failed || row->description.failed)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to issue a token");
	return CKR_OK;
}

/* -- issuing: the act ------------------------------------------------------------------------------------------- */

static CK_RV make_string(struct sr_vault *vault, struct sr_token_row *row, struct sr_buf *string, struct sr_error *err)
{
	char *at = (char *)sr_buf_reserve(string, SR_TOKEN_STRING_LEN + 1);
	if (!at)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to issue a token");
	memcpy(at, SR_TOKEN_PREFIX, strlen(SR_TOKEN_PREFIX));
	CK_RV rv = sr_random_text(vault, 16, at + strlen(SR_TOKEN_PREFIX), err);
	string->len = SR_TOKEN_STRING_LEN;
	memcpy(row->id, "t-", 2);
	if (rv == CKR_OK)
		rv = sr_random_text(vault, 10, row->id + 2, err);
	if (rv == CKR_OK)
		rv = sr_token_hash(vault, string->data, string->len, row->hash, err);
	return rv;
}

static CK_RV issue_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_token_row *row = act->arg;
	struct sr_now now = at->now;
	/* The wall clock may have been set back: it is never before the newest record's time. */
	if (now.wall_ms < at->not_before_ms)
		now.wall_ms = at->not_before_ms;
	row->created_ms = now.wall_ms;
	row->end = sr_end_after(&now, row->ttl_ms);
	snprintf(act->event.token_id, sizeof(act->event.token_id), "%s", row->id);
	return sr_rows_put_token(act->caller->vault, at, &act->event, row, err);
}

static CK_RV token_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct sr_token_row row = { .clearance = SR_TIER_STANDARD, .state = SR_TOKEN_ACTIVE };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_TOKEN_ISSUED, NULL);
	sr_who_name(caller->identity, row.issuer);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_TOKENS, CKR_TOKEN_WRITE_PROTECTED, "issue tokens", err);
	if (rv == CKR_OK)
		rv = take_template(&row, template, err);
	if (rv == CKR_OK)
		rv = make_string(caller->vault, &row, &created->once, err);
	act.run = issue_run;
	act.arg = &row;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		memcpy(created->id, row.id, sizeof(row.id));
	else
		sr_buf_clear(&created->once);
	sr_token_row_clear(&row);
	return rv;
}

/* -- showing ---------------------------------------------------------------------------------------------------- */

static CK_RV token_state(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *row,
	uint64_t *uses, const char **state, struct sr_error *err)
{
	CK_RV rv = sr_who_uses(vault, at, row->id, uses, err);
	if (row->state == SR_TOKEN_REVOKED)
		*state = "revoked";
	else if (sr_end_passed(&row->end, &at->now, at->not_before_ms))
		*state = "expired";
	else
		*state = row->max_uses && *uses >= row->max_uses ? "used_up" : "active";
	return rv;
}

static void put_buf(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const struct sr_buf *buf)
{
	if (buf->len)
		sr_attrs_put(attrs, type, buf->data, buf->len);
}

static CK_RV token_attrs(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	uint64_t uses = 0;
	const char *state;
	CK_RV rv = token_state(vault, at, row, &uses, &state, err);
	if (rv != CKR_OK)
		return rv;
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_TOKEN);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_text(attrs, CKA_LABEL, row->id);
	sr_attrs_put_text(attrs, CKA_SR_ID, row->id);
	sr_attrs_put_text(attrs, CKA_SR_STATE, state);
	put_buf(attrs, CKA_SR_SCOPES, &row->scopes);
	sr_attrs_put_number(attrs, CKA_SR_TTL, (uint64_t)row->ttl_ms / 1000);
	if (row->max_uses)
		sr_attrs_put_number(attrs, CKA_SR_MAX_USES, row->max_uses);
	sr_attrs_put_number(attrs, CKA_SR_USES, uses);
	put_buf(attrs, CKA_SR_ALLOWED_IPS, &row->allowed_ips);
	put_buf(attrs, CKA_SR_DESCRIPTION, &row->description);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_EXPIRES_AT, row->end.wall_ms);
	sr_attrs_put_text(attrs, CKA_SR_ISSUER, row->issuer);
	if (row->parent[0])
		sr_attrs_put_text(attrs, CKA_SR_PARENT, row->parent);
	sr_attrs_put_text(attrs, CKA_SR_CLEARANCE, sr_tier_name(row->clearance));
	return attrs->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a token") : CKR_OK;
}

static bool may_see(const struct sr_caller *caller)
{
	return (sr_who_duties(caller->identity) & SR_DUTY_TOKENS_SEE) != 0;
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
	CK_RV rv = may_see(caller) ? sr_writer_look(caller->vault->writer, &at, err) : no_token(err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_token(caller->vault, &at, id, &row, &found, err);
	if (rv == CKR_OK && !found)
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

/* Only what is alive reaches anything. */
static bool token_reaches(const struct sr_token_row *row, const struct sr_attrs *attrs, const char *path)
{
	const struct sr_attr *state = sr_attrs_find(attrs, CKA_SR_STATE);
	struct sr_scopes scopes = { 0 };
	const char *why;
	if (!state || state->len != strlen("active") || memcmp(state->value, "active", state->len) != 0)
		return false;
	if (!sr_scopes_parse((const char *)row->scopes.data, row->scopes.len, &scopes, &why))
		return false;
	bool reaches = sr_scopes_reach(&scopes, path);
	sr_scopes_clear(&scopes);
	return reaches;
}

static bool match_token(const struct sr_token_row *row, void *ctx)
{
	struct token_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
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

static CK_RV token_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct token_search search = { .caller = caller, .query = query, .found = found, .ctx = ctx, .err = err };
	CK_RV rv = take_reaches(&search, err);
	if (rv != CKR_OK || !may_see(caller))
		return rv;
	rv = sr_writer_look(caller->vault->writer, &search.at, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->token_list(search.at.tx, match_token, &search, err);
	sr_writer_look_end(caller->vault->writer, &search.at);
	return search.rv != CKR_OK ? search.rv : rv;
}

/* -- revoking --------------------------------------------------------------------------------------------------- */

static CK_RV revoke_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_token_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_token(act->caller->vault, at, act->arg, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such token");
	row.state = SR_TOKEN_REVOKED;
	if (rv == CKR_OK)
		rv = sr_rows_put_token(act->caller->vault, at, &act->event, &row, err);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV token_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_TOKEN_REVOKED, NULL);
	snprintf(act.event.token_id, sizeof(act.event.token_id), "%s", id);
	act.run = revoke_run;
	act.arg = (void *)id;
	act.policy_change = true;
	return sr_act_record(
		&act, sr_need_duty(caller, SR_DUTY_TOKENS, CKR_ACTION_PROHIBITED, "revoke tokens", err), err);
}

const struct sr_class sr_token_class = {
	.object_class = CKO_SR_TOKEN,
	.only_by_class = true,
	.needs_rw = true,
	.find = token_find,
	.view = token_view,
	.create = token_create,
	.destroy = token_destroy,
};
