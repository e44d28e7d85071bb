/* The limits of design §9, and arguments that no sane program gives: each has its code, and nothing else changes. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX (64UL << 10)
#define PATH_MOST 512
#define ATTRIBUTES_MAX 128
#define CALL_DATA_MAX (16UL << 20)

/* -- templates
 * ------------------------------------------------------------------------------------------------------------ */
static CK_ATTRIBUTE many[200];

static void fill(CK_ATTRIBUTE_TYPE first, CK_ATTRIBUTE_TYPE step)
{
	for (size_t i = 0; i < SR_COUNT(many); i++)
		many[i] = (CK_ATTRIBUTE){ first + i * step, NULL, 0 };
}

START_TEST(template_of_128)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	fill(CKA_LABEL, 0);
	ck_assert_rv(p11->C_GetAttributeValue(session, sr_find(session, SR_STRIPE), many, ATTRIBUTES_MAX), CKR_OK);
	for (size_t i = 0; i < ATTRIBUTES_MAX; i++)
		ck_assert_uint_eq(many[i].ulValueLen, strlen(SR_STRIPE));
	fill(SR_VENDOR(0x7000), 1);
	ck_assert_uint_eq(sr_find_all(session, many, ATTRIBUTES_MAX, NULL, 0), 0);
}
END_TEST

START_TEST(template_too_large)
{
	static const CK_ULONG counts[] = { 129, 200, ~0UL, ~0UL / sizeof(CK_ATTRIBUTE) + 2 };
	CK_ULONG count = counts[_i];
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	fill(CKA_LABEL, 0);
	ck_assert_rv(p11->C_GetAttributeValue(session, object, many, count), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_TOO_LARGE);
	ck_assert_rv(p11->C_SetAttributeValue(session, object, many, count), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_CreateObject(session, many, count, &made), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_CopyObject(session, object, many, count, &made), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_FindObjectsInit(session, many, count), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	for (size_t i = 0; i < SR_COUNT(many); i++)
		ck_assert_uint_eq(many[i].ulValueLen, 0);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* -- values and paths
 * ------------------------------------------------------------------------------------------------------ */
static CK_RV put_value(
	CK_SESSION_HANDLE session, const char *path, CK_BYTE *value, CK_ULONG len, CK_OBJECT_HANDLE *made)
{
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes), SR_STRING(CKA_LABEL, path),
		{ CKA_VALUE, value, len } };
	return p11->C_CreateObject(session, template, SR_COUNT(template), made);
}

