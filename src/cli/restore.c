/* strongroom restore. */
#include "cli/credential.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct request {
	struct sr_tool *tool;
	const char *file;
	const char *dir;
	const char *hsm;
	bool with_hsm;
	const char *passphrase_file;
};

enum { OPTION_DIR = 256, OPTION_HSM, OPTION_WITH_HSM, OPTION_PASSPHRASE_FILE };

static const struct argp_option options[] = {
	{ "dir", OPTION_DIR, "DIR", 0, "The new vault's directory; it is made", 0 },
	{ "hsm", OPTION_HSM, "URI", 0, "The HSM that the backup belongs to (default: the configured one)", 0 },
	{ "with-hsm", OPTION_WITH_HSM, NULL, 0, "Use the SoftHSM token in the backup", 0 },
	{ "recovery-passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0,
		"The recovery passphrase that opens that token (default: asked)", 0 },
	{ 0 },
};

static error_t check(const struct request *request, const struct argp_state *state)
{
	if (!request->file || !request->file[0])
		sr_usage(state, "the backup is missing");
	if (!request->dir || !request->dir[0])
		sr_usage(state, "--dir is missing");
	if (request->passphrase_file && !request->with_hsm)
		sr_usage(state, "a recovery passphrase is for --with-hsm");
	if (request->hsm && request->with_hsm)
		sr_usage(state, "--hsm and --with-hsm exclude each other");
	return 0;
}

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
	case OPTION_HSM:
		request->hsm = arg;
		return 0;
	case OPTION_WITH_HSM:
		request->with_hsm = true;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->file, arg, state);
	case ARGP_KEY_END:
		return check(request, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void say_missing(const json_t *missing)
{
	size_t i;
	const json_t *path;
	if (json_array_size(missing) == 0)
		return;
	sr_say("The HSM does not have these resident keys any more (they were deleted after the backup):");
	json_array_foreach(missing, i, path)
	{
		char *safe = sr_safe_text(json_string_value(path), json_string_length(path));
		sr_say("  %s", safe ? safe : "");
		free(safe);
	}
}

static void say_done(const struct request *request, const json_t *result)
{
	const json_t *backup = json_object_get(result, "backup"), *hsm = json_object_get(result, "hsm");
	sr_say("vault %s restored into %s, epoch %" JSON_INTEGER_FORMAT, sr_json_text(result, "name"), request->dir,
		number(result, "epoch"));
	sr_say("  the backup ends at record %" JSON_INTEGER_FORMAT, number(backup, "sequence"));
	if (json_is_object(hsm))
		sr_say("  the HSM had last seen record %" JSON_INTEGER_FORMAT " of epoch %" JSON_INTEGER_FORMAT,
			number(hsm, "sequence"), number(hsm, "epoch"));
	sr_say("All tokens are revoked, %" JSON_INTEGER_FORMAT " approvals cancelled, %" JSON_INTEGER_FORMAT
	       " agents suspended (strongroom agent resume).",
		number(result, "approvals_canceled"), number(result, "agents_suspended"));
	sr_say("The vault that the backup was made of is refused by this HSM from now on.");
	say_missing(json_object_get(result, "missing_keys"));
	sr_say("Its configuration is new: carry over what the old one said (separation, heads, listen, slots, ...).");
	sr_say("Next: export STRONGROOM_CONF='%s'", sr_json_text(result, "config"));
}

static int restore(const struct request *request, const struct sr_locked *passphrase, json_t **result)
{
	struct sr_tool *tool = request->tool;
	const struct sr_restore_plan plan = {
		.file = request->file,
		.dir = request->dir,
		.hsm_uri = request->hsm,
		.passphrase = request->with_hsm ? passphrase->data : NULL,
		.passphrase_len = passphrase->len,
	};
	char *text = NULL;
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failed write like any other */
	CK_RV rv = tool->vendor->sr_vault_restore(&plan, &text);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	*result = sr_load_object(text, strlen(text));
	tool->vendor->sr_free(text);
	return *result ? SR_EXIT_DONE : SR_EXIT_FAILED;
}

int sr_run_restore(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "FILE --dir DIR",
		"Make a vault of a backup, in a new directory. Tokens, approvals and agents of before count no more.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_locked passphrase = SR_LOCKED_INIT;
	json_t *result = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_load(tool);
	if (exit_code == SR_EXIT_DONE && request.with_hsm)
		exit_code = sr_passphrase_get(request.passphrase_file, "Recovery passphrase: ", &passphrase);
	if (exit_code == SR_EXIT_DONE)
		exit_code = restore(&request, &passphrase, &result);
	sr_locked_clear(&passphrase);
	if (exit_code == SR_EXIT_DONE)
		say_done(&request, result);
	if (exit_code == SR_EXIT_DONE && tool->json)
		exit_code = sr_put_json(result);
	json_decref(result);
	return exit_code;
}
