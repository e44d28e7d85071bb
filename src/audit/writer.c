/* The queue before the ledger: whoever finds no leader leads, takes what is queued as one batch, and hands on.
 *
 * No thread of our own: a guest process may not allow one. Each caller waits on a semaphore of its own, so that a
 * commit wakes those whom it concerns and nobody else, and they do not meet again at a lock. */
#include "audit/writer.h"

#include "audit/ledger.h"
#include "audit/proven.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* A caller inside sr_writer_run or sr_writer_seal, on its own stack. WAKE is posted once, when it is DONE or is to
 * lead, and is the last that anybody touches of it. */
struct waiting {
	struct sr_entry entry;
	sem_t wake;
	bool done;
	struct waiting *next;
};

struct sr_writer {
	pthread_mutex_t lock; /* of all but LEDGER */
	struct waiting *first, **last;
	bool led; /* somebody leads, or was told to; FIRST is NULL otherwise */
	struct sr_error trouble;
	struct sr_ledger ledger; /* the leader's */
	char *vault_id, *heads_path;
	struct sr_sinks *sinks; /* the leader's, but for their state */
};

struct batch {
	struct waiting *waiting[SR_BATCH_MAX]; /* the leader's own first */
	struct sr_entry *entries[SR_BATCH_MAX];
	size_t count;
	bool any_job, policy_change, seal;
};

static void take_batch(struct sr_writer *writer, struct batch *batch)
{
	while (writer->first && batch->count < SR_BATCH_MAX) {
		struct waiting *waiting = writer->first;
		const struct sr_job *job = waiting->entry.job;
		writer->first = waiting->next;
		batch->waiting[batch->count] = waiting;
		batch->entries[batch->count++] = &waiting->entry;
		batch->any_job = batch->any_job || job;
		batch->seal = batch->seal || !job;
		batch->policy_change = batch->policy_change || (job && job->policy_change);
	}
	if (!writer->first)
		writer->last = &writer->first;
}

/* What failed behind a commit is no reason to undo it: it is owed, and the first such trouble is remembered. */
static void owe(struct sr_error *trouble, CK_RV rv, const struct sr_error *why)
{
	if (rv != CKR_OK && trouble->rv == CKR_OK)
		*trouble = *why;
}

static void answer_seals(const struct batch *batch, CK_RV rv, const struct sr_error *why)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->entries[i]->job)
			continue;
		batch->entries[i]->rv = rv;
		if (rv != CKR_OK)
			*batch->entries[i]->err = *why;
	}
}

/* What has to be there before anybody of the batch is answered. */
static void follow_commit(struct sr_ledger *ledger, const struct batch *batch, struct sr_error *trouble)
{
	struct sr_error why = SR_ERROR_INIT;
	if (batch->any_job)
		owe(trouble, sr_ledger_heads(ledger, &why), &why);
	if (batch->policy_change || batch->seal) {
		CK_RV rv = batch->seal ? sr_ledger_refresh(ledger, &why) : CKR_OK;
		if (rv == CKR_OK)
			rv = sr_ledger_seal(ledger, &why);
		if (rv == CKR_OK && batch->seal)
			rv = sr_ledger_heads(ledger, &why); /* what lagged does not any more */
		owe(trouble, rv, &why);
		answer_seals(batch, rv, &why);
	}
	if (batch->policy_change)
		owe(trouble, sr_ledger_anchor(ledger, true, &why), &why);
}

/* What may keep the leader, but nobody else. */
static void keep_up(struct sr_ledger *ledger, struct sr_error *trouble)
{
	struct sr_error why = SR_ERROR_INIT;
	owe(trouble, sr_ledger_seal_due(ledger, &why), &why);
	owe(trouble, sr_ledger_anchor(ledger, false, &why), &why);
}

/* No record that a power failure could take yet: what is told is not taken back. */
static void tell_sinks(struct sr_writer *writer)
{
	sr_sinks_push(writer->sinks, writer->ledger.place.store, writer->ledger.synced.seq);
}

static void fail_all(const struct batch *batch, CK_RV rv, const struct sr_error *why)
{
	for (size_t i = 0; i < batch->count; i++) {
		batch->entries[i]->rv = rv;
		*batch->entries[i]->err = *why;
	}
}

/* SELF, the leader, waits for nobody. */
static void answer(const struct batch *batch, struct waiting *self)
{
	for (size_t i = 0; i < batch->count; i++) {
		batch->waiting[i]->done = true;
		if (batch->waiting[i] != self)
			sem_post(&batch->waiting[i]->wake);
	}
}

