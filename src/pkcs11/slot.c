/* Slot and token management: PKCS#11 v3.1, 5.5. */
#include "pkcs11/call.h"
#include "pkcs11/mechanism.h"
#include "util/crypto.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAKER "Strongroom"
#define SLOT_ID_MASK 0x7fffffffu /* some programs keep slot ids in an int */

static const char *config_name(const struct sr_slot *slot)
{
	return slot->config ? slot->config->name : "";
}

const char *sr_slot_name(const struct sr_slot *slot)
{
	if (slot->config)
		return slot->config->name;
	return slot->client->vault ? sr_vault_name(slot->client->vault) : "default";
}

static bool id_taken(const struct sr_client *client, size_t before, CK_SLOT_ID id)
{
	for (size_t i = 0; i < before; i++) {
		if (client->slots[i].id == id)
			return true;
	}
	return false;
}

/* Vault id and name together are the slot, wherever it stands in the configuration. */
void sr_slots_serials(struct sr_client *client)
{
	const char *vault_id = sr_vault_id(client->vault);
	for (size_t i = 0; i < client->slot_count; i++) {
		struct sr_slot *slot = &client->slots[i];
		const char *name = config_name(slot);
		uint8_t hash[SR_SHA256_LEN] = { 0 };
		char digits[9];
		sr_sha256_2(vault_id, strlen(vault_id), name, strlen(name), hash);
		sr_text_hex(hash, 4, digits);
		snprintf(slot->serial, sizeof slot->serial, "%.8s%s", vault_id, digits);
	}
}

