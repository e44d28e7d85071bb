/* What the files of vault/ share: the vault itself, verified rows, and the one way to act. Private to this folder. */
#ifndef SR_VAULT_CORE_H
#define SR_VAULT_CORE_H

#include "audit/writer.h"
#include "hsm/hsm.h"
#include "store/store.h"
#include "vault/vault.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define SR_SECRET_MAX (64u << 10)
#define SR_TOKEN_TTL_MAX_MS (24ll * 60 * 60 * 1000)
#define SR_KEEP_VERSIONS_MS (30ll * 24 * 60 * 60 * 1000)
#define SR_FRESH_MEMBER_MS (24ll * 60 * 60 * 1000)
#define SR_VAULT_ID_MAX 17
#define SR_CUT_TOKENS                                                                                              \
	"cut:tokens" /* subject: the event that an admin accepted the clock by; or that the vault was restored by; \
			older tokens are void */

struct sr_seen;
struct sr_slow;
struct sr_refused;
struct sr_denied;
struct sr_backups;

#define SR_STRETCHED_AT_ONCE 4 /* passphrases under scrypt, 32 MiB each: it takes no login to ask for that */

/** struct sr_vault: HEADS is the heads file's path. SEEN holds what has been verified by the HSM already; SLOW and
 *  REFUSED what wrong logins cost, and their records; STRETCHING has a place for each passphrase that is under scrypt.
 */
struct sr_vault {
	char id[SR_VAULT_ID_MAX];
	char name[SR_NAME_MAX];
	char *dir;
	char *heads;
	bool read_by_listing;
	bool custody_wrapped; /* the default of new keys */
	bool separation;
	int64_t max_ttl_ms;
	int64_t fresh_member_ms;
	int64_t keep_versions_ms; /* how long a version stays after the next one */
	int64_t audit_keep_ms;    /* how long records stay; 0: nothing says so */
	bool grace_reads_old;     /* in a grace a token reads what was current when it was issued, without asking */
	bool exclusive;           /* LOCK_FD's lock is */
	int lock_fd;              /* -1 where it is not held */
	struct sr_store *store;
	struct sr_hsm *hsm;
	struct sr_writer *writer;
	struct sr_seen *seen;
	struct sr_slow *slow;
	struct sr_refused *refused;
	struct sr_denied *denied;
	struct sr_backups *backups;
	char *hsm_uri, *softhsm_conf;     /* where the HSM is a SoftHSM2 token of the vault's own; NULL elsewhere */
	int64_t opened_ms;                /* by the boot clock */
	const struct sr_vault_host *host; /* NULL: embedded */
	sem_t stretching;
};

/* -- opening, stage by stage (vault.c): doctor walks the same table ---------------------------------------------- */
/** struct sr_stage: one step of opening; ADVICE is what to look at when it fails. */
struct sr_stage {
	const char *name;
	CK_RV (*enter)(struct sr_vault *vault, const struct sr_config *config, struct sr_error *err);
};
extern const struct sr_stage sr_stages[];
extern const size_t sr_stage_count;
struct sr_vault *sr_vault_new(const struct sr_config *config); /* nothing open yet; NULL: no memory */

/* -- rows (rows.c) ---------------------------------------------------------------------------------------------- */
/** sr_rows_secret(vault, at, path, row, found, err): the row with its MAC checked and its event the one that the state
 *  tree names for that key. FOUND false only where the tree knows of no such row either; a deleted secret is found with
 * its state. Refuses with CKR_DEVICE_ERROR and ROW_FORGED, ROW_STALE or ROW_MISSING. sr_rows_key, sr_rows_token and
 * sr_rows_member likewise. */
