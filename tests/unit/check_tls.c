/* TLS 1.3 as a channel: who gets through, who does not and what is said then, and what a connection leaves behind.
 *
 * The client, which waits in its handshake, has a thread; the server, which does not wait, is pumped beside it. */
#include "tests/unit/suites.h"

#include "hsm/hsm.h"
#include "tests/unit/tls_files.h"
#include "wire/tls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PUMP_MS 20000
#define NAME "vault.example"
#define MUCH (1u << 20)

static char dir[64];
static char paths[16][100];
static struct tls_maker ca, other_ca, server_end, client_end;
static struct sr_tls_client_files files;
static struct sr_tls_server_files server_files;
static struct sr_error err;

static struct {
	int fd;
	pthread_t thread;
	pthread_mutex_t *linger; /* the thread ends when it gets this */
	atomic_bool done;
	CK_RV rv;
	struct sr_error err;
	struct sr_channel *channel;
} client;
static struct sr_channel *server_channel;
static int pair[2];

/* -- files ----------------------------------------------------------------------------------------------------- */
static const char *in_dir(const char *name)
{
	static unsigned next;
	char *path = paths[next++ % 16];
	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

static void write_end(const struct tls_maker *maker, const char *certificate, const char *key)
{
	tls_write_certificate(maker, in_dir(certificate));
	tls_write_key(maker, in_dir(key), NULL);
}

/* The server gets another certificate. */
static void serve(const struct tls_maker *issuer, const char *name, int days)
{
	tls_maker_clear(&server_end);
	tls_make(&server_end, issuer, name, days);
	write_end(&server_end, "server.pem", "server.key");
}

static void set_up(void)
{
	strcpy(dir, "/tmp/check-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	tls_make(&ca, NULL, NULL, 10);
	tls_make(&other_ca, NULL, NULL, 10);
	tls_make(&client_end, &ca, "DNS:client", 10);
	serve(&ca, "DNS:" NAME ",IP:127.0.0.1,IP:::1", 10);
	tls_write_certificate(&ca, in_dir("ca.pem"));
	write_end(&client_end, "client.pem", "client.key");
	static char ca_file[100], certificate[100], key[100];
	snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
	snprintf(certificate, sizeof certificate, "%s/server.pem", dir);
	snprintf(key, sizeof key, "%s/server.key", dir);
	files = (struct sr_tls_client_files){ ca_file, NAME, NULL, NULL };
	server_files = (struct sr_tls_server_files){ certificate, key, NULL, false };
	sr_error_clear(&err);
	ERR_clear_error();
}

static void tear_down(void)
{
	char command[100];
	ck_assert_uint_eq(ERR_peek_error(), 0);
	tls_maker_clear(&ca);
	tls_maker_clear(&other_ca);
	tls_maker_clear(&client_end);
	tls_maker_clear(&server_end);
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void with_client_certificate(void)
{
	files.certificate = in_dir("client.pem");
	files.key = in_dir("client.key");
}

/* -- connections ----------------------------------------------------------------------------------------------- */
static void *run_client(void *unused)
{
	(void)unused;
	sr_error_clear(&client.err);
	client.channel = NULL;
	client.rv = sr_tls_connect(&files, client.fd, &client.channel, &client.err);
	if (ERR_peek_error() != 0)
		client.rv = CKR_FUNCTION_FAILED;
	atomic_store(&client.done, true);
	if (client.linger)
		pthread_mutex_lock(client.linger);
	return NULL;
}

/* Leaves pair[1] to the caller. */
static void begin_client(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client.fd = pair[0];
	atomic_store(&client.done, false);
	ck_assert_int_eq(pthread_create(&client.thread, NULL, run_client, NULL), 0);
}

static void end_client(void)
{
	ck_assert_int_eq(pthread_join(client.thread, NULL), 0);
}

static struct sr_tls_server *new_server(void)
{
	struct sr_tls_server *server = NULL;
	ck_assert_msg(sr_tls_server_new(&server_files, &server, &err) == CKR_OK, "%s", err.text);
	return server;
}

static void begin_server(struct sr_tls_server *server, int fd)
{
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert(sr_tls_accept(server, fd, &server_channel));
	ck_assert(!sr_tls_is_ready(server_channel));
}

/* Reads until something comes, as a daemon does; the handshake goes on inside. */
static ssize_t pump(struct sr_channel *channel, void *to, size_t len)
{
	ssize_t got;
	while ((got = channel->kind->read(channel, to, len)) < SR_CHANNEL_ERROR) {
		struct pollfd wait = { channel->fd, got == SR_CHANNEL_WANT_READ ? POLLIN : POLLOUT, 0 };
		ck_assert_int_eq(poll(&wait, 1, PUMP_MS), 1);
	}
	return got;
}

/* What the server's handshake comes to: 0 when it is ready. */
static ssize_t pump_handshake(void)
{
	char byte;
	ssize_t got = 0;
	while (!sr_tls_is_ready(server_channel)) {
		got = server_channel->kind->read(server_channel, &byte, 1);
		if (got != SR_CHANNEL_WANT_READ || sr_tls_is_ready(server_channel))
			break;
		struct pollfd wait = { server_channel->fd, POLLIN, 0 };
		ck_assert_int_eq(poll(&wait, 1, PUMP_MS), 1);
	}
	return sr_tls_is_ready(server_channel) ? 0 : got;
}

static void close_channel(struct sr_channel **channel)
{
	if (*channel)
		(*channel)->kind->close(*channel, false);
	*channel = NULL;
}

static void close_both(void)
{
	close_channel(&client.channel);
	close_channel(&server_channel);
}

static ssize_t meet(struct sr_tls_server *server)
{
	begin_client();
	begin_server(server, pair[1]);
	ssize_t result = pump_handshake();
	end_client();
	return result;
}

/* Both ends by the files as they are. */
static ssize_t meet_once(void)
{
	struct sr_tls_server *server = new_server();
	ssize_t result = meet(server);
	sr_tls_server_free(server);
	return result;
}

static void assert_met(void)
{
	ck_assert_int_eq(meet_once(), 0);
	ck_assert_msg(client.rv == CKR_OK, "%s", client.err.text);
}

static void assert_said(const struct sr_error *said, CK_ULONG reason, const char *needle)
{
	ck_assert_msg(strstr(said->text, needle) != NULL, "\"%s\" does not say \"%s\"", said->text, needle);
	ck_assert_uint_eq(said->reason, reason);
}

static void assert_server_refused(const char *needle)
{
	ck_assert_int_eq(meet_once(), SR_CHANNEL_ERROR);
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_SERVER_REFUSED, needle);
	ck_assert_ptr_null(client.channel);
	close_both();
}

static void say(struct sr_channel *from, struct sr_channel *to, const char *what)
{
	char heard[32] = "";
	ssize_t len = (ssize_t)strlen(what);
	ck_assert_int_eq(from->kind->write(from, what, (size_t)len), len);
	ck_assert_int_eq(pump(to, heard, sizeof heard), len);
	ck_assert_mem_eq(heard, what, (size_t)len);
}

/* -- through --------------------------------------------------------------------------------------------------- */
START_TEST(words_both_ways)
{
	uint8_t hash[32];
	char byte;
	assert_met();
	ck_assert(sr_tls_is_ready(client.channel));
	say(client.channel, server_channel, "hello");
	say(server_channel, client.channel, "hello to you");
	ck_assert(!sr_tls_peer_certificate(server_channel, hash));
	ck_assert_int_eq(server_channel->kind->read(server_channel, &byte, 1), SR_CHANNEL_WANT_READ);
	close_channel(&client.channel);
	ck_assert_int_eq(pump(server_channel, &byte, 1), 0);
	ck_assert_int_eq(pump(server_channel, &byte, 1), 0);
	close_both();
}
END_TEST

START_TEST(what_is_buffered)
{
	char heard[8];
	assert_met();
	ck_assert(!client.channel->kind->buffered(client.channel));
	ck_assert_int_eq(server_channel->kind->write(server_channel, "abcdef", 6), 6);
	ck_assert(!client.channel->kind->buffered(client.channel));
	ck_assert_int_eq(pump(client.channel, heard, 2), 2);
	ck_assert(client.channel->kind->buffered(client.channel));
	ck_assert_int_eq(pump(client.channel, heard, 8), 4);
	ck_assert(!client.channel->kind->buffered(client.channel));
	close_both();
}
END_TEST

/* More than the socket holds: the writer stops, and goes on with the same bytes from another place. */
START_TEST(much_at_once)
{
	static uint8_t sent[2][MUCH], heard[MUCH];
	size_t out = 0, in = 0;
	unsigned stops = 0;
	for (size_t i = 0; i < MUCH; i++)
		sent[0][i] = sent[1][i] = (uint8_t)(i * 7 + i / 251);
	assert_met();
	ck_assert_int_eq(fcntl(client.channel->fd, F_SETFL, O_NONBLOCK), 0);
	while (in < MUCH) {
		ssize_t done = out < MUCH
				       ? server_channel->kind->write(server_channel, sent[stops % 2] + out, MUCH - out)
				       : SR_CHANNEL_WANT_WRITE;
		ck_assert(done > 0 || done == SR_CHANNEL_WANT_WRITE);
		out += done > 0 ? (size_t)done : 0;
		stops += done < 0;
		if (done > 0)
			continue;
		while ((done = client.channel->kind->read(client.channel, heard + in, MUCH - in)) > 0)
			in += (size_t)done;
		ck_assert(in == MUCH || done == SR_CHANNEL_WANT_READ);
	}
	ck_assert_uint_gt(stops, 1);
	ck_assert_mem_eq(heard, sent[0], MUCH);
	close_both();
}
END_TEST

START_TEST(by_address)
{
	files.name = "127.0.0.1";
	assert_met();
	close_both();
	files.name = "::1";
	assert_met();
	close_both();
}
END_TEST

START_TEST(a_client_with_a_certificate)
{
	uint8_t hash[32], wanted[32];
	server_files.client_ca = files.ca;
	for (int required = 0; required < 2; required++) {
		server_files.require_client_certificate = required;
		with_client_certificate();
		assert_met();
		tls_hash(&client_end, wanted);
		ck_assert(sr_tls_peer_certificate(server_channel, hash));
		ck_assert_mem_eq(hash, wanted, 32);
		tls_hash(&server_end, wanted);
		ck_assert(sr_tls_peer_certificate(client.channel, hash));
		ck_assert_mem_eq(hash, wanted, 32);
		say(client.channel, server_channel, "it is me");
		close_both();
	}
}
END_TEST

/* Asked for, but not required; and not asked for. */
START_TEST(a_client_without)
{
	uint8_t hash[32];
	server_files.client_ca = files.ca;
	assert_met();
	ck_assert(!sr_tls_peer_certificate(server_channel, hash));
	close_both();
	server_files.client_ca = NULL;
	with_client_certificate();
	assert_met();
	ck_assert(!sr_tls_peer_certificate(server_channel, hash));
	close_both();
}
END_TEST

START_TEST(files_read_again)
{
	uint8_t hash[32], first[32], second[32];
	struct sr_tls_server *server = new_server();
	ck_assert_int_eq(meet(server), 0);
	struct sr_channel *old_client = client.channel, *old_server = server_channel;
	sr_tls_server_free(server);
	tls_hash(&server_end, first);
	serve(&ca, "DNS:" NAME, 5);
	tls_hash(&server_end, second);
	assert_met();
	ck_assert(sr_tls_peer_certificate(client.channel, hash));
	ck_assert_mem_eq(hash, second, 32);
	say(old_client, old_server, "still here");
	ck_assert(sr_tls_peer_certificate(old_client, hash));
	ck_assert_mem_eq(hash, first, 32);
	close_channel(&old_client);
	close_channel(&old_server);
	close_both();
}
END_TEST

/* -- servers that are refused ----------------------------------------------------------------------------------- */
START_TEST(the_wrong_name)
{
	files.name = "other.example";
	assert_server_refused("the server other.example is refused: its certificate is for another name");
	files.name = "127.0.0.2";
	assert_server_refused("for another name");
	files.name = "end 1";
	serve(&ca, "", 10); /* a common name alone is no name */
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(server_end.certificate), NID_commonName, paths[0], sizeof paths[0]);
	files.name = paths[0];
	assert_server_refused("for another name");
}
END_TEST

START_TEST(the_wrong_ca)
{
	serve(&other_ca, "DNS:" NAME, 10);
	assert_server_refused("unknown CA");
	serve(NULL, "DNS:" NAME, 10);
	assert_server_refused("unknown CA");
}
END_TEST

START_TEST(a_certificate_out_of_time)
{
	serve(&ca, "DNS:" NAME, -1);
	assert_server_refused("its certificate has expired");
	serve(&ca, "DNS:" NAME, 10);
	X509_gmtime_adj(X509_getm_notBefore(server_end.certificate), 24L * 3600);
	ck_assert_int_gt(X509_sign(server_end.certificate, ca.key, EVP_sha256()), 0);
	write_end(&server_end, "server.pem", "server.key");
	assert_server_refused("its certificate is not valid yet");
}
END_TEST

/* -- clients that are refused ------------------------------------------------------------------------------------ */
/* The client learns it with its first read. */
static void assert_client_refused(void)
{
	uint8_t hash[32];
	char byte;
	ck_assert_int_eq(meet_once(), SR_CHANNEL_ERROR);
	ck_assert(!sr_tls_is_ready(server_channel));
	ck_assert(!sr_tls_peer_certificate(server_channel, hash));
	ck_assert_int_eq(server_channel->kind->read(server_channel, &byte, 1), SR_CHANNEL_ERROR);
	ck_assert_int_eq(server_channel->kind->write(server_channel, "x", 1), SR_CHANNEL_ERROR);
	ck_assert_uint_eq(client.rv, CKR_OK);
	ck_assert_int_eq(pump(client.channel, &byte, 1), SR_CHANNEL_ERROR);
	ck_assert_int_eq(pump(client.channel, &byte, 1), SR_CHANNEL_ERROR);
	close_both();
}

START_TEST(a_certificate_is_required)
{
	server_files.client_ca = files.ca;
	server_files.require_client_certificate = true;
	assert_client_refused();
}
END_TEST

START_TEST(a_client_of_another_ca)
{
	server_files.client_ca = files.ca;
	tls_maker_clear(&client_end);
	tls_make(&client_end, &other_ca, "DNS:client", 10);
	write_end(&client_end, "client.pem", "client.key");
	with_client_certificate();
	assert_client_refused();
}
END_TEST

/* -- files that are refused -------------------------------------------------------------------------------------- */
static void assert_files_refused(CK_ULONG reason, const char *needle)
{
	begin_client();
	end_client();
	ck_assert_uint_eq(client.rv, CKR_GENERAL_ERROR);
	assert_said(&client.err, reason, needle);
	char byte;
	ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 0); /* closed, and nothing was said */
	close(pair[1]);
}

