/* A client's key that stays in a PKCS#11 token: a provider of our own, inside our own library context. It knows EC and
 * RSA keys and does one thing with them, the signature of a TLS 1.3 handshake. The public half is the certificate's, a
 * key of the default provider; ours answers by it whatever is asked of a key, and has the token sign.
 *
 * OpenSSL picks an implementation for a key by its provider. Where no key is at hand our context prefers the default
 * one (sr_tls_key_provider), so that ours is found by name alone. */
#include "wire/tls_inside.h"

#include "hsm/hsm.h"
#include "util/fork.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER "strongroom"
#define ONLY_OURS "provider=" PROVIDER
#define HANDED_OVER "strongroom-key"
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"

/** struct sr_tls_key: HSM is NULL once the handshake is done. FAULT: why the token did not sign. */
struct sr_tls_key {
	struct sr_hsm *hsm;
	CK_KEY_TYPE type;
	struct sr_error fault;
};

/** struct half: what OpenSSL holds as a key of ours. TOKEN is NULL in one that it made to compare with ours. */
struct half {
	OSSL_LIB_CTX *library;
	EVP_PKEY *public;
	struct sr_tls_key *token;
};

/* -- keys ------------------------------------------------------------------------------------------------------- */
static void *half_new(void *library)
{
	struct half *half = calloc(1, sizeof *half);
	if (half)
		half->library = library;
	return half;
}

static void half_free(void *key)
{
	struct half *half = key;
	if (half)
		EVP_PKEY_free(half->public);
	free(half);
}

static int half_has(const void *key, int selection)
{
	const struct half *half = key;
	return half->public && (half->token || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int half_match(const void *a, const void *b, int selection)
{
	(void)selection; /* OpenSSL compares public halves */
	return EVP_PKEY_eq(((const struct half *)a)->public, ((const struct half *)b)->public) == 1;
}

static int import_public(struct half *half, const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(half->library, type, "provider=default");
	bool done = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		    EVP_PKEY_fromdata(ctx, &half->public, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return done;
}

/* Ours, as sr_tls_key_use hands it over, or that of a certificate, to compare with ours. */
static int import(struct half *half, const char *type, const OSSL_PARAM params[])
{
	const struct half *given = NULL;
	const OSSL_PARAM *handed = OSSL_PARAM_locate_const(params, HANDED_OVER);
	if (!handed)
		return import_public(half, type, params);
	if (OSSL_PARAM_get_octet_ptr(handed, (const void **)&given, NULL) != 1 || EVP_PKEY_up_ref(given->public) != 1)
		return 0;
	*half = *given;
	return 1;
}

static int import_ec(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return import(key, "EC", params);
}

static int import_rsa(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return import(key, "RSA", params);
}

static const OSSL_PARAM *half_import_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_octet_ptr(HANDED_OVER, NULL, 0), OSSL_PARAM_END };
	(void)selection;
	return types;
}

static int half_get_params(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct half *)key)->public, params);
}

static const OSSL_PARAM *half_gettable(void *context)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)context;
	return gettable;
}

static const char *name_of_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* -- signatures ------------------------------------------------------------------------------------------------- */
/** struct signing: one signature. HALF is OpenSSL's, which keeps it for as long. */
struct signing {
	OSSL_LIB_CTX *library;
	const struct half *half;
	EVP_MD *hash;
};

static void *signing_new(void *library, const char *properties)
{
	struct signing *signing = calloc(1, sizeof *signing);
	(void)properties;
	if (signing)
		signing->library = library;
	return signing;
}

static void signing_free(void *context)
{
	struct signing *signing = context;
	if (signing)
		EVP_MD_free(signing->hash);
	free(signing);
}

static int signing_begin(void *context, const char *hash, void *key, const OSSL_PARAM params[])
{
	struct signing *signing = context;
	(void)params;
	if (!key || !hash)
		return 0;
	EVP_MD_free(signing->hash);
	signing->half = key;
	signing->hash = EVP_MD_fetch(signing->library, hash, "provider=default");
	return signing->hash != NULL;
}

/* TLS 1.3 signs with RSA by PSS alone, with a salt as long as the hash and MGF1 over the same: all that it can ask for
 * is what we do. */
static int signing_set(void *context, const OSSL_PARAM params[])
{
	(void)context, (void)params;
	return 1;
}

static const OSSL_PARAM *signing_settable(void *context, void *library)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)context, (void)library;
	return settable;
}

static bool token_signs(
	const struct signing *signing, const CK_MECHANISM *mechanism, const uint8_t *digest, uint8_t *to, size_t *len)
{
	struct sr_tls_key *token = signing->half->token;
	return token && token->hsm &&
	       sr_hsm_named_sign(token->hsm, token->type, mechanism, digest, (size_t)EVP_MD_get_size(signing->hash), to,
		       len, &token->fault) == CKR_OK;
}