CK_RV sr_rows_secret(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sr_secret_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_rows_key(struct sr_vault *vault, const struct sr_moment *at, const char *path, enum sr_part part,
	struct sr_key_row *row, bool *found, struct sr_error *err);
CK_RV sr_rows_token(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_token_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_rows_token_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t hash[SR_HASH_LEN],
	struct sr_token_row *row, bool *found, struct sr_error *err);
CK_RV sr_rows_member(struct sr_vault *vault, const struct sr_moment *at, const char *name, struct sr_member_row *row,
	bool *found, struct sr_error *err);

CK_RV sr_rows_agent(struct sr_vault *vault, const struct sr_moment *at, const char *name, struct sr_agent_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_rows_agent_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t hash[SR_HASH_LEN],
	struct sr_agent_row *row, bool *found, struct sr_error *err);
CK_RV sr_rows_policy(struct sr_vault *vault, const struct sr_moment *at, enum sr_tier tier, const char *glob,
	struct sr_policy_row *row, bool *found, struct sr_error *err);
CK_RV sr_rows_approval(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_approval_row *row,
	bool *found, struct sr_error *err);
CK_RV sr_rows_rotation(struct sr_vault *vault, const struct sr_moment *at, const char *glob,
	struct sr_rotation_row *row, bool *found, struct sr_error *err);
CK_RV sr_rows_freeze(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sr_freeze_row *row,
	bool *found, struct sr_error *err);

/** sr_rows_policy_subject(tier, glob, subject): "policy:TIER:GLOB". SR_POLICIES_SUBJECT: the state tree's number of
 * active policies, plus one. */
#define SR_POLICIES_SUBJECT "policies"
#define SR_ROTATIONS_SUBJECT "rotations" /* the same of rotation periods */
#define SR_FREEZES_SUBJECT "freezes"     /* the same of the paths that are frozen */
void sr_rows_policy_subject(enum sr_tier tier, const char *glob, char subject[SR_SUBJECT_MAX]);

/** sr_rows_check_key(vault, at, row, err), …_token, …_member: the same check for a row that a listing gave. */
CK_RV sr_rows_check_key(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_key_row *row, struct sr_error *err);
CK_RV sr_rows_check_token(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *row, struct sr_error *err);
CK_RV sr_rows_check_member(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_member_row *row, struct sr_error *err);
CK_RV sr_rows_check_agent(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err);
CK_RV sr_rows_check_policy(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_policy_row *row, struct sr_error *err);
CK_RV sr_rows_check_rotation(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_rotation_row *row, struct sr_error *err);
CK_RV sr_rows_check_freeze(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_freeze_row *row, struct sr_error *err);
CK_RV sr_rows_check_approval(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row, struct sr_error *err);

/** sr_rows_put_secret(vault, at, event, row, err): binds ROW to this job's event (its subject is set), has the HSM
 *  compute the MAC, stores it. Likewise for the others. A job makes one row, or several key rows of one
 * path. */
CK_RV sr_rows_put_secret(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_secret_row *row, struct sr_error *err);
CK_RV sr_rows_put_key(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_key_row *row,
	struct sr_error *err);
CK_RV sr_rows_put_token(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_token_row *row,
	struct sr_error *err);
CK_RV sr_rows_put_member(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_member_row *row, struct sr_error *err);
CK_RV sr_rows_put_agent(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_agent_row *row,
	struct sr_error *err);
CK_RV sr_rows_put_policy(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_policy_row *row, struct sr_error *err);
CK_RV sr_rows_put_rotation(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_rotation_row *row, struct sr_error *err);
CK_RV sr_rows_put_freeze(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_freeze_row *row, struct sr_error *err);
CK_RV sr_rows_put_approval(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_approval_row *row, struct sr_error *err);

/** sr_rows_same_member(vault, at, row, err): ROW in the place of the one that is the same but for what is keyed in it:
 * by the event that it has already. */
CK_RV sr_rows_same_member(
	struct sr_vault *vault, struct sr_moment *at, struct sr_member_row *row, struct sr_error *err);

/** sr_rows_subject_of_key(part, path, subject): a key row's subject. */
void sr_rows_subject_of_key(enum sr_part part, const char *path, char subject[SR_SUBJECT_MAX]);

/** sr_rows_key_subject(subject, part): the path in a key row's subject ("private:PATH", "public:PATH",
 * "secret-key:PATH", "certificate:PATH"), and its part; NULL where it is another's. */
const char *sr_rows_key_subject(const char *subject, enum sr_part *part);

/** sr_rows_aad(vault, secret, version, aad): the additional data that a version is sealed with. */
void sr_rows_aad(const struct sr_vault *vault, const struct sr_secret_row *secret, const struct sr_version_row *version,
	struct sr_buf *aad);

/* -- the verified (seen.c) -------------------------------------------------------------------------------------- */
/** struct sr_seen: a bounded set of digests of packed rows that the HSM has verified. A miss costs an HSM call, never
 *  an answer. Any thread. */
struct sr_seen *sr_seen_new(void);
void sr_seen_free(struct sr_seen *seen);
bool sr_seen_has(struct sr_seen *seen, const uint8_t digest[SR_SHA256_LEN]);
void sr_seen_add(struct sr_seen *seen, const uint8_t digest[SR_SHA256_LEN]);

/* -- acting (act.c) --------------------------------------------------------------------------------------------- */
/** struct sr_act: one audited act. The owner fills it by sr_act_begin and may set PATH, VERSION, metadata in EVENT. RUN
 *  is a job's (audit/writer.h), called after the identity has been checked again inside the transaction. COUNTS: the
 * act takes one use of the caller's token and of each of its ancestors. */
struct sr_act {
	const struct sr_caller *caller;
	struct sr_event event;
	CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err);
	void *arg;
	bool counts;
	bool policy_change;
	CK_ULONG audit_reason;
	CK_RV refused; /* act.c and denied.c alone: with which code, and for what the audit says */
	CK_ULONG refused_for;
};

/** sr_act_begin(act, caller, kind, path): an event of KIND by CALLER. PATH may be NULL. */
void sr_act_begin(struct sr_act *act, const struct sr_caller *caller, enum sr_event_kind kind, const char *path);

/** sr_act_commit(act, err): runs it; CKR_OK when it is durable. */
CK_RV sr_act_commit(struct sr_act *act, struct sr_error *err);

/** sr_act_record(act, rv, err): CKR_OK commits; anything else records that it was refused for what ERR holds, and
 * answers that code, or another where the record could not be written. */
CK_RV sr_act_record(struct sr_act *act, CK_RV rv, struct sr_error *err);

/** sr_act_submit(act, refuse, mute, err): the same without counting refusals; for denied.c. */
CK_RV sr_act_submit(struct sr_act *act, CK_RV refuse, bool mute, struct sr_error *err);

#endif
