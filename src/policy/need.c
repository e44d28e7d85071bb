/* What is needed: rules by how much they say of a path, and the stricter of what meets. */
#include "policy/need.h"

#include <string.h>

struct sr_need sr_need_default(enum sr_tier tier)
{
	static const struct sr_need needs[SR_TIER_COUNT] = {
		[SR_TIER_STANDARD] = { .approvals = 0, .timeout_ms = SR_TIMEOUT_MS },
		[SR_TIER_SENSITIVE] = { .approvals = 1, .timeout_ms = SR_TIMEOUT_MS },
		[SR_TIER_CRITICAL] = { .approvals = 2, .delay_ms = 5ll * 60 * 1000, .timeout_ms = SR_TIMEOUT_MS },
	};
	return needs[(unsigned)tier < SR_TIER_COUNT ? tier : SR_TIER_CRITICAL];
}

/* -- comparing --------------------------------------------------------------------------------------------------- */

/* One admin may pass here alone: where nothing is needed, everybody passes. */
static bool one_passes(const struct sr_need *need)
{
	return need->approvals == 0 || need->break_glass;
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Without approvals nothing can time out. */
static int64_t join_timeouts(const struct sr_need *a, const struct sr_need *b)
{
	if ((a->approvals == 0) != (b->approvals == 0))
		return a->approvals ? a->timeout_ms : b->timeout_ms;
	return a->timeout_ms < b->timeout_ms ? a->timeout_ms : b->timeout_ms;
}

struct sr_need sr_need_join(const struct sr_need *a, const struct sr_need *b)
{
	struct sr_need both = {
		.approvals = a->approvals > b->approvals ? a->approvals : b->approvals,
		.delay_ms = longer(a->delay_ms, b->delay_ms),
		.timeout_ms = join_timeouts(a, b),
		.each_use = a->each_use || b->each_use,
	};
	both.break_glass = both.approvals && one_passes(a) && one_passes(b);
	return both;
}

bool sr_need_looser(const struct sr_need *next, const struct sr_need *was)
{
	return next->approvals < was->approvals || next->delay_ms < was->delay_ms ||
	       (one_passes(next) && !one_passes(was)) || (was->each_use && !next->each_use);
}

/* -- rules that apply -------------------------------------------------------------------------------------------- */

/* How much a glob says: its bytes that are not '*'. */
static int weight_of(const char *glob)
{
	int weight = 0;
	for (; *glob; glob++)
		weight += *glob != '*';
	return weight;
}

struct sr_need sr_need_of_path(const struct sr_rule *rules, size_t count, enum sr_tier tier, const char *path)
{
	struct sr_need need = sr_need_default(tier);
	int best = -1;
	for (size_t i = 0; i < count; i++) {
		if (rules[i].tier != tier || !sr_glob_match(rules[i].glob, path))
			continue;
		int weight = weight_of(rules[i].glob);
		if (weight > best)
			need = rules[i].need;
		else if (weight == best)
			need = sr_need_join(&need, &rules[i].need);
		best = weight > best ? weight : best;
	}
	return need;
}

static bool same_place(const struct sr_rule *a, const struct sr_rule *b)
{
	return a->tier == b->tier && strcmp(a->glob, b->glob) == 0;
}

/* The weight of the heaviest rule that holds the whole of GLOB: what lighter rules say of it, that one overrules
 * everywhere. -1: none does. BESIDE: without that rule, which is on GLOB itself, and without heavier ones; NULL: of
 * all. */
static int base_weight(
	const struct sr_rule *rules, size_t count, enum sr_tier tier, const char *glob, const struct sr_rule *beside)
{
	int best = -1;
	for (size_t i = 0; i < count; i++) {
		int weight = weight_of(rules[i].glob);
		bool counts = rules[i].tier == tier && sr_glob_contains(rules[i].glob, glob);
		if (beside && (weight > weight_of(beside->glob) || same_place(&rules[i], beside)))
			counts = false;
		if (counts && weight > best)
			best = weight;
	}
	return best;
}

struct sr_need sr_need_of_glob(const struct sr_rule *rules, size_t count, enum sr_tier tier, const char *glob)
{
	int base = base_weight(rules, count, tier, glob, NULL);
	struct sr_need need = sr_need_default(tier);
	bool any = base < 0;
	for (size_t i = 0; i < count; i++) {
		if (rules[i].tier != tier || weight_of(rules[i].glob) < base || !sr_glob_meets(rules[i].glob, glob))
			continue;
		need = any ? sr_need_join(&need, &rules[i].need) : rules[i].need;
		any = true;
	}
	return need;
}

struct sr_need sr_need_of_scopes(
	const struct sr_rule *rules, size_t count, enum sr_tier highest, const struct sr_scopes *scopes)
{
	struct sr_need need = { .timeout_ms = SR_TIMEOUT_MS };
	for (size_t i = 0; i < scopes->count; i++) {
		const struct sr_scope *scope = &scopes->items[i];
		if (scope->resource == SR_RESOURCE_TOKENS || !(scope->actions & ~(uint32_t)SR_ACTION_LIST))
			continue;
		for (int tier = SR_TIER_STANDARD; tier <= (int)highest; tier++) {
			struct sr_need of_tier = sr_need_of_glob(rules, count, (enum sr_tier)tier, scope->glob);
			need = sr_need_join(&need, &of_tier);
		}
	}
	return need;
}

/* -- changing a rule --------------------------------------------------------------------------------------------- */

static const struct sr_need *present(const struct sr_rule *rules, size_t count, const struct sr_rule *rule)
{
	for (size_t i = 0; i < count; i++) {
		if (same_place(&rules[i], rule))
			return &rules[i].need;
	}
	return NULL;
}

/* From NOW to NEXT; the one that is NULL is what decides beside the rule. */
static bool steps_down(const struct sr_need *now, const struct sr_need *next, const struct sr_need *beside)
{
	return sr_need_looser(next ? next : beside, now ? now : beside);
}

/* Where a rule decides, no heavier one does; so without it one of those decides that meet it, are not heavier, and not
 * overruled on the whole of it; or the default. */
static bool loosens_beside(const struct sr_rule *rules, size_t count, const struct sr_rule *rule,
	const struct sr_need *now, const struct sr_need *next)
{
	struct sr_need fallback = sr_need_default(rule->tier);
	int weight = weight_of(rule->glob);
	int base = base_weight(rules, count, rule->tier, rule->glob, rule);
	if (base < 0 && steps_down(now, next, &fallback))
		return true;
	for (size_t i = 0; i < count; i++) {
		int other = weight_of(rules[i].glob);
		bool may_decide = rules[i].tier == rule->tier && !same_place(&rules[i], rule) && other >= base &&
				  other <= weight && sr_glob_meets(rules[i].glob, rule->glob);
		if (may_decide && steps_down(now, next, &rules[i].need))
			return true;
	}
	return false;
}

bool sr_rule_loosens(const struct sr_rule *rules, size_t count, const struct sr_rule *rule, const struct sr_need *next)
{
	const struct sr_need *now = present(rules, count, rule);
	if (count > SR_POLICIES_MAX)
		return true;
	if (now && next)
		return sr_need_looser(next, now);
	return (now || next) && loosens_beside(rules, count, rule, now, next);
}

/* -- what a rule may not say ------------------------------------------------------------------------------------- */

static const char *need_why(const struct sr_rule *rule, unsigned approvers)
{
	const struct sr_need *need = &rule->need;
	if (need->approvals == 0 && rule->tier != SR_TIER_STANDARD)
		return "sensitive and critical need at least one approval";
	if (need->approvals > SR_APPROVALS_MAX)
		return "at most 10 approvals";
	if (need->approvals > approvers)
		return "more approvals than there are members who may approve beside the one who asks";
	if (need->delay_ms < 0 || need->delay_ms > SR_DELAY_MAX_MS)
		return "a delay is 7d at most";
	if (need->timeout_ms < SR_TIMEOUT_MIN_MS || need->timeout_ms > SR_TIMEOUT_MAX_MS)
		return "a timeout is between 1m and 7d";
	if (need->approvals == 0 && (need->delay_ms || need->break_glass || need->each_use))
		return "a delay, break-glass or an approval for each use, where no approval is needed";
	return NULL;
}

/* On one glob a higher tier is never the easier way. */
static const char *beside_why(const struct sr_rule *rule, const struct sr_rule *other)
{
	if (strcmp(rule->glob, other->glob) != 0)
		return NULL;
	if (other->tier < rule->tier && sr_need_looser(&rule->need, &other->need))
		return "it needs less than a lower tier on the same glob";
	if (other->tier > rule->tier && sr_need_looser(&other->need, &rule->need))
		return "it needs more than a higher tier on the same glob";
	return NULL;
}

const char *sr_rule_why(const struct sr_rule *rule, const struct sr_rule *rules, size_t count, unsigned approvers)
{
	const char *why = need_why(rule, approvers);
	size_t others = count;
	if ((unsigned)rule->tier >= SR_TIER_COUNT || !sr_glob_valid(rule->glob, strlen(rule->glob)))
		return "its tier or glob cannot be";
	for (size_t i = 0; !why && i < count; i++) {
		why = beside_why(rule, &rules[i]);
		others -= same_place(rule, &rules[i]);
	}
	if (!why && others >= SR_POLICIES_MAX)
		why = "there are 256 policies already; delete one";
	return why;
}
