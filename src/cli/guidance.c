#include "cli/guidance.h"

#include "cli/output.h"
#include "policy/duration.h"
#include "util/text.h"

#include <string.h>

#define MINUTE 60u
#define HOUR 3600u

/* The shorter end of each range is what is given; up to the longer one there is nothing to say. */
static const struct sr_guidance uses[] = {
	{ "one-off", 5 * MINUTE, 15 * MINUTE, "1", "a payment or a mail takes 5 to 15 minutes and one use" },
	{ "batch", 30 * MINUTE, 60 * MINUTE, NULL, "match the TTL to how long the job takes" },
	{ "session", 2 * HOUR, 8 * HOUR, NULL, "ask for a new token before this one ends" },
	{ "service", 24 * HOUR, 24 * HOUR, NULL, "issue a new token each day" },
	{ "ci", 1 * HOUR, 2 * HOUR, NULL, "take how long the pipeline runs, and a little more" },
};

const struct sr_guidance *sr_guidance_find(const char *name)
{
	for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
		if (strcmp(uses[i].name, name) == 0)
			return &uses[i];
	}
	return NULL;
}

static void warn_ttl(const struct sr_guidance *use, uint64_t ttl)
{
	char given[24], longest[24];
	if (!use && ttl >= 24 * HOUR)
		sr_say("warning: it lives for a day; say what it is for (--for) to get the TTL for that");
	if (!use || ttl <= use->longest)
		return;
	sr_duration_text(ttl, given);
	sr_duration_text(use->longest, longest);
	sr_say("warning: %s is long for %s, which needs %s at most: %s", given, use->name, longest, use->advice);
}

static void warn_uses(const struct sr_guidance *use, const char *max_uses)
{
	if (use && use->max_uses && max_uses && strcmp(use->max_uses, max_uses) != 0)
		sr_say("warning: %s uses are more than %s needs: %s", max_uses, use->name, use->advice);
}

/* resource:action:glob, the glob a star alone: every path there is or will be. */
static void warn_scope(const char *scope, size_t len)
{
	if (len >= 2 && memcmp(scope + len - 2, ":*", 2) == 0 && memchr(scope, ':', len - 2))
		sr_say("warning: %.*s reaches every path; give the folder that is needed, as "
		       "secrets:read:production/payments/*",
			(int)len, scope);
}

void sr_guidance_warn(const struct sr_guidance *use, const char *ttl, const char *max_uses, const char *scopes)
{
	uint64_t seconds;
	if (sr_text_u64(ttl, strlen(ttl), UINT64_MAX, &seconds))
		warn_ttl(use, seconds);
	warn_uses(use, max_uses);
	while (*scopes) {
		size_t len = strcspn(scopes, "\n");
		warn_scope(scopes, len);
		scopes += len + (scopes[len] == '\n');
	}
}
