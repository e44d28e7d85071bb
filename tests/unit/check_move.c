/* A vault moved to another HSM: what is there and what is not; each refusal, which leaves nothing; the old one stays
 * good. */
#include "tests/unit/second_token.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"
#include "tests/unit/vault_people.h"

#include "hsm/hsm.h"
#include "tests/common/directory.h"
#include "util/clock.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void rig_look_away(bool away); /* hsm_rig.h's, which cannot stand beside the vault's rows */

static struct sr_buf uri;
static char dir[128], conf[160];
static json_t *result;
static bool lacking;

static void setup(void)
{
	keys_setup();
	rig_look_away(true); /* the probe makes keys of every kind */
	snprintf(dir, sizeof(dir), "%s.moved", keys_place.dir);
	snprintf(conf, sizeof(conf), "%s", keys_place.config.softhsm_conf);
	second_token_make(keys_place.config.hsm_uri, "other", keys_place.dir, &uri);
	lacking = false;
}

static void teardown(void)
{
	keys_teardown();
	directory_remove(dir);
	sr_buf_clear(&uri);
	json_decref(result);
	result = NULL;
	unsetenv("SOFTHSM2_CONF");
}

/* -- the HSM that lacks something -------------------------------------------------------------------------------- */

CK_RV __real_sr_hsm_probe(
	struct sr_hsm *hsm, void (*each)(const struct sr_hsm_finding *, void *ctx), void *ctx, struct sr_error *err);
CK_RV __wrap_sr_hsm_probe(
	struct sr_hsm *hsm, void (*each)(const struct sr_hsm_finding *, void *ctx), void *ctx, struct sr_error *err);

CK_RV __wrap_sr_hsm_probe(
	struct sr_hsm *hsm, void (*each)(const struct sr_hsm_finding *, void *ctx), void *ctx, struct sr_error *err)
{
	const struct sr_hsm_finding missing = { .feature = "aes-256-gcm with additional data", .needed = true };
	if (lacking)
		each(&missing, ctx);
	return __real_sr_hsm_probe(hsm, each, ctx, err);
}

/* -- moving ------------------------------------------------------------------------------------------------------ */

/* Nobody has the vault any more. */
static void leave(void)
{
	sr_nest_close(keys_nest);
	keys_nest = NULL;
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = NULL;
	sr_vault_close(keys_place.vault);
	keys_place.vault = NULL;
}

static void enter(const char *where)
{
	char path[160];
	struct sr_config config;
	leave();
	setenv("SOFTHSM2_CONF", conf, 1);
	snprintf(path, sizeof(path), "%s/strongroom.conf", where);
	expect(sr_config_load(path, &config, &keys_place.err), CKR_OK, NONE);
	expect(sr_vault_open(&config, &keys_place.vault, &keys_place.err), CKR_OK, NONE);
	keys_place.caller = (struct sr_caller){ keys_place.vault, &keys_place.peer, "test", NULL };
	sr_config_clear(&config);
	vault_login_admin(&keys_place);
	expect(sr_nest_open(keys_place.vault, &keys_nest, &keys_place.err), CKR_OK, NONE);
}

/* The old one again, by its own configuration. */
static void go_back(void)
{
	leave();
	unsetenv("SOFTHSM2_CONF");
	vault_place_reopen(&keys_place);
	vault_login_admin(&keys_place);
	expect(sr_nest_open(keys_place.vault, &keys_nest, &keys_place.err), CKR_OK, NONE);
}

/** struct how: how a move differs from a plain one; NULL and 0 for not at all. */
struct how {
	const char *hsm, *to, *pin;
	int without_resident;
	void (*progress)(const char *what, unsigned long done, unsigned long total, void *ctx);
};

static CK_RV move_by(struct how how)
{
	const char *pin = how.pin ? how.pin : "admin:" PASSPHRASE;
	const struct sr_move_plan plan = { .hsm_uri = how.hsm ? how.hsm : sr_buf_string(&uri),
		.dir = how.to ? how.to : dir,
		.pin = (const unsigned char *)pin,
		.pin_len = strlen(pin),
		.without_resident = how.without_resident,
		.progress = how.progress };
	char *text = NULL;
	sr_error_clear(&keys_place.err);
	CK_RV rv = sr_vault_move(&plan, &keys_place.config, &text, &keys_place.err);
	ck_assert(rv == CKR_OK ? text != NULL : text == NULL);
	json_decref(result);
	result = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return rv;
}

