/* The vault's directory and its files: what they must be before anything is opened, and the lock that says who is in.
 */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"

/* Root's files are as good as our own: who is root needs no trick. */
static bool ours(const struct stat *st)
{
	return (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static CK_RV refuse_dir(const char *dir, int error, struct sr_error *err)
{
	switch (error) {
	case ENOENT:
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_MISSING,
			"there is no vault directory %s; make one with strongroom init", dir);
	case ENOTDIR:
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_MISSING,
			"%s is not a directory; name the vault's directory", dir);
	case EACCES:
	case EPERM:
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"the vault directory %s may not be opened by this user", dir);
	default:
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "the vault directory %s: %s", dir,
			strerror(error));
	}
}

static CK_RV check_dir(const char *dir, int fd, struct sr_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse_dir(dir, errno, err);
	if (!ours(&st))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"the vault directory %s must belong to this user and have mode 0700 (it has %04o, uid %lu): "
			"chmod 0700 it",
			dir, (unsigned)st.st_mode & 07777, (unsigned long)st.st_uid);
	/* the mode first: root's access is always granted, and a directory without its w was meant not to be written */
	if ((st.st_mode & S_IWUSR) == 0 || faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"the vault directory %s cannot be written (every use is recorded): make it writable, mode 0700",
			dir);
	return CKR_OK;
}

CK_RV sr_sqlite_open_dir(const char *dir, int *fd, struct sr_error *err)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return refuse_dir(dir, errno, err);
	CK_RV rv = check_dir(dir, *fd, err);
	if (rv != CKR_OK) {
		close(*fd);
		*fd = -1;
	}
	return rv;
}

static CK_RV check_file(int dir_fd, const char *name, struct stat *st, bool *found, struct sr_error *err)
{
	*found = fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*found && errno == ENOENT)
		return CKR_OK;
	if (!*found)
		return sr_fail(
			err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "%s of the vault: %s", name, strerror(errno));
	if (!S_ISREG(st->st_mode) || st->st_nlink != 1)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"%s of the vault is not a plain file with one name; refused", name);
	if (!ours(st))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"%s of the vault must belong to this user and have mode 0600 (it has %04o, uid %lu): chmod "
			"0600 it",
			name, (unsigned)st->st_mode & 07777, (unsigned long)st->st_uid);
	if ((st->st_mode & S_IWUSR) == 0 || faccessat(dir_fd, name, R_OK | W_OK, AT_EACCESS) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS,
			"%s of the vault cannot be written (every use is recorded): make it writable, mode 0600", name);
	return CKR_OK;
}

CK_RV sr_sqlite_check_files(int dir_fd, struct stat *db, struct sr_error *err)
{
	static const char *const companions[] = { SR_SQLITE_FILE "-wal", SR_SQLITE_FILE "-shm", LOCK_FILE };
	bool found;
	for (size_t i = 0; i < sizeof companions / sizeof companions[0]; i++) {
		CK_RV rv = check_file(dir_fd, companions[i], db, &found, err);
		if (rv != CKR_OK)
			return rv;
	}
	CK_RV rv = check_file(dir_fd, SR_SQLITE_FILE, db, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || db->st_size == 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE,
			"the vault directory has no %s, or an empty one: strongroom init did not finish; empty the "
			"directory and run it "
			"again, or restore a backup",
			SR_SQLITE_FILE);
	return CKR_OK;
}

CK_RV sr_sqlite_look(const char *dir, int *dir_fd, struct sr_error *err)
{
	struct stat db;
	CK_RV rv = sr_sqlite_open_dir(dir, dir_fd, err);
	if (rv == CKR_OK && (rv = sr_sqlite_check_files(*dir_fd, &db, err)) != CKR_OK) {
		close(*dir_fd);
		*dir_fd = -1;
	}
	return rv;
}

CK_RV sr_sqlite_lock(int dir_fd, int *lock_fd, struct sr_error *err)
{
	*lock_fd = openat(dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*lock_fd < 0)
		return sr_fail(err, CKR_DEVICE_ERROR,
			errno == EACCES ? SR_REASON_VAULT_PERMISSIONS : SR_REASON_STORE_FAILED,
			"the vault's lock file cannot be opened: %s", strerror(errno));
	int failed;
	while ((failed = flock(*lock_fd, LOCK_SH | LOCK_NB)) != 0 && errno == EINTR)
		;
	if (!failed)
		return CKR_OK;
	int error = errno;
	close(*lock_fd);
	*lock_fd = -1;
	if (error == EWOULDBLOCK)
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY,
			"the vault is being migrated by another process; try again");
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "the vault's lock file: %s", strerror(error));
}

CK_RV sr_sqlite_lock_alone(int lock_fd, struct sr_error *err)
{
	for (int n = 0; flock(lock_fd, LOCK_EX | LOCK_NB) != 0; n++) {
		if ((errno == EWOULDBLOCK || errno == EINTR) && sr_sqlite_pause(n))
			continue;
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_BUSY,
			"the vault has an older schema and must be migrated, but other processes use it; stop them "
			"first");
	}
	return CKR_OK;
}

void sr_sqlite_lock_share(int lock_fd)
{
	while (flock(lock_fd, LOCK_SH) != 0 && errno == EINTR)
		;
}

CK_RV sr_sqlite_path(const char *dir, char **path, struct sr_error *err)
{
	/* SQLite refuses symbolic links anywhere in the path (NOFOLLOW); those above the directory are the
	 * administrator's. */
	char *real = realpath(dir, NULL);
	if (!real)
		return refuse_dir(dir, errno, err);
	size_t size = strlen(real) + sizeof "/" SR_SQLITE_FILE;
	*path = malloc(size);
	if (*path)
		snprintf(*path, size, "%s/%s", real, SR_SQLITE_FILE);
	free(real);
	return *path ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
}
