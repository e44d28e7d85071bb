/* A vault from a backup: into a new directory, beside the HSM that the backup belongs to, in a new epoch. All of it, or
 * nothing. */
#include "vault/backup.h"

#include "hsm/key.h"
#include "hsm/seals.h"
#include "util/box.h"
#include "util/text.h"
#include "vault/epoch.h"
#include "vault/lock.h"
#include "vault/newdir.h"
#include "vault/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_LEN (sizeof(SR_BACKUP_MAGIC) - 1 + 4)
#define COPY_AT_ONCE (64u << 10)

/** struct restoring: a vault in the making. TEXT is the header as it was signed. */
struct restoring {
	const struct sr_restore_plan *plan;
	const struct sr_config *current;
	struct sr_newdir dir;
	int fd;
	char text[SR_BACKUP_HEADER_MAX + 1];
	size_t text_len;
	uint8_t signature[SR_HSM_SIGNATURE_LEN];
	struct sr_backup_header header;
	struct sr_buf uri, softhsm_conf;
	struct sr_config config;
	struct sr_vault *vault;
	struct sr_peer peer;
	struct sr_caller caller;
	struct sr_epoch epoch;
	json_t *missing; /* resident keys that the HSM does not have */
};

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to restore a vault");
}

/* -- the file ---------------------------------------------------------------------------------------------------- */

static CK_RV bad_file(const struct restoring *restoring, const char *why, struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "vault not restored: %.120s: %s",
		restoring->plan->file, why);
}

static CK_RV no_file(const struct restoring *restoring, int number, struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "vault not restored: %.120s: %s",
		restoring->plan->file, strerror(number));
}

