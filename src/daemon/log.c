/* The daemon's log: what happens to it, never what clients do, which is the audit's. It waits for nobody: where
 * standard error takes no more, lines are lost and counted, and that is told once it takes some again. */
#include "daemon/daemon.h"

#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_MAX 824
#define LINE_MAX_BYTES 2048 /* twice the message, and what stands around it; a pipe takes it whole or not at all */

static const char *level_name(enum sr_log_level level)
{
	static const char *const names[] = { [SR_LOG_ERROR] = "error",
		[SR_LOG_WARNING] = "warning",
		[SR_LOG_NOTICE] = "notice",
		[SR_LOG_INFO] = "info" };
	return names[level];
}

/* -- one line ------------------------------------------------------------------------------------------------------ */
/* The length of the character at TEXT, 0 where that is no UTF-8 or a control character. */
static size_t character(const char *text)
{
	for (size_t len = 1; len <= 4 && text[len - 1]; len++) {
		if (sr_text_utf8(text, len))
			return len;
	}
	return 0;
}

/* What comes from elsewhere makes no second line and breaks no JSON. */
static void make_safe(char *text)
{
	while (*text) {
		size_t len = character(text);
		if (!len)
			*text = '?';
		text += len ? len : 1;
	}
}

/* Whether standard error is the journal's, which takes a level before the text: systemd.exec(5). */
static bool is_journal(void)
{
	struct stat found;
	char wanted[64];
	const char *stream = getenv("JOURNAL_STREAM");
	if (!stream || fstat(STDERR_FILENO, &found) != 0)
		return false;
	snprintf(wanted, sizeof wanted, "%ju:%ju", (uintmax_t)found.st_dev, (uintmax_t)found.st_ino);
	return strcmp(stream, wanted) == 0;
}

static size_t text_line(enum sr_log_level level, const char *message, char line[LINE_MAX_BYTES])
{
	char before[8] = "";
	if (is_journal())
		snprintf(before, sizeof before, "<%d>", (int)level);
	return (size_t)snprintf(line, LINE_MAX_BYTES, "%sstrongroomd: %s\n", before, message);
}

/* 0 without memory. */
static size_t json_line(enum sr_log_level level, const char *event, const char *message, char line[LINE_MAX_BYTES])
{
	struct sr_now now;
	char when[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms, when);
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:s}", "time", when, "level", level_name(level), "event", event, "message", message);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int len = text ? snprintf(line, LINE_MAX_BYTES, "%s\n", text) : 0;
	free(text);
	json_decref(object);
	return len > 0 && len < LINE_MAX_BYTES ? (size_t)len : 0;
}

/* -- standard error ------------------------------------------------------------------------------------------------ */
/* A socket is told not to wait; its file is not set so, which is others' too. A pipe that has room at all has it for a
 * line, as long as nobody else of us writes meanwhile: under the lock. */
static bool write_now(const char *line, size_t len)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t sent = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno == ENOTSOCK && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
		sent = write(STDERR_FILENO, line, len);
	return sent == (ssize_t)len;
}

static bool put(const struct sr_daemon *daemon, enum sr_log_level level, const char *event, const char *message)
{
	char line[LINE_MAX_BYTES];
	size_t len = daemon->config.listen.log_json ? json_line(level, event, message, line)
						    : text_line(level, message, line);
	return len && write_now(line, len);
}

/* What is owed comes first. False: it cannot be told yet. Under the lock. */
static bool tell_lost(struct sr_daemon *daemon)
{
	char message[96];
	if (!daemon->log.untold)
		return true;
	snprintf(message, sizeof message, "%lu lines of the log were lost: nobody read them", daemon->log.untold);
	if (!put(daemon, SR_LOG_WARNING, "log.lost", message))
		return false;
	daemon->log.untold = 0;
	return true;
}

void sr_log_retry(struct sr_daemon *daemon)
{
	pthread_mutex_lock(&daemon->log.lock);
	tell_lost(daemon);
	pthread_mutex_unlock(&daemon->log.lock);
}

void sr_log(struct sr_daemon *daemon, enum sr_log_level level, const char *event, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	if (vsnprintf(message, sizeof message, format, args) < 0)
		message[0] = '\0';
	va_end(args);
	make_safe(message);
	pthread_mutex_lock(&daemon->log.lock);
	if (!tell_lost(daemon) || !put(daemon, level, event, message)) {
		sr_count(&daemon->counters.log_lost, 1);
		daemon->log.untold++;
	}
	pthread_mutex_unlock(&daemon->log.lock);
}
