/* What the store cannot narrow is matched record by record. */
#include "audit/query.h"

#include "policy/path.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

/** struct found: without IDS where they are only to be COUNTED. */
struct found {
	const struct sr_audit_query *query;
	bool counted;
	uint64_t *ids, first;
	size_t count, room;
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

static bool in_time(const struct sr_audit_query *query, int64_t ms)
{
	return ms >= query->since_ms && (query->until_ms <= 0 || ms <= query->until_ms);
}

bool sr_audit_query_fits(const struct sr_audit_query *query, const struct sr_event *event)
{
	return in_time(query, event->timestamp_ms) && (query->events == 0 || (query->events >> event->kind & 1)) &&
	       (!query->by_status || query->status == event->status) && text_is(query->actor_id, event->actor_id) &&
	       text_is(query->token_id, event->token_id) && text_is(query->tier, event->tier) &&
	       path_fits(query->path_glob, event->path) && (!query->by_ip || ip_in(&query->ip, event->ip));
}

static bool keep(struct found *found, uint64_t id)
{
	if (found->counted) {
		found->first = found->count++ == 0 || id < found->first ? id : found->first;
		return true;
	}
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
	return !found->memory && (found->query->limit == 0 || found->count < found->query->limit);
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

/* There are no statistics: what usually leaves least comes first. */
static enum sr_event_by choose(const struct sr_audit_query *query, size_t literal)
{
	bool path = is_given(query->path_glob);
	if (is_given(query->token_id))
		return SR_EVENT_BY_TOKEN;
	if (path && query->path_glob[literal] == '\0')
		return SR_EVENT_BY_PATH;
	if (is_short_time(query))
		return SR_EVENT_BY_TIME;
	if (is_given(query->actor_id))
		return SR_EVENT_BY_ACTOR;
	if (path && literal > 0)
		return SR_EVENT_BY_PATHS;
	return query->since_ms > 0 || query->until_ms > 0 ? SR_EVENT_BY_TIME : SR_EVENT_BY_ID;
}

static const char *key_of(const struct sr_audit_query *query, enum sr_event_by by)
{
	switch (by) {
	case SR_EVENT_BY_PATH:
	case SR_EVENT_BY_PATHS:
		return query->path_glob;
	case SR_EVENT_BY_ACTOR:
		return query->actor_id;
	case SR_EVENT_BY_TOKEN:
		return query->token_id;
	default:
		return "";
	}
}

void sr_audit_query_by(const struct sr_audit_query *query, struct sr_event_query *range, char room[SR_PATH_MAX + 1])
{
	size_t literal = query->path_glob ? strcspn(query->path_glob, "*") : 0;
	range->since_ms = query->since_ms;
	range->until_ms = query->until_ms;
	range->by = choose(query, literal);
	const char *text = key_of(query, range->by);
	size_t len = range->by == SR_EVENT_BY_PATHS ? literal : strnlen(text, SR_PATH_MAX);
	if (len > 0)
		memcpy(room, text, len);
	room[len] = '\0';
	range->key = room;
}

/* -- running ---------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return (one > other) - (one < other);
}

/* What the indexes do not know yet, by a scan. */
static CK_RV run_tail(struct sr_store *store, struct sr_tx *tx, struct found *found, const struct sr_event_query *range,
	uint64_t indexed, struct sr_error *err)
{
	struct sr_event_query tail = *range;
	tail.by = SR_EVENT_BY_ID;
	tail.after = indexed;
	return store->ops->event_query(tx, &tail, look_at, found, err);
}

static CK_RV run_indexed(struct sr_store *store, struct sr_tx *tx, struct found *found,
	const struct sr_event_query *range, uint64_t indexed, struct sr_error *err)
{
	struct sr_event_query known = *range;
	known.before = indexed + 1;
	return store->ops->event_query(tx, &known, look_at, found, err);
}

/* Both halves, from the end that the limit counts from. */
static CK_RV run_halves(struct sr_store *store, struct sr_tx *tx, struct found *found,
	const struct sr_event_query *range, struct sr_error *err)
{
	uint64_t limit = found->query->limit, indexed;
	CK_RV rv = store->ops->event_indexed(tx, &indexed, err);
	if (rv == CKR_OK && range->newest_first)
		rv = run_tail(store, tx, found, range, indexed, err);
	if (rv == CKR_OK && !found->memory && (limit == 0 || found->count < limit))
		rv = run_indexed(store, tx, found, range, indexed, err);
	if (rv == CKR_OK && !found->memory && !range->newest_first)
		rv = run_tail(store, tx, found, range, indexed, err);
	return rv;
}

static CK_RV run(struct sr_store *store, struct sr_tx *tx, struct found *found, struct sr_error *err)
{
	/* The newest N are the first N from that end. */
	struct sr_event_query range = { .newest_first = found->query->limit > 0 };
	char room[SR_PATH_MAX + 1];
	sr_audit_query_by(found->query, &range, room);
	return range.by == SR_EVENT_BY_ID ? store->ops->event_query(tx, &range, look_at, found, err)
					  : run_halves(store, tx, found, &range, err);
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
	if (found.count > 0)
		qsort(found.ids, found.count, sizeof *found.ids, by_id);
	*ids = found.ids;
	*count = found.count;
	return CKR_OK;
}
