/* The events of slots that the application has not been told of. */
#ifndef SR_MODULE_EVENT_H
#define SR_MODULE_EVENT_H

#include "config/config.h"
#include "pkcs11/slot_view.h"

/** struct sr_known: what the application knows of its slots, in their order. BEGUN: it was looked at before. HURRY:
 *  something is waited for, so that the next look is due soon. */
struct sr_known_slot {
	bool present;
	bool waits;
};
struct sr_known {
	bool begun;
	bool hurry;
	struct sr_known_slot slots[SR_SLOTS_MAX + 1];
};

/** sr_events_take(known, views, count, slot): whether there is an event; it is taken then, and SLOT is whose it is.
 * Others stay for the next call. */
bool sr_events_take(struct sr_known *known, struct sr_slot_view *views, size_t count, CK_SLOT_ID *slot);

#endif
