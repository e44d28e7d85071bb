/* C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal: PKCS#11 v3.1, 5.7.7 to 5.7.9. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <string.h>

#define FLEET 20

static CK_ULONG count_matches(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	return sr_find_all(session, template, count, NULL, 0);
}

/* -- one search at a time
 * ----------------------------------------------------------------------------------------------------- */
START_TEST(operation)
{
	CK_OBJECT_HANDLE object;
	CK_ULONG count;
	CK_SESSION_HANDLE session = sr_rw(), other = sr_rw();
	ck_assert_rv(p11->C_FindObjects(session, &object, 1, &count), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
	ck_assert_rv(p11->C_FindObjectsInit(other, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, &object, 1, &count), CKR_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_rv(p11->C_FindObjects(session, &object, 1, &count), CKR_OK); /* active until Final */
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_FindObjectsFinal(other), CKR_OK);
}
END_TEST

START_TEST(bad_arguments)
{
	CK_OBJECT_HANDLE object;
	CK_ULONG count;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, &object, 1, NULL), CKR_ARGUMENTS_BAD);
	p11->C_FindObjectsFinal(session); /* 5.2 ends cryptographic operations on errors; of searches it says nothing */
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, NULL, 1, &count), CKR_ARGUMENTS_BAD);
}
END_TEST

/* -- what is found
 * ------------------------------------------------------------------------------------------------------------ */
static void make_fleet(CK_SESSION_HANDLE session)
{
	char path[64];
	CK_OBJECT_HANDLE made;
	for (int i = 0; i < FLEET; i++) {
		snprintf(path, sizeof path, "production/fleet/%02d", i);
		ck_assert_rv(sr_put(session, path, "v", &made), CKR_OK);
	}
}

START_TEST(in_portions)
{
	CK_OBJECT_HANDLE found[FLEET + 8];
	CK_ULONG sum = 0, got;
	CK_ATTRIBUTE fleet = SR_TEXT(CKA_APPLICATION, "production/fleet");
	CK_SESSION_HANDLE session = sr_as(sr_place.writer);
	make_fleet(session);
	ck_assert_rv(p11->C_FindObjectsInit(session, &fleet, 1), CKR_OK);
	ck_assert_rv(p11->C_FindObjects(session, found, 0, &got), CKR_OK);
	ck_assert_uint_eq(got, 0);
	do {
		CK_ULONG room = sum % 3 + 1;
		ck_assert_uint_le(sum + room, SR_COUNT(found));
		ck_assert_rv(p11->C_FindObjects(session, &found[sum], room, &got), CKR_OK);
		ck_assert_uint_le(got, room);
		sum += got;
	} while (got);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
	ck_assert_uint_eq(sum, FLEET);
	for (CK_ULONG i = 0; i < sum; i++) {
		for (CK_ULONG k = 0; k < i; k++)
			ck_assert_uint_ne(found[i], found[k]);
	}
}
END_TEST

/* Byte for byte, the length included. */
START_TEST(exact_match)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	ck_assert_uint_eq(sr_find(session, "production/payments/strip"), 0);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE "s"), 0);
	ck_assert_uint_eq(sr_find(session, "Production/payments/stripe"), 0);
	ck_assert_uint_eq(sr_find(session, "production/payments/*"), 0);
	CK_ATTRIBUTE with_nul = { CKA_LABEL, (void *)SR_STRIPE, sizeof SR_STRIPE };
	ck_assert_uint_eq(count_matches(session, &with_nul, 1), 0);
	CK_ATTRIBUTE empty = { CKA_LABEL, NULL, 0 };
	ck_assert_uint_eq(count_matches(session, &empty, 1), 0);
}
END_TEST

static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_ULONG number = 5;

