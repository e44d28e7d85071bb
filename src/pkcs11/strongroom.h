/* Strongroom's vendor definitions: object classes, attributes, reasons and the vendor interface.
 *
 * The one public header. Include a PKCS#11 header of your choice first (p11-kit's, OASIS's). No standard object ever
 * needs anything from here: secrets are CKO_DATA, keys are keys. What is here administers the vault.
 *
 * Vendor attributes carry UTF-8 text without a terminating NUL: numbers in decimal, times in RFC 3339 UTC, lists one
 * item a line. So they mean the same on every machine. */
#ifndef STRONGROOM_H
#define STRONGROOM_H

/* Every vendor number carries "SR" in its upper half. */
#define SR_VENDOR(n) (0x80000000UL | 0x53520000UL | (n))

/* -- object classes ------------------------------------------------------------------------------------------- */
#define CKO_SR_TOKEN                                                                               \
	SR_VENDOR(0x01) /* a scoped token; CKA_VALUE readable once, in the session that issued it; \
			   C_DestroyObject revokes it */
#define CKO_SR_AGENT                                                                                           \
	SR_VENDOR(0x02) /* an agent; CKA_VALUE (its key) readable once, in the session that created it or gave \
			   it a new key; C_DestroyObject revokes it */
#define CKO_SR_MEMBER SR_VENDOR(0x03)   /* a person; CKA_VALUE, in a create or set template only: the passphrase */
#define CKO_SR_APPROVAL SR_VENDOR(0x04) /* a request; decided by setting CKA_SR_STATE, with CKA_SR_DECISION */
#define CKO_SR_POLICY SR_VENDOR(0x05)   /* what tokens that reach a tier under a glob need */
#define CKO_SR_EVENT SR_VENDOR(0x06)    /* an audit event; read-only; the search template is the query */
#define CKO_SR_JOB SR_VENDOR(0x07)      /* a piece of work: created to start it, read for its result */
#define CKO_SR_ROTATION SR_VENDOR(0x0a) /* how often secrets under a glob want a new value */
#define CKO_SR_FREEZE SR_VENDOR(0x0c)   /* a path of which nothing leaves; released by setting CKA_SR_STATE */

/* -- attributes ----------------------------------------------------------------------------------------------- */
/* of secrets */
#define CKA_SR_TIER SR_VENDOR(0x101)    /* "standard", "sensitive", "critical" */
#define CKA_SR_TYPE SR_VENDOR(0x102)    /* credential type, [a-z0-9-]{1,32}; "generic" unless given */
#define CKA_SR_VERSION SR_VENDOR(0x103) /* current version, from 1 */
#define CKA_SR_IF_VERSION                                                                       \
	SR_VENDOR(0x104) /* in a create or set template only: refuse unless this is the current \
			    version; "0": the secret must not exist */
#define CKA_SR_CREATED_AT SR_VENDOR(0x105)
#define CKA_SR_UPDATED_AT SR_VENDOR(0x106)
#define CKA_SR_ROTATION_DUE SR_VENDOR(0x107)
#define CKA_SR_GRACE_UNTIL SR_VENDOR(0x108)
#define CKA_SR_ROTATED_AT SR_VENDOR(0x109) /* when the value was set last */
/* CKA_SR_VERSION with the exact CKA_LABEL in a search template finds that version as an object of its own;
 * C_DestroyObject on it destroys that version alone. In a C_SetAttributeValue template it rolls back: the value of that
 * version becomes the next one. CKA_SR_GRACE (seconds, "0" to "86400") with CKA_VALUE in a C_SetAttributeValue
 * template: a rotation; tokens issued before may read the old version that long. CKA_SR_EXPIRES_AT: when whoever gave
 * the value lets it end. CKA_SR_STATE "active" in a create template without CKA_VALUE: the deleted secret is back. */

/* of keys */
#define CKA_SR_CUSTODY SR_VENDOR(0x110) /* "resident", "wrapped"; of public keys and certificates "open" */
/* CKA_SR_GRACE (seconds, "0" to "31536000") alone in a C_SetAttributeValue template on a private or secret key: a
 * rotation; the former key may do that long what receives. CKA_SR_GRACE_UNTIL of a former key: when it ends. */

