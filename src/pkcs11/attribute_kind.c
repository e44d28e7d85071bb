#include "pkcs11/attribute_kind.h"

#define SR_ATTRIBUTE(type, kind, uses, flags) \
	case type:                            \
		return SR_ATTRIBUTE_##kind;
enum sr_attribute_kind sr_attribute_kind(CK_ATTRIBUTE_TYPE type)
{
	switch (type) {
#include "pkcs11/attributes.def"
	default:
		return SR_ATTRIBUTE_BYTES;
	}
}
#undef SR_ATTRIBUTE
