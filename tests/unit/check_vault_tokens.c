/* Tokens over the real vault: who issues what, what it waits for, who sees it, and what ends it. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include "audit/verify.h"
#include "vault/report.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

static struct vault_place place;

static void setup(void)
{
	vault_place_make(&place);
}

static void teardown(void)
{
	vault_place_remove(&place);
}

#define expect(call, code, why)                                                                     \
	do {                                                                                        \
		sr_error_clear(&place.err);                                                         \
		CK_RV rv_ = (call);                                                                 \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), place.err.text); \
		ck_assert_msg(place.err.reason == SR_REASON_##why, "%s: reason %s", #call,          \
			sr_reason_name(place.err.reason));                                          \
	} while (0)

#define SECOND 1000ll
#define EVERYTHING "secrets:*:a/*\ntokens:issue:a/*"

static void is_text(const char *id, CK_ATTRIBUTE_TYPE type, const char *text)
{
	char shown[256];
	expect(people_text(&place, id, type, shown), CKR_OK, NONE);
	ck_assert_str_eq(shown, text);
}

static void issue(const char *scopes, const char *ttl, char *id, char *pin)
{
	const struct wish wish = { .scopes = scopes, .ttl = ttl };
	expect(people_issue(&place, &wish, id, pin), CKR_OK, NONE);
}

/* A token by the present caller, who logs in with it. */
static void step_down(const char *scopes, const char *ttl, char *id)
{
	char pin[64];
	issue(scopes, ttl, id, pin);
	expect(vault_login(&place, pin), CKR_OK, NONE);
}

static void revoke(const char *id)
{
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&place.caller, id, &place.err), CKR_OK, NONE);
}

/* What the audit says of the last call. */
static void is_recorded(enum sr_event_kind kind, enum sr_status status, CK_ULONG reason)
{
	struct sr_event event = people_event(&place);
	ck_assert_str_eq(sr_event_name(event.kind), sr_event_name(kind));
	ck_assert_str_eq(sr_status_name(event.status), sr_status_name(status));
	ck_assert_str_eq(event.reason, reason ? sr_reason_name(reason) : "");
}

/* A table of requests of the present caller. */
struct request {
	struct wish wish;
	CK_RV rv;
	CK_ULONG reason;
	const char *named;
};

static void ask_all(const struct request *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CK_RV rv = people_issue(&place, &rows[i].wish, NULL, NULL);
		ck_assert_msg(rv == rows[i].rv && place.err.reason == rows[i].reason, "row %zu: %s %s", i,
			sr_rv_name(rv), place.err.text);
		ck_assert_msg(strstr(place.err.text, rows[i].named) != NULL, "row %zu: %s", i, place.err.text);
		is_recorded(SR_EVENT_TOKEN_ISSUED, rv == CKR_OK ? SR_STATUS_ALLOWED : SR_STATUS_DENIED, rows[i].reason);
	}
}

/* -- beyond the ceiling ------------------------------------------------------------------------------------------ */

#define WIDER CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING
#define DONE CKR_OK, SR_REASON_NONE

/* What a token with these scopes, 10 uses and these addresses passes on. */
#define PARENT "secrets:read:a/*\nsecrets:list:a*\nkeys:*:b/*\ntokens:issue:a/*\ntokens:issue:b*"
#define PARENT_IPS "10.0.0.0/8\nunix:uid=7\n127.0.0.1"
static const struct request by_token[] = {
	{ { .scopes = "secrets:read:a/b", .ttl = "60" }, DONE, "" },
	{ { .scopes = "secrets:read:a/*", .ttl = "60" }, DONE, "" },
	{ { .scopes = "secrets:list:a/x\nkeys:sign:b/c\nkeys:*:b/d", .ttl = "60" }, DONE, "" },
	{ { .scopes = "secrets:write:a/b", .ttl = "60" }, WIDER, "secrets:write:a/b" },
	{ { .scopes = "secrets:*:a/b", .ttl = "60" }, WIDER, "secrets:*:a/b" },
	{ { .scopes = "secrets:read:*", .ttl = "60" }, WIDER, "secrets:read:*" },
	{ { .scopes = "secrets:list:ab", .ttl = "60" }, WIDER,
		"secrets:list:ab" }, /* it has that, but may not issue it */
	{ { .scopes = "secrets:read:a/b\nsecrets:read:b/c", .ttl = "60" }, WIDER, "secrets:read:b/c" },
	{ { .scopes = "keys:sign:bc", .ttl = "60" }, WIDER, "keys:sign:bc" },
	{ { .scopes = "tokens:issue:a/*", .ttl = "60" }, WIDER,
		"tokens:issue:a/*" }, /* one scope alone is not passed on */
	{ { .scopes = "tokens:issue:b/*", .ttl = "60" }, WIDER, "tokens:issue:b/*" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .uses = "10" }, DONE, "" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .uses = "1" }, DONE, "" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .uses = "11" }, WIDER, "uses" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "10.1.0.0/16\nunix:uid=7" }, DONE, "" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "10.0.0.0/7" }, WIDER, "addresses" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "10.1.0.0/16\n11.0.0.1" }, WIDER, "addresses" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "unix" }, WIDER, "addresses" },
	{ { .scopes = "secrets:read:a/b", .ttl = "86400" }, DONE, "" }, /* its end is cut */
	{ { .scopes = "secrets:fly:a/b", .ttl = "60" }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE, "scope" },
};

