/* Keys of the vault's users inside the HSM: where each is, how it gets there, and what is done with it.
 *
 * The HSM sees plain keys: policy is the vault's. A key is used through a handle that is looked up, unwrapped or
 * created once and then kept in a bounded cache; where the HSM lost its sessions, handles are found or made anew and
 * the call is repeated once. All functions: any thread. Mechanisms, their parameters and templates are checked by the
 * caller; what the HSM refuses all the same comes back as its code, where that code may stand in an answer (hsm/code.c
 * has the table), else CKR_DEVICE_ERROR or CKR_DEVICE_REMOVED as in hsm.h. */
#ifndef SR_HSM_KEY_H
#define SR_HSM_KEY_H

#include "hsm/hsm.h"
#include "util/attrs.h"

#define SR_HSM_UID_MAX 33 /* a key's unique id, with the NUL */

/** struct sr_hsm_key: a reference to a key, never its material. Immutable; counted. */
struct sr_hsm_key;
struct sr_hsm_key *sr_hsm_key_ref(struct sr_hsm_key *key);
void sr_hsm_key_unref(struct sr_hsm_key *key); /* NULL is allowed */

/** sr_hsm_key_resident(uid, generation, class): a token object of the HSM. Its CKA_LABEL is
 * "strongroom-VAULTID-key-UID", its CKA_ID the bytes of UID. GENERATION: a number that grows whenever the row changes,
 * so that no stale handle is used. NULL: no memory; likewise below. */
struct sr_hsm_key *sr_hsm_key_resident(const char *uid, uint64_t generation, CK_OBJECT_CLASS object_class);

/** sr_hsm_key_wrapped(uid, generation, blob, template): under the vault's wrap key; TEMPLATE is what it is unwrapped
 * with. */
struct sr_hsm_key *sr_hsm_key_wrapped(
	const char *uid, uint64_t generation, const struct sr_buf *blob, const struct sr_attrs *template);

/** sr_hsm_key_open(uid, generation, template): a public key, or any key whose every component stands in TEMPLATE. UID
 * may be empty here and for a wrapped key: then its handle is not kept beyond a use. */
struct sr_hsm_key *sr_hsm_key_open(const char *uid, uint64_t generation, const struct sr_attrs *template);

/* -- nests -------------------------------------------------------------------------------------------------------- */
/** struct sr_hsm_nest: an HSM session that session objects are made in; they go with it. For one thread at a time; the
 * objects may be used by any. Each key made in it holds a reference to it. Where the HSM lost its sessions the keys are
 * gone (CKR_KEY_HANDLE_INVALID, or as the standard calls it for the function) and new ones can be made. No more
 * sessions to be had: CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE. */
struct sr_hsm_nest;
CK_RV sr_hsm_nest_open(struct sr_hsm *hsm, struct sr_hsm_nest **nest, struct sr_error *err);
void sr_hsm_nest_close(
	struct sr_hsm_nest *nest); /* NULL is allowed; its keys answer CKR_KEY_HANDLE_INVALID from now on */

/* -- making keys -------------------------------------------------------------------------------------------------- */
enum sr_hsm_custody { SR_HSM_RESIDENT, SR_HSM_WRAPPED, SR_HSM_NEST };

/** struct sr_hsm_place: where a new key is to live. UID for the first two, NEST for the last. WITH_MATERIAL: answer
 *  struct sr_hsm_made.material too, where the HSM can. */
struct sr_hsm_place {
	enum sr_hsm_custody custody;
	const char *uid;
	struct sr_hsm_nest *nest;
	bool with_material;
};

