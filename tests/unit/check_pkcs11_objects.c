/* src/pkcs11 over the fake vault: objects, attributes, searches, digests, random numbers. */
#include "tests/unit/suites.h"

#include "tests/unit/pkcs11_fixture.h"

#include <stdio.h>
#include <time.h>

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define ck_rv ck_assert_uint_eq

static CK_OBJECT_CLASS data_class = CKO_DATA;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* -- reading ---------------------------------------------------------------------------------------------------- */

START_TEST(value_of_a_named_object)
{
	CK_OBJECT_HANDLE one;
	char value[16];
	CK_ULONG len = 0;
	log_in(fix.ro);
	one = find_label(fix.ro, "a/one");
	ck_rv(get_value(fix.ro, one, NULL, &len), CKR_OK);
	ck_rv(len, 5);
	len = 4;
	ck_rv(get_value(fix.ro, one, value, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, CK_UNAVAILABLE_INFORMATION);
	ck_rv(get_value(fix.ro, one, value, &len), CKR_BUFFER_TOO_SMALL); /* that length is none */
	ck_rv(fix.vault->values, 0);
	len = sizeof value;
	ck_rv(get_value(fix.ro, one, value, &len), CKR_OK);
	ck_assert_int_eq(memcmp(value, "first", len), 0);
	ck_rv(fix.vault->values, 1);
	ck_rv(CALL(C_GetObjectSize, fix.ro, one, &len), CKR_OK);
	ck_assert_uint_gt(len, 5);
	fix.vault->grow_value = 3; /* a new version between view and value */
	len = 6;
	memset(value, 0, sizeof value);
	ck_rv(get_value(fix.ro, one, value, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(value[0], 0);
}
END_TEST

START_TEST(value_by_listing)
{
	CK_OBJECT_HANDLE found[4];
	CK_ULONG count, len = 16;
	char value[16];
	log_in(fix.ro);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 0), CKR_OK);
	ck_rv(CALL(C_FindObjects, fix.ro, found, 1, &count), CKR_OK);
	ck_rv(count, 1);
	ck_rv(CALL(C_FindObjects, fix.ro, &found[1], 3, &count), CKR_OK);
	ck_rv(count, 1); /* no tokens: those are found by their class alone */
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OK);
	ck_rv(get_value(fix.ro, found[0], value, &len), CKR_ATTRIBUTE_SENSITIVE);
	ck_rv(len, CK_UNAVAILABLE_INFORMATION);
	ck_rv(reason_of(fix.ro), SR_REASON_READ_BY_LISTING);
	ck_rv(CALL(C_GetObjectSize, fix.ro, found[0], &len), CKR_INFORMATION_SENSITIVE);
	ck_rv(fix.vault->values, 0);
	fix.vault->by_listing = true;
	len = 16;
	ck_rv(get_value(fix.ro, found[0], value, &len), CKR_OK);
	fix.vault->by_listing = false;
	ck_rv(find_label(fix.ro, "a/one"), found[0]); /* now it is named */
	len = 16;
	ck_rv(get_value(fix.ro, found[0], value, &len), CKR_OK);
}
END_TEST

