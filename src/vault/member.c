/* Members: passphrases under scrypt and the HSM. */
#include "vault/member.h"

#include "util/text.h"
#include "vault/generations.h"
#include "vault/slow.h"
#include "vault/who.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 7914; 32 MiB and about a tenth of a second. Stored with each row, so they can grow. */
#define SCRYPT_LOG2N 15
#define SCRYPT_R 8
#define SCRYPT_P 1

CK_RV sr_member_passphrase_ok(const void *pass, size_t len, struct sr_error *err)
{
	bool seen[256] = { false };
	unsigned different = 0;
	if (len < SR_PASSPHRASE_MIN || len > SR_PASSPHRASE_MAX)
		return sr_fail(err, CKR_PIN_LEN_RANGE, SR_REASON_WEAK_PASSPHRASE,
			"passphrase refused: it must have 12 to 200 bytes");
	if (!sr_text_utf8(pass, len))
		return sr_fail(err, CKR_PIN_INVALID, SR_REASON_WEAK_PASSPHRASE,
			"passphrase refused: it must be UTF-8 text without control characters");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = ((const unsigned char *)pass)[i];
		different += !seen[c];
		seen[c] = true;
	}
	if (different < 5)
		return sr_fail(err, CKR_PIN_TOO_WEAK, SR_REASON_WEAK_PASSPHRASE,
			"passphrase refused: it repeats a few characters; take several words");
	return CKR_OK;
}

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to check a passphrase");
}

/* Few at once; the others wait. */
static bool stretch(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	uint8_t *stretched, size_t size)
{
	while (sem_wait(&vault->stretching) != 0 && errno == EINTR)
		;
	bool done = sr_scrypt(pass, len, row->salt, sizeof(row->salt), row->log2n, row->r, row->p, stretched, size);
	sem_post(&vault->stretching);
	return done;
}

/* scrypt here, then the HSM's mac key: who has the database alone has nothing to guess against. */
CK_RV sr_member_set_passphrase(struct sr_vault *vault, struct sr_member_row *row, const void *pass, size_t len,
	struct sr_stretched *kept, struct sr_error *err)
{
	uint8_t stretched[SR_STRETCHED_LEN];
	CK_RV rv = sr_member_passphrase_ok(pass, len, err);
	if (rv == CKR_OK)
		rv = sr_hsm_random(vault->hsm, row->salt, sizeof(row->salt), err);
	if (rv != CKR_OK)
		return rv;
	row->log2n = SCRYPT_LOG2N;
	row->r = SCRYPT_R;
	row->p = SCRYPT_P;
	row->hash_generation = sr_hsm_generation(vault->hsm);
	rv = stretch(vault, row, pass, len, stretched, sizeof(stretched)) ? CKR_OK : no_memory(err);
	if (rv == CKR_OK)
		rv = sr_stretched_hash(vault, row->hash_generation, stretched, row->hash, err);
	if (rv == CKR_OK)
		rv = sr_stretched_seal(vault, row, stretched, kept, err);
	sr_cleanse(stretched, sizeof(stretched));
	return rv;
}

/* By whichever generation that is not retired. */
static CK_RV try_generations(struct sr_vault *vault, const struct sr_member_row *row,
	const uint8_t stretched[SR_STRETCHED_LEN], bool *fits, struct sr_member_anew *anew, struct sr_error *err)
{
	struct sr_keys_span span;
	uint8_t hash[SR_HASH_LEN];
	CK_RV rv = sr_keys_span_now(vault, &span, err);
	for (unsigned i = span.newest; rv == CKR_OK && !*fits && i >= span.oldest; i--) {
		rv = sr_stretched_hash(vault, i, stretched, hash, err);
		*fits = rv == CKR_OK && row && sr_equal(hash, row->hash, sizeof(hash));
		if (i == span.newest)
			memcpy(anew->hash, hash, sizeof(hash));
		else if (*fits)
			anew->hash_generation = span.newest;
	}
	sr_cleanse(hash, sizeof(hash));
	return rv;
}

/* What is kept is bound to the hash that the row will have. */
static CK_RV keep(struct sr_vault *vault, const struct sr_member_row *row, const uint8_t stretched[SR_STRETCHED_LEN],
	struct sr_member_anew *anew, struct sr_error *err)
{
	struct sr_member_row fresh = *row;
	if (anew->hash_generation)
		memcpy(fresh.hash, anew->hash, sizeof(fresh.hash));
	CK_RV rv = sr_stretched_seal(vault, &fresh, stretched, &anew->kept, err);
	sr_cleanse(&fresh, sizeof(fresh));
	return rv;
}

CK_RV sr_member_passphrase_tried(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	bool *fits, struct sr_member_anew *anew, struct sr_error *err)
{
	static const struct sr_member_row nobody = { .log2n = SCRYPT_LOG2N, .r = SCRYPT_R, .p = SCRYPT_P };
	uint8_t stretched[SR_STRETCHED_LEN];
	*fits = false;
	anew->hash_generation = 0;
	anew->kept.text[0] = '\0';
	CK_RV rv =
		stretch(vault, row ? row : &nobody, pass, len, stretched, sizeof(stretched)) ? CKR_OK : no_memory(err);
	if (rv == CKR_OK)
		rv = try_generations(vault, row, stretched, fits, anew, err);
	if (rv == CKR_OK && *fits && (anew->keep || anew->hash_generation))
		rv = keep(vault, row, stretched, anew, err);
	sr_cleanse(stretched, sizeof(stretched));
	return rv;
}

