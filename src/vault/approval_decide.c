/* Deciding a request: a vote, a denial, taking it back, breaking the glass. */
#include "vault/approval_row.h"

#include "util/text.h"
#include "vault/freeze.h"
#include "vault/policies.h"

#include <stdio.h>
#include <string.h>

#define HANDS_MAX 16 /* members who made one another, followed upwards */

static CK_RV prohibited(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_ACTION_PROHIBITED, reason, "not decided: %s", why);
}

static CK_RV need_approver(const struct sr_caller *caller, struct sr_error *err)
{
	return sr_need_duty(caller, SR_DUTY_APPROVE, CKR_ACTION_PROHIBITED, "decide approvals", err);
}

static bool is_owner(const struct sr_caller *caller, const struct sr_approval_row *row)
{
	return caller->identity->type == SR_IDENTITY_MEMBER && strcmp(caller->identity->member.name, row->owner) == 0;
}

/* The name alone: the event says whose it is. */
static void decided_by(const struct sr_caller *caller, struct sr_approval_row *row)
{
	char who[SR_NAME_MAX + 8];
	sr_who_name(caller->identity, who);
	snprintf(row->decided_by, sizeof(row->decided_by), "%s", strchr(who, ':') + 1);
}

static CK_RV need_open(const struct sr_approval_row *row, const struct sr_moment *at, struct sr_error *err)
{
	enum sr_stand stand = sr_approval_stand(row, at);
	if (sr_approval_open(stand))
		return CKR_OK;
	if (stand == SR_STAND_TIMED_OUT)
		return prohibited(
			err, SR_REASON_APPROVAL_TIMED_OUT, "the request has timed out; it must be asked again");
	return prohibited(err, SR_REASON_DECIDED, "the request is decided already, or has ended");
}

/* -- approving --------------------------------------------------------------------------------------------------- */

/** struct hands: through whom somebody may act: a member, who made them a moment ago, and so on upwards. CLEAR: the
 * line was followed to its end. */
struct hands {
	char names[HANDS_MAX][SR_NAME_MAX];
	size_t count;
	bool clear;
};

static bool has_hand(const struct hands *hands, const char *name)
{
	for (size_t i = 0; i < hands->count; i++) {
		if (strcmp(hands->names[i], name) == 0)
			return true;
	}
	return false;
}

/* Members who have just made one another may hide who made the first of them: a ring is not clear. */
static CK_RV trace(const struct sr_caller *caller, const struct sr_moment *at, const char *name, struct hands *hands,
	struct sr_member_row *top, struct sr_error *err)
{
	*hands = (struct hands){ .count = 0 };
	while (hands->count < HANDS_MAX && !has_hand(hands, name)) {
		char *hand = hands->names[hands->count++];
		bool found = false;
		snprintf(hand, SR_NAME_MAX, "%s", name);
		CK_RV rv = sr_rows_member(caller->vault, at, hand, top, &found, err);
		if (rv != CKR_OK || !found)
			return rv;
		hands->clear = !top->made_by[0] || sr_wait_over(&top->fresh, &at->now, at->not_before_ms);
		if (hands->clear)
			return CKR_OK;
		name = top->made_by;
	}
	return CKR_OK;
}

/* Who has founded the vault a moment ago has made everybody, and in a day would be told from nobody: as long as the
 * vault is that young, those whom the founder made may ask one another, and the founder. */
static bool is_young_founder(
	const struct sr_caller *caller, const struct sr_moment *at, const struct sr_member_row *row)
{
	return !row->made_by[0] && sr_moment_now(at).wall_ms - row->created_ms < caller->vault->fresh_member_ms;
}

static CK_RV fresh(struct sr_error *err)
{
	return prohibited(err, SR_REASON_FRESH_MEMBER,
		"you and who asks may be one person: one of you, or somebody above, has just added, promoted or reset "
		"the "
		"other; let another member approve");
}

/* Whoever was made a moment ago may be the hand of who made them, and both of one who made both: two hands of one
 * person do not ask and approve. */
static CK_RV check_fresh(const struct sr_caller *caller, const struct sr_moment *at, const char *owner,
	const char *voter, struct sr_error *err)
{
	struct hands asks, votes;
	struct sr_member_row top;
	CK_RV rv = trace(caller, at, voter, &votes, &top, err);
	if (rv == CKR_OK)
		rv = trace(caller, at, owner, &asks, &top, err);
	if (rv != CKR_OK)
		return rv;
	if (!asks.clear || !votes.clear)
		return fresh(err);
	if (asks.count > 1 && is_young_founder(caller, at, &top))
		asks.count--;
	for (size_t i = 0; i < asks.count; i++) {
		if (has_hand(&votes, asks.names[i]))
			return fresh(err);
	}
	return CKR_OK;
}

static bool has_voted(const struct sr_votes *votes, const char *name)
{
	for (size_t i = 0; i < votes->count; i++) {
		if (strcmp(votes->items[i].name, name) == 0)
			return true;
	}
	return false;
}

