/* Whether everything that the state tree knows of is there: what the records that made it would tell, once they were
 * removed. Private to this folder. */
#ifndef SR_VAULT_ACCOUNT_H
#define SR_VAULT_ACCOUNT_H

#include "vault/core.h"

typedef CK_RV (*sr_account_each)(const char *subject, void *ctx);

/** sr_account_check(vault, at, base, each, ctx, err): looks at each row of each table: EACH is asked about those that
 *  record BASE or one before it made. Then the state tree must know of nothing else: ROW_MISSING where it does, for
 *  nothing is ever deleted from a table. ERR has what EACH left there. Whoever gives the state tree a new kind of
 *  subject has to account for it here. */
CK_RV sr_account_check(struct sr_vault *vault, const struct sr_moment *at, uint64_t base, sr_account_each each,
	void *ctx, struct sr_error *err);

#endif