CK_RV sr_member_passphrase_fits(struct sr_vault *vault, const struct sr_member_row *row, const void *pass, size_t len,
	bool *fits, struct sr_error *err)
{
	struct sr_member_anew ignored = { .keep = false };
	CK_RV rv = sr_member_passphrase_tried(vault, row, pass, len, fits, &ignored, err);
	sr_cleanse(&ignored, sizeof(ignored));
	return rv;
}

/* -- C_SetPIN --------------------------------------------------------------------------------------------------- */

/** struct changed: the row with the new passphrase. It carries the mark of the one that the old passphrase was checked
 *  against: two changes at once are one change. */
struct changed {
	struct sr_member_row row;
	struct sr_stretched kept;
};

static CK_RV passwd_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct changed *changed = act->arg;
	struct sr_member_row *fresh = &changed->row;
	struct sr_member_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_member(act->caller->vault, at, fresh->name, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_USER_NOT_LOGGED_IN, SR_REASON_REVOKED, "the member was removed");
	if (rv == CKR_OK && row.mark.event_id != fresh->mark.event_id)
		rv = sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_CHANGED_MEANWHILE,
			"passphrase not changed: another login has just changed it; log in again");
	if (rv == CKR_OK)
		rv = sr_rows_put_member(act->caller->vault, at, &act->event, fresh, err);
	return rv == CKR_OK ? sr_stretched_put(act->caller->vault, at->tx, fresh->name, &changed->kept, err) : rv;
}

/* The old one may come with the name before it, as it was given to C_Login. */
static void without_name(const char *name, const void **pin, size_t *len)
{
	size_t n = strlen(name);
	if (*len > n && memcmp(*pin, name, n) == 0 && ((const char *)*pin)[n] == ':') {
		*pin = (const char *)*pin + n + 1;
		*len -= n + 1;
	}
}

CK_RV sr_member_current(const struct sr_caller *caller, struct sr_member_row *row, struct sr_error *err)
{
	struct sr_moment at;
	bool found = false;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_member(caller->vault, &at, caller->identity->member.name, row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !found)
		rv = sr_fail(err, CKR_USER_NOT_LOGGED_IN, SR_REASON_REVOKED, "the member was removed");
	return rv;
}

static CK_RV wrong(struct sr_act *act, CK_ULONG reason, struct sr_error *err)
{
	act->audit_reason = reason;
	return sr_fail(
		err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE, "passphrase not changed: the old one is wrong");
}

static CK_RV try_old(struct sr_act *act, struct sr_member_row *row, const void *pin, size_t len, struct sr_error *err)
{
	bool fits = false;
	CK_RV rv = sr_member_current(act->caller, row, err);
	if (rv != CKR_OK)
		return rv;
	without_name(row->name, &pin, &len);
	rv = sr_member_passphrase_fits(act->caller->vault, row, pin, len, &fits, err);
	return rv == CKR_OK && !fits ? wrong(act, SR_REASON_WRONG_PASSPHRASE, err) : rv;
}

/* It is a guess like one at C_Login, and is slowed with those. */
static CK_RV check_old(struct sr_act *act, struct sr_member_row *row, const void *pin, size_t len, struct sr_error *err)
{
	const struct sr_caller *caller = act->caller;
	struct sr_source source;
	sr_source_of(caller->identity->member.name, caller->peer, &source);
	if (!sr_slow_enter(caller->vault->slow, &source))
		return wrong(act, SR_REASON_SLOWED, err);
	CK_RV rv = try_old(act, row, pin, len, err);
	sr_slow_leave(caller->vault->slow, &source, sr_tried(rv));
	return rv;
}

CK_RV sr_set_passphrase(const struct sr_caller *caller, const void *old_pin, size_t old_len, const void *new_pin,
	size_t new_len, struct sr_error *err)
{
	struct changed changed = { .kept = { "" } };
	struct sr_member_row *fresh = &changed.row;
	struct sr_act act;
	if (caller->identity->type != SR_IDENTITY_MEMBER)
		return sr_fail(err, CKR_FUNCTION_NOT_SUPPORTED, SR_REASON_ROLE_NOT_ALLOWED,
			"only a member has a passphrase to change; tokens and agents' keys are issued anew");
	sr_act_begin(&act, caller, SR_EVENT_MEMBER_PASSPHRASE, NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"member\":\"%s\"}", caller->identity->member.name);
	CK_RV rv = check_old(&act, fresh, old_pin, old_len, err);
	if (rv == CKR_OK)
		rv = sr_member_set_passphrase(caller->vault, fresh, new_pin, new_len, &changed.kept, err);
	act.run = passwd_run;
	act.arg = &changed;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		atomic_store(&caller->identity->known, fresh->mark.event_id);
	sr_cleanse(&changed, sizeof(changed));
	return rv;
}
