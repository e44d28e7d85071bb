/* Making a backup and handing it out piece by piece. The copy of the database is a file of the vault directory that
 * loses its name as soon as it is whole, so that nothing of it outlives this process. */
#define _GNU_SOURCE 1 /* O_DIRECTORY */
#include "vault/backup.h"

#include "util/box.h"
#include "util/text.h"
#include "vault/member.h"
#include "vault/rekey.h"
#include "vault/rekey_keys.h"
#include "vault/report.h"
#include "vault/token.h"
#include "vault/who.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PREFIX "backup-"
#define SUFFIX ".new"
#define TICKET_BYTES 16
#define TICKET_MAX 33
#define IDLE_MS (60 * 1000) /* one that nobody reads any more makes room for the next */
#define SPARE (8ull << 20)  /* what the vault itself keeps of the disk while a copy lies there */
#define LISTED_MAX 50       /* resident keys by name */
#define READ_AT_ONCE (64u << 10)

/** struct sr_backups: FD -1: there is none. HEAD stands before the database of BYTES, BOX behind it. */
struct sr_backups {
	pthread_mutex_t lock;
	int fd;
	char ticket[TICKET_MAX];
	char owner[SR_NAME_MAX];
	int64_t used_ms;
	struct sr_buf head, box;
	uint64_t bytes;
	struct sr_seal_counts counts; /* of what is in it */
	struct sr_keys_span keys;
	unsigned seal_generation;
};

struct sr_backups *sr_backups_new(void)
{
	struct sr_backups *backups = calloc(1, sizeof(*backups));
	if (!backups)
		return NULL;
	backups->fd = -1;
	pthread_mutex_init(&backups->lock, NULL);
	return backups;
}

/* With the lock held. */
static void drop(struct sr_backups *backups)
{
	if (backups->fd >= 0)
		close(backups->fd);
	backups->fd = -1;
	backups->ticket[0] = '\0';
	sr_buf_clear(&backups->head);
	sr_buf_clear(&backups->box);
	backups->bytes = 0;
}

void sr_backups_free(struct sr_backups *backups)
{
	if (!backups)
		return;
	drop(backups);
	free(backups);
}

/* -- the file ---------------------------------------------------------------------------------------------------- */

static bool is_ours(const char *name)
{
	size_t len = strlen(name);
	return len > strlen(PREFIX SUFFIX) && strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* Whoever makes one holds a lock on it. */
static void sweep_one(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dir, name, 0);
	close(fd);
}

