/* Walking the state tree from a bucket up to the root, to prove or to change. */
#include "audit/state.h"

#include "audit/proven.h"
#include "util/crypto.h"
#include "util/pack.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS 4
#define BUCKET_LABEL "strongroom/state-bucket/1"
#define NODE_LABEL "strongroom/state-node/1"

/** struct walk: one subject's way up. NODES from the root down; DIGEST of its bucket, VALUE of its entry. */
struct walk {
	uint8_t key[SR_HASH_LEN];
	uint64_t value;
	uint8_t digest[SR_HASH_LEN];
	struct sr_node_row nodes[LEVELS];
};

static CK_RV no_hash(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look up the state");
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* -- buckets ----------------------------------------------------------------------------------------------------- */

/** struct bucket: a bucket as it is packed. CHANGE: with the walk's own entry set to VALUE, in its place by key. */
struct bucket {
	struct walk *walk;
	struct sr_buf packed;
	bool change, placed;
	uint64_t value;
};

static void pack_entry(struct bucket *bucket, const uint8_t key[SR_HASH_LEN], uint64_t value)
{
	if (bucket->packed.len == 0)
		sr_pack_text(&bucket->packed, BUCKET_LABEL);
	sr_pack_bytes(&bucket->packed, key, SR_HASH_LEN);
	sr_pack_u64(&bucket->packed, value);
}

static void place_change(struct bucket *bucket)
{
	if (bucket->change && !bucket->placed)
		pack_entry(bucket, bucket->walk->key, bucket->value);
	bucket->placed = true;
}

static bool add_entry(const uint8_t key[SR_HASH_LEN], uint64_t value, void *ctx)
{
	struct bucket *bucket = ctx;
	int order = memcmp(key, bucket->walk->key, SR_HASH_LEN);
	if (order == 0 && !bucket->change)
		bucket->walk->value = value;
	if (order >= 0)
		place_change(bucket);
	if (order != 0 || !bucket->change)
		pack_entry(bucket, key, value);
	return true;
}

static uint16_t bucket_number(const struct walk *walk)
{
	return (uint16_t)(walk->key[0] << 8 | walk->key[1]);
}

static CK_RV read_bucket(struct sr_store *store, struct sr_tx *tx, struct bucket *bucket, struct sr_error *err)
{
	struct walk *walk = bucket->walk;
	CK_RV rv = store->ops->state_bucket(tx, bucket_number(walk), add_entry, bucket, err);
	place_change(bucket);
	memset(walk->digest, 0, sizeof walk->digest);
	if (rv == CKR_OK && bucket->packed.len &&
		(bucket->packed.failed || !sr_sha256(bucket->packed.data, bucket->packed.len, walk->digest)))
		rv = no_hash(err);
	sr_buf_clear(&bucket->packed);
	return rv;
}

/* -- nodes ------------------------------------------------------------------------------------------------------- */

/* Level 0 is the root, number 1; below it each node's number is its parent's with the child's four bits behind. */
static uint64_t node_id(const struct walk *walk, unsigned level)
{
	return (UINT64_C(1) << (4 * level)) | (uint64_t)bucket_number(walk) >> (16 - 4 * level);
}

/* Where in the node of this level the way goes on. */
static uint8_t *child_digest(struct walk *walk, unsigned level)
{
	unsigned child = (bucket_number(walk) >> (12 - 4 * level)) & 15;
	return walk->nodes[level].digests + (size_t)child * SR_HASH_LEN;
}

static bool node_digest(const struct sr_node_row *node, uint8_t digest[SR_HASH_LEN])
{
	memset(digest, 0, SR_HASH_LEN);
	if (is_zero(node->digests, sizeof node->digests))
		return true;
	return sr_sha256_2(NODE_LABEL, strlen(NODE_LABEL), node->digests, sizeof node->digests, digest);
}

static CK_RV read_nodes(struct sr_store *store, struct sr_tx *tx, struct walk *walk, struct sr_error *err)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		bool found;
		uint64_t id = node_id(walk, level);
		CK_RV rv = store->ops->node_get(tx, id, &walk->nodes[level], &found, err);
		if (rv != CKR_OK)
			return rv;
		walk->nodes[level].id = id;
	}
	return CKR_OK;
}

/* From the bucket up: what each node says of the way must be what was found below it. */
static CK_RV prove(struct walk *walk, const uint8_t root[SR_HASH_LEN], const char *subject, struct sr_error *err)
{
	uint8_t digest[SR_HASH_LEN];
	memcpy(digest, walk->digest, sizeof digest);
	bool agree = true;
	for (unsigned level = LEVELS; level-- > 0;) {
		agree = agree && memcmp(child_digest(walk, level), digest, sizeof digest) == 0;
		if (!node_digest(&walk->nodes[level], digest))
			return no_hash(err);
	}
	if (agree && memcmp(digest, root, sizeof digest) == 0)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
		"%s: the vault's state was changed outside Strongroom; run: strongroom audit verify", subject);
}

static CK_RV make_key(const struct sr_moment *at, const char *subject, uint8_t key[SR_HASH_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, "strongroom/state-key/1");
	sr_pack_text(&packed, at->chain_id);
	sr_pack_text(&packed, subject);
	bool hashed = !packed.failed && sr_sha256(packed.data, packed.len, key);
	sr_buf_clear(&packed);
	return hashed ? CKR_OK : no_hash(err);
}

