/* What the object calls share. */
#ifndef SR_PKCS11_OBJECT_H
#define SR_PKCS11_OBJECT_H

#include "pkcs11/call.h"

/** sr_object_view(call, ref, view): the object of the vault as this handle shows it: what the class says, less the
 * value where the handle came from a search that did not name it. VIEW is for sr_view_clear in any case. */
CK_RV sr_object_view(struct sr_call *call, const struct sr_ref *ref, struct sr_view *view);

/** sr_object_check_write(call, class): CKR_SESSION_READ_ONLY where the class wants a R/W session. */
CK_RV sr_object_check_write(struct sr_call *call, const struct sr_class *class);

/** sr_object_prohibit(call, what): CKR_ACTION_PROHIBITED. */
CK_RV sr_object_prohibit(struct sr_call *call, const char *what);

#endif
