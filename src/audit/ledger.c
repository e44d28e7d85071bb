/* The transaction of a batch. */
#include "audit/ledger.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The transaction as far as it has come. LAZY: begun so. FIRM: something in it must outlive a power failure. */
struct running {
	struct sr_store *store;
	struct sr_tx *tx;
	struct sr_now now;
	struct sr_standing_row stands;
	bool lazy, firm;
};

#define TEXT(field)                                                                   \
	{                                                                             \
		offsetof(struct sr_event, field), sizeof((struct sr_event *)0)->field \
	}

static const struct {
	size_t offset, size;
} texts[] = {
	TEXT(actor_type),
	TEXT(actor_id),
	TEXT(token_id),
	TEXT(ip),
	TEXT(peer),
	TEXT(function),
	TEXT(rv),
	TEXT(reason),
	TEXT(path),
	TEXT(tier),
	TEXT(subject),
	TEXT(metadata),
};

#undef TEXT

/* A text that the store would not take back must not get into the chain, where it could never be mended. */
static bool blank_bad_texts(struct sr_event *event)
{
	bool good = true;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *text = (char *)event + texts[i].offset;
		size_t len = strnlen(text, texts[i].size);
		if (len < texts[i].size && sr_text_utf8(text, len))
			continue;
		text[0] = '\0';
		good = false;
	}
	return good;
}

enum sr_status sr_refusal_status(CK_RV rv)
{
	bool ours = rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_MEMORY || rv == CKR_DEVICE_REMOVED ||
		    rv == CKR_HOST_MEMORY || rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED ||
		    rv == CKR_ENCRYPTED_DATA_INVALID;
	return ours ? SR_STATUS_ERROR : SR_STATUS_DENIED;
}

/* Time does not run back in the chain, but where an admin has accepted the clock. */
static int64_t time_of(const struct running *running, const struct sr_event *event)
{
	bool wall = sr_event_sets_clock(event) || running->now.wall_ms > running->stands.newest_ms;
	return wall ? running->now.wall_ms : running->stands.newest_ms;
}

static CK_RV append(struct running *running, struct sr_event *event, struct sr_error *err)
{
	struct sr_head head = running->stands.head;
	event->id = head.seq + 1;
	event->timestamp_ms = time_of(running, event);
	if (!sr_chain_next(&head, event))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED, "the record cannot be hashed");
	CK_RV rv = running->store->ops->event_put(running->tx, event, head.hash, err);
	if (rv != CKR_OK)
		return rv;
	running->stands.head = head;
	running->stands.newest_ms = event->timestamp_ms;
	return CKR_OK;
}

/* The job's code in ENTRY; the answer is the transaction's. */
static CK_RV run_job(
	const struct sr_ledger *ledger, struct running *running, struct sr_entry *entry, struct sr_error *err)
{
	struct sr_job *job = entry->job;
	struct sr_moment moment = { .tx = running->tx,
		.now = running->now,
		.not_before_ms = running->stands.newest_ms,
		.event_id = running->stands.head.seq + 1,
		.chain_id = ledger->place.chain_id,
		.proven = ledger->proven,
		.generation = running->stands.generation };
	memcpy(moment.root, running->stands.root, sizeof moment.root);
	const struct sr_store_ops *ops = running->store->ops;
	entry->rv = job->refuse;
	if (job->refuse == CKR_OK && job->run) {
		CK_RV rv = ops->mark(running->tx, err);
		if (rv != CKR_OK)
			return rv;
		entry->rv = job->run(&moment, job->arg, entry->err);
	}
	if (!blank_bad_texts(job->event) && entry->rv == CKR_OK)
		entry->rv = sr_fail(entry->err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
			"refused: a text of its audit record is not UTF-8 or has control characters");
	if (job->refuse != CKR_OK || !job->run)
		return CKR_OK;
	if (entry->rv != CKR_OK)
		return ops->undo(running->tx, err);
	running->firm = running->firm || memcmp(running->stands.root, moment.root, sizeof moment.root) != 0;
	memcpy(running->stands.root, moment.root, sizeof moment.root);
	running->stands.generation = moment.generation;
	return ops->keep(running->tx, err);
}

