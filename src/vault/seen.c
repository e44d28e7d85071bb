/* A direct-mapped set of digests: one array, one look, no order to keep. */
#include "vault/core.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_SLOTS 4096

struct sr_seen {
	pthread_mutex_t mutex;
	uint8_t digests[SEEN_SLOTS][SR_SHA256_LEN];
};

struct sr_seen *sr_seen_new(void)
{
	struct sr_seen *seen = calloc(1, sizeof(*seen));
	if (seen && pthread_mutex_init(&seen->mutex, NULL) != 0) {
		free(seen);
		return NULL;
	}
	return seen;
}

void sr_seen_free(struct sr_seen *seen)
{
	if (!seen)
		return;
	pthread_mutex_destroy(&seen->mutex);
	free(seen);
}

/* A digest is uniform, so its first bytes are a good slot number. */
static uint8_t *seen_slot(struct sr_seen *seen, const uint8_t digest[SR_SHA256_LEN])
{
	return seen->digests[(digest[0] | digest[1] << 8) % SEEN_SLOTS];
}

bool sr_seen_has(struct sr_seen *seen, const uint8_t digest[SR_SHA256_LEN])
{
	pthread_mutex_lock(&seen->mutex);
	bool has = memcmp(seen_slot(seen, digest), digest, SR_SHA256_LEN) == 0;
	pthread_mutex_unlock(&seen->mutex);
	return has;
}

void sr_seen_add(struct sr_seen *seen, const uint8_t digest[SR_SHA256_LEN])
{
	pthread_mutex_lock(&seen->mutex);
	memcpy(seen_slot(seen, digest), digest, SR_SHA256_LEN);
	pthread_mutex_unlock(&seen->mutex);
}
