/* strongroom audit prune. */
#include "cli/filter.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/** struct prune: BEFORE "" leaves it to the vault's configuration. */
struct prune {
	struct sr_tool *tool;
	char before[SR_TIME_TEXT];
};

enum { OPTION_BEFORE = 256 };

static const struct argp_option options[] = {
	{ "before", OPTION_BEFORE, "TIME", 0,
		"What is older: RFC 3339, or how long ago, as 365d; else as [vault] audit-keep says", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct prune *prune = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = prune->tool;
		return 0;
	case OPTION_BEFORE:
		return sr_take_time(prune->before, arg, state);
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static int begin(struct prune *prune, json_t **begun)
{
	struct sr_template template;
	sr_template_job(&template, "audit-prune");
	sr_template_text(&template, CKA_SR_BEFORE, prune->before[0] ? prune->before : NULL);
	return sr_run_job_with(prune->tool, &template, begun);
}

static void show(json_int_t removed, json_int_t left)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rprune: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " records%s", removed,
			removed + left, left ? "" : "\n");
}

/* What somebody else removes meanwhile is gone as well. */
static int remove_all(struct sr_tool *tool, json_int_t left, json_int_t *removed)
{
	int exit_code = SR_EXIT_DONE;
	*removed = 0;
	while (left > 0 && exit_code == SR_EXIT_DONE) {
		json_t *step = NULL;
		exit_code = sr_run_job(tool, "audit-prune-step", &step);
		*removed += number(step, "removed");
		left = number(step, "left");
		json_decref(step);
		if (exit_code == SR_EXIT_DONE)
			show(*removed, left);
	}
	return exit_code;
}

static void say_pruned(const json_t *begun, json_int_t removed)
{
	const char *sink = sr_json_text(begun, "sink");
	if (removed == 0)
		sr_say("nothing to remove: no sealed record is older than %s", sr_json_text(begun, "before"));
	else
		sr_say("%" JSON_INTEGER_FORMAT " records removed; the audit begins at record %" JSON_INTEGER_FORMAT,
			removed, number(begun, "base") + 1);
	if (sink[0])
		sr_say("what the sink '%s' has not had yet stays", sink);
}

static int run_prune(struct prune *prune)
{
	struct sr_tool *tool = prune->tool;
	json_t *begun = NULL;
	json_int_t removed = 0;
	int exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = begin(prune, &begun);
	if (exit_code == SR_EXIT_DONE)
		exit_code = remove_all(tool, number(begun, "left"), &removed);
	if (exit_code == SR_EXIT_DONE)
		say_pruned(begun, removed);
	if (exit_code == SR_EXIT_DONE && tool->json) {
		json_object_set_new(begun, "first", json_integer(number(begun, "base") + 1));
		json_object_set_new(begun, "removed", json_integer(removed));
		json_object_del(begun, "left");
		exit_code = sr_put_json(begun);
	}
	json_decref(begun);
	return exit_code;
}

int sr_run_audit_prune(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Remove records of the audit that are older than TIME, up to a sealed one that the rest goes on from. "
		"One that was interrupted is gone on with by the next.",
		sr_global_children, NULL, NULL };
	struct prune prune = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &prune);
	return exit_code == SR_EXIT_DONE ? run_prune(&prune) : exit_code;
}
