/* The configuration: what is taken is within its bounds and, written out again, is taken as the same; what is refused
 * is refused with a line and leaves nothing behind. */
#include "tests/fuzz/fuzz.h"

#include "config/config.h"
#include "policy/tier.h"
#include "util/buf.h"

/* A long value is cut between two characters that are not blank; where blanks leave few such places, another place on
 * the line may leave none, and the text written out may be refused. BLANKS says so. */
static bool blanks;

static void write_key(struct sr_buf *text, const char *key, const char *value)
{
	if (!value)
		return;
	sr_buf_printf(text, "%s = %s\n", key, value);
	blanks = blanks || (strlen(value) > 150 && strpbrk(value, " \t"));
}

static void write_number(struct sr_buf *text, const char *key, uint64_t number, const char *unit)
{
	sr_buf_printf(text, "%s = %llu%s\n", key, (unsigned long long)number, unit);
}

static void write_server(struct sr_buf *text, const struct sr_config *config)
{
	const struct sr_server *server = &config->server;
	bool brackets = server->host && strchr(server->host, ':');
	if (server->kind == SR_SERVER_UNIX)
		sr_buf_printf(text, "server = unix:%s\n", server->path);
	if (server->kind == SR_SERVER_TLS)
		sr_buf_printf(text, brackets ? "server = tls:[%s]:%u\n" : "server = tls:%s:%u\n", server->host,
			(unsigned)server->port);
	sr_buf_text(text, "[tls]\n");
	write_key(text, "ca", config->tls.ca);
	write_key(text, "name", config->tls.name);
	write_key(text, "certificate", config->tls.certificate);
	write_key(text, "key", config->tls.key);
}

static void write_endpoint(struct sr_buf *text, const char *host, uint16_t port)
{
	sr_buf_printf(text, strchr(host, ':') ? " [%s]:%u" : " %s:%u", host, (unsigned)port);
}

static void write_ids(struct sr_buf *text, const char *key, const struct sr_ids *ids)
{
	if (ids->count)
		sr_buf_printf(text, "%s =", key);
	for (size_t i = 0; i < ids->count; i++)
		sr_buf_printf(text, " %u", (unsigned)ids->ids[i]);
	sr_buf_text(text, "\n");
	blanks = blanks || ids->count > 12;
}

static void write_lists(struct sr_buf *text, const struct sr_listen *listen)
{
	char range[SR_ADDRESS_TEXT_MAX];
	sr_buf_text(text, listen->unix_count ? "unix =" : "");
	for (size_t i = 0; i < listen->unix_count; i++)
		sr_buf_printf(text, " %s", listen->unix_paths[i]);
	sr_buf_text(text, listen->tls_count ? "\ntls =" : "\n");
	for (size_t i = 0; i < listen->tls_count; i++)
		write_endpoint(text, listen->tls[i].host, listen->tls[i].port);
	sr_buf_text(text, listen->proxy_count ? "\nproxy-from =" : "\n");
	for (size_t i = 0; i < listen->proxy_count; i++) {
		sr_cidr_text(&listen->proxies[i], range);
		sr_buf_printf(text, " %s", range);
	}
	sr_buf_text(text, "\n");
	blanks = blanks || listen->unix_count > 1 || listen->tls_count > 3 || listen->proxy_count > 3;
}

static void write_listen(struct sr_buf *text, const struct sr_listen *listen)
{
	sr_buf_text(text, "[listen]\n");
	write_lists(text, listen);
	sr_buf_printf(text, "mode = %04o\n", listen->mode);
	write_ids(text, "allow-uid", &listen->uids);
	write_ids(text, "allow-gid", &listen->gids);
	write_key(text, "unix-is-loopback", listen->unix_is_loopback ? "yes" : NULL);
	write_key(text, "certificate", listen->certificate);
	write_key(text, "key", listen->key);
	write_key(text, "client-ca", listen->client_ca);
	write_key(text, "require-client-certificate", listen->require_client_certificate ? "yes" : NULL);
	write_number(text, "max-connections", listen->max_connections, "");
	write_number(text, "max-per-peer", listen->max_per_peer, "");
	write_number(text, "max-calls", listen->max_calls, "");
	write_number(text, "idle", listen->idle_s, "s");
	write_number(text, "handshake", listen->handshake_s, "s");
	write_key(text, "user", listen->user);
	if (listen->metrics.path)
		sr_buf_printf(text, "metrics = unix:%s", listen->metrics.path);
	if (listen->metrics.host) {
		sr_buf_text(text, "metrics =");
		write_endpoint(text, listen->metrics.host, listen->metrics.port);
	}
	write_key(text, "\nlog", listen->log_json ? "json" : "text");
}

