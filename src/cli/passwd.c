/* strongroom member passwd. */
#include "cli/credential.h"
#include "cli/member.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>

struct request {
	struct sr_tool *tool;
	const char *name;
	const char *passphrase_file;
};

enum { OPTION_PASSPHRASE_FILE = 256 };

static const struct argp_option options[] = {
	{ "passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0, "The new passphrase (default: asked, or made up)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->name, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Whose PIN it is: "name:passphrase". OWN: the passphrase to be changed is theirs. */
static int check_owner(const struct request *request, const struct sr_locked *pin, bool *own)
{
	const char *colon = memchr(pin->data, ':', pin->len);
	if (!colon) {
		sr_complain("%s: only a member has a passphrase; log in as member:passphrase", request->tool->what);
		return SR_EXIT_USAGE;
	}
	size_t len = (size_t)(colon - (const char *)pin->data);
	*own = !request->name || (strlen(request->name) == len && memcmp(request->name, pin->data, len) == 0);
	return SR_EXIT_DONE;
}

static int change_own(struct sr_tool *tool, const struct sr_locked *pin, const struct sr_locked *passphrase)
{
	CK_RV rv = tool->p11->C_SetPIN(tool->session, pin->data, pin->len, passphrase->data, passphrase->len);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

/* OTHER is a member that the login may change: nobody is asked for a passphrase in vain. */
static int change(const struct request *request, const struct sr_locked *pin, const CK_OBJECT_HANDLE *other)
{
	struct sr_locked passphrase = SR_LOCKED_INIT;
	bool generated;
	int exit_code = sr_passphrase_new(
		request->passphrase_file, request->name ? request->name : "you", &passphrase, &generated);
	const CK_ATTRIBUTE value = { CKA_VALUE, passphrase.data, passphrase.len };
	if (exit_code == SR_EXIT_DONE)
		exit_code = other ? sr_set(request->tool, *other, &value) : change_own(request->tool, pin, &passphrase);
	if (exit_code == SR_EXIT_DONE)
		sr_say("the passphrase is changed");
	if (exit_code == SR_EXIT_DONE && generated)
		sr_say("  passphrase  %s   (shown only now)", (const char *)passphrase.data);
	sr_locked_clear(&passphrase);
	return exit_code;
}

int sr_run_member_passwd(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[NAME]",
		"Change your own passphrase, or as an admin give another member a new one.", sr_global_children, NULL,
		NULL };
	struct request request = { .tool = tool };
	struct sr_locked pin = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE other = CK_INVALID_HANDLE;
	bool own = true;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_start(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_pin_get(tool, &pin);
	if (exit_code == SR_EXIT_DONE)
		exit_code = check_owner(&request, &pin, &own);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_login(tool, &pin);
	if (exit_code == SR_EXIT_DONE && !own)
		exit_code = sr_find_member(tool, request.name, &other);
	if (exit_code == SR_EXIT_DONE)
		exit_code = change(&request, &pin, own ? NULL : &other);
	sr_locked_clear(&pin);
	return exit_code;
}
