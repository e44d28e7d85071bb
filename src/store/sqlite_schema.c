/* The tables, how they came to be version by version, and making a new database. */
#include "store/sqlite.h"

#include "util/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CHECK " CHECK (length(CAST(path AS BLOB)) BETWEEN 1 AND 512)"
#define MAC_COLUMNS                                         \
	" event_id INTEGER NOT NULL CHECK (event_id >= 1)," \
	" mac BLOB NOT NULL CHECK (length(mac) = 32)"
#define TIER_WORDS "('standard', 'sensitive', 'critical')"

/* event_id is not a foreign key: the event is written after the rows that it explains, and SQLite would look through
 * every table for each event. Why each index: docs/store.md. */
static const char schema_1[] =
	"CREATE TABLE vault_meta ("
	" name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),"
	" value TEXT NOT NULL CHECK (length(value) BETWEEN 1 AND 4096)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE secret ("
	" path TEXT PRIMARY KEY" PATH_CHECK ","
	" uid TEXT NOT NULL CHECK (length(uid) BETWEEN 1 AND 32),"
	" type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 32),"
	" tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"
	" state TEXT NOT NULL CHECK (state IN ('active', 'deleted')),"
	" version INTEGER NOT NULL CHECK (version >= 1),"
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
	" updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0),"
	" application BLOB CHECK (length(application) BETWEEN 1 AND 4096),"
	" object_id BLOB CHECK (length(object_id) BETWEEN 1 AND 4096)," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"

	"CREATE TABLE secret_version ("
	" path TEXT NOT NULL REFERENCES secret (path) DEFERRABLE INITIALLY DEFERRED" PATH_CHECK ","
	" version INTEGER NOT NULL CHECK (version >= 1),"
	" tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"
	" type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 32),"
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
	" sealed BLOB NOT NULL CHECK (length(sealed) BETWEEN 1 AND 67584),"
	" PRIMARY KEY (path, version)"
	") STRICT;"

	"CREATE TABLE token ("
	" id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 19),"
	" hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" scopes TEXT NOT NULL CHECK (length(CAST(scopes AS BLOB)) BETWEEN 1 AND 32768),"
	" allowed_ips TEXT CHECK (length(CAST(allowed_ips AS BLOB)) BETWEEN 1 AND 8192),"
	" description TEXT CHECK (length(CAST(description AS BLOB)) BETWEEN 1 AND 1024),"
	" issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 40),"
	" parent TEXT REFERENCES token (id),"
	" clearance TEXT NOT NULL CHECK (clearance IN " TIER_WORDS "),"
	" state TEXT NOT NULL CHECK (state IN ('active', 'revoked')),"
	" max_uses INTEGER NOT NULL CHECK (max_uses >= 0),"
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
	" ttl_ms INTEGER NOT NULL CHECK (ttl_ms >= 0),"
	" end_wall_ms INTEGER NOT NULL CHECK (end_wall_ms >= 0),"
	" end_boot_ms INTEGER NOT NULL CHECK (end_boot_ms >= 0),"
	" end_boot_id TEXT CHECK (length(end_boot_id) BETWEEN 1 AND 39)," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"
	"CREATE INDEX token_parent ON token (parent) WHERE parent IS NOT NULL;"

	"CREATE TABLE member ("
	" name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),"
	" role TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'viewer', 'auditor')),"
	" active INTEGER NOT NULL CHECK (active IN (0, 1)),"
	" log2n INTEGER NOT NULL CHECK (log2n BETWEEN 1 AND 63),"
	" r INTEGER NOT NULL CHECK (r BETWEEN 1 AND 1024),"
	" p INTEGER NOT NULL CHECK (p BETWEEN 1 AND 1024),"
	" salt BLOB NOT NULL CHECK (length(salt) = 16),"
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0)," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"

	"CREATE TABLE event ("
	" id INTEGER PRIMARY KEY CHECK (id >= 1),"
	" timestamp_ms INTEGER NOT NULL CHECK (timestamp_ms >= 0),"
	" event TEXT NOT NULL,"
	" status TEXT NOT NULL CHECK (status IN ('allowed', 'denied', 'error')),"
	" actor_type TEXT, actor_id TEXT, token_id TEXT, ip TEXT, peer TEXT, function TEXT, rv TEXT, reason TEXT,"
	" path TEXT CHECK (length(CAST(path AS BLOB)) <= 512),"
	" tier TEXT,"
	" version INTEGER NOT NULL CHECK (version >= 0),"
	" subject TEXT CHECK (length(CAST(subject AS BLOB)) <= 529),"
	" counted INTEGER NOT NULL CHECK (counted IN (0, 1)),"
	" metadata TEXT CHECK (length(CAST(metadata AS BLOB)) <= 4095),"
	" hash BLOB NOT NULL CHECK (length(hash) = 32)"
	") STRICT;"

	"CREATE TABLE state ("
	" key BLOB PRIMARY KEY CHECK (length(key) = 32),"
	" value INTEGER NOT NULL CHECK (value >= 1)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE state_node ("
	" id INTEGER PRIMARY KEY CHECK (id >= 1),"
	" digests BLOB NOT NULL CHECK (length(digests) = 512)"
	") STRICT;"

	"CREATE TABLE standing ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" seq INTEGER NOT NULL CHECK (seq >= 0),"
	" head BLOB NOT NULL CHECK (length(head) = 32),"
	" newest_ms INTEGER NOT NULL CHECK (newest_ms >= 0),"
	" root BLOB NOT NULL CHECK (length(root) = 32),"
	" mac BLOB NOT NULL CHECK (length(mac) = 32)"
	") STRICT;"

	"CREATE TABLE audit_key ("
	" generation INTEGER PRIMARY KEY CHECK (generation >= 1),"
	" spki BLOB NOT NULL CHECK (length(spki) BETWEEN 1 AND 1024),"
	" signature BLOB CHECK (length(signature) BETWEEN 1 AND 256)"
	") STRICT;"

	"CREATE TABLE checkpoint ("
	" seq INTEGER PRIMARY KEY CHECK (seq >= 0),"
	" head BLOB NOT NULL CHECK (length(head) = 32),"
	" generation INTEGER NOT NULL REFERENCES audit_key (generation),"
	" signature BLOB NOT NULL CHECK (length(signature) = 64),"
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0)"
	") STRICT;";

