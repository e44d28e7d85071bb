/* One call over the wire: asked, answered, and what is made of a server that is away. */
#include "wire/client.h"

#include "wire/argument.h"

#include <string.h>

/* Plain bytes without a destructor, as everywhere (module/entry.c). */
static _Thread_local struct sr_error last_error = SR_ERROR_INIT;

const struct sr_error *sr_remote_last_error(void)
{
	return &last_error;
}

CK_RV sr_remote_fail(const struct sr_error *err)
{
	last_error = *err;
	return err->rv;
}

static bool is_of_client(uint16_t number)
{
	return number < SR_CALL_COUNT && sr_call_rows[number].where == SR_WHERE_CLIENT;
}

/* -- what a call may change --------------------------------------------------------------------------------------- */
static bool only_looks(uint16_t number)
{
	switch (number) {
	case SR_ID_C_FindObjectsInit:
	case SR_ID_C_FindObjects:
	case SR_ID_C_FindObjectsFinal:
	case SR_ID_C_GetObjectSize:
	case SR_ID_C_GetSessionInfo:
	case SR_ID_C_GetTokenInfo:
	case SR_ID_C_GetSlotInfo:
	case SR_ID_C_GetSlotList:
	case SR_ID_C_GetMechanismInfo:
	case SR_ID_C_GetMechanismList:
	case SR_ID_C_OpenSession:
	case SR_WIRE_END_SEARCH:
	case SR_WIRE_SLOT_WAITS:
		return true;
	default:
		return false;
	}
}

/* Whoever takes a value, or uses a key, may have used up the login, and so what there is to see. What a key may do it
 * leaves alone. */
static bool only_uses(uint16_t number)
{
	switch (number) {
	case SR_ID_C_GetAttributeValue:
	case SR_ID_C_SignInit:
	case SR_ID_C_Sign:
	case SR_ID_C_SignUpdate:
	case SR_ID_C_SignFinal:
	case SR_ID_C_VerifyInit:
	case SR_ID_C_Verify:
	case SR_ID_C_DigestInit:
	case SR_ID_C_Digest:
	case SR_ID_C_DigestUpdate:
	case SR_ID_C_DigestFinal:
	case SR_ID_C_GenerateRandom:
		return true;
	default:
		return false;
	}
}

/* What other applications change shows itself when the moment is over for which something was told beforehand. */
static void note_change(struct sr_client *client, uint16_t number)
{
	if (only_looks(number))
		return;
	pthread_mutex_lock(&client->lock);
	client->changes++;
	client->key_changes += !only_uses(number);
	pthread_mutex_unlock(&client->lock);
}

/* -- the request -------------------------------------------------------------------------------------------------- */
static void begin(struct sr_exchange *exchange, struct sr_client *client, uint16_t number, CK_SESSION_HANDLE session)
{
	note_change(client, number);
	*exchange = (struct sr_exchange){ .client = client, .number = number, .session = session };
	exchange->arena = (struct sr_arena)SR_ARENA_INIT;
}

void sr_exchange_begin_slot(struct sr_exchange *exchange, struct sr_client *client, uint16_t number, size_t slot)
{
	begin(exchange, client, number, 0);
	sr_put_u16(&exchange->request, number);
	sr_put_ulong(&exchange->request, 0);
	sr_memory_offer_slot(client, slot, &exchange->request);
}

void sr_exchange_begin(
	struct sr_exchange *exchange, struct sr_client *client, uint16_t number, CK_SESSION_HANDLE session)
{
	begin(exchange, client, number, session);
	if (is_of_client(number))
		sr_put_u16(&exchange->request, number);
	else
		sr_exchange_add(exchange, number);
}

void sr_exchange_add(struct sr_exchange *exchange, uint16_t number)
{
	sr_put_u16(&exchange->request, number);
	sr_put_ulong(&exchange->request, exchange->session);
	sr_memory_offer(exchange->client, exchange->session, &exchange->request);
}

