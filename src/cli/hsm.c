/* strongroom hsm probe. */
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>

struct request {
	struct sr_tool *tool;
	const char *uri;
};

enum { OPTION_HSM = 256 };

static const struct argp_option options[] = {
	{ "hsm", OPTION_HSM, "URI", 0, "Another HSM than the configured one (RFC 7512, pkcs11:...)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_HSM:
		request->uri = arg;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int put_probe(const json_t *probe)
{
	static const struct sr_column columns[] = {
		{ "feature", "feature", NULL },
		{ "ok", "ok", NULL },
		{ "needed", "needed", NULL },
		{ "detail", "detail", NULL },
	};
	int exit_code = sr_put_pairs(json_object_get(probe, "identity"));
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_bytes("\n", 1);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	return sr_put_table(json_object_get(probe, "findings"), columns, sizeof columns / sizeof columns[0]);
}

static bool is_usable(const json_t *probe)
{
	size_t i;
	const json_t *finding;
	json_array_foreach(json_object_get(probe, "findings"), i, finding)
	{
		if (json_is_true(json_object_get(finding, "needed")) && !json_is_true(json_object_get(finding, "ok")))
			return false;
	}
	return true;
}

static int report(struct sr_tool *tool, const json_t *probe)
{
	int exit_code = tool->json ? sr_put_json(probe) : put_probe(probe);
	if (exit_code != SR_EXIT_DONE || is_usable(probe))
		return exit_code;
	sr_complain("this HSM lacks something that Strongroom needs; choose another with --hsm");
	return SR_EXIT_FAILED;
}

int sr_run_hsm_probe(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Show what the HSM can do and what Strongroom will use. Needs no login to Strongroom.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_load(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	char *text = NULL;
	CK_RV rv = tool->vendor->sr_hsm_probe(request.uri, &text);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	json_t *probe = sr_load_object(text, strlen(text));
	tool->vendor->sr_free(text);
	exit_code = probe ? report(tool, probe) : SR_EXIT_FAILED;
	json_decref(probe);
	return exit_code;
}
