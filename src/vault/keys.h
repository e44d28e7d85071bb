/* Keys as the call layer sees them: what there is behind a handle, what may be done with it, how new ones are made, and
 * one operation from its beginning to its end. Policy and audit are complete in here: what a function answers with
 * CKR_OK is recorded and durable (a key use without a counted token: written, docs/audit.md). Mechanisms come checked
 * and copied (pkcs11/mechanism.h), templates come checked for form (pkcs11/template.h).
 *
 * CALLER->identity may be NULL only where the key is a session object that is not private. */
#ifndef SR_VAULT_KEYS_H
#define SR_VAULT_KEYS_H

#include "policy/tier.h"
#include "vault/objects.h"
#include "vault/vault.h"

/** struct sr_key: a key that a call holds. Counted, immutable.
 *  object_class  CKO_PRIVATE_KEY, CKO_PUBLIC_KEY or CKO_SECRET_KEY
 *  key_type      CKK_*
 *  path          "" for a session object
 *  attrs         the object's attributes as C_GetAttributeValue shows them to this caller: a right reads true only
 * where the key has it AND the caller's scope allows it. Never a secret component. always_authenticate
 * CKA_ALWAYS_AUTHENTICATE */
struct sr_key {
	CK_OBJECT_CLASS object_class;
	CK_KEY_TYPE key_type;
	char path[SR_PATH_MAX + 1];
	struct sr_attrs attrs;
	bool always_authenticate;
	struct sr_key_inside *inside; /* the vault's own: refs, row, where the HSM has it */
};
struct sr_key *sr_key_ref(struct sr_key *key);
void sr_key_unref(struct sr_key *key); /* NULL is allowed */

/** sr_key_open(caller, object_class, id, key, err): the key behind a handle of a vault object (ID as the class's find
 * gave it). CKR_OBJECT_HANDLE_INVALID when there is nothing (any more) that the caller may see. */
CK_RV sr_key_open(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const char *id, struct sr_key **key,
	struct sr_error *err);

/* -- operations --------------------------------------------------------------------------------------------------- */
enum sr_function { SR_ENCRYPT, SR_DECRYPT, SR_SIGN, SR_VERIFY, SR_SIGN_RECOVER, SR_VERIFY_RECOVER, SR_FUNCTIONS };

/** struct sr_use: one operation with one key. It keeps the mechanism's name for the audit, and a reference to the key.
 * For one thread at a time. */
struct sr_use;

/** sr_use_begin(caller, function, key, mechanism, use, err): asks whether the key has the right at all
 * (CKR_KEY_FUNCTION_NOT_PERMITTED, no event), then policy: the scope must have the action (sign, verify, encrypt,
 * decrypt; a public key's verify and encrypt want no more than that it is visible), the tier must be within the
 * clearance. A refusal of policy is one denied key.used event: CKR_KEY_FUNCTION_NOT_PERMITTED with
 * SR_REASON_OUT_OF_SCOPE or SR_REASON_APPROVAL_REQUIRED (CKR_ACTION_PROHIBITED is not among the codes of C_*Init). Type
 * and class were checked by the caller. Beginning counts nothing and leaves no event when it succeeds. */
CK_RV sr_use_begin(const struct sr_caller *caller, enum sr_function function, struct sr_key *key,
	const CK_MECHANISM *mechanism, struct sr_use **use, struct sr_error *err);

/** sr_use_once(caller, use, in, len, out, err): the whole operation. CKR_OK: OUT is to be released, recorded as one
 * key.used event (metadata: mechanism, function, length in, length out) that counts one use. A failure of the HSM
 * (CKR_DATA_LEN_RANGE, ...) is an event with that rv, not counted, OUT empty. What the record could not be written for
 * is not released. */
CK_RV sr_use_once(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err);

/** sr_use_update, sr_use_final: in parts. The event (and the count) comes before the first byte of OUT is released: at
 * the first update that gives output, else at final; a stream that was recorded at its beginning gets a second,
 * uncounted record at final with the lengths. */
CK_RV sr_use_update(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len, struct sr_buf *out,
	struct sr_error *err);
CK_RV sr_use_final(const struct sr_caller *caller, struct sr_use *use, struct sr_buf *out, struct sr_error *err);

/** sr_use_verify(caller, use, in, len, signature, signature_len, err): C_Verify, or C_VerifyFinal after updates. A
 * signature that does not fit is an operation that was completed: counted, with its rv. */
CK_RV sr_use_verify(const struct sr_caller *caller, struct sr_use *use, const void *in, size_t len,
	const void *signature, size_t signature_len, struct sr_error *err);

/** sr_use_bound(use, in_len): an upper bound of what once (or one update and final together) gives for IN_LEN bytes:
 * what a length query answers. Exact for signatures and for encryption. */
size_t sr_use_bound(const struct sr_use *use, size_t in_len);

/** sr_use_end(use): over, with a result or without. */
void sr_use_end(struct sr_use *use); /* NULL is allowed */

/* -- new keys ----------------------------------------------------------------------------------------------------- */
/** struct sr_nest: where the session objects of one PKCS#11 session live in the HSM. */
struct sr_nest;
CK_RV sr_nest_open(struct sr_vault *vault, struct sr_nest **nest, struct sr_error *err);
void sr_nest_close(struct sr_nest *nest); /* NULL is allowed */

/** struct sr_making: what every function that makes a key is given. TEMPLATE is as the application gave it, CKA_CLASS
 * included where it must be; NEST is used where CKA_TOKEN is false (the default of the standard), NULL otherwise.
 * OBJECT_CLASS and KEY_TYPE as the mechanism (or the template) says: a template that says otherwise is
 * CKR_TEMPLATE_INCONSISTENT. */
