/* The configuration file: INI, every key known, unknown ones refused (design §7). Used by the thin module, the daemon
 * and the tool. */
#ifndef SR_CONFIG_CONFIG_H
#define SR_CONFIG_CONFIG_H

#include "policy/address.h"
#include "policy/suspicion.h"
#include "util/buf.h"
#include "util/error.h"

#include <stdbool.h>

#define SR_SLOTS_MAX 32
#define SR_LISTENERS_MAX 8
#define SR_IDS_MAX 32
#define SR_PROXIES_MAX 16

/** struct sr_slot_config: one [slot NAME]. At most one of TOKEN_FILE and TOKEN_ENV; WAIT with one of them only. */
struct sr_slot_config {
	char *name;
	char *token_file;
	char *token_env;
	uint64_t wait_s; /* how long C_Login waits for an approval */
	bool offered;    /* not the file's: the token comes with each call, from the application's side */
};

/** struct sr_server: the daemon that a client uses. PATH for SR_SERVER_UNIX; HOST (a name or an address, an IPv6 one
 *  without brackets) and PORT for SR_SERVER_TLS. */
enum sr_server_kind { SR_SERVER_NONE, SR_SERVER_UNIX, SR_SERVER_TLS };
struct sr_server {
	enum sr_server_kind kind;
	char *path;
	char *host;
	uint16_t port;
};

/** struct sr_tls_client: how a client knows its server and is known to it. CA and NAME are there wherever the server is
 *  reached by TLS; CERTIFICATE and KEY both or neither. KEY is a path or a PKCS#11 URI. */
struct sr_tls_client {
	char *ca;
	char *name; /* what the server's certificate must be for: a host name, or an address without brackets */
	char *certificate;
	char *key;
};

/** struct sr_endpoint: an address without brackets, and a port. */
struct sr_endpoint {
	char *host;
	uint16_t port;
};

/** struct sr_ids: user or group numbers; none stands for everybody. */
struct sr_ids {
	size_t count;
	uint32_t ids[SR_IDS_MAX];
};

/** struct sr_metrics: where the daemon tells how it fares: a Unix socket at PATH, or a loopback address; both NULL:
 *  nowhere. */
struct sr_metrics {
	char *path;
	char *host;
	uint16_t port;
};

/** struct sr_listen: where the daemon listens and whom it lets in; what the file left out has its default here.
 *  Where there is a TLS address there are CERTIFICATE and KEY (a path or a PKCS#11 URI). */
struct sr_listen {
	size_t unix_count;
	char *unix_paths[SR_LISTENERS_MAX]; /* at most 107 bytes each */
	unsigned mode;                      /* of the sockets, bits of 0666; 0660 */
	struct sr_ids uids;
	struct sr_ids gids;
	bool unix_is_loopback; /* a Unix peer counts as 127.0.0.1 and ::1 */
	size_t tls_count;
	struct sr_endpoint tls[SR_LISTENERS_MAX];
	char *certificate;
	char *key;
	char *client_ca;
	bool require_client_certificate; /* with CLIENT_CA only */
	size_t proxy_count;
	struct sr_cidr proxies[SR_PROXIES_MAX]; /* peers that a PROXY header is expected from */
	uint32_t max_connections;               /* 4096 */
	uint32_t max_per_peer;                  /* 512 */
	uint32_t max_calls;                     /* in flight; 128 */
	uint64_t idle_s;                        /* 10m */
	uint64_t handshake_s;                   /* 10s */
	char *user;                             /* what the daemon becomes when root started it */
	struct sr_metrics metrics;
	bool log_json;
};

/** struct sr_syslog: where records go besides the database: a Unix datagram socket, or an address and a port. */
struct sr_syslog {
	enum sr_syslog_kind { SR_SYSLOG_NONE, SR_SYSLOG_UNIX, SR_SYSLOG_UDP, SR_SYSLOG_TCP } kind;
	char *path;
	char *host;
	uint16_t port;
};

/* Asks for the PIN of the HSM token with this label; false when nobody answers. */
typedef bool (*sr_pin_prompt)(const char *token_label, struct sr_buf *pin);

