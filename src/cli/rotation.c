/* strongroom rotation status|set|list|delete; run stands in rotation_run.c. */
#include "cli/rotation.h"

#include "cli/lines.h"
#include "cli/output.h"
#include "cli/session.h"
#include "policy/duration.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WITHIN_S (7ull * 24 * 3600)

static const CK_OBJECT_CLASS data_class = CKO_DATA;
static const CK_OBJECT_CLASS rotation_class = CKO_SR_ROTATION;

/* -- status ------------------------------------------------------------------------------------------------------- */
static const struct sr_field secret_fields[] = {
	{ CKA_LABEL, "path", SR_FIELD_TEXT },
	{ CKA_SR_TYPE, "type", SR_FIELD_TEXT },
	{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
	{ CKA_SR_VERSION, "version", SR_FIELD_NUMBER },
	{ CKA_SR_ROTATED_AT, "rotated_at", SR_FIELD_TEXT },
	{ CKA_SR_ROTATION_DUE, "rotation_due", SR_FIELD_TEXT },
};

/** struct row: a secret that is due, for qsort. */
struct row {
	json_t *secret;
	int64_t due_ms;
};

static int by_due(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	if (left->due_ms != right->due_ms)
		return left->due_ms < right->due_ms ? -1 : 1;
	return strcmp(sr_json_text(left->secret, "path"), sr_json_text(right->secret, "path"));
}

static bool is_due(const json_t *secret, const char *prefix, int64_t now_ms, uint64_t within_s, int64_t *due_ms)
{
	return sr_has_prefix(sr_json_text(secret, "path"), prefix) &&
	       sr_text_parse_time(sr_json_text(secret, "rotation_due"), due_ms) &&
	       *due_ms <= now_ms + (int64_t)within_s * 1000;
}

/* The rows take what is due out of ALL; the others go with it. */
static json_t *pick(const json_t *all, const char *prefix, uint64_t within_s)
{
	struct sr_now now;
	struct row *due = calloc(json_array_size(all) + 1, sizeof *due);
	json_t *rows = due ? json_array() : NULL, *secret;
	size_t i, count = 0;
	sr_clock_now(&now);
	json_array_foreach(all, i, secret)
	{
		if (due && is_due(secret, prefix, now.wall_ms, within_s, &due[count].due_ms))
			due[count++].secret = secret;
	}
	if (due)
		qsort(due, count, sizeof *due, by_due);
	for (i = 0; i < count; i++) {
		int64_t left_ms = due[i].due_ms - now.wall_ms;
		json_object_set_new(due[i].secret, "state", json_string(left_ms <= 0 ? "overdue" : "due"));
		json_object_set_new(due[i].secret, "due_in_s", json_integer(left_ms / 1000));
		json_array_append(rows, due[i].secret);
	}
	free(due);
	return rows;
}

int sr_rotation_read(struct sr_tool *tool, const char *prefix, uint64_t within_s, json_t **rows)
{
	struct sr_template template;
	json_t *all;
	*rows = NULL;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	int exit_code =
		sr_read_all(tool, &template, secret_fields, sizeof secret_fields / sizeof secret_fields[0], &all);
	if (exit_code == SR_EXIT_DONE)
		*rows = pick(all, prefix, within_s);
	json_decref(all);
	if (exit_code == SR_EXIT_DONE && !*rows) {
		sr_complain("there is no memory for what is due");
		exit_code = SR_EXIT_FAILED;
	}
	return exit_code;
}

/** struct request: what the parsers fill. */
struct request {
	struct sr_tool *tool;
	const char *word; /* a prefix or a glob */
	uint64_t within_s;
	char every[24];
};

enum { OPTION_WITHIN = 256, OPTION_EVERY };

static error_t parse_word(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->word, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option status_options[] = {
	{ "within", OPTION_WITHIN, "DURATION", 0, "What is due within this time (default: 7d)", 0 },
	{ 0 },
};

static error_t parse_status(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	if (key != OPTION_WITHIN)
		return parse_word(key, arg, state);
	if (sr_duration_parse(arg, strlen(arg), &request->within_s))
		return 0;
	sr_usage(state, "--within '%s' is no duration; give a number and one of s, m, h, d, as 30d", arg);
	return EINVAL;
}

static int report_status(const struct request *request, const json_t *rows)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "state", "state", NULL },
		{ "rotation_due", "rotation_due", NULL },
		{ "type", "type", NULL },
		{ "tier", "tier", NULL },
		{ "version", "version", NULL },
		{ "rotated_at", "rotated_at", NULL },
	};
	int exit_code = request->tool->json ? sr_put_json(rows)
					    : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	bool overdue = strcmp(sr_json_text(json_array_get(rows, 0), "state"), "overdue") == 0;
	return exit_code == SR_EXIT_DONE && overdue ? SR_EXIT_FOUND : exit_code;
}

