/* The records of an HSM that was away. Private to this folder. */
#ifndef SR_VAULT_ABSENCE_H
#define SR_VAULT_ABSENCE_H

#include "vault/core.h"

/** sr_absence_record(vault): hsm.lost and hsm.opened, where the HSM was away and is back, once. Before each act, and
 * when the vault closes. */
void sr_absence_record(struct sr_vault *vault);

#endif
