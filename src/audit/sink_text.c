/* Records as JSON lines and as syslog messages. */
#include "audit/export.h"
#include "audit/sinks.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define ELEMENT "strongroom@32473" /* RFC 5424, 7.2.2: a name of one's own stands before a number */
#define FACILITY 13                /* log audit */

/* -- JSON ------------------------------------------------------------------------------------------------------- */

void sr_sink_json(const struct sr_event *event, const uint8_t head[SR_HASH_LEN], struct sr_buf *out)
{
	char hex[2 * SR_HASH_LEN + 1];
	json_t *line = sr_export_shown(event);
	sr_text_hex(head, SR_HASH_LEN, hex);
	json_object_set_new(line, "hash", json_string(hex));
	sr_export_line(out, line);
}

/* -- syslog ----------------------------------------------------------------------------------------------------- */

/* RFC 5424, 6.3.3: '"', '\' and ']' stand behind a backslash; a control character would not be in a record. */
static void put_param(struct sr_buf *out, const char *name, const char *value)
{
	if (!value[0])
		return;
	sr_buf_printf(out, " %s=\"", name);
	for (const char *c = value; *c; c++) {
		char plain = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
		if (plain == '"' || plain == '\\' || plain == ']')
			sr_buf_append(out, "\\", 1);
		sr_buf_append(out, &plain, 1);
	}
	sr_buf_text(out, "\"");
}

static void put_number(struct sr_buf *out, const char *name, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	put_param(out, name, text);
}

static int severity(enum sr_status status)
{
	switch (status) {
	case SR_STATUS_ALLOWED:
		return 6; /* informational */
	case SR_STATUS_DENIED:
		return 4; /* warning */
	default:
		return 3; /* error */
	}
}

void sr_sink_syslog(
	const struct sr_event *event, const uint8_t head[SR_HASH_LEN], const char *host, long pid, struct sr_buf *out)
{
	char time[SR_TIME_TEXT], hex[2 * SR_HASH_LEN + 1];
	sr_text_time(event->timestamp_ms, time);
	sr_text_hex(head, SR_HASH_LEN, hex);
	sr_buf_printf(out, "<%d>1 %s %s strongroom %ld %s [" ELEMENT, FACILITY * 8 + severity(event->status), time,
		host, pid, sr_event_name(event->kind));
	put_number(out, "id", event->id);
	put_param(out, "status", sr_status_name(event->status));
	put_param(out, "actor_type", event->actor_type);
	put_param(out, "actor_id", event->actor_id);
	put_param(out, "token_id", event->token_id);
	put_param(out, "ip", event->ip);
	put_param(out, "peer", event->peer);
	put_param(out, "function", event->function);
	put_param(out, "rv", event->rv);
	put_param(out, "reason", event->reason);
	put_param(out, "resource_path", event->path);
	put_param(out, "resource_tier", event->tier);
	if (event->version)
		put_number(out, "version", event->version);
	put_param(out, "metadata", event->metadata);
	put_param(out, "hash", hex);
	sr_buf_text(out, "]");
}
