/* Keys and certificates as objects: found by label, CKA_ID, key type, or in a listing; shown; deleted. */
#include "vault/key.h"

#include "vault/each_use.h"
#include "vault/keyinfo.h"

#include <stdio.h>
#include <string.h>

/* -- many -------------------------------------------------------------------------------------------------------- */

/** struct key_search: PART is that of the rows that are given now; FORMERS: rows were met that are its former part's.
 */
struct key_search {
	const struct sr_caller *caller;
	const struct sr_moment *at;
	const struct sr_attrs *query;
	enum sr_part part;
	sr_found found;
	void *ctx;
	bool more;
	bool formers;
	CK_RV rv;
	struct sr_error *err;
};

/* What CALLER sees of a row. */
static CK_RV shown(
	const struct sr_caller *caller, const struct sr_key_row *row, struct sr_attrs *attrs, struct sr_error *err)
{
	struct sr_key *key = NULL;
	CK_RV rv = sr_key_of_row(caller, row, &key, err);
	if (rv == CKR_OK) {
		*attrs = key->attrs;
		key->attrs = (struct sr_attrs)SR_ATTRS_INIT;
	}
	sr_key_unref(key);
	return rv;
}

/* As with secrets: in a listing a row is checked when it is looked at, not before. */
static bool match_key(const struct sr_key_row *row, void *ctx)
{
	struct key_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	char id[SR_OBJECT_ID_MAX];
	search->formers = search->formers || row->part == sr_part_former(search->part);
	if (row->part != search->part || row->state != SR_KEY_ACTIVE || sr_key_actions(search->caller, row->path) == 0)
		return true;
	if (sr_key_row_ended(row, search->at))
		return true;
	search->rv = shown(search->caller, row, &attrs, search->err);
	if (search->rv == CKR_OK && sr_attrs_match(search->query, &attrs)) {
		sr_key_id_make(row->part, row->path, id);
		search->more = search->found(id, search->ctx);
	}
	sr_attrs_clear(&attrs);
	return search->rv == CKR_OK && search->more;
}

static CK_RV find_exact(struct key_search *search, const struct sr_attr *label, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	char path[SR_PATH_MAX + 1];
	bool found = false;
	if (!sr_path_valid((const char *)label->value, label->len))
		return CKR_OK;
	memcpy(path, label->value, label->len);
	path[label->len] = '\0';
	if (sr_key_actions(search->caller, path) == 0)
		return CKR_OK;
	CK_RV rv = sr_rows_key(search->caller->vault, search->at, path, search->part, &row, &found, err);
	if (rv == CKR_OK && found)
		match_key(&row, search);
	search->formers = true; /* there may be one */
	sr_key_row_clear(&row);
	return rv;
}

/* By the narrowest index there is. */
static CK_RV find_rows(struct key_search *search, struct sr_error *err)
{
	const struct sr_moment *at = search->at;
	const struct sr_store_ops *ops = search->caller->vault->store->ops;
	const struct sr_attr *label = sr_attrs_find(search->query, CKA_LABEL);
	const struct sr_attr *id = sr_attrs_find(search->query, CKA_ID);
	char prefix[SR_PATH_MAX + 1];
	if (label)
		return find_exact(search, label, err);
	if (id && id->len)
		return ops->key_by_id(at->tx, id->value, id->len, match_key, search, err);
	sr_who_prefix(search->caller->identity, SR_RESOURCE_KEYS, prefix);
	if (sr_attrs_find(search->query, CKA_KEY_TYPE))
		return ops->key_by_type(
			at->tx, prefix, sr_attrs_ulong(search->query, CKA_KEY_TYPE, 0), match_key, search, err);
	search->formers = true; /* an index range of its own */
	return ops->key_list(at->tx, prefix, search->part, match_key, search, err);
}

/* What is former comes last, so that who takes the first gets the key that is current. */
static CK_RV find_in_order(struct key_search *search, struct sr_error *err)
{
	CK_RV rv = find_rows(search, err);
	enum sr_part former = sr_part_former(search->part);
	if (rv != CKR_OK || search->rv != CKR_OK || !search->more || !search->formers || former == search->part)
		return rv;
	search->part = former;
	return find_rows(search, err);
}

