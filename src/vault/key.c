/* A key as a call holds it: from its row, from the session, and what its holder sees of it. */
#include "vault/key.h"

#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/each_use.h"
#include "vault/freeze.h"
#include "vault/keyinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t sr_key_actions(const struct sr_caller *caller, const char *path)
{
	return sr_who_actions(caller->identity, SR_RESOURCE_KEYS, path);
}

CK_RV sr_key_gone(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such key for you");
}

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a key");
}

/* -- references -------------------------------------------------------------------------------------------------- */

struct sr_key *sr_key_new(enum sr_part part, CK_KEY_TYPE key_type)
{
	struct sr_key *key = calloc(1, sizeof(*key));
	struct sr_key_inside *inside = calloc(1, sizeof(*inside));
	if (!key || !inside) {
		free(key);
		free(inside);
		return NULL;
	}
	atomic_init(&inside->refs, 1);
	inside->part = part;
	key->inside = inside;
	key->object_class = sr_part_class(part);
	key->key_type = key_type;
	return key;
}

struct sr_key *sr_key_ref(struct sr_key *key)
{
	atomic_fetch_add(&key->inside->refs, 1);
	return key;
}

void sr_key_unref(struct sr_key *key)
{
	if (!key || atomic_fetch_sub(&key->inside->refs, 1) != 1)
		return;
	sr_hsm_key_unref(key->inside->hsm);
	sr_attrs_clear(&key->inside->own);
	sr_attrs_clear(&key->attrs);
	free(key->inside);
	free(key);
}

/* -- ids --------------------------------------------------------------------------------------------------------- */

static const char id_letters[SR_PART_COUNT] = { 'p', 'u', 's', 'c', 'P', 'U', 'S' };

void sr_key_id_make(enum sr_part part, const char *path, char id[SR_OBJECT_ID_MAX])
{
	snprintf(id, SR_OBJECT_ID_MAX, "%c:%s", id_letters[part], path);
}

const char *sr_key_id_parse(CK_OBJECT_CLASS object_class, const char *id, enum sr_part *part, bool *of_secret)
{
	*of_secret = object_class == CKO_SECRET_KEY && id[0] == 'h';
	if (!sr_class_part(object_class, part) || id[0] == '\0' || id[1] != ':')
		return NULL;
	if (id[0] == id_letters[sr_part_former(*part)])
		*part = sr_part_former(*part);
	return id[0] == id_letters[*part] || *of_secret ? id + 2 : NULL;
}

CK_OBJECT_CLASS sr_key_id_class(const char *id)
{
	for (unsigned part = 0; part < SR_PART_COUNT; part++) {
		if (id[0] == id_letters[part])
			return sr_part_class((enum sr_part)part);
	}
	return CKO_SECRET_KEY;
}

/* -- from a row -------------------------------------------------------------------------------------------------- */

/* A critical private key asks for the credential at each use, whatever its template said (docs/keys.md). */
static void put_row(const struct sr_key_row *row, struct sr_attrs *attrs)
{
	bool certificate = row->part == SR_PART_CERTIFICATE;
	sr_attrs_put_ulong(attrs, CKA_CLASS, sr_part_class(row->part));
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_ulong(attrs, certificate ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE, (CK_ULONG)row->key_type);
	sr_attrs_put_text(attrs, CKA_LABEL, row->path);
	sr_attrs_put_text(attrs, CKA_UNIQUE_ID, row->uid);
	sr_attrs_put(attrs, CKA_ID, row->id.data, row->id.len);
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	sr_attrs_put_text(attrs, CKA_SR_CUSTODY, sr_custody_word(row->custody));
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_UPDATED_AT, row->updated_ms);
	if (sr_part_base(row->part) == SR_PART_PRIVATE && row->tier == SR_TIER_CRITICAL)
		sr_attrs_put_bool(attrs, CKA_ALWAYS_AUTHENTICATE, true);
	if (row->grace.wall_ms)
		sr_attrs_put_time(attrs, CKA_SR_GRACE_UNTIL, row->grace.wall_ms);
}

