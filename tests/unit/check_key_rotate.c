/* Keys that rotate: what the new one is, what the former one may still do and until when, and who may not. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_data.h"
#include "tests/unit/vault_keys_fixture.h"

#include "hsm/key.h"
#include "vault/core.h"
#include "vault/key.h"
#include "vault/report.h"

#include "audit/verify.h"

#include <stdio.h>
#include <string.h>

#define IN(text) (text), sizeof(text) - 1
#define HOUR (60ll * 60 * 1000)

/* Whose letter stands in "p:PATH". */
static CK_OBJECT_CLASS class_of(const char *id)
{
	if (id[0] == 'p' || id[0] == 'P')
		return CKO_PRIVATE_KEY;
	return id[0] == 'u' || id[0] == 'U' ? CKO_PUBLIC_KEY : CKO_SECRET_KEY;
}

static CK_RV rotate(const char *id, const char *grace)
{
	return keys_set(class_of(id), id, LIST(TEXT(CKA_SR_GRACE, grace)));
}

static struct sr_key *open_key(const char *id)
{
	return keys_open(class_of(id), id);
}

static void is_gone(const char *id)
{
	struct sr_key *key = NULL;
	expect(sr_key_open(&keys_place.caller, class_of(id), id, &key, &keys_place.err), CKR_OBJECT_HANDLE_INVALID,
		NOT_FOUND);
}

static void text_of(const char *id, CK_ATTRIBUTE_TYPE type, char text[80])
{
	struct sr_key *key = open_key(id);
	const struct sr_attr *attr = sr_attrs_find(&key->attrs, type);
	ck_assert_msg(attr && attr->len < 80, "%s has no 0x%lx", id, type);
	memcpy(text, attr->value, attr->len);
	text[attr->len] = '\0';
	sr_key_unref(key);
}

static bool same_text(const char *one, const char *other, CK_ATTRIBUTE_TYPE type)
{
	char a[80], b[80];
	text_of(one, type, a);
	text_of(other, type, b);
	return strcmp(a, b) == 0;
}

/* One whole operation by ID, its code. */
static CK_RV run(enum sr_function function, const char *id, CK_MECHANISM_TYPE mechanism, const struct sr_buf *in,
	struct sr_buf *out)
{
	struct sr_key *key = open_key(id);
	sr_error_clear(&keys_place.err);
	sr_buf_clear(out);
	CK_RV rv = keys_run(function, key, mechanism, in->data, in->len, out);
	sr_key_unref(key);
	return rv;
}

static CK_RV verify(
	const char *id, CK_MECHANISM_TYPE mechanism, const struct sr_buf *in, const struct sr_buf *signature)
{
	struct sr_key *key = open_key(id);
	sr_error_clear(&keys_place.err);
	CK_RV rv = keys_check(key, mechanism, in->data, in->len, signature);
	sr_key_unref(key);
	return rv;
}

static void sound(void)
{
	struct sr_verdict verdict = { .ok = true };
	expect(sr_report_check_rows(keys_place.vault, &verdict, &keys_place.err), CKR_OK, NONE);
	ck_assert_msg(verdict.ok, "%s", verdict.detail);
}

static struct sr_buf message;

static void start(void)
{
	keys_setup();
	sr_buf_text(&message, "a message of thirty-two bytes, so");
	message.len = 32;
}

static void stop(void)
{
	sr_buf_clear(&message);
	keys_teardown();
}

/* -- by kind ------------------------------------------------------------------------------------------------------ */

/* SIGN, ENCRYPT: mechanisms, 0 for none. */
static const struct kind {
	const char *what;
	CK_KEY_TYPE key_type;
	CK_MECHANISM_TYPE sign, encrypt;
	const char *custody;
	bool private_stays;
} kinds[] = {
	{ "ec", CKK_EC, CKM_ECDSA, 0, "resident", true },
	{ "ec wrapped", CKK_EC, CKM_ECDSA, 0, "wrapped", true },
	{ "rsa", CKK_RSA, CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS, "resident", true },
	{ "rsa wrapped", CKK_RSA, CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS, "wrapped", true },
	{ "ed25519", CKK_EC_EDWARDS, CKM_EDDSA, 0, "resident", false },
	{ "aes", CKK_AES, CKM_AES_CMAC, CKM_AES_ECB, "resident", true },
	{ "aes wrapped", CKK_AES, CKM_AES_CMAC, CKM_AES_ECB, "wrapped", true },
	{ "hmac", CKK_GENERIC_SECRET, CKM_SHA256_HMAC, 0, "resident", true },
};

