/* holder PATH: opens a session, finds a secret, and then reads it through these two handles once for each line of its
 * input, until one says "end"; says "read VALUE" or "code CODE" for each. The PIN is in SR_PIN; without one the slot
 * logs itself in. */
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_once(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	char value[128];
	CK_ULONG len = sizeof value;
	CK_RV rv = app_value(session, object, value, &len);
	if (rv == CKR_OK)
		printf("read %.*s\n", (int)len, value);
	else
		printf("code 0x%lx\n", rv);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *pin = getenv("SR_PIN");
	CK_OBJECT_HANDLE object;
	char line[16];
	if (argc != 2)
		return 2;
	app_load();
	need(p11->C_Initialize(NULL), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(0);
	need(pin ? app_login(session, pin) : p11->C_Login(session, CKU_USER, NULL, 0), "C_Login");
	need(app_find(session, argv[1], &object), "find");
	printf("found\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) && strcmp(line, "end\n") != 0)
		read_once(session, object);
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
