/* Rotation periods: shown, set, deleted. They decide when a secret is due, and nothing about who may do what. */
#include "vault/rotation.h"

#include "audit/state.h"
#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/key.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- all of them -------------------------------------------------------------------------------------------------- */

struct listing {
	struct sr_vault *vault;
	const struct sr_moment *at;
	struct sr_rotations *rotations;
	CK_RV rv;
	struct sr_error *err;
};

/* Most vaults have none, so room is made for the first. */
static CK_RV make_room(struct sr_rotations *rotations, struct sr_error *err)
{
	if (rotations->count == SR_ROTATIONS_MAX)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"there are more than %d rotation periods; restore the database from a backup",
			SR_ROTATIONS_MAX);
	if (rotations->rows)
		return CKR_OK;
	rotations->rows = calloc(SR_ROTATIONS_MAX, sizeof(*rotations->rows));
	rotations->periods = calloc(SR_ROTATIONS_MAX, sizeof(*rotations->periods));
	return rotations->rows && rotations->periods
		       ? CKR_OK
		       : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look at the rotation periods");
}

static bool take_row(const struct sr_rotation_row *row, void *ctx)
{
	struct listing *listing = ctx;
	struct sr_rotations *rotations = listing->rotations;
	listing->rv = sr_rows_check_rotation(listing->vault, listing->at, row, listing->err);
	if (listing->rv == CKR_OK)
		listing->rv = make_room(rotations, listing->err);
	if (listing->rv != CKR_OK)
		return false;
	struct sr_rotation_row *kept = &rotations->rows[rotations->count];
	*kept = *row;
	rotations->periods[rotations->count++] = (struct sr_period){ kept->glob, kept->period_ms };
	return true;
}

CK_RV sr_rotations_load(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_rotations *rotations, struct sr_error *err)
{
	struct listing listing = { .vault = vault, .at = at, .rotations = rotations, .rv = CKR_OK, .err = err };
	*rotations = (struct sr_rotations){ .count = 0 };
	CK_RV rv = vault->store->ops->rotation_list(at->tx, take_row, &listing, err);
	return listing.rv != CKR_OK ? listing.rv : rv;
}

CK_RV sr_rotations_check(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_rotations *rotations, struct sr_error *err)
{
	uint64_t count = 0;
	CK_RV rv = sr_state_get(vault->store, at, SR_ROTATIONS_SUBJECT, &count, err);
	if (rv == CKR_OK && rotations->count + 1 != (count ? count : 1))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
			"there are %zu rotation periods and should be %llu; run: strongroom audit verify",
			rotations->count, (unsigned long long)(count ? count - 1 : 0));
	return rv;
}

void sr_rotations_clear(struct sr_rotations *rotations)
{
	free(rotations->rows);
	free(rotations->periods);
	*rotations = (struct sr_rotations){ .count = 0 };
}

/* -- the template ------------------------------------------------------------------------------------------------- */

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "rotation period not set: %s: %s", what, why);
}

static CK_RV take_glob(struct sr_rotation_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	if (!sr_glob_valid((const char *)attr->value, attr->len))
		return bad(err, SR_REASON_BAD_PATH, "bad glob", sr_glob_why((const char *)attr->value, attr->len));
	memcpy(row->glob, attr->value, attr->len);
	row->glob[attr->len] = '\0';
	return CKR_OK;
}

static CK_RV take_period(struct sr_rotation_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	uint64_t seconds;
	if (!sr_text_u64((const char *)attr->value, attr->len, SR_PERIOD_MAX_MS / 1000, &seconds) || seconds == 0)
		return bad(err, SR_REASON_BAD_DURATION, "bad period", "it must be from 1s to 3650d");
	row->period_ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static CK_RV take_attribute(struct sr_rotation_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	switch (attr->type) {
	case CKA_SR_PATH:
		return take_glob(row, attr, err);
	case CKA_SR_PERIOD:
		return take_period(row, attr, err);
	case CKA_CLASS:
	case CKA_TOKEN:
	case CKA_PRIVATE:
		return CKR_OK;
	default:
		return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
			"rotation period not set: attribute 0x%lx does not belong to one", attr->type);
	}
}

static CK_RV take_template(struct sr_rotation_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		CK_RV rv = take_attribute(row, &template->items[i], err);
		if (rv != CKR_OK)
			return rv;
	}
	if (row->glob[0] && row->period_ms)
		return CKR_OK;
	return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
		"rotation period not set: it needs a glob (CKA_SR_PATH) and a period (CKA_SR_PERIOD)");
}

/* -- the act ------------------------------------------------------------------------------------------------------ */

static CK_RV no_rotation(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such rotation period for you");
}

static CK_RV check_room(struct sr_vault *vault, const struct sr_moment *at, struct sr_error *err)
{
	struct sr_rotations all;
	CK_RV rv = sr_rotations_load(vault, at, &all, err);
	if (rv == CKR_OK)
		rv = sr_rotations_check(vault, at, &all, err);
	if (rv == CKR_OK && all.count == SR_ROTATIONS_MAX)
		rv = sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_TOO_LARGE,
			"rotation period not set: there are %d, which is all that fit; delete one", SR_ROTATIONS_MAX);
	sr_rotations_clear(&all);
	return rv;
}

