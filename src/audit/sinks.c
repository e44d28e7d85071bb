/* Giving records to a file and to a syslog, from where each of them stands. */
#define _GNU_SOURCE 1 /* SOCK_CLOEXEC */
#include "audit/sinks.h"

#include "util/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MS 1000     /* between two tries to reach a target */
#define POSITION_LEN 21   /* twenty digits and a line feed */
#define BUFFER_MAX 262144 /* bytes of a file at once */

enum outcome { SENT, FULL, BROKEN };

/** struct sink: REST: the end of a message that a stream took in part, and REST_SEQ its record. */
struct sink {
	const char *name;
	bool is_file;
	char *position; /* the file that keeps SENT */
	int fd;         /* -1: not reached */
	int64_t tried_boot_ms;
	struct sr_buf rest;
	uint64_t rest_seq;
	struct sr_sink_state state; /* under LOCK */
};

struct sr_sinks {
	pthread_mutex_t lock;
	char *file, *path, *target;
	enum sr_syslog_kind syslog;
	uint16_t port;
	char host[256];
	uint64_t newest;
	size_t count;
	struct sink sinks[SR_SINKS_MAX];
};

/* -- how it fares ------------------------------------------------------------------------------------------------ */

static void say(struct sr_sinks *sinks, struct sink *sink, const char *what, int error)
{
	pthread_mutex_lock(&sinks->lock);
	snprintf(sink->state.trouble, sizeof sink->state.trouble, "%s%s%s", what, error ? ": " : "",
		error ? strerror(error) : "");
	pthread_mutex_unlock(&sinks->lock);
}

static void say_sent(struct sr_sinks *sinks, struct sink *sink, uint64_t seq)
{
	pthread_mutex_lock(&sinks->lock);
	sink->state.sent = seq;
	pthread_mutex_unlock(&sinks->lock);
}

size_t sr_sinks_state(struct sr_sinks *sinks, struct sr_sink_state states[SR_SINKS_MAX])
{
	if (!sinks)
		return 0;
	pthread_mutex_lock(&sinks->lock);
	for (size_t i = 0; i < sinks->count; i++)
		states[i] = sinks->sinks[i].state;
	pthread_mutex_unlock(&sinks->lock);
	return sinks->count;
}

/* -- the position ------------------------------------------------------------------------------------------------ */

/* -1 where another process has it, or it cannot be had (and that is said). */
static int take_position(struct sr_sinks *sinks, struct sink *sink)
{
	int fd = open(sink->position, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		say(sinks, sink, "its position cannot be read", errno);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One that was never written: a file gets everything, a syslog what is new. */
static bool read_position(struct sr_sinks *sinks, const struct sink *sink, int fd, uint64_t *seq)
{
	char text[POSITION_LEN];
	ssize_t got = pread(fd, text, sizeof text, 0);
	*seq = sink->is_file ? 0 : sinks->newest;
	if (got == 0)
		return true;
	if (got != POSITION_LEN || text[POSITION_LEN - 1] != '\n')
		return false;
	*seq = 0;
	for (size_t i = 0; i < POSITION_LEN - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*seq = *seq * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

static void write_position(struct sr_sinks *sinks, struct sink *sink, int fd, uint64_t seq)
{
	char text[POSITION_LEN + 1];
	snprintf(text, sizeof text, "%020llu\n", (unsigned long long)seq);
	if (pwrite(fd, text, POSITION_LEN, 0) != POSITION_LEN)
		say(sinks, sink, "its position cannot be written", errno);
	say_sent(sinks, sink, seq);
}

/* -- reaching the target ----------------------------------------------------------------------------------------- */

/* Whatever could block whoever writes to it is no sink. */
static int open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int connect_to(int type, const void *address, socklen_t len, int family)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, address, len) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int open_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	return connect_to(SOCK_DGRAM, &address, sizeof address, AF_UNIX);
}

static int open_inet(const struct sr_sinks *sinks, int type)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(sinks->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(sinks->port) };
	if (inet_pton(AF_INET, sinks->target, &v4.sin_addr) == 1)
		return connect_to(type, &v4, sizeof v4, AF_INET);
	if (inet_pton(AF_INET6, sinks->target, &v6.sin6_addr) == 1)
		return connect_to(type, &v6, sizeof v6, AF_INET6);
	errno = EADDRNOTAVAIL;
	return -1;
}

static int open_target(const struct sr_sinks *sinks, const struct sink *sink)
{
	if (sink->is_file)
		return open_file(sinks->file);
	switch (sinks->syslog) {
	case SR_SYSLOG_UNIX:
		return open_unix(sinks->path);
	case SR_SYSLOG_UDP:
		return open_inet(sinks, SOCK_DGRAM);
	default:
		return open_inet(sinks, SOCK_STREAM);
	}
}

static bool reach(struct sr_sinks *sinks, struct sink *sink)
{
	struct sr_now now;
	if (sink->fd >= 0)
		return true;
	sr_clock_now(&now);
	if (sink->tried_boot_ms && now.boot_ms - sink->tried_boot_ms < RETRY_MS)
		return false;
	sink->tried_boot_ms = now.boot_ms;
	sink->fd = open_target(sinks, sink);
	if (sink->fd < 0)
		say(sinks, sink, "it cannot be reached", errno);
	return sink->fd >= 0;
}

/* A message that a stream had in part is sent anew, whole, to the next one. */
static void let_go(struct sink *sink)
{
	if (sink->fd >= 0)
		close(sink->fd);
	sink->fd = -1;
	sr_buf_clear(&sink->rest);
}

/* -- giving ------------------------------------------------------------------------------------------------------ */

/* Whole lines or none: what a full disk took in part is taken back. */
static enum outcome append(int fd, const struct sr_buf *lines)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return BROKEN;
	ssize_t written = write(fd, lines->data, lines->len);
	if (written == (ssize_t)lines->len)
		return SENT;
	int error = written < 0 ? errno : ENOSPC;
	if (written > 0 && ftruncate(fd, st.st_size) != 0)
		error = errno;
	errno = error;
	return BROKEN;
}

