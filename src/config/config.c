/* A configuration from its file or from memory, and its end. */
#include "config/config.h"

#include "config/endpoint.h"
#include "config/parse.h"
#include "config/value.h"
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
		return sr_config_refuse(
			config, err, "there is no such file; correct its name (STRONGROOM_CONF, --config)");
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

/* -- one more listener ---------------------------------------------------------------------------------------- */
/* NULL, or what is wrong with TEXT. */
static const char *add_listener(struct sr_config *config, const char *text)
{
	struct sr_listen *listen = &config->listen;
	if (config->server.kind != SR_SERVER_NONE)
		return "a listener goes with dir, and the configuration has server; use another configuration";
	if (strncmp(text, "unix:", 5) == 0)
		return sr_endpoint_add_unix(text + 5, strlen(text + 5), listen);
	if (strncmp(text, "tls:", 4) != 0)
		return "must be unix:/path/to/socket or tls:ADDRESS:PORT";
	if (!listen->certificate || !listen->key)
		return "tls: needs tls, certificate and key under [listen] of the configuration; add them";
	return sr_endpoint_add_tls(text + 4, strlen(text + 4), listen);
}

CK_RV sr_config_add_listener(struct sr_config *config, const char *text, struct sr_error *err)
{
	const char *fault = add_listener(config, text);
	if (fault == sr_value_no_memory)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	if (fault)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "listener: %s", fault);
	return CKR_OK;
}

/* -- its texts ------------------------------------------------------------------------------------------------ */
static const size_t texts[] = {
	offsetof(struct sr_config, file),
	offsetof(struct sr_config, dir),
	offsetof(struct sr_config, hsm_uri),
	offsetof(struct sr_config, softhsm_conf),
	offsetof(struct sr_config, heads),
	offsetof(struct sr_config, mechanisms),
	offsetof(struct sr_config, server.path),
	offsetof(struct sr_config, server.host),
	offsetof(struct sr_config, tls.ca),
	offsetof(struct sr_config, tls.name),
	offsetof(struct sr_config, tls.certificate),
	offsetof(struct sr_config, tls.key),
	offsetof(struct sr_config, sink_file),
	offsetof(struct sr_config, syslog.path),
	offsetof(struct sr_config, syslog.host),
	offsetof(struct sr_config, listen.certificate),
	offsetof(struct sr_config, listen.key),
	offsetof(struct sr_config, listen.client_ca),
	offsetof(struct sr_config, listen.user),
	offsetof(struct sr_config, listen.metrics.path),
	offsetof(struct sr_config, listen.metrics.host),
};

#define SINGLE_TEXTS (sizeof texts / sizeof texts[0])
#define SLOT_TEXTS 3
#define ALL_TEXTS (SINGLE_TEXTS + 2 * SR_LISTENERS_MAX + SLOT_TEXTS * SR_SLOTS_MAX)

/* Text number I of ALL_TEXTS, those of unused places of lists among them: these are NULL. */
static char **text_at(struct sr_config *config, size_t i)
{
	if (i < SINGLE_TEXTS)
		return (char **)((char *)config + texts[i]);
	i -= SINGLE_TEXTS;
	if (i < SR_LISTENERS_MAX)
		return &config->listen.unix_paths[i];
	i -= SR_LISTENERS_MAX;
	if (i < SR_LISTENERS_MAX)
		return &config->listen.tls[i].host;
	i -= SR_LISTENERS_MAX;
	struct sr_slot_config *slot = &config->slots[i / SLOT_TEXTS];
	char **of_slot[SLOT_TEXTS] = { &slot->name, &slot->token_file, &slot->token_env };
	return of_slot[i % SLOT_TEXTS];
}

bool sr_config_copy(struct sr_config *to, const struct sr_config *from)
{
	*to = *from; /* the texts of FROM until they are copied */
	bool copied = true;
	for (size_t i = 0; i < ALL_TEXTS; i++) {
		char **text = text_at(to, i);
		if (!*text)
			continue;
		*text = copied ? strdup(*text) : NULL;
		copied = *text != NULL;
	}
	return copied;
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
	for (size_t i = 0; i < ALL_TEXTS; i++)
		free_text(*text_at(config, i));
	memset(config, 0, sizeof *config);
}
