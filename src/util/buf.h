/* The one growable byte buffer. Bounded, and cleansed when it is cleared. */
#ifndef SR_UTIL_BUF_H
#define SR_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct sr_buf: LEN bytes at DATA. FAILED is sticky: an append that found no memory or went over SR_BUF_MAX
 *  sets it, later appends do nothing, and the owner looks once at the end. */
struct sr_buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define SR_BUF_INIT               \
	{                         \
		NULL, 0, 0, false \
	}
#define SR_BUF_MAX (32u << 20)

void sr_buf_append(struct sr_buf *buf, const void *data, size_t len);
void sr_buf_text(struct sr_buf *buf, const char *text); /* without the NUL */
void sr_buf_printf(struct sr_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** sr_buf_reserve(buf, len): room for LEN more bytes; the address to write them to, NULL when it failed.
 *  buf->len stays: the caller adds what it wrote. */
uint8_t *sr_buf_reserve(struct sr_buf *buf, size_t len);

/** sr_buf_string(buf): DATA as a NUL-terminated string (the NUL is not counted in LEN); "" when empty or failed. */
const char *sr_buf_string(struct sr_buf *buf);

/** sr_buf_clear(buf): cleanses every byte that was ever reserved, frees, and leaves SR_BUF_INIT. */
void sr_buf_clear(struct sr_buf *buf);

/** sr_cleanse(p, len): overwrites memory in a way that the compiler keeps. NULL is allowed. */
void sr_cleanse(void *p, size_t len);

/** sr_equal(a, b, len): whether LEN bytes are the same, in time that depends on LEN alone. */
bool sr_equal(const void *a, const void *b, size_t len);

#endif
