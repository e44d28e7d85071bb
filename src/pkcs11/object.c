/* Object management: PKCS#11 v3.1, 5.7.1 to 5.7.4. */
#include "pkcs11/object.h"

#include "pkcs11/key.h"
#include "pkcs11/template.h"

CK_RV sr_object_check_rw(struct sr_call *call)
{
	if (call->session->flags & CKF_RW_SESSION)
		return CKR_OK;
	return sr_fail(&call->err, CKR_SESSION_READ_ONLY, SR_REASON_NONE, "open the session with CKF_RW_SESSION");
}

CK_RV sr_object_check_write(struct sr_call *call, const struct sr_class *class)
{
	return class->needs_rw ? sr_object_check_rw(call) : CKR_OK;
}

CK_RV sr_object_prohibit(struct sr_call *call, const char *what)
{
	return sr_fail(&call->err, CKR_ACTION_PROHIBITED, SR_REASON_NONE, "this object cannot be %s", what);
}

static void put_default(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put_bool(attrs, type, value);
}

static void put_empty_default(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put(attrs, type, NULL, 0);
}

void sr_object_storage_defaults(struct sr_attrs *attrs)
{
	put_default(attrs, CKA_TOKEN, false);
	put_default(attrs, CKA_PRIVATE, true);
	put_default(attrs, CKA_MODIFIABLE, true);
	put_default(attrs, CKA_COPYABLE, true);
	put_default(attrs, CKA_DESTROYABLE, true);
	put_empty_default(attrs, CKA_LABEL);
}

static CK_RV create_session_data(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	CK_RV rv = sr_template_fits_data(attrs, false, &call->err);
	if (rv == CKR_OK && sr_attrs_bool(attrs, CKA_PRIVATE, true))
		rv = sr_call_user(call);
	if (rv != CKR_OK)
		return rv;
	sr_object_storage_defaults(attrs);
	put_empty_default(attrs, CKA_APPLICATION);
	put_empty_default(attrs, CKA_OBJECT_ID);
	put_empty_default(attrs, CKA_VALUE);
	return attrs->failed ? CKR_HOST_MEMORY : sr_session_object_add(call, attrs, handle);
}

/* What the class made becomes a handle: of an object of the vault, or of one that lives in this session alone. */
static CK_RV take_created(
	struct sr_call *call, const struct sr_class *class, struct sr_created *created, CK_OBJECT_HANDLE *handle)
{
	if (created->id[0] == '\0') {
		struct sr_attrs *held = &created->held;
		if (!sr_attrs_find(held, CKA_CLASS))
			sr_attrs_put_ulong(held, CKA_CLASS, class->object_class);
		sr_attrs_put_bool(held, CKA_TOKEN, false);
		sr_attrs_put_bool(held, CKA_PRIVATE, true);
		sr_attrs_put_bool(held, CKA_MODIFIABLE, false);
		sr_attrs_put_bool(held, CKA_COPYABLE, false);
		return held->failed ? CKR_HOST_MEMORY : sr_session_object_add(call, held, handle);
	}
	CK_RV rv = sr_handle_of(call, class, created->id, true, handle);
	if (rv == CKR_OK && created->once.len)
		sr_handle_keep_once(call, *handle, &created->once);
	return rv;
}

/* A class of ours may make an object of the session: room for it is looked for before the work is done, not after. */
static CK_RV create_in_vault(
	struct sr_call *call, const struct sr_class *class, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	CK_RV rv = sr_object_check_write(call, class);
	if (rv == CKR_OK)
		rv = sr_call_user(call);
	if (rv == CKR_OK && !class->create)
		rv = sr_fail(&call->err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"objects of this class cannot be created");
	if (rv == CKR_OK && (class->object_class & CKO_VENDOR_DEFINED))
		rv = sr_session_object_room(call, 1, 0);
	if (rv != CKR_OK)
		return rv;
	put_default(attrs, CKA_TOKEN, true);
	put_default(attrs, CKA_PRIVATE, true);
	if (attrs->failed)
		return CKR_HOST_MEMORY;
	struct sr_created created = { 0 };
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_created_clear(&created);
		rv = class->create(&caller, attrs, &created, &call->err);
	} while (sr_call_again(call, rv));
	if (rv == CKR_OK)
		rv = take_created(call, class, &created, handle);
	sr_created_clear(&created);
	return rv;
}