START_TEST(every_attribute_is_dealt_with)
{
	char label[16], value[16], again[16], small[2];
	CK_ATTRIBUTE wanted[] = {
		{ CKA_SENSITIVE, value, 1 },
		{ CKA_LABEL, label, sizeof label },
		{ CKA_APPLICATION, small, sizeof small },
		{ CKA_VALUE, value, sizeof value },
		{ CKA_VALUE, again, sizeof again },
		{ CKA_VALUE, NULL, 0 },
	};
	log_in(fix.ro);
	CK_OBJECT_HANDLE one = find_label(fix.ro, "a/one");
	ck_rv(CALL(C_GetAttributeValue, fix.ro, one, wanted, COUNT(wanted)), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_rv(wanted[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
	ck_rv(wanted[1].ulValueLen, 5);
	ck_rv(wanted[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
	ck_rv(wanted[3].ulValueLen, 5);
	ck_rv(wanted[4].ulValueLen, 5);
	ck_rv(wanted[5].ulValueLen, 5);
	ck_assert_int_eq(memcmp(again, "first", 5), 0);
	ck_rv(fix.vault->values, 1); /* one delivery, one use */
	ck_rv(CALL(C_GetAttributeValue, fix.ro, one, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GetAttributeValue, fix.ro, one, NULL, 0), CKR_OK);
	ck_rv(CALL(C_GetAttributeValue, fix.ro, one, wanted, 200), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GetAttributeValue, fix.ro, one + 999, wanted, 1), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(value_refused_and_failed)
{
	static const struct {
		CK_RV rv;
		CK_ULONG label_len; /* what becomes of the attribute beside it */
	} rows[] = { { CKR_ATTRIBUTE_SENSITIVE, 5 }, { CKR_DEVICE_ERROR, 16 } };
	char label[16], value[16];
	log_in(fix.ro);
	CK_OBJECT_HANDLE one = find_label(fix.ro, "a/one");
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_ATTRIBUTE wanted[] = { { CKA_LABEL, label, sizeof label }, { CKA_VALUE, value, sizeof value } };
		memset(value, 0, sizeof value);
		fix.vault->value_rv = rows[i].rv;
		ck_rv(CALL(C_GetAttributeValue, fix.ro, one, wanted, 2), rows[i].rv);
		ck_rv(reason_of(fix.ro), SR_REASON_APPROVAL_REQUIRED);
		ck_rv(wanted[0].ulValueLen, rows[i].label_len);
		ck_rv(wanted[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
		ck_rv(value[0], 0);
	}
}
END_TEST

/* -- searching -------------------------------------------------------------------------------------------------- */

START_TEST(search_steps)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count;
	CK_ATTRIBUTE many[129] = { { 0 } };
	ck_rv(CALL(C_FindObjects, fix.ro, found, 2, &count), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, many, 129), CKR_ARGUMENTS_BAD);
	ck_rv(reason_of(fix.ro), SR_REASON_TOO_LARGE);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 0), CKR_OK);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, NULL, 0), CKR_OPERATION_ACTIVE);
	ck_rv(CALL(C_FindObjects, fix.ro, NULL, 2, &count), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_FindObjects, fix.ro, found, 2, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_FindObjects, fix.ro, found, 2, &count), CKR_OK);
	ck_rv(count, 0); /* nobody is logged in */
	ck_rv(CALL(C_SessionCancel, fix.ro, CKF_FIND_OBJECTS), CKR_OK);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(search_that_names_and_finds_nothing)
{
	CK_ATTRIBUTE label = { CKA_LABEL, (void *)"a/none", 6 };
	CK_ATTRIBUTE session_only[] = { { CKA_LABEL, (void *)"a/none", 6 }, { CKA_TOKEN, &no, 1 } };
	ck_rv(find_label(fix.ro, "a/none"), 0);
	ck_rv(fix.vault->refused, 0); /* nobody was logged in */
	log_in(fix.ro);
	ck_rv(find_label(fix.ro, "a/none"), 0);
	ck_rv(fix.vault->refused, 1);
	ck_rv(CALL(C_FindObjectsInit, fix.ro, session_only, 2), CKR_OK);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OK);
	ck_rv(fix.vault->refused, 1);
	fix.vault->refused_rv = CKR_DEVICE_ERROR;
	ck_rv(CALL(C_FindObjectsInit, fix.ro, &label, 1), CKR_DEVICE_ERROR);
	ck_rv(CALL(C_FindObjectsFinal, fix.ro), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

static CK_ULONG count_found(CK_ATTRIBUTE *query, CK_ULONG len)
{
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count = 0;
	ck_rv(CALL(C_FindObjectsInit, fix.rw, query, len), CKR_OK);
	ck_rv(CALL(C_FindObjects, fix.rw, found, COUNT(found), &count), CKR_OK);
	ck_rv(CALL(C_FindObjectsFinal, fix.rw), CKR_OK);
	return count;
}

START_TEST(search_templates)
{
	CK_OBJECT_CLASS token = CKO_SR_TOKEN, key = CKO_SECRET_KEY;
	CK_OBJECT_HANDLE made;
	CK_ATTRIBUTE rows[][2] = {
		{ { CKA_CLASS, &data_class, sizeof data_class }, { CKA_TOKEN, &yes, 1 } },
		{ { CKA_CLASS, &data_class, sizeof data_class }, { CKA_TOKEN, &no, 1 } },
		{ { CKA_CLASS, &token, sizeof token }, { CKA_CLASS, &token, sizeof token } },
		{ { CKA_CLASS, &key, sizeof key }, { CKA_TOKEN, &yes, 1 } },
		{ { CKA_CLASS, &data_class, sizeof data_class }, { CKA_VALUE, (void *)"first", 5 } },
		{ { CKA_CLASS, &data_class, sizeof data_class }, { CKA_VALUE, (void *)"mine", 4 } },
		{ { CKA_TOKEN, &yes, 1 }, { CKA_CHECK_VALUE, (void *)"abc", 3 } },
		{ { CKA_PRIVATE, &no, 1 }, { 0x7777, NULL, 0 } },
	};
	static const CK_ULONG counts[] = { 2, 1, 1, 0, 0, 1, 0, 0 };
	log_in(fix.rw);
	ck_rv(create_data(fix.rw, "label", "mine", false, false, &made), CKR_OK);
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(count_found(rows[i], 2) == counts[i], "row %zu", i);
	ck_rv(count_found(NULL, 0), 3);
}
END_TEST

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(search_of_many)
{
	static CK_OBJECT_HANDLE found[100002], again[100002];
	CK_ULONG count;
	log_in(fix.rw);
	fix.vault->bulk = 100000;
	double start = seconds();
	ck_rv(CALL(C_FindObjectsInit, fix.rw, NULL, 0), CKR_OK);
	ck_rv(CALL(C_FindObjects, fix.rw, found, COUNT(found), &count), CKR_OK);
	ck_rv(count, 100002);
	ck_rv(CALL(C_FindObjectsFinal, fix.rw), CKR_OK);
	ck_rv(CALL(C_FindObjectsInit, fix.rw, NULL, 0), CKR_OK);
	ck_rv(CALL(C_FindObjects, fix.rw, again, COUNT(again), &count), CKR_OK);
	ck_assert_int_eq(memcmp(found, again, sizeof found), 0);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_assert_msg(seconds() - start < 20, "%.1f s", seconds() - start); /* far over what it takes, far under n² */
}
END_TEST

/* -- creating, changing ------------------------------------------------------------------------------------------- */

START_TEST(create_refused)
{
	CK_OBJECT_HANDLE made = 0;
	CK_OBJECT_CLASS key = CKO_SECRET_KEY;
	CK_ULONG key_type = CKK_AES;
	CK_ATTRIBUTE data[] = { { CKA_CLASS, &data_class, sizeof data_class },
		{ CKA_KEY_TYPE, &key_type, sizeof key_type } };
	CK_ATTRIBUTE vendor[] = { { CKA_CLASS, &data_class, sizeof data_class }, { CKA_PRIVATE, &no, 1 },
		{ CKA_SR_TYPE, (void *)"x", 1 } };
	CK_ATTRIBUTE keys[] = { { CKA_CLASS, &key, sizeof key } };
	ck_rv(CALL(C_CreateObject, fix.rw, data, 1, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_CreateObject, fix.rw, NULL, 0, &made), CKR_TEMPLATE_INCOMPLETE);
	ck_rv(CALL(C_CreateObject, fix.rw, keys, 1, &made), CKR_TEMPLATE_INCOMPLETE);
	ck_rv(CALL(C_CreateObject, fix.rw, data, 2, &made), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_rv(CALL(C_CreateObject, fix.rw, vendor, 3, &made), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_rv(CALL(C_CreateObject, fix.rw, data, 1, &made), CKR_USER_NOT_LOGGED_IN); /* data is private by default */
	ck_rv(create_data(fix.ro, "a/new", "v", true, true, &made), CKR_SESSION_READ_ONLY);
	ck_rv(create_data(fix.rw, "a/new", "v", true, true, &made), CKR_USER_NOT_LOGGED_IN);
	ck_rv(made, 0);
}
END_TEST

START_TEST(vault_objects)
{
	CK_OBJECT_HANDLE made, copy;
	char value[16];
	CK_ULONG len = sizeof value;
	CK_ATTRIBUTE change = { CKA_VALUE, (void *)"new", 3 };
	CK_ATTRIBUTE label = { CKA_CLASS, &data_class, sizeof data_class };
	log_in(fix.rw);
	ck_rv(create_data(fix.rw, "a/new", "v", true, false, &made), CKR_OK);
	ck_rv(get_value(fix.rw, made, value, &len), CKR_OK); /* who made it need not search for it */
	ck_rv(len, 1);
	ck_rv(find_label(fix.ro, "a/new"), made);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, made, &change, 1), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, made, &label, 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, made, &change, 1), CKR_OK);
	len = sizeof value;
	ck_rv(get_value(fix.ro, made, value, &len), CKR_OK);
	ck_assert_int_eq(memcmp(value, "new", 3), 0);
	ck_rv(CALL(C_CopyObject, fix.rw, made, NULL, 0, &copy), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_DestroyObject, fix.ro, made), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_DestroyObject, fix.rw, made), CKR_OK);
	ck_rv(CALL(C_DestroyObject, fix.rw, made), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(find_label(fix.ro, "a/new"), 0);
}
END_TEST

