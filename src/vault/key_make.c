/* Making keys: generated, imported, copied, unwrapped, derived. */
#include "vault/key_work.h"
#include "vault/keyinfo.h"

#include <stdlib.h>
#include <string.h>

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a key");
}

/* -- nests ------------------------------------------------------------------------------------------------------- */

CK_RV sr_nest_open(struct sr_vault *vault, struct sr_nest **nest, struct sr_error *err)
{
	*nest = calloc(1, sizeof(**nest));
	if (!*nest)
		return no_memory(err);
	CK_RV rv = sr_hsm_nest_open(vault->hsm, &(*nest)->hsm, err);
	if (rv != CKR_OK) {
		free(*nest);
		*nest = NULL;
	}
	return rv;
}

void sr_nest_close(struct sr_nest *nest)
{
	if (nest)
		sr_hsm_nest_close(nest->hsm);
	free(nest);
}

/* -- one key ----------------------------------------------------------------------------------------------------- */

static CK_RV part_of(CK_OBJECT_CLASS object_class, enum sr_part *part, struct sr_error *err)
{
	if (sr_class_part(object_class, part))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"key not made: keys are private, public or secret");
}

CK_RV sr_work_generate(struct sr_work *work, const CK_MECHANISM *mechanism, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(work);
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_plan_history(&work->plan, SR_HOW_GENERATE, mechanism->mechanism, NULL);
	sr_work_template(work, &template);
	CK_RV rv = template.failed
			   ? no_memory(err)
			   : sr_hsm_generate(work->caller->vault->hsm, &place, mechanism, &template, &work->made, err);
	sr_attrs_clear(&template);
	return rv == CKR_OK ? sr_work_complete(work, err) : rv;
}

CK_RV sr_key_generate(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_new_key *made, struct sr_error *err)
{
	struct sr_work work = { .caller = caller };
	struct sr_work_job job = {
		.kind = SR_EVENT_KEY_GENERATED, .works = { &work }, .count = 1, .mechanism = mechanism
	};
	struct sr_new_key *const out[2] = { made, NULL };
	enum sr_part part;
	CK_RV rv = part_of(making->object_class, &part, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_work_begin(&work, caller, SR_HOW_GENERATE, part, making, err);
	if (rv == CKR_OK)
		rv = sr_work_name(&work, err);
	if (rv == CKR_OK)
		rv = sr_work_ready(&job, err);
	if (rv == CKR_OK)
		rv = sr_work_generate(&work, mechanism, err);
	rv = sr_work_finish(&job, rv, out, err);
	sr_work_clear(&work);
	return rv;
}

/* -- a pair ------------------------------------------------------------------------------------------------------ */

/* Both halves of a pair of vault objects stand at one path: the one that a label names, or one that is made up. */
static CK_RV share_path(struct sr_work *public_half, struct sr_work *private_half, struct sr_error *err)
{
	char *a = public_half->plan.path, *b = private_half->plan.path;
	if (!public_half->token || !private_half->token)
		return CKR_OK;
	if (a[0] && b[0] && strcmp(a, b) != 0)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_PATH,
			"key pair not made: its halves share one path, so their labels cannot differ");
	if (!b[0])
		memcpy(b, a, SR_PATH_MAX + 1);
	CK_RV rv = sr_work_name(private_half, err);
	memcpy(a, b, SR_PATH_MAX + 1);
	return rv;
}

static CK_RV begin_pair(const struct sr_caller *caller, const struct sr_making *public_making,
	const struct sr_making *private_making, struct sr_work *public_half, struct sr_work *private_half,
	struct sr_error *err)
{
	CK_RV rv = sr_work_begin(public_half, caller, SR_HOW_GENERATE, SR_PART_PUBLIC, public_making, err);
	/* the second too, so that the record knows its path */
	struct sr_error second = SR_ERROR_INIT;
	CK_RV next = sr_work_begin(private_half, caller, SR_HOW_GENERATE, SR_PART_PRIVATE, private_making, &second);
	if (rv == CKR_OK && next != CKR_OK)
		*err = second;
	rv = rv == CKR_OK ? next : rv;
	if (rv == CKR_OK)
		rv = share_path(public_half, private_half, err);
	if (rv == CKR_OK)
		rv = sr_work_name(public_half, err);
	if (rv == CKR_OK)
		rv = sr_work_name(private_half, err);
	if (rv == CKR_OK)
		rv = sr_keyinfo_curve(public_half->plan.key_type, &public_half->plan.attrs, err);
	return rv == CKR_OK ? sr_keyattrs_pair(&public_half->plan.attrs, &private_half->plan.attrs, err) : rv;
}

