/* strongroom audit tail: the records as they come, to standard output or to a command, none of them lost. */
#include "cli/command.h"
#include "cli/filter.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_MAX_S 30

/** struct tail: AFTER is the last record that was given away; "" before the beginning. ID: the record of the reading
 * that goes on; "" where one has to begin. PAUSE_S grows with each trouble. GONE:
 * nobody reads standard output any more. */
struct tail {
	struct sr_tool *tool;
	struct sr_filter filter;
	const char *command;
	char id[24], after[24];
	unsigned pause_s;
	bool gone;
};

/* -- the command line ------------------------------------------------------------------------------------------ */
enum { OPTION_EXEC = 256, OPTION_AFTER };

static const struct argp_option options[] = {
	{ "exec", OPTION_EXEC, "COMMAND", 0,
		"Run COMMAND with the new records on its standard input, one JSON object a line; those that it "
		"fails at are given again",
		0 },
	{ "after", OPTION_AFTER, "ID", 0, "Begin behind this record (default: with what happens from now on)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct tail *tail = state->input;
	uint64_t number;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = tail->tool;
		state->child_inputs[1] = &tail->filter;
		return 0;
	case OPTION_EXEC:
		if (arg[0] == '\0')
			sr_usage(state, "--exec names no command");
		tail->command = arg;
		return 0;
	case OPTION_AFTER:
		if (!sr_text_u64(arg, strlen(arg), INT64_MAX / 2, &number))
			sr_usage(state, "'%s' is no number of a record", arg);
		snprintf(tail->after, sizeof tail->after, "%" PRIu64, number);
		return 0;
	case ARGP_KEY_END:
		if (tail->filter.limit)
			sr_usage(state, "--limit is for what is there already; a tail goes on");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- giving away ----------------------------------------------------------------------------------------------- */
static int put_line(const char *line, size_t len)
{
	struct sr_buf text = SR_BUF_INIT;
	json_t *event = sr_load_object(line, len);
	if (!event)
		return SR_EXIT_FAILED;
	sr_buf_printf(&text, "%" JSON_INTEGER_FORMAT " %s %s %s %s:%s %s %s",
		json_integer_value(json_object_get(event, "id")), sr_json_text(event, "timestamp"),
		sr_json_text(event, "event"), sr_json_text(event, "status"), sr_json_text(event, "actor_type"),
		sr_json_text(event, "actor_id"), sr_json_text(event, "resource_path"), sr_json_text(event, "reason"));
	json_decref(event);
	char *safe = text.failed ? NULL : sr_safe_text(text.data, text.len);
	sr_buf_clear(&text);
	int exit_code = safe ? sr_put_bytes(safe, strlen(safe)) : SR_EXIT_FAILED;
	free(safe);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

static int put_lines(const struct tail *tail, const char *text)
{
	if (tail->tool->json)
		return sr_put_bytes(text, strlen(text));
	int exit_code = SR_EXIT_DONE;
	while (*text && exit_code == SR_EXIT_DONE) {
		size_t len = strcspn(text, "\n");
		exit_code = put_line(text, len);
		text += len + (text[len] == '\n');
	}
	return exit_code;
}

static void pause_for(unsigned seconds)
{
	struct timespec left = { .tv_sec = seconds };
	while (!sr_stop && nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* Each trouble makes the next pause longer. */
static void back_off(struct tail *tail)
{
	tail->pause_s = tail->pause_s == 0 ? 1 : 2 * tail->pause_s;
	if (tail->pause_s > PAUSE_MAX_S)
		tail->pause_s = PAUSE_MAX_S;
	pause_for(tail->pause_s);
}

/* A command gets the same records until it has taken them; standard output that is gone is the end. */
static int give(struct tail *tail, const char *text)
{
	if (!text[0])
		return SR_EXIT_DONE;
	if (!tail->command) {
		int exit_code = put_lines(tail, text);
		tail->gone = exit_code != SR_EXIT_DONE;
		return exit_code;
	}
	while (!sr_stop && !sr_command_feed(tail->command, text, strlen(text), &sr_stop)) {
		if (sr_stop)
			break;
		sr_complain("audit tail: the records after %s are given again", tail->after);
		back_off(tail);
	}
	tail->pause_s = 0;
	return SR_EXIT_DONE;
}

/* -- the vault ------------------------------------------------------------------------------------------------- */
static void take_number(char out[24], const json_t *object, const char *name)
{
	snprintf(out, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(object, name)));
}

/* Who goes on behind a record that was removed misses some. */
static void say_removed(const struct tail *tail, json_int_t first)
{
	long long after = strtoll(tail->after, NULL, 10);
	if (after + 1 < first)
		sr_complain(
			"audit tail: the records before %" JSON_INTEGER_FORMAT " were removed from the vault", first);
}

static int begin(struct tail *tail)
{
	struct sr_template template;
	json_t *result = NULL;
	sr_template_job(&template, "audit-tail");
	sr_filter_fill(&tail->filter, &template);
	int exit_code = sr_run_job_with(tail->tool, &template, &result);
	if (exit_code == SR_EXIT_DONE) {
		take_number(tail->id, result, "id");
		if (!tail->after[0])
			take_number(tail->after, result, "after");
		say_removed(tail, json_integer_value(json_object_get(result, "first")));
	}
	json_decref(result);
	return exit_code;
}

/* MORE: what came was a part of what there is. */
static int follow(struct tail *tail, bool *more)
{
	struct sr_template template;
	json_t *page = NULL;
	char after[24];
	*more = false;
	sr_template_job(&template, "audit-tail");
	sr_template_text(&template, CKA_SR_EVENT_ID, tail->id);
	sr_template_text(&template, CKA_SR_AFTER, tail->after);
	int exit_code = sr_run_job_with(tail->tool, &template, &page);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	take_number(after, page, "after");
	exit_code = give(tail, sr_json_text(page, "text"));
	json_decref(page);
	if (exit_code != SR_EXIT_DONE || sr_stop)
		return exit_code;
	*more = strcmp(after, tail->after) != 0;
	memcpy(tail->after, after, sizeof after);
	return SR_EXIT_DONE;
}

/* -- trouble --------------------------------------------------------------------------------------------------- */
/* Where the PIN can be had again without a person. */
static bool logs_in_again(const struct sr_tool *tool)
{
	return (tool->token_flags & CKF_PROTECTED_AUTHENTICATION_PATH) || tool->pin_file ||
	       getenv("STRONGROOM_PIN_FILE") || getenv("STRONGROOM_PIN");
}

/* It has been said what was refused. A tail that ends says where it was, so that the next can go on there. */
static int end(const struct tail *tail, int exit_code)
{
	if (tail->after[0])
		sr_complain("audit tail: ended; --after %s goes on here", tail->after);
	return exit_code;
}

/* CKR_OK for the next try. What cannot get better by waiting ends it. */
static int recover(struct tail *tail, int exit_code)
{
	struct sr_tool *tool = tail->tool;
	if (tool->reason == SR_REASON_NOT_FOUND) { /* a day is over, or the vault is another: begin again */
		tail->id[0] = '\0';
		return SR_EXIT_DONE;
	}
	if (tail->gone || exit_code == SR_EXIT_USAGE || tool->reason == SR_REASON_ROLE_NOT_ALLOWED)
		return end(tail, exit_code);
	if (exit_code == SR_EXIT_DENIED && !logs_in_again(tool))
		return end(tail, exit_code);
	back_off(tail);
	if ((exit_code == SR_EXIT_DENIED || !tool->has_session) && !sr_stop) {
		sr_tool_close(tool);
		exit_code = sr_tool_open(tool);
		tail->id[0] = '\0';
		return exit_code == SR_EXIT_FAILED ? SR_EXIT_DONE : exit_code;
	}
	return SR_EXIT_DONE;
}

static int run_tail(struct tail *tail)
{
	int exit_code = SR_EXIT_DONE;
	bool more = false;
	while (exit_code == SR_EXIT_DONE && !sr_stop) {
		tail->tool->reason = SR_REASON_NONE;
		if (!tail->id[0])
			exit_code = begin(tail);
		if (exit_code == SR_EXIT_DONE)
			exit_code = follow(tail, &more);
		if (exit_code != SR_EXIT_DONE)
			exit_code = recover(tail, exit_code);
		else if (tail->pause_s = 0, !more && !sr_stop)
			pause_for(1);
	}
	return exit_code;
}

int sr_run_audit_tail(struct sr_tool *tool, int argc, char **argv)
{
	const struct argp_child children[] = { sr_global_children[0],
		{ &sr_filter_argp, 0, "Only records that meet every criterion:", 0 }, { 0 } };
	const struct argp argp = { options, parse, NULL,
		"Show each record of the audit when it comes, until it is interrupted; with --json an object a line.",
		children, NULL, NULL };
	struct tail tail = { .tool = tool, .filter = { .events = SR_BUF_INIT } };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &tail);
	sr_stop_on_signals();
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_tail(&tail);
	sr_filter_clear(&tail.filter);
	return exit_code;
}
