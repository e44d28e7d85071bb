/* Searches that are told of beforehand. */
#include "wire/client.h"

#include "util/clock.h"
#include "wire/argument.h"
#include "wire/template.h"

#include <string.h>

/* Under the client's lock. */
static struct sr_ahead *find(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_remote_session *session;
	HASH_FIND(hh, client->sessions, &handle, sizeof handle, session);
	return session ? &session->ahead : NULL;
}

/* What can be believed now, or NULL. */
static struct sr_ahead *find_good(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_ahead *ahead = find(client, handle);
	bool good = ahead && ahead->told && ahead->changes == client->changes &&
		    ahead->generation == client->generation && sr_clock_boot_ms() < ahead->until_ms;
	return good ? ahead : NULL;
}

CK_OBJECT_HANDLE sr_take_handle(struct sr_exchange *exchange)
{
	struct sr_known described = { .handle = sr_get_ulong(&exchange->in) };
	described.object_class = sr_get_ulong(&exchange->in);
	described.named = sr_get_place(&exchange->in);
	const char *id = sr_get_text(&exchange->in);
	if (!exchange->in.failed)
		sr_memory_object(exchange->client, exchange->session, &described, id);
	return described.handle;
}

/* -- the beginning ---------------------------------------------------------------------------------------------------
 */
static void take_peek(struct sr_exchange *exchange, uint64_t changes)
{
	struct sr_client *client = exchange->client;
	struct sr_ahead got = { .changes = changes };
	struct sr_error told = SR_ERROR_INIT;
	sr_error_get(&exchange->in, &told);
	got.told = sr_get_place(&exchange->in);
	got.count = sr_get_u8(&exchange->in);
	exchange->in.failed = exchange->in.failed || got.count > SR_PEEK_MAX;
	for (size_t i = 0; !exchange->in.failed && i < got.count; i++)
		got.handles[i] = sr_take_handle(exchange);
	got.has_length = sr_get_place(&exchange->in);
	got.length = sr_get_ulong(&exchange->in);
	got.has_length = got.has_length && got.count == 1;
	got.until_ms = sr_clock_boot_ms() + SR_WIRE_LEASE_MS;
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find(client, exchange->session);
	got.generation = client->generation;
	if (ahead && !exchange->in.failed)
		*ahead = got;
	pthread_mutex_unlock(&client->lock);
}

/* Whether the server still believes in a search that the application has ended. */
static bool was_finished(struct sr_client *client, CK_SESSION_HANDLE session, uint64_t *changes)
{
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find(client, session);
	bool finished = ahead && ahead->finished;
	if (ahead && finished)
		*ahead = (struct sr_ahead){ 0 };
	*changes = client->changes;
	pthread_mutex_unlock(&client->lock);
	return finished;
}

CK_RV sr_remote_find_init(struct sr_client *client, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct sr_exchange exchange;
	struct sr_error ended = SR_ERROR_INIT;
	uint64_t changes;
	bool finished = was_finished(client, session, &changes);
	sr_exchange_begin(&exchange, client, finished ? SR_WIRE_END_SEARCH : SR_ID_C_FindObjectsInit, session);
	if (finished)
		sr_exchange_add(&exchange, SR_ID_C_FindObjectsInit);
	exchange.number = SR_ID_C_FindObjectsInit;
	sr_put_template(&exchange.request, template, count);
	sr_exchange_add(&exchange, SR_WIRE_PEEK);
	if (sr_exchange_run(&exchange) && finished && exchange.rv == CKR_OK) {
		sr_error_get(&exchange.in, &ended);
		exchange.err = ended;
		exchange.rv = ended.rv;
	}
	if (exchange.answered && exchange.rv == CKR_OK)
		take_peek(&exchange, changes);
	return sr_exchange_end(&exchange);
}

/* -- what comes after ------------------------------------------------------------------------------------------------
 */
bool sr_ahead_objects(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find_good(client, session);
	bool good = ahead && !ahead->finished && objects && count && max;
	if (good) {
		size_t left = ahead->count - ahead->next;
		*count = max < left ? max : left;
		memcpy(objects, &ahead->handles[ahead->next], *count * sizeof *objects);
		ahead->next += *count;
	}
	pthread_mutex_unlock(&client->lock);
	return good;
}

bool sr_ahead_final(struct sr_client *client, CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find_good(client, session);
	bool good = ahead && !ahead->finished;
	if (good)
		ahead->finished = true;
	pthread_mutex_unlock(&client->lock);
	return good;
}

bool sr_ahead_length(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE *template, CK_ULONG count)
{
	if (!template || count != 1 || template->type != CKA_VALUE || template->pValue)
		return false;
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find_good(client, session);
	bool good = ahead && ahead->has_length && ahead->handles[0] == object;
	if (good)
		template->ulValueLen = ahead->length;
	pthread_mutex_unlock(&client->lock);
	return good;
}

/* -- the server learns of it ------------------------------------------------------------------------------------------
 */
static struct sr_ahead forget(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_ahead was = { 0 };
	pthread_mutex_lock(&client->lock);
	struct sr_ahead *ahead = find(client, session);
	if (ahead) {
		was = *ahead;
		*ahead = (struct sr_ahead){ 0 };
	}
	pthread_mutex_unlock(&client->lock);
	return was;
}

static void end_search(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_exchange exchange;
	sr_exchange_begin(&exchange, client, SR_WIRE_END_SEARCH, session);
	sr_exchange_run(&exchange);
	sr_exchange_end(&exchange);
}

/* The server's own search goes on behind what was given out; what it gives again is for nobody. */
static void skip(struct sr_client *client, CK_SESSION_HANDLE session, size_t number)
{
	struct sr_exchange exchange;
	CK_OBJECT_HANDLE ignored[SR_PEEK_MAX];
	CK_ULONG room = number;
	sr_exchange_begin(&exchange, client, SR_ID_C_FindObjects, session);
	sr_put_place(&exchange.request, &room);
	sr_put_room(&exchange.request, ignored, &room);
	if (sr_exchange_run(&exchange))
		exchange.in.left = 0;
	sr_exchange_end(&exchange);
}

void sr_ahead_catch_up(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_ahead was = forget(client, session);
	if (was.finished)
		end_search(client, session);
	else if (was.next)
		skip(client, session, was.next);
}
