/* One place for each source. A peer that tries many names has few places: what goes beyond them is counted with what it
 * tried without a name. Whether there is a member of that name makes no difference anywhere here: a commit that happens
 * or not can be seen from outside. */
#include "vault/refused.h"

#include "util/clock.h"
#include "util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** struct told: a source's last record, COUNTED since, and of the newest of these what a record needs. NAMES: in the
 * place without a name, how many names of this peer got places of their own since NAMES_MS. */
struct told {
	struct sr_source source;
	bool any;
	int64_t told_ms, names_ms;
	unsigned names;
	uint64_t counted;
	CK_ULONG reason;
	char actor_id[sizeof(((struct sr_event *)NULL)->actor_id)];
	char ip[sizeof(((struct sr_event *)NULL)->ip)];
	char peer[sizeof(((struct sr_event *)NULL)->peer)];
	char function[sizeof(((struct sr_event *)NULL)->function)];
	UT_hash_handle hh;
};

struct sr_refused {
	pthread_mutex_t lock;
	struct told *told; /* the least recently refused first */
};

struct sr_refused *sr_refused_new(void)
{
	struct sr_refused *refused = calloc(1, sizeof(*refused));
	if (refused)
		refused->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	return refused;
}

/* The lock is left as it is: in a forked child another thread of the parent may have held it. */
void sr_refused_free(struct sr_refused *refused)
{
	struct told *told, *next;
	if (!refused)
		return;
	HASH_ITER(hh, refused->told, told, next)
	{
		HASH_DEL(refused->told, told);
		free(told);
	}
	free(refused);
}

/* -- places ------------------------------------------------------------------------------------------------------ */

static struct told *find(struct sr_refused *refused, const struct sr_source *source)
{
	struct told *told = NULL;
	HASH_FIND(hh, refused->told, source, sizeof(*source), told);
	return told;
}

static struct told *add(struct sr_refused *refused, const struct sr_source *source)
{
	struct told *told = calloc(1, sizeof(*told));
	if (!told)
		return NULL;
	told->source = *source;
	HASH_ADD(hh, refused->told, source, sizeof(told->source), told);
	if (told->hh.tbl)
		return told;
	free(told);
	return NULL;
}

/* The most recent one from now on; NULL: no memory. EVICTED takes what had to go for it. To move one takes no memory:
 * the others, which are there where it is not the last, keep the table. */
static struct told *take(struct sr_refused *refused, const struct sr_source *source, struct told *evicted)
{
	struct told *told = find(refused, source), *oldest = refused->told;
	if (told && told->hh.next) {
		HASH_DEL(refused->told, told);
		HASH_ADD(hh, refused->told, source, sizeof(told->source), told);
	}
	if (told)
		return told;
	if (HASH_COUNT(refused->told) >= SR_REFUSED_SOURCES) {
		HASH_DEL(refused->told, oldest);
		*evicted = *oldest;
		free(oldest);
	}
	return add(refused, source);
}

/** struct counting: one refusal: the place that it is counted in; how many its record stands for, 0 where there is
 * none; and places that had to go for it, with what is counted there. */
struct counting {
	struct sr_source place;
	uint64_t stands_for;
	struct told evicted[2];
};

/* SOURCE, or the same peer without a name. */
static void choose_place(
	struct sr_refused *refused, const struct sr_source *source, int64_t now, struct counting *counting)
{
	counting->place = *source;
	if (!source->name[0] || find(refused, source))
		return;
	struct sr_source nameless = *source;
	memset(nameless.name, 0, sizeof(nameless.name));
	struct told *peer = take(refused, &nameless, &counting->evicted[0]);
	if (!peer)
		return;
	if (now - peer->names_ms >= SR_REFUSED_EVERY_MS) {
		peer->names = 0;
		peer->names_ms = now;
	}
	if (peer->names == SR_REFUSED_NAMES)
		counting->place = nameless;
	else
		peer->names++;
}

