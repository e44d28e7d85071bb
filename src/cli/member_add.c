/* strongroom member add. */
#include "cli/credential.h"
#include "cli/member.h"
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/session.h"
#include "util/buf.h"

#include <errno.h>
#include <string.h>

/* ADDRESSES: one a line. LIST: where a word without an option of its own goes, as in `--allow-ip A B`. */
struct request {
	struct sr_tool *tool;
	const char *name;
	const char *role;
	const char *passphrase_file;
	struct sr_buf addresses;
	struct sr_buf *list;
};

enum { OPTION_ROLE = 256, OPTION_PASSPHRASE_FILE, OPTION_ALLOW_IP };

static const struct argp_option options[] = {
	{ "role", OPTION_ROLE, "ROLE", 0, "admin, editor, viewer or auditor", 0 },
	{ "passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0, "The passphrase (default: asked, or made up)", 0 },
	{ "allow-ip", OPTION_ALLOW_IP, "ADDRESS...", 0, "Hosts and CIDR to log in from (default: any)", 0 },
	{ 0 },
};

static void check_complete(const struct request *request, const struct argp_state *state)
{
	if (!request->name)
		sr_usage(state, "NAME is missing");
	if (!request->role)
		sr_usage(state, "--role is missing; it is admin, editor, viewer or auditor");
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
	case OPTION_ROLE:
		request->role = arg;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	case OPTION_ALLOW_IP:
		request->list = &request->addresses;
		return sr_add_line(request->list, arg, state);
	case ARGP_KEY_ARG:
		return list ? sr_add_line(list, arg, state) : sr_take_one(&request->name, arg, state);
	case ARGP_KEY_END:
		check_complete(request, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int create(struct request *request, const struct sr_locked *passphrase)
{
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	sr_template_class(&template, &sr_member_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_SR_NAME, request->name);
	sr_template_text(&template, CKA_SR_ROLE, request->role);
	sr_template_bytes(&template, CKA_VALUE, passphrase->data, passphrase->len);
	if (request->addresses.len > 0)
		sr_template_text(&template, CKA_SR_ALLOWED_IPS, sr_buf_string(&request->addresses));
	return sr_create(request->tool, &template, &handle);
}

/* What was made up is shown when it has become somebody's. */
static int add(struct request *request)
{
	struct sr_locked passphrase = SR_LOCKED_INIT;
	bool generated = false;
	int exit_code = sr_tool_open(request->tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_passphrase_new(request->passphrase_file, request->name, &passphrase, &generated);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(request, &passphrase);
	if (exit_code == SR_EXIT_DONE)
		sr_say("%s is added as %s", request->name, request->role);
	if (exit_code == SR_EXIT_DONE && generated)
		sr_say("  passphrase  %s   (shown only now)", (const char *)passphrase.data);
	sr_locked_clear(&passphrase);
	return exit_code;
}

int sr_run_member_add(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "NAME --role ROLE",
		"Add a person. Who is removed once is never added again under the same name.", sr_global_children, NULL,
		NULL };
	struct request request = { .tool = tool, .addresses = SR_BUF_INIT };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = add(&request);
	sr_buf_clear(&request.addresses);
	return exit_code;
}
