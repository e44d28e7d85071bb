/* Message-based operations over the fake vault: PKCS#11 v3.1, 5.9, 5.11, 5.14, 5.16. */
#include "tests/unit/suites.h"

#include "tests/unit/operations_fixture.h"

#define FREE_IV 12
#define TEXT_LEN 20

static CK_BYTE text[] = "twenty bytes of text";
static CK_BYTE about[] = "associated";
static CK_BYTE big[TOO_LONG];

/** struct gcm: a message's parameter with what it points to. */
struct gcm {
	CK_GCM_MESSAGE_PARAMS params;
	CK_BYTE iv[FREE_IV];
	CK_BYTE tag[16];
};

static void set_gcm(struct gcm *gcm, CK_GENERATOR_FUNCTION generator, CK_ULONG fixed_bits)
{
	*gcm = (struct gcm){ .iv = { 1, 2, 3, 4 } };
	gcm->params = (CK_GCM_MESSAGE_PARAMS){ gcm->iv, FREE_IV, fixed_bits, generator, gcm->tag, 128 };
}

static CK_MECHANISM gcm_mechanism = { CKM_AES_GCM, NULL, 0 };

static void begin_encrypt(void)
{
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &gcm_mechanism, keys.aes), CKR_OK);
}

static void begin_decrypt(void)
{
	ck_rv(CALL(C_MessageDecryptInit, fix.rw, &gcm_mechanism, keys.aes), CKR_OK);
}

static CK_RV encrypt(struct gcm *gcm, CK_BYTE *out, CK_ULONG *len)
{
	return CALL(C_EncryptMessage, fix.rw, &gcm->params, sizeof gcm->params, about, sizeof about, text, TEXT_LEN,
		out, len);
}

static CK_RV decrypt(struct gcm *gcm, CK_BYTE *in, CK_BYTE *out, CK_ULONG *len)
{
	return CALL(C_DecryptMessage, fix.rw, &gcm->params, sizeof gcm->params, about, sizeof about, in, TEXT_LEN, out,
		len);
}

static CK_RV encrypt_next(struct gcm *gcm, const void *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *len, CK_FLAGS flags)
{
	return CALL(C_EncryptMessageNext, fix.rw, &gcm->params, sizeof gcm->params, (CK_BYTE_PTR)(uintptr_t)in, in_len,
		out, len, flags);
}

static CK_RV decrypt_next(struct gcm *gcm, const void *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *len, CK_FLAGS flags)
{
	return CALL(C_DecryptMessageNext, fix.rw, &gcm->params, sizeof gcm->params, (CK_BYTE_PTR)(uintptr_t)in, in_len,
		out, len, flags);
}

static CK_RV encrypt_begin(struct gcm *gcm)
{
	return CALL(C_EncryptMessageBegin, fix.rw, &gcm->params, sizeof gcm->params, about, sizeof about);
}

static CK_RV decrypt_begin(struct gcm *gcm)
{
	return CALL(C_DecryptMessageBegin, fix.rw, &gcm->params, sizeof gcm->params, about, sizeof about);
}

/* -- encryption and decryption ------------------------------------------------------------------------------------ */