#define PLAIN ((struct how){ .hsm = NULL })

static long number(const char *key)
{
	return (long)json_integer_value(json_object_get(result, key));
}

static bool verifies(void)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_KIND, "audit-verify");
	expect(sr_class_find(CKO_SR_JOB)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	const struct sr_attr *found = sr_attrs_find(&created.held, CKA_SR_RESULT);
	json_t *verdict = json_loadb((const char *)found->value, found->len, 0, NULL);
	bool ok = json_is_true(json_object_get(verdict, "ok"));
	if (!ok)
		fprintf(stderr, "%s\n", json_string_value(json_object_get(verdict, "detail")));
	json_decref(verdict);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return ok;
}

static void expect_value(const char *path, const char *value)
{
	char got[256];
	expect(vault_get(&keys_place, path, got), CKR_OK, NONE);
	ck_assert_str_eq(got, value);
}

/* What is sealed, whoever may have it. */
static void expect_sealed(const char *path, uint64_t version, const char *value)
{
	struct sr_vault *vault = keys_place.vault;
	struct sr_buf aad = SR_BUF_INIT, plain = SR_BUF_INIT;
	struct sr_version_row row;
	struct sr_secret_row secret;
	struct sr_moment at;
	bool found;
	expect(sr_writer_look(vault->writer, &at, &keys_place.err), CKR_OK, NONE);
	expect(sr_rows_secret(vault, &at, path, &secret, &found, &keys_place.err), CKR_OK, NONE);
	expect(vault->store->ops->version_get(at.tx, path, version, &row, &found, &keys_place.err), CKR_OK, NONE);
	ck_assert(found);
	sr_writer_look_end(vault->writer, &at);
	sr_rows_aad(vault, &secret, &row, &aad);
	expect(sr_hsm_unseal(vault->hsm, &aad, row.sealed.data, row.sealed.len, &plain, &keys_place.err), CKR_OK, NONE);
	ck_assert_str_eq(sr_buf_string(&plain), value);
	sr_buf_clear(&plain);
	sr_buf_clear(&aad);
	sr_version_row_clear(&row);
	sr_secret_row_clear(&secret);
}

/* A refused move leaves neither a directory nor an object, and the vault works and verifies. */
static void expect_nothing_left(void)
{
	ck_assert_int_ne(access(dir, F_OK), 0);
	go_back();
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), 0);
	ck_assert(verifies());
}

/* -- what is there ----------------------------------------------------------------------------------------------- */

static void make_wrapped(const char *path)
{
	struct sr_new_key a, b;
	expect(keys_pair(CKK_EC, LIST(FLAG(CKA_TOKEN, 1), P256),
		       LIST(TEXT(CKA_LABEL, path), FLAG(CKA_TOKEN, 1), TEXT(CKA_SR_CUSTODY, "wrapped")), &a, &b),
		CKR_OK, NONE);
}

static void expect_signs(const char *path)
{
	static const uint8_t digest[32] = { 1, 2, 3 };
	char private[64], public[64];
	struct sr_buf signature = SR_BUF_INIT;
	snprintf(private, sizeof(private), "p:%s", path);
	snprintf(public, sizeof(public), "u:%s", path);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, private), *half = keys_open(CKO_PUBLIC_KEY, public);
	expect(keys_run(SR_SIGN, key, CKM_ECDSA, digest, sizeof(digest), &signature), CKR_OK, NONE);
	expect(keys_check(half, CKM_ECDSA, digest, sizeof(digest), &signature), CKR_OK, NONE);
	sr_key_unref(key);
	sr_key_unref(half);
	sr_buf_clear(&signature);
}

