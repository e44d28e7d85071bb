/* C_GetAttributeValue and C_SetAttributeValue: PKCS#11 v3.1, 5.7.5 and 5.7.6. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

#define UNTOUCHED 0x55

static CK_BYTE room[1024];

static CK_ATTRIBUTE wants(CK_ATTRIBUTE_TYPE type, CK_ULONG len)
{
	memset(room, UNTOUCHED, sizeof room);
	return (CK_ATTRIBUTE){ type, room, len };
}

static void check_untouched(CK_ULONG from)
{
	for (CK_ULONG i = from; i < sizeof room; i++)
		ck_assert_uint_eq(room[i], UNTOUCHED);
}

/* -- the five steps of 5.7.5
 * ---------------------------------------------------------------------------------------------- */
START_TEST(length_query)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_LABEL, CKA_VALUE };
	static const CK_ULONG lengths[] = { sizeof SR_STRIPE - 1, sizeof SR_STRIPE_VALUE - 1 };
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	CK_ATTRIBUTE wanted = { types[_i], NULL, 12345 };
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_OK);
	ck_assert_uint_eq(wanted.ulValueLen, lengths[_i]);
	ck_assert_ptr_null(wanted.pValue);
	wanted = wants(types[_i], lengths[_i]); /* exactly enough */
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_OK);
	ck_assert_uint_eq(wanted.ulValueLen, lengths[_i]);
	check_untouched(lengths[_i]);
	wanted = wants(types[_i], sizeof room); /* more than enough */
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_OK);
	ck_assert_uint_eq(wanted.ulValueLen, lengths[_i]);
	check_untouched(lengths[_i]);
	wanted = wants(types[_i], lengths[_i] - 1); /* one too few */
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
	check_untouched(0);
	wanted = wants(types[_i], 0);
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
}
END_TEST

START_TEST(type_invalid)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_MODULUS, CKA_KEY_TYPE, CKA_CHECK_VALUE, CKA_CERTIFICATE_TYPE,
		CKA_SENSITIVE, 0x6fffffff, SR_VENDOR(0xfff) };
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE wanted = wants(types[_i], sizeof room);
	ck_assert_rv(
		p11->C_GetAttributeValue(session, sr_find(session, SR_STRIPE), &wanted, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_assert_uint_eq(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
	check_untouched(0);
}
END_TEST

START_TEST(sensitive)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.lister);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	CK_ATTRIBUTE wanted = wants(CKA_VALUE, sizeof room);
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
	check_untouched(0);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
	wanted = (CK_ATTRIBUTE){ CKA_VALUE, NULL, 0 }; /* the length is not told either */
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_uint_eq(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
	wanted = wants(CKA_VALUE, 1); /* nor whether there is room */
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 1), CKR_ATTRIBUTE_SENSITIVE);
}
END_TEST

/* Whatever the order: every attribute is processed, and the code is one of those that apply. */
START_TEST(mixed)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.lister);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	char label[64], small[2];
	CK_OBJECT_CLASS class = 99;
	for (size_t turn = 0; turn < 5; turn++) {
		CK_ATTRIBUTE all[5], in_order[5] = { { CKA_VALUE, room, sizeof room },
			{ CKA_MODULUS, room, sizeof room }, { CKA_APPLICATION, small, sizeof small },
			{ CKA_LABEL, label, sizeof label }, { CKA_CLASS, &class, sizeof class } };
		CK_ATTRIBUTE *at[5];
		class = 99;
		memset(label, 0, sizeof label);
		for (size_t i = 0; i < 5; i++)
			*(at[i] = &all[(i + turn) % 5]) = in_order[i];
		CK_RV rv = p11->C_GetAttributeValue(session, object, all, 5);
		ck_assert(rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
			  rv == CKR_BUFFER_TOO_SMALL);
		for (size_t i = 0; i < 3; i++)
			ck_assert_uint_eq(at[i]->ulValueLen, CK_UNAVAILABLE_INFORMATION);
		ck_assert_uint_eq(at[3]->ulValueLen, strlen(SR_STRIPE));
		ck_assert_str_eq(label, SR_STRIPE);
		ck_assert_uint_eq(at[4]->ulValueLen, sizeof class);
		ck_assert_uint_eq(class, CKO_DATA);
	}
}
END_TEST

