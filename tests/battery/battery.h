/* What the chapters of the battery share: the module, a place with a vault in it, and an application's everyday steps.
 *
 * The battery knows nothing of the inside. It sees the module through its C_* functions and makes vaults with the tool,
 * so it is the same for every way that a process reaches its vault: place.c alone decides on that. */
#ifndef SR_BATTERY_H
#define SR_BATTERY_H

#include "pkcs11/cryptoki.h"
#include "pkcs11/strongroom.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

/* -- the module ----------------------------------------------------------------------------------------------- */
/** p11: the 3.1 function list; NULL until sr_load. */
extern CK_FUNCTION_LIST_3_0 *p11;

/** sr_load(): opens the module and points STRONGROOM_CONF at the place. A fixture for tests that initialise themselves.
 */
void sr_load(void);

/** sr_start(), sr_stop(): a fixture: sr_load and C_Initialize with CKF_OS_LOCKING_OK; C_Finalize where the test has not
 *  done so. */
void sr_start(void);
void sr_stop(void);

/** sr_initialize(): C_Initialize with CKF_OS_LOCKING_OK. */
CK_RV sr_initialize(void);

/** sr_symbol(name): what the module exports by that name, or NULL. sr_unload(): dlclose. */
void *sr_symbol(const char *name);
void sr_unload(void);

/** struct sr_row: one row of the table of calls. sr_call_words calls it with FIRST and zeros: every argument of every
 * call is one machine word, a pointer or a number. */
typedef void (*sr_any)(void);
struct sr_row {
	const char *name;
	size_t offset; /* in CK_FUNCTION_LIST_3_0 */
	int since;     /* 240 or 300 */
	bool session;  /* a session handle is its first argument */
	bool refused;  /* always, by design */
};
extern const struct sr_row sr_rows[];
extern const size_t sr_row_count;
CK_RV sr_call_words(const struct sr_row *row, CK_ULONG first);

const char *sr_code(CK_RV rv);

