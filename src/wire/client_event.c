/* What C_WaitForSlotEvent is told of slots whose token is in a server: the server is asked now and then, and holds
 * nothing meanwhile. The embedded counterpart is pkcs11/event.c. */
#include "wire/client.h"

#include "wire/argument.h"

/* What the application has met since the last view. */
static size_t take_told(struct sr_client *client, struct sr_slot_view *views)
{
	pthread_mutex_lock(&client->lock);
	bool was_absent = client->met_absence;
	client->met_absence = false;
	for (size_t i = 0; i < client->slot_count; i++) {
		struct sr_remote_slot *slot = &client->slots[i];
		views[i] =
			(struct sr_slot_view){ .id = slot->shown, .was_absent = was_absent, .had_waited = slot->told };
		slot->told = false;
	}
	pthread_mutex_unlock(&client->lock);
	return client->slot_count;
}

/* A context that is another than at the last view: the server was away in between. */
static bool is_renewed(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	bool renewed = client->viewed && client->viewed != client->generation;
	client->viewed = client->generation;
	pthread_mutex_unlock(&client->lock);
	return renewed;
}

/* False: nobody has answered. */
static bool ask(struct sr_client *client, size_t index, struct sr_slot_view *view)
{
	struct sr_exchange exchange;
	sr_exchange_begin_slot(&exchange, client, SR_WIRE_SLOT_WAITS, index);
	sr_put_ulong(&exchange.request, sr_remote_slot_id(client, view->id));
	if (sr_exchange_run(&exchange))
		view->waits = sr_get_u8(&exchange.in);
	bool answered = exchange.answered;
	view->unsure = exchange.rv != CKR_OK;
	sr_exchange_end(&exchange);
	return answered;
}

/* Slots without a token of their own have nothing to be asked about, but one question shows that the server is there.
 */
size_t sr_remote_view(struct sr_client *client, struct sr_slot_view *views)
{
	size_t count = take_told(client, views), asked = 0;
	bool present = true;
	for (size_t i = 0; present && i < count; i++) {
		bool last = i + 1 == count;
		if (!sr_own_token_has(client->slots[i].config) && !(last && asked == 0))
			continue;
		present = ask(client, i, &views[i]);
		asked++;
	}
	bool renewed = is_renewed(client);
	for (size_t i = 0; i < count; i++) {
		views[i].present = present;
		views[i].was_absent = views[i].was_absent || renewed;
	}
	return count;
}

void sr_remote_told(struct sr_client *client, CK_SESSION_HANDLE session, bool waits)
{
	size_t slot;
	if (!sr_memory_slot(client, session, &slot))
		return;
	pthread_mutex_lock(&client->lock);
	client->slots[slot].told = waits && sr_own_token_has(client->slots[slot].config);
	pthread_mutex_unlock(&client->lock);
}