void sr_backups_sweep(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (is_ours(entry->d_name))
			sweep_one(dirfd(dir), entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static CK_RV fail_file(struct sr_error *err, const char *what, int number)
{
	bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
	return sr_fail(err, full ? CKR_DEVICE_MEMORY : CKR_DEVICE_ERROR,
		full ? SR_REASON_STORE_FULL : SR_REASON_STORE_FAILED,
		"no backup: its copy in the vault directory %s: %s", what, strerror(number));
}

/* A copy that took the last of the disk would stop the vault. */
static CK_RV check_room(struct sr_vault *vault, struct sr_tx *tx, struct sr_error *err)
{
	struct sr_counts counts = { 0 };
	struct statvfs fs;
	CK_RV rv = vault->store->ops->counts(tx, &counts, err);
	if (rv != CKR_OK || statvfs(vault->dir, &fs) != 0)
		return rv;
	if ((unsigned long long)fs.f_bavail * fs.f_frsize >= counts.bytes + SPARE)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL,
		"no backup: a copy needs %llu MiB of room in the vault directory; make room",
		(unsigned long long)(counts.bytes + SPARE + (1u << 20) - 1) >> 20);
}

static CK_RV copy_as(struct sr_vault *vault, struct sr_tx *tx, const char *path, int *fd, struct sr_error *err)
{
	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return fail_file(err, "cannot be made", errno);
	(void)flock(*fd, LOCK_EX | LOCK_NB);
	CK_RV rv = vault->store->ops->copy(tx, path, err);
	if (unlink(path) != 0 && rv == CKR_OK)
		rv = fail_file(err, "cannot lose its name", errno);
	return rv;
}

/* What a look sees at this moment, and where its chain ends. */
static CK_RV copy_now(struct sr_vault *vault, const char *path, struct sr_backups *backups, struct sr_head *head,
	struct sr_error *err)
{
	struct sr_moment at;
	int64_t newest_ms;
	CK_RV rv = sr_writer_seal(vault->writer, err);
	if (rv == CKR_OK)
		rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = check_room(vault, at.tx, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->event_head(at.tx, head, &newest_ms, err);
	if (rv == CKR_OK)
		rv = sr_seal_count(at.tx, &backups->counts, err);
	if (rv == CKR_OK)
		rv = sr_seal_generation(vault, &at, &backups->seal_generation, err);
	if (rv == CKR_OK)
		rv = sr_keys_span(vault, &at, &backups->keys, err);
	if (rv == CKR_OK)
		rv = copy_as(vault, at.tx, path, &backups->fd, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

static CK_RV digest_file(int fd, uint64_t *bytes, uint8_t sha256[SR_SHA256_LEN], struct sr_error *err)
{
	uint8_t piece[READ_AT_ONCE];
	struct sr_sha256 sum;
	ssize_t got;
	*bytes = 0;
	sr_sha256_begin(&sum);
	while ((got = pread(fd, piece, sizeof(piece), (off_t)*bytes)) > 0) {
		sr_sha256_add(&sum, piece, (size_t)got);
		*bytes += (uint64_t)got;
	}
	int number = errno;
	if (!sr_sha256_end(&sum, sha256))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a backup");
	return got == 0 ? CKR_OK : fail_file(err, "cannot be read", number);
}

/* -- the HSM's token --------------------------------------------------------------------------------------------- */

static CK_RV check_passphrase(const struct sr_vault *vault, const struct sr_attr *pass, struct sr_error *err)
{
	if (!pass)
		return CKR_OK;
	if (!vault->softhsm_conf)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"no backup: the HSM is no SoftHSM token of this vault's own, so it cannot be taken along; back "
			"it "
			"up with its own tool");
	struct sr_error why = SR_ERROR_INIT;
	if (sr_member_passphrase_ok(pass->value, pass->len, &why) == CKR_OK)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, why.reason, "no backup: recovery %s", why.text);
}

static CK_RV close_box(struct sr_vault *vault, const struct sr_attr *pass, struct sr_buf *box,
	struct sr_backup_header *header, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT, aad = SR_BUF_INIT;
	CK_RV rv = sr_hsm_pack_softhsm(vault->softhsm_conf, vault->hsm_uri, &packed, err);
	sr_backup_box_aad(vault->id, &aad);
	struct sr_box with = { pass->value, pass->len, aad.data, aad.len };
	if (rv == CKR_OK && packed.len > SR_BACKUP_HSM_MAX - SR_BOX_OVERHEAD)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_TOO_LARGE,
			"no backup: the SoftHSM token is larger than %u MiB", SR_BACKUP_HSM_MAX >> 20);
	if (rv == CKR_OK && (aad.failed || !sr_box_close(&with, packed.data, packed.len, box) ||
				    !sr_sha256(box->data, box->len, header->box_sha256)))
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the SoftHSM token");
	header->box_bytes = box->len;
	sr_buf_clear(&packed);
	sr_buf_clear(&aad);
	return rv;
}

/* -- making ------------------------------------------------------------------------------------------------------ */

static CK_RV fill_header(struct sr_vault *vault, struct sr_backup_header *header, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	struct sr_now now;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	sr_clock_now(&now);
	header->created_ms = now.wall_ms;
	snprintf(header->vault_id, sizeof(header->vault_id), "%s", vault->id);
	snprintf(header->vault_name, sizeof(header->vault_name), "%s", vault->name);
	snprintf(header->chain_id, sizeof(header->chain_id), "%s", at.chain_id);
	rv = vault->store->ops->meta_get(at.tx, SR_EPOCH_META, &text, err);
	if (rv == CKR_OK && text.len > 0)
		sr_text_u64((const char *)text.data, text.len, SR_EPOCH_MAX, &header->head.epoch);
	sr_writer_look_end(vault->writer, &at);
	sr_buf_clear(&text);
	return rv;
}

/* With the lock held. */
static CK_RV make(struct sr_vault *vault, const struct sr_attr *pass, struct sr_backups *backups,
	struct sr_backup_header *header, struct sr_error *err)
{
	char path[PATH_MAX];
	drop(backups);
	CK_RV rv = sr_random_text(vault, TICKET_BYTES, backups->ticket, err);
	if (rv != CKR_OK)
		return rv;
	if ((size_t)snprintf(path, sizeof(path), "%s/" PREFIX "%s" SUFFIX, vault->dir, backups->ticket) >= sizeof(path))
		return fail_file(err, "has too long a path", ENAMETOOLONG);
	if ((rv = copy_now(vault, path, backups, &header->head, err)) == CKR_OK &&
		(rv = digest_file(backups->fd, &header->bytes, header->sha256, err)) == CKR_OK &&
		(rv = fill_header(vault, header, err)) == CKR_OK && pass)
		rv = close_box(vault, pass, &backups->box, header, err);
	header->seal_generation = backups->seal_generation;
	header->generation = backups->keys.newest;
	if (rv == CKR_OK)
		rv = sr_backup_header_sign(vault->hsm, header, &backups->head, err);
	backups->bytes = header->bytes;
	return rv;
}

/* -- what it does not hold --------------------------------------------------------------------------------------- */

struct resident {
	json_t *paths;
	json_int_t count;
};

static bool list_resident(const struct sr_key_row *row, void *ctx)
{
	struct resident *resident = ctx;
	if (row->state != SR_KEY_ACTIVE || row->custody != SR_CUSTODY_RESIDENT)
		return true;
	if (resident->count++ < LISTED_MAX)
		json_array_append_new(resident->paths, json_string(row->path));
	return true;
}

static CK_RV count_resident(struct sr_vault *vault, struct resident *resident, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = vault->store->ops->key_list(at.tx, "", SR_PART_COUNT, list_resident, resident, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

/* -- the jobs ---------------------------------------------------------------------------------------------------- */

static uint64_t size_of(const struct sr_backups *backups)
{
	return backups->head.len + backups->bytes + backups->box.len;
}

static CK_RV describe(struct sr_vault *vault, const struct sr_backups *backups, const struct sr_backup_header *header,
	char **result, struct sr_error *err)
{
	struct resident resident = { json_array(), 0 };
	char head[2 * SR_HASH_LEN + 1], created[SR_TIME_TEXT];
	CK_RV rv = count_resident(vault, &resident, err);
	if (rv != CKR_OK) {
		json_decref(resident.paths);
		return rv;
	}
	sr_text_hex(header->head.hash, sizeof(header->head.hash), head);
	sr_text_time(header->created_ms, created);
	return sr_report_text(
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:i, s:b, s:{s:I, s:o, s:s, s:s, s:b}}", "ticket",
			backups->ticket, "size", (json_int_t)size_of(backups), "epoch", (json_int_t)header->head.epoch,
			"sequence", (json_int_t)header->head.seq, "head", head, "created_at", created, "generation",
			(int)header->generation, "with_hsm", (int)(header->box_bytes > 0), "not_held", "resident_keys",
			resident.count, "resident_paths", resident.paths, "hsm_token", header->token, "hsm_serial",
			header->serial, "hsm", (int)(header->box_bytes == 0)),
		result, err);
}

static void note(struct sr_event *event, const struct sr_backup_header *header)
{
	char head[2 * SR_HASH_LEN + 1], sha256[2 * SR_SHA256_LEN + 1];
	sr_text_hex(header->head.hash, sizeof(header->head.hash), head);
	sr_text_hex(header->sha256, sizeof(header->sha256), sha256);
	snprintf(event->metadata, sizeof(event->metadata),
		"{\"epoch\":%llu,\"sequence\":%llu,\"head\":\"%s\",\"bytes\":%llu,\"sha256\":\"%s\",\"generation\":%u,"
		"\"with_hsm\":%s}",
		(unsigned long long)header->head.epoch, (unsigned long long)header->head.seq, head,
		(unsigned long long)header->bytes, sha256, header->generation, header->box_bytes ? "true" : "false");
}

/* Which generations of the keys it needs, so that none of them is retired unawares. */
static CK_RV note_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_backups *backups = act->arg;
	struct sr_vault *vault = act->caller->vault;
	CK_RV rv = sr_seal_note_backup(vault, at, &backups->counts, backups->seal_generation, err);
	return rv == CKR_OK ? sr_keys_note_backup(vault, at, &backups->keys, err) : rv;
}

