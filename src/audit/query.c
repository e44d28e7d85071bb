/* What the store cannot narrow is matched record by record. */
#include "audit/query.h"

#include "policy/path.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

struct found {
	const struct sr_audit_query *query;
	uint64_t *ids;
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

static bool matches(const struct sr_audit_query *query, const struct sr_event *event)
{
	return (query->events == 0 || (query->events >> event->kind & 1)) &&
	       (!query->by_status || query->status == event->status) && text_is(query->actor_id, event->actor_id) &&
	       text_is(query->token_id, event->token_id) && text_is(query->tier, event->tier) &&
	       path_fits(query->path_glob, event->path) && (!query->by_ip || ip_in(&query->ip, event->ip));
}

static bool keep(struct found *found, uint64_t id)
{
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
	if (!matches(found->query, event))
		return true;
	found->memory = !keep(found, event->id);
	return !found->memory && (found->query->limit == 0 || found->count < found->query->limit);
}

static void reverse(uint64_t *ids, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		uint64_t id = ids[i];
		ids[i] = ids[count - 1 - i];
		ids[count - 1 - i] = id;
	}
}

CK_RV sr_audit_query_run(struct sr_store *store, struct sr_tx *tx, const struct sr_audit_query *query, uint64_t **ids,
	size_t *count, struct sr_error *err)
{
	struct found found = { .query = query };
	bool newest_first = query->limit > 0; /* the newest N are the first N from that end */
	struct sr_event_query range = {
		.since_ms = query->since_ms, .until_ms = query->until_ms, .newest_first = newest_first
	};
	*ids = NULL;
	*count = 0;
	CK_RV rv = store->ops->event_query(tx, &range, look_at, &found, err);
	if (rv == CKR_OK && found.memory)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY,
			"the query finds more records than memory holds; narrow it or give it a limit");
	if (rv != CKR_OK) {
		free(found.ids);
		return rv;
	}
	if (newest_first)
		reverse(found.ids, found.count);
	*ids = found.ids;
	*count = found.count;
	return CKR_OK;
}
