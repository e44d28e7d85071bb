/* A login that ends by itself (design §3): every session of the slot is a public one at the next call; what was private
 * is answered CKR_USER_NOT_LOGGED_IN once, then its handle is invalid; C_Login is allowed again. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>
#include <time.h>

#define PRODUCTION "secrets:*:production/*"

static CK_SESSION_HANDLE session, other;
static CK_OBJECT_HANDLE object, token;
static char string[SR_TOKEN_LEN + 1];

/* A running program: two sessions, one of them with a handle that it has used. */
static void begin(const char *ttl, const char *uses)
{
	token = sr_token(PRODUCTION, ttl, uses, string);
	session = sr_as(string);
	other = sr_open(SR_VAULT, 0);
	object = sr_find(session, SR_STRIPE);
	ck_assert_uint_ne(object, 0);
}

static void let_expire(void)
{
	nanosleep(&(struct timespec){ .tv_sec = 2, .tv_nsec = 100000000 }, NULL);
}

static void check_public(void)
{
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_state(other), CKS_RO_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_find(other, SR_STRIPE), 0);
}

static void check_lapsed_handle(void)
{
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
}

static void check_new_login(void)
{
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	ck_assert_uint_eq(sr_state(other), CKS_RO_USER_FUNCTIONS);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}

/* -- expiry
 * -------------------------------------------------------------------------------------------------------------- */
START_TEST(expiry)
{
	begin("2", NULL);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	let_expire();
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_EXPIRED);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_NOT_FOUND);
	check_public();
	check_new_login();
}
END_TEST

START_TEST(session_info_tells_first)
{
	begin("2", NULL);
	let_expire();
	check_public();
	check_lapsed_handle();
	check_new_login();
}
END_TEST

/* Whatever names the handle first gets the one answer. */
static CK_RV get_size(void)
{
	CK_ULONG size;
	return p11->C_GetObjectSize(session, object, &size);
}

static CK_RV set_value(void)
{
	CK_ATTRIBUTE value = SR_TEXT(CKA_VALUE, "new");
	return p11->C_SetAttributeValue(session, object, &value, 1);
}

static CK_RV copy(void)
{
	CK_OBJECT_HANDLE made;
	return p11->C_CopyObject(session, object, NULL, 0, &made);
}

static CK_RV destroy(void)
{
	return p11->C_DestroyObject(session, object);
}

static CK_RV get_label(void)
{
	CK_ATTRIBUTE label = { CKA_LABEL, NULL, 0 };
	return p11->C_GetAttributeValue(session, object, &label, 1);
}

static CK_RV (*const calls[])(void) = { get_size, set_value, copy, destroy, get_label };

START_TEST(every_call_with_a_handle)
{
	begin("3600", NULL);
	sr_revoke(token);
	ck_assert_rv(calls[_i](), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(calls[_i](), CKR_OBJECT_HANDLE_INVALID);
	check_new_login();
}
END_TEST

START_TEST(create_after_lapse)
{
	CK_OBJECT_HANDLE made;
	begin("3600", NULL);
	sr_revoke(token);
	ck_assert_rv(sr_put(session, "production/after", "value", &made), CKR_USER_NOT_LOGGED_IN);
	check_new_login();
	ck_assert_uint_eq(sr_find(session, "production/after"), 0);
}
END_TEST

START_TEST(cleaning_up_succeeds)
{
	begin("3600", NULL);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	sr_revoke(token);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(p11->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(other), CKR_OK);
}
END_TEST

START_TEST(search_finds_nothing_more)
{
	CK_OBJECT_HANDLE found;
	CK_ULONG count = 7;
	begin("3600", NULL);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, &found, 1, &count), CKR_OK);
	ck_assert_uint_eq(count, 1);
	sr_revoke(token);
	ck_assert_rv(p11->C_FindObjects(session, &found, 1, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	check_lapsed_handle();
}
END_TEST

/* -- revocation, from another slot and from another process
 * -------------------------------------------------------------- */
START_TEST(revocation)
{
	begin("3600", NULL);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	sr_revoke(token);
	check_lapsed_handle();
	check_public();
	check_new_login();
}
END_TEST

START_TEST(revocation_by_the_tool)
{
	char id[64] = "";
	CK_ULONG len = sizeof id - 1;
	begin("3600", NULL);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(sr_get(sr_admin(), token, CKA_SR_ID, id, &len), CKR_OK);
	const char *const revoke[] = { "token", "revoke", id, NULL };
	ck_assert_int_eq(sr_tool(revoke), 0);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_REVOKED);
	check_public();
	ck_assert_rv(sr_login(session, string), CKR_PIN_LOCKED);
	check_new_login();
}
END_TEST

