/* Policies, approvals and what is above the standard tier: in and out, in their orders, and by index. */
#include "store_fixture.h"
#include "suites.h"

#include <stdio.h>
#include <string.h>

static void assert_end(const struct sr_end *a, const struct sr_end *b)
{
	ck_assert_int_eq(a->wall_ms, b->wall_ms);
	ck_assert_int_eq(a->boot_ms, b->boot_ms);
	ck_assert_str_eq(a->boot_id, b->boot_id);
}

static void assert_mark(const struct sr_mark *a, const struct sr_mark *b)
{
	ck_assert_uint_eq(a->event_id, b->event_id);
	ck_assert_mem_eq(a->mac, b->mac, SR_MAC_LEN);
}

static void assert_unreadable(CK_RV rv, const char *table, const char *column)
{
	assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
	ck_assert_msg(strstr(store_error.text, table) && strstr(store_error.text, column), "%s", store_error.text);
}

struct altered {
	const char *sql, *column;
};

START_TEST(words)
{
	static const char *const kinds[] = { "token", "policy", "tier", "use", "release", "unknown" };
	static const char *const states[] = { "pending", "approved", "in_effect", "denied", "canceled", "timed_out",
		"expired", "unknown" };
	static const char *const agents[] = { "active", "suspended", "revoked", "unknown" };
	for (unsigned i = 0; i <= SR_APPROVAL_KIND_COUNT; i++)
		ck_assert_str_eq(sr_approval_kind_word(i), kinds[i]);
	for (unsigned i = 0; i <= SR_APPROVAL_STATE_COUNT; i++)
		ck_assert_str_eq(sr_approval_state_word(i), states[i]);
	for (unsigned i = 0; i <= SR_AGENT_STATE_COUNT; i++)
		ck_assert_str_eq(sr_agent_state_word(i), agents[i]);
}
END_TEST

/* -- policies ---------------------------------------------------------------------------------------------------- */

