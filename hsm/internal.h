/* What the files of hsm/ share. Nothing outside this folder includes it. */
#ifndef SR_HSM_INTERNAL_H
#define SR_HSM_INTERNAL_H

#include "hsm/hsm.h"

#include <limits.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <stdatomic.h>

#define SR_HSM_SESSIONS_MAX 64
#define SR_HSM_VAULT_ID_MAX 64
#define SR_HSM_LABEL_MAX 128
#define SR_HSM_KEY_BYTES 32
#define SR_HSM_POINT_LEN 65
#define SR_PIN_MAX 255

/* -- the PIN (pin.c) ------------------------------------------------------------------------------------------- */

/** struct sr_pin: at most SR_PIN_MAX bytes on a page of its own: locked, left out of core dumps, zero in a fork. */
struct sr_pin {
	uint8_t *bytes;
	size_t len;
};

bool sr_pin_init(struct sr_pin *pin);
void sr_pin_wipe(struct sr_pin *pin); /* cleanses, keeps the page */
void sr_pin_clear(struct sr_pin *pin);

/** sr_pin_read(source, pin, err): reads PIN from a pin-source of hsm.h, "prompt:" excepted. */
CK_RV sr_pin_read(const char *source, struct sr_pin *pin, struct sr_error *err);

/** sr_pin_is_prompt(source): NULL is none. */
bool sr_pin_is_prompt(const char *source);

/* -- the module (module.c, backend.c) -------------------------------------------------------------------------- */

/** sr_module_by_name(name, path): what p11-kit's module files call NAME; false where none does. */
bool sr_module_by_name(const char *name, char path[PATH_MAX]);
/** sr_module_softhsm(path): where libsofthsm2 is installed. */
bool sr_module_softhsm(char path[PATH_MAX]);

/** struct sr_backend: a loaded and initialised module. SOFTHSM_CONF is NULL unless the module is SoftHSM2. FOREIGN:
 *  libsofthsm2 was in this process before us, so its configuration is the program's and not ours to set. */
struct sr_backend {
	CK_FUNCTION_LIST *module;
	char *softhsm_conf;
	bool softhsm, foreign;
	bool own; /* this forked child's own copy of SoftHSM2 */
	CK_INFO info;
};

/** sr_backend_open(backend, path, softhsm_conf, err): loads, refuses what is no HSM, initialises. */
CK_RV sr_backend_open(struct sr_backend *backend, const char *path, const char *softhsm_conf, struct sr_error *err);
/** sr_backend_restart(backend, err): after somebody finalised the module under us. */
CK_RV sr_backend_restart(struct sr_backend *backend, struct sr_error *err);
void sr_backend_close(struct sr_backend *backend);
void sr_backend_abandon(struct sr_backend *backend);
/** sr_backend_advice(backend): one sentence on why a token may not be seen through this module. */
const char *sr_backend_advice(const struct sr_backend *backend);

/** SoftHSM2 in a forked child (softhsm_fork.c), with SR_LOCK_SOFTHSM held. sr_softhsm_own(path, module, err): a copy of
 * the library that shares nothing with the inherited one. Each start wants its stop, the last of which finalises. */
CK_RV sr_softhsm_own(const char *path, CK_FUNCTION_LIST **module, struct sr_error *err);
CK_RV sr_softhsm_own_start(void);
void sr_softhsm_own_stop(void);

/** sr_softhsm_lock(conf, alone): holds off other processes' writes (ALONE: their reads too) to the token directory of
 *  CONF. SoftHSM2 2.6.1 loses sight of a token for good when a file appears or goes while it lists them. Never taken
 *  twice by one thread. -1, which may be given back too, where CONF is NULL or cannot be locked. */
int sr_softhsm_lock(const char *conf, bool alone);
void sr_softhsm_unlock(int lock);
/** sr_softhsm_try_lock(conf, lock): the shared one, without waiting. False: somebody writes there just now. */
bool sr_softhsm_try_lock(const char *conf, int *lock);

/** with that lock, alone: sr_softhsm_restore brings back a token file that a killed login has left empty,
 *  sr_softhsm_keep copies a token file that is whole (tokenfile.c). */
void sr_softhsm_restore(const char *conf);
void sr_softhsm_keep(const char *conf);

/** struct sr_softhsm_place: the paths of a built-in token; sr_softhsm_find_place(dir, place, err): under DIR. */
struct sr_softhsm_place {
	char dir[PATH_MAX];
	char tokens[PATH_MAX];
	char conf[PATH_MAX];
	char pin[PATH_MAX];
};
CK_RV sr_softhsm_find_place(const char *dir, struct sr_softhsm_place *place, struct sr_error *err);

