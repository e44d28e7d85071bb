/* The end of a secret, and of one version of it; and back again. */
#include "vault/approval_row.h"
#include "vault/freeze.h"
#include "vault/secret_change.h"
#include "vault/secret_version.h"

#include <string.h>

/* -- deletion ---------------------------------------------------------------------------------------------------- */

/* Its versions stay for who undeletes it, as long as old ones do; no grace comes back with them. */
static CK_RV delete_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_secret_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, act->event.path, &row, &found, err);
	if (rv == CKR_OK && (!found || row.state != SR_SECRET_ACTIVE))
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = sr_secret_check_clearance(act, &row, false, CKR_ACTION_PROHIBITED, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(act->caller, at, act->event.path, CKR_ACTION_PROHIBITED, err);
	if (rv == CKR_OK) {
		row.state = SR_SECRET_DELETED;
		row.updated_ms = sr_moment_now(at).wall_ms;
		row.graces[0] = '\0';
		sr_secret_describe(&act->event, &row);
		rv = sr_rows_put_secret(act->caller->vault, at, &act->event, &row, err);
	}
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV may_delete(const struct sr_caller *caller, const char *path, const char *what, struct sr_error *err)
{
	uint32_t actions = sr_secret_actions(caller, path);
	if (actions == 0)
		return sr_secret_gone(err);
	if (actions & SR_ACTION_DELETE)
		return CKR_OK;
	return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_OUT_OF_SCOPE,
		"%s: your login has no secrets:delete for this path", what);
}

/* -- one version -------------------------------------------------------------------------------------------------- */

static CK_RV check_version(struct sr_act *act, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t number, struct sr_error *err)
{
	const struct sr_identity *who = act->caller->identity;
	struct sr_version_row version;
	CK_RV rv = sr_version_load(act->caller->vault, at, row, number, &version, err);
	if (rv == CKR_OK && number == row->version && row->state == SR_SECRET_ACTIVE)
		rv = sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_VERSION_CURRENT,
			"version not destroyed: %llu is the current one; rotate the secret, or delete it",
			(unsigned long long)number);
	if (rv == CKR_OK && who->type == SR_IDENTITY_TOKEN && version.tier > sr_who_clearance(who))
		rv = sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_APPROVAL_REQUIRED,
			"version not destroyed: it is %s and your token is not cleared for it; ask for an approved "
			"token",
			sr_tier_name(version.tier));
	sr_version_row_clear(&version);
	return rv;
}

static CK_RV drop_version(
	struct sr_act *act, struct sr_moment *at, struct sr_secret_row *row, uint64_t number, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_graces graces;
	CK_RV rv = sr_graces_load(row, at, &graces, err);
	if (rv == CKR_OK)
		rv = sr_version_drop(vault, at, row->path, number, err);
	if (rv != CKR_OK)
		return rv;
	sr_graces_drop(&graces, number);
	sr_graces_text(&graces, row->graces);
	if (number == row->version) /* of a deleted secret: nothing is left to undelete */
		row->oldest = row->version + 1;
	sr_secret_describe(&act->event, row);
	act->event.version = number;
	return sr_rows_put_secret(vault, at, &act->event, row, err);
}

static CK_RV destroy_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_secret_place *place = act->arg;
	struct sr_secret_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, place->path, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = sr_secret_check_clearance(act, &row, false, CKR_ACTION_PROHIBITED, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(act->caller, at, place->path, CKR_ACTION_PROHIBITED, err);
	if (rv == CKR_OK)
		rv = check_version(act, at, &row, place->version, err);
	if (rv == CKR_OK)
		rv = drop_version(act, at, &row, place->version, err);
	sr_secret_row_clear(&row);
	return rv;
}

CK_RV sr_secret_delete(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct sr_secret_place place;
	struct sr_act act;
	bool good = sr_secret_place_parse(id, &place);
	sr_act_begin(&act, caller, place.version ? SR_EVENT_SECRET_DESTROYED : SR_EVENT_SECRET_DELETED, place.path);
	act.event.version = place.version;
	CK_RV rv = good ? may_delete(caller, place.path, place.version ? "version not destroyed" : "secret not deleted",
				  err)
			: sr_secret_gone(err);
	act.run = place.version ? destroy_run : delete_run;
	act.arg = &place;
	return sr_act_record(&act, rv, err);
}

/* -- back again --------------------------------------------------------------------------------------------------- */

static CK_RV check_deleted(struct sr_act *act, const struct sr_moment *at, const struct sr_secret_row *row, bool found,
	struct sr_error *err)
{
	struct sr_version_row version = { .version = 0 };
	if (found && row->state == SR_SECRET_ACTIVE)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_NOT_DELETED,
			"secret not undeleted: it is not deleted");
	CK_RV rv = found ? sr_version_load(act->caller->vault, at, row, row->version, &version, err)
			 : CKR_OBJECT_HANDLE_INVALID;
	sr_version_row_clear(&version);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND,
			"secret not undeleted: there is none, or its versions are destroyed");
	return rv;
}

static CK_RV undelete_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_secret_change *change = act->arg;
	struct sr_secret_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, change->path, &row, &found, err);
	if (rv == CKR_OK)
		rv = sr_secret_check_clearance(act, &row, false, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(act->caller, at, change->path, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		rv = check_deleted(act, at, &row, found, err);
	if (rv == CKR_OK)
		rv = sr_secret_check_path(act, at, change, &row, false, err);
	if (rv == CKR_OK) {
		row.state = SR_SECRET_ACTIVE;
		row.updated_ms = sr_moment_now(at).wall_ms;
		sr_secret_describe(&act->event, &row);
		rv = sr_rows_put_secret(act->caller->vault, at, &act->event, &row, err);
	}
	sr_secret_row_clear(&row);
	return rv;
}

CK_RV sr_secret_undelete(
	const struct sr_caller *caller, struct sr_secret_change *change, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_SECRET_UNDELETED, change->path);
	if (rv == CKR_OK && !change->path[0])
		rv = sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_PATH,
			"secret not undeleted: it has no CKA_LABEL, which is its path");
	if (rv == CKR_OK)
		rv = sr_secret_may_write(caller, change, err);
	act.run = undelete_run;
	act.arg = change;
	return sr_act_record(&act, rv, err);
}
