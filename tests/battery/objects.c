/* C_CreateObject, C_CopyObject, C_DestroyObject, C_GetObjectSize: PKCS#11 v3.1, 5.7.1 to 5.7.4, over secrets. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <string.h>

#define MANY 8

static CK_RV create(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_OBJECT_HANDLE made;
	return p11->C_CreateObject(session, template, count, &made);
}

/* -- C_CreateObject
 * ------------------------------------------------------------------------------------------------------- */
START_TEST(create_secret)
{
	CK_OBJECT_HANDLE made = 0, found;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/new"), SR_TEXT(CKA_APPLICATION, "billing"),
		SR_TEXT(CKA_OBJECT_ID, "\x06\x01\x2a"), SR_TEXT(CKA_VALUE, "a value") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	sr_is(session, made, CKA_VALUE, "a value"); /* whoever created it has named it */
	found = sr_find(session, "production/new");
	ck_assert_uint_eq(found, made);
	sr_is(session, found, CKA_APPLICATION, "billing");
	sr_is(session, found, CKA_OBJECT_ID, "\x06\x01\x2a");
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	sr_is(session, sr_find(session, "production/new"), CKA_VALUE, "a value");
}
END_TEST

/* A value is bytes. */
START_TEST(every_byte)
{
	CK_BYTE all[256], got[256];
	CK_ULONG len = sizeof got;
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	for (int i = 0; i < 256; i++)
		all[i] = (CK_BYTE)i;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/bytes"), SR_ATTR(CKA_VALUE, all) };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	ck_assert_rv(sr_get(session, made, CKA_VALUE, got, &len), CKR_OK);
	ck_assert_uint_eq(len, sizeof all);
	ck_assert_mem_eq(got, all, sizeof all);
}
END_TEST

/* Design §3: a secret at a taken path gets a new version under the same handle. */
START_TEST(new_version)
{
	CK_OBJECT_HANDLE first, second;
	char was[64] = "", is[64] = "";
	CK_ULONG was_len = sizeof was, is_len = sizeof is;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(sr_put(session, "production/versions", "one", &first), CKR_OK);
	ck_assert_rv(sr_get(session, first, CKA_UNIQUE_ID, was, &was_len), CKR_OK);
	ck_assert_rv(sr_put(session, "production/versions", "two", &second), CKR_OK);
	ck_assert_uint_eq(first, second);
	ck_assert_rv(sr_get(session, first, CKA_UNIQUE_ID, is, &is_len), CKR_OK);
	ck_assert_str_eq(was, is);
	sr_is(session, first, CKA_VALUE, "two");
	sr_is(session, first, CKA_SR_VERSION, "2");
}
END_TEST

START_TEST(no_label)
{
	char token[SR_TOKEN_LEN + 1], id[64] = "", path[128];
	CK_ULONG len = sizeof id - 1;
	CK_OBJECT_HANDLE made;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes), SR_TEXT(CKA_VALUE, "v") };
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(create(session, template, SR_COUNT(template)), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	sr_token("secrets:*:*", "60", NULL, token);
	ck_assert_rv(sr_login(session, token), CKR_OK);
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	ck_assert_rv(sr_get(session, made, CKA_UNIQUE_ID, id, &len), CKR_OK);
	snprintf(path, sizeof path, "unnamed/%s", id);
	sr_is(session, made, CKA_LABEL, path);
}
END_TEST