START_TEST(gcm_there_and_back)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN], back[TEXT_LEN];
	CK_ULONG len = 0;
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	begin_encrypt();
	ck_rv(fix.vault->uses_open, 0);
	ck_rv(encrypt(&gcm, NULL, &len), CKR_OK);
	ck_rv(len, TEXT_LEN);
	len = TEXT_LEN - 1;
	ck_rv(encrypt(&gcm, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, TEXT_LEN);
	ck_rv(fix.vault->uses, 0);
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
	ck_rv(len, TEXT_LEN);
	ck_rv(fix.vault->uses, 1);
	ck_rv(CALL(C_MessageEncryptFinal, fix.rw), CKR_OK);
	ck_rv(encrypt(&gcm, out, &len), NOT_INITIALIZED);
	begin_decrypt();
	len = TEXT_LEN - 1;
	ck_rv(decrypt(&gcm, out, back, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(decrypt(&gcm, out, back, &len), CKR_OK);
	ck_rv(len, TEXT_LEN);
	ck_assert_int_eq(memcmp(back, text, TEXT_LEN), 0);
	ck_rv(fix.vault->uses, 2);
	ck_rv(decrypt(&gcm, out, out, &len), CKR_OK); /* in place; and another message of the same process */
	ck_assert_int_eq(memcmp(out, text, TEXT_LEN), 0);
	ck_rv(CALL(C_MessageDecryptFinal, fix.rw), CKR_OK);
	ck_rv(CALL(C_MessageDecryptFinal, fix.rw), NOT_INITIALIZED);
}
END_TEST

START_TEST(a_tag_that_does_not_fit)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN], back[TEXT_LEN] = { 0 };
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	begin_encrypt();
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
	begin_decrypt();
	gcm.tag[15] ^= 1;
	ck_rv(decrypt(&gcm, out, back, &len), CKR_AEAD_DECRYPT_FAILED);
	ck_rv(back[0], 0);
	gcm.tag[15] ^= 1;
	gcm.iv[0] ^= 1;
	ck_rv(decrypt(&gcm, out, back, &len), CKR_AEAD_DECRYPT_FAILED);
	gcm.iv[0] ^= 1;
	ck_rv(decrypt_begin(&gcm), CKR_OK);
	gcm.tag[0] ^= 1;
	ck_rv(decrypt_next(&gcm, out, TEXT_LEN, back, &len, CKF_END_OF_MESSAGE), CKR_AEAD_DECRYPT_FAILED);
	ck_rv(back[0], 0);
	ck_rv(decrypt_next(&gcm, out, TEXT_LEN, back, &len, CKF_END_OF_MESSAGE), NOT_INITIALIZED);
	gcm.tag[0] ^= 1;
	ck_rv(decrypt(&gcm, out, back, &len), CKR_OK); /* the process goes on */
}
END_TEST

START_TEST(gcm_in_parts)
{
	struct gcm gcm;
	CK_BYTE whole[TEXT_LEN], out[TEXT_LEN] = { 0 }, back[TEXT_LEN] = { 0 };
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	begin_encrypt();
	ck_rv(encrypt(&gcm, whole, &len), CKR_OK);
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), NOT_INITIALIZED);
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(encrypt_begin(&gcm), CKR_OPERATION_ACTIVE);
	ck_rv(encrypt(&gcm, out, &len), CKR_OPERATION_ACTIVE);
	ck_rv(CALL(C_MessageEncryptFinal, fix.rw), CKR_OPERATION_ACTIVE);
	ck_rv(encrypt_next(&gcm, text, 7, NULL, &len, 0), CKR_OK); /* a query: nothing was taken */
	ck_rv(len, 0);
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), CKR_OK);
	ck_rv(len, 0);
	ck_rv(encrypt_next(&gcm, text + 7, 13, NULL, &len, CKF_END_OF_MESSAGE), CKR_OK);
	ck_rv(len, TEXT_LEN);
	len = TEXT_LEN - 1;
	ck_rv(encrypt_next(&gcm, text + 7, 13, out, &len, CKF_END_OF_MESSAGE), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, TEXT_LEN);
	memset(gcm.tag, 0, sizeof gcm.tag);
	ck_rv(encrypt_next(&gcm, text + 7, 13, out, &len, CKF_END_OF_MESSAGE), CKR_OK);
	ck_assert_int_eq(memcmp(out, whole, TEXT_LEN), 0);
	ck_rv(fix.vault->uses, 2);
	ck_rv(CALL(C_MessageEncryptFinal, fix.rw), CKR_OK);
	begin_decrypt();
	ck_rv(decrypt_begin(&gcm), CKR_OK);
	ck_rv(decrypt_next(&gcm, out, 19, back, &len, 0), CKR_OK);
	ck_rv(len, 0);
	ck_rv(back[0], 0); /* not before the tag was verified */
	len = TEXT_LEN;
	ck_rv(decrypt_next(&gcm, out + 19, 1, back, &len, CKF_END_OF_MESSAGE), CKR_OK);
	ck_rv(len, TEXT_LEN);
	ck_assert_int_eq(memcmp(back, text, TEXT_LEN), 0);
}
END_TEST

