/* Agents suspended, resumed and revoked. */
#include "vault/agent.h"

#include "vault/objects.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

struct change {
	const char *name;
	enum sr_agent_state state;
};

static CK_RV no_agent(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such agent for you");
}

CK_RV sr_agent_load(const struct sr_caller *caller, const struct sr_moment *at, const char *name,
	struct sr_agent_row *row, struct sr_error *err)
{
	bool found = false;
	CK_RV rv = sr_rows_agent(caller->vault, at, name, row, &found, err);
	return rv == CKR_OK && !found ? no_agent(err) : rv;
}

CK_RV sr_agent_owner_answers(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err)
{
	struct sr_member_row owner;
	bool found = false;
	CK_RV rv = sr_who_owner_stands(vault, at, row->owner, row->mark.event_id, err);
	if (rv == CKR_OK)
		rv = sr_rows_member(vault, at, row->owner, &owner, &found, err);
	/* demoted, and the row was made anew since */
	if (rv == CKR_OK && !(found && (sr_role_duties(owner.role) & SR_DUTY_AGENTS)))
		rv = sr_fail(err, CKR_USER_NOT_LOGGED_IN, SR_REASON_REVOKED,
			"the member who answers for it was removed or demoted");
	return rv;
}

/* Whoever knows the key is who asks by it: without its owner to answer for that, it takes a key of somebody else's. */
static CK_RV may_resume(
	const struct sr_act *act, const struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err)
{
	CK_RV rv = sr_agent_owner_answers(act->caller->vault, at, row, err);
	if (rv == CKR_OK && !sr_agent_has_key(row))
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_KEY_NEEDED,
			"agent %s not resumed: the vault was moved to another HSM, which does not know its key; give "
			"it a new one first (strongroom agent rotate %s)",
			row->name, row->name);
	if (rv != CKR_USER_NOT_LOGGED_IN)
		return rv;
	return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_REVOKED,
		"agent %s not resumed: its owner %s was removed or demoted, and may know its key; give it a new one "
		"first (strongroom agent rotate %s)",
		row->name, row->owner, row->name);
}

/* What it asked for before it was suspended or revoked is void, and stays so when it is resumed. */
static CK_RV change_row(struct sr_act *act, const struct sr_moment *at, enum sr_agent_state state,
	struct sr_agent_row *row, struct sr_error *err)
{
	if (row->state == SR_AGENT_REVOKED && state != SR_AGENT_REVOKED)
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_REVOKED,
			"agent %s is revoked, for good; add another", row->name);
	CK_RV rv = state == SR_AGENT_ACTIVE ? may_resume(act, at, row, err) : CKR_OK;
	if (state != SR_AGENT_ACTIVE)
		row->cut = at->event_id;
	row->state = state;
	return rv;
}

static CK_RV change_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct change *change = act->arg;
	struct sr_agent_row row = { .cut = 0 };
	CK_RV rv = sr_agent_load(act->caller, at, change->name, &row, err);
	if (rv == CKR_OK)
		rv = change_row(act, at, change->state, &row, err);
	if (rv == CKR_OK)
		rv = sr_rows_put_agent(act->caller->vault, at, &act->event, &row, err);
	sr_agent_row_clear(&row);
	return rv;
}

static CK_RV apply(const struct sr_caller *caller, enum sr_event_kind kind, struct change *change, const char *word,
	CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, kind, NULL);
	if (sr_name_valid(change->name, strlen(change->name)))
		snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"agent\":\"%s\",\"change\":\"%s\"}",
			change->name, word);
	act.run = change_run;
	act.arg = change;
	act.policy_change = true;
	return sr_act_record(&act, rv, err);
}

static CK_RV take_state(const struct sr_attrs *template, enum sr_agent_state *state, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_STATE);
	if (!attr || template->count != 1)
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"agent not changed: only its state can be set, to suspended or active");
	for (*state = SR_AGENT_ACTIVE; *state <= SR_AGENT_SUSPENDED; (*state)++) {
		const char *word = sr_agent_state_word(*state);
		if (strlen(word) == attr->len && memcmp(word, attr->value, attr->len) == 0)
			return CKR_OK;
	}
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"agent not changed: its state can be set to suspended or active; to revoke it, destroy it");
}

CK_RV sr_agent_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err)
{
	struct change change = { id, SR_AGENT_SUSPENDED };
	CK_RV rv = sr_need_duty(caller, SR_DUTY_AGENTS, CKR_ACTION_PROHIBITED, "change agents", err);
	if (rv == CKR_OK)
		rv = take_state(template, &change.state, err);
	return apply(caller, SR_EVENT_AGENT_UPDATED, &change,
		rv != CKR_OK ? "state" : sr_agent_state_word(change.state), rv, err);
}

CK_RV sr_agent_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct change change = { id, SR_AGENT_REVOKED };
	return apply(caller, SR_EVENT_AGENT_REVOKED, &change, "revoked",
		sr_need_duty(caller, SR_DUTY_AGENTS, CKR_ACTION_PROHIBITED, "revoke agents", err), err);
}
