/* Numbers and byte strings of a message, and the memory of a request. */
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS */
#include "wire/codec.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* -- the arena ---------------------------------------------------------------------------------------------------- */
#define LARGE (128u << 10) /* from here on a mapping of its own, which leaves nothing behind when it goes */

struct sr_block {
	struct sr_block *next;
	size_t size; /* of the whole */
	alignas(max_align_t) uint8_t data[];
};

static struct sr_block *take_block(size_t size)
{
	if (size < LARGE)
		return calloc(1, size);
	void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mapped == MAP_FAILED ? NULL : mapped;
}

/* With all that share: false where that is too much. */
static bool count(struct sr_arena *arena, size_t size)
{
	if (!arena->shared || size < LARGE)
		return true;
	arena->counted += size;
	return atomic_fetch_add(arena->shared, size) + size <= SR_ARENAS_MAX;
}

void *sr_arena_take(struct sr_arena *arena, size_t size)
{
	size_t whole = size + sizeof(struct sr_block);
	if (arena->failed || whole < size || whole > arena->left) {
		arena->failed = true;
		return NULL;
	}
	struct sr_block *block = count(arena, whole) ? take_block(whole) : NULL;
	if (!block) {
		arena->failed = true;
		return NULL;
	}
	block->size = whole;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->left -= whole;
	return block->data;
}

void sr_arena_clear(struct sr_arena *arena)
{
	while (arena->blocks) {
		struct sr_block *block = arena->blocks;
		size_t size = block->size;
		arena->blocks = block->next;
		if (size >= LARGE) {
			munmap(block, size);
			continue;
		}
		sr_cleanse(block, size);
		free(block);
	}
	if (arena->shared)
		atomic_fetch_sub(arena->shared, arena->counted);
	*arena = (struct sr_arena)SR_ARENA_INIT;
}

/* -- numbers ------------------------------------------------------------------------------------------------------ */
static void put_number(struct sr_buf *out, uint64_t number, size_t bytes)
{
	uint8_t at[8];
	for (size_t i = bytes; i > 0; i--) {
		at[i - 1] = (uint8_t)number;
		number >>= 8;
	}
	sr_buf_append(out, at, bytes);
}

static uint64_t get_number(struct sr_in *in, size_t bytes)
{
	const uint8_t *at = sr_get_raw(in, bytes);
	uint64_t number = 0;
	for (size_t i = 0; at && i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

uint8_t *sr_get_raw(struct sr_in *in, size_t len)
{
	if (in->failed || len > in->left) {
		in->failed = true;
		return NULL;
	}
	uint8_t *at = in->at;
	in->at += len;
	in->left -= len;
	return at;
}

uint8_t sr_get_u8(struct sr_in *in)
{
	return (uint8_t)get_number(in, 1);
}

uint16_t sr_get_u16(struct sr_in *in)
{
	return (uint16_t)get_number(in, 2);
}

uint32_t sr_get_u32(struct sr_in *in)
{
	return (uint32_t)get_number(in, 4);
}

uint64_t sr_get_u64(struct sr_in *in)
{
	return get_number(in, 8);
}

void sr_put_u8(struct sr_buf *out, uint8_t number)
{
	put_number(out, number, 1);
}

void sr_put_u16(struct sr_buf *out, uint16_t number)
{
	put_number(out, number, 2);
}

void sr_put_u32(struct sr_buf *out, uint32_t number)
{
	put_number(out, number, 4);
}

void sr_put_u64(struct sr_buf *out, uint64_t number)
{
	put_number(out, number, 8);
}

void sr_put_ulong(struct sr_buf *out, CK_ULONG number)
{
	sr_put_u64(out, number == CK_UNAVAILABLE_INFORMATION ? UINT64_MAX : number);
}

CK_ULONG sr_get_ulong(struct sr_in *in)
{
	uint64_t number = sr_get_u64(in);
	if (number == UINT64_MAX)
		return CK_UNAVAILABLE_INFORMATION;
	if ((CK_ULONG)number != number)
		in->failed = true;
	return in->failed ? 0 : (CK_ULONG)number;
}

/* -- texts -------------------------------------------------------------------------------------------------------- */
void sr_put_text(struct sr_buf *out, const char *text)
{
	size_t len = strlen(text);
	if (len > UINT16_MAX) {
		out->failed = true;
		return;
	}
	sr_put_u16(out, (uint16_t)len);
	sr_buf_append(out, text, len);
}

char *sr_get_text(struct sr_in *in)
{
	size_t len = sr_get_u16(in);
	const uint8_t *at = sr_get_raw(in, len);
	char *text = at ? sr_arena_take(in->arena, len + 1) : NULL;
	if (!text || memchr(at, '\0', len)) {
		in->failed = true;
		return NULL;
	}
	memcpy(text, at, len); /* the arena gives zeros */
	return text;
}

/* -- byte strings ------------------------------------------------------------------------------------------------- */
enum form { FORM_NULL, FORM_BYTES, FORM_WITHHELD };

/* Zeros that nobody writes to and that cost no memory: one page of the kernel's, again and again. Mapped once in a
 * process; it stays, as the process's own memory does. */
static pthread_once_t map_once = PTHREAD_ONCE_INIT;
static void *zeros;

static void map_zeros(void)
{
	void *mapped = mmap(NULL, SR_WITHHELD_LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	zeros = mapped == MAP_FAILED ? NULL : mapped;
}

static uint8_t *withheld(struct sr_in *in)
{
	pthread_once(&map_once, map_zeros);
	if (!zeros)
		in->failed = true;
	return zeros;
}

void sr_put_bytes(struct sr_buf *out, const void *bytes, CK_ULONG len, size_t max)
{
	if (bytes && len <= max) {
		sr_put_u8(out, FORM_BYTES);
		sr_put_u32(out, (uint32_t)len);
		sr_buf_append(out, bytes, len);
		return;
	}
	sr_put_u8(out, bytes ? FORM_WITHHELD : FORM_NULL);
	sr_put_ulong(out, len);
}

uint8_t *sr_get_bytes(struct sr_in *in, CK_ULONG *len, size_t max)
{
	uint8_t form = sr_get_u8(in);
	*len = form == FORM_BYTES ? sr_get_u32(in) : sr_get_ulong(in);
	switch (form) {
	case FORM_NULL:
		return NULL;
	case FORM_BYTES:
		in->failed = in->failed || *len > max;
		return sr_get_raw(in, *len);
	case FORM_WITHHELD:
		in->failed = in->failed || *len <= max;
		*len = *len < SR_WITHHELD_LEN ? *len : SR_WITHHELD_LEN;
		return withheld(in);
	default:
		in->failed = true;
		return NULL;
	}
}
