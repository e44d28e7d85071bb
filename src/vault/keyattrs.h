/* Attributes of keys and certificates: which an object has, where each may be given, what stands there without it, and
 * which may not stand together (docs/keys.md). Pure functions over lists of attributes; any thread. Private to this
 * folder. */
#ifndef SR_VAULT_KEYATTRS_H
#define SR_VAULT_KEYATTRS_H

#include "policy/scope.h"
#include "store/rows.h"
#include "util/attrs.h"
#include "util/error.h"

/* How a key comes to be; one bit each. */
enum sr_how {
	SR_HOW_GENERATE = 1u << 0,
	SR_HOW_IMPORT = 1u << 1,
	SR_HOW_UNWRAP = 1u << 2,
	SR_HOW_DERIVE = 1u << 3,
	SR_HOW_SET = 1u << 4, /* C_SetAttributeValue */
	SR_HOW_COPY = 1u << 5,
};

/** sr_part_class(part), sr_class_part(object_class, part): CKO_* and back; false for any other class. */
CK_OBJECT_CLASS sr_part_class(enum sr_part part);
bool sr_class_part(CK_OBJECT_CLASS object_class, enum sr_part *part);

/** struct sr_plan: an object that is to be made, complete but for what its making brings: components that the HSM
 * chooses, CKA_ID, CKA_PUBLIC_KEY_INFO.
 *  path      "" where no label was given; of a vault object only
 *  attrs     what it will show (its own rights), CKA_LABEL, CKA_ID as given, CKA_CLASS, CKA_KEY_TYPE and CKA_TOKEN too
 *  material  secret components: for the HSM alone */
struct sr_plan {
	enum sr_part part;
	CK_KEY_TYPE key_type;
	bool token;
	char path[SR_PATH_MAX + 1];
	bool has_tier;
	enum sr_tier tier;
	bool has_custody;
	enum sr_custody custody;
	struct sr_attrs attrs;
	struct sr_attrs material;
};
void sr_plan_clear(struct sr_plan *plan);

/** sr_plan_make(plan, how, part, key_type, template, err): takes a template, puts the defaults, asks the rules.
 *    CKR_ATTRIBUTE_TYPE_INVALID   not of that class or key type
 *    CKR_ATTRIBUTE_READ_ONLY      cannot be given here; CKA_TRUSTED true
 *    CKR_ATTRIBUTE_VALUE_INVALID  a length or value that it cannot have; a key type that is not offered; a bad path
 *    CKR_TEMPLATE_INCOMPLETE      a component is missing
 *    CKR_TEMPLATE_INCONSISTENT    another class or key type than PART and KEY_TYPE; rights that exclude each other
 *  KEY_TYPE of a certificate is its CKC_*. The plan is empty on failure. */
CK_RV sr_plan_make(struct sr_plan *plan, enum sr_how how, enum sr_part part, CK_KEY_TYPE key_type,
	const struct sr_attrs *template, struct sr_error *err);

/** sr_plan_copy(plan, part, key_type, from, changes, err): a copy of the object with the attributes FROM: no right that
 * it has not. */
CK_RV sr_plan_copy(struct sr_plan *plan, enum sr_part part, CK_KEY_TYPE key_type, const struct sr_attrs *from,
	const struct sr_attrs *changes, struct sr_error *err);

/** sr_plan_history(plan, how, mechanism, base): CKA_LOCAL, CKA_KEY_GEN_MECHANISM, CKA_ALWAYS_SENSITIVE,
 * CKA_NEVER_EXTRACTABLE. BASE: the attributes of the key that it was derived from, else NULL. */
void sr_plan_history(struct sr_plan *plan, enum sr_how how, CK_MECHANISM_TYPE mechanism, const struct sr_attrs *base);

/** sr_keyattrs_change(part, key_type, attrs, changes, err): C_SetAttributeValue: puts CHANGES over ATTRS, all or none.
 * CKA_LABEL and CKA_SR_TIER are the caller's to look at; they are not put. */
CK_RV sr_keyattrs_change(enum sr_part part, CK_KEY_TYPE key_type, struct sr_attrs *attrs,
	const struct sr_attrs *changes, struct sr_error *err);

/** sr_keyattrs_rules(part, how, attrs, err): the rights that exclude each other: CKR_TEMPLATE_INCONSISTENT, reason
 * RIGHTS. sr_keyattrs_pair: of the two halves of a pair. */
CK_RV sr_keyattrs_rules(enum sr_part part, enum sr_how how, const struct sr_attrs *attrs, struct sr_error *err);
CK_RV sr_keyattrs_pair(const struct sr_attrs *public_attrs, const struct sr_attrs *private_attrs, struct sr_error *err);

/** sr_keyattrs_within(attrs, limit): every right of ATTRS is one of LIMIT. */
bool sr_keyattrs_within(const struct sr_attrs *attrs, const struct sr_attrs *limit);

/** sr_keyattrs_show(part, attrs, actions, shown): ATTRS as somebody sees them who has ACTIONS: a right reads true only
 * where its action is there too. Of a public key verify and encrypt need none. */
void sr_keyattrs_show(enum sr_part part, const struct sr_attrs *attrs, uint32_t actions, struct sr_attrs *shown);

/** sr_keyattrs_for_hsm(part, key_type, how, attrs, hsm): what the HSM is told of it. HOW: SR_HOW_IMPORT with every
 * component of ATTRS, SR_HOW_GENERATE and SR_HOW_DERIVE with what it is to be made by, SR_HOW_UNWRAP rights alone. */
void sr_keyattrs_for_hsm(
	enum sr_part part, CK_KEY_TYPE key_type, enum sr_how how, const struct sr_attrs *attrs, struct sr_attrs *hsm);

/** sr_keyattrs_hsm_changes(part, changes, hsm): what of CHANGES the HSM is told. */
void sr_keyattrs_hsm_changes(enum sr_part part, const struct sr_attrs *changes, struct sr_attrs *hsm);

/** sr_keyattrs_is_secret(part, type): a component that never stands in attributes. */
bool sr_keyattrs_is_secret(enum sr_part part, CK_ATTRIBUTE_TYPE type);

/** sr_keyattrs_pack(part, attrs, out), sr_keyattrs_unpack(part, packed, len, attrs): what a row keeps of them, and
 * back; a CK_ULONG is 8 bytes, big-endian, so that it means the same on every machine. Unpack is false, and ATTRS
 * empty, for what pack did not make, a type that the class has not, no memory. */
void sr_keyattrs_pack(enum sr_part part, const struct sr_attrs *attrs, struct sr_buf *out);
bool sr_keyattrs_unpack(enum sr_part part, const void *packed, size_t len, struct sr_attrs *attrs);

#endif
