/* The messages of the wire: frames, the greeting, requests and answers (docs/wire.md). */
#ifndef SR_WIRE_MESSAGE_H
#define SR_WIRE_MESSAGE_H

#include "pkcs11/calls.h"
#include "util/error.h"
#include "wire/codec.h"

/* -- frames ------------------------------------------------------------------------------------------------------- */
/* A message is one frame, or several of which all but the last say that more follow. A frame is a header of 8 bytes
 * (payload length 32 bits, kind 8, flags 8, zero 16) and the payload. */
enum sr_message_kind {
	SR_MESSAGE_HELLO = 1, /* the client's first */
	SR_MESSAGE_WELCOME,   /* the server's first */
	SR_MESSAGE_REFUSED,   /* instead of it, or of an answer: then the connection is closed */
	SR_MESSAGE_REQUEST,
	SR_MESSAGE_ANSWER,
	SR_MESSAGE_KIND_END
};

#define SR_FRAME_HEADER_LEN 8u
#define SR_FRAME_MORE 1u

/** struct sr_frame: a header. */
struct sr_frame {
	uint32_t len;
	enum sr_message_kind kind;
	bool more;
};

/** sr_frame_read(header, frame): false for a header that no one writes. */
bool sr_frame_read(const uint8_t header[SR_FRAME_HEADER_LEN], struct sr_frame *frame);

/** sr_frames_put(out, kind, body): BODY in frames; fails over SR_WIRE_BODY_MAX. */
void sr_frames_put(struct sr_buf *out, enum sr_message_kind kind, const struct sr_buf *body);

/** struct sr_assembly: a message that arrives in pieces. What is there begins at IN; BODY is what earlier frames of the
 *  message held. */
struct sr_assembly {
	struct sr_buf in;
	struct sr_buf body;
	enum sr_message_kind kind;
	bool begun;
};

/** sr_assembly_take(assembly, max, message, kind): a whole message off the front, as the caller's buffer. 1: there is
 *  one; 0: more bytes are needed; -1: what is there is no message, or one of more than MAX bytes. */
int sr_assembly_take(struct sr_assembly *assembly, size_t max, struct sr_buf *message, enum sr_message_kind *kind);
void sr_assembly_clear(struct sr_assembly *assembly);

/** sr_assembly_wanted(assembly): how many bytes are needed at least before take can answer anything else. */
size_t sr_assembly_wanted(const struct sr_assembly *assembly);

/* -- the greeting ------------------------------------------------------------------------------------------------- */
/** struct sr_hello_slot: one configured slot of the application. OFFERED: it logs itself in. */
struct sr_hello_slot {
	const char *name;
	bool offered;
};

/** struct sr_hello: VERSION_MIN to VERSION_MAX are what the client speaks. SECRET: of the client context to join, NULL
 *  for a new one, which has SLOTS; the default slot is not among them. FIRST_SESSION, FIRST_OBJECT: 0, or numbers below
 *  which the new context gives none, because the application has them of one that was lost. */
struct sr_hello {
	uint32_t version_min;
	uint32_t version_max;
	const uint8_t *secret;
	uint64_t first_session;
	uint64_t first_object;
	size_t slot_count;
	struct sr_hello_slot slots[SR_WIRE_SLOTS_MAX];
};
void sr_hello_put(struct sr_buf *out, const struct sr_hello *hello);
void sr_hello_get(struct sr_in *in, struct sr_hello *hello);

/** struct sr_welcome: SECRET of the context; VAULT: the vault's id; the slot ids, the default slot's last. */
struct sr_welcome {
	uint32_t version;
	uint8_t secret[SR_WIRE_SECRET_LEN];
	const char *vault;
	size_t slot_count;
	CK_SLOT_ID slots[SR_WIRE_SLOTS_MAX];
};
void sr_welcome_put(struct sr_buf *out, const struct sr_welcome *welcome);
void sr_welcome_get(struct sr_in *in, struct sr_welcome *welcome);

/** sr_error_put(out, err), sr_error_get(in, err): code, reason and line of a failure. */
void sr_error_put(struct sr_buf *out, const struct sr_error *err);
void sr_error_get(struct sr_in *in, struct sr_error *err);

/* -- requests ----------------------------------------------------------------------------------------------------- */
/* Numbers of the calls: the rows of the table, and those of the wire itself. */
enum sr_wire_call {
	SR_WIRE_WAITS = 0x100,   /* whether the slot's token waits for its approval */
	SR_WIRE_RESTORE_SESSION, /* a session that the application had in a context that was lost */
	SR_WIRE_RESTORE_OBJECTS, /* and handles of objects of the vault */
	SR_WIRE_PEEK,            /* after C_FindObjectsInit: what the search will give */
	SR_WIRE_END_SEARCH,      /* C_FindObjectsFinal, which the client has answered */
	SR_WIRE_SIGNS_AGAIN,     /* after C_Sign: how long the client may answer the same C_SignInit */
	SR_WIRE_SLOT_WAITS,      /* whether a slot's own token waits, without a session */
	SR_WIRE_CALL_END
};

/** struct sr_call_head: what every call of a request begins with. OFFER_STATE says what of the slot's own token comes
 *  with it. */
enum sr_offer_state { SR_OFFER_NONE, SR_OFFER_TOKEN, SR_OFFER_UNREADABLE };

#endif
