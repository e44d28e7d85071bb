/* The table of attributes of keys and certificates: PKCS#11 v3.1, 4.4 to 4.10, and chapter 6 for the key types. */
#include "vault/keyattrs.h"

#include "util/pack.h"

#include <string.h>

#define PACKED "strongroom/key-attributes/1"
#define UNSPECIFIED 0 /* of CKA_CERTIFICATE_CATEGORY and CKA_JAVA_MIDP_SECURITY_DOMAIN */

enum kind { KIND_BOOL, KIND_ULONG, KIND_ULONGS, KIND_DATE, KIND_BYTES };

/* parts */
#define P (1u << SR_PART_PRIVATE)
#define U (1u << SR_PART_PUBLIC)
#define S (1u << SR_PART_SECRET)
#define C (1u << SR_PART_CERTIFICATE)
#define KEYS (P | U | S)
#define ALL (KEYS | C)

/* families of key types; 0 is any */
#define RSA 1u
#define EC 2u
#define SYMMETRIC 4u

/* where it may be given */
#define GEN SR_HOW_GENERATE
#define IMP SR_HOW_IMPORT
#define DER SR_HOW_DERIVE
#define UNW SR_HOW_UNWRAP
#define MADE (GEN | IMP | UNW | DER)
#define COPY (MADE | SR_HOW_COPY)
#define ANY (COPY | SR_HOW_SET)

/* what it is */
#define KEPT (1u << 8)       /* stands in the row */
#define RIGHT (1u << 9)      /* something that the key may do */
#define HSM (1u << 10)       /* the HSM is told */
#define NEW (1u << 11)       /* the HSM is told when it makes the key */
#define COMPONENT (1u << 12) /* the HSM is told when the key is given to it */
#define SECRET (1u << 13)    /* it never leaves the HSM */
#define UP (1u << 14)        /* becomes only true */
#define DOWN (1u << 15)      /* becomes only false */