/* What a call answers whose server is away: what the standard lists for it. */
static CK_RV away(struct sr_exchange *exchange)
{
	bool token = is_of_client(exchange->number) && exchange->err.rv != CKR_HOST_MEMORY;
	size_t slot;
	pthread_mutex_lock(&exchange->client->lock);
	exchange->client->met_absence = true;
	pthread_mutex_unlock(&exchange->client->lock);
	if (token && exchange->err.rv == CKR_DEVICE_REMOVED)
		exchange->err.rv = CKR_TOKEN_NOT_PRESENT;
	if (!is_of_client(exchange->number) && !sr_memory_slot(exchange->client, exchange->session, &slot))
		sr_fail(&exchange->err, CKR_SESSION_HANDLE_INVALID, SR_REASON_NONE,
			"there is no session %lu: it was closed, or never open", exchange->session);
	else if (!is_of_client(exchange->number) && exchange->err.rv == CKR_TOKEN_NOT_PRESENT)
		exchange->err.rv = CKR_DEVICE_REMOVED;
	return exchange->err.rv;
}

static CK_RV protocol_error(struct sr_exchange *exchange)
{
	return sr_fail(&exchange->err, CKR_DEVICE_ERROR, SR_REASON_SERVER_REFUSED,
		"the server's answer cannot be read: is it of another version?");
}

/* The code at the front of the answer. */
static bool read_code(struct sr_exchange *exchange)
{
	struct sr_error told = SR_ERROR_INIT;
	exchange->in =
		(struct sr_in){ .at = exchange->answer.data, .left = exchange->answer.len, .arena = &exchange->arena };
	sr_error_get(&exchange->in, &told);
	if (exchange->in.failed) {
		exchange->rv = protocol_error(exchange);
		return false;
	}
	exchange->err = told;
	exchange->rv = told.rv;
	exchange->answered = true;
	return true;
}

static bool refused_by_server(struct sr_exchange *exchange)
{
	struct sr_error told = SR_ERROR_INIT;
	struct sr_in in = { .at = exchange->answer.data, .left = exchange->answer.len, .arena = &exchange->arena };
	sr_error_get(&in, &told);
	exchange->rv = in.failed || told.rv == CKR_OK ? protocol_error(exchange) : told.rv;
	if (!in.failed && told.rv != CKR_OK)
		exchange->err = told;
	return false;
}

/* One attempt over LINK. AGAIN: nothing of the request has arrived, so that it may be sent once more. */
static bool attempt(struct sr_exchange *exchange, struct sr_link *link, bool *good, bool *again)
{
	enum sr_message_kind kind;
	bool sent = false;
	*good = sr_link_exchange(link, SR_MESSAGE_REQUEST, &exchange->request, &exchange->answer, &kind, &sent);
	*again = !*good && !sent;
	if (!*good) {
		sr_fail(&exchange->err, CKR_DEVICE_REMOVED, SR_REASON_SERVER_AWAY,
			"the server went away during the call; whether it was carried out is not known");
		exchange->rv = away(exchange);
		return false;
	}
	*good = kind == SR_MESSAGE_ANSWER;
	return *good ? read_code(exchange) : refused_by_server(exchange);
}

bool sr_exchange_run(struct sr_exchange *exchange)
{
	struct sr_link *link;
	bool good, again = true, answered = false;
	if (exchange->request.failed) {
		exchange->rv = sr_fail(&exchange->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the call");
		return false;
	}
	if (exchange->link)
		return attempt(exchange, exchange->link, &good, &again);
	for (int attempts = 0; again && attempts < 2; attempts++) {
		if (sr_link_take(exchange->client, &link, &exchange->err) != CKR_OK) {
			exchange->rv = away(exchange);
			return false;
		}
		answered = attempt(exchange, link, &good, &again);
		sr_link_give(exchange->client, link, good);
	}
	return answered;
}

CK_RV sr_exchange_end(struct sr_exchange *exchange)
{
	if (exchange->answered && (exchange->in.failed || exchange->in.left))
		exchange->rv = protocol_error(exchange);
	if (exchange->rv != CKR_OK)
		last_error = exchange->err;
	sr_buf_clear(&exchange->request);
	sr_buf_clear(&exchange->answer);
	sr_arena_clear(&exchange->arena);
	return exchange->rv;
}
