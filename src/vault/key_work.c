/* What every function that makes a key has in common: the plan before the HSM is asked, the record and the row after.
 * The HSM works outside the transaction; what comes to nothing is undone. */
#include "vault/key_work.h"

#include "util/crypto.h"
#include "vault/keyinfo.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a key");
}

static bool is_hidden(enum sr_part part)
{
	return part == SR_PART_PRIVATE || part == SR_PART_SECRET;
}

/* -- before ------------------------------------------------------------------------------------------------------ */

/* For the record, whatever becomes of the rest of the template. */
static void take_label(struct sr_work *work, const struct sr_attrs *template)
{
	const struct sr_attr *label = sr_attrs_find(template, CKA_LABEL);
	if (!label || !sr_path_valid((const char *)label->value, label->len))
		return;
	memcpy(work->label, label->value, label->len);
	work->label[label->len] = '\0';
}

/* PKCS#11 v3.1, 4.4: private objects, and those of the token, are for who has logged in. */
static CK_RV check_login(const struct sr_work *work, struct sr_error *err)
{
	const struct sr_identity *who = work->caller->identity;
	if (who && who->type == SR_IDENTITY_AGENT)
		return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED,
			"key not made: an agent's key asks for tokens and does nothing else; log in with a token");
	if (who ||
		(!work->token && !is_hidden(work->plan.part) && !sr_attrs_bool(&work->plan.attrs, CKA_PRIVATE, false)))
		return CKR_OK;
	return sr_fail(err, CKR_USER_NOT_LOGGED_IN, SR_REASON_NONE, "key not made: log in first");
}

static CK_RV settle(struct sr_work *work, struct sr_error *err)
{
	struct sr_plan *plan = &work->plan;
	if (plan->custody == SR_CUSTODY_RESIDENT && !plan->has_custody && work->caller->vault->custody_wrapped)
		plan->custody = SR_CUSTODY_WRAPPED;
	CK_RV rv = check_login(work, err);
	return rv == CKR_OK ? sr_random_text(work->caller->vault, 16, work->uid, err) : rv;
}

CK_RV sr_work_begin(struct sr_work *work, const struct sr_caller *caller, enum sr_how how, enum sr_part part,
	const struct sr_making *making, struct sr_error *err)
{
	work->caller = caller;
	work->how = how;
	work->part = part;
	work->key_type = making->key_type;
	work->nest = making->nest;
	work->token = sr_attrs_bool(making->template, CKA_TOKEN, false);
	take_label(work, making->template);
	CK_RV rv = sr_plan_make(&work->plan, how, part, making->key_type, making->template, err);
	return rv == CKR_OK ? settle(work, err) : rv;
}

/* A copy is guarded no less than what it is a copy of. */
static CK_RV keep_tier(struct sr_plan *plan, enum sr_tier tier, struct sr_error *err)
{
	if (plan->has_tier && plan->tier < tier)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_TIER_LOWERED,
			"key not copied: it is %s, and so is its copy", sr_tier_name(tier));
	plan->has_tier = plan->has_tier || tier > plan->tier;
	plan->tier = plan->tier > tier ? plan->tier : tier;
	return CKR_OK;
}

/* A copy may do what its maker may do with the original, so that nobody gets a right by a copy to a path of his own. */
static void copied_attrs(const struct sr_caller *caller, const struct sr_key *key, struct sr_attrs *from)
{
	const struct sr_attrs *own = &key->inside->own;
	uint32_t actions = key->path[0] ? sr_key_actions(caller, key->path) : ~0u;
	sr_keyattrs_show(key->inside->part, own, actions, from);
	if (sr_attrs_bool(own, CKA_EXTRACTABLE, false) && !(actions & SR_ACTION_WRAP))
		sr_attrs_put_bool(from, CKA_EXTRACTABLE, false);
}

