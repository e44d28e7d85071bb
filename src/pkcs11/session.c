/* Session management: PKCS#11 v3.1, 5.6.1 to 5.6.7. */
#include "pkcs11/session.h"

#include "pkcs11/call.h"

#include <stdlib.h>

static struct sr_session *find_session(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_session *session;
	HASH_FIND(hh, client->sessions, &handle, sizeof handle, session);
	return session;
}

static void unref(struct sr_client *client, struct sr_session *session)
{
	pthread_mutex_lock(&client->lock);
	bool last = --session->refs == 0;
	pthread_mutex_unlock(&client->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&session->lock);
	free(session);
}

/* Waits until no other call is inside; false when that other call has closed it. */
static bool lock_open_session(struct sr_client *client, struct sr_session *session)
{
	pthread_mutex_lock(&session->lock);
	if (!session->closed)
		return true;
	sr_session_leave(client, session);
	return false;
}

struct sr_session *sr_session_enter(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	pthread_mutex_lock(&client->lock);
	struct sr_session *session = find_session(client, handle);
	if (session)
		session->refs++;
	pthread_mutex_unlock(&client->lock);
	return session && lock_open_session(client, session) ? session : NULL;
}

void sr_session_leave(struct sr_client *client, struct sr_session *session)
{
	pthread_mutex_unlock(&session->lock);
	unref(client, session);
}

/* Under the client's lock; the session has its number. */
static CK_RV enter_session(struct sr_client *client, struct sr_session *session, struct sr_error *err)
{
	if (client->session_count >= SR_SESSIONS_MAX)
		return sr_fail(err, CKR_SESSION_COUNT, SR_REASON_TOO_LARGE,
			"an application may have %d sessions open: close some", SR_SESSIONS_MAX);
	if (!sr_share_take(client->share, SR_SHARED_SESSIONS, 1))
		return sr_fail(err, CKR_SESSION_COUNT, SR_REASON_TOO_LARGE,
			"a user's or machine's applications may have %d sessions open: close some",
			SR_SHARED_SESSIONS_MAX);
	HASH_ADD(hh, client->sessions, handle, sizeof session->handle, session);
	if (!session->hh.tbl) {
		sr_share_give(client->share, SR_SHARED_SESSIONS, 1);
		return CKR_HOST_MEMORY;
	}
	client->session_count++;
	session->slot->sessions++;
	session->slot->rw_sessions += (session->flags & CKF_RW_SESSION) != 0;
	return CKR_OK;
}

static struct sr_session *new_session(struct sr_slot *slot, CK_FLAGS flags)
{
	struct sr_session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	session->slot = slot;
	session->flags = flags & (CKF_RW_SESSION | CKF_SERIAL_SESSION);
	session->refs = 1; /* the table's */
	pthread_mutex_init(&session->lock, NULL);
	return session;
}

static CK_RV open_session(struct sr_call *call, struct sr_slot *slot, CK_FLAGS flags, CK_SESSION_HANDLE *handle)
{
	struct sr_session *session = new_session(slot, flags);
	if (!session)
		return CKR_HOST_MEMORY;
	pthread_mutex_lock(&call->client->lock);
	session->handle = call->client->next_session;
	CK_RV rv = enter_session(call->client, session, &call->err);
	if (rv == CKR_OK)
		*handle = call->client->next_session++;
	pthread_mutex_unlock(&call->client->lock);
	if (rv != CKR_OK)
		unref(call->client, session);
	return rv;
}

CK_RV sr_C_OpenSession(struct sr_call *call, CK_SLOT_ID id, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
	CK_SESSION_HANDLE_PTR handle)
{
	(void)application;
	(void)notify; /* there is no surrender and no event to tell of */
	if (!handle)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phSession is NULL");
	if (!(flags & CKF_SERIAL_SESSION))
		return sr_fail(&call->err, CKR_SESSION_PARALLEL_NOT_SUPPORTED, SR_REASON_NONE,
			"CKF_SERIAL_SESSION must be set (PKCS#11 v3.1, 5.6.1)");
	struct sr_slot *slot = sr_slot_find(call->client, id);
	if (!slot)
		return sr_fail(&call->err, CKR_SLOT_ID_INVALID, SR_REASON_NONE, "there is no slot %lu", id);
	CK_RV rv = sr_client_ready(call->client, &call->err);
	return rv == CKR_OK ? open_session(call, slot, flags, handle) : rv;
}

CK_RV sr_session_restore(
	struct sr_client *client, struct sr_slot *slot, CK_SESSION_HANDLE handle, CK_FLAGS flags, struct sr_error *err)
{
	struct sr_session *session = new_session(slot, flags);
	if (!session)
		return CKR_HOST_MEMORY;
	session->handle = handle;
	pthread_mutex_lock(&client->lock);
	bool usable = handle && handle < client->next_session && !find_session(client, handle);
	CK_RV rv = usable ? enter_session(client, session, err) : CKR_SESSION_HANDLE_INVALID;
	pthread_mutex_unlock(&client->lock);
	if (rv != CKR_OK)
		unref(client, session);
	return rv;
}

/* Takes a locked session out of everything. With the slot's last one its login ends: the event is written when all is
 * already over, so a vault that cannot write keeps nobody logged in. */
