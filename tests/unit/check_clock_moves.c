/* Somebody sets the wall clock, within a boot and across boots, under a real vault: nothing lasts longer, nothing comes
 * back, nothing comes early; and how an admin makes a vault whole again that has seen a clock years ahead. */
#include "suites.h"
#include "vault_place.h"

#include "vault/approval.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define MINUTE 60000ll
#define HOUR (60 * MINUTE)
#define YEAR (365 * 24 * HOUR)

static struct vault_place place;

static void start(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
}

static void stop(void)
{
	vault_place_remove(&place);
}

static void expect(CK_RV rv, CK_RV code, CK_ULONG reason)
{
	ck_assert_msg(rv == code, "%s: %s", sr_rv_name(rv), place.err.text);
	ck_assert_msg(place.err.reason == reason, "%s", sr_reason_name(place.err.reason));
}

static CK_RV check(void)
{
	sr_error_clear(&place.err);
	return sr_identity_check(&place.caller, &place.err);
}

/* A token for what is under a; the admin is who is logged in before and after. */
static void issue(const char *ttl, char pin[64])
{
	expect(vault_issue(&place, "secrets:read:a/*", ttl, NULL, NULL, pin), CKR_OK, SR_REASON_NONE);
}

static void expect_login(const char *pin, CK_RV code, CK_ULONG reason)
{
	expect(vault_login(&place, pin), code, reason);
}

/* What a job of this kind answers; RESULT holds 512 bytes. */
static CK_RV run_job(const char *kind, char *result)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_JOB);
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err);
	const struct sr_attr *text = sr_attrs_find(&created.held, CKA_SR_RESULT);
	snprintf(result, 512, "%.*s", text ? (int)text->len : 0, text ? (const char *)text->value : "");
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static void expect_sound_audit(void)
{
	char result[512];
	expect(run_job("audit-verify", result), CKR_OK, SR_REASON_NONE);
	ck_assert_msg(strstr(result, "\"ok\":true"), "%s", result);
}

static int events(const char *name)
{
	return vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, name);
}

/* -- nothing lasts longer ---------------------------------------------------------------------------------------- */

static const int64_t moves[] = { MINUTE, -MINUTE, HOUR, -HOUR, 10 * YEAR, -10 * YEAR };

