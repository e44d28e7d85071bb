/* What needs an old generation of the wrap, mac and audit keys; how they stand; and their end. */
#include "vault/rekey_keys.h"

#include "audit/state.h"
#include "vault/agent.h"
#include "vault/remac.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- names ------------------------------------------------------------------------------------------------------- */

/* The first few, and that there are more. */
static void add_name(char names[160], uint64_t count, const char *name)
{
	size_t len = strlen(names), more = strlen(name);
	if (count > 5 || len + more + 8 >= 160) {
		if (len + 8 < 160 && (len < 3 || strcmp(names + len - 3, "...") != 0))
			snprintf(names + len, 160 - len, ", ...");
		return;
	}
	snprintf(names + len, 160 - len, "%s%s", len ? ", " : "", name);
}

/* What nothing was noted of, or an older one than there is, is by the oldest: that of a vault which was moved. */
static void add_need(struct sr_keys_needs *needs, unsigned generation, enum sr_keys_need need, const char *name)
{
	unsigned at = generation > needs->span.oldest ? generation - needs->span.oldest : 0;
	if (generation > needs->span.newest || at >= SR_KEYS_ALIVE_MAX)
		return;
	add_name(needs->by[at].names[need], ++needs->by[at].count[need], name);
}

/* -- rows -------------------------------------------------------------------------------------------------------- */

struct asking {
	struct sr_vault *vault;
	const struct sr_moment *at;
	struct sr_keys_needs *needs;
	CK_RV rv; /* of a look-up inside a callback */
	struct sr_error *err;
};

static CK_RV ask_key(struct asking *asking, const struct sr_remac_row *row, struct sr_error *err)
{
	const struct sr_key_row *key = row->row;
	unsigned generation = 0;
	if (key->custody == SR_CUSTODY_WRAPPED && key->blob.len)
		add_need(asking->needs, sr_hsm_wrapped_generation(&key->blob), SR_NEED_WRAPPED, key->path);
	if (key->custody != SR_CUSTODY_RESIDENT || key->state != SR_KEY_ACTIVE || key->material.len == 0)
		return CKR_OK;
	CK_RV rv = sr_keys_noted(asking->vault, asking->at, SR_HASHED_MATERIAL, row->subject, &generation, err);
	add_need(asking->needs, generation ? generation : 1, SR_NEED_MATERIAL, key->path);
	return rv;
}

/* A row that nobody's MAC fits needs none. */
static CK_RV ask_row(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err)
{
	struct asking *asking = ctx;
	unsigned generation;
	*leave = true;
	CK_RV rv = sr_rows_mac_generation(asking->vault, asking->at, &row->packed, row->mark->mac, &generation, err);
	if (rv == CKR_OK && generation)
		add_need(asking->needs, generation, SR_NEED_ROWS, row->subject);
	return rv == CKR_OK && generation && row->table == SR_DECIDING_KEY ? ask_key(asking, row, err) : rv;
}

CK_RV sr_keys_need_rows(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_needs *needs, struct sr_error *err)
{
	static const struct sr_remac_each each = { ask_row, NULL, NULL };
	struct asking asking = { .vault = vault, .at = at, .needs = needs };
	struct sr_remac_cursor *cursor = calloc(1, sizeof(*cursor));
	if (!cursor)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to ask every row");
	CK_RV rv = CKR_OK;
	while (rv == CKR_OK && !sr_remac_done(cursor))
		rv = sr_remac_step(vault, at->tx, cursor, SR_REMAC_STEP_MAX, &each, &asking, err);
	free(cursor);
	return rv;
}

/* -- what is keyed ------------------------------------------------------------------------------------------------ */

/* A token is of the generation in which its row was made, unless another was noted: its row changes only as it ends. */
static CK_RV generation_of_token(struct asking *asking, const struct sr_token_row *row, unsigned *generation)
{
	CK_RV rv = sr_keys_noted(asking->vault, asking->at, SR_HASHED_TOKEN, row->id, generation, asking->err);
	for (unsigned i = asking->needs->span.newest; rv == CKR_OK && *generation == 0 && i > 1; i--) {
		uint64_t begun = 0;
		rv = sr_keys_begun(asking->vault, asking->at, i, &begun, asking->err);
		if (row->mark.event_id >= begun)
			*generation = i;
	}
	if (*generation == 0)
		*generation = 1;
	return rv;
}