static bool is_pair(const struct kind *kind)
{
	return kind->key_type != CKK_AES && kind->key_type != CKK_GENERIC_SECRET;
}

void rig_look_away(bool away); /* hsm_rig.h's, which cannot stand beside the vault's rows */

static void make(const struct kind *kind, const char *path)
{
	const struct keys_word params = kind->key_type == CKK_EC_EDWARDS ? ED25519 : P256;
	struct sr_new_key made, other;
	const struct keys_word *words =
		LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path), TEXT(CKA_SR_CUSTODY, kind->custody));
	rig_look_away(kind->key_type == CKK_EC_EDWARDS);
	if (kind->key_type == CKK_RSA)
		expect(keys_pair(kind->key_type, LIST(FLAG(CKA_TOKEN, 1)), words, &made, &other), CKR_OK, NONE);
	else if (is_pair(kind))
		expect(keys_pair(kind->key_type, LIST(FLAG(CKA_TOKEN, 1), params), words, &made, &other), CKR_OK, NONE);
	else
		expect(keys_secret(kind->key_type,
			       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path), TEXT(CKA_SR_CUSTODY, kind->custody),
				       NUMBER(CKA_VALUE_LEN, 32)),
			       &made),
			CKR_OK, NONE);
}

/* The ids of a key of KIND at "a/key": who signs, verifies, decrypts. */
static const char *sign_id(const struct kind *kind, bool former)
{
	if (is_pair(kind))
		return former ? "P:a/key" : "p:a/key";
	return former ? "S:a/key" : "s:a/key";
}

static const char *verify_id(const struct kind *kind, bool former)
{
	if (is_pair(kind))
		return former ? "U:a/key" : "u:a/key";
	return sign_id(kind, former);
}

static void check_new(const struct kind *kind, const char *old_uid)
{
	char text[80];
	text_of(sign_id(kind, false), CKA_UNIQUE_ID, text);
	ck_assert_str_ne(text, old_uid);
	text_of(sign_id(kind, false), CKA_SR_CUSTODY, text);
	ck_assert_str_eq(text, kind->custody);
	ck_assert(keys_flag(class_of(sign_id(kind, false)), sign_id(kind, false), CKA_LOCAL));
	ck_assert(keys_flag(class_of(sign_id(kind, false)), sign_id(kind, false), CKA_SIGN));
	ck_assert(!keys_flag(class_of(sign_id(kind, false)), sign_id(kind, false), CKA_EXTRACTABLE));
}

/* What it signed is verified, and what was encrypted to it is read; it signs and encrypts no more. */
static void check_former(const struct kind *kind, const struct sr_buf *signature, const struct sr_buf *sealed)
{
	struct sr_buf out = SR_BUF_INIT;
	const char *former = sign_id(kind, true), *checks = verify_id(kind, true);
	ck_assert_uint_eq(verify(checks, kind->sign, &message, signature), CKR_OK);
	ck_assert_uint_eq(verify(verify_id(kind, false), kind->sign, &message, signature), CKR_SIGNATURE_INVALID);
	ck_assert(!keys_flag(class_of(checks), checks, CKA_MODIFIABLE));
	ck_assert(!keys_flag(class_of(checks), checks, CKA_COPYABLE));
	ck_assert(same_text(checks, verify_id(kind, false), CKA_LABEL));
	if (!kind->private_stays) {
		is_gone(former);
		return;
	}
	ck_assert_uint_eq(run(SR_SIGN, former, kind->sign, &message, &out), CKR_KEY_FUNCTION_NOT_PERMITTED);
	if (kind->encrypt) {
		ck_assert_uint_eq(run(SR_DECRYPT, former, kind->encrypt, sealed, &out), CKR_OK);
		ck_assert(out.len == message.len && memcmp(out.data, message.data, out.len) == 0);
		ck_assert_uint_eq(
			run(SR_ENCRYPT, checks, kind->encrypt, &message, &out), CKR_KEY_FUNCTION_NOT_PERMITTED);
	}
	sr_buf_clear(&out);
}

