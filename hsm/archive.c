/* A built-in SoftHSM2 token as bytes, and again as files.
 *
 * A packed record: a label, the URI, the PIN, then name ("UUID/FILE") and content of each file below tokens/. The
 * configuration is written anew, because it names the place. */
#define _GNU_SOURCE 1 /* O_DIRECTORY, nftw */

#include "hsm/internal.h"
#include "util/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LABEL "strongroom/softhsm/1"
#define FILE_MAX (1u << 20)
#define NAME_MAX_LEN 128
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

static CK_RV fail_pack(struct sr_error *err, const char *what, const char *name)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
		"the SoftHSM token was not packed: %s %.80s: %s; see that the token directory is whole", what, name,
		strerror(errno));
}

/* -- packing ----------------------------------------------------------------------------------------------------- */

static bool pack_file(int folder, const char *name, struct sr_buf *out)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	struct sr_buf content = SR_BUF_INIT;
	bool whole = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)FILE_MAX;
	size_t len = whole ? (size_t)st.st_size : 0;
	uint8_t *to = whole ? sr_buf_reserve(&content, len + 1) : NULL;
	whole = to && read(fd, to, len + 1) == (ssize_t)len; /* one more, to see that it does not grow */
	content.len = whole ? len : 0;
	if (whole)
		sr_pack_bytes(out, content.data, content.len);
	sr_buf_clear(&content);
	close(fd);
	return whole;
}

static CK_RV pack_token(int tokens, const char *token, struct sr_buf *out, struct sr_error *err)
{
	int fd = openat(tokens, token, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	CK_RV rv = CKR_OK;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fail_pack(err, "cannot open", token);
	}
	while (rv == CKR_OK && (entry = readdir(dir))) {
		char name[NAME_MAX_LEN + 1];
		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(name, sizeof(name), "%s/%s", token, entry->d_name) >= sizeof(name))
			rv = fail_pack(err, "too long a name", entry->d_name);
		sr_pack_text(out, name);
		if (rv == CKR_OK && !pack_file(fd, entry->d_name, out))
			rv = fail_pack(err, "cannot read", entry->d_name);
	}
	closedir(dir);
	return rv;
}

static CK_RV pack_tokens(int home, struct sr_buf *out, struct sr_error *err)
{
	int fd = openat(home, "tokens", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	CK_RV rv = CKR_OK;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fail_pack(err, "cannot open", "tokens");
	}
	while (rv == CKR_OK && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			rv = pack_token(fd, entry->d_name, out, err);
	}
	closedir(dir);
	return rv;
}

