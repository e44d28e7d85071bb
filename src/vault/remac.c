/* A walk over all deciding rows that gives each another MAC. */
#include "vault/remac.h"

#include "util/text.h"
#include "vault/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

union any_row {
	struct sr_secret_row secret;
	struct sr_key_row key;
	struct sr_token_row token;
	struct sr_agent_row agent;
	struct sr_member_row member;
	struct sr_policy_row policy;
	struct sr_approval_row approval;
	struct sr_rotation_row rotation;
	struct sr_freeze_row freeze;
};

/* -- the tables -------------------------------------------------------------------------------------------------- */

struct place {
	struct sr_vault *vault;
	struct sr_tx *tx;
	const struct sr_deciding_key *key;
};

/** struct table_row: NAME also begins its rows' subjects, but where SUBJECT makes them. */
struct table_row {
	const char *name;
	size_t mark;
	CK_RV (*get)(const struct place *place, union any_row *row, bool *found, struct sr_error *err);
	void (*pack)(const struct sr_vault *vault, const union any_row *row, struct sr_buf *out);
	CK_RV (*put)(const struct place *place, const union any_row *row, struct sr_error *err);
	void (*clear)(union any_row *row);
};

static void clear_plain(union any_row *row)
{
	sr_cleanse(row, sizeof(*row));
}

static void clear_secret(union any_row *row)
{
	sr_secret_row_clear(&row->secret);
}

static void clear_key(union any_row *row)
{
	sr_key_row_clear(&row->key);
}

static void clear_token(union any_row *row)
{
	sr_token_row_clear(&row->token);
}

static void clear_agent(union any_row *row)
{
	sr_agent_row_clear(&row->agent);
}

#define PACK_AND_PUT(kind)                                                                                  \
	static void pack_##kind(const struct sr_vault *vault, const union any_row *row, struct sr_buf *out) \
	{                                                                                                   \
		sr_rows_pack_##kind(vault, &row->kind, out);                                                \
	}                                                                                                   \
	static CK_RV put_##kind(const struct place *place, const union any_row *row, struct sr_error *err)  \
	{                                                                                                   \
		return place->vault->store->ops->kind##_put(place->tx, &row->kind, err);                    \
	}
#define GET(kind)                                                                                                  \
	static CK_RV get_##kind(const struct place *place, union any_row *row, bool *found, struct sr_error *err)  \
	{                                                                                                          \
		return place->vault->store->ops->kind##_get(place->tx, place->key->first, &row->kind, found, err); \
	}
PACK_AND_PUT(secret)
PACK_AND_PUT(key)
PACK_AND_PUT(token)
PACK_AND_PUT(agent)
PACK_AND_PUT(member)
PACK_AND_PUT(policy)
PACK_AND_PUT(approval)
PACK_AND_PUT(rotation)
PACK_AND_PUT(freeze)
GET(secret)
GET(token)
GET(agent)
GET(member)
GET(approval)
GET(rotation)
GET(freeze)
#undef GET
#undef PACK_AND_PUT

static CK_RV get_key(const struct place *place, union any_row *row, bool *found, struct sr_error *err)
{
	unsigned part = 0;
	while (part < SR_PART_COUNT && strcmp(sr_part_word(part), place->key->second) != 0)
		part++;
	*found = false;
	if (part == SR_PART_COUNT)
		return CKR_OK;
	return place->vault->store->ops->key_get(place->tx, place->key->first, part, &row->key, found, err);
}

static CK_RV get_policy(const struct place *place, union any_row *row, bool *found, struct sr_error *err)
{
	unsigned tier = 0;
	while (tier < SR_TIER_COUNT && strcmp(sr_tier_name(tier), place->key->first) != 0)
		tier++;
	*found = false;
	if (tier == SR_TIER_COUNT)
		return CKR_OK;
	return place->vault->store->ops->policy_get(place->tx, tier, place->key->second, &row->policy, found, err);
}

#define TABLE(kind, clear)                                                                              \
	{                                                                                               \
#kind, offsetof(union any_row, kind.mark), get_##kind, pack_##kind, put_##kind, (clear) \
	}
static const struct table_row tables[SR_DECIDING_COUNT] = {
	[SR_DECIDING_SECRET] = TABLE(secret, clear_secret),
	[SR_DECIDING_KEY] = TABLE(key, clear_key),
	[SR_DECIDING_TOKEN] = TABLE(token, clear_token),
	[SR_DECIDING_AGENT] = TABLE(agent, clear_agent),
	[SR_DECIDING_MEMBER] = TABLE(member, clear_plain),
	[SR_DECIDING_POLICY] = TABLE(policy, clear_plain),
	[SR_DECIDING_APPROVAL] = TABLE(approval, clear_plain),
	[SR_DECIDING_ROTATION] = TABLE(rotation, clear_plain),
	[SR_DECIDING_FREEZE] = TABLE(freeze, clear_plain),
};
#undef TABLE

static void find_subject(
	unsigned table, const struct sr_deciding_key *key, const union any_row *row, char subject[SR_SUBJECT_MAX])
{
	if (table == SR_DECIDING_KEY)
		sr_rows_subject_of_key(row->key.part, row->key.path, subject);
	else if (table == SR_DECIDING_POLICY)
		sr_rows_policy_subject(row->policy.tier, row->policy.glob, subject);
	else
		snprintf(subject, SR_SUBJECT_MAX, "%s:%s", tables[table].name, key->first);
}

/* -- one row ----------------------------------------------------------------------------------------------------- */

