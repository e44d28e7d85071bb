/* Members, agents and tokens for the tests of what they may issue. */
#include "tests/unit/vault_people.h"

#include "vault/who.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR 3600000ll

/* -- rows -------------------------------------------------------------------------------------------------------- */

struct change {
	CK_RV (*put)(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err);
	void *row;
};

static CK_RV run_change(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct change *change = act->arg;
	return change->put(act, at, change->row, err);
}

static void write_row(struct vault_place *place, enum sr_event_kind kind,
	CK_RV (*put)(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err), void *row)
{
	struct sr_caller system = { place->vault, &place->peer, "test", NULL };
	struct change change = { put, row };
	struct sr_act act;
	sr_error_clear(&place->err);
	sr_act_begin(&act, &system, kind, NULL);
	act.run = run_change;
	act.arg = &change;
	ck_assert_msg(sr_act_commit(&act, &place->err) == CKR_OK, "%s", place->err.text);
}

static CK_RV put_member(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err)
{
	struct sr_member_row *member = row;
	if (!member->created_ms)
		member->created_ms = at->now.wall_ms;
	else
		member->cut = at->event_id;
	return sr_rows_put_member(act->caller->vault, at, &act->event, member, err);
}

static CK_RV put_agent(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err)
{
	struct sr_agent_row *agent = row;
	if (agent->state != SR_AGENT_ACTIVE)
		agent->cut = at->event_id;
	return sr_rows_put_agent(act->caller->vault, at, &act->event, agent, err);
}

static CK_RV put_token(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err)
{
	return sr_rows_put_token(act->caller->vault, at, &act->event, row, err);
}

static CK_RV put_approval(struct sr_act *act, struct sr_moment *at, void *row, struct sr_error *err)
{
	return sr_rows_put_approval(act->caller->vault, at, &act->event, row, err);
}

static struct sr_moment look(struct vault_place *place)
{
	struct sr_moment at;
	sr_error_clear(&place->err);
	ck_assert_msg(sr_writer_look(place->vault->writer, &at, &place->err) == CKR_OK, "%s", place->err.text);
	return at;
}

static void found_it(struct vault_place *place, struct sr_moment *at, CK_RV rv, bool found)
{
	sr_writer_look_end(place->vault->writer, at);
	ck_assert_msg(rv == CKR_OK && found, "%s", place->err.text);
}

void people_row(struct vault_place *place, const char *id, struct sr_token_row *row)
{
	struct sr_moment at = look(place);
	bool found = false;
	CK_RV rv = sr_rows_token(place->vault, &at, id, row, &found, &place->err);
	found_it(place, &at, rv, found);
}

void people_approval(struct vault_place *place, const char *id, struct sr_approval_row *row)
{
	struct sr_moment at = look(place);
	bool found = false;
	CK_RV rv = sr_rows_approval(place->vault, &at, id, row, &found, &place->err);
	found_it(place, &at, rv, found);
}

void people_cut_member(struct vault_place *place, const char *name, bool active)
{
	struct sr_member_row row;
	struct sr_moment at = look(place);
	bool found = false;
	CK_RV rv = sr_rows_member(place->vault, &at, name, &row, &found, &place->err);
	found_it(place, &at, rv, found);
	row.active = active;
	row.role = active ? SR_ROLE_VIEWER : row.role;
	write_row(place, SR_EVENT_MEMBER_ADDED, put_member, &row);
}

void people_cut_agent(struct vault_place *place, const char *name)
{
	struct sr_agent_row row = { .cut = 0 };
	struct sr_moment at = look(place);
	bool found = false;
	CK_RV rv = sr_rows_agent(place->vault, &at, name, &row, &found, &place->err);
	found_it(place, &at, rv, found);
	row.state = SR_AGENT_SUSPENDED;
	write_row(place, SR_EVENT_AGENT_UPDATED, put_agent, &row);
	row.state = SR_AGENT_ACTIVE; /* resumed: what was issued before stays void */
	write_row(place, SR_EVENT_AGENT_UPDATED, put_agent, &row);
	sr_agent_row_clear(&row);
}

void people_decide(struct vault_place *place, const char *id, enum sr_approval_state state, int64_t end_ms)
{
	struct sr_approval_row row;
	struct sr_now now;
	sr_clock_now(&now);
	people_approval(place, id, &row);
	row.state = state;
	row.end = sr_end_after(&now, end_ms);
	write_row(place, SR_EVENT_APPROVAL_GRANTED, put_approval, &row);
}

/* -- logins ------------------------------------------------------------------------------------------------------ */

