/* Versions of a secret through the C_* calls: found by number, read in a grace, rolled back to, destroyed, undeleted.
 */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_OBJECT_CLASS data_class = CKO_DATA;

static const char *path; /* each test has its own */

static CK_RV rotate(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, const char *value, const char *grace)
{
	CK_ATTRIBUTE changes[] = { SR_STRING(CKA_VALUE, value), SR_STRING(CKA_SR_GRACE, grace) };
	return p11->C_SetAttributeValue(session, object, changes, 2);
}

static CK_RV roll_back(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, const char *version)
{
	CK_ATTRIBUTE change = SR_STRING(CKA_SR_VERSION, version);
	return p11->C_SetAttributeValue(session, object, &change, 1);
}

/* 0: there is none. */
static CK_OBJECT_HANDLE find_version(CK_SESSION_HANDLE session, const char *version)
{
	CK_OBJECT_HANDLE found = 0;
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, data_class), SR_STRING(CKA_LABEL, path),
		SR_STRING(CKA_SR_VERSION, version) };
	return sr_find_all(session, query, 3, &found, 1) ? found : 0;
}

static CK_SESSION_HANDLE next(CK_SESSION_HANDLE session, const char *string)
{
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, string), CKR_OK);
	return session;
}

START_TEST(an_old_version_in_its_grace)
{
	path = "production/rotated/1";
	char after[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(sr_put(session, path, "one", &object), CKR_OK);
	ck_assert_rv(rotate(session, object, "a longer one", "3600"), CKR_OK);
	sr_is(session, object, CKA_VALUE, "a longer one");
	sr_is(session, find_version(session, "1"), CKA_VALUE, "one");
	sr_is(session, find_version(session, "1"), CKA_SR_VERSION, "1");
	sr_is(session, find_version(session, "2"), CKA_VALUE, "a longer one");
	ck_assert_uint_eq(find_version(session, "3"), 0);
	ck_assert_uint_eq(find_version(session, "one"), 0);
	sr_token("secrets:read:production/*", "600", NULL, after);
	next(session, after);
	ck_assert_rv(sr_value(session, find_version(session, "1")), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_VERSION_CLOSED);
	sr_is(session, sr_find(session, path), CKA_VALUE, "a longer one");
	next(session, sr_place.writer);
	ck_assert_rv(rotate(session, sr_find(session, path), "three", "0"), CKR_OK);
	ck_assert_rv(sr_value(session, find_version(session, "1")), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_rv(p11->C_DestroyObject(session, sr_find(session, path)), CKR_OK);
}
END_TEST

START_TEST(a_version_is_not_changed_and_may_be_destroyed)
{
	path = "production/rotated/2";
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE change = SR_TEXT(CKA_VALUE, "x");
	ck_assert_rv(sr_put(session, path, "one", &object), CKR_OK);
	ck_assert_rv(rotate(session, object, "two", "3600"), CKR_OK);
	CK_OBJECT_HANDLE old = find_version(session, "1"), now = find_version(session, "2");
	ck_assert_rv(p11->C_SetAttributeValue(session, old, &change, 1), CKR_ACTION_PROHIBITED);
	ck_assert_rv(p11->C_DestroyObject(session, now), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_VERSION_CURRENT);
	ck_assert_rv(p11->C_DestroyObject(session, old), CKR_OK);
	ck_assert_uint_eq(find_version(session, "1"), 0);
	ck_assert_rv(roll_back(session, object, "1"), CKR_OBJECT_HANDLE_INVALID);
	sr_is(session, object, CKA_VALUE, "two");
}
END_TEST

START_TEST(rolled_back_deleted_and_back)
{
	path = "production/rotated/3";
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE again[] = { SR_ATTR(CKA_CLASS, data_class), SR_ATTR(CKA_TOKEN, yes), SR_STRING(CKA_LABEL, path),
		SR_TEXT(CKA_SR_STATE, "active") };
	ck_assert_rv(sr_put(session, path, "one", &object), CKR_OK);
	ck_assert_rv(rotate(session, object, "two", "0"), CKR_OK);
	ck_assert_rv(roll_back(session, object, "1"), CKR_OK);
	sr_is(session, object, CKA_VALUE, "one");
	sr_is(session, object, CKA_SR_VERSION, "3");
	ck_assert_rv(roll_back(session, object, "3"), CKR_ACTION_PROHIBITED);
	ck_assert_rv(p11->C_CreateObject(session, again, 4, &object), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_NOT_DELETED);
	ck_assert_rv(p11->C_DestroyObject(session, sr_find(session, path)), CKR_OK);
	ck_assert_uint_eq(sr_find(session, path), 0);
	ck_assert_rv(p11->C_CreateObject(session, again, 4, &object), CKR_OK);
	sr_is(session, object, CKA_VALUE, "one");
}
END_TEST

Suite *sr_battery_versions(void)
{
	Suite *suite = suite_create("battery: versions");
	TCase *c = sr_chapter(suite, "versions", sr_start, sr_stop);
	tcase_add_test(c, an_old_version_in_its_grace);
	tcase_add_test(c, a_version_is_not_changed_and_may_be_destroyed);
	tcase_add_test(c, rolled_back_deleted_and_back);
	return suite;
}
