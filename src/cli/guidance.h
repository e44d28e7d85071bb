/* How long a token should live, by what it is for. Advice: the vault's own limits are elsewhere. */
#ifndef SR_CLI_GUIDANCE_H
#define SR_CLI_GUIDANCE_H

#include <stdint.h>

/** struct sr_guidance: a use case. TTL: seconds, where none is asked for; LONGEST: what is still in place; MAX_USES: 0
 *  for no count; ADVICE: the line that goes with a warning. */
struct sr_guidance {
	const char *name;
	uint32_t ttl;
	uint32_t longest;
	const char *max_uses;
	const char *advice;
};

#define SR_GUIDANCE_NAMES "one-off, batch, session, service or ci"

/** sr_guidance_find(name): NULL: there is no such use case. */
const struct sr_guidance *sr_guidance_find(const char *name);

/** sr_guidance_warn(use, ttl, max_uses, scopes): says on standard error what is more than it need be of a token that
 *  was just issued. USE may be NULL, MAX_USES too; TTL is in seconds; SCOPES one a line. */
void sr_guidance_warn(const struct sr_guidance *use, const char *ttl, const char *max_uses, const char *scopes);

#endif
