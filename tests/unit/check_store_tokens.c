/* Which tokens may reach a path: the entries, how they are looked up, and those of a vault of before. */
#include "store_fixture.h"
#include "suites.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put_token(struct sr_tx *tx, const char *id, int64_t created_ms)
{
	struct sr_token_row row = store_token(id, "");
	row.created_ms = created_ms;
	assert_ok(store->ops->token_put(tx, &row, &store_error));
	sr_token_row_clear(&row);
}

static void near(const char *prefix, const char *ids)
{
	struct gathered list = { .count = 0 };
	struct sr_tx *tx = store_read();
	assert_ok(store->ops->token_near(tx, prefix, gather_token, &list, &store_error));
	ck_assert_msg(strcmp(list.text, ids) == 0, "%s: %s", prefix, list.text);
	store_commit(tx);
}

START_TEST(prefixes)
{
	static const char *const entries[][2] = { { "t-1", "a/b/" }, { "t-1", "a/" }, { "t-1", "a/" }, { "t-2", "a/b" },
		{ "t-3", "" }, { "t-4", "b/" }, { "t-5", "a0" }, { "t-6", "\xc3\xa4/" } };
	char longest[SR_PATH_MAX + 1];
	struct sr_tx *tx = store_write();
	for (int i = 1; i <= 7; i++) {
		char id[8];
		snprintf(id, sizeof id, "t-%d", i);
		put_token(tx, id, i);
	}
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
		assert_ok(store->ops->token_reach_put(tx, entries[i][0], entries[i][1], &store_error));
	memset(longest, 'z', SR_PATH_MAX);
	longest[SR_PATH_MAX] = '\0';
	assert_ok(store->ops->token_reach_put(tx, "t-7", longest, &store_error));
	store_commit(tx);
	near("", "t-7 t-6 t-5 t-4 t-3 t-2 t-1 ");
	near("a/b/c", "t-3 t-2 t-1 ");
	near("a/", "t-3 t-2 t-1 ");
	near("a", "t-5 t-3 t-2 t-1 ");
	near("b/x", "t-4 t-3 ");
	near("c", "t-3 ");
	near("\xc3\xa4/x", "t-6 t-3 ");
	near("\xc3\xb6/x", "t-3 "); /* its first byte is the other's, and no prefix of anything */
	near(longest, "t-7 t-3 ");
	tx = store_write();
	bool found;
	assert_ok(store->ops->token_reach_has(tx, "t-1", "a/b/", &found, &store_error));
	ck_assert(found);
	assert_ok(store->ops->token_reach_has(tx, "t-1", "a/b", &found, &store_error));
	ck_assert(!found);
	assert_ok(store->ops->token_reach_drop(tx, "t-1", &store_error));
	assert_ok(store->ops->token_reach_drop(tx, "t-none", &store_error));
	store_commit(tx);
	near("a/b/c", "t-3 t-2 ");
}
END_TEST

/* An entry is of a token that there is. */
START_TEST(no_entry_without_a_token)
{
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->token_reach_put(tx, "t-none", "a/", &store_error));
	ck_assert_uint_ne(store->ops->commit(tx, &store_error), CKR_OK);
}
END_TEST

/* Whether a step of the plan says TEXT. */
static bool plan_has(enum sr_sql sql, const char *text)
{
	sqlite3_stmt *stmt;
	struct sr_tx *tx = store_read();
	char *query = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sr_sqlite_sql(sql));
	bool has = false;
	ck_assert_int_eq(sqlite3_prepare_v2(tx->db, query, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		has = has || strstr((const char *)sqlite3_column_text(stmt, 3), text) != NULL;
	sqlite3_finalize(stmt);
	sqlite3_free(query);
	store_commit(tx);
	return has;
}

/* However many tokens there are: only those that may reach the path are read. */
START_TEST(by_index)
{
	ck_assert(plan_has(SR_SQL_TOKEN_NEAR, "SEARCH token_reach USING PRIMARY KEY (prefix=?)"));
	ck_assert(plan_has(SR_SQL_TOKEN_NEAR, "SEARCH token_reach USING PRIMARY KEY (prefix>? AND prefix<?)"));
	ck_assert(plan_has(SR_SQL_TOKEN_NEAR, "SEARCH token USING PRIMARY KEY (id=?)"));
	ck_assert(!plan_has(SR_SQL_TOKEN_NEAR, "SCAN token"));
	ck_assert(plan_has(SR_SQL_TOKEN_REACH_DROP, "SEARCH token_reach USING COVERING INDEX token_reach_id (id=?)"));
	ck_assert(plan_has(SR_SQL_TOKEN_CHILDREN, "SEARCH token USING INDEX token_parent (parent=?)"));
	ck_assert(plan_has(SR_SQL_TOKEN_GET, "SEARCH token USING PRIMARY KEY (id=?)"));
}
END_TEST

/* A vault of schema 2 with tokens in it. */
static void make_schema_2(void)
{
	static const char insert[] =
		"INSERT INTO token VALUES ('%s', randomblob(32), '%s', NULL, NULL, 'member:admin', NULL, 'standard', "
		"'%s', 0, %d, 1, 1, 1, NULL, 1, zeroblob(32))";
	static const char *const tokens[][3] = { { "t-1", "secrets:read:a/*", "active" },
		{ "t-2", "secrets:read:a/b\nkeys:sign:x:y/*z*\nsecrets:list:*", "active" },
		{ "t-3", "secrets:read:a/*", "revoked" }, { "t-4", "secrets:*:\xc3\xa4/*/b", "active" } };
	sqlite3 *db;
	store->ops->close(store);
	store = NULL;
	unlink(store_file("vault.db"));
	ck_assert_int_eq(sqlite3_open(store_file("vault.db"), &db), SQLITE_OK);
	chmod(store_file("vault.db"), 0600);
	assert_ok(sr_sqlite_exec(
		db, "PRAGMA journal_mode = WAL; PRAGMA application_id = 1399999793", "test", &store_error));
	assert_ok(sr_sqlite_migrate(db, sr_sqlite_steps, 2, &store_error));
	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
		char sql[512];
		snprintf(sql, sizeof sql, insert, tokens[i][0], tokens[i][1], tokens[i][2], (int)i);
		assert_ok(sr_sqlite_exec(db, sql, "test", &store_error));
	}
	sqlite3_close(db);
}

START_TEST(entries_of_tokens_of_before)
{
	make_schema_2();
	assert_ok(sr_sqlite_open(store_dir_path, &store, &store_error));
	near("a/b", "t-2 t-1 ");
	near("a/c", "t-2 t-1 "); /* t-2 by its third scope: to list reaches nothing, but that is asked of the row */
	near("x:y/q", "t-2 ");
	near("\xc3\xa4/q/b", "t-4 t-2 ");
	near("", "t-4 t-2 t-1 ");
}
END_TEST

Suite *sr_suite_store_tokens(void)
{
	Suite *suite = suite_create("store_tokens");
	TCase *reach = tcase_create("reach");
	tcase_add_checked_fixture(reach, store_start, store_clean);
	tcase_add_test(reach, prefixes);
	tcase_add_test(reach, no_entry_without_a_token);
	tcase_add_test(reach, by_index);
	tcase_add_test(reach, entries_of_tokens_of_before);
	suite_add_tcase(suite, reach);
	return suite;
}
