/* Inside strongroomd: one process that holds the vault, and the connections of its clients.
 *
 * Threads. The main thread waits for signals and looks at the deadlines. Workers wait on one epoll for what has
 * something to do: a listener, or a connection, which then is that worker's alone until it is armed again. A call of a
 * client runs on the worker that has read it, so there are as many as calls may be in flight; they are started when
 * they are needed.
 *
 * daemon->lock guards the lists, the counters and the contexts, and is held for moments; a connection's other fields
 * belong to the worker that has it. */
#ifndef SR_DAEMON_DAEMON_H
#define SR_DAEMON_DAEMON_H

#include "config/config.h"
#include "pkcs11/calls.h"
#include "policy/address.h"
#include "vault/vault.h"
#include "wire/channel.h"
#include "wire/message.h"
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

/** struct sr_listener: PATH: of a Unix socket; INHERITED: it is the service manager's, who goes on listening. RESTING:
 * it could not accept for want of descriptors, and is armed again by the main thread. */
struct sr_listener {
	struct sr_source source;
	bool tls;
	bool inherited;
	char *path;
	atomic_bool resting;
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

/** sr_context_is_needed(daemon, context): sessions are open in it and this is its last connection.
 *  sr_context_new(daemon, peer, hello, context, err), sr_context_join(daemon, peer, secret): with one connection more;
 *  NULL: there is none that PEER may join. sr_context_leave: with one less; the last ends it. */
CK_RV sr_context_new(struct sr_daemon *daemon, const struct sr_peer *peer, const struct sr_hello *hello,
	struct sr_context **context, struct sr_error *err);
struct sr_context *sr_context_join(struct sr_daemon *daemon, const struct sr_peer *peer, const uint8_t *secret);
bool sr_context_is_needed(struct sr_daemon *daemon, const struct sr_context *context);
void sr_context_leave(struct sr_daemon *daemon, struct sr_context *context);

/* -- counting peers: peers.c --------------------------------------------------------------------------------------- */
/** sr_peers_enter(daemon, peer): counts a connection of PEER; false when it has as many as it may.
 *  sr_peers_leave: one less. */
struct sr_peer_count;
bool sr_peers_enter(struct sr_daemon *daemon, const struct sr_peer *peer);
void sr_peers_leave(struct sr_daemon *daemon, const struct sr_peer *peer);

/* -- connections: connection.c ------------------------------------------------------------------------------------- */
enum sr_stage_of { SR_STAGE_PROXY, SR_STAGE_TLS, SR_STAGE_GREETING, SR_STAGE_OPEN };

/** struct sr_connection: DEADLINE_MS (of the boot clock): when it is given up; INT64_MAX while a call is in flight.
 *  HANDED_ON: by one worker to the next, through epoll, of which C's memory model knows nothing.
 *  HELD: bytes of it that count against the daemon's. COUNTED: it is in the peer's count. */
struct sr_connection {
	struct sr_source source;
	struct sr_channel *channel;
	bool tls;
	enum sr_stage_of stage;
	struct sr_peer peer;
	bool counted;
	struct sr_assembly assembly;
	struct sr_buf out;
	size_t out_at;
	bool ending;
	int64_t began_ms; /* the message that is coming in; 0: none is */
	size_t held;
	struct sr_context *context;
	_Atomic int64_t deadline_ms;
	atomic_uint handed_on;
	struct sr_connection *prev, *next;
};

/** sr_connection_accept(daemon, listener, fd): what a listener has accepted; takes FD.
 *  sr_connection_run(daemon, connection): does what can be done now; then it is armed again, or gone. */
void sr_connection_accept(struct sr_daemon *daemon, const struct sr_listener *listener, int fd);
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
/** sr_log(daemon, event, format, ...): one line on standard error: text, or a JSON object with time, event, message. */
void sr_log(const struct sr_daemon *daemon, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* -- the whole ----------------------------------------------------------------------------------------------------- */
/** struct sr_counters: since the start. */
struct sr_counters {
	atomic_ulong accepted, refused, requests, malformed, expired;
	unsigned long refused_told; /* the main thread's */
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
	atomic_size_t held; /* bytes of messages that are not whole yet */
	atomic_bool draining;
	pthread_t workers[1024];
	atomic_uint worker_count;
	atomic_uint idle_workers;
	struct sr_counters counters;
};

int64_t sr_daemon_now_ms(void);

#endif
