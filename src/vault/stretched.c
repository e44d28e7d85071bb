/* Members' passphrases after scrypt, sealed, in the table of names and values. */
#include "vault/stretched.h"

#include "hsm/seals.h"
#include "util/pack.h"
#include "util/text.h"
#include "vault/generations.h"
#include "vault/rekey.h"

#include <stdio.h>
#include <string.h>

#define SEALED_LEN (SR_STRETCHED_LEN + SR_HSM_SEALED_OVERHEAD)
#define NAME_MAX_LEN (16 + SR_NAME_MAX)

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to check a passphrase");
}

static void meta_name(const char *member, char name[NAME_MAX_LEN])
{
	snprintf(name, NAME_MAX_LEN, "passphrase:%s", member);
}

static void pack_aad(const struct sr_vault *vault, const struct sr_member_row *row, struct sr_buf *aad)
{
	sr_pack_text(aad, "strongroom/stretched-passphrase/1");
	sr_pack_text(aad, vault->id);
	sr_pack_text(aad, row->name);
	sr_pack_bytes(aad, row->salt, sizeof(row->salt));
	sr_pack_bytes(aad, row->hash, sizeof(row->hash));
}

CK_RV sr_stretched_hash(struct sr_vault *vault, unsigned generation, const uint8_t bytes[SR_STRETCHED_LEN],
	uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, "strongroom/passphrase/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_bytes(&packed, bytes, SR_STRETCHED_LEN);
	CK_RV rv = packed.failed ? no_memory(err)
				 : sr_hsm_mac_to_keep(vault->hsm, generation, packed.data, packed.len, hash, err);
	sr_buf_clear(&packed);
	return rv;
}

/* Whatever this process has loaded: another may have made a newer one, and retired that. A vault that is not open yet
 * has no other. */
static CK_RV seal_by_newest(struct sr_vault *vault, const struct sr_buf *aad, const uint8_t bytes[SR_STRETCHED_LEN],
	struct sr_buf *sealed, struct sr_error *err)
{
	struct sr_moment at;
	unsigned newest;
	if (!vault->writer)
		return sr_hsm_seal(vault->hsm, aad, bytes, SR_STRETCHED_LEN, sealed, err);
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_seal_generation(vault, &at, &newest, err);
	sr_writer_look_end(vault->writer, &at);
	return rv == CKR_OK ? sr_hsm_seal_by(vault->hsm, newest, aad, bytes, SR_STRETCHED_LEN, sealed, err) : rv;
}

CK_RV sr_stretched_seal(struct sr_vault *vault, const struct sr_member_row *row, const uint8_t bytes[SR_STRETCHED_LEN],
	struct sr_stretched *stretched, struct sr_error *err)
{
	struct sr_buf aad = SR_BUF_INIT, sealed = SR_BUF_INIT;
	stretched->text[0] = '\0';
	pack_aad(vault, row, &aad);
	CK_RV rv = aad.failed ? no_memory(err) : seal_by_newest(vault, &aad, bytes, &sealed, err);
	if (rv == CKR_OK && sealed.len == SEALED_LEN)
		sr_text_hex(sealed.data, sealed.len, stretched->text);
	sr_buf_clear(&sealed);
	sr_buf_clear(&aad);
	return rv;
}

CK_RV sr_stretched_put(struct sr_vault *vault, struct sr_tx *tx, const char *name, const struct sr_stretched *stretched,
	struct sr_error *err)
{
	char meta[NAME_MAX_LEN];
	if (!stretched->text[0])
		return CKR_OK;
	meta_name(name, meta);
	return vault->store->ops->meta_put(tx, meta, stretched->text, err);
}

/* The table forgets no name. */
CK_RV sr_stretched_drop(struct sr_vault *vault, struct sr_tx *tx, const char *name, struct sr_error *err)
{
	const struct sr_stretched none = { "-" };
	return sr_stretched_put(vault, tx, name, &none, err);
}

/* FOUND false too where it cannot be one. */
static CK_RV get(struct sr_vault *vault, struct sr_tx *tx, const char *name, uint8_t sealed[SEALED_LEN], bool *found,
	struct sr_error *err)
{
	struct sr_buf text = SR_BUF_INIT;
	char meta[NAME_MAX_LEN];
	meta_name(name, meta);
	CK_RV rv = vault->store->ops->meta_get(tx, meta, &text, err);
	*found = rv == CKR_OK && text.len == (size_t)2 * SEALED_LEN &&
		 sr_text_unhex(sr_buf_string(&text), sealed, SEALED_LEN);
	sr_buf_clear(&text);
	return rv;
}

CK_RV sr_stretched_known(
	struct sr_vault *vault, const struct sr_moment *at, const char *name, bool *known, struct sr_error *err)
{
	uint8_t sealed[SEALED_LEN];
	unsigned newest = 0;
	CK_RV rv = get(vault, at->tx, name, sealed, known, err);
	if (rv == CKR_OK && *known)
		rv = sr_seal_generation(vault, at, &newest, err);
	*known = *known && sr_hsm_sealed_generation(sealed, sizeof(sealed)) == newest;
	return rv;
}

static CK_RV unseal(struct sr_vault *vault, const struct sr_member_row *row, const uint8_t sealed[SEALED_LEN],
	uint8_t bytes[SR_STRETCHED_LEN], struct sr_error *err)
{
	struct sr_buf aad = SR_BUF_INIT, plain = SR_BUF_INIT;
	pack_aad(vault, row, &aad);
	CK_RV rv = aad.failed ? no_memory(err) : sr_hsm_unseal(vault->hsm, &aad, sealed, SEALED_LEN, &plain, err);
	if (rv == CKR_OK && plain.len == SR_STRETCHED_LEN)
		memcpy(bytes, plain.data, SR_STRETCHED_LEN);
	sr_buf_clear(&plain);
	sr_buf_clear(&aad);
	return rv;
}

CK_RV sr_stretched_open(struct sr_vault *vault, struct sr_tx *tx, const struct sr_member_row *row,
	uint8_t bytes[SR_STRETCHED_LEN], bool *found, struct sr_error *err)
{
	uint8_t sealed[SEALED_LEN];
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = get(vault, tx, row->name, sealed, found, err);
	if (rv != CKR_OK || !*found)
		return rv;
	rv = unseal(vault, row, sealed, bytes, &why);
	*found = rv == CKR_OK;
	/* retired with its generation, or changed outside */
	if (rv == CKR_OK || why.reason == SR_REASON_SEAL_BROKEN || why.reason == SR_REASON_HSM_KEY_REFUSED)
		return CKR_OK;
	return sr_fail(err, why.rv, why.reason, "%s", why.text);
}
