/* Templates. The lower half of the first byte is the use, 16 lets vendor attributes belong to data; then for each
 * attribute one byte of flags, the type (one byte: an index into a list; with RAW eight bytes), two bytes of length,
 * and the value, which gets a block of its own size. */
#include "tests/fuzz/fuzz.h"

#include "pkcs11/template.h"

#define RAW 1u
#define NO_VALUE 2u
#define ENDLESS 4u /* a length that no block has: nobody may read that far */
#define ATTRIBUTES (SR_ATTRS_MAX + 2)
#define USES 9

static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_APPLICATION, CKA_VALUE,
	CKA_OBJECT_ID, CKA_UNIQUE_ID, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE, CKA_KEY_TYPE, CKA_ID,
	CKA_START_DATE, CKA_LOCAL, CKA_CHECK_VALUE, CKA_WRAP_TEMPLATE, CKA_ALLOWED_MECHANISMS, CKA_SR_TIER,
	CKA_SR_SCOPES, CKA_SR_TTL, CKA_VALUE_LEN, CKA_MODULUS, CKA_MODULUS_BITS, CKA_EC_PARAMS, CKA_EC_POINT,
	CKA_DERIVE_TEMPLATE, CKA_SR_CUSTODY };

struct input {
	const uint8_t *at;
	size_t left;
};

/* LEN bytes, or as many as are there and zeros. */
static void take(struct input *in, void *to, size_t len)
{
	size_t have = in->left < len ? in->left : len;
	memset(to, 0, len);
	if (have)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

static void take_attribute(struct input *in, CK_ATTRIBUTE *out)
{
	uint8_t flags, index;
	uint16_t len;
	take(in, &flags, 1);
	if (flags & RAW) {
		take(in, &out->type, sizeof out->type);
	} else {
		take(in, &index, 1);
		out->type = types[index % (sizeof types / sizeof *types)];
	}
	take(in, &len, sizeof len);
	size_t block = len < in->left ? len : in->left;
	out->pValue = malloc(block ? block : 1);
	must(out->pValue);
	take(in, out->pValue, block);
	out->ulValueLen = flags & ENDLESS ? ~0UL - len : block;
	if (flags & NO_VALUE) {
		free(out->pValue);
		out->pValue = NULL;
		out->ulValueLen = flags & ENDLESS ? ~0UL : len;
	}
}

static bool is_expected(CK_RV rv)
{
	return rv == CKR_ARGUMENTS_BAD || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
	       rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT;
}

static void check_copy(
	const CK_ATTRIBUTE *template, CK_ULONG count, enum sr_template_use use, const struct sr_attrs *attrs)
{
	must(attrs->count <= count && count <= SR_ATTRS_MAX);
	must(use == SR_TEMPLATE_FIND || attrs->count == count);
	for (CK_ULONG i = 0; i < count; i++) {
		const struct sr_attr *attr = sr_attrs_find(attrs, template[i].type);
		must(attr && attr->len == template[i].ulValueLen && attr->len <= SR_VALUE_MAX);
		must(!attr->len || memcmp(attr->value, template[i].pValue, attr->len) == 0);
	}
	must(sr_attrs_match(attrs, attrs));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	CK_ATTRIBUTE template[ATTRIBUTES];
	CK_ULONG count = 0;
	uint8_t use_bit;
	take(&in, &use_bit, 1);
	enum sr_template_use use = (enum sr_template_use)(1u << (use_bit & 15) % USES);
	while (in.left && count < ATTRIBUTES)
		take_attribute(&in, &template[count++]);
	struct sr_attrs attrs = SR_ATTRS_INIT;
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_template_copy(template, count, use, &attrs, &err);
	if (rv == CKR_OK) {
		check_copy(template, count, use, &attrs);
		CK_RV fits = sr_template_fits_data(&attrs, use_bit & 16, &err);
		must(fits == CKR_OK || fits == CKR_ATTRIBUTE_TYPE_INVALID);
		must(!sr_attrs_find(&attrs, CKA_VALUE) || sr_template_names_secret(&attrs));
	} else {
		must(is_expected(rv) && err.rv == rv && err.text[0] && !attrs.count && !attrs.items);
	}
	sr_attrs_clear(&attrs);
	while (count)
		free(template[--count].pValue);
	return 0;
}