static void assert_policy_stored(struct sr_tx *tx, const struct sr_policy_row *in)
{
	struct sr_policy_row out;
	bool found;
	assert_ok(store->ops->policy_get(tx, in->tier, in->glob, &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.glob, in->glob);
	ck_assert_int_eq(out.tier, in->tier);
	ck_assert_int_eq(out.active, in->active);
	ck_assert_uint_eq(out.approvals, in->approvals);
	ck_assert_int_eq(out.delay_ms, in->delay_ms);
	ck_assert_int_eq(out.timeout_ms, in->timeout_ms);
	ck_assert_int_eq(out.break_glass, in->break_glass);
	ck_assert_int_eq(out.each_use, in->each_use);
	ck_assert_str_eq(out.author, in->author);
	ck_assert_int_eq(out.created_ms, in->created_ms);
	ck_assert_int_eq(out.updated_ms, in->updated_ms);
	assert_mark(&out.mark, &in->mark);
}

static void put_policy(struct sr_tx *tx, enum sr_tier tier, const char *glob, bool active)
{
	struct sr_policy_row row = store_policy(tier, glob);
	row.active = active;
	assert_ok(store->ops->policy_put(tx, &row, &store_error));
}

/* One for each tier and glob. */
START_TEST(policy_rows)
{
	struct sr_policy_row in = store_policy(SR_TIER_CRITICAL, "a/*"), other = store_policy(SR_TIER_SENSITIVE, "a/*"),
			     out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->policy_get(tx, SR_TIER_CRITICAL, "a/*", &out, &found, &store_error));
	ck_assert(!found && out.glob[0] == '\0');
	assert_ok(store->ops->policy_put(tx, &in, &store_error));
	assert_ok(store->ops->policy_put(tx, &other, &store_error));
	in.active = false, in.break_glass = false, in.each_use = true;
	in.approvals = 0, in.delay_ms = 0, in.timeout_ms = 1, in.created_ms = 1, in.updated_ms = 2;
	in.mark.event_id = 3, in.mark.mac[31] = 4;
	strcpy(in.author, "bob");
	assert_ok(store->ops->policy_put(tx, &in, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_policy_stored(tx, &in);
	assert_policy_stored(tx, &other);
	assert_ok(store->ops->policy_get(tx, SR_TIER_CRITICAL, "a/", &out, &found, &store_error));
	ck_assert(!found);
	store_commit(tx);
}
END_TEST

START_TEST(policies_in_order)
{
	struct gathered all = { .count = 0 }, two = { .stop_after = 2 }, critical = { .count = 0 },
			one = { .stop_after = 1 };
	struct sr_tx *tx = store_write();
	put_policy(tx, SR_TIER_SENSITIVE, "b/*", true);
	put_policy(tx, SR_TIER_CRITICAL, "b/*", true);
	put_policy(tx, SR_TIER_CRITICAL, "a/*", true);
	put_policy(tx, SR_TIER_STANDARD, "*", true);
	put_policy(tx, SR_TIER_CRITICAL, "deleted/*", false);
	assert_ok(store->ops->policy_list(tx, SR_TIER_COUNT, gather_policy, &all, &store_error));
	ck_assert_str_eq(all.text, "standard:* critical:a/* critical:b/* sensitive:b/* ");
	assert_ok(store->ops->policy_list(tx, SR_TIER_COUNT, gather_policy, &two, &store_error));
	ck_assert_str_eq(two.text, "standard:* critical:a/* ");
	assert_ok(store->ops->policy_list(tx, SR_TIER_CRITICAL, gather_policy, &critical, &store_error));
	ck_assert_str_eq(critical.text, "critical:a/* critical:b/* ");
	assert_ok(store->ops->policy_list(tx, SR_TIER_CRITICAL, gather_policy, &one, &store_error));
	ck_assert_str_eq(one.text, "critical:a/* ");
	store_commit(tx);
}
END_TEST

#define refuse_policy(change, column)                                                                                  \
	do {                                                                                                           \
		struct sr_policy_row row = store_policy(SR_TIER_CRITICAL, "a/*");                                      \
		change;                                                                                                \
		assert_refused(store->ops->policy_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL); \
		ck_assert_msg(strstr(store_error.text, "its " column " "), "%s", store_error.text);                    \
	} while (0)

START_TEST(policies_that_cannot_be_written)
{
	struct sr_tx *tx = store_write();
	refuse_policy(row.tier = SR_TIER_COUNT, "tier");
	refuse_policy(row.glob[0] = '\0', "glob");
	refuse_policy(strcpy(row.glob, "a//b"), "glob");
	refuse_policy(memset(row.glob, 'g', sizeof row.glob), "glob");
	refuse_policy(row.approvals = 11, "approvals");
	refuse_policy(row.approvals = UINT32_MAX, "approvals");
	refuse_policy(row.delay_ms = -1, "delay_ms");
	refuse_policy(row.timeout_ms = 0, "timeout_ms");
	refuse_policy(row.timeout_ms = INT64_MIN, "timeout_ms");
	refuse_policy(row.author[0] = '\0', "author");
	refuse_policy(row.author[0] = 'A', "author");
	refuse_policy(row.created_ms = -1, "created_ms");
	refuse_policy(row.updated_ms = -1, "updated_ms");
	refuse_policy(row.mark.event_id = 0, "mark.event_id");
	struct sr_policy_row most = store_policy(SR_TIER_CRITICAL, "a/*");
	memset(most.glob, 'g', SR_PATH_MAX);
	most.approvals = 10, most.delay_ms = INT64_MAX, most.timeout_ms = INT64_MAX;
	assert_ok(store->ops->policy_put(tx, &most, &store_error));
	assert_policy_stored(tx, &most);
	store_commit(tx);
}
END_TEST

static const struct altered policies[] = {
	{ "UPDATE policy SET tier = 'low'", "tier" },
	{ "UPDATE policy SET glob = 'a//b'", "glob" },
	{ "UPDATE policy SET glob = printf('%.513c', 'g')", "glob" },
	{ "UPDATE policy SET approvals = 11", "approvals" },
	{ "UPDATE policy SET approvals = -1", "approvals" },
	{ "UPDATE policy SET approvals = 4294967297", "approvals" },
	{ "UPDATE policy SET delay_ms = -1", "delay_ms" },
	{ "UPDATE policy SET timeout_ms = 0", "timeout_ms" },
	{ "UPDATE policy SET break_glass = 2", "break_glass" },
	{ "UPDATE policy SET each_use = -1", "each_use" },
	{ "UPDATE policy SET author = ''", "author" },
	{ "UPDATE policy SET created_ms = -1", "created_ms" },
	{ "UPDATE policy SET updated_ms = -1", "updated_ms" },
	{ "UPDATE policy SET event_id = 0", "event_id" },
	{ "UPDATE policy SET mac = zeroblob(31)", "mac" },
};

START_TEST(policies_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_write();
	put_policy(tx, SR_TIER_CRITICAL, "a/*", true);
	store_commit(tx);
	store_sql(policies[_i].sql);
	tx = store_read();
	assert_unreadable(store->ops->policy_list(tx, SR_TIER_COUNT, gather_policy, &list, &store_error),
		"table policy", policies[_i].column);
	ck_assert_int_eq(list.count, 0);
	store_commit(tx);
}
END_TEST

/* Neither active nor not: it is in no list, and refused where it is asked for. */
START_TEST(a_policy_is_active_or_not)
{
	struct sr_policy_row row;
	bool found;
	struct sr_tx *tx = store_write();
	put_policy(tx, SR_TIER_CRITICAL, "a/*", true);
	store_commit(tx);
	store_sql("UPDATE policy SET active = 2");
	tx = store_read();
	assert_unreadable(store->ops->policy_get(tx, SR_TIER_CRITICAL, "a/*", &row, &found, &store_error),
		"table policy", "active");
	store_commit(tx);
}
END_TEST

/* -- approvals --------------------------------------------------------------------------------------------------- */

static void assert_approval_stored(struct sr_tx *tx, const struct sr_approval_row *in)
{
	struct sr_approval_row out;
	bool found;
	assert_ok(store->ops->approval_get(tx, in->id, &out, &found, &store_error));
	ck_assert(found);
	ck_assert_str_eq(out.id, in->id);
	ck_assert_int_eq(out.kind, in->kind);
	ck_assert_str_eq(out.target, in->target);
	ck_assert_str_eq(out.change, in->change);
	ck_assert_uint_eq(out.base, in->base);
	ck_assert_str_eq(out.path, in->path);
	ck_assert_int_eq(out.tier, in->tier);
	ck_assert_uint_eq(out.needed, in->needed);
	ck_assert_int_eq(out.delay_ms, in->delay_ms);
	ck_assert_int_eq(out.ttl_ms, in->ttl_ms);
	ck_assert_str_eq(out.requester, in->requester);
	ck_assert_str_eq(out.owner, in->owner);
	ck_assert_str_eq(out.reason, in->reason);
	ck_assert_int_eq(out.created_ms, in->created_ms);
	assert_end(&out.deadline, &in->deadline);
	assert_end(&out.ready, &in->ready);
	assert_end(&out.end, &in->end);
	ck_assert_int_eq(out.state, in->state);
	ck_assert_str_eq(out.votes, in->votes);
	ck_assert_str_eq(out.decided_by, in->decided_by);
	ck_assert_str_eq(out.decision, in->decision);
	ck_assert_int_eq(out.break_glass, in->break_glass);
	assert_mark(&out.mark, &in->mark);
}

START_TEST(approval_rows)
{
	struct sr_approval_row in = store_approval("p-a", "policy:2:a/*"), out;
	bool found;
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->approval_get(tx, "p-a", &out, &found, &store_error));
	ck_assert(!found && out.id[0] == '\0');
	assert_ok(store->ops->approval_put(tx, &in, &store_error));
	assert_approval_stored(tx, &in);
	/* the same, pending, with nothing that may be absent */
	struct sr_approval_row bare = { .kind = SR_APPROVAL_TOKEN,
		.target = "token:t-a",
		.needed = 1,
		.ttl_ms = 1,
		.requester = "member:bob",
		.owner = "bob",
		.state = SR_APPROVAL_PENDING,
		.mark.event_id = 1 };
	strcpy(bare.id, in.id);
	assert_ok(store->ops->approval_put(tx, &bare, &store_error));
	store_commit(tx);
	tx = store_read();
	assert_approval_stored(tx, &bare);
	store_commit(tx);
}
END_TEST

static void put_approval(
	struct sr_tx *tx, const char *id, const char *target, int64_t created_ms, enum sr_approval_state state)
{
	struct sr_approval_row row = store_approval(id, target);
	row.created_ms = created_ms;
	row.state = state;
	assert_ok(store->ops->approval_put(tx, &row, &store_error));
}

START_TEST(approvals_newest_first)
{
	struct gathered all = { .count = 0 }, two = { .stop_after = 2 }, open = { .count = 0 }, of = { .count = 0 },
			none = { .count = 0 };
	struct sr_tx *tx = store_write();
	put_approval(tx, "p-1", "token:t-a", 10, SR_APPROVAL_PENDING);
	put_approval(tx, "p-2", "token:t-b", 20, SR_APPROVAL_DENIED);
	put_approval(tx, "p-3", "token:t-a", 30, SR_APPROVAL_TIMED_OUT);
	put_approval(tx, "p-4", "secret:a", 30, SR_APPROVAL_APPROVED);
	put_approval(tx, "p-5", "token:t-a", 15, SR_APPROVAL_IN_EFFECT);
	put_approval(tx, "p-6", "token:t-ab", 5, SR_APPROVAL_CANCELED);
	put_approval(tx, "p-7", "token:t-ab", 4, SR_APPROVAL_EXPIRED);
	assert_ok(store->ops->approval_list(tx, gather_approval, &all, &store_error));
	ck_assert_str_eq(all.text, "p-4 p-3 p-2 p-5 p-1 p-6 p-7 ");
	assert_ok(store->ops->approval_list(tx, gather_approval, &two, &store_error));
	ck_assert_str_eq(two.text, "p-4 p-3 ");
	assert_ok(store->ops->approval_open(tx, gather_approval, &open, &store_error));
	ck_assert_str_eq(open.text, "p-4 p-1 ");
	assert_ok(store->ops->approval_of(tx, "token:t-a", gather_approval, &of, &store_error));
	ck_assert_str_eq(of.text, "p-3 p-5 p-1 ");
	assert_ok(store->ops->approval_of(tx, "token:t", gather_approval, &none, &store_error));
	ck_assert_int_eq(none.count, 0);
	store_commit(tx);
}
END_TEST

#define refuse_approval(change, column)                                                                           \
	do {                                                                                                      \
		struct sr_approval_row row = store_approval("p-a", "token:t-a");                                  \
		change;                                                                                           \
		assert_refused(                                                                                   \
			store->ops->approval_put(tx, &row, &store_error), CKR_GENERAL_ERROR, SR_REASON_INTERNAL); \
		ck_assert_msg(strstr(store_error.text, "its " column " "), "%s", store_error.text);               \
	} while (0)

#define FILL(field) memset(row.field, 'x', sizeof row.field)

START_TEST(approvals_that_cannot_be_written)
{
	struct sr_tx *tx = store_write();
	refuse_approval(row.id[0] = '\0', "id");
	refuse_approval(FILL(id), "id");
	refuse_approval(row.kind = SR_APPROVAL_KIND_COUNT, "kind");
	refuse_approval(row.target[0] = '\0', "target");
	refuse_approval(FILL(target), "target");
	refuse_approval(FILL(change), "change");
	refuse_approval(strcpy(row.change, "a\nb"), "change");
	refuse_approval(row.base = UINT64_MAX, "base");
	refuse_approval(strcpy(row.path, "a//b"), "path");
	refuse_approval(row.tier = SR_TIER_COUNT, "tier");
	refuse_approval(row.needed = 0, "needed");
	refuse_approval(row.needed = 11, "needed");
	refuse_approval(row.delay_ms = -1, "delay_ms");
	refuse_approval(row.ttl_ms = 0, "ttl_ms");
	refuse_approval(row.requester[0] = '\0', "requester");
	refuse_approval(FILL(requester), "requester");
	refuse_approval(row.owner[0] = '\0', "owner");
	refuse_approval(row.owner[0] = 'A', "owner");
	refuse_approval(FILL(reason), "reason");
	refuse_approval(row.reason[0] = '\x1b', "reason");
	refuse_approval(row.created_ms = -1, "created_ms");
	refuse_approval(row.deadline.wall_ms = -1, "deadline.wall_ms");
	refuse_approval(row.deadline.boot_ms = -1, "deadline.boot_ms");
	refuse_approval(FILL(deadline.boot_id), "deadline.boot_id");
	refuse_approval(row.ready.wall_ms = -1, "ready.wall_ms");
	refuse_approval(row.ready.boot_ms = -1, "ready.boot_ms");
	refuse_approval(FILL(ready.boot_id), "ready.boot_id");
	refuse_approval(row.end.wall_ms = -1, "end.wall_ms");
	refuse_approval(row.end.boot_ms = -1, "end.boot_ms");
	refuse_approval(FILL(end.boot_id), "end.boot_id");
	refuse_approval(row.state = SR_APPROVAL_STATE_COUNT, "state");
	refuse_approval(FILL(votes), "votes");
	refuse_approval(strcpy(row.votes, "bob\x01\n"), "votes");
	refuse_approval(row.decided_by[0] = 'D', "decided_by");
	refuse_approval(FILL(decision), "decision");
	refuse_approval(row.decision[0] = '\xff', "decision");
	refuse_approval(row.mark.event_id = 0, "mark.event_id");
	store_commit(tx);
}
END_TEST

START_TEST(approvals_at_their_bounds)
{
	struct sr_approval_row row = store_approval("p-a", "token:t-a");
	struct sr_tx *tx = store_write();
	memset(row.id, 'i', SR_ID_MAX - 1);
	memset(row.target, 't', SR_SUBJECT_MAX - 1);
	memset(row.change, 'c', SR_SUBJECT_MAX - 1);
	memset(row.path, 'p', SR_PATH_MAX);
	memset(row.requester, 'r', sizeof row.requester - 1);
	memset(row.owner, 'o', SR_NAME_MAX - 1);
	memset(row.reason, 'w', SR_REASON_MAX);
	memset(row.votes, 'v', SR_VOTES_MAX);
	memset(row.decision, 'd', SR_REASON_MAX);
	memset(row.end.boot_id, 'b', SR_BOOT_ID_MAX - 1);
	row.needed = 10, row.base = INT64_MAX, row.delay_ms = INT64_MAX, row.ttl_ms = INT64_MAX;
	assert_ok(store->ops->approval_put(tx, &row, &store_error));
	assert_approval_stored(tx, &row);
	store_commit(tx);
}
END_TEST

static const struct altered approvals[] = {
	{ "UPDATE approval SET id = printf('%.20c', 'i')", "id" },
	{ "UPDATE approval SET kind = 'wish'", "kind" },
	{ "UPDATE approval SET target = ''", "target" },
	{ "UPDATE approval SET target = printf('%.529c', 't')", "target" },
	{ "UPDATE approval SET change = printf('%.529c', 't')", "change" },
	{ "UPDATE approval SET base = -1", "base" },
	{ "UPDATE approval SET path = 'a//b'", "path" },
	{ "UPDATE approval SET tier = 'low'", "tier" },
	{ "UPDATE approval SET needed = 0", "needed" },
	{ "UPDATE approval SET needed = 4294967298", "needed" },
	{ "UPDATE approval SET delay_ms = -1", "delay_ms" },
	{ "UPDATE approval SET ttl_ms = 0", "ttl_ms" },
	{ "UPDATE approval SET requester = printf('%.41c', 'r')", "requester" },
	{ "UPDATE approval SET owner = ''", "owner" },
	{ "UPDATE approval SET reason = printf('%.257c', 'r')", "reason" },
	{ "UPDATE approval SET reason = CAST(x'ff' AS TEXT)", "reason" },
	{ "UPDATE approval SET created_ms = -1", "created_ms" },
	{ "UPDATE approval SET deadline_wall_ms = -1", "deadline_wall_ms" },
	{ "UPDATE approval SET deadline_boot_ms = -1", "deadline_boot_ms" },
	{ "UPDATE approval SET deadline_boot_id = printf('%.40c', 'x')", "deadline_boot_id" },
	{ "UPDATE approval SET ready_wall_ms = -1", "ready_wall_ms" },
	{ "UPDATE approval SET ready_boot_ms = -1", "ready_boot_ms" },
	{ "UPDATE approval SET ready_boot_id = printf('%.40c', 'x')", "ready_boot_id" },
	{ "UPDATE approval SET end_wall_ms = -1", "end_wall_ms" },
	{ "UPDATE approval SET end_boot_ms = -1", "end_boot_ms" },
	{ "UPDATE approval SET end_boot_id = printf('%.40c', 'x')", "end_boot_id" },
	{ "UPDATE approval SET state = 'maybe'", "state" },
	{ "UPDATE approval SET votes = printf('%.513c', 'v')", "votes" },
	{ "UPDATE approval SET votes = CAST(x'010a' AS TEXT)", "votes" },
	{ "UPDATE approval SET decided_by = 'Dave'", "decided_by" },
	{ "UPDATE approval SET decision = printf('%.257c', 'r')", "decision" },
	{ "UPDATE approval SET break_glass = 2", "break_glass" },
	{ "UPDATE approval SET event_id = 0", "event_id" },
	{ "UPDATE approval SET mac = zeroblob(31)", "mac" },
};

START_TEST(approvals_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_write();
	put_approval(tx, "p-a", "token:t-a", 1, SR_APPROVAL_PENDING);
	store_commit(tx);
	store_sql(approvals[_i].sql);
	tx = store_read();
	assert_unreadable(store->ops->approval_list(tx, gather_approval, &list, &store_error), "table approval",
		approvals[_i].column);
	ck_assert_int_eq(list.count, 0);
	store_commit(tx);
}
END_TEST

/* -- what is above standard -------------------------------------------------------------------------------------- */

static bool gather_tier(const char *path, enum sr_tier tier, void *ctx)
{
	char name[SR_PATH_MAX + 16];
	snprintf(name, sizeof name, "%s:%.4s", path, sr_tier_name(tier));
	return gather(ctx, name);
}

static void put_tiers(void)
{
	static const struct {
		const char *path;
		enum sr_tier tier;
		bool gone;
	} rows[] = { { "b", SR_TIER_SENSITIVE, false }, { "a/b", SR_TIER_CRITICAL, false },
		{ "a/low", SR_TIER_STANDARD, false }, { "a/gone", SR_TIER_CRITICAL, true },
		{ "a0", SR_TIER_SENSITIVE, false } };
	struct sr_tx *tx = store_write();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char path[32];
		struct sr_secret_row secret = store_secret(rows[i].path);
		secret.tier = rows[i].tier;
		secret.state = rows[i].gone ? SR_SECRET_DELETED : SR_SECRET_ACTIVE;
		assert_ok(store->ops->secret_put(tx, &secret, &store_error));
		sr_secret_row_clear(&secret);
		snprintf(path, sizeof path, "%s/key", rows[i].path);
		struct sr_key_row key = store_key(path, SR_PART_PRIVATE);
		key.tier = rows[i].tier;
		key.state = rows[i].gone ? SR_KEY_DELETED : SR_KEY_ACTIVE;
		assert_ok(store->ops->key_put(tx, &key, &store_error));
		sr_key_row_clear(&key);
	}
	store_commit(tx);
}

