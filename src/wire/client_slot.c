/* Slots: the server numbers them; until it has been heard of, the application sees numbers made here. */
#include "wire/client.h"

#include <string.h>

#define SLOT_ID_MASK 0x7fffffffu

/* FNV-1a: any number will do that is the same in each process with this configuration. */
static CK_SLOT_ID number_of(const struct sr_client *client, size_t index)
{
	const char *name = client->slots[index].config ? client->slots[index].config->name : "";
	uint32_t number = 2166136261u;
	for (const char *c = name; *c; c++)
		number = (number ^ (uint8_t)*c) * 16777619u;
	return (number & SLOT_ID_MASK) | 1;
}

static bool is_taken(const struct sr_client *client, size_t before, CK_SLOT_ID id)
{
	for (size_t i = 0; i < before; i++) {
		if (client->slots[i].shown == id)
			return true;
	}
	return false;
}

/* The standard lets slots change when a program asks for their number, and at no other time: WELCOME NULL, or a server
 * that comes later, leaves what is shown. */
void sr_remote_slots_number(struct sr_client *client, const struct sr_welcome *welcome)
{
	for (size_t i = 0; i < client->slot_count; i++) {
		struct sr_remote_slot *slot = &client->slots[i];
		slot->id = welcome ? welcome->slots[i] : number_of(client, i);
		if (slot->shown)
			continue;
		slot->shown = slot->id;
		while (is_taken(client, i, slot->shown))
			slot->shown++;
	}
}

/* The numbers of the server from now on, where the application cannot notice. */
void sr_remote_slots_renew(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	for (size_t i = 0; client->generation && !client->sessions && i < client->slot_count; i++)
		client->slots[i].shown = client->slots[i].id;
	pthread_mutex_unlock(&client->lock);
}

CK_SLOT_ID sr_remote_slot_id(struct sr_client *client, CK_SLOT_ID shown)
{
	CK_SLOT_ID id = CK_UNAVAILABLE_INFORMATION; /* no slot's */
	pthread_mutex_lock(&client->lock);
	for (size_t i = 0; i < client->slot_count; i++) {
		if (client->slots[i].shown == shown)
			id = client->slots[i].id;
	}
	pthread_mutex_unlock(&client->lock);
	return id;
}

CK_SLOT_ID sr_remote_slot_shown(struct sr_client *client, CK_SLOT_ID id)
{
	CK_SLOT_ID shown = id;
	pthread_mutex_lock(&client->lock);
	for (size_t i = 0; i < client->slot_count; i++) {
		if (client->slots[i].id == id)
			shown = client->slots[i].shown;
	}
	pthread_mutex_unlock(&client->lock);
	return shown;
}