/* WALK has its key. */
static CK_RV walk_up(struct sr_store *store, const struct sr_moment *at, const char *subject, struct walk *walk,
	struct sr_error *err)
{
	struct bucket bucket = { .walk = walk };
	walk->value = 0;
	CK_RV rv = read_bucket(store, at->tx, &bucket, err);
	if (rv == CKR_OK)
		rv = read_nodes(store, at->tx, walk, err);
	return rv == CKR_OK ? prove(walk, at->root, subject, err) : rv;
}

CK_RV sr_state_get(
	struct sr_store *store, const struct sr_moment *at, const char *subject, uint64_t *value, struct sr_error *err)
{
	struct walk walk;
	*value = 0;
	CK_RV rv = make_key(at, subject, walk.key, err);
	if (rv != CKR_OK || sr_proven_get(at->proven, at->root, walk.key, value))
		return rv;
	rv = walk_up(store, at, subject, &walk, err);
	if (rv != CKR_OK)
		return rv;
	sr_proven_add(at->proven, at->root, walk.key, walk.value);
	*value = walk.value;
	return CKR_OK;
}

/* The bucket's new digest into every node above it, and the last node's own into ROOT. */
static CK_RV rebuild(
	struct sr_store *store, struct sr_tx *tx, struct walk *walk, uint8_t root[SR_HASH_LEN], struct sr_error *err)
{
	uint8_t digest[SR_HASH_LEN];
	memcpy(digest, walk->digest, sizeof digest);
	for (unsigned level = LEVELS; level-- > 0;) {
		memcpy(child_digest(walk, level), digest, sizeof digest);
		CK_RV rv = store->ops->node_put(tx, &walk->nodes[level], err);
		if (rv != CKR_OK)
			return rv;
		if (!node_digest(&walk->nodes[level], digest))
			return no_hash(err);
	}
	memcpy(root, digest, sizeof digest);
	return CKR_OK;
}

/* The new digest is of the entries that were just proven, with the change among them, and never of what the table says
 * afterwards: whatever a table that somebody has altered does with the entry, the next look finds that it does not
 * agree. */
CK_RV sr_state_put(
	struct sr_store *store, struct sr_moment *at, const char *subject, uint64_t value, struct sr_error *err)
{
	struct walk walk;
	struct bucket changed = { .walk = &walk, .change = true, .value = value };
	CK_RV rv = make_key(at, subject, walk.key, err);
	if (rv == CKR_OK)
		rv = walk_up(store, at, subject, &walk, err);
	if (rv == CKR_OK)
		rv = read_bucket(store, at->tx, &changed, err);
	if (rv == CKR_OK)
		rv = store->ops->state_put(at->tx, walk.key, value, err);
	return rv == CKR_OK ? rebuild(store, at->tx, &walk, at->root, err) : rv;
}

/* -- all of it --------------------------------------------------------------------------------------------------- */

#define BUCKETS 65536u

/** struct whole: DIGESTS of a level, which those of the level above take the place of. */
struct whole {
	uint8_t (*digests)[SR_HASH_LEN];
	uint64_t count;
	struct sr_buf packed;
};

static bool count_entry(const uint8_t key[SR_HASH_LEN], uint64_t value, void *ctx)
{
	struct whole *whole = ctx;
	struct bucket bucket = { .packed = whole->packed };
	pack_entry(&bucket, key, value);
	whole->packed = bucket.packed;
	whole->count++;
	return !whole->packed.failed;
}

static CK_RV digest_buckets(struct sr_store *store, struct sr_tx *tx, struct whole *whole, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (unsigned i = 0; rv == CKR_OK && i < BUCKETS; i++) {
		whole->packed.len = 0;
		rv = store->ops->state_bucket(tx, (uint16_t)i, count_entry, whole, err);
		if (rv == CKR_OK && whole->packed.len &&
			(whole->packed.failed || !sr_sha256(whole->packed.data, whole->packed.len, whole->digests[i])))
			rv = no_hash(err);
	}
	sr_buf_clear(&whole->packed);
	return rv;
}

static bool digest_level(struct whole *whole, unsigned count)
{
	struct sr_node_row node;
	for (unsigned i = 0; i < count; i++) {
		memcpy(node.digests, whole->digests[(size_t)16 * i], sizeof node.digests);
		if (!node_digest(&node, whole->digests[i]))
			return false;
	}
	return true;
}

static CK_RV count_all(struct sr_store *store, const struct sr_moment *at, struct whole *whole, struct sr_error *err)
{
	CK_RV rv = digest_buckets(store, at->tx, whole, err);
	for (unsigned count = BUCKETS / 16; rv == CKR_OK && count > 0; count /= 16) {
		if (!digest_level(whole, count))
			rv = no_hash(err);
	}
	if (rv == CKR_OK && memcmp(whole->digests[0], at->root, SR_HASH_LEN) != 0)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
			"the vault's state was changed outside Strongroom: its entries are not those that it vouches "
			"for");
	return rv;
}

CK_RV sr_state_count(struct sr_store *store, const struct sr_moment *at, uint64_t *count, struct sr_error *err)
{
	struct whole whole = { .digests = calloc(BUCKETS, SR_HASH_LEN) };
	CK_RV rv = whole.digests ? count_all(store, at, &whole, err) : no_hash(err);
	*count = whole.count;
	free(whole.digests);
	return rv;
}