static const struct {
	const char *prefix, *found;
	int stop_after;
} tiers[] = {
	{ "", "a/b:crit a0:sens b:sens a/b/key:crit a0/key:sens b/key:sens ", 0 },
	{ "", "a/b:crit a0:sens b:sens a/b/key:crit ", 4 },
	{ "a/", "a/b:crit a/b/key:crit ", 0 },
	{ "a/b/", "a/b/key:crit ", 0 },
	{ "a/low", "", 0 },
	{ "a/gone", "", 0 },
	{ "b", "b:sens b/key:sens ", 0 },
	{ "\xff", "", 0 },
};

START_TEST(what_is_above_standard)
{
	struct gathered list = { .stop_after = tiers[_i].stop_after };
	put_tiers();
	struct sr_tx *tx = store_read();
	assert_ok(store->ops->tier_list(tx, tiers[_i].prefix, gather_tier, &list, &store_error));
	ck_assert_str_eq(list.text, tiers[_i].found);
	store_commit(tx);
}
END_TEST

static const struct altered tier_rows[] = {
	{ "UPDATE secret SET tier = 'low' WHERE path = 'b'", "tier" },
	{ "UPDATE key SET tier = 'low' WHERE path = 'b/key'", "tier" },
	{ "UPDATE secret SET path = 'b//c' WHERE path = 'b'", "path" },
};