START_TEST(everything_is_there_under_new_keys)
{
	char pin[64];
	expect(vault_put(&keys_place, "a/b", "first", NULL), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/b", "second", NULL), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/c", "critical one", "critical"), CKR_OK, NONE);
	make_wrapped("a/key");
	keys_make_aes("a/aes");
	expect(vault_issue(&keys_place, "secrets:read:a/b", "3600", NULL, NULL, pin), CKR_OK, NONE);
	leave();
	expect(move_by((struct how){ .without_resident = 1 }), CKR_OK, NONE);
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("seal_generation"), 2);
	ck_assert_int_eq(number("epoch"), 1);
	ck_assert_int_eq(number("values"), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(result, "members_without_passphrase")), 0);
	enter(dir);
	expect_value("a/b", "second");
	expect_sealed("a/b", 1, "first");
	expect_sealed("a/c", 1, "critical one");
	expect_signs("a/key");
	ck_assert(verifies());
	ck_assert_int_eq(vault_count(&keys_place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.moved"), 2);
	ck_assert_uint_eq(vault_login(&keys_place, pin), CKR_PIN_INCORRECT); /* no mac key knows it */
	go_back();
	expect_value("a/b", "second");
	expect_signs("a/key");
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	vault_login_admin(&keys_place);
	ck_assert(verifies());
	ck_assert_int_eq(vault_count(&keys_place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.moved"), 1);
}
END_TEST

/* Both go on by themselves, and the new one is a vault like any other: it can be moved again. */
START_TEST(a_moved_vault_moves_again)
{
	struct sr_buf third = SR_BUF_INIT;
	char again[160], path[160];
	struct sr_config config, kept = keys_place.config;
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
	make_wrapped("a/key");
	second_token_make(keys_place.config.hsm_uri, "third", keys_place.dir, &third);
	leave();
	expect(move_by(PLAIN), CKR_OK, NONE);
	enter(dir);
	expect(vault_put(&keys_place, "a/b", "newer", NULL), CKR_OK, NONE);
	leave();
	snprintf(path, sizeof(path), "%s/strongroom.conf", dir);
	snprintf(again, sizeof(again), "%s.again", dir);
	expect(sr_config_load(path, &config, &keys_place.err), CKR_OK, NONE);
	keys_place.config = config;
	expect(move_by((struct how){ .hsm = sr_buf_string(&third), .to = again }), CKR_OK, NONE);
	keys_place.config = kept;
	sr_config_clear(&config);
	ck_assert_int_eq(number("generation"), 3);
	ck_assert_int_eq(number("epoch"), 2);
	enter(again);
	expect_value("a/b", "newer");
	expect_signs("a/key");
	ck_assert(verifies());
	go_back();
	expect_value("a/b", "value");
	directory_remove(again);
	sr_buf_clear(&third);
}
END_TEST

START_TEST(members_go_on_with_their_passphrases)
{
	vault_sql(&keys_place, "UPDATE vault_meta SET value = '00' WHERE name = 'passphrase:admin'");
	go_back();                                                             /* the login has kept it anew */
	sr_identity_unref(people_member(&keys_place, "vera", SR_ROLE_VIEWER)); /* her row alone: nothing is kept */
	leave();
	expect(move_by(PLAIN), CKR_OK, NONE);
	const json_t *forgotten = json_object_get(result, "members_without_passphrase");
	ck_assert_uint_eq(json_array_size(forgotten), 1);
	ck_assert_str_eq(json_string_value(json_array_get(forgotten, 0)), "vera");
	enter(dir);
	ck_assert_uint_eq(vault_login(&keys_place, "admin:not the passphrase"), CKR_PIN_INCORRECT);
	vault_login_admin(&keys_place);
}
END_TEST

static void job(const char *kind, CK_ATTRIBUTE_TYPE type, const char *text)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	sr_attrs_put_text(&template, type, text);
	expect(sr_class_find(CKO_SR_JOB)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

static void add_viewer(const char *name)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_NAME, name);
	sr_attrs_put_text(&template, CKA_SR_ROLE, "viewer");
	sr_attrs_put_text(&template, CKA_VALUE, PASSPHRASE);
	expect(sr_class_find(CKO_SR_MEMBER)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

/* What is kept of a passphrase is under a generation of the seal key, too, and goes with it. */
START_TEST(who_has_not_logged_in_since_a_generation_was_retired_is_named)
{
	add_viewer("vera");
	add_viewer("otto");
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
	job("rekey", CKA_SR_OFFSET, "0");
	job("rekey-step", CKA_SR_OFFSET, "0");
	expect(vault_login(&keys_place, "otto:" PASSPHRASE), CKR_OK, NONE);
	vault_login_admin(&keys_place);
	job("hsm-retire", CKA_SR_VERSION, "1");
	leave();
	expect(move_by(PLAIN), CKR_OK, NONE);
	ck_assert_int_eq(number("generation"), 2);
	ck_assert_int_eq(number("seal_generation"), 3);
	const json_t *forgotten = json_object_get(result, "members_without_passphrase");
	ck_assert_uint_eq(json_array_size(forgotten), 1);
	ck_assert_str_eq(json_string_value(json_array_get(forgotten, 0)), "vera");
	enter(dir);
	expect_value("a/b", "value");
	expect(vault_login(&keys_place, "otto:" PASSPHRASE), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&keys_place, "vera:" PASSPHRASE), CKR_PIN_INCORRECT);
	vault_login_admin(&keys_place);
	job("rekey", CKA_SR_OFFSET, "0");
	ck_assert(verifies());
}
END_TEST

START_TEST(agents_need_new_keys)
{
	struct sr_agent_row row = { .name = "bot", .owner = "admin", .created_ms = 1 };
	struct sr_attrs active = SR_ATTRS_INIT;
	memset(row.hash, 7, sizeof(row.hash));
	sr_buf_text(&row.scopes, "secrets:read:a/*");
	sr_identity_unref(people_agent(&keys_place, &row)); /* it has the row's texts */
	leave();
	expect(move_by(PLAIN), CKR_OK, NONE);
	ck_assert_int_eq(number("agents_suspended"), 1);
	enter(dir);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SR_AGENT, CKA_SR_KEY_NEEDED, "true"), 1);
	sr_attrs_put_text(&active, CKA_SR_STATE, "active");
	expect(sr_class_find(CKO_SR_AGENT)->set(&keys_place.caller, "bot", &active, &keys_place.err),
		CKR_ACTION_PROHIBITED, KEY_NEEDED);
	sr_attrs_clear(&active);
	ck_assert(verifies());
}
END_TEST

/* -- what is refused --------------------------------------------------------------------------------------------- */

START_TEST(who_may_not_moves_nothing)
{
	struct sr_identity *eve = people_member(&keys_place, "eve", SR_ROLE_EDITOR);
	char pin[64];
	expect(vault_issue(&keys_place, "secrets:read:a/*", "3600", NULL, NULL, pin), CKR_OK, NONE);
	sr_identity_unref(eve);
	leave();
	expect(move_by((struct how){ .pin = "admin:not the passphrase" }), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(move_by((struct how){ .pin = pin }), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	expect_nothing_left();
	ck_assert_int_eq(vault_count(&keys_place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.moved"), 1); /* denied */
}
END_TEST

START_TEST(a_vault_in_use_is_refused)
{
	expect(move_by(PLAIN), CKR_TOKEN_NOT_PRESENT, VAULT_BUSY);
	ck_assert_int_ne(access(dir, F_OK), 0);
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(the_same_token_and_a_taken_one_are_refused)
{
	char *same = strdup(keys_place.config.hsm_uri);
	leave();
	expect(move_by((struct how){ .hsm = same }), CKR_DEVICE_ERROR, HSM_TAKEN);
	free(same);
	ck_assert_int_ne(access(dir, F_OK), 0);
	expect(move_by(PLAIN), CKR_OK, NONE);
	char second[160];
	snprintf(second, sizeof(second), "%s.second", dir);
	expect(move_by((struct how){ .to = second }), CKR_DEVICE_ERROR, HSM_TAKEN);
	ck_assert_int_ne(access(second, F_OK), 0);
	enter(dir);
	ck_assert(verifies());
}
END_TEST

/* Keys of the same names that no move has made: they are nobody's to take away. */
START_TEST(keys_that_are_there_are_left_alone)
{
	const struct sr_hsm_config config = { .uri = sr_buf_string(&uri) };
	struct sr_hsm *hsm;
	expect(sr_hsm_open(&config, &hsm, &keys_place.err), CKR_OK, NONE);
	expect(sr_hsm_create_keys(hsm, sr_vault_id(keys_place.vault), 2, &keys_place.err), CKR_OK, NONE);
	sr_hsm_close(hsm);
	leave();
	expect(move_by(PLAIN), CKR_DEVICE_ERROR, HSM_KEY_REFUSED);
	ck_assert_int_ne(access(dir, F_OK), 0);
	go_back();
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), 5);
}
END_TEST

START_TEST(an_hsm_that_lacks_something_is_refused)
{
	leave();
	lacking = true;
	expect(move_by(PLAIN), CKR_DEVICE_ERROR, HSM_FAILED);
	ck_assert_ptr_nonnull(strstr(keys_place.err.text, "aes-256-gcm"));
	expect_nothing_left();
}
END_TEST

START_TEST(an_hsm_that_is_not_there_is_refused)
{
	leave();
	expect(move_by((struct how){ .hsm = "pkcs11:token=nobody?module-path=/usr/lib/softhsm/libsofthsm2.so" }),
		CKR_DEVICE_REMOVED, HSM_MISSING);
	expect_nothing_left();
}
END_TEST

START_TEST(a_directory_that_is_not_empty_is_refused)
{
	leave();
	expect(move_by((struct how){ .to = keys_place.dir }), CKR_DEVICE_ERROR, VAULT_PERMISSIONS);
	expect_nothing_left();
}
END_TEST

START_TEST(a_plan_without_something_is_refused)
{
	struct sr_config none = { .dir = NULL };
	const struct sr_move_plan plan = { .hsm_uri = "pkcs11:token=x", .dir = dir, .pin = (const unsigned char *)"x" };
	const struct sr_move_plan empty = { .dir = NULL };
	char *text = NULL;
	leave();
	expect(sr_vault_move(&empty, &keys_place.config, &text, &keys_place.err), CKR_ARGUMENTS_BAD, BAD_TEMPLATE);
	expect(sr_vault_move(&plan, &none, &text, &keys_place.err), CKR_GENERAL_ERROR, NOT_CONFIGURED);
	none.server.kind = SR_SERVER_UNIX;
	expect(sr_vault_move(&plan, &none, &text, &keys_place.err), CKR_GENERAL_ERROR, BAD_CONFIG);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(resident_keys_stay_behind_only_where_that_was_said)
{
	keys_make_ec("a/signing");
	leave();
	expect(move_by(PLAIN), CKR_KEY_UNEXTRACTABLE, UNEXTRACTABLE);
	ck_assert_ptr_nonnull(strstr(keys_place.err.text, "a/signing"));
	expect_nothing_left();
	leave();
	expect(move_by((struct how){ .without_resident = 1 }), CKR_OK, NONE);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(result, "resident_keys"), 0)), "a/signing");
	enter(dir);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, CKA_LABEL, "a/signing"), 0);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PUBLIC_KEY, CKA_LABEL, "a/signing"), 1);
	ck_assert(verifies());
	go_back();
	expect_signs("a/signing");
}
END_TEST

