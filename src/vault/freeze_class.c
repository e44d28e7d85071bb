/* Freezes as objects: a path is frozen by creating one, shown, and released with the approvals that it asks for. */
#include "vault/freeze.h"

#include "audit/state.h"
#include "util/text.h"
#include "vault/approval.h"
#include "vault/key.h"
#include "vault/policies.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

#define RELEASE_TTL_MS (24ll * 60 * 60 * 1000) /* how long an approved release may wait to be made */

static CK_RV no_freeze(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such freeze for you");
}

static bool may_see(const struct sr_caller *caller)
{
	return (sr_who_duties(caller->identity) & SR_DUTY_APPROVALS_SEE) != 0;
}

static int64_t now_ms(const struct sr_moment *at)
{
	return at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms;
}

/* What the path holds, or held: its tier outlives that. */
static CK_RV path_tier(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, enum sr_tier *tier, struct sr_error *err)
{
	struct sr_secret_row secret = { .version = 0 };
	enum sr_tier floor = SR_TIER_STANDARD;
	bool found = false, taken = false;
	CK_RV rv = sr_rows_secret(vault, at, path, &secret, &found, err);
	if (rv == CKR_OK)
		rv = sr_place_has_key(vault, at, path, &taken, &floor, err);
	*tier = found && secret.tier > floor ? secret.tier : floor;
	sr_secret_row_clear(&secret);
	return rv;
}

/* -- the template ------------------------------------------------------------------------------------------------ */

static CK_RV only(const struct sr_attrs *template, const CK_ATTRIBUTE_TYPE *types, size_t count, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		size_t k = 0;
		while (k < count && types[k] != template->items[i].type)
			k++;
		if (k == count)
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"attribute 0x%lx does not belong to a freeze", template->items[i].type);
	}
	return CKR_OK;
}

static CK_RV take_path(const struct sr_attrs *template, struct sr_freeze_row *row, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_PATH);
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_PATH,
			"path not frozen: it needs a path (CKA_SR_PATH)");
	if (!sr_path_valid((const char *)attr->value, attr->len))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_PATH, "path not frozen: bad path: %s",
			sr_path_why((const char *)attr->value, attr->len));
	memcpy(row->path, attr->value, attr->len);
	row->path[attr->len] = '\0';
	return CKR_OK;
}

static CK_RV take_reason(const struct sr_attrs *template, struct sr_freeze_row *row, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_REASON);
	if (!attr || attr->len == 0 || attr->len > SR_REASON_MAX || !sr_text_utf8(attr->value, attr->len))
		return sr_fail(err, attr ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_TEMPLATE_INCOMPLETE,
			SR_REASON_BAD_TEMPLATE,
			"give a reason, which the audit keeps: UTF-8 text without control characters, 1 to 256 bytes");
	memcpy(row->reason, attr->value, attr->len);
	row->reason[attr->len] = '\0';
	return CKR_OK;
}

static void describe(struct sr_event *event, const struct sr_freeze_row *row)
{
	sr_key_note(event, json_pack("{s:s}", "reason", row->reason));
}

/* -- freezing ---------------------------------------------------------------------------------------------------- */

static CK_RV check_room(struct sr_vault *vault, const struct sr_moment *at, struct sr_error *err)
{
	uint64_t count = 0;
	CK_RV rv = sr_state_get(vault->store, at, SR_FREEZES_SUBJECT, &count, err);
	if (rv == CKR_OK && count > SR_FREEZES_MAX)
		rv = sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_TOO_LARGE,
			"path not frozen: %d paths are frozen; release some", SR_FREEZES_MAX);
	return rv;
}

