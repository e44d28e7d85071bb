/* Members, requests and what became of them. */
#include "tests/unit/approvals_fixture.h"

#include <stdio.h>
#include <string.h>

#define PEOPLE 24

struct vault_place team;

static struct {
	char name[SR_NAME_MAX];
	struct sr_caller caller;
} people[PEOPLE];

void forget(void)
{
	for (size_t i = 0; i < PEOPLE; i++)
		sr_identity_unref(people[i].caller.identity);
	memset(people, 0, sizeof(people));
}

const struct sr_caller *as(const char *name)
{
	char pin[SR_NAME_MAX + sizeof(PASSPHRASE) + 1];
	size_t i = 0;
	while (i < PEOPLE - 1 && people[i].name[0] && strcmp(people[i].name, name) != 0)
		i++;
	if (people[i].name[0])
		return &people[i].caller;
	snprintf(pin, sizeof(pin), "%s:%s", name, PASSPHRASE);
	ck_assert_msg(vault_login(&team, pin) == CKR_OK, "%s: %s", name, team.err.text);
	snprintf(people[i].name, sizeof(people[i].name), "%s", name);
	people[i].caller = team.caller;
	sr_identity_ref(team.caller.identity);
	return &people[i].caller;
}

/* Everybody has the first admin's passphrase. */
static CK_RV put_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct team_member *member = act->arg;
	struct sr_member_row row = { .cut = 0 }, admin = { .cut = 0 };
	bool found = false;
	CK_RV rv = sr_rows_member(team.vault, at, "admin", &admin, &found, err);
	if (rv == CKR_OK)
		rv = sr_rows_member(team.vault, at, member->name, &row, &found, err);
	if (rv == CKR_OK && !found)
		row = admin;
	snprintf(row.name, sizeof(row.name), "%s", member->name);
	row.role = member->role;
	row.active = !member->removed;
	snprintf(row.made_by, sizeof(row.made_by), "%s", member->made_by ? member->made_by : "");
	row.fresh = (struct sr_end){ .wall_ms = 0 };
	if (member->fresh_ms)
		row.fresh = sr_end_after(&at->now, member->fresh_ms);
	if (member->cut)
		row.cut = at->event_id;
	return rv == CKR_OK ? sr_rows_put_member(team.vault, at, &act->event, &row, err) : rv;
}

void team_put(struct team_member member)
{
	struct sr_caller nobody = { team.vault, &team.peer, "test", NULL };
	struct sr_act act;
	sr_act_begin(&act, &nobody, SR_EVENT_MEMBER_ADDED, NULL);
	act.run = put_run;
	act.arg = &member;
	ck_assert_msg(sr_act_commit(&act, &team.err) == CKR_OK, "%s", team.err.text);
}

void team_setup(void)
{
	memset(people, 0, sizeof(people));
	vault_place_make(&team);
	team_put((struct team_member){ .name = "bob", .role = SR_ROLE_EDITOR });
	team_put((struct team_member){ .name = "carol", .role = SR_ROLE_EDITOR });
}

void team_teardown(void)
{
	forget();
	vault_place_remove(&team);
}

void team_borrow(const struct vault_place *place)
{
	memset(people, 0, sizeof(people));
	team = *place;
	team.caller.identity = NULL;
	team_put((struct team_member){ .name = "bob", .role = SR_ROLE_EDITOR });
}

void team_leave(void)
{
	forget();
	sr_identity_unref(team.caller.identity);
	team.caller.identity = NULL;
}

void team_move(int64_t ms, bool reboot)
{
	vault_clock_move(ms, ms, reboot);
	forget();
}

void ask_for(const struct sr_caller *who, unsigned needed, int64_t delay_ms, char id[SR_ID_MAX])
{
	static unsigned number;
	char change[16];
	snprintf(change, sizeof(change), "%u", ++number); /* each is another */
	struct sr_request request = { .kind = SR_APPROVAL_TIER,
		.target = "secret:a/b",
		.change = change,
		.path = "a/b",
		.tier = SR_TIER_CRITICAL,
		.need = { .approvals = needed, .delay_ms = delay_ms, .timeout_ms = HOUR },
		.ttl_ms = HOUR,
		.reason = "because" };
	sr_error_clear(&team.err);
	ck_assert_msg(sr_approval_request(who, &request, id, &team.err) == CKR_OK, "%s", team.err.text);
}

