/* Kinds of keys and their uses, as the command line names them. */
#ifndef SR_CLI_KIND_H
#define SR_CLI_KIND_H

#include "cli/objects.h"

#include <stdint.h>

enum sr_usage {
	SR_USAGE_SIGN = 1u << 0,
	SR_USAGE_VERIFY = 1u << 1,
	SR_USAGE_ENCRYPT = 1u << 2,
	SR_USAGE_DECRYPT = 1u << 3,
	SR_USAGE_WRAP = 1u << 4,
	SR_USAGE_UNWRAP = 1u << 5,
	SR_USAGE_DERIVE = 1u << 6,
};
#define SR_USAGES 7

/** sr_usage_types: the attribute of each bit, from the lowest. */
extern const CK_ATTRIBUTE_TYPE sr_usage_types[SR_USAGES];

/** struct sr_kind: a row of the table of kinds.
 *  object_class  CKO_PRIVATE_KEY for a pair, CKO_SECRET_KEY
 *  size          bits of an RSA modulus, bytes of a secret key, 0 for curves
 *  params        CKA_EC_PARAMS of a curve
 *  usages        what such a key can be for */
struct sr_kind {
	const char *name;
	CK_OBJECT_CLASS object_class;
	CK_KEY_TYPE key_type;
	CK_MECHANISM_TYPE generate;
	CK_ULONG size;
	const uint8_t *params;
	size_t params_len;
	unsigned usages;
};

#define SR_KIND_NAMES \
	"ec-p256, ec-p384, ec-p521, ed25519, x25519, rsa-2048, rsa-3072, rsa-4096, aes-128, aes-256 or hmac-256"

/** sr_kind_named(name): NULL where there is none. */
const struct sr_kind *sr_kind_named(const char *name);

/** sr_kind_curve(params, len): the row of a curve. */
const struct sr_kind *sr_kind_curve(const void *params, size_t len);

#define SR_KIND_TEXT 32
/** sr_kind_text(key_type, params, params_len, bits, out): what KIND would be for a key that is there; also of one that
 * the table does not have, "rsa-2560". */
void sr_kind_text(CK_KEY_TYPE key_type, const void *params, size_t params_len, size_t bits, char out[SR_KIND_TEXT]);

/** sr_usage_parse(text, usage, bad, bad_len): "sign,verify"; on failure false, and the first bad word in BAD. */
bool sr_usage_parse(const char *text, unsigned *usage, const char **bad, int *bad_len);

/** sr_usage_words(usage): an array of the words. */
json_t *sr_usage_words(unsigned usage);

/** sr_template_usage(template, usage, object_class): every right that an object of this class can have, true or false.
 * To a public key belongs what verifies, encrypts or wraps for the use of its private half. Nothing for no USAGE: the
 * vault's default for the kind. */
void sr_template_usage(struct sr_template *template, unsigned usage, CK_OBJECT_CLASS object_class);

#endif
