/* A bucket for each source: full at first, one record taken from it by each refusal, and one put back every while. */
#include "vault/denied.h"

#include "util/clock.h"
#include "util/hash.h"
#include "vault/slow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** struct source: an identity, wherever it comes from; where there is none, the peer. */
struct source {
	char actor_type[sizeof(((struct sr_event *)NULL)->actor_type)];
	char actor_id[sizeof(((struct sr_event *)NULL)->actor_id)];
	struct sr_source peer;
};

/** struct bucket: records LEFT since AT_MS of the boot clock; how many refusals were COUNTED since the last, and of the
 *  newest of these what a record needs. */
struct bucket {
	struct source source;
	unsigned left;
	int64_t at_ms;
	uint64_t counted;
	enum sr_event_kind kind;
	CK_RV rv;
	CK_ULONG reason;
	char token_id[sizeof(((struct sr_event *)NULL)->token_id)];
	char ip[sizeof(((struct sr_event *)NULL)->ip)];
	char peer[sizeof(((struct sr_event *)NULL)->peer)];
	char function[sizeof(((struct sr_event *)NULL)->function)];
	UT_hash_handle hh;
};

struct sr_denied {
	pthread_mutex_t lock;
	struct bucket *buckets; /* the least recently refused first */
};

struct sr_denied *sr_denied_new(void)
{
	struct sr_denied *denied = calloc(1, sizeof(*denied));
	if (denied)
		denied->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	return denied;
}

/* The lock is left as it is: in a forked child another thread of the parent may have held it. */
void sr_denied_free(struct sr_denied *denied)
{
	struct bucket *bucket, *next;
	if (!denied)
		return;
	HASH_ITER(hh, denied->buckets, bucket, next)
	{
		HASH_DEL(denied->buckets, bucket);
		free(bucket);
	}
	free(denied);
}

/* -- buckets ------------------------------------------------------------------------------------------------------ */

static void source_of(const struct sr_act *act, struct source *source)
{
	const struct sr_event *event = &act->event;
	memset(source, 0, sizeof(*source)); /* it is compared byte by byte */
	snprintf(source->actor_type, sizeof(source->actor_type), "%s", event->actor_type);
	snprintf(source->actor_id, sizeof(source->actor_id), "%s", event->actor_id);
	if (!event->actor_id[0])
		sr_source_of("", act->caller->peer, &source->peer);
}

static struct bucket *find(struct sr_denied *denied, const struct source *source)
{
	struct bucket *bucket = NULL;
	HASH_FIND(hh, denied->buckets, source, sizeof(*source), bucket);
	return bucket;
}

static void refill(struct bucket *bucket, int64_t now)
{
	int64_t earned = (now - bucket->at_ms) / SR_DENIED_EVERY_MS;
	if (earned <= 0)
		return;
	bool full = earned >= (int64_t)(SR_DENIED_BURST - bucket->left);
	bucket->left = full ? SR_DENIED_BURST : bucket->left + (unsigned)earned;
	bucket->at_ms = full ? now : bucket->at_ms + earned * SR_DENIED_EVERY_MS;
}

static struct bucket *add(struct sr_denied *denied, const struct source *source, int64_t now)
{
	struct bucket *bucket = calloc(1, sizeof(*bucket));
	if (!bucket)
		return NULL;
	*bucket = (struct bucket){ .source = *source, .left = SR_DENIED_BURST, .at_ms = now };
	HASH_ADD(hh, denied->buckets, source, sizeof(bucket->source), bucket);
	if (bucket->hh.tbl)
		return bucket;
	free(bucket);
	return NULL;
}

/* The most recent one from now on; NULL: no memory. EVICTED takes what had to go for it. To move one takes no memory:
 * the others, which are there where it is not the last, keep the table. */
