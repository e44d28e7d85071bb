/* The audit's chain and heads file, and its queries. */
#include "tests/unit/audit_place.h"
#include "tests/unit/suites.h"

#include "audit/heads.h"
#include "audit/query.h"
#include "util/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct audit_place place;

static void setup(void)
{
	place_make(&place);
}

static void teardown(void)
{
	place_remove(&place);
}

/* -- chain ------------------------------------------------------------------------------------------------------ */

static struct sr_event known_event(void)
{
	struct sr_event event = event_of(SR_EVENT_SECRET_READ, "some/p\xc3\xa4th");
	event.id = 1;
	event.timestamp_ms = 1795452253123;
	event.version = 3;
	event.counted = true;
	snprintf(event.rv, sizeof event.rv, "CKR_OK");
	snprintf(event.subject, sizeof event.subject, "secret:some/p\xc3\xa4th");
	snprintf(event.metadata, sizeof event.metadata, "{\"a\":1}");
	return event;
}

static void assert_hex(const uint8_t hash[32], const char *expected)
{
	char text[65];
	sr_text_hex(hash, 32, text);
	ck_assert_str_eq(text, expected);
}

/* The numbers were computed by another program, from docs/audit.md alone. */
START_TEST(chain_as_documented)
{
	struct sr_event event = known_event();
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_head head;
	uint8_t digest[32];
	sr_event_pack(&event, &packed);
	ck_assert_uint_eq(packed.len, 268);
	sr_buf_clear(&packed);
	ck_assert(sr_chain_start(CHAIN_ID, &head));
	assert_hex(head.hash, "18ac05d51437eef71f1872baad11aa9d51d724a4efb422d277ea2aff18ff6bc7");
	ck_assert(sr_chain_next(&head, &event));
	ck_assert_uint_eq(head.seq, 1);
	assert_hex(head.hash, "c05ad71d53bc8ae2a18005932144c367efb30fbd5379dd2837cddbad33f9e764");
	ck_assert(sr_checkpoint_digest(CHAIN_ID, &head, digest));
	assert_hex(digest, "31e0c403c876aebe78304937eb28e1e061382abd23a10bc5c56cbc6d635a16e3");
}
END_TEST

START_TEST(chain_refuses_other_ids)
{
	struct sr_event event = known_event();
	struct sr_head head, before;
	ck_assert(sr_chain_start(CHAIN_ID, &head));
	before = head;
	event.id = 0;
	ck_assert(!sr_chain_next(&head, &event));
	event.id = 2;
	ck_assert(!sr_chain_next(&head, &event));
	ck_assert_mem_eq(&before, &head, sizeof head);
}
END_TEST

static const size_t fields[] = {
	offsetof(struct sr_event, timestamp_ms),
	offsetof(struct sr_event, kind),
	offsetof(struct sr_event, status),
	offsetof(struct sr_event, actor_type),
	offsetof(struct sr_event, actor_id),
	offsetof(struct sr_event, token_id),
	offsetof(struct sr_event, ip),
	offsetof(struct sr_event, peer),
	offsetof(struct sr_event, function),
	offsetof(struct sr_event, rv),
	offsetof(struct sr_event, reason),
	offsetof(struct sr_event, path),
	offsetof(struct sr_event, tier),
	offsetof(struct sr_event, version),
	offsetof(struct sr_event, subject),
	offsetof(struct sr_event, counted),
	offsetof(struct sr_event, metadata),
};

START_TEST(chain_covers_every_field)
{
	struct sr_event event = known_event();
	struct sr_head plain, changed;
	ck_assert(sr_chain_start(CHAIN_ID, &plain));
	changed = plain;
	ck_assert(sr_chain_next(&plain, &event));
	((char *)&event)[fields[_i]] ^= 1;
	ck_assert(sr_chain_next(&changed, &event));
	ck_assert(memcmp(plain.hash, changed.hash, sizeof plain.hash) != 0);
}
END_TEST

/* -- heads ------------------------------------------------------------------------------------------------------ */

static char heads_dir[64], heads_file[96];