CK_RV sr_key_row_attrs(const struct sr_key_row *row, struct sr_attrs *attrs, struct sr_error *err)
{
	if (!sr_keyattrs_unpack(sr_part_base(row->part), row->attrs.data, row->attrs.len, attrs))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"%s:%.150s: its attributes cannot be read; restore the database from a backup",
			sr_part_word(row->part), row->path);
	put_row(row, attrs);
	return attrs->failed ? no_memory(err) : CKR_OK;
}

struct sr_hsm_key *sr_key_row_hsm(const struct sr_key_row *row, const struct sr_attrs *attrs)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_key *key = NULL;
	uint64_t generation = row->mark.event_id;
	if (row->custody == SR_CUSTODY_RESIDENT)
		return sr_hsm_key_resident(row->uid, generation, sr_part_class(row->part));
	sr_keyattrs_for_hsm(sr_part_base(row->part), (CK_KEY_TYPE)row->key_type,
		row->custody == SR_CUSTODY_OPEN ? SR_HOW_IMPORT : SR_HOW_UNWRAP, attrs, &template);
	if (!template.failed && row->custody == SR_CUSTODY_OPEN)
		key = sr_hsm_key_open(row->uid, generation, &template);
	else if (!template.failed)
		key = sr_hsm_key_wrapped(row->uid, generation, &row->blob, &template);
	sr_attrs_clear(&template);
	return key;
}

/* What the scope leaves of the rights, and of what else may be done to the object. */
static void show(const struct sr_key_inside *inside, uint32_t actions, struct sr_attrs *shown)
{
	const struct sr_attrs *own = &inside->own;
	bool may_make = (actions & SR_ACTION_CREATE) != 0;
	sr_keyattrs_show(inside->part, own, actions, shown);
	sr_attrs_put_bool(shown, CKA_MODIFIABLE, may_make && sr_attrs_bool(own, CKA_MODIFIABLE, true));
	sr_attrs_put_bool(shown, CKA_COPYABLE, may_make && sr_attrs_bool(own, CKA_COPYABLE, true));
	sr_attrs_put_bool(
		shown, CKA_DESTROYABLE, (actions & SR_ACTION_DELETE) && sr_attrs_bool(own, CKA_DESTROYABLE, true));
}

static CK_RV fill_from_row(
	const struct sr_caller *caller, const struct sr_key_row *row, struct sr_key *key, struct sr_error *err)
{
	struct sr_key_inside *inside = key->inside;
	memcpy(key->path, row->path, sizeof(key->path));
	memcpy(inside->uid, row->uid, sizeof(inside->uid));
	inside->tier = row->tier;
	inside->custody = row->custody;
	inside->made_by = row->mark.event_id;
	inside->former = row->part != inside->part;
	CK_RV rv = sr_key_row_attrs(row, &inside->own, err);
	if (rv != CKR_OK)
		return rv;
	show(inside, sr_key_actions(caller, row->path), &key->attrs);
	key->always_authenticate = sr_attrs_bool(&inside->own, CKA_ALWAYS_AUTHENTICATE, false);
	if (row->part != SR_PART_CERTIFICATE) {
		inside->hsm = sr_key_row_hsm(row, &inside->own);
		if (!inside->hsm)
			return no_memory(err);
	}
	return key->attrs.failed ? no_memory(err) : CKR_OK;
}

CK_RV sr_key_of_row(
	const struct sr_caller *caller, const struct sr_key_row *row, struct sr_key **key, struct sr_error *err)
{
	*key = sr_key_new(sr_part_base(row->part), (CK_KEY_TYPE)row->key_type);
	CK_RV rv = *key ? fill_from_row(caller, row, *key, err) : no_memory(err);
	if (rv != CKR_OK) {
		sr_key_unref(*key);
		*key = NULL;
	}
	return rv;
}

CK_RV sr_key_ask_each_use(struct sr_key *key, struct sr_error *err)
{
	sr_attrs_put_bool(&key->inside->own, CKA_ALWAYS_AUTHENTICATE, true);
	sr_attrs_put_bool(&key->attrs, CKA_ALWAYS_AUTHENTICATE, true);
	key->always_authenticate = true;
	return key->inside->own.failed || key->attrs.failed ? no_memory(err) : CKR_OK;
}

bool sr_key_row_ended(const struct sr_key_row *row, const struct sr_moment *at)
{
	return row->part != sr_part_base(row->part) &&
	       (sr_who_ended(&row->grace, at) || row->grace.wall_ms - sr_moment_now(at).wall_ms > SR_KEY_GRACE_MAX_MS);
}

