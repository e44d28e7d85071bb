/* C_WaitForSlotEvent (PKCS#11 v3.1, 5.5.4): an event is that a slot's token is gone, or there again, or that the
 * approval is decided that the slot's own token waited for. Slots themselves come from the configuration, and stay. */
#include "module/event.h"

/* What the application has met itself counts as seen: otherwise what it waits for might be over before it waits. */
static void learn(struct sr_known_slot *known, struct sr_slot_view *now, bool begun)
{
	if (!begun)
		*known = (struct sr_known_slot){ .present = now->present };
	if (now->was_absent)
		known->present = false;
	known->waits = known->waits || now->had_waited;
	if (now->unsure || !now->present)
		now->waits = known->waits;
	known->waits = known->waits || now->waits;
}

bool sr_events_take(struct sr_known *known, struct sr_slot_view *views, size_t count, CK_SLOT_ID *slot)
{
	bool found = false;
	known->hurry = false;
	for (size_t i = 0; i < count; i++) {
		struct sr_known_slot *one = &known->slots[i];
		learn(one, &views[i], known->begun);
		known->hurry = known->hurry || views[i].waits || !views[i].present;
		bool event = one->present != views[i].present || (one->waits && !views[i].waits);
		if (!event || found)
			continue;
		found = true;
		*one = (struct sr_known_slot){ views[i].present, views[i].waits };
		*slot = views[i].id;
	}
	known->begun = true;
	return found;
}
