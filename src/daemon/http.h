/* HTTP/1.1 as far as one page needs it: GET and HEAD, one request for each connection, nothing that waits. */
#ifndef SR_DAEMON_HTTP_H
#define SR_DAEMON_HTTP_H

#include "util/buf.h"

#include <poll.h>

#define SR_HTTP_CONNECTIONS 8 /* further ones wait in the socket's queue */
#define SR_HTTP_REQUEST_MAX 4096u
#define SR_HTTP_MS 5000 /* for the request, and for the answer */
#define SR_HTTP_FDS (SR_HTTP_CONNECTIONS + 1)

/** enum sr_http_status: what a request comes to. MORE: it is not whole yet; TOO_LARGE: it never is, and is not
 * answered.
 */
enum sr_http_status {
	SR_HTTP_MORE = 0,
	SR_HTTP_TOO_LARGE = 1,
	SR_HTTP_OK = 200,
	SR_HTTP_BAD = 400,
	SR_HTTP_NOT_FOUND = 404,
	SR_HTTP_NOT_ALLOWED = 405
};

/** sr_http_parse(at, len, head): what the first LEN bytes of a connection come to. HEAD: no body is wanted; said for
 *  SR_HTTP_OK, else false. */
enum sr_http_status sr_http_parse(const char *at, size_t len, bool *head);

/** struct sr_http_connection: OUT is empty until the request is whole. */
struct sr_http_connection {
	bool used;
	int fd;
	char in[SR_HTTP_REQUEST_MAX];
	size_t in_len;
	struct sr_buf out;
	size_t out_at;
	int64_t deadline_ms;
};

/** struct sr_http: one thread's. All zero: it does not listen. BODY writes what /metrics has. REST_UNTIL_MS: it could
 *  not accept for want of descriptors. */
struct sr_http {
	bool listening;
	int fd;
	void (*body)(void *arg, struct sr_buf *out);
	void *arg;
	int64_t rest_until_ms;
	struct sr_http_connection connections[SR_HTTP_CONNECTIONS];
};

/** sr_http_begin(http, fd, body, arg): on FD, a socket that listens and does not block; taken over.
 *  sr_http_end(http): closes everything. */
void sr_http_begin(struct sr_http *http, int fd, void (*body)(void *arg, struct sr_buf *out), void *arg);
void sr_http_end(struct sr_http *http);

/** sr_http_fds(http, now_ms, fds): what to poll; how many. sr_http_run(http, now_ms): does what can be done now, and
 *  gives up who has had his time; to be called when poll tells, and twice a second. */
size_t sr_http_fds(const struct sr_http *http, int64_t now_ms, struct pollfd fds[SR_HTTP_FDS]);
void sr_http_run(struct sr_http *http, int64_t now_ms);

#endif
