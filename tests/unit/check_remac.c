/* Every deciding row under another MAC: of all tables, in steps of any size; and what stops the walk. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include "vault/remac.h"
#include "vault/rows.h"

#include <check.h>
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
		ck_assert_msg(place.err.reason == SR_REASON_##why, "%s: reason %s: %s", #call,      \
			sr_reason_name(place.err.reason), place.err.text);                          \
	} while (0)

/* -- rows of every table ----------------------------------------------------------------------------------------- */

#define PUT(kind)                                                                               \
	static CK_RV put_##kind(struct sr_act *act, struct sr_moment *at, struct sr_error *err) \
	{                                                                                       \
		return sr_rows_put_##kind(act->caller->vault, at, &act->event, act->arg, err);  \
	}
PUT(key)
PUT(token)
PUT(agent)
PUT(policy)
PUT(approval)
PUT(rotation)
PUT(freeze)

static void put(CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err), void *row)
{
	struct sr_act act;
	sr_act_begin(&act, &place.caller, SR_EVENT_POLICY_CHANGED, NULL);
	act.run = run;
	act.arg = row;
	expect(sr_act_commit(&act, &place.err), CKR_OK, NONE);
}

static void put_keys(void)
{
	static const enum sr_part parts[] = { SR_PART_PRIVATE, SR_PART_PUBLIC };
	for (size_t i = 0; i < 2; i++) {
		struct sr_key_row row = { .path = "k/pair", .part = parts[i], .custody = SR_CUSTODY_WRAPPED };
		snprintf(row.uid, sizeof(row.uid), "uid-%zu", i);
		sr_buf_text(&row.attrs, "attributes");
		sr_buf_text(&row.blob, "wrapped");
		put(put_key, &row);
		sr_key_row_clear(&row);
	}
}

static void put_policies(void)
{
	for (unsigned tier = 0; tier < SR_TIER_COUNT; tier++) {
		struct sr_policy_row row = { .glob = "a/**", .tier = tier, .active = tier != 1, .timeout_ms = 1000 };
		snprintf(row.author, sizeof(row.author), "admin");
		put(put_policy, &row);
	}
}

/* What is not active any more is a row like any other. */
static void put_others(void)
{
	struct sr_rotation_row rotation = { .glob = "a/*", .period_ms = 1000, .author = "admin" };
	struct sr_freeze_row freeze = { .path = "a/b", .author = "admin", .reason = "why" };
	struct sr_approval_row approval = { .id = "a-1", .target = "token:t", .needed = 1, .ttl_ms = 1000 };
	struct sr_agent_row agent = { .name = "bot", .hash = "h", .owner = "admin", .state = SR_AGENT_REVOKED };
	struct sr_token_row token = { .id = "t-1", .hash = "h", .issuer = "member:admin", .state = SR_TOKEN_REVOKED };
	snprintf(approval.requester, sizeof(approval.requester), "member:admin");
	snprintf(approval.owner, sizeof(approval.owner), "admin");
	sr_buf_text(&agent.scopes, "secrets:read:a/*");
	sr_buf_text(&token.scopes, "secrets:read:a/*");
	put(put_rotation, &rotation);
	put(put_freeze, &freeze);
	put(put_approval, &approval);
	put(put_agent, &agent);
	put(put_token, &token);
	sr_agent_row_clear(&agent);
	sr_token_row_clear(&token);
}

/* 3 secrets, 2 keys, 1 token, 1 agent, 1 member, 3 policies, 1 approval, 1 rotation, 1 freeze */
#define ROWS 14
static void fill(void)
{
	expect(vault_put(&place, "a/b", "one", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "a/c", "two", NULL), CKR_OK, NONE);
	expect(vault_put(&place, "b", "three", "critical"), CKR_OK, NONE);
	put_keys();
	put_policies();
	put_others();
}

/* -- the walk ---------------------------------------------------------------------------------------------------- */

/** struct walk: FROM, TO: what the MAC is made with: nothing (the vault's own), or a letter that goes before. */
struct walk {
	struct sr_moment at;
	char from, to;
	const char *leave; /* the subject that stays */
	unsigned seen[SR_DECIDING_COUNT], changed;
};

