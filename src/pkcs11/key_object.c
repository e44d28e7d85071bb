/* Object management of keys and certificates: PKCS#11 v3.1, 5.7. */
#include "pkcs11/key.h"
#include "pkcs11/object.h"
#include "pkcs11/template.h"

static void put_default(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put_bool(attrs, type, value);
}

/* Private and secret keys are private objects whatever the template says (docs/keys.md). */
static bool is_private(CK_OBJECT_CLASS object_class, const struct sr_attrs *attrs)
{
	bool by_class = object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
	return by_class || sr_attrs_bool(attrs, CKA_PRIVATE, false);
}

static CK_RV import(
	struct sr_call *call, const struct sr_making *making, struct sr_new_key *made, struct sr_attrs *held)
{
	CK_RV rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_new_key_clear(made);
		sr_attrs_clear(held);
		rv = sr_key_import(&caller, making, made, held, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

/* A certificate that lives in the session is its attributes, and nothing in the HSM. */
static CK_RV take_certificate(struct sr_call *call, struct sr_attrs *held, CK_OBJECT_HANDLE *handle)
{
	put_default(held, CKA_PRIVATE, false);
	sr_object_storage_defaults(held);
	return held->failed ? CKR_HOST_MEMORY : sr_session_object_add(call, held, handle);
}

/* 4.6 and 4.7: what kind of certificate or key it is has no default. */
static CK_RV check_kind(struct sr_call *call, const struct sr_attrs *template, struct sr_making *making)
{
	bool certificate = making->object_class == CKO_CERTIFICATE;
	CK_ATTRIBUTE_TYPE kind = certificate ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE;
	making->key_type = sr_attrs_ulong(template, kind, CK_UNAVAILABLE_INFORMATION);
	if (sr_attrs_find(template, kind))
		return CKR_OK;
	return sr_fail(&call->err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "%s is missing",
		certificate ? "CKA_CERTIFICATE_TYPE" : "CKA_KEY_TYPE");
}

CK_RV sr_key_object_create(struct sr_call *call, const struct sr_attrs *template, CK_OBJECT_HANDLE *handle)
{
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(template, CKA_CLASS, 0);
	struct sr_making making = { .object_class = object_class };
	struct sr_new_key made = { 0 };
	struct sr_attrs held = SR_ATTRS_INIT;
	CK_RV rv = check_kind(call, template, &making);
	if (rv == CKR_OK)
		rv = sr_making_begin(call, template, is_private(object_class, template), &making);
	if (rv == CKR_OK)
		rv = import(call, &making, &made, &held);
	bool held_here = object_class == CKO_CERTIFICATE && making.nest;
	if (rv == CKR_OK)
		rv = held_here ? take_certificate(call, &held, handle)
			       : sr_made_take(call, object_class, &made, handle);
	sr_attrs_clear(&held);
	sr_new_key_clear(&made);
	return rv;
}

/* -- copying ---------------------------------------------------------------------------------------------------- */

static CK_RV copy_key(struct sr_call *call, struct sr_key *key, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	struct sr_attrs place = SR_ATTRS_INIT;
	struct sr_making making = { 0 };
	struct sr_new_key made = { 0 };
	sr_attrs_put_bool(&place, CKA_TOKEN, sr_attrs_bool(changes, CKA_TOKEN, key->path[0] != '\0'));
	bool hidden = is_private(key->object_class, &key->attrs) || sr_attrs_bool(changes, CKA_PRIVATE, false);
	CK_RV rv = place.failed ? CKR_HOST_MEMORY : sr_making_begin(call, &place, hidden, &making);
	sr_attrs_clear(&place);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_new_key_clear(&made);
		rv = sr_key_copy(&caller, key, making.nest, changes, &made, &call->err);
	} while (sr_call_again(call, rv));
	if (rv == CKR_OK)
		rv = sr_made_take(call, key->object_class, &made, copy);
	sr_new_key_clear(&made);
	return rv;
}

CK_RV sr_key_object_copy(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	struct sr_key *key = NULL;
	CK_RV rv = sr_ref_key(call, ref, &key);
	if (rv != CKR_OK)
		return rv;
	rv = sr_object_check_copy(call, &key->attrs, changes);
	if (rv == CKR_OK)
		rv = copy_key(call, key, changes, copy);
	sr_key_unref(key);
	return rv;
}

/* What makes a certificate; all else comes of it or of its place. */
static const CK_ATTRIBUTE_TYPE certificate_parts[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_ID,
	CKA_CERTIFICATE_TYPE, CKA_CERTIFICATE_CATEGORY, CKA_VALUE, CKA_SUBJECT, CKA_ISSUER, CKA_SERIAL_NUMBER,
	CKA_START_DATE, CKA_END_DATE, CKA_URL, CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY,
	CKA_JAVA_MIDP_SECURITY_DOMAIN };

CK_RV sr_certificate_copy(
	struct sr_call *call, const struct sr_attrs *from, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	CK_RV rv = sr_object_check_copy(call, from, changes);
	if (rv != CKR_OK)
		return rv;
	for (size_t i = 0; i < sizeof certificate_parts / sizeof certificate_parts[0]; i++) {
		const struct sr_attr *part = sr_attrs_find(from, certificate_parts[i]);
		if (part && part->len)
			sr_attrs_put(&template, part->type, part->value, part->len);
	}
	sr_attrs_add(&template, changes);
	rv = template.failed ? CKR_HOST_MEMORY : sr_key_object_create(call, &template, copy);
	sr_attrs_clear(&template);
	return rv;
}

/* -- changing --------------------------------------------------------------------------------------------------- */

static CK_RV set_once(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, bool *stale)
{
	struct sr_key *changed = NULL;
	struct sr_caller caller = sr_call_caller(call);
	CK_RV rv = sr_key_set(&caller, ref->session_key, changes, &changed, &call->err);
	if (rv != CKR_OK)
		return rv;
	return sr_session_key_set(call, ref->handle, ref->session_key, changed, stale);
}

/* Another session may change the same object meanwhile: then once more, from what it has become, so that nothing that
 * only goes one way comes back. */
CK_RV sr_key_object_set(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes)
{
	struct sr_ref now = { 0 };
	const struct sr_ref *from = ref;
	bool stale = false;
	CK_RV rv = CKR_OK;
	do {
		if (stale) {
			sr_ref_clear(&now);
			rv = sr_handle_resolve(call, ref->handle, &now); /* a handle is never used twice */
			from = &now;
		}
		if (rv == CKR_OK && !sr_attrs_bool(&from->session_key->attrs, CKA_MODIFIABLE, true))
			rv = sr_object_prohibit(call, "changed");
		stale = false;
		if (rv == CKR_OK)
			rv = set_once(call, from, changes, &stale);
	} while (rv == CKR_OK && stale);
	sr_ref_clear(&now);
	return rv;
}

/* PKCS#11 v3.1, 4.6.3, and the label. */
CK_RV sr_certificate_check_changes(struct sr_call *call, const struct sr_attrs *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		switch (changes->items[i].type) {
		case CKA_LABEL:
		case CKA_ID:
		case CKA_ISSUER:
		case CKA_SERIAL_NUMBER:
		case CKA_COPYABLE:
			break;
		default:
			return sr_fail(&call->err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
				"attribute 0x%lx of a certificate does not change", changes->items[i].type);
		}
	}
	return CKR_OK;
}
