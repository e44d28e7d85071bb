/* Policies: shown, set, deleted. What would loosen one needs the approvals that it asks for now. */
#include "util/text.h"
#include "vault/approval.h"
#include "vault/key.h"
#include "vault/policies.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_TTL_MS (24ll * 60 * 60 * 1000) /* how long an approved change may wait to be made */

/** struct change: what a policy is to be; GONE: deleted. WAS: what is needed under its glob as long as it is not made;
 * GATED: that must be given first. BASE, TARGET, TEXT: as in struct sr_request. */
struct change {
	struct sr_policy_row row;
	bool gone;
	struct sr_need was;
	bool gated;
	uint64_t base;
	char target[SR_SUBJECT_MAX];
	char text[SR_SUBJECT_MAX];
};

/* -- the template ------------------------------------------------------------------------------------------------ */

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "policy not set: %s: %s", what, why);
}

static CK_RV take_glob(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	if (!sr_glob_valid((const char *)attr->value, attr->len))
		return bad(err, SR_REASON_BAD_PATH, "bad glob", sr_glob_why((const char *)attr->value, attr->len));
	memcpy(row->glob, attr->value, attr->len);
	row->glob[attr->len] = '\0';
	return CKR_OK;
}

static CK_RV take_tier(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	if (sr_tier_parse((const char *)attr->value, attr->len, &row->tier))
		return CKR_OK;
	return bad(err, SR_REASON_BAD_TEMPLATE, "bad tier", "it must be standard, sensitive or critical");
}

static CK_RV take_approvals(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	uint64_t number;
	if (!sr_text_u64((const char *)attr->value, attr->len, SR_APPROVALS_MAX, &number))
		return bad(err, SR_REASON_BAD_NUMBER, "bad approvals", "it must be a number from 0 to 10");
	row->approvals = (uint32_t)number;
	return CKR_OK;
}

static CK_RV take_seconds(
	const struct sr_attr *attr, const char *what, int64_t max_ms, int64_t *ms, struct sr_error *err)
{
	uint64_t seconds;
	if (!sr_text_u64((const char *)attr->value, attr->len, (uint64_t)max_ms / 1000, &seconds))
		return bad(err, SR_REASON_BAD_DURATION, what, "it must be a number of seconds, 7d at most");
	*ms = (int64_t)seconds * 1000;
	return CKR_OK;
}

static CK_RV take_delay(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	return take_seconds(attr, "bad delay", SR_DELAY_MAX_MS, &row->delay_ms, err);
}

static CK_RV take_timeout(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	return take_seconds(attr, "bad timeout", SR_TIMEOUT_MAX_MS, &row->timeout_ms, err);
}

static CK_RV take_flag(const struct sr_attr *attr, const char *what, bool *flag, struct sr_error *err)
{
	*flag = attr->len == 4 && memcmp(attr->value, "true", 4) == 0;
	if (*flag || (attr->len == 5 && memcmp(attr->value, "false", 5) == 0))
		return CKR_OK;
	return bad(err, SR_REASON_BAD_TEMPLATE, what, "it must be true or false");
}

static CK_RV take_break_glass(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	return take_flag(attr, "bad break-glass", &row->break_glass, err);
}

static CK_RV take_each_use(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	return take_flag(attr, "bad each-use", &row->each_use, err);
}

static CK_RV take_either(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err)
{
	(void)row;
	(void)attr;
	(void)err;
	return CKR_OK;
}

/* The first two say which policy it is, and the tier what it has where the others say nothing. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	CK_RV (*take)(struct sr_policy_row *row, const struct sr_attr *attr, struct sr_error *err);
} takers[] = {
	{ CKA_SR_PATH, take_glob },
	{ CKA_SR_TIER, take_tier },
	{ CKA_SR_APPROVALS, take_approvals },
	{ CKA_SR_DELAY, take_delay },
	{ CKA_SR_TIMEOUT, take_timeout },
	{ CKA_SR_BREAK_GLASS, take_break_glass },
	{ CKA_SR_EACH_USE, take_each_use },
	{ CKA_CLASS, take_either },
	{ CKA_TOKEN, take_either },
	{ CKA_PRIVATE, take_either },
};
#define TAKERS (sizeof(takers) / sizeof(*takers))

static CK_RV only_policy_attributes(const struct sr_attrs *template, struct sr_error *err)
{
	for (size_t i = 0; i < template->count; i++) {
		size_t k = 0;
		while (k < TAKERS && takers[k].type != template->items[i].type)
			k++;
		if (k == TAKERS)
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"policy not set: attribute 0x%lx does not belong to a policy", template->items[i].type);
	}
	return CKR_OK;
}

static void take_defaults(struct sr_policy_row *row)
{
	struct sr_need need = sr_need_default(row->tier);
	row->active = true;
	row->approvals = need.approvals;
	row->delay_ms = need.delay_ms;
	row->timeout_ms = need.timeout_ms;
	row->break_glass = need.break_glass;
	row->each_use = need.each_use;
}

static CK_RV take_template(struct sr_policy_row *row, const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv = only_policy_attributes(template, err);
	for (size_t i = 0; rv == CKR_OK && i < TAKERS; i++) {
		const struct sr_attr *attr = sr_attrs_find(template, takers[i].type);
		if (!attr && i < 2)
			return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_POLICY,
				"policy not set: it needs a glob (CKA_SR_PATH) and a tier (CKA_SR_TIER)");
		if (i == 2)
			take_defaults(row);
		if (attr)
			rv = takers[i].take(row, attr, err);
	}
	/* who means the default says so: nobody lowers it by leaving something out */
	if (rv == CKR_OK && row->tier == SR_TIER_CRITICAL && !sr_attrs_find(template, CKA_SR_APPROVALS))
		rv = sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_POLICY,
			"policy not set: for critical it has to say how many approvals (CKA_SR_APPROVALS, "
			"--approvals)");
	return rv;
}