struct sr_making {
	struct sr_nest *nest;
	CK_OBJECT_CLASS object_class;
	CK_KEY_TYPE key_type;
	const struct sr_attrs *template;
};

/** struct sr_new_key: what was made: ID for a vault object (as its class's find gives it), KEY for a session object;
 * the other is empty. */
struct sr_new_key {
	char id[SR_OBJECT_ID_MAX];
	struct sr_key *key;
};
void sr_new_key_clear(struct sr_new_key *new_key);

/* Codes: CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_*, CKR_TOKEN_WRITE_PROTECTED (path not in
 * scope for keys:create), CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED, and the HSM's. Events: key.generated,
 * key.imported, key.unwrapped, key.derived, one each, refusals included, for token objects; for session objects only
 * unwrapped and derived, when the key that does it is the vault's. */
CK_RV sr_key_generate(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_new_key *made, struct sr_error *err);

/** sr_key_generate_pair: OBJECT_CLASS of both makings is ignored. A pair of token objects shares its path. */
CK_RV sr_key_generate_pair(const struct sr_caller *caller, const struct sr_making *public_making,
	const struct sr_making *private_making, const CK_MECHANISM *mechanism, struct sr_new_key *public_made,
	struct sr_new_key *private_made, struct sr_error *err);

/** sr_key_import: C_CreateObject of a key or (token or session) certificate; certificates that are session objects have
 * KEY NULL and ID "" and their attributes in HELD. */
CK_RV sr_key_import(const struct sr_caller *caller, const struct sr_making *making, struct sr_new_key *made,
	struct sr_attrs *held, struct sr_error *err);

/** sr_key_copy: to another path, or of a session object; a private or secret key of the vault is not copied into the
 * session (CKR_ACTION_PROHIBITED). No right is gained (CKR_ATTRIBUTE_READ_ONLY). */
CK_RV sr_key_copy(const struct sr_caller *caller, struct sr_key *key, struct sr_nest *nest,
	const struct sr_attrs *changes, struct sr_new_key *made, struct sr_error *err);

/** sr_key_unwrap, sr_key_derive: keys:unwrap, keys:derive on the key that does it: counted, one event. What is
 * unwrapped is sensitive and not extractable, has neither CKA_WRAP nor CKA_UNWRAP, and no right that a key of the same
 * material in the vault has not (docs/keys.md). */
CK_RV sr_key_unwrap(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *unwrapping, const void *wrapped, size_t wrapped_len, struct sr_new_key *made,
	struct sr_error *err);
CK_RV sr_key_derive(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *base, struct sr_new_key *made, struct sr_error *err);

/** sr_key_wrap: keys:wrap on the wrapping key AND on a vault key that is wrapped, which must be CKA_EXTRACTABLE
 * (CKR_KEY_UNEXTRACTABLE) and not CKA_WRAP_WITH_TRUSTED (CKR_KEY_NOT_WRAPPABLE: no key here is trusted); a sensitive
 * one is wrapped by a key of the vault alone. Counted, one
 * key.wrapped event, before WRAPPED is released. DELIVER false: a length query: WRAPPED gets the bytes to be counted,
 * nothing is recorded, and the caller does not release them. */
CK_RV sr_key_wrap(const struct sr_caller *caller, const CK_MECHANISM *mechanism, struct sr_key *wrapping,
	struct sr_key *key, bool deliver, struct sr_buf *wrapped, struct sr_error *err);

/** sr_key_secret(caller, key, type, value, err): a secret component (CKA_VALUE, CKA_PRIVATE_EXPONENT, ...) of a key
 * that is not CKA_SENSITIVE and is CKA_EXTRACTABLE; a vault key's wants keys:wrap on it. CKR_ATTRIBUTE_SENSITIVE
 * otherwise. Recorded as key.wrapped, counted. */
CK_RV sr_key_secret(const struct sr_caller *caller, struct sr_key *key, CK_ATTRIBUTE_TYPE type, struct sr_buf *value,
	struct sr_error *err);

/** sr_key_set(caller, key, changes, changed, err): C_SetAttributeValue of a session object: CHANGED replaces KEY. A
 * vault object's goes through its class. */
CK_RV sr_key_set(const struct sr_caller *caller, struct sr_key *key, const struct sr_attrs *changes,
	struct sr_key **changed, struct sr_error *err);

/** sr_key_destroy(vault, key): a session object's material in the HSM. */
void sr_key_destroy(struct sr_vault *vault, struct sr_key *key);

/** sr_key_sweep(caller, keys, err): destroys the former keys whose grace is over, of every path that CALLER may delete
 * keys of. One key.deleted event a path; a frozen one keeps them. KEYS: at how many paths. */
CK_RV sr_key_sweep(const struct sr_caller *caller, unsigned *keys, struct sr_error *err);

/** sr_vault_mechanism(vault, type, info): what the HSM offers (hsm/key.h). */
bool sr_vault_mechanism(struct sr_vault *vault, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info);

/** sr_reauthenticate(caller, key, name, name_len, pin, pin_len, err): C_Login(CKU_CONTEXT_SPECIFIC) for one use of KEY:
 * the credential must be the very one that CALLER is logged in with (the same token or member, its passphrase). One
 * session.login event with metadata {"context_specific":true}. CKR_PIN_INCORRECT otherwise. Where a policy asks for a
 * fresh approval of each use, CKR_FUNCTION_REJECTED or CKR_FUNCTION_CANCELED as sr_approval_gate (vault/approval.h)
 * until it is given; then it is used up. */
CK_RV sr_reauthenticate(const struct sr_caller *caller, const struct sr_key *key, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_error *err);

#endif
