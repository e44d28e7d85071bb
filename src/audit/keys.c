/* The chain of audit keys. */
#include "audit/keys.h"

#include "hsm/generations.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

struct loading {
	struct sr_audit_keys *keys;
	const char *chain_id;
	bool memory, broken;
};

static bool row_fits(const struct loading *loading, const struct sr_audit_key_row *row)
{
	size_t count = loading->keys->count;
	uint8_t digest[SR_SHA256_LEN];
	if (row->generation != count + 1 || count >= SR_GENERATIONS_MAX)
		return false;
	if (count == 0)
		return row->signature.len == 0;
	const struct sr_buf *before = &loading->keys->items[count - 1];
	return row->signature.len == SR_HSM_SIGNATURE_LEN &&
	       sr_audit_key_digest(loading->chain_id, row->generation, row->spki.data, row->spki.len, digest) &&
	       sr_p256_verify(before->data, before->len, digest, row->signature.data);
}

static bool load_one(const struct sr_audit_key_row *row, void *ctx)
{
	struct loading *loading = ctx;
	struct sr_audit_keys *keys = loading->keys;
	loading->broken = !row_fits(loading, row);
	if (loading->broken)
		return false;
	struct sr_buf *items = realloc(keys->items, (keys->count + 1) * sizeof *items);
	if (!items) {
		loading->memory = true;
		return false;
	}
	keys->items = items;
	items[keys->count] = (struct sr_buf)SR_BUF_INIT;
	sr_buf_append(&items[keys->count], row->spki.data, row->spki.len);
	loading->memory = items[keys->count++].failed;
	return !loading->memory;
}

static CK_RV not_ours(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the audit keys in the database are not those of the HSM; put the right database back");
}

static CK_RV check_newest(struct sr_hsm *hsm, const struct loading *loading, unsigned generation, struct sr_error *err)
{
	const struct sr_audit_keys *keys = loading->keys;
	struct sr_error why = SR_ERROR_INIT;
	struct sr_buf spki = SR_BUF_INIT;
	if (loading->memory)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the audit keys");
	if (loading->broken || keys->count != generation)
		return not_ours(err);
	CK_RV rv = sr_hsm_audit_key_of(hsm, generation, &spki, &why);
	const struct sr_buf *newest = &keys->items[keys->count - 1];
	bool same = rv == CKR_OK && newest->len == spki.len && memcmp(newest->data, spki.data, spki.len) == 0;
	sr_buf_clear(&spki);
	if (rv != CKR_OK && why.reason != SR_REASON_HSM_KEY_REFUSED)
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	return same ? CKR_OK : not_ours(err);
}

CK_RV sr_keys_said(struct sr_store *store, struct sr_tx *tx, unsigned *generation, struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	uint64_t value = 1;
	CK_RV rv = store->ops->meta_get(tx, SR_KEYS_META, &text, err);
	if (rv == CKR_OK && text.len > 0 &&
		(!sr_text_u64((const char *)text.data, text.len, SR_KEYS_GENERATION_MAX, &value) || value == 0))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's key generation cannot be read; restore the right database");
	*generation = (unsigned)value;
	sr_buf_clear(&text);
	return rv;
}

CK_RV sr_audit_keys_load(struct sr_store *store, struct sr_tx *tx, struct sr_hsm *hsm, const char *chain_id,
	struct sr_audit_keys *keys, struct sr_error *err)
{
	*keys = (struct sr_audit_keys){ 0, NULL };
	struct loading loading = { .keys = keys, .chain_id = chain_id };
	unsigned generation = 1;
	CK_RV rv = sr_keys_said(store, tx, &generation, err);
	if (rv == CKR_OK)
		rv = store->ops->audit_key_list(tx, load_one, &loading, err);
	if (rv == CKR_OK)
		rv = check_newest(hsm, &loading, generation, err);
	if (rv != CKR_OK)
		sr_audit_keys_clear(keys);
	return rv;
}

void sr_audit_keys_clear(struct sr_audit_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		sr_buf_clear(&keys->items[i]);
	free(keys->items);
	*keys = (struct sr_audit_keys){ 0, NULL };
}

bool sr_audit_keys_fit(
	const struct sr_audit_keys *keys, const char *chain_id, const struct sr_checkpoint_row *checkpoint)
{
	struct sr_head head = { .seq = checkpoint->seq };
	uint8_t digest[SR_SHA256_LEN];
	if (checkpoint->generation < 1 || checkpoint->generation > keys->count)
		return false;
	const struct sr_buf *spki = &keys->items[checkpoint->generation - 1];
	memcpy(head.hash, checkpoint->head, sizeof head.hash);
	return sr_checkpoint_digest(chain_id, &head, digest) &&
	       sr_p256_verify(spki->data, spki->len, digest, checkpoint->signature);
}
