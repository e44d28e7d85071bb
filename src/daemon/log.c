/* The daemon's log: what happens to it, never what clients do, which is the audit's. */
#include "daemon/daemon.h"

#include "util/clock.h"
#include "util/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static void write_line(const char *text)
{
	char line[LINE_MAX_BYTES];
	int len = snprintf(line, sizeof line, "%s\n", text);
	size_t size = len < 0 ? 0 : (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nobody reads it */
}

static void log_json(const char *event, const char *message)
{
	struct sr_now now;
	char when[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms, when);
	json_t *line = json_pack("{s:s, s:s, s:s}", "time", when, "event", event, "message", message);
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	if (text)
		write_line(text);
	free(text);
	json_decref(line);
}

void sr_log(const struct sr_daemon *daemon, const char *event, const char *format, ...)
{
	char message[LINE_MAX_BYTES - 200], line[LINE_MAX_BYTES];
	va_list args;
	va_start(args, format);
	if (vsnprintf(message, sizeof message, format, args) < 0)
		message[0] = '\0';
	va_end(args);
	if (daemon->config.listen.log_json) {
		log_json(event, message);
		return;
	}
	snprintf(line, sizeof line, "strongroomd: %s", message);
	write_line(line);
}