static const struct row {
	CK_ATTRIBUTE_TYPE type;
	enum kind kind;
	unsigned parts;
	unsigned family;
	unsigned flags;
	uint32_t action; /* that lets a right read true */
} rows[] = {
	{ CKA_CLASS, KIND_ULONG, ALL, 0, MADE, 0 },
	{ CKA_TOKEN, KIND_BOOL, ALL, 0, COPY, 0 },
	{ CKA_PRIVATE, KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_LABEL, KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_UNIQUE_ID, KIND_BYTES, ALL, 0, 0, 0 },
	{ CKA_MODIFIABLE, KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_COPYABLE, KIND_BOOL, ALL, 0, ANY | KEPT | DOWN, 0 },
	{ CKA_DESTROYABLE, KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_KEY_TYPE, KIND_ULONG, KEYS, 0, MADE, 0 },
	{ CKA_ID, KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_START_DATE, KIND_DATE, ALL, 0, ANY | KEPT, 0 },
	{ CKA_END_DATE, KIND_DATE, ALL, 0, ANY | KEPT, 0 },
	{ CKA_LOCAL, KIND_BOOL, KEYS, 0, KEPT, 0 },
	{ CKA_KEY_GEN_MECHANISM, KIND_ULONG, KEYS, 0, KEPT, 0 },
	{ CKA_ALLOWED_MECHANISMS, KIND_ULONGS, KEYS, 0, MADE | KEPT, 0 },
	{ CKA_SUBJECT, KIND_BYTES, P | U | C, 0, ANY | KEPT, 0 },
	{ CKA_SENSITIVE, KIND_BOOL, P | S, 0, ANY | KEPT | HSM | UP, 0 },
	{ CKA_EXTRACTABLE, KIND_BOOL, P | S, 0, ANY | KEPT | HSM | DOWN, 0 },
	{ CKA_ALWAYS_SENSITIVE, KIND_BOOL, P | S, 0, KEPT, 0 },
	{ CKA_NEVER_EXTRACTABLE, KIND_BOOL, P | S, 0, KEPT, 0 },
	{ CKA_ENCRYPT, KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_ENCRYPT },
	{ CKA_DECRYPT, KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_DECRYPT },
	{ CKA_SIGN, KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_SIGN },
	{ CKA_SIGN_RECOVER, KIND_BOOL, P, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_SIGN },
	{ CKA_VERIFY, KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_VERIFY },
	{ CKA_VERIFY_RECOVER, KIND_BOOL, U, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_VERIFY },
	{ CKA_WRAP, KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_WRAP },
	{ CKA_UNWRAP, KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_UNWRAP },
	{ CKA_DERIVE, KIND_BOOL, KEYS, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_DERIVE },
	{ CKA_WRAP_WITH_TRUSTED, KIND_BOOL, P | S, 0, ANY | KEPT | UP, 0 },
	{ CKA_TRUSTED, KIND_BOOL, U | S | C, 0, ANY | KEPT, 0 },
	{ CKA_ALWAYS_AUTHENTICATE, KIND_BOOL, P, 0, MADE | KEPT, 0 },
	{ CKA_PUBLIC_KEY_INFO, KIND_BYTES, P | U | C, 0, IMP | KEPT, 0 },
	{ CKA_MODULUS, KIND_BYTES, P | U, RSA, IMP | KEPT | COMPONENT, 0 },
	{ CKA_MODULUS_BITS, KIND_ULONG, U, RSA, GEN | IMP | KEPT | NEW, 0 },
	{ CKA_PUBLIC_EXPONENT, KIND_BYTES, U, RSA, GEN | IMP | KEPT | NEW | COMPONENT, 0 },
	{ CKA_PUBLIC_EXPONENT, KIND_BYTES, P, RSA, IMP | KEPT | COMPONENT, 0 },
	{ CKA_PRIVATE_EXPONENT, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_PRIME_1, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_PRIME_2, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EXPONENT_1, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EXPONENT_2, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_COEFFICIENT, KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EC_PARAMS, KIND_BYTES, U, EC, GEN | IMP | KEPT | NEW | COMPONENT, 0 },
	{ CKA_EC_PARAMS, KIND_BYTES, P, EC, IMP | KEPT | COMPONENT, 0 },
	{ CKA_EC_POINT, KIND_BYTES, U, EC, IMP | KEPT | COMPONENT, 0 },
	{ CKA_VALUE, KIND_BYTES, P, EC, IMP | SECRET, 0 },
	{ CKA_VALUE, KIND_BYTES, S, SYMMETRIC, IMP | SECRET, 0 },
	{ CKA_VALUE, KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_VALUE_LEN, KIND_ULONG, S, SYMMETRIC, MADE | KEPT | NEW, 0 },
	{ CKA_CERTIFICATE_TYPE, KIND_ULONG, C, 0, IMP, 0 },
	{ CKA_CERTIFICATE_CATEGORY, KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_ISSUER, KIND_BYTES, C, 0, ANY | KEPT, 0 },
	{ CKA_SERIAL_NUMBER, KIND_BYTES, C, 0, ANY | KEPT, 0 },
	{ CKA_URL, KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_HASH_OF_SUBJECT_PUBLIC_KEY, KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_HASH_OF_ISSUER_PUBLIC_KEY, KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_NAME_HASH_ALGORITHM, KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_JAVA_MIDP_SECURITY_DOMAIN, KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_SR_TIER, KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_SR_CUSTODY, KIND_BYTES, ALL, 0, COPY, 0 },
};

#define ROWS (sizeof(rows) / sizeof(*rows))

/* The key types that are offered. RIGHTS: those of a key whose template names none; 0 ends the list. */
static const struct type_row {
	CK_KEY_TYPE key_type;
	unsigned family;
	enum sr_part part;
	CK_ATTRIBUTE_TYPE rights[4];
} types[] = {
	{ CKK_RSA, RSA, SR_PART_PRIVATE, { CKA_SIGN, CKA_DECRYPT } },
	{ CKK_RSA, RSA, SR_PART_PUBLIC, { CKA_VERIFY, CKA_ENCRYPT } },
	{ CKK_EC, EC, SR_PART_PRIVATE, { CKA_SIGN, CKA_DERIVE } },
	{ CKK_EC, EC, SR_PART_PUBLIC, { CKA_VERIFY } },
	{ CKK_EC_EDWARDS, EC, SR_PART_PRIVATE, { CKA_SIGN } },
	{ CKK_EC_EDWARDS, EC, SR_PART_PUBLIC, { CKA_VERIFY } },
	{ CKK_EC_MONTGOMERY, EC, SR_PART_PRIVATE, { CKA_DERIVE } },
	{ CKK_EC_MONTGOMERY, EC, SR_PART_PUBLIC, { 0 } },
	{ CKK_AES, SYMMETRIC, SR_PART_SECRET, { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY } },
	{ CKK_DES3, SYMMETRIC, SR_PART_SECRET, { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY } },
	{ CKK_GENERIC_SECRET, SYMMETRIC, SR_PART_SECRET, { CKA_SIGN, CKA_VERIFY } },
};

