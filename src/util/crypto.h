/* OpenSSL, in a library context of our own (never the host application's): hashes, scrypt, base64.
 * Linked into libstrongroom-vault.so only; the thin module never loads it. Any thread. */
#ifndef SR_UTIL_CRYPTO_H
#define SR_UTIL_CRYPTO_H

#include "util/error.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#define SR_SHA256_LEN 32

/** sr_crypto_ctx(): our OSSL_LIB_CTX, made at first use; NULL when OpenSSL cannot be set up. */
OSSL_LIB_CTX *sr_crypto_ctx(void);

/** sr_crypto_alive(): false once OpenSSL's own exit handler has begun. A program that holds us through an OpenSSL
 * engine calls C_Finalize from in there, when an HSM module written in C++ may have lost its statics already. */
bool sr_crypto_alive(void);

/** sr_crypto_errors_begin(), sr_crypto_errors_end(): around whatever the host application calls. The error queue is the
 *  thread's and so the host's: what we and the HSM's module put there in between is taken back, what was there stays.
 *  They nest. Without them a TLS library takes such an error for one of its own. */
void sr_crypto_errors_begin(void);
void sr_crypto_errors_end(void);

/** sr_crypto_usable(err): refuses in a child that was forked while another thread was inside OpenSSL. */
CK_RV sr_crypto_usable(struct sr_error *err);

/** sr_crypto_free(): gives the context back before the library is unloaded. No other thread may be inside. */
void sr_crypto_free(void);

/** sr_sha256(data, len, out): false only when OpenSSL fails. */
bool sr_sha256(const void *data, size_t len, uint8_t out[SR_SHA256_LEN]);

/** sr_sha256_2(a, alen, b, blen, out): over A followed by B. */
bool sr_sha256_2(const void *a, size_t alen, const void *b, size_t blen, uint8_t out[SR_SHA256_LEN]);

/** struct sr_sha256: over what comes in pieces. sr_sha256_begin(sum); sr_sha256_add(sum, data, len) as often as there
 * is something; sr_sha256_end(sum, out), always once, gives the memory back: false where any of it failed. */
struct sr_sha256 {
	EVP_MD_CTX *ctx; /* NULL: it failed */
};
void sr_sha256_begin(struct sr_sha256 *sum);
void sr_sha256_add(struct sr_sha256 *sum, const void *data, size_t len);
bool sr_sha256_end(struct sr_sha256 *sum, uint8_t out[SR_SHA256_LEN]);

/** sr_scrypt(pass, passlen, salt, saltlen, log2n, r, p, out, outlen): RFC 7914; memory capped at 64 MiB. */
bool sr_scrypt(const void *pass, size_t passlen, const void *salt, size_t saltlen, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t outlen);

/** sr_digest_md(mechanism): the OpenSSL digest for a CKM_SHA* digest mechanism, fetched once from our context;
 *  NULL for what we do not offer. */
const EVP_MD *sr_digest_md(CK_MECHANISM_TYPE mechanism);

/** sr_p256_verify(spki, spkilen, digest, sig): ECDSA P-256 over a SHA-256 digest; SPKI is the DER public key,
 *  SIG is r || s (64 bytes), as PKCS#11 signs. */
bool sr_p256_verify(const uint8_t *spki, size_t spkilen, const uint8_t digest[SR_SHA256_LEN], const uint8_t sig[64]);

#endif
