/* Listening sockets, what systemd hands over and is told, and the client's way to them. */
#include "tests/unit/suites.h"

#include "daemon/listener.h"
#include "daemon/notify.h"
#include "wire/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static char path[100];
static struct sr_error err;

static void set_up(void)
{
	strcpy(dir, "/tmp/check-listener-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	sr_error_clear(&err);
}

static void tear_down(void)
{
	unlink(path);
	rmdir(dir);
}

static void assert_refused(CK_RV rv, CK_RV wanted, CK_ULONG reason, const char *needle)
{
	ck_assert_uint_eq(rv, wanted);
	ck_assert_uint_eq(err.reason, reason);
	ck_assert_msg(strstr(err.text, needle) != NULL, "\"%s\" does not say \"%s\"", err.text, needle);
}

static void assert_not_listening(const char *needle)
{
	int fd = -1;
	assert_refused(sr_listen_unix(path, 0600, &fd, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, needle);
	ck_assert_int_eq(fd, -1);
}

static int listen_unix(mode_t mode)
{
	int fd = -1;
	ck_assert_msg(sr_listen_unix(path, mode, &fd, &err) == CKR_OK, "%s", err.text);
	return fd;
}

static void assert_flags(int fd)
{
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* -- Unix sockets ---------------------------------------------------------------------------------------------- */
START_TEST(exactly_the_mode)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0620 };
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct stat found;
	for (size_t i = 0; i < 16; i++) {
		mode_t before = umask(masks[i % 4]);
		int fd = listen_unix(modes[i / 4]);
		umask(before);
		ck_assert_int_eq(stat(path, &found), 0);
		ck_assert_uint_eq(found.st_mode, S_IFSOCK | modes[i / 4]);
		assert_flags(fd);
		close(fd);
		unlink(path);
	}
}
END_TEST

START_TEST(a_stale_socket_gives_way)
{
	close(listen_unix(0600));
	ck_assert_int_eq(access(path, F_OK), 0);
	int fd = listen_unix(0600);
	struct sr_channel *channel;
	ck_assert_msg(sr_connect_unix(path, &channel, &err) == CKR_OK, "%s", err.text);
	channel->kind->close(channel, false);
	close(fd);
}
END_TEST

START_TEST(a_live_socket_does_not)
{
	int fd = listen_unix(0600);
	assert_not_listening("another process listens there");
	struct sr_channel *channel;
	ck_assert_uint_eq(sr_connect_unix(path, &channel, &err), CKR_OK);
	channel->kind->close(channel, false);
	close(fd);
}
END_TEST

static int fill_queue(int to[8])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	for (int i = 0; i < 8; i++) {
		to[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(to[i], (struct sockaddr *)&address, sizeof address) < 0)
			return errno;
	}
	return 0;
}

START_TEST(nor_does_one_that_is_busy)
{
	int to[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	int fd = listen_unix(0600);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(fill_queue(to), EAGAIN);
	assert_not_listening("another process listens there");
	for (int i = 0; i < 8; i++)
		close(to[i]);
	close(fd);
}
END_TEST

START_TEST(no_other_file_gives_way)
{
	struct stat found;
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "mine", 4), 4);
	close(fd);
	assert_not_listening("no socket");
	ck_assert_int_eq(stat(path, &found), 0);
	ck_assert_int_eq(found.st_size, 4);
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	assert_not_listening("no socket");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("nowhere", path), 0);
	assert_not_listening("no socket");
	ck_assert_int_eq(lstat(path, &found), 0);
}
END_TEST

