/* The records of an HSM that was away. While it is, nothing can be written: a record is under the HSM's MAC. So both
 * are written by the first act after its return, with the times that they are about. */
#include "vault/absence.h"

#include "util/text.h"

#include <stdio.h>

static CK_RV record(
	struct sr_vault *vault, enum sr_event_kind kind, const char *word, int64_t when_ms, struct sr_error *err)
{
	const struct sr_peer nobody = { .kind = SR_PEER_EMBEDDED };
	const struct sr_caller caller = { vault, &nobody, "", NULL };
	char when[SR_TIME_TEXT];
	struct sr_act act;
	sr_act_begin(&act, &caller, kind, NULL);
	snprintf(act.event.actor_type, sizeof(act.event.actor_type), "system");
	act.event.peer[0] = '\0';
	sr_text_time(when_ms, when);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"%s\":\"%s\"}", word, when);
	return sr_act_commit(&act, err);
}

/* What cannot be written is owed to the next act. */
void sr_absence_record(struct sr_vault *vault)
{
	struct sr_hsm_absence absence;
	struct sr_error ignored = SR_ERROR_INIT;
	if (!sr_hsm_absence(vault->hsm, &absence))
		return;
	CK_RV rv = record(vault, SR_EVENT_HSM_LOST, "since", absence.from_ms, &ignored);
	if (rv == CKR_OK)
		rv = record(vault, SR_EVENT_HSM_OPENED, "back", absence.to_ms, &ignored);
	if (rv != CKR_OK)
		sr_hsm_absence_untold(vault->hsm, &absence);
}
