/* The rows of the store: plain structs, no behaviour but _clear. Times are milliseconds since 1970 UTC. */
#ifndef SR_STORE_ROWS_H
#define SR_STORE_ROWS_H

#include "policy/path.h"
#include "policy/tier.h"
#include "store/event.h"
#include "util/buf.h"
#include "util/clock.h"

#define SR_ID_MAX 20 /* "t-" and 16 base32 characters, and the NUL */
#define SR_NAME_MAX 33
#define SR_TYPE_MAX 33
#define SR_MAC_LEN 32
#define SR_HASH_LEN 32
#define SR_ATTRIBUTE_MAX 4096 /* CKA_APPLICATION, CKA_OBJECT_ID */
#define SR_VOTES_MAX 512      /* one line a vote: a member's name and the vote's event */
#define SR_REASON_MAX 256     /* of an approval: free text */
#define SR_SUBJECT_MAX                                                                                        \
	(16 + SR_PATH_MAX + 1) /* "secret:PATH", "certificate:PATH", "token:ID", "member:NAME", "agent:NAME", \
				  "policy:TIER:GLOB" (the tier's number), "approval:ID", "freeze:PATH" */

/** struct sr_mark: what every deciding row carries: the audit event that made it, and the HSM's MAC over the row's
 * kind, key, content and that event (vault/rows.h computes and checks it). */
struct sr_mark {
	uint64_t event_id;
	uint8_t mac[SR_MAC_LEN];
};

enum sr_secret_state { SR_SECRET_ACTIVE, SR_SECRET_DELETED };

#define SR_GRACES_TEXT 1024 /* of the versions that are still open: vault/grace.h */

/** struct sr_secret_row: a secret's head. UID is random, made with the path's first secret, and part of the additional
 * data of its versions. APPLICATION and OBJECT_ID as the application gave them (empty: not given). ROTATED_MS: when the
 * value was set last, 0 in rows of schema 3: UPDATED_MS is the nearest to it; EXPIRES_MS: when whoever gave the value
 * lets it end, 0 for never. OLDEST: the versions before it are gone; 0: none is. GRACES: which old versions some tokens
 * may still read (vault/grace.h). */
struct sr_secret_row {
	char path[SR_PATH_MAX + 1];
	char uid[33];
	char type[SR_TYPE_MAX];
	enum sr_tier tier;
	enum sr_secret_state state;
	uint64_t version;
	int64_t created_ms, updated_ms;
	struct sr_buf application, object_id;
	int64_t rotated_ms, expires_ms;
	uint64_t oldest;
	char graces[SR_GRACES_TEXT + 1];
	struct sr_mark mark;
};
void sr_secret_row_clear(struct sr_secret_row *row);

/** struct sr_version_row: one sealed value. TIER is the one it was sealed under. It carries no MAC: its additional data
 *  (vault, path, uid, version, tier, type) authenticates it. */
struct sr_version_row {
	char path[SR_PATH_MAX + 1];
	uint64_t version;
	enum sr_tier tier;
	char type[SR_TYPE_MAX];
	int64_t created_ms;
	struct sr_buf sealed;
};
void sr_version_row_clear(struct sr_version_row *row);

/** struct sr_version_place: that there is such a version, and since when. */
struct sr_version_place {
	uint64_t version;
	int64_t created_ms;
};

/* What a key object of a path is; one row each. The words are those of CKO_*. A former part is what the current one was
 * before its key was rotated, as long as the grace lasts: docs/rotation.md. */
enum sr_part {
	SR_PART_PRIVATE,
	SR_PART_PUBLIC,
	SR_PART_SECRET,
	SR_PART_CERTIFICATE,
	SR_PART_FORMER_PRIVATE,
	SR_PART_FORMER_PUBLIC,
	SR_PART_FORMER_SECRET,
	SR_PART_COUNT
};
const char *sr_part_word(unsigned part); /* "private", "public", "secret", "certificate", "former-private", ... */

/** sr_part_base(part): what a former part was; itself of others. sr_part_former(part): what it becomes by a rotation; a
 * certificate stays. */
enum sr_part sr_part_base(enum sr_part part);
enum sr_part sr_part_former(enum sr_part part);

enum sr_custody { SR_CUSTODY_RESIDENT, SR_CUSTODY_WRAPPED, SR_CUSTODY_OPEN, SR_CUSTODY_COUNT };
const char *sr_custody_word(unsigned custody);

enum sr_key_state { SR_KEY_ACTIVE, SR_KEY_DELETED };

#define SR_KEY_ID_MAX 4096
#define SR_KEY_ATTRS_MAX (64u << 10)
#define SR_KEY_BLOB_MAX (16u << 10)

/** struct sr_key_row: a key object (docs/keys.md). KEY_TYPE is CKK_*, of a certificate CKC_*. ID is CKA_ID. ATTRS is
 * everything else that the object shows, packed (vault/keyattrs.h); BLOB the wrapped key, empty in other custody;
 * MATERIAL tells equal keys (hsm/key.h), may be empty. A deleted row keeps path, part, uid and tier, and its ID, ATTRS,
 * BLOB and MATERIAL are empty. GRACE: of a former part when it ends, 0 of others. */
