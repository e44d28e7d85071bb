/* A new generation of the wrap, mac and audit keys, and every deciding row under it, in bounded steps. */
#include "vault/rekey_keys.h"

#include "audit/state.h"
#include "util/text.h"
#include "vault/keyattrs.h"
#include "vault/keys.h"
#include "vault/rekey.h"
#include "vault/remac.h"
#include "vault/report.h"
#include "vault/rows.h"
#include "vault/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_ROWS 64u
#define BATCHES_SEEN 16 /* that need nothing, in one step */

/* -- begun ------------------------------------------------------------------------------------------------------- */

static CK_RV begun_meanwhile(struct sr_error *err)
{
	return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
		"not rekeyed: another rekey has begun; run it again to go on with that one");
}

CK_RV sr_keys_unfinished(struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_span *span,
	bool *unfinished, struct sr_error *err)
{
	uint64_t done = 0;
	CK_RV rv = sr_keys_span(vault, at, span, err);
	if (rv == CKR_OK)
		rv = sr_state_get(vault->store, at, SR_KEYS_DONE, &done, err);
	*unfinished = span->newest > 1 && done < span->newest;
	if (rv != CKR_OK || *unfinished)
		return rv;
	if (span->newest >= SR_KEYS_GENERATION_MAX)
		return sr_fail(
			err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_TOO_LARGE, "not rekeyed: no generation is left");
	if (span->newest - span->oldest + 2 > SR_KEYS_ALIVE_MAX)
		return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_TOO_LARGE,
			"not rekeyed: there are %d generations of the wrap, mac and audit keys; retire old ones first",
			SR_KEYS_ALIVE_MAX);
	return CKR_OK;
}

