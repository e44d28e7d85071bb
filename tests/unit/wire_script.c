/* The scripted server: a thread that accepts, and one for each connection. */
#include "tests/unit/wire_script.h"

#include "tests/unit/fake_calls.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 128
#define FIRST_SLOT 71

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct sr_script seen;
static struct sr_trick trick;
static uint8_t secret[SR_WIRE_SECRET_LEN];
static int listener = -1;
static pthread_t accepting;
static int connections[CONNECTIONS_MAX];
static size_t connection_count;

/* -- sending --------------------------------------------------------------------------------------------------------
 */
static void send_bytes(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	while (len) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += sent;
		len -= (size_t)sent;
	}
}

static void change(struct sr_buf *body, const struct sr_trick *by)
{
	for (size_t i = 0; i < by->width && by->at + i < body->len; i++)
		body->data[by->at + i] = (uint8_t)(by->value >> (8 * (by->width - 1 - i)));
}

/* False: the connection is at its end. */
static bool play(int fd, enum sr_message_kind kind, struct sr_buf *body, const struct sr_trick *by)
{
	struct sr_buf frames = SR_BUF_INIT;
	bool again = by->what == SR_TRICK_TWICE || by->what == SR_TRICK_SPEAK;
	bool cut = by->what == SR_TRICK_CUT;
	if (by->what == SR_TRICK_CLOSE)
		return false;
	if (by->what == SR_TRICK_CHANGE)
		change(body, by);
	if (by->what == SR_TRICK_KIND)
		kind = (enum sr_message_kind)by->value;
	sr_frames_put(&frames, kind, by->what == SR_TRICK_INSTEAD ? &by->body : body);
	if (again)
		sr_frames_put(&frames, SR_MESSAGE_ANSWER, by->what == SR_TRICK_SPEAK ? &by->body : body);
	send_bytes(fd, frames.data, cut && by->at < frames.len ? by->at : frames.len);
	sr_buf_clear(&frames);
	return !cut;
}

static bool answer(int fd, enum sr_message_kind kind, uint16_t number, struct sr_buf *body)
{
	struct sr_trick by = { 0 };
	pthread_mutex_lock(&lock);
	seen.answer_len = body->len;
	bool fits = trick.on_welcome ? kind == SR_MESSAGE_WELCOME : kind == SR_MESSAGE_ANSWER && trick.number == number;
	if (trick.what && fits) {
		by = trick;
		trick = (struct sr_trick){ 0 };
	}
	pthread_mutex_unlock(&lock);
	bool goes_on = play(fd, kind, body, &by);
	sr_buf_clear(&by.body);
	return goes_on;
}

/* -- answering ------------------------------------------------------------------------------------------------------
 */
static bool refuse(int fd, CK_RV rv, CK_ULONG reason, const char *why)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf body = SR_BUF_INIT;
	sr_fail(&err, rv, reason, "%s", why);
	sr_error_put(&body, &err);
	seen.refusals++;
	pthread_mutex_unlock(&lock);
	answer(fd, SR_MESSAGE_REFUSED, 0, &body);
	sr_buf_clear(&body);
	return false;
}

/* As the daemon does it. Under the lock, which is given back. */
static bool enter(int fd, const struct sr_hello *hello)
{
	struct sr_welcome told = { .version = SR_WIRE_VERSION, .vault = "vault", .slot_count = hello->slot_count + 1 };
	struct sr_buf body = SR_BUF_INIT;
	if (hello->secret && (seen.forgetful || memcmp(hello->secret, secret, sizeof secret) != 0))
		return refuse(fd, CKR_DEVICE_REMOVED, SR_REASON_NOT_FOUND, "that context has ended");
	if (hello->first_session >= CK_UNAVAILABLE_INFORMATION / 2 ||
		hello->first_object >= CK_UNAVAILABLE_INFORMATION / 2)
		return refuse(fd, CKR_ARGUMENTS_BAD, SR_REASON_SERVER_REFUSED, "handles begin too high");
	if (hello->secret) {
		seen.joins++;
	} else {
		seen.contexts++;
		seen.first_session = hello->first_session;
		seen.first_object = hello->first_object;
		seen.slots = hello->slot_count;
		secret[0]++;
	}
	memcpy(told.secret, secret, sizeof secret);
	for (size_t i = 0; i < told.slot_count; i++)
		told.slots[i] = FIRST_SLOT + i;
	sr_welcome_put(&body, &told);
	pthread_mutex_unlock(&lock);
	bool goes_on = answer(fd, SR_MESSAGE_WELCOME, 0, &body);
	sr_buf_clear(&body);
	return goes_on;
}