CK_RV sr_work_copy(struct sr_work *work, const struct sr_caller *caller, const struct sr_key *key, struct sr_nest *nest,
	const struct sr_attrs *changes, struct sr_error *err)
{
	const struct sr_key_inside *inside = key->inside;
	work->caller = caller;
	work->how = SR_HOW_COPY;
	work->part = inside->part;
	work->key_type = key->key_type;
	work->nest = nest;
	work->token = sr_attrs_bool(changes, CKA_TOKEN, key->path[0] != '\0');
	take_label(work, changes);
	struct sr_attrs from = SR_ATTRS_INIT;
	copied_attrs(caller, key, &from);
	CK_RV rv = from.failed ? no_memory(err)
			       : sr_plan_copy(&work->plan, inside->part, key->key_type, &from, changes, err);
	sr_attrs_clear(&from);
	if (rv != CKR_OK)
		return rv;
	rv = key->path[0] && work->token ? keep_tier(&work->plan, inside->tier, err) : CKR_OK;
	return rv == CKR_OK ? settle(work, err) : rv;
}

void sr_work_clear(struct sr_work *work)
{
	sr_plan_clear(&work->plan);
	sr_hsm_made_clear(&work->made);
}

CK_RV sr_work_name(struct sr_work *work, struct sr_error *err)
{
	struct sr_plan *plan = &work->plan;
	bool unnamed = plan->path[0] == '\0';
	if (!work->token)
		return CKR_OK;
	if (unnamed)
		snprintf(plan->path, sizeof(plan->path), "unnamed/%s", work->uid);
	if (sr_key_actions(work->caller, plan->path) & SR_ACTION_CREATE) {
		memcpy(work->label, plan->path, sizeof(work->label));
		sr_attrs_put_text(&plan->attrs, CKA_LABEL, plan->path);
		return CKR_OK;
	}
	if (unnamed && work->how != SR_HOW_COPY) /* 5.7.2 does not list the code */
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_PATH,
			"key not made: it has no CKA_LABEL, which is its path");
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_OUT_OF_SCOPE,
		"key not made: your login has no keys:create for this path");
}

static void add_placed(struct sr_work_job *job, const struct sr_work *work)
{
	struct sr_placed *item = &job->placing.items[job->placing.count++];
	memcpy(job->placing.path, work->plan.path, sizeof(job->placing.path));
	memcpy(item->uid, work->uid, sizeof(item->uid));
	item->plan = &work->plan;
	item->made = &work->made;
}