static void note_outcome(const struct sr_entry *entry, uint64_t version)
{
	struct sr_event *event = entry->job->event;
	CK_ULONG reason = entry->job->audit_reason ? entry->job->audit_reason : entry->err->reason;
	bool allowed = entry->rv == CKR_OK;
	event->status = allowed ? SR_STATUS_ALLOWED : sr_refusal_status(entry->rv);
	snprintf(event->rv, sizeof event->rv, "%s", sr_rv_name(entry->rv));
	snprintf(event->reason, sizeof event->reason, "%s", allowed ? "" : sr_reason_name(reason));
	if (allowed)
		return;
	event->version = version;
	event->subject[0] = '\0';
	event->counted = false;
}

static CK_RV run_entry(
	const struct sr_ledger *ledger, struct running *running, struct sr_entry *entry, struct sr_error *err)
{
	if (!entry->job)
		return CKR_OK;
	uint64_t version = entry->job->event->version; /* what a job that is undone found or made does not count */
	CK_RV rv = run_job(ledger, running, entry, err);
	if (rv != CKR_OK)
		return rv;
	running->firm = running->firm || entry->rv != CKR_OK || !entry->job->lazy;
	note_outcome(entry, version);
	if (entry->job->mute && entry->job->event->status == SR_STATUS_DENIED)
		return CKR_OK;
	return append(running, entry->job->event, err);
}

/* Within a boot the wall clock and the boot clock move together, but for whoever sets the wall clock. A process that
 * has no reading of this boot yet sees at least a clock that stands before the newest record. */
static int64_t clock_jump(const struct sr_now *then, const struct running *running)
{
	const struct sr_now *now = &running->now;
	if (then->boot_id[0] && strcmp(then->boot_id, now->boot_id) == 0)
		return (now->wall_ms - now->boot_ms) - (then->wall_ms - then->boot_ms);
	return now->wall_ms < running->stands.newest_ms ? now->wall_ms - running->stands.newest_ms : 0;
}

static CK_RV note_clock(const struct sr_ledger *ledger, struct running *running, struct sr_error *err)
{
	int64_t jump = clock_jump(&ledger->clock, running);
	if (jump <= SR_JUMP_MS && jump >= -SR_JUMP_MS)
		return CKR_OK;
	struct sr_event event = { .kind = SR_EVENT_VAULT_CLOCK, .status = SR_STATUS_ALLOWED, .actor_type = "system" };
	snprintf(event.rv, sizeof event.rv, "%s", sr_rv_name(CKR_OK));
	running->firm = true;
	snprintf(event.metadata, sizeof event.metadata, "{\"jump_s\":%" PRId64 "}", jump / 1000);
	return append(running, &event, err);
}

/* What the database has after the record that this process knows as KNOWN. Where another process has removed it, what
 * is known is all that there is to say. */
static CK_RV seen_head(const struct sr_ledger *ledger, struct sr_tx *tx, const struct sr_standing_row *row,
	const struct sr_head *known, struct sr_head *then, struct sr_error *err)
{
	const struct sr_place *place = &ledger->place;
	struct sr_base base;
	bool found;
	CK_RV rv = sr_head_stored(place, tx, known->seq, then, &found, err);
	if (rv != CKR_OK || found)
		return rv;
	rv = sr_place_base(place, tx, row, &base, err);
	if (rv == CKR_OK && known->seq <= base.head.seq)
		*then = known->seq == base.head.seq ? base.head : *known;
	return rv;
}

CK_RV sr_ledger_continues(struct sr_ledger *ledger, struct sr_tx *tx, struct sr_standing_row *row, struct sr_error *err)
{
	/* What was only looked at counts as seen. */
	struct sr_head then, seen = sr_trust_head(&ledger->trust);
	const struct sr_head *known = seen.seq > ledger->standing.head.seq ? &seen : &ledger->standing.head;
	CK_RV rv = sr_standing_read(&ledger->trust, &ledger->place, tx, row, err);
	if (rv == CKR_OK)
		rv = sr_standing_fits(&ledger->place, tx, row, err);
	if (rv != CKR_OK)
		return rv;
	if (row->head.seq < known->seq)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROLLED_BACK,
			"the database ends at record %" PRIu64 ", this process has seen record %" PRIu64
			": an older copy was put back; restore the right one",
			row->head.seq, known->seq);
	then = row->head;
	if (row->head.seq > known->seq)
		rv = seen_head(ledger, tx, row, known, &then, err);
	if (rv != CKR_OK)
		return rv;
	if (memcmp(then.hash, known->hash, sizeof then.hash) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the database has another record %" PRIu64
			" than this process has seen: its history was rewritten; restore the right one",
			known->seq);
	return CKR_OK;
}

