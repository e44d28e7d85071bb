/* How a secret looks: CKO_DATA, found by path, shaped by what the caller may do with it. */
#include "vault/rotation.h"
#include "vault/secret_version.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

uint32_t sr_secret_actions(const struct sr_caller *caller, const char *path)
{
	/* `use` alone shows the secret as a key, not as data. */
	return sr_who_actions(caller->identity, SR_RESOURCE_SECRETS, path) & ~(uint32_t)SR_ACTION_USE;
}

CK_RV sr_secret_gone(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such secret for you");
}

static void put_application(const struct sr_secret_row *row, struct sr_attrs *attrs)
{
	if (row->application.len)
		sr_attrs_put(attrs, CKA_APPLICATION, row->application.data, row->application.len);
	else
		sr_attrs_put(attrs, CKA_APPLICATION, row->path, sr_path_namespace_len(row->path));
}

static void secret_attrs(const struct sr_secret_row *row, uint32_t actions, struct sr_attrs *attrs)
{
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_DATA);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, (actions & SR_ACTION_WRITE) != 0);
	sr_attrs_put_bool(attrs, CKA_COPYABLE, false);
	sr_attrs_put_bool(attrs, CKA_DESTROYABLE, (actions & SR_ACTION_DELETE) != 0);
	sr_attrs_put_text(attrs, CKA_LABEL, row->path);
	put_application(row, attrs);
	sr_attrs_put(attrs, CKA_OBJECT_ID, row->object_id.data, row->object_id.len);
	sr_attrs_put_text(attrs, CKA_UNIQUE_ID, row->uid);
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	sr_attrs_put_text(attrs, CKA_SR_TYPE, row->type);
	sr_attrs_put_number(attrs, CKA_SR_VERSION, row->version);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_UPDATED_AT, row->updated_ms);
	sr_attrs_put_time(attrs, CKA_SR_ROTATED_AT, row->rotated_ms ? row->rotated_ms : row->updated_ms);
	if (row->expires_ms)
		sr_attrs_put_time(attrs, CKA_SR_EXPIRES_AT, row->expires_ms);
}

/* When it wants a new value. */
static void put_due(const struct sr_secret_row *row, const struct sr_rotations *rotations, struct sr_attrs *attrs)
{
	int64_t rotated_ms = row->rotated_ms ? row->rotated_ms : row->updated_ms;
	int64_t period_ms = sr_rotation_period(row->type, row->path, rotations->periods, rotations->count);
	int64_t due_ms = sr_rotation_due(rotated_ms, period_ms, row->expires_ms);
	if (period_ms)
		sr_attrs_put_number(attrs, CKA_SR_PERIOD, (uint64_t)period_ms / 1000);
	if (due_ms)
		sr_attrs_put_time(attrs, CKA_SR_ROTATION_DUE, due_ms);
}

static void put_grace(struct sr_attrs *attrs, int64_t until_ms)
{
	if (until_ms)
		sr_attrs_put_time(attrs, CKA_SR_GRACE_UNTIL, until_ms);
}

/* Until when some old version is open; a head that cannot be read is told of where its value is asked for. */
static void put_graces(const struct sr_secret_row *row, const struct sr_moment *at, struct sr_attrs *attrs)
{
	struct sr_graces graces;
	if (row->graces[0] && sr_graces_load(row, at, &graces, NULL) == CKR_OK)
		put_grace(attrs, sr_graces_until(&graces));
}

/* One version as an object of its own. */
static void version_attrs(const struct sr_secret_row *row, const struct sr_version_row *version,
	const struct sr_moment *at, uint32_t actions, struct sr_attrs *attrs)
{
	char uid[64];
	struct sr_graces graces;
	secret_attrs(row, actions, attrs);
	snprintf(uid, sizeof(uid), "%s-%llu", row->uid, (unsigned long long)version->version);
	sr_attrs_put_text(attrs, CKA_UNIQUE_ID, uid);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_number(attrs, CKA_SR_VERSION, version->version);
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(version->tier));
	sr_attrs_put_text(attrs, CKA_SR_TYPE, version->type);
	sr_attrs_put_time(attrs, CKA_SR_ROTATED_AT, version->created_ms);
	if (sr_graces_load(row, at, &graces, NULL) != CKR_OK)
		return;
	const struct sr_grace *grace = sr_graces_of(&graces, version->version);
	put_grace(attrs, grace ? grace->end.wall_ms : 0);
}

