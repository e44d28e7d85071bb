/* Login: PKCS#11 v3.1, 5.6.8 to 5.6.10, and C_SetPIN, C_InitPIN (5.5.8, 5.5.9). */
#include "pkcs11/call.h"

#include <string.h>

static CK_RV check_user_type(struct sr_call *call, CK_USER_TYPE type)
{
	if (type == CKU_USER)
		return CKR_OK;
	return sr_fail(&call->err, CKR_USER_TYPE_INVALID, SR_REASON_NONE,
		"log in as CKU_USER: a vault has no security officer");
}

/* A PIN of NULL means the protected path, which only a slot with its own token has; there a PIN that is given all the
 * same (pkcs11-tool does) is ignored. */
static CK_RV check_pin(struct sr_call *call, struct sr_credentials *credentials)
{
	bool own = sr_call_token_has(call->slot->config);
	if (!credentials->pin && (credentials->pin_len || !own))
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE,
			"pPin is NULL, and the slot has no token-file or token-env");
	if (own && credentials->name_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE,
			"the slot logs in with its own token: give no name");
	if (own)
		*credentials = (struct sr_credentials){ 0 };
	if (credentials->pin_len > SR_PIN_MAX || credentials->name_len > SR_PIN_MAX)
		return sr_fail(
			&call->err, CKR_PIN_INCORRECT, SR_REASON_TOO_LARGE, "a PIN has %d bytes at most", SR_PIN_MAX);
	return CKR_OK;
}

static CK_RV ask_again(
	struct sr_call *call, const struct sr_operation *waiting, const struct sr_credentials *credentials)
{
	struct sr_caller caller = sr_call_caller(call);
	if (credentials->pin)
		return sr_reauthenticate(&caller, waiting->key, credentials->name, credentials->name_len,
			credentials->pin, credentials->pin_len, &call->err);
	char pin[SR_TOKEN_FILE_MAX];
	size_t len = 0;
	struct sr_stamp stamp;
	CK_RV rv = sr_call_token_read(call, pin, &len, &stamp, &call->err);
	if (rv == CKR_OK)
		rv = sr_reauthenticate(&caller, waiting->key, NULL, 0, pin, len, &call->err);
	sr_cleanse(pin, sizeof pin);
	return rv;
}

/* CKA_ALWAYS_AUTHENTICATE (5.6.8, 4.9): lets the operation begun last go on. A slot with its own token reads it anew.
 */
static CK_RV log_in_to_operation(struct sr_call *call, struct sr_credentials *credentials)
{
	struct sr_operation *waiting = sr_operation_waiting(call->session);
	if (!waiting)
		return sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE,
			"no operation waits for a login of its own");
	CK_RV rv = check_pin(call, credentials);
	if (rv == CKR_OK)
		rv = sr_call_user(call);
	if (rv != CKR_OK)
		return rv;
	do {
		rv = ask_again(call, waiting, credentials);
	} while (sr_call_again(call, rv));
	waiting->authenticated = rv == CKR_OK;
	return rv;
}

static CK_RV log_in(struct sr_call *call, CK_USER_TYPE type, struct sr_credentials *credentials)
{
	bool by_protected_path = !credentials->pin;
	if (type == CKU_CONTEXT_SPECIFIC)
		return log_in_to_operation(call, credentials);
	CK_RV rv = check_user_type(call, type);
	if (rv == CKR_OK)
		rv = check_pin(call, credentials);
	if (rv == CKR_OK)
		rv = sr_call_login(call); /* one that has lapsed makes room for the new one */
	if (rv == CKR_OK && call->identity)
		rv = sr_fail(&call->err, CKR_USER_ALREADY_LOGGED_IN, SR_REASON_NONE,
			"the slot is logged in: all its sessions share that");
	if (rv != CKR_OK)
		return rv;
	rv = sr_login_slot(call, credentials, false);
	return by_protected_path ? sr_login_wait(call, rv) : rv;
}

CK_RV sr_C_Login(struct sr_call *call, CK_USER_TYPE type, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
	struct sr_credentials credentials = { .pin = pin, .pin_len = pin_len };
	return log_in(call, type, &credentials);
}

CK_RV sr_C_LoginUser(struct sr_call *call, CK_USER_TYPE type, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len,
	CK_UTF8CHAR_PTR name, CK_ULONG name_len)
{
	struct sr_credentials credentials = { pin, pin_len, name_len ? name : NULL, name_len };
	if (!name && name_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pUsername is NULL");
	return log_in(call, type, &credentials);
}

CK_RV sr_C_Logout(struct sr_call *call)
{
	struct sr_slot *slot = call->slot;
	pthread_mutex_lock(&call->client->lock);
	bool login = slot->identity || slot->lapsed;
	if (login)
		call->identity = sr_slot_take_login(slot);
	pthread_mutex_unlock(&call->client->lock);
	sr_handles_bury(slot);
	if (!login)
		return sr_call_refuse_public(call);
	if (!call->identity)
		return CKR_OK; /* it had lapsed; now the program knows */
	struct sr_caller caller = sr_call_caller(call);
	return sr_logout(&caller, &call->err); /* over in any case: a vault that cannot write keeps nobody logged in */
}

/* 5.5.9 allows it to a public session too: there the old PIN, "name:passphrase", says whose it is. */
static CK_RV set_pin_of(
	struct sr_call *call, CK_UTF8CHAR_PTR old_pin, CK_ULONG old_len, CK_UTF8CHAR_PTR new_pin, CK_ULONG new_len)
{
	struct sr_caller caller = sr_call_caller(call);
	struct sr_error ignored = SR_ERROR_INIT;
	CK_RV rv = sr_login(&caller, CKU_USER, NULL, 0, old_pin, old_len, &caller.identity, &call->err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_set_passphrase(&caller, old_pin, old_len, new_pin, new_len, &call->err);
	CK_RV out = sr_logout(&caller, &ignored);
	sr_identity_unref(caller.identity);
	return rv == CKR_OK ? out : rv;
}

CK_RV sr_C_SetPIN(
	struct sr_call *call, CK_UTF8CHAR_PTR old_pin, CK_ULONG old_len, CK_UTF8CHAR_PTR new_pin, CK_ULONG new_len)
{
	if (!old_pin || !new_pin)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pOldPin or pNewPin is NULL");
	if (old_len > SR_PIN_MAX || new_len > SR_PIN_MAX)
		return sr_fail(
			&call->err, CKR_PIN_LEN_RANGE, SR_REASON_TOO_LARGE, "a PIN has %d bytes at most", SR_PIN_MAX);
	if (!(call->session->flags & CKF_RW_SESSION))
		return sr_fail(
			&call->err, CKR_SESSION_READ_ONLY, SR_REASON_NONE, "open the session with CKF_RW_SESSION");
	CK_RV rv = sr_call_login(call);
	if (rv == CKR_OK && !call->identity)
		return set_pin_of(call, old_pin, old_len, new_pin, new_len);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		rv = sr_set_passphrase(&caller, old_pin, old_len, new_pin, new_len, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

/* Members and tokens are made by other means than a PIN for one user (design §3). */
CK_RV sr_C_InitPIN(struct sr_call *call, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
	if (!pin && pin_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pPin is NULL");
	return sr_fail(&call->err, CKR_FUNCTION_NOT_SUPPORTED, SR_REASON_NONE,
		"a vault has no user PIN to initialise: issue a token");
}
