/* Message digests: PKCS#11 v3.1, 5.12, and the output convention of 5.2. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <string.h>

#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

/* FIPS 180-4 and 202: of "abc", and of nothing. */
static const struct {
	CK_MECHANISM_TYPE type;
	CK_ULONG len;
	const char *abc;
	const char *nothing;
} known[] = {
	{ CKM_SHA224, 28, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		"d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f" },
	{ CKM_SHA256, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ CKM_SHA384, 48,
		"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b" },
	{ CKM_SHA512, 64,
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
		"454d4423643ce80e2a9ac94fa54ca49f",
		"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f"
		"63b931bd47417a81a538327af927da3e" },
	{ CKM_SHA512_224, 28, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
		"6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4" },
	{ CKM_SHA512_256, 32, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
		"c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a" },
	{ CKM_SHA3_224, 28, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
		"6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7" },
	{ CKM_SHA3_256, 32, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
		"a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a" },
	{ CKM_SHA3_384, 48,
		"ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
		"0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004" },
	{ CKM_SHA3_512, 64,
		"b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e39340"
		"57340b4cf408d5a56592f8274eec53f0",
		"a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a615b2123af1f5f94c11e3e9402c3ac558"
		"f500199d95b6d3e301758586281dcd26" },
};

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
static CK_BYTE digest[64];
static CK_ULONG len;

static void check_hex(const char *wanted)
{
	char hex[2 * sizeof digest + 1] = "";
	for (CK_ULONG i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	ck_assert_str_eq(hex, wanted);
}

static CK_RV update(CK_SESSION_HANDLE session, const char *data)
{
	return p11->C_DigestUpdate(session, (CK_BYTE_PTR)data, strlen(data));
}

static CK_RV whole(CK_SESSION_HANDLE session, const char *data)
{
	len = sizeof digest;
	return p11->C_Digest(session, (CK_BYTE_PTR)data, strlen(data), digest, &len);
}

static CK_RV final(CK_SESSION_HANDLE session)
{
	len = sizeof digest;
	return p11->C_DigestFinal(session, digest, &len);
}

static CK_SESSION_HANDLE begun(void)
{
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	return session;
}

/* -- known answers
 * ------------------------------------------------------------------------------------------------------- */
START_TEST(known_answers)
{
	CK_MECHANISM mechanism = { known[_i].type, NULL, 0 };
	CK_MECHANISM_INFO info;
	ck_assert_rv(p11->C_GetMechanismInfo(sr_slot(SR_VAULT), mechanism.mechanism, &info), CKR_OK);
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_DigestInit(session, &mechanism), CKR_OK);
	ck_assert_rv(whole(session, "abc"), CKR_OK);
	ck_assert_uint_eq(len, known[_i].len);
	check_hex(known[_i].abc);
	ck_assert_rv(p11->C_DigestInit(session, &mechanism), CKR_OK);
	ck_assert_rv(update(session, "a"), CKR_OK);
	ck_assert_rv(update(session, ""), CKR_OK);
	ck_assert_rv(update(session, "bc"), CKR_OK);
	ck_assert_rv(final(session), CKR_OK);
	check_hex(known[_i].abc);
	ck_assert_rv(p11->C_DigestInit(session, &mechanism), CKR_OK);
	ck_assert_rv(final(session), CKR_OK); /* no C_DigestUpdate at all */
	check_hex(known[_i].nothing);
	ck_assert_rv(p11->C_DigestInit(session, &mechanism), CKR_OK);
	len = sizeof digest;
	ck_assert_rv(p11->C_Digest(session, NULL, 0, digest, &len), CKR_OK);
	check_hex(known[_i].nothing);
}
END_TEST

START_TEST(million)
{
	CK_BYTE block[1000];
	CK_SESSION_HANDLE session = begun();
	memset(block, 'a', sizeof block);
	for (int i = 0; i < 1000; i++)
		ck_assert_rv(p11->C_DigestUpdate(session, block, sizeof block), CKR_OK);
	ck_assert_rv(final(session), CKR_OK);
	check_hex(MILLION_A);
}
END_TEST

