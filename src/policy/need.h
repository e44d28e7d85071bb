/* What a token needs before it is good: approvals, by the policies that its scopes meet (design §6). Pure; any thread.
 */
#ifndef SR_POLICY_NEED_H
#define SR_POLICY_NEED_H

#include "policy/scope.h"
#include "policy/tier.h"

#define SR_APPROVALS_MAX 10
#define SR_POLICIES_MAX 256 /* in one vault */
#define SR_DELAY_MAX_MS (7ll * 24 * 60 * 60 * 1000)
#define SR_TIMEOUT_MIN_MS (60ll * 1000)
#define SR_TIMEOUT_MAX_MS (7ll * 24 * 60 * 60 * 1000)
#define SR_TIMEOUT_MS (60ll * 60 * 1000)         /* unless a policy says otherwise */
#define SR_BREAK_GLASS_MAX_MS (60ll * 60 * 1000) /* how long a token lives that one admin let pass alone */

/** struct sr_need: APPROVALS by different members, then DELAY_MS; undecided it ends after TIMEOUT_MS. BREAK_GLASS: one
 *  admin may decide alone. EACH_USE: a private key asks for a fresh approval at each use. */
struct sr_need {
	unsigned approvals;
	int64_t delay_ms;
	int64_t timeout_ms;
	bool break_glass;
	bool each_use;
};

/** struct sr_rule: a policy: what objects of TIER under GLOB need. */
struct sr_rule {
	const char *glob;
	enum sr_tier tier;
	struct sr_need need;
};

/** sr_need_default(tier): the table of design §6: none; one; two and five minutes. */
struct sr_need sr_need_default(enum sr_tier tier);

/** sr_need_join(a, b): the stricter of both in each respect: more approvals, a longer delay, a shorter timeout. What
 *  needs no approval has nothing to say of timeout and break-glass. */
struct sr_need sr_need_join(const struct sr_need *a, const struct sr_need *b);

/** sr_need_looser(next, was): whether NEXT is looser than WAS in any respect: fewer approvals, a shorter delay,
 *  break-glass where there was none, no approval for each use where there was one. */
bool sr_need_looser(const struct sr_need *next, const struct sr_need *was);

/** sr_need_of_path(rules, count, tier, path): the most specific rule of TIER whose glob matches; the default without
 *  one. More specific: more bytes that are not '*'; of equals, all of them joined. */
struct sr_need sr_need_of_path(const struct sr_rule *rules, size_t count, enum sr_tier tier, const char *path);

/** sr_need_of_glob(rules, count, tier, glob): what covers every path that GLOB matches: the most specific rule of TIER
 *  that contains GLOB (or the default), joined with each more specific one that meets it. Never less than
 *  sr_need_of_path of any path that GLOB matches. */
struct sr_need sr_need_of_glob(const struct sr_rule *rules, size_t count, enum sr_tier tier, const char *glob);

/** sr_need_of_scopes(rules, count, highest, scopes): joined over the scopes that do more than list, and over the tiers
 *  from standard to HIGHEST. */
struct sr_need sr_need_of_scopes(
	const struct sr_rule *rules, size_t count, enum sr_tier highest, const struct sr_scopes *scopes);

/** sr_rule_loosens(rules, count, rule, next): whether some path would need less in any respect (sr_need_looser) if the
 *  rule on RULE's tier and glob, which may be among RULES or not, said NEXT; NULL: if it were deleted. Where RULES are
 *  that change nothing on any path, it may say yes all the same; never no where a path needs less. */
bool sr_rule_loosens(const struct sr_rule *rules, size_t count, const struct sr_rule *rule, const struct sr_need *next);

/** sr_rule_why(rule, rules, count, approvers): why RULE is refused beside the other RULES, as a phrase for an error
 *  line; NULL: it is fine. Refused: 0 approvals for sensitive and critical; a number, delay or timeout beyond its
 * limit; more approvals than there are APPROVERS beside the requester; on the same glob, a higher tier that needs less
 * than a lower one; a delay, break-glass or an approval for each use where no approval is needed; more than
 * SR_POLICIES_MAX rules. A rule on the same tier and glob is the one that RULE replaces. */
const char *sr_rule_why(const struct sr_rule *rule, const struct sr_rule *rules, size_t count, unsigned approvers);

#endif
