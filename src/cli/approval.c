/* strongroom approval list|show|approve|deny|cancel|break-glass; watch stands in watch.c. */
#include "cli/approval.h"

#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct sr_field sr_approval_fields[SR_APPROVAL_FIELDS] = {
	{ CKA_SR_ID, "id", SR_FIELD_TEXT },
	{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
	{ CKA_SR_KIND, "kind", SR_FIELD_TEXT },
	{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
	{ CKA_SR_PATH, "path", SR_FIELD_TEXT },
	{ CKA_SR_TOKEN_ID, "token_id", SR_FIELD_TEXT },
	{ CKA_SR_SCOPES, "scopes", SR_FIELD_LINES },
	{ CKA_SR_CHANGE, "change", SR_FIELD_TEXT },
	{ CKA_SR_NEEDED, "needed", SR_FIELD_NUMBER },
	{ CKA_SR_HAVE, "have", SR_FIELD_NUMBER },
	{ CKA_SR_VOTES, "votes", SR_FIELD_LINES },
	{ CKA_SR_REQUESTER, "requester", SR_FIELD_TEXT },
	{ CKA_SR_OWNER, "owner", SR_FIELD_TEXT },
	{ CKA_SR_REASON, "reason", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_NOT_BEFORE, "not_before", SR_FIELD_TEXT },
	{ CKA_SR_EXPIRES_AT, "expires_at", SR_FIELD_TEXT },
	{ CKA_SR_DECIDED_BY, "decided_by", SR_FIELD_TEXT },
	{ CKA_SR_DECISION, "decision", SR_FIELD_TEXT },
	{ CKA_SR_BREAK_GLASS, "break_glass", SR_FIELD_FLAG },
};

const CK_OBJECT_CLASS sr_approval_class = CKO_SR_APPROVAL;

static void template_id(struct sr_template *template, const char *id)
{
	sr_template_class(template, &sr_approval_class);
	sr_template_text(template, CKA_SR_ID, id);
}

int sr_approval_find(struct sr_tool *tool, const char *id, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	template_id(&template, id);
	return sr_find_one(tool, &template, id, handle);
}

/* Times of one form compare as texts do. */
bool sr_approval_open(const json_t *request)
{
	struct sr_now now;
	char text[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms, text);
	const char *state = sr_json_text(request, "state");
	return strcmp(state, "pending") == 0 ||
	       (strcmp(state, "approved") == 0 && strcmp(sr_json_text(request, "not_before"), text) > 0);
}

char *sr_approval_line(const json_t *request)
{
	struct sr_buf line = SR_BUF_INIT;
	const char *path = sr_json_text(request, "path"), *token = sr_json_text(request, "token_id");
	const char *reason = sr_json_text(request, "reason"), *decision = sr_json_text(request, "decision");
	sr_buf_printf(&line, "%s  %s  %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "  %s %s %s by %s",
		sr_json_text(request, "id"),
		json_is_true(json_object_get(request, "break_glass")) ? "glass broken" : sr_json_text(request, "state"),
		json_integer_value(json_object_get(request, "have")),
		json_integer_value(json_object_get(request, "needed")), sr_json_text(request, "tier"),
		sr_json_text(request, "kind"), token[0] ? token : path, sr_json_text(request, "requester"));
	if (reason[0])
		sr_buf_printf(&line, ": %s", reason);
	if (decision[0])
		sr_buf_printf(&line, " (%s: %s)", sr_json_text(request, "decided_by"), decision);
	char *safe = line.failed ? NULL : sr_safe_text(line.data, line.len);
	sr_buf_clear(&line);
	return safe;
}

/* -- list ------------------------------------------------------------------------------------------------------ */
struct listing {
	struct sr_tool *tool;
	bool all;
};

enum { OPTION_ALL = 256, OPTION_REASON };

static const struct argp_option list_options[] = {
	{ "all", OPTION_ALL, NULL, 0, "Decided and ended ones as well", 0 },
	{ 0 },
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct listing *listing = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = listing->tool;
		return 0;
	case OPTION_ALL:
		listing->all = true;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void keep_open(json_t *rows)
{
	for (size_t i = json_array_size(rows); i-- > 0;) {
		if (!sr_approval_open(json_array_get(rows, i)))
			json_array_remove(rows, i);
	}
}

int sr_run_approval_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { list_options, parse_list, NULL,
		"List the requests that are open: pending, or approved and not in effect yet.", sr_global_children,
		NULL, NULL };
	static const struct sr_column columns[] = {
		{ "id", "id", NULL },
		{ "state", "state", NULL },
		{ "have", "have", NULL },
		{ "needed", "needed", NULL },
		{ "tier", "tier", NULL },
		{ "kind", "kind", NULL },
		{ "path", "path", NULL },
		{ "requester", "requester", NULL },
		{ "expires_at", "expires_at", NULL },
		{ "reason", "reason", NULL },
	};
	struct listing listing = { .tool = tool };
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_parse(&argp, argc, argv, 0, &listing);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &sr_approval_class);
	exit_code = sr_read_all(tool, &template, sr_approval_fields, SR_APPROVAL_FIELDS, &rows);
	if (!listing.all)
		keep_open(rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

/* -- show and decide ------------------------------------------------------------------------------------------- */
/** struct decision: STATE is what CKA_SR_STATE is set to, NULL: it is only shown. NEEDS_REASON: not without --reason.
 */
struct decision {
	struct sr_tool *tool;
	const char *state;
	bool needs_reason;
	const char *id;
	const char *reason;
};

static const struct argp_option reason_options[] = {
	{ "reason", OPTION_REASON, "TEXT", 0, "Why; it stands in the audit", 0 },
	{ 0 },
};

static error_t parse_decision(int key, char *arg, struct argp_state *state)
{
	struct decision *decision = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = decision->tool;
		return 0;
	case OPTION_REASON:
		decision->reason = arg;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&decision->id, arg, state);
	case ARGP_KEY_END:
		if (!decision->id)
			sr_usage(state, "ID is missing; `strongroom approval list' shows them");
		if (decision->needs_reason && !decision->reason)
			sr_usage(state, "--reason is missing");
		if (decision->reason && decision->reason[0] == '\0')
			sr_usage(state, "an empty reason is none");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int set_state(const struct decision *decision, CK_OBJECT_HANDLE handle)
{
	struct sr_template template = { .count = 0 };
	sr_template_text(&template, CKA_SR_STATE, decision->state);
	sr_template_text(&template, CKA_SR_DECISION, decision->reason);
	struct sr_tool *tool = decision->tool;
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, template.items, template.count);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

static int show_line(const json_t *request)
{
	char *line = sr_approval_line(request);
	int exit_code = line ? sr_put_bytes(line, strlen(line)) : SR_EXIT_FAILED;
	free(line);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

/* Finds the request, decides it where that is asked for, and shows it as it is then. */
static int run_decision(struct decision *decision, const struct argp *argp, int argc, char **argv)
{
	struct sr_tool *tool = decision->tool;
	CK_OBJECT_HANDLE handle;
	json_t *request = NULL;
	int exit_code = sr_parse(argp, argc, argv, 0, decision);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_approval_find(tool, decision->id, &handle);
	if (exit_code == SR_EXIT_DONE && decision->state)
		exit_code = set_state(decision, handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, sr_approval_fields, SR_APPROVAL_FIELDS, &request);
	if (exit_code == SR_EXIT_DONE && !tool->json && decision->state)
		exit_code = show_line(request);
	else if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(request) : sr_put_pairs(request);
	json_decref(request);
	return exit_code;
}

int sr_run_approval_show(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_decision, "ID", "Show all about one request.", sr_global_children,
		NULL, NULL };
	struct decision decision = { .tool = tool };
	return run_decision(&decision, &argp, argc, argv);
}

int sr_run_approval_approve(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { reason_options, parse_decision, "ID",
		"Give your approval. Nobody approves what they, or their tokens and agents, have asked for.",
		sr_global_children, NULL, NULL };
	struct decision decision = { .tool = tool, .state = "approved" };
	return run_decision(&decision, &argp, argc, argv);
}

int sr_run_approval_deny(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { reason_options, parse_decision, "ID --reason TEXT",
		"Deny a request: while it is pending, and while its delay runs.", sr_global_children, NULL, NULL };
	struct decision decision = { .tool = tool, .state = "denied", .needs_reason = true };
	return run_decision(&decision, &argp, argc, argv);
}

int sr_run_approval_cancel(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { reason_options, parse_decision, "ID",
		"Take a request back: while it is pending, and while its delay runs.", sr_global_children, NULL, NULL };
	struct decision decision = { .tool = tool, .state = "canceled" };
	return run_decision(&decision, &argp, argc, argv);
}

int sr_run_approval_break_glass(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { reason_options, parse_decision, "ID --reason TEXT",
		"Approve alone, in an emergency, where the policy allows it to an admin. It lasts an hour at most, and "
		"every member hears of it.",
		sr_global_children, NULL, NULL };
	struct decision decision = { .tool = tool, .state = "broken_glass", .needs_reason = true };
	return run_decision(&decision, &argp, argc, argv);
}