static CK_RV create(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	if (!sr_attrs_find(attrs, CKA_CLASS))
		return sr_fail(&call->err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "CKA_CLASS is missing");
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(attrs, CKA_CLASS, 0);
	if (sr_class_of_keys(object_class) || object_class == CKO_CERTIFICATE)
		return sr_key_object_create(call, attrs, handle);
	const struct sr_class *class = sr_class_find(object_class);
	if (!class)
		return sr_fail(&call->err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"objects of class 0x%lx are not offered", object_class);
	bool vendor = object_class & CKO_VENDOR_DEFINED;
	if (!vendor && !sr_attrs_bool(attrs, CKA_TOKEN, false))
		return create_session_data(call, attrs, handle);
	CK_RV rv = vendor ? CKR_OK : sr_template_fits_data(attrs, true, &call->err);
	return rv == CKR_OK ? create_in_vault(call, class, attrs, handle) : rv;
}

CK_RV sr_C_CreateObject(struct sr_call *call, CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR object)
{
	if (!object)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phObject is NULL");
	struct sr_attrs attrs = SR_ATTRS_INIT;
	CK_RV rv = sr_template_copy(template, count, SR_TEMPLATE_CREATE, &attrs, &call->err);
	if (rv == CKR_OK)
		rv = create(call, &attrs, object);
	sr_attrs_clear(&attrs);
	return rv;
}

/* 4.4.1: a copy may become private, never public. */
CK_RV sr_object_check_copy(struct sr_call *call, const struct sr_attrs *from, const struct sr_attrs *changes)
{
	if (!sr_attrs_bool(from, CKA_COPYABLE, true))
		return sr_object_prohibit(call, "copied");
	bool opens = sr_attrs_bool(from, CKA_PRIVATE, true) && !sr_attrs_bool(changes, CKA_PRIVATE, true);
	if (opens)
		return sr_fail(&call->err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"the copy of a private object is private");
	return CKR_OK;
}

