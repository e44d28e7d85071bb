/* A vault to another HSM: a copy in a new directory, under new keys. All of it, or nothing; the vault itself stays
 * good. */
#include "vault/move.h"

#include "hsm/seals.h"
#include "util/text.h"
#include "vault/key.h"
#include "vault/lock.h"
#include "vault/rekey.h"
#include "vault/report.h"
#include "vault/who.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE (8ull << 20) /* beside the copy: its log, and room to go on */

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move a vault");
}

void sr_move_progress(const struct sr_moving *moving, const char *what, uint64_t done, uint64_t total)
{
	if (moving->plan->progress)
		moving->plan->progress(what, (unsigned long)done, (unsigned long)total, moving->plan->ctx);
}

/* -- the plan ---------------------------------------------------------------------------------------------------- */

static CK_RV check_plan(const struct sr_move_plan *plan, const struct sr_config *current, struct sr_error *err)
{
	if (!plan->dir || !plan->dir[0] || !plan->hsm_uri || !plan->hsm_uri[0] || !plan->pin)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE,
			"vault not moved: no directory, no HSM or no login was named");
	if (current->server.kind != SR_SERVER_NONE)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"vault not moved: it is a server's; stop strongroomd and move it on that machine, with its "
			"configuration");
	if (!current->dir)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"vault not moved: no vault is configured; name its configuration file with --config or "
			"STRONGROOM_CONF");
	return CKR_OK;
}

/* -- the vault --------------------------------------------------------------------------------------------------- */

static CK_RV open_vault(struct sr_moving *moving, const struct sr_config *current, struct sr_error *err)
{
	struct sr_config config = *current; /* borrowed */
	struct sr_caller nobody = { .peer = &moving->peer, .function = "hsm move" };
	config.exclusive = true;
	CK_RV rv = sr_vault_open(&config, &moving->from, err);
	if (rv != CKR_OK)
		return rv;
	nobody.vault = moving->from;
	moving->caller = nobody;
	return sr_login(
		&nobody, CKU_USER, NULL, 0, moving->plan->pin, moving->plan->pin_len, &moving->caller.identity, err);
}

/** struct keys_seen: what the vault has. */
struct keys_seen {
	json_t *resident;
	bool wrapped;
};

static bool meet_key(const struct sr_key_row *row, void *ctx)
{
	struct keys_seen *seen = ctx;
	if (row->state != SR_KEY_ACTIVE)
		return true;
	if (row->custody == SR_CUSTODY_RESIDENT)
		json_array_append_new(seen->resident, json_string(row->path));
	seen->wrapped = seen->wrapped || row->custody == SR_CUSTODY_WRAPPED;
	return true;
}

static CK_RV look_at_keys(struct sr_moving *moving, bool *wrapped, struct sr_error *err)
{
	struct keys_seen seen = { moving->resident, false };
	struct sr_moment at;
	CK_RV rv = sr_writer_look(moving->from->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = moving->from->store->ops->key_list(at.tx, "", SR_PART_COUNT, meet_key, &seen, err);
	if (rv == CKR_OK)
		rv = sr_seal_generation(moving->from, &at, &moving->seal, err);
	sr_writer_look_end(moving->from->writer, &at);
	moving->keys = sr_hsm_generation(moving->from->hsm) + 1;
	moving->seal++;
	*wrapped = seen.wrapped;
	return rv;
}

static CK_RV check_resident(const struct sr_moving *moving, struct sr_error *err)
{
	char names[160] = "";
	size_t i, count = json_array_size(moving->resident), len = 0;
	const json_t *path;
	if (count == 0 || moving->plan->without_resident)
		return CKR_OK;
	json_array_foreach(moving->resident, i, path)
	{
		int more = snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "", json_string_value(path));
		if (more < 0 || (size_t)more >= sizeof(names) - len)
			break;
		len += (size_t)more;
	}
	names[len] = '\0';
	return sr_fail(err, CKR_KEY_UNEXTRACTABLE, SR_REASON_UNEXTRACTABLE,
		"vault not moved: %zu resident keys cannot leave their HSM: %s%s; --without-resident leaves them "
		"behind",
		count, names, i < count ? ", ..." : "");
}

/* -- getting ready ----------------------------------------------------------------------------------------------- */

