/* strongroom doctor: works with everything broken. */
#define _GNU_SOURCE 1 /* secure_getenv */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_check(json_t *checks, const char *check, bool ok, const char *detail, const char *advice)
{
	char *safe = sr_safe_text(detail, strlen(detail));
	json_array_append_new(checks, json_pack("{s:s, s:b, s:s, s:s}", "check", check, "ok", (int)ok, "detail",
					      safe ? safe : "", "advice", advice));
	free(safe);
}

/* -- what the tool sees by itself ----------------------------------------------------------------------------- */
static bool check_module(struct sr_tool *tool, json_t *checks)
{
	bool loaded = sr_tool_load(tool) == SR_EXIT_DONE;
	add_check(checks, "module", loaded, sr_module_path(tool),
		loaded ? "" : "install Strongroom, or name the module with --module");
	return loaded;
}

/* In place of the module's own check, and only where a file is named: where else one may stand, the module knows. */
static void check_configuration(json_t *checks)
{
	const char *file = secure_getenv("STRONGROOM_CONF");
	if (!file || !file[0])
		return;
	bool readable = access(file, R_OK) == 0;
	const char *advice =
		readable ? "" : "make a vault with `strongroom init --dir DIR', or correct STRONGROOM_CONF";
	add_check(checks, "configuration file", readable, file, advice);
}

/* Programs that load every registered module need it; those that name the module do not. */
static void check_registration(json_t *checks)
{
	static const char *const files[] = { "/etc/pkcs11/modules/strongroom.module",
		"/usr/share/p11-kit/modules/strongroom.module" };
	const char *found = NULL;
	for (size_t i = 0; i < sizeof files / sizeof files[0] && !found; i++)
		found = access(files[i], R_OK) == 0 ? files[i] : NULL;
	add_check(checks, "p11-kit registration", true, found ? found : "none (optional)", "");
}

/* -- what the module sees ------------------------------------------------------------------------------------- */
static void ask_module(struct sr_tool *tool, json_t *checks)
{
	char *text = NULL;
	CK_RV rv = tool->vendor->sr_doctor(&text);
	if (rv != CKR_OK) {
		sr_refuse(tool, rv);
		add_check(checks, "vault", false, "it could not be looked at", "see the line on standard error");
		return;
	}
	json_t *found = sr_load_object(text, strlen(text));
	tool->vendor->sr_free(text);
	if (!found)
		add_check(checks, "vault", false, "the module's answer could not be read", "reinstall Strongroom");
	json_array_extend(checks, json_object_get(found, "checks"));
	json_decref(found);
}

/* -- the report ----------------------------------------------------------------------------------------------- */
static bool all_ok(const json_t *checks)
{
	size_t i;
	const json_t *check;
	json_array_foreach(checks, i, check)
	{
		if (!json_is_true(json_object_get(check, "ok")))
			return false;
	}
	return true;
}

static int put_checks(json_t *checks)
{
	static const struct sr_column columns[] = {
		{ "check", "check", NULL },
		{ "result", "result", NULL },
		{ "detail", "detail", NULL },
		{ "advice", "advice", NULL },
	};
	size_t i;
	json_t *check;
	json_array_foreach(checks, i, check)
	{
		bool ok = json_is_true(json_object_get(check, "ok"));
		json_object_set_new(check, "result", json_string(ok ? "ok" : "FAIL"));
	}
	return sr_put_table(checks, columns, sizeof columns / sizeof columns[0]);
}

static int look(struct sr_tool *tool)
{
	json_t *checks = json_array();
	if (check_module(tool, checks))
		ask_module(tool, checks);
	else
		check_configuration(checks);
	check_registration(checks);
	int exit_code = tool->json ? sr_put_json(checks) : put_checks(checks);
	if (exit_code == SR_EXIT_DONE && !all_ok(checks))
		exit_code = SR_EXIT_FAILED;
	json_decref(checks);
	return exit_code;
}

/* -- the clock ------------------------------------------------------------------------------------------------ */
static int accept_clock(struct sr_tool *tool)
{
	json_t *clocks = NULL;
	int exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "accept-clock", &clocks);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("The clock is accepted: time goes on from %s, no longer from %s. All tokens are revoked.",
		sr_json_text(clocks, "now"), sr_json_text(clocks, "was"));
	exit_code = tool->json ? sr_put_json(clocks) : SR_EXIT_DONE;
	json_decref(clocks);
	return exit_code;
}

/* -- the command ---------------------------------------------------------------------------------------------- */
#define OPTION_ACCEPT_CLOCK 256

struct request {
	struct sr_tool *tool;
	bool accept_clock;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_ACCEPT_CLOCK:
		request->accept_clock = true;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_doctor(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "accept-clock", OPTION_ACCEPT_CLOCK, NULL, 0,
			"Let time go on from the clock as it stands, where the newest record is in the future; revokes "
			"all tokens; needs an admin's login",
			0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, NULL,
		"Look for what is wrong with this set-up, and say what to do. Changes nothing and needs no login, but "
		"with --accept-clock.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	return request.accept_clock ? accept_clock(tool) : look(tool);
}
