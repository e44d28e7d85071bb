/* A client context of the real call layer over the fake vault, for the tests of src/pkcs11. */
#ifndef SR_TESTS_PKCS11_FIXTURE_H
#define SR_TESTS_PKCS11_FIXTURE_H

#include "module/backend.h"
#include "tests/unit/fake_vault.h"

#include <check.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define GOOD ((CK_UTF8CHAR_PTR) "good")

/** struct fixture: SLOT is the default slot, FILE_SLOT one with a token-file at TOKEN_FILE, which holds "good". RW and
 * RO are sessions on SLOT. */
struct fixture {
	const struct sr_backend *backend;
	const struct sr_calls *calls;
	struct fake_vault *vault;
	const struct fake_mechanisms *mechanisms;
	char *enable;    /* [mechanisms] enable of the clients to come */
	uint64_t wait_s; /* `wait' of FILE_SLOT likewise */
	struct sr_client *client;
	CK_SLOT_ID slot;
	CK_SLOT_ID file_slot;
	CK_SLOT_ID env_slot;
	CK_SESSION_HANDLE rw;
	CK_SESSION_HANDLE ro;
	char token_file[64];
};
extern struct fixture fix;

/** fixture_load(): the library and a fresh fake; fixture_open(): loads, opens a client and the two sessions. */
void fixture_load(void);
void fixture_open(void);
void fixture_close(void);

/** fixture_client(): another client over the same fake, into fix.client. */
void fixture_client(void);

void write_token_file(const char *text);
CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS flags);
void log_in(CK_SESSION_HANDLE session);
CK_STATE state_of(CK_SESSION_HANDLE session);
CK_ULONG reason_of(CK_SESSION_HANDLE session);

/** find_label(session, label): the one object of that label, 0 for none. */
CK_OBJECT_HANDLE find_label(CK_SESSION_HANDLE session, const char *label);
CK_RV get_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, void *value, CK_ULONG *len);

/** create_data(session, label, value, token, is_private, handle): C_CreateObject of a CKO_DATA object. */
CK_RV create_data(CK_SESSION_HANDLE session, const char *label, const char *value, bool token, bool is_private,
	CK_OBJECT_HANDLE *handle);

#endif
