/* strongroom run: a command with secrets in its environment, and nowhere else. The tool becomes the command, so that
 * exit codes, signals and the terminal are the command's own. */
#include "cli/approval.h"
#include "cli/child_env.h"
#include "cli/credential.h"
#include "cli/lines.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "cli/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALUES_MAX 32 /* one scope each: as many as a token has */
#define READ_TTL "300"
#define CHILD_TTL "1800"
#define EXIT_NOT_RUN 126
#define EXIT_NO_COMMAND 127

static const CK_OBJECT_CLASS data_class = CKO_DATA;

/* One --env: NAME is as long as NAME_LEN says, PATH stands behind it. */
struct wanted {
	const char *name;
	size_t name_len;
	const char *path;
	CK_OBJECT_HANDLE handle;
};

/* IS_LIST: a word without an option of its own goes on with --env or, with LIST, --scope. ID: of the token for reading,
 * "" where the login reads by itself. */
struct request {
	struct sr_tool *tool;
	struct wanted wanted[VALUES_MAX];
	size_t count;
	struct sr_buf scopes;
	bool in_env, in_scopes;
	char ttl[24];
	char **command;
	struct sr_locked pin;
	char id[64];
	struct sr_child_env env;
};

/* -- the command line -------------------------------------------------------------------------------------------- */
enum { OPTION_ENV = 256, OPTION_SCOPE, OPTION_TTL };

static const struct argp_option options[] = {
	{ "env", OPTION_ENV, "NAME=PATH...", 0, "The variable NAME is the value of the secret at PATH", 0 },
	{ "scope", OPTION_SCOPE, "SCOPE...", 0, "The command gets a token of these scopes, as STRONGROOM_PIN", 0 },
	{ "ttl", OPTION_TTL, "DURATION", 0, "How long that token lives (default: 30m)", 0 },
	{ 0 },
};

static error_t add_wanted(struct request *request, const char *arg, const struct argp_state *state)
{
	size_t len = strcspn(arg, "=");
	if (arg[len] != '=' || arg[len + 1] == '\0')
		sr_usage(state, "--env takes NAME=PATH");
	if (!sr_env_name_valid(arg, len))
		sr_usage(state, "'%.*s' is no name for a variable here", (int)(len < 64 ? len : 64), arg);
	if (strpbrk(arg + len + 1, "*\n")) /* it becomes a scope */
		sr_usage(state, "--env takes one path; a path has no * and no line break");
	for (size_t i = 0; i < request->count; i++) {
		if (request->wanted[i].name_len == len && memcmp(request->wanted[i].name, arg, len) == 0)
			sr_usage(state, "'%.*s' is given twice", (int)(len < 64 ? len : 64), arg);
	}
	if (request->count == VALUES_MAX)
		sr_usage(state, "more than %d variables are given", VALUES_MAX);
	request->wanted[request->count++] = (struct wanted){ arg, len, arg + len + 1, 0 };
	return 0;
}