static void heads_setup(void)
{
	snprintf(heads_dir, sizeof heads_dir, "/tmp/strongroom-heads-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(heads_dir));
	snprintf(heads_file, sizeof heads_file, "%s/heads", heads_dir);
}

static void heads_teardown(void)
{
	unlink(heads_file);
	rmdir(heads_dir);
}

static struct sr_head head_at(uint64_t seq)
{
	struct sr_head head = { .seq = seq };
	memset(head.hash, (int)(seq & 0xff) + 1, sizeof head.hash);
	return head;
}

static CK_RV write_head(uint64_t seq, struct sr_error *err)
{
	struct sr_head head = head_at(seq);
	return sr_heads_write(heads_file, CHAIN_ID, &head, err);
}

static CK_RV read_head(struct sr_head *head, bool *found, struct sr_error *err)
{
	return sr_heads_read(heads_file, CHAIN_ID, head, found, err);
}

#define MOST ((UINT64_C(1) << 48) - 1)

START_TEST(heads_keep_the_newest)
{
	static const struct {
		uint64_t seq, stands;
	} rows[] = { { 0, 0 }, { 5, 5 }, { 3, 5 }, { 4, 5 }, { 5, 5 }, { MOST, MOST }, { 6, MOST } };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head;
	struct stat info;
	bool found;
	ck_assert_uint_eq(read_head(&head, &found, &err), CKR_OK);
	ck_assert(!found);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sr_head expected = head_at(rows[i].stands);
		ck_assert_uint_eq(write_head(rows[i].seq, &err), CKR_OK);
		ck_assert_uint_eq(read_head(&head, &found, &err), CKR_OK);
		ck_assert(found);
		ck_assert_mem_eq(&head, &expected, sizeof head);
	}
	struct sr_head restored = head_at(7);
	restored.epoch = 1; /* whatever its sequence, it is newer */
	ck_assert_uint_eq(sr_heads_write(heads_file, CHAIN_ID, &restored, &err), CKR_OK);
	ck_assert_uint_eq(write_head(MOST, &err), CKR_OK);
	ck_assert_uint_eq(read_head(&head, &found, &err), CKR_OK);
	ck_assert(found && head.epoch == 1 && head.seq == 7);
	ck_assert_int_eq(stat(heads_file, &info), 0);
	ck_assert_uint_eq(info.st_mode & 07777, 0600);
	ck_assert_uint_eq(info.st_size, 154);
}
END_TEST

static void put_file(const char *data, size_t len)
{
	int fd = open(heads_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void assert_broken(CK_RV rv, const struct sr_error *err, const char *text)
{
	ck_assert_uint_eq(rv, CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err->reason, SR_REASON_CHAIN_BROKEN);
	ck_assert_msg(strstr(err->text, text), "%s", err->text);
}

START_TEST(heads_refuse_damage)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head;
	char line[256];
	bool found;
	ck_assert_uint_eq(write_head(7, &err), CKR_OK);
	int fd = open(heads_file, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, line, sizeof line);
	close(fd);
	for (ssize_t i = 0; i < len; i++) {
		line[i] ^= 1;
		put_file(line, (size_t)len);
		assert_broken(read_head(&head, &found, &err), &err, "damaged");
		ck_assert(!found);
		line[i] ^= 1;
	}
	put_file(line, (size_t)len - 1);
	assert_broken(read_head(&head, &found, &err), &err, "damaged");
	assert_broken(write_head(8, &err), &err, "damaged");
	line[len] = '\n';
	put_file(line, (size_t)len + 1);
	assert_broken(read_head(&head, &found, &err), &err, "damaged");
	put_file(line, 0);
	ck_assert_uint_eq(read_head(&head, &found, &err), CKR_OK);
	ck_assert(!found);
}
END_TEST

START_TEST(heads_refuse_another_history)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head = head_at(7);
	bool found;
	ck_assert_uint_eq(write_head(7, &err), CKR_OK);
	assert_broken(sr_heads_read(heads_file, "another", &head, &found, &err), &err, "another audit chain");
	assert_broken(sr_heads_write(heads_file, "another", &head, &err), &err, "another audit chain");
	head = head_at(7);
	head.hash[0] ^= 1;
	assert_broken(sr_heads_write(heads_file, CHAIN_ID, &head, &err), &err, "another history");
}
END_TEST