/* of tokens */
#define CKA_SR_ID SR_VENDOR(0x120)          /* the id, never secret: "t-" and 16 base32 characters */
#define CKA_SR_SCOPES SR_VENDOR(0x121)      /* scopes, one a line */
#define CKA_SR_TTL SR_VENDOR(0x122)         /* seconds, 1 to 86400 */
#define CKA_SR_MAX_USES SR_VENDOR(0x123)    /* 1 or more; absent: unlimited */
#define CKA_SR_USES SR_VENDOR(0x124)        /* uses counted so far */
#define CKA_SR_ALLOWED_IPS SR_VENDOR(0x125) /* hosts and CIDR, one a line; absent: anywhere */
#define CKA_SR_DESCRIPTION SR_VENDOR(0x126) /* free text, 256 bytes at most */
#define CKA_SR_STATE                                                                                                  \
	SR_VENDOR(0x127) /* of tokens "active", "expired", "used_up", "revoked", and what an approval may be; of jobs \
			    "done", "failed"; of members "active", "removed"; of agents "active", "suspended",        \
			    "revoked", "expired" (set: "active", "suspended"); of approvals "pending", "approved",    \
			    "denied", "canceled", "timed_out", "expired" (set: "approved", "denied", "canceled",      \
			    "broken_glass") */
#define CKA_SR_EXPIRES_AT SR_VENDOR(0x128)
#define CKA_SR_ISSUER SR_VENDOR(0x129)    /* "member:NAME", "token:ID", "agent:NAME" */
#define CKA_SR_PARENT SR_VENDOR(0x12a)    /* the parent token's id; absent: none */
#define CKA_SR_REACHES SR_VENDOR(0x12b)   /* in a search template only: live tokens whose scopes reach this path */
#define CKA_SR_CLEARANCE SR_VENDOR(0x12c) /* the highest tier that it delivers */
#define CKA_SR_APPROVAL SR_VENDOR(0x12d)  /* the id of its approval; absent: it needed none */
#define CKA_SR_REQUIRE_APPROVAL SR_VENDOR(0x12e) /* "true", in a create template: wants one where none is needed */
#define CKA_SR_OWNER SR_VENDOR(0x12f)            /* the member who answers for it; of agents too */

/* of events; as criteria in a search template too */
#define CKA_SR_EVENT_ID SR_VENDOR(0x140)
#define CKA_SR_TIMESTAMP SR_VENDOR(0x141)
#define CKA_SR_EVENT SR_VENDOR(0x142)      /* "secret.read"; as a criterion one a line, any of them */
#define CKA_SR_STATUS SR_VENDOR(0x143)     /* "allowed", "denied", "error" */
#define CKA_SR_ACTOR_TYPE SR_VENDOR(0x144) /* "member", "token", "agent", "anonymous", "system" */
#define CKA_SR_ACTOR_ID SR_VENDOR(0x145)
#define CKA_SR_TOKEN_ID SR_VENDOR(0x146)
#define CKA_SR_IP SR_VENDOR(0x147)       /* "local" for an embedded caller; as a criterion CIDR */
#define CKA_SR_PEER SR_VENDOR(0x148)     /* "uid=0 pid=1" */
#define CKA_SR_FUNCTION SR_VENDOR(0x149) /* the C_* function */
#define CKA_SR_RV SR_VENDOR(0x14a)       /* "CKR_OK" */
#define CKA_SR_REASON SR_VENDOR(0x14b)
#define CKA_SR_PATH SR_VENDOR(0x14c)     /* as a criterion a glob */
#define CKA_SR_METADATA SR_VENDOR(0x14d) /* a JSON object */
#define CKA_SR_SINCE SR_VENDOR(0x14e)    /* criterion only */
#define CKA_SR_UNTIL SR_VENDOR(0x14f)    /* criterion only */
#define CKA_SR_LIMIT SR_VENDOR(0x150)    /* criterion only: the newest N */
#define CKA_SR_RESOURCE_TIER SR_VENDOR(0x151)
#define CKA_SR_FORMAT SR_VENDOR(0x152) /* of an export: "csv", "jsonl" */
#define CKA_SR_AFTER SR_VENDOR(0x153)  /* of an export or a tail: the last record of the page before */