/* TROUBLE: what is owed behind a commit; NULL where nothing was committed. */
static void hand_on(struct sr_writer *writer, const struct sr_error *trouble)
{
	pthread_mutex_lock(&writer->lock);
	if (trouble)
		writer->trouble = *trouble;
	writer->led = writer->first != NULL;
	if (writer->first)
		sem_post(&writer->first->wake);
	pthread_mutex_unlock(&writer->lock);
}

static void lead(struct sr_writer *writer, struct waiting *self)
{
	struct batch batch = { .count = 0 };
	struct sr_error why = SR_ERROR_INIT, trouble = SR_ERROR_INIT;
	CK_RV rv = CKR_OK;
	pthread_mutex_lock(&writer->lock);
	take_batch(writer, &batch);
	pthread_mutex_unlock(&writer->lock);
	if (batch.any_job)
		rv = sr_ledger_commit(&writer->ledger, batch.entries, batch.count, &why);
	if (rv == CKR_OK)
		follow_commit(&writer->ledger, &batch, &trouble);
	else
		fail_all(&batch, rv, &why);
	answer(&batch, self);
	bool committed = batch.any_job && rv == CKR_OK;
	if (committed) {
		keep_up(&writer->ledger, &trouble);
		tell_sinks(writer);
	}
	hand_on(writer, committed ? &trouble : NULL);
}

/* True where nobody leads yet, so that SELF does. */
static bool enqueue(struct sr_writer *writer, struct waiting *self)
{
	pthread_mutex_lock(&writer->lock);
	*writer->last = self;
	writer->last = &self->next;
	bool first = !writer->led;
	writer->led = true;
	pthread_mutex_unlock(&writer->lock);
	return first;
}

static CK_RV queue_up(struct sr_writer *writer, struct sr_job *job, struct sr_error *err)
{
	struct sr_error own = SR_ERROR_INIT;
	struct waiting self = { .entry = { .job = job, .err = err ? err : &own } };
	sem_init(&self.wake, 0, 0);
	if (!enqueue(writer, &self)) {
		while (sem_wait(&self.wake) != 0 && errno == EINTR)
			;
	}
	if (!self.done)
		lead(writer, &self);
	sem_destroy(&self.wake);
	return self.entry.rv;
}

CK_RV sr_writer_run(struct sr_writer *writer, struct sr_job *job, struct sr_error *err)
{
	return queue_up(writer, job, err);
}

CK_RV sr_writer_seal(struct sr_writer *writer, struct sr_error *err)
{
	return queue_up(writer, NULL, err);
}

/* SEEN: the newest head from before ROW was read, which shows at least that. */
static CK_RV fill_moment(struct sr_writer *writer, struct sr_head seen, const struct sr_standing_row *row,
	struct sr_moment *moment, struct sr_error *err)
{
	if (row->head.seq < seen.seq)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROLLED_BACK,
			"the vault stands at record %llu, this process has seen record %llu: an older copy was put "
			"back; "
			"restore the right one",
			(unsigned long long)row->head.seq, (unsigned long long)seen.seq);
	sr_clock_now(&moment->now);
	moment->chain_id = writer->ledger.place.chain_id;
	moment->proven = writer->ledger.proven;
	moment->generation = row->generation;
	moment->not_before_ms = row->newest_ms;
	memcpy(moment->root, row->root, sizeof moment->root);
	return CKR_OK;
}

