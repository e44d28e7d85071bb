/* What all client contexts of one peer hold together. A context has bounds of its own; but where many are served a peer
 * gets another with each connection, without a login. Embedded there is one context, and no share. */
#ifndef SR_PKCS11_SHARE_H
#define SR_PKCS11_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* SESSIONS; HANDLES that were brought back (host.h); BYTES of session objects; OPERATIONS that have begun, and NESTS,
 * which are sessions of the HSM. */
enum sr_shared {
	SR_SHARED_SESSIONS,
	SR_SHARED_HANDLES,
	SR_SHARED_BYTES,
	SR_SHARED_OPERATIONS,
	SR_SHARED_NESTS,
	SR_SHARED_KINDS
};

#define SR_SHARED_SESSIONS_MAX 4096
#define SR_SHARED_HANDLES_MAX (128u << 10)
#define SR_SHARED_BYTES_MAX (64u << 20)
#define SR_SHARED_OPERATIONS_MAX 512
#define SR_SHARED_NESTS_MAX 1024

/** struct sr_share: zeros to begin with. */
struct sr_share {
	atomic_size_t held[SR_SHARED_KINDS];
};

/** sr_share_take(share, what, count): COUNT more; false, and nothing, where that is too many. sr_share_give: so many
 *  less. SHARE may be NULL: there is no bound. */
bool sr_share_take(struct sr_share *share, enum sr_shared what, size_t count);
void sr_share_give(struct sr_share *share, enum sr_shared what, size_t count);

/** sr_share_room(share, what, count): whether there is room for COUNT more, now. sr_share_change(share, what, before,
 *  after): what was BEFORE is AFTER, whatever the bound. */
bool sr_share_room(struct sr_share *share, enum sr_shared what, size_t count);
void sr_share_change(struct sr_share *share, enum sr_shared what, size_t before, size_t after);

#endif
