/* The database, the heads file and the anchor, laid side by side. */
#include "audit/check.h"

#include "audit/heads.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

static CK_RV read_chain_id(struct sr_place *place, struct sr_tx *tx, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	CK_RV rv = place->store->ops->meta_get(tx, "chain-id", &text, err);
	if (rv == CKR_OK && (text.len == 0 || text.len >= sizeof place->chain_id || text.failed))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE,
			"the vault has no audit chain: its initialisation did not finish; remove it and run init "
			"again");
	if (rv == CKR_OK)
		memcpy(place->chain_id, text.data, text.len);
	sr_buf_clear(&text);
	return rv;
}

static CK_RV read_epoch(struct sr_place *place, struct sr_tx *tx, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	CK_RV rv = place->store->ops->meta_get(tx, SR_EPOCH_META, &text, err);
	if (rv == CKR_OK && text.len > 0 &&
		!sr_text_u64((const char *)text.data, text.len, SR_EPOCH_MAX, &place->epoch))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's epoch cannot be read; restore the right database");
	sr_buf_clear(&text);
	return rv;
}

CK_RV sr_place_find(const struct sr_writer_config *config, struct sr_place *place, struct sr_error *err)
{
	*place = (struct sr_place){ .store = config->store,
		.hsm = config->hsm,
		.vault_id = config->vault_id,
		.heads_path = config->heads_path };
	struct sr_tx *tx;
	CK_RV rv = place->store->ops->begin_read(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = read_chain_id(place, tx, err);
	if (rv == CKR_OK)
		rv = read_epoch(place, tx, err);
	place->store->ops->rollback(tx);
	return rv;
}

CK_RV sr_witness_heads(const struct sr_place *place, struct sr_witness *witness, struct sr_error *err)
{
	*witness = (struct sr_witness){ .name = "the heads file" };
	CK_RV rv = sr_heads_read(place->heads_path, place->chain_id, &witness->head, &witness->found, err);
	/* One of before the vault was restored knows what is not there any more, and vouches for nothing. */
	witness->found = witness->found && witness->head.epoch >= place->epoch;
	return rv;
}

CK_RV sr_witness_anchor(
	const struct sr_place *place, struct sr_witness *witness, int64_t *wall_ms, struct sr_error *err)
{
	struct sr_anchor anchor = { .wall_ms = 0 };
	*witness = (struct sr_witness){ .name = "the HSM's anchor" };
	CK_RV rv = sr_anchor_read(place->hsm, place->vault_id, place->chain_id, &anchor, &witness->found, err);
	witness->head = anchor.head;
	*wall_ms = anchor.wall_ms;
	return rv;
}

CK_RV sr_head_stored(const struct sr_place *place, struct sr_tx *tx, uint64_t seq, struct sr_head *head, bool *found,
	struct sr_error *err)
{
	struct sr_event event;
	*found = true;
	if (seq == 0)
		return sr_chain_start(place->chain_id, head)
			       ? CKR_OK
			       : sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the chain cannot be hashed");
	head->seq = seq;
	return place->store->ops->event_get(tx, seq, &event, head->hash, found, err);
}

CK_RV sr_head_kept(const struct sr_place *place, struct sr_tx *tx, const struct sr_base *base, uint64_t seq,
	struct sr_head *head, bool *found, struct sr_error *err)
{
	if (seq > base->head.seq)
		return sr_head_stored(place, tx, seq, head, found, err);
	*head = base->head;
	*found = seq == base->head.seq;
	return CKR_OK;
}

CK_RV sr_place_base(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *row,
	struct sr_base *base, struct sr_error *err)
{
	struct sr_moment at = { .tx = tx, .chain_id = place->chain_id };
	memcpy(at.root, row->root, sizeof at.root);
	return sr_base_get(place->store, place->hsm, &at, base, err);
}

static bool scan_bad(struct sr_scan *scan, uint64_t record)
{
	scan->bad = record;
	return false;
}

static bool scan_one(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct sr_scan *scan = ctx;
	uint64_t expected = scan->head.seq + 1;
	if (event->id == expected + 1)
		snprintf(scan->finding, sizeof scan->finding, "record %llu is missing", (unsigned long long)expected);
	else if (event->id != expected)
		snprintf(scan->finding, sizeof scan->finding, "records %llu to %llu are missing",
			(unsigned long long)expected, (unsigned long long)event->id - 1);
	if (event->id != expected)
		return scan_bad(scan, expected);
	const char *wrong = NULL;
	if (!sr_chain_next(&scan->head, event) || memcmp(scan->head.hash, hash, SR_HASH_LEN) != 0)
		wrong = "was changed";
	else if (event->timestamp_ms < scan->newest_ms && !sr_event_sets_clock(event))
		wrong = "is older than the one before it";
	scan->newest_ms = event->timestamp_ms;
	if (!wrong)
		return true;
	snprintf(scan->finding, sizeof scan->finding, "record %llu %s", (unsigned long long)expected, wrong);
	return scan_bad(scan, expected);
}

CK_RV sr_scan_run(const struct sr_place *place, struct sr_tx *tx, struct sr_scan *scan, struct sr_error *err)
{
	struct sr_event_query query = { .after = scan->head.seq, .before = scan->upto ? scan->upto + 1 : 0 };
	struct sr_error trouble = SR_ERROR_INIT;
	CK_RV rv = place->store->ops->event_query(tx, &query, scan_one, scan, &trouble);
	if (rv != CKR_OK && trouble.reason == SR_REASON_VAULT_CORRUPT) {
		unsigned long long record = scan->head.seq + 1;
		snprintf(scan->finding, sizeof scan->finding, "record %llu was changed: %.160s", record, trouble.text);
		scan_bad(scan, record);
		return CKR_OK;
	}
	return rv == CKR_OK ? CKR_OK : sr_fail(err, rv, trouble.reason, "%s", trouble.text);
}

/* Of a vault and one that was restored from its backup only the latter goes on. */
static CK_RV check_epoch(const struct sr_place *place, const struct sr_witness *witness, struct sr_error *err)
{
	unsigned long long theirs = witness->head.epoch, ours = place->epoch;
	if (theirs == ours)
		return CKR_OK;
	if (theirs > ours)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROLLED_BACK,
			"the vault was restored from a backup (%s knows epoch %llu, this database is of epoch %llu): "
			"use the restored one",
			witness->name, theirs, ours);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the database says that it was restored (epoch %llu), and %s knows epoch %llu; restore the right one",
		ours, witness->name, theirs);
}

