/* Requests and decisions over the real vault: every step, each refusal and the event that it leaves. */
#include "tests/unit/approvals_expect.h"
#include "tests/unit/suites.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static char id[SR_ID_MAX];

#define APPROVAL(type) shown(as("admin"), CKO_SR_APPROVAL, id, type)

/* -- the request ------------------------------------------------------------------------------------------------- */

START_TEST(a_request_is_recorded_and_shown)
{
	ask_for(as("admin"), 2, 5 * MINUTE, id);
	struct sr_event event = newest_event(SR_EVENT_COUNT);
	ck_assert_str_eq(sr_event_name(event.kind), "approval.requested");
	ck_assert_str_eq(event.path, "a/b");
	ck_assert_str_eq(event.tier, "critical");
	ck_assert_ptr_nonnull(strstr(event.metadata, id));
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"needed\":2"));
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"have\":0"));
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"kind\":\"tier\""));
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"reason\":\"because\""));
	ck_assert_str_eq(APPROVAL(CKA_LABEL), id);
	ck_assert_str_eq(APPROVAL(CKA_SR_ID), id);
	ck_assert_str_eq(APPROVAL(CKA_SR_KIND), "tier");
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "pending");
	ck_assert_str_eq(APPROVAL(CKA_SR_TIER), "critical");
	ck_assert_str_eq(APPROVAL(CKA_SR_PATH), "a/b");
	ck_assert_str_eq(APPROVAL(CKA_SR_REQUESTER), "member:admin");
	ck_assert_str_eq(APPROVAL(CKA_SR_OWNER), "admin");
	ck_assert_str_eq(APPROVAL(CKA_SR_REASON), "because");
	ck_assert_str_eq(APPROVAL(CKA_SR_NEEDED), "2");
	ck_assert_str_eq(APPROVAL(CKA_SR_HAVE), "0");
	ck_assert_str_eq(APPROVAL(CKA_SR_NOT_BEFORE), "");
	ck_assert_str_eq(APPROVAL(CKA_SR_VOTES), "");
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_STATE, "pending"), 1);
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_STATE, "approved"), 0);
}
END_TEST

START_TEST(a_tokens_request_shows_its_scopes)
{
	char token[SR_OBJECT_ID_MAX], target[64];
	as("admin");
	ck_assert_uint_eq(vault_issue(&team, "secrets:read:a/*", "600", NULL, NULL, NULL), CKR_OK);
	vault_find_one(&team, CKO_SR_TOKEN, CKA_SR_STATE, "active", token);
	snprintf(target, sizeof(target), "token:%.20s", token);
	struct sr_request request = { .kind = SR_APPROVAL_TOKEN,
		.target = target,
		.change = "",
		.path = "a/*",
		.need = { .approvals = 1, .timeout_ms = HOUR },
		.ttl_ms = HOUR,
		.reason = "" };
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_OK, NONE);
	ck_assert_str_eq(newest_event(SR_EVENT_APPROVAL_REQUESTED).token_id, token);
	ck_assert_str_eq(APPROVAL(CKA_SR_TOKEN_ID), token);
	ck_assert_str_eq(APPROVAL(CKA_SR_SCOPES), "secrets:read:a/*");
}
END_TEST

