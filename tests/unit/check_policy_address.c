/* Addresses, ranges, and the lists that bind a token to its peers. */
#include "suites.h"

#include "policy/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERT_A "cert:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CERT_B "cert:10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct sr_address address_of(const char *text)
{
	struct sr_address address;

	ck_assert_msg(sr_address_parse(text, strlen(text), &address), "%s", text);
	return address;
}

static struct sr_cidr cidr_of(const char *text)
{
	struct sr_cidr cidr;
	const char *why = NULL;

	ck_assert_msg(sr_cidr_parse(text, strlen(text), &cidr, &why), "%s: %s", text, why);
	return cidr;
}

static struct sr_allowed allowed_of(const char *text)
{
	struct sr_allowed list;
	const char *why = NULL;

	ck_assert_msg(sr_allowed_parse(text, strlen(text), &list, &why), "%s: %s", text, why);
	return list;
}

/* -- addresses and ranges -------------------------------------------------------------------------------------- */
static const char *const bad_addresses[] = {
	"",
	"1.2.3",
	"1.2.3.4.5",
	"01.2.3.4",
	"1.2.3.04",
	"1.2.3.00",
	"1.2.3.256",
	"1.2.3.-4",
	" 1.2.3.4",
	"1.2.3.4 ",
	"1.2.3.4/32",
	"0x1.2.3.4",
	"16909060",
	"1..2.3",
	"::ffff:01.2.3.4",
	"::ffff:1.2.3",
	"fe80::1%eth0",
	"fe80::1%1",
	"[::1]",
	":::",
	"1::2::3",
	"12345::",
	"00001::",
	"g::",
	":",
	"1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:8:9",
	"localhost",
	"::ffff:1.2.3.4.5",
	"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
};

START_TEST(address_refused)
{
	struct sr_address address;

	ck_assert(!sr_address_parse(bad_addresses[_i], strlen(bad_addresses[_i]), &address));
}
END_TEST

START_TEST(two_writings_one_address)
{
	struct sr_address quad = address_of("1.2.3.4"), mapped = address_of("::ffff:1.2.3.4");
	struct sr_address hex = address_of("0:0:0:0:0:FFFF:0102:0304"), other = address_of("::1.2.3.4");

	ck_assert_mem_eq(&quad, &mapped, sizeof quad);
	ck_assert_mem_eq(&quad, &hex, sizeof quad);
	ck_assert_mem_ne(&quad, &other, sizeof quad);
}
END_TEST