static void copy_attr(const struct sr_attrs *from, CK_ATTRIBUTE_TYPE type, struct sr_attrs *to)
{
	const struct sr_attr *attr = sr_attrs_find(from, type);
	if (attr && attr->len)
		sr_attrs_put(to, type, attr->value, attr->len);
}

static void share_id(struct sr_attrs *one, struct sr_attrs *other)
{
	const struct sr_attr *id = sr_attrs_find(other, CKA_ID);
	if (!id || !id->len)
		copy_attr(one, CKA_ID, other);
}

/* The public components into both halves, and one CKA_ID where it was left out. */
static CK_RV complete_pair(struct sr_work *public_half, struct sr_work *private_half, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE components[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_POINT };
	struct sr_attrs *a = &public_half->plan.attrs, *b = &private_half->plan.attrs;
	for (size_t i = 0; i < sizeof(components) / sizeof(*components); i++)
		copy_attr(&public_half->made.attrs, components[i], a);
	CK_RV rv = sr_keyinfo_public(public_half->plan.key_type, a, err);
	if (rv != CKR_OK)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"key pair not made: the HSM's public key cannot be read");
	copy_attr(a, CKA_MODULUS, b);
	copy_attr(a, CKA_PUBLIC_EXPONENT, b);
	copy_attr(a, CKA_EC_PARAMS, b);
	copy_attr(a, CKA_PUBLIC_KEY_INFO, b);
	share_id(a, b);
	share_id(b, a);
	sr_work_identify(public_half);
	sr_work_identify(private_half);
	return a->failed || b->failed ? no_memory(err) : CKR_OK;
}

static CK_RV hsm_generate_pair(
	struct sr_work *public_half, struct sr_work *private_half, const CK_MECHANISM *mechanism, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(private_half);
	struct sr_attrs public_template = SR_ATTRS_INIT, private_template = SR_ATTRS_INIT;
	sr_plan_history(&public_half->plan, SR_HOW_GENERATE, mechanism->mechanism, NULL);
	sr_plan_history(&private_half->plan, SR_HOW_GENERATE, mechanism->mechanism, NULL);
	sr_work_template(public_half, &public_template);
	sr_work_template(private_half, &private_template);
	CK_RV rv = public_template.failed || private_template.failed
			   ? no_memory(err)
			   : sr_hsm_generate_pair(private_half->caller->vault->hsm, &place, mechanism, &public_template,
				     &private_template, &public_half->made, &private_half->made, err);
	sr_attrs_clear(&public_template);
	sr_attrs_clear(&private_template);
	return rv == CKR_OK ? complete_pair(public_half, private_half, err) : rv;
}

/* A public half at a path stands in its row; a session's is one whose components are at hand, wherever the private half
 * is. So nothing of it stays in the HSM that the HSM made beside the private half. */
static CK_RV reopen_public(struct sr_work *work, struct sr_error *err)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_error ignored = SR_ERROR_INIT;
	if (work->made.key)
		(void)sr_hsm_key_destroy(work->caller->vault->hsm, work->made.key, &ignored);
	sr_hsm_key_unref(work->made.key);
	work->made.key = NULL;
	if (work->token)
		return CKR_OK;
	sr_keyattrs_for_hsm(SR_PART_PUBLIC, work->plan.key_type, SR_HOW_IMPORT, &work->plan.attrs, &template);
	if (!template.failed)
		work->made.key = sr_hsm_key_open(work->uid, 0, &template);
	sr_attrs_clear(&template);
	return work->made.key ? CKR_OK : no_memory(err);
}

CK_RV sr_work_generate_pair(
	struct sr_work *public_half, struct sr_work *private_half, const CK_MECHANISM *mechanism, struct sr_error *err)
{
	CK_RV rv = hsm_generate_pair(public_half, private_half, mechanism, err);
	return rv == CKR_OK ? reopen_public(public_half, err) : rv;
}

