/* Calls for files, each of which can be made to fail. The libraries' calls come here as ours do: SQLite asks for them
 * by name, and SoftHSM2's streams are seen when they are flushed. Which file a descriptor is, is asked of the system.
 */
#include "tests/faults/count.h"
#include "tests/faults/shadow.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* -- which files ------------------------------------------------------------------------------------------------- */

static bool begins(const char *path, const char *with)
{
	size_t len = with ? strlen(with) : 0;
	return len > 0 && strncmp(path, with, len) == 0 && (path[len] == '/' || path[len] == '\0' || path[len] == ' ');
}

static bool is_path(const char *path)
{
	return begins(path, getenv("SR_FAULT_BELOW")) && !begins(path, getenv("SR_FAULT_APART"));
}

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[40];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	long len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
	path[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static bool is_ours(int fd)
{
	int was = errno;
	char path[PATH_MAX];
	bool ours = fault.kinds != 0 && fd > 2 && path_of(fd, path) && is_path(path);
	errno = was;
	return ours;
}

static bool is_name(int dir, const char *name)
{
	return fault.kinds != 0 && (name[0] == '/' ? is_path(name) : dir != AT_FDCWD && is_ours(dir));
}

static bool fails(int fd, enum kind kind)
{
	if (!is_ours(fd) || !fault_due(kind))
		return false;
	fault_errno();
	return true;
}

static bool name_fails(int dir, const char *name, enum kind kind)
{
	if (!is_name(dir, name) || !fault_due(kind))
		return false;
	fault_errno();
	return true;
}

/* -- writing and reading ----------------------------------------------------------------------------------------- */

/* Whether the call fails; a short one goes on with half of what there is. */
static bool write_fails(int fd, size_t *len)
{
	if (!fails(fd, KIND_WRITE))
		return false;
	if (fault.how != HOW_SHORT || *len < 2)
		return true;
	*len /= 2;
	return false;
}

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	return write_fails(fd, &len) ? -1 : syscall(SYS_write, fd, data, len);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return write_fails(fd, &len) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return fails(fd, KIND_WRITE) ? -1 : syscall(SYS_writev, fd, parts, count);
}

EXPORT ssize_t read(int fd, void *data, size_t len)
{
	return fails(fd, KIND_READ) ? -1 : syscall(SYS_read, fd, data, len);
}

EXPORT ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
	return fails(fd, KIND_READ) ? -1 : syscall(SYS_pread64, fd, data, len, at);
}

EXPORT ssize_t pread(int fd, void *data, size_t len, off_t at)
{
	return pread64(fd, data, len, at);
}

/* What a stream still has goes nowhere where its flush fails. */
static bool stream_fails(FILE *stream)
{
	if (!stream || __fpending(stream) == 0 || !fails(fileno(stream), KIND_WRITE))
		return false;
	__fpurge(stream);
	return true;
}

EXPORT int fflush(FILE *stream)
{
	static int (*real)(FILE * stream);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fflush");
	return stream_fails(stream) ? EOF : real(stream);
}

EXPORT int fclose(FILE *stream)
{
	static int (*real)(FILE * stream);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fclose");
	bool failed = stream_fails(stream);
	int was = errno;
	int code = real(stream);
	if (!failed)
		return code;
	errno = was;
	return EOF;
}

/* -- syncing and sizes ------------------------------------------------------------------------------------------- */

static int sync_by(long number, int fd)
{
	if (fails(fd, KIND_SYNC))
		return -1;
	int code = (int)syscall(number, fd);
	if (code == 0 && is_ours(fd))
		shadow_keep(fd);
	return code;
}

EXPORT int fsync(int fd)
{
	return sync_by(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
	return sync_by(SYS_fdatasync, fd);
}

EXPORT int ftruncate64(int fd, off64_t len)
{
	return fails(fd, KIND_SIZE) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

EXPORT int ftruncate(int fd, off_t len)
{
	return ftruncate64(fd, len);
}

EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	return fails(fd, KIND_SIZE) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t len)
{
	return fallocate64(fd, mode, at, len);
}

EXPORT int posix_fallocate64(int fd, off64_t at, off64_t len)
{
	return fallocate64(fd, 0, at, len) == 0 ? 0 : errno;
}

EXPORT int posix_fallocate(int fd, off_t at, off_t len)
{
	return posix_fallocate64(fd, at, len);
}

/* -- names ------------------------------------------------------------------------------------------------------- */

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
	return name_fails(dir, name, KIND_OPEN) ? -1 : (int)syscall(SYS_openat, dir, name, flags | O_LARGEFILE, mode);
}

#define MODE(last)                                                 \
	mode_t mode = 0;                                           \
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
		va_list rest;                                      \
		va_start(rest, last);                              \
		mode = va_arg(rest, mode_t);                       \
		va_end(rest);                                      \
	}

EXPORT int open(const char *name, int flags, ...)
{
	MODE(flags)
	return open_at(AT_FDCWD, name, flags, mode);
}

EXPORT int open64(const char *name, int flags, ...)
{
	MODE(flags)
	return open_at(AT_FDCWD, name, flags, mode);
}

EXPORT int openat(int dir, const char *name, int flags, ...)
{
	MODE(flags)
	return open_at(dir, name, flags, mode);
}

EXPORT int openat64(int dir, const char *name, int flags, ...)
{
	MODE(flags)
	return open_at(dir, name, flags, mode);
}

/* What the compiler makes of these calls where it checks them; they bring no mode. */
int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __openat_2(int dir, const char *name, int flags);
int __openat64_2(int dir, const char *name, int flags);

EXPORT int __open_2(const char *name, int flags)
{
	return open_at(AT_FDCWD, name, flags, 0);
}

EXPORT int __open64_2(const char *name, int flags)
{
	return open_at(AT_FDCWD, name, flags, 0);
}

EXPORT int __openat_2(int dir, const char *name, int flags)
{
	return open_at(dir, name, flags, 0);
}

EXPORT int __openat64_2(int dir, const char *name, int flags)
{
	return open_at(dir, name, flags, 0);
}

static FILE *stream_by(const char *symbol, const char *name, const char *mode)
{
	FILE *(*real)(const char *name, const char *mode);
	*(void **)&real = dlsym(RTLD_NEXT, symbol);
	return name_fails(AT_FDCWD, name, KIND_OPEN) ? NULL : real(name, mode);
}

EXPORT FILE *fopen(const char *name, const char *mode)
{
	return stream_by("fopen", name, mode);
}

EXPORT FILE *fopen64(const char *name, const char *mode)
{
	return stream_by("fopen64", name, mode);
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return name_fails(to_dir, to, KIND_NAME) ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

EXPORT int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
	return name_fails(dir, name, KIND_NAME) ? -1 : (int)syscall(SYS_unlinkat, dir, name, flags);
}

EXPORT int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

EXPORT int remove(const char *name)
{
	int code = unlinkat(AT_FDCWD, name, 0);
	return code != 0 && errno == EISDIR ? unlinkat(AT_FDCWD, name, AT_REMOVEDIR) : code;
}
