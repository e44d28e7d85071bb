/* The one way to act: an event, a job, the identity checked again where it counts. */
#include "util/text.h"
#include "vault/absence.h"
#include "vault/denied.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text);
}

static void fill_actor(struct sr_event *event, const struct sr_identity *who)
{
	if (!who) {
		copy_text(event->actor_type, sizeof(event->actor_type), "anonymous");
		return;
	}
	if (who->type == SR_IDENTITY_MEMBER) {
		copy_text(event->actor_type, sizeof(event->actor_type), "member");
		copy_text(event->actor_id, sizeof(event->actor_id), who->member.name);
		return;
	}
	if (who->type == SR_IDENTITY_AGENT) {
		copy_text(event->actor_type, sizeof(event->actor_type), "agent");
		copy_text(event->actor_id, sizeof(event->actor_id), who->agent.name);
		return;
	}
	copy_text(event->actor_type, sizeof(event->actor_type), "token");
	copy_text(event->actor_id, sizeof(event->actor_id), who->token.id);
	copy_text(event->token_id, sizeof(event->token_id), who->token.id);
}

void sr_act_begin(struct sr_act *act, const struct sr_caller *caller, enum sr_event_kind kind, const char *path)
{
	memset(act, 0, sizeof(*act));
	act->caller = caller;
	act->event.kind = kind;
	fill_actor(&act->event, caller->identity);
	sr_peer_ip(caller->peer, act->event.ip);
	snprintf(act->event.peer, sizeof(act->event.peer), "uid=%u pid=%d", caller->peer->uid, caller->peer->pid);
	copy_text(act->event.function, sizeof(act->event.function), caller->function);
	if (path)
		copy_text(act->event.path, sizeof(act->event.path), path);
}

/* Inside the transaction. What the owner checked before may have changed since: the login is asked again, the uses are
 * counted, then the act itself looks again at what it relies on. */
static CK_RV run_act(struct sr_moment *at, void *arg, struct sr_error *err)
{
	struct sr_act *act = arg;
	CK_RV rv = CKR_OK;
	if (act->caller->identity)
		rv = sr_who_still(act->caller, at, err);
	if (rv == CKR_OK && act->run)
		rv = act->run(act, at, err);
	if (rv != CKR_OK || !act->counts)
		return rv;
	act->event.counted = act->caller->identity->type == SR_IDENTITY_TOKEN;
	return sr_who_count_use(act->caller, at, err);
}

/* What audit-sync = lazy is about: reads and uses, which change nothing. A token that is known to count need not try.
 */
static bool may_lag(const struct sr_act *act)
{
	const struct sr_identity *who = act->caller->identity;
	bool counts = who && sr_identity_counts(who);
	return !counts && (act->event.kind == SR_EVENT_SECRET_READ || act->event.kind == SR_EVENT_KEY_USED);
}

CK_RV sr_act_submit(struct sr_act *act, CK_RV refuse, bool mute, struct sr_error *err)
{
	struct sr_job job = {
		.event = &act->event,
		.run = run_act,
		.arg = act,
		.refuse = refuse,
		.audit_reason = act->audit_reason,
		.lazy = may_lag(act),
		.policy_change = act->policy_change,
		.mute = mute,
	};
	sr_absence_record(act->caller->vault);
	return sr_writer_run(act->caller->vault->writer, &job, err);
}

/* A refusal that would get no record, and is known before the transaction, needs none. */
static CK_RV submit(struct sr_act *act, CK_RV refuse, struct sr_error *err)
{
	bool fits = sr_denied_fits(act);
	bool known = refuse != CKR_OK && sr_refusal_status(refuse) == SR_STATUS_DENIED;
	CK_RV rv = known && !fits ? refuse : sr_act_submit(act, refuse, !fits, err);
	if (rv == CKR_OK || sr_refusal_status(rv) != SR_STATUS_DENIED)
		return rv;
	act->refused = rv;
	act->refused_for = act->audit_reason ? act->audit_reason : err->reason;
	sr_denied_note(act, fits);
	return rv;
}

CK_RV sr_act_commit(struct sr_act *act, struct sr_error *err)
{
	return submit(act, CKR_OK, err);
}

CK_RV sr_act_record(struct sr_act *act, CK_RV rv, struct sr_error *err)
{
	return submit(act, rv, err);
}
