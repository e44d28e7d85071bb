/* The job that destroys old versions: of every secret that the caller may destroy, each an act of its own. */
#include "vault/freeze.h"
#include "vault/key.h"
#include "vault/secret_change.h"
#include "vault/secret_version.h"
#include "vault/sweep.h"

#include <stdlib.h>
#include <string.h>

/** struct sweeping: the paths that have something to sweep; then how much was. */
struct sweeping {
	const struct sr_caller *caller;
	struct sr_paths paths;
	bool failed;
	unsigned secrets, versions;
};

bool sr_paths_add(struct sr_paths *paths, const char *path)
{
	if (paths->count == paths->cap) {
		size_t cap = paths->cap ? 2 * paths->cap : 64;
		char **more = realloc(paths->items, cap * sizeof(*more));
		if (!more)
			return false;
		paths->items = more;
		paths->cap = cap;
	}
	paths->items[paths->count] = strdup(path);
	return paths->items[paths->count] && ++paths->count;
}

void sr_paths_clear(struct sr_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->items[i]);
	free(paths->items);
	*paths = (struct sr_paths){ .items = NULL };
}

/* What has one version and lives has nothing old. */
static bool take_path(const struct sr_secret_row *row, void *ctx)
{
	struct sweeping *sweeping = ctx;
	bool may = sr_secret_actions(sweeping->caller, row->path) & SR_ACTION_DELETE;
	bool old = row->state == SR_SECRET_DELETED ? row->oldest <= row->version : row->version > 1;
	if (may && old)
		sweeping->failed = !sr_paths_add(&sweeping->paths, row->path);
	return !sweeping->failed;
}

static CK_RV find_paths(struct sweeping *sweeping, struct sr_error *err)
{
	struct sr_vault *vault = sweeping->caller->vault;
	char prefix[SR_PATH_MAX + 1];
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	sr_who_prefix(sweeping->caller->identity, SR_RESOURCE_SECRETS, prefix);
	rv = vault->store->ops->secret_list(at.tx, prefix, take_path, sweeping, err);
	sr_writer_look_end(vault->writer, &at);
	if (rv == CKR_OK && sweeping->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look for old versions");
	return rv;
}

/* Looked at first, so that a path with nothing to sweep leaves no record. Of what the token is not cleared for, nothing
 * is swept, nor of what is frozen: it may be evidence. */
static CK_RV look(const struct sweeping *sweeping, const char *path, unsigned *count, struct sr_error *err)
{
	struct sr_vault *vault = sweeping->caller->vault;
	const struct sr_identity *who = sweeping->caller->identity;
	struct sr_secret_row row = { .version = 0 };
	struct sr_moment at;
	bool found = false, frozen = false;
	*count = 0;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_secret(vault, &at, path, &row, &found, err);
	if (rv == CKR_OK)
		rv = sr_freeze_asked(vault, &at, path, &frozen, err);
	bool cleared = who->type == SR_IDENTITY_MEMBER || row.tier <= sr_who_clearance(who);
	if (rv == CKR_OK && found && cleared && !frozen)
		rv = sr_version_sweepable(vault, &at, &row, count, err);
	sr_writer_look_end(vault->writer, &at);
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV sweep_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sweeping *sweeping = act->arg;
	struct sr_secret_row row = { .version = 0 };
	bool found = false;
	unsigned count = 0;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, act->event.path, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = sr_secret_check_clearance(act, &row, false, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check(act->caller->vault, at, row.path, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		rv = sr_version_sweep(act->caller->vault, at, &row, &count, err);
	if (rv == CKR_OK) {
		sr_secret_describe(&act->event, &row);
		sr_key_note(&act->event, json_pack("{s:i}", "old_destroyed", (int)count));
		rv = sr_rows_put_secret(act->caller->vault, at, &act->event, &row, err);
	}
	sr_secret_row_clear(&row);
	if (rv == CKR_OK) {
		sweeping->secrets++;
		sweeping->versions += count;
	}
	return rv;
}

static CK_RV sweep_path(struct sweeping *sweeping, const char *path, struct sr_error *err)
{
	struct sr_act act;
	unsigned count;
	CK_RV rv = look(sweeping, path, &count, err);
	if (rv != CKR_OK || count == 0)
		return rv;
	sr_act_begin(&act, sweeping->caller, SR_EVENT_SECRET_DESTROYED, path);
	act.run = sweep_run;
	act.arg = sweeping;
	return sr_act_record(&act, CKR_OK, err);
}

CK_RV sr_secret_sweep(const struct sr_caller *caller, unsigned *secrets, unsigned *versions, struct sr_error *err)
{
	struct sweeping sweeping = { .caller = caller };
	CK_RV rv = find_paths(&sweeping, err);
	for (size_t i = 0; rv == CKR_OK && i < sweeping.paths.count; i++)
		rv = sweep_path(&sweeping, sweeping.paths.items[i], err);
	sr_paths_clear(&sweeping.paths);
	*secrets = sweeping.secrets;
	*versions = sweeping.versions;
	return rv;
}
