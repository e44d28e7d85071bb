/* What attributes may do: which rights exclude each other, how they change, what others see of them. */
#include "vault/keytable.h"

#include <string.h>

/* -- rules ------------------------------------------------------------------------------------------------------- */

static CK_RV excluded(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_RIGHTS, "key refused: %s", why);
}

/* A derived session key that its holder can read: these rights show him nothing that he does not know, and it wraps no
 * sensitive key of the vault (key_wrap.c). pkcs11-tool --derive asks for all of them. */
static bool is_open(enum sr_how how, const struct sr_attrs *attrs)
{
	return how == SR_HOW_DERIVE && !sr_attrs_bool(attrs, CKA_TOKEN, false) &&
	       !sr_attrs_bool(attrs, CKA_SENSITIVE, true) && sr_attrs_bool(attrs, CKA_EXTRACTABLE, false);
}

/* A raw RSA signature (CKM_RSA_X_509) is a raw decryption. Of other keys nothing is unwrapped. */
static bool signs_raw(const struct sr_attrs *attrs)
{
	return sr_attrs_bool(attrs, CKA_SIGN, false) || sr_attrs_bool(attrs, CKA_SIGN_RECOVER, false);
}

CK_RV sr_keyattrs_rules(enum sr_part part, enum sr_how how, const struct sr_attrs *attrs, struct sr_error *err)
{
	bool wraps = sr_attrs_bool(attrs, CKA_WRAP, false), unwraps = sr_attrs_bool(attrs, CKA_UNWRAP, false);
	bool decrypts = sr_attrs_bool(attrs, CKA_DECRYPT, false), encrypts = sr_attrs_bool(attrs, CKA_ENCRYPT, false);
	bool leaves = sr_attrs_bool(attrs, CKA_EXTRACTABLE, false);
	if (part == SR_PART_PUBLIC || part == SR_PART_CERTIFICATE || is_open(how, attrs))
		return CKR_OK;
	if (wraps && decrypts)
		return excluded(
			err, "CKA_WRAP and CKA_DECRYPT on one key would read every key that it wraps; use two keys");
	if (part == SR_PART_SECRET && unwraps && (encrypts || sr_attrs_bool(attrs, CKA_DERIVE, false)))
		return excluded(err,
			"CKA_UNWRAP with CKA_ENCRYPT or CKA_DERIVE on one key would import known keys; use two keys");
	if (unwraps && (decrypts || (part == SR_PART_PRIVATE && signs_raw(attrs))))
		return excluded(err, "CKA_UNWRAP and CKA_DECRYPT (or, of RSA, CKA_SIGN) on one key would read every "
				     "key that it unwraps; "
				     "use two keys");
	if ((wraps || unwraps) && leaves)
		return excluded(err,
			"a key with CKA_WRAP or CKA_UNWRAP cannot be CKA_EXTRACTABLE: it could come back with other "
			"rights");
	if ((wraps || unwraps) && (how == SR_HOW_UNWRAP || how == SR_HOW_DERIVE))
		return excluded(err, "a key that is unwrapped or derived cannot have CKA_WRAP or CKA_UNWRAP");
	if (how == SR_HOW_UNWRAP && (leaves || !sr_attrs_bool(attrs, CKA_SENSITIVE, false)))
		return excluded(err, "what is unwrapped is CKA_SENSITIVE and not CKA_EXTRACTABLE: leave both out");
	return CKR_OK;
}

/* Who wraps by the public half must not be able to undo it: by the private half, or by having that. */
CK_RV sr_keyattrs_pair(const struct sr_attrs *public_attrs, const struct sr_attrs *private_attrs, struct sr_error *err)
{
	if (!sr_attrs_bool(public_attrs, CKA_WRAP, false))
		return CKR_OK;
	if (sr_attrs_bool(private_attrs, CKA_DECRYPT, false) || signs_raw(private_attrs))
		return excluded(err,
			"CKA_WRAP on a public key and CKA_DECRYPT or CKA_SIGN on its private key would read every key "
			"that the pair wraps");
	if (!sr_attrs_bool(private_attrs, CKA_SENSITIVE, false) || sr_attrs_bool(private_attrs, CKA_EXTRACTABLE, true))
		return excluded(err,
			"the private key to a public key with CKA_WRAP is CKA_SENSITIVE and not CKA_EXTRACTABLE: who "
			"has it reads every key that the pair wraps");
	return CKR_OK;
}

bool sr_keyattrs_within(const struct sr_attrs *attrs, const struct sr_attrs *limit)
{
	for (size_t i = 0; i < sr_key_attribute_count; i++) {
		if ((sr_key_attributes[i].flags & SR_KEY_RIGHT) &&
			sr_attrs_bool(attrs, sr_key_attributes[i].type, false) &&
			!sr_attrs_bool(limit, sr_key_attributes[i].type, false))
			return false;
	}
	return true;
}

/* -- changes ----------------------------------------------------------------------------------------------------- */

