/* The keys, section by section. */
#include "config/keys.h"

#include "util/nearest.h"

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

#define KEY(section, name, kind, field, fallback)                                                        \
	{                                                                                                \
		SR_SECTION_##section, name, SR_VALUE_##kind, offsetof(struct sr_config, field), fallback \
	}
#define SLOT(name, kind, field)                                                                      \
	{                                                                                            \
		SR_SECTION_SLOT, name, SR_VALUE_##kind, offsetof(struct sr_slot_config, field), NULL \
	}

const struct sr_key sr_keys[] = {
	KEY(VAULT, "dir", PATH, dir, NULL),
	KEY(VAULT, "server", SERVER, server, NULL),
	KEY(VAULT, "heads", PATH, heads, NULL),
	KEY(VAULT, "read-by-listing", FLAG, read_by_listing, "no"),
	KEY(VAULT, "custody", CUSTODY, custody_wrapped, "resident"),
	KEY(VAULT, "audit-sync", SYNC, audit_sync_lazy, "full"),
	KEY(VAULT, "separation", FLAG, separation, "no"),
	KEY(VAULT, "max-ttl", A_DAY, max_ttl_s, "24h"),
	KEY(VAULT, "fresh-member", A_DAY, fresh_member_s, "24h"),
	KEY(VAULT, "keep-versions", TEN_YEARS, keep_versions_s, "30d"),
	KEY(VAULT, "grace-reads-old", FLAG, grace_reads_old, "no"),
	KEY(VAULT, "audit-keep", A_MONTH, audit_keep_s, NULL),
	KEY(MECHANISMS, "enable", MECHANISMS, mechanisms, NULL),
	KEY(HSM, "uri", URI, hsm_uri, NULL),
	KEY(HSM, "softhsm-conf", PATH, softhsm_conf, NULL),
	KEY(TLS, "ca", PATH, tls.ca, NULL),
	KEY(TLS, "name", HOST, tls.name, NULL),
	KEY(TLS, "certificate", PATH, tls.certificate, NULL),
	KEY(TLS, "key", KEY, tls.key, NULL),
	KEY(LISTEN, "unix", UNIX_SOCKETS, listen, NULL),
	KEY(LISTEN, "mode", MODE, listen.mode, "0660"),
	KEY(LISTEN, "allow-uid", USERS, listen.uids, NULL),
	KEY(LISTEN, "allow-gid", GROUPS, listen.gids, NULL),
	KEY(LISTEN, "unix-is-loopback", FLAG, listen.unix_is_loopback, "no"),
	KEY(LISTEN, "tls", TLS_SOCKETS, listen, NULL),
	KEY(LISTEN, "certificate", PATH, listen.certificate, NULL),
	KEY(LISTEN, "key", KEY, listen.key, NULL),
	KEY(LISTEN, "client-ca", PATH, listen.client_ca, NULL),
	KEY(LISTEN, "require-client-certificate", FLAG, listen.require_client_certificate, "no"),
	KEY(LISTEN, "proxy-from", PROXIES, listen, NULL),
	KEY(LISTEN, "max-connections", COUNT, listen.max_connections, "4096"),
	KEY(LISTEN, "max-per-peer", COUNT, listen.max_per_peer, "512"),
	KEY(LISTEN, "max-calls", CALLS, listen.max_calls, "128"),
	KEY(LISTEN, "idle", A_DAY, listen.idle_s, "10m"),
	KEY(LISTEN, "handshake", A_MINUTE, listen.handshake_s, "10s"),
	KEY(LISTEN, "user", USER, listen.user, NULL),
	KEY(LISTEN, "metrics", METRICS, listen.metrics, NULL),
	KEY(LISTEN, "log", LOG, listen.log_json, "text"),
	KEY(SINKS, "file", PATH, sink_file, NULL),
	KEY(SINKS, "syslog", SYSLOG, syslog, NULL),
	KEY(CHECK, "reads", MANY, check.reads, "500"),
	KEY(CHECK, "reads-per-actor", MANY, check.actor_reads, "500"),
	KEY(CHECK, "denials", MANY, check.denials, "10"),
	KEY(CHECK, "denials-per-actor", MANY, check.actor_denials, "10"),
	KEY(CHECK, "hours", HOURS, check, "09-18"),
	KEY(CHECK, "networks", NETWORKS, check, NULL),
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

size_t sr_key_elsewhere(const char *name)
{
	size_t i = 0;
	while (i < SR_KEY_COUNT && strcmp(sr_keys[i].name, name) != 0)
		i++;
	return i;
}

size_t sr_key_nearest(enum sr_section section, const char *name)
{
	size_t nearest = SR_KEY_COUNT;
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		if (sr_keys[i].section != section || !sr_nearest_is_slip(name, sr_keys[i].name))
			continue;
		if (nearest == SR_KEY_COUNT ||
			sr_nearest_slips(name, sr_keys[i].name) < sr_nearest_slips(name, sr_keys[nearest].name))
			nearest = i;
	}
	return nearest;
}
