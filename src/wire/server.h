/* The server's side of a request: read, done, answered. Made from the table of calls; nothing here knows of sockets. */
#ifndef SR_WIRE_SERVER_H
#define SR_WIRE_SERVER_H

#include "pkcs11/host.h"
#include "policy/address.h"
#include "wire/message.h"

#include <stdatomic.h>

/** struct sr_outcomes: what was counted of calls: those that gave CKR_OK, that were REFUSED, that FAILED for a reason
 * of ours (device, memory); and how often a login that WAITED for its approval was told to wait on. */
struct sr_outcomes {
	atomic_ulong ok, refused, failed, waited;
};

/** struct sr_service: what a request is carried out by. The functions but CALLS may be NULL in tests.
 *  from             whose the thread's next call is: the connection's peer, and the token that the call brings
 *  waits, slot_waits as sr_host_*
 *  describe         what a handle stands for
 *  restore_session, restore_object: as sr_host_restore_*
 *  peek, end_search, signs_again: as sr_host_*
 *  last_error       of the thread's last call
 *  outcomes         counted there
 *  memory           of all requests that are being carried out: where their arenas count */
struct sr_service {
	const struct sr_calls *calls;
	void (*from)(const struct sr_peer *peer, const struct sr_offer *offer);
	CK_RV (*waits)(struct sr_client *client, CK_SESSION_HANDLE session, bool *waits);
	CK_RV (*slot_waits)(struct sr_client *client, CK_SLOT_ID slot, bool *waits);
	bool (*describe)(
		struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, struct sr_described *out);
	CK_RV(*restore_session)
	(struct sr_client *client, CK_SESSION_HANDLE session, CK_SLOT_ID slot, CK_FLAGS flags, bool logged_in);
	CK_RV(*restore_object)
	(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle,
		const struct sr_described *described);
	void (*peek)(struct sr_client *client, CK_SESSION_HANDLE session, struct sr_peek *peek);
	void (*end_search)(struct sr_client *client, CK_SESSION_HANDLE session);
	bool (*signs_again)(struct sr_client *client, CK_SESSION_HANDLE session);
	const struct sr_error *(*last_error)(void);
	struct sr_outcomes *outcomes;
	atomic_size_t *memory;
};

/** sr_serve(service, client, peer, request, answer): carries out the calls in REQUEST (a message's body, which it
 *  changes), one after the other until one fails, and writes the answers. False: this is no request; ANSWER is for
 *  nobody then, and the connection is to be closed. What is in REQUEST and ANSWER may be secret: the caller clears
 *  both. Any thread; calls of one session wait for each other. */
bool sr_serve(const struct sr_service *service, struct sr_client *client, const struct sr_peer *peer,
	struct sr_buf *request, struct sr_buf *answer);

#endif
