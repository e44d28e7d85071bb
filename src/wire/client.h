/* Inside the client's side of the wire: a client context that lives in a server (docs/wire.md).
 *
 * A context has one connection or more; each call takes one for itself, so that threads do not wait for each other.
 * What the application would miss if the server went away is remembered here: its sessions, how each slot was logged
 * in, and what the handles stand for that it has seen. With a new server, or a new context, that is told first.
 *
 * client->lock guards everything but the configuration, and is held for moments; nobody sends or receives under it. */
#ifndef SR_WIRE_CLIENT_H
#define SR_WIRE_CLIENT_H

#include "config/config.h"
#include "pkcs11/calls.h"
#include "pkcs11/host.h"
#include "pkcs11/own_token.h"
#include "pkcs11/slot_view.h"
#include "util/hash.h"
#include "wire/channel.h"
#include "wire/message.h"

#include <pthread.h>

#define SR_LINKS_MAX 64     /* connections of one application */
#define SR_KNOWN_MAX 65536u /* handles that are brought back; more are not remembered */
#define SR_KEPT_PIN_MAX 256u

/** struct sr_link: a connection. GENERATION: of the context that it belongs to. */
struct sr_link {
	struct sr_channel *channel;
	struct sr_assembly assembly;
	uint64_t generation;
	struct sr_link *next;
};

/** struct sr_kept: what a slot was logged in with: memory that is locked, not dumped, and empty in a forked child. LEN
 *  0: nothing. */
struct sr_kept {
	size_t len;
	char pin[SR_KEPT_PIN_MAX];
};

/** struct sr_remote_slot: CONFIG NULL: the default slot. ID: as the server numbers it, SHOWN: as the application knows
 *  it. LOGGED_IN: by a login that nobody ended. OWN: the stamp of the token of a slot that logs itself in, GENERATION
 *  counts its contents; what it is, is KEPT too. */
struct sr_remote_slot {
	const struct sr_slot_config *config;
	CK_SLOT_ID id;
	CK_SLOT_ID shown;
	bool logged_in;
	struct sr_kept *kept;
	struct sr_stamp own;
	uint64_t generation;
	bool told; /* the application, since the last sr_remote_view: its token waits for an approval */
};

/** struct sr_ahead: what the server has told of a search beforehand, good until UNTIL_MS and as long as the application
 *  has changed nothing (CHANGES). NEXT: of the handles, those before it were given out without asking the server, who
 *  does not know. FINISHED: so was C_FindObjectsFinal. */
struct sr_ahead {
	bool told;
	bool finished;
	bool has_length;
	CK_ULONG length;
	size_t count;
	size_t next;
	CK_OBJECT_HANDLE handles[SR_PEEK_MAX];
	int64_t until_ms;
	uint64_t changes;
	uint64_t generation;
};

/** struct sr_signing: LEN bytes at ASKED: mechanism and key of the last C_SignInit that was answered CKR_OK, as they
 *  travel; 0: none, or too long. Until UNTIL_MS the same is answered here, if the application has made no other
 *  KEY_CHANGES. BEGUN: it was, and the server does not know yet. */
#define SR_ASKED_MAX 128
struct sr_signing {
	uint8_t asked[SR_ASKED_MAX];
	size_t len;
	int64_t until_ms;
	uint64_t key_changes;
	uint64_t generation;
	bool begun;
};

struct sr_remote_session {
	CK_SESSION_HANDLE handle;
	size_t slot;
	CK_FLAGS flags;
	struct sr_ahead ahead;
	struct sr_signing signing;
	UT_hash_handle hh;
};

/** struct sr_known: what a handle stands for. */
struct sr_known {
	CK_OBJECT_HANDLE handle;
	size_t slot;
	CK_OBJECT_CLASS object_class;
	bool named;
	UT_hash_handle hh;
	char id[];
};

/** struct sr_client: a client context in a server. GENERATION: of the present context, 0 before the first. LINKS counts
 *  the connections of it, IDLE lists those that nobody uses. REVIVING: a thread is making a new context; CHANGED tells
 *  when that is over, or a connection became free. ABSENT: why there is none. ENDING: C_Finalize waits. */
