/* Implicit rejection for CKM_RSA_PKCS (docs/keys.md): a ciphertext whose padding is wrong has a plain text too. Who
 * asks learns nothing that he could not have made up, so there is no oracle for Bleichenbacher's attack. */
#include "vault/key.h"

#include "util/crypto.h"
#include "util/pack.h"

#include <string.h>

#define PADDING_MIN 11

static bool expand(const uint8_t seed[SR_HSM_MAC_LEN], uint8_t which, uint8_t *out, size_t len)
{
	uint8_t block[SR_SHA256_LEN], head[SR_HSM_MAC_LEN + 1];
	bool done = true;
	memcpy(head, seed, SR_HSM_MAC_LEN);
	head[SR_HSM_MAC_LEN] = which;
	for (size_t at = 0; done && at < len; at += sizeof(block)) {
		uint8_t counter[2] = { (uint8_t)(at >> 8), (uint8_t)at };
		done = sr_sha256_2(head, sizeof(head), counter, sizeof(counter), block);
		memcpy(out + at, block, len - at < sizeof(block) ? len - at : sizeof(block));
	}
	sr_cleanse(block, sizeof(block));
	sr_cleanse(head, sizeof(head));
	return done;
}

CK_RV sr_reject_plain(
	struct sr_vault *vault, const char *uid, const void *in, size_t len, struct sr_buf *out, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	uint8_t seed[SR_HSM_MAC_LEN], number[8];
	uint64_t wide = 0;
	sr_pack_text(&packed, "strongroom/rsa-implicit-rejection/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_text(&packed, uid);
	sr_pack_bytes(&packed, in, len);
	CK_RV rv = packed.failed ? CKR_HOST_MEMORY : sr_hsm_mac(vault->hsm, packed.data, packed.len, seed, err);
	sr_buf_clear(&packed);
	uint8_t *at = rv == CKR_OK && len >= PADDING_MIN ? sr_buf_reserve(out, len) : NULL;
	if (rv != CKR_OK && rv != CKR_HOST_MEMORY)
		return rv;
	if (!at || !expand(seed, 0, number, sizeof(number)) || !expand(seed, 1, at, len))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to decrypt");
	for (size_t i = 0; i < sizeof(number); i++)
		wide = wide << 8 | number[i];
	/* every length that a message can have, each about as likely */
	out->len = (size_t)(wide % (len - PADDING_MIN + 1));
	sr_cleanse(seed, sizeof(seed));
	return CKR_OK;
}

void sr_reject_select(struct sr_buf *real, const struct sr_buf *other, size_t use_real, size_t room)
{
	struct sr_buf chosen = SR_BUF_INIT;
	size_t mask = (size_t)0 - (use_real & 1);
	uint8_t *to = sr_buf_reserve(&chosen, room);
	for (size_t i = 0; to && i < room; i++) {
		uint8_t a = i < real->len ? real->data[i] : 0, b = i < other->len ? other->data[i] : 0;
		to[i] = (uint8_t)((a & mask) | (b & ~mask));
	}
	chosen.len = (real->len & mask) | (other->len & ~mask);
	sr_buf_clear(real);
	*real = chosen;
}
