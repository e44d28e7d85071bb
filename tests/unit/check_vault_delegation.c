/* A child never exceeds its parent, nor what an agent asks for the agent: random parents and requests over small
 * alphabets, judged by an oracle that enumerates paths and peers and shares no code with what is judged. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include "vault/kept.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
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

#define PARENTS 60
#define AGENTS 40
#define REQUESTS 60

static unsigned draw(unsigned below)
{
	static uint64_t state = 0x5eed5eed5eed5eedull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % below);
}

/* -- what is drawn ----------------------------------------------------------------------------------------------- */

static const char *const globs[] = { "*", "a/*", "a/b", "a/b*", "*/b", "a*", "b/*", "a/*/b", "**", "b" };
static const char *const actions[] = { "secrets:read", "secrets:list", "secrets:*", "keys:sign", "keys:*",
	"tokens:issue", "tokens:issue" };
static const char *const items[] = { "10.0.0.0/30", "10.0.0.1", "10.0.0.2/31", "10.0.0.0/8", "unix", "unix:uid=7",
	"unix:uid=8" };
#define ITEMS (sizeof items / sizeof items[0])
#define PICK(list) list[draw(sizeof list / sizeof list[0])]

/* Up to MOST scopes, none twice. */
static void draw_scopes(char text[512], unsigned most)
{
	unsigned count = 1 + draw(most);
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char scope[64], line[66];
		snprintf(scope, sizeof scope, "%s:%s", PICK(actions), PICK(globs));
		snprintf(line, sizeof line, "%s\n", scope);
		if (strstr(text, line) == NULL)
			strcat(text, line);
	}
	text[strlen(text) - 1] = '\0';
}

/* "" is no list at all, as often as not. */
static void draw_items(char text[256])
{
	unsigned chosen = draw(2) ? 0 : draw(1u << ITEMS);
	text[0] = '\0';
	for (size_t i = 0; i < ITEMS; i++) {
		if (chosen & 1u << i)
			snprintf(text + strlen(text), 256 - strlen(text), "%s%s", text[0] ? "\n" : "", items[i]);
	}
}

/* -- the oracle -------------------------------------------------------------------------------------------------- */

/* Every path that matters to globs over a, b and '/', and to none of them: c. */
static const char *const paths[] = { "a", "b", "c", "a/a", "a/b", "a/c", "b/a", "b/b", "b/c", "c/b", "ab", "ba", "a/ba",
	"a/bc", "a/b/a", "a/b/b", "a/a/b", "a/c/b", "b/a/b", "c/c/b", "a/b/c/b", "ca", "ac/b", "c/a/c" };
#define PATHS (sizeof paths / sizeof paths[0])

static bool matches(const char *glob, const char *path)
{
	if (*glob == '*')
		return matches(glob + 1, path) || (*path && matches(glob, path + 1));
	return *glob == *path && (*glob == '\0' || matches(glob + 1, path + 1));
}

/* How many lines of SCOPES allow ACTION ("secrets:read") on PATH. */
static int allowed_by(const char *scopes, const char *action, const char *path)
{
	char copy[1024], *save = NULL;
	int count = 0;
	snprintf(copy, sizeof copy, "%s", scopes);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *glob = strchr(strchr(line, ':') + 1, ':');
		*glob++ = '\0';
		size_t resource = strcspn(line, ":") + 1;
		bool every = strcmp(line + resource, "*") == 0 && strncmp(line, action, resource) == 0;
		count += (every || strcmp(line, action) == 0) && matches(glob, path);
	}
	return count;
}

/* The right to issue came from two of the parent's scopes, anything else from one of them and one to issue. */
static void is_within(const char *parent, const char *child)
{
	static const char *const each[] = { "secrets:read", "secrets:list", "secrets:write", "secrets:delete",
		"secrets:use", "keys:sign", "keys:decrypt", "keys:create", "keys:list", "tokens:issue" };
	for (size_t a = 0; a < sizeof each / sizeof each[0]; a++) {
		bool issue = strcmp(each[a], "tokens:issue") == 0;
		for (size_t p = 0; p < PATHS; p++) {
			if (!allowed_by(child, each[a], paths[p]))
				continue;
			ck_assert_msg(allowed_by(parent, each[a], paths[p]) >= 1 + issue, "%s on %s: [%s] from [%s]",
				each[a], paths[p], child, parent);
			ck_assert_msg(allowed_by(parent, "tokens:issue", paths[p]) >= 1 + issue,
				"%s on %s: [%s] from [%s], which may not issue it", each[a], paths[p], child, parent);
		}
	}
}

