/* strongroom agent add|list|rotate|suspend|resume|revoke. */
#include "cli/lines.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>

static const CK_OBJECT_CLASS agent_class = CKO_SR_AGENT;

static const struct sr_field fields[] = {
	{ CKA_SR_NAME, "id", SR_FIELD_TEXT },
	{ CKA_SR_NAME, "name", SR_FIELD_TEXT },
	{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
	{ CKA_SR_SCOPES, "scopes", SR_FIELD_LINES },
	{ CKA_SR_ALLOWED_IPS, "allowed_ips", SR_FIELD_LINES },
	{ CKA_SR_MAX_TTL, "max_ttl", SR_FIELD_NUMBER },
	{ CKA_SR_MAX_USES, "max_uses", SR_FIELD_NUMBER },
	{ CKA_SR_EXPIRES_AT, "expires_at", SR_FIELD_TEXT },
	{ CKA_SR_GRACE_UNTIL, "grace_until", SR_FIELD_TEXT },
	{ CKA_SR_OWNER, "owner", SR_FIELD_TEXT },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_DESCRIPTION, "description", SR_FIELD_TEXT },
	{ CKA_SR_KEY_NEEDED, "key_needed", SR_FIELD_TEXT },
};

#define FIELDS (sizeof fields / sizeof fields[0])

/* What the parsers fill. Durations are in seconds; "" is not given. LIST as in issue.c. */
struct request {
	struct sr_tool *tool;
	const char *name;
	struct sr_buf scopes;
	struct sr_buf addresses;
	struct sr_buf *list;
	const char *max_uses;
	const char *description;
	char max_ttl[24];
	char ttl[24];
	char grace[24];
};

static error_t parse_name(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->name, arg, state);
	case ARGP_KEY_END:
		if (!request->name)
			sr_usage(state, "NAME is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- add and rotate: both give a key ---------------------------------------------------------------------------- */
static int print_key(struct sr_tool *tool, json_t *agent, const struct sr_locked *key)
{
	if (tool->json) {
		json_object_set_new(agent, "token", json_stringn((const char *)key->data, key->len));
		return sr_put_json(agent);
	}
	int exit_code = sr_put_bytes(key->data, key->len);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

static int deliver(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const char *said)
{
	struct sr_locked key = SR_LOCKED_INIT;
	json_t *agent = NULL;
	int exit_code = sr_read_object(tool, handle, fields, FIELDS, &agent);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, &key);
	if (exit_code == SR_EXIT_DONE)
		exit_code = print_key(tool, agent, &key);
	sr_locked_clear(&key);
	if (exit_code == SR_EXIT_DONE)
		sr_say("agent %s %s; it is %s. Its key is shown only now", sr_json_text(agent, "name"), said,
			sr_json_text(agent, "state"));
	json_decref(agent);
	return exit_code;
}

enum { OPTION_SCOPE = 256, OPTION_ALLOW_IP, OPTION_MAX_TTL, OPTION_MAX_USES, OPTION_EXPIRES, OPTION_DESCRIPTION };

static const struct argp_option add_options[] = {
	{ "scope", OPTION_SCOPE, "SCOPE...", 0, "The widest that its tokens may be, as secrets:read:production/*", 0 },
	{ "allow-ip", OPTION_ALLOW_IP, "ADDRESS...", 0, "Hosts and CIDR that may use its key (default: any)", 0 },
	{ "max-ttl", OPTION_MAX_TTL, "DURATION", 0, "The longest that its tokens may live (default: 24h)", 0 },
	{ "max-uses", OPTION_MAX_USES, "N", 0, "The most uses that its tokens may have (default: any)", 0 },
	{ "expires", OPTION_EXPIRES, "DURATION", 0, "When the agent ends (default: never)", 0 },
	{ "description", OPTION_DESCRIPTION, "TEXT", 0, "What it is for", 0 },
	{ 0 },
};

static error_t parse_add_word(struct request *request, struct sr_buf *list, char *arg, struct argp_state *state)
{
	request->list = list; /* the list goes on */
	return list ? sr_add_line(list, arg, state) : sr_take_one(&request->name, arg, state);
}

static error_t parse_add(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	struct sr_buf *list = request->list;
	request->list = NULL; /* any option ends a list */
	switch (key) {
	case OPTION_SCOPE:
		request->list = &request->scopes;
		return sr_add_line(request->list, arg, state);
	case OPTION_ALLOW_IP:
		request->list = &request->addresses;
		return sr_add_line(request->list, arg, state);
	case OPTION_MAX_TTL:
		return sr_take_seconds("max-ttl", arg, request->max_ttl, state);
	case OPTION_MAX_USES:
		request->max_uses = arg;
		return 0;
	case OPTION_EXPIRES:
		return sr_take_seconds("expires", arg, request->ttl, state);
	case OPTION_DESCRIPTION:
		request->description = arg;
		return 0;
	case ARGP_KEY_ARG:
		return parse_add_word(request, list, arg, state);
	case ARGP_KEY_END:
		if (request->scopes.len == 0)
			sr_usage(state, "--scope is missing");
		return parse_name(key, arg, state);
	default:
		return parse_name(key, arg, state);
	}
}

static const char *if_given(const char *text)
{
	return text[0] ? text : NULL;
}

static int create(struct request *request, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &agent_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_NAME, request->name);
	sr_template_text(&template, CKA_SR_SCOPES, sr_buf_string(&request->scopes));
	if (request->addresses.len > 0)
		sr_template_text(&template, CKA_SR_ALLOWED_IPS, sr_buf_string(&request->addresses));
	sr_template_text(&template, CKA_SR_MAX_TTL, if_given(request->max_ttl));
	sr_template_text(&template, CKA_SR_MAX_USES, request->max_uses);
	sr_template_text(&template, CKA_SR_TTL, if_given(request->ttl));
	sr_template_text(&template, CKA_SR_DESCRIPTION, request->description);
	return sr_create(request->tool, &template, handle);
}

