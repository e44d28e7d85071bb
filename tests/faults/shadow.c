/* See the header. Raw calls, so that nothing of this is counted. */
#include "tests/faults/shadow.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reopen(int fd, int flags)
{
	char link[40];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return (int)syscall(SYS_openat, AT_FDCWD, link, flags | O_CLOEXEC);
}

/* By another description: the file's own has locks, which closing one of the same process would take away, so its
 * content is read through it. */
static void keep_content(int from, int to)
{
	static char piece[65536];
	off_t at = 0;
	for (long len; (len = syscall(SYS_pread64, from, piece, sizeof piece, at)) > 0; at += len) {
		if (syscall(SYS_write, to, piece, len) != len)
			abort();
	}
}

struct entry {
	unsigned long ino;
	long next;
	unsigned short len;
	unsigned char type;
	char name[];
};

static void keep_names(int dir, int to)
{
	_Alignas(struct entry) char list[16384];
	int from = reopen(dir, O_RDONLY | O_DIRECTORY);
	for (long len; (len = syscall(SYS_getdents64, from, list, sizeof list)) > 0;) {
		for (long at = 0; at < len;) {
			const struct entry *entry = (const struct entry *)(const void *)(list + at);
			dprintf(to, "%lu %s\n", entry->ino, entry->name);
			at += entry->len;
		}
	}
	syscall(SYS_close, from);
}

void shadow_keep(int fd)
{
	const char *shadow = getenv("SR_FAULT_SHADOW");
	struct stat info;
	char path[PATH_MAX], ready[PATH_MAX + 8];
	if (!shadow || fstat(fd, &info) != 0)
		return;
	snprintf(path, sizeof path, "%s/%c-%lu", shadow, S_ISDIR(info.st_mode) ? 'd' : 'i', (unsigned long)info.st_ino);
	snprintf(ready, sizeof ready, "%s.new", path);
	int to = (int)syscall(SYS_openat, AT_FDCWD, ready, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		abort();
	if (S_ISDIR(info.st_mode))
		keep_names(fd, to);
	else
		keep_content(fd, to);
	syscall(SYS_close, to);
	if (syscall(SYS_renameat2, AT_FDCWD, ready, AT_FDCWD, path, 0) != 0)
		abort();
}