static void write_config(struct sr_buf *text, const struct sr_config *config)
{
	sr_buf_text(text, "[vault]\n");
	write_key(text, "dir", config->dir);
	write_key(text, "heads", config->heads);
	write_key(text, "read-by-listing", config->read_by_listing ? "yes" : NULL);
	write_key(text, "custody", config->custody_wrapped ? "wrapped" : NULL);
	write_key(text, "audit-sync", config->audit_sync_lazy ? "lazy" : NULL);
	write_server(text, config);
	if (config->dir)
		write_listen(text, &config->listen);
	sr_buf_text(text, "[mechanisms]\n");
	write_key(text, "enable", config->mechanisms);
	sr_buf_text(text, "[hsm]\n");
	write_key(text, "uri", config->hsm_uri);
	write_key(text, "softhsm-conf", config->softhsm_conf);
	for (size_t i = 0; i < config->slot_count; i++) {
		sr_buf_printf(text, "[slot %s]\n", config->slots[i].name);
		write_key(text, "token-file", config->slots[i].token_file);
		write_key(text, "token-env", config->slots[i].token_env);
	}
}

static void check_path(const char *path)
{
	must(!path || (path[0] == '/' && strlen(path) <= 4095));
}

static void check_listen(const struct sr_listen *listen)
{
	must(listen->unix_count <= SR_LISTENERS_MAX && listen->tls_count <= SR_LISTENERS_MAX);
	must(listen->uids.count <= SR_IDS_MAX && listen->gids.count <= SR_IDS_MAX);
	must(listen->proxy_count <= SR_PROXIES_MAX);
	for (size_t i = 0; i < listen->unix_count; i++)
		must(listen->unix_paths[i][0] == '/' && strlen(listen->unix_paths[i]) <= 107);
	for (size_t i = 0; i < listen->tls_count; i++) {
		struct sr_address address;
		must(sr_address_parse(listen->tls[i].host, strlen(listen->tls[i].host), &address));
		must(listen->tls[i].port != 0);
	}
	must(listen->mode != 0 && (listen->mode & ~0666u) == 0);
	must(listen->max_connections - 1 < 65535 && listen->max_per_peer - 1 < 65535 && listen->max_calls - 1 < 1024);
	must(listen->idle_s - 1 < 86400 && listen->handshake_s - 1 < 60);
	must((listen->tls_count != 0) == (listen->certificate != NULL));
	must(!listen->certificate == !listen->key);
	must(listen->client_ca || !listen->require_client_certificate);
	must(!listen->metrics.path || !listen->metrics.host);
}

static void check_server(const struct sr_config *config)
{
	const struct sr_server *server = &config->server;
	must((server->kind == SR_SERVER_UNIX) == (server->path != NULL));
	must((server->kind == SR_SERVER_TLS) == (server->host != NULL));
	must((server->kind == SR_SERVER_TLS) == (server->port != 0));
	must((server->kind == SR_SERVER_TLS) == (config->tls.ca != NULL));
	must((server->kind == SR_SERVER_TLS) == (config->tls.name != NULL));
	must(!config->tls.certificate == !config->tls.key);
	must(server->kind == SR_SERVER_NONE || !config->dir);
}

static void check_bounds(const struct sr_config *config)
{
	check_path(config->dir);
	check_path(config->heads);
	check_path(config->softhsm_conf);
	must(!config->hsm_uri || strncmp(config->hsm_uri, "pkcs11:", 7) == 0);
	must(config->slot_count <= SR_SLOTS_MAX);
	for (size_t i = 0; i < config->slot_count; i++) {
		must(sr_name_valid(config->slots[i].name, strlen(config->slots[i].name)));
		check_path(config->slots[i].token_file);
		must(!config->slots[i].token_file || !config->slots[i].token_env);
	}
	check_listen(&config->listen);
	check_server(config);
	must(config->dir || config->server.kind != SR_SERVER_NONE || !config->slot_count);
	must(config->dir || !config->mechanisms);
}

/* A copy is written as what it is a copy of, and outlives it. */
static void check_copy(struct sr_config *config)
{
	struct sr_config copy;
	struct sr_buf first = SR_BUF_INIT, second = SR_BUF_INIT;
	must(sr_config_copy(&copy, config));
	write_config(&first, config);
	sr_config_clear(config);
	write_config(&second, &copy);
	must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	sr_config_clear(&copy);
	sr_buf_clear(&first);
	sr_buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sr_config empty;
	struct sr_config config, again;
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf first = SR_BUF_INIT, second = SR_BUF_INIT;

	if (sr_config_parse((const char *)data, size, &config, &err) != CKR_OK) {
		must(err.rv != CKR_OK && err.text[0]);
		must(memcmp(&config, &empty, sizeof empty) == 0);
		return 0;
	}
	blanks = false;
	check_bounds(&config);
	write_config(&first, &config);
	CK_RV rv = sr_config_parse(sr_buf_string(&first), first.len, &again, &err);
	must(rv == CKR_OK || blanks || first.len > (64 << 10));
	write_config(&second, &again);
	must(rv != CKR_OK || (first.len == second.len && memcmp(first.data, second.data, first.len) == 0));
	sr_config_clear(&again);
	check_copy(&config);
	sr_config_clear(&config);
	sr_buf_clear(&first);
	sr_buf_clear(&second);
	return 0;
}
