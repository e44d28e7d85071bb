/* How a secret looks: CKO_DATA, found by path, shaped by what the caller may do with it. */
#include "vault/secret.h"

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
}

/* -- one -------------------------------------------------------------------------------------------------------- */

/* The length is for those who may read: it is half of the value sometimes. */
static CK_RV view_value(const struct sr_caller *caller, struct sr_tx *tx, const struct sr_secret_row *row,
	uint32_t actions, struct sr_view *view, struct sr_error *err)
{
	size_t sealed = 0;
	bool found = false;
	view->value = SR_VALUE_SENSITIVE;
	view->value_reason = SR_REASON_OUT_OF_SCOPE;
	view->by_name = true;
	if (!(actions & SR_ACTION_READ))
		return CKR_OK;
	view->value_reason = SR_REASON_APPROVAL_REQUIRED;
	if (row->tier > sr_who_clearance(caller->identity))
		return CKR_OK;
	CK_RV rv = caller->vault->store->ops->version_len(tx, row->path, row->version, &sealed, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || sealed < SR_HSM_SEALED_OVERHEAD)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "secret:%s: its version %llu is gone",
			row->path, (unsigned long long)row->version);
	view->value = SR_VALUE_READABLE;
	view->value_reason = SR_REASON_NONE;
	view->value_len = sealed - SR_HSM_SEALED_OVERHEAD;
	return CKR_OK;
}

static CK_RV view_row(const struct sr_caller *caller, struct sr_tx *tx, const struct sr_secret_row *row,
	struct sr_view *view, struct sr_error *err)
{
	uint32_t actions = sr_secret_actions(caller, row->path);
	secret_attrs(row, actions, &view->attrs);
	if (view->attrs.failed)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a secret");
	return view_value(caller, tx, row, actions, view, err);
}

static CK_RV secret_view(const struct sr_caller *caller, const char *path, struct sr_view *view, struct sr_error *err)
{
	struct sr_secret_row row = { 0 };
	struct sr_moment at;
	bool found = false;
	if (sr_secret_actions(caller, path) == 0)
		return sr_secret_gone(err);
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_secret(caller->vault, &at, path, &row, &found, err);
	if (rv == CKR_OK && (!found || row.state != SR_SECRET_ACTIVE))
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = view_row(caller, at.tx, &row, view, err);
	sr_writer_look_end(caller->vault->writer, &at);
	sr_secret_row_clear(&row);
	return rv;
}

/* -- many ------------------------------------------------------------------------------------------------------- */

struct secret_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	sr_found found;
	void *ctx;
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
	if (!attrs.failed && sr_attrs_match(search->query, &attrs))
		more = search->found(row->path, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

static CK_RV find_exact(
	struct secret_search *search, const struct sr_moment *at, const struct sr_attr *label, struct sr_error *err)
{
	struct sr_secret_row row = { 0 };
	char path[SR_PATH_MAX + 1];
	bool found = false;
	if (!sr_path_valid((const char *)label->value, label->len))
		return CKR_OK;
	memcpy(path, label->value, label->len);
	path[label->len] = '\0';
	if (sr_secret_actions(search->caller, path) == 0)
		return CKR_OK;
	CK_RV rv = sr_rows_secret(search->caller->vault, at, path, &row, &found, err);
	if (rv == CKR_OK && found)
		match_secret(&row, search);
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV secret_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct secret_search search = { caller, query, found, ctx };
	struct sr_store *store = caller->vault->store;
	const struct sr_attr *label = sr_attrs_find(query, CKA_LABEL);
	char prefix[SR_PATH_MAX + 1];
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	sr_who_prefix(caller->identity, SR_RESOURCE_SECRETS, prefix);
	if (label)
		rv = find_exact(&search, &at, label, err);
	else
		rv = store->ops->secret_list(at.tx, prefix, match_secret, &search, err);
	sr_writer_look_end(caller->vault->writer, &at);
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
