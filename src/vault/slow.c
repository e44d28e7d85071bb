/* Tries of one source, counted and queued.
 *
 * Until three have failed, three may be looked at side by side less those that failed: so a burst has no more for
 * nothing than tries one after the other. After that there is one turn, and who has it waits before he looks. */
#include "vault/slow.h"

#include "util/clock.h"
#include "util/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** struct tries: of one source. LOOKING: let through and not back yet; WAITING: the queue behind SR_SLOW_FREE, with who
 * has the turn; USERS: threads inside, so it stays. */
struct tries {
	struct sr_source source;
	unsigned failures, looking, waiting, users;
	int64_t failed_ms;
	UT_hash_handle hh;
};

struct sr_slow {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct tries *tries; /* the least recently tried first */
};

/* -- waiting ----------------------------------------------------------------------------------------------------- */

static void system_wait(int64_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* Global, because the vault that a test opens must wait as the test does. */
static void (*wait_ms)(int64_t ms) = system_wait;

void sr_slow_replace(void (*wait)(int64_t ms))
{
	wait_ms = wait ? wait : system_wait;
}

/* -- sources ----------------------------------------------------------------------------------------------------- */

void sr_source_of(const char *name, const struct sr_peer *peer, struct sr_source *source)
{
	memset(source, 0, sizeof(*source)); /* it is compared byte by byte, what pads it included */
	memcpy(source->name, name, strnlen(name, SR_NAME_MAX - 1));
	source->kind = (uint8_t)peer->kind;
	source->has_address = peer->has_address;
	source->has_cert = peer->has_cert;
	if (peer->kind != SR_PEER_TLS)
		source->uid = peer->uid;
	if (peer->has_address)
		memcpy(source->address, peer->address.bytes, sr_address_site(&peer->address));
	if (peer->has_cert)
		memcpy(source->cert, peer->cert, sizeof(source->cert));
}

struct sr_slow *sr_slow_new(void)
{
	struct sr_slow *slow = calloc(1, sizeof(*slow));
	if (slow) {
		slow->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
		slow->changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	}
	return slow;
}

/* The lock is left as it is: in a forked child another thread of the parent may have held it. */
void sr_slow_free(struct sr_slow *slow)
{
	struct tries *tries, *next;
	if (!slow)
		return;
	HASH_ITER(hh, slow->tries, tries, next)
	{
		HASH_DEL(slow->tries, tries);
		free(tries);
	}
	free(slow);
}

/* The oldest that does not wait yet, else the oldest: who tries many names does not so clear the one that counts. */
static struct tries *expendable(struct sr_slow *slow)
{
	struct tries *oldest = NULL;
	for (struct tries *tries = slow->tries; tries; tries = tries->hh.next) {
		if (!tries->users && tries->failures < SR_SLOW_FREE)
			return tries;
		if (!tries->users && !oldest)
			oldest = tries;
	}
	return oldest;
}

/* Room for one more; false where everybody is still inside. */
static bool make_room(struct sr_slow *slow)
{
	if (HASH_COUNT(slow->tries) < SR_SLOW_SOURCES)
		return true;
	struct tries *tries = expendable(slow);
	if (!tries)
		return false;
	HASH_DEL(slow->tries, tries);
	free(tries);
	return true;
}

static struct tries *find(struct sr_slow *slow, const struct sr_source *source)
{
	struct tries *tries = NULL;
	HASH_FIND(hh, slow->tries, source, sizeof(*source), tries);
	return tries;
}

static struct tries *add(struct sr_slow *slow, const struct sr_source *source)
{
	struct tries *tries = make_room(slow) ? calloc(1, sizeof(*tries)) : NULL;
	if (!tries)
		return NULL;
	tries->source = *source;
	HASH_ADD(hh, slow->tries, source, sizeof(tries->source), tries);
	if (tries->hh.tbl)
		return tries;
	free(tries);
	return NULL;
}

/* The source's own, now the most recent; NULL: there is no room, or no memory. To move one takes none: the others,
 * which are there where it is not the last, keep the table. */
static struct tries *take(struct sr_slow *slow, const struct sr_source *source)
{
	struct tries *tries = find(slow, source);
	if (!tries)
		tries = add(slow, source);
	else if (tries->hh.next) {
		HASH_DEL(slow->tries, tries);
		HASH_ADD(hh, slow->tries, source, sizeof(tries->source), tries);
	}
	if (tries)
		tries->users++;
	return tries;
}

/* -- one try ----------------------------------------------------------------------------------------------------- */

static void forget_old(struct tries *tries)
{
	if (tries->failures && sr_clock_boot_ms() - tries->failed_ms > SR_SLOW_WINDOW_MS)
		tries->failures = 0;
}

static int64_t delay_of(const struct tries *tries)
{
	unsigned steps = tries->failures - SR_SLOW_FREE;
	int64_t delay = 1000;
	for (unsigned i = 0; i < steps && delay < SR_SLOW_WAIT_MAX_MS; i++)
		delay *= 2;
	return delay;
}

/* Waits for a place to look from; false where too many wait already. QUEUED: counted among those who wait. */
static bool line_up(struct sr_slow *slow, struct tries *tries, bool *queued)
{
	*queued = false;
	for (;;) {
		forget_old(tries);
		bool slowed = tries->failures >= SR_SLOW_FREE;
		if (slowed && !*queued) {
			if (tries->waiting == SR_SLOW_QUEUE)
				return false;
			tries->waiting++;
			*queued = true;
		}
		if (tries->looking < (slowed ? 1 : SR_SLOW_FREE - tries->failures))
			return true;
		pthread_cond_wait(&slow->changed, &slow->lock);
	}
}

bool sr_slow_enter(struct sr_slow *slow, const struct sr_source *source)
{
	bool queued = false;
	pthread_mutex_lock(&slow->lock);
	struct tries *tries = take(slow, source);
	bool may = tries && line_up(slow, tries, &queued);
	if (may)
		tries->looking++;
	else if (tries)
		tries->users--;
	if (may && tries->failures >= SR_SLOW_FREE) {
		int64_t delay = delay_of(tries);
		pthread_mutex_unlock(&slow->lock);
		wait_ms(delay);
		pthread_mutex_lock(&slow->lock);
	}
	if (queued)
		tries->waiting--;
	pthread_mutex_unlock(&slow->lock);
	return may;
}

enum sr_tried sr_tried(CK_RV rv)
{
	if (rv == CKR_OK)
		return SR_TRIED_RIGHT;
	return rv == CKR_PIN_INCORRECT ? SR_TRIED_WRONG : SR_TRIED_UNKNOWN;
}

void sr_slow_leave(struct sr_slow *slow, const struct sr_source *source, enum sr_tried tried)
{
	pthread_mutex_lock(&slow->lock);
	struct tries *tries = find(slow, source);
	tries->looking--;
	tries->users--;
	if (tried == SR_TRIED_RIGHT)
		tries->failures = 0;
	if (tried == SR_TRIED_WRONG) {
		tries->failures++;
		tries->failed_ms = sr_clock_boot_ms();
	}
	pthread_cond_broadcast(&slow->changed);
	pthread_mutex_unlock(&slow->lock);
}
