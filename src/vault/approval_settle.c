/* Steps that time takes: a timeout, a delay that is over or starts again; and an approval that is used up. */
#include "vault/approval_row.h"

#include <stdio.h>
#include <string.h>

/* What is due, for nobody waits for it: whoever meets it takes the step. */
enum step { STEP_NONE, STEP_TIME_OUT, STEP_EFFECT, STEP_DELAY };

static enum step due(const struct sr_approval_row *row, const struct sr_moment *at)
{
	switch (sr_approval_stand(row, at)) {
	case SR_STAND_TIMED_OUT:
		return row->state == SR_APPROVAL_PENDING ? STEP_TIME_OUT : STEP_NONE;
	case SR_STAND_READY:
		return STEP_EFFECT;
	case SR_STAND_DELAYED:
		return strcmp(row->ready.boot_id, at->now.boot_id) == 0 ? STEP_NONE : STEP_DELAY;
	default:
		return STEP_NONE;
	}
}

/* Between the approval and its effect an approver may have gone. */
static CK_RV take_effect(struct sr_act *act, struct sr_moment *at, struct sr_approval_row *row, struct sr_error *err)
{
	bool holds = false;
	CK_RV rv = sr_approval_stands_by(act->caller->vault, at, row, &holds, err);
	if (rv != CKR_OK)
		return rv;
	row->state = holds ? SR_APPROVAL_IN_EFFECT : SR_APPROVAL_DENIED;
	act->event.kind = holds ? SR_EVENT_APPROVAL_GRANTED : SR_EVENT_APPROVAL_DENIED;
	if (!holds) {
		snprintf(row->decided_by, sizeof(row->decided_by), "system");
		snprintf(row->decision, sizeof(row->decision),
			"who approved it was removed or demoted before it took effect");
	}
	return CKR_OK;
}

static void delay_again(struct sr_moment *at, struct sr_approval_row *row)
{
	struct sr_now now = sr_moment_now(at);
	row->ready = sr_end_after(&now, row->delay_ms);
	row->end = sr_end_after(&now, row->delay_ms + row->ttl_ms);
}

static CK_RV settle_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_approval_row row;
	CK_RV rv = sr_approval_load(act->caller->vault, at, act->arg, &row, err);
	if (rv != CKR_OK)
		return rv;
	act->event.kind = SR_EVENT_APPROVAL_GRANTED;
	switch (due(&row, at)) {
	case STEP_TIME_OUT:
		row.state = SR_APPROVAL_TIMED_OUT;
		act->event.kind = SR_EVENT_APPROVAL_TIMED_OUT;
		break;
	case STEP_EFFECT:
		rv = take_effect(act, at, &row, err);
		break;
	case STEP_DELAY:
		delay_again(at, &row);
		break;
	default:
		rv = sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_DECIDED, "another call has just done it");
	}
	sr_approval_describe(&act->event, &row);
	return rv == CKR_OK ? sr_rows_put_approval(act->caller->vault, at, &act->event, &row, err) : rv;
}

static CK_RV look_due(const struct sr_caller *caller, const char *id, struct sr_approval_row *row, enum step *step,
	enum sr_stand *stand, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_approval_load(caller->vault, &at, id, row, err);
	if (rv == CKR_OK) {
		*step = due(row, &at);
		*stand = sr_approval_stand(row, &at);
	}
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

/* The caller has met it, and done nothing: the vault itself takes the step. */
static void by_the_vault(struct sr_event *event)
{
	snprintf(event->actor_type, sizeof(event->actor_type), "system");
	event->actor_id[0] = '\0';
}

CK_RV sr_approval_settle(const struct sr_caller *caller, const char *id, enum sr_stand *stand, struct sr_error *err)
{
	struct sr_approval_row row;
	struct sr_act act;
	enum step step = STEP_NONE;
	CK_RV rv = look_due(caller, id, &row, &step, stand, err);
	if (rv != CKR_OK || step == STEP_NONE)
		return rv;
	sr_act_begin(&act, caller, step == STEP_TIME_OUT ? SR_EVENT_APPROVAL_TIMED_OUT : SR_EVENT_APPROVAL_GRANTED,
		row.path);
	by_the_vault(&act.event);
	act.run = settle_run;
	act.arg = (void *)id;
	act.policy_change = step == STEP_EFFECT;
	rv = sr_act_commit(&act, err);
	if (rv == CKR_FUNCTION_REJECTED && err->reason == SR_REASON_DECIDED) {
		sr_error_clear(err);
		rv = CKR_OK;
	}
	return rv == CKR_OK ? sr_approval_look(caller, id, &row, stand, err) : rv;
}

CK_RV sr_approval_spend(const struct sr_caller *caller, struct sr_moment *at, struct sr_event *event, const char *id,
	struct sr_error *err)
{
	struct sr_approval_row row;
	CK_RV rv = sr_approval_load(caller->vault, at, id, &row, err);
	if (rv == CKR_OK && sr_approval_stand(&row, at) != SR_STAND_IN_EFFECT)
		rv = sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED,
			"not done: its approval %s is not in effect (any more); ask for another", id);
	row.state = SR_APPROVAL_EXPIRED;
	return rv == CKR_OK ? sr_rows_put_approval(caller->vault, at, event, &row, err) : rv;
}