/* r || s, as the token says it, to the DER of TLS. */
static int pack_ecdsa(const uint8_t *raw, size_t raw_len, uint8_t *to, size_t *len)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, (int)(raw_len / 2), NULL);
	BIGNUM *s = BN_bin2bn(raw + raw_len / 2, (int)(raw_len / 2), NULL);
	uint8_t *der = NULL;
	int der_len = 0;
	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL;
		der_len = i2d_ECDSA_SIG(pair, &der);
	}
	bool fits = der_len > 0 && (size_t)der_len <= *len;
	if (fits) {
		memcpy(to, der, (size_t)der_len);
		*len = (size_t)der_len;
	}
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return fits;
}

static int sign_ec(const struct signing *signing, const uint8_t *digest, uint8_t *to, size_t *len)
{
	const CK_MECHANISM mechanism = { .mechanism = CKM_ECDSA };
	uint8_t raw[SR_HSM_NAMED_SIGNATURE_MAX];
	size_t raw_len;
	return token_signs(signing, &mechanism, digest, raw, &raw_len) && raw_len > 0 && raw_len % 2 == 0 &&
	       pack_ecdsa(raw, raw_len, to, len);
}

static const struct {
	const char *name;
	CK_MECHANISM_TYPE hash;
	CK_RSA_PKCS_MGF_TYPE mask;
} pss_hashes[] = {
	{ "SHA256", CKM_SHA256, CKG_MGF1_SHA256 },
	{ "SHA384", CKM_SHA384, CKG_MGF1_SHA384 },
	{ "SHA512", CKM_SHA512, CKG_MGF1_SHA512 },
};

static int sign_rsa(const struct signing *signing, const uint8_t *digest, uint8_t *to, size_t *len)
{
	uint8_t raw[SR_HSM_NAMED_SIGNATURE_MAX];
	size_t raw_len, i = 0, count = sizeof pss_hashes / sizeof pss_hashes[0];
	while (i < count && !EVP_MD_is_a(signing->hash, pss_hashes[i].name))
		i++;
	if (i == count)
		return 0;
	CK_RSA_PKCS_PSS_PARAMS pss = { pss_hashes[i].hash, pss_hashes[i].mask,
		(CK_ULONG)EVP_MD_get_size(signing->hash) };
	const CK_MECHANISM mechanism = { CKM_RSA_PKCS_PSS, &pss, sizeof pss };
	if (!token_signs(signing, &mechanism, digest, raw, &raw_len) || raw_len == 0 || raw_len > *len)
		return 0;
	memcpy(to, raw, raw_len);
	*len = raw_len;
	return 1;
}

