/* Keys as objects of the vault: made, found, seen, changed, deleted; and what is refused. */
#include "tests/unit/approvals_fixture.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"

#include "vault/core.h"
#include "vault/keyinfo.h"

#include <stdio.h>
#include <string.h>

/* -- making ------------------------------------------------------------------------------------------------------ */

START_TEST(a_pair_shares_a_path_and_an_id)
{
	char id[SR_OBJECT_ID_MAX];
	keys_make_ec("a/signing");
	expect_event(KEY_GENERATED, ALLOWED, "a/signing", "");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"mechanism\":\"CKM_EC_KEY_PAIR_GEN\""));
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"bits\":256"));
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"custody\":\"resident\""));
	vault_find_one(&keys_place, CKO_PRIVATE_KEY, CKA_LABEL, "a/signing", id);
	ck_assert_str_eq(id, "p:a/signing");
	vault_find_one(&keys_place, CKO_PUBLIC_KEY, CKA_LABEL, "a/signing", id);
	ck_assert_str_eq(id, "u:a/signing");
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, 0, NULL), 0);
	struct sr_key *private = keys_open(CKO_PRIVATE_KEY, "p:a/signing");
	struct sr_key *public = keys_open(CKO_PUBLIC_KEY, "u:a/signing");
	static const CK_ATTRIBUTE_TYPE same[] = { CKA_ID, CKA_PUBLIC_KEY_INFO, CKA_EC_PARAMS, CKA_LABEL };
	for (size_t i = 0; i < 4; i++) {
		const struct sr_attr *a = sr_attrs_find(&private->attrs, same[i]);
		const struct sr_attr *b = sr_attrs_find(&public->attrs, same[i]);
		ck_assert(a && b && a->len && a->len == b->len && memcmp(a->value, b->value, a->len) == 0);
	}
	uint8_t rfc7093[SR_KEYINFO_ID_LEN];
	const struct sr_attr *spki = sr_attrs_find(&public->attrs, CKA_PUBLIC_KEY_INFO);
	ck_assert(sr_keyinfo_id(spki->value, spki->len, rfc7093));
	ck_assert_mem_eq(sr_attrs_find(&public->attrs, CKA_ID)->value, rfc7093, SR_KEYINFO_ID_LEN);
	ck_assert(sr_attrs_bool(&private->attrs, CKA_LOCAL, false));
	ck_assert(sr_attrs_bool(&private->attrs, CKA_ALWAYS_SENSITIVE, false));
	ck_assert(sr_attrs_bool(&private->attrs, CKA_NEVER_EXTRACTABLE, false));
	ck_assert_uint_eq(sr_attrs_ulong(&private->attrs, CKA_KEY_GEN_MECHANISM, 0), CKM_EC_KEY_PAIR_GEN);
	ck_assert(!private->always_authenticate);
	sr_key_unref(private);
	sr_key_unref(public);
}
END_TEST