/* Behind "--" stands the command, its own options and all. */
static error_t take_word(struct request *request, char *arg, struct argp_state *state, bool env, bool scopes)
{
	if (state->quoted > 0 && state->next > state->quoted) {
		request->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	request->in_env = env;
	request->in_scopes = scopes;
	if (env)
		return add_wanted(request, arg, state);
	if (scopes)
		return sr_add_line(&request->scopes, arg, state);
	sr_usage(state, "'%s' belongs to no option; the command stands behind --", arg);
	return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	bool env = request->in_env, scopes = request->in_scopes;
	request->in_env = request->in_scopes = false; /* any option ends a list */
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_ENV:
		request->in_env = true;
		return add_wanted(request, arg, state);
	case OPTION_SCOPE:
		request->in_scopes = true;
		return sr_add_line(&request->scopes, arg, state);
	case OPTION_TTL:
		return sr_take_seconds("ttl", arg, request->ttl, state);
	case ARGP_KEY_ARG:
		return take_word(request, arg, state, env, scopes);
	case ARGP_KEY_END:
		if (!request->command)
			sr_usage(state, "the command is missing; it stands behind --");
		if (request->count == 0 && request->scopes.len == 0)
			sr_usage(state, "--env is missing, or --scope");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- tokens ------------------------------------------------------------------------------------------------------- */
/* Nobody is to decide on a token that is thrown away. What fails here is not told: the request ends by itself. */
static void take_back(struct sr_tool *tool, const char *request)
{
	struct sr_template query, change = { .count = 0 };
	CK_OBJECT_HANDLE handle;
	CK_ULONG found = 0;
	sr_template_class(&query, &sr_approval_class);
	sr_template_text(&query, CKA_SR_ID, request);
	sr_template_text(&change, CKA_SR_STATE, "canceled");
	if (!request[0] || tool->p11->C_FindObjectsInit(tool->session, query.items, query.count) != CKR_OK)
		return;
	tool->p11->C_FindObjects(tool->session, &handle, 1, &found);
	tool->p11->C_FindObjectsFinal(tool->session);
	if (found)
		tool->p11->C_SetAttributeValue(tool->session, handle, change.items, change.count);
}

/* A token that waits for approval is of no use to a command that runs now. */
static int check_active(struct sr_tool *tool, CK_OBJECT_HANDLE handle, char *id, size_t cap)
{
	json_t *token = NULL;
	int exit_code = sr_read_object(tool, handle, sr_token_fields, SR_TOKEN_FIELDS, &token);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	snprintf(id, cap, "%s", sr_json_text(token, "id"));
	if (strcmp(sr_json_text(token, "state"), "active") != 0) {
		sr_complain("%s: the values need an approval; issue a token for them, wait until it is approved and "
			    "run with it",
			tool->what);
		take_back(tool, sr_json_text(token, "approval"));
		exit_code = SR_EXIT_APPROVAL;
	}
	json_decref(token);
	return exit_code;
}

/* A token whose string is not at hand must not live on; nothing is said of that beside what went wrong. */
static int issue(struct sr_tool *tool, const char *scopes, const char *ttl, const char *max_uses, char *id, size_t cap,
	struct sr_locked *string)
{
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	sr_template_class(&template, &sr_token_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_SCOPES, scopes);
	sr_template_text(&template, CKA_SR_TTL, ttl);
	sr_template_text(&template, CKA_SR_MAX_USES, max_uses);
	sr_template_text(&template, CKA_SR_DESCRIPTION, "strongroom run");
	int exit_code = sr_create(tool, &template, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = check_active(tool, handle, id, cap);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, string);
	if (exit_code == SR_EXIT_DONE)
		return exit_code;
	tool->p11->C_DestroyObject(tool->session, handle);
	id[0] = '\0';
	return exit_code;
}

/* Exactly these paths; a path that is wanted twice is one scope and two uses. */
static void read_scopes(const struct request *request, struct sr_buf *scopes)
{
	for (size_t i = 0; i < request->count; i++) {
		size_t k = 0;
		while (strcmp(request->wanted[k].path, request->wanted[i].path) != 0)
			k++;
		if (k == i)
			sr_buf_printf(scopes, "%ssecrets:read:%s", scopes->len ? "\n" : "", request->wanted[i].path);
	}
}

static int login_as(struct sr_tool *tool, const struct sr_locked *pin)
{
	CK_RV rv = tool->p11->C_Logout(tool->session);
	return rv == CKR_OK ? sr_tool_login(tool, pin) : sr_refuse(tool, rv);
}

/* The login becomes one that can read these values once and do nothing else. */
static int narrow(struct request *request)
{
	struct sr_buf scopes = SR_BUF_INIT;
	struct sr_locked string = SR_LOCKED_INIT;
	char uses[24];
	read_scopes(request, &scopes);
	snprintf(uses, sizeof uses, "%zu", request->count);
	int exit_code =
		issue(request->tool, sr_buf_string(&scopes), READ_TTL, uses, request->id, sizeof request->id, &string);
	if (exit_code == SR_EXIT_DONE)
		exit_code = login_as(request->tool, &string);
	sr_locked_clear(&string);
	sr_buf_clear(&scopes);
	return exit_code;
}

/* Where something went wrong between issuing and reading. The token has minutes to live: what fails here is not told.
 */
static void drop_token(const struct request *request)
{
	struct sr_tool *tool = request->tool;
	CK_ATTRIBUTE query[] = { { CKA_CLASS, (void *)&sr_token_class, sizeof sr_token_class },
		{ CKA_SR_ID, (void *)request->id, strlen(request->id) } };
	CK_OBJECT_HANDLE handle;
	CK_ULONG found = 0;
	tool->p11->C_Logout(tool->session);
	if (tool->p11->C_Login(tool->session, CKU_USER, request->pin.data, request->pin.len) != CKR_OK ||
		tool->p11->C_FindObjectsInit(tool->session, query, 2) != CKR_OK)
		return;
	tool->p11->C_FindObjects(tool->session, &handle, 1, &found);
	tool->p11->C_FindObjectsFinal(tool->session);
	if (found)
		tool->p11->C_DestroyObject(tool->session, handle);
}

/* -- values ------------------------------------------------------------------------------------------------------- */
static int add_value(struct request *request, const struct wanted *wanted, const struct sr_locked *value)
{
	if (memchr(value->data, '\0', value->len)) {
		sr_complain("%s: the value at %s holds a NUL, which no variable can; nothing was run",
			request->tool->what, wanted->path);
		return SR_EXIT_FAILED;
	}
	return sr_child_env_add(&request->env, wanted->name, wanted->name_len, value->data, value->len)
		       ? SR_EXIT_DONE
		       : SR_EXIT_FAILED;
}

static int find_value(struct request *request, struct wanted *wanted)
{
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_text(&template, CKA_LABEL, wanted->path);
	return sr_find_one(request->tool, &template, wanted->path, &wanted->handle);
}

static int read_value(struct request *request, const struct wanted *wanted)
{
	struct sr_locked value = SR_LOCKED_INIT;
	int exit_code = sr_read_value(request->tool, wanted->handle, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = add_value(request, wanted, &value);
	sr_locked_clear(&value);
	return exit_code;
}

/* All are found before one is read: what is missing costs no use, and a login that ends between two is told as that. */
static int read_values(struct request *request)
{
	int exit_code = SR_EXIT_DONE;
	for (size_t i = 0; i < request->count && exit_code == SR_EXIT_DONE; i++)
		exit_code = find_value(request, &request->wanted[i]);
	for (size_t i = 0; i < request->count && exit_code == SR_EXIT_DONE; i++)
		exit_code = read_value(request, &request->wanted[i]);
	return exit_code;
}

/* -- the login ---------------------------------------------------------------------------------------------------- */
static int log_in(struct request *request)
{
	struct sr_tool *tool = request->tool;
	int exit_code = sr_tool_start(tool);
	if (exit_code == SR_EXIT_DONE && !(tool->token_flags & CKF_PROTECTED_AUTHENTICATION_PATH))
		exit_code = sr_pin_get(tool, &request->pin);
	return exit_code == SR_EXIT_DONE ? sr_tool_login(tool, &request->pin) : exit_code;
}

/* A token sees itself, if any: with a scope of tokens:issue it may narrow itself. */
static int token_issues(struct sr_tool *tool, bool *issues)
{
	static const struct sr_field scopes = { CKA_SR_SCOPES, "scopes", SR_FIELD_LINES };
	struct sr_template template;
	json_t *rows, *row, *scope;
	size_t i, k;
	sr_template_class(&template, &sr_token_class);
	int exit_code = sr_read_all(tool, &template, &scopes, 1, &rows);
	json_array_foreach(rows, i, row)
	{
		json_array_foreach(json_object_get(row, "scopes"), k, scope)
		{
			const char *text = json_string_value(scope);
			*issues = *issues || (text && strncmp(text, "tokens:issue:", 13) == 0);
		}
	}
	json_decref(rows);
	return exit_code;
}

/* A slot that logs itself in takes no other PIN than its own; members and agents always issue. */
static int may_issue(const struct request *request, bool *issues)
{
	const struct sr_locked *pin = &request->pin;
	*issues = false;
	if (!pin->data)
		return SR_EXIT_DONE;
	if (pin->len < 4 || memcmp(pin->data, "srt_", 4) != 0) {
		*issues = true;
		return SR_EXIT_DONE;
	}
	return token_issues(request->tool, issues);
}

static int give_token(struct request *request)
{
	struct sr_locked string = SR_LOCKED_INIT;
	char id[64];
	if (request->scopes.len == 0)
		return SR_EXIT_DONE;
	int exit_code = issue(request->tool, sr_buf_string(&request->scopes),
		request->ttl[0] ? request->ttl : CHILD_TTL, NULL, id, sizeof id, &string);
	if (exit_code == SR_EXIT_DONE &&
		!sr_child_env_add(&request->env, "STRONGROOM_PIN", strlen("STRONGROOM_PIN"), string.data, string.len))
		exit_code = SR_EXIT_FAILED;
	sr_locked_clear(&string);
	return exit_code;
}

static int prepare(struct request *request)
{
	bool issues = false;
	int exit_code = log_in(request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = may_issue(request, &issues);
	if (exit_code == SR_EXIT_DONE && request->count && issues)
		exit_code = narrow(request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = read_values(request);
	if (exit_code != SR_EXIT_DONE && request->id[0])
		drop_token(request);
	/* last, so that nothing that fails leaves the command's token behind */
	if (exit_code == SR_EXIT_DONE && request->scopes.len && request->id[0])
		exit_code = login_as(request->tool, &request->pin);
	return exit_code == SR_EXIT_DONE ? give_token(request) : exit_code;
}

/* -- the command -------------------------------------------------------------------------------------------------- */
static int become(const struct request *request)
{
	sr_soften();
	execvpe(request->command[0], request->command, request->env.list);
	int exit_code = errno == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_RUN;
	sr_complain("%s: %s could not be run: %s", request->tool->what, request->command[0], strerror(errno));
	return exit_code;
}

int sr_run_run(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--env NAME=PATH... -- COMMAND [ARGUMENT...]",
		"Run a command with secrets in its environment, and nowhere else. Nothing is run where a value is "
		"refused.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .scopes = SR_BUF_INIT, .pin = SR_LOCKED_INIT };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	if (exit_code == SR_EXIT_DONE && !sr_child_env_init(&request.env))
		exit_code = SR_EXIT_FAILED;
	if (exit_code == SR_EXIT_DONE)
		exit_code = prepare(&request);
	sr_locked_clear(&request.pin);
	sr_tool_close(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = become(&request);
	sr_child_env_clear(&request.env);
	sr_buf_clear(&request.scopes);
	return exit_code;
}
