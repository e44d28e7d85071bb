/* Scopes: an input is taken whole as a list, and its first two lines as two scopes. */
#include "tests/fuzz/fuzz.h"

#include "policy/scope.h"

#include <stdio.h>

static bool take(const char *part, size_t len, struct sr_scope *scope)
{
	char text[SR_SCOPE_TEXT_MAX];
	struct sr_scope again;
	const char *why = NULL;

	if (!sr_scope_parse(part, len, scope, &why)) {
		must(why != NULL);
		return false;
	}
	must(scope->actions != 0 && sr_glob_valid(scope->glob, strlen(scope->glob)));
	sr_scope_text(scope, text);
	/* There is one writing of each scope. */
	must(strlen(text) == len && memcmp(text, part, len) == 0);
	must(sr_scope_parse(text, strlen(text), &again, &why));
	must(again.resource == scope->resource && again.actions == scope->actions);
	must(strcmp(again.glob, scope->glob) == 0);
	return true;
}

static void check_pair(const struct sr_scope *a, const struct sr_scope *b)
{
	must(sr_scope_contains(a, a) && sr_scope_contains(b, b));
	if (!sr_scope_contains(a, b))
		return;
	must(a->resource == b->resource && sr_glob_meets(a->glob, b->glob));
	/* The glob without its stars is a string that it matches. */
	char path[SR_PATH_MAX + 1], *out = path;
	for (const char *in = b->glob; *in; in++)
		if (*in != '*')
			*out++ = *in;
	*out = '\0';
	must(sr_scope_allows(b, b->resource, b->actions, path));
	must(sr_scope_allows(a, b->resource, b->actions, path));
}

static void check_list(const char *text, size_t len)
{
	struct sr_scopes scopes;
	const char *why = NULL;

	if (!sr_scopes_parse(text, len, &scopes, &why)) {
		must(why != NULL && scopes.count == 0 && scopes.items == NULL);
		return;
	}
	must(scopes.count >= 1 && scopes.count <= SR_SCOPES_MAX);
	must(sr_scopes_contain(&scopes, &scopes));
	for (size_t i = 0; i < scopes.count; i++) {
		struct sr_scopes one = { 1, &scopes.items[i] };

		must(sr_scopes_contain(&scopes, &one));
		must(!sr_scopes_contain(&one, &scopes) || !sr_scopes_reach(&scopes, "a/*") ||
			sr_scopes_reach(&one, "a/*"));
		must(!sr_scopes_reach(&one, "a/*") || sr_scopes_reach(&scopes, "a/*"));
		must((sr_scopes_actions(&one, one.items->resource, "a/b") &
			     ~sr_scopes_actions(&scopes, one.items->resource, "a/b")) == 0);
	}
	sr_scopes_clear(&scopes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data;
	struct sr_scope a, b;
	size_t len;

	check_list(rest, size);
	const char *part = fuzz_part(&rest, &size, &len);
	bool first = take(part, len, &a);
	part = fuzz_part(&rest, &size, &len);
	if (!take(part, len, &b) || !first)
		return 0;
	check_pair(&a, &b);
	check_pair(&b, &a);
	return 0;
}
