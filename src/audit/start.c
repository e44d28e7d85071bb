/* The beginning of a chain (init only). */
#include "audit/heads.h"
#include "audit/keys.h"
#include "audit/anchor.h"
#include "audit/standing.h"

#include <string.h>

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

static CK_RV put_key(const struct sr_writer_config *config, struct sr_tx *tx, struct sr_error *err)
{
	struct sr_audit_key_row row = { .generation = sr_hsm_generation(config->hsm) };
	CK_RV rv = sr_hsm_audit_key(config->hsm, &row.spki, err);
	if (rv == CKR_OK)
		rv = config->store->ops->audit_key_put(tx, &row, err);
	sr_audit_key_row_clear(&row);
	return rv;
}

/* Nothing recorded, nothing in the state tree, and the HSM's word for it. */
static CK_RV put_standing(
	const struct sr_writer_config *config, struct sr_tx *tx, const char *chain_id, struct sr_error *err)
{
	struct sr_place place = { .store = config->store, .hsm = config->hsm, .vault_id = config->vault_id };
	struct sr_standing_row row = { .newest_ms = 0 };
	memcpy(place.chain_id, chain_id, strlen(chain_id));
	if (!sr_chain_start(chain_id, &row.head))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED, "the chain cannot be hashed");
	CK_RV rv = sr_standing_seal(&place, &row, err);
	return rv == CKR_OK ? config->store->ops->standing_put(tx, &row, err) : rv;
}

static CK_RV put_rows(const struct sr_writer_config *config, const char *chain_id, struct sr_error *err)
{
	const struct sr_store_ops *ops = config->store->ops;
	struct sr_tx *tx;
	CK_RV rv = ops->begin_write(config->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = put_key(config, tx, err);
	if (rv == CKR_OK)
		rv = ops->meta_put(tx, "chain-id", chain_id, err);
	if (rv == CKR_OK)
		rv = put_standing(config, tx, chain_id, err);
	if (rv == CKR_OK)
		return ops->commit(tx, err);
	ops->rollback(tx);
	return rv;
}

CK_RV sr_writer_start_chain(const struct sr_writer_config *config, const char *chain_id, struct sr_error *err)
{
	struct sr_anchor anchor = { .wall_ms = 0 };
	struct sr_now now;
	size_t len = strlen(chain_id);
	if (len == 0 || len >= SR_CHAIN_ID_MAX || strspn(chain_id, ID_CHARACTERS) != len)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "a chain id is 1 to 32 of [a-z0-9-]");
	if (!sr_chain_start(chain_id, &anchor.head))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_AUDIT_FAILED, "the chain cannot be hashed");
	CK_RV rv = put_rows(config, chain_id, err);
	if (rv == CKR_OK)
		rv = sr_heads_write(config->heads_path, chain_id, &anchor.head, err);
	sr_clock_now(&now);
	anchor.wall_ms = now.wall_ms;
	return rv == CKR_OK ? sr_anchor_write(config->hsm, config->vault_id, chain_id, &anchor, err) : rv;
}