static CK_RV may_back_up(const struct sr_caller *caller, struct sr_error *err)
{
	return sr_need_duty(caller, SR_DUTY_HSM, CKR_TOKEN_WRITE_PROTECTED, "back the vault up", err);
}

static CK_RV busy(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_VAULT_BUSY,
		"no backup: another one is being made or read; try again when it is over");
}

/* With the lock held: the caller's own from before, or one that nobody reads any more, makes room. */
static bool in_use(const struct sr_backups *backups, const struct sr_caller *caller)
{
	return backups->fd >= 0 && strcmp(backups->owner, sr_who_owner(caller->identity)) != 0 &&
	       sr_clock_boot_ms() - backups->used_ms < IDLE_MS;
}

static CK_RV make_recorded(const struct sr_caller *caller, const struct sr_attr *pass, struct sr_backups *backups,
	char **result, struct sr_error *err)
{
	struct sr_backup_header header = { .bytes = 0 };
	struct sr_act act;
	bool made = false;
	sr_act_begin(&act, caller, SR_EVENT_VAULT_BACKED_UP, NULL);
	CK_RV rv = may_back_up(caller, err);
	if (rv == CKR_OK)
		rv = in_use(backups, caller) ? busy(err) : check_passphrase(caller->vault, pass, err);
	if (rv == CKR_OK) {
		made = true;
		rv = make(caller->vault, pass, backups, &header, err);
	}
	if (rv == CKR_OK) {
		note(&act.event, &header);
		rv = describe(caller->vault, backups, &header, result, err);
	}
	act.run = note_run;
	act.arg = backups;
	rv = sr_act_record(&act, rv, err);
	if (rv != CKR_OK && made)
		drop(backups);
	if (rv == CKR_OK) {
		snprintf(backups->owner, sizeof(backups->owner), "%s", sr_who_owner(caller->identity));
		backups->used_ms = sr_clock_boot_ms();
	}
	sr_backup_header_clear(&header);
	return rv;
}