static const char schema_2[] = "CREATE TABLE key ("
			       " path TEXT NOT NULL" PATH_CHECK ","
			       " part TEXT NOT NULL CHECK (part IN ('private', 'public', 'secret', 'certificate')),"
			       " uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 32),"
			       " key_type INTEGER NOT NULL CHECK (key_type >= 0),"
			       " custody TEXT NOT NULL CHECK (custody IN ('resident', 'wrapped', 'open')),"
			       " tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"
			       " state TEXT NOT NULL CHECK (state IN ('active', 'deleted')),"
			       " created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
			       " updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0),"
			       " id BLOB CHECK (length(id) BETWEEN 1 AND 4096),"
			       " attrs BLOB CHECK (length(attrs) BETWEEN 1 AND 65536),"
			       " blob BLOB CHECK (length(blob) BETWEEN 1 AND 16384),"
			       " material BLOB CHECK (length(material) = 32)," MAC_COLUMNS ","
			       " PRIMARY KEY (path, part)"
			       ") STRICT, WITHOUT ROWID;"

			       "CREATE INDEX key_id ON key (id) WHERE id IS NOT NULL;"
			       "CREATE INDEX key_part ON key (part, path);"
			       "CREATE INDEX key_type ON key (key_type, path);"
			       "CREATE INDEX key_material ON key (material) WHERE material IS NOT NULL;";

#define END_COLUMNS(name)                                                   \
	" " name "_wall_ms INTEGER NOT NULL CHECK (" name "_wall_ms >= 0)," \
	" " name "_boot_ms INTEGER NOT NULL CHECK (" name "_boot_ms >= 0)," \
	" " name "_boot_id TEXT CHECK (length(" name "_boot_id) BETWEEN 1 AND 39),"

