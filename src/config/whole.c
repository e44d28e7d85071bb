/* Which keys go together, and what the file leaves out. */
#include "config/whole.h"

#include "config/parse.h"

#include <string.h>

/* A file that was read. */
struct whole {
	struct sr_config *config;
	const unsigned *lines;
	struct sr_error *err;
};

static unsigned line_of(const struct whole *whole, enum sr_section section, const char *name)
{
	return whole->lines[sr_key_find(section, name)];
}

static CK_RV refuse(const struct whole *whole, unsigned line, const char *name, const char *why)
{
	return sr_fail(whole->err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "%s:%u: %s: %s",
		sr_config_shown(whole->config), line, name, why);
}

/* The first key of SECTION that was given, SR_KEY_COUNT where there is none. */
static size_t first_given(const struct whole *whole, enum sr_section section)
{
	size_t i = 0;
	while (i < SR_KEY_COUNT && (sr_keys[i].section != section || whole->lines[i] == 0))
		i++;
	return i;
}

static CK_RV refuse_section(const struct whole *whole, enum sr_section section, const char *why)
{
	size_t i = first_given(whole, section);
	return i == SR_KEY_COUNT ? CKR_OK : refuse(whole, whole->lines[i], sr_keys[i].name, why);
}

static CK_RV refuse_given(const struct whole *whole, enum sr_section section, const char *name, const char *why)
{
	unsigned line = line_of(whole, section, name);
	return line ? refuse(whole, line, name, why) : CKR_OK;
}

/* -- slots ------------------------------------------------------------------------------------------------------ */
static CK_RV refuse_slot(const struct whole *whole, const struct sr_slot_config *slot, const char *why)
{
	return sr_fail(whole->err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "%s: [slot %s]: %s",
		sr_config_shown(whole->config), slot->name, why);
}

static CK_RV check_slots(const struct whole *whole)
{
	for (size_t i = 0; i < whole->config->slot_count; i++) {
		const struct sr_slot_config *slot = &whole->config->slots[i];
		if (slot->token_file && slot->token_env)
			return refuse_slot(whole, slot, "token-file and token-env exclude each other; remove one");
		if (slot->wait_s && !slot->token_file && !slot->token_env)
			return refuse_slot(whole, slot, "wait goes with token-file or token-env; add one");
	}
	return CKR_OK;
}

/* -- a client --------------------------------------------------------------------------------------------------- */
/* What the vault is like is for the daemon to say, to all its clients. A key that says the default is one too many all
 * the same: who wrote it believed that it does something. */
static CK_RV check_server(const struct whole *whole)
{
	static const char why[] = "belongs to the server's own file, not beside server =; remove it here";
	if (whole->config->server.kind == SR_SERVER_NONE)
		return CKR_OK;
	if (whole->config->dir)
		return refuse(whole, line_of(whole, SR_SECTION_VAULT, "server"), "server",
			"server and dir exclude each other; remove one");
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		bool theirs = sr_keys[i].kind != SR_VALUE_SERVER && sr_keys[i].section != SR_SECTION_TLS &&
			      sr_keys[i].section != SR_SECTION_CHECK && sr_keys[i].section != SR_SECTION_SLOT;
		if (theirs && whole->lines[i])
			return refuse(whole, whole->lines[i], sr_keys[i].name, why);
	}
	return CKR_OK;
}

static CK_RV check_tls(const struct whole *whole)
{
	struct sr_config *config = whole->config;
	if (config->server.kind != SR_SERVER_TLS)
		return refuse_section(
			whole, SR_SECTION_TLS, "goes with server = tls:HOST:PORT under [vault]; remove it");
	if (!config->tls.ca)
		return refuse(whole, line_of(whole, SR_SECTION_VAULT, "server"), "server",
			"tls: needs ca = /path/to/ca.pem under [tls]; add it");
	if (!config->tls.key)
		return refuse_given(whole, SR_SECTION_TLS, "certificate", "goes with key = /path/to/key.pem; add it");
	if (!config->tls.certificate)
		return refuse_given(whole, SR_SECTION_TLS, "key", "goes with certificate = /path/to/cert.pem; add it");
	return CKR_OK;
}

