/* Generations of the seal key. Each sealed value says which one it is under; the newest seals, the others open, until
 * no value needs them any more (docs/backup.md). The other three keys have generations of their own (generations.h). */
#ifndef SR_HSM_SEALS_H
#define SR_HSM_SEALS_H

#include "hsm/hsm.h"

#define SR_SEAL_GENERATION_MAX 65535u

/** sr_hsm_seal_from(hsm, generation): before sr_hsm_create_keys and sr_hsm_load_keys: which generation of the seal key
 * is made or loaded with the other keys, instead of theirs: the first may be gone. Others are found when they are
 * needed. */
void sr_hsm_seal_from(struct sr_hsm *hsm, unsigned generation);

/** sr_hsm_seal_by(hsm, generation, aad, plain, plain_len, sealed, err): sr_hsm_seal by that generation. */
CK_RV sr_hsm_seal_by(struct sr_hsm *hsm, unsigned generation, const struct sr_buf *aad, const void *plain,
	size_t plain_len, struct sr_buf *sealed, struct sr_error *err);

/** sr_hsm_sealed_generation(sealed, len): what a sealed value says; 0 where it is too short. */
unsigned sr_hsm_sealed_generation(const void *sealed, size_t len);

/** sr_hsm_need_seal(hsm, generation, err): finds that key and checks it as sr_hsm_load_keys does (HSM_KEY_REFUSED: it
 * is missing, or not ours). Costs nothing where it is known. */
CK_RV sr_hsm_need_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);

/** sr_hsm_make_seal(hsm, generation, err): generates it; one that is there already, and is as it should be, is as good.
 *  sr_hsm_drop_seal(hsm, generation, err): destroys it; one that is gone already is CKR_OK. */
CK_RV sr_hsm_make_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
CK_RV sr_hsm_drop_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);

#endif
