/* Keys and certificates in files: parsed with libcrypto, in a library context of its own. */
#ifndef SR_CLI_KEYFILE_H
#define SR_CLI_KEYFILE_H

#include "cli/kind.h"
#include "util/buf.h"

#define SR_KEYFILE_MAX 65536
#define SR_KEYFILE_ITEMS 12

/** struct sr_keyfile: a key as PKCS#11 has it. OWN are the attributes of the private or secret key, OTHER those of the
 * public key (none beside a secret key); they point into MEMORY. */
struct sr_keyfile {
	CK_OBJECT_CLASS object_class; /* CKO_PRIVATE_KEY or CKO_SECRET_KEY */
	CK_KEY_TYPE key_type;
	CK_ATTRIBUTE own[SR_KEYFILE_ITEMS], other[SR_KEYFILE_ITEMS];
	size_t own_count, other_count;
	struct sr_locked memory;
};

#define SR_KEYFILE_INIT                                                    \
	{                                                                  \
		.own_count = 0, .other_count = 0, .memory = { NULL, 0, 0 } \
	}

/** sr_keyfile_read(file, kind, passphrase_file, key): the key in FILE, or in standard input without one. KIND, where it
 * is given, is what the key must be; of a secret kind the file holds the bytes themselves. An encrypted one is opened
 * with the passphrase from PASSPHRASE_FILE, else from the terminal. An exit code; KEY is the caller's to clear,
 * whatever the answer. */
int sr_keyfile_read(const char *file, const struct sr_kind *kind, const char *passphrase_file, struct sr_keyfile *key);
void sr_keyfile_clear(struct sr_keyfile *key);

/** sr_keyfile_curve(key): the row of its curve; NULL for a key without one. */
const struct sr_kind *sr_keyfile_curve(const struct sr_keyfile *key);

/** struct sr_certificate: the first certificate of a file, and the parts of it that are attributes, all in DER. */
struct sr_certificate {
	struct sr_buf value, subject, issuer, serial, public_key_info;
};
int sr_certificate_read(const char *file, struct sr_certificate *certificate);
void sr_certificate_clear(struct sr_certificate *certificate);

/** sr_pem_text(name, der, len, text): "-----BEGIN NAME-----" and so on; false without memory. */
bool sr_pem_text(const char *name, const void *der, size_t len, struct sr_buf *text);

/** sr_keyfile_harden(): makes libcrypto cleanse whatever it frees. Before its first use. */
void sr_keyfile_harden(void);

#endif
