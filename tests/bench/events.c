/* events [MANY]: how a vault with MANY (1,000,000) records of its audit does beside one with 10,000: a query by path,
 * one by time and one by status that find some twenty each, verification against a bare SELECT over the same rows, and
 * what memory an export needs. Two vaults, each made by the tool and filled by way of the audit's own ledger, asked in
 * turn. Prints medians and their ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. It takes some 1 KiB of disk for a record. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include "audit/ledger.h"
#include "audit/proven.h"
#include "pkcs11/strongroom.h"
#include "util/text.h"
#include "vault/core.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEW 10000
#define ALIKE 20 /* records of one path */
#define ROUNDS 100
#define PASSES 5

struct sample {
	struct place place;
	unsigned long records;
	double path[ROUNDS], time[ROUNDS], status[ROUNDS], verify[PASSES], select[PASSES];
	long export_kib;
};

/* -- filling ----------------------------------------------------------------------------------------------------- */

static void path_of(char path[64], unsigned long i)
{
	snprintf(path, 64, "production/service-%lu/secret", i / ALIKE);
}

/* Some ALIKE of them are refused. */
static CK_RV refuse(unsigned long i, unsigned long count)
{
	return i % (count / ALIKE) == count / ALIKE / 2 ? CKR_ATTRIBUTE_SENSITIVE : CKR_OK;
}

/* What reading a secret leaves; the records of one path lie apart. */
static void describe(struct sr_event *event, unsigned long i, unsigned long count)
{
	*event = (struct sr_event){ .kind = SR_EVENT_SECRET_READ,
		.actor_type = "token",
		.ip = "10.0.1.50",
		.peer = "uid=1000 pid=1000",
		.function = "C_GetAttributeValue",
		.tier = "standard",
		.version = 1 };
	unsigned long apart = count / ALIKE;
	path_of(event->path, apart ? i % apart * ALIKE : 0);
	snprintf(event->actor_id, sizeof(event->actor_id), "t-%016lx", i % 100000);
	snprintf(event->token_id, sizeof(event->token_id), "t-%016lx", i % 100000);
}

/* The records of one commit, as the writer's leader makes it of as many callers. */
static void commit(struct sr_ledger *ledger, unsigned long from, unsigned long count)
{
	static struct sr_event events[SR_BATCH_MAX];
	static struct sr_job jobs[SR_BATCH_MAX];
	static struct sr_entry entries[SR_BATCH_MAX];
	struct sr_entry *batch[SR_BATCH_MAX];
	struct sr_error err = SR_ERROR_INIT;
	size_t used = 0;
	for (; used < SR_BATCH_MAX && from + used < count; used++) {
		describe(&events[used], from + used, count);
		jobs[used] =
			(struct sr_job){ .event = &events[used], .refuse = refuse(from + used, count), .lazy = true };
		entries[used] = (struct sr_entry){ .job = &jobs[used], .err = &err };
		batch[used] = &entries[used];
	}
	need(sr_ledger_commit(ledger, batch, used, &err), err.text);
	need(sr_ledger_seal_due(ledger, &err), err.text);
}

static void write_records(struct sr_vault *vault, unsigned long count)
{
	static struct sr_ledger ledger;
	struct sr_error err = SR_ERROR_INIT;
	struct sr_writer_config config = {
		.store = vault->store, .hsm = vault->hsm, .vault_id = vault->id, .heads_path = vault->heads
	};
	memset(&ledger, 0, sizeof(ledger));
	ledger.lazy = true;
	need(sr_place_find(&config, &ledger.place, &err), err.text);
	need(sr_audit_look(&ledger.place, &ledger.trust, &ledger.standing, &err), err.text);
	sr_ledger_begin(&ledger);
	for (unsigned long i = 0; i < count; i += SR_BATCH_MAX)
		commit(&ledger, i, count);
	need(sr_ledger_seal(&ledger, &err), err.text);
	need(sr_ledger_heads(&ledger, &err), err.text);
	need(sr_ledger_anchor(&ledger, true, &err), err.text);
	sr_proven_free(ledger.proven);
}

static void fill(struct sample *sample)
{
	struct sr_config config = { .max_ttl_s = 0 };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_vault *vault;
	double began = now_us();
	need(sr_config_load(sample->place.conf, &config, &err), err.text);
	need(sr_vault_open(&config, &vault, &err), err.text);
	write_records(vault, sample->records);
	sr_vault_close(vault);
	sr_config_clear(&config);
	printf("%lu records written in %.1f s\n", sample->records, (now_us() - began) / 1e6);
	fflush(stdout);
}

static void make(struct sample *sample, const char *name, unsigned long records)
{
	sample->records = records;
	place_make(&sample->place, name);
	fill(sample);
}

/* -- queries ----------------------------------------------------------------------------------------------------- */

static unsigned long search(CK_SESSION_HANDLE session, CK_ATTRIBUTE *criteria, CK_ULONG count, CK_OBJECT_HANDLE *first)
{
	CK_OBJECT_HANDLE events[4 * ALIKE];
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, criteria, count), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, events, 4 * ALIKE, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need_true(found > 0, "records");
	*first = events[0];
	return found;
}

