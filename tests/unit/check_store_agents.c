/* Agents, what schema 3 added to tokens and members, and which tokens reach a path: in and out, and by index. */
#include "store_fixture.h"
#include "suites.h"

#include <stdio.h>
#include <string.h>

static void assert_buf(const struct sr_buf *a, const struct sr_buf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	if (a->len > 0)
		ck_assert_mem_eq(a->data, b->data, a->len);
}

static void assert_end(const struct sr_end *a, const struct sr_end *b)
{
	ck_assert_int_eq(a->wall_ms, b->wall_ms);
	ck_assert_int_eq(a->boot_ms, b->boot_ms);
	ck_assert_str_eq(a->boot_id, b->boot_id);
}

static void fill(struct sr_buf *buf, size_t len)
{
	sr_buf_clear(buf);
	while (buf->len < len)
		sr_buf_append(buf, "x", 1);
}

/* -- agents ------------------------------------------------------------------------------------------------------ */

static void assert_agent(const struct sr_agent_row *out, const struct sr_agent_row *in)
{
	ck_assert_str_eq(out->name, in->name);
	ck_assert_mem_eq(out->hash, in->hash, SR_HASH_LEN);
	ck_assert_mem_eq(out->old_hash, in->old_hash, SR_HASH_LEN);
	assert_end(&out->old_end, &in->old_end);
	assert_buf(&out->scopes, &in->scopes);
	assert_buf(&out->allowed_ips, &in->allowed_ips);
	assert_buf(&out->description, &in->description);
	ck_assert_int_eq(out->max_ttl_ms, in->max_ttl_ms);
	ck_assert_uint_eq(out->max_uses, in->max_uses);
	assert_end(&out->end, &in->end);
	ck_assert_int_eq(out->state, in->state);
	ck_assert_str_eq(out->owner, in->owner);
	ck_assert_int_eq(out->created_ms, in->created_ms);
	ck_assert_uint_eq(out->cut, in->cut);
	ck_assert_uint_eq(out->mark.event_id, in->mark.event_id);
	ck_assert_mem_eq(out->mark.mac, in->mark.mac, SR_MAC_LEN);
}

static void put_agent(struct sr_tx *tx, struct sr_agent_row row)
{
	assert_ok(store->ops->agent_put(tx, &row, &store_error));
	sr_agent_row_clear(&row);
}

static void assert_agent_stored(struct sr_tx *tx, const struct sr_agent_row *in)
{
	struct sr_agent_row out;
	bool found;
	assert_ok(store->ops->agent_get(tx, in->name, &out, &found, &store_error));
	ck_assert(found);
	assert_agent(&out, in);
	sr_agent_row_clear(&out);
}

