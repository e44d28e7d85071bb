/* One pass over the records, one over the checkpoints, then the two witnesses outside the database. */
#include "audit/verify.h"

#include "audit/check.h"
#include "audit/standing.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verifying {
	struct sr_place place;
	struct sr_tx *tx;
	struct sr_witness witnesses[2];
	struct sr_audit_keys keys;
	size_t generation; /* how many of them there are; 0: they are broken */
	struct sr_base base;
	uint64_t scan_bad; /* what the pass over the records named */
	struct sr_verdict *verdict;
	CK_RV rv; /* of a look-up inside a callback */
	struct sr_error *err;
};

/* Of several findings the first record's is told; one that names no record (0) only where none does. */
__attribute__((format(printf, 3, 4))) static void report(
	struct sr_verdict *verdict, uint64_t record, const char *format, ...)
{
	if (!verdict->ok && (record == 0 || (verdict->first_bad != 0 && verdict->first_bad <= record)))
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(verdict->detail, sizeof verdict->detail, format, args);
	va_end(args);
	verdict->ok = false;
	verdict->first_bad = record;
}

/* A broken witness or key is something found, not a reason not to look. */
static CK_RV found_broken(struct sr_verdict *verdict, CK_RV rv, struct sr_error *err)
{
	if (rv != CKR_DEVICE_ERROR || err->reason != SR_REASON_CHAIN_BROKEN)
		return rv;
	report(verdict, 0, "%s", err->text);
	sr_error_clear(err);
	return CKR_OK;
}

