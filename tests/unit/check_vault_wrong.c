/* An HSM that answers CKR_OK and is wrong by one bit, once, in each MAC and signature of a change in turn: the change
 * is refused and nothing of it is there, or it is there and holds when the vault is opened again. */
#include "tests/unit/lying_hsm.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "vault/core.h"

#include <stdio.h>
#include <string.h>

#define ANSWERS_MAX 200 /* more than any change asks for */

static struct vault_place place;

static void setup(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
}

static void teardown(void)
{
	vault_place_remove(&place);
}

/* The same vault with an honest HSM, as the next process finds it. */
static void open_again(void)
{
	lying_hsm_end(place.vault->hsm);
	vault_place_reopen(&place);
	vault_login_admin(&place);
}

static CK_RV try_put(unsigned n, char *unused)
{
	char path[32];
	(void)unused;
	snprintf(path, sizeof(path), "a/p%u", n);
	return vault_put(&place, path, "value", NULL);
}

static void look_put(unsigned n, CK_RV rv, const char *unused)
{
	char path[32], value[256];
	(void)unused;
	snprintf(path, sizeof(path), "a/p%u", n);
	if (rv == CKR_OK) {
		ck_assert_msg(vault_get(&place, path, value) == CKR_OK, "answer %u: %s", n, place.err.text);
		ck_assert_str_eq(value, "value");
		return;
	}
	ck_assert_int_eq(vault_count(&place, CKO_DATA, CKA_LABEL, path), 0);
	ck_assert_msg(try_put(n, NULL) == CKR_OK, "answer %u: %s", n, place.err.text);
}

static CK_RV try_issue(unsigned n, char *pin)
{
	(void)n;
	return vault_issue(&place, "secrets:read:a/*", "3600", NULL, NULL, pin);
}

static void look_issue(unsigned n, CK_RV rv, const char *pin)
{
	if (rv == CKR_OK)
		ck_assert_msg(vault_login(&place, pin) == CKR_OK, "answer %u: %s", n, place.err.text);
	vault_login_admin(&place);
}

static const struct {
	CK_RV (*make)(unsigned n, char *pin);
	void (*look)(unsigned n, CK_RV rv, const char *pin);
} changes[] = { { try_put, look_put }, { try_issue, look_issue } };

START_TEST(each_answer_in_turn)
{
	unsigned n = 0, refused = 0;
	bool lied = true;
	while (lied) {
		char pin[64] = "";
		ck_assert_uint_lt(++n, ANSWERS_MAX);
		lying_hsm_begin(place.vault->hsm);
		lie_at(LIE_SIGN, n);
		CK_RV rv = changes[_i].make(n, pin);
		lied = answers_since() >= n;
		ck_assert_msg(lied || rv == CKR_OK, "without a lie: %s", place.err.text);
		refused += rv != CKR_OK;
		open_again();
		changes[_i].look(n, rv, pin);
	}
	ck_assert_uint_ge(refused, 4); /* of the row and of the standing, either of two */
}
END_TEST

Suite *sr_suite_vault_wrong(void)
{
	Suite *suite = suite_create("vault_wrong");
	TCase *tests = tcase_create("wrong");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, each_answer_in_turn, 0, sizeof(changes) / sizeof(*changes));
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return suite;
}