struct sr_client {
	struct sr_config config;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ending;
	bool reviving;
	uint64_t generation;
	uint8_t secret[SR_WIRE_SECRET_LEN];
	char vault[64];
	unsigned links;
	struct sr_link *idle;
	struct sr_error absent;
	int64_t next_try_ms;
	struct sr_remote_slot slots[SR_SLOTS_MAX + 1];
	size_t slot_count;
	struct sr_kept *kept;
	struct sr_remote_session *sessions;
	CK_SESSION_HANDLE last_session; /* the highest numbers seen */
	CK_OBJECT_HANDLE last_object;
	struct sr_known *known;
	unsigned parked;
	uint64_t changes;     /* calls that may have changed what there is to see */
	uint64_t key_changes; /* those of them that may have changed what a key may do, or a login */
	uint64_t viewed;      /* GENERATION at the last sr_remote_view */
	bool met_absence;     /* since then a call was told that the server is away */
};

/* -- connections: client_link.c ------------------------------------------------------------------------------------ */
/** sr_link_take(client, link, err): a connection of the present context, for one call; a new context, with everything
 *  restored, where the last is lost. CKR_DEVICE_REMOVED and why.
 *  sr_link_give(client, link, good): back; not GOOD: closed. */
CK_RV sr_link_take(struct sr_client *client, struct sr_link **link, struct sr_error *err);
void sr_link_give(struct sr_client *client, struct sr_link *link, bool good);

/** sr_link_exchange(link, request, answer, sent): one message there, one back; ANSWER is filled on true. SENT: whether
 *  a byte may have arrived. */
bool sr_link_exchange(struct sr_link *link, enum sr_message_kind kind, const struct sr_buf *request,
	struct sr_buf *answer, enum sr_message_kind *answer_kind, bool *sent);
void sr_links_close(struct sr_client *client, bool shared);
CK_RV sr_remote_connect(const struct sr_config *config, struct sr_channel **channel, struct sr_error *err);

/* -- one call: client_call.c --------------------------------------------------------------------------------------- */
/** struct sr_exchange: a call on its way. LINK: the connection that it is bound to, for calls within a restoration;
 *  NULL otherwise. ANSWERED: IN stands behind the code, at what the call gave. */
struct sr_exchange {
	struct sr_client *client;
	struct sr_link *link;
	uint16_t number;
	CK_SESSION_HANDLE session;
	struct sr_buf request;
	struct sr_buf answer;
	struct sr_arena arena;
	struct sr_in in;
	bool answered;
	CK_RV rv;
	struct sr_error err;
};

void sr_exchange_begin(
	struct sr_exchange *exchange, struct sr_client *client, uint16_t number, CK_SESSION_HANDLE session);
void sr_exchange_add(struct sr_exchange *exchange, uint16_t number); /* one more call of the session */
/** sr_exchange_begin_slot: a call of the wire itself about a slot, of which it brings the own token. */
void sr_exchange_begin_slot(struct sr_exchange *exchange, struct sr_client *client, uint16_t number, size_t slot);
bool sr_exchange_run(struct sr_exchange *exchange);
CK_RV sr_exchange_end(struct sr_exchange *exchange);
const struct sr_error *sr_remote_last_error(void);
CK_RV sr_remote_fail(const struct sr_error *err); /* as the thread's last error */

/* -- what is remembered: client_memory.c --------------------------------------------------------------------------- */
bool sr_memory_open(struct sr_client *client);
void sr_memory_close(struct sr_client *client);
void sr_memory_forget(struct sr_client *client); /* under the client's lock */
void sr_memory_offer_slot(struct sr_client *client, size_t slot, struct sr_buf *out);
/** sr_memory_slot(client, session, slot): false: no session of this client's. */
bool sr_memory_slot(struct sr_client *client, CK_SESSION_HANDLE session, size_t *slot);
void sr_memory_session(struct sr_client *client, CK_SESSION_HANDLE session, CK_SLOT_ID slot, CK_FLAGS flags);
void sr_memory_session_closed(struct sr_client *client, CK_SESSION_HANDLE session);
void sr_memory_slot_closed(struct sr_client *client, CK_SLOT_ID slot);
/** sr_memory_login(client, session, pin, len): PIN NULL: by the slot's own token, or one that is not to be kept. */
void sr_memory_login(struct sr_client *client, CK_SESSION_HANDLE session, const void *pin, size_t len);
void sr_memory_logout(struct sr_client *client, CK_SESSION_HANDLE session);
void sr_memory_object(
	struct sr_client *client, CK_SESSION_HANDLE session, const struct sr_known *described, const char *id);