static const struct {
	CK_ATTRIBUTE criterion;
	CK_ULONG matches; /* of SR_STRIPE, when its label is the other criterion */
} criteria[] = {
	{ SR_ATTR(CKA_CLASS, sr_data), 1 },
	{ SR_ATTR(CKA_CLASS, secret_key), 0 },
	{ SR_ATTR(CKA_TOKEN, sr_yes), 1 },
	{ SR_ATTR(CKA_TOKEN, sr_no), 0 },
	{ SR_ATTR(CKA_PRIVATE, sr_yes), 1 },
	{ SR_ATTR(CKA_PRIVATE, sr_no), 0 },
	{ SR_TEXT(CKA_APPLICATION, "production/payments"), 1 },
	{ SR_TEXT(CKA_APPLICATION, "production"), 0 },
	{ { CKA_OBJECT_ID, NULL, 0 }, 1 },
	{ SR_TEXT(CKA_OBJECT_ID, "\x06"), 0 },
	{ SR_TEXT(CKA_SR_TIER, "standard"), 1 },
	{ SR_TEXT(CKA_SR_TIER, "critical"), 0 },
	{ SR_ATTR(CKA_KEY_TYPE, number), 0 },
	{ SR_TEXT(CKA_ID, "5"), 0 },
	{ SR_TEXT(CKA_LABEL, SR_STRIPE), 1 },
};

START_TEST(two_criteria)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ATTRIBUTE template[] = { SR_TEXT(CKA_LABEL, SR_STRIPE), criteria[_i].criterion };
	ck_assert_uint_eq(count_matches(session, template, 2), criteria[_i].matches);
	CK_ATTRIBUTE reversed[] = { template[1], template[0] };
	ck_assert_uint_eq(count_matches(session, reversed, 2), criteria[_i].matches);
}
END_TEST

/* 5.7.7 leaves it open: no match, or one of two codes; then no search is active. */
START_TEST(criteria_that_cannot_be)
{
	static CK_BYTE byte = 1;
	const CK_ATTRIBUTE odd[] = { SR_TEXT(0x6fffffff, "x"), SR_ATTR(CKA_CLASS, byte), SR_ATTR(CKA_TOKEN, number),
		{ CKA_LABEL, NULL, 5 }, { CKA_CLASS, NULL, 0 } };
	CK_ATTRIBUTE template = odd[_i];
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_RV rv = p11->C_FindObjectsInit(session, &template, 1);
	if (rv == CKR_OK) {
		CK_OBJECT_HANDLE object;
		CK_ULONG count;
		ck_assert_rv(p11->C_FindObjects(session, &object, 1, &count), CKR_OK);
		ck_assert_uint_eq(count, 0);
		ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
		return;
	}
	ck_assert(rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* 4.4.1, 5.7.7: one object at most has an id. */
START_TEST(by_unique_id)
{
	char id[64];
	CK_OBJECT_HANDLE all[64], found = 0;
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_ULONG count = sr_find_all(session, NULL, 0, all, SR_COUNT(all));
	ck_assert_uint_ge(count, 2);
	ck_assert_uint_le(count, SR_COUNT(all));
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE template = { CKA_UNIQUE_ID, id, sizeof id };
		ck_assert_rv(p11->C_GetAttributeValue(session, all[i], &template, 1), CKR_OK);
		ck_assert_uint_eq(sr_find_all(session, &template, 1, &found, 1), 1);
		ck_assert_uint_eq(found, all[i]);
	}
}
END_TEST

START_TEST(same_handle_every_time)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader), other = sr_open(SR_VAULT, 0);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_uint_ne(object, CK_INVALID_HANDLE);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), object);
	ck_assert_uint_eq(sr_find(other, SR_STRIPE), object);
	ck_assert_uint_eq(sr_listed(session, SR_STRIPE), object);
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK); /* token objects outlive the session that found them */
	sr_is(other, object, CKA_LABEL, SR_STRIPE);
}
END_TEST