START_TEST(within_a_boot_a_token_ends_by_the_boot_clock)
{
	char pin[64];
	expect(vault_put(&place, "a/b", "value", NULL), CKR_OK, SR_REASON_NONE);
	issue("600", pin);
	vault_clock_move(moves[_i], 0, false);
	expect_login(pin, CKR_OK, SR_REASON_NONE);
	vault_clock_move(0, 599000, false);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, SR_REASON_NONE);
	vault_clock_move(0, 1000, false);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, SR_REASON_EXPIRED);
	expect_login(pin, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	vault_clock_move(-2 * moves[_i], 0, false); /* and no clock brings it back */
	expect_login(pin, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	expect(check(), CKR_USER_NOT_LOGGED_IN, SR_REASON_EXPIRED);
}
END_TEST

/* Each row: the clock in the next boot, against the moment of issue; the token was for 10 minutes. */
static const struct {
	int64_t wall_ms;
	CK_RV rv;
} boots[] = {
	{ 0, CKR_OK },
	{ 9 * MINUTE, CKR_OK },
	{ 10 * MINUTE + 1000, CKR_PIN_EXPIRED },
	{ 10 * YEAR, CKR_PIN_EXPIRED },
	{ -MINUTE, CKR_OK }, /* as clocks are set by a network */
	{ -6 * MINUTE, CKR_PIN_EXPIRED },
	{ -10 * YEAR, CKR_PIN_EXPIRED },
};

START_TEST(across_boots_the_newest_record_bounds_the_clock)
{
	char pin[64];
	issue("600", pin);
	vault_clock_move(boots[_i].wall_ms, 0, true);
	CK_ULONG reason = boots[_i].rv == CKR_OK ? SR_REASON_NONE : SR_REASON_LOGIN_REFUSED;
	expect_login(pin, boots[_i].rv, reason);
	if (boots[_i].wall_ms < 10 * MINUTE)
		return;
	/* The refusal has left a record: going back to the time before the end brings nothing back. */
	vault_clock_move(MINUTE - boots[_i].wall_ms, 0, true);
	expect_login(pin, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
}
END_TEST

START_TEST(a_member_is_out_after_eight_hours)
{
	vault_clock_move(moves[_i], 0, false);
	for (int i = 0; i < 34; i++) { /* never idle */
		expect(check(), CKR_OK, SR_REASON_NONE);
		vault_clock_move(0, 14 * MINUTE, false);
	}
	expect(check(), CKR_OK, SR_REASON_NONE);
	vault_clock_move(-moves[_i], 4 * MINUTE, false); /* 480 minutes */
	expect(check(), CKR_USER_NOT_LOGGED_IN, SR_REASON_EXPIRED);
}
END_TEST

START_TEST(an_idle_member_is_out)
{
	vault_clock_move(moves[_i], 14 * MINUTE, false);
	expect(check(), CKR_OK, SR_REASON_NONE);
	vault_clock_move(-moves[_i], 15 * MINUTE + 1000, false);
	expect(check(), CKR_USER_NOT_LOGGED_IN, SR_REASON_EXPIRED);
}
END_TEST

/* -- nothing comes early ----------------------------------------------------------------------------------------- */

/* Five minutes of delay after the last approval, and a day to be used in. */
START_TEST(a_delay_is_not_shortened)
{
	struct sr_moment at = { .event_id = 0 };
	sr_clock_now(&at.now);
	at.not_before_ms = at.now.wall_ms;
	struct sr_approval_row row = { .state = SR_APPROVAL_APPROVED,
		.delay_ms = 5 * MINUTE,
		.ready = sr_end_after(&at.now, 5 * MINUTE),
		.end = sr_end_after(&at.now, 24 * HOUR) };
	vault_clock_move(moves[_i], 5 * MINUTE - 1000, false);
	sr_clock_now(&at.now);
	ck_assert_int_eq(sr_approval_stand(&row, &at), SR_STAND_DELAYED);
	vault_clock_move(0, 2000, false);
	sr_clock_now(&at.now);
	ck_assert_int_eq(sr_approval_stand(&row, &at), SR_STAND_READY);
	vault_clock_move(HOUR, HOUR, true); /* in another boot it never is */
	sr_clock_now(&at.now);
	ck_assert_int_ne(sr_approval_stand(&row, &at), SR_STAND_READY);
	ck_assert_int_ne(sr_approval_stand(&row, &at), SR_STAND_IN_EFFECT);
}
END_TEST

/* -- events ------------------------------------------------------------------------------------------------------ */

START_TEST(each_jump_is_one_event)
{
	static const struct {
		int64_t wall_ms;
		int jumps;
	} rows[] = { { MINUTE, 0 }, { -4 * MINUTE, 0 }, { 6 * MINUTE, 1 }, { -6 * MINUTE, 2 }, { 10 * YEAR, 3 },
		{ -10 * YEAR, 4 }, { -2 * YEAR, 5 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		vault_clock_move(rows[i].wall_ms, 0, false);
		for (int again = 0; again < 2; again++)
			ck_assert_int_eq(events("vault.clock_jumped"), rows[i].jumps);
	}
	expect_sound_audit();
}
END_TEST

/* -- years ahead, and back --------------------------------------------------------------------------------------- */

/* A record of a time that comes in ten years, and the clock right again. */
static void see_the_future(void)
{
	vault_clock_move(10 * YEAR, 0, false);
	expect(vault_put(&place, "a/b", "value", NULL), CKR_OK, SR_REASON_NONE);
	vault_clock_move(-10 * YEAR, 0, false);
}

static void expect_usable(const char *pin)
{
	expect_login(pin, CKR_OK, SR_REASON_NONE);
	expect(vault_get(&place, "a/b", NULL), CKR_OK, SR_REASON_NONE);
	vault_login_admin(&place);
}

START_TEST(the_vault_works_within_the_boot)
{
	char before[64], after[64];
	issue("3600", before);
	see_the_future();
	issue("600", after);
	expect_usable(before);
	expect_usable(after);
	vault_clock_move(0, 600000, false);
	expect_login(after, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	expect_usable(before);
	vault_clock_move(0, -600000, true); /* and in the next boot for tokens of that boot alone */
	expect_login(before, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	vault_login_admin(&place);
	issue("600", after);
	expect_usable(after);
	expect_sound_audit();
}
END_TEST

START_TEST(an_admin_accepts_the_clock)
{
	char old[64], fresh[64], result[512];
	issue("86400", old);
	see_the_future();
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	ck_assert_msg(strstr(result, "\"was\":\"20") && strstr(result, "\"now\":\"20"), "%s", result);
	ck_assert_int_eq(events("vault.clock_accepted"), 1);
	expect(check(), CKR_OK, SR_REASON_NONE);
	expect_login(old, CKR_PIN_LOCKED, SR_REASON_LOGIN_REFUSED); /* all tokens are revoked */
	ck_assert_int_eq(vault_count(&place, CKO_SR_TOKEN, CKA_SR_STATE, "revoked"), 1);
	issue("600", fresh);
	expect_usable(fresh);
	expect_sound_audit();
	vault_place_reopen(&place);
	vault_clock_move(MINUTE, 0, true); /* whole again across boots */
	vault_login_admin(&place);
	expect_usable(fresh);
	expect_login(old, CKR_PIN_LOCKED, SR_REASON_LOGIN_REFUSED);
	expect_sound_audit();
}
END_TEST

/* Who is logged in with a token finds that out at the next call, whatever it had found before. */
START_TEST(a_token_in_use_ends_with_it)
{
	struct sr_identity *admin, *token;
	char pin[64], result[512];
	issue("600", pin);
	see_the_future();
	admin = sr_identity_ref(place.caller.identity);
	expect_login(pin, CKR_OK, SR_REASON_NONE);
	expect(check(), CKR_OK, SR_REASON_NONE);
	token = place.caller.identity;
	place.caller.identity = admin;
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	place.caller.identity = token;
	expect(check(), CKR_USER_NOT_LOGGED_IN, SR_REASON_REVOKED);
	expect(vault_get(&place, "a/b", NULL), CKR_USER_NOT_LOGGED_IN, SR_REASON_REVOKED);
	sr_identity_unref(admin);
}
END_TEST

/* An agent added, or given a new key (GRACE), by the present clock. PIN holds 64 bytes. */
static void make_agent(const char *name, const char *ttl, const char *grace, char *pin)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_AGENT);
	sr_attrs_put_text(&template, CKA_SR_NAME, name);
	if (grace)
		sr_attrs_put_text(&template, CKA_SR_GRACE, grace);
	else
		sr_attrs_put_text(&template, CKA_SR_SCOPES, "secrets:read:a/*");
	if (ttl)
		sr_attrs_put_text(&template, CKA_SR_TTL, ttl);
	expect(sr_class_find(CKO_SR_AGENT)->create(&place.caller, &template, &created, &place.err), CKR_OK,
		SR_REASON_NONE);
	snprintf(pin, 64, "%s", sr_buf_string(&created.once));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

/* What the clock of the future gave an end has none that anybody knows: it is over. The rest goes on. */
START_TEST(an_agent_of_the_future_has_ended)
{
	char endless[64], before[64], then[64], next[64], result[512];
	make_agent("endless", NULL, NULL, endless);
	make_agent("before", "86400", NULL, before);
	vault_clock_move(10 * YEAR, 0, false);
	make_agent("then", "86400", NULL, then);
	make_agent("endless", NULL, "3600", next);
	expect_login(endless, CKR_OK, SR_REASON_NONE); /* the grace, within this boot */
	expect_login(then, CKR_OK, SR_REASON_NONE);
	vault_clock_move(MINUTE - 10 * YEAR, 0, true);
	vault_login_admin(&place);
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	expect_login(endless, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	expect_login(then, CKR_PIN_EXPIRED, SR_REASON_LOGIN_REFUSED);
	expect_login(next, CKR_OK, SR_REASON_NONE);
	expect_login(before, CKR_OK, SR_REASON_NONE);
	vault_login_admin(&place);
	ck_assert_int_eq(vault_count(&place, CKO_SR_AGENT, CKA_SR_STATE, "expired"), 1);
}
END_TEST

START_TEST(there_is_nothing_to_accept)
{
	char pin[64], result[512];
	expect(vault_put(&place, "a/b", "value", NULL), CKR_OK, SR_REASON_NONE);
	issue("600", pin);
	expect(run_job("accept-clock", result), CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CLOCK_NOT_BACK);
	vault_clock_move(-4 * MINUTE, 0, false);
	expect(run_job("accept-clock", result), CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CLOCK_NOT_BACK);
	vault_clock_move(20 * YEAR, 0, false);
	expect(run_job("accept-clock", result), CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CLOCK_NOT_BACK);
	ck_assert_int_eq(events("vault.clock_accepted"), 3); /* refused, and recorded */
	expect_usable(pin);
	see_the_future();
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	expect(run_job("accept-clock", result), CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CLOCK_NOT_BACK);
	expect_sound_audit();
}
END_TEST

/* A refusal lowers nothing and revokes nothing. */
START_TEST(a_token_may_not_accept_it)
{
	char pin[64], result[512];
	issue("600", pin);
	see_the_future();
	expect_login(pin, CKR_OK, SR_REASON_NONE);
	expect(run_job("accept-clock", result), CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED);
	ck_assert_str_eq(result, "");
	expect(check(), CKR_OK, SR_REASON_NONE);
	vault_login_admin(&place);
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	expect_sound_audit();
}
END_TEST

/* The number that revokes them all is in the state tree: who takes it out of the table is found out at the next look,
 * which opening is. */
START_TEST(the_cut_cannot_be_taken_back)
{
	char pin[64], result[512];
	issue("600", pin);
	vault_sql(
		&place, "CREATE TABLE kept.s AS SELECT * FROM state; CREATE TABLE kept.n AS SELECT * FROM state_node");
	see_the_future();
	expect(run_job("accept-clock", result), CKR_OK, SR_REASON_NONE);
	vault_sql(&place, "DELETE FROM state; INSERT INTO state SELECT * FROM kept.s; "
			  "DELETE FROM state_node; INSERT INTO state_node SELECT * FROM kept.n");
	expect_login(pin, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED);
	sr_identity_unref(place.caller.identity);
	place.caller.identity = NULL;
	sr_vault_close(place.vault);
	place.vault = NULL;
	sr_error_clear(&place.err);
	expect(sr_vault_open(&place.config, &place.vault, &place.err), CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test, int rounds)
{
	TCase *c = tcase_create(name);
	tcase_add_checked_fixture(c, start, stop);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, test, 0, rounds);
	suite_add_tcase(suite, c);
}

Suite *sr_suite_clock_moves(void)
{
	Suite *suite = suite_create("clock_moves");
	int every = (int)(sizeof(moves) / sizeof(*moves));
	add(suite, "token", within_a_boot_a_token_ends_by_the_boot_clock, every);
	add(suite, "boots", across_boots_the_newest_record_bounds_the_clock, (int)(sizeof(boots) / sizeof(*boots)));
	add(suite, "member", a_member_is_out_after_eight_hours, every);
	add(suite, "idle", an_idle_member_is_out, every);
	add(suite, "delay", a_delay_is_not_shortened, every);
	add(suite, "jumps", each_jump_is_one_event, 1);
	add(suite, "ahead", the_vault_works_within_the_boot, 1);
	add(suite, "accepted", an_admin_accepts_the_clock, 1);
	add(suite, "in use", a_token_in_use_ends_with_it, 1);
	add(suite, "agents", an_agent_of_the_future_has_ended, 1);
	add(suite, "nothing", there_is_nothing_to_accept, 1);
	add(suite, "refused", a_token_may_not_accept_it, 1);
	add(suite, "cut", the_cut_cannot_be_taken_back, 1);
	return suite;
}
