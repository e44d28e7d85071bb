/* The table of mechanisms that can be offered (mechanisms.def): pure data, any thread. Which of them a vault offers
 * says pkcs11/mechanism.h. */
#ifndef SR_POLICY_MECHANISM_H
#define SR_POLICY_MECHANISM_H

#include "pkcs11/cryptoki.h"

#include <stdbool.h>
#include <stddef.h>

/* What the parameter of a mechanism is; how each is checked and copied: pkcs11/mechanism.c. */
enum sr_parameter {
	SR_PARAMETER_NONE,
	SR_PARAMETER_OPTIONAL_BYTES, /* none, or bytes that the standard lets be absent */
	SR_PARAMETER_IV,             /* one block */
	SR_PARAMETER_CTR,
	SR_PARAMETER_GCM,
	SR_PARAMETER_CCM,
	SR_PARAMETER_OAEP,
	SR_PARAMETER_PSS,
	SR_PARAMETER_ECDH1,
	SR_PARAMETER_EDDSA,
	SR_PARAMETER_MAC_GENERAL, /* CK_ULONG */
	SR_PARAMETER_STRING_DATA, /* CK_KEY_DERIVATION_STRING_DATA */
	SR_PARAMETER_CBC_DATA,    /* CK_AES_CBC_ENCRYPT_DATA_PARAMS, CK_DES_... */
	SR_PARAMETER_COUNT
};

/** struct sr_old_gcm_params: CK_GCM_PARAMS as it was before ulIvBits: PKCS#11 v2.30, and the pages of v2.40 without its
 * header. Both are taken, told by their length. */
struct sr_old_gcm_params {
	CK_BYTE_PTR iv;
	CK_ULONG iv_len;
	CK_BYTE_PTR aad;
	CK_ULONG aad_len;
	CK_ULONG tag_bits;
};

/** struct sr_mechanism_row: FLAGS are the CKF_* functions that it can be offered for (CKF_SIGN, ...,
 * CKF_MESSAGE_ENCRYPT, CKF_GENERATE_KEY_PAIR, CKF_DIGEST); 0: never. KEY_TYPE: of the keys that it works with or makes,
 * CK_UNAVAILABLE_INFORMATION for none; KEY_TYPE_2: a second one, or the same. MULTI_PART: may be used in parts. WEAK:
 * off unless enabled. */
struct sr_mechanism_row {
	CK_MECHANISM_TYPE type;
	const char *name; /* "CKM_ECDSA" */
	CK_FLAGS flags;
	CK_KEY_TYPE key_type, key_type_2;
	enum sr_parameter parameter;
	bool multi_part;
	bool weak;
};
extern const struct sr_mechanism_row sr_mechanism_rows[];
extern const size_t sr_mechanism_count;

/** sr_mechanism_row(type), sr_mechanism_named(name, len): NULL: not in the table. sr_mechanism_name(type): its name,
 * "0x..." otherwise (a thread-local buffer). */
const struct sr_mechanism_row *sr_mechanism_row(CK_MECHANISM_TYPE type);
const struct sr_mechanism_row *sr_mechanism_named(const char *name, size_t len);
const char *sr_mechanism_name(CK_MECHANISM_TYPE type);

/** sr_mechanism_list_next(list, len): the next name in a text of names between blanks and commas, not terminated; LIST
 * moves on. NULL at the end. sr_mechanism_listed(list, row): LIST, which may be NULL, names ROW. */
const char *sr_mechanism_list_next(const char **list, size_t *len);
bool sr_mechanism_listed(const char *list, const struct sr_mechanism_row *row);

#endif
