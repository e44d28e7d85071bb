/* Keys that leave, and a session's own keys: wrapped, read, changed, destroyed. */
#include "vault/key.h"

#include <string.h>

/* -- wrapping ---------------------------------------------------------------------------------------------------- */

/** struct leaving: what must still hold inside the transaction. WRAPPING NULL: a component is read. */
struct leaving {
	struct sr_key *wrapping;
	struct sr_key *key;
};

static CK_RV stays(struct sr_error *err, CK_RV rv, CK_ULONG reason, const char *why)
{
	return sr_fail(err, rv, reason, "key not wrapped: %s", why);
}

/* Policy on the key that leaves. RECORD: it is policy that refuses. */
static CK_RV may_leave(
	const struct sr_caller *caller, const struct sr_key *key, CK_RV refusal, bool *record, struct sr_error *err)
{
	*record = key->path[0] != '\0';
	if (!key->path[0])
		return CKR_OK;
	if (!(sr_key_actions(caller, key->path) & SR_ACTION_WRAP))
		return stays(err, refusal, SR_REASON_OUT_OF_SCOPE, "your scope has no keys:wrap for its path");
	if (key->inside->tier > sr_who_clearance(caller->identity))
		return stays(err, refusal, SR_REASON_APPROVAL_REQUIRED,
			"your login is not cleared for it; ask for an approved token");
	*record = false;
	return CKR_OK;
}

/* A wrapping key that was not made in the HSM is known to whoever brought it along: the caller, unless it is a key of
 * the vault and he may make none at its path. */
static bool may_be_known(const struct sr_caller *caller, const struct sr_key *wrapping)
{
	if (sr_attrs_bool(&wrapping->inside->own, CKA_LOCAL, false))
		return false;
	return !wrapping->path[0] || (sr_key_actions(caller, wrapping->path) & SR_ACTION_CREATE);
}

static CK_RV may_be_wrapped(
	const struct sr_caller *caller, const struct sr_key *wrapping, const struct sr_key *key, struct sr_error *err)
{
	const struct sr_attrs *own = &key->inside->own;
	if (key->object_class == CKO_PUBLIC_KEY)
		return stays(err, CKR_KEY_NOT_WRAPPABLE, SR_REASON_NONE, "it is a public key: read it");
	if (!sr_attrs_bool(own, CKA_EXTRACTABLE, false))
		return stays(err, CKR_KEY_UNEXTRACTABLE, SR_REASON_UNEXTRACTABLE, "it is not CKA_EXTRACTABLE");
	if (sr_attrs_bool(own, CKA_WRAP_WITH_TRUSTED, false))
		return stays(err, CKR_KEY_NOT_WRAPPABLE, SR_REASON_RIGHTS,
			"it wants a trusted wrapping key (CKA_WRAP_WITH_TRUSTED), and no key here is one");
	if (key->path[0] && sr_attrs_bool(own, CKA_SENSITIVE, true) && may_be_known(caller, wrapping))
		return stays(err, CKR_KEY_NOT_WRAPPABLE, SR_REASON_RIGHTS,
			"a sensitive key of the vault is not wrapped by a key that the caller may have brought along; "
			"take "
			"one that was generated in the HSM");
	return CKR_OK;
}

static CK_RV may_wrap(const struct sr_caller *caller, const struct leaving *leaving, bool *record, struct sr_error *err)
{
	CK_RV rv = sr_key_may(caller, leaving->wrapping, CKA_WRAP, record, err);
	if (rv == CKR_OK)
		rv = may_be_wrapped(caller, leaving->wrapping, leaving->key, err);
	return rv == CKR_OK ? may_leave(caller, leaving->key, CKR_KEY_NOT_WRAPPABLE, record, err) : rv;
}

/* Whether the key still may leave is asked too: it may have been made unextractable. */
static CK_RV leave_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct leaving *leaving = act->arg;
	CK_RV rv = leaving->wrapping ? sr_key_still(act->caller, at, leaving->wrapping, CKA_WRAP, err) : CKR_OK;
	if (rv == CKR_OK)
		rv = sr_key_still(act->caller, at, leaving->key, CKA_EXTRACTABLE, err);
	/* C_GetAttributeValue has no code of its own for that (5.7.5) */
	if (rv == CKR_FUNCTION_CANCELED && !leaving->wrapping)
		rv = err->rv = CKR_ATTRIBUTE_SENSITIVE;
	return rv;
}

/* The record stands at the path of the key that leaves; at the wrapping key's where that is the vault's alone. */
static CK_RV record(
	const struct sr_caller *caller, struct leaving *leaving, json_t *facts, CK_RV rv, struct sr_error *err)
{
	const struct sr_key *wrapping = leaving->wrapping, *key = leaving->key;
	bool wraps_for_session = wrapping && !key->path[0];
	struct sr_act act;
	if (wrapping && wrapping->path[0] && !wraps_for_session)
		json_object_set_new(facts, "wrapping_key", json_string(wrapping->path));
	sr_key_act(&act, caller, SR_EVENT_KEY_WRAPPED, wraps_for_session ? wrapping : key);
	act.counts = true;
	sr_key_note(&act.event, facts);
	act.run = leave_run;
	act.arg = leaving;
	return sr_act_record(&act, rv, err);
}

static json_t *describe(const struct sr_key *key, const CK_MECHANISM *mechanism, size_t len)
{
	return json_pack("{s:s, s:s, s:I}", "mechanism", sr_mechanism_name(mechanism->mechanism), "key_type",
		sr_key_type_word(key->key_type), "length_out", (json_int_t)len);
}

