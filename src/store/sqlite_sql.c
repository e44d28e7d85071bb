/* Every statement of the store, on one page. */
#include "store/sqlite.h"

#define SECRET                                                                                                \
	"path, uid, type, tier, state, version, created_ms, updated_ms, application, object_id, rotated_ms, " \
	"expires_ms, oldest, graces, event_id, mac"
#define ROTATION "glob, active, period_ms, author, created_ms, updated_ms, event_id, mac"
#define VERSION "path, version, tier, type, created_ms, sealed"
#define KEY                                                                                                    \
	"path, part, uid, key_type, custody, tier, state, created_ms, updated_ms, id, attrs, blob, material, " \
	"grace_wall_ms, grace_boot_ms, grace_boot_id, event_id, mac"
#define TOKEN                                                                                                          \
	"id, hash, scopes, allowed_ips, description, issuer, parent, clearance, state, max_uses, created_ms, ttl_ms, " \
	"end_wall_ms, end_boot_ms, end_boot_id, owner, approval, event_id, mac"
#define MEMBER                                                                                           \
	"name, role, active, log2n, r, p, salt, hash, created_ms, allowed_ips, made_by, fresh_wall_ms, " \
	"fresh_boot_ms, "                                                                                \
	"fresh_boot_id, cut, event_id, mac"
#define AGENT                                                                                                         \
	"name, hash, old_hash, old_end_wall_ms, old_end_boot_ms, old_end_boot_id, scopes, allowed_ips, description, " \
	"max_ttl_ms, max_uses, end_wall_ms, end_boot_ms, end_boot_id, state, owner, created_ms, cut, event_id, mac"
#define POLICY                                                                                             \
	"tier, glob, active, approvals, delay_ms, timeout_ms, break_glass, each_use, author, created_ms, " \
	"updated_ms, event_id, mac"
#define APPROVAL                                                                                                       \
	"id, kind, target, change, base, path, tier, needed, delay_ms, ttl_ms, requester, owner, reason, created_ms, " \
	"deadline_wall_ms, deadline_boot_ms, deadline_boot_id, ready_wall_ms, ready_boot_ms, ready_boot_id, "          \
	"end_wall_ms, end_boot_ms, end_boot_id, state, votes, decided_by, decision, break_glass, event_id, mac"
#define FREEZE "path, active, tier, author, reason, created_ms, updated_ms, event_id, mac"
#define EVENT                                                                                                     \
	"id, timestamp_ms, event, status, actor_type, actor_id, token_id, ip, peer, function, rv, reason, path, " \
	"tier, "                                                                                                  \
	"version, subject, counted, metadata, hash"
#define CHECKPOINT "seq, head, generation, signature, created_ms"
#define AUDIT_KEY "generation, spki, signature"
#define STANDING "SELECT seq, head, newest_ms, root, mac FROM standing WHERE one = 1"
#define EVENT_WITHIN(index) "SELECT " EVENT " FROM event_" index " CROSS JOIN event ON id = seq WHERE "
#define EVENT_OF(index)     \
	EVENT_WITHIN(index) \
	"key = ?5 AND seq > ?1 AND seq < ?2 AND timestamp_ms >= ?3 AND timestamp_ms <= ?4 ORDER BY seq "
#define EVENT_TIME EVENT_WITHIN("time") "at_ms >= ?3 AND at_ms <= ?4 AND seq > ?1 AND seq < ?2 ORDER BY "
/* As the index has them: to sort what a wide range finds would take memory for all of it. */
#define EVENT_FROM(index)   \
	EVENT_WITHIN(index) \
	"key >= ?5 AND key < ?6 AND seq > ?1 AND seq < ?2 AND timestamp_ms >= ?3 AND timestamp_ms <= ?4"
#define EVENT_INDEX(index, column)                                                                           \
	"INSERT OR IGNORE INTO event_" index " SELECT " column ", id FROM event WHERE id > ?1 AND id <= ?2 " \
	"AND " column " IS NOT NULL ORDER BY " column ", id"
