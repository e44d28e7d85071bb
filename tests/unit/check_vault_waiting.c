/* Logins with a token that waits for its approval, over the real vault: what each state answers, and what whoever waits
 * with it hears. */
#include "tests/unit/approvals_expect.h"
#include "tests/unit/approvals_fixture.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include <string.h>

static char pin[64], id[SR_ID_MAX], request[SR_ID_MAX];

/* A token of the admin's that is pending. IPS: from where it is good; NULL: anywhere. */
static void ask_from(const char *ips)
{
	struct sr_token_row row;
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "600", .ips = ips, .approval = "true" };
	vault_login_admin(&team);
	expect(people_issue(&team, &wish, id, pin), CKR_OK, NONE);
	people_row(&team, id, &row);
	snprintf(request, sizeof(request), "%s", row.approval);
	ck_assert_str_ne(request, "");
	sr_token_row_clear(&row);
}

static void refused(CK_RV code, CK_ULONG reason)
{
	sr_error_clear(&team.err);
	ck_assert_uint_eq(vault_login(&team, pin), code);
	ck_assert_uint_eq(team.err.reason, reason);
	vault_login_admin(&team);
}

static struct sr_wait *begin_wait(const char *string)
{
	struct sr_caller caller = team.caller;
	caller.identity = NULL;
	return sr_wait_begin(&caller, string, strlen(string));
}

static bool goes_on(struct sr_wait *wait)
{
	return sr_wait_goes_on(&team.caller, wait);
}

START_TEST(pending_then_in_effect)
{
	ask_from(NULL);
	refused(CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED);
	struct sr_wait *wait = begin_wait(pin);
	ck_assert_ptr_nonnull(wait);
	ck_assert(goes_on(wait) && goes_on(wait));
	ck_assert_uint_eq(decide(as("bob"), request, "approved", NULL), CKR_OK);
	ck_assert(!goes_on(wait));
	sr_wait_end(wait);
	ck_assert_ptr_null(begin_wait(pin));
	ck_assert_int_eq(stand_of(request), SR_STAND_READY);
	expect(vault_login(&team, pin), CKR_OK, NONE);
	ck_assert_int_eq(stand_of(request), SR_STAND_IN_EFFECT);
}
END_TEST

START_TEST(denied_and_canceled)
{
	static const char *const states[] = { "denied", "canceled" };
	for (size_t i = 0; i < 2; i++) {
		ask_from(NULL);
		struct sr_wait *wait = begin_wait(pin);
		ck_assert_uint_eq(decide(as(i ? "admin" : "bob"), request, states[i], "no"), CKR_OK);
		ck_assert(!goes_on(wait));
		sr_wait_end(wait);
		refused(CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_DENIED);
	}
}
END_TEST

/* The login is who meets the timeout first, so it leaves the record. */
START_TEST(timed_out)
{
	ask_from(NULL);
	struct sr_wait *wait = begin_wait(pin);
	team_move(HOUR + 1, false);
	ck_assert(!goes_on(wait)); /* the clock alone */
	sr_wait_end(wait);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(team.err.reason, SR_REASON_APPROVAL_TIMED_OUT);
	vault_login_admin(&team);
	ck_assert_int_eq(vault_count(&team, CKO_SR_EVENT, CKA_SR_EVENT, "approval.timed_out"), 1);
	refused(CKR_FUNCTION_CANCELED, SR_REASON_APPROVAL_TIMED_OUT);
	ck_assert_int_eq(vault_count(&team, CKO_SR_EVENT, CKA_SR_EVENT, "approval.timed_out"), 1);
}
END_TEST

START_TEST(over)
{
	ask_from(NULL);
	ck_assert_uint_eq(decide(as("bob"), request, "approved", NULL), CKR_OK);
	expect(vault_login(&team, pin), CKR_OK, NONE);
	team_move(11 * MINUTE, false);
	refused(CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
}
END_TEST

/* From another place it is as good as unknown, and tells nothing of its approval. */
START_TEST(the_address_comes_first)
{
	ask_from("10.1.2.3");
	refused(CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED);
	ck_assert_ptr_null(begin_wait(pin));
}
END_TEST

START_TEST(what_does_not_wait)
{
	const struct wish wish = { .scopes = "secrets:read:a/*", .ttl = "600" };
	ask_from(NULL);
	struct sr_wait *wait = begin_wait(pin);
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&team.caller, id, &team.err), CKR_OK, NONE);
	ck_assert(!goes_on(wait)); /* it was revoked */
	sr_wait_end(wait);
	refused(CKR_PIN_LOCKED, SR_REASON_LOGIN_REFUSED);
	ck_assert_ptr_null(begin_wait(pin));
	expect(people_issue(&team, &wish, id, pin), CKR_OK, NONE);
	ck_assert_ptr_null(begin_wait(pin));
	ck_assert_ptr_null(begin_wait("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa"));
	ck_assert_ptr_null(begin_wait("admin:" PASSPHRASE));
	ck_assert_ptr_null(begin_wait(""));
}
END_TEST

Suite *sr_suite_vault_waiting(void)
{
	Suite *suite = suite_create("vault_waiting");
	TCase *tcase = tcase_create("vault_waiting");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, team_setup, team_teardown);
	tcase_add_test(tcase, pending_then_in_effect);
	tcase_add_test(tcase, denied_and_canceled);
	tcase_add_test(tcase, timed_out);
	tcase_add_test(tcase, over);
	tcase_add_test(tcase, the_address_comes_first);
	tcase_add_test(tcase, what_does_not_wait);
	suite_add_tcase(suite, tcase);
	return suite;
}
