/* Keys in the fake vault, for the tests of operations. */
#ifndef SR_TESTS_OPERATIONS_FIXTURE_H
#define SR_TESTS_OPERATIONS_FIXTURE_H

#include "tests/unit/pkcs11_fixture.h"

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define ck_rv ck_assert_uint_eq
#define NOT_INITIALIZED CKR_OPERATION_NOT_INITIALIZED
#define TOO_LONG ((16u << 20) + 1)
#define NO_KEY 99999

/** struct keys: token objects, made in fix.rw. ..._NO_RIGHTS: may do nothing; ASKS: CKA_ALWAYS_AUTHENTICATE. */
struct keys {
	CK_OBJECT_HANDLE aes, aes_no_rights;
	CK_OBJECT_HANDLE mac, mac_no_rights;
	CK_OBJECT_HANDLE private_rsa, private_no_rights;
	CK_OBJECT_HANDLE public_rsa, public_no_rights;
	CK_OBJECT_HANDLE asks;
	CK_OBJECT_HANDLE ec;
};
extern struct keys keys;

/** struct plan: a key that is to be made; RIGHTS false: none of them. */
struct plan {
	const char *label;
	CK_OBJECT_CLASS object_class;
	CK_KEY_TYPE type;
	bool rights;
	bool asks;
	bool session;
};

CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE session, struct plan plan);

/** operations_open(), operations_close(): fixture_open, a login and the keys; at the end nothing may be left of them.
 */
void operations_open(void);
void operations_close(void);

#endif