CK_RV sr_writer_look(struct sr_writer *writer, struct sr_moment *moment, struct sr_error *err)
{
	struct sr_store *store = writer->ledger.place.store;
	struct sr_head seen = sr_trust_head(&writer->ledger.trust);
	struct sr_standing_row row;
	memset(moment, 0, sizeof *moment);
	CK_RV rv = store->ops->begin_read(store, &moment->tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_standing_read(&writer->ledger.trust, &writer->ledger.place, moment->tx, &row, err);
	if (rv == CKR_OK)
		rv = fill_moment(writer, seen, &row, moment, err);
	if (rv != CKR_OK)
		sr_writer_look_end(writer, moment);
	return rv;
}

static CK_RV read_standing(struct sr_writer *writer, struct sr_standing_row *row, struct sr_error *err)
{
	struct sr_store *store = writer->ledger.place.store;
	bool found;
	CK_RV rv = store->ops->standing_now(store, row, &found, err);
	return rv == CKR_OK ? sr_standing_confirm(&writer->ledger.trust, &writer->ledger.place, NULL, row, found, err)
			    : rv;
}

/* Where only this process commits, it knows what the database stands at. Whatever else happened to the file is found by
 * the next look or job, before anything is released. */
CK_RV sr_writer_glance(struct sr_writer *writer, struct sr_moment *moment, struct sr_error *err)
{
	struct sr_head seen = sr_trust_head(&writer->ledger.trust);
	struct sr_standing_row row;
	memset(moment, 0, sizeof *moment);
	if (!writer->ledger.alone || !sr_trust_row(&writer->ledger.trust, &row)) {
		CK_RV rv = read_standing(writer, &row, err);
		if (rv != CKR_OK)
			return rv;
	}
	return fill_moment(writer, seen, &row, moment, err);
}

void sr_writer_look_end(struct sr_writer *writer, struct sr_moment *moment)
{
	writer->ledger.place.store->ops->rollback(moment->tx);
	moment->tx = NULL;
}

void sr_writer_counts(const struct sr_writer *writer, struct sr_writer_counts *counts)
{
	const struct sr_tally *tally = &writer->ledger.tally;
	counts->commits = atomic_load_explicit(&tally->commits, memory_order_relaxed);
	counts->records = atomic_load_explicit(&tally->records, memory_order_relaxed);
	counts->values = atomic_load_explicit(&tally->values, memory_order_relaxed);
	counts->keys = atomic_load_explicit(&tally->keys, memory_order_relaxed);
	counts->denied = atomic_load_explicit(&tally->denied, memory_order_relaxed);
	counts->error = atomic_load_explicit(&tally->error, memory_order_relaxed);
}

void sr_writer_tend(struct sr_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	bool led = writer->led;
	writer->led = true;
	pthread_mutex_unlock(&writer->lock);
	if (led)
		return; /* who leads tells the sinks, too */
	tell_sinks(writer);
	hand_on(writer, NULL);
}

size_t sr_writer_sinks(struct sr_writer *writer, struct sr_sink_state states[SR_SINKS_MAX])
{
	return sr_sinks_state(writer->sinks, states);
}

CK_RV sr_writer_trouble(struct sr_writer *writer, struct sr_error *err)
{
	pthread_mutex_lock(&writer->lock);
	*err = writer->trouble;
	pthread_mutex_unlock(&writer->lock);
	return err->rv;
}

static struct sr_writer *writer_new(const struct sr_writer_config *config)
{
	struct sr_writer *writer = calloc(1, sizeof *writer);
	if (!writer)
		return NULL;
	writer->last = &writer->first;
	writer->vault_id = strdup(config->vault_id);
	writer->heads_path = strdup(config->heads_path);
	writer->ledger.proven = sr_proven_new();
	writer->ledger.trust.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	if (writer->vault_id && writer->heads_path && writer->ledger.proven &&
		pthread_mutex_init(&writer->lock, NULL) == 0)
		return writer;
	sr_writer_abandon(writer);
	return NULL;
}

CK_RV sr_writer_open(const struct sr_writer_config *config, struct sr_writer **out, struct sr_error *err)
{
	*out = NULL;
	struct sr_writer *writer = writer_new(config);
	if (!writer)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the audit writer");
	struct sr_ledger *ledger = &writer->ledger;
	CK_RV rv = sr_place_find(config, &ledger->place, err);
	ledger->place.vault_id = writer->vault_id;
	ledger->place.heads_path = writer->heads_path;
	ledger->lazy = config->lazy;
	ledger->alone = config->alone;
	if (rv == CKR_OK)
		rv = sr_audit_look(&ledger->place, &ledger->trust, &ledger->standing, err);
	if (rv == CKR_OK && config->sinks.dir)
		rv = sr_sinks_open(&config->sinks, ledger->standing.head.seq, &writer->sinks, err);
	if (rv != CKR_OK) {
		pthread_mutex_destroy(&writer->lock);
		sr_writer_abandon(writer);
		return rv;
	}
	sr_ledger_begin(ledger);
	*out = writer;
	return CKR_OK;
}

void sr_writer_close(struct sr_writer *writer)
{
	if (!writer)
		return;
	struct sr_error ignored = SR_ERROR_INIT; /* the next start finds the tail unsealed, and checks and seals it */
	if (sr_ledger_seal(&writer->ledger, &ignored) == CKR_OK) {
		sr_ledger_heads(&writer->ledger, &ignored);
		sr_ledger_anchor(&writer->ledger, writer->ledger.changed, &ignored);
		tell_sinks(writer);
	}
	pthread_mutex_destroy(&writer->lock);
	sr_writer_abandon(writer);
}

/* The lock is left as it is: another thread of the parent may have held it at the fork. */
void sr_writer_abandon(struct sr_writer *writer)
{
	if (!writer)
		return;
	sr_proven_free(writer->ledger.proven);
	sr_sinks_close(writer->sinks);
	free(writer->vault_id);
	free(writer->heads_path);
	free(writer);
}