static bool ask_token(const struct sr_token_row *row, void *ctx)
{
	struct asking *asking = ctx;
	unsigned generation = 0;
	uint64_t cut = 0;
	if (row->state != SR_TOKEN_ACTIVE || sr_end_passed(&row->end, &asking->at->now, asking->at->not_before_ms))
		return true;
	asking->rv = sr_state_get(asking->vault->store, asking->at, SR_CUT_TOKENS, &cut, asking->err);
	if (asking->rv == CKR_OK && row->mark.event_id > cut) {
		asking->rv = generation_of_token(asking, row, &generation);
		add_need(asking->needs, generation, SR_NEED_TOKENS, row->id);
	}
	return asking->rv == CKR_OK;
}

static bool ask_member(const struct sr_member_row *row, void *ctx)
{
	struct asking *asking = ctx;
	unsigned generation = 0;
	if (!row->active)
		return true;
	asking->rv = sr_keys_noted(asking->vault, asking->at, SR_HASHED_MEMBER, row->name, &generation, asking->err);
	add_need(asking->needs, generation ? generation : 1, SR_NEED_MEMBERS, row->name);
	return asking->rv == CKR_OK;
}

static bool has_old_key(const struct asking *asking, const struct sr_agent_row *row)
{
	static const uint8_t none[SR_HASH_LEN];
	return memcmp(row->old_hash, none, sizeof(none)) != 0 &&
	       !sr_end_passed(&row->old_end, &asking->at->now, asking->at->not_before_ms);
}

static bool ask_agent(const struct sr_agent_row *row, void *ctx)
{
	struct asking *asking = ctx;
	unsigned generation = 0, old = 0;
	if (row->state == SR_AGENT_REVOKED || !sr_agent_has_key(row))
		return true;
	asking->rv = sr_keys_noted(asking->vault, asking->at, SR_HASHED_AGENT, row->name, &generation, asking->err);
	if (asking->rv == CKR_OK)
		asking->rv =
			sr_keys_noted(asking->vault, asking->at, SR_HASHED_AGENT_OLD, row->name, &old, asking->err);
	generation = generation ? generation : 1;
	old = old ? old : 1;
	add_need(asking->needs, generation, SR_NEED_AGENTS, row->name);
	if (old != generation && has_old_key(asking, row))
		add_need(asking->needs, old, SR_NEED_AGENTS, row->name);
	return asking->rv == CKR_OK;
}

CK_RV sr_keys_need_hashes(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_needs *needs, struct sr_error *err)
{
	const struct sr_store_ops *ops = vault->store->ops;
	struct asking asking = { vault, at, needs, CKR_OK, err };
	CK_RV rv = ops->token_list(at->tx, ask_token, &asking, err);
	if (rv == CKR_OK && asking.rv == CKR_OK)
		rv = ops->member_list(at->tx, ask_member, &asking, err);
	if (rv == CKR_OK && asking.rv == CKR_OK)
		rv = ops->agent_list(at->tx, ask_agent, &asking, err);
	return asking.rv != CKR_OK ? asking.rv : rv;
}

/* -- backups ------------------------------------------------------------------------------------------------------ */

static void backup_subject(unsigned generation, char subject[40])
{
	snprintf(subject, 40, "keys-backup:%u", generation);
}

CK_RV sr_keys_note_backup(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_keys_span *span, struct sr_error *err)
{
	char subject[40];
	unsigned oldest = 1;
	CK_RV rv = sr_keys_oldest(vault, at, &oldest, err);
	if (rv == CKR_OK && oldest > span->oldest)
		rv = sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_CHANGED_MEANWHILE,
			"no backup: a generation of the HSM's keys was retired meanwhile; try again");
	for (unsigned i = span->oldest; rv == CKR_OK && i <= span->newest; i++) {
		backup_subject(i, subject);
		rv = sr_state_put(vault->store, at, subject, at->event_id, err);
	}
	return rv;
}

CK_RV sr_keys_numbers(struct sr_vault *vault, const struct sr_moment *at, uint64_t *count, struct sr_error *err)
{
	CK_RV rv = sr_keys_count(vault, at, count, err);
	for (unsigned i = 1; rv == CKR_OK && i <= at->generation; i++) {
		char subject[40];
		uint64_t value = 0;
		backup_subject(i, subject);
		rv = sr_state_get(vault->store, at, subject, &value, err);
		*count += rv == CKR_OK && value > 0;
	}
	return rv;
}