START_TEST(a_key_of_each_kind)
{
	const struct kind *kind = &kinds[_i];
	struct sr_buf signature = SR_BUF_INIT, sealed = SR_BUF_INIT, out = SR_BUF_INIT;
	char uid[80];
	make(kind, "a/key");
	text_of(sign_id(kind, false), CKA_UNIQUE_ID, uid);
	ck_assert_uint_eq(run(SR_SIGN, sign_id(kind, false), kind->sign, &message, &signature), CKR_OK);
	if (kind->encrypt)
		ck_assert_uint_eq(run(SR_ENCRYPT, verify_id(kind, false), kind->encrypt, &message, &sealed), CKR_OK);
	expect(rotate(sign_id(kind, false), "3600"), CKR_OK, NONE);
	expect_event(KEY_ROTATED, ALLOWED, "a/key", "");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"grace_until\":\""));
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, uid));
	check_new(kind, uid);
	check_former(kind, &signature, &sealed);
	ck_assert_uint_eq(run(SR_SIGN, sign_id(kind, false), kind->sign, &message, &out), CKR_OK);
	ck_assert_uint_eq(verify(verify_id(kind, false), kind->sign, &message, &out), CKR_OK);
	sound();
	vault_clock_move(HOUR - 60000, HOUR - 60000, false);
	vault_login_admin(&keys_place);
	ck_assert_uint_eq(verify(verify_id(kind, true), kind->sign, &message, &signature), CKR_OK);
	vault_clock_move(60001, 60001, false);
	is_gone(verify_id(kind, true));
	is_gone(sign_id(kind, true));
	ck_assert_uint_eq(run(SR_SIGN, sign_id(kind, false), kind->sign, &message, &out), CKR_OK);
	sr_buf_clear(&signature);
	sr_buf_clear(&sealed);
	sr_buf_clear(&out);
}
END_TEST

START_TEST(without_a_grace_nothing_is_left)
{
	const struct kind *kind = &kinds[_i];
	struct sr_buf signature = SR_BUF_INIT;
	make(kind, "a/key");
	ck_assert_uint_eq(run(SR_SIGN, sign_id(kind, false), kind->sign, &message, &signature), CKR_OK);
	expect(rotate(sign_id(kind, false), "0"), CKR_OK, NONE);
	ck_assert_ptr_null(strstr(keys_event().metadata, "grace_until"));
	is_gone(sign_id(kind, true));
	is_gone(verify_id(kind, true));
	ck_assert_uint_eq(verify(verify_id(kind, false), kind->sign, &message, &signature), CKR_SIGNATURE_INVALID);
	sound();
	sr_buf_clear(&signature);
}
END_TEST

/* -- what it is like ---------------------------------------------------------------------------------------------- */

struct seen {
	char ids[8][SR_OBJECT_ID_MAX];
	size_t count;
};

static bool see(const char *id, void *ctx)
{
	struct seen *seen = ctx;
	ck_assert_uint_lt(seen->count, 8);
	snprintf(seen->ids[seen->count++], SR_OBJECT_ID_MAX, "%s", id);
	return true;
}

static void search(CK_OBJECT_CLASS object_class, const struct keys_word *words, struct seen *seen)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	keys_fill(&query, words);
	seen->count = 0;
	expect(sr_class_find(object_class)->find(&keys_place.caller, &query, see, seen, &keys_place.err), CKR_OK, NONE);
	sr_attrs_clear(&query);
}

static void expect_two(const struct seen *seen, const char *first, const char *second)
{
	ck_assert_uint_eq(seen->count, 2);
	ck_assert_str_eq(seen->ids[0], first);
	ck_assert_str_eq(seen->ids[1], second);
}

