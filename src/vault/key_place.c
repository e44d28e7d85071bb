/* A path and what it holds: whether there is room for a part, whose key it is, what tier it had; and rows put there. */
#include "vault/freeze.h"
#include "vault/key.h"

#include <stdio.h>
#include <string.h>

/** struct standing: the parts of a path as they are, those that are not there with PART_THERE false. FLOOR: the highest
 * tier that anything there has or had. */
struct standing {
	bool there[SR_PART_COUNT];
	struct sr_attrs attrs[SR_PART_COUNT];
	char uid[SR_PART_COUNT][SR_UID_MAX];
	bool secret;
	enum sr_tier floor;
};

static void standing_clear(struct standing *standing)
{
	for (unsigned part = 0; part < SR_PART_COUNT; part++)
		sr_attrs_clear(&standing->attrs[part]);
}

static void raise_floor(struct standing *standing, enum sr_tier tier)
{
	if (tier > standing->floor)
		standing->floor = tier;
}

/* -- looking ----------------------------------------------------------------------------------------------------- */

static CK_RV look_part(struct sr_vault *vault, const struct sr_moment *at, const char *path, enum sr_part part,
	struct standing *standing, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_key(vault, at, path, part, &row, &found, err);
	if (rv == CKR_OK && found) {
		raise_floor(standing, row.tier);
		standing->there[part] = row.state == SR_KEY_ACTIVE && !sr_key_row_ended(&row, at);
		if (standing->there[part])
			rv = sr_key_row_attrs(&row, &standing->attrs[part], err);
	}
	sr_key_row_clear(&row);
	return rv;
}

static CK_RV look_keys(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct standing *standing,
	struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (unsigned part = 0; rv == CKR_OK && part < SR_PART_COUNT; part++)
		rv = look_part(vault, at, path, (enum sr_part)part, standing, err);
	return rv;
}

static CK_RV look(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct standing *standing,
	struct sr_error *err)
{
	struct sr_secret_row secret = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_secret(vault, at, path, &secret, &found, err);
	if (rv == CKR_OK && found) {
		standing->secret = secret.state == SR_SECRET_ACTIVE;
		raise_floor(standing, secret.tier);
	}
	sr_secret_row_clear(&secret);
	return rv == CKR_OK ? look_keys(vault, at, path, standing, err) : rv;
}

CK_RV sr_place_has_key(struct sr_vault *vault, const struct sr_moment *at, const char *path, bool *taken,
	enum sr_tier *floor, struct sr_error *err)
{
	struct standing standing = { .secret = false };
	CK_RV rv = look_keys(vault, at, path, &standing, err);
	*taken = false;
	for (unsigned part = 0; part < SR_PART_COUNT; part++)
		*taken = *taken || standing.there[part];
	*floor = standing.floor;
	standing_clear(&standing);
	return rv;
}

/* -- judging ----------------------------------------------------------------------------------------------------- */

static CK_RV taken(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_PATH_TAKEN, "key not made: %s; use another path", why);
}

/* Two halves at one path are of one pair; a certificate may be of any key (a renewed one, an issuer's). Where the HSM
 * does not tell the public key of a private one (it was unwrapped), there is nothing to compare. */
static CK_RV same_pair(const struct sr_attrs *one, const struct sr_attrs *other, struct sr_error *err)
{
	const struct sr_attr *a = sr_attrs_find(one, CKA_PUBLIC_KEY_INFO);
	const struct sr_attr *b = sr_attrs_find(other, CKA_PUBLIC_KEY_INFO);
	if (!a || !b || !a->len || !b->len || (a->len == b->len && memcmp(a->value, b->value, a->len) == 0))
		return CKR_OK;
	return taken(err, "the path holds the other half of another key pair");
}

static CK_RV judge_halves(
	const struct sr_attrs *public_attrs, const struct sr_attrs *private_attrs, struct sr_error *err)
{
	CK_RV rv = same_pair(public_attrs, private_attrs, err);
	return rv == CKR_OK ? sr_keyattrs_pair(public_attrs, private_attrs, err) : rv;
}

static CK_RV judge_part(const struct standing *standing, const struct sr_plan *plan, struct sr_error *err)
{
	bool key_there = standing->there[SR_PART_PRIVATE] || standing->there[SR_PART_SECRET];
	if (standing->secret)
		return taken(err, "the path holds a secret");
	if (standing->there[plan->part])
		return taken(err, "the path holds such an object already");
	if (key_there && (plan->part == SR_PART_PRIVATE || plan->part == SR_PART_SECRET))
		return taken(err, "the path holds a key already");
	if (plan->part == SR_PART_PUBLIC && standing->there[SR_PART_PRIVATE])
		return judge_halves(&plan->attrs, &standing->attrs[SR_PART_PRIVATE], err);
	if (plan->part == SR_PART_PRIVATE && standing->there[SR_PART_PUBLIC])
		return judge_halves(&standing->attrs[SR_PART_PUBLIC], &plan->attrs, err);
	return CKR_OK;
}

