/* A PKCS#11 module in front of another, in which one call goes wrong.
 *
 *   SR_BACKEND_MODULE   the module behind it
 *   SR_BACKEND_FAULT    HOW:N, the N-th call that HOW is about; HOW:N:on, it and all after it; N 0: they are counted
 * only SR_BACKEND_COUNT    a file that gets a byte for each of these calls, 1 where it went wrong
 *
 * HOW is about any call: rv-HEX (answers that code and does nothing), late-HEX (does it, and answers that code),
 * sessions (all are closed before), hang (3 s before it is done); about searches: forget (nothing is found); about
 * calls with an output: none, short, long (what they say of its length), flip (a bit of it). */
#include "pkcs11/cryptoki.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum about { ABOUT_ALL, ABOUT_SEARCH, ABOUT_OUTPUT };

static CK_FUNCTION_LIST *real, ours;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char how[16];
static enum about about;
static unsigned n, calls;
static bool on;
static CK_RV code;
static int count = -1;
static CK_SLOT_ID slot_of_login;

static bool is(const char *name)
{
	return strcmp(how, name) == 0;
}

static void read_environment(void)
{
	const char *asked = getenv("SR_BACKEND_FAULT"), *path = getenv("SR_BACKEND_COUNT");
	if (path)
		count = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!asked || sscanf(asked, "%15[^:]:%u", how, &n) != 2)
		return;
	on = strlen(asked) > 3 && strcmp(asked + strlen(asked) - 3, ":on") == 0;
	if (strchr(how, '-'))
		code = strtoul(strchr(how, '-') + 1, NULL, 16);
	if (is("forget"))
		about = ABOUT_SEARCH;
	else if (is("none") || is("short") || is("long") || is("flip"))
		about = ABOUT_OUTPUT;
}

static bool due(enum about what)
{
	if (what != about || how[0] == '\0')
		return false;
	pthread_mutex_lock(&mutex);
	unsigned now = ++calls;
	bool hit = n > 0 && (now == n || (on && now > n));
	if (count >= 0 && write(count, hit ? "\1" : "\0", 1) != 1)
		abort();
	pthread_mutex_unlock(&mutex);
	return hit;
}

/* What goes wrong before a call; whether the call is not to be made. *LATE: answered after it. */
static bool goes_wrong(CK_RV *late)
{
	*late = CKR_OK;
	if (!due(ABOUT_ALL))
		return false;
	if (strncmp(how, "rv-", 3) == 0)
		return true;
	if (strncmp(how, "late-", 5) == 0)
		*late = code;
	else if (is("sessions"))
		real->C_CloseAllSessions(slot_of_login);
	else if (is("hang"))
		sleep(3);
	return false;
}

#define THROUGH(name, params, args)                \
	static CK_RV name##_ours params            \
	{                                          \
		CK_RV late;                        \
		if (goes_wrong(&late))             \
			return code;               \
		CK_RV rv = real->name args;        \
		return late != CKR_OK ? late : rv; \
	}

typedef CK_SESSION_HANDLE session_t;
typedef CK_OBJECT_HANDLE object_t;

THROUGH(C_GetSlotList, (CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *len), (present, list, len))
THROUGH(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO *info), (slot, info))
THROUGH(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO *info), (slot, info))
THROUGH(C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info), (slot, type, info))
THROUGH(C_CloseSession, (session_t session), (session))
THROUGH(C_GetSessionInfo, (session_t session, CK_SESSION_INFO *info), (session, info))
THROUGH(C_Login, (session_t session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG len), (session, user, pin, len))
THROUGH(C_Logout, (session_t session), (session))
THROUGH(C_CreateObject, (session_t session, CK_ATTRIBUTE *attrs, CK_ULONG len, object_t *object),
	(session, attrs, len, object))
THROUGH(C_CopyObject, (session_t session, object_t from, CK_ATTRIBUTE *attrs, CK_ULONG len, object_t *object),
	(session, from, attrs, len, object))
THROUGH(C_DestroyObject, (session_t session, object_t object), (session, object))
THROUGH(C_SetAttributeValue, (session_t session, object_t object, CK_ATTRIBUTE *attrs, CK_ULONG len),
	(session, object, attrs, len))
THROUGH(C_FindObjectsInit, (session_t session, CK_ATTRIBUTE *attrs, CK_ULONG len), (session, attrs, len))
THROUGH(C_FindObjectsFinal, (session_t session), (session))
THROUGH(C_EncryptInit, (session_t session, CK_MECHANISM *mechanism, object_t key), (session, mechanism, key))
THROUGH(C_DecryptInit, (session_t session, CK_MECHANISM *mechanism, object_t key), (session, mechanism, key))
THROUGH(C_SignInit, (session_t session, CK_MECHANISM *mechanism, object_t key), (session, mechanism, key))
THROUGH(C_VerifyInit, (session_t session, CK_MECHANISM *mechanism, object_t key), (session, mechanism, key))
THROUGH(C_Verify, (session_t session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *signature, CK_ULONG len),
	(session, in, in_len, signature, len))
THROUGH(C_GenerateKey, (session_t session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attrs, CK_ULONG len, object_t *key),
	(session, mechanism, attrs, len, key))
