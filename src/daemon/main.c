/* strongroomd: the vault out of its users' reach (docs/daemon.md). */
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "daemon/start.h"

#include "daemon/notify.h"
#include "util/crypto.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS (25 * 1000) /* less than what systemd waits before it kills */
#define TICK_MS 500

const char *argp_program_version = "strongroomd " PACKAGE_VERSION;

static int complain(const struct sr_error *err)
{
	fprintf(stderr, "strongroomd: %s\n", err->text);
	return EXIT_FAILURE;
}

static CK_RV load(const struct sr_arguments *arguments, struct sr_config *config, struct sr_error *err)
{
	CK_RV rv = sr_config_load(arguments->config, config, err);
	if (rv == CKR_OK && !config->dir)
		rv = sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"%s: the daemon needs dir = /path/to/vault under [vault]", arguments->config);
	for (size_t i = 0; rv == CKR_OK && i < arguments->listener_count; i++)
		rv = sr_config_add_listener(config, arguments->listeners[i], err);
	return rv;
}

/* -- signals and time ------------------------------------------------------------------------------------------------
 */
/* Blocked before the first thread, so that every thread has them blocked; they are read from the descriptor. */
static int block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void rearm_listeners(struct sr_daemon *daemon)
{
	for (size_t i = 0; i < daemon->listener_count; i++) {
		if (atomic_exchange(&daemon->listeners[i].resting, false))
			sr_watch(daemon, &daemon->listeners[i].source, EPOLLIN, true);
	}
}

static void reload(struct sr_daemon *daemon)
{
	struct sr_error err = SR_ERROR_INIT;
	if (sr_start_tls(daemon, &err) == CKR_OK)
		sr_log(daemon, SR_LOG_NOTICE, "reloaded", "certificates were read again");
	else
		sr_log(daemon, SR_LOG_ERROR, "reload.failed", "certificates stay what they were: %s", err.text);
}

/* Whom it let down, without a line for each: who is refused may come again at once. */
static void tell_refused(struct sr_daemon *daemon)
{
	char reasons[SR_REFUSALS * 40] = "";
	unsigned long all = 0;
	for (enum sr_refusal why = 0; why < SR_REFUSALS; why++) {
		unsigned long refused = sr_refused_so_far(daemon, why), news = refused - daemon->refused_told[why];
		size_t len = strlen(reasons);
		daemon->refused_told[why] = refused;
		all += news;
		if (news)
			snprintf(reasons + len, sizeof reasons - len, "%s%s %lu", len ? ", " : "", sr_refusal_word(why),
				news);
	}
	if (all)
		sr_log(daemon, SR_LOG_WARNING, "refused", "%lu connections were refused: %s", all, reasons);
}

static size_t connections_left(struct sr_daemon *daemon)
{
	pthread_mutex_lock(&daemon->lock);
	size_t left = daemon->connection_count;
	pthread_mutex_unlock(&daemon->lock);
	return left;
}

/** struct crowd: MOST: connections at once, since memory was given back last. DUE: it is to be, a moment after half of
 * them have gone: when their workers have given it back. */
struct crowd {
	size_t most;
	bool due;
};

static void return_memory(struct sr_daemon *daemon, struct crowd *crowd)
{
	size_t left = connections_left(daemon);
	if (crowd->due)
		sr_start_trim();
	crowd->due = left < crowd->most && left <= crowd->most / 2;
	if (crowd->due || left > crowd->most)
		crowd->most = left;
}

static void tick(struct sr_daemon *daemon, struct crowd *crowd)
{
	sr_connections_expire(daemon, sr_daemon_now_ms());
	rearm_listeners(daemon);
	return_memory(daemon, crowd);
	tell_refused(daemon);
	sr_log_retry(daemon);
	sr_vault_tend(daemon->vault);
	sr_start_watchdog();
}

/* Until a signal, something for the metrics, or UNTIL_MS. The signal, 0 for none. */
static uint32_t wait_until(struct sr_daemon *daemon, int signals, int64_t until_ms)
{
	struct pollfd fds[SR_HTTP_FDS + 1] = { { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo caught;
	int64_t now_ms = sr_daemon_now_ms();
	size_t count = 1 + sr_http_fds(&daemon->http, now_ms, fds + 1);
	poll(fds, count, until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
	return read(signals, &caught, sizeof caught) == (ssize_t)sizeof caught ? caught.ssi_signo : 0;
}

/* Until SIGTERM or SIGINT. */
static void serve(struct sr_daemon *daemon, int signals)
{
	int64_t tick_ms = sr_daemon_now_ms() + TICK_MS;
	struct crowd crowd = { 0 };
	for (;;) {
		uint32_t caught = wait_until(daemon, signals, tick_ms);
		if (caught == SIGTERM || caught == SIGINT)
			return;
		if (caught == SIGHUP)
			reload(daemon);
		int64_t now_ms = sr_daemon_now_ms();
		sr_http_run(&daemon->http, now_ms);
		if (now_ms < tick_ms)
			continue;
		tick(daemon, &crowd);
		tick_ms = now_ms + TICK_MS;
	}
}

/* Calls in flight come to their end; no other begins. */
static void drain(struct sr_daemon *daemon)
{
	static const struct timespec pause = { 0, 20 * 1000000L };
	int64_t until_ms = sr_daemon_now_ms() + DRAIN_MS;
	sr_notify("STOPPING=1");
	sr_log(daemon, SR_LOG_NOTICE, "stopping", "calls in flight are finished");
	daemon->draining = true;
	sr_start_close_listeners(daemon);
	while (connections_left(daemon) && sr_daemon_now_ms() < until_ms) {
		sr_connections_drain(daemon);
		nanosleep(&pause, NULL);
	}
}

/* -- the whole -------------------------------------------------------------------------------------------------------
 */
static int run(struct sr_daemon *daemon, int signals)
{
	struct sr_error err = SR_ERROR_INIT;
	if (sr_start(daemon, &err) != CKR_OK) {
		sr_start_close_listeners(daemon);
		sr_log(daemon, SR_LOG_ERROR, "start.failed", "%s", err.text);
		return EXIT_FAILURE;
	}
	sr_log(daemon, SR_LOG_NOTICE, "ready", "serving %s", daemon->config.dir);
	sr_notify("READY=1");
	serve(daemon, signals);
	drain(daemon);
	if (connections_left(daemon)) { /* a call that does not end: what it holds is not taken from under it */
		sr_log(daemon, SR_LOG_ERROR, "stopped", "a call did not end in time; it is cut off");
		_exit(EXIT_FAILURE);
	}
	sr_stop(daemon);
	sr_log(daemon, SR_LOG_NOTICE, "stopped", "the audit is sealed");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct sr_daemon daemon = {
		.epoll = -1, .wake = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .log.lock = PTHREAD_MUTEX_INITIALIZER
	};
	struct sr_arguments arguments = { 0 };
	struct sr_error err = SR_ERROR_INIT;
	if (argp_parse(&sr_daemon_argp, argc, argv, 0, NULL, &arguments) != 0)
		return 2;
	int signals = block_signals();
	sr_start_harden();
	int exit_code = EXIT_SUCCESS;
	if (signals < 0) {
		perror("strongroomd: no descriptor for signals");
		return EXIT_FAILURE;
	}
	if (load(&arguments, &daemon.config, &err) != CKR_OK)
		exit_code = complain(&err);
	else if (arguments.check)
		exit_code = sr_start_check(&daemon, &err) == CKR_OK ? EXIT_SUCCESS : complain(&err);
	else
		exit_code = run(&daemon, signals);
	sr_config_clear(&daemon.config);
	return exit_code;
}