static CK_RV freeze_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_freeze_row *row = act->arg, was;
	bool found = false;
	CK_RV rv = sr_rows_freeze(vault, at, row->path, &was, &found, err);
	if (rv == CKR_OK && found && was.active)
		rv = sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_FROZEN, "the path is frozen already, by %s",
			was.author);
	if (rv == CKR_OK)
		rv = check_room(vault, at, err);
	if (rv == CKR_OK)
		rv = path_tier(vault, at, row->path, &row->tier, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(row->tier));
	snprintf(row->author, sizeof(row->author), "%s", act->caller->identity->member.name);
	row->created_ms = row->updated_ms = now_ms(at);
	return sr_rows_put_freeze(vault, at, &act->event, row, err);
}

static CK_RV take_freeze(const struct sr_attrs *template, struct sr_freeze_row *row, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_PATH, CKA_SR_REASON };
	CK_RV rv = only(template, types, sizeof(types) / sizeof(*types), err);
	if (rv == CKR_OK)
		rv = take_path(template, row, err);
	return rv == CKR_OK ? take_reason(template, row, err) : rv;
}

static CK_RV freeze_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct sr_freeze_row row = { .active = true };
	struct sr_act act;
	CK_RV rv = take_freeze(template, &row, err);
	sr_act_begin(&act, caller, SR_EVENT_PATH_FROZEN, row.path);
	if (row.reason[0])
		describe(&act.event, &row);
	if (rv == CKR_OK)
		rv = sr_need_duty(caller, SR_DUTY_FREEZE, CKR_TOKEN_WRITE_PROTECTED, "freeze paths", err);
	act.run = freeze_run;
	act.arg = &row;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		memcpy(created->id, row.path, sizeof(row.path));
	return rv;
}

/* -- releasing --------------------------------------------------------------------------------------------------- */

/** struct release: ROW as it is; REASON is what the releaser says. */
struct release {
	struct sr_freeze_row row, given;
	char target[SR_SUBJECT_MAX];
	struct sr_request request;
};

/* A tier that was lowered since the path was frozen lowers nothing here. */
static CK_RV judge(struct sr_vault *vault, const struct sr_moment *at, struct release *release, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	struct sr_freeze_row *row = &release->row;
	enum sr_tier tier = SR_TIER_STANDARD;
	bool found = false;
	CK_RV rv = sr_rows_freeze(vault, at, release->given.path, row, &found, err);
	if (rv == CKR_OK && !(found && row->active))
		rv = no_freeze(err);
	if (rv == CKR_OK)
		rv = path_tier(vault, at, row->path, &tier, err);
	if (rv == CKR_OK)
		rv = sr_policies_load(vault, at, &policies, err);
	if (rv == CKR_OK) {
		tier = row->tier > tier ? row->tier : tier;
		snprintf(release->target, sizeof(release->target), "freeze:%s", row->path);
		release->request = (struct sr_request){ .kind = SR_APPROVAL_RELEASE,
			.target = release->target,
			.change = "release",
			.base = row->mark.event_id,
			.path = row->path,
			.tier = tier,
			.need = sr_need_of_path(policies.rules, policies.count, tier, row->path),
			.ttl_ms = RELEASE_TTL_MS,
			.reason = release->given.reason };
	}
	sr_policies_clear(&policies);
	return rv;
}

static CK_RV gate(const struct sr_caller *caller, struct release *release, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = judge(caller->vault, &at, release, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv == CKR_OK && release->request.need.approvals ? sr_approval_gate(caller, &release->request, err) : rv;
}

static CK_RV release_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct release *release = act->arg;
	struct sr_freeze_row *row = &release->row;
	char id[SR_ID_MAX];
	CK_RV rv = judge(vault, at, release, err);
	if (rv == CKR_OK && release->request.need.approvals)
		rv = sr_approval_passes(act->caller, at, &release->request, id, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(release->request.tier));
	snprintf(row->author, sizeof(row->author), "%s", act->caller->identity->member.name);
	memcpy(row->reason, release->given.reason, sizeof(row->reason));
	row->active = false;
	row->updated_ms = now_ms(at);
	return sr_rows_put_freeze(vault, at, &act->event, row, err);
}