static struct sr_identity *new_identity(enum sr_identity_type type, uint64_t known)
{
	struct sr_identity *who = calloc(1, sizeof(*who));
	struct sr_now now;
	ck_assert_ptr_nonnull(who);
	sr_clock_now(&now);
	atomic_init(&who->refs, 1);
	atomic_init(&who->known, known);
	atomic_init(&who->used_boot_ms, now.boot_ms);
	who->type = type;
	who->end = sr_end_after(&now, 8 * HOUR);
	sr_kept_init(&who->kept);
	return who;
}

static void parse_texts(struct sr_identity *who, const struct sr_buf *scopes, const struct sr_buf *allowed)
{
	const char *why;
	ck_assert(sr_scopes_parse((const char *)scopes->data, scopes->len, &who->scopes, &why));
	ck_assert(sr_allowed_parse((const char *)allowed->data, allowed->len, &who->allowed, &why));
}

struct sr_identity *people_member(struct vault_place *place, const char *name, enum sr_role role)
{
	struct sr_member_row row = { .role = role, .active = true, .log2n = 14, .r = 8, .p = 1 };
	snprintf(row.name, sizeof(row.name), "%s", name);
	write_row(place, SR_EVENT_MEMBER_ADDED, put_member, &row);
	struct sr_identity *who = new_identity(SR_IDENTITY_MEMBER, row.mark.event_id);
	who->member = row;
	return who;
}

struct sr_identity *people_agent(struct vault_place *place, struct sr_agent_row *row)
{
	write_row(place, SR_EVENT_AGENT_UPDATED, put_agent, row);
	struct sr_identity *who = new_identity(SR_IDENTITY_AGENT, row->mark.event_id);
	who->agent = *row;
	parse_texts(who, &row->scopes, &row->allowed_ips);
	return who;
}

static struct sr_identity *token_identity(const struct sr_token_row *row)
{
	struct sr_identity *who = new_identity(SR_IDENTITY_TOKEN, row->mark.event_id);
	who->token = *row;
	parse_texts(who, &row->scopes, &row->allowed_ips);
	return who;
}

struct sr_identity *people_token(struct vault_place *place, struct sr_token_row *row)
{
	write_row(place, SR_EVENT_TOKEN_ISSUED, put_token, row);
	return token_identity(row);
}

struct sr_identity *people_login(struct vault_place *place, const char *id)
{
	struct sr_token_row row = { .ttl_ms = 0 };
	people_row(place, id, &row);
	return token_identity(&row);
}

void people_as(struct vault_place *place, struct sr_identity *identity)
{
	sr_identity_unref(place->caller.identity);
	place->caller.identity = identity;
}

/* -- issuing and looking ----------------------------------------------------------------------------------------- */

static void put_if(struct sr_attrs *template, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text)
		sr_attrs_put_text(template, type, text);
}

CK_RV people_issue(struct vault_place *place, const struct wish *wish, char *id, char *pin)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_TOKEN);
	put_if(&template, CKA_SR_SCOPES, wish->scopes);
	put_if(&template, CKA_SR_TTL, wish->ttl);
	put_if(&template, CKA_SR_MAX_USES, wish->uses);
	put_if(&template, CKA_SR_ALLOWED_IPS, wish->ips);
	put_if(&template, CKA_SR_REQUIRE_APPROVAL, wish->approval);
	put_if(&template, CKA_SR_DESCRIPTION, wish->description);
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(CKO_SR_TOKEN)->create(&place->caller, &template, &created, &place->err);
	ck_assert(rv == CKR_OK ? created.once.len == 30 : created.once.len == 0);
	if (id)
		snprintf(id, SR_ID_MAX, "%.*s", SR_ID_MAX - 1, created.id);
	if (pin)
		snprintf(pin, 64, "%s", sr_buf_string(&created.once));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

CK_RV people_text(struct vault_place *place, const char *id, CK_ATTRIBUTE_TYPE type, char text[256])
{
	struct sr_view view = { .value = SR_VALUE_NONE };
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(CKO_SR_TOKEN)->view(&place->caller, id, &view, &place->err);
	const struct sr_attr *attr = rv == CKR_OK ? sr_attrs_find(&view.attrs, type) : NULL;
	snprintf(text, 256, "%.*s", attr ? (int)attr->len : 0, attr ? (const char *)attr->value : "");
	sr_view_clear(&view);
	return rv;
}

static bool take_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *out)
{
	(void)hash;
	*(struct sr_event *)out = *event;
	return false;
}

struct sr_event people_event(struct vault_place *place)
{
	struct sr_event_query query = { .newest_first = true };
	struct sr_event event = { .id = 0 };
	struct sr_moment at = look(place);
	CK_RV rv = place->vault->store->ops->event_query(at.tx, &query, take_event, &event, &place->err);
	found_it(place, &at, rv, event.id != 0);
	return event;
}
