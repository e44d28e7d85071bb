/* What the store cannot narrow is matched record by record. */
#include "audit/query.h"

#include "policy/path.h"
#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

/** struct found: without IDS where they are only to be COUNTED. As many as ENOUGH end a look-up, 0 is never; of more
 * than NEWEST, which come in no order, the newest are kept, 0 is all. */
struct found {
	const struct sr_audit_query *query;
	bool counted;
	uint64_t *ids, first;
	size_t count, room, enough, newest;
	bool memory;
};

static bool text_is(const char *wanted, const char *text)
{
	return !wanted || wanted[0] == '\0' || strcmp(wanted, text) == 0;
}

/* "local" and "unix" are no addresses and lie in no range. */
static bool ip_in(const struct sr_cidr *cidr, const char *ip)
{
	struct sr_address address;
	return sr_address_parse(ip, strlen(ip), &address) && sr_cidr_has(cidr, &address);
}

static bool path_fits(const char *glob, const char *path)
{
	return !glob || glob[0] == '\0' || (path[0] != '\0' && sr_glob_match(glob, path));
}

#define TOKEN_USED (UINT64_C(1) << SR_EVENT_TOKEN_USED)

/* A use of a token has no record of its own: those of what was done with it count it. */
static bool is_one_of(uint64_t events, const struct sr_event *event)
{
	return events == 0 || (events >> event->kind & 1) || ((events & TOKEN_USED) && event->counted);
}

static bool in_time(const struct sr_audit_query *query, int64_t ms)
{
	return ms >= query->since_ms && (query->until_ms <= 0 || ms <= query->until_ms);
}

bool sr_audit_query_fits(const struct sr_audit_query *query, const struct sr_event *event)
{
	return in_time(query, event->timestamp_ms) && is_one_of(query->events, event) &&
	       (!query->by_status || query->status == event->status) && text_is(query->actor_id, event->actor_id) &&
	       text_is(query->token_id, event->token_id) && text_is(query->tier, event->tier) &&
	       path_fits(query->path_glob, event->path) && (!query->by_ip || ip_in(&query->ip, event->ip));
}

static int by_id(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return (one > other) - (one < other);
}

/* In order; of more than LIMIT the newest. */
static void sort(struct found *found, size_t limit)
{
	if (found->count > 0)
		qsort(found->ids, found->count, sizeof *found->ids, by_id);
	if (limit == 0 || found->count <= limit)
		return;
	memmove(found->ids, found->ids + found->count - limit, limit * sizeof *found->ids);
	found->count = limit;
}

static bool keep(struct found *found, uint64_t id)
{
	if (found->counted) {
		found->first = found->count++ == 0 || id < found->first ? id : found->first;
		return true;
	}
	if (found->newest > 0 && found->count / 2 >= found->newest)
		sort(found, found->newest);
	if (found->count == found->room) {
		size_t room = found->room ? 2 * found->room : FIRST_ROOM;
		uint64_t *ids = reallocarray(found->ids, room, sizeof *ids);
		if (!ids)
			return false;
		found->ids = ids;
		found->room = room;
	}
	found->ids[found->count++] = id;
	return true;
}

static bool look_at(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct found *found = ctx;
	(void)hash;
	if (!sr_audit_query_fits(found->query, event))
		return true;
	found->memory = !keep(found, event->id);
	return !found->memory && (found->enough == 0 || found->count < found->enough);
}

/* -- which index ------------------------------------------------------------------------------------------------ */

#define A_SHORT_TIME_MS (24ll * 60 * 60 * 1000)

static bool is_short_time(const struct sr_audit_query *query)
{
	struct sr_now now;
	sr_clock_now(&now);
	int64_t until = query->until_ms > 0 ? query->until_ms : now.wall_ms;
	return query->since_ms > 0 && until - query->since_ms <= A_SHORT_TIME_MS;
}

static bool is_given(const char *text)
{
	return text && text[0];
}

/* Each way answers whether QUERY can go by it, and sets the key. */

static bool go_by(struct sr_audit_way *way, enum sr_event_by by, const char *name, const char *text, size_t len)
{
	way->by = by;
	snprintf(way->key, sizeof way->key, "%s%.*s", name, (int)len, text);
	return true;
}

