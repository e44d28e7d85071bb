/* strongroom token issue. */
#include "cli/approval.h"
#include "cli/guidance.h"
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/token.h"
#include "policy/duration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* SCOPES and ADDRESSES: one a line. LIST: where a word without an option of its own goes, as in `--scope A B`. */
struct request {
	struct sr_tool *tool;
	struct sr_buf scopes;
	struct sr_buf addresses;
	struct sr_buf *list;
	const struct sr_guidance *use;
	char ttl[24]; /* seconds; "": not given */
	const char *max_uses;
	const char *description;
	bool require_approval;
	uint64_t wait_s;
};

enum {
	OPTION_SCOPE = 256,
	OPTION_TTL,
	OPTION_MAX_USES,
	OPTION_ALLOW_IP,
	OPTION_DESCRIPTION,
	OPTION_FOR,
	OPTION_REQUIRE_APPROVAL,
	OPTION_WAIT
};

static const struct argp_option options[] = {
	{ "scope", OPTION_SCOPE, "SCOPE...", 0, "resource:action:glob, as secrets:read:production/payments/*", 0 },
	{ "ttl", OPTION_TTL, "DURATION", 0, "How long it lives: 90s, 30m, 24h at most", 0 },
	{ "for", OPTION_FOR, "USE", 0, "What it is for, which gives the TTL: " SR_GUIDANCE_NAMES, 0 },
	{ "max-uses", OPTION_MAX_USES, "N", 0, "How many values or key operations it is good for", 0 },
	{ "allow-ip", OPTION_ALLOW_IP, "ADDRESS...", 0, "Hosts and CIDR that may use it (default: any)", 0 },
	{ "description", OPTION_DESCRIPTION, "TEXT", 0, "What it is for", 0 },
	{ "require-approval", OPTION_REQUIRE_APPROVAL, NULL, 0, "Ask for an approval where none is needed", 0 },
	{ "wait", OPTION_WAIT, "DURATION", 0, "Stay that long until a pending token is decided", 0 },
	{ 0 },
};

static error_t take_wait(struct request *request, const char *arg, const struct argp_state *state)
{
	if (!sr_duration_parse(arg, strlen(arg), &request->wait_s)) {
		sr_usage(state, "--wait '%s' is no duration; give a number and one of s, m, h, d, as 30m", arg);
		return EINVAL;
	}
	return 0;
}

static error_t take_use(struct request *request, const char *arg, const struct argp_state *state)
{
	request->use = sr_guidance_find(arg);
	if (request->use)
		return 0;
	sr_usage(state, "--for '%s' is not known; give " SR_GUIDANCE_NAMES, arg);
	return EINVAL;
}

