/* Rows in and out, each by its own round trip. */
#include "store_fixture.h"
#include "suites.h"

#include <string.h>

static void assert_buf(const struct sr_buf *a, const struct sr_buf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	if (a->len > 0)
		ck_assert_mem_eq(a->data, b->data, a->len);
}

START_TEST(names)
{
	enum sr_event_kind kind;
	for (int i = 0; i < SR_EVENT_COUNT; i++) {
		ck_assert(sr_event_parse(sr_event_name(i), &kind));
		ck_assert_int_eq(kind, i);
	}
	ck_assert(!sr_event_parse("secret", &kind));
	ck_assert_str_eq(sr_event_name(SR_EVENT_COUNT), "unknown");
	ck_assert_str_eq(sr_event_name(SR_EVENT_VAULT_CLOCK), "vault.clock_jumped");
	ck_assert_str_eq(sr_status_name(SR_STATUS_DENIED), "denied");
	ck_assert_str_eq(sr_status_name(9), "unknown");
}
END_TEST

START_TEST(meta)
{
	struct sr_buf text = SR_BUF_INIT;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->meta_get(tx, "vault-id", &text, &store_error));
	ck_assert_uint_eq(text.len, 0);
	assert_ok(store->ops->meta_put(tx, "vault-id", "v1", &store_error));
	assert_ok(store->ops->meta_put(tx, "vault-id", "v2", &store_error));
	assert_ok(store->ops->meta_get(tx, "vault-id", &text, &store_error));
	ck_assert_str_eq(sr_buf_string(&text), "v2");
	sr_buf_clear(&text);
	assert_refused(store->ops->meta_put(tx, "vault-id", "", &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	store_commit(tx);
}
END_TEST

START_TEST(secret_rows)
{
	struct sr_secret_row in = store_secret("a/b"), out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->secret_get(tx, "a/b", &out, &found, &store_error));
	ck_assert(!found);
	assert_ok(store->ops->secret_put(tx, &in, &store_error));
	in.version = 8; /* replaces */
	in.tier = SR_TIER_STANDARD;
	sr_buf_clear(&in.object_id);
	assert_ok(store->ops->secret_put(tx, &in, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_ok(store->ops->secret_get(tx, "a/b", &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.path, in.path);
	ck_assert_str_eq(out.uid, in.uid);
	ck_assert_str_eq(out.type, in.type);
	ck_assert_int_eq(out.tier, in.tier);
	ck_assert_int_eq(out.state, in.state);
	ck_assert_uint_eq(out.version, in.version);
	ck_assert_int_eq(out.created_ms, in.created_ms);
	ck_assert_int_eq(out.updated_ms, in.updated_ms);
	assert_buf(&out.application, &in.application);
	ck_assert_uint_eq(out.object_id.len, 0);
	ck_assert_uint_eq(out.mark.event_id, in.mark.event_id);
	ck_assert_mem_eq(out.mark.mac, in.mark.mac, SR_MAC_LEN);
	sr_secret_row_clear(&out);
	sr_secret_row_clear(&in);
	store_commit(tx);
}
END_TEST

START_TEST(version_rows)
{
	struct sr_secret_row head = store_secret("a/b");
	struct sr_version_row in = store_version("a/b", 3), out;
	size_t len;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->version_put(tx, &in, &store_error)); /* before its head: checked at commit */
	assert_ok(store->ops->secret_put(tx, &head, &store_error));
	assert_refused(store->ops->version_put(tx, &in, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	store_commit(tx);
	tx = store_read();
	assert_ok(store->ops->version_get(tx, "a/b", 3, &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.path, in.path);
	ck_assert_uint_eq(out.version, 3);
	ck_assert_int_eq(out.tier, in.tier);
	ck_assert_str_eq(out.type, in.type);
	ck_assert_int_eq(out.created_ms, in.created_ms);
	assert_buf(&out.sealed, &in.sealed);
	assert_ok(store->ops->version_len(tx, "a/b", 3, &len, &found, &store_error));
	ck_assert(found);
	ck_assert_uint_eq(len, 12);
	assert_ok(store->ops->version_len(tx, "a/b", 4, &len, &found, &store_error));
	ck_assert(!found);
	sr_version_row_clear(&out);
	assert_ok(store->ops->version_get(tx, "a/b", 4, &out, &found, &store_error));
	ck_assert(!found && !out.sealed.data);
	store_commit(tx);
	sr_version_row_clear(&in);
	sr_secret_row_clear(&head);
}
END_TEST

START_TEST(version_without_head)
{
	struct sr_version_row row = store_version("a/b", 1);
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->version_put(tx, &row, &store_error));
	assert_refused(store->ops->commit(tx, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	sr_version_row_clear(&row);
	store_put_event(tx = store_write(), 1); /* the place was given back */
	store_commit(tx);
}
END_TEST

static const struct {
	const char *prefix, *paths;
	int stop_after;
} prefixes[] = {
	{ "", "a a/b a/b/c a/c a0 b/x \xc3\xbf/y ", 0 },
	{ "", "a a/b ", 2 },
	{ "a", "a a/b a/b/c a/c a0 ", 0 },
	{ "a/", "a/b a/b/c a/c ", 0 },
	{ "a/b", "a/b a/b/c ", 0 },
	{ "A", "", 0 },
	{ "a*", "", 0 },
	{ "\xc3\xbf", "\xc3\xbf/y ", 0 },
	{ "\xff", "", 0 },
	{ "zz", "", 0 },
};

START_TEST(secret_ranges)
{
	static const char *const paths[] = { "b/x", "a/c", "a", "a/b/c", "a0", "a/b", "\xc3\xbf/y" };
	struct sr_tx *tx = store_write();
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct sr_secret_row row = store_secret(paths[i]);
		assert_ok(store->ops->secret_put(tx, &row, &store_error));
		sr_secret_row_clear(&row);
	}
	store_commit(tx);
	tx = store_read();
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		struct gathered list = { .stop_after = prefixes[i].stop_after };
		assert_ok(store->ops->secret_list(tx, prefixes[i].prefix, gather_secret, &list, &store_error));
		ck_assert_str_eq(list.text, prefixes[i].paths);
	}
	char longer[600];
	memset(longer, 'a', sizeof longer);
	longer[599] = '\0';
	struct gathered none = { .stop_after = 0 };
	assert_ok(store->ops->secret_list(tx, longer, gather_secret, &none, &store_error));
	longer[512] = '\0';
	assert_ok(store->ops->secret_list(tx, longer, gather_secret, &none, &store_error));
	ck_assert_int_eq(none.count, 0);
	store_commit(tx);
}
END_TEST

static void assert_token(const struct sr_token_row *out, const struct sr_token_row *in)
{
	ck_assert_str_eq(out->id, in->id);
	ck_assert_mem_eq(out->hash, in->hash, SR_HASH_LEN);
	assert_buf(&out->scopes, &in->scopes);
	assert_buf(&out->allowed_ips, &in->allowed_ips);
	assert_buf(&out->description, &in->description);
	ck_assert_str_eq(out->issuer, in->issuer);
	ck_assert_str_eq(out->parent, in->parent);
	ck_assert_int_eq(out->clearance, in->clearance);
	ck_assert_int_eq(out->state, in->state);
	ck_assert_uint_eq(out->max_uses, in->max_uses);
	ck_assert_int_eq(out->created_ms, in->created_ms);
	ck_assert_int_eq(out->ttl_ms, in->ttl_ms);
	ck_assert_int_eq(out->end.wall_ms, in->end.wall_ms);
	ck_assert_int_eq(out->end.boot_ms, in->end.boot_ms);
	ck_assert_str_eq(out->end.boot_id, in->end.boot_id);
	ck_assert_uint_eq(out->mark.event_id, in->mark.event_id);
	ck_assert_mem_eq(out->mark.mac, in->mark.mac, SR_MAC_LEN);
}

START_TEST(token_rows)
{
	struct sr_token_row in = store_token("t-a", ""), child = store_token("t-b", "t-a"), out;
	bool found;
	struct sr_tx *tx = store_write();
	child.created_ms++;
	assert_refused(store->ops->token_put(tx, &child, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	assert_ok(store->ops->token_put(tx, &in, &store_error));
	assert_ok(store->ops->token_put(tx, &child, &store_error));
	in.state = SR_TOKEN_ACTIVE;
	sr_buf_clear(&in.description);
	assert_ok(store->ops->token_put(tx, &in, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_ok(store->ops->token_get(tx, "t-a", &out, &found, &store_error));
	ck_assert(found);
	assert_token(&out, &in);
	sr_token_row_clear(&out);
	assert_ok(store->ops->token_by_hash(tx, child.hash, &out, &found, &store_error));
	ck_assert(found);
	assert_token(&out, &child);
	sr_token_row_clear(&out);
	assert_ok(store->ops->token_get(tx, "t-c", &out, &found, &store_error));
	ck_assert(!found && out.id[0] == '\0');
	struct gathered all = { .count = 0 }, children = { .count = 0 };
	assert_ok(store->ops->token_list(tx, gather_token, &all, &store_error));
	ck_assert_str_eq(all.text, "t-b t-a ");
	assert_ok(store->ops->token_children(tx, "t-a", gather_token, &children, &store_error));
	ck_assert_str_eq(children.text, "t-b ");
	store_commit(tx);
	sr_token_row_clear(&in);
	sr_token_row_clear(&child);
}
END_TEST

struct entries {
	int count;
	uint64_t sum;
};

static bool gather_entry(const uint8_t key[SR_HASH_LEN], uint64_t value, void *ctx)
{
	struct entries *entries = ctx;
	ck_assert_uint_eq(key[0], 0xab);
	entries->count++;
	entries->sum += value;
	return true;
}

START_TEST(state_rows)
{
	const uint8_t keys[][SR_HASH_LEN] = { { 0xab, 0xcd }, { 0xab, 0xcd, 1 }, { 0xab, 0xce }, { 0xab, 0xcc, 0xff } };
	struct entries entries = { 0, 0 };
	struct sr_node_row node = { .id = 4096, .digests = { 1, 2, 3 } }, got;
	struct sr_standing_row standing = { .head = { .seq = 7 }, .newest_ms = 9, .root = { 4 } }, stands;
	bool found;
	struct sr_tx *tx = store_write();
	for (uint64_t i = 0; i < 4; i++)
		assert_ok(store->ops->state_put(tx, keys[i], i + 1, &store_error));
	assert_ok(store->ops->state_put(tx, keys[0], 10, &store_error));
	assert_ok(store->ops->state_bucket(tx, 0xabcd, gather_entry, &entries, &store_error));
	ck_assert_int_eq(entries.count, 2);
	ck_assert_uint_eq(entries.sum, 12);
	assert_refused(store->ops->state_put(tx, keys[1], 0, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	assert_ok(store->ops->node_get(tx, 4096, &got, &found, &store_error));
	ck_assert(!found && got.digests[0] == 0);
	assert_ok(store->ops->node_put(tx, &node, &store_error));
	node.digests[0] = 9;
	assert_ok(store->ops->node_put(tx, &node, &store_error));
	assert_ok(store->ops->node_get(tx, 4096, &got, &found, &store_error));
	ck_assert(found && memcmp(&got, &node, sizeof got) == 0);
	assert_ok(store->ops->standing_get(tx, &stands, &found, &store_error));
	ck_assert(!found);
	assert_ok(store->ops->standing_put(tx, &standing, &store_error));
	standing.head.seq = 8;
	assert_ok(store->ops->standing_put(tx, &standing, &store_error));
	assert_ok(store->ops->standing_get(tx, &stands, &found, &store_error));
	ck_assert(found && memcmp(&stands, &standing, sizeof stands) == 0);
	store_commit(tx);
}
END_TEST

START_TEST(member_rows)
{
	struct sr_member_row in = store_member("bob"), other = store_member("alice"), out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->member_put(tx, &in, &store_error));
	assert_ok(store->ops->member_put(tx, &other, &store_error));
	in.active = false;
	assert_ok(store->ops->member_put(tx, &in, &store_error));
	assert_ok(store->ops->member_get(tx, "bob", &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.name, in.name);
	ck_assert_int_eq(out.role, in.role);
	ck_assert(!out.active);
	ck_assert_uint_eq(out.log2n, in.log2n);
	ck_assert_uint_eq(out.r, in.r);
	ck_assert_uint_eq(out.p, in.p);
	ck_assert_mem_eq(out.salt, in.salt, sizeof in.salt);
	ck_assert_mem_eq(out.hash, in.hash, sizeof in.hash);
	ck_assert_int_eq(out.created_ms, in.created_ms);
	ck_assert_uint_eq(out.mark.event_id, in.mark.event_id);
	ck_assert_mem_eq(out.mark.mac, in.mark.mac, sizeof in.mark.mac);
	struct gathered all = { .count = 0 };
	assert_ok(store->ops->member_list(tx, gather_member, &all, &store_error));
	ck_assert_str_eq(all.text, "alice bob ");
	assert_ok(store->ops->member_get(tx, "carol", &out, &found, &store_error));
	ck_assert(!found);
	store_commit(tx);
}
END_TEST

static const struct {
	struct sr_event_query query;
	const char *ids;
	int stop_after;
} event_queries[] = {
	{ { 0 }, "1 2 3 4 5 ", 0 },
	{ { .newest_first = true }, "5 4 3 2 1 ", 0 },
	{ { .newest_first = true }, "5 4 ", 2 },
	{ { .after = 2 }, "3 4 5 ", 0 },
	{ { .before = 3 }, "1 2 ", 0 },
	{ { .after = 1, .before = 5, .newest_first = true }, "4 3 2 ", 0 },
	{ { .since_ms = 5002, .until_ms = 5004 }, "2 3 4 ", 0 },
	{ { .after = 5 }, "", 0 },
	{ { .after = UINT64_MAX }, "", 0 },
};

static void assert_event(const struct sr_event *out, const struct sr_event *in)
{
	ck_assert_uint_eq(out->id, in->id);
	ck_assert_int_eq(out->timestamp_ms, in->timestamp_ms);
	ck_assert_int_eq(out->kind, in->kind);
	ck_assert_int_eq(out->status, in->status);
	ck_assert_str_eq(out->actor_type, in->actor_type);
	ck_assert_str_eq(out->actor_id, in->actor_id);
	ck_assert_str_eq(out->token_id, in->token_id);
	ck_assert_str_eq(out->ip, in->ip);
	ck_assert_str_eq(out->peer, in->peer);
	ck_assert_str_eq(out->function, in->function);
	ck_assert_str_eq(out->rv, in->rv);
	ck_assert_str_eq(out->reason, in->reason);
	ck_assert_str_eq(out->path, in->path);
	ck_assert_str_eq(out->tier, in->tier);
	ck_assert_uint_eq(out->version, in->version);
	ck_assert_str_eq(out->subject, in->subject);
	ck_assert_int_eq(out->counted, in->counted);
	ck_assert_str_eq(out->metadata, in->metadata);
}

START_TEST(event_rows)
{
	struct sr_event in = store_event(3), out;
	struct sr_head head;
	int64_t at;
	uint8_t hash[SR_HASH_LEN];
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->event_head(tx, &head, &at, &store_error));
	ck_assert_uint_eq(head.seq, 0);
	for (uint64_t id = 1; id <= 5; id++)
		store_put_event(tx, id);
	store_commit(tx);
	tx = store_read();
	assert_ok(store->ops->event_head(tx, &head, &at, &store_error));
	ck_assert_uint_eq(head.seq, 5);
	ck_assert_uint_eq(head.hash[0], 5);
	ck_assert_int_eq(at, 5005);
	assert_ok(store->ops->event_get(tx, 3, &out, hash, &found, &store_error));
	ck_assert(found);
	assert_event(&out, &in);
	ck_assert_uint_eq(hash[0], 3);
	assert_ok(store->ops->event_get(tx, 6, &out, hash, &found, &store_error));
	ck_assert(!found);
	for (size_t i = 0; i < sizeof event_queries / sizeof event_queries[0]; i++) {
		struct gathered list = { .stop_after = event_queries[i].stop_after };
		assert_ok(store->ops->event_query(tx, &event_queries[i].query, gather_event, &list, &store_error));
		ck_assert_str_eq(list.text, event_queries[i].ids);
	}
	store_commit(tx);
}
END_TEST

START_TEST(events_that_decide)
{
	struct sr_event_query query = { .deciding = true };
	struct gathered list = { .stop_after = 0 }, later = { .stop_after = 0 };
	struct sr_tx *tx = store_write();
	for (uint64_t id = 1; id <= 4; id++) { /* 1: neither; 2: counts; 3: makes a row; 4: both */
		struct sr_event event = store_event(id);
		uint8_t hash[SR_HASH_LEN] = { (uint8_t)id };
		event.counted = id == 2 || id == 4;
		if (id < 3)
			event.subject[0] = '\0';
		assert_ok(store->ops->event_put(tx, &event, hash, &store_error));
	}
	assert_ok(store->ops->event_query(tx, &query, gather_event, &list, &store_error));
	ck_assert_str_eq(list.text, "2 3 4 ");
	query.after = 2;
	assert_ok(store->ops->event_query(tx, &query, gather_event, &later, &store_error));
	ck_assert_str_eq(later.text, "3 4 ");
	store_commit(tx);
}
END_TEST

START_TEST(an_event_is_written_once)
{
	uint8_t hash[SR_HASH_LEN] = { 0 };
	struct sr_tx *tx = store_write();
	struct sr_event event = { .id = 4 }; /* absent texts */
	assert_ok(store->ops->event_put(tx, &event, hash, &store_error));
	assert_refused(store->ops->event_put(tx, &event, hash, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	store_commit(tx);
}
END_TEST

START_TEST(checkpoint_rows)
{
	struct sr_audit_key_row key = { .generation = 1 };
	struct sr_checkpoint_row in = { .seq = 20, .generation = 1, .created_ms = 6001 }, out;
	bool found;
	struct gathered seqs = { .count = 0 }, keys = { .count = 0 };
	memset(in.head, 0xc1, sizeof in.head);
	memset(in.signature, 0xc2, sizeof in.signature);
	struct sr_tx *tx = store_write();
	assert_refused(store->ops->checkpoint_put(tx, &in, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	assert_refused(store->ops->audit_key_put(tx, &key, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	sr_buf_text(&key.spki, "der");
	assert_ok(store->ops->audit_key_put(tx, &key, &store_error));
	assert_ok(store->ops->checkpoint_last(tx, &out, &found, &store_error));
	ck_assert(!found);
	assert_ok(store->ops->checkpoint_put(tx, &in, &store_error));
	struct sr_checkpoint_row other = in;
	memset(other.head, 0, sizeof other.head);
	assert_ok(store->ops->checkpoint_put(tx, &other, &store_error)); /* the double is kept out */
	other.seq = 3;
	assert_ok(store->ops->checkpoint_put(tx, &other, &store_error));
	assert_ok(store->ops->checkpoint_last(tx, &out, &found, &store_error));
	ck_assert(found);
	ck_assert_uint_eq(out.seq, in.seq);
	ck_assert_mem_eq(out.head, in.head, sizeof in.head);
	ck_assert_uint_eq(out.generation, in.generation);
	ck_assert_mem_eq(out.signature, in.signature, sizeof in.signature);
	ck_assert_int_eq(out.created_ms, in.created_ms);
	assert_ok(store->ops->checkpoint_list(tx, gather_checkpoint, &seqs, &store_error));
	ck_assert_str_eq(seqs.text, "3 20 ");
	key.generation = 2;
	sr_buf_text(&key.signature, "sig");
	assert_ok(store->ops->audit_key_put(tx, &key, &store_error));
	assert_ok(store->ops->audit_key_list(tx, gather_audit_key, &keys, &store_error));
	ck_assert_str_eq(keys.text, "first signed ");
	store_commit(tx);
	sr_audit_key_row_clear(&key);
}
END_TEST

START_TEST(totals)
{
	struct sr_counts counts;
	struct sr_secret_row row = store_secret("a"), gone = store_secret("b");
	struct sr_key_row key = store_key("c", SR_PART_PUBLIC), gone_key = store_key("d", SR_PART_PUBLIC);
	gone.state = SR_SECRET_DELETED;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->secret_put(tx, &row, &store_error));
	assert_ok(store->ops->secret_put(tx, &gone, &store_error));
	gone_key.state = SR_KEY_DELETED;
	assert_ok(store->ops->key_put(tx, &key, &store_error));
	assert_ok(store->ops->key_put(tx, &gone_key, &store_error));
	store_put_event(tx, 1);
	assert_ok(store->ops->counts(tx, &counts, &store_error));
	ck_assert_uint_eq(counts.secrets, 1);
	ck_assert_uint_eq(counts.keys, 1);
	ck_assert_uint_eq(counts.tokens, 0);
	ck_assert_uint_eq(counts.events, 1);
	ck_assert_uint_gt(counts.bytes, 50000);
	store_commit(tx);
	sr_secret_row_clear(&row);
	sr_secret_row_clear(&gone);
	sr_key_row_clear(&key);
	sr_key_row_clear(&gone_key);
}
END_TEST

#define BY_EVENT "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)\n"
#define BY_KEY(index) "SEARCH event_" index " USING PRIMARY KEY (key=? AND seq>? AND seq<?)\n" BY_EVENT

/* Nothing is read from end to end, and nothing is sorted. */
static const struct {
	enum sr_sql sql;
	const char *plan;
} event_plans[] = {
	{ SR_SQL_EVENT_UP, "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)\n" },
	{ SR_SQL_EVENT_DOWN, "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)\n" },
	{ SR_SQL_EVENT_DECIDING, "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)\n" },
	{ SR_SQL_EVENT_TIME_UP, "SEARCH event_time USING PRIMARY KEY (at_ms>? AND at_ms<?)\n" BY_EVENT },
	{ SR_SQL_EVENT_TIME_DOWN, "SEARCH event_time USING PRIMARY KEY (at_ms>? AND at_ms<?)\n" BY_EVENT },
	{ SR_SQL_EVENT_PATH_UP, BY_KEY("path") },
	{ SR_SQL_EVENT_PATH_DOWN, BY_KEY("path") },
	{ SR_SQL_EVENT_PATHS, "SEARCH event_path USING PRIMARY KEY (key>? AND key<?)\n" BY_EVENT },
	{ SR_SQL_EVENT_ACTOR_UP, BY_KEY("actor") },
	{ SR_SQL_EVENT_ACTOR_DOWN, BY_KEY("actor") },
	{ SR_SQL_EVENT_TOKEN_UP, BY_KEY("token") },
	{ SR_SQL_EVENT_TOKEN_DOWN, BY_KEY("token") },
	{ SR_SQL_EVENT_WORD_UP, BY_KEY("word") },
	{ SR_SQL_EVENT_WORD_DOWN, BY_KEY("word") },
	{ SR_SQL_EVENT_WORDS, "SEARCH event_word USING PRIMARY KEY (key>? AND key<?)\n" BY_EVENT },
	{ SR_SQL_EVENT_INDEXED, "SEARCH event_indexed USING INTEGER PRIMARY KEY (rowid=?)\n" },
	{ SR_SQL_CHECKPOINT_FROM, "SEARCH checkpoint USING INTEGER PRIMARY KEY (rowid>?)\n" },
};

/* Nor does a removal go through what stays. */
static const struct {
	enum sr_sql sql;
	const char *first;
} prune_plans[] = {
	{ SR_SQL_PRUNE_TIME, "SEARCH event_time USING PRIMARY KEY (at_ms=? AND seq=?)\n" },
	{ SR_SQL_PRUNE_PATH, "SEARCH event_path USING PRIMARY KEY (key=? AND seq=?)\n" },
	{ SR_SQL_PRUNE_ACTOR, "SEARCH event_actor USING PRIMARY KEY (key=? AND seq=?)\n" },
	{ SR_SQL_PRUNE_TOKEN, "SEARCH event_token USING PRIMARY KEY (key=? AND seq=?)\n" },
	{ SR_SQL_PRUNE_WORD, "SEARCH event_word USING PRIMARY KEY (key=? AND seq<?)\n" },
	{ SR_SQL_PRUNE_EVENT, "SEARCH event USING INTEGER PRIMARY KEY (rowid<?)\n" },
};

START_TEST(removals_by_index)
{
	const char *plan = store_plan(prune_plans[_i].sql);
	ck_assert_msg(strncmp(plan, prune_plans[_i].first, strlen(prune_plans[_i].first)) == 0, "%s", plan);
	ck_assert_ptr_null(strstr(plan, "SCAN"));
}
END_TEST

START_TEST(events_by_index)
{
	ck_assert_str_eq(store_plan(event_plans[_i].sql), event_plans[_i].plan);
}
END_TEST

Suite *sr_suite_store(void)
{
	Suite *suite = suite_create("store");
	TCase *rows = tcase_create("rows");
	tcase_add_checked_fixture(rows, store_start, store_clean);
	tcase_add_test(rows, names);
	tcase_add_test(rows, meta);
	tcase_add_test(rows, secret_rows);
	tcase_add_test(rows, version_rows);
	tcase_add_test(rows, version_without_head);
	tcase_add_test(rows, secret_ranges);
	tcase_add_test(rows, token_rows);
	tcase_add_test(rows, state_rows);
	tcase_add_test(rows, member_rows);
	tcase_add_test(rows, event_rows);
	tcase_add_test(rows, events_that_decide);
	tcase_add_test(rows, an_event_is_written_once);
	tcase_add_test(rows, checkpoint_rows);
	tcase_add_test(rows, totals);
	tcase_add_loop_test(rows, events_by_index, 0, (int)(sizeof event_plans / sizeof event_plans[0]));
	tcase_add_loop_test(rows, removals_by_index, 0, (int)(sizeof prune_plans / sizeof prune_plans[0]));
	suite_add_tcase(suite, rows);
	return suite;
}
