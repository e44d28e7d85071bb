/* Keys that rotate: new material at the same path, and what the former key may still do until its grace is over. As
 * everything that makes a key: the HSM first, then one act; what comes to nothing is undone. */
#include "vault/key_work.h"

#include "util/crypto.h"
#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/freeze.h"
#include "vault/keyinfo.h"
#include "vault/keytable.h"

#include <stdio.h>
#include <string.h>

/** struct half: a part of the path as it stands. ATTRS: what its row keeps. */
struct half {
	bool there;
	struct sr_key_row row;
	struct sr_attrs attrs;
};

/** struct standing: the key of a path: HIDDEN is its private or secret key. */
struct standing {
	struct half public, hidden;
};

/** struct rotation: STANDING is what was looked at before the HSM did anything. RESTRICTED: a former key that stays in
 * the HSM, with fewer rights. */
struct rotation {
	const struct sr_caller *caller;
	const char *path;
	int64_t grace_ms;
	struct standing standing;
	struct sr_work public, hidden;
	CK_MECHANISM mechanism;
	struct sr_key_ends ends;
	struct sr_hsm_key *restricted;
	json_t *facts;
};

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to rotate a key");
}

static CK_RV prohibited(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_ACTION_PROHIBITED, reason, "key not rotated: %s", why);
}

/* -- what is asked ----------------------------------------------------------------------------------------------- */

static CK_RV take_grace(struct rotation *rotation, const struct sr_attrs *changes, struct sr_error *err)
{
	const struct sr_attr *grace = sr_attrs_find(changes, CKA_SR_GRACE);
	uint64_t seconds;
	if (changes->count != 1)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"key not rotated: CKA_SR_GRACE stands alone in the template; change attributes afterwards");
	if (!sr_text_u64((const char *)grace->value, grace->len, SR_KEY_GRACE_MAX_MS / 1000, &seconds))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION,
			"key not rotated: its grace must be 365 days at most");
	rotation->grace_ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static CK_RV check_part(enum sr_part part, struct sr_error *err)
{
	if (part != sr_part_base(part))
		return prohibited(err, SR_REASON_FORMER_KEY, "it is a former key, which stays as it is until it ends");
	if (part != SR_PART_PRIVATE && part != SR_PART_SECRET)
		return prohibited(
			err, SR_REASON_NONE, "a public key or certificate follows its private key: rotate that");
	return CKR_OK;
}

/* -- what stands there ------------------------------------------------------------------------------------------- */

static void half_clear(struct half *half)
{
	sr_key_row_clear(&half->row);
	sr_attrs_clear(&half->attrs);
	half->there = false;
}

static void standing_clear(struct standing *standing)
{
	half_clear(&standing->public);
	half_clear(&standing->hidden);
}

static CK_RV load_half(const struct rotation *rotation, const struct sr_moment *at, enum sr_part part,
	struct half *half, struct sr_error *err)
{
	bool found = false;
	CK_RV rv = sr_rows_key(rotation->caller->vault, at, rotation->path, part, &half->row, &found, err);
	half->there = rv == CKR_OK && found && half->row.state == SR_KEY_ACTIVE;
	if (!half->there || sr_keyattrs_unpack(part, half->row.attrs.data, half->row.attrs.len, &half->attrs))
		return rv;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"%.150s: the key's attributes cannot be read; restore the database from a backup", rotation->path);
}

/* PART is the hidden one's. */
static CK_RV load(const struct rotation *rotation, const struct sr_moment *at, enum sr_part part,
	struct standing *standing, struct sr_error *err)
{
	CK_RV rv = load_half(rotation, at, part, &standing->hidden, err);
	if (rv == CKR_OK && !standing->hidden.there)
		return sr_key_gone(err);
	return rv == CKR_OK && part == SR_PART_PRIVATE ? load_half(rotation, at, SR_PART_PUBLIC, &standing->public, err)
						       : rv;
}

/* It replaces the object and destroys what it was. */
static CK_RV check_half(const struct rotation *rotation, const struct half *half, struct sr_error *err)
{
	if (!half->there)
		return CKR_OK;
	if (!sr_attrs_bool(&half->attrs, CKA_MODIFIABLE, true) || !sr_attrs_bool(&half->attrs, CKA_DESTROYABLE, true))
		return prohibited(err, SR_REASON_NONE, "it is not CKA_MODIFIABLE and CKA_DESTROYABLE");
	return sr_key_clearance(rotation->caller, half->row.tier, CKR_ACTION_PROHIBITED, err);
}