/* of members */
#define CKA_SR_NAME SR_VENDOR(0x160)
#define CKA_SR_ROLE SR_VENDOR(0x161)    /* "admin", "editor", "viewer", "auditor" */
#define CKA_SR_MADE_BY SR_VENDOR(0x162) /* who last added, promoted or reset the member */

/* of agents: CKA_SR_NAME, _SCOPES, _ALLOWED_IPS, _MAX_USES, _DESCRIPTION, _OWNER, _STATE, and */
#define CKA_SR_MAX_TTL SR_VENDOR(0x168) /* seconds: of the tokens it asks for */
#define CKA_SR_GRACE                                                                                          \
	SR_VENDOR(0x169) /* seconds, in a create template: the agent of that name gets a new key, and the old \
			    one is good that long */
#define CKA_SR_KEY_NEEDED SR_VENDOR(0x1d8) /* "true": it has no key since the vault was moved; absent: it has one */
/* CKA_SR_TTL in a create template: seconds until the agent ends; absent: it does not. CKA_SR_EXPIRES_AT shows it. */

/* of approvals: CKA_SR_ID, _KIND ("token", "policy", "tier", "use", "release"), _STATE, _TIER, _PATH, _TOKEN_ID,
 * _SCOPES (a token's), _CREATED_AT, _EXPIRES_AT (when it times out), _OWNER, _REASON (why it is asked for), and */
#define CKA_SR_NEEDED SR_VENDOR(0x190)     /* approvals */
#define CKA_SR_HAVE SR_VENDOR(0x191)       /* approvals */
#define CKA_SR_NOT_BEFORE SR_VENDOR(0x192) /* when the delay is over; absent while it is pending */
#define CKA_SR_REQUESTER SR_VENDOR(0x193)  /* "member:NAME", "agent:NAME", "token:ID" */
#define CKA_SR_DECISION SR_VENDOR(0x194)   /* the reason given with the last decision; set: with CKA_SR_STATE */
#define CKA_SR_DECIDED_BY SR_VENDOR(0x195) /* who denied, cancelled or broke the glass */
#define CKA_SR_VOTES SR_VENDOR(0x196)      /* who approved, one a line */
#define CKA_SR_CHANGE SR_VENDOR(0x197)     /* what would change, of a policy or tier */

/* of policies: CKA_SR_PATH (the glob), CKA_SR_TIER, _CREATED_AT, _UPDATED_AT, _ISSUER (who set it), and */
#define CKA_SR_APPROVALS SR_VENDOR(0x1a0)   /* how many; 0 to 10 */
#define CKA_SR_DELAY SR_VENDOR(0x1a1)       /* seconds between the last approval and the effect */
#define CKA_SR_TIMEOUT SR_VENDOR(0x1a2)     /* seconds until an undecided request ends */
#define CKA_SR_BREAK_GLASS SR_VENDOR(0x1a3) /* "true", "false": whether one admin may decide alone in an emergency */
#define CKA_SR_EACH_USE SR_VENDOR(0x1a4)    /* "true", "false": a fresh approval for each use of a private key */

/* of rotation periods: CKA_SR_PATH (the glob), _CREATED_AT, _UPDATED_AT, _ISSUER (who set it), and */
#define CKA_SR_PERIOD SR_VENDOR(0x1b0) /* seconds; of a secret, the one that holds for it */
/* of freezes: CKA_SR_PATH, CKA_SR_REASON (must be given), _TIER, _CREATED_AT, _ISSUER (who froze it), and CKA_SR_STATE:
 * "frozen" (set: "released", with CKA_SR_REASON) */

