/* A policy that asks for a fresh approval at each use of a private key (design §6): C_Login(CKU_CONTEXT_SPECIFIC) asks
 * for it, and the operation waits. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

#define GUARDED "guarded/one"
#define OTHER "guarded/two"

static CK_OBJECT_CLASS policy_class = CKO_SR_POLICY;
static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
static CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static CK_BYTE digest[32];
static char token[SR_TOKEN_LEN + 1];
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

/* The policy, and keys that ask for the credential at each use; made once for the place. */
static void make(void)
{
	CK_OBJECT_HANDLE handle, public;
	CK_MECHANISM generate = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE policy[] = { SR_ATTR(CKA_CLASS, policy_class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_SR_PATH, "guarded/*"), SR_TEXT(CKA_SR_TIER, "sensitive"), SR_TEXT(CKA_SR_APPROVALS, "1"),
		SR_TEXT(CKA_SR_EACH_USE, "true") };
	ck_assert_rv(p11->C_CreateObject(sr_admin(), policy, SR_COUNT(policy), &handle), CKR_OK);
	const char *const paths[] = { GUARDED, OTHER };
	for (size_t i = 0; i < SR_COUNT(paths); i++) {
		CK_ATTRIBUTE publics[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_STRING(CKA_LABEL, paths[i]),
			SR_ATTR(CKA_EC_PARAMS, p256) };
		CK_ATTRIBUTE privates[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_STRING(CKA_LABEL, paths[i]),
			SR_ATTR(CKA_SIGN, sr_yes), SR_ATTR(CKA_ALWAYS_AUTHENTICATE, sr_yes),
			SR_TEXT(CKA_SR_TIER, "sensitive") };
		if (sr_key(sr_admin(), CKO_PRIVATE_KEY, paths[i]) == 0)
			ck_assert_rv(p11->C_GenerateKeyPair(sr_admin(), &generate, publics, SR_COUNT(publics), privates,
					     SR_COUNT(privates), &public, &handle),
				CKR_OK);
	}
}

/* A program whose token was approved, and a signature that it has begun. */
static void start(void)
{
	char request[SR_REQUEST_MAX];
	sr_start();
	sr_approver_add();
	make();
	sr_token_asked("keys:sign:guarded/*", token, request);
	sr_decide(request, "approved");
	sr_place_write(sr_place.first, token);
	session = sr_open("first", CKF_RW_SESSION);
	ck_assert_rv(p11->C_Login(session, CKU_USER, NULL, 0), CKR_OK);
	key = sr_key(session, CKO_PRIVATE_KEY, GUARDED);
	ck_assert_uint_ne(key, 0);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, key), CKR_OK);
}

static CK_RV ask(void)
{
	return p11->C_Login(session, CKU_CONTEXT_SPECIFIC, NULL, 0);
}

static CK_RV sign(void)
{
	CK_BYTE signature[64];
	CK_ULONG len = sizeof signature;
	return p11->C_Sign(session, digest, sizeof digest, signature, &len);
}

START_TEST(one_approval_is_one_use)
{
	for (int i = 0; i < 2; i++) {
		ck_assert_rv(ask(), CKR_FUNCTION_REJECTED);
		ck_assert_uint_eq(sr_device_error(session), SR_REASON_APPROVAL_REQUIRED);
		ck_assert_rv(ask(), CKR_FUNCTION_REJECTED); /* the operation waits, and the request is the same */
		sr_decide_use(GUARDED, "approved");
		ck_assert_rv(ask(), CKR_OK);
		ck_assert_rv(sign(), CKR_OK);
		ck_assert_rv(p11->C_SignInit(session, &ecdsa, key), CKR_OK);
	}
	ck_assert_rv(sign(), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

START_TEST(denied)
{
	CK_OBJECT_HANDLE other = sr_key(session, CKO_PRIVATE_KEY, OTHER);
	ck_assert_rv(p11->C_SignInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, other), CKR_OK);
	ck_assert_rv(ask(), CKR_FUNCTION_REJECTED);
	sr_decide_use(OTHER, "denied");
	ck_assert_rv(ask(), CKR_FUNCTION_REJECTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_APPROVAL_DENIED);
	ck_assert_rv(sign(), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* An approval is for one key, and for whoever asked. */
START_TEST(not_for_another)
{
	char request[SR_REQUEST_MAX], second[SR_TOKEN_LEN + 1];
	ck_assert_rv(ask(), CKR_FUNCTION_REJECTED);
	sr_decide_use(GUARDED, "approved");
	sr_token_asked("keys:sign:guarded/*", second, request);
	sr_decide(request, "approved");
	sr_place_write(sr_place.second, second);
	CK_SESSION_HANDLE thief = sr_open("second", CKF_RW_SESSION);
	ck_assert_rv(p11->C_Login(thief, CKU_USER, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_SignInit(thief, &ecdsa, sr_key(thief, CKO_PRIVATE_KEY, GUARDED)), CKR_OK);
	ck_assert_rv(p11->C_Login(thief, CKU_CONTEXT_SPECIFIC, NULL, 0), CKR_FUNCTION_REJECTED);
	ck_assert_rv(ask(), CKR_OK);
	ck_assert_rv(sign(), CKR_OK);
}
END_TEST

/* A wrong credential asks for nothing. */
START_TEST(another_credential)
{
	CK_ULONG before = sr_events("approval.requested", "allowed", GUARDED);
	sr_place_write(sr_place.first, sr_place.reader);
	ck_assert_rv_in(ask(), CKR_PIN_INCORRECT, CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_events("approval.requested", "allowed", GUARDED), before);
}
END_TEST

Suite *sr_battery_each_use(void)
{
	Suite *suite = suite_create("battery: an approval for each use");
	TCase *tcase = sr_chapter(suite, "each use", start, sr_stop);
	tcase_add_test(tcase, one_approval_is_one_use);
	tcase_add_test(tcase, denied);
	tcase_add_test(tcase, not_for_another);
	tcase_add_test(tcase, another_credential);
	return suite;
}
