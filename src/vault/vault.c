/* Opening and closing a vault, stage by stage. */
#include "vault/core.h"

#include "hsm/seals.h"
#include "util/clock.h"
#include "util/crypto.h"
#include "vault/absence.h"
#include "vault/backup.h"
#include "vault/denied.h"
#include "vault/lock.h"
#include "vault/refused.h"
#include "vault/rekey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- the stages -------------------------------------------------------------------------------------------------- */

static CK_RV enter_directory(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	vault->exclusive = config->exclusive;
	return sr_vault_lock(vault->dir, config->exclusive, &vault->lock_fd, err);
}

static CK_RV enter_store(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	(void)config;
	CK_RV rv = sr_crypto_usable(err);
	sr_backups_sweep(vault->dir);
	return rv == CKR_OK ? sr_sqlite_open(vault->dir, &vault->store, err) : rv;
}

static CK_RV read_meta(
	struct sr_vault *vault, struct sr_tx *tx, const char *name, char *out, size_t cap, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	CK_RV rv = vault->store->ops->meta_get(tx, name, &text, err);
	if (rv == CKR_OK && (text.len == 0 || text.len >= cap))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE,
			"%s: the vault is half-initialised (no %s): init did not finish; remove the directory and run "
			"init again",
			vault->dir, name);
	if (rv == CKR_OK)
		snprintf(out, cap, "%s", sr_buf_string(&text));
	sr_buf_clear(&text);
	return rv;
}

/* "ready" is what init writes last. */
static CK_RV enter_identity(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	struct sr_tx *tx;
	char ready[8];
	(void)config;
	CK_RV rv = vault->store->ops->begin_read(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	if ((rv = read_meta(vault, tx, "vault-id", vault->id, sizeof(vault->id), err)) == CKR_OK &&
		(rv = read_meta(vault, tx, "vault-name", vault->name, sizeof(vault->name), err)) == CKR_OK)
		rv = read_meta(vault, tx, "ready", ready, sizeof(ready), err);
	vault->store->ops->rollback(tx);
	return rv;
}

static CK_RV enter_hsm(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	struct sr_hsm_config hsm = { .uri = config->hsm_uri,
		.softhsm_conf = config->softhsm_conf,
		.pin_value_ok = config->private_file,
		.prompt = config->prompt };
	if (!hsm.uri)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"%s: it has no [hsm] uri =; name the HSM's token there",
			config->file ? config->file : "configuration");
	return sr_hsm_open(&hsm, &vault->hsm, err);
}

static CK_RV enter_keys(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	unsigned keys, seal;
	(void)config;
	CK_RV rv = sr_generations_opening(vault, &keys, &seal, err);
	if (rv != CKR_OK)
		return rv;
	sr_hsm_seal_from(vault->hsm, seal);
	return sr_hsm_load_keys(vault->hsm, vault->id, keys, err);
}

static CK_RV enter_audit(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err)
{
	struct sr_writer_config writer = { .store = vault->store,
		.hsm = vault->hsm,
		.vault_id = vault->id,
		.heads_path = vault->heads,
		.lazy = config->audit_sync_lazy,
		.alone = vault->exclusive,
		.sinks = { .dir = vault->dir,
			.file = config->sink_file,
			.syslog = config->syslog.kind,
			.path = config->syslog.path,
			.host = config->syslog.host,
			.port = config->syslog.port } };
	return sr_writer_open(&writer, &vault->writer, err);
}

const struct sr_stage sr_stages[] = {
	{ "directory", enter_directory },
	{ "store", enter_store },
	{ "vault", enter_identity },
	{ "hsm", enter_hsm },
	{ "hsm keys", enter_keys },
	{ "audit", enter_audit },
};
const size_t sr_stage_count = sizeof(sr_stages) / sizeof(*sr_stages);

/* -- the vault --------------------------------------------------------------------------------------------------- */

static char *heads_path(const struct sr_config *config)
{
	char *path = NULL;
	if (config->heads)
		return strdup(config->heads);
	return asprintf(&path, "%s/heads", config->dir) < 0 ? NULL : path;
}

