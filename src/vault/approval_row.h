/* A request from the inside: its votes, what its events say, who still may approve. What the files approval_*.c share.
 * Private to this folder. */
#ifndef SR_VAULT_APPROVAL_ROW_H
#define SR_VAULT_APPROVAL_ROW_H

#include "vault/approval.h"
#include "vault/who.h"

#define SR_OPEN_MAX 100 /* requests of one owner that are not decided */

/** struct sr_vote: who approved, and the event in which. */
struct sr_vote {
	char name[SR_NAME_MAX];
	uint64_t event_id;
};

struct sr_votes {
	struct sr_vote items[SR_APPROVALS_MAX];
	size_t count;
};

/** sr_votes_read(row, votes, err): VAULT_CORRUPT for lines that are no votes. sr_votes_write(votes, row): false where
 * they do not fit. */
CK_RV sr_votes_read(const struct sr_approval_row *row, struct sr_votes *votes, struct sr_error *err);
bool sr_votes_write(const struct sr_votes *votes, struct sr_approval_row *row);

/** sr_votes_keep(vault, at, votes, err): leaves the votes of those who still may approve: active, with the duty, and
 * not cut since. */
CK_RV sr_votes_keep(struct sr_vault *vault, const struct sr_moment *at, struct sr_votes *votes, struct sr_error *err);

/** sr_approval_stands_by(vault, at, row, holds, err): whether what approved ROW still counts: enough votes, or the
 * admin who broke the glass. */
CK_RV sr_approval_stands_by(struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row,
	bool *holds, struct sr_error *err);

/** sr_approval_describe(event, row): what an event about ROW says: path, tier, token and the metadata. */
void sr_approval_describe(struct sr_event *event, const struct sr_approval_row *row);

/** sr_approval_token_id(row): the token that it is about; NULL for none. */
const char *sr_approval_token_id(const struct sr_approval_row *row);

/** sr_approval_open(stand): neither decided nor in effect. */
bool sr_approval_open(enum sr_stand stand);

/** sr_approval_gone(err): the one answer for what is not there or not for the caller. */
CK_RV sr_approval_gone(struct sr_error *err);

/** sr_approval_load(vault, at, id, row, err): the verified row; sr_approval_gone where there is none. */
CK_RV sr_approval_load(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_approval_row *row,
	struct sr_error *err);

/** sr_approval_look(caller, id, row, stand, err): the row as it is now, and what it stands at. */
CK_RV sr_approval_look(const struct sr_caller *caller, const char *id, struct sr_approval_row *row,
	enum sr_stand *stand, struct sr_error *err);

/** sr_approval_decide(caller, id, changes, err): CKA_SR_STATE and CKA_SR_DECISION: a vote, a denial, … */
CK_RV sr_approval_decide(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *changes, struct sr_error *err);

/** sr_approval_may_see(caller, row): its owner, its requester, and whose role may. */
bool sr_approval_may_see(const struct sr_caller *caller, const struct sr_approval_row *row);

/** sr_moment_now(at): the clock's reading, its wall never before the newest record's time. */
struct sr_now sr_moment_now(const struct sr_moment *at);

#endif
