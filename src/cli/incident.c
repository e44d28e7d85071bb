/* strongroom incident respond|release|list. */
#include "cli/incident.h"

#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "policy/duration.h"
#include "policy/path.h"
#include "util/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_S (24u * 60 * 60)

static const CK_OBJECT_CLASS freeze_class = CKO_SR_FREEZE;

/* What the parsers fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	const char *reason;
	const char *file;
	const char *out;
	uint64_t window; /* seconds */
};

enum { OPTION_FILE = 256, OPTION_OUT, OPTION_REASON, OPTION_WINDOW };

static error_t take_text(const char **slot, const char *name, const char *arg, const struct argp_state *state)
{
	if (arg[0] == '\0')
		sr_usage(state, "--%s is empty", name);
	*slot = arg;
	return 0;
}

static error_t take_path(struct request *request, const char *arg, const struct argp_state *state)
{
	const char *why = sr_path_why(arg, strlen(arg));
	if (why)
		sr_usage(state, "bad path: %s", why);
	return sr_take_one(&request->path, arg, state);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_REASON:
		return take_text(&request->reason, "reason", arg, state);
	case ARGP_KEY_ARG:
		return take_path(request, arg, state);
	case ARGP_KEY_END:
		if (!request->path)
			sr_usage(state, "PATH is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- respond --------------------------------------------------------------------------------------------------- */

static const struct argp_option respond_options[] = {
	{ "file", OPTION_FILE, "FILE", 0, "The new value; without it the secret is deleted", 0 },
	{ "out", OPTION_OUT, "DIR", 0, "Write the history as CSV, and a readable report, to DIR", 0 },
	{ "reason", OPTION_REASON, "TEXT", 0, "What is suspected; the audit keeps it", 0 },
	{ "window", OPTION_WINDOW, "DURATION", 0, "How far to look for what the readers did elsewhere (default: 24h)",
		0 },
	{ 0 },
};

static error_t parse_respond(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case OPTION_FILE:
		return take_text(&request->file, "file", arg, state);
	case OPTION_OUT:
		return take_text(&request->out, "out", arg, state);
	case OPTION_WINDOW:
		if (!sr_duration_parse(arg, strlen(arg), &request->window))
			sr_usage(state, "--window '%s' is no duration; give a number and one of s, m, h, d, as 24h",
				arg);
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

static const char *state_word(int exit_code)
{
	switch (exit_code) {
	case SR_EXIT_DONE:
		return "done";
	case SR_EXIT_NOT_FOUND:
		return "nothing";
	case SR_EXIT_DENIED:
		return "refused";
	default:
		return "failed";
	}
}

static void put_step(const char *step, const char *state, const char *detail, const json_t *items)
{
	struct sr_buf line = SR_BUF_INIT;
	sr_buf_printf(&line, "%-9s %-8s %s", step, state, detail);
	for (size_t i = 0; i < json_array_size(items); i++)
		sr_buf_printf(&line, "%s %s", i ? "," : ":", json_string_value(json_array_get(items, i)));
	char *safe = line.failed ? NULL : sr_safe_text(line.data, line.len);
	if (safe && sr_put_bytes(safe, strlen(safe)) == SR_EXIT_DONE)
		sr_put_bytes("\n", 1);
	free(safe);
	sr_buf_clear(&line);
}

void sr_incident_step(
	struct sr_incident *incident, const char *step, int exit_code, json_t *items, const char *format, ...)
{
	char detail[256];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	const char *state = state_word(exit_code);
	if (!incident->tool->json)
		put_step(step, state, detail, items);
	json_t *entry = json_pack("{s:s, s:s, s:s, s:o}", "step", step, "state", state, "detail", detail, "items",
		items ? items : json_array());
	json_array_append_new(json_object_get(incident->report, "steps"), entry);
	if (exit_code != SR_EXIT_DONE && exit_code != SR_EXIT_NOT_FOUND && incident->exit_code == SR_EXIT_DONE)
		incident->exit_code = exit_code;
}

static void fill(struct sr_incident *incident, const struct request *request)
{
	struct sr_now now;
	char at[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms, at);
	sr_text_time(now.wall_ms - (int64_t)request->window * 1000, incident->since);
	incident->report = json_pack("{s:s, s:s, s:s, s:s, s:[], s:{}, s:{}, s:[]}", "path", request->path, "reason",
		request->reason, "at", at, "window_from", incident->since, "steps", "history", "elsewhere", "files");
}

static int respond(const struct request *request)
{
	struct sr_incident incident = { .tool = request->tool,
		.path = request->path,
		.reason = request->reason,
		.file = request->file,
		.out = request->out,
		.dir = -1,
		.csv = -1 };
	fill(&incident, request);
	int exit_code = sr_incident_open(&incident); /* whoever cannot write the report hears it before, not after */
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_incident_contain(&incident);
	if (exit_code == SR_EXIT_DONE) {
		sr_incident_look(&incident);
		sr_incident_write(&incident);
		exit_code = incident.exit_code;
		int written = request->tool->json ? sr_put_json(incident.report) : SR_EXIT_DONE;
		exit_code = exit_code == SR_EXIT_DONE ? written : exit_code;
	}
	sr_incident_close(&incident);
	json_decref(incident.report);
	return exit_code;
}

int sr_run_incident_respond(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { respond_options, parse_respond, "PATH",
		"A value or key is out: freeze its path, suspend the agents, revoke the tokens and cancel the requests "
		"that reach it, replace or delete the secret, then tell who had it. Safe to run again; `incident "
		"release' ends it.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .reason = "suspected compromise", .window = WINDOW_S };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	return exit_code == SR_EXIT_DONE ? respond(&request) : exit_code;
}

/* -- release --------------------------------------------------------------------------------------------------- */

static const struct argp_option release_options[] = {
	{ "reason", OPTION_REASON, "TEXT", 0, "Why it may be used again; the audit keeps it", 0 },
	{ 0 },
};

static int release(const struct request *request)
{
	static const char released[] = "released";
	struct sr_tool *tool = request->tool;
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	sr_template_class(&template, &freeze_class);
	sr_template_text(&template, CKA_SR_PATH, request->path);
	int exit_code = sr_find_one(tool, &template, request->path, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	CK_ATTRIBUTE changes[] = { { CKA_SR_STATE, (void *)released, strlen(released) },
		{ CKA_SR_REASON, (void *)request->reason, strlen(request->reason) } };
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, changes, 2);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_run_incident_release(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { release_options, parse_common, "PATH --reason TEXT",
		"Let the path be used again, with the approvals of its tier; repeat the command when they are given. "
		"Agents stay suspended until `agent resume', tokens stay revoked.",
		sr_global_children, NULL, NULL };
	const struct argp_state state = { .name = argv[0] };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE && !request.reason)
		sr_usage(&state, "--reason is missing");
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = release(&request);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%s is released", request.path);
	json_t *object = tool->json ? json_pack("{s:s, s:s}", "path", request.path, "state", "released") : NULL;
	if (object)
		exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}

/* -- list ------------------------------------------------------------------------------------------------------ */

int sr_run_incident_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct sr_field fields[] = {
		{ CKA_SR_PATH, "path", SR_FIELD_TEXT },
		{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
		{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
		{ CKA_SR_CREATED_AT, "frozen_at", SR_FIELD_TEXT },
		{ CKA_SR_ISSUER, "frozen_by", SR_FIELD_TEXT },
		{ CKA_SR_REASON, "reason", SR_FIELD_TEXT },
	};
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "tier", "tier", NULL },
		{ "frozen_at", "frozen_at", NULL },
		{ "frozen_by", "frozen_by", NULL },
		{ "reason", "reason", NULL },
	};
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_parse_none(tool, "List the paths that are frozen.", argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &freeze_class);
	exit_code = sr_read_all(tool, &template, fields, sizeof fields / sizeof fields[0], &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}
