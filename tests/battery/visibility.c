/* Scope decides what an object looks like (design §3), and the audit tells of what was refused. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_ULONG denied(const char *path)
{
	return sr_events("secret.read", "denied", path);
}

static CK_ULONG delivered(const char *path)
{
	return sr_events("secret.read", "allowed", path);
}

/* -- scopes
 * ------------------------------------------------------------------------------------------------------------------ */
START_TEST(staging_and_production)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.staging);
	sr_is(session, sr_find(session, SR_STAGING), CKA_VALUE, SR_STAGING_VALUE);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_listed(session, SR_STRIPE), 0);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_uint_eq(sr_find(session, SR_STAGING), 0);
	ck_assert_uint_eq(sr_listed(session, SR_STAGING), 0);
}
END_TEST

/* What each action shows of SR_STRIPE: FOUND, whether its value is delivered. */
static const struct {
	const char *scope;
	bool found, value;
} actions[] = {
	{ "secrets:read:production/payments/stripe", true, true },
	{ "secrets:read:production/payments/*", true, true },
	{ "secrets:read:*", true, true },
	{ "secrets:*:*", true, true },
	{ "secrets:list:production/*", true, false },
	{ "secrets:write:production/*", true, false },
	{ "secrets:delete:production/*", true, false },
	{ "secrets:use:production/*", false, false },
	{ "secrets:read:production/payments", false, false },
	{ "secrets:read:production", false, false },
	{ "secrets:read:production/payments/strip", false, false },
	{ "secrets:read:staging/*", false, false },
	{ "keys:*:*", false, false },
	{ "tokens:issue:*", false, false },
};

START_TEST(each_action)
{
	char token[SR_TOKEN_LEN + 1];
	sr_token(actions[_i].scope, "60", NULL, token);
	CK_SESSION_HANDLE session = sr_as(token);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_int_eq(object != 0, actions[_i].found);
	if (!object)
		return;
	ck_assert_rv(sr_value(session, object), actions[_i].value ? CKR_OK : CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(sr_device_error(session), actions[_i].value ? SR_REASON_NONE : SR_REASON_OUT_OF_SCOPE);
}
END_TEST

/* secrets:write needs no read, and gives none. */
START_TEST(write_without_reading)
{
	char token[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE object;
	sr_token("secrets:write:production/drop/*", "60", NULL, token);
	CK_SESSION_HANDLE session = sr_as(token);
	ck_assert_rv(sr_put(session, "production/drop/one", "in", &object), CKR_OK);
	ck_assert_rv(sr_value(session, object), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_rv(sr_put(session, "production/drop/one", "again", &object), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(session, object), CKR_ACTION_PROHIBITED);
	sr_is(sr_admin(), sr_find(sr_admin(), "production/drop/one"), CKA_VALUE, "again");
}
END_TEST

/* A token issues tokens only with tokens:issue (delegation.c). */
START_TEST(a_token_issues_nothing)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE token;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv_in(sr_issue(session, "secrets:read:production/*", "60", NULL, string, &token),
		CKR_TEMPLATE_INCONSISTENT, CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
}
END_TEST

/* -- a tier above the clearance
 * ------------------------------------------------------------------------------------------------- */
START_TEST(tiers)
{
	static const char *const names[] = { "sensitive", "critical" };
	static const char *const scopes[] = { "secrets:read:tiers/s*", "secrets:read:tiers/c*" };
	static const char *const paths[] = { "tiers/sensitive", "tiers/critical" };
	CK_OBJECT_HANDLE made;
	char token[SR_TOKEN_LEN + 1];
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_STRING(CKA_LABEL, paths[_i]), SR_TEXT(CKA_VALUE, "guarded"), SR_STRING(CKA_SR_TIER, names[_i]) };
	sr_token(scopes[_i], "60", NULL, token); /* before there was anything that wants approval */
	ck_assert_rv(p11->C_CreateObject(sr_admin(), template, SR_COUNT(template), &made), CKR_OK);
	ck_assert_rv(sr_value(sr_admin(), made), CKR_ATTRIBUTE_SENSITIVE); /* tiers bind members too */
	CK_SESSION_HANDLE session = sr_as(token);
	CK_OBJECT_HANDLE object = sr_find(session, paths[_i]);
	sr_is(session, object, CKA_SR_TIER, names[_i]);
	ck_assert_rv(sr_value(session, object), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_APPROVAL_REQUIRED);
}
END_TEST

/* -- a search that finds nothing
 * -------------------------------------------------------------------------------------------------- */
/* By the same code and as one event, whether the object exists or not. */
START_TEST(one_denied_event)
{
	static const char *const paths[] = { SR_STAGING, "staging/payments/nothing-here", "production/nothing-here" };
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ULONG before = denied(paths[_i]);
	CK_OBJECT_HANDLE found;
	CK_ULONG count = 7;
	CK_ATTRIBUTE label = SR_STRING(CKA_LABEL, paths[_i]);
	ck_assert_rv(p11->C_FindObjectsInit(session, &label, 1), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, &found, 1, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_rv(p11->C_FindObjects(session, &found, 1, &count), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_NONE);
	ck_assert_uint_eq(denied(paths[_i]), before + 1);
}
END_TEST

static CK_OBJECT_HANDLE newest_denied(const char *path)
{
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_OBJECT_HANDLE found = 0;
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, class), SR_TEXT(CKA_SR_STATUS, "denied"),
		SR_STRING(CKA_SR_PATH, path), SR_TEXT(CKA_SR_LIMIT, "1") };
	ck_assert_uint_eq(sr_find_all(sr_admin(), query, SR_COUNT(query), &found, 1), 1);
	return found;
}

/* The two records differ in their number, time and path, and in nothing else. */
START_TEST(the_audit_has_no_second_way)
{
	static const CK_ATTRIBUTE_TYPE same[] = { CKA_SR_EVENT, CKA_SR_STATUS, CKA_SR_ACTOR_TYPE, CKA_SR_ACTOR_ID,
		CKA_SR_TOKEN_ID, CKA_SR_IP, CKA_SR_PEER, CKA_SR_FUNCTION, CKA_SR_RV, CKA_SR_REASON };
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_uint_eq(sr_find(session, SR_STAGING), 0);
	ck_assert_uint_eq(sr_find(session, "staging/payments/not-there"), 0);
	CK_OBJECT_HANDLE there = newest_denied(SR_STAGING), not_there = newest_denied("staging/payments/not-there");
	for (size_t i = 0; i < SR_COUNT(same); i++) {
		char text[256] = "";
		CK_ULONG len = sizeof text - 1;
		ck_assert_rv(sr_get(sr_admin(), there, same[i], text, &len), CKR_OK);
		sr_is(sr_admin(), not_there, same[i], text);
	}
	sr_is(sr_admin(), there, CKA_SR_FUNCTION, "C_FindObjectsInit");
	sr_is(sr_admin(), there, CKA_SR_REASON, "not_found");
	CK_ATTRIBUTE tier = { CKA_SR_RESOURCE_TIER, NULL, 0 };
	ck_assert_rv(p11->C_GetAttributeValue(sr_admin(), there, &tier, 1), CKR_ATTRIBUTE_TYPE_INVALID);
}
END_TEST

START_TEST(broader_searches_filter_silently)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ULONG before = denied("*");
	CK_ATTRIBUTE application = SR_TEXT(CKA_APPLICATION, "staging/payments");
	ck_assert_uint_eq(sr_find_all(session, &application, 1, NULL, 0), 0);
	ck_assert_uint_eq(sr_listed(session, SR_STAGING), 0);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(denied("*"), before);
}
END_TEST

