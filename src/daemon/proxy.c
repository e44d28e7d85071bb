/* The PROXY protocol, version 2. */
#include "daemon/proxy.h"

#include <string.h>

#define FIXED 16 /* signature, version and command, family, length */
#define VERSION_AT 12
#define FAMILY_AT 13
#define LENGTH_AT 14

static const uint8_t signature[VERSION_AT] = "\r\n\r\n\0\r\nQUIT\n";

enum { LOCAL = 0x20, PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21 };

/* The addresses and ports that a family begins with; what follows them (TLVs) is passed over. 0 for no family of ours.
 */
static size_t addresses_len(uint8_t family)
{
	return family == TCP4 ? 12 : family == TCP6 ? 36 : 0;
}

static size_t body_len(const uint8_t *at)
{
	return (size_t)at[LENGTH_AT] << 8 | at[LENGTH_AT + 1];
}

/* Whether the first LEN bytes, FIXED at most, can be those of a header that we take. */
static bool begins_well(const uint8_t *at, size_t len)
{
	if (memcmp(at, signature, len < VERSION_AT ? len : VERSION_AT) != 0)
		return false;
	if (len > VERSION_AT && at[VERSION_AT] != LOCAL && at[VERSION_AT] != PROXY)
		return false;
	bool local = len > VERSION_AT && at[VERSION_AT] == LOCAL;
	if (len > FAMILY_AT && !local && addresses_len(at[FAMILY_AT]) == 0)
		return false;
	if (len < FIXED)
		return true;
	return body_len(at) <= SR_PROXY_MAX - FIXED && (local || body_len(at) >= addresses_len(at[FAMILY_AT]));
}

/* The source stands first. */
static void take_source(const uint8_t *body, uint8_t family, struct sr_address *address)
{
	if (family == TCP6) {
		memcpy(address->bytes, body, 16);
		return;
	}
	memset(address->bytes, 0, 10);
	memset(address->bytes + 10, 0xff, 2);
	memcpy(address->bytes + 12, body, 4);
}

int sr_proxy_parse(const uint8_t *at, size_t len, size_t *used, struct sr_address *address, bool *has_address)
{
	if (!begins_well(at, len < FIXED ? len : FIXED))
		return -1;
	if (len < FIXED || len < FIXED + body_len(at))
		return 0;
	*used = FIXED + body_len(at);
	*has_address = at[VERSION_AT] == PROXY;
	if (*has_address)
		take_source(at + FIXED, at[FAMILY_AT], address);
	return 1;
}
