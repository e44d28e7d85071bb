/* A client context: one application's slots, sessions, login and handles, and one call on its way through them.
 *
 * Locks. client->lock guards every table here and is held for moments only: nothing that waits (a login, a class
 * operation, the opening of the vault) happens under it, so it may be taken anywhere, a class's find callback included.
 * session->lock is held for the whole of a call in that session, but for a login that waits for an approval; it comes
 * before client->lock. client->opening lets one
 * thread at a time try to open the vault. */
#ifndef SR_PKCS11_CLIENT_H
#define SR_PKCS11_CLIENT_H

#include "config/config.h"
#include "pkcs11/calls.h"
#include "pkcs11/handles.h"
#include "pkcs11/operation.h"
#include "pkcs11/own_token.h"
#include "pkcs11/share.h"
#include "pkcs11/slot_view.h"
#include "vault/identity.h"
#include "vault/objects.h"

#include <openssl/evp.h>
#include <pthread.h>

#define SR_SESSIONS_MAX 1024
#define SR_SESSION_OBJECTS_MAX 256
#define SR_SESSION_BYTES_MAX (1u << 20)
#define SR_RESTORED_MAX 65536       /* handles that are brought back: what a client remembers */
#define SR_RESTORED_PUBLIC_MAX 1024 /* where nobody is logged in */
#define SR_CALL_DATA_MAX (16u << 20)
#define SR_PIN_MAX 255
#define SR_PARKED_MAX 4 /* logins that wait for an approval */

/** struct sr_slot: everything but CLIENT and CONFIG is guarded by client->lock.
 *  IDENTITY    who has logged in; NULL: nobody
 *  LOGGING_IN  a thread is inside sr_login for this slot; client->login_done tells when it is back
 *  LAPSED      the login ended by itself: private handles are still in the tables, each to be answered once with
 *              CKR_USER_NOT_LOGGED_IN for LAPSE_REASON
 *  WANTED      there was a login that nobody ended: a slot with a token of its own tries again when that changes
 *  EPOCH       counts the ends of logins; what was begun in another is over. ENDED_BY_LAPSE: how the last ended
 *  STAMP       the token file at the last login that was tried; WAITS: its token waited for an approval; TOLD: so the
 *              application was told, since the last sr_client_view
 *  REVIVED     a login was tried to make room for handles that come back */
struct sr_slot {
	struct sr_client *client;
	const struct sr_slot_config *config; /* NULL: the default slot */
	CK_SLOT_ID id;
	char serial[17];
	size_t sessions;
	size_t rw_sessions;
	struct sr_identity *identity;
	bool logging_in;
	bool lapsed;
	CK_ULONG lapse_reason;
	bool wanted;
	uint64_t epoch;
	bool ended_by_lapse;
	struct sr_stamp stamp;
	bool waits;
	bool revived;
	bool told;
	struct sr_handles handles;
};

/** struct sr_search: the snapshot that C_FindObjectsInit took. */
struct sr_search {
	bool active;
	bool user; /* begun under a login */
	uint64_t epoch;
	CK_OBJECT_HANDLE *found;
	size_t count;
	size_t capacity;
	size_t next;
};

/** struct sr_session: REFS and GONE (it was closed) are guarded by client->lock, HANDLE, SLOT and FLAGS never change,
 * the rest belongs to whoever holds LOCK. DEVICE_ERROR: the reason of the last call here that failed, until the next
 * that fails. */
struct sr_session {
	CK_SESSION_HANDLE handle;
	struct sr_slot *slot;
	CK_FLAGS flags;
	unsigned refs;
	bool gone;
	pthread_mutex_t lock;
	bool closed;
	CK_ULONG device_error;
	struct sr_search search;
	EVP_MD_CTX *digest; /* NULL: no digest active */
	bool digest_parts;  /* C_DigestUpdate was called */
	struct sr_operation operations[SR_OPERATION_KINDS];
	uint64_t begun;       /* operations, so far */
	bool signs_again;     /* the last signature is done, and nothing would hold up another one like it */
	struct sr_nest *nest; /* of the session objects made here; NULL until there is one */
	UT_hash_handle hh;
};

/** struct sr_client: PARKED logins wait for an approval; CUT_OFF tells them that a session was closed, or that the
 *  client is ENDING. SHARE: its peer's; NULL: nobody counts. RESTORED: handles that were brought back and are there
 * still. */
struct sr_client {
	struct sr_config config;
	struct sr_peer peer;
	pthread_mutex_t lock;
	pthread_cond_t login_done;
	pthread_cond_t cut_off;
	unsigned parked;
	bool ending;
	pthread_mutex_t opening;
	struct sr_vault *vault; /* set once, under LOCK; stays until the client closes */
	bool shared;            /* the vault is not the client's to close */
	struct sr_error absent; /* why there is no vault */
	bool met_absence;       /* a call was told so, since the last sr_client_view */
	int64_t next_try_ms;    /* guarded by OPENING */
	bool numbered;          /* slot ids come from the vault's id */
	struct sr_slot slots[SR_SLOTS_MAX + 1];
	size_t slot_count;
	struct sr_session *sessions; /* by handle */
	size_t session_count;
	CK_SESSION_HANDLE next_session;
	CK_OBJECT_HANDLE next_object;
	size_t session_objects;
	size_t session_bytes;
	struct sr_share *share;
	size_t restored;
};

/** sr_client_open, sr_client_interrupt, sr_client_close, sr_client_abandon: as struct sr_backend's (module/backend.h).
 */
CK_RV sr_client_open(const struct sr_config *config, struct sr_client **client, struct sr_error *err);
void sr_client_interrupt(struct sr_client *client);
void sr_client_close(struct sr_client *client);
void sr_client_abandon(struct sr_client *client);

/** sr_client_ready(client, err): the vault is open, or is now; tried at most once a second. Otherwise
 *  CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR or CKR_DEVICE_MEMORY with the vault's own reason. */
CK_RV sr_client_ready(struct sr_client *client, struct sr_error *err);

/** sr_client_view(client, views): as struct sr_backend's. */
size_t sr_client_view(struct sr_client *client, struct sr_slot_view *views);

/** sr_slots_serials(client): serial numbers, once the vault is open; sr_slots_number(client): slot ids, from the serial
 *  where there is one. Under client->lock, or before the client is known. */
void sr_slots_serials(struct sr_client *client);
void sr_slots_number(struct sr_client *client);

/** sr_slot_find(client, id): NULL when there is none. */
struct sr_slot *sr_slot_find(struct sr_client *client, CK_SLOT_ID id);

/** sr_slot_name(slot): what a person calls it. */
const char *sr_slot_name(const struct sr_slot *slot);

/** sr_sessions_close(client, slot): every session of the slot, and so its login; waits for calls inside. */
CK_RV sr_sessions_close(struct sr_client *client, struct sr_slot *slot, const char *function, struct sr_error *err);

#endif