/* What stands in the way is found before the HSM makes anything, if it stands there already. */
CK_RV sr_work_ready(struct sr_work_job *job, struct sr_error *err)
{
	const struct sr_caller *caller = job->works[0]->caller;
	struct sr_moment at;
	for (size_t i = 0; i < job->count; i++) {
		if (job->works[i]->token)
			add_placed(job, job->works[i]);
	}
	if (job->placing.count == 0)
		return CKR_OK;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_place_free(caller, &at, &job->placing, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

struct sr_hsm_place sr_work_place(const struct sr_work *work)
{
	bool leaves = sr_attrs_bool(&work->plan.attrs, CKA_EXTRACTABLE, false);
	struct sr_hsm_place place = { .custody = SR_HSM_NEST,
		.uid = work->uid,
		.nest = work->nest ? work->nest->hsm : NULL,
		.with_material = work->how == SR_HOW_UNWRAP || work->how == SR_HOW_DERIVE };
	if (work->token) {
		place.custody = work->plan.custody == SR_CUSTODY_WRAPPED ? SR_HSM_WRAPPED : SR_HSM_RESIDENT;
		place.with_material = place.with_material || leaves;
	}
	return place;
}

void sr_work_template(const struct sr_work *work, struct sr_attrs *template)
{
	const struct sr_plan *plan = &work->plan;
	sr_keyattrs_for_hsm(plan->part, plan->key_type, work->how, &plan->attrs, template);
	for (size_t i = 0; i < plan->material.count; i++) {
		const struct sr_attr *attr = &plan->material.items[i];
		sr_attrs_put(template, attr->type, attr->value, attr->len);
	}
}

/* -- what it is -------------------------------------------------------------------------------------------------- */

static void take_made(struct sr_work *work, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_attr *attr = sr_attrs_find(&work->made.attrs, type);
	if (attr && attr->len)
		sr_attrs_put(&work->plan.attrs, type, attr->value, attr->len);
}

/* docs/keys.md: from the public key; of what has none, from its unique id. */
void sr_work_identify(struct sr_work *work)
{
	struct sr_attrs *attrs = &work->plan.attrs;
	const struct sr_attr *given = sr_attrs_find(attrs, CKA_ID), *spki = sr_attrs_find(attrs, CKA_PUBLIC_KEY_INFO);
	uint8_t id[SR_SHA256_LEN];
	if (given && given->len)
		return;
	if ((spki && spki->len && sr_keyinfo_id(spki->value, spki->len, id)) ||
		sr_sha256(work->uid, strlen(work->uid), id))
		sr_attrs_put(attrs, CKA_ID, id, SR_KEYINFO_ID_LEN);
}

/* Of a private key that was unwrapped an HSM may tell no public half: then there is no CKA_PUBLIC_KEY_INFO. */
static CK_RV complete_private(struct sr_work *work, struct sr_error *err)
{
	struct sr_plan *plan = &work->plan;
	struct sr_attrs half = SR_ATTRS_INIT;
	take_made(work, CKA_MODULUS);
	take_made(work, CKA_PUBLIC_EXPONENT);
	take_made(work, CKA_EC_PARAMS);
	if (plan->key_type != CKK_RSA || !sr_attrs_find(&plan->attrs, CKA_MODULUS) ||
		!sr_attrs_find(&plan->attrs, CKA_PUBLIC_EXPONENT))
		return CKR_OK;
	for (size_t i = 0; i < plan->attrs.count; i++) {
		const struct sr_attr *attr = &plan->attrs.items[i];
		if (attr->type == CKA_MODULUS || attr->type == CKA_PUBLIC_EXPONENT)
			sr_attrs_put(&half, attr->type, attr->value, attr->len);
	}
	CK_RV rv = half.failed ? no_memory(err) : sr_keyinfo_public(plan->key_type, &half, err);
	const struct sr_attr *spki = sr_attrs_find(&half, CKA_PUBLIC_KEY_INFO);
	if (rv == CKR_OK && spki)
		sr_attrs_put(&plan->attrs, CKA_PUBLIC_KEY_INFO, spki->value, spki->len);
	sr_attrs_clear(&half);
	return rv;
}

CK_RV sr_work_complete(struct sr_work *work, struct sr_error *err)
{
	struct sr_plan *plan = &work->plan;
	CK_RV rv = CKR_OK;
	if (plan->part == SR_PART_SECRET)
		take_made(work, CKA_VALUE_LEN);
	else if (plan->part == SR_PART_PRIVATE && work->how == SR_HOW_UNWRAP)
		rv = complete_private(work, err);
	sr_work_identify(work);
	return rv == CKR_OK && plan->attrs.failed ? no_memory(err) : rv;
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

/* By what a newer generation of the wrap key makes of it the vault may know it by now. */
static CK_RV check_generation(const struct sr_work *work, const struct sr_moment *at, struct sr_error *err)
{
	if (work->made.material.len == 0 || work->made.generation >= at->generation)
		return CKR_OK;
	return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_CHANGED_MEANWHILE,
		"key not made: the HSM's keys were changed meanwhile; try again");
}

static CK_RV check_materials(struct sr_work_job *job, const struct sr_moment *at, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < job->count; i++) {
		const struct sr_work *work = job->works[i];
		if (work->how != SR_HOW_UNWRAP && work->how != SR_HOW_DERIVE)
			continue;
		rv = check_generation(work, at, err);
		if (rv == CKR_OK)
			rv = sr_place_material(work->caller, at, &work->made.material, &work->plan, err);
	}
	return rv;
}

static CK_RV work_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_work_job *job = act->arg;
	CK_RV rv = job->base ? sr_key_still(act->caller, at, job->base, job->right, err) : CKR_OK;
	if (rv == CKR_OK && job->root)
		rv = sr_key_still(act->caller, at, job->root, 0, err);
	if (rv == CKR_FUNCTION_CANCELED && job->root) /* 5.7.2 lists no such code */
		rv = err->rv = CKR_OBJECT_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = check_materials(job, at, err);
	if (rv == CKR_OK && job->placing.count)
		rv = sr_place_put(act, at, &job->placing, err);
	return rv;
}

