/* The words of pkcs11/signature.h on the wire that are not attributes or mechanisms: rooms for what is asked for, and
 * what comes back (docs/wire.md). The question is put by the client and got by the server, the answer the other way
 * round. What the client gets is written into the application's memory: never beyond the room that it said. */
#ifndef SR_WIRE_ARGUMENT_H
#define SR_WIRE_ARGUMENT_H

#include "wire/codec.h"

/** struct sr_room: where the server's call writes. COUNTED: the application gave an address for the length; AT: NULL
 *  where it gave none for the bytes. UNIT: bytes of one item. ASKED items had room, LEN is what the call sees and
 *  leaves; FIRST what it saw. */
struct sr_room {
	bool counted;
	void *at;
	CK_ULONG unit;
	CK_ULONG asked;
	CK_ULONG first;
	CK_ULONG len;
};

/** sr_put_room(out, at, len), sr_get_room(in, unit, max, room): a buffer (perhaps NULL) and the address of its length
 *  (perhaps NULL), in items; at most MAX of them get room. */
void sr_put_room(struct sr_buf *out, const void *at, const CK_ULONG *len);
void sr_get_room(struct sr_in *in, CK_ULONG unit, CK_ULONG max, struct sr_room *room);

/* The answers below come with the code of the call, RV. With CKR_OK everything is there that there is a place for: an
 * application that was told so uses it. Reading fails where it is missing. */

/** sr_put_output(out, room, rv), sr_get_output(in, at, len, rv): bytes by the convention of 5.2.
 *  sr_put_list(out, room, rv), sr_get_list(in, at, count, rv): the same of CK_ULONGs. */
void sr_put_output(struct sr_buf *out, const struct sr_room *room, CK_RV rv);
void sr_get_output(struct sr_in *in, uint8_t *at, CK_ULONG *len, CK_RV rv);
void sr_put_list(struct sr_buf *out, const struct sr_room *room, CK_RV rv);
void sr_get_list(struct sr_in *in, CK_ULONG *at, CK_ULONG *count, CK_RV rv);

/** sr_put_fill(out, at, len), sr_get_fill(in, room): a buffer that is to be filled; answered by sr_put_filled, which
 *  sends it whole, and sr_get_filled. */
void sr_put_fill(struct sr_buf *out, const void *at, CK_ULONG len);
void sr_get_fill(struct sr_in *in, struct sr_room *room);
void sr_put_filled(struct sr_buf *out, const struct sr_room *room, CK_RV rv);
void sr_get_filled(struct sr_in *in, uint8_t *at, CK_ULONG len, CK_RV rv);

/** sr_put_place(out, at), sr_get_place(in): whether there is an address for a result.
 *  sr_put_result(out, value, rv), sr_get_result(in, value, rv): VALUE may be NULL. */
void sr_put_place(struct sr_buf *out, const void *at);
bool sr_get_place(struct sr_in *in);
void sr_put_result(struct sr_buf *out, const CK_ULONG *value, CK_RV rv);
void sr_get_result(struct sr_in *in, CK_ULONG *value, CK_RV rv);

/** sr_put_label(out, label), sr_get_label(in): 32 bytes, or NULL. */
void sr_put_label(struct sr_buf *out, const uint8_t *label);
uint8_t *sr_get_label(struct sr_in *in);

/* The four structures. INFO may be NULL; what comes back is there where RV is CKR_OK. */
void sr_put_slot_info(struct sr_buf *out, const CK_SLOT_INFO *info, CK_RV rv);
void sr_get_slot_info(struct sr_in *in, CK_SLOT_INFO *info, CK_RV rv);
void sr_put_token_info(struct sr_buf *out, const CK_TOKEN_INFO *info, CK_RV rv);
void sr_get_token_info(struct sr_in *in, CK_TOKEN_INFO *info, CK_RV rv);
void sr_put_session_info(struct sr_buf *out, const CK_SESSION_INFO *info, CK_RV rv);
void sr_get_session_info(struct sr_in *in, CK_SESSION_INFO *info, CK_RV rv);
void sr_put_mechanism_info(struct sr_buf *out, const CK_MECHANISM_INFO *info, CK_RV rv);
void sr_get_mechanism_info(struct sr_in *in, CK_MECHANISM_INFO *info, CK_RV rv);

#endif
