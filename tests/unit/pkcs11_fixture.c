/* The fixture of the call layer's tests. */
#include "tests/unit/pkcs11_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture fix;
static void *library;

/* Names are kept by the fixture, as the configuration wants them. */
static char file_slot_name[] = "file";
static char env_slot_name[] = "env";
static char env_name[] = "SR_TEST_TOKEN";

void fixture_load(void)
{
	const struct sr_backend *(*backend)(void);
	struct fake_vault *(*vault)(void);
	const char *path = getenv("SR_TEST_FAKE_VAULT");
	ck_assert_msg(path != NULL, "SR_TEST_FAKE_VAULT names no library");
	fix = (struct fixture){ 0 };
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(library != NULL, "%s", dlerror());
	*(void **)&backend = dlsym(library, SR_BACKEND_SYMBOL);
	*(void **)&vault = dlsym(library, FAKE_VAULT_SYMBOL);
	fix.mechanisms = dlsym(library, FAKE_MECHANISMS_SYMBOL);
	ck_assert(backend && vault && fix.mechanisms);
	fix.backend = backend();
	fix.calls = fix.backend->calls;
	fix.vault = vault();
	*fix.vault =
		(struct fake_vault){ .boot_ms = 100000, .secrets = { { "a/one", "first" }, { "a/two", "second" } } };
	pthread_mutex_init(&fix.vault->lock, NULL);
	snprintf(fix.token_file, sizeof fix.token_file, "/tmp/sr-check-pkcs11-%d", (int)getpid());
}

void fixture_client(void)
{
	struct sr_config config = { .mechanisms = fix.enable,
		.slot_count = 2,
		.slots = { { .name = file_slot_name, .token_file = fix.token_file, .wait_s = fix.wait_s },
			{ .name = env_slot_name, .token_env = env_name } } };
	struct sr_error err = SR_ERROR_INIT;
	CK_SLOT_ID slots[3];
	CK_ULONG count = COUNT(slots);
	ck_assert_uint_eq(fix.backend->open(&config, &fix.client, &err), CKR_OK);
	ck_assert_uint_eq(fix.calls->C_GetSlotList(fix.client, CK_FALSE, slots, &count), CKR_OK);
	ck_assert_uint_eq(count, 3);
	fix.file_slot = slots[0];
	fix.env_slot = slots[1];
	fix.slot = slots[2];
}

void fixture_open(void)
{
	fixture_load();
	write_token_file("good\n");
	fixture_client();
	fix.rw = open_session(fix.slot, CKF_RW_SESSION);
	fix.ro = open_session(fix.slot, 0);
}

void fixture_close(void)
{
	if (fix.client)
		fix.backend->close(fix.client);
	ck_assert_uint_eq(fix.vault->living, 0);
	ck_assert_uint_eq(fix.vault->waiting, 0);
	ck_assert_uint_eq(fix.vault->nests, 0);
	ck_assert_uint_eq(fix.vault->nest_keys, 0);
	ck_assert_uint_eq(fix.vault->keys_living, 0);
	unlink(fix.token_file);
	dlclose(library);
}

/* A new file in the place of the old, so that it is another one whatever the clock's grain. */
void write_token_file(const char *text)
{
	char path[80];
	snprintf(path, sizeof path, "%s.new", fix.token_file);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(rename(path, fix.token_file), 0);
}

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS flags)
{
	CK_SESSION_HANDLE session = 0;
	CK_RV rv = fix.calls->C_OpenSession(fix.client, slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &session);
	ck_assert_uint_eq(rv, CKR_OK);
	ck_assert_uint_ne(session, 0);
	return session;
}

void log_in(CK_SESSION_HANDLE session)
{
	ck_assert_uint_eq(fix.calls->C_Login(fix.client, session, CKU_USER, GOOD, 4), CKR_OK);
}

CK_STATE state_of(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;
	ck_assert_uint_eq(fix.calls->C_GetSessionInfo(fix.client, session, &info), CKR_OK);
	return info.state;
}

CK_ULONG reason_of(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;
	ck_assert_uint_eq(fix.calls->C_GetSessionInfo(fix.client, session, &info), CKR_OK);
	ck_assert_uint_eq(info.ulDeviceError, fix.backend->last_error()->reason);
	return info.ulDeviceError;
}

CK_OBJECT_HANDLE find_label(CK_SESSION_HANDLE session, const char *label)
{
	CK_ATTRIBUTE query = { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	CK_OBJECT_HANDLE found[2] = { 0 };
	CK_ULONG count = 9;
	ck_assert_uint_eq(fix.calls->C_FindObjectsInit(fix.client, session, &query, 1), CKR_OK);
	ck_assert_uint_eq(fix.calls->C_FindObjects(fix.client, session, found, 2, &count), CKR_OK);
	ck_assert_uint_eq(fix.calls->C_FindObjectsFinal(fix.client, session), CKR_OK);
	ck_assert_uint_le(count, 1);
	return count ? found[0] : 0;
}

CK_RV get_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, void *value, CK_ULONG *len)
{
	CK_ATTRIBUTE wanted = { CKA_VALUE, value, *len };
	CK_RV rv = fix.calls->C_GetAttributeValue(fix.client, session, object, &wanted, 1);
	*len = wanted.ulValueLen;
	return rv;
}

CK_RV create_data(CK_SESSION_HANDLE session, const char *label, const char *value, bool token, bool is_private,
	CK_OBJECT_HANDLE *handle)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL on_token = token;
	CK_BBOOL hidden = is_private;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &on_token, 1 },
		{ CKA_PRIVATE, &hidden, 1 }, { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_VALUE, (void *)(uintptr_t)value, strlen(value) } };
	return fix.calls->C_CreateObject(fix.client, session, template, COUNT(template), handle);
}
