/* Whoever acts in the matrix, and what has become of them since they logged in: rows, written as the vault writes them.
 */
#include "tests/unit/matrix.h"
#include "tests/unit/vault_keys_fixture.h"

#include "audit/state.h"
#include "vault/core.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

const char *const matrix_state_words[STATE_COUNT] = { "live", "expired", "revoked", "used up", "pending", "approved",
	"denied", "timed out", "parent revoked", "owner cut", "agent cut", "elsewhere" };

#define NOT_HERE "203.0.113.7"

static unsigned people; /* so far: each has a name of its own */

static CK_RV run_act(enum sr_event_kind kind,
	CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err), void *arg)
{
	struct sr_caller system = { keys_place.vault, &keys_place.peer, "test", NULL };
	struct sr_act act;
	sr_act_begin(&act, &system, kind, NULL);
	act.run = run;
	act.arg = arg;
	return sr_act_commit(&act, &keys_place.err);
}

/* -- what a token rests on ------------------------------------------------------------------------------------------
 */

static CK_RV put_approval(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_rows_put_approval(act->caller->vault, at, &act->event, act->arg, err);
}

static void rest_on_approval(struct sr_token_row *token, enum matrix_state state)
{
	struct sr_approval_row row = { .kind = SR_APPROVAL_TOKEN, .needed = 1, .ttl_ms = token->ttl_ms };
	struct sr_now now;
	sr_clock_now(&now);
	snprintf(row.id, sizeof(row.id), "a-matrix%u", people);
	snprintf(row.target, sizeof(row.target), "token:%s", token->id);
	snprintf(row.requester, sizeof(row.requester), "member:admin");
	snprintf(row.owner, sizeof(row.owner), "admin");
	row.created_ms = now.wall_ms;
	row.deadline = sr_end_after(&now, state == STATE_TIMED_OUT ? -1000 : 3600000);
	row.ready = row.end = sr_end_after(&now, 3600000);
	row.delay_ms = 3600000;
	row.state = state == STATE_DENIED     ? SR_APPROVAL_DENIED
		    : state == STATE_APPROVED ? SR_APPROVAL_APPROVED
					      : SR_APPROVAL_PENDING;
	expect(run_act(SR_EVENT_APPROVAL_REQUESTED, put_approval, &row), CKR_OK, NONE);
	snprintf(token->approval, sizeof(token->approval), "%s", row.id);
}

static void rest_on_parent(struct sr_token_row *token)
{
	struct sr_token_row parent = { .clearance = SR_TIER_CRITICAL, .state = SR_TOKEN_REVOKED, .ttl_ms = 600000 };
	snprintf(parent.id, sizeof(parent.id), "t-parent%u", people);
	snprintf(parent.issuer, sizeof(parent.issuer), "member:admin");
	snprintf(parent.owner, sizeof(parent.owner), "admin");
	memcpy(parent.hash, &people, sizeof(people));
	parent.hash[31] = 2;
	parent.end = token->end;
	sr_buf_append(&parent.scopes, token->scopes.data, token->scopes.len);
	snprintf(token->parent, sizeof(token->parent), "%s", parent.id);
	sr_identity_unref(people_token(&keys_place, &parent));
}

static CK_RV count_use(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	char subject[SR_ID_MAX + 8];
	snprintf(subject, sizeof(subject), "use:%s", (const char *)act->arg);
	return sr_state_put(act->caller->vault->store, at, subject, 1, err);
}

static void make_owner(char owner[SR_NAME_MAX])
{
	snprintf(owner, SR_NAME_MAX, "owner%u", people);
	sr_identity_unref(people_member(&keys_place, owner, SR_ROLE_EDITOR));
}

static void make_agent(const char *scopes, struct sr_agent_row *row)
{
	memset(row, 0, sizeof(*row));
	snprintf(row->name, sizeof(row->name), "agent%u", people);
	snprintf(row->owner, sizeof(row->owner), "admin");
	memcpy(row->hash, &people, sizeof(people));
	row->hash[31] = 3;
	sr_buf_text(&row->scopes, scopes);
}

/* -- tokens ----------------------------------------------------------------------------------------------------------
 */