/* The tier of a path outlives what it held, and holds for all its parts. */
static CK_RV judge_tier(const struct sr_caller *caller, const struct standing *standing, const struct sr_plan *plan,
	struct sr_error *err)
{
	if (plan->has_tier && plan->tier < standing->floor)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_TIER_LOWERED,
			"key not made: the tier of this path is %s, and it cannot be lowered; leave the tier out, or "
			"use another path",
			sr_tier_name(standing->floor));
	return sr_key_clearance(caller, standing->floor, CKR_TOKEN_WRITE_PROTECTED, err);
}

static CK_RV judge(const struct sr_caller *caller, const struct sr_placing *placing, const struct standing *standing,
	struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < placing->count; i++) {
		rv = judge_part(standing, placing->items[i].plan, err);
		if (rv == CKR_OK)
			rv = judge_tier(caller, standing, placing->items[i].plan, err);
	}
	return rv;
}

CK_RV sr_place_free(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_placing *placing,
	struct sr_error *err)
{
	struct standing standing = { .secret = false };
	CK_RV rv = look(caller->vault, at, placing->path, &standing, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(caller, at, placing->path, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		rv = judge(caller, placing, &standing, err);
	standing_clear(&standing);
	return rv;
}

/* -- equal material ---------------------------------------------------------------------------------------------- */

struct twin_search {
	const struct sr_caller *caller;
	const struct sr_moment *at;
	const struct sr_plan *plan;
	CK_RV rv;
	struct sr_error *err;
};

static CK_RV other(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, reason, "key not made: the vault holds this key, %s", why);
}

/* No list allows everything; so where the vault's key has one, this has one that is no longer. */
static bool allows_less(const struct sr_attrs *attrs, const struct sr_attrs *limit)
{
	const struct sr_attr *list = sr_attrs_find(attrs, CKA_ALLOWED_MECHANISMS);
	const struct sr_attr *allowed = sr_attrs_find(limit, CKA_ALLOWED_MECHANISMS);
	const size_t size = sizeof(CK_MECHANISM_TYPE);
	if (!allowed || !allowed->len)
		return true;
	for (size_t i = 0; list && i + size <= list->len; i += size) {
		size_t k = 0;
		while (k + size <= allowed->len && memcmp(list->value + i, allowed->value + k, size) != 0)
			k += size;
		if (k + size > allowed->len)
			return false;
	}
	return list && list->len;
}

/* What comes in is a key that the vault has: it may do here what its maker may do with that one, and is guarded no
 * less. In a session its uses would have no record. */
static CK_RV judge_same(const struct sr_caller *caller, const struct sr_plan *plan, const struct sr_key_row *row,
	const struct sr_attrs *attrs, struct sr_error *err)
{
	struct sr_attrs limit = SR_ATTRS_INIT;
	enum sr_tier tier = plan->has_tier ? plan->tier : SR_TIER_STANDARD;
	CK_RV rv = CKR_OK;
	sr_keyattrs_show(row->part, attrs, caller->identity ? sr_key_actions(caller, row->path) : 0, &limit);
	if (limit.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to compare keys");
	else if (!plan->token)
		rv = other(err, SR_REASON_RIGHTS, "which is not for the session: make it at a path (CKA_TOKEN true)");
	else if (tier < row->tier)
		rv = other(err, SR_REASON_TIER_LOWERED, "of a higher tier: name that one");
	else if (!sr_keyattrs_within(&plan->attrs, &limit))
		rv = other(err, SR_REASON_RIGHTS, "and there you have fewer rights; ask for those alone");
	else if (!allows_less(&plan->attrs, attrs))
		rv = other(err, SR_REASON_RIGHTS, "with fewer CKA_ALLOWED_MECHANISMS; ask for those alone");
	else if (sr_attrs_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false) &&
		 !sr_attrs_bool(&plan->attrs, CKA_ALWAYS_AUTHENTICATE, false))
		rv = other(err, SR_REASON_RIGHTS, "with CKA_ALWAYS_AUTHENTICATE: ask for that too");
	sr_attrs_clear(&limit);
	return rv;
}

static bool judge_twin(const struct sr_key_row *row, void *ctx)
{
	struct twin_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	search->rv = sr_rows_check_key(search->caller->vault, search->at, row, search->err);
	if (search->rv == CKR_OK)
		search->rv = sr_key_row_attrs(row, &attrs, search->err);
	if (search->rv == CKR_OK)
		search->rv = judge_same(search->caller, search->plan, row, &attrs, search->err);
	sr_attrs_clear(&attrs);
	return search->rv == CKR_OK;
}

CK_RV sr_place_material(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_buf *material,
	const struct sr_plan *plan, struct sr_error *err)
{
	struct twin_search search = { caller, at, plan, CKR_OK, err };
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && search.rv == CKR_OK && i + SR_HASH_LEN <= material->len; i += SR_HASH_LEN)
		rv = caller->vault->store->ops->key_by_material(
			at->tx, material->data + i, SR_HASH_LEN, judge_twin, &search, err);
	return search.rv != CKR_OK ? search.rv : rv;
}

