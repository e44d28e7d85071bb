/* What the value of an attribute is (attributes.def): pure data, any thread. */
#ifndef SR_PKCS11_ATTRIBUTE_KIND_H
#define SR_PKCS11_ATTRIBUTE_KIND_H

#include "pkcs11/cryptoki.h"

enum sr_attribute_kind {
	SR_ATTRIBUTE_BYTES,
	SR_ATTRIBUTE_BOOL,
	SR_ATTRIBUTE_ULONG,
	SR_ATTRIBUTE_DATE,
	SR_ATTRIBUTE_MECHANISMS, /* CK_MECHANISM_TYPEs, one after the other */
};

/** sr_attribute_kind(type): SR_ATTRIBUTE_BYTES for what is not in the table, so for every vendor attribute. */
enum sr_attribute_kind sr_attribute_kind(CK_ATTRIBUTE_TYPE type);

#endif