/* An agent whose key did not reach its user must not live on. */
static int add(struct request *request)
{
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_tool_open(request->tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(request, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = deliver(request->tool, handle, "is added");
	if (exit_code != SR_EXIT_DONE && sr_destroy(request->tool, handle) == SR_EXIT_DONE)
		sr_say("the agent was revoked again");
	return exit_code;
}

int sr_run_agent_add(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { add_options, parse_add, "NAME --scope SCOPE...",
		"Add an agent. Its key stands alone on standard output; with it the agent asks for tokens within its "
		"scopes, and does nothing else.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .scopes = SR_BUF_INIT, .addresses = SR_BUF_INIT };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = add(&request);
	sr_buf_clear(&request.scopes);
	sr_buf_clear(&request.addresses);
	return exit_code;
}

enum { OPTION_GRACE = 256 };

static const struct argp_option rotate_options[] = {
	{ "grace", OPTION_GRACE, "DURATION", 0, "How long the key before stays good, 24h at most (default: 0s)", 0 },
	{ 0 },
};

static error_t parse_rotate(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	if (key == OPTION_GRACE)
		return sr_take_seconds("grace", arg, request->grace, state);
	return parse_name(key, arg, state);
}

int sr_run_agent_rotate(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { rotate_options, parse_rotate, "NAME",
		"Give the agent a new key, which stands alone on standard output.", sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .grace = "0" };
	CK_OBJECT_HANDLE handle;
	struct sr_template template;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &agent_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_NAME, request.name);
	sr_template_text(&template, CKA_SR_GRACE, request.grace);
	exit_code = sr_create(tool, &template, &handle);
	return exit_code == SR_EXIT_DONE ? deliver(tool, handle, "has a new key") : exit_code;
}

/* -- list ------------------------------------------------------------------------------------------------------- */
int sr_run_agent_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct sr_column columns[] = {
		{ "name", "name", NULL },
		{ "state", "state", NULL },
		{ "scopes", "scopes", NULL },
		{ "max_ttl", "max_ttl", NULL },
		{ "max_uses", "max_uses", NULL },
		{ "expires_at", "expires_at", NULL },
		{ "owner", "owner", NULL },
		{ "key_needed", "key_needed", NULL },
		{ "description", "description", NULL },
	};
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_parse_none(tool, "List the agents; an agent's key lists itself.", argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &agent_class);
	exit_code = sr_read_all(tool, &template, fields, FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

/* -- suspend, resume, revoke ------------------------------------------------------------------------------------- */
static int set_state(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const char *state)
{
	CK_ATTRIBUTE attr = { CKA_SR_STATE, (void *)state, strlen(state) };
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, &attr, 1);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

/* STATE NULL revokes. */
static int change(struct sr_tool *tool, const char *doc, const char *state, int argc, char **argv)
{
	const struct argp argp = { NULL, parse_name, "NAME", doc, sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	struct sr_template template;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &agent_class);
	sr_template_text(&template, CKA_SR_NAME, request.name);
	exit_code = sr_find_one(tool, &template, request.name, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = state ? set_state(tool, handle, state) : sr_destroy(tool, handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	state = state ? state : "revoked";
	sr_say("agent %s is %s", request.name, state);
	json_t *object =
		tool->json ? json_pack("{s:s, s:s, s:s}", "id", request.name, "name", request.name, "state", state)
			   : NULL;
	if (object)
		exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}

int sr_run_agent_suspend(struct sr_tool *tool, int argc, char **argv)
{
	return change(tool, "Suspend an agent. Tokens that it asked for are void, also when it is resumed.",
		"suspended", argc, argv);
}

int sr_run_agent_resume(struct sr_tool *tool, int argc, char **argv)
{
	return change(tool, "Let a suspended agent ask for tokens again.", "active", argc, argv);
}

int sr_run_agent_revoke(struct sr_tool *tool, int argc, char **argv)
{
	return change(tool, "Revoke an agent, for good, and the tokens that it asked for.", NULL, argc, argv);
}