/* _i: a row that was changed, one that was put back, a value that does not open */
START_TEST(what_does_not_hold_stops_it)
{
	static const CK_ULONG reasons[] = { SR_REASON_ROW_FORGED, SR_REASON_ROW_STALE, SR_REASON_SEAL_BROKEN };
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
	vault_sql(&keys_place, "CREATE TABLE kept.secret AS SELECT * FROM secret");
	vault_sql(&keys_place, "CREATE TABLE kept.version AS SELECT * FROM secret_version");
	expect(vault_put(&keys_place, "a/b", "newer", NULL), CKR_OK, NONE);
	leave();
	if (_i == 0)
		vault_sql(&keys_place, "UPDATE secret SET created_ms = 1");
	else if (_i == 1)
		vault_sql(&keys_place, "REPLACE INTO secret SELECT * FROM kept.secret");
	else
		vault_sql(&keys_place, "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE "
				       "version = 1)");
	ck_assert_uint_eq(move_by(PLAIN), CKR_DEVICE_ERROR);
	ck_assert_msg(keys_place.err.reason == reasons[_i], "%s: %s", sr_reason_name(keys_place.err.reason),
		keys_place.err.text);
	ck_assert_int_ne(access(dir, F_OK), 0);
	go_back();
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), 0);
}
END_TEST

