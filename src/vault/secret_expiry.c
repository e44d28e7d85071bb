/* Secrets whose provider has let them expire: told once in the audit. Nothing else comes of it; a secret that expired
 * is read as before, for nobody but the provider knows what it is still good for. */
#include "vault/approval_row.h"
#include "vault/key.h"
#include "vault/secret_change.h"
#include "vault/sweep.h"

#include "audit/state.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

void sr_secret_expired_subject(const char *path, char subject[SR_SUBJECT_MAX])
{
	snprintf(subject, SR_SUBJECT_MAX, SR_EXPIRED_KIND "%s", path);
}

static bool is_over(const struct sr_secret_row *row, const struct sr_moment *at)
{
	return row->state == SR_SECRET_ACTIVE && row->expires_ms > 0 && row->expires_ms <= sr_moment_now(at).wall_ms;
}

/** struct telling: the paths of those that are over; then how many were told. */
struct telling {
	const struct sr_caller *caller;
	const struct sr_moment *at;
	struct sr_paths paths;
	bool failed;
	unsigned told;
};

static bool take_path(const struct sr_secret_row *row, void *ctx)
{
	struct telling *telling = ctx;
	if (is_over(row, telling->at) && (sr_secret_actions(telling->caller, row->path) & SR_ACTION_LIST))
		telling->failed = !sr_paths_add(&telling->paths, row->path);
	return !telling->failed;
}

static CK_RV find_paths(struct telling *telling, struct sr_error *err)
{
	struct sr_vault *vault = telling->caller->vault;
	char prefix[SR_PATH_MAX + 1];
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	telling->at = &at;
	sr_who_prefix(telling->caller->identity, SR_RESOURCE_SECRETS, prefix);
	rv = vault->store->ops->secret_list(at.tx, prefix, take_path, telling, err);
	sr_writer_look_end(vault->writer, &at);
	telling->at = NULL;
	if (rv == CKR_OK && telling->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look for what has expired");
	return rv;
}

/* WANTED: it is over, and was not told since it last changed. ROW is the caller's to clear. */
static CK_RV ask(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sr_secret_row *row,
	bool *wanted, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	uint64_t told = 0;
	bool found = false;
	sr_secret_expired_subject(path, subject);
	CK_RV rv = sr_rows_secret(vault, at, path, row, &found, err);
	if (rv == CKR_OK)
		rv = sr_state_get(vault->store, at, subject, &told, err);
	*wanted = rv == CKR_OK && found && is_over(row, at) && told < row->mark.event_id;
	return rv;
}

static CK_RV look(const struct telling *telling, const char *path, bool *wanted, struct sr_error *err)
{
	struct sr_vault *vault = telling->caller->vault;
	struct sr_secret_row row = { .version = 0 };
	struct sr_moment at;
	*wanted = false;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = ask(vault, &at, path, &row, wanted, err);
	sr_writer_look_end(vault->writer, &at);
	sr_secret_row_clear(&row);
	return rv;
}

/* Somebody else may have told it, or renewed it, meanwhile. */
static CK_RV tell_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct telling *telling = act->arg;
	struct sr_vault *vault = act->caller->vault;
	struct sr_secret_row row = { .version = 0 };
	char when[SR_TIME_TEXT];
	bool wanted;
	CK_RV rv = ask(vault, at, act->event.path, &row, &wanted, err);
	if (rv == CKR_OK && !wanted)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK) {
		sr_text_time(row.expires_ms, when);
		sr_secret_describe(&act->event, &row);
		sr_key_note(&act->event, json_pack("{s:s}", "expired", when));
		sr_secret_expired_subject(row.path, act->event.subject);
		rv = sr_state_put(vault->store, at, act->event.subject, at->event_id, err);
	}
	sr_secret_row_clear(&row);
	telling->told += rv == CKR_OK;
	return rv;
}

static CK_RV tell(struct telling *telling, const char *path, struct sr_error *err)
{
	struct sr_act act;
	bool wanted;
	CK_RV rv = look(telling, path, &wanted, err);
	if (rv != CKR_OK || !wanted)
		return rv;
	sr_act_begin(&act, telling->caller, SR_EVENT_SECRET_EXPIRED, path);
	act.run = tell_run;
	act.arg = telling;
	return sr_act_record(&act, CKR_OK, err);
}

CK_RV sr_secret_tell_expired(const struct sr_caller *caller, unsigned *told, struct sr_error *err)
{
	struct telling telling = { .caller = caller };
	CK_RV rv = find_paths(&telling, err);
	for (size_t i = 0; rv == CKR_OK && i < telling.paths.count; i++)
		rv = tell(&telling, telling.paths.items[i], err);
	sr_paths_clear(&telling.paths);
	*told = telling.told;
	return rv;
}
