/* Session objects: PKCS#11 v3.1, 4.4, 5.6.2 and 5.7 over objects that live in a session. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

static CK_RV make(CK_SESSION_HANDLE session, const char *label, CK_BBOOL *private, CK_OBJECT_HANDLE *made)
{
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_no),
		SR_ATTR(CKA_PRIVATE, *private), SR_STRING(CKA_LABEL, label), SR_TEXT(CKA_VALUE, "session value") };
	return p11->C_CreateObject(session, template, SR_COUNT(template), made);
}

static CK_OBJECT_HANDLE made_public(CK_SESSION_HANDLE session, const char *label)
{
	CK_OBJECT_HANDLE made;
	ck_assert_rv(make(session, label, &sr_no, &made), CKR_OK);
	return made;
}

static CK_BBOOL flag(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = 77;
	CK_ULONG len = sizeof value;
	ck_assert_rv(sr_get(session, object, type, &value, &len), CKR_OK);
	return value;
}

static CK_RV set(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len)
{
	CK_ATTRIBUTE change = { type, value, len };
	return p11->C_SetAttributeValue(session, object, &change, 1);
}

/* -- who may
 * -------------------------------------------------------------------------------------------------------------------
 */
/* Java makes them before C_Login. */
START_TEST(public_without_login)
{
	CK_SESSION_HANDLE ro = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE object = made_public(ro, "scratch");
	sr_is(ro, object, CKA_VALUE, "session value");
	ck_assert_uint_eq(sr_find(ro, "scratch"), object);
	ck_assert_rv(p11->C_DestroyObject(ro, object), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(ro, object), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_find(ro, "scratch"), 0);
}
END_TEST

START_TEST(private_needs_login)
{
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(make(session, "scratch", &sr_yes, &object), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_login(session, sr_place.staging), CKR_OK); /* any login will do */
	ck_assert_rv(make(session, "scratch", &sr_yes, &object), CKR_OK);
	ck_assert_uint_eq(sr_find(session, "scratch"), object);
	sr_is(session, object, CKA_VALUE, "session value");
}
END_TEST

START_TEST(defaults)
{
	CK_OBJECT_HANDLE object;
	char id[64], other_id[64];
	CK_ULONG len = sizeof id, other_len = sizeof other_id;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE class_only = SR_ATTR(CKA_CLASS, sr_data);
	ck_assert_rv(p11->C_CreateObject(session, &class_only, 1, &object), CKR_OK);
	ck_assert_int_eq(flag(session, object, CKA_TOKEN), CK_FALSE);
	ck_assert_int_eq(flag(session, object, CKA_MODIFIABLE), CK_TRUE);
	ck_assert_int_eq(flag(session, object, CKA_COPYABLE), CK_TRUE);
	ck_assert_int_eq(flag(session, object, CKA_DESTROYABLE), CK_TRUE);
	ck_assert_int_eq(flag(session, object, CKA_PRIVATE), CK_TRUE);
	sr_is(session, object, CKA_LABEL, "");
	sr_is(session, object, CKA_APPLICATION, "");
	sr_is(session, object, CKA_OBJECT_ID, "");
	sr_is(session, object, CKA_VALUE, "");
	ck_assert_rv(sr_get(session, object, CKA_UNIQUE_ID, id, &len), CKR_OK);
	ck_assert_rv(sr_get(session, made_public(session, ""), CKA_UNIQUE_ID, other_id, &other_len), CKR_OK);
	ck_assert(len != other_len || memcmp(id, other_id, len) != 0);
}
END_TEST

/* Design §3: free labels; only token objects have paths. */
START_TEST(free_labels)
{
	static const char *const labels[] = { "..", "production/*", "/a//b/", "\xff\xfe", SR_STRIPE };
	CK_SESSION_HANDLE session = sr_rw();
	for (size_t i = 0; i < SR_COUNT(labels); i++) {
		CK_OBJECT_HANDLE made = made_public(session, labels[i]);
		ck_assert_uint_eq(sr_find(session, labels[i]), made);
	}
}
END_TEST

/* -- where they are seen, how long they live
 * -------------------------------------------------------------------------------------- */
START_TEST(other_sessions_see_them)
{
	CK_OBJECT_HANDLE private;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader), other = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE public = made_public(session, "shared");
	ck_assert_rv(make(session, "private", &sr_yes, &private), CKR_OK);
	ck_assert_uint_eq(sr_find(other, "shared"), public);
	ck_assert_uint_eq(sr_find(other, "private"), private);
	sr_is(other, private, CKA_VALUE, "session value");
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
	ck_assert_rv(sr_value(other, public), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(sr_value(other, private), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_find(other, "shared"), 0);
}
END_TEST

