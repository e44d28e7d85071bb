/* The heads file: one line of a fixed length, rewritten in place with one write under an advisory lock.
 *
 *   strongroom-head/1 CHAIN(32, padded with blanks) SEQ(20 digits) HASH(64 hex) CHECKSUM(16 hex)\n
 *
 * SEQ is the head's number (chain.h): of a vault that was never restored its sequence.
 *
 * CHECKSUM is the beginning of the SHA-256 of all before it, with its blank. It finds accidents; an edit on purpose it
 * cannot: what the file is worth, it is worth by lying where the database's writer does not reach. */
#include "audit/heads.h"

#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LABEL "strongroom-head/1"
#define CHAIN_LEN (SR_CHAIN_ID_MAX - 1)
#define SEQ_LEN 20
#define HASH_TEXT (2 * SR_HASH_LEN)
#define CHECKSUM_LEN 8 /* bytes, twice as many digits */

#define CHAIN_AT (sizeof LABEL)
#define SEQ_AT (CHAIN_AT + CHAIN_LEN + 1)
#define HASH_AT (SEQ_AT + SEQ_LEN + 1)
#define CHECKSUM_AT (HASH_AT + HASH_TEXT + 1)
#define LINE_LEN (CHECKSUM_AT + 2 * CHECKSUM_LEN + 1)

#define LOCK_TRIES 2000 /* a millisecond each */

static CK_RV broken(struct sr_error *err, const char *path, const char *what)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the heads file %s %s; put the right one back, or name another file in the configuration", path, what);
}

static CK_RV io_failed(struct sr_error *err, const char *path, const char *what, int number)
{
	if (number == ENOENT || number == ENOTDIR)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED,
			"the heads file %s: its directory does not exist; make the directory (0700)", path);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED, "the heads file %s cannot be %s: %s", path, what,
		strerror(number));
}

static bool checksum(const char *line, char out[2 * CHECKSUM_LEN + 1])
{
	uint8_t hash[SR_SHA256_LEN];
	if (!sr_sha256(line, CHECKSUM_AT, hash))
		return false;
	sr_text_hex(hash, CHECKSUM_LEN, out);
	return true;
}

static bool line_make(const char *chain_id, const struct sr_head *head, char line[LINE_LEN + 1])
{
	char hash[HASH_TEXT + 1], sum[2 * CHECKSUM_LEN + 1];
	sr_text_hex(head->hash, sizeof head->hash, hash);
	int len = snprintf(line, LINE_LEN + 1, "%s %-*s %0*llu %s ", LABEL, CHAIN_LEN, chain_id, SEQ_LEN,
		(unsigned long long)sr_head_number(head), hash);
	if (len != CHECKSUM_AT || !checksum(line, sum))
		return false;
	snprintf(line + CHECKSUM_AT, LINE_LEN + 1 - CHECKSUM_AT, "%s\n", sum);
	return true;
}

/* The line is read by making it again from what it says: every byte of it has to be as we would write it. */
static bool line_parse(const char line[LINE_LEN + 1], char chain_id[SR_CHAIN_ID_MAX], struct sr_head *head)
{
	char again[LINE_LEN + 1], hash[HASH_TEXT + 1], number[SEQ_LEN + 1];
	memcpy(chain_id, line + CHAIN_AT, CHAIN_LEN);
	chain_id[CHAIN_LEN] = '\0';
	for (size_t n = CHAIN_LEN; n > 0 && chain_id[n - 1] == ' '; n--)
		chain_id[n - 1] = '\0';
	memcpy(number, line + SEQ_AT, SEQ_LEN);
	number[SEQ_LEN] = '\0';
	size_t zeros = strspn(number, "0");
	if (zeros == SEQ_LEN)
		zeros--;
	memcpy(hash, line + HASH_AT, HASH_TEXT);
	hash[HASH_TEXT] = '\0';
	uint64_t value;
	if (!sr_text_u64(number + zeros, SEQ_LEN - zeros, UINT64_MAX, &value) ||
		!sr_text_unhex(hash, head->hash, sizeof head->hash))
		return false;
	sr_head_set_number(head, value);
	return line_make(chain_id, head, again) && memcmp(line, again, LINE_LEN) == 0;
}