/** sr_softhsm_folder(path, err), sr_softhsm_write(path, data, len, err), sr_softhsm_write_conf(place, err): a new
 * folder (0700), a new file (0600, synced), SoftHSM2's configuration. */
CK_RV sr_softhsm_folder(const char *path, struct sr_error *err);
CK_RV sr_softhsm_write(const char *path, const void *data, size_t len, struct sr_error *err);
CK_RV sr_softhsm_write_conf(const struct sr_softhsm_place *place, struct sr_error *err);

/** sr_softhsm_tighten(conf): takes group's and others' rights from the token files beside CONF. */
void sr_softhsm_tighten(const char *conf);

/* -- the keys (keys.c, verify.c) ------------------------------------------------------------------------------- */

enum sr_hsm_role { SR_ROLE_SEAL, SR_ROLE_WRAP, SR_ROLE_MAC, SR_ROLE_AUDIT, SR_ROLES };

enum sr_right {
	SR_RIGHT_ENCRYPT = 1 << 0,
	SR_RIGHT_DECRYPT = 1 << 1,
	SR_RIGHT_SIGN = 1 << 2,
	SR_RIGHT_VERIFY = 1 << 3,
	SR_RIGHT_WRAP = 1 << 4,
	SR_RIGHT_UNWRAP = 1 << 5,
	SR_RIGHT_DERIVE = 1 << 6,
	SR_RIGHT_SIGN_RECOVER = 1 << 7,
	SR_RIGHT_VERIFY_RECOVER = 1 << 8
};

/** struct sr_right_row: one right and the key classes whose templates may name it. */
struct sr_right_row {
	enum sr_right right;
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	bool secret, private, public;
};
#define SR_RIGHT_ROWS 9
extern const struct sr_right_row sr_right_rows[SR_RIGHT_ROWS];

/** struct sr_key_row: what a key of one role is. RIGHTS of the secret or private key. */
struct sr_key_row {
	const char *word;
	CK_KEY_TYPE type;
	CK_MECHANISM_TYPE generate;
	unsigned rights;
	bool copy; /* used often: through a session-object copy where the backend makes one */
};
extern const struct sr_key_row sr_key_rows[SR_ROLES];
extern const uint8_t sr_p256_params[10];

void sr_key_label(const char *vault_id, enum sr_hsm_role role, unsigned generation, char label[SR_HSM_LABEL_MAX]);
void sr_key_id(enum sr_hsm_role role, unsigned generation, uint8_t id[5]);
CK_OBJECT_CLASS sr_key_class(enum sr_hsm_role role); /* of the secret or private key */

#define SR_HSM_SEALS_MAX 8
#define SR_HSM_CORES_MAX 8

/** struct sr_seal_key: a generation of the seal key beside the one that was loaded with the others. */
struct sr_seal_key {
	unsigned generation;
	CK_OBJECT_HANDLE handle;
	bool copied;
};

/** struct sr_core_key: the wrap, mac and audit keys of another generation than the newest. POINT: the audit key's
 * public half. */
struct sr_core_key {
	unsigned generation;
	CK_OBJECT_HANDLE wrap, mac;
	bool mac_copied;
	uint8_t point[SR_HSM_POINT_LEN];
};

/** struct sr_hsm_keys: handles to use. GENERATION 0: none loaded; SEAL_GENERATION is that of USE[SR_ROLE_SEAL], SEALS
 * are others of its generations that were needed, SEAL_NEXT the place of the next. CORES: those of the other three
 * beside GENERATION, the older ones as far as the HSM has them. */
struct sr_hsm_keys {
	unsigned generation, seal_generation;
	struct sr_seal_key seals[SR_HSM_SEALS_MAX];
	unsigned seal_next;
	struct sr_core_key cores[SR_HSM_CORES_MAX];
	CK_OBJECT_HANDLE use[SR_ROLES];
	bool copied[SR_ROLES];
	uint8_t point[SR_HSM_POINT_LEN]; /* the audit key's public half */
};

/* -- the HSM --------------------------------------------------------------------------------------------------- */

#define SR_HSM_MECHANISMS_MAX 256
#define SR_HSM_LOOK_MS 1000 /* between two looks whether the token is there, and two tries to get it back */

/** struct sr_hsm_witness: what shows that keys that are found again are those of before. GENERATION 0: none. */
struct sr_hsm_witness {
	unsigned generation;
	uint8_t point[SR_HSM_POINT_LEN];
	uint8_t mac[SR_HSM_MAC_LEN];
};