/* Who may do what: docs/approvals.md, docs/agents.md. */
static const char schema_3[] =
	"ALTER TABLE token ADD COLUMN owner TEXT CHECK (length(owner) BETWEEN 1 AND 32);"
	"ALTER TABLE token ADD COLUMN approval TEXT CHECK (length(approval) BETWEEN 1 AND 19);"

	"CREATE TABLE token_reach ("
	" prefix TEXT NOT NULL CHECK (length(CAST(prefix AS BLOB)) <= 512),"
	" id TEXT NOT NULL REFERENCES token (id) DEFERRABLE INITIALLY DEFERRED,"
	" PRIMARY KEY (prefix, id)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX token_reach_id ON token_reach (id);"
	/* each line of what was issued before: what follows its second ':', up to the first '*' */
	"INSERT OR IGNORE INTO token_reach (prefix, id) "
	"WITH RECURSIVE line (id, text, rest) AS ("
	"SELECT id, '', scopes || char(10) FROM token WHERE state = 'active' "
	"UNION ALL SELECT id, substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1) "
	"FROM line WHERE rest <> ''), "
	"tail (id, text) AS (SELECT id, substr(text, instr(text, ':') + 1) FROM line WHERE text <> ''), "
	"glob (id, text) AS (SELECT id, substr(text, instr(text, ':') + 1) FROM tail) "
	"SELECT substr(text, 1, instr(text || '*', '*') - 1), id FROM glob;"

	"ALTER TABLE member ADD COLUMN allowed_ips TEXT CHECK (length(CAST(allowed_ips AS BLOB)) BETWEEN 1 AND 1024);"
	"ALTER TABLE member ADD COLUMN made_by TEXT CHECK (length(made_by) BETWEEN 1 AND 32);"
	"ALTER TABLE member ADD COLUMN fresh_wall_ms INTEGER NOT NULL DEFAULT 0 CHECK (fresh_wall_ms >= 0);"
	"ALTER TABLE member ADD COLUMN fresh_boot_ms INTEGER NOT NULL DEFAULT 0 CHECK (fresh_boot_ms >= 0);"
	"ALTER TABLE member ADD COLUMN fresh_boot_id TEXT CHECK (length(fresh_boot_id) BETWEEN 1 AND 39);"
	"ALTER TABLE member ADD COLUMN cut INTEGER NOT NULL DEFAULT 0 CHECK (cut >= 0);"

	"CREATE TABLE agent ("
	" name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),"
	" hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" old_hash BLOB NOT NULL CHECK (length(old_hash) = 32)," END_COLUMNS(
		"old_end") " scopes TEXT NOT NULL CHECK (length(CAST(scopes AS BLOB)) BETWEEN 1 AND 32768),"
			   " allowed_ips TEXT CHECK (length(CAST(allowed_ips AS BLOB)) BETWEEN 1 AND 8192),"
			   " description TEXT CHECK (length(CAST(description AS BLOB)) BETWEEN 1 AND 1024),"
			   " max_ttl_ms INTEGER NOT NULL CHECK (max_ttl_ms >= 0),"
			   " max_uses INTEGER NOT NULL CHECK (max_uses >= 0)," END_COLUMNS(
				   "end") " state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),"
					  " owner TEXT NOT NULL CHECK (length(owner) BETWEEN 1 AND 32),"
					  " created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
					  " cut INTEGER NOT NULL CHECK (cut >= 0)," MAC_COLUMNS
					  ") STRICT, WITHOUT ROWID;"
					  "CREATE INDEX agent_old_hash ON agent (old_hash);"

					  "CREATE TABLE policy ("
					  " tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"
					  " glob TEXT NOT NULL CHECK (length(CAST(glob AS BLOB)) BETWEEN 1 AND 512),"
					  " active INTEGER NOT NULL CHECK (active IN (0, 1)),"
					  " approvals INTEGER NOT NULL CHECK (approvals BETWEEN 0 AND 10),"
					  " delay_ms INTEGER NOT NULL CHECK (delay_ms >= 0),"
					  " timeout_ms INTEGER NOT NULL CHECK (timeout_ms >= 1),"
					  " break_glass INTEGER NOT NULL CHECK (break_glass IN (0, 1)),"
					  " each_use INTEGER NOT NULL CHECK (each_use IN (0, 1)),"
					  " author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 32),"
					  " created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"
					  " updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0)," MAC_COLUMNS ","
					  " PRIMARY KEY (tier, glob)"
					  ") STRICT, WITHOUT ROWID;"

					  "CREATE TABLE approval ("
					  " id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 19),"
					  " kind TEXT NOT NULL CHECK (kind IN ('token', 'policy', 'tier', 'use')),"
					  " target TEXT NOT NULL CHECK (length(CAST(target AS BLOB)) BETWEEN 1 AND "
					  "528),"
					  " change TEXT CHECK (length(CAST(change AS BLOB)) BETWEEN 1 AND 528),"
					  " base INTEGER NOT NULL CHECK (base >= 0),"
					  " path TEXT CHECK (length(CAST(path AS BLOB)) BETWEEN 1 AND 512),"
					  " tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"
					  " needed INTEGER NOT NULL CHECK (needed BETWEEN 1 AND 10),"
					  " delay_ms INTEGER NOT NULL CHECK (delay_ms >= 0),"
					  " ttl_ms INTEGER NOT NULL CHECK (ttl_ms >= 1),"
					  " requester TEXT NOT NULL CHECK (length(requester) BETWEEN 1 AND 40),"
					  " owner TEXT NOT NULL CHECK (length(owner) BETWEEN 1 AND 32),"
					  " reason TEXT CHECK (length(CAST(reason AS BLOB)) BETWEEN 1 AND 256),"
					  " created_ms INTEGER NOT NULL CHECK (created_ms >= 0)," END_COLUMNS(
						  "deadline") END_COLUMNS("ready")
						  END_COLUMNS(
							  "end") " state TEXT NOT NULL CHECK (state IN ('pending', "
								 "'approved', 'in_effect', 'denied', 'canceled', "
								 "'timed_out', "
								 "'expired')),"
								 " votes TEXT CHECK (length(CAST(votes AS BLOB)) "
								 "BETWEEN 1 AND 512),"
								 " decided_by TEXT CHECK (length(decided_by) BETWEEN 1 "
								 "AND 32),"
								 " decision TEXT CHECK (length(CAST(decision AS BLOB)) "
								 "BETWEEN 1 AND 256),"
								 " break_glass INTEGER NOT NULL CHECK (break_glass IN "
								 "(0, 1))," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"
								 "CREATE INDEX approval_open ON approval (created_ms) "
								 "WHERE state IN ('pending', 'approved');"
								 "CREATE INDEX approval_target ON approval (target);"

								 "CREATE INDEX secret_tier ON secret (path, tier) "
								 "WHERE tier <> 'standard' AND state = 'active';"
								 "CREATE INDEX key_tier ON key (path, tier) WHERE tier "
								 "<> 'standard' AND state = 'active';";