CK_RV sr_key_generate_pair(const struct sr_caller *caller, const struct sr_making *public_making,
	const struct sr_making *private_making, const CK_MECHANISM *mechanism, struct sr_new_key *public_made,
	struct sr_new_key *private_made, struct sr_error *err)
{
	struct sr_work public_half = { .caller = caller }, private_half = { .caller = caller };
	struct sr_work_job job = { .kind = SR_EVENT_KEY_GENERATED,
		.works = { &public_half, &private_half },
		.count = 2,
		.mechanism = mechanism };
	struct sr_new_key *const out[2] = { public_made, private_made };
	CK_RV rv = begin_pair(caller, public_making, private_making, &public_half, &private_half, err);
	if (rv == CKR_OK)
		rv = sr_work_ready(&job, err);
	if (rv == CKR_OK)
		rv = sr_work_generate_pair(&public_half, &private_half, mechanism, err);
	rv = sr_work_finish(&job, rv, out, err);
	sr_work_clear(&public_half);
	sr_work_clear(&private_half);
	return rv;
}

/* -- from outside ------------------------------------------------------------------------------------------------ */

static CK_RV look_at_components(struct sr_work *work, struct sr_error *err)
{
	struct sr_plan *plan = &work->plan;
	const struct sr_attr *value = sr_attrs_find(&plan->material, CKA_VALUE);
	switch (plan->part) {
	case SR_PART_PRIVATE:
		return sr_keyinfo_private(plan->key_type, &plan->attrs, &plan->material, err);
	case SR_PART_PUBLIC:
		return sr_keyinfo_public(plan->key_type, &plan->attrs, err);
	case SR_PART_CERTIFICATE:
		return sr_keyinfo_certificate(&plan->attrs, err);
	default:
		sr_attrs_put_ulong(&plan->attrs, CKA_VALUE_LEN, value ? value->len : 0);
		return CKR_OK;
	}
}

