/* Mechanisms of a vault, and their parameters from outside, checked and copied.
 *
 * Offered is what stands in the table (policy/mechanism.h), the HSM has, and is not weak unless `[mechanisms] enable`
 * names it. A parameter is read once, by the table's kind, into memory of ours: what points into an application may
 * change under our eyes. */
#ifndef SR_PKCS11_MECHANISM_H
#define SR_PKCS11_MECHANISM_H

#include "config/config.h"
#include "policy/mechanism.h"
#include "util/error.h"
#include "vault/vault.h"

#define SR_PARAMETER_MAX (64u << 10) /* of all that a parameter points to */

/** sr_mechanism_offered(vault, config, row, info): whether; INFO gets key sizes and flags as C_GetMechanismInfo answers
 * them. */
bool sr_mechanism_offered(struct sr_vault *vault, const struct sr_config *config, const struct sr_mechanism_row *row,
	CK_MECHANISM_INFO *info);

/** struct sr_mechanism: a mechanism with a parameter that we own: NATIVE points into MEMORY. */
struct sr_mechanism {
	const struct sr_mechanism_row *row;
	CK_MECHANISM native;
	void *memory; /* cleansed when cleared */
	size_t memory_len;
};

/** sr_mechanism_take(vault, config, given, function, mechanism, err): GIVEN is not NULL. FUNCTION is one CKF_* bit;
 * a message operation takes the function that it is made of (CKF_ENCRYPT, ...).
 *    CKR_MECHANISM_INVALID        not offered, or not for this function
 *    CKR_MECHANISM_PARAM_INVALID  missing, not expected, of another length, NULL inside with a length, over a limit, a
 *                                 hash or MGF that is not offered, an IV or tag length that the standard does not know
 *    CKR_HOST_MEMORY */
CK_RV sr_mechanism_take(struct sr_vault *vault, const struct sr_config *config, const CK_MECHANISM *given,
	CK_FLAGS function, struct sr_mechanism *mechanism, struct sr_error *err);
void sr_mechanism_clear(struct sr_mechanism *mechanism);

#endif
