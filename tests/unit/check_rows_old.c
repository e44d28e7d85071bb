/* Rows of tokens and members as the library of schema 2 wrote them, in today's tables: they verify as they did, and the
 * new columns are nobody's to fill or to empty. */
#include "suites.h"
#include "vault_place.h"

#include "audit/state.h"
#include "util/pack.h"
#include "vault/core.h"
#include "vault/report.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct vault_place place;

static void start(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
}

static void stop(void)
{
	vault_place_remove(&place);
}

static CK_RV commit(enum sr_event_kind kind, CK_RV (*run)(struct sr_act *, struct sr_moment *, struct sr_error *))
{
	struct sr_act act;
	sr_act_begin(&act, &place.caller, kind, NULL);
	act.run = run;
	sr_error_clear(&place.err);
	return sr_act_commit(&act, &place.err);
}

static void must_commit(enum sr_event_kind kind, CK_RV (*run)(struct sr_act *, struct sr_moment *, struct sr_error *))
{
	CK_RV rv = commit(kind, run);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
}

/* -- as schema 2 wrote them, byte by byte -------------------------------------------------------------------------- */

static CK_RV mark_row(struct sr_act *act, struct sr_moment *at, const char *subject, struct sr_buf *packed,
	struct sr_mark *mark, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	mark->event_id = at->event_id;
	sr_pack_u64(packed, at->event_id);
	snprintf(act->event.subject, sizeof(act->event.subject), "%s", subject);
	CK_RV rv = sr_hsm_mac(vault->hsm, packed->data, packed->len, mark->mac, err);
	sr_buf_clear(packed);
	return rv == CKR_OK ? sr_state_put(vault->store, at, subject, at->event_id, err) : rv;
}

