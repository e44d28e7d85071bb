/* Strict text. Every character class is spelled out here, because <ctype.h> and strtoul follow the host's locale. */
#include "util/text.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define FIRST_YEAR 1970
#define LAST_YEAR 9999
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* -- numbers -------------------------------------------------------------------------------------------------- */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool sr_text_u64(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	if (len == 0 || (len > 1 && text[0] == '0'))
		return false;
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
			__builtin_add_overflow(number, digit, &number))
			return false;
	}
	if (number > max)
		return false;
	*out = number;
	return true;
}

/* -- UTF-8 ---------------------------------------------------------------------------------------------------- */
/* The well-formed sequences by their first byte (Unicode, table 3-7): the second byte's range rules out overlong
 * forms, surrogates, everything over U+10FFFF and, in the row of C2, the C1 controls. Later bytes are 80..BF. */
static const struct sequence {
	uint8_t first, last;
	uint8_t low, high; /* of the second byte */
	uint8_t more;      /* bytes after the first */
} sequences[] = {
	{ 0x20, 0x7e, 0x00, 0x00, 0 },
	{ 0xc2, 0xc2, 0xa0, 0xbf, 1 },
	{ 0xc3, 0xdf, 0x80, 0xbf, 1 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 2 },
	{ 0xe1, 0xec, 0x80, 0xbf, 2 },
	{ 0xed, 0xed, 0x80, 0x9f, 2 },
	{ 0xee, 0xef, 0x80, 0xbf, 2 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 3 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 3 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 3 },
};

/* How many bytes the sequence at AT takes; 0 when it is not well-formed. */
static size_t sequence_length(const uint8_t *at, size_t left)
{
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
		const struct sequence *s = &sequences[i];
		if (at[0] < s->first || at[0] > s->last)
			continue;
		if (s->more >= left)
			return 0;
		if (s->more > 0 && (at[1] < s->low || at[1] > s->high))
			return 0;
		for (size_t j = 2; j <= s->more; j++) {
			if (at[j] < 0x80 || at[j] > 0xbf)
				return 0;
		}
		return 1 + (size_t)s->more;
	}
	return 0;
}

bool sr_text_utf8(const void *text, size_t len)
{
	const uint8_t *at = text;
	while (len > 0) {
		size_t taken = sequence_length(at, len);
		if (taken == 0)
			return false;
		at += taken;
		len -= taken;
	}
	return true;
}

void sr_text_pad(void *field, size_t size, const char *text)
{
	size_t len = strlen(text);
	memset(field, ' ', size);
	memcpy(field, text, len < size ? len : size);
}

