/* A configuration from its file or from memory, and its end. */
#include "config/config.h"

#include "config/parse.h"
#include "util/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME_SHOWN 80

/* The end of a long file name says more than its beginning. */
const char *sr_config_shown(const struct sr_config *config)
{
	size_t len = strlen(config->file);
	return len > FILE_NAME_SHOWN ? config->file + len - FILE_NAME_SHOWN : config->file;
}

CK_RV sr_config_refuse(const struct sr_config *config, struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "%s: %s", sr_config_shown(config), why);
}

CK_RV sr_config_start(struct sr_config *config, const char *file, struct sr_error *err)
{
	memset(config, 0, sizeof *config);
	config->file = strdup(file);
	return config->file ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
}

CK_RV sr_config_parse(const char *text, size_t len, struct sr_config *config, struct sr_error *err)
{
	CK_RV rv = sr_config_start(config, "configuration", err);
	if (rv == CKR_OK)
		rv = sr_config_parse_text(text, len, config, err);
	if (rv != CKR_OK)
		sr_config_clear(config);
	return rv;
}

/* -- the file ------------------------------------------------------------------------------------------------- */
static CK_RV refuse_errno(const struct sr_config *config, struct sr_error *err, int error)
{
	if (error == ENOENT || error == ENOTDIR)
		return sr_config_refuse(config, err, "there is no such file; correct STRONGROOM_CONF");
	if (error == EACCES)
		return sr_config_refuse(config, err, "this process may not read it; change its owner, group or mode");
	return sr_config_refuse(config, err, "cannot be read");
}

/* Who may write the file chooses the HSM's module, a library that this process then runs. */
static CK_RV check_file(int fd, struct sr_config *config, struct sr_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse_errno(config, err, errno);
	if (!S_ISREG(st.st_mode))
		return sr_config_refuse(config, err, "not a regular file; name one");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return sr_config_refuse(
			config, err, "it belongs to somebody else; chown it, or name another with STRONGROOM_CONF");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return sr_config_refuse(config, err, "others may write it; chmod go-w it");
	config->private_file = (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
	return CKR_OK;
}

/* One byte more than is allowed is enough to see that it is too much. */
static CK_RV read_all(int fd, struct sr_buf *text, struct sr_config *config, struct sr_error *err)
{
	while (text->len <= SR_CONFIG_SIZE_MAX) {
		uint8_t *to = sr_buf_reserve(text, 4096);
		if (!to)
			return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
		ssize_t got = read(fd, to, 4096);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse_errno(config, err, errno);
		if (got == 0)
			break;
		text->len += (size_t)got;
	}
	return CKR_OK;
}

static CK_RV load_text(int fd, struct sr_config *config, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	CK_RV rv = check_file(fd, config, err);
	if (rv == CKR_OK)
		rv = read_all(fd, &text, config, err);
	if (rv == CKR_OK)
		rv = sr_config_parse_text(sr_buf_string(&text), text.len, config, err);
	sr_buf_clear(&text);
	return rv;
}

CK_RV sr_config_load(const char *path, struct sr_config *config, struct sr_error *err)
{
	CK_RV rv = sr_config_start(config, path, err);
	if (rv != CKR_OK)
		return rv;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO is refused, not waited for */
	rv = fd < 0 ? refuse_errno(config, err, errno) : load_text(fd, config, err);
	if (fd >= 0)
		close(fd);
	if (rv != CKR_OK)
		sr_config_clear(config);
	return rv;
}

/* The URI may hold a PIN. */
static void free_text(char *text)
{
	if (text)
		sr_cleanse(text, strlen(text));
	free(text);
}

void sr_config_clear(struct sr_config *config)
{
	free_text(config->file);
	free_text(config->dir);
	free_text(config->hsm_uri);
	free_text(config->softhsm_conf);
	free_text(config->heads);
	free_text(config->mechanisms);
	for (size_t i = 0; i < config->slot_count; i++) {
		free_text(config->slots[i].name);
		free_text(config->slots[i].token_file);
		free_text(config->slots[i].token_env);
	}
	memset(config, 0, sizeof *config);
}
