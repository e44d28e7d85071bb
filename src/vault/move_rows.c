/* Rows and values of a vault that moves: verified and opened by the old HSM, under the new one's keys from then on. */
#include "vault/move.h"

#include "hsm/generations.h"
#include "hsm/seals.h"
#include "store/reseal.h"
#include "vault/agent.h"
#include "vault/keyattrs.h"
#include "vault/rekey.h"
#include "vault/remac.h"
#include "vault/rows.h"
#include "vault/stretched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_VALUES 64

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move a vault");
}

/* Nobody has the copy before it is whole, so that what a power failure takes of it is no loss: the disk is waited for
 * at the end, by the commits of the new epoch. */
static CK_RV begin_step(struct sr_moving *moving, struct sr_error *err)
{
	return moving->to->store->ops->begin_lazy(moving->to->store, &moving->at.tx, err);
}

static CK_RV end_step(struct sr_moving *moving, CK_RV rv, struct sr_error *err)
{
	const struct sr_store_ops *ops = moving->to->store->ops;
	struct sr_tx *tx = moving->at.tx;
	moving->at.tx = NULL;
	if (rv == CKR_OK)
		return ops->commit(tx, err);
	ops->rollback(tx);
	return rv;
}

/* -- what changes in a row --------------------------------------------------------------------------------------- */

static CK_RV no_way(const struct sr_key_row *row, const struct sr_error *why, struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, why->reason, "%s key %.120s does not go over: %.120s",
		sr_part_word(row->part), row->path, why->text);
}

static CK_RV move_key(struct sr_moving *moving, struct sr_key_row *row, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	struct sr_buf moved = SR_BUF_INIT, material = SR_BUF_INIT;
	if (row->state != SR_KEY_ACTIVE || row->custody != SR_CUSTODY_WRAPPED)
		return CKR_OK;
	CK_RV rv = sr_transport_move(moving->transport, sr_part_class(row->part), (CK_KEY_TYPE)row->key_type,
		&row->blob, &moved, &material, &why);
	if (rv == CKR_OK && row->material.len && material.len >= SR_HASH_LEN) {
		sr_buf_clear(&row->material);
		sr_buf_append(&row->material, material.data, SR_HASH_LEN);
	}
	sr_buf_clear(&material);
	if (rv != CKR_OK) {
		sr_buf_clear(&moved);
		return no_way(row, &why, err);
	}
	sr_buf_clear(&row->blob);
	row->blob = moved;
	moving->wrapped++;
	return row->blob.failed || row->material.failed ? no_memory(err) : CKR_OK;
}

/* Who has logged in or was given a passphrase since it is kept goes on with it; others get a new one (stretched.h). */
static CK_RV move_member(struct sr_moving *moving, struct sr_member_row *row, struct sr_error *err)
{
	uint8_t bytes[SR_STRETCHED_LEN];
	struct sr_stretched stretched = { "" };
	bool found = false;
	if (!row->active)
		return CKR_OK;
	CK_RV rv = sr_stretched_open(moving->from, moving->at.tx, row, bytes, &found, err);
	if (rv == CKR_OK && !found) {
		json_array_append_new(moving->forgotten, json_string(row->name));
		return sr_stretched_drop(moving->to, moving->at.tx, row->name, err);
	}
	if (rv == CKR_OK)
		rv = sr_stretched_hash(moving->to, moving->keys, bytes, row->hash, err);
	if (rv == CKR_OK)
		rv = sr_stretched_seal(moving->to, row, bytes, &stretched, err);
	sr_cleanse(bytes, sizeof(bytes));
	return rv == CKR_OK ? sr_stretched_put(moving->to, moving->at.tx, row->name, &stretched, err) : rv;
}

static CK_RV change_row(struct sr_remac_row *row, void *ctx, struct sr_error *err)
{
	struct sr_moving *moving = ctx;
	switch (row->table) {
	case SR_DECIDING_KEY:
		return move_key(moving, row->row, err);
	case SR_DECIDING_MEMBER:
		return move_member(moving, row->row, err);
	case SR_DECIDING_AGENT:
		return sr_agent_lose_key(row->row) ? CKR_OK : no_memory(err);
	default:
		return CKR_OK;
	}
}

/* -- rows -------------------------------------------------------------------------------------------------------- */

static CK_RV verify_row(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err)
{
	const struct sr_moving *moving = ctx;
	*leave = false;
	return sr_rows_check_mark(moving->from, &moving->at, row->subject, &row->packed, row->mark, err);
}

static CK_RV seal_row(const struct sr_remac_row *row, uint8_t mac[SR_MAC_LEN], void *ctx, struct sr_error *err)
{
	const struct sr_moving *moving = ctx;
	return sr_hsm_mac_to_keep(moving->to->hsm, 0, row->packed.data, row->packed.len, mac, err);
}

