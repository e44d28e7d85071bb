/* Versions of a secret. Their rows carry no MAC (the seal covers them); which of them are gone for good says the
 * secret's head, and the state tree. */
#include "vault/secret_version.h"

#include "audit/state.h"
#include "util/text.h"
#include "vault/approval_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- ids ---------------------------------------------------------------------------------------------------------- */

void sr_secret_place_id(const struct sr_secret_place *place, char id[SR_OBJECT_ID_MAX])
{
	if (place->version)
		snprintf(id, SR_OBJECT_ID_MAX, "%s*%llu", place->path, (unsigned long long)place->version);
	else
		snprintf(id, SR_OBJECT_ID_MAX, "%s", place->path);
}

bool sr_secret_place_parse(const char *id, struct sr_secret_place *place)
{
	const char *star = strchr(id, '*');
	size_t len = star ? (size_t)(star - id) : strlen(id);
	*place = (struct sr_secret_place){ .version = 0 };
	if (!sr_path_valid(id, len))
		return false;
	memcpy(place->path, id, len);
	return !star || (sr_text_u64(star + 1, strlen(star + 1), INT64_MAX, &place->version) && place->version);
}

/* -- reading ------------------------------------------------------------------------------------------------------ */

static CK_RV closed(uint64_t version, struct sr_error *err)
{
	return sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_VERSION_CLOSED,
		"value not delivered: version %llu is closed to your token: there is no grace, or it is over; read the "
		"current one",
		(unsigned long long)version);
}

CK_RV sr_version_to_read(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t asked, uint64_t *version, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	struct sr_graces graces;
	*version = asked ? asked : row->version;
	if (who->type != SR_IDENTITY_TOKEN || asked == row->version || (!asked && !caller->vault->grace_reads_old))
		return CKR_OK;
	CK_RV rv = sr_graces_load(row, at, &graces, err);
	if (rv != CKR_OK)
		return rv;
	uint64_t issued = who->token.mark.event_id;
	const struct sr_grace *grace = asked ? sr_graces_of(&graces, asked) : sr_graces_at(&graces, issued);
	if (grace && issued < grace->event)
		*version = grace->version;
	else if (asked)
		return closed(asked, err);
	return CKR_OK;
}

void sr_version_gone_subject(const char *path, uint64_t number, char subject[SR_VERSION_GONE_MAX])
{
	snprintf(subject, SR_VERSION_GONE_MAX, "gone:%llu:%s", (unsigned long long)number, path);
}

CK_RV sr_version_load(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t number, struct sr_version_row *version, struct sr_error *err)
{
	char subject[SR_VERSION_GONE_MAX];
	uint64_t gone = 0;
	bool found = false;
	*version = (struct sr_version_row){ .version = 0 };
	if (number == 0 || number > row->version || number < row->oldest)
		return sr_secret_gone(err);
	sr_version_gone_subject(row->path, number, subject);
	CK_RV rv = number == row->version ? CKR_OK : sr_state_get(vault->store, at, subject, &gone, err);
	if (rv == CKR_OK && gone)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = vault->store->ops->version_get(at->tx, row->path, number, version, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING, "secret:%.120s: its version %llu is gone",
			row->path, (unsigned long long)number);
	return rv;
}

CK_RV sr_version_open(struct sr_vault *vault, const struct sr_secret_row *row, const struct sr_version_row *version,
	struct sr_buf *value, struct sr_error *err)
{
	struct sr_buf aad = SR_BUF_INIT;
	sr_rows_aad(vault, row, version, &aad);
	CK_RV rv = aad.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to open a secret")
			      : sr_hsm_unseal(vault->hsm, &aad, version->sealed.data, version->sealed.len, value, err);
	sr_buf_clear(&aad);
	if (err && rv == CKR_ENCRYPTED_DATA_INVALID)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
			"secret:%.120s: version %llu does not open: it was sealed for another path, version, tier or "
			"vault; restore it from a backup",
			row->path, (unsigned long long)version->version);
	return rv;
}

/* -- the end of old ones ------------------------------------------------------------------------------------------ */