static CK_RV line_read(
	int fd, const char *path, const char *chain_id, struct sr_head *head, bool *found, struct sr_error *err)
{
	char line[LINE_LEN + 2], theirs[SR_CHAIN_ID_MAX];
	*found = false;
	ssize_t len = pread(fd, line, LINE_LEN + 1, 0); /* one more than we write, to see what is too long */
	if (len < 0)
		return io_failed(err, path, "read", errno);
	if (len == 0)
		return CKR_OK;
	if (len != LINE_LEN || !line_parse(line, theirs, head))
		return broken(err, path, "is damaged");
	if (strcmp(theirs, chain_id) != 0)
		return broken(err, path, "belongs to another audit chain");
	*found = true;
	return CKR_OK;
}

/* Whoever holds the lock does so for microseconds; one that was stopped there must not stop us for good. */
static bool lock_file(int fd, int how)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, how | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		nanosleep(&pause, NULL);
	}
	errno = EBUSY;
	return false;
}

/* Said in so many words: a child forked meanwhile has the descriptor too, and with it would keep the lock. */
static void unlock_and_close(int fd)
{
	(void)flock(fd, LOCK_UN);
	close(fd);
}

/* O_NONBLOCK is for what is no regular file, which is refused here, like one that others may write. */
static int open_regular(const char *path, int flags)
{
	struct stat info;
	int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return -1;
	bool ours = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (info.st_uid == geteuid() || info.st_uid == 0) &&
		    (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
	if (ours)
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

static CK_RV replace_locked(
	int fd, const char *path, const char *chain_id, const struct sr_head *head, struct sr_error *err)
{
	struct sr_head old;
	char line[LINE_LEN + 1];
	bool found;
	CK_RV rv = line_read(fd, path, chain_id, &old, &found, err);
	if (rv != CKR_OK)
		return rv;
	uint64_t was = sr_head_number(&old), is = sr_head_number(head);
	if (found && was == is && !sr_equal(old.hash, head->hash, sizeof old.hash))
		return broken(err, path, "knows another history of the same length");
	if (found && was >= is)
		return CKR_OK;
	if (!line_make(chain_id, head, line))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the heads line could not be made");
	ssize_t len = pwrite(fd, line, LINE_LEN, 0);
	if (len != LINE_LEN)
		return io_failed(err, path, "written", len < 0 ? errno : ENOSPC);
	/* The first line must outlive a crash, so that an empty file is never innocent. Later lines may lag. */
	if (!found && fdatasync(fd) != 0)
		return io_failed(err, path, "synced", errno);
	return CKR_OK;
}

CK_RV sr_heads_write(const char *path, const char *chain_id, const struct sr_head *head, struct sr_error *err)
{
	int fd = open_regular(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return io_failed(err, path, "opened", errno);
	CK_RV rv = lock_file(fd, LOCK_EX) ? replace_locked(fd, path, chain_id, head, err)
					  : io_failed(err, path, "locked", errno);
	unlock_and_close(fd);
	return rv;
}

CK_RV sr_heads_read(const char *path, const char *chain_id, struct sr_head *head, bool *found, struct sr_error *err)
{
	*found = false;
	int fd = open_regular(path, O_RDONLY);
	if (fd < 0)
		return errno == ENOENT ? CKR_OK : io_failed(err, path, "opened", errno);
	CK_RV rv = lock_file(fd, LOCK_SH) ? line_read(fd, path, chain_id, head, found, err)
					  : io_failed(err, path, "locked", errno);
	unlock_and_close(fd);
	return rv;
}
