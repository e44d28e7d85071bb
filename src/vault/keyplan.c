/* From a template to an object that is to be made: what is given, what stands there without it, what is missing. */
#include "vault/keytable.h"

#include <string.h>

#define UNSPECIFIED 0 /* of CKA_CERTIFICATE_CATEGORY and CKA_JAVA_MIDP_SECURITY_DOMAIN */

void sr_plan_clear(struct sr_plan *plan)
{
	sr_attrs_clear(&plan->attrs);
	sr_attrs_clear(&plan->material);
	memset(plan, 0, sizeof(*plan));
}

static CK_RV inconsistent(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, reason, "key refused: %s", why);
}

static CK_RV invalid(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "key refused: %s: %s", what, why);
}

static bool text_is(const struct sr_attr *attr, const char *text)
{
	return attr->len == strlen(text) && memcmp(attr->value, text, attr->len) == 0;
}

static CK_RV take_vendor(struct sr_plan *plan, const struct sr_attr *attr, struct sr_error *err)
{
	if (attr->type == CKA_SR_TIER) {
		plan->has_tier = true;
		return sr_tier_parse((const char *)attr->value, attr->len, &plan->tier)
			       ? CKR_OK
			       : invalid(err, SR_REASON_BAD_TEMPLATE, "bad tier",
					 "it must be standard, sensitive or critical");
	}
	plan->has_custody = true;
	bool open = plan->part == SR_PART_PUBLIC || plan->part == SR_PART_CERTIFICATE;
	for (unsigned i = 0; i < SR_CUSTODY_COUNT; i++) {
		plan->custody = (enum sr_custody)i;
		if (text_is(attr, sr_custody_word(i)) && open == (i == SR_CUSTODY_OPEN))
			return CKR_OK;
	}
	return invalid(err, SR_REASON_CUSTODY, "bad custody",
		"it is resident or wrapped for a private or secret key, open for a public key or certificate");
}

/* What is not simply kept. TAKEN false: it is. */
static CK_RV take_special(struct sr_plan *plan, const struct sr_attr *attr, bool *taken, struct sr_error *err)
{
	CK_ULONG number = 0;
	if (attr->len == sizeof(number))
		memcpy(&number, attr->value, sizeof(number));
	*taken = true;
	switch (attr->type) {
	case CKA_CLASS:
		return number == sr_part_class(plan->part)
			       ? CKR_OK
			       : inconsistent(err, SR_REASON_BAD_TEMPLATE, "another CKA_CLASS than is made here");
	case CKA_KEY_TYPE:
	case CKA_CERTIFICATE_TYPE:
		return number == plan->key_type
			       ? CKR_OK
			       : inconsistent(err, SR_REASON_BAD_TEMPLATE, "another key type than is made here");
	case CKA_TOKEN:
		plan->token = *attr->value;
		return CKR_OK;
	case CKA_SR_TIER:
	case CKA_SR_CUSTODY:
		return take_vendor(plan, attr, err);
	default:
		*taken = false;
		return CKR_OK;
	}
}

static CK_RV take(struct sr_plan *plan, unsigned how, const struct sr_attr *attr, struct sr_error *err)
{
	const struct sr_key_attribute *row;
	bool taken;
	CK_RV rv = sr_key_attribute_given(plan->part, plan->key_type, how, attr, &row, err);
	if (rv == CKR_OK)
		rv = take_special(plan, attr, &taken, err);
	if (rv == CKR_OK && !taken)
		sr_attrs_put(row->flags & SR_KEY_SECRET ? &plan->material : &plan->attrs, attr->type, attr->value,
			attr->len);
	return rv;
}

/* The label of a vault object is its path. */
static CK_RV take_path(struct sr_plan *plan, struct sr_error *err)
{
	const struct sr_attr *label = sr_attrs_find(&plan->attrs, CKA_LABEL);
	if (!plan->token && (plan->has_tier || plan->has_custody))
		return inconsistent(err, SR_REASON_BAD_TEMPLATE,
			"tier and custody belong to objects of the vault: CKA_TOKEN must be true");
	if (!plan->token || !label || label->len == 0)
		return CKR_OK;
	if (!sr_path_valid((const char *)label->value, label->len))
		return invalid(err, SR_REASON_BAD_PATH, "bad path (CKA_LABEL)",
			sr_path_why((const char *)label->value, label->len));
	memcpy(plan->path, label->value, label->len);
	plan->path[label->len] = '\0';
	return CKR_OK;
}

static void default_bool(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put_bool(attrs, type, value);
}

static void default_empty(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put(attrs, type, NULL, 0);
}

static bool names_a_right(enum sr_part part, const struct sr_attrs *attrs)
{
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_key_attribute *row = sr_key_attribute(part, attrs->items[i].type);
		if (row && (row->flags & SR_KEY_RIGHT))
			return true;
	}
	return false;
}