/* A record that is not there: removed for its age, or taken. */
static CK_RV find_removed(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *stands,
	const struct sr_witness *witness, struct sr_head *stored, bool *found, struct sr_error *err)
{
	struct sr_base base = { .event_id = 0 };
	CK_RV rv = stands ? sr_place_base(place, tx, stands, &base, err) : CKR_OK;
	*stored = witness->head.seq < base.head.seq ? witness->head : base.head;
	*found = rv == CKR_OK && witness->head.seq <= base.head.seq;
	return rv;
}

CK_RV sr_witness_check(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *stands,
	uint64_t end, const struct sr_witness *witness, struct sr_error *err)
{
	struct sr_head stored;
	bool found;
	unsigned long long seq = witness->head.seq;
	if (!witness->found)
		return CKR_OK;
	CK_RV rv = check_epoch(place, witness, err);
	if (rv != CKR_OK)
		return rv;
	if (seq > end)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROLLED_BACK,
			"the database ends at record %llu, %s knows record %llu: an older copy was put back, or its "
			"end cut "
			"off; restore the right one",
			(unsigned long long)end, witness->name, seq);
	rv = sr_head_stored(place, tx, seq, &stored, &found, err);
	if (rv == CKR_OK && !found)
		rv = find_removed(place, tx, stands, witness, &stored, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || memcmp(stored.hash, witness->head.hash, sizeof stored.hash) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"%s knows another record %llu than the database: its history was rewritten; restore the right "
			"one",
			witness->name, seq);
	return CKR_OK;
}

/* HEAD becomes the checkpoint's, where there is one that holds. */
static CK_RV check_checkpoint(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *stands,
	struct sr_standing *standing, struct sr_head *head, struct sr_error *err)
{
	struct sr_checkpoint_row last;
	struct sr_audit_keys keys;
	bool found;
	CK_RV rv = place->store->ops->checkpoint_last(tx, &last, &found, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_audit_keys_load(place->store, tx, place->hsm, place->chain_id, &keys, err);
	if (rv != CKR_OK)
		return rv;
	bool fits = !found || sr_audit_keys_fit(&keys, place->chain_id, &last);
	standing->generation = (unsigned)keys.count;
	sr_audit_keys_clear(&keys);
	if (!fits)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the checkpoint over record %llu is not signed by the HSM's audit key; restore the right "
			"database",
			(unsigned long long)last.seq);
	if (!found)
		return sr_head_stored(place, tx, 0, head, &found, err);
	struct sr_witness witness = { .name = "the last checkpoint", .found = true, .head = { .seq = last.seq } };
	memcpy(witness.head.hash, last.head, sizeof witness.head.hash);
	witness.head.epoch = place->epoch;
	*head = witness.head;
	return sr_witness_check(place, tx, stands, standing->head.seq, &witness, err);
}

