/* loop N PATH: N times writes "value I" to PATH and reads it back through the C_* calls, saying "put I" and "read I"
 * once each has answered. The PIN is in SR_PIN. */
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Straight to the file: what is printed has happened, whenever the process is killed. */
static void say(const char *what, int i)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%s %d\n", what, i);
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		exit(1);
}

static void put(CK_SESSION_HANDLE session, const char *path, int i)
{
	char value[32];
	int len = snprintf(value, sizeof value, "value %d", i);
	need(app_put(session, path, value, (CK_ULONG)len), "C_CreateObject");
	say("put", i);
}

static void read_back(CK_SESSION_HANDLE session, const char *path, int i)
{
	CK_OBJECT_HANDLE object;
	char value[32], want[32];
	CK_ULONG got = sizeof value;
	CK_ULONG len = (CK_ULONG)snprintf(want, sizeof want, "value %d", i);
	need(app_find(session, path, &object), "find");
	need(app_value(session, object, value, &got), "C_GetAttributeValue");
	if (got != len || memcmp(value, want, len) != 0)
		need(CKR_GENERAL_ERROR, "the value is another");
	say("read", i);
}

int main(int argc, char **argv)
{
	const char *pin = getenv("SR_PIN");
	if (argc != 3 || !pin)
		return 2;
	app_load();
	need(p11->C_Initialize(NULL), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(CKF_RW_SESSION);
	need(app_login(session, pin), "C_Login");
	for (int i = 1; i <= atoi(argv[1]); i++) {
		put(session, argv[2], i);
		read_back(session, argv[2], i);
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
