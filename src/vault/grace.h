/* Which old versions of a secret some tokens may still read. Private to this folder. */
#ifndef SR_VAULT_GRACE_H
#define SR_VAULT_GRACE_H

#include "vault/core.h"

#define SR_GRACES_MAX 8
#define SR_GRACE_MAX_MS (24ll * 60 * 60 * 1000) /* no token that was issued before lives longer */

#define SR_KEY_GRACE_MAX_MS (365ll * 24 * 60 * 60 * 1000) /* of a key that was rotated: for what it signed */

/** struct sr_grace: VERSION was the current one until record EVENT rotated it away; tokens that were issued before that
 * record may read it until END. */
struct sr_grace {
	uint64_t version, event;
	struct sr_end end;
};

struct sr_graces {
	size_t count;
	struct sr_grace items[SR_GRACES_MAX];
};

/** sr_graces_parse(text, graces): one a line, as a secret's head keeps them; false where one is malformed. */
bool sr_graces_parse(const char *text, struct sr_graces *graces);
void sr_graces_text(const struct sr_graces *graces, char text[SR_GRACES_TEXT + 1]);

/** sr_graces_load(row, at, graces, err): those of ROW that have not ended. */
CK_RV sr_graces_load(
	const struct sr_secret_row *row, const struct sr_moment *at, struct sr_graces *graces, struct sr_error *err);

/** sr_graces_of(graces, version): the grace of VERSION, NULL where it has none. */
const struct sr_grace *sr_graces_of(const struct sr_graces *graces, uint64_t version);

/** sr_graces_at(graces, event): what was current when record EVENT was made, as far as a grace is left of it; NULL: the
 * present version, or one that is closed. */
const struct sr_grace *sr_graces_at(const struct sr_graces *graces, uint64_t event);

/** sr_graces_add(graces, grace): false when there are SR_GRACES_MAX. sr_graces_drop(graces, version): no more of it. */
bool sr_graces_add(struct sr_graces *graces, const struct sr_grace *grace);
void sr_graces_drop(struct sr_graces *graces, uint64_t version);

/** sr_graces_until(graces): when the last of them ends, 0 for none. */
int64_t sr_graces_until(const struct sr_graces *graces);

#endif