START_TEST(no_place_for_a_socket)
{
	char longer[130];
	int fd = -1;
	memset(longer, 'x', sizeof longer);
	longer[108] = '\0';
	assert_refused(sr_listen_unix(longer, 0600, &fd, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "107 bytes");
	assert_refused(sr_listen_unix("", 0600, &fd, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "107 bytes");
	assert_refused(sr_listen_unix("/nowhere/at/all", 0600, &fd, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
		"/nowhere/at/all: No such file");
}
END_TEST

START_TEST(connecting_to_nobody)
{
	struct sr_channel *channel = NULL;
	assert_refused(sr_connect_unix(path, &channel, &err), CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
		"is strongroomd running");
	close(listen_unix(0600));
	assert_refused(sr_connect_unix(path, &channel, &err), CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
		"is strongroomd running");
	char longer[130];
	memset(longer, 'x', sizeof longer);
	longer[108] = '\0';
	assert_refused(sr_connect_unix(longer, &channel, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "107 bytes");
	ck_assert_ptr_null(channel);
}
END_TEST

static void run_child(void (*check)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		check();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ends with %x", (unsigned)status);
}

#define MUST(condition) must(condition, __LINE__)

static void must(bool holds, int line)
{
	if (!holds)
		_exit(line % 255 + 1);
}

static void connect_as_nobody(void)
{
	struct sr_channel *channel;
	MUST(setgid(65534) == 0 && setuid(65534) == 0);
	MUST(sr_connect_unix(path, &channel, &err) == CKR_TOKEN_NOT_PRESENT);
	MUST(err.reason == SR_REASON_SERVER_AWAY && strstr(err.text, "may this user open the socket?"));
}

START_TEST(connecting_without_the_right_to)
{
	if (geteuid() != 0)
		return;
	int fd = listen_unix(0600);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	run_child(connect_as_nobody);
	close(fd);
}
END_TEST

START_TEST(a_queue_that_stays_full)
{
	int to[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	struct sr_channel *channel;
	int fd = listen_unix(0600);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(fill_queue(to), EAGAIN);
	assert_refused(sr_connect_unix(path, &channel, &err), CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY, "hangs");
	for (int i = 0; i < 8; i++)
		close(to[i]);
	close(fd);
}
END_TEST

/* -- TCP ------------------------------------------------------------------------------------------------------- */
static uint16_t port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof at;
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
					      : ((struct sockaddr_in *)&at)->sin_port);
}

static int listen_tcp(const char *host, uint16_t port)
{
	int fd = -1;
	ck_assert_msg(sr_listen_tcp(host, port, &fd, &err) == CKR_OK, "%s", err.text);
	assert_flags(fd);
	return fd;
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
	if (fd >= 0)
		close(fd);
	return has;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;
	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void assert_connects(int listener, const char *host, const char *source)
{
	struct sr_address wanted;
	struct sr_peer peer;
	int to = -1;
	ck_assert_msg(sr_connect_tcp(host, port_of(listener), &to, &err) == CKR_OK, "%s", err.text);
	ck_assert(!(fcntl(to, F_GETFL) & O_NONBLOCK));
	ck_assert(fcntl(to, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(option(to, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(option(to, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option(to, IPPROTO_TCP, TCP_KEEPIDLE) +
				 option(to, IPPROTO_TCP, TCP_KEEPINTVL) * option(to, IPPROTO_TCP, TCP_KEEPCNT),
		60);
	ck_assert_int_eq(option(to, IPPROTO_TCP, TCP_USER_TIMEOUT), 60 * 1000);
	int from = accept(listener, NULL, NULL);
	ck_assert(sr_peer_of_socket(from, &peer));
	ck_assert_int_eq(peer.kind, SR_PEER_TLS);
	ck_assert(peer.has_address && !peer.loopback && !peer.has_cert);
	ck_assert(sr_address_parse(source, strlen(source), &wanted));
	ck_assert_mem_eq(peer.address.bytes, wanted.bytes, 16);
	close(from);
	close(to);
}

START_TEST(both_families_side_by_side)
{
	int four = listen_tcp("0.0.0.0", 0);
	assert_connects(four, "127.0.0.1", "127.0.0.1");
	assert_connects(four, "localhost", "127.0.0.1");
	if (has_ipv6()) {
		int six = listen_tcp("::", port_of(four));
		assert_connects(six, "::1", "::1");
		close(six);
	}
	close(four);
}
END_TEST

START_TEST(a_port_that_is_taken)
{
	int first = listen_tcp("127.0.0.1", 0);
	int second = -1;
	assert_refused(sr_listen_tcp("127.0.0.1", port_of(first), &second, &err), CKR_GENERAL_ERROR,
		SR_REASON_BAD_CONFIG, "Address already in use");
	assert_refused(sr_listen_tcp("no.such.host.invalid", 1, &second, &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
		"no.such.host.invalid, port 1: ");
	ck_assert_int_eq(second, -1);
	close(first);
}
END_TEST

START_TEST(a_port_where_nobody_is)
{
	int listener = listen_tcp("127.0.0.1", 0);
	uint16_t port = port_of(listener);
	int to = -1;
	close(listener);
	assert_refused(sr_connect_tcp("127.0.0.1", port, &to, &err), CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY,
		"Connection refused; is strongroomd running there");
	assert_refused(sr_connect_tcp("no.such.host.invalid", 1, &to, &err), CKR_TOKEN_NOT_PRESENT,
		SR_REASON_SERVER_AWAY, "no.such.host.invalid, port 1: ");
	ck_assert_int_eq(to, -1);
}
END_TEST

START_TEST(who_is_at_a_unix_socket)
{
	int pair[2], none[2];
	struct sr_peer peer;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert(sr_peer_of_socket(pair[0], &peer));
	ck_assert_int_eq(peer.kind, SR_PEER_UNIX);
	ck_assert_uint_eq(peer.uid, geteuid());
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert(!peer.has_address && !peer.loopback && !peer.has_cert);
	ck_assert_int_eq(pipe(none), 0);
	ck_assert(!sr_peer_of_socket(none[0], &peer));
	close(pair[0]), close(pair[1]), close(none[0]), close(none[1]);
}
END_TEST

/* -- from systemd, in a child whose files 3 and 4 may be anything ----------------------------------------------- */
static void offer(const char *count, bool to_us)
{
	char pid[16];
	snprintf(pid, sizeof pid, "%d", to_us ? (int)getpid() : 1);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

static CK_RV inherit(struct sr_inherited list[2], size_t *count)
{
	CK_RV rv = sr_listen_inherited(list, 2, count, &err);
	MUST(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	return rv;
}

/* The sockets as 3 and 4, as systemd leaves them: they block, and live through exec. */
static void put_sockets(void)
{
	int fds[2] = { -1, -1 };
	MUST(sr_listen_unix(path, 0600, &fds[0], &err) == CKR_OK);
	MUST(sr_listen_tcp("127.0.0.1", 0, &fds[1], &err) == CKR_OK);
	int first = fcntl(fds[0], F_DUPFD, 10), second = fcntl(fds[1], F_DUPFD, 10);
	MUST(dup2(first, 3) == 3 && dup2(second, 4) == 4);
	MUST(fcntl(3, F_SETFL, 0) == 0 && fcntl(4, F_SETFL, 0) == 0);
}

static void inherit_two(void)
{
	struct sr_inherited list[2];
	size_t count = 9;
	put_sockets();
	offer("2", true);
	MUST(inherit(list, &count) == CKR_OK && count == 2);
	MUST(list[0].fd == 3 && list[0].family == AF_UNIX && list[1].fd == 4 && list[1].family == AF_INET);
	for (int fd = 3; fd < 5; fd++)
		MUST((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	MUST(inherit(list, &count) == CKR_OK && count == 0); /* told once */
}

static void inherit_nothing(void)
{
	static const char *const counts[] = { "", "-1", "02", "2x", "99999999999" };
	struct sr_inherited list[2];
	size_t count = 9;
	put_sockets();
	offer("2", false);
	MUST(inherit(list, &count) == CKR_OK && count == 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		offer(counts[i], true);
		MUST(inherit(list, &count) == CKR_OK && count == 0);
	}
}

static void inherit_too_many(void)
{
	struct sr_inherited list[2];
	size_t count = 9;
	put_sockets();
	offer("3", true);
	MUST(inherit(list, &count) == CKR_GENERAL_ERROR && count == 0 && strstr(err.text, "at most 2"));
}

static void assert_no_listener(int fd)
{
	struct sr_inherited list[2];
	size_t count = 9;
	int high = fcntl(fd, F_DUPFD, 20);
	put_sockets();
	unlink(path);
	MUST(dup2(high, 4) == 4);
	offer("2", true);
	MUST(inherit(list, &count) == CKR_GENERAL_ERROR && count == 0);
	MUST(strstr(err.text, "file 2 that systemd hands over is no listening socket") != NULL);
}

static void inherit_others(void)
{
	int pair[2];
	assert_no_listener(open("/dev/null", O_RDONLY));
	assert_no_listener(socket(AF_INET, SOCK_DGRAM, 0));
	assert_no_listener(socket(AF_INET, SOCK_STREAM, 0));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	assert_no_listener(pair[0]);
}

START_TEST(sockets_from_systemd)
{
	run_child(inherit_two);
	run_child(inherit_nothing);
	run_child(inherit_too_many);
	run_child(inherit_others);
}
END_TEST

/* -- to systemd ------------------------------------------------------------------------------------------------- */
static void assert_told(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char said[20] = "";
	strcpy(at.sun_path, name);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert(sr_notify("READY=1"));
	ck_assert_int_eq(recv(fd, said, sizeof said - 1, 0), 7);
	ck_assert_str_eq(said, "READY=1");
	close(fd);
}

START_TEST(telling_systemd)
{
	char name[100];
	snprintf(name, sizeof name, "@strongroom-check-%d", (int)getpid());
	assert_told(path);
	assert_told(name);
	ck_assert(!sr_notify("READY=1")); /* nobody is there any more */
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert(!sr_notify("READY=1"));
	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert(!sr_notify("READY=1"));
	setenv("NOTIFY_SOCKET", "@", 1);
	ck_assert(!sr_notify("READY=1"));
	unsetenv("NOTIFY_SOCKET");
	ck_assert(!sr_notify("READY=1"));
}
END_TEST

Suite *sr_suite_listener(void)
{
	Suite *suite = suite_create("listener");
	TCase *tcase = tcase_create("listener");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, exactly_the_mode);
	tcase_add_test(tcase, a_stale_socket_gives_way);
	tcase_add_test(tcase, a_live_socket_does_not);
	tcase_add_test(tcase, nor_does_one_that_is_busy);
	tcase_add_test(tcase, no_other_file_gives_way);
	tcase_add_test(tcase, no_place_for_a_socket);
	tcase_add_test(tcase, connecting_to_nobody);
	tcase_add_test(tcase, connecting_without_the_right_to);
	tcase_add_test(tcase, a_queue_that_stays_full);
	tcase_add_test(tcase, both_families_side_by_side);
	tcase_add_test(tcase, a_port_that_is_taken);
	tcase_add_test(tcase, a_port_where_nobody_is);
	tcase_add_test(tcase, who_is_at_a_unix_socket);
	tcase_add_test(tcase, sockets_from_systemd);
	tcase_add_test(tcase, telling_systemd);
	suite_add_tcase(suite, tcase);
	return suite;
}