/* A private or secret key goes into the HSM; what is public stands in its row or its template. */
static CK_RV hsm_import(struct sr_work *work, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(work);
	struct sr_attrs template = SR_ATTRS_INIT;
	CK_RV rv = CKR_OK;
	if (work->plan.part == SR_PART_CERTIFICATE)
		return CKR_OK;
	if (work->plan.part == SR_PART_PUBLIC)
		return reopen_public(work, err);
	sr_work_template(work, &template);
	rv = template.failed ? no_memory(err)
			     : sr_hsm_import(work->caller->vault->hsm, &place, &template, &work->made, err);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV import(struct sr_work *work, struct sr_work_job *job, struct sr_error *err)
{
	CK_RV rv = look_at_components(work, err);
	if (rv == CKR_OK)
		rv = sr_work_name(work, err);
	sr_plan_history(&work->plan, SR_HOW_IMPORT, CK_UNAVAILABLE_INFORMATION, NULL);
	sr_work_identify(work);
	if (rv == CKR_OK && work->plan.attrs.failed)
		rv = no_memory(err);
	if (rv == CKR_OK)
		rv = sr_work_ready(job, err);
	return rv == CKR_OK ? hsm_import(work, err) : rv;
}

/* A session's certificate is its attributes and nothing more. */
static void hold(const struct sr_work *work, struct sr_attrs *held)
{
	const struct sr_attrs *attrs = &work->plan.attrs;
	for (size_t i = 0; i < attrs->count; i++)
		sr_attrs_put(held, attrs->items[i].type, attrs->items[i].value, attrs->items[i].len);
	sr_attrs_put_text(held, CKA_UNIQUE_ID, work->uid);
}

CK_RV sr_key_import(const struct sr_caller *caller, const struct sr_making *making, struct sr_new_key *made,
	struct sr_attrs *held, struct sr_error *err)
{
	struct sr_work work = { .caller = caller };
	struct sr_work_job job = { .kind = SR_EVENT_KEY_IMPORTED, .works = { &work }, .count = 1 };
	struct sr_new_key *const out[2] = { made, NULL };
	enum sr_part part;
	CK_RV rv = part_of(making->object_class, &part, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_work_begin(&work, caller, SR_HOW_IMPORT, part, making, err);
	if (rv == CKR_OK)
		rv = import(&work, &job, err);
	rv = sr_work_finish(&job, rv, out, err);
	if (rv == CKR_OK && part == SR_PART_CERTIFICATE && !work.token)
		hold(&work, held);
	sr_work_clear(&work);
	return rv == CKR_OK && held && held->failed ? no_memory(err) : rv;
}

/* -- copies ------------------------------------------------------------------------------------------------------ */

static CK_RV not_copied(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_ACTION_PROHIBITED, reason, "key not copied: %s", why);
}

/* A copy of a vault's key in the session would be used without a record, and after its token was revoked. */
static CK_RV may_copy(const struct sr_caller *caller, const struct sr_key *key, bool token, struct sr_error *err)
{
	if (key->inside->of_secret)
		return not_copied(err, SR_REASON_NONE, "it is a secret");
	if (!sr_attrs_bool(&key->inside->own, CKA_COPYABLE, true))
		return not_copied(err, SR_REASON_NONE, "it is not CKA_COPYABLE");
	if (!key->path[0])
		return CKR_OK;
	if (key->object_class != CKO_PUBLIC_KEY && !token)
		return not_copied(err, SR_REASON_NONE,
			"a key of the vault is copied to another path, not into the session (CKA_TOKEN true)");
	if (!(sr_key_actions(caller, key->path) & SR_ACTION_CREATE))
		return not_copied(err, SR_REASON_OUT_OF_SCOPE, "your login has no keys:create for its path");
	return sr_key_clearance(caller, key->inside->tier, CKR_ACTION_PROHIBITED, err);
}

static CK_RV hsm_copy(struct sr_work *work, struct sr_key *key, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(work);
	struct sr_attrs template = SR_ATTRS_INIT;
	if (work->plan.part == SR_PART_PUBLIC)
		return reopen_public(work, err);
	sr_work_template(work, &template);
	CK_RV rv = template.failed ? no_memory(err)
				   : sr_hsm_copy_key(work->caller->vault->hsm, &place, key->inside->hsm, &template,
					     &work->made, err);
	sr_attrs_clear(&template);
	return rv;
}

CK_RV sr_key_copy(const struct sr_caller *caller, struct sr_key *key, struct sr_nest *nest,
	const struct sr_attrs *changes, struct sr_new_key *made, struct sr_error *err)
{
	struct sr_work work = { .caller = caller };
	struct sr_work_job job = { .kind = SR_EVENT_KEY_IMPORTED, .works = { &work }, .count = 1, .root = key };
	struct sr_new_key *const out[2] = { made, NULL };
	CK_RV rv = sr_work_copy(&work, caller, key, nest, changes, err);
	if (rv == CKR_OK)
		rv = may_copy(caller, key, work.token, err);
	if (rv == CKR_OK)
		rv = sr_work_name(&work, err);
	if (rv == CKR_OK)
		rv = sr_work_ready(&job, err);
	if (rv == CKR_OK)
		rv = hsm_copy(&work, key, err);
	rv = sr_work_finish(&job, rv, out, err);
	sr_work_clear(&work);
	return rv;
}

/* -- by another key ---------------------------------------------------------------------------------------------- */

/* Before anything else: may BASE do that at all? What the key itself cannot do is no refusal of policy, and not
 * recorded. */
static CK_RV begin_by(struct sr_work *work, struct sr_work_job *job, enum sr_part part, const struct sr_making *making,
	enum sr_how how, bool *silent, struct sr_error *err)
{
	bool record = false;
	CK_RV rv = sr_key_may(work->caller, job->base, job->right, &record, err);
	*silent = rv != CKR_OK && !record;
	struct sr_error second = SR_ERROR_INIT;
	CK_RV next = sr_work_begin(work, work->caller, how, part, making, &second);
	if (rv == CKR_OK && next != CKR_OK)
		*err = second;
	rv = rv == CKR_OK ? next : rv;
	if (rv == CKR_OK)
		rv = sr_work_name(work, err);
	return rv == CKR_OK ? sr_work_ready(job, err) : rv;
}

static CK_RV hsm_unwrap(struct sr_work *work, const CK_MECHANISM *mechanism, struct sr_key *unwrapping,
	const void *wrapped, size_t wrapped_len, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(work);
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_plan_history(&work->plan, SR_HOW_UNWRAP, CK_UNAVAILABLE_INFORMATION, NULL);
	sr_work_template(work, &template);
	CK_RV rv = template.failed
			   ? no_memory(err)
			   : sr_hsm_unwrap_key(work->caller->vault->hsm, &place, mechanism, unwrapping->inside->hsm,
				     wrapped, wrapped_len, &template, &work->made, err);
	sr_attrs_clear(&template);
	return rv == CKR_OK ? sr_work_complete(work, err) : rv;
}

CK_RV sr_key_unwrap(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *unwrapping, const void *wrapped, size_t wrapped_len, struct sr_new_key *made,
	struct sr_error *err)
{
	struct sr_work work = { .caller = caller };
	struct sr_work_job job = { .kind = SR_EVENT_KEY_UNWRAPPED,
		.works = { &work },
		.count = 1,
		.mechanism = mechanism,
		.base = unwrapping,
		.right = CKA_UNWRAP };
	struct sr_new_key *const out[2] = { made, NULL };
	enum sr_part part;
	bool silent;
	CK_RV rv = part_of(making->object_class, &part, err);
	if (rv != CKR_OK)
		return rv;
	rv = begin_by(&work, &job, part, making, SR_HOW_UNWRAP, &silent, err);
	if (rv == CKR_OK)
		rv = hsm_unwrap(&work, mechanism, unwrapping, wrapped, wrapped_len, err);
	if (!silent)
		rv = sr_work_finish(&job, rv, out, err);
	sr_work_clear(&work);
	return rv;
}

#define DERIVED_MIN 16 /* bytes: of fewer, one after the other is guessed by what the short key does (Clulow) */

/* What comes from a secret key that nobody may see is not to be seen either: some mechanisms give the base back. A
 * Diffie-Hellman secret is another thing: programs make their session keys of it. */
static CK_RV check_derived(const struct sr_work *work, const struct sr_key *base, struct sr_error *err)
{
	const struct sr_attrs *own = &base->inside->own, *attrs = &work->plan.attrs;
	if (base->object_class != CKO_SECRET_KEY)
		return CKR_OK;
	bool hides = !sr_attrs_bool(own, CKA_SENSITIVE, true) || sr_attrs_bool(attrs, CKA_SENSITIVE, false);
	bool stays = sr_attrs_bool(own, CKA_EXTRACTABLE, false) || !sr_attrs_bool(attrs, CKA_EXTRACTABLE, true);
	if (sr_attrs_bool(own, CKA_SENSITIVE, true) && sr_attrs_ulong(attrs, CKA_VALUE_LEN, DERIVED_MIN) < DERIVED_MIN)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"key not made: what is derived from a sensitive secret key has 16 bytes or more");
	if (hides && stays)
		return CKR_OK;
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_RIGHTS,
		"key not made: what is derived from a secret key is CKA_SENSITIVE and not CKA_EXTRACTABLE where that "
		"is");
}