static const CK_OBJECT_CLASS part_classes[SR_PART_COUNT] = {
	[SR_PART_PRIVATE] = CKO_PRIVATE_KEY,
	[SR_PART_PUBLIC] = CKO_PUBLIC_KEY,
	[SR_PART_SECRET] = CKO_SECRET_KEY,
	[SR_PART_CERTIFICATE] = CKO_CERTIFICATE,
};

CK_OBJECT_CLASS sr_part_class(enum sr_part part)
{
	return part_classes[part];
}

bool sr_class_part(CK_OBJECT_CLASS object_class, enum sr_part *part)
{
	for (unsigned i = 0; i < SR_PART_COUNT; i++) {
		if (part_classes[i] == object_class) {
			*part = (enum sr_part)i;
			return true;
		}
	}
	return false;
}

/* -- the table --------------------------------------------------------------------------------------------------- */

static const struct type_row *find_type(enum sr_part part, CK_KEY_TYPE key_type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (types[i].part == part && types[i].key_type == key_type)
			return &types[i];
	}
	return NULL;
}

static const struct row *find_row(enum sr_part part, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].type == type && (rows[i].parts & (1u << part)))
			return &rows[i];
	}
	return NULL;
}

bool sr_keyattrs_is_secret(enum sr_part part, CK_ATTRIBUTE_TYPE type)
{
	const struct row *row = find_row(part, type);
	return row && (row->flags & SECRET);
}

static bool kind_fits(enum kind kind, const struct sr_attr *attr)
{
	switch (kind) {
	case KIND_BOOL:
		return attr->len == sizeof(CK_BBOOL) && *attr->value <= CK_TRUE;
	case KIND_ULONG:
		return attr->len == sizeof(CK_ULONG);
	case KIND_ULONGS:
		return attr->len % sizeof(CK_ULONG) == 0;
	case KIND_DATE:
		return attr->len == 0 || attr->len == sizeof(CK_DATE);
	case KIND_BYTES:
		break;
	}
	return true;
}

/* The row of an attribute that a template names, if it may stand there. */
static CK_RV check_given(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, const struct sr_attr *attr,
	const struct row **row, struct sr_error *err)
{
	const struct type_row *type = find_type(part, key_type);
	*row = find_row(part, attr->type);
	if (!*row || ((*row)->family && (!type || type->family != (*row)->family)))
		return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx does not belong to a %s object of this kind: leave it out", attr->type,
			sr_part_word(part));
	if (!((*row)->flags & how))
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx cannot be given here: leave it out", attr->type);
	if (!kind_fits((*row)->kind, attr))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx has a value of the wrong length or kind", attr->type);
	if (attr->type == CKA_TRUSTED && *attr->value)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"CKA_TRUSTED is the security officer's, and a vault has none: leave it out");
	return CKR_OK;
}

/* -- a new object ------------------------------------------------------------------------------------------------ */

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
	CK_ULONG number = attr->len == sizeof(CK_ULONG) ? *(const CK_ULONG *)(const void *)attr->value : 0;
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
	const struct row *row;
	bool taken;
	CK_RV rv = check_given(plan->part, plan->key_type, how, attr, &row, err);
	if (rv == CKR_OK)
		rv = take_special(plan, attr, &taken, err);
	if (rv == CKR_OK && !taken)
		sr_attrs_put(row->flags & SECRET ? &plan->material : &plan->attrs, attr->type, attr->value, attr->len);
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
		const struct row *row = find_row(part, attrs->items[i].type);
		if (row && (row->flags & RIGHT))
			return true;
	}
	return false;
}

/* docs/keys.md: a template that names no right gets those of its kind; one that names some gets exactly these. */
static void default_rights(struct sr_plan *plan, const struct type_row *type)
{
	bool named = names_a_right(plan->part, &plan->attrs);
	for (size_t k = 0; !named && k < 4 && type->rights[k]; k++)
		sr_attrs_put_bool(&plan->attrs, type->rights[k], true);
	for (size_t i = 0; i < ROWS; i++) {
		if ((rows[i].parts & (1u << plan->part)) && (rows[i].flags & RIGHT))
			default_bool(&plan->attrs, rows[i].type, false);
	}
}

