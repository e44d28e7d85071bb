/* The standing, sealed and confirmed. */
#include "audit/standing.h"

#include "util/pack.h"

#include <string.h>

static CK_RV compute(
	const struct sr_place *place, const struct sr_standing_row *row, uint8_t mac[SR_MAC_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, place->epoch ? "strongroom/standing/2" : "strongroom/standing/1");
	if (place->epoch)
		sr_pack_u64(&packed, place->epoch);
	sr_pack_text(&packed, place->vault_id);
	sr_pack_text(&packed, place->chain_id);
	sr_pack_u64(&packed, row->head.seq);
	sr_pack_bytes(&packed, row->head.hash, sizeof row->head.hash);
	sr_pack_u64(&packed, (uint64_t)row->newest_ms);
	sr_pack_bytes(&packed, row->root, sizeof row->root);
	CK_RV rv = packed.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal the standing")
				 : sr_hsm_mac(place->hsm, packed.data, packed.len, mac, err);
	sr_buf_clear(&packed);
	return rv;
}

CK_RV sr_standing_seal(const struct sr_place *place, struct sr_standing_row *row, struct sr_error *err)
{
	return compute(place, row, row->mac, err);
}

static bool same_row(const struct sr_standing_row *a, const struct sr_standing_row *b)
{
	return a->head.seq == b->head.seq && a->newest_ms == b->newest_ms &&
	       memcmp(a->head.hash, b->head.hash, sizeof a->head.hash) == 0 &&
	       memcmp(a->root, b->root, sizeof a->root) == 0 && sr_equal(a->mac, b->mac, sizeof a->mac);
}

void sr_trust_keep(struct sr_trust *trust, const struct sr_standing_row *row)
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

static bool is_known(struct sr_trust *trust, const struct sr_standing_row *row)
{
	pthread_mutex_lock(&trust->lock);
	bool known = trust->any && same_row(&trust->row, row);
	pthread_mutex_unlock(&trust->lock);
	return known;
}

CK_RV sr_standing_confirm(struct sr_trust *trust, const struct sr_place *place, const struct sr_standing_row *row,
	bool found, struct sr_error *err)
{
	uint8_t mac[SR_MAC_LEN];
	if (!found)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the database lacks its standing record; run strongroom doctor, and restore the right "
			"database");
	if (is_known(trust, row))
		return CKR_OK;
	CK_RV rv = compute(place, row, mac, err);
	if (rv != CKR_OK)
		return rv;
	if (!sr_equal(mac, row->mac, sizeof mac))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"the database's standing record was changed outside Strongroom; restore the right database");
	sr_trust_keep(trust, row);
	return CKR_OK;
}

CK_RV sr_standing_read(struct sr_trust *trust, const struct sr_place *place, struct sr_tx *tx,
	struct sr_standing_row *row, struct sr_error *err)
{
	bool found;
	CK_RV rv = place->store->ops->standing_get(tx, row, &found, err);
	return rv == CKR_OK ? sr_standing_confirm(trust, place, row, found, err) : rv;
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