static CK_RV may_vote(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_approval_row *row,
	const struct sr_votes *votes, struct sr_error *err)
{
	const char *name = caller->identity->member.name;
	CK_RV rv = need_approver(caller, err);
	if (rv != CKR_OK)
		return rv;
	if (is_owner(caller, row))
		return prohibited(err, SR_REASON_SELF_APPROVAL,
			"nobody approves what they, their tokens or their agents have asked for");
	if (has_voted(votes, name))
		return prohibited(err, SR_REASON_ALREADY_VOTED, "you have approved it; it needs other members now");
	if (sr_approval_stand(row, at) != SR_STAND_PENDING)
		return prohibited(err, SR_REASON_DECIDED, "it has its approvals already");
	rv = sr_freeze_check_request(caller->vault, at, row, CKR_ACTION_PROHIBITED, err);
	return rv == CKR_OK ? check_fresh(caller, at, row->owner, name, err) : rv;
}

static void start_delay(const struct sr_moment *at, struct sr_approval_row *row)
{
	struct sr_now now = sr_moment_now(at);
	row->state = SR_APPROVAL_APPROVED;
	row->ready = sr_end_after(&now, row->delay_ms);
	row->end = sr_end_after(&now, row->delay_ms + row->ttl_ms);
}

/* Votes of those who may not approve any more are not counted, and another takes their place. */
static CK_RV approve(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err)
{
	struct sr_votes votes;
	CK_RV rv = sr_votes_read(row, &votes, err);
	if (rv == CKR_OK)
		rv = sr_votes_keep(caller->vault, at, &votes, err);
	if (rv == CKR_OK)
		rv = may_vote(caller, at, row, &votes, err);
	if (rv != CKR_OK)
		return rv;
	if (votes.count == SR_APPROVALS_MAX)
		return prohibited(err, SR_REASON_DECIDED, "it has its approvals already");
	struct sr_vote *vote = &votes.items[votes.count++];
	snprintf(vote->name, sizeof(vote->name), "%s", caller->identity->member.name);
	vote->event_id = at->event_id;
	if (!sr_votes_write(&votes, row))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "no room for another vote");
	if (votes.count >= row->needed)
		start_delay(at, row);
	return CKR_OK;
}

/* -- against it -------------------------------------------------------------------------------------------------- */

static CK_RV deny(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err)
{
	(void)at;
	CK_RV rv = need_approver(caller, err);
	if (rv == CKR_OK && is_owner(caller, row))
		rv = prohibited(err, SR_REASON_SELF_APPROVAL, "it is your own request: cancel it instead");
	row->state = SR_APPROVAL_DENIED;
	decided_by(caller, row);
	return rv;
}

static CK_RV cancel(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err)
{
	(void)at;
	char who[SR_NAME_MAX + 8];
	sr_who_name(caller->identity, who);
	bool own = is_owner(caller, row) || strcmp(who, row->requester) == 0;
	row->state = SR_APPROVAL_CANCELED;
	decided_by(caller, row);
	return own ? CKR_OK : need_approver(caller, err);
}

/* -- break-glass ------------------------------------------------------------------------------------------------- */

/* What the policies say of a token now: of all that its scopes meet. */
static CK_RV need_of_token(const struct sr_caller *caller, const struct sr_moment *at,
	const struct sr_policies *policies, const struct sr_approval_row *row, struct sr_need *need,
	struct sr_error *err)
{
	struct sr_token_row token = { .ttl_ms = 0 };
	struct sr_scopes scopes = { 0 };
	const char *id = sr_approval_token_id(row), *why;
	bool found = false;
	CK_RV rv = sr_rows_token(caller->vault, at, id ? id : "", &token, &found, err);
	if (rv == CKR_OK && (!found || token.state != SR_TOKEN_ACTIVE))
		rv = prohibited(err, SR_REASON_REVOKED, "the token was revoked");
	if (rv == CKR_OK && !sr_scopes_parse((const char *)token.scopes.data, token.scopes.len, &scopes, &why))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "token:%s: %s", token.id, why);
	if (rv == CKR_OK)
		*need = sr_need_of_scopes(policies->rules, policies->count, row->tier, &scopes);
	sr_scopes_clear(&scopes);
	sr_token_row_clear(&token);
	return rv;
}

static CK_RV need_now(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_approval_row *row,
	struct sr_need *need, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	CK_RV rv = sr_policies_load(caller->vault, at, &policies, err);
	if (rv == CKR_OK && row->kind == SR_APPROVAL_TOKEN)
		rv = need_of_token(caller, at, &policies, row, need, err);
	else if (rv == CKR_OK)
		*need = sr_need_of_path(policies.rules, policies.count, row->tier, row->path);
	sr_policies_clear(&policies);
	return rv;
}

/* Lasts an hour at most: what would stay after that is not for one alone. */
static bool stays(const struct sr_approval_row *row)
{
	return row->kind != SR_APPROVAL_TOKEN && row->kind != SR_APPROVAL_USE;
}

