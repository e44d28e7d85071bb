/* Generations of the wrap, mac and audit keys: begun, everything brought under them, seen by other processes and
 * threads, retired; each refusal; and what a hand in the database comes to. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"
#include "tests/unit/vault_people.h"

#include "hsm/generations.h"
#include "vault/agent.h"
#include "vault/rekey.h"
#include "vault/who.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static json_t *result;

static void setup(void)
{
	keys_setup();
	result = NULL;
}

static void teardown(void)
{
	json_decref(result);
	keys_teardown();
}

static void reopen(void)
{
	sr_nest_close(keys_nest);
	vault_place_reopen(&keys_place);
	vault_login_admin(&keys_place);
	expect(sr_nest_open(keys_place.vault, &keys_nest, &keys_place.err), CKR_OK, NONE);
}

static CK_RV run_job(const char *kind, CK_ATTRIBUTE_TYPE type, const char *text, const char *change)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_JOB);
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	if (text)
		sr_attrs_put_text(&template, type, text);
	if (change)
		sr_attrs_put_text(&template, CKA_SR_CHANGE, change);
	CK_RV rv = sr_class_find(CKO_SR_JOB)->create(&keys_place.caller, &template, &created, &keys_place.err);
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

static CK_RV begin(void)
{
	return run_job("rekey", 0, NULL, "all");
}

static CK_RV retire(const char *generation, const char *change)
{
	return run_job("hsm-retire", CKA_SR_VERSION, generation, change);
}

/* Every row of a rekey that was begun; how many. */
static long finish_rows(long *wrapped)
{
	char from[4096] = "0::";
	long rows = 0;
	bool more = true;
	while (more) {
		expect(run_job("rekey-rows", CKA_SR_OFFSET, from, NULL), CKR_OK, NONE);
		rows += number("rows");
		*wrapped += number("wrapped");
		ck_assert_int_eq(number("broken"), 0);
		more = json_is_true(json_object_get(result, "more"));
		snprintf(from, sizeof(from), "%s", json_string_value(json_object_get(result, "next")));
	}
	return rows;
}

static void finish_seals(void)
{
	char after[24] = "0";
	bool more = true;
	while (more) {
		expect(run_job("rekey-step", CKA_SR_OFFSET, after, NULL), CKR_OK, NONE);
		more = json_is_true(json_object_get(result, "more"));
		snprintf(after, sizeof(after), "%ld", number("next"));
	}
}

static void rekey_all(void)
{
	long wrapped = 0;
	expect(begin(), CKR_OK, NONE);
	finish_seals();
	finish_rows(&wrapped);
}

/* What hsm-status says of what needs GENERATION; -1 where it is retired, or not there yet. */
static long needs(int generation, const char *what)
{
	size_t i;
	const json_t *keys;
	expect(run_job("hsm-status", 0, NULL, NULL), CKR_OK, NONE);
	json_array_foreach(json_object_get(result, "keys"), i, keys)
	{
		if (json_integer_value(json_object_get(keys, "generation")) == generation)
			return (long)json_integer_value(json_object_get(keys, what));
	}
	return -1;
}

static void fill(int count)
{
	char path[32];
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		expect(vault_put(&keys_place, path, path, NULL), CKR_OK, NONE);
	}
}

static void expect_all(int count)
{
	char path[32], value[256];
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		expect(vault_get(&keys_place, path, value), CKR_OK, NONE);
		ck_assert_str_eq(value, path);
	}
}

static void make_wrapped(const char *path)
{
	struct sr_new_key made;
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path), NUMBER(CKA_VALUE_LEN, 32),
			       TEXT(CKA_SR_CUSTODY, "wrapped"), FLAG(CKA_ENCRYPT, 1), FLAG(CKA_DECRYPT, 1)),
		       &made),
		CKR_OK, NONE);
}