/* of jobs */
#define CKA_SR_KIND SR_VENDOR(0x180)   /* which job: docs/pkcs11.md */
#define CKA_SR_RESULT SR_VENDOR(0x181) /* a JSON object, its keys as docs/ lists them */
#define CKA_SR_OFFSET SR_VENDOR(0x188) /* in a create template: where a piece, or a step, begins */
#define CKA_SR_BEFORE SR_VENDOR(0x1c0) /* of audit-prune, in its template: what is older may go */

/* -- reasons: CK_SESSION_INFO.ulDeviceError and sr_last_error -------------------------------------------------- */
/* X(name, number, word in the audit). A refused login and an object not found are one constant each here; only the
 * audit tells more. */
#define SR_REASONS(X)                                                                                            \
	X(NONE, 0, "none")                                                                                       \
	X(LOGIN_REFUSED, 1, "login_refused")       /* what every refused login says to the caller */             \
	X(NOT_FOUND, 2, "not_found")               /* not there, or not for you */                               \
	X(UNKNOWN_TOKEN, 3, "unknown_token")       /* audit only */                                              \
	X(WRONG_PASSPHRASE, 4, "wrong_passphrase") /* audit only */                                              \
	X(ADDRESS_NOT_ALLOWED, 5, "address_not_allowed")                                                         \
	X(EXPIRED, 6, "expired")                                                                                 \
	X(REVOKED, 7, "revoked")                                                                                 \
	X(USED_UP, 8, "used_up")                                                                                 \
	X(OUT_OF_SCOPE, 9, "out_of_scope")                                                                       \
	X(APPROVAL_REQUIRED, 10, "approval_required")                                                            \
	X(READ_BY_LISTING, 11, "read_by_listing") /* name the exact CKA_LABEL in the search */                   \
	X(ROLE_NOT_ALLOWED, 12, "role_not_allowed")                                                              \
	X(BAD_PATH, 13, "bad_path")                                                                              \
	X(BAD_SCOPE, 14, "bad_scope")                                                                            \
	X(BAD_ADDRESS, 15, "bad_address")                                                                        \
	X(BAD_DURATION, 16, "bad_duration")                                                                      \
	X(BAD_NUMBER, 17, "bad_number")                                                                          \
	X(BAD_TEMPLATE, 18, "bad_template")                                                                      \
	X(TOO_LARGE, 19, "too_large")                                                                            \
	X(VERSION_MISMATCH, 20, "version_mismatch")                                                              \
	X(TIER_LOWERED, 21, "tier_lowered")                                                                      \
	X(PATH_TAKEN, 22, "path_taken")                                                                          \
	X(CHANGED_MEANWHILE, 23, "changed_meanwhile") /* what the check saw was changed before the commit */     \
	X(WEAK_PASSPHRASE, 24, "weak_passphrase")                                                                \
	X(CUSTODY, 25, "custody") /* the HSM cannot hold this kind of key in this way */                         \
	X(RIGHTS, 26, "rights")   /* rights that one key, or one material, cannot have together */               \
	X(UNEXTRACTABLE, 27, "unextractable")                                                                    \
	X(MECHANISM, 28, "mechanism")                 /* not offered, or not for this key */                     \
	X(NOT_AUTHENTICATED, 29, "not_authenticated") /* C_Login(CKU_CONTEXT_SPECIFIC) is wanted first */        \
	X(SELF_APPROVAL, 30, "self_approval")         /* nobody approves what they, or theirs, have asked for */ \
	X(ALREADY_VOTED, 31, "already_voted")                                                                    \
	X(FRESH_MEMBER, 32, "fresh_member") /* added, promoted or reset by the requester a moment ago */         \
	X(LAST_ADMIN, 33, "last_admin")                                                                          \
	X(BEYOND_CEILING, 34, "beyond_ceiling")   /* wider than the agent, or the parent token */                \
	X(APPROVAL_DENIED, 35, "approval_denied") /* or cancelled */                                             \
	X(APPROVAL_TIMED_OUT, 36, "approval_timed_out")                                                          \
	X(DECIDED, 37, "decided") /* the request is decided, or ended */                                         \
	X(BAD_POLICY, 38, "bad_policy")                                                                          \
	X(NAME_TAKEN, 39, "name_taken")                                                                          \
	X(NOT_CONFIGURED, 40, "not_configured")                                                                  \
	X(BAD_CONFIG, 41, "bad_config")                                                                          \
	X(VAULT_MISSING, 42, "vault_missing")                                                                    \
	X(VAULT_PERMISSIONS, 43, "vault_permissions")                                                            \
	X(VAULT_INCOMPLETE, 44, "vault_incomplete")                                                              \
	X(VAULT_SCHEMA, 45, "vault_schema")                                                                      \
	X(VAULT_BUSY, 46, "vault_busy")                                                                          \
	X(VAULT_CORRUPT, 47, "vault_corrupt")                                                                    \
	X(STORE_FULL, 48, "store_full")                                                                          \
	X(STORE_FAILED, 49, "store_failed")                                                                      \
	X(AUDIT_FAILED, 50, "audit_failed")                                                                      \
	X(ROW_FORGED, 51, "row_forged")   /* its MAC does not fit */                                             \
	X(ROW_STALE, 52, "row_stale")     /* an older row than the audit chain knows */                          \
	X(ROW_MISSING, 53, "row_missing") /* the audit chain knows a row that is not there */                    \
	X(ROLLED_BACK, 54, "rolled_back") /* the database is older than the heads file or the HSM's anchor */    \
	X(CHAIN_BROKEN, 55, "chain_broken")                                                                      \
	X(CLOCK_NOT_BACK, 56, "clock_not_back") /* it is not behind the newest record */                         \
	X(SERVER_AWAY, 57, "server_away")       /* nothing answers where strongroomd should be */                \
	X(SERVER_REFUSED, 58, "server_refused") /* not the right server, or no TLS 1.3 */                        \
	X(HSM_MISSING, 60, "hsm_missing")       /* module or token not there */                                  \
	X(HSM_PIN, 61, "hsm_pin")                                                                                \
	X(HSM_KEY_REFUSED, 62, "hsm_key_refused") /* imported, extractable, missing or with surplus rights */    \
	X(HSM_FAILED, 63, "hsm_failed")                                                                          \
	X(HSM_BACKEND_REFUSED, 64, "hsm_backend_refused") /* ourselves, or p11-kit-proxy */                      \
	X(SEAL_BROKEN, 65, "seal_broken")                 /* a sealed value does not open where it stands */     \
	X(SLOWED, 66, "slowed")                           /* audit only: too many wrong passphrases at once */   \
	X(FROZEN, 67, "frozen")                           /* the path is frozen: strongroom incident */          \
	X(MEMORY, 70, "memory")                                                                                  \
	X(INTERNAL, 71, "internal")                                                                              \
	X(VERSION_CLOSED, 80, "version_closed")   /* an old version, and its grace is over or was never yours */ \
	X(VERSION_CURRENT, 81, "version_current") /* what is current cannot be destroyed or rolled back to */    \
	X(GRACES_FULL, 82, "graces_full")         /* too many graces of one secret run at once */                \
	X(NOT_DELETED, 83, "not_deleted")         /* there is nothing to undelete */                             \
	X(AUDIT_KEPT, 84, "audit_kept")           /* records as young as that are not removed */                 \
	X(KEY_ROTATED, 94, "key_rotated")         /* begun with a key that was rotated meanwhile */              \
	X(FORMER_KEY, 95, "former_key")           /* a key from before a rotation: it is read-only */            \
	X(NOT_GENERATED, 96, "not_generated")     /* a key of this kind cannot be made here */                   \
	X(KEY_NEEDED, 114, "key_needed")          /* the agent has none since the vault was moved */             \
	X(HSM_TAKEN, 115, "hsm_taken")            /* the HSM to move to is the vault's, or has keys of it */