static bool by_text(struct sr_audit_way *way, enum sr_event_by by, const char *name, const char *text)
{
	return is_given(text) && go_by(way, by, name, text, strlen(text));
}

static bool by_path(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	return is_given(query->path_glob) && !strchr(query->path_glob, '*') &&
	       by_text(way, SR_EVENT_BY_PATH, "", query->path_glob);
}

static bool by_paths(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	size_t literal = query->path_glob ? strcspn(query->path_glob, "*") : 0;
	return literal > 0 && go_by(way, SR_EVENT_BY_PATHS, "", query->path_glob, literal);
}

static bool by_status(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	return query->by_status && query->status != SR_STATUS_ALLOWED &&
	       by_text(way, SR_EVENT_BY_WORD, "status=", sr_status_name(query->status));
}

static bool by_tier(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	return is_given(query->tier) && strcmp(query->tier, "standard") != 0 &&
	       by_text(way, SR_EVENT_BY_WORD, "tier=", query->tier);
}

static bool by_address(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	char begins[SR_ADDRESS_TEXT_MAX] = "";
	if (query->by_ip)
		sr_cidr_begins(&query->ip, begins);
	return by_text(way, query->ip.prefix == 128 ? SR_EVENT_BY_WORD : SR_EVENT_BY_WORDS, "ip=", begins);
}

/* What every agent does all the time: most records are of these. */
#define COMMON_EVENTS                                                                          \
	(TOKEN_USED | UINT64_C(1) << SR_EVENT_SECRET_READ | UINT64_C(1) << SR_EVENT_KEY_USED | \
		UINT64_C(1) << SR_EVENT_SESSION_LOGIN | UINT64_C(1) << SR_EVENT_SESSION_LOGOUT)

static bool by_events(const struct sr_audit_query *query, struct sr_audit_way *way, uint64_t among)
{
	uint64_t events = query->events;
	bool one = (events & (events - 1)) == 0;
	if (events == 0 || (events & ~among) != 0 || (!one && (events & TOKEN_USED)))
		return false; /* two words of one record would find it twice */
	way->events = one ? 0 : events;
	for (unsigned kind = 0; one && kind < SR_EVENT_COUNT; kind++) {
		if (events >> kind & 1)
			return by_text(way, SR_EVENT_BY_WORD, "event=", sr_event_name((enum sr_event_kind)kind));
	}
	return go_by(way, SR_EVENT_BY_WORD, "", "", 0);
}

/* There are no statistics: what usually leaves least comes first. */
void sr_audit_query_way(const struct sr_audit_query *query, struct sr_audit_way *way)
{
	*way = (struct sr_audit_way){ .by = SR_EVENT_BY_TIME };
	if (by_text(way, SR_EVENT_BY_TOKEN, "", query->token_id) || by_path(query, way) || is_short_time(query))
		return;
	if (by_status(query, way) || by_events(query, way, ~COMMON_EVENTS))
		return;
	if (by_text(way, SR_EVENT_BY_ACTOR, "", query->actor_id) || by_paths(query, way))
		return;
	if (by_tier(query, way) || by_address(query, way))
		return;
	if (query->since_ms <= 0 && by_events(query, way, UINT64_MAX))
		return;
	way->by = query->since_ms > 0 || query->until_ms > 0 ? SR_EVENT_BY_TIME : SR_EVENT_BY_ID;
}

/* -- running ---------------------------------------------------------------------------------------------------- */

/* What the indexes do not know yet, by a scan. */
static CK_RV run_tail(struct sr_store *store, struct sr_tx *tx, struct found *found, const struct sr_event_query *range,
	uint64_t indexed, struct sr_error *err)
{
	struct sr_event_query tail = *range;
	tail.by = SR_EVENT_BY_ID;
	tail.after = indexed;
	return store->ops->event_query(tx, &tail, look_at, found, err);
}

