/* What an object answers for attributes that it could have and that nobody gave. Programs read all of a class's
 * attributes at once, and give up where one is missing (Java, NSS). */
#include "pkcs11/attribute.h"

#define PUBLIC 1u
#define PRIVATE 2u
#define SECRET 4u
#define CERTIFICATE 8u
#define KEYS (PUBLIC | PRIVATE | SECRET)
#define HELD (PRIVATE | SECRET)
#define ANY_TYPE CK_UNAVAILABLE_INFORMATION

enum value { EMPTY, FALSE_BOOL, TRUE_BOOL, ZERO, UNKNOWN };

/* PKCS#11 v3.1, 4.6.3, 4.7 to 4.10; KEY_TYPE: 6.1, 6.3. */
static const struct row {
	CK_ATTRIBUTE_TYPE type;
	unsigned classes;
	CK_KEY_TYPE key_type;
	enum value value;
} rows[] = {
	{ CKA_LABEL, KEYS | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_UNIQUE_ID, KEYS | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_MODIFIABLE, KEYS | CERTIFICATE, ANY_TYPE, TRUE_BOOL },
	{ CKA_COPYABLE, KEYS | CERTIFICATE, ANY_TYPE, TRUE_BOOL },
	{ CKA_DESTROYABLE, KEYS | CERTIFICATE, ANY_TYPE, TRUE_BOOL },
	{ CKA_ID, KEYS | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_SUBJECT, PUBLIC | PRIVATE | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_PUBLIC_KEY_INFO, PUBLIC | PRIVATE | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_START_DATE, KEYS | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_END_DATE, KEYS | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_TRUSTED, PUBLIC | SECRET | CERTIFICATE, ANY_TYPE, FALSE_BOOL },
	{ CKA_CHECK_VALUE, SECRET | CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_CERTIFICATE_CATEGORY, CERTIFICATE, ANY_TYPE, ZERO },
	{ CKA_JAVA_MIDP_SECURITY_DOMAIN, CERTIFICATE, ANY_TYPE, ZERO },
	{ CKA_ISSUER, CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_SERIAL_NUMBER, CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_URL, CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_HASH_OF_ISSUER_PUBLIC_KEY, CERTIFICATE, ANY_TYPE, EMPTY },
	{ CKA_NAME_HASH_ALGORITHM, CERTIFICATE, ANY_TYPE, UNKNOWN },
	{ CKA_LOCAL, KEYS, ANY_TYPE, FALSE_BOOL },
	{ CKA_KEY_GEN_MECHANISM, KEYS, ANY_TYPE, UNKNOWN },
	{ CKA_ALLOWED_MECHANISMS, KEYS, ANY_TYPE, EMPTY },
	{ CKA_DERIVE, KEYS, ANY_TYPE, FALSE_BOOL },
	{ CKA_ENCRYPT, PUBLIC | SECRET, ANY_TYPE, FALSE_BOOL },
	{ CKA_VERIFY, PUBLIC | SECRET, ANY_TYPE, FALSE_BOOL },
	{ CKA_VERIFY_RECOVER, PUBLIC, ANY_TYPE, FALSE_BOOL },
	{ CKA_WRAP, PUBLIC | SECRET, ANY_TYPE, FALSE_BOOL },
	{ CKA_WRAP_TEMPLATE, PUBLIC | SECRET, ANY_TYPE, EMPTY },
	{ CKA_DECRYPT, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_SIGN, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_SIGN_RECOVER, PRIVATE, ANY_TYPE, FALSE_BOOL },
	{ CKA_UNWRAP, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_UNWRAP_TEMPLATE, HELD, ANY_TYPE, EMPTY },
	{ CKA_DERIVE_TEMPLATE, HELD, ANY_TYPE, EMPTY },
	{ CKA_WRAP_WITH_TRUSTED, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_ALWAYS_AUTHENTICATE, PRIVATE, ANY_TYPE, FALSE_BOOL },
	{ CKA_SENSITIVE, HELD, ANY_TYPE, TRUE_BOOL },
	{ CKA_ALWAYS_SENSITIVE, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_EXTRACTABLE, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_NEVER_EXTRACTABLE, HELD, ANY_TYPE, FALSE_BOOL },
	{ CKA_MODULUS, PUBLIC | PRIVATE, CKK_RSA, EMPTY },
	{ CKA_PUBLIC_EXPONENT, PUBLIC | PRIVATE, CKK_RSA, EMPTY },
	{ CKA_MODULUS_BITS, PUBLIC, CKK_RSA, UNKNOWN },
	{ CKA_EC_PARAMS, PUBLIC | PRIVATE, CKK_EC, EMPTY },
	{ CKA_EC_PARAMS, PUBLIC | PRIVATE, CKK_EC_EDWARDS, EMPTY },
	{ CKA_EC_PARAMS, PUBLIC | PRIVATE, CKK_EC_MONTGOMERY, EMPTY },
	{ CKA_EC_POINT, PUBLIC, CKK_EC, EMPTY },
	{ CKA_EC_POINT, PUBLIC, CKK_EC_EDWARDS, EMPTY },
	{ CKA_EC_POINT, PUBLIC, CKK_EC_MONTGOMERY, EMPTY },
	{ CKA_VALUE_LEN, SECRET, ANY_TYPE, UNKNOWN },
};

static unsigned class_bit(const struct sr_attrs *attrs)
{
	switch (sr_attrs_ulong(attrs, CKA_CLASS, CKO_DATA)) {
	case CKO_PUBLIC_KEY:
		return PUBLIC;
	case CKO_PRIVATE_KEY:
		return PRIVATE;
	case CKO_SECRET_KEY:
		return SECRET;
	case CKO_CERTIFICATE:
		return CERTIFICATE;
	default:
		return 0;
	}
}

static const struct row *find_row(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	unsigned bit = class_bit(attrs);
	CK_KEY_TYPE key_type = sr_attrs_ulong(attrs, CKA_KEY_TYPE, ANY_TYPE);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool typed = rows[i].key_type == ANY_TYPE || rows[i].key_type == key_type;
		if (rows[i].type == type && rows[i].classes & bit && typed)
			return &rows[i];
	}
	return NULL;
}

static CK_RV deliver_absent(CK_ATTRIBUTE *wanted, enum value value)
{
	static const CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
	static const CK_ULONG zero = 0, unknown = CK_UNAVAILABLE_INFORMATION;
	switch (value) {
	case FALSE_BOOL:
		return sr_attribute_deliver(wanted, &no, sizeof no);
	case TRUE_BOOL:
		return sr_attribute_deliver(wanted, &yes, sizeof yes);
	case ZERO:
		return sr_attribute_deliver(wanted, &zero, sizeof zero);
	case UNKNOWN:
		return sr_attribute_deliver(wanted, &unknown, sizeof unknown);
	case EMPTY:
		break;
	}
	return sr_attribute_deliver(wanted, NULL, 0);
}

CK_RV sr_attribute_of(CK_ATTRIBUTE *wanted, const struct sr_attrs *attrs)
{
	const struct sr_attr *attr = sr_attrs_find(attrs, wanted->type);
	if (attr)
		return sr_attribute_deliver(wanted, attr->value, attr->len);
	const struct row *row = find_row(attrs, wanted->type);
	return row ? deliver_absent(wanted, row->value) : sr_attribute_mark(wanted, CKR_ATTRIBUTE_TYPE_INVALID);
}
