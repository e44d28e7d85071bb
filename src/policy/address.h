/* Addresses and the lists a token is bound to. Pure; any thread. */
#ifndef SR_POLICY_ADDRESS_H
#define SR_POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SR_CIDRS_MAX 64
#define SR_ADDRESS_TEXT_MAX 64

/** struct sr_address: an IPv6 address, network order; IPv4 stands as v4-mapped (::ffff:a.b.c.d), so the two writings of
 *  one address are one address. */
struct sr_address {
	uint8_t bytes[16];
};

/** sr_address_parse(text, len, address): one host, IPv4 dotted quad (no leading zeros) or IPv6 (no zone). */
bool sr_address_parse(const char *text, size_t len, struct sr_address *address);

/** sr_address_site(address): how many bytes of ADDRESS tell whose it is, where one peer must not pass for many: all 16
 *  of an IPv4 address, the 8 of a /64 of IPv6, which one host has for itself. */
size_t sr_address_site(const struct sr_address *address);

/** struct sr_cidr: PREFIX counts in the 128 bits. */
struct sr_cidr {
	struct sr_address base;
	unsigned prefix;
};

/** sr_cidr_parse(text, len, cidr, why): "10.0.0.0/8", "2001:db8::/32", a host alone. Host bits set are refused, a
 * prefix over 32 or 128 too; a v4-mapped base takes a prefix of 96 to 128. */
bool sr_cidr_parse(const char *text, size_t len, struct sr_cidr *cidr, const char **why);

/** sr_cidr_text(cidr, out): the canonical text, IPv4 in its own form, one host without a prefix; parse(text(c)) == c.
 */
void sr_cidr_text(const struct sr_cidr *cidr, char out[SR_ADDRESS_TEXT_MAX]);

/** sr_cidr_begins(cidr, out): what the canonical text of every address in CIDR begins with; all of it where that is one
 *  host, "" where they have nothing in common. */
void sr_cidr_begins(const struct sr_cidr *cidr, char out[SR_ADDRESS_TEXT_MAX]);

/** sr_cidr_has(cidr, address), sr_cidr_contains(outer, inner): an IPv6 range holds no IPv4 address, though the mapped
 * ones lie in ::/0 and ::/64 by their bits: who allows an IPv6 range has not thereby allowed every IPv4 peer. */
bool sr_cidr_has(const struct sr_cidr *cidr, const struct sr_address *address);
bool sr_cidr_contains(const struct sr_cidr *outer, const struct sr_cidr *inner);

/** struct sr_allowed: an --allow-ip list: CIDR, and the words `unix`, `unix:uid=N`, `cert:SHA256`. An empty list allows
 *  every peer. */
enum sr_allowed_kind { SR_ALLOWED_CIDR, SR_ALLOWED_UNIX, SR_ALLOWED_UNIX_UID, SR_ALLOWED_CERT };
struct sr_allowed_item {
	enum sr_allowed_kind kind;
	struct sr_cidr cidr;
	uint32_t uid;
	uint8_t cert[32];
};
struct sr_allowed {
	size_t count;
	struct sr_allowed_item *items;
};

/** sr_allowed_parse(text, len, list, why): one a line, at most SR_CIDRS_MAX, no empty line but after the last; empty
 * text is the empty list. ITEMS is allocated; sr_allowed_clear frees it. False and a phrase in WHY otherwise, LIST
 * empty then. */
bool sr_allowed_parse(const char *text, size_t len, struct sr_allowed *list, const char **why);
void sr_allowed_clear(struct sr_allowed *list);

/** struct sr_peer: where a call comes from. LOOPBACK: this peer also counts as 127.0.0.1 and ::1 (an embedded caller
 *  does; a Unix peer where configured). */
enum sr_peer_kind { SR_PEER_EMBEDDED, SR_PEER_UNIX, SR_PEER_TLS };
struct sr_peer {
	enum sr_peer_kind kind;
	bool loopback;
	uint32_t uid;
	int32_t pid;
	bool has_address;
	struct sr_address address;
	bool has_cert;
	uint8_t cert[32];
};

/** sr_allowed_peer(list, peer): whether PEER may use a token with this list. An embedded caller counts as a Unix peer.
 */
bool sr_allowed_peer(const struct sr_allowed *list, const struct sr_peer *peer);

/** sr_allowed_contain(outer, inner): every peer that INNER allows, OUTER allows item by item (fail closed). */
bool sr_allowed_contain(const struct sr_allowed *outer, const struct sr_allowed *inner);

/** sr_peer_ip(peer, out): the audit's `ip`: "local" for an embedded caller, "unix", or the address. */
void sr_peer_ip(const struct sr_peer *peer, char out[SR_ADDRESS_TEXT_MAX]);

#endif
