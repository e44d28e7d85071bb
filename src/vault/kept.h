/* What an identity need not ask twice: that its login holds, and the keys that it has opened. All of it was found in a
 * look (audit/writer.h) and is worth as much as that look's root: the root vouches for the newest row of each subject,
 * so under the same root a row is what it was. Whoever uses it has taken the present root from a glance; what ends by
 * the clock is asked again. A write transaction never relies on it. Private to this folder. */
#ifndef SR_VAULT_KEPT_H
#define SR_VAULT_KEPT_H

#include "audit/writer.h"
#include "policy/path.h"
#include "store/rows.h"

#include <pthread.h>

#define SR_KEPT_KEYS 32
#define SR_LINE_MAX 5                 /* a token and its ancestors */
#define SR_ENDS_MAX (2 * SR_LINE_MAX) /* each its own, and its approval's */

struct sr_key;

/** struct sr_line: when the login and all that it hangs on end. TOKENS: how many of them are tokens. */
struct sr_line {
	size_t tokens;
	struct sr_end ends[SR_ENDS_MAX];
	size_t count;
};

/** struct sr_kept: LINE, and that nothing but its ends could end the login, as found under ROOT; each key under a root
 * of its own. Any thread. */
struct sr_kept {
	pthread_mutex_t lock;
	bool any;
	uint8_t root[SR_HASH_LEN];
	struct sr_line line;
	struct sr_kept_place {
		uint8_t root[SR_HASH_LEN];
		struct sr_key *key; /* NULL: none */
	} keys[SR_KEPT_KEYS];
};

void sr_kept_init(struct sr_kept *kept);
void sr_kept_clear(struct sr_kept *kept);

/** sr_kept_holds(kept, at): whether the login was found to hold under AT's root, and nothing has ended since. */
bool sr_kept_holds(struct sr_kept *kept, const struct sr_moment *at);
void sr_kept_hold(struct sr_kept *kept, const struct sr_moment *at, const struct sr_line *line);

/** sr_kept_key(kept, at, path, part): a reference to the key that was opened under AT's root; NULL: there is none. */
struct sr_key *sr_kept_key(struct sr_kept *kept, const struct sr_moment *at, const char *path, enum sr_part part);
void sr_kept_add_key(struct sr_kept *kept, const struct sr_moment *at, struct sr_key *key);

#endif