static bool read_exactly(int fd, void *to, size_t len)
{
	uint8_t *at = to;
	while (len > 0) {
		ssize_t got = read(fd, at, len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		len -= (size_t)got;
	}
	return true;
}

static CK_RV read_head(struct restoring *restoring, struct sr_error *err)
{
	uint8_t head[HEAD_LEN];
	if (!read_exactly(restoring->fd, head, sizeof(head)) ||
		memcmp(head, SR_BACKUP_MAGIC, sizeof(SR_BACKUP_MAGIC) - 1) != 0)
		return bad_file(restoring, "it is not a Strongroom backup", err);
	for (size_t i = sizeof(head) - 4; i < sizeof(head); i++)
		restoring->text_len = restoring->text_len << 8 | head[i];
	if (restoring->text_len == 0 || restoring->text_len > SR_BACKUP_HEADER_MAX ||
		!read_exactly(restoring->fd, restoring->text, restoring->text_len) ||
		!read_exactly(restoring->fd, restoring->signature, sizeof(restoring->signature)))
		return bad_file(restoring, "it was cut off, or its header was changed", err);
	return sr_backup_header_parse(restoring->text, restoring->text_len, &restoring->header, err);
}

static CK_RV open_file(struct restoring *restoring, struct sr_error *err)
{
	struct stat st;
	restoring->fd = open(restoring->plan->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (restoring->fd < 0 || fstat(restoring->fd, &st) != 0)
		return no_file(restoring, errno, err);
	if (!S_ISREG(st.st_mode))
		return bad_file(restoring, "it is not a file", err);
	CK_RV rv = read_head(restoring, err);
	if (rv != CKR_OK)
		return rv;
	uint64_t want = HEAD_LEN + restoring->text_len + sizeof(restoring->signature) + restoring->header.bytes +
			restoring->header.box_bytes;
	if ((uint64_t)st.st_size < want)
		return bad_file(restoring, "it was cut off", err);
	return (uint64_t)st.st_size == want ? CKR_OK
					    : bad_file(restoring, "there is more in it than there should be", err);
}

/* -- the HSM ----------------------------------------------------------------------------------------------------- */

static CK_RV open_box(struct restoring *restoring, const struct sr_buf *sealed, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT, aad = SR_BUF_INIT;
	sr_backup_box_aad(restoring->header.vault_id, &aad);
	struct sr_box box = { restoring->plan->passphrase, restoring->plan->passphrase_len, aad.data, aad.len };
	CK_RV rv = CKR_OK;
	if (aad.failed || !sr_box_open(&box, sealed->data, sealed->len, &packed))
		rv = sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE,
			"vault not restored: the recovery passphrase does not open the HSM token in the backup, or the "
			"token was changed");
	if (rv == CKR_OK)
		rv = sr_hsm_unpack_softhsm(
			packed.data, packed.len, restoring->dir.path, &restoring->uri, &restoring->softhsm_conf, err);
	sr_buf_clear(&packed);
	sr_buf_clear(&aad);
	return rv;
}

static CK_RV unpack_token(struct restoring *restoring, struct sr_error *err)
{
	struct sr_buf sealed = SR_BUF_INIT;
	size_t len = (size_t)restoring->header.box_bytes;
	uint8_t sha256[SR_SHA256_LEN];
	off_t at = (off_t)(HEAD_LEN + restoring->text_len + sizeof(restoring->signature) + restoring->header.bytes);
	if (len == 0)
		return bad_file(restoring, "no HSM token was taken along; leave the recovery passphrase out", err);
	uint8_t *to = sr_buf_reserve(&sealed, len);
	CK_RV rv = to ? CKR_OK : no_memory(err);
	if (rv == CKR_OK && pread(restoring->fd, to, len, at) != (ssize_t)len)
		rv = no_file(restoring, errno, err);
	sealed.len = rv == CKR_OK ? len : 0;
	if (rv == CKR_OK && (!sr_sha256(sealed.data, sealed.len, sha256) ||
				    memcmp(sha256, restoring->header.box_sha256, sizeof(sha256)) != 0))
		rv = bad_file(restoring, "the HSM token in it was changed", err);
	if (rv == CKR_OK)
		rv = open_box(restoring, &sealed, err);
	sr_buf_clear(&sealed);
	return rv;
}

/* The one that was taken along, the one that is named, or the one that is configured. */
static CK_RV choose_hsm(struct restoring *restoring, struct sr_error *err)
{
	const struct sr_restore_plan *plan = restoring->plan;
	const struct sr_config *current = restoring->current;
	if (plan->passphrase)
		return unpack_token(restoring, err);
	if (!plan->hsm_uri && !current->hsm_uri)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"vault not restored: no HSM is named; %s",
			restoring->header.box_bytes
				? "the backup has one, which the recovery passphrase opens"
				: "name the one that the backup was made with: --hsm URI, or the old configuration");
	sr_buf_text(&restoring->uri, plan->hsm_uri ? plan->hsm_uri : current->hsm_uri);
	if (!plan->hsm_uri && current->softhsm_conf)
		sr_buf_text(&restoring->softhsm_conf, current->softhsm_conf);
	return restoring->uri.failed || restoring->softhsm_conf.failed ? no_memory(err) : CKR_OK;
}

static CK_RV open_hsm(struct restoring *restoring, struct sr_error *err)
{
	struct sr_config *config = &restoring->config;
	const struct sr_backup_header *header = &restoring->header;
	CK_RV rv = choose_hsm(restoring, err);
	if (rv != CKR_OK)
		return rv;
	config->dir = strdup(restoring->dir.path);
	config->hsm_uri = strdup(sr_buf_string(&restoring->uri));
	config->softhsm_conf = restoring->softhsm_conf.len ? strdup(sr_buf_string(&restoring->softhsm_conf)) : NULL;
	config->private_file = true;
	config->prompt = restoring->current->prompt;
	struct sr_vault *vault = restoring->vault =
		config->dir && config->hsm_uri && !config->softhsm_conf == !restoring->softhsm_conf.len
			? sr_vault_new(config)
			: NULL;
	if (!vault)
		return no_memory(err);
	snprintf(vault->id, sizeof(vault->id), "%s", header->vault_id);
	snprintf(vault->name, sizeof(vault->name), "%s", header->vault_name);
	struct sr_hsm_config hsm = { .uri = config->hsm_uri,
		.softhsm_conf = config->softhsm_conf,
		.pin_value_ok = true,
		.prompt = config->prompt };
	rv = sr_hsm_open(&hsm, &vault->hsm, err);
	if (rv == CKR_OK)
		sr_hsm_seal_from(vault->hsm, sr_hsm_sealed_generation(header->seal.data, header->seal.len));
	if (rv == CKR_OK && (rv = sr_hsm_load_keys(vault->hsm, vault->id, header->generation, err)) == CKR_OK)
		rv = sr_backup_header_verify(
			vault->hsm, restoring->text, restoring->text_len, restoring->signature, header, err);
	return rv;
}

