/* The table of return codes. */
#include "pkcs11/codes.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>

/* Each list begins with CKR_OK, which every call may answer, so that none is empty. */
#define SR_CODES(name, list, more)                                   \
	static const CK_RV listed_##name[] = { CKR_OK SR_AND list }; \
	static const CK_RV ours_##name[] = { CKR_OK SR_AND more };
#include "pkcs11/codes.def"
#undef SR_CODES

#define COUNT(list) (sizeof(list) / sizeof((list)[0]) - 1)
#define SR_CODES(name, list, more) \
	{ SR_ID_##name, listed_##name + 1, COUNT(listed_##name), ours_##name + 1, COUNT(ours_##name) },
const struct sr_code_row sr_code_rows[] = {
#include "pkcs11/codes.def"
};
#undef SR_CODES

const size_t sr_code_row_count = sizeof sr_code_rows / sizeof sr_code_rows[0];

/* 5.1.1, 5.1.6 */
static const CK_RV of_all[] = { CKR_OK, CKR_GENERAL_ERROR, CKR_HOST_MEMORY, CKR_FUNCTION_FAILED,
	CKR_FUNCTION_NOT_SUPPORTED, CKR_CRYPTOKI_NOT_INITIALIZED };

/* 5.1.2, 5.1.3. CKR_TOKEN_NOT_PRESENT is not here: a token that goes takes its sessions along. */
static const CK_RV of_sessions[] = { CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_DEVICE_ERROR,
	CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED };

static bool has(const CK_RV *list, size_t count, CK_RV rv)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == rv)
			return true;
	}
	return false;
}

bool sr_code_is_common(enum sr_call_id id, CK_RV rv)
{
	bool session = sr_call_rows[id].where == SR_WHERE_SESSION;
	return has(of_all, sizeof of_all / sizeof of_all[0], rv) ||
	       (session && has(of_sessions, sizeof of_sessions / sizeof of_sessions[0], rv));
}

bool sr_code_allowed(enum sr_call_id id, CK_RV rv)
{
	for (size_t i = 0; i < sr_code_row_count; i++) {
		const struct sr_code_row *row = &sr_code_rows[i];
		if (row->id == id)
			return sr_code_is_common(id, rv) || has(row->listed, row->listed_count, rv) ||
			       has(row->ours, row->ours_count, rv);
	}
	return false;
}

void sr_code_assert(enum sr_call_id id, CK_RV rv)
{
	if (sr_code_allowed(id, rv))
		return;
	fprintf(stderr, "%s answers %s: not a code of it (src/pkcs11/codes.def)\n", sr_call_rows[id].name,
		sr_rv_name(rv));
	abort();
}