/* The newest of each of EVENTS, as many as are wanted of all: which of them are the newest is told at the end. */
static CK_RV run_events(struct sr_store *store, struct sr_tx *tx, struct found *found, struct sr_event_query *known,
	uint64_t events, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (unsigned kind = 0; rv == CKR_OK && !found->memory && kind < SR_EVENT_COUNT; kind++) {
		struct sr_audit_way way;
		if ((events >> kind & 1) == 0)
			continue;
		by_text(&way, SR_EVENT_BY_WORD, "event=", sr_event_name((enum sr_event_kind)kind));
		known->key = way.key;
		found->enough = found->query->limit ? found->count + found->query->limit : 0;
		rv = store->ops->event_query(tx, known, look_at, found, err);
	}
	return rv;
}

/* Whether the records come in another order than that of their ids. */
static bool is_unordered(const struct sr_audit_way *way)
{
	return way->by == SR_EVENT_BY_PATHS || way->by == SR_EVENT_BY_WORDS || way->events != 0;
}

static CK_RV run_indexed(struct sr_store *store, struct sr_tx *tx, struct found *found,
	const struct sr_event_query *range, const struct sr_audit_way *way, uint64_t indexed, struct sr_error *err)
{
	struct sr_event_query known = *range;
	known.before = indexed + 1;
	if (found->memory || (found->enough > 0 && found->count >= found->enough))
		return CKR_OK;
	if (way->events)
		return run_events(store, tx, found, &known, way->events, err);
	if (is_unordered(way)) {
		found->newest = found->query->limit;
		found->enough = 0;
	}
	return store->ops->event_query(tx, &known, look_at, found, err);
}

/* Both halves, from the end that the limit counts from. */
static CK_RV run_halves(struct sr_store *store, struct sr_tx *tx, struct found *found,
	const struct sr_event_query *range, const struct sr_audit_way *way, struct sr_error *err)
{
	uint64_t indexed;
	CK_RV rv = store->ops->event_indexed(tx, &indexed, err);
	if (rv == CKR_OK && range->newest_first)
		rv = run_tail(store, tx, found, range, indexed, err);
	if (rv == CKR_OK)
		rv = run_indexed(store, tx, found, range, way, indexed, err);
	if (rv == CKR_OK && !found->memory && !range->newest_first)
		rv = run_tail(store, tx, found, range, indexed, err);
	return rv;
}

static CK_RV run(struct sr_store *store, struct sr_tx *tx, struct found *found, struct sr_error *err)
{
	/* The newest N are the first N from that end. */
	const struct sr_audit_query *query = found->query;
	struct sr_audit_way way;
	sr_audit_query_way(query, &way);
	struct sr_event_query range = { .since_ms = query->since_ms,
		.until_ms = query->until_ms,
		.newest_first = query->limit > 0,
		.by = way.by,
		.key = way.key };
	found->enough = query->limit;
	/* To count the newest of what has no order, they would have to be kept. */
	if (way.by == SR_EVENT_BY_ID || (is_unordered(&way) && found->counted && query->limit > 0)) {
		range.by = SR_EVENT_BY_ID;
		return store->ops->event_query(tx, &range, look_at, found, err);
	}
	return run_halves(store, tx, found, &range, &way, err);
}

CK_RV sr_audit_query_count(struct sr_store *store, struct sr_tx *tx, const struct sr_audit_query *query,
	uint64_t *count, uint64_t *first, struct sr_error *err)
{
	struct found found = { .query = query, .counted = true };
	CK_RV rv = run(store, tx, &found, err);
	*count = found.count;
	*first = found.first;
	return rv;
}

CK_RV sr_audit_query_run(struct sr_store *store, struct sr_tx *tx, const struct sr_audit_query *query, uint64_t **ids,
	size_t *count, struct sr_error *err)
{
	struct found found = { .query = query };
	*ids = NULL;
	*count = 0;
	CK_RV rv = run(store, tx, &found, err);
	if (rv == CKR_OK && found.memory)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY,
			"the query finds more records than memory holds; narrow it or give it a limit");
	if (rv != CKR_OK) {
		free(found.ids);
		return rv;
	}
	sort(&found, query->limit);
	*count = found.count;
	*ids = found.ids;
	return CKR_OK;
}
