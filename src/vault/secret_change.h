/* Writing a secret from the inside: what the files secret_*.c share. Private to this folder. */
#ifndef SR_VAULT_SECRET_CHANGE_H
#define SR_VAULT_SECRET_CHANGE_H

#include "vault/core.h"
#include "vault/secret.h"

/** struct sr_secret_change: what a template asks for. VALUE NULL: attributes alone. MUST_EXIST: by handle, not by
 * label. HAS_GRACE: it is a rotation, and the old version stays open for GRACE_MS. ROLLBACK: the value of that version
 * once more, 0: none. UNDELETE: what was deleted is to be there again. */
struct sr_secret_change {
	char path[SR_PATH_MAX + 1];
	const struct sr_attr *value, *application, *object_id;
	bool has_tier, has_type, has_expected, has_grace, has_expiry, undelete, must_exist;
	enum sr_tier tier;
	char type[SR_TYPE_MAX];
	uint64_t expected, rollback;
	int64_t grace_ms, expires_ms;
	char uid[33];
};

/** sr_secret_template(change, template, err): fills CHANGE; refuses what is malformed or does not belong there. */
CK_RV sr_secret_template(struct sr_secret_change *change, const struct sr_attrs *template, struct sr_error *err);

/** sr_secret_seal(vault, at, row, value, len, err): VALUE as the version that ROW names, under its tier. */
CK_RV sr_secret_seal(struct sr_vault *vault, struct sr_moment *at, const struct sr_secret_row *row, const void *value,
	size_t len, struct sr_error *err);

/** sr_secret_reseal(vault, at, row, err): after ROW's tier was lowered: where its version is sealed under a higher one,
 * the same value as another version, which ROW names then. */
CK_RV sr_secret_reseal(struct sr_vault *vault, struct sr_moment *at, struct sr_secret_row *row, struct sr_error *err);

/** sr_secret_check_clearance(act, row, new_tier, refusal, err): what a token is not cleared for it neither reads nor
 * replaces nor deletes; and only a member changes a tier. */
CK_RV sr_secret_check_clearance(
	const struct sr_act *act, const struct sr_secret_row *row, bool new_tier, CK_RV refusal, struct sr_error *err);

/** sr_secret_check_path(act, at, change, row, exists, err): a path holds a secret or a key; what tier a key had there,
 * a secret has too. */
CK_RV sr_secret_check_path(struct sr_act *act, const struct sr_moment *at, const struct sr_secret_change *change,
	struct sr_secret_row *row, bool exists, struct sr_error *err);

/** sr_secret_describe(event, row): its version and tier. */
void sr_secret_describe(struct sr_event *event, const struct sr_secret_row *row);

/** sr_secret_undelete(caller, change, rv, err): after the template was taken with RV (secret_end.c). */
CK_RV sr_secret_undelete(
	const struct sr_caller *caller, struct sr_secret_change *change, CK_RV rv, struct sr_error *err);

/** sr_secret_may_write(caller, change, err): the answer to a path out of scope is the same whether there is a secret or
 * not. */
CK_RV sr_secret_may_write(const struct sr_caller *caller, const struct sr_secret_change *change, struct sr_error *err);

#endif
