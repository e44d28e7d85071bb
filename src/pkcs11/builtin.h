/* Objects that every token has: the profiles that it follows and its mechanisms (PKCS#11 v3.1, 4.12 and 4.13). They are
 * public, read-only, the same for everybody, and have fixed handles that no other object ever gets. */
#ifndef SR_PKCS11_BUILTIN_H
#define SR_PKCS11_BUILTIN_H

#include "util/attrs.h"

struct sr_call;

#define SR_BUILTIN_FIRST 0x100u
#define SR_BUILTIN_END 0x10000u /* handles of other objects are not below */

/** sr_builtin_attrs(call, handle, attrs): what HANDLE is; false: none of these. attrs->failed where there is no memory.
 */
bool sr_builtin_attrs(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_attrs *attrs);

/** sr_builtin_each(call, query, found, ctx): those that match. A search finds profiles where it names their class or
 * CKA_TOKEN, mechanisms where it names their class. */
void sr_builtin_each(struct sr_call *call, const struct sr_attrs *query,
	void (*found)(CK_OBJECT_HANDLE handle, void *ctx), void *ctx);

#endif
