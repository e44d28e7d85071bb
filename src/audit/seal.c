/* What follows a commit: the heads file, checkpoints, the anchor. */
#include "audit/heads.h"
#include "audit/ledger.h"
#include "hsm/generations.h"

#include <string.h>

/* A tail that nobody sealed, left by a crash, is due at the first commit. */
void sr_ledger_begin(struct sr_ledger *ledger)
{
	struct sr_now now;
	sr_clock_now(&now);
	ledger->signed_seq = ledger->standing.sealed;
	ledger->signed_boot_ms = now.boot_ms;
	if (ledger->standing.head.seq > ledger->signed_seq)
		ledger->signed_boot_ms -= SR_SEAL_MS;
	/* What was sealed was durable with its checkpoint; of a later record that is not known. */
	if (ledger->standing.head.seq == ledger->standing.sealed)
		ledger->synced = ledger->standing.head;
	ledger->changed = ledger->standing.head.seq > ledger->standing.anchor.head.seq;
}

CK_RV sr_ledger_heads(struct sr_ledger *ledger, struct sr_error *err)
{
	const struct sr_place *place = &ledger->place;
	struct sr_head head = ledger->synced;
	if (head.seq < ledger->standing.head.seq)
		return CKR_OK;
	head.epoch = place->epoch;
	CK_RV rv = sr_heads_write(place->heads_path, place->chain_id, &head, err);
	ledger->heads_known = ledger->heads_known || rv == CKR_OK;
	return rv;
}

CK_RV sr_ledger_refresh(struct sr_ledger *ledger, struct sr_error *err)
{
	struct sr_store *store = ledger->place.store;
	struct sr_standing_row row;
	struct sr_tx *tx;
	CK_RV rv = store->ops->begin_read(store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_ledger_continues(ledger, tx, &row, err);
	store->ops->rollback(tx);
	if (rv != CKR_OK)
		return rv;
	ledger->standing.head = row.head;
	ledger->standing.newest_ms = row.newest_ms;
	return CKR_OK;
}

CK_RV sr_ledger_stage(const struct sr_ledger *ledger, struct sr_tx *tx, struct sr_error *err)
{
	return ledger->waiting ? ledger->place.store->ops->checkpoint_put(tx, &ledger->next, err) : CKR_OK;
}

void sr_ledger_staged(struct sr_ledger *ledger)
{
	if (ledger->waiting)
		ledger->standing.sealed = ledger->next.seq;
	ledger->waiting = false;
}

/* A signature over STANDING, waiting to be stored. */
static CK_RV sign(struct sr_ledger *ledger, const struct sr_now *now, struct sr_error *err)
{
	const struct sr_head *head = &ledger->standing.head;
	struct sr_checkpoint_row row = { .seq = head->seq, .created_ms = now->wall_ms };
	unsigned generation;
	uint8_t digest[SR_SHA256_LEN];
	memcpy(row.head, head->hash, sizeof row.head);
	if (!sr_checkpoint_digest(ledger->place.chain_id, head, digest))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED, "the checkpoint cannot be hashed");
	CK_RV rv = sr_hsm_sign_as(ledger->place.hsm, digest, row.signature, &generation, err);
	if (rv != CKR_OK)
		return rv;
	row.generation = generation;
	ledger->next = row;
	ledger->waiting = true;
	ledger->signed_seq = row.seq;
	ledger->signed_boot_ms = now->boot_ms;
	return CKR_OK;
}

CK_RV sr_ledger_seal_due(struct sr_ledger *ledger, struct sr_error *err)
{
	struct sr_now now;
	uint64_t unsealed = ledger->standing.head.seq - ledger->signed_seq;
	sr_clock_now(&now);
	if (unsealed == 0 || (unsealed < SR_SEAL_RECORDS && now.boot_ms - ledger->signed_boot_ms < SR_SEAL_MS))
		return CKR_OK;
	return sign(ledger, &now, err);
}

