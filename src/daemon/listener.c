/* Listening sockets. */
#include "daemon/listener.h"

#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define FIRST_INHERITED 3

static CK_RV refuse(const char *where, const char *why, struct sr_error *err)
{
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "cannot listen on %.110s: %s", where, why);
}

static const char *why_not(int number)
{
	const char *why = strerrordesc_np(number);
	return why ? why : "unknown error";
}

/* -- Unix sockets ---------------------------------------------------------------------------------------------- */
/* What stands at the path. A full queue (EAGAIN) is in use too. */
static const char *probe(const struct sockaddr_un *address)
{
	struct stat found;
	if (lstat(address->sun_path, &found) < 0)
		return why_not(errno);
	if (!S_ISSOCK(found.st_mode))
		return "there is a file that is no socket; remove it if it is not needed";
	int fd = socket(AF_UNIX, FLAGS, 0);
	if (fd < 0)
		return why_not(errno);
	int failed = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
	close(fd);
	if (failed == ECONNREFUSED)
		return NULL;
	return failed == 0 || failed == EAGAIN ? "another process listens there" : why_not(failed);
}

/* NULL when it is bound. The file gets no more rights than MODE at any time: bind makes it with the socket's own mode
 * less the umask, and what the umask took is put back afterwards. */
static const char *bind_at(int fd, const struct sockaddr_un *address, mode_t mode)
{
	if (fchmod(fd, mode) < 0)
		return why_not(errno);
	if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
		const char *why = errno == EADDRINUSE ? probe(address) : why_not(errno);
		if (why)
			return why;
		if (unlink(address->sun_path) < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
			return why_not(errno);
	}
	return chmod(address->sun_path, mode) < 0 ? why_not(errno) : NULL;
}

CK_RV sr_listen_unix(const char *path, mode_t mode, int *fd, struct sr_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!path[0] || strlen(path) >= sizeof address.sun_path)
		return refuse(path, "the path of a socket has 1 to 107 bytes", err);
	strcpy(address.sun_path, path);
	int made = socket(AF_UNIX, FLAGS, 0);
	const char *why = made < 0 ? why_not(errno) : bind_at(made, &address, mode);
	if (!why && listen(made, SOMAXCONN) < 0)
		why = why_not(errno);
	if (!why) {
		*fd = made;
		return CKR_OK;
	}
	if (made >= 0)
		close(made);
	return refuse(path, why, err);
}

/* -- TCP ------------------------------------------------------------------------------------------------------- */
static bool prepare(int fd, int family)
{
	const int on = 1;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	       (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
}

/* 0, or errno. */
static int listen_at(const struct addrinfo *at, int *fd)
{
	int made = socket(at->ai_family, FLAGS, at->ai_protocol);
	if (made >= 0 && prepare(made, at->ai_family) && bind(made, at->ai_addr, at->ai_addrlen) == 0 &&
		listen(made, SOMAXCONN) == 0) {
		*fd = made;
		return 0;
	}
	int failed = errno;
	if (made >= 0)
		close(made);
	return failed;
}

CK_RV sr_listen_tcp(const char *host, uint16_t port, int *fd, struct sr_error *err)
{
	const struct addrinfo want = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char service[8], where[110];
	snprintf(service, sizeof service, "%u", (unsigned)port);
	snprintf(where, sizeof where, "%.90s, port %s", host, service);
	int unknown = getaddrinfo(host, service, &want, &list);
	if (unknown)
		return refuse(where, gai_strerror(unknown), err);
	int failed = listen_at(list, fd);
	freeaddrinfo(list);
	return failed ? refuse(where, why_not(failed), err) : CKR_OK;
}

/* -- from systemd ---------------------------------------------------------------------------------------------- */
static bool number_of(const char *name, uint64_t max, uint64_t *number)
{
	const char *text = getenv(name);
	return text && sr_text_u64(text, strlen(text), max, number);
}

static bool option_is(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t len = sizeof value;
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

static bool take_inherited(int fd, struct sr_inherited *item)
{
	int family = 0;
	socklen_t len = sizeof family;
	int flags = fcntl(fd, F_GETFL);
	if (!option_is(fd, SO_ACCEPTCONN, 1) || !option_is(fd, SO_TYPE, SOCK_STREAM) ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return false;
	*item = (struct sr_inherited){ fd, family };
	return (family == AF_UNIX || family == AF_INET || family == AF_INET6) && flags >= 0 &&
	       fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static CK_RV take_all(struct sr_inherited *list, size_t max, size_t *count, uint64_t offered, struct sr_error *err)
{
	if (offered > max)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"systemd hands over %u sockets; at most %zu are taken", (unsigned)offered, max);
	for (size_t i = 0; i < offered; i++) {
		if (!take_inherited(FIRST_INHERITED + (int)i, &list[i]))
			return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
				"file %zu that systemd hands over is no listening socket (ListenStream=)", i + 1);
	}
	*count = (size_t)offered;
	return CKR_OK;
}

CK_RV sr_listen_inherited(struct sr_inherited *list, size_t max, size_t *count, struct sr_error *err)
{
	uint64_t pid, offered;
	bool ours = number_of("LISTEN_PID", INT_MAX, &pid) && pid == (uint64_t)getpid() &&
		    number_of("LISTEN_FDS", INT_MAX - FIRST_INHERITED, &offered);
	*count = 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ours ? take_all(list, max, count, offered, err) : CKR_OK;
}