/* -- the database ------------------------------------------------------------------------------------------------ */

static CK_RV copy_bytes(struct restoring *restoring, int to, struct sr_error *err)
{
	uint8_t piece[COPY_AT_ONCE], sha256[SR_SHA256_LEN];
	struct sr_sha256 sum;
	CK_RV rv = CKR_OK;
	sr_sha256_begin(&sum);
	for (uint64_t left = restoring->header.bytes; rv == CKR_OK && left > 0;) {
		size_t len = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		if (!read_exactly(restoring->fd, piece, len))
			rv = bad_file(restoring, "it was cut off", err);
		else if (write(to, piece, len) != (ssize_t)len)
			rv = sr_newdir_fail(
				&restoring->dir, restoring->dir.path, strerror(errno ? errno : ENOSPC), err);
		sr_sha256_add(&sum, piece, len);
		left -= len;
	}
	bool done = sr_sha256_end(&sum, sha256);
	if (rv == CKR_OK && !done)
		rv = no_memory(err);
	if (rv == CKR_OK && memcmp(sha256, restoring->header.sha256, sizeof(sha256)) != 0)
		rv = bad_file(
			restoring, "its contents were changed: they are not those that its header was signed for", err);
	return rv;
}

static CK_RV copy_database(struct restoring *restoring, struct sr_error *err)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/vault.db", restoring->dir.path);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return sr_newdir_fail(&restoring->dir, path, strerror(errno), err);
	CK_RV rv = copy_bytes(restoring, to, err);
	bool synced = fsync(to) == 0;
	if ((close(to) != 0 || !synced) && rv == CKR_OK)
		rv = sr_newdir_fail(&restoring->dir, path, strerror(errno), err);
	return rv;
}

static CK_RV check_name(
	struct restoring *restoring, struct sr_tx *tx, const char *name, const char *expected, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	CK_RV rv = restoring->vault->store->ops->meta_get(tx, name, &text, err);
	if (rv == CKR_OK && strcmp(sr_buf_string(&text), expected) != 0)
		rv = bad_file(restoring, "its database is another vault's than its header says", err);
	sr_buf_clear(&text);
	return rv;
}