struct sr_key_row {
	char path[SR_PATH_MAX + 1];
	enum sr_part part;
	char uid[33];
	uint64_t key_type;
	enum sr_custody custody;
	enum sr_tier tier;
	enum sr_key_state state;
	int64_t created_ms, updated_ms;
	struct sr_buf id, attrs, blob, material;
	struct sr_end grace;
	struct sr_mark mark;
	unsigned material_generation; /* not stored: of the wrap key that has made MATERIAL, where that is new */
};
void sr_key_row_clear(struct sr_key_row *row);

enum sr_token_state { SR_TOKEN_ACTIVE, SR_TOKEN_REVOKED };

/** struct sr_token_row: a scoped token. SCOPES and ALLOWED_IPS are the canonical texts, one item a line; MAX_USES 0 is
 *  unlimited; PARENT "" is none. HASH is the keyed hash of the token string. OWNER is the member who answers for it
 *  (who issued it, or added the agent that did); "" in rows of schema 2: ISSUER names the member. APPROVAL "": it
 *  needed none; else it is good for nothing but what that row says, and ends when that row does. */
struct sr_token_row {
	char id[SR_ID_MAX];
	uint8_t hash[SR_HASH_LEN];
	struct sr_buf scopes, allowed_ips, description;
	char issuer[SR_NAME_MAX + 8]; /* "member:NAME", "agent:NAME", "token:ID" */
	char parent[SR_ID_MAX];
	char owner[SR_NAME_MAX];
	char approval[SR_ID_MAX];
	enum sr_tier clearance;
	enum sr_token_state state;
	uint64_t max_uses;
	int64_t created_ms, ttl_ms;
	struct sr_end end;
	struct sr_mark mark;
	unsigned hash_generation; /* not stored: of the mac key that has made HASH, where that is new; likewise below */
};
void sr_token_row_clear(struct sr_token_row *row);

#define SR_MEMBER_ALLOWED_MAX 1024

/** struct sr_member_row: a person. HASH is the HSM's MAC over the scrypt output, so the database alone is no base for
 *  guessing. ALLOWED_IPS: from where they log in, one item a line; "" is anywhere. MADE_BY: the member who last added,
 *  promoted or reset them, "" for the first; FRESH: when that ends to matter (design §6, fresh-member). CUT: the event
 *  that removed or demoted them; what they issued, added and voted before it is void. */
struct sr_member_row {
	char name[SR_NAME_MAX];
	enum sr_role role;
	bool active;
	uint32_t log2n, r, p;
	uint8_t salt[16];
	uint8_t hash[SR_HASH_LEN];
	int64_t created_ms;
	char allowed_ips[SR_MEMBER_ALLOWED_MAX + 1];
	char made_by[SR_NAME_MAX];
	struct sr_end fresh;
	uint64_t cut;
	struct sr_mark mark;
	unsigned hash_generation;
};

enum sr_agent_state { SR_AGENT_ACTIVE, SR_AGENT_SUSPENDED, SR_AGENT_REVOKED, SR_AGENT_STATE_COUNT };
const char *sr_agent_state_word(unsigned state); /* "active", "suspended", "revoked" */

/** struct sr_agent_row: an agent: a key (HASH is the keyed hash of its string; OLD_HASH the one before, good until
 *  OLD_END, all zeros for none) and a ceiling for the tokens that it asks for. MAX_USES 0, MAX_TTL_MS 0: no bound of
 * its own. END with wall_ms 0: no end. OWNER: the member who answers for it. CUT: the event that suspended or revoked
 * it; tokens issued before are void. */
struct sr_agent_row {
	char name[SR_NAME_MAX];
	uint8_t hash[SR_HASH_LEN];
	uint8_t old_hash[SR_HASH_LEN];
	struct sr_end old_end;
	struct sr_buf scopes, allowed_ips, description;
	int64_t max_ttl_ms;
	uint64_t max_uses;
	struct sr_end end;
	enum sr_agent_state state;
	char owner[SR_NAME_MAX];
	int64_t created_ms;
	uint64_t cut;
	struct sr_mark mark;
	unsigned hash_generation;
};
void sr_agent_row_clear(struct sr_agent_row *row);

/** struct sr_policy_row: what tokens that reach objects of TIER under GLOB need (policy/need.h). AUTHOR set it last. */
struct sr_policy_row {
	char glob[SR_PATH_MAX + 1];
	enum sr_tier tier;
	bool active;
	uint32_t approvals;
	int64_t delay_ms, timeout_ms;
	bool break_glass;
	bool each_use; /* a fresh approval for each use of a private key */
	char author[SR_NAME_MAX];
	int64_t created_ms, updated_ms;
	struct sr_mark mark;
};

/** struct sr_rotation_row: how often what stands under GLOB wants a new value, whatever its type says. AUTHOR set it
 * last. */