#define SR_REASON_CONSTANT(name, number, word) SR_REASON_##name = number,
enum sr_reason { SR_REASONS(SR_REASON_CONSTANT) SR_REASON_END };
#undef SR_REASON_CONSTANT

/* -- the vendor interface ------------------------------------------------------------------------------------- */
/* C_GetInterface("Vendor Strongroom", NULL, &interface, 0) gives it; callable before C_Initialize. */
#define SR_INTERFACE_NAME "Vendor Strongroom"

/** struct sr_vault_plan: what sr_vault_create makes. NAME, ADMIN and HSM_URI may be NULL ("strongroom", "admin", a
 *  SoftHSM2 token inside DIR). PASSPHRASE is the first admin's, 12 to 200 bytes. */
struct sr_vault_plan {
	const char *dir;
	const char *name;
	const char *admin;
	const unsigned char *passphrase;
	unsigned long passphrase_len;
	const char *hsm_uri;
};

/** struct sr_restore_plan: what sr_vault_restore makes of the backup FILE in the new directory DIR. The HSM is the one
 * in the backup where PASSPHRASE is given (the recovery passphrase; else NULL), else HSM_URI's, else (NULL) the
 * configured one. */
struct sr_restore_plan {
	const char *file;
	const char *dir;
	const char *hsm_uri;
	const unsigned char *passphrase;
	unsigned long passphrase_len;
};

