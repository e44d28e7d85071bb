/* The versions of a secret: which there are, which of them somebody may read, and how long the old ones are kept.
 * Private to this folder. */
#ifndef SR_VAULT_SECRET_VERSION_H
#define SR_VAULT_SECRET_VERSION_H

#include "vault/grace.h"
#include "vault/secret.h"

/** struct sr_secret_place: what an object's id names: the secret at PATH, or one VERSION of it; 0: the secret. */
struct sr_secret_place {
	char path[SR_PATH_MAX + 1];
	uint64_t version;
};

/** sr_secret_place_id(place, id), sr_secret_place_parse(id, place): "PATH", or "PATH*VERSION": no path has a star. */
void sr_secret_place_id(const struct sr_secret_place *place, char id[SR_OBJECT_ID_MAX]);
bool sr_secret_place_parse(const char *id, struct sr_secret_place *place);

/** sr_version_to_read(caller, at, row, asked, version, err): the version that a read by CALLER delivers; ASKED 0: none
 * was named. A member may name any; a token the current one, and an old one as long as its grace lasts, if the token
 * was issued before the rotation. CKR_ATTRIBUTE_SENSITIVE / VERSION_CLOSED else. */
CK_RV sr_version_to_read(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t asked, uint64_t *version, struct sr_error *err);

/** sr_version_load(vault, at, row, number, version, err): one that was destroyed, or never was, is
 * sr_secret_gone; one that is missing is CKR_DEVICE_ERROR / ROW_MISSING. VERSION is the caller's to clear. */
CK_RV sr_version_load(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	uint64_t number, struct sr_version_row *version, struct sr_error *err);

/** sr_version_open(vault, row, version, value, err): has the HSM open it; CKR_DEVICE_ERROR / SEAL_BROKEN where it was
 * sealed for another place. */
CK_RV sr_version_open(struct sr_vault *vault, const struct sr_secret_row *row, const struct sr_version_row *version,
	struct sr_buf *value, struct sr_error *err);

/** sr_version_drop(vault, at, path, number, err): destroys it for good: what is put back is not taken. */
CK_RV sr_version_drop(
	struct sr_vault *vault, struct sr_moment *at, const char *path, uint64_t number, struct sr_error *err);

/** sr_version_gone_subject(path, number, subject): what the state tree knows such a version by. */
#define SR_VERSION_GONE_MAX (SR_PATH_MAX + 32)
void sr_version_gone_subject(const char *path, uint64_t number, char subject[SR_VERSION_GONE_MAX]);

/** sr_version_sweep(vault, at, row, count, err): destroys what nobody wants back any more, and moves ROW's OLDEST: old
 * versions that were replaced longer ago than [vault] keep-versions and have no grace; of a deleted secret all of them,
 * that long after. COUNT: how many. */
CK_RV sr_version_sweep(
	struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, unsigned *count, struct sr_error *err);

/** sr_version_sweepable(vault, at, row, count, err): how many that would be. */
CK_RV sr_version_sweepable(struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row,
	unsigned *count, struct sr_error *err);

/** sr_version_sweep_before(vault, at, row, count, err): every version before ROW's current one. */
CK_RV sr_version_sweep_before(
	struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, unsigned *count, struct sr_error *err);

#endif
