/* What the commands on approvals share: how a request looks. */
#ifndef SR_CLI_APPROVAL_H
#define SR_CLI_APPROVAL_H

#include "cli/objects.h"

#define SR_APPROVAL_FIELDS 20
extern const struct sr_field sr_approval_fields[SR_APPROVAL_FIELDS];
extern const CK_OBJECT_CLASS sr_approval_class;

/** sr_approval_find(tool, id, handle): the request of that id; none is SR_EXIT_NOT_FOUND, and the line is said. */
int sr_approval_find(struct sr_tool *tool, const char *id, CK_OBJECT_HANDLE *handle);

/** sr_approval_open(request): whether there is something to decide still: it is pending, or its delay runs. */
bool sr_approval_open(const json_t *request);

/** sr_approval_line(request): what it stands at, and who asks for what, in one malloc'ed line; NULL without memory. */
char *sr_approval_line(const json_t *request);

#endif
