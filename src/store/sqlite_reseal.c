/* Versions by the generation of the seal key that sealed them: the first four bytes of the sealed value. */
#include "store/reseal.h"

#include "store/sqlite.h"

#define GENERATION_LEN 4

#define AT(field) .name = #field, .offset = offsetof(struct sr_stale, field)
static const struct sr_column stale_list[] = {
	{ AT(row), .kind = SR_COLUMN_U64, .min = 1 },
	{ AT(path), .size = sizeof(((struct sr_stale *)NULL)->path), .kind = SR_COLUMN_TEXT, .valid = sr_path_valid },
	{ AT(version), .kind = SR_COLUMN_U64, .min = 1 },
};
#undef AT
static const struct sr_columns stale_columns = { "secret_version", stale_list, 3, 2, sizeof(struct sr_stale) };

struct sealed {
	uint8_t generation[GENERATION_LEN];
	uint64_t rows;
};
static const struct sr_column sealed_list[] = {
	{ .name = "generation",
		.kind = SR_COLUMN_BYTES,
		.offset = offsetof(struct sealed, generation),
		.size = GENERATION_LEN },
	{ .name = "rows", .kind = SR_COLUMN_U64, .offset = offsetof(struct sealed, rows) },
};
static const struct sr_columns sealed_columns = { "secret_version", sealed_list, 2, 0, sizeof(struct sealed) };

CK_RV sr_store_stale(struct sr_tx *tx, unsigned generation, uint64_t after, unsigned limit, sr_stale_each each,
	void *ctx, struct sr_error *err)
{
	uint8_t newest[GENERATION_LEN];
	struct sr_query query;
	struct sr_stale stale;
	bool more = true;
	for (int i = 0; i < GENERATION_LEN; i++)
		newest[i] = (uint8_t)(generation >> (24 - 8 * i));
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_STALE, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_u64(&query, 1, after);
	sr_query_bytes(&query, 2, newest, sizeof newest);
	sr_query_u64(&query, 3, limit);
	while (more) {
		rv = sr_query_next(&query, &stale_columns, &stale, &more, err);
		more = more && each(&stale, ctx);
	}
	sr_query_end(&query);
	return rv;
}

CK_RV sr_store_sealed(struct sr_tx *tx, sr_sealed_each each, void *ctx, struct sr_error *err)
{
	struct sr_query query;
	struct sealed sealed;
	bool more = true;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_SEALED, err);
	if (rv != CKR_OK)
		return rv;
	while (more) {
		unsigned generation = 0;
		rv = sr_query_next(&query, &sealed_columns, &sealed, &more, err);
		for (int i = 0; more && i < GENERATION_LEN; i++)
			generation = generation << 8 | sealed.generation[i];
		more = more && each(generation, sealed.rows, ctx);
	}
	sr_query_end(&query);
	return rv;
}

CK_RV sr_store_reseal(
	struct sr_tx *tx, const struct sr_version_row *row, const struct sr_buf *was, bool *done, struct sr_error *err)
{
	struct sr_query query;
	*done = false;
	CK_RV rv = sr_query_begin(&query, tx, SR_SQL_VERSION_RESEAL, err);
	if (rv != CKR_OK)
		return rv;
	sr_query_text(&query, 1, row->path);
	sr_query_u64(&query, 2, row->version);
	sr_query_bytes(&query, 3, row->sealed.data, row->sealed.len);
	sr_query_bytes(&query, 4, was->data, was->len);
	rv = sr_query_step(&query, done, err);
	sr_query_end(&query);
	return rv;
}
