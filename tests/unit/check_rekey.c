/* Generations of the seal key: begun, gone on with, seen by other processes, retired; and each refusal. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include "hsm/seals.h"
#include "vault/rekey.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static struct vault_place place;
static json_t *result;

static void setup(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
	result = NULL;
}

static void teardown(void)
{
	json_decref(result);
	vault_place_remove(&place);
}

#define expect(call, code, why)                                                                     \
	do {                                                                                        \
		sr_error_clear(&place.err);                                                         \
		CK_RV rv_ = (call);                                                                 \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), place.err.text); \
		ck_assert_msg(place.err.reason == SR_REASON_##why, "%s: reason %s: %s", #call,      \
			sr_reason_name(place.err.reason), place.err.text);                          \
	} while (0)

static CK_RV run_job(const char *kind, CK_ATTRIBUTE_TYPE type, const char *text, const char *change)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	if (text)
		sr_attrs_put_text(&template, type, text);
	if (change)
		sr_attrs_put_text(&template, CKA_SR_CHANGE, change);
	CK_RV rv = sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err);
	const struct sr_attr *found = sr_attrs_find(&created.held, CKA_SR_RESULT);
	json_decref(result);
	result = found ? json_loadb((const char *)found->value, found->len, 0, NULL) : NULL;
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static long number(const char *key)
{
	return (long)json_integer_value(json_object_get(result, key));
}

static CK_RV retire(const char *generation, const char *change)
{
	return run_job("hsm-retire", CKA_SR_VERSION, generation, change);
}

/* All of a rekey that was begun; how many versions. */
static long finish(void)
{
	char after[24] = "0";
	long resealed = 0;
	bool more = true;
	while (more) {
		expect(run_job("rekey-step", CKA_SR_OFFSET, after, NULL), CKR_OK, NONE);
		resealed += number("resealed");
		more = json_is_true(json_object_get(result, "more"));
		snprintf(after, sizeof(after), "%ld", number("next"));
	}
	return resealed;
}

/* How many versions GENERATION has sealed; -1 where it is retired, or not there yet. */
static long rows(int generation)
{
	size_t i;
	const json_t *seal;
	expect(run_job("hsm-status", 0, NULL, NULL), CKR_OK, NONE);
	json_array_foreach(json_object_get(result, "seals"), i, seal)
	{
		if (json_integer_value(json_object_get(seal, "generation")) == generation)
			return (long)json_integer_value(json_object_get(seal, "rows"));
	}
	return -1;
}

static void fill(int count)
{
	char path[32];
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		expect(vault_put(&place, path, path, NULL), CKR_OK, NONE);
	}
}

static void expect_all(int count)
{
	char path[32], value[256];
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		expect(vault_get(&place, path, value), CKR_OK, NONE);
		ck_assert_str_eq(value, path);
	}
}

START_TEST(everything_is_sealed_anew)
{
	fill(70);
	expect(vault_put(&place, "many/3", "many/3", NULL), CKR_OK, NONE);
	ck_assert_int_eq(rows(1), 71);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("left"), 71);
	expect_all(70); /* of both generations */
	expect(vault_put(&place, "many/4", "many/4", NULL), CKR_OK, NONE);
	ck_assert_int_eq(rows(2), 1);
	ck_assert_int_eq(finish(), 71);
	ck_assert_int_eq(rows(1), 0);
	ck_assert_int_eq(rows(2), 72);
	expect_all(70);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect_all(70);
	expect(run_job("audit-verify", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert(json_is_true(json_object_get(result, "ok")));
}
END_TEST

START_TEST(one_that_was_interrupted_is_gone_on_with)
{
	fill(70);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	expect(run_job("rekey-step", CKA_SR_OFFSET, "0", NULL), CKR_OK, NONE);
	ck_assert_int_eq(number("resealed"), 64);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert(json_is_true(json_object_get(result, "resumed")));
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("left"), 6);
	ck_assert_int_eq(finish(), 6);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE); /* and only now another one */
	ck_assert_int_eq(number("generation"), 3);
	ck_assert_int_eq(finish(), 70);
	expect_all(70);
}
END_TEST

/* Killed between the HSM's key and the record of it. */
START_TEST(a_key_that_was_made_and_not_recorded_is_taken)
{
	fill(1);
	expect(sr_hsm_make_seal(place.vault->hsm, 2, &place.err), CKR_OK, NONE);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect(vault_put(&place, "many/0", "many/0", NULL), CKR_OK, NONE);
	ck_assert_int_eq(rows(1), 2);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert_int_eq(finish(), 2);
	expect_all(1);
}
END_TEST

