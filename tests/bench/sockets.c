/* The bare round trip of a message and its answer: over a Unix socket, and over TLS 1.3 on TCP. The other end is a
 * process that does nothing else. */
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/subjects.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE 200 /* bytes, about what a call has */

/* -- Unix --------------------------------------------------------------------------------------------------------- */

static void echo_unix(int fd)
{
	char bytes[MESSAGE];
	for (ssize_t got; (got = recv(fd, bytes, sizeof(bytes), 0)) > 0;) {
		if (send(fd, bytes, (size_t)got, 0) != got)
			return;
	}
}

static int unix_end;

static void enter_unix(struct client *client)
{
	int ends[2];
	(void)client;
	need_true(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
	if (process_fork() == 0) {
		close(ends[0]);
		echo_unix(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	unix_end = ends[0];
}

static void unix_once(struct client *client)
{
	char bytes[MESSAGE] = { 0 };
	(void)client;
	need_true(
		send(unix_end, bytes, MESSAGE, 0) == MESSAGE && recv(unix_end, bytes, MESSAGE, MSG_WAITALL) == MESSAGE,
		"round trip");
}

const struct subject round_trip_unix = {
	.name = "Unix round trip", .bare = true, .enter = enter_unix, .once = unix_once
};

/* -- TLS ---------------------------------------------------------------------------------------------------------- */

static SSL_CTX *server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	need_true(context && key && certificate && X509_set_version(certificate, 2) &&
			  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
			  X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
			  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) &&
			  X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()),
		"a certificate");
	need_true(SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1 &&
			  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1,
		"TLS");
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

static void echo_tls(int fd)
{
	char bytes[MESSAGE];
	SSL *ssl = SSL_new(server_context());
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1)
		return;
	for (int got; (got = SSL_read(ssl, bytes, sizeof(bytes))) > 0;) {
		if (SSL_write(ssl, bytes, got) != got)
			return;
	}
}

/* Two ends of one connection over the loopback. */
static void connect_tcp(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int yes = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need_true(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0 &&
			  getsockname(listener, (struct sockaddr *)&address, &len) == 0 &&
			  connect(ends[0], (struct sockaddr *)&address, len) == 0,
		"TCP");
	ends[1] = accept(listener, NULL, NULL);
	need_true(ends[1] >= 0, "TCP");
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	close(listener);
}

static void enter_tls(struct client *client)
{
	int ends[2];
	connect_tcp(ends);
	if (process_fork() == 0) {
		close(ends[0]);
		echo_tls(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = context ? SSL_new(context) : NULL;
	need_true(ssl && SSL_set_fd(ssl, ends[0]) == 1 && SSL_connect(ssl) == 1, "TLS");
	client->own = ssl;
}

static void tls_once(struct client *client)
{
	char bytes[MESSAGE] = { 0 };
	need_true(SSL_write(client->own, bytes, MESSAGE) == MESSAGE && SSL_read(client->own, bytes, MESSAGE) == MESSAGE,
		"round trip");
}

const struct subject round_trip_tls = {
	.name = "TLS 1.3 round trip", .bare = true, .enter = enter_tls, .once = tls_once
};