static CK_RV ask_witnesses(struct verifying *verifying)
{
	struct sr_witness *heads = &verifying->witnesses[0], *anchor = &verifying->witnesses[1];
	struct sr_verdict *verdict = verifying->verdict;
	int64_t wall_ms;
	CK_RV rv = sr_witness_heads(&verifying->place, heads, verifying->err);
	if (rv == CKR_OK && !heads->found)
		report(verdict, 0, "the heads file is missing or empty: it cannot vouch for the newest records");
	rv = found_broken(verdict, rv, verifying->err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_witness_anchor(&verifying->place, anchor, &wall_ms, verifying->err);
	if (rv == CKR_OK && !anchor->found)
		report(verdict, 0, "the HSM holds no anchor of this vault");
	return found_broken(verdict, rv, verifying->err);
}

/* Where the chain begins. What does not bear that out is told before any record, and none is looked at. A standing that
 * does not hold is told of later: then the chain begins at its start. */
static CK_RV find_base(struct verifying *verifying)
{
	struct sr_trust trust = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sr_verdict *verdict = verifying->verdict;
	struct sr_error why = SR_ERROR_INIT;
	struct sr_standing_row row;
	if (!sr_chain_start(verifying->place.chain_id, &verifying->base.head))
		return sr_fail(verifying->err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the chain cannot be hashed");
	CK_RV rv = sr_standing_read(&trust, &verifying->place, verifying->tx, &row, &why);
	if (rv != CKR_OK && why.reason == SR_REASON_CHAIN_BROKEN)
		return CKR_OK;
	if (rv == CKR_OK)
		rv = sr_place_base(&verifying->place, verifying->tx, &row, &verifying->base, &why);
	verdict->base = verdict->sealed = verifying->base.head.seq;
	verdict->pruned_by = verifying->base.event_id;
	if (rv == CKR_OK)
		return rv;
	if (why.reason != SR_REASON_CHAIN_BROKEN)
		return sr_fail(verifying->err, rv, why.reason, "%s", why.text);
	report(verdict, 1, "%s", why.text);
	verifying->scan_bad = 1;
	return CKR_OK;
}

static CK_RV scan_records(struct verifying *verifying)
{
	struct sr_scan scan = { .head = verifying->base.head };
	if (verifying->scan_bad)
		return CKR_OK;
	CK_RV rv = sr_scan_run(&verifying->place, verifying->tx, &scan, verifying->err);
	verifying->scan_bad = scan.bad;
	if (rv == CKR_OK && scan.bad)
		report(verifying->verdict, scan.bad, "%s", scan.finding);
	return rv;
}

/* Whether the database's head after SEQ is HASH; records from the first bad one on are not looked at. */
static CK_RV head_is(struct verifying *verifying, uint64_t seq, const uint8_t hash[SR_HASH_LEN], bool *same)
{
	struct sr_head stored;
	bool found;
	CK_RV rv =
		sr_head_kept(&verifying->place, verifying->tx, &verifying->base, seq, &stored, &found, verifying->err);
	*same = rv == CKR_OK && found && memcmp(stored.hash, hash, SR_HASH_LEN) == 0;
	return rv;
}

static void report_cut(struct sr_verdict *verdict, const char *who, uint64_t seq)
{
	report(verdict, verdict->records + 1, "the end was cut off after record %" PRIu64 ", %s knows record %" PRIu64,
		verdict->records, who, seq);
}

static bool check_one(const struct sr_checkpoint_row *row, void *ctx)
{
	struct verifying *verifying = ctx;
	struct sr_verdict *verdict = verifying->verdict;
	bool same;
	if (verifying->scan_bad && row->seq >= verifying->scan_bad)
		return false;
	if (row->seq < verifying->base.head.seq)
		return true; /* left over */
	if (!sr_audit_keys_fit(&verifying->keys, verifying->place.chain_id, row)) {
		report(verdict, row->seq, "the checkpoint over record %" PRIu64 " is not signed by the audit key",
			row->seq);
		return false;
	}
	if (row->seq > verdict->records) {
		report_cut(verdict, "a checkpoint", row->seq);
		return false;
	}
	verifying->rv = head_is(verifying, row->seq, row->head, &same);
	if (verifying->rv != CKR_OK)
		return false;
	if (!same) {
		report(verdict, verdict->sealed + 1,
			"records %" PRIu64 " to %" PRIu64 " are not those that were sealed: the chain was recomputed",
			verdict->sealed + 1, row->seq);
		return false;
	}
	verdict->checkpoints++;
	verdict->sealed = row->seq;
	return true;
}

static CK_RV check_checkpoints(struct verifying *verifying)
{
	const struct sr_place *place = &verifying->place;
	CK_RV rv = sr_audit_keys_load(
		place->store, verifying->tx, place->hsm, place->chain_id, &verifying->keys, verifying->err);
	if (rv != CKR_OK)
		return found_broken(verifying->verdict, rv, verifying->err);
	verifying->generation = verifying->keys.count;
	rv = place->store->ops->checkpoint_list(verifying->tx, check_one, verifying, verifying->err);
	sr_audit_keys_clear(&verifying->keys);
	return rv == CKR_OK ? verifying->rv : rv;
}

static CK_RV check_witness(struct verifying *verifying, const struct sr_witness *witness)
{
	struct sr_verdict *verdict = verifying->verdict;
	uint64_t seq = witness->head.seq;
	bool same;
	bool removed = witness->head.epoch == verifying->place.epoch && seq < verifying->base.head.seq;
	if (!witness->found || removed || (verifying->scan_bad && seq >= verifying->scan_bad))
		return CKR_OK;
	if (witness->head.epoch != verifying->place.epoch) {
		report(verdict, 0, "%s knows epoch %" PRIu64 ", the database is of epoch %" PRIu64, witness->name,
			witness->head.epoch, verifying->place.epoch);
		return CKR_OK;
	}
	if (seq > verdict->records) {
		report_cut(verdict, witness->name, seq);
		return CKR_OK;
	}
	CK_RV rv = head_is(verifying, seq, witness->head.hash, &same);
	if (rv == CKR_OK && !same)
		report(verdict, verdict->sealed < seq ? verdict->sealed + 1 : seq,
			"%s knows another record %" PRIu64 " than the database: the chain was recomputed",
			witness->name, seq);
	return rv;
}

/* What the HSM vouches for, against where the records end. */
static CK_RV check_standing(struct verifying *verifying)
{
	struct sr_trust trust = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sr_verdict *verdict = verifying->verdict;
	struct sr_standing_row row;
	bool same;
	CK_RV rv = sr_standing_read(&trust, &verifying->place, verifying->tx, &row, verifying->err);
	if (rv != CKR_OK)
		return found_broken(verdict, rv, verifying->err);
	if (verifying->generation && row.generation != verifying->generation)
		report(verdict, 0, "the database says another generation of the HSM's keys than it stands under");
	if (verifying->scan_bad && row.head.seq >= verifying->scan_bad)
		return CKR_OK;
	if (row.head.seq > verdict->records) {
		report_cut(verdict, "the vault's standing", row.head.seq);
		return CKR_OK;
	}
	rv = head_is(verifying, row.head.seq, row.head.hash, &same);
	if (rv == CKR_OK && (!same || row.head.seq < verdict->records))
		report(verdict, same ? row.head.seq + 1 : row.head.seq,
			"the HSM vouches for other records up to %" PRIu64 ": some were not written by Strongroom",
			row.head.seq);
	return rv;
}

static CK_RV verify_in(struct verifying *verifying)
{
	struct sr_head head;
	int64_t newest_ms;
	CK_RV rv = verifying->place.store->ops->event_head(verifying->tx, &head, &newest_ms, verifying->err);
	if (rv != CKR_OK)
		return rv;
	verifying->verdict->records = head.seq;
	rv = find_base(verifying);
	if (rv == CKR_OK)
		rv = scan_records(verifying);
	if (rv == CKR_OK)
		rv = check_checkpoints(verifying);
	for (size_t i = 0; rv == CKR_OK && i < 2; i++)
		rv = check_witness(verifying, &verifying->witnesses[i]);
	if (rv == CKR_OK)
		rv = check_standing(verifying);
	verifying->verdict->tail = head.seq - verifying->verdict->sealed;
	return rv;
}

static CK_RV verify_once(const struct sr_writer_config *config, struct sr_verdict *verdict, struct sr_error *err)
{
	struct sr_error own = SR_ERROR_INIT;
	struct verifying verifying = { .verdict = verdict, .err = err ? err : &own };
	*verdict = (struct sr_verdict){ .ok = true };
	CK_RV rv = sr_place_find(config, &verifying.place, verifying.err);
	if (rv == CKR_OK)
		rv = ask_witnesses(&verifying);
	if (rv == CKR_OK)
		rv = config->store->ops->begin_read(config->store, &verifying.tx, verifying.err);
	if (rv != CKR_OK)
		return rv;
	rv = verify_in(&verifying);
	config->store->ops->rollback(verifying.tx);
	return rv;
}

/* What is read while another generation of keys begins is of the one before. */
CK_RV sr_audit_verify(const struct sr_writer_config *config, struct sr_verdict *verdict, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 3; tries++) {
		unsigned generation = sr_hsm_generation(config->hsm);
		rv = verify_once(config, verdict, err);
		if (rv != CKR_OK || verdict->ok || generation == sr_hsm_generation(config->hsm))
			break;
	}
	return rv;
}