START_TEST(tiers_that_cannot_be)
{
	struct gathered list = { .count = 0 };
	put_tiers();
	store_sql(tier_rows[_i].sql);
	struct sr_tx *tx = store_read();
	assert_unreadable(store->ops->tier_list(tx, "b", gather_tier, &list, &store_error), "secret or key",
		tier_rows[_i].column);
	store_commit(tx);
}
END_TEST

/* -- by index ---------------------------------------------------------------------------------------------------- */

static const struct {
	enum sr_sql sql;
	const char *plan;
} plans[] = {
	{ SR_SQL_POLICY_GET, "SEARCH policy USING PRIMARY KEY (tier=? AND glob=?)\n" },
	{ SR_SQL_POLICY_LIST_TIER, "SEARCH policy USING PRIMARY KEY (tier=?)\n" },
	{ SR_SQL_APPROVAL_GET, "SEARCH approval USING PRIMARY KEY (id=?)\n" },
	{ SR_SQL_APPROVAL_OPEN, "SCAN approval USING INDEX approval_open\n" },
	{ SR_SQL_APPROVAL_OF,
		"SEARCH approval USING INDEX approval_target (target=?)\nUSE TEMP B-TREE FOR ORDER BY\n" },
	{ SR_SQL_TIER_LIST, "COMPOUND QUERY\nLEFT-MOST SUBQUERY\n"
			    "SEARCH secret USING INDEX secret_tier (path>? AND path<?)\n"
			    "UNION ALL\nSEARCH key USING INDEX key_tier (path>? AND path<?)\n" },
};

