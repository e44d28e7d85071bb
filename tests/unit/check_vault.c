/* The vault over its real parts: secrets, tokens, members, and what is refused. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "audit/heads.h"
#include "vault/core.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* -- secrets ----------------------------------------------------------------------------------------------------- */

START_TEST(a_secret_is_stored_and_read)
{
	char value[256];
	vault_login_admin(&place);
	expect(vault_put(&place, "production/a/key", "first", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "production/a/key", "second", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "production/a/key", value), CKR_OK, NONE);
	ck_assert_str_eq(value, "second");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(vault_get(&place, "production/a/key", value), CKR_OK, NONE);
	ck_assert_str_eq(value, "second");
	expect(vault_get(&place, "production/a/other", value), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
}
END_TEST

START_TEST(a_deleted_secret_is_gone_and_its_versions_go_on)
{
	const struct sr_class *data = sr_class_find(CKO_DATA);
	struct sr_view view = { .value = SR_VALUE_NONE };
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(data->destroy(&place.caller, "a/b", &place.err), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, "a/b"), 0);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	expect(data->view(&place.caller, "a/b", &view, &place.err), CKR_OK, NONE);
	const struct sr_attr *version = sr_attrs_find(&view.attrs, CKA_SR_VERSION);
	ck_assert_int_eq(version->len, 1);
	ck_assert_int_eq(version->value[0], '2');
	ck_assert_uint_eq(view.value_len, 3);
	sr_view_clear(&view);
}
END_TEST

START_TEST(a_version_may_be_expected)
{
	static const struct {
		const char *expected;
		CK_RV rv;
	} rows[] = { { "0", CKR_OK }, { "0", CKR_TEMPLATE_INCONSISTENT }, { "7", CKR_TEMPLATE_INCONSISTENT },
		{ "1", CKR_OK }, { "x", CKR_ATTRIBUTE_VALUE_INVALID }, { "-1", CKR_ATTRIBUTE_VALUE_INVALID } };
	vault_login_admin(&place);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_attrs template = SR_ATTRS_INIT;
		struct sr_created created = { .id = "" };
		sr_attrs_put_text(&template, CKA_LABEL, "a/b");
		sr_attrs_put_text(&template, CKA_VALUE, "v");
		sr_attrs_put_text(&template, CKA_SR_IF_VERSION, rows[i].expected);
		CK_RV rv = sr_class_find(CKO_DATA)->create(&place.caller, &template, &created, &place.err);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %s", i, sr_rv_name(rv));
		sr_created_clear(&created);
		sr_attrs_clear(&template);
	}
}
END_TEST

