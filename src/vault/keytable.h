/* The table of attributes of keys and certificates, and of the key types that are offered: PKCS#11 v3.1, 4.4 to 4.10,
 * and chapter 6. For keyattrs.c, keyplan.c and keypack.c. */
#ifndef SR_VAULT_KEYTABLE_H
#define SR_VAULT_KEYTABLE_H

#include "vault/keyattrs.h"

enum sr_key_kind { SR_KIND_BOOL, SR_KIND_ULONG, SR_KIND_ULONGS, SR_KIND_DATE, SR_KIND_BYTES };

/* What an attribute is, above the SR_HOW_* bits that say where it may be given. */
#define SR_KEY_KEPT (1u << 8)       /* stands in the row */
#define SR_KEY_RIGHT (1u << 9)      /* something that the key may do */
#define SR_KEY_HSM (1u << 10)       /* the HSM is told */
#define SR_KEY_NEW (1u << 11)       /* the HSM is told when it makes the key */
#define SR_KEY_COMPONENT (1u << 12) /* the HSM is told when the key is given to it */
#define SR_KEY_SECRET (1u << 13)    /* it never leaves the HSM */
#define SR_KEY_UP (1u << 14)        /* becomes only true */
#define SR_KEY_DOWN (1u << 15)      /* becomes only false */

/** struct sr_key_attribute: PARTS: 1 << SR_PART_*. FAMILY: of key types, 0 any. ACTION: lets a right read true. */
struct sr_key_attribute {
	CK_ATTRIBUTE_TYPE type;
	enum sr_key_kind kind;
	unsigned parts;
	unsigned family;
	unsigned flags;
	uint32_t action;
};
extern const struct sr_key_attribute sr_key_attributes[];
extern const size_t sr_key_attribute_count;

/** struct sr_key_type: RIGHTS: those of a key whose template names none; 0 ends the list. */
struct sr_key_type {
	CK_KEY_TYPE key_type;
	unsigned family;
	enum sr_part part;
	CK_ATTRIBUTE_TYPE rights[4];
};

/** sr_key_type(part, key_type), sr_key_attribute(part, type): NULL: none. */
const struct sr_key_type *sr_key_type(enum sr_part part, CK_KEY_TYPE key_type);
const struct sr_key_attribute *sr_key_attribute(enum sr_part part, CK_ATTRIBUTE_TYPE type);

bool sr_key_kind_fits(enum sr_key_kind kind, const struct sr_attr *attr);

/** sr_key_attribute_given(part, key_type, how, attr, row, err): the row of an attribute that a template names, if it
 * may stand there: CKR_ATTRIBUTE_TYPE_INVALID, _READ_ONLY, _VALUE_INVALID. */
CK_RV sr_key_attribute_given(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, const struct sr_attr *attr,
	const struct sr_key_attribute **row, struct sr_error *err);

/** sr_keyattrs_change_one(part, key_type, how, attrs, change, err): one attribute of a change or a copy. */
CK_RV sr_keyattrs_change_one(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, struct sr_attrs *attrs,
	const struct sr_attr *change, struct sr_error *err);

#endif
