/* The token of a slot that logs itself in. */
#define _GNU_SOURCE 1 /* secure_getenv */
#include "pkcs11/own_token.h"

#include "util/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sr_own_token_has(const struct sr_slot_config *slot)
{
	return slot && (slot->token_file || slot->token_env);
}

static struct sr_stamp stamp_of(const struct stat *st)
{
	return (struct sr_stamp){
		.device = st->st_dev, .inode = st->st_ino, .size = st->st_size, .changed = st->st_mtim
	};
}

/* One byte more than may be there, so that a longer file shows itself. */
static ssize_t read_whole(int fd, char *at, size_t room)
{
	size_t have = 0;
	while (have < room) {
		ssize_t got = read(fd, at + have, room - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static CK_RV read_open_file(
	int fd, const char *path, char *pin, size_t *len, struct sr_stamp *stamp, struct sr_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG,
			"token-file %s is not a regular file: put the token string into one", path);
	char text[SR_TOKEN_FILE_MAX + 1];
	ssize_t got = read_whole(fd, text, sizeof text);
	CK_RV rv = CKR_OK;
	if (got < 0 || (size_t)got > SR_TOKEN_FILE_MAX) {
		rv = sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG,
			"token-file %s cannot be read or is longer than %d bytes: it holds one token string", path,
			SR_TOKEN_FILE_MAX);
	} else {
		*len = (size_t)got;
		if (*len && text[*len - 1] == '\n')
			(*len)--;
		memcpy(pin, text, *len);
		*stamp = stamp_of(&st);
	}
	sr_cleanse(text, sizeof text);
	return rv;
}

static CK_RV read_file(const char *path, char *pin, size_t *len, struct sr_stamp *stamp, struct sr_error *err)
{
	/* O_NONBLOCK: a FIFO in its place must not hang the program before it is seen to be none */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG,
			"token-file %s cannot be opened (%s): put the token string there", path,
			errno == ENOENT ? "it does not exist" : "see its owner and mode");
	CK_RV rv = read_open_file(fd, path, pin, len, stamp, err);
	close(fd);
	return rv;
}

static CK_RV read_environment(const char *name, char *pin, size_t *len, struct sr_error *err)
{
	const char *value = secure_getenv(name);
	*len = value ? strlen(value) : 0;
	if (*len > SR_TOKEN_FILE_MAX)
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG,
			"the environment variable %s is longer than a token string", name);
	if (value)
		memcpy(pin, value, *len);
	return CKR_OK;
}

CK_RV sr_own_token_read(const struct sr_slot_config *slot, char pin[SR_TOKEN_FILE_MAX], size_t *len,
	struct sr_stamp *stamp, struct sr_error *err)
{
	*stamp = (struct sr_stamp){ 0 };
	CK_RV rv = slot->token_file ? read_file(slot->token_file, pin, len, stamp, err)
				    : read_environment(slot->token_env, pin, len, err);
	if (rv == CKR_OK && *len == 0)
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG,
			"slot %s has no token: %s is empty or not set", slot->name,
			slot->token_file ? slot->token_file : slot->token_env);
	return rv;
}

bool sr_own_token_changed(const struct sr_slot_config *slot, const struct sr_stamp *stamp)
{
	struct stat st;
	if (!slot || !slot->token_file || stat(slot->token_file, &st) != 0)
		return false;
	return st.st_dev != stamp->device || st.st_ino != stamp->inode || st.st_size != stamp->size ||
	       st.st_mtim.tv_sec != stamp->changed.tv_sec || st.st_mtim.tv_nsec != stamp->changed.tv_nsec;
}