/* A right that was given up once does not come back: a key that has wrapped must never decrypt. */
static CK_RV check_direction(const struct sr_key_attribute *row, const struct sr_attrs *attrs,
	const struct sr_attr *change, struct sr_error *err)
{
	bool now = sr_attrs_bool(attrs, row->type, false);
	bool wanted = row->kind == SR_KIND_BOOL && *change->value;
	if (row->kind == SR_KIND_BOOL && (row->flags & SR_KEY_DOWN) && !now && wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY,
			row->flags & SR_KEY_RIGHT ? SR_REASON_RIGHTS : SR_REASON_BAD_TEMPLATE,
			"key not changed: attribute 0x%lx does not become true again; make another key", row->type);
	if ((row->flags & SR_KEY_UP) && now && !wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"key not changed: attribute 0x%lx does not become false again", row->type);
	if (row->type == CKA_PRIVATE && now && !wanted)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"the copy of a private object is private");
	return CKR_OK;
}

/* What a certificate says of itself is not changed beside it (its consistency: keyinfo.c). */
CK_RV sr_keyattrs_change_one(enum sr_part part, CK_KEY_TYPE key_type, unsigned how, struct sr_attrs *attrs,
	const struct sr_attr *change, struct sr_error *err)
{
	const struct sr_key_attribute *row;
	CK_RV rv = sr_key_attribute_given(part, key_type, how, change, &row, err);
	if (rv == CKR_OK)
		rv = check_direction(row, attrs, change, err);
	if (rv != CKR_OK)
		return rv;
	const struct sr_attr *now = sr_attrs_find(attrs, change->type);
	bool same = now && now->len == change->len && (!now->len || memcmp(now->value, change->value, now->len) == 0);
	bool of_the_certificate =
		change->type == CKA_SUBJECT || change->type == CKA_ISSUER || change->type == CKA_SERIAL_NUMBER;
	if (part == SR_PART_CERTIFICATE && of_the_certificate && !same)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"certificate not changed: its subject, issuer and serial number are its own");
	if (row->flags & SR_KEY_KEPT || change->type == CKA_ID)
		sr_attrs_put(attrs, change->type, change->value, change->len);
	return CKR_OK;
}

static void copy_all(const struct sr_attrs *from, struct sr_attrs *to)
{
	for (size_t i = 0; i < from->count; i++)
		sr_attrs_put(to, from->items[i].type, from->items[i].value, from->items[i].len);
	to->failed = to->failed || from->failed;
}

CK_RV sr_keyattrs_change(enum sr_part part, CK_KEY_TYPE key_type, struct sr_attrs *attrs,
	const struct sr_attrs *changes, struct sr_error *err)
{
	struct sr_attrs changed = SR_ATTRS_INIT;
	CK_RV rv = CKR_OK;
	copy_all(attrs, &changed);
	for (size_t i = 0; rv == CKR_OK && i < changes->count; i++)
		rv = sr_keyattrs_change_one(part, key_type, SR_HOW_SET, &changed, &changes->items[i], err);
	if (rv == CKR_OK && changed.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to change a key");
	if (rv == CKR_OK)
		rv = sr_keyattrs_rules(part, SR_HOW_SET, &changed, err);
	if (rv == CKR_OK) {
		sr_attrs_clear(attrs);
		*attrs = changed;
		return CKR_OK;
	}
	sr_attrs_clear(&changed);
	return rv;
}

/* -- what others see --------------------------------------------------------------------------------------------- */

void sr_keyattrs_show(enum sr_part part, const struct sr_attrs *attrs, uint32_t actions, struct sr_attrs *shown)
{
	/* whoever sees a public key can do that outside */
	if (part == SR_PART_PUBLIC)
		actions |= SR_ACTION_VERIFY | SR_ACTION_ENCRYPT;
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct sr_key_attribute *row = sr_key_attribute(part, attr->type);
		if (row && (row->flags & SR_KEY_RIGHT))
			sr_attrs_put_bool(
				shown, attr->type, sr_attrs_bool(attrs, attr->type, false) && (row->action & actions));
		else
			sr_attrs_put(shown, attr->type, attr->value, attr->len);
	}
	shown->failed = shown->failed || attrs->failed;
}

void sr_keyattrs_for_hsm(
	enum sr_part part, CK_KEY_TYPE key_type, enum sr_how how, const struct sr_attrs *attrs, struct sr_attrs *hsm)
{
	unsigned wanted = SR_KEY_HSM;
	if (how == SR_HOW_IMPORT)
		wanted |= SR_KEY_COMPONENT;
	else if (how == SR_HOW_GENERATE || how == SR_HOW_DERIVE)
		wanted |= SR_KEY_NEW;
	sr_attrs_put_ulong(hsm, CKA_CLASS, sr_part_class(part));
	sr_attrs_put_ulong(hsm, CKA_KEY_TYPE, key_type);
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct sr_key_attribute *row = sr_key_attribute(part, attr->type);
		if (row && (row->flags & wanted))
			sr_attrs_put(hsm, attr->type, attr->value, attr->len);
	}
	hsm->failed = hsm->failed || attrs->failed;
}

void sr_keyattrs_hsm_changes(enum sr_part part, const struct sr_attrs *changes, struct sr_attrs *hsm)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct sr_attr *attr = &changes->items[i];
		const struct sr_key_attribute *row = sr_key_attribute(part, attr->type);
		if (row && (row->flags & SR_KEY_HSM))
			sr_attrs_put(hsm, attr->type, attr->value, attr->len);
	}
}

bool sr_keyattrs_is_secret(enum sr_part part, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_key_attribute *row = sr_key_attribute(part, type);
	return row && (row->flags & SR_KEY_SECRET);
}
