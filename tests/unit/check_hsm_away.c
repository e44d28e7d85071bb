/* A token that is taken away and put back while it is used: SoftHSM2's directory is moved. What fails meanwhile, and
 * what is served again; and one word of a backend that may mean that, or not. */
#define _GNU_SOURCE 1

#include "tests/unit/hsm_rig.h"
#include "tests/unit/suites.h"
#include "util/clock.h"

#include <p11-kit/p11-kit.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rig_key aes, secret, pair;
static struct sr_now start; /* time stands still, but for what a test moves it */
static int64_t moved_ms;
static const uint8_t digest[32] = { 1, 2, 3 };

static void test_clock(struct sr_now *now)
{
	*now = start;
	now->wall_ms += moved_ms;
	now->boot_ms += moved_ms;
}

static void set_up(void)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, "aes");
	hsm_rig_set_up();
	assert_ok(rig_make(KIND_AES, &place, false, &aes));
	place = rig_of(SR_HSM_RESIDENT, "secret");
	assert_ok(rig_make(KIND_SECRET, &place, false, &secret));
	place = rig_of(SR_HSM_RESIDENT, "pair");
	assert_ok(rig_make(KIND_P256, &place, false, &pair));
	moved_ms = 0;
	sr_clock_now(&start);
	sr_clock_replace(test_clock);
}

static void tear_down(void)
{
	sr_clock_replace(NULL);
	rig_key_clear(&aes);
	rig_key_clear(&secret);
	rig_key_clear(&pair);
	hsm_rig_tear_down();
}

/* -- the token, taken and put back ------------------------------------------------------------------------------ */

static void move(const char *from, const char *to)
{
	char old[128], new[128];
	snprintf(old, sizeof old, "%s/%s", rig_dir(), from);
	snprintf(new, sizeof new, "%s/%s", rig_dir(), to);
	ck_assert_int_eq(rename(old, new), 0);
}

static void take_away(void)
{
	move("hsm/tokens", "away");
}

static void put_back(void)
{
	move("away", "hsm/tokens");
}

static void a_second_later(void)
{
	moved_ms += SR_HSM_LOOK_MS;
}

static CK_RV mac(void)
{
	uint8_t out[SR_HSM_MAC_LEN];
	return sr_hsm_mac(rig_hsm, "x", 1, out, &rig_err);
}

static CK_RV seal(void)
{
	struct sr_buf aad = SR_BUF_INIT, sealed = SR_BUF_INIT;
	sr_buf_text(&aad, "where it stands");
	CK_RV rv = sr_hsm_seal(rig_hsm, &aad, "a value", 7, &sealed, &rig_err);
	sr_buf_clear(&sealed);
	sr_buf_clear(&aad);
	return rv;
}

static CK_RV operate(enum sr_hsm_function function, struct sr_hsm_key *key, CK_MECHANISM_TYPE type)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	CK_RV rv = rig_operate(function, key, &mechanism, digest, sizeof digest, &out);
	sr_buf_clear(&out);
	return rv;
}

static CK_RV sign_resident(void)
{
	return operate(SR_HSM_SIGN, pair.private.key, CKM_ECDSA);
}

static CK_RV sign_secret(void)
{
	return operate(SR_HSM_SIGN, secret.private.key, CKM_SHA256_HMAC);
}

static CK_RV encrypt_wrapped(void)
{
	return operate(SR_HSM_ENCRYPT, aes.private.key, CKM_AES_ECB);
}

static CK_RV make(int kind, enum sr_hsm_custody custody, const char *uid)
{
	struct sr_hsm_place place = rig_of(custody, uid);
	struct rig_key key;
	CK_RV rv = rig_make(kind, &place, false, &key);
	rig_key_clear(&key);
	return rv;
}

static CK_RV make_resident(void)
{
	return make(KIND_P256, SR_HSM_RESIDENT, "new");
}

static CK_RV make_wrapped(void)
{
	return make(KIND_P256, SR_HSM_WRAPPED, "other");
}

static CK_RV make_in_nest(void)
{
	return make(KIND_AES, SR_HSM_NEST, NULL);
}

static CK_RV give_random(void)
{
	uint8_t out[8];
	return sr_hsm_random(rig_hsm, out, sizeof out, &rig_err);
}

static CK_RV look(void)
{
	return sr_hsm_look(rig_hsm, &rig_err);
}

static CK_RV (*const works[])(void) = { mac, seal, sign_resident, sign_secret, encrypt_wrapped, make_resident,
	make_wrapped, make_in_nest, give_random, look };
#define WORKS (sizeof works / sizeof works[0])

