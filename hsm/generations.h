/* Generations of the wrap, mac and audit keys, which have one number together (docs/backup.md). The newest makes what
 * is new; the others check, open and unwrap until nothing needs them any more. The seal key has generations of its own
 * (seals.h). All functions: any thread. */
#ifndef SR_HSM_GENERATIONS_H
#define SR_HSM_GENERATIONS_H

#include "hsm/key.h"
#include "util/attrs.h"

#define SR_KEYS_GENERATION_MAX 1000u
#define SR_KEYS_ALIVE_MAX 8 /* generations that are not retired: so many are at hand at once */

/** sr_hsm_need_keys_of(hsm, generation, err): finds these three and checks them as sr_hsm_load_keys does
 *  (HSM_KEY_REFUSED: missing, or not ours). Costs nothing where they are known. */
CK_RV sr_hsm_need_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);

/** sr_hsm_advance(hsm, generation, err): from now on these are the newest; nothing where they are, or a newer one is.
 */
CK_RV sr_hsm_advance(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);

/** sr_hsm_make_keys_of(hsm, generation, err): generates them; those that are there already, and are as they should be,
 *  are as good. sr_hsm_drop_keys_of(hsm, generation, err): destroys them; gone already is CKR_OK. */
CK_RV sr_hsm_make_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
CK_RV sr_hsm_drop_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);

/** sr_hsm_mac_by(hsm, generation, data, len, mac, err): sr_hsm_mac by that generation. */
CK_RV sr_hsm_mac_by(struct sr_hsm *hsm, unsigned generation, const void *data, size_t len, uint8_t mac[SR_HSM_MAC_LEN],
	struct sr_error *err);

/** sr_hsm_mac_to_keep(hsm, generation, data, len, mac, err): sr_hsm_mac_by, for what is going to be stored: it is made
 *  twice, since one wrong bit kept would refuse later what is right (CKR_DEVICE_ERROR / SR_REASON_HSM_FAILED). */
CK_RV sr_hsm_mac_to_keep(struct sr_hsm *hsm, unsigned generation, const void *data, size_t len,
	uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err);

/** sr_hsm_sign_as(hsm, digest, signature, generation, err): sr_hsm_sign, and which generation's key it was. */
CK_RV sr_hsm_sign_as(struct sr_hsm *hsm, const uint8_t digest[32], uint8_t signature[SR_HSM_SIGNATURE_LEN],
	unsigned *generation, struct sr_error *err);

/** sr_hsm_audit_key_of(hsm, generation, spki, err): sr_hsm_audit_key of that generation. */
CK_RV sr_hsm_audit_key_of(struct sr_hsm *hsm, unsigned generation, struct sr_buf *spki, struct sr_error *err);

/** sr_hsm_wrapped_generation(blob): by which generation of the wrap key BLOB is wrapped. */
unsigned sr_hsm_wrapped_generation(const struct sr_buf *blob);

/** sr_hsm_rewrap(hsm, blob, class, attrs, wrapped, material, err): the wrapped key under the newest wrap key: by way
 *  of a session object that is sensitive and may be wrapped, and is gone afterwards. ATTRS is
 *  what it is unwrapped with, MATERIAL as in hsm/key.h.
 *  CKR_DEVICE_ERROR / SR_REASON_SEAL_BROKEN where it does not open. */
CK_RV sr_hsm_rewrap(struct sr_hsm *hsm, const struct sr_buf *blob, CK_OBJECT_CLASS object_class,
	const struct sr_attrs *attrs, struct sr_buf *wrapped, struct sr_buf *material, struct sr_error *err);

/** sr_hsm_recognise(hsm, key, material, leaves, err): the MATERIAL of a resident KEY by the newest wrap key, where it
 *  LEAVES the HSM. */
CK_RV sr_hsm_recognise(
	struct sr_hsm *hsm, struct sr_hsm_key *key, struct sr_buf *material, bool *leaves, struct sr_error *err);

#endif
