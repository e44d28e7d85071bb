/* What is done with the vault's keys: operations, keys that make or take out other keys, secrets as keys; what is
 * recorded, counted, refused. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"
#include "tests/unit/vault_people.h"

#include "hsm/key.h"
#include "vault/core.h"
#include "vault/key.h"

#include <stdio.h>
#include <string.h>

#define IN(text) (text), sizeof(text) - 1

/* -- operations -------------------------------------------------------------------------------------------------- */

START_TEST(a_signature_is_made_recorded_and_verified)
{
	struct sr_buf sig = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	struct sr_key *private = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	uint64_t before = keys_events();
	expect(keys_run(SR_SIGN, private, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_OK, NONE);
	ck_assert_uint_eq(sig.len, 256);
	ck_assert_uint_eq(keys_events(), before + 1);
	expect_event(KEY_USED, ALLOWED, "a/rsa", "");
	struct sr_event event = keys_event();
	ck_assert_str_eq(event.metadata,
		"{\"function\":\"sign\",\"key_type\":\"rsa\",\"length_in\":7,\"length_out\":256,"
		"\"mechanism\":\"CKM_SHA256_RSA_PKCS\",\"result\":\"CKR_OK\"}");
	ck_assert_str_eq(event.tier, "standard");
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before + 2);
	sig.data[9] ^= 1;
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_SIGNATURE_INVALID, NONE);
	expect_event(KEY_USED, ALLOWED, "a/rsa", "");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"result\":\"CKR_SIGNATURE_INVALID\""));
	sig.len = 9;
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_SIGNATURE_LEN_RANGE, NONE);
	sr_buf_clear(&sig);
	sr_key_unref(private);
	sr_key_unref(public);
}
END_TEST

/* A key that was opened before, one that is opened after, and what everybody may know. */
START_TEST(a_frozen_key_is_not_used)
{
	struct sr_buf sig = SR_BUF_INIT, out = SR_BUF_INIT;
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	keys_make_rsa("a/rsa");
	struct sr_key *before = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	expect(keys_run(SR_SIGN, before, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_OK, NONE);
	keys_fill(&template,
		LIST(NUMBER(CKA_CLASS, CKO_SR_FREEZE), TEXT(CKA_SR_PATH, "a/rsa"), TEXT(CKA_SR_REASON, "it was seen")));
	expect(sr_class_find(CKO_SR_FREEZE)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	expect(keys_run(SR_SIGN, before, CKM_SHA256_RSA_PKCS, IN("message"), &out), CKR_FUNCTION_CANCELED, FROZEN);
	expect_event(KEY_USED, DENIED, "a/rsa", "frozen");
	ck_assert_uint_eq(out.len, 0);
	struct sr_key *after = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	expect(keys_run(SR_SIGN, after, CKM_SHA256_RSA_PKCS, IN("message"), &out), CKR_KEY_FUNCTION_NOT_PERMITTED,
		FROZEN);
	expect_event(KEY_USED, DENIED, "a/rsa", "frozen");
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_OK, NONE);
	sr_key_unref(public);
	public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &sig), CKR_OK, NONE);
	sr_attrs_clear(&template);
	sr_buf_clear(&sig);
	sr_key_unref(before);
	sr_key_unref(after);
	sr_key_unref(public);
}
END_TEST

START_TEST(an_hsm_that_refuses_is_recorded_and_releases_nothing)
{
	struct sr_buf out = SR_BUF_INIT;
	uint8_t big[300] = { 0 };
	keys_make_rsa("a/rsa");
	keys_as("keys:sign:*", "2");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, big, sizeof(big), &out), CKR_DATA_LEN_RANGE, TOO_LARGE);
	struct sr_event event = keys_event();
	ck_assert_str_eq(event.rv, "CKR_DATA_LEN_RANGE");
	ck_assert(!event.counted);
	/* not counted: both uses are left */
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, big, 20, &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, big, 20, &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, big, 20, &out), CKR_USER_NOT_LOGGED_IN, USED_UP);
	sr_key_unref(key);
}
END_TEST

START_TEST(verifying_with_a_public_key_counts_nothing)
{
	struct sr_buf sig = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	keys_as("keys:sign:*", "1");
	struct sr_key *private = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	sr_buf_append(&sig, (uint8_t[256]){ 1 }, 256);
	for (int i = 0; i < 3; i++)
		expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("m"), &sig), CKR_SIGNATURE_INVALID, NONE);
	sr_buf_clear(&sig);
	expect(keys_run(SR_SIGN, private, CKM_SHA256_RSA_PKCS, IN("m"), &sig), CKR_OK, NONE);
	ck_assert(keys_event().counted);
	sr_buf_clear(&sig);
	sr_key_unref(private);
	sr_key_unref(public);
}
END_TEST

