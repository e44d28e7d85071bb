/* Audit events and jobs as objects. Private to this folder. */
#ifndef SR_VAULT_EVENT_H
#define SR_VAULT_EVENT_H

#include "vault/objects.h"

extern const struct sr_class sr_event_class;
extern const struct sr_class sr_job_class;

#endif
