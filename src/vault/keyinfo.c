/* Public keys and certificates through OpenSSL, in our own library context. */
#include "vault/keyinfo.h"

#include "util/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#define CERTIFICATE_MAX (32u << 10)
#define EXPONENT_MAX 32
#define DER_OCTET_STRING 0x04

/* -- curves ------------------------------------------------------------------------------------------------------ */

#define DER(text) (text), sizeof(text) - 1

static const struct sr_curve curves[] = {
	{ SN_X9_62_prime256v1, CKK_EC, 256, 32, 65, 64, DER("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07") },
	{ SN_secp384r1, CKK_EC, 384, 48, 97, 96, DER("\x06\x05\x2b\x81\x04\x00\x22") },
	{ SN_secp521r1, CKK_EC, 521, 66, 133, 132, DER("\x06\x05\x2b\x81\x04\x00\x23") },
	{ SN_secp256k1, CKK_EC, 256, 32, 65, 64, DER("\x06\x05\x2b\x81\x04\x00\x0a") },
	{ SN_brainpoolP256r1, CKK_EC, 256, 32, 65, 64, DER("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07") },
	{ SN_brainpoolP384r1, CKK_EC, 384, 48, 97, 96, DER("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b") },
	{ SN_brainpoolP512r1, CKK_EC, 512, 64, 129, 128, DER("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d") },
	{ "ED25519", CKK_EC_EDWARDS, 255, 32, 32, 64, DER("\x06\x03\x2b\x65\x70") },
	{ "ED448", CKK_EC_EDWARDS, 448, 57, 57, 114, DER("\x06\x03\x2b\x65\x71") },
	{ "X25519", CKK_EC_MONTGOMERY, 255, 32, 32, 0, DER("\x06\x03\x2b\x65\x6e") },
	{ "X448", CKK_EC_MONTGOMERY, 448, 56, 56, 0, DER("\x06\x03\x2b\x65\x6f") },
};

/* PKCS#11 v3.1, 6.3.3 names them by PrintableString too; pkcs11-tool does, and knows older identifiers. */
static const struct {
	const char *name;
	const char *params;
	size_t params_len;
} other_names[] = {
	{ "ED25519", DER("\x13\x0c"
			 "edwards25519") },
	{ "ED25519", DER("\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01") },
	{ "ED448", DER("\x13\x0a"
		       "edwards448") },
	{ "X25519", DER("\x13\x0a"
			"curve25519") },
	{ "X25519", DER("\x06\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01") },
	{ "X448", DER("\x13\x08"
		      "curve448") },
};

static const struct sr_curve *curve_named(const char *name)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
		if (strcmp(curves[i].name, name) == 0)
			return &curves[i];
	}
	return NULL;
}

const struct sr_curve *sr_curve_find(const void *params, size_t len)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
		if (curves[i].params_len == len && memcmp(curves[i].params, params, len) == 0)
			return &curves[i];
	}
	for (size_t i = 0; i < sizeof(other_names) / sizeof(*other_names); i++) {
		if (other_names[i].params_len == len && memcmp(other_names[i].params, params, len) == 0)
			return curve_named(other_names[i].name);
	}
	return NULL;
}

static const struct sr_curve *curve_of(const struct sr_attrs *attrs)
{
	const struct sr_attr *params = sr_attrs_find(attrs, CKA_EC_PARAMS);
	return params && params->len ? sr_curve_find(params->value, params->len) : NULL;
}

CK_RV sr_keyinfo_curve(CK_KEY_TYPE key_type, struct sr_attrs *attrs, struct sr_error *err)
{
	const struct sr_attr *params = sr_attrs_find(attrs, CKA_EC_PARAMS);
	const struct sr_curve *curve = curve_of(attrs);
	if (!params)
		return CKR_OK;
	if (curve && curve->key_type == key_type) {
		sr_attrs_put(attrs, CKA_EC_PARAMS, curve->params, curve->params_len);
		return CKR_OK;
	}
	/* an object identifier, a name, explicit parameters, the implicit curve: what 6.3.3 knows */
	bool form = params->len > 1 && (params->value[0] == 0x06 || params->value[0] == 0x13 ||
					       params->value[0] == 0x30 || params->value[0] == 0x05);
	return sr_fail(err, form ? CKR_CURVE_NOT_SUPPORTED : CKR_DOMAIN_PARAMS_INVALID, SR_REASON_BAD_TEMPLATE,
		"key refused: CKA_EC_PARAMS names no curve that is offered for this kind of key (docs/keys.md)");
}