static CK_RV make_config(struct sr_moving *moving, const struct sr_config *current, struct sr_error *err)
{
	struct sr_config *config = &moving->config;
	config->dir = strdup(moving->dir.path);
	config->hsm_uri = strdup(moving->plan->hsm_uri);
	config->private_file = true;
	config->prompt = current->prompt;
	moving->to = config->dir && config->hsm_uri ? sr_vault_new(config) : NULL;
	if (!moving->to)
		return no_memory(err);
	snprintf(moving->to->id, sizeof(moving->to->id), "%s", moving->from->id);
	snprintf(moving->to->name, sizeof(moving->to->name), "%s", moving->from->name);
	return CKR_OK;
}

static CK_RV check_room(struct sr_moving *moving, struct sr_error *err)
{
	struct sr_counts counts = { 0 };
	struct statvfs fs;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(moving->from->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = moving->from->store->ops->counts(at.tx, &counts, err);
	sr_writer_look_end(moving->from->writer, &at);
	if (rv != CKR_OK || statvfs(moving->dir.path, &fs) != 0)
		return rv;
	if ((unsigned long long)fs.f_bavail * fs.f_frsize >= counts.bytes + SPARE)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL,
		"vault not moved: %.120s needs %llu MiB of room; make room", moving->dir.path,
		(unsigned long long)(counts.bytes + SPARE + (1u << 20) - 1) >> 20);
}

/* Everything that can be refused before anything is made, but for the directory. */
static CK_RV prepare(struct sr_moving *moving, const struct sr_config *current, struct sr_error *err)
{
	bool wrapped = false;
	CK_RV rv = sr_need_duty(&moving->caller, SR_DUTY_HSM, CKR_TOKEN_WRITE_PROTECTED, "move the vault", err);
	if (rv == CKR_OK && (rv = look_at_keys(moving, &wrapped, err)) == CKR_OK &&
		(rv = check_resident(moving, err)) == CKR_OK &&
		(rv = sr_newdir_make(&moving->dir, moving->plan->dir, err)) == CKR_OK &&
		(rv = check_room(moving, err)) == CKR_OK && (rv = make_config(moving, current, err)) == CKR_OK &&
		(rv = sr_move_open_hsm(moving, err)) == CKR_OK && (rv = sr_move_make_keys(moving, err)) == CKR_OK &&
		wrapped)
		rv = sr_transport_open(moving->from->hsm, moving->to->hsm, &moving->transport, err);
	return rv;
}

/* -- the record -------------------------------------------------------------------------------------------------- */

/* Labels are whatever the HSM says. */
static void describe_hsm(const struct sr_moving *moving, char *text, size_t size)
{
	json_t *object = json_pack("{s:s, s:s}", "token", moving->hsm.label, "serial", moving->hsm.serial);
	char *dumped = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	snprintf(text, size, "%s", dumped && strlen(dumped) < size ? dumped : "{}");
	free(dumped);
	json_decref(object);
}

static CK_RV moved_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_moving *moving = act->arg;
	char hsm[384];
	(void)err;
	describe_hsm(moving, hsm, sizeof(hsm));
	moving->record = at->event_id;
	snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"to\":%s,\"record\":%llu}", hsm,
		(unsigned long long)at->event_id);
	return CKR_OK;
}

/* Also of a move that was refused, or came to nothing after its record. */
static CK_RV record_move(struct sr_moving *moving, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, &moving->caller, SR_EVENT_VAULT_MOVED, NULL);
	act.run = moved_run;
	act.arg = moving;
	act.policy_change = true;
	return sr_act_record(&act, rv, err);
}

/* -- the copy ---------------------------------------------------------------------------------------------------- */