/* docs/keys.md: a template that names no right gets those of its kind; one that names some gets exactly these. */
static void default_rights(struct sr_plan *plan, const struct sr_key_type *type)
{
	bool named = names_a_right(plan->part, &plan->attrs);
	for (size_t k = 0; !named && k < 4 && type->rights[k]; k++)
		sr_attrs_put_bool(&plan->attrs, type->rights[k], true);
	for (size_t i = 0; i < sr_key_attribute_count; i++) {
		if ((sr_key_attributes[i].parts & (1u << plan->part)) && (sr_key_attributes[i].flags & SR_KEY_RIGHT))
			default_bool(&plan->attrs, sr_key_attributes[i].type, false);
	}
}

static void default_key(struct sr_plan *plan)
{
	struct sr_attrs *attrs = &plan->attrs;
	sr_attrs_put_ulong(attrs, CKA_KEY_TYPE, plan->key_type);
	default_rights(plan, sr_key_type(plan->part, plan->key_type));
	if (plan->part == SR_PART_PUBLIC || plan->part == SR_PART_PRIVATE)
		default_empty(attrs, CKA_SUBJECT);
	if (plan->part != SR_PART_PRIVATE)
		default_bool(attrs, CKA_TRUSTED, false);
	else
		default_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false);
	if (plan->part == SR_PART_PUBLIC)
		return;
	default_bool(attrs, CKA_SENSITIVE, true);
	default_bool(attrs, CKA_EXTRACTABLE, false);
	default_bool(attrs, CKA_WRAP_WITH_TRUSTED, false);
}

static void default_certificate(struct sr_plan *plan)
{
	struct sr_attrs *attrs = &plan->attrs;
	sr_attrs_put_ulong(attrs, CKA_CERTIFICATE_TYPE, plan->key_type);
	default_bool(attrs, CKA_TRUSTED, false);
	if (!sr_attrs_find(attrs, CKA_CERTIFICATE_CATEGORY))
		sr_attrs_put_ulong(attrs, CKA_CERTIFICATE_CATEGORY, UNSPECIFIED);
	if (!sr_attrs_find(attrs, CKA_JAVA_MIDP_SECURITY_DOMAIN))
		sr_attrs_put_ulong(attrs, CKA_JAVA_MIDP_SECURITY_DOMAIN, UNSPECIFIED);
	default_empty(attrs, CKA_URL);
}

static void put_defaults(struct sr_plan *plan)
{
	struct sr_attrs *attrs = &plan->attrs;
	bool hidden = plan->part == SR_PART_PRIVATE || plan->part == SR_PART_SECRET;
	sr_attrs_put_ulong(attrs, CKA_CLASS, sr_part_class(plan->part));
	sr_attrs_put_bool(attrs, CKA_TOKEN, plan->token);
	if (hidden)
		sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	default_bool(attrs, CKA_PRIVATE, false);
	default_bool(attrs, CKA_MODIFIABLE, true);
	default_bool(attrs, CKA_COPYABLE, true);
	default_bool(attrs, CKA_DESTROYABLE, true);
	default_empty(attrs, CKA_LABEL);
	default_empty(attrs, CKA_START_DATE);
	default_empty(attrs, CKA_END_DATE);
	if (plan->part == SR_PART_CERTIFICATE)
		default_certificate(plan);
	else
		default_key(plan);
}

#define P (1u << SR_PART_PRIVATE)
#define U (1u << SR_PART_PUBLIC)
#define S (1u << SR_PART_SECRET)
#define C (1u << SR_PART_CERTIFICATE)
#define GEN SR_HOW_GENERATE
#define IMP SR_HOW_IMPORT

