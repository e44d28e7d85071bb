/* What a new epoch begins with. */
#include "vault/epoch.h"

#include "audit/state.h"
#include "util/text.h"
#include "vault/agent.h"
#include "vault/approval_row.h"

#include <stdio.h>
#include <string.h>

static void begin(struct sr_epoch *epoch, struct sr_act *act, enum sr_event_kind kind)
{
	sr_act_begin(act, epoch->caller, kind, NULL);
	snprintf(act->event.actor_type, sizeof(act->event.actor_type), "system");
	act->policy_change = kind == epoch->kind;
}

static int add_head(char *out, size_t size, const char *name, const struct sr_head *head)
{
	char hash[2 * SR_HASH_LEN + 1];
	sr_text_hex(head->hash, sizeof(head->hash), hash);
	return snprintf(out, size, ",\"%s\":{\"epoch\":%llu,\"sequence\":%llu,\"head\":\"%s\"}", name,
		(unsigned long long)head->epoch, (unsigned long long)head->seq, hash);
}

/* Tokens of before are void, as where an admin accepts the clock: nobody knows which of them were revoked since. */
static CK_RV begin_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_epoch *epoch = act->arg;
	const struct sr_restored *restored = &epoch->restored;
	char was[256], known[256] = "";
	add_head(was, sizeof(was), epoch->was, &restored->was);
	if (restored->found)
		add_head(known, sizeof(known), "hsm", &restored->known);
	snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"epoch\":%llu%s%s%s}",
		(unsigned long long)restored->epoch, was, known, epoch->more);
	snprintf(act->event.subject, sizeof(act->event.subject), "%s", SR_CUT_TOKENS);
	CK_RV rv = epoch->also ? epoch->also(at, epoch->ctx, err) : CKR_OK;
	return rv == CKR_OK ? sr_state_put(act->caller->vault->store, at, SR_CUT_TOKENS, at->event_id, err) : rv;
}

CK_RV sr_epoch_record(struct sr_epoch *epoch, struct sr_error *err)
{
	struct sr_act act;
	begin(epoch, &act, epoch->kind);
	act.run = begin_run;
	act.arg = epoch;
	return sr_act_commit(&act, err);
}

/** struct names: ids or names, one after the other, each with its NUL. */
struct names {
	struct sr_buf text;
	const struct sr_moment *at;
};

/** struct ending: one of them, and whose decision it is. */
struct ending {
	const struct sr_epoch *epoch;
	const char *name;
};

static bool meet_approval(const struct sr_approval_row *row, void *ctx)
{
	struct names *names = ctx;
	enum sr_stand stand = sr_approval_stand(row, names->at);
	if (sr_approval_open(stand) || stand == SR_STAND_IN_EFFECT)
		sr_buf_append(&names->text, row->id, strlen(row->id) + 1);
	return true;
}

static bool meet_agent(const struct sr_agent_row *row, void *ctx)
{
	struct names *names = ctx;
	if (row->state == SR_AGENT_ACTIVE)
		sr_buf_append(&names->text, row->name, strlen(row->name) + 1);
	return true;
}

static CK_RV cancel_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct ending *ending = act->arg;
	struct sr_approval_row row;
	CK_RV rv = sr_approval_load(act->caller->vault, at, ending->name, &row, err);
	if (rv != CKR_OK)
		return rv;
	row.state = SR_APPROVAL_CANCELED;
	snprintf(row.decided_by, sizeof(row.decided_by), "system");
	snprintf(row.decision, sizeof(row.decision), "%s", ending->epoch->decision);
	sr_approval_describe(&act->event, &row);
	return sr_rows_put_approval(act->caller->vault, at, &act->event, &row, err);
}

static CK_RV suspend_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct ending *ending = act->arg;
	struct sr_agent_row row = { .cut = 0 };
	CK_RV rv = sr_agent_load(act->caller, at, ending->name, &row, err);
	if (rv == CKR_OK) {
		row.state = SR_AGENT_SUSPENDED;
		row.cut = at->event_id;
		snprintf(act->event.metadata, sizeof(act->event.metadata),
			"{\"agent\":\"%s\",\"change\":\"suspended\"}", row.name);
		rv = sr_rows_put_agent(act->caller->vault, at, &act->event, &row, err);
	}
	sr_agent_row_clear(&row);
	return rv;
}

static CK_RV each_name(struct sr_epoch *epoch, struct names *names, enum sr_event_kind kind,
	CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err), size_t *count,
	struct sr_error *err)
{
	CK_RV rv = names->text.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to begin an epoch")
				      : CKR_OK;
	for (size_t at = 0; rv == CKR_OK && at < names->text.len;) {
		struct ending ending = { epoch, (char *)names->text.data + at };
		struct sr_act act;
		begin(epoch, &act, kind);
		act.run = run;
		act.arg = &ending;
		rv = sr_act_commit(&act, err);
		at += strlen(ending.name) + 1;
		*count += 1;
	}
	return rv;
}

CK_RV sr_epoch_end_grants(struct sr_epoch *epoch, struct sr_error *err)
{
	struct sr_vault *vault = epoch->caller->vault;
	const struct sr_store_ops *ops = vault->store->ops;
	struct sr_moment at;
	struct names approvals = { SR_BUF_INIT, &at }, agents = { SR_BUF_INIT, &at };
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = ops->approval_list(at.tx, meet_approval, &approvals, err);
	if (rv == CKR_OK)
		rv = ops->agent_list(at.tx, meet_agent, &agents, err);
	sr_writer_look_end(vault->writer, &at);
	if (rv == CKR_OK)
		rv = each_name(epoch, &approvals, SR_EVENT_APPROVAL_CANCELED, cancel_run, &epoch->approvals, err);
	if (rv == CKR_OK)
		rv = each_name(epoch, &agents, SR_EVENT_AGENT_UPDATED, suspend_run, &epoch->agents, err);
	sr_buf_clear(&approvals.text);
	sr_buf_clear(&agents.text);
	return rv;
}