/* By its path, then by the millisecond in which the first of these was made, then what was refused. */
static void query(struct sample *sample, CK_SESSION_HANDLE session, int round)
{
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_OBJECT_HANDLE event;
	char path[64], at[64], limit[] = "20";
	unsigned long paths = sample->records / ALIKE;
	path_of(path, (unsigned long)random() % paths * ALIKE);
	CK_ATTRIBUTE by_path[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_PATH, path, strlen(path) } };
	double began = now_us();
	need_true(search(session, by_path, 2, &event) == ALIKE, "all records of a path");
	sample->path[round] = now_us() - began;
	CK_ATTRIBUTE time = { CKA_SR_TIMESTAMP, at, sizeof(at) };
	need(p11->C_GetAttributeValue(session, event, &time, 1), "C_GetAttributeValue");
	CK_ATTRIBUTE by_time[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_SINCE, at, time.ulValueLen },
		{ CKA_SR_UNTIL, at, time.ulValueLen }, { CKA_SR_LIMIT, limit, 2 } };
	began = now_us();
	search(session, by_time, 4, &event);
	sample->time[round] = now_us() - began;
	char denied[] = "denied";
	CK_ATTRIBUTE by_status[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_STATUS, denied, strlen(denied) } };
	began = now_us();
	need_true(search(session, by_status, 2, &event) >= ALIKE, "all that was refused");
	sample->status[round] = now_us() - began;
}

/* -- whole passes ------------------------------------------------------------------------------------------------ */

static void verify(struct sample *sample, CK_SESSION_HANDLE session, int pass)
{
	CK_OBJECT_CLASS class = CKO_SR_JOB;
	CK_OBJECT_HANDLE job;
	char kind[] = "audit-verify", result[4096];
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_KIND, kind, strlen(kind) } };
	CK_ATTRIBUTE answer = { CKA_SR_RESULT, result, sizeof(result) - 1 };
	double began = now_us();
	need(p11->C_CreateObject(session, template, 2, &job), "C_CreateObject");
	sample->verify[pass] = now_us() - began;
	need(p11->C_GetAttributeValue(session, job, &answer, 1), "C_GetAttributeValue");
	result[answer.ulValueLen] = '\0';
	need_true(strstr(result, "\"ok\":true") || strstr(result, "\"ok\": true"), result);
}

/* Every column of every record, as a program gets it that does nothing with it. */
static void bare_select(struct sample *sample, int pass)
{
	char path[PLACE_PATH_MAX + 16];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	unsigned long rows = 0, bytes = 0;
	snprintf(path, sizeof(path), "%s/vault.db", sample->place.dir);
	double began = now_us();
	need_true(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, path);
	need_true(sqlite3_prepare_v2(db, "SELECT * FROM event ORDER BY id", -1, &stmt, NULL) == SQLITE_OK, "SELECT");
	const int columns = sqlite3_column_count(stmt);
	for (; sqlite3_step(stmt) == SQLITE_ROW; rows++) {
		for (int i = 0; i < columns; i++)
			bytes += sqlite3_column_blob(stmt, i) ? (unsigned long)sqlite3_column_bytes(stmt, i) : 0;
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	sample->select[pass] = now_us() - began;
	need_true(rows >= sample->records && bytes > rows, "every record");
}

/* The largest memory that the tool had, vault and all. */
static void export(struct sample *sample)
{
	struct rusage usage;
	int status;
	pid_t child = fork();
	if (child == 0) {
		execlp("sh", "sh", "-c",
			"exec \"$STRONGROOM\" audit export --format jsonl --out \"$EXPORTED\" 2>/dev/null", NULL);
		_exit(1);
	}
	need_true(child > 0 && wait4(child, &status, 0, &usage) == child && status == 0, "audit export");
	sample->export_kib = usage.ru_maxrss;
}

/* -- both in turn ------------------------------------------------------------------------------------------------ */

static void measure(struct sample *sample, int pass)
{
	char exported[PLACE_PATH_MAX + 16];
	const int each = ROUNDS / PASSES;
	setenv("STRONGROOM_CONF", sample->place.conf, 1);
	snprintf(exported, sizeof(exported), "%s/exported", sample->place.dir);
	setenv("EXPORTED", exported, 1);
	CK_SESSION_HANDLE session = place_start("admin:" PASSPHRASE);
	for (int i = 0; i < each; i++)
		query(sample, session, pass * each + i);
	verify(sample, session, pass);
	bare_select(sample, pass);
	need(p11->C_Finalize(NULL), "C_Finalize");
	if (pass == 0)
		export(sample);
	remove(exported);
}

static void report(struct sample *few, struct sample *many)
{
	printf("%-28s %12lu %12lu %8s\n", "median us, records:", few->records, many->records, "ratio");
	place_report("query by path", median(few->path, ROUNDS), median(many->path, ROUNDS));
	place_report("query by time", median(few->time, ROUNDS), median(many->time, ROUNDS));
	place_report("query by status", median(few->status, ROUNDS), median(many->status, ROUNDS));
	double few_select = median(few->select, PASSES), many_select = median(many->select, PASSES);
	double few_verify = median(few->verify, PASSES), many_verify = median(many->verify, PASSES);
	place_report("verify", few_verify, many_verify);
	place_report("bare SELECT", few_select, many_select);
	printf("%-28s %12.2f %12.2f\n", "verify / bare SELECT", few_verify / few_select, many_verify / many_select);
	place_report("memory of an export, KiB", (double)few->export_kib, (double)many->export_kib);
}

int main(int argc, char **argv)
{
	static struct sample few, many;
	uint64_t records = 1000000;
	need_true(argc <= 2 && (argc < 2 || sr_text_u64(argv[1], strlen(argv[1]), 1000000000, &records)) &&
			  records >= ALIKE,
		"MANY");
	app_load();
	place_begin("/tmp");
	make(&few, "few", FEW);
	make(&many, "many", records);
	for (int i = 0; i < PASSES; i++) {
		measure(&few, i);
		measure(&many, i);
	}
	report(&few, &many);
	place_end();
	return 0;
}