/* Peers: the addresses 10.0.0.0 to .4 and 10.1.0.0, then local callers with uid 7, 8 and 9. One bit each. */
static unsigned peers_of(const char *list)
{
	static const unsigned peers[ITEMS] = { 0x0f, 0x02, 0x0c, 0x3f, 0x1c0, 0x040, 0x080 };
	char copy[256], *save = NULL;
	unsigned all = list[0] ? 0 : 0x1ff;
	snprintf(copy, sizeof copy, "%s", list);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (size_t i = 0; i < ITEMS; i++)
			all |= strcmp(line, items[i]) == 0 ? peers[i] : 0;
	}
	return all;
}

static void is_no_more(struct sr_token_row *parent, struct sr_token_row *child)
{
	is_within(sr_buf_string(&parent->scopes), sr_buf_string(&child->scopes));
	unsigned had = peers_of(sr_buf_string(&parent->allowed_ips)),
		 has = peers_of(sr_buf_string(&child->allowed_ips));
	ck_assert_msg((has & ~had) == 0, "peers %x from %x", has, had);
	ck_assert(parent->max_uses == 0 || (child->max_uses != 0 && child->max_uses <= parent->max_uses));
	ck_assert_int_le(child->end.wall_ms, parent->end.wall_ms);
	ck_assert_int_le(child->end.boot_ms, parent->end.boot_ms);
	ck_assert_str_eq(child->end.boot_id, parent->end.boot_id);
	ck_assert_int_le(child->clearance, parent->clearance);
	ck_assert_str_eq(child->parent, parent->id);
	ck_assert_str_eq(child->owner, parent->owner);
}

/* What the child reaches lies at or below its clearance: secret a/b is sensitive, b critical. */
static void is_cleared(struct sr_token_row *child)
{
	static const struct {
		const char *path;
		enum sr_tier tier;
	} guarded[] = { { "a/b", SR_TIER_SENSITIVE }, { "b", SR_TIER_CRITICAL } };
	for (size_t i = 0; i < 2; i++) {
		if (allowed_by(sr_buf_string(&child->scopes), "secrets:read", guarded[i].path))
			ck_assert_int_ge(child->clearance, guarded[i].tier);
	}
}

/* -- the rounds -------------------------------------------------------------------------------------------------- */

static struct sr_identity *draw_parent(int number)
{
	struct sr_token_row row = { .clearance = (enum sr_tier)draw(SR_TIER_COUNT), .max_uses = draw(4) };
	char scopes[512], allowed[256];
	struct sr_now now;
	sr_clock_now(&now);
	snprintf(row.id, sizeof row.id, "t-parent%d", number);
	snprintf(row.issuer, sizeof row.issuer, "member:admin");
	snprintf(row.owner, sizeof row.owner, "admin");
	memcpy(row.hash, &number, sizeof number);
	row.hash[31] = 1;
	draw_scopes(scopes, 8);
	strcat(scopes, draw(2) ? "\ntokens:issue:*/*" : "\ntokens:issue:***");
	sr_buf_text(&row.scopes, scopes);
	draw_items(allowed);
	sr_buf_text(&row.allowed_ips, allowed);
	row.ttl_ms = 1000ll * (60 + draw(600));
	row.end = sr_end_after(&now, row.ttl_ms);
	return people_token(&place, &row);
}

