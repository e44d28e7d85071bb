/* What users' keys consist of, looked at before the HSM is given it: SoftHSM2 2.6.1 takes public keys with components
 * that are empty, zero, or name no curve, and the process dies when one is used. Whether a point lies on its curve it
 * finds out itself. */
#include "hsm/cache.h"
#include "policy/mechanism.h"

#include <string.h>

/* What a key cannot be without. SoftHSM2 2.6.1 takes public keys with empty components, and the process dies when one
 * is used. */
static const struct {
	CK_OBJECT_CLASS object_class;
	CK_KEY_TYPE type;
	CK_ATTRIBUTE_TYPE parts[3];
	size_t count;
} needed_rows[] = {
	{ CKO_PUBLIC_KEY, CKK_RSA, { CKA_MODULUS, CKA_PUBLIC_EXPONENT }, 2 },
	{ CKO_PUBLIC_KEY, CKK_EC, { CKA_EC_PARAMS, CKA_EC_POINT }, 2 },
	{ CKO_PUBLIC_KEY, CKK_EC_EDWARDS, { CKA_EC_PARAMS, CKA_EC_POINT }, 2 },
	{ CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, { CKA_EC_PARAMS, CKA_EC_POINT }, 2 },
	{ CKO_PUBLIC_KEY, CKK_DSA, { CKA_PRIME, CKA_BASE, CKA_VALUE }, 3 },
	{ CKO_PUBLIC_KEY, CKK_DH, { CKA_PRIME, CKA_BASE, CKA_VALUE }, 3 },
	{ CKO_PRIVATE_KEY, CKK_RSA, { CKA_MODULUS, CKA_PRIVATE_EXPONENT }, 2 },
	{ CKO_PRIVATE_KEY, CKK_EC, { CKA_EC_PARAMS, CKA_VALUE }, 2 },
	{ CKO_PRIVATE_KEY, CKK_EC_EDWARDS, { CKA_EC_PARAMS, CKA_VALUE }, 2 },
	{ CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, { CKA_EC_PARAMS, CKA_VALUE }, 2 },
	{ CKO_PRIVATE_KEY, CKK_DSA, { CKA_PRIME, CKA_BASE, CKA_VALUE }, 3 },
	{ CKO_PRIVATE_KEY, CKK_DH, { CKA_PRIME, CKA_BASE, CKA_VALUE }, 3 },
};

/* CKA_EC_PARAMS: object identifiers, and for the curves of RFC 7748 and 8032 the names that PKCS#11 3.0 has too. */
#define CURVE(type, bytes)                      \
	{                                       \
		type, bytes, sizeof(bytes) - 1, \
	}
static const struct {
	CK_KEY_TYPE type;
	const char *params;
	size_t len;
} curve_rows[] = {
	CURVE(CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01"),     /* P-192 */
	CURVE(CKK_EC, "\x06\x05\x2b\x81\x04\x00\x21"),                 /* P-224 */
	CURVE(CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),     /* P-256 */
	CURVE(CKK_EC, "\x06\x05\x2b\x81\x04\x00\x22"),                 /* P-384 */
	CURVE(CKK_EC, "\x06\x05\x2b\x81\x04\x00\x23"),                 /* P-521 */
	CURVE(CKK_EC, "\x06\x05\x2b\x81\x04\x00\x0a"),                 /* secp256k1 */
	CURVE(CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"), /* brainpoolP256r1 */
	CURVE(CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"), /* brainpoolP384r1 */
	CURVE(CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"), /* brainpoolP512r1 */
	CURVE(CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x70"),
	CURVE(CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x71"),
	CURVE(CKK_EC_EDWARDS, "\x13\x0c\x65\x64wards25519"),
	CURVE(CKK_EC_EDWARDS, "\x13\x0a\x65\x64wards448"),
	/* SoftHSM2 has these as keys of the same type */
	CURVE(CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6e"),
	CURVE(CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6f"),
	CURVE(CKK_EC_MONTGOMERY, "\x13\x0a\x63urve25519"),
	CURVE(CKK_EC_MONTGOMERY, "\x13\x08\x63urve448"),
};

CK_RV sr_curve_check(const struct sr_attrs *components, CK_KEY_TYPE type, struct sr_error *err)
{
	const struct sr_attr *params = sr_attrs_find(components, CKA_EC_PARAMS);
	if (!params)
		return CKR_OK;
	for (size_t i = 0; i < sizeof(curve_rows) / sizeof(curve_rows[0]); i++) {
		bool fits = curve_rows[i].type == type ||
			    (curve_rows[i].type == CKK_EC_MONTGOMERY && type == CKK_EC_EDWARDS);
		if (fits && params->len == curve_rows[i].len &&
			memcmp(params->value, curve_rows[i].params, params->len) == 0)
			return CKR_OK;
	}
	return sr_fail(err, CKR_CURVE_NOT_SUPPORTED, SR_REASON_BAD_TEMPLATE,
		"key not taken: CKA_EC_PARAMS names no curve that is supported for its key type");
}

static bool is_something(const struct sr_attr *attr)
{
	for (size_t i = 0; i < attr->len; i++) {
		if (attr->value[i] != 0)
			return true;
	}
	return false;
}

static CK_RV check_part(const struct sr_attrs *components, CK_ATTRIBUTE_TYPE type, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(components, type);
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
			"key not taken: the component 0x%lx is missing", type);
	if (!is_something(attr))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"key not taken: the component 0x%lx is empty or zero", type);
	return CKR_OK;
}

CK_RV sr_components_check(const struct sr_attrs *components, CK_OBJECT_CLASS object_class, struct sr_error *err)
{
	CK_KEY_TYPE type = sr_attrs_ulong(components, CKA_KEY_TYPE, CKK_VENDOR_DEFINED);
	CK_RV rv = CKR_OK;
	for (size_t i = 0; i < sizeof(needed_rows) / sizeof(needed_rows[0]); i++) {
		if (needed_rows[i].object_class != object_class || needed_rows[i].type != type)
			continue;
		for (size_t n = 0; rv == CKR_OK && n < needed_rows[i].count; n++)
			rv = check_part(components, needed_rows[i].parts[n], err);
	}
	return rv == CKR_OK ? sr_curve_check(components, type, err) : rv;
}

CK_RV sr_key_fits(CK_MECHANISM_TYPE mechanism, CK_KEY_TYPE type)
{
	const struct sr_mechanism_row *row = sr_mechanism_row(mechanism);
	if (!row || row->key_type == CK_UNAVAILABLE_INFORMATION)
		return CKR_MECHANISM_INVALID;
	/* X25519 is of this type in SoftHSM2 */
	bool montgomery = row->key_type_2 == CKK_EC_MONTGOMERY && type == CKK_EC_EDWARDS;
	return type == row->key_type || type == row->key_type_2 || montgomery ? CKR_OK : CKR_KEY_TYPE_INCONSISTENT;
}
