/* Members and their passphrases. Private to this folder. */
#ifndef SR_VAULT_MEMBER_H
#define SR_VAULT_MEMBER_H

#include "vault/core.h"
#include "vault/objects.h"
#include "vault/stretched.h"

#define SR_PASSPHRASE_MIN 12
#define SR_PASSPHRASE_MAX 200

/** sr_member_passphrase_ok(pass, len, err): length, UTF-8, more than a few different characters. */
CK_RV sr_member_passphrase_ok(const void *pass, size_t len, struct sr_error *err);

/** sr_member_set_passphrase(vault, row, pass, len, kept, err): a new salt and hash in ROW, which has its name. KEPT is
 *  stored with the row. */
CK_RV sr_member_set_passphrase(struct sr_vault *vault, struct sr_member_row *row, const void *pass, size_t len,
	struct sr_stretched *kept, struct sr_error *err);

/** sr_member_passphrase_fits(vault, row, pass, len, fits, err): with ROW NULL the same work for nothing.
 *  sr_member_passphrase_tried(vault, row, pass, len, fits, anew, err): the same; ANEW gets what is to take the place of
 *  what stands there: HASH of one that an older generation of the mac key has made, else its HASH_GENERATION is 0; KEPT
 *  where HASH is new or KEEP asks for it, else it is "". */
CK_RV sr_member_passphrase_fits(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	bool *fits, struct sr_error *err);
struct sr_member_anew {
	bool keep;
	uint8_t hash[SR_HASH_LEN];
	unsigned hash_generation;
	struct sr_stretched kept;
};
CK_RV sr_member_passphrase_tried(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	bool *fits, struct sr_member_anew *anew, struct sr_error *err);

/** sr_member_current(caller, row, err): the row of the member who is logged in as it is stored now: the identity's copy
 *  is from its login, and the passphrase may have changed since. */
CK_RV sr_member_current(const struct sr_caller *caller, struct sr_member_row *row, struct sr_error *err);

/** The acts of the class (vault/objects.h), for members with SR_DUTY_MEMBERS; one record each, also refused. Each ends
 *  the changed member's logins. create takes CKA_SR_NAME, _ROLE, CKA_VALUE and CKA_SR_ALLOWED_IPS; a name is used once
 *  and never again (NAME_TAKEN), for old records, tokens and votes carry it. set takes one of CKA_SR_ROLE, CKA_VALUE
 *  and CKA_SR_ALLOWED_IPS; one's own passphrase is changed by sr_set_passphrase alone. destroy removes for good. A new
 *  member, one with more rights and one with a new passphrase is fresh: made by who did it, for the vault's
 *  fresh-member time; one with less, and one removed, is cut: what they issued is void. The last active admin stays one
 *  (LAST_ADMIN). */
CK_RV sr_member_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err);
CK_RV sr_member_set(
	const struct sr_caller *caller, const char *name, const struct sr_attrs *template, struct sr_error *err);
CK_RV sr_member_destroy(const struct sr_caller *caller, const char *name, struct sr_error *err);

extern const struct sr_class sr_member_class; /* vault/member_class.c */

#endif
