/* What the cryptographic operations share: PKCS#11 v3.1, 5.2 and 5.8 to 5.17. One operation of a kind in a session. Any
 * error but CKR_BUFFER_TOO_SMALL ends it; a length query does not; single- and multi-part do not mix. */
#ifndef SR_PKCS11_OPERATION_H
#define SR_PKCS11_OPERATION_H

#include "pkcs11/mechanism.h"
#include "vault/keys.h"

struct sr_call;
struct sr_session;

/* The kinds that may be active side by side in a session; a message operation is a kind of its own. */
enum sr_operation_kind {
	SR_OPERATION_ENCRYPT,
	SR_OPERATION_DECRYPT,
	SR_OPERATION_SIGN,
	SR_OPERATION_VERIFY,
	SR_OPERATION_SIGN_RECOVER,
	SR_OPERATION_VERIFY_RECOVER,
	SR_OPERATION_MESSAGE_ENCRYPT,
	SR_OPERATION_MESSAGE_DECRYPT,
	SR_OPERATION_MESSAGE_SIGN,
	SR_OPERATION_MESSAGE_VERIFY,
	SR_OPERATION_KINDS
};

#define SR_COUNTER_IV_MAX 32

/** struct sr_counter_iv: how a message operation counts its IVs (CKG_GENERATE_COUNTER, _XOR). The first that is asked
 * for fixes GENERATOR, length, fixed bits and, for _XOR, BASE: what differs later is refused, for it could repeat an
 * IV. GENERATOR is CKG_NO_GENERATE until then. COUNTER: the next. */
struct sr_counter_iv {
	CK_GENERATOR_FUNCTION generator;
	CK_ULONG len;
	CK_ULONG fixed_bits;
	uint8_t base[SR_COUNTER_IV_MAX];
	uint64_t counter;
};

/** struct sr_operation: ACTIVE says whether there is one.
 *  user           it was begun under a login (EPOCH), and ends with it
 *  begun          a number that grows: the operation begun last has the highest
 *  parts          an Update was called
 *  authenticated  CKU_CONTEXT_SPECIFIC has been done, or is not asked for
 *  pending        a result that was computed, recorded and not released yet, because the buffer was too small
 *  key, mechanism what it works with; HANDLE is the key's
 *  use            NULL in a message operation, which begins one for each message */
struct sr_operation {
	bool active;
	bool user;
	uint64_t epoch;
	uint64_t begun;
	bool parts;
	bool authenticated;
	struct sr_use *use;
	bool has_pending;
	struct sr_buf pending;
	uint8_t pending_input[32]; /* SHA-256 of what PENDING is the answer to */
	struct sr_mechanism mechanism;
	struct sr_key *key;
	CK_OBJECT_HANDLE handle;
	bool message_open;     /* between MessageBegin and the last Next */
	struct sr_buf message; /* its parts until now */
	struct sr_counter_iv counter;
};

/** sr_operation_end(session, kind), sr_operations_end(session): ends one, or all of a session; the session is locked.
 */
void sr_operation_end(struct sr_session *session, enum sr_operation_kind kind);
void sr_operations_end(struct sr_session *session);

/** sr_operations_cancel(session, flags): C_SessionCancel's CKF_* bits. */
void sr_operations_cancel(struct sr_session *session, CK_FLAGS flags);

/** sr_operation_waiting(session): the operation that waits for CKU_CONTEXT_SPECIFIC: the one begun last and not
 * authenticated, if its login has not ended; NULL for none. Takes the client's lock. */
struct sr_operation *sr_operation_waiting(struct sr_session *session);

/** sr_call_key(call, handle, code, key): the key behind HANDLE for this call, login brought up to date where it is
 * private. CODE: what a handle that is not there answers (CKR_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_HANDLE_INVALID,
 * ...); an object that is no key the same. KEY is for sr_key_unref. */
CK_RV sr_call_key(struct sr_call *call, CK_OBJECT_HANDLE handle, CK_RV code, struct sr_key **key);

/** sr_call_mechanism(call, given, function, mechanism): sr_mechanism_take with this client's vault and configuration;
 * GIVEN NULL: CKR_ARGUMENTS_BAD. */
CK_RV sr_call_mechanism(
	struct sr_call *call, const CK_MECHANISM *given, CK_FLAGS function, struct sr_mechanism *mechanism);

