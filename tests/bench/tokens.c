/* Scoped tokens. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include "pkcs11/strongroom.h"

#include <stdlib.h>
#include <string.h>

static void issue_once(struct client *client)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_OBJECT_HANDLE token;
	char scope[] = "secrets:read:production/*", string[64];
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_SCOPES, scope, strlen(scope) },
		{ CKA_SR_TTL, "300", 3 } };
	CK_ATTRIBUTE value = { CKA_VALUE, string, sizeof(string) };
	need(p11->C_CreateObject(client->session, template, 3, &token), "C_CreateObject");
	need(p11->C_GetAttributeValue(client->session, token, &value, 1), "C_GetAttributeValue");
}

static void login_once(struct client *client)
{
	need(p11->C_Logout(client->session), "C_Logout");
	need(app_login(client->session, getenv("BENCH_PIN")), "C_Login");
}

/* The one that names it and the one that the bench itself has: venues.h, vaults.c. */
static void reach_once(struct client *client)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	char path[] = "production/service-7/secret";
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_REACHES, path, strlen(path) } };
	CK_OBJECT_HANDLE tokens[4];
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(client->session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(client->session, tokens, 4, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(client->session), "C_FindObjectsFinal");
	need_true(found == 2, "two tokens that reach the path");
}

const struct subject issue = { .name = "issue a token", .admin = true, .once = issue_once };
const struct subject login = { .name = "logout and login", .once = login_once };
const struct subject reach = { .name = "tokens by path", .admin = true, .once = reach_once };
