/* Where a call comes from, and what else a process asks that serves others. */
#include "pkcs11/host.h"

#include "pkcs11/call.h"
#include "pkcs11/object.h"
#include "pkcs11/session.h"

#include <string.h>

/* The thread's own, because the calls of the table have no argument for it: plain data that needs no destructor. */
static _Thread_local const struct sr_origin *origin;

void sr_origin_set(const struct sr_origin *from)
{
	origin = from;
}

void sr_call_take_origin(struct sr_call *call)
{
	if (!origin)
		return;
	call->peer = origin->peer;
	call->offer = origin->offer;
}

/* -- the token of a slot that logs itself in ------------------------------------------------------------------------
 */
bool sr_call_token_has(const struct sr_slot_config *config)
{
	return config && (config->offered || sr_own_token_has(config));
}

static CK_RV read_offer(const struct sr_offer *offer, char pin[SR_TOKEN_FILE_MAX], size_t *len, struct sr_stamp *stamp,
	struct sr_error *err)
{
	*stamp = (struct sr_stamp){ 0 };
	if (!offer || !offer->pin || !offer->len || offer->len > SR_TOKEN_FILE_MAX)
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_BAD_CONFIG, "%s",
			offer && offer->text ? offer->text : "the slot's token was not given");
	memcpy(pin, offer->pin, offer->len);
	*len = offer->len;
	stamp->generation = offer->generation;
	return CKR_OK;
}

CK_RV sr_call_token_read(const struct sr_call *call, char pin[SR_TOKEN_FILE_MAX], size_t *len, struct sr_stamp *stamp,
	struct sr_error *err)
{
	if (call->slot->config->offered)
		return read_offer(call->offer, pin, len, stamp, err);
	return sr_own_token_read(call->slot->config, pin, len, stamp, err);
}

bool sr_call_token_changed(const struct sr_call *call, const struct sr_stamp *stamp)
{
	const struct sr_slot_config *config = call->slot->config;
	if (config && config->offered)
		return call->offer && call->offer->pin && call->offer->generation != stamp->generation;
	return sr_own_token_changed(config, stamp);
}

/* -- clients of a host --------------------------------------------------------------------------------------------- */
size_t sr_host_slots(struct sr_client *client, CK_SLOT_ID *ids)
{
	for (size_t i = 0; i < client->slot_count; i++)
		ids[i] = client->slots[i].id;
	return client->slot_count;
}

size_t sr_host_sessions(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	size_t count = client->session_count;
	pthread_mutex_unlock(&client->lock);
	return count;
}

CK_RV sr_host_waits(struct sr_client *client, CK_SESSION_HANDLE handle, bool *waits)
{
	struct sr_call call = { .id = SR_ID_C_Login, .client = client, .peer = &client->peer };
	sr_call_take_origin(&call);
	call.session = sr_session_enter(client, handle);
	if (!call.session)
		return CKR_SESSION_HANDLE_INVALID;
	call.slot = call.session->slot;
	*waits = sr_call_token_has(call.slot->config) && sr_own_token_waits(&call);
	sr_session_leave(client, call.session);
	return CKR_OK;
}

/* -- what comes next ------------------------------------------------------------------------------------------------
 */
static void peek_length(struct sr_call *call, struct sr_peek *peek)
{
	struct sr_ref ref;
	struct sr_view view;
	if (sr_handle_resolve(call, peek->handles[0], &ref) == CKR_OK && ref.class &&
		ref.class->object_class == CKO_DATA) {
		CK_RV rv = sr_object_view(call, &ref, &view);
		peek->has_length = rv == CKR_OK && view.value == SR_VALUE_READABLE;
		peek->length = view.value_len;
		sr_view_clear(&view);
	}
	sr_ref_clear(&ref);
}

