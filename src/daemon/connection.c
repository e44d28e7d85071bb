/* One connection: its stages, its messages, its bounds. */
#include "daemon/daemon.h"

#include "daemon/proxy.h"
#include "pkcs11/call.h"
#include "pkcs11/host.h"
#include "util/clock.h"
#include "wire/server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#define SESSIONS_IDLE_MS (8 * 3600 * 1000LL) /* where it is the last connection of a context with open sessions */
#define SLOWEST (64u << 10)                  /* bytes a second, in and out */
#define HANDSHAKES_TO_READ 3                 /* so long a peer may rest while there is an answer for it */
#define STAY_MS 2                            /* with a connection that has been answered */
#define MESSAGES_AT_ONCE 16                  /* before others have their turn */
#define READ_AT_ONCE (64u << 10)
#define GREETING_MAX (4u << 10)
#define SMALL (64u << 10)     /* messages that are not counted */
#define HELD_MAX (256u << 20) /* of larger ones, of all connections, in and out */

/* What a connection does next. */
enum next { GO_ON, WANT_READ, WANT_WRITE, YIELD, END };

int64_t sr_daemon_now_ms(void)
{
	struct sr_now now;
	sr_clock_now(&now);
	return now.boot_ms;
}

static void give_until(struct sr_connection *connection, int64_t ms)
{
	connection->deadline_ms = sr_daemon_now_ms() + ms;
}

/* -- what a request is carried out by --------------------------------------------------------------------------------
 */
static void from(const struct sr_peer *peer, const struct sr_offer *offer)
{
	static _Thread_local struct sr_origin origin;
	origin = (struct sr_origin){ peer, offer };
	sr_origin_set(peer ? &origin : NULL);
}

static const struct sr_service service = {
	.calls = &sr_client_calls,
	.from = from,
	.waits = sr_host_waits,
	.slot_waits = sr_host_slot_waits,
	.describe = sr_host_describe,
	.restore_session = sr_host_restore_session,
	.restore_object = sr_host_restore_object,
	.peek = sr_host_peek,
	.end_search = sr_host_end_search,
	.signs_again = sr_host_signs_again,
	.last_error = sr_last_error_get,
};

/* -- messages out ----------------------------------------------------------------------------------------------------
 */
static void send_message(struct sr_connection *connection, enum sr_message_kind kind, struct sr_buf *body)
{
	sr_frames_put(&connection->out, kind, body);
	sr_buf_clear(body);
	if (connection->out.failed)
		connection->ending = true;
}

/* The last thing that is said. */
static void refuse(struct sr_connection *connection, const struct sr_error *err)
{
	struct sr_buf body = SR_BUF_INIT;
	sr_error_put(&body, err);
	send_message(connection, SR_MESSAGE_REFUSED, &body);
	connection->ending = true;
}

static enum next after(ssize_t result)
{
	if (result == SR_CHANNEL_WANT_READ)
		return WANT_READ;
	return result == SR_CHANNEL_WANT_WRITE ? WANT_WRITE : END;
}

/* What is ready for a peer goes out at 64 KiB a second or faster: it is held as long. */
static void set_write_deadline(const struct sr_daemon *daemon, struct sr_connection *connection)
{
	int64_t allowed_s = HANDSHAKES_TO_READ * (int64_t)daemon->config.listen.handshake_s;
	allowed_s += (int64_t)(connection->out_at / SLOWEST);
	if (!connection->answered_ms)
		connection->answered_ms = sr_daemon_now_ms();
	connection->deadline_ms = connection->answered_ms + allowed_s * 1000;
}

static enum next flush(struct sr_daemon *daemon, struct sr_connection *connection)
{
	struct sr_buf *out = &connection->out;
	while (connection->out_at < out->len) {
		ssize_t sent = connection->channel->kind->write(
			connection->channel, out->data + connection->out_at, out->len - connection->out_at);
		if (sent <= 0) {
			set_write_deadline(daemon, connection);
			return after(sent);
		}
		connection->out_at += (size_t)sent;
		sr_count(&daemon->counters.bytes_out, (size_t)sent);
	}
	sr_buf_clear(out);
	connection->out_at = 0;
	connection->answered_ms = 0;
	return connection->ending ? END : GO_ON;
}

/* -- the greeting ----------------------------------------------------------------------------------------------------
 */
