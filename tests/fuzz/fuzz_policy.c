/* Policies. Two lines: the glob that is asked about, a scope. Then the rules, each five bytes (tier, approvals, delay,
 * timeout, flags: what lies at the edges, from tables) and its glob up to a newline. A rule that is fine joins those
 * before it; after each, what needs less is compared with what the functions say. */
#include "tests/fuzz/fuzz.h"

#include "policy/need.h"
#include "policy/path.h"

#define RULES 12
#define APPROVERS 10

static const int64_t delays[] = { 0, 1, 300000, SR_DELAY_MAX_MS, SR_DELAY_MAX_MS + 1, -1, INT64_MAX, INT64_MIN };
static const int64_t timeouts[] = { SR_TIMEOUT_MS, SR_TIMEOUT_MIN_MS, SR_TIMEOUT_MAX_MS, SR_TIMEOUT_MIN_MS - 1,
	SR_TIMEOUT_MAX_MS + 1, 0, -1, INT64_MAX };
static const unsigned approvals[] = { 0, 1, 2, 3, SR_APPROVALS_MAX, SR_APPROVALS_MAX + 1, ~0u, 1 };

/** struct policies: RULES point into GLOBS. */
struct policies {
	struct sr_rule rules[RULES];
	char globs[RULES][SR_PATH_MAX + 1];
	size_t count;
};

static bool same(const struct sr_need *a, const struct sr_need *b)
{
	return a->approvals == b->approvals && a->delay_ms == b->delay_ms && a->timeout_ms == b->timeout_ms &&
	       a->break_glass == b->break_glass && a->each_use == b->each_use;
}

/* Both together are never less than one, in whatever order. */
static void check_join(const struct sr_need *a, const struct sr_need *b)
{
	struct sr_need both = sr_need_join(a, b), turned = sr_need_join(b, a), again = sr_need_join(&both, a);
	must(same(&both, &turned) && same(&both, &again));
	must(!sr_need_looser(&both, a) && !sr_need_looser(&both, b));
}

static void check_limits(const struct sr_rule *rule)
{
	const struct sr_need *need = &rule->need;
	must((unsigned)rule->tier < SR_TIER_COUNT && sr_glob_valid(rule->glob, strlen(rule->glob)));
	must(need->approvals <= SR_APPROVALS_MAX && need->approvals <= APPROVERS);
	must(need->approvals > 0 || rule->tier == SR_TIER_STANDARD);
	must(need->delay_ms >= 0 && need->delay_ms <= SR_DELAY_MAX_MS);
	must(need->timeout_ms >= SR_TIMEOUT_MIN_MS && need->timeout_ms <= SR_TIMEOUT_MAX_MS);
	must(need->approvals > 0 || (!need->delay_ms && !need->break_glass && !need->each_use));
}

/* A path that GLOB matches: each star is WITH. False where that makes no path. */
static bool make_path(const char *glob, const char *with, char path[SR_PATH_MAX + 1])
{
	size_t len = 0;
	for (; *glob; glob++) {
		const char *part = *glob == '*' ? with : (const char[]){ *glob, '\0' };
		if (len + strlen(part) > SR_PATH_MAX)
			return false;
		memcpy(path + len, part, strlen(part));
		len += strlen(part);
	}
	path[len] = '\0';
	return sr_path_valid(path, len);
}

/* What a glob needs covers what each of its paths needs. */
static void check_glob(const struct policies *now, const char *glob, const char *path)
{
	must(sr_glob_match(glob, path));
	for (int tier = 0; tier < SR_TIER_COUNT; tier++) {
		struct sr_need all = sr_need_of_glob(now->rules, now->count, (enum sr_tier)tier, glob);
		struct sr_need one = sr_need_of_path(now->rules, now->count, (enum sr_tier)tier, path);
		must(!sr_need_looser(&all, &one));
		check_join(&all, &one);
	}
}

