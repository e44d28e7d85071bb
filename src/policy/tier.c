#include "policy/tier.h"

#include <string.h>

static const char *const tier_names[SR_TIER_COUNT] = {
	[SR_TIER_STANDARD] = "standard",
	[SR_TIER_SENSITIVE] = "sensitive",
	[SR_TIER_CRITICAL] = "critical",
};

/* Design §6. Who has the duty to issue tokens has the action as well. */
static const struct role_row {
	const char *name;
	uint32_t actions[SR_RESOURCE_COUNT];
	uint32_t duties;
} roles[SR_ROLE_COUNT] = {
	[SR_ROLE_ADMIN] = { "admin",
		{ [SR_RESOURCE_SECRETS] = SR_ACTIONS_SECRETS,
			[SR_RESOURCE_KEYS] = SR_ACTIONS_KEYS,
			[SR_RESOURCE_TOKENS] = SR_ACTIONS_TOKENS },
		SR_DUTY_MEMBERS | SR_DUTY_TOKENS | SR_DUTY_TOKENS_SEE | SR_DUTY_AUDIT | SR_DUTY_STATUS | SR_DUTY_HSM |
			SR_DUTY_AGENTS | SR_DUTY_POLICIES | SR_DUTY_APPROVE | SR_DUTY_APPROVALS_SEE | SR_DUTY_FREEZE },
	[SR_ROLE_EDITOR] = { "editor",
		{ [SR_RESOURCE_SECRETS] = SR_ACTIONS_SECRETS,
			[SR_RESOURCE_KEYS] = SR_ACTIONS_KEYS,
			[SR_RESOURCE_TOKENS] = SR_ACTIONS_TOKENS },
		SR_DUTY_TOKENS | SR_DUTY_TOKENS_SEE | SR_DUTY_STATUS | SR_DUTY_POLICIES | SR_DUTY_APPROVE |
			SR_DUTY_APPROVALS_SEE | SR_DUTY_FREEZE },
	[SR_ROLE_VIEWER] = { "viewer", { [SR_RESOURCE_SECRETS] = SR_ACTION_LIST, [SR_RESOURCE_KEYS] = SR_ACTION_LIST },
		SR_DUTY_TOKENS_SEE | SR_DUTY_STATUS | SR_DUTY_APPROVALS_SEE },
	[SR_ROLE_AUDITOR] = { "auditor", { 0 }, SR_DUTY_AUDIT | SR_DUTY_STATUS },
};

static bool same(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

bool sr_tier_parse(const char *text, size_t len, enum sr_tier *tier)
{
	for (int i = 0; i < SR_TIER_COUNT; i++) {
		if (same(text, len, tier_names[i])) {
			*tier = (enum sr_tier)i;
			return true;
		}
	}
	return false;
}

const char *sr_tier_name(enum sr_tier tier)
{
	return (unsigned)tier < SR_TIER_COUNT ? tier_names[tier] : "unknown";
}

bool sr_role_parse(const char *text, size_t len, enum sr_role *role)
{
	for (int i = 0; i < SR_ROLE_COUNT; i++) {
		if (same(text, len, roles[i].name)) {
			*role = (enum sr_role)i;
			return true;
		}
	}
	return false;
}

const char *sr_role_name(enum sr_role role)
{
	return (unsigned)role < SR_ROLE_COUNT ? roles[role].name : "unknown";
}

uint32_t sr_role_actions(enum sr_role role, enum sr_resource resource)
{
	if ((unsigned)role >= SR_ROLE_COUNT || (unsigned)resource >= SR_RESOURCE_COUNT)
		return 0;
	return roles[role].actions[resource];
}

uint32_t sr_role_duties(enum sr_role role)
{
	return (unsigned)role < SR_ROLE_COUNT ? roles[role].duties : 0;
}

/* Not isalnum(): that one asks the locale. */
static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool sr_type_valid(const char *text, size_t len)
{
	if (len < 1 || len > 32 || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!plain(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool sr_name_valid(const char *text, size_t len)
{
	if (len < 1 || len > 32 || !plain(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!plain(text[i]) && text[i] != '.' && text[i] != '_' && text[i] != '-')
			return false;
	return true;
}
