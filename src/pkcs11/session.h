/* Sessions: found, held, given back. */
#ifndef SR_PKCS11_SESSION_H
#define SR_PKCS11_SESSION_H

#include "pkcs11/client.h"

/** sr_session_enter(client, handle): the session, locked and referenced, or NULL; sr_session_leave gives both back. */
struct sr_session *sr_session_enter(struct sr_client *client, CK_SESSION_HANDLE handle);
void sr_session_leave(struct sr_client *client, struct sr_session *session);

/** sr_search_end(session), sr_digest_end(session): ends the operation if there is one. The session is locked. */
void sr_search_end(struct sr_session *session);
void sr_digest_end(struct sr_session *session);

/** sr_session_restore(client, slot, handle, flags, err): host.h's restored session. */
CK_RV sr_session_restore(
	struct sr_client *client, struct sr_slot *slot, CK_SESSION_HANDLE handle, CK_FLAGS flags, struct sr_error *err);

#endif
