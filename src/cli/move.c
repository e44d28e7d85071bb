/* strongroom hsm move. */
#include "cli/credential.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
	struct sr_tool *tool;
	const char *hsm;
	const char *dir;
	bool without_resident;
};

enum { OPTION_HSM = 256, OPTION_DIR, OPTION_WITHOUT_RESIDENT };

static const struct argp_option options[] = {
	{ "hsm", OPTION_HSM, "URI", 0, "The new HSM (RFC 7512, pkcs11:...)", 0 },
	{ "dir", OPTION_DIR, "DIR", 0, "The new vault's directory; it is made", 0 },
	{ "without-resident", OPTION_WITHOUT_RESIDENT, NULL, 0,
		"Though resident keys cannot leave their HSM: the new vault does not have them", 0 },
	{ 0 },
};

static error_t check(const struct request *request, const struct argp_state *state)
{
	if (!request->hsm || !request->hsm[0])
		sr_usage(state, "--hsm is missing");
	if (!request->dir || !request->dir[0])
		sr_usage(state, "--dir is missing");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_HSM:
		request->hsm = arg;
		return 0;
	case OPTION_DIR:
		request->dir = arg;
		return 0;
	case OPTION_WITHOUT_RESIDENT:
		request->without_resident = true;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	case ARGP_KEY_END:
		return check(request, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- what is said ------------------------------------------------------------------------------------------------ */

static void show(const char *what, unsigned long done, unsigned long total, void *ctx)
{
	bool *shown = ctx;
	if (!isatty(STDERR_FILENO))
		return;
	if (total)
		fprintf(stderr, "\rmove: %lu of %lu %s  ", done, total, what);
	else
		fprintf(stderr, "\rmove: %lu %s  ", done, what);
	*shown = true;
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void say_names(const json_t *names, const char *line)
{
	size_t i;
	const json_t *name;
	if (json_array_size(names) == 0)
		return;
	sr_say("%s", line);
	json_array_foreach(names, i, name)
	{
		char *safe = sr_safe_text(json_string_value(name), json_string_length(name));
		sr_say("  %s", safe ? safe : "");
		free(safe);
	}
}

static void say_done(const struct request *request, const json_t *result)
{
	char *token = sr_safe_text(sr_json_text(result, "token"), strlen(sr_json_text(result, "token")));
	sr_say("vault %s moved to the HSM token %s, into %s, epoch %" JSON_INTEGER_FORMAT, sr_json_text(result, "name"),
		token ? token : "", request->dir, number(result, "epoch"));
	free(token);
	sr_say("  %" JSON_INTEGER_FORMAT " rows, %" JSON_INTEGER_FORMAT " values, %" JSON_INTEGER_FORMAT
	       " wrapped keys, as they were at record %" JSON_INTEGER_FORMAT " of the old vault",
		number(result, "rows"), number(result, "values"), number(result, "wrapped_keys"),
		number(result, "record"));
	sr_say("All tokens are revoked there, %" JSON_INTEGER_FORMAT " approvals cancelled. Every agent needs a new "
	       "key (strongroom agent rotate); %" JSON_INTEGER_FORMAT " are suspended until then (strongroom agent "
	       "resume).",
		number(result, "approvals_canceled"), number(result, "agents_suspended"));
	say_names(
		json_object_get(result, "resident_keys"), "These resident keys stayed behind, and are deleted there:");
	say_names(json_object_get(result, "members_without_passphrase"),
		"These members have not logged in lately, and need a new passphrase there (strongroom member passwd "
		"NAME):");
	sr_say("The old vault is as it was. From the switch on use only one of the two: what is written to the old one "
	       "from now on is not in the new one.");
	sr_say("The new configuration names the directory and the HSM alone: carry over what the old one said "
	       "(separation, heads, listen, slots, ...).");
	sr_say("Next: export STRONGROOM_CONF='%s'", sr_json_text(result, "config"));
}

/* -- the move ---------------------------------------------------------------------------------------------------- */

static int move(const struct request *request, const struct sr_locked *pin, json_t **result)
{
	struct sr_tool *tool = request->tool;
	bool shown = false;
	const struct sr_move_plan plan = {
		.hsm_uri = request->hsm,
		.dir = request->dir,
		.pin = pin->data,
		.pin_len = pin->len,
		.without_resident = request->without_resident,
		.progress = show,
		.ctx = &shown,
	};
	char *text = NULL;
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failed write like any other */
	CK_RV rv = tool->vendor->sr_vault_move(&plan, &text);
	if (shown)
		fputc('\n', stderr);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	*result = sr_load_object(text, strlen(text));
	tool->vendor->sr_free(text);
	return *result ? SR_EXIT_DONE : SR_EXIT_FAILED;
}

int sr_run_hsm_move(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--hsm URI --dir DIR",
		"Make a copy of the vault in a new directory, under new keys in another HSM: everything sealed anew, "
		"the "
		"audit going on. Nobody else may have the vault open; it stays as it is.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_locked pin = SR_LOCKED_INIT;
	json_t *result = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_load(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_pin_get(tool, &pin);
	if (exit_code == SR_EXIT_DONE)
		exit_code = move(&request, &pin, &result);
	sr_locked_clear(&pin);
	if (exit_code == SR_EXIT_DONE)
		say_done(&request, result);
	if (exit_code == SR_EXIT_DONE && tool->json)
		exit_code = sr_put_json(result);
	json_decref(result);
	return exit_code;
}