/* A CKA_ID that was given is the path's: both have it, and the first that is found is the new one. */
START_TEST(the_current_one_is_found_first)
{
	struct sr_new_key a, b;
	struct seen seen;
	expect(keys_pair(CKK_EC, LIST(FLAG(CKA_TOKEN, 1), P256, BYTES(CKA_ID, "\x01", 1)),
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/key"), BYTES(CKA_ID, "\x01", 1)), &a, &b),
		CKR_OK, NONE);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	search(CKO_PUBLIC_KEY, LIST(TEXT(CKA_LABEL, "a/key")), &seen);
	expect_two(&seen, "u:a/key", "U:a/key");
	search(CKO_PRIVATE_KEY, LIST(BYTES(CKA_ID, "\x01", 1)), &seen);
	expect_two(&seen, "p:a/key", "P:a/key");
	search(CKO_PUBLIC_KEY, LIST(NUMBER(CKA_KEY_TYPE, CKK_EC)), &seen);
	expect_two(&seen, "u:a/key", "U:a/key");
	search(CKO_PUBLIC_KEY, LIST(FLAG(CKA_TOKEN, 1)), &seen);
	expect_two(&seen, "u:a/key", "U:a/key");
	vault_clock_move(HOUR + 1000, HOUR + 1000, false);
	vault_login_admin(&keys_place);
	search(CKO_PUBLIC_KEY, LIST(TEXT(CKA_LABEL, "a/key")), &seen);
	ck_assert_uint_eq(seen.count, 1);
	search(CKO_PUBLIC_KEY, LIST(FLAG(CKA_TOKEN, 1)), &seen);
	ck_assert_uint_eq(seen.count, 1);
}
END_TEST

START_TEST(its_own_id_is_new_and_old_ones_stay)
{
	char before[80], after[80], former[80];
	keys_make_ec("a/key");
	text_of("u:a/key", CKA_ID, before);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	text_of("u:a/key", CKA_ID, after);
	text_of("U:a/key", CKA_ID, former);
	ck_assert_str_ne(before, after);
	ck_assert_str_eq(before, former);
	ck_assert(same_text("u:a/key", "p:a/key", CKA_ID));
	text_of("U:a/key", CKA_SR_GRACE_UNTIL, after);
	ck_assert_uint_eq(strlen(after), strlen("2026-01-01T00:00:00.000Z"));
}
END_TEST

/* Rights and tier are those that the key has now, not those that it was made with. */
START_TEST(tier_and_rights_stay)
{
	char tier[80];
	keys_make_rsa("a/key");
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/key", LIST(FLAG(CKA_DECRYPT, 0), TEXT(CKA_SR_TIER, "sensitive"))), CKR_OK,
		NONE);
	expect(rotate("p:a/key", "60"), CKR_OK, NONE);
	text_of("p:a/key", CKA_SR_TIER, tier);
	ck_assert_str_eq(tier, "sensitive");
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/key", CKA_DECRYPT));
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/key", CKA_SIGN));
	is_gone("P:a/key"); /* it received nothing */
	ck_assert(keys_flag(CKO_PUBLIC_KEY, "U:a/key", CKA_VERIFY));
	ck_assert(!keys_flag(CKO_PUBLIC_KEY, "U:a/key", CKA_ENCRYPT));
}
END_TEST

START_TEST(an_imported_key_becomes_one_that_was_generated)
{
	struct sr_new_key made;
	expect(keys_import(CKO_PRIVATE_KEY, CKK_EC,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/key"), P256,
			       BYTES(CKA_VALUE, ec_value, sizeof(ec_value)), FLAG(CKA_SIGN, 1)),
		       &made),
		CKR_OK, NONE);
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/key", CKA_LOCAL));
	expect(rotate("p:a/key", "60"), CKR_OK, NONE);
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/key", CKA_LOCAL));
	is_gone("u:a/key"); /* there was none */
	sound();
}
END_TEST

START_TEST(a_second_rotation_ends_the_first_one_s_grace)
{
	struct sr_buf first = SR_BUF_INIT, second = SR_BUF_INIT;
	make(&kinds[2], "a/key");
	ck_assert_uint_eq(run(SR_SIGN, "p:a/key", CKM_SHA256_RSA_PKCS, &message, &first), CKR_OK);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	ck_assert_uint_eq(run(SR_SIGN, "p:a/key", CKM_SHA256_RSA_PKCS, &message, &second), CKR_OK);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	ck_assert_uint_eq(verify("U:a/key", CKM_SHA256_RSA_PKCS, &message, &second), CKR_OK);
	ck_assert_uint_eq(verify("U:a/key", CKM_SHA256_RSA_PKCS, &message, &first), CKR_SIGNATURE_INVALID);
	sound();
	expect(rotate("p:a/key", "0"), CKR_OK, NONE);
	is_gone("U:a/key");
	is_gone("P:a/key");
	sound();
	sr_buf_clear(&first);
	sr_buf_clear(&second);
}
END_TEST

