/* Inside the TLS transport: the settings of one end, and its connections. */
#ifndef SR_WIRE_TLS_INSIDE_H
#define SR_WIRE_TLS_INSIDE_H

#include "wire/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

/* -- tls_settings.c: our library context, and files as an SSL_CTX ----------------------------------------------- */
/** struct sr_tls_library: what every end in this process shares. */
struct sr_tls_library {
	unsigned refs;  /* under SR_LOCK_TLS */
	unsigned forks; /* those of the process that made it */
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *provider, *token_keys;
	BIO_METHOD *socket;
};

/** struct sr_tls_server: the settings of a server, held by it and by each of its connections. A client's connection has
 *  such settings to itself. */
struct sr_tls_server {
	atomic_uint refs;
	struct sr_tls_library *library;
	SSL_CTX *ctx;
	struct sr_tls_key *key; /* NULL: the key was in a file */
};

/** sr_tls_settings_new(err): without files; NULL when OpenSSL cannot be set up. */
struct sr_tls_server *sr_tls_settings_new(struct sr_error *err);
void sr_tls_settings_drop(struct sr_tls_server *settings);

/** sr_tls_trust(settings, file, err): who may sign the peer's certificate: those in FILE, nobody else. */
CK_RV sr_tls_trust(struct sr_tls_server *settings, const char *file, struct sr_error *err);

/** sr_tls_identity(settings, certificate, key, err): who we are. */
CK_RV sr_tls_identity(struct sr_tls_server *settings, const char *certificate, const char *key, struct sr_error *err);

/* -- tls_key.c: a key that stays in a PKCS#11 token -------------------------------------------------------------- */
struct sr_tls_key;

/** sr_tls_key_provider(library): what makes such keys usable there; the last to be loaded. NULL on failure. */
OSSL_PROVIDER *sr_tls_key_provider(OSSL_LIB_CTX *library);

/** sr_tls_key_is_uri(key): whether KEY of a configuration names a token's. */
bool sr_tls_key_is_uri(const char *key);

/** sr_tls_key_open(uri, type, key, err): logs in to the token, and finds its key of that TYPE, CKK_RSA or CKK_EC.
 *  sr_tls_key_use(key, settings): as the key of the certificate, which is there already, and whose public half is of
 *  that type; false without memory. KEY outlives SETTINGS' SSL_CTX. */
CK_RV sr_tls_key_open(const char *uri, CK_KEY_TYPE type, struct sr_tls_key **key, struct sr_error *err);
bool sr_tls_key_use(struct sr_tls_key *key, struct sr_tls_server *settings);

/** sr_tls_key_fault(key): why the token did not sign; NULL where it did, or was not asked. */
const struct sr_error *sr_tls_key_fault(const struct sr_tls_key *key);

/** sr_tls_key_fail(why, err): that, or what kept it from being opened, as sr_tls_connect answers it. */
CK_RV sr_tls_key_fail(const struct sr_error *why, struct sr_error *err);

/** sr_tls_key_close(key): the token is let go, and nothing is signed any more. sr_tls_key_free does so too; it takes
 *  NULL. */
void sr_tls_key_close(struct sr_tls_key *key);
void sr_tls_key_free(struct sr_tls_key *key);

/* -- tls_settings.c ---------------------------------------------------------------------------------------------- */
/** sr_tls_why(): the newest line in OpenSSL's error queue. */
const char *sr_tls_why(void);

/** sr_tls_leave(settings): this thread may end after our library context. What OpenSSL keeps for it there (its random
 *  numbers) goes now: it would be looked for in freed memory when the thread ends. */
void sr_tls_leave(const struct sr_tls_server *settings);

/* -- tls_channel.c ---------------------------------------------------------------------------------------------- */
/** struct sr_tls: a connection. NO_WAIT: the socket is used as if it did not block, whatever it is. SETTLED: the
 *  handshake is behind us. ENDED: nothing more comes or goes on the socket. FAILED: nothing more is to be had. */
struct sr_tls {
	struct sr_channel channel;
	struct sr_tls_server *settings;
	SSL *ssl;
	bool no_wait;
	bool settled;
	bool ended;
	bool failed;
};

/** sr_tls_new(settings, fd): holds SETTINGS; FD stays the caller's where it fails. */
struct sr_tls *sr_tls_new(struct sr_tls_server *settings, int fd);

/** sr_tls_result(tls): what the last operation, which did not succeed, waits for; SR_CHANNEL_ERROR when nothing. */
enum sr_channel_result sr_tls_result(const struct sr_tls *tls);

/** sr_tls_socket(): the BIO over a connection's socket: no signal, no exec, never closed by it. */
BIO_METHOD *sr_tls_socket(void);

#endif
