/* A list of attributes that owns its bytes: a template that the call layer has checked and copied, or what an object
 * shows of itself. */
#ifndef SR_UTIL_ATTRS_H
#define SR_UTIL_ATTRS_H

#include "pkcs11/cryptoki.h"
#include "util/buf.h"

#define SR_ATTRS_MAX 128

struct sr_attr {
	CK_ATTRIBUTE_TYPE type;
	size_t len;
	uint8_t *value; /* NULL when LEN is 0 */
};

/** struct sr_attrs: FAILED is sticky: no memory, or more than SR_ATTRS_MAX. A type stands at most once: put replaces.
 */
struct sr_attrs {
	struct sr_attr *items;
	size_t count;
	bool failed;
};

#define SR_ATTRS_INIT          \
	{                      \
		NULL, 0, false \
	}

void sr_attrs_put(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value, size_t len);
void sr_attrs_put_bool(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value);
void sr_attrs_put_ulong(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void sr_attrs_put_text(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text);
void sr_attrs_put_number(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, uint64_t number); /* as decimal text */
void sr_attrs_put_time(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, int64_t ms);        /* as RFC 3339 */

const struct sr_attr *sr_attrs_find(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type);

/** sr_attrs_bool(attrs, type, fallback), sr_attrs_ulong(attrs, type, fallback): FALLBACK where absent. The call layer
 * has checked the lengths (1 byte, sizeof(CK_ULONG)) of the types it knows; another length gives the fallback. */
bool sr_attrs_bool(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool fallback);
CK_ULONG sr_attrs_ulong(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG fallback);

/** sr_attrs_match(query, attrs): every attribute of QUERY is in ATTRS with the same bytes. */
bool sr_attrs_match(const struct sr_attrs *query, const struct sr_attrs *attrs);

/** sr_attrs_clear(attrs): cleanses every value, frees, leaves SR_ATTRS_INIT. */
void sr_attrs_clear(struct sr_attrs *attrs);

#endif
