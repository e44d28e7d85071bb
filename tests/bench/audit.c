/* The audit: one record by the writer that the vault has, in a store and with a token of its own; queries and
 * verification through the module. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include "audit/writer.h"
#include "pkcs11/strongroom.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VAULT_ID "vault-of-the-bench"

/* -- appending ---------------------------------------------------------------------------------------------------- */

static void open_hsm(const char *dir, struct sr_hsm **hsm)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf uri = SR_BUF_INIT, conf = SR_BUF_INIT;
	need(sr_hsm_make_softhsm(dir, "bench", &uri, &conf, &err), err.text);
	struct sr_hsm_config config = { .uri = sr_buf_string(&uri), .softhsm_conf = sr_buf_string(&conf) };
	need(sr_hsm_open(&config, hsm, &err), err.text);
	need(sr_hsm_create_keys(*hsm, VAULT_ID, 1, &err), err.text);
	need(sr_hsm_load_keys(*hsm, VAULT_ID, 1, &err), err.text);
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
}

static void enter_append(struct client *client)
{
	char dir[PLACE_PATH_MAX], heads[PLACE_PATH_MAX + 16];
	struct sr_error err = SR_ERROR_INIT;
	struct sr_writer_config config = { .vault_id = VAULT_ID, .heads_path = heads };
	struct sr_writer *writer;
	struct sr_hsm *hsm;
	snprintf(dir, sizeof(dir), "%s/records-%d", place_dir(), (int)getpid());
	snprintf(heads, sizeof(heads), "%s/heads", dir);
	need_true(mkdir(dir, 0700) == 0, dir);
	open_hsm(dir, &hsm);
	config.hsm = hsm;
	need(sr_sqlite_create(dir, &err), err.text);
	need(sr_sqlite_open(dir, &config.store, &err), err.text);
	need(sr_writer_start_chain(&config, "chain-of-the-bench", &err), err.text);
	need(sr_writer_open(&config, &writer, &err), err.text);
	client->own = writer;
}

static void append_once(struct client *client)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_event event = { .kind = SR_EVENT_KEY_USED,
		.actor_type = "token",
		.actor_id = "t-aaaaaaaaaaaaaaaa",
		.token_id = "t-aaaaaaaaaaaaaaaa",
		.ip = "local",
		.peer = "uid=1000 pid=1000",
		.function = "C_Sign",
		.path = "deploy/tls/key",
		.tier = "standard",
		.metadata = "{\"mechanism\":\"CKM_ECDSA\",\"in\":32,\"out\":64}" };
	struct sr_job job = { .event = &event };
	need(sr_writer_run(client->own, &job, &err), err.text);
}

const struct subject append = { .name = "audit record", .bare = true, .enter = enter_append, .once = append_once };

/* -- querying ----------------------------------------------------------------------------------------------------- */

static void query_once(struct client *client)
{
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_OBJECT_HANDLE events[8];
	CK_ULONG found = 0;
	char path[64];
	venue_label((int)((unsigned)rand_r(&client->random) % (unsigned)*client->venue->secrets), path);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_PATH, path, strlen(path) } };
	need(p11->C_FindObjectsInit(client->session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(client->session, events, 8, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(client->session), "C_FindObjectsFinal");
	need_true(found > 0, "records");
}

const struct subject query = { .name = "audit query by path", .admin = true, .once = query_once };

/* -- verifying ---------------------------------------------------------------------------------------------------- */

static void verify_once(struct client *client)
{
	CK_OBJECT_CLASS class = CKO_SR_JOB;
	CK_OBJECT_HANDLE job;
	char kind[] = "audit-verify", result[4096];
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_KIND, kind, strlen(kind) } };
	CK_ATTRIBUTE answer = { CKA_SR_RESULT, result, sizeof(result) - 1 };
	need(p11->C_CreateObject(client->session, template, 2, &job), "C_CreateObject");
	need(p11->C_GetAttributeValue(client->session, job, &answer, 1), "C_GetAttributeValue");
	result[answer.ulValueLen] = '\0';
	need_true(strstr(result, "\"ok\":true") || strstr(result, "\"ok\": true"), result);
}

const struct subject verify = { .name = "audit verify", .admin = true, .once = verify_once };

/* Every column of every record, as a program gets it that does nothing with it. */
static void select_once(struct client *client)
{
	char path[PLACE_PATH_MAX + 32];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	unsigned long rows = 0, bytes = 0;
	client->venue->surround(client->venue, false);
	snprintf(path, sizeof(path), "%s", getenv("STRONGROOM_CONF"));
	snprintf(strrchr(path, '/'), 16, "/vault.db");
	need_true(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, path);
	need_true(sqlite3_prepare_v2(db, "SELECT * FROM event ORDER BY id", -1, &stmt, NULL) == SQLITE_OK, "SELECT");
	for (const int columns = sqlite3_column_count(stmt); sqlite3_step(stmt) == SQLITE_ROW; rows++) {
		for (int i = 0; i < columns; i++)
			bytes += sqlite3_column_blob(stmt, i) ? (unsigned long)sqlite3_column_bytes(stmt, i) : 0;
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	need_true(rows > (unsigned long)*client->venue->secrets && bytes > rows, "every record");
}

const struct subject select_all = { .name = "SELECT of all records", .bare = true, .once = select_once };
