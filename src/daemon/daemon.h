/* Inside strongroomd: one process that holds the vault, and the connections of its clients.
 *
 * Threads. The main thread waits for signals, looks at the deadlines and answers who reads the metrics. Workers wait on
 * one epoll for what has something to do: a listener, or a connection, which then is that worker's alone until it is
 * armed again. A call of a client runs on the worker that has read it, so there are as many as calls may be in flight;
 * they are started when they are needed.
 *
 * daemon->lock guards the lists and the contexts, and is held for moments; what is counted is atomic, and in no order;
 * a connection's other fields belong to the worker that has it. */
#ifndef SR_DAEMON_DAEMON_H
#define SR_DAEMON_DAEMON_H

#include "config/config.h"
#include "daemon/http.h"
#include "pkcs11/calls.h"
#include "pkcs11/share.h"
#include "policy/address.h"
#include "vault/vault.h"
#include "wire/channel.h"
#include "wire/message.h"
#include "wire/server.h"
#include "wire/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sr_daemon;

/* -- what epoll tells of ------------------------------------------------------------------------------------------- */
enum sr_source_kind { SR_SOURCE_LISTENER, SR_SOURCE_CONNECTION };

/** struct sr_source: what a listener and a connection begin with. */
struct sr_source {
	enum sr_source_kind kind;
	int fd;
};

/** enum sr_refusal: why a connection came to nothing (docs/daemon.md). sr_refusal_word: as the log and the metrics say
 *  it. */
enum sr_refusal {
	SR_REFUSAL_USER,       /* allow-uid, allow-gid */
	SR_REFUSAL_PEER_LIMIT, /* max-per-peer */
	SR_REFUSAL_LIMIT,      /* max-connections */
	SR_REFUSAL_PROXY,      /* no PROXY header where one must be */
	SR_REFUSAL_TLS,        /* the handshake failed: what speaks no TLS, a client's certificate */
	SR_REFUSAL_GREETING,   /* none, one that cannot be read, another version, a context that has ended */
	SR_REFUSAL_TIME,       /* handshake */
	SR_REFUSAL_RESOURCES,  /* no memory, no descriptor, a peer that has gone */
	SR_REFUSALS
};
const char *sr_refusal_word(enum sr_refusal why);

/** struct sr_listener: PATH: of a Unix socket; INHERITED: it is the service manager's, who goes on listening. RESTING:
 * it could not accept for want of descriptors, and is armed again by the main thread. NAME: the address, as it is
 * written after --listen. ACCEPTED: what came in, with what was REFUSED; OPEN: now. */
struct sr_listener {
	struct sr_source source;
	bool tls;
	bool inherited;
	char *path;
	char name[128];
	atomic_bool resting;
	atomic_ulong open, accepted, refused[SR_REFUSALS];
};

/* -- contexts: context.c ------------------------------------------------------------------------------------------- */
/** struct sr_context: a client context and who may join it: the same user and process, or the same address and
 *  certificate, with SECRET. */
struct sr_context {
	struct sr_client *client;
	uint8_t secret[SR_WIRE_SECRET_LEN];
	struct sr_peer peer;
	unsigned connections;
	struct sr_context *prev, *next;
};

/** sr_context_is_needed(context), under the lock: sessions are open in it and this is its last connection.
 *  sr_context_new(daemon, peer, hello, context, err), sr_context_join(daemon, peer, secret): with one connection more;
 *  NULL: there is none that PEER may join. sr_context_leave: with one less; the last ends it. */
CK_RV sr_context_new(struct sr_daemon *daemon, const struct sr_peer *peer, const struct sr_hello *hello,
	struct sr_context **context, struct sr_error *err);
struct sr_context *sr_context_join(struct sr_daemon *daemon, const struct sr_peer *peer, const uint8_t *secret);
bool sr_context_is_needed(const struct sr_context *context);
void sr_context_leave(struct sr_daemon *daemon, struct sr_context *context);

/* -- counting peers: peers.c --------------------------------------------------------------------------------------- */
/** sr_peers_enter(daemon, peer): counts a connection of PEER; false when it has as many as it may.
 *  sr_peers_leave: one less. sr_peers_share: what its contexts hold together; for as long as it has a connection. */
struct sr_peer_count;
bool sr_peers_enter(struct sr_daemon *daemon, const struct sr_peer *peer);
void sr_peers_leave(struct sr_daemon *daemon, const struct sr_peer *peer);
struct sr_share *sr_peers_share(struct sr_daemon *daemon, const struct sr_peer *peer);

/* -- connections: connection.c ------------------------------------------------------------------------------------- */
enum sr_stage_of { SR_STAGE_PROXY, SR_STAGE_TLS, SR_STAGE_GREETING, SR_STAGE_OPEN };

/** struct sr_connection: DEADLINE_MS (of the boot clock): when it is given up; INT64_MAX while a call is in flight.
 *  HANDED_ON: by one worker to the next, through epoll, of which C's memory model knows nothing.
 *  HELD: bytes of it that count against the daemon's. COUNTED: it is in the peer's count. EXPIRED: its deadline has
 *  passed. CROWDED: it is one too many of its peer, which a PROXY header has told. */