START_TEST(heads_refuse_bad_places)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head = head_at(1);
	char path[128];
	bool found;
	snprintf(path, sizeof path, "%s/none/heads", heads_dir);
	ck_assert_uint_eq(sr_heads_write(path, CHAIN_ID, &head, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_AUDIT_FAILED);
	ck_assert_msg(strstr(err.text, "make the directory"), "%s", err.text);
	ck_assert_uint_eq(sr_heads_write(heads_dir, CHAIN_ID, &head, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(sr_heads_read(heads_dir, CHAIN_ID, &head, &found, &err), CKR_DEVICE_ERROR);
	ck_assert_int_eq(symlink("/dev/null", heads_file), 0);
	ck_assert_uint_eq(sr_heads_write(heads_file, CHAIN_ID, &head, &err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(sr_heads_read(heads_file, CHAIN_ID, &head, &found, &err), CKR_DEVICE_ERROR);
	ck_assert_int_eq(unlink(heads_file), 0);
	ck_assert_int_eq(mkfifo(heads_file, 0600), 0);
	ck_assert_uint_eq(sr_heads_read(heads_file, CHAIN_ID, &head, &found, &err), CKR_DEVICE_ERROR);
}
END_TEST

/* -- query ------------------------------------------------------------------------------------------------------ */

#define T0 1795452253000

static int64_t wall_ms;

static void moved_clock(struct sr_now *now)
{
	*now = (struct sr_now){ .wall_ms = wall_ms, .boot_ms = wall_ms - T0 + 100000, .boot_id = "one" };
}

static void put_as(enum sr_event_kind kind, const char *path, const char *ip, const char *token, CK_RV refuse)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(kind, path);
	struct sr_job job = { .event = &event, .refuse = refuse };
	event.counted = strcmp(path, "prod/a") == 0;
	snprintf(event.ip, sizeof event.ip, "%s", ip);
	snprintf(event.token_id, sizeof event.token_id, "%s", token);
	snprintf(event.tier, sizeof event.tier, "%s", strcmp(token, "t-a") == 0 ? "critical" : "standard");
	ck_assert_uint_eq(sr_writer_run(place.writer, &job, &err), refuse);
	wall_ms += 1000;
}

/* Records 1 to 6, one a second. */
static void query_setup(void)
{
	setup();
	wall_ms = T0;
	sr_clock_replace(moved_clock);
	put_as(SR_EVENT_SECRET_READ, "prod/a", "local", "t-a", CKR_OK);
	put_as(SR_EVENT_SECRET_READ, "prod/b", "10.1.2.3", "t-b", CKR_ATTRIBUTE_SENSITIVE);
	put_as(SR_EVENT_SECRET_CREATED, "stage/a", "10.2.2.3", "t-b", CKR_OK);
	put_as(SR_EVENT_SESSION_LOGIN, "", "2001:db8::1", "t-c", CKR_DEVICE_ERROR);
	put_as(SR_EVENT_SECRET_READ, "prod/a", "10.1.2.9", "t-b", CKR_OK);
	put_as(SR_EVENT_SESSION_LOGOUT, "", "unix", "t-c", CKR_OK);
}

#define KIND(kind) (UINT64_C(1) << SR_EVENT_##kind)

static const struct {
	struct sr_audit_query query;
	const char *cidr, *ids;
} queries[] = {
	{ { 0 }, NULL, "1 2 3 4 5 6 " },
	{ { .limit = 2 }, NULL, "5 6 " },
	{ { .limit = 100 }, NULL, "1 2 3 4 5 6 " },
	{ { .events = KIND(SECRET_READ) }, NULL, "1 2 5 " },
	{ { .events = KIND(SECRET_READ), .limit = 2 }, NULL, "2 5 " },
	{ { .events = KIND(SECRET_CREATED) | KIND(SESSION_LOGOUT) }, NULL, "3 6 " },
	{ { .events = KIND(SECRET_READ) | KIND(SECRET_CREATED) }, NULL, "1 2 3 5 " },
	{ { .events = KIND(SECRET_READ) | KIND(SECRET_CREATED), .limit = 2 }, NULL, "3 5 " },
	{ { .events = KIND(SECRET_READ) | KIND(SECRET_CREATED), .limit = 3 }, NULL, "2 3 5 " },
	{ { .events = KIND(SECRET_READ), .since_ms = T0 + 1 }, NULL, "2 5 " },
	{ { .events = KIND(KEY_USED) }, NULL, "" },
	{ { .events = KIND(TOKEN_USED) }, NULL, "1 5 " },
	{ { .events = KIND(TOKEN_USED) | KIND(SECRET_READ) }, NULL, "1 2 5 " },
	{ { .events = KIND(TOKEN_USED) | KIND(SESSION_LOGOUT) }, NULL, "1 5 6 " },
	{ { .events = KIND(TOKEN_USED) | KIND(SESSION_LOGOUT), .limit = 1 }, NULL, "6 " },
	{ { .by_status = true, .status = SR_STATUS_ALLOWED }, NULL, "1 3 5 6 " },
	{ { .by_status = true, .status = SR_STATUS_DENIED }, NULL, "2 " },
	{ { .by_status = true, .status = SR_STATUS_ERROR }, NULL, "4 " },
	{ { .path_glob = "prod/*" }, NULL, "1 2 5 " },
	{ { .path_glob = "prod/*", .limit = 2 }, NULL, "2 5 " },
	{ { .path_glob = "prod/*", .limit = 1 }, NULL, "5 " },
	{ { .path_glob = "*" }, NULL, "1 2 3 5 " },
	{ { .path_glob = "" }, NULL, "1 2 3 4 5 6 " },
	{ { .token_id = "t-b" }, NULL, "2 3 5 " },
	{ { .tier = "critical" }, NULL, "1 " },
	{ { .actor_id = "t-aaaaaaaaaaaaaaaa" }, NULL, "1 2 3 4 5 6 " },
	{ { .actor_id = "t" }, NULL, "" },
	{ { .by_ip = true }, "10.1.0.0/16", "2 5 " },
	{ { .by_ip = true }, "10.2.2.3", "3 " },
	{ { .by_ip = true, .limit = 1 }, "10.0.0.0/8", "5 " },
	{ { .by_ip = true, .limit = 9 }, "10.0.0.0/8", "2 3 5 " },
	{ { .by_ip = true }, "10.0.0.0/7", "2 3 5 " },
	{ { .by_ip = true }, "10.1.0.0/17", "2 5 " },
	{ { .by_ip = true }, "::/0", "4 " },
	{ { .by_ip = true }, "2001:db8::/32", "4 " },
	{ { .since_ms = T0 + 2000 }, NULL, "3 4 5 6 " },
	{ { .until_ms = T0 + 2000 }, NULL, "1 2 3 " },
	{ { .since_ms = T0 + 1, .until_ms = T0 + 3999 }, NULL, "2 3 4 " },
	{ { .since_ms = T0 + 2000, .path_glob = "prod/a" }, NULL, "5 " },
	{ { .since_ms = T0 + 9000 }, NULL, "" },
};

static void index_upto(uint64_t upto)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	uint64_t last;
	ck_assert_uint_eq(place.store->ops->begin_write(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->event_index(tx, upto, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->event_indexed(tx, &last, &err), CKR_OK);
	ck_assert_uint_eq(last, upto);
	ck_assert_uint_eq(place.store->ops->commit(tx, &err), CKR_OK);
}

static void ask(size_t i)
{
	struct sr_audit_query query = queries[i].query;
	struct sr_error err = SR_ERROR_INIT;
	char text[64] = "";
	const char *why;
	struct sr_tx *tx;
	uint64_t *ids;
	size_t count;
	if (queries[i].cidr)
		ck_assert(sr_cidr_parse(queries[i].cidr, strlen(queries[i].cidr), &query.ip, &why));
	ck_assert_uint_eq(place.store->ops->begin_read(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(sr_audit_query_run(place.store, tx, &query, &ids, &count, &err), CKR_OK);
	place.store->ops->rollback(tx);
	for (size_t n = 0; n < count; n++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%lu ", (unsigned long)ids[n]);
	free(ids);
	ck_assert_msg(strcmp(text, queries[i].ids) == 0, "query %zu: %s", i, text);
}

/* The same answers whether the indexes know nothing, half of the records or all. */
START_TEST(query_criteria)
{
	for (uint64_t indexed = 0; indexed <= 6; indexed += 3) {
		if (indexed > 0)
			index_upto(indexed);
		for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
			ask(i);
	}
}
END_TEST

/* Some of each event are looked up, and the newest of all are the answer. */
START_TEST(query_newest_of_several_events)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_audit_query query = { .events = KIND(SECRET_READ) | KIND(SESSION_LOGOUT), .limit = 3 };
	struct sr_tx *tx;
	uint64_t *ids;
	size_t count;
	put_as(SR_EVENT_SESSION_LOGOUT, "", "unix", "t-c", CKR_OK);
	put_as(SR_EVENT_SESSION_LOGOUT, "", "unix", "t-c", CKR_OK);
	index_upto(8);
	ck_assert_uint_eq(place.store->ops->begin_read(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(sr_audit_query_run(place.store, tx, &query, &ids, &count, &err), CKR_OK);
	place.store->ops->rollback(tx);
	ck_assert_uint_eq(count, 3);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(ids[i], 6 + i);
	free(ids);
}
END_TEST

#define DAY_MS (24ll * 60 * 60 * 1000)

static const struct {
	struct sr_audit_query query;
	const char *cidr;
	enum sr_event_by by;
	const char *key;
} choices[] = {
	{ { 0 }, NULL, SR_EVENT_BY_ID, "" },
	{ { .tier = "critical" }, NULL, SR_EVENT_BY_WORD, "tier=critical" },
	{ { .tier = "standard" }, NULL, SR_EVENT_BY_ID, "" },
	{ { .by_status = true, .status = SR_STATUS_DENIED, .actor_id = "alice" }, NULL, SR_EVENT_BY_WORD,
		"status=denied" },
	{ { .by_status = true, .status = SR_STATUS_ALLOWED }, NULL, SR_EVENT_BY_ID, "" },
	{ { .events = KIND(SECRET_DELETED), .actor_id = "alice" }, NULL, SR_EVENT_BY_WORD, "event=secret.deleted" },
	{ { .events = KIND(SECRET_READ), .actor_id = "alice" }, NULL, SR_EVENT_BY_ACTOR, "alice" },
	{ { .events = KIND(SECRET_READ), .tier = "critical" }, NULL, SR_EVENT_BY_WORD, "tier=critical" },
	{ { .events = KIND(TOKEN_USED) }, NULL, SR_EVENT_BY_WORD, "event=token.used" },
	{ { .events = KIND(TOKEN_USED) | KIND(KEY_USED) }, NULL, SR_EVENT_BY_ID, "" },
	{ { .events = KIND(SECRET_READ) }, NULL, SR_EVENT_BY_WORD, "event=secret.read" },
	{ { .events = KIND(SECRET_READ), .since_ms = 1 }, NULL, SR_EVENT_BY_TIME, NULL },
	{ { .events = KIND(SECRET_READ) | KIND(KEY_DELETED) }, NULL, SR_EVENT_BY_WORD, "" },
	{ { .path_glob = "prod/a" }, NULL, SR_EVENT_BY_PATH, "prod/a" },
	{ { .path_glob = "prod/*" }, NULL, SR_EVENT_BY_PATHS, "prod/" },
	{ { .path_glob = "*/a" }, NULL, SR_EVENT_BY_ID, "" },
	{ { .path_glob = "*/a", .since_ms = 1 }, NULL, SR_EVENT_BY_TIME, NULL },
	{ { .actor_id = "alice" }, NULL, SR_EVENT_BY_ACTOR, "alice" },
	{ { .actor_id = "alice", .path_glob = "prod/*" }, NULL, SR_EVENT_BY_ACTOR, "alice" },
	{ { .token_id = "t-b", .path_glob = "prod/a" }, NULL, SR_EVENT_BY_TOKEN, "t-b" },
	{ { .until_ms = 5 }, NULL, SR_EVENT_BY_TIME, NULL },
	{ { .since_ms = 5, .until_ms = 5 + DAY_MS, .actor_id = "alice" }, NULL, SR_EVENT_BY_TIME, NULL },
	{ { .since_ms = 5, .until_ms = 6 + DAY_MS, .actor_id = "alice" }, NULL, SR_EVENT_BY_ACTOR, "alice" },
	{ { .since_ms = 5, .until_ms = 6, .path_glob = "prod/a" }, NULL, SR_EVENT_BY_PATH, "prod/a" },
	{ { .by_ip = true }, "10.2.2.3", SR_EVENT_BY_WORD, "ip=10.2.2.3" },
	{ { .by_ip = true }, "10.2.0.0/17", SR_EVENT_BY_WORDS, "ip=10.2." },
	{ { .by_ip = true }, "2001:db8::/48", SR_EVENT_BY_WORDS, "ip=2001:db8:" },
	{ { .by_ip = true }, "2001:0db8::0001", SR_EVENT_BY_WORD, "ip=2001:db8::1" },
	{ { .by_ip = true }, "::/0", SR_EVENT_BY_ID, "" },
	{ { .by_ip = true }, "10.0.0.0/7", SR_EVENT_BY_ID, "" },
};

START_TEST(query_choice)
{
	struct sr_audit_query query = choices[_i].query;
	struct sr_audit_way way;
	const char *why;
	if (choices[_i].cidr)
		ck_assert(sr_cidr_parse(choices[_i].cidr, strlen(choices[_i].cidr), &query.ip, &why));
	sr_audit_query_way(&query, &way);
	ck_assert_int_eq(way.by, choices[_i].by);
	if (choices[_i].key)
		ck_assert_str_eq(way.key, choices[_i].key);
}
END_TEST

/* A commit in 1,000 brings the indexes up; what is behind them is found all the same. */
START_TEST(query_indexes_trail)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_audit_query query = { .path_glob = "prod/a" };
	struct sr_tx *tx;
	uint64_t last, *ids;
	size_t count;
	put_events(&place, 2100);
	put_event(&place, SR_EVENT_SECRET_READ, "prod/a");
	ck_assert_uint_eq(place.store->ops->begin_read(place.store, &tx, &err), CKR_OK);
	ck_assert_uint_eq(place.store->ops->event_indexed(tx, &last, &err), CKR_OK);
	ck_assert_uint_eq(last, 2000);
	ck_assert_uint_eq(sr_audit_query_run(place.store, tx, &query, &ids, &count, &err), CKR_OK);
	place.store->ops->rollback(tx);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(ids[2], 2107);
	free(ids);
}
END_TEST

/* After an upgrade the indexes catch up by 2,000 records a commit. */
START_TEST(query_indexes_catch_up)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	uint64_t last;
	put_events(&place, 4500);
	tamper(&place, "DELETE FROM event_time; DELETE FROM event_path; DELETE FROM event_actor; "
		       "DELETE FROM event_token; DELETE FROM event_word; DELETE FROM event_indexed");
	ck_assert_uint_eq(place_reopen(&place, &err), CKR_OK);
	for (unsigned i = 1; i <= 3; i++) {
		put_events(&place, 1);
		ck_assert_uint_eq(place.store->ops->begin_read(place.store, &tx, &err), CKR_OK);
		ck_assert_uint_eq(place.store->ops->event_indexed(tx, &last, &err), CKR_OK);
		place.store->ops->rollback(tx);
		ck_assert_uint_eq(last, i < 3 ? i * 2000 : 4000);
	}
}
END_TEST

static void add_case(Suite *suite, const char *name, SFun before, SFun after, const TTest *const *tests)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, before, after);
	for (; *tests; tests++)
		tcase_add_test(tcase, *tests);
	suite_add_tcase(suite, tcase);
}

Suite *sr_suite_audit(void)
{
	Suite *suite = suite_create("audit");
	TCase *chain = tcase_create("chain");
	tcase_add_test(chain, chain_as_documented);
	tcase_add_test(chain, chain_refuses_other_ids);
	tcase_add_loop_test(chain, chain_covers_every_field, 0, sizeof fields / sizeof fields[0]);
	suite_add_tcase(suite, chain);
	add_case(suite, "heads", heads_setup, heads_teardown,
		(const TTest *const[]){ heads_keep_the_newest, heads_refuse_damage, heads_refuse_another_history,
			heads_refuse_bad_places, NULL });
	add_case(suite, "query", query_setup, teardown,
		(const TTest *const[]){ query_criteria, query_newest_of_several_events, query_indexes_trail,
			query_indexes_catch_up, NULL });
	TCase *choice = tcase_create("query choice");
	tcase_add_loop_test(choice, query_choice, 0, (int)(sizeof choices / sizeof choices[0]));
	suite_add_tcase(suite, choice);
	return suite;
}
