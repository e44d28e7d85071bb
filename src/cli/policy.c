/* strongroom policy set|list|delete; lint stands in lint.c. */
#include "cli/policy.h"

#include "cli/output.h"
#include "cli/session.h"
#include "policy/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sr_field fields[] = {
	{ CKA_SR_PATH, "path", SR_FIELD_TEXT },
	{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
	{ CKA_SR_APPROVALS, "approvals", SR_FIELD_NUMBER },
	{ CKA_SR_DELAY, "delay", SR_FIELD_NUMBER },
	{ CKA_SR_TIMEOUT, "timeout", SR_FIELD_NUMBER },
	{ CKA_SR_BREAK_GLASS, "break_glass", SR_FIELD_FLAG },
	{ CKA_SR_EACH_USE, "each_use", SR_FIELD_FLAG },
	{ CKA_SR_ISSUER, "issuer", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_UPDATED_AT, "updated_at", SR_FIELD_TEXT },
};

static const CK_OBJECT_CLASS policy_class = CKO_SR_POLICY;

#define SECONDS_TEXT 24

/** struct request: what the parsers fill. Texts are passed on as they are, but for the durations: the vault checks
 * them. What is "" or NULL was not given. */
struct request {
	struct sr_tool *tool;
	const char *glob;
	const char *tier;
	const char *approvals;
	char delay[SECONDS_TEXT];
	char timeout[SECONDS_TEXT];
	bool break_glass;
	bool each_use;
};

enum { OPTION_TIER = 256, OPTION_APPROVALS, OPTION_DELAY, OPTION_TIMEOUT, OPTION_BREAK_GLASS, OPTION_EACH_USE };

static error_t take_duration(char *out, const char *name, const char *arg, const struct argp_state *state)
{
	uint64_t seconds;
	if (!sr_duration_parse(arg, strlen(arg), &seconds)) {
		sr_usage(state, "--%s '%s' is no duration; give a number and one of s, m, h, d, as 30m", name, arg);
		return EINVAL;
	}
	snprintf(out, SECONDS_TEXT, "%" PRIu64, seconds);
	return 0;
}

/* An empty one is a variable that was not set. */
static error_t take_text(const char **slot, const char *name, const char *arg, const struct argp_state *state)
{
	if (arg[0] == '\0') {
		sr_usage(state, "--%s is empty", name);
		return EINVAL;
	}
	*slot = arg;
	return 0;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_TIER:
		return take_text(&request->tier, "tier", arg, state);
	case ARGP_KEY_ARG:
		return sr_take_one(&request->glob, arg, state);
	case ARGP_KEY_END:
		if (!request->glob || request->glob[0] == '\0')
			sr_usage(state, "GLOB is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- set ------------------------------------------------------------------------------------------------------- */
static const struct argp_option set_options[] = {
	{ "tier", OPTION_TIER, "TIER", 0, "standard, sensitive or critical", 0 },
	{ "approvals", OPTION_APPROVALS, "N", 0,
		"How many members must approve (default: the tier's; critical must say it)", 0 },
	{ "delay", OPTION_DELAY, "DURATION", 0, "From the last approval to the effect (default: the tier's)", 0 },
	{ "timeout", OPTION_TIMEOUT, "DURATION", 0, "Until an undecided request ends (default: 1h)", 0 },
	{ "break-glass", OPTION_BREAK_GLASS, NULL, 0, "One admin may decide alone, in an emergency", 0 },
	{ "each-use", OPTION_EACH_USE, NULL, 0, "A fresh approval for each use of a private key", 0 },
	{ 0 },
};

static error_t parse_set(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case OPTION_APPROVALS:
		return take_text(&request->approvals, "approvals", arg, state);
	case OPTION_DELAY:
		return take_duration(request->delay, "delay", arg, state);
	case OPTION_TIMEOUT:
		return take_duration(request->timeout, "timeout", arg, state);
	case OPTION_BREAK_GLASS:
		request->break_glass = true;
		return 0;
	case OPTION_EACH_USE:
		request->each_use = true;
		return 0;
	case ARGP_KEY_END:
		if (!request->tier)
			sr_usage(state, "--tier is missing");
		return parse_common(key, arg, state);
	default:
		return parse_common(key, arg, state);
	}
}

static int set_policy(const struct request *request, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &policy_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_PATH, request->glob);
	sr_template_text(&template, CKA_SR_TIER, request->tier);
	sr_template_text(&template, CKA_SR_APPROVALS, request->approvals);
	sr_template_text(&template, CKA_SR_DELAY, request->delay[0] ? request->delay : NULL);
	sr_template_text(&template, CKA_SR_TIMEOUT, request->timeout[0] ? request->timeout : NULL);
	sr_template_text(&template, CKA_SR_BREAK_GLASS, request->break_glass ? "true" : "false");
	sr_template_text(&template, CKA_SR_EACH_USE, request->each_use ? "true" : "false");
	return sr_create(request->tool, &template, handle);
}

int sr_run_policy_set(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { set_options, parse_set, "GLOB --tier TIER",
		"Say what tokens need that reach secrets and keys of TIER under GLOB, in place of what was said "
		"before. It "
		"changes no secret's tier. What is looser than before waits for the approvals that hold now; repeat "
		"the "
		"command when they are given.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	json_t *policy = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = set_policy(&request, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, fields, sizeof fields / sizeof fields[0], &policy);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(policy) : sr_put_pairs(policy);
	json_decref(policy);
	return exit_code;
}

/* -- list ------------------------------------------------------------------------------------------------------ */
int sr_policy_read(struct sr_tool *tool, json_t **rows)
{
	struct sr_template template;
	sr_template_class(&template, &policy_class);
	return sr_read_all(tool, &template, fields, sizeof fields / sizeof fields[0], rows);
}

int sr_run_policy_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "tier", "tier", NULL },
		{ "approvals", "approvals", NULL },
		{ "delay", "delay", NULL },
		{ "timeout", "timeout", NULL },
		{ "break_glass", "break_glass", NULL },
		{ "each_use", "each_use", NULL },
		{ "issuer", "issuer", NULL },
		{ "updated_at", "updated_at", NULL },
	};
	json_t *rows;
	int exit_code = sr_parse_none(tool,
		"List the policies. Where there is none, sensitive needs one approval, critical two and a delay of 5 "
		"minutes.",
		argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = sr_policy_read(tool, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

/* -- delete ---------------------------------------------------------------------------------------------------- */
static const struct argp_option delete_options[] = {
	{ "tier", OPTION_TIER, "TIER", 0, "Only the policy for this tier", 0 },
	{ 0 },
};

/* Every tier is tried, whatever happened to the one before; the first failure is the answer. */
static int delete_policies(const struct request *request)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t count;
	sr_template_class(&template, &policy_class);
	sr_template_text(&template, CKA_SR_PATH, request->glob);
	sr_template_text(&template, CKA_SR_TIER, request->tier);
	int first = sr_find(request->tool, &template, &handles, &count);
	if (first == SR_EXIT_DONE && count == 0)
		first = sr_not_found(request->tool, request->glob);
	for (size_t i = 0; i < count; i++) {
		int exit_code = sr_destroy(request->tool, handles[i]);
		if (first == SR_EXIT_DONE)
			first = exit_code;
	}
	free(handles);
	return first;
}

int sr_run_policy_delete(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { delete_options, parse_common, "GLOB",
		"Delete the policies of GLOB, or the one for a tier. Where that loosens something, it waits for the "
		"approvals that hold now; repeat the command when they are given.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	return exit_code == SR_EXIT_DONE ? delete_policies(&request) : exit_code;
}
