/* Rows of the table `key`: in and out, and by each way that they are looked for. */
#include "store_fixture.h"
#include "suites.h"

#include <string.h>

static void assert_buf(const struct sr_buf *a, const struct sr_buf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	if (a->len > 0)
		ck_assert_mem_eq(a->data, b->data, a->len);
}

static void assert_key(const struct sr_key_row *out, const struct sr_key_row *in)
{
	ck_assert_str_eq(out->path, in->path);
	ck_assert_int_eq(out->part, in->part);
	ck_assert_str_eq(out->uid, in->uid);
	ck_assert_uint_eq(out->key_type, in->key_type);
	ck_assert_int_eq(out->custody, in->custody);
	ck_assert_int_eq(out->tier, in->tier);
	ck_assert_int_eq(out->state, in->state);
	ck_assert_int_eq(out->created_ms, in->created_ms);
	ck_assert_int_eq(out->updated_ms, in->updated_ms);
	assert_buf(&out->id, &in->id);
	assert_buf(&out->attrs, &in->attrs);
	assert_buf(&out->blob, &in->blob);
	assert_buf(&out->material, &in->material);
	ck_assert_uint_eq(out->mark.event_id, in->mark.event_id);
	ck_assert_mem_eq(out->mark.mac, in->mark.mac, SR_MAC_LEN);
}

static void put(struct sr_tx *tx, struct sr_key_row row)
{
	assert_ok(store->ops->key_put(tx, &row, &store_error));
	sr_key_row_clear(&row);
}

/* What is there now under PATH and PART is IN. */
static void assert_stored(struct sr_tx *tx, const struct sr_key_row *in)
{
	struct sr_key_row out;
	bool found;
	assert_ok(store->ops->key_get(tx, in->path, in->part, &out, &found, &store_error));
	ck_assert(found);
	assert_key(&out, in);
	sr_key_row_clear(&out);
}

START_TEST(words)
{
	static const char *const parts[] = { "private", "public", "secret", "certificate", "former-private",
		"former-public", "former-secret", "unknown" };
	static const char *const custodies[] = { "resident", "wrapped", "open", "unknown" };
	for (unsigned i = 0; i <= SR_PART_COUNT; i++)
		ck_assert_str_eq(sr_part_word(i), parts[i]);
	for (unsigned i = 0; i <= SR_CUSTODY_COUNT; i++)
		ck_assert_str_eq(sr_custody_word(i), custodies[i]);
}
END_TEST