THROUGH(C_GenerateKeyPair,
	(session_t session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public, CK_ULONG public_len, CK_ATTRIBUTE *private,
		CK_ULONG private_len, object_t *public_key, object_t *private_key),
	(session, mechanism, public, public_len, private, private_len, public_key, private_key))
THROUGH(C_UnwrapKey,
	(session_t session, CK_MECHANISM *mechanism, object_t with, CK_BYTE *wrapped, CK_ULONG wrapped_len,
		CK_ATTRIBUTE *attrs, CK_ULONG len, object_t *key),
	(session, mechanism, with, wrapped, wrapped_len, attrs, len, key))
THROUGH(C_SeedRandom, (session_t session, CK_BYTE *seed, CK_ULONG len), (session, seed, len))
THROUGH(C_GenerateRandom, (session_t session, CK_BYTE *out, CK_ULONG len), (session, out, len))

static CK_RV C_OpenSession_ours(
	CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	CK_RV late;
	slot_of_login = slot;
	if (goes_wrong(&late))
		return code;
	CK_RV rv = real->C_OpenSession(slot, flags, application, notify, session);
	return late != CKR_OK ? late : rv;
}

static CK_RV C_FindObjects_ours(session_t session, object_t *objects, CK_ULONG most, CK_ULONG *found)
{
	CK_RV late;
	if (goes_wrong(&late))
		return code;
	CK_RV rv = real->C_FindObjects(session, objects, most, found);
	if (rv == CKR_OK && due(ABOUT_SEARCH))
		*found = 0;
	return late != CKR_OK ? late : rv;
}

/* -- calls with an output ---------------------------------------------------------------------------------------- */

static void spoil(CK_RV rv, CK_BYTE *out, CK_ULONG *len)
{
	if (rv != CKR_OK || *len == CK_UNAVAILABLE_INFORMATION || !due(ABOUT_OUTPUT))
		return;
	if (is("none"))
		*len = 0;
	else if (is("short"))
		*len /= 2;
	else if (is("long"))
		*len += 64; /* more than was written, and than there is room for */
	else if (out && *len > 0)
		out[*len / 2] ^= 4;
}

#define WITH_OUTPUT(name)                                                                                          \
	static CK_RV name##_ours(session_t session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len) \
	{                                                                                                          \
		CK_RV late;                                                                                        \
		if (goes_wrong(&late))                                                                             \
			return code;                                                                               \
		CK_RV rv = real->name(session, in, in_len, out, out_len);                                          \
		spoil(rv, out, out_len);                                                                           \
		return late != CKR_OK ? late : rv;                                                                 \
	}

WITH_OUTPUT(C_Encrypt)
WITH_OUTPUT(C_Decrypt)
WITH_OUTPUT(C_Sign)

static CK_RV C_WrapKey_ours(
	session_t session, CK_MECHANISM *mechanism, object_t with, object_t key, CK_BYTE *out, CK_ULONG *len)
{
	CK_RV late;
	if (goes_wrong(&late))
		return code;
	CK_RV rv = real->C_WrapKey(session, mechanism, with, key, out, len);
	spoil(rv, out, len);
	return late != CKR_OK ? late : rv;
}

static CK_RV C_GetAttributeValue_ours(session_t session, object_t object, CK_ATTRIBUTE *attrs, CK_ULONG len)
{
	CK_RV late;
	if (goes_wrong(&late))
		return code;
	CK_RV rv = real->C_GetAttributeValue(session, object, attrs, len);
	if (len > 0)
		spoil(rv, attrs[0].pValue, &attrs[0].ulValueLen);
	return late != CKR_OK ? late : rv;
}

/* -- the module -------------------------------------------------------------------------------------------------- */

#define OURS(name) ours.name = name##_ours;

static void replace(void)
{
	OURS(C_GetSlotList)
	OURS(C_GetSlotInfo)
	OURS(C_GetTokenInfo)
	OURS(C_GetMechanismInfo)
	OURS(C_OpenSession)
	OURS(C_CloseSession)
	OURS(C_GetSessionInfo)
	OURS(C_Login)
	OURS(C_Logout)
	OURS(C_CreateObject)
	OURS(C_CopyObject)
	OURS(C_DestroyObject)
	OURS(C_GetAttributeValue)
	OURS(C_SetAttributeValue)
	OURS(C_FindObjectsInit)
	OURS(C_FindObjects)
	OURS(C_FindObjectsFinal)
	OURS(C_EncryptInit)
	OURS(C_Encrypt)
	OURS(C_DecryptInit)
	OURS(C_Decrypt)
	OURS(C_SignInit)
	OURS(C_Sign)
	OURS(C_VerifyInit)
	OURS(C_Verify)
	OURS(C_GenerateKey)
	OURS(C_GenerateKeyPair)
	OURS(C_WrapKey)
	OURS(C_UnwrapKey)
	OURS(C_SeedRandom)
	OURS(C_GenerateRandom)
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	const char *path = getenv("SR_BACKEND_MODULE");
	if (!real) {
		void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
		CK_C_GetFunctionList get = NULL;
		if (library)
			*(void **)&get = dlsym(library, "C_GetFunctionList");
		if (!get || get(&real) != CKR_OK)
			return CKR_GENERAL_ERROR;
		ours = *real;
		replace();
		read_environment();
	}
	*list = &ours;
	return CKR_OK;
}