static CK_RV find_part(const struct sr_caller *caller, enum sr_part part, const struct sr_attrs *query, sr_found found,
	void *ctx, struct sr_error *err)
{
	struct sr_moment at;
	struct key_search search = { caller, &at, query, part, found, ctx, true, false, CKR_OK, err };
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = find_in_order(&search, err);
	if (rv == CKR_OK)
		rv = search.rv;
	if (rv == CKR_OK && search.more && part == SR_PART_SECRET)
		rv = sr_hmac_find(caller, &at, query, found, ctx, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

/* -- one --------------------------------------------------------------------------------------------------------- */

static void view_certificate(struct sr_view *view)
{
	const struct sr_attr *value = sr_attrs_find(&view->attrs, CKA_VALUE);
	view->value = SR_VALUE_READABLE;
	view->value_len = value ? value->len : 0;
}

static size_t value_len(const struct sr_key *key)
{
	const struct sr_attr *params = sr_attrs_find(&key->attrs, CKA_EC_PARAMS);
	const struct sr_curve *curve = params ? sr_curve_find(params->value, params->len) : NULL;
	return curve ? curve->value_len : sr_attrs_ulong(&key->attrs, CKA_VALUE_LEN, 0);
}

/* CKA_VALUE of a key that is not sensitive, to who may have it: sr_key_secret's rules. */
static void view_secret(const struct sr_caller *caller, const struct sr_key *key, struct sr_view *view)
{
	const struct sr_attrs *own = &key->inside->own;
	view->value = SR_VALUE_SENSITIVE;
	view->value_reason = SR_REASON_UNEXTRACTABLE;
	if (sr_attrs_bool(own, CKA_SENSITIVE, true) || !sr_attrs_bool(own, CKA_EXTRACTABLE, false))
		return;
	view->value_reason = SR_REASON_OUT_OF_SCOPE;
	if (!(sr_key_actions(caller, key->path) & SR_ACTION_WRAP))
		return;
	view->value_reason = SR_REASON_APPROVAL_REQUIRED;
	if (key->inside->tier > sr_who_clearance(caller->identity))
		return;
	view->value = SR_VALUE_READABLE;
	view->value_reason = SR_REASON_NONE;
	view->value_len = value_len(key);
}

static CK_RV view_row(const struct sr_caller *caller, const struct sr_key_row *row, bool each_use, struct sr_view *view,
	struct sr_error *err)
{
	struct sr_key *key = NULL;
	CK_RV rv = sr_key_of_row(caller, row, &key, err);
	if (rv == CKR_OK && each_use)
		rv = sr_key_ask_each_use(key, err);
	if (rv == CKR_OK) {
		if (sr_keyattrs_is_secret(sr_part_base(row->part), CKA_VALUE) && row->key_type != CKK_RSA)
			view_secret(caller, key, view);
		view->attrs = key->attrs;
		key->attrs = (struct sr_attrs)SR_ATTRS_INIT;
		if (row->part == SR_PART_CERTIFICATE)
			view_certificate(view);
	}
	sr_key_unref(key);
	return rv;
}

static CK_RV load_one(const struct sr_caller *caller, const char *path, enum sr_part part, struct sr_key_row *row,
	bool *each_use, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_key_load(caller, &at, path, part, row, err);
	if (rv == CKR_OK)
		rv = sr_each_use_asked(caller->vault, &at, row, each_use, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

static CK_RV view_one(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const char *id,
	struct sr_view *view, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	enum sr_part part;
	bool of_secret, each_use;
	const char *path = sr_key_id_parse(object_class, id, &part, &of_secret);
	if (!path)
		return sr_key_gone(err);
	if (of_secret)
		return sr_hmac_view(caller, path, view, err);
	CK_RV rv = load_one(caller, path, part, &row, &each_use, err);
	if (rv == CKR_OK)
		rv = view_row(caller, &row, each_use, view, err);
	sr_key_row_clear(&row);
	return rv;
}

/* Who sees a certificate may have it: no event, no use. */
static CK_RV certificate_value(
	const struct sr_caller *caller, const char *id, struct sr_buf *value, struct sr_error *err)
{
	struct sr_view view = { .attrs = SR_ATTRS_INIT };
	CK_RV rv = view_one(caller, CKO_CERTIFICATE, id, &view, err);
	const struct sr_attr *attr = rv == CKR_OK ? sr_attrs_find(&view.attrs, CKA_VALUE) : NULL;
	if (attr)
		sr_buf_append(value, attr->value, attr->len);
	sr_view_clear(&view);
	return rv;
}

/* -- the classes ------------------------------------------------------------------------------------------------- */

#define KEY_CLASS(word, part, class)                                                                           \
	static CK_RV find_##word(const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, \
		void *ctx, struct sr_error *err)                                                               \
	{                                                                                                      \
		return find_part(caller, part, query, found, ctx, err);                                        \
	}                                                                                                      \
	static CK_RV view_##word(                                                                              \
		const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)    \
	{                                                                                                      \
		return view_one(caller, class, id, view, err);                                                 \
	}

KEY_CLASS(private_key, SR_PART_PRIVATE, CKO_PRIVATE_KEY)
KEY_CLASS(public_key, SR_PART_PUBLIC, CKO_PUBLIC_KEY)
KEY_CLASS(secret_key, SR_PART_SECRET, CKO_SECRET_KEY)
KEY_CLASS(certificate_object, SR_PART_CERTIFICATE, CKO_CERTIFICATE)

const struct sr_class sr_private_key_class = { .object_class = CKO_PRIVATE_KEY,
	.needs_rw = true,
	.find = find_private_key,
	.view = view_private_key,
	.set = sr_key_class_set,
	.destroy = sr_key_class_destroy };

const struct sr_class sr_public_key_class = { .object_class = CKO_PUBLIC_KEY,
	.needs_rw = true,
	.find = find_public_key,
	.view = view_public_key,
	.set = sr_key_class_set,
	.destroy = sr_key_class_destroy };

const struct sr_class sr_secret_key_class = { .object_class = CKO_SECRET_KEY,
	.needs_rw = true,
	.find = find_secret_key,
	.view = view_secret_key,
	.set = sr_key_class_set,
	.destroy = sr_key_class_destroy };

const struct sr_class sr_certificate_class = { .object_class = CKO_CERTIFICATE,
	.needs_rw = true,
	.find = find_certificate_object,
	.view = view_certificate_object,
	.value = certificate_value,
	.set = sr_key_class_set,
	.destroy = sr_key_class_destroy };
