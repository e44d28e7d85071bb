/* The keys, section by section. */
#include "config/keys.h"

#include <string.h>

const char *const sr_section_names[SR_SECTION_COUNT] = {
	[SR_SECTION_NONE] = "",
	[SR_SECTION_VAULT] = "vault",
	[SR_SECTION_MECHANISMS] = "mechanisms",
	[SR_SECTION_HSM] = "hsm",
	[SR_SECTION_TLS] = "tls",
	[SR_SECTION_LISTEN] = "listen",
	[SR_SECTION_SINKS] = "sinks",
	[SR_SECTION_CHECK] = "check",
	[SR_SECTION_SLOT] = "slot NAME",
};

#define KEY(section, name, kind, field)                                                        \
	{                                                                                      \
		SR_SECTION_##section, name, SR_VALUE_##kind, offsetof(struct sr_config, field) \
	}
#define SLOT(name, kind, field)                                                                \
	{                                                                                      \
		SR_SECTION_SLOT, name, SR_VALUE_##kind, offsetof(struct sr_slot_config, field) \
	}

const struct sr_key sr_keys[] = {
	KEY(VAULT, "dir", PATH, dir),
	KEY(VAULT, "server", SERVER, server),
	KEY(VAULT, "heads", PATH, heads),
	KEY(VAULT, "read-by-listing", FLAG, read_by_listing),
	KEY(VAULT, "custody", CUSTODY, custody_wrapped),
	KEY(VAULT, "audit-sync", SYNC, audit_sync_lazy),
	KEY(VAULT, "separation", FLAG, separation),
	KEY(VAULT, "max-ttl", A_DAY, max_ttl_s),
	KEY(VAULT, "fresh-member", A_DAY, fresh_member_s),
	KEY(VAULT, "keep-versions", TEN_YEARS, keep_versions_s),
	KEY(VAULT, "grace-reads-old", FLAG, grace_reads_old),
	KEY(VAULT, "audit-keep", A_MONTH, audit_keep_s),
	KEY(MECHANISMS, "enable", MECHANISMS, mechanisms),
	KEY(HSM, "uri", URI, hsm_uri),
	KEY(HSM, "softhsm-conf", PATH, softhsm_conf),
	KEY(TLS, "ca", PATH, tls.ca),
	KEY(TLS, "name", HOST, tls.name),
	KEY(TLS, "certificate", PATH, tls.certificate),
	KEY(TLS, "key", KEY, tls.key),
	KEY(LISTEN, "unix", UNIX_SOCKETS, listen),
	KEY(LISTEN, "mode", MODE, listen.mode),
	KEY(LISTEN, "allow-uid", USERS, listen.uids),
	KEY(LISTEN, "allow-gid", GROUPS, listen.gids),
	KEY(LISTEN, "unix-is-loopback", FLAG, listen.unix_is_loopback),
	KEY(LISTEN, "tls", TLS_SOCKETS, listen),
	KEY(LISTEN, "certificate", PATH, listen.certificate),
	KEY(LISTEN, "key", KEY, listen.key),
	KEY(LISTEN, "client-ca", PATH, listen.client_ca),
	KEY(LISTEN, "require-client-certificate", FLAG, listen.require_client_certificate),
	KEY(LISTEN, "proxy-from", PROXIES, listen),
	KEY(LISTEN, "max-connections", COUNT, listen.max_connections),
	KEY(LISTEN, "max-per-peer", COUNT, listen.max_per_peer),
	KEY(LISTEN, "max-calls", CALLS, listen.max_calls),
	KEY(LISTEN, "idle", A_DAY, listen.idle_s),
	KEY(LISTEN, "handshake", A_MINUTE, listen.handshake_s),
	KEY(LISTEN, "user", USER, listen.user),
	KEY(LISTEN, "metrics", METRICS, listen.metrics),
	KEY(LISTEN, "log", LOG, listen.log_json),
	KEY(SINKS, "file", PATH, sink_file),
	KEY(SINKS, "syslog", SYSLOG, syslog),
	KEY(CHECK, "reads", MANY, check.reads),
	KEY(CHECK, "reads-per-actor", MANY, check.actor_reads),
	KEY(CHECK, "denials", MANY, check.denials),
	KEY(CHECK, "denials-per-actor", MANY, check.actor_denials),
	KEY(CHECK, "hours", HOURS, check),
	KEY(CHECK, "networks", NETWORKS, check),
	SLOT("token-file", PATH, token_file),
	SLOT("token-env", ENVIRONMENT, token_env),
	SLOT("wait", AN_HOUR, wait_s),
};

_Static_assert(sizeof sr_keys / sizeof sr_keys[0] == SR_KEY_COUNT, "SR_KEY_COUNT says how many keys there are");

size_t sr_key_find(enum sr_section section, const char *name)
{
	size_t i = 0;
	while (i < SR_KEY_COUNT && (sr_keys[i].section != section || strcmp(sr_keys[i].name, name) != 0))
		i++;
	return i;
}
