/* Agents: added and shown. */
#include "vault/agent.h"

#include "vault/objects.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

#define AGENT_TTL_MAX_S (3650ull * 24 * 60 * 60)

/* -- adding ------------------------------------------------------------------------------------------------------ */

CK_RV sr_agent_name(const struct sr_grant *grant, char name[SR_NAME_MAX], struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(grant->template, CKA_SR_NAME);
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "%s: it has no name", grant->what);
	if (!sr_name_valid((const char *)attr->value, attr->len))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"%s: bad name: it must be 1 to 32 of a-z, 0-9, '.', '_', '-', a letter or digit first",
			grant->what);
	memcpy(name, attr->value, attr->len);
	name[attr->len] = '\0';
	return CKR_OK;
}

/* ROW and how many seconds it lives; TTL 0: it has no end. */
struct adding {
	struct sr_agent_row row;
	uint64_t ttl;
};

static CK_RV take_template(const struct sr_grant *grant, struct adding *adding, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_NAME, CKA_SR_SCOPES,
		CKA_SR_ALLOWED_IPS, CKA_SR_MAX_TTL, CKA_SR_MAX_USES, CKA_SR_TTL, CKA_SR_DESCRIPTION };
	struct sr_agent_row *row = &adding->row;
	uint64_t max_ttl = 0;
	CK_RV rv;
	if ((rv = sr_grant_only(grant, types, sizeof(types) / sizeof(*types), err)) != CKR_OK ||
		(rv = sr_agent_name(grant, row->name, err)) != CKR_OK ||
		(rv = sr_grant_scopes(grant, &row->scopes, err)) != CKR_OK ||
		(rv = sr_grant_allowed(grant, &row->allowed_ips, err)) != CKR_OK ||
		(rv = sr_grant_description(grant, &row->description, err)) != CKR_OK ||
		(rv = sr_grant_number(grant, CKA_SR_MAX_TTL, SR_TOKEN_TTL_MAX_MS / 1000, SR_REASON_BAD_DURATION,
			 &max_ttl, err)) != CKR_OK ||
		(rv = sr_grant_number(grant, CKA_SR_MAX_USES, SR_GRANT_USES_MAX, SR_REASON_BAD_NUMBER, &row->max_uses,
			 err)) != CKR_OK ||
		(rv = sr_grant_number(grant, CKA_SR_TTL, AGENT_TTL_MAX_S, SR_REASON_BAD_DURATION, &adding->ttl, err)) !=
			CKR_OK)
		return rv;
	row->max_ttl_ms = (int64_t)max_ttl * 1000;
	return CKR_OK;
}

struct sr_now sr_agent_now(const struct sr_moment *at)
{
	struct sr_now now = at->now;
	if (now.wall_ms < at->not_before_ms)
		now.wall_ms = at->not_before_ms;
	return now;
}

/* A name is given once: who is revoked keeps it, so that the audit means one agent by it. */
static CK_RV add_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct adding *adding = act->arg;
	struct sr_agent_row old = { .cut = 0 };
	struct sr_now now = sr_agent_now(at);
	bool found = false;
	CK_RV rv = sr_rows_agent(act->caller->vault, at, adding->row.name, &old, &found, err);
	sr_agent_row_clear(&old);
	if (rv == CKR_OK && found)
		rv = sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NAME_TAKEN,
			"agent not added: the name %s is or was another's; take a new one", adding->row.name);
	if (rv != CKR_OK)
		return rv;
	adding->row.created_ms = now.wall_ms;
	if (adding->ttl)
		adding->row.end = sr_end_after(&now, (int64_t)adding->ttl * 1000);
	return sr_rows_put_agent(act->caller->vault, at, &act->event, &adding->row, err);
}

/* Whoever makes an agent's key holds it first: an admin who reads nothing must not read by it. */
CK_RV sr_agent_may_give(
	const struct sr_caller *caller, const struct sr_agent_row *row, const char *what, struct sr_error *err)
{
	struct sr_scopes scopes = { 0 };
	const char *why = NULL;
	bool may = sr_scopes_parse((const char *)row->scopes.data, row->scopes.len, &scopes, &why) &&
		   sr_who_may_give(caller->identity, &scopes);
	sr_scopes_clear(&scopes);
	if (may)
		return CKR_OK;
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED,
		"%s: the agent would read values or use keys, and in this vault admins do not "
		"([vault] separation); let an editor issue tokens to it",
		what);
}

static CK_RV add(
	const struct sr_caller *caller, const struct sr_grant *grant, struct sr_created *created, struct sr_error *err)
{
	struct adding adding = { .ttl = 0 };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_AGENT_ADDED, NULL);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_AGENTS, CKR_TOKEN_WRITE_PROTECTED, "add agents", err);
	if (rv == CKR_OK)
		rv = take_template(grant, &adding, err);
	if (rv == CKR_OK)
		rv = sr_agent_may_give(caller, &adding.row, grant->what, err);
	if (rv == CKR_OK)
		snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"agent\":\"%s\"}", adding.row.name);
	if (rv == CKR_OK)
		rv = sr_agent_make_key(
			caller->vault, &created->once, adding.row.hash, &adding.row.hash_generation, err);
	snprintf(adding.row.owner, sizeof(adding.row.owner), "%s", sr_who_owner(caller->identity));
	act.run = add_run;
	act.arg = &adding;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		snprintf(created->id, sizeof(created->id), "%s", adding.row.name);
	else
		sr_buf_clear(&created->once);
	sr_agent_row_clear(&adding.row);
	return rv;
}

