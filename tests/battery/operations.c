/* The state machine of operations: PKCS#11 v3.1, 5.2 and 5.8 to 5.17, on keys of the session. One operation of a kind
 * in a session; any error but CKR_BUFFER_TOO_SMALL ends it; a length query does not; single- and multi-part do not mix.
 */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE aes, hmac, rsa_public, rsa;
static CK_BYTE text[64] = "sixty-four bytes, which are four blocks of the block cipher AES.", out[512], back[512];
static CK_ULONG len, back_len;
static CK_BYTE iv[16];
static CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof iv }, mac = { CKM_SHA256_HMAC, NULL, 0 },
		    sha256 = { CKM_SHA256, NULL, 0 }, pkcs = { CKM_RSA_PKCS, NULL, 0 };

static void start(void)
{
	sr_start();
	session = sr_as(SR_ADMIN_PIN);
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &aes), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_HMAC, NULL, &hmac), CKR_OK);
	len = sizeof out;
	back_len = sizeof back;
}

static void start_rsa(void)
{
	start();
	ck_assert_rv(sr_pair(session, SR_RSA, NULL, &rsa_public, &rsa), CKR_OK);
}

/* -- each kind, called when there is nothing to call ----------------------------------------------------------------
 */

static CK_RV call_encrypt(void)
{
	return p11->C_Encrypt(session, text, 64, out, &len);
}
static CK_RV call_encrypt_update(void)
{
	return p11->C_EncryptUpdate(session, text, 64, out, &len);
}
static CK_RV call_encrypt_final(void)
{
	return p11->C_EncryptFinal(session, out, &len);
}
static CK_RV call_decrypt(void)
{
	return p11->C_Decrypt(session, text, 64, out, &len);
}
static CK_RV call_decrypt_update(void)
{
	return p11->C_DecryptUpdate(session, text, 64, out, &len);
}
static CK_RV call_decrypt_final(void)
{
	return p11->C_DecryptFinal(session, out, &len);
}
static CK_RV call_sign(void)
{
	return p11->C_Sign(session, text, 64, out, &len);
}
static CK_RV call_sign_update(void)
{
	return p11->C_SignUpdate(session, text, 64);
}
static CK_RV call_sign_final(void)
{
	return p11->C_SignFinal(session, out, &len);
}
static CK_RV call_verify(void)
{
	return p11->C_Verify(session, text, 64, out, 32);
}
static CK_RV call_verify_update(void)
{
	return p11->C_VerifyUpdate(session, text, 64);
}
static CK_RV call_verify_final(void)
{
	return p11->C_VerifyFinal(session, out, 32);
}
static CK_RV call_sign_recover(void)
{
	return p11->C_SignRecover(session, text, 64, out, &len);
}
static CK_RV call_verify_recover(void)
{
	return p11->C_VerifyRecover(session, text, 64, out, &len);
}
static CK_RV call_digest_encrypt(void)
{
	return p11->C_DigestEncryptUpdate(session, text, 64, out, &len);
}
static CK_RV call_decrypt_digest(void)
{
	return p11->C_DecryptDigestUpdate(session, text, 64, out, &len);
}
static CK_RV call_sign_encrypt(void)
{
	return p11->C_SignEncryptUpdate(session, text, 64, out, &len);
}
static CK_RV call_decrypt_verify(void)
{
	return p11->C_DecryptVerifyUpdate(session, text, 64, out, &len);
}
static CK_RV call_encrypt_message(void)
{
	return p11->C_EncryptMessage(session, NULL, 0, NULL, 0, text, 64, out, &len);
}
static CK_RV call_decrypt_message(void)
{
	return p11->C_DecryptMessage(session, NULL, 0, NULL, 0, text, 64, out, &len);
}
static CK_RV call_sign_message(void)
{
	return p11->C_SignMessage(session, NULL, 0, text, 64, out, &len);
}
static CK_RV call_verify_message(void)
{
	return p11->C_VerifyMessage(session, NULL, 0, text, 64, out, 32);
}
static CK_RV call_encrypt_message_final(void)
{
	return p11->C_MessageEncryptFinal(session);
}
static CK_RV call_sign_message_final(void)
{
	return p11->C_MessageSignFinal(session);
}

