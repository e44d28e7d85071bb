/* secrets:use: a secret of type hmac-key as a sensitive generic secret key. Its value is opened for one use, goes into
 * a session of the HSM, and is nowhere after it. */
#include "vault/key.h"

#include "util/crypto.h"
#include "vault/freeze.h"
#include "vault/keyinfo.h"

#include <stdio.h>
#include <string.h>

static bool may_use(const struct sr_caller *caller, const char *path)
{
	return sr_who_actions(caller->identity, SR_RESOURCE_SECRETS, path) & SR_ACTION_USE;
}

static bool is_key(const struct sr_secret_row *row)
{
	return row->state == SR_SECRET_ACTIVE && strcmp(row->type, SR_HMAC_KEY_TYPE) == 0;
}

/* -- how it looks ------------------------------------------------------------------------------------------------ */

static const struct {
	CK_ATTRIBUTE_TYPE type;
	bool value;
} fixed[] = {
	{ CKA_TOKEN, true },
	{ CKA_PRIVATE, true },
	{ CKA_MODIFIABLE, false },
	{ CKA_COPYABLE, false },
	{ CKA_DESTROYABLE, false },
	{ CKA_SENSITIVE, true },
	{ CKA_EXTRACTABLE, false },
	{ CKA_ALWAYS_SENSITIVE, false },
	{ CKA_NEVER_EXTRACTABLE, false },
	{ CKA_LOCAL, false },
	{ CKA_SIGN, true },
	{ CKA_VERIFY, true },
	{ CKA_ENCRYPT, false },
	{ CKA_DECRYPT, false },
	{ CKA_WRAP, false },
	{ CKA_UNWRAP, false },
	{ CKA_DERIVE, false },
	{ CKA_WRAP_WITH_TRUSTED, false },
	{ CKA_TRUSTED, false },
};

/* No length: that is for those who may read it (design §3). */
static void put_attrs(const struct sr_secret_row *row, struct sr_attrs *attrs)
{
	uint8_t digest[SR_SHA256_LEN];
	char uid[SR_UID_MAX + 8];
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SECRET_KEY);
	sr_attrs_put_ulong(attrs, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		sr_attrs_put_bool(attrs, fixed[i].type, fixed[i].value);
	sr_attrs_put_ulong(attrs, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
	sr_attrs_put_text(attrs, CKA_LABEL, row->path);
	/* not the data object's own: one unique id, one object */
	snprintf(uid, sizeof(uid), "%s-key", row->uid);
	sr_attrs_put_text(attrs, CKA_UNIQUE_ID, uid);
	if (sr_sha256(uid, strlen(uid), digest))
		sr_attrs_put(attrs, CKA_ID, digest, SR_KEYINFO_ID_LEN);
	sr_attrs_put(attrs, CKA_START_DATE, NULL, 0);
	sr_attrs_put(attrs, CKA_END_DATE, NULL, 0);
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	sr_attrs_put_text(attrs, CKA_SR_TYPE, row->type);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_UPDATED_AT, row->updated_ms);
}

static CK_RV load(const struct sr_caller *caller, const struct sr_moment *at, const char *path,
	struct sr_secret_row *row, struct sr_error *err)
{
	bool found = false;
	if (!sr_path_valid(path, strlen(path)) || !may_use(caller, path))
		return sr_key_gone(err);
	CK_RV rv = sr_rows_secret(caller->vault, at, path, row, &found, err);
	return rv == CKR_OK && (!found || !is_key(row)) ? sr_key_gone(err) : rv;
}

