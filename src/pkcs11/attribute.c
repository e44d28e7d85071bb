/* C_GetAttributeValue, C_SetAttributeValue: PKCS#11 v3.1, 5.7.5 and 5.7.6. */
#include "pkcs11/attribute.h"

#include "pkcs11/key.h"
#include "pkcs11/object.h"
#include "pkcs11/template.h"

#include <string.h>

CK_RV sr_attribute_first(CK_RV rv, CK_RV next)
{
	return rv != CKR_OK ? rv : next;
}

bool sr_attribute_partial(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_BUFFER_TOO_SMALL;
}

CK_RV sr_attribute_mark(CK_ATTRIBUTE *wanted, CK_RV rv)
{
	wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
	return rv;
}

CK_RV sr_attribute_deliver(CK_ATTRIBUTE *wanted, const void *value, size_t len)
{
	if (wanted->pValue && wanted->ulValueLen < len)
		return sr_attribute_mark(wanted, CKR_BUFFER_TOO_SMALL);
	if (wanted->pValue && len)
		memcpy(wanted->pValue, value, len);
	wanted->ulValueLen = len;
	return CKR_OK;
}

static CK_RV fetch(struct sr_call *call, const struct sr_ref *ref, struct sr_buf *value)
{
	CK_RV rv;
	if (ref->once) {
		sr_handle_take_once(call, ref->handle, value);
		return CKR_OK;
	}
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_buf_clear(value);
		rv = ref->class->value(&caller, ref->id, value, &call->err);
	} while (sr_call_again(call, rv));
	return rv == CKR_OK && value->failed ? CKR_HOST_MEMORY : rv;
}

/* Who names an object and may not have its value is refused by the class, which records it. A listing asks every object
 * there is; that is no event. */
static CK_RV record_refusal(struct sr_call *call, const struct sr_ref *ref)
{
	struct sr_buf value = SR_BUF_INIT;
	CK_RV rv = fetch(call, ref, &value);
	sr_buf_clear(&value);
	return rv;
}

static CK_RV refuse_value(struct sr_call *call, const struct sr_ref *ref, const struct sr_view *view)
{
	bool by_class = view->value == SR_VALUE_SENSITIVE && view->by_name && ref->named && ref->class->value;
	CK_RV rv = by_class ? record_refusal(call, ref) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	if (view->value == SR_VALUE_NONE)
		return sr_fail(&call->err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_NONE, "the object has no CKA_VALUE");
	if (view->value_reason == SR_REASON_READ_BY_LISTING)
		return sr_fail(&call->err, CKR_ATTRIBUTE_SENSITIVE, view->value_reason,
			"the value is read through a search that names its exact CKA_LABEL");
	return sr_fail(&call->err, CKR_ATTRIBUTE_SENSITIVE, view->value_reason, "the value is not for this login (%s)",
		sr_reason_name(view->value_reason));
}

/* No buffer is that long: where a program says so all the same, nothing is released. */
static bool is_marked(const CK_ATTRIBUTE *wanted)
{
	return wanted->ulValueLen == CK_UNAVAILABLE_INFORMATION;
}

/* The values that a call asks for, all of CKA_VALUE's entries one after the other. LEN is what is known before the
 * value is there: so a length query, or a buffer too small, costs nothing. */
static CK_RV answer_lengths(CK_ATTRIBUTE *template, CK_ULONG count, size_t len, bool *fetch)
{
	CK_RV rv = CKR_OK;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE *wanted = &template[i];
		if (wanted->type != CKA_VALUE)
			continue;
		if (!wanted->pValue)
			wanted->ulValueLen = len;
		else if (wanted->ulValueLen < len || is_marked(wanted))
			rv = sr_attribute_first(rv, sr_attribute_mark(wanted, CKR_BUFFER_TOO_SMALL));
		else
			*fetch = true;
	}
	return rv;
}

static CK_RV mark_values(CK_ATTRIBUTE *template, CK_ULONG count, CK_RV rv)
{
	for (CK_ULONG i = 0; i < count; i++) {
		if (template[i].type == CKA_VALUE)
			sr_attribute_mark(&template[i], rv);
	}
	return rv;
}

/* The value may be longer than its view said: a new version came in between. Then the buffer is too small after all;
 * the use is counted, because the value was released to this process. */
static CK_RV deliver_values(CK_ATTRIBUTE *template, CK_ULONG count, const struct sr_buf *value)
{
	CK_RV rv = CKR_OK;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE *wanted = &template[i];
		if (wanted->type == CKA_VALUE && !is_marked(wanted))
			rv = sr_attribute_first(rv, sr_attribute_deliver(wanted, value->data, value->len));
	}
	return rv;
}

