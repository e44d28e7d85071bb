/* One act says where the audit begins from now on; what is left over before that is removed in small transactions, now
 * or whenever somebody asks next. */
#include "vault/prune.h"

#include "audit/base.h"
#include "store/prune.h"
#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/report.h"
#include "vault/who.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LEAST_MS (30ll * 24 * 60 * 60 * 1000)
#define AT_ONCE 5000   /* records in one transaction */
#define AT_LEAST 50    /* on a disk that is full */
#define IN_ONE_STEP 20 /* transactions */

/** struct pruning: what is asked for (BEFORE_MS), and what there is: WAS, the beginning as it stands; NEXT, the new
 * one, the same where nothing is to go. LEFT: records before NEXT. SINK: the one that has yet to get what else would
 * go. */
struct pruning {
	int64_t before_ms;
	struct sr_base was, next;
	uint64_t left;
	char sink[16];
};

static CK_RV may_prune(const struct sr_caller *caller, struct sr_error *err)
{
	return sr_need_duty(caller, SR_DUTY_MEMBERS, CKR_TOKEN_WRITE_PROTECTED, "remove records of the audit", err);
}

/* -- how old ----------------------------------------------------------------------------------------------------- */

static bool parse_before(const struct sr_attr *attr, int64_t *ms)
{
	char text[64];
	if (attr->len == 0 || attr->len >= sizeof(text) || memchr(attr->value, '\0', attr->len))
		return false;
	memcpy(text, attr->value, attr->len);
	text[attr->len] = '\0';
	return sr_text_parse_time(text, ms) && *ms > 0;
}

static CK_RV take_before(
	const struct sr_caller *caller, const struct sr_attrs *template, struct pruning *pruning, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_BEFORE);
	if (attr && !parse_before(attr, &pruning->before_ms))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"nothing was removed: before: it is an RFC 3339 time");
	if (attr || caller->vault->audit_keep_ms > 0)
		return CKR_OK;
	return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
		"nothing was removed: nothing says which records may go; name a time before which they may, or set "
		"audit-keep under [vault]");
}

/* Without one named it is what is configured. */
static CK_RV check_age(
	const struct sr_vault *vault, const struct sr_moment *at, struct pruning *pruning, struct sr_error *err)
{
	int64_t now_ms = sr_moment_now(at).wall_ms;
	int64_t keep_ms = vault->audit_keep_ms > LEAST_MS ? vault->audit_keep_ms : LEAST_MS;
	if (pruning->before_ms == 0)
		pruning->before_ms = now_ms > keep_ms ? now_ms - keep_ms : 1;
	if (pruning->before_ms <= now_ms - keep_ms)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_AUDIT_KEPT,
		"nothing was removed: records stay for %lld days%s", (long long)(keep_ms / (24 * 60 * 60 * 1000)),
		keep_ms > LEAST_MS ? ", as [vault] audit-keep says" : " at least");
}

/* -- where to ---------------------------------------------------------------------------------------------------- */

/* What a sink has not had stays. */
static uint64_t bound_by_sinks(struct sr_vault *vault, char name[16])
{
	struct sr_sink_state states[SR_SINKS_MAX];
	size_t count = sr_writer_sinks(vault->writer, states);
	uint64_t bound = INT64_MAX - 1;
	for (size_t i = 0; i < count; i++) {
		if (states[i].sent >= bound)
			continue;
		bound = states[i].sent;
		snprintf(name, 16, "%s", states[i].name);
	}
	return bound;
}

static CK_RV choose_in(
	struct sr_vault *vault, const struct sr_moment *at, struct pruning *pruning, struct sr_error *err)
{
	uint64_t had = bound_by_sinks(vault, pruning->sink), last = had;
	CK_RV rv = sr_base_get(vault->store, vault->hsm, at, &pruning->was, err);
	if (rv == CKR_OK)
		rv = sr_base_choose(
			vault->store, vault->hsm, at, pruning->before_ms, &last, &pruning->was, &pruning->next, err);
	if (last <= had)
		pruning->sink[0] = '\0';
	return rv == CKR_OK ? sr_store_old(at->tx, pruning->next.head.seq, &pruning->left, err) : rv;
}

static CK_RV choose(struct sr_vault *vault, struct pruning *pruning, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = check_age(vault, &at, pruning, err);
	if (rv == CKR_OK)
		rv = choose_in(vault, &at, pruning, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

static CK_RV changed_meanwhile(struct sr_error *err)
{
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
		"nothing was removed: somebody else has just moved the audit's beginning; look again");
}

static CK_RV prune_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_store *store = act->caller->vault->store;
	const struct pruning *pruning = act->arg;
	const struct sr_checkpoint_row *chosen = &pruning->next.checkpoint;
	struct sr_checkpoint_row row;
	uint64_t seq;
	bool found = false;
	CK_RV rv = sr_base_number(store, at, &seq, err);
	if (rv == CKR_OK)
		rv = store->ops->checkpoint_from(at->tx, chosen->seq, &row, &found, err);
	if (rv == CKR_OK && (seq != pruning->was.head.seq || !found || row.seq != chosen->seq ||
				    memcmp(row.head, chosen->head, sizeof(row.head)) != 0))
		rv = changed_meanwhile(err);
	return rv == CKR_OK ? sr_base_put(store, at, &pruning->next, &act->event, err) : rv;
}

