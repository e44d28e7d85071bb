/* A backup's header: written, read, signed, and laid beside an HSM. */
#include "vault/backup.h"

#include "hsm/generations.h"
#include "hsm/seals.h"
#include "util/pack.h"
#include "util/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_TEXT "strongroom/backup-check/1"
#define SIGN_LABEL "strongroom/backup/1"

void sr_backup_header_clear(struct sr_backup_header *header)
{
	sr_buf_clear(&header->seal);
	memset(header, 0, sizeof(*header));
}

void sr_backup_box_aad(const char *vault_id, struct sr_buf *aad)
{
	sr_pack_text(aad, "strongroom/backup-box/1");
	sr_pack_text(aad, vault_id);
}

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a backup");
}

/* -- checks ------------------------------------------------------------------------------------------------------ */

static void pack(const struct sr_backup_header *header, struct sr_buf *out)
{
	sr_pack_text(out, CHECK_TEXT);
	sr_pack_text(out, header->vault_id);
	sr_pack_text(out, header->chain_id);
	sr_pack_u64(out, header->head.epoch);
	sr_pack_u64(out, header->head.seq);
	sr_pack_bytes(out, header->head.hash, sizeof(header->head.hash));
	sr_pack_u64(out, header->bytes);
	sr_pack_bytes(out, header->sha256, sizeof(header->sha256));
}

static CK_RV mac_of(
	struct sr_hsm *hsm, const struct sr_backup_header *header, uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	pack(header, &packed);
	CK_RV rv = packed.failed ? no_memory(err)
				 : sr_hsm_mac_to_keep(hsm, header->generation, packed.data, packed.len, mac, err);
	sr_buf_clear(&packed);
	return rv;
}

static CK_RV key_of(struct sr_hsm *hsm, unsigned generation, uint8_t fingerprint[SR_SHA256_LEN], struct sr_buf *spki,
	struct sr_error *err)
{
	CK_RV rv = sr_hsm_audit_key_of(hsm, generation, spki, err);
	return rv == CKR_OK && !sr_sha256(spki->data, spki->len, fingerprint) ? no_memory(err) : rv;
}

static bool digest_of(const char *text, size_t len, uint8_t digest[SR_SHA256_LEN])
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, SIGN_LABEL);
	sr_pack_bytes(&packed, text, len);
	bool done = !packed.failed && sr_sha256(packed.data, packed.len, digest);
	sr_buf_clear(&packed);
	return done;
}

/* -- writing ----------------------------------------------------------------------------------------------------- */

static CK_RV ask_hsm(struct sr_hsm *hsm, struct sr_backup_header *header, struct sr_error *err)
{
	struct sr_buf spki = SR_BUF_INIT, packed = SR_BUF_INIT;
	struct sr_hsm_identity who;
	sr_hsm_identity(hsm, &who);
	memcpy(header->token, who.label, sizeof(header->token));
	memcpy(header->serial, who.serial, sizeof(header->serial));
	CK_RV rv = key_of(hsm, header->generation, header->audit_key, &spki, err);
	if (rv == CKR_OK)
		rv = mac_of(hsm, header, header->mac, err);
	pack(header, &packed);
	if (rv == CKR_OK)
		rv = sr_hsm_seal_by(
			hsm, header->seal_generation, &packed, CHECK_TEXT, strlen(CHECK_TEXT), &header->seal, err);
	sr_buf_clear(&packed);
	sr_buf_clear(&spki);
	return rv;
}

static json_t *hex(const void *bytes, size_t len)
{
	char text[2 * 128 + 1];
	if (len > 128)
		return NULL;
	sr_text_hex(bytes, len, text);
	return json_string(text);
}