static CK_RV take_release(const struct sr_attrs *changes, struct release *release, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_SR_STATE, CKA_SR_REASON };
	static const char released[] = "released";
	const struct sr_attr *state = sr_attrs_find(changes, CKA_SR_STATE);
	CK_RV rv = only(changes, types, sizeof(types) / sizeof(*types), err);
	if (rv == CKR_OK &&
		!(state && state->len == strlen(released) && memcmp(state->value, released, state->len) == 0))
		rv = sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"not released: CKA_SR_STATE must be released");
	return rv == CKR_OK ? take_reason(changes, &release->given, err) : rv;
}

static CK_RV freeze_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *changes, struct sr_error *err)
{
	struct release release = { .row = { .active = false } };
	struct sr_act act;
	snprintf(release.given.path, sizeof(release.given.path), "%s", id);
	sr_act_begin(&act, caller, SR_EVENT_PATH_RELEASED, id);
	CK_RV rv = may_see(caller) ? take_release(changes, &release, err) : no_freeze(err);
	if (release.given.reason[0])
		describe(&act.event, &release.given);
	if (rv == CKR_OK)
		rv = sr_need_duty(caller, SR_DUTY_FREEZE, CKR_ACTION_PROHIBITED, "release paths", err);
	if (rv == CKR_OK)
		rv = gate(caller, &release, err);
	act.run = release_run;
	act.arg = &release;
	act.policy_change = true;
	return sr_act_record(&act, rv, err);
}

/* -- showing ----------------------------------------------------------------------------------------------------- */

static void freeze_attrs(const struct sr_freeze_row *row, struct sr_attrs *attrs)
{
	char author[SR_NAME_MAX + 8];
	snprintf(author, sizeof(author), "member:%s", row->author);
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_FREEZE);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, true);
	sr_attrs_put_text(attrs, CKA_LABEL, row->path);
	sr_attrs_put_text(attrs, CKA_SR_PATH, row->path);
	sr_attrs_put_text(attrs, CKA_SR_STATE, "frozen");
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	sr_attrs_put_text(attrs, CKA_SR_REASON, row->reason);
	sr_attrs_put_text(attrs, CKA_SR_ISSUER, author);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
}

static CK_RV freeze_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_freeze_row row;
	struct sr_moment at;
	bool found = false;
	CK_RV rv = may_see(caller) ? sr_writer_look(caller->vault->writer, &at, err) : no_freeze(err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_freeze(caller->vault, &at, id, &row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !(found && row.active))
		rv = no_freeze(err);
	if (rv == CKR_OK)
		freeze_attrs(&row, &view->attrs);
	return rv;
}

struct search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	struct sr_moment at;
	sr_found found;
	void *ctx;
	CK_RV rv;
	struct sr_error *err;
};

static bool match(const struct sr_freeze_row *row, void *ctx)
{
	struct search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	bool more = true;
	search->rv = sr_rows_check_freeze(search->caller->vault, &search->at, row, search->err);
	if (search->rv != CKR_OK)
		return false;
	freeze_attrs(row, &attrs);
	if (sr_attrs_match(search->query, &attrs))
		more = search->found(row->path, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

static CK_RV freeze_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct search search = {
		.caller = caller, .query = query, .found = found, .ctx = ctx, .rv = CKR_OK, .err = err
	};
	if (!may_see(caller))
		return CKR_OK;
	CK_RV rv = sr_writer_look(caller->vault->writer, &search.at, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->freeze_list(search.at.tx, match, &search, err);
	sr_writer_look_end(caller->vault->writer, &search.at);
	return search.rv != CKR_OK ? search.rv : rv;
}

const struct sr_class sr_freeze_class = {
	.object_class = CKO_SR_FREEZE,
	.only_by_class = true,
	.needs_rw = true,
	.find = freeze_find,
	.view = freeze_view,
	.create = freeze_create,
	.set = freeze_set,
};
