/* From a module's path to a session with a login. */
#ifndef SR_CLI_SESSION_H
#define SR_CLI_SESSION_H

#include "cli/locked.h"
#include "cli/tool.h"

/** sr_module_path(tool): --module, else $STRONGROOM_MODULE unless the process is privileged, else the installed one. */
const char *sr_module_path(const struct sr_tool *tool);

/** sr_tool_load(tool): loads the module and takes its function list and vendor interface; initialises nothing. */
int sr_tool_load(struct sr_tool *tool);

/** sr_tool_start(tool): sr_tool_load, C_Initialize, the slot and a session in it; nobody has logged in. */
int sr_tool_start(struct sr_tool *tool);

/** sr_tool_login(tool, pin): C_Login; PIN is not looked at on a slot that logs itself in. */
int sr_tool_login(struct sr_tool *tool, const struct sr_locked *pin);

/** sr_tool_open(tool): sr_tool_start, the user's PIN from where it is kept, and the login with it. */
int sr_tool_open(struct sr_tool *tool);

/** sr_tool_close(tool): logs out and finalises, as far as it came. The module stays mapped: the process ends next. */
void sr_tool_close(struct sr_tool *tool);

#endif
