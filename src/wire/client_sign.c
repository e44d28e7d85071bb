/* Signatures whose beginning travels with them. */
#include "wire/client.h"

#include "util/clock.h"
#include "wire/argument.h"
#include "wire/mechanism.h"

#include <string.h>

/* Under the client's lock. */
static struct sr_signing *find(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_remote_session *session;
	HASH_FIND(hh, client->sessions, &handle, sizeof handle, session);
	return session ? &session->signing : NULL;
}

/* -- C_SignInit ------------------------------------------------------------------------------------------------------
 */
static bool begin_here(struct sr_client *client, CK_SESSION_HANDLE session, const struct sr_buf *asked)
{
	pthread_mutex_lock(&client->lock);
	struct sr_signing *signing = find(client, session);
	bool good = signing && !signing->begun && !asked->failed && signing->len && signing->len == asked->len &&
		    memcmp(signing->asked, asked->data, asked->len) == 0 &&
		    signing->key_changes == client->key_changes && signing->generation == client->generation &&
		    sr_clock_boot_ms() < signing->until_ms;
	if (good)
		signing->begun = true;
	pthread_mutex_unlock(&client->lock);
	return good;
}

/* ASKED NULL: what the server knows of is another operation, or none. */
static void remember(struct sr_client *client, CK_SESSION_HANDLE session, const struct sr_buf *asked)
{
	pthread_mutex_lock(&client->lock);
	struct sr_signing *signing = find(client, session);
	if (signing) {
		*signing = (struct sr_signing){ .key_changes = client->key_changes };
		if (asked && asked->len <= sizeof signing->asked) {
			memcpy(signing->asked, asked->data, asked->len);
			signing->len = asked->len;
		}
	}
	pthread_mutex_unlock(&client->lock);
}

static CK_RV begin_there(struct sr_client *client, CK_SESSION_HANDLE session, const struct sr_buf *asked)
{
	struct sr_exchange exchange;
	sr_exchange_begin(&exchange, client, SR_ID_C_SignInit, session);
	sr_buf_append(&exchange.request, asked->data, asked->len);
	sr_exchange_run(&exchange);
	return sr_exchange_end(&exchange);
}

CK_RV sr_remote_sign_init(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	struct sr_buf asked = SR_BUF_INIT;
	CK_RV rv = CKR_OK;
	sr_put_mechanism(&asked, mechanism);
	sr_put_ulong(&asked, key);
	if (!mechanism || !begin_here(client, session, &asked)) {
		sr_signing_catch_up(client, session);
		rv = begin_there(client, session, &asked);
		remember(client, session, rv == CKR_OK && mechanism ? &asked : NULL);
	}
	sr_buf_clear(&asked);
	return rv;
}

/* -- what goes on with it --------------------------------------------------------------------------------------------
 */
/* What is known of the operation; from now on the server knows as much, and promises anew. */
static struct sr_signing take(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_signing taken = { .len = 0 };
	pthread_mutex_lock(&client->lock);
	struct sr_signing *signing = find(client, session);
	if (signing) {
		taken = *signing;
		signing->begun = false;
		signing->until_ms = 0;
	}
	taken.key_changes = client->key_changes;
	pthread_mutex_unlock(&client->lock);
	return taken;
}

void sr_signing_catch_up(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_signing signing = take(client, session);
	struct sr_buf asked = SR_BUF_INIT;
	if (!signing.begun)
		return;
	sr_buf_append(&asked, signing.asked, signing.len);
	begin_there(client, session, &asked);
	sr_buf_clear(&asked);
}

/* The request of a call that goes on, its beginning before it where that is owed. */
static void begin_exchange(struct sr_exchange *exchange, struct sr_client *client, uint16_t number,
	CK_SESSION_HANDLE session, const struct sr_signing *signing)
{
	sr_exchange_begin(exchange, client, signing->begun ? SR_ID_C_SignInit : number, session);
	if (!signing->begun)
		return;
	sr_buf_append(&exchange->request, signing->asked, signing->len);
	sr_exchange_add(exchange, number);
}

/* The application was told that it had begun: so C_Sign answers as where the key was deleted or changed between the
 * two.
 */
static CK_RV as_of_sign(CK_RV rv)
{
	switch (rv) {
	case CKR_KEY_HANDLE_INVALID:
	case CKR_KEY_FUNCTION_NOT_PERMITTED:
		return CKR_FUNCTION_CANCELED;
	case CKR_DEVICE_ERROR:
	case CKR_DEVICE_MEMORY:
	case CKR_DEVICE_REMOVED:
	case CKR_FUNCTION_CANCELED:
	case CKR_FUNCTION_REJECTED:
	case CKR_GENERAL_ERROR:
	case CKR_HOST_MEMORY:
	case CKR_SESSION_HANDLE_INVALID:
	case CKR_USER_NOT_LOGGED_IN:
		return rv;
	default:
		return CKR_FUNCTION_FAILED;
	}
}

/* True where the answer of the call itself is there, and its code is the exchange's. */
static bool run(struct sr_exchange *exchange, const struct sr_signing *signing)
{
	struct sr_error told = SR_ERROR_INIT;
	if (!sr_exchange_run(exchange))
		return false;
	if (!signing->begun)
		return true;
	if (exchange->rv != CKR_OK) {
		exchange->rv = exchange->err.rv = as_of_sign(exchange->rv);
		return false;
	}
	sr_error_get(&exchange->in, &told);
	exchange->err = told;
	exchange->rv = told.rv;
	return !exchange->in.failed;
}

static void take_promise(struct sr_exchange *exchange, const struct sr_signing *was)
{
	struct sr_client *client = exchange->client;
	struct sr_error told = SR_ERROR_INIT;
	sr_error_get(&exchange->in, &told);
	uint16_t ms = sr_get_u16(&exchange->in);
	if (exchange->in.failed || ms > SR_WIRE_LEASE_MS) {
		exchange->in.failed = true;
		return;
	}
	pthread_mutex_lock(&client->lock);
	struct sr_signing *signing = find(client, exchange->session);
	if (signing && ms) {
		signing->key_changes = was->key_changes;
		signing->generation = client->generation;
		signing->until_ms = sr_clock_boot_ms() + ms;
	}
	pthread_mutex_unlock(&client->lock);
}

CK_RV sr_remote_sign(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len,
	CK_BYTE *signature, CK_ULONG *signature_len)
{
	struct sr_exchange exchange;
	struct sr_signing signing = take(client, session);
	begin_exchange(&exchange, client, SR_ID_C_Sign, session, &signing);
	sr_put_bytes(&exchange.request, data, data_len, SR_WIRE_DATA_MAX);
	sr_put_room(&exchange.request, signature, signature_len);
	if (signing.len)
		sr_exchange_add(&exchange, SR_WIRE_SIGNS_AGAIN);
	if (run(&exchange, &signing)) {
		sr_get_output(&exchange.in, signature, signature_len, exchange.rv);
		if (exchange.rv == CKR_OK && signing.len)
			take_promise(&exchange, &signing);
	}
	return sr_exchange_end(&exchange);
}

CK_RV sr_remote_sign_update(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len)
{
	struct sr_exchange exchange;
	struct sr_signing signing = take(client, session);
	begin_exchange(&exchange, client, SR_ID_C_SignUpdate, session, &signing);
	sr_put_bytes(&exchange.request, data, data_len, SR_WIRE_DATA_MAX);
	run(&exchange, &signing);
	return sr_exchange_end(&exchange);
}
