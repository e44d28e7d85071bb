/* Removing old records of the audit: jobs (vault/job.c). Private to this folder. */
#ifndef SR_VAULT_PRUNE_H
#define SR_VAULT_PRUNE_H

#include "vault/core.h"
#include "vault/objects.h"

/** sr_prune_begin(caller, template, result, err): moves the audit's beginning (audit/base.h) up to the newest sealed
 *  record behind which nothing goes that is younger than CKA_SR_BEFORE, or than [vault] audit-keep. AUDIT_KEPT where
 *  that is younger than may go. Nothing is removed yet. */
CK_RV sr_prune_begin(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);

/** sr_prune_step(caller, template, result, err): removes up to 100,000 of the records that are left over before the
 *  beginning; others' commits run meanwhile. */
CK_RV sr_prune_step(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);

#endif