CK_RV sr_hsm_pack_softhsm(const char *conf, const char *uri, struct sr_buf *packed, struct sr_error *err)
{
	char path[PATH_MAX];
	const char *slash = strrchr(conf, '/');
	if (!slash || (size_t)snprintf(path, sizeof(path), "%.*s", (int)(slash - conf), conf) >= sizeof(path))
		return fail_pack(err, "no path", conf);
	int home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (home < 0)
		return fail_pack(err, "cannot open", path);
	sr_pack_text(packed, LABEL);
	sr_pack_text(packed, uri);
	int lock = sr_softhsm_lock(conf, false);
	CK_RV rv = pack_file(home, "pin", packed) ? CKR_OK : fail_pack(err, "cannot read", "pin");
	if (rv == CKR_OK)
		rv = pack_tokens(home, packed, err);
	sr_softhsm_unlock(lock);
	close(home);
	if (rv == CKR_OK && packed->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the SoftHSM token, or too large");
	return rv;
}

/* -- unpacking --------------------------------------------------------------------------------------------------- */

static CK_RV not_packed(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the SoftHSM token in the backup cannot be read; it was made by another Strongroom");
}

static CK_RV unpack_text(struct sr_unpack *in, size_t max, struct sr_buf *out, struct sr_error *err)
{
	size_t len;
	const uint8_t *text = sr_unpack_bytes(in, &len);
	if (!text || len == 0 || len > max || memchr(text, '\0', len))
		return not_packed(err);
	sr_buf_append(out, text, len);
	return out->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}

/* "UUID/FILE", neither of which begins with a dot. */
static bool is_name(const char *name)
{
	const char *slash = strchr(name, '/');
	if (!slash || slash == name || name[0] == '.' || slash[1] == '.' || slash[1] == '\0')
		return false;
	return strspn(name, NAME_CHARACTERS) == (size_t)(slash - name) &&
	       strspn(slash + 1, NAME_CHARACTERS) == strlen(slash + 1);
}

static CK_RV unpack_file(struct sr_unpack *in, const struct sr_softhsm_place *place, struct sr_error *err)
{
	char path[2 * PATH_MAX];
	struct sr_buf name = SR_BUF_INIT;
	struct stat st;
	size_t len;
	CK_RV rv = unpack_text(in, NAME_MAX_LEN, &name, err);
	const uint8_t *content = rv == CKR_OK ? sr_unpack_bytes(in, &len) : NULL;
	if (rv == CKR_OK && (!content || len > FILE_MAX || !is_name(sr_buf_string(&name))))
		rv = not_packed(err);
	if (rv == CKR_OK) {
		int folder = (int)(strchr(sr_buf_string(&name), '/') - sr_buf_string(&name));
		snprintf(path, sizeof(path), "%s/%.*s", place->tokens, folder, sr_buf_string(&name));
		if (lstat(path, &st) != 0)
			rv = sr_softhsm_folder(path, err);
	}
	if (rv == CKR_OK) {
		snprintf(path, sizeof(path), "%s/%s", place->tokens, sr_buf_string(&name));
		rv = sr_softhsm_write(path, content, len, err);
	}
	sr_buf_clear(&name);
	return rv;
}

/* What named the token named a place too. */
static CK_RV move_uri(const char *was, const struct sr_softhsm_place *place, struct sr_buf *uri, struct sr_error *err)
{
	char source[PATH_MAX + 8], module[PATH_MAX], *text = NULL;
	P11KitUri *parts = p11_kit_uri_new();
	CK_RV rv = parts ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	if (rv == CKR_OK && p11_kit_uri_parse(was, P11_KIT_URI_FOR_ANY, parts) != P11_KIT_URI_OK)
		rv = not_packed(err);
	if (rv == CKR_OK && !sr_module_softhsm(module))
		rv = sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"SoftHSM2 is not installed; install the package libsofthsm2");
	if (rv == CKR_OK) {
		snprintf(source, sizeof(source), "file:%s", place->pin);
		p11_kit_uri_set_module_path(parts, module);
		p11_kit_uri_set_pin_source(parts, source);
		if (p11_kit_uri_format(parts, P11_KIT_URI_FOR_TOKEN, &text) == P11_KIT_URI_OK)
			sr_buf_text(uri, text);
		if (!text || uri->failed)
			rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	}
	free(text);
	p11_kit_uri_free(parts);
	return rv;
}

static CK_RV unpack_into(
	struct sr_unpack *in, const struct sr_softhsm_place *place, struct sr_buf *uri, struct sr_error *err)
{
	struct sr_buf label = SR_BUF_INIT, was = SR_BUF_INIT, pin = SR_BUF_INIT;
	CK_RV rv = unpack_text(in, sizeof(LABEL), &label, err);
	if (rv == CKR_OK && strcmp(sr_buf_string(&label), LABEL) != 0)
		rv = not_packed(err);
	if (rv == CKR_OK && (rv = unpack_text(in, PATH_MAX, &was, err)) == CKR_OK &&
		(rv = unpack_text(in, SR_PIN_MAX + 1, &pin, err)) == CKR_OK &&
		(rv = move_uri(sr_buf_string(&was), place, uri, err)) == CKR_OK &&
		(rv = sr_softhsm_folder(place->tokens, err)) == CKR_OK &&
		(rv = sr_softhsm_write_conf(place, err)) == CKR_OK)
		rv = sr_softhsm_write(place->pin, pin.data, pin.len, err);
	while (rv == CKR_OK && in->left > 0)
		rv = unpack_file(in, place, err);
	sr_buf_clear(&label);
	sr_buf_clear(&was);
	sr_buf_clear(&pin);
	return rv == CKR_OK && !sr_unpack_done(in) ? not_packed(err) : rv;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

CK_RV sr_hsm_unpack_softhsm(
	const void *packed, size_t len, const char *dir, struct sr_buf *uri, struct sr_buf *conf, struct sr_error *err)
{
	struct sr_softhsm_place place;
	struct sr_unpack in = { packed, len, false };
	const char *set = getenv("SOFTHSM2_CONF");
	CK_RV rv = sr_softhsm_find_place(dir, &place, err);
	/* Otherwise a token of the same serial elsewhere would be taken for it. */
	if (rv == CKR_OK && set && strcmp(set, place.conf) != 0)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"SOFTHSM2_CONF is set to another configuration; unset it");
	if (rv == CKR_OK)
		rv = sr_softhsm_folder(place.dir, err);
	if (rv != CKR_OK)
		return rv;
	rv = unpack_into(&in, &place, uri, err);
	if (rv != CKR_OK) {
		(void)nftw(place.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
		return rv;
	}
	sr_buf_text(conf, place.conf);
	return conf->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}