/** struct sr_hsm_made: what came of it.
 *  key       the reference (generation 0 for resident and wrapped)
 *  blob      the wrapped key
 *  attrs     what the HSM says of it: CKA_KEY_TYPE; components of a public key (CKA_MODULUS, CKA_PUBLIC_EXPONENT,
 *            CKA_EC_PARAMS, CKA_EC_POINT), and of a private key those of them that it shows; CKA_VALUE_LEN of a secret
 *            key, where it is known (SoftHSM2 does not tell it of a generic secret that was unwrapped)
 *  material  SHA-256 of the key under the vault's wrap key (AES key wrap is deterministic): equal for equal material,
 *            telling nothing else; empty where it could not be had. Behind it the same by each other generation of
 *            that key that the HSM still has: what was kept under it is known by that
 *  generation  of the wrap key, where there is a blob or material */
struct sr_hsm_made {
	struct sr_hsm_key *key;
	struct sr_buf blob;
	struct sr_attrs attrs;
	struct sr_buf material;
	unsigned generation;
};
void sr_hsm_made_clear(struct sr_hsm_made *made);

/* TEMPLATE is a key's standard attributes. The HSM is told class, type, rights, CKA_SENSITIVE, CKA_EXTRACTABLE and the
 * components (CKA_VALUE_LEN and CKA_MODULUS_BITS where they may stand); whatever else is there (CKA_LABEL,
 * CKA_MODIFIABLE, CKA_ALWAYS_AUTHENTICATE, CKA_ALLOWED_MECHANISMS, dates, ...) is left out. A right that is not named
 * is false, CKA_SENSITIVE true and CKA_EXTRACTABLE false. A key that is to be wrapped is made extractable, wrapped and
 * destroyed; it is unwrapped with TEMPLATE. A kind that the HSM cannot wrap: CKR_TEMPLATE_INCONSISTENT,
 * SR_REASON_CUSTODY, the kind and `--custody resident` named in the text. On failure nothing is left behind. */
CK_RV sr_hsm_generate(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err);

/** sr_hsm_generate_pair: PRIVATE lives at PLACE; the public half's components come back in PUBLIC_MADE->attrs, its key
 * is an open one (or in the nest), since a public key needs no custody. The open one has no uid, so that its handle is
 * not kept: the vault makes a reference of its own for a public key that it stores. */
CK_RV sr_hsm_generate_pair(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	const struct sr_attrs *public_template, const struct sr_attrs *private_template,
	struct sr_hsm_made *public_made, struct sr_hsm_made *private_made, struct sr_error *err);

/** sr_hsm_import: C_CreateObject; the plain components are in TEMPLATE. */
CK_RV sr_hsm_import(struct sr_hsm *hsm, const struct sr_hsm_place *place, const struct sr_attrs *template,
	struct sr_hsm_made *made, struct sr_error *err);

CK_RV sr_hsm_unwrap_key(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	struct sr_hsm_key *unwrapping, const void *wrapped, size_t wrapped_len, const struct sr_attrs *template,
	struct sr_hsm_made *made, struct sr_error *err);

CK_RV sr_hsm_derive(struct sr_hsm *hsm, const struct sr_hsm_place *place, const CK_MECHANISM *mechanism,
	struct sr_hsm_key *base, const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err);

/** sr_hsm_copy_key: C_CopyObject of a key into PLACE, with the rights of TEMPLATE. Resident to resident and nest work
 * where the HSM copies; a wrapped source is unwrapped first. */
CK_RV sr_hsm_copy_key(struct sr_hsm *hsm, const struct sr_hsm_place *place, struct sr_hsm_key *key,
	const struct sr_attrs *template, struct sr_hsm_made *made, struct sr_error *err);

/** sr_hsm_wrap_key: C_WrapKey; the length is the HSM's own. */
CK_RV sr_hsm_wrap_key(struct sr_hsm *hsm, const CK_MECHANISM *mechanism, struct sr_hsm_key *wrapping,
	struct sr_hsm_key *key, struct sr_buf *wrapped, struct sr_error *err);

