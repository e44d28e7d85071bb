/* The lists a token, an agent or a member is bound to, and the peers they are held against. */
#include "policy/address.h"

#include "policy/lines.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UID_WORD "unix:uid="
#define CERT_WORD "cert:"

static bool refuse(struct sr_allowed *list, const char **why, const char *phrase)
{
	sr_allowed_clear(list);
	*why = phrase;
	return false;
}

static bool starts(const char *text, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

static bool parse_uid(const char *text, size_t len, struct sr_allowed_item *item, const char **why)
{
	uint64_t uid;

	/* The highest value is (uid_t)-1, which is nobody's. */
	if (!sr_text_u64(text, len, UINT32_MAX - 1, &uid)) {
		*why = "a uid that is not a plain number";
		return false;
	}
	item->kind = SR_ALLOWED_UNIX_UID;
	item->uid = (uint32_t)uid;
	return true;
}

static bool parse_cert(const char *text, size_t len, struct sr_allowed_item *item, const char **why)
{
	char hex[2 * sizeof item->cert + 1] = { 0 };

	if (len == sizeof hex - 1)
		memcpy(hex, text, len);
	if (len != sizeof hex - 1 || !sr_text_unhex(hex, item->cert, sizeof item->cert)) {
		*why = "a certificate that is not named by the 64 hex digits of its SHA-256";
		return false;
	}
	item->kind = SR_ALLOWED_CERT;
	return true;
}

static bool parse_item(const char *text, size_t len, struct sr_allowed_item *item, const char **why)
{
	if (len == strlen("unix") && starts(text, len, "unix")) {
		item->kind = SR_ALLOWED_UNIX;
		return true;
	}
	if (starts(text, len, UID_WORD))
		return parse_uid(text + strlen(UID_WORD), len - strlen(UID_WORD), item, why);
	if (starts(text, len, CERT_WORD))
		return parse_cert(text + strlen(CERT_WORD), len - strlen(CERT_WORD), item, why);
	item->kind = SR_ALLOWED_CIDR;
	return sr_cidr_parse(text, len, &item->cidr, why);
}

bool sr_allowed_parse(const char *text, size_t len, struct sr_allowed *list, const char **why)
{
	struct sr_lines lines = { text, len };
	size_t count = sr_lines_count(&lines);
	const char *line;
	size_t line_len;

	*list = (struct sr_allowed){ 0 };
	if (count == 0)
		return true;
	if (count > SR_CIDRS_MAX)
		return refuse(list, why, "more than 64 addresses");
	list->items = calloc(count, sizeof *list->items);
	if (!list->items)
		return refuse(list, why, "no memory left");
	while (sr_lines_next(&lines, &line, &line_len)) {
		if (line_len == 0)
			return refuse(list, why, "an empty line");
		if (!parse_item(line, line_len, &list->items[list->count], why))
			return refuse(list, why, *why);
		list->count++;
	}
	return true;
}

void sr_allowed_clear(struct sr_allowed *list)
{
	free(list->items);
	*list = (struct sr_allowed){ 0 };
}

static bool has_loopback(const struct sr_cidr *cidr)
{
	static const struct sr_address ipv4 = { { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };
	static const struct sr_address ipv6 = { { [15] = 1 } };

	return sr_cidr_has(cidr, &ipv4) || sr_cidr_has(cidr, &ipv6);
}

static bool item_allows(const struct sr_allowed_item *item, const struct sr_peer *peer)
{
	bool local = peer->kind == SR_PEER_EMBEDDED || peer->kind == SR_PEER_UNIX;

	switch (item->kind) {
	case SR_ALLOWED_CIDR:
		return (peer->has_address && sr_cidr_has(&item->cidr, &peer->address)) ||
		       (peer->loopback && has_loopback(&item->cidr));
	case SR_ALLOWED_UNIX:
		return local;
	case SR_ALLOWED_UNIX_UID:
		return local && peer->uid == item->uid;
	case SR_ALLOWED_CERT:
		return peer->has_cert && memcmp(peer->cert, item->cert, sizeof item->cert) == 0;
	}
	return false;
}

bool sr_allowed_peer(const struct sr_allowed *list, const struct sr_peer *peer)
{
	for (size_t i = 0; i < list->count; i++)
		if (item_allows(&list->items[i], peer))
			return true;
	return list->count == 0;
}

static bool item_contains(const struct sr_allowed_item *outer, const struct sr_allowed_item *inner)
{
	if (outer->kind == SR_ALLOWED_UNIX && inner->kind == SR_ALLOWED_UNIX_UID)
		return true;
	if (outer->kind != inner->kind)
		return false;
	switch (outer->kind) {
	case SR_ALLOWED_CIDR:
		return sr_cidr_contains(&outer->cidr, &inner->cidr);
	case SR_ALLOWED_UNIX:
		return true;
	case SR_ALLOWED_UNIX_UID:
		return outer->uid == inner->uid;
	case SR_ALLOWED_CERT:
		return memcmp(outer->cert, inner->cert, sizeof outer->cert) == 0;
	}
	return false;
}

static bool list_contains(const struct sr_allowed *outer, const struct sr_allowed_item *inner)
{
	for (size_t i = 0; i < outer->count; i++)
		if (item_contains(&outer->items[i], inner))
			return true;
	return false;
}

bool sr_allowed_contain(const struct sr_allowed *outer, const struct sr_allowed *inner)
{
	if (outer->count == 0)
		return true;
	/* An empty list allows everyone, which a list that names some does not. */
	if (inner->count == 0)
		return false;
	for (size_t i = 0; i < inner->count; i++)
		if (!list_contains(outer, &inner->items[i]))
			return false;
	return true;
}

void sr_peer_ip(const struct sr_peer *peer, char out[SR_ADDRESS_TEXT_MAX])
{
	struct sr_cidr host = { peer->address, 128 };

	if (peer->kind == SR_PEER_EMBEDDED)
		snprintf(out, SR_ADDRESS_TEXT_MAX, "local");
	else if (peer->kind == SR_PEER_UNIX)
		snprintf(out, SR_ADDRESS_TEXT_MAX, "unix");
	else if (peer->has_address)
		sr_cidr_text(&host, out);
	else
		snprintf(out, SR_ADDRESS_TEXT_MAX, "unknown");
}
