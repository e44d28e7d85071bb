/* Addresses: an input is taken whole as an allowed list, and its first three lines as two ranges and an address. */
#include "tests/fuzz/fuzz.h"

#include "policy/address.h"

static bool take(const char *part, size_t len, struct sr_cidr *cidr)
{
	char text[SR_ADDRESS_TEXT_MAX];
	struct sr_cidr again;
	const char *why = NULL;

	if (!sr_cidr_parse(part, len, cidr, &why)) {
		must(why != NULL);
		return false;
	}
	must(cidr->prefix <= 128);
	sr_cidr_text(cidr, text);
	must(sr_cidr_parse(text, strlen(text), &again, &why));
	must(again.prefix == cidr->prefix && memcmp(&again.base, &cidr->base, sizeof again.base) == 0);
	must(sr_cidr_contains(cidr, cidr));
	must(sr_cidr_has(cidr, &cidr->base));
	return true;
}

/* An index goes by the beginning of the text. */
static void check_text(const struct sr_cidr *range, const struct sr_address *address)
{
	struct sr_peer peer = { .kind = SR_PEER_TLS, .has_address = true, .address = *address };
	char begins[SR_ADDRESS_TEXT_MAX], text[SR_ADDRESS_TEXT_MAX];

	sr_cidr_begins(range, begins);
	sr_peer_ip(&peer, text);
	must(!sr_cidr_has(range, address) || strncmp(begins, text, strlen(begins)) == 0);
	must(range->prefix != 128 || !sr_cidr_has(range, address) || strcmp(begins, text) == 0);
}

static void check_pair(const struct sr_cidr *a, const struct sr_cidr *b, const struct sr_address *address)
{
	bool contains = sr_cidr_contains(a, b);

	must(!contains || (a->prefix <= b->prefix && sr_cidr_has(a, &b->base)));
	must(!contains || !sr_cidr_contains(b, a) || (a->prefix == b->prefix && !memcmp(&a->base, &b->base, 16)));
	if (!address)
		return;
	check_text(a, address);
	must(!contains || !sr_cidr_has(b, address) || sr_cidr_has(a, address));
	/* Ranges lie within one another or apart. */
	must(!sr_cidr_has(a, address) || !sr_cidr_has(b, address) || contains || sr_cidr_contains(b, a));
}

/* An address and the range of that one address say the same. */
static void check_address(const char *part, size_t len, const struct sr_address *address)
{
	struct sr_peer peer = { .kind = SR_PEER_TLS, .has_address = true, .address = *address };
	struct sr_cidr host, again;
	char text[SR_ADDRESS_TEXT_MAX];
	const char *why;

	must(sr_cidr_parse(part, len, &host, &why) && host.prefix == 128);
	must(memcmp(&host.base, address, sizeof *address) == 0 && sr_cidr_has(&host, address));
	sr_peer_ip(&peer, text);
	must(sr_cidr_parse(text, strlen(text), &again, &why) && sr_cidr_contains(&host, &again));
}

static void check_list(const char *text, size_t len, const struct sr_address *address)
{
	struct sr_peer peers[] = {
		{ .kind = SR_PEER_EMBEDDED, .loopback = true, .uid = 0 },
		{ .kind = SR_PEER_UNIX, .uid = 1000 },
		{ .kind = SR_PEER_TLS, .has_address = address != NULL },
	};
	struct sr_allowed list;
	const char *why = NULL;

	if (address)
		peers[2].address = *address;
	if (!sr_allowed_parse(text, len, &list, &why)) {
		must(why != NULL && list.count == 0 && list.items == NULL);
		return;
	}
	must(list.count <= SR_CIDRS_MAX && (list.count == 0) == (len == 0));
	must(sr_allowed_contain(&list, &list));
	for (size_t i = 0; i < list.count; i++) {
		struct sr_allowed one = { 1, &list.items[i] };

		must(sr_allowed_contain(&list, &one));
		for (size_t p = 0; p < sizeof peers / sizeof peers[0]; p++) {
			must(!sr_allowed_peer(&one, &peers[p]) || sr_allowed_peer(&list, &peers[p]));
			must(!sr_allowed_contain(&one, &list) || sr_allowed_peer(&one, &peers[p]) ||
				!sr_allowed_peer(&list, &peers[p]));
		}
	}
	sr_allowed_clear(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data;
	size_t left = size, len;
	struct sr_address address;
	struct sr_cidr a, b;

	const char *part = fuzz_part(&rest, &left, &len);
	bool first = take(part, len, &a);
	part = fuzz_part(&rest, &left, &len);
	bool second = take(part, len, &b);
	part = fuzz_part(&rest, &left, &len);
	bool host = sr_address_parse(part, len, &address);
	if (host)
		check_address(part, len, &address);
	if (first && second) {
		check_pair(&a, &b, host ? &address : NULL);
		check_pair(&b, &a, host ? &address : NULL);
	}
	check_list((const char *)data, size, host ? &address : NULL);
	return 0;
}
