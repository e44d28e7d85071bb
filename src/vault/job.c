/* Jobs: work that is started by creating an object and told by reading it. */
#include "audit/state.h"
#include "audit/verify.h"
#include "util/text.h"
#include "vault/backup.h"
#include "vault/event.h"
#include "vault/export.h"
#include "vault/keys.h"
#include "vault/prune.h"
#include "vault/rekey.h"
#include "vault/report.h"
#include "vault/secret.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- audit-verify ------------------------------------------------------------------------------------------------ */

static CK_RV verify(const struct sr_caller *caller, struct sr_verdict *verdict, struct sr_error *err)
{
	struct sr_vault *vault = caller->vault;
	struct sr_writer_config config = {
		.store = vault->store, .hsm = vault->hsm, .vault_id = vault->id, .heads_path = vault->heads
	};
	CK_RV rv = sr_audit_verify(&config, verdict, err);
	if (rv == CKR_OK && verdict->ok)
		rv = sr_report_check_rows(vault, verdict, err);
	return rv;
}

static CK_RV job_verify(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	(void)template;
	struct sr_verdict verdict = { 0 };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_AUDIT_VERIFIED, NULL);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_AUDIT, CKR_TOKEN_WRITE_PROTECTED, "verify the audit", err);
	if (rv == CKR_OK)
		rv = verify(caller, &verdict, err);
	if (rv == CKR_OK)
		rv = sr_report_verdict(caller->vault, &verdict, result, act.event.metadata, err);
	return sr_act_record(&act, rv, err);
}

/* -- status ------------------------------------------------------------------------------------------------------ */

static CK_RV job_status(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	(void)template;
	CK_RV rv = sr_need_duty(caller, SR_DUTY_STATUS, CKR_TOKEN_WRITE_PROTECTED, "see the status", err);
	return rv == CKR_OK ? sr_report_status(caller->vault, result, err) : rv;
}

/* -- accept-clock ------------------------------------------------------------------------------------------------ */

/** struct clocks: the newest record's time, and the wall clock's that takes its place. */
struct clocks {
	char was[SR_TIME_TEXT], now[SR_TIME_TEXT];
};

/* The record itself carries the wall clock's time (sr_event_sets_clock), so that time goes on from there. */
static CK_RV accept_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct clocks *clocks = act->arg;
	if (at->now.wall_ms >= at->not_before_ms - SR_CLOCK_SLACK_MS)
		return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CLOCK_NOT_BACK,
			"clock not accepted: it does not stand before the newest record; nothing is to be done");
	sr_text_time(at->not_before_ms, clocks->was);
	sr_text_time(at->now.wall_ms, clocks->now);
	snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"was\":\"%s\"}", clocks->was);
	snprintf(act->event.subject, sizeof(act->event.subject), "%s", SR_CUT_TOKENS);
	return sr_state_put(act->caller->vault->store, at, SR_CUT_TOKENS, at->event_id, err);
}

static CK_RV job_accept_clock(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	(void)template;
	struct clocks clocks = { .was = "" };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_VAULT_CLOCK_ACCEPTED, NULL);
	act.run = accept_run;
	act.arg = &clocks;
	act.policy_change = true;
	CK_RV rv = sr_need_duty(caller, SR_DUTY_MEMBERS, CKR_TOKEN_WRITE_PROTECTED, "accept the clock", err);
	rv = sr_act_record(&act, rv, err);
	if (rv != CKR_OK)
		return rv;
	return sr_report_text(json_pack("{s:s, s:s}", "was", clocks.was, "now", clocks.now), result, err);
}

/* -- sweep-versions ---------------------------------------------------------------------------------------------- */

static CK_RV job_sweep(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	unsigned secrets = 0, versions = 0, keys = 0, expired = 0;
	(void)template;
	CK_RV rv = sr_secret_sweep(caller, &secrets, &versions, err);
	if (rv == CKR_OK)
		rv = sr_key_sweep(caller, &keys, err);
	if (rv == CKR_OK)
		rv = sr_secret_tell_expired(caller, &expired, err);
	if (rv != CKR_OK)
		return rv;
	return sr_report_text(json_pack("{s:i, s:i, s:i, s:i}", "secrets", (int)secrets, "versions", (int)versions,
				      "former_keys", (int)keys, "expired", (int)expired),
		result, err);
}

/* -- the object -------------------------------------------------------------------------------------------------- */

/* RUN, or TAKE for a kind that takes more than its name from the template, or gives more than a result. */
static const struct {
	const char *kind;
	CK_RV(*run)
	(const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err);
	CK_RV(*take)
	(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held, char **result,
		struct sr_error *err);
} kinds[] = {
	{ "audit-verify", job_verify, NULL },
	{ "audit-export", sr_job_export, NULL },
	{ "audit-tail", sr_job_tail, NULL },
	{ "audit-key", sr_job_audit_key, NULL },
	{ "audit-prune", sr_prune_begin, NULL },
	{ "audit-prune-step", sr_prune_step, NULL },
	{ "status", job_status, NULL },
	{ "accept-clock", job_accept_clock, NULL },
	{ "sweep-versions", job_sweep, NULL },
	{ "backup", NULL, sr_backup_begin },
	{ "backup-piece", NULL, sr_backup_piece },
	{ "backup-end", NULL, sr_backup_end },
	{ "rekey", NULL, sr_rekey_begin },
	{ "rekey-step", NULL, sr_rekey_step },
	{ "rekey-rows", NULL, sr_rekey_rows },
	{ "hsm-status", NULL, sr_rekey_status },
	{ "hsm-retire", NULL, sr_rekey_retire },
};

static CK_RV run_kind(const struct sr_caller *caller, const struct sr_attr *kind, const struct sr_attrs *template,
	struct sr_attrs *held, char **result, struct sr_error *err)
{
	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strlen(kinds[i].kind) != kind->len || memcmp(kinds[i].kind, kind->value, kind->len) != 0)
			continue;
		return kinds[i].run ? kinds[i].run(caller, template, result, err)
				    : kinds[i].take(caller, template, held, result, err);
	}
	return sr_fail(err, kind ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
		"job not started: its kind is not one of those that docs/pkcs11.md lists");
}

static CK_RV job_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	const struct sr_attr *kind = sr_attrs_find(template, CKA_SR_KIND);
	char *result = NULL;
	CK_RV rv = run_kind(caller, kind, template, &created->held, &result, err);
	if (rv != CKR_OK) {
		free(result);
		return rv;
	}
	sr_attrs_put_ulong(&created->held, CKA_CLASS, CKO_SR_JOB);
	sr_attrs_put_bool(&created->held, CKA_TOKEN, false);
	sr_attrs_put_bool(&created->held, CKA_PRIVATE, true);
	sr_attrs_put_bool(&created->held, CKA_MODIFIABLE, false);
	sr_attrs_put(&created->held, CKA_SR_KIND, kind->value, kind->len);
	sr_attrs_put_text(&created->held, CKA_SR_STATE, "done");
	sr_attrs_put_text(&created->held, CKA_SR_RESULT, result);
	free(result);
	return created->held.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a job") : CKR_OK;
}

const struct sr_class sr_job_class = {
	.object_class = CKO_SR_JOB,
	.only_by_class = true,
	.create = job_create,
};
