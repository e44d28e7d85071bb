/* Token strings, their hashes, and ids. */
#include "vault/token.h"

#include "hsm/generations.h"
#include "util/pack.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

bool sr_token_looks_like(const void *pin, size_t len)
{
	return len == SR_TOKEN_STRING_LEN && memcmp(pin, SR_TOKEN_PREFIX, strlen(SR_TOKEN_PREFIX)) == 0;
}

CK_RV sr_token_hash(struct sr_vault *vault, unsigned generation, const void *string, size_t len,
	uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, "strongroom/token-string/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_bytes(&packed, string, len);
	CK_RV rv = packed.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login")
				 : sr_hsm_mac_to_keep(vault->hsm, generation, packed.data, packed.len, hash, err);
	sr_buf_clear(&packed);
	return rv;
}

CK_RV sr_random_text(struct sr_vault *vault, size_t bytes, char *out, struct sr_error *err)
{
	uint8_t random[16];
	CK_RV rv = sr_hsm_random(vault->hsm, random, bytes, err);
	if (rv == CKR_OK)
		sr_text_base32(random, bytes, out);
	sr_cleanse(random, sizeof(random));
	return rv;
}

CK_RV sr_token_draw(struct sr_vault *vault, struct sr_token_row *row, struct sr_buf *string, struct sr_error *err)
{
	char *at = (char *)sr_buf_reserve(string, SR_TOKEN_STRING_LEN + 1);
	if (!at)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to issue a token");
	memcpy(at, SR_TOKEN_PREFIX, strlen(SR_TOKEN_PREFIX));
	CK_RV rv = sr_random_text(vault, 16, at + strlen(SR_TOKEN_PREFIX), err);
	string->len = SR_TOKEN_STRING_LEN;
	memcpy(row->id, "t-", 2);
	if (rv == CKR_OK)
		rv = sr_random_text(vault, 10, row->id + 2, err);
	row->hash_generation = sr_hsm_generation(vault->hsm);
	if (rv == CKR_OK)
		rv = sr_token_hash(vault, row->hash_generation, string->data, string->len, row->hash, err);
	return rv;
}

bool sr_token_reaches_by(struct sr_scope *scope)
{
	const struct sr_scopes alone = { 1, scope };
	return sr_scopes_reach(&alone, scope->glob);
}

void sr_token_reach_prefix(const char *glob, char prefix[SR_PATH_MAX + 1])
{
	snprintf(prefix, SR_PATH_MAX + 1, "%.*s", (int)sr_glob_literal_prefix(glob), glob);
}

void sr_order_clear(struct sr_order *order)
{
	sr_token_row_clear(&order->row);
	sr_scopes_clear(&order->scopes);
	sr_allowed_clear(&order->allowed);
}