static enum outcome send_part(int fd, const void *data, size_t len, size_t *done)
{
	ssize_t sent = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	*done = sent > 0 ? (size_t)sent : 0;
	if (sent >= 0)
		return *done == len ? SENT : FULL;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR ? FULL : BROKEN;
}

static enum outcome send_rest(struct sink *sink)
{
	size_t done = 0;
	if (sink->rest.len == 0)
		return SENT;
	enum outcome outcome = send_part(sink->fd, sink->rest.data, sink->rest.len, &done);
	memmove(sink->rest.data, sink->rest.data + done, sink->rest.len - done);
	sink->rest.len -= done;
	return outcome;
}

/* RFC 6587, 3.4.1: its length before each message in a stream. A stream that took a part gets the rest first, next
 * time. */
static enum outcome send_message(const struct sr_sinks *sinks, struct sink *sink, uint64_t seq, struct sr_buf *message)
{
	struct sr_buf framed = SR_BUF_INIT;
	size_t done = 0;
	if (sinks->syslog != SR_SYSLOG_TCP)
		return send_part(sink->fd, message->data, message->len, &done);
	sr_buf_printf(&framed, "%zu ", message->len);
	sr_buf_append(&framed, message->data, message->len);
	enum outcome outcome = framed.failed ? BROKEN : send_part(sink->fd, framed.data, framed.len, &done);
	if (outcome == FULL && done > 0) {
		sr_buf_append(&sink->rest, framed.data + done, framed.len - done);
		sink->rest_seq = seq;
	}
	sr_buf_clear(&framed);
	return outcome;
}

/** struct push: SEQ: the last record that was given; LINES: of a file, not written yet, up to LINES_SEQ. */
struct push {
	struct sr_sinks *sinks;
	struct sink *sink;
	uint64_t seq, lines_seq;
	struct sr_buf lines;
	size_t count;
	enum outcome outcome;
};

static void give_lines(struct push *push)
{
	if (push->lines.len == 0 && !push->lines.failed)
		return;
	push->outcome = push->lines.failed ? BROKEN : append(push->sink->fd, &push->lines);
	if (push->outcome == SENT)
		push->seq = push->lines_seq;
	int error = errno;
	sr_buf_clear(&push->lines);
	errno = error;
}

static void give_message(struct push *push, const struct sr_event *event, const uint8_t head[SR_HASH_LEN])
{
	struct sr_buf message = SR_BUF_INIT;
	sr_sink_syslog(event, head, push->sinks->host, (long)getpid(), &message);
	push->outcome = message.failed ? BROKEN : send_message(push->sinks, push->sink, event->id, &message);
	if (push->outcome == SENT)
		push->seq = event->id;
	int error = errno;
	sr_buf_clear(&message);
	errno = error;
}

static bool give(const struct sr_event *event, const uint8_t head[SR_HASH_LEN], void *ctx)
{
	struct push *push = ctx;
	if (push->sink->is_file) {
		sr_sink_json(event, head, &push->lines);
		push->lines_seq = event->id;
		if (push->lines.len > BUFFER_MAX)
			give_lines(push);
	} else {
		give_message(push, event, head);
	}
	return push->outcome == SENT && ++push->count < SR_SINK_AT_ONCE;
}

