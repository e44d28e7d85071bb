/* See the header. */
#include "tests/unit/second_token.h"

#include <check.h>
#include <fcntl.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PIN "12345678"
#define SLOTS_MAX 16

static CK_FUNCTION_LIST *load(const char *uri, P11KitUri **parsed)
{
	*parsed = p11_kit_uri_new();
	ck_assert_int_eq(p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, *parsed), P11_KIT_URI_OK);
	CK_FUNCTION_LIST *module = p11_kit_module_load(p11_kit_uri_get_module_path(*parsed), P11_KIT_MODULE_UNMANAGED);
	ck_assert_ptr_nonnull(module);
	return module;
}

/* The slot of the token that URI means; without URI the one that has none. */
static CK_SLOT_ID find_slot(CK_FUNCTION_LIST *module, P11KitUri *uri)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	ck_assert_uint_eq(module->C_GetSlotList(CK_TRUE, NULL, &count), CKR_OK); /* looks anew */
	count = SLOTS_MAX;
	ck_assert_uint_eq(module->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;
		ck_assert_uint_eq(module->C_GetTokenInfo(slots[i], &info), CKR_OK);
		bool ready = info.flags & CKF_TOKEN_INITIALIZED;
		if (uri ? ready && p11_kit_uri_match_token_info(uri, &info) : !ready)
			return slots[i];
	}
	ck_abort_msg("there is no such slot");
	return 0;
}

static void init_token(CK_FUNCTION_LIST *module, const char *label)
{
	CK_UTF8CHAR padded[32], *pin = (CK_UTF8CHAR *)(uintptr_t)PIN;
	CK_SLOT_ID slot = find_slot(module, NULL);
	CK_SESSION_HANDLE session;
	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, strlen(label));
	ck_assert_uint_eq(module->C_InitToken(slot, pin, strlen(PIN), padded), CKR_OK);
	ck_assert_uint_eq(
		module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
	ck_assert_uint_eq(module->C_Login(session, CKU_SO, pin, strlen(PIN)), CKR_OK);
	ck_assert_uint_eq(module->C_InitPIN(session, pin, strlen(PIN)), CKR_OK);
	module->C_Logout(session);
	module->C_CloseSession(session);
}

static void write_pin(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(write(fd, PIN, strlen(PIN)), (ssize_t)strlen(PIN));
	close(fd);
}

void second_token_make(const char *uri, const char *label, const char *pin_dir, struct sr_buf *made)
{
	char path[160];
	P11KitUri *parsed;
	CK_FUNCTION_LIST *module = load(uri, &parsed);
	init_token(module, label);
	snprintf(path, sizeof(path), "%s/%s.pin", pin_dir, label);
	write_pin(path);
	sr_buf_clear(made);
	sr_buf_printf(made, "pkcs11:token=%s?module-path=%s&pin-source=file:%s", label,
		p11_kit_uri_get_module_path(parsed), path);
	p11_kit_uri_free(parsed);
	p11_kit_module_release(module);
}

size_t second_token_objects(const char *uri)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template = { CKA_TOKEN, &yes, sizeof(yes) };
	CK_OBJECT_HANDLE found[64];
	CK_ULONG count = 0;
	CK_SESSION_HANDLE session;
	P11KitUri *parsed;
	CK_FUNCTION_LIST *module = load(uri, &parsed);
	CK_SLOT_ID slot = find_slot(module, parsed);
	ck_assert_uint_eq(module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	CK_RV rv = module->C_Login(session, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)PIN, strlen(PIN));
	ck_assert(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN);
	ck_assert_uint_eq(module->C_FindObjectsInit(session, &template, 1), CKR_OK);
	ck_assert_uint_eq(module->C_FindObjects(session, found, 64, &count), CKR_OK);
	module->C_FindObjectsFinal(session);
	module->C_CloseSession(session);
	p11_kit_uri_free(parsed);
	p11_kit_module_release(module);
	return count;
}
