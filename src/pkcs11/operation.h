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

/** struct sr_operation: ACTIVE says whether there is one.
 *  user           it was begun under a login (EPOCH), and ends with it
 *  parts          an Update was called
 *  authenticated  CKU_CONTEXT_SPECIFIC has been done, or is not asked for
 *  pending        a result that was computed, recorded and not released yet, because the buffer was too small
 *  mechanism, key of a message operation, which begins a use for each message */
struct sr_operation {
	bool active;
	bool user;
	uint64_t epoch;
	bool parts;
	bool authenticated;
	struct sr_use *use;
	bool has_pending;
	struct sr_buf pending;
	uint8_t pending_input[32]; /* SHA-256 of what PENDING is the answer to */
	struct sr_mechanism mechanism;
	struct sr_key *key;
	bool message_open; /* between MessageBegin and the last Next */
	struct sr_buf message;
	struct sr_buf associated;
};

/** sr_operation_end(session, kind), sr_operations_end(session): ends one, or all of a session; the session is locked.
 */
void sr_operation_end(struct sr_session *session, enum sr_operation_kind kind);
void sr_operations_end(struct sr_session *session);

/** sr_operations_cancel(session, flags): C_SessionCancel's CKF_* bits. */
void sr_operations_cancel(struct sr_session *session, CK_FLAGS flags);

/** sr_operation_waiting(session): the operation that waits for CKU_CONTEXT_SPECIFIC: the one begun last and not
 * authenticated; NULL for none. */
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

#endif
