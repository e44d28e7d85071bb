/* OpenSSL in a library context of our own. Its error queue belongs to the thread and so perhaps to the host
 * application: every function here takes back what it caused to be put there. */
#include "util/crypto.h"

#include "util/buf.h"
#include "util/fork.h"

#include <openssl/crypto.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCRYPT_MEMORY_MAX (UINT64_C(64) << 20)
#define SCRYPT_LOG2N_MAX 20 /* 1 GiB at r = 8: far beyond the memory cap, and the shift stays small */
#define P256_HALF 32

static const struct digest {
	CK_MECHANISM_TYPE mechanism;
	const char *name;
} digests[] = {
	{ CKM_SHA256, "SHA2-256" }, /* the first: Strongroom itself cannot do without it */
	{ CKM_SHA224, "SHA2-224" },
	{ CKM_SHA384, "SHA2-384" },
	{ CKM_SHA512, "SHA2-512" },
	{ CKM_SHA512_224, "SHA2-512/224" },
	{ CKM_SHA512_256, "SHA2-512/256" },
	{ CKM_SHA3_224, "SHA3-224" },
	{ CKM_SHA3_256, "SHA3-256" },
	{ CKM_SHA3_384, "SHA3-384" },
	{ CKM_SHA3_512, "SHA3-512" },
	{ CKM_SHA_1, "SHA1" }, /* these two are weak: policy/mechanisms.def */
	{ CKM_MD5, "MD5" },
};

#define DIGESTS (sizeof digests / sizeof digests[0])

struct crypto {
	unsigned forks; /* those of the process that made it */
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *provider;
	EVP_MD *md[DIGESTS]; /* in the order of digests[] */
};

/* Global, because a context costs milliseconds to make and every call needs it. Once made it is read without
 * SR_LOCK_CRYPTO. A forked child makes its own: another thread of the parent may have held a lock inside the inherited
 * one, which is left as it is. */
static struct crypto *_Atomic current;

static void crypto_free(struct crypto *crypto)
{
	if (!crypto)
		return;
	for (size_t i = 0; i < DIGESTS; i++)
		EVP_MD_free(crypto->md[i]);
	if (crypto->provider)
		OSSL_PROVIDER_unload(crypto->provider);
	OSSL_LIB_CTX_free(crypto->ctx);
	free(crypto);
}

/* Where memory was short as OpenSSL itself began, it has no default context for as long as the process lives, and
 * others here who do not look, like SoftHSM2, crash on it: then nothing is begun. */
static bool is_openssl_there(void)
{
	return OSSL_LIB_CTX_get0_global_default() != NULL;
}

/* The default provider is named, so that no configuration file of the host decides which one we get. */
static struct crypto *crypto_new(void)
{
	struct crypto *crypto = calloc(1, sizeof *crypto);
	if (!crypto)
		return NULL;
	crypto->ctx = is_openssl_there() ? OSSL_LIB_CTX_new() : NULL;
	crypto->forks = sr_forks();
	if (crypto->ctx)
		crypto->provider = OSSL_PROVIDER_load(crypto->ctx, "default");
	for (size_t i = 0; crypto->provider && i < DIGESTS; i++)
		crypto->md[i] = EVP_MD_fetch(crypto->ctx, digests[i].name, NULL);
	if (!crypto->md[0]) {
		crypto_free(crypto);
		return NULL;
	}
	return crypto;
}

/* This process's own, or NULL. */
static struct crypto *own_crypto(void)
{
	struct crypto *crypto = atomic_load_explicit(&current, memory_order_acquire);
	return crypto && crypto->forks == sr_forks() ? crypto : NULL;
}

static struct crypto *get_crypto(void)
{
	struct crypto *crypto = own_crypto();
	if (crypto)
		return crypto;
	sr_lock(SR_LOCK_CRYPTO);
	crypto = own_crypto();
	if (!crypto) {
		ERR_set_mark();
		crypto = crypto_new();
		ERR_pop_to_mark();
		atomic_store_explicit(&current, crypto, memory_order_release);
	}
	sr_unlock(SR_LOCK_CRYPTO);
	return crypto;
}

OSSL_LIB_CTX *sr_crypto_ctx(void)
{
	struct crypto *crypto = get_crypto();
	return crypto ? crypto->ctx : NULL;
}

bool sr_crypto_alive(void)
{
	return OPENSSL_init_crypto(0, NULL) == 1;
}

void sr_crypto_errors_begin(void)
{
	if (sr_crypto_alive())
		ERR_set_mark();
}

void sr_crypto_errors_end(void)
{
	if (sr_crypto_alive())
		ERR_pop_to_mark();
}

void sr_crypto_free(void)
{
	sr_lock(SR_LOCK_CRYPTO);
	crypto_free(own_crypto());
	atomic_store_explicit(&current, NULL, memory_order_release);
	sr_unlock(SR_LOCK_CRYPTO);
}

