/* Members: who is added, changed and removed by whom, what becomes of what they issued, and separation. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "vault/core.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

static struct vault_place place;

static void setup(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
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

#define EDITORS "a passphrase for editors"

static void put_if(struct sr_attrs *template, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text)
		sr_attrs_put_text(template, type, text);
}

static CK_RV add(const char *name, const char *role, const char *passphrase, const char *ips)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_MEMBER);
	put_if(&template, CKA_SR_NAME, name);
	put_if(&template, CKA_SR_ROLE, role);
	put_if(&template, CKA_VALUE, passphrase);
	put_if(&template, CKA_SR_ALLOWED_IPS, ips);
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_SR_MEMBER)->create(&place.caller, &template, &created, &place.err);
	ck_assert_str_eq(created.id, rv == CKR_OK ? name : "");
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV set(const char *name, CK_ATTRIBUTE_TYPE type, const char *text)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_attrs_put_text(&template, type, text);
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_SR_MEMBER)->set(&place.caller, name, &template, &place.err);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV drop(const char *name)
{
	sr_error_clear(&place.err);
	return sr_class_find(CKO_SR_MEMBER)->destroy(&place.caller, name, &place.err);
}

static struct sr_member_row row_of(const char *name)
{
	struct sr_member_row row;
	struct sr_moment at;
	bool found = false;
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	ck_assert_uint_eq(sr_rows_member(place.vault, &at, name, &row, &found, &place.err), CKR_OK);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert(found);
	return row;
}

static bool is_fresh(const struct sr_member_row *row)
{
	struct sr_now now;
	sr_clock_now(&now);
	return row->fresh.wall_ms != 0 && !sr_end_passed(&row->fresh, &now, 0);
}

static struct sr_event newest(void)
{
	struct sr_event event;
	vault_event(&place, 0, &event);
	return event;
}

static void expect_event(enum sr_event_kind kind, const char *reason, const char *metadata)
{
	struct sr_event event = newest();
	ck_assert_str_eq(sr_event_name(event.kind), sr_event_name(kind));
	ck_assert_str_eq(event.reason, reason);
	ck_assert_int_eq(event.status, reason[0] ? SR_STATUS_DENIED : SR_STATUS_ALLOWED);
	ck_assert_str_eq(event.metadata, metadata);
}

/* The present login for later, and the admin's again. */
static struct sr_caller keep(void)
{
	struct sr_caller kept = place.caller;
	sr_identity_ref(kept.identity);
	vault_login_admin(&place);
	return kept;
}

#define expect_ended(kept, why)                                                              \
	do {                                                                                 \
		expect(sr_identity_check(&(kept), &place.err), CKR_USER_NOT_LOGGED_IN, why); \
		sr_identity_unref((kept).identity);                                          \
	} while (0)

/* -- adding -------------------------------------------------------------------------------------------------------- */

START_TEST(a_member_is_added)
{
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	expect_event(SR_EVENT_MEMBER_ADDED, "", "{\"member\":\"bob\",\"after\":\"editor\"}");
	ck_assert_str_eq(newest().actor_id, "admin");
	ck_assert_str_eq(newest().subject, "member:bob");
	struct sr_member_row row = row_of("bob");
	ck_assert_str_eq(row.made_by, "admin");
	ck_assert(is_fresh(&row));
	ck_assert_uint_eq(row.cut, 0);
	vault_clock_move(SR_FRESH_MEMBER_MS, SR_FRESH_MEMBER_MS, false);
	ck_assert(!is_fresh(&row));
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	ck_assert_uint_eq(sr_who_duties(place.caller.identity), sr_role_duties(SR_ROLE_EDITOR));
	ck_assert_int_eq(vault_count(&place, CKO_SR_MEMBER, 0, NULL), 1); /* itself */
	vault_login_admin(&place);
	ck_assert_int_eq(vault_count(&place, CKO_SR_MEMBER, CKA_SR_MADE_BY, "admin"), 1);
}
END_TEST