/* -- begun before ------------------------------------------------------------------------------------------------- */

START_TEST(what_was_begun_before_ends_as_the_former_key_may)
{
	struct sr_buf signature = SR_BUF_INIT, out = SR_BUF_INIT;
	CK_MECHANISM mechanism = { CKM_SHA256_RSA_PKCS, NULL, 0 };
	struct sr_use *sign = NULL, *check = NULL;
	keys_make_rsa("a/key");
	struct sr_key *private = open_key("p:a/key"), *public = open_key("u:a/key");
	ck_assert_uint_eq(run(SR_SIGN, "p:a/key", CKM_SHA256_RSA_PKCS, &message, &signature), CKR_OK);
	expect(sr_use_begin(&keys_place.caller, SR_SIGN, private, &mechanism, &sign, &keys_place.err), CKR_OK, NONE);
	expect(sr_use_begin(&keys_place.caller, SR_VERIFY, public, &mechanism, &check, &keys_place.err), CKR_OK, NONE);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	expect(sr_use_verify(&keys_place.caller, check, message.data, message.len, signature.data, signature.len,
		       &keys_place.err),
		CKR_OK, NONE);
	expect(sr_use_once(&keys_place.caller, sign, message.data, message.len, &out, &keys_place.err),
		CKR_FUNCTION_CANCELED, KEY_ROTATED);
	expect_event(KEY_USED, DENIED, "a/key", "key_rotated");
	ck_assert_uint_eq(out.len, 0);
	sr_use_end(sign);
	sr_use_end(check);
	expect(keys_run(SR_SIGN, private, CKM_SHA256_RSA_PKCS, IN("m"), &out), CKR_FUNCTION_CANCELED, KEY_ROTATED);
	expect(rotate("p:a/key", "0"), CKR_OK, NONE);
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("m"), &signature), CKR_FUNCTION_CANCELED, CHANGED_MEANWHILE);
	sr_key_unref(private);
	sr_key_unref(public);
	sr_buf_clear(&signature);
	sr_buf_clear(&out);
}
END_TEST

START_TEST(a_former_key_ends_for_who_holds_it)
{
	struct sr_buf signature = SR_BUF_INIT;
	keys_make_ec("a/key");
	ck_assert_uint_eq(run(SR_SIGN, "p:a/key", CKM_ECDSA, &message, &signature), CKR_OK);
	expect(rotate("p:a/key", "60"), CKR_OK, NONE);
	struct sr_key *former = open_key("U:a/key");
	expect(keys_check(former, CKM_ECDSA, message.data, message.len, &signature), CKR_OK, NONE);
	vault_clock_move(61000, 61000, false);
	expect(keys_check(former, CKM_ECDSA, message.data, message.len, &signature), CKR_FUNCTION_CANCELED,
		CHANGED_MEANWHILE);
	vault_clock_move(-400ll * 24 * HOUR, 0, true); /* a clock that was set back brings nothing back */
	is_gone("U:a/key");
	sr_key_unref(former);
	sr_buf_clear(&signature);
}
END_TEST