START_TEST(token_string_once)
{
	CK_OBJECT_CLASS token = CKO_SR_TOKEN, job = CKO_SR_JOB;
	CK_ATTRIBUTE template = { CKA_CLASS, &token, sizeof token };
	CK_ATTRIBUTE work = { CKA_CLASS, &job, sizeof job };
	CK_OBJECT_HANDLE made, other;
	char value[16];
	CK_ULONG len = 0;
	log_in(fix.ro);
	ck_rv(CALL(C_CreateObject, fix.ro, &template, 1, &made), CKR_OK);
	ck_rv(get_value(fix.rw, made, value, &len), CKR_ATTRIBUTE_SENSITIVE); /* another session */
	ck_rv(get_value(fix.ro, made, NULL, &len), CKR_OK);
	ck_rv(len, 8);
	len = 3;
	ck_rv(get_value(fix.ro, made, value, &len), CKR_BUFFER_TOO_SMALL);
	len = sizeof value;
	ck_rv(get_value(fix.ro, made, value, &len), CKR_OK);
	ck_assert_int_eq(memcmp(value, "srt_once", 8), 0);
	len = sizeof value;
	ck_rv(get_value(fix.ro, made, value, &len), CKR_ATTRIBUTE_SENSITIVE);
	ck_rv(CALL(C_DestroyObject, fix.ro, made), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_CreateObject, fix.ro, &work, 1, &other), CKR_OK);
	CK_ATTRIBUTE result = { CKA_SR_RESULT, value, sizeof value };
	ck_rv(CALL(C_GetAttributeValue, fix.ro, other, &result, 1), CKR_OK);
	ck_rv(result.ulValueLen, 2);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, other, NULL, 0), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_DestroyObject, fix.ro, other), CKR_OK);
}
END_TEST

