/* What durability costs: one fdatasync of a page, one commit of SQLite. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024
#define RECORD 330 /* bytes, about what an audit record has */

static void path_of(char path[PLACE_PATH_MAX], const char *name, const struct client *client)
{
	snprintf(path, PLACE_PATH_MAX, "%s/%s-%d-%d", place_dir(), name, (int)getpid(), client->number);
}

static void prepare(const struct venue *venue)
{
	(void)venue;
}

static void surround(const struct venue *venue, bool admin)
{
	(void)venue;
	(void)admin;
}

static const int none;
const struct venue bare = { .name = "bare", .prepare = prepare, .surround = surround, .secrets = &none };

/* -- fdatasync ---------------------------------------------------------------------------------------------------- */

static int page_file;

static void enter_fdatasync(struct client *client)
{
	char path[PLACE_PATH_MAX], page[PAGE] = { 1 };
	path_of(path, "pages", client);
	page_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	need_true(page_file >= 0, path);
	for (int i = 0; i < PAGES; i++)
		need_true(pwrite(page_file, page, PAGE, (off_t)i * PAGE) == PAGE, path);
	need_true(fsync(page_file) == 0, path);
}

static void fdatasync_once(struct client *client)
{
	char page[PAGE] = { 2 };
	need_true(pwrite(page_file, page, PAGE, (off_t)(client->done % PAGES) * PAGE) == PAGE, "pwrite");
	need_true(fdatasync(page_file) == 0, "fdatasync");
}

const struct subject bare_fdatasync = {
	.name = "fdatasync", .bare = true, .enter = enter_fdatasync, .once = fdatasync_once
};

/* -- SQLite, as the vault has it set ------------------------------------------------------------------------------ */

static void enter_commit(struct client *client)
{
	char path[PLACE_PATH_MAX];
	sqlite3 *db;
	sqlite3_stmt *insert;
	path_of(path, "commits", client);
	need_true(sqlite3_open(path, &db) == SQLITE_OK, path);
	need_true(sqlite3_exec(db,
			  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
			  "CREATE TABLE record (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
			  NULL, NULL, NULL) == SQLITE_OK,
		path);
	need_true(
		sqlite3_prepare_v2(db, "INSERT INTO record (bytes) VALUES (?)", -1, &insert, NULL) == SQLITE_OK, path);
	client->own = insert;
}

static void commit_once(struct client *client)
{
	static const char record[RECORD];
	sqlite3_stmt *insert = client->own;
	sqlite3_bind_blob(insert, 1, record, RECORD, SQLITE_STATIC);
	need_true(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK, "INSERT");
}

const struct subject bare_commit = {
	.name = "SQLite commit", .bare = true, .enter = enter_commit, .once = commit_once
};
