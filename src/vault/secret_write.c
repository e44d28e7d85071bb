/* Writing: a new secret, a new version, an old one once more, other attributes. */
#include "vault/approval_row.h"
#include "vault/freeze.h"
#include "vault/key.h"
#include "vault/lower.h"
#include "vault/secret_change.h"
#include "vault/secret_version.h"
#include "vault/token.h"

#include <stdio.h>
#include <string.h>

/* PKCS#11 v3.1, 5.1.6: CKR_ACTION_PROHIBITED is for objects that are there already. */
static CK_RV refusal(const struct sr_secret_change *change, CK_RV when_created)
{
	return change->must_exist ? CKR_ACTION_PROHIBITED : when_created;
}

/* -- the change -------------------------------------------------------------------------------------------------- */

static CK_RV check_version(
	const struct sr_secret_change *change, const struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	uint64_t current = exists ? row->version : 0;
	if (!change->has_expected || change->expected == current)
		return CKR_OK;
	return sr_fail(err, refusal(change, CKR_TEMPLATE_INCONSISTENT), SR_REASON_VERSION_MISMATCH,
		"secret not written: its version is not the %llu that was expected; read it again",
		(unsigned long long)change->expected);
}

static bool lowers(const struct sr_secret_change *change, const struct sr_secret_row *row)
{
	return change->has_tier && row->uid[0] && change->tier < row->tier;
}

/* The tier of a path outlives its secret: deleting it and writing a new one does not lower it. Of one that is there it
 * may be lowered where that was approved (check_lowering). */
static CK_RV apply_tier(
	const struct sr_secret_change *change, struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	if (!change->has_tier)
		return CKR_OK;
	if (lowers(change, row) && !exists)
		return sr_fail(err, refusal(change, CKR_TEMPLATE_INCONSISTENT), SR_REASON_TIER_LOWERED,
			"secret not written: its tier is %s, and it cannot be lowered; leave --tier out, or use "
			"another path",
			sr_tier_name(row->tier));
	row->tier = change->tier;
	return CKR_OK;
}

static void replace(struct sr_buf *buf, const struct sr_attr *attr)
{
	if (!attr)
		return;
	sr_buf_clear(buf);
	sr_buf_append(buf, attr->value, attr->len);
}

/* Without a grace the old versions are closed at once, those included whose grace runs: the last one may have been
 * rotated away for a reason. */
static CK_RV apply_grace(const struct sr_secret_change *change, const struct sr_moment *at, struct sr_secret_row *row,
	struct sr_error *err)
{
	struct sr_graces graces;
	struct sr_grace grace = { .version = row->version, .event = at->event_id };
	if (change->grace_ms == 0) {
		row->graces[0] = '\0';
		return CKR_OK;
	}
	CK_RV rv = sr_graces_load(row, at, &graces, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_now now = sr_moment_now(at);
	grace.end = sr_end_after(&now, change->grace_ms);
	if (!sr_graces_add(&graces, &grace))
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_GRACES_FULL,
			"secret not rotated: %d old versions of it are in their grace; wait, or rotate without one",
			SR_GRACES_MAX);
	sr_graces_text(&graces, row->graces);
	return CKR_OK;
}

static CK_RV apply_value(const struct sr_secret_change *change, const struct sr_moment *at, struct sr_secret_row *row,
	struct sr_error *err)
{
	CK_RV rv = change->value ? apply_grace(change, at, row, err) : CKR_OK;
	int64_t now_ms = sr_moment_now(at).wall_ms;
	if (rv == CKR_OK && change->has_expiry && change->expires_ms <= now_ms)
		rv = sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"secret not written: bad end: it has passed");
	if (rv != CKR_OK)
		return rv;
	if (change->value) { /* the end that was given belongs to the value */
		row->version++;
		row->rotated_ms = now_ms;
		row->expires_ms = 0;
	}
	if (change->has_expiry)
		row->expires_ms = change->expires_ms;
	return CKR_OK;
}