static void default_key(struct sr_plan *plan)
{
	struct sr_attrs *attrs = &plan->attrs;
	sr_attrs_put_ulong(attrs, CKA_KEY_TYPE, plan->key_type);
	default_rights(plan, find_type(plan->part, plan->key_type));
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
	if (plan->part != SR_PART_CERTIFICATE && !find_type(plan->part, plan->key_type))
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

/* -- rules ------------------------------------------------------------------------------------------------------- */

/* A derived session key that its holder can read: these rights show him nothing that he does not know, and it wraps no
 * sensitive key of the vault (key_wrap.c). pkcs11-tool --derive asks for all of them. */
static bool is_open(enum sr_how how, const struct sr_attrs *attrs)
{
	return how == SR_HOW_DERIVE && !sr_attrs_bool(attrs, CKA_TOKEN, false) &&
	       !sr_attrs_bool(attrs, CKA_SENSITIVE, true) && sr_attrs_bool(attrs, CKA_EXTRACTABLE, false);
}

CK_RV sr_keyattrs_rules(enum sr_part part, enum sr_how how, const struct sr_attrs *attrs, struct sr_error *err)
{
	bool wraps = sr_attrs_bool(attrs, CKA_WRAP, false), unwraps = sr_attrs_bool(attrs, CKA_UNWRAP, false);
	bool decrypts = sr_attrs_bool(attrs, CKA_DECRYPT, false), encrypts = sr_attrs_bool(attrs, CKA_ENCRYPT, false);
	bool leaves = sr_attrs_bool(attrs, CKA_EXTRACTABLE, false);
	if (part == SR_PART_PUBLIC || part == SR_PART_CERTIFICATE || is_open(how, attrs))
		return CKR_OK;
	if (wraps && decrypts)
		return inconsistent(err, SR_REASON_RIGHTS,
			"CKA_WRAP and CKA_DECRYPT on one key would read every key that it wraps; use two keys");
	if (part == SR_PART_SECRET && unwraps && (encrypts || sr_attrs_bool(attrs, CKA_DERIVE, false)))
		return inconsistent(err, SR_REASON_RIGHTS,
			"CKA_UNWRAP with CKA_ENCRYPT or CKA_DERIVE on one key would import known keys; use two keys");
	if (unwraps && decrypts)
		return inconsistent(err, SR_REASON_RIGHTS,
			"CKA_UNWRAP and CKA_DECRYPT on one key would read every key that it unwraps; use two keys");
	if ((wraps || unwraps) && leaves)
		return inconsistent(err, SR_REASON_RIGHTS,
			"a key with CKA_WRAP or CKA_UNWRAP cannot be CKA_EXTRACTABLE: it could come back with other "
			"rights");
	if ((wraps || unwraps) && (how == SR_HOW_UNWRAP || how == SR_HOW_DERIVE))
		return inconsistent(
			err, SR_REASON_RIGHTS, "a key that is unwrapped or derived cannot have CKA_WRAP or CKA_UNWRAP");
	if (how == SR_HOW_UNWRAP && (leaves || !sr_attrs_bool(attrs, CKA_SENSITIVE, false)))
		return inconsistent(err, SR_REASON_RIGHTS,
			"what is unwrapped is CKA_SENSITIVE and not CKA_EXTRACTABLE: leave both out");
	return CKR_OK;
}

CK_RV sr_keyattrs_pair(const struct sr_attrs *public_attrs, const struct sr_attrs *private_attrs, struct sr_error *err)
{
	if (!sr_attrs_bool(public_attrs, CKA_WRAP, false) || !sr_attrs_bool(private_attrs, CKA_DECRYPT, false))
		return CKR_OK;
	return inconsistent(err, SR_REASON_RIGHTS,
		"CKA_WRAP on a public key and CKA_DECRYPT on its private key would read every key that the pair wraps");
}

bool sr_keyattrs_within(const struct sr_attrs *attrs, const struct sr_attrs *limit)
{
	for (size_t i = 0; i < ROWS; i++) {
		if ((rows[i].flags & RIGHT) && sr_attrs_bool(attrs, rows[i].type, false) &&
			!sr_attrs_bool(limit, rows[i].type, false))
			return false;
	}
	return true;
}

/* -- changes ----------------------------------------------------------------------------------------------------- */

/* A right that was given up once does not come back: a key that has wrapped must never decrypt. */
static CK_RV check_direction(
	const struct row *row, const struct sr_attrs *attrs, const struct sr_attr *change, struct sr_error *err)
{
	bool now = sr_attrs_bool(attrs, row->type, false);
	bool wanted = row->kind == KIND_BOOL && *change->value;
	if (row->kind == KIND_BOOL && (row->flags & DOWN) && !now && wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY,
			row->flags & RIGHT ? SR_REASON_RIGHTS : SR_REASON_BAD_TEMPLATE,
			"key not changed: attribute 0x%lx does not become true again; make another key", row->type);
	if ((row->flags & UP) && now && !wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"key not changed: attribute 0x%lx does not become false again", row->type);
	if (row->type == CKA_PRIVATE && now && !wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"the copy of a private object is private");
	return CKR_OK;
}

/* What a certificate says of itself is not changed beside it (its consistency: keyinfo.c). */
static CK_RV change_one(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, struct sr_attrs *attrs,
	const struct sr_attr *change, struct sr_error *err)
{
	const struct row *row;
	CK_RV rv = check_given(part, key_type, how, change, &row, err);
	if (rv == CKR_OK)
		rv = check_direction(row, attrs, change, err);
	if (rv != CKR_OK)
		return rv;
	const struct sr_attr *now = sr_attrs_find(attrs, change->type);
	bool same = now && now->len == change->len && (!now->len || memcmp(now->value, change->value, now->len) == 0);
	bool of_the_certificate =
		change->type == CKA_SUBJECT || change->type == CKA_ISSUER || change->type == CKA_SERIAL_NUMBER;
	if (part == SR_PART_CERTIFICATE && of_the_certificate && !same)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"certificate not changed: its subject, issuer and serial number are its own");
	if (row->flags & KEPT || change->type == CKA_ID)
		sr_attrs_put(attrs, change->type, change->value, change->len);
	return CKR_OK;
}

