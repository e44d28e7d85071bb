/* Errors below the call layer: one code of the standard, one reason of ours, one English line. */
#ifndef SR_UTIL_ERROR_H
#define SR_UTIL_ERROR_H

#include "pkcs11/cryptoki.h"
#include "pkcs11/strongroom.h"

#include <stddef.h>

#define SR_ERROR_TEXT_MAX 256

/** struct sr_error: why a call failed.
 *  rv      what the C_* function answers; CKR_OK where nothing has failed
 *  reason  SR_REASON_* of strongroom.h; goes into ulDeviceError and the audit
 *  text    one line for a person: what was refused, why, what to do next; never a PIN, a value, a token string */
struct sr_error {
	CK_RV rv;
	CK_ULONG reason;
	char text[SR_ERROR_TEXT_MAX];
};

#define SR_ERROR_INIT                      \
	{                                  \
		CKR_OK, SR_REASON_NONE, "" \
	}

/** sr_fail(err, rv, reason, format, ...): fills ERR (which may be NULL) and returns RV, so that
 *  `return sr_fail(...)` is the one way to refuse. Control characters in the text become '?'. */
CK_RV sr_fail(struct sr_error *err, CK_RV rv, CK_ULONG reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/** sr_error_clear(err): back to SR_ERROR_INIT. */
void sr_error_clear(struct sr_error *err);

/** sr_rv_name(rv): "CKR_OK" and so on; "CKR_0x…" for what the table does not know (a thread-local buffer). */
const char *sr_rv_name(CK_RV rv);

/** sr_reason_name(reason): the lower-case word that the audit stores, e.g. "out_of_scope"; "unknown" otherwise. */
const char *sr_reason_name(CK_ULONG reason);

#endif
