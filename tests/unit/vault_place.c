/* The place where the tests of the vault happen. */
#include "tests/unit/vault_place.h"

#include "tests/common/directory.h"
#include "util/clock.h"
#include "vault/core.h"

#include <check.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t wall_moved, boot_moved;
static bool rebooted;

static void moved_clock(struct sr_now *now)
{
	sr_clock_system(now);
	now->wall_ms += wall_moved;
	now->boot_ms += boot_moved;
	if (rebooted)
		snprintf(now->boot_id, sizeof(now->boot_id), "another-boot");
}

void vault_clock_move(int64_t wall_ms, int64_t boot_ms, bool reboot)
{
	wall_moved += wall_ms;
	boot_moved += boot_ms;
	rebooted = reboot;
	sr_clock_replace(moved_clock);
}

static void start(struct vault_place *place)
{
	sr_error_clear(&place->err);
	ck_assert_msg(sr_vault_open(&place->config, &place->vault, &place->err) == CKR_OK, "%s", place->err.text);
	place->caller = (struct sr_caller){ place->vault, &place->peer, "test", NULL };
}

void vault_place_make(struct vault_place *place)
{
	char conf[96];
	memset(place, 0, sizeof(*place));
	wall_moved = boot_moved = 0;
	rebooted = false;
	sr_clock_replace(NULL);
	vault_template_copy(place->dir);
	snprintf(conf, sizeof(conf), "%s/strongroom.conf", place->dir);
	ck_assert_msg(sr_config_load(conf, &place->config, &place->err) == CKR_OK, "%s", place->err.text);
	place->peer = (struct sr_peer){ .kind = SR_PEER_EMBEDDED, .loopback = true, .uid = geteuid(), .pid = getpid() };
	start(place);
}

static void stop(struct vault_place *place)
{
	sr_identity_unref(place->caller.identity);
	place->caller.identity = NULL;
	sr_vault_close(place->vault);
	place->vault = NULL;
}

void vault_place_reopen(struct vault_place *place)
{
	stop(place);
	start(place);
}

void vault_place_remove(struct vault_place *place)
{
	stop(place);
	sr_config_clear(&place->config);
	sr_clock_replace(NULL);
	directory_remove(place->dir);
}

CK_RV vault_login(struct vault_place *place, const char *pin)
{
	struct sr_caller nobody = { place->vault, &place->peer, "C_Login", NULL };
	struct sr_identity *identity = NULL;
	sr_error_clear(&place->err);
	CK_RV rv = sr_login(&nobody, CKU_USER, NULL, 0, pin, strlen(pin), &identity, &place->err);
	if (rv == CKR_OK) {
		sr_identity_unref(place->caller.identity);
		place->caller.identity = identity;
	}
	return rv;
}

void vault_login_admin(struct vault_place *place)
{
	ck_assert_msg(vault_login(place, "admin:" PASSPHRASE) == CKR_OK, "%s", place->err.text);
}

CK_RV vault_put(struct vault_place *place, const char *path, const char *value, const char *tier)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_DATA);
	sr_attrs_put_bool(&template, CKA_TOKEN, true);
	sr_attrs_put_text(&template, CKA_LABEL, path);
	sr_attrs_put_text(&template, CKA_VALUE, value);
	if (tier)
		sr_attrs_put_text(&template, CKA_SR_TIER, tier);
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(CKO_DATA)->create(&place->caller, &template, &created, &place->err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

CK_RV vault_get(struct vault_place *place, const char *path, char *value)
{
	struct sr_buf buf = SR_BUF_INIT;
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(CKO_DATA)->value(&place->caller, path, &buf, &place->err);
	ck_assert(rv == CKR_OK || buf.len == 0);
	if (value)
		snprintf(value, 256, "%s", sr_buf_string(&buf));
	sr_buf_clear(&buf);
	return rv;
}

static void put_if(struct sr_attrs *template, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text)
		sr_attrs_put_text(template, type, text);
}

CK_RV vault_issue(
	struct vault_place *place, const char *scope, const char *ttl, const char *uses, const char *ips, char *pin)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_TOKEN);
	put_if(&template, CKA_SR_SCOPES, scope);
	put_if(&template, CKA_SR_TTL, ttl);
	put_if(&template, CKA_SR_MAX_USES, uses);
	put_if(&template, CKA_SR_ALLOWED_IPS, ips);
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(CKO_SR_TOKEN)->create(&place->caller, &template, &created, &place->err);
	if (pin)
		snprintf(pin, 64, "%s", sr_buf_string(&created.once));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

struct found {
	int count;
	char id[SR_OBJECT_ID_MAX];
};

static bool take_one(const char *id, void *ctx)
{
	struct found *found = ctx;
	found->count++;
	snprintf(found->id, sizeof(found->id), "%s", id);
	return true;
}

static struct found search(
	struct vault_place *place, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	struct found found = { 0, "" };
	sr_attrs_put_ulong(&query, CKA_CLASS, object_class);
	put_if(&query, type, text);
	sr_error_clear(&place->err);
	CK_RV rv = sr_class_find(object_class)->find(&place->caller, &query, take_one, &found, &place->err);
	ck_assert_msg(rv == CKR_OK, "%s", place->err.text);
	sr_attrs_clear(&query);
	return found;
}

int vault_count(struct vault_place *place, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text)
{
	return search(place, object_class, type, text).count;
}

void vault_find_one(struct vault_place *place, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text,
	char id[SR_OBJECT_ID_MAX])
{
	struct found found = search(place, object_class, type, text);
	ck_assert_int_eq(found.count, 1);
	snprintf(id, SR_OBJECT_ID_MAX, "%s", found.id);
}

/* KEPT is a database beside the vault's, for rows that are put back later: the vault's own tables stay as they are. */
uint64_t vault_event(struct vault_place *place, uint64_t seq, struct sr_event *event)
{
	struct sr_head head = { .seq = seq };
	struct sr_moment at;
	int64_t newest_ms;
	uint8_t hash[SR_HASH_LEN];
	bool found;
	const struct sr_store_ops *ops = place->vault->store->ops;
	ck_assert_uint_eq(sr_writer_look(place->vault->writer, &at, &place->err), CKR_OK);
	if (seq == 0)
		ck_assert_uint_eq(ops->event_head(at.tx, &head, &newest_ms, &place->err), CKR_OK);
	ck_assert_uint_eq(ops->event_get(at.tx, head.seq, event, hash, &found, &place->err), CKR_OK);
	sr_writer_look_end(place->vault->writer, &at);
	return head.seq;
}

static bool run_sql(const struct vault_place *place, const char *sql)
{
	char path[96], attach[128], *error = NULL;
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/vault.db", place->dir);
	snprintf(attach, sizeof(attach), "ATTACH '%s/kept.db' AS kept", place->dir);
	bool done = sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, attach, NULL, NULL, NULL) == SQLITE_OK &&
		    sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK;
	if (!done)
		fprintf(stderr, "%s: %s\n", sql, error ? error : "the database does not open");
	sqlite3_close(db);
	return done;
}

/* In a process of its own, as a stranger's hand would be: the locks of one process do not hold off itself. */
void vault_sql(struct vault_place *place, const char *format, ...)
{
	int status;
	va_list args;
	va_start(args, format);
	char *sql = sqlite3_vmprintf(format, args);
	va_end(args);
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_sql(place, sql) ? 0 : 1);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", sql);
	sqlite3_free(sql);
}