/** sr_key_check(call, key, row): what every Init and key call asks of a key: its class can do that
 * (CKR_KEY_TYPE_INCONSISTENT), its type is the mechanism's (the same), CKA_ALLOWED_MECHANISMS is empty or has it
 * (CKR_MECHANISM_INVALID). The right is asked by the vault, which records what the scope denies. */
CK_RV sr_key_check(struct sr_call *call, const struct sr_key *key, const struct sr_mechanism_row *row);

/* -- what the chapters share --------------------------------------------------------------------------------------- */

/** sr_operation_init(call, kind, given, key): every *Init. GIVEN NULL cancels the active operation. */
CK_RV sr_operation_init(
	struct sr_call *call, enum sr_operation_kind kind, const CK_MECHANISM *given, CK_OBJECT_HANDLE key);

/* A whole operation in one call, one part of it, its end. */
enum sr_part { SR_WHOLE, SR_PART, SR_END };

/** struct sr_step: one call that gives output. FEED, where there is one, is the other half of a dual-function call: it
 *  gets the plain text after it is sure that the output will be released, and before that is done. */
struct sr_step {
	enum sr_operation_kind kind;
	enum sr_part part;
	const CK_BYTE *in;
	CK_ULONG len;
	CK_BYTE *out;
	CK_ULONG *out_len;
	CK_RV (*feed)(struct sr_call *call, CK_BYTE *plain, CK_ULONG len);
};
CK_RV sr_operation_step(struct sr_call *call, const struct sr_step *step);

/** sr_operation_verify(call, step, signature, len): C_Verify and C_VerifyFinal; STEP has no output. */
CK_RV sr_operation_verify(struct sr_call *call, const struct sr_step *step, const CK_BYTE *signature, CK_ULONG len);

/** sr_operation_feed(call, kind, data, len): C_SignUpdate, C_VerifyUpdate. sr_operation_feedable(call, kind): whether
 *  it would take data now; its codes without. */
CK_RV sr_operation_feed(struct sr_call *call, enum sr_operation_kind kind, const CK_BYTE *data, CK_ULONG len);
CK_RV sr_operation_feedable(struct sr_call *call, enum sr_operation_kind kind);

/** sr_digest_find(call): CKR_OPERATION_NOT_INITIALIZED where no digest is active. */
CK_RV sr_digest_find(struct sr_call *call);

/** sr_operation_find(call, kind): CKR_OK when one is active and its login goes on. CKR_OPERATION_NOT_INITIALIZED;
 *  CKR_USER_NOT_LOGGED_IN once when its login has lapsed. An operation that it refuses is over. */
CK_RV sr_operation_find(struct sr_call *call, enum sr_operation_kind kind);

/** sr_operation_ready(call, kind): CKR_USER_NOT_LOGGED_IN while it waits for CKU_CONTEXT_SPECIFIC. */
CK_RV sr_operation_ready(struct sr_call *call, enum sr_operation_kind kind);

/** sr_operation_code(call, kind, part, rv): RV as a call that goes on with an operation of KIND may answer it; what the
 *  standard does not list there becomes CKR_FUNCTION_FAILED and keeps its reason. */
CK_RV sr_operation_code(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV rv);

/** sr_operation_check(call, kind, data, len): data that a call is given: not NULL with a length, not over the limit. */
CK_RV sr_operation_check(struct sr_call *call, enum sr_operation_kind kind, const void *data, CK_ULONG len);

/** sr_operation_room(call, needed, out, out_len, query): 5.2 where the length is known beforehand: sets OUT_LEN to
 *  NEEDED. QUERY: OUT is NULL, so that this was all. CKR_BUFFER_TOO_SMALL, CKR_ARGUMENTS_BAD. */
CK_RV sr_operation_room(struct sr_call *call, size_t needed, const CK_BYTE *out, CK_ULONG *out_len, bool *query);

/** sr_operation_use(call, kind, mechanism, use): begins a use of the operation's key, as the operation's caller. */
CK_RV sr_operation_use(
	struct sr_call *call, enum sr_operation_kind kind, const struct sr_mechanism *mechanism, struct sr_use **use);

/** sr_operations_active(session): whether there is any that no logout has ended. Takes the client's lock. */
bool sr_operations_active(const struct sr_session *session);

#endif