static void number_slot(struct sr_client *client, size_t index)
{
	struct sr_slot *slot = &client->slots[index];
	const char *from = slot->serial[0] ? slot->serial : config_name(slot);
	uint8_t hash[SR_SHA256_LEN] = { 0 }; /* stays so where OpenSSL fails: ids are still distinct */
	sr_sha256(from, strlen(from), hash);
	uint32_t number = (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
	slot->id = number & SLOT_ID_MASK;
	while (slot->id == 0 || id_taken(client, index, slot->id))
		slot->id = (slot->id + 1) & SLOT_ID_MASK;
}

void sr_slots_number(struct sr_client *client)
{
	for (size_t i = 0; i < client->slot_count; i++)
		number_slot(client, i);
	client->numbered = client->vault;
}

/* A vault that opened later than its client: the standard lets the slots change when a program asks for their number,
 * and at no other time. */
static void number_again(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	if (client->vault && !client->numbered && !client->session_count)
		sr_slots_number(client);
	pthread_mutex_unlock(&client->lock);
}

struct sr_slot *sr_slot_find(struct sr_client *client, CK_SLOT_ID id)
{
	struct sr_slot *found = NULL;
	pthread_mutex_lock(&client->lock);
	for (size_t i = 0; i < client->slot_count && !found; i++) {
		if (client->slots[i].id == id)
			found = &client->slots[i];
	}
	pthread_mutex_unlock(&client->lock);
	return found;
}

static CK_RV slot_of(struct sr_call *call, CK_SLOT_ID id, struct sr_slot **slot)
{
	*slot = sr_slot_find(call->client, id);
	return *slot ? CKR_OK
		     : sr_fail(&call->err, CKR_SLOT_ID_INVALID, SR_REASON_NONE,
			       "there is no slot %lu: ask for the list of slots", id);
}

/* The slot ID with its token there. */
static CK_RV token_of(struct sr_call *call, CK_SLOT_ID id, struct sr_slot **slot)
{
	CK_RV rv = slot_of(call, id, slot);
	return rv == CKR_OK ? sr_client_ready(call->client, &call->err) : rv;
}

/* The convention for lists: 5.2. A NULL LIST asks for the number. */
static CK_RV answer_list(struct sr_call *call, const CK_ULONG *items, CK_ULONG have, CK_ULONG *list, CK_ULONG *count)
{
	CK_ULONG room = *count;
	*count = have;
	if (!list)
		return CKR_OK;
	if (room < have)
		return sr_fail(&call->err, CKR_BUFFER_TOO_SMALL, SR_REASON_NONE, "the list has %lu items", have);
	memcpy(list, items, have * sizeof *items);
	return CKR_OK;
}

CK_RV sr_C_GetSlotList(struct sr_call *call, CK_BBOOL token_present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
	if (!count)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulCount is NULL");
	if (!list) {
		struct sr_error ignored = SR_ERROR_INIT; /* without a vault the slots are there all the same */
		sr_client_ready(call->client, &ignored);
		number_again(call->client);
	}
	CK_SLOT_ID ids[SR_SLOTS_MAX + 1];
	CK_ULONG have = 0;
	pthread_mutex_lock(&call->client->lock);
	for (size_t i = 0; i < call->client->slot_count && (call->client->vault || !token_present); i++)
		ids[have++] = call->client->slots[i].id;
	pthread_mutex_unlock(&call->client->lock);
	return answer_list(call, ids, have, list, count);
}

CK_RV sr_C_GetSlotInfo(struct sr_call *call, CK_SLOT_ID id, CK_SLOT_INFO_PTR info)
{
	struct sr_slot *slot;
	if (!info)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pInfo is NULL");
	CK_RV rv = slot_of(call, id, &slot);
	if (rv != CKR_OK)
		return rv;
	char description[65];
	*info = (CK_SLOT_INFO){ 0 };
	pthread_mutex_lock(&call->client->lock);
	snprintf(description, sizeof description, MAKER " slot %s", sr_slot_name(slot));
	/* 5.5.2: a slot whose token may be absent has removable devices */
	info->flags = CKF_REMOVABLE_DEVICE | (call->client->vault ? CKF_TOKEN_PRESENT : 0);
	pthread_mutex_unlock(&call->client->lock);
	sr_text_pad(info->slotDescription, sizeof info->slotDescription, description);
	sr_text_pad(info->manufacturerID, sizeof info->manufacturerID, MAKER);
	return CKR_OK;
}

CK_RV sr_C_GetTokenInfo(struct sr_call *call, CK_SLOT_ID id, CK_TOKEN_INFO_PTR info)
{
	struct sr_slot *slot;
	if (!info)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pInfo is NULL");
	CK_RV rv = token_of(call, id, &slot);
	if (rv != CKR_OK)
		return rv;
	*info = (CK_TOKEN_INFO){
		.flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS |
			 CKF_TOKEN_INITIALIZED,
		.ulMaxSessionCount = SR_SESSIONS_MAX,
		.ulMaxRwSessionCount = SR_SESSIONS_MAX,
		.ulMaxPinLen = SR_PIN_MAX,
		.ulMinPinLen = 4,
		.ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION,
		.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
		.ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION,
		.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION,
	};
	if (sr_call_token_has(slot->config))
		info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
	sr_text_pad(info->manufacturerID, sizeof info->manufacturerID, MAKER);
	sr_text_pad(info->model, sizeof info->model, MAKER);
	sr_text_pad(info->utcTime, sizeof info->utcTime, ""); /* there is no CKF_CLOCK_ON_TOKEN */
	pthread_mutex_lock(&call->client->lock);
	sr_text_pad(info->label, sizeof info->label, sr_slot_name(slot));
	sr_text_pad(info->serialNumber, sizeof info->serialNumber, slot->serial);
	info->ulSessionCount = slot->sessions;
	info->ulRwSessionCount = slot->rw_sessions;
	pthread_mutex_unlock(&call->client->lock);
	return CKR_OK;
}

/* All that are offered, in the order of their table; LIST is for free. */
static CK_RV offered_mechanisms(struct sr_call *call, CK_MECHANISM_TYPE **list, CK_ULONG *count)
{
	CK_MECHANISM_INFO ignored;
	*count = 0;
	*list = calloc(sr_mechanism_count, sizeof **list);
	if (!*list)
		return sr_fail(&call->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the list of mechanisms");
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		if (sr_mechanism_offered(call->client->vault, &call->client->config, row, &ignored))
			(*list)[(*count)++] = row->type;
	}
	return CKR_OK;
}

CK_RV sr_C_GetMechanismList(struct sr_call *call, CK_SLOT_ID id, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
	struct sr_slot *slot;
	if (!count)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulCount is NULL");
	CK_RV rv = token_of(call, id, &slot);
	if (rv != CKR_OK)
		return rv;
	CK_MECHANISM_TYPE *offered;
	CK_ULONG have;
	rv = offered_mechanisms(call, &offered, &have);
	if (rv == CKR_OK)
		rv = answer_list(call, offered, have, list, count);
	free(offered);
	return rv;
}

CK_RV sr_C_GetMechanismInfo(struct sr_call *call, CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
	struct sr_slot *slot;
	if (!info)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pInfo is NULL");
	CK_RV rv = token_of(call, id, &slot);
	if (rv != CKR_OK)
		return rv;
	const struct sr_mechanism_row *row = sr_mechanism_row(type);
	if (row && sr_mechanism_offered(call->client->vault, &call->client->config, row, info))
		return CKR_OK;
	return sr_fail(
		&call->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM, "%s is not offered", sr_mechanism_name(type));
}

/* The vault is made by `strongroom init`, and never wiped through PKCS#11 (design §3). */
CK_RV sr_C_InitToken(struct sr_call *call, CK_SLOT_ID id, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len, CK_UTF8CHAR_PTR label)
{
	struct sr_slot *slot;
	if (!label || (!pin && pin_len))
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pLabel or pPin is NULL");
	CK_RV rv = token_of(call, id, &slot);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&call->client->lock);
	bool busy = slot->sessions;
	pthread_mutex_unlock(&call->client->lock);
	if (busy)
		return sr_fail(&call->err, CKR_SESSION_EXISTS, SR_REASON_NONE, "the slot has open sessions");
	return sr_fail(&call->err, CKR_FUNCTION_NOT_SUPPORTED, SR_REASON_NONE,
		"a vault is not initialised through C_InitToken: use `strongroom init`");
}
