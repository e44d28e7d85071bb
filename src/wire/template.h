/* Attributes on the wire: those that are given, and those that are asked for (docs/wire.md).
 *
 * A value whose attribute is a CK_ULONG, or a list of them (pkcs11/attributes.def), travels as 64-bit numbers, any
 * other as its bytes. A template within a template (CKF_ARRAY_ATTRIBUTE, but for CKA_ALLOWED_MECHANISMS) travels as its
 * length alone: no vault has one, and the call layer refuses it by its type. */
#ifndef SR_WIRE_TEMPLATE_H
#define SR_WIRE_TEMPLATE_H

#include "wire/codec.h"

/** sr_put_template(out, template, count), sr_get_template(in, count): a template that is given. Of more than
 *  SR_WIRE_ATTRIBUTES_MAX attributes the number alone is told; what is read then is an address and that number, which
 *  the call layer refuses. NULL with a count stays that. */
void sr_put_template(struct sr_buf *out, const CK_ATTRIBUTE *template, CK_ULONG count);
CK_ATTRIBUTE *sr_get_template(struct sr_in *in, CK_ULONG *count);

/** struct sr_wanted: attributes that are asked for, with room of their own; ROOMS: how much each had. */
struct sr_wanted {
	CK_ATTRIBUTE *attributes;
	CK_ULONG count;
	CK_ULONG *rooms;
};

/** sr_put_wanted(out, template, count), sr_get_wanted(in, wanted): the question of C_GetAttributeValue: types, and
 * where there is a buffer its size. */
void sr_put_wanted(struct sr_buf *out, const CK_ATTRIBUTE *template, CK_ULONG count);
void sr_get_wanted(struct sr_in *in, struct sr_wanted *wanted);

/** sr_put_values(out, wanted, rv), sr_get_values(in, template, count): the answer: every ulValueLen as the call left
 * it, and the values where RV is one of those that leave values (CKR_OK, CKR_ATTRIBUTE_SENSITIVE,
 *  CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL), there was a buffer and the value is in it. TEMPLATE is the
 *  application's: nothing is written beyond the ulValueLen that it came with, and nothing where IN fails before. */
void sr_put_values(struct sr_buf *out, const struct sr_wanted *wanted, CK_RV rv);
void sr_get_values(struct sr_in *in, CK_ATTRIBUTE *template, CK_ULONG count);

#endif