struct sr_connection {
	struct sr_source source;
	struct sr_listener *listener;
	struct sr_channel *channel;
	bool tls;
	enum sr_stage_of stage;
	struct sr_peer peer;
	bool counted;
	bool crowded;
	atomic_bool expired;
	struct sr_assembly assembly;
	struct sr_buf out;
	size_t out_at;
	bool ending;
	int64_t began_ms;    /* the message that is coming in; 0: none is */
	int64_t answered_ms; /* when the answer that is going out was ready; 0: none is */
	size_t held;
	struct sr_context *context;
	atomic_bool resting; /* the deadline is that of a rest */
	_Atomic int64_t deadline_ms;
	atomic_uint handed_on;
	struct sr_connection *prev, *next;
};

/** sr_connection_accept(daemon, listener, fd): what a listener has accepted; takes FD (arrival.c).
 *  sr_connection_run(daemon, connection): does what can be done now; then it is armed again, or gone.
 *  sr_connection_end(daemon, connection): it is gone. Both by the worker that has it. */
void sr_connection_accept(struct sr_daemon *daemon, struct sr_listener *listener, int fd);
void sr_connection_end(struct sr_daemon *daemon, struct sr_connection *connection);
void sr_connection_run(struct sr_daemon *daemon, struct sr_connection *connection);

/** sr_connections_expire(daemon, now_ms): those whose deadline has passed are shut down; their workers find out.
 *  sr_connections_drain(daemon): those that are between two calls are. */
void sr_connections_expire(struct sr_daemon *daemon, int64_t now_ms);
void sr_connections_drain(struct sr_daemon *daemon);

/* -- workers: worker.c --------------------------------------------------------------------------------------------- */
bool sr_workers_start(struct sr_daemon *daemon);
void sr_workers_stop(struct sr_daemon *daemon); /* joins them */
bool sr_watch(struct sr_daemon *daemon, struct sr_source *source, uint32_t events, bool again);

/* -- the log: log.c ------------------------------------------------------------------------------------------------ */
/** sr_log(daemon, level, event, format, ...): one line on standard error: text, with the level before it where that is
 *  the journal's; or a JSON object with time, level, event, message. Waits for nobody: a line that standard error does
 *  not take at once is lost, and counted. sr_log_retry(daemon): tells how many were, if it takes that now. Any thread.
 */
enum sr_log_level { SR_LOG_ERROR = 3, SR_LOG_WARNING, SR_LOG_NOTICE, SR_LOG_INFO }; /* syslog's numbers */
void sr_log(struct sr_daemon *daemon, enum sr_log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void sr_log_retry(struct sr_daemon *daemon);

/* -- how it fares: figures.c, metrics.c, status.c ------------------------------------------------------------------ */
/** struct sr_figure: one number. TOTAL: it only grows; else it is what is now. LISTENER and LABEL are NULL where the
 *  figure has none; WORD is LABEL's. HELP is a line in English. */
struct sr_figure {
	const char *name;
	const char *help;
	bool total;
	const char *listener;
	const char *label;
	const char *word;
	unsigned long value;
};

/** sr_figures(daemon, take, arg): TAKE for each, those of one name together. Waits for nothing but the daemon's lock.
 */
void sr_figures(struct sr_daemon *daemon, void (*take)(void *arg, const struct sr_figure *figure), void *arg);

/** sr_metrics_text(daemon, out): the figures in Prometheus' text format 0.0.4. */
void sr_metrics_text(struct sr_daemon *daemon, struct sr_buf *out);

/** sr_status_report(daemon): listeners and counters for the vault's status (struct sr_vault_host). */
struct json_t *sr_status_report(void *daemon);

/** sr_refused_so_far(daemon, why): of all listeners. */
unsigned long sr_refused_so_far(const struct sr_daemon *daemon, enum sr_refusal why);

/* -- the whole ----------------------------------------------------------------------------------------------------- */
/** struct sr_counters: since the start, but for IN_FLIGHT, which is now. What is counted for each listener is there.
 *  sr_count(counter, more). */
struct sr_counters {
	struct sr_outcomes calls;
	atomic_ulong requests, in_flight, malformed, expired, bytes_in, bytes_out, log_lost, scrapes;
};

static inline void sr_count(atomic_ulong *counter, unsigned long more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline unsigned long sr_counted(const atomic_ulong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/** struct sr_log_state: UNTOLD: lines that were lost, and nobody knows yet. */
struct sr_log_state {
	pthread_mutex_t lock;
	unsigned long untold;
};

struct sr_daemon {
	struct sr_config config;
	struct sr_vault *vault;
	int epoll;
	int wake; /* readable when the workers are to end */
	struct sr_listener listeners[2 * SR_LISTENERS_MAX + 8];
	size_t listener_count;
	pthread_mutex_t lock;
	struct sr_tls_server *tls;
	struct sr_context *contexts;
	struct sr_connection *connections;
	size_t connection_count;
	struct sr_peer_count *peers;
	atomic_size_t held;    /* bytes of messages that are not whole yet, or not taken yet */
	atomic_size_t carried; /* bytes of requests that are being carried out */
	atomic_bool draining;
	pthread_t workers[1024];
	atomic_uint worker_count;
	atomic_uint idle_workers;
	struct sr_counters counters;
	struct sr_log_state log;
	unsigned long refused_told[SR_REFUSALS]; /* the main thread's */
	int64_t began_ms;
	struct sr_vault_host host;
	struct sr_http http;
};

int64_t sr_daemon_now_ms(void);

#endif