static CK_RV enter_context(
	struct sr_daemon *daemon, struct sr_connection *connection, const struct sr_hello *hello, struct sr_error *err)
{
	if (hello->version_min > SR_WIRE_VERSION || hello->version_max < SR_WIRE_VERSION)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SERVER_REFUSED,
			"the server speaks version %u of the protocol, the module %u to %u: install the same version",
			SR_WIRE_VERSION, hello->version_min, hello->version_max);
	if (!hello->secret)
		return sr_context_new(daemon, &connection->peer, hello, &connection->context, err);
	connection->context = sr_context_join(daemon, &connection->peer, hello->secret);
	return connection->context ? CKR_OK
				   : sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_NOT_FOUND, "that context has ended");
}

static void welcome(struct sr_daemon *daemon, struct sr_connection *connection)
{
	struct sr_welcome told = { .version = SR_WIRE_VERSION, .vault = sr_vault_id(daemon->vault) };
	struct sr_buf body = SR_BUF_INIT;
	memcpy(told.secret, connection->context->secret, sizeof told.secret);
	told.slot_count = sr_host_slots(connection->context->client, told.slots);
	sr_welcome_put(&body, &told);
	sr_cleanse(&told, sizeof told);
	send_message(connection, SR_MESSAGE_WELCOME, &body);
	connection->stage = SR_STAGE_OPEN;
}

static enum next greet(struct sr_daemon *daemon, struct sr_connection *connection, struct sr_buf *message)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { .at = message->data, .left = message->len, .arena = &arena };
	struct sr_hello hello;
	struct sr_error err = SR_ERROR_INIT;
	sr_hello_get(&in, &hello);
	bool good = !in.failed;
	if (good && enter_context(daemon, connection, &hello, &err) == CKR_OK)
		welcome(daemon, connection);
	else if (good)
		refuse(connection, &err);
	sr_arena_clear(&arena);
	return good ? GO_ON : END;
}

/* -- requests --------------------------------------------------------------------------------------------------------
 */
static enum next serve(struct sr_daemon *daemon, struct sr_connection *connection, struct sr_buf *message)
{
	struct sr_buf answer = SR_BUF_INIT;
	struct sr_service counted = service;
	counted.outcomes = &daemon->counters.calls;
	counted.memory = &daemon->carried;
	connection->resting = false;
	connection->deadline_ms = INT64_MAX;
	sr_count(&daemon->counters.requests, 1);
	sr_count(&daemon->counters.in_flight, 1);
	bool good = sr_serve(&counted, connection->context->client, &connection->peer, message, &answer);
	atomic_fetch_sub_explicit(&daemon->counters.in_flight, 1, memory_order_relaxed);
	if (good)
		send_message(connection, SR_MESSAGE_ANSWER, &answer);
	sr_buf_clear(&answer);
	return good ? GO_ON : END;
}

static enum next take_message(struct sr_daemon *daemon, struct sr_connection *connection)
{
	bool open = connection->stage == SR_STAGE_OPEN;
	struct sr_buf message = SR_BUF_INIT;
	enum sr_message_kind kind;
	int taken = sr_assembly_take(&connection->assembly, open ? SR_WIRE_BODY_MAX : GREETING_MAX, &message, &kind);
	if (taken == 0)
		return WANT_READ;
	enum next next = END;
	if (taken > 0 && kind == (open ? SR_MESSAGE_REQUEST : SR_MESSAGE_HELLO))
		next = open ? serve(daemon, connection, &message) : greet(daemon, connection, &message);
	if (next == END)
		sr_count(&daemon->counters.malformed, 1);
	sr_buf_clear(&message);
	return next;
}

/* -- bytes in --------------------------------------------------------------------------------------------------------
 */
/* Large messages that are not whole yet, or not taken by their peer, share a bound. */
static bool may_hold(struct sr_daemon *daemon, struct sr_connection *connection)
{
	size_t size = connection->assembly.in.len + connection->assembly.body.len + connection->out.len;
	size_t counted = size > SMALL ? size : 0;
	size_t before = connection->held;
	connection->held = counted;
	if (counted <= before) {
		atomic_fetch_sub(&daemon->held, before - counted);
		return true;
	}
	return atomic_fetch_add(&daemon->held, counted - before) + (counted - before) <= HELD_MAX;
}

static enum next fill(struct sr_daemon *daemon, struct sr_connection *connection)
{
	struct sr_buf *in = &connection->assembly.in;
	size_t wanted = sr_assembly_wanted(&connection->assembly);
	size_t room = wanted < 4096 ? 4096 : wanted < READ_AT_ONCE ? wanted : READ_AT_ONCE;
	uint8_t *to = sr_buf_reserve(in, room);
	if (!to)
		return END;
	ssize_t got = connection->channel->kind->read(connection->channel, to, room);
	if (got <= 0)
		return after(got);
	in->len += (size_t)got;
	sr_count(&daemon->counters.bytes_in, (size_t)got);
	return may_hold(daemon, connection) ? GO_ON : END;
}

