/* The remote backend: a client context in a server, and its calls, made from the table. */
#include "wire/client.h"

#include "module/module.h"
#include "util/clock.h"
#include "util/text.h"
#include "wire/argument.h"
#include "wire/mechanism.h"
#include "wire/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* -- handles ------------------------------------------------------------------------------------------------------ */
static void take_new_object(struct sr_exchange *exchange, CK_OBJECT_HANDLE *handle)
{
	bool given = sr_get_place(&exchange->in);
	if (given != (exchange->rv == CKR_OK && handle))
		exchange->in.failed = true;
	if (!given || exchange->in.failed)
		return;
	CK_OBJECT_HANDLE taken = sr_take_handle(exchange);
	if (!exchange->in.failed)
		*handle = taken;
}

static void ask_found(struct sr_exchange *exchange, const CK_OBJECT_HANDLE *at, CK_ULONG max, const CK_ULONG *count)
{
	sr_put_place(&exchange->request, count);
	sr_put_room(&exchange->request, at, &max);
}

static void take_found(struct sr_exchange *exchange, CK_OBJECT_HANDLE *at, CK_ULONG max, CK_ULONG *count)
{
	bool given = sr_get_place(&exchange->in);
	CK_ULONG found = sr_get_ulong(&exchange->in);
	if (found > max || (found && !at) || given != (exchange->rv == CKR_OK && count))
		exchange->in.failed = true;
	for (CK_ULONG i = 0; !exchange->in.failed && i < found; i++)
		at[i] = sr_take_handle(exchange);
	if (given && !exchange->in.failed)
		*count = found;
}

/* -- the words ---------------------------------------------------------------------------------------------------- */
/* How each is asked, and how what came back is taken. EXCHANGE is the call. */
#define SR_ASK_PLAIN(type, name) (void)name;
#define SR_ASK_NUMBER(type, name) sr_put_ulong(&exchange.request, name);
#define SR_ASK_SLOT(name) sr_put_ulong(&exchange.request, sr_remote_slot_id(client, name));
#define SR_ASK_OBJECT(name) sr_put_ulong(&exchange.request, name);
#define SR_ASK_BYTES(name) sr_put_bytes(&exchange.request, name, name##_len, SR_WIRE_DATA_MAX);
#define SR_ASK_LABEL(name) sr_put_label(&exchange.request, name);
#define SR_ASK_TEMPLATE(name) sr_put_template(&exchange.request, name, name##_count);
#define SR_ASK_MECHANISM(name) sr_put_mechanism(&exchange.request, name);
#define SR_ASK_PARAMETER(name) sr_put_parameter(&exchange.request, name, name##_len);
#define SR_ASK_VALUES(name) sr_put_wanted(&exchange.request, name, name##_count);
#define SR_ASK_OUTPUT(name) sr_put_room(&exchange.request, name, name##_len);
#define SR_ASK_FILL(name) sr_put_fill(&exchange.request, name, name##_len);
#define SR_ASK_LIST(type, name) sr_put_room(&exchange.request, name, name##_count);
#define SR_ASK_FOUND(name) ask_found(&exchange, name, name##_max, name##_count);
#define SR_ASK_NEW_OBJECT(name) sr_put_place(&exchange.request, name);
#define SR_ASK_RESULT(type, name) sr_put_place(&exchange.request, name);
#define SR_ASK_SLOT_INFO(name) sr_put_place(&exchange.request, name);
#define SR_ASK_TOKEN_INFO(name) sr_put_place(&exchange.request, name);
#define SR_ASK_SESSION_INFO(name) sr_put_place(&exchange.request, name);
#define SR_ASK_MECHANISM_INFO(name) sr_put_place(&exchange.request, name);

#define SR_TAKE_PLAIN(type, name)
#define SR_TAKE_NUMBER(type, name)
#define SR_TAKE_SLOT(name)
#define SR_TAKE_OBJECT(name)
#define SR_TAKE_BYTES(name)
#define SR_TAKE_LABEL(name)
#define SR_TAKE_TEMPLATE(name)
#define SR_TAKE_MECHANISM(name)
#define SR_TAKE_PARAMETER(name) sr_get_parameter_back(&exchange.in, name, name##_len);
#define SR_TAKE_VALUES(name) sr_get_values(&exchange.in, name, name##_count);
#define SR_TAKE_OUTPUT(name) sr_get_output(&exchange.in, name, name##_len, exchange.rv);
#define SR_TAKE_FILL(name) sr_get_filled(&exchange.in, name, name##_len, exchange.rv);
#define SR_TAKE_LIST(type, name) sr_get_list(&exchange.in, name, name##_count, exchange.rv);
#define SR_TAKE_FOUND(name) take_found(&exchange, name, name##_max, name##_count);
#define SR_TAKE_NEW_OBJECT(name) take_new_object(&exchange, name);
#define SR_TAKE_RESULT(type, name) sr_get_result(&exchange.in, name, exchange.rv);
#define SR_TAKE_SLOT_INFO(name) sr_get_slot_info(&exchange.in, name, exchange.rv);
#define SR_TAKE_TOKEN_INFO(name) sr_get_token_info(&exchange.in, name, exchange.rv);
#define SR_TAKE_SESSION_INFO(name) sr_get_session_info(&exchange.in, name, exchange.rv);
#define SR_TAKE_MECHANISM_INFO(name) sr_get_mechanism_info(&exchange.in, name, exchange.rv);

