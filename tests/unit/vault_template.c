/* See the header. A vault knows the directory it lies in: a copy has a name of the same length, and its two text files
 * are written anew. */
#define _GNU_SOURCE 1 /* nftw, mkdtemp, memmem */

#include "tests/unit/vault_template.h"

#include "util/crypto.h"
#include "vault/objects.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRODUCT_LOG2N 15

/* What the copies are made from, of this process and those that it forks: at the full cost of passphrases, and not. */
static char templates[2][64];
static bool full_cost;

/* -- passphrases ------------------------------------------------------------------------------------------------- */

bool __real_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len);
bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len);

/* What the product asks for is 32 MiB and a tenth of a second at each login. */
bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len)
{
	return __real_sr_scrypt(
		pass, len, salt, salt_len, log2n == PRODUCT_LOG2N && !full_cost ? 4 : log2n, r, p, out, out_len);
}

void vault_template_full_cost(bool full)
{
	full_cost = full;
}

/* -- directories ------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

void vault_template_remove(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void read_file(const char *path, struct sr_buf *content)
{
	char part[4096];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s", path);
	while ((got = read(fd, part, sizeof(part))) > 0)
		sr_buf_append(content, part, (size_t)got);
	ck_assert_int_eq(got, 0);
	close(fd);
}

static void write_file(const char *path, const struct sr_buf *content, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	ck_assert_msg(fd >= 0, "%s", path);
	ck_assert_int_eq(write(fd, content->data, content->len), (ssize_t)content->len);
	close(fd);
}

static void rename_within(struct sr_buf *content, const char *from, const char *to)
{
	size_t len = strlen(from);
	for (uint8_t *at = content->data; (at = memmem(at, content->len - (size_t)(at - content->data), from, len));
		at += len)
		memcpy(at, to, len);
}

static const char *copying, *copying_to;

static int copy_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	struct sr_buf content = SR_BUF_INIT;
	char to[256];
	if (where->level == 0)
		return 0;
	snprintf(to, sizeof(to), "%s%s", copying_to, path + strlen(copying));
	if (kind == FTW_D)
		return mkdir(to, info->st_mode & 07777);
	read_file(path, &content);
	if (strstr(path, ".conf"))
		rename_within(&content, copying, copying_to);
	write_file(to, &content, info->st_mode & 07777);
	sr_buf_clear(&content);
	return 0;
}

/* -- the template ------------------------------------------------------------------------------------------------ */

void vault_template_begin(void)
{
	for (int full = 0; full < 2; full++)
		snprintf(templates[full], sizeof(templates[full]), "/tmp/strongroom-vault-%c%05d", full ? 'f' : 't',
			(int)getpid() % 100000);
	vault_template_end();
}

void vault_template_end(void)
{
	for (int full = 0; full < 2; full++)
		vault_template_remove(templates[full]);
}

/* The test that first needs it makes it, for those after it too. One that dies meanwhile leaves half a vault behind,
 * which the next replaces. */
static void make_template(const char *template)
{
	char done[80], *result = NULL;
	struct sr_error err;
	struct sr_vault_plan plan = { .dir = template,
		.name = "test",
		.passphrase = (const unsigned char *)VAULT_PASSPHRASE,
		.passphrase_len = strlen(VAULT_PASSPHRASE) };
	snprintf(done, sizeof(done), "%s/strongroom.conf", template);
	if (access(done, F_OK) == 0)
		return;
	vault_template_remove(template);
	sr_error_clear(&err);
	ck_assert_msg(sr_vault_create(&plan, NULL, &result, &err) == CKR_OK, "%s", err.text);
	free(result);
}

void vault_template_copy(char dir[64])
{
	const char *template = templates[full_cost];
	make_template(template);
	snprintf(dir, 64, "/tmp/strongroom-vault-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_uint_eq(strlen(dir), strlen(template));
	copying = template;
	copying_to = dir;
	ck_assert_int_eq(nftw(template, copy_one, 8, FTW_PHYS), 0);
}
