/* Lowering a tier: with the approvals that the higher one asks for. Private to this folder. */
#ifndef SR_VAULT_LOWER_H
#define SR_VAULT_LOWER_H

#include "vault/core.h"

/** struct sr_lowering: the row of SUBJECT, made by the event BASE, is to go from one tier to a lower one. */
struct sr_lowering {
	char subject[SR_SUBJECT_MAX];
	const char *path;
	enum sr_tier from, to;
	uint64_t base;
};

/** sr_lower_gate(caller, lowering, err): before the act, as sr_approval_gate. */
CK_RV sr_lower_gate(const struct sr_caller *caller, const struct sr_lowering *lowering, struct sr_error *err);

/** sr_lower_passes(caller, at, lowering, err): inside it, as sr_approval_passes. */
CK_RV sr_lower_passes(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_lowering *lowering,
	struct sr_error *err);

#endif
