/* The keys of users as the HSM's handles: found, unwrapped or created once, then kept in a bounded cache. Inside hsm/;
 * the unit tests look at the counts too.
 *
 * Kept are plain handles of resident keys, which need nothing but memory here, and session objects in a session of the
 * cache's own: unwrapped keys, open keys, and copies of resident keys that are used again and again. The least recently
 * used go first; one that an operation holds stays in the HSM until it is released. */
#ifndef SR_HSM_CACHE_H
#define SR_HSM_CACHE_H

#include "hsm/internal.h"
#include "hsm/key.h"

#define SR_CACHE_SESSION_MAX 1024
#define SR_CACHE_PLAIN_MAX 16384
#define SR_MODULUS_MAX 2048 /* bytes: RSA of 16384 bits */

/* -- references (key.c) ---------------------------------------------------------------------------------------- */

enum sr_key_kind { SR_KEY_RESIDENT, SR_KEY_WRAPPED, SR_KEY_OPEN, SR_KEY_NEST };

/** struct sr_key_facts: what sizes depend on. MODULUS_LEN: bytes, 0 for what is not RSA. */
struct sr_key_facts {
	CK_KEY_TYPE type;
	size_t modulus_len;
};

/** struct sr_hsm_key: BLOB of a wrapped key, TEMPLATE of a wrapped and an open one; NEST, HANDLE, FACTS and EPOCH (when
 *  the handle was made) of one in a nest. */
struct sr_hsm_key {
	_Atomic unsigned refs;
	enum sr_key_kind kind;
	char uid[SR_HSM_UID_MAX];
	uint64_t generation;
	CK_OBJECT_CLASS object_class;
	struct sr_buf blob;
	struct sr_attrs template;
	struct sr_hsm_nest *nest;
	CK_OBJECT_HANDLE handle;
	struct sr_key_facts facts;
	unsigned long epoch;
};

struct sr_hsm_key *sr_key_in_nest(struct sr_hsm_nest *nest, CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class,
	const struct sr_key_facts *facts);

/** struct sr_hsm_nest: EPOCH of its session: after a loss its keys are dead, new ones are made in a new session. */
struct sr_hsm_nest {
	_Atomic unsigned refs;
	_Atomic bool closed;
	struct sr_hsm *hsm;
	struct sr_hsm_nest *next, **link; /* among the HSM's */
	CK_SESSION_HANDLE session;
	unsigned long epoch, restarts;
};

/** sr_nest_ready(turn, nest, session, err): its session, a new one where the old one was lost. ERR is filled for what
 * is final, else the answer is the backend's own code. */
CK_RV sr_nest_ready(
	const struct sr_hsm_turn *turn, struct sr_hsm_nest *nest, CK_SESSION_HANDLE *session, struct sr_error *err);

/** sr_nests_drop(hsm, touch), sr_uses_drop(hsm, touch): all that are left; TOUCH: in the HSM too. */
void sr_nests_drop(struct sr_hsm *hsm, bool touch);
void sr_uses_drop(struct sr_hsm *hsm, bool touch);

/* -- templates for the HSM (template.c) ------------------------------------------------------------------------ */

enum sr_template_for { SR_FOR_GENERATE, SR_FOR_CREATE, SR_FOR_UNWRAP, SR_FOR_DERIVE, SR_FOR_REWRAPPED };

/** struct sr_template: attributes that point into an sr_attrs, or into the struct itself: it does not move. */
struct sr_template {
	CK_ATTRIBUTE rows[64];
	CK_ULONG count;
	CK_BBOOL yes, no;
	CK_OBJECT_CLASS object_class;
	char label[SR_HSM_LABEL_MAX];
	char uid[SR_HSM_UID_MAX];
};

/** sr_template_fill(to, from, object_class, purpose): what of FROM the HSM is told. A right that FROM does not name is
 *  given as false, CKA_SENSITIVE as true, CKA_EXTRACTABLE as false: the HSM's own defaults may be wider. */