static CK_RV put_old_token(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_token_row row = {
		.id = "t-old", .issuer = "member:admin", .max_uses = 7, .created_ms = 8, .ttl_ms = 9
	};
	row.end = sr_end_after(&at->now, 600000);
	memset(row.hash, 0x5a, sizeof(row.hash));
	sr_buf_text(&row.scopes, "secrets:read:a/*");
	sr_pack_text(&packed, "strongroom/row/token/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_text(&packed, row.id);
	sr_pack_bytes(&packed, row.hash, sizeof(row.hash));
	sr_pack_text(&packed, "secrets:read:a/*");
	sr_pack_text(&packed, ""); /* addresses */
	sr_pack_text(&packed, ""); /* description */
	sr_pack_text(&packed, row.issuer);
	sr_pack_text(&packed, ""); /* parent */
	sr_pack_text(&packed, "standard");
	sr_pack_u64(&packed, SR_TOKEN_ACTIVE);
	sr_pack_u64(&packed, 7);
	sr_pack_u64(&packed, 8);
	sr_pack_u64(&packed, 9);
	sr_pack_u64(&packed, (uint64_t)row.end.wall_ms);
	sr_pack_u64(&packed, (uint64_t)row.end.boot_ms);
	sr_pack_text(&packed, row.end.boot_id);
	CK_RV rv = mark_row(act, at, "token:t-old", &packed, &row.mark, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->token_put(at->tx, &row, err);
	if (rv == CKR_OK) /* as the migration does */
		rv = vault->store->ops->token_reach_put(at->tx, row.id, "a/", err);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV put_old_member(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_member_row row = {
		.name = "old", .role = SR_ROLE_VIEWER, .active = true, .log2n = 10, .r = 8, .p = 1, .created_ms = 5
	};
	memset(row.salt, 0x11, sizeof(row.salt));
	memset(row.hash, 0x22, sizeof(row.hash));
	sr_pack_text(&packed, "strongroom/row/member/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_text(&packed, "old");
	sr_pack_text(&packed, "viewer");
	sr_pack_u64(&packed, 1);
	sr_pack_u64(&packed, 10);
	sr_pack_u64(&packed, 8);
	sr_pack_u64(&packed, 1);
	sr_pack_bytes(&packed, row.salt, sizeof(row.salt));
	sr_pack_bytes(&packed, row.hash, sizeof(row.hash));
	sr_pack_u64(&packed, 5);
	CK_RV rv = mark_row(act, at, "member:old", &packed, &row.mark, err);
	return rv == CKR_OK ? vault->store->ops->member_put(at->tx, &row, err) : rv;
}

/* What schema 5 brought to the table of keys, taken away. */
#define KEY_OF_SCHEMA_4                                                                          \
	"ALTER TABLE key DROP COLUMN grace_wall_ms; ALTER TABLE key DROP COLUMN grace_boot_ms; " \
	"ALTER TABLE key DROP COLUMN grace_boot_id; "

static CK_RV put_old_key(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_key_row row = { .path = "old",
		.uid = "uid-old",
		.part = SR_PART_SECRET,
		.key_type = CKK_AES,
		.custody = SR_CUSTODY_WRAPPED,
		.created_ms = 5,
		.updated_ms = 6 };
	sr_buf_text(&row.id, "id");
	sr_buf_text(&row.attrs, "attributes");
	sr_buf_text(&row.blob, "wrapped");
	sr_pack_text(&packed, "strongroom/row/key/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_text(&packed, "old");
	sr_pack_text(&packed, "secret");
	sr_pack_text(&packed, "uid-old");
	sr_pack_u64(&packed, CKK_AES);
	sr_pack_text(&packed, "wrapped");
	sr_pack_text(&packed, "standard");
	sr_pack_u64(&packed, SR_KEY_ACTIVE);
	sr_pack_u64(&packed, 5);
	sr_pack_u64(&packed, 6);
	sr_pack_text(&packed, "id");
	sr_pack_text(&packed, "attributes");
	sr_pack_text(&packed, "wrapped");
	sr_pack_text(&packed, ""); /* material */
	CK_RV rv = mark_row(act, at, "secret-key:old", &packed, &row.mark, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->key_put(at->tx, &row, err);
	sr_key_row_clear(&row);
	return rv;
}

static CK_RV put_new_key(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_key_row row = { .path = "new",
		.uid = "uid-new",
		.part = SR_PART_FORMER_SECRET,
		.key_type = CKK_AES,
		.custody = SR_CUSTODY_WRAPPED };
	row.grace = sr_end_after(&at->now, 600000);
	sr_buf_text(&row.attrs, "attributes");
	sr_buf_text(&row.blob, "wrapped");
	CK_RV rv = sr_rows_put_key(act->caller->vault, at, &act->event, &row, err);
	sr_key_row_clear(&row);
	return rv;
}

/* A deleted one, so that it needs no value. */
static CK_RV put_old_secret(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_secret_row row = { .path = "old", .uid = "u", .type = "generic", .state = SR_SECRET_DELETED };
	row.version = 3;
	row.created_ms = 4;
	row.updated_ms = 5;
	sr_pack_text(&packed, "strongroom/row/secret/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_text(&packed, "old");
	sr_pack_text(&packed, "u");
	sr_pack_text(&packed, "generic");
	sr_pack_text(&packed, "standard");
	sr_pack_u64(&packed, SR_SECRET_DELETED);
	sr_pack_u64(&packed, 3);
	sr_pack_u64(&packed, 4);
	sr_pack_u64(&packed, 5);
	sr_pack_text(&packed, ""); /* application */
	sr_pack_text(&packed, ""); /* object id */
	CK_RV rv = mark_row(act, at, "secret:old", &packed, &row.mark, err);
	return rv == CKR_OK ? vault->store->ops->secret_put(at->tx, &row, err) : rv;
}

/* -- as it is written now ------------------------------------------------------------------------------------------ */

static CK_RV put_new_token(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_token_row row = { .id = "t-new", .issuer = "member:admin", .owner = "admin", .approval = "p-one" };
	row.end = sr_end_after(&at->now, 600000);
	memset(row.hash, 0x5b, sizeof(row.hash));
	sr_buf_text(&row.scopes, "secrets:read:a/*");
	CK_RV rv = sr_rows_put_token(act->caller->vault, at, &act->event, &row, err);
	if (rv == CKR_OK)
		rv = act->caller->vault->store->ops->token_reach_put(at->tx, row.id, "a/", err);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV put_new_member(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_member_row row = { .name = "new",
		.active = true,
		.log2n = 10,
		.r = 8,
		.p = 1,
		.allowed_ips = "unix",
		.made_by = "admin",
		.fresh = { .wall_ms = 1, .boot_ms = 2, .boot_id = "boot" },
		.cut = 1 };
	return sr_rows_put_member(act->caller->vault, at, &act->event, &row, err);
}

/* -- looking ------------------------------------------------------------------------------------------------------- */

static CK_RV get_token(const char *id)
{
	struct sr_token_row row = { .ttl_ms = 0 };
	struct sr_moment at;
	bool found = false;
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	CK_RV rv = sr_rows_token(place.vault, &at, id, &row, &found, &place.err);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert(rv != CKR_OK || found);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV get_member(const char *name)
{
	struct sr_member_row row;
	struct sr_moment at;
	bool found = false;
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	CK_RV rv = sr_rows_member(place.vault, &at, name, &row, &found, &place.err);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert(rv != CKR_OK || found);
	return rv;
}

static CK_RV get_key(const char *path, enum sr_part part)
{
	struct sr_key_row row;
	struct sr_moment at;
	bool found = false;
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	CK_RV rv = sr_rows_key(place.vault, &at, path, part, &row, &found, &place.err);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert(rv != CKR_OK || found);
	sr_key_row_clear(&row);
	return rv;
}

static CK_RV get_secret(const char *path)
{
	struct sr_secret_row row;
	struct sr_moment at;
	bool found = false;
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	CK_RV rv = sr_rows_secret(place.vault, &at, path, &row, &found, &place.err);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert(rv != CKR_OK || found);
	sr_secret_row_clear(&row);
	return rv;
}

static const char *verdict(void)
{
	static struct sr_verdict verdict;
	verdict = (struct sr_verdict){ .ok = true };
	sr_error_clear(&place.err);
	CK_RV rv = sr_report_check_rows(place.vault, &verdict, &place.err);
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
	return verdict.ok ? "" : verdict.detail;
}

static void must_have(CK_RV rv)
{
	ck_assert_msg(rv == CKR_OK, "%s", place.err.text);
}

static void must_be_forged(CK_RV rv, const char *subject)
{
	ck_assert_uint_eq(rv, CKR_DEVICE_ERROR);
	ck_assert_msg(place.err.reason == SR_REASON_ROW_FORGED, "%s", place.err.text);
	ck_assert_msg(strstr(verdict(), subject), "%s", verdict());
}

START_TEST(rows_of_schema_2_verify)
{
	must_commit(SR_EVENT_TOKEN_ISSUED, put_old_token);
	must_commit(SR_EVENT_MEMBER_ADDED, put_old_member);
	must_have(get_token("t-old"));
	must_have(get_member("old"));
	ck_assert_str_eq(verdict(), "");
	vault_place_reopen(&place);
	must_have(get_token("t-old"));
	must_have(get_member("old"));
	ck_assert_str_eq(verdict(), "");
}
END_TEST

struct hand {
	const char *sql;
};

static const struct hand token_hands[] = {
	{ "UPDATE token SET owner = 'admin' WHERE id = 't-old'" },
	{ "UPDATE token SET approval = 'p-one' WHERE id = 't-old'" },
	{ "UPDATE token SET issuer = 'member:adm', owner = 'in' WHERE id = 't-old'" },
	{ "UPDATE token SET owner = NULL WHERE id = 't-new'" },
	{ "UPDATE token SET owner = 'bob' WHERE id = 't-new'" },
	{ "UPDATE token SET approval = NULL WHERE id = 't-new'" }, /* approved without an approval */
	{ "UPDATE token SET approval = 'p-two' WHERE id = 't-new'" },
	{ "UPDATE token SET owner = NULL, approval = NULL WHERE id = 't-new'" },
};

START_TEST(a_token_s_new_columns_are_sealed)
{
	bool old = strstr(token_hands[_i].sql, "t-old") != NULL;
	must_commit(SR_EVENT_TOKEN_ISSUED, old ? put_old_token : put_new_token);
	must_have(get_token(old ? "t-old" : "t-new"));
	vault_sql(&place, "%s", token_hands[_i].sql);
	must_be_forged(get_token(old ? "t-old" : "t-new"), old ? "token:t-old" : "token:t-new");
}
END_TEST

static const struct hand member_hands[] = {
	{ "UPDATE member SET allowed_ips = 'unix' WHERE name = 'old'" },
	{ "UPDATE member SET made_by = 'admin' WHERE name = 'old'" },
	{ "UPDATE member SET fresh_wall_ms = 1 WHERE name = 'old'" },
	{ "UPDATE member SET fresh_boot_ms = 1 WHERE name = 'old'" },
	{ "UPDATE member SET fresh_boot_id = 'b' WHERE name = 'old'" },
	{ "UPDATE member SET cut = 1 WHERE name = 'old'" },
	{ "UPDATE member SET allowed_ips = NULL WHERE name = 'new'" }, /* from anywhere */
	{ "UPDATE member SET made_by = NULL WHERE name = 'new'" },
	{ "UPDATE member SET made_by = 'bob' WHERE name = 'new'" },
	{ "UPDATE member SET fresh_wall_ms = 0 WHERE name = 'new'" },
	{ "UPDATE member SET fresh_boot_ms = 0 WHERE name = 'new'" },
	{ "UPDATE member SET fresh_boot_id = NULL WHERE name = 'new'" },
	{ "UPDATE member SET cut = 0 WHERE name = 'new'" },
	{ "UPDATE member SET cut = 2 WHERE name = 'new'" },
	{ "UPDATE member SET allowed_ips = NULL, made_by = NULL, fresh_wall_ms = 0, fresh_boot_ms = 0, "
	  "fresh_boot_id = NULL, cut = 0 WHERE name = 'new'" },
};

START_TEST(a_member_s_new_columns_are_sealed)
{
	bool old = strstr(member_hands[_i].sql, "'old'") != NULL;
	must_commit(SR_EVENT_MEMBER_ADDED, old ? put_old_member : put_new_member);
	must_have(get_member(old ? "old" : "new"));
	vault_sql(&place, "%s", member_hands[_i].sql);
	must_be_forged(get_member(old ? "old" : "new"), old ? "member:old" : "member:new");
}
END_TEST

static const struct hand secret_hands[] = {
	{ "UPDATE secret SET rotated_ms = 9 WHERE path = 'old'" },
	{ "UPDATE secret SET expires_ms = 9 WHERE path = 'old'" },
	{ "UPDATE secret SET oldest = 2 WHERE path = 'old'" },
	{ "UPDATE secret SET graces = '1 2 3 4 b' WHERE path = 'old'" },
	{ "UPDATE secret SET rotated_ms = 0 WHERE path = 'new'" },
	{ "UPDATE secret SET rotated_ms = 9 WHERE path = 'new'" },
	{ "UPDATE secret SET expires_ms = 9 WHERE path = 'new'" },
	{ "UPDATE secret SET oldest = 1 WHERE path = 'new'" },
	{ "UPDATE secret SET graces = '1 2 3 4 b' WHERE path = 'new'" },
};

START_TEST(a_secret_s_new_columns_are_sealed)
{
	bool old = strstr(secret_hands[_i].sql, "'old'") != NULL;
	if (old)
		must_commit(SR_EVENT_SECRET_DELETED, put_old_secret);
	else
		must_have(vault_put(&place, "new", "value", NULL));
	must_have(get_secret(old ? "old" : "new"));
	ck_assert_str_eq(verdict(), "");
	vault_sql(&place, "%s", secret_hands[_i].sql);
	must_be_forged(get_secret(old ? "old" : "new"), old ? "secret:old" : "secret:new");
}
END_TEST

static const struct hand key_hands[] = {
	{ "UPDATE key SET grace_wall_ms = 9 WHERE path = 'old'" },
	{ "UPDATE key SET grace_boot_ms = 9 WHERE path = 'old'" },
	{ "UPDATE key SET grace_boot_id = 'b' WHERE path = 'old'" },
	{ "UPDATE key SET part = 'former-secret', uid = 'a' WHERE path = 'old'" },
	{ "UPDATE key SET grace_wall_ms = grace_wall_ms + 1 WHERE path = 'new'" }, /* for ever */
	{ "UPDATE key SET grace_boot_ms = grace_boot_ms + 1 WHERE path = 'new'" },
	{ "UPDATE key SET grace_boot_id = NULL WHERE path = 'new'" },
	{ "UPDATE key SET grace_wall_ms = 0, grace_boot_ms = 0, grace_boot_id = NULL WHERE path = 'new'" },
};

START_TEST(a_key_s_new_columns_are_sealed)
{
	bool old = strstr(key_hands[_i].sql, "'old'") != NULL;
	enum sr_part part = old ? SR_PART_SECRET : SR_PART_FORMER_SECRET;
	must_commit(SR_EVENT_KEY_GENERATED, old ? put_old_key : put_new_key);
	must_have(get_key(old ? "old" : "new", part));
	ck_assert_str_eq(verdict(), "");
	vault_sql(&place, "%s", key_hands[_i].sql);
	CK_RV rv = get_key(old ? "old" : "new", part);
	if (strstr(key_hands[_i].sql, "part =")) { /* neither what it was, nor what it is to be */
		ck_assert_uint_eq(place.err.reason, SR_REASON_ROW_MISSING);
		rv = get_key("old", SR_PART_FORMER_SECRET);
	}
	must_be_forged(rv, old ? "secret-key:old" : "former-secret:new");
}
END_TEST

/* A vault of schema 4 with a key is opened: the row is what it was. */
START_TEST(a_vault_of_schema_4_is_migrated)
{
	must_commit(SR_EVENT_KEY_GENERATED, put_old_key);
	vault_sql(&place, "%s",
		KEY_OF_SCHEMA_4 "DROP TABLE event_word; INSERT OR REPLACE INTO event_indexed VALUES (1, 5); "
				"PRAGMA user_version = 4");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	must_have(get_key("old", SR_PART_SECRET));
	/* the index of words begins at the first record, whatever the others knew */
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.created"), 1);
	ck_assert_str_eq(verdict(), "");
	must_commit(SR_EVENT_KEY_GENERATED, put_new_key);
	must_have(get_key("new", SR_PART_FORMER_SECRET));
	ck_assert_str_eq(verdict(), "");
}
END_TEST

/* The whole way: a vault whose tables are schema 2's is opened, and its admin and token log in. */
START_TEST(a_vault_of_schema_2_is_migrated)
{
	must_commit(SR_EVENT_TOKEN_ISSUED, put_old_token);
	vault_sql(&place, "DROP TABLE token_reach; DROP TABLE agent; DROP TABLE policy; DROP TABLE approval; "
			  "DROP TABLE freeze; DROP INDEX secret_tier; DROP INDEX key_tier; DROP TABLE rotation; "
			  "ALTER TABLE secret DROP COLUMN rotated_ms; ALTER TABLE secret DROP COLUMN expires_ms; "
			  "ALTER TABLE secret DROP COLUMN oldest; ALTER TABLE secret DROP COLUMN graces; "
			  "ALTER TABLE token DROP COLUMN owner; ALTER TABLE token DROP COLUMN approval; "
			  "ALTER TABLE member DROP COLUMN allowed_ips; ALTER TABLE member DROP COLUMN made_by; "
			  "ALTER TABLE member DROP COLUMN fresh_wall_ms; ALTER TABLE member DROP COLUMN fresh_boot_ms; "
			  "ALTER TABLE member DROP COLUMN fresh_boot_id; ALTER TABLE member DROP COLUMN cut; "
			  "DROP TABLE event_time; DROP TABLE event_path; DROP TABLE event_actor; "
			  "DROP TABLE event_token; DROP TABLE event_word; DROP TABLE event_indexed; " KEY_OF_SCHEMA_4
			  "PRAGMA user_version = 2");
	vault_place_reopen(&place);
	vault_login_admin(&place);
	must_have(get_token("t-old"));
	must_have(get_member("admin"));
	ck_assert_str_eq(verdict(), "");
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_rows_old(void)
{
	Suite *suite = suite_create("rows_old");
	TCase *c = tcase_create("rows");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, rows_of_schema_2_verify);
	tcase_add_loop_test(c, a_token_s_new_columns_are_sealed, 0, ROWS(token_hands));
	tcase_add_loop_test(c, a_member_s_new_columns_are_sealed, 0, ROWS(member_hands));
	tcase_add_loop_test(c, a_secret_s_new_columns_are_sealed, 0, ROWS(secret_hands));
	tcase_add_loop_test(c, a_key_s_new_columns_are_sealed, 0, ROWS(key_hands));
	tcase_add_test(c, a_vault_of_schema_4_is_migrated);
	tcase_add_test(c, a_vault_of_schema_2_is_migrated);
	suite_add_tcase(suite, c);
	return suite;
}
