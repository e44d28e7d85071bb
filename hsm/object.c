/* The standard's object calls, one question at a time. */
#include "hsm/internal.h"

#include <string.h>

CK_RV sr_object_find(const struct sr_hsm_turn *turn, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *found,
	CK_ULONG max, CK_ULONG *found_count)
{
	*found_count = 0;
	CK_RV rv = turn->module->C_FindObjectsInit(turn->session, template, count);
	if (rv != CKR_OK)
		return rv;
	CK_ULONG got = 1;
	/* A backend may hand them over a few at a time. */
	while (rv == CKR_OK && got > 0 && *found_count < max) {
		rv = turn->module->C_FindObjects(turn->session, found + *found_count, max - *found_count, &got);
		if (rv == CKR_OK)
			*found_count += got;
	}
	CK_RV end = turn->module->C_FindObjectsFinal(turn->session);
	return rv != CKR_OK ? rv : end;
}

CK_RV sr_object_find_label(const struct sr_hsm_turn *turn, CK_OBJECT_CLASS class, const char *label,
	CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
	};
	return sr_object_find(turn, template, 3, found, max, count);
}

CK_RV sr_object_bytes(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out,
	size_t max, size_t *len)
{
	CK_ATTRIBUTE attribute = { type, out, max };
	CK_RV rv = turn->module->C_GetAttributeValue(turn->session, object, &attribute, 1);
	if (rv == CKR_OK && attribute.ulValueLen > max)
		rv = CKR_ATTRIBUTE_TYPE_INVALID; /* CK_UNAVAILABLE_INFORMATION with CKR_OK: some backends do that */
	*len = rv == CKR_OK ? attribute.ulValueLen : 0;
	return rv;
}

CK_RV sr_object_bool(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool *out)
{
	CK_BBOOL value = CK_FALSE;
	size_t len = 0;
	CK_RV rv = sr_object_bytes(turn, object, type, &value, sizeof(value), &len);
	if (rv == CKR_OK && len != sizeof(value))
		rv = CKR_ATTRIBUTE_TYPE_INVALID;
	*out = rv == CKR_OK && value != CK_FALSE;
	return rv;
}

CK_RV sr_object_number(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *out)
{
	size_t len = 0;
	CK_RV rv = sr_object_bytes(turn, object, type, out, sizeof(*out), &len);
	return rv == CKR_OK && len != sizeof(*out) ? CKR_ATTRIBUTE_TYPE_INVALID : rv;
}