/* What has to be there, by how the object is made. */
static const struct {
	unsigned how;
	unsigned parts;
	CK_KEY_TYPE key_type;
	CK_ATTRIBUTE_TYPE type;
	const char *name;
} needed[] = {
	{ GEN, U, CKK_RSA, CKA_MODULUS_BITS, "CKA_MODULUS_BITS" },
	{ GEN, U, CKK_EC, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ GEN, U, CKK_EC_EDWARDS, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ GEN, U, CKK_EC_MONTGOMERY, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ GEN, S, CKK_AES, CKA_VALUE_LEN, "CKA_VALUE_LEN" },
	{ GEN, S, CKK_GENERIC_SECRET, CKA_VALUE_LEN, "CKA_VALUE_LEN" },
	{ IMP, P | U, CKK_RSA, CKA_MODULUS, "CKA_MODULUS" },
	{ IMP, P | U, CKK_RSA, CKA_PUBLIC_EXPONENT, "CKA_PUBLIC_EXPONENT" },
	{ IMP, P, CKK_RSA, CKA_PRIVATE_EXPONENT, "CKA_PRIVATE_EXPONENT" },
	{ IMP, P | U, CKK_EC, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ IMP, P | U, CKK_EC_EDWARDS, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ IMP, P | U, CKK_EC_MONTGOMERY, CKA_EC_PARAMS, "CKA_EC_PARAMS" },
	{ IMP, U, CKK_EC, CKA_EC_POINT, "CKA_EC_POINT" },
	{ IMP, U, CKK_EC_EDWARDS, CKA_EC_POINT, "CKA_EC_POINT" },
	{ IMP, U, CKK_EC_MONTGOMERY, CKA_EC_POINT, "CKA_EC_POINT" },
	{ IMP, P, CKK_EC, CKA_VALUE, "CKA_VALUE" },
	{ IMP, P, CKK_EC_EDWARDS, CKA_VALUE, "CKA_VALUE" },
	{ IMP, P, CKK_EC_MONTGOMERY, CKA_VALUE, "CKA_VALUE" },
	{ IMP, S, CKK_AES, CKA_VALUE, "CKA_VALUE" },
	{ IMP, S, CKK_DES3, CKA_VALUE, "CKA_VALUE" },
	{ IMP, S, CKK_GENERIC_SECRET, CKA_VALUE, "CKA_VALUE" },
	{ IMP, C, CKC_X_509, CKA_VALUE, "CKA_VALUE" },
};

static CK_RV check_complete(const struct sr_plan *plan, unsigned how, struct sr_error *err)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (!(needed[i].how & how) || !(needed[i].parts & (1u << plan->part)) ||
			needed[i].key_type != plan->key_type)
			continue;
		const struct sr_attr *attr = sr_attrs_find(&plan->attrs, needed[i].type);
		if (!attr)
			attr = sr_attrs_find(&plan->material, needed[i].type);
		if (!attr || attr->len == 0)
			return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
				"key refused: %s is missing", needed[i].name);
	}
	return CKR_OK;
}

#define SECRET_BYTES_MAX 4096u

/* The length of a secret key, given or imported. */
static CK_RV check_secret_length(const struct sr_plan *plan, struct sr_error *err)
{
	const struct sr_attr *value = sr_attrs_find(&plan->material, CKA_VALUE);
	CK_ULONG len = sr_attrs_ulong(&plan->attrs, CKA_VALUE_LEN, value ? value->len : 0);
	bool given = value || sr_attrs_find(&plan->attrs, CKA_VALUE_LEN);
	if (!given)
		return CKR_OK;
	if (value && len != value->len)
		return inconsistent(err, SR_REASON_BAD_TEMPLATE, "CKA_VALUE_LEN is not the length of CKA_VALUE");
	if (plan->key_type == CKK_AES && len != 16 && len != 24 && len != 32)
		return invalid(err, SR_REASON_BAD_TEMPLATE, "bad length", "an AES key has 16, 24 or 32 bytes");
	if (plan->key_type == CKK_DES3 && len != 24)
		return invalid(err, SR_REASON_BAD_TEMPLATE, "bad length", "a triple DES key has 24 bytes");
	if (len == 0 || len > SECRET_BYTES_MAX)
		return invalid(err, SR_REASON_TOO_LARGE, "bad length", "a secret key has 1 to 4096 bytes");
	return CKR_OK;
}

static CK_RV check_rsa_bits(const struct sr_plan *plan, struct sr_error *err)
{
	CK_ULONG bits = sr_attrs_ulong(&plan->attrs, CKA_MODULUS_BITS, 2048);
	if (bits >= 2048 && bits <= 4096)
		return CKR_OK;
	return invalid(err, SR_REASON_BAD_TEMPLATE, "bad CKA_MODULUS_BITS", "an RSA key has 2048 to 4096 bits");
}

static CK_RV fill(struct sr_plan *plan, unsigned how, const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < template->count; i++)
		rv = take(plan, how, &template->items[i], err);
	if (rv == CKR_OK)
		rv = take_path(plan, err);
	return rv;
}

static CK_RV check_memory(const struct sr_plan *plan, struct sr_error *err)
{
	if (plan->attrs.failed || plan->material.failed)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make a key");
	return CKR_OK;
}

static CK_RV make(struct sr_plan *plan, enum sr_how how, const struct sr_attrs *template, struct sr_error *err)
{
	if (plan->part != SR_PART_CERTIFICATE && !sr_key_type(plan->part, plan->key_type))
		return invalid(err, SR_REASON_BAD_TEMPLATE, "bad CKA_KEY_TYPE", "keys of this type are not offered");
	if (plan->part == SR_PART_CERTIFICATE && plan->key_type != CKC_X_509)
		return invalid(err, SR_REASON_BAD_TEMPLATE, "bad CKA_CERTIFICATE_TYPE",
			"X.509 certificates alone are offered");
	CK_RV rv = fill(plan, how, template, err);
	if (rv == CKR_OK)
		rv = check_complete(plan, how, err);
	if (rv == CKR_OK && plan->part == SR_PART_SECRET)
		rv = check_secret_length(plan, err);
	if (rv == CKR_OK && how == SR_HOW_GENERATE && plan->key_type == CKK_RSA)
		rv = check_rsa_bits(plan, err);
	if (rv != CKR_OK)
		return rv;
	put_defaults(plan);
	rv = check_memory(plan, err);
	return rv == CKR_OK ? sr_keyattrs_rules(plan->part, how, &plan->attrs, err) : rv;
}

