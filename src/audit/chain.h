/* The hash chain: head(n) = SHA-256(head(n-1) || SHA-256(record n)), head(0) from the chain's random id. */
#ifndef SR_AUDIT_CHAIN_H
#define SR_AUDIT_CHAIN_H

#include "store/rows.h"
#include "util/crypto.h"

#define SR_CHAIN_ID_MAX 33

/** sr_event_pack(event, out): the canonical record ("strongroom/event/1" and every field of struct sr_event in its
 *  order, the id first; the event by its name, the status by its name): what the chain hashes. */
void sr_event_pack(const struct sr_event *event, struct sr_buf *out);

/** sr_chain_start(chain_id, head): SEQ 0. */
bool sr_chain_start(const char *chain_id, struct sr_head *head);

/** sr_chain_next(head, event): moves HEAD over EVENT, whose id must be head->seq + 1; false otherwise. */
bool sr_chain_next(struct sr_head *head, const struct sr_event *event);

/** sr_event_sets_clock(event): whether EVENT may be older than the record before it: an admin has accepted the wall
 *  clock. No other may. */
bool sr_event_sets_clock(const struct sr_event *event);

/** The number of a head outside the database, in the anchor and the heads file: its epoch in the upper 16 bits, its
 *  sequence below, so that whatever a restored vault knows is newer than all from before. sr_head_number(head);
 *  sr_head_set_number(head, number). */
#define SR_EPOCH_MAX 65535u
#define SR_EPOCH_META "epoch" /* of the store's meta texts: decimal; absent: 0 */
uint64_t sr_head_number(const struct sr_head *head);
void sr_head_set_number(struct sr_head *head, uint64_t number);

/** The generation of the wrap, mac and audit keys that makes what is new: of the store's meta texts: decimal;
 * absent: 1. It is only said there: what it says is the truth where the standing's MAC is of that generation. */
#define SR_KEYS_META "key-generation"

/** sr_checkpoint_digest(chain_id, head, digest): what the audit key signs. */
bool sr_checkpoint_digest(const char *chain_id, const struct sr_head *head, uint8_t digest[SR_SHA256_LEN]);

/** sr_audit_key_digest(chain_id, generation, spki, len, digest): what a generation's key signs of the next one. */
bool sr_audit_key_digest(
	const char *chain_id, uint32_t generation, const uint8_t *spki, size_t len, uint8_t digest[SR_SHA256_LEN]);

#endif
