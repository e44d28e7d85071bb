#include "cli/kind.h"

#include <stdio.h>
#include <string.h>

/* -- the table of kinds --------------------------------------------------------------------------------------- */
/* Curves by their object identifiers. PKCS#11 v3.1, 6.3.1 allows the name for the last two as well; the identifiers of
 * RFC 8410 are what most programs can read. */
static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const uint8_t ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
static const uint8_t x25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x6e };

#define SIGN (SR_USAGE_SIGN | SR_USAGE_VERIFY)
#define CIPHER (SR_USAGE_ENCRYPT | SR_USAGE_DECRYPT | SR_USAGE_WRAP | SR_USAGE_UNWRAP)
#define CURVE(name) 0, name, sizeof name

static const struct sr_kind kinds[] = {
	{ "ec-p256", CKO_PRIVATE_KEY, CKK_EC, CKM_EC_KEY_PAIR_GEN, CURVE(p256), SIGN | SR_USAGE_DERIVE },
	{ "ec-p384", CKO_PRIVATE_KEY, CKK_EC, CKM_EC_KEY_PAIR_GEN, CURVE(p384), SIGN | SR_USAGE_DERIVE },
	{ "ec-p521", CKO_PRIVATE_KEY, CKK_EC, CKM_EC_KEY_PAIR_GEN, CURVE(p521), SIGN | SR_USAGE_DERIVE },
	{ "ed25519", CKO_PRIVATE_KEY, CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CURVE(ed25519), SIGN },
	{ "x25519", CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CURVE(x25519),
		SR_USAGE_DERIVE },
	{ "rsa-2048", CKO_PRIVATE_KEY, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 2048, NULL, 0, SIGN | CIPHER },
	{ "rsa-3072", CKO_PRIVATE_KEY, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 3072, NULL, 0, SIGN | CIPHER },
	{ "rsa-4096", CKO_PRIVATE_KEY, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 4096, NULL, 0, SIGN | CIPHER },
	{ "aes-128", CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN, 16, NULL, 0, SIGN | CIPHER | SR_USAGE_DERIVE },
	{ "aes-256", CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN, 32, NULL, 0, SIGN | CIPHER | SR_USAGE_DERIVE },
	{ "hmac-256", CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, 32, NULL, 0,
		SIGN | SR_USAGE_DERIVE },
};

#define KINDS (sizeof kinds / sizeof kinds[0])

const struct sr_kind *sr_kind_named(const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* The curves that may also be written by name: a PrintableString. */
static const struct {
	const char *params;
	const char *kind;
} by_name[] = {
	{ "\x13\x0c"
	  "edwards25519",
		"ed25519" },
	{ "\x13\x0a"
	  "curve25519",
		"x25519" },
};

const struct sr_kind *sr_kind_curve(const void *params, size_t len)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (kinds[i].params && kinds[i].params_len == len && memcmp(kinds[i].params, params, len) == 0)
			return &kinds[i];
	}
	for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++) {
		if (strlen(by_name[i].params) == len && memcmp(by_name[i].params, params, len) == 0)
			return sr_kind_named(by_name[i].kind);
	}
	return NULL;
}

/* -- the kind of a key that is there -------------------------------------------------------------------------- */
static bool is_curve(CK_KEY_TYPE key_type)
{
	return key_type == CKK_EC || key_type == CKK_EC_EDWARDS || key_type == CKK_EC_MONTGOMERY;
}

void sr_kind_text(CK_KEY_TYPE key_type, const void *params, size_t params_len, size_t bits, char out[SR_KIND_TEXT])
{
	const struct sr_kind *curve = is_curve(key_type) && params ? sr_kind_curve(params, params_len) : NULL;
	if (curve)
		snprintf(out, SR_KIND_TEXT, "%s", curve->name);
	else if (is_curve(key_type))
		snprintf(out, SR_KIND_TEXT, "ec");
	else if (key_type == CKK_RSA)
		snprintf(out, SR_KIND_TEXT, "rsa-%zu", bits);
	else if (key_type == CKK_AES)
		snprintf(out, SR_KIND_TEXT, "aes-%zu", bits);
	else if (key_type == CKK_GENERIC_SECRET)
		snprintf(out, SR_KIND_TEXT, "hmac-%zu", bits);
	else
		snprintf(out, SR_KIND_TEXT, "type-%lu", key_type);
}

/* -- usages --------------------------------------------------------------------------------------------------- */
const CK_ATTRIBUTE_TYPE sr_usage_types[SR_USAGES] = { CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP,
	CKA_UNWRAP, CKA_DERIVE };

static const char *const words[SR_USAGES] = { "sign", "verify", "encrypt", "decrypt", "wrap", "unwrap", "derive" };

static unsigned word_bit(const char *word, size_t len)
{
	for (size_t i = 0; i < SR_USAGES; i++) {
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return 1u << i;
	}
	return 0;
}

bool sr_usage_parse(const char *text, unsigned *usage, const char **bad, int *bad_len)
{
	*usage = 0;
	for (bool more = true; more;) {
		size_t len = strcspn(text, ",");
		unsigned bit = word_bit(text, len);
		if (bit == 0) {
			*bad = text;
			*bad_len = len < 64 ? (int)len : 64;
			return false;
		}
		*usage |= bit;
		more = text[len] == ',';
		text += len + 1;
	}
	return true;
}

json_t *sr_usage_words(unsigned usage)
{
	json_t *array = json_array();
	for (size_t i = 0; i < SR_USAGES; i++) {
		if (usage & 1u << i)
			json_array_append_new(array, json_string(words[i]));
	}
	return array;
}

/* What a public key does for the use of its private half. */
static unsigned with_counterparts(unsigned usage)
{
	if (usage & SR_USAGE_SIGN)
		usage |= SR_USAGE_VERIFY;
	if (usage & SR_USAGE_DECRYPT)
		usage |= SR_USAGE_ENCRYPT;
	if (usage & SR_USAGE_UNWRAP)
		usage |= SR_USAGE_WRAP;
	return usage;
}

void sr_template_usage(struct sr_template *template, unsigned usage, CK_OBJECT_CLASS object_class)
{
	static const unsigned of_public = SR_USAGE_VERIFY | SR_USAGE_ENCRYPT | SR_USAGE_WRAP;
	static const unsigned of_private = SR_USAGE_SIGN | SR_USAGE_DECRYPT | SR_USAGE_UNWRAP | SR_USAGE_DERIVE;
	unsigned has = of_public | of_private;
	if (usage == 0)
		return;
	if (object_class == CKO_PUBLIC_KEY) {
		has = of_public;
		usage = with_counterparts(usage);
	} else if (object_class == CKO_PRIVATE_KEY) {
		has = of_private;
	}
	for (size_t i = 0; i < SR_USAGES; i++) {
		if (has & 1u << i)
			sr_template_bool(template, sr_usage_types[i], usage & 1u << i);
	}
}
