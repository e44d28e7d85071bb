/* The canonical encoding: what MACs, additional data and the audit chain are computed over.
 *
 * A packed record is a sequence of fields, each a 32-bit big-endian length and that many bytes. A number is a
 * field of 8 bytes, big-endian. An absent text is the length 0xffffffff without bytes, so absent and empty differ.
 * The first field is always a domain label ("strongroom/token/1"), so no two kinds of record are ever the same bytes.
 */
#ifndef SR_UTIL_PACK_H
#define SR_UTIL_PACK_H

#include "util/buf.h"

void sr_pack_bytes(struct sr_buf *buf, const void *data, size_t len);
void sr_pack_text(struct sr_buf *buf, const char *text_or_null);
void sr_pack_u64(struct sr_buf *buf, uint64_t number);

/** struct sr_unpack: a reader over a packed record that it does not own. FAILED is sticky; a reader that has
 *  failed gives NULL and 0. */
struct sr_unpack {
	const uint8_t *at;
	size_t left;
	bool failed;
};

const uint8_t *sr_unpack_bytes(struct sr_unpack *in, size_t *len); /* NULL, 0 for an absent field */
uint64_t sr_unpack_u64(struct sr_unpack *in);
bool sr_unpack_done(const struct sr_unpack *in); /* nothing failed and nothing is left */

#endif