/* Objects that come and go may or may not be found, and their handles may be invalid. */
START_TEST(while_objects_come_and_go)
{
	CK_OBJECT_HANDLE found, made;
	CK_ULONG got;
	CK_SESSION_HANDLE session = sr_as(sr_place.writer), other = sr_rw();
	ck_assert_rv(sr_put(other, "production/come", "v", &made), CKR_OK);
	ck_assert_rv(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
	ck_assert_rv(p11->C_DestroyObject(other, made), CKR_OK);
	ck_assert_rv(sr_put(other, "production/go", "v", &made), CKR_OK);
	for (got = 1; got;) {
		ck_assert_rv(p11->C_FindObjects(session, &found, 1, &got), CKR_OK);
		if (got)
			ck_assert_rv_in(sr_value(session, found), CKR_ATTRIBUTE_SENSITIVE, CKR_OBJECT_HANDLE_INVALID);
		if (got && found == made)
			ck_assert_rv(sr_value(session, found), CKR_OK);
	}
	ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
}
END_TEST

/* -- who finds what
 * --------------------------------------------------------------------------------------------------------------- */
START_TEST(public_session_finds_nothing_private)
{
	CK_SESSION_HANDLE session = sr_rw();
	CK_ATTRIBUTE private = SR_ATTR(CKA_PRIVATE, sr_yes);
	ck_assert_uint_eq(count_matches(session, NULL, 0), 0);
	ck_assert_uint_eq(count_matches(session, &private, 1), 0);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
}
END_TEST

/* No standard tool stumbles over vendor objects: they come only when their class is named. */
START_TEST(vendor_objects_by_class)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN, member = CKO_SR_MEMBER, event = CKO_SR_EVENT;
	CK_ATTRIBUTE by_class = SR_ATTR(CKA_CLASS, class);
	CK_OBJECT_HANDLE all[256];
	CK_SESSION_HANDLE session = sr_admin();
	CK_ULONG count = sr_find_all(session, NULL, 0, all, SR_COUNT(all));
	for (CK_ULONG i = 0; i < count && i < SR_COUNT(all); i++) {
		CK_OBJECT_CLASS is = 0;
		CK_ULONG len = sizeof is;
		ck_assert_rv(sr_get(session, all[i], CKA_CLASS, &is, &len), CKR_OK);
		ck_assert_uint_eq(is, CKO_DATA);
	}
	ck_assert_uint_ge(count_matches(session, &by_class, 1), 4);
	by_class.pValue = &member;
	ck_assert_uint_eq(count_matches(session, &by_class, 1), 1);
	by_class.pValue = &event;
	ck_assert_uint_gt(count_matches(session, &by_class, 1), 4);
}
END_TEST

/* 5.7.7: what the session cannot view is not found; a code for that is not among the search's own. */
START_TEST(vendor_objects_for_a_token)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_SR_TOKEN, CKO_SR_MEMBER, CKO_SR_EVENT, CKO_SR_AGENT,
		CKO_SR_APPROVAL, CKO_SR_POLICY, CKO_SR_JOB };
	CK_OBJECT_CLASS class = classes[_i];
	CK_ATTRIBUTE template = SR_ATTR(CKA_CLASS, class);
	ck_assert_uint_eq(count_matches(sr_as(sr_place.writer), &template, 1), 0);
}
END_TEST

Suite *sr_battery_find(void)
{
	Suite *suite = suite_create("battery: find");
	TCase *tcase = sr_chapter(suite, "5.7.7", sr_start, sr_stop);
	tcase_add_test(tcase, operation);
	tcase_add_test(tcase, bad_arguments);
	tcase_add_test(tcase, in_portions);
	tcase_add_test(tcase, exact_match);
	tcase_add_loop_test(tcase, two_criteria, 0, (int)SR_COUNT(criteria));
	tcase_add_loop_test(tcase, criteria_that_cannot_be, 0, 5);
	tcase_add_test(tcase, by_unique_id);
	tcase_add_test(tcase, same_handle_every_time);
	tcase_add_test(tcase, while_objects_come_and_go);
	tcase_add_test(tcase, public_session_finds_nothing_private);
	tcase_add_test(tcase, vendor_objects_by_class);
	tcase_add_loop_test(tcase, vendor_objects_for_a_token, 0, 7);
	return suite;
}
