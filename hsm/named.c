/* The one private key that the URI itself names. It is no key of a vault: whoever configured the URI made it. */
#include "hsm/internal.h"

/** struct named: what is asked of it. FOUND: keys of that name, as far as it matters. Nothing is signed without DATA.
 */
struct named {
	P11KitUri *uri;
	CK_KEY_TYPE type;
	CK_ULONG found;
	const CK_MECHANISM *mechanism;
	const uint8_t *data;
	size_t len;
	uint8_t *signature;
	CK_ULONG signature_len;
};

static CK_RV find_named(const struct sr_hsm_turn *turn, struct named *named, CK_OBJECT_HANDLE *key)
{
	static const CK_ATTRIBUTE_TYPE names[] = { CKA_LABEL, CKA_ID };
	CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[4] = { { CKA_CLASS, &object_class, sizeof(object_class) },
		{ CKA_KEY_TYPE, &named->type, sizeof(named->type) } };
	CK_ULONG count = 2;
	CK_OBJECT_HANDLE keys[2];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const CK_ATTRIBUTE *name = p11_kit_uri_get_attribute(named->uri, names[i]);
		if (name)
			template[count++] = *name;
	}
	CK_RV rv = turn->module->C_FindObjectsInit(turn->session, template, count);
	if (rv != CKR_OK)
		return rv;
	rv = turn->module->C_FindObjects(turn->session, keys, 2, &named->found);
	(void)turn->module->C_FindObjectsFinal(turn->session);
	*key = keys[0];
	return rv;
}

static CK_RV use_named(const struct sr_hsm_turn *turn, void *job)
{
	struct named *named = job;
	CK_MECHANISM mechanism;
	CK_OBJECT_HANDLE key;
	CK_RV rv = find_named(turn, named, &key);
	if (rv != CKR_OK || named->found != 1 || !named->data)
		return rv;
	mechanism = *named->mechanism;
	rv = turn->module->C_SignInit(turn->session, &mechanism, key);
	if (rv != CKR_OK)
		return rv;
	named->signature_len = SR_HSM_NAMED_SIGNATURE_MAX;
	return turn->module->C_Sign(turn->session, (CK_BYTE *)(uintptr_t)named->data, (CK_ULONG)named->len,
		named->signature, &named->signature_len);
}

static CK_RV run_named(struct sr_hsm *hsm, struct named *named, struct sr_error *err)
{
	named->uri = hsm->uri;
	CK_RV rv = sr_hsm_run(
		hsm, named->data ? "sign with the key that the URI names" : "list its keys", use_named, named, err);
	if (rv != CKR_OK || named->found == 1)
		return rv;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
		named->found == 0 ? "the token has no private key of the URI's object= or id=, and of the wanted "
				    "kind; pkcs11-tool --list-objects --login shows what it has"
				  : "the token has several private keys of the URI's object=; add id=");
}

CK_RV sr_hsm_named_check(struct sr_hsm *hsm, CK_KEY_TYPE wanted, struct sr_error *err)
{
	const CK_ATTRIBUTE *type = p11_kit_uri_get_attribute(hsm->uri, CKA_CLASS);
	struct named named = { .type = wanted };
	if (!p11_kit_uri_get_attribute(hsm->uri, CKA_LABEL) && !p11_kit_uri_get_attribute(hsm->uri, CKA_ID))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"the URI names a token but no key in it; add object=NAME or id=");
	if (type && *(const CK_OBJECT_CLASS *)type->pValue != CKO_PRIVATE_KEY)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"the URI names no private key; take its type= out, or write type=private");
	return run_named(hsm, &named, err);
}

CK_RV sr_hsm_named_sign(struct sr_hsm *hsm, CK_KEY_TYPE type, const CK_MECHANISM *mechanism, const void *data,
	size_t len, uint8_t signature[SR_HSM_NAMED_SIGNATURE_MAX], size_t *signature_len, struct sr_error *err)
{
	struct named named = { .type = type, .mechanism = mechanism, .data = data, .len = len, .signature = signature };
	CK_RV rv = run_named(hsm, &named, err);
	*signature_len = named.signature_len <= SR_HSM_NAMED_SIGNATURE_MAX ? named.signature_len : 0;
	return rv;
}