START_TEST(the_scope_decides_and_refusals_are_recorded)
{
	struct sr_buf out = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	keys_as("keys:decrypt:a/*", NULL);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	uint64_t before = keys_events();
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, IN("m"), &out), CKR_KEY_FUNCTION_NOT_PERMITTED, OUT_OF_SCOPE);
	expect_event(KEY_USED, DENIED, "a/rsa", "out_of_scope");
	ck_assert_uint_eq(keys_events(), before + 1);
	/* what the key itself cannot do is no refusal of policy */
	expect(keys_run(SR_SIGN_RECOVER, key, CKM_RSA_PKCS, IN("m"), &out), CKR_KEY_FUNCTION_NOT_PERMITTED, NONE);
	ck_assert_uint_eq(keys_events(), before + 1);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_critical_key_asks_for_clearance)
{
	struct sr_new_key a, b;
	struct sr_buf out = SR_BUF_INIT;
	expect(keys_pair(CKK_RSA, LIST(FLAG(CKA_TOKEN, 1)),
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/rsa"), TEXT(CKA_SR_TIER, "critical")), &a, &b),
		CKR_OK, NONE);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	ck_assert(key->always_authenticate);
	expect(keys_run(SR_SIGN, key, CKM_RSA_PKCS, IN("m"), &out), CKR_KEY_FUNCTION_NOT_PERMITTED, APPROVAL_REQUIRED);
	expect_event(KEY_USED, DENIED, "a/rsa", "approval_required");
	expect(keys_run(SR_ENCRYPT, public, CKM_RSA_PKCS, IN("m"), &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	sr_key_unref(key);
	sr_key_unref(public);
}
END_TEST

/* -- between begin and end ------------------------------------------------------------------------------------------
 */

static struct sr_use *begin(enum sr_function function, struct sr_key *key, CK_MECHANISM_TYPE type)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	struct sr_use *use = NULL;
	expect(sr_use_begin(&keys_place.caller, function, key, &mechanism, &use, &keys_place.err), CKR_OK, NONE);
	return use;
}

/* Something changes after the operation has begun, by an admin's hand. */
static CK_RV sign_after(const struct keys_word *changes, bool destroy, const char *other)
{
	struct sr_buf out = SR_BUF_INIT;
	struct sr_caller signer;
	keys_as("keys:sign:a/*", NULL);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	struct sr_use *use = begin(SR_SIGN, key, CKM_SHA256_RSA_PKCS);
	signer = keys_place.caller;
	sr_identity_ref(signer.identity);
	vault_login_admin(&keys_place);
	if (changes)
		expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", changes), CKR_OK, NONE);
	if (destroy)
		expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/rsa"), CKR_OK, NONE);
	if (other)
		vault_sql(&keys_place, "%s", other);
	sr_error_clear(&keys_place.err);
	CK_RV rv = sr_use_once(&signer, use, "m", 1, &out, &keys_place.err);
	ck_assert(rv == CKR_OK ? out.len == 256 : out.len == 0);
	sr_buf_clear(&out);
	sr_use_end(use);
	sr_key_unref(key);
	sr_identity_unref(signer.identity);
	return rv;
}

START_TEST(what_changes_meanwhile_counts)
{
	keys_make_rsa("a/rsa");
	expect(sign_after(NULL, false, NULL), CKR_OK, NONE);
	expect(sign_after(LIST(BYTES(CKA_ID, "\x01", 1)), false, NULL), CKR_OK, NONE);
	expect(sign_after(LIST(FLAG(CKA_DECRYPT, 0)), false, NULL), CKR_OK, NONE);
	ck_assert_int_eq(sign_after(LIST(TEXT(CKA_SR_TIER, "sensitive")), false, NULL), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(keys_place.err.reason, SR_REASON_APPROVAL_REQUIRED);
	expect_event(KEY_USED, DENIED, "a/rsa", "approval_required");
}
END_TEST

START_TEST(a_right_taken_away_meanwhile)
{
	keys_make_rsa("a/rsa");
	ck_assert_int_eq(sign_after(LIST(FLAG(CKA_SIGN, 0)), false, NULL), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(keys_place.err.reason, SR_REASON_CHANGED_MEANWHILE);
	expect_event(KEY_USED, DENIED, "a/rsa", "changed_meanwhile");
}
END_TEST

START_TEST(deleted_meanwhile)
{
	keys_make_rsa("a/rsa");
	ck_assert_int_eq(sign_after(NULL, true, NULL), CKR_FUNCTION_CANCELED);
	ck_assert_uint_eq(keys_place.err.reason, SR_REASON_CHANGED_MEANWHILE);
	expect_event(KEY_USED, DENIED, "a/rsa", "changed_meanwhile");
}
END_TEST

START_TEST(forged_meanwhile)
{
	keys_make_rsa("a/rsa");
	ck_assert_int_eq(sign_after(NULL, false, "UPDATE key SET tier = 'critical'"), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(keys_place.err.reason, SR_REASON_ROW_FORGED);
}
END_TEST

START_TEST(revoked_meanwhile)
{
	char id[SR_OBJECT_ID_MAX];
	struct sr_buf out = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	keys_as("keys:sign:a/*", NULL);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	struct sr_use *use = begin(SR_SIGN, key, CKM_SHA256_RSA_PKCS);
	struct sr_caller signer = keys_place.caller;
	sr_identity_ref(signer.identity);
	vault_login_admin(&keys_place);
	vault_find_one(&keys_place, CKO_SR_TOKEN, 0, NULL, id);
	expect(keys_destroy(CKO_SR_TOKEN, id), CKR_OK, NONE);
	expect(sr_use_once(&signer, use, "m", 1, &out, &keys_place.err), CKR_USER_NOT_LOGGED_IN, REVOKED);
	ck_assert_uint_eq(out.len, 0);
	sr_use_end(use);
	sr_key_unref(key);
	sr_identity_unref(signer.identity);
}
END_TEST

/* -- streams ----------------------------------------------------------------------------------------------------- */

START_TEST(a_stream_is_counted_before_its_first_byte)
{
	uint8_t iv[16] = { 7 }, block[64] = { 1 };
	CK_MECHANISM cbc = { CKM_AES_CBC_PAD, iv, sizeof(iv) };
	struct sr_buf out = SR_BUF_INIT, whole = SR_BUF_INIT, plain = SR_BUF_INIT;
	struct sr_use *use = NULL;
	keys_make_aes("a/aes");
	keys_as("keys:encrypt:*\nkeys:decrypt:*", "2");
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "s:a/aes");
	uint64_t before = keys_events();
	expect(sr_use_begin(&keys_place.caller, SR_ENCRYPT, key, &cbc, &use, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(sr_use_bound(use, 64), 80);
	ck_assert_uint_eq(keys_events(), before);
	expect(sr_use_update(&keys_place.caller, use, block, 5, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_uint_eq(keys_events(), before);
	expect(sr_use_update(&keys_place.caller, use, block, 40, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert(out.len >= 16);
	ck_assert_uint_eq(keys_events(), before + 1);
	ck_assert(keys_event().counted);
	sr_buf_append(&whole, out.data, out.len);
	sr_buf_clear(&out);
	expect(sr_use_update(&keys_place.caller, use, block, 40, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before + 1);
	sr_buf_append(&whole, out.data, out.len);
	sr_buf_clear(&out);
	ck_assert_uint_eq(sr_use_bound(use, 0), 96 - whole.len);
	expect(sr_use_final(&keys_place.caller, use, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before + 2);
	ck_assert(!keys_event().counted);
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"length_in\":85,\"length_out\":96"));
	sr_buf_append(&whole, out.data, out.len);
	sr_buf_clear(&out);
	sr_use_end(use);
	expect(sr_use_begin(&keys_place.caller, SR_DECRYPT, key, &cbc, &use, &keys_place.err), CKR_OK, NONE);
	expect(sr_use_once(&keys_place.caller, use, whole.data, whole.len, &plain, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(plain.len, 85);
	sr_use_end(use);
	sr_buf_clear(&plain);
	/* used up: two uses, whatever the number of records */
	expect(sr_use_begin(&keys_place.caller, SR_DECRYPT, key, &cbc, &use, &keys_place.err), CKR_OK, NONE);
	expect(sr_use_once(&keys_place.caller, use, whole.data, whole.len, &plain, &keys_place.err),
		CKR_USER_NOT_LOGGED_IN, USED_UP);
	ck_assert_uint_eq(plain.len, 0);
	sr_use_end(use);
	sr_buf_clear(&whole);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_stream_of_a_signature_is_recorded_at_its_end)
{
	struct sr_buf out = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	uint64_t before = keys_events();
	struct sr_use *use = begin(SR_SIGN, key, CKM_SHA256_RSA_PKCS);
	expect(sr_use_update(&keys_place.caller, use, "mess", 4, &out, &keys_place.err), CKR_OK, NONE);
	expect(sr_use_update(&keys_place.caller, use, "age", 3, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before);
	expect(sr_use_final(&keys_place.caller, use, &out, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before + 1);
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"length_in\":7,"));
	expect(keys_check(public, CKM_SHA256_RSA_PKCS, IN("message"), &out), CKR_OK, NONE);
	sr_use_end(use);
	sr_buf_clear(&out);
	sr_key_unref(key);
	sr_key_unref(public);
}
END_TEST

START_TEST(bounds_are_exact)
{
	static const struct {
		CK_MECHANISM_TYPE mechanism;
		enum sr_function function;
		size_t in, bound;
	} rows[] = {
		{ CKM_AES_ECB, SR_ENCRYPT, 32, 32 },
		{ CKM_SHA256_HMAC, SR_SIGN, 99, 32 },
		{ CKM_SHA512_HMAC, SR_SIGN, 0, 64 },
		{ CKM_AES_CMAC, SR_SIGN, 5, 16 },
	};
	struct sr_new_key made;
	keys_make_aes("a/aes");
	expect(keys_secret(CKK_GENERIC_SECRET,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/mac"), NUMBER(CKA_VALUE_LEN, 64)), &made),
		CKR_OK, NONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool hmac = rows[i].mechanism != CKM_AES_ECB && rows[i].mechanism != CKM_AES_CMAC;
		struct sr_key *key = keys_open(CKO_SECRET_KEY, hmac ? "s:a/mac" : "s:a/aes");
		struct sr_use *use = begin(rows[i].function, key, rows[i].mechanism);
		struct sr_buf out = SR_BUF_INIT;
		uint8_t in[100] = { 0 };
		ck_assert_uint_eq(sr_use_bound(use, rows[i].in), rows[i].bound);
		expect(sr_use_once(&keys_place.caller, use, in, rows[i].in, &out, &keys_place.err), CKR_OK, NONE);
		ck_assert_uint_eq(out.len, rows[i].bound);
		sr_buf_clear(&out);
		sr_use_end(use);
		sr_key_unref(key);
	}
	keys_make_ec("a/ec");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/ec");
	struct sr_use *use = begin(SR_SIGN, key, CKM_ECDSA);
	ck_assert_uint_eq(sr_use_bound(use, 32), 64);
	sr_use_end(use);
	sr_key_unref(key);
}
END_TEST

/* -- padding ----------------------------------------------------------------------------------------------------- */

static CK_RV decrypt(struct sr_key *key, const uint8_t *in, size_t len, struct sr_buf *out)
{
	return keys_run(SR_DECRYPT, key, CKM_RSA_PKCS, in, len, out);
}

START_TEST(bad_padding_looks_like_good_padding)
{
	struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT, first = SR_BUF_INIT, other = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	keys_make_rsa("a/other");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/rsa");
	struct sr_key *second = keys_open(CKO_PRIVATE_KEY, "p:a/other");
	expect(keys_run(SR_ENCRYPT, public, CKM_RSA_PKCS, IN("hello"), &sealed), CKR_OK, NONE);
	expect(decrypt(key, sealed.data, sealed.len, &plain), CKR_OK, NONE);
	ck_assert_uint_eq(plain.len, 5);
	ck_assert_mem_eq(plain.data, "hello", 5);
	sr_buf_clear(&plain);
	size_t lengths = 0, last = 0;
	for (int i = 0; i < 8; i++) {
		sealed.data[100] = (uint8_t)(sealed.data[100] + 1);
		expect(decrypt(key, sealed.data, sealed.len, &first), CKR_OK, NONE);
		ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"result\":\"CKR_OK\""));
		expect(decrypt(key, sealed.data, sealed.len, &plain), CKR_OK, NONE);
		ck_assert_uint_eq(first.len, plain.len);
		ck_assert(first.len <= 245);
		if (first.len)
			ck_assert_mem_eq(first.data, plain.data, first.len);
		lengths += first.len != last;
		last = first.len;
		expect(decrypt(second, sealed.data, sealed.len, &other), CKR_OK, NONE);
		ck_assert(other.len != first.len || other.len == 0 || memcmp(other.data, first.data, first.len) != 0);
		sr_buf_clear(&first);
		sr_buf_clear(&plain);
		sr_buf_clear(&other);
	}
	ck_assert(lengths > 4);
	expect(decrypt(key, sealed.data, sealed.len - 1, &plain), CKR_ENCRYPTED_DATA_LEN_RANGE, NONE);
	ck_assert_uint_eq(plain.len, 0);
	sr_buf_clear(&sealed);
	sr_key_unref(key);
	sr_key_unref(public);
	sr_key_unref(second);
}
END_TEST

START_TEST(selection_takes_either)
{
	struct sr_buf real = SR_BUF_INIT, other = SR_BUF_INIT;
	sr_buf_text(&other, "other text");
	sr_buf_text(&real, "real");
	sr_reject_select(&real, &other, 1, 20);
	ck_assert_uint_eq(real.len, 4);
	ck_assert_mem_eq(real.data, "real", 4);
	sr_reject_select(&real, &other, 0, 20);
	ck_assert_uint_eq(real.len, 10);
	ck_assert_mem_eq(real.data, "other text", 10);
	sr_buf_clear(&real);
	sr_reject_select(&real, &other, 0, 20);
	ck_assert_mem_eq(real.data, "other text", 10);
	sr_buf_clear(&real);
	sr_buf_clear(&other);
}
END_TEST

START_TEST(cbc_padding_has_one_code)
{
	uint8_t iv[16] = { 0 };
	CK_MECHANISM cbc = { CKM_AES_CBC_PAD, iv, sizeof(iv) };
	struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
	struct sr_use *use = NULL;
	keys_make_aes("a/aes");
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "s:a/aes");
	expect(sr_use_begin(&keys_place.caller, SR_ENCRYPT, key, &cbc, &use, &keys_place.err), CKR_OK, NONE);
	expect(sr_use_once(&keys_place.caller, use, "0123456789012345", 16, &sealed, &keys_place.err), CKR_OK, NONE);
	sr_use_end(use);
	sealed.data[15] ^= 0x55; /* the last byte of the padding, which so is never a good one */
	for (size_t len = 31; len <= 32; len++) {
		expect(sr_use_begin(&keys_place.caller, SR_DECRYPT, key, &cbc, &use, &keys_place.err), CKR_OK, NONE);
		expect(sr_use_once(&keys_place.caller, use, sealed.data, len, &plain, &keys_place.err),
			CKR_ENCRYPTED_DATA_INVALID, NONE);
		ck_assert_uint_eq(plain.len, 0);
		sr_use_end(use);
	}
	sr_buf_clear(&sealed);
	sr_key_unref(key);
}
END_TEST

/* -- keys that leave and come ----------------------------------------------------------------------------------------
 */

static const struct keys_word token = { CKA_TOKEN, KEYS_BOOL, NULL, 1 };

static void make_wrapping(const char *path)
{
	struct sr_new_key made;
	expect(keys_secret(CKK_AES,
		       LIST(token, TEXT(CKA_LABEL, path), NUMBER(CKA_VALUE_LEN, 32), FLAG(CKA_WRAP, 1),
			       FLAG(CKA_UNWRAP, 1)),
		       &made),
		CKR_OK, NONE);
}

static void make_leaving(const char *path, const char *tier)
{
	struct sr_new_key made;
	expect(keys_secret(CKK_AES,
		       LIST(token, TEXT(CKA_LABEL, path), NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_EXTRACTABLE, 1),
			       FLAG(CKA_ENCRYPT, 1), TEXT(CKA_SR_TIER, tier)),
		       &made),
		CKR_OK, NONE);
}

static const CK_MECHANISM key_wrap = { CKM_AES_KEY_WRAP, NULL, 0 };

static CK_RV wrap(struct sr_key *wrapping, struct sr_key *key, bool deliver, struct sr_buf *out)
{
	return sr_key_wrap(&keys_place.caller, &key_wrap, wrapping, key, deliver, out, &keys_place.err);
}

static CK_RV unwrap(
	struct sr_key *unwrapping, const struct sr_buf *blob, const struct keys_word *words, struct sr_new_key *made)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	keys_fill(&template, words);
	struct sr_making making = { sr_attrs_bool(&template, CKA_TOKEN, false) ? NULL : keys_nest, CKO_SECRET_KEY,
		CKK_AES, &template };
	memset(made, 0, sizeof(*made));
	CK_RV rv = sr_key_unwrap(
		&keys_place.caller, &making, &key_wrap, unwrapping, blob->data, blob->len, made, &keys_place.err);
	sr_attrs_clear(&template);
	return rv;
}

START_TEST(a_key_leaves_where_policy_lets_it)
{
	struct sr_buf out = SR_BUF_INIT;
	make_wrapping("w/key");
	make_leaving("a/leaves", "standard");
	keys_make_aes("a/stays");
	keys_as("keys:wrap:*", "1");
	struct sr_key *wrapping = keys_open(CKO_SECRET_KEY, "s:w/key");
	struct sr_key *leaves = keys_open(CKO_SECRET_KEY, "s:a/leaves"),
		      *stays = keys_open(CKO_SECRET_KEY, "s:a/stays");
	expect(wrap(wrapping, stays, true, &out), CKR_KEY_UNEXTRACTABLE, UNEXTRACTABLE);
	expect_event(KEY_WRAPPED, DENIED, "a/stays", "unextractable");
	expect(wrap(stays, leaves, true, &out), CKR_KEY_FUNCTION_NOT_PERMITTED, NONE);
	uint64_t before = keys_events();
	expect(wrap(wrapping, leaves, false, &out), CKR_OK, NONE);
	ck_assert_uint_eq(out.len, 24);
	ck_assert_uint_eq(keys_events(), before);
	sr_buf_clear(&out);
	expect(wrap(wrapping, leaves, true, &out), CKR_OK, NONE);
	expect_event(KEY_WRAPPED, ALLOWED, "a/leaves", "");
	ck_assert(keys_event().counted);
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"wrapping_key\":\"w/key\""));
	sr_buf_clear(&out);
	expect(wrap(wrapping, leaves, true, &out), CKR_USER_NOT_LOGGED_IN, USED_UP);
	ck_assert_uint_eq(out.len, 0);
	keys_as("keys:wrap:w/*\nkeys:encrypt:a/*", NULL);
	expect(wrap(wrapping, leaves, true, &out), CKR_KEY_NOT_WRAPPABLE, OUT_OF_SCOPE);
	expect_event(KEY_WRAPPED, DENIED, "a/leaves", "out_of_scope");
	keys_as("keys:wrap:a/*\nkeys:list:w/*", NULL);
	expect(wrap(wrapping, leaves, true, &out), CKR_KEY_FUNCTION_NOT_PERMITTED, OUT_OF_SCOPE);
	sr_key_unref(wrapping);
	sr_key_unref(leaves);
	sr_key_unref(stays);
}
END_TEST

START_TEST(what_guards_a_key_that_could_leave)
{
	struct sr_buf out = SR_BUF_INIT;
	struct sr_new_key session, made;
	make_wrapping("w/key");
	make_leaving("a/critical", "critical");
	make_leaving("a/key", "standard");
	expect(keys_secret(CKK_AES,
		       LIST(token, TEXT(CKA_LABEL, "a/trusted"), NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_EXTRACTABLE, 1),
			       FLAG(CKA_WRAP_WITH_TRUSTED, 1)),
		       &made),
		CKR_OK, NONE);
	struct sr_key *wrapping = keys_open(CKO_SECRET_KEY, "s:w/key"),
		      *key = keys_open(CKO_SECRET_KEY, "s:a/critical");
	expect(wrap(wrapping, key, true, &out), CKR_KEY_NOT_WRAPPABLE, APPROVAL_REQUIRED);
	sr_key_unref(key);
	key = keys_open(CKO_SECRET_KEY, "s:a/trusted");
	expect(wrap(wrapping, key, true, &out), CKR_KEY_NOT_WRAPPABLE, RIGHTS);
	sr_key_unref(key);
	/* a wrapping key that was brought along */
	expect(keys_import(CKO_SECRET_KEY, CKK_AES, LIST(BYTES(CKA_VALUE, "0123456789012345", 16), FLAG(CKA_WRAP, 1)),
		       &session),
		CKR_OK, NONE);
	key = keys_open(CKO_SECRET_KEY, "s:a/key");
	expect(wrap(session.key, key, true, &out), CKR_KEY_NOT_WRAPPABLE, RIGHTS);
	/* one that was made in the HSM, and that nobody knows */
	struct sr_new_key local;
	expect(keys_secret(CKK_AES, LIST(NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_WRAP, 1)), &local), CKR_OK, NONE);
	expect(wrap(local.key, key, true, &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	sr_new_key_clear(&local);
	expect(keys_import(CKO_SECRET_KEY, CKK_AES,
		       LIST(token, TEXT(CKA_LABEL, "w/known"), BYTES(CKA_VALUE, "0123456789012345", 16),
			       FLAG(CKA_WRAP, 1)),
		       &made),
		CKR_OK, NONE);
	struct sr_key *known = keys_open(CKO_SECRET_KEY, "s:w/known");
	expect(wrap(known, key, true, &out), CKR_KEY_NOT_WRAPPABLE, RIGHTS);
	keys_as("keys:wrap:w/*\nkeys:wrap:a/k*\nkeys:create:w/*", NULL);
	expect(wrap(known, key, true, &out), CKR_KEY_NOT_WRAPPABLE, RIGHTS);
	keys_as("keys:wrap:w/*\nkeys:wrap:a/k*", NULL); /* it is somebody else's word that this key is good for it */
	expect(wrap(known, key, true, &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	sr_key_unref(known);
	keys_as("keys:*:w/*\nkeys:*:a/k*", NULL);
	/* made unextractable in between */
	expect(keys_set(CKO_SECRET_KEY, "s:a/key", LIST(FLAG(CKA_EXTRACTABLE, 0))), CKR_OK, NONE);
	ck_assert(wrap(wrapping, key, true, &out) != CKR_OK);
	ck_assert_uint_eq(out.len, 0);
	sr_new_key_clear(&session);
	sr_key_unref(wrapping);
	sr_key_unref(key);
}
END_TEST

START_TEST(what_comes_back_has_no_more_rights)
{
	struct sr_buf blob = SR_BUF_INIT, out = SR_BUF_INIT;
	struct sr_new_key made;
	make_wrapping("w/key");
	make_leaving("a/key", "standard");
	struct sr_key *wrapping = keys_open(CKO_SECRET_KEY, "s:w/key"), *key = keys_open(CKO_SECRET_KEY, "s:a/key");
	expect(wrap(wrapping, key, true, &blob), CKR_OK, NONE);
	const struct keys_word label = TEXT(CKA_LABEL, "a/back");
	expect(unwrap(wrapping, &blob, LIST(token, label, FLAG(CKA_DECRYPT, 1)), &made), CKR_TEMPLATE_INCONSISTENT,
		RIGHTS);
	expect_event(KEY_UNWRAPPED, DENIED, "w/key", "rights");
	expect(unwrap(wrapping, &blob, LIST(FLAG(CKA_DECRYPT, 1)), &made), CKR_TEMPLATE_INCONSISTENT, RIGHTS);
	expect(unwrap(wrapping, &blob, LIST(token, label, FLAG(CKA_EXTRACTABLE, 1)), &made), CKR_TEMPLATE_INCONSISTENT,
		RIGHTS);
	expect(unwrap(wrapping, &blob, LIST(token, label, FLAG(CKA_SENSITIVE, 0)), &made), CKR_TEMPLATE_INCONSISTENT,
		RIGHTS);
	expect(unwrap(wrapping, &blob, LIST(token, label, FLAG(CKA_WRAP, 1)), &made), CKR_TEMPLATE_INCONSISTENT,
		RIGHTS);
	expect(unwrap(wrapping, &blob, LIST(token, label, FLAG(CKA_ENCRYPT, 1)), &made), CKR_OK, NONE);
	ck_assert_str_eq(made.id, "s:a/back");
	expect_event(KEY_UNWRAPPED, ALLOWED, "w/key", "");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"path\":\"a/back\""));
	ck_assert(keys_flag(CKO_SECRET_KEY, "s:a/back", CKA_SENSITIVE));
	ck_assert(!keys_flag(CKO_SECRET_KEY, "s:a/back", CKA_EXTRACTABLE));
	ck_assert(!keys_flag(CKO_SECRET_KEY, "s:a/back", CKA_LOCAL));
	ck_assert(!keys_flag(CKO_SECRET_KEY, "s:a/back", CKA_ALWAYS_SENSITIVE));
	struct sr_key *back = keys_open(CKO_SECRET_KEY, "s:a/back");
	expect(keys_run(SR_ENCRYPT, back, CKM_AES_ECB, IN("0123456789012345"), &out), CKR_OK, NONE);
	sr_buf_clear(&out);
	sr_key_unref(back);
	/* not into the session, where its uses would have no record; nor by who may not use the first one */
	expect(unwrap(wrapping, &blob, LIST(FLAG(CKA_ENCRYPT, 1)), &made), CKR_TEMPLATE_INCONSISTENT, RIGHTS);
	keys_as("keys:unwrap:w/*\nkeys:*:b/*\nkeys:wrap:a/*", NULL);
	const struct keys_word mine = TEXT(CKA_LABEL, "b/mine");
	expect(unwrap(wrapping, &blob, LIST(token, mine, FLAG(CKA_ENCRYPT, 1)), &made), CKR_TEMPLATE_INCONSISTENT,
		RIGHTS);
	keys_as("keys:unwrap:w/*\nkeys:*:b/*\nkeys:encrypt:a/*", NULL);
	expect(unwrap(wrapping, &blob, LIST(token, mine, FLAG(CKA_ENCRYPT, 1)), &made), CKR_OK, NONE);
	blob.data[3] ^= 1;
	expect(unwrap(wrapping, &blob, LIST(FLAG(CKA_ENCRYPT, 1)), &made), CKR_WRAPPED_KEY_INVALID, NONE);
	keys_as("keys:list:w/*\nkeys:create:a/*", NULL);
	expect(unwrap(wrapping, &blob, LIST(FLAG(CKA_ENCRYPT, 1)), &made), CKR_KEY_FUNCTION_NOT_PERMITTED,
		OUT_OF_SCOPE);
	expect_event(KEY_UNWRAPPED, DENIED, "w/key", "out_of_scope");
	sr_buf_clear(&blob);
	sr_key_unref(wrapping);
	sr_key_unref(key);
}
END_TEST

START_TEST(components_are_read_where_the_key_shows_them)
{
	struct sr_buf value = SR_BUF_INIT;
	struct sr_new_key made;
	expect(keys_secret(CKK_AES,
		       LIST(token, TEXT(CKA_LABEL, "a/open"), NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_SENSITIVE, 0),
			       FLAG(CKA_EXTRACTABLE, 1)),
		       &made),
		CKR_OK, NONE);
	keys_make_rsa("a/rsa");
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "s:a/open"), *closed = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	expect(sr_key_secret(&keys_place.caller, key, CKA_VALUE, &value, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(value.len, 16);
	expect_event(KEY_WRAPPED, ALLOWED, "a/open", "");
	sr_buf_clear(&value);
	expect(sr_key_secret(&keys_place.caller, closed, CKA_PRIVATE_EXPONENT, &value, &keys_place.err),
		CKR_ATTRIBUTE_SENSITIVE, UNEXTRACTABLE);
	expect(sr_key_secret(&keys_place.caller, closed, CKA_VALUE, &value, &keys_place.err), CKR_ATTRIBUTE_SENSITIVE,
		UNEXTRACTABLE);
	expect(sr_key_secret(&keys_place.caller, key, CKA_PRIME_1, &value, &keys_place.err), CKR_ATTRIBUTE_TYPE_INVALID,
		NONE);
	keys_as("keys:encrypt:a/*", NULL);
	expect(sr_key_secret(&keys_place.caller, key, CKA_VALUE, &value, &keys_place.err), CKR_ATTRIBUTE_SENSITIVE,
		OUT_OF_SCOPE);
	expect_event(KEY_WRAPPED, DENIED, "a/open", "out_of_scope");
	sr_key_unref(key);
	sr_key_unref(closed);
}
END_TEST

static CK_RV derive(struct sr_key *base, struct sr_key *peer, const struct keys_word *words, struct sr_new_key *made)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	const struct sr_attr *point = sr_attrs_find(&peer->attrs, CKA_EC_POINT);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, point->len - 2, point->value + 2 };
	CK_MECHANISM mechanism = { CKM_ECDH1_DERIVE, &params, sizeof(params) };
	keys_fill(&template, words);
	struct sr_making making = { sr_attrs_bool(&template, CKA_TOKEN, false) ? NULL : keys_nest, CKO_SECRET_KEY,
		CKK_GENERIC_SECRET, &template };
	memset(made, 0, sizeof(*made));
	CK_RV rv = sr_key_derive(&keys_place.caller, &making, &mechanism, base, made, &keys_place.err);
	sr_attrs_clear(&template);
	return rv;
}

START_TEST(two_parties_derive_the_same_secret)
{
	struct sr_new_key one, other;
	struct sr_buf a = SR_BUF_INIT, b = SR_BUF_INIT;
	keys_make_ec("a/one");
	keys_make_ec("a/other");
	keys_as("keys:derive:a/*\nkeys:create:a/kept", "3");
	struct sr_key *k1 = keys_open(CKO_PRIVATE_KEY, "p:a/one"), *k2 = keys_open(CKO_PRIVATE_KEY, "p:a/other");
	struct sr_key *p1 = keys_open(CKO_PUBLIC_KEY, "u:a/one"), *p2 = keys_open(CKO_PUBLIC_KEY, "u:a/other");
	const struct keys_word open = FLAG(CKA_SENSITIVE, 0), leaves = FLAG(CKA_EXTRACTABLE, 1);
	expect(derive(k1, p2, LIST(open, leaves), &one), CKR_OK, NONE);
	expect_event(KEY_DERIVED, ALLOWED, "a/one", "");
	ck_assert(keys_event().counted);
	expect(derive(k2, p1, LIST(open, leaves), &other), CKR_OK, NONE);
	uint64_t before = keys_events();
	expect(sr_key_secret(&keys_place.caller, one.key, CKA_VALUE, &a, &keys_place.err), CKR_OK, NONE);
	expect(sr_key_secret(&keys_place.caller, other.key, CKA_VALUE, &b, &keys_place.err), CKR_OK, NONE);
	ck_assert_uint_eq(keys_events(), before);
	ck_assert_uint_eq(a.len, 32);
	ck_assert(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	sr_buf_clear(&a);
	sr_buf_clear(&b);
	sr_new_key_clear(&one);
	sr_new_key_clear(&other);
	expect(derive(k1, p2, LIST(token, TEXT(CKA_LABEL, "b/kept")), &one), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect_event(KEY_DERIVED, DENIED, "a/one", "out_of_scope");
	expect(derive(k1, p2, LIST(token, TEXT(CKA_LABEL, "a/kept"), FLAG(CKA_UNWRAP, 1)), &one),
		CKR_TEMPLATE_INCONSISTENT, RIGHTS);
	expect(derive(k1, p2, LIST(token, TEXT(CKA_LABEL, "a/kept")), &one), CKR_OK, NONE);
	ck_assert_str_eq(one.id, "s:a/kept");
	expect(derive(k1, p2, LIST(open, leaves), &one), CKR_USER_NOT_LOGGED_IN, USED_UP);
	ck_assert_ptr_null(one.key);
	keys_as("keys:sign:a/*", NULL);
	expect(derive(k1, p2, LIST(open, leaves), &one), CKR_KEY_FUNCTION_NOT_PERMITTED, OUT_OF_SCOPE);
	expect_event(KEY_DERIVED, DENIED, "a/one", "out_of_scope");
	sr_key_unref(k1);
	sr_key_unref(k2);
	sr_key_unref(p1);
	sr_key_unref(p2);
}
END_TEST

/* What comes to nothing leaves nothing in the HSM. */
START_TEST(a_refused_key_is_undone)
{
	struct sr_new_key made;
	char pin[64];
	bool exists = true;
	vault_login_admin(&keys_place);
	expect(vault_issue(&keys_place, "keys:*:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	/* the token goes while the HSM works: as it looks from the transaction */
	vault_clock_move(0, 601000, false);
	expect(keys_secret(CKK_AES, LIST(token, TEXT(CKA_LABEL, "a/key"), NUMBER(CKA_VALUE_LEN, 16)), &made),
		CKR_USER_NOT_LOGGED_IN, EXPIRED);
	ck_assert_str_eq(made.id, "");
	vault_login_admin(&keys_place);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, 0, NULL), 0);
	keys_make_aes("a/key");
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "s:a/key");
	expect(sr_hsm_key_exists(keys_place.vault->hsm, key->inside->hsm, &exists, &keys_place.err), CKR_OK, NONE);
	ck_assert(exists);
	expect(keys_destroy(CKO_SECRET_KEY, "s:a/key"), CKR_OK, NONE);
	expect(sr_hsm_key_exists(keys_place.vault->hsm, key->inside->hsm, &exists, &keys_place.err), CKR_OK, NONE);
	ck_assert(!exists);
	sr_key_unref(key);
}
END_TEST

/* -- secrets as keys --------------------------------------------------------------------------------------------- */

static CK_RV put_typed(const char *path, const char *value, const char *type)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	keys_fill(&template, LIST(NUMBER(CKA_CLASS, CKO_DATA), FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path),
				     TEXT(CKA_VALUE, value), TEXT(CKA_SR_TYPE, type)));
	CK_RV rv = sr_class_find(CKO_DATA)->create(&keys_place.caller, &template, &created, &keys_place.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

START_TEST(a_secret_is_used_and_never_seen)
{
	/* HMAC-SHA256("0123456789abcdef", "message") */
	static const uint8_t expected[32] = { 0xb0, 0x40, 0x30, 0xfb, 0xf1, 0x40, 0x84, 0x13, 0xd1, 0xd2, 0x39, 0x95,
		0x72, 0x35, 0x84, 0xf5, 0x86, 0x4c, 0x74, 0x91, 0xa6, 0x09, 0xbb, 0xe0, 0xbf, 0xf0, 0x03, 0xfb, 0x58,
		0x27, 0x8f, 0x1f };
	struct sr_buf mac = SR_BUF_INIT;
	char id[SR_OBJECT_ID_MAX];
	expect(put_typed("a/mac", "0123456789abcdef", "hmac-key"), CKR_OK, NONE);
	expect(put_typed("a/password", "0123456789abcdef", "password"), CKR_OK, NONE);
	keys_as("secrets:use:a/*", "2");
	ck_assert_int_eq(vault_count(&keys_place, CKO_DATA, 0, NULL), 0);
	vault_find_one(&keys_place, CKO_SECRET_KEY, 0, NULL, id);
	ck_assert_str_eq(id, "h:a/mac");
	vault_find_one(&keys_place, CKO_SECRET_KEY, CKA_LABEL, "a/mac", id);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, CKA_LABEL, "a/password"), 0);
	ck_assert(keys_flag(CKO_SECRET_KEY, id, CKA_SENSITIVE));
	ck_assert(keys_flag(CKO_SECRET_KEY, id, CKA_SIGN));
	ck_assert(!keys_flag(CKO_SECRET_KEY, id, CKA_ENCRYPT));
	struct sr_key *key = keys_open(CKO_SECRET_KEY, id);
	ck_assert_ptr_null(sr_attrs_find(&key->attrs, CKA_VALUE_LEN));
	expect(keys_run(SR_SIGN, key, CKM_SHA256_HMAC, IN("message"), &mac), CKR_OK, NONE);
	ck_assert_uint_eq(mac.len, 32);
	ck_assert_mem_eq(mac.data, expected, 32);
	expect_event(KEY_USED, ALLOWED, "a/mac", "");
	ck_assert(keys_event().counted);
	expect(keys_check(key, CKM_SHA256_HMAC, IN("message"), &mac), CKR_OK, NONE);
	ck_assert(keys_event().counted);
	sr_buf_clear(&mac);
	expect(keys_run(SR_SIGN, key, CKM_SHA256_HMAC, IN("message"), &mac), CKR_USER_NOT_LOGGED_IN, USED_UP);
	expect(keys_set(CKO_SECRET_KEY, id, LIST(FLAG(CKA_SIGN, 0))), CKR_ACTION_PROHIBITED, NONE);
	expect(keys_destroy(CKO_SECRET_KEY, id), CKR_ACTION_PROHIBITED, NONE);
	sr_key_unref(key);
}
END_TEST

static void freeze(const char *path)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	keys_fill(&template,
		LIST(NUMBER(CKA_CLASS, CKO_SR_FREEZE), TEXT(CKA_SR_PATH, path), TEXT(CKA_SR_REASON, "it was seen")));
	expect(sr_class_find(CKO_SR_FREEZE)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	sr_attrs_clear(&template);
}

START_TEST(a_frozen_key_does_not_leave)
{
	struct sr_new_key made, copy;
	struct sr_buf value = SR_BUF_INIT;
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/open"), NUMBER(CKA_VALUE_LEN, 16),
			       FLAG(CKA_EXTRACTABLE, 1), FLAG(CKA_SENSITIVE, 0)),
		       &made),
		CKR_OK, NONE);
	sr_new_key_clear(&made);
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "s:a/open");
	freeze("a/open");
	expect(sr_key_secret(&keys_place.caller, key, CKA_VALUE, &value, &keys_place.err), CKR_ATTRIBUTE_SENSITIVE,
		FROZEN);
	ck_assert_uint_eq(value.len, 0);
	expect_event(KEY_WRAPPED, DENIED, "a/open", "frozen");
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "copy")), &copy), CKR_OBJECT_HANDLE_INVALID, FROZEN);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_frozen_secret_is_no_key)
{
	struct sr_buf mac = SR_BUF_INIT;
	expect(put_typed("a/mac", "0123456789abcdef", "hmac-key"), CKR_OK, NONE);
	struct sr_key *before = keys_open(CKO_SECRET_KEY, "h:a/mac");
	freeze("a/mac");
	expect(keys_run(SR_SIGN, before, CKM_SHA256_HMAC, IN("message"), &mac), CKR_FUNCTION_CANCELED, FROZEN);
	ck_assert_uint_eq(mac.len, 0);
	struct sr_key *after = keys_open(CKO_SECRET_KEY, "h:a/mac");
	expect(keys_run(SR_SIGN, after, CKM_SHA256_HMAC, IN("message"), &mac), CKR_KEY_FUNCTION_NOT_PERMITTED, FROZEN);
	expect_event(KEY_USED, DENIED, "a/mac", "frozen");
	sr_key_unref(before);
	sr_key_unref(after);
}
END_TEST

