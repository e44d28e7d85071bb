/* Changing and deleting keys and certificates of the vault. */
#include "vault/freeze.h"
#include "vault/key.h"
#include "vault/lower.h"

#include <stdio.h>
#include <string.h>

/** struct key_change: what C_SetAttributeValue or C_DestroyObject asks of one row. HSM: the object that follows, after
 * the commit; ENDS: what is destroyed then. */
struct key_change {
	enum sr_part part;
	const char *path;
	const struct sr_attrs *changes;
	struct sr_hsm_key *hsm;
	struct sr_key_ends ends;
};

static CK_RV prohibited(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_ACTION_PROHIBITED, reason, "key not changed: %s", why);
}

static CK_RV load(struct sr_act *act, const struct sr_moment *at, const struct key_change *change,
	struct sr_key_row *row, struct sr_error *err)
{
	CK_RV rv = sr_key_load(act->caller, at, change->path, change->part, row, err);
	if (rv == CKR_OK)
		snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(row->tier));
	if (rv == CKR_OK)
		rv = sr_key_clearance(act->caller, row->tier, CKR_ACTION_PROHIBITED, err);
	return rv == CKR_OK ? sr_freeze_check_writer(act->caller, at, change->path, CKR_ACTION_PROHIBITED, err) : rv;
}

static int64_t now_ms(const struct sr_moment *at)
{
	return at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms;
}

/* -- changing ---------------------------------------------------------------------------------------------------- */

/* The path is the key's place among the scopes: never changed, only repeated. */
static CK_RV check_label(const struct key_change *change, struct sr_error *err)
{
	const struct sr_attr *label = sr_attrs_find(change->changes, CKA_LABEL);
	if (!label || (label->len == strlen(change->path) && memcmp(label->value, change->path, label->len) == 0))
		return CKR_OK;
	return prohibited(err, SR_REASON_BAD_PATH, "its CKA_LABEL is its path, which stays; copy it and delete this");
}

static CK_RV take_tier(
	const struct key_change *change, const struct sr_key_row *row, enum sr_tier *tier, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(change->changes, CKA_SR_TIER);
	*tier = row->tier;
	if (!attr || sr_tier_parse((const char *)attr->value, attr->len, tier))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"key not changed: its tier must be standard, sensitive or critical");
}

static struct sr_lowering lowering_of(const struct sr_key_row *row, enum sr_tier to)
{
	struct sr_lowering lowering = { .path = row->path, .from = row->tier, .to = to, .base = row->mark.event_id };
	sr_rows_subject_of_key(row->part, row->path, lowering.subject);
	return lowering;
}

/* As with secrets: none is lowered without the approvals of the higher one, and a token changes none. */
static CK_RV change_tier(const struct sr_act *act, const struct sr_moment *at, const struct key_change *change,
	struct sr_key_row *row, struct sr_error *err)
{
	enum sr_tier tier;
	CK_RV rv = take_tier(change, row, &tier, err);
	if (rv == CKR_OK && tier != row->tier && act->caller->identity->type != SR_IDENTITY_MEMBER)
		rv = prohibited(err, SR_REASON_ROLE_NOT_ALLOWED, "a token cannot change its tier; ask a member");
	if (rv == CKR_OK && tier < row->tier) {
		struct sr_lowering lowering = lowering_of(row, tier);
		rv = sr_lower_passes(act->caller, at, &lowering, err);
	}
	if (rv == CKR_OK)
		row->tier = tier;
	return rv;
}

/* Before the act: where it would lower the tier, the approvals are asked for here. */
static CK_RV lower_gate(const struct sr_caller *caller, const struct key_change *change, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	struct sr_moment at;
	enum sr_tier tier = SR_TIER_STANDARD;
	if (!sr_attrs_find(change->changes, CKA_SR_TIER) || caller->identity->type != SR_IDENTITY_MEMBER)
		return CKR_OK;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_key_load(caller, &at, change->path, change->part, &row, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK)
		rv = take_tier(change, &row, &tier, err);
	if (rv == CKR_OK && tier < row.tier) {
		struct sr_lowering lowering = lowering_of(&row, tier);
		rv = sr_lower_gate(caller, &lowering, err);
	}
	sr_key_row_clear(&row);
	return rv;
}

/* Its CKA_ID stands in a column of its own. */
static CK_RV change_attrs(const struct key_change *change, struct sr_key_row *row, struct sr_error *err)
{
	struct sr_attrs attrs = SR_ATTRS_INIT;
	if (!sr_keyattrs_unpack(row->part, row->attrs.data, row->attrs.len, &attrs))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"%.150s: the key's attributes cannot be read; restore the database from a backup", row->path);
	CK_RV rv = CKR_OK;
	if (!sr_attrs_bool(&attrs, CKA_MODIFIABLE, true))
		rv = prohibited(err, SR_REASON_NONE, "it is not CKA_MODIFIABLE");
	if (rv == CKR_OK)
		rv = sr_keyattrs_change(row->part, (CK_KEY_TYPE)row->key_type, &attrs, change->changes, err);
	const struct sr_attr *id = sr_attrs_find(&attrs, CKA_ID);
	if (rv == CKR_OK && id) {
		sr_buf_clear(&row->id);
		sr_buf_append(&row->id, id->value, id->len);
	}
	if (rv == CKR_OK) {
		sr_buf_clear(&row->attrs);
		sr_keyattrs_pack(row->part, &attrs, &row->attrs);
		if (row->attrs.failed || row->id.failed)
			rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key");
	}
	sr_attrs_clear(&attrs);
	return rv;
}