/* -- read by listing
 * ---------------------------------------------------------------------------------------------------------------- */
/* `p11tool --list-all` fetches every value that it can: it gets none, and nothing is counted. */
START_TEST(listed_handle)
{
	char token[SR_TOKEN_LEN + 1];
	sr_token("secrets:read:production/*", "60", "1", token);
	CK_SESSION_HANDLE session = sr_as(token);
	CK_OBJECT_HANDLE object = sr_listed(session, SR_PAYPAL);
	CK_ULONG before = delivered(SR_PAYPAL), refused = denied(SR_PAYPAL), len = 5;
	for (int i = 0; i < 3; i++)
		ck_assert_rv(sr_value(session, object), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_READ_BY_LISTING);
	ck_assert_rv(sr_get(session, object, CKA_VALUE, NULL, &len), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(len, CK_UNAVAILABLE_INFORMATION);
	ck_assert_uint_eq(denied(SR_PAYPAL), refused);
	CK_OBJECT_HANDLE named = sr_find(session, SR_PAYPAL);
	sr_is(session, named, CKA_VALUE, SR_PAYPAL_VALUE);
	ck_assert_uint_eq(delivered(SR_PAYPAL), before + 1);
}
END_TEST

/* A label beside other criteria is a search that names it. */
START_TEST(named_with_more)
{
	CK_OBJECT_HANDLE found = 0;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_TEXT(CKA_LABEL, SR_PAYPAL),
		SR_ATTR(CKA_TOKEN, sr_yes) };
	ck_assert_uint_eq(sr_find_all(session, template, SR_COUNT(template), &found, 1), 1);
	sr_is(session, found, CKA_VALUE, SR_PAYPAL_VALUE);
}
END_TEST

START_TEST(read_by_listing_allowed)
{
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	sr_place_conf("read-by-listing = yes\n");
	ck_assert_rv(sr_initialize(), CKR_OK);
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	sr_is(session, sr_listed(session, SR_PAYPAL), CKA_VALUE, SR_PAYPAL_VALUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, sr_place.lister), CKR_OK);
	ck_assert_rv(sr_value(session, sr_listed(session, SR_PAYPAL)), CKR_ATTRIBUTE_SENSITIVE);
}
END_TEST