static CK_RV check_tail(const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *stands,
	struct sr_standing *standing, struct sr_error *err)
{
	struct sr_scan scan = { .bad = 0 };
	CK_RV rv = check_checkpoint(place, tx, stands, standing, &scan.head, err);
	if (rv != CKR_OK)
		return rv;
	standing->sealed = scan.head.seq;
	rv = sr_scan_run(place, tx, &scan, err);
	if (rv == CKR_OK && scan.bad)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the audit chain is broken: %.160s; restore the right database", scan.finding);
	return rv;
}

static CK_RV refuse_generation(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the database says another generation of the HSM's keys than it stands under; restore the right one");
}

/* What the database says of itself counts from here on by what the HSM vouches for alone. */
static CK_RV check_standing(const struct sr_place *place, struct sr_trust *trust, struct sr_tx *tx,
	struct sr_standing *standing, struct sr_error *err)
{
	struct sr_standing_row row;
	CK_RV rv = sr_standing_read(trust, place, tx, &row, err);
	if (rv == CKR_OK)
		rv = sr_standing_fits(place, tx, &row, err);
	standing->newest_ms = row.newest_ms;
	return rv == CKR_OK && row.generation != standing->generation ? refuse_generation(err) : rv;
}

/* Where the chain begins is known by the standing. One that does not hold is told of last, and until then no record
 * counts as removed. */
static CK_RV look_base(const struct sr_place *place, struct sr_trust *trust, struct sr_tx *tx,
	struct sr_standing_row *row, bool *stands, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	struct sr_base base;
	CK_RV rv = sr_standing_read(trust, place, tx, row, &why);
	*stands = rv == CKR_OK;
	if (rv == CKR_OK)
		return sr_place_base(place, tx, row, &base, err);
	return why.reason == SR_REASON_CHAIN_BROKEN ? CKR_OK : sr_fail(err, rv, why.reason, "%s", why.text);
}

static CK_RV look_in(const struct sr_place *place, struct sr_trust *trust, struct sr_tx *tx,
	const struct sr_witness witnesses[2], struct sr_standing *standing, struct sr_error *err)
{
	struct sr_standing_row row;
	bool stands = false;
	CK_RV rv = place->store->ops->event_head(tx, &standing->head, &standing->newest_ms, err);
	if (rv == CKR_OK && standing->head.seq == 0 && !sr_chain_start(place->chain_id, &standing->head))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "the chain cannot be hashed");
	if (rv == CKR_OK)
		rv = look_base(place, trust, tx, &row, &stands, err);
	const struct sr_standing_row *confirmed = stands ? &row : NULL;
	for (size_t i = 0; rv == CKR_OK && i < 2; i++)
		rv = sr_witness_check(place, tx, confirmed, standing->head.seq, &witnesses[i], err);
	if (rv == CKR_OK)
		rv = check_tail(place, tx, confirmed, standing, err);
	return rv == CKR_OK ? check_standing(place, trust, tx, standing, err) : rv;
}

CK_RV sr_audit_look(
	const struct sr_place *place, struct sr_trust *trust, struct sr_standing *standing, struct sr_error *err)
{
	struct sr_witness witnesses[2];
	struct sr_tx *tx;
	CK_RV rv = sr_witness_heads(place, &witnesses[0], err);
	if (rv == CKR_OK)
		rv = sr_witness_anchor(place, &witnesses[1], &standing->anchor.wall_ms, err);
	if (rv != CKR_OK)
		return rv;
	if (!witnesses[1].found)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the HSM holds no anchor of this vault; open it with the HSM token that it was made with");
	standing->anchor.head = witnesses[1].head;
	rv = place->store->ops->begin_read(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = look_in(place, trust, tx, witnesses, standing, err);
	place->store->ops->rollback(tx);
	return rv;
}

CK_RV sr_audit_look_inside(
	const struct sr_place *place, struct sr_trust *trust, struct sr_standing *standing, struct sr_error *err)
{
	const struct sr_witness nobody[2] = { { .found = false }, { .found = false } };
	struct sr_tx *tx;
	CK_RV rv = place->store->ops->begin_read(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = look_in(place, trust, tx, nobody, standing, err);
	place->store->ops->rollback(tx);
	return rv;
}