START_TEST(agent_rows)
{
	struct sr_agent_row in = store_agent("bot"), out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->agent_get(tx, "bot", &out, &found, &store_error));
	ck_assert(!found && out.name[0] == '\0');
	assert_ok(store->ops->agent_put(tx, &in, &store_error));
	assert_agent_stored(tx, &in);
	/* everything that may be absent is, and a new row takes the old one's place */
	sr_buf_clear(&in.allowed_ips);
	sr_buf_clear(&in.description);
	memset(&in.end, 0, sizeof in.end);
	memset(&in.old_end, 0, sizeof in.old_end);
	memset(in.old_hash, 0, sizeof in.old_hash);
	in.hash[31] = 9;
	in.max_ttl_ms = 0, in.max_uses = 0, in.cut = 0, in.created_ms = 5, in.mark.event_id = 6;
	in.state = SR_AGENT_REVOKED;
	strcpy(in.owner, "bob");
	assert_ok(store->ops->agent_put(tx, &in, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_agent_stored(tx, &in);
	store_commit(tx);
	sr_agent_row_clear(&in);
}
END_TEST

/* By the key that is, and by the one before. */
START_TEST(agents_by_hash)
{
	struct sr_agent_row bot = store_agent("bot"), other = store_agent("other"), out;
	uint8_t unknown[SR_HASH_LEN] = { 1 };
	bool found;
	struct sr_tx *tx = store_write();
	memset(other.old_hash, 0xc3, sizeof other.old_hash);
	assert_ok(store->ops->agent_put(tx, &bot, &store_error));
	assert_ok(store->ops->agent_put(tx, &other, &store_error));
	assert_ok(store->ops->agent_by_hash(tx, other.hash, &out, &found, &store_error));
	ck_assert(found);
	assert_agent(&out, &other);
	sr_agent_row_clear(&out);
	assert_ok(store->ops->agent_by_hash(tx, bot.old_hash, &out, &found, &store_error));
	ck_assert(found);
	assert_agent(&out, &bot);
	sr_agent_row_clear(&out);
	assert_ok(store->ops->agent_by_hash(tx, unknown, &out, &found, &store_error));
	ck_assert(!found && out.name[0] == '\0');
	memcpy(other.hash, bot.hash, sizeof other.hash); /* one key, one agent */
	assert_refused(store->ops->agent_put(tx, &other, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	store_commit(tx);
	sr_agent_row_clear(&bot);
	sr_agent_row_clear(&other);
}
END_TEST

START_TEST(agents_by_name)
{
	static const char *const names[] = { "c", "a", "b-2", "b" };
	struct gathered all = { .count = 0 }, two = { .stop_after = 2 };
	struct sr_tx *tx = store_write();
	for (size_t i = 0; i < 4; i++)
		put_agent(tx, store_agent(names[i]));
	assert_ok(store->ops->agent_list(tx, gather_agent, &all, &store_error));
	ck_assert_str_eq(all.text, "a b b-2 c ");
	assert_ok(store->ops->agent_list(tx, gather_agent, &two, &store_error));
	ck_assert_str_eq(two.text, "a b ");
	store_commit(tx);
}
END_TEST

#define refuse_agent(change, column)                                                                                  \
	do {                                                                                                          \
		struct sr_agent_row row = store_agent("bot");                                                         \
		change;                                                                                               \
		assert_refused(store->ops->agent_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL); \
		ck_assert_msg(strstr(store_error.text, "its " column " "), "%s", store_error.text);                   \
		sr_agent_row_clear(&row);                                                                             \
	} while (0)

START_TEST(agents_that_cannot_be_written)
{
	struct sr_tx *tx = store_write();
	refuse_agent(row.name[0] = '\0', "name");
	refuse_agent(row.name[0] = 'B', "name");
	refuse_agent(row.old_end.wall_ms = -1, "old_end.wall_ms");
	refuse_agent(row.old_end.boot_ms = -1, "old_end.boot_ms");
	refuse_agent(memset(row.old_end.boot_id, 'x', sizeof row.old_end.boot_id), "old_end.boot_id");
	refuse_agent(sr_buf_clear(&row.scopes), "scopes");
	refuse_agent(fill(&row.scopes, 32769), "scopes");
	refuse_agent(sr_buf_append(&row.scopes, "\xff\n", 2), "scopes");
	refuse_agent(fill(&row.allowed_ips, 8193), "allowed_ips");
	refuse_agent(sr_buf_append(&row.allowed_ips, "\x01\n", 2), "allowed_ips");
	refuse_agent(fill(&row.description, 1025), "description");
	refuse_agent(sr_buf_append(&row.description, "\0", 1), "description");
	refuse_agent(row.max_ttl_ms = -1, "max_ttl_ms");
	refuse_agent(row.max_uses = UINT64_MAX, "max_uses");
	refuse_agent(row.end.wall_ms = -1, "end.wall_ms");
	refuse_agent(row.end.boot_ms = INT64_MIN, "end.boot_ms");
	refuse_agent(row.end.boot_id[0] = '\x1f', "end.boot_id");
	refuse_agent(row.state = SR_AGENT_STATE_COUNT, "state");
	refuse_agent(row.owner[0] = '\0', "owner");
	refuse_agent(memset(row.owner, 'a', sizeof row.owner), "owner");
	refuse_agent(row.created_ms = -1, "created_ms");
	refuse_agent(row.cut = UINT64_MAX, "cut");
	refuse_agent(row.mark.event_id = 0, "mark.event_id");
	store_commit(tx);
	tx = store_read();
	struct gathered none = { .count = 0 };
	assert_ok(store->ops->agent_list(tx, gather_agent, &none, &store_error));
	ck_assert_int_eq(none.count, 0);
	store_commit(tx);
}
END_TEST

START_TEST(agents_at_their_bounds)
{
	struct sr_agent_row row = store_agent("bot");
	struct sr_tx *tx = store_write();
	memset(row.name, 'n', SR_NAME_MAX - 1);
	memset(row.owner, 'o', SR_NAME_MAX - 1);
	memset(row.end.boot_id, 'b', SR_BOOT_ID_MAX - 1);
	fill(&row.scopes, 32768);
	fill(&row.allowed_ips, 8192);
	fill(&row.description, 1024);
	row.max_uses = INT64_MAX, row.cut = INT64_MAX, row.end.wall_ms = INT64_MAX;
	assert_ok(store->ops->agent_put(tx, &row, &store_error));
	assert_agent_stored(tx, &row);
	store_commit(tx);
	sr_agent_row_clear(&row);
}
END_TEST

struct altered {
	const char *sql, *column;
};

static const struct altered agents[] = {
	{ "UPDATE agent SET name = 'Bot'", "name" },
	{ "UPDATE agent SET hash = zeroblob(31)", "hash" },
	{ "UPDATE agent SET old_hash = zeroblob(33)", "old_hash" },
	{ "UPDATE agent SET old_end_wall_ms = -1", "old_end_wall_ms" },
	{ "UPDATE agent SET old_end_boot_ms = -1", "old_end_boot_ms" },
	{ "UPDATE agent SET old_end_boot_id = printf('%.40c', 'x')", "old_end_boot_id" },
	{ "UPDATE agent SET scopes = printf('%.32769c', 'x')", "scopes" },
	{ "UPDATE agent SET scopes = ''", "scopes" },
	{ "UPDATE agent SET allowed_ips = CAST(x'ff0a' AS TEXT)", "allowed_ips" },
	{ "UPDATE agent SET description = printf('%.1025c', 'x')", "description" },
	{ "UPDATE agent SET max_ttl_ms = -1", "max_ttl_ms" },
	{ "UPDATE agent SET max_uses = -1", "max_uses" },
	{ "UPDATE agent SET end_wall_ms = -1", "end_wall_ms" },
	{ "UPDATE agent SET end_boot_ms = -1", "end_boot_ms" },
	{ "UPDATE agent SET end_boot_id = CAST(x'01' AS TEXT)", "end_boot_id" },
	{ "UPDATE agent SET state = 'asleep'", "state" },
	{ "UPDATE agent SET owner = ''", "owner" },
	{ "UPDATE agent SET owner = printf('%.33c', 'a')", "owner" },
	{ "UPDATE agent SET created_ms = -1", "created_ms" },
	{ "UPDATE agent SET cut = -1", "cut" },
	{ "UPDATE agent SET event_id = 0", "event_id" },
	{ "UPDATE agent SET mac = zeroblob(31)", "mac" },
};

static void assert_unreadable(CK_RV rv, const char *table, const char *column)
{
	assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
	ck_assert_msg(strstr(store_error.text, table) && strstr(store_error.text, column), "%s", store_error.text);
}

START_TEST(agents_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_write();
	put_agent(tx, store_agent("bot"));
	store_commit(tx);
	store_sql(agents[_i].sql);
	tx = store_read();
	assert_unreadable(
		store->ops->agent_list(tx, gather_agent, &list, &store_error), "table agent", agents[_i].column);
	ck_assert_int_eq(list.count, 0);
	store_commit(tx);
}
END_TEST

/* -- tokens ------------------------------------------------------------------------------------------------------ */

static void put_token(struct sr_tx *tx, const char *id, int64_t created_ms)
{
	struct sr_token_row row = store_token(id, "");
	row.created_ms = created_ms;
	assert_ok(store->ops->token_put(tx, &row, &store_error));
	sr_token_row_clear(&row);
}

START_TEST(token_columns)
{
	struct sr_token_row row = store_token("t-a", ""), out;
	bool found;
	struct sr_tx *tx = store_write();
	strcpy(row.owner, "alice");
	strcpy(row.approval, "p-abcdefghijklmnopq");
	assert_ok(store->ops->token_put(tx, &row, &store_error));
	assert_ok(store->ops->token_get(tx, "t-a", &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.owner, "alice");
	ck_assert_str_eq(out.approval, "p-abcdefghijklmnopq");
	sr_token_row_clear(&out);
	strcpy(row.owner, "bob"); /* replaced, and taken away */
	row.approval[0] = '\0';
	assert_ok(store->ops->token_put(tx, &row, &store_error));
	assert_ok(store->ops->token_get(tx, "t-a", &out, &found, &store_error));
	ck_assert_str_eq(out.owner, "bob");
	ck_assert_str_eq(out.approval, "");
	sr_token_row_clear(&out);
	strcpy(row.owner, "Bob");
	assert_refused(store->ops->token_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	strcpy(row.owner, "bob");
	memset(row.approval, 'x', sizeof row.approval);
	assert_refused(store->ops->token_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	strcpy(row.approval, "\x01");
	assert_refused(store->ops->token_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL);
	store_commit(tx);
	sr_token_row_clear(&row);
}
END_TEST

static const struct altered tokens[] = {
	{ "UPDATE token SET owner = 'Alice'", "owner" },
	{ "UPDATE token SET owner = printf('%.33c', 'a')", "owner" },
	{ "UPDATE token SET approval = printf('%.20c', 'a')", "approval" },
	{ "UPDATE token SET approval = CAST(x'ff' AS TEXT)", "approval" },
};

START_TEST(tokens_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_write();
	put_token(tx, "t-a", 1);
	store_commit(tx);
	store_sql(tokens[_i].sql);
	tx = store_read();
	assert_unreadable(
		store->ops->token_list(tx, gather_token, &list, &store_error), "table token", tokens[_i].column);
	store_commit(tx);
}
END_TEST

/* -- what tokens reach ------------------------------------------------------------------------------------------- */

static void reach(struct sr_tx *tx, const char *id, const char *prefix)
{
	assert_ok(store->ops->token_reach_put(tx, id, prefix, &store_error));
}

static void put_reaches(void)
{
	struct sr_tx *tx = store_write();
	static const char *const ids[] = { "t-all", "t-a", "t-ab", "t-abc", "t-b", "t-utf" };
	for (size_t i = 0; i < 6; i++)
		put_token(tx, ids[i], 1000 + (int64_t)i);
	reach(tx, "t-all", "");
	reach(tx, "t-a", "a/");
	reach(tx, "t-ab", "a/b");
	reach(tx, "t-ab", "a/b"); /* once is enough */
	reach(tx, "t-ab", "c/d");
	reach(tx, "t-abc", "a/bc/");
	reach(tx, "t-b", "b/");
	reach(tx, "t-utf", "\xc3\xa4/x");
	store_commit(tx);
}

static const struct {
	const char *prefix, *ids;
	int stop_after;
} nears[] = {
	{ "a/b", "t-abc t-ab t-a t-all ", 0 },
	{ "a/b", "t-abc t-ab ", 2 },
	{ "a/bc/d", "t-abc t-ab t-a t-all ", 0 },
	{ "a/c", "t-a t-all ", 0 },
	{ "a", "t-abc t-ab t-a t-all ", 0 },
	{ "b/x", "t-b t-all ", 0 },
	{ "c/", "t-ab t-all ", 0 },
	{ "\xc3\xa4/x/y", "t-utf t-all ", 0 },
	{ "\xc3\xa4", "t-utf t-all ", 0 },
	{ "", "t-utf t-b t-abc t-ab t-a t-all ", 0 },
};

START_TEST(tokens_near_a_path)
{
	struct gathered list = { .stop_after = nears[_i].stop_after };
	put_reaches();
	struct sr_tx *tx = store_read();
	assert_ok(store->ops->token_near(tx, nears[_i].prefix, gather_token, &list, &store_error));
	ck_assert_str_eq(list.text, nears[_i].ids);
	store_commit(tx);
}
END_TEST

START_TEST(reaches_are_dropped)
{
	struct gathered list = { .count = 0 };
	put_reaches();
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->token_reach_drop(tx, "t-ab", &store_error));
	assert_ok(store->ops->token_reach_drop(tx, "t-ab", &store_error)); /* nothing left of it */
	assert_ok(store->ops->token_near(tx, "c/d", gather_token, &list, &store_error));
	assert_ok(store->ops->token_near(tx, "a/b", gather_token, &list, &store_error));
	ck_assert_str_eq(list.text, "t-all t-abc t-a t-all ");
	store_commit(tx);
}
END_TEST

START_TEST(reaches_that_cannot_be_written)
{
	char longest[SR_PATH_MAX + 2];
	struct sr_tx *tx = store_write();
	put_token(tx, "t-a", 1);
	memset(longest, 'p', sizeof longest);
	longest[SR_PATH_MAX + 1] = '\0';
	assert_refused(store->ops->token_reach_put(tx, "t-a", longest, &store_error), CKR_DEVICE_ERROR,
		SR_REASON_STORE_FAILED);
	reach(tx, "t-a", longest + 1);
	store_commit(tx);
	tx = store_write();
	reach(tx, "t-nobody", "a/"); /* looked at when it is committed */
	assert_refused(store->ops->commit(tx, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
}
END_TEST

/* -- members ----------------------------------------------------------------------------------------------------- */

START_TEST(member_columns)
{
	struct sr_member_row row = store_member("alice"), out;
	bool found;
	struct sr_tx *tx = store_write();
	strcpy(row.allowed_ips, "10.0.0.0/8\nunix\n");
	strcpy(row.made_by, "bob");
	row.fresh = (struct sr_end){ .wall_ms = 41, .boot_ms = 42, .boot_id = "a-boot" };
	row.cut = 43;
	assert_ok(store->ops->member_put(tx, &row, &store_error));
	assert_ok(store->ops->member_get(tx, "alice", &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.allowed_ips, row.allowed_ips);
	ck_assert_str_eq(out.made_by, "bob");
	assert_end(&out.fresh, &row.fresh);
	ck_assert_uint_eq(out.cut, 43);
	memset(row.allowed_ips, 'x', SR_MEMBER_ALLOWED_MAX);
	row.made_by[0] = '\0';
	memset(&row.fresh, 0, sizeof row.fresh);
	row.cut = 0;
	assert_ok(store->ops->member_put(tx, &row, &store_error));
	assert_ok(store->ops->member_get(tx, "alice", &out, &found, &store_error));
	ck_assert_uint_eq(strlen(out.allowed_ips), SR_MEMBER_ALLOWED_MAX);
	ck_assert_str_eq(out.made_by, "");
	assert_end(&out.fresh, &row.fresh);
	ck_assert_uint_eq(out.cut, 0);
	store_commit(tx);
}
END_TEST

#define refuse_member(change, column)                                                                                  \
	do {                                                                                                           \
		struct sr_member_row row = store_member("alice");                                                      \
		change;                                                                                                \
		assert_refused(store->ops->member_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL); \
		ck_assert_msg(strstr(store_error.text, "its " column " "), "%s", store_error.text);                    \
	} while (0)

START_TEST(members_that_cannot_be_written)
{
	struct sr_tx *tx = store_write();
	refuse_member(memset(row.allowed_ips, 'x', sizeof row.allowed_ips), "allowed_ips");
	refuse_member(strcpy(row.allowed_ips, "\xff"), "allowed_ips");
	refuse_member(strcpy(row.made_by, "Bob"), "made_by");
	refuse_member(memset(row.made_by, 'b', sizeof row.made_by), "made_by");
	refuse_member(row.fresh.wall_ms = -1, "fresh.wall_ms");
	refuse_member(row.fresh.boot_ms = -1, "fresh.boot_ms");
	refuse_member(memset(row.fresh.boot_id, 'x', sizeof row.fresh.boot_id), "fresh.boot_id");
	refuse_member(row.cut = UINT64_MAX, "cut");
	store_commit(tx);
}
END_TEST

static const struct altered members[] = {
	{ "UPDATE member SET allowed_ips = printf('%.1025c', 'x')", "allowed_ips" },
	{ "UPDATE member SET allowed_ips = CAST(x'01' AS TEXT)", "allowed_ips" },
	{ "UPDATE member SET made_by = 'Bob'", "made_by" },
	{ "UPDATE member SET fresh_wall_ms = -1", "fresh_wall_ms" },
	{ "UPDATE member SET fresh_boot_ms = -1", "fresh_boot_ms" },
	{ "UPDATE member SET fresh_boot_id = printf('%.40c', 'x')", "fresh_boot_id" },
	{ "UPDATE member SET cut = -1", "cut" },
};

START_TEST(members_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_member_row row = store_member("alice");
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->member_put(tx, &row, &store_error));
	store_commit(tx);
	store_sql(members[_i].sql);
	tx = store_read();
	assert_unreadable(
		store->ops->member_list(tx, gather_member, &list, &store_error), "table member", members[_i].column);
	store_commit(tx);
}
END_TEST

/* -- by index ---------------------------------------------------------------------------------------------------- */

static const struct {
	enum sr_sql sql;
	const char *plan;
} plans[] = {
	{ SR_SQL_AGENT_GET, "SEARCH agent USING PRIMARY KEY (name=?)\n" },
	{ SR_SQL_AGENT_BY_HASH, "MULTI-INDEX OR\nINDEX 1\nSEARCH agent USING INDEX sqlite_autoindex_agent_2 (hash=?)\n"
				"INDEX 2\nSEARCH agent USING INDEX agent_old_hash (old_hash=?)\n" },
	{ SR_SQL_AGENT_LIST, "SCAN agent\n" },
	{ SR_SQL_TOKEN_REACH_DROP, "SEARCH token_reach USING COVERING INDEX token_reach_id (id=?)\n" },
};

START_TEST(by_index)
{
	ck_assert_str_eq(store_plan(plans[_i].sql), plans[_i].plan);
}
END_TEST

/* What is near is found by two searches, and no table is read from end to end but the list of the path's prefixes. */
START_TEST(near_is_by_index)
{
	const char *plan = store_plan(SR_SQL_TOKEN_NEAR);
	ck_assert_msg(strstr(plan, "SEARCH token_reach USING PRIMARY KEY (prefix=?)"), "%s", plan);
	ck_assert_msg(strstr(plan, "SEARCH token_reach USING PRIMARY KEY (prefix>? AND prefix<?)"), "%s", plan);
	ck_assert_msg(!strstr(plan, "SCAN token"), "%s", plan);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_store_agents(void)
{
	Suite *suite = suite_create("store_agents");
	TCase *c = tcase_create("agents");
	tcase_add_checked_fixture(c, store_start, store_clean);
	tcase_add_test(c, agent_rows);
	tcase_add_test(c, agents_by_hash);
	tcase_add_test(c, agents_by_name);
	tcase_add_test(c, agents_that_cannot_be_written);
	tcase_add_test(c, agents_at_their_bounds);
	tcase_add_loop_test(c, agents_that_cannot_be, 0, ROWS(agents));
	tcase_add_test(c, token_columns);
	tcase_add_loop_test(c, tokens_that_cannot_be, 0, ROWS(tokens));
	tcase_add_loop_test(c, tokens_near_a_path, 0, ROWS(nears));
	tcase_add_test(c, reaches_are_dropped);
	tcase_add_test(c, reaches_that_cannot_be_written);
	tcase_add_test(c, member_columns);
	tcase_add_test(c, members_that_cannot_be_written);
	tcase_add_loop_test(c, members_that_cannot_be, 0, ROWS(members));
	tcase_add_loop_test(c, by_index, 0, ROWS(plans));
	tcase_add_test(c, near_is_by_index);
	suite_add_tcase(suite, c);
	return suite;
}
