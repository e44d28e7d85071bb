/* An application's everyday steps. */
#include "tests/battery/battery.h"

#include <stdio.h>
#include <string.h>

CK_BBOOL sr_yes = CK_TRUE, sr_no = CK_FALSE;
CK_OBJECT_CLASS sr_data = CKO_DATA;

TCase *sr_chapter(Suite *suite, const char *name, void (*set_up)(void), void (*tear_down)(void))
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 30);
	tcase_add_unchecked_fixture(tcase, sr_place_make, sr_place_remove);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* -- slots and sessions ---------------------------------------------------------------------------------------------
 */
static bool has_label(CK_SLOT_ID slot, const char *label)
{
	CK_TOKEN_INFO info;
	size_t len = strlen(label);
	return p11->C_GetTokenInfo(slot, &info) == CKR_OK && memcmp(info.label, label, len) == 0 &&
	       info.label[len] == ' ';
}

CK_RV sr_slot_find(const char *label, CK_SLOT_ID *slot)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = SR_COUNT(slots);
	CK_RV rv = p11->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv != CKR_OK)
		return rv;
	for (CK_ULONG i = 0; i < count; i++) {
		*slot = slots[i];
		if (has_label(slots[i], label))
			return CKR_OK;
	}
	return CKR_TOKEN_NOT_PRESENT;
}

CK_SLOT_ID sr_slot(const char *label)
{
	CK_SLOT_ID slot = 0;
	ck_assert_rv(sr_slot_find(label, &slot), CKR_OK);
	return slot;
}

CK_SESSION_HANDLE sr_open(const char *label, CK_FLAGS flags)
{
	CK_SESSION_HANDLE session;
	ck_assert_rv(p11->C_OpenSession(sr_slot(label), flags | CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	return session;
}

CK_SESSION_HANDLE sr_rw(void)
{
	return sr_open(SR_VAULT, CKF_RW_SESSION);
}

CK_RV sr_login(CK_SESSION_HANDLE session, const char *pin)
{
	return p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
}

CK_SESSION_HANDLE sr_as(const char *pin)
{
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(sr_login(session, pin), CKR_OK);
	return session;
}

static CK_SESSION_INFO info_of(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;
	ck_assert_rv(p11->C_GetSessionInfo(session, &info), CKR_OK);
	return info;
}

CK_STATE sr_state(CK_SESSION_HANDLE session)
{
	return info_of(session).state;
}

CK_ULONG sr_device_error(CK_SESSION_HANDLE session)
{
	return info_of(session).ulDeviceError;
}

CK_SESSION_HANDLE sr_admin(void)
{
	static CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	if (session && p11->C_GetSessionInfo(session, &info) == CKR_OK && info.state == CKS_RW_USER_FUNCTIONS)
		return session;
	session = sr_open(SR_ADMIN, CKF_RW_SESSION);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
	return session;
}

/* -- objects --------------------------------------------------------------------------------------------------------
 */
CK_RV sr_put(CK_SESSION_HANDLE session, const char *path, const char *value, CK_OBJECT_HANDLE *handle)
{
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes), SR_STRING(CKA_LABEL, path),
		SR_STRING(CKA_VALUE, value) };
	return p11->C_CreateObject(session, template, SR_COUNT(template), handle);
}

CK_RV sr_issue(CK_SESSION_HANDLE session, const char *scopes, const char *ttl, const char *uses,
	char token[SR_TOKEN_LEN + 1], CK_OBJECT_HANDLE *handle)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_STRING(CKA_SR_SCOPES, scopes), SR_STRING(CKA_SR_TTL, ttl),
		{ CKA_SR_MAX_USES, (void *)uses, uses ? strlen(uses) : 0 } };
	CK_RV rv = p11->C_CreateObject(session, template, SR_COUNT(template) - !uses, handle);
	CK_ULONG len = SR_TOKEN_LEN;
	if (rv == CKR_OK)
		rv = sr_get(session, *handle, CKA_VALUE, token, &len);
	token[SR_TOKEN_LEN] = '\0';
	return rv;
}

CK_OBJECT_HANDLE sr_token(const char *scopes, const char *ttl, const char *uses, char token[SR_TOKEN_LEN + 1])
{
	CK_OBJECT_HANDLE handle;
	ck_assert_rv(sr_issue(sr_admin(), scopes, ttl, uses, token, &handle), CKR_OK);
	return handle;
}

void sr_revoke(CK_OBJECT_HANDLE token)
{
	ck_assert_rv(p11->C_DestroyObject(sr_admin(), token), CKR_OK);
}

CK_ULONG sr_find_all(
	CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *found, CK_ULONG max)
{
	CK_OBJECT_HANDLE some[64];
	CK_ULONG sum = 0, got;
	ck_assert_rv(p11->C_FindObjectsInit(session, template, count), CKR_OK);
	do {
		ck_assert_rv(p11->C_FindObjects(session, some, SR_COUNT(some), &got), CKR_OK);
		for (CK_ULONG i = 0; i < got; i++, sum++) {
			if (found && sum < max)
				found[sum] = some[i];
		}
	} while (got);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	return sum;
}

CK_OBJECT_HANDLE sr_find(CK_SESSION_HANDLE session, const char *path)
{
	CK_OBJECT_HANDLE found = 0;
	CK_ATTRIBUTE template[] = { SR_STRING(CKA_LABEL, path) };
	ck_assert_uint_le(sr_find_all(session, template, 1, &found, 1), 1);
	return found;
}

CK_OBJECT_HANDLE sr_listed(CK_SESSION_HANDLE session, const char *path)
{
	CK_OBJECT_HANDLE all[256];
	char label[513];
	CK_ULONG count = sr_find_all(session, NULL, 0, all, SR_COUNT(all));
	ck_assert_uint_le(count, SR_COUNT(all));
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ULONG len = sizeof label;
		ck_assert_rv(sr_get(session, all[i], CKA_LABEL, label, &len), CKR_OK);
		if (len == strlen(path) && memcmp(label, path, len) == 0)
			return all[i];
	}
	return 0;
}

CK_RV sr_get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *buffer, CK_ULONG *len)
{
	CK_ATTRIBUTE wanted = { type, buffer, *len };
	CK_RV rv = p11->C_GetAttributeValue(session, object, &wanted, 1);
	*len = wanted.ulValueLen;
	return rv;
}

CK_RV sr_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	char value[256];
	CK_ULONG len = sizeof value;
	return sr_get(session, object, CKA_VALUE, value, &len);
}

void sr_is(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const char *text)
{
	char value[1024];
	CK_ULONG len = sizeof value - 1;
	ck_assert_rv(sr_get(session, object, type, value, &len), CKR_OK);
	value[len] = '\0';
	ck_assert_str_eq(value, text);
}

CK_ULONG sr_events(const char *event, const char *status, const char *path)
{
	CK_OBJECT_CLASS class = CKO_SR_EVENT;
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, class), SR_STRING(CKA_SR_EVENT, event),
		SR_STRING(CKA_SR_STATUS, status), { CKA_SR_PATH, (void *)path, path ? strlen(path) : 0 } };
	return sr_find_all(sr_admin(), query, SR_COUNT(query) - !path, NULL, 0);
}
