/* strongroom policy lint: policies that do not do what whoever reads them may think. */
#include "cli/output.h"
#include "cli/policy.h"
#include "cli/session.h"
#include "policy/path.h"
#include "policy/tier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** struct rule: a policy, its numbers taken out of the JSON that it points into. */
struct rule {
	const char *glob;
	enum sr_tier tier;
	long long approvals;
	long long delay;
	bool break_glass;
	bool each_use;
};

/** struct lint: APPROVERS who may approve what another of them asks for; -1 where the members cannot be seen. */
struct lint {
	struct rule *rules;
	size_t count;
	long long approvers;
	json_t *problems;
};

static void find(struct lint *lint, const struct rule *rule, const char *problem, const char *detail)
{
	json_array_append_new(lint->problems, json_pack("{s:s, s:s, s:s, s:s}", "path", rule->glob, "tier",
						      sr_tier_name(rule->tier), "problem", problem, "detail", detail));
}

/* -- one by one ------------------------------------------------------------------------------------------------ */
static void check_reach(struct lint *lint, const struct rule *rule)
{
	char detail[128];
	if (lint->approvers < 0 || rule->approvals <= lint->approvers)
		return;
	snprintf(detail, sizeof detail, "it needs %lld approvals, and beside who asks %lld may give one; add members",
		rule->approvals, lint->approvers);
	find(lint, rule, "unreachable", detail);
}

/* -- two by two ------------------------------------------------------------------------------------------------ */
static bool is_same(const struct rule *a, const struct rule *b)
{
	return a->approvals == b->approvals && a->delay == b->delay && a->break_glass == b->break_glass &&
	       a->each_use == b->each_use;
}

/* Where both cover the same paths they are joined, and what either says alone is not what holds. */
static void check_shadow(struct lint *lint, const struct rule *rule, const struct rule *other)
{
	char detail[SR_PATH_MAX + 96];
	if (rule->tier != other->tier || !sr_glob_contains(other->glob, rule->glob))
		return;
	if (sr_glob_contains(rule->glob, other->glob))
		snprintf(detail, sizeof detail, "'%s' covers the same paths: the stricter of both holds", other->glob);
	else if (is_same(rule, other))
		snprintf(detail, sizeof detail, "'%s' covers it and says the same", other->glob);
	else
		return;
	find(lint, rule, "shadowed", detail);
}

static void check_tiers(struct lint *lint, const struct rule *rule, const struct rule *other)
{
	char detail[SR_PATH_MAX + 96];
	if (rule->tier <= other->tier || !sr_glob_meets(rule->glob, other->glob) ||
		(rule->approvals >= other->approvals && rule->delay >= other->delay))
		return;
	snprintf(detail, sizeof detail, "the lower tier %s needs more under '%s'", sr_tier_name(other->tier),
		other->glob);
	find(lint, rule, "contradictory", detail);
}

static void check_all(struct lint *lint)
{
	for (size_t i = 0; i < lint->count; i++) {
		check_reach(lint, &lint->rules[i]);
		for (size_t k = 0; k < lint->count; k++) {
			if (k == i)
				continue;
			check_shadow(lint, &lint->rules[i], &lint->rules[k]);
			check_tiers(lint, &lint->rules[i], &lint->rules[k]);
		}
	}
}

/* -- what there is --------------------------------------------------------------------------------------------- */
static bool take_rule(const json_t *row, struct rule *rule)
{
	const char *tier = sr_json_text(row, "tier");
	rule->glob = sr_json_text(row, "path");
	rule->approvals = json_integer_value(json_object_get(row, "approvals"));
	rule->delay = json_integer_value(json_object_get(row, "delay"));
	rule->break_glass = json_is_true(json_object_get(row, "break_glass"));
	rule->each_use = json_is_true(json_object_get(row, "each_use"));
	return sr_tier_parse(tier, strlen(tier), &rule->tier) && sr_glob_valid(rule->glob, strlen(rule->glob));
}

static int take_rules(struct lint *lint, const json_t *rows)
{
	lint->rules = calloc(json_array_size(rows) + 1, sizeof *lint->rules);
	if (!lint->rules) {
		sr_complain("there is no memory for so many policies");
		return SR_EXIT_FAILED;
	}
	for (size_t i = 0; i < json_array_size(rows); i++) {
		if (take_rule(json_array_get(rows, i), &lint->rules[lint->count]))
			lint->count++;
	}
	return SR_EXIT_DONE;
}

static bool may_approve(const json_t *member)
{
	const char *role = sr_json_text(member, "role");
	enum sr_role known;
	return strcmp(sr_json_text(member, "state"), "removed") != 0 && sr_role_parse(role, strlen(role), &known) &&
	       (sr_role_duties(known) & SR_DUTY_APPROVE);
}

/* Who sees one member and is no admin sees only themselves. */
static bool sees_all(const json_t *members)
{
	const json_t *first = json_array_get(members, 0);
	return json_array_size(members) > 1 || strcmp(sr_json_text(first, "role"), sr_role_name(SR_ROLE_ADMIN)) == 0;
}

static int count_approvers(struct sr_tool *tool, struct lint *lint)
{
	static const CK_OBJECT_CLASS member_class = CKO_SR_MEMBER;
	static const struct sr_field fields[] = { { CKA_SR_ROLE, "role", SR_FIELD_TEXT },
		{ CKA_SR_STATE, "state", SR_FIELD_TEXT } };
	struct sr_template template;
	json_t *members;
	long long approvers = 0;
	sr_template_class(&template, &member_class);
	int exit_code = sr_read_all(tool, &template, fields, 2, &members);
	for (size_t i = 0; i < json_array_size(members); i++)
		approvers += may_approve(json_array_get(members, i));
	if (sees_all(members))
		lint->approvers = approvers > 0 ? approvers - 1 : 0;
	json_decref(members);
	return exit_code;
}

/* -- the command ----------------------------------------------------------------------------------------------- */
static int report(struct sr_tool *tool, const struct lint *lint)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "tier", "tier", NULL },
		{ "problem", "problem", NULL },
		{ "detail", "detail", NULL },
	};
	int exit_code = tool->json ? sr_put_json(lint->problems) : sr_put_table(lint->problems, columns, 4);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	if (lint->approvers < 0)
		sr_say("whether there are members enough to approve cannot be told with this PIN");
	if (json_array_size(lint->problems) > 0)
		return SR_EXIT_FOUND;
	if (!tool->json)
		sr_say("%zu policies, and nothing wrong with them", lint->count);
	return SR_EXIT_DONE;
}

int sr_run_policy_lint(struct sr_tool *tool, int argc, char **argv)
{
	struct lint lint = { .approvers = -1 };
	json_t *rows = NULL;
	int exit_code = sr_parse_none(tool,
		"Look for policies that are unreachable, contradictory or shadowed. Exit code 6 where there are any.",
		argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	lint.problems = json_array();
	exit_code = sr_policy_read(tool, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = count_approvers(tool, &lint);
	if (exit_code == SR_EXIT_DONE)
		exit_code = take_rules(&lint, rows);
	if (exit_code == SR_EXIT_DONE) {
		check_all(&lint);
		exit_code = report(tool, &lint);
	}
	free(lint.rules);
	json_decref(lint.problems);
	json_decref(rows);
	return exit_code;
}