/* No delay: it is an emergency. */
static CK_RV break_glass(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	struct sr_need need = { .break_glass = false };
	if (who->type != SR_IDENTITY_MEMBER || who->member.role != SR_ROLE_ADMIN)
		return prohibited(err, SR_REASON_ROLE_NOT_ALLOWED, "only an admin may break the glass");
	if (stays(row))
		return prohibited(err, SR_REASON_BAD_POLICY,
			"break-glass is for tokens and uses, which end; a changed policy or tier would stay");
	CK_RV rv = need_now(caller, at, row, &need, err);
	if (rv == CKR_OK && !need.break_glass)
		rv = prohibited(err, SR_REASON_BAD_POLICY, "no policy allows break-glass here");
	if (rv == CKR_OK)
		rv = sr_freeze_check_request(caller->vault, at, row, CKR_ACTION_PROHIBITED, err);
	row->break_glass = true;
	row->delay_ms = 0;
	if (row->ttl_ms > SR_BREAK_GLASS_MAX_MS)
		row->ttl_ms = SR_BREAK_GLASS_MAX_MS;
	start_delay(at, row);
	decided_by(caller, row);
	return rv;
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

/** struct verdict: DECIDE checks, and changes a copy of the row. */
static const struct verdict {
	const char *word;
	enum sr_event_kind kind;
	bool wants_reason;
	CK_RV(*decide)
	(const struct sr_caller *caller, const struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err);
} verdicts[] = {
	{ "approved", SR_EVENT_APPROVAL_GRANTED, false, approve },
	{ "denied", SR_EVENT_APPROVAL_DENIED, true, deny },
	{ "canceled", SR_EVENT_APPROVAL_CANCELED, false, cancel },
	{ "broken_glass", SR_EVENT_APPROVAL_GRANTED, true, break_glass },
};

struct decision {
	const char *id;
	const struct verdict *verdict;
	char reason[SR_REASON_MAX + 1];
};

static CK_RV decide_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct decision *decision = act->arg;
	struct sr_approval_row row;
	CK_RV rv = sr_approval_load(act->caller->vault, at, decision->id, &row, err);
	if (rv == CKR_OK)
		rv = need_open(&row, at, err);
	if (rv == CKR_OK)
		rv = decision->verdict->decide(act->caller, at, &row, err);
	if (rv != CKR_OK)
		return rv;
	memcpy(row.decision, decision->reason, sizeof(row.decision));
	sr_approval_describe(&act->event, &row);
	return sr_rows_put_approval(act->caller->vault, at, &act->event, &row, err);
}

static CK_RV take_state(struct decision *decision, const struct sr_attrs *changes, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(changes, CKA_SR_STATE);
	for (size_t i = 0; attr && i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		size_t len = strlen(verdicts[i].word);
		if (attr->len == len && memcmp(attr->value, verdicts[i].word, len) == 0) {
			decision->verdict = &verdicts[i];
			return CKR_OK;
		}
	}
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"not decided: CKA_SR_STATE must be approved, denied, canceled or broken_glass");
}

static CK_RV only_decision(const struct sr_attrs *changes, struct sr_error *err)
{
	for (size_t i = 0; i < changes->count; i++) {
		if (changes->items[i].type != CKA_SR_STATE && changes->items[i].type != CKA_SR_DECISION)
			return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
				"not decided: attribute 0x%lx of a request is fixed", changes->items[i].type);
	}
	return CKR_OK;
}

static CK_RV take_reason(struct decision *decision, const struct sr_attrs *changes, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(changes, CKA_SR_DECISION);
	size_t len = attr ? attr->len : 0;
	if (len == 0 && decision->verdict->wants_reason)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"not decided: give a reason; who asked wants to know, and the audit keeps it");
	if (len > SR_REASON_MAX || (len && !sr_text_utf8(attr->value, len)))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"not decided: the reason must be UTF-8 text without control characters, 256 bytes at most");
	if (len)
		memcpy(decision->reason, attr->value, len);
	return CKR_OK;
}

/* Whether it exists or not, the record says no more than that somebody tried. */
static CK_RV record_unseen(const struct sr_caller *caller, enum sr_event_kind kind, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	if (rv != CKR_OBJECT_HANDLE_INVALID)
		return rv;
	sr_act_begin(&act, caller, kind, NULL);
	return sr_act_record(&act, rv, err);
}

CK_RV sr_approval_decide(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *changes, struct sr_error *err)
{
	struct decision decision = { .id = id };
	struct sr_approval_row row;
	struct sr_act act;
	enum sr_stand stand;
	CK_RV rv = take_state(&decision, changes, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_approval_look(caller, id, &row, &stand, err);
	if (rv == CKR_OK && !sr_approval_may_see(caller, &row))
		rv = sr_approval_gone(err);
	if (rv == CKR_OK && stand == SR_STAND_TIMED_OUT)
		rv = sr_approval_settle(caller, id, &stand, err);
	if (rv != CKR_OK)
		return record_unseen(caller, decision.verdict->kind, rv, err);
	sr_act_begin(&act, caller, decision.verdict->kind, row.path);
	sr_approval_describe(&act.event, &row);
	rv = only_decision(changes, err);
	if (rv == CKR_OK)
		rv = take_reason(&decision, changes, err);
	act.run = decide_run;
	act.arg = &decision;
	act.policy_change = true;
	return sr_act_record(&act, rv, err);
}
