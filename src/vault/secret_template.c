/* What a template for a secret asks for. */
#include "vault/secret_change.h"

#include "util/text.h"

#include <string.h>

#define OBJECT_ID_MAX 256

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "secret not written: %s: %s", what, why);
}

static CK_RV take_value(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	if (attr->len == 0)
		return bad(err, SR_REASON_BAD_TEMPLATE, "bad value", "it is empty; delete the secret instead");
	if (attr->len > SR_SECRET_MAX)
		return bad(err, SR_REASON_TOO_LARGE, "value too large", "a secret has 64 KiB at most");
	change->value = attr;
	return CKR_OK;
}

static CK_RV take_label(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	const char *text = (const char *)attr->value;
	if (!sr_path_valid(text, attr->len))
		return bad(err, SR_REASON_BAD_PATH, "bad path", sr_path_why(text, attr->len));
	/* The path is the secret's place among the scopes: it is never changed, only repeated. */
	if (change->must_exist && (strlen(change->path) != attr->len || memcmp(change->path, text, attr->len) != 0))
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_BAD_PATH,
			"secret not moved: a path cannot be changed; write a new secret and delete the old one");
	memcpy(change->path, text, attr->len);
	change->path[attr->len] = '\0';
	return CKR_OK;
}

static CK_RV take_tier(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->has_tier = true;
	if (sr_tier_parse((const char *)attr->value, attr->len, &change->tier))
		return CKR_OK;
	return bad(err, SR_REASON_BAD_TEMPLATE, "bad tier", "it must be standard, sensitive or critical");
}

static CK_RV take_type(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->has_type = true;
	if (!sr_type_valid((const char *)attr->value, attr->len))
		return bad(err, SR_REASON_BAD_TEMPLATE, "bad type", "it must be 1 to 32 of a-z, 0-9 and -");
	memcpy(change->type, attr->value, attr->len);
	change->type[attr->len] = '\0';
	return CKR_OK;
}

static CK_RV take_expected(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->has_expected = true;
	if (sr_text_u64((const char *)attr->value, attr->len, UINT32_MAX, &change->expected))
		return CKR_OK;
	return bad(err, SR_REASON_BAD_NUMBER, "bad version", "it must be a number, 0 for a secret that must not exist");
}

static CK_RV take_application(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->application = attr;
	if (attr->len <= SR_PATH_MAX && sr_text_utf8(attr->value, attr->len))
		return CKR_OK;
	return bad(err, SR_REASON_BAD_TEMPLATE, "bad CKA_APPLICATION",
		"UTF-8 without control characters, 512 bytes at most");
}

static CK_RV take_object_id(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->object_id = attr;
	return attr->len <= OBJECT_ID_MAX ? CKR_OK
					  : bad(err, SR_REASON_TOO_LARGE, "bad CKA_OBJECT_ID", "256 bytes at most");
}

/* Both are what the scope makes of them, so a template may only agree. CKA_PRIVATE, CKA_COPYABLE and CKA_CLASS stand
 * either way: tools send them by habit. */
static CK_RV take_must_be_true(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	(void)change;
	if (attr->len == sizeof(CK_BBOOL) && *attr->value == CK_TRUE)
		return CKR_OK;
	return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
		"secret not written: CKA_TOKEN, CKA_MODIFIABLE and CKA_DESTROYABLE can only be true for a secret");
}

static CK_RV take_either(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	(void)change;
	(void)attr;
	(void)err;
	return CKR_OK;
}

static const struct {
	CK_ATTRIBUTE_TYPE type;
	CK_RV (*take)(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err);
	bool settable; /* in C_SetAttributeValue too */
} takers[] = {
	{ CKA_LABEL, take_label, true },
	{ CKA_VALUE, take_value, true },
	{ CKA_APPLICATION, take_application, true },
	{ CKA_OBJECT_ID, take_object_id, true },
	{ CKA_SR_TIER, take_tier, true },
	{ CKA_SR_TYPE, take_type, true },
	{ CKA_SR_IF_VERSION, take_expected, true },
	{ CKA_CLASS, take_either, false },
	{ CKA_TOKEN, take_must_be_true, false },
	{ CKA_PRIVATE, take_either, false },
	{ CKA_MODIFIABLE, take_must_be_true, false },
	{ CKA_COPYABLE, take_either, false },
	{ CKA_DESTROYABLE, take_must_be_true, false },
};

static CK_RV take_attribute(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (takers[i].type != attr->type)
			continue;
		if (change->must_exist && !takers[i].settable)
			return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
				"secret not changed: attribute 0x%lx is fixed", attr->type);
		return takers[i].take(change, attr, err);
	}
	return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
		"secret not written: attribute 0x%lx does not belong to a data object", attr->type);
}

CK_RV sr_secret_template(struct sr_secret_change *change, const struct sr_attrs *template, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		CK_RV rv = take_attribute(change, &template->items[i], err);
		if (rv != CKR_OK)
			return rv;
	}
	if (!change->must_exist && !change->value)
		return sr_fail(
			err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "secret not written: it has no value");
	return CKR_OK;
}