/** sr_hsm_key_read: one attribute (CKA_VALUE, CKA_PRIVATE_EXPONENT, ...) of a key that is not sensitive. */
CK_RV sr_hsm_key_read(
	struct sr_hsm *hsm, struct sr_hsm_key *key, CK_ATTRIBUTE_TYPE type, struct sr_buf *value, struct sr_error *err);

/** sr_hsm_key_restrict: after CKA_SENSITIVE became true, CKA_EXTRACTABLE false, or a right changed: the same change on
 * the object in the HSM (resident, nest). For a wrapped key nothing is to be done: its template changes. */
CK_RV sr_hsm_key_restrict(
	struct sr_hsm *hsm, struct sr_hsm_key *key, const struct sr_attrs *changes, struct sr_error *err);

/** sr_hsm_key_destroy: the resident or nest object is gone; nothing for others. One that is gone already is CKR_OK. */
CK_RV sr_hsm_key_destroy(struct sr_hsm *hsm, struct sr_hsm_key *key, struct sr_error *err);

/** sr_hsm_key_exists: whether a resident key's object is there, exactly once (verify asks). */
CK_RV sr_hsm_key_exists(struct sr_hsm *hsm, struct sr_hsm_key *key, bool *exists, struct sr_error *err);

/* -- using keys --------------------------------------------------------------------------------------------------- */
enum sr_hsm_function {
	SR_HSM_ENCRYPT,
	SR_HSM_DECRYPT,
	SR_HSM_SIGN,
	SR_HSM_VERIFY,
	SR_HSM_SIGN_RECOVER,
	SR_HSM_VERIFY_RECOVER,
	SR_HSM_FUNCTIONS
};

/** struct sr_hsm_use: one operation, begun in an HSM session of its own, which it holds until it ends. At most
 * SR_HSM_USES_MAX at once: CKR_DEVICE_MEMORY beyond (SR_REASON_TOO_LARGE). For one thread at a time. */
#define SR_HSM_USES_MAX 1024
struct sr_hsm_use;

/** sr_hsm_use_begin(hsm, function, key, mechanism, use, err): C_*Init. MECHANISM is needed only during the call. */
CK_RV sr_hsm_use_begin(struct sr_hsm *hsm, enum sr_hsm_function function, struct sr_hsm_key *key,
	const CK_MECHANISM *mechanism, struct sr_hsm_use **use, struct sr_error *err);

/** sr_hsm_use_once(use, in, len, out, err): the whole in one part (C_Encrypt, C_Sign, ...). OUT gets exactly the
 * result, from a buffer that was large enough: never CKR_BUFFER_TOO_SMALL. sr_hsm_use_update and _final likewise in
 * parts; for SIGN update gives nothing. Any failure has ended the operation in the HSM; the caller still ends the use.
 */
CK_RV sr_hsm_use_once(struct sr_hsm_use *use, const void *in, size_t len, struct sr_buf *out, struct sr_error *err);
CK_RV sr_hsm_use_update(struct sr_hsm_use *use, const void *in, size_t len, struct sr_buf *out, struct sr_error *err);
CK_RV sr_hsm_use_final(struct sr_hsm_use *use, struct sr_buf *out, struct sr_error *err);

/** sr_hsm_use_verify(use, in, len, signature, signature_len, err): C_Verify; IN is ignored where parts were given
 * before, then C_VerifyFinal. CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE. */
CK_RV sr_hsm_use_verify(struct sr_hsm_use *use, const void *in, size_t len, const void *signature, size_t signature_len,
	struct sr_error *err);

/** sr_hsm_use_end(use): gives the session back if the operation is over, else closes it. NULL is allowed. */
void sr_hsm_use_end(struct sr_hsm_use *use);

/* -- what the HSM can do ------------------------------------------------------------------------------------------ */
/** sr_hsm_mechanism(hsm, type, info): the HSM's C_GetMechanismInfo, asked once and kept; false: it does not offer it.
 */
bool sr_hsm_mechanism(struct sr_hsm *hsm, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info);

#endif
