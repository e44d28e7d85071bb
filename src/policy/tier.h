/* Tiers and roles (design §6). Pure; any thread. */
#ifndef SR_POLICY_TIER_H
#define SR_POLICY_TIER_H

#include "policy/scope.h"

enum sr_tier { SR_TIER_STANDARD, SR_TIER_SENSITIVE, SR_TIER_CRITICAL, SR_TIER_COUNT };

bool sr_tier_parse(const char *text, size_t len, enum sr_tier *tier);
const char *sr_tier_name(enum sr_tier tier);

enum sr_role { SR_ROLE_ADMIN, SR_ROLE_EDITOR, SR_ROLE_VIEWER, SR_ROLE_AUDITOR, SR_ROLE_COUNT };

bool sr_role_parse(const char *text, size_t len, enum sr_role *role);
const char *sr_role_name(enum sr_role role);

/* What a role may do beyond secrets and keys; one bit each. */
enum sr_duty {
	SR_DUTY_MEMBERS = 1u << 0, /* add, remove, change members */
	SR_DUTY_TOKENS = 1u << 1,  /* issue and revoke */
	SR_DUTY_TOKENS_SEE = 1u << 2,
	SR_DUTY_AUDIT = 1u << 3, /* query, export, verify */
	SR_DUTY_STATUS = 1u << 4,
	SR_DUTY_HSM = 1u << 5,
	SR_DUTY_AGENTS = 1u << 6,   /* add, change, revoke */
	SR_DUTY_POLICIES = 1u << 7, /* set and delete */
	SR_DUTY_APPROVE = 1u << 8,  /* decide approvals */
	SR_DUTY_APPROVALS_SEE = 1u << 9,
	SR_DUTY_FREEZE = 1u << 12, /* freeze a path, and release it with the path's approvals */
};

/** sr_role_actions(role, resource): the actions on every path of RESOURCE; sr_role_duties(role): SR_DUTY_* bits. Both
 * read one table that is design §6's. */
uint32_t sr_role_actions(enum sr_role role, enum sr_resource resource);
uint32_t sr_role_duties(enum sr_role role);

/** sr_type_valid(text, len): a credential type, [a-z0-9-], 1 to 32 bytes, no '-' at either end. */
bool sr_type_valid(const char *text, size_t len);

/** sr_name_valid(text, len): a member's, agent's, vault's or slot's name: [a-z0-9] first, then [a-z0-9._-], 32 bytes.
 */
bool sr_name_valid(const char *text, size_t len);

#endif