/* Between any two calls of the HSM so much time that it looks whether its token and keys are still there. */
static int64_t slower_ms;

static void slow_clock(struct sr_now *now)
{
	sr_clock_system(now);
	now->boot_ms += slower_ms += 1500;
}

static void slow_down(const char *what, unsigned long done, unsigned long total, void *ctx)
{
	(void)what;
	(void)done;
	(void)total;
	(void)ctx;
	sr_clock_replace(slow_clock);
}

START_TEST(a_slow_hsm_is_cleared_too)
{
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/c", "another", NULL), CKR_OK, NONE);
	leave();
	vault_sql(&keys_place,
		"UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'a/c')");
	CK_RV rv = move_by((struct how){ .progress = slow_down });
	sr_clock_replace(NULL);
	ck_assert_uint_eq(rv, CKR_DEVICE_ERROR);
	ck_assert_msg(keys_place.err.reason == SR_REASON_SEAL_BROKEN, "%s", keys_place.err.text);
	ck_assert_int_ne(access(dir, F_OK), 0);
	go_back();
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), 0);
}
END_TEST

/* A limit on files is what a full disk is to whoever writes: it is met by the copy's log, once there is a copy. */
static struct rlimit limit;

static void fill_disk(const char *what, unsigned long done, unsigned long total, void *ctx)
{
	struct rlimit small = { 4096, limit.rlim_max };
	(void)done;
	(void)total;
	(void)ctx;
	if (strcmp(what, "rows") == 0)
		setrlimit(RLIMIT_FSIZE, &small);
}

