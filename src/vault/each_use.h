/* A fresh approval for each use of a private key, where a policy asks for that. Private to this folder. */
#ifndef SR_VAULT_EACH_USE_H
#define SR_VAULT_EACH_USE_H

#include "vault/approval.h"
#include "vault/keys.h"

/** struct sr_each_use: what is asked for; REQUEST points into it. NEEDED: the policy of the key's path and tier wants
 * it. */
struct sr_each_use {
	const struct sr_key *key;
	bool needed;
	struct sr_request request;
	char target[SR_SUBJECT_MAX];
	char change[SR_NAME_MAX + 8];
};

/** sr_each_use_asked(vault, at, row, asked, err): whether the policy of a private key's path and tier wants an approval
 *  of each use: then the key asks for the credential at each use, as a critical one does. */
CK_RV sr_each_use_asked(struct sr_vault *vault, const struct sr_moment *at, const struct sr_key_row *row, bool *asked,
	struct sr_error *err);

/** sr_each_use_unasked(caller, at, key, err): inside the job of a use that nobody was asked for: CKR_FUNCTION_REJECTED
 * / APPROVAL_REQUIRED where a policy has come to want that since KEY was opened. */
CK_RV sr_each_use_unasked(
	const struct sr_caller *caller, struct sr_moment *at, const struct sr_key *key, struct sr_error *err);

/** sr_each_use_gate(caller, key, use, err): before: CKR_OK where none is needed, or one is in effect. Else as
 *  sr_approval_gate: the request is there then. */
CK_RV sr_each_use_gate(
	const struct sr_caller *caller, const struct sr_key *key, struct sr_each_use *use, struct sr_error *err);

/** sr_each_use_spend(caller, at, event, use, err): inside the job that lets the use pass: asks the same again, and the
 *  approval is used up. */
CK_RV sr_each_use_spend(const struct sr_caller *caller, struct sr_moment *at, struct sr_event *event,
	const struct sr_each_use *use, struct sr_error *err);

#endif