/* -- small things ------------------------------------------------------------------------------------------------ */

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look at a key");
}

static CK_RV invalid(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE, "key refused: %s", why);
}

static CK_RV inconsistent(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE, "key refused: %s", why);
}

/* What was given (and is not empty) must be what it is. */
static CK_RV put_same(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value, size_t len, const char *why,
	struct sr_error *err)
{
	const struct sr_attr *given = sr_attrs_find(attrs, type);
	if (given && given->len && (given->len != len || memcmp(given->value, value, len) != 0))
		return inconsistent(err, why);
	sr_attrs_put(attrs, type, value, len);
	return attrs->failed ? no_memory(err) : CKR_OK;
}

static void strip_zeros(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_attr *attr = sr_attrs_find(attrs, type);
	size_t zeros = 0;
	while (attr && zeros < attr->len && attr->value[zeros] == 0)
		zeros++;
	if (zeros)
		sr_attrs_put(attrs, type, attr->value + zeros, attr->len - zeros);
}

static BIGNUM *number_of(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_attr *attr = sr_attrs_find(attrs, type);
	return attr && attr->len ? BN_bin2bn(attr->value, (int)attr->len, NULL) : NULL;
}

/* -- SubjectPublicKeyInfo ---------------------------------------------------------------------------------------- */

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(sr_crypto_ctx(), type, NULL) : NULL;
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *rsa_key(const struct sr_attrs *attrs)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = number_of(attrs, CKA_MODULUS), *e = number_of(attrs, CKA_PUBLIC_EXPONENT);
	if (build && n && e && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = key_from("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return key;
}

/* OpenSSL looks whether the point is on the curve. */
static EVP_PKEY *curve_key(const struct sr_curve *curve, const uint8_t *point)
{
	EVP_PKEY *key = NULL;
	if (curve->key_type != CKK_EC)
		return EVP_PKEY_new_raw_public_key_ex(sr_crypto_ctx(), curve->name, NULL, point, curve->point_len);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	if (build &&
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->name, strlen(curve->name)) ==
			1 &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, curve->point_len) == 1)
		key = key_from("EC", build);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static CK_RV put_spki(struct sr_attrs *attrs, const EVP_PKEY *key, struct sr_error *err)
{
	uint8_t *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : 0;
	CK_RV rv = len > 0 ? put_same(attrs, CKA_PUBLIC_KEY_INFO, der, (size_t)len,
				     "CKA_PUBLIC_KEY_INFO is of another key", err)
			   : invalid(err, "its public components are those of no key");
	OPENSSL_free(der);
	return rv;
}

/* The point without its OCTET STRING; both are seen in the wild (PKCS#11 v3.1, 6.3.3 wants the OCTET STRING). */
static const uint8_t *bare_point(const struct sr_attrs *attrs, const struct sr_curve *curve)
{
	const struct sr_attr *attr = sr_attrs_find(attrs, CKA_EC_POINT);
	if (!attr)
		return NULL;
	if (attr->len == curve->point_len && (curve->key_type != CKK_EC || attr->value[0] == 0x04))
		return attr->value;
	const uint8_t *at = attr->value;
	ASN1_OCTET_STRING *string = d2i_ASN1_OCTET_STRING(NULL, &at, (long)attr->len);
	bool fits = string && at == attr->value + attr->len && (size_t)ASN1_STRING_length(string) == curve->point_len;
	ASN1_OCTET_STRING_free(string);
	return fits ? attr->value + attr->len - curve->point_len : NULL;
}

static void put_point(struct sr_attrs *attrs, const uint8_t *point, size_t len)
{
	uint8_t der[3 + 133];
	size_t head = len < 0x80 ? 2 : 3;
	if (head + len > sizeof(der)) {
		attrs->failed = true;
		return;
	}
	der[0] = DER_OCTET_STRING;
	der[1] = head == 2 ? (uint8_t)len : 0x81;
	der[head - 1] = (uint8_t)len;
	memcpy(der + head, point, len);
	sr_attrs_put(attrs, CKA_EC_POINT, der, head + len);
}

