/* Profiles and mechanisms as objects: PKCS#11 v3.1, 4.12 and 4.13; OASIS test cases BL-M-1 and EXT-M-1. */
#include "tests/unit/suites.h"

#include "pkcs11/mechanism.h"
#include "tests/unit/pkcs11_fixture.h"

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define ck_rv(got, expected) ck_assert_uint_eq(got, expected)

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS profile = CKO_PROFILE, mechanism = CKO_MECHANISM;
static CK_OBJECT_HANDLE found[256];

static CK_ULONG search(CK_SESSION_HANDLE session, CK_ATTRIBUTE *query, CK_ULONG count)
{
	CK_ULONG have = 0;
	ck_rv(CALL(C_FindObjectsInit, session, query, count), CKR_OK);
	ck_rv(CALL(C_FindObjects, session, found, COUNT(found), &have), CKR_OK);
	ck_rv(CALL(C_FindObjectsFinal, session), CKR_OK);
	return have;
}

static CK_ULONG number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG value = CK_UNAVAILABLE_INFORMATION;
	CK_ATTRIBUTE wanted = { type, &value, sizeof value };
	ck_rv(CALL(C_GetAttributeValue, fix.ro, object, &wanted, 1), CKR_OK);
	ck_assert_uint_eq(wanted.ulValueLen, sizeof value);
	return value;
}

/* Without a login, and with one the same. */
START_TEST(profiles_are_found)
{
	CK_ATTRIBUTE by_class[] = { { CKA_CLASS, &profile, sizeof profile } };
	CK_ATTRIBUTE on_token[] = { { CKA_TOKEN, &yes, 1 } };
	ck_assert_uint_eq(search(fix.ro, by_class, 1), 2);
	ck_assert_uint_eq(number(found[0], CKA_PROFILE_ID), CKP_BASELINE_PROVIDER);
	ck_assert_uint_eq(number(found[1], CKA_PROFILE_ID), CKP_EXTENDED_PROVIDER);
	ck_assert_uint_eq(number(found[1], CKA_CLASS), CKO_PROFILE);
	CK_OBJECT_HANDLE first = found[0];
	ck_assert_uint_eq(search(fix.ro, on_token, 1), 2); /* BL-M-1 */
	log_in(fix.rw);
	ck_assert_uint_gt(search(fix.ro, on_token, 1), 2); /* EXT-M-1 */
	ck_assert_uint_eq(found[0], first);
	ck_assert_uint_eq(search(fix.ro, by_class, 1), 2);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_assert_uint_eq(number(first, CKA_PROFILE_ID), CKP_BASELINE_PROVIDER);
}
END_TEST

START_TEST(one_profile_is_asked_for)
{
	CK_PROFILE_ID id = CKP_EXTENDED_PROVIDER;
	CK_ATTRIBUTE query[] = { { CKA_CLASS, &profile, sizeof profile }, { CKA_PROFILE_ID, &id, sizeof id } };
	ck_assert_uint_eq(search(fix.ro, query, 2), 1);
	id = CKP_COMPLETE_PROVIDER;
	ck_assert_uint_eq(search(fix.ro, query, 2), 0);
	CK_ATTRIBUTE in_session[] = { { CKA_CLASS, &profile, sizeof profile }, { CKA_TOKEN, &no, 1 } };
	ck_assert_uint_eq(search(fix.ro, in_session, 2), 0);
	ck_assert_uint_eq(search(fix.ro, NULL, 0), 0);
}
END_TEST

