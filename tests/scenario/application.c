/* An application of the module. */
#include "tests/scenario/application.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 8

CK_FUNCTION_LIST_PTR p11;

void need(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

void app_load(void)
{
	CK_C_GetFunctionList get = NULL;
	const char *path = getenv("STRONGROOM_MODULE");
	void *module = path ? dlopen(path, RTLD_NOW) : NULL;
	if (module)
		*(void **)&get = dlsym(module, "C_GetFunctionList");
	need(get ? get(&p11) : CKR_GENERAL_ERROR, "STRONGROOM_MODULE");
}

CK_SESSION_HANDLE app_open(CK_FLAGS flags)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	CK_SESSION_HANDLE session;
	need(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	need(count ? CKR_OK : CKR_TOKEN_NOT_PRESENT, "C_GetSlotList");
	need(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | flags, NULL, NULL, &session), "C_OpenSession");
	return session;
}

CK_RV app_login(CK_SESSION_HANDLE session, const char *pin)
{
	return p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
}

CK_RV app_find(CK_SESSION_HANDLE session, const char *path, CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, (void *)path, strlen(path) } };
	CK_ULONG found = 0;
	CK_RV rv = p11->C_FindObjectsInit(session, template, 2);
	if (rv == CKR_OK)
		rv = p11->C_FindObjects(session, object, 1, &found);
	if (rv == CKR_OK)
		rv = p11->C_FindObjectsFinal(session);
	return rv == CKR_OK && found == 0 ? CKR_OBJECT_HANDLE_INVALID : rv;
}

CK_RV app_put(CK_SESSION_HANDLE session, const char *path, const void *value, CK_ULONG len)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, sizeof yes },
		{ CKA_LABEL, (void *)path, strlen(path) }, { CKA_VALUE, (void *)value, len } };
	CK_OBJECT_HANDLE object;
	return p11->C_CreateObject(session, template, 4, &object);
}

CK_RV app_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, void *value, CK_ULONG *len)
{
	CK_ATTRIBUTE attribute = { CKA_VALUE, value, *len };
	CK_RV rv = p11->C_GetAttributeValue(session, object, &attribute, 1);
	*len = attribute.ulValueLen;
	return rv;
}
