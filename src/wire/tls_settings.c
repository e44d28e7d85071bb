/* The settings of one end: our library context, and files as an SSL_CTX.
 *
 * No flag is given to OpenSSL's own initialisation. Where OpenSSL is the host's as well, no-atexit and no-configuration
 * would hold for the host too, and a host whose configuration file brings it to us would wait for itself. What its
 * configuration file says of TLS is undone here where it matters: versions, options, whom to trust. */
#include "wire/tls_inside.h"

#include "util/fork.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECURITY_LEVEL 2 /* 112 bits: no RSA below 2048, no SHA-1 */

/* -- what every end shares ------------------------------------------------------------------------------------- */
/* Global, because a context costs milliseconds, a quarter of a megabyte and keys of the thread library, of which there
 * are few. It goes with the last connection. A forked child makes its own and leaves the inherited one as it is. */
static struct sr_tls_library *current;

static void library_free(struct sr_tls_library *library)
{
	BIO_meth_free(library->socket);
	if (library->token_keys)
		OSSL_PROVIDER_unload(library->token_keys);
	if (library->provider)
		OSSL_PROVIDER_unload(library->provider);
	OSSL_LIB_CTX_free(library->ctx);
	free(library);
}

/* The default provider is named, so that no configuration file of the host decides which one we get. */
static struct sr_tls_library *library_new(void)
{
	struct sr_tls_library *library = calloc(1, sizeof *library);
	if (!library)
		return NULL;
	library->forks = sr_forks();
	library->ctx = OSSL_LIB_CTX_new();
	if (library->ctx)
		library->provider = OSSL_PROVIDER_load(library->ctx, "default");
	if (library->provider)
		library->token_keys = sr_tls_key_provider(library->ctx);
	library->socket = sr_tls_socket();
	if (library->token_keys && library->socket)
		return library;
	library_free(library);
	return NULL;
}

static struct sr_tls_library *library_hold(void)
{
	sr_lock(SR_LOCK_TLS);
	if (!current || current->forks != sr_forks())
		current = library_new();
	struct sr_tls_library *library = current;
	if (library)
		library->refs++;
	sr_unlock(SR_LOCK_TLS);
	return library;
}

static void library_drop(struct sr_tls_library *library)
{
	if (library->forks != sr_forks())
		return;
	sr_lock(SR_LOCK_TLS);
	if (--library->refs == 0) {
		current = NULL;
		library_free(library);
	}
	sr_unlock(SR_LOCK_TLS);
}

void sr_tls_leave(const struct sr_tls_server *settings)
{
	OPENSSL_thread_stop_ex(settings->library->ctx);
}

/* -- settings -------------------------------------------------------------------------------------------------- */
/* A key with a passphrase would be asked for at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf, (void)size, (void)writing;
	if (asked)
		*(bool *)asked = true;
	return -1;
}

static bool restrict_protocol(SSL_CTX *ctx)
{
	SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx));
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
					 SSL_OP_ENABLE_MIDDLEBOX_COMPAT |
					 SSL_OP_CLEANSE_PLAINTEXT); /* its buffers are freed with what was read last */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_max_early_data(ctx, 0) == 1;
}

void sr_tls_settings_drop(struct sr_tls_server *settings)
{
	if (atomic_fetch_sub(&settings->refs, 1) > 1)
		return;
	SSL_CTX_free(settings->ctx);
	sr_tls_key_free(settings->key);
	if (settings->library)
		library_drop(settings->library);
	free(settings);
}

struct sr_tls_server *sr_tls_settings_new(struct sr_error *err)
{
	struct sr_tls_server *settings = calloc(1, sizeof *settings);
	if (settings) {
		atomic_init(&settings->refs, 1);
		settings->library = library_hold();
		if (settings->library)
			settings->ctx = SSL_CTX_new_ex(settings->library->ctx, NULL, TLS_method());
		if (settings->ctx && restrict_protocol(settings->ctx))
			return settings;
		sr_tls_settings_drop(settings);
	}
	sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "OpenSSL could not be set up for TLS: %s", sr_tls_why());
	return NULL;
}

/* -- files ----------------------------------------------------------------------------------------------------- */
const char *sr_tls_why(void)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());
	return why ? why : "no reason given";
}

static CK_RV refuse_file(const char *what, const char *file, struct sr_error *err)
{
	const char *why = access(file, R_OK) < 0 ? strerrordesc_np(errno) : sr_tls_why();
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "%s %.100s cannot be used: %s", what, file,
		why ? why : "unknown error");
}

CK_RV sr_tls_trust(struct sr_tls_server *settings, const char *file, struct sr_error *err)
{
	X509_STORE *store = X509_STORE_new();
	bool loaded = store && X509_STORE_load_file_ex(store, file, settings->library->ctx, NULL) == 1 &&
		      SSL_CTX_set1_verify_cert_store(settings->ctx, store) == 1;
	X509_STORE_free(store);
	return loaded ? CKR_OK : refuse_file("the CA file", file, err);
}

static CK_RV use_token(struct sr_tls_server *settings, const char *uri, struct sr_error *err)
{
	const EVP_PKEY *public = X509_get0_pubkey(SSL_CTX_get0_certificate(settings->ctx));
	if (!public || (!EVP_PKEY_is_a(public, "EC") && !EVP_PKEY_is_a(public, "RSA")))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the client's key: one in a token (pkcs11:) is RSA or EC, and the certificate's is neither");
	CK_RV rv = sr_tls_key_open(uri, EVP_PKEY_is_a(public, "EC") ? CKK_EC : CKK_RSA, &settings->key, err);
	if (rv == CKR_OK && !sr_tls_key_use(settings->key, settings))
		rv = sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the client's key: %s", sr_tls_why());
	return rv;
}

CK_RV sr_tls_identity(struct sr_tls_server *settings, const char *certificate, const char *key, struct sr_error *err)
{
	bool asked = false;
	SSL_CTX_set_default_passwd_cb_userdata(settings->ctx, &asked);
	CK_RV rv = CKR_OK;
	if (SSL_CTX_use_certificate_chain_file(settings->ctx, certificate) != 1)
		rv = refuse_file("the certificate", certificate, err);
	else if (sr_tls_key_is_uri(key))
		rv = use_token(settings, key, err);
	else if (SSL_CTX_use_PrivateKey_file(settings->ctx, key, SSL_FILETYPE_PEM) != 1)
		rv = refuse_file("the key", key, err);
	SSL_CTX_set_default_passwd_cb_userdata(settings->ctx, NULL);
	if (asked)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the key %.100s cannot be used: it has a passphrase, and nobody is there to give it", key);
	return rv;
}