/* -- the calls ---------------------------------------------------------------------------------------------------- */
#define SR_REMOTE_MODULE(name, words, params)
#define SR_REMOTE_PARALLEL(name, words, params)
#define SR_REMOTE_CLIENT(name, words, params)                              \
	static CK_RV remote_##name(struct sr_client *client SR_AND params) \
	{                                                                  \
		struct sr_exchange exchange;                               \
		sr_exchange_begin(&exchange, client, SR_ID_##name, 0);     \
		SR_EACH(SR_ASK_, SR_UNPAREN words)                         \
		if (sr_exchange_run(&exchange)) {                          \
			SR_EACH(SR_TAKE_, SR_UNPAREN words)                \
		}                                                          \
		return sr_exchange_end(&exchange);                         \
	}
#define SR_REMOTE_SESSION(name, words, params)                                                        \
	static CK_RV remote_##name(struct sr_client *client, CK_SESSION_HANDLE session SR_AND params) \
	{                                                                                             \
		struct sr_exchange exchange;                                                          \
		sr_exchange_begin(&exchange, client, SR_ID_##name, session);                          \
		SR_EACH(SR_ASK_, SR_UNPAREN words)                                                    \
		if (sr_exchange_run(&exchange)) {                                                     \
			SR_EACH(SR_TAKE_, SR_UNPAREN words)                                           \
		}                                                                                     \
		return sr_exchange_end(&exchange);                                                    \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) \
	SR_REMOTE_##where(name, signature, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

/* -- slots -------------------------------------------------------------------------------------------------------- */
static CK_RV remember_absence(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	struct sr_error absent = client->absent;
	pthread_mutex_unlock(&client->lock);
	return sr_remote_fail(&absent);
}

/* Without a server the slots are there all the same, without a token. */
static CK_RV slots_without_server(struct sr_client *client, CK_BBOOL token_present, CK_SLOT_ID *list, CK_ULONG *count)
{
	CK_ULONG room = *count, have = token_present ? 0 : client->slot_count;
	*count = have;
	if (!list)
		return CKR_OK;
	if (room < have)
		return CKR_BUFFER_TOO_SMALL;
	pthread_mutex_lock(&client->lock);
	for (CK_ULONG i = 0; i < have; i++)
		list[i] = client->slots[i].shown;
	pthread_mutex_unlock(&client->lock);
	return CKR_OK;
}

static CK_RV get_slot_list(struct sr_client *client, CK_BBOOL token_present, CK_SLOT_ID *list, CK_ULONG *count)
{
	CK_ULONG room = count ? *count : 0;
	CK_RV rv = remote_C_GetSlotList(client, token_present, list, count);
	if (rv == CKR_TOKEN_NOT_PRESENT && count) {
		*count = room;
		return slots_without_server(client, token_present, list, count);
	}
	if (rv == CKR_OK && !list)
		sr_remote_slots_renew(client);
	for (CK_ULONG i = 0; rv == CKR_OK && list && count && i < *count; i++)
		list[i] = sr_remote_slot_shown(client, list[i]);
	return rv;
}

static CK_RV get_slot_info(struct sr_client *client, CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	CK_RV rv = remote_C_GetSlotInfo(client, id, info);
	if (rv != CKR_TOKEN_NOT_PRESENT)
		return rv;
	if (sr_remote_slot_id(client, id) == CK_UNAVAILABLE_INFORMATION)
		return CKR_SLOT_ID_INVALID;
	if (!info)
		return CKR_ARGUMENTS_BAD;
	*info = (CK_SLOT_INFO){ .flags = CKF_REMOVABLE_DEVICE };
	sr_text_pad(info->slotDescription, sizeof info->slotDescription, "Strongroom slot");
	sr_text_pad(info->manufacturerID, sizeof info->manufacturerID, "Strongroom");
	return CKR_OK;
}

/* -- sessions ----------------------------------------------------------------------------------------------------- */
static CK_RV open_session(struct sr_client *client, CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application,
	CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	CK_RV rv = remote_C_OpenSession(client, slot, flags, application, notify, session);
	if (rv == CKR_OK && session)
		sr_memory_session(client, *session, slot, flags);
	return rv;
}

/* A session of a server that is away is closed here, and never brought back. */
static CK_RV close_session(struct sr_client *client, CK_SESSION_HANDLE session)
{
	CK_RV rv = remote_C_CloseSession(client, session);
	sr_memory_session_closed(client, session);
	return rv == CKR_DEVICE_REMOVED ? CKR_OK : rv;
}

static CK_RV close_all_sessions(struct sr_client *client, CK_SLOT_ID slot)
{
	CK_RV rv = remote_C_CloseAllSessions(client, slot);
	bool known = sr_remote_slot_id(client, slot) != CK_UNAVAILABLE_INFORMATION;
	sr_memory_slot_closed(client, slot);
	return rv == CKR_TOKEN_NOT_PRESENT && known ? CKR_OK : rv;
}

static CK_RV get_session_info(struct sr_client *client, CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
	CK_RV rv = remote_C_GetSessionInfo(client, session, info);
	if (rv == CKR_OK && info)
		info->slotID = sr_remote_slot_shown(client, info->slotID);
	return rv;
}

/* -- logins ------------------------------------------------------------------------------------------------------- */
/* A person's passphrase is not kept for when the server comes back: whoever has left a desk is not logged in anew. */
static bool may_be_kept(const char *pin, CK_ULONG len)
{
	return pin && len > 4 && (memcmp(pin, "srt_", 4) == 0 || memcmp(pin, "srk_", 4) == 0);
}

static CK_RV after_login(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_BYTE *pin, CK_ULONG len, CK_RV rv)
{
	if (rv == CKR_OK && type == CKU_USER)
		sr_memory_login(client, session, may_be_kept((const char *)pin, len) ? pin : NULL, len);
	return rv;
}

static CK_RV login(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_BYTE *pin, CK_ULONG len)
{
	CK_RV rv = remote_C_Login(client, session, type, pin, len);
	if (rv == CKR_FUNCTION_REJECTED && !pin && type == CKU_USER)
		rv = sr_remote_wait(client, session, type, rv);
	if (type == CKU_USER)
		sr_remote_told(client, session, sr_remote_is_pending(rv));
	return after_login(client, session, type, pin, len, rv);
}

CK_RV sr_remote_login_again(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type)
{
	return remote_C_Login(client, session, type, NULL, 0);
}

static CK_RV login_user(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_BYTE *pin,
	CK_ULONG len, CK_BYTE *name, CK_ULONG name_len)
{
	CK_RV rv = remote_C_LoginUser(client, session, type, pin, len, name, name_len);
	return after_login(client, session, type, NULL, 0, rv);
}

static CK_RV logout(struct sr_client *client, CK_SESSION_HANDLE session)
{
	CK_RV rv = remote_C_Logout(client, session);
	sr_memory_logout(client, session);
	return rv;
}

/* -- searches ----------------------------------------------------------------------------------------------------- */
/* As many as were asked for and are there: programs take fewer for the end. */
static CK_RV find_objects(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
	if (sr_ahead_objects(client, session, objects, max, count))
		return CKR_OK;
	sr_ahead_catch_up(client, session);
	if (max <= SR_WIRE_FOUND_MAX || !objects || !count)
		return remote_C_FindObjects(client, session, objects, max, count);
	CK_ULONG have = 0, found = SR_WIRE_FOUND_MAX;
	CK_RV rv = CKR_OK;
	while (rv == CKR_OK && have < max && found == SR_WIRE_FOUND_MAX) {
		CK_ULONG room = max - have < SR_WIRE_FOUND_MAX ? max - have : SR_WIRE_FOUND_MAX;
		rv = remote_C_FindObjects(client, session, objects + have, room, &found);
		have += rv == CKR_OK ? found : 0;
	}
	if (rv == CKR_OK)
		*count = have;
	return rv;
}

static CK_RV find_objects_final(struct sr_client *client, CK_SESSION_HANDLE session)
{
	if (sr_ahead_final(client, session))
		return CKR_OK;
	sr_ahead_catch_up(client, session);
	return remote_C_FindObjectsFinal(client, session);
}

static CK_RV get_attribute_value(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE *template, CK_ULONG count)
{
	return sr_ahead_length(client, session, object, template, count)
		       ? CKR_OK
		       : remote_C_GetAttributeValue(client, session, object, template, count);
}

/* Of C_SessionCancel, which may end a search that the server goes on with. */
static CK_RV session_cancel(struct sr_client *client, CK_SESSION_HANDLE session, CK_FLAGS flags)
{
	sr_ahead_catch_up(client, session);
	sr_signing_catch_up(client, session);
	return remote_C_SessionCancel(client, session, flags);
}

/* -- operations that the server may not know of ------------------------------------------------------------------- */
static CK_RV sign_final(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG *signature_len)
{
	sr_signing_catch_up(client, session);
	return remote_C_SignFinal(client, session, signature, signature_len);
}

static CK_RV sign_encrypt_update(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len,
	CK_BYTE *output, CK_ULONG *output_len)
{
	sr_signing_catch_up(client, session);
	return remote_C_SignEncryptUpdate(client, session, data, data_len, output, output_len);
}

/* The key of an operation may go; the operation stays. */
static CK_RV destroy_object(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	sr_signing_catch_up(client, session);
	return remote_C_DestroyObject(client, session, object);
}

/* -- the backend -------------------------------------------------------------------------------------------------- */
#define SR_ROW_MODULE(name)
#define SR_ROW_PARALLEL(name)
#define SR_ROW_CLIENT(name) .name = remote_##name,
#define SR_ROW_SESSION(name) .name = remote_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ROW_##where(name)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* the calls with a body of their own take their rows' places */
static const struct sr_calls remote_calls = {
#include "pkcs11/calls.def"
	.C_GetSlotList = get_slot_list,
	.C_GetSlotInfo = get_slot_info,
	.C_OpenSession = open_session,
	.C_CloseSession = close_session,
	.C_CloseAllSessions = close_all_sessions,
	.C_GetSessionInfo = get_session_info,
	.C_Login = login,
	.C_LoginUser = login_user,
	.C_Logout = logout,
	.C_FindObjectsInit = sr_remote_find_init,
	.C_FindObjects = find_objects,
	.C_FindObjectsFinal = find_objects_final,
	.C_GetAttributeValue = get_attribute_value,
	.C_SessionCancel = session_cancel,
	.C_DestroyObject = destroy_object,
	.C_SignInit = sr_remote_sign_init,
	.C_Sign = sr_remote_sign,
	.C_SignUpdate = sr_remote_sign_update,
	.C_SignFinal = sign_final,
	.C_SignEncryptUpdate = sign_encrypt_update,
};
#pragma GCC diagnostic pop
#undef SR_CALL

static void set_up(struct sr_client *client)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&client->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&client->lock, NULL);
	client->slot_count = client->config.slot_count + 1;
	for (size_t i = 0; i < client->config.slot_count; i++)
		client->slots[i].config = &client->config.slots[i];
}

