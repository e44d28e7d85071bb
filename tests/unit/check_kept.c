/* What an identity keeps between two calls (vault/kept.h), and that nothing that ends or changes is missed for it. The
 * other process is the tool. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"

#include "audit/writer.h"
#include "vault/core.h"
#include "vault/kept.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE 60000ll

static void by_tool(const char *command, const char *argument)
{
	char line[1024];
	snprintf(line, sizeof(line),
		"STRONGROOM_CONF='%s/strongroom.conf' STRONGROOM_PIN='admin:" PASSPHRASE
		"' \"$STRONGROOM\" %s '%s' >/dev/null 2>&1",
		keys_place.dir, command, argument);
	ck_assert_msg(system(line) == 0, "%s", line);
}

static void setup(void)
{
	vault_template_full_cost(true);
	keys_setup();
}

static void teardown(void)
{
	keys_teardown();
	vault_template_full_cost(false);
}

static CK_RV check(void)
{
	return sr_identity_check(&keys_place.caller, &keys_place.err);
}

static CK_RV open_key(struct sr_key **key)
{
	return sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "p:a/ec", key, &keys_place.err);
}

static CK_RV sign(struct sr_key *key)
{
	uint8_t digest[32] = { 1 };
	struct sr_buf out = SR_BUF_INIT;
	CK_RV rv = keys_run(SR_SIGN, key, CKM_ECDSA, digest, sizeof(digest), &out);
	ck_assert(rv == CKR_OK ? out.len == 64 : out.len == 0);
	sr_buf_clear(&out);
	return rv;
}

static void find_token(char id[SR_OBJECT_ID_MAX])
{
	struct sr_identity *token = sr_identity_ref(keys_place.caller.identity);
	vault_login_admin(&keys_place);
	vault_find_one(&keys_place, CKO_SR_TOKEN, 0, NULL, id);
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = token;
}

/* -- that it is kept --------------------------------------------------------------------------------------------- */

/* Somebody's hand in a row that was kept decides nothing: the row itself is read where something is done, and refused
 * there, and by every call once anything at all has changed. */
START_TEST(what_was_found_is_kept_until_anything_changes)
{
	struct sr_key *key, *again;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	expect(check(), CKR_OK, NONE);
	expect(open_key(&key), CKR_OK, NONE);
	expect(open_key(&again), CKR_OK, NONE);
	ck_assert_ptr_eq(key, again);
	sr_key_unref(again);
	expect(sign(key), CKR_OK, NONE); /* a record, and nothing else has changed */
	expect(open_key(&again), CKR_OK, NONE);
	ck_assert_ptr_eq(key, again);
	sr_key_unref(again);
	vault_sql(&keys_place, "UPDATE member SET role = 'viewer'");
	expect(check(), CKR_OK, NONE);
	expect(sign(key), CKR_DEVICE_ERROR, ROW_FORGED);
	vault_sql(&keys_place, "UPDATE member SET role = 'admin'");
	expect(sign(key), CKR_OK, NONE);
	vault_sql(&keys_place, "UPDATE key SET tier = 'critical'");
	expect(open_key(&again), CKR_OK, NONE);
	sr_key_unref(again);
	expect(sign(key), CKR_DEVICE_ERROR, ROW_FORGED);
	keys_make_aes("a/other");
	expect(open_key(&again), CKR_DEVICE_ERROR, ROW_FORGED);
	sr_key_unref(key);
}
END_TEST

/* Many more keys than there are places, and each is the right one. */
START_TEST(a_place_holds_one_key)
{
	char path[32], id[SR_OBJECT_ID_MAX];
	vault_login_admin(&keys_place);
	for (int i = 0; i < 2 * SR_KEPT_KEYS; i++) {
		snprintf(path, sizeof(path), "a/%d", i);
		keys_make_aes(path);
	}
	for (int i = 0; i < 4 * SR_KEPT_KEYS; i++) {
		snprintf(path, sizeof(path), "a/%d", i % (2 * SR_KEPT_KEYS));
		snprintf(id, sizeof(id), "s:%s", path);
		struct sr_key *key = keys_open(CKO_SECRET_KEY, id);
		ck_assert_str_eq(key->path, path);
		sr_key_unref(key);
	}
}
END_TEST

