/* What the commands on policies share: how a policy looks. */
#ifndef SR_CLI_POLICY_H
#define SR_CLI_POLICY_H

#include "cli/objects.h"

/** sr_policy_read(tool, rows): every policy that the PIN may see, as an array. */
int sr_policy_read(struct sr_tool *tool, json_t **rows);

#endif
