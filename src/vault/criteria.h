/* The criteria of a query of the audit. Private to this folder. */
#ifndef SR_VAULT_CRITERIA_H
#define SR_VAULT_CRITERIA_H

#include "audit/query.h"
#include "util/attrs.h"

#include <jansson.h>

/** struct sr_criteria: the query and the texts that it points into. Not to be copied. */
struct sr_criteria {
	struct sr_audit_query query;
	char path[SR_PATH_MAX + 1], actor[64], token[64], tier[16];
};

/** sr_criteria_take(criteria, query, err): from a template. A bad one is CKR_ATTRIBUTE_VALUE_INVALID and names what is
 *  bad, an attribute that is no criterion CKR_ATTRIBUTE_TYPE_INVALID; both BAD_TEMPLATE. */
CK_RV sr_criteria_take(struct sr_criteria *criteria, const struct sr_attrs *query, struct sr_error *err);

/** sr_criteria_json(query): a template that was taken as an object, each criterion by its name; NULL without memory.
 *  sr_criteria_of_json(criteria, told, err): the way back. */
json_t *sr_criteria_json(const struct sr_attrs *query);
CK_RV sr_criteria_of_json(struct sr_criteria *criteria, const json_t *told, struct sr_error *err);

/** sr_criteria_tell(told, metadata, err): TOLD, which is taken, as a record's metadata; one that does not fit is a bad
 *  query. */
CK_RV sr_criteria_tell(json_t *told, char metadata[SR_METADATA_MAX], struct sr_error *err);

#endif