START_TEST(labels_of_a_pair)
{
	struct sr_new_key a, b;
	const struct keys_word params = P256, token = FLAG(CKA_TOKEN, 1);
	expect(keys_pair(CKK_EC, LIST(params, token, TEXT(CKA_LABEL, "a/one")), LIST(token, TEXT(CKA_LABEL, "a/two")),
		       &a, &b),
		CKR_TEMPLATE_INCONSISTENT, BAD_PATH);
	expect_event(KEY_GENERATED, DENIED, "a/two", "bad_path");
	expect(keys_pair(CKK_EC, LIST(params, token, TEXT(CKA_LABEL, "a/one")), LIST(token), &a, &b), CKR_OK, NONE);
	ck_assert_str_eq(a.id, "u:a/one");
	ck_assert_str_eq(b.id, "p:a/one");
	expect(keys_pair(CKK_EC, LIST(params, token), LIST(token), &a, &b), CKR_OK, NONE);
	ck_assert_int_eq(strncmp(a.id, "u:unnamed/", 10), 0);
	ck_assert_str_eq(a.id + 2, b.id + 2);
	/* the public half of the session alone */
	expect(keys_pair(CKK_EC, LIST(params), LIST(token, TEXT(CKA_LABEL, "a/three")), &a, &b), CKR_OK, NONE);
	ck_assert_ptr_nonnull(a.key);
	ck_assert_str_eq(a.id, "");
	ck_assert_str_eq(b.id, "p:a/three");
	ck_assert_int_eq(vault_count(&keys_place, CKO_PUBLIC_KEY, CKA_LABEL, "a/three"), 0);
	sr_new_key_clear(&a);
	keys_as("keys:create:a/*", NULL);
	expect(keys_pair(CKK_EC, LIST(params, token), LIST(token), &a, &b), CKR_TEMPLATE_INCOMPLETE, BAD_PATH);
	expect(keys_pair(CKK_EC, LIST(params, token), LIST(token, TEXT(CKA_LABEL, "b/one")), &a, &b),
		CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	expect_event(KEY_GENERATED, DENIED, "b/one", "out_of_scope");
}
END_TEST

START_TEST(bad_templates_are_refused_and_recorded)
{
	struct sr_new_key a, b;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/b");
	uint64_t before = keys_events();
	expect(keys_secret(CKK_AES, LIST(token, label), &a), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	expect_event(KEY_GENERATED, DENIED, "a/b", "bad_template");
	expect(keys_secret(CKK_AES, LIST(token, label, NUMBER(CKA_VALUE_LEN, 17)), &a), CKR_ATTRIBUTE_VALUE_INVALID,
		BAD_TEMPLATE);
	expect(keys_secret(
		       CKK_AES, LIST(token, label, NUMBER(CKA_VALUE_LEN, 16), NUMBER(CKA_CLASS, CKO_PUBLIC_KEY)), &a),
		CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(keys_secret(CKK_AES, LIST(token, TEXT(CKA_LABEL, "a//b"), NUMBER(CKA_VALUE_LEN, 16)), &a),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_PATH);
	expect(keys_secret(CKK_AES, LIST(token, label, NUMBER(CKA_VALUE_LEN, 16), TEXT(CKA_SR_CUSTODY, "open")), &a),
		CKR_ATTRIBUTE_VALUE_INVALID, CUSTODY);
	expect(keys_pair(CKK_RSA, LIST(token, label, NUMBER(CKA_MODULUS_BITS, 1024)), LIST(token, label), &a, &b),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_pair(CKK_EC, LIST(token, label, BYTES(CKA_EC_PARAMS, "\x06\x05\x2b\x81\x04\x00\x21", 7)),
		       LIST(token, label), &a, &b),
		CKR_CURVE_NOT_SUPPORTED, BAD_TEMPLATE);
	expect(keys_pair(CKK_EC, LIST(token, label, BYTES(CKA_EC_PARAMS, "junk", 4)), LIST(token, label), &a, &b),
		CKR_DOMAIN_PARAMS_INVALID, BAD_TEMPLATE);
	/* the same, for nobody's eyes but the session's */
	ck_assert_uint_eq(keys_events(), before + 8);
	expect(keys_secret(CKK_AES, LIST(TEXT(CKA_LABEL, "free")), &a), CKR_TEMPLATE_INCOMPLETE, BAD_TEMPLATE);
	ck_assert_uint_eq(keys_events(), before + 8);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, 0, NULL), 0);
}
END_TEST

START_TEST(session_keys_need_a_login_and_leave_no_record)
{
	struct sr_new_key made;
	struct sr_identity *who = keys_place.caller.identity;
	uint64_t before = keys_events();
	expect(keys_secret(CKK_AES, LIST(NUMBER(CKA_VALUE_LEN, 16), TEXT(CKA_LABEL, "//free")), &made), CKR_OK, NONE);
	ck_assert_ptr_nonnull(made.key);
	ck_assert_str_eq(made.id, "");
	ck_assert_str_eq(made.key->path, "");
	ck_assert(sr_attrs_bool(&made.key->attrs, CKA_ENCRYPT, false));
	ck_assert(!sr_attrs_bool(&made.key->attrs, CKA_TOKEN, true));
	sr_key_destroy(keys_place.vault, made.key);
	sr_new_key_clear(&made);
	keys_place.caller.identity = NULL;
	expect(keys_secret(CKK_AES, LIST(NUMBER(CKA_VALUE_LEN, 16)), &made), CKR_USER_NOT_LOGGED_IN, NONE);
	keys_place.caller.identity = who;
	expect(keys_secret(CKK_AES, LIST(NUMBER(CKA_VALUE_LEN, 16), TEXT(CKA_SR_TIER, "critical")), &made),
		CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	ck_assert_uint_eq(keys_events(), before);
}
END_TEST

START_TEST(a_path_holds_one_thing)
{
	struct sr_new_key a, b;
	const struct keys_word token = FLAG(CKA_TOKEN, 1);
	keys_make_ec("a/key");
	expect(vault_put(&keys_place, "a/secret", "v", NULL), CKR_OK, NONE);
	expect(keys_secret(CKK_AES, LIST(token, TEXT(CKA_LABEL, "a/secret"), NUMBER(CKA_VALUE_LEN, 16)), &a),
		CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect_event(KEY_GENERATED, DENIED, "a/secret", "path_taken");
	expect(keys_secret(CKK_AES, LIST(token, TEXT(CKA_LABEL, "a/key"), NUMBER(CKA_VALUE_LEN, 16)), &a),
		CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_pair(CKK_EC, LIST(token, P256), LIST(token, TEXT(CKA_LABEL, "a/key")), &a, &b),
		CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(vault_put(&keys_place, "a/key", "v", NULL), CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/key"), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/key", "v", NULL), CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_destroy(CKO_PUBLIC_KEY, "u:a/key"), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/key", "v", NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(the_tier_of_a_path_outlives_what_it_held)
{
	struct sr_new_key made;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/key"),
			       len = NUMBER(CKA_VALUE_LEN, 16);
	char first[64], second[64];
	struct sr_key *key;
	expect(keys_secret(CKK_AES, LIST(token, label, len, TEXT(CKA_SR_TIER, "sensitive")), &made), CKR_OK, NONE);
	ck_assert_str_eq(keys_event().tier, "sensitive");
	key = keys_open(CKO_SECRET_KEY, "s:a/key");
	snprintf(first, sizeof(first), "%.26s", (const char *)sr_attrs_find(&key->attrs, CKA_UNIQUE_ID)->value);
	sr_key_unref(key);
	expect(keys_destroy(CKO_SECRET_KEY, "s:a/key"), CKR_OK, NONE);
	expect(keys_secret(CKK_AES, LIST(token, label, len, TEXT(CKA_SR_TIER, "standard")), &made),
		CKR_TEMPLATE_INCONSISTENT, TIER_LOWERED);
	expect(keys_secret(CKK_AES, LIST(token, label, len), &made), CKR_OK, NONE);
	ck_assert_str_eq(keys_event().tier, "sensitive");
	key = keys_open(CKO_SECRET_KEY, "s:a/key");
	snprintf(second, sizeof(second), "%.26s", (const char *)sr_attrs_find(&key->attrs, CKA_UNIQUE_ID)->value);
	sr_key_unref(key);
	ck_assert_str_ne(first, second);
	expect(keys_destroy(CKO_SECRET_KEY, "s:a/key"), CKR_OK, NONE);
	expect(vault_put(&keys_place, "a/key", "v", "standard"), CKR_TEMPLATE_INCONSISTENT, TIER_LOWERED);
	keys_as("secrets:*:a/*\nkeys:*:a/*", NULL);
	expect(vault_put(&keys_place, "a/key", "v", NULL), CKR_TOKEN_WRITE_PROTECTED, APPROVAL_REQUIRED);
	expect(keys_secret(CKK_AES, LIST(token, label, len), &made), CKR_TOKEN_WRITE_PROTECTED, APPROVAL_REQUIRED);
	vault_login_admin(&keys_place);
	expect(vault_put(&keys_place, "a/key", "v", NULL), CKR_OK, NONE);
	expect(vault_get(&keys_place, "a/key", NULL), CKR_ATTRIBUTE_SENSITIVE, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(custody)
{
	struct sr_new_key a, b;
	struct sr_buf out = SR_BUF_INIT;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), wrapped = TEXT(CKA_SR_CUSTODY, "wrapped");
	expect(keys_pair(CKK_EC, LIST(token, P256), LIST(token, wrapped, TEXT(CKA_LABEL, "a/wrapped")), &a, &b), CKR_OK,
		NONE);
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"custody\":\"wrapped\""));
	sr_nest_close(keys_nest);
	vault_place_reopen(&keys_place);
	expect(sr_nest_open(keys_place.vault, &keys_nest, &keys_place.err), CKR_OK, NONE);
	vault_login_admin(&keys_place);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/wrapped");
	expect(keys_run(SR_SIGN, key, CKM_ECDSA, "01234567890123456789012345678901", 32, &out), CKR_OK, NONE);
	ck_assert_uint_eq(out.len, 64);
	sr_buf_clear(&out);
	sr_key_unref(key);
	expect(keys_pair(CKK_EC_EDWARDS, LIST(token, ED25519), LIST(token, wrapped, TEXT(CKA_LABEL, "a/ed")), &a, &b),
		CKR_TEMPLATE_INCONSISTENT, CUSTODY);
	expect_event(KEY_GENERATED, DENIED, "a/ed", "custody");
	expect(keys_pair(CKK_EC_EDWARDS,
		       LIST(token, BYTES(CKA_EC_PARAMS,
					   "\x13\x0c"
					   "edwards25519",
					   14)),
		       LIST(token, TEXT(CKA_LABEL, "a/ed")), &a, &b),
		CKR_OK, NONE);
	keys_place.vault->custody_wrapped = true; /* [vault] custody = wrapped */
	keys_make_ec("a/default");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"custody\":\"wrapped\""));
}
END_TEST

/* -- from outside ------------------------------------------------------------------------------------------------ */

/* A P-256 key, and the self-signed certificate over it, made for these tests. */
#include "tests/unit/vault_keys_data.h"

START_TEST(parts_join_at_a_path_in_any_order)
{
	struct sr_new_key made;
	struct sr_view view = { .attrs = SR_ATTRS_INIT };
	struct sr_buf value = SR_BUF_INIT;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/tls");
	expect(keys_import(CKO_CERTIFICATE, CKC_X_509, LIST(token, label, BYTES(CKA_VALUE, cert_der, sizeof(cert_der))),
		       &made),
		CKR_OK, NONE);
	ck_assert_str_eq(made.id, "c:a/tls");
	expect_event(KEY_IMPORTED, ALLOWED, "a/tls", "");
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC,
		       LIST(token, label, P256, BYTES(CKA_EC_POINT, ec_point, sizeof(ec_point))), &made),
		CKR_OK, NONE);
	expect(keys_import(CKO_PRIVATE_KEY, CKK_EC,
		       LIST(token, label, P256, BYTES(CKA_VALUE, ec_value, sizeof(ec_value))), &made),
		CKR_OK, NONE);
	struct sr_key *private = keys_open(CKO_PRIVATE_KEY, "p:a/tls"), *public = keys_open(CKO_PUBLIC_KEY, "u:a/tls");
	const struct sr_attr *id = sr_attrs_find(&private->attrs, CKA_ID);
	expect(sr_class_find(CKO_CERTIFICATE)->view(&keys_place.caller, "c:a/tls", &view, &keys_place.err), CKR_OK,
		NONE);
	ck_assert_mem_eq(sr_attrs_find(&view.attrs, CKA_ID)->value, id->value, id->len);
	ck_assert_mem_eq(sr_attrs_find(&public->attrs, CKA_ID)->value, id->value, id->len);
	ck_assert_uint_eq(id->len, SR_KEYINFO_ID_LEN);
	ck_assert_int_eq(view.value, SR_VALUE_READABLE);
	ck_assert_uint_eq(view.value_len, sizeof(cert_der));
	ck_assert(sr_attrs_find(&view.attrs, CKA_SUBJECT)->len > 10);
	ck_assert(sr_attrs_find(&view.attrs, CKA_ISSUER)->len > 10);
	ck_assert(sr_attrs_find(&view.attrs, CKA_SERIAL_NUMBER)->len > 2);
	ck_assert(!sr_attrs_bool(&private->attrs, CKA_LOCAL, true));
	ck_assert(!sr_attrs_bool(&private->attrs, CKA_ALWAYS_SENSITIVE, true));
	ck_assert(!sr_attrs_bool(&private->attrs, CKA_NEVER_EXTRACTABLE, true));
	ck_assert(sr_attrs_bool(&private->attrs, CKA_SENSITIVE, false));
	uint64_t before = keys_events();
	expect(sr_class_find(CKO_CERTIFICATE)->value(&keys_place.caller, "c:a/tls", &value, &keys_place.err), CKR_OK,
		NONE);
	ck_assert_uint_eq(keys_events(), before);
	ck_assert_mem_eq(value.data, cert_der, sizeof(cert_der));
	sr_buf_clear(&value);
	sr_view_clear(&view);
	sr_key_unref(private);
	sr_key_unref(public);
}
END_TEST

