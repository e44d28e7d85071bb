/* A new generation of the seal key, and everything sealed anew under it, in bounded steps. */
#include "vault/rekey.h"

#include "audit/keys.h"
#include "audit/state.h"
#include "hsm/seals.h"
#include "store/reseal.h"
#include "util/text.h"
#include "vault/rekey_keys.h"
#include "vault/report.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEWEST "seal:newest"
#define OLDEST "seal:oldest"

/* -- what the state tree knows ----------------------------------------------------------------------------------- */

static CK_RV read_generation(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	unsigned *generation, struct sr_error *err)
{
	uint64_t value;
	CK_RV rv = sr_state_get(vault->store, at, subject, &value, err);
	if (rv == CKR_OK && value > SR_SEAL_GENERATION_MAX)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's key generation cannot be; restore the right database");
	*generation = value ? (unsigned)value : 1;
	return rv;
}

CK_RV sr_seal_generation(struct sr_vault *vault, const struct sr_moment *at, unsigned *generation, struct sr_error *err)
{
	return read_generation(vault, at, NEWEST, generation, err);
}

static CK_RV read_opening(
	struct sr_vault *vault, struct sr_tx *tx, const char *name, unsigned *generation, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	uint64_t value = 1;
	CK_RV rv = vault->store->ops->meta_get(tx, name, &text, err);
	if (rv == CKR_OK && text.len > 0 &&
		(!sr_text_u64((const char *)text.data, text.len, SR_SEAL_GENERATION_MAX, &value) || value == 0))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's key generation cannot be read; restore the right database");
	*generation = (unsigned)value;
	sr_buf_clear(&text);
	return rv;
}

CK_RV sr_generations_opening(struct sr_vault *vault, unsigned *keys, unsigned *seal, struct sr_error *err)
{
	struct sr_tx *tx;
	CK_RV rv = vault->store->ops->begin_read(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_keys_said(vault->store, tx, keys, err);
	if (rv == CKR_OK)
		rv = read_opening(vault, tx, SR_SEAL_META, seal, err);
	vault->store->ops->rollback(tx);
	return rv;
}

CK_RV sr_generations_move(
	struct sr_vault *vault, struct sr_moment *at, unsigned keys, unsigned seal, struct sr_error *err)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", seal);
	CK_RV rv = vault->store->ops->meta_put(at->tx, SR_SEAL_META, text, err);
	if (rv == CKR_OK)
		rv = sr_state_put(vault->store, at, NEWEST, seal, err);
	if (rv == CKR_OK)
		rv = sr_state_put(vault->store, at, OLDEST, seal, err);
	return rv == CKR_OK ? sr_keys_moved(vault, at, keys, err) : rv;
}

static bool add_count(unsigned generation, uint64_t rows, void *ctx)
{
	struct sr_seal_counts *counts = ctx;
	if (counts->count == SR_SEAL_COUNTS_MAX)
		return false;
	counts->items[counts->count].generation = generation;
	counts->items[counts->count++].rows = rows;
	return true;
}

CK_RV sr_seal_count(struct sr_tx *tx, struct sr_seal_counts *counts, struct sr_error *err)
{
	counts->count = 0;
	return sr_store_sealed(tx, add_count, counts, err);
}

static uint64_t rows_of(const struct sr_seal_counts *counts, unsigned generation, bool others)
{
	uint64_t rows = 0;
	for (size_t i = 0; i < counts->count; i++) {
		if ((counts->items[i].generation == generation) != others)
			rows += counts->items[i].rows;
	}
	return rows;
}

static void backup_subject(unsigned generation, char subject[40])
{
	snprintf(subject, 40, "seal-backup:%u", generation);
}

CK_RV sr_seal_note_backup(struct sr_vault *vault, struct sr_moment *at, const struct sr_seal_counts *counts,
	unsigned generation, struct sr_error *err)
{
	char subject[40];
	backup_subject(generation, subject);
	CK_RV rv = sr_state_put(vault->store, at, subject, at->event_id, err);
	for (size_t i = 0; rv == CKR_OK && i < counts->count; i++) {
		backup_subject(counts->items[i].generation, subject);
		rv = sr_state_put(vault->store, at, subject, at->event_id, err);
	}
	return rv;
}

static CK_RV add_number(
	struct sr_vault *vault, const struct sr_moment *at, const char *subject, uint64_t *count, struct sr_error *err)
{
	uint64_t value;
	CK_RV rv = sr_state_get(vault->store, at, subject, &value, err);
	*count += rv == CKR_OK && value > 0;
	return rv;
}