START_TEST(whose_address)
{
	static const struct {
		const char *text;
		size_t site;
	} rows[] = { { "10.0.1.50", 16 }, { "::ffff:10.0.1.50", 16 }, { "2001:db8::1", 8 }, { "::1", 8 },
		{ "::10.0.1.50", 8 } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sr_address address;
		ck_assert(sr_address_parse(rows[i].text, strlen(rows[i].text), &address));
		ck_assert_msg(sr_address_site(&address) == rows[i].site, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(address_holds_no_nul)
{
	struct sr_address address;

	ck_assert(!sr_address_parse("1.2.3.4\0", 8, &address));
	ck_assert(!sr_address_parse("\0", 1, &address));
	ck_assert(sr_address_parse("1.2.3.45", 7, &address));
	ck_assert_uint_eq(address.bytes[15], 4);
}
END_TEST

static const struct range {
	const char *text;
	unsigned prefix;
	const char *canonical;
} ranges[] = {
	{ "10.0.0.0/8", 104, "10.0.0.0/8" },
	{ "10.1.2.3", 128, "10.1.2.3" },
	{ "10.1.2.3/32", 128, "10.1.2.3" },
	{ "10.1.2.2/31", 127, "10.1.2.2/31" },
	{ "0.0.0.0/0", 96, "0.0.0.0/0" },
	{ "::ffff:10.0.0.0/104", 104, "10.0.0.0/8" },
	{ "::ffff:0:0/96", 96, "0.0.0.0/0" },
	{ "::ffff:10.1.2.3/128", 128, "10.1.2.3" },
	{ "2001:db8::/32", 32, "2001:db8::/32" },
	{ "2001:DB8:0::/32", 32, "2001:db8::/32" },
	{ "2001:db8::1", 128, "2001:db8::1" },
	{ "fe80::/10", 10, "fe80::/10" },
	{ "::/0", 0, "::/0" },
	{ "::1/128", 128, "::1" },
};

START_TEST(range_parsed)
{
	struct sr_cidr cidr = cidr_of(ranges[_i].text), again;
	char text[SR_ADDRESS_TEXT_MAX];

	ck_assert_uint_eq(cidr.prefix, ranges[_i].prefix);
	sr_cidr_text(&cidr, text);
	ck_assert_str_eq(text, ranges[_i].canonical);
	again = cidr_of(text);
	ck_assert_uint_eq(again.prefix, cidr.prefix);
	ck_assert_mem_eq(&again.base, &cidr.base, sizeof cidr.base);
}
END_TEST

#define NO_ADDRESS "not an IPv4 or IPv6 address"
#define NO_NUMBER "a prefix length that is not a plain number"
#define TOO_LONG "a prefix longer than the address"
#define HOST_BITS "host bits set beyond the prefix"

static const struct bad {
	const char *text;
	const char *why;
} bad_ranges[] = {
	{ "", NO_ADDRESS },
	{ "/8", NO_ADDRESS },
	{ "10.0.0/8", NO_ADDRESS },
	{ "010.0.0.0/8", NO_ADDRESS },
	{ "10.0.0.0/", NO_NUMBER },
	{ "10.0.0.0/08", NO_NUMBER },
	{ "10.0.0.0/-1", NO_NUMBER },
	{ "10.0.0.0/+8", NO_NUMBER },
	{ "10.0.0.0/8 ", NO_NUMBER },
	{ "10.0.0.0/8/8", NO_NUMBER },
	{ "10.0.0.0/255.0.0.0", NO_NUMBER },
	{ "10.0.0.0/99999999999999999999", NO_NUMBER },
	{ "10.0.0.0/33", TOO_LONG },
	{ "10.0.0.0/104", TOO_LONG },
	{ "2001:db8::/129", TOO_LONG },
	{ "10.0.0.1/8", HOST_BITS },
	{ "10.0.0.0/0", HOST_BITS },
	{ "10.0.0.1/31", HOST_BITS },
	{ "2001:db8::1/32", HOST_BITS },
	{ "2001:db8::/28", HOST_BITS },
	{ "::1/0", HOST_BITS },
	{ "::ffff:0:0/95", HOST_BITS },
	{ "::ffff:10.0.0.0/8", HOST_BITS },
	{ "::ffff:10.0.0.0/95", HOST_BITS },
};

START_TEST(range_refused)
{
	struct sr_cidr cidr;
	const char *why = NULL;

	ck_assert(!sr_cidr_parse(bad_ranges[_i].text, strlen(bad_ranges[_i].text), &cidr, &why));
	ck_assert_str_eq(why, bad_ranges[_i].why);
}
END_TEST

static const struct pair {
	const char *outer, *inner;
	bool yes;
} in_range[] = {
	{ "10.0.0.0/8", "10.255.255.255", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/8", "::ffff:10.1.1.1", true },
	{ "::ffff:10.0.0.0/104", "10.1.1.1", true },
	{ "10.0.0.0/8", "::a00:1", false },
	{ "10.1.2.2/31", "10.1.2.3", true },
	{ "10.1.2.2/31", "10.1.2.4", false },
	{ "10.1.2.3", "10.1.2.3", true },
	{ "10.1.2.3", "10.1.2.2", false },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "::1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "10.0.0.1", false },
	{ "::/64", "10.0.0.1", false },
	{ "::/64", "::1", true },
};

START_TEST(range_has)
{
	struct sr_cidr cidr = cidr_of(in_range[_i].outer);
	struct sr_address address = address_of(in_range[_i].inner);

	ck_assert_int_eq(sr_cidr_has(&cidr, &address), in_range[_i].yes);
}
END_TEST

static const struct {
	const char *range, *begins;
} beginnings[] = {
	{ "10.1.2.3", "10.1.2.3" },
	{ "10.1.2.0/31", "10.1.2." },
	{ "10.1.2.0/24", "10.1.2." },
	{ "10.1.0.0/23", "10.1." },
	{ "0.0.0.0/8", "0." },
	{ "10.0.0.0/7", "" },
	{ "0.0.0.0/0", "" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "2001:0DB8::/32", "2001:db8:" },
	{ "2001:db8::/47", "2001:db8:" },
	{ "2001:db8::/64", "2001:db8:" },
	{ "2001:db8:1:2::/64", "2001:db8:1:2:" },
	{ "fe80::/10", "" },
	{ "::/64", "" },
};

START_TEST(range_begins)
{
	struct sr_cidr cidr = cidr_of(beginnings[_i].range);
	char text[SR_ADDRESS_TEXT_MAX];

	sr_cidr_begins(&cidr, text);
	ck_assert_str_eq(text, beginnings[_i].begins);
}
END_TEST

static const struct pair ranges_in_ranges[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", true },
	{ "10.0.0.0/8", "10.1.0.0/16", true },
	{ "10.1.0.0/16", "10.0.0.0/8", false },
	{ "10.0.0.0/8", "11.0.0.0/16", false },
	{ "10.0.0.0/8", "10.1.1.1", true },
	{ "0.0.0.0/0", "10.0.0.0/8", true },
	{ "::/0", "2001:db8::/32", true },
	{ "::/0", "10.0.0.0/8", false },
	{ "::/0", "0.0.0.0/0", false },
	{ "0.0.0.0/0", "::/0", false },
};

START_TEST(range_contains)
{
	struct sr_cidr outer = cidr_of(ranges_in_ranges[_i].outer), inner = cidr_of(ranges_in_ranges[_i].inner);

	ck_assert_int_eq(sr_cidr_contains(&outer, &inner), ranges_in_ranges[_i].yes);
}
END_TEST

/* -- lists ----------------------------------------------------------------------------------------------------- */
START_TEST(list_parsed)
{
	struct sr_allowed list = allowed_of("10.0.0.0/8\nunix\nunix:uid=1000\n" CERT_A "\n");

	ck_assert_uint_eq(list.count, 4);
	ck_assert_int_eq(list.items[0].kind, SR_ALLOWED_CIDR);
	ck_assert_uint_eq(list.items[0].cidr.prefix, 104);
	ck_assert_int_eq(list.items[1].kind, SR_ALLOWED_UNIX);
	ck_assert_int_eq(list.items[2].kind, SR_ALLOWED_UNIX_UID);
	ck_assert_uint_eq(list.items[2].uid, 1000);
	ck_assert_int_eq(list.items[3].kind, SR_ALLOWED_CERT);
	ck_assert_uint_eq(list.items[3].cert[1], 0x11);
	sr_allowed_clear(&list);
	ck_assert_ptr_null(list.items);
	sr_allowed_clear(&list);
}
END_TEST

START_TEST(empty_list)
{
	struct sr_allowed list = allowed_of("");

	ck_assert_uint_eq(list.count, 0);
	ck_assert_ptr_null(list.items);
}
END_TEST

static const struct bad bad_lists[] = {
	{ "\n", "an empty line" },
	{ "unix\n\n", "an empty line" },
	{ "unix\n10.0.0.1/8", HOST_BITS },
	{ "Unix", NO_ADDRESS },
	{ "unix ", NO_ADDRESS },
	{ "unix:", NO_ADDRESS },
	{ "unix:gid=1", NO_ADDRESS },
	{ "unix:uid=", "a uid that is not a plain number" },
	{ "unix:uid=-1", "a uid that is not a plain number" },
	{ "unix:uid=007", "a uid that is not a plain number" },
	{ "unix:uid=root", "a uid that is not a plain number" },
	{ "unix:uid=4294967295", "a uid that is not a plain number" },
	{ "unix:uid=4294967296", "a uid that is not a plain number" },
	{ "cert:", "a certificate that is not named by the 64 hex digits of its SHA-256" },
	{ "cert:0011", "a certificate that is not named by the 64 hex digits of its SHA-256" },
	{ CERT_A "0", "a certificate that is not named by the 64 hex digits of its SHA-256" },
	{ "cert:x0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"a certificate that is not named by the 64 hex digits of its SHA-256" },
	{ "example.org", NO_ADDRESS },
	{ "local", NO_ADDRESS },
};

START_TEST(list_refused)
{
	struct sr_allowed list = { 7, NULL };
	const char *why = NULL;

	ck_assert(!sr_allowed_parse(bad_lists[_i].text, strlen(bad_lists[_i].text), &list, &why));
	ck_assert_str_eq(why, bad_lists[_i].why);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_ptr_null(list.items);
}
END_TEST

START_TEST(list_limit)
{
	char text[(SR_CIDRS_MAX + 1) * 16] = "";
	struct sr_allowed list;
	const char *why;

	for (int i = 0; i < SR_CIDRS_MAX; i++)
		sprintf(text + strlen(text), "10.0.0.%d\n", i);
	list = allowed_of(text);
	ck_assert_uint_eq(list.count, SR_CIDRS_MAX);
	sr_allowed_clear(&list);
	strcat(text, "unix");
	ck_assert(!sr_allowed_parse(text, strlen(text), &list, &why));
	ck_assert_str_eq(why, "more than 64 addresses");
}
END_TEST

/* Peers: an embedded caller, one on the Unix socket with and without the loopback rule, two over TLS. */
enum { EMBEDDED, SOCKET, LOOPBACK, TLS4, TLS6, PEERS };

static struct sr_peer peer_of(int which)
{
	struct sr_peer peer = { .kind = SR_PEER_UNIX, .uid = 1000, .pid = 42 };

	if (which == EMBEDDED)
		peer.kind = SR_PEER_EMBEDDED;
	peer.loopback = which == EMBEDDED || which == LOOPBACK;
	if (which == TLS4 || which == TLS6) {
		peer = (struct sr_peer){ .kind = SR_PEER_TLS, .has_address = true };
		peer.address = address_of(which == TLS4 ? "10.1.2.3" : "2001:db8::7");
	}
	if (which == TLS6) {
		struct sr_allowed cert = allowed_of(CERT_A);

		peer.has_cert = true;
		memcpy(peer.cert, cert.items[0].cert, sizeof peer.cert);
		sr_allowed_clear(&cert);
	}
	return peer;
}

static const struct binding {
	const char *list;
	bool yes[PEERS];
} bindings[] = {
	{ "", { [EMBEDDED] = true, [SOCKET] = true, [LOOPBACK] = true, [TLS4] = true, [TLS6] = true } },
	{ "unix", { [EMBEDDED] = true, [SOCKET] = true, [LOOPBACK] = true } },
	{ "unix:uid=1000", { [EMBEDDED] = true, [SOCKET] = true, [LOOPBACK] = true } },
	{ "unix:uid=0", { 0 } },
	{ "127.0.0.1", { [EMBEDDED] = true, [LOOPBACK] = true } },
	{ "127.0.0.0/8", { [EMBEDDED] = true, [LOOPBACK] = true } },
	{ "::1", { [EMBEDDED] = true, [LOOPBACK] = true } },
	{ "127.0.0.2", { 0 } },
	{ "10.0.0.0/8", { [TLS4] = true } },
	{ "::/0", { [EMBEDDED] = true, [LOOPBACK] = true, [TLS6] = true } },
	{ "2001:db8::/32\nunix", { [EMBEDDED] = true, [SOCKET] = true, [LOOPBACK] = true, [TLS6] = true } },
	{ CERT_A, { [TLS6] = true } },
	{ CERT_B, { 0 } },
};

START_TEST(list_allows)
{
	struct sr_allowed list = allowed_of(bindings[_i].list);

	for (int which = 0; which < PEERS; which++) {
		struct sr_peer peer = peer_of(which);

		ck_assert_msg(sr_allowed_peer(&list, &peer) == bindings[_i].yes[which], "peer %d", which);
	}
	sr_allowed_clear(&list);
}
END_TEST

static const struct pair lists[] = {
	{ "", "", true },
	{ "", "10.0.0.0/8", true },
	{ "10.0.0.0/8", "", false },
	{ "10.0.0.0/8\nunix", "10.1.0.0/16\nunix:uid=7", true },
	{ "10.0.0.0/8\nunix", "unix", true },
	{ "10.0.0.0/8", "10.1.0.0/16\n11.0.0.1", false },
	{ "unix:uid=7", "unix", false },
	{ "unix:uid=7", "unix:uid=7", true },
	{ "unix:uid=7", "unix:uid=8", false },
	{ "127.0.0.0/8", "unix", false },
	{ "unix", "127.0.0.1", false },
	{ CERT_A, CERT_A, true },
	{ CERT_A, CERT_B, false },
	{ "0.0.0.0/0\n::/0", CERT_A, false },
	/* Two halves that make up the whole: item by item, so no. */
	{ "10.0.0.0/9\n10.128.0.0/9", "10.0.0.0/8", false },
};

START_TEST(list_contains)
{
	struct sr_allowed outer = allowed_of(lists[_i].outer), inner = allowed_of(lists[_i].inner);

	ck_assert_int_eq(sr_allowed_contain(&outer, &inner), lists[_i].yes);
	sr_allowed_clear(&outer);
	sr_allowed_clear(&inner);
}
END_TEST

START_TEST(audit_address)
{
	static const char *const texts[PEERS] = { "local", "unix", "unix", "10.1.2.3", "2001:db8::7" };
	struct sr_peer peer = peer_of(_i), nowhere = { .kind = SR_PEER_TLS };
	char text[SR_ADDRESS_TEXT_MAX];

	sr_peer_ip(&peer, text);
	ck_assert_str_eq(text, texts[_i]);
	sr_peer_ip(&nowhere, text);
	ck_assert_str_eq(text, "unknown");
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_address(void)
{
	Suite *suite = suite_create("policy/address");
	TCase *range = tcase_create("range"), *list = tcase_create("list");

	tcase_add_loop_test(range, address_refused, 0, ROWS(bad_addresses));
	tcase_add_test(range, two_writings_one_address);
	tcase_add_test(range, address_holds_no_nul);
	tcase_add_test(range, whose_address);
	tcase_add_loop_test(range, range_parsed, 0, ROWS(ranges));
	tcase_add_loop_test(range, range_refused, 0, ROWS(bad_ranges));
	tcase_add_loop_test(range, range_has, 0, ROWS(in_range));
	tcase_add_loop_test(range, range_begins, 0, ROWS(beginnings));
	tcase_add_loop_test(range, range_contains, 0, ROWS(ranges_in_ranges));
	suite_add_tcase(suite, range);
	tcase_add_test(list, list_parsed);
	tcase_add_test(list, empty_list);
	tcase_add_loop_test(list, list_refused, 0, ROWS(bad_lists));
	tcase_add_test(list, list_limit);
	tcase_add_loop_test(list, list_allows, 0, ROWS(bindings));
	tcase_add_loop_test(list, list_contains, 0, ROWS(lists));
	tcase_add_loop_test(list, audit_address, 0, PEERS);
	suite_add_tcase(suite, list);
	return suite;
}
