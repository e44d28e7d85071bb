/* Agents over the real vault: added, logged in, given new keys, suspended, revoked; and what ends with their owner. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "vault/agent.h"
#include "vault/keys.h"
#include "vault/member.h"
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

#define HOUR 3600000ll
#define KEY_MAX 64

/* -- what the tests do to agents --------------------------------------------------------------------------------- */

struct given {
	CK_ATTRIBUTE_TYPE type;
	const char *text;
};

/* GIVEN ends with a NULL text. KEY holds KEY_MAX bytes. */
static CK_RV create(const struct given *given, char *key)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_AGENT);
	for (; given->text; given++)
		sr_attrs_put_text(&template, given->type, given->text);
	sr_error_clear(&place.err);
	CK_RV rv = sr_agent_class.create(&place.caller, &template, &created, &place.err);
	ck_assert(rv == CKR_OK || (created.once.len == 0 && !created.id[0]));
	if (key)
		snprintf(key, KEY_MAX, "%s", sr_buf_string(&created.once));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV add(const char *name, char *key)
{
	const struct given given[] = { { CKA_SR_NAME, name }, { CKA_SR_SCOPES, "secrets:read:ci/*" }, { 0, NULL } };
	return create(given, key);
}

static CK_RV add_with(const char *name, CK_ATTRIBUTE_TYPE type, const char *text, char *key)
{
	const struct given given[] = { { CKA_SR_NAME, name }, { CKA_SR_SCOPES, "secrets:read:ci/*" }, { type, text },
		{ 0, NULL } };
	return create(given, key);
}

static CK_RV rotate(const char *name, const char *grace, char *key)
{
	const struct given given[] = { { CKA_SR_NAME, name }, { CKA_SR_GRACE, grace }, { 0, NULL } };
	return create(given, key);
}

static CK_RV set_state(const char *name, const char *state)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	sr_attrs_put_text(&changes, CKA_SR_STATE, state);
	sr_error_clear(&place.err);
	CK_RV rv = sr_agent_class.set(&place.caller, name, &changes, &place.err);
	sr_attrs_clear(&changes);
	return rv;
}

static CK_RV revoke(const char *name)
{
	return sr_agent_class.destroy(&place.caller, name, &place.err);
}

static void shows(const char *name, CK_ATTRIBUTE_TYPE type, const char *text)
{
	struct sr_view view = { .value = SR_VALUE_NONE };
	expect(sr_agent_class.view(&place.caller, name, &view, &place.err), CKR_OK, NONE);
	const struct sr_attr *attr = sr_attrs_find(&view.attrs, type);
	ck_assert_msg((attr != NULL) == (text != NULL), "%s: 0x%lx", name, type);
	if (text)
		ck_assert_msg(attr->len == strlen(text) && memcmp(attr->value, text, attr->len) == 0, "%s is '%.*s'",
			name, (int)attr->len, (const char *)attr->value);
	ck_assert_int_eq(view.value, SR_VALUE_SENSITIVE);
	sr_view_clear(&view);
}

/* -- what the tests do to members: their rows, written as an admin's act would ------------------------------------- */

struct member_change {
	struct sr_member_row row;
	bool cut;
};

static CK_RV put_member(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct member_change *change = act->arg;
	if (change->cut)
		change->row.cut = at->event_id;
	return sr_rows_put_member(act->caller->vault, at, &act->event, &change->row, err);
}