/* A role that sees approvals, the owner, and nobody else. */
START_TEST(who_sees_a_request)
{
	struct sr_view view = { .value = SR_VALUE_NONE };
	const struct sr_class *class = sr_class_find(CKO_SR_APPROVAL);
	team_put((struct team_member){ .name = "vera", .role = SR_ROLE_VIEWER });
	team_put((struct team_member){ .name = "otto", .role = SR_ROLE_AUDITOR });
	ask_for(as("admin"), 1, 0, id);
	ck_assert_int_eq(count_as(as("vera"), CKO_SR_APPROVAL, 0, NULL), 1);
	ck_assert_int_eq(count_as(as("otto"), CKO_SR_APPROVAL, 0, NULL), 0);
	expect(class->view(as("otto"), id, &view, &team.err), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(decide(as("otto"), id, "approved", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ask_for(as("otto"), 1, 0, id);
	ck_assert_int_eq(count_as(as("otto"), CKO_SR_APPROVAL, 0, NULL), 1);
	ck_assert_str_eq(shown(as("otto"), CKO_SR_APPROVAL, id, CKA_SR_STATE), "pending");
	expect(decide(as("otto"), id, "approved", NULL), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(decide(as("otto"), id, "canceled", NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(requests_that_cannot_be_are_refused)
{
	struct sr_request request = { .kind = SR_APPROVAL_TIER,
		.target = "secret:a",
		.change = "",
		.path = "a",
		.need = { .approvals = 0, .timeout_ms = HOUR },
		.ttl_ms = HOUR,
		.reason = "" };
	char longer[SR_REASON_MAX + 2];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_GENERAL_ERROR, INTERNAL);
	request.need.approvals = 11;
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_GENERAL_ERROR, INTERNAL);
	request.need.approvals = 1;
	request.reason = longer;
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	request.reason = "a\nb";
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	ck_assert_str_eq(id, "");
	request.reason = "";
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_OK, NONE);
	expect(sr_approval_request(as("admin"), &request, id, &team.err), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(open_requests_are_bounded)
{
	struct sr_request request = { .kind = SR_APPROVAL_TIER,
		.target = "secret:a",
		.change = "last",
		.path = "a",
		.need = { .approvals = 1, .timeout_ms = HOUR },
		.ttl_ms = HOUR,
		.reason = "" };
	for (int i = 0; i < SR_OPEN_MAX; i++)
		ask_for(as("bob"), 1, 0, id);
	expect(sr_approval_request(as("bob"), &request, id, &team.err), CKR_FUNCTION_REJECTED, TOO_LARGE);
	expect(sr_approval_request(as("carol"), &request, id, &team.err), CKR_OK, NONE);
}
END_TEST

/* -- approving --------------------------------------------------------------------------------------------------- */

START_TEST(one_approval_takes_effect_when_it_is_met)
{
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("bob"), id, "approved", "fine by me"), CKR_OK, NONE);
	expect_event(APPROVAL_GRANTED, ALLOWED, "");
	struct sr_event event = newest_event(SR_EVENT_APPROVAL_GRANTED);
	ck_assert_str_eq(event.actor_id, "bob");
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"have\":1"));
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"state\":\"approved\""));
	ck_assert_ptr_nonnull(strstr(event.metadata, "fine by me"));
	ck_assert_int_eq(stand_of(id), SR_STAND_READY);
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "approved");
	ck_assert_str_eq(APPROVAL(CKA_SR_VOTES), "bob");
	ck_assert_str_eq(APPROVAL(CKA_SR_DECISION), "fine by me");
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	event = newest_event(SR_EVENT_COUNT);
	ck_assert_str_eq(event.actor_type, "system");
	ck_assert_ptr_nonnull(strstr(event.metadata, "\"state\":\"in_effect\""));
	int events = count_events(SR_EVENT_APPROVAL_GRANTED);
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_GRANTED), events);
	expect(decide(as("carol"), id, "denied", "late"), CKR_ACTION_PROHIBITED, DECIDED);
	team_move(HOUR + MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_EXPIRED);
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "expired");
}
END_TEST

START_TEST(two_approvals_and_a_delay)
{
	ask_for(as("admin"), 2, 5 * MINUTE, id);
	expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	ck_assert_int_eq(stand_of(id), SR_STAND_PENDING);
	ck_assert_str_eq(APPROVAL(CKA_SR_HAVE), "1");
	expect(decide(as("bob"), id, "approved", NULL), CKR_ACTION_PROHIBITED, ALREADY_VOTED);
	expect_event(APPROVAL_GRANTED, DENIED, "already_voted");
	expect(decide(as("carol"), id, "approved", NULL), CKR_OK, NONE);
	ck_assert_int_eq(settle(id), SR_STAND_DELAYED);
	ck_assert_str_eq(APPROVAL(CKA_SR_VOTES), "bob\ncarol");
	ck_assert_str_ne(APPROVAL(CKA_SR_NOT_BEFORE), "");
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_EDITOR });
	expect(decide(as("dave"), id, "approved", NULL), CKR_ACTION_PROHIBITED, DECIDED);
	expect_event(APPROVAL_GRANTED, DENIED, "decided");
	team_move(4 * MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_DELAYED);
	team_move(2 * MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	team_move(58 * MINUTE, false);
	ck_assert_int_eq(stand_of(id), SR_STAND_IN_EFFECT);
	team_move(2 * MINUTE, false);
	ck_assert_int_eq(stand_of(id), SR_STAND_EXPIRED);
}
END_TEST