static void log_in_parent(void)
{
	static const struct wish parent = { .scopes = PARENT, .ttl = "600", .uses = "10", .ips = PARENT_IPS };
	char pin[64];
	vault_login_admin(&place);
	expect(people_issue(&place, &parent, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
}

START_TEST(a_token_gives_no_more_than_it_has)
{
	log_in_parent();
	ask_all(by_token, sizeof(by_token) / sizeof(*by_token));
}
END_TEST

START_TEST(the_right_to_issue_is_passed_on_where_it_is_held_twice)
{
	char id[SR_ID_MAX];
	vault_login_admin(&place);
	step_down("secrets:read:a/*\ntokens:issue:a/*\ntokens:issue:a/b/*", "600", id);
	const struct wish twice = { .scopes = "secrets:read:a/b/c\ntokens:issue:a/b/*", .ttl = "60" };
	const struct wish once = { .scopes = "tokens:issue:a/*", .ttl = "60" };
	expect(people_issue(&place, &once, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BEYOND_CEILING);
	expect(people_issue(&place, &twice, NULL, NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(what_a_child_does_not_name_it_inherits)
{
	struct sr_token_row parent = { .ttl_ms = 0 }, child = { .ttl_ms = 0 };
	char id[SR_ID_MAX];
	log_in_parent();
	people_row(&place, place.caller.identity->token.id, &parent);
	issue("secrets:read:a/b", "86400", id, NULL);
	people_row(&place, id, &child);
	ck_assert_str_eq(child.parent, parent.id);
	ck_assert_str_eq(child.owner, "admin");
	ck_assert_str_eq(sr_buf_string(&child.allowed_ips), PARENT_IPS);
	ck_assert_uint_eq(child.max_uses, 10);
	ck_assert_int_eq(child.end.boot_ms, parent.end.boot_ms);
	ck_assert_int_le(child.end.wall_ms, parent.end.wall_ms);
	ck_assert_int_eq(strncmp(child.issuer, "token:", 6), 0);
	ck_assert_str_eq(child.issuer + 6, parent.id);
	is_text(id, CKA_SR_PARENT, parent.id);
	is_text(id, CKA_SR_MAX_USES, "10");
	sr_token_row_clear(&parent);
	sr_token_row_clear(&child);
}
END_TEST

/* Whatever became of the boot: a child ends with its parent at the latest. */
START_TEST(an_end_of_another_boot_is_not_outlived)
{
	char id[SR_ID_MAX];
	struct sr_token_row child = { .ttl_ms = 0 };
	log_in_parent();
	struct sr_end end = place.caller.identity->token.end;
	vault_clock_move(0, 0, true);
	issue("secrets:read:a/b", "86400", id, NULL);
	people_row(&place, id, &child);
	ck_assert_str_eq(child.end.boot_id, "another-boot");
	ck_assert_int_eq(child.end.wall_ms, end.wall_ms);
	struct sr_now now;
	sr_clock_now(&now);
	ck_assert_int_le(child.end.boot_ms - now.boot_ms, 600 * SECOND);
	sr_token_row_clear(&child);
}
END_TEST

/* -- agents ------------------------------------------------------------------------------------------------------ */

static const struct request by_agent[] = {
	{ { .scopes = "secrets:read:a/b", .ttl = "60" }, DONE, "" },
	{ { .scopes = "secrets:*:a/b", .ttl = "300" }, DONE, "" },
	{ { .scopes = "secrets:read:a", .ttl = "60" }, WIDER, "secrets:read:a" },
	{ { .scopes = "keys:sign:a/b", .ttl = "60" }, WIDER, "keys:sign:a/b" },
	{ { .scopes = "tokens:issue:a/*", .ttl = "60" }, DONE, "" }, /* it is in the ceiling */
	{ { .scopes = "tokens:issue:*", .ttl = "60" }, WIDER, "tokens:issue:*" },
	{ { .scopes = "secrets:read:a/b", .ttl = "301" }, WIDER, "TTL" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .uses = "5" }, DONE, "" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .uses = "6" }, WIDER, "uses" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "127.0.0.1" }, DONE, "" },
	{ { .scopes = "secrets:read:a/b", .ttl = "60", .ips = "127.0.0.2" }, WIDER, "addresses" },
};

static struct sr_agent_row agent_row(const char *name, const char *scopes)
{
	struct sr_agent_row row = { .hash = { (uint8_t)name[0], 1 }, .max_ttl_ms = 300 * SECOND, .max_uses = 5 };
	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.owner, sizeof(row.owner), "owner");
	sr_buf_text(&row.scopes, scopes);
	sr_buf_text(&row.allowed_ips, "127.0.0.1\nunix");
	return row;
}

static void as_agent(const char *name)
{
	struct sr_agent_row row = agent_row(name, EVERYTHING);
	people_as(&place, people_agent(&place, &row));
}

static void make_owner(void)
{
	people_as(&place, people_member(&place, "owner", SR_ROLE_EDITOR));
}

START_TEST(an_agent_gives_no_more_than_its_ceiling)
{
	make_owner();
	as_agent("builder");
	ask_all(by_agent, sizeof(by_agent) / sizeof(*by_agent));
}
END_TEST

START_TEST(an_agents_token_is_its_owners)
{
	char id[SR_ID_MAX], pin[64];
	make_owner();
	as_agent("builder");
	issue("secrets:read:a/*", "60", id, pin);
	is_text(id, CKA_SR_ISSUER, "agent:builder");
	is_text(id, CKA_SR_OWNER, "owner");
	is_text(id, CKA_SR_MAX_USES, "5");
	is_text(id, CKA_SR_ALLOWED_IPS, "127.0.0.1\nunix");
	expect(vault_login(&place, pin), CKR_OK, NONE);
	people_cut_agent(&place, "builder");
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
	vault_login_admin(&place);
	is_text(id, CKA_SR_STATE, "revoked");
}
END_TEST

START_TEST(an_agents_end_is_not_outlived)
{
	struct sr_agent_row row = agent_row("builder", EVERYTHING);
	struct sr_token_row token = { .ttl_ms = 0 };
	struct sr_now now;
	char id[SR_ID_MAX];
	make_owner();
	sr_clock_now(&now);
	row.end = sr_end_after(&now, 60 * SECOND);
	people_as(&place, people_agent(&place, &row));
	issue("secrets:read:a/*", "300", id, NULL);
	people_row(&place, id, &token);
	ck_assert_int_eq(token.end.boot_ms, now.boot_ms + 60 * SECOND);
	sr_token_row_clear(&token);
}
END_TEST

/* -- the line ---------------------------------------------------------------------------------------------------- */

/* Who holds the right to issue twice hands on all of it, so that only the line's length ends it. */
#define ENDLESS "secrets:*:a/*\ntokens:issue:a/*\ntokens:issue:a/**"

START_TEST(a_line_is_five_tokens)
{
	const struct wish more = { .scopes = "secrets:read:a/b", .ttl = "60" };
	char id[SR_ID_MAX];
	vault_login_admin(&place);
	for (int i = 0; i < SR_LINE_MAX; i++)
		step_down(ENDLESS, "600", id);
	expect(people_issue(&place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	ck_assert_ptr_nonnull(strstr(place.err.text, "line of 5"));
	is_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_BEYOND_CEILING);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
}
END_TEST

START_TEST(a_token_has_a_hundred_children)
{
	const struct wish more = { .scopes = "secrets:read:a/b", .ttl = "60" };
	char id[SR_ID_MAX], child[SR_ID_MAX], pin[64];
	vault_login_admin(&place);
	step_down(EVERYTHING, "600", id);
	for (int i = 0; i < SR_CHILDREN_MAX - 1; i++)
		issue("secrets:read:a/b", "60", child, NULL);
	issue("secrets:read:a/b", "60", child, pin);
	expect(people_issue(&place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	revoke(child); /* makes no room */
	expect(people_issue(&place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), SR_CHILDREN_MAX);
}
END_TEST

START_TEST(a_use_counts_for_every_ancestor)
{
	static const struct wish wishes[] = { { .scopes = ENDLESS, .ttl = "600", .uses = "4" },
		{ .scopes = ENDLESS, .ttl = "600" }, { .scopes = "secrets:read:a/*", .ttl = "600", .uses = "3" } };
	char ids[3][SR_ID_MAX], pin[64];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	for (int i = 0; i < 3; i++) {
		expect(people_issue(&place, &wishes[i], ids[i], pin), CKR_OK, NONE);
		expect(vault_login(&place, pin), CKR_OK, NONE);
	}
	struct sr_identity *last = sr_identity_ref(place.caller.identity);
	for (int i = 0; i < 3; i++)
		expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, USED_UP);
	vault_login_admin(&place);
	for (int i = 0; i < 3; i++)
		is_text(ids[i], CKA_SR_USES, "3");
	is_text(ids[1], CKA_SR_MAX_USES, "4");
	is_text(ids[2], CKA_SR_STATE, "used_up");
	is_text(ids[1], CKA_SR_STATE, "active");
	people_as(&place, last);
}
END_TEST

/* The parent's last use is a child's. */
START_TEST(an_ancestor_that_is_used_up_ends_the_line)
{
	static const struct wish parent = { .scopes = EVERYTHING, .ttl = "600", .uses = "2" };
	char id[SR_ID_MAX], children[2][SR_ID_MAX], pins[2][64], pin[64];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(people_issue(&place, &parent, id, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	for (int i = 0; i < 2; i++)
		issue("secrets:read:a/b", "60", children[i], pins[i]);
	expect(vault_login(&place, pins[0]), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, USED_UP);
	expect(vault_login(&place, pins[1]), CKR_PIN_LOCKED, LOGIN_REFUSED);
	vault_login_admin(&place);
	is_text(children[1], CKA_SR_USES, "0");
	is_text(children[1], CKA_SR_STATE, "used_up");
}
END_TEST

/* -- what ends a line -------------------------------------------------------------------------------------------- */

/* A member's token, its child, and a grandchild who is logged in. */
struct line {
	char ids[3][SR_ID_MAX];
	char pin[64];
};

static void make_line(struct line *line)
{
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	step_down(ENDLESS, "600", line->ids[0]);
	step_down(ENDLESS, "600", line->ids[1]);
	issue("secrets:read:a/*", "600", line->ids[2], line->pin);
	expect(vault_login(&place, line->pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
}

static void is_over(const struct line *line, CK_RV login, const char *state)
{
	expect(vault_login(&place, line->pin), login, LOGIN_REFUSED);
	vault_login_admin(&place);
	is_text(line->ids[2], CKA_SR_STATE, state);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
}

START_TEST(a_revoked_ancestor_ends_the_line_at_the_next_call)
{
	struct line line;
	vault_login_admin(&place);
	struct sr_identity *admin = sr_identity_ref(place.caller.identity);
	make_line(&line);
	struct sr_caller by_admin = place.caller;
	by_admin.identity = admin;
	sr_error_clear(&place.err);
	ck_assert(sr_class_find(CKO_SR_TOKEN)->destroy(&by_admin, line.ids[0], &place.err) == CKR_OK);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
	sr_identity_unref(admin);
}
END_TEST

START_TEST(an_expired_ancestor_ends_the_line)
{
	struct line line;
	vault_login_admin(&place);
	make_line(&line);
	vault_clock_move(601 * SECOND, 601 * SECOND, false);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	is_over(&line, CKR_PIN_EXPIRED, "expired");
}
END_TEST

/* Removed, or demoted and still a member. */
START_TEST(without_its_owner_a_token_is_void)
{
	struct line line;
	char id[SR_ID_MAX];
	make_owner();
	make_line(&line);
	people_cut_member(&place, "owner", _i == 1);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
	if (_i == 1) { /* what is issued for the member from now on is good */
		struct sr_agent_row row = agent_row("later", EVERYTHING);
		people_as(&place, people_agent(&place, &row));
		issue("secrets:read:a/*", "60", id, line.pin);
		expect(vault_login(&place, line.pin), CKR_OK, NONE);
	}
}
END_TEST

/* The owner's agent has gone: its token, and what was issued with that. */
START_TEST(without_its_agent_a_line_is_void)
{
	struct line line;
	make_owner();
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	struct sr_agent_row row = agent_row("builder", ENDLESS);
	people_as(&place, people_agent(&place, &row));
	step_down(ENDLESS, "300", line.ids[0]);
	issue("secrets:read:a/*", "60", line.ids[2], line.pin);
	expect(vault_login(&place, line.pin), CKR_OK, NONE);
	people_cut_agent(&place, "builder");
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
}
END_TEST

/* -- approvals --------------------------------------------------------------------------------------------------- */

static void guard(const char *path, const char *tier)
{
	vault_login_admin(&place);
	expect(vault_put(&place, path, "v", tier), CKR_OK, NONE);
}

static void approval_of(const char *id, char approval[256])
{
	expect(people_text(&place, id, CKA_SR_APPROVAL, approval), CKR_OK, NONE);
}

START_TEST(what_reaches_above_standard_waits)
{
	char id[SR_ID_MAX], pin[64], approval[256];
	guard("a/b", "sensitive");
	issue("secrets:read:a/*", "600", id, pin);
	is_text(id, CKA_SR_STATE, "pending");
	is_text(id, CKA_SR_CLEARANCE, "sensitive");
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 1);
	ck_assert_uint_ne(vault_login(&place, pin), CKR_OK);
	approval_of(id, approval);
	people_decide(&place, approval, SR_APPROVAL_IN_EFFECT, 600 * SECOND);
	is_text(id, CKA_SR_STATE, "active");
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(what_was_decided_shows)
{
	static const struct {
		enum sr_approval_state state;
		const char *word;
	} rows[] = { { SR_APPROVAL_DENIED, "denied" }, { SR_APPROVAL_CANCELED, "denied" },
		{ SR_APPROVAL_TIMED_OUT, "timed_out" }, { SR_APPROVAL_EXPIRED, "expired" } };
	char id[SR_ID_MAX], approval[256], pin[64];
	guard("a/b", "sensitive");
	issue("secrets:read:a/*", "600", id, pin);
	approval_of(id, approval);
	people_decide(&place, approval, rows[_i].state, 600 * SECOND);
	is_text(id, CKA_SR_STATE, rows[_i].word);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
	ck_assert_uint_ne(vault_login(&place, pin), CKR_OK);
}
END_TEST

/* Listing alone needs nothing; nor does what lies elsewhere, or the same path of another resource. */
START_TEST(what_does_not_reach_it_does_not_wait)
{
	static const char *const scopes[] = { "secrets:list:a/*", "secrets:read:b/*", "tokens:issue:a/*" };
	char id[SR_ID_MAX], approval[256];
	guard("a/b", "critical");
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		issue(scopes[i], "600", id, NULL);
		is_text(id, CKA_SR_STATE, "active");
		is_text(id, CKA_SR_CLEARANCE, "standard");
		approval_of(id, approval);
		ck_assert_str_eq(approval, "");
	}
}
END_TEST

START_TEST(an_approval_may_be_wished_for)
{
	static const struct wish yes = { .scopes = EVERYTHING, .ttl = "60", .approval = "true", .description = "why" },
				 no = { .scopes = EVERYTHING, .ttl = "60", .approval = "false" },
				 bad = { .scopes = EVERYTHING, .ttl = "60", .approval = "yes" };
	char id[SR_ID_MAX], approval[256], pin[64];
	vault_login_admin(&place);
	expect(people_issue(&place, &no, id, NULL), CKR_OK, NONE);
	is_text(id, CKA_SR_STATE, "active");
	expect(people_issue(&place, &bad, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(people_issue(&place, &yes, id, pin), CKR_OK, NONE);
	is_text(id, CKA_SR_STATE, "pending");
	is_text(id, CKA_SR_CLEARANCE, "standard");
	approval_of(id, approval);
	people_decide(&place, approval, SR_APPROVAL_IN_EFFECT, 60 * SECOND);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	/* a child too */
	const struct wish child = { .scopes = "secrets:read:a/*", .ttl = "60", .approval = "true" };
	expect(people_issue(&place, &child, id, NULL), CKR_OK, NONE);
	is_text(id, CKA_SR_STATE, "pending");
}
END_TEST

START_TEST(a_childs_clearance_is_not_above_its_parents)
{
	const struct wish child = { .scopes = "secrets:read:a/*", .ttl = "60" };
	char id[SR_ID_MAX], approval[256], pin[64];
	vault_login_admin(&place);
	step_down(EVERYTHING, "600", id);
	struct sr_identity *parent = sr_identity_ref(place.caller.identity);
	guard("a/b", "sensitive");
	people_as(&place, parent);
	expect(people_issue(&place, &child, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, APPROVAL_REQUIRED);
	is_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_APPROVAL_REQUIRED);
	/* Its parent approved, a child needs no approval, and ends with that of its parent. */
	vault_login_admin(&place);
	issue(EVERYTHING, "3600", id, pin);
	approval_of(id, approval);
	people_decide(&place, approval, SR_APPROVAL_IN_EFFECT, 30 * SECOND);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(people_issue(&place, &child, id, pin), CKR_OK, NONE);
	is_text(id, CKA_SR_STATE, "active");
	is_text(id, CKA_SR_CLEARANCE, "sensitive");
	struct sr_token_row row = { .ttl_ms = 0 };
	struct sr_now now;
	people_row(&place, id, &row);
	sr_clock_now(&now);
	ck_assert_str_eq(row.approval, "");
	ck_assert_int_le(row.end.boot_ms - now.boot_ms, 30 * SECOND);
	sr_token_row_clear(&row);
	vault_login_admin(&place);
	people_decide(&place, approval, SR_APPROVAL_CANCELED, 0);
	is_text(id, CKA_SR_STATE, "denied");
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
}
END_TEST

/* While the request is looked at somebody raises the tier: the first reading of the clock is after the look began. */
static bool raised;

static void raising_clock(struct sr_now *now)
{
	sr_clock_replace(NULL);
	sr_clock_now(now);
	if (raised)
		return;
	raised = true;
	struct sr_error err = place.err;
	ck_assert_uint_eq(vault_put(&place, "a/b", "w", "sensitive"), CKR_OK);
	place.err = err;
}

START_TEST(a_need_that_grew_meanwhile_is_refused)
{
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "60" };
	guard("a/b", "standard");
	raised = false;
	sr_clock_replace(raising_clock);
	expect(people_issue(&place, &wish, NULL, NULL), CKR_TEMPLATE_INCONSISTENT, CHANGED_MEANWHILE);
	is_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_CHANGED_MEANWHILE);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 0);
}
END_TEST

/* -- max-ttl ----------------------------------------------------------------------------------------------------- */

START_TEST(the_vault_bounds_the_ttl)
{
	static const struct wish longest = { .scopes = EVERYTHING, .ttl = "90" },
				 longer = { .scopes = EVERYTHING, .ttl = "91" }, none = { .scopes = EVERYTHING };
	vault_login_admin(&place);
	place.vault->max_ttl_ms = 90 * SECOND;
	expect(people_issue(&place, &longest, NULL, NULL), CKR_OK, NONE);
	expect(people_issue(&place, &longer, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	ck_assert_ptr_nonnull(strstr(place.err.text, "90s, this vault's max-ttl"));
	expect(people_issue(&place, &none, NULL, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_DURATION);
	ck_assert_ptr_nonnull(strstr(place.err.text, "90s"));
}
END_TEST

/* -- who sees it ------------------------------------------------------------------------------------------------- */

static CK_RV see(const char *id)
{
	char text[256];
	return people_text(&place, id, CKA_SR_STATE, text);
}

static CK_RV try_revoke(const char *id)
{
	return sr_class_find(CKO_SR_TOKEN)->destroy(&place.caller, id, &place.err);
}

START_TEST(a_token_sees_and_ends_what_it_issued)
{
	char own[SR_ID_MAX], child[SR_ID_MAX], pin[64], grandchild[SR_ID_MAX], other[SR_ID_MAX];
	vault_login_admin(&place);
	issue("secrets:read:a/*", "600", other, NULL);
	step_down(ENDLESS, "600", own);
	struct sr_identity *parent = sr_identity_ref(place.caller.identity);
	issue(EVERYTHING, "600", child, pin);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	issue("secrets:read:a/*", "600", grandchild, NULL);
	expect(see(own), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(see(child), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(see(grandchild), CKR_OK, NONE);
	expect(try_revoke(child), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	is_recorded(SR_EVENT_TOKEN_REVOKED, SR_STATUS_DENIED, SR_REASON_NOT_FOUND);

	people_as(&place, parent);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_ID, child), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_ID, other), 0);
	expect(see(grandchild), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke("t-unknown"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(grandchild), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(child), CKR_OK, NONE);
	is_text(child, CKA_SR_STATE, "revoked");
	vault_login_admin(&place);
	is_text(grandchild, CKA_SR_STATE, "revoked");
	is_text(other, CKA_SR_STATE, "active");
}
END_TEST

START_TEST(an_agent_sees_and_ends_what_it_issued)
{
	char id[SR_ID_MAX], other[SR_ID_MAX];
	vault_login_admin(&place);
	issue("secrets:read:a/*", "600", other, NULL);
	make_owner();
	as_agent("builder");
	issue("secrets:read:a/*", "60", id, NULL);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 1);
	expect(see(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(other), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	as_agent("cleaner");
	expect(see(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(try_revoke(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	vault_login_admin(&place);
	is_text(id, CKA_SR_STATE, "active");
}
END_TEST

/* By role: a viewer sees and does not revoke, an auditor does neither, an editor does both. */
START_TEST(members_see_by_their_role)
{
	char id[SR_ID_MAX];
	vault_login_admin(&place);
	issue("secrets:read:a/*", "600", id, NULL);
	people_as(&place, people_member(&place, "viewer", SR_ROLE_VIEWER));
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "60" };
	expect(people_issue(&place, &wish, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(see(id), CKR_OK, NONE);
	expect(try_revoke(id), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	people_as(&place, people_member(&place, "auditor", SR_ROLE_AUDITOR));
	expect(see(id), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 0);
	expect(try_revoke(id), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	people_as(&place, people_member(&place, "editor", SR_ROLE_EDITOR));
	expect(try_revoke(id), CKR_OK, NONE);
	is_text(id, CKA_SR_STATE, "revoked");
}
END_TEST

/* -- searching --------------------------------------------------------------------------------------------------- */

START_TEST(found_by_what_they_reach)
{
	static const struct {
		const char *path;
		int count;
	} rows[] = { { "a/b", 4 }, { "a/b/c", 3 }, { "a/*", 4 }, { "b/x", 2 }, { "c", 1 }, { "*", 5 }, { "*/b", 5 },
		{ "\xc3\xa4/x", 2 }, { "\xc3\xb6/x", 1 } };
	static const char *const scopes[] = { "secrets:read:a/*", "secrets:read:a/b\nkeys:sign:a/*\nkeys:sign:b/*",
		"secrets:*:*", "keys:verify:a/b", "secrets:list:a/*", "tokens:issue:a/*", "secrets:read:\xc3\xa4/*" };
	char id[SR_ID_MAX];
	vault_login_admin(&place);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++)
		issue(scopes[i], "600", id, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, rows[i].path) == rows[i].count,
			"%s: %d", rows[i].path, vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, rows[i].path));
}
END_TEST

struct order_seen {
	int count;
	char ids[8][SR_ID_MAX];
};

static bool note_id(const char *id, void *ctx)
{
	struct order_seen *seen = ctx;
	ck_assert_int_lt(seen->count, 8);
	snprintf(seen->ids[seen->count++], SR_ID_MAX, "%s", id);
	return true;
}

/* All, by path, and a token's own. */
START_TEST(the_newest_come_first)
{
	static const char *const reaches[] = { NULL, "a/b", NULL };
	struct order_seen seen = { .count = 0 };
	struct sr_attrs query = SR_ATTRS_INIT;
	char ids[4][SR_ID_MAX], parent[SR_ID_MAX];
	vault_login_admin(&place);
	if (_i == 2)
		step_down(EVERYTHING, "6000", parent);
	for (int i = 0; i < 4; i++) {
		vault_clock_move(SECOND, SECOND, false);
		issue("secrets:read:a/*", "600", ids[i], NULL);
	}
	if (reaches[_i])
		sr_attrs_put_text(&query, CKA_SR_REACHES, reaches[_i]);
	expect(sr_class_find(CKO_SR_TOKEN)->find(&place.caller, &query, note_id, &seen, &place.err), CKR_OK, NONE);
	ck_assert_int_eq(seen.count, 4);
	for (int i = 0; i < 4; i++)
		ck_assert_str_eq(seen.ids[i], ids[3 - i]);
	sr_attrs_clear(&query);
}
END_TEST

/* By id the row is asked for, so one that was taken away is missed. */
START_TEST(found_by_id)
{
	struct order_seen seen = { .count = 0 };
	struct sr_attrs query = SR_ATTRS_INIT;
	char id[SR_ID_MAX];
	vault_login_admin(&place);
	issue("secrets:read:a/*", "600", id, NULL);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_ID, id), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_ID, "t-unknown"), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_ID, "t-much-longer-than-any-id-can-be"), 0);
	sr_attrs_put_text(&query, CKA_SR_ID, id);
	sr_attrs_put_text(&query, CKA_SR_STATE, "revoked");
	expect(sr_class_find(CKO_SR_TOKEN)->find(&place.caller, &query, note_id, &seen, &place.err), CKR_OK, NONE);
	ck_assert_int_eq(seen.count, 0);
	sr_attrs_clear(&query);
	vault_sql(&place, "PRAGMA foreign_keys = OFF; DELETE FROM token");
	sr_attrs_put_text(&query, CKA_SR_ID, id);
	expect(sr_class_find(CKO_SR_TOKEN)->find(&place.caller, &query, note_id, &seen, &place.err), CKR_DEVICE_ERROR,
		ROW_MISSING);
	sr_attrs_clear(&query);
}
END_TEST

/* A live token is not hidden from a search by path without audit verify telling. */
START_TEST(what_lists_a_token_is_verified)
{
	struct sr_verdict verdict = { .ok = true };
	char ids[2][SR_ID_MAX];
	vault_login_admin(&place);
	for (int i = 0; i < 2; i++)
		issue(EVERYTHING, "600", ids[i], NULL);
	revoke(ids[0]);
	expect(sr_report_check_rows(place.vault, &verdict, &place.err), CKR_OK, NONE);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
	vault_sql(&place, "DELETE FROM token_reach");
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
	expect(sr_report_check_rows(place.vault, &verdict, &place.err), CKR_OK, NONE);
	ck_assert(!verdict.ok);
	ck_assert_ptr_nonnull(strstr(verdict.detail, ids[1]));
}
END_TEST

Suite *sr_suite_vault_tokens(void)
{
	Suite *suite = suite_create("vault_tokens");
	TCase *c = tcase_create("tokens");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_token_gives_no_more_than_it_has);
	tcase_add_test(c, the_right_to_issue_is_passed_on_where_it_is_held_twice);
	tcase_add_test(c, what_a_child_does_not_name_it_inherits);
	tcase_add_test(c, an_end_of_another_boot_is_not_outlived);
	tcase_add_test(c, an_agent_gives_no_more_than_its_ceiling);
	tcase_add_test(c, an_agents_token_is_its_owners);
	tcase_add_test(c, an_agents_end_is_not_outlived);
	tcase_add_test(c, a_line_is_five_tokens);
	tcase_add_test(c, a_token_has_a_hundred_children);
	tcase_add_test(c, a_use_counts_for_every_ancestor);
	tcase_add_test(c, an_ancestor_that_is_used_up_ends_the_line);
	tcase_add_test(c, a_revoked_ancestor_ends_the_line_at_the_next_call);
	tcase_add_test(c, an_expired_ancestor_ends_the_line);
	tcase_add_loop_test(c, without_its_owner_a_token_is_void, 0, 2);
	tcase_add_test(c, without_its_agent_a_line_is_void);
	tcase_add_test(c, what_reaches_above_standard_waits);
	tcase_add_loop_test(c, what_was_decided_shows, 0, 4);
	tcase_add_test(c, what_does_not_reach_it_does_not_wait);
	tcase_add_test(c, an_approval_may_be_wished_for);
	tcase_add_test(c, a_childs_clearance_is_not_above_its_parents);
	tcase_add_test(c, a_need_that_grew_meanwhile_is_refused);
	tcase_add_test(c, the_vault_bounds_the_ttl);
	tcase_add_test(c, a_token_sees_and_ends_what_it_issued);
	tcase_add_test(c, an_agent_sees_and_ends_what_it_issued);
	tcase_add_test(c, members_see_by_their_role);
	tcase_add_test(c, found_by_what_they_reach);
	tcase_add_loop_test(c, the_newest_come_first, 0, 3);
	tcase_add_test(c, found_by_id);
	tcase_add_test(c, what_lists_a_token_is_verified);
	suite_add_tcase(suite, c);
	return suite;
}