static CK_RV make_file(const struct sr_moving *moving, char path[PATH_MAX + 32], struct sr_error *err)
{
	snprintf(path, PATH_MAX + 32, "%s/vault.db", moving->dir.path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sr_newdir_fail(&moving->dir, path, "it cannot be made", err);
	close(fd);
	return CKR_OK;
}

static CK_RV copy_now(struct sr_moving *moving, const char *path, struct sr_error *err)
{
	const struct sr_store_ops *ops = moving->from->store->ops;
	struct sr_buf epoch = SR_BUF_INIT;
	struct sr_moment at;
	int64_t newest_ms;
	CK_RV rv = sr_writer_look(moving->from->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	moving->at.chain_id = at.chain_id;
	rv = ops->event_head(at.tx, &moving->head, &newest_ms, err);
	if (rv == CKR_OK)
		rv = ops->meta_get(at.tx, SR_EPOCH_META, &epoch, err);
	if (rv == CKR_OK && epoch.len > 0)
		sr_text_u64((const char *)epoch.data, epoch.len, SR_EPOCH_MAX, &moving->head.epoch);
	if (rv == CKR_OK)
		rv = ops->copy(at.tx, path, err);
	sr_writer_look_end(moving->from->writer, &at);
	sr_buf_clear(&epoch);
	return rv;
}

static struct sr_writer_config writer_config(const struct sr_moving *moving, struct sr_hsm *hsm)
{
	const struct sr_vault *to = moving->to;
	return (struct sr_writer_config){
		.store = to->store, .hsm = hsm, .vault_id = to->id, .heads_path = to->heads, .alone = true
	};
}

static CK_RV copy_database(struct sr_moving *moving, struct sr_error *err)
{
	const char *chain_id;
	char path[PATH_MAX + 32];
	struct sr_vault *to = moving->to;
	CK_RV rv = make_file(moving, path, err);
	if (rv == CKR_OK)
		rv = sr_writer_seal(moving->from->writer, err);
	if (rv == CKR_OK)
		rv = copy_now(moving, path, err);
	if (rv == CKR_OK)
		rv = sr_vault_lock(to->dir, false, &to->lock_fd, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_open(to->dir, &to->store, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_writer_config config = writer_config(moving, moving->from->hsm);
	chain_id = moving->at.chain_id;
	rv = sr_writer_look_copy(&config, &moving->head, &moving->at, err);
	moving->at.chain_id = chain_id;
	return rv;
}

/* -- the new epoch ----------------------------------------------------------------------------------------------- */

static CK_RV also_run(struct sr_moment *at, void *ctx, struct sr_error *err)
{
	struct sr_moving *moving = ctx;
	return sr_generations_move(moving->to, at, moving->keys, moving->seal, err);
}

static CK_RV begin_epoch(struct sr_moving *moving, struct sr_error *err)
{
	struct sr_writer_config config = writer_config(moving, moving->from->hsm);
	struct sr_epoch *epoch = &moving->epoch;
	char hsm[384];
	moving->arrived = (struct sr_caller){ moving->to, &moving->peer, "hsm move", NULL };
	*epoch = (struct sr_epoch){ .caller = &moving->arrived,
		.kind = SR_EVENT_VAULT_MOVED,
		.was = "from",
		.also = also_run,
		.ctx = moving,
		.decision = "the vault was moved to another HSM" };
	describe_hsm(moving, hsm, sizeof(hsm));
	snprintf(epoch->more, sizeof(epoch->more), ",\"to\":%s", hsm);
	CK_RV rv = sr_writer_move_chain(&config, moving->to->hsm, &moving->head, &epoch->restored, err);
	config.hsm = moving->to->hsm;
	if (rv == CKR_OK)
		rv = sr_writer_open(&config, &moving->to->writer, err);
	return rv == CKR_OK ? sr_epoch_record(epoch, err) : rv;
}

/* A resident key, which the new HSM does not have. */
static CK_RV end_part(
	struct sr_act *act, struct sr_moment *at, const char *path, enum sr_part part, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_key_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_key(vault, at, path, part, &row, &found, err);
	if (rv == CKR_OK && found && row.state == SR_KEY_ACTIVE && row.custody == SR_CUSTODY_RESIDENT) {
		snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(row.tier));
		sr_key_row_bury(&row, at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms);
		rv = sr_rows_put_key(vault, at, &act->event, &row, err);
	}
	sr_key_row_clear(&row);
	return rv;
}

static CK_RV end_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (unsigned part = 0; rv == CKR_OK && part < SR_PART_COUNT; part++)
		rv = end_part(act, at, act->arg, part, err);
	return rv;
}

static CK_RV end_resident(struct sr_moving *moving, struct sr_error *err)
{
	size_t i;
	const json_t *path;
	CK_RV rv = CKR_OK;
	json_array_foreach(moving->resident, i, path)
	{
		char name[SR_PATH_MAX + 1];
		struct sr_act act;
		snprintf(name, sizeof(name), "%s", json_string_value(path));
		sr_act_begin(&act, &moving->arrived, SR_EVENT_KEY_DELETED, name);
		snprintf(act.event.actor_type, sizeof(act.event.actor_type), "system");
		snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"because\":\"resident\"}");
		act.run = end_run;
		act.arg = name;
		rv = sr_act_commit(&act, err);
		if (rv != CKR_OK)
			break;
	}
	return rv;
}

/* -- all of it --------------------------------------------------------------------------------------------------- */

/* A vault that nobody can administer would be no use. */
static CK_RV check_mover(const struct sr_moving *moving, struct sr_error *err)
{
	const char *who = sr_who_owner(moving->caller.identity);
	size_t i;
	const json_t *name;
	json_array_foreach(moving->forgotten, i, name)
	{
		if (strcmp(json_string_value(name), who) == 0)
			return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
				"vault not moved: what is kept of %.40s's passphrase was changed outside Strongroom; "
				"change the passphrase and run it again",
				who);
	}
	return CKR_OK;
}

