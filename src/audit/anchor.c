/* The anchor's bytes: the head's number alone, as hsm.h wants it first (8 bytes, big-endian), then a packed record. */
#include "audit/anchor.h"

#include "util/pack.h"

#include <string.h>

#define LABEL "strongroom/anchor/1"
#define SEQ_LEN 8

static bool same_text(const uint8_t *data, size_t len, const char *text)
{
	return data && len == strlen(text) && memcmp(data, text, len) == 0;
}

static uint64_t first_number(const uint8_t *data)
{
	uint64_t number = 0;
	for (size_t i = 0; i < SEQ_LEN; i++)
		number = number << 8 | data[i];
	return number;
}

static CK_RV parse(const struct sr_buf *value, const char *chain_id, struct sr_anchor *anchor, struct sr_error *err)
{
	struct sr_unpack in = { value->data, value->len, false };
	if (value->len > SEQ_LEN) {
		in.at += SEQ_LEN;
		in.left -= SEQ_LEN;
		sr_head_set_number(&anchor->head, first_number(value->data));
	}
	size_t label_len, chain_len, hash_len;
	const uint8_t *label = sr_unpack_bytes(&in, &label_len);
	const uint8_t *chain = sr_unpack_bytes(&in, &chain_len);
	const uint8_t *hash = sr_unpack_bytes(&in, &hash_len);
	anchor->wall_ms = (int64_t)sr_unpack_u64(&in);
	if (!sr_unpack_done(&in) || !same_text(label, label_len, LABEL) || !hash || hash_len != SR_HASH_LEN)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the anchor in the HSM cannot be read; was this HSM token used by another program?");
	if (!same_text(chain, chain_len, chain_id))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the HSM's anchor belongs to another audit chain; this database is not the one the HSM knows");
	memcpy(anchor->head.hash, hash, SR_HASH_LEN);
	return CKR_OK;
}

CK_RV sr_anchor_read(struct sr_hsm *hsm, const char *vault_id, const char *chain_id, struct sr_anchor *anchor,
	bool *found, struct sr_error *err)
{
	struct sr_buf value = SR_BUF_INIT;
	*found = false;
	CK_RV rv = sr_hsm_anchor_read(hsm, vault_id, &value, err);
	if (rv == CKR_OK && value.len > 0) {
		rv = parse(&value, chain_id, anchor, err);
		*found = rv == CKR_OK;
	}
	sr_buf_clear(&value);
	return rv;
}

CK_RV sr_anchor_write(struct sr_hsm *hsm, const char *vault_id, const char *chain_id, const struct sr_anchor *anchor,
	struct sr_error *err)
{
	struct sr_buf value = SR_BUF_INIT;
	uint8_t seq[SEQ_LEN];
	uint64_t number = sr_head_number(&anchor->head);
	for (size_t i = 0; i < SEQ_LEN; i++)
		seq[i] = (uint8_t)(number >> (8 * (SEQ_LEN - 1 - i)));
	sr_buf_append(&value, seq, sizeof seq);
	sr_pack_text(&value, LABEL);
	sr_pack_text(&value, chain_id);
	sr_pack_bytes(&value, anchor->head.hash, SR_HASH_LEN);
	sr_pack_u64(&value, (uint64_t)anchor->wall_ms);
	CK_RV rv = value.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the anchor")
				: sr_hsm_anchor_write(hsm, vault_id, &value, err);
	sr_buf_clear(&value);
	return rv;
}