CK_RV sr_move_rows(struct sr_moving *moving, struct sr_error *err)
{
	static const struct sr_remac_each each = { verify_row, change_row, seal_row };
	struct sr_remac_cursor cursor = { .table = 0 };
	CK_RV rv = CKR_OK;
	while (rv == CKR_OK && !sr_remac_done(&cursor)) {
		rv = begin_step(moving, err);
		if (rv != CKR_OK)
			break;
		rv = sr_remac_step(moving->to, moving->at.tx, &cursor, SR_REMAC_STEP_MAX, &each, moving, err);
		rv = end_step(moving, rv, err);
		sr_move_progress(moving, "rows", cursor.rows, 0);
	}
	moving->rows = cursor.rows;
	if (rv == CKR_OK) /* by which the copy's rows are from here on */
		moving->at.generation = moving->keys;
	return rv;
}

/* -- values ------------------------------------------------------------------------------------------------------ */

struct batch {
	struct sr_stale items[STEP_VALUES];
	size_t count;
};

static bool meet_value(const struct sr_stale *stale, void *ctx)
{
	struct batch *batch = ctx;
	batch->items[batch->count++] = *stale;
	return batch->count < STEP_VALUES;
}

/* By the generation that no version has: all of them. */
static CK_RV seal_value(struct sr_moving *moving, const struct sr_secret_row *secret, struct sr_version_row *version,
	struct sr_error *err)
{
	struct sr_buf aad = SR_BUF_INIT, value = SR_BUF_INIT, was = version->sealed;
	bool done = false;
	version->sealed = (struct sr_buf)SR_BUF_INIT;
	sr_rows_aad(moving->from, secret, version, &aad);
	CK_RV rv = aad.failed ? no_memory(err) : sr_hsm_unseal(moving->from->hsm, &aad, was.data, was.len, &value, err);
	if (rv == CKR_OK)
		rv = sr_hsm_seal_by(moving->to->hsm, moving->seal, &aad, value.data, value.len, &version->sealed, err);
	if (rv == CKR_OK)
		rv = sr_store_reseal(moving->at.tx, version, &was, &done, err);
	if (rv == CKR_OK && !done)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "a version has gone while it was sealed anew");
	sr_buf_clear(&value);
	sr_buf_clear(&aad);
	sr_buf_clear(&was);
	return rv;
}

static CK_RV move_value(struct sr_moving *moving, const struct sr_stale *stale, struct sr_error *err)
{
	struct sr_secret_row secret = { .version = 0 };
	struct sr_version_row version = { .version = 0 };
	struct sr_error why = SR_ERROR_INIT;
	bool found = false;
	CK_RV rv = sr_rows_secret(moving->to, &moving->at, stale->path, &secret, &found, &why);
	if (rv == CKR_OK && found)
		rv = moving->to->store->ops->version_get(
			moving->at.tx, stale->path, stale->version, &version, &found, &why);
	if (rv == CKR_OK && !found)
		rv = sr_fail(&why, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "there is no secret that it is of");
	if (rv == CKR_OK)
		rv = seal_value(moving, &secret, &version, &why);
	sr_secret_row_clear(&secret);
	sr_version_row_clear(&version);
	if (rv == CKR_OK)
		return CKR_OK;
	return sr_fail(err, why.rv == CKR_ENCRYPTED_DATA_INVALID ? CKR_DEVICE_ERROR : why.rv, why.reason,
		"secret %.120s version %llu: %.120s", stale->path, (unsigned long long)stale->version, why.text);
}

static CK_RV move_batch(struct sr_moving *moving, uint64_t after, struct batch *batch, struct sr_error *err)
{
	batch->count = 0;
	CK_RV rv = begin_step(moving, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_store_stale(moving->at.tx, moving->seal, after, STEP_VALUES, meet_value, batch, err);
	for (size_t i = 0; rv == CKR_OK && i < batch->count; i++)
		rv = move_value(moving, &batch->items[i], err);
	return end_step(moving, rv, err);
}

static CK_RV count_values(struct sr_moving *moving, uint64_t *total, struct sr_error *err)
{
	struct sr_seal_counts counts;
	CK_RV rv = begin_step(moving, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_seal_count(moving->at.tx, &counts, err);
	*total = 0;
	for (size_t i = 0; rv == CKR_OK && i < counts.count; i++)
		*total += counts.items[i].rows;
	return end_step(moving, rv, err);
}

CK_RV sr_move_values(struct sr_moving *moving, struct sr_error *err)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	uint64_t after = 0, total = 0;
	CK_RV rv = batch ? count_values(moving, &total, err) : no_memory(err);
	while (rv == CKR_OK) {
		rv = move_batch(moving, after, batch, err);
		moving->values += batch->count;
		sr_move_progress(moving, "values", moving->values, total);
		if (batch->count < STEP_VALUES)
			break;
		after = batch->items[batch->count - 1].row;
	}
	free(batch);
	return rv;
}
