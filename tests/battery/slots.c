/* Slot and token management: PKCS#11 v3.1, 5.5. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define SLOTS 6 /* admin, first, second, waiting, environment, the default one */
#define NO_SLOT 0x7ffffffeUL

/* -- lists ----------------------------------------------------------------------------------------------------------
 */
START_TEST(slot_list)
{
	CK_SLOT_ID all[16], with_token[16];
	CK_ULONG count = 0, room = SR_COUNT(all);
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
	ck_assert_uint_eq(count, SLOTS);
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, all, &room), CKR_OK);
	ck_assert_uint_eq(room, SLOTS);
	CK_ULONG exact = SLOTS;
	ck_assert_rv(p11->C_GetSlotList(CK_TRUE, with_token, &exact), CKR_OK);
	ck_assert_uint_eq(exact, SLOTS);
	ck_assert_mem_eq(all, with_token, SLOTS * sizeof *all);
	for (CK_ULONG i = 0; i < SLOTS; i++) {
		for (CK_ULONG k = 0; k < i; k++)
			ck_assert_uint_ne(all[i], all[k]);
	}
}
END_TEST

START_TEST(slot_list_too_small)
{
	CK_SLOT_ID list[SLOTS];
	CK_ULONG count = SLOTS - 1;
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, list, &count), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(count, SLOTS);
	count = 0;
	ck_assert_rv(p11->C_GetSlotList(CK_TRUE, list, &count), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(count, SLOTS);
}
END_TEST

/* Programs keep slot ids and serial numbers in their configuration. */
START_TEST(slots_stay)
{
	static const char *const labels[SLOTS] = { SR_VAULT, SR_ADMIN, "first", "second", "waiting", "environment" };
	CK_SLOT_ID before[SLOTS];
	CK_TOKEN_INFO was[SLOTS], is;
	for (size_t i = 0; i < SLOTS; i++) {
		before[i] = sr_slot(labels[i]);
		ck_assert_rv(p11->C_GetTokenInfo(before[i], &was[i]), CKR_OK);
		for (size_t k = 0; k < i; k++)
			ck_assert_mem_ne(was[i].serialNumber, was[k].serialNumber, sizeof was[i].serialNumber);
	}
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_rv(sr_initialize(), CKR_OK);
	for (size_t i = 0; i < SLOTS; i++) {
		ck_assert_uint_eq(sr_slot(labels[i]), before[i]);
		ck_assert_rv(p11->C_GetTokenInfo(before[i], &is), CKR_OK);
		ck_assert_mem_eq(is.serialNumber, was[i].serialNumber, sizeof is.serialNumber);
	}
}
END_TEST

/* -- one slot, one token ----------------------------------------------------------------------------------------------
 */
static void check_padded(const void *field, size_t size)
{
	ck_assert_ptr_null(memchr(field, '\0', size));
	ck_assert_int_ne(*(const char *)field, ' ');
}

START_TEST(about_a_slot)
{
	CK_SLOT_INFO info;
	memset(&info, 0, sizeof info);
	ck_assert_rv(p11->C_GetSlotInfo(sr_slot(SR_VAULT), &info), CKR_OK);
	check_padded(info.slotDescription, sizeof info.slotDescription);
	check_padded(info.manufacturerID, sizeof info.manufacturerID);
	ck_assert(info.flags & CKF_TOKEN_PRESENT);
	ck_assert_uint_eq(info.flags & ~(CK_FLAGS)(CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT), 0);
}
END_TEST

START_TEST(about_a_token)
{
	CK_TOKEN_INFO info;
	memset(&info, 0, sizeof info);
	ck_assert_rv(p11->C_GetTokenInfo(sr_slot(SR_VAULT), &info), CKR_OK);
	check_padded(info.label, sizeof info.label);
	check_padded(info.manufacturerID, sizeof info.manufacturerID);
	check_padded(info.model, sizeof info.model);
	check_padded(info.serialNumber, sizeof info.serialNumber);
	CK_FLAGS wanted = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS |
			  CKF_TOKEN_INITIALIZED;
	ck_assert_uint_eq(info.flags & wanted, wanted);
	ck_assert_uint_eq(
		info.flags & (CKF_WRITE_PROTECTED | CKF_PROTECTED_AUTHENTICATION_PATH | CKF_CLOCK_ON_TOKEN), 0);
	ck_assert_uint_eq(info.ulMaxPinLen, 255);
	ck_assert_uint_le(info.ulMinPinLen, SR_TOKEN_LEN);
	ck_assert_uint_eq(info.ulSessionCount, 0);
}
END_TEST

