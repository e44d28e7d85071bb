/* A chain that goes on in a new epoch: from a backup, or under another HSM. */
#include "audit/check.h"
#include "audit/heads.h"

#include <stdio.h>
#include <string.h>

/* The vault's later records are lost on purpose, but what both know must be the same: else it is another's backup, or
 * somebody rewrote it. */
static CK_RV check_anchor(const struct sr_place *place, struct sr_trust *trust, const struct sr_standing *standing,
	struct sr_restored *restored, struct sr_error *err)
{
	struct sr_standing_row row;
	struct sr_witness anchor;
	struct sr_tx *tx;
	CK_RV rv = sr_witness_anchor(place, &anchor, &restored->known_ms, err);
	restored->known = anchor.head;
	restored->found = anchor.found;
	if (rv != CKR_OK || !anchor.found || anchor.head.epoch != place->epoch || anchor.head.seq > standing->head.seq)
		return rv;
	rv = place->store->ops->begin_read(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_standing_read(trust, place, tx, &row, err);
	if (rv == CKR_OK)
		rv = sr_witness_check(place, tx, &row, standing->head.seq, &anchor, err);
	place->store->ops->rollback(tx);
	return rv;
}

static CK_RV check_end(
	const struct sr_standing *standing, const struct sr_head *expected, uint64_t epoch, struct sr_error *err)
{
	bool same = standing->head.seq == expected->seq && epoch == expected->epoch &&
		    memcmp(standing->head.hash, expected->hash, sizeof expected->hash) == 0;
	return same ? CKR_OK
		    : sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			      "the copied database ends at record %llu, and should at %llu",
			      (unsigned long long)standing->head.seq, (unsigned long long)expected->seq);
}

static CK_RV put_key(
	const struct sr_store_ops *ops, struct sr_tx *tx, const struct sr_audit_key_row *key, struct sr_error *err)
{
	char text[16];
	snprintf(text, sizeof text, "%u", (unsigned)key->generation);
	CK_RV rv = ops->audit_key_put(tx, key, err);
	return rv == CKR_OK ? ops->meta_put(tx, SR_KEYS_META, text, err) : rv;
}

/* What the HSM vouches for, in the words of the new epoch. KEY: of another HSM, whose place this is now; NULL: it is
 * the same. */
static CK_RV put_epoch(const struct sr_place *place, const struct sr_audit_key_row *key, struct sr_error *err)
{
	const struct sr_store_ops *ops = place->store->ops;
	struct sr_standing_row row;
	struct sr_tx *tx;
	char text[24];
	bool found;
	CK_RV rv = ops->begin_write(place->store, &tx, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(text, sizeof text, "%llu", (unsigned long long)place->epoch);
	rv = ops->meta_put(tx, SR_EPOCH_META, text, err);
	if (rv == CKR_OK && key)
		rv = put_key(ops, tx, key, err);
	if (rv == CKR_OK)
		rv = ops->standing_get(tx, &row, &found, err);
	if (rv == CKR_OK)
		rv = sr_standing_seal(place, &row, err);
	if (rv == CKR_OK)
		rv = ops->standing_put(tx, &row, err);
	if (rv == CKR_OK)
		return ops->commit(tx, err);
	ops->rollback(tx);
	return rv;
}

static CK_RV begin_epoch(struct sr_place *place, const struct sr_standing *standing, const struct sr_audit_key_row *key,
	struct sr_restored *restored, struct sr_error *err)
{
	uint64_t theirs = restored->found ? restored->known.epoch : 0;
	struct sr_anchor anchor = { .head = standing->head };
	struct sr_now now;
	restored->epoch = (theirs > place->epoch ? theirs : place->epoch) + 1;
	if (restored->epoch > SR_EPOCH_MAX)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_TOO_LARGE, "the vault was restored %u times: no more",
			SR_EPOCH_MAX);
	place->epoch = restored->epoch;
	anchor.head.epoch = restored->epoch;
	sr_clock_now(&now);
	anchor.wall_ms = now.wall_ms;
	CK_RV rv = put_epoch(place, key, err);
	if (rv == CKR_OK)
		rv = sr_heads_write(place->heads_path, place->chain_id, &anchor.head, err);
	return rv == CKR_OK ? sr_anchor_write(place->hsm, place->vault_id, place->chain_id, &anchor, err) : rv;
}

/** struct copied: a chain that ends where it should, as far as the database and its HSM say. */
struct copied {
	struct sr_place place;
	struct sr_trust trust;
	struct sr_standing standing;
};

