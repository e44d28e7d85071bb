/* Connections and fork(2).
 *
 * An inherited connection is never used or closed in a child. What remains is SQLite's own process-wide list of open
 * database files, keyed by device and inode, with the POSIX locks that this process holds on each. A child inherits the
 * list but not the locks: a connection that it opens to the same file would find the parent's entry there, believe that
 * it holds SHARED already, and work without any lock of its own. So in a child the files that we open are shown to
 * SQLite with another device number: the fork's generation in the upper half of st_dev, where Linux has only zeros.
 * SQLite uses the number for nothing but that list. docs/store.md has the reasoning in full. */
#include "store/sqlite.h"

#include "util/fork.h"

#include <sys/stat.h>

#define VFS "unix"

typedef int fstat_call(int fd, struct stat *st);
typedef int stat_call(const char *path, struct stat *st);

/* What this thread is opening right now, so that files of the host application, whose SQLite is the same library, keep
 * their numbers; and the calls that stood in SQLite's table before. */
static _Thread_local const struct sr_sqlite *opened_now;
static fstat_call *fstat_before;
static stat_call *stat_before;

static void disguise(struct stat *st)
{
	if (opened_now && st->st_dev == opened_now->dev && st->st_ino == opened_now->ino)
		st->st_dev ^= (dev_t)opened_now->generation << 32;
}

static int fstat_disguised(int fd, struct stat *st)
{
	int failed = fstat_before(fd, st);
	if (!failed)
		disguise(st);
	return failed;
}

static int stat_disguised(const char *path, struct stat *st)
{
	int failed = stat_before(path, st);
	if (!failed)
		disguise(st);
	return failed;
}

/* SR_LOCK_SQLITE is held while SQLite's table, which is the process's, has our functions in it. */
static int open_disguised(const struct sr_sqlite *store, int flags, sqlite3 **db)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(VFS);
	if (!vfs || vfs->iVersion < 3)
		return SQLITE_MISUSE;
	sr_lock(SR_LOCK_SQLITE);
	sqlite3_syscall_ptr fstat_old = vfs->xGetSystemCall(vfs, "fstat");
	sqlite3_syscall_ptr stat_old = vfs->xGetSystemCall(vfs, "stat");
	fstat_before = (fstat_call *)fstat_old;
	stat_before = (stat_call *)stat_old;
	opened_now = store;
	vfs->xSetSystemCall(vfs, "fstat", (sqlite3_syscall_ptr)fstat_disguised);
	vfs->xSetSystemCall(vfs, "stat", (sqlite3_syscall_ptr)stat_disguised);
	int rc = sqlite3_open_v2(store->path, db, flags, VFS);
	vfs->xSetSystemCall(vfs, "stat", stat_old);
	vfs->xSetSystemCall(vfs, "fstat", fstat_old);
	opened_now = NULL;
	sr_unlock(SR_LOCK_SQLITE);
	return rc;
}

int sr_sqlite_open_file(const struct sr_sqlite *store, int flags, sqlite3 **db)
{
	if (store->generation == 0)
		return sqlite3_open_v2(store->path, db, flags, VFS);
	return open_disguised(store, flags, db);
}

/* A thread of this process that is inside now gives it back within the tries. */
static bool mutex_opens(sqlite3_mutex *mutex)
{
	for (int n = 0; n < 200; n++) {
		if (sqlite3_mutex_try(mutex) == SQLITE_OK) {
			sqlite3_mutex_leave(mutex);
			return true;
		}
		sr_sqlite_pause(n);
	}
	return false;
}

/* A thread of the parent that was inside SQLite at the fork left its mutex locked for ever. Trying tells, and hanging
 * is worse than refusing. STATIC_MEM, by far the busiest, guards nothing but SQLite's counters of memory around malloc,
 * which glibc hands whole to a child: that one is opened in the place of the thread that is not here. */
static bool mutex_alive(int id)
{
	sqlite3_mutex *mutex = sqlite3_mutex_alloc(id);
	if (mutex_opens(mutex))
		return true;
	if (id != SQLITE_MUTEX_STATIC_MEM)
		return false;
	sqlite3_mutex_leave(mutex);
	return mutex_opens(mutex);
}

CK_RV sr_sqlite_usable(struct sr_error *err)
{
	if (!sqlite3_threadsafe())
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED,
			"the system's SQLite was built without threads; Strongroom needs one with");
	if (sr_forks() == 0)
		return CKR_OK;
	for (int id = SQLITE_MUTEX_STATIC_MAIN; id <= SQLITE_MUTEX_STATIC_VFS3; id++) {
		if (!mutex_alive(id))
			return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED,
				"this process was forked while another thread was inside SQLite; it has to call exec "
				"before it can "
				"use a vault");
	}
	return CKR_OK;
}
