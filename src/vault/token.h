/* Token strings and the issuing of tokens. Private to this folder. */
#ifndef SR_VAULT_TOKEN_H
#define SR_VAULT_TOKEN_H

#include "vault/core.h"

#define SR_TOKEN_PREFIX "srt_"
#define SR_TOKEN_STRING_LEN 30 /* the prefix and 26 base32 characters: 128 random bits */

/** sr_token_looks_like(pin, len): whether a PIN is meant as a token string. */
bool sr_token_looks_like(const void *pin, size_t len);

/** sr_token_hash(vault, string, len, hash, err): the keyed hash that is stored and looked up. */
CK_RV sr_token_hash(
	struct sr_vault *vault, const void *string, size_t len, uint8_t hash[SR_HASH_LEN], struct sr_error *err);

/** sr_random_text(vault, bytes, out, err): BYTES (16 at most) from the HSM in base32: (bytes*8+4)/5 characters. */
CK_RV sr_random_text(struct sr_vault *vault, size_t bytes, char *out, struct sr_error *err);

extern const struct sr_class sr_token_class;

#endif
