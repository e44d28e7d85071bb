/* The one boundary to the HSM: any PKCS#11 module, named by an RFC 7512 URI, through p11-kit.
 *
 * The HSM holds four keys a generation: seal (AES-256-GCM over secret values), wrap (AES key wrap), mac (HMAC-SHA256
 * over rows and token strings) and audit (ECDSA P-256 over checkpoints), and one data object, the anchor. Nothing of a
 * key ever leaves it. All functions may be called from any thread; each call takes a session of the pool and gives it
 * back. Where the HSM lost its sessions (token removed, HSM restarted) the call is repeated once on new ones. A token
 * that is away is looked for at most once a second; what comes back is served again if it is the same token with the
 * same keys.
 *
 * Errors: CKR_DEVICE_REMOVED (module or token not there), CKR_DEVICE_ERROR (everything else of the HSM's),
 * CKR_ENCRYPTED_DATA_INVALID (a sealed value that does not open: SR_REASON_SEAL_BROKEN), CKR_HOST_MEMORY. */
#ifndef SR_HSM_HSM_H
#define SR_HSM_HSM_H

#include "util/buf.h"
#include "util/error.h"

#define SR_HSM_MAC_LEN 32
#define SR_HSM_SIGNATURE_LEN 64
#define SR_HSM_SEALED_OVERHEAD (4 + 12 + 16) /* generation, IV, tag around the ciphertext */

struct sr_hsm;

/** struct sr_hsm_config: how to get at the HSM.
 *  uri         RFC 7512; module-path (or module-name), token or serial, and a pin-source:
 *              "file:PATH" or an absolute path (a regular file, not readable by group or others), "env:NAME",
 *              "credential:NAME" (a file in $CREDENTIALS_DIRECTORY), "prompt:". pin-value is refused unless
 *              PIN_VALUE_OK (the configuration file that held the URI is readable by its owner alone).
 *  softhsm_conf  the vault's own SoftHSM2 configuration, NULL without: put into SOFTHSM2_CONF while the module is
 *              initialised if that is unset and libsofthsm2 is not loaded in this process yet, and taken out again
 *  prompt      asks a person for the PIN on a terminal; NULL in a guest process: "prompt:" is then refused
 *  pin_refused set where the token itself refused the PIN, which no process should offer it again; may be NULL */
struct sr_hsm_config {
	const char *uri;
	const char *softhsm_conf;
	bool pin_value_ok;
	bool (*prompt)(const char *token_label, struct sr_buf *pin);
	bool *pin_refused;
};

/** sr_hsm_open(config, hsm, err): loads the module, finds the one token, logs in. Refuses ourselves and
 *  p11-kit-proxy as backend (SR_REASON_HSM_BACKEND_REFUSED). A wrong PIN is tried once, never twice. */
CK_RV sr_hsm_open(const struct sr_hsm_config *config, struct sr_hsm **hsm, struct sr_error *err);

/** sr_hsm_close(hsm): closes our sessions and gives the module back to p11-kit; NULL is allowed. No call may be
 *  inside. Uses and nests (hsm/key.h) that are still open are freed: their owners do not end them any more. References
 *  to keys may outlive it. Does not log out where the application uses the same module itself. */
void sr_hsm_close(struct sr_hsm *hsm);

/** sr_hsm_abandon(hsm): in a forked child: frees our memory, uses and nests included, and touches nothing of the
 *  module. */
void sr_hsm_abandon(struct sr_hsm *hsm);

/** sr_hsm_create_keys(hsm, vault_id, generation, err): generates the four keys, labels "strongroom-VAULTID-seal-1"
 *  and so on, with exactly the attributes of design §4; refuses when one exists. On failure none is left. The seal key
 * is of the generation that sr_hsm_seal_from (hsm/seals.h) has named, if it has. */
CK_RV sr_hsm_create_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation, struct sr_error *err);