/* The same for one that may read: the value comes with the rest, beside what fails. */
START_TEST(value_beside_failures)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	char value[64] = "", again[64] = "", label[2];
	CK_ATTRIBUTE all[] = { { CKA_MODULUS, NULL, 0 }, { CKA_VALUE, value, sizeof value }, { CKA_LABEL, label, 2 },
		{ CKA_VALUE, again, sizeof again }, { CKA_VALUE, NULL, 0 } };
	ck_assert_rv_in(p11->C_GetAttributeValue(session, sr_find(session, SR_STRIPE), all, SR_COUNT(all)),
		CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL);
	ck_assert_str_eq(value, SR_STRIPE_VALUE);
	ck_assert_str_eq(again, SR_STRIPE_VALUE);
	ck_assert_uint_eq(all[4].ulValueLen, strlen(SR_STRIPE_VALUE));
	ck_assert_uint_eq(all[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
}
END_TEST

START_TEST(bad_arguments)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	CK_ATTRIBUTE wanted = { CKA_LABEL, NULL, 0 };
	ck_assert_rv(p11->C_GetAttributeValue(session, object, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetAttributeValue(session, object, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_GetAttributeValue(session, object, &wanted, 0), CKR_OK);
	ck_assert_rv(p11->C_GetAttributeValue(session, CK_INVALID_HANDLE, &wanted, 1), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv(p11->C_GetAttributeValue(session, object + 1000, &wanted, 1), CKR_OBJECT_HANDLE_INVALID);
	ck_assert_rv_in(p11->C_SetAttributeValue(session, object, NULL, 1), CKR_ARGUMENTS_BAD, CKR_ACTION_PROHIBITED);
}
END_TEST

/* -- what a secret has
 * ------------------------------------------------------------------------------------------------------ */
static void check_bool(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_BBOOL wanted)
{
	CK_BBOOL value = 77;
	CK_ULONG len = sizeof value;
	ck_assert_rv(sr_get(session, object, type, &value, &len), CKR_OK);
	ck_assert_uint_eq(len, sizeof value);
	ck_assert_msg(value == wanted, "attribute 0x%lx is %d", type, value);
}

START_TEST(attributes_of_a_secret)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	char id[64] = "";
	CK_ULONG len = sizeof id - 1, none = 5;
	check_bool(session, object, CKA_TOKEN, CK_TRUE);
	check_bool(session, object, CKA_PRIVATE, CK_TRUE);
	check_bool(session, object, CKA_MODIFIABLE, CK_FALSE); /* this login cannot */
	check_bool(session, object, CKA_COPYABLE, CK_FALSE);
	check_bool(session, object, CKA_DESTROYABLE, CK_FALSE);
	sr_is(session, object, CKA_LABEL, SR_STRIPE);
	sr_is(session, object, CKA_APPLICATION, "production/payments"); /* the namespace */
	ck_assert_rv(sr_get(session, object, CKA_OBJECT_ID, NULL, &none), CKR_OK);
	ck_assert_uint_eq(none, 0);
	ck_assert_rv(sr_get(session, object, CKA_UNIQUE_ID, id, &len), CKR_OK);
	ck_assert_uint_gt(len, 0);
	sr_is(session, object, CKA_SR_TIER, "standard");
	sr_is(session, object, CKA_SR_TYPE, "generic");
	sr_is(session, object, CKA_SR_VERSION, "1");
	ck_assert_rv(p11->C_Logout(session), CKR_OK);
	ck_assert_rv(sr_login(session, sr_place.writer), CKR_OK);
	object = sr_find(session, SR_STRIPE);
	check_bool(session, object, CKA_MODIFIABLE, CK_TRUE);
	check_bool(session, object, CKA_DESTROYABLE, CK_TRUE);
	sr_is(session, object, CKA_UNIQUE_ID, id);
}
END_TEST

/* The right to list is enough for all but the value. */
START_TEST(attributes_for_a_lister)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.lister);
	CK_OBJECT_HANDLE object = sr_listed(session, SR_STRIPE);
	ck_assert_uint_ne(object, 0);
	sr_is(session, object, CKA_LABEL, SR_STRIPE);
	sr_is(session, object, CKA_SR_VERSION, "1");
}
END_TEST

/* -- C_SetAttributeValue
 * ------------------------------------------------------------------------------------------------------ */
static CK_RV set(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const char *text)
{
	CK_ATTRIBUTE change = SR_STRING(type, text);
	return p11->C_SetAttributeValue(session, object, &change, 1);
}

START_TEST(set_value)
{
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer), ro = sr_open(SR_VAULT, 0);
	ck_assert_rv(sr_put(session, "production/set", "one", &object), CKR_OK);
	ck_assert_rv(set(session, object, CKA_VALUE, "two"), CKR_OK);
	sr_is(session, object, CKA_VALUE, "two");
	sr_is(session, object, CKA_SR_VERSION, "2");
	ck_assert_rv(set(ro, object, CKA_VALUE, "three"), CKR_SESSION_READ_ONLY);
	ck_assert_rv(set(session, object, CKA_APPLICATION, "billing"), CKR_OK);
	sr_is(session, object, CKA_APPLICATION, "billing");
	sr_is(session, object, CKA_SR_VERSION, "2"); /* that was no new value */
	ck_assert_rv(set(session, object, CKA_LABEL, "production/set"), CKR_OK);
	ck_assert_rv(set(session, object, CKA_SR_TYPE, "api-key"), CKR_OK);
	sr_is(session, object, CKA_SR_TYPE, "api-key");
}
END_TEST