START_TEST(generated_ivs)
{
	static const CK_GENERATOR_FUNCTION generators[] = { CKG_GENERATE, CKG_GENERATE_RANDOM };
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	begin_encrypt();
	for (size_t i = 0; i < COUNT(generators); i++) {
		set_gcm(&gcm, generators[i], 12);
		ck_rv(encrypt(&gcm, out, &len), CKR_OK);
		ck_rv(gcm.iv[0], 1);
		ck_rv(gcm.iv[1], 0x0a); /* four bits of 0x02, four of the fake's 0x5a */
		ck_rv(gcm.iv[2], 0x5a);
		ck_rv(gcm.iv[11], 0x5a);
		set_gcm(&gcm, generators[i], 33);
		ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID); /* 63 bits */
		set_gcm(&gcm, generators[i], 97);
		ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	}
	set_gcm(&gcm, CKG_GENERATE, 0);
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(gcm.iv[0], 0x5a);
	set_gcm(&gcm, 77, 0);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, NULL, 0), CKR_OK);
	begin_encrypt();
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

static void ck_iv(const struct gcm *gcm, CK_BYTE fourth, CK_BYTE last)
{
	ck_rv(gcm->iv[0], 1);
	ck_rv(gcm->iv[3], fourth);
	ck_rv(gcm->iv[11], last);
}

START_TEST(counted_ivs)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_GENERATE_COUNTER, 24);
	begin_encrypt();
	for (CK_BYTE i = 0; i < 3; i++) {
		ck_rv(encrypt(&gcm, NULL, &len), CKR_OK); /* a query counts nothing */
		ck_rv(encrypt(&gcm, out, &len), CKR_OK);
		ck_iv(&gcm, 0, i);
	}
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_iv(&gcm, 0, 3);
	ck_rv(encrypt_next(&gcm, text, 1, out, &len, CKF_END_OF_MESSAGE), CKR_OK);
	len = TEXT_LEN;
	gcm.params.ulIvFixedBits = 16; /* could give an IV a second time */
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	gcm.params.ulIvFixedBits = 24;
	gcm.params.ivGenerator = CKG_GENERATE_COUNTER_XOR;
	gcm.iv[11] = 0; /* over the same value */
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	gcm.params.ivGenerator = CKG_GENERATE_COUNTER;
	gcm.iv[0] = 9;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	gcm.iv[0] = 1;
	len = TEXT_LEN;
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
	ck_iv(&gcm, 0, 4);
	ck_rv(CALL(C_MessageEncryptFinal, fix.rw), CKR_OK);
	begin_encrypt();
	set_gcm(&gcm, CKG_GENERATE_COUNTER, 65); /* 31 bits */
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(counted_ivs_by_xor)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_GENERATE_COUNTER_XOR, 0);
	gcm.iv[11] = 0xf0;
	begin_encrypt();
	for (CK_BYTE i = 0; i < 3; i++) {
		gcm.iv[11] = 0xf0;
		ck_rv(encrypt(&gcm, out, &len), CKR_OK);
		ck_iv(&gcm, 4, 0xf0 ^ i);
	}
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID); /* it has to be put back by the application */
	gcm.iv[11] = 0xf0;
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
	ck_iv(&gcm, 4, 0xf3);
}
END_TEST

