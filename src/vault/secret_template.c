/* What a template for a secret asks for. */
#include "vault/secret_change.h"

#include "util/text.h"
#include "vault/grace.h"

#include <string.h>

#define OBJECT_ID_MAX 256
#define TO_CREATE 1u
#define TO_SET 2u

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

static CK_RV take_grace(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	uint64_t seconds;
	if (!sr_text_u64((const char *)attr->value, attr->len, SR_GRACE_MAX_MS / 1000, &seconds))
		return bad(err, SR_REASON_BAD_DURATION, "bad grace", "it must be 24h at most: no token lives longer");
	change->has_grace = true;
	change->grace_ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static CK_RV take_expiry(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	char text[SR_TIME_TEXT];
	change->has_expiry = true;
	if (attr->len < sizeof(text)) {
		memcpy(text, attr->value, attr->len);
		text[attr->len] = '\0';
		if (sr_text_parse_time(text, &change->expires_ms) && change->expires_ms > 0)
			return CKR_OK;
	}
	return bad(err, SR_REASON_BAD_TEMPLATE, "bad end", "it must be an RFC 3339 time");
}

static CK_RV take_rollback(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	if (sr_text_u64((const char *)attr->value, attr->len, INT64_MAX, &change->rollback) && change->rollback)
		return CKR_OK;
	return bad(err, SR_REASON_BAD_NUMBER, "bad version", "it must be the number of a version");
}

static CK_RV take_state(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	change->undelete = attr->len == strlen("active") && memcmp(attr->value, "active", attr->len) == 0;
	if (change->undelete)
		return CKR_OK;
	return bad(err, SR_REASON_BAD_TEMPLATE, "bad state", "it can only become active, which undeletes it");
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
	unsigned where;
} takers[] = {
	{ CKA_LABEL, take_label, TO_CREATE | TO_SET },
	{ CKA_VALUE, take_value, TO_CREATE | TO_SET },
	{ CKA_APPLICATION, take_application, TO_CREATE | TO_SET },
	{ CKA_OBJECT_ID, take_object_id, TO_CREATE | TO_SET },
	{ CKA_SR_TIER, take_tier, TO_CREATE | TO_SET },
	{ CKA_SR_TYPE, take_type, TO_CREATE | TO_SET },
	{ CKA_SR_IF_VERSION, take_expected, TO_CREATE | TO_SET },
	{ CKA_SR_EXPIRES_AT, take_expiry, TO_CREATE | TO_SET },
	{ CKA_SR_GRACE, take_grace, TO_SET },
	{ CKA_SR_VERSION, take_rollback, TO_SET },
	{ CKA_SR_STATE, take_state, TO_CREATE },
	{ CKA_CLASS, take_either, TO_CREATE },
	{ CKA_TOKEN, take_must_be_true, TO_CREATE },
	{ CKA_PRIVATE, take_either, TO_CREATE },
	{ CKA_MODIFIABLE, take_must_be_true, TO_CREATE },
	{ CKA_COPYABLE, take_either, TO_CREATE },
	{ CKA_DESTROYABLE, take_must_be_true, TO_CREATE },
};

static CK_RV take_attribute(struct sr_secret_change *change, const struct sr_attr *attr, struct sr_error *err)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (takers[i].type != attr->type || (!change->must_exist && !(takers[i].where & TO_CREATE)))
			continue;
		if (change->must_exist && !(takers[i].where & TO_SET))
			return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
				"secret not changed: attribute 0x%lx is fixed", attr->type);
		return takers[i].take(change, attr, err);
	}
	return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
		"secret not written: attribute 0x%lx does not belong to a data object", attr->type);
}

/* A new value, the old one again, and a deleted one again are each a thing of their own. */
static CK_RV check_together(const struct sr_secret_change *change, struct sr_error *err)
{
	bool more = change->value || change->application || change->object_id || change->has_tier || change->has_type ||
		    change->has_grace || change->has_expiry;
	if ((change->rollback || change->undelete) && more)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"secret not written: %s changes nothing else; leave the rest out",
			change->rollback ? "a rollback" : "what undeletes it");
	if (change->has_grace && !change->value)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"secret not rotated: a grace goes with a new value");
	if (!change->must_exist && !change->value && !change->undelete)
		return sr_fail(
			err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "secret not written: it has no value");
	return CKR_OK;
}

CK_RV sr_secret_template(struct sr_secret_change *change, const struct sr_attrs *template, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		CK_RV rv = take_attribute(change, &template->items[i], err);
		if (rv != CKR_OK)
			return rv;
	}
	return check_together(change, err);
}
