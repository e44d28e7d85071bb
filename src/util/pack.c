/* The canonical encoding, written and read. */
#include "util/pack.h"

#include <string.h>

#define ABSENT 0xffffffffu

static void put_be(uint8_t *to, uint64_t number, size_t bytes)
{
	for (size_t i = bytes; i > 0; i--) {
		to[i - 1] = (uint8_t)number;
		number >>= 8;
	}
}

static uint64_t get_be(const uint8_t *from, size_t bytes)
{
	uint64_t number = 0;
	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | from[i];
	return number;
}

static void put_length(struct sr_buf *buf, uint32_t len)
{
	uint8_t head[4];
	put_be(head, len, sizeof head);
	sr_buf_append(buf, head, sizeof head);
}

void sr_pack_bytes(struct sr_buf *buf, const void *data, size_t len)
{
	if (len > SR_BUF_MAX) { /* the length would not fit its 32 bits */
		buf->failed = true;
		return;
	}
	put_length(buf, (uint32_t)len);
	sr_buf_append(buf, data, len);
}

void sr_pack_text(struct sr_buf *buf, const char *text_or_null)
{
	if (text_or_null)
		sr_pack_bytes(buf, text_or_null, strlen(text_or_null));
	else
		put_length(buf, ABSENT);
}

void sr_pack_u64(struct sr_buf *buf, uint64_t number)
{
	uint8_t bytes[8];
	put_be(bytes, number, sizeof bytes);
	sr_pack_bytes(buf, bytes, sizeof bytes);
}

const uint8_t *sr_unpack_bytes(struct sr_unpack *in, size_t *len)
{
	*len = 0;
	if (in->failed || in->left < 4) {
		in->failed = true;
		return NULL;
	}
	uint32_t field = (uint32_t)get_be(in->at, 4);
	size_t after = in->left - 4;
	if (field != ABSENT && field > after) {
		in->failed = true;
		return NULL;
	}
	const uint8_t *data = in->at + 4;
	size_t taken = field == ABSENT ? 0 : field;
	in->at = data + taken;
	in->left = after - taken;
	*len = taken;
	return field == ABSENT ? NULL : data;
}

uint64_t sr_unpack_u64(struct sr_unpack *in)
{
	size_t len;
	const uint8_t *data = sr_unpack_bytes(in, &len);
	if (!data || len != 8) {
		in->failed = true;
		return 0;
	}
	return get_be(data, 8);
}

bool sr_unpack_done(const struct sr_unpack *in)
{
	return !in->failed && in->left == 0;
}
