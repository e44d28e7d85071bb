/* One place for each key by a hash of its path: the newer takes the older's. */
#include "vault/kept.h"

#include "vault/key.h"

#include <string.h>

void sr_kept_init(struct sr_kept *kept)
{
	*kept = (struct sr_kept){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* The lock is left as it is: in a forked child another thread of the parent may have held it. */
void sr_kept_clear(struct sr_kept *kept)
{
	for (size_t i = 0; i < SR_KEPT_KEYS; i++) {
		sr_key_unref(kept->keys[i].key);
		kept->keys[i].key = NULL;
	}
	kept->any = false;
}

bool sr_kept_holds(struct sr_kept *kept, const struct sr_moment *at)
{
	pthread_mutex_lock(&kept->lock);
	bool holds = kept->any && memcmp(kept->root, at->root, sizeof(kept->root)) == 0;
	for (size_t i = 0; holds && i < kept->line.count; i++)
		holds = !sr_end_passed(&kept->line.ends[i], &at->now, at->not_before_ms);
	pthread_mutex_unlock(&kept->lock);
	return holds;
}

void sr_kept_hold(struct sr_kept *kept, const struct sr_moment *at, const struct sr_line *line)
{
	pthread_mutex_lock(&kept->lock);
	memcpy(kept->root, at->root, sizeof(kept->root));
	kept->line = *line;
	kept->any = true;
	pthread_mutex_unlock(&kept->lock);
}

static struct sr_kept_place *place_of(struct sr_kept *kept, const char *path, enum sr_part part)
{
	uint32_t hash = 2166136261u ^ (uint32_t)part; /* FNV-1a */
	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619u;
	return &kept->keys[hash % SR_KEPT_KEYS];
}

struct sr_key *sr_kept_key(struct sr_kept *kept, const struct sr_moment *at, const char *path, enum sr_part part)
{
	pthread_mutex_lock(&kept->lock);
	const struct sr_kept_place *place = place_of(kept, path, part);
	struct sr_key *key = place->key;
	bool same = key && memcmp(place->root, at->root, sizeof(place->root)) == 0 && key->inside->part == part &&
		    strcmp(key->path, path) == 0;
	if (same)
		sr_key_ref(key);
	pthread_mutex_unlock(&kept->lock);
	return same ? key : NULL;
}

void sr_kept_add_key(struct sr_kept *kept, const struct sr_moment *at, struct sr_key *key)
{
	pthread_mutex_lock(&kept->lock);
	struct sr_kept_place *place = place_of(kept, key->path, key->inside->part);
	struct sr_key *old = place->key;
	memcpy(place->root, at->root, sizeof(place->root));
	place->key = sr_key_ref(key);
	pthread_mutex_unlock(&kept->lock);
	sr_key_unref(old);
}
