/* The shape of the tables: whether they are as we make them. */
#include "store/sqlite.h"

#include "util/crypto.h"

#include <string.h>

#define SHAPE                                                                                                \
	"SELECT group_concat(type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, ''), char(10)) " \
	"FROM (SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, "                          \
	"name)"

/* SHA-256 of what SHAPE answers where sr_sqlite_steps have run. The unit tests say what it has to be. */
static const uint8_t digest[SR_SHA256_LEN] = { 0xca, 0xc8, 0x96, 0xc3, 0x41, 0x31, 0x6b, 0xdf, 0xf9, 0x61, 0x87, 0x9c,
	0x79, 0xc3, 0x7a, 0x6c, 0x90, 0xce, 0x3e, 0x82, 0x64, 0xf3, 0xa8, 0x5b, 0xb6, 0x4e, 0xf6, 0xa0, 0xe4, 0x6f,
	0x65, 0x56 };

CK_RV sr_sqlite_shape(sqlite3 *db, struct sr_buf *shape, struct sr_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, SHAPE, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		sr_buf_append(shape, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_finalize(stmt);
	if (rc != SQLITE_ROW)
		return sr_sqlite_fail(db, rc, "looking at the vault's tables", err);
	return shape->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}

/* Where OpenSSL cannot even hash, nothing that stands on it may be begun: not the HSM, if that is SoftHSM2. */
CK_RV sr_sqlite_knows_shape(const struct sr_buf *shape, bool *knows, struct sr_error *err)
{
	uint8_t own[SR_SHA256_LEN];
	if (!sr_sha256(shape->data, shape->len, own))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look at the vault's tables");
	*knows = memcmp(own, digest, sizeof(own)) == 0;
	return CKR_OK;
}

static CK_RV make_shape(struct sr_buf *shape, struct sr_error *err)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open(":memory:", &db);
	CK_RV rv = rc == SQLITE_OK ? CKR_OK : sr_sqlite_fail(db, rc, "making tables in memory", err);
	if (rv == CKR_OK)
		rv = sr_sqlite_migrate(db, sr_sqlite_steps, SR_STORE_SCHEMA, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_shape(db, shape, err);
	sqlite3_close(db);
	return rv;
}

/* Another SQLite may write down in other words what the steps have said: then they are asked. */
static CK_RV compare(const struct sr_buf *found, struct sr_error *err)
{
	struct sr_buf expected = SR_BUF_INIT;
	CK_RV rv = make_shape(&expected, err);
	if (rv == CKR_OK && (expected.len != found->len || memcmp(expected.data, found->data, found->len) != 0))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the tables of %s are not as Strongroom makes them: they were altered; restore it from a "
			"backup",
			SR_SQLITE_FILE);
	sr_buf_clear(&expected);
	return rv;
}

CK_RV sr_sqlite_check_shape(sqlite3 *db, struct sr_error *err)
{
	struct sr_buf found = SR_BUF_INIT;
	bool knows = false;
	CK_RV rv = sr_sqlite_shape(db, &found, err);
	if (rv == CKR_OK)
		rv = sr_sqlite_knows_shape(&found, &knows, err);
	if (rv == CKR_OK && !knows)
		rv = compare(&found, err);
	sr_buf_clear(&found);
	return rv;
}
