/* Members' passphrases after scrypt, sealed: what is needed to give them a hash under another mac key, without them. A
 * passphrase's hash is the mac key's over what scrypt makes of it, and that key never leaves its HSM; so what scrypt
 * made is kept beside the row, under the seal key. Private to this folder.
 *
 * It decides nothing. What authenticates it is the member's name, salt and hash, so that it opens for the passphrase of
 * that hash alone. One that is missing costs its member a new passphrase where the mac key changes. */
#ifndef SR_VAULT_STRETCHED_H
#define SR_VAULT_STRETCHED_H

#include "vault/core.h"

#define SR_STRETCHED_LEN 32

/** struct sr_stretched: sealed, as hex digits; "" for none. */
struct sr_stretched {
	char text[2 * (SR_STRETCHED_LEN + SR_HSM_SEALED_OVERHEAD) + 1];
};

/** sr_stretched_hash(vault, generation, bytes, hash, err): the member's hash, by that generation of the mac key. */
CK_RV sr_stretched_hash(struct sr_vault *vault, unsigned generation, const uint8_t bytes[SR_STRETCHED_LEN],
	uint8_t hash[SR_HASH_LEN], struct sr_error *err);

/** sr_stretched_seal(vault, row, bytes, stretched, err): ROW has its name, salt and hash. Not inside a job.
 */
CK_RV sr_stretched_seal(struct sr_vault *vault, const struct sr_member_row *row, const uint8_t bytes[SR_STRETCHED_LEN],
	struct sr_stretched *stretched, struct sr_error *err);

/** sr_stretched_put(vault, tx, name, stretched, err): instead of what was there; nothing where STRETCHED is "". */
CK_RV sr_stretched_put(struct sr_vault *vault, struct sr_tx *tx, const char *name, const struct sr_stretched *stretched,
	struct sr_error *err);

/** sr_stretched_drop(vault, tx, name, err): who is removed has none. */
CK_RV sr_stretched_drop(struct sr_vault *vault, struct sr_tx *tx, const char *name, struct sr_error *err);

/** sr_stretched_known(vault, at, name, known, err): whether one is there, under the newest generation of the seal key.
 */
CK_RV sr_stretched_known(
	struct sr_vault *vault, const struct sr_moment *at, const char *name, bool *known, struct sr_error *err);

/** sr_stretched_open(vault, tx, row, bytes, found, err): BYTES, of the passphrase whose hash is ROW's, are the caller's
 * to cleanse. FOUND false where there is none, or it does not open, being another passphrase's or changed. */
CK_RV sr_stretched_open(struct sr_vault *vault, struct sr_tx *tx, const struct sr_member_row *row,
	uint8_t bytes[SR_STRETCHED_LEN], bool *found, struct sr_error *err);

#endif