void sr_template_fill(struct sr_template *to, const struct sr_attrs *from, CK_OBJECT_CLASS object_class,
	enum sr_template_for purpose);

/** sr_template_place(to, vault_id, uid): a token object with our label and id; UID NULL: a session object. */
void sr_template_place(struct sr_template *to, const char *vault_id, const char *uid);

/** sr_template_flag(to, type, flag): puts or replaces. */
void sr_template_flag(struct sr_template *to, CK_ATTRIBUTE_TYPE type, bool flag);

/** sr_template_drop(to, type): whether it was there. */
bool sr_template_drop(struct sr_template *to, CK_ATTRIBUTE_TYPE type);

/** sr_template_changes(turn, object, wanted, to): the rights and secrecy of WANTED that OBJECT has not. Some backends
 *  refuse to be told what is so already. */
CK_RV sr_template_changes(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, const struct sr_attrs *wanted, struct sr_template *to);

void sr_user_key_label(const char *vault_id, const char *uid, char label[SR_HSM_LABEL_MAX]);

/** sr_object_facts(turn, object, facts) */
CK_RV sr_object_facts(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, struct sr_key_facts *facts);

/** sr_resident_find(turn, vault_id, uid, class, found, max, count): token objects of that label. None is
 *  CKR_USER_NOT_LOGGED_IN where the session is not logged in (any more), CKR_TOKEN_NOT_PRESENT where the token is gone.
 */
CK_RV sr_resident_find(const struct sr_hsm_turn *turn, const char *vault_id, const char *uid,
	CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count);

/** sr_resident_destroy(turn, vault_id, uid, class): all of that label; none is CKR_OK. */
CK_RV sr_resident_destroy(
	const struct sr_hsm_turn *turn, const char *vault_id, const char *uid, CK_OBJECT_CLASS object_class);

/** sr_wrap_with_vault(turn, generation, object, bare), sr_unwrap_with_vault(turn, session, blob, template, object): by
 *  the vault's wrap key, AES key wrap with padding. A blob says which generation that was, unless it was the first;
 * BARE is what the HSM gives. CKR_KEY_FUNCTION_NOT_PERMITTED: the HSM has no such generation. */
CK_RV sr_wrap_with_vault(
	const struct sr_hsm_turn *turn, unsigned generation, CK_OBJECT_HANDLE object, struct sr_buf *bare);
CK_RV sr_unwrap_with_vault(const struct sr_hsm_turn *turn, CK_SESSION_HANDLE session, const struct sr_buf *blob,
	struct sr_template *template, CK_OBJECT_HANDLE *object);

/** sr_wrapped_bare(blob): borrowed from it. sr_wrapped_tag(generation, bare, blob): the reverse. */
struct sr_buf sr_wrapped_bare(const struct sr_buf *blob);
void sr_wrapped_tag(unsigned generation, const struct sr_buf *bare, struct sr_buf *blob);

/** sr_wrap_material(turn, object, bare, material): the digest of BARE, which is OBJECT under the newest generation, and
 *  behind it those of what the other generations make of it: a key that was kept under one of them is known by it. */
CK_RV sr_wrap_material(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, const struct sr_buf *bare, struct sr_buf *material);

/** sr_rewrap_in(turn, blob, class, attrs, wrapped, material, err): sr_hsm_rewrap within TURN. ERR is filled for what is
 *  final, else the answer is the backend's own code. */
CK_RV sr_rewrap_in(const struct sr_hsm_turn *turn, const struct sr_buf *blob, CK_OBJECT_CLASS object_class,
	const struct sr_attrs *attrs, struct sr_buf *wrapped, struct sr_buf *material, struct sr_error *err);

/** sr_hsm_vault_id(hsm, out): of the keys that are wanted. */
void sr_hsm_vault_id(struct sr_hsm *hsm, char out[SR_HSM_VAULT_ID_MAX + 1]);

/* -- components (component.c) ----------------------------------------------------------------------------------- */