START_TEST(who_may_not_approve)
{
	char pin[64];
	team_put((struct team_member){ .name = "vera", .role = SR_ROLE_VIEWER });
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("admin"), id, "approved", NULL), CKR_ACTION_PROHIBITED, SELF_APPROVAL);
	expect_event(APPROVAL_GRANTED, DENIED, "self_approval");
	expect(decide(as("vera"), id, "approved", NULL), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(APPROVAL_GRANTED, DENIED, "role_not_allowed");
	expect(decide(as("vera"), id, "denied", "no"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(APPROVAL_DENIED, DENIED, "role_not_allowed");
	expect(decide(as("vera"), id, "canceled", "no"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect_event(APPROVAL_CANCELED, DENIED, "role_not_allowed");
	as("bob");
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	struct sr_caller token = team.caller;
	expect(decide(&token, id, "approved", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	char own[SR_ID_MAX];
	ask_for(&token, 1, 0, own);
	ck_assert_str_eq(shown(&token, CKO_SR_APPROVAL, own, CKA_SR_OWNER), "bob");
	expect(decide(&token, own, "approved", NULL), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(decide(&token, own, "broken_glass", "now"), CKR_ACTION_PROHIBITED, ROLE_NOT_ALLOWED);
	expect(decide(as("bob"), own, "approved", NULL), CKR_ACTION_PROHIBITED, SELF_APPROVAL);
	ck_assert_int_eq(stand_of(id), SR_STAND_PENDING);
	ck_assert_int_eq(stand_of(own), SR_STAND_PENDING);
}
END_TEST

START_TEST(bad_decisions_are_refused)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	char longer[SR_REASON_MAX + 2];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("bob"), "a-none", "approved", NULL), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(decide(as("bob"), id, "pending", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(decide(as("bob"), id, "", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(decide(as("bob"), id, "denied", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect_event(APPROVAL_DENIED, DENIED, "bad_template");
	expect(decide(as("bob"), id, "denied", longer), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(decide(as("bob"), id, "approved", "a\x01"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(decide(as("admin"), id, "broken_glass", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	sr_attrs_put_text(&changes, CKA_SR_STATE, "approved");
	sr_attrs_put_text(&changes, CKA_SR_NEEDED, "0");
	expect(sr_class_find(CKO_SR_APPROVAL)->set(as("bob"), id, &changes, &team.err), CKR_ATTRIBUTE_READ_ONLY,
		BAD_TEMPLATE);
	sr_attrs_clear(&changes);
	longer[SR_REASON_MAX] = '\0';
	expect(decide(as("bob"), id, "denied", longer), CKR_OK, NONE);
}
END_TEST

/* -- denying and cancelling -------------------------------------------------------------------------------------- */

START_TEST(denied_while_pending_or_delayed)
{
	ask_for(as("admin"), 1, 5 * MINUTE, id);
	if (_i == 1)
		expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	expect(decide(as("admin"), id, "denied", "mine"), CKR_ACTION_PROHIBITED, SELF_APPROVAL);
	expect_event(APPROVAL_DENIED, DENIED, "self_approval");
	expect(decide(as("carol"), id, "denied", "too risky"), CKR_OK, NONE);
	expect_event(APPROVAL_DENIED, ALLOWED, "");
	ck_assert_ptr_nonnull(strstr(newest_event(SR_EVENT_APPROVAL_DENIED).metadata, "too risky"));
	ck_assert_int_eq(stand_of(id), SR_STAND_DENIED);
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "denied");
	ck_assert_str_eq(APPROVAL(CKA_SR_DECIDED_BY), "carol");
	ck_assert_str_eq(APPROVAL(CKA_SR_DECISION), "too risky");
	expect(decide(as("carol"), id, "approved", NULL), CKR_ACTION_PROHIBITED, DECIDED);
	expect(decide(as("admin"), id, "canceled", NULL), CKR_ACTION_PROHIBITED, DECIDED);
	expect_event(APPROVAL_CANCELED, DENIED, "decided");
	expect(decide(as("admin"), id, "broken_glass", "now"), CKR_ACTION_PROHIBITED, DECIDED);
	team_move(6 * MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_DENIED);
}
END_TEST

START_TEST(cancelled_by_owner_requester_or_approver)
{
	char pin[64];
	as("admin");
	ck_assert_uint_eq(vault_issue(&team, "secrets:*:*", "600", NULL, NULL, pin), CKR_OK);
	ck_assert_uint_eq(vault_login(&team, pin), CKR_OK);
	struct sr_caller token = team.caller;
	sr_identity_ref(token.identity);
	ask_for(&token, 1, 5 * MINUTE, id);
	if (_i % 2)
		expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	const struct sr_caller *who[] = { as("admin"), &token, as("carol") };
	expect(decide(who[_i / 2], id, "canceled", NULL), CKR_OK, NONE);
	expect_event(APPROVAL_CANCELED, ALLOWED, "");
	ck_assert_int_eq(stand_of(id), SR_STAND_CANCELED);
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "canceled");
	const char *names[] = { "admin", token.identity->token.id, "carol" };
	ck_assert_str_eq(APPROVAL(CKA_SR_DECIDED_BY), names[_i / 2]);
	expect(decide(as("carol"), id, "approved", NULL), CKR_ACTION_PROHIBITED, DECIDED);
	sr_identity_unref(token.identity);
}
END_TEST

/* -- time -------------------------------------------------------------------------------------------------------- */

START_TEST(a_timeout_is_recorded_once_by_whoever_meets_it)
{
	ask_for(as("admin"), 1, 0, id);
	team_move(59 * MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_PENDING);
	team_move(2 * MINUTE, false);
	ck_assert_str_eq(APPROVAL(CKA_SR_STATE), "timed_out");
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_TIMED_OUT), 0);
	if (_i == 0)
		ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, CKA_SR_STATE, "timed_out"), 1);
	if (_i == 1)
		ck_assert_int_eq(settle(id), SR_STAND_TIMED_OUT);
	expect(decide(as("bob"), id, "approved", NULL), CKR_ACTION_PROHIBITED, APPROVAL_TIMED_OUT);
	expect_event(APPROVAL_GRANTED, DENIED, "approval_timed_out");
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_TIMED_OUT), 1);
	ck_assert_int_eq(approval_row(id).state, SR_APPROVAL_TIMED_OUT);
	ck_assert_str_eq(newest_event(SR_EVENT_APPROVAL_TIMED_OUT).actor_type, "system");
	ck_assert_int_eq(count_as(as("bob"), CKO_SR_APPROVAL, 0, NULL), 1);
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_TIMED_OUT), 1);
}
END_TEST

START_TEST(a_delay_starts_again_after_a_reboot)
{
	ask_for(as("admin"), 1, 5 * MINUTE, id);
	expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	team_move(4 * MINUTE, false);
	ck_assert_int_eq(settle(id), SR_STAND_DELAYED);
	team_move(20 * MINUTE, true); /* the wall clock says that it is over; that can be set */
	ck_assert_int_eq(stand_of(id), SR_STAND_DELAYED);
	struct sr_approval_row before = approval_row(id);
	ck_assert_int_eq(settle(id), SR_STAND_DELAYED);
	struct sr_approval_row after = approval_row(id);
	ck_assert_str_eq(after.ready.boot_id, "another-boot");
	ck_assert_int_ge(after.end.wall_ms, before.end.wall_ms + 20 * MINUTE);
	int events = count_events(SR_EVENT_APPROVAL_GRANTED);
	ck_assert_int_eq(settle(id), SR_STAND_DELAYED);
	ck_assert_int_eq(count_events(SR_EVENT_APPROVAL_GRANTED), events);
	team_move(6 * MINUTE, true);
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
}
END_TEST

/* -- approvers who go -------------------------------------------------------------------------------------------- */

START_TEST(an_approver_who_goes_before_the_effect_counts_no_more)
{
	static const struct team_member gone[] = {
		{ .name = "bob", .role = SR_ROLE_EDITOR, .removed = true, .cut = true },
		{ .name = "bob", .role = SR_ROLE_VIEWER, .cut = true },
		{ .name = "bob", .role = SR_ROLE_EDITOR, .cut = true }, /* and is back */
	};
	ask_for(as("admin"), 1, 5 * MINUTE, id);
	expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	team_put(gone[_i]);
	team_move(6 * MINUTE, false);
	ck_assert_int_eq(stand_of(id), SR_STAND_READY);
	ck_assert_int_eq(settle(id), SR_STAND_DENIED);
	expect_event(APPROVAL_DENIED, ALLOWED, "");
	ck_assert_str_eq(APPROVAL(CKA_SR_DECIDED_BY), "system");
}
END_TEST

START_TEST(another_takes_the_place_of_one_who_went)
{
	ask_for(as("admin"), 2, 0, id);
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_EDITOR });
	expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	team_put((struct team_member){ .name = "bob", .role = SR_ROLE_VIEWER, .cut = true });
	expect(decide(as("carol"), id, "approved", NULL), CKR_OK, NONE);
	ck_assert_int_eq(stand_of(id), SR_STAND_PENDING);
	ck_assert_str_eq(APPROVAL(CKA_SR_VOTES), "carol");
	expect(decide(as("dave"), id, "approved", NULL), CKR_OK, NONE);
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
}
END_TEST

/* -- fresh members ----------------------------------------------------------------------------------------------- */

START_TEST(a_member_whom_the_owner_has_just_made_does_not_approve)
{
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_ADMIN, .made_by = "admin", .fresh_ms = HOUR });
	team_put((struct team_member){ .name = "eve", .role = SR_ROLE_EDITOR, .made_by = "dave", .fresh_ms = HOUR });
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("dave"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	expect_event(APPROVAL_GRANTED, DENIED, "fresh_member");
	expect(decide(as("eve"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	ask_for(as("bob"), 1, 0, id); /* bob has made nobody */
	expect(decide(as("eve"), id, "approved", NULL), CKR_OK, NONE);
	team_move(HOUR + MINUTE, false);
	ask_for(as("admin"), 2, 0, id);
	expect(decide(as("dave"), id, "approved", NULL), CKR_OK, NONE);
	expect(decide(as("eve"), id, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* Whom an old hand has made is nobody else's, though that hand was once made by the owner. */
START_TEST(only_those_who_are_still_fresh_are_followed)
{
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_ADMIN, .made_by = "admin" });
	team_put((struct team_member){ .name = "eve", .role = SR_ROLE_EDITOR, .made_by = "dave", .fresh_ms = HOUR });
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("eve"), id, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* dave and eve, both the admin's, reset each other, and nobody sees any more who made them. */
START_TEST(a_ring_of_fresh_members_hides_nobody)
{
	team_put((struct team_member){ .name = "dave", .role = SR_ROLE_ADMIN, .made_by = "eve", .fresh_ms = HOUR });
	team_put((struct team_member){ .name = "eve", .role = SR_ROLE_ADMIN, .made_by = "dave", .fresh_ms = HOUR });
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("eve"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	ask_for(as("eve"), 1, 0, id);
	expect(decide(as("admin"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	team_move(HOUR + MINUTE, false);
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("eve"), id, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* An admin alone has two hands made, asks with the one, and approves with the other and in person. */
START_TEST(two_hands_of_one_person_do_not_ask_and_approve)
{
	team_put((struct team_member){ .name = "mallory", .role = SR_ROLE_ADMIN });
	team_put((struct team_member){ .name = "left", .role = SR_ROLE_ADMIN, .made_by = "mallory", .fresh_ms = HOUR });
	team_put((struct team_member){
		.name = "right", .role = SR_ROLE_EDITOR, .made_by = "mallory", .fresh_ms = HOUR });
	team_put((struct team_member){ .name = "far", .role = SR_ROLE_EDITOR, .made_by = "left", .fresh_ms = HOUR });
	team_move(25 * HOUR, false); /* the vault is old */
	team_put((struct team_member){ .name = "left", .role = SR_ROLE_ADMIN, .made_by = "mallory", .fresh_ms = HOUR });
	team_put((struct team_member){
		.name = "right", .role = SR_ROLE_EDITOR, .made_by = "mallory", .fresh_ms = HOUR });
	team_put((struct team_member){ .name = "far", .role = SR_ROLE_EDITOR, .made_by = "left", .fresh_ms = HOUR });
	static const char *const askers[] = { "left", "right", "far" };
	static const char *const hands[] = { "mallory", "left", "right", "far" };
	for (size_t i = 0; i < 3; i++) {
		ask_for(as(askers[i]), 2, 0, id);
		for (size_t k = 0; k < 4; k++) {
			if (strcmp(askers[i], hands[k]) != 0)
				expect(decide(as(hands[k]), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
		}
		ck_assert_int_eq(approval_row(id).needed, 2);
		expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
		expect(decide(as("carol"), id, "approved", NULL), CKR_OK, NONE);
	}
	ask_for(as("bob"), 1, 0, id); /* whom nobody has just made */
	expect(decide(as("left"), id, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* In a vault of today the founder has made everybody: they may ask one another, but nobody made by another of them. */
START_TEST(a_new_vault_is_of_use_on_its_first_day)
{
	team_put((struct team_member){
		.name = "dave", .role = SR_ROLE_ADMIN, .made_by = "admin", .fresh_ms = 48 * HOUR });
	team_put((struct team_member){
		.name = "eve", .role = SR_ROLE_EDITOR, .made_by = "admin", .fresh_ms = 48 * HOUR });
	team_put((struct team_member){
		.name = "frank", .role = SR_ROLE_EDITOR, .made_by = "dave", .fresh_ms = 48 * HOUR });
	if (_i == 1)
		team_move(25 * HOUR, false);
	CK_RV first_day = _i == 0 ? CKR_OK : CKR_ACTION_PROHIBITED;
	CK_ULONG why = _i == 0 ? SR_REASON_NONE : SR_REASON_FRESH_MEMBER;
	ask_for(as("eve"), 2, 0, id);
	sr_error_clear(&team.err);
	ck_assert_uint_eq(decide(as("admin"), id, "approved", NULL), first_day);
	ck_assert_uint_eq(team.err.reason, why);
	sr_error_clear(&team.err);
	ck_assert_uint_eq(decide(as("dave"), id, "approved", NULL), first_day);
	ck_assert_uint_eq(team.err.reason, why);
	ask_for(as("frank"), 1, 0, id);
	expect(decide(as("dave"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("frank"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused)
{
	char name[SR_NAME_MAX], maker[SR_NAME_MAX] = "bob";
	for (int i = 0; i < 18; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		team_put((struct team_member){
			.name = name, .role = SR_ROLE_ADMIN, .made_by = maker, .fresh_ms = HOUR });
		snprintf(maker, sizeof(maker), "%s", name);
	}
	ask_for(as("admin"), 1, 0, id);
	expect(decide(as("m17"), id, "approved", NULL), CKR_ACTION_PROHIBITED, FRESH_MEMBER);
	expect(decide(as("m10"), id, "approved", NULL), CKR_OK, NONE);
}
END_TEST

/* -- at once ----------------------------------------------------------------------------------------------------- */

struct one {
	const struct sr_caller *who;
	const char *state;
	struct sr_error err;
	CK_RV rv;
};

static void *decide_in_thread(void *context)
{
	struct one *one = context;
	struct sr_attrs changes = SR_ATTRS_INIT;
	sr_attrs_put_text(&changes, CKA_SR_STATE, one->state);
	one->rv = sr_class_find(CKO_SR_APPROVAL)->set(one->who, id, &changes, &one->err);
	sr_attrs_clear(&changes);
	return NULL;
}

static void both(struct one *a, struct one *b)
{
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, decide_in_thread, a), 0);
	decide_in_thread(b);
	pthread_join(thread, NULL);
}

START_TEST(two_approvers_at_once)
{
	for (int round = 0; round < 10; round++) {
		unsigned needed = 1 + (unsigned)round % 2;
		ask_for(as("admin"), needed, 0, id);
		struct one a = { .who = as("bob"), .state = "approved" };
		struct one b = { .who = as("carol"), .state = "approved" };
		both(&a, &b);
		ck_assert_int_eq((a.rv == CKR_OK) + (b.rv == CKR_OK), (int)needed);
		if (needed == 1)
			ck_assert_uint_eq(a.rv == CKR_OK ? b.err.reason : a.err.reason, SR_REASON_DECIDED);
		ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	}
}
END_TEST

START_TEST(an_approval_against_a_cancellation)
{
	for (int round = 0; round < 10; round++) {
		ask_for(as("admin"), 1, 0, id);
		struct one a = { .who = as("bob"), .state = "approved" };
		struct one b = { .who = as("admin"), .state = "canceled" };
		both(&a, &b);
		ck_assert_uint_eq(b.rv, CKR_OK);
		ck_assert(a.rv == CKR_OK || a.err.reason == SR_REASON_DECIDED);
		ck_assert_int_eq(settle(id), SR_STAND_CANCELED);
	}
}
END_TEST

/* -- the database ------------------------------------------------------------------------------------------------ */

START_TEST(an_old_row_put_back_is_refused)
{
	ask_for(as("admin"), 1, 0, id);
	vault_sql(&team, "CREATE TABLE kept.t AS SELECT * FROM approval");
	expect(decide(as("bob"), id, "denied", "no"), CKR_OK, NONE);
	vault_sql(&team, "DELETE FROM approval; INSERT INTO approval SELECT * FROM kept.t");
	expect(decide(as("carol"), id, "approved", NULL), CKR_DEVICE_ERROR, ROW_STALE);
	struct sr_view view = { .value = SR_VALUE_NONE };
	expect(sr_class_find(CKO_SR_APPROVAL)->view(as("bob"), id, &view, &team.err), CKR_DEVICE_ERROR, ROW_STALE);
	vault_sql(&team, "UPDATE approval SET state = 'in_effect'");
	expect(decide(as("carol"), id, "approved", NULL), CKR_DEVICE_ERROR, ROW_FORGED);
	vault_sql(&team, "DELETE FROM approval");
	expect(decide(as("carol"), id, "approved", NULL), CKR_DEVICE_ERROR, ROW_MISSING);
}
END_TEST

/* -- one use ----------------------------------------------------------------------------------------------------- */

static CK_RV spend_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_approval_spend(act->caller, at, &act->event, act->arg, err);
}

static CK_RV spend(void)
{
	struct sr_act act;
	sr_act_begin(&act, as("admin"), SR_EVENT_KEY_USED, "a/b");
	act.run = spend_run;
	act.arg = id;
	return sr_act_commit(&act, &team.err);
}

START_TEST(an_approval_of_one_use_is_used_once)
{
	ask_for(as("admin"), 1, 0, id);
	expect(spend(), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect(decide(as("bob"), id, "approved", NULL), CKR_OK, NONE);
	expect(spend(), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	ck_assert_int_eq(settle(id), SR_STAND_IN_EFFECT);
	expect(spend(), CKR_OK, NONE);
	ck_assert_int_eq(stand_of(id), SR_STAND_EXPIRED);
	expect(spend(), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, team_setup, team_teardown);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *sr_suite_vault_approvals(void)
{
	Suite *suite = suite_create("vault_approvals");
	TCase *asked = add_case(suite, "asked"), *decided = add_case(suite, "decided");
	TCase *time = add_case(suite, "time"), *fresh = add_case(suite, "fresh"), *hard = add_case(suite, "hard");
	tcase_add_test(asked, a_request_is_recorded_and_shown);
	tcase_add_test(asked, a_tokens_request_shows_its_scopes);
	tcase_add_test(asked, who_sees_a_request);
	tcase_add_test(asked, requests_that_cannot_be_are_refused);
	tcase_add_test(asked, open_requests_are_bounded);
	tcase_add_test(decided, one_approval_takes_effect_when_it_is_met);
	tcase_add_test(decided, two_approvals_and_a_delay);
	tcase_add_test(decided, who_may_not_approve);
	tcase_add_test(decided, bad_decisions_are_refused);
	tcase_add_loop_test(decided, denied_while_pending_or_delayed, 0, 2);
	tcase_add_loop_test(decided, cancelled_by_owner_requester_or_approver, 0, 6);
	tcase_add_loop_test(time, a_timeout_is_recorded_once_by_whoever_meets_it, 0, 3);
	tcase_add_test(time, a_delay_starts_again_after_a_reboot);
	tcase_add_loop_test(time, an_approver_who_goes_before_the_effect_counts_no_more, 0, 3);
	tcase_add_test(time, another_takes_the_place_of_one_who_went);
	tcase_add_test(fresh, a_member_whom_the_owner_has_just_made_does_not_approve);
	tcase_add_test(fresh, only_those_who_are_still_fresh_are_followed);
	tcase_add_test(fresh, a_ring_of_fresh_members_hides_nobody);
	tcase_add_test(fresh, two_hands_of_one_person_do_not_ask_and_approve);
	tcase_add_loop_test(fresh, a_new_vault_is_of_use_on_its_first_day, 0, 2);
	tcase_add_test(fresh, a_line_that_is_too_long_is_refused);
	tcase_add_test(hard, two_approvers_at_once);
	tcase_add_test(hard, an_approval_against_a_cancellation);
	tcase_add_test(hard, an_old_row_put_back_is_refused);
	tcase_add_test(hard, an_approval_of_one_use_is_used_once);
	return suite;
}
