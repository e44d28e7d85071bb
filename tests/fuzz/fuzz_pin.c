/* PINs, as sr_login gets them. The first byte: with 1 a name of its own comes first, up to a newline (C_LoginUser); the
 * rest is the PIN, in a block of its own size. Behind the login nothing is real: the linker puts what stands below in
 * the place of the rows, the HSM, the writer and scrypt (tests/fuzz/files.am), so that reading the PIN is all there is
 * to do. One token, one agent's key and one member are known. */
#define _GNU_SOURCE 1 /* memmem */
#include "tests/fuzz/fuzz.h"

#include "util/crypto.h"
#include "util/pack.h"
#include "vault/core.h"
#include "vault/identity.h"
#include "vault/keys.h"
#include "vault/denied.h"
#include "vault/refused.h"
#include "vault/who.h"

#define TOKEN "srt_abcdefghijklmnopqrstuvwxyz"
#define AGENT_KEY "srk_abcdefghijklmnopqrstuvwxyz"
#define PASSPHRASE "correct horse"

static const uint8_t *pin;
static size_t pin_len;
static unsigned events;
static struct sr_event event;

/* -- in the place of the vault ------------------------------------------------------------------------------------- */
CK_RV __wrap_sr_writer_look(struct sr_writer *writer, struct sr_moment *at, struct sr_error *err);
void __wrap_sr_writer_look_end(struct sr_writer *writer, struct sr_moment *at);
CK_RV __wrap_sr_writer_run(struct sr_writer *writer, struct sr_job *job, struct sr_error *err);
CK_RV __wrap_sr_hsm_mac_to_keep(
	struct sr_hsm *hsm, unsigned generation, const void *data, size_t len, uint8_t mac[32], struct sr_error *err);
bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len);
CK_RV __wrap_sr_rows_token_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t *hash,
	struct sr_token_row *row, bool *found, struct sr_error *err);
CK_RV __wrap_sr_rows_agent_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t *hash,
	struct sr_agent_row *row, bool *found, struct sr_error *err);
CK_RV __wrap_sr_rows_member(struct sr_vault *vault, const struct sr_moment *at, const char *name,
	struct sr_member_row *row, bool *found, struct sr_error *err);
CK_RV __wrap_sr_who_still(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err);
bool __wrap_sr_hsm_absence(struct sr_hsm *hsm, struct sr_hsm_absence *absence);
CK_RV __wrap_sr_stretched_known(
	struct sr_vault *vault, const struct sr_moment *at, const char *name, bool *known, struct sr_error *err);

/* What is kept of a passphrase is there: a login keeps nothing. */
CK_RV __wrap_sr_stretched_known(
	struct sr_vault *vault, const struct sr_moment *at, const char *name, bool *known, struct sr_error *err)
{
	(void)vault;
	(void)at;
	(void)name;
	(void)err;
	*known = true;
	return CKR_OK;
}

/* There is no HSM that could have been away. */
bool __wrap_sr_hsm_absence(struct sr_hsm *hsm, struct sr_hsm_absence *absence)
{
	(void)hsm;
	(void)absence;
	return false;
}

CK_RV __wrap_sr_writer_look(struct sr_writer *writer, struct sr_moment *at, struct sr_error *err)
{
	(void)writer;
	(void)err;
	memset(at, 0, sizeof *at);
	at->generation = 1;
	return CKR_OK;
}

void __wrap_sr_writer_look_end(struct sr_writer *writer, struct sr_moment *at)
{
	(void)writer;
	(void)at;
}

CK_RV __wrap_sr_writer_run(struct sr_writer *writer, struct sr_job *job, struct sr_error *err)
{
	struct sr_moment at = { .event_id = 1, .generation = 1 };
	(void)writer;
	events++;
	event = *job->event;
	if (job->refuse != CKR_OK)
		return job->refuse;
	return job->run ? job->run(&at, job->arg, err) : CKR_OK;
}

CK_RV __wrap_sr_hsm_mac_to_keep(
	struct sr_hsm *hsm, unsigned generation, const void *data, size_t len, uint8_t mac[32], struct sr_error *err)
{
	(void)hsm;
	(void)err;
	must(generation == 1);
	must(sr_sha256(data, len, mac));
	return CKR_OK;
}

/* What is stretched is the end of the PIN, and nothing of a token. */
bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len)
{
	(void)salt;
	must(salt_len == 16 && log2n > 0 && r > 0 && p > 0 && out_len == SR_SHA256_LEN);
	must(len > 0 && len <= pin_len && memcmp(pin + (pin_len - len), pass, len) == 0);
	return sr_sha256(pass, len, out);
}

/* The hash that a row holds is the one that was asked for, where the PIN is the one that is known. */
static bool is_pin(const char *known)
{
	return pin_len == strlen(known) && memcmp(pin, known, pin_len) == 0;
}

