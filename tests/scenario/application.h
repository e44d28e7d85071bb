/* What the helper programs of the scenarios and the benchmarks share: an application that loads the module and uses it
 * by its C_* functions. Everything that fails ends the program with one line. */
#ifndef SR_TESTS_APPLICATION_H
#define SR_TESTS_APPLICATION_H

#include "pkcs11/cryptoki.h"

extern CK_FUNCTION_LIST_PTR p11;

/** need(rv, what): ends the program with 1 unless RV is CKR_OK. */
void need(CK_RV rv, const char *what);

/** app_load(): the module that STRONGROOM_MODULE names. */
void app_load(void);

/** app_open(flags): a session in the first slot with a token; CKF_SERIAL_SESSION is added. */
CK_SESSION_HANDLE app_open(CK_FLAGS flags);

/** app_login(session, pin): the code of C_Login. */
CK_RV app_login(CK_SESSION_HANDLE session, const char *pin);

/** app_find(session, path, object): the data object with this label; CKR_OBJECT_HANDLE_INVALID where none is found. */
CK_RV app_find(CK_SESSION_HANDLE session, const char *path, CK_OBJECT_HANDLE *object);

/** app_put(session, path, value, len): a data object of the token. */
CK_RV app_put(CK_SESSION_HANDLE session, const char *path, const void *value, CK_ULONG len);

/** app_value(session, object, value, len): LEN is the room before and the length after. */
CK_RV app_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, void *value, CK_ULONG *len);

#endif
