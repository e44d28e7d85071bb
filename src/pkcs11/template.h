/* Templates from outside: checked by a table of attributes, then copied. */
#ifndef SR_PKCS11_TEMPLATE_H
#define SR_PKCS11_TEMPLATE_H

#include "util/error.h"
#include "util/attrs.h"

#define SR_VALUE_MAX (64u << 10)       /* CKA_VALUE */
#define SR_CERTIFICATE_MAX (32u << 10) /* CKA_VALUE of a new certificate */
#define SR_LABEL_MAX 512               /* CKA_LABEL: a path */
#define SR_ALLOWED_MECHANISMS_MAX 64
#define SR_ATTR_MAX (4u << 10)    /* any other attribute of the standard */
#define SR_VENDOR_MAX (32u << 10) /* a vendor attribute: lists of scopes, addresses */

/* What a template is for; one bit each. */
enum sr_template_use {
	SR_TEMPLATE_CREATE = 1u << 0,
	SR_TEMPLATE_COPY = 1u << 1,
	SR_TEMPLATE_SET = 1u << 2,
	SR_TEMPLATE_FIND = 1u << 3,
	SR_TEMPLATE_GENERATE = 1u << 4, /* C_GenerateKey */
	SR_TEMPLATE_GENERATE_PUBLIC = 1u << 5,
	SR_TEMPLATE_GENERATE_PRIVATE = 1u << 6,
	SR_TEMPLATE_UNWRAP = 1u << 7,
	SR_TEMPLATE_DERIVE = 1u << 8,
};

/** sr_template_copy(template, count, use, attrs, err): copies TEMPLATE into ATTRS (SR_ATTRS_INIT), which is empty on
 *  failure. Every length is looked at before a byte is copied.
 *    CKR_ARGUMENTS_BAD            TEMPLATE is NULL and COUNT is not 0; over SR_ATTRS_MAX attributes (TOO_LARGE; the
 *                                 one code that 5.7 allows for all the calls that take a template)
 *    CKR_ATTRIBUTE_VALUE_INVALID  NULL with a length; a length or value that the type cannot have; over a limit
 *                                 (TOO_LARGE); in a search two values for one type
 *    CKR_ATTRIBUTE_TYPE_INVALID   a template within the template (CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE,
 *                                 CKA_DERIVE_TEMPLATE are not offered); except in a search, a type that the standard
 *                                 does not have; where a key is made, a vendor attribute that is not a key's
 *    CKR_ATTRIBUTE_READ_ONLY      an attribute that cannot stand in a template for this use
 *    CKR_TEMPLATE_INCONSISTENT    an attribute twice, but for the same in a search
 *    CKR_HOST_MEMORY */
CK_RV sr_template_copy(const CK_ATTRIBUTE *template, CK_ULONG count, enum sr_template_use use, struct sr_attrs *attrs,
	struct sr_error *err);

/** sr_template_fits_data(attrs, vendor, err): whether every attribute can belong to a CKO_DATA object, vendor
 * attributes where VENDOR; CKR_ATTRIBUTE_TYPE_INVALID otherwise. */
CK_RV sr_template_fits_data(const struct sr_attrs *attrs, bool vendor, struct sr_error *err);

/** sr_template_names_secret(attrs): it names a value that a search must not be able to guess at (design §3). */
bool sr_template_names_secret(const struct sr_attrs *attrs);

#endif