void sr_host_peek(struct sr_client *client, CK_SESSION_HANDLE handle, struct sr_peek *peek)
{
	struct sr_call call = { .id = SR_ID_C_FindObjects, .client = client, .peer = &client->peer };
	*peek = (struct sr_peek){ 0 };
	sr_call_take_origin(&call);
	call.session = sr_session_enter(client, handle);
	if (!call.session)
		return;
	call.slot = call.session->slot;
	const struct sr_search *search = &call.session->search;
	size_t left = search->count - search->next;
	if (search->active && left <= SR_PEEK_MAX) {
		peek->whole = true;
		peek->count = left;
		if (left)
			memcpy(peek->handles, &search->found[search->next], left * sizeof *peek->handles);
	}
	if (peek->count == 1)
		peek_length(&call, peek);
	sr_identity_unref(call.identity);
	sr_session_leave(client, call.session);
}

void sr_host_end_search(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_session *session = sr_session_enter(client, handle);
	if (!session)
		return;
	sr_search_end(session);
	sr_session_leave(client, session);
}

bool sr_host_signs_again(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_session *session = sr_session_enter(client, handle);
	if (!session)
		return false;
	bool again = session->signs_again && !session->operations[SR_OPERATION_SIGN].active;
	sr_session_leave(client, session);
	return again;
}

/* -- what was lost ------------------------------------------------------------------------------------------------- */
bool sr_host_begin_numbers(struct sr_client *client, CK_SESSION_HANDLE sessions, CK_OBJECT_HANDLE objects)
{
	const CK_ULONG last = CK_UNAVAILABLE_INFORMATION / 2; /* room for as many again */
	if (sessions >= last || objects >= last)
		return false;
	pthread_mutex_lock(&client->lock);
	if (sessions >= client->next_session)
		client->next_session = sessions + 1;
	if (objects >= client->next_object)
		client->next_object = objects + 1;
	pthread_mutex_unlock(&client->lock);
	return true;
}

CK_RV sr_host_restore_session(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_SLOT_ID id, CK_FLAGS flags, bool logged_in)
{
	struct sr_error ignored = SR_ERROR_INIT;
	struct sr_slot *slot = sr_slot_find(client, id);
	if (!slot)
		return CKR_SLOT_ID_INVALID;
	CK_RV rv = sr_session_restore(client, slot, session, flags, &ignored);
	if (rv != CKR_OK || !logged_in)
		return rv;
	pthread_mutex_lock(&client->lock);
	if (!slot->identity) {
		slot->lapsed = true;
		slot->ended_by_lapse = true;
		slot->wanted = true;
		slot->lapse_reason = SR_REASON_SERVER_AWAY;
	}
	pthread_mutex_unlock(&client->lock);
	return CKR_OK;
}

/* The slot of an open session, NULL for none. */
static struct sr_slot *slot_of(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_session *session = sr_session_enter(client, handle);
	if (!session)
		return NULL;
	struct sr_slot *slot = session->slot;
	sr_session_leave(client, session);
	return slot;
}

bool sr_host_describe(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, struct sr_described *described)
{
	struct sr_slot *slot = slot_of(client, session);
	return slot && sr_handle_describe(slot, handle, described);
}

/* There are too many handles for a context that nobody is logged in to: a slot that logs itself in does so here, as it
 * would with the next call. True: it did, just now. */
static bool revive(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_call call = { .id = SR_ID_C_Login, .client = client, .peer = &client->peer };
	sr_call_take_origin(&call);
	call.session = sr_session_enter(client, handle);
	if (!call.session)
		return false;
	call.slot = call.session->slot;
	pthread_mutex_lock(&client->lock);
	bool first = !call.slot->revived && !call.slot->identity;
	call.slot->revived = true;
	pthread_mutex_unlock(&client->lock);
	bool revived = first && sr_call_login(&call) == CKR_OK && call.identity;
	sr_identity_unref(call.identity);
	sr_session_leave(client, call.session);
	return revived;
}

CK_RV sr_host_restore_object(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle,
	const struct sr_described *described)
{
	struct sr_slot *slot = slot_of(client, session);
	const struct sr_class *class = sr_class_find(described->object_class);
	if (!slot || !class)
		return CKR_OBJECT_HANDLE_INVALID;
	CK_RV rv = sr_handle_restore(slot, handle, class, described);
	if (rv == CKR_DEVICE_MEMORY && revive(client, session))
		rv = sr_handle_restore(slot, handle, class, described);
	return rv;
}
