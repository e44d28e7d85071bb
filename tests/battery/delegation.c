/* Tokens that are issued with tokens, by C_CreateObject: what is granted, refused, seen, and what ends with its issuer.
 */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

#define PRODUCTION "secrets:read:production/*"
#define DELEGATOR PRODUCTION "\ntokens:issue:production/*"
/* Two scopes to issue, so that the right itself is passed on. */
#define ENDLESS PRODUCTION "\ntokens:issue:production/*\ntokens:issue:production/**"

static CK_OBJECT_CLASS token_class = CKO_SR_TOKEN;

/* A session of the default slot with a token by the admin; HANDLE is the admin's. */
static CK_SESSION_HANDLE as_delegator(const char *scopes, CK_OBJECT_HANDLE *handle)
{
	char string[SR_TOKEN_LEN + 1];
	*handle = sr_token(scopes, "600", NULL, string);
	return sr_as(string);
}

static CK_OBJECT_HANDLE issue(CK_SESSION_HANDLE session, const char *scopes, char string[SR_TOKEN_LEN + 1])
{
	CK_OBJECT_HANDLE handle;
	ck_assert_rv(sr_issue(session, scopes, "60", NULL, string, &handle), CKR_OK);
	return handle;
}

/* In the same slot: one login after the other. */
static CK_SESSION_HANDLE log_in_next(CK_SESSION_HANDLE session, const char *string)
{
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, string), CKR_OK);
	return session;
}

/* How many tokens the session sees, in STATE or (NULL) in any. */
static CK_ULONG tokens_seen(CK_SESSION_HANDLE session, const char *state)
{
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, token_class),
		{ CKA_SR_STATE, (void *)state, state ? strlen(state) : 0 } };
	return sr_find_all(session, query, SR_COUNT(query) - !state, NULL, 0);
}

START_TEST(a_child_reads_what_it_was_given)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE parent;
	CK_SESSION_HANDLE session = as_delegator(DELEGATOR, &parent);
	issue(session, "secrets:read:" SR_STRIPE, string);
	log_in_next(session, string);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_uint_eq(sr_find(session, SR_PAYPAL), 0);
	ck_assert_rv(
		sr_issue(session, "secrets:read:" SR_STRIPE, "60", NULL, string, &parent), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
}
END_TEST

static const struct {
	const char *scopes, *ttl, *uses;
	CK_RV rv;
	CK_ULONG reason;
} requests[] = {
	{ "secrets:read:production/payments/*", "60", NULL, CKR_OK, SR_REASON_NONE },
	{ "secrets:read:production/payments/*", "86400", "5", CKR_OK, SR_REASON_NONE },
	{ "secrets:write:production/payments/*", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING },
	{ "secrets:read:*", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING },
	{ "secrets:read:" SR_STAGING, "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING },
	{ "tokens:issue:production/*", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BEYOND_CEILING },
	{ "secrets:read:production/*", "86401", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE },
};

START_TEST(what_is_wider_is_refused)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE parent, child;
	CK_SESSION_HANDLE session = as_delegator(DELEGATOR, &parent);
	ck_assert_rv(sr_issue(session, requests[_i].scopes, requests[_i].ttl, requests[_i].uses, string, &child),
		requests[_i].rv);
	ck_assert_uint_eq(sr_device_error(session), requests[_i].reason);
	ck_assert_uint_eq(tokens_seen(session, NULL), requests[_i].rv == CKR_OK);
}
END_TEST

START_TEST(a_child_shows_where_it_comes_from)
{
	char string[SR_TOKEN_LEN + 1], id[32] = "", issuer[48] = "token:";
	CK_OBJECT_HANDLE parent;
	CK_ULONG len = sizeof id - 1;
	CK_SESSION_HANDLE session = as_delegator(DELEGATOR, &parent);
	ck_assert_rv(sr_get(sr_admin(), parent, CKA_SR_ID, id, &len), CKR_OK);
	strcat(issuer, id);
	CK_OBJECT_HANDLE child = issue(session, PRODUCTION, string);
	sr_is(session, child, CKA_SR_PARENT, id);
	sr_is(session, child, CKA_SR_ISSUER, issuer);
	sr_is(session, child, CKA_SR_OWNER, SR_ADMIN);
	sr_is(session, child, CKA_SR_STATE, "active");
}
END_TEST

