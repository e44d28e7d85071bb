/* Queries over the audit: every criterion of `strongroom audit query`. */
#ifndef SR_AUDIT_QUERY_H
#define SR_AUDIT_QUERY_H

#include "policy/address.h"
#include "store/store.h"

/** struct sr_audit_query: criteria, all of which must hold; empty is any. EVENTS: one bit a kind (0: all). LIMIT: the
 *  newest N, 0 for all. Texts point into the owner's memory. */
struct sr_audit_query {
	uint64_t events;
	bool by_status;
	enum sr_status status;
	const char *path_glob, *actor_id, *token_id, *tier;
	bool by_ip;
	struct sr_cidr ip;
	int64_t since_ms, until_ms;
	uint64_t limit;
};

/** sr_audit_query_fits(query, event): whether EVENT meets every criterion but LIMIT. */
bool sr_audit_query_fits(const struct sr_audit_query *query, const struct sr_event *event);

/** struct sr_audit_way: the index that narrows a query most, and what is looked up in it. EVENTS: several, whose words
 *  are looked up one after the other; 0 where KEY is all. */
struct sr_audit_way {
	enum sr_event_by by;
	uint64_t events;
	char key[SR_PATH_MAX + 1];
};
void sr_audit_query_way(const struct sr_audit_query *query, struct sr_audit_way *way);

/** sr_audit_query_count(store, tx, query, count, first, err): how many match, and the id of the first; in constant
 *  memory, whatever LIMIT is. */
CK_RV sr_audit_query_count(struct sr_store *store, struct sr_tx *tx, const struct sr_audit_query *query,
	uint64_t *count, uint64_t *first, struct sr_error *err);

/** sr_audit_query_run(tx, query, ids, count, err): the ids of the matching events, oldest first, malloc'ed. */
CK_RV sr_audit_query_run(struct sr_store *store, struct sr_tx *tx, const struct sr_audit_query *query, uint64_t **ids,
	size_t *count, struct sr_error *err);

#endif
