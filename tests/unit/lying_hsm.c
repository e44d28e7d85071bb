/* The module of an HSM, but that one of its answers has a wrong bit. */
#include "tests/unit/lying_hsm.h"

#include "hsm/internal.h"

static CK_FUNCTION_LIST *honest, lying;
static enum lie lie;
static unsigned wrong_at, answers;

static CK_RV answer(enum lie about, CK_RV rv, CK_BYTE *out, const CK_ULONG *len)
{
	if (rv == CKR_OK && out && about == lie && ++answers == wrong_at)
		out[*len / 2] ^= 0x10;
	return rv;
}

static CK_RV lying_sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(LIE_SIGN, honest->C_Sign(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(LIE_ENCRYPT, honest->C_Encrypt(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(LIE_DECRYPT, honest->C_Decrypt(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_wrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE key,
	CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(LIE_WRAP, honest->C_WrapKey(session, mechanism, by, key, out, out_len), out, out_len);
}

void lying_hsm_begin(struct sr_hsm *hsm)
{
	honest = hsm->backend.module;
	lying = *honest;
	lying.C_Sign = lying_sign;
	lying.C_Encrypt = lying_encrypt;
	lying.C_Decrypt = lying_decrypt;
	lying.C_WrapKey = lying_wrap;
	hsm->backend.module = &lying;
	lie_at(LIE_SIGN, 0);
}

void lying_hsm_end(struct sr_hsm *hsm)
{
	hsm->backend.module = honest;
}

void lie_at(enum lie about, unsigned at)
{
	lie = about;
	wrong_at = at;
	answers = 0;
}

unsigned answers_since(void)
{
	return answers;
}