#define ck_assert_rv(call, want)                                                                      \
	do {                                                                                          \
		CK_RV got_ = (call);                                                                  \
		ck_assert_msg(got_ == (want), "%s: %s, not %s", #call, sr_code(got_), sr_code(want)); \
	} while (0)

/* Where the standard lets a library choose. */
#define ck_assert_rv_in(call, one, other)                                                                          \
	do {                                                                                                       \
		CK_RV got_ = (call);                                                                               \
		ck_assert_msg(got_ == (one) || got_ == (other), "%s: %s, neither %s nor %s", #call, sr_code(got_), \
			sr_code(one), sr_code(other));                                                             \
	} while (0)

/* -- the place ------------------------------------------------------------------------------------------------ */
#define SR_VAULT "battery" /* the default slot's label */
#define SR_ADMIN "admin"   /* the first admin, and a slot of its own */
#define SR_PASSPHRASE "correct horse battery staple"
#define SR_ADMIN_PIN SR_ADMIN ":" SR_PASSPHRASE

#define SR_STRIPE "production/payments/stripe"
#define SR_STRIPE_VALUE "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
#define SR_PAYPAL "production/payments/paypal"
#define SR_PAYPAL_VALUE "paypal-value"
#define SR_STAGING "staging/payments/stripe"
#define SR_STAGING_VALUE "sk_test_26PHem9AhJZvU623DfE1x4sd"

#define SR_TOKEN_LEN 30
#define SR_TOKEN_ENV "STRONGROOM_BATTERY_TOKEN"

/** struct sr_place: a directory with a vault, three secrets (above) and a token for each kind of program. Slots:
 * SR_VAULT; SR_ADMIN for the admin's work beside a test; "first" and "second" with the token files FIRST and SECOND,
 * which do not exist yet; "waiting" with WAITING and `wait = 60s'; "environment" with SR_TOKEN_ENV. A new member may
 * approve after a second. */
struct sr_place {
	char dir[256];
	char conf[320];
	char first[320];
	char second[320];
	char waiting[320];
	char reader[SR_TOKEN_LEN + 1];  /* secrets:read:production slash star */
	char lister[SR_TOKEN_LEN + 1];  /* secrets:list, the same paths */
	char writer[SR_TOKEN_LEN + 1];  /* read, list, write, delete there */
	char staging[SR_TOKEN_LEN + 1]; /* secrets:read under staging */
};
extern struct sr_place sr_place;

/** sr_place_make(), sr_place_remove(): an unchecked fixture: a copy of the one vault that is made for all of them, by
 *  processes of their own. sr_place_end(): after the last test, removes that one. */
void sr_place_make(void);
void sr_place_remove(void);
void sr_place_end(void);

/** sr_place_write(path, text): the file's whole content, put there by a rename. */
void sr_place_write(const char *path, const char *text);

/** sr_place_conf(vault_lines): another configuration beside the place's, with VAULT_LINES in its [vault] section, in
 *  STRONGROOM_CONF from now on. NULL: one whose vault does not exist. */
void sr_place_conf(const char *vault_lines);

/** sr_tool(arguments): runs the tool as the admin, in a process of its own; its exit code. ARGUMENTS end with NULL. */
int sr_tool(const char *const *arguments);

/* -- an application's steps: client.c. Those that answer nothing, or a handle, assert success --------------------- */
extern CK_BBOOL sr_yes, sr_no;
extern CK_OBJECT_CLASS sr_data;

#define SR_ATTR(type, variable)                     \
	{                                           \
		type, &(variable), sizeof(variable) \
	}
#define SR_TEXT(type, literal)                                \
	{                                                     \
		type, (CK_BYTE *)literal, sizeof(literal) - 1 \
	}
#define SR_STRING(type, string)                         \
	{                                               \
		type, (CK_BYTE *)string, strlen(string) \
	}
#define SR_COUNT(array) (sizeof(array) / sizeof(*(array)))

CK_RV sr_slot_find(const char *label, CK_SLOT_ID *slot); /* CKR_TOKEN_NOT_PRESENT: there is none */
CK_SLOT_ID sr_slot(const char *label);
CK_SESSION_HANDLE sr_open(const char *label, CK_FLAGS flags); /* CKF_SERIAL_SESSION is added */
CK_SESSION_HANDLE sr_rw(void);                                /* on SR_VAULT */
CK_RV sr_login(CK_SESSION_HANDLE session, const char *pin);
CK_SESSION_HANDLE sr_as(const char *pin); /* sr_rw, logged in */
CK_STATE sr_state(CK_SESSION_HANDLE session);
CK_ULONG sr_device_error(CK_SESSION_HANDLE session);

/** sr_admin(): a session of the slot SR_ADMIN with the admin logged in; opened once. */
CK_SESSION_HANDLE sr_admin(void);

/** sr_put(session, path, value, handle): C_CreateObject of a secret. */
CK_RV sr_put(CK_SESSION_HANDLE session, const char *path, const char *value, CK_OBJECT_HANDLE *handle);

/** sr_issue(session, scopes, ttl, uses, token, handle): USES NULL: unlimited. */
CK_RV sr_issue(CK_SESSION_HANDLE session, const char *scopes, const char *ttl, const char *uses,
	char token[SR_TOKEN_LEN + 1], CK_OBJECT_HANDLE *handle);

/** sr_token(scopes, ttl, uses, token): the same by the admin; the handle is one of sr_admin()'s, to revoke it by. */
CK_OBJECT_HANDLE sr_token(const char *scopes, const char *ttl, const char *uses, char token[SR_TOKEN_LEN + 1]);
void sr_revoke(CK_OBJECT_HANDLE token);

/** sr_find_all(session, template, count, found, max): a whole search; how many there are. FOUND may be NULL. */
CK_ULONG sr_find_all(
	CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *found, CK_ULONG max);

/** sr_find(session, path): the search that names the exact label; 0 where it finds nothing. */
CK_OBJECT_HANDLE sr_find(CK_SESSION_HANDLE session, const char *path);

/** sr_listed(session, path): a handle for PATH from a search that does not name it. */
CK_OBJECT_HANDLE sr_listed(CK_SESSION_HANDLE session, const char *path);

/** sr_get(session, object, type, buffer, len): one attribute; LEN is the room, then what there was. */
CK_RV sr_get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *buffer, CK_ULONG *len);

