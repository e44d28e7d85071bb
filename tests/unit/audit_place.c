/* The place where the tests of the audit happen. */
#include "tests/unit/audit_place.h"
#include "tests/common/directory.h"

#include "audit/anchor.h"

#include <check.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

#define must(call, err) ck_assert_msg((call) == CKR_OK, "%s: %s", #call, (err).text)

static void open_hsm(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_hsm_config config = { .uri = sr_buf_string(&place->uri),
		.softhsm_conf = sr_buf_string(&place->conf) };
	must(sr_hsm_open(&config, &place->hsm, &err), err);
}

static void make_config(struct audit_place *place)
{
	place->config = (struct sr_writer_config){ .store = place->store,
		.hsm = place->hsm,
		.vault_id = VAULT_ID,
		.heads_path = place->heads,
		.lazy = place->config.lazy };
}

void place_make(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	memset(place, 0, sizeof *place);
	directory_make(place->dir, sizeof place->dir, "strongroom-audit");
	snprintf(place->heads, sizeof place->heads, "%s/heads", place->dir);
	must(sr_hsm_make_softhsm(place->dir, "audit", &place->uri, &place->conf, &err), err);
	open_hsm(place);
	must(sr_hsm_create_keys(place->hsm, VAULT_ID, 1, &err), err);
	must(sr_hsm_load_keys(place->hsm, VAULT_ID, 1, &err), err);
	must(sr_sqlite_create(place->dir, &err), err);
	must(sr_sqlite_open(place->dir, &place->store, &err), err);
	make_config(place);
	must(sr_writer_start_chain(&place->config, CHAIN_ID, &err), err);
	must(sr_writer_open(&place->config, &place->writer, &err), err);
}

CK_RV place_start(struct audit_place *place, struct sr_error *err)
{
	open_hsm(place);
	must(sr_hsm_load_keys(place->hsm, VAULT_ID, 1, err), *err);
	must(sr_sqlite_open(place->dir, &place->store, err), *err);
	make_config(place);
	return sr_writer_open(&place->config, &place->writer, err);
}

void place_open(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	must(place_start(place, &err), err);
}

void place_close(struct audit_place *place)
{
	sr_writer_close(place->writer);
	place->store->ops->close(place->store);
	sr_hsm_close(place->hsm);
	place->writer = NULL;
	place->store = NULL;
	place->hsm = NULL;
}

void place_remove(struct audit_place *place)
{
	place_close(place);
	nftw(place->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	sr_buf_clear(&place->uri);
	sr_buf_clear(&place->conf);
	sr_clock_replace(NULL);
}

CK_RV place_reopen(struct audit_place *place, struct sr_error *err)
{
	sr_writer_close(place->writer);
	place->writer = NULL;
	return sr_writer_open(&place->config, &place->writer, err);
}

struct sr_event event_of(enum sr_event_kind kind, const char *path)
{
	struct sr_event event = { .kind = kind,
		.actor_type = "token",
		.actor_id = "t-aaaaaaaaaaaaaaaa",
		.token_id = "t-aaaaaaaaaaaaaaaa",
		.ip = "local",
		.peer = "uid=0 pid=1",
		.function = "C_GetAttributeValue",
		.tier = "standard" };
	snprintf(event.path, sizeof event.path, "%s", path);
	return event;
}

void put_event(struct audit_place *place, enum sr_event_kind kind, const char *path)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = event_of(kind, path);
	struct sr_job job = { .event = &event };
	must(sr_writer_run(place->writer, &job, &err), err);
}

void put_events(struct audit_place *place, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put_event(place, SR_EVENT_SECRET_READ, "some/path");
}

static struct sr_tx *begin(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	must(place->store->ops->begin_read(place->store, &tx, &err), err);
	return tx;
}

struct sr_event get_event(struct audit_place *place, uint64_t id)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event;
	uint8_t hash[SR_HASH_LEN];
	bool found;
	struct sr_tx *tx = begin(place);
	must(place->store->ops->event_get(tx, id, &event, hash, &found, &err), err);
	ck_assert_msg(found, "no event %lu", (unsigned long)id);
	place->store->ops->rollback(tx);
	return event;
}

struct sr_head get_head(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_head head;
	int64_t newest_ms;
	struct sr_tx *tx = begin(place);
	must(place->store->ops->event_head(tx, &head, &newest_ms, &err), err);
	place->store->ops->rollback(tx);
	return head;
}

int64_t newest_time(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_moment at;
	must(sr_writer_look(place->writer, &at, &err), err);
	sr_writer_look_end(place->writer, &at);
	return at.not_before_ms;
}

uint64_t last_checkpoint(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_checkpoint_row row;
	bool found;
	struct sr_tx *tx = begin(place);
	must(place->store->ops->checkpoint_last(tx, &row, &found, &err), err);
	place->store->ops->rollback(tx);
	return found ? row.seq : 0;
}

uint64_t anchored(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_anchor anchor;
	bool found;
	must(sr_anchor_read(place->hsm, VAULT_ID, CHAIN_ID, &anchor, &found, &err), err);
	ck_assert(found);
	return anchor.head.seq;
}

void get_meta(struct audit_place *place, char *text, size_t size)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf value = SR_BUF_INIT;
	struct sr_tx *tx = begin(place);
	must(place->store->ops->meta_get(tx, "vault-name", &value, &err), err);
	place->store->ops->rollback(tx);
	snprintf(text, size, "%s", sr_buf_string(&value));
	sr_buf_clear(&value);
}

void tamper(struct audit_place *place, const char *sql)
{
	char path[128], *why = NULL;
	sqlite3 *db;
	snprintf(path, sizeof path, "%s/vault.db", place->dir);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(path, sizeof path, "ATTACH '%s/kept.db' AS kept", place->dir);
	ck_assert_int_eq(sqlite3_exec(db, path, NULL, NULL, NULL), SQLITE_OK);
	int rc = sqlite3_exec(db, sql, NULL, NULL, &why);
	ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, why);
	ck_assert_msg(sqlite3_changes(db) > 0, "%s: nothing changed", sql);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

struct sr_verdict verify(struct audit_place *place)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_verdict verdict;
	must(sr_audit_verify(&place->config, &verdict, &err), err);
	return verdict;
}
