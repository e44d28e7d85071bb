/* What a public key is, whichever way it came: its SubjectPublicKeyInfo, its curve, its sizes; and what a certificate
 * says. Components from outside are checked here before an HSM or a row gets them. Any thread. Private to this folder.
 */
#ifndef SR_VAULT_KEYINFO_H
#define SR_VAULT_KEYINFO_H

#include "util/attrs.h"
#include "util/error.h"

#define SR_KEYINFO_ID_LEN 20

/** struct sr_curve: a curve that is offered. PARAMS is CKA_EC_PARAMS as we show it and as the HSM gets it: the DER of
 * its object identifier. VALUE_LEN: bytes of a private value; POINT_LEN: of a public point, as PKCS#11 has it inside
 * the OCTET STRING. */
struct sr_curve {
	const char *name; /* OpenSSL's */
	CK_KEY_TYPE key_type;
	unsigned bits;
	size_t value_len, point_len, signature_len;
	const char *params;
	size_t params_len;
};

/** sr_curve_find(params, len): by any of its encodings; NULL: not offered. */
const struct sr_curve *sr_curve_find(const void *params, size_t len);

/** sr_keyinfo_curve(key_type, attrs, err): puts CKA_EC_PARAMS of ATTRS, if there, into the one form;
 * CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID. */
CK_RV sr_keyinfo_curve(CK_KEY_TYPE key_type, struct sr_attrs *attrs, struct sr_error *err);

/** sr_keyinfo_public(key_type, attrs, err): checks the public components that ATTRS has, puts them into the one form
 * (no leading zeros; CKA_EC_POINT an OCTET STRING), adds CKA_MODULUS_BITS (RSA) and CKA_PUBLIC_KEY_INFO. One that was
 * given must be the same: CKR_TEMPLATE_INCONSISTENT. CKR_ATTRIBUTE_VALUE_INVALID for components that are none. */
CK_RV sr_keyinfo_public(CK_KEY_TYPE key_type, struct sr_attrs *attrs, struct sr_error *err);

/** sr_keyinfo_private(key_type, attrs, material, err): of a private key that is imported: its public half from its
 * components, CKA_PUBLIC_KEY_INFO; that they belong together. */
CK_RV sr_keyinfo_private(
	CK_KEY_TYPE key_type, struct sr_attrs *attrs, const struct sr_attrs *material, struct sr_error *err);

/** sr_keyinfo_certificate(attrs, err): of CKA_VALUE: CKA_SUBJECT, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_PUBLIC_KEY_INFO;
 * what was given must be the same. */
CK_RV sr_keyinfo_certificate(struct sr_attrs *attrs, struct sr_error *err);

/** sr_keyinfo_id(spki, len, id): RFC 7093, 2, method 1: the leftmost 160 bits of SHA-256 over the bit string; false for
 * what is no SubjectPublicKeyInfo. */
bool sr_keyinfo_id(const void *spki, size_t len, uint8_t id[SR_KEYINFO_ID_LEN]);

/** sr_keyinfo_bits(key_type, attrs), sr_keyinfo_signature_len(key_type, attrs): 0: not known. */
unsigned sr_keyinfo_bits(CK_KEY_TYPE key_type, const struct sr_attrs *attrs);
size_t sr_keyinfo_signature_len(CK_KEY_TYPE key_type, const struct sr_attrs *attrs);

#endif
