/* One call: how it comes in and goes out, and the functions that do the work, one for each row of the table that
 * goes to a client or a session. Such a function finds its session locked and answers the code; whatever it
 * leaves in call->err becomes the device error and the thread's last error. */
#ifndef SR_PKCS11_CALL_H
#define SR_PKCS11_CALL_H

#include "pkcs11/client.h"
#include "pkcs11/host.h"

/** struct sr_call: SESSION and SLOT are NULL in the calls of a client. IDENTITY: a reference, after sr_call_login.
 *  HANDLE: the object that the call names; it is dropped when the call answers CKR_USER_NOT_LOGGED_IN.
 *  REPEATED: the slot has logged itself in again within this call. */
struct sr_call {
	enum sr_call_id id;
	struct sr_client *client;
	struct sr_session *session;
	struct sr_slot *slot;
	struct sr_identity *identity;
	uint64_t epoch;
	CK_OBJECT_HANDLE handle;
	bool repeated;
	const struct sr_peer *peer;   /* by whom it is judged */
	const struct sr_offer *offer; /* the slot's token, where the call brings it */
	struct sr_error err;
};

/** sr_call_caller(call): as the vault wants to know it. */
struct sr_caller sr_call_caller(const struct sr_call *call);

/** sr_call_take_origin(call): where the calling thread's calls come from (host.h). */
void sr_call_take_origin(struct sr_call *call);

/** sr_call_login(call): brings the slot's login up to date (lapse, a changed token file) and takes a reference to it.
 *  CKR_OK with call->identity NULL when nobody is logged in (any more); the store's trouble otherwise. */
CK_RV sr_call_login(struct sr_call *call);

/** sr_call_user(call): the same for what needs a login: CKR_USER_NOT_LOGGED_IN without one. */
CK_RV sr_call_user(struct sr_call *call);

/** sr_call_again(call, rv): after an operation of a class: true when it answered that the login has lapsed and the slot
 *  has logged itself in again, so that the operation is to be repeated; at most once in a call. */
bool sr_call_again(struct sr_call *call, CK_RV rv);

/** sr_call_refuse_public(call): CKR_USER_NOT_LOGGED_IN, with the reason of the lapse if that is why. */
CK_RV sr_call_refuse_public(struct sr_call *call);

/** sr_slot_take_login(slot), under the client's lock: ends the login: its handles, its private objects. The identity is
 *  the caller's now, for the event and for the release. */
struct sr_identity *sr_slot_take_login(struct sr_slot *slot);

/** sr_call_token_has(config), sr_call_token_read(call, pin, len, stamp, err), sr_call_token_changed(call, stamp): the
 *  functions of own_token.h for the call's slot, whether its token is here or comes with the call (host.h). */
bool sr_call_token_has(const struct sr_slot_config *config);
CK_RV sr_call_token_read(const struct sr_call *call, char pin[SR_TOKEN_FILE_MAX], size_t *len, struct sr_stamp *stamp,
	struct sr_error *err);
bool sr_call_token_changed(const struct sr_call *call, const struct sr_stamp *stamp);

/** struct sr_credentials: what a login gives; PIN NULL: the slot's own token is used. */
struct sr_credentials {
	const void *pin;
	size_t pin_len;
	const void *name;
	size_t name_len;
};

/** sr_login_slot(call, credentials, again): logs the slot in; the client's lock is not held while the vault thinks.
 * AGAIN: in place of the login there is, or was; its handles live on. CKR_USER_ALREADY_LOGGED_IN when another thread
 * was quicker. On CKR_OK the call has the new identity. */
CK_RV sr_login_slot(struct sr_call *call, const struct sr_credentials *credentials, bool again);

/** sr_login_waits(call, rv): whether a login answered RV because its token waits for an approval.
 *  sr_own_token_waits(call): whether the slot's token does now; leaves no event. */
bool sr_login_waits(const struct sr_call *call, CK_RV rv);
bool sr_own_token_waits(struct sr_call *call);

/** sr_login_wait(call, rv): after a login that answered RV: where its token waits for an approval and the slot's `wait
 * =` says so, this stays until that is decided, and answers as the login does then; what was pending still when the
 * wait is over answers RV. CKR_FUNCTION_CANCELED when the session is closed or the application ends. Holds no lock
 * while it waits; more than SR_PARKED_MAX calls at once do not. */
CK_RV sr_login_wait(struct sr_call *call, CK_RV rv);

/** sr_last_error_set(err), sr_last_error_get(): the calling thread's last failure. */
void sr_last_error_set(const struct sr_error *err);
const struct sr_error *sr_last_error_get(void);

extern const struct sr_calls sr_client_calls;

#define SR_HANDLER_MODULE(name, params)
#define SR_HANDLER_PARALLEL(name, params)
#define SR_HANDLER_CLIENT(name, params) CK_RV sr_##name(struct sr_call *call SR_AND params);
#define SR_HANDLER_SESSION(name, params) CK_RV sr_##name(struct sr_call *call SR_AND params);
#define SR_CALL(name, section, since, where, status, audit, signature) SR_HANDLER_##where(name, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL
#undef SR_HANDLER_MODULE
#undef SR_HANDLER_PARALLEL
#undef SR_HANDLER_CLIENT
#undef SR_HANDLER_SESSION

#endif
