/* A new context is told what the application had in the one that was lost: sessions first, then logins, then handles.
 */
#include "wire/client.h"

#include "wire/argument.h"

#include <stdlib.h>
#include <string.h>

/* Copies, because nobody sends under the client's lock. */
struct restoring {
	struct sr_client *client;
	struct sr_link *link;
	struct sr_remote_session *sessions;
	size_t session_count;
	bool logged_in[SR_SLOTS_MAX + 1];
	CK_SLOT_ID ids[SR_SLOTS_MAX + 1];
};

static bool copy_sessions(struct restoring *restoring)
{
	struct sr_client *client = restoring->client;
	size_t count = 0;
	pthread_mutex_lock(&client->lock);
	restoring->sessions = calloc(HASH_COUNT(client->sessions) + 1, sizeof *restoring->sessions);
	for (const struct sr_remote_session *at = client->sessions; restoring->sessions && at; at = at->hh.next)
		restoring->sessions[count++] = *at;
	for (size_t i = 0; i < client->slot_count; i++) {
		restoring->logged_in[i] = client->slots[i].logged_in;
		restoring->ids[i] = client->slots[i].id;
	}
	pthread_mutex_unlock(&client->lock);
	restoring->session_count = count;
	return restoring->sessions;
}

static void begin(
	const struct restoring *restoring, struct sr_exchange *exchange, uint16_t number, CK_SESSION_HANDLE session)
{
	sr_exchange_begin(exchange, restoring->client, number, session);
	exchange->link = restoring->link;
}

/* True where the server answered, whatever. */
static bool run(struct sr_exchange *exchange)
{
	bool answered = sr_exchange_run(exchange);
	sr_exchange_end(exchange);
	return answered;
}

static bool restore_session(const struct restoring *restoring, const struct sr_remote_session *session)
{
	struct sr_exchange exchange;
	begin(restoring, &exchange, SR_WIRE_RESTORE_SESSION, session->handle);
	sr_put_ulong(&exchange.request, restoring->ids[session->slot]);
	sr_put_ulong(&exchange.request, session->flags);
	sr_put_u8(&exchange.request, restoring->logged_in[session->slot]);
	return run(&exchange);
}

/* With the string that was kept. A refusal is no trouble here: the login has ended, and the next call says so. */
static bool log_in(const struct restoring *restoring, CK_SESSION_HANDLE session, size_t slot)
{
	struct sr_client *client = restoring->client;
	struct sr_kept kept;
	struct sr_exchange exchange;
	pthread_mutex_lock(&client->lock);
	kept = *client->slots[slot].kept;
	pthread_mutex_unlock(&client->lock);
	bool answered = true;
	if (kept.len && restoring->logged_in[slot]) {
		begin(restoring, &exchange, SR_ID_C_Login, session);
		sr_put_ulong(&exchange.request, CKU_USER);
		sr_put_bytes(&exchange.request, kept.pin, kept.len, SR_WIRE_DATA_MAX);
		answered = run(&exchange);
	}
	sr_cleanse(&kept, sizeof kept);
	return answered;
}

static void put_known(struct sr_buf *out, const struct sr_known *known)
{
	sr_put_ulong(out, known->handle);
	sr_put_ulong(out, known->object_class);
	sr_put_u8(out, known->named);
	sr_put_text(out, known->id);
}

/* At most SR_WIRE_FOUND_MAX handles of SLOT above AFTER, which moves on; how many. */
static uint32_t collect_objects(struct sr_client *client, size_t slot, CK_OBJECT_HANDLE *after, struct sr_buf *out)
{
	uint32_t count = 0;
	CK_OBJECT_HANDLE last = *after;
	pthread_mutex_lock(&client->lock);
	/* handles only grow, and the table keeps the order in which they came */
	for (const struct sr_known *at = client->known; at && count < SR_WIRE_FOUND_MAX; at = at->hh.next) {
		if (at->slot != slot || at->handle <= *after)
			continue;
		put_known(out, at);
		last = at->handle > last ? at->handle : last;
		count++;
	}
	pthread_mutex_unlock(&client->lock);
	*after = last;
	return count;
}

static bool restore_objects(const struct restoring *restoring, CK_SESSION_HANDLE session, size_t slot)
{
	CK_OBJECT_HANDLE after = 0;
	bool answered = true;
	uint32_t count = SR_WIRE_FOUND_MAX;
	while (answered && count == SR_WIRE_FOUND_MAX) {
		struct sr_exchange exchange;
		struct sr_buf objects = SR_BUF_INIT;
		count = collect_objects(restoring->client, slot, &after, &objects);
		if (count) {
			begin(restoring, &exchange, SR_WIRE_RESTORE_OBJECTS, session);
			sr_put_u32(&exchange.request, count);
			sr_buf_append(&exchange.request, objects.data, objects.len);
			answered = !objects.failed && run(&exchange);
		}
		sr_buf_clear(&objects);
	}
	return answered;
}

/* A slot's login and handles, by way of its first session. */
static bool restore_slot(const struct restoring *restoring, size_t slot)
{
	for (size_t i = 0; i < restoring->session_count; i++) {
		if (restoring->sessions[i].slot != slot)
			continue;
		CK_SESSION_HANDLE session = restoring->sessions[i].handle;
		return log_in(restoring, session, slot) && restore_objects(restoring, session, slot);
	}
	return true;
}

bool sr_restore(struct sr_client *client, struct sr_link *link)
{
	struct restoring restoring = { .client = client, .link = link };
	bool good = copy_sessions(&restoring);
	for (size_t i = 0; good && i < restoring.session_count; i++)
		good = restore_session(&restoring, &restoring.sessions[i]);
	for (size_t i = 0; good && i < client->slot_count; i++)
		good = restore_slot(&restoring, i);
	free(restoring.sessions);
	return good;
}