CK_RV sr_backup_begin(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct sr_backups *backups = caller->vault->backups;
	struct sr_act act;
	(void)held;
	if (pthread_mutex_trylock(&backups->lock) != 0) {
		sr_act_begin(&act, caller, SR_EVENT_VAULT_BACKED_UP, NULL);
		CK_RV rv = may_back_up(caller, err);
		return sr_act_record(&act, rv == CKR_OK ? busy(err) : rv, err);
	}
	CK_RV rv = make_recorded(caller, sr_attrs_find(template, CKA_VALUE), backups, result, err);
	pthread_mutex_unlock(&backups->lock);
	return rv;
}

/* With the lock held. */
static CK_RV check_ticket(const struct sr_caller *caller, const struct sr_attrs *template,
	const struct sr_backups *backups, struct sr_error *err)
{
	const struct sr_attr *id = sr_attrs_find(template, CKA_SR_ID);
	size_t len = strlen(backups->ticket);
	CK_RV rv = may_back_up(caller, err);
	if (rv != CKR_OK)
		return rv;
	bool own = backups->fd >= 0 && id && len > 0 && id->len == len && sr_equal(id->value, backups->ticket, len) &&
		   strcmp(backups->owner, sr_who_owner(caller->identity)) == 0;
	return own ? CKR_OK
		   : sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND,
			     "there is no such backup (any more); begin another one");
}

/* The file is head, database and box in one. */
static CK_RV read_at(const struct sr_backups *backups, uint64_t offset, uint8_t *to, size_t *len, struct sr_error *err)
{
	uint64_t box_at = backups->head.len + backups->bytes;
	const struct sr_buf *part = offset < backups->head.len ? &backups->head : &backups->box;
	uint64_t at = offset < backups->head.len ? offset : offset - box_at;
	if (offset >= backups->head.len && offset < box_at) {
		uint64_t left = box_at - offset;
		size_t want = left < *len ? (size_t)left : *len;
		ssize_t got = pread(backups->fd, to, want, (off_t)(offset - backups->head.len));
		*len = got > 0 ? (size_t)got : 0;
		return got > 0 ? CKR_OK : fail_file(err, "cannot be read", got < 0 ? errno : EIO);
	}
	*len = part->len - at < *len ? part->len - (size_t)at : *len;
	memcpy(to, part->data + at, *len);
	return CKR_OK;
}

static CK_RV read_piece(
	struct sr_backups *backups, const struct sr_attrs *template, struct sr_attrs *held, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_OFFSET);
	uint8_t piece[SR_BACKUP_PIECE];
	size_t len = sizeof(piece);
	uint64_t offset;
	if (!attr || !sr_text_u64((const char *)attr->value, attr->len, INT64_MAX, &offset) ||
		offset >= size_of(backups))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER,
			"no piece of the backup: its offset must be a number below the size");
	CK_RV rv = read_at(backups, offset, piece, &len, err);
	if (rv == CKR_OK)
		sr_attrs_put(held, CKA_VALUE, piece, len);
	backups->used_ms = sr_clock_boot_ms();
	return rv;
}

CK_RV sr_backup_piece(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct sr_backups *backups = caller->vault->backups;
	pthread_mutex_lock(&backups->lock);
	CK_RV rv = check_ticket(caller, template, backups, err);
	if (rv == CKR_OK)
		rv = read_piece(backups, template, held, err);
	pthread_mutex_unlock(&backups->lock);
	return rv == CKR_OK ? sr_report_text(json_pack("{s:s}", "kind", "backup-piece"), result, err) : rv;
}

CK_RV sr_backup_end(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct sr_backups *backups = caller->vault->backups;
	(void)held;
	pthread_mutex_lock(&backups->lock);
	CK_RV rv = check_ticket(caller, template, backups, err);
	if (rv == CKR_OK)
		drop(backups);
	pthread_mutex_unlock(&backups->lock);
	return rv == CKR_OK ? sr_report_text(json_pack("{s:s}", "kind", "backup-end"), result, err) : rv;
}