enum sr_part sr_key_row_part(const struct sr_key *key)
{
	return key->inside->former ? sr_part_former(key->inside->part) : key->inside->part;
}

CK_RV sr_key_load(const struct sr_caller *caller, const struct sr_moment *at, const char *path, enum sr_part part,
	struct sr_key_row *row, struct sr_error *err)
{
	bool found = false;
	if (!sr_path_valid(path, strlen(path)) || sr_key_actions(caller, path) == 0)
		return sr_key_gone(err);
	CK_RV rv = sr_rows_key(caller->vault, at, path, part, row, &found, err);
	bool there = found && row->state == SR_KEY_ACTIVE && !sr_key_row_ended(row, at);
	return rv == CKR_OK && !there ? sr_key_gone(err) : rv;
}

static CK_RV make_opened(const struct sr_caller *caller, const struct sr_key_row *row, const struct sr_moment *at,
	bool each_use, bool frozen, struct sr_key **key, struct sr_error *err)
{
	CK_RV rv = sr_key_of_row(caller, row, key, err);
	if (rv != CKR_OK)
		return rv;
	memcpy((*key)->inside->root, at->root, sizeof(at->root));
	(*key)->inside->frozen = frozen;
	if (each_use)
		rv = sr_key_ask_each_use(*key, err);
	if (rv != CKR_OK) {
		sr_key_unref(*key);
		*key = NULL;
	}
	return rv;
}

static CK_RV open_row(
	const struct sr_caller *caller, const char *path, enum sr_part part, struct sr_key **key, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	struct sr_moment at;
	bool each_use = false, frozen = false;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_key_load(caller, &at, path, part, &row, err);
	if (rv == CKR_OK)
		rv = sr_each_use_asked(caller->vault, &at, &row, &each_use, err);
	if (rv == CKR_OK && sr_part_base(part) != SR_PART_PUBLIC)
		rv = sr_freeze_asked(caller->vault, &at, path, &frozen, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK)
		rv = make_opened(caller, &row, &at, each_use, frozen, key, err);
	if (rv == CKR_OK && !(*key)->inside->former) /* which ends without a record */
		sr_kept_add_key(&caller->identity->kept, &at, *key);
	sr_key_row_clear(&row);
	return rv;
}

CK_RV sr_key_open(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const char *id, struct sr_key **key,
	struct sr_error *err)
{
	struct sr_moment at;
	enum sr_part part;
	bool of_secret;
	const char *path = sr_key_id_parse(object_class, id, &part, &of_secret);
	*key = NULL;
	if (!path || part == SR_PART_CERTIFICATE)
		return sr_key_gone(err);
	if (of_secret)
		return sr_hmac_open(caller, path, key, err);
	CK_RV rv = sr_writer_glance(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	*key = sr_kept_key(&caller->identity->kept, &at, path, part);
	return *key ? CKR_OK : open_row(caller, path, part, key, err);
}

/* -- of the session ---------------------------------------------------------------------------------------------- */

CK_RV sr_key_of_session(
	const struct sr_plan *plan, const char *uid, struct sr_hsm_key *hsm, struct sr_key **key, struct sr_error *err)
{
	*key = sr_key_new(plan->part, plan->key_type);
	if (!*key)
		return no_memory(err);
	struct sr_key_inside *inside = (*key)->inside;
	snprintf(inside->uid, sizeof(inside->uid), "%s", uid);
	inside->custody = SR_CUSTODY_OPEN;
	inside->hsm = sr_hsm_key_ref(hsm);
	/* a session's object has the rights that it has: no scope stands over it */
	sr_keyattrs_show(plan->part, &plan->attrs, ~0u, &inside->own);
	sr_attrs_put_text(&inside->own, CKA_UNIQUE_ID, uid);
	sr_keyattrs_show(plan->part, &inside->own, ~0u, &(*key)->attrs);
	(*key)->always_authenticate = sr_attrs_bool(&inside->own, CKA_ALWAYS_AUTHENTICATE, false);
	if (!inside->own.failed && !(*key)->attrs.failed)
		return CKR_OK;
	sr_key_unref(*key);
	*key = NULL;
	return no_memory(err);
}
