/* Random calls of C_*, beside a model of the state that PKCS#11 v3.1 says there is.
 *
 * The model was written from the standard and knows nothing of the inside: before each call it says which codes may
 * come back, and after it which state there is now. Where the standard leaves a choice it holds all of them; where it
 * says nothing, it follows what the module answered. Where docs/ tells how we differ, the place is named.
 *
 * Each step draws from a generator of its own, seeded by sequence and step: so steps can be left out, and those that
 * stay are much the same. That is how a sequence that deviates is made short before it is shown. */
#ifndef SR_STATE_H
#define SR_STATE_H

#include "tests/battery/battery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SR_STATE_SLOTS 2
#define SR_STATE_SESSIONS 96 /* ever opened in a sequence; OPEN_MAX at once */
#define SR_STATE_OPEN_MAX 6
#define SR_STATE_OBJECTS 160
#define SR_STATE_ALIVE_MAX 40
#define SR_STATE_SECRETS 16
#define SR_STATE_FED 1024
#define SR_STATE_PLAIN 40 /* and padded: */
#define SR_STATE_SEALED 48

enum kind {
	DIGEST,
	ENCRYPT,
	DECRYPT,
	SIGN,
	VERIFY,
	MESSAGE_ENCRYPT,
	MESSAGE_DECRYPT,
	MESSAGE_SIGN,
	MESSAGE_VERIFY,
	FIND,
	KINDS
};

/* EITHER: the standard lets a library choose; the next call tells. */
enum life { IDLE, ACTIVE, EITHER };
enum part { WHOLE, PART, END };
enum room { QUERY, TINY, ROOMY, NOWHERE }; /* NOWHERE: even the length's pointer is NULL */
enum login { NOBODY, READER, WRITER };
enum what { DATA, AES, GENERIC, EC_PRIVATE, EC_PUBLIC };

/** struct op: an operation of a session.
 *  loose    its key is gone, or what was fed is too much to keep: any answer will do, and its effect is followed
 *  again    CKR_BUFFER_TOO_SMALL was answered to a call of PART with IN, which needs NEEDED bytes
 *  pads     CKM_AES_CBC_PAD: what is decrypted is SEALED, from its beginning
 *  fed      what it was given, and GIVEN what came out until now
 *  open     a message in parts is */
struct op {
	enum life life;
	bool loose, parts, waits, open, pads;
	CK_BYTE sealed[SR_STATE_SEALED];
	uint64_t begun;
	struct object *key;
	enum what what;
	CK_BYTE secret[32];
	bool again;
	enum part again_part;
	CK_BYTE again_in[64];
	CK_ULONG again_len, needed;
	size_t fed_len, given_len;
	CK_BYTE fed[SR_STATE_FED], given[SR_STATE_FED];
	bool expected[SR_STATE_OBJECTS], got[SR_STATE_OBJECTS]; /* FIND */
	struct secret *secret_wanted;
};

struct session {
	CK_SESSION_HANDLE handle;
	size_t slot;
	bool open, rw;
	struct op ops[KINDS];
};

/** struct secret: a token object that a sequence has made; handles for it come and go. */
struct secret {
	char path[96];
	char value[32];
	bool exists;
};

struct object {
	CK_OBJECT_HANDLE handle;
	size_t slot;
	struct session *owner; /* NULL: a token object, of SECRET */
	struct secret *of;
	enum what what;
	bool alive, private, modifiable, copyable, destroyable, asks; /* ASKS: CKA_ALWAYS_AUTHENTICATE */
	char label[8];
	CK_BYTE value[32];
	CK_ULONG value_len;
};

extern struct model {
	bool initialized;
	enum login login[SR_STATE_SLOTS];
	CK_SLOT_ID slots[SR_STATE_SLOTS];
	bool dual; /* CKF_DUAL_CRYPTO_OPERATIONS */
	struct session sessions[SR_STATE_SESSIONS];
	size_t session_count;
	struct object objects[SR_STATE_OBJECTS];
	size_t object_count;
	struct secret secrets[SR_STATE_SECRETS];
	size_t secret_count;
	uint64_t begun;
	unsigned run; /* of this process: names of token objects are never used twice */
	bool deviates;
} model;

/* -- chance ------------------------------------------------------------------------------------------------------- */

void sr_state_seed(uint64_t seed, uint64_t sequence, uint64_t step);
uint64_t sr_below(uint64_t limit);
bool sr_chance(unsigned percent);
void sr_random_bytes(void *to, size_t len);

/* -- what may be answered ----------------------------------------------------------------------------------------- */

/** sr_want_nothing(): before each step. sr_want(rv): a code that may come back. sr_want_any(): whatever comes. */
void sr_want_nothing(void);
void sr_want(CK_RV rv);
void sr_want_any(void);
bool sr_wanted(CK_RV rv);

/** sr_answered(rv, format, ...): notes the call; false, and the sequence is over, where RV was not wanted. sr_deviates
 * (format, ...): what came back is not what the model has. sr_must(holds, format, ...): the same unless HOLDS. */
bool sr_answered(CK_RV rv, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sr_deviates(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sr_must(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** sr_story(): what was noted since sr_story_begin(). */
void sr_story_begin(void);
const char *sr_story(void);

/* -- the model ---------------------------------------------------------------------------------------------------- */

/** sr_some_session(handle): mostly one that is open; else NULL, HANDLE is a closed one or none ever, and what then may
 *  come back is wanted already. */
struct session *sr_some_session(CK_SESSION_HANDLE *handle);

/** sr_busy(first, last): how many operations there are of these kinds. sr_busy_session(first, last, kind, handle): the
 * same, mostly one with an operation of a KIND from FIRST to LAST. */
uint64_t sr_busy(enum kind first, enum kind last);
struct session *sr_busy_session(enum kind first, enum kind last, enum kind *kind, CK_SESSION_HANDLE *handle);

/** sr_session_name(handle), sr_object_name(object): for the story. */
const char *sr_session_name(CK_SESSION_HANDLE handle);

/** sr_some_object(): any that there ever was, mostly one alive; NULL: none yet. sr_sees(session, object): whether it is
 * one for SESSION now. sr_handle(object): its handle, or one of nobody's. */
struct object *sr_some_object(void);
struct object *sr_some_key(const struct session *session, enum what what);
bool sr_sees(const struct session *session, const struct object *object);
CK_OBJECT_HANDLE sr_handle(const struct object *object);

/** sr_object_new(session, handle): a place for it; NULL where HANDLE was had before, which deviates. */
struct object *sr_object_new(struct session *session, CK_OBJECT_HANDLE handle);
size_t sr_alive(void);
void sr_object_end(struct object *object);

void sr_logged_out(size_t slot);
void sr_op_end(struct op *op);

/* -- moves: each is one call -------------------------------------------------------------------------------------- */

struct move {
	unsigned weight;
	void (*make)(void);
};
extern const struct move sr_session_moves[], sr_object_moves[], sr_operation_moves[], sr_message_moves[],
	sr_find_moves[];

/** sr_state_begin(): C_Initialize and the slots, outside of the story's steps. */
void sr_state_begin(void);
void sr_initialized(void);

/** The moves that others come after: without them most calls would only be refused. */
void sr_move_initialize(void);
void sr_move_open(void);
void sr_move_login(void);
void sr_move_key(void);
void sr_move_find(void);
void sr_move_init(enum kind first, enum kind last);

/** sr_state_threads(seed, threads, calls): calls by several threads at once, which no model follows; whether all of
 * them answered a code that the standard has. */
bool sr_state_threads(uint64_t seed, unsigned threads, unsigned calls);

#endif