/* A frozen path has a member's rotation that leaves nothing of the former key: that contains an incident. */
static CK_RV check(const struct rotation *rotation, const struct sr_moment *at, const struct standing *standing,
	struct sr_error *err)
{
	const struct sr_caller *caller = rotation->caller;
	CK_RV rv = check_half(rotation, &standing->hidden, err);
	if (rv == CKR_OK)
		rv = check_half(rotation, &standing->public, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check_writer(caller, at, rotation->path, CKR_ACTION_PROHIBITED, err);
	if (rv == CKR_OK && rotation->grace_ms)
		rv = sr_freeze_check(caller->vault, at, rotation->path, CKR_ACTION_PROHIBITED, err);
	return rv;
}

static CK_RV look(struct rotation *rotation, enum sr_part part, struct sr_error *err)
{
	struct sr_writer *writer = rotation->caller->vault->writer;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = load(rotation, &at, part, &rotation->standing, err);
	if (rv == CKR_OK)
		rv = check(rotation, &at, &rotation->standing, err);
	sr_writer_look_end(writer, &at);
	return rv;
}

/* -- the plan ---------------------------------------------------------------------------------------------------- */

static const struct {
	CK_KEY_TYPE key_type;
	CK_MECHANISM_TYPE mechanism;
} generators[] = {
	{ CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN },
	{ CKK_EC, CKM_EC_KEY_PAIR_GEN },
	{ CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN },
	{ CKK_EC_MONTGOMERY, CKM_EC_MONTGOMERY_KEY_PAIR_GEN },
	{ CKK_AES, CKM_AES_KEY_GEN },
	{ CKK_DES3, CKM_DES3_KEY_GEN },
	{ CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN },
};

static CK_RV not_generated(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_NOT_GENERATED,
		"key not rotated: the like of it is not generated here (%.200s); import a new key at another path",
		why);
}

static CK_RV find_generator(struct rotation *rotation, struct sr_error *err)
{
	CK_MECHANISM_INFO info;
	for (size_t i = 0; i < sizeof(generators) / sizeof(*generators); i++) {
		if (generators[i].key_type == (CK_KEY_TYPE)rotation->standing.hidden.row.key_type)
			rotation->mechanism.mechanism = generators[i].mechanism;
	}
	if (sr_vault_mechanism(rotation->caller->vault, rotation->mechanism.mechanism, &info))
		return CKR_OK;
	return not_generated(err, "the HSM makes no keys of its type");
}

/* A CKA_ID that came from key or unique id is the key's; one that was given is the path's, and stays. */
static bool has_own_id(const struct half *half)
{
	const struct sr_attr *spki = sr_attrs_find(&half->attrs, CKA_PUBLIC_KEY_INFO);
	const struct sr_buf *id = &half->row.id;
	uint8_t own[SR_SHA256_LEN];
	bool known = (spki && spki->len && sr_keyinfo_id(spki->value, spki->len, own)) ||
		     sr_sha256(half->row.uid, strlen(half->row.uid), own);
	return id->len == 0 || (known && id->len == SR_KEYINFO_ID_LEN && memcmp(id->data, own, id->len) == 0);
}

static bool is_dated(CK_ATTRIBUTE_TYPE type)
{
	return type == CKA_START_DATE || type == CKA_END_DATE;
}

/* What may be said of a key that is generated; its length says the type of a triple DES key. */
static void template_of(const struct half *half, struct sr_attrs *template)
{
	const struct sr_key_row *row = &half->row;
	for (size_t i = 0; i < half->attrs.count; i++) {
		const struct sr_attr *attr = &half->attrs.items[i];
		const struct sr_key_attribute *kept = sr_key_attribute(row->part, attr->type);
		bool needless = attr->type == CKA_VALUE_LEN && row->key_type == CKK_DES3;
		if (kept && (kept->flags & SR_HOW_GENERATE) && !is_dated(attr->type) && !needless)
			sr_attrs_put(template, attr->type, attr->value, attr->len);
	}
	sr_attrs_put_bool(template, CKA_TOKEN, true);
	sr_attrs_put_text(template, CKA_LABEL, row->path);
	if (row->custody != SR_CUSTODY_OPEN)
		sr_attrs_put_text(template, CKA_SR_CUSTODY, sr_custody_word(row->custody));
	if (!has_own_id(half))
		sr_attrs_put(template, CKA_ID, row->id.data, row->id.len);
}