static void write_garbage(const char *name)
{
	FILE *to = fopen(in_dir(name), "w");
	ck_assert_ptr_nonnull(to);
	fputs("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", to);
	fclose(to);
}

START_TEST(what_is_missing)
{
	struct sr_tls_client_files good = files;
	files.ca = NULL;
	assert_files_refused(SR_REASON_NOT_CONFIGURED, "no CA file");
	files = good;
	files.name = "";
	assert_files_refused(SR_REASON_NOT_CONFIGURED, "no name");
	files = good;
	files.certificate = in_dir("client.pem");
	assert_files_refused(SR_REASON_BAD_CONFIG, "go together");
	files = good;
	char longer[300];
	memset(longer, 'x', sizeof longer);
	longer[299] = '\0';
	files.name = longer;
	assert_files_refused(SR_REASON_BAD_CONFIG, "cannot be the name");
}
END_TEST

START_TEST(files_that_do_not_serve)
{
	struct sr_tls_client_files good = files;
	files.ca = in_dir("nowhere.pem");
	assert_files_refused(SR_REASON_BAD_CONFIG, "nowhere.pem cannot be used: No such file");
	write_garbage("garbage.pem");
	files.ca = in_dir("garbage.pem");
	assert_files_refused(SR_REASON_BAD_CONFIG, "the CA file");
	files.ca = in_dir("client.key");
	assert_files_refused(SR_REASON_BAD_CONFIG, "the CA file");
	files = good;
	with_client_certificate();
	files.certificate = in_dir("garbage.pem");
	assert_files_refused(SR_REASON_BAD_CONFIG, "the certificate");
	with_client_certificate();
	files.key = in_dir("nowhere.key");
	assert_files_refused(SR_REASON_BAD_CONFIG, "nowhere.key cannot be used: No such file");
	files.key = in_dir("server.key");
	assert_files_refused(SR_REASON_BAD_CONFIG, "key values mismatch");
	tls_write_key(&client_end, in_dir("locked.key"), "passphrase");
	files.key = in_dir("locked.key");
	assert_files_refused(SR_REASON_BAD_CONFIG, "it has a passphrase");
}
END_TEST

