/* TLS 1.3 as a channel, by OpenSSL in a library context of our own. Nobody is spoken to unverified: a client always
 * checks the server's certificate and name, a server the certificate of a client where one was given.
 *
 * The error queue of OpenSSL belongs to the thread and so perhaps to the host application: nothing of ours stays there.
 * (libssl itself empties the queue during a handshake.) */
#ifndef SR_WIRE_TLS_H
#define SR_WIRE_TLS_H

#include "util/error.h"
#include "wire/channel.h"

#include <stdbool.h>
#include <stdint.h>

/** struct sr_tls_client_files: CA, CERTIFICATE (with its chain) and KEY are PEM files; the last two may both be NULL.
 *  KEY may be a PKCS#11 URI instead: a key that stays in its token, which signs.
 *  NAME is what the server's certificate has to say in its subjectAltName, a DNS name or an IP address. */
struct sr_tls_client_files {
	const char *ca;
	const char *name;
	const char *certificate;
	const char *key;
};

/** sr_tls_connect(files, fd, channel, err): shakes hands on a connected socket, in ten seconds at most, and owns it
 * from now on (also when it fails). Files that cannot be used: CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED or
 * _BAD_CONFIG; a token of the client that is away: CKR_TOKEN_NOT_PRESENT, and one that does not
 * sign: CKR_GENERAL_ERROR, both with the reason of hsm.h. A server that is not the right one: CKR_TOKEN_NOT_PRESENT,
 * SR_REASON_SERVER_REFUSED, the line says why; one that goes or says nothing: SR_REASON_SERVER_AWAY. What the server
 * thinks of the client's certificate comes with the first read. Any thread. The one symbol that libstrongroom-tls.so
 * exports. */
__attribute__((visibility("default"))) CK_RV sr_tls_connect(
	const struct sr_tls_client_files *files, int fd, struct sr_channel **channel, struct sr_error *err);

#define SR_TLS_CONNECT_SYMBOL "sr_tls_connect"
typedef CK_RV sr_tls_connect_fn(
	const struct sr_tls_client_files *files, int fd, struct sr_channel **channel, struct sr_error *err);

/** struct sr_tls_server_files: PEM files. CLIENT_CA may be NULL: no certificate is asked for then, and none may be
 *  required. */
struct sr_tls_server_files {
	const char *certificate;
	const char *key;
	const char *client_ca;
	bool require_client_certificate;
};

struct sr_tls_server;

/** sr_tls_server_new(files, server, err), sr_tls_server_free(server): the files as they are now; to read them again,
 *  make another. Connections outlive the server that they were accepted with. CKR_GENERAL_ERROR and
 * SR_REASON_BAD_CONFIG name the file that cannot be used. NULL may be freed. */
CK_RV sr_tls_server_new(const struct sr_tls_server_files *files, struct sr_tls_server **server, struct sr_error *err);
void sr_tls_server_free(struct sr_tls_server *server);

/** sr_tls_accept(server, fd, channel): over a connected socket, which it owns from now on (also when it fails). The
 *  handshake goes on inside read and write. False without memory. */
bool sr_tls_accept(struct sr_tls_server *server, int fd, struct sr_channel **channel);

/** sr_tls_is_ready(channel): the handshake is done. */
bool sr_tls_is_ready(const struct sr_channel *channel);

/** sr_tls_peer_certificate(channel, sha256): the hash of the certificate (DER) that the peer has proven; false without
 *  one, and before the handshake is done. */
bool sr_tls_peer_certificate(const struct sr_channel *channel, uint8_t sha256[32]);

#endif