static CK_RV apply(const struct sr_secret_change *change, const struct sr_moment *at, struct sr_secret_row *row,
	bool exists, struct sr_error *err)
{
	int64_t now_ms = sr_moment_now(at).wall_ms;
	CK_RV rv = apply_tier(change, row, exists, err);
	if (rv != CKR_OK)
		return rv;
	if (!row->uid[0]) {
		memcpy(row->path, change->path, sizeof(row->path));
		memcpy(row->uid, change->uid, sizeof(row->uid));
	}
	if (!exists) { /* what was deleted leaves its path, its tier and the count of its versions, and nothing else */
		row->created_ms = now_ms;
		strcpy(row->type, "generic");
		sr_buf_clear(&row->application);
		sr_buf_clear(&row->object_id);
	}
	if (change->has_type)
		memcpy(row->type, change->type, sizeof(row->type));
	replace(&row->application, change->application);
	replace(&row->object_id, change->object_id);
	row->state = SR_SECRET_ACTIVE;
	row->updated_ms = now_ms;
	if (row->application.failed || row->object_id.failed)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to write a secret");
	return apply_value(change, at, row, err);
}

void sr_secret_describe(struct sr_event *event, const struct sr_secret_row *row)
{
	event->version = row->version;
	snprintf(event->tier, sizeof(event->tier), "%s", sr_tier_name(row->tier));
}

/* What secrets:use shows as a key must be one: the length is asked of the value that is written, or is there. */
static CK_RV check_hmac_key(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_change *change,
	const struct sr_secret_row *row, struct sr_error *err)
{
	size_t len = change->value ? change->value->len : 0, sealed = 0;
	bool found = false;
	if (strcmp(row->type, SR_HMAC_KEY_TYPE) != 0)
		return CKR_OK;
	if (!change->value) {
		CK_RV rv = vault->store->ops->version_len(at->tx, row->path, row->version, &sealed, &found, err);
		if (rv != CKR_OK)
			return rv;
		len = found && sealed > SR_HSM_SEALED_OVERHEAD ? sealed - SR_HSM_SEALED_OVERHEAD : 0;
	}
	if (len >= SR_HMAC_KEY_MIN)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"secret not written: too short for an hmac-key: it needs 16 random bytes or more");
}

static enum sr_event_kind kind_of(const struct sr_secret_change *change, bool exists)
{
	if (change->rollback)
		return SR_EVENT_SECRET_ROLLED_BACK;
	if (change->has_grace)
		return SR_EVENT_SECRET_ROTATED;
	return exists ? SR_EVENT_SECRET_UPDATED : SR_EVENT_SECRET_CREATED;
}

static void note_change(struct sr_event *event, const struct sr_secret_change *change, unsigned swept)
{
	json_t *facts = json_object();
	if (change->has_grace)
		json_object_set_new(facts, "grace_s", json_integer(change->grace_ms / 1000));
	if (change->rollback)
		json_object_set_new(facts, "from", json_integer((json_int_t)change->rollback));
	if (swept)
		json_object_set_new(facts, "old_destroyed", json_integer(swept));
	if (json_object_size(facts))
		sr_key_note(event, facts);
	else
		json_decref(facts);
}

/* What comes after the value: the old versions that nobody wants back, and the record. Of a secret that was deleted all
 * of them: it cannot be undeleted any more. */
static CK_RV finish_row(struct sr_act *act, struct sr_moment *at, const struct sr_secret_change *change,
	struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	unsigned swept = 0;
	CK_RV rv = CKR_OK;
	if (!exists && row->version > 1)
		rv = sr_version_sweep_before(vault, at, row, &swept, err);
	else if (change->value)
		rv = sr_version_sweep(vault, at, row, &swept, err);
	if (rv != CKR_OK)
		return rv;
	act->event.kind = kind_of(change, exists);
	sr_secret_describe(&act->event, row);
	note_change(&act->event, change, swept);
	return sr_rows_put_secret(vault, at, &act->event, row, err);
}

static CK_RV write_row(struct sr_act *act, struct sr_moment *at, const struct sr_secret_change *change,
	struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	bool lowered = exists && lowers(change, row);
	CK_RV rv = check_version(change, row, exists, err);
	if (rv == CKR_OK)
		rv = apply(change, at, row, exists, err);
	if (rv == CKR_OK)
		rv = check_hmac_key(vault, at, change, row, err);
	if (rv == CKR_OK && change->value)
		rv = sr_secret_seal(vault, at, row, change->value->value, change->value->len, err);
	else if (rv == CKR_OK && lowered)
		rv = sr_secret_reseal(vault, at, row, err);
	return rv == CKR_OK ? finish_row(act, at, change, row, exists, err) : rv;
}

