/* The names of audit events and of what became of them. */
#include "store/event.h"

#include <string.h>

#define EVENT_NAME(constant, name) [SR_EVENT_##constant] = name,
static const char *const event_names[SR_EVENT_COUNT] = { SR_EVENTS(EVENT_NAME) };
#undef EVENT_NAME

static const char *const status_names[] = {
	[SR_STATUS_ALLOWED] = "allowed",
	[SR_STATUS_DENIED] = "denied",
	[SR_STATUS_ERROR] = "error",
};

const char *sr_event_name(enum sr_event_kind kind)
{
	return (unsigned)kind < SR_EVENT_COUNT ? event_names[kind] : "unknown";
}

bool sr_event_parse(const char *name, enum sr_event_kind *kind)
{
	for (unsigned i = 0; i < SR_EVENT_COUNT; i++) {
		if (strcmp(name, event_names[i]) == 0) {
			*kind = (enum sr_event_kind)i;
			return true;
		}
	}
	return false;
}

const char *sr_status_name(enum sr_status status)
{
	return (unsigned)status < sizeof status_names / sizeof status_names[0] ? status_names[status] : "unknown";
}