/** sr_hsm_load_keys(hsm, vault_id, generation, err): finds the four keys, refuses (SR_REASON_HSM_KEY_REFUSED, the key
 *  and the attribute named in the text) one that is missing, doubled, of another kind, imported (not CKA_LOCAL), not
 *  sensitive, not always sensitive, extractable or ever extractable, or with a right beyond its own. Where the backend
 *  allows, a session-object copy with the same attributes is used for speed (it stays non-extractable). */
CK_RV sr_hsm_load_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation, struct sr_error *err);

/** sr_hsm_destroy_keys(hsm, vault_id, generation): undoes a create that came to nothing (init, and a move). */
void sr_hsm_destroy_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation);

/** sr_hsm_seal(hsm, aad, plain, sealed, err): AES-256-GCM inside the HSM, IV from its random generator. SEALED gets
 *  generation (4 bytes, big-endian), IV (12), ciphertext, tag (16), and is opened once before it is answered. AAD must
 *  not be empty. PLAIN at most 64 KiB. */
CK_RV sr_hsm_seal(struct sr_hsm *hsm, const struct sr_buf *aad, const void *plain, size_t plain_len,
	struct sr_buf *sealed, struct sr_error *err);

/** sr_hsm_unseal(hsm, aad, sealed, plain, err): the reverse; PLAIN is the caller's to clear. */
CK_RV sr_hsm_unseal(struct sr_hsm *hsm, const struct sr_buf *aad, const void *sealed, size_t sealed_len,
	struct sr_buf *plain, struct sr_error *err);

/** sr_hsm_mac(hsm, data, len, mac, err): HMAC-SHA256. The caller's data begins with a domain label. */
CK_RV sr_hsm_mac(struct sr_hsm *hsm, const void *data, size_t len, uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err);

/** sr_hsm_sign(hsm, digest, signature, err): ECDSA P-256 by the audit key, r || s; verified before it is answered. */
CK_RV sr_hsm_sign(
	struct sr_hsm *hsm, const uint8_t digest[32], uint8_t signature[SR_HSM_SIGNATURE_LEN], struct sr_error *err);

/** sr_hsm_audit_key(hsm, spki, err): the audit key's public half as DER SubjectPublicKeyInfo. */
CK_RV sr_hsm_audit_key(struct sr_hsm *hsm, struct sr_buf *spki, struct sr_error *err);

/** sr_hsm_generation(hsm): of the keys in use. */
unsigned sr_hsm_generation(const struct sr_hsm *hsm);

/** sr_hsm_random(hsm, out, len, err): from the HSM's random generator. sr_hsm_seed mixes bytes into it and answers
 *  CKR_RANDOM_SEED_NOT_SUPPORTED where it takes none. */
CK_RV sr_hsm_random(struct sr_hsm *hsm, void *out, size_t len, struct sr_error *err);
CK_RV sr_hsm_seed(struct sr_hsm *hsm, const void *seed, size_t len, struct sr_error *err);

/** sr_hsm_anchor_read(hsm, vault_id, value, err): the newest anchor's bytes (a private data object that no one can
 *  change, only replace), an empty VALUE where there is none. Every anchor begins with a u64 that only grows (8 bytes,
 *  big-endian); of several, left by a crash or a race, the greatest counts. */
CK_RV sr_hsm_anchor_read(struct sr_hsm *hsm, const char *vault_id, struct sr_buf *value, struct sr_error *err);

/** sr_hsm_anchor_write(hsm, vault_id, value, err): makes the new object first, then destroys every lower one. */
CK_RV sr_hsm_anchor_write(struct sr_hsm *hsm, const char *vault_id, const struct sr_buf *value, struct sr_error *err);

/** sr_hsm_anchor_destroy(hsm, vault_id): undoes what a create that came to nothing left (init, restore, and a move). */
void sr_hsm_anchor_destroy(struct sr_hsm *hsm, const char *vault_id);

/** The private key of one TYPE that the URI itself names, by object= or id=. It belongs to no vault.
 *  sr_hsm_named_check(hsm, type, err): whether there is that one; SR_REASON_BAD_CONFIG. sr_hsm_named_sign(hsm, type,
 *  mechanism, data, len, signature, signature_len, err): by it; a longer signature is refused by the module. */
