/* Looks at a vault's lock and at the socket that is recorded beside it. */
#include "module/held.h"

#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_dir(const char *dir)
{
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A FIFO in the place of the file is not waited for. */
static int open_file(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool sr_vault_is_held(const char *dir)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int dir_fd = open_dir(dir);
	int fd = dir_fd < 0 ? -1 : open_file(dir_fd, SR_LOCK_FILE);
	bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
	if (fd >= 0)
		close(fd);
	if (dir_fd >= 0)
		close(dir_fd);
	return held;
}

/* -- the socket --------------------------------------------------------------------------------------------------- */

static bool refuse(struct sr_error *err, const char *why)
{
	sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY,
		"strongroomd holds the vault, and the socket recorded there is not used: %s", why);
	return false;
}

static bool trusted(const struct stat *st, const struct stat *dir)
{
	return st->st_uid == dir->st_uid || st->st_uid == 0;
}

static bool check_record(int fd, const struct stat *dir, struct sr_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse(err, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(err, "the record is no plain file");
	if (!trusted(&st, dir) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return refuse(err, "the record is not the directory's owner's alone");
	return true;
}

/* One byte more than is allowed is enough to see that it is too much. */
static bool read_path(int fd, char path[SR_SOCKET_PATH_SIZE], struct sr_error *err)
{
	char line[SR_SOCKET_PATH_SIZE + 1];
	ssize_t len = read(fd, line, sizeof line);
	if (len < 0)
		return refuse(err, strerror(errno));
	if (len > (ssize_t)SR_SOCKET_PATH_SIZE)
		return refuse(err, "its path is longer than 107 bytes");
	if (len < 2 || line[len - 1] != '\n')
		return refuse(err, "the record is no line");
	len--;
	if (line[0] != '/')
		return refuse(err, "its path is not absolute");
	if (!sr_text_utf8(line, (size_t)len))
		return refuse(err, "its path has control characters");
	memcpy(path, line, (size_t)len);
	path[len] = '\0';
	return true;
}

static bool check_socket(const char *path, const struct stat *dir, struct sr_error *err)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return refuse(err, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return refuse(err, "its path leads to no socket");
	if (!trusted(&st, dir))
		return refuse(err, "the socket is not the directory's owner's");
	return true;
}

static bool socket_in(int dir_fd, char path[SR_SOCKET_PATH_SIZE], struct sr_error *err)
{
	struct stat dir;
	if (fstat(dir_fd, &dir) != 0)
		return refuse(err, strerror(errno));
	int fd = open_file(dir_fd, SR_SOCKET_FILE);
	if (fd < 0)
		return refuse(err, errno == ENOENT ? "there is no record" : strerror(errno));
	bool good = check_record(fd, &dir, err) && read_path(fd, path, err) && check_socket(path, &dir, err);
	close(fd);
	return good;
}

bool sr_held_socket(const char *dir, char path[SR_SOCKET_PATH_SIZE], struct sr_error *err)
{
	int dir_fd = open_dir(dir);
	if (dir_fd < 0)
		return refuse(err, strerror(errno));
	bool good = socket_in(dir_fd, path, err);
	close(dir_fd);
	return good;
}

/* -- the configuration -------------------------------------------------------------------------------------------- */

/* The HSM's URI may hold a PIN, and a client of a server has no business with it. */
static void drop(char **text)
{
	if (*text)
		sr_cleanse(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

CK_RV sr_held_redirect(struct sr_config *config, struct sr_error *err)
{
	char path[SR_SOCKET_PATH_SIZE];
	if (!config->dir || !sr_vault_is_held(config->dir) || !sr_held_socket(config->dir, path, NULL))
		return CKR_OK;
	char *server = strdup(path);
	if (!server)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	drop(&config->dir);
	drop(&config->hsm_uri);
	drop(&config->softhsm_conf);
	drop(&config->heads);
	drop(&config->mechanisms);
	config->server = (struct sr_server){ .kind = SR_SERVER_UNIX, .path = server };
	return CKR_OK;
}