/** struct sr_known_mechanism: what C_GetMechanismInfo said. */
struct sr_known_mechanism {
	CK_MECHANISM_TYPE type;
	bool offered;
	CK_MECHANISM_INFO info;
};

/** struct sr_hsm: LOCK guards everything below it but the identity and what is set once at opening. */
struct sr_hsm {
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	pthread_cond_t settled; /* REOPENING is over, or INSIDE has become 0 */
	struct sr_backend backend;
	P11KitUri *uri;
	char *pin_source; /* NULL: none */
	bool (*prompt)(const char *token_label, struct sr_buf *pin);
	struct sr_pin pin;
	bool pin_kept;                 /* it came from a person or the URI: cannot be read again */
	bool pin_refused;              /* never offered a second time */
	bool restart;                  /* the module was finalised under us */
	bool reopening;                /* one thread finds the token again, and may have given LOCK back meanwhile */
	size_t inside;                 /* threads in the module without LOCK: it is not restarted under them */
	int64_t seen_ms;               /* when the token was there, by sr_clock_boot_ms */
	int64_t tried_ms;              /* when AWAY was the outcome */
	struct sr_error away;          /* why the token could not be had again; CKR_OK: it was never tried, or could */
	int64_t gone_ms;               /* since when it is away, of the wall clock; 0: it is not */
	struct sr_hsm_absence absence; /* the last one that nobody has been told of */
	_Atomic bool untold;
	char serial[17]; /* the token's when it was first opened: no other passes for it */
	CK_SLOT_ID slot;
	struct sr_hsm_identity identity;
	CK_SESSION_HANDLE keeper; /* keeps the login and owns the session-object copies; 0: not connected */
	CK_SESSION_HANDLE idle[SR_HSM_SESSIONS_MAX];
	size_t idle_count, open_count, limit;
	unsigned long epoch;                    /* counts the times that sessions were lost */
	char vault_id[SR_HSM_VAULT_ID_MAX + 1]; /* "": no keys wanted */
	unsigned wanted;                        /* generation */
	unsigned seal_from;                     /* of the seal key, where it is another; 0: the same */
	struct sr_hsm_keys keys;
	struct sr_hsm_witness witness;
	_Atomic unsigned generation; /* of KEYS, to read without the lock */
	unsigned long restarts;      /* of the module: a handle of before means another thing now, or nothing */
	/* sessions that one owner keeps for long: uses and nests */
	CK_SESSION_HANDLE own_idle[SR_HSM_SESSIONS_MAX];
	size_t own_idle_count, own_open, own_limit;
	size_t use_count;
	struct sr_hsm_use *uses;
	struct sr_hsm_nest *nests;
	struct sr_cache *cache; /* with locks of its own */
	struct {
		atomic_ulong turns, failed, lost, busy;
	} counts;
	struct sr_known_mechanism mechanisms[SR_HSM_MECHANISMS_MAX];
	size_t mechanism_count;
};

/** struct sr_hsm_turn: one call's hold on a session. */
struct sr_hsm_turn {
	CK_FUNCTION_LIST *module;
	const char *softhsm_conf; /* NULL: none */
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	unsigned long epoch, restarts;
	struct sr_hsm_keys keys;
};

/** sr_hsm_work: does a job and answers the backend's own code. Called a second time after lost sessions. */
typedef CK_RV sr_hsm_work(const struct sr_hsm_turn *turn, void *job);

/** sr_hsm_run(hsm, doing, work, job, err): runs WORK with a session; DOING ("seal a value") is for the error. Where
 *  the backend lost our sessions, login or handles it connects anew and runs WORK once more. */
CK_RV sr_hsm_run(struct sr_hsm *hsm, const char *doing, sr_hsm_work *work, void *job, struct sr_error *err);

/** sr_hsm_try(hsm, work, job, why): the same, but the answer is the backend's own code; WHY is filled where it is not:
 *  no session could be had. */
CK_RV sr_hsm_try(struct sr_hsm *hsm, sr_hsm_work *work, void *job, struct sr_error *why);

/** sr_hsm_need_keys(hsm, err): refuses before keys are loaded. */
CK_RV sr_hsm_need_keys(struct sr_hsm *hsm, struct sr_error *err);

/** sr_hsm_fail(err, rv, doing): the error for a backend's code RV. */
CK_RV sr_hsm_fail(struct sr_error *err, CK_RV rv, const char *doing);

/** sr_hsm_wrong(err, doing): the error for an answer that was CKR_OK and did not stand a second look. */
CK_RV sr_hsm_wrong(struct sr_error *err, const char *doing);