/* -- uses
 * ---------------------------------------------------------------------------------------------------------------- */
START_TEST(uses)
{
	begin("3600", "2");
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_uint_eq(sr_state(session), CKS_RW_USER_FUNCTIONS);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE); /* the last use completes */
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_USED_UP);
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
	check_public();
	check_new_login();
}
END_TEST

/* Only a value that is delivered counts. */
START_TEST(what_costs_no_use)
{
	char small[4], label[512];
	CK_ULONG size;
	CK_ATTRIBUTE too_small[] = { { CKA_VALUE, small, sizeof small }, { CKA_LABEL, label, sizeof label } };
	CK_ATTRIBUTE length = { CKA_VALUE, NULL, 0 };
	begin("3600", "1");
	for (int i = 0; i < 3; i++) {
		ck_assert_rv(p11->C_GetAttributeValue(session, object, &length, 1), CKR_OK);
		ck_assert_uint_eq(length.ulValueLen, strlen(SR_STRIPE_VALUE));
		too_small[0].ulValueLen = sizeof small;
		ck_assert_rv(p11->C_GetAttributeValue(session, object, too_small, 2), CKR_BUFFER_TOO_SMALL);
		ck_assert_rv(p11->C_GetObjectSize(session, object, &size), CKR_OK);
		ck_assert_uint_gt(sr_find_all(session, NULL, 0, NULL, 0), 0);
		ck_assert_rv(sr_value(session, sr_listed(session, SR_PAYPAL)), CKR_ATTRIBUTE_SENSITIVE);
	}
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* -- session objects
 * ------------------------------------------------------------------------------------------------------ */
START_TEST(session_objects)
{
	CK_OBJECT_HANDLE private, public;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_PRIVATE, sr_yes),
		SR_TEXT(CKA_VALUE, "mine") };
	begin("3600", NULL);
	ck_assert_rv(p11->C_CreateObject(session, template, 3, &private), CKR_OK);
	template[1].pValue = &sr_no;
	ck_assert_rv(p11->C_CreateObject(session, template, 3, &public), CKR_OK);
	sr_revoke(token);
	ck_assert_rv(sr_value(session, private), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_value(session, private), CKR_OBJECT_HANDLE_INVALID);
	sr_is(session, public, CKA_VALUE, "mine");
}
END_TEST

/* -- a signature in parts ---------------------------------------------------------------------------------------- */
#define SIGNER "lapse/signer"

static void make_signer(void)
{
	static CK_ULONG bits = 2048;
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE publics[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_LABEL, SIGNER),
		SR_ATTR(CKA_MODULUS_BITS, bits) };
	CK_ATTRIBUTE privates[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_LABEL, SIGNER), SR_ATTR(CKA_SIGN, sr_yes) };
	CK_OBJECT_HANDLE public, private;
	if (sr_key(sr_admin(), CKO_PRIVATE_KEY, SIGNER) == 0)
		ck_assert_rv(p11->C_GenerateKeyPair(sr_admin(), &generate, publics, SR_COUNT(publics), privates,
				     SR_COUNT(privates), &public, &private),
			CKR_OK);
}

static void begin_signature(void)
{
	CK_MECHANISM sha256_rsa = { CKM_SHA256_RSA_PKCS, NULL, 0 };
	ck_assert_rv(p11->C_SignInit(session, &sha256_rsa, sr_key(session, CKO_PRIVATE_KEY, SIGNER)), CKR_OK);
	ck_assert_rv(p11->C_SignUpdate(session, (CK_BYTE_PTR) "begun", 5), CKR_OK);
}

static CK_RV finish_signature(void)
{
	static const CK_BYTE untouched[256];
	CK_BYTE signature[256] = { 0 };
	CK_ULONG len = sizeof signature;
	CK_RV rv = p11->C_SignFinal(session, signature, &len);
	if (rv != CKR_OK)
		ck_assert_mem_eq(signature, untouched, sizeof untouched);
	return rv;
}

