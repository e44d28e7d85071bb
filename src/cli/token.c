/* strongroom token list|show|revoke; issue stands in issue.c. */
#include "cli/token.h"

#include "cli/output.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>

const struct sr_field sr_token_fields[SR_TOKEN_FIELDS] = {
	{ CKA_SR_ID, "id", SR_FIELD_TEXT },
	{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
	{ CKA_SR_SCOPES, "scopes", SR_FIELD_LINES },
	{ CKA_SR_USES, "uses", SR_FIELD_NUMBER },
	{ CKA_SR_MAX_USES, "max_uses", SR_FIELD_NUMBER },
	{ CKA_SR_EXPIRES_AT, "expires_at", SR_FIELD_TEXT },
	{ CKA_SR_ALLOWED_IPS, "allowed_ips", SR_FIELD_LINES },
	{ CKA_SR_ISSUER, "issuer", SR_FIELD_TEXT },
	{ CKA_SR_PARENT, "parent", SR_FIELD_TEXT },
	{ CKA_SR_CLEARANCE, "clearance", SR_FIELD_TEXT },
	{ CKA_SR_APPROVAL, "approval", SR_FIELD_TEXT },
	{ CKA_SR_OWNER, "owner", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_DESCRIPTION, "description", SR_FIELD_TEXT },
};

const CK_OBJECT_CLASS sr_token_class = CKO_SR_TOKEN;

#define IDS_MAX 1024

/* What the parsers fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	bool all;
	const char *ids[IDS_MAX];
	size_t count;
};

enum { OPTION_PATH = 256, OPTION_ALL };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_PATH:
		request->path = arg;
		return 0;
	case OPTION_ALL:
		request->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (request->count == IDS_MAX) {
			sr_usage(state, "more than %d IDs are given", IDS_MAX);
			return EINVAL;
		}
		request->ids[request->count++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void template_id(struct sr_template *template, const char *id)
{
	sr_template_class(template, &sr_token_class);
	sr_template_text(template, CKA_SR_ID, id);
}

/* -- list ----------------------------------------------------------------------------------------------------- */
static const struct argp_option list_options[] = {
	{ "path", OPTION_PATH, "PATH", 0, "Only live tokens whose scopes reach PATH", 0 },
	{ "all", OPTION_ALL, NULL, 0, "Expired, used-up and revoked ones as well", 0 },
	{ 0 },
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	const struct request *request = state->input;
	if (key == ARGP_KEY_ARG)
		sr_usage(state, "'%s' is one argument too many", arg);
	if (key == ARGP_KEY_END && request->all && request->path)
		sr_usage(state, "--path shows live tokens only; it does not go with --all");
	return parse_common(key, arg, state);
}

int sr_run_token_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { list_options, parse_list, NULL,
		"List the tokens that are live, or all of them.", sr_global_children, NULL, NULL };
	static const struct sr_column columns[] = {
		{ "id", "id", NULL },
		{ "state", "state", NULL },
		{ "scopes", "scopes", NULL },
		{ "uses", "uses", NULL },
		{ "max_uses", "max_uses", NULL },
		{ "expires_at", "expires_at", NULL },
		{ "issuer", "issuer", NULL },
		{ "description", "description", NULL },
	};
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	struct sr_template template;
	sr_template_class(&template, &sr_token_class);
	sr_template_text(&template, CKA_SR_REACHES, request.path);
	if (!request.path && !request.all)
		sr_template_text(&template, CKA_SR_STATE, "active");
	json_t *rows;
	exit_code = sr_read_all(tool, &template, sr_token_fields, SR_TOKEN_FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

/* -- show ----------------------------------------------------------------------------------------------------- */
static error_t parse_show(int key, char *arg, struct argp_state *state)
{
	const struct request *request = state->input;
	if (key == ARGP_KEY_NO_ARGS)
		sr_usage(state, "ID is missing; `strongroom token list' shows them");
	if (key == ARGP_KEY_END && request->count > 1)
		sr_usage(state, "'%s' is one argument too many", request->ids[1]);
	return parse_common(key, arg, state);
}

int sr_run_token_show(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_show, "ID",
		"Show all about one token but its string, which nobody has.", sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	struct sr_template template;
	json_t *token = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	template_id(&template, request.ids[0]);
	exit_code = sr_find_one(tool, &template, request.ids[0], &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, sr_token_fields, SR_TOKEN_FIELDS, &token);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(token) : sr_put_pairs(token);
	json_decref(token);
	return exit_code;
}

/* -- revoke --------------------------------------------------------------------------------------------------- */
static const struct argp_option revoke_options[] = {
	{ "path", OPTION_PATH, "PATH", 0, "Every live token whose scopes reach PATH", 0 },
	{ 0 },
};

static error_t parse_revoke(int key, char *arg, struct argp_state *state)
{
	const struct request *request = state->input;
	if (key == ARGP_KEY_END && (request->count > 0) == (request->path != NULL))
		sr_usage(state, "give either IDs or --path");
	return parse_common(key, arg, state);
}

static int revoked(struct sr_tool *tool, json_t *done, const char *id)
{
	json_array_append_new(done, json_pack("{s:s, s:s}", "id", id, "state", "revoked"));
	if (tool->json)
		return SR_EXIT_DONE;
	int exit_code = sr_put_bytes(id, strlen(id));
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

static int revoke_id(struct sr_tool *tool, const char *id, json_t *done)
{
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	template_id(&template, id);
	int exit_code = sr_find_one(tool, &template, id, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	return exit_code == SR_EXIT_DONE ? revoked(tool, done, id) : exit_code;
}

/* Every ID is tried, whatever happened to the one before; the first failure is the answer. */
static int revoke_ids(const struct request *request, json_t *done)
{
	int first = SR_EXIT_DONE;
	for (size_t i = 0; i < request->count; i++) {
		int exit_code = revoke_id(request->tool, request->ids[i], done);
		if (first == SR_EXIT_DONE)
			first = exit_code;
	}
	return first;
}

static int revoke_path(const struct request *request, json_t *done)
{
	static const struct sr_field id = { CKA_SR_ID, "id", SR_FIELD_TEXT };
	struct sr_template template;
	json_t *rows;
	sr_template_class(&template, &sr_token_class);
	sr_template_text(&template, CKA_SR_REACHES, request->path);
	int first = sr_read_all(request->tool, &template, &id, 1, &rows);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		int exit_code = revoke_id(request->tool, sr_json_text(row, "id"), done);
		if (first == SR_EXIT_DONE)
			first = exit_code;
	}
	if (first == SR_EXIT_DONE && json_array_size(done) == 0)
		sr_say("no live token reaches %s", request->path);
	json_decref(rows);
	return first;
}

int sr_run_token_revoke(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { revoke_options, parse_revoke, "ID...\n--path PATH",
		"End tokens, and all that was issued with them, now. Prints the id of each.", sr_global_children, NULL,
		NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	json_t *done = json_array();
	exit_code = request.path ? revoke_path(&request, done) : revoke_ids(&request, done);
	int written = tool->json ? sr_put_json(done) : SR_EXIT_DONE;
	json_decref(done);
	return exit_code == SR_EXIT_DONE ? written : exit_code;
}