START_TEST(largest_value)
{
	CK_BYTE *value = malloc(VALUE_MAX + 1), *got = malloc(VALUE_MAX);
	CK_ULONG len = VALUE_MAX;
	CK_OBJECT_HANDLE made, none;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	for (CK_ULONG i = 0; i <= VALUE_MAX; i++)
		value[i] = (CK_BYTE)(i * 7 + i / 256);
	ck_assert_rv(put_value(session, "production/large", value, VALUE_MAX, &made), CKR_OK);
	ck_assert_rv(sr_get(session, made, CKA_VALUE, got, &len), CKR_OK);
	ck_assert_uint_eq(len, VALUE_MAX);
	ck_assert_mem_eq(got, value, VALUE_MAX);
	ck_assert_rv(put_value(session, "production/large", value, VALUE_MAX + 1, &none), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_TOO_LARGE);
	CK_ATTRIBUTE change = { CKA_VALUE, value, VALUE_MAX + 1 };
	ck_assert_rv(p11->C_SetAttributeValue(session, made, &change, 1), CKR_ATTRIBUTE_VALUE_INVALID);
	sr_is(session, made, CKA_SR_VERSION, "1");
	ck_assert_rv(
		put_value(session, "production/too-large", value, VALUE_MAX + 1, &none), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(sr_find(session, "production/too-large"), 0);
	free(value);
	free(got);
}
END_TEST

/* Lengths that point past the end of the address space are not followed. */
START_TEST(absurd_lengths)
{
	static CK_BYTE byte = 'x';
	static const CK_ULONG lengths[] = { ~0UL, ~0UL - 1, 1UL << 63, 1UL << 40 };
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	ck_assert_rv(put_value(session, "production/absurd", &byte, lengths[_i], &made), CKR_ATTRIBUTE_VALUE_INVALID);
	CK_ATTRIBUTE label = { CKA_LABEL, &byte, lengths[_i] };
	ck_assert_rv_in(p11->C_FindObjectsInit(session, &label, 1), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
	ck_assert_rv(
		p11->C_SetAttributeValue(session, sr_find(session, SR_STRIPE), &label, 1), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(sr_find(session, "production/absurd"), 0);
}
END_TEST

START_TEST(longest_path)
{
	char path[PATH_MOST + 2] = "production/";
	CK_OBJECT_HANDLE made;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	memset(path + strlen("production/"), 'p', sizeof path - strlen("production/"));
	path[PATH_MOST] = '\0';
	ck_assert_rv(sr_put(session, path, "deep", &made), CKR_OK);
	ck_assert_uint_eq(sr_find(session, path), made);
	sr_is(session, made, CKA_LABEL, path);
	sr_is(session, made, CKA_VALUE, "deep");
	path[PATH_MOST] = 'p';
	path[PATH_MOST + 1] = '\0';
	ck_assert_rv(sr_put(session, path, "too deep", &made), CKR_ATTRIBUTE_VALUE_INVALID);
}
END_TEST

/* -- PINs
 * ----------------------------------------------------------------------------------------------------------------------
 */
/* 5.1.6: CKR_PIN_LEN_RANGE "only applies to functions which attempt to set a PIN"; at a login a PIN that is too long is
 * one that does not fit. */
START_TEST(pin_at_login)
{
	static const CK_ULONG lengths[] = { 254, 255, 256, 4096, ~0UL };
	CK_UTF8CHAR pin[4096];
	CK_SESSION_HANDLE session = sr_rw();
	memset(pin, 'x', sizeof pin);
	memcpy(pin, "admin:", 6);
	ck_assert_rv(p11->C_Login(session, CKU_USER, pin, lengths[_i]), CKR_PIN_INCORRECT);
	ck_assert_rv(p11->C_LoginUser(session, CKU_USER, pin, 10, pin, lengths[_i]), CKR_PIN_INCORRECT);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
}
END_TEST

START_TEST(pin_to_set)
{
	CK_UTF8CHAR pin[256];
	CK_UTF8CHAR_PTR old = (CK_UTF8CHAR_PTR)SR_PASSPHRASE;
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	for (size_t i = 0; i < sizeof pin; i++)
		pin[i] = (CK_UTF8CHAR)('a' + i % 26);
	ck_assert_rv(p11->C_SetPIN(session, old, strlen(SR_PASSPHRASE), pin, 256), CKR_PIN_LEN_RANGE);
	ck_assert_rv(p11->C_SetPIN(session, old, strlen(SR_PASSPHRASE), pin, ~0UL), CKR_PIN_LEN_RANGE);
	ck_assert_rv_in(p11->C_SetPIN(session, pin, ~0UL, pin, 20), CKR_PIN_LEN_RANGE, CKR_PIN_INCORRECT);
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, SR_ADMIN_PIN), CKR_OK);
}
END_TEST

/* -- tokens
 * --------------------------------------------------------------------------------------------------------------------
 */
static const struct {
	const char *scopes, *ttl, *uses;
	CK_RV rv;
	CK_ULONG reason;
} tokens[] = {
	{ "secrets:read:a", "86400", NULL, CKR_OK, 0 },
	{ "secrets:read:a", "86401", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read:a", "0", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read:a", "-1", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read:a", "18446744073709551617", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read:a", "60s", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION },
	{ "secrets:read:a", "60", "0", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
	{ "secrets:read:a", "60", "-1", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
	{ "secrets:read:a", "60", "18446744073709551617", CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_NUMBER },
	{ "secrets:read", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE },
	{ "secrets:fly:a", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE },
	{ "secrets:read:/a", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE },
	{ "", "60", NULL, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_SCOPE },
};

START_TEST(token_limits)
{
	char string[SR_TOKEN_LEN + 1];
	CK_OBJECT_HANDLE token;
	CK_SESSION_HANDLE session = sr_admin();
	ck_assert_rv(
		sr_issue(session, tokens[_i].scopes, tokens[_i].ttl, tokens[_i].uses, string, &token), tokens[_i].rv);
	ck_assert_uint_eq(sr_device_error(session), tokens[_i].reason);
}
END_TEST

/* -- handles and pointers
 * ------------------------------------------------------------------------------------------------------- */
START_TEST(dead_objects)
{
	CK_ULONG size;
	CK_OBJECT_HANDLE copied;
	CK_ATTRIBUTE label = SR_TEXT(CKA_LABEL, "x");
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE good = sr_find(session, SR_STRIPE);
	const CK_OBJECT_HANDLE dead[] = { CK_INVALID_HANDLE, good + 1, good - 1, ~0UL, 1UL << 32 };
	ck_assert_rv(p11->C_GetAttributeValue(session, dead[_i], &label, 1), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_SetAttributeValue(session, dead[_i], &label, 1), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_CopyObject(session, dead[_i], &label, 1, &copied), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_GetObjectSize(session, dead[_i], &size), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_DestroyObject(session, dead[_i]), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

/* Every call with a good session and nothing but zeros after it: a code, no crash, and the session lives. */
START_TEST(zeros)
{
	const struct sr_row *row = &sr_rows[_i];
	CK_SESSION_INFO info;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	if (!row->session)
		return;
	static const CK_RV fine[] = { CKR_OK, CKR_ARGUMENTS_BAD, CKR_OBJECT_HANDLE_INVALID,
		CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_NOT_SUPPORTED, CKR_FUNCTION_NOT_PARALLEL,
		CKR_MECHANISM_INVALID, CKR_USER_TYPE_INVALID, CKR_TEMPLATE_INCOMPLETE, CKR_SAVED_STATE_INVALID,
		CKR_ACTION_PROHIBITED };
	CK_RV rv = sr_call_words(row, session);
	bool known = false;
	for (size_t i = 0; i < SR_COUNT(fine); i++)
		known = known || rv == fine[i];
	ck_assert_msg(known, "%s: %s", row->name, sr_code(rv));
	ck_assert_rv_in(p11->C_GetSessionInfo(session, &info), CKR_OK, CKR_SESSION_HANDLE_INVALID);
}
END_TEST

START_TEST(null_results)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_LABEL, "production/null"), SR_TEXT(CKA_VALUE, "v") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_CreateObject(session, NULL, 4, (CK_OBJECT_HANDLE[1]){ 0 }), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(sr_find(session, "production/null"), 0);
}
END_TEST

/* -- sessions, data
 * --------------------------------------------------------------------------------------------------------------- */
START_TEST(session_count)
{
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_TOKEN_INFO info;
	CK_SESSION_HANDLE session = 0, last = 0;
	CK_ULONG count = 0;
	CK_RV rv;
	ck_assert_rv(p11->C_GetTokenInfo(slot, &info), CKR_OK);
	ck_assert_uint_ne(info.ulMaxSessionCount, CK_EFFECTIVELY_INFINITE);
	while ((rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session)) == CKR_OK && count < 100000) {
		last = session;
		count++;
	}
	ck_assert_rv(rv, CKR_SESSION_COUNT);
	ck_assert_uint_eq(count, info.ulMaxSessionCount);
	ck_assert_rv(p11->C_CloseSession(last), CKR_OK);
	ck_assert_rv(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	ck_assert_rv(p11->C_CloseAllSessions(slot), CKR_OK);
	sr_as(sr_place.reader);
}
END_TEST

START_TEST(call_data)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_BYTE digest[32];
	CK_ULONG len = sizeof digest;
	CK_BYTE *data = calloc(1, CALL_DATA_MAX + 1);
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_Digest(session, data, CALL_DATA_MAX, digest, &len), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_Digest(session, data, CALL_DATA_MAX + 1, digest, &len), CKR_DATA_LEN_RANGE);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_DigestUpdate(session, data, ~0UL), CKR_DATA_LEN_RANGE);
	ck_assert_rv(p11->C_DigestFinal(session, digest, &len), CKR_OPERATION_NOT_INITIALIZED);
	free(data);
}
END_TEST

Suite *sr_battery_limits(void)
{
	Suite *suite = suite_create("battery: limits");
	TCase *tcase = sr_chapter(suite, "limits", sr_start, sr_stop);
	tcase_add_test(tcase, template_of_128);
	tcase_add_loop_test(tcase, template_too_large, 0, 4);
	tcase_add_test(tcase, largest_value);
	tcase_add_loop_test(tcase, absurd_lengths, 0, 4);
	tcase_add_test(tcase, longest_path);
	tcase_add_loop_test(tcase, pin_at_login, 0, 5);
	tcase_add_test(tcase, pin_to_set);
	tcase_add_loop_test(tcase, token_limits, 0, (int)SR_COUNT(tokens));
	tcase_add_loop_test(tcase, dead_objects, 0, 5);
	tcase_add_loop_test(tcase, zeros, 0, (int)sr_row_count);
	tcase_add_test(tcase, null_results);
	tcase_add_test(tcase, session_count);
	tcase_add_test(tcase, call_data);
	return suite;
}