/* It ends between the parts: by its TTL, by the end of what was approved, by revocation. */
START_TEST(in_the_midst_of_a_signature)
{
	char request[SR_REQUEST_MAX];
	make_signer();
	if (_i == 1) {
		sr_approver_add();
		sr_token_asked_for("keys:sign:lapse/*", "2", string, request);
	} else {
		token = sr_token("keys:sign:lapse/*", _i == 0 ? "2" : "3600", NULL, string);
	}
	if (_i == 1)
		sr_decide(request, "approved");
	session = sr_as(string);
	other = sr_open(SR_VAULT, 0);
	CK_ULONG used = sr_events("key.used", "allowed", SIGNER), lapses = sr_events("token.expired", "denied", NULL);
	begin_signature();
	if (_i == 2)
		sr_revoke(token);
	else
		let_expire();
	ck_assert_rv(finish_signature(), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_device_error(session), _i == 2 ? SR_REASON_REVOKED : SR_REASON_EXPIRED);
	ck_assert_rv_in(finish_signature(), CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
	ck_assert_uint_eq(sr_events("key.used", "allowed", SIGNER), used);
	ck_assert_uint_eq(sr_events("token.expired", "denied", NULL), lapses + 1);
}
END_TEST

/* -- one signature after the other ------------------------------------------------------------------------------- */
static CK_RV begin_whole(void)
{
	CK_MECHANISM sha256_rsa = { CKM_SHA256_RSA_PKCS, NULL, 0 };
	return p11->C_SignInit(session, &sha256_rsa, object);
}

static CK_RV sign_whole(void)
{
	CK_BYTE signature[256];
	CK_ULONG len = sizeof signature;
	return p11->C_Sign(session, (CK_BYTE_PTR) "whole", 5, signature, &len);
}

static void begin_signing(const char *limit)
{
	make_signer();
	token = sr_token("keys:sign:lapse/*", "3600", limit, string);
	session = sr_as(string);
	object = sr_key(session, CKO_PRIVATE_KEY, SIGNER);
	ck_assert_rv(begin_whole(), CKR_OK);
	ck_assert_rv(sign_whole(), CKR_OK);
}

/* A use that is counted is never begun on credit. */
START_TEST(signatures_use_it_up)
{
	begin_signing("2");
	ck_assert_rv(begin_whole(), CKR_OK);
	ck_assert_rv(sign_whole(), CKR_OK);
	ck_assert_rv(begin_whole(), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_USED_UP);
	ck_assert_rv(sign_whole(), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* By another program, right after a signature: over a wire C_SignInit may not know it yet (docs/wire.md). */
START_TEST(nothing_is_signed_after_a_revocation)
{
	char id[64] = "";
	CK_ULONG len = sizeof id - 1;
	begin_signing(NULL);
	ck_assert_rv(sr_get(sr_admin(), token, CKA_SR_ID, id, &len), CKR_OK);
	const char *const revoke[] = { "token", "revoke", id, NULL };
	CK_ULONG used = sr_events("key.used", "allowed", SIGNER);
	ck_assert_int_eq(sr_tool(revoke), 0);
	CK_RV rv = begin_whole();
	ck_assert_rv(rv == CKR_OK ? sign_whole() : rv, CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sign_whole(), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_uint_eq(sr_events("key.used", "allowed", SIGNER), used);
}
END_TEST

START_TEST(a_key_that_is_gone_signs_nothing)
{
	begin_signing(NULL);
	CK_OBJECT_HANDLE key = sr_key(sr_admin(), CKO_PRIVATE_KEY, SIGNER);
	ck_assert_rv(begin_whole(), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(sr_admin(), key), CKR_OK);
	ck_assert_rv(sign_whole(), CKR_FUNCTION_CANCELED);
	ck_assert_rv(begin_whole(), CKR_KEY_HANDLE_INVALID);
}
END_TEST

/* The slots of an application have nothing to do with each other. */
START_TEST(one_slot_only)
{
	begin("3600", NULL);
	sr_revoke(token);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_state(sr_admin()), CKS_RW_USER_FUNCTIONS);
	ck_assert_uint_ne(sr_find(sr_admin(), SR_STRIPE), 0);
}
END_TEST

Suite *sr_battery_lapse(void)
{
	Suite *suite = suite_create("battery: lapse");
	TCase *tcase = sr_chapter(suite, "lapse", sr_start, sr_stop);
	tcase_add_test(tcase, expiry);
	tcase_add_test(tcase, session_info_tells_first);
	tcase_add_loop_test(tcase, every_call_with_a_handle, 0, (int)SR_COUNT(calls));
	tcase_add_test(tcase, create_after_lapse);
	tcase_add_test(tcase, cleaning_up_succeeds);
	tcase_add_test(tcase, search_finds_nothing_more);
	tcase_add_test(tcase, revocation);
	tcase_add_test(tcase, revocation_by_the_tool);
	tcase_add_test(tcase, uses);
	tcase_add_test(tcase, what_costs_no_use);
	tcase_add_test(tcase, session_objects);
	tcase_add_loop_test(tcase, in_the_midst_of_a_signature, 0, 3);
	tcase_add_test(tcase, signatures_use_it_up);
	tcase_add_test(tcase, nothing_is_signed_after_a_revocation);
	tcase_add_test(tcase, a_key_that_is_gone_signs_nothing);
	tcase_add_test(tcase, one_slot_only);
	return suite;
}