START_TEST(protected_path)
{
	CK_TOKEN_INFO info;
	static const char *const own[] = { "first", "second", "environment" };
	for (size_t i = 0; i < SR_COUNT(own); i++) {
		ck_assert_rv(p11->C_GetTokenInfo(sr_slot(own[i]), &info), CKR_OK);
		ck_assert(info.flags & CKF_PROTECTED_AUTHENTICATION_PATH);
	}
	ck_assert_rv(p11->C_GetTokenInfo(sr_slot(SR_ADMIN), &info), CKR_OK);
	ck_assert(!(info.flags & CKF_PROTECTED_AUTHENTICATION_PATH));
}
END_TEST

START_TEST(session_counts)
{
	CK_TOKEN_INFO info;
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_SESSION_HANDLE rw = sr_rw();
	sr_open(SR_VAULT, 0);
	sr_open(SR_ADMIN, 0);
	ck_assert_rv(p11->C_GetTokenInfo(slot, &info), CKR_OK);
	ck_assert_uint_eq(info.ulSessionCount, 2);
	ck_assert_uint_eq(info.ulRwSessionCount, 1);
	ck_assert_rv(p11->C_CloseSession(rw), CKR_OK);
	ck_assert_rv(p11->C_GetTokenInfo(slot, &info), CKR_OK);
	ck_assert_uint_eq(info.ulSessionCount, 1);
	ck_assert_uint_eq(info.ulRwSessionCount, 0);
}
END_TEST

