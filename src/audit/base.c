/* The base: found, proven, chosen, moved. */
#include "audit/base.h"

#include "audit/check.h"
#include "audit/state.h"
#include "store/prune.h"

#include <stdio.h>
#include <string.h>

static CK_RV broken(struct sr_error *err, uint64_t seq, const char *what)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the audit begins behind record %llu, and %s; restore the right database", (unsigned long long)seq,
		what);
}

CK_RV sr_base_number(struct sr_store *store, const struct sr_moment *at, uint64_t *seq, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_state_get(store, at, SR_BASE_SUBJECT, seq, &why);
	if (rv == CKR_OK)
		return rv;
	if (why.reason == SR_REASON_ROW_FORGED)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"where the audit begins was changed outside Strongroom; restore the right database");
	return sr_fail(err, rv, why.reason, "%s", why.text);
}

static CK_RV check_signature(struct sr_store *store, struct sr_hsm *hsm, const struct sr_moment *at,
	const struct sr_checkpoint_row *row, struct sr_error *err)
{
	struct sr_audit_keys keys;
	CK_RV rv = sr_audit_keys_load(store, at->tx, hsm, at->chain_id, &keys, err);
	if (rv != CKR_OK)
		return rv;
	bool fits = sr_audit_keys_fit(&keys, at->chain_id, row);
	sr_audit_keys_clear(&keys);
	return fits ? CKR_OK : broken(err, row->seq, "the checkpoint over it is not signed by the HSM's audit key");
}

static void take_checkpoint(struct sr_base *base)
{
	base->head = (struct sr_head){ .seq = base->checkpoint.seq };
	memcpy(base->head.hash, base->checkpoint.head, sizeof base->head.hash);
}

CK_RV sr_base_get(struct sr_store *store, struct sr_hsm *hsm, const struct sr_moment *at, struct sr_base *base,
	struct sr_error *err)
{
	uint64_t seq;
	bool found;
	*base = (struct sr_base){ .event_id = 0 };
	if (!sr_chain_start(at->chain_id, &base->head))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the chain cannot be hashed");
	CK_RV rv = sr_base_number(store, at, &seq, err);
	if (rv != CKR_OK || seq == 0)
		return rv;
	rv = sr_state_get(store, at, SR_PRUNED_SUBJECT, &base->event_id, err);
	if (rv == CKR_OK)
		rv = store->ops->checkpoint_from(at->tx, seq, &base->checkpoint, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || base->checkpoint.seq != seq)
		return broken(err, seq, "the checkpoint over it is gone");
	take_checkpoint(base);
	return check_signature(store, hsm, at, &base->checkpoint, err);
}

/* -- a new one -------------------------------------------------------------------------------------------------- */

static bool note_first(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	uint64_t *first = ctx;
	(void)hash;
	*first = event->id;
	return false;
}

/* LAST becomes the last record before the first that is too young: whatever a clock was set to, none that says that it
 * is young goes. */
static CK_RV find_last(struct sr_store *store, const struct sr_moment *at, int64_t before_ms, uint64_t after,
	uint64_t *last, struct sr_error *err)
{
	struct sr_event_query young = { .after = after, .since_ms = before_ms };
	struct sr_head newest;
	int64_t newest_ms;
	uint64_t first = 0;
	CK_RV rv = store->ops->event_head(at->tx, &newest, &newest_ms, err);
	if (rv == CKR_OK)
		rv = store->ops->event_query(at->tx, &young, note_first, &first, err);
	*last = first ? first - 1 : newest.seq;
	return rv;
}

static CK_RV check_removed(struct sr_store *store, const struct sr_moment *at, const struct sr_base *was,
	const struct sr_base *next, struct sr_error *err)
{
	struct sr_scan scan = { .head = was->head, .upto = next->head.seq };
	struct sr_place place = { .store = store };
	CK_RV rv = sr_scan_run(&place, at->tx, &scan, err);
	if (rv != CKR_OK)
		return rv;
	if (scan.bad)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"nothing was removed: %.160s; run: strongroom audit verify", scan.finding);
	if (scan.head.seq == next->head.seq && memcmp(scan.head.hash, next->head.hash, SR_HASH_LEN) == 0)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"nothing was removed: records up to %llu are not those that were sealed; run: strongroom audit verify",
		(unsigned long long)next->head.seq);
}

CK_RV sr_base_choose(struct sr_store *store, struct sr_hsm *hsm, const struct sr_moment *at, int64_t before_ms,
	uint64_t *last, const struct sr_base *was, struct sr_base *next, struct sr_error *err)
{
	uint64_t bound = *last;
	bool found = false;
	*next = *was;
	CK_RV rv = find_last(store, at, before_ms, was->head.seq, last, err);
	if (rv == CKR_OK)
		rv = sr_store_checkpoint_upto(at->tx, *last < bound ? *last : bound, &next->checkpoint, &found, err);
	if (rv != CKR_OK || !found || next->checkpoint.seq <= was->head.seq) {
		*next = *was;
		return rv;
	}
	take_checkpoint(next);
	rv = check_signature(store, hsm, at, &next->checkpoint, err);
	return rv == CKR_OK ? check_removed(store, at, was, next, err) : rv;
}

CK_RV sr_base_put(struct sr_store *store, struct sr_moment *at, const struct sr_base *base, struct sr_event *event,
	struct sr_error *err)
{
	CK_RV rv = sr_state_put(store, at, SR_BASE_SUBJECT, base->head.seq, err);
	if (rv == CKR_OK)
		rv = sr_state_put(store, at, SR_PRUNED_SUBJECT, at->event_id, err);
	snprintf(event->subject, sizeof event->subject, "%s", SR_PRUNED_SUBJECT);
	return rv;
}
