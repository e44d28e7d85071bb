/* strongroom hsm status|rekey|retire. */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* A job with one more text or two in its template; NULL texts are left out. */
static int run_job(struct sr_tool *tool, const char *kind, const CK_ATTRIBUTE *more, size_t count, json_t **result)
{
	static const CK_OBJECT_CLASS job_class = CKO_SR_JOB;
	static const struct sr_field fields[] = { { CKA_SR_RESULT, "result", SR_FIELD_OBJECT } };
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	json_t *object = NULL;
	*result = NULL;
	sr_template_class(&template, &job_class);
	sr_template_text(&template, CKA_SR_KIND, kind);
	sr_template_items(&template, more, count);
	int exit_code = sr_create(tool, &template, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, fields, 1, &object);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	if (exit_code == SR_EXIT_DONE)
		*result = json_incref(json_object_get(object, "result"));
	json_decref(object);
	return exit_code;
}

/* -- status ----------------------------------------------------------------------------------------------------- */
static int put_status(json_t *status)
{
	static const struct sr_column columns[] = { { "seal generation", "generation", NULL },
		{ "state", "state", NULL }, { "versions", "rows", NULL },
		{ "newest backup (record)", "backup", NULL } };
	static const struct sr_column key_columns[] = { { "keys generation", "generation", NULL },
		{ "state", "state", NULL }, { "rows", "rows", NULL }, { "wrapped", "wrapped", NULL },
		{ "recognised", "recognised", NULL }, { "tokens", "tokens", NULL }, { "agents", "agents", NULL },
		{ "members", "members", NULL }, { "newest backup (record)", "backup", NULL } };
	json_t *seals = json_incref(json_object_get(status, "seals"));
	json_t *keys = json_incref(json_object_get(status, "keys"));
	json_object_del(status, "seals");
	json_object_del(status, "keys");
	int exit_code = sr_put_pairs(status);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_bytes("\n", 1);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_table(seals, columns, sizeof columns / sizeof columns[0]);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_bytes("\n", 1);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_table(keys, key_columns, sizeof key_columns / sizeof key_columns[0]);
	json_decref(seals);
	json_decref(keys);
	return exit_code;
}

int sr_run_hsm_status(struct sr_tool *tool, int argc, char **argv)
{
	json_t *status = NULL;
	int exit_code = sr_parse_none(tool,
		"Show the generations of the HSM's keys: how many versions of secrets each seal key has sealed, what "
		"needs each of the wrap, mac and audit keys, and which backups do.",
		argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_job(tool, "hsm-status", NULL, 0, &status);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(status) : put_status(status);
	json_decref(status);
	return exit_code;
}

/* -- rekey ------------------------------------------------------------------------------------------------------ */
/** struct progress: over all steps. ALL: of the wrap, mac and audit keys too, of which KEYS is the generation. */
struct progress {
	struct sr_tool *tool;
	bool all;
	json_int_t generation, left, resealed, broken;
	json_int_t keys, rows, wrapped;
};

static void show(const struct progress *progress, bool last)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rrekey: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " versions%s",
			progress->resealed, progress->left, last ? "\n" : "");
}

static int step_on(struct sr_tool *tool, struct progress *progress)
{
	bool more = true;
	char after[24] = "0";
	int exit_code = SR_EXIT_DONE;
	while (more && exit_code == SR_EXIT_DONE) {
		const CK_ATTRIBUTE from = { CKA_SR_OFFSET, after, strlen(after) };
		json_t *step = NULL;
		exit_code = run_job(tool, "rekey-step", &from, 1, &step);
		progress->resealed += number(step, "resealed");
		progress->broken += number(step, "broken");
		more = json_is_true(json_object_get(step, "more"));
		snprintf(after, sizeof after, "%" JSON_INTEGER_FORMAT, number(step, "next"));
		json_decref(step);
		if (exit_code == SR_EXIT_DONE)
			show(progress, !more);
	}
	return exit_code;
}

static void show_rows(const struct progress *progress, bool last)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rrekey: %" JSON_INTEGER_FORMAT " rows%s", progress->rows, last ? "\n" : "");
}

static int step_rows(struct sr_tool *tool, struct progress *progress)
{
	bool more = progress->all;
	json_t *step = NULL;
	int exit_code = SR_EXIT_DONE;
	while (more && exit_code == SR_EXIT_DONE) {
		json_t *before = step;
		const char *after = before ? json_string_value(json_object_get(before, "next")) : "0::";
		const CK_ATTRIBUTE from = { CKA_SR_OFFSET, (void *)(uintptr_t)after, after ? strlen(after) : 0 };
		exit_code = run_job(tool, "rekey-rows", &from, 1, &step);
		json_decref(before);
		progress->rows += number(step, "rows");
		progress->wrapped += number(step, "wrapped");
		progress->broken += number(step, "broken");
		more = json_is_true(json_object_get(step, "more"));
		if (exit_code == SR_EXIT_DONE)
			show_rows(progress, !more);
	}
	json_decref(step);
	return exit_code;
}

static void say_begun(const json_t *begun, struct progress *progress)
{
	const char *how = json_is_true(json_object_get(begun, "resumed")) ? "going on with" : "made";
	progress->generation = number(begun, "generation");
	progress->left = number(begun, "left");
	progress->keys = number(begun, "keys");
	if (progress->all)
		sr_say("%s generation %" JSON_INTEGER_FORMAT " of the wrap, mac and audit keys", how, progress->keys);
	sr_say("%s generation %" JSON_INTEGER_FORMAT " of the seal key: %" JSON_INTEGER_FORMAT " versions to seal anew",
		how, progress->generation, progress->left);
}