START_TEST(halves_of_two_pairs_do_not_join)
{
	struct sr_new_key made;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/key"), params = P256;
	keys_make_ec("a/key");
	expect(keys_destroy(CKO_PUBLIC_KEY, "u:a/key"), CKR_OK, NONE);
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC,
		       LIST(token, label, params, BYTES(CKA_EC_POINT, ec_point, sizeof(ec_point))), &made),
		CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	/* a certificate may be another key's */
	expect(keys_import(CKO_CERTIFICATE, CKC_X_509, LIST(token, label, BYTES(CKA_VALUE, cert_der, sizeof(cert_der))),
		       &made),
		CKR_OK, NONE);
}
END_TEST

START_TEST(bad_components_are_refused)
{
	struct sr_new_key made;
	uint8_t point[sizeof(ec_point)], cert[sizeof(cert_der)];
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/key"), params = P256;
	memcpy(point, ec_point, sizeof(point));
	point[20] ^= 1;
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC,
		       LIST(token, label, params, BYTES(CKA_EC_POINT, point, sizeof(point))), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC, LIST(token, label, params, BYTES(CKA_EC_POINT, point, 9)), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(CKO_PRIVATE_KEY, CKK_EC, LIST(token, label, params, BYTES(CKA_VALUE, "\0\0\0", 3)), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(CKO_PRIVATE_KEY, CKK_EC, LIST(token, label, params), &made), CKR_TEMPLATE_INCOMPLETE,
		BAD_TEMPLATE);
	memcpy(cert, cert_der, sizeof(cert));
	expect(keys_import(
		       CKO_CERTIFICATE, CKC_X_509, LIST(token, label, BYTES(CKA_VALUE, cert, sizeof(cert) - 1)), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(CKO_CERTIFICATE, CKC_X_509,
		       LIST(token, label, BYTES(CKA_VALUE, cert, sizeof(cert)), TEXT(CKA_SUBJECT, "another")), &made),
		CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(keys_import(CKO_CERTIFICATE, CKC_X_509_ATTR_CERT,
		       LIST(token, label, BYTES(CKA_VALUE, cert, sizeof(cert))), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(
		       CKO_SECRET_KEY, CKK_AES, LIST(token, label, BYTES(CKA_VALUE, "0123456789012345", 15)), &made),
		CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(keys_import(CKO_SECRET_KEY, CKK_AES,
		       LIST(token, label, BYTES(CKA_VALUE, "0123456789012345", 16), FLAG(CKA_TRUSTED, 1)), &made),
		CKR_ATTRIBUTE_READ_ONLY, BAD_TEMPLATE);
	expect(keys_import(CKO_SECRET_KEY, CKK_AES,
		       LIST(token, label, BYTES(CKA_VALUE, "0123456789012345", 16), FLAG(CKA_LOCAL, 1)), &made),
		CKR_ATTRIBUTE_READ_ONLY, BAD_TEMPLATE);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PUBLIC_KEY, 0, NULL), 0);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, 0, NULL), 0);
}
END_TEST