static CK_RV open_store(struct restoring *restoring, struct sr_error *err)
{
	struct sr_vault *vault = restoring->vault;
	struct sr_tx *tx;
	CK_RV rv = sr_vault_lock(vault->dir, false, &vault->lock_fd, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_open(vault->dir, &vault->store, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->begin_read(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	if ((rv = check_name(restoring, tx, "vault-id", restoring->header.vault_id, err)) == CKR_OK &&
		(rv = check_name(restoring, tx, "vault-name", restoring->header.vault_name, err)) == CKR_OK &&
		(rv = check_name(restoring, tx, "chain-id", restoring->header.chain_id, err)) == CKR_OK)
		rv = check_name(restoring, tx, "ready", "1", err);
	vault->store->ops->rollback(tx);
	return rv;
}

/* -- the new epoch ----------------------------------------------------------------------------------------------- */

static struct sr_writer_config writer_config(const struct sr_vault *vault)
{
	return (struct sr_writer_config){
		.store = vault->store, .hsm = vault->hsm, .vault_id = vault->id, .heads_path = vault->heads
	};
}

static CK_RV open_audit(struct restoring *restoring, struct sr_error *err)
{
	struct sr_writer_config config = writer_config(restoring->vault);
	CK_RV rv = sr_writer_restore_chain(&config, &restoring->header.head, &restoring->epoch.restored, err);
	return rv == CKR_OK ? sr_writer_open(&config, &restoring->vault->writer, err) : rv;
}

/* -- what the HSM lacks ------------------------------------------------------------------------------------------ */

static bool meet_key(const struct sr_key_row *row, void *ctx)
{
	struct sr_buf *keys = ctx;
	if (row->state != SR_KEY_ACTIVE || row->custody != SR_CUSTODY_RESIDENT)
		return true;
	sr_buf_append(keys, sr_part_base(row->part) == SR_PART_SECRET ? "s" : "p", 1);
	sr_buf_append(keys, row->uid, strlen(row->uid) + 1);
	sr_buf_append(keys, row->path, strlen(row->path) + 1);
	return true;
}

static CK_RV check_key(struct restoring *restoring, const char *uid, const char *path, struct sr_error *err)
{
	CK_OBJECT_CLASS object_class = uid[-1] == 's' ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
	struct sr_hsm_key *key = sr_hsm_key_resident(uid, 0, object_class);
	bool exists = false;
	CK_RV rv = key ? sr_hsm_key_exists(restoring->vault->hsm, key, &exists, err) : no_memory(err);
	sr_hsm_key_unref(key);
	if (rv == CKR_OK && !exists)
		json_array_append_new(restoring->missing, json_string(path));
	return rv;
}

/* A key that was deleted since the backup is gone from the HSM; its row is back. */
static CK_RV find_missing(struct restoring *restoring, struct sr_error *err)
{
	struct sr_vault *vault = restoring->vault;
	struct sr_moment at;
	struct sr_buf keys = SR_BUF_INIT;
	restoring->missing = json_array();
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = vault->store->ops->key_list(at.tx, "", SR_PART_COUNT, meet_key, &keys, err);
	sr_writer_look_end(vault->writer, &at);
	if (rv == CKR_OK && keys.failed)
		rv = no_memory(err);
	for (size_t i = 0; rv == CKR_OK && i < keys.len;) {
		const char *uid = (char *)keys.data + i + 1, *path = uid + strlen(uid) + 1;
		rv = check_key(restoring, uid, path, err);
		i = (size_t)(path + strlen(path) + 1 - (char *)keys.data);
	}
	sr_buf_clear(&keys);
	return rv;
}

/* -- all of it --------------------------------------------------------------------------------------------------- */

static CK_RV check_plan(const struct sr_restore_plan *plan, struct sr_error *err)
{
	if (!plan->file || !plan->file[0] || !plan->dir || !plan->dir[0])
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE,
			"vault not restored: no backup or no directory was named");
	if (plan->passphrase && plan->hsm_uri)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE,
			"vault not restored: name an HSM, or give the recovery passphrase of the one in the backup");
	return CKR_OK;
}

static json_t *head_json(const struct sr_head *head)
{
	char hash[2 * SR_HASH_LEN + 1];
	sr_text_hex(head->hash, sizeof(head->hash), hash);
	return json_pack(
		"{s:I, s:I, s:s}", "epoch", (json_int_t)head->epoch, "sequence", (json_int_t)head->seq, "head", hash);
}

static CK_RV describe(struct restoring *restoring, char **result, struct sr_error *err)
{
	const struct sr_restored *restored = &restoring->epoch.restored;
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/strongroom.conf", restoring->dir.path);
	return sr_report_text(
		json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:I, s:I, s:O}", "vault_id", restoring->vault->id, "name",
			restoring->vault->name, "config", path, "epoch", (json_int_t)restored->epoch, "backup",
			head_json(&restored->was), "hsm", restored->found ? head_json(&restored->known) : json_null(),
			"approvals_canceled", (json_int_t)restoring->epoch.approvals, "agents_suspended",
			(json_int_t)restoring->epoch.agents, "missing_keys", restoring->missing),
		result, err);
}

