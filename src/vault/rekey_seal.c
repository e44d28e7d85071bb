/* Every version of every secret sealed anew under the newest seal key, in bounded steps. */
#include "hsm/seals.h"
#include "store/reseal.h"
#include "util/text.h"
#include "vault/rekey.h"
#include "vault/report.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_ROWS 64

/** struct resealed: a version, its value as it was sealed, and as it is under the new generation in ROW. */
struct resealed {
	struct sr_version_row row;
	struct sr_buf was;
};

struct step {
	const struct sr_caller *caller;
	unsigned generation;
	struct sr_stale stale[STEP_ROWS];
	size_t stale_count;
	struct resealed items[STEP_ROWS];
	size_t count, broken, done;
};

static bool meet_stale(const struct sr_stale *stale, void *ctx)
{
	struct step *step = ctx;
	step->stale[step->stale_count++] = *stale;
	return step->stale_count < STEP_ROWS;
}

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal anew");
}

/* The value comes out of the HSM and goes back into it; what authenticates it is the same. */
static CK_RV seal_anew(
	struct step *step, const struct sr_secret_row *secret, struct resealed *item, struct sr_error *err)
{
	struct sr_hsm *hsm = step->caller->vault->hsm;
	struct sr_buf aad = SR_BUF_INIT, value = SR_BUF_INIT;
	sr_rows_aad(step->caller->vault, secret, &item->row, &aad);
	CK_RV rv = aad.failed ? no_memory(err)
			      : sr_hsm_unseal(hsm, &aad, item->row.sealed.data, item->row.sealed.len, &value, err);
	item->was = item->row.sealed;
	item->row.sealed = (struct sr_buf)SR_BUF_INIT;
	if (rv == CKR_OK)
		rv = sr_hsm_seal_by(hsm, step->generation, &aad, value.data, value.len, &item->row.sealed, err);
	sr_buf_clear(&value);
	sr_buf_clear(&aad);
	return rv;
}

/* One that does not open is left as it is, and counted: audit verify tells more of it. */
static CK_RV prepare_one(
	struct step *step, const struct sr_moment *at, const struct sr_stale *stale, struct sr_error *err)
{
	struct resealed *item = &step->items[step->count];
	struct sr_secret_row secret = { .version = 0 };
	struct sr_error why = SR_ERROR_INIT;
	bool found = false;
	memset(item, 0, sizeof(*item));
	CK_RV rv = sr_rows_secret(step->caller->vault, at, stale->path, &secret, &found, &why);
	if (rv == CKR_OK)
		rv = step->caller->vault->store->ops->version_get(
			at->tx, stale->path, stale->version, &item->row, &found, &why);
	if (rv == CKR_OK && found)
		rv = seal_anew(step, &secret, item, &why);
	sr_secret_row_clear(&secret);
	step->count++;
	if (rv == CKR_OK && found)
		return CKR_OK;
	step->count--;
	sr_version_row_clear(&item->row);
	sr_buf_clear(&item->was);
	bool broken = rv == CKR_OK || why.reason == SR_REASON_SEAL_BROKEN || why.reason == SR_REASON_ROW_FORGED ||
		      why.reason == SR_REASON_ROW_STALE || why.reason == SR_REASON_ROW_MISSING;
	step->broken += broken;
	return broken ? CKR_OK : sr_fail(err, why.rv, why.reason, "%s", why.text);
}

static CK_RV prepare(struct step *step, uint64_t after, struct sr_error *err)
{
	struct sr_writer *writer = step->caller->vault->writer;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_seal_generation(step->caller->vault, &at, &step->generation, err);
	if (rv == CKR_OK)
		rv = sr_store_stale(at.tx, step->generation, after, STEP_ROWS, meet_stale, step, err);
	for (size_t i = 0; rv == CKR_OK && i < step->stale_count; i++)
		rv = prepare_one(step, &at, &step->stale[i], err);
	sr_writer_look_end(writer, &at);
	return rv;
}

/* What was changed or destroyed since it was looked at is left alone. */
static CK_RV step_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct step *step = act->arg;
	unsigned newest;
	CK_RV rv = sr_seal_generation(act->caller->vault, at, &newest, err);
	if (rv == CKR_OK && newest != step->generation)
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
			"not sealed anew: a newer generation has begun; run the rekey again");
	step->done = 0;
	for (size_t i = 0; rv == CKR_OK && i < step->count; i++) {
		bool done;
		rv = sr_store_reseal(at->tx, &step->items[i].row, &step->items[i].was, &done, err);
		step->done += done;
	}
	snprintf(act->event.metadata, sizeof(act->event.metadata),
		"{\"step\":\"resealed\",\"generation\":%u,\"rows\":%zu,\"broken\":%zu}", step->generation, step->done,
		step->broken);
	return rv;
}

static CK_RV record_step(struct step *step, CK_RV rv, struct sr_error *err)
{
	struct sr_act act;
	if (rv == CKR_OK && step->count == 0)
		return CKR_OK;
	sr_act_begin(&act, step->caller, SR_EVENT_HSM_REKEYED, NULL);
	act.run = step_run;
	act.arg = step;
	return sr_act_record(&act, rv, err);
}

static CK_RV take_after(const struct sr_attrs *template, uint64_t *after, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_OFFSET);
	*after = 0;
	if (!attr || sr_text_u64((const char *)attr->value, attr->len, INT64_MAX, after))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER, "no step: where it begins is no number");
}

static void clear_step(struct step *step)
{
	for (size_t i = 0; i < step->count; i++) {
		sr_version_row_clear(&step->items[i].row);
		sr_buf_clear(&step->items[i].was);
	}
	free(step);
}

CK_RV sr_rekey_step(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err)
{
	struct step *step = calloc(1, sizeof(*step));
	uint64_t after = 0;
	(void)held;
	if (!step)
		return no_memory(err);
	step->caller = caller;
	CK_RV rv = sr_need_duty(caller, SR_DUTY_HSM, CKR_TOKEN_WRITE_PROTECTED, "change the HSM's keys", err);
	if (rv == CKR_OK)
		rv = take_after(template, &after, err);
	if (rv == CKR_OK)
		rv = prepare(step, after, err);
	rv = record_step(step, rv, err);
	if (rv == CKR_OK) {
		uint64_t next = step->stale_count ? step->stale[step->stale_count - 1].row : after;
		rv = sr_report_text(json_pack("{s:i, s:I, s:I, s:I, s:b}", "generation", (int)step->generation, "next",
					    (json_int_t)next, "resealed", (json_int_t)step->done, "broken",
					    (json_int_t)step->broken, "more", (int)(step->stale_count == STEP_ROWS)),
			result, err);
	}
	clear_step(step);
	return rv;
}