START_TEST(key_rows)
{
	struct sr_key_row in = store_key("a/b", SR_PART_PRIVATE), pair = store_key("a/b", SR_PART_PUBLIC), out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->key_get(tx, "a/b", SR_PART_PRIVATE, &out, &found, &store_error));
	ck_assert(!found && out.path[0] == '\0');
	pair.custody = SR_CUSTODY_OPEN;
	sr_buf_clear(&pair.blob);
	sr_buf_clear(&pair.material);
	assert_ok(store->ops->key_put(tx, &in, &store_error));
	assert_ok(store->ops->key_put(tx, &pair, &store_error));
	assert_stored(tx, &in);
	assert_stored(tx, &pair);
	assert_ok(store->ops->key_get(tx, "a/b", SR_PART_CERTIFICATE, &out, &found, &store_error));
	ck_assert(!found);
	/* a tombstone replaces it, and then another key */
	strcpy(in.uid, "another");
	in.state = SR_KEY_DELETED;
	in.custody = SR_CUSTODY_RESIDENT;
	in.tier = SR_TIER_STANDARD;
	in.key_type = 3;
	in.created_ms = 5, in.updated_ms = 6, in.mark.event_id = 7, in.mark.mac[0] = 8;
	sr_buf_clear(&in.id);
	sr_buf_clear(&in.attrs);
	sr_buf_clear(&in.blob);
	sr_buf_clear(&in.material);
	assert_ok(store->ops->key_put(tx, &in, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_stored(tx, &in);
	assert_stored(tx, &pair);
	store_commit(tx);
	sr_key_row_clear(&in);
	sr_key_row_clear(&pair);
}
END_TEST

/* The largest that a row may be, and one byte more of each. */
START_TEST(bounds)
{
	struct sr_key_row row = { .uid = "largest", .mark.event_id = 1 };
	struct {
		struct sr_buf *buf;
		size_t max;
	} bufs[] = { { &row.id, SR_KEY_ID_MAX }, { &row.attrs, SR_KEY_ATTRS_MAX }, { &row.blob, SR_KEY_BLOB_MAX },
		{ &row.material, SR_HASH_LEN } };
	struct sr_tx *tx = store_write();
	memset(row.path, 'p', SR_PATH_MAX);
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
		for (size_t n = 0; n < bufs[i].max; n++)
			sr_buf_append(bufs[i].buf, "x", 1);
	}
	assert_ok(store->ops->key_put(tx, &row, &store_error));
	assert_stored(tx, &row);
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
		sr_buf_append(bufs[i].buf, "x", 1);
		assert_refused(store->ops->key_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
		bufs[i].buf->len--;
	}
	row.material.len--; /* it is a digest or nothing */
	assert_refused(store->ops->key_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	row.material.len++;
	row.key_type = UINT64_MAX;
	assert_refused(store->ops->key_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	row.key_type = 0;
	row.part = SR_PART_COUNT;
	assert_refused(store->ops->key_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	store_commit(tx);
	sr_key_row_clear(&row);
}
END_TEST

START_TEST(one_uid_one_key)
{
	struct sr_key_row row = store_key("a", SR_PART_SECRET), other = store_key("b", SR_PART_SECRET);
	struct sr_tx *tx = store_write();
	memcpy(other.uid, row.uid, sizeof other.uid);
	assert_ok(store->ops->key_put(tx, &row, &store_error));
	assert_refused(store->ops->key_put(tx, &other, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	store_commit(tx);
	sr_key_row_clear(&row);
	sr_key_row_clear(&other);
}
END_TEST

static const struct {
	const char *sql, *says;
} altered[] = {
	{ "UPDATE key SET part = 'both'", "part" },
	{ "UPDATE key SET custody = 'lost'", "custody" },
	{ "UPDATE key SET state = 'asleep'", "state" },
	{ "UPDATE key SET tier = 'low'", "tier" },
	{ "UPDATE key SET path = 'a//b'", "path" },
	{ "UPDATE key SET key_type = -1", "key_type" },
	{ "UPDATE key SET id = zeroblob(4097)", "id" },
	{ "UPDATE key SET attrs = zeroblob(65537)", "attrs" },
	{ "UPDATE key SET blob = x''", "" }, /* as good as none */
	{ "UPDATE key SET blob = zeroblob(16385)", "blob" },
	{ "UPDATE key SET material = x'01'", "material" },
	{ "UPDATE key SET mac = zeroblob(31)", "mac" },
};

START_TEST(rows_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_write();
	put(tx, store_key("a/b", SR_PART_PRIVATE));
	store_commit(tx);
	store_sql(altered[_i].sql);
	tx = store_read();
	CK_RV rv = store->ops->key_list(tx, "", SR_PART_COUNT, gather_key, &list, &store_error);
	if (altered[_i].says[0]) {
		assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
		ck_assert_msg(strstr(store_error.text, "table key"), "%s", store_error.text);
		ck_assert_msg(strstr(store_error.text, altered[_i].says), "%s", store_error.text);
		ck_assert_int_eq(list.count, 0);
	} else {
		assert_ok(rv);
	}
	store_commit(tx);
}
END_TEST

static void put_many(void)
{
	struct sr_tx *tx = store_write();
	put(tx, store_key("b/x", SR_PART_PRIVATE));
	put(tx, store_key("a/c", SR_PART_CERTIFICATE));
	put(tx, store_key("a/c", SR_PART_PUBLIC));
	put(tx, store_key("a/c", SR_PART_PRIVATE));
	put(tx, store_key("a0", SR_PART_SECRET));
	struct sr_key_row gone = store_key("a/gone", SR_PART_PRIVATE);
	gone.state = SR_KEY_DELETED;
	gone.key_type = 3;
	put(tx, gone);
	struct sr_key_row other = store_key("c", SR_PART_SECRET);
	sr_buf_text(&other.id, "other");
	other.material.data[0] = 'x';
	other.key_type = 3;
	put(tx, other);
	store_commit(tx);
}

static const struct {
	const char *prefix;
	enum sr_part part;
	const char *keys;
	int stop_after;
} lists[] = {
	{ "", SR_PART_COUNT, "a/c:cert a/c:priv a/c:publ a/gone:priv a0:secr b/x:priv c:secr ", 0 },
	{ "", SR_PART_COUNT, "a/c:cert a/c:priv ", 2 },
	{ "a/", SR_PART_COUNT, "a/c:cert a/c:priv a/c:publ a/gone:priv ", 0 },
	{ "", SR_PART_PRIVATE, "a/c:priv a/gone:priv b/x:priv ", 0 },
	{ "", SR_PART_PRIVATE, "a/c:priv ", 1 },
	{ "b", SR_PART_PRIVATE, "b/x:priv ", 0 },
	{ "a", SR_PART_SECRET, "a0:secr ", 0 },
	{ "b", SR_PART_PUBLIC, "", 0 },
	{ "\xff", SR_PART_COUNT, "", 0 },
};

START_TEST(ranges)
{
	put_many();
	struct sr_tx *tx = store_read();
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct gathered list = { .stop_after = lists[i].stop_after };
		assert_ok(store->ops->key_list(tx, lists[i].prefix, lists[i].part, gather_key, &list, &store_error));
		ck_assert_str_eq(list.text, lists[i].keys);
	}
	char longer[600];
	struct gathered none = { .count = 0 };
	memset(longer, 'a', sizeof longer);
	longer[599] = '\0';
	assert_ok(store->ops->key_list(tx, longer, SR_PART_COUNT, gather_key, &none, &store_error));
	assert_ok(store->ops->key_by_type(tx, longer, 3, gather_key, &none, &store_error));
	ck_assert_int_eq(none.count, 0);
	store_commit(tx);
}
END_TEST

START_TEST(look_ups)
{
	const struct sr_store_ops *ops = store->ops;
	struct gathered parts = { .count = 0 }, ids = { .count = 0 }, materials = { .count = 0 },
			types = { .count = 0 }, fewer = { .stop_after = 1 }, none = { .count = 0 };
	struct sr_key_row row = store_key("x", SR_PART_PUBLIC);
	put_many();
	struct sr_tx *tx = store_read();
	assert_ok(ops->key_parts(tx, "a/c", gather_key, &parts, &store_error));
	ck_assert_str_eq(parts.text, "a/c:cert a/c:priv a/c:publ ");
	assert_ok(ops->key_by_id(tx, row.id.data, row.id.len, gather_key, &ids, &store_error));
	ck_assert_str_eq(ids.text, "a/c:cert a/c:priv a/c:publ a0:secr b/x:priv "); /* not the deleted one */
	assert_ok(ops->key_by_material(tx, row.material.data, row.material.len, gather_key, &materials, &store_error));
	ck_assert_str_eq(materials.text, "a/c:cert a/c:priv a/c:publ a0:secr b/x:priv ");
	assert_ok(ops->key_by_type(tx, "", 3, gather_key, &types, &store_error));
	ck_assert_str_eq(types.text, "a/gone:priv c:secr ");
	assert_ok(ops->key_by_type(tx, "b", row.key_type, gather_key, &fewer, &store_error));
	ck_assert_str_eq(fewer.text, "b/x:priv ");
	assert_ok(ops->key_parts(tx, "a", gather_key, &none, &store_error));
	assert_ok(ops->key_by_id(tx, "an", 2, gather_key, &none, &store_error));
	assert_ok(ops->key_by_id(tx, NULL, 0, gather_key, &none, &store_error));
	assert_ok(ops->key_by_material(tx, row.id.data, row.id.len, gather_key, &none, &store_error));
	assert_ok(ops->key_by_type(tx, "", UINT64_MAX, gather_key, &none, &store_error));
	ck_assert_int_eq(none.count, 0);
	store_commit(tx);
	sr_key_row_clear(&row);
}
END_TEST

/* Each look-up by its index: no table is read from end to end, and nothing is sorted. */
static const struct {
	enum sr_sql sql;
	const char *by;
} plans[] = {
	{ SR_SQL_KEY_GET, "SEARCH key USING PRIMARY KEY (path=? AND part=?)" },
	{ SR_SQL_KEY_LIST, "SEARCH key USING PRIMARY KEY (path>? AND path<?)" },
	{ SR_SQL_KEY_LIST_PART, "SEARCH key USING INDEX key_part (part=? AND path>? AND path<?)" },
	{ SR_SQL_KEY_BY_TYPE, "SEARCH key USING INDEX key_type (key_type=? AND path>? AND path<?)" },
	{ SR_SQL_KEY_PARTS, "SEARCH key USING PRIMARY KEY (path=?)" },
	{ SR_SQL_KEY_BY_ID, "SEARCH key USING INDEX key_id (id=?)" },
	{ SR_SQL_KEY_BY_MATERIAL, "SEARCH key USING INDEX key_material (material=?)" },
};

START_TEST(by_index)
{
	sqlite3_stmt *stmt;
	struct sr_tx *tx = store_read();
	char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sr_sqlite_sql(plans[_i].sql));
	ck_assert_int_eq(sqlite3_prepare_v2(tx->db, sql, -1, &stmt, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 3), plans[_i].by);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	store_commit(tx);
}
END_TEST

Suite *sr_suite_store_keys(void)
{
	Suite *suite = suite_create("store_keys");
	TCase *keys = tcase_create("keys");
	tcase_add_checked_fixture(keys, store_start, store_clean);
	tcase_add_test(keys, words);
	tcase_add_test(keys, key_rows);
	tcase_add_test(keys, bounds);
	tcase_add_test(keys, one_uid_one_key);
	tcase_add_loop_test(keys, rows_that_cannot_be, 0, sizeof altered / sizeof altered[0]);
	tcase_add_test(keys, ranges);
	tcase_add_test(keys, look_ups);
	tcase_add_loop_test(keys, by_index, 0, sizeof plans / sizeof plans[0]);
	suite_add_tcase(suite, keys);
	return suite;
}
