/* One page over HTTP. */
#include "daemon/http.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE "/metrics"
#define REST_MS 1000

/* -- a request ----------------------------------------------------------------------------------------------------- */
static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A method, or the name of a field: RFC 9110, 5.6.2. */
static bool is_token(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_alphanumeric(at[i]) && (!at[i] || !strchr("!#$%&'*+-.^_`|~", at[i])))
			return false;
	}
	return len > 0;
}

/* Without control characters, and so without a line break of half a kind. */
static bool is_text(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f)
			return false;
	}
	return true;
}

/* The lines from AT to END, each with its line break. */
static bool are_fields(const char *at, const char *end)
{
	while (at < end) {
		const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
		const char *colon = line_end ? memchr(at, ':', (size_t)(line_end - at)) : NULL;
		if (!colon || !is_token(at, (size_t)(colon - at)) || !is_text(colon, (size_t)(line_end - colon)))
			return false;
		at = line_end + 2;
	}
	return true;
}

static bool is(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(at, word, len) == 0;
}

static bool is_page(const char *target, size_t len)
{
	const char *query = memchr(target, '?', len);
	return is(target, query ? (size_t)(query - target) : len, PAGE);
}

/* METHOD TARGET VERSION */
static enum sr_http_status judge(const char *at, size_t len, bool *head)
{
	const char *first = memchr(at, ' ', len);
	const char *last = memrchr(at, ' ', len);
	if (!first || last - first < 2 || !is_token(at, (size_t)(first - at)) || !is_text(at, len))
		return SR_HTTP_BAD;
	const char *target = first + 1, *version = last + 1;
	size_t method_len = (size_t)(first - at), target_len = (size_t)(last - target);
	size_t version_len = len - (size_t)(version - at);
	if (memchr(target, ' ', target_len) ||
		!(is(version, version_len, "HTTP/1.1") || is(version, version_len, "HTTP/1.0")))
		return SR_HTTP_BAD;
	bool wants_head = is(at, method_len, "HEAD");
	if (!wants_head && !is(at, method_len, "GET"))
		return SR_HTTP_NOT_ALLOWED;
	if (!is_page(target, target_len))
		return SR_HTTP_NOT_FOUND;
	*head = wants_head;
	return SR_HTTP_OK;
}

enum sr_http_status sr_http_parse(const char *at, size_t len, bool *head)
{
	const char *end = memmem(at, len < SR_HTTP_REQUEST_MAX ? len : SR_HTTP_REQUEST_MAX, "\r\n\r\n", 4);
	*head = false;
	if (!end)
		return len < SR_HTTP_REQUEST_MAX ? SR_HTTP_MORE : SR_HTTP_TOO_LARGE;
	const char *line_end = memmem(at, (size_t)(end - at) + 2, "\r\n", 2);
	return are_fields(line_end + 2, end + 2) ? judge(at, (size_t)(line_end - at), head) : SR_HTTP_BAD;
}

/* -- an answer ----------------------------------------------------------------------------------------------------- */
static const char *reason(enum sr_http_status status)
{
	switch (status) {
	case SR_HTTP_OK:
		return "OK";
	case SR_HTTP_NOT_FOUND:
		return "Not Found";
	case SR_HTTP_NOT_ALLOWED:
		return "Method Not Allowed";
	default:
		return "Bad Request";
	}
}

static void answer(const struct sr_http *http, struct sr_buf *out, enum sr_http_status status, bool head)
{
	struct sr_buf body = SR_BUF_INIT;
	if (status == SR_HTTP_OK)
		http->body(http->arg, &body);
	else
		sr_buf_printf(&body, "%s\n", reason(status));
	sr_buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n", (int)status,
		reason(status));
	sr_buf_printf(out, "Content-Length: %zu\r\n%sConnection: close\r\n\r\n", body.len,
		status == SR_HTTP_NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "");
	if (!head)
		sr_buf_append(out, body.data, body.len);
	out->failed = out->failed || body.failed;
	sr_buf_clear(&body);
}

/* -- connections --------------------------------------------------------------------------------------------------- */
static void drop(struct sr_http_connection *connection)
{
	close(connection->fd);
	sr_buf_clear(&connection->out);
	connection->used = false;
}

/* False: it is over. */
static bool send_on(struct sr_http_connection *connection)
{
	const struct sr_buf *out = &connection->out;
	while (connection->out_at < out->len) {
		ssize_t sent = send(connection->fd, out->data + connection->out_at, out->len - connection->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent <= 0)
			return sent < 0 && (errno == EAGAIN || errno == EINTR);
		connection->out_at += (size_t)sent;
	}
	return false;
}

static bool read_on(const struct sr_http *http, struct sr_http_connection *connection, int64_t now_ms)
{
	bool head;
	ssize_t got = recv(connection->fd, connection->in + connection->in_len,
		sizeof connection->in - connection->in_len, MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	connection->in_len += (size_t)got;
	enum sr_http_status status = sr_http_parse(connection->in, connection->in_len, &head);
	if (status == SR_HTTP_MORE || status == SR_HTTP_TOO_LARGE)
		return status == SR_HTTP_MORE;
	answer(http, &connection->out, status, head);
	connection->deadline_ms = now_ms + SR_HTTP_MS;
	return !connection->out.failed && send_on(connection);
}

static struct sr_http_connection *place_for_one(struct sr_http *http)
{
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++) {
		if (!http->connections[i].used)
			return &http->connections[i];
	}
	return NULL;
}

static void accept_some(struct sr_http *http, int64_t now_ms)
{
	struct sr_http_connection *place;
	while (now_ms >= http->rest_until_ms && (place = place_for_one(http))) {
		int fd = accept4(http->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				http->rest_until_ms = now_ms + REST_MS;
			return;
		}
		place->used = true;
		place->fd = fd;
		place->in_len = 0;
		place->out_at = 0;
		place->deadline_ms = now_ms + SR_HTTP_MS;
	}
}

/* -- from outside -------------------------------------------------------------------------------------------------- */
void sr_http_begin(struct sr_http *http, int fd, void (*body)(void *arg, struct sr_buf *out), void *arg)
{
	http->listening = true;
	http->fd = fd;
	http->body = body;
	http->arg = arg;
}

size_t sr_http_fds(const struct sr_http *http, int64_t now_ms, struct pollfd fds[SR_HTTP_FDS])
{
	size_t count = 0, used = 0;
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++) {
		const struct sr_http_connection *connection = &http->connections[i];
		if (!connection->used)
			continue;
		fds[count++] =
			(struct pollfd){ .fd = connection->fd, .events = connection->out.len ? POLLOUT : POLLIN };
		used++;
	}
	if (http->listening && used < SR_HTTP_CONNECTIONS && now_ms >= http->rest_until_ms)
		fds[count++] = (struct pollfd){ .fd = http->fd, .events = POLLIN };
	return count;
}

void sr_http_run(struct sr_http *http, int64_t now_ms)
{
	if (!http->listening)
		return;
	accept_some(http, now_ms);
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++) {
		struct sr_http_connection *connection = &http->connections[i];
		if (!connection->used)
			continue;
		bool lives = connection->out.len ? send_on(connection) : read_on(http, connection, now_ms);
		if (!lives || now_ms >= connection->deadline_ms)
			drop(connection);
	}
}

void sr_http_end(struct sr_http *http)
{
	if (!http->listening)
		return;
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++) {
		if (http->connections[i].used)
			drop(&http->connections[i]);
	}
	close(http->fd);
	http->listening = false;
}
