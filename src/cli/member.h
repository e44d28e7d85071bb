/* What the commands on members share: how a member is found. */
#ifndef SR_CLI_MEMBER_H
#define SR_CLI_MEMBER_H

#include "cli/objects.h"

extern const CK_OBJECT_CLASS sr_member_class;

/** sr_find_member(tool, name, handle): as sr_find_one; a login that may not see other members is SR_EXIT_DENIED. */
int sr_find_member(struct sr_tool *tool, const char *name, CK_OBJECT_HANDLE *handle);

#endif
