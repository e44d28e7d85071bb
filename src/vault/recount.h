/* Counting the uses of tokens once more, from the records themselves. Private to this folder. */
#ifndef SR_VAULT_RECOUNT_H
#define SR_VAULT_RECOUNT_H

#include "vault/core.h"

/** struct sr_recount: a count for each token that a record counted for, and which tokens the records issued. */
struct sr_recount;
struct sr_recount *sr_recount_new(void);
void sr_recount_free(struct sr_recount *recount); /* NULL is allowed */

/** sr_recount_add(recount, event): takes a record into account; false: no memory. */
bool sr_recount_add(struct sr_recount *recount, const struct sr_event *event);

/** sr_recount_check(recount, vault, at, base, err): that the state tree has the same count for every token with a
 * limit, its descendants' uses included; ROW_STALE names the first that differs. Of a token that was issued by a record
 * up to BASE, which was removed, older uses may be gone as well: the state tree has as many, or more. */
CK_RV sr_recount_check(struct sr_recount *recount, struct sr_vault *vault, const struct sr_moment *at, uint64_t base,
	struct sr_error *err);

#endif