static CK_RV look_copied(const struct sr_writer_config *config, const struct sr_head *expected, struct copied *copied,
	struct sr_error *err)
{
	*copied = (struct copied){ .trust = { .lock = PTHREAD_MUTEX_INITIALIZER } };
	CK_RV rv = sr_place_find(config, &copied->place, err);
	if (rv == CKR_OK)
		rv = sr_audit_look_inside(&copied->place, &copied->trust, &copied->standing, err);
	return rv == CKR_OK ? check_end(&copied->standing, expected, copied->place.epoch, err) : rv;
}

CK_RV sr_writer_restore_chain(const struct sr_writer_config *config, const struct sr_head *expected,
	struct sr_restored *restored, struct sr_error *err)
{
	struct copied copied;
	memset(restored, 0, sizeof *restored);
	CK_RV rv = look_copied(config, expected, &copied, err);
	if (rv == CKR_OK)
		rv = check_anchor(&copied.place, &copied.trust, &copied.standing, restored, err);
	restored->was = *expected;
	if (rv != CKR_OK)
		return rv;
	rv = begin_epoch(&copied.place, &copied.standing, NULL, restored, err);
	if (rv != CKR_OK)
		sr_writer_restore_undo(config, restored);
	return rv;
}

/* -- a chain that goes on under another HSM's audit key ------------------------------------------------------------ */

CK_RV sr_writer_look_copy(const struct sr_writer_config *config, const struct sr_head *expected,
	struct sr_moment *moment, struct sr_error *err)
{
	struct copied copied;
	struct sr_standing_row row;
	memset(moment, 0, sizeof *moment);
	CK_RV rv = look_copied(config, expected, &copied, err);
	if (rv != CKR_OK || !sr_trust_row(&copied.trust, &row))
		return rv;
	sr_clock_now(&moment->now);
	moment->not_before_ms = row.newest_ms;
	memcpy(moment->root, row.root, sizeof moment->root);
	moment->generation = row.generation;
	return CKR_OK;
}

/* The old key vouches for the new one: whoever trusts the first of them can follow. */
static CK_RV sign_key(
	const struct sr_place *place, struct sr_hsm *to, struct sr_audit_key_row *key, struct sr_error *err)
{
	uint8_t digest[SR_SHA256_LEN], signature[SR_HSM_SIGNATURE_LEN];
	key->generation = sr_hsm_generation(to);
	if (key->generation != sr_hsm_generation(place->hsm) + 1 || key->generation > SR_GENERATIONS_MAX)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "audit keys have no generation %u behind %u",
			key->generation, sr_hsm_generation(place->hsm));
	CK_RV rv = sr_hsm_audit_key(to, &key->spki, err);
	if (rv == CKR_OK &&
		!sr_audit_key_digest(place->chain_id, key->generation, key->spki.data, key->spki.len, digest))
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to sign an audit key");
	if (rv == CKR_OK)
		rv = sr_hsm_sign(place->hsm, digest, signature, err);
	if (rv == CKR_OK)
		sr_buf_append(&key->signature, signature, sizeof signature);
	return rv == CKR_OK && key->signature.failed
		       ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to sign an audit key")
		       : rv;
}

CK_RV sr_writer_move_chain(const struct sr_writer_config *config, struct sr_hsm *to, const struct sr_head *expected,
	struct sr_restored *restored, struct sr_error *err)
{
	struct copied copied;
	struct sr_audit_key_row key = { .generation = 0 };
	memset(restored, 0, sizeof *restored);
	CK_RV rv = look_copied(config, expected, &copied, err);
	if (rv == CKR_OK)
		rv = check_anchor(&copied.place, &copied.trust, &copied.standing, restored, err);
	if (rv == CKR_OK)
		rv = sign_key(&copied.place, to, &key, err);
	restored->was = *expected;
	copied.place.hsm = to;
	if (rv == CKR_OK)
		rv = begin_epoch(&copied.place, &copied.standing, &key, restored, err);
	sr_audit_key_row_clear(&key);
	return rv;
}

/* The anchor goes down nowhere else: the greatest number stays. So it is taken away first. */
void sr_writer_restore_undo(const struct sr_writer_config *config, const struct sr_restored *restored)
{
	struct sr_anchor anchor = { .head = restored->known, .wall_ms = restored->known_ms };
	struct sr_error ignored = SR_ERROR_INIT;
	struct sr_place place;
	if (!restored->found || !restored->epoch || sr_place_find(config, &place, &ignored) != CKR_OK)
		return;
	sr_hsm_anchor_destroy(config->hsm, config->vault_id);
	(void)sr_anchor_write(config->hsm, config->vault_id, place.chain_id, &anchor, &ignored);
}