/* CKA_VALUE of an object of the vault: released once in a call, however often the template asks. */
static CK_RV get_values(struct sr_call *call, const struct sr_ref *ref, const struct sr_view *view,
	CK_ATTRIBUTE *template, CK_ULONG count)
{
	bool readable = ref->once || (view->value == SR_VALUE_READABLE && ref->class->value);
	if (!readable)
		return mark_values(template, count, refuse_value(call, ref, view));
	bool wanted = false;
	CK_RV rv = answer_lengths(template, count, ref->once ? ref->once_len : view->value_len, &wanted);
	if (!wanted)
		return rv;
	struct sr_buf value = SR_BUF_INIT;
	CK_RV fetched = fetch(call, ref, &value);
	rv = fetched == CKR_OK ? sr_attribute_first(rv, deliver_values(template, count, &value))
			       : mark_values(template, count, fetched);
	sr_buf_clear(&value);
	return rv;
}

static bool names_value(const CK_ATTRIBUTE *template, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++) {
		if (template[i].type == CKA_VALUE)
			return true;
	}
	return false;
}

static CK_RV get_attrs(const struct sr_attrs *attrs, bool with_value, CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_RV rv = CKR_OK;
	for (CK_ULONG i = 0; i < count; i++) {
		if (template[i].type != CKA_VALUE || with_value)
			rv = sr_attribute_first(rv, sr_attribute_of(&template[i], attrs));
	}
	return rv;
}

static CK_RV get_viewed(struct sr_call *call, const struct sr_ref *ref, const struct sr_view *view,
	CK_ATTRIBUTE *template, CK_ULONG count)
{
	if (sr_class_of_keys(ref->class->object_class))
		return sr_key_get(call, ref, &view->attrs, template, count);
	/* the value of a certificate is an attribute like any other */
	bool plain = sr_attrs_find(&view->attrs, CKA_VALUE);
	bool asked = !plain && names_value(template, count);
	CK_RV rv = asked ? get_values(call, ref, view, template, count) : CKR_OK;
	if (rv == CKR_OK || sr_attribute_partial(rv))
		rv = sr_attribute_first(rv, get_attrs(&view->attrs, plain, template, count));
	return rv;
}

static CK_RV get_from_vault(struct sr_call *call, const struct sr_ref *ref, CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct sr_view view;
	CK_RV rv = sr_object_view(call, ref, &view);
	if (rv == CKR_OK)
		rv = get_viewed(call, ref, &view, template, count);
	sr_view_clear(&view);
	return rv;
}

static CK_RV get_from_session(struct sr_call *call, const struct sr_ref *ref, CK_ATTRIBUTE *template, CK_ULONG count)
{
	return ref->session_key ? sr_key_get(call, ref, &ref->session_key->attrs, template, count)
				: get_attrs(&ref->attrs, true, template, count);
}

CK_RV sr_C_GetAttributeValue(struct sr_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	if (count > SR_ATTRS_MAX)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_TOO_LARGE,
			"the template has %lu attributes: the limit is %d", count, SR_ATTRS_MAX);
	if (!template && count)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE, "pTemplate is NULL");
	struct sr_ref ref;
	CK_RV rv = sr_handle_resolve(call, object, &ref);
	if (rv == CKR_OK)
		rv = ref.class ? get_from_vault(call, &ref, template, count)
			       : get_from_session(call, &ref, template, count);
	sr_ref_clear(&ref);
	return rv;
}

static CK_RV set_in_vault(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes)
{
	CK_RV rv = sr_object_check_write(call, ref->class);
	if (rv == CKR_OK && !ref->class->set)
		rv = sr_object_prohibit(call, "changed");
	if (rv == CKR_OK && ref->class->object_class == CKO_DATA)
		rv = sr_template_fits_data(changes, true, &call->err);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		rv = ref->class->set(&caller, ref->id, changes, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

static CK_RV check_changes(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes)
{
	if (sr_attrs_ulong(&ref->attrs, CKA_CLASS, CKO_DATA) == CKO_CERTIFICATE)
		return sr_certificate_check_changes(call, changes);
	return sr_template_fits_data(changes, false, &call->err);
}

static CK_RV set_in_session(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes)
{
	if (ref->session_key)
		return sr_key_object_set(call, ref, changes);
	if (!sr_attrs_bool(&ref->attrs, CKA_MODIFIABLE, true))
		return sr_object_prohibit(call, "changed");
	/* 4.4.1: CKA_COPYABLE does not become true again */
	if (!sr_attrs_bool(&ref->attrs, CKA_COPYABLE, true) && sr_attrs_bool(changes, CKA_COPYABLE, false))
		return sr_fail(&call->err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"CKA_COPYABLE does not become true again");
	CK_RV rv = check_changes(call, ref, changes);
	return rv == CKR_OK ? sr_session_object_set(call, ref->handle, changes) : rv;
}

CK_RV sr_C_SetAttributeValue(struct sr_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	struct sr_ref ref;
	struct sr_attrs changes = SR_ATTRS_INIT;
	CK_RV rv = sr_handle_resolve(call, object, &ref);
	if (rv == CKR_OK)
		rv = sr_template_copy(template, count, SR_TEMPLATE_SET, &changes, &call->err);
	if (rv == CKR_OK)
		rv = ref.class ? set_in_vault(call, &ref, &changes) : set_in_session(call, &ref, &changes);
	sr_attrs_clear(&changes);
	sr_ref_clear(&ref);
	return rv;
}
