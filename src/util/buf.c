/* The growable buffer, and the two primitives that secrets need: wiping and comparing. */
#include "util/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void sr_cleanse(void *p, size_t len)
{
	if (p)
		explicit_bzero(p, len);
}

bool sr_equal(const void *a, const void *b, size_t len)
{
	/* volatile keeps the compiler from leaving the loop at the first difference */
	const volatile uint8_t *left = a;
	const volatile uint8_t *right = b;
	uint8_t differs = 0;
	for (size_t i = 0; i < len; i++)
		differs |= (uint8_t)(left[i] ^ right[i]);
	return differs == 0;
}

/* Never realloc: it may leave the old bytes behind in freed memory. */
static bool move_to(struct sr_buf *buf, size_t cap)
{
	uint8_t *data = malloc(cap);
	if (!data)
		return false;
	if (buf->data) {
		memcpy(data, buf->data, buf->len);
		sr_cleanse(buf->data, buf->cap);
		free(buf->data);
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

uint8_t *sr_buf_reserve(struct sr_buf *buf, size_t len)
{
	if (buf->failed)
		return NULL;
	if (len > SR_BUF_MAX || buf->len > SR_BUF_MAX - len) {
		buf->failed = true;
		return NULL;
	}
	size_t need = buf->len + len + 1; /* one byte is always left for the NUL of sr_buf_string */
	if (need > buf->cap) {
		size_t cap = buf->cap ? buf->cap : FIRST_CAP;
		while (cap < need)
			cap *= 2;
		if (!move_to(buf, cap)) {
			buf->failed = true;
			return NULL;
		}
	}
	return buf->data + buf->len;
}

void sr_buf_append(struct sr_buf *buf, const void *data, size_t len)
{
	uint8_t *to = sr_buf_reserve(buf, len);
	if (!to || len == 0)
		return;
	memcpy(to, data, len);
	buf->len += len;
}

void sr_buf_text(struct sr_buf *buf, const char *text)
{
	sr_buf_append(buf, text, strlen(text));
}

void sr_buf_printf(struct sr_buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		buf->failed = true;
		return;
	}
	uint8_t *to = sr_buf_reserve(buf, (size_t)len);
	if (!to)
		return;
	va_start(args, format);
	vsnprintf((char *)to, (size_t)len + 1, format, args); /* the NUL goes where sr_buf_reserve keeps a spare byte */
	va_end(args);
	buf->len += (size_t)len;
}

const char *sr_buf_string(struct sr_buf *buf)
{
	if (buf->failed || !buf->data)
		return "";
	buf->data[buf->len] = '\0';
	return (const char *)buf->data;
}

void sr_buf_clear(struct sr_buf *buf)
{
	sr_cleanse(buf->data, buf->cap);
	free(buf->data);
	*buf = (struct sr_buf)SR_BUF_INIT;
}
