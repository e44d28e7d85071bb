/* Bytes under a passphrase: scrypt and AES-256-GCM, by OpenSSL. For what leaves the vault and the HSM on purpose: the
 * built-in SoftHSM2 token in a backup. */
#ifndef SR_UTIL_BOX_H
#define SR_UTIL_BOX_H

#include "util/buf.h"

#define SR_BOX_SALT_LEN 16
#define SR_BOX_IV_LEN 12
#define SR_BOX_TAG_LEN 16
#define SR_BOX_OVERHEAD (SR_BOX_SALT_LEN + SR_BOX_IV_LEN + SR_BOX_TAG_LEN)

/** struct sr_box: PASS and the additional data BOUND that a box is closed and opened with. */
struct sr_box {
	const void *pass;
	size_t pass_len;
	const void *bound;
	size_t bound_len;
};

/** sr_box_close(box, in, len, out): appends salt, IV, ciphertext and tag to OUT; false only when OpenSSL, the kernel's
 *  randomness or memory fail. sr_box_open(box, in, len, out): the reverse; false too where passphrase or additional
 * data are others, or a byte was changed: then OUT is as it was. Each takes a good part of a second, and 32 MiB. */
bool sr_box_close(const struct sr_box *box, const void *in, size_t len, struct sr_buf *out);
bool sr_box_open(const struct sr_box *box, const void *in, size_t len, struct sr_buf *out);

#endif