static bool greet(int fd, struct sr_buf *message)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { message->data, message->len, false, &arena };
	struct sr_hello hello;
	sr_hello_get(&in, &hello);
	bool goes_on = !in.failed;
	if (goes_on) {
		pthread_mutex_lock(&lock);
		goes_on = enter(fd, &hello);
	}
	sr_arena_clear(&arena);
	return goes_on;
}

static uint16_t keep(const struct sr_buf *message)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { message->data, message->len, false, &arena };
	struct sr_script_request *kept = &seen.requests[seen.request_count % 64];
	kept->number = sr_get_u16(&in);
	bool of_client = kept->number < SR_CALL_COUNT && sr_call_rows[kept->number].where == SR_WHERE_CLIENT;
	kept->session = of_client ? 0 : sr_get_ulong(&in);
	kept->len = in.left < sizeof kept->arguments ? in.left : sizeof kept->arguments;
	memcpy(kept->arguments, in.at, kept->len);
	seen.request_count++;
	sr_arena_clear(&arena);
	return kept->number;
}

static bool serve(int fd, struct sr_buf *message)
{
	struct sr_peer peer = { .kind = SR_PEER_UNIX };
	struct sr_buf body = SR_BUF_INIT;
	pthread_mutex_lock(&lock);
	uint16_t number = keep(message);
	bool goes_on = sr_serve(&sr_fake_service, NULL, &peer, message, &body);
	pthread_mutex_unlock(&lock);
	goes_on = goes_on && answer(fd, SR_MESSAGE_ANSWER, number, &body);
	sr_buf_clear(&body);
	return goes_on;
}

/* -- connections -----------------------------------------------------------------------------------------------------
 */
static bool receive(int fd, struct sr_assembly *assembly)
{
	uint8_t *to = sr_buf_reserve(&assembly->in, 4096);
	ssize_t got = to ? recv(fd, to, 4096, 0) : -1;
	assembly->in.len += got > 0 ? (size_t)got : 0;
	return got > 0;
}

static void converse(int fd)
{
	struct sr_assembly assembly = { 0 };
	bool goes_on = true;
	while (goes_on) {
		struct sr_buf message = SR_BUF_INIT;
		enum sr_message_kind kind;
		int taken = sr_assembly_take(&assembly, SR_WIRE_BODY_MAX, &message, &kind);
		if (taken == 0)
			goes_on = receive(fd, &assembly);
		else
			goes_on = taken > 0 && (kind == SR_MESSAGE_HELLO ? greet(fd, &message) : serve(fd, &message));
		sr_buf_clear(&message);
	}
	sr_assembly_clear(&assembly);
}

static void *run_connection(void *argument)
{
	int fd = (int)(intptr_t)argument;
	converse(fd);
	pthread_mutex_lock(&lock);
	size_t i = 0;
	while (connections[i] != fd)
		i++;
	connections[i] = connections[--connection_count];
	close(fd);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static bool start_connection(int fd)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_mutex_lock(&lock);
	while (connection_count == CONNECTIONS_MAX)
		pthread_cond_wait(&changed, &lock);
	connections[connection_count++] = fd;
	pthread_mutex_unlock(&lock);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	bool started = pthread_create(&thread, &attributes, run_connection, (void *)(intptr_t)fd) == 0;
	pthread_attr_destroy(&attributes);
	return started;
}

static void *accept_all(void *argument)
{
	int fd;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (!start_connection(fd))
			break;
	}
	return argument;
}

/* -- from outside ----------------------------------------------------------------------------------------------------
 */
bool sr_script_start(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	sr_script_clear(false);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
	       listen(listener, 64) == 0 && pthread_create(&accepting, NULL, accept_all, NULL) == 0;
}

void sr_script_drop(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < connection_count; i++)
		shutdown(connections[i], SHUT_RDWR);
	while (connection_count)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void sr_script_stop(void)
{
	if (listener < 0)
		return;
	shutdown(listener, SHUT_RDWR);
	pthread_join(accepting, NULL);
	close(listener);
	listener = -1;
	sr_script_drop();
	sr_script_clear(false);
}

void sr_script_set(const struct sr_trick *to)
{
	pthread_mutex_lock(&lock);
	sr_buf_clear(&trick.body);
	trick = *to;
	pthread_mutex_unlock(&lock);
}

struct sr_script sr_script_seen(void)
{
	pthread_mutex_lock(&lock);
	struct sr_script copy = seen;
	pthread_mutex_unlock(&lock);
	return copy;
}

void sr_script_clear(bool forgetful)
{
	pthread_mutex_lock(&lock);
	seen = (struct sr_script){ .forgetful = forgetful };
	sr_buf_clear(&trick.body);
	trick = (struct sr_trick){ 0 };
	pthread_mutex_unlock(&lock);
}