START_TEST(mechanisms_are_found_by_class)
{
	CK_ATTRIBUTE query[] = { { CKA_CLASS, &mechanism, sizeof mechanism } };
	CK_MECHANISM_TYPE list[256];
	CK_ULONG count = COUNT(list);
	ck_rv(CALL(C_GetMechanismList, fix.slot, list, &count), CKR_OK);
	ck_assert_uint_eq(search(fix.ro, query, 1), count);
	for (CK_ULONG i = 0; i < count; i++)
		ck_assert_uint_eq(number(found[i], CKA_MECHANISM_TYPE), list[i]);
	CK_MECHANISM_TYPE type = CKM_AES_GCM;
	CK_ATTRIBUTE one[] = { { CKA_CLASS, &mechanism, sizeof mechanism },
		{ CKA_MECHANISM_TYPE, &type, sizeof type } };
	ck_assert_uint_eq(search(fix.ro, one, 2), 1);
	type = CKM_MD5; /* weak: no such object, even by its handle */
	ck_assert_uint_eq(search(fix.ro, one, 2), 0);
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		CK_ULONG size;
		CK_RV rv = CALL(C_GetObjectSize, fix.ro, 0x102 + i, &size);
		bool offered = false;
		for (CK_ULONG k = 0; k < count; k++)
			offered = offered || list[k] == sr_mechanism_rows[i].type;
		ck_rv(rv, offered ? CKR_OK : CKR_OBJECT_HANDLE_INVALID);
	}
	CK_ULONG size;
	ck_rv(CALL(C_GetObjectSize, fix.ro, 0x102 + sr_mechanism_count, &size), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(CALL(C_GetObjectSize, fix.ro, 0xff, &size), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(CALL(C_GetObjectSize, fix.ro, 0xffff, &size), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(they_are_read_only_and_no_keys)
{
	CK_ATTRIBUTE by_class[] = { { CKA_CLASS, &profile, sizeof profile } };
	CK_ATTRIBUTE label = { CKA_LABEL, (void *)"x", 1 };
	CK_MECHANISM gcm_mac = { CKM_AES_CMAC, NULL, 0 };
	CK_OBJECT_HANDLE copy;
	log_in(fix.rw);
	ck_assert_uint_eq(search(fix.rw, by_class, 1), 2);
	CK_OBJECT_HANDLE object = found[0];
	ck_rv(CALL(C_SetAttributeValue, fix.rw, object, &label, 1), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_CopyObject, fix.rw, object, NULL, 0, &copy), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_DestroyObject, fix.rw, object), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_SignInit, fix.rw, &gcm_mac, object), CKR_KEY_HANDLE_INVALID);
	ck_assert_uint_eq(number(object, CKA_PROFILE_ID), CKP_BASELINE_PROVIDER);
	CK_OBJECT_CLASS classes[] = { CKO_PROFILE, CKO_MECHANISM, CKO_HW_FEATURE };
	for (size_t i = 0; i < COUNT(classes); i++) {
		CK_ATTRIBUTE template[] = { { CKA_CLASS, &classes[i], sizeof classes[i] } };
		ck_rv(CALL(C_CreateObject, fix.rw, template, 1, &copy), CKR_ATTRIBUTE_VALUE_INVALID);
	}
}
END_TEST

/* What every object has; and a made object's handle is none of theirs. */
START_TEST(common_attributes)
{
	CK_BBOOL token = CK_FALSE, is_private = CK_TRUE;
	char unique[64];
	CK_ATTRIBUTE by_class[] = { { CKA_CLASS, &profile, sizeof profile } };
	CK_ATTRIBUTE wanted[] = { { CKA_TOKEN, &token, 1 }, { CKA_PRIVATE, &is_private, 1 },
		{ CKA_UNIQUE_ID, unique, sizeof unique } };
	search(fix.ro, by_class, 1);
	ck_rv(CALL(C_GetAttributeValue, fix.ro, found[0], wanted, 3), CKR_OK);
	ck_assert(token && !is_private);
	CK_ATTRIBUTE same[] = { { CKA_CLASS, &profile, sizeof profile },
		{ CKA_UNIQUE_ID, unique, wanted[2].ulValueLen } };
	ck_assert_uint_eq(search(fix.ro, same, 2), 1);
	CK_OBJECT_HANDLE made;
	ck_rv(create_data(fix.ro, "free", "value", false, false, &made), CKR_OK);
	ck_assert_uint_ge(made, 0x10000);
	CK_ATTRIBUTE value = { CKA_VALUE, NULL, 0 };
	ck_rv(CALL(C_GetAttributeValue, fix.ro, found[0], &value, 1), CKR_ATTRIBUTE_TYPE_INVALID);
}
END_TEST

Suite *sr_suite_builtin(void)
{
	Suite *suite = suite_create("builtin");
	TCase *objects = tcase_create("objects");
	tcase_add_checked_fixture(objects, fixture_open, fixture_close);
	tcase_add_test(objects, profiles_are_found);
	tcase_add_test(objects, one_profile_is_asked_for);
	tcase_add_test(objects, mechanisms_are_found_by_class);
	tcase_add_test(objects, they_are_read_only_and_no_keys);
	tcase_add_test(objects, common_attributes);
	suite_add_tcase(suite, objects);
	return suite;
}
