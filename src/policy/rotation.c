#include "policy/rotation.h"

#include "policy/path.h"

#include <string.h>

#define DAY_MS (24ll * 60 * 60 * 1000)

static const struct {
	const char *type;
	int64_t days;
} schedule[] = {
	{ "payment", 14 },
	{ "production-database", 30 },
	{ "ssh", 30 },
	{ "oauth", 60 }, /* and when its provider lets it end */
	{ "production-api", 90 },
	{ "staging", 180 },
	{ "webhook", 180 },
	{ "read-only", 365 },
};

int64_t sr_rotation_of_type(const char *type)
{
	for (size_t i = 0; i < sizeof(schedule) / sizeof(*schedule); i++) {
		if (strcmp(schedule[i].type, type) == 0)
			return schedule[i].days * DAY_MS;
	}
	return 0;
}

static int more_particular(const char *a, const char *b)
{
	size_t literal_a = sr_glob_literal_prefix(a), literal_b = sr_glob_literal_prefix(b);
	if (literal_a != literal_b)
		return literal_a > literal_b;
	return strlen(a) > strlen(b);
}

int64_t sr_rotation_period(const char *type, const char *path, const struct sr_period *periods, size_t count)
{
	const struct sr_period *best = NULL;
	for (size_t i = 0; i < count; i++) {
		if (sr_glob_match(periods[i].glob, path) && (!best || more_particular(periods[i].glob, best->glob)))
			best = &periods[i];
	}
	return best ? best->ms : sr_rotation_of_type(type);
}

int64_t sr_rotation_due(int64_t rotated_ms, int64_t period_ms, int64_t expires_ms)
{
	int64_t due = period_ms ? rotated_ms + period_ms : 0;
	return expires_ms && (!due || expires_ms < due) ? expires_ms : due;
}
