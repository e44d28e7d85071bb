/* Making and opening a database: everything that a directory can be instead of a vault. */
#include "store_fixture.h"
#include "suites.h"
#include "util/crypto.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static CK_RV open_it(void)
{
	return sr_sqlite_open(store_dir_path, &store, &store_error);
}

static void close_it(void)
{
	store->ops->close(store);
	store = NULL;
}

static void write_file(const char *name, const char *text, size_t len)
{
	FILE *file = fopen(store_file(name), "w");
	ck_assert_ptr_nonnull(file);
	fwrite(text, 1, len, file);
	fclose(file);
	chmod(store_file(name), 0600);
}

START_TEST(modes)
{
	struct stat st;
	struct sr_tx *tx = store_write();
	store_put_event(tx, 1);
	store_commit(tx);
	static const char *const names[] = { "vault.db", "vault.db-wal", "vault.db-shm", "lock" };
	for (size_t i = 0; i < 4; i++) {
		ck_assert_msg(stat(store_file(names[i]), &st) == 0, "%s", names[i]);
		ck_assert_uint_eq(st.st_mode & 07777, 0600);
	}
	close_it();
	ck_assert_int_ne(access(store_file("vault.db-wal"), F_OK), 0); /* written back and removed */
	assert_ok(open_it());
	ck_assert_uint_eq(store_events(store), 1);
}
END_TEST

static const struct {
	const char *sql, *value;
} pragmas[] = {
	{ "PRAGMA journal_mode", "wal" },
	{ "PRAGMA synchronous", "2" },
	{ "PRAGMA foreign_keys", "1" },
	{ "PRAGMA secure_delete", "1" },
	{ "PRAGMA trusted_schema", "0" },
	{ "PRAGMA cell_size_check", "1" },
	{ "PRAGMA temp_store", "2" },
	{ "PRAGMA user_version", "6" },
	{ "PRAGMA application_id", "1399999793" },
	{ "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 "
	  "AND name NOT LIKE 'sqlite_%'",
		"0" },
};

START_TEST(settings)
{
	for (size_t i = 0; i < 2 * sizeof pragmas / sizeof pragmas[0]; i++) {
		struct sr_tx *tx = i % 2 ? store_read() : store_write();
		sqlite3_stmt *stmt;
		ck_assert_int_eq(sqlite3_prepare_v2(tx->db, pragmas[i / 2].sql, -1, &stmt, NULL), SQLITE_OK);
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 0), pragmas[i / 2].value);
		sqlite3_finalize(stmt);
		store_commit(tx);
	}
}
END_TEST

static void assert_synchronous(struct sr_tx *tx, int64_t expected)
{
	int64_t number;
	assert_ok(sr_sqlite_number(tx->db, "PRAGMA synchronous", &number, &store_error));
	ck_assert_int_eq(number, expected);
}

/* A lazy transaction does not wait for the disk; the next one does, whatever became of the lazy one. */
START_TEST(lazy_transactions)
{
	struct sr_tx *tx;
	for (int i = 0; i < 3; i++) {
		assert_ok(store->ops->begin_lazy(store, &tx, &store_error));
		assert_synchronous(tx, 1);
		store_put_event(tx, 1 + (uint64_t)i);
		if (i == 0)
			store->ops->rollback(tx);
		else
			store_commit(tx);
		if (i == 1)
			continue; /* another lazy one */
		tx = store_write();
		assert_synchronous(tx, 2);
		store_commit(tx);
	}
	ck_assert_uint_eq(store_events(store), 2);
}
END_TEST

