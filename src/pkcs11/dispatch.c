/* One way in, one way out: every call of the table passes through call_begin and call_end here. */
#include "pkcs11/call.h"
#include "pkcs11/codes.h"
#include "pkcs11/session.h"
#include "util/crypto.h"

/* Thread-local, because sr_last_error is asked for by thread and without a context; plain data, so that it needs no
 * destructor when a thread or the library goes. Set by failures alone, like errno: what a program does to clean up
 * after one does not hide it. */
static _Thread_local struct sr_error last_error = SR_ERROR_INIT;

void sr_last_error_set(const struct sr_error *err)
{
	last_error = *err;
}

const struct sr_error *sr_last_error_get(void)
{
	return &last_error;
}

static void call_begin(struct sr_call *call, struct sr_client *client, enum sr_call_id id)
{
	sr_crypto_errors_begin();
	*call = (struct sr_call){ .id = id, .client = client, .peer = &client->peer };
	sr_call_take_origin(call);
}

/* The process is at its end (close_client in backend.c). */
static CK_RV refuse_ending(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_GENERAL_ERROR, SR_REASON_NONE,
		"the process is ending: OpenSSL is gone, and with it the vault");
}

static CK_RV session_begin(struct sr_call *call, struct sr_client *client, CK_SESSION_HANDLE handle, enum sr_call_id id)
{
	call_begin(call, client, id);
	if (!sr_crypto_alive())
		return refuse_ending(call);
	call->session = sr_session_enter(client, handle);
	if (!call->session)
		return sr_fail(&call->err, CKR_SESSION_HANDLE_INVALID, SR_REASON_NONE,
			"there is no session %lu: it was closed, or never open", handle);
	call->slot = call->session->slot;
	return CKR_OK;
}

static CK_RV call_end(struct sr_call *call, CK_RV rv)
{
#ifdef SR_DEBUG
	sr_code_assert(call->id, rv);
#endif
	if (rv != CKR_OK && call->err.rv != rv)
		sr_fail(&call->err, rv, rv == CKR_HOST_MEMORY ? SR_REASON_MEMORY : SR_REASON_NONE, "%s: %s",
			sr_call_rows[call->id].name, sr_rv_name(rv));
	if (rv != CKR_OK)
		sr_last_error_set(&call->err);
	/* A slot with a token of its own may be back at the next call, for programs that keep a handle and only try
	 * again */
	if (rv == CKR_USER_NOT_LOGGED_IN && call->handle && !sr_call_token_has(call->slot->config))
		sr_handle_drop(call, call->handle);
	sr_identity_unref(call->identity);
	if (call->session) {
		if (rv != CKR_OK)
			call->session->device_error = call->err.reason;
		sr_session_leave(call->client, call->session);
	}
	sr_crypto_errors_end();
	return rv;
}

#define SR_STUB_MODULE(name, params, args)
#define SR_STUB_PARALLEL(name, params, args)
#define SR_STUB_CLIENT(name, params, args)                                 \
	static CK_RV client_##name(struct sr_client *client SR_AND params) \
	{                                                                  \
		struct sr_call call;                                       \
		call_begin(&call, client, SR_ID_##name);                   \
		if (!sr_crypto_alive())                                    \
			return call_end(&call, refuse_ending(&call));      \
		return call_end(&call, sr_##name(&call SR_AND args));      \
	}
#define SR_STUB_SESSION(name, params, args)                                                                  \
	static CK_RV client_##name(struct sr_client *client, CK_SESSION_HANDLE session_handle SR_AND params) \
	{                                                                                                    \
		struct sr_call call;                                                                         \
		CK_RV rv = session_begin(&call, client, session_handle, SR_ID_##name);                       \
		if (rv == CKR_OK)                                                                            \
			rv = sr_##name(&call SR_AND args);                                                   \
		return call_end(&call, rv);                                                                  \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) \
	SR_STUB_##where(name, SR_PARAMS signature, SR_ARGS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

#define SR_ENTRY_MODULE(name)
#define SR_ENTRY_PARALLEL(name)
#define SR_ENTRY_CLIENT(name) .name = client_##name,
#define SR_ENTRY_SESSION(name) .name = client_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ENTRY_##where(name)

const struct sr_calls sr_client_calls = {
#include "pkcs11/calls.def"
};
#undef SR_CALL