START_TEST(bad_members_are_refused)
{
	static char long_list[SR_MEMBER_ALLOWED_MAX + 2];
	static const struct {
		const char *name, *role, *passphrase, *ips;
		CK_RV rv;
		CK_ULONG reason;
	} rows[] = {
		{ NULL, "editor", EDITORS, NULL, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE },
		{ "bob", NULL, EDITORS, NULL, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE },
		{ "bob", "editor", NULL, NULL, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE },
		{ "", "editor", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "Bob", "editor", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "b\"b", "editor", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "bob:alice", "editor", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "a-name-that-has-more-than-32-bytes", "editor", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_BAD_TEMPLATE },
		{ "bob", "root", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "bob", "", EDITORS, NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ "bob", "editor", "short", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_WEAK_PASSPHRASE },
		{ "bob", "editor", "aaaaaaaaaaaaaaa", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_WEAK_PASSPHRASE },
		{ "bob", "editor", EDITORS, "", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_ADDRESS },
		{ "bob", "editor", EDITORS, "somewhere", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_ADDRESS },
		{ "bob", "editor", EDITORS, "10.0.0.1/8", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_ADDRESS },
		{ "bob", "editor", EDITORS, long_list, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE },
	};
	memset(long_list, '1', sizeof(long_list) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CK_RV rv = add(rows[i].name, rows[i].role, rows[i].passphrase, rows[i].ips);
		ck_assert_msg(rv == rows[i].rv && place.err.reason == rows[i].reason, "row %zu: %s %s", i,
			sr_rv_name(rv), place.err.text);
		struct sr_event event = newest();
		ck_assert_int_eq(event.kind, SR_EVENT_MEMBER_ADDED);
		ck_assert_str_eq(event.reason, sr_reason_name(rows[i].reason));
		ck_assert_ptr_null(strstr(event.metadata, EDITORS));
	}
	ck_assert_int_eq(vault_count(&place, CKO_SR_MEMBER, 0, NULL), 1);
}
END_TEST

START_TEST(what_is_no_attribute_of_a_member_is_refused)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_MEMBER);
	sr_attrs_put_text(&template, CKA_SR_NAME, "bob");
	sr_attrs_put_text(&template, CKA_SR_ROLE, "viewer");
	sr_attrs_put_text(&template, CKA_VALUE, EDITORS);
	sr_attrs_put_text(&template, CKA_SR_MADE_BY, "carol");
	expect(sr_class_find(CKO_SR_MEMBER)->create(&place.caller, &template, &created, &place.err),
		CKR_ATTRIBUTE_TYPE_INVALID, BAD_TEMPLATE);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}
END_TEST