/* -- how they stand ----------------------------------------------------------------------------------------------- */

/* Where there is one generation everything is by it: nobody is asked. */
static json_t *count_of(const struct sr_keys_needs *needs, unsigned generation, enum sr_keys_need need)
{
	if (needs->span.newest == needs->span.oldest)
		return json_null();
	return json_integer((json_int_t)needs->by[generation - needs->span.oldest].count[need]);
}

static CK_RV describe_one(struct sr_vault *vault, const struct sr_moment *at, const struct sr_keys_needs *needs,
	unsigned generation, json_t *list, struct sr_error *err)
{
	char subject[40];
	uint64_t backup = 0;
	backup_subject(generation, subject);
	CK_RV rv = sr_state_get(vault->store, at, subject, &backup, err);
	if (rv != CKR_OK)
		return rv;
	json_array_append_new(
		list, json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "generation", (int)generation, "state",
			      generation == needs->span.newest ? "newest" : "old", "rows",
			      count_of(needs, generation, SR_NEED_ROWS), "wrapped",
			      count_of(needs, generation, SR_NEED_WRAPPED), "recognised",
			      count_of(needs, generation, SR_NEED_MATERIAL), "tokens",
			      count_of(needs, generation, SR_NEED_TOKENS), "agents",
			      count_of(needs, generation, SR_NEED_AGENTS), "members",
			      count_of(needs, generation, SR_NEED_MEMBERS), "backup",
			      backup ? json_integer((json_int_t)backup) : json_null()));
	return CKR_OK;
}

CK_RV sr_keys_describe(struct sr_vault *vault, json_t *list, unsigned *newest, struct sr_error *err)
{
	struct sr_keys_needs *needs = calloc(1, sizeof(*needs));
	struct sr_moment at;
	CK_RV rv = needs ? sr_writer_look(vault->writer, &at, err)
			 : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the HSM's status");
	if (rv != CKR_OK) {
		free(needs);
		return rv;
	}
	rv = sr_keys_span(vault, &at, &needs->span, err);
	bool several = needs->span.newest > needs->span.oldest;
	if (rv == CKR_OK && several)
		rv = sr_keys_need_rows(vault, &at, needs, err);
	if (rv == CKR_OK && several)
		rv = sr_keys_need_hashes(vault, &at, needs, err);
	for (unsigned i = needs->span.oldest; rv == CKR_OK && i <= needs->span.newest; i++)
		rv = describe_one(vault, &at, needs, i, list, err);
	*newest = needs->span.newest;
	sr_writer_look_end(vault->writer, &at);
	free(needs);
	return rv;
}

/* -- retiring ----------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static CK_RV keep_it(
	struct sr_error *err, unsigned generation, const char *format, ...)
{
	char why[320];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CUSTODY,
		"generation %u of the wrap, mac and audit keys not retired: %s", generation, why);
}

static CK_RV check_span(struct sr_keys_retiring *retiring, const struct sr_keys_span *span, struct sr_error *err)
{
	unsigned generation = retiring->generation;
	retiring->again = generation < span->oldest;
	if (retiring->again)
		return CKR_OK;
	if (generation > span->newest)
		return keep_it(err, generation, "there is no such generation");
	if (generation == span->newest)
		return keep_it(err, generation, "it is the newest; run hsm rekey --all first");
	if (generation != span->oldest)
		return keep_it(err, generation, "an older one is there; retire that first");
	return CKR_OK;
}

static CK_RV check_need(const struct sr_keys_retiring *retiring, enum sr_keys_need need, struct sr_error *err)
{
	static const char *const texts[SR_NEED_COUNT] = {
		[SR_NEED_ROWS] = "%" PRIu64 " rows need it (%s); run hsm rekey --all, which brings them under the "
				 "newest",
		[SR_NEED_WRAPPED] = "%" PRIu64 " wrapped keys need it (%s); run hsm rekey --all, which wraps them anew",
		[SR_NEED_MATERIAL] = "%" PRIu64 " resident keys are recognised by it when they are brought in again "
				     "(%s); give --lose-recognition once that may be lost",
		[SR_NEED_TOKENS] = "%" PRIu64 " tokens need it to log in (%s); wait for their end, or revoke them",
		[SR_NEED_AGENTS] = "the keys of %" PRIu64 " agents need it (%s); give them new ones: agent rotate NAME",
		[SR_NEED_MEMBERS] = "the passphrases of %" PRIu64 " members need it (%s); each logs in once, or "
				    "changes it",
	};
	uint64_t count = retiring->needs->by[0].count[need];
	if (count == 0)
		return CKR_OK;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	char why[320];
	snprintf(why, sizeof(why), texts[need], count, retiring->needs->by[0].names[need]);
#pragma GCC diagnostic pop
	return keep_it(err, retiring->generation, "%s", why);
}

/* Every row is asked before the act: from when its generation is not the newest none is made by it. */
static CK_RV look_first(struct sr_vault *vault, struct sr_keys_retiring *retiring, struct sr_error *err)
{
	struct sr_keys_needs *needs = retiring->needs;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_keys_span(vault, &at, &needs->span, err);
	if (rv == CKR_OK)
		rv = check_span(retiring, &needs->span, err);
	if (rv == CKR_OK && !retiring->again)
		rv = sr_keys_need_rows(vault, &at, needs, err);
	if (rv == CKR_OK)
		rv = sr_keys_late(vault, &at, &retiring->late, err);
	sr_writer_look_end(vault->writer, &at);
	for (unsigned i = SR_NEED_ROWS; rv == CKR_OK && !retiring->again && i <= SR_NEED_WRAPPED; i++)
		rv = check_need(retiring, i, err);
	if (rv == CKR_OK && !retiring->again && !retiring->lose_material)
		rv = check_need(retiring, SR_NEED_MATERIAL, err);
	return rv;
}

