#include "cli/events.h"

#include "cli/refusal.h"

#include <stdlib.h>

const struct sr_field sr_event_fields[SR_EVENT_FIELDS] = {
	{ CKA_SR_EVENT_ID, "id", SR_FIELD_NUMBER },
	{ CKA_SR_TIMESTAMP, "timestamp", SR_FIELD_TEXT },
	{ CKA_SR_EVENT, "event", SR_FIELD_TEXT },
	{ CKA_SR_STATUS, "status", SR_FIELD_TEXT },
	{ CKA_SR_ACTOR_TYPE, "actor_type", SR_FIELD_TEXT },
	{ CKA_SR_ACTOR_ID, "actor_id", SR_FIELD_TEXT },
	{ CKA_SR_TOKEN_ID, "token_id", SR_FIELD_TEXT },
	{ CKA_SR_IP, "ip", SR_FIELD_TEXT },
	{ CKA_SR_PEER, "peer", SR_FIELD_TEXT },
	{ CKA_SR_FUNCTION, "function", SR_FIELD_TEXT },
	{ CKA_SR_RV, "rv", SR_FIELD_TEXT },
	{ CKA_SR_REASON, "reason", SR_FIELD_TEXT },
	{ CKA_SR_PATH, "resource_path", SR_FIELD_TEXT },
	{ CKA_SR_RESOURCE_TIER, "resource_tier", SR_FIELD_TEXT },
	{ CKA_SR_VERSION, "version", SR_FIELD_NUMBER },
	{ CKA_SR_METADATA, "metadata", SR_FIELD_OBJECT },
};

static void fill(const struct sr_criteria *criteria, struct sr_template *template)
{
	static const CK_OBJECT_CLASS event_class = CKO_SR_EVENT;
	sr_template_class(template, &event_class);
	sr_template_text(template, CKA_SR_EVENT, criteria->events);
	sr_template_text(template, CKA_SR_STATUS, criteria->status);
	sr_template_text(template, CKA_SR_PATH, criteria->path);
	sr_template_text(template, CKA_SR_ACTOR_ID, criteria->actor);
	sr_template_text(template, CKA_SR_SINCE, criteria->since);
	sr_template_text(template, CKA_SR_UNTIL, criteria->until);
	sr_template_text(template, CKA_SR_LIMIT, criteria->limit);
}

int sr_events_walk(struct sr_tool *tool, const struct sr_criteria *criteria, sr_event_each each, void *ctx)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t count;
	fill(criteria, &template);
	int exit_code = sr_find(tool, &template, &handles, &count);
	if (exit_code == SR_EXIT_DONE && count == 0)
		exit_code = sr_refuse_search(tool);
	for (size_t i = 0; i < count && exit_code == SR_EXIT_DONE; i++) {
		json_t *event;
		exit_code = sr_read_object(tool, handles[i], sr_event_fields, SR_EVENT_FIELDS, &event);
		if (exit_code == SR_EXIT_DONE)
			exit_code = each(event, ctx);
		json_decref(event);
	}
	free(handles);
	return exit_code;
}
