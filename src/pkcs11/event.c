/* What C_WaitForSlotEvent is told of a client's slots. */
#include "pkcs11/call.h"

#include "pkcs11/host.h"
#include "util/crypto.h"

/* Whether the slot's own token waits. UNSURE where the vault cannot tell now. */
static void look(struct sr_call *call, bool *waits, bool *unsure)
{
	*waits = false;
	*unsure = false;
	if (!sr_call_token_has(call->slot->config))
		return;
	*unsure = !sr_crypto_alive() || !sr_vault_is_there(call->client->vault);
	if (!*unsure)
		*waits = sr_own_token_waits(call);
}

CK_RV sr_host_slot_waits(struct sr_client *client, CK_SLOT_ID id, bool *waits)
{
	struct sr_call call = { .id = SR_ID_C_Login, .client = client, .peer = &client->peer };
	bool unsure;
	sr_call_take_origin(&call);
	call.slot = sr_slot_find(client, id);
	if (!call.slot)
		return CKR_SLOT_ID_INVALID;
	look(&call, waits, &unsure);
	return unsure ? CKR_DEVICE_REMOVED : CKR_OK;
}

static void take_told(struct sr_client *client, struct sr_slot *slot, struct sr_slot_view *view)
{
	pthread_mutex_lock(&client->lock);
	view->id = slot->id;
	view->had_waited = slot->told;
	slot->told = false;
	pthread_mutex_unlock(&client->lock);
}

size_t sr_client_view(struct sr_client *client, struct sr_slot_view *views)
{
	struct sr_error ignored = SR_ERROR_INIT;
	sr_crypto_errors_begin();
	pthread_mutex_lock(&client->lock);
	bool was_absent = client->met_absence;
	client->met_absence = false;
	pthread_mutex_unlock(&client->lock);
	bool present = sr_crypto_alive() && sr_client_ready(client, &ignored) == CKR_OK;
	for (size_t i = 0; i < client->slot_count; i++) {
		struct sr_call call = {
			.id = SR_ID_C_Login, .client = client, .peer = &client->peer, .slot = &client->slots[i]
		};
		views[i] = (struct sr_slot_view){ .present = present, .was_absent = was_absent };
		take_told(client, call.slot, &views[i]);
		if (present)
			look(&call, &views[i].waits, &views[i].unsure);
	}
	sr_crypto_errors_end();
	return client->slot_count;
}