static CK_RV make_mac(char with, const struct sr_buf *packed, uint8_t mac[SR_MAC_LEN], struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	if (with)
		sr_buf_append(&text, &with, 1);
	sr_buf_append(&text, packed->data, packed->len);
	CK_RV rv = sr_hsm_mac(place.vault->hsm, text.data, text.len, mac, err);
	sr_buf_clear(&text);
	return rv;
}

static CK_RV verify(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err)
{
	struct walk *walk = ctx;
	uint8_t mac[SR_MAC_LEN];
	walk->seen[row->table]++;
	*leave = walk->leave && strcmp(row->subject, walk->leave) == 0;
	if (!walk->from)
		return sr_rows_check_mark(place.vault, &walk->at, row->subject, &row->packed, row->mark, err);
	CK_RV rv = make_mac(walk->from, &row->packed, mac, err);
	ck_assert_msg(*leave || memcmp(mac, row->mark->mac, sizeof(mac)) == 0, "%s", row->subject);
	return rv;
}

static CK_RV change(struct sr_remac_row *row, void *ctx, struct sr_error *err)
{
	struct walk *walk = ctx;
	(void)err;
	if (row->table == SR_DECIDING_KEY) {
		struct sr_key_row *key = row->row;
		sr_buf_clear(&key->blob);
		sr_buf_text(&key->blob, "another");
		walk->changed++;
	}
	return CKR_OK;
}

static CK_RV seal(const struct sr_remac_row *row, uint8_t mac[SR_MAC_LEN], void *ctx, struct sr_error *err)
{
	return make_mac(((struct walk *)ctx)->to, &row->packed, mac, err);
}

static const struct sr_remac_each plain = { verify, NULL, seal }, changing = { verify, change, seal };

static CK_RV walk_all(struct sr_tx *tx, struct walk *walk, unsigned limit, const struct sr_remac_each *each,
	struct sr_remac_cursor *cursor)
{
	CK_RV rv = CKR_OK;
	*cursor = (struct sr_remac_cursor){ .table = 0 };
	walk->at.tx = tx;
	walk->at.proven = NULL;
	while (rv == CKR_OK && !sr_remac_done(cursor)) {
		uint64_t before = cursor->rows;
		rv = sr_remac_step(place.vault, tx, cursor, limit, each, walk, &place.err);
		ck_assert(rv != CKR_OK || cursor->rows - before <= limit);
	}
	return rv;
}

/* A write transaction over what the vault has proven now. */
static struct sr_tx *begin(struct walk *walk)
{
	struct sr_tx *tx;
	expect(sr_writer_look(place.vault->writer, &walk->at, &place.err), CKR_OK, NONE);
	sr_writer_look_end(place.vault->writer, &walk->at);
	expect(place.vault->store->ops->begin_write(place.vault->store, &tx, &place.err), CKR_OK, NONE);
	return tx;
}

START_TEST(every_row_of_every_table_gets_its_mac)
{
	static const unsigned expected[SR_DECIDING_COUNT] = { 3, 2, 1, 1, 1, 3, 1, 1, 1 };
	struct walk there = { .to = 'x' }, back = { .from = 'x' };
	struct sr_remac_cursor cursor;
	char value[256];
	fill();
	struct sr_tx *tx = begin(&there);
	expect(walk_all(tx, &there, (unsigned)_i, &plain, &cursor), CKR_OK, NONE);
	ck_assert_uint_eq(cursor.rows, ROWS);
	for (unsigned i = 0; i < SR_DECIDING_COUNT; i++)
		ck_assert_uint_eq(there.seen[i], expected[i]);
	expect(walk_all(tx, &back, SR_REMAC_STEP_MAX, &plain, &cursor), CKR_OK, NONE);
	expect(place.vault->store->ops->commit(tx, &place.err), CKR_OK, NONE);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	ck_assert_str_eq(value, "one");
}
END_TEST