/* -- no search by value
 * ---------------------------------------------------------------------------------------------------------------- */
static CK_ULONG value_len = sizeof SR_STRIPE_VALUE - 1;

static const CK_ATTRIBUTE guesses[] = { SR_TEXT(CKA_VALUE, SR_STRIPE_VALUE), SR_TEXT(CKA_VALUE, "wrong"),
	SR_TEXT(CKA_CHECK_VALUE, "abc"), SR_ATTR(CKA_VALUE_LEN, value_len), SR_TEXT(CKA_PRIVATE_EXPONENT, "x"),
	SR_TEXT(CKA_PRIME_1, "x") };

START_TEST(guessing_a_value)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE template[] = { guesses[_i], SR_TEXT(CKA_LABEL, SR_STRIPE) };
	ck_assert_uint_eq(sr_find_all(session, template, 1, NULL, 0), 0);
	ck_assert_uint_eq(sr_find_all(session, template, 2, NULL, 0), 0);
}
END_TEST

/* -- CKA_PRIVATE
 * ------------------------------------------------------------------------------------------------------------------------
 */
/* pkcs11-tool sends CK_FALSE for data objects; either is accepted, and reads back true. */
START_TEST(private_either_way)
{
	CK_BBOOL given = _i ? CK_TRUE : CK_FALSE, is = 77;
	CK_ULONG len = sizeof is;
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_ATTR(CKA_PRIVATE, given), SR_TEXT(CKA_LABEL, "production/private"), SR_TEXT(CKA_VALUE, "v") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	ck_assert_rv(sr_get(session, made, CKA_PRIVATE, &is, &len), CKR_OK);
	ck_assert_int_eq(is, CK_TRUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_uint_eq(sr_find(session, "production/private"), 0);
}
END_TEST

/* -- the audit
 * ---------------------------------------------------------------------------------------------------------------------------
 */
START_TEST(every_delivery_is_recorded)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	CK_ULONG before = delivered(SR_STRIPE), len = 0;
	ck_assert_rv(sr_get(session, object, CKA_VALUE, NULL, &len), CKR_OK);
	ck_assert_uint_eq(delivered(SR_STRIPE), before);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_uint_eq(delivered(SR_STRIPE), before + 1);
}
END_TEST

START_TEST(no_secret_in_the_audit)
{
	char token[SR_TOKEN_LEN + 1], text[2048];
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_ATTRIBUTE query = SR_ATTR(CKA_CLASS, class);
	static CK_OBJECT_HANDLE all[4096];
	sr_token("secrets:read:production/*", "60", NULL, token);
	CK_SESSION_HANDLE session = sr_as(token);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	CK_ULONG count = sr_find_all(sr_admin(), &query, 1, all, SR_COUNT(all));
	ck_assert_uint_le(count, SR_COUNT(all));
	for (CK_ULONG i = 0; i < count; i++) {
		for (CK_ATTRIBUTE_TYPE type = CKA_SR_EVENT_ID; type <= CKA_SR_RESOURCE_TIER; type++) {
			CK_ULONG len = sizeof text;
			if (sr_get(sr_admin(), all[i], type, text, &len) != CKR_OK)
				continue;
			ck_assert_ptr_null(memmem(text, len, SR_STRIPE_VALUE, strlen(SR_STRIPE_VALUE)));
			ck_assert_ptr_null(memmem(text, len, token, SR_TOKEN_LEN));
			ck_assert_ptr_null(memmem(text, len, SR_PASSPHRASE, strlen(SR_PASSPHRASE)));
		}
	}
}
END_TEST

Suite *sr_battery_visibility(void)
{
	Suite *suite = suite_create("battery: visibility");
	TCase *tcase = sr_chapter(suite, "visibility", sr_start, sr_stop);
	tcase_add_test(tcase, staging_and_production);
	tcase_add_loop_test(tcase, each_action, 0, (int)SR_COUNT(actions));
	tcase_add_test(tcase, write_without_reading);
	tcase_add_test(tcase, a_token_issues_nothing);
	tcase_add_loop_test(tcase, tiers, 0, 2);
	tcase_add_loop_test(tcase, one_denied_event, 0, 3);
	tcase_add_test(tcase, the_audit_has_no_second_way);
	tcase_add_test(tcase, broader_searches_filter_silently);
	tcase_add_test(tcase, listed_handle);
	tcase_add_test(tcase, named_with_more);
	tcase_add_test(tcase, read_by_listing_allowed);
	tcase_add_loop_test(tcase, guessing_a_value, 0, (int)SR_COUNT(guesses));
	tcase_add_loop_test(tcase, private_either_way, 0, 2);
	tcase_add_test(tcase, every_delivery_is_recorded);
	tcase_add_test(tcase, no_secret_in_the_audit);
	return suite;
}
