/* Finding and making objects. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include "pkcs11/strongroom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void find_once(struct client *client)
{
	char label[64];
	unsigned secrets = (unsigned)*client->venue->secrets;
	venue_label((int)((unsigned)rand_r(&client->random) % secrets), label);
	subject_find(client, CKO_DATA, label);
}

static void create_once(struct client *client)
{
	static const char value[64];
	char label[64];
	snprintf(label, sizeof(label), "written/%d/%d/%lu", (int)getpid(), client->number, client->done);
	need(app_put(client->session, label, value, sizeof(value)), "C_CreateObject");
}

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

const struct subject find = { .name = "find by label", .once = find_once };
const struct subject create = { .name = "C_CreateObject", .once = create_once };
const struct subject issue = { .name = "issue a token", .admin = true, .once = issue_once };
