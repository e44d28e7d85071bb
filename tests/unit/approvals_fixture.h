/* A vault with several members who ask and decide. */
#ifndef SR_TESTS_APPROVALS_FIXTURE_H
#define SR_TESTS_APPROVALS_FIXTURE_H

#include "tests/unit/vault_place.h"

#include "vault/approval_row.h"

#include <check.h>

#define MINUTE 60000ll
#define HOUR (60 * MINUTE)

extern struct vault_place team;

/** team_setup: a vault with admin, and the editors bob and carol, whom nobody has made lately. */
void team_setup(void);
void team_teardown(void);

/** team_borrow(place): the team is in another fixture's vault, where bob comes; team_leave() before that one ends. */
void team_borrow(const struct vault_place *place);
void team_leave(void);

/** struct team_member: how put_member changes a row. CUT: they were removed or demoted just now. */
struct team_member {
	const char *name;
	enum sr_role role;
	bool removed, cut;
	const char *made_by;
	int64_t fresh_ms;
};
void team_put(struct team_member member);

/** as(name): who is logged in as NAME (once, and again after forget()). */
const struct sr_caller *as(const char *name);
void forget(void);

/** team_move(ms, reboot): the clocks go on, and every login is a new one. */
void team_move(int64_t ms, bool reboot);

/** ask_for(who, needed, delay_ms, id): a request to lower secret:a/b, for an hour. */
void ask_for(const struct sr_caller *who, unsigned needed, int64_t delay_ms, char id[SR_ID_MAX]);

/** decide(who, id, state, reason): the code; REASON may be NULL. */
CK_RV decide(const struct sr_caller *who, const char *id, const char *state, const char *reason);

enum sr_stand stand_of(const char *id);
enum sr_stand settle(const char *id);
struct sr_approval_row approval_row(const char *id);

/** shown(who, class, id, attribute): its text, "" for none; a buffer of its own. */
const char *shown(const struct sr_caller *who, CK_OBJECT_CLASS object_class, const char *id, CK_ATTRIBUTE_TYPE type);

/** count_as(who, class): how many objects a search finds. */
int count_as(const struct sr_caller *who, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text);

/** newest_event(kind): the last one of that kind; with kind SR_EVENT_COUNT of any. count_events(kind). */
struct sr_event newest_event(enum sr_event_kind kind);
int count_events(enum sr_event_kind kind);

#endif