static void assert_all_work(void)
{
	for (int round = 0; round < 3; round++) { /* plain handles first, then copies */
		for (size_t i = 0; i < WORKS; i++) {
			CK_RV rv = works[i]();
			ck_assert_msg(rv == CKR_OK, "%zu: %s: %s", i, sr_rv_name(rv), rig_err.text);
		}
	}
}

static void assert_all_are_refused(void)
{
	for (size_t i = 0; i < WORKS; i++) {
		sr_error_clear(&rig_err);
		CK_RV rv = works[i]();
		ck_assert_msg(rv == CKR_DEVICE_REMOVED && rig_err.reason == SR_REASON_HSM_MISSING, "%zu: %s: %s", i,
			sr_rv_name(rv), rig_err.text);
	}
}

START_TEST(token_that_returns)
{
	assert_all_work();
	take_away();
	a_second_later();
	assert_all_are_refused();
	put_back();
	a_second_later();
	assert_all_work();
}
END_TEST

/* Work _i is the first that meets the missing token, before the second is over that it is taken to be there for: what
 * needs the token itself hears it all the same, in no other words. The rest may be answered from copies. */
START_TEST(first_to_see_it)
{
	assert_all_work();
	take_away();
	CK_RV rv = works[_i]();
	ck_assert_msg(rv == CKR_OK || (rv == CKR_DEVICE_REMOVED && rig_err.reason == SR_REASON_HSM_MISSING),
		"%d: %s: %s", _i, sr_rv_name(rv), rig_err.text);
	ck_assert((works[_i] != make_resident && works[_i] != make_wrapped) || rv != CKR_OK);
	put_back();
	a_second_later();
	assert_all_work();
}
END_TEST