/* The address that a proxy speaks for takes the place of the proxy's own. */
static enum next read_proxy_header(struct sr_daemon *daemon, struct sr_connection *connection)
{
	uint8_t bytes[SR_PROXY_MAX];
	size_t used = 0;
	struct sr_address address;
	bool has_address = false;
	ssize_t seen = recv(connection->source.fd, bytes, sizeof bytes, MSG_PEEK);
	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return WANT_READ;
	int parsed = seen > 0 ? sr_proxy_parse(bytes, (size_t)seen, &used, &address, &has_address) : -1;
	if (parsed == 0) { /* what is there stays there: epoll is not to tell of it again */
		int more = (int)seen + 1;
		return setsockopt(connection->source.fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof more) == 0 ? WANT_READ
													   : END;
	}
	if (parsed < 0 || recv(connection->source.fd, bytes, used, 0) != (ssize_t)used)
		return END;
	setsockopt(connection->source.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 1 }, sizeof(int));
	if (has_address) {
		sr_peers_leave(daemon, &connection->peer);
		connection->peer.address = address;
		connection->counted = sr_peers_enter(daemon, &connection->peer);
		connection->crowded = !connection->counted;
	}
	connection->stage = SR_STAGE_TLS;
	return connection->counted ? GO_ON : END;
}

/* The handshake goes on inside read. */
static void look_at_certificate(struct sr_connection *connection)
{
	if (connection->stage != SR_STAGE_TLS || !sr_tls_is_ready(connection->channel))
		return;
	connection->peer.has_cert = sr_tls_peer_certificate(connection->channel, connection->peer.cert);
	connection->stage = SR_STAGE_GREETING;
}

static enum next read_on(struct sr_daemon *daemon, struct sr_connection *connection)
{
	if (connection->stage == SR_STAGE_PROXY)
		return read_proxy_header(daemon, connection);
	enum next next = fill(daemon, connection);
	look_at_certificate(connection);
	return next;
}

/* -- its life --------------------------------------------------------------------------------------------------------
 */
/* A message that has begun comes to its end, at 64 KiB a second or faster. */
static void set_message_deadline(const struct sr_daemon *daemon, struct sr_connection *connection, size_t have)
{
	int64_t allowed_ms = (int64_t)(daemon->config.listen.handshake_s + have / SLOWEST) * 1000;
	if (!connection->began_ms)
		connection->began_ms = sr_daemon_now_ms();
	connection->resting = false;
	connection->deadline_ms = connection->began_ms + allowed_ms;
}

static int64_t idle_ms(const struct sr_daemon *daemon)
{
	return (int64_t)daemon->config.listen.idle_s * 1000;
}

/* Between messages it may rest. */
static void set_idle_deadline(const struct sr_daemon *daemon, struct sr_connection *connection)
{
	connection->began_ms = 0;
	if (connection->assembly.in.cap > SMALL)
		sr_buf_clear(&connection->assembly.in);
	give_until(connection, idle_ms(daemon));
	atomic_store_explicit(&connection->resting, true, memory_order_release);
}

/* Whether one whose deadline has passed rests longer: asked then, and not with each message. Under the daemon's lock,
 * without which no connection leaves its context. */
static bool rests_on(const struct sr_daemon *daemon, struct sr_connection *connection, int64_t now_ms)
{
	if (!atomic_load_explicit(&connection->resting, memory_order_acquire) || idle_ms(daemon) >= SESSIONS_IDLE_MS)
		return false;
	return now_ms < connection->deadline_ms + SESSIONS_IDLE_MS - idle_ms(daemon) &&
	       sr_context_is_needed(connection->context);
}

static void set_deadline(struct sr_daemon *daemon, struct sr_connection *connection)
{
	size_t have = connection->assembly.in.len + connection->assembly.body.len;
	if (connection->stage != SR_STAGE_OPEN)
		return; /* the one that it came with */
	if (have)
		set_message_deadline(daemon, connection, have);
	else
		set_idle_deadline(daemon, connection);
}

