/* Every statement of the store, on one page. */
#include "store/sqlite.h"

#define SECRET "path, uid, type, tier, state, version, created_ms, updated_ms, application, object_id, event_id, mac"
#define VERSION "path, version, tier, type, created_ms, sealed"
#define KEY                                                                                                    \
	"path, part, uid, key_type, custody, tier, state, created_ms, updated_ms, id, attrs, blob, material, " \
	"event_id, mac"
#define TOKEN                                                                                                          \
	"id, hash, scopes, allowed_ips, description, issuer, parent, clearance, state, max_uses, created_ms, ttl_ms, " \
	"end_wall_ms, end_boot_ms, end_boot_id, event_id, mac"
#define MEMBER "name, role, active, log2n, r, p, salt, hash, created_ms, event_id, mac"
#define EVENT                                                                                                     \
	"id, timestamp_ms, event, status, actor_type, actor_id, token_id, ip, peer, function, rv, reason, path, " \
	"tier, "                                                                                                  \
	"version, subject, counted, metadata, hash"
#define CHECKPOINT "seq, head, generation, signature, created_ms"
#define AUDIT_KEY "generation, spki, signature"
#define STANDING "SELECT seq, head, newest_ms, root, mac FROM standing WHERE one = 1"
#define EVENT_RANGE "WHERE id > ?1 AND id < ?2 AND timestamp_ms >= ?3 AND timestamp_ms <= ?4 ORDER BY id "