static void bend_token(struct sr_token_row *row, enum matrix_state state)
{
	struct sr_agent_row agent;
	struct sr_now now;
	sr_clock_now(&now);
	switch (state) {
	case STATE_EXPIRED:
		row->end = sr_end_after(&now, -1000);
		break;
	case STATE_REVOKED:
		row->state = SR_TOKEN_REVOKED;
		break;
	case STATE_USED_UP:
		row->max_uses = 1;
		break;
	case STATE_PENDING:
	case STATE_APPROVED:
	case STATE_DENIED:
	case STATE_TIMED_OUT:
		rest_on_approval(row, state);
		break;
	case STATE_PARENT_REVOKED:
		rest_on_parent(row);
		break;
	case STATE_OWNER_CUT:
		make_owner(row->owner);
		break;
	case STATE_AGENT_CUT:
		make_agent(sr_buf_string(&row->scopes), &agent);
		snprintf(row->issuer, sizeof(row->issuer), "agent:%s", agent.name);
		sr_identity_unref(people_agent(&keys_place, &agent));
		break;
	case STATE_ELSEWHERE:
		sr_buf_text(&row->allowed_ips, NOT_HERE);
		break;
	default:
		break;
	}
}

static struct sr_identity *make_token(const char *scopes, enum sr_tier clearance, enum matrix_state state)
{
	struct sr_token_row row = { .clearance = clearance, .ttl_ms = 600000 };
	struct sr_now now;
	sr_clock_now(&now);
	snprintf(row.id, sizeof(row.id), "t-matrix%u", people);
	snprintf(row.issuer, sizeof(row.issuer), "member:admin");
	snprintf(row.owner, sizeof(row.owner), "admin");
	memcpy(row.hash, &people, sizeof(people));
	row.hash[31] = 1;
	sr_buf_text(&row.scopes, scopes);
	row.end = sr_end_after(&now, row.ttl_ms);
	bend_token(&row, state);
	struct sr_identity *who = people_token(&keys_place, &row);
	if (state == STATE_USED_UP)
		expect(run_act(SR_EVENT_TOKEN_ISSUED, count_use, who->token.id), CKR_OK, NONE);
	if (state == STATE_OWNER_CUT)
		people_cut_member(&keys_place, who->token.owner, people % 2);
	if (state == STATE_AGENT_CUT)
		people_cut_agent(&keys_place, who->token.issuer + strlen("agent:"));
	return who;
}

/* -- members and agents ----------------------------------------------------------------------------------------------
 */

static struct sr_identity *make_member(const struct matrix_identity *identity, enum matrix_state state)
{
	char name[SR_NAME_MAX];
	const char *why;
	struct sr_now now;
	sr_clock_now(&now);
	snprintf(name, sizeof(name), "member%u", people);
	struct sr_identity *who = people_member(&keys_place, name, identity->role);
	who->separated = identity->who == WHO_SEPARATED;
	if (state == STATE_EXPIRED)
		who->end = sr_end_after(&now, -1000);
	if (state == STATE_REVOKED)
		people_cut_member(&keys_place, name, false);
	if (state == STATE_ELSEWHERE)
		ck_assert(sr_allowed_parse(NOT_HERE, strlen(NOT_HERE), &who->allowed, &why));
	return who;
}

static struct sr_identity *make_an_agent(const char *scopes, enum matrix_state state)
{
	struct sr_agent_row row;
	struct sr_now now;
	sr_clock_now(&now);
	make_agent(scopes, &row);
	if (state == STATE_EXPIRED)
		row.end = sr_end_after(&now, -1000);
	if (state == STATE_REVOKED)
		row.state = SR_AGENT_SUSPENDED;
	if (state == STATE_ELSEWHERE)
		sr_buf_text(&row.allowed_ips, NOT_HERE);
	if (state == STATE_OWNER_CUT)
		make_owner(row.owner);
	struct sr_identity *who = people_agent(&keys_place, &row);
	if (state == STATE_OWNER_CUT)
		people_cut_member(&keys_place, row.owner, people % 2);
	return who;
}

void matrix_become(const struct matrix_identity *identity, enum sr_tier clearance, enum matrix_state state)
{
	people++;
	if (identity->who == WHO_TOKEN)
		people_as(&keys_place, make_token(identity->scopes, clearance, state));
	else if (identity->who == WHO_AGENT)
		people_as(&keys_place, make_an_agent(identity->scopes, state));
	else
		people_as(&keys_place, make_member(identity, state));
}
