/* The attributes of keys and certificates, one a row, as the standard's tables have them. */
#include "vault/keytable.h"

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
#define KEPT SR_KEY_KEPT
#define RIGHT SR_KEY_RIGHT
#define HSM SR_KEY_HSM
#define NEW SR_KEY_NEW
#define COMPONENT SR_KEY_COMPONENT
#define SECRET SR_KEY_SECRET
#define UP SR_KEY_UP
#define DOWN SR_KEY_DOWN

const struct sr_key_attribute sr_key_attributes[] = {
	{ CKA_CLASS, SR_KIND_ULONG, ALL, 0, MADE, 0 },
	{ CKA_TOKEN, SR_KIND_BOOL, ALL, 0, COPY, 0 },
	{ CKA_PRIVATE, SR_KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_LABEL, SR_KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_UNIQUE_ID, SR_KIND_BYTES, ALL, 0, 0, 0 },
	{ CKA_MODIFIABLE, SR_KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_COPYABLE, SR_KIND_BOOL, ALL, 0, ANY | KEPT | DOWN, 0 },
	{ CKA_DESTROYABLE, SR_KIND_BOOL, ALL, 0, COPY | KEPT, 0 },
	{ CKA_KEY_TYPE, SR_KIND_ULONG, KEYS, 0, MADE, 0 },
	{ CKA_ID, SR_KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_START_DATE, SR_KIND_DATE, ALL, 0, ANY | KEPT, 0 },
	{ CKA_END_DATE, SR_KIND_DATE, ALL, 0, ANY | KEPT, 0 },
	{ CKA_LOCAL, SR_KIND_BOOL, KEYS, 0, KEPT, 0 },
	{ CKA_KEY_GEN_MECHANISM, SR_KIND_ULONG, KEYS, 0, KEPT, 0 },
	{ CKA_ALLOWED_MECHANISMS, SR_KIND_ULONGS, KEYS, 0, MADE | KEPT, 0 },
	{ CKA_SUBJECT, SR_KIND_BYTES, P | U | C, 0, ANY | KEPT, 0 },
	{ CKA_SENSITIVE, SR_KIND_BOOL, P | S, 0, ANY | KEPT | HSM | UP, 0 },
	{ CKA_EXTRACTABLE, SR_KIND_BOOL, P | S, 0, ANY | KEPT | HSM | DOWN, 0 },
	{ CKA_ALWAYS_SENSITIVE, SR_KIND_BOOL, P | S, 0, KEPT, 0 },
	{ CKA_NEVER_EXTRACTABLE, SR_KIND_BOOL, P | S, 0, KEPT, 0 },
	{ CKA_ENCRYPT, SR_KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_ENCRYPT },
	{ CKA_DECRYPT, SR_KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_DECRYPT },
	{ CKA_SIGN, SR_KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_SIGN },
	{ CKA_SIGN_RECOVER, SR_KIND_BOOL, P, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_SIGN },
	{ CKA_VERIFY, SR_KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_VERIFY },
	{ CKA_VERIFY_RECOVER, SR_KIND_BOOL, U, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_VERIFY },
	{ CKA_WRAP, SR_KIND_BOOL, U | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_WRAP },
	{ CKA_UNWRAP, SR_KIND_BOOL, P | S, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_UNWRAP },
	{ CKA_DERIVE, SR_KIND_BOOL, KEYS, 0, ANY | KEPT | HSM | RIGHT | DOWN, SR_ACTION_DERIVE },
	{ CKA_WRAP_WITH_TRUSTED, SR_KIND_BOOL, P | S, 0, ANY | KEPT | UP, 0 },
	{ CKA_TRUSTED, SR_KIND_BOOL, U | S | C, 0, ANY | KEPT, 0 },
	{ CKA_ALWAYS_AUTHENTICATE, SR_KIND_BOOL, P, 0, MADE | KEPT, 0 },
	{ CKA_PUBLIC_KEY_INFO, SR_KIND_BYTES, P | U | C, 0, IMP | KEPT, 0 },
	{ CKA_MODULUS, SR_KIND_BYTES, P | U, RSA, IMP | KEPT | COMPONENT, 0 },
	{ CKA_MODULUS_BITS, SR_KIND_ULONG, U, RSA, GEN | IMP | KEPT | NEW, 0 },
	{ CKA_PUBLIC_EXPONENT, SR_KIND_BYTES, U, RSA, GEN | IMP | KEPT | NEW | COMPONENT, 0 },
	{ CKA_PUBLIC_EXPONENT, SR_KIND_BYTES, P, RSA, IMP | KEPT | COMPONENT, 0 },
	{ CKA_PRIVATE_EXPONENT, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_PRIME_1, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_PRIME_2, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EXPONENT_1, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EXPONENT_2, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_COEFFICIENT, SR_KIND_BYTES, P, RSA, IMP | SECRET, 0 },
	{ CKA_EC_PARAMS, SR_KIND_BYTES, U, EC, GEN | IMP | KEPT | NEW | COMPONENT, 0 },
	{ CKA_EC_PARAMS, SR_KIND_BYTES, P, EC, IMP | KEPT | COMPONENT, 0 },
	{ CKA_EC_POINT, SR_KIND_BYTES, U, EC, IMP | KEPT | COMPONENT, 0 },
	{ CKA_VALUE, SR_KIND_BYTES, P, EC, IMP | SECRET, 0 },
	{ CKA_VALUE, SR_KIND_BYTES, S, SYMMETRIC, IMP | SECRET, 0 },
	{ CKA_VALUE, SR_KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_VALUE_LEN, SR_KIND_ULONG, S, SYMMETRIC, MADE | KEPT | NEW, 0 },
	{ CKA_CERTIFICATE_TYPE, SR_KIND_ULONG, C, 0, IMP, 0 },
	{ CKA_CERTIFICATE_CATEGORY, SR_KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_ISSUER, SR_KIND_BYTES, C, 0, ANY | KEPT, 0 },
	{ CKA_SERIAL_NUMBER, SR_KIND_BYTES, C, 0, ANY | KEPT, 0 },
	{ CKA_URL, SR_KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_HASH_OF_SUBJECT_PUBLIC_KEY, SR_KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_HASH_OF_ISSUER_PUBLIC_KEY, SR_KIND_BYTES, C, 0, IMP | KEPT, 0 },
	{ CKA_NAME_HASH_ALGORITHM, SR_KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_JAVA_MIDP_SECURITY_DOMAIN, SR_KIND_ULONG, C, 0, IMP | KEPT, 0 },
	{ CKA_SR_TIER, SR_KIND_BYTES, ALL, 0, ANY, 0 },
	{ CKA_SR_CUSTODY, SR_KIND_BYTES, ALL, 0, COPY, 0 },
};

