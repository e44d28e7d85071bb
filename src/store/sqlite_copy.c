/* A copy of the database as one transaction sees it, in a file of its own. */
#include "store/sqlite.h"

#include <unistd.h>

/* Nobody else has the file, and what is left of it where the copy fails is removed: no journal, no waiting for the
 * disk. */
static CK_RV open_copy(const char *path, sqlite3 **db, struct sr_error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
			  SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(path, db, flags, "unix");
	if (rc != SQLITE_OK)
		return sr_sqlite_fail(*db, rc, "making the copy of the database", err);
	return sr_sqlite_exec(
		*db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", "making the copy of the database", err);
}

/* In one step: the transaction's snapshot stays what it is, and writers go on beside it. */
static CK_RV copy_pages(sqlite3 *from, sqlite3 *to, struct sr_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return sr_sqlite_fail(to, sqlite3_extended_errcode(to), "copying the database", err);
	int rc = sqlite3_backup_step(backup, -1);
	int finish = sqlite3_backup_finish(backup);
	if (rc == SQLITE_DONE && finish == SQLITE_OK)
		return CKR_OK;
	return sr_sqlite_fail(to, finish != SQLITE_OK ? finish : rc, "copying the database", err);
}

CK_RV sr_sqlite_copy(struct sr_tx *tx, const char *path, struct sr_error *err)
{
	sqlite3 *copy = NULL;
	CK_RV rv = open_copy(path, &copy, err);
	if (rv == CKR_OK)
		rv = copy_pages(tx->db, copy, err);
	sqlite3_close(copy);
	return rv;
}
