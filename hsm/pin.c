/* Where the PIN comes from, and the page that it is kept on. */
#define _GNU_SOURCE 1 /* secure_getenv, MADV_WIPEONFORK */

#include "hsm/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIN_PAGE 4096

bool sr_pin_init(struct sr_pin *pin)
{
	pin->len = 0;
	pin->bytes = mmap(NULL, PIN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pin->bytes == MAP_FAILED) {
		pin->bytes = NULL;
		return false;
	}
	/* Each of these is a second line of defence: where a limit or an old kernel refuses, the PIN still works. */
	(void)mlock(pin->bytes, PIN_PAGE);
	(void)madvise(pin->bytes, PIN_PAGE, MADV_DONTDUMP);
	(void)madvise(pin->bytes, PIN_PAGE, MADV_WIPEONFORK);
	return true;
}

void sr_pin_wipe(struct sr_pin *pin)
{
	sr_cleanse(pin->bytes, pin->bytes ? PIN_PAGE : 0);
	pin->len = 0;
}

void sr_pin_clear(struct sr_pin *pin)
{
	if (!pin->bytes)
		return;
	sr_pin_wipe(pin);
	munmap(pin->bytes, PIN_PAGE);
	pin->bytes = NULL;
}

static CK_RV refuse(struct sr_error *err, const char *what, const char *name, const char *next)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN, "HSM PIN: %s '%.120s'; %s", what, name, next);
}

static bool read_all(int fd, struct sr_pin *pin)
{
	pin->len = 0;
	while (pin->len < SR_PIN_MAX + 2) { /* one for the newline, one to see that it is too long */
		ssize_t got = read(fd, pin->bytes + pin->len, SR_PIN_MAX + 2 - pin->len);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			pin->len += (size_t)got;
	}
	return true;
}

static CK_RV read_open_file(int fd, const char *path, mode_t forbidden, struct sr_pin *pin, struct sr_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return refuse(err, "not a regular file:", path, "name a file in pin-source");
	if (st.st_mode & forbidden)
		return refuse(err, "others may read or write", path, "chmod 600 it and think of changing the PIN");
	if (!read_all(fd, pin))
		return refuse(err, "cannot read", path, strerror(errno));
	if (pin->len > 0 && pin->bytes[pin->len - 1] == '\n')
		pin->len--;
	if (pin->len == 0)
		return refuse(err, "nothing in", path, "write the PIN into it, on one line");
	if (pin->len > SR_PIN_MAX)
		return refuse(err, "more than 255 bytes in", path, "write the PIN alone into it");
	return CKR_OK;
}

static CK_RV read_file(const char *path, mode_t forbidden, struct sr_pin *pin, struct sr_error *err)
{
	if (path[0] != '/')
		return refuse(err, "not an absolute path:", path, "write pin-source=file:/…");
	/* Symbolic links are followed: service managers and secret mounts place files by them. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return refuse(err, "cannot open", path, strerror(errno));
	CK_RV rv = read_open_file(fd, path, forbidden, pin, err);
	close(fd);
	return rv;
}

static CK_RV read_env(const char *name, struct sr_pin *pin, struct sr_error *err)
{
	const char *value = secure_getenv(name);
	if (!value || !*value)
		return refuse(err, "not set in the environment:", name, "set it, or use pin-source=file:");
	pin->len = strlen(value);
	if (pin->len > SR_PIN_MAX)
		return refuse(err, "more than 255 bytes in the environment's", name, "put the PIN alone there");
	memcpy(pin->bytes, value, pin->len);
	return CKR_OK;
}

static CK_RV read_credential(const char *name, struct sr_pin *pin, struct sr_error *err)
{
	if (!*name || *name == '.' || strchr(name, '/'))
		return refuse(err, "not a credential's name:", name, "write the name of LoadCredential= alone");
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	if (!dir || *dir != '/')
		return refuse(err, "no CREDENTIALS_DIRECTORY for credential", name,
			"start as a systemd unit with LoadCredential=");
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return refuse(err, "path too long for credential", name, "shorten it");
	/* systemd lets the service read by an ACL, whose mask shows up as the group's read bit. */
	return read_file(path, S_IWGRP | S_IXGRP | S_IRWXO, pin, err);
}

/* "file:/x" and the URI form "file:///x" */
static const char *file_path(const char *source)
{
	return strncmp(source, "///", 3) == 0 ? source + 2 : source;
}

bool sr_pin_is_prompt(const char *source)
{
	return source && strcmp(source, "prompt:") == 0;
}

CK_RV sr_pin_read(const char *source, struct sr_pin *pin, struct sr_error *err)
{
	const mode_t group_and_others = S_IRWXG | S_IRWXO;
	CK_RV rv;
	if (source[0] == '/')
		rv = read_file(source, group_and_others, pin, err);
	else if (strncmp(source, "file:", 5) == 0)
		rv = read_file(file_path(source + 5), group_and_others, pin, err);
	else if (strncmp(source, "env:", 4) == 0)
		rv = read_env(source + 4, pin, err);
	else if (strncmp(source, "credential:", 11) == 0)
		rv = read_credential(source + 11, pin, err);
	else
		rv = refuse(err, "unknown pin-source", source, "use file:/PATH, env:NAME, credential:NAME or prompt:");
	if (rv != CKR_OK)
		sr_pin_wipe(pin);
	return rv;
}
