/* The matrix: identity x action x object x tier x state. Its words, the world that it is walked in, and what each step
 * came to. What is expected stands in matrix_rules.c, and nothing of it comes from what is tested. */
#ifndef SR_TESTS_MATRIX_H
#define SR_TESTS_MATRIX_H

#include "tests/unit/vault_people.h"

enum matrix_object {
	OBJECT_SECRET,
	OBJECT_MAC, /* a secret that is used as a key */
	OBJECT_RSA_PRIVATE,
	OBJECT_RSA_PUBLIC,
	OBJECT_EC_PRIVATE,
	OBJECT_CERTIFICATE,
	OBJECT_AES,
	OBJECT_WRAPPER,
	OBJECT_COUNT
};

enum matrix_action {
	ACTION_SEE,
	ACTION_READ,
	ACTION_WRITE,
	ACTION_CREATE, /* one of its kind, at a path beside it */
	ACTION_SIGN,
	ACTION_VERIFY,
	ACTION_ENCRYPT,
	ACTION_DECRYPT,
	ACTION_WRAP,
	ACTION_UNWRAP,
	ACTION_DERIVE,
	ACTION_DELETE,
	ACTION_COUNT
};

/* What has become of who acts, since they logged in. */
enum matrix_state {
	STATE_LIVE,
	STATE_EXPIRED,
	STATE_REVOKED,
	STATE_USED_UP,
	STATE_PENDING,
	STATE_APPROVED, /* the delay runs */
	STATE_DENIED,
	STATE_TIMED_OUT,
	STATE_PARENT_REVOKED,
	STATE_OWNER_CUT,
	STATE_AGENT_CUT,
	STATE_ELSEWHERE, /* another address */
	STATE_COUNT
};

enum matrix_who { WHO_MEMBER, WHO_SEPARATED, WHO_AGENT, WHO_TOKEN };

/** struct matrix_identity: SCOPES of a token or an agent, ROLE of a member; GRANTS: the words of matrix_rules.c. */
struct matrix_identity {
	enum matrix_who who;
	const char *scopes;
	enum sr_role role;
	const char *grants;
};
extern const struct matrix_identity matrix_identities[];
extern const size_t matrix_identity_count;

/** struct matrix_step: what was done, by whom. */
struct matrix_step {
	const struct matrix_identity *identity;
	enum sr_tier clearance;
	enum matrix_state state;
	enum matrix_object object;
	enum matrix_action action;
	enum sr_tier tier;
};

/** struct matrix_outcome: EVENT and STATUS "" where nothing was recorded. VIEW: of an object that was seen, the rights
 * that read true and what becomes of its value, as "sign verify value". */
struct matrix_outcome {
	CK_RV rv;
	CK_ULONG reason;
	const char *event, *status;
	char view[96];
};

/** matrix_expect(step, outcome): false: no rule, or more than one, is about this step. */
bool matrix_expect(const struct matrix_step *step, struct matrix_outcome *outcome);

/** matrix_complete(): fails where something that the product knows (a role, an action, a state of an approval, a class)
 * has no row. */
void matrix_complete(void);

/** matrix_possible(step): whether there is such a step at all: a member has no parent, a certificate signs nothing. */
bool matrix_possible(const struct matrix_step *step);

/* -- the world: matrix_world.c ------------------------------------------------------------------------------------ */
extern const char *const matrix_object_words[OBJECT_COUNT], *const matrix_action_words[ACTION_COUNT],
								    *const matrix_state_words[STATE_COUNT];

void matrix_world_make(void);
void matrix_world_remove(void);

/** matrix_become(identity, clearance, state): who acts from now on. */
void matrix_become(const struct matrix_identity *identity, enum sr_tier clearance, enum matrix_state state);

/** matrix_do(step, outcome): as the call layer does it: is the login still good, then the deed. What was destroyed is
 * there again afterwards. matrix_race(step): the deed alone, as if the login had ended a moment after it was asked. */
void matrix_do(const struct matrix_step *step, struct matrix_outcome *outcome);
CK_RV matrix_race(const struct matrix_step *step);

#endif