struct sr_rotation_row {
	char glob[SR_PATH_MAX + 1];
	bool active;
	int64_t period_ms;
	char author[SR_NAME_MAX];
	int64_t created_ms, updated_ms;
	struct sr_mark mark;
};

/** struct sr_freeze_row: a path that is frozen, or (not ACTIVE) was. TIER: the path's when it was frozen. AUTHOR froze
 *  or released it last, for REASON. */
struct sr_freeze_row {
	char path[SR_PATH_MAX + 1];
	bool active;
	enum sr_tier tier;
	char author[SR_NAME_MAX];
	char reason[SR_REASON_MAX + 1];
	int64_t created_ms, updated_ms;
	struct sr_mark mark;
};

/* What is asked for: a token; a looser policy; a lower tier; one use of a key; the end of a freeze. */
enum sr_approval_kind {
	SR_APPROVAL_TOKEN,
	SR_APPROVAL_POLICY,
	SR_APPROVAL_TIER,
	SR_APPROVAL_USE,
	SR_APPROVAL_RELEASE,
	SR_APPROVAL_KIND_COUNT
};
const char *sr_approval_kind_word(unsigned kind); /* "token", "policy", "tier", "use", "release" */

/* APPROVED: the votes are there, and the delay runs or has run; IN_EFFECT: it was looked at again after that, and
 * counts. */
enum sr_approval_state {
	SR_APPROVAL_PENDING,
	SR_APPROVAL_APPROVED,
	SR_APPROVAL_IN_EFFECT,
	SR_APPROVAL_DENIED,
	SR_APPROVAL_CANCELED,
	SR_APPROVAL_TIMED_OUT,
	SR_APPROVAL_EXPIRED,
	SR_APPROVAL_STATE_COUNT
};
const char *sr_approval_state_word(unsigned state); /* the constant in lower case, as "timed_out" */

/** struct sr_approval_row: a request and what became of it. TARGET: the subject that it is about ("token:ID",
 *  "policy:TIER:GLOB", "secret:PATH"); CHANGE: for a change what exactly, in words that are compared byte by byte; for
 * a use the token or member that asks. BASE: the event that the target was at: another one, and the request is void.
 *  PATH: for people and the audit; may be a glob. REQUESTER as a token's issuer; OWNER the member behind it. DEADLINE:
 *  when it times out, pending. READY: when the delay is over; END: when what was approved ends; both empty while
 *  pending. VOTES: a line for each approval. DECIDED_BY: who denied, cancelled or broke the glass. */
struct sr_approval_row {
	char id[SR_ID_MAX];
	enum sr_approval_kind kind;
	char target[SR_SUBJECT_MAX];
	char change[SR_SUBJECT_MAX];
	uint64_t base;
	char path[SR_PATH_MAX + 1];
	enum sr_tier tier;
	uint32_t needed;
	int64_t delay_ms, ttl_ms;
	char requester[SR_NAME_MAX + 8];
	char owner[SR_NAME_MAX];
	char reason[SR_REASON_MAX + 1];
	int64_t created_ms;
	struct sr_end deadline, ready, end;
	enum sr_approval_state state;
	char votes[SR_VOTES_MAX + 1];
	char decided_by[SR_NAME_MAX];
	char decision[SR_REASON_MAX + 1];
	bool break_glass;
	struct sr_mark mark;
};

/** struct sr_head: the audit chain up to and with event SEQ. EPOCH, where a head is kept outside the database: how
 * often the vault had been restored from a backup then (docs/backup.md); 0 where nobody asks. */
struct sr_head {
	uint64_t seq;
	uint64_t epoch;
	uint8_t hash[SR_HASH_LEN];
};

#define SR_STATE_DIGESTS 16 /* of a node of the state tree (audit/state.h) */

/** struct sr_standing_row: how the vault stands: the newest record, its time, the root of the state tree; and the HSM's
 *  MAC over them. One row, written with each commit. */
struct sr_standing_row {
	struct sr_head head;
	int64_t newest_ms;
	uint8_t root[SR_HASH_LEN];
	uint8_t mac[SR_MAC_LEN];
	unsigned generation; /* not stored: of the mac key that has made MAC; 0: that is not known */
};

/** struct sr_node_row: a node of the state tree. */
struct sr_node_row {
	uint64_t id;
	uint8_t digests[SR_STATE_DIGESTS * SR_HASH_LEN];
};

/** struct sr_checkpoint_row: HEAD after SEQ signed by the audit key of GENERATION. */
struct sr_checkpoint_row {
	uint64_t seq;
	uint8_t head[SR_HASH_LEN];
	uint32_t generation;
	uint8_t signature[64];
	int64_t created_ms;
};

/** struct sr_audit_key_row: a generation's public half (DER SubjectPublicKeyInfo) and the signature over it by the
 *  generation before (empty for the first). */
struct sr_audit_key_row {
	uint32_t generation;
	struct sr_buf spki, signature;
};
void sr_audit_key_row_clear(struct sr_audit_key_row *row);

#endif
