/* Connecting and accepting. */
#include "wire/tls_inside.h"

#include "wire/await.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define HANDSHAKE_MS 10000

/* -- the client ------------------------------------------------------------------------------------------------ */
static CK_RV check_files(const struct sr_tls_client_files *files, struct sr_error *err)
{
	if (!files->ca || !files->ca[0])
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"no CA file for a tls: server; set ca = to the certificates that may sign the server's");
	if (!files->name || !files->name[0])
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"no name to look for in the server's certificate");
	if (!files->certificate != !files->key)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"a client's certificate and its key go together; one of them is missing");
	return CKR_OK;
}

/* An IP address is looked for among the certificate's addresses, and not sent as a name. */
static bool expect_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static const char *fault_of_certificate(long result)
{
	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "its certificate is for another name (subjectAltName)";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet; is this machine's clock right?";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "its certificate is from an unknown CA, none of those in the CA file";
	default:
		return X509_verify_cert_error_string(result);
	}
}

static CK_RV refuse_server(const struct sr_tls *tls, const char *name, struct sr_error *err)
{
	const struct sr_error *fault = tls->settings->key ? sr_tls_key_fault(tls->settings->key) : NULL;
	if (fault)
		return sr_tls_key_fail(fault, err);
	long result = SSL_get_verify_result(tls->ssl);
	if (result != X509_V_OK)
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_REFUSED, "the server %.100s is refused: %s",
			name, fault_of_certificate(result));
	if (tls->ended)
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
			"the server %.100s closed the connection before it was secured; is this a port for TLS 1.3?",
			name);
	return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_REFUSED, "no TLS 1.3 with the server %.100s: %.80s",
		name, sr_tls_why());
}

static CK_RV shake_hands(struct sr_tls *tls, const char *name, struct sr_error *err)
{
	int64_t end = sr_await_end(HANDSHAKE_MS);
	while (SSL_connect(tls->ssl) != 1) {
		enum sr_channel_result want = sr_tls_result(tls);
		if (want == SR_CHANNEL_ERROR)
			return refuse_server(tls, name, err);
		if (sr_await_left(end) == 0 ||
			!sr_await(tls->channel.fd, want == SR_CHANNEL_WANT_READ ? POLLIN : POLLOUT, end))
			return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
				"the server %.100s has not answered in %d seconds", name, HANDSHAKE_MS / 1000);
	}
	return CKR_OK;
}

static CK_RV connect_with(
	struct sr_tls_server *settings, const char *name, int fd, struct sr_channel **channel, struct sr_error *err)
{
	struct sr_tls *tls = sr_tls_new(settings, fd);
	if (!tls) {
		close(fd);
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a TLS connection");
	}
	CK_RV rv = CKR_OK;
	if (!expect_name(tls->ssl, name))
		rv = sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"%.100s cannot be the name in a server's certificate", name);
	tls->no_wait = true;
	if (rv == CKR_OK)
		rv = shake_hands(tls, name, err);
	tls->no_wait = false;
	tls->settled = rv == CKR_OK;
	if (rv == CKR_OK)
		*channel = &tls->channel;
	else
		tls->channel.kind->close(&tls->channel, false);
	return rv;
}

static CK_RV use_files(struct sr_tls_server *settings, const struct sr_tls_client_files *files, struct sr_error *err)
{
	SSL_CTX_set_verify(settings->ctx, SSL_VERIFY_PEER, NULL);
	CK_RV rv = sr_tls_trust(settings, files->ca, err);
	if (rv == CKR_OK && files->certificate)
		rv = sr_tls_identity(settings, files->certificate, files->key, err);
	return rv;
}

CK_RV sr_tls_connect(const struct sr_tls_client_files *files, int fd, struct sr_channel **channel, struct sr_error *err)
{
	ERR_set_mark();
	CK_RV rv = check_files(files, err);
	struct sr_tls_server *settings = rv == CKR_OK ? sr_tls_settings_new(err) : NULL;
	if (rv == CKR_OK)
		rv = settings ? use_files(settings, files, err) : CKR_GENERAL_ERROR;
	if (rv == CKR_OK)
		rv = connect_with(settings, files->name, fd, channel, err);
	else
		close(fd);
	if (settings) {
		if (settings->key)
			sr_tls_key_close(settings->key);
		sr_tls_leave(settings);
		sr_tls_settings_drop(settings);
	}
	ERR_pop_to_mark();
	return rv;
}

/* -- the server ------------------------------------------------------------------------------------------------ */
static CK_RV use_server_files(
	struct sr_tls_server *server, const struct sr_tls_server_files *files, struct sr_error *err)
{
	int verify = SSL_VERIFY_PEER | (files->require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	CK_RV rv = sr_tls_identity(server, files->certificate, files->key, err);
	SSL_CTX_set_verify(server->ctx, files->client_ca ? verify : SSL_VERIFY_NONE, NULL);
	if (rv == CKR_OK && files->client_ca)
		rv = sr_tls_trust(server, files->client_ca, err);
	return rv;
}

CK_RV sr_tls_server_new(const struct sr_tls_server_files *files, struct sr_tls_server **server, struct sr_error *err)
{
	if (!files->certificate || !files->key)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"a tls: listener needs a certificate and its key");
	if (sr_tls_key_is_uri(files->key))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"a server's key in a token (pkcs11:) is not supported; name a PEM file");
	if (files->require_client_certificate && !files->client_ca)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"client certificates are required, but no CA file says who signs them");
	ERR_set_mark();
	struct sr_tls_server *made = sr_tls_settings_new(err);
	CK_RV rv = made ? use_server_files(made, files, err) : CKR_GENERAL_ERROR;
	if (made)
		sr_tls_leave(made);
	if (rv == CKR_OK)
		*server = made;
	else
		sr_tls_server_free(made);
	ERR_pop_to_mark();
	return rv;
}

void sr_tls_server_free(struct sr_tls_server *server)
{
	if (server)
		sr_tls_settings_drop(server);
}

bool sr_tls_accept(struct sr_tls_server *server, int fd, struct sr_channel **channel)
{
	ERR_set_mark();
	struct sr_tls *tls = sr_tls_new(server, fd);
	if (tls) {
		SSL_set_accept_state(tls->ssl);
		*channel = &tls->channel;
	} else {
		close(fd);
	}
	ERR_pop_to_mark();
	return tls != NULL;
}

bool sr_tls_is_ready(const struct sr_channel *channel)
{
	return SSL_is_init_finished(((const struct sr_tls *)channel)->ssl);
}

bool sr_tls_peer_certificate(const struct sr_channel *channel, uint8_t sha256[32])
{
	const struct sr_tls *tls = (const struct sr_tls *)channel;
	X509 *certificate = sr_tls_is_ready(channel) ? SSL_get0_peer_certificate(tls->ssl) : NULL;
	unsigned len = 0;
	if (!certificate)
		return false;
	ERR_set_mark();
	bool done = X509_digest(certificate, EVP_sha256(), sha256, &len) == 1 && len == 32;
	ERR_pop_to_mark();
	return done;
}
