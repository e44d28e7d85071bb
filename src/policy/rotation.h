/* When a secret wants a new value: by its type, or by what was said for its path. Pure; any thread. */
#ifndef SR_POLICY_ROTATION_H
#define SR_POLICY_ROTATION_H

#include <stddef.h>
#include <stdint.h>

#define SR_ROTATIONS_MAX 256 /* in one vault */
#define SR_PERIOD_MAX_MS (3650ll * 24 * 60 * 60 * 1000)

/** struct sr_period: what stands under GLOB wants a new value each MS. */
struct sr_period {
	const char *glob;
	int64_t ms;
};

/** sr_rotation_of_type(type): the recommended period of a credential type, in milliseconds; 0: none is. */
int64_t sr_rotation_of_type(const char *type);

/** sr_rotation_period(type, path, periods, count): of the globs that match PATH the most particular one decides (the
 * longest up to its first star, then the longest); where none does, the type. 0: no period. */
int64_t sr_rotation_period(const char *type, const char *path, const struct sr_period *periods, size_t count);

/** sr_rotation_due(rotated_ms, period_ms, expires_ms): the earlier of the period's end and of EXPIRES_MS, each 0 for
 * none; 0: never. */
int64_t sr_rotation_due(int64_t rotated_ms, int64_t period_ms, int64_t expires_ms);

#endif