/* A token that signs with another key than the certificate's would be told of by the server alone, and late. */
static bool is_good(
	const struct signing *signing, const uint8_t *made, size_t len, const uint8_t *data, size_t data_len)
{
	EVP_PKEY *public = signing->half->public;
	EVP_PKEY_CTX *key = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit_ex(ctx, &key, EVP_MD_get0_name(signing->hash), signing->library,
				   "provider=default", public, NULL) == 1;
	if (good && EVP_PKEY_is_a(public, "RSA"))
		good = EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestVerify(ctx, made, len, data, data_len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		sr_fail(&signing->half->token->fault, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the certificate is over another key than the one that the URI names");
	return good;
}

static int sign(void *context, uint8_t *to, size_t *len, size_t room, const uint8_t *data, size_t data_len)
{
	const struct signing *signing = context;
	uint8_t digest[EVP_MAX_MD_SIZE];
	int most = EVP_PKEY_get_size(signing->half->public);
	*len = to ? room : (size_t)most;
	if (!to)
		return most > 0;
	if (EVP_Digest(data, data_len, digest, NULL, signing->hash, NULL) != 1)
		return 0;
	bool ec = EVP_PKEY_is_a(signing->half->public, "EC");
	return (ec ? sign_ec(signing, digest, to, len) : sign_rsa(signing, digest, to, len)) &&
	       is_good(signing, to, *len, data, data_len);
}

/* -- the provider ------------------------------------------------------------------------------------------------ */
#define DOES(what, function)                                            \
	{                                                               \
		OSSL_FUNC_##what, (void (*)(void))(uintptr_t)(function) \
	}
#define NO_MORE         \
	{               \
		0, NULL \
	}
#define HALF                                                                                     \
	DOES(KEYMGMT_NEW, half_new), DOES(KEYMGMT_FREE, half_free), DOES(KEYMGMT_HAS, half_has), \
		DOES(KEYMGMT_MATCH, half_match), DOES(KEYMGMT_GET_PARAMS, half_get_params),      \
		DOES(KEYMGMT_GETTABLE_PARAMS, half_gettable), DOES(KEYMGMT_IMPORT_TYPES, half_import_types)

static const OSSL_DISPATCH ec_key[] = { HALF, DOES(KEYMGMT_IMPORT, import_ec),
	DOES(KEYMGMT_QUERY_OPERATION_NAME, name_of_ec), NO_MORE };
static const OSSL_DISPATCH rsa_key[] = { HALF, DOES(KEYMGMT_IMPORT, import_rsa), NO_MORE };
static const OSSL_DISPATCH signature[] = { DOES(SIGNATURE_NEWCTX, signing_new), DOES(SIGNATURE_FREECTX, signing_free),
	DOES(SIGNATURE_DIGEST_SIGN_INIT, signing_begin), DOES(SIGNATURE_DIGEST_SIGN, sign),
	DOES(SIGNATURE_SET_CTX_PARAMS, signing_set), DOES(SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable), NO_MORE };

static const OSSL_ALGORITHM *algorithms(void *library, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = { { EC_NAMES, ONLY_OURS, ec_key, NULL },
		{ RSA_NAMES, ONLY_OURS, rsa_key, NULL }, { NULL, NULL, NULL, NULL } };
	static const OSSL_ALGORITHM signatures[] = { { "ECDSA", ONLY_OURS, signature, NULL },
		{ RSA_NAMES, ONLY_OURS, signature, NULL }, { NULL, NULL, NULL, NULL } };
	(void)library;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

/* A provider that is built in may take the core's context for the library context that it is. */
static int begin(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH provider[] = { DOES(PROVIDER_QUERY_OPERATION, algorithms), NO_MORE };
	OSSL_FUNC_core_get_libctx_fn *library = NULL;
	for (; in->function_id != 0; in++) {
		if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
			library = OSSL_FUNC_core_get_libctx(in);
	}
	*context = library ? library(handle) : NULL;
	*out = provider;
	return *context != NULL;
}

OSSL_PROVIDER *sr_tls_key_provider(OSSL_LIB_CTX *library)
{
	if (EVP_set_default_properties(library, "?provider=default") != 1 ||
		OSSL_PROVIDER_add_builtin(library, PROVIDER, begin) != 1)
		return NULL;
	return OSSL_PROVIDER_load(library, PROVIDER);
}

/* -- the token --------------------------------------------------------------------------------------------------- */
bool sr_tls_key_is_uri(const char *key)
{
	return strncmp(key, "pkcs11:", 7) == 0;
}

/* A PIN that the token has refused is not offered again by this process, which connects anew every now and then: a few
 * more and the token is locked. Under SR_LOCK_TLS; the URI of it, whose PIN stands elsewhere. */
static char *refused_uri;

static CK_RV open_token(const char *uri, struct sr_hsm **hsm, struct sr_error *err)
{
	bool refused = false;
	const struct sr_hsm_config config = { .uri = uri, .pin_refused = &refused };
	if (refused_uri && strcmp(refused_uri, uri) == 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN,
			"its PIN was refused before and is not tried again; correct it and start the program anew");
	CK_RV rv = sr_hsm_open(&config, hsm, err);
	if (refused) {
		free(refused_uri);
		refused_uri = strdup(uri);
	}
	return rv;
}

/* One at a time, for the sake of that PIN. */
static CK_RV open_alone(const char *uri, struct sr_hsm **hsm, struct sr_error *err)
{
	sr_lock(SR_LOCK_TLS);
	CK_RV rv = open_token(uri, hsm, err);
	sr_unlock(SR_LOCK_TLS);
	return rv;
}

/* A token that is away may come back, as a server that is away. */
CK_RV sr_tls_key_fail(const struct sr_error *why, struct sr_error *err)
{
	return sr_fail(err, why->rv == CKR_DEVICE_REMOVED ? CKR_TOKEN_NOT_PRESENT : CKR_GENERAL_ERROR, why->reason,
		"the client's key: %s", why->text);
}

CK_RV sr_tls_key_open(const char *uri, CK_KEY_TYPE type, struct sr_tls_key **key, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	struct sr_tls_key *opened = calloc(1, sizeof *opened);
	if (!opened)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a key in a token");
	opened->type = type;
	if (open_alone(uri, &opened->hsm, &why) == CKR_OK && sr_hsm_named_check(opened->hsm, type, &why) == CKR_OK) {
		*key = opened;
		return CKR_OK;
	}
	sr_tls_key_free(opened);
	return sr_tls_key_fail(&why, err);
}

bool sr_tls_key_use(struct sr_tls_key *key, struct sr_tls_server *settings)
{
	EVP_PKEY *public = X509_get0_pubkey(SSL_CTX_get0_certificate(settings->ctx)), *ours = NULL;
	struct half half = { settings->library->ctx, public, key }, *handed = &half;
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_ptr(HANDED_OVER, (void **)&handed, sizeof handed),
		OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *ctx =
		EVP_PKEY_CTX_new_from_name(settings->library->ctx, key->type == CKK_EC ? "EC" : "RSA", ONLY_OURS);
	bool used = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		    EVP_PKEY_fromdata(ctx, &ours, EVP_PKEY_KEYPAIR, (OSSL_PARAM *)(uintptr_t)params) == 1 &&
		    SSL_CTX_use_PrivateKey(settings->ctx, ours) == 1;
	EVP_PKEY_free(ours);
	EVP_PKEY_CTX_free(ctx);
	return used;
}

const struct sr_error *sr_tls_key_fault(const struct sr_tls_key *key)
{
	return key->fault.rv != CKR_OK ? &key->fault : NULL;
}

void sr_tls_key_close(struct sr_tls_key *key)
{
	sr_hsm_close(key->hsm);
	key->hsm = NULL;
}

void sr_tls_key_free(struct sr_tls_key *key)
{
	if (key)
		sr_tls_key_close(key);
	free(key);
}
