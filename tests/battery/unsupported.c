/* The rows of the table of calls that are for later: each has a stub, and the stub says so (PKCS#11 v3.1, 5.1.6,
 * CKR_FUNCTION_NOT_SUPPORTED) once the library is initialised and the session is one. A row that is done leaves this by
 * itself, and then needs a chapter. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <string.h>

START_TEST(not_supported)
{
	const struct sr_row *row = &sr_rows[_i];
	if (!row->later)
		return;
	CK_SESSION_HANDLE public = sr_open(SR_ADMIN, CKF_RW_SESSION), user = sr_as(sr_place.reader);
	CK_RV rv = sr_call_words(row, public);
	ck_assert_msg(rv == CKR_FUNCTION_NOT_SUPPORTED, "%s in a public session: %s", row->name, sr_code(rv));
	rv = sr_call_words(row, user);
	ck_assert_msg(rv == CKR_FUNCTION_NOT_SUPPORTED, "%s in a user session: %s", row->name, sr_code(rv));
	ck_assert_uint_eq(sr_state(user), CKS_RW_USER_FUNCTIONS);
	sr_is(user, sr_find(user, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

/* What cannot be done is not offered either. */
START_TEST(nothing_promised)
{
	CK_MECHANISM_TYPE list[256];
	CK_MECHANISM_INFO info;
	CK_ULONG count = SR_COUNT(list);
	CK_FLAGS offered = 0;
	CK_SLOT_ID slot = sr_slot(SR_VAULT);
	static const struct {
		const char *name;
		CK_FLAGS flag;
	} operations[] = { { "C_EncryptInit", CKF_ENCRYPT }, { "C_DecryptInit", CKF_DECRYPT },
		{ "C_SignInit", CKF_SIGN }, { "C_VerifyInit", CKF_VERIFY }, { "C_GenerateKey", CKF_GENERATE },
		{ "C_GenerateKeyPair", CKF_GENERATE_KEY_PAIR }, { "C_WrapKey", CKF_WRAP },
		{ "C_UnwrapKey", CKF_UNWRAP }, { "C_DeriveKey", CKF_DERIVE } };
	ck_assert_rv(p11->C_GetMechanismList(slot, list, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		ck_assert_rv(p11->C_GetMechanismInfo(slot, list[i], &info), CKR_OK);
		offered |= info.flags;
	}
	for (size_t i = 0; i < sr_row_count; i++) {
		for (size_t k = 0; k < SR_COUNT(operations); k++) {
			if (sr_rows[i].later && strcmp(sr_rows[i].name, operations[k].name) == 0)
				ck_assert_msg(!(offered & operations[k].flag), "%s", operations[k].name);
		}
	}
}
END_TEST

Suite *sr_battery_unsupported(void)
{
	Suite *suite = suite_create("battery: unsupported");
	TCase *tcase = sr_chapter(suite, "later", sr_start, sr_stop);
	tcase_add_loop_test(tcase, not_supported, 0, (int)sr_row_count);
	tcase_add_test(tcase, nothing_promised);
	return suite;
}