static void copy_all(const struct sr_attrs *from, struct sr_attrs *to)
{
	for (size_t i = 0; i < from->count; i++)
		sr_attrs_put(to, from->items[i].type, from->items[i].value, from->items[i].len);
	to->failed = to->failed || from->failed;
}

CK_RV sr_keyattrs_change(enum sr_part part, CK_KEY_TYPE key_type, struct sr_attrs *attrs,
	const struct sr_attrs *changes, struct sr_error *err)
{
	struct sr_attrs changed = SR_ATTRS_INIT;
	CK_RV rv = CKR_OK;
	copy_all(attrs, &changed);
	for (size_t i = 0; rv == CKR_OK && i < changes->count; i++)
		rv = change_one(part, key_type, SR_HOW_SET, &changed, &changes->items[i], err);
	if (rv == CKR_OK && changed.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key");
	if (rv == CKR_OK)
		rv = sr_keyattrs_rules(part, SR_HOW_SET, &changed, err);
	if (rv == CKR_OK) {
		sr_attrs_clear(attrs);
		*attrs = changed;
		return CKR_OK;
	}
	sr_attrs_clear(&changed);
	return rv;
}

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
		rv = change_one(plan->part, plan->key_type, SR_HOW_COPY, &plan->attrs, change, err);
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

/* -- what others see --------------------------------------------------------------------------------------------- */

void sr_keyattrs_show(enum sr_part part, const struct sr_attrs *attrs, uint32_t actions, struct sr_attrs *shown)
{
	/* whoever sees a public key can do that outside */
	if (part == SR_PART_PUBLIC)
		actions |= SR_ACTION_VERIFY | SR_ACTION_ENCRYPT;
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct row *row = find_row(part, attr->type);
		if (row && (row->flags & RIGHT))
			sr_attrs_put_bool(
				shown, attr->type, sr_attrs_bool(attrs, attr->type, false) && (row->action & actions));
		else
			sr_attrs_put(shown, attr->type, attr->value, attr->len);
	}
	shown->failed = shown->failed || attrs->failed;
}

void sr_keyattrs_for_hsm(
	enum sr_part part, CK_KEY_TYPE key_type, enum sr_how how, const struct sr_attrs *attrs, struct sr_attrs *hsm)
{
	unsigned wanted = HSM;
	if (how == SR_HOW_IMPORT)
		wanted |= COMPONENT;
	else if (how == SR_HOW_GENERATE || how == SR_HOW_DERIVE)
		wanted |= NEW;
	sr_attrs_put_ulong(hsm, CKA_CLASS, sr_part_class(part));
	sr_attrs_put_ulong(hsm, CKA_KEY_TYPE, key_type);
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct row *row = find_row(part, attr->type);
		if (row && (row->flags & wanted))
			sr_attrs_put(hsm, attr->type, attr->value, attr->len);
	}
	hsm->failed = hsm->failed || attrs->failed;
}