CK_RV sr_seal_numbers(struct sr_vault *vault, const struct sr_moment *at, uint64_t *count, struct sr_error *err)
{
	unsigned newest;
	*count = 0;
	CK_RV rv = sr_seal_generation(vault, at, &newest, err);
	if (rv == CKR_OK)
		rv = add_number(vault, at, NEWEST, count, err);
	if (rv == CKR_OK)
		rv = add_number(vault, at, OLDEST, count, err);
	for (unsigned i = 1; rv == CKR_OK && i <= newest; i++) {
		char subject[40];
		backup_subject(i, subject);
		rv = add_number(vault, at, subject, count, err);
	}
	return rv;
}

/** struct standing: how the generations stand at a moment. */
struct standing {
	unsigned newest, oldest;
	struct sr_seal_counts counts;
};

static CK_RV read_standing(
	struct sr_vault *vault, const struct sr_moment *at, struct standing *standing, struct sr_error *err)
{
	CK_RV rv = read_generation(vault, at, NEWEST, &standing->newest, err);
	if (rv == CKR_OK)
		rv = read_generation(vault, at, OLDEST, &standing->oldest, err);
	return rv == CKR_OK ? sr_seal_count(at->tx, &standing->counts, err) : rv;
}

static CK_RV may_rekey(const struct sr_caller *caller, struct sr_error *err)
{
	return sr_need_duty(caller, SR_DUTY_HSM, CKR_TOKEN_WRITE_PROTECTED, "change the HSM's keys", err);
}

/* -- a new generation -------------------------------------------------------------------------------------------- */

/** struct beginning: ALL: of the other three keys too. SEAL and KEYS: a new generation is to be made, and not one that
 *  was begun to be gone on with. STANDING and NEXT.from are what they were when the keys of the next ones were made. */
struct beginning {
	bool all, seal, keys;
	struct standing standing;
	struct sr_keys_begin next;
};

static CK_RV begin_seal(struct sr_vault *vault, struct sr_moment *at, unsigned from, struct sr_error *err)
{
	unsigned newest;
	char text[16];
	CK_RV rv = sr_seal_generation(vault, at, &newest, err);
	if (rv == CKR_OK && newest != from)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
			"not rekeyed: another rekey has begun; run it again to go on with that one");
	if (rv != CKR_OK)
		return rv;
	snprintf(text, sizeof(text), "%u", newest + 1);
	rv = vault->store->ops->meta_put(at->tx, SR_SEAL_META, text, err);
	return rv == CKR_OK ? sr_state_put(vault->store, at, NEWEST, newest + 1, err) : rv;
}

static CK_RV begin_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	const struct beginning *beginning = act->arg;
	CK_RV rv = beginning->seal ? begin_seal(vault, at, beginning->standing.newest, err) : CKR_OK;
	return rv == CKR_OK && beginning->keys ? sr_keys_begin_run(vault, at, &beginning->next, err) : rv;
}

static CK_RV make_keys(struct sr_vault *vault, struct beginning *beginning, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	if (beginning->seal && beginning->standing.newest >= SR_SEAL_GENERATION_MAX)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_TOO_LARGE, "not rekeyed: no generation is left");
	if (rv == CKR_OK && beginning->seal)
		rv = sr_hsm_make_seal(vault->hsm, beginning->standing.newest + 1, err);
	return rv == CKR_OK && beginning->keys ? sr_keys_prepare(vault, &beginning->next, err) : rv;
}

static void note_begun(const struct beginning *beginning, struct sr_event *event)
{
	unsigned seal = beginning->standing.newest + beginning->seal;
	if (beginning->keys)
		snprintf(event->metadata, sizeof(event->metadata), "{\"step\":\"begun\",\"generation\":%u,\"keys\":%u}",
			seal, beginning->next.from + 1);
	else
		snprintf(event->metadata, sizeof(event->metadata), "{\"step\":\"begun\",\"generation\":%u}", seal);
}

static CK_RV begin(const struct sr_caller *caller, struct beginning *beginning, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_HSM_REKEYED, NULL);
	if (rv == CKR_OK)
		rv = make_keys(caller->vault, beginning, err);
	note_begun(beginning, &act.event);
	act.run = begin_run;
	act.arg = beginning;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK && beginning->seal)
		beginning->standing.newest++;
	if (rv == CKR_OK && beginning->keys)
		beginning->next.from++;
	return rv;
}

/* One that was begun is gone on with: a new generation only once nothing needs an older one. */
static CK_RV look_begun(struct sr_vault *vault, struct beginning *beginning, struct sr_error *err)
{
	struct sr_keys_span span = { 0, 0 };
	struct sr_moment at;
	bool unfinished = false;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = read_standing(vault, &at, &beginning->standing, err);
	if (rv == CKR_OK && beginning->all)
		rv = sr_keys_unfinished(vault, &at, &span, &unfinished, err);
	sr_writer_look_end(vault->writer, &at);
	beginning->next.from = span.newest;
	beginning->keys = beginning->all && !unfinished;
	/* the new one of the seal key was begun with that of the others */
	beginning->seal = !unfinished && rows_of(&beginning->standing.counts, beginning->standing.newest, true) == 0;
	return rv;
}