START_TEST(what_a_secret_that_is_a_key_needs)
{
	struct sr_attrs change = SR_ATTRS_INIT;
	struct sr_buf mac = SR_BUF_INIT;
	expect(put_typed("a/short", "0123456789abcde", "hmac-key"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(put_typed("a/short", "0123456789abcde", "generic"), CKR_OK, NONE);
	sr_attrs_put_text(&change, CKA_SR_TYPE, "hmac-key");
	expect(sr_class_find(CKO_DATA)->set(&keys_place.caller, "a/short", &change, &keys_place.err),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(put_typed("a/mac", "0123456789abcdef", "generic"), CKR_OK, NONE);
	expect(sr_class_find(CKO_DATA)->set(&keys_place.caller, "a/mac", &change, &keys_place.err), CKR_OK, NONE);
	sr_attrs_clear(&change);
	struct sr_key *key = keys_open(CKO_SECRET_KEY, "h:a/mac");
	expect(keys_run(SR_ENCRYPT, key, CKM_AES_ECB, IN("m"), &mac), CKR_KEY_FUNCTION_NOT_PERMITTED, NONE);
	struct sr_new_key made;
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "a/copy")), &made), CKR_ACTION_PROHIBITED, NONE);
	/* tokens without secrets:use do not see it, whatever else they may */
	keys_as("secrets:read:*\nkeys:*:*", NULL);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, 0, NULL), 0);
	expect(keys_run(SR_SIGN, key, CKM_SHA256_HMAC, IN("m"), &mac), CKR_KEY_FUNCTION_NOT_PERMITTED, OUT_OF_SCOPE);
	expect_event(KEY_USED, DENIED, "a/mac", "out_of_scope");
	/* deleted after it was opened */
	vault_login_admin(&keys_place);
	expect(keys_destroy(CKO_DATA, "a/mac"), CKR_OK, NONE);
	expect(keys_run(SR_SIGN, key, CKM_SHA256_HMAC, IN("m"), &mac), CKR_FUNCTION_CANCELED, CHANGED_MEANWHILE);
	sr_key_unref(key);
}
END_TEST

