/* How often secrets want a new value, as a class of objects and as what is known of it. Private to this folder. */
#ifndef SR_VAULT_ROTATION_H
#define SR_VAULT_ROTATION_H

#include "policy/rotation.h"
#include "vault/core.h"
#include "vault/objects.h"

/** struct sr_rotations: the active rows, and as periods (their globs are the rows'). */
struct sr_rotations {
	struct sr_rotation_row *rows;
	struct sr_period *periods;
	size_t count;
};

/** sr_rotations_load(vault, at, rotations, err): each row verified. sr_rotations_check(vault, at, rotations, err): and
 * as many as there must be. sr_rotations_clear(rotations) in any case. */
CK_RV sr_rotations_load(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_rotations *rotations, struct sr_error *err);
CK_RV sr_rotations_check(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_rotations *rotations, struct sr_error *err);
void sr_rotations_clear(struct sr_rotations *rotations);

extern const struct sr_class sr_rotation_class;

#endif