/* -- putting ----------------------------------------------------------------------------------------------------- */

static void append(struct sr_buf *to, const void *data, size_t len)
{
	if (len)
		sr_buf_append(to, data, len);
}

static void fill_row(const struct sr_placing *placing, const struct sr_placed *item, enum sr_tier tier, int64_t ms,
	struct sr_key_row *row)
{
	const struct sr_plan *plan = item->plan;
	const struct sr_attr *id = sr_attrs_find(&plan->attrs, CKA_ID);
	memcpy(row->path, placing->path, sizeof(row->path));
	memcpy(row->uid, item->uid, sizeof(row->uid));
	row->part = plan->part;
	row->key_type = plan->key_type;
	row->custody = plan->custody;
	row->tier = tier;
	row->state = SR_KEY_ACTIVE;
	row->created_ms = row->updated_ms = ms;
	if (id)
		append(&row->id, id->value, id->len);
	sr_keyattrs_pack(plan->part, &plan->attrs, &row->attrs);
	if (!item->made)
		return;
	append(&row->blob, item->made->blob.data, item->made->blob.len);
	/* by the newest generation; what follows is for a look-up */
	if (item->made->material.len >= SR_HASH_LEN)
		append(&row->material, item->made->material.data, SR_HASH_LEN);
	row->material_generation = row->material.len ? item->made->generation : 0;
}

static CK_RV check_row(const struct sr_key_row *row, struct sr_error *err)
{
	if (row->id.failed || row->attrs.failed || row->blob.failed || row->material.failed)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to store a key");
	if (row->id.len <= SR_KEY_ID_MAX && row->attrs.len <= SR_KEY_ATTRS_MAX && row->blob.len <= SR_KEY_BLOB_MAX)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
		"key not made: its attributes together are more than 64 KiB, or its CKA_ID more than 4 KiB");
}

static CK_RV put_one(struct sr_act *act, struct sr_moment *at, const struct sr_placing *placing,
	const struct sr_placed *item, enum sr_tier floor, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	int64_t ms = at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms;
	enum sr_tier tier = item->plan->has_tier && item->plan->tier > floor ? item->plan->tier : floor;
	fill_row(placing, item, tier, ms, &row);
	CK_RV rv = check_row(&row, err);
	snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(tier));
	if (rv == CKR_OK)
		rv = sr_rows_put_key(act->caller->vault, at, &act->event, &row, err);
	sr_key_row_clear(&row);
	return rv;
}

CK_RV sr_place_put(struct sr_act *act, struct sr_moment *at, const struct sr_placing *placing, struct sr_error *err)
{
	struct standing standing = { .secret = false };
	CK_RV rv = look(act->caller->vault, at, placing->path, &standing, err);
	if (rv == CKR_OK)
		rv = judge(act->caller, placing, &standing, err);
	/* one tier for the whole path: what one half asks for the other has too */
	for (size_t i = 0; i < placing->count; i++) {
		if (placing->items[i].plan->has_tier)
			raise_floor(&standing, placing->items[i].plan->tier);
	}
	for (size_t i = 0; rv == CKR_OK && i < placing->count; i++)
		rv = put_one(act, at, placing, &placing->items[i], standing.floor, err);
	standing_clear(&standing);
	return rv;
}

CK_RV sr_place_replace(struct sr_act *act, struct sr_moment *at, const struct sr_placing *placing,
	const enum sr_tier tiers[], struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < placing->count; i++)
		rv = put_one(act, at, placing, &placing->items[i], tiers[i], err);
	return rv;
}
