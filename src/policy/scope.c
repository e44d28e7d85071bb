#include "policy/scope.h"

#include <stdio.h>
#include <string.h>

static const struct resource_row {
	const char *name;
	uint32_t actions;
} resources[SR_RESOURCE_COUNT] = {
	[SR_RESOURCE_SECRETS] = { "secrets", SR_ACTIONS_SECRETS },
	[SR_RESOURCE_KEYS] = { "keys", SR_ACTIONS_KEYS },
	[SR_RESOURCE_TOKENS] = { "tokens", SR_ACTIONS_TOKENS },
};

static const struct action_row {
	const char *name;
	uint32_t action;
} actions[] = {
	{ "read", SR_ACTION_READ },
	{ "use", SR_ACTION_USE },
	{ "write", SR_ACTION_WRITE },
	{ "delete", SR_ACTION_DELETE },
	{ "list", SR_ACTION_LIST },
	{ "sign", SR_ACTION_SIGN },
	{ "verify", SR_ACTION_VERIFY },
	{ "encrypt", SR_ACTION_ENCRYPT },
	{ "decrypt", SR_ACTION_DECRYPT },
	{ "wrap", SR_ACTION_WRAP },
	{ "unwrap", SR_ACTION_UNWRAP },
	{ "derive", SR_ACTION_DERIVE },
	{ "create", SR_ACTION_CREATE },
	{ "issue", SR_ACTION_ISSUE },
};

#define ACTIONS (sizeof actions / sizeof actions[0])

static bool refuse(const char **why, const char *phrase)
{
	*why = phrase;
	return false;
}

static bool same(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

static bool find_resource(const char *text, size_t len, enum sr_resource *resource)
{
	for (int i = 0; i < SR_RESOURCE_COUNT; i++) {
		if (same(text, len, resources[i].name)) {
			*resource = (enum sr_resource)i;
			return true;
		}
	}
	return false;
}

/* The bits of one action's name; 0 where the resource has no such action. */
static uint32_t find_action(const char *text, size_t len, enum sr_resource resource)
{
	for (size_t i = 0; i < ACTIONS; i++)
		if (same(text, len, actions[i].name))
			return actions[i].action & resources[resource].actions;
	return 0;
}

static bool parse_actions(const char *text, size_t len, struct sr_scope *scope, const char **why)
{
	if (!same(text, len, "*")) {
		scope->actions = find_action(text, len, scope->resource);
		return scope->actions != 0 || refuse(why, "an action that its resource does not have");
	}
	if (scope->resource == SR_RESOURCE_TOKENS)
		return refuse(why, "tokens:*, where the one action, issue, is to be named");
	scope->actions = resources[scope->resource].actions;
	return true;
}

bool sr_scope_parse(const char *text, size_t len, struct sr_scope *scope, const char **why)
{
	const char *end = text + len;
	const char *first = len > 0 ? memchr(text, ':', len) : NULL;
	const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;

	if (!second)
		return refuse(why, "not of the form resource:action:glob");
	if (!find_resource(text, (size_t)(first - text), &scope->resource))
		return refuse(why, "an unknown resource (there are secrets, keys and tokens)");
	if (!parse_actions(first + 1, (size_t)(second - first - 1), scope, why))
		return false;
	/* Whatever follows is the glob, ':' included. */
	const char *glob = second + 1;
	size_t glob_len = (size_t)(end - glob);
	const char *wrong = sr_glob_why(glob, glob_len);
	if (wrong)
		return refuse(why, wrong);
	memcpy(scope->glob, glob, glob_len);
	scope->glob[glob_len] = '\0';
	return true;
}

void sr_scope_text(const struct sr_scope *scope, char out[SR_SCOPE_TEXT_MAX])
{
	const char *action = "*";

	for (size_t i = 0; i < ACTIONS; i++)
		if (scope->actions == actions[i].action)
			action = actions[i].name;
	snprintf(out, SR_SCOPE_TEXT_MAX, "%s:%s:%s", resources[scope->resource].name, action, scope->glob);
}

bool sr_scope_allows(const struct sr_scope *scope, enum sr_resource resource, uint32_t action, const char *path)
{
	return scope->resource == resource && action != 0 && (scope->actions & action) == action &&
	       sr_glob_match(scope->glob, path);
}

bool sr_scope_contains(const struct sr_scope *outer, const struct sr_scope *inner)
{
	return outer->resource == inner->resource && (inner->actions & ~outer->actions) == 0 &&
	       sr_glob_contains(outer->glob, inner->glob);
}
