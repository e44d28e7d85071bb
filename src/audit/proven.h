/* What has been proven of the state tree: a root vouches for one number of each subject, for ever, so what was found by
 * walking once need not be walked again while the root is the same. Internal to src/audit. */
#ifndef SR_AUDIT_PROVEN_H
#define SR_AUDIT_PROVEN_H

#include "store/rows.h"

/** struct sr_proven: a bounded table; what is not in it costs a walk, never an answer. Any thread. */
struct sr_proven;
struct sr_proven *sr_proven_new(void); /* NULL: no memory */
void sr_proven_free(struct sr_proven *proven);

/** sr_proven_get(proven, root, key, value): whether the number of KEY under ROOT is known. PROVEN NULL knows nothing.
 */
bool sr_proven_get(
	struct sr_proven *proven, const uint8_t root[SR_HASH_LEN], const uint8_t key[SR_HASH_LEN], uint64_t *value);
void sr_proven_add(
	struct sr_proven *proven, const uint8_t root[SR_HASH_LEN], const uint8_t key[SR_HASH_LEN], uint64_t value);

#endif
