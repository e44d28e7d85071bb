/* Making a vault: all of it, or nothing. */
#include "util/text.h"
#include "vault/lock.h"
#include "vault/member.h"
#include "vault/newdir.h"
#include "vault/report.h"
#include "vault/token.h"
#include "vault/who.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define GENERATION 1

/** struct making: a vault in the making. KEYS: the HSM has our keys, so a failure has to take them
 * away. */
struct making {
	const struct sr_vault_plan *plan;
	const char *name, *admin;
	struct sr_newdir dir;
	bool keys;
	struct sr_buf uri, softhsm_conf;
	struct sr_config config;
	struct sr_vault *vault;
	char fingerprint[2 * SR_SHA256_LEN + 1];
};

/* -- the plan ---------------------------------------------------------------------------------------------------- */

static CK_RV check_plan(struct making *making, struct sr_error *err)
{
	const struct sr_vault_plan *plan = making->plan;
	making->name = plan->name ? plan->name : "strongroom";
	making->admin = plan->admin ? plan->admin : "admin";
	if (!plan->dir || !plan->dir[0])
		return sr_fail(
			err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE, "vault not made: no directory was named");
	if (!sr_name_valid(making->name, strlen(making->name)))
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE,
			"vault not made: its name must be 1 to 32 of a-z, 0-9, '.', '_' and '-'");
	if (!sr_name_valid(making->admin, strlen(making->admin)))
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE,
			"vault not made: the admin's name must be 1 to 32 of a-z, 0-9, '.', '_' and '-'");
	return sr_member_passphrase_ok(plan->passphrase, plan->passphrase_len, err);
}

/* -- the HSM ----------------------------------------------------------------------------------------------------- */

static CK_RV make_config(struct making *making, struct sr_error *err)
{
	struct sr_config *config = &making->config;
	CK_RV rv = CKR_OK;
	if (making->plan->hsm_uri)
		sr_buf_text(&making->uri, making->plan->hsm_uri);
	else
		rv = sr_hsm_make_softhsm(making->dir.path, making->name, &making->uri, &making->softhsm_conf, err);
	if (rv != CKR_OK)
		return rv;
	config->dir = strdup(making->dir.path);
	config->hsm_uri = strdup(sr_buf_string(&making->uri));
	config->softhsm_conf = making->softhsm_conf.len ? strdup(sr_buf_string(&making->softhsm_conf)) : NULL;
	config->private_file = true;
	return config->dir && config->hsm_uri
		       ? CKR_OK
		       : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a vault");
}

static CK_RV make_id(struct sr_vault *vault, struct sr_error *err)
{
	uint8_t random[8];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "vault not made: no randomness");
	sr_text_hex(random, sizeof(random), vault->id);
	return CKR_OK;
}

static CK_RV fingerprint(struct making *making, struct sr_error *err)
{
	struct sr_buf spki = SR_BUF_INIT;
	uint8_t hash[SR_SHA256_LEN];
	CK_RV rv = sr_hsm_audit_key(making->vault->hsm, &spki, err);
	if (rv == CKR_OK && !sr_sha256(spki.data, spki.len, hash))
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a vault");
	if (rv == CKR_OK)
		sr_text_hex(hash, sizeof(hash), making->fingerprint);
	sr_buf_clear(&spki);
	return rv;
}

static CK_RV make_keys(struct making *making, struct sr_error *err)
{
	struct sr_vault *vault = making->vault = sr_vault_new(&making->config);
	struct sr_hsm_config hsm = { .uri = making->config.hsm_uri,
		.softhsm_conf = making->config.softhsm_conf,
		.pin_value_ok = true,
		.prompt = making->config.prompt };
	CK_RV rv;
	if (!vault)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a vault");
	snprintf(vault->name, sizeof(vault->name), "%s", making->name);
	if ((rv = make_id(vault, err)) != CKR_OK || (rv = sr_hsm_open(&hsm, &vault->hsm, err)) != CKR_OK ||
		(rv = sr_hsm_create_keys(vault->hsm, vault->id, GENERATION, err)) != CKR_OK)
		return rv;
	making->keys = true;
	if ((rv = sr_hsm_load_keys(vault->hsm, vault->id, GENERATION, err)) != CKR_OK)
		return rv;
	return fingerprint(making, err);
}

/* -- the store and the chain ------------------------------------------------------------------------------------- */

