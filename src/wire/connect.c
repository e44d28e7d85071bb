/* Connecting. */
#include "wire/connect.h"

#include "wire/await.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_MS 5000
#define SILENT_S 60 /* without a sign of the other machine */

/* -- Unix sockets ---------------------------------------------------------------------------------------------- */
static CK_RV refuse_unix(const char *path, int why, struct sr_error *err)
{
	const char *what = strerrordesc_np(why);
	const char *hint = "is strongroomd running, and is this its socket?";
	if (why == EACCES || why == EPERM)
		hint = "may this user open the socket? strongroomd.conf says which mode and group it has";
	else if (why == EAGAIN)
		what = "Timed out", hint = "strongroomd has too much to do, or hangs";
	return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY, "%.100s: %s; %s", path,
		what ? what : "unknown error", hint);
}

/* Where strongroomd's queue is full, connect waits as long as sending may. */
static bool connect_unix(int fd, const struct sockaddr_un *address)
{
	const struct timeval limit = { .tv_sec = CONNECT_MS / 1000 };
	const struct timeval none = { 0 };
	int done;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
		return false;
	do {
		done = connect(fd, (const struct sockaddr *)address, sizeof *address);
	} while (done < 0 && errno == EINTR);
	return done == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none) == 0;
}

CK_RV sr_connect_unix(const char *path, struct sr_channel **channel, struct sr_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"%.100s...: the path of a socket has at most %zu bytes", path, sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse_unix(path, errno, err);
	if (!connect_unix(fd, &address)) {
		int why = errno;
		close(fd);
		return refuse_unix(path, why, err);
	}
	if (!sr_channel_plain(fd, channel))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a connection");
	return CKR_OK;
}

/* -- TCP ------------------------------------------------------------------------------------------------------- */
static int connect_result(int fd)
{
	int failed = 0;
	socklen_t len = sizeof failed;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 ? errno : failed;
}

/* 0, or the errno that it failed with. */
static int connect_within(int fd, const struct addrinfo *to, int64_t end)
{
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	return sr_await(fd, POLLOUT, end) ? connect_result(fd) : ETIMEDOUT;
}

static bool set_tcp(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value) == 0;
}

bool sr_settle_tcp(int fd)
{
	const int on = 1;
	return set_tcp(fd, TCP_NODELAY, on) && set_tcp(fd, TCP_KEEPIDLE, SILENT_S / 2) &&
	       set_tcp(fd, TCP_KEEPINTVL, SILENT_S / 6) && set_tcp(fd, TCP_KEEPCNT, 3) &&
	       set_tcp(fd, TCP_USER_TIMEOUT, SILENT_S * 1000) &&
	       setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0;
}

/* Reads wait from now on. */
static bool settle(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return sr_settle_tcp(fd) && flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static int try_address(const struct addrinfo *to, int64_t end, int *fd)
{
	int made = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol);
	if (made < 0)
		return errno;
	int why = connect_within(made, to, end);
	if (why == 0 && !settle(made))
		why = errno;
	if (why == 0)
		*fd = made;
	else
		close(made);
	return why;
}

/* Each gets its share of the time that is left, so that one that swallows everything hides no other. */
static int try_addresses(const struct addrinfo *list, int *fd)
{
	int64_t end = sr_await_end(CONNECT_MS);
	int count = 0;
	int why = EADDRNOTAVAIL;
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		count++;
	for (const struct addrinfo *at = list; at && why != 0; at = at->ai_next, count--)
		why = try_address(at, sr_await_end(sr_await_left(end) / count), fd);
	return why;
}

static CK_RV refuse_tcp(const char *host, uint16_t port, const char *what, struct sr_error *err)
{
	return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
		"%.100s, port %u: %s; is strongroomd running there, and does a firewall let this machine through?",
		host, (unsigned)port, what ? what : "unknown error");
}

CK_RV sr_connect_tcp(const char *host, uint16_t port, int *fd, struct sr_error *err)
{
	const struct addrinfo want = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char service[8];
	snprintf(service, sizeof service, "%u", (unsigned)port);
	int unknown = getaddrinfo(host, service, &want, &list);
	if (unknown)
		return refuse_tcp(host, port, gai_strerror(unknown), err);
	int why = try_addresses(list, fd);
	freeaddrinfo(list);
	return why ? refuse_tcp(host, port, strerrordesc_np(why), err) : CKR_OK;
}

/* -- who is there ---------------------------------------------------------------------------------------------- */
static bool unix_peer(int fd, struct sr_peer *peer)
{
	struct ucred who;
	socklen_t len = sizeof who;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	*peer = (struct sr_peer){ .kind = SR_PEER_UNIX, .uid = who.uid, .pid = who.pid };
	return true;
}

static void tcp_address(const struct sockaddr_storage *from, struct sr_address *address)
{
	if (from->ss_family == AF_INET6) {
		memcpy(address->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
		return;
	}
	memset(address->bytes, 0, 10);
	memset(address->bytes + 10, 0xff, 2);
	memcpy(address->bytes + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
}

bool sr_peer_of_socket(int fd, struct sr_peer *peer)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof from;
	if (getpeername(fd, (struct sockaddr *)&from, &len) < 0)
		return false;
	if (from.ss_family == AF_UNIX)
		return unix_peer(fd, peer);
	if (from.ss_family != AF_INET && from.ss_family != AF_INET6)
		return false;
	*peer = (struct sr_peer){ .kind = SR_PEER_TLS, .has_address = true };
	tcp_address(&from, &peer->address);
	return true;
}
