/* strongroom status. */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"

int sr_run_status(struct sr_tool *tool, int argc, char **argv)
{
	int exit_code = sr_parse_none(tool, "Show the state of the vault, its HSM and its audit.", argc, argv);
	json_t *status = NULL;
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "status", &status);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(status) : sr_put_pairs(status);
	json_decref(status);
	return exit_code;
}