static int rekey(struct sr_tool *tool, struct progress *progress)
{
	static char all[] = "all";
	const CK_ATTRIBUTE which = { CKA_SR_CHANGE, all, sizeof all - 1 };
	json_t *begun = NULL;
	int exit_code = run_job(tool, "rekey", &which, progress->all ? 1 : 0, &begun);
	if (exit_code == SR_EXIT_DONE)
		say_begun(begun, progress);
	json_decref(begun);
	if (exit_code == SR_EXIT_DONE)
		exit_code = step_on(tool, progress);
	return exit_code == SR_EXIT_DONE ? step_rows(tool, progress) : exit_code;
}

static int say_rekeyed(const struct sr_tool *tool, const struct progress *progress)
{
	sr_say("%" JSON_INTEGER_FORMAT " versions sealed anew", progress->resealed);
	if (progress->all)
		sr_say("%" JSON_INTEGER_FORMAT " rows brought under the new keys, %" JSON_INTEGER_FORMAT
		       " keys wrapped anew",
			progress->rows, progress->wrapped);
	if (tool->json) {
		json_t *result = json_pack("{s:I, s:I, s:I}", "generation", progress->generation, "resealed",
			progress->resealed, "broken", progress->broken);
		if (result && progress->all)
			json_object_update_new(result, json_pack("{s:I, s:I, s:I}", "keys", progress->keys, "rows",
							       progress->rows, "wrapped", progress->wrapped));
		int exit_code = sr_put_json(result);
		json_decref(result);
		if (exit_code != SR_EXIT_DONE)
			return exit_code;
	}
	if (progress->broken == 0)
		return SR_EXIT_DONE;
	sr_complain("hsm rekey: %" JSON_INTEGER_FORMAT
		    " versions or rows do not open and stay as they are; run: strongroom audit verify",
		progress->broken);
	return SR_EXIT_FAILED;
}

enum { OPTION_LOSE_BACKUPS = 256, OPTION_LOSE_RECOGNITION, OPTION_KEYS, OPTION_ALL };

static const struct argp_option rekey_options[] = {
	{ "all", OPTION_ALL, NULL, 0, "A new generation of the wrap, mac and audit keys too, and every row under it",
		0 },
	{ 0 },
};

static error_t parse_rekey(int key, char *arg, struct argp_state *state)
{
	struct progress *progress = state->input;
	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = progress->tool;
		return 0;
	case OPTION_ALL:
		progress->all = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_hsm_rekey(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { rekey_options, parse_rekey, NULL,
		"Make a new generation of the seal key and seal every secret anew under it, while the vault goes on "
		"working. One that was interrupted goes on where it stopped.",
		sr_global_children, NULL, NULL };
	struct progress progress = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &progress);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = rekey(tool, &progress);
	return exit_code == SR_EXIT_DONE ? say_rekeyed(tool, &progress) : exit_code;
}

/* -- retire ----------------------------------------------------------------------------------------------------- */
struct request {
	struct sr_tool *tool;
	const char *generation;
	bool keys, lose_backups, lose_recognition;
};

static const struct argp_option options[] = {
	{ "keys", OPTION_KEYS, NULL, 0, "GEN is of the wrap, mac and audit keys", 0 },
	{ "lose-backups", OPTION_LOSE_BACKUPS, NULL, 0, "Though backups need it, which nobody can restore any more",
		0 },
	{ "lose-recognition", OPTION_LOSE_RECOGNITION, NULL, 0,
		"With --keys: though resident keys that are brought in again are recognised by it", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_KEYS:
		request->keys = true;
		return 0;
	case OPTION_LOSE_BACKUPS:
		request->lose_backups = true;
		return 0;
	case OPTION_LOSE_RECOGNITION:
		request->lose_recognition = true;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->generation, arg, state);
	case ARGP_KEY_END:
		if (!request->generation)
			sr_usage(state, "the generation is missing");
		if (request->lose_recognition && !request->keys)
			sr_usage(state, "--lose-recognition is for --keys");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void add_word(char *list, size_t size, const char *word, bool wanted)
{
	size_t len = strlen(list);
	if (wanted)
		snprintf(list + len, size - len, "%s%s", len ? "," : "", word);
}

int sr_run_hsm_retire(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "GEN",
		"Destroy an old generation of the seal key, or of the other keys, in the HSM. Refused while anything "
		"needs it.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	char change[64] = "";
	json_t *result = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	add_word(change, sizeof change, "keys", request.keys);
	add_word(change, sizeof change, "lose-backups", request.lose_backups);
	add_word(change, sizeof change, "lose-recognition", request.lose_recognition);
	const CK_ATTRIBUTE items[] = {
		{ CKA_SR_VERSION, (void *)(uintptr_t)request.generation, strlen(request.generation) },
		{ CKA_SR_CHANGE, change, strlen(change) },
	};
	exit_code = run_job(tool, "hsm-retire", items, change[0] ? 2 : 1, &result);
	if (exit_code == SR_EXIT_DONE)
		sr_say("generation %s is gone: what it %s is beyond recovery", request.generation,
			request.keys ? "wrapped" : "sealed");
	json_decref(result);
	return exit_code;
}
