/* The token of a slot that logs itself in: `token-file` or `token-env` of its configuration. */
#ifndef SR_PKCS11_OWN_TOKEN_H
#define SR_PKCS11_OWN_TOKEN_H

#include "config/config.h"

#include <stdbool.h>
#include <sys/stat.h>

/** struct sr_stamp: by what a token file is known to be the same. */
struct sr_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	uint64_t generation; /* of one that was offered */
};

#define SR_TOKEN_FILE_MAX 256

/** sr_own_token_has(slot): whether the slot has a token of its own; SLOT may be NULL (the default slot: no). */
bool sr_own_token_has(const struct sr_slot_config *slot);

/** sr_own_token_read(slot, pin, len, stamp, err): the token, one trailing newline less, into PIN (cleansed by the
 * caller). CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG when it is not there, empty, no regular file or too long. */
CK_RV sr_own_token_read(const struct sr_slot_config *slot, char pin[SR_TOKEN_FILE_MAX], size_t *len,
	struct sr_stamp *stamp, struct sr_error *err);

/** sr_own_token_changed(slot, stamp): the file is there and is another than STAMP's. Never true for an environment
 *  variable: a process that changes its own logs in by itself. */
bool sr_own_token_changed(const struct sr_slot_config *slot, const struct sr_stamp *stamp);

#endif