START_TEST(session_objects)
{
	CK_OBJECT_HANDLE made, copy, hidden;
	char value[16];
	CK_ULONG len = sizeof value;
	CK_ATTRIBUTE fixed[] = { { CKA_MODIFIABLE, &no, 1 }, { CKA_COPYABLE, &no, 1 }, { CKA_DESTROYABLE, &no, 1 } };
	CK_ATTRIBUTE change = { CKA_LABEL, (void *)"free / label", 12 };
	CK_ATTRIBUTE vendor = { CKA_SR_TYPE, (void *)"x", 1 };
	CK_ATTRIBUTE hide = { CKA_PRIVATE, &yes, 1 };
	ck_rv(create_data(fix.ro, "../x", "v", false, false, &made), CKR_OK); /* no login, R/O, any label */
	ck_rv(get_value(fix.rw, made, value, &len), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, made, &change, 1), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, made, &vendor, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_rv(find_label(fix.rw, "free / label"), made);
	ck_rv(CALL(C_CopyObject, fix.rw, made, &hide, 1, &copy), CKR_USER_NOT_LOGGED_IN);
	ck_rv(find_label(fix.rw, "free / label"), made); /* which cost the original nothing */
	ck_rv(CALL(C_CopyObject, fix.rw, made, fixed, 3, &copy), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, copy, &change, 1), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_CopyObject, fix.rw, copy, NULL, 0, &hidden), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_DestroyObject, fix.rw, copy), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_GetObjectSize, fix.rw, copy, &len), CKR_OK);
	log_in(fix.rw);
	ck_rv(CALL(C_CopyObject, fix.ro, made, &hide, 1, &hidden), CKR_OK);
	hide.pValue = &no;
	ck_rv(CALL(C_CopyObject, fix.rw, hidden, &hide, 1, &copy), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK); /* and what it made goes with it */
	ck_rv(CALL(C_DestroyObject, fix.rw, made), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(CALL(C_DestroyObject, fix.rw, hidden), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(session_object_limits)
{
	static char big[60000];
	CK_OBJECT_HANDLE made, last = 0;
	memset(big, 'x', sizeof big - 1);
	for (int i = 0; i < 17; i++)
		ck_rv(create_data(fix.ro, "big", big, false, false, &last), CKR_OK);
	ck_rv(create_data(fix.ro, "big", big, false, false, &made), CKR_DEVICE_MEMORY);
	ck_rv(reason_of(fix.ro), SR_REASON_TOO_LARGE);
	ck_rv(CALL(C_DestroyObject, fix.ro, last), CKR_OK);
	ck_rv(create_data(fix.ro, "big", big, false, false, &made), CKR_OK);
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK);
	for (int i = 0; i < 256; i++)
		ck_rv(create_data(fix.rw, "s", "x", false, false, &made), CKR_OK);
	ck_rv(create_data(fix.rw, "s", "x", false, false, &made), CKR_DEVICE_MEMORY);
}
END_TEST

/* -- digests, random numbers -------------------------------------------------------------------------------------- */

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };

START_TEST(digest_in_one_and_in_parts)
{
	CK_BYTE one[32], parts[32];
	CK_ULONG len = 0;
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_Digest, fix.ro, (CK_BYTE_PTR) "abc", 3, NULL, &len), CKR_OK);
	ck_rv(len, 32);
	len = 31;
	ck_rv(CALL(C_Digest, fix.ro, (CK_BYTE_PTR) "abc", 3, one, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 32);
	ck_rv(CALL(C_GetOperationState, fix.ro, NULL, &len), CKR_STATE_UNSAVEABLE);
	ck_rv(CALL(C_Digest, fix.ro, (CK_BYTE_PTR) "abc", 3, one, &len), CKR_OK);
	ck_rv(one[0], 0xba);
	ck_rv(CALL(C_Digest, fix.ro, (CK_BYTE_PTR) "abc", 3, one, &len), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestUpdate, fix.ro, (CK_BYTE_PTR) "a", 1), CKR_OK);
	ck_rv(CALL(C_DigestUpdate, fix.ro, (CK_BYTE_PTR) "bc", 2), CKR_OK);
	ck_rv(CALL(C_DigestFinal, fix.ro, parts, &len), CKR_OK);
	ck_assert_int_eq(memcmp(one, parts, 32), 0);
}
END_TEST