/* What queries of the audit go by; filled in batches behind the records, so that no commit pays for them but one in
 * 1,000 (docs/audit.md). */
#define EVENT_KEY_TABLE(index)                                         \
	"CREATE TABLE event_" index " ("                               \
	" key TEXT NOT NULL CHECK (length(CAST(key AS BLOB)) <= 512)," \
	" seq INTEGER NOT NULL CHECK (seq >= 1),"                      \
	" PRIMARY KEY (key, seq)"                                      \
	") STRICT, WITHOUT ROWID;"
#define SCHEMA_4_AUDIT                                                               \
	"CREATE TABLE event_time ("                                                  \
	" at_ms INTEGER NOT NULL CHECK (at_ms >= 0),"                                \
	" seq INTEGER NOT NULL CHECK (seq >= 1),"                                    \
	" PRIMARY KEY (at_ms, seq)"                                                  \
	") STRICT, WITHOUT ROWID;" EVENT_KEY_TABLE("path") EVENT_KEY_TABLE("actor")  \
		EVENT_KEY_TABLE("token") "CREATE TABLE event_indexed ("              \
					 " one INTEGER PRIMARY KEY CHECK (one = 1)," \
					 " seq INTEGER NOT NULL CHECK (seq >= 0)"    \
					 ") STRICT;"