/** struct sr_move_plan: where sr_vault_move takes the configured vault. HSM_URI: the new HSM; DIR: a new directory;
 * PIN: an admin's, as for C_Login. WITHOUT_RESIDENT: though the vault has resident keys, which stay behind. PROGRESS,
 * with CTX, is told from time to time how many of TOTAL rows or values ("rows", "values") are done; NULL: it is not. */
struct sr_move_plan {
	const char *hsm_uri;
	const char *dir;
	const unsigned char *pin;
	unsigned long pin_len;
	int without_resident;
	void (*progress)(const char *what, unsigned long done, unsigned long total, void *ctx);
	void *ctx;
};

/** struct sr_interface: the vendor function list. Every text returned is a JSON object that the caller gives back
 *  to sr_free. Functions answer CKR_* codes and set the thread's last error. Any thread. */
typedef struct sr_interface {
	CK_VERSION version; /* 1.0 */

	/** The calling thread's last reason: its SR_REASON_* number, and one English line (valid until the thread's
	 * next call; "" for none). Never more revealing than the code that was returned. */
	CK_ULONG (*sr_last_error)(const char **text);

	/** Makes a new vault and its configuration file; all or nothing. RESULT: "vault_id", "config",
	 *  "audit_key_fingerprint". */
	CK_RV (*sr_vault_create)(const struct sr_vault_plan *plan, char **result);

	/** What the HSM behind HSM_URI (NULL: the configured one) can do and what Strongroom will use: see docs/hsm.md.
	 */
	CK_RV (*sr_hsm_probe)(const char *hsm_uri, char **result);

	/** Looks at the configured set-up from the outside, without a login, and changes nothing. RESULT: an array
	 *  "checks" of {"check", "ok", "detail", "advice"}. CKR_OK when it could look, whatever it found. */
	CK_RV (*sr_doctor)(char **result);

	void (*sr_free)(char *text);

	/** For a program with a person before it: ASK is called where the HSM's pin-source is "prompt:", with the HSM
	 * token's label; it writes at most *LEN bytes to PIN, sets *LEN and answers 1, or 0 when nobody answers. NULL
	 * takes it back. Set it before C_Initialize, from one thread. Without it such an HSM is refused: a guest never
	 * asks. */
	void (*sr_set_prompt)(int (*ask)(const char *token_label, unsigned char *pin, unsigned long *len));

	/** Makes a vault of a backup, and its configuration file; all or nothing. RESULT: docs/backup.md. */
	CK_RV (*sr_vault_restore)(const struct sr_restore_plan *plan, char **result);

	/** Makes a copy of the configured vault in a new directory, under new keys in another HSM; all or nothing. The
	 *  vault stays as it is. RESULT: docs/backup.md. */
	CK_RV (*sr_vault_move)(const struct sr_move_plan *plan, char **result);
} SR_INTERFACE;

#endif