/* WHO logs in from somewhere that it may be used from. */
static void use(struct sr_identity *who, struct sr_buf *allowed_ips)
{
	unsigned may = peers_of(sr_buf_string(allowed_ips)), peer;
	do {
		peer = draw(9);
	} while (!(may & 1u << peer));
	if (peer < 6) {
		char text[16];
		place.peer = (struct sr_peer){ .kind = SR_PEER_TLS, .has_address = true };
		snprintf(text, sizeof text, "10.%u.0.%u", peer == 5, peer == 5 ? 0 : peer);
		ck_assert(sr_address_parse(text, strlen(text), &place.peer.address));
	} else {
		place.peer = (struct sr_peer){ .kind = SR_PEER_UNIX, .uid = peer + 1 };
	}
	people_as(&place, who);
}

static void use_parent(struct sr_identity *parent)
{
	use(parent, &parent->token.allowed_ips);
}

static void use_agent(struct sr_identity *agent)
{
	use(agent, &agent->agent.allowed_ips);
}

/* A random request of who has HAS; whether it was granted, ID then. */
static bool ask(struct sr_buf *has, char id[SR_ID_MAX])
{
	char scopes[512], allowed[256], ttl[16], uses[16];
	draw_scopes(scopes, 3);
	draw_items(allowed);
	snprintf(ttl, sizeof ttl, "%u", 1 + draw(900));
	snprintf(uses, sizeof uses, "%u", 1 + draw(4));
	const struct wish wish = {
		.scopes = scopes, .ttl = ttl, .uses = draw(2) ? uses : NULL, .ips = allowed[0] ? allowed : NULL
	};
	CK_RV rv = people_issue(&place, &wish, id, NULL);
	ck_assert_msg(rv == CKR_OK || (rv == CKR_ATTRIBUTE_VALUE_INVALID &&
					      (place.err.reason == SR_REASON_BEYOND_CEILING ||
						      place.err.reason == SR_REASON_APPROVAL_REQUIRED)),
		"[%s] from [%s]: %s", scopes, sr_buf_string(has), place.err.text);
	return rv == CKR_OK;
}

/* -- the rounds of a token --------------------------------------------------------------------------------------- */

/* Requests of each parent, and now and then of a child. */
START_TEST(a_child_never_exceeds_its_parent)
{
	int granted = 0, refused = 0, generations = 0;
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_put(&place, "a/b", "v", "sensitive"), CKR_OK);
	ck_assert_uint_eq(vault_put(&place, "b", "v", "critical"), CKR_OK);
	for (int i = 0; i < PARENTS; i++) {
		use_parent(draw_parent(i));
		for (int k = 0; k < REQUESTS; k++) {
			struct sr_token_row *parent = &place.caller.identity->token, child = { .ttl_ms = 0 };
			char id[SR_ID_MAX];
			if (!ask(&parent->scopes, id)) {
				refused++;
				continue;
			}
			granted++;
			people_row(&place, id, &child);
			is_no_more(parent, &child);
			is_cleared(&child);
			bool descend = draw(4) == 0 && strstr(sr_buf_string(&child.scopes), "tokens:issue") != NULL;
			sr_token_row_clear(&child);
			if (descend) {
				generations++;
				use_parent(people_login(&place, id));
			}
		}
	}
	/* both happened often enough to mean something */
	ck_assert_int_gt(granted, 200);
	ck_assert_int_gt(refused, 200);
	ck_assert_int_gt(generations, 10);
}
END_TEST

/* -- the rounds of an agent -------------------------------------------------------------------------------------- */

static void draw_agent(int number, struct sr_agent_row *row)
{
	char scopes[512], allowed[256];
	struct sr_now now;
	sr_clock_now(&now);
	memset(row, 0, sizeof *row);
	snprintf(row->name, sizeof row->name, "agent%d", number);
	snprintf(row->owner, sizeof row->owner, "owner%d", number);
	row->hash[0] = (uint8_t)number;
	row->hash[31] = 2;
	draw_scopes(scopes, 6);
	sr_buf_text(&row->scopes, scopes);
	draw_items(allowed);
	sr_buf_text(&row->allowed_ips, allowed);
	row->max_uses = draw(4);
	row->max_ttl_ms = draw(2) ? 1000ll * (1 + draw(900)) : 0;
	row->state = SR_AGENT_ACTIVE;
	if (draw(2))
		row->end = sr_end_after(&now, 1000ll * (1000 + draw(600)));
}