static CK_RV load_now(
	const struct sr_caller *caller, const char *path, struct sr_secret_row *row, bool *frozen, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = load(caller, &at, path, row, err);
	if (rv == CKR_OK)
		rv = sr_freeze_asked(caller->vault, &at, path, frozen, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

CK_RV sr_hmac_view(const struct sr_caller *caller, const char *path, struct sr_view *view, struct sr_error *err)
{
	struct sr_secret_row row = { .path = "" };
	bool frozen = false;
	CK_RV rv = load_now(caller, path, &row, &frozen, err);
	if (rv == CKR_OK) {
		put_attrs(&row, &view->attrs);
		view->value = SR_VALUE_SENSITIVE;
		view->value_reason = SR_REASON_UNEXTRACTABLE;
		if (view->attrs.failed)
			rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a key");
	}
	sr_secret_row_clear(&row);
	return rv;
}

CK_RV sr_hmac_open(const struct sr_caller *caller, const char *path, struct sr_key **key, struct sr_error *err)
{
	struct sr_secret_row row = { .path = "" };
	bool frozen = false;
	CK_RV rv = load_now(caller, path, &row, &frozen, err);
	struct sr_key *opened = rv == CKR_OK ? sr_key_new(SR_PART_SECRET, CKK_GENERIC_SECRET) : NULL;
	if (opened) {
		struct sr_key_inside *inside = opened->inside;
		inside->of_secret = true;
		inside->frozen = frozen;
		inside->tier = row.tier;
		memcpy(opened->path, row.path, sizeof(opened->path));
		memcpy(inside->uid, row.uid, sizeof(inside->uid));
		put_attrs(&row, &inside->own);
		put_attrs(&row, &opened->attrs);
	}
	if (rv == CKR_OK && (!opened || opened->attrs.failed || opened->inside->own.failed)) {
		sr_key_unref(opened);
		opened = NULL;
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a key");
	}
	*key = opened;
	sr_secret_row_clear(&row);
	return rv;
}

/* -- finding ----------------------------------------------------------------------------------------------------- */

struct hmac_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	sr_found found;
	void *ctx;
};

static bool match(const struct sr_secret_row *row, void *ctx)
{
	struct hmac_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	char id[SR_OBJECT_ID_MAX];
	bool more = true;
	if (!is_key(row) || !may_use(search->caller, row->path))
		return true;
	put_attrs(row, &attrs);
	if (!attrs.failed && sr_attrs_match(search->query, &attrs)) {
		snprintf(id, sizeof(id), "h:%s", row->path);
		more = search->found(id, search->ctx);
	}
	sr_attrs_clear(&attrs);
	return more;
}

static CK_RV find_exact(
	struct hmac_search *search, const struct sr_moment *at, const struct sr_attr *label, struct sr_error *err)
{
	struct sr_secret_row row = { .path = "" };
	char path[SR_PATH_MAX + 1];
	bool found = false;
	if (!sr_path_valid((const char *)label->value, label->len))
		return CKR_OK;
	memcpy(path, label->value, label->len);
	path[label->len] = '\0';
	if (!may_use(search->caller, path))
		return CKR_OK;
	CK_RV rv = sr_rows_secret(search->caller->vault, at, path, &row, &found, err);
	if (rv == CKR_OK && found)
		match(&row, search);
	sr_secret_row_clear(&row);
	return rv;
}

/* Most who look for keys have no secrets:use at all: they do not pay for a walk over the secrets. */
static bool uses_any(const struct sr_identity *who)
{
	if (who->type == SR_IDENTITY_MEMBER)
		return sr_role_actions(who->member.role, SR_RESOURCE_SECRETS) & SR_ACTION_USE;
	for (size_t i = 0; who->type == SR_IDENTITY_TOKEN && i < who->scopes.count; i++) {
		const struct sr_scope *scope = &who->scopes.items[i];
		if (scope->resource == SR_RESOURCE_SECRETS && (scope->actions & SR_ACTION_USE))
			return true;
	}
	return false;
}

CK_RV sr_hmac_find(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_attrs *query,
	sr_found found, void *ctx, struct sr_error *err)
{
	struct hmac_search search = { caller, query, found, ctx };
	const struct sr_attr *label = sr_attrs_find(query, CKA_LABEL);
	char prefix[SR_PATH_MAX + 1];
	if (!uses_any(caller->identity))
		return CKR_OK;
	if (label)
		return find_exact(&search, at, label, err);
	sr_who_prefix(caller->identity, SR_RESOURCE_SECRETS, prefix);
	return caller->vault->store->ops->secret_list(at->tx, prefix, match, &search, err);
}

/* -- using ------------------------------------------------------------------------------------------------------- */

static CK_RV changed(struct sr_error *err, CK_ULONG reason)
{
	return sr_fail(err, CKR_FUNCTION_CANCELED, reason,
		"key not used: the secret was deleted or changed meanwhile; look for it again");
}

CK_RV sr_hmac_still(
	const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key, struct sr_error *err)
{
	struct sr_secret_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_secret(caller->vault, at, key->path, &row, &found, err);
	if (rv == CKR_OK && (!found || !is_key(&row) || strcmp(row.uid, key->inside->uid) != 0))
		rv = changed(err, SR_REASON_CHANGED_MEANWHILE);
	if (rv == CKR_OK && row.tier > sr_who_clearance(caller->identity))
		rv = changed(err, SR_REASON_APPROVAL_REQUIRED);
	sr_secret_row_clear(&row);
	return rv;
}

static CK_RV load_sealed(const struct sr_caller *caller, const struct sr_key *key, struct sr_secret_row *row,
	struct sr_version_row *version, struct sr_error *err)
{
	struct sr_moment at;
	bool found = false;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_hmac_still(caller, &at, key, err);
	if (rv == CKR_OK)
		rv = load(caller, &at, key->path, row, err);
	if (rv == CKR_OK)
		rv = caller->vault->store->ops->version_get(at.tx, key->path, row->version, version, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "secret:%s: its version %llu is gone",
			key->path, (unsigned long long)row->version);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

/* A version keeps the tier that it was sealed under (secret_read.c). */
static CK_RV open_value(const struct sr_caller *caller, const struct sr_secret_row *row,
	const struct sr_version_row *version, struct sr_buf *value, struct sr_error *err)
{
	struct sr_buf aad = SR_BUF_INIT;
	sr_rows_aad(caller->vault, row, version, &aad);
	CK_RV rv = aad.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to open a secret")
			      : sr_hsm_unseal(caller->vault->hsm, &aad, version->sealed.data, version->sealed.len,
					value, err);
	sr_buf_clear(&aad);
	if (rv == CKR_ENCRYPTED_DATA_INVALID)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
			"secret:%s: version %llu does not open; restore it from a backup", row->path,
			(unsigned long long)version->version);
	if (rv == CKR_OK && version->tier > sr_who_clearance(caller->identity))
		rv = sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_APPROVAL_REQUIRED,
			"key not used: this version was %s; ask for an approved token", sr_tier_name(version->tier));
	if (rv == CKR_OK && value->len < SR_HMAC_KEY_MIN)
		rv = sr_fail(err, CKR_KEY_SIZE_RANGE, SR_REASON_BAD_TEMPLATE,
			"key not used: a secret that is used as a key has 16 bytes or more");
	return rv;
}

