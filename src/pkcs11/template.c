/* Templates from outside. What a template says is read once, for it may change under our eyes in another thread. */
#include "pkcs11/template.h"

#include "pkcs11/attribute_kind.h"

#include <stdlib.h>
#include <string.h>

#define NEW_KEY                                                                                                   \
	(SR_TEMPLATE_GENERATE | SR_TEMPLATE_GENERATE_PUBLIC | SR_TEMPLATE_GENERATE_PRIVATE | SR_TEMPLATE_UNWRAP | \
		SR_TEMPLATE_DERIVE)

#define DATA 1u   /* belongs to CKO_DATA objects */
#define SECRET 2u /* a value, or what tells of one */

#define SR_ATTRIBUTE(type, kind, uses, flags) { type, SR_ATTRIBUTE_##kind, uses, flags },
static const struct row {
	CK_ATTRIBUTE_TYPE type;
	enum sr_attribute_kind kind;
	unsigned uses;
	unsigned flags;
} rows[] = {
#include "pkcs11/attributes.def"
};
#undef SR_ATTRIBUTE

static const struct row *find_row(CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].type == type)
			return &rows[i];
	}
	return NULL;
}

static bool is_vendor(CK_ATTRIBUTE_TYPE type)
{
	return type & CKA_VENDOR_DEFINED;
}

static size_t length_limit(CK_ATTRIBUTE_TYPE type)
{
	if (type == CKA_VALUE)
		return SR_VALUE_MAX;
	if (type == CKA_LABEL)
		return SR_LABEL_MAX;
	return is_vendor(type) ? SR_VENDOR_MAX : SR_ATTR_MAX;
}

static CK_RV check_length(const CK_ATTRIBUTE *given, struct sr_error *err)
{
	if (!given->pValue && given->ulValueLen)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx has a length and no value", given->type);
	if (given->ulValueLen <= length_limit(given->type))
		return CKR_OK;
	if (given->type == CKA_VALUE)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
			"the value has %lu bytes: a secret has 64 KiB (65536 bytes) at most", given->ulValueLen);
	if (given->type == CKA_LABEL)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
			"the label has %lu bytes: a path has 512 at most", given->ulValueLen);
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
		"attribute 0x%lx has %lu bytes: its limit is %zu", given->type, given->ulValueLen,
		length_limit(given->type));
}

static bool kind_fits(enum sr_attribute_kind kind, const CK_ATTRIBUTE *given)
{
	switch (kind) {
	case SR_ATTRIBUTE_BOOL:
		return given->ulValueLen == sizeof(CK_BBOOL) && *(const CK_BBOOL *)given->pValue <= CK_TRUE;
	case SR_ATTRIBUTE_ULONG:
		return given->ulValueLen == sizeof(CK_ULONG);
	case SR_ATTRIBUTE_DATE:
		return given->ulValueLen == 0 || given->ulValueLen == sizeof(CK_DATE);
	case SR_ATTRIBUTE_MECHANISMS:
		return given->ulValueLen % sizeof(CK_MECHANISM_TYPE) == 0 &&
		       given->ulValueLen / sizeof(CK_MECHANISM_TYPE) <= SR_ALLOWED_MECHANISMS_MAX;
	case SR_ATTRIBUTE_BYTES:
		break;
	}
	return true;
}

/* Whether an attribute without a row may stand here. An array that has none is a template within the template. */
static bool may_be_unknown(CK_ATTRIBUTE_TYPE type, enum sr_template_use use)
{
	if (!is_vendor(type))
		return use == SR_TEMPLATE_FIND && !(type & CKF_ARRAY_ATTRIBUTE);
	return !(use & NEW_KEY) || type == CKA_SR_TIER || type == CKA_SR_CUSTODY;
}

static CK_RV check_attribute(const CK_ATTRIBUTE *given, enum sr_template_use use, struct sr_error *err)
{
	bool search = use == SR_TEMPLATE_FIND;
	const struct row *row = find_row(given->type);
	if (!row && !may_be_unknown(given->type, use))
		return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx is not one that an object here can have", given->type);
	if (!search && row && !(row->uses & use))
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx cannot be given here: leave it out", given->type);
	CK_RV rv = check_length(given, err);
	if (rv == CKR_OK && row && !kind_fits(row->kind, given))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx has a value of the wrong length or kind", given->type);
	return rv;
}

static CK_RV check_twice(
	const struct sr_attrs *attrs, const CK_ATTRIBUTE *given, enum sr_template_use use, struct sr_error *err)
{
	const struct sr_attr *first = sr_attrs_find(attrs, given->type);
	if (!first)
		return CKR_OK;
	if (use != SR_TEMPLATE_FIND)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE, "attribute 0x%lx is there twice",
			given->type);
	if (first->len == given->ulValueLen && (!first->len || memcmp(first->value, given->pValue, first->len) == 0))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"the search asks for two values of attribute 0x%lx", given->type);
}

static CK_RV copy_all(const CK_ATTRIBUTE *template, CK_ULONG count, enum sr_template_use use, struct sr_attrs *attrs,
	struct sr_error *err)
{
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE given = template[i];
		CK_RV rv = check_attribute(&given, use, err);
		if (rv == CKR_OK)
			rv = check_twice(attrs, &given, use, err);
		if (rv != CKR_OK)
			return rv;
		sr_attrs_put(attrs, given.type, given.pValue, given.ulValueLen);
	}
	return attrs->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the template") : CKR_OK;
}

/* The class may stand behind the value. */
static CK_RV check_whole(const struct sr_attrs *attrs, enum sr_template_use use, struct sr_error *err)
{
	const struct sr_attr *value = sr_attrs_find(attrs, CKA_VALUE);
	bool certificate = sr_attrs_ulong(attrs, CKA_CLASS, CKO_DATA) == CKO_CERTIFICATE;
	if (use != SR_TEMPLATE_CREATE || !certificate || !value || value->len <= SR_CERTIFICATE_MAX)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
		"the certificate has %zu bytes: the limit is 32 KiB (32768 bytes)", value->len);
}

CK_RV sr_template_copy(const CK_ATTRIBUTE *template, CK_ULONG count, enum sr_template_use use, struct sr_attrs *attrs,
	struct sr_error *err)
{
	if (count > SR_ATTRS_MAX)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_TOO_LARGE,
			"the template has %lu attributes: the limit is %d", count, SR_ATTRS_MAX);
	if (!template && count)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE, "pTemplate is NULL");
	CK_RV rv = copy_all(template, count, use, attrs, err);
	if (rv == CKR_OK)
		rv = check_whole(attrs, use, err);
	if (rv != CKR_OK)
		sr_attrs_clear(attrs);
	return rv;
}

CK_RV sr_template_fits_data(const struct sr_attrs *attrs, bool vendor, struct sr_error *err)
{
	for (size_t i = 0; i < attrs->count; i++) {
		CK_ATTRIBUTE_TYPE type = attrs->items[i].type;
		const struct row *row = find_row(type);
		if (is_vendor(type) ? !vendor : !row || !(row->flags & DATA))
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"attribute 0x%lx does not belong to a%s data object", type, vendor ? "" : " session's");
	}
	return CKR_OK;
}

bool sr_template_names_secret(const struct sr_attrs *attrs)
{
	for (size_t i = 0; i < attrs->count; i++) {
		const struct row *row = find_row(attrs->items[i].type);
		if (row && (row->flags & SECRET))
			return true;
	}
	return false;
}
