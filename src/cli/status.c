/* strongroom status. */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"

/* Of a daemon: the listeners stand below, one a line. */
static int put_for_people(json_t *status)
{
	static const struct sr_column columns[] = { { "listener", "address", NULL }, { "open", "open", NULL },
		{ "accepted", "accepted", NULL }, { "refused", "refused", NULL } };
	json_t *listeners = json_incref(json_object_get(status, "listeners"));
	json_object_del(status, "listeners");
	int exit_code = sr_put_pairs(status);
	if (exit_code == SR_EXIT_DONE && json_array_size(listeners) > 0)
		exit_code = sr_put_bytes("\n", 1);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_table(listeners, columns, sizeof columns / sizeof columns[0]);
	json_decref(listeners);
	return exit_code;
}

int sr_run_status(struct sr_tool *tool, int argc, char **argv)
{
	int exit_code = sr_parse_none(tool,
		"Show who serves the vault, its state, its HSM, its audit, and a daemon's listeners and counters.",
		argc, argv);
	json_t *status = NULL;
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "status", &status);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(status) : put_for_people(status);
	json_decref(status);
	return exit_code;
}
