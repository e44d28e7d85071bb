/* The rows of the table of calls that are refused by design (docs/pkcs11.md): whoever calls, they never answer CKR_OK
 * and change nothing. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

START_TEST(refused_by_design)
{
	const struct sr_row *row = &sr_rows[_i];
	if (!row->refused)
		return;
	CK_SESSION_HANDLE public = sr_open(SR_ADMIN, CKF_RW_SESSION), user = sr_as(sr_place.reader);
	CK_RV rv = sr_call_words(row, row->session ? public : sr_slot(SR_VAULT));
	ck_assert_msg(rv != CKR_OK, "%s in a public session: %s", row->name, sr_code(rv));
	rv = sr_call_words(row, row->session ? user : sr_slot(SR_VAULT));
	ck_assert_msg(rv != CKR_OK, "%s in a user session: %s", row->name, sr_code(rv));
	ck_assert_uint_eq(sr_state(user), CKS_RW_USER_FUNCTIONS);
	sr_is(user, sr_find(user, SR_STRIPE), CKA_VALUE, SR_STRIPE_VALUE);
}
END_TEST

Suite *sr_battery_unsupported(void)
{
	Suite *suite = suite_create("battery: unsupported");
	TCase *tcase = sr_chapter(suite, "refused", sr_start, sr_stop);
	tcase_add_loop_test(tcase, refused_by_design, 0, (int)sr_row_count);
	return suite;
}