static CK_RV make(struct restoring *restoring, char **result, struct sr_error *err)
{
	CK_RV rv;
	if ((rv = open_hsm(restoring, err)) == CKR_OK && (rv = copy_database(restoring, err)) == CKR_OK &&
		(rv = open_store(restoring, err)) == CKR_OK && (rv = open_audit(restoring, err)) == CKR_OK) {
		restoring->caller.vault = restoring->vault;
		rv = sr_epoch_record(&restoring->epoch, err);
	}
	if (rv == CKR_OK && (rv = sr_epoch_end_grants(&restoring->epoch, err)) == CKR_OK &&
		(rv = find_missing(restoring, err)) == CKR_OK &&
		(rv = sr_writer_seal(restoring->vault->writer, err)) == CKR_OK &&
		(rv = describe(restoring, result, err)) == CKR_OK)
		rv = sr_newdir_config(&restoring->dir, restoring->vault->name, restoring->config.hsm_uri,
			restoring->config.softhsm_conf, err);
	return rv;
}

/* The writer first: it would leave an anchor behind. */
static void undo(struct restoring *restoring)
{
	struct sr_vault *vault = restoring->vault;
	if (vault && vault->store) {
		struct sr_writer_config config = writer_config(vault);
		sr_writer_close(vault->writer);
		vault->writer = NULL;
		sr_writer_restore_undo(&config, &restoring->epoch.restored);
	}
	sr_vault_close(vault);
	sr_newdir_remove(&restoring->dir);
}

static void clear(struct restoring *restoring)
{
	if (restoring->fd >= 0)
		close(restoring->fd);
	sr_backup_header_clear(&restoring->header);
	sr_buf_clear(&restoring->uri);
	sr_buf_clear(&restoring->softhsm_conf);
	sr_config_clear(&restoring->config);
	json_decref(restoring->missing);
	free(restoring);
}

static CK_RV run(struct restoring *restoring, char **result, struct sr_error *err)
{
	CK_RV rv = check_plan(restoring->plan, err);
	if (rv == CKR_OK)
		rv = open_file(restoring, err);
	if (rv == CKR_OK)
		rv = sr_newdir_make(&restoring->dir, restoring->plan->dir, err);
	if (rv != CKR_OK)
		return rv;
	rv = make(restoring, result, err);
	if (rv == CKR_OK)
		sr_vault_close(restoring->vault);
	else
		undo(restoring);
	return rv;
}

CK_RV sr_vault_restore(
	const struct sr_restore_plan *plan, const struct sr_config *current, char **result, struct sr_error *err)
{
	struct restoring *restoring = calloc(1, sizeof(*restoring));
	*result = NULL;
	if (!restoring)
		return no_memory(err);
	restoring->plan = plan;
	restoring->current = current;
	restoring->fd = -1;
	restoring->dir.what = "vault not restored";
	restoring->peer =
		(struct sr_peer){ .kind = SR_PEER_EMBEDDED, .loopback = true, .uid = geteuid(), .pid = getpid() };
	restoring->caller = (struct sr_caller){ NULL, &restoring->peer, "restore", NULL };
	restoring->epoch = (struct sr_epoch){ .caller = &restoring->caller,
		.kind = SR_EVENT_VAULT_RESTORED,
		.was = "backup",
		.decision = "the vault was restored from a backup" };
	CK_RV rv = run(restoring, result, err);
	if (rv != CKR_OK) {
		free(*result);
		*result = NULL;
	}
	clear(restoring);
	return rv;
}
