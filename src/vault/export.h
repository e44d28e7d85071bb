/* Exports and tails of the audit: jobs that give it page by page. Private to this folder. */
#ifndef SR_VAULT_EXPORT_H
#define SR_VAULT_EXPORT_H

#include "vault/objects.h"

/* Each is told by its template: without CKA_SR_EVENT_ID it begins, recorded with its criteria before anything is given;
 * with the id of that record and CKA_SR_AFTER it gives the next page of it, to the same caller alone. So no page needs
 * more of the vault's memory than itself, and a reader goes on after a reconnect. RESULT as docs/interfaces.md has it.
 */
CK_RV sr_job_export(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);
CK_RV sr_job_tail(const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);

/** sr_job_audit_key(caller, template, result, err): the audit key's generations, public halves and fingerprints. */
CK_RV sr_job_audit_key(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);

#endif