START_TEST(by_index)
{
	ck_assert_str_eq(store_plan(plans[_i].sql), plans[_i].plan);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_store_approvals(void)
{
	Suite *suite = suite_create("store_approvals");
	TCase *c = tcase_create("approvals");
	tcase_add_checked_fixture(c, store_start, store_clean);
	tcase_add_test(c, words);
	tcase_add_test(c, policy_rows);
	tcase_add_test(c, policies_in_order);
	tcase_add_test(c, policies_that_cannot_be_written);
	tcase_add_loop_test(c, policies_that_cannot_be, 0, ROWS(policies));
	tcase_add_test(c, a_policy_is_active_or_not);
	tcase_add_test(c, approval_rows);
	tcase_add_test(c, approvals_newest_first);
	tcase_add_test(c, approvals_that_cannot_be_written);
	tcase_add_test(c, approvals_at_their_bounds);
	tcase_add_loop_test(c, approvals_that_cannot_be, 0, ROWS(approvals));
	tcase_add_loop_test(c, what_is_above_standard, 0, ROWS(tiers));
	tcase_add_loop_test(c, tiers_that_cannot_be, 0, ROWS(tier_rows));
	tcase_add_loop_test(c, by_index, 0, ROWS(plans));
	suite_add_tcase(suite, c);
	return suite;
}