static void write_member(struct member_change *change)
{
	struct sr_act act;
	sr_error_clear(&place.err);
	sr_act_begin(&act, &place.caller, SR_EVENT_MEMBER_ROLE, NULL);
	act.run = put_member;
	act.arg = change;
	CK_RV rv = sr_act_record(&act, CKR_OK, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
}

static void add_admin(const char *name)
{
	struct member_change change = { .row = { .role = SR_ROLE_ADMIN, .active = true, .created_ms = 1 } };
	snprintf(change.row.name, sizeof(change.row.name), "%s", name);
	struct sr_stretched kept;
	CK_RV rv =
		sr_member_set_passphrase(place.vault, &change.row, PASSPHRASE, strlen(PASSPHRASE), &kept, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	write_member(&change);
}

/* As removing does it, or (ACTIVE) as demoting does. */
static void cut_member(const char *name, bool active)
{
	struct member_change change = { .cut = true };
	struct sr_moment at;
	bool found = false;
	ck_assert(sr_writer_look(place.vault->writer, &at, &place.err) == CKR_OK);
	ck_assert(sr_rows_member(place.vault, &at, name, &change.row, &found, &place.err) == CKR_OK && found);
	sr_writer_look_end(place.vault->writer, &at);
	change.row.active = active;
	if (active)
		change.row.role = SR_ROLE_EDITOR;
	write_member(&change);
}

/* -- adding ------------------------------------------------------------------------------------------------------ */

START_TEST(an_agent_is_added_and_logs_in)
{
	static const struct given all[] = { { CKA_SR_NAME, "ci.main" },
		{ CKA_SR_SCOPES, "secrets:read:ci/*\ntokens:issue:*" }, { CKA_SR_ALLOWED_IPS, "127.0.0.1" },
		{ CKA_SR_MAX_TTL, "1800" }, { CKA_SR_MAX_USES, "7" }, { CKA_SR_TTL, "86400" },
		{ CKA_SR_DESCRIPTION, "the builds" }, { 0, NULL } };
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(create(all, key), CKR_OK, NONE);
	ck_assert_uint_eq(strlen(key), 30);
	ck_assert_int_eq(memcmp(key, "srk_", 4), 0);
	for (size_t i = 0; i + 1 < sizeof(all) / sizeof(*all); i++) {
		if (all[i].type != CKA_SR_TTL)
			shows("ci.main", all[i].type, all[i].text);
	}
	shows("ci.main", CKA_SR_OWNER, "admin");
	shows("ci.main", CKA_SR_STATE, "active");
	shows("ci.main", CKA_LABEL, "ci.main");
	shows("ci.main", CKA_SR_GRACE_UNTIL, NULL);
	expect(vault_login(&place, key), CKR_OK, NONE);
	ck_assert_int_eq(place.caller.identity->type, SR_IDENTITY_AGENT);
	ck_assert_uint_eq(place.caller.identity->scopes.count, 2);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	vault_place_reopen(&place);
	expect(vault_login(&place, key), CKR_OK, NONE);
}
END_TEST

START_TEST(an_agent_without_an_end_has_none)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	shows("ci", CKA_SR_EXPIRES_AT, NULL);
	shows("ci", CKA_SR_ALLOWED_IPS, NULL);
	vault_clock_move(9000 * 24 * HOUR, 9000 * 24 * HOUR, true);
	expect(vault_login(&place, key), CKR_OK, NONE);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
}
END_TEST

START_TEST(bad_agents_are_refused)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		const char *text;
		CK_RV rv;
		CK_ULONG reason;
	} rows[] = {
		{ CKA_SR_MAX_TTL, "0", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ CKA_SR_MAX_TTL, "86401", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ CKA_SR_MAX_TTL, "", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ CKA_SR_TTL, "0", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ CKA_SR_TTL, "18446744073709551617", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
		{ CKA_SR_MAX_USES, "0", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
		{ CKA_SR_MAX_USES, "-1", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
		{ CKA_SR_ALLOWED_IPS, "", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_ADDRESS },
		{ CKA_SR_ALLOWED_IPS, "10.0.0.1/8", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_ADDRESS },
		{ CKA_SR_DESCRIPTION, "a\nb", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CKA_SR_STATE, "active", CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CKA_SR_OWNER, "another", CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
	};
	static const char *const names[] = { "", "CI", "-ci", "a b", "a\"b", "0123456789012345678901234567890123" };
	static const struct given nameless[] = { { CKA_SR_SCOPES, "secrets:read:*" }, { 0, NULL } };
	static const struct given scopeless[] = { { CKA_SR_NAME, "ci" }, { 0, NULL } };
	static const struct given beyond[] = { { CKA_SR_NAME, "ci" }, { CKA_SR_SCOPES, "secrets:fly:*" }, { 0, NULL } };
	vault_login_admin(&place);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CK_RV rv = add_with("ci", rows[i].type, rows[i].text, NULL);
		ck_assert_msg(rv == rows[i].rv && place.err.reason == rows[i].reason, "row %zu: %s %s", i,
			sr_rv_name(rv), place.err.text);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect(add(names[i], NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(create(nameless, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	expect(create(scopeless, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_SCOPE);
	expect(create(beyond, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_SCOPE);
	ck_assert_int_eq(vault_count(&place, CKO_SR_AGENT, 0, NULL), 0);
}
END_TEST

START_TEST(separation_leaves_admins_no_way_around)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("older", NULL), CKR_OK, NONE);
	place.config.separation = true;
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(rotate("older", "0", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(rotate("older", "600", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	const struct given reads[] = { { CKA_SR_NAME, "reader" }, { CKA_SR_SCOPES, "secrets:read:a/*" }, { 0, NULL } };
	const struct given writes[] = { { CKA_SR_NAME, "writer" }, { CKA_SR_SCOPES, "secrets:write:a/*" },
		{ 0, NULL } };
	expect(create(reads, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(create(writes, key), CKR_OK, NONE);
	expect(rotate("writer", "0", key), CKR_OK, NONE);
}
END_TEST

START_TEST(a_name_is_given_once)
{
	vault_login_admin(&place);
	expect(add("ci", NULL), CKR_OK, NONE);
	expect(add("ci", NULL), CKR_ATTRIBUTE_VALUE_INVALID, NAME_TAKEN);
	expect(revoke("ci"), CKR_OK, NONE);
	expect(add("ci", NULL), CKR_ATTRIBUTE_VALUE_INVALID, NAME_TAKEN);
}
END_TEST

/* -- what a key is good for --------------------------------------------------------------------------------------- */

START_TEST(an_agent_sees_itself_and_does_nothing)
{
	char key[KEY_MAX];
	struct sr_view view = { .value = SR_VALUE_NONE };
	struct sr_attrs secret_key = SR_ATTRS_INIT;
	struct sr_new_key made = { 0 };
	const struct sr_making making = {
		.object_class = CKO_SECRET_KEY, .key_type = CKK_AES, .template = &secret_key
	};
	const CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	sr_attrs_put_ulong(&secret_key, CKA_VALUE_LEN, 32);
	vault_login_admin(&place);
	expect(vault_put(&place, "ci/a", "v", NULL), CKR_OK, NONE);
	const struct given wide[] = { { CKA_SR_NAME, "ci" }, { CKA_SR_SCOPES, "secrets:*:*\nkeys:*:*\ntokens:issue:*" },
		{ 0, NULL } };
	expect(create(wide, key), CKR_OK, NONE);
	expect(add("other", NULL), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_OK, NONE);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, 0, NULL), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SECRET_KEY, 0, NULL), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_MEMBER, 0, NULL), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_AGENT, 0, NULL), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_AGENT, CKA_SR_NAME, "other"), 0);
	expect(vault_get(&place, "ci/a", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(vault_put(&place, "ci/b", "v", NULL), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect(sr_agent_class.view(&place.caller, "other", &view, &place.err), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(add("third", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(rotate("ci", "0", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(set_state("ci", "suspended"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(revoke("ci"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(sr_set_passphrase(&place.caller, key, strlen(key), PASSPHRASE, strlen(PASSPHRASE), &place.err),
		CKR_FUNCTION_NOT_SUPPORTED, ROLE_NOT_ALLOWED);
	static const struct sr_key session_key;
	expect(sr_reauthenticate(&place.caller, &session_key, NULL, 0, key, strlen(key), &place.err), CKR_PIN_INCORRECT,
		LOGIN_REFUSED);
	expect(sr_key_generate(&place.caller, &making, &generate, &made, &place.err), CKR_TOKEN_WRITE_PROTECTED,
		ROLE_NOT_ALLOWED);
	ck_assert_ptr_null(made.key);
	shows("ci", CKA_SR_STATE, "active");
	sr_attrs_clear(&secret_key);
}
END_TEST

START_TEST(keys_that_are_none_are_refused_alike)
{
	char key[KEY_MAX], bent[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	strcpy(bent, key);
	bent[29] = bent[29] == 'a' ? 'b' : 'a';
	expect(vault_login(&place, bent), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, "srk_aaaaaaaaaaaaaaaaaaaaaaaaaa"), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	key[29] = '\0';
	expect(vault_login(&place, key), CKR_PIN_INCORRECT, LOGIN_REFUSED);
}
END_TEST

/* A row without an old key holds zeros there: no key has that hash. */
START_TEST(zeros_fit_no_key)
{
	struct sr_agent_row row = { .hash = { 1 } };
	static const uint8_t zeros[SR_HASH_LEN];
	uint8_t before[SR_HASH_LEN] = { 2 };
	bool old = true;
	ck_assert(!sr_agent_key_fits(&row, zeros, &old) && !old);
	ck_assert(sr_agent_key_fits(&row, row.hash, &old) && !old);
	memcpy(row.old_hash, before, sizeof(before));
	ck_assert(sr_agent_key_fits(&row, before, &old) && old);
	ck_assert(!sr_agent_key_fits(&row, zeros, &old));
}
END_TEST

START_TEST(addresses_bind_and_come_first)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add_with("ci", CKA_SR_ALLOWED_IPS, "10.0.1.50", key), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(revoke("ci"), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_PIN_INCORRECT, LOGIN_REFUSED);
}
END_TEST

/* -- ends -------------------------------------------------------------------------------------------------------- */

START_TEST(an_agent_ends)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add_with("ci", CKA_SR_TTL, "600", key), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_OK, NONE);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	vault_clock_move(-HOUR, 599000, false);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	vault_clock_move(0, 2000, false);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	expect(vault_login(&place, key), CKR_PIN_EXPIRED, LOGIN_REFUSED);
	vault_login_admin(&place);
	shows("ci", CKA_SR_STATE, "expired");
}
END_TEST

START_TEST(a_new_key_leaves_the_old_one_its_grace)
{
	char first[KEY_MAX], second[KEY_MAX], third[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", first), CKR_OK, NONE);
	expect(rotate("ci", "600", second), CKR_OK, NONE);
	ck_assert_str_ne(first, second);
	expect(vault_login(&place, second), CKR_OK, NONE);
	expect(vault_login(&place, first), CKR_OK, NONE);
	vault_clock_move(601000, 601000, false);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	expect(vault_login(&place, first), CKR_PIN_EXPIRED, LOGIN_REFUSED);
	expect(vault_login(&place, second), CKR_OK, NONE);
	vault_login_admin(&place);
	expect(rotate("ci", "600", third), CKR_OK, NONE);
	expect(vault_login(&place, first), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, second), CKR_OK, NONE);
	expect(vault_login(&place, third), CKR_OK, NONE);
}
END_TEST

START_TEST(without_grace_the_old_key_is_void_at_once)
{
	char first[KEY_MAX], second[KEY_MAX];
	struct sr_caller before;
	vault_login_admin(&place);
	expect(add("ci", first), CKR_OK, NONE);
	expect(vault_login(&place, first), CKR_OK, NONE);
	before = place.caller;
	sr_identity_ref(before.identity);
	vault_login_admin(&place);
	expect(rotate("ci", "0", second), CKR_OK, NONE);
	shows("ci", CKA_SR_GRACE_UNTIL, NULL);
	expect(sr_identity_check(&before, &place.err), CKR_USER_NOT_LOGGED_IN, CHANGED_MEANWHILE);
	expect(vault_login(&place, first), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, second), CKR_OK, NONE);
	sr_identity_unref(before.identity);
}
END_TEST

START_TEST(bad_rotations_are_refused)
{
	static const struct given wider[] = { { CKA_SR_NAME, "ci" }, { CKA_SR_GRACE, "0" },
		{ CKA_SR_SCOPES, "secrets:*:*" }, { 0, NULL } };
	static const struct given nameless[] = { { CKA_SR_GRACE, "0" }, { 0, NULL } };
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	expect(rotate("other", "0", NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(rotate("ci", "86401", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("ci", "", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(rotate("ci", "1h", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect(create(wider, NULL), CKR_ATTRIBUTE_TYPE_INVALID, BAD_TEMPLATE);
	expect(create(nameless, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	shows("ci", CKA_SR_SCOPES, "secrets:read:ci/*");
	expect(vault_login(&place, key), CKR_OK, NONE);
}
END_TEST

/* -- states ------------------------------------------------------------------------------------------------------ */

START_TEST(suspended_and_resumed)
{
	char key[KEY_MAX];
	struct sr_caller before;
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_OK, NONE);
	before = place.caller;
	sr_identity_ref(before.identity);
	vault_login_admin(&place);
	expect(set_state("ci", "suspended"), CKR_OK, NONE);
	shows("ci", CKA_SR_STATE, "suspended");
	expect(sr_identity_check(&before, &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(rotate("ci", "0", key), CKR_OK, NONE);
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(set_state("ci", "active"), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "admin");
	expect(vault_login(&place, key), CKR_OK, NONE);
	sr_identity_unref(before.identity);
}
END_TEST

START_TEST(revoked_for_good)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	expect(revoke("ci"), CKR_OK, NONE);
	shows("ci", CKA_SR_STATE, "revoked");
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(set_state("ci", "active"), CKR_ACTION_PROHIBITED, REVOKED);
	expect(set_state("ci", "suspended"), CKR_ACTION_PROHIBITED, REVOKED);
	expect(rotate("ci", "0", NULL), CKR_TOKEN_WRITE_PROTECTED, REVOKED);
	shows("ci", CKA_SR_STATE, "revoked");
	expect(revoke("none"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
}
END_TEST

START_TEST(only_the_state_is_set)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	vault_login_admin(&place);
	expect(add("ci", NULL), CKR_OK, NONE);
	expect(set_state("ci", "revoked"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(set_state("ci", ""), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(set_state("none", "suspended"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	sr_attrs_put_text(&changes, CKA_SR_STATE, "active");
	sr_attrs_put_text(&changes, CKA_SR_SCOPES, "secrets:*:*");
	expect(sr_agent_class.set(&place.caller, "ci", &changes, &place.err), CKR_ATTRIBUTE_READ_ONLY, BAD_TEMPLATE);
	sr_attrs_clear(&changes);
	shows("ci", CKA_SR_SCOPES, "secrets:read:ci/*");
}
END_TEST

/* -- what the agent asked for ------------------------------------------------------------------------------------- */

static CK_RV put_token(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_rows_put_token(act->caller->vault, at, &act->event, act->arg, err);
}

/* A token as the agent would have it issued: the row alone, which is what is asked. */
static void ask_token(struct sr_token_row *row, const char *agent, const char *owner)
{
	struct sr_now now;
	struct sr_act act;
	sr_clock_now(&now);
	*row = (struct sr_token_row){ .id = "t-aaaaaaaaaaaaaaaa", .hash = { 1 }, .created_ms = 1, .ttl_ms = HOUR };
	row->end = sr_end_after(&now, HOUR);
	sr_buf_text(&row->scopes, "secrets:read:ci/*");
	snprintf(row->issuer, sizeof(row->issuer), "agent:%s", agent);
	snprintf(row->owner, sizeof(row->owner), "%s", owner);
	sr_act_begin(&act, &place.caller, SR_EVENT_TOKEN_ISSUED, NULL);
	act.run = put_token;
	act.arg = row;
	ck_assert(sr_act_record(&act, CKR_OK, &place.err) == CKR_OK);
}

static CK_RV stands(const struct sr_token_row *row)
{
	struct sr_moment at;
	ck_assert(sr_writer_look(place.vault->writer, &at, &place.err) == CKR_OK);
	CK_RV rv = sr_who_token_stands(place.vault, &at, row, NULL, &place.err);
	sr_writer_look_end(place.vault->writer, &at);
	return rv;
}

START_TEST(suspending_voids_what_was_asked_for_and_a_new_key_does_not)
{
	struct sr_token_row token;
	vault_login_admin(&place);
	expect(add("ci", NULL), CKR_OK, NONE);
	ask_token(&token, "ci", "admin");
	expect(stands(&token), CKR_OK, NONE);
	expect(rotate("ci", "0", NULL), CKR_OK, NONE);
	expect(stands(&token), CKR_OK, NONE);
	expect(set_state("ci", "suspended"), CKR_OK, NONE);
	expect(stands(&token), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(set_state("ci", "active"), CKR_OK, NONE);
	expect(stands(&token), CKR_USER_NOT_LOGGED_IN, REVOKED);
	sr_token_row_clear(&token);
}
END_TEST

/* -- owners ------------------------------------------------------------------------------------------------------ */

/* Both ways that an owner stops to answer: removed (0), demoted (1). */
START_TEST(an_agent_is_suspended_with_its_owner)
{
	char key[KEY_MAX];
	struct sr_caller before;
	struct sr_token_row token;
	vault_login_admin(&place);
	add_admin("second");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", key), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "second");
	ask_token(&token, "ci", "second");
	expect(vault_login(&place, key), CKR_OK, NONE);
	before = place.caller;
	sr_identity_ref(before.identity);
	vault_login_admin(&place);
	cut_member("second", _i == 1);
	shows("ci", CKA_SR_STATE, "suspended");
	expect(sr_identity_check(&before, &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(stands(&token), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(set_state("ci", "active"), CKR_ACTION_PROHIBITED, REVOKED);
	shows("ci", CKA_SR_STATE, "suspended");
	expect(rotate("ci", "0", key), CKR_OK, NONE);
	shows("ci", CKA_SR_STATE, "suspended");
	shows("ci", CKA_SR_OWNER, "admin");
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(set_state("ci", "active"), CKR_OK, NONE);
	shows("ci", CKA_SR_STATE, "active");
	expect(vault_login(&place, key), CKR_OK, NONE);
	expect(stands(&token), CKR_USER_NOT_LOGGED_IN, REVOKED);
	sr_token_row_clear(&token);
	sr_identity_unref(before.identity);
}
END_TEST

/* The row is made anew after the owner was demoted: that is no reason to take the owner for one again. */
START_TEST(a_demoted_owner_stays_one_that_does_not_answer)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	add_admin("second");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", key), CKR_OK, NONE);
	vault_login_admin(&place);
	cut_member("second", true);
	expect(set_state("ci", "suspended"), CKR_OK, NONE);
	expect(set_state("ci", "active"), CKR_ACTION_PROHIBITED, REVOKED);
	shows("ci", CKA_SR_STATE, "suspended");
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
}
END_TEST

/* Else who makes the key could approve what they ask for by it; and likewise who made the one before. */
START_TEST(who_makes_the_key_is_the_owner)
{
	char first[KEY_MAX], second[KEY_MAX];
	struct sr_token_row token;
	vault_login_admin(&place);
	add_admin("second");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", first), CKR_OK, NONE);
	ask_token(&token, "ci", "second");
	vault_login_admin(&place);
	expect(rotate("ci", "600", second), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	shows("ci", CKA_SR_OWNER, "second");
	expect(rotate("ci", "0", second), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "admin");
	shows("ci", CKA_SR_STATE, "active");
	expect(stands(&token), CKR_OK, NONE);
	expect(rotate("ci", "600", NULL), CKR_OK, NONE);
	expect(vault_login(&place, first), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, second), CKR_OK, NONE);
	ck_assert_str_eq(sr_who_owner(place.caller.identity), "admin");
	sr_token_row_clear(&token);
}
END_TEST

START_TEST(a_new_key_is_no_resuming)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	add_admin("second");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", NULL), CKR_OK, NONE);
	vault_login_admin(&place);
	cut_member("second", true);
	expect(rotate("ci", "0", key), CKR_OK, NONE);
	shows("ci", CKA_SR_STATE, "suspended");
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
}
END_TEST

/* Who has the key answers for it, or they would ask in another's name and approve in their own. The key before may not
 * outlive that: it would ask in the name of who gave the new one. */
START_TEST(who_gives_a_new_key_answers_for_it)
{
	char first[KEY_MAX], key[KEY_MAX];
	vault_login_admin(&place);
	add_admin("second");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", first), CKR_OK, NONE);
	expect(rotate("ci", "600", key), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "second");
	vault_login_admin(&place);
	expect(rotate("ci", "600", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	shows("ci", CKA_SR_OWNER, "second");
	expect(rotate("ci", "0", NULL), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "admin");
	expect(vault_login(&place, key), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, first), CKR_PIN_INCORRECT, LOGIN_REFUSED);
}
END_TEST

/* Also while it is suspended: whoever resumes it then is not who knows the key. */
START_TEST(who_gave_a_key_to_a_suspended_agent_answers_for_it)
{
	vault_login_admin(&place);
	add_admin("second");
	add_admin("third");
	expect(vault_login(&place, "second:" PASSPHRASE), CKR_OK, NONE);
	expect(add("ci", NULL), CKR_OK, NONE);
	vault_login_admin(&place);
	cut_member("second", true);
	expect(rotate("ci", "0", NULL), CKR_OK, NONE);
	expect(vault_login(&place, "third:" PASSPHRASE), CKR_OK, NONE);
	expect(set_state("ci", "active"), CKR_OK, NONE);
	shows("ci", CKA_SR_OWNER, "admin");
}
END_TEST

/* -- the audit, and the database in somebody else's hands ---------------------------------------------------------- */

static void recorded(const char *event, const char *status, const char *metadata, int times)
{
	struct sr_view view = { .value = SR_VALUE_NONE };
	char id[SR_OBJECT_ID_MAX];
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, event), times);
	if (times != 1)
		return;
	vault_find_one(&place, CKO_SR_EVENT, CKA_SR_EVENT, event, id);
	expect(sr_class_find(CKO_SR_EVENT)->view(&place.caller, id, &view, &place.err), CKR_OK, NONE);
	const struct sr_attr *said = sr_attrs_find(&view.attrs, CKA_SR_STATUS);
	ck_assert(said && said->len == strlen(status) && memcmp(said->value, status, said->len) == 0);
	const struct sr_attr *meta = sr_attrs_find(&view.attrs, CKA_SR_METADATA);
	ck_assert_msg(meta && meta->len == strlen(metadata) && memcmp(meta->value, metadata, meta->len) == 0,
		"%s: %.*s", event, meta ? (int)meta->len : 0, meta ? (const char *)meta->value : "");
	sr_view_clear(&view);
}

START_TEST(each_act_is_one_record)
{
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	expect(rotate("ci", "5", key), CKR_OK, NONE);
	recorded("agent.added", "allowed", "{\"agent\":\"ci\"}", 1);
	recorded("agent.updated", "allowed", "{\"agent\":\"ci\",\"change\":\"key\",\"grace\":5}", 1);
	expect(vault_login(&place, key), CKR_OK, NONE);
	vault_login_admin(&place);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_ACTOR_ID, "ci"), 1);
	expect(set_state("ci", "suspended"), CKR_OK, NONE);
	recorded("agent.updated", "", "", 2);
	expect(vault_login(&place, key), CKR_PIN_LOCKED, LOGIN_REFUSED);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_ACTOR_ID, "ci"), 2);
	expect(revoke("ci"), CKR_OK, NONE);
	recorded("agent.revoked", "allowed", "{\"agent\":\"ci\",\"change\":\"revoked\"}", 1);
	expect(add("ci", NULL), CKR_ATTRIBUTE_VALUE_INVALID, NAME_TAKEN);
	recorded("agent.added", "", "", 2);
}
END_TEST

START_TEST(forged_agents_are_refused)
{
	static const struct {
		const char *sql;
		CK_ULONG reason;
	} rows[] = {
		{ "UPDATE agent SET state = 'active'", SR_REASON_ROW_FORGED },
		{ "UPDATE agent SET scopes = 'secrets:*:*'", SR_REASON_ROW_FORGED },
		{ "UPDATE agent SET owner = 'mallory'", SR_REASON_ROW_FORGED },
		{ "UPDATE agent SET cut = 0", SR_REASON_ROW_FORGED },
		{ "UPDATE agent SET allowed_ips = '0.0.0.0/0'", SR_REASON_ROW_FORGED },
		{ "DELETE FROM agent; INSERT INTO agent SELECT * FROM kept.t", SR_REASON_ROW_STALE },
	};
	char key[KEY_MAX];
	vault_login_admin(&place);
	expect(add("ci", key), CKR_OK, NONE);
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM agent");
	expect(set_state("ci", "suspended"), CKR_OK, NONE);
	vault_sql(&place, "%s", rows[_i].sql);
	CK_RV rv = vault_login(&place, key);
	ck_assert_msg(rv == CKR_DEVICE_ERROR && place.err.reason == rows[_i].reason, "%s: %s %s", rows[_i].sql,
		sr_rv_name(rv), place.err.text);
}
END_TEST

/* A revoked agent whose row is taken away is no free name. */
START_TEST(a_missing_agent_is_missed)
{
	vault_login_admin(&place);
	expect(add("ci", NULL), CKR_OK, NONE);
	expect(revoke("ci"), CKR_OK, NONE);
	vault_sql(&place, "DELETE FROM agent");
	expect(add("ci", NULL), CKR_DEVICE_ERROR, ROW_MISSING);
	expect(set_state("ci", "active"), CKR_DEVICE_ERROR, ROW_MISSING);
}
END_TEST

Suite *sr_suite_vault_agents(void)
{
	Suite *suite = suite_create("vault_agents");
	TCase *c = tcase_create("vault_agents");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, an_agent_is_added_and_logs_in);
	tcase_add_test(c, an_agent_without_an_end_has_none);
	tcase_add_test(c, bad_agents_are_refused);
	tcase_add_test(c, a_name_is_given_once);
	tcase_add_test(c, separation_leaves_admins_no_way_around);
	tcase_add_test(c, an_agent_sees_itself_and_does_nothing);
	tcase_add_test(c, keys_that_are_none_are_refused_alike);
	tcase_add_test(c, zeros_fit_no_key);
	tcase_add_test(c, addresses_bind_and_come_first);
	tcase_add_test(c, an_agent_ends);
	tcase_add_test(c, a_new_key_leaves_the_old_one_its_grace);
	tcase_add_test(c, without_grace_the_old_key_is_void_at_once);
	tcase_add_test(c, bad_rotations_are_refused);
	tcase_add_test(c, suspended_and_resumed);
	tcase_add_test(c, revoked_for_good);
	tcase_add_test(c, only_the_state_is_set);
	tcase_add_test(c, suspending_voids_what_was_asked_for_and_a_new_key_does_not);
	tcase_add_loop_test(c, an_agent_is_suspended_with_its_owner, 0, 2);
	tcase_add_test(c, a_new_key_is_no_resuming);
	tcase_add_test(c, a_demoted_owner_stays_one_that_does_not_answer);
	tcase_add_test(c, who_makes_the_key_is_the_owner);
	tcase_add_test(c, who_gives_a_new_key_answers_for_it);
	tcase_add_test(c, who_gave_a_key_to_a_suspended_agent_answers_for_it);
	tcase_add_test(c, each_act_is_one_record);
	tcase_add_loop_test(c, forged_agents_are_refused, 0, 6);
	tcase_add_test(c, a_missing_agent_is_missed);
	suite_add_tcase(suite, c);
	return suite;
}