/* -- what is refused ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *grace;
} bad_graces[] = { { "" }, { "-1" }, { "1h" }, { "31536001" }, { "18446744073709551616" }, { " 1" }, { "1\n" },
	{ "x" } };

START_TEST(a_grace_is_a_number_of_seconds)
{
	char before[80], after[80];
	keys_make_ec("a/key");
	text_of("p:a/key", CKA_UNIQUE_ID, before);
	expect(rotate("p:a/key", bad_graces[_i].grace), CKR_ATTRIBUTE_VALUE_INVALID, BAD_DURATION);
	expect_event(KEY_ROTATED, DENIED, "a/key", "bad_duration");
	text_of("p:a/key", CKA_UNIQUE_ID, after);
	ck_assert_str_eq(before, after);
	expect(rotate("p:a/key", "31536000"), CKR_OK, NONE);
}
END_TEST

START_TEST(who_may_not)
{
	char pin[64];
	keys_make_ec("a/key");
	keys_as("keys:sign:*\nkeys:delete:*", NULL);
	expect(rotate("p:a/key", "0"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	expect_event(KEY_ROTATED, DENIED, "a/key", "out_of_scope");
	keys_as("keys:create:*", NULL);
	expect(rotate("p:a/key", "0"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	keys_as("keys:create:b/*\nkeys:delete:b/*", NULL);
	expect(rotate("p:a/key", "0"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	keys_as("keys:create:a/*\nkeys:delete:a/*", NULL);
	expect(rotate("p:a/key", "0"), CKR_OK, NONE);
	vault_login_admin(&keys_place);
	expect(vault_issue(&keys_place, "keys:create:a/*\nkeys:delete:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/key", LIST(TEXT(CKA_SR_TIER, "critical"))), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	expect(rotate("p:a/key", "0"), CKR_ACTION_PROHIBITED, APPROVAL_REQUIRED);
	vault_login_admin(&keys_place);
	expect(rotate("p:a/key", "0"), CKR_OK, NONE);
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/key", CKA_ALWAYS_AUTHENTICATE));
}
END_TEST

START_TEST(what_is_not_rotated)
{
	struct sr_new_key made;
	expect(rotate("p:no/where", "0"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect_event(KEY_ROTATED, DENIED, "no/where", "not_found");
	keys_make_ec("a/key");
	expect(rotate("u:a/key", "0"), CKR_ACTION_PROHIBITED, NONE);
	expect(rotate("s:a/key", "0"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/key", LIST(TEXT(CKA_SR_GRACE, "0"), FLAG(CKA_DERIVE, 0))),
		CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(rotate("p:a/key", "60"), CKR_OK, NONE);
	expect(rotate("P:a/key", "60"), CKR_ACTION_PROHIBITED, FORMER_KEY);
	expect(keys_set(CKO_PRIVATE_KEY, "P:a/key", LIST(FLAG(CKA_DERIVE, 0))), CKR_ACTION_PROHIBITED, FORMER_KEY);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/key"), CKR_OK, NONE);
	expect(rotate("p:a/key", "60"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/fixed"), NUMBER(CKA_VALUE_LEN, 16),
			       FLAG(CKA_DESTROYABLE, 0)),
		       &made),
		CKR_OK, NONE);
	expect(rotate("s:a/fixed", "0"), CKR_ACTION_PROHIBITED, NONE);
	expect(vault_put(&keys_place, "a/secret", "value", NULL), CKR_OK, NONE);
	expect(rotate("s:a/secret", "0"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	sound();
}
END_TEST

/* As of a private key that was unwrapped, where the HSM told nothing of its public half. */
static CK_RV forget_curve(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_attrs attrs = SR_ATTRS_INIT, left = SR_ATTRS_INIT;
	struct sr_key_row row = { .path = "" };
	bool found;
	CK_RV rv = sr_rows_key(vault, at, "a/key", SR_PART_PRIVATE, &row, &found, err);
	ck_assert(rv == CKR_OK && found);
	ck_assert(sr_keyattrs_unpack(SR_PART_PRIVATE, row.attrs.data, row.attrs.len, &attrs));
	for (size_t i = 0; i < attrs.count; i++) {
		const struct sr_attr *attr = &attrs.items[i];
		if (attr->type != CKA_EC_PARAMS && attr->type != CKA_PUBLIC_KEY_INFO)
			sr_attrs_put(&left, attr->type, attr->value, attr->len);
	}
	sr_buf_clear(&row.attrs);
	sr_keyattrs_pack(SR_PART_PRIVATE, &left, &row.attrs);
	rv = sr_rows_put_key(vault, at, &act->event, &row, err);
	sr_key_row_clear(&row);
	sr_attrs_clear(&attrs);
	sr_attrs_clear(&left);
	return rv;
}