CK_RV __wrap_sr_rows_token_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t *hash,
	struct sr_token_row *row, bool *found, struct sr_error *err)
{
	(void)vault;
	(void)at;
	(void)err;
	memset(row, 0, sizeof *row);
	*found = is_pin(TOKEN);
	if (!*found)
		return CKR_OK;
	memcpy(row->hash, hash, sizeof row->hash);
	memcpy(row->id, "t-known", sizeof "t-known");
	sr_buf_text(&row->scopes, "secrets:read:a/*");
	return CKR_OK;
}

CK_RV __wrap_sr_rows_agent_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t *hash,
	struct sr_agent_row *row, bool *found, struct sr_error *err)
{
	(void)vault;
	(void)at;
	(void)err;
	memset(row, 0, sizeof *row);
	*found = is_pin(AGENT_KEY);
	if (!*found)
		return CKR_OK;
	memcpy(row->hash, hash, sizeof row->hash);
	memcpy(row->name, "bot", sizeof "bot");
	memcpy(row->owner, "admin", sizeof "admin");
	sr_buf_text(&row->scopes, "secrets:read:a/*");
	return CKR_OK;
}

static void hash_passphrase(const struct sr_vault *vault, uint8_t hash[SR_HASH_LEN])
{
	uint8_t stretched[SR_SHA256_LEN];
	struct sr_buf packed = SR_BUF_INIT;
	must(sr_sha256(PASSPHRASE, strlen(PASSPHRASE), stretched));
	sr_pack_text(&packed, "strongroom/passphrase/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_bytes(&packed, stretched, sizeof stretched);
	must(sr_sha256(packed.data, packed.len, hash));
	sr_buf_clear(&packed);
}

CK_RV __wrap_sr_rows_member(struct sr_vault *vault, const struct sr_moment *at, const char *name,
	struct sr_member_row *row, bool *found, struct sr_error *err)
{
	(void)at;
	(void)err;
	must(sr_name_valid(name, strlen(name)));
	memset(row, 0, sizeof *row);
	*found = strcmp(name, "admin") == 0;
	if (!*found)
		return CKR_OK;
	memcpy(row->name, "admin", sizeof "admin");
	row->active = true;
	row->log2n = row->r = row->p = 1;
	hash_passphrase(vault, row->hash);
	return CKR_OK;
}

CK_RV __wrap_sr_who_still(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err)
{
	(void)at;
	(void)err;
	must(caller->identity != NULL);
	return CKR_OK;
}

/* -- what holds of every PIN --------------------------------------------------------------------------------------- */

/* A text of the record or of the error that holds the PIN would give it away. Shorter ones may be words of ours. */
static void must_not_tell(const char *text)
{
	if (pin_len >= 12)
		must(!memmem(text, strlen(text), pin, pin_len));
}

static void check_record(CK_RV rv, const struct sr_error *err)
{
	must(events == 1 && event.kind == SR_EVENT_SESSION_LOGIN);
	must_not_tell(event.actor_id);
	must_not_tell(event.token_id);
	must_not_tell(event.path);
	must_not_tell(event.subject);
	must_not_tell(event.metadata);
	must_not_tell(err->text);
	must(rv == CKR_OK || rv == CKR_PIN_INCORRECT || rv == CKR_PIN_EXPIRED || rv == CKR_PIN_LOCKED);
	must(rv == CKR_OK || err->reason == SR_REASON_LOGIN_REFUSED);
}

/* A name, or NULL, and the PIN in PIN. */
static void log_in(const char *name, size_t name_len)
{
	static const struct sr_key session_key = { .object_class = CKO_PRIVATE_KEY };
	static const struct sr_peer peer = { .kind = SR_PEER_EMBEDDED, .loopback = true };
	struct sr_vault vault = {
		.id = "fuzz", .slow = sr_slow_new(), .refused = sr_refused_new(), .denied = sr_denied_new()
	};
	sem_init(&vault.stretching, 0, 1);
	struct sr_caller caller = { &vault, &peer, "C_Login", NULL };
	struct sr_error err = SR_ERROR_INIT;
	must(vault.slow && vault.refused && vault.denied);
	events = 0;
	CK_RV rv = sr_login(&caller, CKU_USER, name, name_len, pin, pin_len, &caller.identity, &err);
	must((rv == CKR_OK) == (caller.identity != NULL));
	check_record(rv, &err);
	if (rv == CKR_OK && caller.identity->type != SR_IDENTITY_AGENT) { /* what was right is right once more */
		events = 0;
		must(sr_reauthenticate(&caller, &session_key, name, name_len, pin, pin_len, &err) == CKR_OK);
		check_record(CKR_OK, &err);
	}
	sr_identity_unref(caller.identity);
	sr_denied_free(vault.denied);
	sr_refused_free(vault.refused);
	sr_slow_free(vault.slow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data;
	const char *name = NULL;
	size_t name_len = 0;
	bool apart = size && (*rest & 1);
	rest += size > 0;
	size -= size > 0;
	if (apart)
		name = fuzz_part(&rest, &size, &name_len);
	uint8_t *block = malloc(size ? size : 1);
	must(block);
	memcpy(block, rest, size);
	pin = block;
	pin_len = size;
	log_in(name, name_len);
	free(block);
	return 0;
}
