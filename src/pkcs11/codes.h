/* Which codes a call may answer. Data for the tests, and an assertion in builds that are configured with --enable-debug
 * (the default in those with sanitizers): a code that is not in the table ends the process there, with a line that
 * names call and code. */
#ifndef SR_PKCS11_CODES_H
#define SR_PKCS11_CODES_H

#include "pkcs11/calls.h"

#include <stdbool.h>
#include <stddef.h>

/** struct sr_code_row: codes.def's row of a call. LISTED and OURS hold no code of a group. */
struct sr_code_row {
	enum sr_call_id id;
	const CK_RV *listed;
	size_t listed_count;
	const CK_RV *ours;
	size_t ours_count;
};
extern const struct sr_code_row sr_code_rows[];
extern const size_t sr_code_row_count;

/** sr_code_is_common(id, rv): the standard lets the group that the call belongs to answer it. */
bool sr_code_is_common(enum sr_call_id id, CK_RV rv);

/** sr_code_allowed(id, rv): common, listed, or ours. */
bool sr_code_allowed(enum sr_call_id id, CK_RV rv);

/** sr_code_assert(id, rv): aborts where it is not. */
void sr_code_assert(enum sr_call_id id, CK_RV rv);

#endif