static void copy_attr(const struct sr_attrs *from, CK_ATTRIBUTE_TYPE type, struct sr_attrs *to)
{
	const struct sr_attr *attr = sr_attrs_find(from, type);
	if (attr && attr->len)
		sr_attrs_put(to, type, attr->value, attr->len);
}

/* A path may have no public key: then the HSM is told by the private one what to make, and nobody keeps the other
 * half. */
static void template_of_missing(const struct half *hidden, struct sr_attrs *template)
{
	CK_KEY_TYPE key_type = (CK_KEY_TYPE)hidden->row.key_type;
	sr_attrs_put_bool(template, CKA_TOKEN, true);
	sr_attrs_put_text(template, CKA_LABEL, hidden->row.path);
	sr_attrs_put_bool(template, CKA_VERIFY, true);
	if (key_type == CKK_RSA && sr_attrs_find(&hidden->attrs, CKA_MODULUS))
		sr_attrs_put_ulong(template, CKA_MODULUS_BITS, sr_keyinfo_bits(key_type, &hidden->attrs));
	copy_attr(&hidden->attrs, CKA_PUBLIC_EXPONENT, template);
	copy_attr(&hidden->attrs, CKA_EC_PARAMS, template);
}

static CK_RV plan_half(const struct rotation *rotation, struct sr_work *work, enum sr_part part,
	const struct sr_attrs *template, struct sr_error *err)
{
	struct sr_making making = { NULL, sr_part_class(part), (CK_KEY_TYPE)rotation->standing.hidden.row.key_type,
		template };
	CK_RV rv = template->failed ? no_memory(err)
				    : sr_work_begin(work, rotation->caller, SR_HOW_GENERATE, part, &making, err);
	return rv == CKR_OK ? sr_work_name(work, err) : rv;
}

static CK_RV plan_public(struct rotation *rotation, struct sr_error *err)
{
	const struct standing *standing = &rotation->standing;
	struct sr_attrs template = SR_ATTRS_INIT;
	if (standing->public.there)
		template_of(&standing->public, &template);
	else
		template_of_missing(&standing->hidden, &template);
	CK_RV rv = plan_half(rotation, &rotation->public, SR_PART_PUBLIC, &template, err);
	sr_attrs_clear(&template);
	if (rv == CKR_OK)
		rv = sr_keyinfo_curve(rotation->public.plan.key_type, &rotation->public.plan.attrs, err);
	return rv == CKR_OK ? sr_keyattrs_pair(&rotation->public.plan.attrs, &rotation->hidden.plan.attrs, err) : rv;
}

static CK_RV plan_all(struct rotation *rotation, struct sr_error *err)
{
	const struct half *hidden = &rotation->standing.hidden;
	struct sr_attrs template = SR_ATTRS_INIT;
	CK_RV rv = find_generator(rotation, err);
	if (rv != CKR_OK)
		return rv;
	template_of(hidden, &template);
	rv = plan_half(rotation, &rotation->hidden, hidden->row.part, &template, err);
	sr_attrs_clear(&template);
	return rv == CKR_OK && hidden->row.part == SR_PART_PRIVATE ? plan_public(rotation, err) : rv;
}

/* What a rule of today does not let be made: the key came from elsewhere. */
static CK_RV plan(struct rotation *rotation, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = plan_all(rotation, &why);
	bool ruled = rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_TEMPLATE_INCOMPLETE ||
		     rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_CURVE_NOT_SUPPORTED ||
		     rv == CKR_DOMAIN_PARAMS_INVALID;
	if (ruled)
		return not_generated(err, why.text);
	if (rv == CKR_TOKEN_WRITE_PROTECTED)
		rv = why.rv = CKR_ACTION_PROHIBITED;
	if (rv != CKR_OK)
		*err = why;
	return rv;
}

