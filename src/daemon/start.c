/* Beginning and end: sockets, certificates, user, vault. */
#include "daemon/start.h"

#include "daemon/listener.h"
#include "daemon/notify.h"
#include "util/crypto.h"
#include "util/text.h"
#include "vault/lock.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define INHERITED_MAX 8
/* Of the allocator. By itself it makes eight arenas a CPU, each of which keeps what it had at its highest, and raises
 * the other two to what it has once freed. */
#define ARENAS_MAX 4
#define MAPPED_FROM (1 << 20) /* goes back when it is freed */
#define KEPT_AT_TOP (2 << 20)

/* -- the process -----------------------------------------------------------------------------------------------------
 */
static void keep_little(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, ARENAS_MAX);
	mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	mallopt(M_TRIM_THRESHOLD, KEPT_AT_TOP);
#endif
}

/* Locking all that will come is asked for only where there is no limit: else an allocation would fail, some day. */
void sr_start_harden(void)
{
	static const struct rlimit none = { 0, 0 };
	struct rlimit locked;
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur == RLIM_INFINITY)
		mlockall(MCL_CURRENT | MCL_FUTURE);
	umask(0077);
	keep_little();
}

static CK_RV become(const char *user, struct sr_error *err)
{
	if (!user || geteuid() != 0)
		return CKR_OK;
	const struct passwd *entry = getpwnam(user);
	if (!entry)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"[listen] user: there is no user %s; make it, or name another", user);
	if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the daemon cannot become %s (%s)", user,
			strerror(errno));
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the kernel may have set it with the user */
	return CKR_OK;
}

static bool ask_for_pin(const char *token_label, struct sr_buf *pin)
{
	char question[128], answer[256];
	snprintf(question, sizeof question, "PIN of the HSM token %.64s: ", token_label);
	bool given = readpassphrase(question, answer, sizeof answer, RPP_REQUIRE_TTY) && answer[0];
	if (given)
		sr_buf_append(pin, answer, strlen(answer));
	sr_cleanse(answer, sizeof answer);
	return given && !pin->failed;
}

/* -- listeners -------------------------------------------------------------------------------------------------------
 */
/* As --listen has it; of an inherited one what the kernel says. */
static void name_of(int fd, char *name, size_t size)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	const struct sockaddr_un *local = (const struct sockaddr_un *)&address;
	socklen_t len = sizeof address;
	char host[64], port[8];
	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family == AF_UNIX)
		snprintf(name, size, "unix:%s%.*s", local->sun_path[0] ? "" : "@", (int)sizeof local->sun_path - 1,
			local->sun_path[0] ? local->sun_path : local->sun_path + 1);
	else if (getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
			 NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(name, size, address.ss_family == AF_INET6 ? "tls:[%s]:%s" : "tls:%s:%s", host, port);
	if (!sr_text_utf8(name, strlen(name)))
		snprintf(name, size, "unix:?");
}

static CK_RV add(struct sr_daemon *daemon, int fd, bool tls, bool inherited, const char *path, struct sr_error *err)
{
	struct sr_listener *listener = &daemon->listeners[daemon->listener_count];
	listener->source = (struct sr_source){ SR_SOURCE_LISTENER, fd };
	listener->tls = tls;
	listener->inherited = inherited;
	listener->path = path ? strdup(path) : NULL;
	name_of(fd, listener->name, sizeof listener->name);
	daemon->listener_count++;
	return !path || listener->path ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory");
}

/* Of a Unix socket that has one: an abstract name, or none, begins with NUL. */
static bool path_of(int fd, struct sockaddr_un *address)
{
	socklen_t len = sizeof *address;
	memset(address, 0, sizeof *address);
	return getsockname(fd, (struct sockaddr *)address, &len) == 0 && address->sun_family == AF_UNIX &&
	       address->sun_path[0] == '/' && memchr(address->sun_path, '\0', sizeof address->sun_path);
}

static CK_RV listen_inherited(struct sr_daemon *daemon, struct sr_error *err)
{
	struct sr_inherited list[INHERITED_MAX];
	struct sockaddr_un address;
	size_t count = 0;
	CK_RV rv = sr_listen_inherited(list, INHERITED_MAX, &count, err);
	for (size_t i = 0; rv == CKR_OK && i < count; i++)
		rv = add(daemon, list[i].fd, list[i].family != AF_UNIX, true,
			path_of(list[i].fd, &address) ? address.sun_path : NULL, err);
	return rv;
}

static CK_RV listen_all(struct sr_daemon *daemon, struct sr_error *err)
{
	const struct sr_listen *listen = &daemon->config.listen;
	int fd;
	CK_RV rv = listen_inherited(daemon, err);
	for (size_t i = 0; rv == CKR_OK && i < listen->unix_count; i++) {
		rv = sr_listen_unix(listen->unix_paths[i], listen->mode, &fd, err);
		if (rv == CKR_OK)
			rv = add(daemon, fd, false, false, listen->unix_paths[i], err);
	}
	for (size_t i = 0; rv == CKR_OK && i < listen->tls_count; i++) {
		rv = sr_listen_tcp(listen->tls[i].host, listen->tls[i].port, &fd, err);
		if (rv == CKR_OK)
			rv = add(daemon, fd, true, false, NULL, err);
	}
	if (rv == CKR_OK && !daemon->listener_count)
		rv = sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"nothing to listen on: give [listen] unix = or tls =, or --listen");
	return rv;
}