static CK_RV take_all(const struct sr_attrs *template, bool *all, struct sr_error *err)
{
	const struct sr_attr *change = sr_attrs_find(template, CKA_SR_CHANGE);
	*all = change && change->len == strlen("all") && memcmp(change->value, "all", change->len) == 0;
	if (!change || *all)
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"not rekeyed: which keys can only be all, or nothing for the seal key");
}

static CK_RV tell_begun(const struct beginning *beginning, bool resumed, char **result, struct sr_error *err)
{
	const struct standing *standing = &beginning->standing;
	json_t *told = json_pack("{s:i, s:I, s:b}", "generation", (int)standing->newest, "left",
		(json_int_t)rows_of(&standing->counts, standing->newest, true), "resumed", (int)resumed);
	if (told && beginning->all)
		json_object_set_new(told, "keys", json_integer(beginning->next.from));
	return sr_report_text(told, result, err);
}

CK_RV sr_rekey_begin(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct beginning beginning = { .all = false };
	(void)held;
	CK_RV rv = may_rekey(caller, err);
	if (rv == CKR_OK)
		rv = take_all(template, &beginning.all, err);
	if (rv == CKR_OK)
		rv = look_begun(caller->vault, &beginning, err);
	bool resumed = rv == CKR_OK && !beginning.seal && !beginning.keys;
	if (!resumed)
		rv = begin(caller, &beginning, rv, err);
	if (rv == CKR_OK)
		rv = tell_begun(&beginning, resumed, result, err);
	sr_keys_begin_clear(&beginning.next);
	return rv;
}

/* -- how they stand ---------------------------------------------------------------------------------------------- */

static CK_RV describe_one(struct sr_vault *vault, const struct sr_moment *at, const struct standing *standing,
	unsigned generation, json_t *list, struct sr_error *err)
{
	char subject[40];
	uint64_t backup = 0;
	backup_subject(generation, subject);
	CK_RV rv = sr_state_get(vault->store, at, subject, &backup, err);
	if (rv != CKR_OK)
		return rv;
	const char *state = generation == standing->newest ? "newest" : "old";
	json_array_append_new(list, json_pack("{s:i, s:s, s:I, s:o}", "generation", (int)generation, "state", state,
					    "rows", (json_int_t)rows_of(&standing->counts, generation, false), "backup",
					    backup ? json_integer((json_int_t)backup) : json_null()));
	return CKR_OK;
}

