/* The state tree: for each subject one number, and one digest over all of them.
 *
 * A subject is a deciding row ("secret:PATH": the record that made the row as it now is) or a token's uses ("use:ID":
 * how many). Who holds the database can put an old row back, genuine MAC and all; he cannot make this tree agree,
 * because its root stands in the standing (audit/standing.h), under the HSM's MAC. So "the newest" is proven at each
 * look, by four nodes and one bucket, however many subjects there are.
 *
 * Key = SHA-256 of the packed chain id and subject (so nobody can aim at one bucket); its first two bytes are the
 * bucket. The tree over the 65,536 buckets has four levels of nodes with 16 children. What is empty has the digest of
 * zeros and no row. */
#ifndef SR_AUDIT_STATE_H
#define SR_AUDIT_STATE_H

#include "audit/writer.h"

/** sr_state_get(store, at, subject, value, err): the subject's number, 0 where it has none, proven by the moment's
 * root. CKR_DEVICE_ERROR / ROW_FORGED where entries, nodes and root do not agree. */
CK_RV sr_state_get(
	struct sr_store *store, const struct sr_moment *at, const char *subject, uint64_t *value, struct sr_error *err);

/** sr_state_put(store, at, subject, value, err): changes it (VALUE is 1 or more) and moves the moment's root. */
CK_RV sr_state_put(
	struct sr_store *store, struct sr_moment *at, const char *subject, uint64_t value, struct sr_error *err);

/** sr_state_count(store, at, count, err): how many subjects have a number: of the whole tree, proven from its entries
 * up to the moment's root. ROW_FORGED where they do not make it. */
CK_RV sr_state_count(struct sr_store *store, const struct sr_moment *at, uint64_t *count, struct sr_error *err);

#endif
