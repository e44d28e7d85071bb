/* strongroom token issue. */
#include "cli/output.h"
#include "cli/session.h"
#include "cli/token.h"
#include "policy/duration.h"
#include "util/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* SCOPES and ADDRESSES: one a line. LIST: where a word without an option of its own goes, as in `--scope A B`. */
struct request {
	struct sr_tool *tool;
	struct sr_buf scopes;
	struct sr_buf addresses;
	struct sr_buf *list;
	bool has_ttl;
	char ttl[24];
	const char *max_uses;
	const char *description;
};

enum { OPTION_SCOPE = 256, OPTION_TTL, OPTION_MAX_USES, OPTION_ALLOW_IP, OPTION_DESCRIPTION };

static const struct argp_option options[] = {
	{ "scope", OPTION_SCOPE, "SCOPE...", 0, "resource:action:glob, as secrets:read:production/payments/*", 0 },
	{ "ttl", OPTION_TTL, "DURATION", 0, "How long it lives: 90s, 30m, 24h at most", 0 },
	{ "max-uses", OPTION_MAX_USES, "N", 0, "How many values or key operations it is good for", 0 },
	{ "allow-ip", OPTION_ALLOW_IP, "ADDRESS...", 0, "Hosts and CIDR that may use it (default: any)", 0 },
	{ "description", OPTION_DESCRIPTION, "TEXT", 0, "What it is for", 0 },
	{ 0 },
};

/* Lines are the list's separator, so one argument must not hold two. An empty one is a variable that was not set: it
 * must not end as no restriction at all. */
static error_t add_line(struct sr_buf *list, const char *arg, const struct argp_state *state)
{
	if (arg[0] == '\0') {
		sr_usage(state, "an empty scope or address is refused");
		return EINVAL;
	}
	if (strchr(arg, '\n')) {
		sr_usage(state, "a scope or address with a line break is refused");
		return EINVAL;
	}
	if (list->len > 0)
		sr_buf_text(list, "\n");
	sr_buf_text(list, arg);
	return list->failed ? ENOMEM : 0;
}

/* The vault takes seconds, and decides whether they are too many or too few. */
static error_t take_ttl(struct request *request, const char *arg, const struct argp_state *state)
{
	uint64_t seconds;
	if (!sr_duration_parse(arg, strlen(arg), &seconds)) {
		sr_usage(state, "--ttl '%s' is no duration; give a number and one of s, m, h, d, as 30m", arg);
		return EINVAL;
	}
	snprintf(request->ttl, sizeof request->ttl, "%" PRIu64, seconds);
	request->has_ttl = true;
	return 0;
}

static void check_complete(const struct request *request, const struct argp_state *state)
{
	if (request->scopes.len == 0)
		sr_usage(state, "--scope is missing");
	if (!request->has_ttl)
		sr_usage(state, "--ttl is missing");
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
		return add_line(request->list, arg, state);
	case OPTION_ALLOW_IP:
		request->list = &request->addresses;
		return add_line(request->list, arg, state);
	case OPTION_TTL:
		return take_ttl(request, arg, state);
	case OPTION_MAX_USES:
		request->max_uses = arg;
		return 0;
	case OPTION_DESCRIPTION:
		request->description = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (list)
			return add_line(list, arg, state);
		sr_usage(state, "'%s' belongs to no option", arg);
		return EINVAL;
	case ARGP_KEY_END:
		check_complete(request, state);
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
	sr_say("token %s is %s until %s", sr_json_text(token, "id"), sr_json_text(token, "state"),
		sr_json_text(token, "expires_at"));
	for (size_t i = 0; i < json_array_size(scopes); i++)
		sr_say("  %s", json_string_value(json_array_get(scopes, i)));
}

static int deliver(struct sr_tool *tool, CK_OBJECT_HANDLE handle)
{
	struct sr_locked string = SR_LOCKED_INIT;
	json_t *token = NULL;
	int exit_code = sr_read_object(tool, handle, sr_token_fields, SR_TOKEN_FIELDS, &token);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, &string);
	if (exit_code == SR_EXIT_DONE)
		exit_code = print_token(tool, token, &string);
	sr_locked_clear(&string);
	if (exit_code == SR_EXIT_DONE)
		describe(token);
	json_decref(token);
	return exit_code;
}

/* A token whose string did not reach its user must not live on. */
static int issue(struct request *request)
{
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_tool_open(request->tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(request, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = deliver(request->tool, handle);
	if (exit_code != SR_EXIT_DONE && sr_destroy(request->tool, handle) == SR_EXIT_DONE)
		sr_say("the token was revoked again");
	return exit_code;
}

int sr_run_token_issue(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--scope SCOPE... --ttl DURATION",
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