/** sr_memory_offer(client, session, out): what of the slot's own token goes with a call. */
void sr_memory_offer(struct sr_client *client, CK_SESSION_HANDLE session, struct sr_buf *out);

/* -- a new context: client_restore.c ------------------------------------------------------------------------------- */
/** sr_restore(client, link): tells the new context that LINK has opened what the application had. False: the connection
 *  broke. */
bool sr_restore(struct sr_client *client, struct sr_link *link);

/* -- searches: client_search.c ---------------------------------------------------------------------------------------
 */
/** What a search will give comes with its beginning, and is given out from here for a moment: a secret is read in two
 *  round trips. Who has been told nothing, or too long ago, asks the server. */
CK_RV sr_remote_find_init(struct sr_client *client, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count);
/** sr_ahead_objects(client, session, objects, max, count), sr_ahead_final(client, session): true when that is the
 *  answer. sr_ahead_length(client, session, object, template, count): likewise for the length of CKA_VALUE. */
bool sr_ahead_objects(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count);
bool sr_ahead_final(struct sr_client *client, CK_SESSION_HANDLE session);
bool sr_ahead_length(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE *template, CK_ULONG count);
/** sr_ahead_catch_up(client, session): the server learns what was given out without it. */
void sr_ahead_catch_up(struct sr_client *client, CK_SESSION_HANDLE session);
/** sr_take_handle(exchange): an object's handle with what it stands for, which is remembered. */
CK_OBJECT_HANDLE sr_take_handle(struct sr_exchange *exchange);

/* -- signatures: client_sign.c ------------------------------------------------------------------------------------- */
/** With a signature the server promises that the same C_SignInit would be answered CKR_OK for a moment. Then it is
 *  answered here and travels with C_Sign or C_SignUpdate: begun and done in one round trip. */
CK_RV sr_remote_sign_init(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
CK_RV sr_remote_sign(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len,
	CK_BYTE *signature, CK_ULONG *signature_len);
CK_RV sr_remote_sign_update(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len);
/** sr_signing_catch_up(client, session): the server learns of an operation that was begun without it: before every
 *  other call that goes on with one. */
void sr_signing_catch_up(struct sr_client *client, CK_SESSION_HANDLE session);

/* -- logins that wait: client_wait.c ------------------------------------------------------------------------------- */
/** sr_remote_wait(client, session, type, rv): as sr_login_wait, after a login by the slot's own token that answered RV.
 */
CK_RV sr_remote_wait(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_RV rv);
bool sr_remote_is_pending(CK_RV rv); /* the thread's last call, a login, answered RV: it may wait */
CK_RV sr_remote_login_again(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type);

/* -- events of slots: client_event.c ------------------------------------------------------------------------------- */
/** sr_remote_view(client, views): as struct sr_backend's. sr_remote_told(client, session, waits): a login was told that
 * the slot's own token waits, or that it does not. */
size_t sr_remote_view(struct sr_client *client, struct sr_slot_view *views);
void sr_remote_told(struct sr_client *client, CK_SESSION_HANDLE session, bool waits);

/* -- slots: client_slot.c ------------------------------------------------------------------------------------------ */
void sr_remote_slots_number(struct sr_client *client, const struct sr_welcome *welcome);
void sr_remote_slots_renew(struct sr_client *client);
CK_SLOT_ID sr_remote_slot_id(struct sr_client *client, CK_SLOT_ID shown);
CK_SLOT_ID sr_remote_slot_shown(struct sr_client *client, CK_SLOT_ID id);

#endif