static void assert_no_server(CK_ULONG reason, const char *needle)
{
	struct sr_tls_server *server = NULL;
	ck_assert_uint_eq(sr_tls_server_new(&server_files, &server, &err), CKR_GENERAL_ERROR);
	assert_said(&err, reason, needle);
	ck_assert_ptr_null(server);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(files_of_a_server)
{
	struct sr_tls_server_files good = server_files;
	server_files.certificate = NULL;
	assert_no_server(SR_REASON_NOT_CONFIGURED, "needs a certificate");
	server_files = good;
	server_files.require_client_certificate = true;
	assert_no_server(SR_REASON_BAD_CONFIG, "no CA file says who signs them");
	server_files.client_ca = in_dir("nowhere.pem");
	assert_no_server(SR_REASON_BAD_CONFIG, "nowhere.pem cannot be used: No such file");
	server_files = good;
	server_files.key = in_dir("client.key");
	assert_no_server(SR_REASON_BAD_CONFIG, "key values mismatch");
	server_files.key = "pkcs11:token=t;object=k";
	assert_no_server(SR_REASON_BAD_CONFIG, "(pkcs11:) is not supported; name a PEM file");
	sr_tls_server_free(NULL);
}
END_TEST

/* -- peers that speak something else ------------------------------------------------------------------------------ */
static SSL *old_ssl(const SSL_METHOD *method, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_use_certificate(ctx, server_end.certificate);
	SSL_CTX_use_PrivateKey(ctx, server_end.key);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	return ssl;
}

START_TEST(a_client_of_tls_1_2)
{
	struct sr_tls_server *server = new_server();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	SSL *ssl = old_ssl(TLS_client_method(), pair[0]);
	ck_assert_int_eq(SSL_connect(ssl), -1); /* it has said hello */
	begin_server(server, pair[1]);
	ck_assert_int_eq(pump_handshake(), SR_CHANNEL_ERROR);
	ck_assert_int_eq(SSL_connect(ssl), -1);
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	SSL_free(ssl);
	close(pair[0]);
	close_both();
	sr_tls_server_free(server);
	ERR_clear_error();
}
END_TEST

START_TEST(a_server_of_tls_1_2)
{
	begin_client();
	SSL *ssl = old_ssl(TLS_server_method(), pair[1]);
	ck_assert_int_eq(SSL_accept(ssl), -1);
	end_client();
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_SERVER_REFUSED, "no TLS 1.3 with the server " NAME);
	SSL_free(ssl);
	close(pair[1]);
	ERR_clear_error();
}
END_TEST

