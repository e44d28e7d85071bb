/* An application's everyday steps with keys. */
#include "tests/battery/battery.h"

#include <string.h>

static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const CK_BYTE ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };

static const struct {
	CK_MECHANISM_TYPE generate;
	const CK_BYTE *params;
	CK_ULONG params_len;
} kinds[] = {
	[SR_RSA] = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 },
	[SR_P256] = { CKM_EC_KEY_PAIR_GEN, p256, sizeof p256 },
	[SR_ED25519] = { CKM_EC_EDWARDS_KEY_PAIR_GEN, ed25519, sizeof ed25519 },
	[SR_AES] = { CKM_AES_KEY_GEN, NULL, 0 },
	[SR_HMAC] = { CKM_GENERIC_SECRET_KEY_GEN, NULL, 0 },
};

CK_RV sr_pair(CK_SESSION_HANDLE session, enum sr_kind kind, const char *path, CK_OBJECT_HANDLE *public,
	CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM mechanism = { kinds[kind].generate, NULL, 0 };
	CK_ULONG bits = 2048;
	CK_BBOOL *token = path ? &sr_yes : &sr_no;
	CK_ATTRIBUTE label = { CKA_LABEL, (void *)path, path ? strlen(path) : 0 };
	CK_ATTRIBUTE public_template[] = { { CKA_TOKEN, token, 1 },
		kinds[kind].params ? (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)kinds[kind].params, kinds[kind].params_len }
				   : (CK_ATTRIBUTE)SR_ATTR(CKA_MODULUS_BITS, bits),
		label };
	CK_ATTRIBUTE private_template[] = { { CKA_TOKEN, token, 1 }, label };
	return p11->C_GenerateKeyPair(session, &mechanism, public_template, 2 + (path != NULL), private_template,
		1 + (path != NULL), public, private);
}

CK_RV sr_secret_key(CK_SESSION_HANDLE session, enum sr_kind kind, const char *path, CK_OBJECT_HANDLE *key)
{
	CK_MECHANISM mechanism = { kinds[kind].generate, NULL, 0 };
	CK_ULONG len = 32;
	CK_ATTRIBUTE template[] = { { CKA_TOKEN, path ? &sr_yes : &sr_no, 1 }, SR_ATTR(CKA_VALUE_LEN, len),
		{ CKA_LABEL, (void *)path, path ? strlen(path) : 0 } };
	return p11->C_GenerateKey(session, &mechanism, template, 2 + (path != NULL), key);
}

CK_RV sr_import_aes(CK_SESSION_HANDLE session, const void *value, CK_ULONG len, const CK_ATTRIBUTE *extra,
	CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE template[16] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_KEY_TYPE, type), SR_ATTR(CKA_TOKEN, sr_no),
		{ CKA_VALUE, (void *)value, len } };
	ck_assert_uint_le(count, 12);
	if (count)
		memcpy(template + 4, extra, count * sizeof *extra);
	return p11->C_CreateObject(session, template, 4 + count, key);
}

CK_OBJECT_HANDLE sr_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *path)
{
	CK_OBJECT_HANDLE found = 0;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_STRING(CKA_LABEL, path) };
	ck_assert_uint_le(sr_find_all(session, template, 2, &found, 1), 1);
	return found;
}

CK_BBOOL sr_flag(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL flag = 2;
	CK_ULONG len = sizeof flag;
	ck_assert_rv(sr_get(session, object, type, &flag, &len), CKR_OK);
	ck_assert_uint_eq(len, sizeof flag);
	return flag;
}

CK_ULONG sr_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG number = 0, len = sizeof number;
	ck_assert_rv(sr_get(session, object, type, &number, &len), CKR_OK);
	ck_assert_uint_eq(len, sizeof number);
	return number;
}

CK_RV sr_sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, const void *data, CK_ULONG len,
	CK_BYTE *signature, CK_ULONG *signature_len)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_RV rv = p11->C_SignInit(session, &mechanism, key);
	return rv == CKR_OK ? p11->C_Sign(session, (CK_BYTE *)data, len, signature, signature_len) : rv;
}

CK_RV sr_verify(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, const void *data, CK_ULONG len,
	const CK_BYTE *signature, CK_ULONG signature_len)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_RV rv = p11->C_VerifyInit(session, &mechanism, key);
	return rv == CKR_OK ? p11->C_Verify(session, (CK_BYTE *)data, len, (CK_BYTE *)signature, signature_len) : rv;
}