static CK_RV generate(struct rotation *rotation, struct sr_error *err)
{
	if (rotation->standing.hidden.row.part == SR_PART_SECRET)
		return sr_work_generate(&rotation->hidden, &rotation->mechanism, err);
	return sr_work_generate_pair(&rotation->public, &rotation->hidden, &rotation->mechanism, err);
}

/* -- the former key ---------------------------------------------------------------------------------------------- */

/* What receives; 0 ends the list. */
static const CK_ATTRIBUTE_TYPE kept_rights[SR_PART_CERTIFICATE][4] = {
	[SR_PART_PRIVATE] = { CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE },
	[SR_PART_PUBLIC] = { CKA_VERIFY, CKA_VERIFY_RECOVER },
	[SR_PART_SECRET] = { CKA_VERIFY, CKA_DECRYPT, CKA_UNWRAP },
};

static bool is_kept(enum sr_part part, CK_ATTRIBUTE_TYPE right)
{
	const CK_ATTRIBUTE_TYPE *kept = kept_rights[part];
	while (*kept && *kept != right)
		kept++;
	return *kept == right;
}

/* ATTRS become a former key's; LOST: the rights that it had. Whether it has any left. */
static bool reduce(enum sr_part part, struct sr_attrs *attrs, struct sr_attrs *lost)
{
	bool any = false;
	for (size_t i = 0; i < sr_key_attribute_count; i++) {
		const struct sr_key_attribute *right = &sr_key_attributes[i];
		if (!(right->flags & SR_KEY_RIGHT) || !sr_attrs_bool(attrs, right->type, false))
			continue;
		any = any || is_kept(part, right->type);
		if (is_kept(part, right->type))
			continue;
		sr_attrs_put_bool(attrs, right->type, false);
		sr_attrs_put_bool(lost, right->type, false);
	}
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_bool(attrs, CKA_COPYABLE, false);
	if (part == SR_PART_PUBLIC)
		return any;
	sr_attrs_put_bool(attrs, CKA_EXTRACTABLE, false);
	sr_attrs_put_bool(lost, CKA_EXTRACTABLE, false);
	return any;
}