static json_t *describe(const struct sr_work_job *job)
{
	const struct sr_work *work = job->works[job->count - 1];
	bool certificate = work->part == SR_PART_CERTIFICATE;
	json_t *facts = json_pack("{s:s, s:s}", "key_type", certificate ? "x509" : sr_key_type_word(work->key_type),
		"object", sr_part_word(work->part));
	unsigned bits = certificate ? 0 : sr_keyinfo_bits(work->key_type, &work->plan.attrs);
	if (job->count == 2)
		json_object_set_new(facts, "object", json_string("pair"));
	if (bits)
		json_object_set_new(facts, "bits", json_integer(bits));
	if (job->mechanism)
		json_object_set_new(facts, "mechanism", json_string(sr_mechanism_name(job->mechanism->mechanism)));
	json_object_set_new(
		facts, "custody", json_string(work->token ? sr_custody_word(work->plan.custody) : "session"));
	if (job->root && job->root->path[0])
		json_object_set_new(facts, "copy_of", json_string(job->root->path));
	if (job->base && job->base->path[0] && work->token)
		json_object_set_new(facts, "path", json_string(work->label));
	return facts;
}

/* Who asks "what was done with this key" asks by its path: so that is the path of the event where a key of the vault
 * did it. */
static void begin_act(struct sr_act *act, const struct sr_work_job *job)
{
	const struct sr_work *work = job->works[job->count - 1];
	const char *label = work->token ? work->label : job->works[0]->label;
	if (job->base && job->base->path[0])
		sr_key_act(act, work->caller, job->kind, job->base);
	else
		sr_act_begin(act, work->caller, job->kind, label);
	for (size_t i = 0; i < job->count; i++)
		act->policy_change = act->policy_change || job->works[i]->plan.has_tier;
	sr_key_note(&act->event, describe(job));
	act->run = work_run;
	act->arg = (void *)(uintptr_t)job;
}

/* Nobody is asked about a session's own objects; but equal material is looked for all the same. */
static CK_RV look_only(struct sr_work_job *job, struct sr_error *err)
{
	struct sr_writer *writer = job->works[0]->caller->vault->writer;
	struct sr_moment at;
	bool wanted = false;
	for (size_t i = 0; i < job->count; i++)
		wanted = wanted || job->works[i]->made.material.len;
	CK_RV rv = wanted ? sr_writer_look(writer, &at, err) : CKR_OK;
	if (rv != CKR_OK || !wanted)
		return rv;
	rv = check_materials(job, &at, err);
	sr_writer_look_end(writer, &at);
	return rv;
}

static bool is_recorded(const struct sr_work_job *job)
{
	bool recorded = job->base && job->base->path[0];
	for (size_t i = 0; i < job->count; i++)
		recorded = recorded || job->works[i]->token;
	return recorded && job->works[0]->caller->identity;
}

static CK_RV record(struct sr_work_job *job, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	if (!is_recorded(job))
		return rv == CKR_OK ? look_only(job, err) : rv;
	begin_act(&act, job);
	return sr_act_record(&act, rv, err);
}

/* -- after ------------------------------------------------------------------------------------------------------- */

/* What failed is why; that the HSM would not forget it is of no help to the caller then. */
void sr_work_undo(const struct sr_work *work)
{
	struct sr_error ignored = SR_ERROR_INIT;
	if (work->made.key)
		(void)sr_hsm_key_destroy(work->caller->vault->hsm, work->made.key, &ignored);
}

static CK_RV hand_over(struct sr_work *work, struct sr_new_key *made, struct sr_error *err)
{
	if (work->token) {
		sr_key_id_make(work->plan.part, work->plan.path, made->id);
		return CKR_OK;
	}
	return work->made.key ? sr_key_of_session(&work->plan, work->uid, work->made.key, &made->key, err) : CKR_OK;
}

CK_RV sr_work_finish(struct sr_work_job *job, CK_RV rv, struct sr_new_key *const made[2], struct sr_error *err)
{
	bool stored = (rv = record(job, rv, err)) == CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < job->count; i++)
		rv = hand_over(job->works[i], made[i], err);
	for (size_t i = 0; rv != CKR_OK && i < job->count; i++) {
		if (!stored || !job->works[i]->token) /* what stands in a row stays */
			sr_work_undo(job->works[i]);
		sr_new_key_clear(made[i]);
	}
	return rv;
}

void sr_new_key_clear(struct sr_new_key *new_key)
{
	sr_key_unref(new_key->key);
	memset(new_key, 0, sizeof(*new_key));
}