static CK_RV rsa_public(struct sr_attrs *attrs, struct sr_error *err)
{
	strip_zeros(attrs, CKA_MODULUS);
	strip_zeros(attrs, CKA_PUBLIC_EXPONENT);
	const struct sr_attr *n = sr_attrs_find(attrs, CKA_MODULUS), *e = sr_attrs_find(attrs, CKA_PUBLIC_EXPONENT);
	unsigned bits = sr_keyinfo_bits(CKK_RSA, attrs);
	if (!n || !e || bits < 1024 || bits > 8192 || !(n->value[n->len - 1] & 1))
		return invalid(err, "CKA_MODULUS is none of 1024 to 8192 bits");
	if (e->len == 0 || e->len > EXPONENT_MAX || !(e->value[e->len - 1] & 1) || (e->len == 1 && e->value[0] == 1))
		return invalid(err, "CKA_PUBLIC_EXPONENT is none");
	if (sr_attrs_ulong(attrs, CKA_MODULUS_BITS, bits) != bits)
		return inconsistent(err, "CKA_MODULUS_BITS is not the size of CKA_MODULUS");
	EVP_PKEY *key = rsa_key(attrs);
	CK_RV rv = put_spki(attrs, key, err);
	EVP_PKEY_free(key);
	return rv;
}

static CK_RV curve_public(struct sr_attrs *attrs, const struct sr_curve *curve, struct sr_error *err)
{
	uint8_t point[133];
	const uint8_t *bare = bare_point(attrs, curve);
	if (!bare)
		return invalid(err, "CKA_EC_POINT is no uncompressed point of the curve");
	memcpy(point, bare, curve->point_len);
	EVP_PKEY *key = curve_key(curve, point);
	CK_RV rv = put_spki(attrs, key, err);
	EVP_PKEY_free(key);
	put_point(attrs, point, curve->point_len);
	return rv == CKR_OK && attrs->failed ? no_memory(err) : rv;
}

static CK_RV public_info(CK_KEY_TYPE key_type, struct sr_attrs *attrs, struct sr_error *err)
{
	if (!sr_crypto_ctx())
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "OpenSSL cannot be set up");
	if (key_type == CKK_RSA)
		return rsa_public(attrs, err);
	CK_RV rv = sr_keyinfo_curve(key_type, attrs, err);
	const struct sr_curve *curve = curve_of(attrs);
	if (rv == CKR_OK && !curve)
		rv = invalid(err, "it has no CKA_EC_PARAMS");
	return rv == CKR_OK ? curve_public(attrs, curve, err) : rv;
}

CK_RV sr_keyinfo_public(CK_KEY_TYPE key_type, struct sr_attrs *attrs, struct sr_error *err)
{
	CK_RV rv = public_info(key_type, attrs, err);
	if (rv == CKR_OK && key_type == CKK_RSA)
		sr_attrs_put_ulong(attrs, CKA_MODULUS_BITS, sr_keyinfo_bits(key_type, attrs));
	return rv == CKR_OK && attrs->failed ? no_memory(err) : rv;
}

/* -- private keys from outside ----------------------------------------------------------------------------------- */

/* 2 to the power of d and of e is 2 again; and the primes, if given, make the modulus. */
static bool rsa_fits(const struct sr_attrs *attrs, const struct sr_attrs *material)
{
	BN_CTX *ctx = BN_CTX_secure_new_ex(sr_crypto_ctx());
	BIGNUM *n = number_of(attrs, CKA_MODULUS), *e = number_of(attrs, CKA_PUBLIC_EXPONENT);
	BIGNUM *d = number_of(material, CKA_PRIVATE_EXPONENT);
	BIGNUM *p = number_of(material, CKA_PRIME_1), *q = number_of(material, CKA_PRIME_2);
	BIGNUM *two = BN_new(), *t = BN_new();
	bool fits = ctx && n && e && d && two && t && BN_set_word(two, 2) == 1;
	if (fits)
		BN_set_flags(d, BN_FLG_CONSTTIME);
	fits = fits && BN_mod_exp(t, two, d, n, ctx) == 1 && BN_mod_exp(t, t, e, n, ctx) == 1 && BN_cmp(t, two) == 0;
	if (fits && p && q)
		fits = BN_mul(t, p, q, ctx) == 1 && BN_cmp(t, n) == 0;
	BN_free(n);
	BN_free(e);
	BN_clear_free(d);
	BN_clear_free(p);
	BN_clear_free(q);
	BN_free(two);
	BN_clear_free(t);
	BN_CTX_free(ctx);
	return fits;
}