static CK_RV append(struct sr_buf *to, const struct sr_buf *from)
{
	if (from->len)
		sr_buf_append(to, from->data, from->len);
	return to->failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV copy_row(const struct sr_key_row *from, struct sr_key_row *to)
{
	*to = *from;
	to->id = to->attrs = to->blob = to->material = (struct sr_buf)SR_BUF_INIT;
	to->part = sr_part_former(from->part);
	CK_RV rv = append(&to->id, &from->id);
	if (rv == CKR_OK)
		rv = append(&to->blob, &from->blob);
	return rv == CKR_OK ? append(&to->material, &from->material) : rv;
}

/* HALF as its row is from now on: open for the grace, or a tombstone that says which key it was. */
static CK_RV make_former(struct rotation *rotation, const struct sr_moment *at, struct half *half,
	struct sr_key_row *row, struct sr_error *err)
{
	struct sr_attrs lost = SR_ATTRS_INIT;
	struct sr_now now = sr_moment_now(at);
	enum sr_part part = half->row.part;
	CK_RV rv = copy_row(&half->row, row);
	bool stays = reduce(part, &half->attrs, &lost) && rotation->grace_ms > 0;
	sr_keyattrs_pack(part, &half->attrs, &row->attrs);
	row->updated_ms = now.wall_ms;
	row->grace = sr_end_after(&now, rotation->grace_ms);
	if (rv != CKR_OK || row->attrs.failed || lost.failed)
		rv = no_memory(err);
	else if (!stays && (rv = sr_key_ends_add(&rotation->ends, &half->row, err)) == CKR_OK)
		sr_key_row_bury(row, now.wall_ms);
	if (rv == CKR_OK && stays && row->custody == SR_CUSTODY_RESIDENT) {
		rotation->restricted = sr_hsm_key_resident(row->uid, at->event_id, sr_part_class(part));
		rv = rotation->restricted ? CKR_OK : no_memory(err);
	}
	sr_attrs_clear(&lost);
	return rv;
}

static CK_RV put_former(
	struct rotation *rotation, struct sr_act *act, struct sr_moment *at, struct half *half, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	if (!half->there)
		return CKR_OK;
	CK_RV rv = make_former(rotation, at, half, &row, err);
	if (rv == CKR_OK)
		rv = sr_rows_put_key(rotation->caller->vault, at, &act->event, &row, err);
	sr_key_row_clear(&row);
	return rv;
}

/* One former key at most: an older one ends, whatever was left of its grace. */
static CK_RV end_former(
	struct rotation *rotation, struct sr_act *act, struct sr_moment *at, enum sr_part part, struct sr_error *err)
{
	struct sr_vault *vault = rotation->caller->vault;
	struct sr_key_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_key(vault, at, rotation->path, part, &row, &found, err);
	if (rv == CKR_OK && found && row.state == SR_KEY_ACTIVE) {
		rv = sr_key_ends_add(&rotation->ends, &row, err);
		sr_key_row_bury(&row, sr_moment_now(at).wall_ms);
		if (rv == CKR_OK)
			rv = sr_rows_put_key(vault, at, &act->event, &row, err);
	}
	sr_key_row_clear(&row);
	return rv;
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

static bool is_same(const struct half *now, const struct half *before)
{
	return now->there == before->there && (!now->there || now->row.mark.event_id == before->row.mark.event_id);
}

static CK_RV check_unchanged(const struct rotation *rotation, const struct standing *now, struct sr_error *err)
{
	if (is_same(&now->hidden, &rotation->standing.hidden) && is_same(&now->public, &rotation->standing.public))
		return CKR_OK;
	return prohibited(err, SR_REASON_CHANGED_MEANWHILE, "it was changed or rotated meanwhile; look, and try again");
}

static void place(struct sr_placing *placing, const struct sr_work *work)
{
	struct sr_placed *item = &placing->items[placing->count++];
	memcpy(placing->path, work->plan.path, sizeof(placing->path));
	memcpy(item->uid, work->uid, sizeof(item->uid));
	item->plan = &work->plan;
	item->made = &work->made;
}

static CK_RV put_new(struct rotation *rotation, struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct standing *standing = &rotation->standing;
	struct sr_placing placing = { .count = 0 };
	enum sr_tier tiers[2];
	if (standing->public.there) {
		tiers[placing.count] = standing->public.row.tier;
		place(&placing, &rotation->public);
	}
	tiers[placing.count] = standing->hidden.row.tier;
	place(&placing, &rotation->hidden);
	return sr_place_replace(act, at, &placing, tiers, err);
}

/* In this order, for a unique id stands in one row alone. */
static CK_RV put_all(
	struct rotation *rotation, struct sr_act *act, struct sr_moment *at, struct standing *now, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	sr_rows_subject_of_key(now->hidden.row.part, rotation->path, act->event.subject);
	for (unsigned part = SR_PART_FORMER_PRIVATE; rv == CKR_OK && part < SR_PART_COUNT; part++)
		rv = end_former(rotation, act, at, (enum sr_part)part, err);
	if (rv == CKR_OK)
		rv = put_new(rotation, act, at, err);
	if (rv == CKR_OK)
		rv = put_former(rotation, act, at, &now->public, err);
	return rv == CKR_OK ? put_former(rotation, act, at, &now->hidden, err) : rv;
}

static void describe(struct rotation *rotation, struct sr_act *act, const struct sr_moment *at)
{
	char until[SR_TIME_TEXT];
	if (rotation->grace_ms) {
		sr_text_time(sr_moment_now(at).wall_ms + rotation->grace_ms, until);
		json_object_set_new(rotation->facts, "grace_until", json_string(until));
	}
	sr_key_note(&act->event, json_incref(rotation->facts));
}

static void forget_ends(struct rotation *rotation)
{
	sr_key_ends_clear(&rotation->ends);
	sr_hsm_key_unref(rotation->restricted);
	rotation->restricted = NULL;
}

static CK_RV rotate_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct rotation *rotation = act->arg;
	struct standing now = { .public = { .there = false } };
	forget_ends(rotation);
	CK_RV rv = load(rotation, at, rotation->standing.hidden.row.part, &now, err);
	if (rv == CKR_OK)
		rv = check(rotation, at, &now, err);
	if (rv == CKR_OK)
		rv = check_unchanged(rotation, &now, err);
	if (rv == CKR_OK)
		rv = put_all(rotation, act, at, &now, err);
	if (rv == CKR_OK)
		describe(rotation, act, at);
	standing_clear(&now);
	return rv;
}

static json_t *facts_of(const struct rotation *rotation)
{
	const struct half *hidden = &rotation->standing.hidden;
	const struct sr_work *work = &rotation->hidden;
	bool pair = hidden->row.part == SR_PART_PRIVATE;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key_type", sr_key_type_word(work->key_type), "object",
		pair ? "pair" : sr_part_word(hidden->row.part), "custody", sr_custody_word(hidden->row.custody),
		"mechanism", sr_mechanism_name(rotation->mechanism.mechanism), "former_id", hidden->row.uid, "id",
		work->uid);
}