static void write_metrics(void *daemon, struct sr_buf *out)
{
	sr_metrics_text(daemon, out);
}

static CK_RV listen_metrics(struct sr_daemon *daemon, struct sr_error *err)
{
	const struct sr_metrics *metrics = &daemon->config.listen.metrics;
	CK_RV rv = CKR_OK;
	int fd = -1;
	if (metrics->path)
		rv = sr_listen_unix(metrics->path, daemon->config.listen.mode, &fd, err);
	else if (metrics->host)
		rv = sr_listen_tcp(metrics->host, metrics->port, &fd, err);
	if (fd >= 0)
		sr_http_begin(&daemon->http, fd, write_metrics, daemon);
	return rv;
}

static bool wants_tls(const struct sr_daemon *daemon)
{
	for (size_t i = 0; i < daemon->listener_count; i++) {
		if (daemon->listeners[i].tls)
			return true;
	}
	return daemon->config.listen.tls_count;
}

CK_RV sr_start_tls(struct sr_daemon *daemon, struct sr_error *err)
{
	const struct sr_listen *listen = &daemon->config.listen;
	const struct sr_tls_server_files files = { listen->certificate, listen->key, listen->client_ca,
		listen->require_client_certificate };
	struct sr_tls_server *fresh;
	if (!wants_tls(daemon))
		return CKR_OK;
	if (!listen->certificate || !listen->key)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"a TLS socket needs [listen] certificate = and key =");
	CK_RV rv = sr_tls_server_new(&files, &fresh, err);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&daemon->lock);
	struct sr_tls_server *old = daemon->tls;
	daemon->tls = fresh;
	pthread_mutex_unlock(&daemon->lock);
	sr_tls_server_free(old);
	return CKR_OK;
}

/* A worker may be about to accept on it: the descriptor is closed by sr_stop. One that is the service manager's stays
 * as it is: who comes now waits for the daemon that is started next. */
void sr_start_close_listeners(struct sr_daemon *daemon)
{
	for (size_t i = 0; i < daemon->listener_count; i++) {
		struct sr_listener *listener = &daemon->listeners[i];
		if (daemon->epoll >= 0)
			epoll_ctl(daemon->epoll, EPOLL_CTL_DEL, listener->source.fd, NULL);
		if (!listener->inherited)
			shutdown(listener->source.fd, SHUT_RDWR);
		if (listener->path && !listener->inherited)
			unlink(listener->path);
		free(listener->path);
		listener->path = NULL;
	}
	if (daemon->http.listening && daemon->config.listen.metrics.path)
		unlink(daemon->config.listen.metrics.path);
	sr_http_end(&daemon->http);
}

/* -- begin and end ---------------------------------------------------------------------------------------------------
 */
CK_RV sr_start_check(struct sr_daemon *daemon, struct sr_error *err)
{
	CK_RV rv = sr_start_tls(daemon, err);
	sr_tls_server_free(daemon->tls);
	return rv;
}

/* The socket that programs with `dir =` use while the daemon has the vault. */
static const char *first_socket(const struct sr_daemon *daemon)
{
	for (size_t i = 0; i < daemon->listener_count; i++) {
		if (daemon->listeners[i].path)
			return daemon->listeners[i].path;
	}
	return NULL;
}

static CK_RV open_vault(struct sr_daemon *daemon, struct sr_error *err)
{
	const char *path = first_socket(daemon);
	daemon->config.prompt = ask_for_pin;
	daemon->config.exclusive = true;
	CK_RV rv = sr_vault_open(&daemon->config, &daemon->vault, err);
	if (rv != CKR_OK)
		return rv;
	daemon->host = (struct sr_vault_host){ sr_status_report, daemon };
	sr_vault_set_host(daemon->vault, &daemon->host);
	if (path)
		rv = sr_vault_record_socket(daemon->config.dir, path, err);
	return rv;
}

CK_RV sr_start(struct sr_daemon *daemon, struct sr_error *err)
{
	CK_RV rv;
	daemon->began_ms = sr_daemon_now_ms();
	if ((rv = listen_all(daemon, err)) != CKR_OK || (rv = listen_metrics(daemon, err)) != CKR_OK ||
		(rv = sr_start_tls(daemon, err)) != CKR_OK ||
		(rv = become(daemon->config.listen.user, err)) != CKR_OK || (rv = open_vault(daemon, err)) != CKR_OK)
		return rv;
	if (sr_workers_start(daemon))
		return CKR_OK;
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "no thread, or no descriptor, to work with (%s)",
		strerror(errno));
}

void sr_stop(struct sr_daemon *daemon)
{
	sr_workers_stop(daemon);
	for (size_t i = 0; i < daemon->listener_count; i++)
		close(daemon->listeners[i].source.fd);
	sr_vault_close(daemon->vault);
	sr_tls_server_free(daemon->tls);
	sr_crypto_free();
}

void sr_start_trim(void)
{
#ifdef M_ARENA_MAX
	malloc_trim(0);
#endif
}

void sr_start_watchdog(void)
{
	if (getenv("WATCHDOG_USEC"))
		sr_notify("WATCHDOG=1");
}
