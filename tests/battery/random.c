/* Random numbers: PKCS#11 v3.1, 5.19. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdlib.h>
#include <string.h>

#define MOST (16UL << 20) /* design §9: call data */

START_TEST(two_draws)
{
	CK_BYTE one[32] = { 0 }, two[32] = { 0 };
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0); /* no login, no R/W session */
	ck_assert_rv(p11->C_GenerateRandom(session, one, sizeof one), CKR_OK);
	ck_assert_rv(p11->C_GenerateRandom(session, two, sizeof two), CKR_OK);
	ck_assert_mem_ne(one, two, sizeof one);
}
END_TEST

START_TEST(any_length)
{
	static const CK_ULONG lengths[] = { 0, 1, 7, 4096, 16384, 16385, 100000 };
	CK_BYTE *data = calloc(1, lengths[_i] + 1);
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_GenerateRandom(session, data, lengths[_i]), CKR_OK);
	ck_assert_uint_eq(data[lengths[_i]], 0); /* not a byte too many */
	free(data);
}
END_TEST

/* Every value of a byte comes, the last quarter included, and no 16 bytes come twice in a row. */
START_TEST(the_whole_buffer)
{
	CK_ULONG size = 256UL << 10;
	bool seen[256] = { false };
	CK_BYTE *data = calloc(1, size);
	ck_assert_rv(p11->C_GenerateRandom(sr_open(SR_VAULT, 0), data, size), CKR_OK);
	for (CK_ULONG i = size / 4 * 3; i < size; i++)
		seen[data[i]] = true;
	for (int i = 0; i < 256; i++)
		ck_assert(seen[i]);
	for (CK_ULONG i = 16; i < size; i += 16)
		ck_assert_mem_ne(&data[i], &data[i - 16], 16);
	free(data);
}
END_TEST

START_TEST(bad_arguments)
{
	CK_BYTE byte;
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_GenerateRandom(session, NULL, 8), CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_SeedRandom(session, NULL, 8), CKR_ARGUMENTS_BAD);
	ck_assert_rv_in(p11->C_GenerateRandom(session, NULL, 0), CKR_OK, CKR_ARGUMENTS_BAD);
	ck_assert_rv(p11->C_GenerateRandom(session, &byte, MOST + 1), CKR_DATA_LEN_RANGE);
	ck_assert_rv(p11->C_GenerateRandom(session, &byte, ~0UL), CKR_DATA_LEN_RANGE);
	ck_assert_rv(p11->C_SeedRandom(session, &byte, MOST + 1), CKR_DATA_LEN_RANGE);
	ck_assert_uint_eq(sr_device_error(session), SR_REASON_TOO_LARGE);
}
END_TEST

START_TEST(seed)
{
	CK_BYTE one[32], two[32], material[300] = "stir";
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv_in(p11->C_SeedRandom(session, material, sizeof material), CKR_OK, CKR_RANDOM_SEED_NOT_SUPPORTED);
	ck_assert_rv(p11->C_GenerateRandom(session, one, sizeof one), CKR_OK);
	ck_assert_rv_in(p11->C_SeedRandom(session, material, sizeof material), CKR_OK, CKR_RANDOM_SEED_NOT_SUPPORTED);
	ck_assert_rv(p11->C_GenerateRandom(session, two, sizeof two), CKR_OK);
	ck_assert_mem_ne(one, two, sizeof one); /* mixed in, not started over */
}
END_TEST

Suite *sr_battery_random(void)
{
	Suite *suite = suite_create("battery: random");
	TCase *tcase = sr_chapter(suite, "5.19", sr_start, sr_stop);
	tcase_add_test(tcase, two_draws);
	tcase_add_loop_test(tcase, any_length, 0, 7);
	tcase_add_test(tcase, the_whole_buffer);
	tcase_add_test(tcase, bad_arguments);
	tcase_add_test(tcase, seed);
	return suite;
}