static void complete(struct request *request, const struct argp_state *state)
{
	if (request->scopes.len == 0)
		sr_usage(state, "--scope is missing");
	if (request->ttl[0] == '\0' && request->use)
		snprintf(request->ttl, sizeof request->ttl, "%u", (unsigned)request->use->ttl);
	if (request->ttl[0] == '\0')
		sr_usage(state, "--ttl is missing, or --for");
	if (!request->max_uses && request->use)
		request->max_uses = request->use->max_uses;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	struct sr_buf *list = request->list;
	request->list = key == ARGP_KEY_ARG ? list : NULL; /* any option ends a list */
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_SCOPE:
		request->list = &request->scopes;
		return sr_add_line(request->list, arg, state);
	case OPTION_ALLOW_IP:
		request->list = &request->addresses;
		return sr_add_line(request->list, arg, state);
	case OPTION_TTL:
		return sr_take_seconds("ttl", arg, request->ttl, state);
	case OPTION_FOR:
		return take_use(request, arg, state);
	case OPTION_MAX_USES:
		request->max_uses = arg;
		return 0;
	case OPTION_DESCRIPTION:
		request->description = arg;
		return 0;
	case OPTION_REQUIRE_APPROVAL:
		request->require_approval = true;
		return 0;
	case OPTION_WAIT:
		return take_wait(request, arg, state);
	case ARGP_KEY_ARG:
		if (list)
			return sr_add_line(list, arg, state);
		sr_usage(state, "'%s' belongs to no option", arg);
		return EINVAL;
	case ARGP_KEY_END:
		complete(request, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int create(struct request *request, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &sr_token_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_SCOPES, sr_buf_string(&request->scopes));
	sr_template_text(&template, CKA_SR_TTL, request->ttl);
	sr_template_text(&template, CKA_SR_MAX_USES, request->max_uses);
	if (request->addresses.len > 0)
		sr_template_text(&template, CKA_SR_ALLOWED_IPS, sr_buf_string(&request->addresses));
	sr_template_text(&template, CKA_SR_DESCRIPTION, request->description);
	sr_template_text(&template, CKA_SR_REQUIRE_APPROVAL, request->require_approval ? "true" : NULL);
	return sr_create(request->tool, &template, handle);
}

static int print_token(struct sr_tool *tool, json_t *token, const struct sr_locked *string)
{
	if (tool->json) {
		json_object_set_new(token, "token", json_stringn((const char *)string->data, string->len));
		return sr_put_json(token);
	}
	int exit_code = sr_put_bytes(string->data, string->len);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

static void describe(const json_t *token)
{
	const json_t *scopes = json_object_get(token, "scopes");
	const char *id = sr_json_text(token, "id"), *approval = sr_json_text(token, "approval");
	if (approval[0])
		sr_say("token %s is pending: others decide on request %s (strongroom approval approve %s), and its "
		       "time starts then",
			id, approval, approval);
	else
		sr_say("token %s is %s until %s", id, sr_json_text(token, "state"), sr_json_text(token, "expires_at"));
	for (size_t i = 0; i < json_array_size(scopes); i++)
		sr_say("  %s", json_string_value(json_array_get(scopes, i)));
}

static int deliver(struct sr_tool *tool, CK_OBJECT_HANDLE handle, json_t **token)
{
	struct sr_locked string = SR_LOCKED_INIT;
	int exit_code = sr_read_object(tool, handle, sr_token_fields, SR_TOKEN_FIELDS, token);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, &string);
	if (exit_code == SR_EXIT_DONE)
		exit_code = print_token(tool, *token, &string);
	sr_locked_clear(&string);
	if (exit_code == SR_EXIT_DONE)
		describe(*token);
	return exit_code;
}

/* -- a token that is pending ----------------------------------------------------------------------------------- */
/* The request as it is now; where it is decided, and how. */
static int look_at_request(struct sr_tool *tool, CK_OBJECT_HANDLE handle, bool *decided)
{
	json_t *request;
	int exit_code = sr_read_object(tool, handle, sr_approval_fields, SR_APPROVAL_FIELDS, &request);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	*decided = !sr_approval_open(request);
	char *line = *decided ? sr_approval_line(request) : NULL;
	if (line)
		sr_say("%s", line);
	if (*decided && strcmp(sr_json_text(request, "state"), "approved") != 0)
		exit_code = SR_EXIT_APPROVAL;
	free(line);
	json_decref(request);
	return exit_code;
}

static int wait_for_approval(struct sr_tool *tool, const char *id, uint64_t seconds)
{
	CK_OBJECT_HANDLE handle;
	bool decided = false;
	int exit_code = sr_approval_find(tool, id, &handle);
	while (exit_code == SR_EXIT_DONE && !decided) {
		exit_code = look_at_request(tool, handle, &decided);
		if (exit_code != SR_EXIT_DONE || decided)
			return exit_code;
		if (seconds-- == 0)
			return SR_EXIT_APPROVAL;
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	return exit_code;
}

/* A token whose string did not reach its user must not live on. */
static int issue(struct request *request)
{
	struct sr_tool *tool = request->tool;
	CK_OBJECT_HANDLE handle;
	json_t *token = NULL;
	int exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(request, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = deliver(tool, handle, &token);
	const char *approval = sr_json_text(token, "approval");
	if (exit_code != SR_EXIT_DONE && sr_destroy(tool, handle) == SR_EXIT_DONE)
		sr_say("the token was revoked again");
	if (exit_code == SR_EXIT_DONE)
		sr_guidance_warn(request->use, request->ttl, request->max_uses, sr_buf_string(&request->scopes));
	if (exit_code == SR_EXIT_DONE && approval[0])
		exit_code = wait_for_approval(tool, approval, request->wait_s);
	json_decref(token);
	return exit_code;
}

int sr_run_token_issue(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--scope SCOPE... {--ttl DURATION | --for USE}",
		"Issue a token. Its string stands alone on standard output; it is the PIN of whoever uses it, and is "
		"shown only now.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .scopes = SR_BUF_INIT, .addresses = SR_BUF_INIT };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = issue(&request);
	sr_buf_clear(&request.scopes);
	sr_buf_clear(&request.addresses);
	return exit_code;
}
