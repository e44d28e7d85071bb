/* The PROXY protocol: every cut, every family, every length that matters. */
#include "tests/unit/suites.h"

#include "daemon/proxy.h"

#include <string.h>

#define FIXED 16
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { LOCAL = 0x20, PROXY = 0x21, TCP4 = 0x11, UDP4 = 0x12, TCP6 = 0x21, UDP6 = 0x22, UNIX = 0x31 };

static uint8_t header[FIXED + 0xffff];
static size_t used;
static struct sr_address address;
static bool has_address;

/* The body counts up from 1, so that no address is like another. */
static size_t make(uint8_t command, uint8_t family, size_t body)
{
	memcpy(header, "\r\n\r\n\0\r\nQUIT\n", 12);
	header[12] = command;
	header[13] = family;
	header[14] = (uint8_t)(body >> 8);
	header[15] = (uint8_t)body;
	for (size_t i = 0; i < body; i++)
		header[FIXED + i] = (uint8_t)(i + 1);
	return FIXED + body;
}

static int parse(size_t len)
{
	used = 99999;
	has_address = false;
	memset(&address, 0xee, sizeof address);
	return sr_proxy_parse(header, len, &used, &address, &has_address);
}

static void assert_source(const char *text)
{
	struct sr_address wanted;
	ck_assert(sr_address_parse(text, strlen(text), &wanted));
	ck_assert(has_address);
	ck_assert_mem_eq(address.bytes, wanted.bytes, 16);
}

START_TEST(every_cut_wants_more)
{
	static const struct {
		uint8_t command, family;
		size_t body;
	} rows[] = {
		{ PROXY, TCP4, 12 },
		{ PROXY, TCP6, 36 },
		{ PROXY, TCP4, 520 },
		{ LOCAL, 0, 0 },
		{ LOCAL, UNIX, 216 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = make(rows[i].command, rows[i].family, rows[i].body);
		for (size_t cut = 0; cut < len; cut++)
			ck_assert_msg(parse(cut) == 0, "row %zu cut at %zu", i, cut);
		for (size_t more = 0; more < 3; more++) {
			ck_assert_int_eq(parse(len + more), 1);
			ck_assert_uint_eq(used, len);
		}
	}
}
END_TEST

START_TEST(the_source_is_the_client)
{
	ck_assert_int_eq(parse(make(PROXY, TCP4, 12)), 1);
	assert_source("1.2.3.4");
	ck_assert_int_eq(parse(make(PROXY, TCP6, 36)), 1);
	assert_source("102:304:506:708:90a:b0c:d0e:f10");
	ck_assert_int_eq(parse(make(PROXY, TCP6, 100)), 1); /* with TLVs */
	assert_source("102:304:506:708:90a:b0c:d0e:f10");
	make(PROXY, TCP6, 36);
	memcpy(header + FIXED, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	ck_assert_int_eq(parse(FIXED + 36), 1);
	assert_source("10.0.0.1");
}
END_TEST

START_TEST(local_is_the_balancer_itself)
{
	static const uint8_t families[] = { 0, TCP4, TCP6, UDP4, UNIX, 0xff };
	for (size_t i = 0; i < COUNT(families); i++) {
		ck_assert_int_eq(parse(make(LOCAL, families[i], 0)), 1);
		ck_assert(!has_address);
		ck_assert_int_eq(parse(make(LOCAL, families[i], 36)), 1);
		ck_assert(!has_address);
	}
}
END_TEST

START_TEST(other_families_and_commands)
{
	for (int family = 0; family < 256; family++) {
		make(PROXY, (uint8_t)family, 216);
		int wanted = family == TCP4 || family == TCP6 ? 1 : -1;
		ck_assert_msg(parse(FIXED + 216) == wanted, "family %02x", (unsigned)family);
		ck_assert_msg(parse(14) == (wanted == 1 ? 0 : -1), "family %02x, cut", (unsigned)family);
	}
	for (int command = 0; command < 256; command++) {
		make((uint8_t)command, TCP4, 12);
		int wanted = command == LOCAL || command == PROXY ? 1 : -1;
		ck_assert_msg(parse(FIXED + 12) == wanted, "command %02x", (unsigned)command);
		ck_assert_msg(parse(13) == (wanted == 1 ? 0 : -1), "command %02x, cut", (unsigned)command);
	}
}
END_TEST

START_TEST(lengths)
{
	static const struct {
		uint8_t command, family;
		size_t body;
		int wanted;
	} rows[] = {
		{ PROXY, TCP4, 0, -1 },
		{ PROXY, TCP4, 1, -1 },
		{ PROXY, TCP4, 11, -1 },
		{ PROXY, TCP4, 13, 1 },
		{ PROXY, TCP6, 0, -1 },
		{ PROXY, TCP6, 12, -1 },
		{ PROXY, TCP6, 35, -1 },
		{ PROXY, TCP4, SR_PROXY_MAX - FIXED, 1 },
		{ PROXY, TCP4, SR_PROXY_MAX - FIXED + 1, -1 },
		{ PROXY, TCP4, 0xffff, -1 },
		{ LOCAL, 0, 1, 1 },
		{ LOCAL, 0, SR_PROXY_MAX - FIXED, 1 },
		{ LOCAL, 0, SR_PROXY_MAX - FIXED + 1, -1 },
		{ LOCAL, 0, 0xffff, -1 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = make(rows[i].command, rows[i].family, rows[i].body);
		ck_assert_msg(parse(len) == rows[i].wanted, "row %zu", i);
		ck_assert_msg(parse(FIXED) == (rows[i].wanted == 1 ? 0 : -1), "row %zu, fixed part alone", i);
	}
}
END_TEST

/* At the first byte that differs. */
START_TEST(what_is_no_header)
{
	for (size_t i = 0; i < 12; i++) {
		make(PROXY, TCP4, 12);
		header[i] ^= 1;
		ck_assert_int_eq(parse(i), 0);
		ck_assert_int_eq(parse(i + 1), -1);
		ck_assert_int_eq(parse(FIXED + 12), -1);
	}
	const char *old = "PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\r\n";
	memcpy(header, old, strlen(old));
	ck_assert_int_eq(parse(strlen(old)), -1);
	ck_assert_int_eq(parse(1), -1);
}
END_TEST

Suite *sr_suite_proxy(void)
{
	Suite *suite = suite_create("proxy");
	TCase *tcase = tcase_create("proxy");
	tcase_add_test(tcase, every_cut_wants_more);
	tcase_add_test(tcase, the_source_is_the_client);
	tcase_add_test(tcase, local_is_the_balancer_itself);
	tcase_add_test(tcase, other_families_and_commands);
	tcase_add_test(tcase, lengths);
	tcase_add_test(tcase, what_is_no_header);
	suite_add_tcase(suite, tcase);
	return suite;
}