static CK_RV describe(struct sr_vault *vault, json_t *list, struct standing *standing, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = read_standing(vault, &at, standing, err);
	for (unsigned i = standing->oldest; rv == CKR_OK && i <= standing->newest; i++)
		rv = describe_one(vault, &at, standing, i, list, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

CK_RV sr_rekey_status(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct standing standing = { .oldest = 1 };
	json_t *list = json_array(), *keys = json_array();
	struct sr_hsm_identity who;
	unsigned newest = 1;
	(void)template;
	(void)held;
	CK_RV rv = sr_need_duty(caller, SR_DUTY_STATUS, CKR_TOKEN_WRITE_PROTECTED, "see the status", err);
	if (rv == CKR_OK)
		rv = describe(caller->vault, list, &standing, err);
	if (rv == CKR_OK)
		rv = sr_keys_describe(caller->vault, keys, &newest, err);
	if (rv != CKR_OK) {
		json_decref(list);
		json_decref(keys);
		return rv;
	}
	sr_hsm_identity(caller->vault->hsm, &who);
	return sr_report_text(
		json_pack("{s:s, s:s, s:i, s:i, s:o, s:o}", "token", who.label, "serial", who.serial, "generation",
			(int)newest, "seal_generation", (int)standing.newest, "seals", list, "keys", keys),
		result, err);
}

/* -- retiring ---------------------------------------------------------------------------------------------------- */

struct retiring {
	unsigned generation;
	bool lose_backups;
	bool again; /* it was retired, and the HSM may still have it */
};

static CK_RV keep_it(struct sr_error *err, unsigned generation, const char *why)
{
	return sr_fail(
		err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CUSTODY, "generation %u not retired: %s", generation, why);
}

static CK_RV check_backup(
	struct sr_vault *vault, const struct sr_moment *at, const struct retiring *retiring, struct sr_error *err)
{
	char subject[40], why[160];
	uint64_t backup = 0;
	backup_subject(retiring->generation, subject);
	CK_RV rv = sr_state_get(vault->store, at, subject, &backup, err);
	if (rv != CKR_OK || backup == 0 || retiring->lose_backups)
		return rv;
	snprintf(why, sizeof(why),
		"the backup of audit record %llu, or an earlier one, needs it; make another backup, and give "
		"--lose-backups once the old ones may be lost",
		(unsigned long long)backup);
	return keep_it(err, retiring->generation, why);
}

static CK_RV check_retiring(
	struct sr_vault *vault, const struct sr_moment *at, struct retiring *retiring, struct sr_error *err)
{
	struct standing standing;
	char why[120];
	CK_RV rv = read_standing(vault, at, &standing, err);
	if (rv != CKR_OK)
		return rv;
	retiring->again = retiring->generation < standing.oldest;
	if (retiring->again)
		return CKR_OK;
	if (retiring->generation > standing.newest)
		return keep_it(err, retiring->generation, "there is no such generation");
	if (retiring->generation == standing.newest)
		return keep_it(err, retiring->generation, "it is the newest, which seals; run hsm rekey first");
	if (retiring->generation != standing.oldest)
		return keep_it(err, retiring->generation, "an older one is there; retire that first");
	uint64_t rows = rows_of(&standing.counts, retiring->generation, false);
	if (rows == 0)
		return check_backup(vault, at, retiring, err);
	snprintf(why, sizeof(why), "%llu versions of secrets need it; run hsm rekey, which seals them anew",
		(unsigned long long)rows);
	return keep_it(err, retiring->generation, why);
}

static CK_RV retire_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct retiring *retiring = act->arg;
	CK_RV rv = check_retiring(act->caller->vault, at, retiring, err);
	if (rv != CKR_OK || retiring->again)
		return rv;
	return sr_state_put(act->caller->vault->store, at, OLDEST, retiring->generation + 1, err);
}

/** struct wish: what is to be retired, and what may be lost with it. KEYS: of the wrap, mac and audit keys. */
struct wish {
	bool keys, lose_backups, lose_material;
};

static bool take_word(struct wish *wish, const char *word, size_t len)
{
	const struct {
		const char *word;
		bool *flag;
	} words[] = { { "keys", &wish->keys }, { "lose-backups", &wish->lose_backups },
		{ "lose-recognition", &wish->lose_material } };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
			return *words[i].flag = true;
	}
	return false;
}

/* Words with commas between. */
static CK_RV take_wish(const struct sr_attrs *template, struct wish *wish, struct sr_error *err)
{
	const struct sr_attr *change = sr_attrs_find(template, CKA_SR_CHANGE);
	const char *at = change ? (const char *)change->value : NULL, *end = change ? at + change->len : NULL;
	bool good = true;
	while (change && good) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		good = take_word(wish, at, (size_t)((comma ? comma : end) - at));
		if (!comma)
			break;
		at = comma + 1;
	}
	if (good && (wish->keys || !wish->lose_material))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
		"not retired: what may be lost with it can only be lose-backups, and with keys lose-recognition");
}

static CK_RV take_generation(const struct sr_attrs *template, uint64_t max, unsigned *generation, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_VERSION);
	uint64_t value;
	if (!attr || !sr_text_u64((const char *)attr->value, attr->len, max, &value) || value == 0)
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER,
			"not retired: a generation is a number from 1");
	*generation = (unsigned)value;
	return CKR_OK;
}

/* The record first: what it says is done, if need be by running it again. */
static CK_RV retire_seal(const struct sr_caller *caller, struct retiring *retiring, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_HSM_RETIRED, NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"generation\":%u,\"lose_backups\":%s}",
		retiring->generation, retiring->lose_backups ? "true" : "false");
	act.run = retire_run;
	act.arg = retiring;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	return rv == CKR_OK ? sr_hsm_drop_seal(caller->vault->hsm, retiring->generation, err) : rv;
}

CK_RV sr_rekey_retire(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct wish wish = { .keys = false };
	unsigned generation = 0;
	(void)held;
	CK_RV rv = may_rekey(caller, err);
	if (rv == CKR_OK)
		rv = take_wish(template, &wish, err);
	if (rv == CKR_OK)
		rv = take_generation(
			template, wish.keys ? SR_KEYS_GENERATION_MAX : SR_SEAL_GENERATION_MAX, &generation, err);
	if (wish.keys) {
		struct sr_keys_retiring keys = { generation, wish.lose_backups, wish.lose_material, false, 0, NULL };
		rv = sr_keys_retire(caller, &keys, rv, err);
	} else {
		struct retiring seal = { generation, wish.lose_backups, false };
		rv = retire_seal(caller, &seal, rv, err);
	}
	return rv == CKR_OK ? sr_report_text(json_pack("{s:i}", "retired", (int)generation), result, err) : rv;
}