START_TEST(digest_refused)
{
	CK_MECHANISM bad = { CKM_MD5, NULL, 0 }, parameter = { CKM_SHA256, &bad, 1 };
	CK_BYTE out[32];
	CK_ULONG len = sizeof out;
	ck_rv(CALL(C_DigestInit, fix.ro, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_DigestInit, fix.ro, &bad), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_DigestInit, fix.ro, &parameter), CKR_MECHANISM_PARAM_INVALID);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OPERATION_ACTIVE);
	ck_rv(CALL(C_DigestInit, fix.ro, NULL), CKR_OK);
	ck_rv(CALL(C_DigestUpdate, fix.ro, out, 1), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestUpdate, fix.ro, out, (16u << 20) + 1), CKR_DATA_LEN_RANGE);
	ck_rv(CALL(C_DigestFinal, fix.ro, out, &len), CKR_OPERATION_NOT_INITIALIZED); /* an error ends it */
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestUpdate, fix.ro, out, 1), CKR_OK);
	ck_rv(CALL(C_Digest, fix.ro, out, 1, out, &len), CKR_FUNCTION_FAILED);
	ck_rv(CALL(C_DigestFinal, fix.ro, out, &len), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestKey, fix.ro, 12345), CKR_KEY_HANDLE_INVALID);
	ck_rv(CALL(C_DigestKey, fix.ro, 12345), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_SessionCancel, fix.ro, CKF_DIGEST), CKR_OK);
	ck_rv(CALL(C_DigestFinal, fix.ro, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(random_numbers)
{
	CK_BYTE out[40000] = { 0 };
	ck_rv(CALL(C_GenerateRandom, fix.ro, out, sizeof out), CKR_OK);
	ck_rv(out[0], 0x5a);
	ck_rv(out[sizeof out - 1], 0x5a);
	ck_rv(CALL(C_GenerateRandom, fix.ro, NULL, 0), CKR_OK);
	ck_rv(CALL(C_GenerateRandom, fix.ro, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateRandom, fix.ro, out, (16u << 20) + 1), CKR_DATA_LEN_RANGE);
	ck_rv(CALL(C_SeedRandom, fix.ro, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_SeedRandom, fix.ro, out, 1), CKR_RANDOM_SEED_NOT_SUPPORTED);
}
END_TEST

Suite *sr_suite_pkcs11_objects(void)
{
	Suite *suite = suite_create("pkcs11_objects");
	TCase *objects = tcase_create("objects");
	tcase_add_checked_fixture(objects, fixture_open, fixture_close);
	tcase_set_timeout(objects, 60);
	tcase_add_test(objects, value_of_a_named_object);
	tcase_add_test(objects, value_by_listing);
	tcase_add_test(objects, every_attribute_is_dealt_with);
	tcase_add_test(objects, value_refused_and_failed);
	tcase_add_test(objects, search_steps);
	tcase_add_test(objects, search_that_names_and_finds_nothing);
	tcase_add_test(objects, search_templates);
	tcase_add_test(objects, search_of_many);
	tcase_add_test(objects, create_refused);
	tcase_add_test(objects, vault_objects);
	tcase_add_test(objects, token_string_once);
	tcase_add_test(objects, session_objects);
	tcase_add_test(objects, session_object_limits);
	tcase_add_test(objects, digest_in_one_and_in_parts);
	tcase_add_test(objects, digest_refused);
	tcase_add_test(objects, random_numbers);
	suite_add_tcase(suite, objects);
	return suite;
}
