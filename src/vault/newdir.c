#include "vault/newdir.h"

#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

CK_RV sr_newdir_fail(const struct sr_newdir *newdir, const char *path, const char *why, struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "%s: %s: %s", newdir->what, path, why);
}

static bool is_empty(const char *dir)
{
	DIR *stream = opendir(dir);
	int entries = 0;
	if (!stream)
		return false;
	while (readdir(stream))
		entries++;
	closedir(stream);
	return entries == 2;
}

/* The configuration file is what is written last. */
static bool is_half_made(const char *dir)
{
	char hsm[PATH_MAX + 32], db[PATH_MAX + 32], conf[PATH_MAX + 32];
	snprintf(hsm, sizeof(hsm), "%s/hsm", dir);
	snprintf(db, sizeof(db), "%s/vault.db", dir);
	snprintf(conf, sizeof(conf), "%s/strongroom.conf", dir);
	return (access(hsm, F_OK) == 0 || access(db, F_OK) == 0) && access(conf, F_OK) != 0;
}

static CK_RV check(struct sr_newdir *newdir, const char *dir, struct sr_error *err)
{
	if (!realpath(dir, newdir->path))
		return sr_newdir_fail(newdir, dir, strerror(errno), err);
	/* A configuration line is bounded and knows no escapes. */
	if (strlen(newdir->path) > 120 || !sr_text_utf8(newdir->path, strlen(newdir->path)) ||
		strpbrk(newdir->path, ";#\"'"))
		return sr_newdir_fail(
			newdir, dir, "its absolute path must be 120 bytes at most, without ; # or quotes", err);
	if (is_half_made(newdir->path))
		return sr_newdir_fail(
			newdir, dir, "it holds a vault that was not finished; remove it and run this again", err);
	if (!is_empty(newdir->path))
		return sr_newdir_fail(newdir, dir, "it is not empty; name a new directory", err);
	return chmod(newdir->path, 0700) == 0 ? CKR_OK : sr_newdir_fail(newdir, dir, strerror(errno), err);
}

CK_RV sr_newdir_make(struct sr_newdir *newdir, const char *dir, struct sr_error *err)
{
	newdir->made = mkdir(dir, 0700) == 0;
	if (!newdir->made && errno != EEXIST)
		return sr_newdir_fail(newdir, dir, strerror(errno), err);
	CK_RV rv = check(newdir, dir, err);
	if (rv == CKR_OK)
		return rv;
	newdir->path[0] = '\0';
	if (newdir->made)
		rmdir(dir);
	return rv;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

void sr_newdir_remove(struct sr_newdir *newdir)
{
	if (!newdir->path[0])
		return;
	nftw(newdir->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	if (newdir->made)
		rmdir(newdir->path);
}

/* -- the configuration file -------------------------------------------------------------------------------------- */

static bool write_file(const char *path, const struct sr_buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool ok = write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

CK_RV sr_newdir_config(const struct sr_newdir *newdir, const char *name, const char *hsm_uri, const char *softhsm_conf,
	struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/strongroom.conf", newdir->path);
	sr_buf_printf(&text,
		"# Strongroom vault \"%s\". Keys and sections: strongroom.conf(5).\n"
		"[vault]\ndir = %s\n\n[hsm]\nuri = %s\n",
		name, newdir->path, hsm_uri);
	if (softhsm_conf)
		sr_buf_printf(&text, "softhsm-conf = %s\n", softhsm_conf);
	bool ok = !text.failed && write_file(path, &text);
	sr_buf_clear(&text);
	return ok ? CKR_OK : sr_newdir_fail(newdir, path, strerror(errno), err);
}
