/* The records of refused logins: the first of a source at once, then one a minute with a count, so that a guesser does
 * not write the disk full. Private to this folder. */
#ifndef SR_VAULT_REFUSED_H
#define SR_VAULT_REFUSED_H

#include "vault/core.h"
#include "vault/slow.h"

#define SR_REFUSED_EVERY_MS (60ll * 1000)
#define SR_REFUSED_NAMES 16 /* of one peer in that time; more names are counted together */
#define SR_REFUSED_SOURCES 1024

/** struct sr_refused: what was recorded last, and what is counted and not recorded yet. Any thread. */
struct sr_refused;
struct sr_refused *sr_refused_new(void);
void sr_refused_free(struct sr_refused *refused); /* what is counted is lost */

/** sr_refused_record(act, source, rv, err): as sr_act_record for a login that is refused with RV; but where SOURCE's
 *  last record is less than SR_REFUSED_EVERY_MS old it is only counted, and nothing is written. The record says
 *  {"count":N} where it stands for more than itself. */
CK_RV sr_refused_record(struct sr_act *act, const struct sr_source *source, CK_RV rv, struct sr_error *err);

/** sr_refused_flush(vault): a record for each source that has something counted; when the vault closes. */
void sr_refused_flush(struct sr_vault *vault);

#endif