static void check_scope(const struct policies *now, struct sr_scope *scope)
{
	const struct sr_scopes scopes = { 1, scope };
	bool more = scope->resource != SR_RESOURCE_TOKENS && (scope->actions & ~(uint32_t)SR_ACTION_LIST);
	struct sr_need below = { .timeout_ms = SR_TIMEOUT_MS };
	for (int tier = 0; tier < SR_TIER_COUNT; tier++) {
		struct sr_need need = sr_need_of_scopes(now->rules, now->count, (enum sr_tier)tier, &scopes);
		struct sr_need one = sr_need_of_glob(now->rules, now->count, (enum sr_tier)tier, scope->glob);
		must(!more || !sr_need_looser(&need, &one));
		must(more || need.approvals == 0);
		must(!sr_need_looser(&need, &below)); /* a higher tier is no easier */
		below = need;
	}
}

/* Whatever a path needs less by a change, the change loosens. */
static void check_change(const struct policies *was, const struct policies *now, const struct sr_rule *rule,
	const struct sr_need *next, const char *path)
{
	struct sr_need before = sr_need_of_path(was->rules, was->count, rule->tier, path);
	struct sr_need after = sr_need_of_path(now->rules, now->count, rule->tier, path);
	if (sr_need_looser(&after, &before))
		must(sr_rule_loosens(was->rules, was->count, rule, next));
}

/* The globs move with their rules. */
static void copy(struct policies *to, const struct policies *from)
{
	*to = *from;
	for (size_t i = 0; i < to->count; i++)
		to->rules[i].glob = to->globs[i];
}

static void put(struct policies *policies, const struct sr_rule *rule)
{
	size_t i = 0;
	while (i < policies->count &&
		(policies->rules[i].tier != rule->tier || strcmp(policies->rules[i].glob, rule->glob) != 0))
		i++;
	must(i < RULES);
	policies->count += i == policies->count;
	memmove(policies->globs[i], rule->glob, strlen(rule->glob) + 1);
	policies->rules[i] = *rule;
	policies->rules[i].glob = policies->globs[i];
}

static bool take_rule(const char **rest, size_t *left, struct sr_rule *rule, char glob[SR_PATH_MAX + 1])
{
	size_t len;
	if (*left < 6)
		return false;
	const uint8_t *bytes = (const uint8_t *)*rest;
	rule->tier = (enum sr_tier)(bytes[0] & 3);
	rule->need = (struct sr_need){ approvals[bytes[1] & 7], delays[bytes[2] & 7], timeouts[bytes[3] & 7],
		bytes[4] & 1, bytes[4] & 2 };
	*rest += 5;
	*left -= 5;
	const char *part = fuzz_part(rest, left, &len);
	len = len > SR_PATH_MAX ? SR_PATH_MAX : len;
	memcpy(glob, part, len);
	glob[len] = '\0';
	rule->glob = glob;
	return true;
}

/* One more rule, or another one in its place; and the way back. */
static void apply(struct policies *policies, const struct sr_rule *rule, const char *const paths[], size_t count)
{
	struct policies was;
	copy(&was, policies);
	const char *why = sr_rule_why(rule, was.rules, was.count, APPROVERS);
	if (why || was.count == RULES)
		return;
	check_limits(rule);
	put(policies, rule);
	for (size_t i = 0; i < count; i++) {
		check_change(&was, policies, rule, &rule->need, paths[i]);
		if (policies->count > was.count)
			check_change(policies, &was, rule, NULL, paths[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const with[] = { "", "x", "a/b" };
	const char *rest = (const char *)data, *why, *paths[3], *part;
	char glob[SR_PATH_MAX + 1], text[3][SR_PATH_MAX + 1], of_rule[SR_PATH_MAX + 1];
	struct policies policies = { .count = 0 };
	struct sr_scope scope;
	struct sr_rule rule;
	size_t len, count = 0;
	part = fuzz_part(&rest, &size, &len);
	if (!sr_glob_valid(part, len))
		return 0;
	memcpy(glob, part, len);
	glob[len] = '\0';
	for (size_t i = 0; i < 3; i++) {
		if (make_path(glob, with[i], text[count])) {
			paths[count] = text[count];
			count++;
		}
	}
	part = fuzz_part(&rest, &size, &len);
	bool scoped = sr_scope_parse(part, len, &scope, &why);
	while (take_rule(&rest, &size, &rule, of_rule))
		apply(&policies, &rule, paths, count);
	for (size_t i = 0; i < count; i++)
		check_glob(&policies, glob, paths[i]);
	if (scoped)
		check_scope(&policies, &scope);
	return 0;
}