/* Every attribute of the original but its CKA_UNIQUE_ID, with CHANGES over them. */
static CK_RV merge(const struct sr_attrs *from, const struct sr_attrs *changes, struct sr_attrs *merged)
{
	for (size_t i = 0; i < from->count; i++) {
		if (from->items[i].type != CKA_UNIQUE_ID)
			sr_attrs_put(merged, from->items[i].type, from->items[i].value, from->items[i].len);
	}
	sr_attrs_add(merged, changes);
	return merged->failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV copy_data(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	CK_RV rv = sr_object_check_copy(call, &ref->attrs, changes);
	struct sr_attrs merged = SR_ATTRS_INIT;
	if (rv == CKR_OK)
		rv = merge(&ref->attrs, changes, &merged);
	if (rv == CKR_OK)
		rv = create(call, &merged, copy);
	sr_attrs_clear(&merged);
	return rv;
}

static CK_RV copy_vault_certificate(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	struct sr_view view;
	CK_RV rv = sr_object_view(call, ref, &view);
	if (rv == CKR_OK)
		rv = sr_certificate_copy(call, &view.attrs, changes, copy);
	sr_view_clear(&view);
	return rv;
}

static CK_RV copy_object(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy)
{
	CK_OBJECT_CLASS object_class =
		ref->class ? ref->class->object_class : sr_attrs_ulong(sr_ref_attrs(ref), CKA_CLASS, CKO_DATA);
	if (sr_class_of_keys(object_class))
		return sr_key_object_copy(call, ref, changes, copy);
	if (object_class == CKO_CERTIFICATE)
		return ref->class ? copy_vault_certificate(call, ref, changes, copy)
				  : sr_certificate_copy(call, &ref->attrs, changes, copy);
	/* the copy of a secret of the vault would be a second path to it */
	return ref->class ? sr_object_prohibit(call, "copied") : copy_data(call, ref, changes, copy);
}

CK_RV sr_C_CopyObject(struct sr_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template, CK_ULONG count,
	CK_OBJECT_HANDLE_PTR copy)
{
	if (!copy)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phNewObject is NULL");
	struct sr_ref ref;
	struct sr_attrs changes = SR_ATTRS_INIT;
	CK_RV rv = sr_handle_resolve(call, object, &ref);
	if (rv == CKR_OK)
		rv = sr_template_copy(template, count, SR_TEMPLATE_COPY, &changes, &call->err);
	if (rv == CKR_OK)
		rv = copy_object(call, &ref, &changes, copy);
	sr_attrs_clear(&changes);
	sr_ref_clear(&ref);
	return rv;
}

static CK_RV destroy_in_vault(struct sr_call *call, const struct sr_ref *ref)
{
	CK_RV rv = sr_object_check_write(call, ref->class);
	if (rv != CKR_OK)
		return rv;
	if (!ref->class->destroy)
		return sr_object_prohibit(call, "destroyed");
	do {
		struct sr_caller caller = sr_call_caller(call);
		rv = ref->class->destroy(&caller, ref->id, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

CK_RV sr_C_DestroyObject(struct sr_call *call, CK_OBJECT_HANDLE object)
{
	struct sr_ref ref;
	CK_RV rv = sr_handle_resolve(call, object, &ref);
	if (rv == CKR_OK && ref.class)
		rv = destroy_in_vault(call, &ref);
	else if (rv == CKR_OK && !sr_attrs_bool(sr_ref_attrs(&ref), CKA_DESTROYABLE, true))
		rv = sr_object_prohibit(call, "destroyed");
	if (rv == CKR_OK)
		sr_handle_drop(call, object);
	sr_ref_clear(&ref);
	return rv;
}

CK_RV sr_object_view(struct sr_call *call, const struct sr_ref *ref, struct sr_view *view)
{
	CK_RV rv;
	*view = (struct sr_view){ 0 };
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_view_clear(view);
		rv = ref->class->view(&caller, ref->id, view, &call->err);
	} while (sr_call_again(call, rv));
	if (rv != CKR_OK)
		return rv;
	bool listed = view->by_name && !ref->named && !sr_vault_read_by_listing(call->client->vault);
	if (view->value == SR_VALUE_READABLE && listed) {
		view->value = SR_VALUE_SENSITIVE;
		view->value_reason = SR_REASON_READ_BY_LISTING;
	}
	if (view->value == SR_VALUE_NONE && ref->issued)
		view->value = SR_VALUE_SENSITIVE; /* it was read, or another session may */
	return CKR_OK;
}

static CK_RV vault_object_size(struct sr_call *call, const struct sr_ref *ref, CK_ULONG *size)
{
	struct sr_view view;
	CK_RV rv = sr_object_view(call, ref, &view);
	if (rv == CKR_OK && view.value == SR_VALUE_SENSITIVE)
		rv = sr_fail(&call->err, CKR_INFORMATION_SENSITIVE, view.value_reason,
			"the size of what you may not read is not told");
	if (rv == CKR_OK)
		*size = sr_attrs_bytes(&view.attrs) + view.value_len;
	sr_view_clear(&view);
	return rv;
}

static CK_RV session_object_size(struct sr_call *call, const struct sr_ref *ref, CK_ULONG *size)
{
	const struct sr_attrs *attrs = sr_ref_attrs(ref);
	if (ref->session_key && !sr_key_is_open(attrs))
		return sr_fail(&call->err, CKR_INFORMATION_SENSITIVE, SR_REASON_UNEXTRACTABLE,
			"the size of what you may not read is not told");
	*size = sr_attrs_bytes(attrs);
	return CKR_OK;
}

CK_RV sr_C_GetObjectSize(struct sr_call *call, CK_OBJECT_HANDLE object, CK_ULONG_PTR size)
{
	if (!size)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulSize is NULL");
	struct sr_ref ref;
	CK_RV rv = sr_handle_resolve(call, object, &ref);
	if (rv == CKR_OK)
		rv = ref.class ? vault_object_size(call, &ref, size) : session_object_size(call, &ref, size);
	sr_ref_clear(&ref);
	return rv;
}