static CK_RV check_backup(struct sr_vault *vault, const struct sr_moment *at, const struct sr_keys_retiring *retiring,
	struct sr_error *err)
{
	char subject[40];
	uint64_t backup = 0;
	backup_subject(retiring->generation, subject);
	CK_RV rv = sr_state_get(vault->store, at, subject, &backup, err);
	if (rv != CKR_OK || backup == 0 || retiring->lose_backups)
		return rv;
	return keep_it(err, retiring->generation,
		"the backup of audit record %" PRIu64 ", or an earlier one, needs it; make another backup, and give "
		"--lose-backups once the old ones may be lost",
		backup);
}

/* A key that was wrapped by it may have been put since every row was asked. */
static CK_RV check_late(struct sr_vault *vault, const struct sr_moment *at, const struct sr_keys_retiring *retiring,
	struct sr_error *err)
{
	uint64_t late = 0;
	CK_RV rv = sr_keys_late(vault, at, &late, err);
	if (rv == CKR_OK && late != retiring->late)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
			"generation %u not retired: a key that needs it was changed meanwhile; try again",
			retiring->generation);
	return rv;
}

static CK_RV retire_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_keys_retiring *retiring = act->arg;
	struct sr_keys_span span;
	CK_RV rv = sr_keys_span(vault, at, &span, err);
	if (rv == CKR_OK)
		rv = check_span(retiring, &span, err);
	if (rv != CKR_OK || retiring->again)
		return rv;
	rv = check_late(vault, at, retiring, err);
	retiring->needs->span = span;
	if (rv == CKR_OK)
		rv = sr_keys_need_hashes(vault, at, retiring->needs, err);
	for (unsigned i = SR_NEED_TOKENS; rv == CKR_OK && i < SR_NEED_COUNT; i++)
		rv = check_need(retiring, i, err);
	if (rv == CKR_OK)
		rv = check_backup(vault, at, retiring, err);
	return rv == CKR_OK ? sr_state_put(vault->store, at, "keys:oldest", retiring->generation + 1, err) : rv;
}

/* The record first: what it says is done, if need be by running it again. */
CK_RV sr_keys_retire(const struct sr_caller *caller, struct sr_keys_retiring *retiring, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_HSM_RETIRED, NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata),
		"{\"generation\":%u,\"keys\":true,\"lose_backups\":%s,\"lose_recognition\":%s}", retiring->generation,
		retiring->lose_backups ? "true" : "false", retiring->lose_material ? "true" : "false");
	retiring->needs = calloc(1, sizeof(*retiring->needs));
	if (rv == CKR_OK && !retiring->needs)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to retire keys");
	if (rv == CKR_OK)
		rv = look_first(caller->vault, retiring, err);
	act.run = retire_run;
	act.arg = retiring;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	free(retiring->needs);
	retiring->needs = NULL;
	return rv == CKR_OK ? sr_hsm_drop_keys_of(caller->vault->hsm, retiring->generation, err) : rv;
}