/* By the words of an RSA key, the modulus first. */
static CK_RV import_rsa(const struct keys_word changed)
{
	struct keys_word words[] = { BYTES(CKA_MODULUS, rsa_n, sizeof(rsa_n)),
		BYTES(CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3), BYTES(CKA_PRIVATE_EXPONENT, rsa_d, sizeof(rsa_d)),
		BYTES(CKA_PRIME_1, rsa_p, sizeof(rsa_p)), BYTES(CKA_PRIME_2, rsa_q, sizeof(rsa_q)),
		BYTES(CKA_EXPONENT_1, rsa_e1, sizeof(rsa_e1)), BYTES(CKA_EXPONENT_2, rsa_e2, sizeof(rsa_e2)),
		BYTES(CKA_COEFFICIENT, rsa_c, sizeof(rsa_c)), FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/imported"),
		{ 0, KEYS_END, NULL, 0 } };
	struct sr_new_key made;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].type == changed.type && words[i].kind != KEYS_END)
			words[i] = changed;
	}
	return keys_import(CKO_PRIVATE_KEY, CKK_RSA, words, &made);
}

START_TEST(rsa_components_belong_together)
{
	uint8_t bytes[256];
	struct sr_buf sig = SR_BUF_INIT;
	memcpy(bytes, rsa_d, sizeof(bytes));
	bytes[9] ^= 1;
	expect(import_rsa(BYTES(CKA_PRIVATE_EXPONENT, bytes, sizeof(bytes))), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect_event(KEY_IMPORTED, DENIED, "a/imported", "bad_template");
	memcpy(bytes, rsa_p, 128);
	bytes[9] ^= 1;
	expect(import_rsa(BYTES(CKA_PRIME_1, bytes, 128)), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	expect(import_rsa(BYTES(CKA_MODULUS, rsa_n, 128)), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(import_rsa(BYTES(CKA_PUBLIC_EXPONENT, "\x01\x00\x00", 3)), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	expect(import_rsa(BYTES(CKA_PUBLIC_EXPONENT, "\x03", 1)), CKR_TEMPLATE_INCONSISTENT, BAD_TEMPLATE);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, 0, NULL), 0);
	expect(import_rsa(FLAG(CKA_TOKEN, 1)), CKR_OK, NONE);
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/imported");
	expect(keys_run(SR_SIGN, key, CKM_SHA256_RSA_PKCS, "m", 1, &sig), CKR_OK, NONE);
	struct sr_new_key made;
	expect(keys_import(CKO_PUBLIC_KEY, CKK_RSA,
		       LIST(BYTES(CKA_MODULUS, rsa_n, sizeof(rsa_n)), BYTES(CKA_PUBLIC_EXPONENT, "\0\x01\x00\x01", 4)),
		       &made),
		CKR_OK, NONE);
	expect(keys_check(made.key, CKM_SHA256_RSA_PKCS, "m", 1, &sig), CKR_OK, NONE);
	const struct sr_attr *a = sr_attrs_find(&made.key->attrs, CKA_ID), *b = sr_attrs_find(&key->attrs, CKA_ID);
	ck_assert(a->len == b->len && memcmp(a->value, b->value, a->len) == 0);
	ck_assert_uint_eq(sr_attrs_ulong(&made.key->attrs, CKA_MODULUS_BITS, 0), 2048);
	sr_new_key_clear(&made);
	sr_buf_clear(&sig);
	sr_key_unref(key);
}
END_TEST

START_TEST(a_pair_does_not_read_what_it_wraps)
{
	struct sr_new_key a, b;
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, "a/rsa");
	expect(keys_pair(CKK_RSA, LIST(token, FLAG(CKA_WRAP, 1)), LIST(token, label, FLAG(CKA_DECRYPT, 1)), &a, &b),
		CKR_TEMPLATE_INCONSISTENT, RIGHTS);
	expect_event(KEY_GENERATED, DENIED, "a/rsa", "rights");
	expect(keys_pair(CKK_RSA, LIST(token, FLAG(CKA_WRAP, 1)), LIST(token, label, FLAG(CKA_UNWRAP, 1)), &a, &b),
		CKR_OK, NONE);
}
END_TEST

START_TEST(session_certificates_and_public_keys_need_no_login)
{
	struct sr_new_key made;
	struct sr_attrs template = SR_ATTRS_INIT, held = SR_ATTRS_INIT;
	struct sr_identity *who = keys_place.caller.identity;
	keys_place.caller.identity = NULL;
	sr_attrs_put(&template, CKA_VALUE, cert_der, sizeof(cert_der));
	struct sr_making making = { keys_nest, CKO_CERTIFICATE, CKC_X_509, &template };
	memset(&made, 0, sizeof(made));
	expect(sr_key_import(&keys_place.caller, &making, &made, &held, &keys_place.err), CKR_OK, NONE);
	ck_assert_ptr_null(made.key);
	ck_assert_str_eq(made.id, "");
	ck_assert_uint_eq(sr_attrs_find(&held, CKA_VALUE)->len, sizeof(cert_der));
	ck_assert_uint_eq(sr_attrs_find(&held, CKA_ID)->len, SR_KEYINFO_ID_LEN);
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC, LIST(P256, BYTES(CKA_EC_POINT, ec_point, sizeof(ec_point))), &made),
		CKR_OK, NONE);
	ck_assert_ptr_nonnull(made.key);
	sr_new_key_clear(&made);
	expect(keys_import(CKO_PUBLIC_KEY, CKK_EC,
		       LIST(FLAG(CKA_PRIVATE, 1), P256, BYTES(CKA_EC_POINT, ec_point, sizeof(ec_point))), &made),
		CKR_USER_NOT_LOGGED_IN, NONE);
	keys_place.caller.identity = who;
	sr_attrs_clear(&template);
	sr_attrs_clear(&held);
}
END_TEST

