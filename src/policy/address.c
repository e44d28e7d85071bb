#include "policy/address.h"

#include "util/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SITE_BYTES 8 /* of IPv6 */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_ipv4(const struct sr_address *address)
{
	return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

size_t sr_address_site(const struct sr_address *address)
{
	return is_ipv4(address) ? sizeof address->bytes : SITE_BYTES;
}

static bool refuse(const char **why, const char *phrase)
{
	*why = phrase;
	return false;
}

/* inet_pton takes no leading zero in a dotted quad and no zone; the length check is ours, as it wants a NUL. */
bool sr_address_parse(const char *text, size_t len, struct sr_address *address)
{
	char host[INET6_ADDRSTRLEN];
	uint8_t ipv4[4];

	if (len == 0 || len >= sizeof host || memchr(text, '\0', len))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (strchr(host, ':'))
		return inet_pton(AF_INET6, host, address->bytes) == 1;
	if (inet_pton(AF_INET, host, ipv4) != 1)
		return false;
	memcpy(address->bytes, mapped, sizeof mapped);
	memcpy(address->bytes + sizeof mapped, ipv4, sizeof ipv4);
	return true;
}

static bool same_bits(const struct sr_address *a, const struct sr_address *b, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;

	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

static bool host_bits_set(const struct sr_cidr *cidr)
{
	for (unsigned bit = cidr->prefix; bit < 128; bit++)
		if (cidr->base.bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* The prefix counts in the bits of the base as it was written: 32 of a dotted quad, else 128. */
static bool parse_prefix(const char *text, size_t len, bool dotted, struct sr_cidr *cidr, const char **why)
{
	uint64_t prefix;

	if (!sr_text_u64(text, len, UINT16_MAX, &prefix))
		return refuse(why, "a prefix length that is not a plain number");
	if (prefix > (dotted ? 32 : 128))
		return refuse(why, "a prefix longer than the address");
	cidr->prefix = (unsigned)prefix + (dotted ? 96 : 0);
	/* A shorter one than 96 under a mapped base leaves bits of the ffff set, so this refuses it too. */
	if (host_bits_set(cidr))
		return refuse(why, "host bits set beyond the prefix");
	return true;
}

bool sr_cidr_parse(const char *text, size_t len, struct sr_cidr *cidr, const char **why)
{
	const char *slash = len > 0 ? memchr(text, '/', len) : NULL;
	size_t host = slash ? (size_t)(slash - text) : len;

	if (!sr_address_parse(text, host, &cidr->base))
		return refuse(why, "not an IPv4 or IPv6 address");
	cidr->prefix = 128;
	if (!slash)
		return true;
	return parse_prefix(slash + 1, len - host - 1, !memchr(text, ':', host), cidr, why);
}

static bool is_ipv4_range(const struct sr_cidr *cidr)
{
	return cidr->prefix >= 96 && is_ipv4(&cidr->base);
}

void sr_cidr_text(const struct sr_cidr *cidr, char out[SR_ADDRESS_TEXT_MAX])
{
	bool ipv4 = is_ipv4_range(cidr);
	const uint8_t *bytes = cidr->base.bytes + (ipv4 ? sizeof mapped : 0);

	/* It cannot fail: the family is known and the room is more than either needs. */
	inet_ntop(ipv4 ? AF_INET : AF_INET6, bytes, out, SR_ADDRESS_TEXT_MAX);
	if (cidr->prefix == 128)
		return;
	size_t len = strlen(out);
	snprintf(out + len, SR_ADDRESS_TEXT_MAX - len, "/%u", cidr->prefix - (ipv4 ? 96 : 0));
}

void sr_cidr_begins(const struct sr_cidr *cidr, char out[SR_ADDRESS_TEXT_MAX])
{
	bool ipv4 = is_ipv4_range(cidr);
	const uint8_t *bytes = cidr->base.bytes + (ipv4 ? sizeof mapped : 0);
	unsigned width = ipv4 ? 1 : 2, parts = (cidr->prefix - (ipv4 ? 96 : 0)) / (8 * width);
	out[0] = '\0';
	if (cidr->prefix == 128) {
		sr_cidr_text(cidr, out);
		return;
	}
	for (unsigned i = 0; i < parts; i++) {
		unsigned part = ipv4 ? bytes[i] : (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
		size_t len = strlen(out);
		if (!ipv4 && part == 0)
			return; /* from here on the text may be shortened */
		snprintf(out + len, SR_ADDRESS_TEXT_MAX - len, ipv4 ? "%u." : "%x:", part);
	}
}

bool sr_cidr_has(const struct sr_cidr *cidr, const struct sr_address *address)
{
	return is_ipv4_range(cidr) == is_ipv4(address) && same_bits(&cidr->base, address, cidr->prefix);
}

bool sr_cidr_contains(const struct sr_cidr *outer, const struct sr_cidr *inner)
{
	return outer->prefix <= inner->prefix && is_ipv4_range(outer) == is_ipv4_range(inner) &&
	       same_bits(&outer->base, &inner->base, outer->prefix);
}
