/* Tokens over the real vault: who issues what, and what ends it. */
#include "tests/unit/no_memory.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_tokens_fixture.h"

#include "vault/recount.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

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
		CK_RV rv = people_issue(&tokens_place, &rows[i].wish, NULL, NULL);
		ck_assert_msg(rv == rows[i].rv && tokens_place.err.reason == rows[i].reason, "row %zu: %s %s", i,
			sr_rv_name(rv), tokens_place.err.text);
		ck_assert_msg(
			strstr(tokens_place.err.text, rows[i].named) != NULL, "row %zu: %s", i, tokens_place.err.text);
		tokens_recorded(
			SR_EVENT_TOKEN_ISSUED, rv == CKR_OK ? SR_STATUS_ALLOWED : SR_STATUS_DENIED, rows[i].reason);
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
	vault_login_admin(&tokens_place);
	expect(people_issue(&tokens_place, &parent, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
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
	vault_login_admin(&tokens_place);
	tokens_step_down("secrets:read:a/*\ntokens:issue:a/*\ntokens:issue:a/b/*", "600", id);
	const struct wish twice = { .scopes = "secrets:read:a/b/c\ntokens:issue:a/b/*", .ttl = "60" };
	const struct wish once = { .scopes = "tokens:issue:a/*", .ttl = "60" };
	expect(people_issue(&tokens_place, &once, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BEYOND_CEILING);
	expect(people_issue(&tokens_place, &twice, NULL, NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(what_a_child_does_not_name_it_inherits)
{
	struct sr_token_row parent = { .ttl_ms = 0 }, child = { .ttl_ms = 0 };
	char id[SR_ID_MAX];
	log_in_parent();
	people_row(&tokens_place, tokens_place.caller.identity->token.id, &parent);
	tokens_issue("secrets:read:a/b", "86400", id, NULL);
	people_row(&tokens_place, id, &child);
	ck_assert_str_eq(child.parent, parent.id);
	ck_assert_str_eq(child.owner, "admin");
	ck_assert_str_eq(sr_buf_string(&child.allowed_ips), PARENT_IPS);
	ck_assert_uint_eq(child.max_uses, 10);
	ck_assert_int_eq(child.end.boot_ms, parent.end.boot_ms);
	ck_assert_int_le(child.end.wall_ms, parent.end.wall_ms);
	ck_assert_int_eq(strncmp(child.issuer, "token:", 6), 0);
	ck_assert_str_eq(child.issuer + 6, parent.id);
	tokens_text(id, CKA_SR_PARENT, parent.id);
	tokens_text(id, CKA_SR_MAX_USES, "10");
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
	struct sr_end end = tokens_place.caller.identity->token.end;
	vault_clock_move(0, 0, true);
	tokens_issue("secrets:read:a/b", "86400", id, NULL);
	people_row(&tokens_place, id, &child);
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

START_TEST(an_agent_gives_no_more_than_its_ceiling)
{
	tokens_make_owner();
	tokens_as_agent("builder");
	ask_all(by_agent, sizeof(by_agent) / sizeof(*by_agent));
}
END_TEST

START_TEST(an_agents_token_is_its_owners)
{
	char id[SR_ID_MAX], pin[64];
	tokens_make_owner();
	tokens_as_agent("builder");
	tokens_issue("secrets:read:a/*", "60", id, pin);
	tokens_text(id, CKA_SR_ISSUER, "agent:builder");
	tokens_text(id, CKA_SR_OWNER, "owner");
	tokens_text(id, CKA_SR_MAX_USES, "5");
	tokens_text(id, CKA_SR_ALLOWED_IPS, "127.0.0.1\nunix");
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	people_cut_agent(&tokens_place, "builder");
	expect(sr_identity_check(&tokens_place.caller, &tokens_place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_login(&tokens_place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
	vault_login_admin(&tokens_place);
	tokens_text(id, CKA_SR_STATE, "revoked");
}
END_TEST

START_TEST(an_agents_end_is_not_outlived)
{
	struct sr_agent_row row = tokens_agent_row("builder", EVERYTHING);
	struct sr_token_row token = { .ttl_ms = 0 };
	struct sr_now now;
	char id[SR_ID_MAX];
	tokens_make_owner();
	sr_clock_now(&now);
	row.end = sr_end_after(&now, 60 * SECOND);
	people_as(&tokens_place, people_agent(&tokens_place, &row));
	tokens_issue("secrets:read:a/*", "300", id, NULL);
	people_row(&tokens_place, id, &token);
	ck_assert_int_eq(token.end.boot_ms, now.boot_ms + 60 * SECOND);
	sr_token_row_clear(&token);
}
END_TEST

/* -- the line ---------------------------------------------------------------------------------------------------- */

/* Who holds the right to issue twice hands on all of it, so that only the line's length ends it. */

START_TEST(a_line_is_five_tokens)
{
	const struct wish more = { .scopes = "secrets:read:a/b", .ttl = "60" };
	char id[SR_ID_MAX];
	vault_login_admin(&tokens_place);
	for (int i = 0; i < SR_LINE_MAX; i++)
		tokens_step_down(ENDLESS, "600", id);
	expect(people_issue(&tokens_place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	ck_assert_ptr_nonnull(strstr(tokens_place.err.text, "line of 5"));
	tokens_recorded(SR_EVENT_TOKEN_ISSUED, SR_STATUS_DENIED, SR_REASON_BEYOND_CEILING);
	expect(sr_identity_check(&tokens_place.caller, &tokens_place.err), CKR_OK, NONE);
}
END_TEST

START_TEST(a_token_has_a_hundred_children)
{
	const struct wish more = { .scopes = "secrets:read:a/b", .ttl = "60" };
	char id[SR_ID_MAX], child[SR_ID_MAX], pin[64];
	vault_login_admin(&tokens_place);
	tokens_step_down(EVERYTHING, "600", id);
	for (int i = 0; i < SR_CHILDREN_MAX - 1; i++)
		tokens_issue("secrets:read:a/b", "60", child, NULL);
	tokens_issue("secrets:read:a/b", "60", child, pin);
	expect(people_issue(&tokens_place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	tokens_revoke(child); /* makes no room */
	expect(people_issue(&tokens_place, &more, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, BEYOND_CEILING);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, 0, NULL), SR_CHILDREN_MAX);
}
END_TEST

START_TEST(a_use_counts_for_every_ancestor)
{
	static const struct wish wishes[] = { { .scopes = ENDLESS, .ttl = "600", .uses = "4" },
		{ .scopes = ENDLESS, .ttl = "600" }, { .scopes = "secrets:read:a/*", .ttl = "600", .uses = "3" } };
	char ids[3][SR_ID_MAX], pin[64];
	vault_login_admin(&tokens_place);
	expect(vault_put(&tokens_place, "a/b", "v", NULL), CKR_OK, NONE);
	for (int i = 0; i < 3; i++) {
		expect(people_issue(&tokens_place, &wishes[i], ids[i], pin), CKR_OK, NONE);
		expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	}
	struct sr_identity *last = sr_identity_ref(tokens_place.caller.identity);
	for (int i = 0; i < 3; i++)
		expect(vault_get(&tokens_place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, USED_UP);
	vault_login_admin(&tokens_place);
	for (int i = 0; i < 3; i++)
		tokens_text(ids[i], CKA_SR_USES, "3");
	tokens_text(ids[1], CKA_SR_MAX_USES, "4");
	tokens_text(ids[2], CKA_SR_STATE, "used_up");
	tokens_text(ids[1], CKA_SR_STATE, "active");
	people_as(&tokens_place, last);
}
END_TEST

/* The parent's last use is a child's. */
START_TEST(an_ancestor_that_is_used_up_ends_the_line)
{
	static const struct wish parent = { .scopes = EVERYTHING, .ttl = "600", .uses = "2" };
	char id[SR_ID_MAX], children[2][SR_ID_MAX], pins[2][64], pin[64];
	vault_login_admin(&tokens_place);
	expect(vault_put(&tokens_place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(people_issue(&tokens_place, &parent, id, pin), CKR_OK, NONE);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
	for (int i = 0; i < 2; i++)
		tokens_issue("secrets:read:a/b", "60", children[i], pins[i]);
	expect(vault_login(&tokens_place, pins[0]), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, USED_UP);
	expect(vault_login(&tokens_place, pins[1]), CKR_PIN_LOCKED, LOGIN_REFUSED);
	vault_login_admin(&tokens_place);
	tokens_text(children[1], CKA_SR_USES, "0");
	tokens_text(children[1], CKA_SR_STATE, "used_up");
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
	expect(vault_put(&tokens_place, "a/b", "v", NULL), CKR_OK, NONE);
	tokens_step_down(ENDLESS, "600", line->ids[0]);
	tokens_step_down(ENDLESS, "600", line->ids[1]);
	tokens_issue("secrets:read:a/*", "600", line->ids[2], line->pin);
	expect(vault_login(&tokens_place, line->pin), CKR_OK, NONE);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_OK, NONE);
}

static void is_over(const struct line *line, CK_RV login, const char *state)
{
	expect(vault_login(&tokens_place, line->pin), login, LOGIN_REFUSED);
	vault_login_admin(&tokens_place);
	tokens_text(line->ids[2], CKA_SR_STATE, state);
	ck_assert_int_eq(vault_count(&tokens_place, CKO_SR_TOKEN, CKA_SR_REACHES, "a/b"), 0);
}

START_TEST(a_revoked_ancestor_ends_the_line_at_the_next_call)
{
	struct line line;
	vault_login_admin(&tokens_place);
	struct sr_identity *admin = sr_identity_ref(tokens_place.caller.identity);
	make_line(&line);
	struct sr_caller by_admin = tokens_place.caller;
	by_admin.identity = admin;
	sr_error_clear(&tokens_place.err);
	ck_assert(sr_class_find(CKO_SR_TOKEN)->destroy(&by_admin, line.ids[0], &tokens_place.err) == CKR_OK);
	expect(sr_identity_check(&tokens_place.caller, &tokens_place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
	sr_identity_unref(admin);
}
END_TEST

START_TEST(an_expired_ancestor_ends_the_line)
{
	struct line line;
	vault_login_admin(&tokens_place);
	make_line(&line);
	vault_clock_move(601 * SECOND, 601 * SECOND, false);
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	is_over(&line, CKR_PIN_EXPIRED, "expired");
}
END_TEST

/* Removed, or demoted and still a member. */
START_TEST(without_its_owner_a_token_is_void)
{
	struct line line;
	char id[SR_ID_MAX];
	tokens_make_owner();
	make_line(&line);
	people_cut_member(&tokens_place, "owner", _i == 1);
	expect(sr_identity_check(&tokens_place.caller, &tokens_place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
	if (_i == 1) { /* what is issued for the member from now on is good */
		struct sr_agent_row row = tokens_agent_row("later", EVERYTHING);
		people_as(&tokens_place, people_agent(&tokens_place, &row));
		tokens_issue("secrets:read:a/*", "60", id, line.pin);
		expect(vault_login(&tokens_place, line.pin), CKR_OK, NONE);
	}
}
END_TEST

/* The owner's agent has gone: its token, and what was issued with that. */
START_TEST(without_its_agent_a_line_is_void)
{
	struct line line;
	tokens_make_owner();
	expect(vault_put(&tokens_place, "a/b", "v", NULL), CKR_OK, NONE);
	struct sr_agent_row row = tokens_agent_row("builder", ENDLESS);
	people_as(&tokens_place, people_agent(&tokens_place, &row));
	tokens_step_down(ENDLESS, "300", line.ids[0]);
	tokens_issue("secrets:read:a/*", "60", line.ids[2], line.pin);
	expect(vault_login(&tokens_place, line.pin), CKR_OK, NONE);
	people_cut_agent(&tokens_place, "builder");
	expect(vault_get(&tokens_place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, REVOKED);
	is_over(&line, CKR_PIN_LOCKED, "revoked");
}
END_TEST

/* -- counting from the records ------------------------------------------------------------------------------------ */

START_TEST(a_use_that_there_is_no_memory_for_is_not_counted_in_silence)
{
	struct sr_recount *recount = sr_recount_new();
	struct sr_event event = { .counted = true, .token_id = "t-abcdefghijklmnop" };
	size_t answered = 0;
	bool ran_out;
	do {
		no_memory_after(answered++);
		bool added = sr_recount_add(recount, &event);
		ran_out = memory_again();
		ck_assert_int_eq(added, !ran_out);
	} while (ran_out);
	ck_assert_uint_eq(answered, 4); /* for the token, for the table and for what is in it; then there is enough */
	sr_recount_free(recount);
}
END_TEST

Suite *sr_suite_vault_tokens(void)
{
	Suite *suite = suite_create("vault_tokens");
	TCase *c = tcase_create("tokens");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, tokens_setup, tokens_teardown);
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
	tcase_add_test(c, a_use_that_there_is_no_memory_for_is_not_counted_in_silence);
	suite_add_tcase(suite, c);
	return suite;
}