static const char *const texts[SR_SQL_COUNT] = {
	[SR_SQL_BEGIN_READ] = "BEGIN",
	[SR_SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[SR_SQL_SHAPE] = "PRAGMA schema_version",
	[SR_SQL_COMMIT] = "COMMIT",
	[SR_SQL_ROLLBACK] = "ROLLBACK",
	[SR_SQL_MARK] = "SAVEPOINT mark",
	[SR_SQL_UNDO] = "ROLLBACK TO mark",
	[SR_SQL_KEEP] = "RELEASE mark",

	[SR_SQL_META_GET] = "SELECT value FROM vault_meta WHERE name = ?",
	[SR_SQL_META_PUT] = "INSERT INTO vault_meta (name, value) VALUES (?, ?) "
			    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[SR_SQL_COUNTS] = "SELECT (SELECT count(*) FROM secret WHERE state = 'active'), "
			  "(SELECT count(*) FROM key WHERE state = 'active'), (SELECT count(*) FROM token), "
			  "(SELECT count(*) FROM event)",

	[SR_SQL_SECRET_GET] = "SELECT " SECRET " FROM secret WHERE path = ?",
	[SR_SQL_SECRET_PUT] = "INSERT INTO secret (" SECRET ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			      "ON CONFLICT (path) DO UPDATE SET uid = excluded.uid, type = excluded.type, "
			      "tier = excluded.tier, state = excluded.state, version = excluded.version, "
			      "created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, "
			      "application = excluded.application, object_id = excluded.object_id, "
			      "event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_SECRET_LIST] = "SELECT " SECRET " FROM secret WHERE path >= ? AND path < ? ORDER BY path",
	[SR_SQL_VERSION_GET] = "SELECT " VERSION " FROM secret_version WHERE path = ? AND version = ?",
	[SR_SQL_VERSION_LEN] = "SELECT length(sealed) FROM secret_version WHERE path = ? AND version = ?",
	[SR_SQL_VERSION_PUT] = "INSERT INTO secret_version (" VERSION ") VALUES (?, ?, ?, ?, ?, ?)",

	[SR_SQL_KEY_GET] = "SELECT " KEY " FROM key WHERE path = ? AND part = ?",
	[SR_SQL_KEY_PUT] = "INSERT INTO key (" KEY ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			   "ON CONFLICT (path, part) DO UPDATE SET uid = excluded.uid, key_type = excluded.key_type, "
			   "custody = excluded.custody, tier = excluded.tier, state = excluded.state, "
			   "created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, id = excluded.id, "
			   "attrs = excluded.attrs, blob = excluded.blob, material = excluded.material, "
			   "event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_KEY_LIST] = "SELECT " KEY " FROM key WHERE path >= ? AND path < ? ORDER BY path, part",
	[SR_SQL_KEY_LIST_PART] = "SELECT " KEY " FROM key WHERE path >= ?1 AND path < ?2 AND part = ?3 ORDER BY path",
	[SR_SQL_KEY_BY_TYPE] = "SELECT " KEY " FROM key WHERE path >= ?1 AND path < ?2 AND key_type = ?3 "
			       "ORDER BY path, part",
	[SR_SQL_KEY_PARTS] = "SELECT " KEY " FROM key WHERE path = ? ORDER BY part",
	[SR_SQL_KEY_BY_ID] = "SELECT " KEY " FROM key WHERE id = ? AND state = 'active' ORDER BY path, part",
	[SR_SQL_KEY_BY_MATERIAL] =
		"SELECT " KEY " FROM key WHERE material = ? AND state = 'active' ORDER BY path, part",

	[SR_SQL_TOKEN_GET] = "SELECT " TOKEN " FROM token WHERE id = ?",
	[SR_SQL_TOKEN_BY_HASH] = "SELECT " TOKEN " FROM token WHERE hash = ?",
	[SR_SQL_TOKEN_PUT] = "INSERT INTO token (" TOKEN ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			     "ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes, "
			     "allowed_ips = excluded.allowed_ips, description = excluded.description, "
			     "issuer = excluded.issuer, parent = excluded.parent, clearance = excluded.clearance, "
			     "state = excluded.state, max_uses = excluded.max_uses, created_ms = excluded.created_ms, "
			     "ttl_ms = excluded.ttl_ms, end_wall_ms = excluded.end_wall_ms, "
			     "end_boot_ms = excluded.end_boot_ms, end_boot_id = excluded.end_boot_id, "
			     "event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_TOKEN_LIST] = "SELECT " TOKEN " FROM token ORDER BY created_ms DESC, id DESC",
	[SR_SQL_TOKEN_CHILDREN] = "SELECT " TOKEN " FROM token WHERE parent = ? ORDER BY id",

	[SR_SQL_MEMBER_GET] = "SELECT " MEMBER " FROM member WHERE name = ?",
	[SR_SQL_MEMBER_PUT] = "INSERT INTO member (" MEMBER ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			      "ON CONFLICT (name) DO UPDATE SET role = excluded.role, active = excluded.active, "
			      "log2n = excluded.log2n, r = excluded.r, p = excluded.p, salt = excluded.salt, "
			      "hash = excluded.hash, created_ms = excluded.created_ms, event_id = excluded.event_id, "
			      "mac = excluded.mac",
	[SR_SQL_MEMBER_LIST] = "SELECT " MEMBER " FROM member ORDER BY name",

	[SR_SQL_EVENT_PUT] =
		"INSERT INTO event (" EVENT ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SR_SQL_EVENT_HEAD] = "SELECT id, timestamp_ms, hash FROM event ORDER BY id DESC LIMIT 1",
	[SR_SQL_EVENT_GET] = "SELECT " EVENT " FROM event WHERE id = ?",
	[SR_SQL_EVENT_UP] = "SELECT " EVENT " FROM event " EVENT_RANGE "ASC",
	[SR_SQL_EVENT_DOWN] = "SELECT " EVENT " FROM event " EVENT_RANGE "DESC",

	[SR_SQL_STATE_BUCKET] = "SELECT key, value FROM state WHERE key >= ? AND key <= ? ORDER BY key",
	[SR_SQL_STATE_PUT] = "INSERT INTO state (key, value) VALUES (?, ?) "
			     "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	[SR_SQL_NODE_GET] = "SELECT id, digests FROM state_node WHERE id = ?",
	[SR_SQL_NODE_PUT] = "INSERT INTO state_node (id, digests) VALUES (?, ?) "
			    "ON CONFLICT (id) DO UPDATE SET digests = excluded.digests",
	[SR_SQL_STANDING_GET] = STANDING,
	[SR_SQL_STANDING_NOW] = STANDING,
	[SR_SQL_STANDING_PUT] = "INSERT INTO standing (one, seq, head, newest_ms, root, mac) VALUES (1, ?, ?, ?, ?, ?) "
				"ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, head = excluded.head, "
				"newest_ms = excluded.newest_ms, root = excluded.root, mac = excluded.mac",

	[SR_SQL_CHECKPOINT_PUT] =
		"INSERT INTO checkpoint (" CHECKPOINT ") VALUES (?, ?, ?, ?, ?) ON CONFLICT (seq) DO NOTHING",
	[SR_SQL_CHECKPOINT_LAST] = "SELECT " CHECKPOINT " FROM checkpoint ORDER BY seq DESC LIMIT 1",
	[SR_SQL_CHECKPOINT_LIST] = "SELECT " CHECKPOINT " FROM checkpoint ORDER BY seq",
	[SR_SQL_AUDIT_KEY_PUT] = "INSERT INTO audit_key (" AUDIT_KEY ") VALUES (?, ?, ?)",
	[SR_SQL_AUDIT_KEY_LIST] = "SELECT " AUDIT_KEY " FROM audit_key ORDER BY generation",
};

const char *sr_sqlite_sql(enum sr_sql sql)
{
	return texts[sql];
}
