/* Profiles and mechanisms as objects. */
#include "pkcs11/builtin.h"

#include "pkcs11/call.h"
#include "pkcs11/mechanism.h"

#include <stdio.h>

static const CK_PROFILE_ID profiles[] = { CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER };

#define PROFILES (sizeof profiles / sizeof profiles[0])

/* What all have. CKA_UNIQUE_ID tells them apart, whatever the configuration. */
static void put_common(struct sr_attrs *attrs, CK_OBJECT_CLASS object_class, const char *word, CK_ULONG number)
{
	char unique[64];
	snprintf(unique, sizeof unique, "builtin-%s-%lx", word, number);
	sr_attrs_put_ulong(attrs, CKA_CLASS, object_class);
	sr_attrs_put_text(attrs, CKA_UNIQUE_ID, unique);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, false);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_bool(attrs, CKA_COPYABLE, false);
	sr_attrs_put_bool(attrs, CKA_DESTROYABLE, false);
}

static bool put_mechanism(struct sr_call *call, size_t index, struct sr_attrs *attrs)
{
	CK_MECHANISM_INFO ignored;
	if (index >= sr_mechanism_count)
		return false;
	const struct sr_mechanism_row *row = &sr_mechanism_rows[index];
	if (!sr_mechanism_offered(call->client->vault, &call->client->config, row, &ignored))
		return false;
	put_common(attrs, CKO_MECHANISM, "mechanism", row->type);
	sr_attrs_put_ulong(attrs, CKA_MECHANISM_TYPE, row->type);
	return true;
}

bool sr_builtin_attrs(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_attrs *attrs)
{
	if (handle < SR_BUILTIN_FIRST || handle >= SR_BUILTIN_END)
		return false;
	size_t index = handle - SR_BUILTIN_FIRST;
	if (index >= PROFILES)
		return put_mechanism(call, index - PROFILES, attrs);
	put_common(attrs, CKO_PROFILE, "profile", profiles[index]);
	sr_attrs_put_ulong(attrs, CKA_PROFILE_ID, profiles[index]);
	return true;
}

/* Which of them a search may find at all, so that one for anything else makes none of them up. */
static void meant(const struct sr_attrs *query, size_t *first, size_t *end)
{
	const struct sr_attr *asked = sr_attrs_find(query, CKA_CLASS);
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(query, CKA_CLASS, CKO_PROFILE);
	bool mechanisms = asked && object_class == CKO_MECHANISM;
	bool profile = object_class == CKO_PROFILE && (asked || sr_attrs_find(query, CKA_TOKEN));
	*first = mechanisms ? PROFILES : 0;
	*end = mechanisms ? PROFILES + sr_mechanism_count : profile ? PROFILES : 0;
}

void sr_builtin_each(struct sr_call *call, const struct sr_attrs *query,
	void (*found)(CK_OBJECT_HANDLE handle, void *ctx), void *ctx)
{
	size_t first, end;
	meant(query, &first, &end);
	for (size_t i = first; i < end; i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		if (sr_builtin_attrs(call, SR_BUILTIN_FIRST + i, &attrs) && sr_attrs_match(query, &attrs))
			found(SR_BUILTIN_FIRST + i, ctx);
		sr_attrs_clear(&attrs);
	}
}