const EVP_MD *sr_digest_md(CK_MECHANISM_TYPE mechanism)
{
	struct crypto *crypto = get_crypto();
	for (size_t i = 0; crypto && i < DIGESTS; i++) {
		if (digests[i].mechanism == mechanism)
			return crypto->md[i];
	}
	return NULL;
}

bool sr_sha256_2(const void *a, size_t alen, const void *b, size_t blen, uint8_t out[SR_SHA256_LEN])
{
	const EVP_MD *md = sr_digest_md(CKM_SHA256);
	if (!md)
		return false;
	ERR_set_mark();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a, alen) == 1 &&
		    EVP_DigestUpdate(ctx, b, blen) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_pop_to_mark();
	return done;
}

bool sr_sha256(const void *data, size_t len, uint8_t out[SR_SHA256_LEN])
{
	return sr_sha256_2(data, len, NULL, 0, out);
}

void sr_sha256_begin(struct sr_sha256 *sum)
{
	const EVP_MD *md = sr_digest_md(CKM_SHA256);
	ERR_set_mark();
	sum->ctx = md ? EVP_MD_CTX_new() : NULL;
	if (sum->ctx && EVP_DigestInit_ex2(sum->ctx, md, NULL) != 1) {
		EVP_MD_CTX_free(sum->ctx);
		sum->ctx = NULL;
	}
	ERR_pop_to_mark();
}

void sr_sha256_add(struct sr_sha256 *sum, const void *data, size_t len)
{
	ERR_set_mark();
	if (sum->ctx && EVP_DigestUpdate(sum->ctx, data, len) != 1) {
		EVP_MD_CTX_free(sum->ctx);
		sum->ctx = NULL;
	}
	ERR_pop_to_mark();
}

bool sr_sha256_end(struct sr_sha256 *sum, uint8_t out[SR_SHA256_LEN])
{
	ERR_set_mark();
	bool done = sum->ctx && EVP_DigestFinal_ex(sum->ctx, out, NULL) == 1;
	EVP_MD_CTX_free(sum->ctx);
	sum->ctx = NULL;
	ERR_pop_to_mark();
	return done;
}

bool sr_scrypt(const void *pass, size_t passlen, const void *salt, size_t saltlen, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t outlen)
{
	OSSL_LIB_CTX *lib = sr_crypto_ctx();
	if (!lib || log2n < 1 || log2n > SCRYPT_LOG2N_MAX)
		return false;
	uint64_t n = UINT64_C(1) << log2n;
	uint64_t memory = SCRYPT_MEMORY_MAX;
	uint32_t r32 = r;
	uint32_t p32 = p;
	/* the parameters are only read, whatever the type of the constructor says */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)(passlen ? pass : ""), passlen),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)(saltlen ? salt : ""), saltlen),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r32),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p32),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
		OSSL_PARAM_construct_end(),
	};
	ERR_set_mark();
	EVP_KDF *kdf = EVP_KDF_fetch(lib, "SCRYPT", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool done = ctx && EVP_KDF_derive(ctx, out, outlen, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_pop_to_mark();
	return done;
}

/* The public key in SPKI, which must be one P-256 key and nothing behind it. */
static EVP_PKEY *p256_key(const uint8_t *spki, size_t spkilen)
{
	OSSL_LIB_CTX *lib = sr_crypto_ctx();
	if (!lib || spkilen > 1024)
		return NULL;
	const uint8_t *at = spki;
	EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &at, (long)spkilen, lib, NULL);
	char group[32];
	size_t len;
	if (key && at == spki + spkilen && EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 && strcmp(group, SN_X9_62_prime256v1) == 0)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* r || s as the DER that OpenSSL verifies; *DER is for OPENSSL_free. The length, 0 or less when it failed. */
static int signature_der(const uint8_t sig[64], uint8_t **der)
{
	int len = 0;
	BIGNUM *r = BN_bin2bn(sig, P256_HALF, NULL);
	BIGNUM *s = BN_bin2bn(sig + P256_HALF, P256_HALF, NULL);
	ECDSA_SIG *pair = ECDSA_SIG_new();
	if (r && s && pair && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL; /* PAIR owns them now */
		len = i2d_ECDSA_SIG(pair, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return len;
}

bool sr_p256_verify(const uint8_t *spki, size_t spkilen, const uint8_t digest[SR_SHA256_LEN], const uint8_t sig[64])
{
	ERR_set_mark();
	uint8_t *der = NULL;
	int derlen = signature_der(sig, &der);
	EVP_PKEY *key = p256_key(spki, spkilen);
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(sr_crypto_ctx(), key, NULL) : NULL;
	bool good = derlen > 0 && ctx && EVP_PKEY_verify_init(ctx) == 1 &&
		    EVP_PKEY_verify(ctx, der, (size_t)derlen, digest, SR_SHA256_LEN) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	OPENSSL_free(der);
	ERR_pop_to_mark();
	return good;
}