START_TEST(bad_parameters)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	CK_MECHANISM odd = { CKM_AES_GCM, out, 3 }, cbc = { CKM_AES_CBC, gcm.iv, 16 };
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &odd, keys.aes), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &cbc, keys.aes), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, NULL, keys.aes), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_MessageDecryptInit, fix.rw, NULL, keys.aes), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &gcm_mechanism, keys.mac), CKR_KEY_TYPE_INCONSISTENT);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &gcm_mechanism, NO_KEY), CKR_KEY_HANDLE_INVALID);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &gcm_mechanism, keys.aes_no_rights), CKR_KEY_FUNCTION_NOT_PERMITTED);
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	odd = (CK_MECHANISM){ CKM_AES_GCM, &gcm.params, sizeof gcm.params }; /* as in the example of 5.9.5 */
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &odd, keys.aes), CKR_OK);
	ck_rv(CALL(C_MessageEncryptInit, fix.rw, &odd, keys.aes), CKR_OPERATION_ACTIVE);
	ck_rv(CALL(C_EncryptMessage, fix.rw, NULL, 0, NULL, 0, text, 1, out, &len), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_EncryptMessage, fix.rw, &gcm.params, 8, NULL, 0, text, 1, out, &len), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_EncryptMessage, fix.rw, &gcm.params, sizeof gcm.params, NULL, 1, text, 1, out, &len),
		CKR_MECHANISM_PARAM_INVALID);
	len = TEXT_LEN;
	gcm.params.ulTagBits = 129;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(encrypt_begin(&gcm), CKR_MECHANISM_PARAM_INVALID);
	gcm.params.ulTagBits = 0;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	gcm.params.pTag = NULL;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	gcm.params.pIv = NULL;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	gcm.params.ulIvLen = 257;
	ck_rv(encrypt(&gcm, out, &len), CKR_MECHANISM_PARAM_INVALID);
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	gcm.params.ulTagBits = 96;
	ck_rv(encrypt_next(&gcm, text, 1, out, &len, CKF_END_OF_MESSAGE), CKR_MECHANISM_PARAM_INVALID);
	gcm.params.ulTagBits = 128;
	len = TEXT_LEN;
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
}
END_TEST

START_TEST(arguments_and_limits)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	begin_encrypt();
	begin_decrypt();
	ck_rv(encrypt(&gcm, out, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_EncryptMessage, fix.rw, &gcm.params, sizeof gcm.params, NULL, 0, NULL, 1, out, &len),
		CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_EncryptMessage, fix.rw, &gcm.params, sizeof gcm.params, NULL, 0, big, sizeof big, NULL, &len),
		CKR_DATA_LEN_RANGE);
	ck_rv(CALL(C_DecryptMessage, fix.rw, &gcm.params, sizeof gcm.params, NULL, 0, big, sizeof big, NULL, &len),
		CKR_ENCRYPTED_DATA_LEN_RANGE);
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(encrypt_next(&gcm, text, 1, out, &len, 2), CKR_ARGUMENTS_BAD);
	ck_rv(encrypt_next(&gcm, text, 1, out, &len, 0), NOT_INITIALIZED);
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(encrypt_next(&gcm, big, sizeof big - 1, out, &len, 0), CKR_OK);
	ck_rv(encrypt_next(&gcm, big, 1, out, &len, 0), CKR_DATA_LEN_RANGE);
	ck_rv(encrypt_next(&gcm, text, 1, out, &len, 0), NOT_INITIALIZED);
	ck_rv(decrypt_begin(&gcm), CKR_OK);
	ck_rv(decrypt_next(&gcm, big, sizeof big - 1, out, &len, 0), CKR_OK);
	ck_rv(decrypt_next(&gcm, big, 1, out, &len, 0), CKR_ENCRYPTED_DATA_LEN_RANGE);
	ck_rv(decrypt_next(&gcm, text, 1, out, &len, 0), NOT_INITIALIZED);
	fix.vault->use_rv = CKR_DEVICE_ERROR;
	len = TEXT_LEN;
	ck_rv(encrypt(&gcm, out, &len), CKR_DEVICE_ERROR);
	fix.vault->begin_rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
	ck_rv(encrypt(&gcm, out, &len), CKR_FUNCTION_FAILED);
	ck_rv(reason_of(fix.rw), SR_REASON_OUT_OF_SCOPE);
	ck_rv(encrypt(&gcm, out, &len), CKR_OK);
}
END_TEST