/* The value comes out of the HSM and goes back into it, under the tier of today; who asks for it need not, and does
 * not, see it. What was sealed under a higher tier stays there. */
static CK_RV roll_back(struct sr_act *act, struct sr_moment *at, const struct sr_secret_change *change,
	struct sr_secret_row *row, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_secret_change again = *change;
	struct sr_version_row version = { .version = 0 };
	struct sr_buf value = SR_BUF_INIT;
	if (change->rollback == row->version)
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_VERSION_CURRENT,
			"secret not rolled back: version %llu is the current one",
			(unsigned long long)change->rollback);
	CK_RV rv = sr_version_load(vault, at, row, change->rollback, &version, err);
	if (rv == CKR_OK)
		rv = sr_version_open(vault, row, &version, &value, err);
	if (rv == CKR_OK && version.tier > row->tier)
		rv = sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_TIER_LOWERED,
			"secret not rolled back: version %llu is %s and the secret is %s now; raise its tier first",
			(unsigned long long)change->rollback, sr_tier_name(version.tier), sr_tier_name(row->tier));
	struct sr_attr attr = { CKA_VALUE, value.len, value.data };
	again.value = &attr;
	if (rv == CKR_OK)
		rv = write_row(act, at, &again, row, true, err);
	sr_buf_clear(&value);
	sr_version_row_clear(&version);
	return rv;
}

/* What a token is not cleared for it neither reads nor replaces nor deletes; and only a member changes the tier of a
 * secret that is there: nothing lowers it again. */
CK_RV sr_secret_check_clearance(
	const struct sr_act *act, const struct sr_secret_row *row, bool new_tier, CK_RV refusal, struct sr_error *err)
{
	const struct sr_identity *who = act->caller->identity;
	if (who->type == SR_IDENTITY_MEMBER || !row->uid[0])
		return CKR_OK;
	if (row->tier > sr_who_clearance(who))
		return sr_fail(err, refusal, SR_REASON_APPROVAL_REQUIRED,
			"secret not written: it is %s and your token is not cleared for it; ask for an approved token",
			sr_tier_name(row->tier));
	if (new_tier)
		return sr_fail(err, refusal, SR_REASON_ROLE_NOT_ALLOWED,
			"secret not written: a token cannot change a secret's tier; ask a member");
	return CKR_OK;
}

/* A path holds a secret or a key; what tier a key had there, a secret has too. */
CK_RV sr_secret_check_path(struct sr_act *act, const struct sr_moment *at, const struct sr_secret_change *change,
	struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	bool taken = false;
	enum sr_tier floor = SR_TIER_STANDARD;
	if (exists)
		return CKR_OK;
	CK_RV rv = sr_place_has_key(act->caller->vault, at, change->path, &taken, &floor, err);
	if (rv == CKR_OK && taken)
		rv = sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_PATH_TAKEN,
			"secret not written: the path holds a key; use another path");
	if (rv != CKR_OK || floor <= row->tier)
		return rv;
	row->tier = floor;
	if (change->has_tier && change->tier < floor)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_TIER_LOWERED,
			"secret not written: the tier of this path is %s, and it cannot be lowered",
			sr_tier_name(floor));
	return sr_key_clearance(act->caller, floor, CKR_TOKEN_WRITE_PROTECTED, err);
}

static struct sr_lowering lowering_of(const struct sr_secret_change *change, const struct sr_secret_row *row)
{
	struct sr_lowering lowering = {
		.path = change->path, .from = row->tier, .to = change->tier, .base = row->mark.event_id
	};
	snprintf(lowering.subject, sizeof(lowering.subject), "secret:%s", change->path);
	return lowering;
}

static CK_RV check_lowering(const struct sr_act *act, const struct sr_moment *at, const struct sr_secret_change *change,
	const struct sr_secret_row *row, bool exists, struct sr_error *err)
{
	if (!exists || !lowers(change, row))
		return CKR_OK;
	struct sr_lowering lowering = lowering_of(change, row);
	return sr_lower_passes(act->caller, at, &lowering, err);
}