/* What one identity has opened is nothing to another. */
START_TEST(each_identity_has_its_own)
{
	struct sr_key *key;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	expect(open_key(&key), CKR_OK, NONE);
	ck_assert(sr_attrs_bool(&key->attrs, CKA_SIGN, false));
	sr_key_unref(key);
	keys_as("keys:list:a/*", NULL);
	expect(open_key(&key), CKR_OK, NONE);
	ck_assert(!sr_attrs_bool(&key->attrs, CKA_SIGN, false));
	sr_key_unref(key);
	keys_as("keys:sign:b/*", NULL);
	expect(open_key(&key), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
}
END_TEST

/* -- another process --------------------------------------------------------------------------------------------- */

START_TEST(revoked_by_another_process)
{
	char id[SR_OBJECT_ID_MAX];
	struct sr_key *key;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	keys_as("keys:sign:a/*", NULL);
	find_token(id);
	expect(open_key(&key), CKR_OK, NONE);
	expect(check(), CKR_OK, NONE);
	expect(sign(key), CKR_OK, NONE);
	expect(check(), CKR_OK, NONE);
	vault_sql(&keys_place,
		"CREATE TABLE kept.t AS SELECT * FROM token; CREATE TABLE kept.s AS SELECT * FROM standing");
	by_tool("token revoke", id);
	expect(check(), CKR_USER_NOT_LOGGED_IN, REVOKED);
	expect(sign(key), CKR_USER_NOT_LOGGED_IN, REVOKED);
	vault_sql(&keys_place, "DELETE FROM token; INSERT INTO token SELECT * FROM kept.t");
	expect(check(), CKR_DEVICE_ERROR, ROW_STALE);
	vault_sql(&keys_place, "DELETE FROM standing; INSERT INTO standing SELECT * FROM kept.s");
	expect(check(), CKR_DEVICE_ERROR, ROLLED_BACK);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_key_deleted_by_another_process)
{
	struct sr_key *key, *again;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	expect(open_key(&key), CKR_OK, NONE);
	expect(sign(key), CKR_OK, NONE);
	vault_sql(&keys_place, "CREATE TABLE kept.k AS SELECT * FROM key");
	by_tool("key delete", "a/ec");
	expect(open_key(&again), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	vault_sql(&keys_place, "DELETE FROM key; INSERT INTO key SELECT * FROM kept.k");
	expect(open_key(&again), CKR_DEVICE_ERROR, ROW_STALE);
	sr_key_unref(key);
}
END_TEST

/* Records of others alone, which change nothing: the login goes on, and is found to by a look at the standing. */
START_TEST(records_of_another_process)
{
	struct sr_key *key, *again;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	expect(open_key(&key), CKR_OK, NONE);
	by_tool("key public", "a/ec");
	expect(check(), CKR_OK, NONE);
	expect(open_key(&again), CKR_OK, NONE);
	ck_assert_ptr_eq(key, again);
	expect(sign(again), CKR_OK, NONE);
	sr_key_unref(again);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_changed_key_is_opened_anew)
{
	struct sr_key *key, *again;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	expect(open_key(&key), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(FLAG(CKA_SIGN, 0))), CKR_OK, NONE);
	expect(open_key(&again), CKR_OK, NONE);
	ck_assert_ptr_ne(key, again);
	expect(sign(again), CKR_KEY_FUNCTION_NOT_PERMITTED, NONE);
	sr_key_unref(again);
	sr_key_unref(key);
}
END_TEST

/* -- the clock, the address, the count --------------------------------------------------------------------------- */

START_TEST(the_clock_is_asked_each_time)
{
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	keys_as("keys:sign:a/*", NULL); /* for 10 minutes */
	expect(check(), CKR_OK, NONE);
	vault_clock_move(9 * MINUTE, 9 * MINUTE, false);
	expect(check(), CKR_OK, NONE);
	vault_clock_move(0, MINUTE, false);
	expect(check(), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	vault_login_admin(&keys_place);
	for (int i = 0; i < 3; i++) {
		expect(check(), CKR_OK, NONE);
		vault_clock_move(14 * MINUTE, 14 * MINUTE, false);
	}
	expect(check(), CKR_OK, NONE);
	vault_clock_move(16 * MINUTE, 16 * MINUTE, false);
	expect(check(), CKR_USER_NOT_LOGGED_IN, EXPIRED);
}
END_TEST

START_TEST(a_clock_set_back_across_boots)
{
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	keys_as("keys:sign:a/*", NULL);
	expect(check(), CKR_OK, NONE);
	vault_clock_move(-6 * MINUTE, 0, true);
	expect(check(), CKR_USER_NOT_LOGGED_IN, EXPIRED);
}
END_TEST

START_TEST(the_address_is_asked_each_time)
{
	char pin[64];
	vault_login_admin(&keys_place);
	expect(vault_issue(&keys_place, "keys:sign:*", "600", NULL, "127.0.0.1", pin), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	expect(check(), CKR_OK, NONE);
	keys_place.peer.loopback = false;
	expect(check(), CKR_USER_NOT_LOGGED_IN, ADDRESS_NOT_ALLOWED);
	keys_place.peer.loopback = true;
	expect(check(), CKR_OK, NONE);
}
END_TEST

START_TEST(uses_are_counted_all_the_same)
{
	struct sr_key *key;
	vault_login_admin(&keys_place);
	keys_make_ec("a/ec");
	keys_as("keys:sign:a/*", "2");
	expect(open_key(&key), CKR_OK, NONE);
	for (int i = 0; i < 2; i++) {
		expect(check(), CKR_OK, NONE);
		expect(sign(key), CKR_OK, NONE);
	}
	expect(check(), CKR_USER_NOT_LOGGED_IN, USED_UP);
	sr_key_unref(key);
}
END_TEST

/* -- the glance -------------------------------------------------------------------------------------------------- */

START_TEST(a_standing_that_is_not_ours)
{
	vault_login_admin(&keys_place);
	expect(check(), CKR_OK, NONE);
	vault_sql(&keys_place, "UPDATE standing SET newest_ms = newest_ms + 1");
	expect(check(), CKR_DEVICE_ERROR, CHAIN_BROKEN);
	vault_sql(&keys_place, "UPDATE standing SET newest_ms = newest_ms - 1");
	expect(check(), CKR_OK, NONE);
	vault_sql(&keys_place, "DELETE FROM standing");
	expect(check(), CKR_DEVICE_ERROR, CHAIN_BROKEN);
}
END_TEST

/* It sees what is committed, and waits for no writer. */
START_TEST(a_glance_beside_a_writer)
{
	struct sr_store *store;
	struct sr_standing_row before, now;
	struct sr_tx *tx;
	bool found;
	vault_login_admin(&keys_place);
	store = keys_place.vault->store;
	expect(store->ops->standing_now(store, &before, &found, &keys_place.err), CKR_OK, NONE);
	ck_assert(found);
	expect(store->ops->begin_write(store, &tx, &keys_place.err), CKR_OK, NONE);
	now = before;
	now.head.seq++;
	expect(store->ops->standing_put(tx, &now, &keys_place.err), CKR_OK, NONE);
	expect(store->ops->standing_now(store, &now, &found, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(now.head.seq, before.head.seq);
	store->ops->rollback(tx);
	expect(store->ops->begin_write(store, &tx, &keys_place.err), CKR_OK, NONE);
	store->ops->rollback(tx);
}
END_TEST

Suite *sr_suite_kept(void)
{
	Suite *suite = suite_create("kept");
	TCase *c = tcase_create("kept");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_was_found_is_kept_until_anything_changes);
	tcase_add_test(c, a_place_holds_one_key);
	tcase_add_test(c, each_identity_has_its_own);
	tcase_add_test(c, revoked_by_another_process);
	tcase_add_test(c, a_key_deleted_by_another_process);
	tcase_add_test(c, records_of_another_process);
	tcase_add_test(c, a_changed_key_is_opened_anew);
	tcase_add_test(c, the_clock_is_asked_each_time);
	tcase_add_test(c, a_clock_set_back_across_boots);
	tcase_add_test(c, the_address_is_asked_each_time);
	tcase_add_test(c, uses_are_counted_all_the_same);
	tcase_add_test(c, a_standing_that_is_not_ours);
	tcase_add_test(c, a_glance_beside_a_writer);
	suite_add_tcase(suite, c);
	return suite;
}
