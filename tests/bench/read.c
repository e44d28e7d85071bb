/* Reading a secret. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include <stdlib.h>
#include <string.h>

CK_OBJECT_HANDLE subject_find(const struct client *client, CK_OBJECT_CLASS class, const char *label)
{
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_LABEL, (void *)label, strlen(label) } };
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(client->session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(client->session, &object, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(client->session), "C_FindObjectsFinal");
	need_true(found == 1, label);
	return object;
}

static void enter_read(struct client *client)
{
	client->object = subject_find(client, CKO_DATA, BENCH_SECRET);
}

static void read_once(struct client *client)
{
	CK_BYTE value[2 * BENCH_VALUE];
	CK_ULONG len = sizeof(value);
	need(app_value(client->session, client->object, value, &len), "C_GetAttributeValue");
	need_true(len == BENCH_VALUE, "a whole value");
}

static void fetch_once(struct client *client)
{
	enter_read(client);
	read_once(client);
}

const struct subject read_value = { .name = "read", .enter = enter_read, .once = read_once };
const struct subject fetch = { .name = "find and read", .once = fetch_once };

/* -- what a vault has to do at least ------------------------------------------------------------------------------ */

struct sealed {
	CK_BYTE iv[12], bytes[BENCH_VALUE + 16];
	CK_GCM_PARAMS params;
	CK_MECHANISM mechanism;
};

static void enter_decrypt(struct client *client)
{
	static CK_BYTE about[64], plain[BENCH_VALUE];
	struct sealed *sealed = client->own = calloc(1, sizeof(*sealed));
	CK_ULONG len = sizeof(sealed->bytes);
	need_true(sealed != NULL, "memory");
	sealed->params =
		(CK_GCM_PARAMS){ sealed->iv, sizeof(sealed->iv), 8 * sizeof(sealed->iv), about, sizeof(about), 128 };
	sealed->mechanism = (CK_MECHANISM){ CKM_AES_GCM, &sealed->params, sizeof(sealed->params) };
	client->object = subject_find(client, CKO_SECRET_KEY, "bench/aes-256");
	need(p11->C_EncryptInit(client->session, &sealed->mechanism, client->object), "C_EncryptInit");
	need(p11->C_Encrypt(client->session, plain, sizeof(plain), sealed->bytes, &len), "C_Encrypt");
	need_true(len == sizeof(sealed->bytes), "a tag");
}

static void decrypt_once(struct client *client)
{
	struct sealed *sealed = client->own;
	CK_BYTE value[2 * BENCH_VALUE];
	CK_ULONG len = sizeof(value);
	need(p11->C_DecryptInit(client->session, &sealed->mechanism, client->object), "C_DecryptInit");
	need(p11->C_Decrypt(client->session, sealed->bytes, sizeof(sealed->bytes), value, &len), "C_Decrypt");
	need_true(len == BENCH_VALUE, "a whole value");
}

const struct subject decrypt = { .name = "decrypt", .enter = enter_decrypt, .once = decrypt_once };

/* -- the way alone ------------------------------------------------------------------------------------------------ */

static void ping_once(struct client *client)
{
	CK_SESSION_INFO info;
	need(p11->C_GetSessionInfo(client->session, &info), "C_GetSessionInfo");
}

const struct subject ping = { .name = "C_GetSessionInfo", .once = ping_once };