/* In the session of its issuer: seen, found, revoked; and of nobody else's. */
START_TEST(its_issuer_ends_it)
{
	char strings[2][SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE parent;
	CK_SESSION_HANDLE session = as_delegator(DELEGATOR, &parent);
	CK_OBJECT_HANDLE child = issue(session, PRODUCTION, strings[0]);
	issue(session, PRODUCTION, strings[1]);
	ck_assert_uint_eq(tokens_seen(session, "active"), 2);
	ck_assert_rv(p11->C_DestroyObject(session, child), CKR_OK);
	ck_assert_uint_eq(tokens_seen(session, NULL), 2);
	ck_assert_uint_eq(tokens_seen(session, "revoked"), 1);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, strings[0]), CKR_PIN_LOCKED);
	ck_assert_rv(sr_login(session, strings[1]), CKR_OK);
	ck_assert_uint_eq(tokens_seen(session, NULL), 0);
}
END_TEST

START_TEST(a_line_ends_with_its_first)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE first, more;
	CK_SESSION_HANDLE session = as_delegator(ENDLESS, &first);
	for (int i = 0; i < 4; i++) {
		issue(session, ENDLESS, string);
		log_in_next(session, string);
	}
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(sr_issue(session, PRODUCTION, "60", NULL, string, &more), CKR_TOKEN_WRITE_PROTECTED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_BEYOND_CEILING);
	sr_revoke(first);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_uint_eq(sr_state(session), CKS_RW_PUBLIC_SESSION);
}
END_TEST

START_TEST(a_use_counts_above)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE parent = sr_token(DELEGATOR, "600", "2", string);
	CK_SESSION_HANDLE session = sr_as(string);
	issue(session, PRODUCTION, string);
	log_in_next(session, string);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	sr_is(sr_admin(), parent, CKA_SR_USES, "1");
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
	ck_assert_rv(sr_value(session, object), CKR_USER_NOT_LOGGED_IN);
	sr_is(sr_admin(), parent, CKA_SR_STATE, "used_up");
}
END_TEST

/* A member's wish for approval, where none is needed. */
START_TEST(a_token_that_waits)
{
	char string[SR_TOKEN_LEN + 1];
	CK_ULONG len = SR_TOKEN_LEN;
	CK_OBJECT_HANDLE token;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, token_class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_SR_SCOPES, PRODUCTION), SR_TEXT(CKA_SR_TTL, "60"),
		SR_TEXT(CKA_SR_REQUIRE_APPROVAL, "true") };
	ck_assert_rv(p11->C_CreateObject(sr_admin(), template, SR_COUNT(template), &token), CKR_OK);
	ck_assert_rv(sr_get(sr_admin(), token, CKA_VALUE, string, &len), CKR_OK);
	string[SR_TOKEN_LEN] = '\0';
	sr_is(sr_admin(), token, CKA_SR_STATE, "pending");
	ck_assert_rv_in(sr_login(sr_rw(), string), CKR_FUNCTION_REJECTED, CKR_PIN_LOCKED);
	ck_assert_uint_eq(tokens_seen(sr_admin(), "pending"), 1);
	sr_revoke(token);
	ck_assert_uint_eq(tokens_seen(sr_admin(), "pending"), 0);
}
END_TEST

Suite *sr_battery_delegation(void)
{
	Suite *suite = suite_create("battery: delegation");
	TCase *tcase = sr_chapter(suite, "delegation", sr_start, sr_stop);
	tcase_add_test(tcase, a_child_reads_what_it_was_given);
	tcase_add_loop_test(tcase, what_is_wider_is_refused, 0, (int)SR_COUNT(requests));
	tcase_add_test(tcase, a_child_shows_where_it_comes_from);
	tcase_add_test(tcase, its_issuer_ends_it);
	tcase_add_test(tcase, a_line_ends_with_its_first);
	tcase_add_test(tcase, a_use_counts_above);
	tcase_add_test(tcase, a_token_that_waits);
	return suite;
}
