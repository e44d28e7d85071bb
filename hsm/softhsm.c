/* A SoftHSM2 token of the vault's own, for those who have no HSM at hand. */
#define _GNU_SOURCE 1 /* nftw */

#include "hsm/internal.h"
#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIN_LEN 32
#define PIN_RANDOM 20 /* bytes: 32 base32 characters */
#define SLOTS_MAX 64

static CK_RV fail_file(struct sr_error *err, const char *what, const char *path)
{
	CK_RV rv = errno == ENOSPC || errno == EDQUOT ? CKR_DEVICE_MEMORY : CKR_DEVICE_ERROR;
	CK_ULONG reason = rv == CKR_DEVICE_MEMORY ? SR_REASON_STORE_FULL : SR_REASON_HSM_FAILED;
	return sr_fail(err, rv, reason, "SoftHSM token not made: %s %.120s: %s", what, path, strerror(errno));
}

/* -- file rights ----------------------------------------------------------------------------------------------- */

/* Bounded by what a token directory is: DIR/UUID/FILE. */
/* Where it cannot be done (somebody else's file) the folders above still keep others out. */
static void tighten(int folder, const char *name, mode_t mode)
{
	int failed = fchmodat(folder, name, mode, 0);
	(void)failed;
}

static void tighten_folder(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		struct stat st;
		if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISREG(st.st_mode) && (st.st_mode & 077))
			tighten(fd, entry->d_name, 0600);
		if (S_ISDIR(st.st_mode) && (st.st_mode & 077))
			tighten(fd, entry->d_name, 0700);
		if (S_ISDIR(st.st_mode) && depth > 0)
			tighten_folder(fd, entry->d_name, depth - 1);
	}
	closedir(dir);
}

/* SoftHSM2 2.6.1 creates files as the umask lets it, and the umask is the program's. Nobody else gets through the
 * 0700 folders above; this keeps the files themselves right too. */
void sr_softhsm_tighten(const char *conf)
{
	char tokens[PATH_MAX];
	const char *slash = conf ? strrchr(conf, '/') : NULL;
	if (!slash ||
		(size_t)snprintf(tokens, sizeof(tokens), "%.*s/tokens", (int)(slash - conf), conf) >= sizeof(tokens))
		return;
	tighten_folder(AT_FDCWD, tokens, 1);
}

CK_RV sr_softhsm_write(const char *path, const void *data, size_t len, struct sr_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_file(err, "cannot create", path);
	bool ok = fchmod(fd, 0600) == 0 && write(fd, data, len) == (ssize_t)len && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	return ok ? CKR_OK : fail_file(err, "cannot write", path);
}

CK_RV sr_softhsm_folder(const char *path, struct sr_error *err)
{
	if (mkdir(path, 0700) != 0 || chmod(path, 0700) != 0)
		return fail_file(err, "cannot create", path);
	return CKR_OK;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

/* -- the place ------------------------------------------------------------------------------------------------- */

CK_RV sr_softhsm_find_place(const char *dir, struct sr_softhsm_place *place, struct sr_error *err)
{
	char base[PATH_MAX];
	if (!realpath(dir, base))
		return fail_file(err, "cannot find", dir);
	/* SoftHSM2's configuration knows no quoting and ends a line at 1,024 bytes. */
	if (strlen(base) > 900 || strpbrk(base, "#=\n\r") || base[strlen(base) - 1] == ' ')
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"SoftHSM token not made: its configuration cannot hold the path %.80s; use one of 900 bytes at "
			"most "
			"without # and =",
			base);
	snprintf(place->dir, sizeof(place->dir), "%.900s/hsm", base);
	snprintf(place->tokens, sizeof(place->tokens), "%.900s/hsm/tokens", base);
	snprintf(place->conf, sizeof(place->conf), "%.900s/hsm/softhsm2.conf", base);
	snprintf(place->pin, sizeof(place->pin), "%.900s/hsm/pin", base);
	return CKR_OK;
}

CK_RV sr_softhsm_write_conf(const struct sr_softhsm_place *place, struct sr_error *err)
{
	char text[PATH_MAX + 512];
	snprintf(text, sizeof(text),
		"# SoftHSM2 of one Strongroom vault. A program that uses SoftHSM2 itself needs SOFTHSM2_CONF set to "
		"this file.\n"
		"directories.tokendir = %s\n"
		"objectstore.backend = file\n"
		"log.level = ERROR\n"
		"slots.removable = false\n"
		"library.reset_on_fork = true\n",
		place->tokens);
	return sr_softhsm_write(place->conf, text, strlen(text), err);
}

static bool random_pin(char pin[PIN_LEN + 1])
{
	uint8_t bytes[PIN_RANDOM];
	bool ok = getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes);
	if (ok)
		sr_text_base32(bytes, sizeof(bytes), pin);
	sr_cleanse(bytes, sizeof(bytes));
	return ok;
}

/* -- the token ------------------------------------------------------------------------------------------------- */

static CK_RV free_slot(CK_FUNCTION_LIST *module, CK_SLOT_ID *slot)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	CK_TOKEN_INFO token;
	CK_RV rv = module->C_GetSlotList(CK_TRUE, slots, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		*slot = slots[i];
		rv = module->C_GetTokenInfo(slots[i], &token);
		if (rv == CKR_OK && !(token.flags & CKF_TOKEN_INITIALIZED))
			return CKR_OK;
	}
	return rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv;
}

