#include "vault/grant.h"

#include "util/text.h"

#include <inttypes.h>

#define DESCRIPTION_MAX 256

static CK_RV bad(
	const struct sr_grant *grant, struct sr_error *err, CK_ULONG reason, const char *thing, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "%s: bad %s: %s", grant->what, thing, why);
}

CK_RV sr_grant_only(const struct sr_grant *grant, const CK_ATTRIBUTE_TYPE *types, size_t count, struct sr_error *err)
{
	for (size_t i = 0; i < grant->template->count; i++) {
		CK_ATTRIBUTE_TYPE type = grant->template->items[i].type;
		size_t k = 0;
		while (k < count && types[k] != type)
			k++;
		if (k == count)
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"%s: attribute 0x%lx does not belong there", grant->what, type);
	}
	return CKR_OK;
}

static CK_RV no_memory(const struct sr_grant *grant, struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "%s: no memory", grant->what);
}

CK_RV sr_grant_scopes(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(grant->template, CKA_SR_SCOPES);
	struct sr_scopes scopes = { 0 };
	const char *why = NULL;
	if (!attr)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_SCOPE,
			"%s: it has no scope; give one such as secrets:read:production/payments/*", grant->what);
	if (!sr_scopes_parse((const char *)attr->value, attr->len, &scopes, &why))
		return bad(grant, err, SR_REASON_BAD_SCOPE, "scope", why);
	for (size_t i = 0; i < scopes.count; i++) {
		char text[SR_SCOPE_TEXT_MAX];
		sr_scope_text(&scopes.items[i], text);
		sr_buf_printf(out, "%s%s", i ? "\n" : "", text);
	}
	sr_scopes_clear(&scopes);
	return out->failed ? no_memory(grant, err) : CKR_OK;
}

CK_RV sr_grant_allowed(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(grant->template, CKA_SR_ALLOWED_IPS);
	struct sr_allowed allowed = { 0 };
	const char *why = "the list is empty";
	if (!attr)
		return CKR_OK;
	if (attr->len == 0 || !sr_allowed_parse((const char *)attr->value, attr->len, &allowed, &why))
		return bad(grant, err, SR_REASON_BAD_ADDRESS, "address", why);
	bool any = allowed.count > 0;
	sr_allowed_clear(&allowed);
	if (!any)
		return bad(grant, err, SR_REASON_BAD_ADDRESS, "address", "the list is empty");
	sr_buf_append(out, attr->value, attr->len);
	return out->failed ? no_memory(grant, err) : CKR_OK;
}

CK_RV sr_grant_description(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(grant->template, CKA_SR_DESCRIPTION);
	if (!attr)
		return CKR_OK;
	if (attr->len > DESCRIPTION_MAX || !sr_text_utf8(attr->value, attr->len))
		return bad(grant, err, SR_REASON_BAD_TEMPLATE, "description",
			"it must be UTF-8 text without control characters, 256 bytes at most");
	sr_buf_append(out, attr->value, attr->len);
	return out->failed ? no_memory(grant, err) : CKR_OK;
}

CK_RV sr_grant_number(const struct sr_grant *grant, CK_ATTRIBUTE_TYPE type, uint64_t max, CK_ULONG reason,
	uint64_t *number, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(grant->template, type);
	uint64_t given;
	if (!attr)
		return CKR_OK;
	if (!sr_text_u64((const char *)attr->value, attr->len, max, &given) || given == 0)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "%s: bad %s: give a number from 1 to %" PRIu64,
			grant->what, reason == SR_REASON_BAD_DURATION ? "duration in seconds" : "number of uses", max);
	*number = given;
	return CKR_OK;
}
