/* What a process that serves others needs of the call layer, beside the calls: many client contexts on one vault, and
 * whose call it is that a thread makes. The daemon's; embedded there is one client, and the process is its own caller.
 */
#ifndef SR_PKCS11_HOST_H
#define SR_PKCS11_HOST_H

#include "config/config.h"
#include "pkcs11/calls.h"
#include "pkcs11/share.h"
#include "policy/address.h"
#include "util/error.h"
#include "vault/vault.h"

/** struct sr_offer: the token of a slot that logs itself in, as the application's side has just read it: LEN bytes at
 *  PIN, which are good for one call. GENERATION: another number for another content. PIN NULL: it could not be read,
 * and TEXT says why. */
struct sr_offer {
	const char *pin;
	size_t len;
	uint64_t generation;
	const char *text;
};

/** struct sr_origin: where a call comes from: the PEER of its connection, by which it is judged, and what it brings. */
struct sr_origin {
	const struct sr_peer *peer;
	const struct sr_offer *offer; /* NULL: none */
};

/** sr_origin_set(origin): of the calls that this thread makes from now on; NULL: the client's own. What it points to
 *  stays until it is set again. */
void sr_origin_set(const struct sr_origin *origin);

/** sr_host_open(config, vault, peer, share, client, err): a client context on a vault that is open, and that outlives
 *  it. CONFIG is copied; of its slots NAME and OFFERED count. PEER: who opened it, for what happens between calls.
 *  SHARE: of all of PEER's contexts; it outlives them. It is closed by sr_client_close. */
CK_RV sr_host_open(const struct sr_config *config, struct sr_vault *vault, const struct sr_peer *peer,
	struct sr_share *share, struct sr_client **client, struct sr_error *err);

/** sr_host_slots(client, ids): the slot ids in the order of the configuration, the default slot last; how many. IDS has
 *  room for SR_SLOTS_MAX + 1. */
size_t sr_host_slots(struct sr_client *client, CK_SLOT_ID *ids);

/** sr_host_sessions(client): how many are open. */
size_t sr_host_sessions(struct sr_client *client);

/** sr_host_waits(client, session, waits): whether the token that the call brings waits for its approval. Leaves no
 *  event. CKR_SESSION_HANDLE_INVALID. */
CK_RV sr_host_waits(struct sr_client *client, CK_SESSION_HANDLE session, bool *waits);

/** sr_host_slot_waits(client, slot, waits): likewise for a slot, with or without a session. CKR_SLOT_ID_INVALID;
 *  CKR_DEVICE_REMOVED where that cannot be seen now. */
CK_RV sr_host_slot_waits(struct sr_client *client, CK_SLOT_ID slot, bool *waits);

/** struct sr_peek: what a search that has just begun will give: COUNT handles, where they are few and
 *  so WHOLE. HAS_LENGTH: it is one object whose CKA_VALUE this login may have, of LENGTH bytes. */
#define SR_PEEK_MAX 8
struct sr_peek {
	size_t count;
	CK_OBJECT_HANDLE handles[SR_PEEK_MAX];
	bool whole;
	bool has_length;
	CK_ULONG length;
};

/** sr_host_peek(client, session, peek): what C_FindObjects and a question for the length would answer now; the search
 *  stays where it is, nothing is counted, released or recorded. COUNT 0 and not WHOLE where no search is active.
 *  sr_host_end_search(client, session): as C_FindObjectsFinal, where there is one. */
void sr_host_peek(struct sr_client *client, CK_SESSION_HANDLE session, struct sr_peek *peek);
void sr_host_end_search(struct sr_client *client, CK_SESSION_HANDLE session);

/** sr_host_signs_again(client, session): whether the C_SignInit whose signature has just been given would be answered
 *  CKR_OK now, if nothing changes: no use of it is counted, or asked for. A promise of courtesy: C_Sign judges. */
bool sr_host_signs_again(struct sr_client *client, CK_SESSION_HANDLE session);

/* What an application had in a client context that was lost, told to its new one; numbers stay what they were. The
 * caller has been believed so far that these were its own: nothing here gives a right, a handle is judged whenever it
 * is used. */

/** sr_host_begin_numbers(client, sessions, objects): handles from now on are above these. False: they are out of
 *  reach. */
bool sr_host_begin_numbers(struct sr_client *client, CK_SESSION_HANDLE sessions, CK_OBJECT_HANDLE objects);

/** sr_host_restore_session(client, session, slot, flags, logged_in): LOGGED_IN: a login ended without the application's
 * doing, so that the slot has lapsed. CKR_SESSION_COUNT, CKR_SLOT_ID_INVALID, CKR_SESSION_HANDLE_INVALID for a number
 * that is in use or was never given, CKR_HOST_MEMORY. */
CK_RV sr_host_restore_session(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_SLOT_ID slot, CK_FLAGS flags, bool logged_in);

/** struct sr_described: what an object's handle stands for. ID "": an object of the session, which nothing brings
 *  back. */
#define SR_DESCRIBED_ID_MAX 520
struct sr_described {
	CK_OBJECT_CLASS object_class;
	bool named;
	char id[SR_DESCRIBED_ID_MAX];
};

/** sr_host_describe(client, session, handle, described): false where there is nothing to say of it.
 *  sr_host_restore_object(client, session, handle, described): the handle stands for that again, in SESSION's slot.
 *  CKR_DEVICE_MEMORY where the context has as many as it may: SR_RESTORED_MAX with a login, which a slot that logs
 * itself in then tries once, else SR_RESTORED_PUBLIC_MAX; or where its peer has. */
bool sr_host_describe(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, struct sr_described *described);
CK_RV sr_host_restore_object(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle,
	const struct sr_described *described);

#endif
