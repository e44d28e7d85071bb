/* What a refusal looks like: one line on standard error and an exit code. */
#ifndef SR_CLI_REFUSAL_H
#define SR_CLI_REFUSAL_H

#include "cli/tool.h"

/** sr_refuse(tool, rv): says why the call that just failed was refused, keeps the reason in TOOL, and answers the exit
 *  code. The module's own line if it has one (so: before any other call), else one from a table of codes. */
int sr_refuse(struct sr_tool *tool, CK_RV rv);

/** sr_exit_code(rv, reason): where the module gave a reason, that decides. */
int sr_exit_code(CK_RV rv, CK_ULONG reason);

/** sr_refuse_search(tool): after a search that found nothing: whether it was refused, which the code does not tell but
 *  the session's device error does. SR_EXIT_DONE where there was simply nothing. */
int sr_refuse_search(struct sr_tool *tool);

#endif