/* -- hex and base32 ------------------------------------------------------------------------------------------- */
void sr_text_hex(const void *in, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = in;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool sr_text_unhex(const char *text, void *out, size_t len)
{
	uint8_t *bytes = out;
	if (strlen(text) / 2 != len || strlen(text) % 2 != 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void sr_text_base32(const void *in, size_t len, char *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	const uint8_t *bytes = in;
	uint32_t pending = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < len; i++) {
		pending = pending << 8 | bytes[i];
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			*out++ = letters[pending >> bits & 31];
		}
		pending &= (1u << bits) - 1;
	}
	if (bits > 0)
		*out++ = letters[pending << (5 - bits) & 31];
	*out = '\0';
}

/* -- times ---------------------------------------------------------------------------------------------------- */
static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first day of YEAR. */
static int64_t days_before_year(int year)
{
	int past = year - 1;
	int leaps = past / 4 - past / 100 + past / 400;
	const int leaps_before_1970 = 477;
	return (int64_t)(year - FIRST_YEAR) * 365 + leaps - leaps_before_1970;
}

/* NUMBER as COUNT decimal digits, and the character behind them. */
static char *put_digits(char *to, int64_t number, int count, char then)
{
	for (int i = count; i > 0; i--) {
		to[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
	to[count] = then;
	return to + count + 1;
}

void sr_text_time(int64_t ms, char out[SR_TIME_TEXT])
{
	if (ms < 0)
		ms = 0;
	if (ms > LAST_MS)
		ms = LAST_MS;
	int64_t days = ms / DAY_MS;
	int64_t rest = ms % DAY_MS;
	int year = FIRST_YEAR + (int)(days / 366); /* never too late; the loop adds the few years that are missing */
	while (days >= days_before_year(year + 1))
		year++;
	days -= days_before_year(year);
	int month = 1;
	while (days >= days_in_month(year, month))
		days -= days_in_month(year, month++);
	char *to = put_digits(out, year, 4, '-');
	to = put_digits(to, month, 2, '-');
	to = put_digits(to, days + 1, 2, 'T');
	to = put_digits(to, rest / 3600000, 2, ':');
	to = put_digits(to, rest / 60000 % 60, 2, ':');
	to = put_digits(to, rest / 1000 % 60, 2, '.');
	to = put_digits(to, rest % 1000, 3, 'Z');
	*to = '\0';
}

/* Exactly COUNT digits at *AT, a number from LOW to HIGH. */
static bool take_digits(const char **at, int count, int low, int high, int *out)
{
	int number = 0;
	for (int i = 0; i < count; i++) {
		if (!is_digit((*at)[i])) /* the NUL stops here as well */
			return false;
		number = number * 10 + ((*at)[i] - '0');
	}
	if (number < low || number > high)
		return false;
	*at += count;
	*out = number;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, int64_t *ms)
{
	int year, month, day;
	if (!take_digits(at, 4, FIRST_YEAR, LAST_YEAR, &year) || !take_char(at, '-') ||
		!take_digits(at, 2, 1, 12, &month) || !take_char(at, '-') ||
		!take_digits(at, 2, 1, days_in_month(year, month), &day))
		return false;
	int64_t days = days_before_year(year) + day - 1;
	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	*ms = days * DAY_MS;
	return true;
}

/* A second 60 is refused: the clocks that this is compared with have none. */
static bool take_clock(const char **at, int64_t *ms)
{
	int hour, minute, second;
	if (!take_digits(at, 2, 0, 23, &hour) || !take_char(at, ':') || !take_digits(at, 2, 0, 59, &minute) ||
		!take_char(at, ':') || !take_digits(at, 2, 0, 59, &second))
		return false;
	*ms += ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
	return true;
}

/* One to nine digits; what is finer than a millisecond is cut off. */
static bool take_fraction(const char **at, int64_t *ms)
{
	int count = 0;
	int thousandths = 0;
	while (is_digit((*at)[count])) {
		if (count < 3)
			thousandths = thousandths * 10 + ((*at)[count] - '0');
		count++;
	}
	if (count < 1 || count > 9)
		return false;
	for (int i = count; i < 3; i++)
		thousandths *= 10;
	*at += count;
	*ms += thousandths;
	return true;
}

static bool take_zone(const char **at, int64_t *ms)
{
	if (take_char(at, 'Z'))
		return true;
	int sign = **at == '-' ? 1 : -1; /* UTC is the local time less its offset */
	if (!take_char(at, '+') && !take_char(at, '-'))
		return false;
	int hours, minutes;
	if (!take_digits(at, 2, 0, 23, &hours) || !take_char(at, ':') || !take_digits(at, 2, 0, 59, &minutes))
		return false;
	*ms += sign * (hours * 60 + minutes) * INT64_C(60000);
	return true;
}

bool sr_text_parse_time(const char *text, int64_t *out_ms)
{
	int64_t ms;
	if (!take_date(&text, &ms) || !take_char(&text, 'T') || !take_clock(&text, &ms))
		return false;
	if (take_char(&text, '.') && !take_fraction(&text, &ms))
		return false;
	if (!take_zone(&text, &ms) || *text != '\0' || ms < 0 || ms > LAST_MS)
		return false;
	*out_ms = ms;
	return true;
}
