/* strongroom member list|role|remove; add stands in member_add.c, passwd in passwd.c. */
#include "cli/member.h"

#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const CK_OBJECT_CLASS sr_member_class = CKO_SR_MEMBER;

static const struct sr_field fields[] = {
	{ CKA_SR_NAME, "name", SR_FIELD_TEXT },
	{ CKA_SR_ROLE, "role", SR_FIELD_TEXT },
	{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
	{ CKA_SR_ALLOWED_IPS, "allowed_ips", SR_FIELD_LINES },
	{ CKA_SR_MADE_BY, "made_by", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
};

#define FIELDS (sizeof fields / sizeof fields[0])

/* What the parsers fill. */
struct request {
	struct sr_tool *tool;
	bool all;
	const char *name;
	const char *role;
};

int sr_find_member(struct sr_tool *tool, const char *name, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t count;
	sr_template_class(&template, &sr_member_class);
	sr_template_text(&template, CKA_SR_NAME, name);
	int exit_code = sr_find(tool, &template, &handles, &count);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	if (count > 0)
		*handle = handles[0];
	free(handles);
	if (count > 0)
		return SR_EXIT_DONE;
	exit_code = sr_refuse_search(tool);
	return exit_code != SR_EXIT_DONE ? exit_code : sr_not_found(tool, name);
}

/* -- list ----------------------------------------------------------------------------------------------------- */
enum { OPTION_ALL = 256 };

static const struct argp_option list_options[] = {
	{ "all", OPTION_ALL, NULL, 0, "Removed ones as well", 0 },
	{ 0 },
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_ALL:
		request->all = true;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_member_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { list_options, parse_list, NULL, "List the members that you may see.",
		sr_global_children, NULL, NULL };
	static const struct sr_column columns[] = {
		{ "name", "name", NULL },
		{ "role", "role", NULL },
		{ "state", "state", NULL },
		{ "allowed_ips", "allowed_ips", NULL },
		{ "made_by", "made_by", NULL },
		{ "created_at", "created_at", NULL },
	};
	struct request request = { .tool = tool };
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &sr_member_class);
	if (!request.all)
		sr_template_text(&template, CKA_SR_STATE, "active");
	exit_code = sr_read_all(tool, &template, fields, FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

/* -- role ----------------------------------------------------------------------------------------------------- */
static error_t parse_role(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(request->name ? &request->role : &request->name, arg, state);
	case ARGP_KEY_END:
		if (!request->role)
			sr_usage(state, "NAME and ROLE are needed; the roles are admin, editor, viewer and auditor");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_member_role(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_role, "NAME ROLE",
		"Give a member another role, and end their logins. Where it is less, the tokens that they issued end "
		"too.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_find_member(tool, request.name, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	const CK_ATTRIBUTE change = { CKA_SR_ROLE, (void *)request.role, strlen(request.role) };
	exit_code = sr_set(tool, handle, &change);
	if (exit_code == SR_EXIT_DONE)
		sr_say("%s is %s now", request.name, request.role);
	return exit_code;
}

/* -- remove --------------------------------------------------------------------------------------------------- */
static error_t parse_remove(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->name, arg, state);
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "NAME is missing; `strongroom member list' shows them");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_member_remove(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_remove, "NAME",
		"Remove a member for good: their logins and the tokens that they issued end now, and nobody gets the "
		"name again.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_find_member(tool, request.name, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	if (exit_code == SR_EXIT_DONE)
		sr_say("%s is removed", request.name);
	return exit_code;
}