START_TEST(garbage_for_a_client)
{
	begin_client();
	ck_assert_int_eq(send(pair[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0), 28);
	end_client();
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_SERVER_REFUSED, "no TLS 1.3 with the server " NAME);
	close(pair[1]);
}
END_TEST

static void assert_server_ends(const char *bytes, size_t len)
{
	struct sr_tls_server *server = new_server();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	begin_server(server, pair[1]);
	ck_assert_int_eq(send(pair[0], bytes, len, 0), (ssize_t)len);
	ck_assert_int_eq(shutdown(pair[0], SHUT_WR), 0);
	ck_assert_int_eq(pump_handshake(), SR_CHANNEL_ERROR);
	close(pair[0]);
	close_both();
	sr_tls_server_free(server);
}

START_TEST(garbage_for_a_server)
{
	assert_server_ends("GET / HTTP/1.1\r\n\r\n", 18);
	assert_server_ends("\x16\x03\x01\x40\x00", 5);
	assert_server_ends("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9);
	assert_server_ends("", 0); /* it just goes */
}
END_TEST

START_TEST(a_server_that_goes)
{
	begin_client();
	char some[16];
	ck_assert_int_gt(recv(pair[1], some, sizeof some, 0), 0);
	shutdown(pair[1], SHUT_RDWR);
	end_client();
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_SERVER_AWAY, "closed the connection");
	close(pair[1]);
}
END_TEST