START_TEST(a_kind_that_is_not_generated)
{
	struct sr_act act;
	keys_make_ec("a/key");
	expect(keys_destroy(CKO_PUBLIC_KEY, "u:a/key"), CKR_OK, NONE);
	sr_act_begin(&act, &keys_place.caller, SR_EVENT_KEY_UPDATED, "a/key");
	act.run = forget_curve;
	expect(sr_act_commit(&act, &keys_place.err), CKR_OK, NONE);
	expect(rotate("p:a/key", "0"), CKR_ACTION_PROHIBITED, NOT_GENERATED);
	expect_event(KEY_ROTATED, DENIED, "a/key", "not_generated");
	sr_key_unref(open_key("p:a/key"));
}
END_TEST

/* What the HSM has on the disk. */
static int objects(void)
{
	char command[128];
	int count = -1;
	snprintf(command, sizeof(command), "find %s -name '*.object' | wc -l", keys_place.dir);
	FILE *out = popen(command, "r");
	ck_assert(out && fscanf(out, "%d", &count) == 1);
	pclose(out);
	return count;
}

/* The HSM has made the key when the act finds that the token has ended. */
START_TEST(what_is_refused_late_leaves_nothing)
{
	char before[80], after[80], pin[64];
	keys_make_ec("a/key");
	text_of("p:a/key", CKA_UNIQUE_ID, before);
	expect(vault_issue(&keys_place, "keys:create:a/*\nkeys:delete:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	int count = objects();
	ck_assert_int_gt(count, 0);
	vault_clock_move(601000, 601000, false);
	expect(rotate("p:a/key", "3600"), CKR_USER_NOT_LOGGED_IN, EXPIRED);
	ck_assert_int_eq(objects(), count);
	vault_login_admin(&keys_place);
	text_of("p:a/key", CKA_UNIQUE_ID, after);
	ck_assert_str_eq(before, after);
	expect(rotate("p:a/key", "0"), CKR_OK, NONE);
	ck_assert_int_eq(objects(), count);
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	ck_assert_int_eq(objects(), count + 1);
	sound();
}
END_TEST

/* -- frozen, swept ------------------------------------------------------------------------------------------------ */

static void set_frozen(const char *path, bool frozen)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	const struct sr_class *class = sr_class_find(CKO_SR_FREEZE);
	if (frozen) {
		keys_fill(&template, LIST(NUMBER(CKA_CLASS, CKO_SR_FREEZE), TEXT(CKA_SR_PATH, path),
					     TEXT(CKA_SR_REASON, "it was seen")));
		expect(class->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK, NONE);
	} else {
		char id[SR_OBJECT_ID_MAX];
		keys_fill(&template, LIST(TEXT(CKA_SR_STATE, "released"), TEXT(CKA_SR_REASON, "over")));
		vault_find_one(&keys_place, CKO_SR_FREEZE, CKA_SR_PATH, path, id);
		expect(class->set(&keys_place.caller, id, &template, &keys_place.err), CKR_OK, NONE);
	}
	sr_attrs_clear(&template);
}

START_TEST(a_frozen_path)
{
	char before[80], after[80], pin[64];
	keys_make_ec("a/key");
	expect(vault_issue(&keys_place, "keys:create:a/*\nkeys:delete:a/*", "600", NULL, NULL, pin), CKR_OK, NONE);
	text_of("p:a/key", CKA_UNIQUE_ID, before);
	set_frozen("a/key", true);
	expect(rotate("p:a/key", "60"), CKR_ACTION_PROHIBITED, FROZEN);
	expect_event(KEY_ROTATED, DENIED, "a/key", "frozen");
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	expect(rotate("p:a/key", "0"), CKR_ACTION_PROHIBITED, FROZEN);
	vault_login_admin(&keys_place);
	text_of("p:a/key", CKA_UNIQUE_ID, after);
	ck_assert_str_eq(before, after);
	expect(rotate("p:a/key", "0"), CKR_OK, NONE); /* that contains it */
	set_frozen("a/key", false);
}
END_TEST

static unsigned sweep(void)
{
	unsigned keys = 0;
	expect(sr_key_sweep(&keys_place.caller, &keys, &keys_place.err), CKR_OK, NONE);
	return keys;
}

static void wait_for_the_end(void)
{
	vault_clock_move(2 * HOUR, 2 * HOUR, false);
	vault_login_admin(&keys_place);
}

START_TEST(former_keys_are_destroyed_after_their_time)
{
	char uid[80];
	keys_make_rsa("a/key");
	keys_make_rsa("b/key");
	make(&kinds[6], "a/wrapped");
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	expect(rotate("p:b/key", "360000"), CKR_OK, NONE);
	expect(rotate("s:a/wrapped", "3600"), CKR_OK, NONE);
	text_of("P:a/key", CKA_UNIQUE_ID, uid);
	ck_assert_uint_eq(sweep(), 0);
	wait_for_the_end();
	uint64_t before = keys_events();
	keys_as("keys:create:*\nkeys:sign:*", NULL);
	ck_assert_uint_eq(sweep(), 0);                /* nothing that it may delete */
	ck_assert_uint_eq(keys_events(), before + 3); /* a login twice, a token */
	vault_login_admin(&keys_place);
	struct sr_hsm_key *hsm = sr_hsm_key_resident(uid, 0, CKO_PRIVATE_KEY);
	bool exists = false;
	expect(sr_hsm_key_exists(keys_place.vault->hsm, hsm, &exists, &keys_place.err), CKR_OK, NONE);
	ck_assert(exists);
	ck_assert_uint_eq(sweep(), 2);
	expect_event(KEY_DELETED, ALLOWED, "a/wrapped", "");
	expect(sr_hsm_key_exists(keys_place.vault->hsm, hsm, &exists, &keys_place.err), CKR_OK, NONE);
	ck_assert(!exists);
	ck_assert_uint_eq(sweep(), 0);
	sr_key_unref(open_key("P:b/key"));
	sound();
	sr_hsm_key_unref(hsm);
}
END_TEST

START_TEST(a_frozen_path_keeps_its_former_key)
{
	keys_make_ec("a/key");
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	wait_for_the_end();
	set_frozen("a/key", true);
	uint64_t before = keys_events();
	ck_assert_uint_eq(sweep(), 0);
	ck_assert_uint_eq(keys_events(), before);
	set_frozen("a/key", false);
	ck_assert_uint_eq(sweep(), 1);
	sound();
}
END_TEST

/* Once it has ended, a former key is in nobody's way. */
START_TEST(a_path_with_a_former_key)
{
	keys_make_ec("a/key");
	expect(rotate("p:a/key", "3600"), CKR_OK, NONE);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/key"), CKR_OK, NONE);
	expect(keys_destroy(CKO_PUBLIC_KEY, "u:a/key"), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/key", "value", NULL), CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_destroy(CKO_PUBLIC_KEY, "U:a/key"), CKR_OK, NONE);
	expect_event(KEY_DELETED, ALLOWED, "a/key", "");
	wait_for_the_end();
	expect(vault_put(&keys_place, "a/key", "value", NULL), CKR_OK, NONE);
	ck_assert_uint_eq(sweep(), 1);
	sound();
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_key_rotate(void)
{
	Suite *suite = suite_create("key_rotate");
	TCase *c = tcase_create("keys");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_loop_test(c, a_key_of_each_kind, 0, ROWS(kinds));
	tcase_add_loop_test(c, without_a_grace_nothing_is_left, 0, ROWS(kinds));
	tcase_add_test(c, the_current_one_is_found_first);
	tcase_add_test(c, its_own_id_is_new_and_old_ones_stay);
	tcase_add_test(c, tier_and_rights_stay);
	tcase_add_test(c, an_imported_key_becomes_one_that_was_generated);
	tcase_add_test(c, a_second_rotation_ends_the_first_one_s_grace);
	tcase_add_test(c, what_was_begun_before_ends_as_the_former_key_may);
	tcase_add_test(c, a_former_key_ends_for_who_holds_it);
	tcase_add_loop_test(c, a_grace_is_a_number_of_seconds, 0, ROWS(bad_graces));
	tcase_add_test(c, who_may_not);
	tcase_add_test(c, what_is_not_rotated);
	tcase_add_test(c, a_kind_that_is_not_generated);
	tcase_add_test(c, what_is_refused_late_leaves_nothing);
	tcase_add_test(c, a_frozen_path);
	tcase_add_test(c, former_keys_are_destroyed_after_their_time);
	tcase_add_test(c, a_frozen_path_keeps_its_former_key);
	tcase_add_test(c, a_path_with_a_former_key);
	suite_add_tcase(suite, c);
	return suite;
}
