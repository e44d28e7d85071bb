/* strongroomd as the battery needs it: one for each place, over a Unix socket or TLS. */
#include "tests/battery/server.h"

#include "tests/battery/battery.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t daemon_pid;
static uint16_t port;
static char daemon_log[PATH_MAX];

static const char *over(void)
{
	const char *wanted = getenv("SR_BATTERY_OVER");
	return wanted && strcmp(wanted, "embedded") != 0 ? wanted : "";
}

bool sr_server_wanted(void)
{
	return over()[0];
}

static bool over_tls(void)
{
	return strcmp(over(), "tls") == 0;
}

static int wait_for(pid_t pid)
{
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void redirect(const char *name)
{
	char log[PATH_MAX];
	snprintf(log, sizeof log, "%s/%s", sr_place.dir, name);
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
}

/* -- certificates ----------------------------------------------------------------------------------------------------
 */
/* One that signs itself: the client trusts it and nothing else. */
static void make_certificate(void)
{
	char key[PATH_MAX], certificate[PATH_MAX];
	snprintf(key, sizeof key, "%s/tls.key", sr_place.dir);
	snprintf(certificate, sizeof certificate, "%s/tls.pem", sr_place.dir);
	pid_t pid = fork();
	if (pid == 0) {
		redirect("openssl.log");
		execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
			"-nodes", "-days", "2", "-subj", "/CN=strongroomd", "-addext", "subjectAltName=IP:127.0.0.1",
			"-keyout", key, "-out", certificate, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(wait_for(pid), 0);
}

static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* -- configurations --------------------------------------------------------------------------------------------------
 */
void sr_server_listen(char *text, size_t size)
{
	int len;
	if (over_tls()) {
		port = free_port();
		make_certificate();
		len = snprintf(text, size,
			"\n[listen]\ntls = 127.0.0.1:%u\ncertificate = %s/tls.pem\nkey = %s/tls.key\n", port,
			sr_place.dir, sr_place.dir);
	} else {
		len = snprintf(text, size, "\n[listen]\nunix = %s/socket\nunix-is-loopback = yes\n", sr_place.dir);
	}
	ck_assert(len > 0 && (size_t)len < size);
}

static void write_client_conf(const char *slots)
{
	char text[8192];
	int len = over_tls() ? snprintf(text, sizeof text,
				       "[vault]\nserver = tls:127.0.0.1:%u\n[tls]\nca = %s/tls.pem\n%s", port,
				       sr_place.dir, slots)
			     : snprintf(text, sizeof text, "[vault]\nserver = unix:%s/socket\n%s", sr_place.dir, slots);
	ck_assert(len > 0 && (size_t)len < sizeof text);
	sr_place_write(sr_place.conf, text);
}

/* -- the process -----------------------------------------------------------------------------------------------------
 */
#define LOG "daemon.log"

static void log_path(char *path, size_t size)
{
	int len = snprintf(path, size, "%s/" LOG, sr_place.dir);
	ck_assert(len > 0 && (size_t)len < size);
}

/* What the daemon has said on its standard error, into SAID. */
static void read_log(const char *path, char *said, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, said, size - 1);
	said[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

static void become_daemon(const char *conf)
{
	const char *program = getenv("STRONGROOMD");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	redirect(LOG);
	execl(program, program, "--config", conf, (char *)NULL);
	_exit(127);
}

/* It says so when it serves; then it listens. */
static void wait_until_it_serves(const char *path)
{
	char said[8192] = "";
	int status;
	for (int i = 0; i < 1000 && !strstr(said, "serving"); i++) {
		ck_assert_msg(waitpid(daemon_pid, &status, WNOHANG) == 0, "strongroomd has ended: %s", said);
		usleep(10000);
		read_log(path, said, sizeof said);
	}
	ck_assert_msg(strstr(said, "serving") != NULL, "strongroomd does not serve: %s", said);
}

void sr_server_start(const char *conf, const char *slots)
{
	log_path(daemon_log, sizeof daemon_log);
	daemon_pid = fork();
	if (daemon_pid == 0)
		become_daemon(conf);
	ck_assert_int_gt(daemon_pid, 0);
	wait_until_it_serves(daemon_log);
	write_client_conf(slots);
}

/* It ends well, or a sanitizer has something to say. */
void sr_server_stop(void)
{
	char said[16384];
	if (daemon_pid <= 0)
		return;
	kill(daemon_pid, SIGTERM);
	int exit_code = wait_for(daemon_pid);
	daemon_pid = 0;
	read_log(daemon_log, said, sizeof said);
	if (exit_code)
		fprintf(stderr, "check_battery: strongroomd has ended with %d: %s\n", exit_code, said);
	ck_assert_int_eq(exit_code, 0);
}
