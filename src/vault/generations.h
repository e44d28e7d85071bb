/* Generations of the wrap, mac and audit keys, as the state tree tells them (docs/backup.md). Everything that is made
 * is made by the newest, which a transaction knows by what vouches for it (struct sr_moment); whatever is checked may
 * be by any that is not retired.
 *
 * What tells which key has made a keyed hash: a token's is of the generation in which its row was made; of members,
 * agents and resident keys the state tree says it, where it is not the first. */
#ifndef SR_VAULT_GENERATIONS_H
#define SR_VAULT_GENERATIONS_H

#include "hsm/generations.h"
#include "vault/core.h"

/** struct sr_keys_span: those that are not retired. */
struct sr_keys_span {
	unsigned newest, oldest;
};

/** sr_keys_oldest(vault, at, oldest, err): the oldest that is not retired. sr_keys_span(vault, at, span, err): both;
 *  sr_keys_span_now(vault, span, err): in a look of its own. */
CK_RV sr_keys_oldest(struct sr_vault *vault, const struct sr_moment *at, unsigned *oldest, struct sr_error *err);
CK_RV sr_keys_span(struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_span *span, struct sr_error *err);
CK_RV sr_keys_span_now(struct sr_vault *vault, struct sr_keys_span *span, struct sr_error *err);

/** sr_keys_moved(vault, at, generation, err): in the first job of a vault that was moved to another HSM: there is no
 *  older one than GENERATION, and every row is by it. SR_KEYS_DONE: the state tree's number of the generation that
 * every row was brought under. */
#define SR_KEYS_DONE "keys:done"
CK_RV sr_keys_moved(struct sr_vault *vault, struct sr_moment *at, unsigned generation, struct sr_error *err);

/** sr_keys_count(vault, at, count, err): how many numbers the state tree has of generations, beside those of backups
 * and what is noted of rows. */
CK_RV sr_keys_count(struct sr_vault *vault, const struct sr_moment *at, uint64_t *count, struct sr_error *err);

/** sr_keys_begun(vault, at, generation, event_id, err): the record that began GENERATION; 0 for the first. */
CK_RV sr_keys_begun(struct sr_vault *vault, const struct sr_moment *at, unsigned generation, uint64_t *event_id,
	struct sr_error *err);

enum sr_hashed { SR_HASHED_TOKEN, SR_HASHED_MEMBER, SR_HASHED_AGENT, SR_HASHED_AGENT_OLD, SR_HASHED_MATERIAL };

/** sr_keys_note(vault, at, what, name, generation, err): that what is keyed of NAME is by GENERATION from now on. Costs
 *  nothing in a vault that has but the first. sr_keys_noted(vault, at, what, name, generation, err): what was noted; 0:
 *  nothing. */
CK_RV sr_keys_note(struct sr_vault *vault, struct sr_moment *at, enum sr_hashed what, const char *name,
	unsigned generation, struct sr_error *err);
CK_RV sr_keys_noted(struct sr_vault *vault, const struct sr_moment *at, enum sr_hashed what, const char *name,
	unsigned *generation, struct sr_error *err);

/** sr_keys_note_token(vault, at, row, err), _member, _agent, _key: as a row is put: what is new in it. A key wrapped by
 *  a generation that is retired by now is refused (CHANGED_MEANWHILE). */
CK_RV sr_keys_note_token(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *row, struct sr_error *err);
CK_RV sr_keys_note_member(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_member_row *row, struct sr_error *err);
CK_RV sr_keys_note_agent(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err);
CK_RV sr_keys_note_key(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_key_row *row, struct sr_error *err);

/** sr_keys_late(vault, at, event_id, err): the newest record that has put a key wrapped by an older generation than was
 *  the newest; 0: none. */
CK_RV sr_keys_late(struct sr_vault *vault, const struct sr_moment *at, uint64_t *event_id, struct sr_error *err);

/** sr_rows_mac_generation(vault, at, packed, mac, generation, err): which generation has made MAC over PACKED; 0: none
 *  that is not retired. */
CK_RV sr_rows_mac_generation(struct sr_vault *vault, const struct sr_moment *at, const struct sr_buf *packed,
	const uint8_t mac[SR_MAC_LEN], unsigned *generation, struct sr_error *err);

#endif