/* With path = label a new label would carry a secret from one scope into another. */
START_TEST(set_label)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_rv(set(session, object, CKA_LABEL, "production/moved"), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_find(session, "production/moved"), 0);
	sr_is(session, object, CKA_LABEL, SR_STRIPE);
}
END_TEST

static CK_OBJECT_CLASS other_class = CKO_SECRET_KEY;

static const struct {
	CK_ATTRIBUTE change;
	CK_RV rv, or_rv;
} refused[] = {
	{ SR_ATTR(CKA_CLASS, other_class), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_ATTR(CKA_TOKEN, sr_no), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_ATTR(CKA_PRIVATE, sr_no), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_ATTR(CKA_MODIFIABLE, sr_no), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_ATTR(CKA_DESTROYABLE, sr_no), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_ATTR(CKA_COPYABLE, sr_yes), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_TEXT(CKA_UNIQUE_ID, "x"), CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY },
	{ SR_TEXT(CKA_SUBJECT, "x"), CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT },
	{ SR_TEXT(0x6fffffff, "x"), CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID },
	{ SR_TEXT(CKA_SR_VERSION, "7"), CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT },
	{ { CKA_VALUE, NULL, 5 }, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD },
	{ SR_TEXT(CKA_LABEL, "production/*"), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ACTION_PROHIBITED },
};

/* All or nothing: the good change beside the bad one is not made either. */
START_TEST(set_refused)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE object = sr_find(session, SR_PAYPAL);
	CK_ATTRIBUTE changes[] = { SR_TEXT(CKA_APPLICATION, "changed"), refused[_i].change };
	ck_assert_rv_in(p11->C_SetAttributeValue(session, object, changes, 2), refused[_i].rv, refused[_i].or_rv);
	sr_is(session, object, CKA_APPLICATION, "production/payments");
	sr_is(session, object, CKA_SR_VERSION, "1");
	sr_is(session, object, CKA_VALUE, SR_PAYPAL_VALUE);
}
END_TEST

START_TEST(set_twice)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	CK_OBJECT_HANDLE object = sr_find(session, SR_PAYPAL);
	CK_ATTRIBUTE changes[] = { SR_TEXT(CKA_VALUE, "one"), SR_TEXT(CKA_VALUE, "two") };
	ck_assert_rv(p11->C_SetAttributeValue(session, object, changes, 2), CKR_TEMPLATE_INCONSISTENT);
	sr_is(session, object, CKA_VALUE, SR_PAYPAL_VALUE);
}
END_TEST

START_TEST(set_without_right)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_rv(set(session, object, CKA_VALUE, "mine"), CKR_ACTION_PROHIBITED);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_OUT_OF_SCOPE);
	sr_is(session, object, CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* -- tokens
 * ----------------------------------------------------------------------------------------------------------------------
 */
/* Readable once, in the session that issued it; a length query is no reading. */
START_TEST(token_string_once)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_OBJECT_HANDLE token;
	char string[SR_TOKEN_LEN + 1] = "";
	CK_ULONG len = 0;
	CK_SESSION_HANDLE session = sr_admin(), other = sr_open(SR_ADMIN, CKF_RW_SESSION);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_SR_SCOPES, "secrets:read:production/*"), SR_TEXT(CKA_SR_TTL, "60") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &token), CKR_OK);
	ck_assert_rv(sr_value(other, token), CKR_ATTRIBUTE_SENSITIVE);
	ck_assert_rv(sr_get(session, token, CKA_VALUE, NULL, &len), CKR_OK);
	ck_assert_uint_eq(len, SR_TOKEN_LEN);
	ck_assert_rv(sr_get(session, token, CKA_VALUE, string, &len), CKR_OK);
	ck_assert_rv(sr_value(session, token), CKR_ATTRIBUTE_SENSITIVE);
	sr_is(session, token, CKA_SR_STATE, "active");
	sr_is(session, token, CKA_SR_ISSUER, "member:admin");
	sr_as(string);
}
END_TEST

Suite *sr_battery_attributes(void)
{
	Suite *suite = suite_create("battery: attributes");
	TCase *tcase = sr_chapter(suite, "5.7.5", sr_start, sr_stop);
	tcase_add_loop_test(tcase, length_query, 0, 2);
	tcase_add_loop_test(tcase, type_invalid, 0, 7);
	tcase_add_test(tcase, sensitive);
	tcase_add_test(tcase, mixed);
	tcase_add_test(tcase, value_beside_failures);
	tcase_add_test(tcase, bad_arguments);
	tcase_add_test(tcase, attributes_of_a_secret);
	tcase_add_test(tcase, attributes_for_a_lister);
	tcase_add_test(tcase, set_value);
	tcase_add_test(tcase, set_label);
	tcase_add_loop_test(tcase, set_refused, 0, (int)SR_COUNT(refused));
	tcase_add_test(tcase, set_twice);
	tcase_add_test(tcase, set_without_right);
	tcase_add_test(tcase, token_string_once);
	return suite;
}
