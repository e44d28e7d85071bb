/* The audit event as a row: one for each call that touches policy (design §5). Never a PIN, a value or a token string
 * in it. */
#ifndef SR_STORE_EVENT_H
#define SR_STORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/* X(constant, name) */
#define SR_EVENTS(X)                                      \
	X(SECRET_CREATED, "secret.created")               \
	X(SECRET_READ, "secret.read")                     \
	X(SECRET_UPDATED, "secret.updated")               \
	X(SECRET_DELETED, "secret.deleted")               \
	X(SECRET_ROTATED, "secret.rotated")               \
	X(SECRET_ROLLED_BACK, "secret.rolled_back")       \
	X(SECRET_UNDELETED, "secret.undeleted")           \
	X(SECRET_DESTROYED, "secret.destroyed")           \
	X(KEY_GENERATED, "key.generated")                 \
	X(KEY_IMPORTED, "key.imported")                   \
	X(KEY_UPDATED, "key.updated")                     \
	X(KEY_USED, "key.used")                           \
	X(KEY_DELETED, "key.deleted")                     \
	X(KEY_WRAPPED, "key.wrapped")                     \
	X(KEY_UNWRAPPED, "key.unwrapped")                 \
	X(KEY_DERIVED, "key.derived")                     \
	X(KEY_ROTATED, "key.rotated")                     \
	X(TOKEN_ISSUED, "token.issued")                   \
	X(TOKEN_REVOKED, "token.revoked")                 \
	X(TOKEN_EXPIRED, "token.expired")                 \
	X(MEMBER_ADDED, "member.added")                   \
	X(MEMBER_PASSPHRASE, "member.passphrase_changed") \
	X(MEMBER_ROLE, "member.role_changed")             \
	X(MEMBER_UPDATED, "member.updated")               \
	X(MEMBER_REMOVED, "member.removed")               \
	X(AGENT_ADDED, "agent.added")                     \
	X(AGENT_UPDATED, "agent.updated")                 \
	X(AGENT_REVOKED, "agent.revoked")                 \
	X(POLICY_CHANGED, "policy.changed")               \
	X(ROTATION_CHANGED, "rotation.changed")           \
	X(PATH_FROZEN, "path.frozen")                     \
	X(PATH_RELEASED, "path.released")                 \
	X(APPROVAL_REQUESTED, "approval.requested")       \
	X(APPROVAL_GRANTED, "approval.granted")           \
	X(APPROVAL_DENIED, "approval.denied")             \
	X(APPROVAL_TIMED_OUT, "approval.timed_out")       \
	X(APPROVAL_CANCELED, "approval.canceled")         \
	X(SESSION_LOGIN, "session.login")                 \
	X(SESSION_LOGOUT, "session.logout")               \
	X(AUDIT_QUERIED, "audit.queried")                 \
	X(AUDIT_EXPORTED, "audit.exported")               \
	X(AUDIT_VERIFIED, "audit.verified")               \
	X(HSM_OPENED, "hsm.opened")                       \
	X(HSM_LOST, "hsm.lost")                           \
	X(HSM_REKEYED, "hsm.rekeyed")                     \
	X(HSM_RETIRED, "hsm.retired")                     \
	X(VAULT_CREATED, "vault.created")                 \
	X(VAULT_BACKED_UP, "vault.backed_up")             \
	X(VAULT_RESTORED, "vault.restored")               \
	X(VAULT_CLOCK, "vault.clock_jumped")              \
	X(VAULT_CLOCK_ACCEPTED, "vault.clock_accepted")   \
	X(VAULT_MOVED, "vault.moved")                     \
	X(AUDIT_PRUNED, "audit.pruned")                   \
	X(SECRET_EXPIRED, "secret.expired")               \
	X(TOKEN_USED, "token.used") /* in a query alone: every record that counts a use */

#define SR_EVENT_CONSTANT(constant, name) SR_EVENT_##constant,
enum sr_event_kind { SR_EVENTS(SR_EVENT_CONSTANT) SR_EVENT_COUNT };
#undef SR_EVENT_CONSTANT

/** sr_event_name(kind), sr_event_parse(name, kind): the table both ways. */
const char *sr_event_name(enum sr_event_kind kind);
bool sr_event_parse(const char *name, enum sr_event_kind *kind);

enum sr_status { SR_STATUS_ALLOWED, SR_STATUS_DENIED, SR_STATUS_ERROR };
const char *sr_status_name(enum sr_status status);

#define SR_METADATA_MAX 4096

/** struct sr_event: the record. Texts are UTF-8 without control characters; "" is absent.
 *  id, timestamp_ms, status, rv, reason   set by the writer
 *  subject   the deciding row that this event makes or changes ("secret:PATH"), "" where it changes none
 *  counted   whether it counts a use of token_id and its ancestors
 *  metadata  a JSON object, or "" */
struct sr_event {
	uint64_t id;
	int64_t timestamp_ms;
	enum sr_event_kind kind;
	enum sr_status status;
	char actor_type[12];
	char actor_id[40];
	char token_id[20];
	char ip[64];
	char peer[48];
	char function[32];
	char rv[48];
	char reason[32];
	char path[513];
	char tier[12];
	uint64_t version; /* 0: none */
	char subject[530];
	bool counted;
	char metadata[SR_METADATA_MAX];
};

#endif
