/* The bounds of the wire (docs/wire.md). Who crosses one is not answered: the connection is closed. */
#ifndef SR_WIRE_LIMITS_H
#define SR_WIRE_LIMITS_H

#define SR_WIRE_VERSION 1u

#define SR_WIRE_FRAME_MAX (1u << 20)                 /* the payload of one frame */
#define SR_WIRE_DATA_MAX (16u << 20)                 /* one byte string of a call: SR_CALL_DATA_MAX */
#define SR_WIRE_BODY_MAX ((16u << 20) + (1u << 20))  /* a request or an answer, all its frames together */
#define SR_WIRE_ROOM_MAX ((16u << 20) + (64u << 10)) /* room for one output: what a cipher adds to its input */
#define SR_WIRE_VALUE_MAX (256u << 10)               /* one attribute's value; pages of an export are the longest */
#define SR_WIRE_PARAMETER_MAX (64u << 10)            /* a byte string within a mechanism's parameter */
#define SR_WIRE_ATTRIBUTES_MAX 128u
#define SR_WIRE_LIST_MAX 1024u  /* slots or mechanisms asked for */
#define SR_WIRE_FOUND_MAX 4096u /* handles in one answer */
#define SR_WIRE_LEASE_MS 50     /* how long what the server has told beforehand may be believed */
#define SR_WIRE_CALLS_MAX 4u    /* calls in one request */
#define SR_WIRE_SLOTS_MAX 33u
#define SR_WIRE_SECRET_LEN 32u
#define SR_OFFER_MAX 256u /* a token string: SR_TOKEN_FILE_MAX */
#define SR_WIRE_ID_MAX 520u

#endif
