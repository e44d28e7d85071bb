/* loop N PATH: N times writes "value I" to PATH and reads it back through the C_* calls, saying "put I" and "read I"
 * once each has answered. The PIN is in SR_PIN, the module in STRONGROOM_MODULE. */
#include "pkcs11/cryptoki.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;

static void need(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

/* Straight to the file: what is printed has happened, whenever the process is killed. */
static void say(const char *what, int i)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%s %d\n", what, i);
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		exit(1);
}

static void put(const char *path, int i)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	char value[32];
	int len = snprintf(value, sizeof(value), "value %d", i);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)path, strlen(path) }, { CKA_VALUE, value, (CK_ULONG)len } };
	CK_OBJECT_HANDLE object;
	need(p11->C_CreateObject(session, template, 4, &object), "C_CreateObject");
	say("put", i);
}

static void read_back(const char *path, int i)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_LABEL, (void *)path, strlen(path) } };
	CK_OBJECT_HANDLE object;
	CK_ULONG found = 0;
	char value[32], want[32];
	CK_ATTRIBUTE attribute = { CKA_VALUE, value, sizeof(value) };
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &object, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need(found == 1 ? CKR_OK : CKR_OBJECT_HANDLE_INVALID, "find");
	need(p11->C_GetAttributeValue(session, object, &attribute, 1), "C_GetAttributeValue");
	int len = snprintf(want, sizeof(want), "value %d", i);
	if (attribute.ulValueLen != (CK_ULONG)len || memcmp(value, want, (size_t)len) != 0)
		need(CKR_GENERAL_ERROR, "the value is another");
	say("read", i);
}

int main(int argc, char **argv)
{
	CK_C_GetFunctionList get;
	CK_SLOT_ID slot;
	CK_ULONG slots = 1;
	const char *pin = getenv("SR_PIN");
	void *module = dlopen(getenv("STRONGROOM_MODULE"), RTLD_NOW);
	if (argc != 3 || !pin || !module)
		return 2;
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	need(get(&p11), "C_GetFunctionList");
	need(p11->C_Initialize(NULL), "C_Initialize");
	need(p11->C_GetSlotList(CK_TRUE, &slot, &slots), "C_GetSlotList");
	need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
	need(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)), "C_Login");
	for (int i = 1; i <= atoi(argv[1]); i++) {
		put(argv[2], i);
		read_back(argv[2], i);
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