/* -- one -------------------------------------------------------------------------------------------------------- */

/* The length is for those who may read: it is half of the value sometimes. */
static CK_RV view_value(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t asked, struct sr_view *view, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	size_t sealed = 0;
	uint64_t number = 0;
	bool found = false;
	view->value = SR_VALUE_SENSITIVE;
	view->value_reason = SR_REASON_OUT_OF_SCOPE;
	view->by_name = true;
	if (!(sr_secret_actions(caller, row->path) & SR_ACTION_READ))
		return CKR_OK;
	view->value_reason = SR_REASON_APPROVAL_REQUIRED;
	if (row->tier > sr_who_clearance(caller->identity))
		return CKR_OK;
	CK_RV rv = sr_version_to_read(caller, at, row, asked, &number, &why);
	view->value_reason = why.reason;
	if (rv == CKR_ATTRIBUTE_SENSITIVE)
		return CKR_OK;
	if (rv != CKR_OK) {
		*err = why;
		return rv;
	}
	rv = caller->vault->store->ops->version_len(at->tx, row->path, number, &sealed, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || sealed < SR_HSM_SEALED_OVERHEAD)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "secret:%.120s: its version %llu is gone",
			row->path, (unsigned long long)number);
	sr_attrs_put_number(&view->attrs, CKA_SR_VERSION, number);
	view->value = SR_VALUE_READABLE;
	view->value_len = sealed - SR_HSM_SEALED_OVERHEAD;
	return CKR_OK;
}

static CK_RV put_due_now(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	struct sr_rotations rotations;
	CK_RV rv = sr_rotations_load(vault, at, &rotations, err);
	if (rv == CKR_OK)
		put_due(row, &rotations, attrs);
	sr_rotations_clear(&rotations);
	return rv;
}

static CK_RV view_secret(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_secret_row *row,
	struct sr_view *view, struct sr_error *err)
{
	if (row->state != SR_SECRET_ACTIVE)
		return sr_secret_gone(err);
	secret_attrs(row, sr_secret_actions(caller, row->path), &view->attrs);
	put_graces(row, at, &view->attrs);
	CK_RV rv = put_due_now(caller->vault, at, row, &view->attrs, err);
	return rv != CKR_OK ? rv : view_value(caller, at, row, 0, view, err);
}

/* Of a deleted secret the versions are there for who may destroy them, and for nobody to read. */
static CK_RV may_see_version(const struct sr_caller *caller, const struct sr_secret_row *row, struct sr_error *err)
{
	bool may = row->state == SR_SECRET_ACTIVE || (sr_secret_actions(caller, row->path) & SR_ACTION_DELETE);
	return may ? CKR_OK : sr_secret_gone(err);
}

static CK_RV view_version(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t number, struct sr_view *view, struct sr_error *err)
{
	struct sr_version_row version = { .version = 0 };
	CK_RV rv = may_see_version(caller, row, err);
	if (rv == CKR_OK)
		rv = sr_version_load(caller->vault, at, row, number, &version, err);
	if (rv == CKR_OK)
		version_attrs(row, &version, at, sr_secret_actions(caller, row->path), &view->attrs);
	if (rv == CKR_OK && row->state == SR_SECRET_ACTIVE)
		rv = view_value(caller, at, row, number, view, err);
	else if (rv == CKR_OK) { /* who asks for it all the same is told, and recorded, by the read */
		view->value = SR_VALUE_SENSITIVE;
		view->value_reason = SR_REASON_NOT_FOUND;
		view->by_name = true;
	}
	sr_version_row_clear(&version);
	return rv;
}

static CK_RV secret_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_secret_row row = { 0 };
	struct sr_secret_place place;
	struct sr_moment at;
	bool found = false;
	if (!sr_secret_place_parse(id, &place) || sr_secret_actions(caller, place.path) == 0)
		return sr_secret_gone(err);
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_secret(caller->vault, &at, place.path, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = place.version ? view_version(caller, &at, &row, place.version, view, err)
				   : view_secret(caller, &at, &row, view, err);
	sr_writer_look_end(caller->vault->writer, &at);
	sr_secret_row_clear(&row);
	if (rv == CKR_OK && view->attrs.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a secret");
	return rv;
}

/* -- many ------------------------------------------------------------------------------------------------------- */

struct secret_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	sr_found found;
	void *ctx;
	const struct sr_moment *at;
	struct sr_rotations rotations;
};