static char *as_text(const struct sr_backup_header *header)
{
	char created[SR_TIME_TEXT];
	sr_text_time(header->created_ms, created);
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:i, s:o, s:I, s:o, s:I, s:o, s:s, s:s, s:o, s:o}", "vault_id",
		header->vault_id, "vault_name", header->vault_name, "chain_id", header->chain_id, "epoch",
		(json_int_t)header->head.epoch, "sequence", (json_int_t)header->head.seq, "head",
		hex(header->head.hash, sizeof(header->head.hash)), "created_at", created, "generation",
		(int)header->generation, "audit_key", hex(header->audit_key, sizeof(header->audit_key)), "bytes",
		(json_int_t)header->bytes, "sha256", hex(header->sha256, sizeof(header->sha256)), "hsm_bytes",
		(json_int_t)header->box_bytes, "hsm_sha256", hex(header->box_sha256, sizeof(header->box_sha256)),
		"hsm_token", header->token, "hsm_serial", header->serial, "mac_check",
		hex(header->mac, sizeof(header->mac)), "seal_check", hex(header->seal.data, header->seal.len));
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	json_decref(object);
	return text;
}

/* The audit key that signs is the newest; a database of before it would not be opened with that. */
static CK_RV sign_by(struct sr_hsm *hsm, unsigned generation, const uint8_t digest[SR_SHA256_LEN],
	uint8_t signature[SR_HSM_SIGNATURE_LEN], struct sr_error *err)
{
	unsigned by;
	CK_RV rv = sr_hsm_sign_as(hsm, digest, signature, &by, err);
	if (rv == CKR_OK && by != generation)
		rv = sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_CHANGED_MEANWHILE,
			"no backup: a rekey has begun meanwhile; try again");
	return rv;
}

CK_RV sr_backup_header_sign(
	struct sr_hsm *hsm, struct sr_backup_header *header, struct sr_buf *out, struct sr_error *err)
{
	uint8_t digest[SR_SHA256_LEN], signature[SR_HSM_SIGNATURE_LEN], length[4];
	CK_RV rv = ask_hsm(hsm, header, err);
	char *text = rv == CKR_OK ? as_text(header) : NULL;
	if (rv == CKR_OK && (!text || !digest_of(text, strlen(text), digest)))
		rv = no_memory(err);
	if (rv == CKR_OK)
		rv = sign_by(hsm, header->generation, digest, signature, err);
	if (rv == CKR_OK) {
		size_t len = strlen(text);
		for (int i = 0; i < 4; i++)
			length[i] = (uint8_t)(len >> (24 - 8 * i));
		sr_buf_text(out, SR_BACKUP_MAGIC);
		sr_buf_append(out, length, sizeof(length));
		sr_buf_append(out, text, len);
		sr_buf_append(out, signature, sizeof(signature));
		rv = out->failed ? no_memory(err) : CKR_OK;
	}
	free(text);
	return rv;
}

/* -- reading ----------------------------------------------------------------------------------------------------- */

static CK_RV unreadable(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
		"the backup's header cannot be read: the file was changed, or made by another Strongroom");
}

static bool take_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);
	if (len >= size || !sr_text_utf8(text, len))
		return false;
	memcpy(out, text, len + 1);
	return true;
}

/** struct texts: what of the header is text in JSON, before it is looked at. */
struct texts {
	const char *vault_id, *name, *chain, *head, *created, *key, *sha256, *box_sha256, *token, *serial, *mac, *seal;
};

static bool take_texts(const struct texts *texts, struct sr_backup_header *header)
{
	size_t seal = strlen(texts->seal) / 2;
	uint8_t *to = seal <= 128 ? sr_buf_reserve(&header->seal, seal + 1) : NULL;
	if (!to || !sr_text_unhex(texts->seal, to, seal))
		return false;
	header->seal.len = seal;
	return take_text(header->vault_id, sizeof(header->vault_id), texts->vault_id) &&
	       take_text(header->vault_name, sizeof(header->vault_name), texts->name) &&
	       take_text(header->chain_id, sizeof(header->chain_id), texts->chain) &&
	       take_text(header->token, sizeof(header->token), texts->token) &&
	       take_text(header->serial, sizeof(header->serial), texts->serial) &&
	       sr_text_parse_time(texts->created, &header->created_ms) &&
	       sr_text_unhex(texts->head, header->head.hash, sizeof(header->head.hash)) &&
	       sr_text_unhex(texts->key, header->audit_key, sizeof(header->audit_key)) &&
	       sr_text_unhex(texts->sha256, header->sha256, sizeof(header->sha256)) &&
	       sr_text_unhex(texts->box_sha256, header->box_sha256, sizeof(header->box_sha256)) &&
	       sr_text_unhex(texts->mac, header->mac, sizeof(header->mac));
}