static bool ec_point(const struct sr_curve *curve, const struct sr_attr *value, uint8_t *point)
{
	BN_CTX *ctx = BN_CTX_secure_new_ex(sr_crypto_ctx());
	EC_GROUP *group = EC_GROUP_new_by_curve_name_ex(sr_crypto_ctx(), NULL, OBJ_sn2nid(curve->name));
	EC_POINT *at = group ? EC_POINT_new(group) : NULL;
	BIGNUM *d = BN_bin2bn(value->value, (int)value->len, NULL);
	bool done = ctx && at && d && !BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(group)) < 0;
	if (done)
		BN_set_flags(d, BN_FLG_CONSTTIME);
	done = done && EC_POINT_mul(group, at, d, NULL, NULL, ctx) == 1 &&
	       EC_POINT_point2oct(group, at, POINT_CONVERSION_UNCOMPRESSED, point, curve->point_len, ctx) ==
		       curve->point_len;
	BN_clear_free(d);
	EC_POINT_free(at);
	EC_GROUP_free(group);
	BN_CTX_free(ctx);
	return done;
}

static bool raw_point(const struct sr_curve *curve, const struct sr_attr *value, uint8_t *point)
{
	size_t len = curve->point_len;
	if (value->len != curve->value_len)
		return false;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(sr_crypto_ctx(), curve->name, NULL, value->value, value->len);
	bool done = key && EVP_PKEY_get_raw_public_key(key, point, &len) == 1 && len == curve->point_len;
	EVP_PKEY_free(key);
	return done;
}

static CK_RV curve_private(
	CK_KEY_TYPE key_type, struct sr_attrs *attrs, const struct sr_attrs *material, struct sr_error *err)
{
	uint8_t point[133];
	CK_RV rv = sr_keyinfo_curve(key_type, attrs, err);
	const struct sr_curve *curve = curve_of(attrs);
	const struct sr_attr *value = sr_attrs_find(material, CKA_VALUE);
	if (rv != CKR_OK)
		return rv;
	if (!curve || !value || value->len > curve->value_len ||
		!(key_type == CKK_EC ? ec_point(curve, value, point) : raw_point(curve, value, point)))
		return invalid(err, "CKA_VALUE is no private key of the curve");
	EVP_PKEY *key = curve_key(curve, point);
	rv = put_spki(attrs, key, err);
	EVP_PKEY_free(key);
	return rv;
}

CK_RV sr_keyinfo_private(
	CK_KEY_TYPE key_type, struct sr_attrs *attrs, const struct sr_attrs *material, struct sr_error *err)
{
	if (!sr_crypto_ctx())
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "OpenSSL cannot be set up");
	if (key_type != CKK_RSA)
		return curve_private(key_type, attrs, material, err);
	CK_RV rv = rsa_public(attrs, err);
	if (rv != CKR_OK)
		return rv;
	unsigned bits = sr_keyinfo_bits(key_type, attrs);
	if (bits < 2048 || bits > 4096)
		return invalid(err, "a private RSA key has 2048 to 4096 bits");
	return rsa_fits(attrs, material) ? CKR_OK : inconsistent(err, "its RSA components do not belong together");
}

/* -- certificates ------------------------------------------------------------------------------------------------ */

/* Serial numbers come as DER and as bare bytes. */
static CK_RV put_serial(struct sr_attrs *attrs, const uint8_t *der, size_t len, struct sr_error *err)
{
	const struct sr_attr *given = sr_attrs_find(attrs, CKA_SERIAL_NUMBER);
	if (given && len > 2 && given->len == len - 2 && memcmp(given->value, der + 2, len - 2) == 0)
		sr_attrs_put(attrs, CKA_SERIAL_NUMBER, NULL, 0);
	return put_same(attrs, CKA_SERIAL_NUMBER, der, len, "CKA_SERIAL_NUMBER is not the certificate's", err);
}

