/* C_GetAttributeValue of keys: PKCS#11 v3.1, 5.7.5, with 4.9 and 4.10 for what stays inside. */
#include "pkcs11/attribute.h"
#include "pkcs11/key.h"

/* The parts of a key that nobody sees unless it is extractable and not sensitive. */
static bool is_component(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(attrs, CKA_CLASS, CKO_SECRET_KEY);
	if (object_class == CKO_PUBLIC_KEY)
		return false;
	bool rsa = object_class == CKO_PRIVATE_KEY && sr_attrs_ulong(attrs, CKA_KEY_TYPE, 0) == CKK_RSA;
	switch (type) {
	case CKA_VALUE:
		return !rsa;
	case CKA_PRIVATE_EXPONENT:
	case CKA_PRIME_1:
	case CKA_PRIME_2:
	case CKA_EXPONENT_1:
	case CKA_EXPONENT_2:
	case CKA_COEFFICIENT:
		return rsa;
	default:
		return false;
	}
}

bool sr_key_is_open(const struct sr_attrs *attrs)
{
	if (sr_attrs_ulong(attrs, CKA_CLASS, CKO_SECRET_KEY) == CKO_PUBLIC_KEY)
		return true;
	return !sr_attrs_bool(attrs, CKA_SENSITIVE, true) && sr_attrs_bool(attrs, CKA_EXTRACTABLE, false);
}

static CK_RV sensitive(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_UNEXTRACTABLE,
		"the key is sensitive or not extractable: its parts stay inside");
}

static CK_RV fetch(struct sr_call *call, const struct sr_ref *ref, CK_ATTRIBUTE_TYPE type, struct sr_buf *value)
{
	struct sr_key *key = NULL;
	CK_RV rv = sr_ref_key(call, ref, &key);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_buf_clear(value);
		rv = sr_key_secret(&caller, key, type, value, &call->err);
	} while (sr_call_again(call, rv));
	sr_key_unref(key);
	return rv == CKR_OK && value->failed ? CKR_HOST_MEMORY : rv;
}

/* What a length query, or a buffer that is too small, answers without the value: that of a secret key is known. The
 * parts of a private key are read to tell their length. */
static bool answer_length(CK_ATTRIBUTE *wanted, const struct sr_attrs *attrs, CK_RV *rv)
{
	CK_ULONG len = sr_attrs_ulong(attrs, CKA_VALUE_LEN, CK_UNAVAILABLE_INFORMATION);
	if (wanted->type != CKA_VALUE || len == CK_UNAVAILABLE_INFORMATION)
		return false;
	*rv = CKR_OK;
	if (!wanted->pValue)
		wanted->ulValueLen = len;
	else if (wanted->ulValueLen < len || wanted->ulValueLen == CK_UNAVAILABLE_INFORMATION)
		*rv = sr_attribute_mark(wanted, CKR_BUFFER_TOO_SMALL);
	else
		return false;
	return true;
}

static CK_RV get_component(
	struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *attrs, CK_ATTRIBUTE *wanted)
{
	CK_RV rv = CKR_OK;
	if (!sr_key_is_open(attrs))
		return sr_attribute_mark(wanted, sensitive(call));
	if (answer_length(wanted, attrs, &rv))
		return rv;
	struct sr_buf value = SR_BUF_INIT;
	rv = fetch(call, ref, wanted->type, &value);
	rv = rv == CKR_OK ? sr_attribute_deliver(wanted, value.data, value.len) : sr_attribute_mark(wanted, rv);
	sr_buf_clear(&value);
	return rv;
}

CK_RV sr_key_get(struct sr_call *call, const struct sr_ref *ref, const struct sr_attrs *attrs, CK_ATTRIBUTE *template,
	CK_ULONG count)
{
	CK_RV rv = CKR_OK;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_RV one = is_component(attrs, template[i].type) ? get_component(call, ref, attrs, &template[i])
								  : sr_attribute_of(&template[i], attrs);
		if (one != CKR_OK && !sr_attribute_partial(one))
			return one;
		rv = sr_attribute_first(rv, one);
	}
	return rv;
}
