/* See the header. */
#include "tests/common/directory.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *directory_base(void)
{
	static char base[PATH_MAX];
	const char *wanted = getenv("TMPDIR");
	if (!realpath(wanted && wanted[0] ? wanted : "/tmp", base)) {
		perror("TMPDIR");
		exit(2); /* nor is this always asked in a test, where Check would end it */
	}
	return base;
}

void directory_make(char *dir, size_t size, const char *name)
{
	int len = snprintf(dir, size, "%s/%s-XXXXXX", directory_base(), name);
	ck_assert(len > 0 && (size_t)len < size);
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

void directory_remove(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *read_file(const char *path, size_t len)
{
	char *content = malloc(len + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0 && content, "%s", path);
	ck_assert_int_eq(read(fd, content, len + 1), (ssize_t)len); /* all of it: nobody writes here */
	close(fd);
	return content;
}

static void write_file(const char *path, const char *content, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	ck_assert_msg(fd >= 0, "%s", path);
	ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
	close(fd);
}

static void rename_within(char *content, size_t content_len, const char *from, const char *to)
{
	size_t len = strlen(from);
	for (char *at = content; (at = memmem(at, content_len - (size_t)(at - content), from, len)); at += len)
		memcpy(at, to, len);
}

static const char *copying, *copying_to;

static int copy_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	char to[PATH_MAX];
	size_t len = (size_t)info->st_size;
	if (where->level == 0 || S_ISSOCK(info->st_mode))
		return 0;
	snprintf(to, sizeof(to), "%s%s", copying_to, path + strlen(copying));
	if (kind == FTW_D)
		return mkdir(to, info->st_mode & 07777);
	char *content = read_file(path, len);
	if (strstr(path + where->base, ".conf"))
		rename_within(content, len, copying, copying_to);
	write_file(to, content, len, info->st_mode & 07777);
	free(content);
	return 0;
}

void directory_copy(const char *from, const char *to)
{
	ck_assert_uint_eq(strlen(from), strlen(to));
	copying = from;
	copying_to = to;
	ck_assert_int_eq(nftw(from, copy_one, 8, FTW_PHYS), 0);
}