START_TEST(keys_that_were_never_used)
{
	take_away();
	assert_refused(sign_resident(), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	put_back();
	a_second_later();
	assert_ok(sign_resident());
	take_away();
	assert_refused(make_resident(), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	put_back();
	a_second_later();
	assert_all_work();
}
END_TEST

START_TEST(again_and_again)
{
	for (int round = 0; round < 5; round++) {
		take_away();
		a_second_later();
		assert_all_are_refused();
		put_back();
		a_second_later();
		assert_all_work();
	}
}
END_TEST

START_TEST(one_try_a_second)
{
	take_away();
	a_second_later();
	assert_refused(mac(), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	unsigned long epoch = rig_hsm->epoch;
	put_back(); /* not seen yet */
	for (int i = 0; i < 100; i++)
		assert_all_are_refused();
	ck_assert_uint_eq(rig_hsm->epoch, epoch);
	moved_ms -= 3600 * 1000; /* a clock that goes back does not keep us from it */
	assert_all_work();
}
END_TEST

/* The object of a session goes with it, and an operation that had begun does not go on. */
START_TEST(what_had_begun_is_over)
{
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	struct sr_hsm_place place = rig_of(SR_HSM_NEST, NULL);
	struct sr_buf out = SR_BUF_INIT;
	struct sr_hsm_use *begun[2], *next;
	struct rig_key nested;
	assert_ok(rig_make(KIND_AES, &place, false, &nested));
	for (int i = 0; i < 2; i++)
		assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &begun[i], &rig_err));
	take_away();
	a_second_later();
	assert_refused(
		sr_hsm_use_update(begun[0], digest, 16, &out, &rig_err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	sr_hsm_use_end(begun[0]);
	put_back();
	a_second_later();
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, aes.private.key, &ecb, &next, &rig_err));
	assert_refused(
		sr_hsm_use_once(begun[1], digest, 16, &out, &rig_err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	sr_hsm_use_end(begun[1]); /* its session's number is the other's now */
	assert_ok(sr_hsm_use_once(next, digest, 16, &out, &rig_err));
	sr_hsm_use_end(next);
	assert_refused(
		operate(SR_HSM_ENCRYPT, nested.private.key, CKM_AES_ECB), CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND);
	ck_assert_uint_eq(rig_hsm->use_count, 0);
	ck_assert_uint_eq(rig_hsm->inside, 0);
	rig_key_clear(&nested);
	sr_buf_clear(&out);
	assert_all_work();
}
END_TEST

START_TEST(absence_is_told_once)
{
	struct sr_hsm_absence absence;
	struct sr_now now;
	assert_all_work();
	ck_assert(!sr_hsm_absence(rig_hsm, &absence));
	sr_clock_now(&now);
	take_away();
	a_second_later();
	assert_all_are_refused();
	ck_assert(!sr_hsm_absence(rig_hsm, &absence)); /* it is not over */
	put_back();
	moved_ms += 60 * 1000;
	assert_ok(mac());
	ck_assert(sr_hsm_absence(rig_hsm, &absence));
	ck_assert_int_ge(absence.from_ms, now.wall_ms + SR_HSM_LOOK_MS);
	ck_assert_int_ge(absence.to_ms, absence.from_ms + 60 * 1000);
	struct sr_hsm_absence again = absence;
	ck_assert(!sr_hsm_absence(rig_hsm, &again));
	sr_hsm_absence_untold(rig_hsm, &absence);
	ck_assert(sr_hsm_absence(rig_hsm, &again));
	ck_assert_int_eq(again.from_ms, absence.from_ms);
	ck_assert_int_eq(again.to_ms, absence.to_ms);
}
END_TEST

/* Sessions, login or the module itself taken by the program: seen by the look, repaired at once, and no absence. _i:
 * which.
 */
START_TEST(the_program_takes_it_from_us)
{
	struct sr_hsm_absence absence;
	struct rig_raw raw = rig_raw_open();
	assert_all_work();
	if (_i == 0)
		ck_assert_uint_eq(raw.module->C_Logout(raw.session), CKR_OK);
	else if (_i == 1)
		ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	else
		ck_assert_uint_eq(raw.module->C_Finalize(NULL), CKR_OK);
	a_second_later();
	assert_all_work();
	ck_assert(!sr_hsm_absence(rig_hsm, &absence));
	ck_assert_uint_eq(rig_hsm->restarts, _i == 2);
	p11_kit_module_release(raw.module);
}
END_TEST

/* -- another one comes back -------------------------------------------------------------------------------------- */

/* New keys of the same names and rights, made by somebody who has the PIN, in a process of his own. */
static void replace_keys(void)
{
	pid_t child = fork();
	if (child == 0) {
		sr_hsm_abandon(rig_hsm);
		rig_hsm = NULL;
		hsm_rig_open();
		sr_hsm_destroy_keys(rig_hsm, RIG_VAULT, 1);
		_exit(sr_hsm_create_keys(rig_hsm, RIG_VAULT, 1, &rig_err) == CKR_OK ? 0 : 1);
	}
	int status = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

START_TEST(other_keys_are_refused)
{
	take_away();
	a_second_later();
	assert_all_are_refused();
	put_back();
	replace_keys();
	for (int i = 0; i < 3; i++) {
		a_second_later();
		assert_refused(mac(), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
		ck_assert_ptr_nonnull(strstr(rig_err.text, "another key than before"));
		assert_refused(sign_resident(), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
		assert_refused(make_resident(), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	}
}
END_TEST

START_TEST(other_token_is_refused)
{
	take_away();
	a_second_later();
	assert_all_are_refused();
	put_back();
	strcpy(rig_hsm->serial, "another");
	a_second_later();
	assert_all_are_refused();
	ck_assert_ptr_nonnull(strstr(rig_err.text, "another one than before"));
	strcpy(rig_hsm->serial, rig_hsm->identity.serial);
	a_second_later();
	assert_all_work();
}
END_TEST

/* -- one word for two things ------------------------------------------------------------------------------------- */

static CK_FUNCTION_LIST *real, changed;
static int asked;

static CK_RV general_error(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	(void)session;
	(void)in;
	(void)len;
	(void)out;
	(void)out_len;
	return CKR_GENERAL_ERROR;
}

static CK_RV count_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	asked++;
	return real->C_GetTokenInfo(slot, info);
}

static CK_RV no_token(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	(void)slot;
	(void)info;
	asked++;
	return CKR_GENERAL_ERROR;
}

static void change_module(void)
{
	real = rig_hsm->backend.module;
	changed = *real;
	changed.C_Sign = general_error;
	changed.C_GetTokenInfo = count_info;
	asked = 0;
	rig_hsm->backend.module = &changed;
}

START_TEST(an_error_and_no_more)
{
	assert_all_work();
	change_module();
	unsigned long epoch = rig_hsm->epoch;
	for (int i = 1; i <= 3; i++) {
		assert_refused(mac(), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
		ck_assert_int_eq(asked, i);
	}
	/* of a user's key it is about his data */
	ck_assert_uint_eq(sign_resident(), CKR_DATA_INVALID);
	ck_assert_uint_eq(rig_hsm->epoch, epoch);
	ck_assert(!rig_hsm->untold);
	rig_hsm->backend.module = real;
	assert_all_work();
}
END_TEST

START_TEST(an_error_of_a_token_that_is_gone)
{
	assert_all_work();
	change_module();
	changed.C_GetTokenInfo = no_token;
	unsigned long epoch = rig_hsm->epoch;
	struct sr_error first = SR_ERROR_INIT;
	uint8_t out[SR_HSM_MAC_LEN];
	ck_assert_uint_eq(sr_hsm_mac(rig_hsm, "x", 1, out, &first), CKR_DEVICE_REMOVED);
	ck_assert_uint_eq(first.reason, SR_REASON_HSM_MISSING);
	ck_assert_uint_gt(rig_hsm->epoch, epoch);
	int before = asked;
	assert_refused(mac(), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	ck_assert_int_eq(asked, before);
	rig_hsm->backend.module = real;
	rig_hsm->restart = true; /* what the changed module could not be */
	a_second_later();
	assert_all_work();
}
END_TEST

/* A failed decryption whose outcome must not show is not looked into. */
START_TEST(padding_is_not_looked_into)
{
	CK_MECHANISM pkcs = { CKM_RSA_PKCS, NULL, 0 };
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, "rsa");
	uint8_t garbage[256] = { 0, 7 };
	struct sr_buf out = SR_BUF_INIT;
	struct rig_key rsa;
	assert_ok(rig_make(KIND_RSA, &place, false, &rsa));
	change_module();
	ck_assert_uint_ne(rig_operate(SR_HSM_DECRYPT, rsa.private.key, &pkcs, garbage, 256, &out), CKR_OK);
	ck_assert_int_eq(asked, 0);
	rig_hsm->backend.module = real;
	rig_key_clear(&rsa);
	sr_buf_clear(&out);
}
END_TEST

/* -- many threads ------------------------------------------------------------------------------------------------ */

static _Atomic int served, refused, wrong;
static _Atomic bool over;

static CK_RV work_once(struct sr_error *err, unsigned turn)
{
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 }, ecb = { CKM_AES_ECB, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	struct sr_hsm_use *use = NULL;
	uint8_t bytes[32];
	if (turn % 3 == 0)
		return sr_hsm_mac(rig_hsm, "x", 1, bytes, err);
	bool sign = turn % 3 == 1;
	CK_RV rv = sr_hsm_use_begin(rig_hsm, sign ? SR_HSM_SIGN : SR_HSM_ENCRYPT,
		sign ? secret.private.key : aes.private.key, sign ? &hmac : &ecb, &use, err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_once(use, digest, 32, &out, err);
	sr_hsm_use_end(use);
	sr_buf_clear(&out);
	return rv;
}

static void *work_in_thread(void *arg)
{
	for (unsigned turn = *(unsigned *)arg; !over; turn++) {
		struct sr_error err = SR_ERROR_INIT;
		CK_RV rv = work_once(&err, turn);
		if (rv == CKR_OK)
			served++;
		else if (rv == CKR_DEVICE_REMOVED && err.reason == SR_REASON_HSM_MISSING)
			refused++;
		else if (wrong++ == 0)
			fprintf(stderr, "%s: %s\n", sr_rv_name(rv), err.text);
		if (rv != CKR_OK)
			usleep(1000);
	}
	return NULL;
}

static void wait_for(_Atomic int *counter)
{
	int before = *counter;
	for (int i = 0; i < 8000 && *counter < before + 50; i++)
		usleep(1000);
	ck_assert_int_ge(*counter, before + 50);
}

START_TEST(many_threads_see_it_return)
{
	enum { COUNT = 12 };
	pthread_t threads[COUNT];
	unsigned first[COUNT];
	sr_clock_replace(NULL);
	for (unsigned i = 0; i < COUNT; i++) {
		first[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work_in_thread, &first[i]), 0);
	}
	for (int round = 0; round < 3; round++) {
		wait_for(&served);
		take_away();
		wait_for(&refused);
		put_back();
	}
	wait_for(&served);
	over = true;
	for (int i = 0; i < COUNT; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(wrong, 0);
	ck_assert_uint_eq(rig_hsm->inside, 0);
	assert_all_work();
}
END_TEST

Suite *sr_suite_hsm_away(void)
{
	Suite *suite = suite_create("hsm_away");
	TCase *away = tcase_create("away");
	tcase_add_checked_fixture(away, set_up, tear_down);
	tcase_set_timeout(away, 120);
	tcase_add_test(away, token_that_returns);
	tcase_add_loop_test(away, first_to_see_it, 0, WORKS);
	tcase_add_test(away, keys_that_were_never_used);
	tcase_add_test(away, again_and_again);
	tcase_add_test(away, one_try_a_second);
	tcase_add_test(away, what_had_begun_is_over);
	tcase_add_test(away, absence_is_told_once);
	tcase_add_loop_test(away, the_program_takes_it_from_us, 0, 3);
	tcase_add_test(away, other_keys_are_refused);
	tcase_add_test(away, other_token_is_refused);
	tcase_add_test(away, an_error_and_no_more);
	tcase_add_test(away, an_error_of_a_token_that_is_gone);
	tcase_add_test(away, padding_is_not_looked_into);
	tcase_add_test(away, many_threads_see_it_return);
	suite_add_tcase(suite, away);
	return suite;
}
