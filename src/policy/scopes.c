/* The scopes of a token or the ceiling of an agent, taken together. */
#include "policy/scope.h"

#include "policy/lines.h"

#include <stdlib.h>
#include <string.h>

static bool refuse(struct sr_scopes *scopes, const char **why, const char *phrase)
{
	sr_scopes_clear(scopes);
	*why = phrase;
	return false;
}

static bool same_scope(const struct sr_scope *a, const struct sr_scope *b)
{
	return a->resource == b->resource && a->actions == b->actions && strcmp(a->glob, b->glob) == 0;
}

/* Adds a line to a list with room for it. */
static bool add(struct sr_scopes *scopes, const char *line, size_t len, const char **why)
{
	struct sr_scope *scope = &scopes->items[scopes->count];

	if (len == 0)
		return refuse(scopes, why, "an empty line");
	if (!sr_scope_parse(line, len, scope, why))
		return refuse(scopes, why, *why);
	for (size_t i = 0; i < scopes->count; i++)
		if (same_scope(&scopes->items[i], scope))
			return refuse(scopes, why, "the same scope twice");
	scopes->count++;
	return true;
}

bool sr_scopes_parse(const char *text, size_t len, struct sr_scopes *scopes, const char **why)
{
	struct sr_lines lines = { text, len };
	size_t count = sr_lines_count(&lines);
	const char *line;
	size_t line_len;

	*scopes = (struct sr_scopes){ 0 };
	if (count == 0)
		return refuse(scopes, why, "no scope at all");
	if (count > SR_SCOPES_MAX)
		return refuse(scopes, why, "more than 32 scopes");
	scopes->items = calloc(count, sizeof *scopes->items);
	if (!scopes->items)
		return refuse(scopes, why, "no memory left");
	while (sr_lines_next(&lines, &line, &line_len))
		if (!add(scopes, line, line_len, why))
			return false;
	return true;
}

void sr_scopes_clear(struct sr_scopes *scopes)
{
	free(scopes->items);
	*scopes = (struct sr_scopes){ 0 };
}

bool sr_scopes_allow(const struct sr_scopes *scopes, enum sr_resource resource, uint32_t action, const char *path)
{
	return action != 0 && (sr_scopes_actions(scopes, resource, path) & action) == action;
}

uint32_t sr_scopes_actions(const struct sr_scopes *scopes, enum sr_resource resource, const char *path)
{
	uint32_t actions = 0;

	for (size_t i = 0; i < scopes->count; i++) {
		const struct sr_scope *scope = &scopes->items[i];

		if (scope->resource == resource && sr_glob_match(scope->glob, path))
			actions |= scope->actions;
	}
	return actions;
}

/* The actions that OUTER gives on the whole of a glob, each from one scope. */
static uint32_t actions_over(const struct sr_scopes *outer, enum sr_resource resource, const char *glob)
{
	uint32_t actions = 0;

	for (size_t i = 0; i < outer->count; i++) {
		const struct sr_scope *scope = &outer->items[i];

		if (scope->resource == resource && sr_glob_contains(scope->glob, glob))
			actions |= scope->actions;
	}
	return actions;
}

bool sr_scopes_contain(const struct sr_scopes *outer, const struct sr_scopes *inner)
{
	for (size_t i = 0; i < inner->count; i++) {
		const struct sr_scope *scope = &inner->items[i];

		if (scope->actions & ~actions_over(outer, scope->resource, scope->glob))
			return false;
	}
	return true;
}

bool sr_scopes_reach(const struct sr_scopes *scopes, const char *glob)
{
	for (size_t i = 0; i < scopes->count; i++) {
		const struct sr_scope *scope = &scopes->items[i];
		uint32_t beyond_list = scope->actions & ~(uint32_t)SR_ACTION_LIST;

		if (scope->resource != SR_RESOURCE_TOKENS && beyond_list && sr_glob_meets(scope->glob, glob))
			return true;
	}
	return false;
}