static CK_RV make(struct sr_moving *moving, struct sr_error *err)
{
	CK_RV rv;
	if ((rv = copy_database(moving, err)) == CKR_OK && (rv = sr_move_rows(moving, err)) == CKR_OK &&
		(rv = check_mover(moving, err)) == CKR_OK && (rv = sr_move_values(moving, err)) == CKR_OK &&
		(rv = begin_epoch(moving, err)) == CKR_OK && (rv = end_resident(moving, err)) == CKR_OK &&
		(rv = sr_epoch_end_grants(&moving->epoch, err)) == CKR_OK)
		rv = sr_writer_seal(moving->to->writer, err);
	return rv;
}

static CK_RV describe(struct sr_moving *moving, char **result, struct sr_error *err)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/strongroom.conf", moving->dir.path);
	return sr_report_text(
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O, "
			  "s:O}",
			"vault_id", moving->to->id, "name", moving->to->name, "config", path, "token",
			moving->hsm.label, "serial", moving->hsm.serial, "generation", (int)moving->keys,
			"seal_generation", (int)moving->seal, "epoch", (json_int_t)moving->epoch.restored.epoch,
			"record", (json_int_t)moving->record, "rows", (json_int_t)moving->rows, "values",
			(json_int_t)moving->values, "wrapped_keys", (json_int_t)moving->wrapped, "approvals_canceled",
			(json_int_t)moving->epoch.approvals, "agents_suspended", (json_int_t)moving->epoch.agents,
			"resident_keys", moving->resident, "members_without_passphrase", moving->forgotten),
		result, err);
}

/* The writer first: it would leave an anchor behind. */
static void undo(struct sr_moving *moving)
{
	struct sr_vault *to = moving->to;
	if (to) {
		sr_writer_close(to->writer);
		to->writer = NULL;
		sr_move_unmake_keys(moving);
		sr_vault_close(to);
	}
	moving->to = NULL;
	sr_newdir_remove(&moving->dir);
}

/* The record said that it begins; that it came to nothing is another one, and no reason to say anything else. */
static void record_failure(struct sr_moving *moving, const struct sr_error *err)
{
	struct sr_error why = *err;
	(void)record_move(moving, why.rv, &why);
}

static CK_RV run(struct sr_moving *moving, const struct sr_config *current, char **result, struct sr_error *err)
{
	CK_RV rv = check_plan(moving->plan, current, err);
	if (rv == CKR_OK)
		rv = open_vault(moving, current, err);
	if (rv != CKR_OK)
		return rv;
	rv = record_move(moving, prepare(moving, current, err), err);
	bool recorded = rv == CKR_OK;
	if (recorded && (rv = make(moving, err)) == CKR_OK && (rv = describe(moving, result, err)) == CKR_OK)
		rv = sr_newdir_config(&moving->dir, moving->to->name, moving->config.hsm_uri, NULL, err);
	sr_transport_close(moving->transport);
	moving->transport = NULL;
	if (rv == CKR_OK) {
		sr_move_settle(moving);
		return CKR_OK;
	}
	if (recorded)
		record_failure(moving, err);
	undo(moving);
	return rv;
}

static void clear(struct sr_moving *moving)
{
	sr_identity_unref(moving->caller.identity);
	sr_vault_close(moving->to);
	sr_vault_close(moving->from);
	sr_config_clear(&moving->config);
	json_decref(moving->resident);
	json_decref(moving->forgotten);
	free(moving);
}

CK_RV sr_vault_move(
	const struct sr_move_plan *plan, const struct sr_config *current, char **result, struct sr_error *err)
{
	struct sr_moving *moving = calloc(1, sizeof(*moving));
	*result = NULL;
	if (!moving)
		return no_memory(err);
	moving->plan = plan;
	moving->dir.what = "vault not moved";
	moving->peer =
		(struct sr_peer){ .kind = SR_PEER_EMBEDDED, .loopback = true, .uid = geteuid(), .pid = getpid() };
	moving->resident = json_array();
	moving->forgotten = json_array();
	CK_RV rv = moving->resident && moving->forgotten ? run(moving, current, result, err) : no_memory(err);
	if (rv != CKR_OK) {
		free(*result);
		*result = NULL;
	}
	clear(moving);
	return rv;
}