/* -- seeing and finding -------------------------------------------------------------------------------------------- */

START_TEST(the_scope_shapes_what_is_seen)
{
	struct sr_key *key = NULL;
	keys_make_rsa("a/rsa");
	keys_make_rsa("b/rsa");
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_SIGN));
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_DECRYPT));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_UNWRAP));
	keys_as("keys:sign:a/*", NULL);
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_SIGN));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_DECRYPT));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_DESTROYABLE));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_MODIFIABLE));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_COPYABLE));
	ck_assert(keys_flag(CKO_PUBLIC_KEY, "u:a/rsa", CKA_VERIFY));
	ck_assert(keys_flag(CKO_PUBLIC_KEY, "u:a/rsa", CKA_ENCRYPT));
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, 0, NULL), 1);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, CKA_LABEL, "b/rsa"), 0);
	expect(sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "p:b/rsa", &key, &keys_place.err),
		CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "p:a/none", &key, &keys_place.err),
		CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "u:a/rsa", &key, &keys_place.err),
		CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	expect(sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "", &key, &keys_place.err), CKR_OBJECT_HANDLE_INVALID,
		NOT_FOUND);
	keys_as("secrets:read:*", NULL);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, 0, NULL), 0);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PUBLIC_KEY, CKA_LABEL, "a/rsa"), 0);
}
END_TEST

static int count_by(CK_OBJECT_CLASS object_class, const struct keys_word *words);

static bool one_more(const char *id, void *ctx)
{
	(void)id;
	++*(int *)ctx;
	return true;
}

