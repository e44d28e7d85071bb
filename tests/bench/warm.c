/* warm: what `make bench-instructions` counts: one read of a secret of 1 KiB, one P-256 signature and one search among
 * SECRETS, each in a function of its own that callgrind is told of, ROUNDS times, after as many that are not counted.
 * Logs in to STRONGROOM_CONF's vault, by STRONGROOM_MODULE, with BENCH_PIN; the key `key` is there, the secrets are put
 * first. */
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 25
#define SECRETS 100
#define BYTES 1024

#define COUNTED __attribute__((noinline, noclone))

static CK_SESSION_HANDLE session;

static void label_of(char label[32], int i)
{
	snprintf(label, 32, "secret/%d", i % SECRETS);
}

static CK_OBJECT_HANDLE find(CK_OBJECT_CLASS class, const char *label)
{
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_LABEL, (void *)label, strlen(label) } };
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &object, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need(found == 1 ? CKR_OK : CKR_GENERAL_ERROR, label);
	return object;
}

COUNTED void counted_read(CK_OBJECT_HANDLE secret);
COUNTED void counted_sign(CK_OBJECT_HANDLE key);
COUNTED void counted_find(const char *label);

void counted_read(CK_OBJECT_HANDLE secret)
{
	CK_BYTE value[2 * BYTES];
	CK_ULONG len = sizeof(value);
	need(app_value(session, secret, value, &len), "C_GetAttributeValue");
}

void counted_sign(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_BYTE digest[32] = { 1 }, signature[64];
	CK_ULONG len = sizeof(signature);
	need(p11->C_SignInit(session, &mechanism, key), "C_SignInit");
	need(p11->C_Sign(session, digest, sizeof(digest), signature, &len), "C_Sign");
}

void counted_find(const char *label)
{
	find(CKO_DATA, label);
}

static void put_secrets(void)
{
	char label[32], value[BYTES];
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < SECRETS; i++) {
		label_of(label, i);
		need(app_put(session, label, value, sizeof(value)), "C_CreateObject");
	}
}

/* Callgrind leaves a file for each call of what it is told of: the first ROUNDS are no more than warming up. */
static void work(CK_OBJECT_HANDLE secret, CK_OBJECT_HANDLE key)
{
	char label[32];
	for (int i = 0; i < 2 * ROUNDS; i++) {
		label_of(label, i);
		counted_read(secret);
		counted_sign(key);
		counted_find(label);
	}
}

int main(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	session = app_open(CKF_RW_SESSION);
	need(app_login(session, getenv("BENCH_PIN")), "C_Login");
	put_secrets();
	work(find(CKO_DATA, "secret/0"), find(CKO_PRIVATE_KEY, "key"));
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