/* What this process has written last, if that is what stands there still. */
static CK_RV seal_twice(struct sr_ledger *ledger, struct sr_tx *tx, struct sr_error *err)
{
	const struct sr_store_ops *ops = ledger->place.store->ops;
	struct sr_standing_row there, ours;
	bool found;
	CK_RV rv = ops->standing_get(tx, &there, &found, err);
	if (rv != CKR_OK || !found || !sr_trust_row(&ledger->trust, &ours) || !sr_standing_same(&there, &ours))
		return rv;
	rv = sr_standing_seal(&ledger->place, &ours, err);
	if (rv == CKR_OK)
		rv = ops->standing_put(tx, &ours, err);
	if (rv == CKR_OK)
		sr_standing_kept(&ledger->trust, &ledger->place, &ours);
	return rv;
}

CK_RV sr_ledger_seal(struct sr_ledger *ledger, struct sr_error *err)
{
	struct sr_store *store = ledger->place.store;
	struct sr_now now;
	struct sr_tx *tx;
	CK_RV rv = CKR_OK;
	sr_clock_now(&now);
	if (ledger->standing.head.seq > ledger->signed_seq)
		rv = sign(ledger, &now, err);
	if (rv != CKR_OK || !ledger->waiting)
		return rv;
	rv = store->ops->begin_write(store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_ledger_stage(ledger, tx, err);
	if (rv == CKR_OK && ledger->once)
		rv = seal_twice(ledger, tx, err);
	if (rv == CKR_OK)
		rv = store->ops->commit(tx, err);
	else
		store->ops->rollback(tx);
	if (rv == CKR_OK)
		sr_ledger_staged(ledger);
	if (rv == CKR_OK)
		ledger->once = false;
	if (rv == CKR_OK)
		ledger->synced = ledger->standing.head;
	return rv;
}

/* Before the HSM's witness is replaced it is asked: a history that it does not know must not take its place. */
static CK_RV ask_anchor(struct sr_ledger *ledger, struct sr_error *err)
{
	const struct sr_place *place = &ledger->place;
	struct sr_standing_row row;
	struct sr_witness anchor;
	int64_t wall_ms;
	struct sr_tx *tx;
	CK_RV rv = sr_witness_anchor(place, &anchor, &wall_ms, err);
	if (rv == CKR_OK)
		rv = place->store->ops->begin_read(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	/* Another process may have committed and anchored more than we know of. */
	rv = sr_standing_read(&ledger->trust, place, tx, &row, err);
	if (rv == CKR_OK)
		rv = sr_witness_check(place, tx, &row, UINT64_MAX, &anchor, err);
	place->store->ops->rollback(tx);
	return rv;
}

CK_RV sr_ledger_anchor(struct sr_ledger *ledger, bool always, struct sr_error *err)
{
	const struct sr_place *place = &ledger->place;
	struct sr_anchor *known = &ledger->standing.anchor;
	struct sr_now now;
	sr_clock_now(&now);
	int64_t age = now.wall_ms - known->wall_ms;
	int64_t bearable = ledger->changed ? SR_ANCHOR_CHANGE_MS : SR_ANCHOR_MS;
	bool stale = age >= bearable || age <= -bearable; /* a clock set back must not put renewals off */
	if (ledger->synced.seq <= known->head.seq || (!always && !stale && !ledger->anchor_owed))
		return CKR_OK;
	struct sr_anchor anchor = { .head = ledger->synced, .wall_ms = now.wall_ms };
	anchor.head.epoch = place->epoch;
	CK_RV rv = ask_anchor(ledger, err);
	if (rv != CKR_OK && (err->reason == SR_REASON_CHAIN_BROKEN || err->reason == SR_REASON_ROLLED_BACK))
		ledger->broken = *err;
	if (rv == CKR_OK)
		rv = sr_anchor_write(place->hsm, place->vault_id, place->chain_id, &anchor, err);
	ledger->anchor_owed = rv != CKR_OK;
	if (rv != CKR_OK)
		return rv;
	*known = anchor;
	ledger->changed = false;
	return CKR_OK;
}