START_TEST(a_name_is_used_once)
{
	expect(add("bob", "viewer", EDITORS, NULL), CKR_OK, NONE);
	expect(add("bob", "admin", EDITORS, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NAME_TAKEN);
	expect_event(SR_EVENT_MEMBER_ADDED, "name_taken", "{\"member\":\"bob\",\"after\":\"admin\"}");
	expect(drop("bob"), CKR_OK, NONE);
	expect(add("bob", "viewer", EDITORS, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NAME_TAKEN);
	expect(vault_login(&place, "bob:" EDITORS), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	ck_assert_int_eq(row_of("bob").role, SR_ROLE_VIEWER);
}
END_TEST

/* -- by whom ------------------------------------------------------------------------------------------------------- */

static void expect_nothing_allowed(void)
{
	expect(add("carol", "viewer", EDITORS, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect_event(SR_EVENT_MEMBER_ADDED, "role_not_allowed", "{\"member\":\"carol\"}");
	expect(set("admin", CKA_SR_ROLE, "viewer"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(SR_EVENT_MEMBER_ROLE, "role_not_allowed", "{\"member\":\"admin\"}");
	expect(set("admin", CKA_VALUE, EDITORS), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(SR_EVENT_MEMBER_PASSPHRASE, "role_not_allowed", "{\"member\":\"admin\"}");
	expect(set("admin", CKA_SR_ALLOWED_IPS, "unix"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(SR_EVENT_MEMBER_UPDATED, "role_not_allowed", "{\"member\":\"admin\"}");
	expect(drop("admin"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(SR_EVENT_MEMBER_REMOVED, "role_not_allowed", "{\"member\":\"admin\"}");
}

START_TEST(only_admins_change_members)
{
	static const char *const roles[] = { "editor", "viewer", "auditor" };
	expect(add("bob", roles[_i], EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect_nothing_allowed();
	expect(set("bob", CKA_SR_ROLE, "admin"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	struct sr_attrs query = SR_ATTRS_INIT;
	sr_attrs_put_text(&query, CKA_SR_NAME, "nobody-there");
	expect(sr_class_find(CKO_SR_MEMBER)->find(&place.caller, &query, NULL, NULL, &place.err), CKR_OK,
		ROLE_NOT_ALLOWED);
	sr_attrs_clear(&query);
}
END_TEST

START_TEST(a_token_changes_no_members)
{
	char pin[64];
	expect(vault_issue(&place, "secrets:*:*\nkeys:*:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect_nothing_allowed();
}
END_TEST

/* -- roles --------------------------------------------------------------------------------------------------------- */

START_TEST(a_role_gains_and_loses)
{
	static const struct {
		const char *from, *to;
		bool fresh, cut;
	} rows[] = {
		{ "viewer", "editor", true, false },
		{ "editor", "admin", true, false },
		{ "admin", "editor", false, true },
		{ "editor", "viewer", false, true },
		{ "viewer", "auditor", true, true },
		{ "auditor", "viewer", true, true },
		{ "auditor", "admin", true, false },
	};
	char metadata[128];
	expect(add("bob", rows[_i].from, EDITORS, NULL), CKR_OK, NONE);
	vault_clock_move(2 * SR_FRESH_MEMBER_MS, 2 * SR_FRESH_MEMBER_MS, false);
	vault_login_admin(&place);
	expect(set("bob", CKA_SR_ROLE, rows[_i].to), CKR_OK, NONE);
	snprintf(metadata, sizeof(metadata), "{\"member\":\"bob\",\"before\":\"%s\",\"after\":\"%s\"}", rows[_i].from,
		rows[_i].to);
	expect_event(SR_EVENT_MEMBER_ROLE, "", metadata);
	struct sr_member_row row = row_of("bob");
	ck_assert_str_eq(sr_role_name(row.role), rows[_i].to);
	ck_assert_int_eq(is_fresh(&row), rows[_i].fresh);
	ck_assert_uint_eq(row.cut, rows[_i].cut ? row.mark.event_id : 0);
}
END_TEST

START_TEST(a_role_that_one_has_changes_nothing)
{
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	struct sr_caller bob = keep();
	uint64_t mark = row_of("bob").mark.event_id;
	expect(set("bob", CKA_SR_ROLE, "editor"), CKR_OK, NONE);
	ck_assert_uint_eq(row_of("bob").mark.event_id, mark);
	expect(sr_identity_check(&bob, &place.err), CKR_OK, NONE);
	sr_identity_unref(bob.identity);
}
END_TEST

START_TEST(who_made_a_member_is_who_did_it_last)
{
	expect(add("carol", "admin", EDITORS, NULL), CKR_OK, NONE);
	expect(add("bob", "viewer", EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "carol:" EDITORS), CKR_OK, NONE);
	expect(set("bob", CKA_SR_ROLE, "editor"), CKR_OK, NONE);
	ck_assert_str_eq(row_of("bob").made_by, "carol");
	vault_login_admin(&place);
	expect(set("bob", CKA_SR_ROLE, "viewer"), CKR_OK, NONE);
	ck_assert_str_eq(row_of("bob").made_by, "carol"); /* less is not made */
	expect(set("bob", CKA_VALUE, "a new passphrase of bob's"), CKR_OK, NONE);
	ck_assert_str_eq(row_of("bob").made_by, "admin");
}
END_TEST

/* -- what they issued ---------------------------------------------------------------------------------------------- */

START_TEST(less_rights_void_what_was_issued_with_more)
{
	static const struct {
		const char *to; /* NULL: removed */
		bool stands;
	} rows[] = { { "admin", true }, { "editor", true }, { "viewer", false }, { "auditor", false },
		{ NULL, false } };
	char pin[64];
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	struct sr_caller token = keep();
	if (rows[_i].to)
		expect(set("bob", CKA_SR_ROLE, rows[_i].to), CKR_OK, NONE);
	else
		expect(drop("bob"), CKR_OK, NONE);
	if (rows[_i].stands) {
		expect(sr_identity_check(&token, &place.err), CKR_OK, NONE);
		sr_identity_unref(token.identity);
		expect(vault_login(&place, pin), CKR_OK, NONE);
		return;
	}
	expect_ended(token, REVOKED);
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
	if (!rows[_i].to)
		return;
	expect(set("bob", CKA_SR_ROLE, "editor"), CKR_OK, NONE); /* the old one stays void, a new one does not */
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
}
END_TEST

START_TEST(a_changed_members_login_ends)
{
	static const struct {
		CK_ATTRIBUTE_TYPE what; /* 0: removed */
		const char *text;
	} rows[] = { { CKA_SR_ROLE, "admin" }, { CKA_SR_ROLE, "viewer" }, { CKA_VALUE, "a new passphrase of bob's" },
		{ CKA_SR_ALLOWED_IPS, "unix" }, { 0, NULL } };
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	struct sr_caller bob = keep();
	if (rows[_i].what) {
		expect(set("bob", rows[_i].what, rows[_i].text), CKR_OK, NONE);
		expect_ended(bob, CHANGED_MEANWHILE);
	} else {
		expect(drop("bob"), CKR_OK, NONE);
		expect_event(SR_EVENT_MEMBER_REMOVED, "", "{\"member\":\"bob\",\"before\":\"editor\"}");
		expect_ended(bob, REVOKED);
	}
}
END_TEST

/* -- passphrases --------------------------------------------------------------------------------------------------- */

START_TEST(an_admin_gives_another_a_new_passphrase)
{
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	vault_clock_move(2 * SR_FRESH_MEMBER_MS, 2 * SR_FRESH_MEMBER_MS, false);
	vault_login_admin(&place);
	expect(set("bob", CKA_VALUE, "short"), CKR_ATTRIBUTE_VALUE_INVALID, WEAK_PASSPHRASE);
	expect_event(SR_EVENT_MEMBER_PASSPHRASE, "weak_passphrase", "{\"member\":\"bob\"}");
	expect(set("bob", CKA_VALUE, "a new passphrase of bob's"), CKR_OK, NONE);
	expect_event(SR_EVENT_MEMBER_PASSPHRASE, "", "{\"member\":\"bob\"}");
	struct sr_member_row row = row_of("bob");
	ck_assert(is_fresh(&row));
	ck_assert_uint_eq(row.cut, 0);
	expect(vault_login(&place, "bob:" EDITORS), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, "bob:a new passphrase of bob's"), CKR_OK, NONE);
}
END_TEST

START_TEST(ones_own_passphrase_takes_the_old_one)
{
	expect(set("admin", CKA_VALUE, "a new passphrase of admin's"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	vault_login_admin(&place);
}
END_TEST

START_TEST(one_thing_at_a_time)
{
	struct sr_attrs two = SR_ATTRS_INIT, none = SR_ATTRS_INIT;
	const struct sr_class *class = sr_class_find(CKO_SR_MEMBER);
	expect(add("bob", "viewer", EDITORS, NULL), CKR_OK, NONE);
	sr_attrs_put_text(&two, CKA_SR_ROLE, "editor");
	sr_attrs_put_text(&two, CKA_SR_ALLOWED_IPS, "unix");
	expect(class->set(&place.caller, "bob", &two, &place.err), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(class->set(&place.caller, "bob", &none, &place.err), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	sr_attrs_clear(&two);
	expect(set("bob", CKA_SR_NAME, "carol"), CKR_ATTRIBUTE_READ_ONLY, BAD_TEMPLATE);
	expect(set("bob", CKA_SR_MADE_BY, "carol"), CKR_ATTRIBUTE_READ_ONLY, BAD_TEMPLATE);
	expect(set("bob", CKA_SR_ROLE, "king"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(set("carol", CKA_SR_ROLE, "viewer"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(drop("carol"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(row_of("bob").role, SR_ROLE_VIEWER);
	expect(drop("bob"), CKR_OK, NONE);
	expect(set("bob", CKA_SR_ROLE, "admin"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(set("bob", CKA_VALUE, "a new passphrase of bob's"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(drop("bob"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(vault_count(&place, CKO_SR_MEMBER, CKA_SR_STATE, "removed"), 1);
}
END_TEST

/* -- the last admin ------------------------------------------------------------------------------------------------ */

START_TEST(the_last_admin_stays)
{
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	expect(set("admin", CKA_SR_ROLE, "editor"), CKR_ACTION_PROHIBITED, LAST_ADMIN);
	expect_event(
		SR_EVENT_MEMBER_ROLE, "last_admin", "{\"member\":\"admin\",\"before\":\"admin\",\"after\":\"editor\"}");
	expect(drop("admin"), CKR_ACTION_PROHIBITED, LAST_ADMIN);
	expect_event(SR_EVENT_MEMBER_REMOVED, "last_admin", "{\"member\":\"admin\"}");
	expect(add("carol", "admin", EDITORS, NULL), CKR_OK, NONE);
	expect(drop("carol"), CKR_OK, NONE);
	expect(drop("admin"), CKR_ACTION_PROHIBITED, LAST_ADMIN); /* who was removed does not count */
	expect(set("bob", CKA_SR_ROLE, "admin"), CKR_OK, NONE);
	expect(set("admin", CKA_SR_ROLE, "viewer"), CKR_OK, NONE);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, CHANGED_MEANWHILE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect(drop("bob"), CKR_ACTION_PROHIBITED, LAST_ADMIN);
}
END_TEST

START_TEST(two_admins_do_not_remove_each_other)
{
	expect(add("bob", "admin", EDITORS, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	struct sr_caller bob = keep();
	expect(drop("bob"), CKR_OK, NONE);
	expect(sr_class_find(CKO_SR_MEMBER)->destroy(&bob, "admin", &place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	sr_identity_unref(bob.identity);
	vault_login_admin(&place);
}
END_TEST

START_TEST(a_forged_admin_does_not_count)
{
	expect(add("bob", "viewer", EDITORS, NULL), CKR_OK, NONE);
	vault_sql(&place, "UPDATE member SET role = 'admin' WHERE name = 'bob'");
	expect(drop("admin"), CKR_DEVICE_ERROR, ROW_FORGED);
	vault_login_admin(&place);
}
END_TEST

/* -- addresses ----------------------------------------------------------------------------------------------------- */

START_TEST(addresses_bind_a_login)
{
	expect(add("bob", "viewer", EDITORS, "192.0.2.0/24\nunix:uid=4711"), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	ck_assert_str_eq(newest().reason, "address_not_allowed");
	vault_clock_move(120000, 120000, false);
	expect(vault_login(&place, "bob:a wrong passphrase"), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	ck_assert_str_eq(newest().reason, "address_not_allowed"); /* how the passphrase went is not told, even here */
	vault_login_admin(&place);
	expect(set("bob", CKA_SR_ALLOWED_IPS, ""), CKR_ATTRIBUTE_VALUE_INVALID, BAD_ADDRESS);
	expect(set("bob", CKA_SR_ALLOWED_IPS, "unix"), CKR_OK, NONE);
	expect_event(SR_EVENT_MEMBER_UPDATED, "", "{\"member\":\"bob\"}");
	ck_assert_str_eq(row_of("bob").allowed_ips, "unix");
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
}
END_TEST

START_TEST(addresses_bind_each_call)
{
	struct sr_peer elsewhere = { .kind = SR_PEER_TLS, .has_address = true };
	expect(add("bob", "editor", EDITORS, "unix"), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	place.caller.peer = &elsewhere;
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, ADDRESS_NOT_ALLOWED);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, ADDRESS_NOT_ALLOWED);
	place.caller.peer = &place.peer;
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
}
END_TEST

/* -- separation ---------------------------------------------------------------------------------------------------- */

START_TEST(separation_takes_values_from_admins)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(add("bob", "editor", EDITORS, NULL), CKR_OK, NONE);
	place.config.separation = true;
	vault_place_reopen(&place);
	vault_login_admin(&place);
	ck_assert_uint_eq(sr_who_actions(place.caller.identity, SR_RESOURCE_SECRETS, "a/b"),
		SR_ACTION_WRITE | SR_ACTION_DELETE | SR_ACTION_LIST);
	ck_assert_uint_eq(sr_who_actions(place.caller.identity, SR_RESOURCE_KEYS, "a/b"),
		SR_ACTION_CREATE | SR_ACTION_DELETE | SR_ACTION_LIST);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, OUT_OF_SCOPE);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, "a/b"), 1);
	expect(vault_put(&place, "a/b", "w", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED,
		ROLE_NOT_ALLOWED);
	expect(vault_issue(&place, "secrets:list:*\nkeys:sign:*", "600", NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED,
		ROLE_NOT_ALLOWED);
	expect(vault_issue(&place, "secrets:*:*", "600", NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED,
		ROLE_NOT_ALLOWED);
	expect(vault_issue(&place, "secrets:write:*", "600", NULL, NULL, NULL), CKR_OK, NONE);
	expect(vault_login(&place, "bob:" EDITORS), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
}
END_TEST

Suite *sr_suite_vault_members(void)
{
	Suite *suite = suite_create("vault_members");
	TCase *c = tcase_create("vault_members");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_member_is_added);
	tcase_add_test(c, bad_members_are_refused);
	tcase_add_test(c, what_is_no_attribute_of_a_member_is_refused);
	tcase_add_test(c, a_name_is_used_once);
	tcase_add_loop_test(c, only_admins_change_members, 0, 3);
	tcase_add_test(c, a_token_changes_no_members);
	tcase_add_loop_test(c, a_role_gains_and_loses, 0, 7);
	tcase_add_test(c, a_role_that_one_has_changes_nothing);
	tcase_add_test(c, who_made_a_member_is_who_did_it_last);
	tcase_add_loop_test(c, less_rights_void_what_was_issued_with_more, 0, 5);
	tcase_add_loop_test(c, a_changed_members_login_ends, 0, 5);
	tcase_add_test(c, an_admin_gives_another_a_new_passphrase);
	tcase_add_test(c, ones_own_passphrase_takes_the_old_one);
	tcase_add_test(c, one_thing_at_a_time);
	tcase_add_test(c, the_last_admin_stays);
	tcase_add_test(c, two_admins_do_not_remove_each_other);
	tcase_add_test(c, a_forged_admin_does_not_count);
	tcase_add_test(c, addresses_bind_a_login);
	tcase_add_test(c, addresses_bind_each_call);
	tcase_add_test(c, separation_takes_values_from_admins);
	suite_add_tcase(suite, c);
	return suite;
}