/** sr_value(session, object): C_GetAttributeValue of CKA_VALUE into a buffer that nobody looks at. */
CK_RV sr_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);

/** sr_is(session, object, type, text): asserts that an attribute is TEXT. */
void sr_is(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const char *text);

/* -- a second person: approver.c ----------------------------------------------------------------------------------- */
#define SR_REQUEST_MAX 64

/** sr_approver_add(): a member who may approve what the admin asks for; once for the place. sr_token_asked(scopes,
 *  token, request): a token of the admin's that is pending, and the id of its request. sr_decide(request, state): by
 * the second person: "approved", "denied". sr_decide_use(path, state): the one request for a use of the key there. */
void sr_approver_add(void);
void sr_token_asked(const char *scopes, char token[SR_TOKEN_LEN + 1], char request[SR_REQUEST_MAX]);
void sr_token_asked_for(/* the same, with a TTL of its own */
	const char *scopes, const char *ttl, char token[SR_TOKEN_LEN + 1], char request[SR_REQUEST_MAX]);
void sr_decide(const char *request, const char *state);
void sr_decide_use(const char *path, const char *state);

/* -- keys: keyring.c ----------------------------------------------------------------------------------------------- */
enum sr_kind { SR_RSA, SR_P256, SR_ED25519, SR_AES, SR_HMAC };

/** sr_pair(session, kind, path, public, private): C_GenerateKeyPair, token objects where PATH is not NULL, with the
 * rights that a template that names none gets. sr_secret_key likewise, by C_GenerateKey. */
CK_RV sr_pair(CK_SESSION_HANDLE session, enum sr_kind kind, const char *path, CK_OBJECT_HANDLE *public,
	CK_OBJECT_HANDLE *private);
CK_RV sr_secret_key(CK_SESSION_HANDLE session, enum sr_kind kind, const char *path, CK_OBJECT_HANDLE *key);

/** sr_import_aes(session, value, len, extra, count, key): C_CreateObject of a session AES key, EXTRA appended. */
CK_RV sr_import_aes(CK_SESSION_HANDLE session, const void *value, CK_ULONG len, const CK_ATTRIBUTE *extra,
	CK_ULONG count, CK_OBJECT_HANDLE *key);

/** sr_key(session, class, path): the one key object of that class there; 0: none. */
CK_OBJECT_HANDLE sr_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *path);

/** sr_flag(session, object, type): a CK_BBOOL attribute. sr_number: a CK_ULONG one. */
CK_BBOOL sr_flag(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_ULONG sr_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

/** sr_sign(session, mechanism, key, data, len, signature, signature_len): C_SignInit and C_Sign. sr_verify likewise. */
CK_RV sr_sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, const void *data,
	CK_ULONG len, CK_BYTE *signature, CK_ULONG *signature_len);
CK_RV sr_verify(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, const void *data,
	CK_ULONG len, const CK_BYTE *signature, CK_ULONG signature_len);

/** sr_events(event, status, path): how many records of the audit are so; PATH NULL: any. */
CK_ULONG sr_events(const char *event, const char *status, const char *path);

/** sr_chapter(name, set_up, tear_down): a suite's case with a place of its own; SET_UP and TEAR_DOWN go around each
 * test. */
TCase *sr_chapter(Suite *suite, const char *name, void (*set_up)(void), void (*tear_down)(void));

#endif