START_TEST(a_full_disk_in_the_middle_leaves_nothing)
{
	char path[32];
	for (int i = 0; i < 80; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		expect(vault_put(&keys_place, path, path, NULL), CKR_OK, NONE);
	}
	leave();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	CK_RV rv = move_by((struct how){ .progress = fill_disk });
	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_uint_ne(rv, CKR_OK);
	expect_nothing_left();
}
END_TEST

/* -- killed ------------------------------------------------------------------------------------------------------ */

static void die(const char *what, unsigned long done, unsigned long total, void *ctx)
{
	(void)done;
	(void)total;
	(void)ctx;
	if (strcmp(what, "values") == 0)
		kill(getpid(), SIGKILL);
}

/* A process of its own that is killed in the middle: its directory and its keys are still there. */
static void move_and_die(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		move_by((struct how){ .progress = die });
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(access(dir, F_OK), 0);
}

START_TEST(what_a_killed_move_left_is_cleared_by_the_next)
{
	expect(vault_put(&keys_place, "a/b", "value", NULL), CKR_OK, NONE);
	make_wrapped("a/key");
	leave();
	move_and_die();
	go_back();
	ck_assert(verifies());
	expect_value("a/b", "value");
	ck_assert_uint_gt(second_token_objects(sr_buf_string(&uri)), 0);
	leave();
	expect(move_by(PLAIN), CKR_DEVICE_ERROR, VAULT_PERMISSIONS); /* half a vault is there */
	directory_remove(dir);
	expect(move_by(PLAIN), CKR_OK, NONE);
	enter(dir);
	expect_value("a/b", "value");
	expect_signs("a/key");
	ck_assert(verifies());
	/* seal, wrap, mac, both audit keys, the anchor */
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), 6);
}
END_TEST

Suite *sr_suite_move(void)
{
	Suite *suite = suite_create("move");
	TCase *tcase = tcase_create("move");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, everything_is_there_under_new_keys);
	tcase_add_test(tcase, a_moved_vault_moves_again);
	tcase_add_test(tcase, members_go_on_with_their_passphrases);
	tcase_add_test(tcase, who_has_not_logged_in_since_a_generation_was_retired_is_named);
	tcase_add_test(tcase, agents_need_new_keys);
	tcase_add_test(tcase, who_may_not_moves_nothing);
	tcase_add_test(tcase, a_vault_in_use_is_refused);
	tcase_add_test(tcase, the_same_token_and_a_taken_one_are_refused);
	tcase_add_test(tcase, keys_that_are_there_are_left_alone);
	tcase_add_test(tcase, an_hsm_that_lacks_something_is_refused);
	tcase_add_test(tcase, an_hsm_that_is_not_there_is_refused);
	tcase_add_test(tcase, a_directory_that_is_not_empty_is_refused);
	tcase_add_test(tcase, a_plan_without_something_is_refused);
	tcase_add_test(tcase, resident_keys_stay_behind_only_where_that_was_said);
	tcase_add_loop_test(tcase, what_does_not_hold_stops_it, 0, 3);
	tcase_add_test(tcase, a_slow_hsm_is_cleared_too);
	tcase_add_test(tcase, a_full_disk_in_the_middle_leaves_nothing);
	tcase_add_test(tcase, what_a_killed_move_left_is_cleared_by_the_next);
	suite_add_tcase(suite, tcase);
	return suite;
}