/* The row decides; what the HSM holds of a former key follows it. */
static CK_RV restrict_former(struct rotation *rotation, struct sr_error *err)
{
	struct half *hidden = &rotation->standing.hidden;
	struct sr_attrs lost = SR_ATTRS_INIT, follow = SR_ATTRS_INIT;
	if (!rotation->restricted)
		return CKR_OK;
	reduce(hidden->row.part, &hidden->attrs, &lost);
	sr_keyattrs_hsm_changes(hidden->row.part, &lost, &follow);
	CK_RV rv = lost.failed || follow.failed
			   ? no_memory(err)
			   : sr_hsm_key_restrict(rotation->caller->vault->hsm, rotation->restricted, &follow, err);
	sr_attrs_clear(&lost);
	sr_attrs_clear(&follow);
	return rv;
}

static CK_RV settle(struct rotation *rotation, struct sr_error *err)
{
	CK_RV rv = sr_key_ends_now(&rotation->ends, rotation->caller, "the key is rotated", err);
	return rv == CKR_OK ? restrict_former(rotation, err) : rv;
}

static CK_RV prepare(struct rotation *rotation, enum sr_part part, const struct sr_attrs *changes, struct sr_error *err)
{
	const uint32_t both = SR_ACTION_CREATE | SR_ACTION_DELETE; /* for it ends a key, and makes one */
	uint32_t actions = sr_key_actions(rotation->caller, rotation->path);
	CK_RV rv = actions ? check_part(part, err) : sr_key_gone(err);
	if (rv == CKR_OK && (actions & both) != both)
		rv = prohibited(
			err, SR_REASON_OUT_OF_SCOPE, "your login has not keys:create and keys:delete for this path");
	if (rv == CKR_OK)
		rv = take_grace(rotation, changes, err);
	if (rv == CKR_OK)
		rv = look(rotation, part, err);
	if (rv == CKR_OK)
		rv = plan(rotation, err);
	return rv == CKR_OK ? generate(rotation, err) : rv;
}

static CK_RV record(struct rotation *rotation, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, rotation->caller, SR_EVENT_KEY_ROTATED, rotation->path);
	act.run = rotate_run;
	act.arg = rotation;
	act.policy_change = true; /* an older database is not to bring the former key back unseen */
	if (rv == CKR_OK)
		rotation->facts = facts_of(rotation);
	if (rotation->standing.hidden.there)
		snprintf(
			act.event.tier, sizeof(act.event.tier), "%s", sr_tier_name(rotation->standing.hidden.row.tier));
	rv = sr_act_record(&act, rv, err);
	json_decref(rotation->facts);
	return rv;
}

CK_RV sr_key_rotate(const struct sr_caller *caller, const char *path, enum sr_part part, const struct sr_attrs *changes,
	struct sr_error *err)
{
	struct rotation rotation = { .caller = caller, .path = path };
	CK_RV rv = record(&rotation, prepare(&rotation, part, changes, err), err);
	if (rv == CKR_OK)
		rv = settle(&rotation, err);
	else {
		sr_work_undo(&rotation.public);
		sr_work_undo(&rotation.hidden);
	}
	forget_ends(&rotation);
	sr_work_clear(&rotation.public);
	sr_work_clear(&rotation.hidden);
	standing_clear(&rotation.standing);
	return rv;
}