/* HMAC fills its key up with zeros to the hash's block, 64 bytes or more (RFC 2104, 2). It is done here, because some
 * HSMs want a key as long as the hash: SoftHSM2 does. */
#define HMAC_BLOCK 64

static void fill_up(struct sr_buf *value)
{
	static const uint8_t zeros[HMAC_BLOCK];
	if (value->len < HMAC_BLOCK)
		sr_buf_append(value, zeros, HMAC_BLOCK - value->len);
}

static CK_RV import(const struct sr_caller *caller, const struct sr_buf *value, struct sr_hsm_nest *nest,
	struct sr_hsm_key **hsm, struct sr_error *err)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made = { .key = NULL };
	struct sr_hsm_place place = { .custody = SR_HSM_NEST, .nest = nest };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SECRET_KEY);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		sr_attrs_put_bool(&template, fixed[i].type, fixed[i].value);
	struct sr_attrs hsm_template = SR_ATTRS_INIT;
	sr_keyattrs_for_hsm(SR_PART_SECRET, CKK_GENERIC_SECRET, SR_HOW_IMPORT, &template, &hsm_template);
	sr_attrs_put(&hsm_template, CKA_VALUE, value->data, value->len);
	CK_RV rv = hsm_template.failed || template.failed
			   ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to use a key")
			   : sr_hsm_import(caller->vault->hsm, &place, &hsm_template, &made, err);
	if (rv == CKR_OK)
		*hsm = sr_hsm_key_ref(made.key);
	sr_attrs_clear(&template);
	sr_attrs_clear(&hsm_template);
	sr_hsm_made_clear(&made);
	return rv;
}

CK_RV sr_hmac_enter(const struct sr_caller *caller, const struct sr_key *key, struct sr_hsm_nest **nest,
	struct sr_hsm_key **hsm, struct sr_error *err)
{
	struct sr_secret_row row = { .path = "" };
	struct sr_version_row version = { .path = "" };
	struct sr_buf value = SR_BUF_INIT;
	CK_RV rv = load_sealed(caller, key, &row, &version, err);
	if (rv == CKR_OK)
		rv = open_value(caller, &row, &version, &value, err);
	if (rv == CKR_OK)
		fill_up(&value);
	if (rv == CKR_OK && value.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to use a key");
	if (rv == CKR_OK)
		rv = sr_hsm_nest_open(caller->vault->hsm, nest, err);
	if (rv == CKR_OK)
		rv = import(caller, &value, *nest, hsm, err);
	sr_buf_clear(&value);
	sr_version_row_clear(&version);
	sr_secret_row_clear(&row);
	return rv;
}
