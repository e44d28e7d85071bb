/* The heads file: the newest head, kept apart from the database, written after each commit and never before. */
#ifndef SR_AUDIT_HEADS_H
#define SR_AUDIT_HEADS_H

#include "audit/chain.h"
#include "util/error.h"

/** sr_heads_write(path, chain_id, head, err): replaces the line if HEAD is newer than what stands there; several
 *  processes may do so at once (an advisory lock on the file). 0600, created when missing. A torn line is never left:
 *  one write of a fixed length with a checksum. */
CK_RV sr_heads_write(const char *path, const char *chain_id, const struct sr_head *head, struct sr_error *err);

/** sr_heads_read(path, chain_id, head, found, err): FOUND false where the file is missing or empty; a line of another
 *  chain or one that does not parse is CKR_DEVICE_ERROR / SR_REASON_CHAIN_BROKEN. */
CK_RV sr_heads_read(const char *path, const char *chain_id, struct sr_head *head, bool *found, struct sr_error *err);

#endif