void sr_keyattrs_hsm_changes(enum sr_part part, const struct sr_attrs *changes, struct sr_attrs *hsm)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct sr_attr *attr = &changes->items[i];
		const struct row *row = find_row(part, attr->type);
		if (row && (row->flags & HSM))
			sr_attrs_put(hsm, attr->type, attr->value, attr->len);
	}
}

/* -- the row ----------------------------------------------------------------------------------------------------- */

static void pack_numbers(const struct sr_attr *attr, struct sr_buf *out)
{
	struct sr_buf numbers = SR_BUF_INIT;
	for (size_t at = 0; at + sizeof(CK_ULONG) <= attr->len; at += sizeof(CK_ULONG)) {
		CK_ULONG number;
		memcpy(&number, attr->value + at, sizeof(number));
		/* "not available" is all ones, however wide */
		uint64_t wide = number == CK_UNAVAILABLE_INFORMATION ? UINT64_MAX : number;
		uint8_t bytes[8];
		for (int i = 0; i < 8; i++)
			bytes[i] = (uint8_t)(wide >> (56 - 8 * i));
		sr_buf_append(&numbers, bytes, sizeof(bytes));
	}
	sr_pack_bytes(out, numbers.data, numbers.len);
	out->failed = out->failed || numbers.failed;
	sr_buf_clear(&numbers);
}

void sr_keyattrs_pack(enum sr_part part, const struct sr_attrs *attrs, struct sr_buf *out)
{
	sr_pack_text(out, PACKED);
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct row *row = find_row(part, attr->type);
		if (!row || !(row->flags & KEPT))
			continue;
		sr_pack_u64(out, attr->type);
		if (row->kind == KIND_ULONG || row->kind == KIND_ULONGS)
			pack_numbers(attr, out);
		else
			sr_pack_bytes(out, attr->value, attr->len);
	}
	out->failed = out->failed || attrs->failed;
}

static bool unpack_numbers(const struct row *row, const uint8_t *bytes, size_t len, struct sr_attrs *attrs)
{
	CK_ULONG numbers[SR_ATTRIBUTE_MAX / 8];
	size_t count = len / 8;
	if (len % 8 || count > sizeof(numbers) / sizeof(*numbers) || (row->kind == KIND_ULONG && count != 1))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t wide = 0;
		for (int k = 0; k < 8; k++)
			wide = wide << 8 | bytes[8 * i + (size_t)k];
		numbers[i] = wide == UINT64_MAX ? CK_UNAVAILABLE_INFORMATION : (CK_ULONG)wide;
		if (wide != UINT64_MAX && numbers[i] != wide)
			return false;
	}
	sr_attrs_put(attrs, row->type, numbers, count * sizeof(*numbers));
	return true;
}

static bool unpack_one(enum sr_part part, struct sr_unpack *in, struct sr_attrs *attrs)
{
	CK_ATTRIBUTE_TYPE type = (CK_ATTRIBUTE_TYPE)sr_unpack_u64(in);
	const struct row *row = find_row(part, type);
	size_t len;
	const uint8_t *bytes = sr_unpack_bytes(in, &len);
	if (in->failed || !row || !(row->flags & KEPT) || sr_attrs_find(attrs, type))
		return false;
	if (row->kind == KIND_ULONG || row->kind == KIND_ULONGS)
		return unpack_numbers(row, bytes, len, attrs);
	const struct sr_attr attr = { type, len, (uint8_t *)(uintptr_t)bytes };
	if (!kind_fits(row->kind, &attr))
		return false;
	sr_attrs_put(attrs, type, bytes, len);
	return true;
}

bool sr_keyattrs_unpack(enum sr_part part, const void *packed, size_t len, struct sr_attrs *attrs)
{
	struct sr_unpack in = { packed, len, false };
	size_t label_len;
	const uint8_t *label = sr_unpack_bytes(&in, &label_len);
	bool good = label && label_len == strlen(PACKED) && memcmp(label, PACKED, label_len) == 0;
	while (good && in.left)
		good = unpack_one(part, &in, attrs);
	if (good && sr_unpack_done(&in) && !attrs->failed)
		return true;
	sr_attrs_clear(attrs);
	return false;
}
