/* Keys and certificates for the tests of TLS, made as they are needed. */
#ifndef SR_TESTS_TLS_FILES_H
#define SR_TESTS_TLS_FILES_H

#include <stdint.h>

/** struct tls_maker: a key and its certificate. */
struct tls_maker {
	struct evp_pkey_st *key;
	struct x509_st *certificate;
};

/** tls_make(maker, issuer, name, days): NAME as OpenSSL writes a subjectAltName ("DNS:a,IP:127.0.0.1"), NULL for a CA;
 *  ISSUER NULL: by itself. DAYS until it expires, negative: that long ago. */
void tls_make(struct tls_maker *maker, const struct tls_maker *issuer, const char *name, int days);
void tls_maker_clear(struct tls_maker *maker);

/** tls_write_certificate(maker, file), tls_write_key(maker, file, passphrase): PEM; PASSPHRASE may be NULL. */
void tls_write_certificate(const struct tls_maker *maker, const char *file);
void tls_write_key(const struct tls_maker *maker, const char *file, const char *passphrase);

/** tls_hash(maker, sha256): of the certificate. */
void tls_hash(const struct tls_maker *maker, uint8_t sha256[32]);

#endif