START_TEST(the_login_ends)
{
	struct gcm gcm;
	CK_BYTE out[TEXT_LEN];
	CK_ULONG len = TEXT_LEN;
	set_gcm(&gcm, CKG_NO_GENERATE, 0);
	begin_encrypt();
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), CKR_OK);
	begin_decrypt();
	ck_rv(CALL(C_SessionCancel, fix.rw, CKF_MESSAGE_DECRYPT), CKR_OK);
	ck_rv(decrypt(&gcm, out, out, &len), NOT_INITIALIZED);
	begin_decrypt();
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), CKR_USER_NOT_LOGGED_IN);
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), NOT_INITIALIZED);
	ck_rv(CALL(C_MessageEncryptFinal, fix.rw), NOT_INITIALIZED);
	ck_rv(CALL(C_MessageDecryptFinal, fix.rw), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_MessageDecryptFinal, fix.rw), NOT_INITIALIZED);
	log_in(fix.ro);
	keys.aes = find_label(fix.rw, "k/aes");
	begin_encrypt();
	ck_rv(encrypt_begin(&gcm), CKR_OK);
	ck_rv(CALL(C_Logout, fix.ro), CKR_OK);
	ck_rv(encrypt_next(&gcm, text, 7, out, &len, 0), NOT_INITIALIZED);
}
END_TEST

/* -- signing and verifying ---------------------------------------------------------------------------------------- */

static CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
static CK_MECHANISM rsa = { CKM_RSA_PKCS, NULL, 0 };

static CK_RV sign(CK_BYTE *out, CK_ULONG *len)
{
	return CALL(C_SignMessage, fix.rw, NULL, 0, text, TEXT_LEN, out, len);
}

static CK_RV sign_next(CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *len)
{
	return CALL(C_SignMessageNext, fix.rw, NULL, 0, in, in_len, out, len);
}

static CK_RV verify_next(CK_BYTE *in, CK_ULONG in_len, CK_BYTE *signature, CK_ULONG len)
{
	return CALL(C_VerifyMessageNext, fix.rw, NULL, 0, in, in_len, signature, len);
}

START_TEST(messages_signed)
{
	CK_BYTE mac[32], again[32];
	CK_ULONG len = 0;
	ck_rv(sign(mac, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(sign(NULL, &len), CKR_OK);
	ck_rv(len, 32);
	len = 31;
	ck_rv(sign(mac, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(fix.vault->uses, 0);
	ck_rv(sign(mac, &len), CKR_OK);
	ck_rv(fix.vault->uses, 1);
	ck_rv(fix.vault->uses_open, 0);
	ck_rv(sign_next(text, 1, again, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_SignMessageBegin, fix.rw, NULL, 0), CKR_OK);
	ck_rv(CALL(C_SignMessageBegin, fix.rw, NULL, 0), CKR_OPERATION_ACTIVE);
	ck_rv(sign(again, &len), CKR_OPERATION_ACTIVE);
	ck_rv(CALL(C_MessageSignFinal, fix.rw), CKR_OPERATION_ACTIVE);
	ck_rv(sign_next(text, 7, NULL, NULL), CKR_OK);
	ck_rv(sign_next(text + 7, 13, NULL, &len), CKR_OK);
	len = 31;
	ck_rv(sign_next(text + 7, 13, again, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(sign_next(text + 7, 13, again, &len), CKR_OK); /* and was fed once */
	ck_assert_int_eq(memcmp(mac, again, 32), 0);
	ck_rv(sign_next(text, 1, again, &len), NOT_INITIALIZED);
	ck_rv(fix.vault->uses, 2);
	ck_rv(CALL(C_MessageSignFinal, fix.rw), CKR_OK);
	ck_rv(CALL(C_MessageVerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, TEXT_LEN, mac, 32), CKR_OK);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, 19, mac, 32), CKR_SIGNATURE_INVALID);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, TEXT_LEN, mac, 31), CKR_SIGNATURE_LEN_RANGE);
	ck_rv(CALL(C_VerifyMessageBegin, fix.rw, NULL, 0), CKR_OK);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, TEXT_LEN, mac, 32), CKR_OPERATION_ACTIVE);
	ck_rv(verify_next(text, 7, NULL, 0), CKR_OK);
	ck_rv(verify_next(text + 7, 13, mac, 32), CKR_OK);
	ck_rv(verify_next(text, 1, NULL, 0), NOT_INITIALIZED);
	ck_rv(CALL(C_VerifyMessageBegin, fix.rw, NULL, 0), CKR_OK);
	ck_rv(verify_next(text, TEXT_LEN, mac, 31), CKR_SIGNATURE_LEN_RANGE);
	ck_rv(CALL(C_MessageVerifyFinal, fix.rw), CKR_OK);
	ck_rv(fix.vault->uses_open, 0);
}
END_TEST