/* One byte now and then does not make the time longer. */
START_TEST(a_server_that_drags)
{
	begin_client();
	for (int i = 0; i < 40 && !atomic_load(&client.done); i++) {
		send(pair[1], i == 0 ? "\x16" : "\x03", 1, MSG_NOSIGNAL);
		poll(NULL, 0, i < 3 ? 4000 : 250);
	}
	ck_assert(atomic_load(&client.done));
	end_client();
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_SERVER_AWAY, "has not answered in 10 seconds");
	close(pair[1]);
}
END_TEST

/* Whoever can cut the line could else end a message where they like. */
START_TEST(an_end_without_a_goodbye)
{
	char byte;
	assert_met();
	shutdown(client.channel->fd, SHUT_RDWR);
	ck_assert_int_eq(pump(server_channel, &byte, 1), SR_CHANNEL_ERROR);
	ck_assert_int_eq(server_channel->kind->write(server_channel, "x", 1), SR_CHANNEL_ERROR); /* and no SIGPIPE */
	ck_assert_int_eq(client.channel->kind->write(client.channel, "x", 1), SR_CHANNEL_ERROR);
	close_both();
}
END_TEST

/* -- what is left behind ------------------------------------------------------------------------------------------ */
static unsigned long host_error(void)
{
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 77);
	return ERR_peek_error();
}

