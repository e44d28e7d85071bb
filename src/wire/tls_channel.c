/* A TLS connection as a channel. */
#include "wire/tls_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- the socket below ------------------------------------------------------------------------------------------ */
static int socket_flags(const struct sr_tls *tls)
{
	return MSG_NOSIGNAL | (tls->no_wait ? MSG_DONTWAIT : 0);
}

static int socket_read(BIO *bio, char *to, int len)
{
	struct sr_tls *tls = BIO_get_data(bio);
	ssize_t got;
	BIO_clear_retry_flags(bio);
	do {
		got = recv(tls->channel.fd, to, (size_t)len, socket_flags(tls));
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	else if (got <= 0)
		tls->ended = true;
	return (int)got;
}

static int socket_write(BIO *bio, const char *from, int len)
{
	struct sr_tls *tls = BIO_get_data(bio);
	ssize_t sent;
	BIO_clear_retry_flags(bio);
	do {
		sent = send(tls->channel.fd, from, (size_t)len, socket_flags(tls));
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	else if (sent < 0)
		tls->ended = true;
	return (int)sent;
}

static long socket_ctrl(BIO *bio, int what, long number, void *data)
{
	const struct sr_tls *tls = BIO_get_data(bio);
	(void)number, (void)data;
	if (what == BIO_CTRL_EOF)
		return tls->ended;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *sr_tls_socket(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "strongroom socket");
	if (method && BIO_meth_set_read(method, socket_read) == 1 && BIO_meth_set_write(method, socket_write) == 1 &&
		BIO_meth_set_ctrl(method, socket_ctrl) == 1)
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* -- the channel above ----------------------------------------------------------------------------------------- */
/* A program calls us from its exit handlers too, when OpenSSL may have gone. */
static bool begin(struct sr_tls *tls)
{
	if (tls->failed || OPENSSL_init_crypto(0, NULL) != 1)
		return false;
	ERR_set_mark();
	BIO_clear_retry_flags(SSL_get_rbio(tls->ssl));
	return true;
}

static void end(struct sr_tls *tls)
{
	ERR_pop_to_mark();
	if (tls->settled)
		return;
	sr_tls_leave(tls->settings);
	tls->settled = SSL_is_init_finished(tls->ssl);
}

/* Not SSL_get_error: it takes what the host application left in the error queue for an error of this connection. */
enum sr_channel_result sr_tls_result(const struct sr_tls *tls)
{
	BIO *bio = SSL_get_rbio(tls->ssl);
	if (!tls->failed && SSL_want_read(tls->ssl) && BIO_should_read(bio))
		return SR_CHANNEL_WANT_READ;
	if (!tls->failed && SSL_want_write(tls->ssl) && BIO_should_write(bio))
		return SR_CHANNEL_WANT_WRITE;
	return SR_CHANNEL_ERROR;
}

static ssize_t stopped(struct sr_tls *tls)
{
	enum sr_channel_result result = sr_tls_result(tls);
	if (result == SR_CHANNEL_ERROR)
		tls->failed = true;
	return result;
}

/* The end is the peer's word for it. A socket that just ends may have been cut by anybody. */
static bool has_said_goodbye(const struct sr_tls *tls)
{
	return !tls->failed && (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN);
}

static ssize_t tls_read(struct sr_channel *channel, void *to, size_t len)
{
	struct sr_tls *tls = (struct sr_tls *)channel;
	size_t got;
	ssize_t result;
	if (!begin(tls))
		return SR_CHANNEL_ERROR;
	if (SSL_read_ex(tls->ssl, to, len, &got) == 1)
		result = (ssize_t)got;
	else
		result = has_said_goodbye(tls) ? 0 : stopped(tls);
	end(tls);
	return result;
}

static ssize_t tls_write(struct sr_channel *channel, const void *from, size_t len)
{
	struct sr_tls *tls = (struct sr_tls *)channel;
	size_t sent;
	if (!begin(tls))
		return SR_CHANNEL_ERROR;
	ssize_t result = SSL_write_ex(tls->ssl, from, len, &sent) == 1 ? (ssize_t)sent : stopped(tls);
	end(tls);
	return result;
}

/* Not SSL_has_pending, which also counts a record of which the rest is still to come: poll tells of that. Nothing
 * behind the current record is ever taken off the socket. */
static bool tls_buffered(const struct sr_channel *channel)
{
	return SSL_pending(((const struct sr_tls *)channel)->ssl) > 0;
}

static void say_goodbye(struct sr_tls *tls)
{
	tls->no_wait = true;
	if (SSL_is_init_finished(tls->ssl))
		SSL_shutdown(tls->ssl);
}

/* What is shared is the parent's: one of its threads may have been inside at the fork, so it is left as it is. */
static void tls_close(struct sr_channel *channel, bool shared)
{
	struct sr_tls *tls = (struct sr_tls *)channel;
	if (!shared && OPENSSL_init_crypto(0, NULL) == 1) {
		ERR_set_mark();
		if (!tls->failed)
			say_goodbye(tls);
		SSL_free(tls->ssl);
		sr_tls_settings_drop(tls->settings);
		ERR_pop_to_mark();
	}
	close(channel->fd);
	free(tls);
}

/* The peer breaks off. libssl keeps that apart from a goodbye only in the error queue. */
static void note_alert(const SSL *ssl, int where, int alert)
{
	struct sr_tls *tls = SSL_get_app_data(ssl);
	int what = alert & 0xff;
	if (where == SSL_CB_READ_ALERT && what != SSL_AD_CLOSE_NOTIFY && what != SSL_AD_USER_CANCELLED)
		tls->failed = true;
}

static bool attach(struct sr_tls *tls)
{
	BIO *bio = BIO_new(tls->settings->library->socket);
	tls->ssl = SSL_new(tls->settings->ctx);
	if (!bio || !tls->ssl) {
		BIO_free(bio);
		SSL_free(tls->ssl);
		return false;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_info_callback(tls->ssl, note_alert);
	return true;
}

struct sr_tls *sr_tls_new(struct sr_tls_server *settings, int fd)
{
	static const struct sr_channel_kind kind = { tls_read, tls_write, tls_buffered, tls_close };
	struct sr_tls *tls = calloc(1, sizeof *tls);
	if (!tls)
		return NULL;
	tls->channel = (struct sr_channel){ &kind, fd };
	tls->settings = settings;
	if (!attach(tls)) {
		free(tls);
		return NULL;
	}
	atomic_fetch_add(&settings->refs, 1);
	return tls;
}