CK_RV sr_version_drop(
	struct sr_vault *vault, struct sr_moment *at, const char *path, uint64_t number, struct sr_error *err)
{
	char subject[SR_VERSION_GONE_MAX];
	sr_version_gone_subject(path, number, subject);
	CK_RV rv = vault->store->ops->version_drop(at->tx, path, number, err);
	return rv == CKR_OK ? sr_state_put(vault->store, at, subject, at->event_id, err) : rv;
}

/** struct sweep: the versions of a path as they stand, the oldest first. */
struct sweep {
	struct sr_version_place *places;
	size_t count, cap;
	bool failed;
};

static bool take_place(const struct sr_version_place *place, void *ctx)
{
	struct sweep *sweep = ctx;
	if (sweep->count == sweep->cap) {
		size_t cap = sweep->cap ? 2 * sweep->cap : 16;
		struct sr_version_place *more = realloc(sweep->places, cap * sizeof(*more));
		sweep->failed = !more;
		if (!more)
			return false;
		sweep->places = more;
		sweep->cap = cap;
	}
	sweep->places[sweep->count++] = *place;
	return true;
}

static CK_RV list_versions(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sweep *sweep, struct sr_error *err)
{
	*sweep = (struct sweep){ .places = NULL };
	CK_RV rv = vault->store->ops->version_list(at->tx, path, take_place, sweep, err);
	if (rv == CKR_OK && sweep->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look at old versions");
	return rv;
}

/* All before END go: its OLDEST says so, once for all of them. */
static CK_RV drop_before(struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row,
	const struct sweep *sweep, uint64_t end, unsigned *count, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < sweep->count && sweep->places[i].version < end; i++) {
		rv = vault->store->ops->version_drop(at->tx, row->path, sweep->places[i].version, err);
		(*count)++;
	}
	if (rv == CKR_OK && *count && end > row->oldest)
		row->oldest = end;
	return rv;
}

/* The first version that stays: the next one came not long enough ago, or it has a grace, or it is current. */
static uint64_t first_kept(
	const struct sr_secret_row *row, const struct sweep *sweep, const struct sr_graces *graces, int64_t before_ms)
{
	if (row->state == SR_SECRET_DELETED)
		return row->updated_ms < before_ms ? row->version + 1 : 1;
	for (size_t i = 0; i < sweep->count; i++) {
		const struct sr_version_place *place = &sweep->places[i];
		bool last = i + 1 == sweep->count || place->version >= row->version;
		if (last || place[1].created_ms >= before_ms || sr_graces_of(graces, place->version))
			return place->version;
	}
	return 1;
}

/* END: the first version that stays. SWEEP is the caller's to free. */
static CK_RV look_around(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	struct sweep *sweep, uint64_t *end, struct sr_error *err)
{
	struct sr_graces graces;
	CK_RV rv = list_versions(vault, at, row->path, sweep, err);
	if (rv == CKR_OK)
		rv = sr_graces_load(row, at, &graces, err);
	if (rv == CKR_OK)
		*end = first_kept(row, sweep, &graces, sr_moment_now(at).wall_ms - vault->keep_versions_ms);
	return rv;
}

CK_RV sr_version_sweepable(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	unsigned *count, struct sr_error *err)
{
	struct sweep sweep;
	uint64_t end = 0;
	*count = 0;
	CK_RV rv = look_around(vault, at, row, &sweep, &end, err);
	for (size_t i = 0; rv == CKR_OK && i < sweep.count; i++)
		*count += sweep.places[i].version < end;
	free(sweep.places);
	return rv;
}

CK_RV sr_version_sweep(
	struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, unsigned *count, struct sr_error *err)
{
	struct sweep sweep;
	uint64_t end = 0;
	*count = 0;
	CK_RV rv = look_around(vault, at, row, &sweep, &end, err);
	if (rv == CKR_OK)
		rv = drop_before(vault, at, row, &sweep, end, count, err);
	free(sweep.places);
	return rv;
}

CK_RV sr_version_sweep_before(
	struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, unsigned *count, struct sr_error *err)
{
	struct sweep sweep;
	*count = 0;
	CK_RV rv = list_versions(vault, at, row->path, &sweep, err);
	if (rv == CKR_OK)
		rv = drop_before(vault, at, row, &sweep, row->version, count, err);
	free(sweep.places);
	row->oldest = row->version;
	return rv;
}