static void close_client(struct sr_client *client)
{
	if (!client)
		return;
	sr_links_close(client, false);
	sr_memory_close(client);
	sr_config_clear(&client->config);
	pthread_cond_destroy(&client->changed);
	pthread_mutex_destroy(&client->lock);
	sr_cleanse(client->secret, sizeof client->secret);
	free(client);
}

static CK_RV open_client(const struct sr_config *config, struct sr_client **client, struct sr_error *err)
{
	struct sr_client *made = calloc(1, sizeof *made);
	struct sr_link *link;
	bool copied = made && sr_config_copy(&made->config, config);
	if (made)
		set_up(made);
	if (!copied || !sr_memory_open(made)) {
		close_client(made);
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a client context");
	}
	if (sr_link_take(made, &link, err) == CKR_OK)
		sr_link_give(made, link, true);
	else
		remember_absence(made); /* the slots are there, without a token */
	pthread_mutex_lock(&made->lock);
	if (!made->generation)
		sr_remote_slots_number(made, NULL);
	pthread_mutex_unlock(&made->lock);
	*client = made;
	return CKR_OK;
}

static void interrupt(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	client->ending = true;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

/* In a forked child. Another thread may have held any lock, and the tables may be half changed: the connections are the
 * parent's, and only this process's ends of them are closed. */
static void abandon(struct sr_client *client)
{
	sr_links_close(client, true);
}

const struct sr_backend sr_remote_backend = {
	.abi = SR_BACKEND_ABI,
	.calls = &remote_calls,
	.open = open_client,
	.interrupt = interrupt,
	.close = close_client,
	.abandon = abandon,
	.last_error = sr_remote_last_error,
	.view = sr_remote_view,
};