/* Another process that has the vault open seals by the new generation at once, and opens what it sealed. */
START_TEST(other_processes_follow)
{
	struct sr_vault *mine = place.vault, *other;
	struct sr_identity *me = place.caller.identity;
	char value[256];
	fill(2);
	expect(sr_vault_open(&place.config, &other, &place.err), CKR_OK, NONE);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert_int_eq(finish(), 2);
	place.vault = place.caller.vault = other;
	place.caller.identity = NULL;
	vault_login_admin(&place);
	expect(vault_get(&place, "many/1", value), CKR_OK, NONE);
	expect(vault_put(&place, "many/1", "many/1", NULL), CKR_OK, NONE);
	ck_assert_int_eq(rows(1), 0);
	ck_assert_int_eq(rows(2), 3);
	sr_identity_unref(place.caller.identity);
	sr_vault_close(other);
	place.vault = place.caller.vault = mine;
	place.caller.identity = me;
	expect_all(2);
}
END_TEST

START_TEST(a_version_that_does_not_open_is_left_and_told)
{
	fill(3);
	vault_sql(&place, "UPDATE secret_version SET sealed = CAST(substr(sealed, 1, 20) || zeroblob(20) AS BLOB) "
			  "WHERE path = 'many/1'");
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	expect(run_job("rekey-step", CKA_SR_OFFSET, "0", NULL), CKR_OK, NONE);
	ck_assert_int_eq(number("resealed"), 2);
	ck_assert_int_eq(number("broken"), 1);
	ck_assert_int_eq(rows(1), 1);
	expect(retire("1", NULL), CKR_TOKEN_WRITE_PROTECTED, CUSTODY);
}
END_TEST

START_TEST(what_is_needed_is_not_retired)
{
	fill(2);
	expect(retire("1", NULL), CKR_TOKEN_WRITE_PROTECTED, CUSTODY); /* the newest */
	expect(retire("9", NULL), CKR_TOKEN_WRITE_PROTECTED, CUSTODY);
	expect(retire("0", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(retire("", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(retire("70000", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(retire(NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(run_job("backup", 0, NULL, NULL), CKR_OK, NONE);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	expect(retire("1", "lose-backups"), CKR_TOKEN_WRITE_PROTECTED, CUSTODY);
	ck_assert_ptr_nonnull(strstr(place.err.text, "2 versions"));
	finish();
	expect(retire("1", NULL), CKR_TOKEN_WRITE_PROTECTED, CUSTODY);
	ck_assert_ptr_nonnull(strstr(place.err.text, "backup of audit record"));
	expect(retire("1", "all"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(retire("1", "lose-backups"), CKR_OK, NONE);
	expect(retire("1", NULL), CKR_OK, NONE); /* again, for a HSM that was away just then */
	ck_assert_int_eq(rows(1), -1);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "hsm.retired"), 11);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	expect_all(2);
}
END_TEST

/* A row from before, put back after its generation was retired. */
START_TEST(a_retired_generation_opens_nothing)
{
	fill(1);
	vault_sql(&place, "CREATE TABLE kept.version AS SELECT * FROM secret_version");
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	finish();
	expect(retire("1", NULL), CKR_OK, NONE);
	vault_place_reopen(&place);
	vault_login_admin(&place);
	vault_sql(&place, "UPDATE secret_version SET sealed = (SELECT sealed FROM kept.version)");
	expect(vault_get(&place, "many/0", NULL), CKR_DEVICE_ERROR, SEAL_BROKEN);
}
END_TEST

START_TEST(only_an_admin_rekeys)
{
	static const enum sr_role roles[] = { SR_ROLE_EDITOR, SR_ROLE_VIEWER, SR_ROLE_AUDITOR };
	static const char *const names[] = { "eve", "vera", "otto" };
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		people_as(&place, people_member(&place, names[i], roles[i]));
		expect(run_job("rekey", 0, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(run_job("rekey-step", CKA_SR_OFFSET, "0", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(retire("1", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(run_job("hsm-status", 0, NULL, NULL), CKR_OK, NONE);
		ck_assert_int_eq(number("seal_generation"), 1);
	}
	vault_login_admin(&place);
	expect(run_job("rekey-step", CKA_SR_OFFSET, "-1", NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
}
END_TEST

Suite *sr_suite_rekey(void)
{
	Suite *suite = suite_create("rekey");
	TCase *tcase = tcase_create("rekey");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, everything_is_sealed_anew);
	tcase_add_test(tcase, one_that_was_interrupted_is_gone_on_with);
	tcase_add_test(tcase, a_key_that_was_made_and_not_recorded_is_taken);
	tcase_add_test(tcase, other_processes_follow);
	tcase_add_test(tcase, a_version_that_does_not_open_is_left_and_told);
	tcase_add_test(tcase, what_is_needed_is_not_retired);
	tcase_add_test(tcase, a_retired_generation_opens_nothing);
	tcase_add_test(tcase, only_an_admin_rekeys);
	suite_add_tcase(suite, tcase);
	return suite;
}
