/* Random numbers, from the HSM: PKCS#11 v3.1, 5.19. Neither call needs a login. */
#include "pkcs11/call.h"

#include "util/buf.h"

#define CHUNK (16u << 10) /* what an HSM takes at once */

static CK_RV check(struct sr_call *call, const CK_BYTE *data, CK_ULONG len)
{
	if (!data && len)
		return sr_fail(
			&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the buffer is NULL and its length is not 0");
	if (len > SR_CALL_DATA_MAX)
		return sr_fail(&call->err, CKR_DATA_LEN_RANGE, SR_REASON_TOO_LARGE,
			"a call takes %u bytes at most: ask in parts", SR_CALL_DATA_MAX);
	return CKR_OK;
}

CK_RV sr_C_SeedRandom(struct sr_call *call, CK_BYTE_PTR seed, CK_ULONG seed_len)
{
	CK_RV rv = check(call, seed, seed_len);
	for (CK_ULONG at = 0; rv == CKR_OK && at < seed_len; at += CHUNK) {
		CK_ULONG len = seed_len - at < CHUNK ? seed_len - at : CHUNK;
		rv = sr_vault_seed(call->client->vault, seed + at, len, &call->err);
	}
	return rv;
}

CK_RV sr_C_GenerateRandom(struct sr_call *call, CK_BYTE_PTR output, CK_ULONG output_len)
{
	CK_RV rv = check(call, output, output_len);
	for (CK_ULONG at = 0; rv == CKR_OK && at < output_len; at += CHUNK) {
		CK_ULONG len = output_len - at < CHUNK ? output_len - at : CHUNK;
		rv = sr_vault_random(call->client->vault, output + at, len, &call->err);
	}
	if (rv != CKR_OK && output && output_len <= SR_CALL_DATA_MAX)
		sr_cleanse(output, output_len); /* nobody may take half of it for the whole */
	return rv;
}
