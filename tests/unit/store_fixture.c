#include "store_fixture.h"
#include "tests/common/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

char store_dir_path[64];
struct sr_store *store;
struct sr_error store_error;

const char *store_file(const char *name)
{
	static char path[sizeof store_dir_path + 256];
	snprintf(path, sizeof path, "%s/%s", store_dir_path, name);
	return path;
}

void store_dir(void)
{
	directory_make(store_dir_path, sizeof store_dir_path, "sr-store");
}

void store_start(void)
{
	store_dir();
	assert_ok(sr_sqlite_create(store_dir_path, &store_error));
	assert_ok(sr_sqlite_open(store_dir_path, &store, &store_error));
}

void store_clean(void)
{
	if (store)
		store->ops->close(store);
	store = NULL;
	chmod(store_dir_path, 0700);
	DIR *dir = opendir(store_dir_path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		unlink(store_file(entry->d_name));
	if (dir)
		closedir(dir);
	rmdir(store_dir_path);
}

void store_sql(const char *sql)
{
	sqlite3 *db;
	char *why = NULL;
	ck_assert_int_eq(sqlite3_open(store_file(SR_SQLITE_FILE), &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why);
	sqlite3_close(db);
}

struct sr_tx *store_read(void)
{
	struct sr_tx *tx;
	assert_ok(store->ops->begin_read(store, &tx, &store_error));
	return tx;
}

struct sr_tx *store_write(void)
{
	struct sr_tx *tx;
	assert_ok(store->ops->begin_write(store, &tx, &store_error));
	return tx;
}

void store_commit(struct sr_tx *tx)
{
	assert_ok(store->ops->commit(tx, &store_error));
}

struct sr_secret_row store_secret(const char *path)
{
	struct sr_secret_row row = { .uid = "0123456789abcdef0123456789abcdef",
		.type = "api-key",
		.tier = SR_TIER_CRITICAL,
		.state = SR_SECRET_ACTIVE,
		.version = 7,
		.created_ms = 1001,
		.updated_ms = 1002,
		.mark.event_id = 1003 };
	snprintf(row.path, sizeof row.path, "%s", path);
	memset(row.mark.mac, 0xa1, sizeof row.mark.mac);
	sr_buf_append(&row.application, "an\0app", 6);
	sr_buf_append(&row.object_id, "\x06\x01", 2);
	return row;
}

struct sr_version_row store_version(const char *path, uint64_t version)
{
	struct sr_version_row row = {
		.version = version, .tier = SR_TIER_SENSITIVE, .type = "text", .created_ms = 2001
	};
	snprintf(row.path, sizeof row.path, "%s", path);
	sr_buf_append(&row.sealed, "sealed\0bytes", 12);
	return row;
}

struct sr_key_row store_key(const char *path, enum sr_part part)
{
	struct sr_key_row row = { .part = part,
		.key_type = 0x80000007,
		.custody = SR_CUSTODY_WRAPPED,
		.tier = SR_TIER_CRITICAL,
		.state = SR_KEY_ACTIVE,
		.created_ms = 1501,
		.updated_ms = 1502,
		.mark.event_id = 1503 };
	snprintf(row.path, sizeof row.path, "%s", path);
	snprintf(row.uid, sizeof row.uid, "%.12s-%.12s", sr_part_word(part), path);
	memset(row.mark.mac, 0xa2, sizeof row.mark.mac);
	sr_buf_append(&row.id, "an\0id", 5);
	sr_buf_append(&row.attrs, "attributes\0packed", 17);
	sr_buf_append(&row.blob, "wrapped\0bytes", 13);
	sr_buf_append(&row.material, "0123456789abcdef0123456789abcde\0", 32);
	return row;
}

struct sr_token_row store_token(const char *id, const char *parent)
{
	struct sr_token_row row = { .issuer = "member:alice",
		.clearance = SR_TIER_SENSITIVE,
		.state = SR_TOKEN_REVOKED,
		.max_uses = 31,
		.created_ms = 3001,
		.ttl_ms = 3002,
		.end = { .wall_ms = 3003, .boot_ms = 3004, .boot_id = "00000000-1111-2222-3333-444444444444" },
		.mark.event_id = 3005 };
	snprintf(row.id, sizeof row.id, "%s", id);
	snprintf(row.parent, sizeof row.parent, "%s", parent);
	memset(row.hash, 0, sizeof row.hash);
	memcpy(row.hash, id, strlen(id));
	memset(row.mark.mac, 0xa3, sizeof row.mark.mac);
	sr_buf_text(&row.scopes, "secrets:read:a/*\nkeys:sign:b\n");
	sr_buf_text(&row.allowed_ips, "10.0.0.0/8\nunix\n");
	sr_buf_text(&row.description, "für den Bot");
	return row;
}

struct sr_member_row store_member(const char *name)
{
	struct sr_member_row row = { .role = SR_ROLE_AUDITOR,
		.active = true,
		.log2n = 15,
		.r = 8,
		.p = 2,
		.created_ms = 4001,
		.mark.event_id = 4002 };
	snprintf(row.name, sizeof row.name, "%s", name);
	memset(row.salt, 0xb1, sizeof row.salt);
	memset(row.hash, 0xb2, sizeof row.hash);
	memset(row.mark.mac, 0xa4, sizeof row.mark.mac);
	return row;
}

struct sr_agent_row store_agent(const char *name)
{
	struct sr_agent_row row = { .old_end = { .wall_ms = 6001, .boot_ms = 6002, .boot_id = "an-old-boot" },
		.max_ttl_ms = 6003,
		.max_uses = 61,
		.end = { .wall_ms = 6004, .boot_ms = 6005, .boot_id = "a-boot" },
		.state = SR_AGENT_SUSPENDED,
		.owner = "alice",
		.created_ms = 6006,
		.cut = 6007,
		.mark.event_id = 6008 };
	snprintf(row.name, sizeof row.name, "%s", name);
	memcpy(row.hash, name, strlen(name));
	memset(row.old_hash, 0xc2, sizeof row.old_hash);
	memset(row.mark.mac, 0xa5, sizeof row.mark.mac);
	sr_buf_text(&row.scopes, "secrets:read:a/*\n");
	sr_buf_text(&row.allowed_ips, "10.0.0.0/8\n");
	sr_buf_text(&row.description, "für den Bot");
	return row;
}

struct sr_policy_row store_policy(enum sr_tier tier, const char *glob)
{
	struct sr_policy_row row = { .tier = tier,
		.active = true,
		.approvals = 3,
		.delay_ms = 7001,
		.timeout_ms = 7002,
		.break_glass = true,
		.author = "alice",
		.created_ms = 7003,
		.updated_ms = 7004,
		.mark.event_id = 7005 };
	snprintf(row.glob, sizeof row.glob, "%s", glob);
	memset(row.mark.mac, 0xa6, sizeof row.mark.mac);
	return row;
}

struct sr_approval_row store_approval(const char *id, const char *target)
{
	struct sr_approval_row row = { .kind = SR_APPROVAL_TIER,
		.change = "tier standard",
		.base = 8001,
		.path = "a/*",
		.tier = SR_TIER_CRITICAL,
		.needed = 2,
		.delay_ms = 8002,
		.ttl_ms = 8003,
		.requester = "agent:deployer",
		.owner = "alice",
		.reason = "für heute",
		.created_ms = 8004,
		.deadline = { .wall_ms = 8005, .boot_ms = 8006, .boot_id = "boot-of-asking" },
		.ready = { .wall_ms = 8007, .boot_ms = 8008, .boot_id = "boot-of-approval" },
		.end = { .wall_ms = 8009, .boot_ms = 8010, .boot_id = "boot-of-the-end" },
		.state = SR_APPROVAL_APPROVED,
		.votes = "bob 81\ncarol 82\n",
		.decided_by = "dave",
		.decision = "in Ordnung",
		.break_glass = true,
		.mark.event_id = 8011 };
	snprintf(row.id, sizeof row.id, "%s", id);
	snprintf(row.target, sizeof row.target, "%s", target);
	memset(row.mark.mac, 0xa7, sizeof row.mark.mac);
	return row;
}

struct sr_event store_event(uint64_t id)
{
	struct sr_event event = { .id = id,
		.timestamp_ms = 5000 + (int64_t)id,
		.kind = SR_EVENT_SECRET_READ,
		.status = SR_STATUS_ALLOWED,
		.actor_type = "token",
		.actor_id = "actor",
		.token_id = "t-a",
		.ip = "local",
		.peer = "uid=1 pid=2",
		.function = "C_GetAttributeValue",
		.rv = "CKR_OK",
		.reason = "none",
		.path = "a/b",
		.tier = "standard",
		.version = 9,
		.subject = "secret:a/b",
		.counted = true,
		.metadata = "{\"k\":1}" };
	return event;
}

void store_put_event(struct sr_tx *tx, uint64_t id)
{
	struct sr_event event = store_event(id);
	uint8_t hash[SR_HASH_LEN] = { (uint8_t)id };
	assert_ok(tx->store->base.ops->event_put(tx, &event, hash, &store_error));
}

uint64_t store_events(struct sr_store *from)
{
	struct sr_counts counts;
	struct sr_tx *tx;
	assert_ok(from->ops->begin_read(from, &tx, &store_error));
	assert_ok(from->ops->counts(tx, &counts, &store_error));
	assert_ok(from->ops->commit(tx, &store_error));
	return counts.events;
}

bool gather(struct gathered *list, const char *name)
{
	size_t len = strlen(list->text);
	snprintf(list->text + len, sizeof list->text - len, "%s ", name);
	return ++list->count != list->stop_after;
}

bool gather_secret(const struct sr_secret_row *row, void *ctx)
{
	return gather(ctx, row->path);
}

bool gather_key(const struct sr_key_row *row, void *ctx)
{
	char name[SR_PATH_MAX + 16];
	snprintf(name, sizeof name, "%s:%.4s", row->path, sr_part_word(row->part));
	return gather(ctx, name);
}

bool gather_token(const struct sr_token_row *row, void *ctx)
{
	return gather(ctx, row->id);
}

bool gather_member(const struct sr_member_row *row, void *ctx)
{
	return gather(ctx, row->name);
}

bool gather_agent(const struct sr_agent_row *row, void *ctx)
{
	return gather(ctx, row->name);
}

bool gather_policy(const struct sr_policy_row *row, void *ctx)
{
	char name[SR_PATH_MAX + 16];
	snprintf(name, sizeof name, "%s:%s", sr_tier_name(row->tier), row->glob);
	return gather(ctx, name);
}

bool gather_approval(const struct sr_approval_row *row, void *ctx)
{
	return gather(ctx, row->id);
}

bool gather_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	char id[24];
	ck_assert_uint_eq(hash[0], event->id);
	snprintf(id, sizeof id, "%lu", (unsigned long)event->id);
	return gather(ctx, id);
}

bool gather_checkpoint(const struct sr_checkpoint_row *row, void *ctx)
{
	char seq[24];
	snprintf(seq, sizeof seq, "%lu", (unsigned long)row->seq);
	return gather(ctx, seq);
}

bool gather_audit_key(const struct sr_audit_key_row *row, void *ctx)
{
	return gather(ctx, row->signature.len ? "signed" : "first");
}

const char *store_plan(enum sr_sql sql)
{
	static char plan[2048];
	sqlite3_stmt *stmt;
	struct sr_tx *tx = store_read();
	char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sr_sqlite_sql(sql));
	ck_assert_int_eq(sqlite3_prepare_v2(tx->db, text, -1, &stmt, NULL), SQLITE_OK);
	plan[0] = '\0';
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		size_t len = strlen(plan);
		snprintf(plan + len, sizeof plan - len, "%s\n", (const char *)sqlite3_column_text(stmt, 3));
	}
	sqlite3_finalize(stmt);
	sqlite3_free(text);
	store_commit(tx);
	return plan;
}
