/* What a damaged or changed database is answered with, and what transactions promise. */
#include "store_fixture.h"
#include "suites.h"

#include <string.h>

/* -- refusals -- */

/* What is refused when read is refused when written. */
START_TEST(rows_that_cannot_be_written)
{
	struct sr_tx *tx = store_write();
	struct sr_secret_row row = store_secret("a//b");
	assert_refused(store->ops->secret_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	strcpy(row.path, "a");
	row.version = UINT64_MAX;
	assert_refused(store->ops->secret_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	row.version = 1;
	row.tier = SR_TIER_COUNT;
	assert_refused(store->ops->secret_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	row.tier = 0;
	sr_buf_append(sr_buf_reserve(&row.application, 5000) ? &row.application : NULL, row.path, 0);
	row.application.len = 5000;
	memset(row.application.data, 'x', 5000);
	assert_refused(store->ops->secret_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	sr_secret_row_clear(&row);
	struct sr_version_row version = store_version("a", 1);
	sr_buf_clear(&version.sealed);
	assert_refused(store->ops->version_put(tx, &version, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	struct sr_event event = store_event(1);
	strcpy(event.peer, "two\nlines");
	uint8_t hash[SR_HASH_LEN] = { 0 };
	assert_refused(store->ops->event_put(tx, &event, hash, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	store_commit(tx);
}
END_TEST

static bool gather_state(const uint8_t key[SR_HASH_LEN], uint64_t value, void *ctx)
{
	(void)key;
	(void)value;
	((struct gathered *)ctx)->count++;
	return true;
}

static CK_RV read_everything(struct sr_error *err)
{
	struct sr_tx *tx = store_read();
	struct gathered list = { .count = 0 };
	struct sr_version_row version;
	struct sr_buf text = SR_BUF_INIT;
	struct sr_node_row node;
	struct sr_standing_row standing;
	size_t len;
	bool found;
	const struct sr_store_ops *ops = store->ops;
	CK_RV rv = ops->secret_list(tx, "", gather_secret, &list, err);
	if (rv == CKR_OK)
		rv = ops->version_get(tx, "a", 1, &version, &found, err);
	if (rv == CKR_OK)
		sr_version_row_clear(&version);
	if (rv == CKR_OK)
		rv = ops->version_len(tx, "a", 1, &len, &found, err);
	if (rv == CKR_OK)
		rv = ops->token_list(tx, gather_token, &list, err);
	if (rv == CKR_OK)
		rv = ops->state_bucket(tx, 0, gather_state, &list, err);
	if (rv == CKR_OK)
		rv = ops->node_get(tx, 1, &node, &found, err);
	if (rv == CKR_OK)
		rv = ops->standing_get(tx, &standing, &found, err);
	if (rv == CKR_OK)
		rv = ops->member_list(tx, gather_member, &list, err);
	if (rv == CKR_OK)
		rv = ops->event_query(tx, &(struct sr_event_query){ 0 }, gather_event, &list, err);
	if (rv == CKR_OK)
		rv = ops->checkpoint_list(tx, gather_checkpoint, &list, err);
	if (rv == CKR_OK)
		rv = ops->audit_key_list(tx, gather_audit_key, &list, err);
	if (rv == CKR_OK)
		rv = ops->meta_get(tx, "vault-id", &text, err);
	sr_buf_clear(&text);
	store->ops->rollback(tx);
	return rv;
}

static void fill_everything(void)
{
	struct sr_secret_row secret = store_secret("a");
	struct sr_version_row version = store_version("a", 1);
	struct sr_token_row token = store_token("t-a", "");
	struct sr_member_row member = store_member("alice");
	struct sr_audit_key_row key = { .generation = 1 };
	struct sr_checkpoint_row checkpoint = { .seq = 1, .generation = 1 };
	struct sr_node_row node = { .id = 1 };
	struct sr_standing_row standing = { .newest_ms = 1 };
	struct sr_tx *tx = store_write();
	sr_buf_text(&key.spki, "der");
	assert_ok(store->ops->meta_put(tx, "vault-id", "v", &store_error));
	assert_ok(store->ops->secret_put(tx, &secret, &store_error));
	assert_ok(store->ops->version_put(tx, &version, &store_error));
	assert_ok(store->ops->token_put(tx, &token, &store_error));
	assert_ok(store->ops->state_put(tx, standing.root, 1, &store_error));
	assert_ok(store->ops->node_put(tx, &node, &store_error));
	assert_ok(store->ops->standing_put(tx, &standing, &store_error));
	assert_ok(store->ops->member_put(tx, &member, &store_error));
	store_put_event(tx, 1);
	assert_ok(store->ops->audit_key_put(tx, &key, &store_error));
	assert_ok(store->ops->checkpoint_put(tx, &checkpoint, &store_error));
	store_commit(tx);
	sr_secret_row_clear(&secret);
	sr_version_row_clear(&version);
	sr_token_row_clear(&token);
	sr_audit_key_row_clear(&key);
}

/* Each as an attacker or a failing disk would leave it; the error names table and row. */
static const struct {
	const char *sql, *names;
} changes[] = {
	{ "UPDATE secret SET path = 'a/../b'", "table secret, row a/../b: path" },
	{ "UPDATE secret SET path = printf('%.*c', 513, 'p')", "table secret" },
	{ "UPDATE secret SET uid = 'a' || char(10)", "table secret, row a: uid" },
	{ "UPDATE secret SET type = 'Big Type'", "row a: type" },
	{ "UPDATE secret SET tier = 'Standard'", "row a: tier" },
	{ "UPDATE secret SET state = ''", "row a: state" },
	{ "UPDATE secret SET version = -1", "row a: version" },
	{ "UPDATE secret SET created_ms = -1", "row a: created_ms" },
	{ "UPDATE secret SET application = zeroblob(5000)", "row a: application" },
	{ "UPDATE secret SET mac = x'00'", "row a: mac" },
	{ "UPDATE secret SET event_id = 0", "row a: event_id" },
	{ "UPDATE secret_version SET sealed = zeroblob(70000)", "table secret_version, row a 1: sealed" },
	{ "UPDATE secret_version SET sealed = x''", "table secret_version, row a 1: sealed" },
	{ "UPDATE token SET id = printf('%.*c', 20, 'i')", "table token" },
	{ "UPDATE token SET hash = zeroblob(31)", "table token, row t-a: hash" },
	{ "UPDATE token SET scopes = 'a' || char(1)", "row t-a: scopes" },
	{ "UPDATE token SET scopes = CAST(x'ff' AS TEXT)", "row t-a: scopes" },
	{ "UPDATE token SET clearance = 'top'", "row t-a: clearance" },
	{ "UPDATE token SET max_uses = -5", "row t-a: max_uses" },
	{ "UPDATE token SET end_boot_id = printf('%.*c', 40, 'b')", "row t-a: end_boot_id" },
	{ "UPDATE state SET value = -1", "table state" },
	{ "UPDATE state_node SET digests = x'01'", "table state_node, row 1: digests" },
	{ "UPDATE standing SET seq = -1", "table standing" },
	{ "UPDATE standing SET mac = x''", "table standing" },
	{ "UPDATE member SET name = 'Alice'", "table member, row Alice: name" },
	{ "UPDATE member SET role = 'root'", "row alice: role" },
	{ "UPDATE member SET active = 2", "row alice: active" },
	{ "UPDATE member SET log2n = 4294967296", "row alice: log2n" },
	{ "UPDATE event SET event = 'secret.eaten'", "table event, row 1: event" },
	{ "UPDATE event SET status = 'maybe'", "row 1: status" },
	{ "UPDATE event SET counted = 7", "row 1: counted" },
	{ "UPDATE event SET metadata = printf('%.*c', 4096, 'm')", "row 1: metadata" },
	{ "UPDATE event SET actor_id = CAST(x'6100' AS TEXT)", "row 1: actor_id" },
	{ "UPDATE event SET hash = zeroblob(33)", "row 1: hash" },
	{ "UPDATE checkpoint SET signature = x'01'", "table checkpoint, row 1: signature" },
	{ "UPDATE checkpoint SET generation = -1", "row 1: generation" },
	{ "UPDATE audit_key SET spki = zeroblob(2000)", "table audit_key, row 1: spki" },
	{ "UPDATE vault_meta SET value = 'v' || char(27)", "table vault_meta" },
};

START_TEST(changed_rows)
{
	fill_everything();
	assert_ok(read_everything(&store_error));
	store_sql(changes[_i].sql);
	assert_refused(read_everything(&store_error), CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
	ck_assert_msg(strstr(store_error.text, changes[_i].names), "%s", store_error.text);
}
END_TEST

static const char *const takings[] = {
	"DROP TABLE event",
	"DROP TABLE event; CREATE VIEW event AS SELECT 1 AS id",
};

START_TEST(taken_away)
{
	struct sr_head head;
	int64_t newest_ms;
	fill_everything();
	store_sql(takings[_i]);
	struct sr_tx *tx = store_read();
	CK_RV rv = store->ops->event_head(tx, &head, &newest_ms, &store_error);
	assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
	store->ops->rollback(tx);
}
END_TEST

START_TEST(planted_trigger)
{
	struct sr_tx *tx;
	store_sql("CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END");
	assert_refused(store->ops->begin_write(store, &tx, &store_error), CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
}
END_TEST

/* -- transactions -- */

START_TEST(rollback_and_marks)
{
	struct sr_tx *tx = store_write();
	store_put_event(tx, 1);
	store->ops->rollback(tx);
	ck_assert_uint_eq(store_events(store), 0);
	tx = store_write();
	assert_ok(store->ops->mark(tx, &store_error));
	store_put_event(tx, 1);
	assert_ok(store->ops->keep(tx, &store_error));
	assert_ok(store->ops->mark(tx, &store_error));
	store_put_event(tx, 2);
	assert_ok(store->ops->undo(tx, &store_error));
	assert_ok(store->ops->mark(tx, &store_error));
	store_put_event(tx, 2);
	store_put_event(tx, 3);
	assert_ok(store->ops->keep(tx, &store_error));
	ck_assert_uint_ne(store->ops->undo(tx, &store_error), CKR_OK); /* no mark is left */
	ck_assert_uint_eq(store_events(store), 0);                     /* a reader sees what is committed */
	store_commit(tx);
	ck_assert_uint_eq(store_events(store), 3);
}
END_TEST

START_TEST(snapshot)
{
	struct sr_head head;
	int64_t at;
	struct sr_tx *reader = store_read();
	assert_ok(store->ops->event_head(reader, &head, &at, &store_error));
	struct sr_tx *writer = store_write();
	store_put_event(writer, 1);
	store_commit(writer);
	assert_ok(store->ops->event_head(reader, &head, &at, &store_error));
	ck_assert_uint_eq(head.seq, 0);
	struct sr_event event = store_event(2);
	uint8_t hash[SR_HASH_LEN] = { 0 };
	ck_assert_uint_ne(store->ops->event_put(reader, &event, hash, &store_error), CKR_OK); /* readers do not write */
	store_commit(reader);
	ck_assert_uint_eq(store_events(store), 1);
}
END_TEST

struct nesting {
	struct sr_tx *tx;
	struct gathered list;
};

static bool descend(const struct sr_token_row *row, void *ctx)
{
	struct nesting *nesting = ctx;
	gather(&nesting->list, row->id);
	assert_ok(store->ops->token_children(nesting->tx, row->id, descend, nesting, &store_error));
	return true;
}

START_TEST(the_same_query_inside_itself)
{
	static const char *const family[][2] = { { "t-a", "" }, { "t-b", "t-a" }, { "t-c", "t-b" }, { "t-d", "t-a" } };
	struct nesting nesting = { .tx = store_write() };
	for (size_t i = 0; i < 4; i++) {
		struct sr_token_row row = store_token(family[i][0], family[i][1]);
		assert_ok(store->ops->token_put(nesting.tx, &row, &store_error));
		sr_token_row_clear(&row);
	}
	assert_ok(store->ops->token_children(nesting.tx, "t-a", descend, &nesting, &store_error));
	ck_assert_str_eq(nesting.list.text, "t-d t-b t-c "); /* newest first, of one age the later id */
	store_commit(nesting.tx);
}
END_TEST

/* A full disk rolls everything back inside SQLite: nothing later may be committed by itself. */
START_TEST(full)
{
	struct sr_tx *tx = store_write();
	store_put_event(tx, 1);
	sqlite3_exec(tx->db, "PRAGMA max_page_count = 1; PRAGMA cache_size = 5", NULL, NULL, NULL);
	struct sr_event event = store_event(2);
	memset(event.metadata, 'm', sizeof event.metadata - 1);
	uint8_t hash[SR_HASH_LEN] = { 0 };
	CK_RV rv = CKR_OK;
	for (; rv == CKR_OK && event.id < 1000; event.id++)
		rv = store->ops->event_put(tx, &event, hash, &store_error);
	assert_refused(rv, CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL);
	sqlite3_exec(
		tx->db, "ROLLBACK", NULL, NULL, NULL); /* as SQLite does by itself where it cannot undo the statement */
	ck_assert_uint_ne(store->ops->event_put(tx, &event, hash, &store_error), CKR_OK);
	ck_assert_uint_ne(store->ops->commit(tx, &store_error), CKR_OK);
	ck_assert_uint_eq(store_events(store), 0);
}
END_TEST

Suite *sr_suite_store_faults(void)
{
	Suite *suite = suite_create("store_faults");
	TCase *refusals = tcase_create("refusals");
	tcase_add_checked_fixture(refusals, store_start, store_clean);
	tcase_add_test(refusals, rows_that_cannot_be_written);
	tcase_add_loop_test(refusals, changed_rows, 0, sizeof changes / sizeof changes[0]);
	tcase_add_loop_test(refusals, taken_away, 0, sizeof takings / sizeof takings[0]);
	tcase_add_test(refusals, planted_trigger);
	suite_add_tcase(suite, refusals);
	TCase *transactions = tcase_create("transactions");
	tcase_add_checked_fixture(transactions, store_start, store_clean);
	tcase_add_test(transactions, rollback_and_marks);
	tcase_add_test(transactions, snapshot);
	tcase_add_test(transactions, the_same_query_inside_itself);
	tcase_add_test(transactions, full);
	suite_add_tcase(suite, transactions);
	return suite;
}