int sr_run_rotation_status(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { status_options, parse_status, "[PREFIX]",
		"List the secrets that are due for rotation, worst first. Exit code 6 where one is overdue.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .within_s = WITHIN_S };
	json_t *rows = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_rotation_read(tool, request.word, request.within_s, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report_status(&request, rows);
	json_decref(rows);
	return exit_code;
}

/* -- set ---------------------------------------------------------------------------------------------------------- */
static const struct sr_field fields[] = {
	{ CKA_SR_PATH, "path", SR_FIELD_TEXT },
	{ CKA_SR_PERIOD, "period", SR_FIELD_NUMBER },
	{ CKA_SR_ISSUER, "issuer", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_UPDATED_AT, "updated_at", SR_FIELD_TEXT },
};
#define FIELDS (sizeof fields / sizeof fields[0])

static error_t parse_glob(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	if (key == ARGP_KEY_END && (!request->word || !request->word[0]))
		sr_usage(state, "GLOB is missing");
	return key == ARGP_KEY_END ? 0 : parse_word(key, arg, state);
}

static const struct argp_option set_options[] = {
	{ "every", OPTION_EVERY, "DURATION", 0, "How long a value may be in use", 0 },
	{ 0 },
};

static error_t parse_set(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	if (key == OPTION_EVERY)
		return sr_take_seconds("every", arg, request->every, state);
	if (key == ARGP_KEY_END && !request->every[0])
		sr_usage(state, "--every is missing");
	return parse_glob(key, arg, state);
}

int sr_run_rotation_set(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { set_options, parse_set, "GLOB --every DURATION",
		"Say how often what stands under GLOB is to be rotated, whatever its type. The most particular glob "
		"decides.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	json_t *row = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &rotation_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_PATH, request.word);
	sr_template_text(&template, CKA_SR_PERIOD, request.every);
	exit_code = sr_create(tool, &template, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, fields, FIELDS, &row);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(row) : sr_put_pairs(row);
	json_decref(row);
	return exit_code;
}

/* -- list, delete ------------------------------------------------------------------------------------------------- */
int sr_run_rotation_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "period", "period", NULL },
		{ "issuer", "issuer", NULL },
		{ "updated_at", "updated_at", NULL },
	};
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_parse_none(
		tool, "List how often what is to be rotated, in seconds, beside what the types say.", argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &rotation_class);
	exit_code = sr_read_all(tool, &template, fields, FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

int sr_run_rotation_delete(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_glob, "GLOB",
		"Take back what was said for GLOB: another glob decides again, or the type.", sr_global_children, NULL,
		NULL };
	struct request request = { .tool = tool };
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &rotation_class);
	sr_template_text(&template, CKA_SR_PATH, request.word);
	exit_code = sr_find_one(tool, &template, request.word, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	json_t *object = tool->json ? json_pack("{s:s, s:s}", "path", request.word, "state", "deleted") : NULL;
	if (object)
		exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}