/* What rotation needs: docs/rotation.md. */
#define SCHEMA_4_ROTATION                                                                                    \
	"ALTER TABLE secret ADD COLUMN rotated_ms INTEGER NOT NULL DEFAULT 0 CHECK (rotated_ms >= 0);"       \
	"ALTER TABLE secret ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0 CHECK (expires_ms >= 0);"       \
	"ALTER TABLE secret ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0 CHECK (oldest >= 0);"               \
	"ALTER TABLE secret ADD COLUMN graces TEXT CHECK (length(CAST(graces AS BLOB)) BETWEEN 1 AND 1024);" \
	"CREATE TABLE rotation ("                                                                            \
	" glob TEXT PRIMARY KEY CHECK (length(CAST(glob AS BLOB)) BETWEEN 1 AND 512),"                       \
	" active INTEGER NOT NULL CHECK (active IN (0, 1)),"                                                 \
	" period_ms INTEGER NOT NULL CHECK (period_ms >= 1),"                                                \
	" author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 32),"                                     \
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"                                              \
	" updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0)," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"

/* Paths that are frozen (docs/incidents.md), and the approval that releases one: SQLite does not change a check, so the
 * table is made anew. */
#define FREEZE_TABLE                                                                    \
	"CREATE TABLE freeze ("                                                         \
	" path TEXT PRIMARY KEY" PATH_CHECK ","                                         \
	" active INTEGER NOT NULL CHECK (active IN (0, 1)),"                            \
	" tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"                           \
	" author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 32),"                \
	" reason TEXT NOT NULL CHECK (length(CAST(reason AS BLOB)) BETWEEN 1 AND 256)," \
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"                         \
	" updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0)," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"
#define APPROVAL_ENDS END_COLUMNS("deadline") END_COLUMNS("ready") END_COLUMNS("end")
#define APPROVAL_TABLE                                                                                    \
	"CREATE TABLE approval ("                                                                         \
	" id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 19),"                                       \
	" kind TEXT NOT NULL CHECK (kind IN ('token', 'policy', 'tier', 'use', 'release')),"              \
	" target TEXT NOT NULL CHECK (length(CAST(target AS BLOB)) BETWEEN 1 AND 528),"                   \
	" change TEXT CHECK (length(CAST(change AS BLOB)) BETWEEN 1 AND 528),"                            \
	" base INTEGER NOT NULL CHECK (base >= 0),"                                                       \
	" path TEXT CHECK (length(CAST(path AS BLOB)) BETWEEN 1 AND 512),"                                \
	" tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"                                             \
	" needed INTEGER NOT NULL CHECK (needed BETWEEN 1 AND 10),"                                       \
	" delay_ms INTEGER NOT NULL CHECK (delay_ms >= 0),"                                               \
	" ttl_ms INTEGER NOT NULL CHECK (ttl_ms >= 1),"                                                   \
	" requester TEXT NOT NULL CHECK (length(requester) BETWEEN 1 AND 40),"                            \
	" owner TEXT NOT NULL CHECK (length(owner) BETWEEN 1 AND 32),"                                    \
	" reason TEXT CHECK (length(CAST(reason AS BLOB)) BETWEEN 1 AND 256),"                            \
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0)," APPROVAL_ENDS                             \
	" state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'in_effect', 'denied', 'canceled'," \
	" 'timed_out', 'expired')),"                                                                      \
	" votes TEXT CHECK (length(CAST(votes AS BLOB)) BETWEEN 1 AND 512),"                              \
	" decided_by TEXT CHECK (length(decided_by) BETWEEN 1 AND 32),"                                   \
	" decision TEXT CHECK (length(CAST(decision AS BLOB)) BETWEEN 1 AND 256),"                        \
	" break_glass INTEGER NOT NULL CHECK (break_glass IN (0, 1))," MAC_COLUMNS ") STRICT, WITHOUT ROWID;"
#define SCHEMA_4_FREEZE                                                          \
	FREEZE_TABLE "DROP INDEX approval_open;"                                 \
		     "DROP INDEX approval_target;"                               \
		     "ALTER TABLE approval RENAME TO approval_3;" APPROVAL_TABLE \
		     "INSERT INTO approval SELECT * FROM approval_3;"            \
		     "DROP TABLE approval_3;"                                    \
		     "CREATE INDEX approval_open ON approval (created_ms) "      \
		     "WHERE state IN ('pending', 'approved');"                   \
		     "CREATE INDEX approval_target ON approval (target);"