static CK_RV agent_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	const struct sr_grant new_key = { template, "no new key" }, new_agent = { template, "agent not added" };
	if (sr_attrs_find(template, CKA_SR_GRACE))
		return sr_agent_rotate(caller, &new_key, created, err);
	return add(caller, &new_agent, created, err);
}

/* -- showing ----------------------------------------------------------------------------------------------------- */

static CK_RV agent_state(struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row,
	const char **state, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	*state = sr_agent_state_word(row->state);
	if (row->state != SR_AGENT_ACTIVE)
		return CKR_OK;
	CK_RV rv = sr_who_owner_stands(vault, at, row->owner, row->mark.event_id, &why);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		*state = sr_agent_state_word(SR_AGENT_SUSPENDED);
	else if (rv != CKR_OK)
		*err = why;
	else if (sr_who_agent_ended(row, at))
		*state = "expired";
	return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OK : rv;
}

static void put_buf(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const struct sr_buf *buf)
{
	if (buf->len)
		sr_attrs_put(attrs, type, buf->data, buf->len);
}

static void put_end(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const struct sr_end *end)
{
	if (end->wall_ms)
		sr_attrs_put_time(attrs, type, end->wall_ms);
}

static CK_RV agent_attrs(struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	const char *state;
	CK_RV rv = agent_state(vault, at, row, &state, err);
	if (rv != CKR_OK)
		return rv;
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_AGENT);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, true);
	sr_attrs_put_text(attrs, CKA_LABEL, row->name);
	sr_attrs_put_text(attrs, CKA_SR_NAME, row->name);
	sr_attrs_put_text(attrs, CKA_SR_STATE, state);
	put_buf(attrs, CKA_SR_SCOPES, &row->scopes);
	put_buf(attrs, CKA_SR_ALLOWED_IPS, &row->allowed_ips);
	put_buf(attrs, CKA_SR_DESCRIPTION, &row->description);
	if (row->max_ttl_ms)
		sr_attrs_put_number(attrs, CKA_SR_MAX_TTL, (uint64_t)row->max_ttl_ms / 1000);
	if (row->max_uses)
		sr_attrs_put_number(attrs, CKA_SR_MAX_USES, row->max_uses);
	sr_attrs_put_text(attrs, CKA_SR_OWNER, row->owner);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	put_end(attrs, CKA_SR_EXPIRES_AT, &row->end);
	put_end(attrs, CKA_SR_GRACE_UNTIL, &row->old_end);
	if (row->state != SR_AGENT_REVOKED && !sr_agent_has_key(row))
		sr_attrs_put_text(attrs, CKA_SR_KEY_NEEDED, "true");
	return attrs->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show an agent") : CKR_OK;
}

static bool may_see(const struct sr_caller *caller, const char *name)
{
	const struct sr_identity *who = caller->identity;
	bool self = who->type == SR_IDENTITY_AGENT && strcmp(who->agent.name, name) == 0;
	return self || (sr_who_duties(who) & (SR_DUTY_AGENTS | SR_DUTY_TOKENS_SEE));
}

static CK_RV agent_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_agent_row row = { .cut = 0 };
	struct sr_moment at;
	if (!may_see(caller, id))
		return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such agent for you");
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_agent_load(caller, &at, id, &row, err);
	if (rv == CKR_OK)
		rv = agent_attrs(caller->vault, &at, &row, &view->attrs, err);
	/* The key was shown once, in the session that made it; nothing here could show it again. */
	view->value = SR_VALUE_SENSITIVE;
	sr_writer_look_end(caller->vault->writer, &at);
	sr_agent_row_clear(&row);
	return rv;
}

/* -- searching --------------------------------------------------------------------------------------------------- */

struct agent_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	struct sr_moment at;
	sr_found found;
	void *ctx;
	CK_RV rv;
	struct sr_error *err;
};

static bool match_agent(const struct sr_agent_row *row, void *ctx)
{
	struct agent_search *search = ctx;
	struct sr_vault *vault = search->caller->vault;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	if (!may_see(search->caller, row->name))
		return true;
	search->rv = sr_rows_check_agent(vault, &search->at, row, search->err);
	if (search->rv == CKR_OK)
		search->rv = agent_attrs(vault, &search->at, row, &attrs, search->err);
	bool more = search->rv == CKR_OK;
	if (more && sr_attrs_match(search->query, &attrs))
		more = search->found(row->name, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

static CK_RV agent_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct agent_search search = { .caller = caller, .query = query, .found = found, .ctx = ctx, .err = err };
	CK_RV rv = sr_writer_look(caller->vault->writer, &search.at, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->agent_list(search.at.tx, match_agent, &search, err);
	sr_writer_look_end(caller->vault->writer, &search.at);
	return search.rv != CKR_OK ? search.rv : rv;
}

const struct sr_class sr_agent_class = {
	.object_class = CKO_SR_AGENT,
	.only_by_class = true,
	.needs_rw = true,
	.find = agent_find,
	.view = agent_view,
	.create = agent_create,
	.set = sr_agent_set,
	.destroy = sr_agent_destroy,
};
