/* The end of keys: the objects that the HSM has of those that are gone, and the sweep of former keys whose grace is
 * over.
 */
#include "vault/approval_row.h"
#include "vault/freeze.h"
#include "vault/key.h"
#include "vault/sweep.h"

#include <string.h>

/* -- in the HSM -------------------------------------------------------------------------------------------------- */

CK_RV sr_key_ends_add(struct sr_key_ends *ends, const struct sr_key_row *row, struct sr_error *err)
{
	if (row->custody != SR_CUSTODY_RESIDENT)
		return CKR_OK;
	if (ends->count == sizeof(ends->items) / sizeof(*ends->items))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "too many keys end at %.120s", row->path);
	struct sr_hsm_key *hsm = sr_hsm_key_resident(row->uid, row->mark.event_id, sr_part_class(row->part));
	if (!hsm)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to delete a key");
	ends->items[ends->count].hsm = hsm;
	memcpy(ends->items[ends->count].uid, row->uid, sizeof(row->uid));
	ends->count++;
	return CKR_OK;
}

/* The key is gone from the vault once that is durable; the HSM's object is of no use to anybody then, but it is there.
 */
CK_RV sr_key_ends_now(struct sr_key_ends *ends, const struct sr_caller *caller, const char *what, struct sr_error *err)
{
	struct sr_vault *vault = caller->vault;
	CK_RV worst = CKR_OK;
	for (size_t i = 0; i < ends->count; i++) {
		CK_RV rv = sr_hsm_key_destroy(vault->hsm, ends->items[i].hsm, err);
		if (rv != CKR_OK)
			worst = sr_fail(err, rv == CKR_DEVICE_REMOVED ? rv : CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
				"%s, but its object strongroom-%s-key-%s is still in the HSM; delete it there", what,
				vault->id, ends->items[i].uid);
	}
	return worst;
}

void sr_key_ends_clear(struct sr_key_ends *ends)
{
	for (size_t i = 0; i < ends->count; i++)
		sr_hsm_key_unref(ends->items[i].hsm);
	ends->count = 0;
}

/* -- former keys ------------------------------------------------------------------------------------------------- */

/** struct sweeping: the paths that may have one; then at how many one was destroyed. */
struct sweeping {
	const struct sr_caller *caller;
	const struct sr_moment *at;
	struct sr_paths paths;
	bool failed;
	struct sr_key_ends ends; /* of the path that is swept now */
	unsigned swept;
};

static bool is_over(const struct sr_key_row *row, const struct sr_moment *at)
{
	return row->state == SR_KEY_ACTIVE && sr_key_row_ended(row, at);
}

static bool take_path(const struct sr_key_row *row, void *ctx)
{
	struct sweeping *sweeping = ctx;
	if (is_over(row, sweeping->at) && (sr_key_actions(sweeping->caller, row->path) & SR_ACTION_DELETE))
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
	sweeping->at = &at;
	sr_who_prefix(sweeping->caller->identity, SR_RESOURCE_KEYS, prefix);
	for (unsigned part = SR_PART_FORMER_PRIVATE; rv == CKR_OK && part < SR_PART_COUNT; part++)
		rv = vault->store->ops->key_list(at.tx, prefix, (enum sr_part)part, take_path, sweeping, err);
	sr_writer_look_end(vault->writer, &at);
	sweeping->at = NULL;
	if (rv == CKR_OK && sweeping->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look for former keys");
	return rv;
}

/* Looked at first, so that a path with nothing to sweep leaves no record: it was swept as another part's, is frozen, or
 * not the token's. */
static CK_RV look(const struct sweeping *sweeping, const char *path, bool *wanted, struct sr_error *err)
{
	const struct sr_caller *caller = sweeping->caller;
	bool frozen = false, member = caller->identity->type == SR_IDENTITY_MEMBER;
	struct sr_moment at;
	*wanted = false;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_freeze_asked(caller->vault, &at, path, &frozen, err);
	for (unsigned part = SR_PART_FORMER_PRIVATE; rv == CKR_OK && !frozen && part < SR_PART_COUNT; part++) {
		struct sr_key_row row = { .path = "" };
		bool found = false;
		rv = sr_rows_key(caller->vault, &at, path, (enum sr_part)part, &row, &found, err);
		bool cleared = member || row.tier <= sr_who_clearance(caller->identity);
		*wanted = *wanted || (rv == CKR_OK && found && cleared && is_over(&row, &at));
		sr_key_row_clear(&row);
	}
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

static CK_RV sweep_part(struct sr_act *act, struct sr_moment *at, enum sr_part part, struct sr_error *err)
{
	struct sweeping *sweeping = act->arg;
	struct sr_vault *vault = act->caller->vault;
	struct sr_key_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_key(vault, at, act->event.path, part, &row, &found, err);
	if (rv == CKR_OK && found && is_over(&row, at)) {
		rv = sr_key_clearance(act->caller, row.tier, CKR_TOKEN_WRITE_PROTECTED, err);
		if (rv == CKR_OK)
			rv = sr_key_ends_add(&sweeping->ends, &row, err);
		sr_key_row_bury(&row, sr_moment_now(at).wall_ms);
		if (rv == CKR_OK)
			rv = sr_rows_put_key(vault, at, &act->event, &row, err);
	}
	sr_key_row_clear(&row);
	return rv;
}

static CK_RV sweep_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sweeping *sweeping = act->arg;
	sr_key_ends_clear(&sweeping->ends);
	CK_RV rv = sr_freeze_check(act->caller->vault, at, act->event.path, CKR_TOKEN_WRITE_PROTECTED, err);
	for (unsigned part = SR_PART_FORMER_PRIVATE; rv == CKR_OK && part < SR_PART_COUNT; part++)
		rv = sweep_part(act, at, (enum sr_part)part, err);
	if (rv == CKR_OK)
		sr_key_note(&act->event, json_pack("{s:b}", "former", true));
	return rv;
}

static CK_RV sweep_path(struct sweeping *sweeping, const char *path, struct sr_error *err)
{
	struct sr_act act;
	bool wanted;
	CK_RV rv = look(sweeping, path, &wanted, err);
	if (rv != CKR_OK || !wanted)
		return rv;
	sr_act_begin(&act, sweeping->caller, SR_EVENT_KEY_DELETED, path);
	act.run = sweep_run;
	act.arg = sweeping;
	rv = sr_act_record(&act, CKR_OK, err);
	if (rv == CKR_OK) {
		sweeping->swept++;
		rv = sr_key_ends_now(&sweeping->ends, sweeping->caller, "the former key is deleted", err);
	}
	sr_key_ends_clear(&sweeping->ends);
	return rv;
}

CK_RV sr_key_sweep(const struct sr_caller *caller, unsigned *keys, struct sr_error *err)
{
	struct sweeping sweeping = { .caller = caller };
	CK_RV rv = find_paths(&sweeping, err);
	for (size_t i = 0; rv == CKR_OK && i < sweeping.paths.count; i++)
		rv = sweep_path(&sweeping, sweeping.paths.items[i], err);
	sr_paths_clear(&sweeping.paths);
	*keys = sweeping.swept;
	return rv;
}
