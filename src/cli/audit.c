/* strongroom audit query|verify. */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "policy/duration.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct sr_field fields[] = {
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

static const struct sr_column columns[] = {
	{ "id", "id", NULL },
	{ "timestamp", "timestamp", NULL },
	{ "event", "event", NULL },
	{ "status", "status", NULL },
	{ "actor", "actor_type", "actor_id" },
	{ "path", "resource_path", NULL },
	{ "reason", "reason", NULL },
};

/* -- query ---------------------------------------------------------------------------------------------------- */
/* Texts are passed on as they are: the vault checks them. */
struct query {
	struct sr_tool *tool;
	struct sr_buf events; /* one a line */
	bool in_events;       /* a word without an option of its own is one more event */
	const char *status;
	const char *path;
	const char *actor;
	const char *ip;
	const char *limit;
	char since[SR_TIME_TEXT];
	char until[SR_TIME_TEXT];
};

enum {
	OPTION_EVENT = 256,
	OPTION_STATUS,
	OPTION_PATH,
	OPTION_ACTOR,
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
	{ "ip", OPTION_IP, "CIDR", 0, "Addresses within", 0 },
	{ "since", OPTION_SINCE, "TIME", 0, "From then on: RFC 3339, or how long ago, as 2h", 0 },
	{ "until", OPTION_UNTIL, "TIME", 0, "Up to then", 0 },
	{ "limit", OPTION_LIMIT, "N", 0, "Only the newest N", 0 },
	{ 0 },
};

static error_t add_event(struct query *query, const char *arg, const struct argp_state *state)
{
	if (strchr(arg, '\n')) {
		sr_usage(state, "an event with a line break is refused");
		return EINVAL;
	}
	if (query->events.len > 0)
		sr_buf_text(&query->events, "\n");
	sr_buf_text(&query->events, arg);
	query->in_events = true;
	return query->events.failed ? ENOMEM : 0;
}

static error_t take_time(char out[SR_TIME_TEXT], const char *arg, const struct argp_state *state)
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
static const char **plain_option(struct query *query, int key)
{
	switch (key) {
	case OPTION_STATUS:
		return &query->status;
	case OPTION_PATH:
		return &query->path;
	case OPTION_ACTOR:
		return &query->actor;
	case OPTION_IP:
		return &query->ip;
	case OPTION_LIMIT:
		return &query->limit;
	default:
		return NULL;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct query *query = state->input;
	const char **plain = plain_option(query, key);
	bool in_events = query->in_events && key == ARGP_KEY_ARG;
	query->in_events = false;
	if (plain) {
		*plain = arg;
		return 0;
	}
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = query->tool;
		return 0;
	case OPTION_SINCE:
		return take_time(query->since, arg, state);
	case OPTION_UNTIL:
		return take_time(query->until, arg, state);
	case ARGP_KEY_ARG:
		if (!in_events)
			sr_usage(state, "'%s' belongs to no option", arg);
		return add_event(query, arg, state);
	case OPTION_EVENT:
		return add_event(query, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void fill_template(struct query *query, struct sr_template *template)
{
	static const CK_OBJECT_CLASS event_class = CKO_SR_EVENT;
	sr_template_class(template, &event_class);
	if (query->events.len > 0)
		sr_template_text(template, CKA_SR_EVENT, sr_buf_string(&query->events));
	sr_template_text(template, CKA_SR_STATUS, query->status);
	sr_template_text(template, CKA_SR_PATH, query->path);
	sr_template_text(template, CKA_SR_ACTOR_ID, query->actor);
	sr_template_text(template, CKA_SR_IP, query->ip);
	sr_template_text(template, CKA_SR_LIMIT, query->limit);
	sr_template_text(template, CKA_SR_SINCE, query->since[0] ? query->since : NULL);
	sr_template_text(template, CKA_SR_UNTIL, query->until[0] ? query->until : NULL);
}

static int run_query(struct query *query)
{
	struct sr_tool *tool = query->tool;
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	fill_template(query, &template);
	exit_code = sr_read_all(tool, &template, fields, sizeof fields / sizeof fields[0], &rows);
	if (exit_code == SR_EXIT_DONE && json_array_size(rows) == 0)
		exit_code = sr_refuse_search(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

int sr_run_audit_query(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Show the events that meet every criterion, oldest first.", sr_global_children, NULL, NULL };
	struct query query = { .tool = tool, .events = SR_BUF_INIT };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &query);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_query(&query);
	sr_buf_clear(&query.events);
	return exit_code;
}

/* -- verify --------------------------------------------------------------------------------------------------- */
static json_int_t number(const json_t *verdict, const char *key)
{
	return json_integer_value(json_object_get(verdict, key));
}

static int put_verdict(const json_t *verdict)
{
	struct sr_buf line = SR_BUF_INIT;
	if (json_is_true(json_object_get(verdict, "ok")))
		sr_buf_printf(&line,
			"audit ok: %" JSON_INTEGER_FORMAT " records, %" JSON_INTEGER_FORMAT
			" checkpoints, %" JSON_INTEGER_FORMAT " records after the last one",
			number(verdict, "records"), number(verdict, "checkpoints"), number(verdict, "tail"));
	else if (number(verdict, "first_bad") > 0)
		sr_buf_printf(&line, "audit NOT ok at record %" JSON_INTEGER_FORMAT ": %s",
			number(verdict, "first_bad"), sr_json_text(verdict, "detail"));
	else
		sr_buf_printf(&line, "audit NOT ok: %s", sr_json_text(verdict, "detail"));
	char *safe = line.failed ? NULL : sr_safe_text(line.data, line.len);
	sr_buf_clear(&line);
	if (!safe)
		return SR_EXIT_FAILED;
	int exit_code = sr_put_bytes(safe, strlen(safe));
	free(safe);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

/* Some of what verification looks for is found earlier, when the vault is opened. */
static bool is_finding(CK_ULONG reason)
{
	static const CK_ULONG findings[] = { SR_REASON_CHAIN_BROKEN, SR_REASON_ROLLED_BACK, SR_REASON_ROW_FORGED,
		SR_REASON_ROW_STALE, SR_REASON_ROW_MISSING };
	for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
		if (findings[i] == reason)
			return true;
	}
	return false;
}

int sr_run_audit_verify(struct sr_tool *tool, int argc, char **argv)
{
	int exit_code = sr_parse_none(tool,
		"Check the audit from its first record to its last: every link of the chain and "
		"every seal. Exit code 6 when something is wrong.",
		argc, argv);
	json_t *verdict = NULL;
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "audit-verify", &verdict);
	if (exit_code != SR_EXIT_DONE)
		return is_finding(tool->reason) ? SR_EXIT_FOUND : exit_code;
	exit_code = tool->json ? sr_put_json(verdict) : put_verdict(verdict);
	if (exit_code == SR_EXIT_DONE && !json_is_true(json_object_get(verdict, "ok")))
		exit_code = SR_EXIT_FOUND;
	json_decref(verdict);
	return exit_code;
}
