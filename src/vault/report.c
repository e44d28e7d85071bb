/* Status, verdicts and the check of every row, as JSON texts. */
#include "vault/report.h"

#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CK_RV sr_report_text(json_t *object, char **text, struct sr_error *err)
{
	*text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return *text ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a report");
}

CK_RV sr_report_verdict(const struct sr_verdict *verdict, char **result, char metadata[SR_METADATA_MAX],
	struct sr_error *err)
{
	snprintf(metadata, SR_METADATA_MAX, "{\"ok\":%s,\"records\":%llu,\"first_bad\":%llu}",
		verdict->ok ? "true" : "false", (unsigned long long)verdict->records,
		(unsigned long long)verdict->first_bad);
	json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "ok", verdict->ok, "first_bad",
		(json_int_t)verdict->first_bad, "records", (json_int_t)verdict->records, "checkpoints",
		(json_int_t)verdict->checkpoints, "sealed", (json_int_t)verdict->sealed, "tail", (json_int_t)verdict->tail,
		"detail", verdict->detail);
	return sr_report_text(object, result, err);
}

/* -- status ------------------------------------------------------------------------------------------------------ */

static json_t *hsm_status(struct sr_vault *vault)
{
	struct sr_hsm_identity hsm;
	sr_hsm_identity(vault->hsm, &hsm);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "token", hsm.label, "manufacturer", hsm.manufacturer, "model",
		hsm.model, "serial", hsm.serial, "library", hsm.library, "generation", (int)sr_hsm_generation(vault->hsm));
}

static CK_RV audit_status(struct sr_vault *vault, struct sr_tx *tx, json_t **out, struct sr_error *err)
{
	struct sr_head head = { 0 };
	struct sr_checkpoint_row checkpoint = { 0 };
	bool found = false;
	int64_t newest_ms;
	CK_RV rv = vault->store->ops->event_head(tx, &head, &newest_ms, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->checkpoint_last(tx, &checkpoint, &found, err);
	struct sr_error trouble = SR_ERROR_INIT;
	uint64_t sealed = found ? checkpoint.seq : 0;
	sr_writer_trouble(vault->writer, &trouble);
	*out = json_pack("{s:I, s:I, s:I, s:s, s:s}", "records", (json_int_t)head.seq, "sealed", (json_int_t)sealed, "tail",
		(json_int_t)(head.seq - sealed), "heads_file", vault->heads, "trouble", trouble.text);
	return rv;
}

static CK_RV store_status(struct sr_vault *vault, struct sr_tx *tx, json_t **out, struct sr_error *err)
{
	uint64_t secrets = 0, tokens = 0, events = 0, bytes = 0;
	CK_RV rv = vault->store->ops->counts(tx, &secrets, &tokens, &events, &bytes, err);
	*out = json_pack("{s:I, s:I, s:I, s:I, s:i}", "secrets", (json_int_t)secrets, "tokens", (json_int_t)tokens, "events",
		(json_int_t)events, "bytes", (json_int_t)bytes, "schema", SR_STORE_SCHEMA);
	return rv;
}

CK_RV sr_report_status(struct sr_vault *vault, char **result, struct sr_error *err)
{
	json_t *audit = NULL, *store = NULL;
	struct sr_tx *tx;
	CK_RV rv = vault->store->ops->begin_read(vault->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = audit_status(vault, tx, &audit, err);
	if (rv == CKR_OK)
		rv = store_status(vault, tx, &store, err);
	vault->store->ops->rollback(tx);
	if (rv != CKR_OK) {
		json_decref(audit);
		json_decref(store);
		return rv;
	}
	return sr_report_text(json_pack("{s:{s:s, s:s, s:s}, s:o, s:o, s:o}", "vault", "id", vault->id, "name", vault->name,
				      "mode", "embedded", "hsm", hsm_status(vault), "audit", audit, "store", store),
		result, err);
}

/* -- every row --------------------------------------------------------------------------------------------------- */

struct row_check {
	struct sr_vault *vault;
	struct sr_tx *tx;
	struct sr_error finding;
	CK_RV rv;
};

static bool check_secret(const struct sr_secret_row *row, void *ctx)
{
	struct row_check *check = ctx;
	check->rv = sr_rows_check_secret(check->vault, check->tx, row, &check->finding);
	return check->rv == CKR_OK;
}

static bool check_token(const struct sr_token_row *row, void *ctx)
{
	struct row_check *check = ctx;
	check->rv = sr_rows_check_token(check->vault, check->tx, row, &check->finding);
	if (check->rv == CKR_OK)
		check->rv = sr_who_uses_agree(check->vault, check->tx, row, &check->finding);
	return check->rv == CKR_OK;
}

static bool check_member(const struct sr_member_row *row, void *ctx)
{
	struct row_check *check = ctx;
	check->rv = sr_rows_check_member(check->vault, check->tx, row, &check->finding);
	return check->rv == CKR_OK;
}

static CK_RV check_all(struct row_check *check, struct sr_error *err)
{
	const struct sr_store_ops *ops = check->vault->store->ops;
	CK_RV rv = ops->secret_list(check->tx, "", check_secret, check, err);
	if (rv == CKR_OK && check->rv == CKR_OK)
		rv = ops->token_list(check->tx, check_token, check, err);
	if (rv == CKR_OK && check->rv == CKR_OK)
		rv = ops->member_list(check->tx, check_member, check, err);
	return rv;
}

CK_RV sr_report_check_rows(struct sr_vault *vault, struct sr_verdict *verdict, struct sr_error *err)
{
	struct row_check check = { .vault = vault, .rv = CKR_OK };
	CK_RV rv = vault->store->ops->begin_read(vault->store, &check.tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = check_all(&check, err);
	vault->store->ops->rollback(check.tx);
	if (rv == CKR_OK && check.rv != CKR_OK) {
		verdict->ok = false;
		snprintf(verdict->detail, sizeof(verdict->detail), "%s", check.finding.text);
	}
	return rv;
}