static int count_by(CK_OBJECT_CLASS object_class, const struct keys_word *words)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	int count = 0;
	keys_fill(&query, words);
	expect(sr_class_find(object_class)->find(&keys_place.caller, &query, one_more, &count, &keys_place.err), CKR_OK,
		NONE);
	sr_attrs_clear(&query);
	return count;
}

START_TEST(found_by_any_attribute)
{
	keys_make_ec("a/ec");
	keys_make_rsa("a/rsa");
	keys_make_aes("a/aes");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/ec");
	const struct sr_attr *id = sr_attrs_find(&key->attrs, CKA_ID);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(BYTES(CKA_ID, id->value, id->len))), 1);
	ck_assert_int_eq(count_by(CKO_PUBLIC_KEY, LIST(BYTES(CKA_ID, id->value, id->len))), 1);
	ck_assert_int_eq(count_by(CKO_SECRET_KEY, LIST(BYTES(CKA_ID, id->value, id->len))), 0);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(BYTES(CKA_ID, id->value, id->len - 1))), 0);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(NUMBER(CKA_KEY_TYPE, CKK_RSA))), 1);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(NUMBER(CKA_KEY_TYPE, CKK_AES))), 0);
	ck_assert_int_eq(count_by(CKO_SECRET_KEY, LIST(NUMBER(CKA_KEY_TYPE, CKK_AES))), 1);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(FLAG(CKA_SIGN, 1))), 2);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(FLAG(CKA_DERIVE, 1))), 1);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(TEXT(CKA_LABEL, "a/ec"), FLAG(CKA_DECRYPT, 1))), 0);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(TEXT(CKA_LABEL, "a//ec"))), 0);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(BYTES(CKA_VALUE, "x", 1))), 0);
	sr_key_unref(key);
	keys_as("keys:sign:a/*", NULL);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(FLAG(CKA_DECRYPT, 1))), 0);
}
END_TEST

/* -- changing and deleting ----------------------------------------------------------------------------------------- */

START_TEST(attributes_change_one_way)
{
	keys_make_rsa("a/rsa");
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(BYTES(CKA_ID, "\x01\x02", 2), TEXT(CKA_SUBJECT, "s"))), CKR_OK,
		NONE);
	expect_event(KEY_UPDATED, ALLOWED, "a/rsa", "");
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(BYTES(CKA_ID, "\x01\x02", 2))), 1);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_SENSITIVE, 0))), CKR_ATTRIBUTE_READ_ONLY,
		BAD_TEMPLATE);
	expect_event(KEY_UPDATED, DENIED, "a/rsa", "bad_template");
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_EXTRACTABLE, 1))), CKR_ATTRIBUTE_READ_ONLY,
		BAD_TEMPLATE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_UNWRAP, 1))), CKR_ATTRIBUTE_READ_ONLY, RIGHTS);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_ALWAYS_AUTHENTICATE, 1))), CKR_ATTRIBUTE_READ_ONLY,
		BAD_TEMPLATE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(TEXT(CKA_LABEL, "a/rsa"))), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(TEXT(CKA_LABEL, "a/other"))), CKR_ACTION_PROHIBITED, BAD_PATH);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_DECRYPT, 0))), CKR_OK, NONE);
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_DECRYPT));
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_SIGN));
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(FLAG(CKA_DECRYPT, 1))), CKR_ATTRIBUTE_READ_ONLY, RIGHTS);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/none", LIST(FLAG(CKA_DECRYPT, 0))), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	/* half a change is none */
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(BYTES(CKA_ID, "\x03", 1), FLAG(CKA_UNWRAP, 1))),
		CKR_ATTRIBUTE_READ_ONLY, RIGHTS);
	ck_assert_int_eq(count_by(CKO_PRIVATE_KEY, LIST(BYTES(CKA_ID, "\x03", 1))), 0);
	keys_as("keys:sign:a/*", NULL);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(BYTES(CKA_ID, "\x03", 1))), CKR_ACTION_PROHIBITED,
		OUT_OF_SCOPE);
	expect_event(KEY_UPDATED, DENIED, "a/rsa", "out_of_scope");
	keys_as("keys:create:a/*", NULL);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(TEXT(CKA_SR_TIER, "critical"))), CKR_ACTION_PROHIBITED,
		ROLE_NOT_ALLOWED);
	keys_as("keys:*:a/*", NULL);
	struct sr_identity *uncleared = sr_identity_ref(keys_place.caller.identity);
	vault_login_admin(&keys_place);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(TEXT(CKA_SR_TIER, "critical"))), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(TEXT(CKA_SR_TIER, "standard"))), CKR_FUNCTION_REJECTED,
		APPROVAL_REQUIRED);
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:a/rsa", CKA_ALWAYS_AUTHENTICATE));
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = uncleared;
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/rsa", LIST(BYTES(CKA_ID, "\x03", 1))), CKR_ACTION_PROHIBITED,
		APPROVAL_REQUIRED);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/rsa"), CKR_ACTION_PROHIBITED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(a_keys_tier_is_lowered_when_that_was_approved)
{
	char id[SR_OBJECT_ID_MAX];
	const struct keys_word standard = TEXT(CKA_SR_TIER, "standard");
	keys_make_ec("a/ec");
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(TEXT(CKA_SR_TIER, "sensitive"))), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(standard)), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
	expect_event(KEY_UPDATED, DENIED, "a/ec", "approval_required");
	vault_find_one(&keys_place, CKO_SR_APPROVAL, CKA_SR_STATE, "pending", id);
	team_borrow(&keys_place);
	ck_assert_str_eq(approval_row(id).target, "private:a/ec");
	ck_assert_uint_eq(decide(as("bob"), id, "approved", NULL), CKR_OK);
	team_leave();
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(standard)), CKR_OK, NONE);
	ck_assert_str_eq(keys_event().tier, "standard");
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(TEXT(CKA_SR_TIER, "sensitive"))), CKR_OK, NONE);
	expect(keys_set(CKO_PRIVATE_KEY, "p:a/ec", LIST(standard)), CKR_FUNCTION_REJECTED, APPROVAL_REQUIRED);
}
END_TEST