static CK_RV set_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_rotation_row *row = act->arg;
	struct sr_vault *vault = act->caller->vault;
	struct sr_rotation_row now;
	bool found = false;
	CK_RV rv = sr_rows_rotation(vault, at, row->glob, &now, &found, err);
	if (rv == CKR_OK && !(found && now.active))
		rv = check_room(vault, at, err);
	if (rv != CKR_OK)
		return rv;
	row->active = true;
	row->updated_ms = sr_moment_now(at).wall_ms;
	row->created_ms = found ? now.created_ms : row->updated_ms;
	snprintf(row->author, sizeof(row->author), "%s", act->caller->identity->member.name);
	return sr_rows_put_rotation(vault, at, &act->event, row, err);
}

static CK_RV end_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_rotation_row *asked = act->arg, row;
	bool found = false;
	CK_RV rv = sr_rows_rotation(act->caller->vault, at, asked->glob, &row, &found, err);
	if (rv == CKR_OK && !(found && row.active))
		rv = no_rotation(err);
	if (rv != CKR_OK)
		return rv;
	row.active = false;
	row.updated_ms = sr_moment_now(at).wall_ms;
	snprintf(row.author, sizeof(row.author), "%s", act->caller->identity->member.name);
	return sr_rows_put_rotation(act->caller->vault, at, &act->event, &row, err);
}

static CK_RV commit_change(const struct sr_caller *caller, struct sr_rotation_row *row, bool gone, CK_RV rv,
	CK_RV refusal, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_ROTATION_CHANGED, row->glob);
	if (rv == CKR_OK)
		rv = sr_need_duty(caller, SR_DUTY_POLICIES, refusal, "change rotation periods", err);
	if (rv == CKR_OK)
		sr_key_note(&act.event, gone ? json_pack("{s:s}", "change", "delete")
					     : json_pack("{s:I}", "period_s", (json_int_t)row->period_ms / 1000));
	act.run = gone ? end_run : set_run;
	act.arg = row;
	return sr_act_record(&act, rv, err);
}

static CK_RV rotation_create(const struct sr_caller *caller, const struct sr_attrs *template,
	struct sr_created *created, struct sr_error *err)
{
	struct sr_rotation_row row = { .active = false };
	CK_RV rv = take_template(&row, template, err);
	rv = commit_change(caller, &row, false, rv, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		snprintf(created->id, sizeof(created->id), "%s", row.glob);
	return rv;
}

/* -- showing ------------------------------------------------------------------------------------------------------ */

static bool may_see(const struct sr_caller *caller)
{
	return (sr_who_duties(caller->identity) & SR_DUTY_APPROVALS_SEE) != 0;
}

static bool parse_id(const char *id, struct sr_rotation_row *row)
{
	if (!sr_glob_valid(id, strlen(id)))
		return false;
	snprintf(row->glob, sizeof(row->glob), "%s", id);
	return true;
}

static CK_RV rotation_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct sr_rotation_row row = { .active = false };
	CK_RV rv = parse_id(id, &row) && may_see(caller) ? CKR_OK : no_rotation(err);
	return commit_change(caller, &row, true, rv, CKR_ACTION_PROHIBITED, err);
}

static void rotation_attrs(const struct sr_rotation_row *row, struct sr_attrs *attrs)
{
	char author[SR_NAME_MAX + 8];
	snprintf(author, sizeof(author), "member:%s", row->author);
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_ROTATION);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_text(attrs, CKA_LABEL, row->glob);
	sr_attrs_put_text(attrs, CKA_SR_PATH, row->glob);
	sr_attrs_put_number(attrs, CKA_SR_PERIOD, (uint64_t)row->period_ms / 1000);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_UPDATED_AT, row->updated_ms);
	sr_attrs_put_text(attrs, CKA_SR_ISSUER, author);
}

static CK_RV rotation_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_rotation_row asked = { .active = false }, row;
	struct sr_moment at;
	bool found = false;
	if (!may_see(caller) || !parse_id(id, &asked))
		return no_rotation(err);
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_rotation(caller->vault, &at, asked.glob, &row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !(found && row.active))
		rv = no_rotation(err);
	if (rv == CKR_OK)
		rotation_attrs(&row, &view->attrs);
	return rv;
}

static CK_RV rotation_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct sr_rotations all = { .count = 0 };
	struct sr_moment at;
	bool more = true;
	CK_RV rv = may_see(caller) ? sr_writer_look(caller->vault->writer, &at, err) : CKR_OK;
	if (rv != CKR_OK || !may_see(caller))
		return rv;
	rv = sr_rotations_load(caller->vault, &at, &all, err);
	if (rv == CKR_OK)
		rv = sr_rotations_check(caller->vault, &at, &all, err);
	sr_writer_look_end(caller->vault->writer, &at);
	for (size_t i = 0; rv == CKR_OK && more && i < all.count; i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		rotation_attrs(&all.rows[i], &attrs);
		if (sr_attrs_match(query, &attrs))
			more = found(all.rows[i].glob, ctx);
		sr_attrs_clear(&attrs);
	}
	sr_rotations_clear(&all);
	return rv;
}

const struct sr_class sr_rotation_class = {
	.object_class = CKO_SR_ROTATION,
	.only_by_class = true,
	.needs_rw = true,
	.find = rotation_find,
	.view = rotation_view,
	.create = rotation_create,
	.destroy = rotation_destroy,
};