/* The words of records: what most of them say is no word, nor is an address that lies in no range. */
#define WORD(key, where, range) "SELECT " key " AS key, id FROM event WHERE " range " AND " where
#define WORD_TOO(key, where, range) " UNION ALL " WORD(key, where, range)
#define EVENT_WORDS(range)                                            \
	WORD("'event=' || event", "event IS NOT NULL", range)         \
	WORD_TOO("'event=token.used'", "counted = 1", range)          \
	WORD_TOO("'status=' || status", "status <> 'allowed'", range) \
	WORD_TOO("'tier=' || tier", "tier <> 'standard'", range)      \
	WORD_TOO("'ip=' || ip", "ip NOT IN ('local', 'unix')", range)
#define PRUNE(index, key, column)                                                          \
	"DELETE FROM event_" index " WHERE (" key ", seq) IN (SELECT " column ", id FROM " \
	"event WHERE id <= ? AND " column " IS NOT NULL)"
#define EVENT_RANGE "WHERE id > ?1 AND id < ?2 AND timestamp_ms >= ?3 AND timestamp_ms <= ?4 ORDER BY id "

#define DECIDING(table, key) "SELECT " key ", NULL FROM " table " WHERE " key " > ?1 AND ?2 = '' ORDER BY 1 LIMIT ?3"
#define DECIDING_BY_TWO(table, keys) "SELECT " keys " FROM " table " WHERE (" keys ") > (?1, ?2) ORDER BY 1, 2 LIMIT ?3"

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
	[SR_SQL_SECRET_PUT] = "INSERT INTO secret (" SECRET ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			      "ON CONFLICT (path) DO UPDATE SET uid = excluded.uid, type = excluded.type, "
			      "tier = excluded.tier, state = excluded.state, version = excluded.version, "
			      "created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, "
			      "application = excluded.application, object_id = excluded.object_id, "
			      "rotated_ms = excluded.rotated_ms, expires_ms = excluded.expires_ms, "
			      "oldest = excluded.oldest, graces = excluded.graces, "
			      "event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_SECRET_LIST] = "SELECT " SECRET " FROM secret WHERE path >= ? AND path < ? ORDER BY path",
	[SR_SQL_VERSION_GET] = "SELECT " VERSION " FROM secret_version WHERE path = ? AND version = ?",
	[SR_SQL_VERSION_LEN] = "SELECT length(sealed) FROM secret_version WHERE path = ? AND version = ?",
	[SR_SQL_VERSION_PUT] = "INSERT INTO secret_version (" VERSION ") VALUES (?, ?, ?, ?, ?, ?)",
	[SR_SQL_VERSION_LIST] = "SELECT version, created_ms FROM secret_version WHERE path = ? ORDER BY version",
	[SR_SQL_VERSION_DROP] = "DELETE FROM secret_version WHERE path = ? AND version = ?",

	[SR_SQL_ROTATION_GET] = "SELECT " ROTATION " FROM rotation WHERE glob = ?",
	[SR_SQL_ROTATION_PUT] = "INSERT INTO rotation (" ROTATION ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
				"ON CONFLICT (glob) DO UPDATE SET active = excluded.active, "
				"period_ms = excluded.period_ms, author = excluded.author, "
				"created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, "
				"event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_ROTATION_LIST] = "SELECT " ROTATION " FROM rotation WHERE active = 1 ORDER BY glob",
	[SR_SQL_VERSION_STALE] = "SELECT rowid, path, version FROM secret_version "
				 "WHERE rowid > ?1 AND substr(sealed, 1, 4) <> ?2 ORDER BY rowid LIMIT ?3",
	[SR_SQL_VERSION_SEALED] = "SELECT substr(sealed, 1, 4) AS generation, count(*) AS rows FROM secret_version "
				  "GROUP BY 1 ORDER BY 1",
	[SR_SQL_VERSION_RESEAL] = "UPDATE secret_version SET sealed = ?3 WHERE path = ?1 AND version = ?2 AND "
				  "sealed = ?4 RETURNING 1",

	[SR_SQL_KEY_GET] = "SELECT " KEY " FROM key WHERE path = ? AND part = ?",
	[SR_SQL_KEY_PUT] = "INSERT INTO key (" KEY ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			   "ON CONFLICT (path, part) DO UPDATE SET uid = excluded.uid, key_type = excluded.key_type, "
			   "custody = excluded.custody, tier = excluded.tier, state = excluded.state, "
			   "created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, id = excluded.id, "
			   "attrs = excluded.attrs, blob = excluded.blob, material = excluded.material, "
			   "grace_wall_ms = excluded.grace_wall_ms, grace_boot_ms = excluded.grace_boot_ms, "
			   "grace_boot_id = excluded.grace_boot_id, "
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
	[SR_SQL_TOKEN_PUT] =
		"INSERT INTO token (" TOKEN ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
		"ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes, "
		"allowed_ips = excluded.allowed_ips, description = excluded.description, "
		"issuer = excluded.issuer, parent = excluded.parent, clearance = excluded.clearance, "
		"state = excluded.state, max_uses = excluded.max_uses, created_ms = excluded.created_ms, "
		"ttl_ms = excluded.ttl_ms, end_wall_ms = excluded.end_wall_ms, "
		"end_boot_ms = excluded.end_boot_ms, end_boot_id = excluded.end_boot_id, "
		"owner = excluded.owner, approval = excluded.approval, "
		"event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_TOKEN_LIST] = "SELECT " TOKEN " FROM token ORDER BY created_ms DESC, id DESC",
	[SR_SQL_TOKEN_REACH_PUT] = "INSERT INTO token_reach (id, prefix) VALUES (?, ?) "
				   "ON CONFLICT (prefix, id) DO NOTHING",
	[SR_SQL_TOKEN_REACH_HAS] = "SELECT 1 FROM token_reach WHERE prefix = ?2 AND id = ?1",
	[SR_SQL_TOKEN_REACH_DROP] = "DELETE FROM token_reach WHERE id = ?",
	/* the prefixes of ?1 (itself included), then what begins with it: ?2 is the end of that range */
	[SR_SQL_TOKEN_NEAR] = "WITH RECURSIVE cut (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM cut "
			      "WHERE n < length(CAST(?1 AS BLOB))) "
			      "SELECT " TOKEN " FROM token WHERE id IN ("
			      "SELECT id FROM cut CROSS JOIN token_reach ON "
			      "prefix = CAST(substr(CAST(?1 AS BLOB), 1, n) AS TEXT) "
			      "UNION SELECT id FROM token_reach WHERE prefix >= ?1 AND prefix < ?2) "
			      "ORDER BY created_ms DESC, id DESC",
	[SR_SQL_TOKEN_CHILDREN] = "SELECT " TOKEN " FROM token WHERE parent = ? ORDER BY created_ms DESC, id DESC",

	[SR_SQL_MEMBER_GET] = "SELECT " MEMBER " FROM member WHERE name = ?",
	[SR_SQL_MEMBER_PUT] =
		"INSERT INTO member (" MEMBER ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
		"ON CONFLICT (name) DO UPDATE SET role = excluded.role, active = excluded.active, "
		"log2n = excluded.log2n, r = excluded.r, p = excluded.p, salt = excluded.salt, "
		"hash = excluded.hash, created_ms = excluded.created_ms, "
		"allowed_ips = excluded.allowed_ips, made_by = excluded.made_by, "
		"fresh_wall_ms = excluded.fresh_wall_ms, fresh_boot_ms = excluded.fresh_boot_ms, "
		"fresh_boot_id = excluded.fresh_boot_id, cut = excluded.cut, "
		"event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_MEMBER_LIST] = "SELECT " MEMBER " FROM member ORDER BY name",

	[SR_SQL_AGENT_GET] = "SELECT " AGENT " FROM agent WHERE name = ?",
	[SR_SQL_AGENT_BY_HASH] = "SELECT " AGENT " FROM agent WHERE hash = ?1 OR old_hash = ?1",
	[SR_SQL_AGENT_PUT] =
		"INSERT INTO agent (" AGENT ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
		"ON CONFLICT (name) DO UPDATE SET "
		"hash = excluded.hash, old_hash = excluded.old_hash, "
		"old_end_wall_ms = excluded.old_end_wall_ms, "
		"old_end_boot_ms = excluded.old_end_boot_ms, "
		"old_end_boot_id = excluded.old_end_boot_id, scopes = excluded.scopes, "
		"allowed_ips = excluded.allowed_ips, description = excluded.description, "
		"max_ttl_ms = excluded.max_ttl_ms, max_uses = excluded.max_uses, "
		"end_wall_ms = excluded.end_wall_ms, end_boot_ms = excluded.end_boot_ms, "
		"end_boot_id = excluded.end_boot_id, state = excluded.state, owner = excluded.owner, "
		"created_ms = excluded.created_ms, cut = excluded.cut, event_id = excluded.event_id, "
		"mac = excluded.mac",
	[SR_SQL_AGENT_LIST] = "SELECT " AGENT " FROM agent ORDER BY name",

	[SR_SQL_POLICY_GET] = "SELECT " POLICY " FROM policy WHERE tier = ? AND glob = ?",
	[SR_SQL_POLICY_PUT] = "INSERT INTO policy (" POLICY ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
			      "ON CONFLICT (tier, glob) DO UPDATE SET "
			      "active = excluded.active, approvals = excluded.approvals, "
			      "delay_ms = excluded.delay_ms, timeout_ms = excluded.timeout_ms, "
			      "break_glass = excluded.break_glass, each_use = excluded.each_use, "
			      "author = excluded.author, created_ms = excluded.created_ms, "
			      "updated_ms = excluded.updated_ms, event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_POLICY_LIST] = "SELECT " POLICY " FROM policy WHERE active = 1 ORDER BY glob, tier",
	[SR_SQL_POLICY_LIST_TIER] = "SELECT " POLICY " FROM policy WHERE tier = ? AND active = 1 ORDER BY glob",

	[SR_SQL_APPROVAL_GET] = "SELECT " APPROVAL " FROM approval WHERE id = ?",
	[SR_SQL_APPROVAL_PUT] =
		"INSERT INTO approval (" APPROVAL
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
		"ON CONFLICT (id) DO UPDATE SET "
		"kind = excluded.kind, target = excluded.target, change = excluded.change, "
		"base = excluded.base, path = excluded.path, tier = excluded.tier, "
		"needed = excluded.needed, delay_ms = excluded.delay_ms, ttl_ms = excluded.ttl_ms, "
		"requester = excluded.requester, owner = excluded.owner, reason = excluded.reason, "
		"created_ms = excluded.created_ms, deadline_wall_ms = excluded.deadline_wall_ms, "
		"deadline_boot_ms = excluded.deadline_boot_ms, "
		"deadline_boot_id = excluded.deadline_boot_id, ready_wall_ms = excluded.ready_wall_ms, "
		"ready_boot_ms = excluded.ready_boot_ms, ready_boot_id = excluded.ready_boot_id, "
		"end_wall_ms = excluded.end_wall_ms, end_boot_ms = excluded.end_boot_ms, "
		"end_boot_id = excluded.end_boot_id, state = excluded.state, votes = excluded.votes, "
		"decided_by = excluded.decided_by, decision = excluded.decision, "
		"break_glass = excluded.break_glass, event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_APPROVAL_LIST] = "SELECT " APPROVAL " FROM approval ORDER BY created_ms DESC, id DESC",
	[SR_SQL_APPROVAL_OPEN] = "SELECT " APPROVAL " FROM approval WHERE state IN ('pending', 'approved') "
				 "ORDER BY created_ms DESC",
	[SR_SQL_APPROVAL_OF] = "SELECT " APPROVAL " FROM approval WHERE target = ? ORDER BY created_ms DESC, id DESC",

	[SR_SQL_FREEZE_GET] = "SELECT " FREEZE " FROM freeze WHERE path = ?",
	[SR_SQL_FREEZE_PUT] = "INSERT INTO freeze (" FREEZE ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
			      "ON CONFLICT (path) DO UPDATE SET active = excluded.active, tier = excluded.tier, "
			      "author = excluded.author, reason = excluded.reason, "
			      "created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, "
			      "event_id = excluded.event_id, mac = excluded.mac",
	[SR_SQL_FREEZE_LIST] = "SELECT " FREEZE " FROM freeze WHERE active = 1 ORDER BY path",

	[SR_SQL_TIER_LIST] = "SELECT path, tier FROM secret WHERE path >= ?1 AND path < ?2 AND tier <> 'standard' "
			     "AND state = 'active' UNION ALL "
			     "SELECT path, tier FROM key WHERE path >= ?1 AND path < ?2 AND tier <> 'standard' "
			     "AND state = 'active'",

	[SR_SQL_EVENT_PUT] =
		"INSERT INTO event (" EVENT ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SR_SQL_EVENT_HEAD] = "SELECT id, timestamp_ms, hash FROM event ORDER BY id DESC LIMIT 1",
	[SR_SQL_EVENT_GET] = "SELECT " EVENT " FROM event WHERE id = ?",
	[SR_SQL_EVENT_UP] = "SELECT " EVENT " FROM event " EVENT_RANGE "ASC",
	[SR_SQL_EVENT_DOWN] = "SELECT " EVENT " FROM event " EVENT_RANGE "DESC",
	[SR_SQL_EVENT_DECIDING] = "SELECT " EVENT " FROM event WHERE id > ?1 AND id < ?2 AND timestamp_ms >= ?3 AND "
				  "timestamp_ms <= ?4 AND (subject IS NOT NULL OR counted = 1) ORDER BY id",

	[SR_SQL_EVENT_TIME_UP] = EVENT_TIME "at_ms, seq",
	[SR_SQL_EVENT_TIME_DOWN] = EVENT_TIME "at_ms DESC, seq DESC",
	[SR_SQL_EVENT_PATH_UP] = EVENT_OF("path"),
	[SR_SQL_EVENT_PATH_DOWN] = EVENT_OF("path") "DESC",
	[SR_SQL_EVENT_PATHS] = EVENT_FROM("path"),
	[SR_SQL_EVENT_ACTOR_UP] = EVENT_OF("actor"),
	[SR_SQL_EVENT_ACTOR_DOWN] = EVENT_OF("actor") "DESC",
	[SR_SQL_EVENT_TOKEN_UP] = EVENT_OF("token"),
	[SR_SQL_EVENT_TOKEN_DOWN] = EVENT_OF("token") "DESC",
	[SR_SQL_EVENT_WORD_UP] = EVENT_OF("word"),
	[SR_SQL_EVENT_WORD_DOWN] = EVENT_OF("word") "DESC",
	[SR_SQL_EVENT_WORDS] = EVENT_FROM("word"),
	[SR_SQL_EVENT_INDEXED] = "SELECT seq FROM event_indexed WHERE one = 1",
	[SR_SQL_EVENT_INDEX_MARK] = "INSERT INTO event_indexed (one, seq) VALUES (1, ?) "
				    "ON CONFLICT (one) DO UPDATE SET seq = excluded.seq",
	[SR_SQL_EVENT_INDEX_TIME] = EVENT_INDEX("time", "timestamp_ms"),
	[SR_SQL_EVENT_INDEX_PATH] = EVENT_INDEX("path", "path"),
	[SR_SQL_EVENT_INDEX_ACTOR] = EVENT_INDEX("actor", "actor_id"),
	[SR_SQL_EVENT_INDEX_TOKEN] = EVENT_INDEX("token", "token_id"),
	[SR_SQL_EVENT_INDEX_WORD] = "INSERT OR IGNORE INTO event_word SELECT key, id FROM (" EVENT_WORDS(
		"id > ?1 AND id <= ?2") ") ORDER BY key, id",

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
	[SR_SQL_CHECKPOINT_FROM] = "SELECT " CHECKPOINT " FROM checkpoint WHERE seq >= ? ORDER BY seq LIMIT 1",
	[SR_SQL_CHECKPOINT_LIST] = "SELECT " CHECKPOINT " FROM checkpoint ORDER BY seq",
	[SR_SQL_CHECKPOINT_UPTO] = "SELECT " CHECKPOINT " FROM checkpoint WHERE seq <= ? ORDER BY seq DESC LIMIT 1",
	[SR_SQL_PRUNE_LAST] = "SELECT count(*), coalesce(max(id), 0) FROM "
			      "(SELECT id FROM event WHERE id <= ? ORDER BY id LIMIT ?)",
	[SR_SQL_PRUNE_LEFT] = "SELECT count(*), coalesce(max(id), 0) FROM event WHERE id <= ?",
	[SR_SQL_PRUNE_TIME] = PRUNE("time", "at_ms", "timestamp_ms"),
	[SR_SQL_PRUNE_PATH] = PRUNE("path", "key", "path"),
	[SR_SQL_PRUNE_ACTOR] = PRUNE("actor", "key", "actor_id"),
	[SR_SQL_PRUNE_TOKEN] = PRUNE("token", "key", "token_id"),
	/* by pairs of key and number it would go through every record of each word */
	[SR_SQL_PRUNE_WORD] =
		"DELETE FROM event_word WHERE key IN (SELECT key FROM (" EVENT_WORDS("id <= ?1") ")) AND seq <= ?1",
	[SR_SQL_PRUNE_EVENT] = "DELETE FROM event WHERE id <= ?",
	[SR_SQL_PRUNE_CHECKPOINT] = "DELETE FROM checkpoint WHERE seq <= ? AND seq < ?",
	[SR_SQL_ENDED] =
		"SELECT 'rotation:' || glob AS subject FROM rotation WHERE active = 0 UNION ALL "
		"SELECT 'freeze:' || path FROM freeze WHERE active = 0 UNION ALL "
		"SELECT 'policy:' || CASE tier WHEN 'standard' THEN '0' WHEN 'sensitive' THEN '1' ELSE '2' END "
		"|| ':' || glob FROM policy WHERE active = 0",
	[SR_SQL_AUDIT_KEY_PUT] = "INSERT INTO audit_key (" AUDIT_KEY ") VALUES (?, ?, ?)",
	[SR_SQL_AUDIT_KEY_LIST] = "SELECT " AUDIT_KEY " FROM audit_key ORDER BY generation",

	[SR_SQL_DECIDING_SECRET] = DECIDING("secret", "path"),
	[SR_SQL_DECIDING_KEY] = DECIDING_BY_TWO("key", "path, part"),
	[SR_SQL_DECIDING_TOKEN] = DECIDING("token", "id"),
	[SR_SQL_DECIDING_AGENT] = DECIDING("agent", "name"),
	[SR_SQL_DECIDING_MEMBER] = DECIDING("member", "name"),
	[SR_SQL_DECIDING_POLICY] = DECIDING_BY_TWO("policy", "tier, glob"),
	[SR_SQL_DECIDING_APPROVAL] = DECIDING("approval", "id"),
	[SR_SQL_DECIDING_ROTATION] = DECIDING("rotation", "glob"),
	[SR_SQL_DECIDING_FREEZE] = DECIDING("freeze", "path"),
};

const char *sr_sqlite_sql(enum sr_sql sql)
{
	return texts[sql];
}
