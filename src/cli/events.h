/* Audit events as JSON, one at a time: what reads many of them keeps none. */
#ifndef SR_CLI_EVENTS_H
#define SR_CLI_EVENTS_H

#include "cli/objects.h"

#define SR_EVENT_FIELDS 16
extern const struct sr_field sr_event_fields[SR_EVENT_FIELDS];

/** struct sr_criteria: what events must meet; the texts as the vault takes them, NULL asks nothing. EVENTS: any of
 * them, one a line; PATH: a glob; SINCE, UNTIL: RFC 3339; LIMIT: only the newest. */
struct sr_criteria {
	const char *events, *status, *path, *actor, *since, *until, *limit;
};

/** sr_event_each: an event, keys as `audit query --json' has them; an exit code other than SR_EXIT_DONE ends the walk.
 */
typedef int (*sr_event_each)(const json_t *event, void *ctx);

/** sr_events_walk(tool, criteria, each, ctx): every event that meets CRITERIA, oldest first. Who may not read the audit
 *  is SR_EXIT_DENIED, and the line is said. */
int sr_events_walk(struct sr_tool *tool, const struct sr_criteria *criteria, sr_event_each each, void *ctx);

#endif
