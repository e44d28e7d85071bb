/* How many connections each peer has, and what else it holds: a user by its id, a machine by its address. */
#include "daemon/daemon.h"

#include "util/hash.h"

#include <stdlib.h>
#include <string.h>

struct peer_key {
	uint8_t kind;
	uint8_t id[16];
};

struct sr_peer_count {
	struct peer_key key;
	uint32_t count;
	struct sr_share share;
	UT_hash_handle hh;
};

static struct peer_key key_of(const struct sr_peer *peer)
{
	struct peer_key key = { .kind = (uint8_t)peer->kind };
	if (peer->kind == SR_PEER_UNIX)
		memcpy(key.id, &peer->uid, sizeof peer->uid);
	else if (peer->has_address)
		memcpy(key.id, peer->address.bytes, sr_address_site(&peer->address));
	return key;
}

static struct sr_peer_count *find(struct sr_daemon *daemon, const struct peer_key *key)
{
	struct sr_peer_count *count;
	HASH_FIND(hh, daemon->peers, key, sizeof *key, count);
	return count;
}

static struct sr_peer_count *add(struct sr_daemon *daemon, const struct peer_key *key)
{
	struct sr_peer_count *count = calloc(1, sizeof *count);
	if (!count)
		return NULL;
	count->key = *key;
	HASH_ADD(hh, daemon->peers, key, sizeof count->key, count);
	if (count->hh.tbl)
		return count;
	free(count);
	return NULL;
}

bool sr_peers_enter(struct sr_daemon *daemon, const struct sr_peer *peer)
{
	struct peer_key key = key_of(peer);
	pthread_mutex_lock(&daemon->lock);
	struct sr_peer_count *count = find(daemon, &key);
	if (!count)
		count = add(daemon, &key);
	bool room = count && count->count < daemon->config.listen.max_per_peer;
	if (room)
		count->count++;
	pthread_mutex_unlock(&daemon->lock);
	return room;
}

void sr_peers_leave(struct sr_daemon *daemon, const struct sr_peer *peer)
{
	struct peer_key key = key_of(peer);
	pthread_mutex_lock(&daemon->lock);
	struct sr_peer_count *count = find(daemon, &key);
	if (count && --count->count == 0) {
		HASH_DEL(daemon->peers, count);
		free(count);
	}
	pthread_mutex_unlock(&daemon->lock);
}

struct sr_share *sr_peers_share(struct sr_daemon *daemon, const struct sr_peer *peer)
{
	struct peer_key key = key_of(peer);
	pthread_mutex_lock(&daemon->lock);
	struct sr_peer_count *count = find(daemon, &key);
	pthread_mutex_unlock(&daemon->lock);
	return count ? &count->share : NULL;
}