/* -- is it looser? ----------------------------------------------------------------------------------------------- */

/* Compared byte by byte: what was approved is what is made. */
static void fill_text(struct change *change)
{
	const struct sr_policy_row *row = &change->row;
	sr_rows_policy_subject(row->tier, row->glob, change->target);
	if (change->gone)
		snprintf(change->text, sizeof(change->text), "delete");
	else
		snprintf(change->text, sizeof(change->text),
			"approvals=%u delay=%lld timeout=%lld break-glass=%s each-use=%s", row->approvals,
			(long long)row->delay_ms / 1000, (long long)row->timeout_ms / 1000,
			row->break_glass ? "yes" : "no", row->each_use ? "yes" : "no");
}

static CK_RV judge_rule(struct sr_vault *vault, const struct sr_moment *at, const struct change *change,
	const struct sr_policies *policies, struct sr_error *err)
{
	struct sr_rule rule = { change->row.glob, change->row.tier, sr_policy_row_need(&change->row) };
	unsigned approvers = 0;
	CK_RV rv = sr_policies_approvers(vault, at, &approvers, err);
	if (rv != CKR_OK)
		return rv;
	const char *why = sr_rule_why(&rule, policies->rules, policies->count, approvers ? approvers - 1 : 0);
	return why ? bad(err, SR_REASON_BAD_POLICY, "it cannot be", why) : CKR_OK;
}

/* Fills what depends on how the policies are now. */
static CK_RV judge(struct sr_vault *vault, const struct sr_moment *at, struct change *change,
	const struct sr_policies *policies, struct sr_error *err)
{
	struct sr_policy_row now;
	struct sr_rule rule = { change->row.glob, change->row.tier, sr_policy_row_need(&change->row) };
	bool found = false;
	CK_RV rv = sr_rows_policy(vault, at, change->row.tier, change->row.glob, &now, &found, err);
	if (rv == CKR_OK && change->gone && !(found && now.active))
		rv = sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such policy for you");
	if (rv == CKR_OK && !change->gone)
		rv = judge_rule(vault, at, change, policies, err);
	if (rv != CKR_OK)
		return rv;
	change->base = found ? now.mark.event_id : 0;
	change->row.created_ms = found ? now.created_ms : 0;
	change->was = sr_need_of_glob(policies->rules, policies->count, rule.tier, rule.glob);
	change->gated = change->was.approvals > 0 &&
			sr_rule_loosens(policies->rules, policies->count, &rule, change->gone ? NULL : &rule.need);
	if (change->gone) { /* what it said is kept for who looks back */
		change->row = now;
		change->row.active = false;
	}
	return CKR_OK;
}

static CK_RV judge_now(struct sr_vault *vault, const struct sr_moment *at, struct change *change, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	CK_RV rv = sr_policies_load(vault, at, &policies, err);
	if (rv == CKR_OK)
		rv = judge(vault, at, change, &policies, err);
	sr_policies_clear(&policies);
	return rv;
}

static struct sr_request request_of(const struct change *change)
{
	return (struct sr_request){ .kind = SR_APPROVAL_POLICY,
		.target = change->target,
		.change = change->text,
		.base = change->base,
		.path = change->row.glob,
		.tier = change->row.tier,
		.need = change->was,
		.ttl_ms = CHANGE_TTL_MS,
		.reason = "" };
}

/* -- the act ----------------------------------------------------------------------------------------------------- */

static void describe(struct sr_event *event, const struct change *change)
{
	snprintf(event->tier, sizeof(event->tier), "%s", sr_tier_name(change->row.tier));
	sr_key_note(event, json_pack("{s:s}", "change", change->text));
}

static CK_RV policy_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct change *change = act->arg;
	struct sr_vault *vault = act->caller->vault;
	char id[SR_ID_MAX];
	int64_t now_ms = at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms;
	CK_RV rv = judge_now(vault, at, change, err);
	struct sr_request request = request_of(change);
	if (rv == CKR_OK && change->gated)
		rv = sr_approval_passes(act->caller, at, &request, id, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(change->row.author, sizeof(change->row.author), "%s", act->caller->identity->member.name);
	change->row.updated_ms = now_ms;
	if (!change->row.created_ms)
		change->row.created_ms = now_ms;
	return sr_rows_put_policy(vault, at, &act->event, &change->row, err);
}

