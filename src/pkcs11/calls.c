/* The table of calls as data. */
#include "pkcs11/calls.h"

#define SR_CALL(name, section, since, where, status, audit, signature) \
	{ #name, section, since, SR_WHERE_##where, SR_STATUS_##status, SR_AUDIT_##audit },

const struct sr_call_row sr_call_rows[SR_CALL_COUNT] = {
#include "pkcs11/calls.def"
};
