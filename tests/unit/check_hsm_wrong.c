/* An HSM that answers CKR_OK and is wrong by one bit, in what is going to be kept. */
#define _GNU_SOURCE 1

#include "hsm/generations.h"
#include "tests/unit/hsm_rig.h"
#include "tests/unit/lying_hsm.h"
#include "tests/unit/suites.h"

#include <string.h>

static void set_up(void)
{
	hsm_rig_set_up();
	lying_hsm_begin(rig_hsm);
}

static void tear_down(void)
{
	lying_hsm_end(rig_hsm);
	hsm_rig_tear_down();
}

/* _i: which of the two answers is the wrong one */
START_TEST(mac_to_keep_is_made_twice)
{
	uint8_t mac[SR_HSM_MAC_LEN], kept[SR_HSM_MAC_LEN];
	assert_ok(sr_hsm_mac(rig_hsm, "label", 5, mac, &rig_err));
	lie_at(LIE_SIGN, (unsigned)_i);
	assert_refused(
		sr_hsm_mac_to_keep(rig_hsm, 0, "label", 5, kept, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	ck_assert_uint_eq(answers_since(), 2);
	assert_ok(sr_hsm_mac_to_keep(rig_hsm, 0, "label", 5, kept, &rig_err));
	ck_assert_mem_eq(mac, kept, sizeof(mac));
}
END_TEST

START_TEST(signature_is_verified)
{
	uint8_t digest[32] = { 1 }, signature[SR_HSM_SIGNATURE_LEN];
	lie_at(LIE_SIGN, 1);
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
		bool nothing_to_get_wrong = _i == LIE_DECRYPT && lens[i] == 0;
		lie_at((enum lie)_i, nothing_to_get_wrong ? 0 : 1);
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
	lie_at(LIE_WRAP, (unsigned)_i);
	CK_RV rv = rig_make(KIND_AES, &place, false, &key);
	ck_assert_msg(rv != CKR_OK, "a key was kept that does not unwrap");
	lie_at(LIE_WRAP, 0);
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
	tcase_add_loop_test(tests, sealed_value_is_opened, LIE_ENCRYPT, LIE_DECRYPT + 1);
	tcase_add_loop_test(tests, wrapped_key_is_wrapped_twice, 1, 3);
	suite_add_tcase(suite, tests);
	return suite;
}
