/* The canonical record and the hash chain over it (docs/audit.md has both byte by byte). */
#include "audit/chain.h"

#include "util/pack.h"

#include <string.h>

#define EVENT_LABEL "strongroom/event/1"
#define CHAIN_LABEL "strongroom/chain/1"
#define AUDIT_KEY_LABEL "strongroom/audit-key/1"
#define CHECKPOINT_LABEL "strongroom/checkpoint/1"

#define PACKED_MOSTLY 600 /* few are longer: those grow */

void sr_event_pack(const struct sr_event *event, struct sr_buf *out)
{
	sr_buf_reserve(out, PACKED_MOSTLY);
	sr_pack_text(out, EVENT_LABEL);
	sr_pack_u64(out, event->id);
	sr_pack_u64(out, (uint64_t)event->timestamp_ms);
	sr_pack_text(out, sr_event_name(event->kind));
	sr_pack_text(out, sr_status_name(event->status));
	sr_pack_text(out, event->actor_type);
	sr_pack_text(out, event->actor_id);
	sr_pack_text(out, event->token_id);
	sr_pack_text(out, event->ip);
	sr_pack_text(out, event->peer);
	sr_pack_text(out, event->function);
	sr_pack_text(out, event->rv);
	sr_pack_text(out, event->reason);
	sr_pack_text(out, event->path);
	sr_pack_text(out, event->tier);
	sr_pack_u64(out, event->version);
	sr_pack_text(out, event->subject);
	sr_pack_u64(out, event->counted ? 1 : 0);
	sr_pack_text(out, event->metadata);
}

/* Takes what PACKED holds, and clears it. */
static bool digest(struct sr_buf *packed, uint8_t out[SR_SHA256_LEN])
{
	bool ok = !packed->failed && sr_sha256(packed->data, packed->len, out);
	sr_buf_clear(packed);
	return ok;
}

bool sr_chain_start(const char *chain_id, struct sr_head *head)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, CHAIN_LABEL);
	sr_pack_text(&packed, chain_id);
	head->seq = head->epoch = 0;
	return digest(&packed, head->hash);
}

bool sr_chain_next(struct sr_head *head, const struct sr_event *event)
{
	if (event->id != head->seq + 1)
		return false;
	struct sr_buf packed = SR_BUF_INIT;
	uint8_t record[SR_SHA256_LEN];
	struct sr_head next = { .seq = event->id };
	sr_event_pack(event, &packed);
	if (!digest(&packed, record) || !sr_sha256_2(head->hash, sizeof head->hash, record, sizeof record, next.hash))
		return false;
	*head = next;
	return true;
}

bool sr_event_sets_clock(const struct sr_event *event)
{
	return event->kind == SR_EVENT_VAULT_CLOCK_ACCEPTED && event->status == SR_STATUS_ALLOWED;
}

bool sr_checkpoint_digest(const char *chain_id, const struct sr_head *head, uint8_t out[SR_SHA256_LEN])
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, CHECKPOINT_LABEL);
	sr_pack_text(&packed, chain_id);
	sr_pack_u64(&packed, head->seq);
	sr_pack_bytes(&packed, head->hash, sizeof head->hash);
	return digest(&packed, out);
}

bool sr_audit_key_digest(
	const char *chain_id, uint32_t generation, const uint8_t *spki, size_t len, uint8_t out[SR_SHA256_LEN])
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, AUDIT_KEY_LABEL);
	sr_pack_text(&packed, chain_id);
	sr_pack_u64(&packed, generation);
	sr_pack_bytes(&packed, spki, len);
	return digest(&packed, out);
}

#define EPOCH_SHIFT 48

uint64_t sr_head_number(const struct sr_head *head)
{
	return head->epoch << EPOCH_SHIFT | head->seq;
}

void sr_head_set_number(struct sr_head *head, uint64_t number)
{
	head->epoch = number >> EPOCH_SHIFT;
	head->seq = number & ((UINT64_C(1) << EPOCH_SHIFT) - 1);
}