/* The heads file is written behind each durable commit, by whichever process: with the writer's place taken it never is
 * ahead of a database that nobody put back, and never on another history. A lazy commit asks once a second: what it
 * could learn is that another process has seen more than this database has, and the next durable one learns it too.
 * Where there is no other process, so does every commit. */
static CK_RV ask_heads(struct sr_ledger *ledger, const struct running *running, struct sr_error *err)
{
	struct sr_witness heads;
	int64_t since_ms = running->now.boot_ms - ledger->asked_boot_ms;
	if ((running->lazy || ledger->alone) && since_ms >= 0 && since_ms < SR_SEAL_MS)
		return CKR_OK;
	CK_RV rv = sr_witness_heads(&ledger->place, &heads, err);
	if (rv != CKR_OK)
		return rv;
	if (!heads.found && ledger->heads_known)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the heads file %.120s was taken away or emptied under a running process; put it back",
			ledger->place.heads_path);
	rv = sr_witness_check(&ledger->place, running->tx, &running->stands, running->stands.head.seq, &heads, err);
	if (rv == CKR_OK)
		ledger->asked_boot_ms = running->now.boot_ms;
	return rv;
}

/* The indexes of queries are brought up in batches: one commit in 1,000 pays for all. After an upgrade from a schema
 * without them each commit does a batch until they have caught up; queries scan what they lack meanwhile. */
static CK_RV index_due(struct sr_ledger *ledger, const struct running *running, struct sr_error *err)
{
	uint64_t last = running->stands.head.seq;
	if (last - ledger->indexed < SR_INDEX_RECORDS)
		return CKR_OK;
	CK_RV rv = running->store->ops->event_indexed(running->tx, &ledger->indexed, err);
	if (rv != CKR_OK || last < ledger->indexed || last - ledger->indexed < SR_INDEX_RECORDS)
		return rv;
	if (last - ledger->indexed > 2 * SR_INDEX_RECORDS)
		last = ledger->indexed + 2 * SR_INDEX_RECORDS;
	return running->store->ops->event_index(running->tx, last, err);
}

static bool lags(const struct running *running)
{
	return running->lazy && !running->firm;
}

static CK_RV run_all(struct sr_ledger *ledger, struct running *running, struct sr_entry *const *entries, size_t count,
	struct sr_error *err)
{
	CK_RV rv = ledger->broken.rv != CKR_OK
			   ? sr_fail(err, ledger->broken.rv, ledger->broken.reason, "%s", ledger->broken.text)
			   : sr_ledger_continues(ledger, running->tx, &running->stands, err);
	sr_clock_now(&running->now);
	if (rv == CKR_OK)
		rv = ask_heads(ledger, running, err);
	if (rv == CKR_OK)
		rv = sr_ledger_stage(ledger, running->tx, err);
	if (rv == CKR_OK)
		rv = note_clock(ledger, running, err);
	for (size_t i = 0; rv == CKR_OK && i < count; i++)
		rv = run_entry(ledger, running, entries[i], err);
	if (rv == CKR_OK)
		rv = index_due(ledger, running, err);
	if (rv == CKR_OK)
		rv = (lags(running) ? sr_standing_seal_once : sr_standing_seal)(&ledger->place, &running->stands, err);
	return rv == CKR_OK ? running->store->ops->standing_put(running->tx, &running->stands, err) : rv;
}

