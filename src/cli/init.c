/* strongroom init. */
#include "cli/credential.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>

struct request {
	struct sr_tool *tool;
	const char *dir;
	const char *name;
	const char *admin;
	const char *passphrase_file;
	const char *hsm;
};

enum { OPTION_DIR = 256, OPTION_NAME, OPTION_ADMIN, OPTION_PASSPHRASE_FILE, OPTION_HSM };

static const struct argp_option options[] = {
	{ "dir", OPTION_DIR, "DIR", 0, "The vault's directory; it is made", 0 },
	{ "name", OPTION_NAME, "NAME", 0, "The vault's name and token label (default: strongroom)", 0 },
	{ "admin", OPTION_ADMIN, "NAME", 0, "The first admin (default: admin)", 0 },
	{ "passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0, "The admin's passphrase (default: asked, or made up)",
		0 },
	{ "hsm", OPTION_HSM, "URI", 0, "The HSM, RFC 7512 pkcs11:... (default: a SoftHSM token inside DIR)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_DIR:
		request->dir = arg;
		return 0;
	case OPTION_NAME:
		request->name = arg;
		return 0;
	case OPTION_ADMIN:
		request->admin = arg;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	case OPTION_HSM:
		request->hsm = arg;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!request->dir || !request->dir[0])
			sr_usage(state, "--dir is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void say_done(
	const struct request *request, const struct sr_locked *passphrase, bool generated, const json_t *result)
{
	const char *admin = request->admin ? request->admin : "admin";
	sr_say("vault made in %s", request->dir);
	sr_say("  configuration          %s", sr_json_text(result, "config"));
	sr_say("  audit key fingerprint  %s", sr_json_text(result, "audit_key_fingerprint"));
	sr_say("  first admin            %s", admin);
	if (generated)
		sr_say("  passphrase             %s   (shown only now)", (const char *)passphrase->data);
	sr_say("Keep the fingerprint somewhere else: it is what the audit is checked against.");
	sr_say("Next: export STRONGROOM_CONF='%s'", sr_json_text(result, "config"));
	sr_say("      and log in with the PIN %s:PASSPHRASE, from a file of mode 600 (--pin-file) or when asked.",
		admin);
	if (!request->hsm)
		sr_say("Warning: the SoftHSM token and its PIN lie in the same directory as the vault: lock and key "
		       "together. That is for development and tests; name an HSM with --hsm for anything else.");
}

static int create(const struct request *request, const struct sr_locked *passphrase, json_t **result)
{
	struct sr_tool *tool = request->tool;
	const struct sr_vault_plan plan = {
		.dir = request->dir,
		.name = request->name,
		.admin = request->admin,
		.passphrase = passphrase->data,
		.passphrase_len = passphrase->len,
		.hsm_uri = request->hsm,
	};
	char *text = NULL;
	CK_RV rv = tool->vendor->sr_vault_create(&plan, &text);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	*result = sr_load_object(text, strlen(text));
	tool->vendor->sr_free(text);
	return *result ? SR_EXIT_DONE : SR_EXIT_FAILED;
}

int sr_run_init(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--dir DIR",
		"Make a new vault: its keys in the HSM, its database and DIR/strongroom.conf.", sr_global_children,
		NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_locked passphrase = SR_LOCKED_INIT;
	bool generated;
	json_t *result = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_load(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_passphrase_new(
			request.passphrase_file, request.admin ? request.admin : "admin", &passphrase, &generated);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(&request, &passphrase, &result);
	if (exit_code == SR_EXIT_DONE)
		say_done(&request, &passphrase, generated, result);
	sr_locked_clear(&passphrase);
	if (exit_code == SR_EXIT_DONE && tool->json)
		exit_code = sr_put_json(result);
	json_decref(result);
	return exit_code;
}