/* -- counting ---------------------------------------------------------------------------------------------------- */

/* What is refused without being looked at has no name in its event; those before it had. */
static void note(struct told *told, struct sr_act *act)
{
	struct sr_event *event = &act->event;
	told->reason = act->audit_reason;
	if (event->actor_id[0] && told->source.name[0])
		memcpy(told->actor_id, event->actor_id, sizeof(told->actor_id));
	else
		memcpy(event->actor_id, told->actor_id, sizeof(told->actor_id));
	memcpy(told->ip, event->ip, sizeof(told->ip));
	memcpy(told->peer, event->peer, sizeof(told->peer));
	memcpy(told->function, event->function, sizeof(told->function));
}

static uint64_t count_one(struct told *told, int64_t now)
{
	if (told->any && now - told->told_ms < SR_REFUSED_EVERY_MS) {
		told->counted++;
		return 0;
	}
	uint64_t stands_for = told->counted + 1;
	told->counted = 0;
	told->told_ms = now;
	told->any = true;
	return stands_for;
}

static void count_refusal(
	struct sr_refused *refused, struct sr_act *act, const struct sr_source *source, struct counting *counting)
{
	struct sr_now now;
	sr_clock_now(&now);
	pthread_mutex_lock(&refused->lock);
	choose_place(refused, source, now.boot_ms, counting);
	struct told *told = take(refused, &counting->place, &counting->evicted[1]);
	counting->stands_for = told ? count_one(told, now.boot_ms) : 1;
	if (told)
		note(told, act);
	pthread_mutex_unlock(&refused->lock);
}

/* The record could not be written: it is still owed. */
static void give_back(struct sr_refused *refused, const struct sr_source *source, uint64_t count)
{
	pthread_mutex_lock(&refused->lock);
	struct told *told = find(refused, source);
	if (told) {
		told->counted += count;
		told->any = false;
	}
	pthread_mutex_unlock(&refused->lock);
}

/* -- recording --------------------------------------------------------------------------------------------------- */

static void say_count(struct sr_event *event, uint64_t count)
{
	snprintf(event->metadata, sizeof(event->metadata), "{\"count\":%llu}", (unsigned long long)count);
}

/* A record of what is counted alone; where it cannot be written there is nobody left to tell. */
static void record_counted(struct sr_vault *vault, const struct told *told)
{
	const struct sr_peer nobody = { .kind = SR_PEER_EMBEDDED };
	const struct sr_caller caller = { vault, &nobody, told->function, NULL };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_act act;
	if (told->counted == 0)
		return;
	sr_act_begin(&act, &caller, SR_EVENT_SESSION_LOGIN, NULL);
	memcpy(act.event.actor_id, told->actor_id, sizeof(told->actor_id));
	memcpy(act.event.ip, told->ip, sizeof(told->ip));
	memcpy(act.event.peer, told->peer, sizeof(told->peer));
	say_count(&act.event, told->counted);
	act.audit_reason = told->reason;
	CK_RV rv = sr_fail(&err, CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED, "login refused");
	sr_act_record(&act, rv, &err);
}

CK_RV sr_refused_record(struct sr_act *act, const struct sr_source *source, CK_RV rv, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct counting counting = { .stands_for = 0 };
	count_refusal(vault->refused, act, source, &counting);
	record_counted(vault, &counting.evicted[0]);
	record_counted(vault, &counting.evicted[1]);
	if (counting.stands_for == 0)
		return rv;
	if (counting.stands_for > 1)
		say_count(&act->event, counting.stands_for);
	CK_RV got = sr_act_record(act, rv, err);
	if (got != rv)
		give_back(vault->refused, &counting.place, counting.stands_for);
	return got;
}

void sr_refused_flush(struct sr_vault *vault)
{
	struct told *told, *next;
	HASH_ITER(hh, vault->refused->told, told, next)
	{
		record_counted(vault, told);
		told->counted = 0;
	}
}