const size_t sr_key_attribute_count = sizeof(sr_key_attributes) / sizeof(*sr_key_attributes);

static const struct sr_key_type types[] = {
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
	[SR_PART_FORMER_PRIVATE] = CKO_PRIVATE_KEY,
	[SR_PART_FORMER_PUBLIC] = CKO_PUBLIC_KEY,
	[SR_PART_FORMER_SECRET] = CKO_SECRET_KEY,
};

CK_OBJECT_CLASS sr_part_class(enum sr_part part)
{
	return part_classes[part];
}

/* The current part: it stands before its former one. */
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

const struct sr_key_type *sr_key_type(enum sr_part part, CK_KEY_TYPE key_type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (types[i].part == part && types[i].key_type == key_type)
			return &types[i];
	}
	return NULL;
}

const struct sr_key_attribute *sr_key_attribute(enum sr_part part, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < sr_key_attribute_count; i++) {
		if (sr_key_attributes[i].type == type && (sr_key_attributes[i].parts & (1u << part)))
			return &sr_key_attributes[i];
	}
	return NULL;
}

bool sr_key_kind_fits(enum sr_key_kind kind, const struct sr_attr *attr)
{
	switch (kind) {
	case SR_KIND_BOOL:
		return attr->len == sizeof(CK_BBOOL) && *attr->value <= CK_TRUE;
	case SR_KIND_ULONG:
		return attr->len == sizeof(CK_ULONG);
	case SR_KIND_ULONGS:
		return attr->len % sizeof(CK_ULONG) == 0;
	case SR_KIND_DATE:
		return attr->len == 0 || attr->len == sizeof(CK_DATE);
	case SR_KIND_BYTES:
		break;
	}
	return true;
}

CK_RV sr_key_attribute_given(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, const struct sr_attr *attr,
	const struct sr_key_attribute **row, struct sr_error *err)
{
	const struct sr_key_type *type = sr_key_type(part, key_type);
	*row = sr_key_attribute(part, attr->type);
	if (!*row || ((*row)->family && (!type || type->family != (*row)->family)))
		return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx does not belong to a %s object of this kind: leave it out", attr->type,
			sr_part_word(part));
	if (!((*row)->flags & how))
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx cannot be given here: leave it out", attr->type);
	if (!sr_key_kind_fits((*row)->kind, attr))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"attribute 0x%lx has a value of the wrong length or kind", attr->type);
	if (attr->type == CKA_TRUSTED && *attr->value)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"CKA_TRUSTED is the security officer's, and a vault has none: leave it out");
	return CKR_OK;
}
