/* What C_GetAttributeValue of any object is made of: PKCS#11 v3.1, 5.7.5. */
#ifndef SR_PKCS11_ATTRIBUTE_H
#define SR_PKCS11_ATTRIBUTE_H

#include "util/attrs.h"

/** sr_attribute_first(rv, next): of several codes the first failure; 5.7.5 leaves the choice open. */
CK_RV sr_attribute_first(CK_RV rv, CK_RV next);

/** sr_attribute_partial(rv): it says something of one attribute; any other code is the call's. */
bool sr_attribute_partial(CK_RV rv);

/** sr_attribute_mark(wanted, rv): nothing of this one, for RV. */
CK_RV sr_attribute_mark(CK_ATTRIBUTE *wanted, CK_RV rv);

/** sr_attribute_deliver(wanted, value, len): steps 3 to 5, for a value that may be seen. */
CK_RV sr_attribute_deliver(CK_ATTRIBUTE *wanted, const void *value, size_t len);

/** sr_attribute_of(wanted, attrs): from ATTRS; what is not there, as the standard has it for an object of that class
 *  and key type: empty, or false. CKR_ATTRIBUTE_TYPE_INVALID where no such object has it. */
CK_RV sr_attribute_of(CK_ATTRIBUTE *wanted, const struct sr_attrs *attrs);

#endif
