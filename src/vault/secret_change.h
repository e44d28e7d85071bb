/* Writing a secret from the inside: what the files secret_*.c share. Private to this folder. */
#ifndef SR_VAULT_SECRET_CHANGE_H
#define SR_VAULT_SECRET_CHANGE_H

#include "vault/core.h"
#include "vault/secret.h"

/** struct sr_secret_change: what a template asks for. VALUE NULL: attributes alone. MUST_EXIST: by handle, not by
 * label. */
struct sr_secret_change {
	char path[SR_PATH_MAX + 1];
	const struct sr_attr *value, *application, *object_id;
	bool has_tier, has_type, has_expected, must_exist;
	enum sr_tier tier;
	char type[SR_TYPE_MAX];
	uint64_t expected;
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

#endif