static CK_RV give_records(struct push *push, struct sr_store *store, uint64_t upto)
{
	struct sr_event_query query = { .after = push->seq, .before = upto + 1 };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	CK_RV rv = store->ops->begin_read(store, &tx, &err);
	if (rv != CKR_OK)
		return rv;
	rv = store->ops->event_query(tx, &query, give, push, &err);
	store->ops->rollback(tx);
	if (push->outcome == SENT)
		give_lines(push);
	return rv;
}

static void judge(struct sr_sinks *sinks, struct push *push, CK_RV rv)
{
	int error = errno;
	if (push->outcome == BROKEN) {
		let_go(push->sink);
		say(sinks, push->sink, "it takes no more records", error);
	} else if (push->outcome == FULL) {
		say(sinks, push->sink, "it is not read: it takes no more records for now", 0);
	} else if (rv != CKR_OK) {
		say(sinks, push->sink, "the records could not be read", 0);
	} else {
		say(sinks, push->sink, "", 0);
	}
	sr_buf_clear(&push->lines);
}

static void push_from(struct sr_sinks *sinks, struct sink *sink, struct sr_store *store, int position, uint64_t upto)
{
	struct push push = { .sinks = sinks, .sink = sink };
	uint64_t from;
	if (!read_position(sinks, sink, position, &from)) {
		say(sinks, sink, "its position is damaged; remove the file, and it begins anew", 0);
		return;
	}
	push.seq = from;
	say_sent(sinks, sink, from);
	if (from > upto) {
		say(sinks, sink, "it has had a later record than there is: an older vault was put back", 0);
		return;
	}
	push.outcome = send_rest(sink);
	if (push.outcome == SENT && sink->rest_seq > push.seq)
		push.seq = sink->rest_seq;
	CK_RV rv = push.outcome == SENT && push.seq < upto ? give_records(&push, store, upto) : CKR_OK;
	judge(sinks, &push, rv);
	if (push.seq != from)
		write_position(sinks, sink, position, push.seq);
}

void sr_sinks_push(struct sr_sinks *sinks, struct sr_store *store, uint64_t upto)
{
	for (size_t i = 0; sinks && i < sinks->count; i++) {
		struct sink *sink = &sinks->sinks[i];
		int position = reach(sinks, sink) ? take_position(sinks, sink) : -1;
		if (position < 0)
			continue;
		push_from(sinks, sink, store, position, upto);
		close(position);
	}
}

/* -- opening ----------------------------------------------------------------------------------------------------- */

/* RFC 5424, 6.2.4: printable ASCII, or nothing known. */
static void fill_host(char host[256])
{
	if (gethostname(host, 255) != 0 || !host[0])
		strcpy(host, "-");
	host[255] = '\0';
	for (char *c = host; *c; c++)
		*c = *c > 0x20 && *c < 0x7f ? *c : '?';
}

static bool add_sink(struct sr_sinks *sinks, const char *dir, const char *name, bool is_file)
{
	struct sink *sink = &sinks->sinks[sinks->count++];
	*sink = (struct sink){ .name = name, .is_file = is_file, .fd = -1, .state = { .name = name } };
	return asprintf(&sink->position, "%s/sink-%s", dir, name) > 0;
}

static bool fill(struct sr_sinks *sinks, const struct sr_sinks_config *config)
{
	fill_host(sinks->host);
	sinks->syslog = config->syslog;
	sinks->port = config->port;
	if (config->file && (!add_sink(sinks, config->dir, "file", true) || !(sinks->file = strdup(config->file))))
		return false;
	if (config->syslog != SR_SYSLOG_NONE && !add_sink(sinks, config->dir, "syslog", false))
		return false;
	if (config->path && !(sinks->path = strdup(config->path)))
		return false;
	return !config->host || (sinks->target = strdup(config->host));
}

CK_RV sr_sinks_open(const struct sr_sinks_config *config, uint64_t newest, struct sr_sinks **out, struct sr_error *err)
{
	*out = NULL;
	if (!config->file && config->syslog == SR_SYSLOG_NONE)
		return CKR_OK;
	struct sr_sinks *sinks = calloc(1, sizeof *sinks);
	if (sinks && fill(sinks, config) && pthread_mutex_init(&sinks->lock, NULL) == 0) {
		sinks->newest = newest;
		*out = sinks;
		return CKR_OK;
	}
	sr_sinks_close(sinks);
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the audit's sinks");
}

void sr_sinks_close(struct sr_sinks *sinks)
{
	if (!sinks)
		return;
	for (size_t i = 0; i < sinks->count; i++) {
		let_go(&sinks->sinks[i]);
		free(sinks->sinks[i].position);
	}
	free(sinks->file);
	free(sinks->path);
	free(sinks->target);
	free(sinks);
}