static const char schema_4[] = SCHEMA_4_AUDIT SCHEMA_4_ROTATION SCHEMA_4_FREEZE;

/* Former parts of keys that were rotated, and when their grace ends: a check is not changed, so the table is made anew.
 */
#define KEY_TABLE                                                                           \
	"CREATE TABLE key ("                                                                \
	" path TEXT NOT NULL" PATH_CHECK ","                                                \
	" part TEXT NOT NULL CHECK (part IN ('private', 'public', 'secret', 'certificate'," \
	" 'former-private', 'former-public', 'former-secret')),"                            \
	" uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 32),"                   \
	" key_type INTEGER NOT NULL CHECK (key_type >= 0),"                                 \
	" custody TEXT NOT NULL CHECK (custody IN ('resident', 'wrapped', 'open')),"        \
	" tier TEXT NOT NULL CHECK (tier IN " TIER_WORDS "),"                               \
	" state TEXT NOT NULL CHECK (state IN ('active', 'deleted')),"                      \
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"                             \
	" updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0),"                             \
	" id BLOB CHECK (length(id) BETWEEN 1 AND 4096),"                                   \
	" attrs BLOB CHECK (length(attrs) BETWEEN 1 AND 65536),"                            \
	" blob BLOB CHECK (length(blob) BETWEEN 1 AND 16384),"                              \
	" material BLOB CHECK (length(material) = 32)," MAC_COLUMNS                         \
	"," END_COLUMNS("grace") " PRIMARY KEY (path, part)"                                \
				 ") STRICT, WITHOUT ROWID;"
#define SCHEMA_5_KEYS                                                                                   \
	"DROP INDEX key_id;"                                                                            \
	"DROP INDEX key_part;"                                                                          \
	"DROP INDEX key_type;"                                                                          \
	"DROP INDEX key_material;"                                                                      \
	"DROP INDEX key_tier;"                                                                          \
	"ALTER TABLE key RENAME TO key_4;" KEY_TABLE "INSERT INTO key SELECT *, 0, 0, NULL FROM key_4;" \
	"DROP TABLE key_4;"                                                                             \
	"CREATE INDEX key_id ON key (id) WHERE id IS NOT NULL;"                                         \
	"CREATE INDEX key_part ON key (part, path);"                                                    \
	"CREATE INDEX key_type ON key (key_type, path);"                                                \
	"CREATE INDEX key_material ON key (material) WHERE material IS NOT NULL;"                       \
	"CREATE INDEX key_tier ON key (path, tier) WHERE tier <> 'standard' AND state = 'active';"

static const char schema_5[] = SCHEMA_5_KEYS;

/* Queries by event, status, tier and address. All indexes catch up from the start once more. */
static const char schema_6[] = EVENT_KEY_TABLE("word") "DELETE FROM event_indexed;";

const char *const sr_sqlite_steps[SR_STORE_SCHEMA] = { schema_1, schema_2, schema_3, schema_4, schema_5, schema_6 };

CK_RV sr_sqlite_exec(sqlite3 *db, const char *sql, const char *what, struct sr_error *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? CKR_OK : sr_sqlite_fail(db, sqlite3_extended_errcode(db), what, err);
}

CK_RV sr_sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct sr_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? CKR_OK : sr_sqlite_fail(db, rc, "looking at the vault's database", err);
}

/* -- versions -- */

static CK_RV check_version(int64_t application, int64_t version, int64_t tables, struct sr_error *err)
{
	if (tables == 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE,
			"the vault's database has no tables: strongroom init did not finish; empty the directory and "
			"run it again");
	if (application != SR_SQLITE_APPLICATION_ID || version < 1)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"%s is a database, but not a Strongroom vault; name another directory", SR_SQLITE_FILE);
	if (version > SR_STORE_SCHEMA)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_SCHEMA,
			"the vault was written by a newer Strongroom (schema %lld, this one knows %d); install that "
			"version",
			(long long)version, SR_STORE_SCHEMA);
	return CKR_OK;
}

