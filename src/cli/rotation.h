/* What rotation.c and rotation_run.c share. */
#ifndef SR_CLI_ROTATION_H
#define SR_CLI_ROTATION_H

#include "cli/objects.h"

/** sr_rotation_read(tool, prefix, within_s, rows): the secrets that are due within that many seconds, worst first, each
 * with "path", "type", "tier", "version", "rotated_at", "rotation_due", "state" ("overdue", "due") and "due_in_s". */
int sr_rotation_read(struct sr_tool *tool, const char *prefix, uint64_t within_s, json_t **rows);

#endif
