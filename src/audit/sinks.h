/* Where records go besides the database: a file, a syslog (docs/audit.md, Sinks). Each is told after the commit, never
 * before, in order, from the last record on that it took, and waits for nobody: a sink that is stuck falls behind, says
 * so, and catches up. */
#ifndef SR_AUDIT_SINKS_H
#define SR_AUDIT_SINKS_H

#include "config/config.h"
#include "store/store.h"
#include "util/buf.h"

#define SR_SINKS_MAX 2
#define SR_SINK_AT_ONCE 256 /* records that one push gives to a sink */

/** struct sr_sinks_config: DIR is the vault's, where the positions are kept. FILE and a syslog (PATH of a Unix datagram
 *  socket, or HOST, an address, and PORT) may each be absent. */
struct sr_sinks_config {
	const char *dir;
	const char *file;
	enum sr_syslog_kind syslog;
	const char *path;
	const char *host;
	uint16_t port;
};

struct sr_sinks;

/** sr_sinks_open(config, newest, sinks, err): opens nothing yet. A file begins with record 1, a syslog that was never
 *  told anything behind record NEWEST. SINKS is NULL where none is configured. */
CK_RV sr_sinks_open(
	const struct sr_sinks_config *config, uint64_t newest, struct sr_sinks **sinks, struct sr_error *err);
void sr_sinks_close(struct sr_sinks *sinks); /* NULL is allowed */

/** sr_sinks_push(sinks, store, upto): gives each sink what it has not had yet, up to record UPTO and SR_SINK_AT_ONCE of
 *  them. One thread at a time; another process that is at it is left to it. NULL is allowed. */
void sr_sinks_push(struct sr_sinks *sinks, struct sr_store *store, uint64_t upto);

/** struct sr_sink_state: SENT: the last record that it took; TROUBLE: why it takes no more, "" for nothing. */
struct sr_sink_state {
	const char *name; /* "file", "syslog" */
	uint64_t sent;
	char trouble[160];
};

/** sr_sinks_state(sinks, states): how each fares; how many there are. Any thread. NULL is allowed. */
size_t sr_sinks_state(struct sr_sinks *sinks, struct sr_sink_state states[SR_SINKS_MAX]);

/* -- the texts (sink_text.c): pure ------------------------------------------------------------------------------ */
/** sr_sink_json(event, head, out): a line of JSON, keys as `audit query --json' has them, and "hash": the chain's head
 * at this record. */
void sr_sink_json(const struct sr_event *event, const uint8_t head[SR_HASH_LEN], struct sr_buf *out);

/** sr_sink_syslog(event, head, host, pid, out): a message of RFC 5424: facility log audit, the severity by the status,
 *  everything in one structured element. */
void sr_sink_syslog(
	const struct sr_event *event, const uint8_t head[SR_HASH_LEN], const char *host, long pid, struct sr_buf *out);

#endif