#define SR_HSM_NAMED_SIGNATURE_MAX 1024
CK_RV sr_hsm_named_check(struct sr_hsm *hsm, CK_KEY_TYPE type, struct sr_error *err);
CK_RV sr_hsm_named_sign(struct sr_hsm *hsm, CK_KEY_TYPE type, const CK_MECHANISM *mechanism, const void *data,
	size_t len, uint8_t signature[SR_HSM_NAMED_SIGNATURE_MAX], size_t *signature_len, struct sr_error *err);

/** struct sr_hsm_identity: who answers, for status and probe. Texts without padding. */
struct sr_hsm_identity {
	char manufacturer[33], model[17], label[33], serial[17], library[33];
	CK_VERSION cryptoki, firmware;
};
void sr_hsm_identity(struct sr_hsm *hsm, struct sr_hsm_identity *out);

/** sr_hsm_look(hsm, err): CKR_OK where the token is there now, as far as was seen within the last second; it is got
 * back where that can be done. Else why it is not. */
CK_RV sr_hsm_look(struct sr_hsm *hsm, struct sr_error *err);

/** struct sr_hsm_absence: the token was away; wall clock. */
struct sr_hsm_absence {
	int64_t from_ms, to_ms;
};

/** sr_hsm_absence(hsm, absence): the newest absence that is over and was not told yet, once. sr_hsm_absence_untold
 * gives it back. */
bool sr_hsm_absence(struct sr_hsm *hsm, struct sr_hsm_absence *absence);
void sr_hsm_absence_untold(struct sr_hsm *hsm, const struct sr_hsm_absence *absence);

/** struct sr_hsm_counts: since it was opened: TURNS at a session, those that FAILED, and how often all sessions were
 *  LOST; BUSY: sessions that somebody has now. sr_hsm_counts(hsm, out): waits for nothing. */
struct sr_hsm_counts {
	unsigned long turns, failed, lost, busy;
};
void sr_hsm_counts(const struct sr_hsm *hsm, struct sr_hsm_counts *out);

/** struct sr_hsm_finding: one thing the backend was asked to show. NEEDED: the vault cannot do without. */
struct sr_hsm_finding {
	const char *feature; /* "aes-256-gcm with additional data" */
	bool ok, needed;
	char detail[160]; /* what was seen, or the code that refused; what Strongroom does with it */
};

/** sr_hsm_probe(hsm, each, ctx, err): tries, with session objects that it destroys, each thing that Strongroom uses
 *  now or will (generate, seal, mac, sign, wrap of each key kind, copy to a session object, data object, random), and
 *  tells each finding. */
CK_RV sr_hsm_probe(
	struct sr_hsm *hsm, void (*each)(const struct sr_hsm_finding *, void *ctx), void *ctx, struct sr_error *err);

/** sr_hsm_make_softhsm(dir, label, uri, conf, err): a new SoftHSM2 token under DIR ("DIR/hsm/": tokens, softhsm2.conf,
 *  pin), a random PIN in a 0600 file, everything 0700/0600. URI gets the RFC 7512 URI to open it with (pin-source
 * file), CONF the path of its softhsm2.conf. */
CK_RV sr_hsm_make_softhsm(
	const char *dir, const char *label, struct sr_buf *uri, struct sr_buf *conf, struct sr_error *err);

/** sr_hsm_pack_softhsm(conf, uri, packed, err): such a token as bytes, its PIN among them: for a box (util/box.h) and
 *  nothing else. sr_hsm_unpack_softhsm(packed, len, dir, uri, conf, err): makes it again, as "DIR/hsm/"; URI and CONF
 * as sr_hsm_make_softhsm answers them. On failure nothing is left. */
CK_RV sr_hsm_pack_softhsm(const char *conf, const char *uri, struct sr_buf *packed, struct sr_error *err);
CK_RV sr_hsm_unpack_softhsm(
	const void *packed, size_t len, const char *dir, struct sr_buf *uri, struct sr_buf *conf, struct sr_error *err);

#endif