START_TEST(bad_secrets_are_refused)
{
	char big[70000];
	memset(big, 'x', sizeof(big));
	big[65537] = '\0';
	vault_login_admin(&place);
	expect(vault_put(&place, "a//b", "v", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_PATH);
	expect(vault_put(&place, "../b", "v", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_PATH);
	expect(vault_put(&place, "a/*", "v", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_PATH);
	expect(vault_put(&place, "a/b", "", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(vault_put(&place, "a/b", big, NULL), CKR_ATTRIBUTE_VALUE_INVALID, TOO_LARGE);
	expect(vault_put(&place, "a/b", "v", "secret"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	big[65536] = '\0';
	expect(vault_put(&place, "a/b", big, NULL), CKR_OK, NONE);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, NULL), 1);
}
END_TEST

START_TEST(a_tier_rises_and_binds_members_and_tokens)
{
	char pin[64];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "w", "critical"), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, APPROVAL_REQUIRED);
	expect(vault_put(&place, "a/b", "x", "standard"), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, APPROVAL_REQUIRED);
}
END_TEST

/* The tier alone, without a new version: what was sealed as standard is not delivered any more either. */
START_TEST(a_tier_raised_without_a_value_binds_at_once)
{
	char pin[64];
	struct sr_attrs change = SR_ATTRS_INIT;
	struct sr_caller reader;
	struct sr_buf value = SR_BUF_INIT;
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	reader = place.caller;
	sr_identity_ref(reader.identity);
	vault_login_admin(&place);
	sr_attrs_put_text(&change, CKA_SR_TIER, "sensitive");
	expect(sr_class_find(CKO_DATA)->set(&place.caller, "a/b", &change, &place.err), CKR_OK, NONE);
	sr_attrs_clear(&change);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, APPROVAL_REQUIRED);
	expect(sr_class_find(CKO_DATA)->value(&reader, "a/b", &value, &place.err), CKR_ATTRIBUTE_SENSITIVE,
		APPROVAL_REQUIRED);
	ck_assert_uint_eq(value.len, 0);
	sr_identity_unref(reader.identity);
}
END_TEST

/* -- tokens ------------------------------------------------------------------------------------------------------ */

START_TEST(a_token_sees_its_scope_and_nothing_else)
{
	char pin[64], value[256];
	vault_login_admin(&place);
	expect(vault_put(&place, "production/a", "1", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "staging/a", "2", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:production/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	ck_assert_uint_eq(strlen(pin), 30);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, NULL), 1);
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, "staging/a"), 0);
	expect(vault_get(&place, "production/a", value), CKR_OK, NONE);
	expect(vault_get(&place, "staging/a", value), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(vault_get(&place, "staging/none", value), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(vault_put(&place, "production/a", "3", NULL), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect(vault_issue(&place, "secrets:read:production/*", "600", NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED,
		OUT_OF_SCOPE);
}
END_TEST

START_TEST(list_shows_no_value_and_write_needs_no_read)
{
	char pin[64];
	struct sr_view view = { .value = SR_VALUE_NONE };
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:list:*\nsecrets:write:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(sr_class_find(CKO_DATA)->view(&place.caller, "a/b", &view, &place.err), CKR_OK, NONE);
	ck_assert_int_eq(view.value, SR_VALUE_SENSITIVE);
	ck_assert_uint_eq(view.value_len, 0);
	sr_view_clear(&view);
	expect(vault_get(&place, "a/b", NULL), CKR_ATTRIBUTE_SENSITIVE, OUT_OF_SCOPE);
	expect(vault_put(&place, "a/b", "w", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "b/b", "w", NULL), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
}
END_TEST

START_TEST(uses_are_counted)
{
	char pin[64], value[256];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:*", "600", "2", NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	expect(vault_get(&place, "a/none", value), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", value), CKR_USER_NOT_LOGGED_IN, USED_UP);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, USED_UP);
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
}
END_TEST

START_TEST(bad_tokens_are_refused)
{
	static const struct {
		const char *scope, *ttl, *uses, *ips;
		CK_ULONG reason;
	} rows[] = {
		{ "secrets:read", "60", NULL, NULL, SR_REASON_BAD_SCOPE },
		{ "secrets:fly:*", "60", NULL, NULL, SR_REASON_BAD_SCOPE },
		{ "", "60", NULL, NULL, SR_REASON_BAD_SCOPE },
		{ "secrets:read:*", "0", NULL, NULL, SR_REASON_BAD_DURATION },
		{ "secrets:read:*", "90000", NULL, NULL, SR_REASON_BAD_DURATION },
		{ "secrets:read:*", "99999999999999999999999", NULL, NULL, SR_REASON_BAD_DURATION },
		{ "secrets:read:*", "-1", NULL, NULL, SR_REASON_BAD_DURATION },
		{ "secrets:read:*", "60", "0", NULL, SR_REASON_BAD_NUMBER },
		{ "secrets:read:*", "60", "-1", NULL, SR_REASON_BAD_NUMBER },
		{ "secrets:read:*", "60", "18446744073709551617", NULL, SR_REASON_BAD_NUMBER },
		{ "secrets:read:*", "60", NULL, "10.0.0.1/8", SR_REASON_BAD_ADDRESS },
		{ "secrets:read:*", "60", NULL, "", SR_REASON_BAD_ADDRESS },
	};
	vault_login_admin(&place);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CK_RV rv = vault_issue(&place, rows[i].scope, rows[i].ttl, rows[i].uses, rows[i].ips, NULL);
		ck_assert_msg(rv == CKR_ATTRIBUTE_VALUE_INVALID && place.err.reason == rows[i].reason, "row %zu: %s %s",
			i, sr_rv_name(rv), place.err.text);
	}
	expect(vault_issue(&place, NULL, "60", NULL, NULL, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_SCOPE);
	expect(vault_issue(&place, "secrets:read:*", NULL, NULL, NULL, NULL), CKR_TEMPLATE_INCOMPLETE, BAD_DURATION);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 0);
}
END_TEST

START_TEST(addresses_bind)
{
	char pin[64];
	vault_login_admin(&place);
	expect(vault_issue(&place, "secrets:read:*", "60", NULL, "10.0.1.50\n192.168.0.0/16", pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	vault_login_admin(&place);
	expect(vault_issue(&place, "secrets:read:*", "60", NULL, "127.0.0.1", pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
}
END_TEST

START_TEST(revoked_at_the_next_call_and_listed_by_what_they_reach)
{
	char pin[64], id[SR_OBJECT_ID_MAX];
	struct sr_identity *admin;
	vault_login_admin(&place);
	admin = sr_identity_ref(place.caller.identity);
	expect(vault_put(&place, "production/a", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:production/*", "60", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:staging/*", "60", NULL, NULL, NULL), CKR_OK, NONE);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "production/a"), 1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "*"), 2);
	vault_find_one(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "production/a", id);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "production/a", NULL), CKR_OK, NONE);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, 0, NULL), 0);

	struct sr_caller by_admin = place.caller;
	by_admin.identity = admin;
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&by_admin, "t-unknown", &place.err), CKR_OBJECT_HANDLE_INVALID,
		NOT_FOUND);
	sr_error_clear(&place.err);
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&by_admin, id, &place.err), CKR_OK, NONE);
	expect(vault_get(&place, "production/a", NULL), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(vault_login(&place, pin), CKR_PIN_LOCKED, LOGIN_REFUSED);
	vault_login_admin(&place);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_REACHES, "production/a"), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_STATE, "revoked"), 1);
	sr_identity_unref(admin);
}
END_TEST

/* -- an HSM that is away ------------------------------------------------------------------------------------------ */

static void move_tokens(const char *from, const char *to)
{
	char old[128], new[128];
	snprintf(old, sizeof old, "%s/%s", place.dir, from);
	snprintf(new, sizeof new, "%s/%s", place.dir, to);
	ck_assert_int_eq(rename(old, new), 0);
	vault_clock_move(1000, 1000, false);
}

static void refused(CK_RV rv)
{
	ck_assert_msg(rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR, "%s: %s", sr_rv_name(rv), place.err.text);
	ck_assert_ptr_nonnull(strstr(place.err.text, "HSM was lost and is still away"));
}

static int events(const char *name)
{
	return vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, name);
}

START_TEST(an_hsm_that_was_away_is_in_the_audit)
{
	char value[256];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	for (int round = 1; round <= 2; round++) {
		move_tokens("hsm/tokens", "away");
		refused(vault_get(&place, "a/b", value));
		refused(vault_put(&place, "a/c", "v", NULL));
		move_tokens("away", "hsm/tokens");
		expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
		ck_assert_str_eq(value, "v");
		expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
		ck_assert_int_eq(events("hsm.lost"), round);
		ck_assert_int_eq(events("hsm.opened"), round + 1); /* init's is the first */
	}
	move_tokens("hsm/tokens", "away");
	refused(vault_get(&place, "a/b", value));
	move_tokens("away", "hsm/tokens");
	vault_place_reopen(&place); /* the close looks for it once more */
	vault_login_admin(&place);
	ck_assert_int_le(events("hsm.lost"), 3);
	ck_assert_int_eq(events("hsm.opened"), events("hsm.lost") + 1);
}
END_TEST

/* -- time -------------------------------------------------------------------------------------------------------- */

START_TEST(a_token_ends_by_the_boot_clock)
{
	char pin[64];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	vault_clock_move(-24 * HOUR, 0, false);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	vault_clock_move(48 * HOUR, 0, false);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	vault_clock_move(-48 * HOUR, 601000, false);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	expect(vault_login(&place, pin), CKR_PIN_EXPIRED, LOGIN_REFUSED);
}
END_TEST

START_TEST(across_boots_a_clock_set_back_prolongs_nothing)
{
	char pin[64];
	vault_login_admin(&place);
	expect(vault_issue(&place, "secrets:read:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	vault_clock_move(601000, 0, true);
	expect(vault_login(&place, pin), CKR_PIN_EXPIRED, LOGIN_REFUSED);
	/* The refusal left a record; its time holds even when the wall clock goes back. */
	vault_clock_move(-601000, 0, true);
	expect(vault_login(&place, pin), CKR_PIN_EXPIRED, LOGIN_REFUSED);
}
END_TEST

/* -- members ----------------------------------------------------------------------------------------------------- */

START_TEST(logins_are_refused_alike)
{
	static const char *const pins[] = { "admin:wrong passphrase here", "nobody:" PASSPHRASE,
		"admin:", ":" PASSPHRASE, PASSPHRASE, "srt_aaaaaaaaaaaaaaaaaaaaaaaaaa",
		"srk_aaaaaaaaaaaaaaaaaaaaaaaaaa", "Admin:" PASSPHRASE };
	char first[SR_ERROR_TEXT_MAX] = "";
	for (size_t i = 0; i < sizeof(pins) / sizeof(*pins); i++) {
		expect(vault_login(&place, pins[i]), CKR_PIN_INCORRECT, LOGIN_REFUSED);
		if (!first[0])
			strcpy(first, place.err.text);
		ck_assert_str_eq(place.err.text, first);
	}
	vault_login_admin(&place);
}
END_TEST

START_TEST(a_passphrase_is_changed)
{
	static const char fresh[] = "another long passphrase";
	vault_login_admin(&place);
	expect(sr_set_passphrase(&place.caller, "wrong", 5, fresh, strlen(fresh), &place.err), CKR_PIN_INCORRECT,
		WRONG_PASSPHRASE);
	expect(sr_set_passphrase(&place.caller, PASSPHRASE, strlen(PASSPHRASE), "short", 5, &place.err),
		CKR_PIN_LEN_RANGE, WEAK_PASSPHRASE);
	expect(sr_set_passphrase(&place.caller, PASSPHRASE, strlen(PASSPHRASE), "aaaaaaaaaaaaaaa", 15, &place.err),
		CKR_PIN_TOO_WEAK, WEAK_PASSPHRASE);
	sr_error_clear(&place.err);
	expect(sr_set_passphrase(&place.caller, PASSPHRASE, strlen(PASSPHRASE), fresh, strlen(fresh), &place.err),
		CKR_OK, NONE);
	expect(vault_login(&place, "admin:" PASSPHRASE), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(vault_login(&place, "admin:another long passphrase"), CKR_OK, NONE);
}
END_TEST

/* -- the database in somebody else's hands --------------------------------------------------------------------------
 */

START_TEST(forged_rows_are_refused_by_name)
{
	static const struct {
		const char *sql;
		CK_ULONG reason;
		const char *named;
	} rows[] = {
		{ "UPDATE secret SET version = 1", SR_REASON_ROW_FORGED, "secret:a/b" },
		{ "UPDATE secret SET type = 'other'", SR_REASON_ROW_FORGED, "secret:a/b" },
		{ "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE version = 1)",
			SR_REASON_SEAL_BROKEN, "secret:a/b" },
		{ "UPDATE secret_version SET tier = 'critical' WHERE version = 2", SR_REASON_SEAL_BROKEN,
			"secret:a/b" },
		{ "DELETE FROM secret_version WHERE version = 2", SR_REASON_ROW_MISSING, "secret:a/b" },
		{ "PRAGMA foreign_keys = OFF; DELETE FROM secret", SR_REASON_ROW_MISSING, "secret:a/b" },
	};
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	vault_sql(&place, "%s", rows[_i].sql);
	CK_RV rv = vault_get(&place, "a/b", NULL);
	ck_assert_msg(rv == CKR_DEVICE_ERROR && place.err.reason == rows[_i].reason, "%s: %s %s", rows[_i].sql,
		sr_rv_name(rv), place.err.text);
	ck_assert_ptr_nonnull(strstr(place.err.text, rows[_i].named));
}
END_TEST

START_TEST(an_old_row_put_back_is_refused)
{
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM secret");
	expect(vault_put(&place, "a/b", "two", NULL), CKR_OK, NONE);
	vault_sql(&place, "PRAGMA foreign_keys = OFF; DELETE FROM secret; INSERT INTO secret SELECT * FROM kept.t");
	expect(vault_get(&place, "a/b", NULL), CKR_DEVICE_ERROR, ROW_STALE);
}
END_TEST

/* Records of old that say something else do not matter: what counts is the state tree. */
START_TEST(hiding_records_gives_nothing_back)
{
	static const struct {
		const char *sql;
		CK_RV rv;
	} rows[] = {
		{ "UPDATE event SET counted = 0", CKR_PIN_LOCKED },
		{ "UPDATE event SET counted = 0; DELETE FROM state WHERE value = 1", CKR_DEVICE_ERROR },
		{ "UPDATE state SET value = value - 1 WHERE value > 1", CKR_DEVICE_ERROR },
		{ "DELETE FROM event WHERE counted = 1", CKR_DEVICE_ERROR },
		{ "UPDATE event SET subject = NULL; DELETE FROM state", CKR_DEVICE_ERROR },
	};
	char pin[64];
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:*", "600", "1", NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	vault_sql(&place, "%s", rows[_i].sql);
	CK_RV rv = vault_login(&place, pin);
	ck_assert_msg(rv == rows[_i].rv, "%s: %s %s", rows[_i].sql, sr_rv_name(rv), place.err.text);
	ck_assert(vault_get(&place, "a/b", NULL) != CKR_OK);
}
END_TEST

START_TEST(several_logins_share_one_use)
{
	char pin[64];
	struct sr_caller first;
	struct sr_buf value = SR_BUF_INIT;
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:*", "600", "1", NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	first = place.caller;
	sr_identity_ref(first.identity);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	expect(sr_class_find(CKO_DATA)->value(&first, "a/b", &value, &place.err), CKR_USER_NOT_LOGGED_IN, USED_UP);
	ck_assert_uint_eq(value.len, 0);
	sr_identity_unref(first.identity);
}
END_TEST

START_TEST(a_deleted_secret_put_back_is_refused)
{
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	vault_sql(&place, "CREATE TABLE kept.t AS SELECT * FROM secret");
	expect(sr_class_find(CKO_DATA)->destroy(&place.caller, "a/b", &place.err), CKR_OK, NONE);
	vault_sql(&place, "UPDATE secret SET state = (SELECT state FROM kept.t), updated_ms = (SELECT updated_ms FROM "
			  "kept.t), event_id = "
			  "(SELECT event_id FROM kept.t), mac = (SELECT mac FROM kept.t); "
			  "UPDATE event SET subject = NULL WHERE event = 'secret.deleted'");
	expect(vault_get(&place, "a/b", NULL), CKR_DEVICE_ERROR, ROW_STALE);
}
END_TEST

/* -- audit-sync -------------------------------------------------------------------------------------------------- */

/* Whether the heads file is where the database is: with audit-sync = lazy it stays behind what may be lost. */
static bool is_durable(void)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf chain = SR_BUF_INIT;
	struct sr_head known, head;
	struct sr_moment at;
	int64_t newest_ms;
	bool found = false;
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &err), CKR_OK);
	ck_assert_uint_eq(place.vault->store->ops->meta_get(at.tx, "chain-id", &chain, &err), CKR_OK);
	ck_assert_uint_eq(place.vault->store->ops->event_head(at.tx, &head, &newest_ms, &err), CKR_OK);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert_uint_eq(sr_heads_read(place.vault->heads, sr_buf_string(&chain), &known, &found, &err), CKR_OK);
	sr_buf_clear(&chain);
	return found && known.seq == head.seq;
}

START_TEST(reads_without_a_count_may_lag_and_nothing_else)
{
	char free_pin[64], counted_pin[64];
	place.config.audit_sync_lazy = _i == 1;
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	ck_assert(is_durable());
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, free_pin), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", "5", NULL, counted_pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE); /* a member's */
	ck_assert_int_eq(is_durable(), _i == 0);
	expect(vault_login(&place, free_pin), CKR_OK, NONE);
	ck_assert(is_durable());
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	ck_assert_int_eq(is_durable(), _i == 0);
	ck_assert(vault_get(&place, "b", NULL) != CKR_OK); /* refused */
	ck_assert(is_durable());
	expect(vault_login(&place, counted_pin), CKR_OK, NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, NONE);
	ck_assert(is_durable());
}
END_TEST

/* -- tiers and tokens -------------------------------------------------------------------------------------------- */

START_TEST(what_a_token_is_not_cleared_for_it_does_not_touch)
{
	char pin[64];
	const struct sr_class *data = sr_class_find(CKO_DATA);
	vault_login_admin(&place);
	expect(vault_issue(&place, "secrets:*:p/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_put(&place, "p/critical", "v", "critical"), CKR_OK, NONE);
	expect(vault_put(&place, "p/standard", "v", NULL), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(vault_put(&place, "p/critical", "w", NULL), CKR_TOKEN_WRITE_PROTECTED, APPROVAL_REQUIRED);
	expect(data->destroy(&place.caller, "p/critical", &place.err), CKR_ACTION_PROHIBITED, APPROVAL_REQUIRED);
	expect(vault_put(&place, "p/standard", "w", "critical"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect(vault_put(&place, "p/standard", "w", NULL), CKR_OK, NONE);
	vault_login_admin(&place);
	expect(data->destroy(&place.caller, "p/critical", &place.err), CKR_OK, NONE);
	expect(vault_put(&place, "p/critical", "w", "standard"), CKR_TEMPLATE_INCONSISTENT, TIER_LOWERED);
	expect(vault_put(&place, "p/critical", "w", NULL), CKR_OK, NONE);
	expect(vault_get(&place, "p/critical", NULL), CKR_ATTRIBUTE_SENSITIVE, APPROVAL_REQUIRED);
}
END_TEST

/* -- a member's login ends ----------------------------------------------------------------------------------------- */

START_TEST(a_members_login_ends)
{
	static const char fresh[] = "another long passphrase";
	struct sr_caller other;
	vault_login_admin(&place);
	vault_clock_move(14 * HOUR / 60, 14 * HOUR / 60, false);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	vault_clock_move(16 * HOUR / 60, 16 * HOUR / 60, false);
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	vault_login_admin(&place);
	for (int i = 0; i < 48; i++) {
		expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
		vault_clock_move(HOUR / 6, HOUR / 6, false);
	}
	expect(sr_identity_check(&place.caller, &place.err), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	vault_login_admin(&place);
	other = place.caller;
	sr_identity_ref(other.identity);
	vault_login_admin(&place);
	expect(sr_set_passphrase(&place.caller, PASSPHRASE, strlen(PASSPHRASE), fresh, strlen(fresh), &place.err),
		CKR_OK, NONE);
	expect(sr_identity_check(&place.caller, &place.err), CKR_OK, NONE);
	expect(sr_identity_check(&other, &place.err), CKR_USER_NOT_LOGGED_IN, CHANGED_MEANWHILE);
	sr_identity_unref(other.identity);
}
END_TEST

/* -- what it tells of itself --------------------------------------------------------------------------------------- */

START_TEST(what_is_done_is_counted)
{
	char pin[64], value[256];
	struct sr_vault_counts before, after;
	vault_login_admin(&place);
	expect(vault_put(&place, "a/b", "v", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:list:*\nsecrets:read:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	sr_vault_counts(place.vault, &before);
	for (int i = 0; i < 3; i++)
		expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	expect(vault_put(&place, "a/b", "w", NULL), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect(vault_issue(&place, "secrets:read:a/*", "600", NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED,
		OUT_OF_SCOPE);
	sr_vault_counts(place.vault, &after);
	ck_assert_uint_eq(after.values - before.values, 3);
	ck_assert_uint_eq(after.denied - before.denied, 2);
	ck_assert_uint_eq(after.error - before.error, 0);
	ck_assert_uint_eq(after.keys - before.keys, 0);
	ck_assert_uint_eq(after.records - before.records, 5);
	ck_assert_uint_eq(after.commits - before.commits, 5);
	ck_assert_uint_ge(after.hsm_turns - before.hsm_turns, 3);
	ck_assert_uint_eq(after.hsm_failed + after.hsm_lost + after.hsm_busy, 0);
	vault_place_reopen(&place);
	sr_vault_counts(place.vault, &after);
	ck_assert_uint_eq(after.values + after.denied + after.records, 0);
}
END_TEST

/* A status by the present caller. */
static json_t *status(void)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_KIND, "status");
	expect(sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err), CKR_OK, NONE);
	const struct sr_attr *result = sr_attrs_find(&created.held, CKA_SR_RESULT);
	json_t *told = json_loadb((const char *)result->value, result->len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert(json_is_object(told));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return told;
}

static json_t *report(void *arg)
{
	return *(bool *)arg ? json_pack("{s:[i], s:{}}", "listeners", 7, "counters") : NULL;
}

START_TEST(a_host_adds_to_the_status)
{
	bool memory = true;
	const struct sr_vault_host host = { report, &memory };
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	char pin[64];
	vault_login_admin(&place);
	json_t *told = status();
	json_t *server = json_object_get(told, "server");
	ck_assert_str_eq(json_string_value(json_object_get(server, "mode")), "embedded");
	ck_assert_str_eq(json_string_value(json_object_get(server, "version")), PACKAGE_VERSION);
	ck_assert_int_eq(json_integer_value(json_object_get(server, "pid")), getpid());
	ck_assert(json_is_integer(json_object_get(server, "uptime_s")) && !json_object_get(told, "listeners"));
	json_decref(told);
	sr_vault_set_host(place.vault, &host);
	told = status();
	server = json_object_get(told, "server");
	ck_assert_str_eq(json_string_value(json_object_get(server, "mode")), "daemon");
	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(told, "listeners"), 0)), 7);
	ck_assert(json_is_object(json_object_get(told, "counters")) && json_object_get(told, "vault"));
	json_decref(told);
	memory = false;
	sr_attrs_put_text(&template, CKA_SR_KIND, "status");
	expect(sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err), CKR_HOST_MEMORY,
		MEMORY);
	memory = true;
	expect(vault_issue(&place, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
	expect(sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err),
		CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}
END_TEST

Suite *sr_suite_vault(void)
{
	Suite *suite = suite_create("vault");
	TCase *c = tcase_create("vault");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_secret_is_stored_and_read);
	tcase_add_test(c, a_deleted_secret_is_gone_and_its_versions_go_on);
	tcase_add_test(c, a_version_may_be_expected);
	tcase_add_test(c, bad_secrets_are_refused);
	tcase_add_test(c, a_tier_rises_and_binds_members_and_tokens);
	tcase_add_test(c, a_tier_raised_without_a_value_binds_at_once);
	tcase_add_test(c, a_token_sees_its_scope_and_nothing_else);
	tcase_add_test(c, list_shows_no_value_and_write_needs_no_read);
	tcase_add_test(c, uses_are_counted);
	tcase_add_test(c, bad_tokens_are_refused);
	tcase_add_test(c, addresses_bind);
	tcase_add_test(c, revoked_at_the_next_call_and_listed_by_what_they_reach);
	tcase_add_test(c, a_token_ends_by_the_boot_clock);
	tcase_add_test(c, across_boots_a_clock_set_back_prolongs_nothing);
	tcase_add_test(c, logins_are_refused_alike);
	tcase_add_test(c, a_passphrase_is_changed);
	tcase_add_loop_test(c, reads_without_a_count_may_lag_and_nothing_else, 0, 2);
	tcase_add_loop_test(c, forged_rows_are_refused_by_name, 0, 6);
	tcase_add_test(c, an_old_row_put_back_is_refused);
	tcase_add_loop_test(c, hiding_records_gives_nothing_back, 0, 5);
	tcase_add_test(c, several_logins_share_one_use);
	tcase_add_test(c, a_deleted_secret_put_back_is_refused);
	tcase_add_test(c, what_a_token_is_not_cleared_for_it_does_not_touch);
	tcase_add_test(c, a_members_login_ends);
	tcase_add_test(c, an_hsm_that_was_away_is_in_the_audit);
	tcase_add_test(c, what_is_done_is_counted);
	tcase_add_test(c, a_host_adds_to_the_status);
	suite_add_tcase(suite, c);
	return suite;
}
