/* strongroomd: the vault out of its users' reach (docs/daemon.md). */
#include "daemon/daemon.h"
#include "daemon/start.h"

#include "daemon/notify.h"
#include "util/crypto.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS (25 * 1000) /* less than what systemd waits before it kills */
#define TICK_MS 500

const char *argp_program_version = "strongroomd " PACKAGE_VERSION;

struct arguments {
	const char *config;
	const char *listeners[SR_LISTENERS_MAX];
	size_t listener_count;
	bool check;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "the configuration, with dir = and [listen]", 0 },
	{ "listen", 'l', "WHERE", 0, "also listen here: unix:PATH or tls:ADDRESS:PORT", 0 },
	{ "check", 'k', NULL, 0, "look whether configuration and certificates can be used, and end", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case 'c':
		arguments->config = arg;
		return 0;
	case 'k':
		arguments->check = true;
		return 0;
	case 'l':
		if (arguments->listener_count == SR_LISTENERS_MAX)
			argp_error(state, "more than %d listeners", SR_LISTENERS_MAX);
		arguments->listeners[arguments->listener_count++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s is too much: there are options only", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!arguments->config)
			argp_error(state, "--config FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int complain(const struct sr_error *err)
{
	fprintf(stderr, "strongroomd: %s\n", err->text);
	return EXIT_FAILURE;
}

static CK_RV load(const struct arguments *arguments, struct sr_config *config, struct sr_error *err)
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
/* Blocked before the first thread, so that every thread has them blocked. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
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
		sr_log(daemon, "reloaded", "certificates were read again");
	else
		sr_log(daemon, "reload.failed", "certificates stay what they were: %s", err.text);
}

/* Whom it let down, without a line for each: who is refused may come again at once. */
static void tell_refused(struct sr_daemon *daemon)
{
	unsigned long refused = daemon->counters.refused, news = refused - daemon->counters.refused_told;
	if (!news)
		return;
	daemon->counters.refused_told = refused;
	sr_log(daemon, "refused",
		"%lu connections were refused: by user, group, certificate or greeting, or for want of room", news);
}

/* Until SIGTERM or SIGINT. */
static void serve(struct sr_daemon *daemon, const sigset_t *set)
{
	static const struct timespec tick = { TICK_MS / 1000, TICK_MS % 1000 * 1000000L };
	for (;;) {
		int caught = sigtimedwait(set, NULL, &tick);
		if (caught == SIGTERM || caught == SIGINT)
			return;
		if (caught == SIGHUP)
			reload(daemon);
		sr_connections_expire(daemon, sr_daemon_now_ms());
		rearm_listeners(daemon);
		tell_refused(daemon);
		sr_start_watchdog();
	}
}

static size_t connections_left(struct sr_daemon *daemon)
{
	pthread_mutex_lock(&daemon->lock);
	size_t left = daemon->connection_count;
	pthread_mutex_unlock(&daemon->lock);
	return left;
}

/* Calls in flight come to their end; no other begins. */
static void drain(struct sr_daemon *daemon)
{
	static const struct timespec pause = { 0, 20 * 1000000L };
	int64_t until_ms = sr_daemon_now_ms() + DRAIN_MS;
	sr_notify("STOPPING=1");
	sr_log(daemon, "stopping", "calls in flight are finished");
	daemon->draining = true;
	sr_start_close_listeners(daemon);
	while (connections_left(daemon) && sr_daemon_now_ms() < until_ms) {
		sr_connections_drain(daemon);
		nanosleep(&pause, NULL);
	}
}

/* -- the whole -------------------------------------------------------------------------------------------------------
 */
static int run(struct sr_daemon *daemon, const sigset_t *set)
{
	struct sr_error err = SR_ERROR_INIT;
	if (sr_start(daemon, &err) != CKR_OK) {
		sr_start_close_listeners(daemon);
		return complain(&err);
	}
	sr_log(daemon, "ready", "serving %s", daemon->config.dir);
	sr_notify("READY=1");
	serve(daemon, set);
	drain(daemon);
	if (connections_left(daemon)) { /* a call that does not end: what it holds is not taken from under it */
		sr_log(daemon, "stopped", "a call did not end in time; it is cut off");
		_exit(EXIT_FAILURE);
	}
	sr_stop(daemon);
	sr_log(daemon, "stopped", "the audit is sealed");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct sr_daemon daemon = { .epoll = -1, .wake = -1, .lock = PTHREAD_MUTEX_INITIALIZER };
	static const struct argp argp = { options, parse, NULL, "Serves a Strongroom vault to PKCS#11 clients.", NULL,
		NULL, NULL };
	struct arguments arguments = { 0 };
	struct sr_error err = SR_ERROR_INIT;
	sigset_t set;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return 2;
	block_signals(&set);
	sr_start_harden();
	int exit_code = EXIT_SUCCESS;
	if (load(&arguments, &daemon.config, &err) != CKR_OK)
		exit_code = complain(&err);
	else if (arguments.check)
		exit_code = sr_start_check(&daemon, &err) == CKR_OK ? EXIT_SUCCESS : complain(&err);
	else
		exit_code = run(&daemon, &set);
	sr_config_clear(&daemon.config);
	return exit_code;
}