/* -- the same credential once more -----------------------------------------------------------------------------------
 */

static CK_RV again(const char *name, const char *pin)
{
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	CK_RV rv = sr_reauthenticate(
		&keys_place.caller, key, name, name ? strlen(name) : 0, pin, strlen(pin), &keys_place.err);
	sr_key_unref(key);
	return rv;
}

START_TEST(only_the_same_credential_authenticates_again)
{
	char pin[64], other[64];
	vault_login_admin(&keys_place);
	keys_make_rsa("a/rsa");
	expect(again(NULL, PASSPHRASE), CKR_OK, NONE);
	expect_event(SESSION_LOGIN, ALLOWED, "a/rsa", "");
	ck_assert_str_eq(keys_event().metadata, "{\"context_specific\":true}");
	expect(again(NULL, "admin:" PASSPHRASE), CKR_OK, NONE);
	expect(again("admin", PASSPHRASE), CKR_OK, NONE);
	expect(again("other", PASSPHRASE), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(again(NULL, "other:" PASSPHRASE), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(again(NULL, "wrong passphrase"), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect_event(SESSION_LOGIN, DENIED, "a/rsa", "wrong_passphrase");
	expect(vault_issue(&keys_place, "keys:sign:*", "600", NULL, NULL, pin), CKR_OK, NONE);
	expect(vault_issue(&keys_place, "keys:sign:*", "600", NULL, NULL, other), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
	expect(again(NULL, pin), CKR_OK, NONE);
	expect(again(NULL, other), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect(again(NULL, "admin:" PASSPHRASE), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect_event(SESSION_LOGIN, DENIED, "a/rsa", "unknown_token");
}
END_TEST

/* The login goes on over a change of its own passphrase; the old one is worth nothing from then on. */
START_TEST(a_changed_passphrase_authenticates_again)
{
	static const char changed[] = "another passphrase of five words";
	vault_login_admin(&keys_place);
	keys_make_rsa("a/rsa");
	expect(sr_set_passphrase(
		       &keys_place.caller, PASSPHRASE, strlen(PASSPHRASE), changed, strlen(changed), &keys_place.err),
		CKR_OK, NONE);
	expect(again(NULL, PASSPHRASE), CKR_PIN_INCORRECT, LOGIN_REFUSED);
	expect_event(SESSION_LOGIN, DENIED, "a/rsa", "wrong_passphrase");
	expect(again(NULL, changed), CKR_OK, NONE);
}
END_TEST

static void want_each_use(const char *glob)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	keys_fill(&template,
		LIST(NUMBER(CKA_CLASS, CKO_SR_POLICY), TEXT(CKA_SR_PATH, glob), TEXT(CKA_SR_TIER, "standard"),
			TEXT(CKA_SR_APPROVALS, "1"), TEXT(CKA_SR_EACH_USE, "true")));
	expect(sr_class_find(CKO_SR_POLICY)->create(&keys_place.caller, &template, &created, &keys_place.err), CKR_OK,
		NONE);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
}

/* A policy that wants an approval of each use makes any private key under it ask, also one that did not before, and
 * stops what has begun without. */
START_TEST(a_policy_makes_a_key_ask_at_each_use)
{
	struct sr_buf out = SR_BUF_INIT;
	vault_login_admin(&keys_place);
	keys_make_rsa("a/rsa");
	keys_make_rsa("b/rsa");
	sr_identity_unref(people_member(&keys_place, "second", SR_ROLE_EDITOR));
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	ck_assert(!key->always_authenticate);
	struct sr_use *use = begin(SR_SIGN, key, CKM_SHA256_RSA_PKCS);
	want_each_use("b/*");
	expect(sr_use_once(&keys_place.caller, use, "m", 1, &out, &keys_place.err), CKR_OK, NONE);
	sr_buf_clear(&out);
	sr_use_end(use);
	use = begin(SR_SIGN, key, CKM_SHA256_RSA_PKCS);
	want_each_use("a/*");
	expect(sr_use_once(&keys_place.caller, use, "m", 1, &out, &keys_place.err), CKR_FUNCTION_REJECTED,
		APPROVAL_REQUIRED);
	ck_assert_uint_eq(out.len, 0);
	expect_event(KEY_USED, DENIED, "a/rsa", "approval_required");
	sr_use_end(use);
	sr_key_unref(key);
	key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	ck_assert(key->always_authenticate);
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_ALWAYS_AUTHENTICATE));
	expect(again(NULL, PASSPHRASE), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	sr_key_unref(key);
}
END_TEST

Suite *sr_suite_vault_uses(void)
{
	Suite *suite = suite_create("vault_uses");
	TCase *c = tcase_create("vault_uses");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, keys_setup, keys_teardown);
	tcase_add_test(c, a_signature_is_made_recorded_and_verified);
	tcase_add_test(c, a_frozen_key_is_not_used);
	tcase_add_test(c, a_frozen_key_does_not_leave);
	tcase_add_test(c, a_frozen_secret_is_no_key);
	tcase_add_test(c, an_hsm_that_refuses_is_recorded_and_releases_nothing);
	tcase_add_test(c, verifying_with_a_public_key_counts_nothing);
	tcase_add_test(c, the_scope_decides_and_refusals_are_recorded);
	tcase_add_test(c, a_critical_key_asks_for_clearance);
	tcase_add_test(c, what_changes_meanwhile_counts);
	tcase_add_test(c, a_right_taken_away_meanwhile);
	tcase_add_test(c, deleted_meanwhile);
	tcase_add_test(c, forged_meanwhile);
	tcase_add_test(c, revoked_meanwhile);
	tcase_add_test(c, a_stream_is_counted_before_its_first_byte);
	tcase_add_test(c, a_stream_of_a_signature_is_recorded_at_its_end);
	tcase_add_test(c, bounds_are_exact);
	tcase_add_test(c, bad_padding_looks_like_good_padding);
	tcase_add_test(c, selection_takes_either);
	tcase_add_test(c, cbc_padding_has_one_code);
	tcase_add_test(c, a_key_leaves_where_policy_lets_it);
	tcase_add_test(c, what_guards_a_key_that_could_leave);
	tcase_add_test(c, what_comes_back_has_no_more_rights);
	tcase_add_test(c, components_are_read_where_the_key_shows_them);
	tcase_add_test(c, two_parties_derive_the_same_secret);
	tcase_add_test(c, a_refused_key_is_undone);
	tcase_add_test(c, a_secret_is_used_and_never_seen);
	tcase_add_test(c, what_a_secret_that_is_a_key_needs);
	tcase_add_test(c, only_the_same_credential_authenticates_again);
	tcase_add_test(c, a_changed_passphrase_authenticates_again);
	tcase_add_test(c, a_policy_makes_a_key_ask_at_each_use);
	suite_add_tcase(suite, c);
	return suite;
}
