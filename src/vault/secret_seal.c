/* Sealing a version of a secret. */
#include "hsm/seals.h"
#include "vault/rekey.h"
#include "vault/secret_change.h"

#include <string.h>

/* The number of a version is known only here, inside the transaction, and it is part of what the seal covers; so the
 * HSM seals here too. Writes are rare beside reads. */
CK_RV sr_secret_seal(struct sr_vault *vault, struct sr_moment *at, const struct sr_secret_row *row, const void *value,
	size_t len, struct sr_error *err)
{
	struct sr_version_row version = { .version = row->version, .tier = row->tier, .created_ms = row->updated_ms };
	struct sr_buf aad = SR_BUF_INIT;
	memcpy(version.path, row->path, sizeof(version.path));
	memcpy(version.type, row->type, sizeof(version.type));
	sr_rows_aad(vault, row, &version, &aad);
	unsigned generation = 0;
	CK_RV rv = aad.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal a secret")
			      : sr_seal_generation(vault, at, &generation, err);
	if (rv == CKR_OK)
		rv = sr_hsm_seal_by(vault->hsm, generation, &aad, value, len, &version.sealed, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->version_put(at->tx, &version, err);
	sr_buf_clear(&aad);
	sr_version_row_clear(&version);
	return rv;
}

/* A version keeps the tier that it was sealed under. What was lowered is sealed once more, as another version, under
 * the tier that it has now; the value comes out of the HSM and goes back into it. */
CK_RV sr_secret_reseal(struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, struct sr_error *err)
{
	struct sr_version_row version = { .version = 0 };
	struct sr_buf aad = SR_BUF_INIT, value = SR_BUF_INIT;
	bool found = false;
	CK_RV rv = vault->store->ops->version_get(at->tx, row->path, row->version, &version, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "secret:%.120s: its version %llu is gone",
			row->path, (unsigned long long)row->version);
	if (rv == CKR_OK && version.tier > row->tier) {
		sr_rows_aad(vault, row, &version, &aad);
		rv = sr_hsm_unseal(vault->hsm, &aad, version.sealed.data, version.sealed.len, &value, err);
		if (rv == CKR_ENCRYPTED_DATA_INVALID)
			rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
				"secret:%.120s: version %llu does not open; restore it from a backup", row->path,
				(unsigned long long)row->version);
		row->version += rv == CKR_OK;
		if (rv == CKR_OK)
			rv = sr_secret_seal(vault, at, row, value.data, value.len, err);
	}
	sr_buf_clear(&value);
	sr_buf_clear(&aad);
	sr_version_row_clear(&version);
	return rv;
}
