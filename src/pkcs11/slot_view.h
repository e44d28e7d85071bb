/* What C_WaitForSlotEvent compares: a slot as it is now, and what the application has been told of it. */
#ifndef SR_PKCS11_SLOT_VIEW_H
#define SR_PKCS11_SLOT_VIEW_H

#include "pkcs11/cryptoki.h"

#include <stdbool.h>
#include <stddef.h>

/** struct sr_slot_view: PRESENT: its token is there. WAITS: the slot's own token waits for its approval; UNSURE: that
 * could not be seen. WAS_ABSENT, HAD_WAITED: a call since the last view has met no token, or one that waits. */
struct sr_slot_view {
	CK_SLOT_ID id;
	bool present;
	bool waits;
	bool unsure;
	bool was_absent;
	bool had_waited;
};

#endif