START_TEST(gone_after_finalize)
{
	CK_OBJECT_HANDLE object = made_public(sr_rw(), "gone");
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(sr_initialize(), CKR_OK);
	ck_assert_uint_eq(sr_find(sr_rw(), "gone"), 0);
	ck_assert_rv(sr_value(sr_rw(), object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(close_all_destroys)
{
	CK_OBJECT_HANDLE object = made_public(sr_rw(), "closed");
	CK_SESSION_HANDLE session;
	ck_assert_rv(p11->C_CloseAllSessions(sr_slot(SR_VAULT)), CKR_OK);
	session = sr_rw();
	ck_assert_rv(sr_value(session, object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

/* -- search
 * --------------------------------------------------------------------------------------------------------------------------
 */
START_TEST(found_beside_token_objects)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE on_token = SR_ATTR(CKA_TOKEN, sr_yes), in_session = SR_ATTR(CKA_TOKEN, sr_no);
	CK_ATTRIBUTE by_value = SR_TEXT(CKA_VALUE, "session value");
	CK_ULONG before = sr_find_all(session, NULL, 0, NULL, 0);
	CK_ULONG token_before = sr_find_all(session, &on_token, 1, NULL, 0); /* the profiles among them */
	made_public(session, "beside");
	ck_assert_uint_eq(sr_find_all(session, NULL, 0, NULL, 0), before + 1);
	ck_assert_uint_eq(sr_find_all(session, &on_token, 1, NULL, 0), token_before);
	ck_assert_uint_eq(sr_find_all(session, &in_session, 1, NULL, 0), 1);
	ck_assert_uint_eq(sr_find_all(session, &by_value, 1, NULL, 0), 1);
}
END_TEST

/* -- changing
 * ---------------------------------------------------------------------------------------------------------------------------
 */
START_TEST(modify)
{
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE object = made_public(session, "before");
	ck_assert_rv(set(session, object, CKA_LABEL, (void *)"after", 5), CKR_OK);
	ck_assert_rv(set(session, object, CKA_VALUE, (void *)"other", 5), CKR_OK);
	ck_assert_uint_eq(sr_find(session, "after"), object);
	ck_assert_uint_eq(sr_find(session, "before"), 0);
	sr_is(session, object, CKA_VALUE, "other");
	ck_assert_rv(set(session, object, CKA_TOKEN, &sr_yes, 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv(set(session, object, CKA_PRIVATE, &sr_yes, 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv(set(session, object, CKA_UNIQUE_ID, (void *)"x", 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_assert_rv_in(set(session, object, CKA_SR_TIER, (void *)"critical", 8), CKR_ATTRIBUTE_TYPE_INVALID,
		CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

static CK_OBJECT_HANDLE with_flag(CK_SESSION_HANDLE session, CK_ATTRIBUTE_TYPE type)
{
	CK_OBJECT_HANDLE made;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_PRIVATE, sr_no), { type, &sr_no, 1 },
		SR_TEXT(CKA_LABEL, "flagged") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	return made;
}

/* 4.4: each of the three policies is kept. */
START_TEST(policies)
{
	CK_SESSION_HANDLE session = sr_rw();
	CK_OBJECT_HANDLE copy;
	ck_assert_rv(
		set(session, with_flag(session, CKA_MODIFIABLE), CKA_LABEL, (void *)"x", 1), CKR_ACTION_PROHIBITED);
	ck_assert_rv(p11->C_DestroyObject(session, with_flag(session, CKA_DESTROYABLE)), CKR_ACTION_PROHIBITED);
	CK_OBJECT_HANDLE fixed = with_flag(session, CKA_COPYABLE);
	ck_assert_rv(p11->C_CopyObject(session, fixed, NULL, 0, &copy), CKR_ACTION_PROHIBITED);
	ck_assert_rv_in(set(session, fixed, CKA_COPYABLE, &sr_yes, 1), CKR_ATTRIBUTE_READ_ONLY, CKR_ACTION_PROHIBITED);
}
END_TEST

START_TEST(copy)
{
	CK_OBJECT_HANDLE copied = 0;
	char id[64] = "", copied_id[64] = "";
	CK_ULONG len = sizeof id - 1, copied_len = sizeof copied_id - 1;
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE object = made_public(session, "original");
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, "copy");
	ck_assert_rv(p11->C_CopyObject(session, object, &label, 1, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_CopyObject(session, object, &label, 1, &copied), CKR_OK);
	ck_assert_uint_ne(copied, object);
	sr_is(session, copied, CKA_LABEL, "copy");
	sr_is(session, copied, CKA_VALUE, "session value");
	sr_is(session, object, CKA_LABEL, "original");
	ck_assert_rv(sr_get(session, object, CKA_UNIQUE_ID, id, &len), CKR_OK);
	ck_assert_rv(sr_get(session, copied, CKA_UNIQUE_ID, copied_id, &copied_len), CKR_OK);
	ck_assert_str_ne(id, copied_id); /* 5.7.2 */
	ck_assert_rv(p11->C_CopyObject(session, CK_INVALID_HANDLE, &label, 1, &copied), CKR_OBJECT_HANDLE_INVALID);
	CK_ATTRIBUTE unique = SR_TEXT(CKA_UNIQUE_ID, "x");
	ck_assert_rv(p11->C_CopyObject(session, object, &unique, 1, &copied), CKR_ATTRIBUTE_READ_ONLY);
}
END_TEST

/* 5.7.2: a session object may be copied to the token; there it needs what any token object needs. */
START_TEST(copy_to_the_token)
{
	CK_OBJECT_HANDLE copied;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer), ro = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE object = made_public(session, "draft");
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_LABEL, "production/copied") };
	ck_assert_rv(p11->C_CopyObject(ro, object, template, 2, &copied), CKR_SESSION_READ_ONLY);
	ck_assert_rv(p11->C_CopyObject(session, object, template, 2, &copied), CKR_OK);
	ck_assert_uint_eq(sr_find(session, "production/copied"), copied);
	sr_is(session, copied, CKA_VALUE, "session value");
	ck_assert_int_eq(flag(session, copied, CKA_TOKEN), CK_TRUE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(p11->C_CopyObject(session, object, template, 2, &copied), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* 4.4: what is private does not become public by copying. */
START_TEST(copy_stays_private)
{
	CK_OBJECT_HANDLE object, copied;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE public = SR_ATTR(CKA_PRIVATE, sr_no);
	ck_assert_rv(make(session, "private", &sr_yes, &object), CKR_OK);
	ck_assert_rv_in(p11->C_CopyObject(session, object, &public, 1, &copied), CKR_ATTRIBUTE_READ_ONLY,
		CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

/* -- how many
 * ------------------------------------------------------------------------------------------------------------------------------
 */
/* A bounded number per application; the code is the token's memory, and what is destroyed makes room. */
START_TEST(bounded)
{
	CK_OBJECT_HANDLE object = 0, last;
	CK_SESSION_HANDLE session = sr_rw();
	CK_RV rv;
	int count = 0;
	while ((rv = make(session, "many", &sr_no, &last)) == CKR_OK && count < 10000) {
		object = last;
		count++;
	}
	ck_assert_rv(rv, CKR_DEVICE_MEMORY);
	ck_assert_int_ge(count, 100);
	ck_assert_rv(make(sr_open(SR_ADMIN, 0), "other slot", &sr_no, &last), CKR_DEVICE_MEMORY);
	ck_assert_rv(p11->C_DestroyObject(session, object), CKR_OK);
	ck_assert_rv(make(session, "many", &sr_no, &last), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
	ck_assert_rv(make(sr_rw(), "many", &sr_no, &last), CKR_OK);
}
END_TEST

Suite *sr_battery_session_objects(void)
{
	Suite *suite = suite_create("battery: session objects");
	TCase *tcase = sr_chapter(suite, "session objects", sr_start, sr_stop);
	tcase_add_test(tcase, public_without_login);
	tcase_add_test(tcase, private_needs_login);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, free_labels);
	tcase_add_test(tcase, other_sessions_see_them);
	tcase_add_test(tcase, gone_after_finalize);
	tcase_add_test(tcase, close_all_destroys);
	tcase_add_test(tcase, found_beside_token_objects);
	tcase_add_test(tcase, modify);
	tcase_add_test(tcase, policies);
	tcase_add_test(tcase, copy);
	tcase_add_test(tcase, copy_to_the_token);
	tcase_add_test(tcase, copy_stays_private);
	tcase_add_test(tcase, bounded);
	return suite;
}