static CK_RV (*const calls[])(void) = { call_encrypt, call_encrypt_update, call_encrypt_final, call_decrypt,
	call_decrypt_update, call_decrypt_final, call_sign, call_sign_update, call_sign_final, call_verify,
	call_verify_update, call_verify_final, call_sign_recover, call_verify_recover, call_digest_encrypt,
	call_decrypt_digest, call_sign_encrypt, call_decrypt_verify, call_encrypt_message, call_decrypt_message,
	call_sign_message, call_verify_message, call_encrypt_message_final, call_sign_message_final };

START_TEST(nothing_was_begun)
{
	ck_assert_rv(calls[_i](), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* -- the kinds that an Init begins ----------------------------------------------------------------------------------
 */

static CK_RV init_encrypt(void)
{
	return p11->C_EncryptInit(session, &cbc, aes);
}
static CK_RV init_decrypt(void)
{
	return p11->C_DecryptInit(session, &cbc, aes);
}
static CK_RV init_sign(void)
{
	return p11->C_SignInit(session, &mac, hmac);
}
static CK_RV init_verify(void)
{
	return p11->C_VerifyInit(session, &mac, hmac);
}

static CK_RV cancel_encrypt(void)
{
	return p11->C_EncryptInit(session, NULL, 0);
}
static CK_RV cancel_decrypt(void)
{
	return p11->C_DecryptInit(session, NULL, 0);
}
static CK_RV cancel_sign(void)
{
	return p11->C_SignInit(session, NULL, 0);
}
static CK_RV cancel_verify(void)
{
	return p11->C_VerifyInit(session, NULL, 0);
}

static const struct kind {
	CK_RV (*init)(void);
	CK_RV (*cancelled)(void);
	CK_RV (*once)(void);
	CK_RV (*update)(void);
	CK_RV (*final)(void);
	CK_FLAGS cancel;
	bool output; /* of once */
} kinds[] = { { init_encrypt, cancel_encrypt, call_encrypt, call_encrypt_update, call_encrypt_final, CKF_ENCRYPT,
		      true },
	{ init_decrypt, cancel_decrypt, call_decrypt, call_decrypt_update, call_decrypt_final, CKF_DECRYPT, true },
	{ init_sign, cancel_sign, call_sign, call_sign_update, call_sign_final, CKF_SIGN, true },
	{ init_verify, cancel_verify, call_verify, call_verify_update, call_verify_final, CKF_VERIFY, false } };

START_TEST(one_of_a_kind)
{
	const struct kind *kind = &kinds[_i];
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(kind->init(), CKR_OPERATION_ACTIVE);
	for (size_t i = 0; i < SR_COUNT(kinds); i++) {
		if (&kinds[i] != kind)
			ck_assert_rv(kinds[i].init(), CKR_OK); /* the others go on beside it */
	}
}
END_TEST

START_TEST(cancelled_it_is_over)
{
	const struct kind *kind = &kinds[_i];
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(p11->C_SessionCancel(session, kind->cancel), CKR_OK);
	ck_assert_rv(kind->once(), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(kind->init(), CKR_OK);
}
END_TEST

START_TEST(whole_and_in_parts_do_not_mix)
{
	const struct kind *kind = &kinds[_i];
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(kind->update(), CKR_OK);
	CK_RV rv = kind->once();
	ck_assert(rv != CKR_OK && rv != CKR_SIGNATURE_INVALID && rv != CKR_BUFFER_TOO_SMALL);
	ck_assert_rv(kind->final(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(a_length_query_ends_nothing)
{
	const struct kind *kind = &kinds[_i];
	CK_ULONG want;
	if (!kind->output)
		return;
	CK_RV(*once)
	(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR) =
		kind->cancel == CKF_ENCRYPT   ? p11->C_Encrypt
		: kind->cancel == CKF_DECRYPT ? p11->C_Decrypt
					      : p11->C_Sign;
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(once(session, text, 64, NULL, &want), CKR_OK);
	ck_assert_uint_ge(want, 32);
	len = want - 1;
	ck_assert_rv(once(session, text, 64, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_ge(len, 32);
	ck_assert_rv(once(session, text, 64, out, &len), CKR_OK);
	ck_assert_rv(once(session, text, 64, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(an_error_ends_it)
{
	const struct kind *kind = &kinds[_i];
	ck_assert_rv(kind->init(), CKR_OK);
	CK_RV rv = kind->cancel == CKF_ENCRYPT   ? p11->C_Encrypt(session, text, 64, out, NULL)
		   : kind->cancel == CKF_DECRYPT ? p11->C_Decrypt(session, text, 64, out, NULL)
		   : kind->cancel == CKF_SIGN    ? p11->C_Sign(session, text, 64, out, NULL)
						 : p11->C_Verify(session, NULL, 64, out, 32);
	ck_assert_rv(rv, CKR_ARGUMENTS_BAD);
	ck_assert_rv(kind->once(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(a_lapse_ends_it)
{
	const struct kind *kind = &kinds[_i];
	char token[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE handle = sr_token("secrets:read:production/*", "600", NULL, token);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, token), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_AES, NULL, &aes), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_HMAC, NULL, &hmac), CKR_OK);
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(kind->update(), CKR_OK);
	sr_revoke(handle);
	ck_assert_rv(kind->update(), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(kind->final(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(a_logout_ends_it)
{
	const struct kind *kind = &kinds[_i];
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	CK_RV rv = kind->once();
	ck_assert(rv == CKR_OPERATION_NOT_INITIALIZED || rv == CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(kind->once(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* 5.6.6, 5.6.10: the same for a call that does not go on with it. */
START_TEST(after_a_logout_nothing_is_active)
{
	const struct kind *kind = &kinds[_i];
	CK_BYTE state[64];
	CK_ULONG state_len = sizeof state;
	ck_assert_rv(kind->init(), CKR_OK);
	ck_assert_rv(p11->C_GetOperationState(session, state, &state_len), CKR_STATE_UNSAVEABLE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(p11->C_GetOperationState(session, state, &state_len), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(kind->cancelled(), CKR_ARGUMENTS_BAD);
}
END_TEST

/* -- results ------------------------------------------------------------------------------------------------------ */

START_TEST(parts_give_what_the_whole_gives)
{
	CK_BYTE whole[64];
	CK_ULONG whole_len = sizeof whole, at = 0;
	static const CK_ULONG parts[] = { 1, 15, 16, 17, 0, 15 };
	ck_assert_rv(init_encrypt(), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, text, 64, whole, &whole_len), CKR_OK);
	ck_assert_rv(init_encrypt(), CKR_OK);
	back_len = 0;
	for (size_t i = 0; i < SR_COUNT(parts); at += parts[i++]) {
		CK_ULONG room = sizeof back - back_len;
		ck_assert_rv(p11->C_EncryptUpdate(session, text + at, parts[i], back + back_len, &room), CKR_OK);
		back_len += room;
	}
	len = sizeof back - back_len;
	ck_assert_rv(p11->C_EncryptFinal(session, back + back_len, &len), CKR_OK);
	ck_assert_uint_eq(back_len + len, whole_len);
	ck_assert_mem_eq(back, whole, whole_len);
}
END_TEST

/* 5.8.2: "pData and pEncryptedData can point to the same place". */
START_TEST(in_place)
{
	CK_BYTE place[64];
	memcpy(place, text, 64);
	ck_assert_rv(init_encrypt(), CKR_OK);
	len = 64;
	ck_assert_rv(p11->C_Encrypt(session, place, 64, place, &len), CKR_OK);
	ck_assert_mem_ne(place, text, 64);
	ck_assert_rv(init_decrypt(), CKR_OK);
	ck_assert_rv(p11->C_Decrypt(session, place, 64, place, &len), CKR_OK);
	ck_assert_mem_eq(place, text, 64);
}
END_TEST

START_TEST(a_buffer_of_the_exact_size_does)
{
	static CK_BYTE aad[] = "aad";
	CK_GCM_PARAMS params = { iv, 12, 96, aad, 3, 128 };
	CK_MECHANISM gcm = { CKM_AES_GCM, &params, sizeof params };
	ck_assert_rv(p11->C_EncryptInit(session, &gcm, aes), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, text, 50, out, &len), CKR_OK);
	ck_assert_uint_eq(len, 66);
	ck_assert_rv(p11->C_DecryptInit(session, &gcm, aes), CKR_OK);
	back_len = 50;
	ck_assert_rv(p11->C_Decrypt(session, out, len, back, &back_len), CKR_OK);
	ck_assert_uint_eq(back_len, 50);
	ck_assert_mem_eq(back, text, 50);
	out[3] ^= 1;
	ck_assert_rv(p11->C_DecryptInit(session, &gcm, aes), CKR_OK);
	back_len = sizeof back;
	ck_assert_rv_in(p11->C_Decrypt(session, out, len, back, &back_len), CKR_ENCRYPTED_DATA_INVALID,
		CKR_ENCRYPTED_DATA_LEN_RANGE);
	ck_assert_rv(call_decrypt(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(streams_of_any_length)
{
	static CK_BYTE chunk[100000], result[100016];
	CK_BYTE once[32], other[32];
	memset(chunk, 7, sizeof chunk);
	ck_assert_rv(init_sign(), CKR_OK);
	for (int i = 0; i < 200; i++) /* 20 MB: more than one call may bring */
		ck_assert_rv(p11->C_SignUpdate(session, chunk, sizeof chunk), CKR_OK);
	len = sizeof once;
	ck_assert_rv(p11->C_SignFinal(session, once, &len), CKR_OK);
	ck_assert_rv(init_verify(), CKR_OK);
	for (int i = 0; i < 200; i++)
		ck_assert_rv(p11->C_VerifyUpdate(session, chunk, sizeof chunk), CKR_OK);
	ck_assert_rv(p11->C_VerifyFinal(session, once, len), CKR_OK);
	ck_assert_rv(init_encrypt(), CKR_OK);
	for (int i = 0; i < 20; i++) {
		len = sizeof result;
		ck_assert_rv(p11->C_EncryptUpdate(session, chunk, sizeof chunk, result, &len), CKR_OK);
		ck_assert_uint_eq(len, sizeof chunk);
	}
	len = sizeof other;
	ck_assert_rv(p11->C_EncryptFinal(session, other, &len), CKR_OK);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(more_than_a_call_may_bring)
{
	static CK_BYTE big[(16 << 20) + 1];
	ck_assert_rv(init_sign(), CKR_OK);
	ck_assert_rv(p11->C_SignUpdate(session, big, sizeof big), CKR_DATA_LEN_RANGE);
	ck_assert_rv(call_sign_final(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* 5.17: both operations go on in step, and a question for the length feeds neither. */
START_TEST(two_operations_at_once)
{
	CK_BYTE digest[32], again[32], cipher[64];
	CK_ULONG digest_len = sizeof digest, want;
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(init_encrypt(), CKR_OK);
	ck_assert_rv(p11->C_DigestEncryptUpdate(session, text, 64, NULL, &want), CKR_OK);
	ck_assert_uint_ge(want, 64);
	len = 3;
	ck_assert_rv(p11->C_DigestEncryptUpdate(session, text, 64, cipher, &len), CKR_BUFFER_TOO_SMALL);
	len = sizeof cipher;
	ck_assert_rv(p11->C_DigestEncryptUpdate(session, text, 64, cipher, &len), CKR_OK);
	ck_assert_rv(p11->C_DigestFinal(session, digest, &digest_len), CKR_OK);
	len = sizeof out;
	ck_assert_rv(p11->C_EncryptFinal(session, out, &len), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(init_decrypt(), CKR_OK);
	ck_assert_rv(p11->C_DecryptDigestUpdate(session, cipher, 64, back, &back_len), CKR_OK);
	ck_assert_rv(p11->C_DigestFinal(session, again, &digest_len), CKR_OK);
	ck_assert_mem_eq(back, text, back_len);
	ck_assert_mem_eq(digest, again, 32);
	ck_assert_rv(p11->C_Digest(session, text, 64, again, &digest_len), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(sign_and_encrypt_then_decrypt_and_verify)
{
	CK_BYTE cipher[64];
	ck_assert_rv(init_sign(), CKR_OK);
	ck_assert_rv(init_encrypt(), CKR_OK);
	len = sizeof cipher;
	ck_assert_rv(p11->C_SignEncryptUpdate(session, text, 64, cipher, &len), CKR_OK);
	len = sizeof out;
	ck_assert_rv(call_encrypt_final(), CKR_OK);
	len = 32;
	ck_assert_rv(call_sign_final(), CKR_OK);
	ck_assert_rv(init_verify(), CKR_OK);
	ck_assert_rv(init_decrypt(), CKR_OK);
	ck_assert_rv(p11->C_DecryptVerifyUpdate(session, cipher, 64, back, &back_len), CKR_OK);
	ck_assert_rv(call_verify_final(), CKR_OK);
	ck_assert_mem_eq(back, text, back_len);
}
END_TEST

START_TEST(rsa_encrypts_and_recovers)
{
	ck_assert_rv(p11->C_EncryptInit(session, &pkcs, rsa_public), CKR_OK);
	ck_assert_rv(p11->C_Encrypt(session, text, 20, out, &len), CKR_OK);
	ck_assert_uint_eq(len, 256);
	ck_assert_rv(p11->C_DecryptInit(session, &pkcs, rsa), CKR_OK);
	back_len = 20; /* what a program that knows its plain text gives */
	ck_assert_rv(p11->C_Decrypt(session, out, len, back, &back_len), CKR_OK);
	ck_assert_uint_eq(back_len, 20);
	ck_assert_mem_eq(back, text, 20);
	ck_assert_rv(p11->C_EncryptInit(session, &pkcs, rsa_public), CKR_OK);
	len = sizeof out;
	ck_assert_rv(p11->C_Encrypt(session, text, 64, out, &len), CKR_OK);
	ck_assert_rv(p11->C_EncryptInit(session, &pkcs, rsa_public), CKR_OK);
	static CK_BYTE long_text[300];
	ck_assert_rv(p11->C_Encrypt(session, long_text, 246, out, &len), CKR_DATA_LEN_RANGE);
	ck_assert_rv(call_encrypt(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* 5.9, 5.11: a message a call, the tag apart. */
START_TEST(messages)
{
	CK_BYTE tag[16], nonce[12] = { 0 };
	CK_GCM_MESSAGE_PARAMS params = { nonce, sizeof nonce, 0, CKG_GENERATE_RANDOM, tag, 128 };
	CK_MECHANISM gcm = { CKM_AES_GCM, NULL, 0 };
	ck_assert_rv(p11->C_MessageEncryptInit(session, &gcm, aes), CKR_OK);
	ck_assert_rv(p11->C_MessageEncryptInit(session, &gcm, aes), CKR_OPERATION_ACTIVE);
	ck_assert_rv(p11->C_MessageDecryptInit(session, &gcm, aes), CKR_OK);
	for (int i = 0; i < 3; i++) {
		CK_BYTE was[12];
		memcpy(was, nonce, sizeof was);
		params.ivGenerator = CKG_GENERATE_RANDOM;
		len = sizeof out;
		ck_assert_rv(p11->C_EncryptMessage(
				     session, &params, sizeof params, (CK_BYTE *)"aad", 3, text, 50, out, &len),
			CKR_OK);
		ck_assert_uint_eq(len, 50);
		ck_assert_mem_ne(was, nonce, sizeof was);
		params.ivGenerator = CKG_NO_GENERATE;
		back_len = sizeof back;
		ck_assert_rv(p11->C_DecryptMessage(
				     session, &params, sizeof params, (CK_BYTE *)"aad", 3, out, len, back, &back_len),
			CKR_OK);
		ck_assert_uint_eq(back_len, 50);
		ck_assert_mem_eq(back, text, 50);
	}
	tag[0] ^= 1;
	back_len = sizeof back;
	memset(back, 0, sizeof back);
	ck_assert_rv(
		p11->C_DecryptMessage(session, &params, sizeof params, (CK_BYTE *)"aad", 3, out, len, back, &back_len),
		CKR_AEAD_DECRYPT_FAILED);
	ck_assert_uint_eq(back[0], 0);
	ck_assert_rv(p11->C_MessageEncryptFinal(session), CKR_OK);
	ck_assert_rv(p11->C_MessageEncryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(messages_are_signed)
{
	ck_assert_rv(p11->C_MessageSignInit(session, &mac, hmac), CKR_OK);
	ck_assert_rv(p11->C_MessageVerifyInit(session, &mac, hmac), CKR_OK);
	for (CK_ULONG i = 1; i < 4; i++) {
		len = sizeof out;
		ck_assert_rv(p11->C_SignMessage(session, NULL, 0, text, i, out, &len), CKR_OK);
		ck_assert_rv(p11->C_VerifyMessage(session, NULL, 0, text, i, out, len), CKR_OK);
	}
	ck_assert_rv(p11->C_VerifyMessage(session, NULL, 0, text, 1, out, len), CKR_SIGNATURE_INVALID);
	ck_assert_rv(p11->C_MessageSignFinal(session), CKR_OK);
}
END_TEST

/* -- CKA_ALWAYS_AUTHENTICATE: 5.6.8 ---------------------------------------------------------------------------------
 */

START_TEST(a_key_that_asks_each_time)
{
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ULONG bits = 2048;
	CK_OBJECT_HANDLE public, private;
	CK_UTF8CHAR *pin = (CK_UTF8CHAR *)SR_ADMIN_PIN;
	CK_ATTRIBUTE public_template[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_LABEL, "operations/asks"),
		SR_ATTR(CKA_MODULUS_BITS, bits) };
	CK_ATTRIBUTE private_template[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_LABEL, "operations/asks"),
		SR_ATTR(CKA_ALWAYS_AUTHENTICATE, sr_yes) };
	ck_assert_rv(
		p11->C_GenerateKeyPair(session, &generate, public_template, 3, private_template, 3, &public, &private),
		CKR_OK);
	ck_assert(sr_flag(session, private, CKA_ALWAYS_AUTHENTICATE));
	ck_assert_rv(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, pin, sizeof SR_ADMIN_PIN - 1),
		CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_SignInit(session, &pkcs, private), CKR_OK);
	ck_assert_rv(call_sign(), CKR_USER_NOT_LOGGED_IN);
	p11->C_SessionCancel(session, CKF_SIGN);
	for (int i = 0; i < 2; i++) {
		ck_assert_rv(p11->C_SignInit(session, &pkcs, private), CKR_OK);
		ck_assert_rv(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)"admin:wrong", 11),
			CKR_PIN_INCORRECT);
		ck_assert_rv(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, pin, sizeof SR_ADMIN_PIN - 1), CKR_OK);
		len = sizeof out;
		ck_assert_rv(call_sign(), CKR_OK);
	}
}
END_TEST

Suite *sr_battery_operations(void)
{
	Suite *suite = suite_create("battery: operations");
	TCase *tcase = sr_chapter(suite, "states", start, sr_stop);
	tcase_add_loop_test(tcase, nothing_was_begun, 0, SR_COUNT(calls));
	tcase_add_loop_test(tcase, one_of_a_kind, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, cancelled_it_is_over, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, whole_and_in_parts_do_not_mix, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, a_length_query_ends_nothing, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, an_error_ends_it, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, a_lapse_ends_it, 0, SR_COUNT(kinds));
	tcase_add_loop_test(tcase, after_a_logout_nothing_is_active, 0, (int)SR_COUNT(kinds));
	tcase_add_loop_test(tcase, a_logout_ends_it, 0, SR_COUNT(kinds));
	tcase = sr_chapter(suite, "results", start, sr_stop);
	tcase_add_test(tcase, parts_give_what_the_whole_gives);
	tcase_add_test(tcase, in_place);
	tcase_add_test(tcase, a_buffer_of_the_exact_size_does);
	tcase_add_test(tcase, streams_of_any_length);
	tcase_add_test(tcase, more_than_a_call_may_bring);
	tcase_add_test(tcase, two_operations_at_once);
	tcase_add_test(tcase, sign_and_encrypt_then_decrypt_and_verify);
	tcase_add_test(tcase, messages);
	tcase_add_test(tcase, messages_are_signed);
	tcase = sr_chapter(suite, "RSA", start_rsa, sr_stop);
	tcase_add_test(tcase, rsa_encrypts_and_recovers);
	tcase_add_test(tcase, a_key_that_asks_each_time);
	return suite;
}