struct sr_vault *sr_vault_new(const struct sr_config *config)
{
	struct sr_vault *vault = calloc(1, sizeof(*vault));
	struct sr_now now;
	if (!vault)
		return NULL;
	sr_clock_now(&now);
	vault->opened_ms = now.boot_ms;
	vault->lock_fd = -1;
	sem_init(&vault->stretching, 0, SR_STRETCHED_AT_ONCE);
	vault->dir = strdup(config->dir);
	vault->heads = heads_path(config);
	vault->seen = sr_seen_new();
	vault->slow = sr_slow_new();
	vault->refused = sr_refused_new();
	vault->denied = sr_denied_new();
	vault->backups = sr_backups_new();
	if (config->softhsm_conf && config->hsm_uri) {
		vault->hsm_uri = strdup(config->hsm_uri);
		vault->softhsm_conf = strdup(config->softhsm_conf);
	}
	vault->read_by_listing = config->read_by_listing;
	vault->custody_wrapped = config->custody_wrapped;
	vault->separation = config->separation;
	vault->grace_reads_old = config->grace_reads_old;
	vault->keep_versions_ms =
		config->keep_versions_s ? (int64_t)config->keep_versions_s * 1000 : SR_KEEP_VERSIONS_MS;
	vault->audit_keep_ms = (int64_t)config->audit_keep_s * 1000;
	vault->max_ttl_ms = config->max_ttl_s ? (int64_t)config->max_ttl_s * 1000 : SR_TOKEN_TTL_MAX_MS;
	vault->fresh_member_ms = config->fresh_member_s ? (int64_t)config->fresh_member_s * 1000 : SR_FRESH_MEMBER_MS;
	if (vault->dir && vault->heads && vault->seen && vault->slow && vault->refused && vault->denied &&
		vault->backups && !vault->hsm_uri == !vault->softhsm_conf)
		return vault;
	sr_vault_close(vault);
	return NULL;
}

CK_RV sr_vault_open(const struct sr_config *config, struct sr_vault **vault, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	*vault = sr_vault_new(config);
	if (!*vault)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to open the vault");
	for (size_t i = 0; rv == CKR_OK && i < sr_stage_count; i++)
		rv = sr_stages[i].enter(*vault, config, err);
	if (rv != CKR_OK) {
		sr_vault_close(*vault);
		*vault = NULL;
	}
	return rv;
}

static void free_memory(struct sr_vault *vault)
{
	sr_seen_free(vault->seen);
	sr_slow_free(vault->slow);
	sr_refused_free(vault->refused);
	sr_denied_free(vault->denied);
	sr_backups_free(vault->backups);
	sem_destroy(&vault->stretching);
	free(vault->dir);
	free(vault->hsm_uri);
	free(vault->softhsm_conf);
	free(vault->heads);
	free(vault);
}

/* Last, and the record of the socket first: another strongroomd may be in, and have its own, at once. */
static void leave_directory(struct sr_vault *vault)
{
	if (vault->exclusive && vault->lock_fd >= 0)
		sr_vault_remove_socket(vault->dir);
	sr_vault_unlock(vault->lock_fd);
}

void sr_vault_tend(struct sr_vault *vault)
{
	sr_writer_tend(vault->writer);
}

void sr_vault_close(struct sr_vault *vault)
{
	if (!vault)
		return;
	if (vault->writer) {
		sr_refused_flush(vault);
		sr_denied_flush(vault);
		sr_absence_record(vault);
		sr_writer_close(vault->writer);
	}
	sr_hsm_close(vault->hsm);
	if (vault->store)
		vault->store->ops->close(vault->store);
	leave_directory(vault);
	free_memory(vault);
}

void sr_vault_abandon(struct sr_vault *vault)
{
	if (!vault)
		return;
	sr_writer_abandon(vault->writer);
	sr_hsm_abandon(vault->hsm);
	vault->store->ops->abandon(vault->store);
	sr_vault_forget_lock(vault->lock_fd);
	free_memory(vault);
}

void sr_vault_set_host(struct sr_vault *vault, const struct sr_vault_host *host)
{
	vault->host = host;
}

void sr_vault_counts(const struct sr_vault *vault, struct sr_vault_counts *counts)
{
	struct sr_writer_counts audit;
	struct sr_hsm_counts hsm;
	sr_writer_counts(vault->writer, &audit);
	sr_hsm_counts(vault->hsm, &hsm);
	*counts = (struct sr_vault_counts){ audit.values, audit.keys, audit.denied, audit.error, audit.records,
		audit.commits, hsm.turns, hsm.failed, hsm.lost, hsm.busy };
}

const char *sr_vault_id(const struct sr_vault *vault)
{
	return vault->id;
}

const char *sr_vault_name(const struct sr_vault *vault)
{
	return vault->name;
}

bool sr_vault_read_by_listing(const struct sr_vault *vault)
{
	return vault->read_by_listing;
}

bool sr_vault_is_there(struct sr_vault *vault)
{
	struct sr_error ignored = SR_ERROR_INIT;
	return sr_hsm_look(vault->hsm, &ignored) == CKR_OK;
}

CK_RV sr_vault_random(struct sr_vault *vault, void *out, size_t len, struct sr_error *err)
{
	return sr_hsm_random(vault->hsm, out, len, err);
}

CK_RV sr_vault_seed(struct sr_vault *vault, const void *seed, size_t len, struct sr_error *err)
{
	return sr_hsm_seed(vault->hsm, seed, len, err);
}