static CK_RV close_session(
	struct sr_client *client, struct sr_session *session, const char *function, struct sr_error *err)
{
	struct sr_slot *slot = session->slot;
	struct sr_identity *identity = NULL;
	pthread_mutex_lock(&client->lock);
	HASH_DELETE(hh, client->sessions, session);
	session->gone = true;
	pthread_cond_broadcast(&client->cut_off);
	client->session_count--;
	sr_share_give(client->share, SR_SHARED_SESSIONS, 1);
	slot->sessions--;
	slot->rw_sessions -= (session->flags & CKF_RW_SESSION) != 0;
	sr_handles_end_session(slot, session->handle);
	if (!slot->sessions)
		identity = sr_slot_take_login(slot);
	pthread_mutex_unlock(&client->lock);
	session->closed = true;
	sr_search_end(session);
	sr_digest_end(session);
	sr_operations_end(session);
	sr_handles_bury(slot);
	if (session->nest)
		sr_share_give(client->share, SR_SHARED_NESTS, 1);
	sr_nest_close(session->nest);
	session->nest = NULL;
	unref(client, session); /* the table's; the caller has its own */
	if (!identity)
		return CKR_OK;
	struct sr_caller caller = { client->vault, &client->peer, function, identity };
	CK_RV rv = sr_logout(&caller, err);
	sr_identity_unref(identity);
	return rv;
}

CK_RV sr_C_CloseSession(struct sr_call *call)
{
	return close_session(call->client, call->session, sr_call_rows[call->id].name, &call->err);
}

/* The sessions that are open now: others may be opened meanwhile, without end. */
static CK_SESSION_HANDLE next_handle(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	CK_SESSION_HANDLE next = client->next_session;
	pthread_mutex_unlock(&client->lock);
	return next;
}

static struct sr_session *session_below(struct sr_client *client, const struct sr_slot *slot, CK_SESSION_HANDLE limit)
{
	pthread_mutex_lock(&client->lock);
	struct sr_session *session = client->sessions;
	while (session && (session->slot != slot || session->handle >= limit))
		session = session->hh.next;
	if (session)
		session->refs++;
	pthread_mutex_unlock(&client->lock);
	return session;
}

CK_RV sr_sessions_close(struct sr_client *client, struct sr_slot *slot, const char *function, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	CK_SESSION_HANDLE limit = next_handle(client);
	for (struct sr_session *session; (session = session_below(client, slot, limit));) {
		if (!lock_open_session(client, session))
			continue; /* its last call was its C_CloseSession */
		CK_RV closed = close_session(client, session, function, err);
		rv = closed != CKR_OK ? closed : rv;
		sr_session_leave(client, session);
	}
	return rv;
}

CK_RV sr_C_CloseAllSessions(struct sr_call *call, CK_SLOT_ID id)
{
	struct sr_slot *slot = sr_slot_find(call->client, id);
	if (!slot)
		return sr_fail(&call->err, CKR_SLOT_ID_INVALID, SR_REASON_NONE, "there is no slot %lu", id);
	return sr_sessions_close(call->client, slot, sr_call_rows[call->id].name, &call->err);
}

CK_RV sr_C_GetSessionInfo(struct sr_call *call, CK_SESSION_INFO_PTR info)
{
	static const CK_STATE states[2][2] = { { CKS_RO_PUBLIC_SESSION, CKS_RO_USER_FUNCTIONS },
		{ CKS_RW_PUBLIC_SESSION, CKS_RW_USER_FUNCTIONS } };
	if (!info)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pInfo is NULL");
	CK_RV rv = sr_call_login(call);
	if (rv != CKR_OK)
		return rv;
	const struct sr_session *session = call->session;
	pthread_mutex_lock(&call->client->lock);
	CK_SLOT_ID id = session->slot->id;
	pthread_mutex_unlock(&call->client->lock);
	*info = (CK_SESSION_INFO){
		.slotID = id,
		.state = states[(session->flags & CKF_RW_SESSION) != 0][call->identity != NULL],
		.flags = session->flags,
		.ulDeviceError = session->device_error,
	};
	return CKR_OK;
}

/* 5.6.5: ends what FLAGS names; what is not active is no error. */
CK_RV sr_C_SessionCancel(struct sr_call *call, CK_FLAGS flags)
{
	if (flags & CKF_FIND_OBJECTS)
		sr_search_end(call->session);
	if (flags & CKF_DIGEST)
		sr_digest_end(call->session);
	sr_operations_cancel(call->session, flags);
	return CKR_OK;
}

/* 5.6.6. A state that could be moved to another session would carry data past its limits: none is ever given. */
CK_RV sr_C_GetOperationState(struct sr_call *call, CK_BYTE_PTR state, CK_ULONG_PTR state_len)
{
	(void)state;
	if (!state_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulOperationStateLen is NULL");
	if (call->session->digest || sr_operations_active(call->session))
		return sr_fail(&call->err, CKR_STATE_UNSAVEABLE, SR_REASON_NONE, "operations cannot be saved");
	return sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE, "no operation is active");
}

CK_RV sr_C_SetOperationState(struct sr_call *call, CK_BYTE_PTR state, CK_ULONG state_len,
	CK_OBJECT_HANDLE encryption_key, CK_OBJECT_HANDLE authentication_key)
{
	(void)encryption_key;
	(void)authentication_key;
	if (!state && state_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pOperationState is NULL");
	return sr_fail(&call->err, CKR_SAVED_STATE_INVALID, SR_REASON_NONE, "no state was ever saved here");
}
