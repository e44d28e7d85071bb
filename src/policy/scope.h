/* Scopes, `resource:action:glob` (design §3). Pure; any thread. */
#ifndef SR_POLICY_SCOPE_H
#define SR_POLICY_SCOPE_H

#include "policy/path.h"

#include <stdint.h>

#define SR_SCOPE_TEXT_MAX (16 + 16 + SR_PATH_MAX + 1)
#define SR_SCOPES_MAX 32 /* in one token */

enum sr_resource { SR_RESOURCE_SECRETS, SR_RESOURCE_KEYS, SR_RESOURCE_TOKENS, SR_RESOURCE_COUNT };

/* One bit an action; which of them a resource has is a table in scope.c. */
enum sr_action {
	SR_ACTION_READ = 1u << 0,
	SR_ACTION_USE = 1u << 1,
	SR_ACTION_WRITE = 1u << 2,
	SR_ACTION_DELETE = 1u << 3,
	SR_ACTION_LIST = 1u << 4,
	SR_ACTION_SIGN = 1u << 5,
	SR_ACTION_VERIFY = 1u << 6,
	SR_ACTION_ENCRYPT = 1u << 7,
	SR_ACTION_DECRYPT = 1u << 8,
	SR_ACTION_WRAP = 1u << 9,
	SR_ACTION_UNWRAP = 1u << 10,
	SR_ACTION_DERIVE = 1u << 11,
	SR_ACTION_CREATE = 1u << 12,
	SR_ACTION_ISSUE = 1u << 13,
};

/* Every action of a resource: what `*` stands for. */
#define SR_ACTIONS_SECRETS (SR_ACTION_READ | SR_ACTION_USE | SR_ACTION_WRITE | SR_ACTION_DELETE | SR_ACTION_LIST)
#define SR_ACTIONS_KEYS                                                                               \
	(SR_ACTION_SIGN | SR_ACTION_VERIFY | SR_ACTION_ENCRYPT | SR_ACTION_DECRYPT | SR_ACTION_WRAP | \
		SR_ACTION_UNWRAP | SR_ACTION_DERIVE | SR_ACTION_CREATE | SR_ACTION_DELETE | SR_ACTION_LIST)
#define SR_ACTIONS_TOKENS SR_ACTION_ISSUE

/** struct sr_scope: ACTIONS is one bit, or every bit of the resource for `*`. */
struct sr_scope {
	enum sr_resource resource;
	uint32_t actions;
	char glob[SR_PATH_MAX + 1];
};

/** sr_scope_parse(text, len, scope, why): false and a phrase in WHY (never NULL then) for anything but exactly
 *  `secrets|keys|tokens : action|* : glob`. `secrets:*:*` and `secrets:*` followed by no glob differ: the latter is
 *  refused. `tokens:*` is refused: tokens have the one action issue, always named. */
bool sr_scope_parse(const char *text, size_t len, struct sr_scope *scope, const char **why);

/** sr_scope_text(scope, out): the canonical text; parse(text(s)) == s. */
void sr_scope_text(const struct sr_scope *scope, char out[SR_SCOPE_TEXT_MAX]);

/** sr_scope_allows(scope, resource, action, path): whether it covers this action on this path. */
bool sr_scope_allows(const struct sr_scope *scope, enum sr_resource resource, uint32_t action, const char *path);

/** sr_scope_contains(outer, inner): everything INNER allows, OUTER allows. Exact for one scope against one. */
bool sr_scope_contains(const struct sr_scope *outer, const struct sr_scope *inner);

/** struct sr_scopes: the scopes of a token or the ceiling of an agent: what any of them allows. */
struct sr_scopes {
	size_t count;
	struct sr_scope *items;
};

/** sr_scopes_parse(text, len, scopes, why): one a line, 1 to SR_SCOPES_MAX, no doubles, no empty line but after the
 *  last. ITEMS is allocated; sr_scopes_clear frees it. */
bool sr_scopes_parse(const char *text, size_t len, struct sr_scopes *scopes, const char **why);
void sr_scopes_clear(struct sr_scopes *scopes);

bool sr_scopes_allow(const struct sr_scopes *scopes, enum sr_resource resource, uint32_t action, const char *path);

/** sr_scopes_actions(scopes, resource, path): every action bit that they allow on this path. */
uint32_t sr_scopes_actions(const struct sr_scopes *scopes, enum sr_resource resource, const char *path);

/** sr_scopes_contain(outer, inner): every scope of INNER lies, action by action, within one scope of OUTER. (Several
 *  outer globs that cover an inner one only together do not count: fail closed; docs/scopes.md.) */
bool sr_scopes_contain(const struct sr_scopes *outer, const struct sr_scopes *inner);

/** sr_scopes_reach(scopes, glob): some scope of secrets or keys with an action beyond list meets GLOB. */
bool sr_scopes_reach(const struct sr_scopes *scopes, const char *glob);

#endif