/* Every digest that is listed works, and says how long it is. */
START_TEST(all_that_is_listed)
{
	CK_MECHANISM_TYPE list[128];
	CK_MECHANISM_INFO info;
	CK_ULONG count = SR_COUNT(list), digests = 0;
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_GetMechanismList(slot, list, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_MECHANISM mechanism = { list[i], NULL, 0 };
		ck_assert_rv(p11->C_GetMechanismInfo(slot, list[i], &info), CKR_OK);
		if (!(info.flags & CKF_DIGEST))
			continue;
		ck_assert_rv(p11->C_DigestInit(session, &mechanism), CKR_OK);
		ck_assert_rv(whole(session, "abc"), CKR_OK);
		ck_assert_uint_ge(len, 20);
		digests++;
	}
	ck_assert_uint_ge(digests, SR_COUNT(known));
}
END_TEST

START_TEST(same_place)
{
	CK_BYTE data[32] = "abc";
	CK_SESSION_HANDLE session = begun();
	len = sizeof data;
	ck_assert_rv(p11->C_Digest(session, data, 3, data, &len), CKR_OK);
	memcpy(digest, data, len);
	check_hex(known[1].abc);
}
END_TEST

/* -- 5.2: how long it is
 * -------------------------------------------------------------------------------------------------- */