START_TEST(the_host_keeps_its_errors)
{
	char byte;
	assert_met();
	unsigned long mine = host_error();
	say(client.channel, server_channel, "as if nothing were");
	ck_assert_int_eq(server_channel->kind->read(server_channel, &byte, 1), SR_CHANNEL_WANT_READ);
	close_channel(&client.channel);
	ck_assert_int_eq(pump(server_channel, &byte, 1), 0);
	close_both();
	ck_assert_uint_eq(ERR_get_error(), mine);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* A thread that has shaken hands ends after everything of ours has gone. */
START_TEST(a_thread_that_stays_on)
{
	static pthread_mutex_t stay = PTHREAD_MUTEX_INITIALIZER;
	struct sr_tls_server *server = new_server();
	client.linger = &stay;
	pthread_mutex_lock(&stay);
	begin_client();
	begin_server(server, pair[1]);
	ck_assert_int_eq(pump_handshake(), 0);
	while (!atomic_load(&client.done))
		poll(NULL, 0, 1);
	close_both();
	sr_tls_server_free(server);
	pthread_mutex_unlock(&stay);
	end_client();
	pthread_mutex_unlock(&stay);
	client.linger = NULL;
}
END_TEST

/* The child says nothing on what it shares, and can have connections of its own. */
START_TEST(a_forked_child)
{
	int status;
	assert_met();
	pid_t pid = fork();
	if (pid == 0) {
		client.channel->kind->close(client.channel, true);
		server_channel->kind->close(server_channel, true);
		bool good = meet_once() == 0 && client.rv == CKR_OK;
		close_both();
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	say(client.channel, server_channel, "still here");
	say(server_channel, client.channel, "so am I");
	close_both();
}
END_TEST

/* The library that the module loads gives this one function, and it works there. */
START_TEST(the_private_library)
{
	const char *module = getenv("SR_TEST_MODULE");
	char path[500];
	if (!module)
		return;
	snprintf(path, sizeof path, "%.*s/libstrongroom-tls.so", (int)(strrchr(module, '/') - module), module);
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(library != NULL, "%s", dlerror());
	ck_assert_ptr_null(dlsym(library, "sr_tls_accept"));
	ck_assert_ptr_null(dlsym(library, "sr_fail"));
	sr_tls_connect_fn *connect_there;
	*(void **)&connect_there = dlsym(library, SR_TLS_CONNECT_SYMBOL);
	ck_assert_ptr_nonnull((void *)(uintptr_t)connect_there);
	struct sr_channel *channel = NULL;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	ck_assert_uint_eq(connect_there(&files, pair[0], &channel, &err), CKR_TOKEN_NOT_PRESENT);
	assert_said(&err, SR_REASON_SERVER_AWAY, "closed the connection");
	dlclose(library);
}
END_TEST

static void add_refusals(TCase *tcase)
{
	tcase_add_test(tcase, the_wrong_name);
	tcase_add_test(tcase, the_wrong_ca);
	tcase_add_test(tcase, a_certificate_out_of_time);
	tcase_add_test(tcase, a_certificate_is_required);
	tcase_add_test(tcase, a_client_of_another_ca);
	tcase_add_test(tcase, what_is_missing);
	tcase_add_test(tcase, files_that_do_not_serve);
	tcase_add_test(tcase, files_of_a_server);
	tcase_add_test(tcase, a_client_of_tls_1_2);
	tcase_add_test(tcase, a_server_of_tls_1_2);
	tcase_add_test(tcase, garbage_for_a_client);
	tcase_add_test(tcase, garbage_for_a_server);
	tcase_add_test(tcase, a_server_that_goes);
	tcase_add_test(tcase, a_server_that_drags);
	tcase_add_test(tcase, an_end_without_a_goodbye);
}

/* -- a client's key in a token ----------------------------------------------------------------------------------- */
static char token_uri[400], wrong_uri[400];

static void write_text(const char *file, const char *text)
{
	FILE *to = fopen(file, "w");
	ck_assert_ptr_nonnull(to);
	fputs(text, to);
	fclose(to);
	ck_assert_int_eq(chmod(file, 0600), 0);
}

/* The client's key goes into a SoftHSM2 token as "client", that of another CA as "other". */
static void set_up_token(void)
{
	struct sr_buf uri = SR_BUF_INIT, conf = SR_BUF_INIT;
	char command[600];
	set_up();
	ck_assert_msg(sr_hsm_make_softhsm(dir, "machine", &uri, &conf, &err) == CKR_OK, "%s", err.text);
	ERR_clear_error(); /* SoftHSM2 leaves some */
	setenv("SOFTHSM2_CONF", sr_buf_string(&conf), 1);
	tls_write_key(&other_ca, in_dir("other.key"), NULL);
	snprintf(command, sizeof command,
		"for name in client other; do softhsm2-util --import %s/$name.key --token machine --label $name "
		"--id 0$(expr $name : o) --pin \"$(cat %s/hsm/pin)\" || exit; done >/dev/null",
		dir, dir);
	ck_assert_int_eq(system(command), 0);
	const char *query = strchr(sr_buf_string(&uri), '?');
	ck_assert_ptr_nonnull(query);
	snprintf(token_uri, sizeof token_uri, "pkcs11:token=machine;object=client%s", query);
	snprintf(wrong_uri, sizeof wrong_uri, "pkcs11:token=machine;object=other%s", query);
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
	files.certificate = in_dir("client.pem");
	server_files.client_ca = files.ca;
	server_files.require_client_certificate = true;
}

static void tear_down_token(void)
{
	unsetenv("SOFTHSM2_CONF");
	tear_down();
}

START_TEST(a_key_in_a_token)
{
	uint8_t hash[32], wanted[32];
	files.key = token_uri;
	for (int i = 0; i < 2; i++) {
		assert_met();
		tls_hash(&client_end, wanted);
		ck_assert(sr_tls_peer_certificate(server_channel, hash));
		ck_assert_mem_eq(hash, wanted, 32);
		say(client.channel, server_channel, "it is me");
		close_both();
	}
}
END_TEST

START_TEST(another_key_in_a_token)
{
	files.key = wrong_uri;
	ck_assert_int_eq(meet_once(), SR_CHANNEL_ERROR);
	ck_assert_uint_eq(client.rv, CKR_GENERAL_ERROR);
	assert_said(&client.err, SR_REASON_BAD_CONFIG, "the certificate is over another key");
	close_both();
}
END_TEST

/* Corrected under way, it is still not tried: whether the token would take it is not worth its last try. */
START_TEST(a_pin_that_is_refused)
{
	char pin[100], good[100] = "";
	FILE *from = fopen(in_dir("hsm/pin"), "r");
	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(fgets(good, sizeof good, from));
	fclose(from);
	snprintf(pin, sizeof pin, "%s/hsm/pin", dir);
	files.key = token_uri;
	write_text(pin, "wrong");
	assert_files_refused(SR_REASON_HSM_PIN, "it was tried once");
	write_text(pin, good);
	assert_files_refused(SR_REASON_HSM_PIN, "is not tried again; correct it and start the program anew");
}
END_TEST

START_TEST(a_token_that_is_away)
{
	char away[400];
	snprintf(away, sizeof away, "pkcs11:token=none;object=client%s", strchr(token_uri, '?'));
	files.key = away;
	begin_client();
	end_client();
	close(pair[1]);
	ck_assert_uint_eq(client.rv, CKR_TOKEN_NOT_PRESENT);
	assert_said(&client.err, SR_REASON_HSM_MISSING, "the client's key: HSM token of the URI not found");
}
END_TEST

static TCase *token_keys(void)
{
	TCase *tcase = tcase_create("a key in a token");
	tcase_add_checked_fixture(tcase, set_up_token, tear_down_token);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_key_in_a_token);
	tcase_add_test(tcase, another_key_in_a_token);
	tcase_add_test(tcase, a_token_that_is_away);
	tcase_add_test(tcase, a_pin_that_is_refused);
	return tcase;
}

Suite *sr_suite_tls(void)
{
	Suite *suite = suite_create("tls");
	TCase *tcase = tcase_create("tls");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, words_both_ways);
	tcase_add_test(tcase, what_is_buffered);
	tcase_add_test(tcase, much_at_once);
	tcase_add_test(tcase, by_address);
	tcase_add_test(tcase, a_client_with_a_certificate);
	tcase_add_test(tcase, a_client_without);
	tcase_add_test(tcase, files_read_again);
	add_refusals(tcase);
	tcase_add_test(tcase, the_host_keeps_its_errors);
	tcase_add_test(tcase, a_thread_that_stays_on);
	tcase_add_test(tcase, a_forked_child);
	tcase_add_test(tcase, the_private_library);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, token_keys());
	return suite;
}
