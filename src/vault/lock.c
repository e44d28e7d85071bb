/* The lock of a vault directory, and the record of the socket beside it.
 *
 * Open file description locks: others can ask who holds one without taking it (module/held.c), threads and forked
 * children of a holder are no strangers to each other, and no close of another descriptor gives them up. The store's
 * flock on the same file is another lock, between processes that are in and one that migrates. */
#include "vault/lock.h"

#include "store/store.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_FILE_NEW SR_SOCKET_FILE ".new"

/* -- the lock ----------------------------------------------------------------------------------------------------- */

static CK_RV refuse_busy(int fd, bool exclusive, struct sr_error *err)
{
	struct flock other = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	bool users = exclusive && fcntl(fd, F_OFD_GETLK, &other) == 0 && other.l_type == F_RDLCK;
	return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, "%s",
		users       ? "embedded users are active: end them, then start strongroomd again"
		: exclusive ? "another strongroomd holds the vault; stop it first"
			    : "strongroomd holds the vault; use its socket (server = unix:/PATH), or stop it");
}

static CK_RV take(int fd, bool exclusive, struct sr_error *err)
{
	struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return CKR_OK;
	if (errno == EAGAIN || errno == EACCES)
		return refuse_busy(fd, exclusive, err);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "the vault's lock file cannot be locked: %s",
		strerror(errno));
}

static CK_RV lock_in(int dir_fd, bool exclusive, int *fd, struct sr_error *err)
{
	int made = openat(dir_fd, SR_LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made < 0)
		return sr_fail(err, CKR_DEVICE_ERROR,
			errno == EACCES || errno == ELOOP ? SR_REASON_VAULT_PERMISSIONS : SR_REASON_STORE_FAILED,
			"the vault's lock file cannot be opened: %s", strerror(errno));
	CK_RV rv = take(made, exclusive, err);
	if (rv != CKR_OK) {
		close(made);
		return rv;
	}
	if (exclusive)
		unlinkat(dir_fd, SR_SOCKET_FILE, 0);
	*fd = made;
	return CKR_OK;
}

CK_RV sr_vault_lock(const char *dir, bool exclusive, int *fd, struct sr_error *err)
{
	int dir_fd;
	*fd = -1;
	CK_RV rv = sr_sqlite_look(dir, &dir_fd, err);
	if (rv != CKR_OK)
		return rv;
	rv = lock_in(dir_fd, exclusive, fd, err);
	close(dir_fd);
	return rv;
}

void sr_vault_unlock(int fd)
{
	struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	if (fd < 0)
		return;
	(void)fcntl(fd, F_OFD_SETLK, &none); /* closing alone would leave it to a child that has the descriptor too */
	close(fd);
}

void sr_vault_forget_lock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* -- the socket --------------------------------------------------------------------------------------------------- */

static bool write_new(int dir_fd, const char *line, size_t len)
{
	unlinkat(dir_fd, SOCKET_FILE_NEW, 0);
	int fd = openat(dir_fd, SOCKET_FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool written = write(fd, line, len) == (ssize_t)len;
	return close(fd) == 0 && written;
}

/* Not synced: after a crash nobody holds the lock, and the record says nothing. */
static CK_RV record_in(int dir_fd, const char *socket_path, struct sr_error *err)
{
	char line[SR_SOCKET_PATH_SIZE + 1];
	int len = snprintf(line, sizeof(line), "%s\n", socket_path);
	if (write_new(dir_fd, line, (size_t)len) && renameat(dir_fd, SOCKET_FILE_NEW, dir_fd, SR_SOCKET_FILE) == 0)
		return CKR_OK;
	int error = errno;
	unlinkat(dir_fd, SOCKET_FILE_NEW, 0);
	return sr_fail(err, CKR_DEVICE_ERROR, error == ENOSPC ? SR_REASON_STORE_FULL : SR_REASON_STORE_FAILED,
		"the socket's path cannot be written into the vault directory: %s", strerror(error));
}

CK_RV sr_vault_record_socket(const char *dir, const char *socket_path, struct sr_error *err)
{
	size_t len = strlen(socket_path);
	if (socket_path[0] != '/' || len >= SR_SOCKET_PATH_SIZE || !sr_text_utf8(socket_path, len))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the socket's path must be absolute, 107 bytes at most, without control characters");
	const char *name = strrchr(socket_path, '/') + 1;
	if (strcmp(name, SR_SOCKET_FILE) == 0)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the socket must not be called " SR_SOCKET_FILE ": that is the vault's own file");
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "the vault directory %.100s: %s", dir,
			strerror(errno));
	CK_RV rv = record_in(dir_fd, socket_path, err);
	close(dir_fd);
	return rv;
}

void sr_vault_remove_socket(const char *dir)
{
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return;
	unlinkat(dir_fd, SR_SOCKET_FILE, 0);
	close(dir_fd);
}
