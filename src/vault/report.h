/* What the vault tells about itself, as JSON. Private to this folder. */
#ifndef SR_VAULT_REPORT_H
#define SR_VAULT_REPORT_H

#include "audit/verify.h"
#include "vault/core.h"

#include <jansson.h>

/** sr_report_text(object, text, err): OBJECT (taken over, may be NULL) as compact JSON, malloc'ed. */
CK_RV sr_report_text(json_t *object, char **text, struct sr_error *err);

/** sr_report_verdict(vault, verdict, result, metadata, err): the verdict as JSON, and its core for the event's
 * metadata.
 */
CK_RV sr_report_verdict(struct sr_vault *vault, const struct sr_verdict *verdict, char **result,
	char metadata[SR_METADATA_MAX], struct sr_error *err);

/** sr_report_status(vault, result, err): what `strongroom status` shows. */
CK_RV sr_report_status(struct sr_vault *vault, char **result, struct sr_error *err);

/** sr_report_check_rows(vault, verdict, err): every deciding row against its MAC and the chain; the first that does not
 *  fit makes the verdict bad. */
CK_RV sr_report_check_rows(struct sr_vault *vault, struct sr_verdict *verdict, struct sr_error *err);

#endif