/* A listing does not have the HSM check each of 100,000 rows: every row is checked when it is looked at (secret_view).
 */
static bool match_secret(const struct sr_secret_row *row, void *ctx)
{
	struct secret_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	uint32_t actions = sr_secret_actions(search->caller, row->path);
	bool more = true;
	if (actions == 0 || row->state != SR_SECRET_ACTIVE)
		return true;
	secret_attrs(row, actions, &attrs);
	put_graces(row, search->at, &attrs);
	put_due(row, &search->rotations, &attrs);
	if (!attrs.failed && sr_attrs_match(search->query, &attrs))
		more = search->found(row->path, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

/* One version, named by its number: also the current one, so that it stays that one whatever comes after it. */
static CK_RV find_version(struct secret_search *search, const struct sr_secret_row *row, const struct sr_attr *wanted,
	struct sr_error *err)
{
	struct sr_secret_place place = { .version = 0 };
	struct sr_version_row version = { .version = 0 };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	char id[SR_OBJECT_ID_MAX];
	if (!sr_text_u64((const char *)wanted->value, wanted->len, INT64_MAX, &place.version) ||
		may_see_version(search->caller, row, NULL) != CKR_OK)
		return CKR_OK;
	CK_RV rv = sr_version_load(search->caller->vault, search->at, row, place.version, &version, err);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		sr_error_clear(err); /* found is nothing, and that is all */
	if (rv == CKR_OK) {
		version_attrs(row, &version, search->at, sr_secret_actions(search->caller, row->path), &attrs);
		memcpy(place.path, row->path, sizeof(place.path));
		sr_secret_place_id(&place, id);
		if (!attrs.failed && sr_attrs_match(search->query, &attrs))
			search->found(id, search->ctx);
	}
	sr_attrs_clear(&attrs);
	sr_version_row_clear(&version);
	return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

static CK_RV find_exact(struct secret_search *search, const struct sr_attr *label, struct sr_error *err)
{
	const struct sr_attr *version = sr_attrs_find(search->query, CKA_SR_VERSION);
	struct sr_secret_row row = { 0 };
	char path[SR_PATH_MAX + 1];
	bool found = false;
	if (!sr_path_valid((const char *)label->value, label->len))
		return CKR_OK;
	memcpy(path, label->value, label->len);
	path[label->len] = '\0';
	if (sr_secret_actions(search->caller, path) == 0)
		return CKR_OK;
	CK_RV rv = sr_rows_secret(search->caller->vault, search->at, path, &row, &found, err);
	if (rv == CKR_OK && found && version)
		rv = find_version(search, &row, version, err);
	else if (rv == CKR_OK && found)
		match_secret(&row, search);
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV secret_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct sr_moment at;
	struct secret_search search = { .caller = caller, .query = query, .found = found, .ctx = ctx, .at = &at };
	struct sr_store *store = caller->vault->store;
	const struct sr_attr *label = sr_attrs_find(query, CKA_LABEL);
	char prefix[SR_PATH_MAX + 1];
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	sr_who_prefix(caller->identity, SR_RESOURCE_SECRETS, prefix);
	rv = sr_rotations_load(caller->vault, &at, &search.rotations, err);
	if (rv == CKR_OK && label)
		rv = find_exact(&search, label, err);
	else if (rv == CKR_OK)
		rv = store->ops->secret_list(at.tx, prefix, match_secret, &search, err);
	sr_writer_look_end(caller->vault->writer, &at);
	sr_rotations_clear(&search.rotations);
	return rv;
}

const struct sr_class sr_secret_class = {
	.object_class = CKO_DATA,
	.needs_rw = true,
	.find = secret_find,
	.view = secret_view,
	.value = sr_secret_value,
	.create = sr_secret_create,
	.set = sr_secret_set,
	.destroy = sr_secret_delete,
};
