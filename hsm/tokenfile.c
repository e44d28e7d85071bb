/* A second copy of SoftHSM2's token file.
 *
 * At every login SoftHSM2 2.6.1 truncates token.object and writes it anew, only to clear a flag. A process that is
 * killed in between, or a full disk, leaves it empty: the token, and with it the vault, would be gone. So after a login
 * the file is copied to a place beside the configuration, and before the module is initialised a file that has become
 * shorter is brought back. All of it with the lock on the configuration held alone. */
#define _GNU_SOURCE 1 /* renameat, O_DIRECTORY */

#include "hsm/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_FILE_MAX (64u << 10)
#define LOCK_TRIES 30000 /* a millisecond each */
#define COUNTER_LEN 8    /* the file begins with a counter of its writes */

/* Whoever holds the lock does so for milliseconds. A process that was stopped, or a child of one that was killed just
 * then, must not stop us for good. */
static bool lock_in_time(int fd, int how)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, how | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

int sr_softhsm_lock(const char *conf, bool alone)
{
	int fd = conf ? open(conf, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 || lock_in_time(fd, alone ? LOCK_EX : LOCK_SH))
		return fd;
	close(fd);
	return -1;
}

bool sr_softhsm_try_lock(const char *conf, int *lock)
{
	*lock = conf ? open(conf, O_RDONLY | O_CLOEXEC) : -1;
	if (*lock < 0 || flock(*lock, LOCK_SH | LOCK_NB) == 0)
		return true;
	bool busy = errno == EWOULDBLOCK || errno == EINTR;
	close(*lock);
	*lock = -1;
	return !busy;
}

void sr_softhsm_unlock(int lock)
{
	if (lock < 0)
		return;
	(void)flock(lock, LOCK_UN); /* a child forked meanwhile has the descriptor too, and would keep the lock */
	close(lock);
}

static bool read_whole(int folder, const char *name, struct sr_buf *out)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	uint8_t *to = sr_buf_reserve(out, TOKEN_FILE_MAX);
	ssize_t got = to ? read(fd, to, TOKEN_FILE_MAX) : -1;
	close(fd);
	if (got < 0)
		return false;
	out->len += (size_t)got;
	return true;
}

/* All or nothing: beside it first, then in its place. */
static bool write_whole(int folder, const char *name, const struct sr_buf *in)
{
	char beside[NAME_MAX + 1];
	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", name) >= sizeof(beside))
		return false;
	int fd = openat(folder, beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool ok = fchmod(fd, 0600) == 0 && write(fd, in->data, in->len) == (ssize_t)in->len && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	if (ok)
		ok = renameat(folder, beside, folder, name) == 0 && fsync(folder) == 0;
	else
		(void)unlinkat(folder, beside, 0);
	return ok;
}

static bool same_token(const struct sr_buf *one, const struct sr_buf *other)
{
	return one->len == other->len && one->len > COUNTER_LEN &&
	       memcmp(one->data + COUNTER_LEN, other->data + COUNTER_LEN, one->len - COUNTER_LEN) == 0;
}

/* One token: HOME/tokens/NAME/token.object and HOME/NAME.backup. */
static void mend(int home, int token, const char *backup, bool restore)
{
	struct sr_buf now = SR_BUF_INIT, kept = SR_BUF_INIT;
	bool there = read_whole(token, "token.object", &now);
	bool known = read_whole(home, backup, &kept);
	if (restore && known && kept.len > COUNTER_LEN && (!there || now.len < kept.len))
		(void)write_whole(token, "token.object", &kept);
	if (!restore && there && now.len > COUNTER_LEN && !same_token(&now, &kept))
		(void)write_whole(home, backup, &now);
	sr_buf_clear(&now);
	sr_buf_clear(&kept);
}

static void mend_each(int home, DIR *tokens, bool restore)
{
	const struct dirent *entry;
	while ((entry = readdir(tokens))) {
		char backup[NAME_MAX + 1];
		if (entry->d_name[0] == '.' ||
			(size_t)snprintf(backup, sizeof(backup), "%s.backup", entry->d_name) >= sizeof(backup))
			continue;
		int token = openat(dirfd(tokens), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (token < 0)
			continue;
		mend(home, token, backup, restore);
		close(token);
	}
}

static void mend_all(const char *conf, bool restore)
{
	char path[PATH_MAX];
	const char *slash = conf ? strrchr(conf, '/') : NULL;
	if (!slash || (size_t)snprintf(path, sizeof(path), "%.*s", (int)(slash - conf), conf) >= sizeof(path))
		return;
	int home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = home < 0 ? -1 : openat(home, "tokens", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *tokens = fd < 0 ? NULL : fdopendir(fd);
	if (tokens)
		mend_each(home, tokens, restore);
	if (tokens)
		closedir(tokens);
	else if (fd >= 0)
		close(fd);
	if (home >= 0)
		close(home);
}

void sr_softhsm_restore(const char *conf)
{
	mend_all(conf, true);
}

void sr_softhsm_keep(const char *conf)
{
	mend_all(conf, false);
}
