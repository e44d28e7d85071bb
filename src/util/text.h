/* Text in and out: strict numbers, hex, base32, UTF-8, RFC 3339. No locale, no allocation. */
#ifndef SR_UTIL_TEXT_H
#define SR_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** sr_text_u64(text, len, max, out): decimal digits only, no sign, no blanks, no leading zero but "0" itself,
 *  at most MAX. False leaves OUT alone. */
bool sr_text_u64(const char *text, size_t len, uint64_t max, uint64_t *out);

/** sr_text_utf8(text, len): well-formed UTF-8 (no overlong form, no surrogate, at most U+10FFFF) and no control
 *  character (C0, DEL, C1). */
bool sr_text_utf8(const void *text, size_t len);

/** sr_text_hex(in, len, out): 2*LEN lower-case digits and a NUL into OUT. */
void sr_text_hex(const void *in, size_t len, char *out);

/** sr_text_unhex(text, out, len): exactly 2*LEN hex digits into LEN bytes; false otherwise. */
bool sr_text_unhex(const char *text, void *out, size_t len);

/** sr_text_base32(in, len, out): RFC 4648 alphabet in lower case, no padding, and a NUL: (LEN*8+4)/5+1 bytes. */
void sr_text_base32(const void *in, size_t len, char *out);

/** sr_text_pad(field, size, text): a field of SIZE bytes as PKCS#11 wants it: blanks behind, no NUL; what is too long
 *  is cut. */
void sr_text_pad(void *field, size_t size, const char *text);

#define SR_TIME_TEXT 32
/** sr_text_time(ms, out): milliseconds since 1970 as "2026-11-23T16:39:13.123Z"; before 1970 and after 9999 the
 *  nearest moment that the format can say. */
void sr_text_time(int64_t ms, char out[SR_TIME_TEXT]);

/** sr_text_parse_time(text, out_ms): RFC 3339 with "Z" or an offset, fraction optional, years 1970–9999; strict:
 *  upper-case T and Z, one to nine digits of fraction (cut to milliseconds), no second 60. False leaves OUT_MS alone.
 */
bool sr_text_parse_time(const char *text, int64_t *out_ms);

#endif