START_TEST(messages_not_signed)
{
	CK_BYTE mac[64];
	CK_ULONG len = sizeof mac;
	CK_MECHANISM unknown = { 0x7fff1234, NULL, 0 };
	ck_rv(CALL(C_MessageSignInit, fix.rw, NULL, keys.mac), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &unknown, keys.mac), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &hmac, keys.mac_no_rights), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &hmac, keys.aes), CKR_KEY_TYPE_INCONSISTENT);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_SignMessage, fix.rw, mac, 1, text, TEXT_LEN, mac, &len), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_SignMessage, fix.rw, NULL, 0, NULL, 1, mac, &len), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_SignMessage, fix.rw, NULL, 0, big, sizeof big, mac, &len), CKR_DATA_LEN_RANGE);
	ck_rv(sign(mac, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_SignMessageBegin, fix.rw, mac, 1), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_SignMessageBegin, fix.rw, NULL, 0), CKR_OK);
	fix.vault->use_rv = CKR_DEVICE_ERROR;
	ck_rv(sign_next(text, 7, NULL, NULL), CKR_DEVICE_ERROR);
	ck_rv(sign_next(text, 7, NULL, NULL), NOT_INITIALIZED); /* that message; */
	ck_rv(sign(mac, &len), CKR_OK);                         /* the process goes on */
	ck_rv(CALL(C_MessageSignInit, fix.rw, NULL, 0), CKR_OK);
	ck_rv(sign(mac, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_MessageSignInit, fix.rw, &ecdsa, keys.ec), CKR_OK);
	ck_rv(CALL(C_SignMessageBegin, fix.rw, NULL, 0), CKR_FUNCTION_FAILED);
	len = sizeof mac;
	ck_rv(sign(mac, &len), CKR_OK);
	ck_rv(CALL(C_MessageVerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, TEXT_LEN, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_VerifyMessage, fix.rw, NULL, 0, text, TEXT_LEN, big, sizeof big), CKR_SIGNATURE_LEN_RANGE);
	ck_rv(CALL(C_SessionCancel, fix.rw, CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY), CKR_OK);
	ck_rv(CALL(C_MessageSignFinal, fix.rw), NOT_INITIALIZED);
	ck_rv(CALL(C_MessageVerifyFinal, fix.rw), NOT_INITIALIZED);
}
END_TEST

/* Each message is a use. */
START_TEST(messages_of_a_key_that_asks)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	ck_rv(CALL(C_MessageSignInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(sign(NULL, &len), CKR_OK);
	ck_rv(sign(out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_Login, fix.rw, CKU_CONTEXT_SPECIFIC, GOOD, 4), CKR_OK);
	ck_rv(sign(out, &len), CKR_OK);
	ck_rv(sign(out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_Login, fix.rw, CKU_CONTEXT_SPECIFIC, GOOD, 4), CKR_OK);
	ck_rv(sign(out, &len), CKR_OK);
	ck_rv(fix.vault->uses, 2);
}
END_TEST

Suite *sr_suite_messages(void)
{
	Suite *suite = suite_create("messages");
	TCase *messages = tcase_create("messages");
	tcase_add_checked_fixture(messages, operations_open, operations_close);
	tcase_set_timeout(messages, 60);
	tcase_add_test(messages, gcm_there_and_back);
	tcase_add_test(messages, a_tag_that_does_not_fit);
	tcase_add_test(messages, gcm_in_parts);
	tcase_add_test(messages, generated_ivs);
	tcase_add_test(messages, counted_ivs);
	tcase_add_test(messages, counted_ivs_by_xor);
	tcase_add_test(messages, bad_parameters);
	tcase_add_test(messages, arguments_and_limits);
	tcase_add_test(messages, the_login_ends);
	tcase_add_test(messages, messages_signed);
	tcase_add_test(messages, messages_not_signed);
	tcase_add_test(messages, messages_of_a_key_that_asks);
	suite_add_tcase(suite, messages);
	return suite;
}
