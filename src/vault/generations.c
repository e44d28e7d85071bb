/* Which generations of the HSM's keys there are, and what is by which. */
#include "vault/generations.h"

#include "audit/state.h"

#include <stdio.h>
#include <string.h>

#define OLDEST "keys:oldest"
#define LATE "keys:late"

static CK_RV read_generation(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	unsigned *generation, struct sr_error *err)
{
	uint64_t value;
	CK_RV rv = sr_state_get(vault->store, at, subject, &value, err);
	if (rv == CKR_OK && value > SR_KEYS_GENERATION_MAX)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the vault's key generation cannot be; restore the right database");
	*generation = (unsigned)value;
	return rv;
}

CK_RV sr_keys_oldest(struct sr_vault *vault, const struct sr_moment *at, unsigned *oldest, struct sr_error *err)
{
	CK_RV rv = read_generation(vault, at, OLDEST, oldest, err);
	if (*oldest == 0)
		*oldest = 1;
	return rv;
}

CK_RV sr_keys_span(struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_span *span, struct sr_error *err)
{
	span->newest = span->oldest = at->generation;
	return at->generation > 1 ? sr_keys_oldest(vault, at, &span->oldest, err) : CKR_OK;
}

CK_RV sr_keys_span_now(struct sr_vault *vault, struct sr_keys_span *span, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_keys_span(vault, &at, span, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

CK_RV sr_keys_begun(struct sr_vault *vault, const struct sr_moment *at, unsigned generation, uint64_t *event_id,
	struct sr_error *err)
{
	char subject[40];
	snprintf(subject, sizeof(subject), "keys:begun:%u", generation);
	return sr_state_get(vault->store, at, subject, event_id, err);
}

/* -- what is by which -------------------------------------------------------------------------------------------- */

static void hashed_subject(enum sr_hashed what, const char *name, char subject[SR_SUBJECT_MAX + 24])
{
	static const char *const words[] = { "token", "member", "agent", "agent-old", "material" };
	snprintf(subject, SR_SUBJECT_MAX + 24, "keyed:%s:%s", words[what], name);
}

CK_RV sr_keys_note(struct sr_vault *vault, struct sr_moment *at, enum sr_hashed what, const char *name,
	unsigned generation, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX + 24];
	if (at->generation == 1)
		return CKR_OK;
	hashed_subject(what, name, subject);
	return sr_state_put(vault->store, at, subject, generation, err);
}

CK_RV sr_keys_noted(struct sr_vault *vault, const struct sr_moment *at, enum sr_hashed what, const char *name,
	unsigned *generation, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX + 24];
	hashed_subject(what, name, subject);
	return read_generation(vault, at, subject, generation, err);
}

/* Made before the transaction: by then that generation may be retired, and nobody could prove it any more. */
static CK_RV check_alive(struct sr_vault *vault, const struct sr_moment *at, unsigned generation, struct sr_error *err)
{
	unsigned oldest = 1;
	if (generation >= at->generation)
		return CKR_OK;
	CK_RV rv = sr_keys_oldest(vault, at, &oldest, err);
	if (rv == CKR_OK && generation < oldest)
		rv = sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_CHANGED_MEANWHILE,
			"not stored: the HSM's keys were changed meanwhile; try again");
	return rv;
}

/* Drawn before the transaction in which its row is made; a newer generation may have begun in between. */
CK_RV sr_keys_note_token(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *row, struct sr_error *err)
{
	if (row->hash_generation == 0 || row->hash_generation == at->generation)
		return CKR_OK;
	CK_RV rv = check_alive(vault, at, row->hash_generation, err);
	return rv == CKR_OK ? sr_keys_note(vault, at, SR_HASHED_TOKEN, row->id, row->hash_generation, err) : rv;
}

CK_RV sr_keys_note_member(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_member_row *row, struct sr_error *err)
{
	if (row->hash_generation == 0)
		return CKR_OK;
	CK_RV rv = check_alive(vault, at, row->hash_generation, err);
	return rv == CKR_OK ? sr_keys_note(vault, at, SR_HASHED_MEMBER, row->name, row->hash_generation, err) : rv;
}

/* The key that it had is the one before, if it keeps one. */
CK_RV sr_keys_note_agent(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err)
{
	unsigned before = 0;
	if (row->hash_generation == 0 || at->generation == 1)
		return CKR_OK;
	CK_RV rv = check_alive(vault, at, row->hash_generation, err);
	if (rv == CKR_OK)
		rv = sr_keys_noted(vault, at, SR_HASHED_AGENT, row->name, &before, err);
	if (rv == CKR_OK)
		rv = sr_keys_note(vault, at, SR_HASHED_AGENT_OLD, row->name, before ? before : 1, err);
	return rv == CKR_OK ? sr_keys_note(vault, at, SR_HASHED_AGENT, row->name, row->hash_generation, err) : rv;
}

/* Wrapped before the transaction, too; or changed in another way than by wrapping it anew. */
static CK_RV note_wrapped(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_key_row *row, struct sr_error *err)
{
	unsigned generation = sr_hsm_wrapped_generation(&row->blob);
	if (generation >= at->generation)
		return CKR_OK;
	CK_RV rv = check_alive(vault, at, generation, err);
	return rv == CKR_OK ? sr_state_put(vault->store, at, LATE, at->event_id, err) : rv;
}

CK_RV sr_keys_note_key(struct sr_vault *vault, struct sr_moment *at, const struct sr_key_row *row, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	if (row->custody == SR_CUSTODY_WRAPPED && row->blob.len)
		return note_wrapped(vault, at, row, err);
	if (row->material_generation == 0)
		return CKR_OK;
	sr_rows_subject_of_key(row->part, row->path, subject);
	return sr_keys_note(vault, at, SR_HASHED_MATERIAL, subject, row->material_generation, err);
}

CK_RV sr_keys_late(struct sr_vault *vault, const struct sr_moment *at, uint64_t *event_id, struct sr_error *err)
{
	return sr_state_get(vault->store, at, LATE, event_id, err);
}

/* -- rows -------------------------------------------------------------------------------------------------------- */

static CK_RV is_by(struct sr_vault *vault, unsigned generation, const struct sr_buf *packed,
	const uint8_t mac[SR_MAC_LEN], bool *fits, struct sr_error *err)
{
	uint8_t own[SR_HSM_MAC_LEN];
	CK_RV rv = sr_hsm_mac_by(vault->hsm, generation, packed->data, packed->len, own, err);
	*fits = rv == CKR_OK && sr_equal(own, mac, sizeof(own));
	return rv;
}

CK_RV sr_rows_mac_generation(struct sr_vault *vault, const struct sr_moment *at, const struct sr_buf *packed,
	const uint8_t mac[SR_MAC_LEN], unsigned *generation, struct sr_error *err)
{
	struct sr_keys_span span = { 0, 0 };
	bool fits = false;
	*generation = at->generation;
	CK_RV rv = is_by(vault, at->generation, packed, mac, &fits, err);
	if (rv != CKR_OK || fits)
		return rv;
	rv = sr_keys_span(vault, at, &span, err);
	for (unsigned i = span.newest; rv == CKR_OK && !fits && i > span.oldest; i--) {
		*generation = i - 1;
		rv = is_by(vault, i - 1, packed, mac, &fits, err);
	}
	if (!fits)
		*generation = 0;
	return rv;
}
