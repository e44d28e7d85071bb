/* The smallest parts of a message: numbers, byte strings, and the memory that what was read lives in (docs/wire.md).
 *
 * Written is into a struct sr_buf, whose FAILED is looked at once at the end. Read is from a struct sr_in, whose FAILED
 * is sticky too: a reader that has failed gives zeros and NULL. Nothing that is read is believed to be an address, a
 * length is compared with what is left before it is used. Numbers are big-endian. */
#ifndef SR_WIRE_CODEC_H
#define SR_WIRE_CODEC_H

#include "pkcs11/cryptoki.h"
#include "util/buf.h"
#include "wire/limits.h"

#include <stdatomic.h>

/** struct sr_arena: the memory of one request: it is cleansed and goes with it. FAILED: there was no memory, or LEFT,
 *  the bytes that may still be taken, was too little, or SHARED, the bytes of all that count there together, too much:
 *  of large pieces alone, SR_ARENAS_MAX at most. NULL: this one counts nowhere. */
struct sr_arena {
	struct sr_block *blocks;
	size_t left;
	bool failed;
	atomic_size_t *shared;
	size_t counted;
};

#define SR_ARENA_MAX (48u << 20)
#define SR_ARENAS_MAX (512u << 20)
#define SR_ARENA_INIT                              \
	{                                          \
		NULL, SR_ARENA_MAX, false, NULL, 0 \
	}

/** sr_arena_take(arena, size): SIZE zeros, aligned for anything; a large piece costs memory only where it is written
 *  to. NULL when it failed. A size of 0 gives an address too. */
void *sr_arena_take(struct sr_arena *arena, size_t size);
void sr_arena_clear(struct sr_arena *arena);

/** struct sr_in: LEFT bytes at AT, which it does not own; they stay where they are and writable as long as what was
 *  read from them is used. ARENA: for what has to be made. */
struct sr_in {
	uint8_t *at;
	size_t left;
	bool failed;
	struct sr_arena *arena;
};

uint8_t sr_get_u8(struct sr_in *in);
uint16_t sr_get_u16(struct sr_in *in);
uint32_t sr_get_u32(struct sr_in *in);
uint64_t sr_get_u64(struct sr_in *in);
uint8_t *sr_get_raw(struct sr_in *in, size_t len); /* LEN bytes where they stand */

void sr_put_u8(struct sr_buf *out, uint8_t number);
void sr_put_u16(struct sr_buf *out, uint16_t number);
void sr_put_u32(struct sr_buf *out, uint32_t number);
void sr_put_u64(struct sr_buf *out, uint64_t number);

/** sr_put_ulong, sr_get_ulong: a CK_ULONG in 64 bits. CK_UNAVAILABLE_INFORMATION is all ones, whatever the width of a
 *  CK_ULONG; a number that has no place in one fails. */
void sr_put_ulong(struct sr_buf *out, CK_ULONG number);
CK_ULONG sr_get_ulong(struct sr_in *in);

/** sr_put_text, sr_get_text: at most 65,535 bytes; what is read is a string of the arena, without a NUL inside. */
void sr_put_text(struct sr_buf *out, const char *text);
char *sr_get_text(struct sr_in *in);

/** sr_put_bytes(out, bytes, len, max), sr_get_bytes(in, len, max): a pointer and a length as they were given, so that
 * the other side judges what this one was told: NULL with a length stays that. Of more than MAX bytes the length alone
 * is told, and read is an address of SR_WITHHELD_LEN zeros and that length, which is over every limit that there is:
 * the call layer refuses by the length. */
#define SR_WITHHELD_LEN (SR_WIRE_ROOM_MAX + 1)
void sr_put_bytes(struct sr_buf *out, const void *bytes, CK_ULONG len, size_t max);
uint8_t *sr_get_bytes(struct sr_in *in, CK_ULONG *len, size_t max);

#endif