START_TEST(who_may_create)
{
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_rw(), ro = sr_open(SR_VAULT, 0);
	ck_assert_rv(sr_put(session, "production/nobody", "v", &made), CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv_in(sr_put(ro, "production/nobody", "v", &made), CKR_SESSION_READ_ONLY, CKR_USER_NOT_LOGGED_IN);
	ck_assert_rv(sr_login(session, sr_place.writer), CKR_OK);
	ck_assert_rv(sr_put(ro, "production/nobody", "v", &made), CKR_SESSION_READ_ONLY);
	ck_assert_uint_eq(sr_find(session, "production/nobody"), 0);
}
END_TEST

/* 5.1.6: CKR_ACTION_PROHIBITED is for copy, set and destroy alone. Of the codes of 5.7.1 two say "not with this login".
 */
START_TEST(out_of_scope)
{
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_rv_in(sr_put(session, "production/no-right", "v", &made), CKR_TOKEN_WRITE_PROTECTED,
		CKR_TEMPLATE_INCONSISTENT);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
	ck_assert_rv_in(sr_put(session, "elsewhere/no-right", "v", &made), CKR_TOKEN_WRITE_PROTECTED,
		CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

/* The same answer for a path out of scope whether something is there or not. */
START_TEST(out_of_scope_tells_nothing)
{
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_RV there = sr_put(session, SR_STAGING, "v", &made);
	CK_ULONG why = sr_device_error(session);
	ck_assert_rv(sr_put(session, "staging/payments/none", "v", &made), there);
	ck_assert_uint_ne(there, CKR_OK);
	ck_assert_uint_eq(sr_device_error(session), why);
	sr_is(sr_admin(), sr_find(sr_admin(), SR_STAGING), CKA_VALUE, SR_STAGING_VALUE);
}
END_TEST

static CK_BYTE two = 2;
static CK_ULONG number = 0x7777;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_KEY_TYPE aes = CKK_AES;

/* One attribute more than a good template, or in place of one of its own. */
static const struct {
	CK_ATTRIBUTE more;
	CK_RV rv, or_rv;
} faults[] = {
	{ SR_TEXT(CKA_UNIQUE_ID, "mine"), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_TEXT(0x6fffffff, "what"), CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID },
	{ SR_TEXT(SR_VENDOR(0xfff), "what"), CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID },
	{ SR_ATTR(CKA_KEY_TYPE, aes), CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT },
	{ SR_ATTR(CKA_LOCAL, sr_yes), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID },
	{ SR_ATTR(CKA_PRIVATE, two), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ SR_ATTR(CKA_PRIVATE, number), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ { CKA_PRIVATE, NULL, 0 }, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ { CKA_APPLICATION, NULL, 5 }, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD },
	{ SR_TEXT(CKA_APPLICATION, "broken \xff"), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ SR_TEXT(CKA_VALUE, "another"), CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT },
	{ SR_TEXT(CKA_LABEL, "production/other"), CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT },
	{ SR_ATTR(CKA_CLASS, secret_key), CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT },
	{ SR_TEXT(CKA_SR_TIER, "enormous"), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ SR_TEXT(CKA_SR_TYPE, "No Type"), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
	{ SR_TEXT(CKA_SR_IF_VERSION, "-1"), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID },
};

START_TEST(bad_attribute)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[MANY] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/faults"), SR_TEXT(CKA_VALUE, "v"), faults[_i].more };
	ck_assert_rv_in(create(session, template, 5), faults[_i].rv, faults[_i].or_rv);
	ck_assert_uint_eq(sr_find(session, "production/faults"), 0);
}
END_TEST

START_TEST(bad_class)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &number, sizeof number }, SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/class"), SR_TEXT(CKA_VALUE, "v") };
	ck_assert_rv(create(session, template, 4), CKR_ATTRIBUTE_VALUE_INVALID);
	template[0].ulValueLen = 4;
	ck_assert_rv(create(session, template, 4), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_rv(create(session, template + 1, 3), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_rv(create(session, template, 0), CKR_TEMPLATE_INCOMPLETE);
	ck_assert_uint_eq(sr_find(session, "production/class"), 0);
}
END_TEST

static const char *const bad_paths[] = { "", "/", "/production", "production/", "production//a", "production/./a",
	"production/../a", "production/*", "production/\x01", "production/\xff", "..", ".", "production/a\n" };

START_TEST(bad_path)
{
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	ck_assert_rv(sr_put(session, bad_paths[_i], "v", &made), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_BAD_PATH);
}
END_TEST

START_TEST(label_with_nul)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/a\0b"), SR_TEXT(CKA_VALUE, "v") };
	ck_assert_rv(create(session, template, SR_COUNT(template)), CKR_ATTRIBUTE_VALUE_INVALID);
}
END_TEST

/* Optimistic writes. 5.1.6 keeps CKR_ACTION_PROHIBITED away from C_CreateObject: an attribute that does not fit what is
 * there is an inconsistent template. */
START_TEST(expected_version)
{
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/expected"), SR_TEXT(CKA_VALUE, "v"), SR_TEXT(CKA_SR_IF_VERSION, "0") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &made), CKR_OK);
	ck_assert_rv(create(session, template, SR_COUNT(template)), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_VERSION_MISMATCH);
	template[4].pValue = (void *)"1";
	ck_assert_rv(create(session, template, SR_COUNT(template)), CKR_OK);
	sr_is(session, made, CKA_SR_VERSION, "2");
}
END_TEST

/* -- C_DestroyObject
 * -------------------------------------------------------------------------------------------------------- */
START_TEST(destroy)
{
	CK_OBJECT_HANDLE made, again;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer), ro = sr_open(SR_VAULT, 0);
	ck_assert_rv(sr_put(session, "production/doomed", "v", &made), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(ro, made), CKR_SESSION_READ_ONLY);
	ck_assert_rv(p11->C_DestroyObject(session, made), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(session, made), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(sr_value(session, made), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_find(session, "production/doomed"), 0);
	ck_assert_rv(sr_put(session, "production/doomed", "again", &again), CKR_OK);
	sr_is(session, again, CKA_VALUE, "again");
	ck_assert_uint_ne(again, made);
}
END_TEST

START_TEST(destroy_without_right)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_BBOOL can = CK_TRUE;
	CK_ULONG len = sizeof can;
	CK_OBJECT_HANDLE object = sr_find(session, SR_PAYPAL);
	ck_assert_rv(sr_get(session, object, CKA_DESTROYABLE, &can, &len), CKR_OK);
	ck_assert_int_eq(can, CK_FALSE);
	ck_assert_rv(p11->C_DestroyObject(session, object), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
	sr_is(session, object, CKA_VALUE, SR_PAYPAL_VALUE);
}
END_TEST

/* Another application's handle to what is gone. */
START_TEST(destroyed_elsewhere)
{
	CK_OBJECT_HANDLE made, seen;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_rv(sr_put(sr_admin(), "production/going", "v", &made), CKR_OK);
	seen = sr_find(session, "production/going");
	ck_assert_rv(p11->C_DestroyObject(sr_admin(), made), CKR_OK);
	ck_assert_rv(sr_value(session, seen), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_uint_eq(sr_find(session, "production/going"), 0);
}
END_TEST

/* -- C_CopyObject, C_GetObjectSize
 * -------------------------------------------------------------------------------------------- */
/* A copy would be a second path to one secret. */
START_TEST(copy)
{
	CK_OBJECT_HANDLE copied;
	CK_BBOOL can = CK_TRUE;
	CK_ULONG len = sizeof can;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, "production/copy");
	ck_assert_rv(sr_get(session, object, CKA_COPYABLE, &can, &len), CKR_OK);
	ck_assert_int_eq(can, CK_FALSE);
	ck_assert_rv(p11->C_CopyObject(session, object, &label, 1, &copied), CKR_ACTION_PROHIBITED);
	ck_assert_rv(p11->C_CopyObject(session, object, NULL, 0, &copied), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_find(session, "production/copy"), 0);
}
END_TEST

START_TEST(size)
{
	CK_ULONG short_size, long_size;
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(sr_put(session, "production/size", "short", &made), CKR_OK);
	ck_assert_rv(p11->C_GetObjectSize(session, made, &short_size), CKR_OK);
	ck_assert_uint_gt(short_size, strlen("short"));
	ck_assert_rv(sr_put(session, "production/size", "a longer value", &made), CKR_OK);
	ck_assert_rv(p11->C_GetObjectSize(session, made, &long_size), CKR_OK);
	ck_assert_uint_eq(long_size - short_size, strlen("a longer value") - strlen("short"));
	ck_assert_rv(p11->C_GetObjectSize(session, made, NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

/* Length and size only with the right to read. */
START_TEST(size_without_right)
{
	CK_ULONG bytes = 7;
	CK_SESSION_HANDLE session = sr_as(sr_place.lister);
	ck_assert_rv(p11->C_GetObjectSize(session, sr_find(session, SR_STRIPE), &bytes), CKR_INFORMATION_SENSITIVE);
	ck_assert_uint_eq(bytes, 7);
}
END_TEST

Suite *sr_battery_objects(void)
{
	Suite *suite = suite_create("battery: objects");
	TCase *tcase = sr_chapter(suite, "5.7.1", sr_start, sr_stop);
	tcase_add_test(tcase, create_secret);
	tcase_add_test(tcase, every_byte);
	tcase_add_test(tcase, new_version);
	tcase_add_test(tcase, no_label);
	tcase_add_test(tcase, who_may_create);
	tcase_add_test(tcase, out_of_scope);
	tcase_add_test(tcase, out_of_scope_tells_nothing);
	tcase_add_loop_test(tcase, bad_attribute, 0, (int)SR_COUNT(faults));
	tcase_add_test(tcase, bad_class);
	tcase_add_loop_test(tcase, bad_path, 0, (int)SR_COUNT(bad_paths));
	tcase_add_test(tcase, label_with_nul);
	tcase_add_test(tcase, expected_version);
	tcase_add_test(tcase, destroy);
	tcase_add_test(tcase, destroy_without_right);
	tcase_add_test(tcase, destroyed_elsewhere);
	tcase_add_test(tcase, copy);
	tcase_add_test(tcase, size);
	tcase_add_test(tcase, size_without_right);
	return suite;
}
