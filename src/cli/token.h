/* What the commands on tokens share: how a token looks. */
#ifndef SR_CLI_TOKEN_H
#define SR_CLI_TOKEN_H

#include "cli/objects.h"

#define SR_TOKEN_FIELDS 14
extern const struct sr_field sr_token_fields[SR_TOKEN_FIELDS];
extern const CK_OBJECT_CLASS sr_token_class;

#endif
