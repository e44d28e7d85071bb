/* Keys from the inside: what the files key_*.c share. Private to this folder. */
#ifndef SR_VAULT_KEY_H
#define SR_VAULT_KEY_H

#include "hsm/key.h"
#include "policy/mechanism.h"
#include "vault/keyattrs.h"
#include "vault/grace.h"
#include "vault/keys.h"
#include "vault/who.h"

#include <jansson.h>

#define SR_UID_MAX 33
#define SR_HMAC_KEY_TYPE "hmac-key" /* the type of a secret that secrets:use shows as a key */
#define SR_HMAC_KEY_MIN 16

/** struct sr_key_inside: OWN is what the key has, whoever looks; UID a session object's too (random). FORMER:
 * its row is that of PART's former part (docs/rotation.md). MADE_BY: the
 * event that made the row, 0 where there is none. OF_SECRET: a
 * secret that is used as a key; HSM NULL, its value comes for each use. FROZEN: its path was, and is not only a public
 * key's, in the look that a vault's key was opened in; ROOT: of that look (audit/writer.h). */
struct sr_key_inside {
	atomic_uint refs;
	enum sr_part part;
	bool former;
	bool of_secret;
	char uid[SR_UID_MAX];
	enum sr_tier tier;
	enum sr_custody custody;
	uint64_t made_by;
	bool frozen;
	uint8_t root[SR_HASH_LEN];
	struct sr_attrs own;
	struct sr_hsm_key *hsm;
};

/** struct sr_nest: keys.h's. */
struct sr_nest {
	struct sr_hsm_nest *hsm;
};

/* -- what a key is (key.c) --------------------------------------------------------------------------------------- */
/** sr_key_actions(caller, path): the SR_ACTION_* bits on the key at PATH; 0: it does not exist for CALLER. */
uint32_t sr_key_actions(const struct sr_caller *caller, const char *path);

/** sr_key_gone(err): "not found", in the one form that tells nothing. */
CK_RV sr_key_gone(struct sr_error *err);

/** sr_key_of_row(caller, row, key, err): a checked row as CALLER sees it. sr_key_ask_each_use(key, err): it asks for
 * the credential at each use, whatever the row says. */
CK_RV sr_key_of_row(
	const struct sr_caller *caller, const struct sr_key_row *row, struct sr_key **key, struct sr_error *err);
CK_RV sr_key_ask_each_use(struct sr_key *key, struct sr_error *err);

/** sr_key_of_session(plan, uid, hsm, key, err): a session object; takes a reference to HSM. */
CK_RV sr_key_of_session(
	const struct sr_plan *plan, const char *uid, struct sr_hsm_key *hsm, struct sr_key **key, struct sr_error *err);

/** sr_key_new(part, key_type): empty, with one reference; NULL: no memory. */
struct sr_key *sr_key_new(enum sr_part part, CK_KEY_TYPE key_type);

/** sr_key_row_attrs(row, attrs, err): every attribute of the object, its own rights, CKA_VALUE of a certificate too. */
CK_RV sr_key_row_attrs(const struct sr_key_row *row, struct sr_attrs *attrs, struct sr_error *err);

/** sr_key_row_hsm(row, attrs, err): where the HSM has it; NULL: no memory, or a certificate. */
struct sr_hsm_key *sr_key_row_hsm(const struct sr_key_row *row, const struct sr_attrs *attrs);

/** sr_key_row_ended(row, at): a former part's, and its grace is over, or longer than there are any. */
bool sr_key_row_ended(const struct sr_key_row *row, const struct sr_moment *at);

/** sr_key_row_part(key): the part of its row. */
enum sr_part sr_key_row_part(const struct sr_key *key);

/** sr_key_id_make(part, path, id), sr_key_id_parse(object_class, id, part): "p:PATH" and so on. Parse answers the path,
 * NULL for what is no id of that class; OF_SECRET for "h:PATH". */
void sr_key_id_make(enum sr_part part, const char *path, char id[SR_OBJECT_ID_MAX]);
const char *sr_key_id_parse(CK_OBJECT_CLASS object_class, const char *id, enum sr_part *part, bool *of_secret);
CK_OBJECT_CLASS sr_key_id_class(const char *id); /* the one class that has such an id */

/** sr_key_load(caller, at, path, part, row, err): an active row that the caller may see; else not found. A former part
 * whose grace has ended is not there. */
CK_RV sr_key_load(const struct sr_caller *caller, const struct sr_moment *at, const char *path, enum sr_part part,
	struct sr_key_row *row, struct sr_error *err);

/* -- may it? (key_policy.c) -------------------------------------------------------------------------------------- */
/** sr_key_may(caller, key, right, err): before: whether the key has RIGHT (CKA_SIGN, ...) at all, and policy allows it.
 * RECORD: it is policy that refuses, so the refusal belongs in the audit. */
CK_RV sr_key_may(const struct sr_caller *caller, const struct sr_key *key, CK_ATTRIBUTE_TYPE right, bool *record,
	struct sr_error *err);

/** sr_key_still(caller, at, key, right, err): inside the transaction: the same object, with RIGHT (0: none is asked),
 * within the clearance. CKR_FUNCTION_CANCELED otherwise. A session object always is. */
CK_RV sr_key_still(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key,
	CK_ATTRIBUTE_TYPE right, struct sr_error *err);

/** sr_key_clearance(caller, tier, refusal, err): what a token is not cleared for it does not change, add to or copy. */
CK_RV sr_key_clearance(const struct sr_caller *caller, enum sr_tier tier, CK_RV refusal, struct sr_error *err);