static CK_RV hsm_derive(struct sr_work *work, const CK_MECHANISM *mechanism, struct sr_key *base, struct sr_error *err)
{
	struct sr_hsm_place place = sr_work_place(work);
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_plan_history(&work->plan, SR_HOW_DERIVE, CK_UNAVAILABLE_INFORMATION, &base->inside->own);
	sr_work_template(work, &template);
	CK_RV rv = template.failed ? no_memory(err)
				   : sr_hsm_derive(work->caller->vault->hsm, &place, mechanism, base->inside->hsm,
					     &template, &work->made, err);
	sr_attrs_clear(&template);
	return rv == CKR_OK ? sr_work_complete(work, err) : rv;
}

CK_RV sr_key_derive(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *base, struct sr_new_key *made, struct sr_error *err)
{
	struct sr_work work = { .caller = caller };
	struct sr_work_job job = { .kind = SR_EVENT_KEY_DERIVED,
		.works = { &work },
		.count = 1,
		.mechanism = mechanism,
		.base = base,
		.right = CKA_DERIVE };
	struct sr_new_key *const out[2] = { made, NULL };
	enum sr_part part;
	bool silent;
	CK_RV rv = part_of(making->object_class, &part, err);
	if (rv != CKR_OK)
		return rv;
	rv = begin_by(&work, &job, part, making, SR_HOW_DERIVE, &silent, err);
	if (rv == CKR_OK)
		rv = check_derived(&work, base, err);
	if (rv == CKR_OK)
		rv = hsm_derive(&work, mechanism, base, err);
	if (!silent)
		rv = sr_work_finish(&job, rv, out, err);
	sr_work_clear(&work);
	return rv;
}