/* The security officer's PIN is random and forgotten: nobody ever resets the user's. */
static CK_RV init_token(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, const char *label, char *pin)
{
	char officer[PIN_LEN + 1];
	CK_UTF8CHAR padded[32];
	CK_SESSION_HANDLE session;
	if (!random_pin(officer))
		return CKR_FUNCTION_FAILED;
	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, strlen(label));
	CK_RV rv = module->C_InitToken(slot, (CK_UTF8CHAR *)officer, PIN_LEN, padded);
	if (rv == CKR_OK)
		rv = module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	if (rv == CKR_OK) {
		rv = module->C_Login(session, CKU_SO, (CK_UTF8CHAR *)officer, PIN_LEN);
		if (rv == CKR_OK)
			rv = module->C_InitPIN(session, (CK_UTF8CHAR *)pin, PIN_LEN);
		(void)module->C_Logout(session);
		(void)module->C_CloseSession(session);
	}
	sr_cleanse(officer, sizeof(officer));
	return rv;
}

static CK_RV make_token(
	struct sr_backend *backend, const char *label, char *pin, CK_TOKEN_INFO *token, struct sr_error *err)
{
	CK_SLOT_ID slot = 0;
	CK_RV rv = free_slot(backend->module, &slot);
	if (rv == CKR_OK)
		rv = init_token(backend->module, slot, label, pin);
	if (rv == CKR_OK)
		rv = backend->module->C_GetTokenInfo(slot, token);
	return rv == CKR_OK ? CKR_OK : sr_hsm_fail(err, rv, "initialise the SoftHSM token");
}

static CK_RV format_uri(
	const CK_TOKEN_INFO *token, const char *module, const struct sr_softhsm_place *place, struct sr_buf *uri)
{
	char source[PATH_MAX + 8], *text = NULL;
	P11KitUri *parts = p11_kit_uri_new();
	if (!parts)
		return CKR_HOST_MEMORY;
	snprintf(source, sizeof(source), "file:%s", place->pin);
	CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(parts);
	memcpy(wanted->label, token->label, sizeof(wanted->label));
	memcpy(wanted->serialNumber, token->serialNumber, sizeof(wanted->serialNumber));
	p11_kit_uri_set_module_path(parts, module);
	p11_kit_uri_set_pin_source(parts, source);
	if (p11_kit_uri_format(parts, P11_KIT_URI_FOR_TOKEN, &text) == P11_KIT_URI_OK)
		sr_buf_text(uri, text);
	p11_kit_uri_free(parts);
	bool ok = text && !uri->failed;
	free(text);
	return ok ? CKR_OK : CKR_HOST_MEMORY;
}

static CK_RV use_module(
	const struct sr_softhsm_place *place, const char *label, char *pin, struct sr_buf *uri, struct sr_error *err)
{
	char module[PATH_MAX];
	struct sr_backend backend;
	CK_TOKEN_INFO token;
	if (!sr_module_softhsm(module))
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"SoftHSM2 is not installed; install the package libsofthsm2, or name an HSM with --hsm");
	CK_RV rv = sr_backend_open(&backend, module, place->conf, err);
	if (rv != CKR_OK)
		return rv;
	/* Otherwise the token would land in somebody else's directory. */
	const char *set = getenv("SOFTHSM2_CONF");
	if (backend.foreign || (set && strcmp(set, place->conf) != 0))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED, "SoftHSM token not made: %s",
			backend.foreign ? "this program uses SoftHSM2 itself; make the vault with the strongroom tool"
					: "SOFTHSM2_CONF is set to another configuration; unset it, or use --hsm");
	if (rv == CKR_OK)
		rv = make_token(&backend, label, pin, &token, err);
	if (rv == CKR_OK && (rv = format_uri(&token, module, place, uri)) != CKR_OK)
		sr_fail(err, rv, SR_REASON_MEMORY, "out of memory while making the SoftHSM token");
	sr_backend_close(&backend);
	sr_softhsm_tighten(place->conf);
	sr_softhsm_keep(place->conf);
	return rv;
}

static CK_RV fill_place(
	const struct sr_softhsm_place *place, const char *label, struct sr_buf *uri, struct sr_error *err)
{
	char pin[PIN_LEN + 1];
	CK_RV rv = sr_softhsm_folder(place->tokens, err);
	if (rv == CKR_OK)
		rv = sr_softhsm_write_conf(place, err);
	if (rv == CKR_OK && !random_pin(pin))
		rv = fail_file(err, "no random bytes from", "the kernel");
	if (rv == CKR_OK)
		rv = sr_softhsm_write(place->pin, pin, strlen(pin), err);
	if (rv == CKR_OK)
		rv = use_module(place, label, pin, uri, err);
	sr_cleanse(pin, sizeof(pin));
	return rv;
}

CK_RV sr_hsm_make_softhsm(
	const char *dir, const char *label, struct sr_buf *uri, struct sr_buf *conf, struct sr_error *err)
{
	struct sr_softhsm_place place;
	if (!*label || strlen(label) > 32 || !sr_text_utf8(label, strlen(label)))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"SoftHSM token not made: a label has 1 to 32 bytes of UTF-8 without control characters");
	CK_RV rv = sr_softhsm_find_place(dir, &place, err);
	if (rv == CKR_OK)
		rv = sr_softhsm_folder(place.dir, err);
	if (rv != CKR_OK)
		return rv;
	rv = fill_place(&place, label, uri, err);
	if (rv != CKR_OK) {
		(void)nftw(place.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
		return rv;
	}
	sr_buf_text(conf, place.conf);
	return conf->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}