CK_RV sr_plan_make(struct sr_plan *plan, enum sr_how how, enum sr_part part, CK_KEY_TYPE key_type,
	const struct sr_attrs *template, struct sr_error *err)
{
	memset(plan, 0, sizeof(*plan));
	plan->part = part;
	plan->key_type = key_type;
	plan->custody = part == SR_PART_PUBLIC || part == SR_PART_CERTIFICATE ? SR_CUSTODY_OPEN : SR_CUSTODY_RESIDENT;
	CK_RV rv = make(plan, how, template, err);
	if (rv != CKR_OK)
		sr_plan_clear(plan);
	return rv;
}

void sr_plan_history(struct sr_plan *plan, enum sr_how how, CK_MECHANISM_TYPE mechanism, const struct sr_attrs *base)
{
	struct sr_attrs *attrs = &plan->attrs;
	bool local = how == SR_HOW_GENERATE;
	if (plan->part == SR_PART_CERTIFICATE)
		return;
	sr_attrs_put_bool(attrs, CKA_LOCAL, local);
	sr_attrs_put_ulong(attrs, CKA_KEY_GEN_MECHANISM, local ? mechanism : CK_UNAVAILABLE_INFORMATION);
	if (plan->part == SR_PART_PUBLIC)
		return;
	bool sensitive = sr_attrs_bool(attrs, CKA_SENSITIVE, false);
	bool kept = !sr_attrs_bool(attrs, CKA_EXTRACTABLE, true);
	/* 5.18.5: what a derived key was always is no more than what its base was */
	sr_attrs_put_bool(attrs, CKA_ALWAYS_SENSITIVE,
		sensitive && (local || (base && sr_attrs_bool(base, CKA_ALWAYS_SENSITIVE, false))));
	sr_attrs_put_bool(attrs, CKA_NEVER_EXTRACTABLE,
		kept && (local || (base && sr_attrs_bool(base, CKA_NEVER_EXTRACTABLE, false))));
}

/* -- copies ------------------------------------------------------------------------------------------------------ */

/* Without what belongs to the original alone. */
static void copy_own(const struct sr_attrs *from, struct sr_attrs *to)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct sr_attr *attr = &from->items[i];
		if (attr->type != CKA_UNIQUE_ID && !(attr->type & CKA_VENDOR_DEFINED))
			sr_attrs_put(to, attr->type, attr->value, attr->len);
	}
	to->failed = to->failed || from->failed;
}

static CK_RV copy_plan(
	struct sr_plan *plan, const struct sr_attrs *from, const struct sr_attrs *changes, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	bool taken;
	copy_own(from, &plan->attrs);
	for (size_t i = 0; rv == CKR_OK && i < changes->count; i++) {
		const struct sr_attr *change = &changes->items[i];
		rv = sr_keyattrs_change_one(plan->part, plan->key_type, SR_HOW_COPY, &plan->attrs, change, err);
		if (rv == CKR_OK)
			rv = take_special(plan, change, &taken, err);
		if (rv == CKR_OK && change->type == CKA_LABEL)
			sr_attrs_put(&plan->attrs, CKA_LABEL, change->value, change->len);
	}
	if (rv == CKR_OK)
		rv = take_path(plan, err);
	put_defaults(plan);
	if (rv == CKR_OK)
		rv = check_memory(plan, err);
	return rv == CKR_OK ? sr_keyattrs_rules(plan->part, SR_HOW_COPY, &plan->attrs, err) : rv;
}

CK_RV sr_plan_copy(struct sr_plan *plan, enum sr_part part, CK_KEY_TYPE key_type, const struct sr_attrs *from,
	const struct sr_attrs *changes, struct sr_error *err)
{
	memset(plan, 0, sizeof(*plan));
	plan->part = part;
	plan->key_type = key_type;
	plan->custody = part == SR_PART_PUBLIC || part == SR_PART_CERTIFICATE ? SR_CUSTODY_OPEN : SR_CUSTODY_RESIDENT;
	plan->token = sr_attrs_bool(from, CKA_TOKEN, false);
	CK_RV rv = copy_plan(plan, from, changes, err);
	if (rv != CKR_OK)
		sr_plan_clear(plan);
	return rv;
}