/* Before the act: what is looser waits for its approvals here. */
static CK_RV gate(const struct sr_caller *caller, struct change *change, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = judge_now(caller->vault, &at, change, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv != CKR_OK || !change->gated)
		return rv;
	struct sr_request request = request_of(change);
	return sr_approval_gate(caller, &request, err);
}

static CK_RV commit_change(
	const struct sr_caller *caller, struct change *change, CK_RV rv, CK_RV refusal, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_POLICY_CHANGED, change->row.glob);
	if (rv == CKR_OK)
		rv = sr_need_duty(caller, SR_DUTY_POLICIES, refusal, "change policies", err);
	if (rv == CKR_OK) {
		fill_text(change);
		describe(&act.event, change);
		rv = gate(caller, change, err);
	}
	act.run = policy_run;
	act.arg = change;
	act.policy_change = true;
	return sr_act_record(&act, rv, err);
}

static void make_id(enum sr_tier tier, const char *glob, char id[SR_OBJECT_ID_MAX])
{
	snprintf(id, SR_OBJECT_ID_MAX, "%d:%s", (int)tier, glob);
}

static CK_RV policy_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct change change = { .gone = false };
	CK_RV rv = take_template(&change.row, template, err);
	rv = commit_change(caller, &change, rv, CKR_TOKEN_WRITE_PROTECTED, err);
	if (rv == CKR_OK)
		make_id(change.row.tier, change.row.glob, created->id);
	return rv;
}

/* -- showing ----------------------------------------------------------------------------------------------------- */

static CK_RV no_policy(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such policy for you");
}

static bool may_see(const struct sr_caller *caller)
{
	return (sr_who_duties(caller->identity) & SR_DUTY_APPROVALS_SEE) != 0;
}

static bool parse_id(const char *id, struct sr_policy_row *row)
{
	unsigned tier = (unsigned)(id[0] - '0');
	if (tier >= SR_TIER_COUNT || id[1] != ':' || !sr_glob_valid(id + 2, strlen(id + 2)))
		return false;
	row->tier = (enum sr_tier)tier;
	snprintf(row->glob, sizeof(row->glob), "%s", id + 2);
	return true;
}

static CK_RV policy_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	struct change change = { .gone = true };
	if (!parse_id(id, &change.row))
		return no_policy(err);
	return commit_change(caller, &change, may_see(caller) ? CKR_OK : no_policy(err), CKR_ACTION_PROHIBITED, err);
}

static void policy_attrs(const struct sr_policy_row *row, struct sr_attrs *attrs)
{
	char author[SR_NAME_MAX + 8];
	snprintf(author, sizeof(author), "member:%s", row->author);
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_POLICY);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_text(attrs, CKA_LABEL, row->glob);
	sr_attrs_put_text(attrs, CKA_SR_PATH, row->glob);
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	sr_attrs_put_number(attrs, CKA_SR_APPROVALS, row->approvals);
	sr_attrs_put_number(attrs, CKA_SR_DELAY, (uint64_t)row->delay_ms / 1000);
	sr_attrs_put_number(attrs, CKA_SR_TIMEOUT, (uint64_t)row->timeout_ms / 1000);
	sr_attrs_put_text(attrs, CKA_SR_BREAK_GLASS, row->break_glass ? "true" : "false");
	sr_attrs_put_text(attrs, CKA_SR_EACH_USE, row->each_use ? "true" : "false");
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_UPDATED_AT, row->updated_ms);
	sr_attrs_put_text(attrs, CKA_SR_ISSUER, author);
}

static CK_RV policy_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_policy_row asked = { .active = false }, row;
	struct sr_moment at;
	bool found = false;
	if (!may_see(caller) || !parse_id(id, &asked))
		return no_policy(err);
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_policy(caller->vault, &at, asked.tier, asked.glob, &row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !(found && row.active))
		rv = no_policy(err);
	if (rv == CKR_OK)
		policy_attrs(&row, &view->attrs);
	return rv;
}

static CK_RV policy_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct sr_policies policies = { .count = 0 };
	struct sr_moment at;
	bool more = true;
	CK_RV rv = may_see(caller) ? sr_writer_look(caller->vault->writer, &at, err) : CKR_OK;
	if (rv != CKR_OK || !may_see(caller))
		return rv;
	rv = sr_policies_load(caller->vault, &at, &policies, err);
	sr_writer_look_end(caller->vault->writer, &at);
	for (size_t i = 0; rv == CKR_OK && more && i < policies.count; i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		char id[SR_OBJECT_ID_MAX];
		make_id(policies.rows[i].tier, policies.rows[i].glob, id);
		policy_attrs(&policies.rows[i], &attrs);
		if (sr_attrs_match(query, &attrs))
			more = found(id, ctx);
		sr_attrs_clear(&attrs);
	}
	sr_policies_clear(&policies);
	return rv;
}

const struct sr_class sr_policy_class = {
	.object_class = CKO_SR_POLICY,
	.only_by_class = true,
	.needs_rw = true,
	.find = policy_find,
	.view = policy_view,
	.create = policy_create,
	.destroy = policy_destroy,
};