CK_RV decide(const struct sr_caller *who, const char *id, const char *state, const char *reason)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	sr_attrs_put_text(&changes, CKA_SR_STATE, state);
	if (reason)
		sr_attrs_put_text(&changes, CKA_SR_DECISION, reason);
	CK_RV rv = sr_class_find(CKO_SR_APPROVAL)->set(who, id, &changes, &team.err);
	sr_attrs_clear(&changes);
	return rv;
}

struct sr_approval_row approval_row(const char *id)
{
	struct sr_caller nobody = { team.vault, &team.peer, "test", NULL };
	struct sr_approval_row row;
	enum sr_stand stand;
	CK_RV rv = sr_approval_look(&nobody, id, &row, &stand, &team.err);
	ck_assert_msg(rv == CKR_OK, "%s", team.err.text);
	return row;
}

enum sr_stand stand_of(const char *id)
{
	struct sr_caller nobody = { team.vault, &team.peer, "test", NULL };
	struct sr_approval_row row;
	enum sr_stand stand;
	CK_RV rv = sr_approval_look(&nobody, id, &row, &stand, &team.err);
	ck_assert_msg(rv == CKR_OK, "%s", team.err.text);
	return stand;
}

enum sr_stand settle(const char *id)
{
	struct sr_caller nobody = { team.vault, &team.peer, "test", NULL };
	enum sr_stand stand;
	sr_error_clear(&team.err);
	ck_assert_msg(sr_approval_settle(&nobody, id, &stand, &team.err) == CKR_OK, "%s", team.err.text);
	ck_assert_int_eq(stand, stand_of(id));
	return stand;
}

const char *shown(const struct sr_caller *who, CK_OBJECT_CLASS object_class, const char *id, CK_ATTRIBUTE_TYPE type)
{
	static char text[1024];
	struct sr_view view = { .value = SR_VALUE_NONE };
	CK_RV rv = sr_class_find(object_class)->view(who, id, &view, &team.err);
	ck_assert_msg(rv == CKR_OK, "%s: %s", id, team.err.text);
	const struct sr_attr *attr = sr_attrs_find(&view.attrs, type);
	snprintf(text, sizeof(text), "%.*s", attr ? (int)attr->len : 0, attr ? (const char *)attr->value : "");
	sr_view_clear(&view);
	return text;
}

int count_as(const struct sr_caller *who, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text)
{
	struct sr_identity *before = team.caller.identity;
	team.caller.identity = who->identity;
	int count = vault_count(&team, object_class, type, text);
	team.caller.identity = before;
	return count;
}

struct event_search {
	enum sr_event_kind kind;
	struct sr_event event;
	int count;
};

static bool take_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct event_search *search = ctx;
	(void)hash;
	if (search->kind != SR_EVENT_COUNT && event->kind != search->kind)
		return true;
	if (search->count++ == 0)
		search->event = *event;
	return search->kind != SR_EVENT_COUNT;
}

static struct event_search search_events(enum sr_event_kind kind)
{
	struct event_search search = { .kind = kind, .count = 0 };
	struct sr_event_query query = { .newest_first = true };
	struct sr_moment at;
	ck_assert_uint_eq(sr_writer_look(team.vault->writer, &at, &team.err), CKR_OK);
	ck_assert_uint_eq(team.vault->store->ops->event_query(at.tx, &query, take_event, &search, &team.err), CKR_OK);
	sr_writer_look_end(team.vault->writer, &at);
	return search;
}

struct sr_event newest_event(enum sr_event_kind kind)
{
	struct event_search search = search_events(kind);
	ck_assert_int_gt(search.count, 0);
	return search.event;
}

int count_events(enum sr_event_kind kind)
{
	return search_events(kind).count;
}
