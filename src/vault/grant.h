/* What a template says of somebody who may do things without being a member: scopes, addresses, uses, a description.
 * Private to this folder. */
#ifndef SR_VAULT_GRANT_H
#define SR_VAULT_GRANT_H

#include "util/attrs.h"
#include "vault/core.h"

#define SR_GRANT_USES_MAX 1000000000u

/** struct sr_grant: a template and WHAT it is for, as the line of a refusal begins: "agent not added". */
struct sr_grant {
	const struct sr_attrs *template;
	const char *what;
};

/** sr_grant_only(grant, types, count, err): CKR_ATTRIBUTE_TYPE_INVALID for an attribute that is not among TYPES. */
CK_RV sr_grant_only(const struct sr_grant *grant, const CK_ATTRIBUTE_TYPE *types, size_t count, struct sr_error *err);

/** sr_grant_scopes(grant, out, err): CKA_SR_SCOPES, which must be there, in canonical form. */
CK_RV sr_grant_scopes(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err);

/** sr_grant_allowed(grant, out, err): CKA_SR_ALLOWED_IPS; absent: OUT stays empty. An empty list is refused: it would
 *  be no restriction at all. */
CK_RV sr_grant_allowed(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err);

/** sr_grant_description(grant, out, err): CKA_SR_DESCRIPTION, 256 bytes of text at most; absent: OUT stays empty. */
CK_RV sr_grant_description(const struct sr_grant *grant, struct sr_buf *out, struct sr_error *err);

/** sr_grant_number(grant, type, max, reason, number, err): 1 to MAX in decimal; absent: NUMBER stays. */
CK_RV sr_grant_number(const struct sr_grant *grant, CK_ATTRIBUTE_TYPE type, uint64_t max, CK_ULONG reason,
	uint64_t *number, struct sr_error *err);

#endif