START_TEST(what_may_not_be_modified_or_destroyed)
{
	struct sr_new_key made;
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/k"), NUMBER(CKA_VALUE_LEN, 16),
			       FLAG(CKA_MODIFIABLE, 0), FLAG(CKA_DESTROYABLE, 0)),
		       &made),
		CKR_OK, NONE);
	expect(keys_set(CKO_SECRET_KEY, "s:a/k", LIST(BYTES(CKA_ID, "\x03", 1))), CKR_ACTION_PROHIBITED, NONE);
	expect(keys_destroy(CKO_SECRET_KEY, "s:a/k"), CKR_ACTION_PROHIBITED, NONE);
	ck_assert_int_eq(vault_count(&keys_place, CKO_SECRET_KEY, CKA_LABEL, "a/k"), 1);
}
END_TEST

START_TEST(deleted_is_gone)
{
	struct sr_key *key = NULL;
	struct sr_buf out = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	struct sr_key *held = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	keys_as("keys:sign:a/*", NULL);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/rsa"), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	expect_event(KEY_DELETED, DENIED, "a/rsa", "out_of_scope");
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:b/rsa"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	keys_as("keys:delete:a/*", NULL);
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/rsa"), CKR_OK, NONE);
	expect_event(KEY_DELETED, ALLOWED, "a/rsa", "");
	expect(keys_destroy(CKO_PRIVATE_KEY, "p:a/rsa"), CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	vault_login_admin(&keys_place);
	expect(sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "p:a/rsa", &key, &keys_place.err),
		CKR_OBJECT_HANDLE_INVALID, NOT_FOUND);
	ck_assert_int_eq(vault_count(&keys_place, CKO_PRIVATE_KEY, 0, NULL), 0);
	ck_assert(keys_run(SR_SIGN, held, CKM_SHA256_RSA_PKCS, "x", 1, &out) != CKR_OK);
	sr_key_unref(held);
}
END_TEST

/* -- copies ------------------------------------------------------------------------------------------------------ */

START_TEST(copies_have_no_more_than_their_original)
{
	struct sr_new_key made, again;
	struct sr_buf out = SR_BUF_INIT;
	keys_make_rsa("a/rsa");
	struct sr_key *key = keys_open(CKO_PRIVATE_KEY, "p:a/rsa");
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "b/rsa"), FLAG(CKA_DECRYPT, 0)), &made), CKR_OK, NONE);
	ck_assert_str_eq(made.id, "p:b/rsa");
	expect_event(KEY_IMPORTED, ALLOWED, "b/rsa", "");
	ck_assert_ptr_nonnull(strstr(keys_event().metadata, "\"copy_of\":\"a/rsa\""));
	ck_assert(!keys_flag(CKO_PRIVATE_KEY, "p:b/rsa", CKA_DECRYPT));
	ck_assert(keys_flag(CKO_PRIVATE_KEY, "p:b/rsa", CKA_LOCAL));
	struct sr_key *second = keys_open(CKO_PRIVATE_KEY, "p:b/rsa");
	expect(keys_run(SR_SIGN, second, CKM_SHA256_RSA_PKCS, "x", 1, &out), CKR_OK, NONE);
	expect(keys_copy(second, LIST(TEXT(CKA_LABEL, "c/rsa"), FLAG(CKA_DECRYPT, 1)), &again), CKR_ATTRIBUTE_READ_ONLY,
		RIGHTS);
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "b/rsa")), &again), CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_copy(key, LIST(FLAG(CKA_TOKEN, 1)), &again), CKR_TEMPLATE_INCONSISTENT, PATH_TAKEN);
	expect(keys_copy(key, LIST(FLAG(CKA_TOKEN, 0)), &again), CKR_ACTION_PROHIBITED, NONE);
	keys_as("keys:*:b/*\nkeys:sign:a/*", NULL);
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "b/more")), &again), CKR_ACTION_PROHIBITED, OUT_OF_SCOPE);
	keys_as("keys:*:a/*", NULL);
	expect(keys_copy(key, LIST(TEXT(CKA_LABEL, "b/more")), &again), CKR_TOKEN_WRITE_PROTECTED, OUT_OF_SCOPE);
	sr_buf_clear(&out);
	sr_key_unref(key);
	sr_key_unref(second);
}
END_TEST

