/* What the calls that use, make and show keys share; sr_call_key and its like are in operation.h. */
#ifndef SR_PKCS11_KEY_H
#define SR_PKCS11_KEY_H

#include "pkcs11/call.h"
#include "vault/keys.h"

#define SR_WRAPPED_MAX (64u << 10) /* bytes of a wrapped key */

/** sr_class_of_keys(object_class): private, public and secret keys. */
bool sr_class_of_keys(CK_OBJECT_CLASS object_class);

/** sr_ref_key(call, ref, key): the key that REF names, which is one; for sr_key_unref. */
CK_RV sr_ref_key(struct sr_call *call, const struct sr_ref *ref, struct sr_key **key);

/** sr_making_begin(call, template, private, making): what has to be so before an object is made: a R/W session for a
 * token object (CKR_SESSION_READ_ONLY), a login for that and for what is PRIVATE (CKR_USER_NOT_LOGGED_IN), room and a
 * nest for a session object. MAKING gets TEMPLATE and the nest; class and type are the caller's. */
CK_RV sr_making_begin(struct sr_call *call, const struct sr_attrs *template, bool is_private, struct sr_making *making);

/** sr_made_take(call, object_class, made, handle): the handle of what was made. MADE->key is taken. */
CK_RV sr_made_take(
	struct sr_call *call, CK_OBJECT_CLASS object_class, struct sr_new_key *made, CK_OBJECT_HANDLE *handle);

/** sr_key_object_create(call, template, handle): C_CreateObject of a key or a certificate. */
CK_RV sr_key_object_create(struct sr_call *call, const struct sr_attrs *template, CK_OBJECT_HANDLE *handle);

/** sr_key_object_copy(call, ref, changes, copy), sr_key_object_set(call, ref, changes): C_CopyObject of a key,
 *  C_SetAttributeValue of one that is a session object. */
CK_RV sr_key_object_copy(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy);
CK_RV sr_key_object_set(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *changes);

/** sr_certificate_copy(call, from, changes, copy): of a certificate with the attributes FROM, its value among them.
 *  sr_certificate_check_changes(call, changes): CKR_ATTRIBUTE_READ_ONLY for what stays. */
CK_RV sr_certificate_copy(
	struct sr_call *call, const struct sr_attrs *from, const struct sr_attrs *changes, CK_OBJECT_HANDLE *copy);
CK_RV sr_certificate_check_changes(struct sr_call *call, const struct sr_attrs *changes);

/** sr_key_is_open(attrs): a key with these attributes shows all of itself. */
bool sr_key_is_open(const struct sr_attrs *attrs);

/** sr_key_get(call, ref, attrs, template, count): C_GetAttributeValue of a key that shows ATTRS. */
CK_RV sr_key_get(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *attrs, CK_ATTRIBUTE *template,
	CK_ULONG count);

#endif
