/* Members and their passphrases. Private to this folder. */
#ifndef SR_VAULT_MEMBER_H
#define SR_VAULT_MEMBER_H

#include "vault/core.h"

#define SR_PASSPHRASE_MIN 12
#define SR_PASSPHRASE_MAX 200

/** sr_member_passphrase_ok(pass, len, err): length, UTF-8, more than a few different characters. */
CK_RV sr_member_passphrase_ok(const void *pass, size_t len, struct sr_error *err);

/** sr_member_set_passphrase(vault, row, pass, len, err): a new salt and hash in ROW. */
CK_RV sr_member_set_passphrase(
	struct sr_vault *vault, struct sr_member_row *row, const void *pass, size_t len, struct sr_error *err);

/** sr_member_passphrase_fits(vault, row, pass, len, fits, err): with ROW NULL the same work for nothing. */
CK_RV sr_member_passphrase_fits(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	bool *fits, struct sr_error *err);

extern const struct sr_class sr_member_class;

#endif