CK_RV sr_key_wrap(const struct sr_caller *caller, const CK_MECHANISM *mechanism, struct sr_key *wrapping,
	struct sr_key *key, bool deliver, struct sr_buf *wrapped, struct sr_error *err)
{
	struct leaving leaving = { wrapping, key };
	bool policy = false, of_vault = wrapping->path[0] || key->path[0];
	CK_RV rv = may_wrap(caller, &leaving, &policy, err);
	bool silent = rv != CKR_OK && !policy && rv != CKR_KEY_UNEXTRACTABLE && rv != CKR_KEY_NOT_WRAPPABLE;
	if (rv == CKR_OK)
		rv = sr_hsm_wrap_key(
			caller->vault->hsm, mechanism, wrapping->inside->hsm, key->inside->hsm, wrapped, err);
	if (of_vault && !silent && (deliver || rv != CKR_OK))
		rv = record(caller, &leaving, describe(key, mechanism, wrapped->len), rv, err);
	if (rv != CKR_OK)
		sr_buf_clear(wrapped);
	return rv;
}

/* -- reading ----------------------------------------------------------------------------------------------------- */

static CK_RV hidden(struct sr_error *err)
{
	return sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_UNEXTRACTABLE,
		"value not delivered: the key is CKA_SENSITIVE or not CKA_EXTRACTABLE");
}

CK_RV sr_key_secret(const struct sr_caller *caller, struct sr_key *key, CK_ATTRIBUTE_TYPE type, struct sr_buf *value,
	struct sr_error *err)
{
	const struct sr_attrs *own = &key->inside->own;
	struct leaving leaving = { NULL, key };
	bool policy = false;
	if (!sr_keyattrs_is_secret(key->inside->part, type))
		return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_NONE,
			"attribute 0x%lx is no component of such a key", type);
	if (key->inside->of_secret || sr_attrs_bool(own, CKA_SENSITIVE, true) ||
		!sr_attrs_bool(own, CKA_EXTRACTABLE, false))
		return hidden(err);
	CK_RV rv = may_leave(caller, key, CKR_ATTRIBUTE_SENSITIVE, &policy, err);
	if (rv == CKR_OK)
		rv = sr_hsm_key_read(caller->vault->hsm, key->inside->hsm, type, value, err);
	if (key->path[0])
		rv = record(caller, &leaving,
			json_pack("{s:s, s:I, s:I}", "key_type", sr_key_type_word(key->key_type), "attribute",
				(json_int_t)type, "length_out", (json_int_t)value->len),
			rv, err);
	if (rv != CKR_OK)
		sr_buf_clear(value);
	return rv;
}

/* -- a session's own keys ---------------------------------------------------------------------------------------- */

static struct sr_key *changed_key(const struct sr_key *key, const struct sr_attrs *own)
{
	struct sr_key *changed = sr_key_new(key->inside->part, key->key_type);
	if (!changed)
		return NULL;
	struct sr_key_inside *inside = changed->inside;
	memcpy(inside->uid, key->inside->uid, sizeof(inside->uid));
	inside->tier = key->inside->tier;
	inside->custody = key->inside->custody;
	inside->hsm = sr_hsm_key_ref(key->inside->hsm);
	changed->always_authenticate = key->always_authenticate;
	sr_keyattrs_show(inside->part, own, ~0u, &inside->own);
	sr_keyattrs_show(inside->part, own, ~0u, &changed->attrs);
	if (!inside->own.failed && !changed->attrs.failed)
		return changed;
	sr_key_unref(changed);
	return NULL;
}

static CK_RV follow_in_hsm(
	const struct sr_caller *caller, struct sr_key *key, const struct sr_attrs *changes, struct sr_error *err)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	sr_keyattrs_hsm_changes(key->inside->part, changes, &template);
	CK_RV rv = CKR_OK;
	if (template.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key in the HSM");
	else if (template.count && key->object_class != CKO_PUBLIC_KEY)
		rv = sr_hsm_key_restrict(caller->vault->hsm, key->inside->hsm, &template, err);
	sr_attrs_clear(&template);
	return rv;
}

CK_RV sr_key_set(const struct sr_caller *caller, struct sr_key *key, const struct sr_attrs *changes,
	struct sr_key **changed, struct sr_error *err)
{
	struct sr_attrs own = SR_ATTRS_INIT;
	const struct sr_attr *label = sr_attrs_find(changes, CKA_LABEL);
	*changed = NULL;
	if (!sr_attrs_bool(&key->inside->own, CKA_MODIFIABLE, true))
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_NONE, "key not changed: it is not CKA_MODIFIABLE");
	if (sr_attrs_find(changes, CKA_SR_TIER))
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"key not changed: a session's object has no tier");
	sr_keyattrs_show(key->inside->part, &key->inside->own, ~0u, &own);
	CK_RV rv = sr_keyattrs_change(key->inside->part, key->key_type, &own, changes, err);
	if (rv == CKR_OK && label)
		sr_attrs_put(&own, CKA_LABEL, label->value, label->len);
	if (rv == CKR_OK)
		rv = follow_in_hsm(caller, key, changes, err);
	if (rv == CKR_OK) {
		*changed = changed_key(key, &own);
		if (!*changed)
			rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key");
	}
	sr_attrs_clear(&own);
	return rv;
}

/* The nest it lives in goes with its session; should the HSM fail here, it lives no longer than that. */
void sr_key_destroy(struct sr_vault *vault, struct sr_key *key)
{
	struct sr_error ignored = SR_ERROR_INIT;
	if (!key->path[0] && key->inside->hsm)
		(void)sr_hsm_key_destroy(vault->hsm, key->inside->hsm, &ignored);
}

bool sr_vault_mechanism(struct sr_vault *vault, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	return sr_hsm_mechanism(vault->hsm, type, info);
}