/** sr_components_check(components, object_class, err): refuses a key without the components that it cannot be without.
 */
CK_RV sr_components_check(const struct sr_attrs *components, CK_OBJECT_CLASS object_class, struct sr_error *err);

/** sr_curve_check(components, type, err): refuses CKA_EC_PARAMS, if it is there, that is not known. */
CK_RV sr_curve_check(const struct sr_attrs *components, CK_KEY_TYPE type, struct sr_error *err);

/** sr_key_fits(mechanism, type): CKR_MECHANISM_INVALID for one that we do not know, CKR_KEY_TYPE_INCONSISTENT for a key
 * of another type: SoftHSM2 2.6.1 does not look everywhere, and the process dies. */
CK_RV sr_key_fits(CK_MECHANISM_TYPE mechanism, CK_KEY_TYPE type);

/* -- the cache (cache.c) --------------------------------------------------------------------------------------- */

struct sr_cache;
struct sr_cache *sr_cache_new(void);
void sr_cache_close(struct sr_hsm *hsm); /* in the HSM; the memory is freed by */
void sr_cache_free(struct sr_cache *cache);

/** struct sr_held: a key's handle, held for an operation. ENTRY NULL: of a nest. */
struct sr_held {
	CK_OBJECT_HANDLE handle;
	struct sr_key_facts facts;
	struct sr_entry *entry;
};

/** SR_HOLD_USE: whichever handle is fastest. SR_HOLD_OBJECT: of a resident key the token object itself. */
enum sr_hold { SR_HOLD_USE, SR_HOLD_OBJECT };

/** sr_cache_hold(hsm, turn, key, how, held, err): ERR is filled for what is final, else the backend's own code. Never
 *  called with sr_softhsm_lock held. Every hold is released, by any thread. */
CK_RV sr_cache_hold(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key, enum sr_hold how,
	struct sr_held *held, struct sr_error *err);
void sr_cache_release(struct sr_hsm *hsm, struct sr_held *held);

/** sr_cache_evict(hsm, held): the backend does not know this handle (any more): nobody gets it again. */
void sr_cache_evict(struct sr_hsm *hsm, struct sr_held *held);

/** sr_cache_forget(hsm, uid): nobody gets a handle of that key again. */
void sr_cache_forget(struct sr_hsm *hsm, const char *uid);

/** sr_cache_known(hsm, turn, uid, class, handle, facts): a resident key that was just made. */
void sr_cache_known(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const char *uid, CK_OBJECT_CLASS object_class,
	CK_OBJECT_HANDLE handle, const struct sr_key_facts *facts);

/** for the tests: smaller limits, and how many there are */
struct sr_cache_counts {
	size_t session, plain, doomed;
};
void sr_cache_limit(struct sr_hsm *hsm, size_t session, size_t plain);
struct sr_cache_counts sr_cache_count(struct sr_hsm *hsm);

/* -- codes (code.c) -------------------------------------------------------------------------------------------- */

/** what was asked of the HSM; the first six as enum sr_hsm_function */
enum sr_code_of {
	SR_CODE_ENCRYPT,
	SR_CODE_DECRYPT,
	SR_CODE_SIGN,
	SR_CODE_VERIFY,
	SR_CODE_SIGN_RECOVER,
	SR_CODE_VERIFY_RECOVER,
	SR_CODE_BEGIN,
	SR_CODE_GENERATE,
	SR_CODE_IMPORT,
	SR_CODE_UNWRAP,
	SR_CODE_DERIVE,
	SR_CODE_COPY,
	SR_CODE_WRAP,
	SR_CODE_READ,
	SR_CODE_SET
};

/** sr_code_fail(err, of, rv, doing): the error for a backend's code: what a caller may see of it, else as sr_hsm_fail.
 */
CK_RV sr_code_fail(struct sr_error *err, enum sr_code_of of, CK_RV rv, const char *doing);

/** sr_code_is_handle(rv): the backend does not know the handle of the user's key. */
bool sr_code_is_handle(CK_RV rv);

#endif