CK_RV sr_sqlite_check_schema(sqlite3 *db, int64_t *version, struct sr_error *err)
{
	int64_t application = 0, tables = 0;
	CK_RV rv = sr_sqlite_number(db, "PRAGMA user_version", version, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_number(db, "PRAGMA application_id", &application, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	return rv == CKR_OK ? check_version(application, *version, tables, err) : rv;
}

static CK_RV run_steps(sqlite3 *db, const char *const *steps, int64_t count, struct sr_error *err)
{
	int64_t version = 0;
	CK_RV rv = sr_sqlite_number(db, "PRAGMA user_version", &version, err); /* again: now nobody else migrates */
	for (; rv == CKR_OK && version < count; version++)
		rv = sr_sqlite_exec(db, steps[version], "making the vault's tables", err);
	if (rv != CKR_OK)
		return rv;
	char *sql = sqlite3_mprintf("PRAGMA user_version = %lld", (long long)version);
	if (!sql)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	rv = sr_sqlite_exec(db, sql, "making the vault's tables", err);
	sqlite3_free(sql);
	return rv;
}

CK_RV sr_sqlite_migrate(sqlite3 *db, const char *const *steps, int64_t count, struct sr_error *err)
{
	CK_RV rv = sr_sqlite_exec(db, "BEGIN IMMEDIATE", "migrating the vault", err);
	if (rv != CKR_OK)
		return rv;
	rv = run_steps(db, steps, count, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_exec(db, "COMMIT", "migrating the vault", err);
	if (rv != CKR_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rv;
}

/* -- a new database -- */

/* Made here, not by SQLite: its mode is 0600 from the first moment, and it was not there before. */
static CK_RV create_file(int dir_fd, struct sr_error *err)
{
	int fd = openat(dir_fd, SR_SQLITE_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED,
			"there is a %s already; name a new directory, or remove that vault first", SR_SQLITE_FILE);
	if (fd < 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "%s cannot be made: %s", SR_SQLITE_FILE,
			strerror(errno));
	close(fd);
	return CKR_OK;
}

static CK_RV fill(const struct sr_sqlite *store, struct sr_error *err)
{
	sqlite3 *db = NULL;
	int rc = sr_sqlite_open_file(store, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, &db);
	CK_RV rv = rc == SQLITE_OK ? CKR_OK : sr_sqlite_fail(db, rc, "making the vault's database", err);
	if (rv == CKR_OK)
		rv = sr_sqlite_exec(db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
			"making the vault's database", err);
	if (rv == CKR_OK) {
		char sql[64];
		sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id = %d", SR_SQLITE_APPLICATION_ID);
		rv = sr_sqlite_exec(db, sql, "making the vault's database", err);
	}
	if (rv == CKR_OK)
		rv = sr_sqlite_migrate(db, sr_sqlite_steps, SR_STORE_SCHEMA, err);
	sqlite3_close(db);
	return rv;
}

static void remove_files(int dir_fd)
{
	unlinkat(dir_fd, SR_SQLITE_FILE "-wal", 0);
	unlinkat(dir_fd, SR_SQLITE_FILE "-shm", 0);
	unlinkat(dir_fd, SR_SQLITE_FILE, 0);
}

static CK_RV create_in(const char *dir, int dir_fd, struct sr_error *err)
{
	struct sr_sqlite store = { .generation = sr_forks() };
	CK_RV rv = sr_sqlite_path(dir, &store.path, err);
	if (rv != CKR_OK)
		return rv;
	rv = create_file(dir_fd, err);
	if (rv == CKR_OK) {
		rv = fill(&store, err); /* a file that nobody has open yet needs no disguise: dev and ino stay 0 */
		if (rv == CKR_OK && fsync(dir_fd) != 0)
			rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "the vault directory: %s",
				strerror(errno));
		if (rv != CKR_OK)
			remove_files(dir_fd);
	}
	free(store.path);
	return rv;
}

CK_RV sr_sqlite_create(const char *dir, struct sr_error *err)
{
	int dir_fd;
	CK_RV rv = sr_sqlite_usable(err);
	if (rv == CKR_OK)
		rv = sr_sqlite_open_dir(dir, &dir_fd, err);
	if (rv != CKR_OK)
		return rv;
	rv = create_in(dir, dir_fd, err);
	close(dir_fd);
	return rv;
}