static enum next drive(struct sr_daemon *daemon, struct sr_connection *connection)
{
	for (int messages = 0; messages < MESSAGES_AT_ONCE;) {
		enum next next = flush(daemon, connection);
		if (next != GO_ON)
			return next;
		if (daemon->draining)
			return END;
		next = connection->stage >= SR_STAGE_GREETING ? take_message(daemon, connection) : WANT_READ;
		if (next == END)
			return END;
		if (next == GO_ON) {
			messages++;
			continue;
		}
		/* after an answer the next question is seldom there: epoll will tell */
		bool rest = messages && !connection->channel->kind->buffered(connection->channel);
		next = rest ? WANT_READ : read_on(daemon, connection);
		if (next != GO_ON) {
			if (next != END)
				set_deadline(daemon, connection);
			return next;
		}
	}
	return YIELD;
}

/* Of one that has not come to be open. */
static enum sr_refusal why_refused(const struct sr_connection *connection)
{
	static const enum sr_refusal stages[] = { [SR_STAGE_PROXY] = SR_REFUSAL_PROXY,
		[SR_STAGE_TLS] = SR_REFUSAL_TLS,
		[SR_STAGE_GREETING] = SR_REFUSAL_GREETING };
	if (connection->crowded)
		return SR_REFUSAL_PEER_LIMIT;
	return connection->expired ? SR_REFUSAL_TIME : stages[connection->stage];
}

void sr_connection_end(struct sr_daemon *daemon, struct sr_connection *connection)
{
	if (connection->stage != SR_STAGE_OPEN && !daemon->draining)
		sr_count(&connection->listener->refused[why_refused(connection)], 1);
	atomic_fetch_sub_explicit(&connection->listener->open, 1, memory_order_relaxed);
	pthread_mutex_lock(&daemon->lock);
	DL_DELETE(daemon->connections, connection);
	daemon->connection_count--;
	pthread_mutex_unlock(&daemon->lock);
	connection->channel->kind->close(connection->channel, false);
	if (connection->context)
		sr_context_leave(daemon, connection->context);
	if (connection->counted)
		sr_peers_leave(daemon, &connection->peer);
	atomic_fetch_sub(&daemon->held, connection->held);
	sr_assembly_clear(&connection->assembly);
	sr_buf_clear(&connection->out);
	free(connection);
}

/* Whether the next question comes at once. Whoever waits for it at the connection itself is woken where the client ran;
 * epoll wakes somebody on another processor, which may have to come out of its sleep first. Others have a worker who
 * waits for them meanwhile. */
static bool stays(const struct sr_daemon *daemon, const struct sr_connection *connection)
{
	struct pollfd next = { .fd = connection->source.fd, .events = POLLIN };
	return connection->stage == SR_STAGE_OPEN && !daemon->draining && daemon->idle_workers > 0 &&
	       poll(&next, 1, STAY_MS) > 0;
}

void sr_connection_run(struct sr_daemon *daemon, struct sr_connection *connection)
{
	static const uint32_t events[] = {
		[WANT_READ] = EPOLLIN, [WANT_WRITE] = EPOLLOUT, [YIELD] = EPOLLIN | EPOLLOUT
	};
	atomic_load_explicit(&connection->handed_on, memory_order_acquire);
	enum next next;
	do
		next = drive(daemon, connection);
	while (next == WANT_READ && stays(daemon, connection));
	if (next != END && !may_hold(daemon, connection))
		next = END;
	atomic_fetch_add_explicit(&connection->handed_on, 1, memory_order_release);
	if (next == END || !sr_watch(daemon, &connection->source, events[next], true))
		sr_connection_end(daemon, connection);
}

/* -- from outside ----------------------------------------------------------------------------------------------------
 */
/* The descriptor stays open: its worker hears of the end and closes it. */
void sr_connections_expire(struct sr_daemon *daemon, int64_t now_ms)
{
	struct sr_connection *connection;
	pthread_mutex_lock(&daemon->lock);
	DL_FOREACH(daemon->connections, connection)
	{
		if (connection->deadline_ms > now_ms || rests_on(daemon, connection, now_ms))
			continue;
		connection->expired = true;
		shutdown(connection->source.fd, SHUT_RDWR);
		connection->deadline_ms = INT64_MAX;
		sr_count(&daemon->counters.expired, 1);
	}
	pthread_mutex_unlock(&daemon->lock);
}

void sr_connections_drain(struct sr_daemon *daemon)
{
	struct sr_connection *connection;
	pthread_mutex_lock(&daemon->lock);
	DL_FOREACH(daemon->connections, connection)
	{
		if (connection->deadline_ms != INT64_MAX)
			shutdown(connection->source.fd, SHUT_RD);
	}
	pthread_mutex_unlock(&daemon->lock);
}