static void use_key(const char *id, struct sr_buf *out)
{
	struct sr_key *key = keys_open(CKO_SECRET_KEY, id);
	sr_buf_clear(out);
	expect(keys_run(SR_ENCRYPT, key, CKM_AES_ECB, "sixteen letters.", 16, out), CKR_OK, NONE);
	sr_key_unref(key);
}

static void make_agent(const char *name, const char *grace, char *key)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SR_AGENT);
	sr_attrs_put_text(&template, CKA_SR_NAME, name);
	if (grace)
		sr_attrs_put_text(&template, CKA_SR_GRACE, grace);
	else
		sr_attrs_put_text(&template, CKA_SR_SCOPES, "secrets:read:many/*");
	expect(sr_agent_class.create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK, NONE);
	snprintf(key, 64, "%s", sr_buf_string(&created.once));
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

static void expect_ok_audit(void)
{
	expect(run_job("audit-verify", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert_msg(json_is_true(json_object_get(result, "ok")), "%s",
		json_string_value(json_object_get(result, "detail")));
}

static void expect_logs_in(const char *pin)
{
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	vault_login_admin(&keys_place);
}

/* -- a new generation -------------------------------------------------------------------------------------------- */

START_TEST(everything_comes_under_the_new_keys)
{
	struct sr_buf before = SR_BUF_INIT, after = SR_BUF_INIT;
	char token[64], agent[64], later[64];
	long wrapped = 0;
	fill(70);
	make_wrapped("k/aes");
	use_key("s:k/aes", &before);
	expect(vault_issue(&keys_place, "secrets:read:many/*", "3600", NULL, NULL, token), CKR_OK, NONE);
	make_agent("bot", NULL, agent);
	expect(begin(), CKR_OK, NONE);
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("keys"), 2);
	ck_assert_int_eq(number("left"), 70);
	ck_assert_uint_eq(sr_hsm_generation(keys_place.vault->hsm), 2);
	expect_all(70); /* of both generations */
	use_key("s:k/aes", &after);
	ck_assert(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
	expect_logs_in(token);
	expect_logs_in(agent);
	fill(1);
	make_wrapped("k/later");
	expect(vault_issue(&keys_place, "secrets:read:many/*", "3600", NULL, NULL, later), CKR_OK, NONE);
	/* 69 secrets, a key, a token, an agent, the admin, whose hash the login has made anew */
	ck_assert_int_eq(needs(1, "rows"), 72);
	ck_assert_int_eq(needs(1, "wrapped"), 1);
	ck_assert_int_eq(needs(1, "tokens"), 1);
	ck_assert_int_eq(needs(1, "agents"), 1);
	ck_assert_int_eq(needs(1, "members"), 0);
	ck_assert_int_eq(needs(2, "tokens"), 1);
	finish_seals();
	ck_assert_int_eq(finish_rows(&wrapped), 72);
	ck_assert_int_eq(wrapped, 1);
	ck_assert_int_eq(needs(1, "rows"), 0);
	ck_assert_int_eq(needs(1, "wrapped"), 0);
	ck_assert_int_eq(needs(1, "tokens"), 1);
	expect_all(70);
	expect_ok_audit();
	reopen();
	expect_all(70);
	use_key("s:k/aes", &after);
	ck_assert(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
	use_key("s:k/later", &after);
	expect_logs_in(token);
	expect_logs_in(agent);
	expect_logs_in(later);
	expect_ok_audit();
	sr_buf_clear(&before);
	sr_buf_clear(&after);
}
END_TEST

START_TEST(one_that_was_interrupted_is_gone_on_with)
{
	long wrapped = 0;
	fill(70);
	expect(begin(), CKR_OK, NONE);
	expect(run_job("rekey-rows", CKA_SR_OFFSET, "0::", NULL), CKR_OK, NONE);
	ck_assert_int_eq(number("rows"), 64);
	reopen();
	expect(begin(), CKR_OK, NONE);
	ck_assert(json_is_true(json_object_get(result, "resumed")));
	ck_assert_int_eq(number("keys"), 2);
	finish_seals();
	ck_assert_int_eq(finish_rows(&wrapped), 6); /* the admin has logged in since */
	expect(begin(), CKR_OK, NONE);
	ck_assert(!json_is_true(json_object_get(result, "resumed")));
	ck_assert_int_eq(number("keys"), 3);
	ck_assert_int_eq(number("generation"), 3);
	finish_seals();
	finish_rows(&wrapped);
	expect_all(70);
	expect_ok_audit();
}
END_TEST

/* Killed between the HSM's keys and the record of them, or between one key and the next. */
START_TEST(keys_that_were_made_and_not_recorded_are_taken)
{
	fill(1);
	expect(sr_hsm_make_keys_of(keys_place.vault->hsm, 2, &keys_place.err), CKR_OK, NONE);
	reopen();
	ck_assert_uint_eq(sr_hsm_generation(keys_place.vault->hsm), 1);
	fill(1);
	rekey_all();
	ck_assert_uint_eq(sr_hsm_generation(keys_place.vault->hsm), 2);
	reopen();
	expect_all(1);
}
END_TEST

/* A plain rekey that was interrupted goes on with its seal key; the others are new. */
START_TEST(a_seal_that_was_begun_is_gone_on_with)
{
	fill(2);
	expect(run_job("rekey", 0, NULL, NULL), CKR_OK, NONE);
	expect(begin(), CKR_OK, NONE);
	ck_assert(!json_is_true(json_object_get(result, "resumed")));
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("keys"), 2);
	ck_assert_int_eq(number("left"), 2);
	expect(run_job("rekey", 0, NULL, "everything"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
}
END_TEST

START_TEST(so_many_are_kept_and_no_more)
{
	for (unsigned i = 2; i <= SR_KEYS_ALIVE_MAX; i++)
		rekey_all();
	expect(begin(), CKR_TOKEN_WRITE_PROTECTED, TOO_LARGE);
	vault_login_admin(&keys_place);
	expect(retire("1", "keys"), CKR_OK, NONE);
	rekey_all();
	reopen();
	expect_ok_audit();
}
END_TEST

/* -- other processes and threads --------------------------------------------------------------------------------- */

/* OTHER's caller is the admin's; what it does is done in the same place. */
static void as(struct sr_vault *vault, struct sr_identity *identity)
{
	keys_place.vault = keys_place.caller.vault = vault;
	keys_place.caller.identity = identity;
}

START_TEST(other_processes_follow)
{
	struct sr_vault *mine = keys_place.vault, *other;
	struct sr_identity *me = keys_place.caller.identity, *them;
	long wrapped = 0;
	fill(3);
	expect(sr_vault_open(&keys_place.config, &other, &keys_place.err), CKR_OK, NONE);
	as(other, NULL);
	vault_login_admin(&keys_place);
	them = keys_place.caller.identity;
	expect_all(3);
	as(mine, me);
	expect(begin(), CKR_OK, NONE);
	as(other, them);
	expect_all(3);
	ck_assert_uint_eq(sr_hsm_generation(other->hsm), 2);
	fill(1);
	expect(run_job("rekey", 0, NULL, "all"), CKR_OK, NONE);
	ck_assert(json_is_true(json_object_get(result, "resumed")));
	finish_seals();
	finish_rows(&wrapped);
	as(mine, me);
	expect_all(3);
	ck_assert_int_eq(needs(1, "rows"), 0);
	as(other, them);
	sr_identity_unref(them);
	sr_vault_close(other);
	as(mine, me);
	expect_ok_audit();
}
END_TEST

/* It has asked nothing while two generations began and two were retired. */
START_TEST(a_process_that_slept_through_it_follows)
{
	struct sr_vault *mine = keys_place.vault, *other;
	struct sr_identity *me = keys_place.caller.identity, *them;
	fill(3);
	expect(sr_vault_open(&keys_place.config, &other, &keys_place.err), CKR_OK, NONE);
	as(other, NULL);
	vault_login_admin(&keys_place);
	them = keys_place.caller.identity;
	expect_all(3);
	as(mine, me);
	rekey_all();
	vault_login_admin(&keys_place);
	me = keys_place.caller.identity;
	expect(retire("1", "keys"), CKR_OK, NONE);
	expect(retire("1", NULL), CKR_OK, NONE);
	rekey_all();
	vault_login_admin(&keys_place);
	me = keys_place.caller.identity;
	expect(retire("2", "keys"), CKR_OK, NONE);
	expect(retire("2", NULL), CKR_OK, NONE);
	vault_clock_move(2000, 2000, false);
	as(other, them);
	expect_all(3);
	fill(1);
	ck_assert_uint_eq(sr_hsm_generation(other->hsm), 3);
	sr_identity_unref(them);
	sr_vault_close(other);
	as(mine, me);
	expect_all(3);
}
END_TEST

struct busy {
	struct vault_place place;
	atomic_bool *stop;
	int number, failed;
	char why[256];
};

static void *keep_busy(void *arg)
{
	struct busy *busy = arg;
	char path[32], value[256];
	for (int i = 0; !atomic_load(busy->stop); i++) {
		snprintf(path, sizeof(path), "many/%d", i % 4 + 4 * busy->number);
		CK_RV rv = i % 3 ? vault_get(&busy->place, path, value) : vault_put(&busy->place, path, path, NULL);
		if (rv != CKR_OK && !busy->failed++)
			snprintf(busy->why, sizeof(busy->why), "%s", busy->place.err.text);
	}
	return NULL;
}

START_TEST(threads_work_throughout)
{
	static struct busy busy[4];
	pthread_t threads[4];
	atomic_bool stop = false;
	fill(16);
	for (int i = 0; i < 4; i++) {
		busy[i] = (struct busy){ .place = keys_place, .stop = &stop, .number = i };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_busy, &busy[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		rekey_all();
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_msg(busy[i].failed == 0, "%d failed: %s", busy[i].failed, busy[i].why);
	}
	expect_all(16);
	expect_ok_audit();
	reopen();
	expect_all(16);
}
END_TEST

/* -- the end of one ---------------------------------------------------------------------------------------------- */

#define expect_kept(call, words)                                                                        \
	do {                                                                                            \
		expect(call, CKR_TOKEN_WRITE_PROTECTED, CUSTODY);                                       \
		ck_assert_msg(strstr(keys_place.err.text, (words)) != NULL, "%s", keys_place.err.text); \
	} while (0)

START_TEST(what_is_needed_is_not_retired)
{
	char token[64], agent[64], id[SR_OBJECT_ID_MAX];
	long wrapped = 0;
	fill(2);
	make_wrapped("k/aes");
	expect(vault_issue(&keys_place, "secrets:read:many/*", "3600", NULL, NULL, token), CKR_OK, NONE);
	make_agent("bot", NULL, agent);
	sr_identity_unref(people_member(&keys_place, "eve", SR_ROLE_EDITOR));
	expect(run_job("backup", 0, NULL, NULL), CKR_OK, NONE);
	expect_kept(retire("1", "keys"), "it is the newest");
	expect_kept(retire("9", "keys"), "no such generation");
	expect(retire("0", "keys"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(retire("1001", "keys"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	expect(retire("1", "keys,"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(retire("1", "lose-recognition"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(begin(), CKR_OK, NONE);
	expect_kept(retire("1", "keys,lose-backups"), "rows need it (secret:many/0");
	finish_seals();
	finish_rows(&wrapped);
	expect_kept(retire("1", "keys,lose-backups"), "1 tokens need it");
	vault_find_one(&keys_place, CKO_SR_TOKEN, 0, NULL, id);
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&keys_place.caller, id, &keys_place.err), CKR_OK, NONE);
	expect_kept(retire("1", "keys,lose-backups"), "agents need it (bot)");
	make_agent("bot", "60", agent);
	expect_kept(retire("1", "keys,lose-backups"), "agents need it (bot)"); /* the one before, in its grace */
	make_agent("bot", "0", agent);
	expect_kept(retire("1", "keys,lose-backups"), "members need it (admin, eve)");
	vault_login_admin(&keys_place);
	expect_kept(retire("1", "keys,lose-backups"), "members need it (eve)");
	people_cut_member(&keys_place, "eve", false);
	expect_kept(retire("1", "keys"), "backup of audit record");
	rekey_all();
	expect_kept(retire("2", "keys"), "an older one is there");
	expect(retire("1", "keys,lose-backups"), CKR_OK, NONE);
	expect(retire("1", "keys"), CKR_OK, NONE); /* again, for a HSM that was away just then */
	ck_assert_int_eq(needs(1, "rows"), -1);
	expect_logs_in(agent);
	expect_all(2);
	expect_ok_audit();
	reopen();
	expect_all(2);
	expect_logs_in(agent);
	expect_ok_audit();
}
END_TEST

/* By what it was brought in under a resident key that may not leave is known for ever; so may the generation be. */
START_TEST(a_resident_key_is_recognised_by_it)
{
	static const uint8_t value[32] = "thirty-two bytes of an AES key.";
	struct sr_new_key made;
	struct sr_buf blob = SR_BUF_INIT;
	CK_MECHANISM pad = { CKM_AES_KEY_WRAP_PAD, NULL, 0 };
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "k/kek"), NUMBER(CKA_VALUE_LEN, 32), FLAG(CKA_WRAP, 1),
			       FLAG(CKA_UNWRAP, 1), FLAG(CKA_ENCRYPT, 0), FLAG(CKA_DECRYPT, 0)),
		       &made),
		CKR_OK, NONE);
	struct sr_key *kek = keys_open(CKO_SECRET_KEY, "s:k/kek");
	expect(keys_import(CKO_SECRET_KEY, CKK_AES,
		       LIST(BYTES(CKA_VALUE, value, sizeof(value)), FLAG(CKA_EXTRACTABLE, 1), FLAG(CKA_SENSITIVE, 0)),
		       &made),
		CKR_OK, NONE);
	expect(sr_key_wrap(&keys_place.caller, &pad, kek, made.key, true, &blob, &keys_place.err), CKR_OK, NONE);
	sr_new_key_clear(&made);
	for (int i = 0; i < 3; i++) {
		/* the second and third time it is known, though another generation has made what it is known by */
		struct sr_attrs template = SR_ATTRS_INIT;
		keys_fill(&template, LIST(FLAG(CKA_TOKEN, i == 0), NUMBER(CKA_KEY_TYPE, CKK_AES), FLAG(CKA_ENCRYPT, 1),
					     FLAG(CKA_DECRYPT, i > 0), FLAG(CKA_EXTRACTABLE, 0)));
		if (i == 0) {
			sr_attrs_put_text(&template, CKA_LABEL, "k/in");
			sr_attrs_put_text(&template, CKA_SR_CUSTODY, "resident");
		}
		struct sr_making making = { i ? keys_nest : NULL, CKO_SECRET_KEY, CKK_AES, &template };
		memset(&made, 0, sizeof(made));
		if (i == 0)
			expect(sr_key_unwrap(&keys_place.caller, &making, &pad, kek, blob.data, blob.len, &made,
				       &keys_place.err),
				CKR_OK, NONE);
		else
			expect(sr_key_unwrap(&keys_place.caller, &making, &pad, kek, blob.data, blob.len, &made,
				       &keys_place.err),
				CKR_TEMPLATE_INCONSISTENT, RIGHTS);
		sr_new_key_clear(&made);
		sr_attrs_clear(&template);
		if (i < 2)
			rekey_all();
	}
	vault_login_admin(&keys_place);
	expect_kept(retire("1", "keys"), "recognised by it when they are brought in again (k/in)");
	expect(retire("1", "keys,lose-recognition"), CKR_OK, NONE);
	sr_buf_clear(&blob);
	sr_key_unref(kek);
}
END_TEST

/* -- what was made before a generation began, and is put after -------------------------------------------------- */

static CK_RV put_key(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_rows_put_key(act->caller->vault, at, &act->event, act->arg, err);
}

static CK_RV put_token(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_rows_put_token(act->caller->vault, at, &act->event, act->arg, err);
}

static CK_RV put_again(CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err), void *row)
{
	struct sr_act act;
	sr_act_begin(&act, &keys_place.caller, SR_EVENT_KEY_UPDATED, NULL);
	act.run = run;
	act.arg = row;
	return sr_act_commit(&act, &keys_place.err);
}

static void read_key(const char *path, struct sr_key_row *row)
{
	struct sr_moment at;
	bool found;
	expect(sr_writer_look(keys_place.vault->writer, &at, &keys_place.err), CKR_OK, NONE);
	expect(sr_rows_key(keys_place.vault, &at, path, SR_PART_SECRET, row, &found, &keys_place.err), CKR_OK, NONE);
	sr_writer_look_end(keys_place.vault->writer, &at);
	ck_assert(found);
}

START_TEST(a_key_that_was_wrapped_before_is_found)
{
	struct sr_buf before = SR_BUF_INIT, after = SR_BUF_INIT;
	struct sr_key_row row;
	long wrapped = 0;
	make_wrapped("k/aes");
	use_key("s:k/aes", &before);
	read_key("k/aes", &row);
	ck_assert_uint_eq(sr_hsm_wrapped_generation(&row.blob), 1);
	rekey_all();
	vault_login_admin(&keys_place);
	expect(put_again(put_key, &row), CKR_OK, NONE);
	ck_assert_int_eq(needs(1, "rows"), 0);
	ck_assert_int_eq(needs(1, "wrapped"), 1);
	expect_kept(retire("1", "keys"), "1 wrapped keys need it (k/aes)");
	expect(begin(), CKR_OK, NONE); /* which that of before does not know of */
	finish_seals();
	ck_assert_int_eq(finish_rows(&wrapped), 2);
	ck_assert_int_eq(wrapped, 1);
	vault_login_admin(&keys_place);
	expect(retire("1", "keys"), CKR_OK, NONE);
	expect(put_again(put_key, &row), CKR_FUNCTION_FAILED, CHANGED_MEANWHILE);
	use_key("s:k/aes", &after);
	ck_assert(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
	sr_key_row_clear(&row);
	sr_buf_clear(&before);
	sr_buf_clear(&after);
}
END_TEST

/* Its string was drawn, and hashed, before the generation in whose time it is stored. */
START_TEST(a_token_that_was_hashed_before_is_known)
{
	struct sr_token_row row = { .id = "t-late", .hash = "h", .hash_generation = 1, .issuer = "member:admin" };
	rekey_all();
	struct sr_now now;
	sr_clock_now(&now);
	row.end = sr_end_after(&now, 3600000);
	sr_buf_text(&row.scopes, "secrets:read:many/*");
	sr_identity_unref(people_token(&keys_place, &row));
	ck_assert_int_eq(needs(1, "tokens"), 1);
	ck_assert_int_eq(needs(2, "tokens"), 0);
	vault_clock_move(3700000, 3700000, false);
	vault_login_admin(&keys_place);
	ck_assert_int_eq(needs(1, "tokens"), 0);
	expect(retire("1", "keys"), CKR_OK, NONE);
	struct sr_token_row again = { .id = "t-later", .hash = "g", .hash_generation = 1, .issuer = "member:admin" };
	sr_buf_text(&again.scopes, "secrets:read:many/*");
	expect(put_again(put_token, &again), CKR_FUNCTION_FAILED, CHANGED_MEANWHILE);
	sr_token_row_clear(&again);
}
END_TEST

/* The pages before have told the audit keys that there were. */
START_TEST(an_export_ends_under_the_key_that_it_began_with)
{
	char id[24];
	expect(run_job("audit-export", CKA_SR_FORMAT, "jsonl", NULL), CKR_OK, NONE);
	snprintf(id, sizeof(id), "%ld", number("id"));
	expect(run_job("audit-export", CKA_SR_EVENT_ID, id, NULL), CKR_OK, NONE);
	expect(begin(), CKR_OK, NONE);
	expect(run_job("audit-export", CKA_SR_EVENT_ID, id, NULL), CKR_FUNCTION_FAILED, CHANGED_MEANWHILE);
	expect(run_job("audit-export", CKA_SR_FORMAT, "jsonl", NULL), CKR_OK, NONE);
	snprintf(id, sizeof(id), "%ld", number("id"));
	expect(run_job("audit-export", CKA_SR_EVENT_ID, id, NULL), CKR_OK, NONE);
}
END_TEST

/* Rows from before, put back after their generation was retired. */
START_TEST(a_retired_generation_proves_nothing)
{
	fill(1);
	vault_sql(&keys_place, "CREATE TABLE kept.secret AS SELECT * FROM secret");
	rekey_all();
	vault_login_admin(&keys_place);
	expect(retire("1", "keys"), CKR_OK, NONE);
	reopen();
	expect_all(1);
	reopen();
	vault_sql(&keys_place, "UPDATE secret SET mac = (SELECT mac FROM kept.secret)");
	expect(vault_get(&keys_place, "many/0", NULL), CKR_DEVICE_ERROR, ROW_FORGED);
}
END_TEST

/* -- somebody's hand in the database ------------------------------------------------------------------------------ */

static void expect_closed(const char *said, CK_ULONG reason)
{
	struct sr_vault *other = NULL;
	vault_sql(&keys_place, "INSERT OR REPLACE INTO vault_meta (name, value) VALUES ('key-generation', '%s')", said);
	sr_error_clear(&keys_place.err);
	ck_assert(sr_vault_open(&keys_place.config, &other, &keys_place.err) != CKR_OK);
	ck_assert_msg(keys_place.err.reason == reason, "%s: %s: %s", said, sr_reason_name(keys_place.err.reason),
		keys_place.err.text);
}

START_TEST(what_the_database_says_alone_is_not_believed)
{
	struct sr_vault *other = NULL;
	fill(1);
	expect(sr_hsm_make_keys_of(keys_place.vault->hsm, 2, &keys_place.err), CKR_OK, NONE);
	expect_closed("2", SR_REASON_CHAIN_BROKEN); /* the HSM has such keys, and nothing stands under them */
	expect_closed("3", SR_REASON_HSM_KEY_REFUSED);
	expect_closed("0", SR_REASON_VAULT_CORRUPT);
	expect_closed("1001", SR_REASON_VAULT_CORRUPT);
	expect_closed("x", SR_REASON_VAULT_CORRUPT);
	vault_sql(&keys_place, "DELETE FROM vault_meta WHERE name = 'key-generation'");
	expect(begin(), CKR_OK, NONE);
	expect_closed("1", SR_REASON_CHAIN_BROKEN);
	vault_sql(&keys_place, "CREATE TABLE kept.audit_key AS SELECT * FROM audit_key WHERE generation = 2");
	vault_sql(&keys_place, "CREATE TABLE kept.checkpoint AS SELECT * FROM checkpoint WHERE generation = 2");
	vault_sql(&keys_place, "DELETE FROM checkpoint WHERE generation = 2");
	vault_sql(&keys_place, "DELETE FROM audit_key WHERE generation = 2");
	expect_closed("1", SR_REASON_CHAIN_BROKEN);
	expect_closed("2", SR_REASON_CHAIN_BROKEN);
	expect(run_job("audit-verify", 0, NULL, NULL), CKR_OK, NONE);
	ck_assert(!json_is_true(json_object_get(result, "ok")));
	vault_sql(&keys_place, "INSERT INTO audit_key SELECT * FROM kept.audit_key");
	vault_sql(&keys_place, "INSERT OR IGNORE INTO checkpoint SELECT * FROM kept.checkpoint");
	expect(sr_vault_open(&keys_place.config, &other, &keys_place.err), CKR_OK, NONE);
	sr_vault_close(other);
}
END_TEST

START_TEST(a_row_that_is_forged_gets_no_new_mac)
{
	fill(3);
	expect(vault_put(&keys_place, "many/1", "many/1", NULL), CKR_OK, NONE);
	vault_sql(&keys_place, "UPDATE secret SET type = 'forged' WHERE path = 'many/0'");
	expect(begin(), CKR_OK, NONE);
	expect(run_job("rekey-rows", CKA_SR_OFFSET, "0::", NULL), CKR_OK, NONE);
	ck_assert_int_eq(number("rows"), 2);
	ck_assert_int_eq(number("broken"), 1);
	expect(vault_get(&keys_place, "many/0", NULL), CKR_DEVICE_ERROR, ROW_FORGED);
}
END_TEST

START_TEST(only_an_admin_rekeys)
{
	static const enum sr_role roles[] = { SR_ROLE_EDITOR, SR_ROLE_VIEWER, SR_ROLE_AUDITOR };
	static const char *const names[] = { "eve", "vera", "otto" };
	static const char *const cursors[] = { "", "0", "0:", "0:a:", "10::", "x::", "0:zz:", "0::0000" };
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		people_as(&keys_place, people_member(&keys_place, names[i], roles[i]));
		expect(begin(), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(run_job("rekey-rows", CKA_SR_OFFSET, "0::", NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(retire("1", "keys"), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	}
	vault_login_admin(&keys_place);
	for (size_t i = 0; i < sizeof(cursors) / sizeof(*cursors); i++)
		expect(run_job("rekey-rows", CKA_SR_OFFSET, cursors[i], NULL), CKR_ATTRIBUTE_VALUE_INVALID, BAD_NUMBER);
	ck_assert_uint_eq(sr_hsm_generation(keys_place.vault->hsm), 1);
}
END_TEST

Suite *sr_suite_generations(void)
{
	Suite *suite = suite_create("generations");
	TCase *tcase = tcase_create("generations");
	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, everything_comes_under_the_new_keys);
	tcase_add_test(tcase, one_that_was_interrupted_is_gone_on_with);
	tcase_add_test(tcase, keys_that_were_made_and_not_recorded_are_taken);
	tcase_add_test(tcase, a_seal_that_was_begun_is_gone_on_with);
	tcase_add_test(tcase, so_many_are_kept_and_no_more);
	tcase_add_test(tcase, other_processes_follow);
	tcase_add_test(tcase, a_process_that_slept_through_it_follows);
	tcase_add_test(tcase, threads_work_throughout);
	tcase_add_test(tcase, what_is_needed_is_not_retired);
	tcase_add_test(tcase, a_resident_key_is_recognised_by_it);
	tcase_add_test(tcase, a_key_that_was_wrapped_before_is_found);
	tcase_add_test(tcase, a_token_that_was_hashed_before_is_known);
	tcase_add_test(tcase, an_export_ends_under_the_key_that_it_began_with);
	tcase_add_test(tcase, a_retired_generation_proves_nothing);
	tcase_add_test(tcase, what_the_database_says_alone_is_not_believed);
	tcase_add_test(tcase, a_row_that_is_forged_gets_no_new_mac);
	tcase_add_test(tcase, only_an_admin_rekeys);
	suite_add_tcase(suite, tcase);
	return suite;
}