START_TEST(session_keys_are_copied_and_changed)
{
	struct sr_new_key made, again;
	struct sr_key *changed = NULL;
	struct sr_attrs changes = SR_ATTRS_INIT;
	expect(keys_secret(CKK_AES, LIST(NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_SENSITIVE, 0), FLAG(CKA_EXTRACTABLE, 1)),
		       &made),
		CKR_OK, NONE);
	expect(keys_copy(made.key, LIST(TEXT(CKA_LABEL, "copy")), &again), CKR_OK, NONE);
	ck_assert_ptr_nonnull(again.key);
	sr_new_key_clear(&again);
	expect(keys_copy(made.key, LIST(TEXT(CKA_LABEL, "a/kept"), FLAG(CKA_TOKEN, 1)), &again), CKR_OK, NONE);
	ck_assert_str_eq(again.id, "s:a/kept");
	sr_attrs_put_bool(&changes, CKA_SENSITIVE, true);
	sr_attrs_put_text(&changes, CKA_LABEL, "closed");
	expect(sr_key_set(&keys_place.caller, made.key, &changes, &changed, &keys_place.err), CKR_OK, NONE);
	ck_assert(sr_attrs_bool(&changed->attrs, CKA_SENSITIVE, false));
	ck_assert(!sr_attrs_bool(&changed->attrs, CKA_ALWAYS_SENSITIVE, true));
	struct sr_buf value = SR_BUF_INIT;
	expect(sr_key_secret(&keys_place.caller, changed, CKA_VALUE, &value, &keys_place.err), CKR_ATTRIBUTE_SENSITIVE,
		UNEXTRACTABLE);
	sr_key_unref(changed);
	sr_attrs_put_bool(&changes, CKA_SENSITIVE, false);
	sr_attrs_put_bool(&changes, CKA_TRUSTED, true);
	expect(sr_key_set(&keys_place.caller, made.key, &changes, &changed, &keys_place.err), CKR_ATTRIBUTE_READ_ONLY,
		BAD_TEMPLATE);
	sr_attrs_clear(&changes);
	sr_key_destroy(keys_place.vault, made.key);
	sr_new_key_clear(&made);
}
END_TEST

/* -- in somebody else's hands ----------------------------------------------------------------------------------------
 */

START_TEST(forged_key_rows_are_refused)
{
	static const struct {
		const char *sql;
		CK_ULONG reason;
	} rows[] = {
		{ "UPDATE key SET tier = 'standard' WHERE part = 'private'", SR_REASON_ROW_FORGED },
		{ "UPDATE key SET attrs = (SELECT attrs FROM key WHERE path = 'a/other' AND part = 'private') WHERE "
		  "path = 'a/key' AND part = 'private'",
			SR_REASON_ROW_FORGED },
		{ "UPDATE key SET uid = 'aaaaaaaaaaaaaaaaaaaaaaaaaa' WHERE path = 'a/key' AND part = 'private'",
			SR_REASON_ROW_FORGED },
		{ "DELETE FROM key WHERE path = 'a/key'", SR_REASON_ROW_MISSING },
	};
	struct sr_new_key a, b;
	struct sr_key *key = NULL;
	keys_make_rsa("a/other");
	expect(keys_pair(CKK_RSA, LIST(FLAG(CKA_TOKEN, 1)),
		       LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, "a/key"), FLAG(CKA_SIGN, 1),
			       TEXT(CKA_SR_TIER, "sensitive")),
		       &a, &b),
		CKR_OK, NONE);
	vault_sql(&keys_place, "%s", rows[_i].sql);
	sr_error_clear(&keys_place.err);
	CK_RV rv = sr_key_open(&keys_place.caller, CKO_PRIVATE_KEY, "p:a/key", &key, &keys_place.err);
	ck_assert_msg(rv == CKR_DEVICE_ERROR && keys_place.err.reason == rows[_i].reason, "%s: %s %s", rows[_i].sql,
		sr_rv_name(rv), keys_place.err.text);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(a_deleted_key_put_back_is_refused)
{
	struct sr_key *key = NULL;
	keys_make_aes("a/key");
	vault_sql(&keys_place, "CREATE TABLE kept.t AS SELECT * FROM key");
	expect(keys_destroy(CKO_SECRET_KEY, "s:a/key"), CKR_OK, NONE);
	vault_sql(&keys_place, "DELETE FROM key; INSERT INTO key SELECT * FROM kept.t");
	expect(sr_key_open(&keys_place.caller, CKO_SECRET_KEY, "s:a/key", &key, &keys_place.err), CKR_DEVICE_ERROR,
		ROW_STALE);
}
END_TEST

Suite *sr_suite_vault_keys(void)
{
	Suite *suite = suite_create("vault_keys");
	TCase *c = tcase_create("vault_keys");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, keys_setup, keys_teardown);
	tcase_add_test(c, a_pair_shares_a_path_and_an_id);
	tcase_add_test(c, labels_of_a_pair);
	tcase_add_test(c, bad_templates_are_refused_and_recorded);
	tcase_add_test(c, session_keys_need_a_login_and_leave_no_record);
	tcase_add_test(c, a_path_holds_one_thing);
	tcase_add_test(c, the_tier_of_a_path_outlives_what_it_held);
	tcase_add_test(c, custody);
	tcase_add_test(c, parts_join_at_a_path_in_any_order);
	tcase_add_test(c, halves_of_two_pairs_do_not_join);
	tcase_add_test(c, bad_components_are_refused);
	tcase_add_test(c, rsa_components_belong_together);
	tcase_add_test(c, a_pair_does_not_read_what_it_wraps);
	tcase_add_test(c, session_certificates_and_public_keys_need_no_login);
	tcase_add_test(c, the_scope_shapes_what_is_seen);
	tcase_add_test(c, found_by_any_attribute);
	tcase_add_test(c, attributes_change_one_way);
	tcase_add_test(c, a_keys_tier_is_lowered_when_that_was_approved);
	tcase_add_test(c, what_may_not_be_modified_or_destroyed);
	tcase_add_test(c, deleted_is_gone);
	tcase_add_test(c, copies_have_no_more_than_their_original);
	tcase_add_test(c, session_keys_are_copied_and_changed);
	tcase_add_loop_test(c, forged_key_rows_are_refused, 0, 4);
	tcase_add_test(c, a_deleted_key_put_back_is_refused);
	suite_add_tcase(suite, c);
	return suite;
}
