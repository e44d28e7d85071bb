/* The standing, sealed and confirmed. */
#include "audit/standing.h"

#include "audit/keys.h"
#include "hsm/generations.h"
#include "util/pack.h"

#include <string.h>

static void pack(const struct sr_place *place, const struct sr_standing_row *row, struct sr_buf *packed)
{
	sr_pack_text(packed, place->epoch ? "strongroom/standing/2" : "strongroom/standing/1");
	if (place->epoch)
		sr_pack_u64(packed, place->epoch);
	sr_pack_text(packed, place->vault_id);
	sr_pack_text(packed, place->chain_id);
	sr_pack_u64(packed, row->head.seq);
	sr_pack_bytes(packed, row->head.hash, sizeof row->head.hash);
	sr_pack_u64(packed, (uint64_t)row->newest_ms);
	sr_pack_bytes(packed, row->root, sizeof row->root);
}

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal the standing");
}

typedef CK_RV mac_function(struct sr_hsm *hsm, unsigned generation, const void *data, size_t len,
	uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err);

static CK_RV compute(const struct sr_place *place, const struct sr_standing_row *row, mac_function *make,
	unsigned generation, uint8_t mac[SR_MAC_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	pack(place, row, &packed);
	CK_RV rv = packed.failed ? no_memory(err) : make(place->hsm, generation, packed.data, packed.len, mac, err);
	sr_buf_clear(&packed);
	return rv;
}

static CK_RV seal(const struct sr_place *place, struct sr_standing_row *row, mac_function *make, struct sr_error *err)
{
	if (row->generation == 0)
		row->generation = sr_hsm_generation(place->hsm);
	return compute(place, row, make, row->generation, row->mac, err);
}

CK_RV sr_standing_seal(const struct sr_place *place, struct sr_standing_row *row, struct sr_error *err)
{
	return seal(place, row, sr_hsm_mac_to_keep, err);
}

CK_RV sr_standing_seal_once(const struct sr_place *place, struct sr_standing_row *row, struct sr_error *err)
{
	return seal(place, row, sr_hsm_mac_by, err);
}

bool sr_standing_same(const struct sr_standing_row *a, const struct sr_standing_row *b)
{
	return a->head.seq == b->head.seq && a->newest_ms == b->newest_ms &&
	       memcmp(a->head.hash, b->head.hash, sizeof a->head.hash) == 0 &&
	       memcmp(a->root, b->root, sizeof a->root) == 0 && sr_equal(a->mac, b->mac, sizeof a->mac);
}

static void keep(struct sr_trust *trust, const struct sr_standing_row *row)
{
	pthread_mutex_lock(&trust->lock);
	if (!trust->any || row->head.seq >= trust->row.head.seq)
		trust->row = *row;
	trust->any = true;
	pthread_mutex_unlock(&trust->lock);
}

struct sr_head sr_trust_head(struct sr_trust *trust)
{
	pthread_mutex_lock(&trust->lock);
	struct sr_head head = trust->row.head;
	pthread_mutex_unlock(&trust->lock);
	return head;
}

bool sr_trust_row(struct sr_trust *trust, struct sr_standing_row *row)
{
	pthread_mutex_lock(&trust->lock);
	bool any = trust->any;
	*row = trust->row;
	pthread_mutex_unlock(&trust->lock);
	return any;
}

static bool is_known(struct sr_trust *trust, struct sr_standing_row *row)
{
	pthread_mutex_lock(&trust->lock);
	bool known = trust->any && sr_standing_same(&trust->row, row);
	if (known)
		row->generation = trust->row.generation;
	pthread_mutex_unlock(&trust->lock);
	return known;
}

/* -- generations of the mac key ---------------------------------------------------------------------------------- */

/* Before the HSM's newest is another one: a thread that reads what was finds that it may. */
static CK_RV follow(
	struct sr_trust *trust, const struct sr_place *place, const struct sr_standing_row *row, struct sr_error *err)
{
	if (row->generation <= sr_hsm_generation(place->hsm))
		return CKR_OK;
	pthread_mutex_lock(&trust->lock);
	if (row->generation > trust->generation) {
		trust->generation = row->generation;
		trust->since = row->head.seq;
	}
	pthread_mutex_unlock(&trust->lock);
	return sr_hsm_advance(place->hsm, row->generation, err);
}

void sr_standing_kept(struct sr_trust *trust, const struct sr_place *place, const struct sr_standing_row *row)
{
	struct sr_error ignored = SR_ERROR_INIT; /* the next look tries again */
	(void)follow(trust, place, row, &ignored);
	keep(trust, row);
}

/* Whether ROW is by that generation. One that the HSM does not have has made nothing: REFUSED tells of it. */
static CK_RV try_by(const struct sr_place *place, struct sr_standing_row *row, unsigned generation, bool *fits,
	struct sr_error *refused, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	uint8_t mac[SR_MAC_LEN];
	CK_RV rv = compute(place, row, sr_hsm_mac_by, generation, mac, &why);
	*fits = rv == CKR_OK && sr_equal(mac, row->mac, sizeof mac);
	if (*fits)
		row->generation = generation;
	if (rv == CKR_OK)
		return rv;
	if (why.reason != SR_REASON_HSM_KEY_REFUSED)
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	*refused = why;
	return CKR_OK;
}

static CK_RV said_generation(const struct sr_place *place, struct sr_tx *tx, unsigned *generation, struct sr_error *err)
{
	struct sr_store *store = place->store;
	struct sr_tx *own = NULL;
	CK_RV rv = tx ? CKR_OK : store->ops->begin_read(store, &own, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_keys_said(store, tx ? tx : own, generation, err);
	if (own)
		store->ops->rollback(own);
	return rv;
}

/* Another process has begun a newer generation; or this one has, and what is read was before. */
static CK_RV try_others(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, unsigned known, bool *fits, struct sr_error *err)
{
	unsigned said = 1, before = 0;
	struct sr_error ignored = SR_ERROR_INIT;
	pthread_mutex_lock(&trust->lock);
	if (row->head.seq < trust->since)
		before = trust->generation - 1;
	pthread_mutex_unlock(&trust->lock);
	CK_RV rv = said_generation(place, tx, &said, err);
	if (rv == CKR_OK && said > known)
		rv = try_by(place, row, said, fits, &ignored, err);
	if (rv == CKR_OK && !*fits && before)
		rv = try_by(place, row, before, fits, &ignored, err);
	return rv;
}

static CK_RV confirm(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, bool *fits, struct sr_error *err)
{
	unsigned known = sr_hsm_generation(place->hsm);
	struct sr_error refused = SR_ERROR_INIT;
	CK_RV rv = try_by(place, row, known, fits, &refused, err);
	if (rv == CKR_OK && !*fits)
		rv = try_others(trust, place, tx, row, known, fits, err);
	if (rv != CKR_OK || *fits)
		return rv;
	if (refused.rv != CKR_OK)
		return sr_fail(err, refused.rv, refused.reason, "%s", refused.text);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
		"the database's standing record was changed outside Strongroom; restore the right database");
}

CK_RV sr_standing_confirm(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, bool found, struct sr_error *err)
{
	bool fits = false;
	if (!found)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the database lacks its standing record; run strongroom doctor, and restore the right "
			"database");
	if (is_known(trust, row))
		return follow(trust, place, row, err);
	CK_RV rv = confirm(trust, place, tx, row, &fits, err);
	if (rv == CKR_OK)
		rv = follow(trust, place, row, err);
	if (rv == CKR_OK)
		keep(trust, row);
	return rv;
}

CK_RV sr_standing_read(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, struct sr_error *err)
{
	bool found;
	CK_RV rv = place->store->ops->standing_get(tx, row, &found, err);
	return rv == CKR_OK ? sr_standing_confirm(trust, place, tx, row, found, err) : rv;
}

CK_RV sr_standing_fits(
	const struct sr_place *place, struct sr_tx *tx, const struct sr_standing_row *row, struct sr_error *err)
{
	struct sr_head head;
	int64_t timestamp_ms;
	unsigned long long seq = row->head.seq;
	CK_RV rv = place->store->ops->event_head(tx, &head, &timestamp_ms, err);
	if (rv != CKR_OK || (head.seq == 0 && seq == 0))
		return rv;
	if (head.seq < seq)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROLLED_BACK,
			"the database ends at record %llu, the vault stands at record %llu: its end was cut off; "
			"restore the right one",
			(unsigned long long)head.seq, seq);
	if (head.seq > seq || memcmp(head.hash, row->head.hash, sizeof head.hash) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"record %llu was not written by Strongroom, or changed since; restore the right database",
			(unsigned long long)head.seq);
	return CKR_OK;
}
