/* Guessing is slowed: per name and peer, so that nobody else waits. Private to this folder. */
#ifndef SR_VAULT_SLOW_H
#define SR_VAULT_SLOW_H

#include "policy/address.h"
#include "store/rows.h"
#include "util/error.h"

/** struct sr_source: who is tried from where: a name as it was given ("" where there was none to be had) and what stays
 *  the same of a peer. An IPv6 peer is its /64: whoever has one of its addresses has all of them. */
struct sr_source {
	char name[SR_NAME_MAX];
	uint8_t kind, has_address, has_cert;
	uint32_t uid;
	uint8_t address[16];
	uint8_t cert[32];
};
void sr_source_of(const char *name, const struct sr_peer *peer, struct sr_source *source);

#define SR_SLOW_FREE 3                       /* wrong passphrases that cost nothing */
#define SR_SLOW_WINDOW_MS (15ll * 60 * 1000) /* after the last wrong one all is forgotten */
#define SR_SLOW_WAIT_MAX_MS (16ll * 1000)
#define SR_SLOW_QUEUE 4
#define SR_SLOW_SOURCES 1024

/** struct sr_slow: the wrong passphrases of the last minutes, of at most SR_SLOW_SOURCES sources; the one that was not
 *  tried for longest is forgotten first. Any thread. */
struct sr_slow;
struct sr_slow *sr_slow_new(void);
void sr_slow_free(struct sr_slow *slow);

/** sr_slow_enter(slow, source): before a passphrase is looked at. Waits as long as SOURCE has to, holding no lock: 1,
 * 2, 4, 8, then 16 s for each try after SR_SLOW_FREE wrong ones; then one at a time, and SR_SLOW_QUEUE wait at most.
 * True: look, and tell sr_slow_leave. False: there are too many, look at nothing. */
bool sr_slow_enter(struct sr_slow *slow, const struct sr_source *source);

/* UNKNOWN: it could not be looked at. */
enum sr_tried { SR_TRIED_UNKNOWN, SR_TRIED_WRONG, SR_TRIED_RIGHT };
/** sr_tried(rv): what a try was that ended with RV: CKR_OK, CKR_PIN_INCORRECT, or trouble. */
enum sr_tried sr_tried(CK_RV rv);
void sr_slow_leave(struct sr_slow *slow, const struct sr_source *source, enum sr_tried tried);

/** sr_slow_replace(wait): tests put their own way to let time pass here; NULL gives the system's back. Not thread-safe.
 */
void sr_slow_replace(void (*wait)(int64_t ms));

#endif