/* What is not said is filled in: a name that nobody looked at would be no name checked. */
static CK_RV name_server(const struct whole *whole)
{
	struct sr_config *config = whole->config;
	if (config->server.kind != SR_SERVER_TLS || config->tls.name)
		return CKR_OK;
	config->tls.name = strdup(config->server.host);
	return config->tls.name ? CKR_OK : sr_fail(whole->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
}

/* -- the daemon ------------------------------------------------------------------------------------------------- */
void sr_config_defaults(struct sr_config *config)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		if (sr_keys[i].fallback) /* its fault would be the table's: a test looks at each */
			sr_value_take(sr_keys[i].kind, sr_keys[i].fallback, (char *)config + sr_keys[i].offset);
	}
}

static CK_RV check_no_tls_sockets(const struct whole *whole)
{
	static const char why[] = "goes with tls = ADDRESS:PORT under [listen]; add that, or remove this";
	static const char *const names[] = { "certificate", "key", "client-ca" };
	CK_RV rv = CKR_OK;
	for (size_t i = 0; i < sizeof names / sizeof names[0] && rv == CKR_OK; i++)
		rv = refuse_given(whole, SR_SECTION_LISTEN, names[i], why);
	return rv;
}

static CK_RV check_listen(const struct whole *whole)
{
	const struct sr_config *config = whole->config;
	const struct sr_listen *listen = &config->listen;
	CK_RV rv = CKR_OK;
	if (!config->dir)
		return refuse_section(
			whole, SR_SECTION_LISTEN, "goes with dir = /path/to/vault under [vault]; add that");
	if (listen->tls_count && !(listen->certificate && listen->key))
		return refuse_given(whole, SR_SECTION_LISTEN, "tls",
			"needs certificate = /path/to/chain.pem and key = /path/to/key.pem; add both");
	if (!listen->tls_count)
		rv = check_no_tls_sockets(whole);
	if (rv == CKR_OK && listen->key && listen->key[0] != '/')
		rv = refuse_given(whole, SR_SECTION_LISTEN, "key",
			"a server's key cannot be in a token (a client's can); name a PEM file");
	if (rv == CKR_OK && listen->require_client_certificate && !listen->client_ca)
		rv = refuse_given(whole, SR_SECTION_LISTEN, "require-client-certificate",
			"needs client-ca = /path/to/ca.pem; add it");
	return rv;
}

/* -- all -------------------------------------------------------------------------------------------------------- */
static CK_RV check_vault_named(const struct whole *whole)
{
	static const enum sr_section of_a_vault[] = { SR_SECTION_VAULT, SR_SECTION_MECHANISMS, SR_SECTION_HSM,
		SR_SECTION_SINKS };
	const struct sr_config *config = whole->config;
	bool something = config->slot_count > 0;
	for (size_t i = 0; i < sizeof of_a_vault / sizeof of_a_vault[0]; i++)
		something = something || first_given(whole, of_a_vault[i]) < SR_KEY_COUNT;
	if (!config->dir && config->server.kind == SR_SERVER_NONE && something)
		return sr_config_refuse(config, whole->err, "says no vault; add dir = /path/to/vault under [vault]");
	return CKR_OK;
}

CK_RV sr_config_check_whole(struct sr_config *config, const unsigned lines[SR_KEY_COUNT], struct sr_error *err)
{
	static CK_RV (*const checks[])(const struct whole *) = { check_slots, check_vault_named, check_server,
		check_tls, check_listen, name_server };
	struct whole whole = { .config = config, .lines = lines, .err = err };
	CK_RV rv = CKR_OK;
	for (size_t i = 0; i < sizeof checks / sizeof checks[0] && rv == CKR_OK; i++)
		rv = checks[i](&whole);
	return rv;
}