static CK_RV refused(CK_RV rv, const struct sr_error *trouble, struct sr_error *err)
{
	if (rv == CKR_DEVICE_MEMORY)
		return sr_fail(err, rv, SR_REASON_STORE_FULL, "nothing was done: no room for the audit record: %.180s",
			trouble->text);
	if (trouble->reason == SR_REASON_ROLLED_BACK || trouble->reason == SR_REASON_CHAIN_BROKEN)
		return sr_fail(err, CKR_DEVICE_ERROR, trouble->reason, "%s", trouble->text);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED,
		"nothing was done: the audit record cannot be written: %.180s", trouble->text);
}

/* Whether the batch may begin lazily: every job says so, and none is known to be refused. A checkpoint on its way makes
 * it durable, so that what lags does so for a second or 1,000 records. */
static bool may_lag(const struct sr_ledger *ledger, struct sr_entry *const *entries, size_t count)
{
	bool lag = ledger->lazy && !ledger->waiting;
	for (size_t i = 0; lag && i < count; i++)
		lag = entries[i]->job && entries[i]->job->lazy && entries[i]->job->refuse == CKR_OK &&
		      !entries[i]->job->policy_change;
	return lag;
}

/* A durable commit takes what lags before it along. This one writes again what is there, whoever wrote it. */
static CK_RV harden(struct sr_ledger *ledger, struct sr_error *err)
{
	struct sr_store *store = ledger->place.store;
	struct sr_standing_row row;
	struct sr_tx *tx;
	bool found;
	CK_RV rv = store->ops->begin_write(store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = store->ops->standing_get(tx, &row, &found, err);
	if (rv == CKR_OK && found)
		rv = store->ops->standing_put(tx, &row, err);
	if (rv == CKR_OK)
		rv = store->ops->commit(tx, err);
	else
		store->ops->rollback(tx);
	if (rv == CKR_OK)
		ledger->synced = ledger->standing.head;
	return rv;
}

static void count_one(atomic_ulong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void tally_event(struct sr_tally *tally, const struct sr_event *event)
{
	count_one(&tally->records);
	if (event->status != SR_STATUS_ALLOWED)
		count_one(event->status == SR_STATUS_DENIED ? &tally->denied : &tally->error);
	else if (event->kind == SR_EVENT_SECRET_READ)
		count_one(&tally->values);
	else if (event->kind == SR_EVENT_KEY_USED)
		count_one(&tally->keys);
}

static void keep_outcome(
	struct sr_ledger *ledger, const struct running *running, struct sr_entry *const *entries, size_t count)
{
	sr_ledger_staged(ledger);
	sr_standing_kept(&ledger->trust, &ledger->place, &running->stands);
	for (size_t i = 0; i < count; i++) {
		const struct sr_event *event = entries[i]->job ? entries[i]->job->event : NULL;
		ledger->changed = ledger->changed || (event && (event->counted || event->subject[0]));
		if (event)
			tally_event(&ledger->tally, event);
	}
	count_one(&ledger->tally.commits);
	ledger->once = lags(running);
	ledger->standing.head = running->stands.head;
	ledger->standing.newest_ms = running->stands.newest_ms;
	ledger->clock = running->now;
}

CK_RV sr_ledger_commit(struct sr_ledger *ledger, struct sr_entry *const *entries, size_t count, struct sr_error *err)
{
	struct running running = { .store = ledger->place.store };
	const struct sr_store_ops *ops = running.store->ops;
	struct sr_error trouble = SR_ERROR_INIT;
	running.lazy = may_lag(ledger, entries, count);
	CK_RV rv = (running.lazy ? ops->begin_lazy : ops->begin_write)(running.store, &running.tx, &trouble);
	if (rv != CKR_OK)
		return refused(rv, &trouble, err);
	rv = run_all(ledger, &running, entries, count, &trouble);
	if (rv == CKR_OK)
		rv = ops->commit(running.tx, &trouble);
	else
		ops->rollback(running.tx);
	if (rv != CKR_OK)
		return refused(rv, &trouble, err);
	keep_outcome(ledger, &running, entries, count);
	if (!running.lazy)
		ledger->synced = ledger->standing.head;
	else if (running.firm)
		rv = harden(ledger, &trouble);
	return rv == CKR_OK ? rv : refused(rv, &trouble, err);
}