START_TEST(create_twice)
{
	assert_refused(sr_sqlite_create(store_dir_path, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	ck_assert_uint_eq(store_events(store), 0);
}
END_TEST

/* Each leaves the directory as somebody might find it. */
static void no_directory(void)
{
	store_clean();
}

static void a_file_instead(void)
{
	close_it();
	snprintf(store_dir_path + strlen(store_dir_path), 16, "/vault.db");
}

static void world_readable_directory(void)
{
	chmod(store_dir_path, 0755);
}

static void read_only_directory(void)
{
	chmod(store_dir_path, 0500);
}

static void no_database(void)
{
	unlink(store_file("vault.db"));
}

static void empty_database(void)
{
	write_file("vault.db", "", 0);
}

static void half_made(void)
{
	unlink(store_file("vault.db"));
	store_sql("PRAGMA application_id = 1399999793; PRAGMA journal_mode = WAL; VACUUM");
	chmod(store_file("vault.db"), 0600);
}

static void somebody_elses(void)
{
	unlink(store_file("vault.db"));
	store_sql("CREATE TABLE bookmarks (url TEXT)");
	chmod(store_file("vault.db"), 0600);
}

static void version_zero(void)
{
	store_sql("PRAGMA user_version = 0");
}

static void newer(void)
{
	store_sql("PRAGMA user_version = 7");
}

static void garbage(void)
{
	char bytes[8192];
	memset(bytes, 'g', sizeof bytes);
	write_file("vault.db", bytes, sizeof bytes);
}

static void cut_short(void)
{
	ck_assert_int_eq(truncate(store_file("vault.db"), 5000), 0);
}

static void world_readable_database(void)
{
	chmod(store_file("vault.db"), 0644);
}

static void read_only_database(void)
{
	chmod(store_file("vault.db"), 0400);
}

static void world_readable_log(void)
{
	write_file("vault.db-wal", "", 0);
	chmod(store_file("vault.db-wal"), 0666);
}

static void symbolic_link(void)
{
	char other[128];
	snprintf(other, sizeof other, "%s", store_file("other"));
	rename(store_file("vault.db"), other);
	ck_assert_int_eq(symlink(other, store_file("vault.db")), 0);
}

static void second_name(void)
{
	char other[128];
	snprintf(other, sizeof other, "%s", store_file("other"));
	ck_assert_int_eq(link(store_file("vault.db"), other), 0);
}

static int migrating_fd = -1;

static void migration_inside(void)
{
	migrating_fd = open(store_file("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(migrating_fd, LOCK_EX | LOCK_NB), 0);
}

static void lock_is_a_link(void)
{
	unlink(store_file("lock"));
	ck_assert_int_eq(symlink("other", store_file("lock")), 0);
}

static const struct {
	void (*make)(void);
	CK_RV rv;
	CK_ULONG reason;
	const char *says;
} states[] = {
	{ no_directory, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_MISSING, "strongroom init" },
	{ a_file_instead, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_MISSING, "not a directory" },
	{ world_readable_directory, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "chmod 0700" },
	{ read_only_directory, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "cannot be written" },
	{ no_database, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE, "did not finish" },
	{ empty_database, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE, "did not finish" },
	{ half_made, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE, "no tables" },
	{ somebody_elses, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "not a Strongroom vault" },
	{ version_zero, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "not a Strongroom vault" },
	{ newer, CKR_DEVICE_ERROR, SR_REASON_VAULT_SCHEMA, "schema 7" },
	{ garbage, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "not a database" },
	{ cut_short, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "damaged" },
	{ world_readable_database, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "chmod 0600" },
	{ read_only_database, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "cannot be written" },
	{ world_readable_log, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "vault.db-wal" },
	{ symbolic_link, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "not a plain file" },
	{ second_name, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "one name" },
	{ migration_inside, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, "migrated" },
	{ lock_is_a_link, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "lock of the vault is not a plain file" },
};

START_TEST(refused_states)
{
	char dir[sizeof store_dir_path];
	memcpy(dir, store_dir_path, sizeof dir);
	if (states[_i].make != a_file_instead)
		close_it();
	states[_i].make();
	CK_RV rv = open_it();
	assert_refused(rv, states[_i].rv, states[_i].reason);
	ck_assert_ptr_null(store);
	ck_assert_msg(strstr(store_error.text, states[_i].says), "%s", store_error.text);
	memcpy(store_dir_path, dir, sizeof dir);
	if (migrating_fd >= 0)
		close(migrating_fd);
}
END_TEST

START_TEST(create_in_bad_places)
{
	close_it();
	no_database();
	chmod(store_dir_path, 0750);
	assert_refused(sr_sqlite_create(store_dir_path, &store_error), CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS);
	chmod(store_dir_path, 0700);
	ck_assert_int_eq(symlink("elsewhere", store_file("vault.db")), 0);
	assert_refused(sr_sqlite_create(store_dir_path, &store_error), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED);
	ck_assert_int_ne(access(store_file("elsewhere"), F_OK), 0);
}
END_TEST

START_TEST(through_a_symbolic_link)
{
	char other[128];
	close_it();
	snprintf(other, sizeof other, "%s-link", store_dir_path);
	ck_assert_int_eq(symlink(store_dir_path, other), 0);
	CK_RV rv = sr_sqlite_open(other, &store, &store_error);
	unlink(other);
	assert_ok(rv);
}
END_TEST

START_TEST(lock_is_held)
{
	int fd = open(store_file("lock"), O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(flock(fd, LOCK_EX | LOCK_NB), 0);
	close_it();
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}
END_TEST

/* -- migrations -- */

#define OLD_MAC "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeee"

/* The steps up to SR_STORE_SCHEMA are not run again. */
#define NEVER [0 ... SR_STORE_SCHEMA - 1] = "CREATE TABLE never (x)"
#define LAST (SR_STORE_SCHEMA + 2)
static const char *const good_steps[] = { NEVER, "CREATE TABLE one (x)", "CREATE TABLE two (x)" };
static const char *const bad_steps[] = { NEVER, "CREATE TABLE one (x)", "CREATE TABLE one (x)" };

START_TEST(migrations)
{
	sqlite3 *db;
	int64_t number;
	close_it();
	ck_assert_int_eq(sqlite3_open(store_file("vault.db"), &db), SQLITE_OK);
	ck_assert_uint_ne(sr_sqlite_migrate(db, bad_steps, LAST, &store_error), CKR_OK);
	assert_ok(sr_sqlite_number(db, "PRAGMA user_version", &number, &store_error));
	ck_assert_int_eq(number, SR_STORE_SCHEMA); /* all or nothing */
	assert_ok(sr_sqlite_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'one'", &number, &store_error));
	ck_assert_int_eq(number, 0);
	assert_ok(sr_sqlite_migrate(db, good_steps, LAST, &store_error));
	assert_ok(sr_sqlite_migrate(db, good_steps, LAST, &store_error)); /* nothing left to do */
	assert_ok(sr_sqlite_number(db, "PRAGMA user_version", &number, &store_error));
	ck_assert_int_eq(number, LAST);
	assert_ok(sr_sqlite_number(
		db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('one', 'two', 'never')", &number, &store_error));
	ck_assert_int_eq(number, 2);
	sqlite3_close(db);
	assert_refused(open_it(), CKR_DEVICE_ERROR, SR_REASON_VAULT_SCHEMA);
}
END_TEST

/* What the steps make is known by its digest. Where the steps have changed, so has that: src/store/sqlite_shape.c. */
START_TEST(shape_is_known)
{
	struct sr_buf shape = SR_BUF_INIT, wanted = SR_BUF_INIT;
	uint8_t digest[SR_SHA256_LEN];
	bool knows = false;
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_ok(sr_sqlite_migrate(db, sr_sqlite_steps, SR_STORE_SCHEMA, &store_error));
	assert_ok(sr_sqlite_shape(db, &shape, &store_error));
	ck_assert(sr_sha256(shape.data, shape.len, digest));
	for (size_t i = 0; i < sizeof digest; i++)
		sr_buf_printf(&wanted, "0x%02x, ", digest[i]);
	assert_ok(sr_sqlite_knows_shape(&shape, &knows, &store_error));
	ck_assert_msg(knows, "the digest is %s", sr_buf_string(&wanted));
	shape.data[shape.len / 2] ^= 1;
	assert_ok(sr_sqlite_knows_shape(&shape, &knows, &store_error));
	ck_assert(!knows);
	sr_buf_clear(&shape);
	sr_buf_clear(&wanted);
	sqlite3_close(db);
}
END_TEST

/* Somebody's hand in a database that nobody has open. */
static const char *const alterations[] = {
	"CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event WHERE id = new.id; END",
	"CREATE VIEW v AS SELECT * FROM secret",
	"CREATE TABLE more (x)",
	"CREATE INDEX i ON secret (state)",
	"ALTER TABLE secret ADD COLUMN more TEXT",
	"ALTER TABLE secret RENAME TO other; CREATE VIEW secret AS SELECT * FROM other WHERE path <> 'a'",
	"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = "
	"'secret'",
	"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || ' ' WHERE name = 'secret'",
};

START_TEST(altered_tables_are_refused)
{
	sqlite3 *db;
	close_it();
	ck_assert_int_eq(sqlite3_open(store_file("vault.db"), &db), SQLITE_OK);
	assert_ok(sr_sqlite_exec(db, alterations[_i], "test", &store_error));
	sqlite3_close(db);
	assert_refused(open_it(), CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT);
	ck_assert_msg(strstr(store_error.text, "are not as Strongroom makes them"), "%s", store_error.text);
}
END_TEST

/* What an older library made and filled: its tables by its own STEPS, its ROWS by its own statements. */
static void make_older(int steps, const char *rows)
{
	sqlite3 *db;
	close_it();
	unlink(store_file("vault.db"));
	ck_assert_int_eq(sqlite3_open(store_file("vault.db"), &db), SQLITE_OK);
	chmod(store_file("vault.db"), 0600);
	assert_ok(sr_sqlite_exec(
		db, "PRAGMA journal_mode = WAL; PRAGMA application_id = 1399999793", "test", &store_error));
	assert_ok(sr_sqlite_migrate(db, sr_sqlite_steps, steps, &store_error));
	assert_ok(sr_sqlite_exec(db, rows, "test", &store_error));
	sqlite3_close(db);
}

static void make_schema_1(void)
{
	make_older(1, "INSERT INTO vault_meta VALUES ('vault-id', 'v1');"
		      "INSERT INTO secret VALUES ('a/b', 'uid', 'text', 'critical', 'active', 1, 2, 3, NULL, x'01', 4, "
		      "zeroblob(32));"
		      "INSERT INTO secret_version VALUES ('a/b', 1, 'critical', 'text', 2, x'5e');"
		      "INSERT INTO event (id, timestamp_ms, event, status, version, counted, hash) "
		      "VALUES (1, 2, 'secret.created', 'allowed', 1, 0, zeroblob(32));");
}

START_TEST(from_schema_1)
{
	struct sr_secret_row secret;
	struct sr_key_row key = store_key("a/key", SR_PART_PRIVATE);
	int64_t number;
	bool found;
	make_schema_1();
	assert_ok(open_it());
	assert_ok(
		sr_sqlite_number(((struct sr_sqlite *)store)->writer.db, "PRAGMA user_version", &number, &store_error));
	ck_assert_int_eq(number, SR_STORE_SCHEMA);
	ck_assert_uint_eq(store_events(store), 1);
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->secret_get(tx, "a/b", &secret, &found, &store_error));
	ck_assert(found && secret.tier == SR_TIER_CRITICAL && secret.mark.event_id == 4);
	sr_secret_row_clear(&secret);
	assert_ok(store->ops->key_put(tx, &key, &store_error));
	store_commit(tx);
	sr_key_row_clear(&key);
	close_it();
	assert_ok(open_it()); /* the shape is what a new vault has */
	tx = store_read();
	assert_ok(store->ops->key_get(tx, "a/key", SR_PART_PRIVATE, &key, &found, &store_error));
	ck_assert(found);
	sr_key_row_clear(&key);
	store_commit(tx);
}
END_TEST

/* Its tokens and members are there as they were, and what they did not have is empty. */
START_TEST(from_schema_2)
{
	static const struct sr_end none;
	struct sr_token_row token;
	struct sr_member_row member;
	struct sr_agent_row agent = store_agent("bot");
	bool found;
	make_older(2,
		"INSERT INTO token (id, hash, scopes, issuer, clearance, state, max_uses, created_ms, ttl_ms, "
		"end_wall_ms, "
		"end_boot_ms, end_boot_id, event_id, mac) VALUES ('t-a', zeroblob(32), 'secrets:read:*', "
		"'member:alice', "
		"'standard', 'active', 3, 4, 5, 6, 7, 'boot', 8, x'" OLD_MAC "');"
		"INSERT INTO member (name, role, active, log2n, r, p, salt, hash, created_ms, event_id, mac) VALUES "
		"('alice', 'editor', 1, 15, 8, 1, zeroblob(16), zeroblob(32), 9, 10, x'" OLD_MAC "');");
	assert_ok(open_it());
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->token_get(tx, "t-a", &token, &found, &store_error));
	ck_assert(found && token.max_uses == 3 && token.end.boot_ms == 7 && token.mark.event_id == 8);
	ck_assert_uint_eq(token.mark.mac[31], 0xee);
	ck_assert_str_eq(token.owner, "");
	ck_assert_str_eq(token.approval, "");
	assert_ok(store->ops->member_get(tx, "alice", &member, &found, &store_error));
	ck_assert(found && member.role == SR_ROLE_EDITOR && member.active && member.mark.event_id == 10);
	ck_assert_uint_eq(member.mark.mac[31], 0xee);
	ck_assert_str_eq(member.allowed_ips, "");
	ck_assert_str_eq(member.made_by, "");
	ck_assert_mem_eq(&member.fresh, &none, sizeof none);
	ck_assert_uint_eq(member.cut, 0);
	assert_ok(store->ops->agent_put(tx, &agent, &store_error)); /* the new tables are there */
	assert_ok(store->ops->token_reach_put(tx, "t-a", "", &store_error));
	store_commit(tx);
	sr_agent_row_clear(&agent);
	sr_token_row_clear(&token);
	close_it();
	assert_ok(open_it()); /* the shape is what a new vault has */
}
END_TEST

/* Its secrets are there as they were: nothing rotated, nothing in a grace, no version gone. */
START_TEST(from_schema_3)
{
	struct sr_secret_row secret;
	struct sr_rotation_row row = { .glob = "a/*", .active = true, .period_ms = 5, .author = "alice" }, out;
	bool found;
	row.mark.event_id = 7;
	make_older(3, "INSERT INTO secret VALUES ('a/b', 'uid', 'text', 'critical', 'active', 1, 2, 3, NULL, x'01', 4, "
		      "x'" OLD_MAC "')");
	assert_ok(open_it());
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->secret_get(tx, "a/b", &secret, &found, &store_error));
	ck_assert(found && secret.updated_ms == 3 && secret.mark.event_id == 4 && secret.mark.mac[31] == 0xee);
	ck_assert(secret.rotated_ms == 0 && secret.expires_ms == 0 && secret.oldest == 0 && !secret.graces[0]);
	sr_secret_row_clear(&secret);
	assert_ok(store->ops->rotation_put(tx, &row, &store_error));
	assert_ok(store->ops->rotation_get(tx, "a/*", &out, &found, &store_error));
	ck_assert(found && out.period_ms == 5 && out.mark.event_id == 7);
	assert_ok(store->ops->rotation_get(tx, "b/*", &out, &found, &store_error));
	ck_assert(!found);
	store_commit(tx);
	close_it();
	assert_ok(open_it()); /* the shape is what a new vault has */
}
END_TEST

/* Its requests are there as they were, and the table takes the kind that is new. */
START_TEST(requests_from_schema_3)
{
	struct sr_approval_row row;
	struct sr_freeze_row freeze = { .path = "a/b",
		.active = true,
		.tier = SR_TIER_CRITICAL,
		.author = "alice",
		.reason = "seen",
		.created_ms = 1,
		.updated_ms = 2,
		.mark = { .event_id = 3 } };
	bool found;
	make_older(3,
		"INSERT INTO approval (id, kind, target, change, base, path, tier, needed, delay_ms, ttl_ms, "
		"requester, "
		"owner, created_ms, deadline_wall_ms, deadline_boot_ms, ready_wall_ms, ready_boot_ms, end_wall_ms, "
		"end_boot_ms, state, votes, break_glass, event_id, mac) VALUES ('a-1', 'tier', 'secret:a/b', "
		"'standard', "
		"4, 'a/b', 'critical', 2, 5, 6, 'member:alice', 'alice', 7, 8, 9, 10, 11, 12, 13, 'approved', 'bob "
		"14', 0, "
		"15, x'" OLD_MAC "');");
	assert_ok(open_it());
	struct sr_tx *tx = store_write();
	assert_ok(store->ops->approval_get(tx, "a-1", &row, &found, &store_error));
	ck_assert(found && row.kind == SR_APPROVAL_TIER && row.base == 4 && row.mark.event_id == 15);
	ck_assert_str_eq(row.votes, "bob 14");
	ck_assert_uint_eq(row.mark.mac[31], 0xee);
	row.kind = SR_APPROVAL_RELEASE;
	assert_ok(store->ops->approval_put(tx, &row, &store_error));
	assert_ok(store->ops->freeze_put(tx, &freeze, &store_error));
	store_commit(tx);
	close_it();
	assert_ok(open_it()); /* the shape is what a new vault has */
	tx = store_read();
	assert_ok(store->ops->freeze_get(tx, "a/b", &freeze, &found, &store_error));
	ck_assert(found && freeze.active && freeze.tier == SR_TIER_CRITICAL);
	ck_assert_str_eq(freeze.reason, "seen");
	store_commit(tx);
}
END_TEST

/* A process of the older library, inside for a moment: whether the tables stayed as they were. */
static int linger(int fd)
{
	sqlite3 *db;
	int64_t number = 0;
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	if (sqlite3_open(store_file("vault.db"), &db) != SQLITE_OK)
		return 2;
	sr_sqlite_number(db, "PRAGMA user_version", &number, NULL);
	sqlite3_close(db);
	close(fd);
	return number == 1 ? 0 : 1;
}

START_TEST(migration_waits_for_others)
{
	int status;
	make_schema_1();
	int fd = open(store_file("lock"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_SH | LOCK_NB), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(linger(fd));
	close(fd);
	assert_ok(open_it());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(migration_needs_the_vault_alone)
{
	int fd = open(store_file("lock"), O_RDWR | O_CLOEXEC);
	int other = open(store_file("lock"), O_RDWR | O_CLOEXEC);
	close_it();
	assert_ok(sr_sqlite_lock_alone(fd, &store_error));
	ck_assert_int_ne(flock(other, LOCK_SH | LOCK_NB), 0);
	sr_sqlite_lock_share(fd);
	ck_assert_int_eq(flock(other, LOCK_SH | LOCK_NB), 0);
	close(fd);
	close(other);
}
END_TEST

Suite *sr_suite_store_open(void)
{
	Suite *suite = suite_create("store_open");
	TCase *opening = tcase_create("opening");
	tcase_add_checked_fixture(opening, store_start, store_clean);
	tcase_add_test(opening, modes);
	tcase_add_test(opening, settings);
	tcase_add_test(opening, lazy_transactions);
	tcase_add_test(opening, create_twice);
	tcase_add_loop_test(opening, refused_states, 0, sizeof states / sizeof states[0]);
	tcase_add_test(opening, create_in_bad_places);
	tcase_add_test(opening, through_a_symbolic_link);
	tcase_add_test(opening, lock_is_held);
	tcase_add_test(opening, migrations);
	tcase_add_test(opening, shape_is_known);
	tcase_add_loop_test(opening, altered_tables_are_refused, 0, sizeof alterations / sizeof *alterations);
	tcase_add_test(opening, from_schema_1);
	tcase_add_test(opening, from_schema_2);
	tcase_add_test(opening, from_schema_3);
	tcase_add_test(opening, requests_from_schema_3);
	tcase_add_test(opening, migration_waits_for_others);
	tcase_add_test(opening, migration_needs_the_vault_alone);
	suite_add_tcase(suite, opening);
	return suite;
}
