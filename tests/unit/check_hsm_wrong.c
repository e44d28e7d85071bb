/* An HSM that answers CKR_OK and is wrong by one bit, in what is going to be kept. */
#define _GNU_SOURCE 1

#include "hsm/generations.h"
#include "hsm/internal.h"
#include "tests/unit/hsm_rig.h"
#include "tests/unit/suites.h"

#include <string.h>

/* The module as it is, but that the answer number WRONG_AT of those that WRONG names has a wrong bit. */
enum wrong { WRONG_SIGN, WRONG_ENCRYPT, WRONG_DECRYPT, WRONG_WRAP };
static CK_FUNCTION_LIST *honest, lying;
static enum wrong wrong;
static unsigned wrong_at, answers;

static CK_RV answer(enum wrong kind, CK_RV rv, CK_BYTE *out, const CK_ULONG *len)
{
	if (rv == CKR_OK && out && kind == wrong && ++answers == wrong_at)
		out[*len / 2] ^= 0x10;
	return rv;
}

static CK_RV lying_sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(WRONG_SIGN, honest->C_Sign(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(WRONG_ENCRYPT, honest->C_Encrypt(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(WRONG_DECRYPT, honest->C_Decrypt(session, in, in_len, out, out_len), out, out_len);
}

static CK_RV lying_wrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE key,
	CK_BYTE *out, CK_ULONG *out_len)
{
	return answer(WRONG_WRAP, honest->C_WrapKey(session, mechanism, by, key, out, out_len), out, out_len);
}

static void lie(enum wrong about, unsigned at)
{
	wrong = about;
	wrong_at = at;
	answers = 0;
}

static void set_up(void)
{
	hsm_rig_set_up();
	honest = rig_hsm->backend.module;
	lying = *honest;
	lying.C_Sign = lying_sign;
	lying.C_Encrypt = lying_encrypt;
	lying.C_Decrypt = lying_decrypt;
	lying.C_WrapKey = lying_wrap;
	rig_hsm->backend.module = &lying;
	lie(WRONG_SIGN, 0);
}

static void tear_down(void)
{
	rig_hsm->backend.module = honest;
	hsm_rig_tear_down();
}

/* _i: which of the two answers is the wrong one */
START_TEST(mac_to_keep_is_made_twice)
{
	uint8_t mac[SR_HSM_MAC_LEN], kept[SR_HSM_MAC_LEN];
	assert_ok(sr_hsm_mac(rig_hsm, "label", 5, mac, &rig_err));
	lie(WRONG_SIGN, (unsigned)_i);
	assert_refused(
		sr_hsm_mac_to_keep(rig_hsm, 0, "label", 5, kept, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	ck_assert_uint_eq(answers, 2);
	assert_ok(sr_hsm_mac_to_keep(rig_hsm, 0, "label", 5, kept, &rig_err));
	ck_assert_mem_eq(mac, kept, sizeof(mac));
}
END_TEST

START_TEST(signature_is_verified)
{
	uint8_t digest[32] = { 1 }, signature[SR_HSM_SIGNATURE_LEN];
	lie(WRONG_SIGN, 1);
	assert_refused(sr_hsm_sign(rig_hsm, digest, signature, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	assert_ok(sr_hsm_sign(rig_hsm, digest, signature, &rig_err));
}
END_TEST

/* _i: the sealing, or the look at it, which is no better then */
START_TEST(sealed_value_is_opened)
{
	static const size_t lens[] = { 0, 1, 4096 };
	static uint8_t value[4096];
	struct sr_buf aad = SR_BUF_INIT;
	sr_buf_append(&aad, "where", 5);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
		bool nothing_to_get_wrong = _i == WRONG_DECRYPT && lens[i] == 0;
		lie((enum wrong)_i, nothing_to_get_wrong ? 0 : 1);
		if (!nothing_to_get_wrong)
			assert_refused(sr_hsm_seal(rig_hsm, &aad, value, lens[i], &sealed, &rig_err), CKR_DEVICE_ERROR,
				SR_REASON_HSM_FAILED);
		ck_assert_uint_eq(sealed.len, 0);
		assert_ok(sr_hsm_seal(rig_hsm, &aad, value, lens[i], &sealed, &rig_err));
		assert_ok(sr_hsm_unseal(rig_hsm, &aad, sealed.data, sealed.len, &plain, &rig_err));
		ck_assert_uint_eq(plain.len, lens[i]);
		sr_buf_clear(&sealed);
		sr_buf_clear(&plain);
	}
	sr_buf_clear(&aad);
}
END_TEST

/* _i: which of the two answers is the wrong one */
START_TEST(wrapped_key_is_wrapped_twice)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, "wrapped");
	struct rig_key key = { 0 };
	lie(WRONG_WRAP, (unsigned)_i);
	CK_RV rv = rig_make(KIND_AES, &place, false, &key);
	ck_assert_msg(rv != CKR_OK, "a key was kept that does not unwrap");
	lie(WRONG_WRAP, 0);
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	rig_assert_works(KIND_AES, &key);
	rig_key_clear(&key);
}
END_TEST

Suite *sr_suite_hsm_wrong(void)
{
	Suite *suite = suite_create("hsm_wrong");
	TCase *tests = tcase_create("wrong");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, mac_to_keep_is_made_twice, 1, 3);
	tcase_add_test(tests, signature_is_verified);
	tcase_add_loop_test(tests, sealed_value_is_opened, WRONG_ENCRYPT, WRONG_DECRYPT + 1);
	tcase_add_loop_test(tests, wrapped_key_is_wrapped_twice, 1, 3);
	suite_add_tcase(suite, tests);
	return suite;
}