static CK_RV sign_row(struct sr_vault *vault, struct sr_keys_begin *begin, const char *chain_id, struct sr_error *err)
{
	struct sr_audit_key_row *row = &begin->row;
	uint8_t digest[SR_SHA256_LEN], signature[SR_HSM_SIGNATURE_LEN];
	unsigned by;
	if (!sr_audit_key_digest(chain_id, row->generation, row->spki.data, row->spki.len, digest))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to sign an audit key");
	CK_RV rv = sr_hsm_sign_as(vault->hsm, digest, signature, &by, err);
	if (rv == CKR_OK && by != begin->from)
		rv = begun_meanwhile(err);
	sr_buf_append(&row->signature, signature, sizeof(signature));
	if (rv == CKR_OK && row->signature.failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to sign an audit key");
	return rv;
}

CK_RV sr_keys_prepare(struct sr_vault *vault, struct sr_keys_begin *begin, struct sr_error *err)
{
	struct sr_moment at;
	unsigned next = begin->from + 1;
	CK_RV rv = sr_hsm_make_keys_of(vault->hsm, next, err);
	if (rv == CKR_OK)
		rv = sr_hsm_audit_key_of(vault->hsm, next, &begin->row.spki, err);
	begin->row.generation = next;
	if (rv == CKR_OK)
		rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sign_row(vault, begin, at.chain_id, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

void sr_keys_begin_clear(struct sr_keys_begin *begin)
{
	sr_audit_key_row_clear(&begin->row);
}

/* The generation of the moment is what the standing of this very commit will be under. */
CK_RV sr_keys_begin_run(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_keys_begin *begin, struct sr_error *err)
{
	const struct sr_store_ops *ops = vault->store->ops;
	unsigned next = begin->from + 1;
	char text[16], subject[40];
	if (at->generation != begin->from)
		return begun_meanwhile(err);
	snprintf(text, sizeof(text), "%u", next);
	snprintf(subject, sizeof(subject), "keys:begun:%u", next);
	CK_RV rv = ops->audit_key_put(at->tx, &begin->row, err);
	if (rv == CKR_OK)
		rv = ops->meta_put(at->tx, SR_KEYS_META, text, err);
	if (rv == CKR_OK)
		rv = sr_state_put(vault->store, at, subject, at->event_id, err);
	if (rv == CKR_OK)
		at->generation = next;
	return rv;
}

/* -- a step: one row --------------------------------------------------------------------------------------------- */

/** struct step: FOUND: rows that are to be changed. DONE of them were; WRAPPED keys among these; BROKEN ones stay as
 *  they are: audit verify tells more of them. */
struct step {
	const struct sr_caller *caller;
	struct sr_moment *at;
	unsigned generation;
	struct sr_remac_cursor cursor;
	unsigned long found, done, wrapped, broken;
};

static bool is_wrapped_by_older(const struct step *step, const struct sr_remac_row *row)
{
	const struct sr_key_row *key = row->row;
	return row->table == SR_DECIDING_KEY && key->custody == SR_CUSTODY_WRAPPED && key->blob.len &&
	       sr_hsm_wrapped_generation(&key->blob) < step->generation;
}

static bool is_broken(const struct sr_error *why)
{
	return why->reason == SR_REASON_ROW_FORGED || why->reason == SR_REASON_ROW_STALE;
}

/* What is under the newest MAC is left, but where it is a key that was wrapped before and put after. Nobody gets a MAC
 * who had none, nor a row that was put back. */
static CK_RV verify(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err)
{
	struct step *step = ctx;
	struct sr_vault *vault = step->caller->vault;
	struct sr_error why = SR_ERROR_INIT;
	unsigned generation;
	CK_RV rv = sr_rows_mac_generation(vault, step->at, &row->packed, row->mark->mac, &generation, err);
	*leave = generation == step->generation && !is_wrapped_by_older(step, row);
	if (rv != CKR_OK || *leave)
		return rv;
	rv = sr_rows_check_mark(vault, step->at, row->subject, &row->packed, row->mark, &why);
	if (rv != CKR_OK && !is_broken(&why))
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	*leave = rv != CKR_OK;
	step->broken += *leave;
	step->found += !*leave;
	return CKR_OK;
}

static CK_RV verify_only(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err)
{
	CK_RV rv = verify(row, leave, ctx, err);
	*leave = true;
	return rv;
}

static void replace_material(struct sr_key_row *key, const struct sr_buf *material)
{
	if (key->material.len == 0 || material->len < SR_HASH_LEN)
		return;
	sr_buf_clear(&key->material);
	sr_buf_append(&key->material, material->data, SR_HASH_LEN);
}

/* One that does not open stays as it is. */
static CK_RV wrap_anew(struct step *step, struct sr_key_row *key, struct sr_error *err)
{
	struct sr_attrs attrs = SR_ATTRS_INIT, template = SR_ATTRS_INIT;
	struct sr_buf wrapped = SR_BUF_INIT, material = SR_BUF_INIT;
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_key_row_attrs(key, &attrs, &why);
	sr_keyattrs_for_hsm(sr_part_base(key->part), (CK_KEY_TYPE)key->key_type, SR_HOW_UNWRAP, &attrs, &template);
	if (rv == CKR_OK && template.failed)
		rv = sr_fail(&why, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to wrap a key anew");
	if (rv == CKR_OK)
		rv = sr_hsm_rewrap(step->caller->vault->hsm, &key->blob, sr_part_class(key->part), &template, &wrapped,
			&material, &why);
	if (rv == CKR_OK) {
		sr_buf_clear(&key->blob);
		key->blob = wrapped;
		wrapped = (struct sr_buf)SR_BUF_INIT;
		replace_material(key, &material);
		step->wrapped++;
	}
	sr_buf_clear(&wrapped);
	sr_buf_clear(&material);
	sr_attrs_clear(&attrs);
	sr_attrs_clear(&template);
	if (rv == CKR_OK)
		return CKR_OK;
	step->broken += why.reason == SR_REASON_SEAL_BROKEN;
	return why.reason == SR_REASON_SEAL_BROKEN ? CKR_OK : sr_fail(err, why.rv, why.reason, "%s", why.text);
}

/* A resident key that may leave the HSM is recognised by the newest generation from now on; one that may not stays
 * known by what it was brought in under. */
static CK_RV recognise_anew(struct step *step, const char *subject, struct sr_key_row *row, struct sr_error *err)
{
	struct sr_vault *vault = step->caller->vault;
	struct sr_hsm_key *key = sr_hsm_key_resident(row->uid, row->mark.event_id, sr_part_class(row->part));
	struct sr_buf material = SR_BUF_INIT;
	struct sr_error why = SR_ERROR_INIT;
	bool leaves = false;
	CK_RV rv = key ? sr_hsm_recognise(vault->hsm, key, &material, &leaves, &why)
		       : sr_fail(&why, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to recognise a key");
	sr_hsm_key_unref(key);
	if (rv == CKR_OK && leaves)
		replace_material(row, &material);
	sr_buf_clear(&material);
	if (rv != CKR_OK && why.reason == SR_REASON_HSM_KEY_REFUSED) {
		step->broken++;
		return CKR_OK;
	}
	if (rv != CKR_OK)
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	return leaves ? sr_keys_note(vault, step->at, SR_HASHED_MATERIAL, subject, step->generation, err) : CKR_OK;
}

static CK_RV change(struct sr_remac_row *row, void *ctx, struct sr_error *err)
{
	struct step *step = ctx;
	struct sr_key_row *key = row->row;
	if (is_wrapped_by_older(step, row))
		return wrap_anew(step, key, err);
	if (row->table == SR_DECIDING_KEY && key->custody == SR_CUSTODY_RESIDENT && key->material.len &&
		key->state == SR_KEY_ACTIVE)
		return recognise_anew(step, row->subject, key, err);
	return CKR_OK;
}

static CK_RV seal(const struct sr_remac_row *row, uint8_t mac[SR_MAC_LEN], void *ctx, struct sr_error *err)
{
	struct step *step = ctx;
	step->done++;
	return sr_hsm_mac_to_keep(
		step->caller->vault->hsm, step->generation, row->packed.data, row->packed.len, mac, err);
}

/* -- a step ------------------------------------------------------------------------------------------------------ */

/* Past what needs nothing, so that a rekey that is gone on with leaves no records of it. */
static CK_RV look_ahead(struct step *step, struct sr_error *err)
{
	static const struct sr_remac_each each = { verify_only, NULL, seal };
	struct sr_vault *vault = step->caller->vault;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	step->at = &at;
	step->generation = at.generation;
	for (int i = 0; rv == CKR_OK && i < BATCHES_SEEN && !sr_remac_done(&step->cursor); i++) {
		struct sr_remac_cursor next = step->cursor;
		unsigned long broken = step->broken;
		rv = sr_remac_step(vault, at.tx, &next, STEP_ROWS, &each, step, err);
		if (rv == CKR_OK && step->found) {
			step->broken = broken;
			break;
		}
		step->cursor = next;
	}
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

static CK_RV step_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	static const struct sr_remac_each each = { verify, change, seal };
	struct step *step = act->arg;
	CK_RV rv = CKR_OK;
	if (at->generation != step->generation)
		return begun_meanwhile(err);
	step->at = at;
	step->done = step->wrapped = 0;
	if (step->found)
		rv = sr_remac_step(act->caller->vault, at->tx, &step->cursor, STEP_ROWS, &each, step, err);
	bool done = sr_remac_done(&step->cursor);
	if (rv == CKR_OK && done && at->generation > 1)
		rv = sr_state_put(act->caller->vault->store, at, SR_KEYS_DONE, at->generation, err);
	snprintf(act->event.metadata, sizeof(act->event.metadata),
		"{\"step\":\"rows\",\"keys\":%u,\"rows\":%lu,\"wrapped\":%lu,\"broken\":%lu,\"done\":%s}",
		step->generation, step->done, step->wrapped, step->broken, done ? "true" : "false");
	return rv;
}

static CK_RV record_step(struct step *step, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	if (rv == CKR_OK && !step->found && !sr_remac_done(&step->cursor))
		return CKR_OK;
	sr_act_begin(&act, step->caller, SR_EVENT_HSM_REKEYED, NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"step\":\"rows\"}");
	act.run = step_run;
	act.arg = step;
	return sr_act_record(&act, rv, err);
}

/* -- where it is ------------------------------------------------------------------------------------------------- */

/* Whatever is said here, no row gets a MAC that may not have one, and retiring asks every row itself. */
static CK_RV take_cursor(const struct sr_attrs *template, struct sr_remac_cursor *cursor, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_OFFSET);
	if (!attr || sr_remac_cursor_parse((const char *)attr->value, attr->len, cursor))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER,
		"no step: where it begins is nothing that a step has told");
}

static CK_RV tell(const struct step *step, char **result, struct sr_error *err)
{
	char next[SR_REMAC_CURSOR_TEXT];
	sr_remac_cursor_say(&step->cursor, next);
	return sr_report_text(json_pack("{s:i, s:s, s:I, s:I, s:I, s:b}", "generation", (int)step->generation, "next",
				      next, "rows", (json_int_t)step->done, "wrapped", (json_int_t)step->wrapped,
				      "broken", (json_int_t)step->broken, "more", (int)!sr_remac_done(&step->cursor)),
		result, err);
}

CK_RV sr_rekey_rows(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct step *step = calloc(1, sizeof(*step));
	(void)held;
	if (!step)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a step");
	step->caller = caller;
	CK_RV rv = sr_need_duty(caller, SR_DUTY_HSM, CKR_TOKEN_WRITE_PROTECTED, "change the HSM's keys", err);
	if (rv == CKR_OK)
		rv = take_cursor(template, &step->cursor, err);
	if (rv == CKR_OK)
		rv = look_ahead(step, err);
	rv = record_step(step, rv, err);
	if (rv == CKR_OK)
		rv = tell(step, result, err);
	free(step);
	return rv;
}
