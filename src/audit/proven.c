/* A table with one place for each hash: the newer takes the older's. */
#include "audit/proven.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 1024

/** struct known: FILLED, for an all-zero key under an all-zero root is one, too. */
struct known {
	uint8_t root[SR_HASH_LEN], key[SR_HASH_LEN];
	uint64_t value;
	bool filled;
};

struct sr_proven {
	pthread_mutex_t lock;
	struct known places[PLACES];
};

struct sr_proven *sr_proven_new(void)
{
	struct sr_proven *proven = calloc(1, sizeof *proven);
	if (proven && pthread_mutex_init(&proven->lock, NULL) != 0) {
		free(proven);
		return NULL;
	}
	return proven;
}

/* The lock is left as it is: in a forked child another thread of the parent may have held it. */
void sr_proven_free(struct sr_proven *proven)
{
	free(proven);
}

/* The keys are hashes themselves. */
static struct known *place_of(struct sr_proven *proven, const uint8_t key[SR_HASH_LEN])
{
	return &proven->places[(key[2] << 8 | key[3]) % PLACES];
}

bool sr_proven_get(
	struct sr_proven *proven, const uint8_t root[SR_HASH_LEN], const uint8_t key[SR_HASH_LEN], uint64_t *value)
{
	if (!proven)
		return false;
	pthread_mutex_lock(&proven->lock);
	const struct known *known = place_of(proven, key);
	bool same = known->filled && memcmp(known->key, key, sizeof known->key) == 0 &&
		    memcmp(known->root, root, sizeof known->root) == 0;
	if (same)
		*value = known->value;
	pthread_mutex_unlock(&proven->lock);
	return same;
}

void sr_proven_add(
	struct sr_proven *proven, const uint8_t root[SR_HASH_LEN], const uint8_t key[SR_HASH_LEN], uint64_t value)
{
	if (!proven)
		return;
	pthread_mutex_lock(&proven->lock);
	struct known *known = place_of(proven, key);
	memcpy(known->root, root, sizeof known->root);
	memcpy(known->key, key, sizeof known->key);
	known->value = value;
	known->filled = true;
	pthread_mutex_unlock(&proven->lock);
}