START_TEST(length_of_a_whole)
{
	CK_SESSION_HANDLE session = begun();
	len = 1;
	ck_assert_rv(p11->C_Digest(session, (CK_BYTE_PTR) "abc", 3, NULL, &len), CKR_OK);
	ck_assert_uint_eq(len, 32);
	len = 31;
	ck_assert_rv(p11->C_Digest(session, (CK_BYTE_PTR) "abc", 3, digest, &len), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, 32);
	len = 32;
	ck_assert_rv(p11->C_Digest(session, (CK_BYTE_PTR) "abc", 3, digest, &len), CKR_OK);
	check_hex(known[1].abc);
	ck_assert_rv(whole(session, "abc"), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(length_of_parts)
{
	CK_SESSION_HANDLE session = begun();
	ck_assert_rv(update(session, "abc"), CKR_OK);
	ck_assert_rv(p11->C_DigestFinal(session, NULL, &len), CKR_OK);
	ck_assert_uint_eq(len, 32);
	len = 0;
	ck_assert_rv(p11->C_DigestFinal(session, digest, &len), CKR_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, 32);
	ck_assert_rv(final(session), CKR_OK);
	check_hex(known[1].abc);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* -- one operation at a time
 * --------------------------------------------------------------------------------------------- */
START_TEST(states)
{
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0), other;
	ck_assert_rv(whole(session, "abc"), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(update(session, "abc"), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestKey(session, 1), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OPERATION_ACTIVE);
	other = begun();
	ck_assert_rv(update(other, "x"), CKR_OK);
	ck_assert_rv(whole(session, "abc"), CKR_OK); /* the other session's is its own */
	check_hex(known[1].abc);
}
END_TEST

/* 5.12.2: C_Digest cannot end what C_DigestUpdate began, and ends the operation all the same. */
START_TEST(whole_after_parts)
{
	CK_SESSION_HANDLE session = begun();
	ck_assert_rv(update(session, "ab"), CKR_OK);
	CK_RV rv = whole(session, "c");
	ck_assert(rv == CKR_FUNCTION_FAILED || rv == CKR_OPERATION_ACTIVE || rv == CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
}
END_TEST

/* A length query of C_Digest is no part: C_Digest may still come, and so may parts. */
START_TEST(parts_after_a_length_query)
{
	CK_SESSION_HANDLE session = begun();
	ck_assert_rv(p11->C_Digest(session, (CK_BYTE_PTR) "xyz", 3, NULL, &len), CKR_OK);
	ck_assert_rv(update(session, "abc"), CKR_OK);
	ck_assert_rv(final(session), CKR_OK);
	check_hex(known[1].abc);
}
END_TEST

/* Every other error ends the operation. */
START_TEST(errors_end_it)
{
	CK_SESSION_HANDLE session = begun();
	len = sizeof digest;
	ck_assert_rv(p11->C_DigestUpdate(session, NULL, 5), CKR_ARGUMENTS_BAD);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_Digest(session, NULL, 5, digest, &len), CKR_ARGUMENTS_BAD);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_Digest(session, (CK_BYTE_PTR) "abc", 3, digest, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_DigestFinal(session, digest, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(mechanisms)
{
	CK_BYTE parameter[4] = { 0 };
	CK_MECHANISM unknown = { CKM_VENDOR_DEFINED + 9, NULL, 0 }, signing = { CKM_RSA_PKCS, NULL, 0 };
	CK_MECHANISM with_parameter = { CKM_SHA256, parameter, sizeof parameter };
	CK_SESSION_HANDLE session = sr_open(SR_VAULT, 0);
	ck_assert_rv(p11->C_DigestInit(session, &unknown), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_DigestInit(session, &signing), CKR_MECHANISM_INVALID);
	ck_assert_rv(p11->C_DigestInit(session, &with_parameter), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* -- cancel
 * --------------------------------------------------------------------------------------------------------------- */
START_TEST(cancel)
{
	CK_SESSION_HANDLE session = begun();
	ck_assert_rv(update(session, "forgotten"), CKR_OK);
	ck_assert_rv(p11->C_DigestInit(session, NULL), CKR_OK);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(whole(session, "abc"), CKR_OK);
	check_hex(known[1].abc);
}
END_TEST

/* Nothing to cancel: 5.12.1 lists no CKR_OPERATION_NOT_INITIALIZED. */
START_TEST(cancel_nothing)
{
	ck_assert_rv_in(p11->C_DigestInit(sr_open(SR_VAULT, 0), NULL), CKR_OK, CKR_ARGUMENTS_BAD);
}
END_TEST

/* -- C_DigestKey
 * ------------------------------------------------------------------------------------------------------------ */
/* The digest of a secret would be an oracle for it. */
START_TEST(digest_key)
{
	CK_SESSION_HANDLE session = sr_as(sr_place.reader);
	CK_OBJECT_HANDLE object = sr_find(session, SR_STRIPE);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv_in(p11->C_DigestKey(session, object), CKR_KEY_INDIGESTIBLE, CKR_KEY_HANDLE_INVALID);
	ck_assert_rv(final(session), CKR_OPERATION_NOT_INITIALIZED);
	ck_assert_rv(p11->C_DigestInit(session, &sha256), CKR_OK);
	ck_assert_rv(p11->C_DigestKey(session, CK_INVALID_HANDLE), CKR_KEY_HANDLE_INVALID);
}
END_TEST

/* A digest needs no login, and what else the session does in between does not touch it. */
START_TEST(other_calls_in_between)
{
	CK_SESSION_HANDLE session = begun();
	ck_assert_rv(update(session, "a"), CKR_OK);
	ck_assert_rv(p11->C_GenerateRandom(session, digest, 8), CKR_OK);
	ck_assert_uint_eq(sr_find(session, SR_STRIPE), 0);
	ck_assert_rv(update(session, "bc"), CKR_OK);
	ck_assert_rv(final(session), CKR_OK);
	check_hex(known[1].abc);
}
END_TEST

Suite *sr_battery_digest(void)
{
	Suite *suite = suite_create("battery: digest");
	TCase *tcase = sr_chapter(suite, "5.12", sr_start, sr_stop);
	tcase_add_loop_test(tcase, known_answers, 0, (int)SR_COUNT(known));
	tcase_add_test(tcase, million);
	tcase_add_test(tcase, all_that_is_listed);
	tcase_add_test(tcase, same_place);
	tcase_add_test(tcase, length_of_a_whole);
	tcase_add_test(tcase, length_of_parts);
	tcase_add_test(tcase, states);
	tcase_add_test(tcase, whole_after_parts);
	tcase_add_test(tcase, parts_after_a_length_query);
	tcase_add_test(tcase, errors_end_it);
	tcase_add_test(tcase, mechanisms);
	tcase_add_test(tcase, cancel);
	tcase_add_test(tcase, cancel_nothing);
	tcase_add_test(tcase, digest_key);
	tcase_add_test(tcase, other_calls_in_between);
	return suite;
}
