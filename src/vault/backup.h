/* Backups: what their file says of itself, and how one is made and read piece by piece. Private to this folder.
 *
 * A backup file (docs/backup.md): magic, the header's length (4 bytes, big-endian), the header (a JSON object), the
 * audit key's signature over it (64 bytes), the database, and the built-in SoftHSM2 token in a box, where it was taken
 * along.
 */
#ifndef SR_VAULT_BACKUP_H
#define SR_VAULT_BACKUP_H

#include "vault/core.h"
#include "vault/objects.h"

#define SR_BACKUP_MAGIC "STRONGROOM-BACKUP-1\n"
#define SR_BACKUP_HEADER_MAX (16u << 10)
#define SR_BACKUP_PIECE (48u << 10) /* an attribute's value on the wire is 64 KiB at most */
#define SR_BACKUP_HSM_MAX (16u << 20)

/** struct sr_backup_header: what is in it and what opens it. AUDIT_KEY: the fingerprint (SHA-256 of the
 *  SubjectPublicKeyInfo) of the audit key of GENERATION, which signs; MAC: the MAC key's over all of it but the two
 * checks; SEAL: a text that the seal key has sealed. BOX_*: the token's, 0 where it was not taken along. */
struct sr_backup_header {
	char vault_id[SR_VAULT_ID_MAX];
	char vault_name[SR_NAME_MAX];
	char chain_id[SR_CHAIN_ID_MAX];
	struct sr_head head;
	int64_t created_ms;
	unsigned generation;
	unsigned seal_generation; /* to sign only: SEAL says it */
	uint8_t audit_key[SR_SHA256_LEN];
	uint64_t bytes;
	uint8_t sha256[SR_SHA256_LEN];
	uint64_t box_bytes;
	uint8_t box_sha256[SR_SHA256_LEN];
	char token[33], serial[17];
	uint8_t mac[SR_HSM_MAC_LEN];
	struct sr_buf seal;
};
void sr_backup_header_clear(struct sr_backup_header *header);

/** sr_backup_header_sign(hsm, header, out, err): fills in what the HSM says (generation, audit key, token, checks) and
 *  appends magic, length, header and signature to OUT. */
CK_RV sr_backup_header_sign(
	struct sr_hsm *hsm, struct sr_backup_header *header, struct sr_buf *out, struct sr_error *err);

/** sr_backup_header_parse(text, len, header, err): the JSON text; every field bounded, nothing else in it. Nothing of
 * it is believed before sr_backup_header_verify(hsm, text, len, signature, header, err): whether this HSM's keys, which
 * are loaded, are those that made it: HSM_KEY_REFUSED where they are others, VAULT_CORRUPT where the signature is not
 * theirs. */
CK_RV sr_backup_header_parse(const char *text, size_t len, struct sr_backup_header *header, struct sr_error *err);
CK_RV sr_backup_header_verify(struct sr_hsm *hsm, const char *text, size_t len, const uint8_t signature[64],
	const struct sr_backup_header *header, struct sr_error *err);

/** sr_backup_box_aad(header, aad): what a box is closed with beside the passphrase. */
void sr_backup_box_aad(const char *vault_id, struct sr_buf *aad);

/* -- making one (backup.c) ---------------------------------------------------------------------------------------- */
/** struct sr_backups: the one backup that is being made or read; any thread. sr_backups_sweep(dir): removes what a
 * killed process left of one. */
struct sr_backups;
struct sr_backups *sr_backups_new(void);
void sr_backups_free(struct sr_backups *backups);
void sr_backups_sweep(const char *dir);

/** sr_backup_begin(caller, template, held, result, err), _piece, _end: jobs (vault/job.c). */
CK_RV sr_backup_begin(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);
CK_RV sr_backup_piece(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);
CK_RV sr_backup_end(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);

#endif