static CK_RV put_der(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, uint8_t *der, int len, struct sr_error *err)
{
	CK_RV rv;
	if (len <= 0)
		rv = invalid(err, "CKA_VALUE is a certificate that lacks a part");
	else if (type == CKA_SERIAL_NUMBER)
		rv = put_serial(attrs, der, (size_t)len, err);
	else
		rv = put_same(attrs, type, der, (size_t)len,
			"its CKA_SUBJECT, CKA_ISSUER or CKA_PUBLIC_KEY_INFO is not the certificate's", err);
	OPENSSL_free(der);
	return rv;
}

static CK_RV read_certificate(struct sr_attrs *attrs, X509 *x509, struct sr_error *err)
{
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(X509_get_subject_name(x509), &der);
	CK_RV rv = put_der(attrs, CKA_SUBJECT, der, len, err);
	der = NULL;
	len = i2d_X509_NAME(X509_get_issuer_name(x509), &der);
	CK_RV next = put_der(attrs, CKA_ISSUER, der, len, err);
	rv = rv == CKR_OK ? next : rv;
	der = NULL;
	len = i2d_ASN1_INTEGER(X509_get_serialNumber(x509), &der);
	next = put_der(attrs, CKA_SERIAL_NUMBER, der, len, err);
	rv = rv == CKR_OK ? next : rv;
	der = NULL;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
	next = put_der(attrs, CKA_PUBLIC_KEY_INFO, der, len, err);
	return rv == CKR_OK ? next : rv;
}

CK_RV sr_keyinfo_certificate(struct sr_attrs *attrs, struct sr_error *err)
{
	const struct sr_attr *value = sr_attrs_find(attrs, CKA_VALUE);
	const struct sr_attr *url = sr_attrs_find(attrs, CKA_URL);
	if (url && url->len)
		return invalid(err, "certificates at a CKA_URL are not offered: give CKA_VALUE");
	if (!value || value->len > CERTIFICATE_MAX)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE,
			"certificate refused: CKA_VALUE has 32 KiB at most");
	const uint8_t *at = value->value;
	X509 *x509 = sr_crypto_ctx() ? X509_new_ex(sr_crypto_ctx(), NULL) : NULL;
	bool good = x509 && d2i_X509(&x509, &at, (long)value->len) && at == value->value + value->len;
	CK_RV rv = good ? read_certificate(attrs, x509, err) : invalid(err, "CKA_VALUE is no X.509 certificate in DER");
	X509_free(x509);
	return rv;
}

/* -- identifiers and sizes --------------------------------------------------------------------------------------- */

bool sr_keyinfo_id(const void *spki, size_t len, uint8_t id[SR_KEYINFO_ID_LEN])
{
	uint8_t digest[SR_SHA256_LEN];
	const uint8_t *at = spki, *bits = NULL;
	int bits_len = 0;
	X509_PUBKEY *key = sr_crypto_ctx() ? X509_PUBKEY_new_ex(sr_crypto_ctx(), NULL) : NULL;
	bool done = key && d2i_X509_PUBKEY(&key, &at, (long)len) && at == (const uint8_t *)spki + len &&
		    X509_PUBKEY_get0_param(NULL, &bits, &bits_len, NULL, key) == 1 &&
		    sr_sha256(bits, (size_t)bits_len, digest);
	X509_PUBKEY_free(key);
	if (done)
		memcpy(id, digest, SR_KEYINFO_ID_LEN);
	return done;
}

unsigned sr_keyinfo_bits(CK_KEY_TYPE key_type, const struct sr_attrs *attrs)
{
	const struct sr_attr *n = sr_attrs_find(attrs, CKA_MODULUS);
	const struct sr_curve *curve = curve_of(attrs);
	if (key_type != CKK_RSA)
		return curve ? curve->bits : (unsigned)sr_attrs_ulong(attrs, CKA_VALUE_LEN, 0) * 8;
	if (!n || n->len == 0 || n->value[0] == 0)
		return 0;
	unsigned bits = (unsigned)n->len * 8;
	for (uint8_t top = n->value[0]; !(top & 0x80); top = (uint8_t)(top << 1))
		bits--;
	return bits;
}

size_t sr_keyinfo_signature_len(CK_KEY_TYPE key_type, const struct sr_attrs *attrs)
{
	const struct sr_curve *curve = curve_of(attrs);
	if (key_type == CKK_RSA)
		return (sr_keyinfo_bits(key_type, attrs) + 7) / 8;
	return curve ? curve->signature_len : 0;
}