/* The approval says what it is for: the highest tier reached, and what the table of tiers asks there. */
static void is_approved_of(struct sr_token_row *token)
{
	const char *scopes = sr_buf_string(&token->scopes);
	bool sensitive = allowed_by(scopes, "secrets:read", "a/b"), critical = allowed_by(scopes, "secrets:read", "b");
	struct sr_approval_row row;
	is_cleared(token);
	if (!sensitive && !critical)
		return;
	ck_assert_msg(token->approval[0] != '\0', "[%s] needs no approval", scopes);
	people_approval(&place, token->approval, &row);
	ck_assert_int_eq(row.state, SR_APPROVAL_PENDING);
	ck_assert_uint_ge(row.needed, critical ? 2 : 1);
	ck_assert_int_ge(row.delay_ms, critical ? 300000 : 0);
	ck_assert_int_eq(row.tier, token->clearance);
	ck_assert_str_eq(row.owner, token->owner);
	ck_assert_int_eq(row.ttl_ms, token->ttl_ms);
}

static void is_within_agent(struct sr_agent_row *agent, struct sr_token_row *token)
{
	static const char *const each[] = { "secrets:read", "secrets:list", "secrets:write", "keys:sign", "keys:list",
		"tokens:issue" };
	for (size_t a = 0; a < sizeof each / sizeof each[0]; a++) {
		for (size_t p = 0; p < PATHS; p++)
			ck_assert_msg(!allowed_by(sr_buf_string(&token->scopes), each[a], paths[p]) ||
					      allowed_by(sr_buf_string(&agent->scopes), each[a], paths[p]),
				"%s on %s: [%s] from [%s]", each[a], paths[p], sr_buf_string(&token->scopes),
				sr_buf_string(&agent->scopes));
	}
	unsigned had = peers_of(sr_buf_string(&agent->allowed_ips)), has = peers_of(sr_buf_string(&token->allowed_ips));
	ck_assert_msg((has & ~had) == 0, "peers %x from %x", has, had);
	ck_assert(agent->max_uses == 0 || (token->max_uses != 0 && token->max_uses <= agent->max_uses));
	ck_assert(agent->max_ttl_ms == 0 || token->ttl_ms <= agent->max_ttl_ms);
	ck_assert(agent->end.wall_ms == 0 || token->approval[0] || token->end.wall_ms <= agent->end.wall_ms);
	ck_assert_str_eq(token->owner, agent->owner);
	ck_assert_str_eq(token->parent, "");
}

START_TEST(a_token_never_exceeds_its_agent)
{
	int granted = 0, approvals = 0, refused = 0;
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_put(&place, "a/b", "v", "sensitive"), CKR_OK);
	ck_assert_uint_eq(vault_put(&place, "b", "v", "critical"), CKR_OK);
	for (int i = 0; i < AGENTS; i++) {
		struct sr_agent_row row;
		draw_agent(i, &row);
		sr_identity_unref(people_member(&place, row.owner, SR_ROLE_EDITOR));
		use_agent(people_agent(&place, &row));
		for (int k = 0; k < REQUESTS; k++) {
			struct sr_token_row token = { .ttl_ms = 0 };
			char id[SR_ID_MAX];
			if (!ask(&row.scopes, id)) {
				refused++;
				continue;
			}
			granted++;
			people_row(&place, id, &token);
			is_within_agent(&row, &token);
			is_approved_of(&token);
			approvals += token.approval[0] != '\0';
			sr_token_row_clear(&token);
		}
	}
	ck_assert_int_gt(granted, 100);
	ck_assert_int_gt(refused, 200);
	ck_assert_int_gt(approvals, 10);
}
END_TEST

Suite *sr_suite_vault_delegation(void)
{
	Suite *suite = suite_create("vault_delegation");
	TCase *c = tcase_create("delegation");
	tcase_set_timeout(c, 300);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_child_never_exceeds_its_parent);
	tcase_add_test(c, a_token_never_exceeds_its_agent);
	suite_add_tcase(suite, c);
	return suite;
}