/** sr_key_act(act, caller, kind, key): an act with KEY, its path and tier in the event; it counts a use where it is a
 * private or secret key of the vault. */
void sr_key_act(struct sr_act *act, const struct sr_caller *caller, enum sr_event_kind kind, const struct sr_key *key);

/** sr_key_note(event, facts): FACTS (given away) as the event's metadata. sr_key_type_word(key_type): "rsa", "ec". */
void sr_key_note(struct sr_event *event, json_t *facts);
const char *sr_key_type_word(CK_KEY_TYPE key_type);

/* -- where it goes (key_place.c) --------------------------------------------------------------------------------- */
/** struct sr_placing: rows that are to be put at one path, all or none. */
struct sr_placing {
	char path[SR_PATH_MAX + 1];
	size_t count;
	struct sr_placed {
		const struct sr_plan *plan;
		char uid[SR_UID_MAX];
		const struct sr_hsm_made
			*made; /* NULL while it is only looked whether there is room, and of open ones */
	} items[2];
};

/** sr_place_free(caller, at, placing, err): whether the path is free for all of them. */
CK_RV sr_place_free(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_placing *placing,
	struct sr_error *err);

/** sr_place_put(act, at, placing, err): puts the rows; asks sr_place_free again. */
CK_RV sr_place_put(struct sr_act *act, struct sr_moment *at, const struct sr_placing *placing, struct sr_error *err);

/** sr_place_material(caller, at, material, plan, err): PLAN has no right that a key of the same material in the vault
 * has not. */
CK_RV sr_place_material(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_buf *material,
	const struct sr_plan *plan, struct sr_error *err);

/** sr_place_has_key(vault, at, path, taken, floor, err): whether PATH holds key material, and the tier that it had. */
CK_RV sr_place_has_key(struct sr_vault *vault, const struct sr_moment *at, const char *path, bool *taken,
	enum sr_tier *floor, struct sr_error *err);

/** sr_place_replace(act, at, placing, tiers, err): puts the rows over those that are there, each of its tier; nobody is
 * asked. */
CK_RV sr_place_replace(struct sr_act *act, struct sr_moment *at, const struct sr_placing *placing,
	const enum sr_tier tiers[], struct sr_error *err);

/* -- a secret as a key (key_secret.c) ---------------------------------------------------------------------------- */
CK_RV sr_hmac_view(const struct sr_caller *caller, const char *path, struct sr_view *view, struct sr_error *err);
CK_RV sr_hmac_open(const struct sr_caller *caller, const char *path, struct sr_key **key, struct sr_error *err);
CK_RV sr_hmac_find(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_attrs *query,
	sr_found found, void *ctx, struct sr_error *err);
CK_RV sr_hmac_still(
	const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key, struct sr_error *err);

/** sr_hmac_enter(caller, key, nest, hsm, err): the value in the HSM for one use: it goes with NEST. */
CK_RV sr_hmac_enter(const struct sr_caller *caller, const struct sr_key *key, struct sr_hsm_nest **nest,
	struct sr_hsm_key **hsm, struct sr_error *err);

/* -- implicit rejection (key_reject.c) --------------------------------------------------------------------------- */
/** sr_reject_plain(vault, uid, in, len, out, err): the plain text that a CKM_RSA_PKCS ciphertext has whose padding is
 * wrong: it depends on key and ciphertext alone. Computed before it is known whether it is needed. */
CK_RV sr_reject_plain(
	struct sr_vault *vault, const char *uid, const void *in, size_t len, struct sr_buf *out, struct sr_error *err);

/** sr_reject_select(real, other, use_real, room): REAL becomes OTHER where USE_REAL is not 1, in the same time and by
 * the same steps. Both have at most ROOM bytes. */
void sr_reject_select(struct sr_buf *real, const struct sr_buf *other, size_t use_real, size_t room);

/* -- rotations (key_rotate.c, key_sweep.c) ----------------------------------------------------------------------- */
/** sr_key_rotate(caller, path, part, changes, err): a new generation of the key at PATH. CHANGES has CKA_SR_GRACE and
 * nothing else. One event key.rotated. */
CK_RV sr_key_rotate(const struct sr_caller *caller, const char *path, enum sr_part part, const struct sr_attrs *changes,
	struct sr_error *err);

/** struct sr_key_ends: keys that end with an act: their objects in the HSM, which are destroyed when that is durable.
 * sr_key_ends_add(ends, row, err): where ROW has one. sr_key_ends_now(ends, caller, what, err): WHAT was done, for the
 * error; clears ENDS. */
struct sr_key_ends {
	size_t count;
	struct {
		struct sr_hsm_key *hsm;
		char uid[SR_UID_MAX];
	} items[4]; /* of one path */
};
CK_RV sr_key_ends_add(struct sr_key_ends *ends, const struct sr_key_row *row, struct sr_error *err);
CK_RV sr_key_ends_now(struct sr_key_ends *ends, const struct sr_caller *caller, const char *what, struct sr_error *err);
void sr_key_ends_clear(struct sr_key_ends *ends);

/** sr_key_row_bury(row, ms): what is left of a deleted one. */
void sr_key_row_bury(struct sr_key_row *row, int64_t ms);

/* -- the class operations (key_class.c, key_write.c) ------------------------------------------------------------- */
CK_RV sr_key_class_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *changes, struct sr_error *err);
CK_RV sr_key_class_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err);

extern const struct sr_class sr_private_key_class, sr_public_key_class, sr_secret_key_class, sr_certificate_class;

#endif