START_TEST(bad_arguments)
{
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_SLOT_INFO slot_info;
	CK_TOKEN_INFO token_info;
	CK_MECHANISM_INFO mechanism_info;
	CK_ULONG count;
	ck_assert_rv(p11->C_GetSlotInfo(NO_SLOT, &slot_info), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_GetTokenInfo(NO_SLOT, &token_info), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_GetMechanismList(NO_SLOT, NULL, &count), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_GetMechanismInfo(NO_SLOT, CKM_SHA256, &mechanism_info), CKR_SLOT_ID_INVALID);
	ck_assert_rv(p11->C_GetSlotInfo(slot, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetTokenInfo(slot, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetMechanismList(slot, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GetMechanismInfo(slot, CKM_SHA256, NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

/* A vault that is not there: the slot is, its token is not. */
START_TEST(no_token)
{
	CK_SLOT_ID slot;
	CK_SLOT_INFO slot_info;
	CK_TOKEN_INFO token_info;
	CK_SESSION_HANDLE session;
	CK_ULONG count = 1, none = 7;
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	sr_place_conf(NULL);
	ck_assert_rv(sr_initialize(), CKR_OK);
	ck_assert_rv(p11->C_GetSlotList(CK_TRUE, NULL, &none), CKR_OK);
	ck_assert_uint_eq(none, 0);
	ck_assert_rv(p11->C_GetSlotList(CK_FALSE, &slot, &count), CKR_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_rv(p11->C_GetSlotInfo(slot, &slot_info), CKR_OK);
	ck_assert(!(slot_info.flags & CKF_TOKEN_PRESENT));
	ck_assert(slot_info.flags & CKF_REMOVABLE_DEVICE);
	ck_assert_rv(p11->C_GetTokenInfo(slot, &token_info), CKR_TOKEN_NOT_PRESENT);
	ck_assert_rv(p11->C_GetMechanismList(slot, NULL, &count), CKR_TOKEN_NOT_PRESENT);
	ck_assert_rv(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_TOKEN_NOT_PRESENT);
	ck_assert_rv(p11->C_CloseAllSessions(slot), CKR_OK);
}
END_TEST

/* -- mechanisms -------------------------------------------------------------------------------------------------------
 */
START_TEST(mechanisms)
{
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_MECHANISM_TYPE list[256];
	CK_MECHANISM_INFO info;
	CK_ULONG count = 0, small, room = SR_COUNT(list);
	ck_assert_rv(p11->C_GetMechanismList(slot, NULL, &count), CKR_OK);
	ck_assert_uint_gt(count, 0);
	small = count - 1;
	ck_assert_rv(p11->C_GetMechanismList(slot, list, &small), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(small, count);
	ck_assert_rv(p11->C_GetMechanismList(slot, list, &room), CKR_OK);
	ck_assert_uint_eq(room, count);
	for (CK_ULONG i = 0; i < count; i++) {
		ck_assert_rv(p11->C_GetMechanismInfo(slot, list[i], &info), CKR_OK);
		ck_assert_uint_ne(info.flags, 0);
		ck_assert_uint_le(info.ulMinKeySize, info.ulMaxKeySize);
		for (CK_ULONG k = 0; k < i; k++)
			ck_assert_uint_ne(list[i], list[k]);
	}
	ck_assert_rv(p11->C_GetMechanismInfo(slot, CKM_SHA256, &info), CKR_OK);
	ck_assert(info.flags & CKF_DIGEST);
	ck_assert_rv(p11->C_GetMechanismInfo(slot, CKM_VENDOR_DEFINED + 99, &info), CKR_MECHANISM_INVALID);
}
END_TEST

/* -- what a vault refuses ---------------------------------------------------------------------------------------------
 */
START_TEST(init_token)
{
	CK_UTF8CHAR label[32];
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	memset(label, ' ', sizeof label);
	ck_assert_rv(p11->C_InitToken(slot, (CK_UTF8CHAR_PTR) "1234", 4, label), CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_rv(p11->C_InitToken(NO_SLOT, (CK_UTF8CHAR_PTR) "1234", 4, label), CKR_SLOT_ID_INVALID);
	CK_SESSION_HANDLE session = sr_rw();
	ck_assert_rv_in(p11->C_InitToken(slot, (CK_UTF8CHAR_PTR) "1234", 4, label), CKR_SESSION_EXISTS,
		CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_rv(sr_login(session, sr_place.reader), CKR_OK);
	sr_is(session, sr_find(session, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* 5.5.8 says CKR_USER_NOT_LOGGED_IN without the security officer, whom a vault never has; design §3 says which it is.
 */
START_TEST(init_pin)
{
	ck_assert_rv(p11->C_InitPIN(sr_rw(), (CK_UTF8CHAR_PTR) "1234", 4), CKR_FUNCTION_NOT_SUPPORTED);
	ck_assert_rv(p11->C_InitPIN(sr_as(sr_place.reader), (CK_UTF8CHAR_PTR) "1234", 4), CKR_FUNCTION_NOT_SUPPORTED);
}
END_TEST

/* -- C_WaitForSlotEvent
 * ------------------------------------------------------------------------------------------------- */
START_TEST(no_event)
{
	CK_SLOT_ID slot;
	int something;
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &something), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK | 2, &slot, NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

static void *wait_for_event(void *result)
{
	CK_SLOT_ID slot;
	*(CK_RV *)result = p11->C_WaitForSlotEvent(0, &slot, NULL);
	return NULL;
}

START_TEST(finalise_ends_the_wait)
{
	pthread_t thread;
	CK_RV rv = CKR_OK;
	CK_SESSION_HANDLE session;
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_event, &rv), 0);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	session = sr_as(sr_place.reader); /* nobody has to wait for the waiting one */
	ck_assert_uint_ne(sr_find(session, SR_STRIPE), 0);
	ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_rv(rv, CKR_CRYPTOKI_NOT_INITIALIZED);
}
END_TEST

Suite *sr_battery_slots(void)
{
	Suite *suite = suite_create("battery: slots");
	TCase *tcase = sr_chapter(suite, "5.5", sr_start, sr_stop);
	tcase_add_test(tcase, slot_list);
	tcase_add_test(tcase, slot_list_too_small);
	tcase_add_test(tcase, slots_stay);
	tcase_add_test(tcase, about_a_slot);
	tcase_add_test(tcase, about_a_token);
	tcase_add_test(tcase, protected_path);
	tcase_add_test(tcase, session_counts);
	tcase_add_test(tcase, bad_arguments);
	tcase_add_test(tcase, no_token);
	tcase_add_test(tcase, mechanisms);
	tcase_add_test(tcase, init_token);
	tcase_add_test(tcase, init_pin);
	tcase_add_test(tcase, no_event);
	tcase_add_test(tcase, finalise_ends_the_wait);
	return suite;
}