static CK_RV check_packed(const struct sr_buf *packed, struct sr_error *err)
{
	return packed->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal a row anew")
			      : CKR_OK;
}

/* Packed twice: as it is, to be verified, and as it becomes. */
static CK_RV give_mac(const struct place *place, struct sr_remac_row *row, const struct sr_remac_each *each,
	bool *leave, void *ctx, struct sr_error *err)
{
	const struct table_row *table = &tables[row->table];
	table->pack(place->vault, row->row, &row->packed);
	CK_RV rv = check_packed(&row->packed, err);
	if (rv == CKR_OK)
		rv = each->verify(row, leave, ctx, err);
	if (rv != CKR_OK || *leave)
		return rv;
	if (each->change && (rv = each->change(row, ctx, err)) != CKR_OK)
		return rv;
	sr_buf_clear(&row->packed);
	table->pack(place->vault, row->row, &row->packed);
	rv = check_packed(&row->packed, err);
	if (rv == CKR_OK)
		rv = each->seal(row, row->mark->mac, ctx, err);
	return rv == CKR_OK ? table->put(place, row->row, err) : rv;
}

static CK_RV walk_one(const struct place *place, struct sr_remac_cursor *cursor, const struct sr_remac_each *each,
	void *ctx, struct sr_error *err)
{
	const struct table_row *table = &tables[cursor->table];
	struct sr_remac_row row = { .table = cursor->table, .packed = SR_BUF_INIT };
	union any_row any;
	bool found = false, leave = false;
	memset(&any, 0, sizeof(any));
	CK_RV rv = table->get(place, &any, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"%s %.120s: the row is listed and cannot be found; restore the right database", table->name,
			place->key->first);
	if (rv == CKR_OK) {
		row.row = &any;
		row.mark = (struct sr_mark *)((char *)&any + table->mark);
		find_subject(cursor->table, place->key, &any, row.subject);
		rv = give_mac(place, &row, each, &leave, ctx, err);
	}
	cursor->rows++;
	cursor->left += leave;
	cursor->after = *place->key;
	sr_buf_clear(&row.packed);
	table->clear(&any);
	return rv;
}

/* -- a step ------------------------------------------------------------------------------------------------------ */

struct batch {
	struct sr_deciding_key keys[SR_REMAC_STEP_MAX];
	unsigned count;
};

static bool meet(const struct sr_deciding_key *key, void *ctx)
{
	struct batch *batch = ctx;
	batch->keys[batch->count++] = *key;
	return batch->count < SR_REMAC_STEP_MAX;
}

bool sr_remac_done(const struct sr_remac_cursor *cursor)
{
	return cursor->table >= SR_DECIDING_COUNT;
}

CK_RV sr_remac_step(struct sr_vault *vault, struct sr_tx *tx, struct sr_remac_cursor *cursor, unsigned limit,
	const struct sr_remac_each *each, void *ctx, struct sr_error *err)
{
	if (sr_remac_done(cursor))
		return CKR_OK;
	if (limit == 0 || limit > SR_REMAC_STEP_MAX)
		return sr_fail(
			err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "a step has 1 to %u rows", SR_REMAC_STEP_MAX);
	struct batch *batch = calloc(1, sizeof(*batch));
	if (!batch)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal rows anew");
	CK_RV rv = sr_store_deciding(tx, cursor->table, &cursor->after, limit, meet, batch, err);
	for (unsigned i = 0; rv == CKR_OK && i < batch->count; i++) {
		const struct place place = { vault, tx, &batch->keys[i] };
		rv = walk_one(&place, cursor, each, ctx, err);
	}
	if (rv == CKR_OK && batch->count < limit) {
		cursor->table++;
		memset(&cursor->after, 0, sizeof(cursor->after));
	}
	free(batch);
	return rv;
}

/* -- as text ------------------------------------------------------------------------------------------------------ */

void sr_remac_cursor_say(const struct sr_remac_cursor *cursor, char out[SR_REMAC_CURSOR_TEXT])
{
	char first[2 * SR_PATH_MAX + 3], second[2 * SR_PATH_MAX + 3];
	sr_text_hex(cursor->after.first, strlen(cursor->after.first), first);
	sr_text_hex(cursor->after.second, strlen(cursor->after.second), second);
	snprintf(out, SR_REMAC_CURSOR_TEXT, "%u:%s:%s", cursor->table, first, second);
}

static bool take_name(const char *text, size_t digits, char out[SR_PATH_MAX + 1])
{
	char copy[2 * SR_PATH_MAX + 1];
	if (digits % 2 || digits > 2 * SR_PATH_MAX)
		return false;
	memcpy(copy, text, digits);
	copy[digits] = '\0';
	out[digits / 2] = '\0';
	return sr_text_unhex(copy, out, digits / 2) && memchr(out, '\0', digits / 2) == NULL;
}

bool sr_remac_cursor_parse(const char *text, size_t len, struct sr_remac_cursor *cursor)
{
	const char *end = text + len, *colon = len ? memchr(text, ':', len) : NULL;
	const char *second = colon ? memchr(colon + 1, ':', (size_t)(end - colon - 1)) : NULL;
	uint64_t table;
	if (!second || !sr_text_u64(text, (size_t)(colon - text), SR_DECIDING_COUNT, &table))
		return false;
	cursor->table = (unsigned)table;
	return take_name(colon + 1, (size_t)(second - colon - 1), cursor->after.first) &&
	       take_name(second + 1, (size_t)(end - second - 1), cursor->after.second);
}