/** sr_hsm_is_lost(rv): whether RV says that sessions, login or handles are gone. */
bool sr_hsm_is_lost(CK_RV rv);

/** sr_session_open(module, slot, session): read and write, or what a write-protected token gives. */
CK_RV sr_session_open(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, CK_SESSION_HANDLE *session);

/** with LOCK held: sr_pool_drop forgets all sessions; RV (the lost code) tells whether the module must be restarted. */
void sr_pool_drop(struct sr_hsm *hsm, CK_RV rv);
/** sr_pool_lose(hsm, epoch, rv): drops the sessions unless another thread has done so since EPOCH. */
void sr_pool_lose(struct sr_hsm *hsm, unsigned long epoch, CK_RV rv);
/** sr_pool_take_own(hsm, within, turn, err): a session to keep for long, of as many as the token's limit leaves beside
 * the pool. WITHIN: the turn that the caller is in, whose epoch it must be of; NULL: none. ERR is filled for what is
 * final (CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE: no more of them); else the answer is the backend's own code.
 * sr_pool_give_own(hsm, turn, clean): CLEAN: nothing is active in it. */
CK_RV sr_pool_take_own(
	struct sr_hsm *hsm, const struct sr_hsm_turn *within, struct sr_hsm_turn *turn, struct sr_error *err);
void sr_pool_give_own(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, bool clean);
/** sr_pool_enter(hsm, turn): before each call with a session that is kept for long; CKR_DEVICE_REMOVED: it is not worth
 * anything any more. Where CKR_OK sr_pool_leave(hsm) follows the call. */
CK_RV sr_pool_enter(struct sr_hsm *hsm, const struct sr_hsm_turn *turn);
void sr_pool_leave(struct sr_hsm *hsm);
/** sr_pool_doubt(hsm, turn, rv): what the answer RV of a call within TURN is worth: a lost code where TURN is lost by
 * now, or as sr_turn_doubt. */
CK_RV sr_pool_doubt(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, CK_RV rv);
/** with LOCK held: sr_pool_await waits while another thread finds the token again; sr_hsm_connect finds the token,
 * opens the keeper, logs in, and may give LOCK back meanwhile: REOPENING is set. */
void sr_pool_await(struct sr_hsm *hsm);
CK_RV sr_hsm_connect(struct sr_hsm *hsm, struct sr_error *err);
/** with LOCK held and connected: finds and verifies the wanted keys. A lost code comes back with ERR untouched.
 * sr_keys_find_seal(hsm, generation, err): one more generation of the seal key, among hsm->keys. */
CK_RV sr_keys_find(struct sr_hsm *hsm, struct sr_error *err);
CK_RV sr_keys_find_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
/** sr_keys_find_role(turn, hsm, role, generation, keys, err): one key, into KEYS. sr_keys_find_older(turn, hsm, keys):
 * those of the generations before KEYS', as far as the HSM has them, with the SoftHSM2 lock.
 * sr_keys_destroy_copies(turn, keys). sr_keys_check_witness(turn, hsm, keys, err): KEYS are those that were there
 * before, or the first. */
CK_RV sr_keys_find_role(const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, enum sr_hsm_role role,
	unsigned generation, struct sr_hsm_keys *keys, struct sr_error *err);
CK_RV sr_keys_find_older(const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, struct sr_hsm_keys *keys);
void sr_keys_destroy_copies(const struct sr_hsm_turn *turn, const struct sr_hsm_keys *keys);
CK_RV sr_keys_check_witness(
	const struct sr_hsm_turn *turn, struct sr_hsm *hsm, const struct sr_hsm_keys *keys, struct sr_error *err);
/** sr_keys_find_newer(hsm, rv, err): sr_keys_find has failed by RV and ERR, and the keys were there once: whether they
 * were retired since, so that those of a newer generation are to be found in their place. */
CK_RV sr_keys_find_newer(struct sr_hsm *hsm, CK_RV rv, struct sr_error *err);
/** sr_keys_find_core(hsm, generation, err): the other three keys of one more generation, among hsm->keys.
 * sr_keys_advance(hsm, generation, err): these become the newest; those that were stay among the others. */
