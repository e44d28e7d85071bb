/* The criteria of `audit query`, `export` and `tail`, from the command line into a template. */
#include "cli/filter.h"

#include "policy/duration.h"
#include "util/clock.h"

#include <errno.h>
#include <string.h>

enum {
	OPTION_EVENT = 256,
	OPTION_STATUS,
	OPTION_PATH,
	OPTION_ACTOR,
	OPTION_TOKEN,
	OPTION_TIER,
	OPTION_IP,
	OPTION_LIMIT,
	OPTION_SINCE,
	OPTION_UNTIL,
};

static const struct argp_option options[] = {
	{ "event", OPTION_EVENT, "EVENT...", 0, "Any of these, as secret.read", 0 },
	{ "status", OPTION_STATUS, "STATUS", 0, "allowed, denied or error", 0 },
	{ "path", OPTION_PATH, "GLOB", 0, "Paths that match, as production/*", 0 },
	{ "actor", OPTION_ACTOR, "ID", 0, "A member's name or a token's id", 0 },
	{ "token", OPTION_TOKEN, "ID", 0, "A token's id, as t-abcdefghijklmnop", 0 },
	{ "tier", OPTION_TIER, "TIER", 0, "standard, sensitive or critical", 0 },
	{ "ip", OPTION_IP, "CIDR", 0, "Addresses within", 0 },
	{ "since", OPTION_SINCE, "TIME", 0, "From then on: RFC 3339, or how long ago, as 2h", 0 },
	{ "until", OPTION_UNTIL, "TIME", 0, "Up to then", 0 },
	{ "limit", OPTION_LIMIT, "N", 0, "Only the newest N", 0 },
	{ 0 },
};

static error_t add_event(struct sr_filter *filter, const char *arg, const struct argp_state *state)
{
	if (strchr(arg, '\n')) {
		sr_usage(state, "an event with a line break is refused");
		return EINVAL;
	}
	if (filter->events.len > 0)
		sr_buf_text(&filter->events, "\n");
	sr_buf_text(&filter->events, arg);
	filter->in_events = true;
	return filter->events.failed ? ENOMEM : 0;
}

error_t sr_take_time(char out[SR_TIME_TEXT], const char *arg, const struct argp_state *state)
{
	int64_t ms;
	uint64_t seconds;
	struct sr_now now;
	if (sr_duration_parse(arg, strlen(arg), &seconds)) {
		sr_clock_now(&now);
		ms = now.wall_ms - (int64_t)seconds * 1000;
	} else if (!sr_text_parse_time(arg, &ms)) {
		sr_usage(state, "'%s' is no time; give RFC 3339, as 2026-01-31T12:00:00Z, or how long ago, as 2h", arg);
		return EINVAL;
	}
	sr_text_time(ms, out);
	return 0;
}

/* Where an option's text goes as it is; NULL for the others. */
static const char **plain_option(struct sr_filter *filter, int key)
{
	switch (key) {
	case OPTION_STATUS:
		return &filter->status;
	case OPTION_PATH:
		return &filter->path;
	case OPTION_ACTOR:
		return &filter->actor;
	case OPTION_TOKEN:
		return &filter->token;
	case OPTION_TIER:
		return &filter->tier;
	case OPTION_IP:
		return &filter->ip;
	case OPTION_LIMIT:
		return &filter->limit;
	default:
		return NULL;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct sr_filter *filter = state->input;
	const char **plain = plain_option(filter, key);
	bool in_events = filter && filter->in_events && key == ARGP_KEY_ARG;
	if (filter)
		filter->in_events = in_events;
	if (plain) {
		*plain = arg;
		return 0;
	}
	switch (key) {
	case OPTION_SINCE:
		return sr_take_time(filter->since, arg, state);
	case OPTION_UNTIL:
		return sr_take_time(filter->until, arg, state);
	case ARGP_KEY_ARG:
		if (!in_events)
			sr_usage(state, "'%s' belongs to no option", arg);
		return add_event(filter, arg, state);
	case OPTION_EVENT:
		return add_event(filter, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp sr_filter_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

void sr_filter_fill(struct sr_filter *filter, struct sr_template *template)
{
	if (filter->events.len > 0)
		sr_template_text(template, CKA_SR_EVENT, sr_buf_string(&filter->events));
	sr_template_text(template, CKA_SR_STATUS, filter->status);
	sr_template_text(template, CKA_SR_PATH, filter->path);
	sr_template_text(template, CKA_SR_ACTOR_ID, filter->actor);
	sr_template_text(template, CKA_SR_TOKEN_ID, filter->token);
	sr_template_text(template, CKA_SR_RESOURCE_TIER, filter->tier);
	sr_template_text(template, CKA_SR_IP, filter->ip);
	sr_template_text(template, CKA_SR_LIMIT, filter->limit);
	sr_template_text(template, CKA_SR_SINCE, filter->since[0] ? filter->since : NULL);
	sr_template_text(template, CKA_SR_UNTIL, filter->until[0] ? filter->until : NULL);
}

void sr_filter_clear(struct sr_filter *filter)
{
	sr_buf_clear(&filter->events);
}