static struct bucket *take(struct sr_denied *denied, const struct source *source, int64_t now, struct bucket *evicted)
{
	struct bucket *bucket = find(denied, source), *oldest = denied->buckets;
	if (bucket && bucket->hh.next) {
		HASH_DEL(denied->buckets, bucket);
		HASH_ADD(hh, denied->buckets, source, sizeof(bucket->source), bucket);
	}
	if (bucket)
		return bucket;
	if (HASH_COUNT(denied->buckets) >= SR_DENIED_SOURCES) {
		HASH_DEL(denied->buckets, oldest);
		*evicted = *oldest;
		free(oldest);
	}
	return add(denied, source, now);
}

/* -- what is owed ------------------------------------------------------------------------------------------------- */

/* Where it cannot be written there is nobody left to tell. */
static void record_counted(struct sr_vault *vault, const struct bucket *bucket)
{
	const struct sr_peer nobody = { .kind = SR_PEER_EMBEDDED };
	const struct sr_caller caller = { vault, &nobody, bucket->function, NULL };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_act act;
	if (bucket->counted == 0)
		return;
	sr_act_begin(&act, &caller, bucket->kind, NULL);
	memcpy(act.event.actor_type, bucket->source.actor_type, sizeof(act.event.actor_type));
	memcpy(act.event.actor_id, bucket->source.actor_id, sizeof(act.event.actor_id));
	memcpy(act.event.token_id, bucket->token_id, sizeof(act.event.token_id));
	memcpy(act.event.ip, bucket->ip, sizeof(act.event.ip));
	memcpy(act.event.peer, bucket->peer, sizeof(act.event.peer));
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"count\":%llu}",
		(unsigned long long)bucket->counted);
	act.audit_reason = bucket->reason;
	sr_act_submit(&act, bucket->rv, false, &err);
}

bool sr_denied_fits(const struct sr_act *act)
{
	struct sr_denied *denied = act->caller->vault->denied;
	struct bucket owed = { .counted = 0 };
	struct source source;
	struct sr_now now;
	source_of(act, &source);
	sr_clock_now(&now);
	pthread_mutex_lock(&denied->lock);
	struct bucket *bucket = find(denied, &source);
	if (bucket)
		refill(bucket, now.boot_ms);
	if (bucket && bucket->left > 0 && bucket->counted > 0) {
		owed = *bucket;
		bucket->counted = 0;
		bucket->left--;
	}
	bool fits = !bucket || bucket->left > 0;
	pthread_mutex_unlock(&denied->lock);
	record_counted(act->caller->vault, &owed);
	return fits;
}

static void count_one(struct bucket *bucket, const struct sr_act *act)
{
	const struct sr_event *event = &act->event;
	bucket->counted++;
	bucket->kind = event->kind;
	bucket->rv = act->refused;
	bucket->reason = act->refused_for;
	memcpy(bucket->token_id, event->token_id, sizeof(bucket->token_id));
	memcpy(bucket->ip, event->ip, sizeof(bucket->ip));
	memcpy(bucket->peer, event->peer, sizeof(bucket->peer));
	memcpy(bucket->function, event->function, sizeof(bucket->function));
}

void sr_denied_note(const struct sr_act *act, bool recorded)
{
	struct sr_denied *denied = act->caller->vault->denied;
	struct bucket evicted = { .counted = 0 };
	struct source source;
	struct sr_now now;
	source_of(act, &source);
	sr_clock_now(&now);
	pthread_mutex_lock(&denied->lock);
	struct bucket *bucket = take(denied, &source, now.boot_ms, &evicted);
	if (bucket && recorded)
		bucket->left -= bucket->left > 0;
	else if (bucket)
		count_one(bucket, act);
	pthread_mutex_unlock(&denied->lock);
	record_counted(act->caller->vault, &evicted);
}

void sr_denied_flush(struct sr_vault *vault)
{
	struct bucket *bucket, *next;
	HASH_ITER(hh, vault->denied->buckets, bucket, next)
	{
		record_counted(vault, bucket);
		bucket->counted = 0;
	}
}
