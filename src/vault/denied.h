/* How many records refusals may make: so that who is let in to little, or to nothing, does not write the disk full.
 * Each is recorded for as long as they are few; beyond that they are counted, and the count is recorded. Refused logins
 * have stricter rules before these (vault/refused.h). Private to this folder. */
#ifndef SR_VAULT_DENIED_H
#define SR_VAULT_DENIED_H

#include "vault/core.h"

#define SR_DENIED_BURST 100           /* of one identity, or one peer without one, at once */
#define SR_DENIED_EVERY_MS (6 * 1000) /* one more each */
#define SR_DENIED_SOURCES 1024

/** struct sr_denied: who was refused how often. Any thread. */
struct sr_denied;
struct sr_denied *sr_denied_new(void);
void sr_denied_free(struct sr_denied *denied); /* what is counted is lost */

/** sr_denied_fits(act): whether a refusal of ACT gets a record of its own. Where it does and others are owed, one
 * record for all of them comes first: as the newest of them, with {"count":N} and without a path. */
bool sr_denied_fits(const struct sr_act *act);

/** sr_denied_note(act, recorded): that ACT was refused. */
void sr_denied_note(const struct sr_act *act, bool recorded);

/** sr_denied_flush(vault): a record for each source that has something counted; when the vault closes. */
void sr_denied_flush(struct sr_vault *vault);

#endif