static uint64_t records_of(const struct pruning *pruning)
{
	return pruning->next.head.seq - pruning->was.head.seq;
}

static void tell_act(struct sr_act *act, const struct pruning *pruning)
{
	char before[SR_TIME_TEXT], head[2 * SR_HASH_LEN + 1];
	sr_text_time(pruning->before_ms, before);
	sr_text_hex(pruning->next.head.hash, SR_HASH_LEN, head);
	snprintf(act->event.metadata, sizeof(act->event.metadata),
		"{\"step\":\"begun\",\"base\":%" PRIu64 ",\"head\":\"%s\",\"records\":%" PRIu64 ",\"before\":\"%s\"}",
		pruning->next.head.seq, head, records_of(pruning), before);
}

static CK_RV tell_begun(const struct pruning *pruning, char **result, struct sr_error *err)
{
	char before[SR_TIME_TEXT];
	sr_text_time(pruning->before_ms, before);
	return sr_report_text(json_pack("{s:I, s:I, s:I, s:s, s:s}", "base", (json_int_t)pruning->next.head.seq,
				      "records", (json_int_t)records_of(pruning), "left", (json_int_t)pruning->left,
				      "before", before, "sink", pruning->sink),
		result, err);
}

/* Where nothing is to go, that was asked is recorded all the same. */
CK_RV sr_prune_begin(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	struct pruning pruning = { .before_ms = 0 };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_AUDIT_PRUNED, NULL);
	CK_RV rv = may_prune(caller, err);
	if (rv == CKR_OK)
		rv = take_before(caller, template, &pruning, err);
	if (rv == CKR_OK)
		rv = choose(caller->vault, &pruning, err);
	if (rv == CKR_OK)
		tell_act(&act, &pruning);
	if (rv == CKR_OK && records_of(&pruning) > 0) {
		act.run = prune_run;
		act.arg = &pruning;
		act.policy_change = true;
	}
	rv = sr_act_record(&act, rv, err);
	return rv == CKR_OK ? tell_begun(&pruning, result, err) : rv;
}

/* -- removing ---------------------------------------------------------------------------------------------------- */

/** struct removing: what is LEFT before BASE, and what was REMOVED by this step. */
struct removing {
	uint64_t base, left, removed;
};

static CK_RV look_left(struct sr_vault *vault, struct removing *removing, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_base_number(vault->store, &at, &removing->base, err);
	if (rv == CKR_OK)
		rv = sr_store_old(at.tx, removing->base, &removing->left, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

static CK_RV remove_once(
	struct sr_vault *vault, struct removing *removing, unsigned limit, uint64_t *count, struct sr_error *err)
{
	const struct sr_store_ops *ops = vault->store->ops;
	struct sr_tx *tx;
	CK_RV rv = ops->begin_write(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_store_prune(tx, removing->base, limit, count, err);
	if (rv == CKR_OK)
		rv = ops->commit(tx, err);
	else
		ops->rollback(tx);
	removing->removed += rv == CKR_OK ? *count : 0;
	return rv;
}

/* Whoever waits for the database is let in. */
static void let_others_in(void)
{
	const struct timespec moment = { .tv_nsec = 5 * 1000 * 1000 };
	nanosleep(&moment, NULL);
}

/* A removal is written before it makes room: on a full disk the next one is smaller. */
static CK_RV remove_some(struct sr_vault *vault, struct removing *removing, struct sr_error *err)
{
	unsigned limit = AT_ONCE;
	uint64_t count = 1;
	CK_RV rv = CKR_OK;
	for (int i = 0; rv == CKR_OK && count > 0 && i < IN_ONE_STEP; i++) {
		sr_error_clear(err);
		rv = remove_once(vault, removing, limit, &count, err);
		if (rv == CKR_DEVICE_MEMORY && limit > AT_LEAST) {
			limit /= 10;
			rv = CKR_OK;
		}
		let_others_in();
	}
	if (rv == CKR_OK)
		sr_error_clear(err);
	removing->left -= removing->removed < removing->left ? removing->removed : removing->left;
	return rv;
}

CK_RV sr_prune_step(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	struct removing removing = { .base = 0 };
	struct sr_act act;
	(void)template;
	sr_act_begin(&act, caller, SR_EVENT_AUDIT_PRUNED, NULL);
	CK_RV rv = may_prune(caller, err);
	if (rv == CKR_OK)
		rv = look_left(caller->vault, &removing, err);
	if (rv == CKR_OK)
		rv = remove_some(caller->vault, &removing, err);
	snprintf(act.event.metadata, sizeof(act.event.metadata),
		"{\"step\":\"removed\",\"base\":%" PRIu64 ",\"records\":%" PRIu64 ",\"left\":%" PRIu64 "}",
		removing.base, removing.removed, removing.left);
	rv = sr_act_record(&act, rv, err);
	if (rv != CKR_OK)
		return rv;
	return sr_report_text(json_pack("{s:I, s:I, s:I}", "base", (json_int_t)removing.base, "removed",
				      (json_int_t)removing.removed, "left", (json_int_t)removing.left),
		result, err);
}
