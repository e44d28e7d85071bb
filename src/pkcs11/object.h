/* What the object calls share. */
#ifndef SR_PKCS11_OBJECT_H
#define SR_PKCS11_OBJECT_H

#include "pkcs11/call.h"

/** sr_object_view(call, ref, view): the object of the vault as this handle shows it: what the class says, less the
 * value where the handle came from a search that did not name it. VIEW is for sr_view_clear in any case. */
CK_RV sr_object_view(struct sr_call *call, const struct sr_ref *ref, struct sr_view *view);

/** sr_object_check_rw(call): CKR_SESSION_READ_ONLY; sr_object_check_write(call, class): only where the class wants a
 * R/W session. */
CK_RV sr_object_check_rw(struct sr_call *call);
CK_RV sr_object_check_write(struct sr_call *call, const struct sr_class *class);

/** sr_object_check_copy(call, from, changes): CKR_ATTRIBUTE_READ_ONLY where the copy of a private object would be
 *  public; CKR_ACTION_PROHIBITED where FROM is a session object that is not CKA_COPYABLE. */
CK_RV sr_object_check_copy(struct sr_call *call, const struct sr_attrs *from, const struct sr_attrs *changes);

/** sr_object_storage_defaults(attrs): what every object of a session shows, where ATTRS does not say it: 4.4, 4.5. */
void sr_object_storage_defaults(struct sr_attrs *attrs);

/** sr_object_prohibit(call, what): CKR_ACTION_PROHIBITED. */
CK_RV sr_object_prohibit(struct sr_call *call, const char *what);

#endif
