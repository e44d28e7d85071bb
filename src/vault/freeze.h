/* Paths that are frozen: nothing that reaches one is issued, approved or delivered until it is released
 * (docs/incidents.md). Private to this folder. */
#ifndef SR_VAULT_FREEZE_H
#define SR_VAULT_FREEZE_H

#include "vault/core.h"
#include "vault/objects.h"

#define SR_FREEZES_MAX 256 /* at a time, in one vault */

/** sr_freeze_check(vault, at, path, refusal, err): CKR_OK, or REFUSAL / FROZEN where PATH is frozen. Where nothing is,
 *  that is one number of the state tree. Asked inside the transaction that records the use, and before it. */
CK_RV sr_freeze_check(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, CK_RV refusal, struct sr_error *err);

/** sr_freeze_asked(vault, at, path, frozen, err): the same question, without an answer for the caller. */
CK_RV sr_freeze_asked(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, bool *frozen, struct sr_error *err);

/** sr_freeze_check_writer(caller, at, path, refusal, err): members write to a frozen path, for that ends an incident;
 *  nobody else does. */
CK_RV sr_freeze_check_writer(const struct sr_caller *caller, const struct sr_moment *at, const char *path,
	CK_RV refusal, struct sr_error *err);

/** sr_freeze_check_scopes(vault, at, scopes, refusal, err): REFUSAL / FROZEN where SCOPES do more than list on a path
 *  that is frozen. */
CK_RV sr_freeze_check_scopes(struct sr_vault *vault, const struct sr_moment *at, const struct sr_scopes *scopes,
	CK_RV refusal, struct sr_error *err);

/** sr_freeze_check_request(vault, at, row, refusal, err): the same of what a request asks for. A request to release a
 *  path passes. */
CK_RV sr_freeze_check_request(struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row,
	CK_RV refusal, struct sr_error *err);

extern const struct sr_class sr_freeze_class; /* freeze_class.c */

#endif