CK_RV sr_keys_find_core(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
CK_RV sr_keys_advance(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
/** sr_keys_seal(keys, generation): its handle, 0 where it was not found yet. */
CK_OBJECT_HANDLE sr_keys_seal(const struct sr_hsm_keys *keys, unsigned generation);
/** sr_keys_wrap(keys, generation), sr_keys_mac(keys, generation): the same of these; generation 0 is the newest.
 *  sr_keys_point(keys, generation): the audit key's public half, NULL where it is not known. */
CK_OBJECT_HANDLE sr_keys_wrap(const struct sr_hsm_keys *keys, unsigned generation);
CK_OBJECT_HANDLE sr_keys_mac(const struct sr_hsm_keys *keys, unsigned generation);
const uint8_t *sr_keys_point(const struct sr_hsm_keys *keys, unsigned generation);
/** sr_keys_generate_one(turn, vault_id, role, generation) */
CK_RV sr_keys_generate_one(
	const struct sr_hsm_turn *turn, const char *vault_id, enum sr_hsm_role role, unsigned generation);

/** sr_hsm_need(hsm, generation, find, doing, err): FIND with LOCK held and keys loaded, anew where the backend had lost
 *  them (generations.c). */
typedef CK_RV sr_hsm_find(struct sr_hsm *hsm, unsigned generation, struct sr_error *err);
CK_RV sr_hsm_need(struct sr_hsm *hsm, unsigned generation, sr_hsm_find *find, const char *doing, struct sr_error *err);

/** struct sr_role_job: one key that is made or destroyed; FOUND of that label. sr_role_run(hsm, doing, job, err): made
 *  where none is there; destroyed where DESTROY, the audit key's public half too. */
struct sr_role_job {
	enum sr_hsm_role role;
	unsigned generation;
	bool destroy;
	char vault_id[SR_HSM_VAULT_ID_MAX + 1];
	CK_ULONG found;
};
CK_RV sr_role_run(struct sr_hsm *hsm, const char *doing, struct sr_role_job *job, struct sr_error *err);

/* -- presence.c ------------------------------------------------------------------------------------------------ */

/** sr_token_is_there(module, slot): whether the slot has its token. With the SoftHSM2 lock held, or without need. */
bool sr_token_is_there(CK_FUNCTION_LIST *module, CK_SLOT_ID slot);
/** sr_turn_is_logged_in(turn) */
bool sr_turn_is_logged_in(const struct sr_hsm_turn *turn);
/** sr_turn_doubt(turn, rv): some backends have one word for bad input and for a token that is gone. Where RV is such a
 * word, and token, login or the vault's keys are not what they were when TURN began: a lost code. Else RV. Not with the
 * SoftHSM2 lock held. */
CK_RV sr_turn_doubt(const struct sr_hsm_turn *turn, CK_RV rv);
/** with LOCK held: sr_presence_check looks at what is connected, where that was not done a moment ago; a lost code
 * where it is not what it was. sr_presence_lost, _back and _failed keep the times. sr_presence_wait: whether it is too
 * early for another try; ERR gets the outcome of the last one. */
CK_RV sr_presence_check(struct sr_hsm *hsm);
void sr_presence_lost(struct sr_hsm *hsm);
void sr_presence_back(struct sr_hsm *hsm);
void sr_presence_failed(struct sr_hsm *hsm, const struct sr_error *why);
bool sr_presence_wait(const struct sr_hsm *hsm, struct sr_error *err);

/* -- uri.c ----------------------------------------------------------------------------------------------------- */

/** sr_uri_open(hsm, config, path, err): parses the URI; PATH gets the module's. */
CK_RV sr_uri_open(struct sr_hsm *hsm, const struct sr_hsm_config *config, char path[PATH_MAX], struct sr_error *err);
/** sr_uri_find_token(hsm, found, err): sets SLOT and IDENTITY; FOUND gets what the token says of itself. */
CK_RV sr_uri_find_token(struct sr_hsm *hsm, CK_TOKEN_INFO *found, struct sr_error *err);
/** sr_uri_is_known(hsm, token): TOKEN has the serial of the one that was opened first. */
bool sr_uri_is_known(const struct sr_hsm *hsm, const CK_TOKEN_INFO *token);

/* -- object.c: the standard's object calls, one attribute at a time -------------------------------------------- */

#define SR_ATTR_BOOL(type, flag)                 \
	{                                        \
		(type), (flag), sizeof(CK_BBOOL) \
	}

CK_RV sr_object_find(const struct sr_hsm_turn *turn, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *found,
	CK_ULONG max, CK_ULONG *found_count);
CK_RV sr_object_bool(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool *out);
CK_RV sr_object_number(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *out);
CK_RV sr_object_bytes(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out,
	size_t max, size_t *len);

/** sr_object_find_label(turn, class, label, found, max, count): token objects of CLASS with exactly this label. */
CK_RV sr_object_find_label(const struct sr_hsm_turn *turn, CK_OBJECT_CLASS class, const char *label,
	CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count);

#endif