static CK_RV put_meta(struct sr_vault *vault, const char *const (*pairs)[2], size_t count, struct sr_error *err)
{
	const struct sr_store_ops *ops = vault->store->ops;
	struct sr_tx *tx;
	CK_RV rv = ops->begin_write(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	for (size_t i = 0; rv == CKR_OK && i < count; i++)
		rv = ops->meta_put(tx, pairs[i][0], pairs[i][1], err);
	if (rv == CKR_OK)
		return ops->commit(tx, err);
	ops->rollback(tx);
	return rv;
}

static CK_RV make_store(struct making *making, struct sr_error *err)
{
	struct sr_vault *vault = making->vault;
	char chain_id[40];
	const char *const names[][2] = { { "vault-id", vault->id }, { "vault-name", vault->name } };
	CK_RV rv = sr_random_text(vault, 16, chain_id, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_create(vault->dir, err);
	if (rv == CKR_OK)
		rv = sr_vault_lock(vault->dir, false, &vault->lock_fd, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_open(vault->dir, &vault->store, err);
	if (rv == CKR_OK)
		rv = put_meta(vault, names, 2, err);
	struct sr_writer_config writer = {
		.store = vault->store, .hsm = vault->hsm, .vault_id = vault->id, .heads_path = vault->heads
	};
	if (rv == CKR_OK)
		rv = sr_writer_start_chain(&writer, chain_id, err);
	return rv == CKR_OK ? sr_writer_open(&writer, &vault->writer, err) : rv;
}

/* -- the first records ------------------------------------------------------------------------------------------- */

struct first_admin {
	struct sr_member_row row;
	struct sr_stretched kept;
};

static CK_RV add_admin(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct first_admin *admin = act->arg;
	admin->row.created_ms = at->now.wall_ms;
	CK_RV rv = sr_rows_put_member(act->caller->vault, at, &act->event, &admin->row, err);
	return rv == CKR_OK ? sr_stretched_put(act->caller->vault, at->tx, admin->row.name, &admin->kept, err) : rv;
}

static CK_RV record(
	const struct sr_caller *caller, enum sr_event_kind kind, struct first_admin *admin, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, kind, NULL);
	snprintf(act.event.actor_type, sizeof(act.event.actor_type), "system");
	act.run = admin ? add_admin : NULL;
	act.arg = admin;
	return sr_act_commit(&act, err);
}

static CK_RV make_records(struct making *making, struct sr_error *err)
{
	struct sr_vault *vault = making->vault;
	const struct sr_peer peer = { .kind = SR_PEER_EMBEDDED, .loopback = true, .uid = geteuid(), .pid = getpid() };
	const struct sr_caller caller = { vault, &peer, "init", NULL };
	struct first_admin admin = { .row = { .role = SR_ROLE_ADMIN, .active = true } };
	const char *const ready[][2] = { { "ready", "1" } };
	CK_RV rv;
	snprintf(admin.row.name, sizeof(admin.row.name), "%s", making->admin);
	if ((rv = sr_member_set_passphrase(vault, &admin.row, making->plan->passphrase, making->plan->passphrase_len,
		     &admin.kept, err)) == CKR_OK &&
		(rv = record(&caller, SR_EVENT_VAULT_CREATED, NULL, err)) == CKR_OK &&
		(rv = record(&caller, SR_EVENT_HSM_OPENED, NULL, err)) == CKR_OK &&
		(rv = record(&caller, SR_EVENT_MEMBER_ADDED, &admin, err)) == CKR_OK &&
		(rv = sr_writer_seal(vault->writer, err)) == CKR_OK)
		rv = put_meta(vault, ready, 1, err);
	sr_cleanse(&admin, sizeof(admin));
	return rv;
}

/* -- all of it --------------------------------------------------------------------------------------------------- */

static CK_RV describe(const struct making *making, char **result, struct sr_error *err)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/strongroom.conf", making->dir.path);
	return sr_report_text(json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "vault_id", making->vault->id, "name",
				      making->name, "admin", making->admin, "config", path, "audit_key_fingerprint",
				      making->fingerprint, "hsm_inside", making->softhsm_conf.len != 0),
		result, err);
}

static void undo(struct making *making)
{
	struct sr_vault *vault = making->vault;
	if (vault && vault->writer) {
		sr_writer_close(vault->writer); /* first: it would leave an anchor behind */
		vault->writer = NULL;
	}
	if (making->keys && making->plan->hsm_uri) {
		sr_hsm_anchor_destroy(vault->hsm, vault->id);
		sr_hsm_destroy_keys(vault->hsm, vault->id, GENERATION);
	}
	sr_vault_close(vault);
	making->vault = NULL;
	sr_newdir_remove(&making->dir);
}

CK_RV sr_vault_create(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err)
{
	struct making making = { .plan = plan, .dir = { .what = "vault not made" }, .config = { .prompt = prompt } };
	CK_RV rv;
	*result = NULL;
	if ((rv = check_plan(&making, err)) != CKR_OK || (rv = sr_newdir_make(&making.dir, plan->dir, err)) != CKR_OK)
		return rv;
	if ((rv = make_config(&making, err)) == CKR_OK && (rv = make_keys(&making, err)) == CKR_OK &&
		(rv = make_store(&making, err)) == CKR_OK && (rv = make_records(&making, err)) == CKR_OK &&
		(rv = sr_newdir_config(
			 &making.dir, making.name, making.config.hsm_uri, making.config.softhsm_conf, err)) == CKR_OK)
		rv = describe(&making, result, err);
	if (rv == CKR_OK)
		sr_vault_close(making.vault);
	else
		undo(&making);
	sr_buf_clear(&making.uri);
	sr_buf_clear(&making.softhsm_conf);
	sr_config_clear(&making.config);
	return rv;
}