static bool take_object(json_t *object, struct sr_backup_header *header)
{
	struct texts texts;
	json_int_t epoch, seq, generation, bytes, box_bytes;
	if (json_unpack_ex(object, NULL, JSON_STRICT,
		    "{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "vault_id",
		    &texts.vault_id, "vault_name", &texts.name, "chain_id", &texts.chain, "epoch", &epoch, "sequence",
		    &seq, "head", &texts.head, "created_at", &texts.created, "generation", &generation, "audit_key",
		    &texts.key, "bytes", &bytes, "sha256", &texts.sha256, "hsm_bytes", &box_bytes, "hsm_sha256",
		    &texts.box_sha256, "hsm_token", &texts.token, "hsm_serial", &texts.serial, "mac_check", &texts.mac,
		    "seal_check", &texts.seal) != 0)
		return false;
	if (epoch < 0 || epoch >= SR_EPOCH_MAX || seq < 0 || generation < 1 || generation > UINT16_MAX || bytes < 1 ||
		box_bytes < 0 || box_bytes > SR_BACKUP_HSM_MAX)
		return false;
	header->head.epoch = (uint64_t)epoch;
	header->head.seq = (uint64_t)seq;
	header->generation = (unsigned)generation;
	header->bytes = (uint64_t)bytes;
	header->box_bytes = (uint64_t)box_bytes;
	return take_texts(&texts, header) && header->vault_id[0];
}

CK_RV sr_backup_header_parse(const char *text, size_t len, struct sr_backup_header *header, struct sr_error *err)
{
	memset(header, 0, sizeof(*header));
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	bool taken = object && take_object(object, header);
	json_decref(object);
	if (taken)
		return CKR_OK;
	sr_backup_header_clear(header);
	return unreadable(err);
}

/* -- verifying --------------------------------------------------------------------------------------------------- */

static CK_RV other_keys(struct sr_error *err, const struct sr_backup_header *header, const char *which)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
		"the backup does not belong to this HSM: its %s is another; it was made with token %s, serial %s; use "
		"that one",
		which, header->token, header->serial);
}

static CK_RV check_seal(struct sr_hsm *hsm, const struct sr_backup_header *header, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT, plain = SR_BUF_INIT;
	struct sr_error why = SR_ERROR_INIT;
	pack(header, &packed);
	CK_RV rv = packed.failed ? no_memory(&why)
				 : sr_hsm_unseal(hsm, &packed, header->seal.data, header->seal.len, &plain, &why);
	bool fits = plain.len == strlen(CHECK_TEXT) && memcmp(plain.data, CHECK_TEXT, plain.len) == 0;
	sr_buf_clear(&packed);
	sr_buf_clear(&plain);
	if (rv == CKR_ENCRYPTED_DATA_INVALID || (rv == CKR_OK && !fits))
		return other_keys(err, header, "seal key");
	return rv == CKR_OK ? rv : sr_fail(err, why.rv, why.reason, "%s", why.text);
}

CK_RV sr_backup_header_verify(struct sr_hsm *hsm, const char *text, size_t len, const uint8_t signature[64],
	const struct sr_backup_header *header, struct sr_error *err)
{
	struct sr_buf spki = SR_BUF_INIT;
	uint8_t fingerprint[SR_SHA256_LEN], digest[SR_SHA256_LEN], mac[SR_HSM_MAC_LEN];
	CK_RV rv = key_of(hsm, header->generation, fingerprint, &spki, err);
	if (rv == CKR_OK && !sr_equal(fingerprint, header->audit_key, sizeof(fingerprint)))
		rv = other_keys(err, header, "audit key");
	if (rv == CKR_OK && (!digest_of(text, len, digest) || !sr_p256_verify(spki.data, spki.len, digest, signature)))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"the backup's header is not what the HSM's audit key has signed: the file was changed");
	sr_buf_clear(&spki);
	if (rv == CKR_OK)
		rv = mac_of(hsm, header, mac, err);
	if (rv == CKR_OK && !sr_equal(mac, header->mac, sizeof(mac)))
		rv = other_keys(err, header, "MAC key");
	return rv == CKR_OK ? check_seal(hsm, header, err) : rv;
}