/** struct sr_config: what the file said; absent keys are as the table in config/keys.c has it, else NULL, false, 0; and
 *  TLS.NAME, which is the server's host.
 *  [vault]       dir, read-by-listing, heads, custody (resident, wrapped), audit-sync (full, lazy)
 *                separation, max-ttl (DUR, 24h at most), fresh-member (DUR), keep-versions (DUR), grace-reads-old
 *                audit-keep (DUR, 30 d at least)
 *                or server (unix:/PATH, tls:HOST:PORT): then DIR is NULL, and of these only [slot NAME] and
 *                [check] may stand
 *  [tls]         ca, name, certificate, key: of a client, with server = tls:HOST:PORT
 *  [listen]      unix, mode, allow-uid, allow-gid, unix-is-loopback, tls, certificate, key, client-ca,
 *                require-client-certificate, proxy-from, max-connections, max-per-peer, max-calls, idle, handshake,
 *                user, metrics, log (text, json): of the daemon, with dir
 *  [mechanisms]  enable: names of weak mechanisms that are offered all the same, separated by blanks or commas
 *  [hsm]         uri, softhsm-conf
 *  [sinks]       file, syslog (unix:/PATH, udp:ADDRESS:PORT, tcp:ADDRESS:PORT): with dir
 *  [check]       reads, reads-per-actor, denials, denials-per-actor, hours (HH-HH), networks: of the tool
 *  [slot NAME]   token-file, token-env, wait (DUR, 1h at most)
 *  PRIVATE_FILE: the file was readable by its owner alone (so a pin-value in the URI may be used). PROMPT is not the
 *  file's: it asks a person for the HSM's PIN, in the tool and the daemon; NULL in a guest process. EXCLUSIVE is not
 * the file's either: strongroomd opens the vault for itself alone (vault/lock.h). */
struct sr_config {
	char *file;
	char *dir;
	char *hsm_uri;
	char *softhsm_conf;
	char *heads;
	bool read_by_listing;
	bool custody_wrapped;
	bool audit_sync_lazy;
	bool separation;
	uint64_t max_ttl_s;       /* 0, of a config that no file said: 24 h */
	uint64_t fresh_member_s;  /* likewise */
	uint64_t keep_versions_s; /* likewise, 30 d */
	bool grace_reads_old;
	uint64_t audit_keep_s; /* 0: records are removed only when somebody says which */
	char *mechanisms;
	bool private_file;
	sr_pin_prompt prompt;
	bool exclusive;
	struct sr_server server;
	struct sr_tls_client tls;
	struct sr_listen listen;
	struct sr_check check;
	char *sink_file;
	struct sr_syslog syslog;
	size_t slot_count;
	struct sr_slot_config slots[SR_SLOTS_MAX];
};

/** sr_config_find(path): the file to read: $STRONGROOM_CONF unless the process is privileged (secure_getenv), else
 *  $XDG_CONFIG_HOME/strongroom/strongroom.conf (or ~/.config/…), else SYSCONFDIR/strongroom/strongroom.conf; the first
 *  that exists. False where none does: that is "not configured". A STRONGROOM_CONF that names no file is still found
 *  (and then fails to load). PATH is malloc'ed. */
bool sr_config_find(char **path);

/** sr_config_load(path, config, err): CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG and a line that names file, line number,
 *  key and cure. Size at most 64 KiB, paths absolute, names by sr_name_valid's rule. CONFIG is empty on failure. */
CK_RV sr_config_load(const char *path, struct sr_config *config, struct sr_error *err);

/** sr_config_parse(text, len, config, err): the same over a text in memory (file name "configuration"). */
CK_RV sr_config_parse(const char *text, size_t len, struct sr_config *config, struct sr_error *err);

/** sr_config_add_listener(config, text, err): one more listener, written as the daemon's --listen is: unix:/PATH or
 *  tls:ADDRESS:PORT, by the rules of [listen]. CONFIG stays as it was on failure. */
CK_RV sr_config_add_listener(struct sr_config *config, const char *text, struct sr_error *err);

/** sr_config_copy(to, from): the whole of it, texts and all. False when there is no memory; what was copied is for
 *  sr_config_clear all the same. */
bool sr_config_copy(struct sr_config *to, const struct sr_config *from);

void sr_config_clear(struct sr_config *config);

#endif