static CK_RV write_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_secret_change *change = act->arg;
	struct sr_secret_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, change->path, &row, &found, err);
	bool exists = found && row.state == SR_SECRET_ACTIVE;
	if (rv == CKR_OK && change->must_exist && !exists)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = sr_secret_check_clearance(act, &row, change->has_tier && change->tier != row.tier,
			refusal(change, CKR_TOKEN_WRITE_PROTECTED), err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(
			act->caller, at, change->path, refusal(change, CKR_TOKEN_WRITE_PROTECTED), err);
	if (rv == CKR_OK)
		rv = sr_secret_check_path(act, at, change, &row, exists, err);
	if (rv == CKR_OK)
		rv = check_lowering(act, at, change, &row, exists, err);
	if (rv == CKR_OK)
		rv = change->rollback ? roll_back(act, at, change, &row, err)
				      : write_row(act, at, change, &row, exists, err);
	sr_secret_row_clear(&row);
	return rv;
}

/* The answer to a path out of scope is the same whether there is a secret or not. */
CK_RV sr_secret_may_write(const struct sr_caller *caller, const struct sr_secret_change *change, struct sr_error *err)
{
	if (sr_secret_actions(caller, change->path) & SR_ACTION_WRITE)
		return CKR_OK;
	return sr_fail(err, refusal(change, CKR_TOKEN_WRITE_PROTECTED), SR_REASON_OUT_OF_SCOPE,
		"secret not written: your login has no secrets:write for this path");
}

/* Before the act: where it would lower the tier, the approvals are asked for here. What would be refused anyway (a
 * token, another version) asks for none. */
static CK_RV lower_gate(const struct sr_caller *caller, const struct sr_secret_change *change, struct sr_error *err)
{
	struct sr_secret_row row = { .version = 0 };
	struct sr_moment at;
	bool found = false;
	if (!change->has_tier || caller->identity->type == SR_IDENTITY_TOKEN)
		return CKR_OK;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_secret(caller->vault, &at, change->path, &row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	bool exists = found && row.state == SR_SECRET_ACTIVE;
	if (rv == CKR_OK && exists && lowers(change, &row) && check_version(change, &row, true, NULL) == CKR_OK) {
		struct sr_lowering lowering = lowering_of(change, &row);
		rv = sr_lower_gate(caller, &lowering, err);
	}
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV commit_change(
	const struct sr_caller *caller, struct sr_secret_change *change, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, kind_of(change, change->must_exist), change->path);
	if (rv == CKR_OK)
		rv = sr_secret_may_write(caller, change, err);
	if (rv == CKR_OK)
		rv = lower_gate(caller, change, err);
	act.run = write_run;
	act.arg = change;
	act.policy_change = change->has_tier;
	return sr_act_record(&act, rv, err);
}

/* A secret without a name gets one from its unique id, where the scope allows. */
static CK_RV name_it(const struct sr_caller *caller, struct sr_secret_change *change, struct sr_error *err)
{
	CK_RV rv = sr_random_text(caller->vault, 16, change->uid, err);
	if (rv != CKR_OK || change->path[0])
		return rv;
	snprintf(change->path, sizeof(change->path), "unnamed/%s", change->uid);
	if (sr_secret_actions(caller, change->path) & SR_ACTION_WRITE)
		return CKR_OK;
	change->path[0] = '\0';
	return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_PATH,
		"secret not written: it has no CKA_LABEL, which is its path");
}

CK_RV sr_secret_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct sr_secret_change change = { .value = NULL };
	CK_RV rv = sr_secret_template(&change, template, err);
	if (rv == CKR_OK && !change.undelete)
		rv = name_it(caller, &change, err);
	rv = change.undelete ? sr_secret_undelete(caller, &change, rv, err) : commit_change(caller, &change, rv, err);
	if (rv == CKR_OK)
		memcpy(created->id, change.path, sizeof(change.path));
	return rv;
}

CK_RV sr_secret_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err)
{
	struct sr_secret_change change = { .must_exist = true };
	struct sr_secret_place place;
	bool good = sr_secret_place_parse(id, &place);
	memcpy(change.path, place.path, sizeof(change.path));
	CK_RV rv = good && sr_secret_actions(caller, place.path) ? sr_secret_template(&change, template, err)
								 : sr_secret_gone(err);
	if (rv == CKR_OK && place.version)
		rv = sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_BAD_TEMPLATE,
			"secret not changed: one version of it cannot be; change the secret");
	return commit_change(caller, &change, rv, err);
}