START_TEST(what_changes_in_a_row_is_under_its_new_mac)
{
	struct walk there = { .to = 'x' }, again = { .from = 'x', .to = 'y' };
	struct sr_remac_cursor cursor;
	struct sr_key_row row;
	bool found;
	fill();
	struct sr_tx *tx = begin(&there);
	expect(walk_all(tx, &there, 2, &changing, &cursor), CKR_OK, NONE);
	ck_assert_uint_eq(there.changed, 2);
	expect(walk_all(tx, &again, 2, &plain, &cursor), CKR_OK, NONE);
	expect(place.vault->store->ops->key_get(tx, "k/pair", SR_PART_PUBLIC, &row, &found, &place.err), CKR_OK, NONE);
	ck_assert_str_eq(sr_buf_string(&row.blob), "another");
	sr_key_row_clear(&row);
	place.vault->store->ops->rollback(tx);
}
END_TEST

START_TEST(a_row_that_is_left_keeps_its_mac)
{
	struct walk there = { .to = 'x', .leave = "policy:2:a/**" }, again = { .from = 'x' };
	struct sr_remac_cursor cursor;
	fill();
	struct sr_tx *tx = begin(&there);
	expect(walk_all(tx, &there, 5, &plain, &cursor), CKR_OK, NONE);
	ck_assert_uint_eq(cursor.rows, ROWS);
	ck_assert_uint_eq(cursor.left, 1);
	again.leave = there.leave;
	expect(walk_all(tx, &again, 5, &plain, &cursor), CKR_OK, NONE);
	place.vault->store->ops->rollback(tx);
}
END_TEST

/* Of each table one row in somebody else's hands; and one that was put back, its MAC genuine. */
START_TEST(a_row_that_does_not_verify_stops_it)
{
	static const char *const hands[] = { "UPDATE secret SET created_ms = 1 WHERE path = 'b'",
		"UPDATE key SET blob = x'00' WHERE part = 'public'", "UPDATE token SET state = 'active'",
		"UPDATE agent SET state = 'active'", "UPDATE member SET created_ms = 1",
		"UPDATE policy SET approvals = 9 WHERE tier = 'sensitive'", "UPDATE approval SET state = 'in_effect'",
		"UPDATE rotation SET active = 1", "UPDATE freeze SET active = 1" };
	struct walk walk = { .to = 'x' };
	struct sr_remac_cursor cursor;
	fill();
	vault_sql(&place, "%s", hands[_i]);
	struct sr_tx *tx = begin(&walk);
	expect(walk_all(tx, &walk, 3, &plain, &cursor), CKR_DEVICE_ERROR, ROW_FORGED);
	place.vault->store->ops->rollback(tx);
}
END_TEST

START_TEST(a_row_that_was_put_back_stops_it)
{
	struct walk walk = { .to = 'x' };
	struct sr_remac_cursor cursor;
	fill();
	vault_sql(&place, "CREATE TABLE kept.old AS SELECT * FROM secret WHERE path = 'b'");
	expect(vault_put(&place, "b", "newer", NULL), CKR_OK, NONE);
	vault_sql(&place, "REPLACE INTO secret SELECT * FROM kept.old");
	struct sr_tx *tx = begin(&walk);
	expect(walk_all(tx, &walk, 64, &plain, &cursor), CKR_DEVICE_ERROR, ROW_STALE);
	place.vault->store->ops->rollback(tx);
}
END_TEST

START_TEST(a_step_has_its_bounds)
{
	struct walk walk = { .to = 'x' };
	struct sr_remac_cursor cursor;
	struct sr_tx *tx = begin(&walk);
	expect(walk_all(tx, &walk, 0, &plain, &cursor), CKR_GENERAL_ERROR, INTERNAL);
	expect(walk_all(tx, &walk, SR_REMAC_STEP_MAX + 1, &plain, &cursor), CKR_GENERAL_ERROR, INTERNAL);
	place.vault->store->ops->rollback(tx);
}
END_TEST

Suite *sr_suite_remac(void)
{
	Suite *suite = suite_create("remac");
	TCase *tcase = tcase_create("rows");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, every_row_of_every_table_gets_its_mac, 1, 4);
	tcase_add_test(tcase, what_changes_in_a_row_is_under_its_new_mac);
	tcase_add_test(tcase, a_row_that_is_left_keeps_its_mac);
	tcase_add_loop_test(tcase, a_row_that_does_not_verify_stops_it, 0, 9);
	tcase_add_test(tcase, a_row_that_was_put_back_stops_it);
	tcase_add_test(tcase, a_step_has_its_bounds);
	suite_add_tcase(suite, tcase);
	return suite;
}