static CK_RV set_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct key_change *change = act->arg;
	struct sr_key_row row = { .path = "" };
	CK_RV rv = load(act, at, change, &row, err);
	if (rv == CKR_OK)
		rv = check_label(change, err);
	if (rv == CKR_OK)
		rv = change_tier(act, at, change, &row, err);
	if (rv == CKR_OK)
		rv = change_attrs(change, &row, err);
	if (rv == CKR_OK) {
		row.updated_ms = now_ms(at);
		snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(row.tier));
		rv = sr_rows_put_key(act->caller->vault, at, &act->event, &row, err);
	}
	if (rv == CKR_OK && row.custody == SR_CUSTODY_RESIDENT)
		change->hsm = sr_hsm_key_resident(row.uid, row.mark.event_id, sr_part_class(row.part));
	sr_key_row_clear(&row);
	return rv;
}

/* The row decides; what the HSM holds follows it, so that neither alone lets more through. */
static CK_RV restrict_in_hsm(const struct sr_caller *caller, const struct key_change *change, struct sr_error *err)
{
	struct sr_attrs follow = SR_ATTRS_INIT;
	CK_RV rv = CKR_OK;
	sr_keyattrs_hsm_changes(change->part, change->changes, &follow);
	if (follow.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key in the HSM");
	else if (change->hsm && follow.count)
		rv = sr_hsm_key_restrict(caller->vault->hsm, change->hsm, &follow, err);
	sr_attrs_clear(&follow);
	return rv;
}

static CK_RV of_secret_is_fixed(const struct sr_caller *caller, const char *path, struct sr_error *err)
{
	if (!(sr_who_actions(caller->identity, SR_RESOURCE_SECRETS, path) & SR_ACTION_USE))
		return sr_key_gone(err);
	return prohibited(err, SR_REASON_NONE, "it is a secret: change or delete the data object of that path");
}

CK_RV sr_key_class_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *changes, struct sr_error *err)
{
	struct key_change change = { .changes = changes };
	struct sr_act act;
	bool of_secret;
	CK_OBJECT_CLASS object_class = sr_key_id_class(id);
	change.path = sr_key_id_parse(object_class, id, &change.part, &of_secret);
	if (!change.path)
		return sr_key_gone(err);
	if (of_secret)
		return of_secret_is_fixed(caller, change.path, err);
	if (sr_attrs_find(changes, CKA_SR_GRACE))
		return sr_key_rotate(caller, change.path, change.part, changes, err);
	uint32_t actions = sr_key_actions(caller, change.path);
	CK_RV rv = CKR_OK;
	sr_act_begin(&act, caller, SR_EVENT_KEY_UPDATED, change.path);
	act.run = set_run;
	act.arg = &change;
	if (actions == 0)
		rv = sr_key_gone(err);
	else if (!(actions & SR_ACTION_CREATE))
		rv = prohibited(err, SR_REASON_OUT_OF_SCOPE, "your login has no keys:create for this path");
	else if (change.part != sr_part_base(change.part))
		rv = prohibited(
			err, SR_REASON_FORMER_KEY, "it is a former key, which stays as it is until its grace ends");
	if (rv == CKR_OK)
		rv = lower_gate(caller, &change, err);
	/* the anchor follows before this answers */
	act.policy_change = sr_attrs_find(changes, CKA_SR_TIER) != NULL;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		rv = restrict_in_hsm(caller, &change, err);
	sr_hsm_key_unref(change.hsm);
	return rv;
}

/* -- deleting ---------------------------------------------------------------------------------------------------- */

/* Path, part, uid and tier stay: what is made there later is another object, and no less protected. */
void sr_key_row_bury(struct sr_key_row *row, int64_t ms)
{
	row->state = SR_KEY_DELETED;
	row->updated_ms = ms;
	row->grace = (struct sr_end){ .wall_ms = 0 };
	sr_buf_clear(&row->id);
	sr_buf_clear(&row->attrs);
	sr_buf_clear(&row->blob);
	sr_buf_clear(&row->material);
}

static CK_RV destroy_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct key_change *change = act->arg;
	struct sr_key_row row = { .path = "" };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	CK_RV rv = load(act, at, change, &row, err);
	if (rv == CKR_OK)
		rv = sr_key_row_attrs(&row, &attrs, err);
	if (rv == CKR_OK && !sr_attrs_bool(&attrs, CKA_DESTROYABLE, true))
		rv = prohibited(err, SR_REASON_NONE, "it is not CKA_DESTROYABLE");
	if (rv == CKR_OK) {
		sr_key_ends_clear(&change->ends);
		rv = sr_key_ends_add(&change->ends, &row, err);
	}
	if (rv == CKR_OK) {
		sr_key_row_bury(&row, now_ms(at));
		rv = sr_rows_put_key(act->caller->vault, at, &act->event, &row, err);
	}
	sr_attrs_clear(&attrs);
	sr_key_row_clear(&row);
	return rv;
}

CK_RV sr_key_class_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct key_change change = { .path = NULL };
	struct sr_act act;
	bool of_secret;
	change.path = sr_key_id_parse(sr_key_id_class(id), id, &change.part, &of_secret);
	if (!change.path)
		return sr_key_gone(err);
	if (of_secret)
		return of_secret_is_fixed(caller, change.path, err);
	uint32_t actions = sr_key_actions(caller, change.path);
	CK_RV rv = CKR_OK;
	sr_act_begin(&act, caller, SR_EVENT_KEY_DELETED, change.path);
	if (actions == 0)
		rv = sr_key_gone(err);
	else if (!(actions & SR_ACTION_DELETE))
		rv = prohibited(err, SR_REASON_OUT_OF_SCOPE, "your login has no keys:delete for this path");
	act.run = destroy_run;
	act.arg = &change;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		rv = sr_key_ends_now(&change.ends, caller, "the key is deleted", err);
	sr_key_ends_clear(&change.ends);
	return rv;
}
